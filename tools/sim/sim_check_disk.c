/* What reached a node's disk, read from the bytes that were synced, with storage's own decoders but none of its state.
 */
#include "disk_format.h"
#include "sim_check.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Takes one batch; returns false to stop. */
typedef bool batch_found(struct sim_check *check, dgraft_node_id node, const struct dgraft_batch *batch,
                         const uint8_t *records);

/* Visits the batches that begin within a range of a segment's bytes. */
static bool each_batch(struct sim_check *check, dgraft_node_id node, const uint8_t *bytes, uint64_t size,
                       uint64_t begin, uint64_t end, batch_found *found)
{
    struct dgraft_segment_header header;
    struct dgraft_batch batch;

    if (size < DGRAFT_BLOCK_BYTES) {
        return true;
    }
    dgraft_segment_decode(bytes, size, &header);
    if (header.refusal != DGRAFT_ACCEPT) {
        return true;
    }
    uint64_t at = begin < DGRAFT_BLOCK_BYTES ? DGRAFT_BLOCK_BYTES : begin;
    while (at + DGRAFT_BATCH_HEADER_BYTES <= end) {
        const struct dgraft_place place = {header.identity.store, header.sequence, at};
        if (dgraft_batch_decode(bytes + at, &place, &batch) != DGRAFT_ACCEPT || batch.length > size - at) {
            return true;
        }
        if (!found(check, node, &batch, bytes + at + DGRAFT_BATCH_HEADER_BYTES)) {
            return false;
        }
        at += batch.length;
    }
    return true;
}

/* Finds where the log after a batch first differs from the one before; 0 when it does not. */
static dgraft_index first_difference(const struct sim_ghost *ghost, const struct dgraft_batch *batch,
                                     const dgraft_term *terms)
{
    for (dgraft_index i = batch->keep + 1; i <= ghost->last; i++) {
        const uint64_t nth = i - batch->keep - 1;
        if (nth >= batch->count || terms[nth] != ghost->terms[i]) {
            return i;
        }
    }
    return 0;
}

/* Returns whether a majority without this node holds an entry. A write that was begun before the entry was committed
 * may overwrite it late, when a disk stalls: (1) 4 holds (18, 4), which is not committed; (2) it takes (18, 5) from
 * another leader, and its write stalls; (3) a leader of term 6 commits (18, 4) with three others; (4) the write of 4
 * ends. Its copy was not needed, and it says of none what it has not. */
static bool majority_besides(const struct sim_check *check, dgraft_node_id node, dgraft_index index, dgraft_term term)
{
    dgraft_node_set holders = 0;
    for (dgraft_node_id id = 1; id <= check->node_count; id++) {
        if (id != node && sim_ghost_holds(check, &check->ghosts[id], (struct dgraft_position){index, term})) {
            holders |= dgraft_node_set_of(id);
        }
    }
    return sim_members_may_commit(check, (struct dgraft_position){index, term}, holders, NULL);
}

/* Of what a disk loses from an index on, nothing may be committed that others hold too few copies of. */
static bool may_lose(struct sim_check *check, dgraft_node_id node, dgraft_index from)
{
    const struct sim_ghost *ghost = &check->ghosts[node];
    for (dgraft_index i = from; i <= ghost->last && i <= check->committed_last; i++) {
        if (check->committed[i].term == ghost->terms[i] &&
            (ghost->seen.commit >= i || !majority_besides(check, node, i, ghost->terms[i]))) {
            return sim_check_fail(check, "I-TRUNC: node %u overwrites (%llu, %llu), which is committed", node,
                                  (unsigned long long)i, (unsigned long long)ghost->terms[i]);
        }
    }
    return true;
}

/* A batch supersedes what a disk held after batch->keep. */
static bool shortens(struct sim_check *check, dgraft_node_id node, const struct dgraft_batch *batch,
                     const dgraft_term *terms)
{
    const struct sim_ghost *ghost = &check->ghosts[node];
    const dgraft_index differs = first_difference(ghost, batch, terms);

    if (differs == 0) {
        check->counts->of[SIM_COUNT_REWRITE]++;
        return true;
    }
    check->counts->of[SIM_COUNT_TRUNCATION]++;
    if (differs - batch->keep > batch->count) {
        return sim_check_fail(check, "I-TRUNC: node %u cuts its log at %llu without a conflict", node,
                              (unsigned long long)differs);
    }
    return may_lose(check, node, differs);
}

