/* The window: the newest records of the log, in memory, by index.
 *
 * A record is a view into a counted buffer: the datagram it arrived in, or a chunk of the ring where this node framed
 * it. A large proposal's payload stays where its caller has it (`gathered`) until it is durable and applied. What is
 * durable may be forgotten at any time, oldest first: storage has it. Whoever waits for an answer keeps a slot, not
 * the memory of a record: a deposed leader that could give up nothing behind its oldest proposal would have no room for
 * what has to come in for that to be answered.
 */
#ifndef DGRAFT_NODE_WINDOW_H
#define DGRAFT_NODE_WINDOW_H

#include <assert.h>
#include <dgraft/buffer.h>
#include <dgraft/driver.h>

/* A slot that is asked for while so many others are filled arrives in time. */
#define WINDOW_SLOTS_AHEAD 4u

/* Every command's slot is touched some five times: it is one line of the processor's cache. */
struct window_slot {
    struct dgraft_entry entry;
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
    dgraft_index kept;  /* up to here records were forgotten whose proposals wait */
    size_t bytes;       /* of the buffers and payloads held */
    size_t gathered;    /* slots whose payload lies with its caller */
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

/* What a slot adds to the memory held, beside a neighbour that may share its buffer. */
static inline size_t dgraft_window_weight(const struct window_slot *slot, const struct window_slot *neighbour)
{
    size_t bytes = slot->gathered != NULL ? slot->entry.payload_bytes : 0;
    if (slot->buffer != NULL && (neighbour == NULL || neighbour->buffer != slot->buffer)) {
        bytes += slot->buffer->capacity;
    }
    return bytes;
}

/* Appends a slot (room was reserved); entry.index must be window->end. Takes over slot.buffer's reference. In the
 * header so that the slot is made where it will lie. */
static inline void dgraft_window_push(struct window *window, const struct window_slot *slot)
{
    assert(slot->entry.index == window->end);
    assert((size_t)(window->end - window->first) < window->capacity);
    window->bytes += dgraft_window_weight(slot, dgraft_window_at(window, window->end - 1));
    window->gathered += slot->gathered != NULL;
    window->slots[window->end & (window->capacity - 1)] = *slot;
    window->end++;
    /* What lies a whole round behind is long out of the processor's cache. */
    __builtin_prefetch(&window->slots[(window->end + WINDOW_SLOTS_AHEAD) & (window->capacity - 1)], 1);
}

/* Removes the newest slot and returns it: its buffer's reference and its proposals pass to the caller. */
struct window_slot dgraft_window_pop(struct window *window);

/* Empties an empty window's place: its next record is that of `next`. */
void dgraft_window_restart(struct window *window, dgraft_index next);

/* Gives a gathered payload back to its caller: from then on only storage has the record. */
struct dgraft_proposal *dgraft_window_forget_payload(struct window *window, struct window_slot *slot);

/* Forgets records at most at `durable`, oldest first, until at most bytes_max are held. A slot whose proposal is not
 * done stays, without its record; its payload, where that lies with its caller, stays there. */
void dgraft_window_evict(struct window *window, dgraft_index durable, size_t bytes_max);

/* Room for pieces of consecutive records. */
struct pieces {
    struct iovec *items;
    size_t count;
    size_t capacity;
};

/* Adds bytes; neighbours in memory become one piece. Returns false when there is no memory. */
bool dgraft_pieces_add(struct pieces *pieces, const void *bytes, size_t size);

/* Adds a slot's record with the pieces that its payload is gathered from. */
bool dgraft_pieces_add_gathered(struct pieces *pieces, const struct window_slot *slot);

/* Adds the bytes of a slot's record, which must be here. Returns false when there is no memory. */
static inline bool dgraft_pieces_add_slot(struct pieces *pieces, const struct window_slot *slot)
{
    if (slot->gathered != NULL) {
        return dgraft_pieces_add_gathered(pieces, slot);
    }
    const size_t size = dgraft_record_bytes(slot->entry.payload_bytes);
    if (pieces->count > 0) {
        struct iovec *last = &pieces->items[pieces->count - 1];
        if ((const uint8_t *)last->iov_base + last->iov_len == slot->record) {
            last->iov_len += size;
            return true;
        }
    }
    return dgraft_pieces_add(pieces, slot->record, size);
}

#endif
