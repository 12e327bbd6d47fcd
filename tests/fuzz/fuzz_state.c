/* Four slots of any bytes: what is accepted writes itself again to the same bytes, and the choice among them is one of
 * those that can be read. Input: flags (bit 0: make the checksums right), then the first 160 bytes of each slot.
 */
#include "disk_format.h"
#include "recovery_table.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { USED_BYTES = 160 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dgraft_state_slot slots[DGRAFT_STATE_SLOTS];
    uint32_t best;
    bool whole;
    const uint8_t flags = size > 0 ? data[0] : 0;
    size_t at = size > 0 ? 1 : 0;
    for (uint32_t i = 0; i < DGRAFT_STATE_SLOTS; i++) {
        uint8_t block[DGRAFT_BLOCK_BYTES] = {0};
        uint8_t again[DGRAFT_BLOCK_BYTES];
        const size_t part = size - at < USED_BYTES ? size - at : USED_BYTES;
        memcpy(block, data + at, part);
        at += part;
        if ((flags & 1) != 0) {
            memset(block + 8, 0, 8);
            dgraft_put_u64(block + 8, XXH3_64bits(block, sizeof block));
        }
        dgraft_slot_decode(block, (flags & 2) != 0 ? part : sizeof block, i, &slots[i]);
        if (slots[i].refusal == DGRAFT_ACCEPT) {
            dgraft_slot_encode(&slots[i], again);
            if (memcmp(block, again, sizeof block) != 0) {
                abort();
            }
        }
    }
    if (dgraft_decide_state(slots, &best, &whole) == DGRAFT_STATE_USE) {
        struct dgraft_state_choice choice;
        if (slots[best].refusal != DGRAFT_ACCEPT) {
            abort();
        }
        dgraft_decide_term(&slots[best], size, size, size / 2, &choice);
        if (choice.version <= slots[best].version || choice.term < slots[best].term ||
            (choice.term == slots[best].term && slots[best].vote != 0 && choice.vote != slots[best].vote)) {
            abort();
        }
    }
    return 0;
}
