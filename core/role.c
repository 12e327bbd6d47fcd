/* Roles, and how a node passes from one to the next.
 *
 *                 times out                 quorum would vote            quorum votes
 *     FOLLOWER ---------------> PRE_CANDIDATE ---------------> CANDIDATE -----------> LEADER
 *      |   ^  pre_vote_begin     |   ^     campaign_progress    ^ |  |  become_leader     |
 *      |   |                     |   +---------- times out -----|-+  |                    |
 *      |   +--- newer term, or a leader is heard, or the quorum is gone: become_follower --+
 *      +------- the leader hands over: recv_timeout_now --------+
 */
#include "parts.h"

/* Whether a leader was heard within the minimum election timeout, so that nobody else is needed [§4.2.3]. Exactly at
 * the timeout it is no longer alive: that is when the first follower may time out. A leader itself is alive until
 * check_quorum says otherwise. */
bool dgraft_core_leader_alive(const struct dgraft_core *core)
{
    if (core->role == DGRAFT_ROLE_LEADER) {
        return true;
    }
    if (dgraft_core_lease_remembered(core)) {
        return true;
    }
    return core->leader != 0 && core->now_ns - core->leader_heard_ns < core->config.election_timeout_ns;
}

static void leave_leadership(struct step *step)
{
    struct dgraft_core *core = step->core;
    const dgraft_index first = dgraft_core_max(core->commit, core->term_start) + 1;
    if (first <= core->last.index) {
        step->unknown_first = first;
        step->unknown_last = core->last.index;
    }
    step->drop_reads = true;
    core->remote_reads = 0;
    step->change_unknown = core->change_pending;
    core->change_pending = false;
    core->members_due = false;
    core->leaving_round = 0;
    dgraft_core_departing_end(core);
    core->heartbeat_due_ns = DGRAFT_CORE_NEVER;
    core->news_due_ns = DGRAFT_CORE_NEVER;
    core->quorum_check_ns = DGRAFT_CORE_NEVER;
    core->leader = 0;
    dgraft_core_bytes_reset(core);
}

/* Follows nobody in particular, in the current term. */
void dgraft_core_become_follower(struct step *step)
{
    struct dgraft_core *core = step->core;
    if (core->role == DGRAFT_ROLE_FOLLOWER) {
        return;
    }
    if (core->role == DGRAFT_ROLE_LEADER) {
        leave_leadership(step);
    }
    core->role = DGRAFT_ROLE_FOLLOWER;
    core->granted = 0;
    core->requests_due = false;
    core->campaign_by_transfer = false;
    core->resend_at_ns = DGRAFT_CORE_NEVER;
    dgraft_core_election_reset(core);
}

/* Passes to a newer term, in which nothing is voted and nobody known to lead. Whatever was due is void: it was about
 * the old term [§3.3]. */
void dgraft_core_adopt_term(struct step *step, dgraft_term term)
{
    struct dgraft_core *core = step->core;
    DGRAFT_CORE_ASSERT(term > core->term);
    dgraft_core_become_follower(step);
    core->term = term;
    core->vote = 0;
    core->leader = 0;
    core->grant_due = false;
    core->ack_due = false;
    core->snapshot_ack_due = false;
    core->refuse_due = false;
    core->verified = 0;
    core->acked = 0;
    core->leader_round = 0;
}

void dgraft_core_peer_begin(const struct dgraft_core *core, struct peer *peer)
{
    peer->probing = true;
    peer->probe_due = false;
    peer->send_pending = false;
    peer->blocked = false;
    peer->lookup_pending = false;
    peer->answered_at_ns = core->now_ns;
    peer->progress_at_ns = core->now_ns;
    peer->match = 0;
    peer->next = core->last.index + 1;
    peer->commit_told = 0;
    peer->pending_prev = 0;
    peer->pending_last = 0;
    peer->looked_up = (struct dgraft_position){.index = 0, .term = 0};
    peer->acked_round = 0;
    peer->recover_round = 0;
    peer->read_token = 0;
    peer->lag = 0;
    peer->added = false;
    peer->caught_up = false;
    peer->first_round = 0;
    peer->catch_up_target = core->last.index;
    peer->catch_up_began_ns = core->now_ns;
    peer->store = dgraft_membership_store(&core->membership, peer->id);
    peer->snapshot_wanted = false;
    peer->snapshot_index = 0;
    peer->snapshot_acked = 0;
    peer->snapshot_sent = 0;
    dgraft_core_inflight_reset(peer);
}

/* A quorum has voted: this node leads. It announces itself at once, and appends an entry of its own term, because only
 * such an entry tells it what is committed [§3.4, §3.6.2, §6.4]. */
void dgraft_core_become_leader(struct step *step)
{
    struct dgraft_core *core = step->core;
    DGRAFT_CORE_ASSERT(core->role == DGRAFT_ROLE_CANDIDATE && core->vote == core->config.self);
    DGRAFT_CORE_ASSERT(dgraft_core_state_durable(core) && dgraft_core_promotable(core));
    core->role = DGRAFT_ROLE_LEADER;
    core->leader = core->config.self;
    core->requests_due = false;
    core->resend_at_ns = DGRAFT_CORE_NEVER;
    core->election_deadline_ns = DGRAFT_CORE_NEVER;
    core->campaign_by_transfer = false;
    core->lease_void = false;
    core->remote_reads = 0;
    core->round = 0;
    if (core->before.voters != 0) {
        dgraft_core_departing_add(core); /* the leader that removed them may have had no time to tell them */
        dgraft_core_peers_build(core, 0);
    }
    for (uint32_t i = 0; i < core->peer_count; i++) {
        dgraft_core_peer_begin(core, &core->peers[i]);
    }
    core->members_due = true;
    dgraft_core_bytes_reset(core);
    core->heartbeat_due_ns = core->now_ns;
    core->news_due_ns = DGRAFT_CORE_NEVER;
    core->quorum_check_ns =
        core->peer_count == 0 ? DGRAFT_CORE_NEVER : dgraft_core_after(core, core->config.election_timeout_ns);
    step->broadcast = true;

    DGRAFT_CORE_ASSERT(dgraft_core_runs_fit(core, core->last.index, core->term, core->commit));
    step->write_entries = true;
    step->made = DGRAFT_ENTRY_NOOP;
    step->keep = core->last.index;
    step->count = 1;
    step->skip = 0;
    step->entry_term = core->term;
    core->term_start = core->last.index + 1;
    dgraft_core_runs_append(core, core->term_start, core->term);
    step->consider_commit = true;
}

/* The disk failed, or the log contradicts what is committed: nothing this node says can be relied upon any more. */
void dgraft_core_poison(struct step *step)
{
    struct dgraft_core *core = step->core;
    dgraft_core_become_follower(step);
    core->poisoned = true;
    core->grant_due = false;
    core->ack_due = false;
    core->snapshot_ack_due = false;
    core->refuse_due = false;
    core->election_deadline_ns = DGRAFT_CORE_NEVER;
}
