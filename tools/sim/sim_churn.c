/* An operator, and somebody who exchanges disks: members come, go, are promoted and demoted at random, and a disk is
 * wiped and put back under its old id. What an operator can break by asking for it is spared: nobody asks for anything
 * but its removal while a member's disk is gone, and a disk goes only when every other voter knows which one it was.
 */
#include "sim_run.h"

#include <stdlib.h>

static const struct dgraft_core_status *seen(const struct sim_run *run, dgraft_node_id id)
{
    return &run->check.ghosts[id].seen;
}

static struct sim_node *leader_of(struct sim_run *run)
{
    struct sim_node *leader = NULL;
    for (dgraft_node_id id = 1; id <= run->plan.nodes; id++) {
        struct sim_node *node = &run->nodes[id];
        if (node->driver != NULL && seen(run, id)->role == DGRAFT_ROLE_LEADER &&
            (leader == NULL || seen(run, id)->term > seen(run, leader->id)->term)) {
            leader = node;
        }
    }
    return leader;
}

/* Returns a member of the newest committed membership whose disk is not the one written down for it; 0: none. */
static dgraft_node_id wiped_member(const struct sim_run *run)
{
    const struct sim_membership *now = sim_members_committed(&run->check);
    for (dgraft_node_id id = 1; now != NULL && id <= run->plan.nodes; id++) {
        const uint64_t store = dgraft_membership_store(&now->membership, id);
        if (store != 0 && store != run->check.ghosts[id].store) {
            return id;
        }
    }
    return 0;
}

static void answered(void *context, const struct dgraft_change_answer *answer)
{
    struct sim_node *node = context;
    uint64_t *counts = node->run->counts.of;
    node->changing = false;
    counts[SIM_COUNT_CHANGE_DONE] += answer->fate == DGRAFT_PROPOSAL_COMMITTED;
    counts[SIM_COUNT_CHANGE_REFUSED] += answer->fate == DGRAFT_PROPOSAL_REFUSED;
    counts[SIM_COUNT_CHANGE_UNKNOWN] += answer->fate == DGRAFT_PROPOSAL_UNKNOWN;
    sim_trace_line(&node->run->trace, node->id, "answers the change: %s", answer->why != NULL ? answer->why : "done");
}

static void ask(struct sim_run *run, struct sim_node *node, enum dgraft_change_kind kind, dgraft_node_id member)
{
    if (node->driver == NULL || node->changing) {
        return;
    }
    node->change = (struct dgraft_change){.kind = kind,
                                          .member = member,
                                          .address = run->nodes[member].name,
                                          .store = run->check.ghosts[member].store,
                                          .context = node,
                                          .answered = answered};
    if (dgraft_driver_change(node->driver, &node->change) == DGRAFT_OK) {
        node->changing = true;
        sim_trace_line(&run->trace, node->id, "is asked for change %u of node %u", (unsigned)kind, member);
        sim_node_plan_turn(node, run->now_ns);
    }
}

/* Returns an id of the set at random, 0 when it is empty. */
static dgraft_node_id pick(struct sim_run *run, dgraft_node_set set)
{
    uint32_t count = dgraft_node_set_count(set);
    if (count == 0) {
        return 0;
    }
    for (uint64_t nth = sim_random_below(&run->random, count); nth > 0; nth--) {
        set &= set - 1;
    }
    return dgraft_node_set_first(set);
}

void sim_change(struct sim_run *run, struct sim_node *node)
{
    const struct dgraft_membership *now = &seen(run, node->id)->membership;
    const dgraft_node_set everybody = (UINT64_C(1) << run->plan.nodes) - 1;
    const dgraft_node_set strangers = everybody & ~dgraft_membership_all(now);
    const dgraft_node_id wiped = wiped_member(run);
    const uint64_t drawn = sim_random_below(&run->random, 100);
    enum dgraft_change_kind kind = DGRAFT_CHANGE_REMOVE;
    dgraft_node_id member = 0;

    if (wiped != 0) {
        member = wiped;
    } else if (drawn < 45 && strangers != 0) {
        kind = drawn < 12 ? DGRAFT_CHANGE_ADD_LEARNER : DGRAFT_CHANGE_ADD_VOTER;
        member = pick(run, strangers);
    } else if (drawn < 60 && now->learners != 0) {
        kind = DGRAFT_CHANGE_PROMOTE;
        member = pick(run, now->learners);
    } else if (drawn < 68) {
        kind = DGRAFT_CHANGE_DEMOTE;
        member = pick(run, now->voters);
    } else if (drawn < 78 && dgraft_node_set_has(now->voters, node->id)) {
        member = node->id; /* whoever leads removes itself */
    } else {
        member = pick(run, now->voters | now->learners);
    }
    if (member != 0) {
        ask(run, node, kind, member);
    }
}

/* Returns whether all know the newest membership, which is not joint, and nothing newer is under way anywhere. */
static bool all_settled(const struct sim_run *run, const struct sim_membership *now)
{
    if (now == NULL || now->membership.outgoing != 0 || now->membership.promote != 0) {
        return false;
    }
    for (dgraft_node_id id = 1; id <= run->plan.nodes; id++) {
        const struct sim_ghost *ghost = &run->check.ghosts[id];
        const bool member = dgraft_node_set_has(dgraft_membership_all(&now->membership), id);
        if (run->nodes[id].changing) {
            return false;
        }
        if (member && (run->nodes[id].driver == NULL || ghost->seen.membership.index != now->position.index ||
                       ghost->last < now->position.index)) {
            return false;
        }
        if (member && dgraft_membership_store(&now->membership, id) != ghost->store) {
            return false; /* not written down, or wiped already */
        }
    }
    return true;
}

void sim_wipe(struct sim_run *run, struct sim_node *node)
{
    const struct sim_membership *now = sim_members_committed(&run->check);

    if (node->driver == NULL || !all_settled(run, now) || dgraft_node_set_count(now->membership.voters) < 3 ||
        !dgraft_node_set_has(now->membership.voters, node->id)) {
        return;
    }
    sim_node_crash(node, SIM_CRASH_POWER);
    if (!sim_check_broken(&run->check) && sim_node_replace_disk(node)) {
        run->counts.of[SIM_COUNT_WIPED]++;
        sim_trace_line(&run->trace, node->id, "comes back with an empty disk");
    }
}

void sim_operate(struct sim_run *run)
{
    struct sim_node *leader = leader_of(run);
    const dgraft_node_id wiped = wiped_member(run);
    if (leader != NULL && wiped != 0) {
        ask(run, leader, DGRAFT_CHANGE_REMOVE, wiped);
    }
}
