/* Client sessions [§6.3]: which commands of whom have been applied, and what they were answered, so that a retry
 * applies once. Part of the replicated state: a function of the applied entries alone, equal on all nodes that applied
 * as many.
 *
 *   opened          by a SESSION entry, whose index is the session's id; never by use
 *   takes           up to SESSION_WINDOW sequences that are under way, in any order; what is older than that behind the
 *                   newest is FORGOTTEN: never applied any more, whether or not it was
 *   ends            closed by a SESSION entry; unheard of for longer than its timeout; or, when there are SESSIONS_MAX,
 * as the one heard longest ago, to make room for a new one
 *
 * Time is the log's: it stands in every entry, stamped by the leader that framed it, and never falls. Between two
 * entries at most SESSION_GAP_MAX_NS counts, so that neither a cluster that was down nor a leader whose clock is days
 * ahead ends every session at once.
 */
#ifndef DGRAFT_NODE_SESSIONS_H
#define DGRAFT_NODE_SESSIONS_H

#include <dgraft/driver.h>
#include <dgraft/session_entry.h>

#define SESSIONS_MAX       4096u
#define SESSION_WINDOW     64u
#define SESSION_GAP_MAX_NS UINT64_C(10000000000)

enum session_verdict {
    SESSION_FRESH = 1,     /* not applied yet */
    SESSION_DONE = 2,      /* applied before */
    SESSION_FORGOTTEN = 3, /* too far behind the newest to know */
    SESSION_NONE = 4       /* no such session, now or any more */
};

/* What a command came to. */
struct session_done {
    struct dgraft_position position; /* of the entry that did it; index 0: none did */
    struct dgraft_remembered answer;
};

struct session;

struct sessions {
    struct session **items; /* by id, ascending */
    uint32_t count;
    uint32_t capacity;
    struct session *spare;        /* for the next to be opened */
    uint64_t log_time_ns;         /* of the newest entry; never falls */
    uint64_t time_ns;             /* what of it counted */
    uint64_t none_ends_before_ns; /* a lower bound, in time_ns: nobody need look before */
    struct dgraft_sessions_stats stats;
};

/* Begins as zero: no sessions at all. */
void dgraft_sessions_free(struct sessions *sessions);

/* Makes room for one that is to be opened. Returns false when there is no memory. */
bool dgraft_sessions_reserve(struct sessions *sessions);

/* An entry with this log time is about to be applied: ends the sessions that were not heard of for too long. Doing it
 * twice for one entry is as good as once. */
void dgraft_sessions_advance(struct sessions *sessions, uint64_t log_time_ns);

/* Opens a session whose id is that of the entry; room was reserved. */
void dgraft_sessions_open(struct sessions *sessions, dgraft_index index, uint64_t timeout_ns);

/* Closes a session; one that there is not is closed already. */
void dgraft_sessions_close(struct sessions *sessions, dgraft_index id);

/* A command is about to be applied as the entry at `position`: notes it, and when it is FRESH that it is done.
 * *done (may be NULL) views what it came to when it is DONE, until the next change. */
enum session_verdict dgraft_sessions_take(struct sessions *sessions, const struct dgraft_session_head *head,
                                          struct dgraft_position position, const struct session_done **done);

/* Notes what a command that was FRESH is answered, unless its session ended or its sequence fell behind meanwhile. */
void dgraft_sessions_remember(struct sessions *sessions, const struct dgraft_session_head *head,
                              const struct dgraft_remembered *answer);

/* The verdict without noting anything. FRESH says little: the command may be in the log already, not applied. The other
 * three stay true for ever. For NONE the id must be at most the index of the newest entry applied. */
enum session_verdict dgraft_sessions_look(const struct sessions *sessions, const struct dgraft_session_head *head,
                                          const struct session_done **done);

/* A hash over all of it, but the statistics. Equal tables, equal digests. */
uint64_t dgraft_sessions_digest(const struct sessions *sessions);

/* sessions_encode.c: the table as bytes, for a snapshot. One table has one encoding. */

/* No table's encoding is longer: 40 bytes, and for each session 48, and for each of its commands 24 and an answer. */
#define SESSIONS_ENCODED_MAX (40u + SESSIONS_MAX * (48u + SESSION_WINDOW * (24u + DGRAFT_SESSION_ANSWER_BYTES_MAX)))

/* Returns how many bytes encode writes. */
size_t dgraft_sessions_encoded_bytes(const struct sessions *sessions);
void dgraft_sessions_encode(const struct sessions *sessions, uint8_t *out);

/* Reads a table into `out`, which holds nothing. Returns ACCEPT, or why not: MAGIC, VERSION, SHORT, LENGTH, CHECKSUM,
 * COUNT, ORDER, FIELD, PADDING, MEMORY; `out` then holds nothing. Time and memory are bounded by size. */
enum dgraft_refusal dgraft_sessions_decode(const uint8_t *bytes, size_t size, struct sessions *out);

/* Used by sessions_encode.c. */
struct session {
    dgraft_index id;
    uint64_t timeout_ns;
    uint64_t heard_ns;  /* when it was heard last, in the table's time */
    dgraft_index heard; /* by which entry */
    uint64_t newest;    /* sequence applied; 0 none */
    /* Of sequence s at s % SESSION_WINDOW, for those above newest - SESSION_WINDOW. */
    struct session_done done[SESSION_WINDOW];
};
bool dgraft_sessions_grow(struct sessions *sessions, uint32_t count);

#endif
