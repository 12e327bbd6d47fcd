#include "inspect_map.h"

#include <stdlib.h>

enum { EXTENT_BYTES = 65536 };

void dgraft_map_free(struct dgraft_map *map)
{
    free(map->extents);
    free(map->memberships);
    *map = (struct dgraft_map){0};
}

void dgraft_map_push(struct dgraft_map *map, struct dgraft_map_extent extent)
{
    if (map->extents == NULL || map->extent_count == map->extent_capacity) {
        const size_t capacity = map->extent_capacity == 0 ? 64 : 2 * map->extent_capacity;
        struct dgraft_map_extent *larger = realloc(map->extents, capacity * sizeof *larger);
        if (larger == NULL) {
            map->failed = true;
            return;
        }
        map->extents = larger;
        map->extent_capacity = capacity;
    }
    map->extents[map->extent_count++] = extent;
}

void dgraft_map_push_membership(struct dgraft_map *map, dgraft_index index)
{
    if (map->memberships == NULL || map->membership_count == map->membership_capacity) {
        const size_t capacity = map->membership_capacity == 0 ? 16 : 2 * map->membership_capacity;
        dgraft_index *larger = realloc(map->memberships, capacity * sizeof *larger);
        if (larger == NULL) {
            map->failed = true;
            return;
        }
        map->memberships = larger;
        map->membership_capacity = capacity;
    }
    map->memberships[map->membership_count++] = index;
}

/* Entries after `keep` are superseded. */
static void trim(struct dgraft_map *map, dgraft_index keep)
{
    while (map->extent_count > 0 && map->extents[map->extent_count - 1].first > keep) {
        map->extent_count--;
    }
    if (map->extent_count > 0 && map->extents[map->extent_count - 1].last > keep) {
        map->extents[map->extent_count - 1].last = keep;
    }
    while (map->membership_count > 0 && map->memberships[map->membership_count - 1] > keep) {
        map->membership_count--;
    }
    map->base = keep < map->base ? keep : map->base;
    map->last = keep;
    map->cut = true;
}

static void add(struct dgraft_map *map, uint64_t sequence, const struct dgraft_batch *batch)
{
    struct dgraft_map_extent *newest = map->extent_count == 0 ? NULL : &map->extents[map->extent_count - 1];
    map->last = batch->keep + batch->count;
    if (newest != NULL && !map->cut && newest->sequence == sequence && batch->offset > newest->offset &&
        batch->offset - newest->offset < EXTENT_BYTES) {
        newest->last = map->last;
        return;
    }
    dgraft_map_push(map, (struct dgraft_map_extent){batch->first, map->last, sequence, batch->offset});
    map->cut = false;
}

/* Puts an extent in the place of what is known of its entries, all of which the map has. */
static void splice(struct dgraft_map *map, struct dgraft_map_extent mended)
{
    struct dgraft_map spliced = {.extents = NULL};
    for (size_t i = 0; i < map->extent_count; i++) {
        const struct dgraft_map_extent old = map->extents[i];
        if (old.first < mended.first) {
            const dgraft_index last = old.last < mended.first ? old.last : mended.first - 1;
            dgraft_map_push(&spliced, (struct dgraft_map_extent){old.first, last, old.sequence, old.offset});
        }
        if (old.first <= mended.last && old.last >= mended.last) {
            dgraft_map_push(&spliced, mended);
        }
        if (old.last > mended.last) { /* its rear is found by walking from where it began */
            const dgraft_index first = old.first > mended.last ? old.first : mended.last + 1;
            dgraft_map_push(&spliced, (struct dgraft_map_extent){first, old.last, old.sequence, old.offset});
        }
    }
    free(map->extents);
    map->extents = spliced.extents;
    map->extent_count = spliced.extent_count;
    map->extent_capacity = spliced.extent_capacity;
    map->failed = map->failed || spliced.failed;
    map->cut = true;
}

/* Takes a batch whose entries take the place of damaged ones. What lies before the map's beginning, a snapshot holds.
 */
static void mend(struct dgraft_map *map, uint64_t sequence, const struct dgraft_batch *batch,
                 const struct dgraft_plan *plan)
{
    const dgraft_index last = batch->first + batch->count - 1;
    if (last > map->base) {
        const dgraft_index first = batch->first > map->base ? batch->first : map->base + 1;
        splice(map, (struct dgraft_map_extent){first, last, sequence, batch->offset});
    }
    for (size_t i = 0; plan != NULL && i < plan->membership_count; i++) {
        const dgraft_index membership = plan->memberships[i];
        size_t at = map->membership_count;
        while (at > 0 && map->memberships[at - 1] > membership) {
            at--;
        }
        if (at == 0 || map->memberships[at - 1] != membership) {
            dgraft_map_push_membership(map, membership);
        }
        for (size_t k = map->membership_count; k-- > at + 1;) { /* pushed at the end: brought to its place */
            const dgraft_index before = map->memberships[k - 1];
            if (before > map->memberships[k]) {
                map->memberships[k - 1] = map->memberships[k];
                map->memberships[k] = before;
            }
        }
    }
}

void dgraft_map_take(struct dgraft_map *map, uint64_t sequence, const struct dgraft_batch *batch,
                     const struct dgraft_plan *plan, bool anew)
{
    if (map->doubt && !anew && map->sure < map->last) {
        trim(map, map->sure);
    }
    if (anew) {
        trim(map, 0);
        map->base = batch->first - 1;
        map->last = map->base;
    }
    if (batch->keep < map->last) {
        trim(map, batch->keep);
    } else if (batch->keep > map->last) {
        dgraft_map_push(map, (struct dgraft_map_extent){map->last + 1, batch->keep, 0, 0});
        map->last = batch->keep;
    }
    map->begun = true;
    map->number = batch->number;
    map->doubt = false;
    if (batch->mends) {
        mend(map, sequence, batch, plan);
        return;
    }
    if (batch->count > 0) {
        add(map, sequence, batch);
    }
    for (size_t i = 0; plan != NULL && i < plan->membership_count; i++) {
        dgraft_map_push_membership(map, plan->memberships[i]);
    }
}

void dgraft_map_lose(struct dgraft_map *map, dgraft_index sure)
{
    map->doubt = true;
    map->sure = sure;
    map->cut = true; /* batches on both sides of the place do not lie one behind the other */
}

void dgraft_map_follows(struct dgraft_map *map, uint64_t number)
{
    map->doubt = map->doubt && number != map->number;
}

void dgraft_map_finish(struct dgraft_map *map, dgraft_index snapshot)
{
    if (map->doubt && map->sure < map->last) {
        trim(map, map->sure);
    }
    if (!map->begun || map->base <= snapshot) {
        return;
    }
    dgraft_map_push(map, (struct dgraft_map_extent){0, 0, 0, 0});
    if (map->failed) {
        return;
    }
    for (size_t i = map->extent_count - 1; i > 0; i--) {
        map->extents[i] = map->extents[i - 1];
    }
    map->extents[0] = (struct dgraft_map_extent){snapshot + 1, map->base, 0, 0};
    map->base = snapshot;
}
