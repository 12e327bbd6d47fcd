/* SNAPSHOT_RECEIVED: a leader's snapshot is whole, checked and durable here, under its own name, so that a start would
 * find it. What it holds is committed; nothing that this node knows may fall because of it: not term, vote, commit, or
 * what is applied.
 *
 * If the log holds the snapshot's last entry, it holds all before it as well (Log Matching [§3.5]): then the snapshot
 * only tells that they are committed, and they are applied from the log. Otherwise the whole log gives way: an entry of
 * another term at that place, or behind it, conflicts with what is committed, and one before it is in the snapshot
 * [§5.1]. A conflicting entry that stayed would be refused with every append after it, and the snapshot sent for ever.
 */
#include "parts.h"

static bool membership_usable(const struct dgraft_core *core, const struct dgraft_event_snapshot_received *received)
{
    return dgraft_core_membership_valid(core, &received->membership) &&
           received->membership.index <= received->snapshot.position.index;
}

/* The log gives way. Writes under way count no further than the snapshot, which itself is durable. */
static void install(struct step *step, const struct dgraft_event_snapshot_received *received)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_position position = received->snapshot.position;
    dgraft_core_become_follower(step);
    dgraft_core_writes_clip(core, position.index);
    core->runs_head = 0;
    core->runs_count = 0;
    core->last = position;
    core->compacted = position;
    core->snapshot = received->snapshot;
    core->snapshot_ahead = (struct dgraft_snapshot){.size = 0};
    core->durable = position.index;
    core->verified = position.index;
    core->commit = position.index;
    core->apply_sent = position.index;
    core->applied = position.index;
    if (core->membership.index != received->membership.index || core->before.voters != 0) {
        core->membership = received->membership; /* the newest was in the log, and the log is gone [§5.1] */
        core->before = (struct dgraft_membership){.index = 0};
        dgraft_core_peers_build(core, 0);
        dgraft_core_election_extend(core); /* whether it may campaign has changed, perhaps */
    }
    const uint64_t seq = ++core->write_seq;
    dgraft_core_emit(step, DGRAFT_ACTION_INSTALL)->u.install =
        (struct dgraft_action_install){.seq = seq, .position = position};
    dgraft_core_writes_push(core, seq);
    if (position.term > core->term) {
        dgraft_core_adopt_term(step, position.term); /* its chunks were stored, and then a crash took the term back */
    }
}

enum dgraft_status dgraft_core_snapshot_received(struct step *step)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_event_snapshot_received *received = &step->event->u.snapshot_received;
    const struct dgraft_position position = received->snapshot.position;
    if (position.index == 0 || position.term == 0 || position.term > DGRAFT_CORE_TERM_MAX ||
        received->snapshot.size == 0) {
        return DGRAFT_STATUS_MISUSE;
    }
    if (dgraft_snapshot_equal(&received->snapshot, &core->receiving)) {
        core->receiving = (struct dgraft_snapshot){.size = 0};
        core->received = 0;
        core->received_next = 0;
        core->stores = 0;
    }
    if (core->poisoned || position.index <= core->snapshot.position.index ||
        position.index <= core->snapshot_ahead.position.index || !membership_usable(core, received)) {
        core->ignored++;
        return DGRAFT_OK;
    }
    const dgraft_term known = dgraft_core_term_at(core, position.index);
    const bool committed = position.index <= core->commit;
    const bool holds = known == position.term || (committed && known == 0);
    if (!holds && (committed || core->role == DGRAFT_ROLE_LEADER)) {
        dgraft_core_poison(step); /* a leader's log holds all that is committed, and what is committed never differs */
        return DGRAFT_OK;
    }
    if (core->repairing && (!holds || core->damage_count == 0 || position.index >= core->damage[0].damage.first)) {
        dgraft_core_repair_snapshot(core); /* the next START finds it, and a log that goes on behind it */
        return DGRAFT_OK;
    }
    if (!holds) {
        install(step, received);
    } else {
        core->snapshot_ahead = received->snapshot;
        if (core->role != DGRAFT_ROLE_LEADER) {
            core->commit = dgraft_core_max(core->commit, position.index);
        }
        step->consider_compact = true;
    }
    core->verified = dgraft_core_max(core->verified, position.index);
    core->ack_due = core->role == DGRAFT_ROLE_FOLLOWER;
    return DGRAFT_OK;
}
