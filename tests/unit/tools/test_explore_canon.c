/* The canonical form must lose nothing that a core could ever act upon. Every core of a small search runs beside a twin
 * in which all that the form forgets is something else: they must act alike, and be alike afterwards.
 */
#include <criterion/criterion.h>
#include <explore.h>
#include <explore_canon.h>
#include <state.h>
#include <string.h>

#define SHIFT_NS     UINT64_C(777777)
#define SHIFT_SEQ    UINT64_C(41)
#define SHIFT_BYTES  UINT64_C(10000)
#define ROTATE       3u
#define CLOCKS       9
#define PAIRS_WANTED 20000u

static struct explore explore;
static _Alignas(16) uint8_t first[16384];
static _Alignas(16) uint8_t second[16384];
static uint8_t actions_room[2][65536];
static uint32_t mends_seen;
static uint32_t reopens_seen;

static void search(uint8_t reads, uint8_t transfers, uint8_t damages)
{
    struct explore_options options;
    struct explore_result result;
    explore_options_defaults(&options);
    memset(options.budgets, 0, sizeof options.budgets);
    options.budgets[EXPLORE_BUDGET_COMMANDS] = 1;
    options.budgets[EXPLORE_BUDGET_READS] = reads;
    options.budgets[EXPLORE_BUDGET_TIMEOUTS] = damages > 0 ? 1 : 2; /* more is too wide to reach a MEND */
    options.budgets[EXPLORE_BUDGET_TICKS] = 1;
    options.budgets[EXPLORE_BUDGET_CRASHES] = damages > 0 ? 0 : 1;
    options.budgets[EXPLORE_BUDGET_TRANSFERS] = transfers;
    options.budgets[EXPLORE_BUDGET_DAMAGES] = damages;
    options.in_order = true;
    options.states_max = 60000;
    explore_open(&explore, &options);
    explore_run(&explore, &result);
    cr_assert_null(result.finding, "%s", result.finding);
    cr_assert_leq(explore.nodes.node_bytes, sizeof first);
}

static void rotate(void *items, size_t size, uint32_t capacity, uint32_t *head, uint32_t count)
{
    uint8_t *bytes = items;
    uint8_t copy[16384];
    cr_assert_leq(capacity * size, sizeof copy);
    memcpy(copy, bytes, capacity * size);
    memset(bytes, 0xee, capacity * size); /* what lies outside the ring is anything */
    for (uint32_t i = 0; i < count; i++) {
        memcpy(bytes + (i + ROTATE) % capacity * size, copy + i * size, size);
    }
    *head = ROTATE % capacity;
}

static void later(dgraft_time_ns *at_ns)
{
    if (*at_ns != DGRAFT_CORE_NEVER) {
        *at_ns += SHIFT_NS;
    }
}

static void disguise_times(struct dgraft_core *core)
{
    core->now_ns += SHIFT_NS;
    core->random = 4711;
    core->started_ns += 5;
    core->leader_heard_ns += SHIFT_NS - 1; /* a little longer ago is as long ago */
    later(&core->election_deadline_ns);
    later(&core->resend_at_ns);
    later(&core->heartbeat_due_ns);
    later(&core->news_due_ns);
    later(&core->quorum_check_ns);
    later(&core->transfer.deadline_ns);
    core->transfer.repeat_ns += SHIFT_NS;
    core->read_repeat_ns += SHIFT_NS;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        core->peers[i].heard_at_ns = core->now_ns - 17;
        core->peers[i].answered_at_ns += SHIFT_NS - 1;
        core->peers[i].progress_at_ns += SHIFT_NS;
    }
    core->fetch_at_ns += SHIFT_NS;
    for (uint32_t i = 0; i < core->writes_count; i++) {
        core->writes[i].begun_ns = core->now_ns - i;
    }
}

static void disguise_repair(struct dgraft_core *core)
{
    core->mend_seq += SHIFT_SEQ;
    core->reopen_seq += core->reopen_seq != 0 ? SHIFT_SEQ : 0;
    for (uint32_t i = 0; i < DGRAFT_DAMAGE_MAX; i++) {
        struct dgraft_damage_status *damage = &core->damage[i];
        damage->have_not = damage->damaged = damage->compacted = dgraft_node_set_of(core->config.self);
        damage->damage.first = i < core->damage_count ? damage->damage.first : core->last.index;
    }
    if (!core->mending) {
        core->mend_first = core->last;
        core->mend_last = core->last.index;
    }
    if (core->proof_term != core->term) {
        core->proof = (struct dgraft_fetch){.first = 1, .last = core->last.index, .anchor = core->last};
        core->proof_term = core->term - 1;
    }
}

