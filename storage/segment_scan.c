#include "segment_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_BYTES = 65536 };

void dgraft_window_init(struct dgraft_window *window, struct dgraft_disk *disk, size_t read_ahead)
{
    memset(window, 0, sizeof *window);
    window->disk = disk;
    window->file = -1;
    window->read_ahead = read_ahead;
}

void dgraft_window_turn(struct dgraft_window *window, int file, uint64_t file_bytes)
{
    window->file = file;
    window->file_bytes = file_bytes;
    window->begin = 0;
    window->size = 0;
}

void dgraft_window_free(struct dgraft_window *window)
{
    free(window->bytes);
    window->bytes = NULL;
    window->capacity = 0;
    window->size = 0;
}

const uint8_t *dgraft_window_view(struct dgraft_window *window, uint64_t offset, size_t size, int *error)
{
    *error = 0;
    if (offset > window->file_bytes || size > window->file_bytes - offset) {
        return NULL;
    }
    if (window->size > 0 && offset >= window->begin && offset - window->begin <= window->size &&
        size <= window->size - (size_t)(offset - window->begin)) {
        return window->bytes + (offset - window->begin);
    }
    uint64_t wanted = size < window->read_ahead ? window->read_ahead : size;
    if (wanted > window->file_bytes - offset) {
        wanted = window->file_bytes - offset;
    }
    if (wanted > window->capacity) {
        uint8_t *larger = realloc(window->bytes, (size_t)wanted);
        if (larger == NULL) {
            *error = -ENOMEM;
            return NULL;
        }
        window->bytes = larger;
        window->capacity = (size_t)wanted;
    }
    window->size = 0;
    const int64_t got = dgraft_disk_read(window->disk, window->file, window->bytes, (size_t)wanted, offset);
    if (got < 0) {
        *error = (int)got;
        return NULL;
    }
    window->begin = offset;
    window->size = (size_t)got;
    return window->size >= size ? window->bytes : NULL;
}

int dgraft_scan_zeros(struct dgraft_scan *scan, uint64_t offset, uint64_t *nonzero_end)
{
    int error = 0;
    *nonzero_end = offset;
    while (offset < scan->window.file_bytes) {
        const uint64_t left = scan->window.file_bytes - offset;
        const size_t size = left < STEP_BYTES ? (size_t)left : STEP_BYTES;
        const uint8_t *bytes = dgraft_window_view(&scan->window, offset, size, &error);
        if (bytes == NULL) {
            return error; /* the file became shorter: nothing is there */
        }
        size_t used = size;
        if (dgraft_all_zero(bytes, size)) {
            used = 0;
        }
        while (used > 0 && bytes[used - 1] == 0) {
            used--;
        }
        if (used > 0) {
            *nonzero_end = offset + used;
        }
        offset += size;
    }
    return 0;
}

int dgraft_scan_later(struct dgraft_scan *scan, uint64_t offset, uint64_t number, uint64_t *found)
{
    struct dgraft_place place = {scan->store, scan->sequence, 0};
    struct dgraft_batch batch;
    int error = 0;
    *found = 0;
    for (offset = (offset + 7) / 8 * 8;; offset += 8) {
        const uint8_t *bytes = dgraft_window_view(&scan->window, offset, DGRAFT_BATCH_HEADER_BYTES, &error);
        if (bytes == NULL) {
            return error;
        }
        place.offset = offset;
        if (bytes[0] != 0 && dgraft_batch_decode(bytes, &place, &batch) == DGRAFT_ACCEPT && batch.number > number) {
            *found = offset;
            return 0;
        }
    }
}

