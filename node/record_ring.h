/* Where this node frames the records of its own proposals: chunks of memory, filled from the front, used again when the
 * last record in them is forgotten. One copy of a small command happens here, and no allocation in steady state.
 */
#ifndef DGRAFT_NODE_RECORD_RING_H
#define DGRAFT_NODE_RECORD_RING_H

#include <dgraft/buffer.h>

#include <stdbool.h>

struct record_ring {
    struct dgraft_buffer *current; /* being filled; one reference */
    size_t used;
    struct dgraft_buffer *free; /* chunks to use again */
    size_t free_count;
    size_t chunk_bytes;
};

void dgraft_record_ring_open(struct record_ring *ring, size_t chunk_bytes);

/* Gives all chunks back. Every record must have been forgotten. */
void dgraft_record_ring_close(struct record_ring *ring);

/* Makes sure that `bytes` (at most chunk_bytes) can be taken next. Returns false when there is no memory. */
bool dgraft_record_ring_reserve(struct record_ring *ring, size_t bytes);

/* Takes `bytes` that were reserved. *buffer gets a reference to release when they are not needed any more. */
uint8_t *dgraft_record_ring_take(struct record_ring *ring, size_t bytes, struct dgraft_buffer **buffer);

#endif
