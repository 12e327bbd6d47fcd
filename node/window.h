/* The window: the newest records of the log, in memory, by index.
 *
 * A record is a view into a counted buffer: the datagram it arrived in, or a chunk of the ring where this node framed
 * it. A large proposal's payload stays where its caller has it (`gathered`) until it is durable and applied. What is
 * durable may be forgotten at any time, oldest first: storage has it.
 */
#ifndef DGRAFT_NODE_WINDOW_H
#define DGRAFT_NODE_WINDOW_H

#include <dgraft/buffer.h>
#include <dgraft/driver.h>

struct window_slot {
    struct dgraft_entry entry;
    uint16_t tag;
    uint8_t flags;
    /* Header, and payload with padding; of what is gathered only the head of a session's command. NULL: no longer here
     */
    const uint8_t *record;
    struct dgraft_buffer *buffer;     /* holds `record`; one reference */
    struct dgraft_proposal *proposal; /* waits for its answer; NULL: none, or answered */
    struct dgraft_proposal
        *gathered; /* its pieces are the payload, or the rest of it; NULL: all of it follows the header */
};

struct window {
    struct window_slot *slots; /* ring of `capacity`, a power of two; index i lies at i modulo capacity */
    size_t capacity;
    size_t capacity_max;
    dgraft_index first; /* of the slots held; first == end: none */
    dgraft_index end;   /* one past the last */
    size_t bytes;       /* of the buffers and payloads held */
};

/* Makes an empty window whose next record is that of `next`. Returns false when there is no memory. */
bool dgraft_window_open(struct window *window, dgraft_index next, size_t capacity_max);

/* Releases every buffer; proposals are the caller's affair. */
void dgraft_window_close(struct window *window);

/* Makes room for `count` more slots. Returns false when that is beyond capacity_max or memory. */
bool dgraft_window_reserve(struct window *window, size_t count);

/* Returns the slot of an index, or NULL when the window does not hold it. In the header because every command is looked
 * up some five times. */
static inline struct window_slot *dgraft_window_at(const struct window *window, dgraft_index index)
{
    if (index < window->first || index >= window->end) {
        return NULL;
    }
    return &window->slots[index & (window->capacity - 1)];
}

/* Appends a slot (room was reserved); entry.index must be window->end. Takes over slot.buffer's reference. */
void dgraft_window_push(struct window *window, const struct window_slot *slot);

/* Removes the newest slot and returns it: its buffer's reference and its proposals pass to the caller. */
struct window_slot dgraft_window_pop(struct window *window);

/* Empties an empty window's place: its next record is that of `next`. */
void dgraft_window_restart(struct window *window, dgraft_index next);

/* Gives a gathered payload back to its caller: from then on only storage has the record. */
struct dgraft_proposal *dgraft_window_forget_payload(struct window *window, struct window_slot *slot);

/* Forgets records at most at `durable`, oldest first, until at most bytes_max are held. Stops at one whose proposal
 * is not done. */
void dgraft_window_evict(struct window *window, dgraft_index durable, size_t bytes_max);

/* Room for pieces of consecutive records. */
struct pieces {
    struct iovec *items;
    size_t count;
    size_t capacity;
};

/* Adds the bytes of a slot's record to pieces; neighbours in memory become one piece. Returns false when there is no
 * memory. The slot's record must be here. */
bool dgraft_pieces_add_slot(struct pieces *pieces, const struct window_slot *slot);

/* Adds bytes. Returns false when there is no memory. */
bool dgraft_pieces_add(struct pieces *pieces, const void *bytes, size_t size);

#endif
