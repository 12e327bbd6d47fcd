/* Reads at a follower [§6.4]: it asks its leader for the index they must wait for, and the leader confirms its
 * leadership for it as for reads of its own. One request is on its way at a time; the reads that arrive meanwhile share
 * the next. A read is answered by a request that left after it came, never by one before: hence the tokens, none used
 * twice.
 */
#include "parts.h"

static void request_send(struct step *step)
{
    struct dgraft_core *core = step->core;
    struct dgraft_action_send *send =
        dgraft_core_emit_send(step, dgraft_node_set_of(core->leader), DGRAFT_MESSAGE_READ_REQUEST);
    send->message.u.read_request = (struct dgraft_read_request){.token = core->read_token};
    core->read_repeat_ns = dgraft_core_after(core, core->config.heartbeat_interval_ns);
}

/* Asks for the reads that wait, asks again, or gives them up because the leader they were meant for is gone: it is not
 * known then whether the next one's answer would come in time, and the host can tell better whether to go on. */
void dgraft_core_follower_reads_progress(struct step *step)
{
    struct dgraft_core *core = step->core;
    const bool same = core->term == core->read_term && core->leader == core->read_leader;
    /* A node that was removed knows its last leader for ever, and is not heard by it. */
    if (core->poisoned || core->role != DGRAFT_ROLE_FOLLOWER || core->leader == 0 || (core->read_asked && !same) ||
        (core->read_asked && !dgraft_core_leader_alive(core))) {
        core->read_asked = false;
        dgraft_core_reads_drop(step);
        return;
    }
    if (!dgraft_core_state_durable(core)) {
        return; /* with the step that says so */
    }
    if (!core->read_asked) {
        core->read_asked = true;
        core->read_token++;
        core->read_term = core->term;
        core->read_leader = core->leader;
        dgraft_core_reads_ask(core, core->read_token);
        request_send(step);
    } else if (core->now_ns >= core->read_repeat_ns) {
        request_send(step);
    }
}

/* READ_REQUEST, at the leader. A newer request of the same follower speaks for the reads of the one before as well,
 * which it has given up. */
void dgraft_core_recv_read_request(struct step *step, struct peer *peer, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    const uint64_t token = message->u.read_request.token;
    if (message->term != core->term || core->role != DGRAFT_ROLE_LEADER || token == 0) {
        core->ignored++;
        return;
    }
    if (peer->read_token == token) {
        return; /* repeated while it waits */
    }
    core->remote_reads += peer->read_token == 0 ? 1 : 0;
    peer->read_token = token;
    peer->read_index = dgraft_core_max(core->commit, core->term_start);
    peer->read_round = core->round + 1;
    step->consider_reads = true;
}

/* READ_ANSWER, at the follower. */
void dgraft_core_recv_read_answer(struct step *step, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_read_answer *answer = &message->u.read_answer;
    if (message->term != core->term || core->role != DGRAFT_ROLE_FOLLOWER || core->leader != message->from ||
        !core->read_asked || answer->token != core->read_token || core->read_term != core->term) {
        core->ignored++; /* late, repeated, or to an earlier start of this node */
        return;
    }
    core->read_asked = false;
    dgraft_core_reads_answer(step, answer->token, answer->index);
}
