/* Reads what is in force, slowly and in the background, as a read would: so that what rots is found while other nodes
 * still have it. A step is planned by the owner, who knows what is in force; any thread then reads, with a window and
 * files of its own. Segments are only ever appended to, and are dropped by the same lane that scrubs: what was planned
 * lies where it was until the step is done.
 */
#include "storage_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

void dgraft_scrub_init(struct dgraft_scrub *scrub, struct dgraft_disk *disk)
{
    *scrub = (struct dgraft_scrub){.next = 1};
    dgraft_window_init(&scrub->window, disk, DGRAFT_SCRUB_BYTES);
}

void dgraft_scrub_close(struct dgraft_scrub *scrub)
{
    dgraft_disk_close(scrub->window.disk, scrub->window.file);
    dgraft_window_free(&scrub->window);
    (void)XXH3_freeState(scrub->hash);
    scrub->window.file = -1;
    scrub->sequence = 0;
    scrub->cursor.valid = false;
    scrub->hash = NULL;
}

/* Plans entries of one extent. Returns false when the log's end is reached. */
static bool plan_log(struct dgraft_storage *storage)
{
    struct dgraft_scrub *scrub = &storage->scrub;
    const struct dgraft_log *log = &storage->log;
    scrub->next = scrub->next > log->base.index ? scrub->next : log->base.index + 1;
    const struct dgraft_hole *hole = dgraft_holes_from(&log->holes, scrub->next);
    for (; hole != NULL && hole->first <= scrub->next; hole = dgraft_holes_from(&log->holes, scrub->next)) {
        scrub->next = hole->last + 1; /* known to be damaged */
    }
    const struct dgraft_extent *extent = scrub->next <= log->last.index ? dgraft_log_extent(log, scrub->next) : NULL;
    if (extent == NULL) {
        return false;
    }
    const struct dgraft_cursor *cursor = &scrub->cursor;
    scrub->extent = *extent;
    scrub->last = hole != NULL && hole->first <= extent->last ? hole->first - 1 : extent->last;
    scrub->cursor.valid = cursor->valid && cursor->sequence == extent->sequence &&
                          cursor->batch.offset >= extent->offset && cursor->index == scrub->next;
    return true;
}

/* Plans a part of the newest snapshot. Returns false when all of it was read, or there is none. */
static bool plan_snapshot(struct dgraft_storage *storage)
{
    struct dgraft_scrub *scrub = &storage->scrub;
    if (!dgraft_position_equal(scrub->snapshot.position, storage->snapshot.position)) {
        (void)XXH3_freeState(scrub->hash);
        scrub->hash = NULL;
        scrub->hashed = 0;
        scrub->snapshot = storage->snapshot;
    }
    return storage->snapshot_file >= 0 && scrub->hashed < scrub->snapshot.size;
}

bool dgraft_storage_scrub_plan(struct dgraft_storage *storage)
{
    struct dgraft_scrub *scrub = &storage->scrub;
    if (storage->poisoned) {
        return false;
    }
    if (scrub->part == SCRUB_LOG && plan_log(storage)) {
        return true;
    }
    scrub->part = SCRUB_SNAPSHOT;
    if (plan_snapshot(storage)) {
        return true;
    }
    scrub->part = SCRUB_LOG;
    scrub->next = 1;
    scrub->snapshot = (struct dgraft_snapshot){.size = 0};
    scrub->cursor.valid = false;
    scrub->passes++;
    return false;
}

static enum dgraft_status damaged(struct dgraft_storage *storage, uint64_t offset, const char *what,
                                  struct dgraft_why *why)
{
    const struct dgraft_scrub *scrub = &storage->scrub;
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    char path[DGRAFT_DISK_PATH_BYTES];
    dgraft_segment_name(scrub->extent.sequence, name);
    dgraft_disk_path(&storage->disk, name, path);
    return dgraft_why_set(why, DGRAFT_STATUS_DAMAGED, "%.160s, offset %" PRIu64 ", index %" PRIu64 ": %s", path, offset,
                          scrub->next, what);
}

static enum dgraft_status failed(struct dgraft_storage *storage, int error, struct dgraft_why *why)
{
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    dgraft_segment_name(storage->scrub.extent.sequence, name);
    (void)dgraft_why_errno(why, &storage->disk, "read", name, error);
    return error == -ENOMEM ? DGRAFT_STATUS_NO_MEMORY : DGRAFT_STATUS_IO;
}

