/* What recovery's passes over the segments share. */
#ifndef DGRAFT_RECOVERY_PASS_H
#define DGRAFT_RECOVERY_PASS_H

#include "recovery.h"

/* Batches that cannot be read, until a header behind them that can says what the log was then. */
struct dgraft_gap {
    bool open;
    bool lost;                 /* also headers: how many batches, and what they said, is not known */
    struct dgraft_batch batch; /* unless lost: the one, whose header is good */
    size_t salvage_count;      /* of the recovery when the gap began */
};

struct dgraft_pass {
    struct dgraft_disk *disk;
    struct dgraft_recovery *out;
    struct dgraft_why *why;
    struct dgraft_scan scan;
    struct dgraft_scanned scanned;
    struct dgraft_plan plan;
    struct dgraft_gap gap;
    bool has_last;   /* out->last holds a batch that is not in the index yet */
    uint64_t number; /* of the newest batch in force */
    uint32_t chain;
    uint64_t required; /* batches up to this number are proven to have been synced */
};

/* Says what is damaged, and where, and returns DAMAGED. */
enum dgraft_status dgraft_pass_damaged(struct dgraft_pass *pass, uint64_t sequence, uint64_t offset, dgraft_index index,
                                       const char *what);

/* Notes damage that is passed over: the first of it is told. */
void dgraft_pass_note(struct dgraft_pass *pass, uint64_t offset, dgraft_index index, const char *what);
enum dgraft_status dgraft_pass_failed(struct dgraft_pass *pass, uint64_t sequence, int error);

/* Finds the term of an entry in force: when the runs do not know it, from the batch that holds it. *term is 0 when it
 * is damaged. Returns OK, DAMAGED, IO, NO_MEMORY. */
DGRAFT_MUST_USE enum dgraft_status dgraft_pass_term(struct dgraft_pass *pass, dgraft_index index, dgraft_term *term);

/* Passes over what `scanned` says is broken at *offset, where batch *number should be: *offset and *number are then
 * those of what is to be looked at next, or *offset is 0: nothing more of this segment. Everything before is in the
 * index. Returns OK, or DAMAGED when its header is whole and says what none would, IO, NO_MEMORY. */
DGRAFT_MUST_USE enum dgraft_status dgraft_gap_pass(struct dgraft_pass *pass, uint64_t *offset, uint64_t *number);

/* Settles, by a header that can be read again, what the log was before it: holes in the index. *number, the number that
 * it should have, becomes its own when it is not known how many are missing. Returns OK, DAMAGED, IO, NO_MEMORY. */
DGRAFT_MUST_USE enum dgraft_status dgraft_gap_close(struct dgraft_pass *pass, const struct dgraft_batch *behind,
                                                    uint64_t *number);

/* Begins a log whose first segments were dropped with the first batch that is left. What lies between the newest
 * snapshot and that batch may have been written again in a younger segment, because it was damaged; until that is read,
 * it is. */
void dgraft_pass_begin(struct dgraft_pass *pass, const struct dgraft_batch *first);

/* Forgets salvage of entries after keep: they are superseded. */
void dgraft_salvage_clip(struct dgraft_recovery *recovery, dgraft_index keep);

#endif
