/* The messages that peers exchange, as the core sees them. One-way, each complete in itself (rule C8): whoever receives
 * one may act on it alone, and its loss, repetition or late arrival is harmless.
 *
 * The bytes of entries are not here: they stay in the host's buffers. wire/include/dgraft/frame.h says how a message
 * looks on the wire.
 */
#ifndef DGRAFT_MESSAGE_H
#define DGRAFT_MESSAGE_H

#include <dgraft/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers are the wire's; 0 is invalid; retired or reserved ones are never used for something else.
 * Reserved: 15 REMOVED. */
enum dgraft_message_type {
    DGRAFT_MESSAGE_PRE_VOTE_REQUEST = 1, /* would you vote for me? changes nothing at the receiver [§9.6] */
    DGRAFT_MESSAGE_PRE_VOTE_GRANT = 2,
    DGRAFT_MESSAGE_PRE_VOTE_REFUSE = 3,
    DGRAFT_MESSAGE_VOTE_REQUEST = 4, /* [§3.4] */
    DGRAFT_MESSAGE_VOTE_GRANT = 5,
    DGRAFT_MESSAGE_VOTE_REFUSE = 6,
    DGRAFT_MESSAGE_APPEND = 7, /* entries, or none: a heartbeat or a probe [§3.5] */
    DGRAFT_MESSAGE_APPEND_ACK = 8,
    DGRAFT_MESSAGE_APPEND_REFUSE = 9,
    DGRAFT_MESSAGE_TIMEOUT_NOW = 10,    /* campaign at once: the leader hands over to you [§3.10] */
    DGRAFT_MESSAGE_SNAPSHOT_CHUNK = 11, /* a part of a snapshot, for who needs entries that are compacted [§5.1] */
    DGRAFT_MESSAGE_SNAPSHOT_ACK = 12,
    DGRAFT_MESSAGE_FETCH = 13, /* entries that are damaged here: does anybody have them? */
    DGRAFT_MESSAGE_FETCH_ANSWER = 14,
    DGRAFT_MESSAGE_READ_REQUEST = 16, /* a follower's reads want to know the index they must wait for [§6.4] */
    DGRAFT_MESSAGE_READ_ANSWER = 17
};

/* Why a vote, a pre-vote or an append was refused. */
enum dgraft_refuse_reason {
    DGRAFT_REFUSE_TERM = 1,         /* the sender's term is old; the frame's term teaches the newer one */
    DGRAFT_REFUSE_LOG = 2,          /* vote: the candidate's log is behind [§3.6.1] */
    DGRAFT_REFUSE_VOTED = 3,        /* vote: given to another candidate in this term */
    DGRAFT_REFUSE_LEADER_ALIVE = 4, /* vote: a leader was heard within the election timeout [§4.2.3] */
    DGRAFT_REFUSE_MISMATCH = 5,     /* append: no entry at prev, or one of another term; see the hint */
    DGRAFT_REFUSE_RECOVERING = 6,   /* this store knows nothing, or forgot what it acknowledged: it does not vote */
    DGRAFT_REFUSE_FULL = 7          /* append: no room just now; ask again later */
};

/* PRE_VOTE_REQUEST and VOTE_REQUEST. */
struct dgraft_vote_request {
    dgraft_term term;            /* the term campaigned for: the frame's own (vote), or one more (pre-vote) */
    struct dgraft_position last; /* the candidate's last entry */
    bool transfer;               /* the old leader asked for it: a leader being alive is no reason to refuse [§3.10] */
};

/* PRE_VOTE_GRANT, PRE_VOTE_REFUSE, VOTE_GRANT and VOTE_REFUSE. */
struct dgraft_vote_reply {
    dgraft_term term;                 /* the term of the request it answers */
    enum dgraft_refuse_reason reason; /* of a refusal; 0 in a grant */
};

/* APPEND: the entries after prev. In a message received, `entries` are the descriptors of what the frame carries; in a
 * message to send, the action says how far they may reach and the host fetches them. */
struct dgraft_append {
    struct dgraft_position prev;        /* the entry before the first one carried; {0,0} is before all */
    dgraft_index commit;                /* the leader's; the receiver takes min(commit, prev.index + count) */
    uint64_t round;                     /* echoed by the reply: proves that the leader was heard after it was sent */
    const struct dgraft_entry *entries; /* borrowed for the call */
    uint32_t count;
    uint32_t membership_count;
    const struct dgraft_membership *memberships; /* what its MEMBERSHIP entries say, in order; borrowed for the call */
};

