#include "sim_run.h"

#include <stdlib.h>
#include <string.h>

/* Bounds on liveness, in election timeouts. */
#define HEAL_TIMEOUTS  40u
#define QUIET_TIMEOUTS 20u

#define SNAPSHOTS_SEED UINT64_C(0x5eed0f5a45075)
#define ROT_SEED       UINT64_C(0x726f7420726f7420)

bool sim_later(struct sim_run *run, uint64_t delay_ns, uint32_t kind, dgraft_node_id node, uint64_t number, void *data)
{
    const struct sim_planned planned = {
        .at_ns = run->now_ns + delay_ns, .kind = kind, .node = node, .number = number, .data = data};

    if (!sim_queue_push(&run->queue, &planned)) {
        return sim_check_fail(&run->check, "out of memory");
    }
    return true;
}

/* Returns the node of a carrier's name "n1:1"; 0 when it is none. */
static uint32_t node_of(const struct sim_run *run, const struct dgraft_address *address)
{
    const uint32_t id = address->size == 4 && address->bytes[0] == 'n' ? (uint32_t)(address->bytes[1] - '0') : 0;
    return id <= run->plan.nodes ? id : 0;
}

static void deliver(void *context, const struct dgraft_address *from, const struct dgraft_address *to,
                    const uint8_t *bytes, size_t size)
{
    struct sim_run *run = context;
    const uint32_t sender = node_of(run, from);
    const uint32_t receiver = node_of(run, to);

    sim_trace_event(&run->trace, sender, SIM_EVENT_SEND, bytes, size);
    sim_check_sent(&run->check, sender, receiver, bytes, size);
    if (receiver != 0) {
        sim_network_send(&run->network, run->now_ns, sender, receiver, bytes, size);
    }
}

static void plan_arrival(void *context, uint64_t delay_ns, struct sim_packet *packet)
{
    if (!sim_later(context, delay_ns, SIM_PLAN_ARRIVE, packet->to, 0, packet)) {
        free(packet);
    }
}

static void arrive(struct sim_run *run, struct sim_packet *packet)
{
    struct sim_node *node = &run->nodes[packet->to];

    const bool overflows = node->deaf && node->paused_until_ns > run->now_ns;
    if (overflows) {
        run->counts.of[SIM_COUNT_DATAGRAM_OVERFLOW]++;
    }
    if (node->driver != NULL && !overflows) {
        struct dgraft_address from;
        struct dgraft_address to;
        if (packet->damaged) {
            sim_check_damaged(&run->check, packet->bytes, packet->size);
        }
        sim_trace_event(&run->trace, packet->to, SIM_EVENT_DELIVER, packet->bytes, packet->size);
        dgraft_memory_address(run->nodes[packet->from].name, &from);
        dgraft_memory_address(node->name, &to);
        dgraft_memory_hub_inject(run->hub, &from, &to, packet->bytes, packet->size);
        sim_node_plan_turn(node, run->now_ns);
    }
    free(packet);
}

static void happen(struct sim_run *run, const struct sim_planned *planned)
{
    struct sim_node *node = &run->nodes[planned->node];

    switch ((enum sim_plan_kind)planned->kind) {
    case SIM_PLAN_ARRIVE:
        arrive(run, planned->data);
        break;
    case SIM_PLAN_TURN:
        if (node->driver != NULL && planned->number == node->turn_number) {
            sim_node_turn(node);
        }
        break;
    case SIM_PLAN_PERFORM:
        if (node->driver != NULL && planned->number == node->incarnation) {
            sim_node_perform(node);
        }
        break;
    case SIM_PLAN_FILES:
        if (node->driver != NULL && planned->number == node->incarnation) {
            sim_snapshots_work(node);
        }
        break;
    case SIM_PLAN_RESTART:
        if (planned->number == node->incarnation) {
            sim_node_open(node);
        }
        break;
    case SIM_PLAN_FAULT:
        if (run->phase == SIM_PHASE_FAULTS) {
            sim_fault(run);
        }
        break;
    case SIM_PLAN_HEAL:
        sim_network_heal(&run->network);
        break;
    case SIM_PLAN_SESSION:
        sim_session_client(run);
        break;
    case SIM_PLAN_CLIENT:
        sim_client(run);
        break;
    }
}

/* Goes on until a moment, or a finding, or the bound on events. */
static bool go_on(struct sim_run *run, uint64_t until_ns)
{
    struct sim_planned planned;

    while (!sim_check_broken(&run->check) && sim_queue_pop(&run->queue, &planned)) {
        if (planned.at_ns > until_ns) {
            run->now_ns = until_ns;
            return sim_queue_push(&run->queue, &planned);
        }
        if (run->options.steps_now != NULL) {
            *run->options.steps_now = run->steps;
        }
        run->now_ns = planned.at_ns;
        run->trace.now_ns = planned.at_ns;
        happen(run, &planned);
        run->steps++;
        if (run->options.steps_max != 0 && run->steps >= run->options.steps_max) {
            return false;
        }
    }
    return !sim_check_broken(&run->check);
}

