/* What is known in memory of a log's entries in force: where they lie, the newest runs of terms, which of them are
 * memberships. One extent stands for at least 64 KiB of a file, so memory does not grow with the number of entries.
 *
 * Changes come as plans: a plan is filled from descriptors (of a batch to be written, or one that was read), room for
 * it is reserved, and then applying it cannot fail.
 */
#ifndef DGRAFT_LOG_INDEX_H
#define DGRAFT_LOG_INDEX_H

#include "holes.h"

#include <dgraft/inspect.h>

/* Entries first to last in force lie in order in the batches that begin at offset. */
struct dgraft_extent {
    dgraft_index first;
    dgraft_index last;
    uint64_t sequence;
    uint64_t offset;
    uint64_t bytes_before; /* of batches, by the log's count */
};

struct dgraft_log {
    bool open; /* nothing was read yet of a log whose beginning was dropped: its first batch says where */
    struct dgraft_position base; /* the log begins after it; its term may be unknown: 0 */
    struct dgraft_position last;
    struct dgraft_extent *extents;
    size_t extent_count;
    size_t extent_capacity;
    bool cut; /* superseded records lie behind the newest extent: what comes next begins one of its own */
    struct dgraft_term_run *runs; /* the newest, oldest first; term 0: damaged, and not known */
    uint32_t run_count;
    uint32_t runs_max;
    dgraft_index *memberships; /* of all entries of that kind in force, ascending */
    size_t membership_count;
    size_t membership_capacity;
    struct dgraft_holes holes; /* entries in force that cannot be read */
    struct dgraft_term_run *scratch;
    size_t scratch_capacity;
    dgraft_index commit; /* newest hint */
    uint64_t bytes;      /* of batches in force, counted from an arbitrary beginning */
    struct dgraft_batch newest;
};

struct dgraft_plan {
    struct dgraft_batch batch; /* offset, number and checksum may come late, but before applying */
    uint64_t sequence;
    dgraft_term keep_term; /* of the entry at batch.keep */
    struct dgraft_position last;
    struct dgraft_term_run *runs;
    size_t run_count;
    size_t run_capacity;
    dgraft_index *memberships;
    size_t membership_count;
    size_t membership_capacity;
};

/* Returns false when memory is short. */
DGRAFT_MUST_USE bool dgraft_log_init(struct dgraft_log *log, uint32_t runs_max);
void dgraft_log_free(struct dgraft_log *log);

/* Returns the term of an entry as far as the runs know; 0 beyond the log, before its beginning, when it is older than
 * they are, or damaged. The term at 0 is 0. */
dgraft_term dgraft_log_term(const struct dgraft_log *log, dgraft_index index);

/* Returns the extent that holds an entry in force, or NULL. */
const struct dgraft_extent *dgraft_log_extent(const struct dgraft_log *log, dgraft_index index);

/* Returns how many bytes the batches behind an entry take; within an extent that is an estimate. */
uint64_t dgraft_log_bytes_after(const struct dgraft_log *log, dgraft_index index);

/* Empties a plan and keeps its memory. keep_term is that of `keep`, from wherever it is known. */
void dgraft_plan_begin(struct dgraft_plan *plan, dgraft_index keep, dgraft_term keep_term);

/* Takes an entry that begins a run of terms or is a membership. Returns false when memory is short. */
DGRAFT_MUST_USE bool dgraft_plan_note(struct dgraft_plan *plan, const struct dgraft_entry *entry);

/* Takes the next entry. Returns false when memory is short. */
DGRAFT_MUST_USE static inline bool dgraft_plan_entry(struct dgraft_plan *plan, const struct dgraft_entry *entry)
{
    if (entry->term != plan->last.term || plan->run_count == 0 || entry->kind == DGRAFT_ENTRY_MEMBERSHIP) {
        return dgraft_plan_note(plan, entry);
    }
    plan->last.index = entry->index;
    return true;
}
void dgraft_plan_free(struct dgraft_plan *plan);

/* Makes room for a plan; whether its batch mends must be known by then. Returns false when memory is short. */
DGRAFT_MUST_USE bool dgraft_log_reserve(struct dgraft_log *log, const struct dgraft_plan *plan);

/* Empties a log: it begins after position. */
void dgraft_log_begin(struct dgraft_log *log, struct dgraft_position position);

/* Forgets what lies in segments before this sequence. `base` is the last entry of it. */
void dgraft_log_drop(struct dgraft_log *log, uint64_t sequence, struct dgraft_position base);

/* Supersedes what follows keep, appends the rest; or, when the batch mends, puts its entries in the place of damaged
 * ones. Room must have been reserved. */
void dgraft_log_apply(struct dgraft_log *log, const struct dgraft_plan *plan);

/* log_mend.c: a batch that mends. Room must have been reserved. */
void dgraft_log_mend(struct dgraft_log *log, const struct dgraft_plan *plan);

/* Supersedes what follows keep, of this term (0: not known). keep lies at or before the last index. */
void dgraft_log_truncate(struct dgraft_log *log, dgraft_index keep, dgraft_term keep_term);

/* Lengthens the log by entries that cannot be read: the last of them is `last`, whose term may be unknown: 0. */
void dgraft_log_lose(struct dgraft_log *log, struct dgraft_position last);

#endif
