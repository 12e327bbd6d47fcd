/* START: a core begins from whatever storage found. Everything is checked before anything is changed. */
#include "parts.h"

static bool position_valid(struct dgraft_position position)
{
    return (position.index == 0) == (position.term == 0);
}

/* A node that is to join knows of no members, and of nothing before them. */
static bool members_valid(const struct dgraft_core *core, const struct dgraft_event_start *start)
{
    if (start->membership.voters == 0) {
        return dgraft_membership_all(&start->membership) == 0 && start->membership.index == 0 &&
               start->before.voters == 0;
    }
    if (!dgraft_core_membership_valid(core, &start->membership) || start->membership.index > start->last.index) {
        return false;
    }
    return start->before.voters == 0 ||
           (dgraft_core_membership_valid(core, &start->before) && start->before.index < start->membership.index);
}

static bool positions_valid(const struct dgraft_event_start *start)
{
    return start->term <= DGRAFT_CORE_TERM_MAX && (start->vote == 0 || dgraft_node_id_valid(start->vote)) &&
           (start->term != 0 || start->vote == 0) && position_valid(start->snapshot.position) &&
           position_valid(start->compacted) && position_valid(start->last) && position_valid(start->floor) &&
           start->compacted.index <= start->snapshot.position.index &&
           (start->snapshot.position.index == 0) == (start->snapshot.size == 0) &&
           start->snapshot.position.index <= start->applied && start->applied <= start->commit &&
           start->commit <= start->last.index && start->floor.index <= start->last.index &&
           start->compacted.term <= start->snapshot.position.term &&
           start->snapshot.position.term <= start->last.term && start->last.term <= start->term;
}

/* Runs ascend in index and term, lie above what is compacted, and the newest ends the log. Where entries are damaged
 * the term may be unknown: 0. */
static bool runs_valid(const struct dgraft_event_start *start)
{
    struct dgraft_term_run before = {.first = start->compacted.index, .term = 0};
    dgraft_term least = start->compacted.term;
    if (start->last.index == start->compacted.index) {
        return start->run_count == 0 && start->last.term == start->compacted.term;
    }
    if (start->run_count == 0 || start->runs == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < start->run_count; i++) {
        const struct dgraft_term_run run = start->runs[i];
        const bool unknown = run.term == 0 && start->damage_count > 0;
        const bool again = i > 0 && run.term == before.term;
        if (run.first <= before.first || again || (!unknown && (run.term == 0 || run.term < least))) {
            return false;
        }
        least = dgraft_core_max(least, run.term);
        before = run;
    }
    return before.first <= start->last.index && before.term == start->last.term;
}

enum dgraft_status dgraft_core_start(struct step *step)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_event_start *start = &step->event->u.start;
    if (core->started || !positions_valid(start) || !runs_valid(start) || !members_valid(core, start)) {
        return DGRAFT_STATUS_MISUSE;
    }
    if (start->recovering) {
        return DGRAFT_STATUS_UNSUPPORTED;
    }
    const uint32_t kept = start->run_count < core->config.runs_max ? start->run_count : core->config.runs_max;
    const struct dgraft_term_run *runs = kept == 0 ? NULL : start->runs + (start->run_count - kept);
    if (kept > 0 && runs[0].first > start->commit + 1) {
        return DGRAFT_STATUS_UNSUPPORTED; /* terms of uncommitted entries would be unknown */
    }
    if (!dgraft_core_damage_valid(start)) {
        return DGRAFT_STATUS_MISUSE;
    }
    core->started = true;
    core->store = start->store;
    core->generation = start->generation;
    core->term = core->written_term = core->durable_term = start->term;
    core->vote = core->written_vote = core->durable_vote = start->vote;
    core->compacted = start->compacted;
    core->snapshot = start->snapshot;
    core->last = start->last;
    core->durable = start->last.index; /* storage has synced all that it shows */
    core->commit = start->commit;
    core->applied = start->applied;
    core->apply_sent = start->applied;
    dgraft_core_runs_load(core, runs, kept);
    dgraft_core_repair_start(core, start);
    core->membership = start->membership;
    core->before = start->before;
    dgraft_core_peers_build(core, 0);
    core->started_ns = core->now_ns;
    core->read_token = core->config.seed ^ core->now_ns; /* an earlier start's answers are not taken for this one's */
    dgraft_core_election_reset(core);

    step->term_before = core->term; /* a beginning is no change: nothing to notice but what is applied */
    step->commit_before = core->commit;
    step->membership_before = core->membership.index;
    return DGRAFT_OK;
}