/* Opens the segment, unless it is open, and checks its header then. */
static enum dgraft_status turn_to(struct dgraft_storage *storage, struct dgraft_why *why)
{
    struct dgraft_scrub *scrub = &storage->scrub;
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    int error = 0;
    scrub->window.size = 0; /* it may have grown since */
    if (scrub->sequence == scrub->extent.sequence) {
        return DGRAFT_OK;
    }
    dgraft_segment_name(scrub->extent.sequence, name);
    const int file = dgraft_disk_open(&storage->disk, name, DGRAFT_FS_READ);
    if (file < 0) {
        return file == -ENOENT ? damaged(storage, 0, "the file is missing", why) : failed(storage, file, why);
    }
    dgraft_disk_close(&storage->disk, scrub->window.file);
    dgraft_window_turn(&scrub->window, file, INT64_MAX);
    scrub->sequence = scrub->extent.sequence;
    scrub->cursor.valid = false;
    struct dgraft_segment_header header = {.refusal = DGRAFT_REFUSAL_SHORT};
    const uint8_t *block = dgraft_window_view(&scrub->window, 0, DGRAFT_BLOCK_BYTES, &error);
    if (block != NULL) {
        dgraft_segment_decode(block, DGRAFT_BLOCK_BYTES, &header);
    }
    if (error != 0) {
        return failed(storage, error, why);
    }
    return header.refusal != DGRAFT_ACCEPT || header.sequence != scrub->sequence
               ? damaged(storage, 0, "the segment's header cannot be read", why)
               : DGRAFT_OK;
}

/* Goes to the batch that holds the next entry. */
static enum dgraft_status find_batch(struct dgraft_storage *storage, struct dgraft_why *why)
{
    struct dgraft_scrub *scrub = &storage->scrub;
    struct dgraft_cursor *at = &scrub->cursor;
    uint64_t offset = at->valid ? at->batch.offset : scrub->extent.offset;
    if (at->valid && scrub->next - at->batch.first < at->batch.count) {
        return DGRAFT_OK;
    }
    offset += at->valid ? at->batch.length : 0;
    for (at->valid = false; !at->valid; offset += at->batch.length) {
        const struct dgraft_place place = {storage->identity.store, scrub->sequence, offset};
        int error = 0;
        const uint8_t *bytes = dgraft_window_view(&scrub->window, offset, DGRAFT_BATCH_HEADER_BYTES, &error);
        const enum dgraft_refusal refusal =
            bytes == NULL ? DGRAFT_REFUSAL_SHORT : dgraft_batch_decode(bytes, &place, &at->batch);
        if (error != 0) {
            return failed(storage, error, why);
        }
        if (refusal != DGRAFT_ACCEPT) {
            return damaged(storage, offset, dgraft_refusal_text(refusal), why);
        }
        if (at->batch.length < DGRAFT_BATCH_HEADER_BYTES || at->batch.length > INT64_MAX / 2) {
            return damaged(storage, offset, dgraft_refusal_text(DGRAFT_REFUSAL_LENGTH), why);
        }
        at->valid = scrub->next - at->batch.first < at->batch.count; /* wraps to a large number below first */
        if (!at->valid && at->batch.first > scrub->next) {
            return damaged(storage, offset, dgraft_refusal_text(DGRAFT_REFUSAL_ORDER), why);
        }
        at->batch.offset = offset;
    }
    at->sequence = scrub->sequence;
    at->offset = at->batch.offset + DGRAFT_BATCH_HEADER_BYTES;
    at->index = at->batch.first;
    return DGRAFT_OK;
}