/* The membership that a node goes by at this moment, in the middle of a turn. */
static const struct dgraft_membership *claimed(void *context, dgraft_node_id node)
{
    struct sim_run *run = context;
    struct dgraft_driver_status status;
    if (run->nodes[node].driver == NULL) {
        return NULL;
    }
    dgraft_driver_status(run->nodes[node].driver, &status);
    run->claimed = status.core.membership;
    return &run->claimed;
}

static bool make_world(struct sim_run *run)
{
    if (!sim_check_open(&run->check, run->plan.nodes, &run->counts, &run->trace)) {
        return sim_check_fail(&run->check, "out of memory");
    }
    run->network = (struct sim_network){.random = sim_random_fork(&run->random),
                                        .rates = run->plan.network,
                                        .counts = &run->counts,
                                        .plan = plan_arrival,
                                        .context = run,
                                        .election_timeout_ns = run->election_timeout_ns};
    run->hub = dgraft_memory_hub_open(deliver, run);
    run->check.claimed = claimed;
    run->check.claimed_context = run;
    run->members.count = run->plan.founders;
    for (uint32_t id = 1; id <= run->plan.founders; id++) {
        struct dgraft_member *member = &run->members.items[id - 1];
        member->id = id;
        member->roles = DGRAFT_MEMBER_VOTER;
        snprintf(member->address, sizeof member->address, "n%u:%u", id, id);
    }
    run->cluster = dgraft_cluster_id("simulated", &run->members);
    run->check.cluster = run->cluster;
    for (uint32_t id = 1; id <= run->plan.nodes && run->hub != NULL; id++) {
        if (!sim_node_format(run, id)) {
            return false;
        }
    }
    return run->hub != NULL;
}

static void fail_faults(struct sim_run *run)
{
    run->phase = SIM_PHASE_FAULTS;
    for (uint32_t id = 1; id <= run->plan.nodes; id++) {
        sim_node_open(&run->nodes[id]);
    }
    sim_later(run, sim_random_below(&run->random, 2 * run->plan.fault_every_ns), SIM_PLAN_FAULT, 0, 0, NULL);
    sim_later(run, 0, SIM_PLAN_CLIENT, 0, 0, NULL);
    sim_later(run, 0, SIM_PLAN_SESSION, 0, 0, NULL);
}

/* Returns the one leader; NULL when there is none, or more than one. */
static struct sim_node *only_leader(struct sim_run *run)
{
    struct sim_node *leader = NULL;

    for (uint32_t id = 1; id <= run->plan.nodes; id++) {
        if (run->nodes[id].driver == NULL) {
            return NULL;
        }
        if (run->check.ghosts[id].seen.role == DGRAFT_ROLE_LEADER) {
            if (leader != NULL) {
                return NULL;
            }
            leader = &run->nodes[id];
        }
    }
    return leader;
}

/* Returns whether every member has applied it, and all of them know one membership, which is not on its way elsewhere.
 */
static bool all_have(const struct sim_run *run, const struct sim_node *leader, const struct sim_operation *operation)
{
    const struct dgraft_membership *members = &run->check.ghosts[leader->id].seen.membership;
    if (!operation->ended || !operation->counts || operation->end == UINT64_MAX || members->outgoing != 0 ||
        members->promote != 0 || !dgraft_node_set_has(members->voters, leader->id)) {
        return false;
    }
    for (dgraft_node_set left = dgraft_membership_all(members); left != 0; left &= left - 1) {
        const struct sim_node *node = &run->nodes[dgraft_node_set_first(left)];
        if (node->machine.values[operation->key] != operation->number || node->machine.hash != leader->machine.hash ||
            run->check.ghosts[node->id].seen.membership.index != members->index) {
            return false;
        }
    }
    return true;
}

