/* The core's state: one block of the caller's memory, offsets instead of pointers, so that memcpy is a fork (rule C2).
 *
 *     struct dgraft_core | runs of terms | appends on the way, one ring per peer | reads that wait
 *
 * A step handles its event by changing this state and noting in `struct step` what follows; dgraft_core_finish then
 * turns the notes into actions, in one fixed order, so that one step makes at most one WRITE and one acknowledgement.
 */
#ifndef DGRAFT_CORE_STATE_H
#define DGRAFT_CORE_STATE_H

#include "check.h"

#include <dgraft/core.h>

/* "Not on any clock": a timer that is off. */
#define DGRAFT_CORE_NEVER UINT64_MAX

/* Terms beyond this are refused wherever they come from, so that one more is always a term. */
#define DGRAFT_CORE_TERM_MAX (UINT64_MAX / 2)

/* WRITEs that can be told apart while they are under way; when more are, the newest are reported together. */
#define DGRAFT_CORE_WRITES 64u

/* Steps in the account of uncommitted bytes; when full, the newest are released together. */
#define DGRAFT_CORE_MARKS 128u

/* Rounds of heartbeats whose beginning is remembered; an answer to an older one gives no lease. */
#define DGRAFT_CORE_ROUNDS 64u

/* The round of a follower's read that no READ_REQUEST speaks for yet. */
#define DGRAFT_CORE_NOT_ASKED UINT64_MAX

/* What an entry counts for in the account besides its payload, so that empty ones are bounded too. */
#define DGRAFT_CORE_ENTRY_OVERHEAD 64u

/* Chunks of a snapshot on the way to one peer, and STOREs under way at a receiver. */
#define DGRAFT_CORE_CHUNKS 4u

/* A WRITE under way, and what is durable once it is done. */
struct pending_write {
    uint64_t seq;
    dgraft_term term;
    dgraft_index last; /* lowered when a later WRITE truncates: what was overwritten never counts (no ABA) */
    dgraft_node_id vote;
    uint32_t reserved;
    dgraft_time_ns begun_ns;
};

/* Leadership on its way to another node; target 0: none is. It outlives the leadership, to tell how it ended. */
struct transfer {
    uint64_t id;
    dgraft_node_id target;
    bool asked; /* by the host, which wants to know; otherwise this node steps aside by itself */
    dgraft_term term;
    dgraft_index membership;
    dgraft_time_ns deadline_ns;
    dgraft_time_ns repeat_ns; /* of TIMEOUT_NOW, once the target has everything */
};

/* Bytes proposed in this leadership up to and with entry `last`. */
struct byte_mark {
    dgraft_index last;
    uint64_t bytes;
};

struct waiting_read {
    uint64_t id;
    dgraft_index index; /* answered when this is applied */
    uint64_t round; /* and a quorum has answered this round of heartbeats or a later one; at a follower: the token of
                       the READ_REQUEST that it went with, or NOT_ASKED */
};

/* One SEND of entries that went out and is not acknowledged. */
struct sent_append {
    dgraft_index last;
    uint64_t bytes;
};

