/* I-SNAP: snapshots, looked into where they get their names and where they are sent. Whatever was dropped of a log
 * stays in the checker's own history: so a log that begins behind a snapshot is compared as a whole one is. */
#include "disk_format.h"
#include "sim_check.h"

#include <string.h>
#include <xxhash.h>

/* A snapshot's bytes, as docs/log-format.md has them. */
#define HEAD_BYTES 32u

/* Returns the newest command up to an index that had an effect; 0: none, or nobody has shown it yet. */
static dgraft_index newest_effect(const struct sim_check *check, dgraft_index index)
{
    while (index > 0 && check->committed[index].effect != SIM_EFFECT_APPLIED) {
        index--;
    }
    return index;
}

/* Returns whether a state is what a replay of all up to `index` gives. */
static bool as_replayed(const struct sim_check *check, dgraft_index index, const struct sim_machine *machine)
{
    const dgraft_index newest = newest_effect(check, index);
    return machine->applied == newest && (newest == 0 || check->committed[newest].machine == machine->hash);
}

/* What the snapshot says: who the members are, and the machine's state. */
static bool check_bytes(struct sim_check *check, dgraft_node_id node, struct dgraft_position position,
                        const uint8_t *bytes, uint64_t size)
{
    struct sim_machine machine = {0};
    const unsigned long long i = position.index;

    if (size < HEAD_BYTES) {
        return sim_check_fail(check, "I-SNAP: node %u has a snapshot at %llu of %llu bytes", node, i,
                              (unsigned long long)size);
    }
    const uint64_t members = dgraft_get_u32(bytes + 16);
    const uint64_t sessions = dgraft_get_u32(bytes + 20);
    if (members + sessions > size - HEAD_BYTES ||
        !sim_machine_load(&machine, bytes + HEAD_BYTES + members + sessions, size - HEAD_BYTES - members - sessions)) {
        return sim_check_fail(check, "I-SNAP: node %u has a snapshot at %llu that nobody wrote", node, i);
    }
    if (!as_replayed(check, position.index, &machine)) {
        return sim_check_fail(check, "I-SNAP: node %u has a snapshot at %llu whose state is that behind %llu, not %llu",
                              node, i, (unsigned long long)machine.applied,
                              (unsigned long long)newest_effect(check, position.index));
    }
    return sim_members_snapshot(check, node, position, dgraft_get_u64(bytes + 8), bytes + HEAD_BYTES, members);
}

void sim_check_named(struct sim_check *check, dgraft_node_id node, const char *path, const uint8_t *bytes,
                     uint64_t size)
{
    struct sim_ghost *ghost = &check->ghosts[node];
    struct dgraft_snapshot_header header = {.refusal = DGRAFT_REFUSAL_EMPTY};
    const char *slash = strrchr(path, '/');
    const struct dgraft_position named = dgraft_snapshot_named(slash == NULL ? path : slash + 1);
    const unsigned long long i = named.index;

    if (named.index == 0 || sim_check_broken(check)) {
        return;
    }
    if (size >= DGRAFT_BLOCK_BYTES) {
        dgraft_snapshot_decode(bytes, DGRAFT_BLOCK_BYTES, &header);
    }
    if (header.refusal != DGRAFT_ACCEPT || size != DGRAFT_BLOCK_BYTES + header.snapshot.size ||
        !dgraft_position_equal(header.snapshot.position, named) ||
        XXH3_64bits(bytes + DGRAFT_BLOCK_BYTES, (size_t)header.snapshot.size) != header.snapshot.digest) {
        sim_check_fail(check, "I-SNAP: node %u has a snapshot of (%llu, %llu) under its name that is not whole", node,
                       i, (unsigned long long)named.term);
        return;
    }
    if (named.index > check->committed_last || check->committed[named.index].term != named.term) {
        sim_check_fail(check, "I-SNAP: node %u has a snapshot of (%llu, %llu), which is not committed", node, i,
                       (unsigned long long)named.term);
        return;
    }
    if (named.term > ghost->state_term) {
        sim_check_fail(check, "I-SNAP: node %u has a snapshot of term %llu, its own on the disk is %llu", node,
                       (unsigned long long)named.term, (unsigned long long)ghost->state_term);
        return;
    }
    if (check_bytes(check, node, named, bytes + DGRAFT_BLOCK_BYTES, header.snapshot.size) &&
        named.index > ghost->snapshot.index) {
        ghost->snapshot = named;
        check->counts->of[SIM_COUNT_SNAPSHOT_NAMED]++;
        sim_trace_line(check->trace, node, "disk: snapshot of (%llu, %llu), %llu bytes", i,
                       (unsigned long long)named.term, (unsigned long long)header.snapshot.size);
    }
}

