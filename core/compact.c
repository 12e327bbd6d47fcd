/* SNAPSHOT: the host has made one of what is applied [§5.1]; and compaction, which follows it at a pace of its own.
 *
 * Not all that a snapshot holds leaves the log at once. A tail before it stays, so that a follower that is late by a
 * moment needs no snapshot, and one that has just got a snapshot does not need the next. A leader keeps more for those
 * that are slow and alive, up to a bound; whoever is silent for an election timeout holds nothing up.
 */
#include "parts.h"

enum dgraft_status dgraft_core_snapshot_made(struct step *step)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_snapshot *made = &step->event->u.snapshot.snapshot;
    const dgraft_term known = dgraft_core_term_at(core, made->position.index);
    if (made->position.index == 0 || made->position.term == 0 || made->size == 0 ||
        made->position.index > core->applied || (known != 0 && known != made->position.term)) {
        return DGRAFT_STATUS_MISUSE;
    }
    if (core->damage_count > 0 && made->position.index >= core->damage[0].damage.first) {
        dgraft_core_repair_snapshot(core); /* what is damaged was applied before: nobody needs it any more */
        return DGRAFT_OK;
    }
    if (made->position.index > core->snapshot.position.index) {
        core->snapshot = *made;
        step->consider_compact = true;
        step->consider_sends = true;
    }
    return DGRAFT_OK;
}

static dgraft_index less(dgraft_index index, uint64_t by)
{
    return index > by ? index - by : 0;
}

/* The last index that no live follower wants an entry at or below of, as far as the bound on the slow allows. */
static dgraft_index spared(const struct dgraft_core *core)
{
    const dgraft_index floor = less(core->snapshot.position.index, core->config.compact_slow_max);
    dgraft_index least = core->snapshot.position.index;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        const bool alive = core->now_ns - peer->answered_at_ns < core->config.election_timeout_ns;
        if (alive && !dgraft_core_needs_snapshot(core, peer)) { /* who needs one goes on behind it */
            least = dgraft_core_min(least, peer->match);
        }
    }
    return dgraft_core_max(least, floor);
}

void dgraft_core_compact(struct step *step)
{
    struct dgraft_core *core = step->core;
    const dgraft_index ahead = core->snapshot_ahead.position.index;
    if (ahead != 0 && ahead <= core->applied) {
        if (ahead > core->snapshot.position.index) {
            core->snapshot = core->snapshot_ahead;
        }
        core->snapshot_ahead = (struct dgraft_snapshot){.size = 0};
    }
    dgraft_index target = less(core->snapshot.position.index, core->config.compact_tail);
    if (target <= core->compacted.index) {
        return;
    }
    if (core->role == DGRAFT_ROLE_LEADER) {
        target = dgraft_core_min(target, spared(core));
    }
    dgraft_term term = dgraft_core_term_at(core, target);
    if (term == 0 && core->runs_count > 0) {
        /* Forgotten: the log begins with the first entry whose term is known. */
        target = dgraft_core_min(dgraft_core_run(core, 0)->first, core->snapshot.position.index);
        term = dgraft_core_term_at(core, target);
    }
    if (target <= core->compacted.index || term == 0) {
        return;
    }
    core->compacted = (struct dgraft_position){.index = target, .term = term};
    dgraft_core_runs_drop(core, target);
    step->consider_sends = true; /* who needs a snapshot now, is sent it */
    dgraft_core_emit(step, DGRAFT_ACTION_COMPACT)->u.compact =
        (struct dgraft_action_compact){.position = core->compacted};
}
