/* A segment of any bytes under the scanner: each batch gives a value or a reason; what is good fits into the file and
 * writes itself again to the same header. Input: flags (bit 0: make the checksums right), then bytes from the end of
 * the header's block on.
 */
#include "segment_scan.h"
#include "storage_input.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_good(const uint8_t *bytes, size_t size, const struct dgraft_scanned *scanned)
{
    uint8_t again[DGRAFT_BATCH_HEADER_BYTES];
    struct dgraft_batch batch = scanned->batch;
    const struct dgraft_place place = {77, 1, batch.offset};
    must(batch.refusal == DGRAFT_ACCEPT && batch.length <= size - batch.offset);
    dgraft_batch_encode(&batch, &place, again);
    must(memcmp(again, bytes + batch.offset, sizeof again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > STORAGE_INPUT_FILE_BYTES) {
        return 0;
    }
    static uint8_t bytes[DGRAFT_BLOCK_BYTES + STORAGE_INPUT_FILE_BYTES]; /* the first block stays zero */
    static struct memory_fs *memory;
    const size_t file_size = DGRAFT_BLOCK_BYTES + size - 1;
    memcpy(bytes + DGRAFT_BLOCK_BYTES, data + 1, size - 1);
    if ((data[0] & STORAGE_INPUT_FIX) != 0) {
        storage_input_fix(bytes, file_size, 77, 1);
    }
    if (memory == NULL) {
        memory = memory_fs_new();
    }
    memory_fs_clear(memory);
    struct dgraft_scan scan = {.store = 77, .sequence = 1};
    struct dgraft_plan plan;
    struct dgraft_disk disk;
    uint64_t later;
    uint64_t end;
    memset(&plan, 0, sizeof plan);
    memory_fs_put(memory, "node", "node/log-0000000000000001", bytes, file_size);
    dgraft_disk_init(&disk, memory_fs_seam(memory), "node");
    dgraft_window_init(&scan.window, &disk, 4096);
    const int file = dgraft_disk_open(&disk, "log-0000000000000001", DGRAFT_FS_READ);
    dgraft_window_turn(&scan.window, file, file_size);
    must(dgraft_scan_later(&scan, DGRAFT_BLOCK_BYTES, 0, &later) == 0);
    must(dgraft_scan_zeros(&scan, DGRAFT_BLOCK_BYTES, &end) == 0 && end <= file_size);
    for (uint64_t offset = DGRAFT_BLOCK_BYTES; offset <= file_size;) {
        struct dgraft_scanned scanned;
        must(dgraft_scan_batch(&scan, offset, &scanned, &plan) == 0);
        if (scanned.look != DGRAFT_LOOK_GOOD) {
            must(scanned.batch.refusal != DGRAFT_ACCEPT);
            offset += 8;
            continue;
        }
        check_good(bytes, file_size, &scanned);
        must(plan.last.index == scanned.batch.keep + scanned.batch.count);
        offset += scanned.batch.length;
    }
    dgraft_disk_close(&disk, file);
    dgraft_window_free(&scan.window);
    dgraft_plan_free(&plan);
    return 0;
}
