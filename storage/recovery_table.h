/* What is to be believed of bytes that recovery meets: the decision table of docs/log-format.md as pure functions.
 *
 * Every combination of facts has exactly one verdict. Recovery and inspection ask the same table.
 */
#ifndef DGRAFT_RECOVERY_TABLE_H
#define DGRAFT_RECOVERY_TABLE_H

#include "disk_format.h"

/* What stands where the next batch of a segment should. */
enum dgraft_batch_look {
    DGRAFT_LOOK_GOOD = 1,    /* every checksum fits, and it follows the batch before it */
    DGRAFT_LOOK_NOTHING = 2, /* zeros to the end of the file, or the file's end */
    DGRAFT_LOOK_BROKEN = 3,  /* bytes, but a checksum does not fit or part of it is missing */
    DGRAFT_LOOK_WRONG = 4    /* every checksum fits, but it says what no batch at this place would say */
};

struct dgraft_batch_facts {
    enum dgraft_batch_look look;
    bool fenced;   /* a later segment says that the log goes on without a batch of this number */
    bool required; /* a later segment's header proves that a batch of this number was synced */
    bool later;    /* a valid header of a later batch lies behind, in this segment */
};

enum dgraft_batch_verdict {
    DGRAFT_BATCH_ACCEPT = 1,
    DGRAFT_BATCH_END = 2,    /* the log ends before it, cleanly */
    DGRAFT_BATCH_TORN = 3,   /* a write that never finished: cut */
    DGRAFT_BATCH_DAMAGED = 4 /* was acknowledged, or was never written by this program: refuse */
};

enum dgraft_batch_verdict dgraft_decide_batch(const struct dgraft_batch_facts *facts);

/* What is known where batches are damaged: F is the last position that the first good header behind them states, S the
 * log before them. */
struct dgraft_gap_facts {
    bool followed;    /* there is such a header */
    bool anew;        /* its batch begins the log anew */
    bool one_batch;   /* only one is damaged, and its own header is good */
    bool as_said;     /* F is what that header says the log was then */
    bool held;        /* S holds F */
    bool lengthened;  /* F lies behind S's last entry, and is of the same term */
    bool uncommitted; /* F lies behind all that is known committed */
};

enum dgraft_gap_verdict {
    DGRAFT_GAP_ANEW = 1,      /* what was before does not matter */
    DGRAFT_GAP_BATCH = 2,     /* the damaged batch says what it did: its records are lost */
    DGRAFT_GAP_CUT = 3,       /* the log was cut to F: nothing is lost */
    DGRAFT_GAP_TAIL = 4,      /* all behind S, up to F, is lost */
    DGRAFT_GAP_COMMITTED = 5, /* all behind what is known committed, up to F, is lost */
    DGRAFT_GAP_REFUSE = 6,    /* it contradicts itself */
    DGRAFT_GAP_UNKNOWN = 7    /* the log's last position is lost: refuse */
};

enum dgraft_gap_verdict dgraft_decide_gap(const struct dgraft_gap_facts *facts);

struct dgraft_segment_facts {
    enum dgraft_refusal header;
    bool newest;     /* no segment of a higher sequence is there */
    bool only;       /* nor of a lower one */
    bool behind;     /* bytes that are not zero lie behind the header's block */
    bool own;        /* its identity is the state file's */
    bool named_well; /* its sequence is that of its name */
};

enum dgraft_segment_verdict {
    DGRAFT_SEGMENT_READ = 1,
    DGRAFT_SEGMENT_SPARE = 2, /* prepared, never used, or its first header never finished */
    DGRAFT_SEGMENT_DAMAGED = 3,
    DGRAFT_SEGMENT_FOREIGN = 4,
    DGRAFT_SEGMENT_TOO_NEW = 5,
    DGRAFT_SEGMENT_LOST = 6 /* its header is gone, but a newer one is there: what it held is damaged */
};

enum dgraft_segment_verdict dgraft_decide_segment(const struct dgraft_segment_facts *facts);

enum dgraft_state_verdict {
    DGRAFT_STATE_USE = 1,
    DGRAFT_STATE_LOST = 2,  /* no slot can be read */
    DGRAFT_STATE_MIXED = 3, /* slots that contradict each other */
    DGRAFT_STATE_TOO_NEW = 4
};

/* Chooses the slot in force: *best. *whole: all four slots are as a finished save leaves them. */
enum dgraft_state_verdict dgraft_decide_state(const struct dgraft_state_slot slots[DGRAFT_STATE_SLOTS], uint32_t *best,
                                              bool *whole);

/* Term and vote to go on with. */
struct dgraft_state_choice {
    uint64_t version; /* of the next save, at the earliest */
    dgraft_term term;
    dgraft_node_id vote;
    bool lost; /* the log proves that a newer save was durable: the vote is blocked in its term */
};

/* Compares the slot in force with what the log proves: `saves` and `term`, the newest that a batch states, and the term
 * of its last entry. A term that is only known from the log is adopted with a vote for this node itself, which blocks
 * every other in it. */
void dgraft_decide_term(const struct dgraft_state_slot *slot, uint64_t saves, dgraft_term term, dgraft_term last_term,
                        struct dgraft_state_choice *out);

#endif
