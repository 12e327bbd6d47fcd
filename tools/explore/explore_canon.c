#include "explore_canon.h"

#include <assert.h>
#include <state.h>
#include <string.h>

#define ELECTION_NS    UINT64_C(6400)
#define HEARTBEAT_NS   UINT64_C(640)
#define NEWS_NS        (HEARTBEAT_NS / 32)
#define FETCH_NS       (HEARTBEAT_NS / 2)
#define RESEND_NS      (ELECTION_NS / 4)
#define DRAWN_NS       (ELECTION_NS + ELECTION_NS / 2)
#define TOKENS_A_START 16u
/* A heartbeat's clock began a moment ago: entries that left since then are younger than it, those before are not. */
#define HEARTBEAT_LEFT_NS (HEARTBEAT_NS - 1)

void explore_canon_config(struct dgraft_config *config, dgraft_node_id self, uint32_t nodes)
{
    dgraft_config_defaults(config, self);
    config->members_max = nodes;
    config->seed = 1;
    config->election_timeout_ns = ELECTION_NS;
    config->heartbeat_interval_ns = HEARTBEAT_NS;
    config->runs_max = 16;
    config->inflight_max = 8;
    config->reads_max = EXPLORE_READS_MAX;
}

dgraft_time_ns explore_canon_clock_ns(enum explore_clock clock)
{
    switch (clock) {
    case EXPLORE_CLOCK_ELECTION:
        return EXPLORE_NOW_NS + DRAWN_NS;
    case EXPLORE_CLOCK_RESEND:
        return EXPLORE_NOW_NS + RESEND_NS;
    case EXPLORE_CLOCK_HEARTBEAT:
        return EXPLORE_NOW_NS + HEARTBEAT_LEFT_NS;
    case EXPLORE_CLOCK_NEWS:
        return EXPLORE_NOW_NS + NEWS_NS;
    case EXPLORE_CLOCK_QUORUM:
    case EXPLORE_CLOCK_TRANSFER:
        return EXPLORE_NOW_NS + ELECTION_NS;
    case EXPLORE_CLOCK_HANDOVER:
    case EXPLORE_CLOCK_READ:
        return EXPLORE_NOW_NS + HEARTBEAT_NS;
    case EXPLORE_CLOCK_FETCH:
        return EXPLORE_NOW_NS + FETCH_NS;
    }
    return EXPLORE_NOW_NS;
}

dgraft_time_ns explore_canon_quiet_ns(void)
{
    return EXPLORE_NOW_NS + ELECTION_NS;
}

/* Returns when something happened, as seen from the fixed instant: just now, or too long ago. */
static dgraft_time_ns happened(const struct dgraft_core *core, dgraft_time_ns at, dgraft_time_ns bound_ns)
{
    return EXPLORE_NOW_NS - (core->now_ns - at < bound_ns ? 0 : bound_ns);
}

static void clock_set(dgraft_time_ns *due_ns, enum explore_clock clock)
{
    if (*due_ns != DGRAFT_CORE_NEVER) {
        *due_ns = explore_canon_clock_ns(clock);
    }
}

static void times(struct dgraft_core *core)
{
    const bool follows = core->leader != 0 && core->role != DGRAFT_ROLE_LEADER;
    core->leader_heard_ns = follows ? happened(core, core->leader_heard_ns, ELECTION_NS) : 0;
    core->random = core->config.seed;
    core->election_drawn_ns = DRAWN_NS;
    clock_set(&core->election_deadline_ns, EXPLORE_CLOCK_ELECTION);
    clock_set(&core->resend_at_ns, EXPLORE_CLOCK_RESEND);
    clock_set(&core->heartbeat_due_ns, EXPLORE_CLOCK_HEARTBEAT);
    clock_set(&core->news_due_ns, EXPLORE_CLOCK_NEWS);
    clock_set(&core->quorum_check_ns, EXPLORE_CLOCK_QUORUM);
    core->started_ns = 0; /* the next two are for leases, which are off */
    memset(core->round_sent_ns, 0, sizeof core->round_sent_ns);
    for (uint32_t i = 0; i < core->writes_count; i++) {
        core->writes[i].begun_ns = EXPLORE_NOW_NS; /* and this for stalls, which are not noticed */
    }
}

