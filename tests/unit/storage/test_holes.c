/* Holes beside a plain list of which entries are damaged. */
#include "holes.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES = 120 };

static uint64_t draw(uint64_t *random)
{
    *random += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t word = *random;
    word = (word ^ (word >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94D049BB133111EB);
    return word ^ (word >> 31);
}

static uint32_t stretches(const bool damaged[ENTRIES + 2])
{
    uint32_t count = 0;
    for (uint32_t i = 1; i <= ENTRIES; i++) {
        count += damaged[i] && !damaged[i - 1];
    }
    return count;
}

static void ascend(const struct dgraft_holes *holes)
{
    cr_assert_leq(holes->count, DGRAFT_DAMAGE_MAX);
    for (uint32_t i = 0; i < holes->count; i++) {
        cr_assert_leq(holes->items[i].first, holes->items[i].last);
        cr_assert(i == 0 || holes->items[i].first > holes->items[i - 1].last + 1, "they neither touch nor overlap");
    }
}

/* Does one thing to both. */
static void change(struct dgraft_holes *holes, bool damaged[ENTRIES + 2], uint64_t *random)
{
    const dgraft_index first = 1 + draw(random) % ENTRIES;
    const dgraft_index length = 1 + draw(random) % (draw(random) % 8 == 0 ? 20 : 2);
    const dgraft_index last = first + length - 1 < ENTRIES ? first + length - 1 : ENTRIES;
    switch (draw(random) % 16) {
    case 0:
        dgraft_holes_clip(holes, last);
        memset(damaged + last + 1, 0, (ENTRIES - last) * sizeof damaged[0]);
        return;
    case 1:
        dgraft_holes_raise(holes, first / 4);
        memset(damaged, 0, (first / 4 + 1) * sizeof damaged[0]);
        return;
    case 2:
    case 3:
    case 4:
        dgraft_holes_subtract(holes, first, last);
        memset(damaged + first, 0, (last - first + 1) * sizeof damaged[0]);
        return;
    default:
        dgraft_holes_add(holes, first, last);
        memset(damaged + first, 1, (last - first + 1) * sizeof damaged[0]);
        return;
    }
}

/* What is damaged is never taken for whole; and as long as all stretches could be told apart, nothing whole is taken
 * for damaged. */
Test(holes, are_what_a_list_of_damaged_entries_says)
{
    uint64_t random = 20261128;
    uint32_t exact = 0;
    uint32_t joined = 0;
    for (int run = 0; run < 400; run++) {
        struct dgraft_holes holes = {.count = 0};
        bool damaged[ENTRIES + 2] = {false};
        bool apart = true;
        for (int step = 0; step < 90; step++) {
            change(&holes, damaged, &random);
            ascend(&holes);
            apart = apart && stretches(damaged) <= DGRAFT_DAMAGE_MAX;
            exact += apart;
            joined += !apart;
            for (dgraft_index i = 1; i <= ENTRIES; i++) {
                const bool have = dgraft_holes_have(&holes, i);
                cr_assert(have || !damaged[i], "entry %d of run %d is damaged", (int)i, run);
                cr_assert(!apart || have == damaged[i], "entry %d of run %d is whole", (int)i, run);
                const struct dgraft_hole *from = dgraft_holes_from(&holes, i);
                cr_assert(!have || (from != NULL && from->first <= i && from->last >= i));
                cr_assert(have || from == NULL || from->first > i);
            }
        }
    }
    cr_assert_gt(exact, 10000, "%u", exact);
    cr_assert_gt(joined, 1000, "%u", joined);
}
