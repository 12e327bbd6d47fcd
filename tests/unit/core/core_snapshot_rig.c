#include "core_snapshot_rig.h"

#include <criterion/criterion.h>

struct dgraft_snapshot snapshot_at(dgraft_index index, dgraft_term term)
{
    return (struct dgraft_snapshot){.position = {index, term}, .size = 1000, .digest = 7 * index};
}

void rig_applied(struct rig *rig, dgraft_index index)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_APPLIED};
    event.u.applied.index = index;
    rig_step(rig, event);
}

void rig_snapshot(struct rig *rig, dgraft_index index)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT};
    rig_applied(rig, index);
    event.u.snapshot.snapshot = snapshot_at(index, dgraft_core_term_at(rig->core, index));
    rig_step(rig, event);
}

struct dgraft_message rig_chunk(dgraft_node_id from, dgraft_term term, struct dgraft_snapshot snapshot, uint64_t offset,
                                uint32_t bytes)
{
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_SNAPSHOT_CHUNK, .from = from, .term = term};
    message.u.snapshot_chunk =
        (struct dgraft_snapshot_chunk){.snapshot = snapshot, .offset = offset, .round = 1, .bytes = bytes};
    return message;
}

struct dgraft_message rig_chunk_ack(dgraft_node_id from, dgraft_term term, struct dgraft_snapshot snapshot,
                                    uint64_t offset, uint64_t round)
{
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_SNAPSHOT_ACK, .from = from, .term = term};
    message.u.snapshot_ack = (struct dgraft_snapshot_ack){.snapshot = snapshot, .offset = offset, .round = round};
    return message;
}

void rig_stored(struct rig *rig, struct dgraft_snapshot snapshot, uint64_t offset)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT_STORED};
    event.u.snapshot_stored = (struct dgraft_event_snapshot_stored){.snapshot = snapshot, .offset = offset};
    rig_step(rig, event);
}

void rig_received(struct rig *rig, struct dgraft_snapshot snapshot)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT_RECEIVED};
    event.u.snapshot_received =
        (struct dgraft_event_snapshot_received){.snapshot = snapshot, .membership = {.index = 1, .voters = 7}};
    rig_step(rig, event);
}

uint32_t rig_sends(const struct rig *rig, enum dgraft_message_type type)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rig->actions->count; i++) {
        const struct dgraft_action *action = &rig->actions->items[i];
        count += action->kind == DGRAFT_ACTION_SEND && action->u.send.message.type == type ? 1u : 0u;
    }
    return count;
}