/* Changes all that the canonical form forgets. */
static void disguise(struct dgraft_core *core)
{
    const struct dgraft_config *config = &core->config;
    disguise_times(core);
    disguise_repair(core);
    core->elections += 5;
    core->ignored += 6;
    core->write_seq += SHIFT_SEQ;
    core->durable_seq += SHIFT_SEQ;
    for (uint32_t i = 0; i < core->writes_count; i++) {
        core->writes[i].seq += SHIFT_SEQ;
    }
    core->bytes_proposed += SHIFT_BYTES;
    core->bytes_committed += SHIFT_BYTES;
    for (uint32_t i = 0; i < core->marks_count; i++) {
        core->marks[i].bytes += SHIFT_BYTES;
    }
    rotate(core->writes, sizeof *core->writes, DGRAFT_CORE_WRITES, &core->writes_head, core->writes_count);
    rotate(core->marks, sizeof *core->marks, DGRAFT_CORE_MARKS, &core->marks_head, core->marks_count);
    rotate(dgraft_core_runs(core), sizeof(struct dgraft_term_run), config->runs_max, &core->runs_head,
           core->runs_count);
    rotate(dgraft_core_reads(core), sizeof(struct waiting_read), config->reads_max, &core->reads_head,
           core->reads_count);
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        rotate(dgraft_core_ring(core, peer), sizeof(struct sent_append), config->inflight_max, &peer->inflight_head,
               peer->inflight_count);
        if (core->role != DGRAFT_ROLE_LEADER) {
            peer->match = core->last.index;
            peer->next = core->last.index + 1;
            peer->probing = true;
            peer->acked_round = 3;
        }
    }
    if (core->role != DGRAFT_ROLE_LEADER) {
        core->round = 9;
        core->term_start = core->last.index;
        core->lease_void = true;
    }
}

static void assert_same_message(const struct dgraft_message *a, const struct dgraft_message *b)
{
    cr_assert_eq(a->type, b->type);
    cr_assert_eq(a->term, b->term);
    switch (a->type) {
    case DGRAFT_MESSAGE_APPEND:
        cr_assert(dgraft_position_equal(a->u.append.prev, b->u.append.prev));
        cr_assert_eq(a->u.append.commit, b->u.append.commit);
        cr_assert_eq(a->u.append.round, b->u.append.round);
        return;
    case DGRAFT_MESSAGE_APPEND_ACK:
        cr_assert_eq(a->u.append_ack.match, b->u.append_ack.match);
        cr_assert_eq(a->u.append_ack.round, b->u.append_ack.round);
        return;
    case DGRAFT_MESSAGE_APPEND_REFUSE:
        cr_assert_eq(a->u.append_refuse.prev, b->u.append_refuse.prev);
        cr_assert(dgraft_position_equal(a->u.append_refuse.hint, b->u.append_refuse.hint));
        cr_assert_eq(a->u.append_refuse.round, b->u.append_refuse.round);
        return;
    case DGRAFT_MESSAGE_PRE_VOTE_REQUEST:
    case DGRAFT_MESSAGE_VOTE_REQUEST:
        cr_assert_eq(a->u.vote_request.term, b->u.vote_request.term);
        cr_assert(dgraft_position_equal(a->u.vote_request.last, b->u.vote_request.last));
        cr_assert_eq(a->u.vote_request.transfer, b->u.vote_request.transfer);
        return;
    case DGRAFT_MESSAGE_READ_REQUEST:
        cr_assert_eq(a->u.read_request.token, b->u.read_request.token);
        return;
    case DGRAFT_MESSAGE_READ_ANSWER:
        cr_assert_eq(a->u.read_answer.token, b->u.read_answer.token);
        cr_assert_eq(a->u.read_answer.index, b->u.read_answer.index);
        return;
    case DGRAFT_MESSAGE_PRE_VOTE_GRANT:
    case DGRAFT_MESSAGE_PRE_VOTE_REFUSE:
    case DGRAFT_MESSAGE_VOTE_GRANT:
    case DGRAFT_MESSAGE_VOTE_REFUSE:
        cr_assert_eq(a->u.vote_reply.term, b->u.vote_reply.term);
        cr_assert_eq(a->u.vote_reply.reason, b->u.vote_reply.reason);
        return;
    case DGRAFT_MESSAGE_TIMEOUT_NOW:
        cr_assert(dgraft_position_equal(a->u.timeout_now.last, b->u.timeout_now.last));
        return;
    case DGRAFT_MESSAGE_SNAPSHOT_CHUNK:
    case DGRAFT_MESSAGE_SNAPSHOT_ACK:
        cr_assert_fail("nobody made a snapshot");
        return;
    case DGRAFT_MESSAGE_FETCH:
        cr_assert_eq(a->u.fetch.first, b->u.fetch.first);
        cr_assert_eq(a->u.fetch.last, b->u.fetch.last);
        cr_assert(dgraft_position_equal(a->u.fetch.anchor, b->u.fetch.anchor));
        return;
    case DGRAFT_MESSAGE_FETCH_ANSWER:
        cr_assert_eq(a->u.fetch_answer.verdict, b->u.fetch_answer.verdict);
        cr_assert_eq(a->u.fetch_answer.first, b->u.fetch_answer.first);
        cr_assert(dgraft_position_equal(a->u.fetch_answer.anchor, b->u.fetch_answer.anchor));
        return;
    }
}

