#include "window.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define BUFFER_BYTES 1000u

static struct window_slot slot_in(struct dgraft_buffer *buffer, dgraft_index index)
{
    struct window_slot slot = {.entry = {.index = index, .term = 1, .kind = DGRAFT_ENTRY_COMMAND},
                               .record = buffer->bytes,
                               .buffer = dgraft_buffer_keep(buffer)};
    return slot;
}

static struct window_slot *held_at(const struct window *window, dgraft_index index)
{
    struct window_slot *slot = dgraft_window_at(window, index);
    if (slot == NULL) {
        abort();
    }
    return slot;
}

/* The slow oracle: every buffer counts once for each run of neighbours that share it. */
static size_t bytes_held(const struct window *window)
{
    size_t bytes = 0;
    const struct dgraft_buffer *before = NULL;
    for (dgraft_index index = window->first; index != window->end; index++) {
        const struct window_slot *slot = held_at(window, index);
        if (slot->buffer != NULL && slot->buffer != before) {
            bytes += slot->buffer->capacity;
        }
        if (slot->gathered != NULL) {
            bytes += slot->entry.payload_bytes;
        }
        before = slot->buffer;
    }
    return bytes;
}

/* The oldest proposals get their answers, and their payloads back. */
static void answer_some(struct window *window, dgraft_index count)
{
    for (dgraft_index index = window->first; index != window->end && index < window->first + count; index++) {
        struct window_slot *slot = held_at(window, index);
        slot->proposal = NULL;
        if (slot->gathered != NULL) {
            (void)dgraft_window_forget_payload(window, slot);
        }
    }
}

Test(window, counts_each_buffer_once_through_any_pushes_pops_and_evictions)
{
    struct window window;
    struct dgraft_buffer *buffer = dgraft_buffer_new(BUFFER_BYTES);
    struct dgraft_proposal waits = {0};
    struct dgraft_proposal large = {0};
    uint32_t random = 1;
    cr_assert(dgraft_window_open(&window, 100, 1u << 16));
    for (int i = 0; i < 20000; i++) {
        random = random * 1664525u + 1013904223u;
        uint32_t choice = (random >> 16) % 10;
        if (choice < 6) {
            if (choice == 0) {
                dgraft_buffer_release(buffer);
                buffer = dgraft_buffer_new(BUFFER_BYTES);
            }
            cr_assert(dgraft_window_reserve(&window, 1));
            struct window_slot slot = slot_in(buffer, window.end);
            slot.proposal = random % 5 == 0 ? &waits : NULL;
            slot.gathered = random % 41 == 0 ? &large : NULL;
            slot.entry.payload_bytes = slot.gathered != NULL ? 77 : 1;
            dgraft_window_push(&window, &slot);
        } else if (choice < 8 && window.first != window.end) {
            struct window_slot slot = dgraft_window_pop(&window);
            dgraft_buffer_release(slot.buffer);
        } else if (choice == 8) {
            dgraft_window_evict(&window, window.end - 1, 5 * BUFFER_BYTES);
            cr_assert_leq(window.bytes, 5 * BUFFER_BYTES + window.gathered * 77);
        } else if (random % 3 == 0) {
            answer_some(&window, 20);
        }
        cr_assert_eq(window.bytes, bytes_held(&window), "step %d", i);
    }
    dgraft_window_close(&window);
    cr_assert_eq(buffer->references, 1, "the window gave every reference back");
    dgraft_buffer_release(buffer);
}

Test(window, keeps_every_record_when_it_grows)
{
    struct window window;
    struct dgraft_buffer *buffer = dgraft_buffer_new(BUFFER_BYTES);
    cr_assert(dgraft_window_open(&window, 5, 1u << 12));
    for (dgraft_index index = 5; index < 4000; index++) {
        cr_assert(dgraft_window_reserve(&window, 1));
        struct window_slot slot = slot_in(buffer, index);
        dgraft_window_push(&window, &slot);
    }
    for (dgraft_index index = 5; index < 4000; index++) {
        cr_assert_eq(held_at(&window, index)->entry.index, index);
    }
    cr_assert_null(dgraft_window_at(&window, 4));
    cr_assert_null(dgraft_window_at(&window, 4000));
    dgraft_window_close(&window);
    dgraft_buffer_release(buffer);
}

Test(window, refuses_room_beyond_its_bound)
{
    struct window window;
    cr_assert(dgraft_window_open(&window, 1, 1024));
    cr_assert(dgraft_window_reserve(&window, 1024));
    cr_assert_not(dgraft_window_reserve(&window, 1025));
    cr_assert_not(dgraft_window_reserve(&window, SIZE_MAX));
    dgraft_window_close(&window);
}

Test(window, forgets_no_record_that_is_not_durable_and_no_proposal_that_waits)
{
    struct window window;
    struct dgraft_buffer *buffer = dgraft_buffer_new(BUFFER_BYTES);
    struct dgraft_proposal proposal = {0};
    cr_assert(dgraft_window_open(&window, 1, 1024));
    for (dgraft_index index = 1; index <= 4; index++) {
        struct window_slot slot = slot_in(buffer, index);
        slot.proposal = index == 3 ? &proposal : NULL;
        dgraft_window_push(&window, &slot);
    }
    dgraft_window_evict(&window, 1, 0);
    cr_assert_eq(window.first, 2, "index 2 is not durable");
    dgraft_window_evict(&window, 4, 0);
    cr_assert_eq(window.first, 3, "index 3 waits for its answer");
    cr_assert_eq(held_at(&window, 3)->proposal, &proposal);
    cr_assert_null(held_at(&window, 3)->record);
    cr_assert_null(held_at(&window, 4)->record, "storage has what is behind it, too");
    cr_assert_eq(window.bytes, 0);
    held_at(&window, 3)->proposal = NULL;
    dgraft_window_evict(&window, 4, 0);
    cr_assert_eq(window.first, window.end);
    cr_assert_eq(window.bytes, 0);
    dgraft_window_close(&window);
    dgraft_buffer_release(buffer);
}

Test(pieces, join_neighbours_and_follow_a_gathered_payload)
{
    struct pieces pieces = {0};
    uint8_t bytes[32] = {0};
    char a[3] = "abc";
    char b[2] = "de";
    struct iovec payload[2] = {{a, 3}, {b, 2}};
    struct dgraft_proposal proposal = {.pieces = payload, .piece_count = 2};
    struct window_slot slot = {
        .entry = {.index = 1, .term = 1, .payload_bytes = 5}, .record = bytes, .gathered = &proposal};
    cr_assert(dgraft_pieces_add(&pieces, bytes, 8));
    cr_assert(dgraft_pieces_add(&pieces, bytes + 8, 8));
    cr_assert_eq(pieces.count, 1);
    cr_assert_eq(pieces.items[0].iov_len, 16);
    pieces.count = 0;
    cr_assert(dgraft_pieces_add_slot(&pieces, &slot));
    cr_assert_eq(pieces.count, 4, "header, two pieces, padding");
    cr_assert_eq(pieces.items[0].iov_len, DGRAFT_RECORD_HEADER_BYTES);
    cr_assert_eq(pieces.items[1].iov_base, (void *)a);
    cr_assert_eq(pieces.items[2].iov_base, (void *)b);
    cr_assert_eq(pieces.items[3].iov_len, 3, "5 bytes of payload are padded to 8");
    free(pieces.items);
}
