/* RECEIVE: each message goes to the file for it. Requests are taken from anyone, also from one who is no member by this
 * node's membership: that may be the old one, and elections and replication must go on across a change [§4.1]. Answers
 * count from members only, and from the store that is known for them. */
#include "parts.h"

/* A node that has never voted is in term 0: it can ask and answer whether a campaign could be won, and nothing else. */
static bool term_valid(const struct dgraft_message *message)
{
    if (message->term == 0) {
        return message->type == DGRAFT_MESSAGE_PRE_VOTE_REQUEST || message->type == DGRAFT_MESSAGE_PRE_VOTE_GRANT ||
               message->type == DGRAFT_MESSAGE_PRE_VOTE_REFUSE;
    }
    return message->term <= DGRAFT_CORE_TERM_MAX;
}

void dgraft_core_receive(struct step *step)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_message *message = &step->event->u.receive;
    struct peer *peer = dgraft_core_peer(core, message->from);
    if (core->poisoned || !dgraft_node_id_valid(message->from) || message->from == core->config.self ||
        !term_valid(message)) {
        core->ignored++;
        return;
    }
    const bool counts = peer != NULL && !dgraft_core_store_foreign(step, peer, message);
    if (counts) {
        peer->heard_at_ns = core->now_ns;
    }
    switch (message->type) {
    case DGRAFT_MESSAGE_APPEND:
        dgraft_core_recv_append(step, message);
        return;
    case DGRAFT_MESSAGE_APPEND_ACK:
        if (counts) {
            dgraft_core_recv_ack(step, peer, message);
            return;
        }
        break;
    case DGRAFT_MESSAGE_APPEND_REFUSE:
        if (counts) {
            dgraft_core_recv_refuse(step, peer, message);
            return;
        }
        break;
    case DGRAFT_MESSAGE_TIMEOUT_NOW:
        dgraft_core_recv_timeout_now(step, message);
        return;
    case DGRAFT_MESSAGE_READ_REQUEST:
        if (counts) {
            dgraft_core_recv_read_request(step, peer, message);
            return;
        }
        break;
    case DGRAFT_MESSAGE_READ_ANSWER:
        dgraft_core_recv_read_answer(step, message);
        return;
    case DGRAFT_MESSAGE_SNAPSHOT_CHUNK:
        dgraft_core_recv_snapshot_chunk(step, message);
        return;
    case DGRAFT_MESSAGE_SNAPSHOT_ACK:
        if (counts) {
            dgraft_core_recv_snapshot_ack(step, peer, message);
            return;
        }
        break;
    case DGRAFT_MESSAGE_FETCH:
        if (counts) {
            dgraft_core_recv_fetch(step, peer, message);
            return;
        }
        break;
    case DGRAFT_MESSAGE_FETCH_ANSWER:
        if (counts || core->membership.voters == 0) {
            dgraft_core_recv_fetch_answer(step, message);
            return;
        }
        break;
    case DGRAFT_MESSAGE_VOTE_REQUEST:
        dgraft_core_recv_vote_request(step, message);
        return;
    case DGRAFT_MESSAGE_PRE_VOTE_REQUEST:
        dgraft_core_recv_pre_vote_request(step, message);
        return;
    case DGRAFT_MESSAGE_PRE_VOTE_GRANT:
    case DGRAFT_MESSAGE_PRE_VOTE_REFUSE:
    case DGRAFT_MESSAGE_VOTE_GRANT:
    case DGRAFT_MESSAGE_VOTE_REFUSE:
        if (counts) {
            dgraft_core_recv_vote_reply(step, message);
            return;
        }
        break;
    }
    core->ignored++;
}
