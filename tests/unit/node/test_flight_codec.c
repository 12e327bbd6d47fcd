#include "flight_codec.h"
#include "flight_fields.h"
#include "flight_format.h"

#include <dgraft/flight.h>
#include <dgraft/message_fields.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define KINDS  32u /* more than there are */
#define LIST   5u
#define ROUNDS 200u
#define BEFORE UINT64_C(1000)

static uint64_t draw(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random >> (*random % 61); /* of every length */
}

/* What an event of this test points to. */
struct lists {
    struct dgraft_entry entries[LIST];
    struct dgraft_term_run runs[LIST];
    struct dgraft_damage damage[LIST];
    struct dgraft_membership memberships[LIST];
};

static void fill_lists(struct lists *lists, uint64_t *random)
{
    for (uint32_t i = 0; i < LIST; i++) {
        lists->entries[i] = (struct dgraft_entry){.index = draw(random),
                                                  .term = draw(random),
                                                  .payload_bytes = (uint32_t)draw(random),
                                                  .checksum = (uint32_t)draw(random),
                                                  .kind = (enum dgraft_entry_kind)(1 + draw(random) % 4),
                                                  .reserved = (uint32_t)draw(random)};
        lists->runs[i] = (struct dgraft_term_run){draw(random), draw(random)};
        lists->damage[i] = (struct dgraft_damage){draw(random), draw(random), {draw(random), draw(random)}};
        lists->memberships[i] = (struct dgraft_membership){.index = draw(random),
                                                           .voters = draw(random),
                                                           .outgoing = draw(random),
                                                           .learners = draw(random),
                                                           .promote = draw(random)};
        for (uint32_t place = 0; place < DGRAFT_MEMBERS_MAX; place++) {
            lists->memberships[i].stores[place] = draw(random);
        }
    }
}

/* Draws every number of an event. Returns false when there is no such kind, or no such type of message. */
static bool fill(struct dgraft_event *event, uint32_t kind, uint32_t type, struct lists *lists, uint64_t *random)
{
    const struct flight_layout *layout = dgraft_flight_event_layout((enum dgraft_event_kind)kind);
    uint64_t values[FLIGHT_EVENT_FIELDS_MAX];
    if (layout == NULL) {
        return false;
    }
    memset(event, 0, sizeof *event);
    event->kind = (enum dgraft_event_kind)kind;
    event->now_ns = draw(random);
    for (uint32_t i = 0; i < layout->count; i++) {
        const uint8_t bytes = layout->fields[i].bytes;
        values[i] = bytes == 1 ? draw(random) & 1 : bytes == 4 ? draw(random) & UINT32_MAX : draw(random);
    }
    cr_assert(dgraft_flight_fields_set(layout, values, &event->u));
    fill_lists(lists, random);
    switch (event->kind) {
    case DGRAFT_EVENT_START:
        event->u.start.runs = lists->runs;
        event->u.start.run_count = (uint32_t)(draw(random) % (LIST + 1));
        event->u.start.damage = lists->damage;
        event->u.start.damage_count = (uint32_t)(draw(random) % (LIST + 1));
        return true;
    case DGRAFT_EVENT_PROPOSE:
        event->u.propose.entries = lists->entries;
        event->u.propose.count = 1 + (uint32_t)(draw(random) % LIST);
        event->u.propose.kind = DGRAFT_ENTRY_COMMAND;
        return true;
    case DGRAFT_EVENT_RECEIVE: {
        const uint32_t count = dgraft_message_fields_count(type);
        uint64_t body[DGRAFT_MESSAGE_FIELDS_MAX];
        if (count == UINT32_MAX) {
            return false;
        }
        event->u.receive.type = (enum dgraft_message_type)type;
        /* Small numbers are within every bound but a reason's: 0 in a grant, from 1 on in a refusal. */
        bool set = false;
        for (uint32_t reason = 0; reason < 2 && !set; reason++) {
            for (uint32_t i = 0; i < count; i++) {
                const char *name = dgraft_message_field_name(type, i);
                body[i] = strcmp(name, "verdict") == 0    ? 1 + draw(random) % 4
                          : strcmp(name, "reason") == 0   ? reason
                          : strcmp(name, "transfer") == 0 ? draw(random) & 1
                                                          : 1 + draw(random) % 9;
            }
            set = dgraft_message_fields_set(&event->u.receive, body);
        }
        cr_assert(set, "type %u", type);
        if (type == DGRAFT_MESSAGE_APPEND) {
            event->u.receive.u.append.entries = lists->entries;
            event->u.receive.u.append.count = (uint32_t)(draw(random) % (LIST + 1));
            event->u.receive.u.append.memberships = lists->memberships;
            event->u.receive.u.append.membership_count = (uint32_t)(draw(random) % (LIST + 1));
        } else if (type == DGRAFT_MESSAGE_FETCH_ANSWER) {
            event->u.receive.u.fetch_answer.entries = lists->entries;
            event->u.receive.u.fetch_answer.count = (uint32_t)(draw(random) % (LIST + 1));
        }
        return true;
    }
    case DGRAFT_EVENT_WAKE:
    case DGRAFT_EVENT_READ:
    case DGRAFT_EVENT_DURABLE:
    case DGRAFT_EVENT_APPLIED:
    case DGRAFT_EVENT_SENT:
    case DGRAFT_EVENT_TERM:
    case DGRAFT_EVENT_POISONED:
    case DGRAFT_EVENT_DAMAGED:
    case DGRAFT_EVENT_CHANGE:
    case DGRAFT_EVENT_TRANSFER:
    case DGRAFT_EVENT_SNAPSHOT:
    case DGRAFT_EVENT_SNAPSHOT_RECEIVED:
    case DGRAFT_EVENT_SNAPSHOT_STORED:
    case DGRAFT_EVENT_DISK:
        return true;
    }
    return false;
}

