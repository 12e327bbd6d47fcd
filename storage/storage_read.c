#include "storage_private.h"

#include <errno.h>
#include <inttypes.h>

enum { READ_AHEAD_BYTES = 16384 };

void dgraft_reader_init(struct dgraft_reader *reader, struct dgraft_disk *disk)
{
    *reader = (struct dgraft_reader){.sequence = 0};
    dgraft_window_init(&reader->window, disk, READ_AHEAD_BYTES);
}

void dgraft_reader_close(struct dgraft_reader *reader)
{
    dgraft_disk_close(reader->window.disk, reader->window.file);
    dgraft_window_free(&reader->window);
    reader->window.file = -1;
    reader->sequence = 0;
    reader->cursor.valid = false;
}

void dgraft_reader_forget(struct dgraft_reader *reader)
{
    reader->window.size = 0;
}

static enum dgraft_status damaged(const struct dgraft_storage *storage, uint64_t offset, dgraft_index index,
                                  enum dgraft_refusal refusal, struct dgraft_why *why)
{
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    char path[DGRAFT_DISK_PATH_BYTES];
    dgraft_segment_name(storage->reader.sequence, name);
    dgraft_disk_path(&storage->disk, name, path);
    return dgraft_why_set(why, DGRAFT_STATUS_DAMAGED, "%.160s, offset %" PRIu64 ", index %" PRIu64 ": %s", path, offset,
                          index, dgraft_refusal_text(refusal));
}

static enum dgraft_status failed(const struct dgraft_storage *storage, int error, struct dgraft_why *why)
{
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    dgraft_segment_name(storage->reader.sequence, name);
    return dgraft_why_errno(why, &storage->disk, "read", name, error);
}

/* Opens the segment, unless it is the one that is open. */
static enum dgraft_status turn_to(struct dgraft_storage *storage, uint64_t sequence, struct dgraft_why *why)
{
    struct dgraft_reader *reader = &storage->reader;
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    if (reader->sequence == sequence) {
        return DGRAFT_OK;
    }
    dgraft_segment_name(sequence, name);
    const int file = dgraft_disk_open(&storage->disk, name, DGRAFT_FS_READ);
    if (file < 0) {
        return dgraft_why_errno(why, &storage->disk, "open", name, file) == DGRAFT_STATUS_NO_MEMORY
                   ? DGRAFT_STATUS_NO_MEMORY
                   : DGRAFT_STATUS_IO;
    }
    dgraft_disk_close(&storage->disk, reader->window.file);
    dgraft_window_turn(&reader->window, file, INT64_MAX);
    reader->sequence = sequence;
    return DGRAFT_OK;
}

