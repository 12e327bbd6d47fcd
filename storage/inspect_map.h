/* Where the entries in force of a log lie, also of one that is damaged: extents of batches, and gaps where there were
 * entries that cannot be read. One extent stands for 64 KiB of a file or more: memory does not grow with the entries.
 */
#ifndef DGRAFT_INSPECT_MAP_H
#define DGRAFT_INSPECT_MAP_H

#include "log_index.h"

/* Entries first to last lie in order in the batches from offset on; sequence 0: they were there, and cannot be read. */
struct dgraft_map_extent {
    dgraft_index first;
    dgraft_index last;
    uint64_t sequence;
    uint64_t offset;
};

/* All zero: empty. */
struct dgraft_map {
    struct dgraft_map_extent *extents; /* ascending, without a hole */
    size_t extent_count;
    size_t extent_capacity;
    dgraft_index *memberships; /* of good batches, ascending */
    size_t membership_count;
    size_t membership_capacity;
    dgraft_index base; /* the log begins after it */
    dgraft_index last;
    bool begun;
    bool cut;        /* superseded records lie behind the newest extent */
    uint64_t number; /* of the batch taken last */
    /* Batches behind that one were lost, and nothing says yet which entries they held - or superseded: a batch whose
     * header is gone may have cut off any entry that was not known committed. Those after `sure` cannot be relied on.
     */
    bool doubt;
    dgraft_index sure;
    bool failed; /* there was no memory */
};

void dgraft_map_free(struct dgraft_map *map);

/* For whoever knows a log already: adds what lies behind the rest. */
void dgraft_map_push(struct dgraft_map *map, struct dgraft_map_extent extent);
void dgraft_map_push_membership(struct dgraft_map *map, dgraft_index index);

/* Takes the next batch of the log. `plan` (NULL: its records cannot all be read) says which are memberships. `anew`:
 * what lies before it does not matter. */
void dgraft_map_take(struct dgraft_map *map, uint64_t sequence, const struct dgraft_batch *batch,
                     const struct dgraft_plan *plan, bool anew);

/* Here, batches of the log cannot be read; entries up to `sure` were known committed before. */
void dgraft_map_lose(struct dgraft_map *map, dgraft_index sure);

/* The next batch follows one of this number: when that is the one taken last, nothing was lost between them. */
void dgraft_map_follows(struct dgraft_map *map, uint64_t number);

/* The whole log was seen; entries up to `snapshot` need not be in it. */
void dgraft_map_finish(struct dgraft_map *map, dgraft_index snapshot);

#endif
