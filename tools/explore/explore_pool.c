#include "explore_pool.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

#define SLOTS_FIRST  1024u
#define PLACES_FIRST 1024u
#define CHUNKS_FIRST 64u
#define SIZE_BYTES   2u /* in front of each string */

void explore_pool_open(struct explore_pool *pool, struct explore_memory *memory)
{
    *pool = (struct explore_pool){.memory = memory, .slot_count = SLOTS_FIRST};
    pool->slots = explore_memory_grow(memory, NULL, 0, SLOTS_FIRST, sizeof *pool->slots);
}

void explore_pool_close(struct explore_pool *pool)
{
    for (uint64_t i = 0; i < pool->chunk_count; i++) {
        explore_memory_free(pool->memory, pool->chunks[i], EXPLORE_POOL_CHUNK_BYTES, 1);
    }
    explore_memory_free(pool->memory, pool->chunks, pool->chunk_capacity, sizeof *pool->chunks);
    explore_memory_free(pool->memory, pool->places, pool->place_capacity, sizeof *pool->places);
    explore_memory_free(pool->memory, pool->slots, pool->slot_count, sizeof *pool->slots);
}

const uint8_t *explore_pool_get(const struct explore_pool *pool, uint32_t number, uint32_t *size)
{
    assert(number < pool->count);
    const uint64_t place = pool->places[number];
    const uint8_t *at = pool->chunks[place / EXPLORE_POOL_CHUNK_BYTES] + place % EXPLORE_POOL_CHUNK_BYTES;
    *size = at[0] | (uint32_t)at[1] << 8;
    return at + SIZE_BYTES;
}

/* Puts a string behind all others. */
static void append(struct explore_pool *pool, const void *bytes, uint32_t size)
{
    if (pool->chunk_count == 0 || pool->chunk_used + SIZE_BYTES + size > EXPLORE_POOL_CHUNK_BYTES) {
        if (pool->chunk_count == pool->chunk_capacity) {
            const uint64_t wanted = pool->chunk_capacity == 0 ? CHUNKS_FIRST : 2 * pool->chunk_capacity;
            pool->chunks =
                explore_memory_grow(pool->memory, pool->chunks, pool->chunk_capacity, wanted, sizeof *pool->chunks);
            pool->chunk_capacity = wanted;
        }
        pool->chunks[pool->chunk_count++] = explore_memory_grow(pool->memory, NULL, 0, EXPLORE_POOL_CHUNK_BYTES, 1);
        pool->chunk_used = 0;
    }
    if (pool->count == pool->place_capacity) {
        const uint64_t wanted = pool->place_capacity == 0 ? PLACES_FIRST : 2 * pool->place_capacity;
        pool->places =
            explore_memory_grow(pool->memory, pool->places, pool->place_capacity, wanted, sizeof *pool->places);
        pool->place_capacity = wanted;
    }
    uint8_t *at = pool->chunks[pool->chunk_count - 1] + pool->chunk_used;
    at[0] = (uint8_t)size;
    at[1] = (uint8_t)(size >> 8);
    memcpy(at + SIZE_BYTES, bytes, size);
    pool->places[pool->count++] = (pool->chunk_count - 1) * EXPLORE_POOL_CHUNK_BYTES + pool->chunk_used;
    pool->chunk_used += SIZE_BYTES + size;
}

static void slots_double(struct explore_pool *pool)
{
    explore_memory_free(pool->memory, pool->slots, pool->slot_count, sizeof *pool->slots);
    pool->slot_count *= 2;
    pool->slots = explore_memory_grow(pool->memory, NULL, 0, pool->slot_count, sizeof *pool->slots);
    for (uint32_t number = 0; number < pool->count; number++) {
        uint32_t size = 0;
        const uint8_t *bytes = explore_pool_get(pool, number, &size);
        uint64_t at = XXH3_64bits(bytes, size) & (pool->slot_count - 1);
        while (pool->slots[at] != 0) {
            at = (at + 1) & (pool->slot_count - 1);
        }
        pool->slots[at] = 1 + number;
    }
}

uint32_t explore_pool_put(struct explore_pool *pool, const void *bytes, uint32_t size)
{
    assert(size <= EXPLORE_POOL_BYTES_MAX);
    uint64_t at = XXH3_64bits(bytes, size) & (pool->slot_count - 1);
    while (pool->slots[at] != 0) {
        uint32_t known_size = 0;
        const uint8_t *known = explore_pool_get(pool, pool->slots[at] - 1, &known_size);
        if (known_size == size && memcmp(known, bytes, size) == 0) {
            return pool->slots[at] - 1;
        }
        at = (at + 1) & (pool->slot_count - 1);
    }
    append(pool, bytes, size);
    pool->slots[at] = pool->count;
    if ((uint64_t)pool->count * 4 > pool->slot_count * 3) {
        slots_double(pool);
    }
    return pool->count - 1;
}
