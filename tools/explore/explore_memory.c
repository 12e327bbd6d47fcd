#include "explore_memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *explore_memory_grow(struct explore_memory *memory, void *old, uint64_t count, uint64_t wanted, size_t size)
{
    assert(wanted > count);
    uint8_t *larger = count == 0 ? calloc(wanted, size) : realloc(old, wanted * size);
    if (larger == NULL) {
        (void)fprintf(stderr, "raftctl explore: the system has no more memory than %llu MiB\n",
                      (unsigned long long)(memory->used_bytes >> 20));
        exit(EXIT_FAILURE);
    }
    if (count != 0) {
        memset(larger + count * size, 0, (wanted - count) * size);
    }
    memory->used_bytes += (wanted - count) * size;
    return larger;
}

void explore_memory_free(struct explore_memory *memory, void *old, uint64_t count, size_t size)
{
    memory->used_bytes -= count * size;
    free(old);
}
