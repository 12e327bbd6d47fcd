/* The end of a step: what was noted becomes actions, in one order. Entries are in a WRITE before a SEND names them. */
#include "parts.h"

static void write_emit(struct step *step)
{
    struct dgraft_core *core = step->core;
    const bool state = core->term != core->written_term || core->vote != core->written_vote;
    if ((!state && !step->write_entries) || core->poisoned) {
        return; /* what a poisoned node does not save, it does not say either */
    }
    const uint64_t seq = ++core->write_seq;
    const dgraft_index keep = step->write_entries ? step->keep : core->last.index;
    dgraft_core_emit(step, DGRAFT_ACTION_WRITE)->u.write = (struct dgraft_action_write){
        .seq = seq,
        .state = state,
        .term = core->term,
        .vote = core->vote,
        .keep = keep,
        .first = keep + 1,
        .count = step->count,
        .skip = step->skip,
        .entry_term = step->entry_term,
        .made = step->made,
    };
    core->written_term = core->term;
    core->written_vote = core->vote;
    dgraft_core_writes_push(core, seq);
}

static void unknown_emit(struct step *step)
{
    if (step->unknown_first == 0) {
        return;
    }
    dgraft_core_emit(step, DGRAFT_ACTION_OUTCOME)->u.outcome = (struct dgraft_action_outcome){
        .outcome = DGRAFT_OUTCOME_UNKNOWN,
        .of = DGRAFT_OUTCOME_OF_PROPOSALS,
        .leader = step->core->leader,
        .first = step->unknown_first,
        .last = step->unknown_last,
    };
}

/* Sends what waited for the disk: a grant once the vote is durable, and of acknowledgements only the newest, because it
 * says all that the ones before it would have. */
static void replies_emit(struct step *step)
{
    struct dgraft_core *core = step->core;
    if (core->poisoned || !dgraft_core_state_durable(core)) {
        return;
    }
    if (core->grant_due) {
        core->grant_due = false;
        struct dgraft_action_send *send =
            dgraft_core_emit_send(step, dgraft_node_set_of(core->vote), DGRAFT_MESSAGE_VOTE_GRANT);
        send->message.u.vote_reply = (struct dgraft_vote_reply){.term = core->term};
    }
    if (core->role != DGRAFT_ROLE_FOLLOWER || core->leader == 0) {
        return;
    }
    if (core->refuse_due) {
        core->refuse_due = false;
        struct dgraft_action_send *send =
            dgraft_core_emit_send(step, dgraft_node_set_of(core->leader), DGRAFT_MESSAGE_APPEND_REFUSE);
        send->message.u.append_refuse = core->refusal;
    }
    const dgraft_index match = dgraft_core_min(core->durable, core->verified);
    if (core->ack_due || match > core->acked) {
        core->ack_due = false;
        core->acked = dgraft_core_max(core->acked, match);
        struct dgraft_action_send *send =
            dgraft_core_emit_send(step, dgraft_node_set_of(core->leader), DGRAFT_MESSAGE_APPEND_ACK);
        send->message.u.append_ack = (struct dgraft_append_ack){.match = match, .round = core->leader_round};
    }
    if (core->snapshot_ack_due) {
        dgraft_core_snapshot_reply(step);
    }
}

/* Applied means locally durable (rule C6). */
static void apply_emit(struct step *step)
{
    struct dgraft_core *core = step->core;
    const dgraft_index last = dgraft_core_min(core->commit, core->durable);
    if (last <= core->apply_sent) {
        return;
    }
    dgraft_core_emit(step, DGRAFT_ACTION_APPLY)->u.apply =
        (struct dgraft_action_apply){.first = core->apply_sent + 1, .last = last};
    core->apply_sent = last;
}

static void notice(struct step *step, enum dgraft_notice_kind kind, uint64_t before, uint64_t after)
{
    if (before != after) {
        dgraft_core_emit(step, DGRAFT_ACTION_NOTICE)->u.notice =
            (struct dgraft_action_notice){.kind = kind, .before = before, .after = after};
    }
}

void dgraft_core_finish(struct step *step)
{
    struct dgraft_core *core = step->core;
    if (core->role != DGRAFT_ROLE_FOLLOWER && core->role != DGRAFT_ROLE_LEADER) {
        dgraft_core_campaign_progress(step);
    }
    if (core->role == DGRAFT_ROLE_LEADER && step->consider_commit) {
        dgraft_core_commit_advance(step);
    }
    if (core->members_due && core->role == DGRAFT_ROLE_LEADER) {
        dgraft_core_members_progress(step);
    }
    if (core->transfer.target != 0) {
        dgraft_core_transfer_progress(step);
    }
    write_emit(step);
    if (core->repairing) {
        dgraft_core_repair_progress(step);
    }
    unknown_emit(step);
    if (step->drop_reads) {
        dgraft_core_reads_drop(step);
    }
    if (step->change_unknown) {
        dgraft_core_change_drop(step);
    }
    replies_emit(step);
    if (core->role != DGRAFT_ROLE_LEADER && core->reads_count > 0) {
        dgraft_core_follower_reads_progress(step);
    }
    if (step->consider_compact) {
        dgraft_core_compact(step);
    }
    if (core->role == DGRAFT_ROLE_LEADER) {
        if (step->consider_reads && (core->reads_count > 0 || core->remote_reads > 0)) {
            dgraft_core_reads_progress(step);
        }
        dgraft_core_replicate(step);
        if (step->broadcast) {
            dgraft_core_peer_lag_tell(step);
        }
    }
    apply_emit(step);
    notice(step, DGRAFT_NOTICE_TERM, step->term_before, core->term);
    notice(step, DGRAFT_NOTICE_ROLE, step->role_before, core->role);
    notice(step, DGRAFT_NOTICE_LEADER, step->leader_before, core->leader);
    notice(step, DGRAFT_NOTICE_COMMIT, step->commit_before, core->commit);
    notice(step, DGRAFT_NOTICE_DISK, step->disk_alarm_before, core->disk_alarm);
    notice(step, DGRAFT_NOTICE_MEMBERSHIP, step->membership_before, core->membership.index);
}
