#include "flight_pilot.h"

#include "flight_format.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define MS       UINT64_C(1000000)
#define GROUP    10u
#define SELF     1u
#define STORE    UINT64_C(0xabcdef)
#define OTHERS   UINT64_C(6) /* nodes 2 and 3 */
#define IN_RANGE 3u

static void make_core(struct pilot *pilot, dgraft_node_id id)
{
    dgraft_config_defaults(&pilot->config, id);
    pilot->config.runs_max = 8;
    pilot->config.inflight_max = 8;
    pilot->config.compact_tail = 4;
    pilot->config.compact_slow_max = 8;
    pilot->config.snapshot_chunk_bytes = 60;
    pilot->config.lag_notice_entries = 20;
    pilot->config.lease_drift_ppm = pilot->lease_drift_ppm;
    pilot->core = dgraft_core_init(calloc(1, dgraft_core_size(&pilot->config)), &pilot->config);
    pilot->actions = dgraft_actions_init(calloc(1, dgraft_actions_size(&pilot->config)), &pilot->config);
    pilot->seq = 0;
}

static void open_record(struct pilot *pilot, uint64_t bytes)
{
    struct dgraft_why why = {""};
    const struct dgraft_flight_options options = {
        .fs = memory_fs_seam(pilot->memory), .path = PILOT_PATH, .bytes = bytes, .cluster = 77, .wall_clock_ns = 5};
    const enum dgraft_status status = dgraft_flight_open(&options, &pilot->config, &pilot->flight, &why);
    cr_assert_eq(status, DGRAFT_OK, "%s", why.text);
}

void pilot_open(struct pilot *pilot, dgraft_node_id id, uint64_t bytes)
{
    if (pilot->memory == NULL) {
        pilot->memory = memory_fs_new();
        memory_fs_put(pilot->memory, "node", "node/lock", NULL, 0);
    }
    pilot->now_ns = 1000 * MS;
    make_core(pilot, id);
    open_record(pilot, bytes);
}

void pilot_open_again(struct pilot *pilot, uint64_t bytes)
{
    const dgraft_node_id id = pilot->config.self;
    free(pilot->core);
    free(pilot->actions);
    make_core(pilot, id);
    open_record(pilot, bytes);
}

void pilot_step(struct pilot *pilot, struct dgraft_event event)
{
    event.now_ns = pilot->now_ns;
    pilot->events++;
    if (pilot->flight != NULL) {
        dgraft_flight_event(pilot->flight, pilot->core, &event);
    }
    const enum dgraft_status status = dgraft_step(pilot->core, &event, pilot->actions);
    cr_assert_eq(status, DGRAFT_OK, "%s: %s", dgraft_flight_event_name(event.kind), dgraft_status_name(status));
    for (uint32_t i = 0; i < pilot->actions->count; i++) {
        const struct dgraft_action *action = &pilot->actions->items[i];
        if (action->kind == DGRAFT_ACTION_WRITE || action->kind == DGRAFT_ACTION_INSTALL) {
            pilot->seq = action->kind == DGRAFT_ACTION_WRITE ? action->u.write.seq : action->u.install.seq;
        }
    }
    if (pilot->flight == NULL) {
        return;
    }
    if (pilot->events == pilot->falsify) {
        pilot->actions->wake_at_ns++;
    }
    dgraft_flight_actions(pilot->flight, pilot->core, status, pilot->actions);
    if (pilot->write_every != 0 && pilot->events % pilot->write_every == 0) {
        dgraft_flight_write(pilot->flight);
    }
}

void pilot_start(struct pilot *pilot)
{
    static const struct dgraft_term_run run = {.first = 1, .term = 1};
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START};
    event.u.start = (struct dgraft_event_start){.term = 1,
                                                .store = STORE,
                                                .last = {1, 1},
                                                .floor = {1, 1},
                                                .commit = 1,
                                                .applied = 1,
                                                .runs = &run,
                                                .run_count = 1,
                                                .membership = {.index = 1, .voters = OTHERS | SELF}};
    pilot_step(pilot, event);
}

void pilot_durable(struct pilot *pilot)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_DURABLE};
    event.u.durable.seq = pilot->seq;
    pilot_step(pilot, event);
}

static void granted(struct pilot *pilot, enum dgraft_message_type type, dgraft_term frame_term, dgraft_term term)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_RECEIVE};
    event.u.receive.type = type;
    event.u.receive.from = 2;
    event.u.receive.term = frame_term;
    event.u.receive.u.vote_reply.term = term;
    pilot_step(pilot, event);
}

