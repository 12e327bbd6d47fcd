/* Changes of the membership, at the leader [§4.1, §4.3]. There is one at a time, and none before an entry of the
 * leader's own term is committed: two leaders would otherwise begin from different memberships, whose majorities need
 * not meet (Ongaro on raft-dev, 2015-07-10; the run is in test_core_change.c).
 *
 * A change of the voters takes two entries: the joint membership, in which a majority of the old and one of the new
 * voters must agree, and when that is committed the new one alone [§4.3]. Whoever leads by then appends the second: it
 * finds a joint membership that is committed, and no newer one. Anything else is one entry.
 *
 *     CHANGE, or a learner to promote --> joint, uncommitted --> joint, committed --> new, uncommitted --> new,
 * committed members_progress appends
 */
#include "parts.h"

/* Whether the newest membership is committed, and this leader knows that it is the newest. */
static bool settled(const struct dgraft_core *core)
{
    return core->commit >= core->term_start && core->commit >= core->membership.index;
}

static bool recent(const struct dgraft_core *core, const struct peer *peer)
{
    return core->now_ns - peer->answered_at_ns < core->config.election_timeout_ns;
}

/* A learner has caught up when a round of replication, up to what was last when the round began, took it less than an
 * election timeout: no more than that may a promotion hold commits up [§4.2.1]. A bound in entries would need to know
 * how fast they are. Rounds go on for as long as it is a learner; there is no number of them after which it fails. */
void dgraft_core_catch_up(struct dgraft_core *core, struct peer *peer)
{
    if (peer->match < peer->catch_up_target) {
        return;
    }
    peer->caught_up = core->now_ns - peer->catch_up_began_ns < core->config.election_timeout_ns;
    peer->catch_up_target = core->last.index;
    peer->catch_up_began_ns = core->now_ns;
    if (peer->caught_up && dgraft_node_set_has(core->membership.promote, peer->id)) {
        core->members_due = true;
    }
}

/* Returns those of `learners` that may become voters now. */
static dgraft_node_set ready(struct dgraft_core *core, dgraft_node_set learners)
{
    dgraft_node_set set = 0;
    for (dgraft_node_set left = learners & core->membership.learners; left != 0; left &= left - 1) {
        const dgraft_node_id id = dgraft_node_set_first(left);
        const struct peer *peer = dgraft_core_peer(core, id);
        if (peer != NULL && peer->caught_up && recent(core, peer)) {
            set |= dgraft_node_set_of(id);
        }
    }
    return set;
}

/* The store of one who is a member already: written down, or as it answered in this leadership. */
static uint64_t store_known(struct dgraft_core *core, dgraft_node_id id)
{
    const struct peer *peer = dgraft_core_peer(core, id);
    const uint64_t written = dgraft_membership_store(&core->membership, id);
    if (written != 0) {
        return written;
    }
    if (id == core->config.self) {
        return core->store;
    }
    return peer != NULL ? peer->store : 0;
}

/* Writes the stores of next's members: what is known of those who stay, what `target` says of those who are new. */
static void stores_fill(struct dgraft_core *core, const struct dgraft_membership *target,
                        struct dgraft_membership *next)
{
    const dgraft_node_set members = dgraft_membership_all(&core->membership);
    uint32_t slot = 0;
    for (uint32_t i = 0; i < DGRAFT_MEMBERS_MAX; i++) {
        next->stores[i] = 0;
    }
    for (dgraft_node_set left = dgraft_membership_all(next); left != 0; left &= left - 1) {
        const dgraft_node_id id = dgraft_node_set_first(left);
        next->stores[slot++] =
            dgraft_node_set_has(members, id) ? store_known(core, id) : dgraft_membership_store(target, id);
    }
}

static bool stores_differ(const struct dgraft_membership *a, const struct dgraft_membership *b)
{
    for (uint32_t i = 0; i < DGRAFT_MEMBERS_MAX; i++) {
        if (a->stores[i] != b->stores[i]) {
            return true;
        }
    }
    return false;
}

/* Appends next, which is in force from then on. */
static void append(struct step *step, struct dgraft_membership *next)
{
    struct dgraft_core *core = step->core;
    DGRAFT_CORE_ASSERT(settled(core) && !step->write_entries && core->last.term == core->term);
    DGRAFT_CORE_ASSERT(dgraft_core_membership_valid(core, next));
    step->write_entries = true;
    step->made = DGRAFT_ENTRY_MEMBERSHIP;
    step->keep = core->last.index;
    step->count = 1;
    step->skip = 0;
    step->entry_term = core->term;
    dgraft_core_runs_append(core, core->last.index + 1, core->term); /* all before it may be compacted */
    next->index = core->last.index;
    dgraft_core_members_set(core, next);
    step->broadcast = true; /* also to whoever is new */
    step->consider_sends = true;
}

