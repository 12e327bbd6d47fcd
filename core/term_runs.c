/* The log as runs of terms: (first index, term) of the newest R of them, in a ring, oldest first.
 *
 * The rule of eviction: the second oldest run begins at or below an index that is committed, so the term of every entry
 * above the commit index stays known. What is older is the host's to answer (LOOKUP), and is never passed off as a
 * term.
 */
#include "parts.h"

static struct dgraft_term_run *run_at(struct dgraft_core *core, uint32_t nth)
{
    uint32_t at = core->runs_head + nth;
    if (at >= core->config.runs_max) {
        at -= core->config.runs_max;
    }
    return &dgraft_core_runs(core)[at];
}

/* Returns how many runs begin at or below index. The newest is asked first: it nearly always answers. */
static uint32_t runs_until(const struct dgraft_core *core, dgraft_index index)
{
    uint32_t begin = 0;
    uint32_t end = core->runs_count;
    if (end > 0 && dgraft_core_run(core, end - 1)->first <= index) {
        return end;
    }
    while (begin < end) {
        const uint32_t middle = begin + (end - begin) / 2;
        if (dgraft_core_run(core, middle)->first <= index) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

dgraft_term dgraft_core_term_at(const struct dgraft_core *core, dgraft_index index)
{
    if (index == core->last.index) {
        return core->last.term;
    }
    if (index == 0 || index > core->last.index) {
        return 0;
    }
    if (index <= core->compacted.index) {
        return index == core->compacted.index ? core->compacted.term : 0;
    }
    const uint32_t until = runs_until(core, index);
    if (until > 0) {
        return dgraft_core_run(core, until - 1)->term;
    }
    return index == core->snapshot.position.index ? core->snapshot.position.term : 0;
}

void dgraft_core_runs_load(struct dgraft_core *core, const struct dgraft_term_run *runs, uint32_t count)
{
    DGRAFT_CORE_ASSERT(count <= core->config.runs_max);
    core->runs_head = 0;
    core->runs_count = count;
    for (uint32_t i = 0; i < count; i++) {
        *run_at(core, i) = runs[i];
    }
}

bool dgraft_core_runs_fit(const struct dgraft_core *core, dgraft_index keep, dgraft_term term, dgraft_index limit)
{
    const uint32_t kept = runs_until(core, keep);
    if (kept < core->config.runs_max || dgraft_core_run(core, kept - 1)->term == term) {
        return true;
    }
    return dgraft_core_run(core, 1)->first <= limit;
}

void dgraft_core_runs_append(struct dgraft_core *core, dgraft_index index, dgraft_term term)
{
    DGRAFT_CORE_ASSERT(index == core->last.index + 1 && term >= core->last.term && term != 0);
    if (core->runs_count == 0 || dgraft_core_run(core, core->runs_count - 1)->term != term) {
        if (core->runs_count == core->config.runs_max) {
            core->runs_head = core->runs_head + 1 == core->config.runs_max ? 0 : core->runs_head + 1;
            core->runs_count--;
        }
        core->runs_count++;
        *run_at(core, core->runs_count - 1) = (struct dgraft_term_run){.first = index, .term = term};
    }
    core->last.index = index;
    core->last.term = term;
}

void dgraft_core_runs_truncate(struct dgraft_core *core, dgraft_index keep)
{
    DGRAFT_CORE_ASSERT(keep >= core->commit && keep < core->last.index);
    core->last.term = dgraft_core_term_at(core, keep);
    core->last.index = keep;
    core->runs_count = runs_until(core, keep);
}

void dgraft_core_runs_drop(struct dgraft_core *core, dgraft_index index)
{
    while (core->runs_count > 1 && dgraft_core_run(core, 1)->first <= index + 1) {
        core->runs_head = core->runs_head + 1 == core->config.runs_max ? 0 : core->runs_head + 1;
        core->runs_count--;
    }
    if (core->runs_count > 0 && run_at(core, 0)->first <= index) {
        run_at(core, 0)->first = index + 1;
    }
    if (index >= core->last.index) {
        core->runs_count = 0;
    }
}

dgraft_index dgraft_core_runs_floor(const struct dgraft_core *core, dgraft_index index, dgraft_term term)
{
    uint32_t nth = runs_until(core, index);
    while (nth > 0) {
        const struct dgraft_term_run *run = dgraft_core_run(core, nth - 1);
        if (run->term <= term) {
            return index;
        }
        index = run->first - 1;
        nth--;
    }
    return index;
}