/* A batch begins the log anew behind a snapshot, which must be there, and whose last entry was not in the log. */
static bool begins_anew(struct sim_check *check, dgraft_node_id node, const struct dgraft_batch *batch)
{
    struct sim_ghost *ghost = &check->ghosts[node];

    if (batch->keep > ghost->snapshot.index || batch->floor.index != batch->keep ||
        check->committed[batch->keep].term != batch->floor.term) {
        return sim_check_fail(check, "I-SNAP: node %u begins its log anew behind (%llu, %llu); its snapshot is of %llu",
                              node, (unsigned long long)batch->keep, (unsigned long long)batch->floor.term,
                              (unsigned long long)ghost->snapshot.index);
    }
    const bool held = batch->keep <= ghost->last && ghost->terms[batch->keep] == batch->floor.term;
    const bool conflicts = batch->keep <= ghost->last && !held;
    if (!may_lose(check, node, batch->keep + 1)) {
        return false;
    }
    check->counts->of[SIM_COUNT_SNAPSHOT_CONFLICT] += conflicts;
    check->counts->of[SIM_COUNT_SNAPSHOT_SETTLED] += !ghost->running && !held;
    if (!sim_ghost_reserve(ghost, batch->keep)) {
        return sim_check_fail(check, "out of memory");
    }
    for (dgraft_index i = 1; i <= batch->keep; i++) {
        ghost->terms[i] = check->committed[i].term;
    }
    ghost->last = batch->keep;
    return true;
}

/* Reads the records of a batch into the tree; their terms go to `terms`. */
static bool read_records(struct sim_check *check, dgraft_node_id node, const struct dgraft_batch *batch,
                         const uint8_t *records, dgraft_term *terms)
{
    const struct sim_ghost *ghost = &check->ghosts[node];
    dgraft_term before = batch->keep == 0 ? 0 : ghost->terms[batch->keep];
    size_t left = (size_t)(batch->length - DGRAFT_BATCH_HEADER_BYTES);

    for (uint32_t i = 0; i < batch->count; i++) {
        struct dgraft_record record;
        struct sim_command command = {0};
        dgraft_index session = 0;
        size_t used = 0;
        const enum dgraft_refusal refusal = dgraft_record_decode(records, left, &record, &used);
        if (refusal != DGRAFT_ACCEPT && !ghost->running) {
            return false; /* recovery has synced the torn tail along with what is before it */
        }
        if (refusal != DGRAFT_ACCEPT || record.entry.index != batch->first + i) {
            return sim_check_fail(check, "I-DUR: node %u syncs a batch whose record %u is %s", node, i,
                                  dgraft_refusal_name(refusal));
        }
        if (record.entry.kind == DGRAFT_ENTRY_COMMAND && !sim_record_command(&record, &command, &session)) {
            return sim_check_fail(check, "I-DUR: node %u syncs a command that nobody proposed", node);
        }
        const struct sim_entry entry = {
            .term = record.entry.term,
            .before = before,
            .hash = XXH3_64bits_withSeed(record.payload, record.entry.payload_bytes, record.tag),
            .operation = command.operation,
            .session = session,
            .kind = record.entry.kind,
        };
        if (!sim_check_entry(check, record.entry.index, &entry, "on a disk")) {
            return false;
        }
        if (entry.kind == DGRAFT_ENTRY_MEMBERSHIP &&
            !sim_members_note(check, (struct dgraft_position){record.entry.index, entry.term}, record.payload,
                              record.entry.payload_bytes)) {
            return false;
        }
        terms[i] = before = record.entry.term;
        records += used;
        left -= used;
    }
    return true;
}

/* Entries take the place of what they were. */
static bool mended(struct sim_check *check, dgraft_node_id node, const struct dgraft_batch *batch,
                   const uint8_t *records)
{
    const struct sim_ghost *ghost = &check->ghosts[node];
    dgraft_term *terms = calloc((size_t)batch->count + 1, sizeof *terms);
    if (terms == NULL) {
        return sim_check_fail(check, "out of memory");
    }
    struct dgraft_batch as_written = *batch;
    as_written.keep = batch->first - 1;
    bool good = batch->keep == ghost->last && batch->first - 1 + batch->count <= ghost->last &&
                read_records(check, node, &as_written, records, terms);
    for (uint32_t i = 0; i < batch->count && good; i++) {
        good = sim_ghost_term(check, ghost, batch->first + i) == terms[i];
    }
    free(terms);
    return good ||
           sim_check_fail(check, "I-MEND: node %u mends entries %llu to %llu with others", node,
                          (unsigned long long)batch->first, (unsigned long long)(batch->first + batch->count - 1));
}

