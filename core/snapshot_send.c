/* A leader's snapshot, to who needs entries that are compacted [§5.1]. Such a follower is sent no append but for empty
 * ones before the first entry, which match in every log and commit nothing: an append after an entry whose term is
 * unknown here must not look like one.
 *
 * The first chunk goes alone: its answer says how much the follower has of this very snapshot, from before it restarted
 * or from another leader. Then a few are on the way at once. What is lost is found out by time, and then again one
 * chunk goes alone.
 */
#include "parts.h"

bool dgraft_core_needs_snapshot(const struct dgraft_core *core, const struct peer *peer)
{
    return peer->next <= core->compacted.index || (peer->snapshot_wanted && core->snapshot.position.index != 0);
}

static void begin(const struct dgraft_core *core, struct peer *peer)
{
    peer->snapshot_index = core->snapshot.position.index;
    peer->snapshot_digest = core->snapshot.digest;
    peer->snapshot_acked = 0;
    peer->snapshot_sent = 0;
    peer->snapshot_round = core->round;
    peer->snapshot_at_ns = core->now_ns;
    peer->snapshot_slow = true;
}

static void chunk_emit(struct step *step, const struct peer *peer, uint64_t offset, uint32_t bytes)
{
    struct dgraft_core *core = step->core;
    struct dgraft_action_send *send =
        dgraft_core_emit_send(step, dgraft_node_set_of(peer->id), DGRAFT_MESSAGE_SNAPSHOT_CHUNK);
    send->message.u.snapshot_chunk = (struct dgraft_snapshot_chunk){
        .snapshot = core->snapshot, .offset = offset, .round = core->round, .bytes = bytes};
}

/* The bytes of the chunk at an offset. */
static uint32_t chunk_bytes(const struct dgraft_core *core, uint64_t offset)
{
    return (uint32_t)dgraft_core_min(core->config.snapshot_chunk_bytes, core->snapshot.size - offset);
}

/* Nothing has moved: what is on the way counts as lost. Where all is stored and nothing is heard of its being
 * installed, the end of it asks what has become of it. */
static void look_again(struct step *step, struct peer *peer)
{
    const struct dgraft_core *core = step->core;
    const uint64_t size = core->snapshot.size;
    const dgraft_time_ns waited = core->now_ns - peer->snapshot_at_ns;
    if (peer->snapshot_acked < size && waited >= core->config.heartbeat_interval_ns) {
        peer->snapshot_sent = peer->snapshot_acked;
        peer->snapshot_slow = true;
        peer->snapshot_at_ns = core->now_ns;
    } else if (peer->snapshot_acked == size && waited >= core->config.election_timeout_ns) {
        const uint32_t bytes = chunk_bytes(core, 0);
        peer->snapshot_at_ns = core->now_ns;
        chunk_emit(step, peer, size - bytes, bytes);
    }
}

void dgraft_core_snapshots_send(struct step *step)
{
    struct dgraft_core *core = step->core;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        if (!dgraft_core_needs_snapshot(core, peer)) {
            continue;
        }
        if (peer->snapshot_index != core->snapshot.position.index || peer->snapshot_digest != core->snapshot.digest) {
            begin(core, peer);
        }
        look_again(step, peer);
        const uint64_t chunk = core->config.snapshot_chunk_bytes;
        const uint64_t window = peer->snapshot_slow ? chunk : DGRAFT_CORE_CHUNKS * chunk;
        while (peer->snapshot_sent < core->snapshot.size && peer->snapshot_sent - peer->snapshot_acked < window) {
            const uint32_t bytes = chunk_bytes(core, peer->snapshot_sent);
            chunk_emit(step, peer, peer->snapshot_sent, bytes);
            peer->snapshot_sent += bytes;
        }
    }
}

/* Only a later answer than the one that was counted takes stored bytes back: one that echoes a newer round than there
 * was then. So a late one is harmless (rule C8). */
void dgraft_core_recv_snapshot_ack(struct step *step, struct peer *peer, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_snapshot_ack *ack = &message->u.snapshot_ack;
    if (!dgraft_core_answer_counts(step, peer, message, ack->round)) {
        return;
    }
    if (!dgraft_core_needs_snapshot(core, peer) || !dgraft_snapshot_equal(&ack->snapshot, &core->snapshot) ||
        peer->snapshot_index != core->snapshot.position.index || ack->offset > core->snapshot.size) {
        core->ignored++;
        return;
    }
    if (ack->offset > peer->snapshot_acked) {
        peer->snapshot_acked = ack->offset;
        peer->snapshot_sent = dgraft_core_max(peer->snapshot_sent, ack->offset);
        peer->snapshot_slow = false;
    } else if (ack->offset < peer->snapshot_acked && ack->round > peer->snapshot_round) {
        peer->snapshot_acked = ack->offset;
        peer->snapshot_sent = ack->offset;
        peer->snapshot_slow = true;
    } else {
        return;
    }
    peer->snapshot_round = core->round;
    peer->snapshot_at_ns = core->now_ns;
    step->consider_sends = true;
}