struct numbers {
    uint64_t values[FLIGHT_EVENT_FIELDS_MAX];
    uint32_t count;
};

static void collect(void *context, const char *name, uint64_t value)
{
    struct numbers *numbers = context;
    cr_assert(name != NULL && numbers->count < FLIGHT_EVENT_FIELDS_MAX);
    numbers->values[numbers->count++] = value;
}

static struct numbers numbers_of(const struct dgraft_event *event)
{
    struct numbers numbers = {.count = 0};
    const struct dgraft_flight_field_visitor visitor = {&numbers, collect};
    dgraft_flight_event_fields(event, &visitor);
    return numbers;
}

static void assert_same_lists(const struct dgraft_event *a, const struct dgraft_event *b)
{
    if (a->kind == DGRAFT_EVENT_START) {
        const struct dgraft_event_start *x = &a->u.start;
        const struct dgraft_event_start *y = &b->u.start;
        cr_assert(x->run_count == 0 || memcmp(x->runs, y->runs, x->run_count * sizeof x->runs[0]) == 0);
        cr_assert(x->damage_count == 0 || memcmp(x->damage, y->damage, x->damage_count * sizeof x->damage[0]) == 0);
    } else if (a->kind == DGRAFT_EVENT_PROPOSE) {
        cr_assert(memcmp(a->u.propose.entries, b->u.propose.entries,
                         a->u.propose.count * sizeof a->u.propose.entries[0]) == 0);
    } else if (a->kind == DGRAFT_EVENT_RECEIVE && a->u.receive.type == DGRAFT_MESSAGE_FETCH_ANSWER) {
        const struct dgraft_fetch_answer *x = &a->u.receive.u.fetch_answer;
        cr_assert(x->count == 0 ||
                  memcmp(x->entries, b->u.receive.u.fetch_answer.entries, x->count * sizeof x->entries[0]) == 0);
    } else if (a->kind == DGRAFT_EVENT_RECEIVE && a->u.receive.type == DGRAFT_MESSAGE_APPEND) {
        const struct dgraft_append *x = &a->u.receive.u.append;
        const struct dgraft_append *y = &b->u.receive.u.append;
        cr_assert(x->count == 0 || memcmp(x->entries, y->entries, x->count * sizeof x->entries[0]) == 0);
        cr_assert_eq(x->membership_count, y->membership_count);
        cr_assert(x->membership_count == 0 ||
                  memcmp(x->memberships, y->memberships, x->membership_count * sizeof x->memberships[0]) == 0);
    }
}

static void round_trip(const struct dgraft_event *event)
{
    uint8_t bytes[4096];
    uint8_t again[4096];
    struct flight_decoded decoded = {.array = {NULL, 0}};
    const size_t size = dgraft_flight_encode(event, BEFORE, bytes, sizeof bytes);
    cr_assert(size > 0);
    cr_assert_eq(dgraft_flight_decode(bytes, size, BEFORE, &decoded), DGRAFT_OK, "%s",
                 dgraft_flight_event_name(event->kind));
    cr_assert_eq(decoded.event.kind, event->kind);
    cr_assert_eq(decoded.event.now_ns, event->now_ns);
    const struct numbers before = numbers_of(event);
    const struct numbers after = numbers_of(&decoded.event);
    cr_assert(before.count == after.count && memcmp(before.values, after.values, before.count * sizeof(uint64_t)) == 0);
    assert_same_lists(event, &decoded.event);
    cr_assert_eq(dgraft_flight_encode(&decoded.event, BEFORE, again, sizeof again), size);
    cr_assert(memcmp(bytes, again, size) == 0);
    for (size_t cut = 0; cut < size; cut++) {
        cr_assert_eq(dgraft_flight_decode(bytes, cut, BEFORE, &decoded), DGRAFT_STATUS_DAMAGED);
        cr_assert_eq(dgraft_flight_encode(event, BEFORE, again, cut), 0);
    }
    dgraft_flight_decoded_free(&decoded);
}

