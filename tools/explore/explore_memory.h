/* Memory of a search: counted, so that --memory can be kept, and never missing: a search that gets no more has nothing
 * to hand back, so it says so and ends the program.
 */
#ifndef EXPLORE_MEMORY_H
#define EXPLORE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct explore_memory {
    uint64_t used_bytes;
};

/* Returns `wanted` items of `size` bytes with the contents of the `count` at `old`, which is freed; the rest is 0. */
void *explore_memory_grow(struct explore_memory *memory, void *old, uint64_t count, uint64_t wanted, size_t size);

void explore_memory_free(struct explore_memory *memory, void *old, uint64_t count, size_t size);

#endif
