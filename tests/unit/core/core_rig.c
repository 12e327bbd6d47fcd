#include "core_rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

void rig_open_config(struct rig *rig, const struct rig_start *start, const struct dgraft_config *config)
{
    memset(rig, 0, sizeof *rig);
    rig->config = *config;
    rig->core = dgraft_core_init(malloc(dgraft_core_size(config)), config);
    rig->before = malloc(dgraft_core_size(config));
    rig->actions = dgraft_actions_init(malloc(dgraft_actions_size(config)), config);
    cr_assert_not_null(rig->core);
    rig->now = 1000 * MS;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START};
    struct dgraft_event_start *e = &event.u.start;
    e->term = start->term;
    e->vote = start->vote;
    e->last.index = start->last;
    e->last.term = start->run_count == 0 ? 0 : start->runs[start->run_count - 1].term;
    e->floor = e->last;
    e->commit = start->commit;
    e->runs = start->runs;
    e->run_count = start->run_count;
    e->damage = start->damage;
    e->damage_count = start->damage_count;
    e->applied = start->applied;
    e->store = start->store;
    e->before = start->before;
    e->membership = start->membership;
    if (start->membership.voters == 0 && !start->joins) {
        e->membership.voters = start->voters == 64 ? ~UINT64_C(0) : (UINT64_C(1) << start->voters) - 1;
        e->membership.index = start->last > 0 ? 1 : 0;
    }
    rig_step(rig, event);
}

void rig_open(struct rig *rig, const struct rig_start *start)
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, start->self);
    rig_open_config(rig, start, &config);
}

void rig_close(struct rig *rig)
{
    free(rig->core);
    free(rig->before);
    free(rig->actions);
}

void rig_spoil(struct dgraft_actions *actions)
{
    memset(actions->items, 0xa5, actions->capacity * sizeof actions->items[0]);
}

/* What a SEND has no use for is 0, not what lay there before. */
static void check_unused(const struct dgraft_action_send *send)
{
    const bool append = send->message.type == DGRAFT_MESSAGE_APPEND;
    cr_assert_eq(send->message.reserved, 0u);
    if (!append || send->last.index == send->message.u.append.prev.index) {
        cr_assert_eq(send->max_bytes, 0u);
    }
    if (append) {
        cr_assert(send->message.u.append.entries == NULL && send->message.u.append.count == 0);
        cr_assert(send->message.u.append.memberships == NULL && send->message.u.append.membership_count == 0);
    } else if (send->message.type == DGRAFT_MESSAGE_FETCH_ANSWER) {
        cr_assert(send->message.u.fetch_answer.entries == NULL && send->message.u.fetch_answer.count == 0);
    } else {
        cr_assert(send->last.index == 0 && send->last.term == 0);
    }
}

enum dgraft_status rig_try(struct rig *rig, struct dgraft_event event)
{
    event.now_ns = rig->now;
    memcpy(rig->before, rig->core, dgraft_core_size(&rig->config));
    rig_spoil(rig->actions);
    rig->status = dgraft_step(rig->core, &event, rig->actions);
    if (rig->status != DGRAFT_OK) {
        cr_assert_eq(rig->actions->count, 0u);
        cr_assert_eq(memcmp(rig->before, rig->core, dgraft_core_size(&rig->config)), 0);
        return rig->status;
    }
    const char *broken = dgraft_core_check(rig->core);
    cr_assert_null(broken, "%s", broken);
    broken = dgraft_core_check_step(rig->before, rig->core, &event, rig->actions);
    cr_assert_null(broken, "%s", broken);
    for (uint32_t i = 0; i < rig->actions->count; i++) {
        const struct dgraft_action *action = &rig->actions->items[i];
        if (action->kind == DGRAFT_ACTION_WRITE) {
            rig->written = action->u.write.seq;
        }
        if (action->kind == DGRAFT_ACTION_SEND) {
            check_unused(&action->u.send);
        }
    }
    return rig->status;
}

void rig_step(struct rig *rig, struct dgraft_event event)
{
    cr_assert_eq(rig_try(rig, event), DGRAFT_OK);
}

void rig_wake_at(struct rig *rig, dgraft_time_ns now)
{
    rig->now = now;
    rig_step(rig, (struct dgraft_event){.kind = DGRAFT_EVENT_WAKE});
}

