/* The rules for snapshots and compaction (rule C11): what must hold between steps, and what a step may change. */
#include "parts.h"

static const char *check_receiving(const struct dgraft_core *core)
{
    if (core->received > core->received_next || core->received_next > core->receiving.size) {
        /* Of a part that was lost the rest is still being stored. */
        return core->stores > 0 && core->received_next <= core->receiving.size
                   ? NULL
                   : "a snapshot's stored bytes are part of it";
    }
    return core->stores > DGRAFT_CORE_CHUNKS ? "a few parts of a snapshot are stored at once" : NULL;
}

static const char *check_transfers(const struct dgraft_core *core)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        if (peer->snapshot_acked > peer->snapshot_sent) {
            return "no part of a snapshot is stored before it was sent";
        }
        if (peer->snapshot_index == core->snapshot.position.index && peer->snapshot_index != 0 &&
            peer->snapshot_digest == core->snapshot.digest && peer->snapshot_sent > core->snapshot.size) {
            return "no more of a snapshot is sent than there is";
        }
    }
    return NULL;
}

const char *dgraft_core_check_snapshot(const struct dgraft_core *core)
{
    const struct dgraft_position snapshot = core->snapshot.position;
    if (core->compacted.index > snapshot.index) {
        return "only what a snapshot holds is compacted";
    }
    if (core->applied < snapshot.index) {
        return "what the snapshot holds is applied";
    }
    if ((snapshot.index == 0) != (core->snapshot.size == 0) || (snapshot.index == 0) != (snapshot.term == 0)) {
        return "a snapshot has a position and bytes, or there is none";
    }
    if (core->durable < core->compacted.index || core->last.index < core->compacted.index) {
        return "the log begins where the snapshot ends, or before: no gap";
    }
    const dgraft_term known = dgraft_core_term_at(core, snapshot.index);
    if (known != 0 && known != snapshot.term) {
        return "no entry conflicts with the snapshot";
    }
    if (core->snapshot_ahead.position.index > core->commit && core->role != DGRAFT_ROLE_LEADER) {
        return "what a snapshot holds is committed";
    }
    const char *broken = check_receiving(core);
    return broken != NULL || core->role != DGRAFT_ROLE_LEADER ? broken : check_transfers(core);
}

const char *dgraft_core_check_snapshot_step(const struct dgraft_core *before, const struct dgraft_core *after)
{
    if (after->snapshot.position.index < before->snapshot.position.index) {
        return "the snapshot never goes back";
    }
    return after->compacted.index < before->compacted.index ? "what is compacted never comes back" : NULL;
}

const char *dgraft_core_check_install(const struct dgraft_core *before, const struct dgraft_core *after,
                                      const struct dgraft_event *event, const struct dgraft_action_install *install)
{
    const struct dgraft_position position = install->position;
    if (event->kind != DGRAFT_EVENT_SNAPSHOT_RECEIVED ||
        !dgraft_position_equal(position, event->u.snapshot_received.snapshot.position)) {
        return "only a snapshot that was received is installed";
    }
    if (install->seq != before->write_seq + 1) {
        return "an install is the next write";
    }
    if (position.index <= before->commit || before->role == DGRAFT_ROLE_LEADER) {
        return "a log gives way only to what it does not hold";
    }
    return dgraft_position_equal(after->last, position) && dgraft_position_equal(after->compacted, position) &&
                   after->applied == position.index && after->runs_count == 0
               ? NULL
               : "after an install the log is empty and begins behind the snapshot";
}

const char *dgraft_core_check_compact(const struct dgraft_core *before, const struct dgraft_core *after,
                                      const struct dgraft_action_compact *compact)
{
    return compact->position.index > before->compacted.index &&
                   dgraft_position_equal(compact->position, after->compacted)
               ? NULL
               : "compaction goes on, and is known";
}

const char *dgraft_core_check_chunk(const struct dgraft_core *after, const struct dgraft_action_send *send)
{
    const struct dgraft_snapshot_chunk *chunk = &send->message.u.snapshot_chunk;
    if (after->role != DGRAFT_ROLE_LEADER || !dgraft_snapshot_equal(&chunk->snapshot, &after->snapshot)) {
        return "a leader sends its newest snapshot";
    }
    if (chunk->bytes == 0 || chunk->offset >= chunk->snapshot.size ||
        chunk->bytes > chunk->snapshot.size - chunk->offset) {
        return "a chunk is a part of its snapshot";
    }
    for (dgraft_node_set left = send->receivers; left != 0; left &= left - 1) {
        const uint8_t slot = after->slot_of[dgraft_node_set_first(left)];
        if (slot == 0 || !dgraft_core_needs_snapshot(after, &after->peers[slot - 1])) {
            return "a snapshot goes to who needs it";
        }
    }
    return NULL;
}