/* A transfer on its way, and the request for reads on its way. */
static void waits(struct dgraft_core *core)
{
    const struct transfer transfer = core->transfer;
    memset(&core->transfer, 0, sizeof core->transfer);
    if (transfer.target != 0) {
        core->transfer.id = transfer.id;
        core->transfer.target = transfer.target;
        core->transfer.asked = transfer.asked;
        core->transfer.term = transfer.term;
        core->transfer.membership = transfer.membership;
        core->transfer.deadline_ns = explore_canon_clock_ns(EXPLORE_CLOCK_TRANSFER);
        core->transfer.repeat_ns =
            transfer.repeat_ns > core->now_ns ? explore_canon_clock_ns(EXPLORE_CLOCK_HANDOVER) : EXPLORE_NOW_NS;
    }
    core->read_term = core->read_asked ? core->read_term : 0;
    core->read_leader = core->read_asked ? core->read_leader : 0;
    core->read_repeat_ns = core->read_asked ? explore_canon_clock_ns(EXPLORE_CLOCK_READ) : 0;
}

/* Brings a ring of items of `size` bytes to its beginning, and clears the rest. */
static void ring(void *items, size_t size, uint32_t capacity, uint32_t *head, uint32_t count)
{
    uint8_t copy[DGRAFT_CORE_MARKS * sizeof(struct byte_mark) + DGRAFT_CORE_WRITES * sizeof(struct pending_write)];
    uint8_t *bytes = items;
    assert(capacity * size <= sizeof copy);
    if (*head != 0) {
        memcpy(copy, bytes, capacity * size);
        for (uint32_t i = 0; i < count; i++) {
            memcpy(bytes + i * size, copy + ((*head + i) % capacity) * size, size);
        }
        *head = 0;
    }
    memset(bytes + count * size, 0, (capacity - count) * size);
}

static void rings(struct dgraft_core *core)
{
    const struct dgraft_config *config = &core->config;
    ring(core->writes, sizeof *core->writes, DGRAFT_CORE_WRITES, &core->writes_head, core->writes_count);
    ring(core->marks, sizeof *core->marks, DGRAFT_CORE_MARKS, &core->marks_head, core->marks_count);
    ring(dgraft_core_runs(core), sizeof(struct dgraft_term_run), config->runs_max, &core->runs_head, core->runs_count);
    ring(dgraft_core_reads(core), sizeof(struct waiting_read), config->reads_max, &core->reads_head, core->reads_count);
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        ring(dgraft_core_ring(core, peer), sizeof(struct sent_append), config->inflight_max, &peer->inflight_head,
             peer->inflight_count);
    }
}

/* What is damaged. Of the answers only people want to know; a proof counts in its leader's term. */
static void repair(struct dgraft_core *core)
{
    const bool asks = core->damage_count > 0;
    const uint64_t reopen_seq = core->reopen_seq > core->durable_seq ? core->reopen_seq - core->durable_seq : 1;
    for (uint32_t i = 0; i < DGRAFT_DAMAGE_MAX; i++) {
        const struct dgraft_damage damage = core->damage[i].damage;
        memset(&core->damage[i], 0, sizeof core->damage[i]);
        if (i < core->damage_count) {
            core->damage[i].damage = damage;
        }
    }
    core->fetch_nth = asks ? core->fetch_nth : 0;
    core->fetch_slot = asks ? core->fetch_slot : 0;
    core->fetch_at_ns = asks && !core->mending ? explore_canon_clock_ns(EXPLORE_CLOCK_FETCH) : 0;
    core->intact = core->repairing ? core->intact : 0;
    core->mend_seq = core->mending ? core->mend_seq - core->durable_seq : 0;
    core->reopen_seq = core->reopen_due && !core->reopen_asked ? reopen_seq : 0; /* a MEND is waited for anyway */
    if (!core->mending || core->reopen_due) {
        memset(&core->mend_first, 0, sizeof core->mend_first);
        core->mend_last = 0;
    }
    if (!asks || core->proof_term != core->term) {
        memset(&core->proof, 0, sizeof core->proof);
        core->proof_term = 0;
    }
}

