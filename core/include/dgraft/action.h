/* What a core wants done. The host carries actions out in their order; each is already safe when it appears (rule C4).
 */
#ifndef DGRAFT_ACTION_H
#define DGRAFT_ACTION_H

#include <dgraft/message.h>
#include <dgraft/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum dgraft_action_kind {
    DGRAFT_ACTION_WRITE = 1,    /* make term, vote and entries durable; answer with DURABLE */
    DGRAFT_ACTION_SEND = 2,     /* encode once, send to all receivers; may be lost, late or twice */
    DGRAFT_ACTION_APPLY = 3,    /* hand committed, locally durable entries to the state machine; answer with APPLIED */
    DGRAFT_ACTION_ACCEPTED = 4, /* proposals have been given their places in the log */
    DGRAFT_ACTION_OUTCOME = 5,  /* what became of proposals, a read, a change or a transfer */
    DGRAFT_ACTION_READ_READY = 6,      /* a read may be answered once `index` is applied */
    DGRAFT_ACTION_LOOKUP = 7,          /* the core no longer knows the term of an entry; answer with TERM */
    DGRAFT_ACTION_NOTICE = 8,          /* something changed, for whoever listens */
    DGRAFT_ACTION_SNAPSHOT_STORE = 10, /* store this part of a leader's snapshot; answer with SNAPSHOT_STORED */
    DGRAFT_ACTION_INSTALL = 11,        /* the log gives way to a snapshot; answer with DURABLE */
    DGRAFT_ACTION_COMPACT = 12,        /* entries at the log's beginning will not be asked for again */
    DGRAFT_ACTION_MEND = 13,           /* received entries take the place of damaged ones; answer with DURABLE */
    DGRAFT_ACTION_REOPEN = 14          /* close the store and open it again, and begin anew with a START */
};

/* One write stream (rule C5). The host performs writes in the order of seq. */
struct dgraft_action_write {
    uint64_t seq;
    bool state;          /* term and vote differ from the last WRITE: save them */
    dgraft_term term;    /* always the current ones */
    dgraft_node_id vote; /* 0: none */
    dgraft_index keep;   /* entries after this index are superseded; it equals the last index when none is */
    dgraft_index first;  /* of the entries to append: keep + 1 when count > 0 */
    uint32_t count;
    uint32_t skip;               /* where in the event's entries the first of them stands */
    dgraft_term entry_term;      /* of entries proposed or made here; 0 for received ones: each carries its own */
    enum dgraft_entry_kind made; /* NOOP or MEMBERSHIP: the one entry appended is the core's own, and the host frames it
                                    (of dgraft_core_membership, when it is that); 0: the event has them */
};

/* A SEND of entries (an APPEND with last.index > prev.index) is an upper bound: the host packs as many as it
 * likes, into one frame or several that each stand alone, at most max_bytes unless the first alone is larger, and says
 * with one SENT how far it got. A FETCH_ANSWER of entries goes from its `first` to last.index, as many as fit one
 * frame; it wants no SENT, and is dropped when an entry cannot be read or its anchor's term is another here. A host
 * that meets another term at prev or at the last entry packed than the core says, drops the SEND and answers SENT{last
 * = prev}. */
struct dgraft_action_send {
    dgraft_node_set receivers;
    struct dgraft_position last; /* APPEND: the newest entry that may be carried; equals prev when none. FETCH_ANSWER:
                                    the same, of term 0; index 0 when none */
    uint64_t max_bytes;          /* APPEND: room left in the window of the slowest receiver */
    struct dgraft_message message;
};

/* The bytes are those of the SNAPSHOT_CHUNK being stepped. Offset 0 begins a snapshot: what is stored of any other one
 * is not wanted any more. When all is stored, the host checks the digest over the whole, makes the snapshot durable and
 * says SNAPSHOT_RECEIVED; or SNAPSHOT_STORED with offset 0. */
struct dgraft_action_snapshot_store {
    struct dgraft_snapshot snapshot;
    uint64_t offset;
    uint32_t bytes;
};

/* Part of the write stream (rule C5): the whole log is superseded, and begins anew after position; the state machine is
 * restored from the snapshot that SNAPSHOT_RECEIVED told, and what APPLY asked for before is void. */
struct dgraft_action_install {
    uint64_t seq;
    struct dgraft_position position;
};

/* Entries up to this one may be dropped, sooner or later, whole files at a time. */
struct dgraft_action_compact {
    struct dgraft_position position;
};

/* Part of the write stream (rule C5). The entries of the FETCH_ANSWER being stepped, all of them, are written in the
 * place of damaged ones: the log's last position stays. */
struct dgraft_action_mend {
    uint64_t seq;
    dgraft_index first;
    uint32_t count;
};

/* REOPEN has no fields. When all that was to be written is durable, the host closes the store and opens it again, makes
 * a core anew in the same memory (dgraft_core_init) and steps START with what the store tells then. What is applied
 * stays so, and is told by START. Until then events may go on: the core takes no part but in votes. */

struct dgraft_action_apply {
    dgraft_index first;
    dgraft_index last;
};

/* The first `count` of the proposed entries are appended at first.index on, in first.term. Their fate: APPLY when they
 * are committed, OUTCOME when they are lost or unknown. What was not accepted is refused by an OUTCOME. */
