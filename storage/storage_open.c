#include "stateless.h"
#include "storage_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENT_BYTES_DEFAULT = 8 * 1024 * 1024, RUNS_MAX_DEFAULT = 256, DIRECTORY_BYTES_MAX = 950 };

/* Takes the lock file, making it when it was lost. */
static enum dgraft_status lock_directory(struct dgraft_storage *storage, struct dgraft_why *why)
{
    struct dgraft_disk *disk = &storage->disk;
    int file = dgraft_disk_open(disk, "lock", DGRAFT_FS_WRITE);
    if (file == -ENOENT) {
        const int state = dgraft_disk_open(disk, "state", DGRAFT_FS_READ);
        if (state < 0) {
            return dgraft_why_stateless(why, disk);
        }
        dgraft_disk_close(disk, state);
        file = dgraft_disk_open(disk, "lock", DGRAFT_FS_CREATE);
    }
    if (file < 0) {
        return dgraft_why_errno(why, disk, "open", "lock", file);
    }
    const int result = dgraft_disk_lock(disk, file);
    if (result < 0) {
        dgraft_disk_close(disk, file);
        return dgraft_why_errno(why, disk, "lock", "", result);
    }
    storage->lock_file = file;
    return DGRAFT_OK;
}

/* Opens the files that will be written. Nothing is written yet. */
static enum dgraft_status open_files(struct dgraft_storage *storage, const struct dgraft_recovery *recovery,
                                     struct dgraft_why *why)
{
    struct dgraft_writer *writer = &storage->writer;
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    const struct dgraft_segment *tail = &recovery->segments[recovery->tail];
    const struct dgraft_segment *newest = &recovery->segments[recovery->segment_count - 1];
    writer->state_file = dgraft_disk_open(&storage->disk, "state", DGRAFT_FS_WRITE);
    if (writer->state_file < 0) {
        return dgraft_why_errno(why, &storage->disk, "open", "state", writer->state_file);
    }
    if (newest->use == DGRAFT_USE_SPARE) {
        dgraft_segment_name(newest->sequence, name);
        writer->spare_file = dgraft_disk_open(&storage->disk, name, DGRAFT_FS_WRITE);
        if (writer->spare_file < 0) {
            return dgraft_why_errno(why, &storage->disk, "open", name, writer->spare_file);
        }
        writer->spare_bytes = newest->file_bytes;
        writer->spare_sequence = newest->sequence; /* the next one, unless segments before it are missing */
        atomic_store(&writer->spare_wanted, false);
        newest--;
    }
    const int listed = dgraft_pool_open(&writer->pool, &storage->disk, writer->segment_bytes, writer->pool.wanted);
    if (listed < 0) {
        return dgraft_why_errno(why, &storage->disk, "list", "", listed);
    }
    writer->sequence = newest->sequence;
    writer->number = recovery->log.newest.number;
    writer->chain = recovery->log.newest.checksum;
    writer->next_number = recovery->next_number;
    writer->fresh = recovery->torn || recovery->unproven || newest != tail;
    if (!writer->fresh) {
        dgraft_segment_name(tail->sequence, name);
        writer->file = dgraft_disk_open(&storage->disk, name, DGRAFT_FS_WRITE);
        if (writer->file < 0) {
            return dgraft_why_errno(why, &storage->disk, "open", name, writer->file);
        }
        writer->file_bytes = tail->file_bytes;
        writer->offset = recovery->tail_end;
    }
    return DGRAFT_OK;
}

enum dgraft_status dgraft_storage_failed(struct dgraft_storage *storage, struct dgraft_why *why)
{
    const struct dgraft_failure *failure = &storage->writer.failure;
    return dgraft_why_errno(why, &storage->disk, failure->verb, failure->name, failure->error);
}

/* Writes the unproven batch again, into a fresh segment whose header says that the log goes on from the batch before
 * it. Until that write is whole, the old copy is in force; then the old one is not, wherever it may still be seen. */