Test(flight_codec, every_kind_of_event_and_message_survives)
{
    uint64_t random = 4711;
    struct dgraft_event event;
    struct lists lists;
    uint32_t kinds = 0;
    uint32_t types = 0;
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        uint32_t found = 0;
        for (uint32_t type = 0; type < 32; type++) {
            for (uint32_t round = 0; round < ROUNDS && fill(&event, kind, type, &lists, &random); round++) {
                round_trip(&event);
                found |= round == 0;
                types += round == 0 && kind == DGRAFT_EVENT_RECEIVE;
            }
            if (kind != DGRAFT_EVENT_RECEIVE) {
                break;
            }
        }
        kinds += found;
    }
    cr_assert(kinds == 17, "%u", kinds);
    cr_assert(types == 16, "%u", types);
}

Test(flight_codec, every_number_of_an_action_counts_in_the_hash)
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    struct dgraft_actions *actions = dgraft_actions_init(calloc(1, dgraft_actions_size(&config)), &config);
    actions->count = 1;
    uint32_t kinds = 0;
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        const struct flight_layout *layout = dgraft_flight_action_layout((enum dgraft_action_kind)kind);
        kinds += layout != NULL;
        for (uint32_t i = 0; layout != NULL && i < layout->count; i++) {
            uint64_t values[FLIGHT_ACTION_FIELDS_MAX] = {0};
            struct dgraft_action *action = &actions->items[0];
            memset(action, 0, sizeof *action);
            action->kind = (enum dgraft_action_kind)kind;
            const uint64_t before = dgraft_flight_hash_actions(0, DGRAFT_OK, actions);
            values[i] = 1;
            cr_assert(dgraft_flight_fields_set(layout, values, &action->u));
            cr_assert_neq(dgraft_flight_hash_actions(0, DGRAFT_OK, actions), before, "%s.%s", layout->name,
                          layout->fields[i].name);
        }
    }
    cr_assert_eq(kinds, 13);
    cr_assert_neq(dgraft_flight_hash_actions(0, DGRAFT_OK, actions), dgraft_flight_hash_actions(1, DGRAFT_OK, actions));
    free(actions);
}

Test(flight_codec, any_bytes_are_an_event_or_refused)
{
    uint64_t random = 99;
    struct flight_decoded decoded = {.array = {NULL, 0}};
    uint32_t accepted = 0;
    for (uint32_t round = 0; round < 300000; round++) {
        uint8_t bytes[24];
        const size_t size = 1 + draw(&random) % sizeof bytes;
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)draw(&random);
        }
        bytes[0] %= 19;
        accepted += dgraft_flight_decode(bytes, size, BEFORE, &decoded) == DGRAFT_OK;
    }
    cr_assert(accepted > 100, "%u", accepted);
    dgraft_flight_decoded_free(&decoded);
}

Test(flight_codec, a_count_beyond_the_bytes_is_refused_before_memory_is_asked_for)
{
    uint8_t bytes[64];
    struct flight_decoded decoded = {.array = {NULL, 0}};
    const struct dgraft_event event = {.kind = DGRAFT_EVENT_PROPOSE, .u.propose = {.count = 0, .kind = 1, .id = 3}};
    const size_t size = dgraft_flight_encode(&event, 0, bytes, sizeof bytes);
    cr_assert(size == 5 && bytes[2] == 0);
    bytes[2] = 0x7f;
    cr_assert_eq(dgraft_flight_decode(bytes, size, 0, &decoded), DGRAFT_STATUS_DAMAGED);
    cr_assert(decoded.array.items == NULL);
}

Test(flight_codec, an_image_gives_back_the_block_and_is_never_much_larger)
{
    enum { WORDS = 1000, BYTES = WORDS * 8 };
    static uint64_t block[WORDS];
    static uint64_t again[WORDS];
    static uint8_t image[BYTES + 64];
    uint64_t random = 7;
    for (uint32_t round = 0; round < 300; round++) {
        const uint64_t zeros = draw(&random) % 11; /* tenths */
        for (uint32_t i = 0; i < WORDS; i++) {
            block[i] = draw(&random) % 10 < zeros ? 0 : draw(&random);
        }
        const size_t size = dgraft_flight_image_encode(block, BYTES, image, flight_image_bytes_max(BYTES));
        cr_assert(size > 0);
        cr_assert(dgraft_flight_image_decode(image, size, again, BYTES));
        cr_assert(memcmp(block, again, BYTES) == 0);
        cr_assert(!dgraft_flight_image_decode(image, size - 1, again, BYTES));
        cr_assert(!dgraft_flight_image_decode(image, size + 1, again, BYTES));
        cr_assert(!dgraft_flight_image_decode(image, size, again, BYTES - 8));
        for (uint32_t flips = 0; flips < 50; flips++) {
            const size_t at = draw(&random) % size;
            image[at] ^= (uint8_t)(1u << flips % 8);
            (void)dgraft_flight_image_decode(image, size, again, BYTES);
        }
    }
}