static bool batch_synced(struct sim_check *check, dgraft_node_id node, const struct dgraft_batch *batch,
                         const uint8_t *records)
{
    struct sim_ghost *ghost = &check->ghosts[node];

    if (batch->restart && !begins_anew(check, node, batch)) {
        return false;
    }
    if (batch->mends) {
        return mended(check, node, batch, records);
    }
    if (batch->keep > ghost->last || (batch->count > 0 && batch->first != batch->keep + 1)) {
        return sim_check_fail(check, "I-DUR: node %u syncs a batch that keeps %llu of %llu entries", node,
                              (unsigned long long)batch->keep, (unsigned long long)ghost->last);
    }
    dgraft_term *terms = calloc((size_t)batch->count + 1, sizeof *terms);
    if (terms == NULL || !sim_ghost_reserve(ghost, batch->keep + batch->count)) {
        free(terms);
        return sim_check_fail(check, "out of memory");
    }
    const bool good = read_records(check, node, batch, records, terms) &&
                      (batch->keep == ghost->last || shortens(check, node, batch, terms));
    if (good) {
        memcpy(&ghost->terms[batch->keep + 1], terms, batch->count * sizeof *terms);
        ghost->last = batch->keep + batch->count;
        sim_trace_line(check->trace, node, "disk: batch %llu keeps %llu, ends at %llu",
                       (unsigned long long)batch->number, (unsigned long long)batch->keep,
                       (unsigned long long)ghost->last);
    }
    free(terms);
    return good;
}

static void state_synced(struct sim_check *check, dgraft_node_id node, const uint8_t *bytes, uint64_t size)
{
    struct sim_ghost *ghost = &check->ghosts[node];
    struct dgraft_state_slot newest = {0};

    for (uint32_t number = 0; number < DGRAFT_STATE_SLOTS && (number + 1) * DGRAFT_BLOCK_BYTES <= size; number++) {
        struct dgraft_state_slot slot;
        dgraft_slot_decode(bytes + (size_t)number * DGRAFT_BLOCK_BYTES, DGRAFT_BLOCK_BYTES, number, &slot);
        if (slot.refusal == DGRAFT_ACCEPT && slot.version >= newest.version) {
            newest = slot;
        }
    }
    if (newest.term < ghost->state_term) {
        sim_check_fail(check, "I-TERM: node %u saves term %llu after %llu", node, (unsigned long long)newest.term,
                       (unsigned long long)ghost->state_term);
        return;
    }
    if (newest.term == ghost->state_term && ghost->state_vote != 0 && newest.vote != ghost->state_vote) {
        sim_check_fail(check, "I-VOTE: node %u saves vote %u after %u in term %llu", node, newest.vote,
                       ghost->state_vote, (unsigned long long)newest.term);
        return;
    }
    if (!sim_ghost_reserve_votes(ghost, newest.term)) {
        sim_check_fail(check, "terms run away: %llu", (unsigned long long)newest.term);
        return;
    }
    ghost->state_term = newest.term;
    ghost->state_vote = newest.vote;
    ghost->votes_durable[newest.term] = newest.vote;
    sim_trace_line(check->trace, node, "disk: term %llu, vote %u", (unsigned long long)newest.term, newest.vote);
}

void sim_check_synced(struct sim_check *check, dgraft_node_id node, const char *path, const uint8_t *bytes,
                      uint64_t size, uint64_t begin, uint64_t end)
{
    const char *name = strrchr(path, '/');

    name = name == NULL ? path : name + 1;
    if (strcmp(name, "state") == 0 || strcmp(name, "state.new") == 0) {
        state_synced(check, node, bytes, size);
        return;
    }
    if (strcmp(name, "snapshot.part") == 0) {
        sim_check_part_synced(check, node, bytes, begin, end);
        return;
    }
    if (strncmp(name, "snapshot", 8) == 0) {
        return; /* it counts when it has its name */
    }
    each_batch(check, node, bytes, size, begin, end, batch_synced);
}

/* Returns a copy of the terms of all that a disk holds; NULL when there is no memory, which is noted. */
static dgraft_term *terms_of(struct sim_check *check, const struct sim_ghost *ghost)
{
    const dgraft_index last = sim_ghost_last(ghost);
    dgraft_term *terms = calloc((size_t)last + 1, sizeof *terms);
    if (terms == NULL) {
        sim_check_fail(check, "out of memory");
        return NULL;
    }
    for (dgraft_index i = 1; i <= last; i++) {
        terms[i] = sim_ghost_term(check, ghost, i);
    }
    return terms;
}

void sim_check_down(struct sim_check *check, dgraft_node_id node)
{
    struct sim_ghost *ghost = &check->ghosts[node];

    /* What a crash left of batches under way may still be found after an opening that failed. */
    ghost->unsynced_count = ghost->running ? 0 : ghost->unsynced_count;
    ghost->running = false;
    ghost->stored_digest = 0;
    ghost->lagged = 0;
    free(ghost->before_crash);
    ghost->before_last = sim_ghost_last(ghost);
    ghost->before_crash = terms_of(check, ghost);
}