static enum dgraft_status rewrite_last(struct dgraft_storage *storage, struct dgraft_recovery *recovery,
                                       struct dgraft_why *why)
{
    struct dgraft_plan *plan = &recovery->last;
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    const uint64_t size = plan->batch.length - DGRAFT_BATCH_HEADER_BYTES;
    const uint32_t checksum = plan->batch.records_checksum;
    dgraft_segment_name(plan->sequence, name);
    uint8_t *bytes = malloc(size == 0 ? 1 : (size_t)size);
    if (bytes == NULL) {
        return dgraft_why_errno(why, &storage->disk, "read", name, -ENOMEM);
    }
    enum dgraft_status status = DGRAFT_OK;
    const int file = dgraft_disk_open(&storage->disk, name, DGRAFT_FS_READ);
    const int64_t got = file < 0 ? file
                                 : dgraft_disk_read(&storage->disk, file, bytes, (size_t)size,
                                                    plan->batch.offset + DGRAFT_BATCH_HEADER_BYTES);
    dgraft_disk_close(&storage->disk, file);
    if (got < 0 || (uint64_t)got != size || dgraft_crc32c(0, bytes, (size_t)size) != checksum) {
        status = dgraft_why_errno(why, &storage->disk, "read", name, got < 0 ? got : -EIO);
    } else if (!dgraft_log_reserve(&storage->log, plan)) {
        status = dgraft_why_errno(why, &storage->disk, "read", name, -ENOMEM);
    } else {
        struct iovec pieces[2] = {{NULL, 0}, {bytes, (size_t)size}};
        plan->batch.saves = storage->saves;
        plan->batch.term = storage->term;
        if (dgraft_writer_append(&storage->writer, &plan->batch, pieces, 2)) {
            plan->sequence = storage->writer.sequence;
            dgraft_log_apply(&storage->log, plan);
            storage->rewritten = plan->batch.count;
        } else {
            status = dgraft_storage_failed(storage, why);
        }
    }
    free(bytes);
    return status;
}

/* Marks all that is there as durable. */
static enum dgraft_status mark_floor(struct dgraft_storage *storage, struct dgraft_why *why)
{
    struct dgraft_plan mark = {.keep_term = storage->log.last.term, .last = storage->log.last};
    struct iovec piece = {NULL, 0};
    mark.batch = (struct dgraft_batch){.keep = storage->log.last.index,
                                       .first = storage->log.last.index + 1,
                                       .floor = storage->log.last,
                                       .commit = storage->log.commit,
                                       .wall_clock_ns = storage->log.newest.wall_clock_ns,
                                       .saves = storage->saves,
                                       .term = storage->term};
    if (storage->log.membership_count > 0) {
        mark.batch.membership = storage->log.memberships[storage->log.membership_count - 1];
    }
    if (!dgraft_writer_append(&storage->writer, &mark.batch, &piece, 1)) {
        return dgraft_storage_failed(storage, why);
    }
    dgraft_log_apply(&storage->log, &mark);
    storage->marked = true;
    return DGRAFT_OK;
}

/* Makes durable, and marks as durable, what was found. Only an open that found everything marked writes nothing. */
static enum dgraft_status settle(struct dgraft_storage *storage, struct dgraft_recovery *recovery,
                                 struct dgraft_why *why)
{
    const bool saved = recovery->state_whole && !recovery->choice.lost && recovery->saves == recovery->slot.version;
    if (!saved) {
        struct dgraft_state_slot slot = {.version = recovery->choice.version,
                                         .term = recovery->choice.term,
                                         .vote = recovery->choice.vote,
                                         .generation = recovery->slot.generation,
                                         .identity = recovery->identity};
        bool done = dgraft_writer_save(&storage->writer, &slot);
        if (done && !recovery->state_whole) {
            slot.version++; /* mends the other pair */
            done = dgraft_writer_save(&storage->writer, &slot);
        }
        if (!done) {
            return dgraft_storage_failed(storage, why);
        }
        storage->saves = slot.version;
    } else if (!storage->writer.fresh && !dgraft_storage_salvages(&storage->log, recovery)) {
        storage->marked = true;
        return DGRAFT_OK;
    }
    enum dgraft_status status = DGRAFT_OK;
    if (recovery->unproven) {
        status = rewrite_last(storage, recovery, why);
    }
    if (status == DGRAFT_OK) {
        status = dgraft_storage_salvage(storage, recovery, why);
    }
    return status == DGRAFT_OK ? mark_floor(storage, why) : status;
}