/* Checks the record where the cursor stands, and moves it. */
static enum dgraft_status check_record(struct dgraft_storage *storage, uint64_t *used, struct dgraft_why *why)
{
    struct dgraft_scrub *scrub = &storage->scrub;
    struct dgraft_cursor *at = &scrub->cursor;
    const uint64_t left = at->batch.offset + at->batch.length - at->offset;
    struct dgraft_record record;
    enum dgraft_refusal refusal = DGRAFT_REFUSAL_SHORT;
    size_t size = DGRAFT_RECORD_HEADER_BYTES;
    int error = 0;
    const uint8_t *bytes = left < size ? NULL : dgraft_window_view(&scrub->window, at->offset, size, &error);
    if (bytes != NULL) {
        refusal = dgraft_record_decode_header(bytes, size, &record);
    }
    if (refusal == DGRAFT_ACCEPT) {
        size = dgraft_record_bytes(record.entry.payload_bytes);
        bytes = size > left ? NULL : dgraft_window_view(&scrub->window, at->offset, size, &error);
        refusal = bytes == NULL ? DGRAFT_REFUSAL_SHORT : dgraft_record_decode(bytes, size, &record, NULL);
    }
    if (error != 0) {
        return failed(storage, error, why);
    }
    if (refusal == DGRAFT_ACCEPT && record.entry.index != at->index) {
        refusal = DGRAFT_REFUSAL_ORDER;
    }
    if (refusal != DGRAFT_ACCEPT) {
        return damaged(storage, at->offset, dgraft_refusal_text(refusal), why);
    }
    at->offset += size;
    at->index++;
    *used += size;
    return DGRAFT_OK;
}

static enum dgraft_status check_log(struct dgraft_storage *storage, struct dgraft_why *why)
{
    struct dgraft_scrub *scrub = &storage->scrub;
    uint64_t used = 0;
    enum dgraft_status status = turn_to(storage, why);
    while (status == DGRAFT_OK && scrub->next <= scrub->last && used < DGRAFT_SCRUB_BYTES) {
        status = find_batch(storage, why);
        if (status == DGRAFT_OK) {
            status = check_record(storage, &used, why);
            scrub->next = status == DGRAFT_OK ? scrub->cursor.index : scrub->next;
        }
        /* Behind a batch that mends the log does not go on with what it mended. */
        scrub->cursor.valid =
            status == DGRAFT_OK &&
            (!scrub->cursor.batch.mends || scrub->next - scrub->cursor.batch.first < scrub->cursor.batch.count);
    }
    if (status != DGRAFT_OK) {
        scrub->next = scrub->last + 1;
        scrub->cursor.valid = false;
    }
    atomic_fetch_add_explicit(&scrub->bytes, used, memory_order_relaxed);
    return status;
}

static enum dgraft_status check_snapshot(struct dgraft_storage *storage, struct dgraft_why *why)
{
    struct dgraft_scrub *scrub = &storage->scrub;
    const uint64_t left = scrub->snapshot.size - scrub->hashed;
    const size_t size = left < DGRAFT_SCRUB_BYTES ? (size_t)left : DGRAFT_SCRUB_BYTES;
    char name[DGRAFT_SNAPSHOT_NAME_BYTES];
    uint8_t *bytes = malloc(size);
    int64_t got = -ENOMEM;
    if (scrub->hash == NULL) {
        scrub->hash = XXH3_createState();
        if (scrub->hash != NULL) {
            (void)XXH3_64bits_reset(scrub->hash);
        }
    }
    if (bytes != NULL && scrub->hash != NULL) {
        got = dgraft_disk_read(&storage->disk, storage->snapshot_file, bytes, size, DGRAFT_BLOCK_BYTES + scrub->hashed);
    }
    if (got > 0) {
        (void)XXH3_64bits_update(scrub->hash, bytes, (size_t)got);
    }
    free(bytes);
    dgraft_snapshot_name(scrub->snapshot.position, name);
    if (got < 0) {
        scrub->hashed = scrub->snapshot.size;
        (void)dgraft_why_errno(why, &storage->disk, "read", name, got);
        return got == -ENOMEM ? DGRAFT_STATUS_NO_MEMORY : DGRAFT_STATUS_IO;
    }
    scrub->hashed += size;
    atomic_fetch_add_explicit(&scrub->bytes, size, memory_order_relaxed);
    if ((uint64_t)got != size ||
        (scrub->hashed == scrub->snapshot.size && XXH3_64bits_digest(scrub->hash) != scrub->snapshot.digest)) {
        scrub->hashed = scrub->snapshot.size;
        return dgraft_why_set(why, DGRAFT_STATUS_DAMAGED,
                              "%.160s/%.60s: its bytes are not those that its digest is over", storage->directory,
                              name);
    }
    return DGRAFT_OK;
}

enum dgraft_status dgraft_storage_scrub(struct dgraft_storage *storage, struct dgraft_why *why)
{
    return storage->scrub.part == SCRUB_LOG ? check_log(storage, why) : check_snapshot(storage, why);
}
