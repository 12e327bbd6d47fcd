/* What a snapshot holds need not be in the log as well: whole segments are dropped from the front.
 *
 * First memory forgets them, then their files are removed, from the oldest on, the directory synced after each: a crash
 * in between leaves a log that begins earlier, never one with a hole. A log may begin later than at index 1 only as far
 * as a snapshot reaches; recovery refuses anything else, so that a segment that got lost is not taken for one that was
 * dropped.
 */
#include "storage_private.h"

#include <errno.h>

dgraft_index dgraft_storage_membership_at(const struct dgraft_storage *storage, dgraft_index index)
{
    const struct dgraft_log *log = &storage->log;
    for (size_t i = log->membership_count; i-- > 0;) {
        if (log->memberships[i] <= index) {
            return log->memberships[i];
        }
    }
    return 0;
}

/* The first segment that holds anything behind index; the newest one when none does. What mends old entries lies in
 * young segments, so that sequences need not ascend with the entries. */
static uint64_t first_kept(const struct dgraft_storage *storage, dgraft_index index)
{
    const struct dgraft_log *log = &storage->log;
    uint64_t kept = storage->segments;
    for (size_t i = 0; i < log->extent_count; i++) {
        if (log->extents[i].last > index && log->extents[i].sequence < kept) {
            kept = log->extents[i].sequence;
        }
    }
    return kept;
}

/* The last entry that no segment from `kept` on holds. */
static dgraft_index last_gone(const struct dgraft_log *log, uint64_t kept)
{
    dgraft_index gone = log->base.index;
    for (size_t i = 0; i < log->extent_count; i++) {
        if (log->extents[i].sequence < kept && log->extents[i].last > gone) {
            gone = log->extents[i].last;
        }
    }
    return gone;
}

void dgraft_storage_forget(struct dgraft_storage *storage, dgraft_index index)
{
    struct dgraft_log *log = &storage->log;
    struct dgraft_dropping *dropping = &storage->dropping;
    const dgraft_index held = storage->snapshot.position.index;
    const uint64_t kept = first_kept(storage, index < held ? index : held);
    if (dropping->segments || storage->planned || kept <= dropping->next) {
        return;
    }
    const dgraft_index gone = last_gone(log, kept);
    const struct dgraft_position base = {gone, dgraft_storage_term_at(storage, gone)};
    if (base.index > held || base.term == 0) {
        return;
    }
    if (base.index > log->base.index) {
        dgraft_log_drop(log, kept, base);
        storage->reader.cursor.valid = false;
    }
    dropping->end = kept;
    dropping->segments = true;
}

/* Whoever keeps segments for use as new ones takes them over here. */
static int retire_segment(struct dgraft_storage *storage, uint64_t sequence)
{
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    dgraft_segment_name(sequence, name);
    return dgraft_disk_unlink(&storage->disk, name);
}

bool dgraft_storage_drop(struct dgraft_storage *storage)
{
    struct dgraft_dropping *dropping = &storage->dropping;
    int result = 0;
    if (dropping->snapshot.index != 0) {
        char name[DGRAFT_SNAPSHOT_NAME_BYTES];
        dgraft_snapshot_name(dropping->snapshot, name);
        dropping->snapshot.index = 0;
        (void)dgraft_disk_unlink(&storage->disk, name);
    } else if (dropping->segments) {
        result = retire_segment(storage, dropping->next);
        result = result == -ENOENT ? 0 : result;
        if (result == 0) {
            result = dgraft_disk_sync_directory(&storage->disk);
        }
        if (result == 0) {
            atomic_fetch_add_explicit(&dropping->dropped, 1, memory_order_relaxed);
            dropping->next++;
        }
        dropping->segments = result == 0 && dropping->next < dropping->end;
    }
    return dropping->segments || dropping->snapshot.index != 0;
}
