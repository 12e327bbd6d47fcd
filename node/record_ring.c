#include "record_ring.h"

#include <assert.h>
#include <stdlib.h>

/* Chunks kept for later; more are given back to the heap. */
#define FREE_CHUNKS_MAX 16

static void chunk_free(struct dgraft_buffer *chunk)
{
    struct record_ring *ring = chunk->owner;
    if (ring->free_count >= FREE_CHUNKS_MAX) {
        free(chunk);
        return;
    }
    chunk->next = ring->free;
    ring->free = chunk;
    ring->free_count++;
}

void dgraft_record_ring_open(struct record_ring *ring, size_t chunk_bytes)
{
    *ring = (struct record_ring){.chunk_bytes = chunk_bytes};
}

void dgraft_record_ring_close(struct record_ring *ring)
{
    dgraft_buffer_release(ring->current);
    while (ring->free != NULL) {
        struct dgraft_buffer *chunk = ring->free;
        ring->free = chunk->next;
        free(chunk);
    }
    *ring = (struct record_ring){0};
}

bool dgraft_record_ring_reserve(struct record_ring *ring, size_t bytes)
{
    assert(bytes <= ring->chunk_bytes);
    if (ring->current != NULL && ring->chunk_bytes - ring->used >= bytes) {
        return true;
    }
    struct dgraft_buffer *chunk = ring->free;
    if (chunk != NULL) {
        ring->free = chunk->next;
        ring->free_count--;
        chunk->references = 1;
        chunk->next = NULL;
    } else {
        chunk = dgraft_buffer_new(ring->chunk_bytes);
        if (chunk == NULL) {
            return false;
        }
        chunk->free = chunk_free;
        chunk->owner = ring;
    }
    dgraft_buffer_release(ring->current);
    ring->current = chunk;
    ring->used = 0;
    return true;
}

uint8_t *dgraft_record_ring_take(struct record_ring *ring, size_t bytes, struct dgraft_buffer **buffer)
{
    assert(ring->current != NULL && ring->chunk_bytes - ring->used >= bytes);
    uint8_t *at = ring->current->bytes + ring->used;
    ring->used += bytes;
    *buffer = dgraft_buffer_keep(ring->current);
    return at;
}