/* APPEND_ACK: "my durable log equals yours up to match". */
struct dgraft_append_ack {
    dgraft_index match; /* verified against this leader, and durable here */
    uint64_t round;     /* the newest heard from this leader in this term */
};

/* APPEND_REFUSE. The hint is the refuser's newest position that could match: index <= prev.index, term <= prev.term. */
struct dgraft_append_refuse {
    dgraft_index prev; /* of the append refused */
    struct dgraft_position hint;
    uint64_t round; /* of the append refused, not the newest heard: it tells a late append from a current one */
    enum dgraft_refuse_reason reason;
};

/* TIMEOUT_NOW: counts in its own term only, and from the leader of it; a repeated or late one is nobody's business. */
struct dgraft_timeout_now {
    struct dgraft_position last; /* the leader's last entry, which the receiver has: without it there is no use */
};

/* READ_REQUEST: all reads that wait at a follower share one. */
struct dgraft_read_request {
    uint64_t token; /* the follower's name of it, never used twice; 0 is none */
};

/* READ_ANSWER. */
struct dgraft_read_answer {
    uint64_t token;     /* of the request */
    dgraft_index index; /* what was committed when the request was received lies at or below it */
};

/* Bytes of a snapshot in one message, at most. */
#define DGRAFT_SNAPSHOT_CHUNK_MAX (1024u * 1024)

/* SNAPSHOT_CHUNK: `bytes` bytes of the leader's snapshot, from `offset` on. The bytes themselves are the host's. */
struct dgraft_snapshot_chunk {
    struct dgraft_snapshot snapshot;
    uint64_t offset;
    uint64_t round; /* as an append's */
    uint32_t bytes; /* at least 1 */
    uint32_t reserved;
};

/* SNAPSHOT_ACK: "of this snapshot I have stored the first `offset` bytes". All of it stored means received; that it is
 * installed, an APPEND_ACK says: its match is then at least the snapshot's index. */
struct dgraft_snapshot_ack {
    struct dgraft_snapshot snapshot;
    uint64_t offset;
    uint64_t round; /* the newest heard from this leader in this term: tells a late answer from a new one */
};

/* FETCH: of the log that holds `anchor`, the entries first to last. It is asked of anybody, not only of a leader: two
 * logs that hold an entry of the same index and term are the same before it (Log Matching [§3.5]). */
struct dgraft_fetch {
    dgraft_index first;
    dgraft_index last;
    struct dgraft_position anchor; /* the entry behind last, or last's own position when it is the newest */
};

/* What became of a FETCH. */
enum dgraft_fetch_verdict {
    DGRAFT_FETCH_HAVE = 1,     /* the first of them that can be given, as many as fit, are in the answer */
    DGRAFT_FETCH_HAVE_NOT = 2, /* the log here does not hold `anchor` */
    DGRAFT_FETCH_DAMAGED = 3,  /* it does, but all of them are damaged here as well */
    DGRAFT_FETCH_COMPACTED = 4 /* a snapshot has them, and the log no longer */
};

/* FETCH_ANSWER. `entries` as in an append: in a message to send, the action says how far they may reach. */
struct dgraft_fetch_answer {
    enum dgraft_fetch_verdict verdict;
    uint32_t count;                     /* of HAVE: at least 1 */
    dgraft_index first;                 /* of the entries given; when none are, of the request */
    struct dgraft_position anchor;      /* of the request */
    struct dgraft_position here;        /* of HAVE_NOT: what stands in the anchor's place, or ends the log before it */
    const struct dgraft_entry *entries; /* borrowed for the call */
};

struct dgraft_message {
    enum dgraft_message_type type;
    dgraft_node_id from;
    dgraft_term term;    /* the sender's durable term, never less and never more */
    uint64_t store;      /* identity of the sender's store; 0 unknown */
    uint32_t generation; /* of the sender's store: grows when it forgot something it had acknowledged */
    uint32_t reserved;   /* 0 */
    union {
        struct dgraft_vote_request vote_request; /* PRE_VOTE_REQUEST, VOTE_REQUEST */
        struct dgraft_vote_reply vote_reply;     /* the four answers to them */
        struct dgraft_append append;
        struct dgraft_append_ack append_ack;
        struct dgraft_append_refuse append_refuse;
        struct dgraft_timeout_now timeout_now;
        struct dgraft_read_request read_request;
        struct dgraft_read_answer read_answer;
        struct dgraft_snapshot_chunk snapshot_chunk;
        struct dgraft_snapshot_ack snapshot_ack;
        struct dgraft_fetch fetch;
        struct dgraft_fetch_answer fetch_answer;
    } u;
};

#ifdef __cplusplus
}
#endif
#endif
