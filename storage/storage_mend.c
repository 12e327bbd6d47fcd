/* What is damaged of an open log, and what of a damaged batch can still be used. */
#include "storage_private.h"

#include <errno.h>
#include <stdlib.h>

bool dgraft_storage_note_damage(struct dgraft_storage *storage)
{
    const struct dgraft_log *log = &storage->log;
    storage->damage_count = log->holes.count;
    for (uint32_t i = 0; i < log->holes.count; i++) {
        const struct dgraft_hole hole = log->holes.items[i];
        struct dgraft_damage *damage = &storage->damage[i];
        *damage = (struct dgraft_damage){hole.first, hole.last, log->last};
        if (hole.last < log->last.index) {
            damage->anchor = (struct dgraft_position){hole.last + 1, dgraft_storage_term_at(storage, hole.last + 1)};
        }
        if (damage->anchor.term == 0) {
            return false;
        }
    }
    return true;
}

bool dgraft_storage_salvages(const struct dgraft_log *log, const struct dgraft_recovery *recovery)
{
    for (size_t i = 0; i < recovery->salvage_count; i++) {
        const struct dgraft_hole *hole = dgraft_holes_from(&log->holes, recovery->salvage[i].first);
        if (hole != NULL && hole->first <= recovery->salvage[i].last) {
            return true;
        }
    }
    return false;
}

/* Writes planned records in the place of what they were. */
static enum dgraft_status write_again(struct dgraft_storage *storage, struct dgraft_plan *plan, struct iovec records,
                                      struct dgraft_why *why)
{
    struct dgraft_log *log = &storage->log;
    struct iovec pieces[2] = {{NULL, 0}, records};
    plan->batch.keep = log->last.index;
    plan->batch.mends = true;
    plan->batch.floor = log->last;
    plan->batch.commit = log->commit;
    plan->batch.membership = log->newest.membership;
    plan->batch.wall_clock_ns = log->newest.wall_clock_ns;
    plan->batch.saves = storage->saves;
    plan->batch.term = storage->term;
    if (!dgraft_log_reserve(log, plan)) {
        return dgraft_why_errno(why, &storage->disk, "read", "", -ENOMEM);
    }
    if (!dgraft_writer_append(&storage->writer, &plan->batch, pieces, 2)) {
        return dgraft_storage_failed(storage, why);
    }
    plan->sequence = storage->writer.sequence;
    dgraft_log_apply(log, plan);
    storage->rewritten += plan->batch.count;
    return DGRAFT_OK;
}

/* Goes through the records of one stretch, and writes those again that nothing else holds. */
static enum dgraft_status salvage_records(struct dgraft_storage *storage, const struct dgraft_salvage *salvage,
                                          uint8_t *bytes, struct dgraft_plan *plan, struct dgraft_why *why)
{
    enum dgraft_status status = DGRAFT_OK;
    size_t begin = 0;
    size_t at = 0;
    plan->batch.count = 0;
    for (dgraft_index index = salvage->first; status == DGRAFT_OK; index++) {
        struct dgraft_record record;
        size_t used = 0;
        const bool there =
            index <= salvage->last &&
            dgraft_record_decode(bytes + at, (size_t)salvage->bytes - at, &record, &used) == DGRAFT_ACCEPT &&
            record.entry.index == index;
        const bool wanted = there && dgraft_holes_have(&storage->log.holes, index);
        if (!wanted && plan->batch.count > 0) {
            status = write_again(storage, plan, (struct iovec){bytes + begin, at - begin}, why);
            plan->batch.count = 0;
        }
        if (!there) {
            break;
        }
        if (wanted && plan->batch.count == 0) {
            begin = at;
            dgraft_plan_begin(plan, index - 1, 0);
            plan->batch.first = index;
        }
        if (wanted && !dgraft_plan_entry(plan, &record.entry)) {
            return dgraft_why_errno(why, &storage->disk, "read", "", -ENOMEM);
        }
        plan->batch.count += wanted ? 1 : 0;
        at += used;
    }
    return status;
}

enum dgraft_status dgraft_storage_salvage(struct dgraft_storage *storage, const struct dgraft_recovery *recovery,
                                          struct dgraft_why *why)
{
    enum dgraft_status status = DGRAFT_OK;
    struct dgraft_plan plan = {.run_count = 0};
    if (!dgraft_storage_salvages(&storage->log, recovery)) {
        return DGRAFT_OK;
    }
    for (size_t i = 0; i < recovery->salvage_count && status == DGRAFT_OK; i++) {
        const struct dgraft_salvage *salvage = &recovery->salvage[i];
        char name[DGRAFT_SEGMENT_NAME_BYTES];
        dgraft_segment_name(salvage->sequence, name);
        uint8_t *bytes = malloc((size_t)salvage->bytes);
        const int file = dgraft_disk_open(&storage->disk, name, DGRAFT_FS_READ);
        int64_t got = bytes == NULL ? -ENOMEM : file;
        if (bytes != NULL && file >= 0) {
            got = dgraft_disk_read(&storage->disk, file, bytes, (size_t)salvage->bytes, salvage->offset);
        }
        dgraft_disk_close(&storage->disk, file);
        if (got != (int64_t)salvage->bytes) {
            status = dgraft_why_errno(why, &storage->disk, "read", name, got < 0 ? got : -EIO);
        } else {
            status = salvage_records(storage, salvage, bytes, &plan, why);
        }
        free(bytes);
    }
    dgraft_plan_free(&plan);
    return status;
}