static void assert_same_actions(const struct dgraft_actions *a, const struct dgraft_actions *b)
{
    cr_assert_eq(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        const struct dgraft_action *left = &a->items[i];
        const struct dgraft_action *right = &b->items[i];
        cr_assert_eq(left->kind, right->kind);
        if (left->kind == DGRAFT_ACTION_WRITE) {
            cr_assert_eq(left->u.write.seq + SHIFT_SEQ, right->u.write.seq);
            cr_assert_eq(left->u.write.term, right->u.write.term);
            cr_assert_eq(left->u.write.keep, right->u.write.keep);
            cr_assert_eq(left->u.write.count, right->u.write.count);
        } else if (left->kind == DGRAFT_ACTION_SEND) {
            cr_assert_eq(left->u.send.receivers, right->u.send.receivers);
            cr_assert_eq(left->u.send.last.index, right->u.send.last.index);
            assert_same_message(&left->u.send.message, &right->u.send.message);
        } else if (left->kind == DGRAFT_ACTION_APPLY) {
            cr_assert_eq(left->u.apply.last, right->u.apply.last);
        } else if (left->kind == DGRAFT_ACTION_READ_READY) {
            cr_assert_eq(left->u.read_ready.index, right->u.read_ready.index);
        } else if (left->kind == DGRAFT_ACTION_MEND) {
            cr_assert_eq(left->u.mend.seq + SHIFT_SEQ, right->u.mend.seq);
            cr_assert_eq(left->u.mend.first, right->u.mend.first);
            cr_assert_eq(left->u.mend.count, right->u.mend.count);
            mends_seen++;
        } else if (left->kind == DGRAFT_ACTION_REOPEN) {
            reopens_seen++;
        }
    }
}

/* Steps a node's core and its disguised twin with the same event. Returns whether the event was one for them. */
static bool step_both(uint32_t number, struct dgraft_event event)
{
    struct dgraft_core *plain = explore_node_core(first);
    struct dgraft_core *twin = explore_node_core(second);
    explore_nodes_unpack(&explore.nodes, number, first);
    explore_nodes_unpack(&explore.nodes, number, second);
    disguise(twin);
    struct dgraft_actions *plain_actions = dgraft_actions_init(actions_room[0], &plain->config);
    struct dgraft_actions *twin_actions = dgraft_actions_init(actions_room[1], &plain->config);
    const enum dgraft_status status = dgraft_step(plain, &event, plain_actions);
    event.now_ns += SHIFT_NS;
    event.u.durable.seq += event.kind == DGRAFT_EVENT_DURABLE ? SHIFT_SEQ : 0;
    cr_assert_eq(dgraft_step(twin, &event, twin_actions), status);
    if (status != DGRAFT_OK) {
        return false;
    }
    assert_same_actions(plain_actions, twin_actions);
    explore_canon(plain);
    explore_canon(twin);
    cr_assert_arr_eq(plain, twin, explore.nodes.node_bytes - EXPLORE_HOST_BYTES, "node %u, event %u", number,
                     event.kind);
    return true;
}