void sim_check_part_synced(struct sim_check *check, dgraft_node_id node, const uint8_t *bytes, uint64_t begin,
                           uint64_t end)
{
    struct sim_ghost *ghost = &check->ghosts[node];
    struct dgraft_snapshot_header header;

    if (end < DGRAFT_BLOCK_BYTES || begin >= end) {
        return;
    }
    dgraft_snapshot_decode(bytes, DGRAFT_BLOCK_BYTES, &header);
    if (begin < DGRAFT_BLOCK_BYTES) { /* another file */
        ghost->part = header.snapshot;
        ghost->part_bytes = 0;
    }
    if (end - DGRAFT_BLOCK_BYTES > ghost->part_bytes) {
        ghost->part_bytes = end - DGRAFT_BLOCK_BYTES;
    }
}

/* Whether a node says no more of a snapshot than would survive any crash: a part of it, or all of it under its name. */
static bool is_sure(const struct sim_ghost *ghost, const struct dgraft_snapshot *snapshot, uint64_t bytes)
{
    return bytes == 0 || snapshot->position.index <= ghost->snapshot.index ||
           (dgraft_snapshot_equal(&ghost->part, snapshot) && bytes <= ghost->part_bytes);
}

void sim_check_part(struct sim_check *check, dgraft_node_id node, const uint8_t *bytes, uint64_t size,
                    uint64_t synced_end, const struct dgraft_core_status *status)
{
    struct sim_ghost *ghost = &check->ghosts[node];
    struct dgraft_snapshot_header header = {.refusal = DGRAFT_REFUSAL_EMPTY};

    if (size >= DGRAFT_BLOCK_BYTES) {
        dgraft_snapshot_decode(bytes, DGRAFT_BLOCK_BYTES, &header);
    }
    /* It may be an older file, which a crash has brought back: its unlinking was not sure. */
    ghost->part = header.snapshot;
    ghost->part_bytes = synced_end > DGRAFT_BLOCK_BYTES ? synced_end - DGRAFT_BLOCK_BYTES : 0;
    if (!is_sure(ghost, &status->receiving, status->received_bytes)) {
        sim_check_fail(check, "I-DUR: node %u goes on behind %llu bytes of a snapshot of %llu, and %llu are sure", node,
                       (unsigned long long)status->received_bytes, (unsigned long long)status->receiving.position.index,
                       (unsigned long long)ghost->part_bytes);
        return;
    }
    if (header.refusal != DGRAFT_ACCEPT || size <= DGRAFT_BLOCK_BYTES + (uint64_t)header.chunk_bytes ||
        header.snapshot.position.index <= ghost->snapshot.index) {
        return;
    }
    /* The write under way is in doubt, and none was larger than the header says. */
    const uint64_t sure = size - DGRAFT_BLOCK_BYTES - header.chunk_bytes;
    check->counts->of[SIM_COUNT_SNAPSHOT_PART]++;
    if (!dgraft_snapshot_equal(&status->receiving, &header.snapshot) || status->received_bytes != sure) {
        sim_check_fail(check,
                       "I-DUR: node %u has %llu bytes of a snapshot of %llu, and goes on behind %llu of one of "
                       "%llu",
                       node, (unsigned long long)sure, (unsigned long long)header.snapshot.position.index,
                       (unsigned long long)status->received_bytes,
                       (unsigned long long)status->receiving.position.index);
    }
}

