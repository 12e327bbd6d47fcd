/* A core that does what hosts seldom make it do - snapshots sent and installed, a disk short of room or broken, terms
 * that it has forgotten, leases - is recorded and replayed like any other. Each test says what its record must have in
 * it.
 */
#include "flight_pilot.h"

#include <criterion/criterion.h>

#define FILE_BYTES (1024u * 1024)
#define BIT(kind)  (UINT64_C(1) << (kind))
#define MS         UINT64_C(1000000)

/* A leader's snapshot that node 1 receives, of entries that it does not have. */
static const struct dgraft_snapshot far_ahead = {.position = {40, 2}, .size = 100, .digest = 4711};

/* What a record had in it: bit (kind) for each. */
struct seen {
    uint64_t events;
    uint64_t actions;
    uint64_t sent;
    uint64_t notices;
    uint64_t outcomes;
    uint64_t leases; /* reads that were ready under one */
};

static void look(void *context, uint64_t number, const struct dgraft_event *event, const struct dgraft_actions *actions)
{
    struct seen *seen = context;
    (void)number;
    seen->events |= BIT(event->kind);
    for (uint32_t i = 0; i < actions->count; i++) {
        const struct dgraft_action *action = &actions->items[i];
        seen->actions |= BIT(action->kind);
        seen->sent |= action->kind == DGRAFT_ACTION_SEND ? BIT(action->u.send.message.type) : 0;
        seen->notices |= action->kind == DGRAFT_ACTION_NOTICE ? BIT(action->u.notice.kind) : 0;
        seen->outcomes |= action->kind == DGRAFT_ACTION_OUTCOME ? BIT(action->u.outcome.outcome) : 0;
        seen->leases += action->kind == DGRAFT_ACTION_READ_READY && action->u.read_ready.lease_until_ns != 0;
    }
}

/* Ends the record and replays it: the state must be the core's, byte by byte. */
static struct seen replay(struct pilot *pilot)
{
    struct dgraft_flight_summary summary;
    struct seen seen = {.events = 0};
    struct dgraft_why why = {""};
    const struct dgraft_flight_visitor visitor = {.context = &seen, .stepped = look};
    pilot_land(pilot);
    cr_assert_eq(dgraft_flight_replay(memory_fs_seam(pilot->memory), PILOT_PATH, UINT64_MAX, &visitor, &summary, &why),
                 DGRAFT_OK, "%s", why.text);
    cr_assert_eq(summary.end, DGRAFT_FLIGHT_END, "%s", summary.text);
    cr_assert_eq(summary.events, pilot->events);
    cr_assert_eq(summary.notes + summary.damages, 0);
    cr_assert(summary.has_state && summary.state_hash == pilot_hash(pilot));
    pilot_free(pilot);
    return seen;
}

static struct dgraft_core_status status_of(const struct pilot *pilot)
{
    struct dgraft_core_status status;
    dgraft_core_status(pilot->core, &status);
    return status;
}

static struct dgraft_event message(enum dgraft_message_type type, dgraft_node_id from, dgraft_term term)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_RECEIVE};
    event.u.receive.type = type;
    event.u.receive.from = from;
    event.u.receive.term = term;
    return event;
}

/* The host has made a snapshot of all that is applied. */
static struct dgraft_snapshot make_snapshot(struct pilot *pilot)
{
    const struct dgraft_core_status status = status_of(pilot);
    const struct dgraft_snapshot snapshot = {.position = {status.applied, status.term}, .size = 200, .digest = 4711};
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT};
    cr_assert_eq(status.applied, status.last.index);
    event.u.snapshot.snapshot = snapshot;
    pilot_step(pilot, event);
    return snapshot;
}

/* Somebody heard of a newer term, and this node leads again: what its followers have is to be found out anew. */
static void lead_again(struct pilot *pilot)
{
    pilot_step(pilot, message(DGRAFT_MESSAGE_APPEND_ACK, 2, status_of(pilot).term + 1));
    pilot_durable(pilot);
    pilot_elect(pilot);
}

