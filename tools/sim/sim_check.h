/* The checker: a history outside the nodes, which survives their crashes, and the rules that must hold after every
 * step. It sees what a node cannot hide: the datagrams it sends, what reached its disk, what it applies and answers.
 *
 *   I-LEAD     at most one leader in a term, ever
 *   I-VOTE     at most one vote of a node in a term, ever, on the wire
 *   I-DURVOTE  no datagram carries a term, and no vote leaves, before it is on the sender's disk
 *   I-TERM     the term never falls: in memory, on disk, across restarts
 *   I-LM       (index, term) names one content and one predecessor
 *   I-LAO      a leader's log never shrinks in its term
 *   I-LC       what was committed is in the log of every leader of a later term
 *   I-SMS      applied: in order, once per start, and what was committed
 *   I-CI       the commit index never falls, and never passes the log nor what the leader of the term has shown
 *   I-CQ       when the commit index first moves to i, a majority of each set of voters hold that entry on the disks
 *              that they are known by; who leads was elected by such majorities, and was a voter then
 *   I-CFG      a node goes by the newest membership of its log; one is made upon a committed one, whose majorities it
 *              meets, and not in vain
 *   I-TRUNC    a disk's log shrinks only at a conflict, and never loses a committed entry
 *   I-ACK      an acknowledged prefix is on the sender's disk and equals the leader's
 *   I-SNAP     a snapshot is of what is committed and applied, and says what a replay up to there gives; it has its
 * name only when all of it is on the disk; nothing falls because of it, and the log begins at most behind it I-REPLY
 * COMMITTED is committed; REFUSED never appears in a log; each request is answered at most once I-ONCE     one effect
 * for each command of a session, and one answer; all nodes have equal sessions I-READ     a read sees everything that
 * was committed when it was made I-DUR      after a crash the log is what was durable, plus at most the writes under
 * way
 */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "sim_counts.h"
#include "sim_machine.h"
#include "sim_members.h"
#include "sim_network.h"
#include "sim_trace.h"
#include "sim_tree.h"

#include <dgraft/driver.h>

#define SIM_FINDING_BYTES 400u

#define SIM_UNSYNCED_MAX 8u

/* What one node has on its disk, and what it showed of itself since it started. What it holds is its log, if that holds
 * the last entry of the snapshot, and otherwise the snapshot alone: sim_ghost_last, sim_ghost_term. */
struct sim_ghost {
    dgraft_term *terms; /* by index: the log that would survive any crash, with what was dropped from its front */
    dgraft_index capacity;
    dgraft_index last;
    struct dgraft_position snapshot; /* the newest whose name would survive any crash */
    struct dgraft_snapshot part;     /* what it synced last of a snapshot being received */
    uint64_t part_bytes;             /* so many of it would survive any crash */
    uint64_t stored_digest;          /* of the leader's snapshot that it acknowledged last since it started */
    uint64_t stored;                 /* bytes of it */
    bool stored_whole;
    dgraft_term state_term;
    dgraft_node_id state_vote;
    dgraft_node_id *votes_durable; /* by term */
    dgraft_node_id *votes_sent;    /* by term */
    dgraft_term vote_capacity;
    dgraft_term *before_crash; /* copy of terms when the node went down */
    dgraft_index before_last;
    dgraft_index unsynced[SIM_UNSYNCED_MAX]; /* what batches under way then would have kept */
    uint32_t unsynced_count;
    bool running;
    uint64_t store;      /* of the disk that is in it; 0 unknown */
    uint64_t lost_store; /* of the disk that was in it before, and what that held: it may have acknowledged it */
    dgraft_term *lost_terms;
    dgraft_index lost_last;
    struct dgraft_core_status seen; /* after its last turn */
    dgraft_index applied;           /* newest command applied since the start, or in the snapshot taken up */
    dgraft_index lagged;            /* a leader's snapshot was taken up, and nothing behind it is committed yet */
};

/* What the world knows of a term. */
struct sim_term {
    dgraft_node_id leader;
    struct dgraft_position tip; /* newest position that the leader is known to have */
    dgraft_index first;         /* its first own entry; 0 unknown */
    dgraft_term first_before;
    uint64_t round_max;
    dgraft_node_set granted[SIM_NODES_MAX]; /* who voted for each candidate, on the wire */
    dgraft_index shown[SIM_NODES_MAX];      /* how far the leader's appends and snapshots to each node reach */
    uint64_t sent_digest[SIM_NODES_MAX];    /* of the snapshot that each is being sent */
    uint64_t sent[SIM_NODES_MAX];           /* bytes of it */
};