static void counters(struct dgraft_core *core)
{
    for (uint32_t i = 0; i < core->writes_count; i++) {
        core->writes[i].seq -= core->durable_seq;
    }
    core->write_seq -= core->durable_seq;
    core->durable_seq = 0;
    for (uint32_t i = 0; i < core->marks_count; i++) {
        core->marks[i].bytes -= core->bytes_committed;
    }
    core->bytes_proposed -= core->bytes_committed;
    core->bytes_committed = 0;
    core->elections = 0;
    core->ignored = 0;
}

/* Copies a peer field by field into cleared memory, so that no padding is compared. */
static void peer_set(struct dgraft_core *core, struct peer *peer)
{
    struct peer from = *peer;
    memset(peer, 0, sizeof *peer);
    peer->id = from.id;
    peer->next = 1;
    peer->store = from.store;
    if (core->role != DGRAFT_ROLE_LEADER) {
        memset(dgraft_core_ring(core, peer), 0, core->config.inflight_max * sizeof(struct sent_append));
        return;
    }
    peer->probing = from.probing;
    peer->probe_due = from.probe_due;
    peer->send_pending = from.send_pending;
    peer->blocked = from.blocked;
    peer->lookup_pending = from.lookup_pending;
    peer->answered_at_ns = EXPLORE_NOW_NS;
    peer->progress_at_ns = happened(core, from.progress_at_ns, HEARTBEAT_NS / 2);
    if (peer->progress_at_ns != EXPLORE_NOW_NS) {
        peer->progress_at_ns = EXPLORE_NOW_NS - HEARTBEAT_NS;
    }
    peer->match = from.match;
    peer->next = from.next;
    peer->commit_told = from.commit_told;
    peer->pending_prev = from.send_pending ? from.pending_prev : 0;
    peer->pending_last = from.send_pending ? from.pending_last : 0;
    peer->looked_up = from.looked_up;
    peer->acked_round = from.acked_round;
    peer->recover_round = from.recover_round;
    peer->added = from.added;
    peer->caught_up = from.caught_up;
    peer->first_round = from.first_round;
    peer->catch_up_target = from.catch_up_target;
    peer->catch_up_began_ns = EXPLORE_NOW_NS;
    peer->foreign = from.foreign;
    peer->read_token = from.read_token;
    peer->read_index = from.read_token != 0 ? from.read_index : 0;
    peer->read_round = from.read_token != 0 ? from.read_round : 0;
    peer->lag = from.lag;
    peer->inflight_head = from.inflight_head;
    peer->inflight_count = from.inflight_count;
    peer->inflight_bytes = from.inflight_bytes;
}

static void refusal_set(struct dgraft_core *core)
{
    const struct dgraft_append_refuse refusal = core->refusal;
    memset(&core->refusal, 0, sizeof core->refusal);
    if (core->refuse_due) {
        core->refusal.prev = refusal.prev;
        core->refusal.hint = refusal.hint;
        core->refusal.round = refusal.round;
        core->refusal.reason = refusal.reason;
    }
}

void explore_canon(struct dgraft_core *core)
{
    assert(core->started);
    rings(core);
    repair(core);
    counters(core);
    for (uint32_t i = 0; i < core->peer_count; i++) {
        peer_set(core, &core->peers[i]);
    }
    refusal_set(core);
    waits(core);
    times(core);
    core->now_ns = EXPLORE_NOW_NS;
    if (core->role == DGRAFT_ROLE_LEADER) {
        core->granted = 0;
    } else {
        core->term_start = 0;
        core->round = 0;
        core->lease_void = false;
    }
}

void explore_canon_tokens(struct dgraft_core *core, uint32_t starts)
{
    core->read_token = (uint64_t)starts * TOKENS_A_START;
}

void explore_canon_asks_first(struct dgraft_core *core, dgraft_node_id id)
{
    core->fetch_slot = id == 0 ? 0 : id - 1 - (id > core->config.self);
}