/* Checks the numbers of a header whose checksum fits. */
static enum dgraft_refusal check_fields(const struct dgraft_batch *batch)
{
    if (batch->length < DGRAFT_BATCH_HEADER_BYTES || batch->length % 8 != 0 || batch->length > INT64_MAX) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    if (batch->count > (batch->length - DGRAFT_BATCH_HEADER_BYTES) / DGRAFT_RECORD_HEADER_BYTES) {
        return DGRAFT_REFUSAL_COUNT;
    }
    if (batch->number == 0 || batch->number > INT64_MAX || batch->saves > INT64_MAX || batch->keep > INT64_MAX) {
        return DGRAFT_REFUSAL_FIELD;
    }
    const bool mends_well = batch->first > 0 && batch->count > 0 && batch->first <= batch->keep &&
                            batch->count - 1 <= batch->keep - batch->first;
    if (batch->mends ? !mends_well : batch->first != batch->keep + 1) {
        return DGRAFT_REFUSAL_FIELD;
    }
    if (batch->restart && (batch->floor.index != batch->keep || batch->keep == 0 || batch->floor.term == 0)) {
        return DGRAFT_REFUSAL_FIELD;
    }
    const dgraft_index last = batch->mends ? batch->keep : batch->keep + batch->count;
    if (batch->commit > last || batch->membership > last) {
        return DGRAFT_REFUSAL_FIELD;
    }
    return DGRAFT_ACCEPT;
}

/* Computes the checksum over all records of a batch as they lie in the file. */
static int body_checksum(struct dgraft_scan *scan, const struct dgraft_batch *batch, uint32_t *out)
{
    const uint64_t end = batch->offset + batch->length;
    uint64_t at = batch->offset + DGRAFT_BATCH_HEADER_BYTES;
    int error = 0;
    *out = 0;
    while (at < end) {
        const size_t size = end - at < STEP_BYTES ? (size_t)(end - at) : STEP_BYTES;
        const uint8_t *bytes = dgraft_window_view(&scan->window, at, size, &error);
        if (bytes == NULL) {
            return error != 0 ? error : -EIO;
        }
        *out = dgraft_crc32c(*out, bytes, size);
        at += size;
    }
    return 0;
}

/* Walks the records of a batch whose bytes are whole. */
static int walk_records(struct dgraft_scan *scan, struct dgraft_batch *batch, struct dgraft_plan *plan)
{
    const uint64_t end = batch->offset + batch->length;
    uint64_t at = batch->offset + DGRAFT_BATCH_HEADER_BYTES;
    dgraft_term term = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct dgraft_record record;
        int error = 0;
        const uint64_t left = end - at;
        size_t size = DGRAFT_RECORD_HEADER_BYTES;
        const uint8_t *bytes = left < size ? NULL : dgraft_window_view(&scan->window, at, size, &error);
        if (bytes == NULL) {
            batch->refusal = DGRAFT_REFUSAL_COUNT;
            return error;
        }
        batch->refusal = dgraft_record_decode_header(bytes, size, &record);
        if (batch->refusal != DGRAFT_ACCEPT) {
            return 0;
        }
        size = dgraft_record_bytes(record.entry.payload_bytes);
        bytes = left < size ? NULL : dgraft_window_view(&scan->window, at, size, &error);
        if (bytes == NULL) {
            batch->refusal = DGRAFT_REFUSAL_LENGTH;
            return error;
        }
        batch->refusal = dgraft_record_decode(bytes, size, &record, NULL);
        if (batch->refusal == DGRAFT_ACCEPT && (record.entry.index != batch->first + i || record.entry.term < term)) {
            batch->refusal = DGRAFT_REFUSAL_ORDER;
        }
        if (batch->refusal != DGRAFT_ACCEPT) {
            return 0;
        }
        term = record.entry.term;
        if (plan != NULL && !dgraft_plan_entry(plan, &record.entry)) {
            return -ENOMEM;
        }
        at += size;
    }
    if (at != end) {
        batch->refusal = DGRAFT_REFUSAL_LENGTH;
    }
    return 0;
}

/* Tells bytes that are there from none: a header of zeros may be the beginning of a write whose rest arrived. */
static int look_behind(struct dgraft_scan *scan, uint64_t offset, struct dgraft_scanned *out)
{
    uint64_t nonzero_end;
    const int error = dgraft_scan_zeros(scan, offset, &nonzero_end);
    if (nonzero_end == offset) {
        out->look = DGRAFT_LOOK_NOTHING;
        out->batch.refusal = DGRAFT_REFUSAL_EMPTY;
    } else if (out->batch.refusal == DGRAFT_REFUSAL_EMPTY) {
        out->batch.refusal = DGRAFT_REFUSAL_MAGIC;
    }
    return error;
}

