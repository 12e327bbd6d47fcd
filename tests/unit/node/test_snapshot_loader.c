/* A snapshot's bytes, read some at a time: whatever they say of themselves, nothing is believed that is not there. */
#include "snapshot_loader.h"

#include <dgraft/record.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define INDEX     100000u
#define SLICE     (1024u * 1024)
#define AT_STATED 24u

static uint8_t state[3 * SLICE + 77];
static uint8_t taken[sizeof state];
static size_t taken_bytes;

static bool restore(void *context, const uint8_t *bytes, size_t size)
{
    (void)context;
    cr_assert_leq(size, sizeof taken);
    memcpy(taken, bytes, size);
    taken_bytes = size;
    return true;
}

static const struct dgraft_state_machine machine = {.restore = restore};

/* The bytes of a snapshot with so many sessions, each with some answers. Returns them; the caller frees. */
static uint8_t *make(uint32_t sessions_count, size_t state_bytes, size_t *size)
{
    struct dgraft_members members = {.count = 1};
    struct sessions sessions = {0};
    struct dgraft_snapshot_writer writer = {.bytes = NULL};
    members.items[0] = (struct dgraft_member){.id = 1, .roles = DGRAFT_MEMBER_VOTER, .address = "127.0.0.1:1"};
    dgraft_sessions_advance(&sessions, 5000);
    for (uint32_t i = 0; i < sessions_count; i++) {
        cr_assert(dgraft_sessions_reserve(&sessions));
        dgraft_sessions_open(&sessions, 10 + 8 * (dgraft_index)i, 1000000);
        for (uint64_t sequence = 1; sequence <= 4; sequence++) {
            const struct dgraft_session_head head = {10 + 8 * (dgraft_index)i, sequence};
            const struct dgraft_remembered answer = {.size = DGRAFT_SESSION_ANSWER_BYTES_MAX};
            cr_assert_eq(
                dgraft_sessions_take(&sessions, &head, (struct dgraft_position){head.session + sequence, 2}, NULL),
                SESSION_FRESH);
            dgraft_sessions_remember(&sessions, &head, &answer);
        }
    }
    for (size_t i = 0; i < state_bytes; i++) {
        state[i] = (uint8_t)(i * 11 + (i >> 8));
    }
    cr_assert(dgraft_snapshot_state_begin(&writer, 1, &members, &sessions));
    cr_assert(dgraft_snapshot_write(&writer, state, state_bytes));
    dgraft_sessions_free(&sessions);
    *size = writer.size;
    return writer.bytes;
}

/* Reads all that is asked for, until the loader has enough. */
static enum loader_step load(struct snapshot_loader *loader, const uint8_t *bytes, size_t size)
{
    const struct dgraft_snapshot snapshot = {.position = {INDEX, 2}, .size = size};
    enum loader_step step = LOADER_MORE;
    uint32_t tries = 0;
    cr_assert(dgraft_loader_begin(loader, &machine, &snapshot));
    taken_bytes = 0;
    while (step == LOADER_MORE) {
        cr_assert_leq(loader->at + loader->size, size, "it asks for what is not there");
        cr_assert_leq(loader->size, loader->capacity);
        memcpy(loader->bytes, bytes + loader->at, loader->size);
        step = dgraft_loader_take(loader);
        cr_assert_lt(++tries, 20u);
    }
    return step;
}

static void expect_whole(uint32_t sessions_count, size_t state_bytes)
{
    struct snapshot_loader loader;
    size_t size = 0;
    uint8_t *bytes = make(sessions_count, state_bytes, &size);
    for (uint32_t version = 2; version >= 1; version--) {
        dgraft_put_u32(bytes + 4, version);
        dgraft_put_u64(bytes + AT_STATED, version == 1 ? state_bytes : 0);
        cr_assert_eq(load(&loader, bytes, size), LOADER_DONE);
        cr_assert_eq(loader.state.sessions.count, sessions_count);
        cr_assert_eq(loader.state.members.count, 1u);
        cr_assert_eq(loader.state.front_bytes, size - state_bytes);
        cr_assert(dgraft_machine_load_take(&machine, loader.loading));
        loader.loading = NULL;
        dgraft_loader_end(&loader);
        cr_assert_eq(taken_bytes, state_bytes);
        cr_assert_eq(memcmp(taken, state, state_bytes), 0);
    }
    free(bytes);
}

Test(loader, hands_on_the_state_behind_members_and_sessions_of_any_size)
{
    expect_whole(0, 0);
    expect_whole(3, 1);
    expect_whole(3, SLICE);
    expect_whole(0, sizeof state);
    expect_whole(SESSIONS_MAX, 0); /* they alone take more than is read at once */
    expect_whole(SESSIONS_MAX, 5);
    expect_whole(SESSIONS_MAX, sizeof state);
}

static void expect_refused(const uint8_t *bytes, size_t size, enum dgraft_refusal refusal)
{
    struct snapshot_loader loader;
    cr_assert_eq(load(&loader, bytes, size), LOADER_REFUSED);
    cr_assert_eq(loader.refusal, refusal, "%s", dgraft_refusal_text(loader.refusal));
    dgraft_loader_end(&loader);
}

Test(loader, refuses_what_does_not_hold)
{
    size_t size = 0;
    uint8_t *bytes = make(2, 1000, &size);
    expect_refused(bytes, 31, DGRAFT_REFUSAL_SHORT);
    dgraft_put_u32(bytes + 4, 3);
    expect_refused(bytes, size, DGRAFT_REFUSAL_VERSION);
    dgraft_put_u32(bytes + 4, 0);
    expect_refused(bytes, size, DGRAFT_REFUSAL_VERSION);
    dgraft_put_u32(bytes + 4, 1);
    dgraft_put_u64(bytes + AT_STATED, 999);
    expect_refused(bytes, size, DGRAFT_REFUSAL_LENGTH);
    dgraft_put_u32(bytes + 4, 2);
    expect_refused(bytes, size, DGRAFT_REFUSAL_LENGTH);
    dgraft_put_u64(bytes + AT_STATED, 0);
    const uint32_t sessions = dgraft_get_u32(bytes + 20);
    dgraft_put_u32(bytes + 20, (uint32_t)size);
    expect_refused(bytes, size, DGRAFT_REFUSAL_LENGTH);
    dgraft_put_u32(bytes + 20, sessions);
    bytes[0] ^= 1;
    expect_refused(bytes, size, DGRAFT_REFUSAL_MAGIC);
    free(bytes);
}

Test(loader, takes_no_memory_for_more_sessions_than_there_can_be)
{
    struct snapshot_loader loader;
    size_t size = 0;
    uint8_t *bytes = make(0, sizeof state, &size);
    const struct dgraft_snapshot snapshot = {.position = {INDEX, 2}, .size = UINT64_C(1) << 40};
    dgraft_put_u32(bytes + 20, 0xfffffff8u);
    cr_assert(dgraft_loader_begin(&loader, &machine, &snapshot));
    memcpy(loader.bytes, bytes, loader.size);
    cr_assert_eq(dgraft_loader_take(&loader), LOADER_REFUSED);
    cr_assert_eq(loader.refusal, DGRAFT_REFUSAL_LENGTH);
    cr_assert_leq(loader.capacity, SLICE);
    dgraft_loader_end(&loader);
    free(bytes);
}