static bool batch_unsynced(struct sim_check *check, dgraft_node_id node, const struct dgraft_batch *batch,
                           const uint8_t *records)
{
    struct sim_ghost *ghost = &check->ghosts[node];

    (void)records;
    if (ghost->unsynced_count < SIM_UNSYNCED_MAX) {
        ghost->unsynced[ghost->unsynced_count++] = batch->keep;
    }
    return true;
}

void sim_check_unsynced(struct sim_check *check, dgraft_node_id node, const uint8_t *bytes, uint64_t size,
                        uint64_t begin, uint64_t end)
{
    each_batch(check, node, bytes, size, begin, end, batch_unsynced);
}

/* The log now must hold everything durable before, but for what a batch under way superseded. */
static bool kept(struct sim_check *check, dgraft_node_id node)
{
    const struct sim_ghost *ghost = &check->ghosts[node];
    const struct dgraft_position snapshot = ghost->snapshot;
    dgraft_index must = ghost->before_last;

    if (ghost->before_crash == NULL) {
        return true;
    }
    if (snapshot.index > ghost->before_last || ghost->before_crash[snapshot.index] != snapshot.term) {
        return true; /* a snapshot got its name in time, and the log gave way to it */
    }
    for (dgraft_index i = 1; i <= ghost->before_last; i++) {
        if (sim_ghost_term(check, ghost, i) != ghost->before_crash[i]) {
            must = i - 1;
            break;
        }
    }
    if (must == ghost->before_last) {
        return true;
    }
    for (uint32_t i = 0; i < ghost->unsynced_count; i++) {
        if (ghost->unsynced[i] <= must) {
            return true;
        }
    }
    return sim_check_fail(check, "I-DUR: node %u had (%llu, %llu) on its disk; after the restart its log ends at %llu",
                          node, (unsigned long long)must + 1, (unsigned long long)ghost->before_crash[must + 1],
                          (unsigned long long)sim_ghost_last(ghost));
}

void sim_check_wiped(struct sim_check *check, dgraft_node_id node, uint64_t store)
{
    struct sim_ghost *ghost = &check->ghosts[node];

    free(ghost->lost_terms);
    ghost->lost_terms = terms_of(check, ghost);
    ghost->lost_last = ghost->lost_terms == NULL ? 0 : sim_ghost_last(ghost);
    ghost->lost_store = ghost->store;
    free(ghost->terms);
    ghost->terms = NULL;
    ghost->capacity = 0;
    ghost->last = 0;
    ghost->snapshot = (struct dgraft_position){0, 0};
    free(ghost->before_crash);
    ghost->before_crash = NULL;
    ghost->before_last = 0;
    ghost->unsynced_count = 0;
    ghost->state_term = 0;
    ghost->state_vote = 0;
    ghost->store = store;
    ghost->seen = (struct dgraft_core_status){.self = node};
    for (dgraft_term term = 0; term < ghost->vote_capacity; term++) {
        ghost->votes_durable[term] = 0;
        ghost->votes_sent[term] = 0;
    }
}

void sim_check_opened(struct sim_check *check, dgraft_node_id node, const struct dgraft_core_status *status)
{
    struct sim_ghost *ghost = &check->ghosts[node];
    const dgraft_index last = sim_ghost_last(ghost);
    const dgraft_term last_term = sim_ghost_term(check, ghost, last);

    if (status->last.index != last || status->last.term != last_term) {
        sim_check_fail(check, "I-DUR: node %u opens with (%llu, %llu), its disk holds (%llu, %llu) for sure", node,
                       (unsigned long long)status->last.index, (unsigned long long)status->last.term,
                       (unsigned long long)last, (unsigned long long)last_term);
        return;
    }
    if (!kept(check, node) || !sim_check_begins(check, node, status)) {
        return;
    }
    if (status->term < ghost->state_term ||
        (status->term == ghost->state_term && ghost->state_vote != 0 && status->vote != ghost->state_vote)) {
        sim_check_fail(check, "I-TERM: node %u opens with term %llu and vote %u, its disk has %llu and %u", node,
                       (unsigned long long)status->term, status->vote, (unsigned long long)ghost->state_term,
                       ghost->state_vote);
        return;
    }
    if (status->commit > check->committed_last) {
        sim_check_fail(check, "I-CI: node %u opens with commit %llu; committed is %llu", node,
                       (unsigned long long)status->commit, (unsigned long long)check->committed_last);
        return;
    }
    if (ghost->unsynced_count > 0) {
        const bool same = last == ghost->before_last && last_term == ghost->before_crash[last];
        check->counts->of[same ? SIM_COUNT_UNSYNCED_LOST : SIM_COUNT_UNSYNCED_KEPT]++;
    }
    ghost->seen = *status;
    ghost->applied = 0;
    ghost->running = true;
}
