/* Campaigns: first a pre-vote, which costs nobody anything, then a real one [§3.4, §9.6].
 *
 * Requests leave when term and vote are durable, and only then does the candidacy's timer start: a slow disk delays a
 * candidacy and never starves it (rule C4).
 */
#include "parts.h"

/* Returns whether this node could do a leader's work. It could not append its first entry if that meant to forget the
 * term of an uncommitted one, or while its disk takes no writes. */
bool dgraft_core_may_campaign(const struct dgraft_core *core)
{
    return dgraft_core_promotable(core) && !dgraft_core_disk_ails(core) && core->term < DGRAFT_CORE_TERM_MAX &&
           dgraft_core_runs_fit(core, core->last.index, core->term + 1, core->commit);
}

/* Asks whether a campaign could be won. */
void dgraft_core_pre_vote_begin(struct step *step)
{
    struct dgraft_core *core = step->core;
    DGRAFT_CORE_ASSERT(core->role != DGRAFT_ROLE_LEADER);
    core->campaign_by_transfer = false;
    if (!dgraft_core_may_campaign(core)) {
        dgraft_core_become_follower(step);
        dgraft_core_election_reset(core);
        return;
    }
    core->role = DGRAFT_ROLE_PRE_CANDIDATE;
    core->leader = 0;
    core->granted = 0;
    core->requests_due = true;
    core->election_deadline_ns = DGRAFT_CORE_NEVER;
    core->resend_at_ns = DGRAFT_CORE_NEVER;
}

/* Becomes a candidate in a term of its own, with a vote of its own [§3.4]. */
void dgraft_core_campaign_begin(struct dgraft_core *core)
{
    core->role = DGRAFT_ROLE_CANDIDATE;
    core->term++;
    core->vote = core->config.self;
    core->leader = 0;
    core->grant_due = false;
    core->ack_due = false;
    core->snapshot_ack_due = false;
    core->refuse_due = false;
    core->verified = 0;
    core->acked = 0;
    core->leader_round = 0;
    core->granted = 0;
    core->requests_due = true;
    core->election_deadline_ns = DGRAFT_CORE_NEVER;
    core->resend_at_ns = DGRAFT_CORE_NEVER;
    core->elections++;
}

/* Sends requests to those who have not granted, even if they refused: a refusal may lapse, as when a leader dies. */
static void requests_send(struct step *step)
{
    struct dgraft_core *core = step->core;
    const dgraft_node_set others = dgraft_core_voters(core) & ~core->granted & ~dgraft_node_set_of(core->config.self);
    const bool pre_vote = core->role == DGRAFT_ROLE_PRE_CANDIDATE;
    core->requests_due = false;
    if (core->election_deadline_ns == DGRAFT_CORE_NEVER) {
        dgraft_core_election_reset(core);
    }
    core->resend_at_ns = dgraft_core_after(core, dgraft_core_resend_interval(core));
    struct dgraft_action_send *send =
        dgraft_core_emit_send(step, others, pre_vote ? DGRAFT_MESSAGE_PRE_VOTE_REQUEST : DGRAFT_MESSAGE_VOTE_REQUEST);
    send->message.u.vote_request = (struct dgraft_vote_request){
        .term = pre_vote ? core->term + 1 : core->term, .last = core->last, .transfer = core->campaign_by_transfer};
}

/* Goes as far with a campaign as grants and the disk allow. The own vote counts when it is durable, like any other; a
 * sole voter takes the same way, with a term of its own, so that no two can lead in one term. */
void dgraft_core_campaign_progress(struct step *step)
{
    struct dgraft_core *core = step->core;
    if (!dgraft_core_state_durable(core)) {
        return;
    }
    if (core->role == DGRAFT_ROLE_PRE_CANDIDATE) {
        core->granted |= dgraft_node_set_of(core->config.self);
        if (dgraft_core_decides(core, core->granted)) {
            dgraft_core_campaign_begin(core);
            return;
        }
    } else if (core->role == DGRAFT_ROLE_CANDIDATE) {
        core->granted |= dgraft_node_set_of(core->config.self);
        if (dgraft_core_decides(core, core->granted)) {
            dgraft_core_become_leader(step);
            return;
        }
    } else {
        return;
    }
    if (core->requests_due) {
        requests_send(step);
    }
}
