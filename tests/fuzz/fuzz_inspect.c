/* Any directory, and each file of it alone: findings, no crash; nothing is written. */
#include "storage_input.h"

#include <dgraft/inspect.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t records;
    uint64_t batches;
    uint32_t findings;
    uint32_t bytes; /* so that every view is read */
};

static void on_batch(void *context, const char *path, const struct dgraft_batch *batch)
{
    struct seen *seen = context;
    seen->batches++;
    seen->bytes = dgraft_crc32c(seen->bytes, path, strlen(path));
    if (batch->refusal >= DGRAFT_REFUSAL_TOTAL) {
        abort();
    }
}

static void on_record(void *context, const char *path, uint64_t offset, const struct dgraft_record *record,
                      enum dgraft_refusal refusal)
{
    struct seen *seen = context;
    (void)path;
    (void)offset;
    seen->records++;
    if (refusal == DGRAFT_ACCEPT && record->payload != NULL) {
        seen->bytes = dgraft_crc32c(seen->bytes, record->payload, record->entry.payload_bytes);
    }
}

static void on_finding(void *context, const char *path, uint64_t offset, enum dgraft_severity severity,
                       const char *text, const char *remedy)
{
    struct seen *seen = context;
    (void)offset;
    (void)severity;
    seen->findings++;
    if (text[0] == '\0' || remedy[0] == '\0') {
        abort();
    }
    seen->bytes = dgraft_crc32c(dgraft_crc32c(seen->bytes, path, strlen(path)), text, strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memory_fs *memory = storage_input(data, size);
    const uint64_t before = memory_fs_hash(memory);
    for (int file = -1; file < STORAGE_INPUT_FILES; file++) {
        struct seen seen = {0, 0, 0, 0};
        const struct dgraft_inspect_visitor visitor = {
            .context = &seen, .batch = on_batch, .record = on_record, .finding = on_finding};
        struct dgraft_inspect_summary summary;
        char path[64] = "node";
        if (file >= 0) {
            storage_input_path(file, path);
        }
        if (dgraft_inspect(memory_fs_seam(memory), path, &visitor, &summary, NULL) == DGRAFT_OK &&
            (summary.records != seen.records || summary.batches != seen.batches ||
             summary.notes + summary.damages != seen.findings)) {
            abort();
        }
    }
    if (memory_fs_hash(memory) != before) {
        abort();
    }
    return 0;
}