enum holding { HOLDING_YES = 1, HOLDING_NO = 2, HOLDING_UNKNOWN = 3 };

/* Whether the log holds an entry that is committed. Where it is damaged, two things tell: that all up to there is
 * committed, since then it is the same in every log; or that the entry behind the damage is of the same term, since one
 * leader's log holds only one entry of an index. */
static enum holding holding_of(struct dgraft_storage *storage, struct dgraft_position position)
{
    const struct dgraft_log *log = &storage->log;
    if (position.index > log->last.index) {
        return HOLDING_NO;
    }
    const struct dgraft_hole *hole = dgraft_holes_from(&log->holes, position.index);
    if (hole == NULL || hole->first > position.index || position.index == log->last.index) {
        return dgraft_storage_term_at(storage, position.index) == position.term ? HOLDING_YES : HOLDING_NO;
    }
    const dgraft_index behind = hole->last < log->last.index ? hole->last + 1 : hole->last;
    return log->commit >= position.index || dgraft_storage_term_at(storage, behind) == position.term ? HOLDING_YES
                                                                                                     : HOLDING_UNKNOWN;
}

/* The log is taken to begin later where that helps, as far as a snapshot holds what was in it. */
static void raise_base(struct dgraft_storage *storage, struct dgraft_position position)
{
    struct dgraft_log *log = &storage->log;
    if (log->holes.count > 0 && log->holes.items[0].first <= position.index) {
        dgraft_log_drop(log, 0, position); /* nobody needs what was damaged there */
    } else if (log->base.index != 0 && log->base.term == 0) {
        /* The entry before is gone, and with it its term: the log is taken to begin behind the first that is there. */
        const struct dgraft_position first = {log->base.index + 1,
                                              dgraft_storage_term_at(storage, log->base.index + 1)};
        dgraft_log_drop(log, 0, first);
    }
}

/* A snapshot was received and published, and then came a crash before the log gave way to it: it gives way now. Whether
 * the log holds the snapshot's last entry is what the core decided by, and nothing it held may be missing elsewhere. */
static enum dgraft_status settle_snapshot(struct dgraft_storage *storage, struct dgraft_why *why)
{
    const struct dgraft_position position = storage->snapshot.position;
    struct dgraft_log *log = &storage->log;
    if (position.index == 0) {
        return DGRAFT_OK;
    }
    if (log->base.index == position.index && log->base.term == 0) {
        log->base.term = position.term;
        log->last.term = log->last.index == position.index ? position.term : log->last.term;
    }
    const enum holding holding = holding_of(storage, position);
    if (holding == HOLDING_UNKNOWN) {
        return dgraft_why_set(why, DGRAFT_STATUS_DAMAGED,
                              "%.160s: whether the log holds the snapshot's last entry, index %" PRIu64
                              ", cannot be told, because it is damaged there (%.200s). %s",
                              storage->directory, position.index, storage->damage_found.text, DGRAFT_REMEDY_DAMAGE);
    }
    if (holding == HOLDING_YES) {
        log->commit = log->commit > position.index ? log->commit : position.index;
        raise_base(storage, position);
        return DGRAFT_OK;
    }
    struct dgraft_plan anew = {.keep_term = position.term, .last = position};
    struct iovec piece = {NULL, 0};
    anew.batch = (struct dgraft_batch){.restart = true,
                                       .keep = position.index,
                                       .first = position.index + 1,
                                       .floor = position,
                                       .commit = position.index,
                                       .wall_clock_ns = log->newest.wall_clock_ns,
                                       .saves = storage->saves,
                                       .term = storage->term};
    if (!dgraft_writer_append(&storage->writer, &anew.batch, &piece, 1)) {
        return dgraft_storage_failed(storage, why);
    }
    anew.sequence = storage->writer.sequence;
    dgraft_log_apply(log, &anew);
    storage->reader.cursor.valid = false;
    return mark_floor(storage, why);
}

/* Gives back the room of what is no longer part of the log. A later segment has already put it out of force, so a
 * failure costs nothing but the room. */
