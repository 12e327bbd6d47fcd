#include "window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_LINE_BYTES 64u

static const uint8_t zeros[8];

_Static_assert(sizeof(struct window_slot) <= CACHE_LINE_BYTES, "a slot is one line of the cache");

static struct window_slot *make_slots(size_t count)
{
    const size_t bytes = count * sizeof(struct window_slot);
    struct window_slot *slots = aligned_alloc(CACHE_LINE_BYTES, bytes);
    if (slots != NULL) {
        memset(slots, 0, bytes);
    }
    return slots;
}

bool dgraft_window_open(struct window *window, dgraft_index next, size_t capacity_max)
{
    *window = (struct window){.capacity = 256, .capacity_max = capacity_max, .first = next, .end = next, .kept = next};
    window->slots = make_slots(window->capacity);
    return window->slots != NULL;
}

void dgraft_window_close(struct window *window)
{
    while (window->first != window->end) {
        struct window_slot slot = dgraft_window_pop(window);
        dgraft_buffer_release(slot.buffer);
    }
    free(window->slots);
    *window = (struct window){0};
}

bool dgraft_window_reserve(struct window *window, size_t count)
{
    size_t held = (size_t)(window->end - window->first);
    if (count <= window->capacity - held) {
        return true;
    }
    if (count > window->capacity_max || held > window->capacity_max - count) {
        return false;
    }
    size_t capacity = window->capacity;
    while (capacity - held < count) {
        capacity *= 2;
    }
    struct window_slot *slots = make_slots(capacity);
    if (slots == NULL) {
        return false;
    }
    for (dgraft_index index = window->first; index != window->end; index++) {
        slots[index & (capacity - 1)] = window->slots[index & (window->capacity - 1)];
    }
    free(window->slots);
    window->slots = slots;
    window->capacity = capacity;
    return true;
}

struct window_slot dgraft_window_pop(struct window *window)
{
    assert(window->first != window->end);
    const struct window_slot *newest = dgraft_window_at(window, window->end - 1);
    assert(newest != NULL);
    const struct window_slot slot = *newest;
    window->end--;
    window->kept = window->kept < window->end ? window->kept : window->end;
    window->gathered -= slot.gathered != NULL;
    window->bytes -= dgraft_window_weight(&slot, dgraft_window_at(window, window->end - 1));
    return slot;
}

void dgraft_window_restart(struct window *window, dgraft_index next)
{
    assert(window->first == window->end);
    window->first = next;
    window->end = next;
    window->kept = next;
}

struct dgraft_proposal *dgraft_window_forget_payload(struct window *window, struct window_slot *slot)
{
    struct dgraft_proposal *gathered = slot->gathered;
    assert(gathered != NULL);
    window->bytes -= slot->entry.payload_bytes;
    window->gathered--;
    slot->gathered = NULL;
    slot->record = NULL;
    return gathered;
}

/* Forgets a record between others. Its buffer is counted once for each run of neighbours that share it. */
static void forget_record(struct window *window, struct window_slot *slot)
{
    const struct window_slot *before = dgraft_window_at(window, slot->entry.index - 1);
    const struct window_slot *behind = dgraft_window_at(window, slot->entry.index + 1);
    struct dgraft_buffer *buffer = slot->buffer;
    slot->record = NULL;
    slot->buffer = NULL;
    if (buffer == NULL) {
        return;
    }
    window->bytes -= buffer->capacity;
    window->bytes += before != NULL && before->buffer == buffer ? buffer->capacity : 0;
    window->bytes += behind != NULL && behind->buffer == buffer ? buffer->capacity : 0;
    dgraft_buffer_release(buffer);
}

/* Goes on behind a proposal that waits: forgets records, and leaves the slots. */
static void forget_behind(struct window *window, dgraft_index durable, size_t bytes_max)
{
    dgraft_index index = window->kept > window->first ? window->kept : window->first;
    for (; index != window->end && index <= durable && window->bytes > bytes_max; index++) {
        struct window_slot *slot = dgraft_window_at(window, index);
        assert(slot != NULL);
        forget_record(window, slot);
    }
    window->kept = index;
}

void dgraft_window_evict(struct window *window, dgraft_index durable, size_t bytes_max)
{
    while (window->first != window->end && window->first <= durable &&
           (window->bytes > bytes_max || window->first < window->kept)) {
        struct window_slot *slot = dgraft_window_at(window, window->first);
        assert(slot != NULL);
        if (slot->proposal != NULL || slot->gathered != NULL) {
            forget_behind(window, durable, bytes_max);
            break;
        }
        window->first++;
        window->bytes -= dgraft_window_weight(slot, dgraft_window_at(window, window->first));
        __builtin_prefetch(&window->slots[(window->first + WINDOW_SLOTS_AHEAD) & (window->capacity - 1)], 0);
        dgraft_buffer_release(slot->buffer);
    }
}

bool dgraft_pieces_add(struct pieces *pieces, const void *bytes, size_t size)
{
    if (size == 0) {
        return true;
    }
    if (pieces->count > 0) {
        struct iovec *last = &pieces->items[pieces->count - 1];
        if ((const uint8_t *)last->iov_base + last->iov_len == (const uint8_t *)bytes) {
            last->iov_len += size;
            return true;
        }
    }
    if (pieces->count == pieces->capacity) {
        size_t capacity = pieces->capacity == 0 ? 64 : 2 * pieces->capacity;
        struct iovec *items = realloc(pieces->items, capacity * sizeof *items);
        if (items == NULL) {
            return false;
        }
        pieces->items = items;
        pieces->capacity = capacity;
    }
    /* An iovec is written to by readers and read by writers: the type cannot say which. */
    union {
        const void *constant;
        void *plain;
    } base = {.constant = bytes};
    pieces->items[pieces->count++] = (struct iovec){.iov_base = base.plain, .iov_len = size};
    return true;
}

bool dgraft_pieces_add_gathered(struct pieces *pieces, const struct window_slot *slot)
{
    const size_t front = (dgraft_record_flags(slot->record) & DGRAFT_RECORD_IN_SESSION) != 0 ? DGRAFT_SESSION_BYTES : 0;
    if (!dgraft_pieces_add(pieces, slot->record, DGRAFT_RECORD_HEADER_BYTES + front)) {
        return false;
    }
    for (size_t i = 0; i < slot->gathered->piece_count; i++) {
        const struct iovec *piece = &slot->gathered->pieces[i];
        if (!dgraft_pieces_add(pieces, piece->iov_base, piece->iov_len)) {
            return false;
        }
    }
    return dgraft_pieces_add(pieces, zeros, dgraft_record_padding(slot->entry.payload_bytes));
}