void rig_receive(struct rig *rig, struct dgraft_message message)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_RECEIVE};
    event.u.receive = message;
    rig_step(rig, event);
}

void rig_durable(struct rig *rig)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_DURABLE};
    event.u.durable.seq = rig->written;
    rig_step(rig, event);
}

void rig_propose(struct rig *rig, uint32_t count, uint32_t payload_bytes)
{
    struct dgraft_entry entries[256];
    cr_assert_leq(count, 256u);
    memset(entries, 0, sizeof entries);
    for (uint32_t i = 0; i < count; i++) {
        entries[i].payload_bytes = payload_bytes;
        entries[i].kind = DGRAFT_ENTRY_COMMAND;
    }
    struct dgraft_event event = {.kind = DGRAFT_EVENT_PROPOSE};
    event.u.propose =
        (struct dgraft_event_propose){.entries = entries, .count = count, .kind = DGRAFT_ENTRY_COMMAND, .id = 77};
    rig_step(rig, event);
}

enum dgraft_outcome rig_change(struct rig *rig, struct dgraft_membership target)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_CHANGE};
    event.u.change = (struct dgraft_event_change){.id = 55, .target = target};
    rig_step(rig, event);
    const struct dgraft_action *action = rig_action(rig, DGRAFT_ACTION_OUTCOME, 0);
    if (action == NULL) {
        return 0;
    }
    cr_assert_eq(action->u.outcome.of, DGRAFT_OUTCOME_OF_CHANGE);
    cr_assert_eq(action->u.outcome.id, 55u);
    return action->u.outcome.outcome;
}

void rig_sent_all(struct rig *rig)
{
    struct dgraft_event events[32];
    uint32_t count = 0;
    for (uint32_t i = 0; i < rig->actions->count; i++) {
        const struct dgraft_action *action = &rig->actions->items[i];
        if (action->kind != DGRAFT_ACTION_SEND || action->u.send.message.type != DGRAFT_MESSAGE_APPEND ||
            action->u.send.last.index == action->u.send.message.u.append.prev.index) {
            continue;
        }
        cr_assert_lt(count, 32u);
        struct dgraft_event *event = &events[count++];
        memset(event, 0, sizeof *event);
        event->kind = DGRAFT_EVENT_SENT;
        event->u.sent.receivers = action->u.send.receivers;
        event->u.sent.term = action->u.send.message.term;
        event->u.sent.prev = action->u.send.message.u.append.prev.index;
        event->u.sent.last = action->u.send.last.index;
        event->u.sent.bytes = 100 * (event->u.sent.last - event->u.sent.prev);
    }
    for (uint32_t i = 0; i < count; i++) {
        rig_step(rig, events[i]);
    }
}

const struct dgraft_action *rig_action(const struct rig *rig, enum dgraft_action_kind kind, uint32_t nth)
{
    for (uint32_t i = 0; i < rig->actions->count; i++) {
        if (rig->actions->items[i].kind == kind && nth-- == 0) {
            return &rig->actions->items[i];
        }
    }
    return NULL;
}

const struct dgraft_action_send *rig_sent(const struct rig *rig, enum dgraft_message_type type, dgraft_node_id to)
{
    for (uint32_t i = 0; i < rig->actions->count; i++) {
        const struct dgraft_action *action = &rig->actions->items[i];
        if (action->kind == DGRAFT_ACTION_SEND && action->u.send.message.type == type &&
            (to == 0 || dgraft_node_set_has(action->u.send.receivers, to))) {
            return &action->u.send;
        }
    }
    return NULL;
}

uint32_t rig_count(const struct rig *rig, enum dgraft_action_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rig->actions->count; i++) {
        count += rig->actions->items[i].kind == kind ? 1u : 0u;
    }
    return count;
}

struct dgraft_core_status rig_status(const struct rig *rig)
{
    struct dgraft_core_status status;
    dgraft_core_status(rig->core, &status);
    return status;
}

struct dgraft_message rig_vote_request(dgraft_node_id from, dgraft_term term, dgraft_index last, dgraft_term last_term)
{
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_VOTE_REQUEST, .from = from, .term = term};
    message.u.vote_request.term = term;
    message.u.vote_request.last = (struct dgraft_position){.index = last, .term = last_term};
    return message;
}