/* What came of a command, as the first node that came by it showed. */
enum sim_effect { SIM_EFFECT_NONE = 0, SIM_EFFECT_APPLIED, SIM_EFFECT_SKIPPED };

struct sim_committed {
    dgraft_term term;
    dgraft_term leader_term; /* in which it was first seen committed */
    dgraft_index command;    /* newest command of no session up to here */
    uint64_t operation;      /* of a command; 0 otherwise */
    dgraft_index session;    /* of a command; 0: of none */
    enum sim_effect effect;
    uint64_t machine;             /* of a command with an effect: hash of the state machine behind it */
    dgraft_node_id sessions_node; /* the first to have applied up to here; 0: none stopped here yet */
    uint64_t sessions;            /* hash of its sessions then */
};

enum sim_operation_fate { SIM_FATE_NONE = 0, SIM_FATE_APPENDED = 1, SIM_FATE_REFUSED = 2 };

struct sim_message; /* fragments of one message on the way */

struct sim_check {
    struct sim_counts *counts;
    struct sim_trace *trace;
    uint32_t node_count;
    uint64_t cluster;
    struct sim_tree tree;
    struct sim_members members;
    /* Tells the membership that a node goes by now; NULL: nobody does. */
    const struct dgraft_membership *(*claimed)(void *context, dgraft_node_id node);
    void *claimed_context;
    struct sim_ghost ghosts[SIM_NODES_MAX];
    struct sim_term *terms;
    dgraft_term term_capacity;
    struct sim_committed *committed; /* by index; [0] is none */
    dgraft_index committed_capacity;
    dgraft_index committed_last;
    uint8_t *fates; /* by operation */
    uint64_t fate_capacity;
    struct sim_message *messages;
    uint32_t message_next;
    struct dgraft_entry *descriptors; /* room to decode an APPEND */
    char finding[SIM_FINDING_BYTES];  /* empty: none */
};

bool sim_check_open(struct sim_check *check, uint32_t node_count, struct sim_counts *counts, struct sim_trace *trace);
void sim_check_close(struct sim_check *check);

/* Returns the last index that a node's disk holds, and the term at one; 0 when it does not hold it. */
dgraft_index sim_ghost_last(const struct sim_ghost *ghost);
dgraft_term sim_ghost_term(const struct sim_check *check, const struct sim_ghost *ghost, dgraft_index index);

/* Returns whether a node's disk, or the one that was in it before, holds an entry. */
bool sim_ghost_holds(const struct sim_check *check, const struct sim_ghost *ghost, struct dgraft_position position);
bool sim_ghost_held(const struct sim_ghost *ghost, struct dgraft_position position);