void explore_canon_view(const struct explore_host *host, const struct dgraft_core *core, struct explore_view *view)
{
    *view = (struct explore_view){.role = (uint8_t)core->role,
                                  .term = (uint8_t)core->term,
                                  .leader = (uint8_t)core->leader,
                                  .commit = (uint8_t)core->commit,
                                  .write_count = host->write_count,
                                  .reopen = host->reopen,
                                  .log = host->log,
                                  .disk = host->disk};
    const bool leads = core->role == DGRAFT_ROLE_LEADER;
    view->hears_leader = core->leader != 0 && !leads && core->leader_heard_ns == EXPLORE_NOW_NS;
    view->clocks = (uint16_t)((core->election_deadline_ns != DGRAFT_CORE_NEVER) << EXPLORE_CLOCK_ELECTION |
                              (core->resend_at_ns != DGRAFT_CORE_NEVER) << EXPLORE_CLOCK_RESEND |
                              (core->heartbeat_due_ns != DGRAFT_CORE_NEVER) << EXPLORE_CLOCK_HEARTBEAT |
                              (core->news_due_ns != DGRAFT_CORE_NEVER) << EXPLORE_CLOCK_NEWS |
                              (core->quorum_check_ns != DGRAFT_CORE_NEVER) << EXPLORE_CLOCK_QUORUM |
                              (core->transfer.target != 0) << EXPLORE_CLOCK_TRANSFER |
                              (leads && core->transfer.repeat_ns > EXPLORE_NOW_NS) << EXPLORE_CLOCK_HANDOVER |
                              (!leads && core->read_asked) << EXPLORE_CLOCK_READ |
                              (core->fetch_at_ns != 0) << EXPLORE_CLOCK_FETCH);
    for (uint32_t i = 0; i < host->write_count; i++) {
        view->write_parts |= (uint8_t)((host->writes[i].state & host->writes[i].appends) << i);
    }
    for (uint32_t i = 0; leads && i < core->peer_count; i++) {
        view->match[core->peers[i].id] = (uint8_t)core->peers[i].match;
    }
}

static dgraft_node_set rename_set(dgraft_node_set set, const uint8_t *names)
{
    dgraft_node_set renamed = 0;
    for (; set != 0; set &= set - 1) {
        renamed |= dgraft_node_set_of(names[dgraft_node_set_first(set)]);
    }
    return renamed;
}

static void rename_members(struct dgraft_membership *members, const uint8_t *names)
{
    members->voters = rename_set(members->voters, names);
    members->outgoing = rename_set(members->outgoing, names);
    members->learners = rename_set(members->learners, names);
    members->promote = rename_set(members->promote, names);
}

/* Peers and their rings stand in the order of ids. */
static void rename_peers(struct dgraft_core *core, const uint8_t *names)
{
    struct peer peers[EXPLORE_NODES_MAX];
    struct sent_append sent[EXPLORE_NODES_MAX][16];
    uint32_t slot = 0;
    assert(core->peer_count < EXPLORE_NODES_MAX && core->config.inflight_max <= 16);
    for (uint32_t i = 0; i < core->peer_count; i++) {
        peers[i] = core->peers[i];
        peers[i].id = names[peers[i].id];
        memcpy(sent[i], dgraft_core_ring(core, &core->peers[i]), core->config.inflight_max * sizeof sent[i][0]);
    }
    memset(core->slot_of, 0, sizeof core->slot_of);
    for (dgraft_node_id id = 1; id <= EXPLORE_NODES_MAX; id++) {
        for (uint32_t i = 0; i < core->peer_count; i++) {
            if (peers[i].id == id) {
                memcpy(&core->peers[slot], &peers[i], sizeof peers[i]);
                memcpy(dgraft_core_ring(core, &core->peers[slot]), sent[i],
                       core->config.inflight_max * sizeof sent[i][0]);
                core->slot_of[id] = (uint8_t)++slot;
            }
        }
    }
}

void explore_canon_rename(struct dgraft_core *core, const uint8_t *names)
{
    core->config.self = names[core->config.self];
    core->vote = names[core->vote];
    core->written_vote = names[core->written_vote];
    core->durable_vote = names[core->durable_vote];
    for (uint32_t i = 0; i < core->writes_count; i++) {
        core->writes[i].vote = names[core->writes[i].vote];
    }
    rename_members(&core->membership, names);
    rename_members(&core->before, names);
    const uint8_t asked = core->fetch_slot > 0 ? names[core->peers[core->fetch_slot - 1].id] : 0;
    rename_peers(core, names);
    core->fetch_slot = asked != 0 ? core->slot_of[asked] : 0;
    core->leader = names[core->leader];
    core->granted = rename_set(core->granted, names);
    core->departing = rename_set(core->departing, names);
    core->transfer.target = names[core->transfer.target];
    core->read_leader = names[core->read_leader];
}
