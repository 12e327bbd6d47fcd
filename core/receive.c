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

/* What counts from members only. */
static void receive_from_member(struct step *step, struct peer *peer, const struct dgraft_message *message)
{
    const enum dgraft_message_type type = message->type;
    if (type == DGRAFT_MESSAGE_APPEND_ACK) {
        dgraft_core_recv_ack(step, peer, message);
    } else if (type == DGRAFT_MESSAGE_APPEND_REFUSE) {
        dgraft_core_recv_refuse(step, peer, message);
    } else if (type == DGRAFT_MESSAGE_READ_REQUEST) {
        dgraft_core_recv_read_request(step, peer, message);
    } else if (type == DGRAFT_MESSAGE_SNAPSHOT_ACK) {
        dgraft_core_recv_snapshot_ack(step, peer, message);
    } else if (type == DGRAFT_MESSAGE_FETCH) {
        dgraft_core_recv_fetch(step, peer, message);
    } else {
        dgraft_core_recv_vote_reply(step, message);
    }
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
    case DGRAFT_MESSAGE_TIMEOUT_NOW:
        dgraft_core_recv_timeout_now(step, message);
        return;
    case DGRAFT_MESSAGE_READ_ANSWER:
        dgraft_core_recv_read_answer(step, message);
        return;
    case DGRAFT_MESSAGE_SNAPSHOT_CHUNK:
        dgraft_core_recv_snapshot_chunk(step, message);
        return;
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
    case DGRAFT_MESSAGE_APPEND_ACK:
    case DGRAFT_MESSAGE_APPEND_REFUSE:
    case DGRAFT_MESSAGE_READ_REQUEST:
    case DGRAFT_MESSAGE_SNAPSHOT_ACK:
    case DGRAFT_MESSAGE_FETCH:
    case DGRAFT_MESSAGE_PRE_VOTE_GRANT:
    case DGRAFT_MESSAGE_PRE_VOTE_REFUSE:
    case DGRAFT_MESSAGE_VOTE_GRANT:
    case DGRAFT_MESSAGE_VOTE_REFUSE:
        if (counts) {
            receive_from_member(step, peer, message);
            return;
        }
        break;
    }
    core->ignored++;
}