/* Node 3 has none of what the leader asked for, and says where its log ends. */
static void refuse(struct pilot *pilot, dgraft_index prev, struct dgraft_position hint)
{
    const struct dgraft_core_status status = status_of(pilot);
    struct dgraft_event event = message(DGRAFT_MESSAGE_APPEND_REFUSE, 3, status.term);
    event.u.receive.u.append_refuse = (struct dgraft_append_refuse){
        .prev = prev, .hint = hint, .round = status.round, .reason = DGRAFT_REFUSE_MISMATCH};
    pilot_step(pilot, event);
}

Test(flight_core, a_leader_that_compacts_and_sends_a_snapshot)
{
    struct pilot pilot = {.write_every = 7};
    pilot_open(&pilot, 1, FILE_BYTES);
    pilot_lead(&pilot);
    pilot_work(&pilot, 50);
    const struct dgraft_snapshot snapshot = make_snapshot(&pilot);
    lead_again(&pilot);
    refuse(&pilot, snapshot.position.index, (struct dgraft_position){0, 0});
    for (uint64_t offset = 60; offset <= 240; offset += 60) {
        struct dgraft_event event = message(DGRAFT_MESSAGE_SNAPSHOT_ACK, 3, status_of(&pilot).term);
        event.u.receive.u.snapshot_ack = (struct dgraft_snapshot_ack){
            .snapshot = snapshot, .offset = offset < 200 ? offset : 200, .round = status_of(&pilot).round};
        pilot_step(&pilot, event);
    }
    pilot_acknowledge(&pilot);
    pilot_apply(&pilot);
    pilot_work(&pilot, 10);
    const struct seen seen = replay(&pilot);
    cr_assert(seen.actions & BIT(DGRAFT_ACTION_COMPACT));
    cr_assert(seen.sent & BIT(DGRAFT_MESSAGE_SNAPSHOT_CHUNK));
}

static void chunk(struct pilot *pilot, uint64_t offset, uint32_t bytes)
{
    struct dgraft_event event = message(DGRAFT_MESSAGE_SNAPSHOT_CHUNK, 3, 5);
    event.u.receive.u.snapshot_chunk =
        (struct dgraft_snapshot_chunk){.snapshot = far_ahead, .offset = offset, .round = 9, .bytes = bytes};
    pilot_step(pilot, event);
    pilot_durable(pilot);
}

static void stored(struct pilot *pilot, uint64_t offset)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT_STORED};
    event.u.snapshot_stored = (struct dgraft_event_snapshot_stored){.snapshot = far_ahead, .offset = offset};
    pilot_step(pilot, event);
}

Test(flight_core, a_follower_whose_log_gives_way_to_a_snapshot)
{
    struct pilot pilot = {.write_every = 1};
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT_RECEIVED};
    pilot_open(&pilot, 1, FILE_BYTES);
    pilot_start(&pilot);
    chunk(&pilot, 0, 60);
    stored(&pilot, 60);
    chunk(&pilot, 60, 40);
    stored(&pilot, 100);
    event.u.snapshot_received = (struct dgraft_event_snapshot_received){
        .snapshot = far_ahead, .membership = {.index = 30, .voters = 0x0f, .stores = {1, 2, 3, 4}}};
    pilot_step(&pilot, event);
    pilot_durable(&pilot);
    cr_assert_eq(status_of(&pilot).last.index, 40);
    const struct seen seen = replay(&pilot);
    cr_assert(seen.events & BIT(DGRAFT_EVENT_SNAPSHOT_STORED));
    cr_assert(seen.actions & BIT(DGRAFT_ACTION_SNAPSHOT_STORE));
    cr_assert(seen.actions & BIT(DGRAFT_ACTION_INSTALL));
    cr_assert(seen.sent & BIT(DGRAFT_MESSAGE_SNAPSHOT_ACK));
    cr_assert(seen.sent & BIT(DGRAFT_MESSAGE_APPEND_ACK));
    cr_assert(seen.notices & BIT(DGRAFT_NOTICE_MEMBERSHIP));
}

