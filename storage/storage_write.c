#include "storage_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Checks where a write that mends says its entries lie. */
static bool mends_well(const struct dgraft_storage *storage, const struct dgraft_storage_write *write)
{
    const struct dgraft_hole *hole = dgraft_holes_from(&storage->log.holes, write->first);
    return write->restart == 0 && write->keep == storage->log.last.index && write->count > 0 && hole != NULL &&
           write->first >= hole->first && write->count - 1 <= hole->last - write->first;
}

/* Checks the terms of its entries against the one behind them. */
static bool mends_fit(struct dgraft_storage *storage, const struct dgraft_plan *plan)
{
    const dgraft_term behind = dgraft_storage_term_at(storage, plan->last.index + 1);
    const struct dgraft_position last = storage->log.last;
    return plan->last.index == last.index ? plan->last.term == last.term : behind == 0 || plan->last.term <= behind;
}

/* Checks a write against the log and plans the change of the index. */
static enum dgraft_status plan_log(struct dgraft_storage *storage, const struct dgraft_storage_write *write)
{
    struct dgraft_plan *plan = &storage->plan;
    const bool anew = write->restart != 0;
    if (anew &&
        !dgraft_position_equal(storage->snapshot.position, (struct dgraft_position){write->keep, write->restart})) {
        return DGRAFT_STATUS_MISUSE; /* nothing would hold what the log held */
    }
    if (write->mends ? !mends_well(storage, write) : write->first != write->keep + 1) {
        return DGRAFT_STATUS_MISUSE;
    }
    if ((!anew && write->keep > storage->log.last.index) ||
        (write->count > 0 && (write->entries == NULL || write->records == NULL))) {
        return DGRAFT_STATUS_MISUSE;
    }
    const dgraft_term keep_term = anew ? write->restart : dgraft_storage_term_at(storage, write->keep);
    if (write->keep > 0 && keep_term == 0) {
        return DGRAFT_STATUS_MISUSE;
    }
    uint64_t wanted = 0;
    uint64_t given = 0;
    dgraft_plan_begin(plan, write->keep, keep_term);
    if (write->mends) {
        plan->last = (struct dgraft_position){write->first - 1, dgraft_storage_term_at(storage, write->first - 1)};
        plan->batch.mends = true; /* room is reserved by it */
    }
    for (uint32_t i = 0; i < write->count; i++) {
        const struct dgraft_entry *entry = &write->entries[i];
        if (entry->index != write->first + i || entry->term < plan->last.term || entry->term == 0) {
            return DGRAFT_STATUS_MISUSE;
        }
        if (!dgraft_plan_entry(plan, entry)) {
            return DGRAFT_STATUS_NO_MEMORY;
        }
        wanted += dgraft_record_bytes(entry->payload_bytes);
    }
    for (size_t i = 0; i < write->record_pieces; i++) {
        given += write->records[i].iov_len;
    }
    const struct dgraft_position last = write->mends ? storage->log.last : plan->last;
    if (wanted != given || write->commit > last.index || write->membership > last.index ||
        !dgraft_position_equal(write->last, last) || (write->mends && !mends_fit(storage, plan))) {
        return DGRAFT_STATUS_MISUSE;
    }
    return dgraft_log_reserve(&storage->log, plan) ? DGRAFT_OK : DGRAFT_STATUS_NO_MEMORY;
}

static enum dgraft_status plan_pieces(struct dgraft_job *job, const struct iovec *records, size_t count)
{
    if (count + 1 > job->piece_capacity) {
        const size_t capacity = (count + 1) * 2;
        struct iovec *larger = realloc(job->pieces, capacity * sizeof *larger);
        if (larger == NULL) {
            return DGRAFT_STATUS_NO_MEMORY;
        }
        job->pieces = larger;
        job->piece_capacity = capacity;
    }
    if (count > 0) {
        memcpy(job->pieces + 1, records, count * sizeof *records);
    }
    job->piece_count = count + 1;
    return DGRAFT_OK;
}

enum dgraft_status dgraft_storage_prepare(struct dgraft_storage *storage, const struct dgraft_storage_write *write)
{
    struct dgraft_job *job = &storage->job;
    if (storage->poisoned) {
        return DGRAFT_STATUS_POISONED;
    }
    if (storage->planned || (write->state && (write->term < storage->term || write->vote > DGRAFT_NODE_ID_MAX))) {
        return DGRAFT_STATUS_MISUSE;
    }
    if (write->log) {
        enum dgraft_status status = plan_log(storage, write);
        if (status == DGRAFT_OK) {
            status = plan_pieces(job, write->records, write->record_pieces);
        }
        if (status != DGRAFT_OK) {
            return status;
        }
    }
    job->state = write->state;
    job->log = write->log;
    job->done = false;
    if (write->state) {
        job->slot = (struct dgraft_state_slot){.version = storage->saves + 1,
                                               .term = write->term,
                                               .vote = write->vote,
                                               .generation = storage->generation,
                                               .identity = storage->identity};
    }
    if (write->log) {
        storage->plan.batch = (struct dgraft_batch){
            .keep = write->keep,
            .first = write->first,
            .count = write->count,
            .restart = write->restart != 0,
            .mends = write->mends,
            .floor = write->restart != 0 ? (struct dgraft_position){write->keep, write->restart} : storage->log.last,
            .commit = write->commit,
            .membership = write->membership,
            .wall_clock_ns = write->wall_clock_ns,
            .saves = write->state ? job->slot.version : storage->saves,
            .term = write->state ? write->term : storage->term};
    }
    storage->planned = true;
    return DGRAFT_OK;
}