void sim_check_restored(struct sim_check *check, dgraft_node_id node, const struct sim_machine *machine)
{
    struct sim_ghost *ghost = &check->ghosts[node];
    const dgraft_index index = machine->applied;

    if (sim_check_broken(check)) {
        return;
    }
    if (index > check->committed_last || !as_replayed(check, index, machine)) {
        sim_check_fail(check, "I-SNAP: node %u takes up a state behind %llu that no replay gives", node,
                       (unsigned long long)index);
    } else if (index < ghost->applied) {
        sim_check_fail(check, "I-SNAP: node %u falls from %llu applied to %llu", node,
                       (unsigned long long)ghost->applied, (unsigned long long)index);
    } else {
        ghost->applied = index;
    }
}

void sim_check_stopped(struct sim_check *check, dgraft_node_id node, dgraft_index applied,
                       const struct sim_machine *machine)
{
    if (!sim_check_broken(check) && applied <= check->committed_last && !as_replayed(check, applied, machine)) {
        sim_check_fail(check, "I-SMS: node %u has applied %llu, its state is that behind %llu, not %llu", node,
                       (unsigned long long)applied, (unsigned long long)machine->applied,
                       (unsigned long long)newest_effect(check, applied));
    }
}

void sim_check_installed(struct sim_check *check, dgraft_node_id node, const struct dgraft_core_status *status)
{
    struct sim_ghost *ghost = &check->ghosts[node];
    const struct dgraft_membership *before = &ghost->seen.membership;
    uint64_t *counts = check->counts->of;

    counts[SIM_COUNT_SNAPSHOT_INSTALLED]++;
    counts[SIM_COUNT_SNAPSHOT_MEMBERS] += status->membership.index != before->index;
    counts[SIM_COUNT_SNAPSHOT_JOINER] += ghost->seen.last.index == 0;
    ghost->lagged = status->snapshot.position.index;
    sim_trace_line(check->trace, node, "has taken up the snapshot of (%llu, %llu)",
                   (unsigned long long)status->snapshot.position.index,
                   (unsigned long long)status->snapshot.position.term);
}

bool sim_check_begins(struct sim_check *check, dgraft_node_id node, const struct dgraft_core_status *status)
{
    const struct sim_ghost *ghost = &check->ghosts[node];
    const struct dgraft_position snapshot = status->snapshot.position;
    const unsigned long long i = snapshot.index;

    if (!ghost->running && snapshot.index != ghost->snapshot.index) {
        return sim_check_fail(check, "I-DUR: node %u opens with a snapshot of %llu, its disk has one of %llu", node, i,
                              (unsigned long long)ghost->snapshot.index);
    }
    if (snapshot.index > ghost->snapshot.index || snapshot.index > status->applied ||
        (snapshot.index > 0 && check->committed[snapshot.index].term != snapshot.term)) {
        return sim_check_fail(check,
                              "I-SNAP: node %u has applied %llu and goes by a snapshot of (%llu, %llu), its disk "
                              "has one of %llu",
                              node, (unsigned long long)status->applied, i, (unsigned long long)snapshot.term,
                              (unsigned long long)ghost->snapshot.index);
    }
    if (status->compacted.index > snapshot.index) {
        return sim_check_fail(check, "I-SNAP: the log of node %u begins behind %llu, its snapshot ends with %llu", node,
                              (unsigned long long)status->compacted.index, i);
    }
    if (ghost->running && (snapshot.index < ghost->seen.snapshot.position.index ||
                           status->compacted.index < ghost->seen.compacted.index)) {
        return sim_check_fail(check, "I-SNAP: the snapshot of node %u falls from %llu to %llu, or its log grows again",
                              node, (unsigned long long)ghost->seen.snapshot.position.index, i);
    }
    check->counts->of[SIM_COUNT_COMPACTED] += ghost->running && status->compacted.index > ghost->seen.compacted.index;
    return true;
}

