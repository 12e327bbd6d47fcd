/* SNAPSHOT_CHUNK, at a follower whose log the leader can no longer mend [§5.1]. Chunks are stored in order, a few at a
 * time; what was stored stays stored across restarts and leaders, as long as the snapshot is the same: position, size
 * and digest. The digest is over the bytes, because two leaders may write one state differently.
 *
 * A chunk is a leader's word like any append: it keeps this node from campaigning, and whatever role it has, it follows
 * (otherwise one that lags would ask for votes for ever, and each campaign would delay its snapshot).
 */
#include "parts.h"

/* Checks a chunk for what no leader sends. */
static bool chunk_valid(const struct dgraft_message *message)
{
    const struct dgraft_snapshot_chunk *chunk = &message->u.snapshot_chunk;
    const struct dgraft_position position = chunk->snapshot.position;
    return position.index != 0 && position.term != 0 && position.term <= message->term &&
           position.index <= UINT64_MAX / 2 && chunk->bytes != 0 && chunk->bytes <= DGRAFT_SNAPSHOT_CHUNK_MAX &&
           chunk->offset < chunk->snapshot.size && chunk->bytes <= chunk->snapshot.size - chunk->offset;
}

static void ack(struct dgraft_core *core, const struct dgraft_snapshot *snapshot, uint64_t offset)
{
    core->snapshot_ack_due = true;
    core->snapshot_ack = (struct dgraft_snapshot_ack){.snapshot = *snapshot, .offset = offset};
}

void dgraft_core_snapshot_reply(struct step *step)
{
    struct dgraft_core *core = step->core;
    core->snapshot_ack_due = false;
    struct dgraft_action_send *send =
        dgraft_core_emit_send(step, dgraft_node_set_of(core->leader), DGRAFT_MESSAGE_SNAPSHOT_ACK);
    send->message.u.snapshot_ack = core->snapshot_ack;
    send->message.u.snapshot_ack.round = core->leader_round;
}

/* Whether a chunk of another snapshot than the one being received is to replace that. A late one of the same leader's
 * older snapshot must not throw away what is there of its newer one; a new leader's must, even if it is older. */
static bool replaces(const struct dgraft_core *core, const struct dgraft_message *message)
{
    return core->stores == 0 && (message->term > core->receiving_term ||
                                 message->u.snapshot_chunk.snapshot.position.index > core->receiving.position.index);
}

static void chunk_take(struct step *step, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_snapshot_chunk *chunk = &message->u.snapshot_chunk;
    const struct dgraft_snapshot *snapshot = &chunk->snapshot;
    if (!dgraft_snapshot_equal(snapshot, &core->receiving)) {
        if (!replaces(core, message)) {
            core->ignored++;
            return;
        }
        if (chunk->offset != 0) {
            ack(core, snapshot, 0); /* from the beginning, please */
            return;
        }
        core->receiving = *snapshot;
        core->snapshot_ack_due = false; /* of the one before: soon it is here no longer */
        core->received = 0;
        core->received_next = 0;
    }
    core->receiving_term = dgraft_core_max(core->receiving_term, message->term);
    if (chunk->offset != core->received_next || core->stores == DGRAFT_CORE_CHUNKS) {
        ack(core, snapshot, core->received); /* it came twice, or one before it was lost */
        return;
    }
    dgraft_core_emit(step, DGRAFT_ACTION_SNAPSHOT_STORE)->u.snapshot_store =
        (struct dgraft_action_snapshot_store){.snapshot = *snapshot, .offset = chunk->offset, .bytes = chunk->bytes};
    core->received_next += chunk->bytes;
    core->stores++;
}

static void refuse_old_leader(struct step *step, const struct dgraft_message *message)
{
    if (!dgraft_core_state_durable(step->core)) {
        return;
    }
    struct dgraft_action_send *send =
        dgraft_core_emit_send(step, dgraft_node_set_of(message->from), DGRAFT_MESSAGE_APPEND_REFUSE);
    send->message.u.append_refuse =
        (struct dgraft_append_refuse){.round = message->u.snapshot_chunk.round, .reason = DGRAFT_REFUSE_TERM};
}

void dgraft_core_recv_snapshot_chunk(struct step *step, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_position position = message->u.snapshot_chunk.snapshot.position;
    if (message->term < core->term) {
        refuse_old_leader(step, message);
        return;
    }
    const bool second_leader = message->term == core->term && core->leader != 0 && core->leader != message->from;
    if (second_leader || !chunk_valid(message)) {
        core->ignored++;
        return;
    }
    dgraft_core_hear_leader(step, message, message->u.snapshot_chunk.round);
    const bool mends = core->damage_count > 0 && position.index >= core->damage[0].damage.first;
    if (position.index > core->commit || mends) {
        chunk_take(step, message);
        return;
    }
    const dgraft_term known = dgraft_core_term_at(core, position.index);
    if (known != 0 && known != position.term) {
        dgraft_core_poison(step); /* it contradicts what is committed here */
        return;
    }
    /* All of it is here: every leader's log holds what is committed [§3.6.3], so this log equals it up to there. */
    core->verified = dgraft_core_max(core->verified, position.index);
    core->ack_due = true;
}

/* SNAPSHOT_STORED: so far the host got. */
enum dgraft_status dgraft_core_snapshot_stored(struct step *step)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_event_snapshot_stored *stored = &step->event->u.snapshot_stored;
    if (stored->offset > stored->snapshot.size || stored->snapshot.position.index == 0) {
        return DGRAFT_STATUS_MISUSE;
    }
    if (core->receiving.position.index == 0) {
        core->receiving = stored->snapshot; /* left by an earlier start */
        core->receiving_term = 0;
    } else if (!dgraft_snapshot_equal(&stored->snapshot, &core->receiving)) {
        return DGRAFT_OK; /* it was given up meanwhile */
    } else {
        core->stores -= core->stores > 0 ? 1 : 0;
        ack(core, &core->receiving, stored->offset);
    }
    core->received = stored->offset;
    if (core->stores == 0) {
        core->received_next = stored->offset; /* less than expected when the host could not store it */
    }
    return DGRAFT_OK;
}
