/* What can happen to a core: one struct per kind. A peer cannot make any of these but RECEIVE. */
#ifndef DGRAFT_EVENT_H
#define DGRAFT_EVENT_H

#include <dgraft/message.h>
#include <dgraft/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum dgraft_event_kind {
    DGRAFT_EVENT_START = 1,              /* what storage found; the first event, and only once */
    DGRAFT_EVENT_WAKE = 2,               /* nothing but time has passed */
    DGRAFT_EVENT_RECEIVE = 3,            /* a peer's message */
    DGRAFT_EVENT_PROPOSE = 4,            /* entries that clients of this node want in the log */
    DGRAFT_EVENT_READ = 5,               /* a read wants to know the index it must wait for [§6.4] */
    DGRAFT_EVENT_DURABLE = 6,            /* every WRITE up to seq is on disk */
    DGRAFT_EVENT_APPLIED = 7,            /* the state machine has applied every entry up to index */
    DGRAFT_EVENT_SENT = 8,               /* how far the host got with a SEND of entries */
    DGRAFT_EVENT_TERM = 9,               /* the answer to a LOOKUP */
    DGRAFT_EVENT_POISONED = 10,          /* the disk failed: nothing more will become durable */
    DGRAFT_EVENT_DAMAGED = 11,           /* an entry could not be read: START will tell what is damaged; see REOPEN */
    DGRAFT_EVENT_CHANGE = 12,            /* somebody wants other members [§4.1, §4.3] */
    DGRAFT_EVENT_TRANSFER = 13,          /* leadership is to go to another node [§3.10] */
    DGRAFT_EVENT_SNAPSHOT = 14,          /* the host has made a snapshot of what is applied; it is durable */
    DGRAFT_EVENT_SNAPSHOT_RECEIVED = 15, /* a leader's snapshot is here: whole, checked and durable */
    DGRAFT_EVENT_SNAPSHOT_STORED = 16,   /* how much of a leader's snapshot is stored */
    DGRAFT_EVENT_DISK = 17               /* the disk is short of room, or has it again */
};

/* All pointers are borrowed for the call. The runs must reach down to the first entry after `commit`: of what is not
 * committed the core knows every term (UNSUPPORTED otherwise, also when runs_max is too small for that), but for what
 * is damaged: that is a run of term 0. */
struct dgraft_event_start {
    dgraft_term term;    /* durable */
    dgraft_node_id vote; /* durable; 0 when none was given in this term */
    uint32_t generation;
    uint64_t store;
    struct dgraft_snapshot snapshot;  /* the newest durable one; all zero: none */
    struct dgraft_position compacted; /* the log begins after it; {0,0}: at index 1. At most snapshot's */
    struct dgraft_position last;      /* equals compacted when the log is empty */
    struct dgraft_position floor;     /* newest position proven durable before this start */
    dgraft_index commit;              /* known committed; at least snapshot.index, at most last.index */
    dgraft_index applied;             /* what the state machine holds; at most commit */
    const struct dgraft_term_run
        *runs; /* the newest runs of terms, oldest first; covers `last` unless the log is empty */
    uint32_t run_count;
    uint32_t damage_count;               /* at most DGRAFT_DAMAGE_MAX */
    const struct dgraft_damage *damage;  /* ascending, disjoint */
    bool recovering;                     /* for now false: true is refused */
    struct dgraft_membership membership; /* the newest in log or snapshot; voters 0: none, this node is to join */
    struct dgraft_membership before;     /* the one in force before it: used when it is rolled back; voters 0: none */
};

struct dgraft_event_propose {
    const struct dgraft_entry
        *entries;                /* borrowed; kind, payload_bytes and checksum are read, index and term are not */
    uint32_t count;              /* at least 1 */
    enum dgraft_entry_kind kind; /* COMMAND, NOOP or SESSION, of every one of them */
    uint64_t id;                 /* the host's name of this group: comes back in its outcome */
};

struct dgraft_event_read {
    uint64_t id; /* the host's; comes back in READ_READY or in OUTCOME. One id may stand for many reads. */
};

struct dgraft_event_durable {
    uint64_t seq;
};

struct dgraft_event_applied {
    dgraft_index index;
};

/* Answers one SEND whose `last.index` is above its message's prev.index; each such SEND wants exactly one SENT, at
 * once or later. `last` = the SEND's prev.index says that nothing went out (no buffer, or the log was overwritten). */
struct dgraft_event_sent {
    dgraft_node_set receivers; /* of the SEND */
    dgraft_term term;          /* of the SEND's message: a SENT of an older leadership is ignored */
    dgraft_index prev;         /* of the SEND */
    dgraft_index last;         /* index of the last entry that went out */
    uint64_t bytes;            /* of entries, as they travel */
};

struct dgraft_event_term {
    struct dgraft_position position; /* term 0: compacted or unreadable */
};

/* The members that are wanted. Whoever is to become a voter is a learner that has caught up, or stays a learner for now
 * with its bit in `promote`. The answer is an OUTCOME of CHANGE with this id: at once when it is refused, otherwise
 * when the last entry that it takes is committed, or UNKNOWN when leadership is lost before. */
struct dgraft_event_change {
    uint64_t id;
    struct dgraft_membership target; /* outgoing empty, index ignored; stores of new members, 0 where not known */
};

/* Ends in one OUTCOME of DGRAFT_OUTCOME_OF_TRANSFER: DONE when the target leads; NOT_LEADER, DISK, TRANSFERRING or
 * INVALID (no such voter, or nobody else) at once; CHANGING when the membership changed meanwhile; EXPIRED when an
 * election timeout passed: this node leads on, if it does, and takes proposals again. */
struct dgraft_event_transfer {
    uint64_t id;           /* the host's; comes back in the outcome */
    dgraft_node_id target; /* a voter; 0: whoever has most of the log */
};

/* A leader whose disk is short of room hands over; a node whose disk is short does not campaign. It still follows and
 * votes: what cannot be written poisons, as ever. */
struct dgraft_event_disk {
    bool full;
};

/* SNAPSHOT. Anything but a newer one of what is applied is ignored. */
struct dgraft_event_snapshot {
    struct dgraft_snapshot snapshot;
};

/* After a restart only a snapshot that was received, but not yet taken up by the store, is told so. */
struct dgraft_event_snapshot_received {
    struct dgraft_snapshot snapshot;
    struct dgraft_membership membership; /* in force at its position: it travels in the snapshot [§5.1] */
};

/* Answers one SNAPSHOT_STORE: of this snapshot the first `offset` bytes are stored, so that a crash does not take them
 * back. Less than before: they are lost or were wrong, and are to be sent again. Also after a start, without having
 * been asked: a part of one that an earlier start left. */
struct dgraft_event_snapshot_stored {
    struct dgraft_snapshot snapshot;
    uint64_t offset;
};

struct dgraft_event {
    enum dgraft_event_kind kind;
    dgraft_time_ns now_ns; /* never less than in the event before; a smaller one is taken as the last */
    union {
        struct dgraft_event_start start;
        struct dgraft_message receive;
        struct dgraft_event_propose propose;
        struct dgraft_event_read read;
        struct dgraft_event_durable durable;
        struct dgraft_event_applied applied;
        struct dgraft_event_sent sent;
        struct dgraft_event_term term;
        struct dgraft_event_change change;
        struct dgraft_event_transfer transfer;
        struct dgraft_event_disk disk;
        struct dgraft_event_snapshot snapshot;
        struct dgraft_event_snapshot_received snapshot_received;
        struct dgraft_event_snapshot_stored snapshot_stored;
    } u;
};

#ifdef __cplusplus
}
#endif
#endif
