#include "sim_run.h"

enum fault {
    FAULT_PARTITION,
    FAULT_CRASH,
    FAULT_KILL,
    FAULT_CRASH_ALL,
    FAULT_PAUSE,
    FAULT_STALL,
    FAULT_SYNC,
    FAULT_FULL,
    FAULT_CLOSE,
    FAULT_LEADER,
    FAULT_TRANSFER,
    FAULT_TOTAL
};

static struct sim_node *any_node(struct sim_run *run)
{
    return &run->nodes[sim_random_between(&run->random, 1, run->plan.nodes)];
}

/* Returns a node that believes to lead, or any. */
static struct sim_node *leading_node(struct sim_run *run)
{
    for (uint32_t id = 1; id <= run->plan.nodes; id++) {
        const struct sim_ghost *ghost = &run->check.ghosts[id];
        if (run->nodes[id].driver != NULL && ghost->seen.role == DGRAFT_ROLE_LEADER) {
            return &run->nodes[id];
        }
    }
    return any_node(run);
}

static void crash_all(struct sim_run *run)
{
    run->counts.of[SIM_COUNT_CRASH_ALL]++;
    for (uint32_t id = 1; id <= run->plan.nodes; id++) {
        sim_node_crash(&run->nodes[id], SIM_CRASH_POWER);
    }
}

static void pause(struct sim_run *run, struct sim_node *node)
{
    if (node->driver == NULL) {
        return;
    }
    run->counts.of[SIM_COUNT_PAUSE]++;
    /* What arrives meanwhile waits, or finds the receive buffer full. */
    node->deaf = sim_random_chance(&run->random, 500000);
    /* It may be stopped in the middle of a turn, which then goes on with a clock that it read before. */
    node->slept_at_ns = sim_random_chance(&run->random, 300000) ? sim_node_clock(node) : 0;
    node->paused_until_ns = run->now_ns + sim_random_between(&run->random, 10, 1200) * SIM_MS;
    sim_trace_line(&run->trace, node->id, "paused");
}

static void part(struct sim_run *run)
{
    if (run->plan.nodes < 2) {
        return;
    }
    sim_network_heal(&run->network);
    if (sim_random_chance(&run->random, 300000)) {
        sim_network_isolate(&run->network, run->plan.nodes, leading_node(run)->id);
    } else {
        sim_network_part(&run->network, run->plan.nodes);
    }
    sim_trace_line(&run->trace, 0, "partition");
    sim_later(run, sim_random_between(&run->random, 50, 3000) * SIM_MS, SIM_PLAN_HEAL, 0, 0, NULL);
}

static void strike(struct sim_run *run, struct sim_node *node, enum fault fault)
{
    switch (fault) {
    case FAULT_PARTITION:
        part(run);
        break;
    case FAULT_CRASH:
        run->counts.of[SIM_COUNT_CRASH_POWER] += node->driver != NULL;
        sim_node_crash(node, SIM_CRASH_POWER);
        break;
    case FAULT_KILL:
        run->counts.of[SIM_COUNT_CRASH_PROCESS] += node->driver != NULL;
        sim_node_crash(node, SIM_CRASH_PROCESS);
        break;
    case FAULT_CRASH_ALL:
        crash_all(run);
        break;
    case FAULT_PAUSE:
        pause(run, sim_random_chance(&run->random, 400000) ? leading_node(run) : node);
        break;
    case FAULT_STALL:
        node->slow_until_ns = run->now_ns + sim_random_between(&run->random, 20, 1500) * SIM_MS;
        sim_trace_line(&run->trace, node->id, "disk stalls");
        break;
    case FAULT_SYNC:
        node->disk->failing_syncs = 1;
        sim_trace_line(&run->trace, node->id, "next sync fails");
        break;
    case FAULT_FULL:
        node->disk->room = sim_random_below(&run->random, 3 * run->plan.segment_bytes);
        sim_trace_line(&run->trace, node->id, "disk fills up");
        break;
    case FAULT_CLOSE:
        sim_node_close(node);
        break;
    case FAULT_LEADER:
        sim_node_crash(leading_node(run), SIM_CRASH_POWER);
        break;
    case FAULT_TRANSFER:
        sim_transfer(run, sim_random_chance(&run->random, 800000) ? leading_node(run) : node);
        break;
    case FAULT_TOTAL:
        break;
    }
}

static void churn(struct sim_run *run)
{
    if (sim_random_chance(&run->random, 150000)) {
        sim_wipe(run, any_node(run));
    } else {
        sim_change(run, sim_random_chance(&run->random, 900000) ? leading_node(run) : any_node(run));
    }
}

void sim_fault(struct sim_run *run)
{
    /* How often each comes, of 100. */
    static const uint32_t shares[FAULT_TOTAL] = {25, 12, 11, 3, 12, 10, 4, 4, 5, 6, 8};
    uint64_t drawn = sim_random_below(&run->random, 100);
    int fault = 0;

    while (fault + 1 < FAULT_TOTAL && drawn >= shares[fault]) {
        drawn -= shares[fault];
        fault++;
    }
    sim_trace_event(&run->trace, 0, SIM_EVENT_FAULT, &fault, sizeof fault);
    if (sim_random_chance(&run->random, run->plan.churn)) {
        churn(run);
    } else {
        strike(run, any_node(run), (enum fault)fault);
    }
    sim_rot(&run->nodes[run->plan.rotting]);
    if (run->plan.snapshots.every != 0) {
        sim_snapshots_ask(run, &run->nodes[sim_random_between(&run->snapshots_random, 1, run->plan.nodes)]);
    }
    const uint64_t mean = run->plan.fault_every_ns;
    sim_later(run, sim_random_between(&run->random, mean / 10, 2 * mean), SIM_PLAN_FAULT, 0, 0, NULL);
}

void sim_heal(struct sim_run *run)
{
    struct sim_network_rates *rates = &run->network.rates;

    sim_trace_line(&run->trace, 0, "everything heals");
    run->scrub_found_healed = run->counts.of[SIM_COUNT_SCRUB_FOUND];
    sim_network_heal(&run->network);
    *rates = (struct sim_network_rates){.delay_min_ns = 20000, .delay_max_ns = 2 * SIM_MS};
    run->plan.sync_max_ns = run->plan.sync_min_ns + SIM_MS;
    run->plan.turn_slack_ns = 0;
    for (uint32_t id = 1; id <= run->plan.nodes; id++) {
        struct sim_node *node = &run->nodes[id];
        node->disk->rates.short_read = 0;
        node->disk->rates.short_write = 0;
        node->disk->rates.eintr = 0;
        node->disk->failing_syncs = 0;
        node->disk->room = UINT64_MAX;
        node->slow_until_ns = 0;
        if (node->driver == NULL) {
            sim_node_open(node);
        }
        node->paused_until_ns = 0;
        node->slept_at_ns = 0;
        if (node->working) {
            sim_later(run, SIM_MS, SIM_PLAN_FILES, node->id, node->incarnation, NULL); /* however late it was to be */
        }
        node->turn_at_ns = UINT64_MAX;
        sim_node_plan_turn(node, run->now_ns);
    }
}
