/* Entries that take the place of damaged ones: a batch that mends lies behind others and speaks of what is older. */
#include "log_index.h"

#include <assert.h>
#include <string.h>

/* Puts one extent in the place of what is known of its entries. Of an older one that reaches beyond it, the rear is
 * found by walking from where it began. */
static void mend_extents(struct dgraft_log *log, const struct dgraft_extent *mended)
{
    size_t at = 0;
    while (at < log->extent_count && log->extents[at].last < mended->first) {
        at++;
    }
    size_t end = at; /* of those that it touches */
    while (end < log->extent_count && log->extents[end].first <= mended->last) {
        end++;
    }
    struct dgraft_extent around[3];
    size_t count = 0;
    if (at < end && log->extents[at].first < mended->first) {
        around[count] = log->extents[at];
        around[count++].last = mended->first - 1;
    }
    around[count++] = *mended;
    if (at < end && log->extents[end - 1].last > mended->last) {
        around[count] = log->extents[end - 1];
        around[count++].first = mended->last + 1;
    }
    assert(log->extent_count - (end - at) + count <= log->extent_capacity);
    memmove(log->extents + at + count, log->extents + end, (log->extent_count - end) * sizeof *log->extents);
    memcpy(log->extents + at, around, count * sizeof around[0]);
    log->extent_count = log->extent_count - (end - at) + count;
}

/* Adds a run behind others, as a part of the last one when it is of the same term. */
static void scratch_run(struct dgraft_log *log, size_t *count, struct dgraft_term_run run)
{
    if (*count == 0 || log->scratch[*count - 1].term != run.term) {
        log->scratch[(*count)++] = run;
    }
}

/* Puts the terms of a plan in the place of what is known of its entries. */
static void mend_runs(struct dgraft_log *log, const struct dgraft_plan *plan)
{
    const dgraft_index last = plan->last.index;
    size_t count = 0;
    uint32_t at = 0;
    struct dgraft_term_run behind = {last + 1, 0};
    if (log->run_count == 0 || last + 1 < log->runs[0].first) {
        return; /* older than what is kept */
    }
    for (; at < log->run_count && log->runs[at].first <= last + 1; at++) {
        behind.term = log->runs[at].term;
        if (log->runs[at].first < plan->batch.first) {
            scratch_run(log, &count, log->runs[at]);
        }
    }
    for (size_t i = 0; i < plan->run_count; i++) {
        scratch_run(log, &count, plan->runs[i]);
    }
    if (last < log->last.index) {
        scratch_run(log, &count, behind);
    }
    for (; at < log->run_count; at++) {
        scratch_run(log, &count, log->runs[at]);
    }
    const size_t kept = count < log->runs_max ? count : log->runs_max;
    memcpy(log->runs, log->scratch + (count - kept), kept * sizeof *log->runs);
    log->run_count = (uint32_t)kept;
}

static void mend_memberships(struct dgraft_log *log, const struct dgraft_plan *plan)
{
    for (size_t i = 0; i < plan->membership_count; i++) {
        size_t at = log->membership_count;
        while (at > 0 && log->memberships[at - 1] > plan->memberships[i]) {
            at--;
        }
        if (at > 0 && log->memberships[at - 1] == plan->memberships[i]) {
            continue;
        }
        memmove(log->memberships + at + 1, log->memberships + at,
                (log->membership_count - at) * sizeof *log->memberships);
        log->memberships[at] = plan->memberships[i];
        log->membership_count++;
    }
}

void dgraft_log_mend(struct dgraft_log *log, const struct dgraft_plan *plan)
{
    const struct dgraft_batch *batch = &plan->batch;
    struct dgraft_extent mended = {batch->first, plan->last.index, plan->sequence, batch->offset, log->bytes};
    if (mended.last <= log->base.index) {
        return; /* its segment was needed for other entries */
    }
    mended.first = mended.first > log->base.index ? mended.first : log->base.index + 1;
    for (size_t i = 0; i < log->extent_count; i++) { /* in the account of bytes it takes no room of its own */
        if (log->extents[i].last >= mended.first) {
            mended.bytes_before = log->extents[i].bytes_before;
            break;
        }
    }
    mend_extents(log, &mended);
    mend_runs(log, plan);
    mend_memberships(log, plan);
    dgraft_holes_subtract(&log->holes, mended.first, mended.last);
    log->cut = true;
}
