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

static bool damaged(const struct dgraft_found *found, dgraft_index index)
{
    for (uint32_t i = 0; i < found->damage_count; i++) {
        if (index >= found->damage[i].first && index <= found->damage[i].last) {
            return true;
        }
    }
    return false;
}

/* What is damaged lies in the log, one stretch behind the other, each with an entry behind it. */
static void check_damage(const struct dgraft_found *found)
{
    dgraft_index behind = found->compacted.index;
    must(found->damage_count <= DGRAFT_DAMAGE_MAX);
    for (uint32_t i = 0; i < found->damage_count; i++) {
        const struct dgraft_damage *damage = &found->damage[i];
        const bool ends = damage->last == found->last.index;
        must(damage->first > behind && damage->first <= damage->last && damage->last <= found->last.index);
        must(damage->anchor.index == damage->last + (ends ? 0 : 1) && damage->anchor.term != 0);
        must(!ends || dgraft_position_equal(damage->anchor, found->last));
        behind = damage->last + 1;
    }
    must(found->damage_count == 0 || found->damage_found[0] != 0);
}

/* Reads all entries but damaged ones; returns a number that depends on every byte of them. */
static uint32_t read_all(struct dgraft_storage *storage, const struct dgraft_found *found)
{
    static uint8_t bytes[READ_BYTES];
    uint32_t sum = 0;
    for (dgraft_index index = found->compacted.index + 1; index <= found->last.index;) {
        uint32_t count;
        size_t used;
        if (damaged(found, index)) {
            must(dgraft_storage_read(storage, index, index, bytes, sizeof bytes, &count, &used, NULL) ==
                 DGRAFT_STATUS_DAMAGED);
            index++;
            continue;
        }
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
        must(found.damage_found[0] != 0 || found.last.index == summary.last.index);
        check_damage(&found);
        const uint32_t sum = read_all(storage, &found);
        struct dgraft_damage before_damage[DGRAFT_DAMAGE_MAX];
        memcpy(before_damage, found.damage, sizeof before_damage);
        must(dgraft_storage_close(storage, &why) == DGRAFT_OK);
        status = dgraft_storage_open(fs, "node", &options, &storage, &why);
        must(status == DGRAFT_OK);
        dgraft_storage_found(storage, &again);
        must(dgraft_position_equal(found.last, again.last) && found.term == again.term && found.vote == again.vote &&
             found.commit == again.commit && found.membership_index == again.membership_index && again.rewritten == 0 &&
             again.torn_bytes == 0 && found.damage_count == again.damage_count &&
             memcmp(before_damage, again.damage, found.damage_count * sizeof before_damage[0]) == 0);
        must(read_all(storage, &again) == sum);
        dgraft_storage_abandon(storage);
    } else {
        must(memory_fs_hash(memory) == before);
        must(status != DGRAFT_STATUS_DAMAGED || looked != DGRAFT_OK || summary.damages > 0);
        must(memchr(why.text, 0, sizeof why.text) != NULL && why.text[0] != 0);
    }
    return 0;
}