/* What this node knows of another member; all but id, heard_at_ns are a leader's, made new with each leadership. */
struct peer {
    dgraft_node_id id;
    bool probing;                  /* next is a guess: empty appends only, until one is acknowledged */
    bool probe_due;                /* send such an append in this step */
    bool send_pending;             /* a SEND of entries was emitted and its SENT has not come */
    bool blocked;                  /* nothing more until a heartbeat, or until match grows */
    bool lookup_pending;           /* a LOOKUP was emitted and its TERM has not come */
    dgraft_time_ns heard_at_ns;    /* any message; 0 never */
    dgraft_time_ns answered_at_ns; /* newest answer in this leadership; its beginning when none */
    dgraft_time_ns progress_at_ns; /* entries went out, or match grew */
    dgraft_index match;
    dgraft_index next;
    dgraft_index commit_told;  /* the newest commit index sent in a form that it can take over */
    dgraft_index pending_prev; /* of the SEND under way */
    dgraft_index pending_last;
    struct dgraft_position looked_up; /* of the newest LOOKUP; term 0 until it is answered */
    uint64_t acked_round;
    uint64_t recover_round; /* refusals that echo an older round are about appends sent before next was lowered */
    bool added;             /* within this leadership */
    bool caught_up;         /* a learner: the newest round of catching up took less than an election timeout */
    uint64_t first_round;   /* answers to older rounds are of whoever had this id before */
    dgraft_index catch_up_target;
    dgraft_time_ns catch_up_began_ns;
    uint64_t store;              /* written down, or else heard in this leadership; 0 unknown */
    uint64_t foreign;            /* another store that spoke under this id */
    dgraft_index snapshot_index; /* of the snapshot that the next six are about; 0: none was sent */
    uint64_t snapshot_digest;
    uint64_t snapshot_acked; /* bytes stored there */
    uint64_t snapshot_sent;  /* bytes sent, at least those */
    uint64_t snapshot_round; /* newest when snapshot_acked changed: only an answer to a later one lowers it */
    dgraft_time_ns snapshot_at_ns;
    bool snapshot_slow;   /* one chunk at a time, until one is stored */
    bool snapshot_wanted; /* what it had matched is damaged there, and compacted here */
    uint32_t inflight_head;
    uint32_t inflight_count;
    uint64_t inflight_bytes;
    uint64_t read_token; /* of its newest READ_REQUEST that waits; 0 none */
    dgraft_index read_index;
    uint64_t read_round;
    uint64_t lag; /* as the newest notice told; 0: it keeps up */
};

struct dgraft_core {
    struct dgraft_config config;
    size_t runs_offset;
    size_t inflight_offset;
    size_t reads_offset;
    bool started;
    bool poisoned;
    dgraft_time_ns now_ns;
    uint64_t random;
    uint64_t store;
    uint32_t generation;

    /* Term and vote: as they are, as the newest WRITE says, as they are on disk. */
    dgraft_node_id vote;
    dgraft_term term;
    dgraft_term written_term;
    dgraft_term durable_term;
    dgraft_node_id written_vote;
    dgraft_node_id durable_vote;

    /* The write stream (rule C5). */
    uint64_t write_seq;
    uint64_t durable_seq;
    uint32_t writes_head;
    uint32_t writes_count;
    struct pending_write writes[DGRAFT_CORE_WRITES];

    /* The log: compacted.index <= snapshot.position.index <= applied <= apply_sent <= commit <= last.index, and
     * apply_sent <= durable <= last.index. */
    struct dgraft_position compacted;
    struct dgraft_snapshot snapshot;
    struct dgraft_snapshot snapshot_ahead; /* durable, of entries that the log holds and that are not applied yet */
    struct dgraft_position last;
    dgraft_index durable;
    dgraft_index commit;
    dgraft_index applied;
    dgraft_index apply_sent;
    uint32_t runs_head;
    uint32_t runs_count;

    /* Members. Slot s of peers is the s-th other member by id; slot_of is 1 + s, 0 for who is none. */
    struct dgraft_membership membership;
    struct dgraft_membership before;
    uint32_t peer_count;
    uint8_t slot_of[DGRAFT_NODE_ID_MAX + 1];
    struct peer peers[DGRAFT_MEMBERS_MAX];

    /* A leader's work on the membership (change.c, removed.c). */
    bool members_due;    /* something may be left to do */
    bool change_pending; /* a CHANGE waits for its outcome */
    uint64_t change_id;
    dgraft_index change_index;    /* its entry */
    uint64_t leaving_round;       /* this leader is no voter any more: it goes when a quorum has answered this */
    dgraft_node_set departing;    /* removed, and being told so: peers, but no members */
    dgraft_index departing_index; /* the entry that removed them */
    uint64_t departing_round;     /* begun when that was committed; 0: it is not */
    dgraft_time_ns departing_until_ns;

