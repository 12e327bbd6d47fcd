/* Leadership transfer [§3.10]: the leader takes no more proposals, waits until the target has its whole log, and tells
 * it to campaign at once. It leads on until the target's newer term deposes it, so that nobody is without a leader for
 * longer than an election takes; when an election timeout passes first, it takes proposals again.
 */
#include "parts.h"

static void end(struct step *step, enum dgraft_outcome how)
{
    struct dgraft_core *core = step->core;
    const struct transfer transfer = core->transfer;
    core->transfer = (struct transfer){.target = 0};
    if (transfer.asked) {
        dgraft_core_emit(step, DGRAFT_ACTION_OUTCOME)->u.outcome = (struct dgraft_action_outcome){
            .outcome = how, .of = DGRAFT_OUTCOME_OF_TRANSFER, .leader = core->leader, .id = transfer.id};
    } else if (how == DGRAFT_OUTCOME_EXPIRED && core->role == DGRAFT_ROLE_LEADER) {
        dgraft_core_become_follower(step); /* it wanted to step aside, and nobody came: whoever can, may campaign */
    }
}

/* Returns whether this voter was heard of late: whoever is not there cannot take over. */
static bool eligible(const struct dgraft_core *core, const struct peer *peer)
{
    return dgraft_node_set_has(core->membership.voters, peer->id) &&
           core->now_ns - peer->answered_at_ns < core->config.election_timeout_ns;
}

dgraft_node_id dgraft_core_transfer_best(const struct dgraft_core *core)
{
    const struct peer *best = NULL;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        if (eligible(core, peer) && (best == NULL || peer->match > best->match)) {
            best = peer;
        }
    }
    return best == NULL ? 0 : best->id;
}

void dgraft_core_transfer_begin(struct step *step, dgraft_node_id target)
{
    struct dgraft_core *core = step->core;
    DGRAFT_CORE_ASSERT(core->role == DGRAFT_ROLE_LEADER && target != core->config.self);
    core->transfer = (struct transfer){.target = target,
                                       .term = core->term,
                                       .membership = core->membership.index,
                                       .deadline_ns = dgraft_core_after(core, core->config.election_timeout_ns),
                                       .repeat_ns = core->now_ns};
    step->consider_sends = true;
}

/* TRANSFER: begins one, or says why not. */
enum dgraft_status dgraft_core_transfer(struct step *step)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_event_transfer *event = &step->event->u.transfer;
    enum dgraft_outcome refusal = 0;
    dgraft_node_id target = event->target;
    if (core->poisoned) {
        refusal = DGRAFT_OUTCOME_DISK;
    } else if (core->role != DGRAFT_ROLE_LEADER) {
        refusal = DGRAFT_OUTCOME_NOT_LEADER;
    } else if (core->transfer.target != 0) {
        refusal = DGRAFT_OUTCOME_TRANSFERRING;
    } else {
        target = target == 0 ? dgraft_core_transfer_best(core) : target;
        if (target == core->config.self || !dgraft_node_set_has(core->membership.voters, target)) {
            refusal = target == core->config.self ? DGRAFT_OUTCOME_DONE : DGRAFT_OUTCOME_INVALID;
        }
    }
    if (refusal != 0) {
        dgraft_core_emit(step, DGRAFT_ACTION_OUTCOME)->u.outcome = (struct dgraft_action_outcome){
            .outcome = refusal, .of = DGRAFT_OUTCOME_OF_TRANSFER, .leader = core->leader, .id = event->id};
        return DGRAFT_OK;
    }
    dgraft_core_transfer_begin(step, target);
    core->transfer.id = event->id;
    core->transfer.asked = true;
    return DGRAFT_OK;
}

/* Repeats TIMEOUT_NOW until it has worked or time is up; to hear it twice does no harm. */
static void tell_target(struct step *step)
{
    struct dgraft_core *core = step->core;
    struct transfer *transfer = &core->transfer;
    const struct peer *peer = dgraft_core_peer(core, transfer->target);
    if (peer == NULL || peer->match != core->last.index || core->now_ns < transfer->repeat_ns) {
        return;
    }
    struct dgraft_action_send *send =
        dgraft_core_emit_send(step, dgraft_node_set_of(transfer->target), DGRAFT_MESSAGE_TIMEOUT_NOW);
    send->message.u.timeout_now = (struct dgraft_timeout_now){.last = core->last};
    transfer->repeat_ns = dgraft_core_after(core, core->config.heartbeat_interval_ns);
    core->lease_void = true; /* from here on the target may be elected at any time, whatever others have promised */
}

/* Goes on with a transfer, if there is one, or ends it. */
void dgraft_core_transfer_progress(struct step *step)
{
    struct dgraft_core *core = step->core;
    const struct transfer *transfer = &core->transfer;
    if (transfer->target == 0) {
        return;
    }
    if (core->poisoned) {
        end(step, DGRAFT_OUTCOME_DISK);
    } else if (core->leader == transfer->target) {
        end(step, DGRAFT_OUTCOME_DONE);
    } else if (core->leader != 0 && core->term != transfer->term) {
        end(step, DGRAFT_OUTCOME_NOT_LEADER); /* somebody leads, and it is not the target */
    } else if (core->membership.index != transfer->membership) {
        end(step, DGRAFT_OUTCOME_CHANGING);
    } else if (core->now_ns >= transfer->deadline_ns) {
        end(step, DGRAFT_OUTCOME_EXPIRED);
    } else if (core->role == DGRAFT_ROLE_LEADER && dgraft_core_state_durable(core)) {
        tell_target(step);
    }
}