/* Finds the batch that holds an entry, from the nearest place known before it. */
static enum dgraft_status find_batch(struct dgraft_storage *storage, dgraft_index index, struct dgraft_cursor *out,
                                     struct dgraft_why *why)
{
    struct dgraft_reader *reader = &storage->reader;
    const struct dgraft_extent *extent = dgraft_log_extent(&storage->log, index);
    if (extent == NULL) {
        return dgraft_why_set(why, DGRAFT_STATUS_NOT_FOUND, "no entry of index %" PRIu64 " is in the log", index);
    }
    const enum dgraft_status status = turn_to(storage, extent->sequence, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    const struct dgraft_cursor *cursor = &reader->cursor;
    uint64_t offset = extent->offset;
    if (cursor->valid && cursor->sequence == extent->sequence && cursor->batch.offset >= extent->offset &&
        cursor->index <= index && cursor->index >= extent->first) {
        if (index - cursor->batch.first < cursor->batch.count) {
            *out = *cursor;
            return DGRAFT_OK;
        }
        offset = cursor->batch.offset + cursor->batch.length;
    }
    for (;;) {
        const struct dgraft_place place = {storage->identity.store, extent->sequence, offset};
        int error = 0;
        const uint8_t *bytes = dgraft_window_view(&reader->window, offset, DGRAFT_BATCH_HEADER_BYTES, &error);
        if (error != 0) {
            return failed(storage, error, why);
        }
        const enum dgraft_refusal refusal =
            bytes == NULL ? DGRAFT_REFUSAL_SHORT : dgraft_batch_decode(bytes, &place, &out->batch);
        if (refusal != DGRAFT_ACCEPT) {
            return damaged(storage, offset, index, refusal, why);
        }
        if (out->batch.length < DGRAFT_BATCH_HEADER_BYTES || out->batch.length > INT64_MAX / 2) {
            return damaged(storage, offset, index, DGRAFT_REFUSAL_LENGTH, why);
        }
        if (index - out->batch.first < out->batch.count) { /* wraps to a large number below first */
            out->sequence = extent->sequence;
            out->offset = offset + DGRAFT_BATCH_HEADER_BYTES;
            out->index = out->batch.first;
            out->valid = true;
            return DGRAFT_OK;
        }
        if (out->batch.first > index) {
            return damaged(storage, offset, index, DGRAFT_REFUSAL_ORDER, why);
        }
        offset += out->batch.length;
    }
}

/* Finds an entry's record; its header has been checked. */
static enum dgraft_status find_record(struct dgraft_storage *storage, dgraft_index index, struct dgraft_cursor *at,
                                      struct dgraft_record *record, struct dgraft_why *why)
{
    const enum dgraft_status status = find_batch(storage, index, at, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    const uint64_t end = at->batch.offset + at->batch.length;
    for (;; at->index++) {
        int error = 0;
        const uint8_t *bytes = NULL;
        if (end - at->offset >= DGRAFT_RECORD_HEADER_BYTES) {
            bytes = dgraft_window_view(&storage->reader.window, at->offset, DGRAFT_RECORD_HEADER_BYTES, &error);
        }
        if (error != 0) {
            return failed(storage, error, why);
        }
        enum dgraft_refusal refusal = bytes == NULL
                                          ? DGRAFT_REFUSAL_SHORT
                                          : dgraft_record_decode_header(bytes, DGRAFT_RECORD_HEADER_BYTES, record);
        if (refusal == DGRAFT_ACCEPT && record->entry.index != at->index) {
            refusal = DGRAFT_REFUSAL_ORDER;
        }
        if (refusal == DGRAFT_ACCEPT && dgraft_record_bytes(record->entry.payload_bytes) > end - at->offset) {
            refusal = DGRAFT_REFUSAL_LENGTH;
        }
        if (refusal != DGRAFT_ACCEPT) {
            return damaged(storage, at->offset, at->index, refusal, why);
        }
        if (at->index == index) {
            return DGRAFT_OK;
        }
        at->offset += dgraft_record_bytes(record->entry.payload_bytes);
    }
}

/* Copies records of one batch, from the cursor on, which it moves. */
static enum dgraft_status copy_batch(struct dgraft_storage *storage, struct dgraft_cursor *at, dgraft_index last,
                                     uint8_t *bytes, size_t size, uint32_t *count, size_t *used, struct dgraft_why *why)
{
    const uint64_t left = at->batch.offset + at->batch.length - at->offset;
    const size_t wanted = left < size ? (size_t)left : size;
    const int64_t got = dgraft_disk_read(&storage->disk, storage->reader.window.file, bytes, wanted, at->offset);
    if (got < 0) {
        return failed(storage, (int)got, why);
    }
    while (at->index <= last && at->index - at->batch.first < at->batch.count) {
        struct dgraft_record record;
        size_t consumed = 0;
        const size_t rest = (size_t)got - *used;
        enum dgraft_refusal refusal = dgraft_record_decode_header(bytes + *used, rest, &record);
        if (refusal == DGRAFT_ACCEPT && dgraft_record_bytes(record.entry.payload_bytes) > rest) {
            refusal = DGRAFT_REFUSAL_SHORT;
        }
        if (refusal == DGRAFT_REFUSAL_SHORT && wanted < left && (size_t)got == wanted) {
            return DGRAFT_OK; /* the caller's room ends within this record */
        }
        if (refusal == DGRAFT_ACCEPT) {
            refusal = dgraft_record_decode(bytes + *used, rest, &record, &consumed);
        }
        if (refusal == DGRAFT_ACCEPT && record.entry.index != at->index) {
            refusal = DGRAFT_REFUSAL_ORDER;
        }
        if (refusal != DGRAFT_ACCEPT) {
            return damaged(storage, at->offset, at->index, refusal, why);
        }
        *used += consumed;
        at->offset += consumed;
        at->index++;
        (*count)++;
    }
    return DGRAFT_OK;
}

enum dgraft_status dgraft_storage_read(struct dgraft_storage *storage, dgraft_index first, dgraft_index last,
                                       uint8_t *bytes, size_t size, uint32_t *count, size_t *used,
                                       struct dgraft_why *why)
{
    *count = 0;
    *used = 0;
    if (last > storage->log.last.index) {
        last = storage->log.last.index;
    }
    if (first != 0 && first <= storage->log.base.index && storage->log.base.index != 0) {
        return dgraft_why_set(why, DGRAFT_STATUS_GONE, "the entry of index %" PRIu64 " is compacted", first);
    }
    if (first == 0 || first > last) {
        return dgraft_why_set(why, DGRAFT_STATUS_NOT_FOUND, "no entry of index %" PRIu64 " is durable here", first);
    }
    const struct dgraft_hole *hole = dgraft_holes_from(&storage->log.holes, first);
    if (hole != NULL && hole->first <= first) {
        return dgraft_why_set(why, DGRAFT_STATUS_DAMAGED,
                              "the entry of index %" PRIu64 " is damaged, and has not been had from a peer yet", first);
    }
    last = hole != NULL && hole->first <= last ? hole->first - 1 : last;
    while (first <= last) {
        struct dgraft_cursor at = {.valid = false};
        struct dgraft_record record;
        enum dgraft_status status = find_record(storage, first, &at, &record, why);
        if (status == DGRAFT_OK && dgraft_record_bytes(record.entry.payload_bytes) > size - *used) {
            if (*count > 0) {
                return DGRAFT_OK;
            }
            *used = dgraft_record_bytes(record.entry.payload_bytes);
            return dgraft_why_set(why, DGRAFT_STATUS_TOO_LARGE, "the entry of index %" PRIu64 " takes %zu bytes", first,
                                  *used);
        }
        uint32_t copied = 0;
        size_t taken = 0;
        if (status == DGRAFT_OK) {
            const struct dgraft_extent *extent = dgraft_log_extent(&storage->log, first);
            const dgraft_index end = extent->last < last ? extent->last : last;
            status = copy_batch(storage, &at, end, bytes + *used, size - *used, &copied, &taken, why);
        }
        if (copied > 0) {
            storage->reader.cursor = at;
            /* Behind a batch that mends the log does not go on with what it mended. */
            storage->reader.cursor.valid = !at.batch.mends || at.index - at.batch.first < at.batch.count;
            *count += copied;
            *used += taken;
            first += copied;
        }
        if (status != DGRAFT_OK || copied == 0) {
            /* What was read before the damage is good. */
            return *count > 0 ? DGRAFT_OK : status;
        }
    }
    return DGRAFT_OK;
}

uint64_t dgraft_storage_bytes_after(const struct dgraft_storage *storage, dgraft_index index)
{
    return dgraft_log_bytes_after(&storage->log, index);
}

dgraft_term dgraft_storage_term_at(struct dgraft_storage *storage, dgraft_index index)
{
    const dgraft_term known = dgraft_log_term(&storage->log, index);
    if (known != 0 || index <= storage->log.base.index || index > storage->log.last.index ||
        dgraft_holes_have(&storage->log.holes, index)) {
        return known;
    }
    struct dgraft_cursor at = {.valid = false};
    struct dgraft_record record = {0};
    return find_record(storage, index, &at, &record, NULL) == DGRAFT_OK ? record.entry.term : 0;
}