static void cut(struct dgraft_storage *storage, const struct dgraft_recovery *recovery)
{
    for (size_t i = 0; i < recovery->segment_count; i++) {
        const struct dgraft_segment *segment = &recovery->segments[i];
        uint64_t end = segment->end;
        char name[DGRAFT_SEGMENT_NAME_BYTES];
        if (recovery->unproven && i == recovery->tail) {
            end = recovery->last.batch.offset;
        }
        if (segment->use == DGRAFT_USE_SPARE || segment->sequence == storage->writer.sequence) {
            continue;
        }
        if ((i < recovery->tail && segment->use == DGRAFT_USE_FORCE) || segment->file_bytes <= end) {
            continue;
        }
        dgraft_segment_name(segment->sequence, name);
        const int file = dgraft_disk_open(&storage->disk, name, DGRAFT_FS_WRITE);
        if (file >= 0) {
            if (dgraft_disk_truncate(&storage->disk, file, end) == 0) {
                (void)dgraft_disk_sync(&storage->disk, file);
            }
            dgraft_disk_close(&storage->disk, file);
        }
    }
}

/* The header of a segment without a finished batch may be in the page cache only: its sync failed, or never came. Once
 * a later segment stands behind it, a header that a crash takes away would count as damage; so it is written again. */
static enum dgraft_status prove_headers(struct dgraft_storage *storage, const struct dgraft_recovery *recovery,
                                        struct dgraft_why *why)
{
    for (size_t i = 0; i < recovery->segment_count; i++) {
        if (recovery->segments[i].use == DGRAFT_USE_VOID &&
            !dgraft_writer_header(&storage->writer, &recovery->segments[i].header)) {
            return dgraft_storage_failed(storage, why);
        }
    }
    return DGRAFT_OK;
}

/* The same holds for a mark that is the newest batch: nothing hangs on it, but what comes next stands behind it, and
 * would prove it to have been synced. */
static enum dgraft_status prove_mark(struct dgraft_storage *storage, const struct dgraft_recovery *recovery,
                                     struct dgraft_why *why)
{
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    uint8_t bytes[DGRAFT_BATCH_HEADER_BYTES];
    struct iovec piece = {bytes, sizeof bytes};
    const uint64_t offset = storage->log.newest.offset;
    if (recovery->unproven) {
        return DGRAFT_OK;
    }
    dgraft_segment_name(recovery->segments[recovery->tail].sequence, name);
    const int file = dgraft_disk_open(&storage->disk, name, DGRAFT_FS_WRITE);
    int64_t result = file < 0 ? file : dgraft_disk_read(&storage->disk, file, bytes, sizeof bytes, offset);
    if (result >= 0) {
        result = result == (int64_t)sizeof bytes ? dgraft_disk_write(&storage->disk, file, &piece, 1, offset) : -EIO;
    }
    if (result >= 0) {
        result = dgraft_disk_sync(&storage->disk, file);
    }
    dgraft_disk_close(&storage->disk, file);
    return result < 0 ? dgraft_why_errno(why, &storage->disk, "sync", name, result) : DGRAFT_OK;
}

/* Notes what is damaged, now that it is known what of it matters. */
static enum dgraft_status tell_damage(struct dgraft_storage *storage, struct dgraft_why *why)
{
    struct dgraft_why *found = &storage->damage_found;
    const bool told = dgraft_storage_note_damage(storage);
    if (storage->damage_count > 0 && found->text[0] == '\0') {
        (void)dgraft_why_set(found, DGRAFT_STATUS_DAMAGED,
                             "%.160s, index %" PRIu64 ": missing: neither the log nor a snapshot holds it",
                             storage->directory, storage->damage[0].first);
    }
    if (!told) {
        return dgraft_why_set(why, DGRAFT_STATUS_DAMAGED, "%.300s, and the entry behind it cannot be read either. %s",
                              found->text, DGRAFT_REMEDY_DAMAGE);
    }
    return DGRAFT_OK;
}

