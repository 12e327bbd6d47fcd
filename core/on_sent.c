/* SENT and TERM: the host says how far a SEND of entries got, and answers a LOOKUP. */
#include "parts.h"

static bool sent_expected(const struct dgraft_core *core, const struct dgraft_event_sent *sent)
{
    for (dgraft_node_set left = sent->receivers; left != 0; left &= left - 1) {
        const uint8_t slot = core->slot_of[dgraft_node_set_first(left)];
        const struct peer *peer = slot == 0 ? NULL : &core->peers[slot - 1];
        if (peer == NULL || (peer->added && !peer->send_pending)) {
            continue; /* it was a member when the SEND was made */
        }
        if (!peer->send_pending || peer->pending_prev != sent->prev || sent->last < sent->prev ||
            sent->last > peer->pending_last) {
            return false;
        }
    }
    return sent->receivers != 0;
}

enum dgraft_status dgraft_core_sent(struct step *step)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_event_sent *sent = &step->event->u.sent;
    if (core->role != DGRAFT_ROLE_LEADER || sent->term != core->term) {
        return sent->term > core->term ? DGRAFT_STATUS_MISUSE : DGRAFT_OK;
    }
    if (!sent_expected(core, sent)) {
        return DGRAFT_STATUS_MISUSE;
    }
    for (dgraft_node_set left = sent->receivers; left != 0; left &= left - 1) {
        struct peer *peer = dgraft_core_peer(core, dgraft_node_set_first(left));
        if (peer == NULL || !peer->send_pending) {
            continue;
        }
        peer->send_pending = false;
        if (sent->last == sent->prev) {
            peer->blocked = true; /* not in a busy loop: with the next heartbeat, or when match grows */
        } else if (!peer->probing && peer->next == sent->prev + 1) {
            dgraft_core_inflight_push(core, peer, sent->last, sent->bytes);
            peer->next = sent->last + 1;
            peer->progress_at_ns = core->now_ns;
        } /* else a refusal came meanwhile, and next is elsewhere */
    }
    step->consider_sends = true;
    return DGRAFT_OK;
}

/* A term that cannot be true is taken as unknown. Without it the peer gets empty heartbeats, and another LOOKUP with
 * each. */
void dgraft_core_term_found(struct step *step)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_position position = step->event->u.term.position;
    if (core->role != DGRAFT_ROLE_LEADER) {
        return;
    }
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        if (!peer->lookup_pending || peer->looked_up.index != position.index) {
            continue;
        }
        peer->lookup_pending = false;
        if (position.term != 0 && position.term <= core->term) {
            peer->looked_up.term = position.term;
            peer->probe_due = peer->probing;
            step->probes = step->probes || peer->probe_due;
        } else {
            peer->blocked = true;
        }
    }
    step->consider_sends = true;
}