static uint32_t step_events(uint32_t number)
{
    static const struct dgraft_entry command = {.payload_bytes = 8, .kind = DGRAFT_ENTRY_COMMAND};
    const uint32_t writes = explore_nodes_view(&explore.nodes, number)->write_count;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_PROPOSE, .now_ns = EXPLORE_NOW_NS};
    uint32_t pairs = 0;
    event.u.propose =
        (struct dgraft_event_propose){.entries = &command, .count = 1, .kind = DGRAFT_ENTRY_COMMAND, .id = 1};
    pairs += step_both(number, event);
    event = (struct dgraft_event){.kind = DGRAFT_EVENT_READ, .now_ns = EXPLORE_NOW_NS, .u.read.id = 1};
    pairs += step_both(number, event);
    for (uint32_t i = 1; i <= writes; i++) {
        event = (struct dgraft_event){.kind = DGRAFT_EVENT_DURABLE, .now_ns = EXPLORE_NOW_NS, .u.durable.seq = i};
        pairs += step_both(number, event);
    }
    for (int clock = 0; clock < CLOCKS; clock++) {
        event = (struct dgraft_event){.kind = DGRAFT_EVENT_WAKE, .now_ns = explore_canon_clock_ns(clock)};
        pairs += step_both(number, event);
    }
    return pairs;
}

static uint32_t step_arrivals(uint32_t number, uint32_t messages)
{
    uint32_t pairs = 0;
    explore_nodes_unpack(&explore.nodes, number, first);
    const dgraft_node_id self = explore_node_core(first)->config.self;
    for (uint32_t i = 0; i < messages; i++) {
        struct explore_message message;
        struct dgraft_entry entries[EXPLORE_LOG_MAX];
        struct dgraft_event event = {.kind = DGRAFT_EVENT_RECEIVE, .now_ns = EXPLORE_NOW_NS};
        explore_nodes_message(&explore.nodes, i, &message);
        if (message.to == self) {
            explore_event_message(&message, entries, &event.u.receive);
            pairs += step_both(number, event);
            event.now_ns = explore_canon_quiet_ns();
            pairs += step_both(number, event);
        }
    }
    return pairs;
}

static void compare_all(void)
{
    uint32_t pairs = 0;
    for (uint32_t number = 0; number < explore.nodes.nodes.count; number += 7) {
        pairs += step_events(number);
        pairs += step_arrivals(number, explore.nodes.messages.count);
    }
    cr_assert_gt(pairs, PAIRS_WANTED);
    explore_close(&explore);
}

Test(explore_canon, forgets_nothing_that_a_core_acts_upon)
{
    search(0, 0, 0);
    compare_all();
}

Test(explore_canon, forgets_nothing_of_reads_and_transfers)
{
    search(1, 1, 0);
    compare_all();
}

Test(explore_canon, forgets_nothing_of_damage)
{
    search(0, 0, 1);
    compare_all();
    cr_assert_gt(mends_seen, 100);
    cr_assert_gt(reopens_seen, 10);
}

Test(explore_canon, of_a_canonical_core_is_the_same_core)
{
    search(1, 1, 1);
    for (uint32_t number = 0; number < explore.nodes.nodes.count; number++) {
        explore_nodes_unpack(&explore.nodes, number, first);
        explore_nodes_unpack(&explore.nodes, number, second);
        explore_canon(explore_node_core(first));
        cr_assert_arr_eq(first, second, explore.nodes.node_bytes);
        cr_assert_eq(explore_nodes_pack(&explore.nodes, first), number);
    }
    explore_close(&explore);
}

Test(explore_canon, names_exchanged_and_back_are_the_same_names)
{
    static const uint8_t there[EXPLORE_NODES_MAX + 1] = {0, 2, 3, 1, 4, 5};
    static const uint8_t back[EXPLORE_NODES_MAX + 1] = {0, 3, 1, 2, 4, 5};
    search(1, 1, 1);
    const uint32_t count = explore.nodes.nodes.count;
    for (uint32_t number = 0; number < count; number++) {
        const uint32_t other = explore_nodes_rename(&explore.nodes, number, there);
        cr_assert_neq(other, number);
        cr_assert_eq(explore_nodes_rename(&explore.nodes, other, back), number);
    }
    explore_close(&explore);
}
