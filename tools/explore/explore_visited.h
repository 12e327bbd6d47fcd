/* The states that were reached, each kept whole and once, in the order of discovery. That order is the search's queue
 * as well: what lies behind the cursor is done, what lies before it is the frontier. Two states are never taken for
 * one: where hashes agree, the bytes are compared.
 */
#ifndef EXPLORE_VISITED_H
#define EXPLORE_VISITED_H

#include "explore_memory.h"

#include <stdbool.h>
#include <stdint.h>

#define EXPLORE_VISITED_CHUNK_BYTES (UINT64_C(1) << 26)
#define EXPLORE_VISITED_BYTES_MAX   1024u

/* "No state": the parent of the first. */
#define EXPLORE_PLACE_NONE ((UINT64_C(1) << 40) - 1)

struct explore_visited {
    struct explore_memory *memory;
    uint8_t **chunks;
    uint64_t *chunk_used;
    uint64_t chunk_capacity;
    uint64_t chunk_count;
    uint64_t *slots; /* 24 bits of the hash, 40 of 1 + place */
    uint64_t slot_count;
    uint64_t count;
};

void explore_visited_open(struct explore_visited *visited, struct explore_memory *memory);
void explore_visited_close(struct explore_visited *visited);

/* Takes a state up, reached from the one at `parent`. Returns false when it is known already. */
bool explore_visited_add(struct explore_visited *visited, const uint8_t *bytes, uint32_t size, uint64_t parent);

/* Returns the state at a place, its size, its parent, and the place of the next one. */
const uint8_t *explore_visited_at(const struct explore_visited *visited, uint64_t place, uint32_t *size,
                                  uint64_t *parent, uint64_t *next);

#endif
