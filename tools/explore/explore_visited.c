#include "explore_visited.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

#define SLOTS_FIRST  (UINT64_C(1) << 16)
#define CHUNKS_FIRST 64u
#define PARENT_BYTES 5u
#define HEAD_BYTES   (PARENT_BYTES + 2u)
#define PLACE_MASK   ((UINT64_C(1) << 40) - 1)

void explore_visited_open(struct explore_visited *visited, struct explore_memory *memory)
{
    *visited = (struct explore_visited){.memory = memory, .slot_count = SLOTS_FIRST};
    visited->slots = explore_memory_grow(memory, NULL, 0, SLOTS_FIRST, sizeof *visited->slots);
}

void explore_visited_close(struct explore_visited *visited)
{
    for (uint64_t i = 0; i < visited->chunk_count; i++) {
        explore_memory_free(visited->memory, visited->chunks[i], EXPLORE_VISITED_CHUNK_BYTES, 1);
    }
    explore_memory_free(visited->memory, visited->chunks, visited->chunk_capacity, sizeof *visited->chunks);
    explore_memory_free(visited->memory, visited->chunk_used, visited->chunk_capacity, sizeof *visited->chunk_used);
    explore_memory_free(visited->memory, visited->slots, visited->slot_count, sizeof *visited->slots);
}

static const uint8_t *record_at(const struct explore_visited *visited, uint64_t place)
{
    return visited->chunks[place / EXPLORE_VISITED_CHUNK_BYTES] + place % EXPLORE_VISITED_CHUNK_BYTES;
}

static uint32_t record_size(const uint8_t *record)
{
    return record[PARENT_BYTES] | (uint32_t)record[PARENT_BYTES + 1] << 8;
}

const uint8_t *explore_visited_at(const struct explore_visited *visited, uint64_t place, uint32_t *size,
                                  uint64_t *parent, uint64_t *next)
{
    const uint64_t chunk = place / EXPLORE_VISITED_CHUNK_BYTES;
    const uint8_t *record = record_at(visited, place);
    *size = record_size(record);
    *parent = 0;
    for (uint32_t i = 0; i < PARENT_BYTES; i++) {
        *parent |= (uint64_t)record[i] << (8 * i);
    }
    *next = place + HEAD_BYTES + *size;
    if (*next % EXPLORE_VISITED_CHUNK_BYTES >= visited->chunk_used[chunk] && chunk + 1 < visited->chunk_count) {
        *next = (chunk + 1) * EXPLORE_VISITED_CHUNK_BYTES;
    }
    return record + HEAD_BYTES;
}

static void chunk_open(struct explore_visited *visited)
{
    if (visited->chunk_count == visited->chunk_capacity) {
        const uint64_t wanted = visited->chunk_capacity == 0 ? CHUNKS_FIRST : 2 * visited->chunk_capacity;
        visited->chunks = explore_memory_grow(visited->memory, visited->chunks, visited->chunk_capacity, wanted,
                                              sizeof *visited->chunks);
        visited->chunk_used = explore_memory_grow(visited->memory, visited->chunk_used, visited->chunk_capacity, wanted,
                                                  sizeof *visited->chunk_used);
        visited->chunk_capacity = wanted;
    }
    visited->chunks[visited->chunk_count++] =
        explore_memory_grow(visited->memory, NULL, 0, EXPLORE_VISITED_CHUNK_BYTES, 1);
}

static uint64_t append(struct explore_visited *visited, const uint8_t *bytes, uint32_t size, uint64_t parent)
{
    /* Strictly less: a record's end is never the next chunk's begin, so that explore_visited_at can tell them apart. */
    if (visited->chunk_count == 0 ||
        visited->chunk_used[visited->chunk_count - 1] + HEAD_BYTES + size >= EXPLORE_VISITED_CHUNK_BYTES) {
        chunk_open(visited);
    }
    const uint64_t chunk = visited->chunk_count - 1;
    uint8_t *record = visited->chunks[chunk] + visited->chunk_used[chunk];
    for (uint32_t i = 0; i < PARENT_BYTES; i++) {
        record[i] = (uint8_t)(parent >> (8 * i));
    }
    record[PARENT_BYTES] = (uint8_t)size;
    record[PARENT_BYTES + 1] = (uint8_t)(size >> 8);
    memcpy(record + HEAD_BYTES, bytes, size);
    const uint64_t place = chunk * EXPLORE_VISITED_CHUNK_BYTES + visited->chunk_used[chunk];
    visited->chunk_used[chunk] += HEAD_BYTES + size;
    return place;
}

static uint64_t slot_value(uint64_t hash, uint64_t place)
{
    return (hash & ~PLACE_MASK) | (place + 1);
}

static void slots_double(struct explore_visited *visited)
{
    uint64_t place = 0;
    explore_memory_free(visited->memory, visited->slots, visited->slot_count, sizeof *visited->slots);
    visited->slot_count *= 2;
    visited->slots = explore_memory_grow(visited->memory, NULL, 0, visited->slot_count, sizeof *visited->slots);
    for (uint64_t i = 0; i < visited->count; i++) {
        uint32_t size = 0;
        uint64_t parent = 0;
        uint64_t next = 0;
        const uint8_t *bytes = explore_visited_at(visited, place, &size, &parent, &next);
        const uint64_t hash = XXH3_64bits(bytes, size);
        uint64_t at = hash & (visited->slot_count - 1);
        while (visited->slots[at] != 0) {
            at = (at + 1) & (visited->slot_count - 1);
        }
        visited->slots[at] = slot_value(hash, place);
        place = next;
    }
}

bool explore_visited_add(struct explore_visited *visited, const uint8_t *bytes, uint32_t size, uint64_t parent)
{
    assert(size <= EXPLORE_VISITED_BYTES_MAX);
    const uint64_t hash = XXH3_64bits(bytes, size);
    uint64_t at = hash & (visited->slot_count - 1);
    for (; visited->slots[at] != 0; at = (at + 1) & (visited->slot_count - 1)) {
        if (((visited->slots[at] ^ hash) & ~PLACE_MASK) != 0) {
            continue;
        }
        const uint8_t *record = record_at(visited, (visited->slots[at] & PLACE_MASK) - 1);
        if (record_size(record) == size && memcmp(record + HEAD_BYTES, bytes, size) == 0) {
            return false;
        }
    }
    visited->slots[at] = slot_value(hash, append(visited, bytes, size, parent));
    visited->count++;
    if (visited->count * 4 > visited->slot_count * 3) {
        slots_double(visited);
    }
    return true;
}
