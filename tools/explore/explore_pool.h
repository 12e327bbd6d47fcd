/* Byte strings, each kept once and named by a number from 0 on, in the order in which they were first seen. A state of
 * a cluster is a handful of such numbers: there are far fewer nodes, messages and histories than ways to combine them.
 */
#ifndef EXPLORE_POOL_H
#define EXPLORE_POOL_H

#include "explore_memory.h"

#include <stdbool.h>
#include <stdint.h>

/* Strings lie in chunks, which never move. */
#define EXPLORE_POOL_CHUNK_BYTES (UINT64_C(1) << 20)
#define EXPLORE_POOL_BYTES_MAX   4096u

struct explore_pool {
    struct explore_memory *memory;
    uint8_t **chunks;
    uint64_t chunk_capacity;
    uint64_t chunk_count;
    uint64_t chunk_used; /* bytes of the newest */
    uint64_t *places;    /* by number: chunk and offset in bytes */
    uint64_t place_capacity;
    uint32_t count;
    uint32_t *slots; /* 1 + number, open addressing */
    uint64_t slot_count;
};

void explore_pool_open(struct explore_pool *pool, struct explore_memory *memory);
void explore_pool_close(struct explore_pool *pool);

/* Returns the number of a string of at most EXPLORE_POOL_BYTES_MAX bytes. */
uint32_t explore_pool_put(struct explore_pool *pool, const void *bytes, uint32_t size);

/* Returns the string of a number and its size. */
const uint8_t *explore_pool_get(const struct explore_pool *pool, uint32_t number, uint32_t *size);

#endif
