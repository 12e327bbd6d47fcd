/* What tests of snapshots say to a core, beside core_rig.h. */
#ifndef DGRAFT_TEST_CORE_SNAPSHOT_RIG_H
#define DGRAFT_TEST_CORE_SNAPSHOT_RIG_H

#include "core_rig.h"

/* A snapshot of 1000 bytes. */
struct dgraft_snapshot snapshot_at(dgraft_index index, dgraft_term term);

/* APPLIED up to index; then SNAPSHOT of the same. */
void rig_applied(struct rig *rig, dgraft_index index);
void rig_snapshot(struct rig *rig, dgraft_index index);

/* Messages. */
struct dgraft_message rig_chunk(dgraft_node_id from, dgraft_term term, struct dgraft_snapshot snapshot, uint64_t offset,
                                uint32_t bytes);
struct dgraft_message rig_chunk_ack(dgraft_node_id from, dgraft_term term, struct dgraft_snapshot snapshot,
                                    uint64_t offset, uint64_t round);

/* SNAPSHOT_STORED and SNAPSHOT_RECEIVED (voters 1 to 3 since index 1). */
void rig_stored(struct rig *rig, struct dgraft_snapshot snapshot, uint64_t offset);
void rig_received(struct rig *rig, struct dgraft_snapshot snapshot);

/* Returns how many SENDs of this type are among the actions. */
uint32_t rig_sends(const struct rig *rig, enum dgraft_message_type type);

#endif
