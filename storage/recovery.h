/* Reads a directory and decides, by recovery_table.h, what of it is to be believed. Writes nothing. */
#ifndef DGRAFT_RECOVERY_H
#define DGRAFT_RECOVERY_H

#include "segment_scan.h"

#include <dgraft/storage.h>

enum dgraft_segment_use {
    DGRAFT_USE_FORCE = 1,     /* batches of it are part of the log */
    DGRAFT_USE_ABANDONED = 2, /* a later segment's header says that none is */
    DGRAFT_USE_VOID = 3,      /* has a header, but no batch was ever finished in it */
    DGRAFT_USE_SPARE = 4,     /* the newest: prepared, not used */
    DGRAFT_USE_LOST = 5       /* nothing of it can be read */
};

struct dgraft_segment {
    uint64_t sequence;
    uint64_t file_bytes;
    uint64_t end; /* of its last batch in force */
    enum dgraft_segment_use use;
    struct dgraft_segment_header header;
};

/* Records in a row that are whole, in a batch that is not. */
struct dgraft_salvage {
    dgraft_index first;
    dgraft_index last;
    uint64_t sequence;
    uint64_t batch; /* where that one begins */
    uint64_t offset;
    uint64_t bytes;
};

struct dgraft_recovery {
    struct dgraft_identity identity;
    struct dgraft_state_slot slot; /* in force */
    bool state_whole;
    struct dgraft_state_choice choice;

    struct dgraft_snapshot_header snapshot; /* the newest that is whole; refusal EMPTY when there is none */
    struct dgraft_position rotten;          /* the newest that is not, if it is newer; {0,0}: none */

    struct dgraft_segment *segments; /* ascending */
    size_t segment_count;

    /* The log up to the batch before the last one, when that holds something that is not proven durable; otherwise all
     * of it. */
    struct dgraft_log log;
    bool unproven; /* `last` is to be written again */
    struct dgraft_plan last;
    size_t tail;          /* the segment of the last batch in force, also when that is `last` */
    uint64_t tail_end;    /* where that batch ends */
    uint64_t next_number; /* never used before */
    bool torn;            /* bytes lie behind the last batch: nothing may be appended there */
    uint64_t torn_bytes;
    uint64_t saves; /* newest that the log states */
    dgraft_term term;

    /* What of log.holes can still be read: it is to be written again. */
    struct dgraft_salvage *salvage;
    size_t salvage_count;
    size_t salvage_capacity;
    struct dgraft_why damage; /* the first that was found, also when it was mended since; empty: none */
};

/* Returns OK, NOT_FOUND, DAMAGED, FOREIGN, TOO_NEW, IO, READ_ONLY, NO_MEMORY; why says what, where, what to do.
 * Whatever it returns, `out` is to be freed. */
DGRAFT_MUST_USE enum dgraft_status dgraft_recover(struct dgraft_disk *disk, uint32_t runs_max,
                                                  struct dgraft_recovery *out, struct dgraft_why *why);
void dgraft_recovery_free(struct dgraft_recovery *recovery);

/* Reads the state file's four slots. Returns OK, NOT_FOUND, IO, READ_ONLY. */
DGRAFT_MUST_USE enum dgraft_status dgraft_recover_slots(struct dgraft_disk *disk, const char *name,
                                                        struct dgraft_state_slot slots[DGRAFT_STATE_SLOTS],
                                                        struct dgraft_why *why);

/* Finds the newest snapshot and checks all of it. out->refusal is EMPTY when there is none. When it is damaged,
 * *damaged (all zero before) becomes its position, why says what is wrong with the last one that is, and the newest
 * whole one is taken; with damaged NULL that is DAMAGED. Returns OK, DAMAGED, FOREIGN, TOO_NEW, IO, READ_ONLY,
 * NO_MEMORY. */
DGRAFT_MUST_USE enum dgraft_status dgraft_recover_snapshot(struct dgraft_disk *disk,
                                                           const struct dgraft_identity *identity,
                                                           struct dgraft_snapshot_header *out,
                                                           struct dgraft_position *damaged, struct dgraft_why *why);

/* Lists the sequences of all segments, ascending; *out is freed by the caller. Returns 0 or a negative errno. */
DGRAFT_MUST_USE int dgraft_recover_list(struct dgraft_disk *disk, uint64_t **out, size_t *count);

#endif
