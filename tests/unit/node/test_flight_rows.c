/* A member of an event, an action, a message or a config that has no row in the codec's tables would be lost in a
 * record, and a replay would say "different", or worse, "equal". So all bytes of a struct that are not padding are set;
 * those of each row are cleared; what is left has no row.
 */
#include "flight_codec.h"
#include "flight_fields.h"

#include <dgraft/message_fields.h>

#include <criterion/criterion.h>
#include <string.h>

/* gcc knows where the padding is; clang 14 does not, and then there is nothing to test with. */
#ifdef __has_builtin
#if __has_builtin(__builtin_clear_padding)
#define FILL(part)                                                                                                     \
    do {                                                                                                               \
        memset(&(part), 0xff, sizeof(part));                                                                           \
        __builtin_clear_padding(&(part));                                                                              \
    } while (0)
#endif
#endif

#ifdef FILL

static void clear_rows(const struct flight_layout *layout, void *part)
{
    for (uint32_t i = 0; i < layout->count; i++) {
        memset((char *)part + layout->fields[i].offset, 0, layout->fields[i].bytes);
    }
}

static void assert_nothing_left(const char *name, const void *part, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        cr_assert(((const unsigned char *)part)[i] == 0, "%s: the member at byte %zu has no row", name, i);
    }
}

static void check_event(enum dgraft_event_kind kind, void *part, size_t bytes)
{
    const struct flight_layout *layout = dgraft_flight_event_layout(kind);
    clear_rows(layout, part);
    assert_nothing_left(layout->name, part, bytes);
}

static void check_action(enum dgraft_action_kind kind, void *part, size_t bytes)
{
    const struct flight_layout *layout = dgraft_flight_action_layout(kind);
    clear_rows(layout, part);
    assert_nothing_left(layout->name, part, bytes);
}

/* No default: a new kind wants its line. */
static void check_kind_of_event(enum dgraft_event_kind kind)
{
    struct dgraft_event event;
    switch (kind) {
    case DGRAFT_EVENT_WAKE:
    case DGRAFT_EVENT_POISONED:
    case DGRAFT_EVENT_DAMAGED:
        return; /* nothing but their kind and time */
    case DGRAFT_EVENT_START:
        FILL(event.u.start);
        event.u.start.runs = NULL; /* as the codec's own */
        event.u.start.damage = NULL;
        check_event(kind, &event.u.start, sizeof event.u.start);
        return;
    case DGRAFT_EVENT_RECEIVE:
        memset(&event.u.receive, 0xff, sizeof event.u.receive); /* no padding before the body */
        event.u.receive.reserved = 0;
        check_event(kind, &event.u.receive, offsetof(struct dgraft_message, u));
        return;
    case DGRAFT_EVENT_PROPOSE:
        FILL(event.u.propose);
        event.u.propose.entries = NULL;
        check_event(kind, &event.u.propose, sizeof event.u.propose);
        return;
#define CASE(name, member)                                                                                             \
    case DGRAFT_EVENT_##name:                                                                                          \
        FILL(event.u.member);                                                                                          \
        check_event(kind, &event.u.member, sizeof event.u.member);                                                     \
        return;
        CASE(READ, read)
        CASE(DURABLE, durable)
        CASE(APPLIED, applied)
        CASE(SENT, sent)
        CASE(TERM, term)
        CASE(CHANGE, change)
        CASE(TRANSFER, transfer)
        CASE(SNAPSHOT, snapshot)
        CASE(SNAPSHOT_RECEIVED, snapshot_received)
        CASE(SNAPSHOT_STORED, snapshot_stored)
        CASE(DISK, disk)
#undef CASE
    }
}

static void check_kind_of_action(enum dgraft_action_kind kind)
{
    struct dgraft_action action;
    switch (kind) {
    case DGRAFT_ACTION_SEND:
        memset(&action.u.send, 0xff, sizeof action.u.send);
        memset(&action.u.send.message.u, 0, sizeof action.u.send.message.u); /* of the message's own table */
        action.u.send.message.reserved = 0;
        check_action(kind, &action.u.send, sizeof action.u.send);
        return;
    case DGRAFT_ACTION_REOPEN:
        return; /* nothing but its kind */
#define CASE(name, member)                                                                                             \
    case DGRAFT_ACTION_##name:                                                                                         \
        FILL(action.u.member);                                                                                         \
        check_action(kind, &action.u.member, sizeof action.u.member);                                                  \
        return;
        CASE(WRITE, write)
        CASE(APPLY, apply)
        CASE(ACCEPTED, accepted)
        CASE(OUTCOME, outcome)
        CASE(READ_READY, read_ready)
        CASE(LOOKUP, lookup)
        CASE(NOTICE, notice)
        CASE(SNAPSHOT_STORE, snapshot_store)
        CASE(INSTALL, install)
        CASE(COMPACT, compact)
        CASE(MEND, mend)
#undef CASE
    }
}

