/* VOTE_REQUEST and PRE_VOTE_REQUEST, at a voter [§3.4, §3.6.1, §4.2.3, §9.6]. */
#include "parts.h"

/* Checks a request for what no candidate sends. */
static bool request_valid(const struct dgraft_message *message)
{
    const struct dgraft_vote_request *request = &message->u.vote_request;
    const bool pre_vote = message->type == DGRAFT_MESSAGE_PRE_VOTE_REQUEST;
    return request->term == (pre_vote ? message->term + 1 : message->term) &&
           (request->last.index == 0) == (request->last.term == 0) && request->last.term <= message->term;
}

static void reply(struct step *step, const struct dgraft_message *message, enum dgraft_message_type type,
                  enum dgraft_refuse_reason reason)
{
    DGRAFT_CORE_ASSERT(dgraft_node_id_valid(message->from) && message->from != step->core->config.self);
    if (!dgraft_core_state_durable(step->core)) {
        return; /* the candidate asks again */
    }
    struct dgraft_action_send *send = dgraft_core_emit_send(step, dgraft_node_set_of(message->from), type);
    send->message.u.vote_reply = (struct dgraft_vote_reply){.term = message->u.vote_request.term, .reason = reason};
}

static void refuse(struct step *step, const struct dgraft_message *message, enum dgraft_refuse_reason reason)
{
    reply(step, message,
          message->type == DGRAFT_MESSAGE_PRE_VOTE_REQUEST ? DGRAFT_MESSAGE_PRE_VOTE_REFUSE
                                                           : DGRAFT_MESSAGE_VOTE_REFUSE,
          reason);
}

static bool log_behind(const struct dgraft_core *core, const struct dgraft_message *message)
{
    return dgraft_position_before(message->u.vote_request.last, core->last);
}

/* A node that knows of no membership is to join, or has lost all it knew: whoever was wiped could otherwise elect
 * another who was, and what the two had acknowledged would be gone. Nobody needs its vote: before it becomes a voter it
 * is a learner, and holds the entry that says so. One that has lost only the entry that said who the members are still
 * knows the last position that it acknowledged, and votes by it. */
static bool knows_nobody(const struct dgraft_core *core)
{
    return core->membership.voters == 0 && !core->repairing;
}

/* A pre-vote changes nothing here, not even the term, though the request's frame may carry a newer one: a node that
 * comes back from isolation must not depose a healthy leader by asking. Terms spread by refusals instead, towards
 * the one who asks. The two deadlocks this could have meant do not arise:
 *   - The longest log has the older term (A: t1, long; B, C: t3). B and C refuse A with their t3, A adopts it, asks for
 *     t4, and is granted.
 *   - A healthy leader at t1, a follower at t3. The follower refuses its appends by term; the leader steps down to t3,
 *     and the next one is elected at t4. */
void dgraft_core_recv_pre_vote_request(struct step *step, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    if (!request_valid(message)) {
        core->ignored++;
    } else if (message->u.vote_request.term <= core->term) {
        refuse(step, message, DGRAFT_REFUSE_TERM);
    } else if (dgraft_core_leader_alive(core)) {
        refuse(step, message, DGRAFT_REFUSE_LEADER_ALIVE);
    } else if (knows_nobody(core)) {
        refuse(step, message, DGRAFT_REFUSE_RECOVERING);
    } else if (log_behind(core, message)) {
        refuse(step, message, DGRAFT_REFUSE_LOG);
    } else {
        reply(step, message, DGRAFT_MESSAGE_PRE_VOTE_GRANT, 0);
    }
}

void dgraft_core_recv_vote_request(struct step *step, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    if (!request_valid(message)) {
        core->ignored++;
        return;
    }
    if (message->term < core->term) {
        refuse(step, message, DGRAFT_REFUSE_TERM);
        return;
    }
    const bool again = message->term == core->term && core->vote == message->from;
    if (!again && !message->u.vote_request.transfer && dgraft_core_leader_alive(core)) {
        refuse(step, message, DGRAFT_REFUSE_LEADER_ALIVE);
        return;
    }
    if (knows_nobody(core)) {
        refuse(step, message, DGRAFT_REFUSE_RECOVERING);
        return;
    }
    if (message->term > core->term) {
        dgraft_core_adopt_term(step, message->term);
    }
    if (core->vote != 0 && core->vote != message->from) {
        refuse(step, message, DGRAFT_REFUSE_VOTED);
        return;
    }
    /* A leader that is known in this term has its votes; nobody else can win it, and a late vote would be wasted. */
    if (core->vote == 0 && core->leader != 0) {
        refuse(step, message, DGRAFT_REFUSE_VOTED);
        return;
    }
    if (log_behind(core, message)) {
        refuse(step, message, DGRAFT_REFUSE_LOG);
        return;
    }
    core->vote = message->from;
    core->grant_due = true;
    dgraft_core_become_follower(step); /* a pre-candidate gives way */
    dgraft_core_election_reset(core);
}
