#include "inspect_map.h"

#include <stdlib.h>

enum { EXTENT_BYTES = 65536 };

void dgraft_map_free(struct dgraft_map *map)
{
    free(map->extents);
    free(map->memberships);
    *map = (struct dgraft_map){0};
}

static void push(struct dgraft_map *map, struct dgraft_map_extent extent)
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

static void push_membership(struct dgraft_map *map, dgraft_index index)
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
    push(map, (struct dgraft_map_extent){batch->first, map->last, sequence, batch->offset});
    map->cut = false;
}

void dgraft_map_take(struct dgraft_map *map, uint64_t sequence, const struct dgraft_batch *batch,
                     const struct dgraft_plan *plan, bool anew)
{
    if (map->doubt && !anew && map->sure < map->last) {
        trim(map, map->sure);
    }
    if (anew) {
        trim(map, 0);
        map->base = batch->keep;
        map->last = batch->keep;
    } else if (batch->keep < map->last) {
        trim(map, batch->keep);
    } else if (batch->keep > map->last) {
        push(map, (struct dgraft_map_extent){map->last + 1, batch->keep, 0, 0});
        map->last = batch->keep;
    }
    map->begun = true;
    map->number = batch->number;
    map->doubt = false;
    if (batch->count > 0) {
        add(map, sequence, batch);
    }
    for (size_t i = 0; plan != NULL && i < plan->membership_count; i++) {
        push_membership(map, plan->memberships[i]);
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
    push(map, (struct dgraft_map_extent){0, 0, 0, 0});
    if (map->failed) {
        return;
    }
    for (size_t i = map->extent_count - 1; i > 0; i--) {
        map->extents[i] = map->extents[i - 1];
    }
    map->extents[0] = (struct dgraft_map_extent){snapshot + 1, map->base, 0, 0};
    map->base = snapshot;
}