    /* Election. */
    enum dgraft_role role;
    dgraft_node_id leader;
    dgraft_time_ns leader_heard_ns;   /* newest append of `leader` */
    dgraft_time_ns election_drawn_ns; /* the timeout drawn for this wait */
    dgraft_time_ns election_deadline_ns;
    dgraft_time_ns resend_at_ns;
    bool requests_due; /* requests leave as soon as term and vote are durable */
    bool grant_due;    /* so does the grant to `vote` */
    dgraft_node_set granted;
    uint64_t elections;
    bool campaign_by_transfer; /* the leader asked for this candidacy */
    dgraft_time_ns started_ns;

    /* A follower's answers to its leader. */
    bool ack_due;
    bool refuse_due;
    struct dgraft_append_refuse refusal;
    dgraft_index verified; /* equal to the leader's log up to here */
    dgraft_index acked;    /* newest match acknowledged */
    uint64_t leader_round; /* newest heard of this leader in this term */

    /* A follower's reads: they wait for the answer to the READ_REQUEST of their token. */
    uint64_t read_token;   /* newest used */
    bool read_asked;       /* it is not answered */
    dgraft_term read_term; /* the leader that the reads which wait were meant for */
    dgraft_node_id read_leader;
    dgraft_time_ns read_repeat_ns;

    /* A snapshot that a leader sends [§5.1]. */
    struct dgraft_snapshot receiving; /* index 0: none */
    dgraft_term receiving_term;       /* of the leader that sent the newest chunk taken */
    uint64_t received;                /* bytes stored */
    uint64_t received_next;           /* bytes stored or being stored */
    uint32_t stores;                  /* SNAPSHOT_STOREs not answered */
    bool snapshot_ack_due;
    struct dgraft_snapshot_ack snapshot_ack; /* but for its round */

    /* A leader's work. */
    dgraft_index term_start; /* its NOOP */
    uint64_t round;          /* newest sent */
    dgraft_time_ns heartbeat_due_ns;
    dgraft_time_ns news_due_ns; /* of telling idle followers the commit index; NEVER: nothing to tell */
    dgraft_time_ns quorum_check_ns;
    uint64_t bytes_proposed;
    uint64_t bytes_committed;
    uint32_t marks_head;
    uint32_t marks_count;
    struct byte_mark marks[DGRAFT_CORE_MARKS];
    struct transfer transfer;
    bool lease_void; /* TIMEOUT_NOW left in this term: somebody may be elected at any time */
    dgraft_time_ns round_sent_ns[DGRAFT_CORE_ROUNDS]; /* of round r at r % DGRAFT_CORE_ROUNDS */
    uint32_t reads_head;
    uint32_t reads_count;
    uint32_t remote_reads; /* peers whose READ_REQUEST waits */

    /* Entries that are damaged (repair.c). */
    bool repairing;            /* some are, or were: it ends with REOPEN */
    bool reopen_due;           /* once reopen_seq is durable */
    bool reopen_asked;         /* the action went out */
    struct dgraft_fetch proof; /* its anchor contradicts this log: what is to take its place; first 0: none */
    dgraft_term proof_term;    /* of the leader whose log it is */
    bool mending;              /* a MEND is under way: mend_seq, up to mend_last */
    dgraft_index intact;       /* nothing behind it is acknowledged or applied while repairing */
    uint64_t reopen_seq;
    uint64_t mend_seq;
    struct dgraft_position mend_first;
    dgraft_index mend_last;
    uint32_t damage_count;
    uint32_t fetch_nth;         /* of damage, that is asked for */
    uint32_t fetch_slot;        /* of peers, that is asked */
    dgraft_time_ns fetch_at_ns; /* ask the next one */
    struct dgraft_damage_status damage[DGRAFT_DAMAGE_MAX];