struct dgraft_action_accepted {
    uint64_t id;
    struct dgraft_position first;
    uint32_t count;
};

enum dgraft_outcome {
    DGRAFT_OUTCOME_NOT_LEADER = 1,   /* never appended; `leader` may know more */
    DGRAFT_OUTCOME_BUSY = 2,         /* never appended: too much is uncommitted, or too many reads wait */
    DGRAFT_OUTCOME_TOO_LARGE = 3,    /* never appended: above entry_bytes_max */
    DGRAFT_OUTCOME_DISK = 4,         /* never appended: this node's disk failed */
    DGRAFT_OUTCOME_UNKNOWN = 5,      /* appended, then leadership was lost: may be committed later, or not */
    DGRAFT_OUTCOME_LOST = 6,         /* appended, then overwritten: will never be committed */
    DGRAFT_OUTCOME_DONE = 7,         /* a change or a transfer is complete */
    DGRAFT_OUTCOME_TRANSFERRING = 8, /* refused while leadership is being transferred: try again shortly */
    DGRAFT_OUTCOME_CHANGING =
        9, /* refused: another change of membership, or this term's first entry, is not committed */
    DGRAFT_OUTCOME_INVALID = 10, /* refused: no such member, or a membership that cannot be */
    DGRAFT_OUTCOME_BEHIND = 11,  /* refused: only a learner that has caught up can become a voter */
    DGRAFT_OUTCOME_EXPIRED = 12  /* a transfer did not end in time: this node goes on leading */
};

/* What an outcome is about. */
enum dgraft_outcome_of {
    DGRAFT_OUTCOME_OF_PROPOSALS = 1,
    DGRAFT_OUTCOME_OF_READ = 2,
    DGRAFT_OUTCOME_OF_CHANGE = 3,
    DGRAFT_OUTCOME_OF_TRANSFER = 4
};

struct dgraft_action_outcome {
    enum dgraft_outcome outcome;
    dgraft_node_id leader; /* the one this node follows now; 0 unknown */
    enum dgraft_outcome_of of;
    uint64_t id;        /* of the group refused (all but UNKNOWN and LOST), of the read, change or transfer */
    uint32_t skip;      /* refused: how many of the group's first entries were accepted before */
    uint32_t count;     /* refused: how many from there on */
    dgraft_index first; /* UNKNOWN, LOST: entries of this node's own proposals, first to last */
    dgraft_index last;
};

/* Under a lease (lease_until_ns is not 0) the host looks at its clock once more just before it answers, because it may
 * have slept since: from lease_until_ns on the answer must not be given, and the read is asked again. */
struct dgraft_action_read_ready {
    uint64_t id;
    dgraft_index index;
    dgraft_time_ns lease_until_ns;
};

struct dgraft_action_lookup {
    dgraft_index index;
};

enum dgraft_notice_kind {
    DGRAFT_NOTICE_ROLE = 1, /* enum dgraft_role */
    DGRAFT_NOTICE_TERM = 2,
    DGRAFT_NOTICE_LEADER = 3, /* node id, 0 unknown */
    DGRAFT_NOTICE_COMMIT = 4,
    DGRAFT_NOTICE_MEMBERSHIP = 5,   /* index of the entry in force */
    DGRAFT_NOTICE_PEER_LAG = 6,     /* a leader's: entries that `peer` lacks; told when they pass lag_notice_entries,
                                       and when they are less than half of it again */
    DGRAFT_NOTICE_DISK = 7,         /* 1: short of room, or a write takes too long; 0: neither */
    DGRAFT_NOTICE_FOREIGN_STORE = 8 /* before: the store known of `peer`; after: another that spoke under its id */
};

struct dgraft_action_notice {
    enum dgraft_notice_kind kind;
    dgraft_node_id peer; /* PEER_LAG, FOREIGN_STORE; 0 otherwise */
    uint64_t before;
    uint64_t after;
    uint64_t before_bytes; /* PEER_LAG: the same in bytes of the log. Only the host knows: the core says 0 */
    uint64_t after_bytes;
};

/* Of the union only the member that kind names has a meaning; what else lies there is left from earlier steps. */
struct dgraft_action {
    enum dgraft_action_kind kind;
    union {
        struct dgraft_action_write write;
        struct dgraft_action_send send;
        struct dgraft_action_apply apply;
        struct dgraft_action_accepted accepted;
        struct dgraft_action_outcome outcome;
        struct dgraft_action_read_ready read_ready;
        struct dgraft_action_lookup lookup;
        struct dgraft_action_notice notice;
        struct dgraft_action_snapshot_store snapshot_store;
        struct dgraft_action_install install;
        struct dgraft_action_compact compact;
        struct dgraft_action_mend mend;
    } u;
};

/* The caller's memory, dgraft_actions_size() bytes. */
struct dgraft_actions {
    dgraft_time_ns wake_at_ns; /* step again at this time at the latest; later is safe, only slower (rule C7) */
    uint32_t count;
    uint32_t capacity;             /* set by dgraft_actions_init */
    struct dgraft_action items[1]; /* `capacity` of them */
};

#ifdef __cplusplus
}
#endif
#endif
