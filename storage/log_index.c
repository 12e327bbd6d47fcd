#include "log_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { EXTENT_BYTES = 65536 };

bool dgraft_log_init(struct dgraft_log *log, uint32_t runs_max)
{
    memset(log, 0, sizeof *log);
    log->runs_max = runs_max;
    log->runs = calloc(runs_max, sizeof *log->runs);
    return log->runs != NULL;
}

void dgraft_log_free(struct dgraft_log *log)
{
    free(log->extents);
    free(log->runs);
    free(log->memberships);
    free(log->scratch);
    memset(log, 0, sizeof *log);
}

dgraft_term dgraft_log_term(const struct dgraft_log *log, dgraft_index index)
{
    if (index == 0 || index > log->last.index) {
        return 0;
    }
    if (index <= log->base.index) {
        return index == log->base.index ? log->base.term : 0;
    }
    if (index == log->last.index) {
        return log->last.term;
    }
    uint32_t begin = 0;
    uint32_t end = log->run_count;
    while (begin < end) { /* the first run that begins after index */
        const uint32_t middle = begin + (end - begin) / 2;
        if (log->runs[middle].first <= index) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin == 0 ? 0 : log->runs[begin - 1].term;
}

const struct dgraft_extent *dgraft_log_extent(const struct dgraft_log *log, dgraft_index index)
{
    size_t begin = 0;
    size_t end = log->extent_count;
    while (begin < end) { /* the first extent that ends at index or after it */
        const size_t middle = begin + (end - begin) / 2;
        if (log->extents[middle].last < index) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    if (begin == log->extent_count || log->extents[begin].first > index) {
        return NULL;
    }
    return &log->extents[begin];
}

uint64_t dgraft_log_bytes_after(const struct dgraft_log *log, dgraft_index index)
{
    if (index >= log->last.index || log->extent_count == 0) {
        return 0;
    }
    if (index + 1 < log->extents[0].first) {
        return log->bytes - log->extents[0].bytes_before;
    }
    const struct dgraft_extent *extent = dgraft_log_extent(log, index + 1);
    if (extent == NULL) {
        return 0;
    }
    const bool newest = extent == &log->extents[log->extent_count - 1];
    const uint64_t end = newest ? log->bytes : extent[1].bytes_before;
    const uint64_t entries = extent->last - extent->first + 1;
    const uint64_t left = extent->last - index;
    return log->bytes - end + (uint64_t)((double)(end - extent->bytes_before) / (double)entries * (double)left);
}

/* Returns the array with room for `wanted` items of `item` bytes, or NULL and the old one is as it was. */
static void *grown(void *array, size_t *capacity, size_t wanted, size_t item)
{
    if (wanted <= *capacity) {
        return array;
    }
    size_t larger = *capacity == 0 ? 16 : *capacity;
    while (larger < wanted) {
        if (larger > SIZE_MAX / 2 / item) {
            return NULL;
        }
        larger *= 2;
    }
    void *moved = realloc(array, larger * item);
    if (moved != NULL) {
        *capacity = larger;
    }
    return moved;
}

void dgraft_plan_begin(struct dgraft_plan *plan, dgraft_index keep, dgraft_term keep_term)
{
    memset(&plan->batch, 0, sizeof plan->batch);
    plan->sequence = 0;
    plan->keep_term = keep_term;
    plan->last = (struct dgraft_position){keep, keep_term};
    plan->run_count = 0;
    plan->membership_count = 0;
}

bool dgraft_plan_note(struct dgraft_plan *plan, const struct dgraft_entry *entry)
{
    if (entry->term != plan->last.term || plan->run_count == 0) {
        struct dgraft_term_run *runs = grown(plan->runs, &plan->run_capacity, plan->run_count + 1, sizeof *plan->runs);
        if (runs == NULL) {
            return false;
        }
        plan->runs = runs;
        plan->runs[plan->run_count++] = (struct dgraft_term_run){entry->index, entry->term};
    }
    if (entry->kind == DGRAFT_ENTRY_MEMBERSHIP) {
        dgraft_index *memberships =
            grown(plan->memberships, &plan->membership_capacity, plan->membership_count + 1, sizeof *plan->memberships);
        if (memberships == NULL) {
            return false;
        }
        plan->memberships = memberships;
        plan->memberships[plan->membership_count++] = entry->index;
    }
    plan->last = (struct dgraft_position){entry->index, entry->term};
    return true;
}

void dgraft_plan_free(struct dgraft_plan *plan)
{
    free(plan->runs);
    free(plan->memberships);
    memset(plan, 0, sizeof *plan);
}

bool dgraft_log_reserve(struct dgraft_log *log, const struct dgraft_plan *plan)
{
    struct dgraft_extent *extents =
        grown(log->extents, &log->extent_capacity, log->extent_count + 2, sizeof *log->extents);
    if (extents == NULL) {
        return false;
    }
    log->extents = extents;
    if (plan->batch.mends) {
        struct dgraft_term_run *scratch =
            grown(log->scratch, &log->scratch_capacity, log->run_count + plan->run_count + 4, sizeof *scratch);
        if (scratch == NULL) {
            return false;
        }
        log->scratch = scratch;
    }
    dgraft_index *memberships = grown(log->memberships, &log->membership_capacity,
                                      log->membership_count + plan->membership_count + 1, sizeof *log->memberships);
    if (memberships == NULL) {
        return false;
    }
    log->memberships = memberships;
    return true;
}

void dgraft_log_begin(struct dgraft_log *log, struct dgraft_position position)
{
    log->open = false;
    log->base = position;
    log->last = position;
    log->extent_count = 0;
    log->run_count = 0;
    log->membership_count = 0;
    log->holes.count = 0;
    log->cut = true;
}

void dgraft_log_drop(struct dgraft_log *log, uint64_t sequence, struct dgraft_position base)
{
    size_t gone = 0;
    size_t kept = 0;
    for (size_t i = 0; i < log->extent_count; i++) { /* what mends an old entry lies in a younger segment */
        if (log->extents[i].sequence >= sequence && log->extents[i].last > base.index) {
            log->extents[kept++] = log->extents[i];
        }
    }
    log->extent_count = kept;
    dgraft_holes_raise(&log->holes, base.index);
    for (gone = 0; gone < log->membership_count && log->memberships[gone] <= base.index; gone++) {
    }
    log->membership_count -= gone;
    memmove(log->memberships, log->memberships + gone, log->membership_count * sizeof *log->memberships);
    for (gone = 0; gone + 1 < log->run_count && log->runs[gone + 1].first <= base.index + 1; gone++) {
    }
    log->run_count -= (uint32_t)gone;
    memmove(log->runs, log->runs + gone, log->run_count * sizeof *log->runs);
    if (log->run_count > 0 && log->runs[0].first <= base.index) {
        log->runs[0].first = base.index + 1;
    }
    if (base.index == log->last.index) {
        log->run_count = 0;
    }
    log->base = base;
}

void dgraft_log_truncate(struct dgraft_log *log, dgraft_index keep, dgraft_term keep_term)
{
    log->bytes -= dgraft_log_bytes_after(log, keep);
    if (keep < log->base.index) { /* all of what was kept of it: it is read from the middle */
        dgraft_log_begin(log, (struct dgraft_position){keep, keep_term});
        return;
    }
    while (log->extent_count > 0 && log->extents[log->extent_count - 1].first > keep) {
        log->extent_count--;
    }
    if (log->extent_count > 0 && log->extents[log->extent_count - 1].last > keep) {
        log->extents[log->extent_count - 1].last = keep;
    }
    while (log->run_count > 0 && log->runs[log->run_count - 1].first > keep) {
        log->run_count--;
    }
    if (log->run_count == 0 && keep > log->base.index) {
        /* Cut below every run that is kept: what is known from here on begins with keep itself. */
        log->runs[log->run_count++] = (struct dgraft_term_run){keep, keep_term};
    }
    while (log->membership_count > 0 && log->memberships[log->membership_count - 1] > keep) {
        log->membership_count--;
    }
    dgraft_holes_clip(&log->holes, keep);
    log->last = (struct dgraft_position){keep, keep_term};
    log->cut = true;
}

static void push_run(struct dgraft_log *log, const struct dgraft_term_run *run)
{
    if (log->run_count > 0 && log->runs[log->run_count - 1].term == run->term) {
        return;
    }
    if (log->run_count == log->runs_max) {
        memmove(log->runs, log->runs + 1, (log->run_count - 1) * sizeof *log->runs);
        log->run_count--;
    }
    log->runs[log->run_count++] = *run;
}

void dgraft_log_lose(struct dgraft_log *log, struct dgraft_position last)
{
    const dgraft_index first = log->last.index + 1;
    assert(last.index >= first);
    dgraft_holes_add(&log->holes, first, last.index);
    if (last.term == 0 || first < last.index) {
        push_run(log, &(struct dgraft_term_run){first, 0});
    }
    if (last.term != 0) {
        push_run(log, &(struct dgraft_term_run){last.index, last.term});
    }
    log->last = last;
    log->cut = true;
}

/* Returns whether a batch can be found by walking on from the newest extent. */
static bool extends(const struct dgraft_log *log, const struct dgraft_plan *plan)
{
    if (log->cut || log->extent_count == 0) {
        return false;
    }
    const struct dgraft_extent *newest = &log->extents[log->extent_count - 1];
    return newest->sequence == plan->sequence && newest->last == plan->batch.keep &&
           plan->batch.offset > newest->offset && plan->batch.offset - newest->offset < EXTENT_BYTES;
}

static void note_batch(struct dgraft_log *log, const struct dgraft_batch *batch)
{
    if (batch->commit > log->commit) {
        log->commit = batch->commit;
    }
    if (log->commit > log->last.index) {
        log->commit = log->last.index;
    }
    log->newest = *batch;
}

void dgraft_log_apply(struct dgraft_log *log, const struct dgraft_plan *plan)
{
    const struct dgraft_batch *batch = &plan->batch;
    assert(batch->keep <= log->last.index || batch->restart || log->open);
    if (batch->mends) {
        if (log->open) { /* all that is left of a log that was dropped but for what mends it */
            dgraft_log_begin(log, (struct dgraft_position){batch->first - 1, 0});
            dgraft_log_lose(log, batch->floor);
        }
        dgraft_log_mend(log, plan);
        note_batch(log, batch);
        return;
    }
    if (batch->restart) {
        dgraft_log_begin(log, batch->floor);
    } else if (log->open) {
        dgraft_log_begin(log, (struct dgraft_position){batch->keep, 0});
    } else if (batch->keep < log->last.index) {
        dgraft_log_truncate(log, batch->keep, plan->keep_term);
    }
    if (batch->count > 0) {
        if (extends(log, plan)) {
            log->extents[log->extent_count - 1].last = plan->last.index;
        } else {
            assert(log->extent_count < log->extent_capacity);
            log->extents[log->extent_count++] =
                (struct dgraft_extent){batch->first, plan->last.index, plan->sequence, batch->offset, log->bytes};
            log->cut = false;
        }
        log->bytes += batch->length;
        for (size_t i = 0; i < plan->run_count; i++) {
            push_run(log, &plan->runs[i]);
        }
        assert(log->membership_count + plan->membership_count <= log->membership_capacity);
        for (size_t i = 0; i < plan->membership_count; i++) {
            log->memberships[log->membership_count++] = plan->memberships[i];
        }
        log->last = plan->last;
    }
    note_batch(log, batch);
}