    bool disk_full;
    bool disk_alarm; /* as the newest notice told */
    uint64_t ignored;
};

/* What one step has noted so far. */
struct step {
    struct dgraft_core *core;
    const struct dgraft_event *event;
    struct dgraft_actions *out;
    dgraft_term term_before; /* the next five are for notices */
    dgraft_index commit_before;
    dgraft_index membership_before;
    bool disk_alarm_before;
    dgraft_node_id leader_before;
    enum dgraft_role role_before;
    bool consider_commit;
    bool consider_reads;
    bool consider_sends;
    bool consider_compact;
    bool broadcast;     /* a new round of heartbeats */
    bool probes;        /* to a peer whose probe_due says so */
    bool news;          /* followers that have everything are told the commit index */
    bool write_entries; /* the next five describe the WRITE */
    enum dgraft_entry_kind made;
    bool drop_reads;     /* leadership is lost */
    bool change_unknown; /* and with it the fate of a change */
    uint32_t count;
    uint32_t skip;
    dgraft_index keep;
    dgraft_term entry_term;
    dgraft_index unknown_first; /* the fate of these is lost with leadership; 0: of none */
    dgraft_index unknown_last;
};

static inline struct dgraft_term_run *dgraft_core_runs(struct dgraft_core *core)
{
    return (struct dgraft_term_run *)(void *)((unsigned char *)core + core->runs_offset);
}

static inline const struct dgraft_term_run *dgraft_core_runs_const(const struct dgraft_core *core)
{
    return (const struct dgraft_term_run *)(const void *)((const unsigned char *)core + core->runs_offset);
}

static inline struct waiting_read *dgraft_core_reads(struct dgraft_core *core)
{
    return (struct waiting_read *)(void *)((unsigned char *)core + core->reads_offset);
}

static inline const struct waiting_read *dgraft_core_reads_const(const struct dgraft_core *core)
{
    return (const struct waiting_read *)(const void *)((const unsigned char *)core + core->reads_offset);
}

/* Returns the ring of a peer, config.inflight_max long. */
static inline struct sent_append *dgraft_core_ring(struct dgraft_core *core, const struct peer *peer)
{
    const size_t slot = (size_t)(peer - core->peers);
    return (struct sent_append *)(void *)((unsigned char *)core + core->inflight_offset) +
           slot * core->config.inflight_max;
}

static inline const struct sent_append *dgraft_core_ring_const(const struct dgraft_core *core, const struct peer *peer)
{
    const size_t slot = (size_t)(peer - core->peers);
    return (const struct sent_append *)(const void *)((const unsigned char *)core + core->inflight_offset) +
           slot * core->config.inflight_max;
}

/* Returns the other member of this id, NULL when there is none. */
static inline struct peer *dgraft_core_peer(struct dgraft_core *core, dgraft_node_id id)
{
    if (!dgraft_node_id_valid(id) || core->slot_of[id] == 0) {
        return NULL;
    }
    return &core->peers[core->slot_of[id] - 1];
}

static inline dgraft_index dgraft_core_min(dgraft_index a, dgraft_index b)
{
    return a < b ? a : b;
}

static inline dgraft_index dgraft_core_max(dgraft_index a, dgraft_index b)
{
    return a > b ? a : b;
}

/* Returns whether what this node says of term and vote may leave it (rule C4). */
static inline bool dgraft_core_state_durable(const struct dgraft_core *core)
{
    return core->durable_term == core->term && core->durable_vote == core->vote;
}

static inline dgraft_node_set dgraft_core_voters(const struct dgraft_core *core)
{
    return core->membership.voters | core->membership.outgoing;
}

/* Returns whether the set decides: a majority of each voter set in force [§4.3]. */
static inline bool dgraft_core_decides(const struct dgraft_core *core, dgraft_node_set set)
{
    return dgraft_node_set_majority(set, core->membership.voters) &&
           dgraft_node_set_majority(set, core->membership.outgoing);
}

#endif