void dgraft_storage_perform(struct dgraft_storage *storage)
{
    struct dgraft_job *job = &storage->job;
    struct dgraft_writer *writer = &storage->writer;
    assert(storage->planned && !job->done);
    job->done = true;
    if (writer->failure.verb != NULL || (job->state && !dgraft_writer_save(writer, &job->slot))) {
        return;
    }
    if (job->log && dgraft_writer_append(writer, &storage->plan.batch, job->pieces, job->piece_count)) {
        storage->plan.sequence = writer->sequence;
    }
}

enum dgraft_status dgraft_storage_poison(struct dgraft_storage *storage, struct dgraft_why *why)
{
    if (!storage->poisoned) {
        const struct dgraft_failure *failure = &storage->writer.failure;
        storage->poisoned = true;
        if (dgraft_storage_ran_full(storage)) {
            (void)dgraft_why_full(&storage->poisoned_why, &storage->disk, failure->verb, failure->name, failure->error);
        } else {
            (void)dgraft_why_errno(&storage->poisoned_why, &storage->disk, failure->verb, failure->name,
                                   failure->error);
        }
    }
    if (why != NULL) {
        *why = storage->poisoned_why;
    }
    return DGRAFT_STATUS_POISONED;
}

enum dgraft_status dgraft_storage_complete(struct dgraft_storage *storage, struct dgraft_why *why)
{
    struct dgraft_job *job = &storage->job;
    if (!storage->planned || !job->done) {
        return dgraft_why_set(why, DGRAFT_STATUS_MISUSE, "complete without prepare and perform");
    }
    storage->planned = false;
    if (storage->writer.failure.verb != NULL) {
        return dgraft_storage_poison(storage, why);
    }
    if (job->state) {
        storage->saves = job->slot.version;
        storage->term = job->slot.term;
        storage->vote = job->slot.vote;
        storage->marked = false;
    }
    if (job->log) {
        const struct dgraft_batch *batch = &storage->plan.batch;
        storage->marked = batch->count == 0 && batch->keep == storage->log.last.index && !batch->restart;
        if (batch->keep < storage->log.last.index || batch->restart || batch->mends) {
            storage->reader.cursor.valid = false;
        }
        dgraft_log_apply(&storage->log, &storage->plan);
        dgraft_reader_forget(&storage->reader);
        storage->wall_clock_ns = batch->wall_clock_ns;
        storage->segments = storage->plan.sequence;
        storage->writes++;
        if (storage->damage_count > 0) {
            dgraft_storage_note_damage(storage); /* less than before: what lies behind it is known */
        }
    }
    return DGRAFT_OK;
}

void dgraft_storage_spare(struct dgraft_storage *storage)
{
    dgraft_writer_spare(&storage->writer);
}

bool dgraft_storage_wants_spare(const struct dgraft_storage *storage)
{
    return atomic_load(&storage->writer.spare_wanted);
}

bool dgraft_storage_lacks_room(const struct dgraft_storage *storage)
{
    return atomic_load_explicit(&storage->writer.lacks_room, memory_order_relaxed) ||
           atomic_load(&storage->writer.ran_full);
}

bool dgraft_storage_ran_full(const struct dgraft_storage *storage)
{
    return storage->poisoned && atomic_load(&storage->writer.ran_full);
}

bool dgraft_storage_room_again(const struct dgraft_storage *storage)
{
    return dgraft_storage_ran_full(storage) && atomic_load(&storage->writer.room_again);
}

bool dgraft_storage_fill(struct dgraft_storage *storage)
{
    return !atomic_load(&storage->writer.failed) && dgraft_pool_fill(&storage->writer.pool);
}

bool dgraft_storage_wants_fill(const struct dgraft_storage *storage)
{
    return !atomic_load(&storage->writer.failed) && dgraft_pool_lacks(&storage->writer.pool);
}

void dgraft_storage_stats(const struct dgraft_storage *storage, struct dgraft_storage_stats *stats)
{
    *stats = (struct dgraft_storage_stats){
        .writes = storage->writes,
        .syncs = atomic_load_explicit(&storage->disk.syncs, memory_order_relaxed),
        .system_calls = atomic_load_explicit(&storage->disk.system_calls, memory_order_relaxed),
        .bytes_written = atomic_load_explicit(&storage->disk.bytes_written, memory_order_relaxed),
        .segments = storage->segments,
        .spares = dgraft_pool_count(&storage->writer.pool),
        .segments_dropped = atomic_load_explicit(&storage->dropping.dropped, memory_order_relaxed),
        .scrub_passes = storage->scrub.passes,
        .scrubbed_bytes = atomic_load_explicit(&storage->scrub.bytes, memory_order_relaxed),
        .spares_late = atomic_load_explicit(&storage->writer.spares_late, memory_order_relaxed),
        .index_bytes = storage->log.extent_capacity * sizeof *storage->log.extents +
                       storage->log.membership_capacity * sizeof *storage->log.memberships,
    };
}
