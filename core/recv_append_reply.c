/* APPEND_ACK and APPEND_REFUSE, at the leader. Only an acknowledgement ever raises match, only a refusal ever lowers
 * next; both are harmless when late or repeated (rule C8).
 */
#include "parts.h"

/* Returns false when the answer is not one to this leadership. */
bool dgraft_core_answer_counts(struct step *step, struct peer *peer, const struct dgraft_message *message,
                               uint64_t round)
{
    struct dgraft_core *core = step->core;
    if (message->term > core->term) {
        dgraft_core_adopt_term(step, message->term);
        return false;
    }
    if (message->term < core->term || core->role != DGRAFT_ROLE_LEADER || round > core->round ||
        round < peer->first_round) {
        core->ignored++;
        return false;
    }
    peer->answered_at_ns = core->now_ns;
    if (peer->store == 0 && message->store != 0) {
        peer->store = message->store; /* to be written down */
        core->members_due = true;
    }
    if (round > peer->acked_round) {
        peer->acked_round = round;
        step->consider_reads = true;
    }
    return true;
}

void dgraft_core_recv_ack(struct step *step, struct peer *peer, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    const dgraft_index match = message->u.append_ack.match;
    if (match > core->last.index && message->term == core->term) {
        core->ignored++; /* nobody can have verified what this leader does not have */
        return;
    }
    if (!dgraft_core_answer_counts(step, peer, message, message->u.append_ack.round)) {
        return;
    }
    if (peer->snapshot_wanted && match >= peer->snapshot_index) {
        peer->snapshot_wanted = false;
    }
    if (match > peer->match) {
        peer->match = match;
        peer->blocked = false; /* not by less: one that is full refuses and acknowledges each time it is asked */
        peer->progress_at_ns = core->now_ns;
        step->consider_commit = match > core->commit; /* who has only what is committed already, commits no more */
    }
    if (peer->probing && peer->match >= peer->next - 1) {
        peer->probing = false;
    }
    peer->next = dgraft_core_max(peer->next, peer->match + 1);
    step->consider_compact = core->snapshot.position.index > core->compacted.index;
    dgraft_core_inflight_free(core, peer, peer->match);
    if (dgraft_node_set_has(core->membership.learners, peer->id)) {
        dgraft_core_catch_up(core, peer);
    }
    if (peer->match >= core->commit && peer->commit_told < core->commit) {
        dgraft_core_news(core); /* it has now what was committed without it */
    }
    step->consider_sends = true;
}

/* Finds where to go on after a mismatch: at most one refusal for each term in which the logs differ [§3.5]. */
static void step_back(struct step *step, struct peer *peer, const struct dgraft_append_refuse *refuse)
{
    struct dgraft_core *core = step->core;
    const dgraft_index below = refuse->prev - 1;
    const dgraft_index hint = dgraft_core_min(refuse->hint.index, below);
    dgraft_index at = hint;
    peer->probing = true;
    if (hint == refuse->hint.index && (hint == 0 || dgraft_core_term_at(core, hint) == refuse->hint.term)) {
        peer->probing = false; /* both logs have this very position: they agree up to it */
    } else {
        at = dgraft_core_runs_floor(core, hint, refuse->hint.term);
    }
    if (at <= peer->match) {
        at = peer->match;
        peer->probing = false;
    }
    peer->next = at + 1;
    peer->probe_due = peer->probing;
    step->probes = peer->probe_due;
}

void dgraft_core_recv_refuse(struct step *step, struct peer *peer, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_append_refuse *refuse = &message->u.append_refuse;
    if (!dgraft_core_answer_counts(step, peer, message, refuse->round)) {
        return;
    }
    const bool stale = refuse->prev <= peer->match || refuse->prev >= core->last.index + 1 ||
                       refuse->round < peer->recover_round || (peer->probing && refuse->prev != peer->next - 1);
    if (refuse->reason != DGRAFT_REFUSE_MISMATCH && refuse->reason != DGRAFT_REFUSE_FULL) {
        return; /* it says that it lives, and no more */
    }
    if (refuse->reason == DGRAFT_REFUSE_FULL) {
        if (refuse->prev >= peer->match && refuse->prev < peer->next) {
            dgraft_core_inflight_reset(peer);
            peer->next = refuse->prev + 1;
            peer->blocked = true;
        }
        return;
    }
    if (stale || refuse->hint.index > refuse->prev || (refuse->hint.index == 0) != (refuse->hint.term == 0)) {
        core->ignored++;
        return;
    }
    step_back(step, peer, refuse);
    dgraft_core_inflight_reset(peer);
    /* Of the appends already under way each will be refused as well; those refusals echo an older round. */
    dgraft_core_round_begin(core);
    peer->recover_round = core->round;
    peer->blocked = false;
    step->consider_sends = true;
}
