/* Any directory: opening it gives a store or a reason, never a crash. What was opened can be read from end to end, is
 * opened again to the same, and inspection calls the same directories damaged.
 */
#include "storage_input.h"

#include <dgraft/inspect.h>
#include <dgraft/storage.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { READ_BYTES = 65536 };

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Reads all entries; returns a number that depends on every byte of them. */
static uint32_t read_all(struct dgraft_storage *storage, const struct dgraft_found *found)
{
    static uint8_t bytes[READ_BYTES];
    uint32_t sum = 0;
    for (dgraft_index index = 1; index <= found->last.index;) {
        uint32_t count;
        size_t used;
        must(dgraft_storage_read(storage, index, found->last.index, bytes, sizeof bytes, &count, &used, NULL) ==
             DGRAFT_OK);
        must(count > 0);
        sum = dgraft_crc32c(sum, bytes, used);
        must(dgraft_storage_term_at(storage, index) != 0);
        index += count;
    }
    must(dgraft_storage_term_at(storage, found->last.index) == found->last.term);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dgraft_storage_options options = {.segment_bytes = 8192, .runs_max = 8};
    static const struct dgraft_inspect_visitor silent = {.context = NULL};
    struct memory_fs *memory = storage_input(data, size);
    struct dgraft_fs *fs = memory_fs_seam(memory);
    struct dgraft_inspect_summary summary;
    struct dgraft_storage *storage = NULL;
    struct dgraft_why why;
    const enum dgraft_status looked = dgraft_inspect(fs, "node", &silent, &summary, &why);
    const uint64_t before = memory_fs_hash(memory);
    enum dgraft_status status = dgraft_storage_open(fs, "node", &options, &storage, &why);
    if (status == DGRAFT_OK) {
        struct dgraft_found found;
        struct dgraft_found again;
        must(looked == DGRAFT_OK);
        dgraft_storage_found(storage, &found);
        must(found.last.index == summary.last.index);
        const uint32_t sum = read_all(storage, &found);
        must(dgraft_storage_close(storage, &why) == DGRAFT_OK);
        status = dgraft_storage_open(fs, "node", &options, &storage, &why);
        must(status == DGRAFT_OK);
        dgraft_storage_found(storage, &again);
        must(dgraft_position_equal(found.last, again.last) && found.term == again.term && found.vote == again.vote &&
             found.commit == again.commit && found.membership_index == again.membership_index && again.rewritten == 0 &&
             again.torn_bytes == 0);
        must(read_all(storage, &again) == sum);
        dgraft_storage_abandon(storage);
    } else {
        must(memory_fs_hash(memory) == before);
        must(status != DGRAFT_STATUS_DAMAGED || looked != DGRAFT_OK || summary.damages > 0);
        must(memchr(why.text, 0, sizeof why.text) != NULL && why.text[0] != 0);
    }
    return 0;
}