/* Makes of target what is to be appended: a joint membership when the voters differ. */
static void next_make(struct dgraft_core *core, const struct dgraft_membership *target, struct dgraft_membership *next)
{
    *next = *target;
    next->outgoing = target->voters == core->membership.voters ? 0 : core->membership.voters;
    stores_fill(core, target, next);
}

static enum dgraft_outcome judge(struct dgraft_core *core, const struct dgraft_membership *target)
{
    if (core->poisoned) {
        return DGRAFT_OUTCOME_DISK;
    }
    if (core->role != DGRAFT_ROLE_LEADER) {
        return DGRAFT_OUTCOME_NOT_LEADER;
    }
    if (core->transfer.target != 0) {
        return DGRAFT_OUTCOME_TRANSFERRING;
    }
    if (!settled(core) || core->membership.outgoing != 0 || core->leaving_round != 0) {
        return DGRAFT_OUTCOME_CHANGING;
    }
    struct dgraft_membership next;
    next_make(core, target, &next);
    if (target->outgoing != 0 || !dgraft_core_membership_valid(core, &next)) {
        return DGRAFT_OUTCOME_INVALID;
    }
    const dgraft_node_set new_voters = target->voters & ~core->membership.voters;
    return ready(core, new_voters) == new_voters ? DGRAFT_OUTCOME_DONE : DGRAFT_OUTCOME_BEHIND;
}

static void answer(struct step *step, uint64_t id, enum dgraft_outcome outcome)
{
    dgraft_core_emit(step, DGRAFT_ACTION_OUTCOME)->u.outcome = (struct dgraft_action_outcome){
        .outcome = outcome, .of = DGRAFT_OUTCOME_OF_CHANGE, .leader = step->core->leader, .id = id};
}

/* CHANGE: begins it, or says why not. */
void dgraft_core_change(struct step *step)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_event_change *change = &step->event->u.change;
    const enum dgraft_outcome outcome = judge(core, &change->target);
    if (outcome != DGRAFT_OUTCOME_DONE) {
        answer(step, change->id, outcome);
        return;
    }
    DGRAFT_CORE_ASSERT(!core->change_pending); /* the one before ended when its last entry was committed */
    struct dgraft_membership next;
    next_make(core, &change->target, &next);
    append(step, &next);
    core->change_pending = true;
    core->change_id = change->id;
    core->change_index = next.index;
}

/* Leadership is lost: others may finish the change, or drop it. */
void dgraft_core_change_drop(struct step *step)
{
    answer(step, step->core->change_id, DGRAFT_OUTCOME_UNKNOWN);
}

/* A leader that is no voter any more has managed the log without counting itself. It goes when the membership without
 * it is committed and a majority has been told, so that they need not find out by an election [§4.2.2]. */
static void leave_when_told(struct step *step)
{
    struct dgraft_core *core = step->core;
    if (core->leaving_round == 0) {
        core->leaving_round = core->round + 1;
        step->broadcast = true;
    } else if (core->transfer.target == 0 && dgraft_core_quorum(core, QUORUM_OF_ROUND) >= core->leaving_round) {
        const dgraft_node_id best = dgraft_core_transfer_best(core);
        if (best != 0) {
            dgraft_core_transfer_begin(step, best); /* when it does not end in time, this node steps down by it */
        } else {
            dgraft_core_become_follower(step);
        }
    }
}

/* The membership that this leader wants by itself: without the old half of a joint one; with learners that were to
 * become voters and have caught up; with stores that it has heard. Returns false when it is content. */
static bool next_wanted(struct dgraft_core *core, struct dgraft_membership *next)
{
    struct dgraft_membership target = core->membership;
    if (core->membership.outgoing != 0) {
        target.outgoing = 0;
        *next = target;
        stores_fill(core, &target, next);
        return true;
    }
    const dgraft_node_set promoted = ready(core, core->membership.promote);
    target.voters |= promoted;
    target.learners &= ~promoted;
    target.promote &= ~promoted;
    next_make(core, &target, next);
    return promoted != 0 || stores_differ(next, &core->membership);
}

/* Does what is left to do, one entry at a time; called while core->members_due. */
void dgraft_core_members_progress(struct step *step)
{
    struct dgraft_core *core = step->core;
    struct dgraft_membership next;
    if (core->departing != 0) {
        dgraft_core_departing_progress(step);
    }
    if (!settled(core)) {
        return;
    }
    if (core->change_pending && core->membership.outgoing == 0) {
        DGRAFT_CORE_ASSERT(core->membership.index >= core->change_index);
        core->change_pending = false;
        answer(step, core->change_id, DGRAFT_OUTCOME_DONE);
    }
    if (!dgraft_node_set_has(dgraft_core_voters(core), core->config.self)) {
        leave_when_told(step);
    } else if (!next_wanted(core, &next)) {
        core->members_due = core->departing != 0;
    } else if (!step->write_entries && core->transfer.target == 0) {
        append(step, &next);
    }
}
