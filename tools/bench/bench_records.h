/* Records of equal size as a node hands them to storage, one batch after another. */
#ifndef BENCH_RECORDS_H
#define BENCH_RECORDS_H

#include <dgraft/storage.h>

struct bench_records {
    uint32_t batch;
    uint32_t payload_bytes;
    size_t record_bytes;
    dgraft_index next; /* index of the next batch's first */
    uint8_t *bytes;    /* framed: batch * record_bytes */
    struct dgraft_entry *entries;
    struct iovec piece;
};

/* Returns false when there is no memory. */
bool bench_records_init(struct bench_records *records, uint32_t batch, uint32_t payload_bytes);
void bench_records_free(struct bench_records *records);

/* Frames the next `count` records, at most a batch, and describes their write. Views until the next call. */
void bench_records_next(struct bench_records *records, uint32_t count, struct dgraft_storage_write *write);

#endif