/* Says for every SEND of entries among the actions that all of it went out. */
static void sent_all(struct pilot *pilot)
{
    struct dgraft_event events[32];
    uint32_t count = 0;
    for (uint32_t i = 0; i < pilot->actions->count && count < 32; i++) {
        const struct dgraft_action_send *send = &pilot->actions->items[i].u.send;
        if (pilot->actions->items[i].kind == DGRAFT_ACTION_SEND && send->message.type == DGRAFT_MESSAGE_APPEND &&
            send->last.index > send->message.u.append.prev.index) {
            struct dgraft_event *event = &events[count++];
            *event = (struct dgraft_event){.kind = DGRAFT_EVENT_SENT};
            event->u.sent = (struct dgraft_event_sent){.receivers = send->receivers,
                                                       .term = send->message.term,
                                                       .prev = send->message.u.append.prev.index,
                                                       .last = send->last.index,
                                                       .bytes = 100};
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        pilot_step(pilot, events[i]);
        sent_all(pilot);
    }
}

void pilot_acknowledge(struct pilot *pilot)
{
    struct dgraft_core_status status;
    dgraft_core_status(pilot->core, &status);
    for (dgraft_node_id from = 2; from <= IN_RANGE; from++) {
        struct dgraft_event event = {.kind = DGRAFT_EVENT_RECEIVE};
        event.u.receive.type = DGRAFT_MESSAGE_APPEND_ACK;
        event.u.receive.from = from;
        event.u.receive.term = status.term;
        event.u.receive.u.append_ack.match = status.last.index;
        event.u.receive.u.append_ack.round = status.round;
        pilot_step(pilot, event);
        sent_all(pilot);
    }
}

void pilot_apply(struct pilot *pilot)
{
    struct dgraft_core_status status;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_APPLIED};
    dgraft_core_status(pilot->core, &status);
    event.u.applied.index = status.commit;
    pilot_step(pilot, event);
}

void pilot_elect(struct pilot *pilot)
{
    struct dgraft_core_status status;
    dgraft_core_status(pilot->core, &status);
    const dgraft_term term = status.term;
    pilot->now_ns += 400 * MS;
    pilot_step(pilot, (struct dgraft_event){.kind = DGRAFT_EVENT_WAKE});
    granted(pilot, DGRAFT_MESSAGE_PRE_VOTE_GRANT, term, term + 1);
    pilot_durable(pilot);
    granted(pilot, DGRAFT_MESSAGE_VOTE_GRANT, term + 1, term + 1);
    pilot_durable(pilot);
    dgraft_core_status(pilot->core, &status);
    cr_assert_eq(status.role, DGRAFT_ROLE_LEADER);
}

void pilot_lead(struct pilot *pilot)
{
    pilot_start(pilot);
    pilot_elect(pilot);
    pilot_acknowledge(pilot);
    pilot_apply(pilot);
}

void pilot_work(struct pilot *pilot, uint32_t entries)
{
    struct dgraft_entry group[GROUP];
    struct dgraft_core_status status;
    for (uint32_t done = 0; done < entries; done += GROUP) {
        struct dgraft_event event = {.kind = DGRAFT_EVENT_PROPOSE};
        for (uint32_t i = 0; i < GROUP; i++) {
            group[i] = (struct dgraft_entry){
                .payload_bytes = 100 + i, .checksum = done * 2654435761u + i, .kind = DGRAFT_ENTRY_COMMAND};
        }
        event.u.propose = (struct dgraft_event_propose){
            .entries = group, .count = GROUP, .kind = DGRAFT_ENTRY_COMMAND, .id = pilot->events};
        pilot->now_ns += MS / 10;
        pilot_step(pilot, event);
        sent_all(pilot);
        pilot_durable(pilot);
        pilot_acknowledge(pilot);
        pilot_apply(pilot);
    }
    dgraft_core_status(pilot->core, &status);
    cr_assert(status.role == DGRAFT_ROLE_LEADER && status.commit == status.last.index);
}

uint64_t pilot_hash(const struct pilot *pilot)
{
    return dgraft_flight_state_hash(pilot->core, dgraft_core_size(&pilot->config));
}

void pilot_land(struct pilot *pilot)
{
    dgraft_flight_close(pilot->flight, pilot->core);
    pilot->flight = NULL;
}

void pilot_crash(struct pilot *pilot)
{
    dgraft_flight_abandon(pilot->flight);
    pilot->flight = NULL;
}

void pilot_free(struct pilot *pilot)
{
    dgraft_flight_abandon(pilot->flight);
    free(pilot->core);
    free(pilot->actions);
    memory_fs_free(pilot->memory);
}
