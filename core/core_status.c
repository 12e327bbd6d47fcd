/* A snapshot of the core's state for whoever watches. */
#include "parts.h"

#include <string.h>

static void peer_fill(const struct dgraft_core *core, const struct peer *peer, struct dgraft_peer_status *out)
{
    out->id = peer->id;
    out->voter = dgraft_node_set_has(dgraft_core_voters(core), peer->id);
    out->departing = dgraft_node_set_has(core->departing, peer->id);
    out->store = peer->store;
    out->foreign_store = peer->foreign;
    out->heard_at_ns = peer->heard_at_ns;
    out->recent = peer->heard_at_ns != 0 && core->now_ns - peer->heard_at_ns < core->config.election_timeout_ns;
    if (core->role == DGRAFT_ROLE_LEADER) {
        out->caught_up = peer->caught_up && dgraft_node_set_has(core->membership.learners, peer->id);
        out->probing = peer->probing;
        out->match = peer->match;
        out->next = peer->next;
        out->inflight = peer->inflight_count;
        out->inflight_bytes = peer->inflight_bytes;
        out->snapshot = dgraft_core_needs_snapshot(core, peer);
        out->snapshot_offset = out->snapshot ? peer->snapshot_acked : 0;
    }
}

void dgraft_core_status(const struct dgraft_core *core, struct dgraft_core_status *status)
{
    memset(status, 0, sizeof *status);
    status->self = core->config.self;
    status->role = core->role;
    status->term = core->term;
    status->durable_term = core->durable_term;
    status->vote = core->vote;
    status->leader = core->leader;
    status->commit = core->commit;
    status->applied = core->applied;
    status->snapshot = core->snapshot;
    status->compacted = core->compacted;
    status->receiving = core->receiving;
    status->received_bytes = core->received;
    status->last = core->last;
    status->durable = core->durable;
    status->membership = core->membership;
    status->round = core->round;
    status->elections = core->elections;
    status->ignored = core->ignored;
    status->uncommitted_bytes = core->bytes_proposed - core->bytes_committed;
    status->poisoned = core->poisoned;
    status->disk_alarm = core->disk_alarm;
    status->transfer_target = core->transfer.target;
    status->lease_until_ns = dgraft_core_lease_until(core);
    status->repairing = core->repairing;
    status->damage_count = core->damage_count;
    memcpy(status->damage, core->damage, sizeof status->damage);
    status->peer_count = core->peer_count;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        peer_fill(core, &core->peers[i], &status->peers[i]);
    }
}

const char *dgraft_role_name(enum dgraft_role role)
{
    switch (role) {
    case DGRAFT_ROLE_FOLLOWER:
        return "follower";
    case DGRAFT_ROLE_PRE_CANDIDATE:
        return "pre-candidate";
    case DGRAFT_ROLE_CANDIDATE:
        return "candidate";
    case DGRAFT_ROLE_LEADER:
        return "leader";
    }
    return "?";
}