/* L-ELECT and L-COMMIT: soon there is one leader, it commits, and every node applies the same. */
static bool recovers(struct sim_run *run)
{
    const uint64_t deadline = run->now_ns + HEAL_TIMEOUTS * run->election_timeout_ns;
    struct sim_operation *last = NULL;

    run->phase = SIM_PHASE_HEALING;
    run->committed_healed = run->check.committed_last;
    sim_heal(run);
    while (run->now_ns < deadline) {
        if (!go_on(run, run->now_ns + 10 * SIM_MS)) {
            return false;
        }
        struct sim_node *leader = only_leader(run);
        sim_operate(run);
        if (last != NULL && leader != NULL && all_have(run, leader, last)) {
            run->counts.of[SIM_COUNT_HEALED]++;
            return true;
        }
        if (leader != NULL && (last == NULL || (last->ended && (!last->counts || last->end == UINT64_MAX)))) {
            last = sim_propose(run, leader, 64);
        }
    }
    if (last == NULL) {
        return sim_check_fail(&run->check, "L-ELECT: no single leader within %u election timeouts", HEAL_TIMEOUTS);
    }
    return sim_check_fail(&run->check, "L-COMMIT: operation %llu not applied everywhere within %u election timeouts",
                          (unsigned long long)last->number, HEAL_TIMEOUTS);
}

static dgraft_term newest_term(const struct sim_run *run)
{
    dgraft_term newest = 0;
    for (uint32_t id = 1; id <= run->plan.nodes; id++) {
        const dgraft_term term = run->check.ghosts[id].seen.term;
        newest = term > newest ? term : newest;
    }
    return newest;
}

/* L-QUIET, and that nothing was left unanswered. */
static bool stays_quiet(struct sim_run *run)
{
    const dgraft_term before = newest_term(run);

    run->phase = SIM_PHASE_QUIET;
    if (!go_on(run, run->now_ns + QUIET_TIMEOUTS / 2 * run->election_timeout_ns)) {
        return false;
    }
    const uint64_t sent = run->counts.of[SIM_COUNT_SNAPSHOT_CHUNK];
    if (!go_on(run, run->now_ns + QUIET_TIMEOUTS / 2 * run->election_timeout_ns)) {
        return false;
    }
    if (run->counts.of[SIM_COUNT_SNAPSHOT_CHUNK] != sent) {
        return sim_check_fail(&run->check, "L-QUIET: a snapshot is still being sent in a healthy cluster");
    }
    /* A leader that finds its own log rotten, late, goes. */
    if (newest_term(run) != before && run->counts.of[SIM_COUNT_SCRUB_FOUND] == run->scrub_found_healed) {
        return sim_check_fail(&run->check, "L-QUIET: the term rose from %llu to %llu in a healthy cluster",
                              (unsigned long long)before, (unsigned long long)newest_term(run));
    }
    for (uint64_t i = 0; i < run->operation_count; i++) {
        const struct sim_operation *operation = run->operations[i];
        if (!operation->ended && operation->sequence == 0 &&
            run->nodes[operation->node].incarnation == operation->incarnation) {
            return sim_check_fail(&run->check, "I-REPLY: operation %llu of node %u was never answered",
                                  (unsigned long long)operation->number, operation->node);
        }
    }
    return true;
}

static void tear_down(struct sim_run *run)
{
    struct sim_planned planned;

    run->check.finding[SIM_FINDING_BYTES - 1] = '\0';
    for (uint32_t id = 1; id <= run->plan.nodes; id++) {
        if (run->nodes[id].disk != NULL) {
            sim_node_free(&run->nodes[id]);
        }
    }
    if (run->hub != NULL) {
        dgraft_memory_hub_close(run->hub);
    }
    while (sim_queue_pop(&run->queue, &planned)) {
        free(planned.data);
    }
    sim_queue_close(&run->queue);
    sim_clients_free(run);
    sim_check_close(&run->check);
}

void sim_run(const struct sim_options *options, struct sim_result *result)
{
    struct sim_run *run = calloc(1, sizeof *run);

    *result = (struct sim_result){0};
    if (run == NULL) {
        snprintf(result->finding, sizeof result->finding, "out of memory");
        return;
    }
    run->options = *options;
    run->random.state = options->seed;
    run->trace.out = options->trace;
    run->election_timeout_ns = 150 * SIM_MS;
    sim_plan_draw(&run->plan, &run->random, options->nodes);
    run->snapshots_random.state = options->seed ^ SNAPSHOTS_SEED;
    sim_snapshots_draw(&run->plan, &run->snapshots_random);
    run->rot_random.state = options->seed ^ ROT_SEED;
    sim_rot_plan(&run->plan, &run->rot_random);
    if (make_world(run)) {
        fail_faults(run);
        if (go_on(run, run->plan.faulty_ns) && recovers(run) && stays_quiet(run)) {
            sim_history_check(run);
        }
    }
    result->hash = run->trace.hash;
    result->events = run->trace.events;
    result->steps = run->steps;
    result->simulated_ns = run->now_ns;
    result->nodes = run->plan.nodes;
    result->counts = run->counts;
    memcpy(result->finding, run->check.finding, sizeof result->finding);
    tear_down(run);
    free(run);
}