struct dgraft_message rig_pre_vote_request(dgraft_node_id from, dgraft_term term, dgraft_index last,
                                           dgraft_term last_term)
{
    struct dgraft_message message = rig_vote_request(from, term - 1, last, last_term);
    message.type = DGRAFT_MESSAGE_PRE_VOTE_REQUEST;
    message.u.vote_request.term = term;
    return message;
}

struct dgraft_message rig_vote_reply(enum dgraft_message_type type, dgraft_node_id from, dgraft_term frame_term,
                                     dgraft_term term)
{
    struct dgraft_message message = {.type = type, .from = from, .term = frame_term};
    message.u.vote_reply.term = term;
    if (type == DGRAFT_MESSAGE_PRE_VOTE_REFUSE || type == DGRAFT_MESSAGE_VOTE_REFUSE) {
        message.u.vote_reply.reason = DGRAFT_REFUSE_TERM;
    }
    return message;
}

struct dgraft_message rig_append(dgraft_node_id from, dgraft_term term, struct dgraft_position prev,
                                 struct dgraft_entry *entries, uint32_t count, dgraft_term entry_term)
{
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_APPEND, .from = from, .term = term};
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = (struct dgraft_entry){
            .index = prev.index + 1 + i, .term = entry_term, .payload_bytes = 10, .kind = DGRAFT_ENTRY_COMMAND};
    }
    message.u.append.prev = prev;
    message.u.append.entries = entries;
    message.u.append.count = count;
    return message;
}

struct dgraft_message rig_append_membership(dgraft_node_id from, dgraft_term term, struct dgraft_position prev,
                                            struct dgraft_entry *entry, struct dgraft_membership *membership)
{
    struct dgraft_message message = rig_append(from, term, prev, entry, 1, term);
    entry->kind = DGRAFT_ENTRY_MEMBERSHIP;
    membership->index = prev.index + 1;
    message.u.append.memberships = membership;
    message.u.append.membership_count = 1;
    return message;
}

struct dgraft_message rig_ack(dgraft_node_id from, dgraft_term term, dgraft_index match, uint64_t round)
{
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_APPEND_ACK, .from = from, .term = term};
    message.u.append_ack.match = match;
    message.u.append_ack.round = round;
    return message;
}

struct dgraft_message rig_refuse(dgraft_node_id from, dgraft_term term, dgraft_index prev, struct dgraft_position hint,
                                 uint64_t round)
{
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_APPEND_REFUSE, .from = from, .term = term};
    message.u.append_refuse.prev = prev;
    message.u.append_refuse.hint = hint;
    message.u.append_refuse.round = round;
    message.u.append_refuse.reason = DGRAFT_REFUSE_MISMATCH;
    return message;
}

void rig_lead(struct rig *rig)
{
    rig_wake_at(rig, rig->actions->wake_at_ns);
    const dgraft_term term = rig_status(rig).role == DGRAFT_ROLE_PRE_CANDIDATE ? rig_status(rig).term + 1 : 0;
    for (uint32_t i = 0; i < rig_status(rig).peer_count && term != 0; i++) {
        if (rig_status(rig).role == DGRAFT_ROLE_PRE_CANDIDATE) {
            rig_receive(rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, rig_status(rig).peers[i].id,
                                            rig_status(rig).term, term));
        }
    }
    cr_assert_eq(rig_status(rig).role, DGRAFT_ROLE_CANDIDATE);
    rig_durable(rig);
    for (uint32_t i = 0; i < rig_status(rig).peer_count; i++) {
        if (rig_status(rig).role == DGRAFT_ROLE_CANDIDATE) {
            rig_receive(rig, rig_vote_reply(DGRAFT_MESSAGE_VOTE_GRANT, rig_status(rig).peers[i].id,
                                            rig_status(rig).term, rig_status(rig).term));
        }
    }
    cr_assert_eq(rig_status(rig).role, DGRAFT_ROLE_LEADER);
}

void rig_lead_and_commit(struct rig *rig)
{
    rig_lead(rig);
    rig_durable(rig);
    const dgraft_term term = rig_status(rig).term;
    const dgraft_index last = rig_status(rig).last.index;
    for (uint32_t i = 0; i < rig_status(rig).peer_count; i++) {
        rig_receive(rig, rig_ack(rig_status(rig).peers[i].id, term, last - 1, 1)); /* the probe */
        rig_sent_all(rig);
        rig_receive(rig, rig_ack(rig_status(rig).peers[i].id, term, last, 1));
    }
    cr_assert_eq(rig_status(rig).commit, last);
}
