/* A leader's appends [§3.5, §10.2.2]. A peer is in one of two states: *probing*, when nobody knows where its log parts
 * from the leader's, it is sent empty appends until one is acknowledged; else it is sent entries ahead of
 * acknowledgements, as far as its window allows. Peers at the same position share one SEND (rule C9).
 */
#include "parts.h"

/* Finds the position before peer->next. Returns false when its term is known neither here nor from a LOOKUP; it is then
 * never sent, because a term that is unknown must not look like one. */
bool dgraft_core_peer_prev(const struct dgraft_core *core, const struct peer *peer, struct dgraft_position *prev)
{
    prev->index = peer->next - 1;
    prev->term = dgraft_core_term_at(core, prev->index);
    if (prev->index != 0 && prev->term == 0 && peer->looked_up.index == prev->index) {
        prev->term = peer->looked_up.term;
    }
    return prev->index == 0 || prev->term != 0;
}

static void lookup_emit(struct step *step, struct peer *peer)
{
    if (peer->lookup_pending || peer->blocked) {
        return;
    }
    peer->lookup_pending = true;
    peer->looked_up = (struct dgraft_position){.index = peer->next - 1, .term = 0};
    dgraft_core_emit(step, DGRAFT_ACTION_LOOKUP)->u.lookup = (struct dgraft_action_lookup){.index = peer->next - 1};
}

static struct dgraft_action_send *append_emit(struct step *step, dgraft_node_set receivers, struct dgraft_position prev)
{
    struct dgraft_action_send *send = dgraft_core_emit_send(step, receivers, DGRAFT_MESSAGE_APPEND);
    send->last = prev;
    send->message.u.append =
        (struct dgraft_append){.prev = prev, .commit = step->core->commit, .round = step->core->round};
    return send;
}

/* Sends an empty append to every peer of `wanted` from prev[slot], one SEND for each different position. */
static void empties_emit(struct step *step, dgraft_node_set wanted, const struct dgraft_position *prev)
{
    struct dgraft_core *core = step->core;
    while (wanted != 0) {
        const uint32_t lead = core->slot_of[dgraft_node_set_first(wanted)] - 1u;
        dgraft_node_set receivers = 0;
        for (dgraft_node_set left = wanted; left != 0; left &= left - 1) {
            const dgraft_node_id id = dgraft_node_set_first(left);
            const uint32_t slot = core->slot_of[id] - 1u;
            if (dgraft_position_equal(prev[slot], prev[lead])) {
                receivers |= dgraft_node_set_of(id);
                if (prev[slot].index >= core->commit) {
                    core->peers[slot].commit_told = core->commit;
                }
            }
        }
        append_emit(step, receivers, prev[lead]);
        wanted &= ~receivers;
    }
}

/* Where a heartbeat to this peer stands. While entries are on their way it stands at `match`, which cannot be refused,
 * for it may overtake them; when nothing has moved for a heartbeat it stands behind all that was sent, so that a lost
 * tail is refused and sent again, and a lost acknowledgement repeated. */
static struct dgraft_position heartbeat_prev(struct step *step, struct peer *peer)
{
    const struct dgraft_core *core = step->core;
    struct dgraft_position prev = {.index = 0, .term = 0};
    const bool moving = core->now_ns - peer->progress_at_ns < core->config.heartbeat_interval_ns;
    if (!peer->probing && moving && peer->next - 1 != peer->match) {
        prev.index = peer->match;
        prev.term = dgraft_core_term_at(core, peer->match);
        return prev.term != 0 ? prev : (struct dgraft_position){.index = 0, .term = 0};
    }
    if (dgraft_core_needs_snapshot(core, peer)) {
        return (struct dgraft_position){.index = 0, .term = 0}; /* it says that this leader lives, and no more */
    }
    if (!dgraft_core_peer_prev(core, peer, &prev)) {
        lookup_emit(step, peer);
        return (struct dgraft_position){.index = 0, .term = 0};
    }
    return prev;
}

static void heartbeats_send(struct step *step)
{
    struct dgraft_core *core = step->core;
    struct dgraft_position prev[DGRAFT_MEMBERS_MAX];
    dgraft_node_set all = 0;
    dgraft_core_round_begin(core);
    core->heartbeat_due_ns =
        core->peer_count == 0 ? DGRAFT_CORE_NEVER : dgraft_core_after(core, core->config.heartbeat_interval_ns);
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        peer->blocked = false;
        peer->probe_due = false;
        prev[i] = heartbeat_prev(step, peer);
        all |= dgraft_node_set_of(peer->id);
    }
    empties_emit(step, all, prev);
}

/* Empty appends at once: a probe after a refusal, and the commit index to peers that have everything when nothing else
 * is about to carry it. */
static void news_send(struct step *step)
{
    struct dgraft_core *core = step->core;
    struct dgraft_position prev[DGRAFT_MEMBERS_MAX];
    dgraft_node_set wanted = 0;
    const bool idle = step->news && core->commit == core->last.index;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        if (peer->probe_due) {
            peer->probe_due = false;
            if (dgraft_core_needs_snapshot(core, peer)) {
                continue;
            }
            if (!dgraft_core_peer_prev(core, peer, &prev[i])) {
                lookup_emit(step, peer);
                continue;
            }
        } else if (idle && !peer->probing && peer->match == core->commit && peer->commit_told < core->commit) {
            prev[i] = core->last;
        } else {
            continue;
        }
        wanted |= dgraft_node_set_of(peer->id);
    }
    if (wanted != 0) {
        empties_emit(step, wanted, prev);
    }
}

static bool wants_entries(const struct dgraft_core *core, const struct peer *peer)
{
    return peer->next <= core->last.index && !peer->probing && !peer->send_pending && !peer->blocked &&
           !dgraft_core_needs_snapshot(core, peer) && dgraft_core_inflight_room(core, peer);
}

static void entries_send(struct step *step)
{
    struct dgraft_core *core = step->core;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *lead = &core->peers[i];
        struct dgraft_position prev;
        if (!wants_entries(core, lead)) {
            continue;
        }
        if (!dgraft_core_peer_prev(core, lead, &prev)) {
            lookup_emit(step, lead);
            continue;
        }
        dgraft_node_set receivers = 0;
        uint64_t window = UINT64_MAX;
        for (uint32_t j = i; j < core->peer_count; j++) {
            struct peer *peer = &core->peers[j];
            if (peer->next == lead->next && wants_entries(core, peer)) {
                receivers |= dgraft_node_set_of(peer->id);
                window = dgraft_core_min(window, core->config.inflight_bytes_max - peer->inflight_bytes);
                peer->send_pending = true;
                peer->pending_prev = prev.index;
                peer->pending_last = core->last.index;
            }
        }
        struct dgraft_action_send *send = append_emit(step, receivers, prev);
        send->last = core->last;
        send->max_bytes = window;
    }
}

/* Sends what a leader has to send after this step. */
void dgraft_core_replicate(struct step *step)
{
    if (step->broadcast) {
        heartbeats_send(step);
    } else if (step->probes || step->news) {
        news_send(step);
    }
    if (step->broadcast || step->consider_sends) {
        entries_send(step);
        if (step->core->compacted.index != 0) {
            dgraft_core_snapshots_send(step);
        }
    }
}