static enum dgraft_status take_over(struct dgraft_storage *storage, struct dgraft_recovery *recovery,
                                    struct dgraft_why *why)
{
    const uint64_t old_offset = recovery->last.batch.offset;
    storage->identity = recovery->identity;
    storage->writer.identity = recovery->identity;
    storage->generation = recovery->slot.generation;
    storage->term = recovery->choice.term;
    storage->vote = recovery->choice.vote;
    storage->saves = recovery->slot.version;
    /* The second segment's name was synced together with those of a format. */
    const uint64_t newest = recovery->segments[recovery->segment_count - 1].sequence;
    const int named = newest == 1 ? dgraft_format_prove(&storage->disk) : 0;
    if (named < 0) {
        return dgraft_why_errno(why, &storage->disk, "sync the directory", "", named);
    }
    storage->damage_found = recovery->damage;
    enum dgraft_status status = open_files(storage, recovery, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    const bool fresh = storage->writer.fresh;
    storage->log = recovery->log;
    memset(&recovery->log, 0, sizeof recovery->log);
    status = prove_headers(storage, recovery, why);
    if (status == DGRAFT_OK) {
        status = prove_mark(storage, recovery, why);
    }
    if (status == DGRAFT_OK) {
        status = settle(storage, recovery, why);
    }
    if (status == DGRAFT_OK) {
        status = dgraft_snapshots_open(storage, &recovery->snapshot, why);
    }
    if (status == DGRAFT_OK) {
        status = settle_snapshot(storage, why);
    }
    if (status != DGRAFT_OK) {
        return status;
    }
    storage->dropping.next = recovery->segments[0].sequence;
    recovery->last.batch.offset = old_offset;
    if (fresh) {
        cut(storage, recovery);
    }
    storage->torn_bytes = recovery->torn_bytes;
    storage->save_lost = recovery->choice.lost;
    storage->wall_clock_ns = storage->log.newest.wall_clock_ns;
    storage->segments = storage->writer.sequence;
    return tell_damage(storage, why);
}

enum dgraft_status dgraft_storage_open(struct dgraft_fs *fs, const char *directory,
                                       const struct dgraft_storage_options *options, struct dgraft_storage **out,
                                       struct dgraft_why *why)
{
    struct dgraft_recovery recovery;
    *out = NULL;
    if (strlen(directory) > DIRECTORY_BYTES_MAX) {
        return dgraft_why_set(why, DGRAFT_STATUS_NOT_FOUND, "the path is longer than %d bytes", DIRECTORY_BYTES_MAX);
    }
    struct dgraft_storage *storage = calloc(1, sizeof *storage);
    char *name = strdup(directory);
    if (storage == NULL || name == NULL) {
        free(storage);
        free(name);
        return dgraft_why_set(why, DGRAFT_STATUS_NO_MEMORY, "no memory to open %.250s", directory);
    }
    storage->directory = name;
    dgraft_disk_init(&storage->disk, fs, name);
    dgraft_reader_init(&storage->reader, &storage->disk);
    dgraft_scrub_init(&storage->scrub, &storage->disk);
    storage->lock_file = -1;
    storage->snapshot_file = -1;
    storage->drafts[DGRAFT_SNAPSHOT_OWN] = (struct dgraft_draft){.name = "snapshot.new", .file = -1};
    storage->drafts[DGRAFT_SNAPSHOT_RECEIVED] = (struct dgraft_draft){.name = "snapshot.part", .file = -1};
    storage->writer = (struct dgraft_writer){.disk = &storage->disk,
                                             .segment_bytes = options != NULL ? options->segment_bytes : 0,
                                             .state_file = -1,
                                             .file = -1,
                                             .spare_file = -1,
                                             .spare_wanted = true,
                                             .spare_lock = PTHREAD_MUTEX_INITIALIZER};
    storage->writer.pool = (struct dgraft_pool){.draft = -1, .wanted = options != NULL ? options->spares : 0};
    if (storage->writer.segment_bytes == 0) {
        storage->writer.segment_bytes = SEGMENT_BYTES_DEFAULT;
    }
    if (storage->writer.segment_bytes < 2 * DGRAFT_BLOCK_BYTES) {
        storage->writer.segment_bytes = 2 * DGRAFT_BLOCK_BYTES;
    }
    const uint32_t runs_max = options != NULL && options->runs_max != 0 ? options->runs_max : RUNS_MAX_DEFAULT;
    enum dgraft_status status = lock_directory(storage, why);
    if (status == DGRAFT_OK) {
        status = dgraft_recover(&storage->disk, runs_max, &recovery, why);
        if (status == DGRAFT_OK) {
            status = take_over(storage, &recovery, why);
        }
        dgraft_recovery_free(&recovery);
    }
    if (status != DGRAFT_OK) {
        dgraft_storage_abandon(storage);
        return status;
    }
    *out = storage;
    return DGRAFT_OK;
}

void dgraft_storage_found(const struct dgraft_storage *storage, struct dgraft_found *found)
{
    const struct dgraft_log *log = &storage->log;
    *found = (struct dgraft_found){
        .identity = storage->identity,
        .generation = storage->generation,
        .term = storage->term,
        .vote = storage->vote,
        .snapshot = storage->snapshot,
        .compacted = log->base,
        .receiving = storage->drafts[DGRAFT_SNAPSHOT_RECEIVED].header.snapshot,
        .received_bytes = storage->drafts[DGRAFT_SNAPSHOT_RECEIVED].offset,
        .last = log->last,
        .floor = log->last,
        .commit = log->commit,
        .membership_index = log->membership_count > 0 ? log->memberships[log->membership_count - 1] : 0,
        .membership_before = log->membership_count > 1 ? log->memberships[log->membership_count - 2] : 0,
        .runs = log->runs,
        .run_count = log->run_count,
        .damage = storage->damage,
        .damage_count = storage->damage_count,
        .membership_damaged = dgraft_holes_have(&log->holes, log->newest.membership),
        .damage_found = storage->damage_found.text,
        .torn_bytes = storage->torn_bytes,
        .save_lost = storage->save_lost,
        .rewritten = storage->rewritten,
    };
}

enum dgraft_status dgraft_storage_close(struct dgraft_storage *storage, struct dgraft_why *why)
{
    enum dgraft_status status = DGRAFT_OK;
    if (storage == NULL) {
        return DGRAFT_OK;
    }
    if (storage->poisoned) {
        status = dgraft_storage_poison(storage, why);
    } else if (!storage->marked && !storage->planned) {
        const struct dgraft_log *log = &storage->log;
        const struct dgraft_storage_write mark = {
            .log = true,
            .keep = log->last.index,
            .first = log->last.index + 1,
            .last = log->last,
            .commit = log->commit,
            .membership = log->membership_count > 0 ? log->memberships[log->membership_count - 1] : 0,
            .wall_clock_ns = storage->wall_clock_ns,
        };
        status = dgraft_storage_prepare(storage, &mark);
        if (status == DGRAFT_OK) {
            dgraft_storage_perform(storage);
            status = dgraft_storage_complete(storage, why);
        }
    }
    dgraft_storage_abandon(storage);
    return status;
}

/* Gives back all files. */
static void close_files(struct dgraft_storage *storage)
{
    dgraft_reader_close(&storage->reader);
    dgraft_scrub_close(&storage->scrub);
    dgraft_writer_close(&storage->writer);
    dgraft_snapshots_close(storage);
    dgraft_disk_close(&storage->disk, storage->lock_file);
    storage->lock_file = -1;
}

enum dgraft_status dgraft_storage_reopen(const struct dgraft_storage_options *options, struct dgraft_storage **storage,
                                         struct dgraft_why *why)
{
    struct dgraft_storage *old = *storage;
    struct dgraft_storage *opened = NULL;
    if (old->planned) {
        return dgraft_why_set(why, DGRAFT_STATUS_MISUSE, "a store is not opened again while a write is under way");
    }
    close_files(old);
    enum dgraft_status status = dgraft_storage_open(old->disk.fs, old->directory, options, &opened, why);
    if (status == DGRAFT_STATUS_FULL) {
        struct dgraft_why locked = {""};
        const enum dgraft_status held = lock_directory(old, &locked); /* nobody else may have it until there is room */
        if (held == DGRAFT_OK) {
            dgraft_writer_lack(&old->writer);
        } else {
            status = held;
            *why = locked;
        }
    }
    if (status != DGRAFT_OK) {
        old->poisoned = true;
        old->poisoned_why = *why;
        return status;
    }
    dgraft_storage_abandon(old);
    *storage = opened;
    return DGRAFT_OK;
}

void dgraft_storage_abandon(struct dgraft_storage *storage)
{
    if (storage == NULL) {
        return;
    }
    close_files(storage);
    dgraft_log_free(&storage->log);
    dgraft_plan_free(&storage->plan);
    free(storage->job.pieces);
    free(storage->directory);
    free(storage);
}