/* Fills in the body of this type; what is no number of its own is left out. */
static void fill_body(struct dgraft_message *message)
{
    switch (message->type) {
    case DGRAFT_MESSAGE_PRE_VOTE_REQUEST:
    case DGRAFT_MESSAGE_VOTE_REQUEST:
        FILL(message->u.vote_request);
        return;
    case DGRAFT_MESSAGE_PRE_VOTE_GRANT:
    case DGRAFT_MESSAGE_PRE_VOTE_REFUSE:
    case DGRAFT_MESSAGE_VOTE_GRANT:
    case DGRAFT_MESSAGE_VOTE_REFUSE:
        FILL(message->u.vote_reply);
        return;
    case DGRAFT_MESSAGE_APPEND:
        FILL(message->u.append);
        message->u.append.entries = NULL; /* the codec's own */
        message->u.append.memberships = NULL;
        message->u.append.membership_count = 0;
        return;
    case DGRAFT_MESSAGE_FETCH_ANSWER:
        FILL(message->u.fetch_answer);
        message->u.fetch_answer.entries = NULL;
        return;
    case DGRAFT_MESSAGE_SNAPSHOT_CHUNK:
        FILL(message->u.snapshot_chunk);
        message->u.snapshot_chunk.reserved = 0;
        return;
#define CASE(name, member)                                                                                             \
    case DGRAFT_MESSAGE_##name:                                                                                        \
        FILL(message->u.member);                                                                                       \
        return;
        CASE(APPEND_ACK, append_ack)
        CASE(APPEND_REFUSE, append_refuse)
        CASE(TIMEOUT_NOW, timeout_now)
        CASE(SNAPSHOT_ACK, snapshot_ack)
        CASE(FETCH, fetch)
        CASE(READ_REQUEST, read_request)
        CASE(READ_ANSWER, read_answer)
#undef CASE
    }
}

/* Makes every number of a body the least that its row allows, which is 0 or 1. */
static void clear_body(struct dgraft_message *message)
{
    uint64_t values[DGRAFT_MESSAGE_FIELDS_MAX];
    const uint32_t count = dgraft_message_fields_count(message->type);
    for (uint32_t bits = 0; bits < 1u << count; bits++) {
        for (uint32_t i = 0; i < count; i++) {
            values[i] = bits >> i & 1;
        }
        if (dgraft_message_fields_set(message, values)) {
            return;
        }
    }
    cr_assert_fail("no small numbers will do for a message of type %u", message->type);
}

Test(flight_rows, every_member_of_an_event_has_one)
{
    for (uint32_t kind = 1; kind < 32; kind++) {
        if (dgraft_flight_event_layout((enum dgraft_event_kind)kind) != NULL) {
            check_kind_of_event((enum dgraft_event_kind)kind);
        }
    }
}

Test(flight_rows, every_member_of_an_action_has_one)
{
    for (uint32_t kind = 1; kind < 32; kind++) {
        if (dgraft_flight_action_layout((enum dgraft_action_kind)kind) != NULL) {
            check_kind_of_action((enum dgraft_action_kind)kind);
        }
    }
}

Test(flight_rows, every_member_of_a_message_has_one)
{
    uint32_t types = 0;
    for (uint32_t type = 1; type < 32; type++) {
        struct dgraft_message message;
        if (dgraft_message_fields_count(type) == UINT32_MAX) {
            continue;
        }
        memset(&message, 0, sizeof message);
        message.type = (enum dgraft_message_type)type;
        fill_body(&message);
        clear_body(&message);
        for (size_t i = 0; i < sizeof message.u; i++) {
            const unsigned char byte = ((const unsigned char *)&message.u)[i];
            cr_assert(byte <= 1, "type %u: the member at byte %zu has no row", type, i);
        }
        types++;
    }
    cr_assert_eq(types, 16);
}

Test(flight_rows, every_member_of_a_config_or_a_membership_has_one)
{
    struct dgraft_config config;
    struct dgraft_membership membership;
    FILL(config);
    config.reserved = 0;
    clear_rows(dgraft_flight_config_layout(), &config);
    assert_nothing_left("config", &config, sizeof config);
    FILL(membership);
    clear_rows(dgraft_flight_membership_layout(), &membership);
    assert_nothing_left("membership", &membership, sizeof membership);
}

/* They have no rows: the codec names their members itself. */
static void encode_and_decode(const struct dgraft_event *event, struct flight_decoded *out)
{
    uint8_t bytes[512];
    const size_t size = dgraft_flight_encode(event, 0, bytes, sizeof bytes);
    cr_assert(size > 0);
    cr_assert_eq(dgraft_flight_decode(bytes, size, 0, out), DGRAFT_OK);
}

Test(flight_rows, every_member_of_an_entry_a_run_and_a_damage_comes_back)
{
    struct flight_decoded decoded = {.array = {NULL, 0}};
    struct dgraft_event event = {.kind = DGRAFT_EVENT_PROPOSE};
    struct dgraft_entry entry;
    FILL(entry);
    entry.kind = DGRAFT_ENTRY_SESSION;
    event.u.propose = (struct dgraft_event_propose){.entries = &entry, .count = 1, .kind = DGRAFT_ENTRY_SESSION};
    encode_and_decode(&event, &decoded);
    cr_assert_eq(memcmp(decoded.event.u.propose.entries, &entry, sizeof entry), 0);

    struct dgraft_term_run run;
    struct dgraft_damage damage;
    FILL(run);
    FILL(damage);
    event = (struct dgraft_event){.kind = DGRAFT_EVENT_START};
    event.u.start.runs = &run;
    event.u.start.run_count = 1;
    event.u.start.damage = &damage;
    event.u.start.damage_count = 1;
    encode_and_decode(&event, &decoded);
    cr_assert_eq(memcmp(decoded.event.u.start.runs, &run, sizeof run), 0);
    cr_assert_eq(memcmp(decoded.event.u.start.damage, &damage, sizeof damage), 0);
    dgraft_flight_decoded_free(&decoded);
}

/* It is compared and hashed as bytes, as part of a core's block. */
Test(flight_rows, a_config_has_no_padding)
{
    struct dgraft_config config;
    FILL(config);
    for (size_t i = 0; i < sizeof config; i++) {
        cr_assert(((const unsigned char *)&config)[i] != 0, "byte %zu is padding", i);
    }
}

#endif