bool sim_check_chunk(struct sim_check *check, const struct dgraft_frame *frame, dgraft_node_id to)
{
    const struct dgraft_snapshot_chunk *chunk = &frame->message.u.snapshot_chunk;
    const struct dgraft_snapshot *snapshot = &chunk->snapshot;
    const dgraft_node_id from = frame->header.from;
    const dgraft_index index = snapshot->position.index;
    struct sim_term *term = sim_check_term(check, frame->header.term);
    uint64_t *counts = check->counts->of;

    if (term == NULL || !sim_check_leader(check, from, frame->header.term) ||
        !sim_check_vote(check, from, frame->header.term, from)) {
        return false;
    }
    if (index == 0 || index > check->ghosts[from].snapshot.index ||
        check->committed[index].term != snapshot->position.term) {
        return sim_check_fail(check, "I-SNAP: node %u sends a snapshot of (%llu, %llu), its disk has one of %llu", from,
                              (unsigned long long)index, (unsigned long long)snapshot->position.term,
                              (unsigned long long)check->ghosts[from].snapshot.index);
    }
    if (!sim_check_extends(check, frame->header.term, snapshot->position)) {
        return false;
    }
    term->shown[to] = index > term->shown[to] ? index : term->shown[to];
    term->round_max = chunk->round > term->round_max ? chunk->round : term->round_max;
    counts[SIM_COUNT_SNAPSHOT_CHUNK]++;
    if (term->sent_digest[to] != snapshot->digest) {
        counts[SIM_COUNT_SNAPSHOT_SENT]++;
        counts[SIM_COUNT_SNAPSHOT_NEWER] += term->sent_digest[to] != 0;
        term->sent_digest[to] = snapshot->digest;
        term->sent[to] = 0;
    }
    counts[SIM_COUNT_SNAPSHOT_RESENT] += chunk->offset < term->sent[to];
    counts[SIM_COUNT_SNAPSHOT_RESUMED] += chunk->offset > term->sent[to];
    if (chunk->offset + chunk->bytes > term->sent[to]) {
        term->sent[to] = chunk->offset + chunk->bytes;
    }
    return true;
}

bool sim_check_stored(struct sim_check *check, const struct dgraft_frame *frame)
{
    const struct dgraft_snapshot_ack *ack = &frame->message.u.snapshot_ack;
    struct sim_ghost *ghost = &check->ghosts[frame->header.from];

    if (ack->offset > ack->snapshot.size) {
        return sim_check_fail(check, "I-SNAP: node %u has stored %llu bytes of a snapshot of %llu", frame->header.from,
                              (unsigned long long)ack->offset, (unsigned long long)ack->snapshot.size);
    }
    if (!is_sure(ghost, &ack->snapshot, ack->offset)) {
        return sim_check_fail(check,
                              "I-DUR: node %u says that it has %llu bytes of a snapshot of %llu; sure are %llu of "
                              "one of %llu",
                              frame->header.from, (unsigned long long)ack->offset,
                              (unsigned long long)ack->snapshot.position.index, (unsigned long long)ghost->part_bytes,
                              (unsigned long long)ghost->part.position.index);
    }
    if (ghost->stored_digest == ack->snapshot.digest) {
        check->counts->of[SIM_COUNT_SNAPSHOT_REFUSED] += ack->offset == 0 && ghost->stored > 0;
    } else {
        check->counts->of[SIM_COUNT_SNAPSHOT_REPLACED] +=
            ghost->stored_digest != 0 && ghost->stored > 0 && !ghost->stored_whole;
    }
    ghost->stored_digest = ack->snapshot.digest;
    ghost->stored = ack->offset;
    ghost->stored_whole = ack->offset == ack->snapshot.size;
    return true;
}
