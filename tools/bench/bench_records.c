#include "bench_records.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TERM 1u

bool bench_records_init(struct bench_records *records, uint32_t batch, uint32_t payload_bytes)
{
    *records = (struct bench_records){
        .batch = batch, .payload_bytes = payload_bytes, .record_bytes = dgraft_record_bytes(payload_bytes), .next = 1};
    records->bytes = calloc(batch, records->record_bytes);
    records->entries = calloc(batch, sizeof *records->entries);
    if (records->bytes == NULL || records->entries == NULL) {
        bench_records_free(records);
        return false;
    }
    for (size_t i = 0; i < batch; i++) {
        uint8_t *payload = records->bytes + i * records->record_bytes + DGRAFT_RECORD_HEADER_BYTES;
        for (uint32_t k = 0; k < payload_bytes; k++) {
            payload[k] = (uint8_t)(i * 7 + k * 13 + 1);
        }
        records->entries[i] = (struct dgraft_entry){.kind = DGRAFT_ENTRY_COMMAND,
                                                    .term = TERM,
                                                    .payload_bytes = payload_bytes,
                                                    .checksum = dgraft_crc32c(0, payload, payload_bytes)};
    }
    return true;
}

void bench_records_free(struct bench_records *records)
{
    free(records->bytes);
    free(records->entries);
    records->bytes = NULL;
    records->entries = NULL;
}

void bench_records_next(struct bench_records *records, uint32_t count, struct dgraft_storage_write *write)
{
    assert(count >= 1 && count <= records->batch);
    const dgraft_index first = records->next;
    for (uint32_t i = 0; i < count; i++) {
        records->entries[i].index = first + i;
        const struct dgraft_record record = {.entry = records->entries[i]};
        dgraft_record_encode_header(&record, records->bytes + i * records->record_bytes);
    }
    records->next = first + count;
    records->piece = (struct iovec){records->bytes, count * records->record_bytes};
    *write = (struct dgraft_storage_write){.log = true,
                                           .keep = first - 1,
                                           .first = first,
                                           .count = count,
                                           .last = {first + count - 1, TERM},
                                           .records = &records->piece,
                                           .record_pieces = 1,
                                           .commit = first - 1,
                                           .entries = records->entries};
}