/* Notes a broken rule; only the first counts. Returns false, for the caller to return. */
bool sim_check_fail(struct sim_check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Returns whether a rule was broken. */
bool sim_check_broken(const struct sim_check *check);

/* A datagram leaves a node; `to` is 0 when it goes to a client. */
void sim_check_sent(struct sim_check *check, dgraft_node_id from, dgraft_node_id to, const uint8_t *bytes, size_t size);

/* A damaged datagram is about to arrive: a decoder must not take all of it. */
void sim_check_damaged(struct sim_check *check, const uint8_t *bytes, size_t size);

/* A node's disk has synced a range of a file. */
void sim_check_synced(struct sim_check *check, dgraft_node_id node, const char *path, const uint8_t *bytes,
                      uint64_t size, uint64_t begin, uint64_t end);

/* A node goes down, in whatever way; what it holds is remembered for sim_check_opened. */
void sim_check_down(struct sim_check *check, dgraft_node_id node);

/* After sim_check_down, for each range of a segment that was written and perhaps never reached the disk. */
void sim_check_unsynced(struct sim_check *check, dgraft_node_id node, const uint8_t *bytes, uint64_t size,
                        uint64_t begin, uint64_t end);

/* A node's disk was taken out, and another one, which is empty, put in. Call between sim_check_down and opening. */
void sim_check_wiped(struct sim_check *check, dgraft_node_id node, uint64_t store);

/* A node has opened its directory. */
void sim_check_opened(struct sim_check *check, dgraft_node_id node, const struct dgraft_core_status *status);

/* A turn has ended. */
void sim_check_turned(struct sim_check *check, dgraft_node_id node, const struct dgraft_core_status *status);

/* Its store was opened again in this turn: it tells where its oldest segment begins. */
void sim_check_reopened(struct sim_check *check, dgraft_node_id node);

/* A node begins again with what is on its disk: what it promised nobody may be gone, what it applied is not. `commit`:
 * what it knows of to be committed now, which may be less than before; more only a leader may have shown it. */
void sim_check_came_back(struct sim_check *check, dgraft_node_id node, dgraft_index commit);

/* One command was applied, or one answer given, in the turn before (call after sim_check_turned); machine: the hash of
 * the state machine behind the command. */
void sim_check_applied(struct sim_check *check, dgraft_node_id node, struct dgraft_position position,
                       uint64_t operation, uint64_t machine);
void sim_check_answered(struct sim_check *check, dgraft_node_id node, uint64_t operation,
                        const struct dgraft_proposal_answer *answer);

/* A read is made: returns what it must see (the newest committed command). */
dgraft_index sim_check_read_made(const struct sim_check *check);

/* sim_check_snapshot.c */

/* A name is sure on a node's disk, and this is what the disk holds of its file. Only snapshots are looked at. */
void sim_check_named(struct sim_check *check, dgraft_node_id node, const char *path, const uint8_t *bytes,
                     uint64_t size);
/* A node has synced a part of a leader's snapshot: of the file, `begin` to `end` were written since the sync before. */
void sim_check_part_synced(struct sim_check *check, dgraft_node_id node, const uint8_t *bytes, uint64_t begin,
                           uint64_t end);

/* A node has opened, and `bytes` are what it has of a leader's snapshot, synced up to `synced_end`: it goes on with
 * them. */
void sim_check_part(struct sim_check *check, dgraft_node_id node, const uint8_t *bytes, uint64_t size,
                    uint64_t synced_end, const struct dgraft_core_status *status);

/* A node's state machine has taken up a snapshot, in the turn before, or by opening. */
void sim_check_restored(struct sim_check *check, dgraft_node_id node, const struct sim_machine *machine);
/* A turn, or the opening, has ended with so much applied and this state. */
void sim_check_stopped(struct sim_check *check, dgraft_node_id node, dgraft_index applied,
                       const struct sim_machine *machine);
/* A leader's snapshot was taken up in the turn that is about to be checked. */
void sim_check_installed(struct sim_check *check, dgraft_node_id node, const struct dgraft_core_status *status);
bool sim_check_chunk(struct sim_check *check, const struct dgraft_frame *frame, dgraft_node_id to);
bool sim_check_stored(struct sim_check *check, const struct dgraft_frame *frame);
/* What a node says of its snapshot and of where its log begins. */
bool sim_check_begins(struct sim_check *check, dgraft_node_id node, const struct dgraft_core_status *status);

/* sim_check_sessions.c */

/* A turn has ended with so much applied and such sessions. */
void sim_check_sessions(struct sim_check *check, dgraft_node_id node, dgraft_index applied, uint64_t digest);
/* A command in a session was answered COMMITTED: the answer is what the machine said when it took effect. */
void sim_check_remembered(struct sim_check *check, uint64_t operation, const struct dgraft_proposal_answer *answer);
/* A node left out what lies from `from` up to `to`, without it; it applied `index`. */
bool sim_check_skipped(struct sim_check *check, dgraft_node_id node, dgraft_index from, dgraft_index to);
bool sim_check_effect(struct sim_check *check, dgraft_node_id node, dgraft_index index);

/* Used by the checker's own files. */
struct sim_term *sim_check_term(struct sim_check *check, dgraft_term term); /* NULL: broken */
bool sim_check_entry(struct sim_check *check, dgraft_index index, const struct sim_entry *entry, const char *where);
/* A node has moved its commit index beyond everything committed so far. */
bool sim_check_commit(struct sim_check *check, dgraft_node_id node, dgraft_term leader_term, bool leads,
                      dgraft_index upto);
bool sim_check_leader(struct sim_check *check, dgraft_node_id node, dgraft_term term);
/* A leader shows that its log reaches to `end`: a leader's log only grows in its term, so whatever it sends lies on one
 * line. */
bool sim_check_extends(struct sim_check *check, dgraft_term term, struct dgraft_position end);
/* A vote of `node` for `candidate` leaves it, as a request, as a grant, or in what only a leader sends. */
bool sim_check_vote(struct sim_check *check, dgraft_node_id node, dgraft_term term, dgraft_node_id candidate);
bool sim_ghost_reserve(struct sim_ghost *ghost, dgraft_index index);
bool sim_ghost_reserve_votes(struct sim_ghost *ghost, dgraft_term term);

#endif