int dgraft_scan_batch(struct dgraft_scan *scan, uint64_t offset, struct dgraft_scanned *out, struct dgraft_plan *plan)
{
    const struct dgraft_place place = {scan->store, scan->sequence, offset};
    struct dgraft_batch *batch = &out->batch;
    int error = 0;
    memset(out, 0, sizeof *out);
    out->look = DGRAFT_LOOK_BROKEN;
    const uint8_t *bytes = dgraft_window_view(&scan->window, offset, DGRAFT_BATCH_HEADER_BYTES, &error);
    if (error != 0) {
        return error;
    }
    batch->offset = offset;
    const enum dgraft_refusal refusal =
        bytes == NULL ? DGRAFT_REFUSAL_SHORT : dgraft_batch_decode(bytes, &place, batch);
    batch->refusal = refusal;
    if (refusal == DGRAFT_REFUSAL_SHORT || refusal == DGRAFT_REFUSAL_EMPTY) {
        return look_behind(scan, offset, out);
    }
    if (refusal != DGRAFT_ACCEPT && refusal != DGRAFT_REFUSAL_PADDING) {
        return 0;
    }
    out->header_good = refusal == DGRAFT_ACCEPT;
    batch->refusal = out->header_good ? check_fields(batch) : refusal;
    if (batch->refusal != DGRAFT_ACCEPT) {
        out->look = DGRAFT_LOOK_WRONG;
        return 0;
    }
    if (batch->length > scan->window.file_bytes - offset) {
        batch->refusal = DGRAFT_REFUSAL_SHORT;
        return 0;
    }
    uint32_t checksum;
    error = body_checksum(scan, batch, &checksum);
    if (error != 0) {
        return error;
    }
    if (checksum != batch->records_checksum) {
        batch->refusal = DGRAFT_REFUSAL_CHECKSUM;
        return 0;
    }
    if (plan != NULL) {
        dgraft_plan_begin(plan, batch->first - 1, 0);
        plan->batch = *batch;
        plan->sequence = scan->sequence;
    }
    error = walk_records(scan, batch, plan);
    out->look = batch->refusal == DGRAFT_ACCEPT ? DGRAFT_LOOK_GOOD : DGRAFT_LOOK_WRONG;
    return error;
}

/* Entries that take the place of damaged ones fit between those around them. */
static enum dgraft_refusal mends_fit(const struct dgraft_log *log, const struct dgraft_batch *batch,
                                     const struct dgraft_plan *plan)
{
    if (batch->keep != log->last.index || batch->floor.index != batch->keep) {
        return DGRAFT_REFUSAL_FIELD;
    }
    const dgraft_term behind = dgraft_log_term(log, plan->last.index + 1);
    const bool ends = plan->last.index == batch->keep && plan->last.term != batch->floor.term;
    if (ends || plan->runs[0].term < dgraft_log_term(log, batch->first - 1) ||
        (behind != 0 && plan->last.term > behind)) {
        return DGRAFT_REFUSAL_ORDER;
    }
    return DGRAFT_ACCEPT;
}

enum dgraft_refusal dgraft_scan_follows(const struct dgraft_log *log, const struct dgraft_batch *batch,
                                        const struct dgraft_plan *plan, uint64_t number, uint32_t chain)
{
    if (batch->number != number || batch->previous != chain) {
        return DGRAFT_REFUSAL_CHAIN;
    }
    if (batch->saves < log->newest.saves || batch->term < log->newest.term) {
        return DGRAFT_REFUSAL_FIELD;
    }
    if (batch->mends && !log->open) {
        return mends_fit(log, batch, plan);
    }
    const bool anew = batch->restart || log->open; /* no matter what lies before it */
    if (!anew && (batch->keep > log->last.index || batch->floor.index > log->last.index)) {
        return DGRAFT_REFUSAL_FIELD;
    }
    const dgraft_term before = batch->restart ? batch->floor.term : log->open ? 0 : dgraft_log_term(log, batch->keep);
    if (batch->count > 0 && plan->runs[0].term < before) {
        return DGRAFT_REFUSAL_ORDER;
    }
    return DGRAFT_ACCEPT;
}
