/* A counted reference to bytes that arrived. Whoever keeps a view beyond a call keeps a reference.
 *
 * References are taken and released on one thread only.
 */
#ifndef DGRAFT_BUFFER_H
#define DGRAFT_BUFFER_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dgraft_buffer {
    uint8_t *bytes;
    size_t capacity;
    uint32_t references;
    void (*free)(struct dgraft_buffer *buffer); /* called when the last reference goes */
    void *owner;                                /* for free */
    struct dgraft_buffer *next;                 /* for the owner's list of free ones */
};

/* Allocates a buffer from the heap with one reference. Returns NULL when there is no memory. */
struct dgraft_buffer *dgraft_buffer_new(size_t capacity);

/* Adds a reference and returns the buffer. */
static inline struct dgraft_buffer *dgraft_buffer_keep(struct dgraft_buffer *buffer)
{
    assert(buffer->references > 0);
    buffer->references++;
    return buffer;
}

/* Gives one reference back; the last one frees it. NULL is ignored. */
static inline void dgraft_buffer_release(struct dgraft_buffer *buffer)
{
    if (buffer == NULL) {
        return;
    }
    assert(buffer->references > 0);
    if (--buffer->references == 0) {
        buffer->free(buffer);
    }
}

#ifdef __cplusplus
}
#endif
#endif
