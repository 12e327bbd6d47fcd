/* Commands: time. Every node has a clock of its own, which stands still unless a command moves it. */
#include "script.h"

#include <inttypes.h>
#include <string.h>

#define WAKES_MAX 20000u

static dgraft_node_set up_nodes(const struct script *script)
{
    dgraft_node_set set = 0;
    for (dgraft_node_id id = 1; id <= script->node_count; id++) {
        set |= script->nodes[id].up ? dgraft_node_set_of(id) : 0;
    }
    return set;
}

static void wake(struct script *script, dgraft_node_id id)
{
    struct script_node *node = &script->nodes[id];
    const struct dgraft_event event = {.kind = DGRAFT_EVENT_WAKE};
    node->now_ns = node->wake_at_ns > node->now_ns ? node->wake_at_ns : node->now_ns;
    (void)script_step(script, id, &event, NULL);
}

/* Returns who of the set is to be woken next, and after which time; 0 when nobody within `limit`. */
static dgraft_node_id next_of(const struct script *script, dgraft_node_set set, dgraft_time_ns limit,
                              dgraft_time_ns *after)
{
    dgraft_node_id next = 0;
    *after = limit;
    for (set &= up_nodes(script); set != 0; set &= set - 1) {
        const struct script_node *node = &script->nodes[dgraft_node_set_first(set)];
        const dgraft_time_ns wait = node->wake_at_ns > node->now_ns ? node->wake_at_ns - node->now_ns : 0;
        if (wait < *after || (wait == *after && next == 0)) {
            *after = wait;
            next = dgraft_node_set_first(set);
        }
    }
    return next;
}

enum delivery { DELIVERY_NONE, DELIVERY_ALL };

/* The clocks of the set go on, each node is woken when it wants to be. */
static void go_on(struct script *script, dgraft_node_set set, dgraft_time_ns duration, enum delivery delivery)
{
    for (uint32_t i = 0;; i++) {
        dgraft_time_ns after = 0;
        if (delivery == DELIVERY_ALL) {
            script_settle(script);
        }
        const dgraft_node_id next = next_of(script, set, duration, &after);
        for (dgraft_node_set left = set; left != 0; left &= left - 1) {
            script->nodes[dgraft_node_set_first(left)].now_ns += after;
        }
        duration -= after;
        if (next == 0 || script->failures > 50) {
            return;
        }
        if (i == WAKES_MAX) {
            script_fail(script, "time does not pass");
            return;
        }
        wake(script, next);
    }
}

static bool duration_of(struct script *script, const struct script_words *words, dgraft_time_ns *duration)
{
    uint64_t ms = 0;
    if (!script_number(words->at[1], 1000000, &ms)) {
        script_fail(script, "a time in milliseconds is wanted here");
        return false;
    }
    *duration = ms * SCRIPT_MS;
    return true;
}

/* pass MS [SET]: nothing is delivered meanwhile */
static void pass(struct script *script, const struct script_words *words)
{
    dgraft_time_ns duration = 0;
    dgraft_node_set set = (UINT64_C(1) << script->node_count) - 1;
    if (duration_of(script, words, &duration) && (words->count < 3 || script_set(script, words->at[2], &set))) {
        go_on(script, set, duration, DELIVERY_NONE);
    }
}

/* run MS: every message arrives at once */
static void run(struct script *script, const struct script_words *words)
{
    dgraft_time_ns duration = 0;
    if (duration_of(script, words, &duration)) {
        go_on(script, (UINT64_C(1) << script->node_count) - 1, duration, DELIVERY_ALL);
    }
}

/* The leader that a node heard is alive for it until then; and after a start, with leases, there may have been one. */
static void silence_one(struct script *script, dgraft_node_id id)
{
    struct script_node *node = &script->nodes[id];
    const struct dgraft_core_status status = script_status(script, id);
    dgraft_time_ns until = node->config.lease_drift_ppm == 0 ? 0 : node->started_ns + node->config.election_timeout_ns;
    for (uint32_t i = 0; i < status.peer_count; i++) {
        if (status.peers[i].id == status.leader) {
            const dgraft_time_ns heard_until = status.peers[i].heard_at_ns + node->config.election_timeout_ns;
            until = heard_until > until ? heard_until : until;
        }
    }
    if (status.role == DGRAFT_ROLE_FOLLOWER && until > node->now_ns) {
        node->now_ns = until;
    }
}

static void silence(struct script *script, const struct script_words *words)
{
    dgraft_node_set set = 0;
    for (set = script_set(script, words->at[1], &set) ? set & up_nodes(script) : 0; set != 0; set &= set - 1) {
        silence_one(script, dgraft_node_set_first(set));
    }
}

static void campaign_of(struct script *script, dgraft_node_id id)
{
    const struct dgraft_core_status before = script_status(script, id);
    const uint32_t sent = script->sent.count;
    if (!script->nodes[id].up || before.role == DGRAFT_ROLE_LEADER) {
        script_fail(script, "node %u is down, or leads", id);
        return;
    }
    for (uint32_t i = 0; i < 100; i++) {
        wake(script, id);
        for (uint32_t at = sent; at < script->sent.count; at++) {
            const enum dgraft_message_type type = script->sent.items[at].message.type;
            if (type == DGRAFT_MESSAGE_PRE_VOTE_REQUEST || type == DGRAFT_MESSAGE_VOTE_REQUEST) {
                return;
            }
        }
        if (script_status(script, id).role != before.role) {
            return;
        }
        if (script->nodes[id].wake_at_ns == UINT64_MAX) {
            break;
        }
    }
    script_fail(script, "node %u does not campaign", id);
}

/* campaign ID: its election timeout passes */
static void campaign(struct script *script, const struct script_words *words)
{
    dgraft_node_id id = 0;
    if (script_id(script, words->at[1], &id)) {
        campaign_of(script, id);
    }
}

/* elect ID: everybody else has heard no leader for an election timeout, it campaigns, all messages arrive */
static void elect(struct script *script, const struct script_words *words)
{
    dgraft_node_id id = 0;
    if (!script_id(script, words->at[1], &id)) {
        return;
    }
    for (dgraft_node_set left = up_nodes(script) & ~dgraft_node_set_of(id); left != 0; left &= left - 1) {
        silence_one(script, dgraft_node_set_first(left));
    }
    campaign_of(script, id);
    script_settle(script);
    if (script_status(script, id).role != DGRAFT_ROLE_LEADER) {
        script_fail(script, "node %u was not elected", id);
    }
}

const struct script_verb script_verbs_time[] = {
    {"pass", "MS [SET]", 2, pass},   {"run", "MS", 2, run},     {"silence", "SET", 2, silence},
    {"campaign", "ID", 2, campaign}, {"elect", "ID", 2, elect}, {NULL, NULL, 0, NULL},
};