Test(flight_core, a_leader_that_asks_for_a_term_which_it_has_forgotten)
{
    static const struct dgraft_term_run newest = {.first = 91, .term = 20};
    struct pilot pilot = {.write_every = 7};
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START};
    pilot_open(&pilot, 1, FILE_BYTES);
    event.u.start = (struct dgraft_event_start){.term = 20,
                                                .last = {100, 20},
                                                .floor = {100, 20},
                                                .commit = 100,
                                                .applied = 100,
                                                .runs = &newest,
                                                .run_count = 1,
                                                .membership = {.index = 1, .voters = 7}};
    pilot_step(&pilot, event);
    pilot_elect(&pilot);
    refuse(&pilot, 100, (struct dgraft_position){50, 10});
    event = (struct dgraft_event){.kind = DGRAFT_EVENT_TERM};
    event.u.term.position = (struct dgraft_position){50, 10};
    pilot_step(&pilot, event);
    const struct seen seen = replay(&pilot);
    cr_assert(seen.actions & BIT(DGRAFT_ACTION_LOOKUP));
    cr_assert(seen.events & BIT(DGRAFT_EVENT_TERM));
}

Test(flight_core, a_leader_whose_disk_is_short_of_room_and_then_fails)
{
    struct pilot pilot = {.write_every = 7};
    struct dgraft_event event = {.kind = DGRAFT_EVENT_DISK};
    pilot_open(&pilot, 1, FILE_BYTES);
    pilot_lead(&pilot);
    pilot_work(&pilot, 10);
    event.u.disk.full = true;
    pilot_step(&pilot, event);
    event.u.disk.full = false;
    pilot_step(&pilot, event);
    pilot_step(&pilot, (struct dgraft_event){.kind = DGRAFT_EVENT_POISONED});
    event = (struct dgraft_event){.kind = DGRAFT_EVENT_READ};
    event.u.read.id = 12;
    pilot_step(&pilot, event);
    const struct seen seen = replay(&pilot);
    cr_assert(seen.sent & BIT(DGRAFT_MESSAGE_TIMEOUT_NOW));
    cr_assert(seen.notices & BIT(DGRAFT_NOTICE_DISK));
    cr_assert(seen.outcomes & BIT(DGRAFT_OUTCOME_DISK));
}

Test(flight_core, a_leader_that_answers_under_a_lease_and_tells_who_lags)
{
    struct pilot pilot = {.write_every = 7, .lease_drift_ppm = 1000};
    struct dgraft_event event = {.kind = DGRAFT_EVENT_READ};
    pilot_open(&pilot, 1, FILE_BYTES);
    pilot_lead(&pilot);
    pilot_work(&pilot, 50);
    event.u.read.id = 11;
    pilot_step(&pilot, event);
    const dgraft_index last = status_of(&pilot).last.index;
    lead_again(&pilot);
    refuse(&pilot, last, (struct dgraft_position){20, 2});
    pilot.now_ns += 100 * MS;
    pilot_step(&pilot, (struct dgraft_event){.kind = DGRAFT_EVENT_WAKE});
    pilot_acknowledge(&pilot);
    pilot.now_ns += 100 * MS;
    pilot_step(&pilot, (struct dgraft_event){.kind = DGRAFT_EVENT_WAKE});
    const struct seen seen = replay(&pilot);
    cr_assert_eq(seen.leases, 1);
    cr_assert(seen.notices & BIT(DGRAFT_NOTICE_PEER_LAG));
}

Test(flight_core, a_peer_with_another_store_than_is_written_down)
{
    struct pilot pilot = {.write_every = 7};
    static const struct dgraft_term_run run = {.first = 1, .term = 1};
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START};
    pilot_open(&pilot, 1, FILE_BYTES);
    event.u.start = (struct dgraft_event_start){.term = 1,
                                                .store = 21,
                                                .last = {1, 1},
                                                .floor = {1, 1},
                                                .commit = 1,
                                                .applied = 1,
                                                .runs = &run,
                                                .run_count = 1,
                                                .membership = {.index = 1, .voters = 7, .stores = {21, 22, 23}}};
    pilot_step(&pilot, event);
    event = message(DGRAFT_MESSAGE_APPEND_ACK, 3, 1);
    event.u.receive.store = 99;
    pilot_step(&pilot, event);
    const struct seen seen = replay(&pilot);
    cr_assert(seen.notices & BIT(DGRAFT_NOTICE_FOREIGN_STORE));
}
