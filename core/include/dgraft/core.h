/* The Raft protocol as one pure function: an event in, actions out.
 *
 *     void *memory = ... dgraft_core_size(&config) bytes, aligned for max_align_t ...;
 *     struct dgraft_core *core = dgraft_core_init(memory, &config);
 *     dgraft_step(core, &(struct dgraft_event){.kind = DGRAFT_EVENT_START, ...}, actions);
 *     for (;;) { wait for an event or actions->wake_at_ns; dgraft_step(core, &event, actions); carry actions out; }
 *
 * No allocation, clock, randomness, I/O, callback or global state: the same events give the same actions. The state is
 * one block without pointers: memcpy is a fork. Sections in brackets are those of Ongaro's dissertation.
 */
#ifndef DGRAFT_CORE_H
#define DGRAFT_CORE_H

#include <dgraft/action.h>
#include <dgraft/event.h>
#include <dgraft/status.h>
#include <dgraft/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bounds of a configuration; dgraft_config_check names the first that does not hold. */
#define DGRAFT_ENTRY_BYTES_MAX_TOP (16u * 1024 * 1024)

struct dgraft_config {
    dgraft_node_id self;
    uint32_t members_max; /* voters and learners together, 1 to DGRAFT_MEMBERS_MAX */
    uint64_t seed;        /* of the election timer's randomness; differs from node to node */
    dgraft_time_ns
        election_timeout_ns; /* at least this long without a leader; drawn anew from [1, 2) times it [§3.4] */
    dgraft_time_ns heartbeat_interval_ns; /* less than half of election_timeout_ns */
    uint32_t runs_max;                    /* newest runs of terms kept, 8 to 65536; 16 B each */
    uint32_t inflight_max;                /* appends on the way per follower, 1 to 4096; 16 B each */
    uint64_t inflight_bytes_max;          /* bytes of entries on the way per follower; one append always may */
    uint64_t uncommitted_bytes_max;       /* proposals are BUSY beyond it; one entry always may; each counts 64 more */
    uint32_t entry_bytes_max;             /* largest payload, up to DGRAFT_ENTRY_BYTES_MAX_TOP */
    uint32_t reads_max;                   /* reads (by id) waiting at once, 1 to 1024 */
    /* Reads under a lease [§6.4.1]: 0 none; otherwise by how many millionths the clocks of any two nodes may differ in
     * speed, up to 500,000. It must hold, or reads may be stale; all nodes alike. A lease lasts this much less than an
     * election timeout from when the heartbeats were sent that a quorum has answered, and a node refuses its vote for
     * an election timeout after its start, because it may have answered some before. */
    uint32_t lease_drift_ppm;
    uint32_t lag_notice_entries;   /* a notice tells of followers that lack so many; 0 never */
    dgraft_time_ns write_stall_ns; /* a leader steps aside when a WRITE takes longer; 0 never */
    uint32_t snapshot_chunk_bytes; /* of a snapshot in one message, 1 to DGRAFT_SNAPSHOT_CHUNK_MAX; 4 on the way */
    uint32_t reserved;             /* 0 */
    uint64_t compact_tail;         /* entries kept before the newest snapshot: who lags by less needs none */
    uint64_t compact_slow_max;     /* entries kept there for followers that are slow but alive; at least compact_tail */
};

enum dgraft_role {
    DGRAFT_ROLE_FOLLOWER = 1, /* learners too */
    DGRAFT_ROLE_PRE_CANDIDATE = 2,
    DGRAFT_ROLE_CANDIDATE = 3,
    DGRAFT_ROLE_LEADER = 4
};

struct dgraft_core; /* opaque */

/* Fills in the defaults for a node of this id: 5 members, 150 ms, 30 ms, 256 runs, 64 appends of 8 MiB together, 64 MiB
 * uncommitted, 1 MiB + 4 KiB entries, 64 reads, no leases, no notices of lag, no stall, chunks of 64 KiB, 1024 entries
 * kept before a snapshot and 65536 for the slow; the seed is self. */
void dgraft_config_defaults(struct dgraft_config *config, dgraft_node_id self);

/* Returns OK, or CONFIG and in *why (when not NULL) one sentence naming the field and its bounds. */
DGRAFT_MUST_USE enum dgraft_status dgraft_config_check(const struct dgraft_config *config, const char **why);

/* Returns how many bytes a core of a checked config takes: it depends on nothing else, and does not grow. */
size_t dgraft_core_size(const struct dgraft_config *config);

/* Returns how many bytes the actions of one step can take. */
size_t dgraft_actions_size(const struct dgraft_config *config);

/* Makes a core in memory (dgraft_core_size bytes, aligned as malloc does), transferred until the caller stops using the
 * core; there is nothing to close. Returns NULL when the config does not hold. The next call is a step with START. */
struct dgraft_core *dgraft_core_init(void *memory, const struct dgraft_config *config);

/* Takes a block for a core that was copied out of one before and came back from a file: memory holds dgraft_core_size
 * bytes, aligned as malloc does, transferred as above; `config` is the one that the core was made with. Returns NULL
 * when the block is none, or none of this build and config: whatever its bytes are, a step stays within it. */
struct dgraft_core *dgraft_core_adopt(void *memory, const struct dgraft_config *config);

/* Makes actions in memory of dgraft_actions_size bytes. */
struct dgraft_actions *dgraft_actions_init(void *memory, const struct dgraft_config *config);

/* Takes one event and replaces `actions` by what follows from it. `event` and what it points to are borrowed for the
 * call; a WRITE that appends refers to the event's entries by number.
 * Returns OK; MISUSE for an event that the host may not make now (START twice or first missing, DURABLE of a seq that
 * was never written, APPLIED beyond what was to apply, SENT for nothing), UNSUPPORTED for a START that is
 * recovering, or has uncommitted entries of unknown term: the core is then as before and actions are empty. A peer's
 * message never gives anything but OK: what the protocol has no use for is ignored and counted in the status. Cost:
 * constant in the size of the log. */
DGRAFT_MUST_USE enum dgraft_status dgraft_step(struct dgraft_core *core, const struct dgraft_event *event,
                                               struct dgraft_actions *actions);

/* What a leader knows of a member. */
struct dgraft_peer_status {
    dgraft_node_id id;
    bool voter;
    bool departing;     /* no member any more: it is being told so */
    bool caught_up;     /* a learner that follows closely enough to become a voter */
    bool recent;        /* heard within the last election timeout */
    bool probing;       /* finding out where the logs part, one append at a time */
    dgraft_index match; /* durable there */
    dgraft_index next;  /* the next entry to send */
    uint32_t inflight;  /* appends on the way */
    uint64_t inflight_bytes;
    bool snapshot;              /* it needs one: the entries it lacks are compacted */
    uint64_t snapshot_offset;   /* bytes of it that are stored there */
    dgraft_time_ns heard_at_ns; /* time of the last message; 0 never */
    uint64_t store;             /* written down, or heard in this leadership; 0 unknown */
    uint64_t foreign_store;     /* another one that speaks under this id, and counts for nothing; 0 none */
};

/* Entries that are damaged here, and what was heard of them. */
struct dgraft_damage_status {
    struct dgraft_damage damage;
    dgraft_node_set have_not;  /* said that their log is another one there */
    dgraft_node_set damaged;   /* that they are damaged there, too */
    dgraft_node_set compacted; /* that only a snapshot has them */
};

struct dgraft_core_status {
    dgraft_node_id self;
    enum dgraft_role role;
    dgraft_term term;
    dgraft_term durable_term;
    dgraft_node_id vote;
    dgraft_node_id leader; /* 0 unknown */
    dgraft_index commit;
    dgraft_index applied;
    struct dgraft_snapshot snapshot;  /* the newest durable one */
    struct dgraft_position compacted; /* the log begins after it */
    struct dgraft_snapshot receiving; /* a leader's, of which received_bytes are stored; index 0: none */
    uint64_t received_bytes;
    struct dgraft_position last;
    dgraft_index durable; /* last entry durable here */
    struct dgraft_membership membership;
    uint64_t round;
    uint64_t elections;         /* campaigns begun (votes asked for) since the start */
    uint64_t ignored;           /* messages that the protocol had no use for: stale, or not from a member */
    uint64_t uncommitted_bytes; /* a leader's own proposals: their payloads and 64 bytes for each */
    bool poisoned;   /* the disk failed, or an append contradicted what is committed: it takes no further part */
    bool disk_alarm; /* the disk is short of room, or stalls */
    dgraft_node_id transfer_target; /* leadership is being handed to; 0 nobody */
    dgraft_time_ns lease_until_ns;  /* of a leader; 0 none */
    bool repairing; /* entries are damaged, or were: until REOPEN is done it neither leads nor takes entries */
    uint32_t damage_count;
    struct dgraft_damage_status damage[DGRAFT_DAMAGE_MAX];
    uint32_t peer_count;                                 /* followers and learners, at most members_max */
    struct dgraft_peer_status peers[DGRAFT_MEMBERS_MAX]; /* of a leader; ascending id; otherwise heard_at only */
};

/* Fills in a snapshot of the core's state. */
void dgraft_core_status(const struct dgraft_core *core, struct dgraft_core_status *status);

/* Returns the membership in force: view until the next step. A WRITE whose `made` is MEMBERSHIP appends this one. */
const struct dgraft_membership *dgraft_core_membership(const struct dgraft_core *core);

/* Returns the one before it, which is in force again when its entry is truncated; voters 0: none is known. */
const struct dgraft_membership *dgraft_core_membership_before(const struct dgraft_core *core);

/* Returns the term of the entry at index, 0 when there is none or the core no longer knows. */
dgraft_term dgraft_core_term_at(const struct dgraft_core *core, dgraft_index index);

/* Returns the role's name in lower case, as "leader". */
const char *dgraft_role_name(enum dgraft_role role);

/* Checks every rule that must hold between steps (rule C11). Returns NULL, or the rule that is broken, in words. */
const char *dgraft_core_check(const struct dgraft_core *core);

/* Checks what one step changed: term never falls, one vote per term, commit and applied never fall, roles change only
 * along the diagram, nothing committed is truncated. `before` is a copy of the core's block made before the step.
 * Returns NULL, or the rule that is broken, in words. */
const char *dgraft_core_check_step(const struct dgraft_core *before, const struct dgraft_core *after,
                                   const struct dgraft_event *event, const struct dgraft_actions *actions);

#ifdef __cplusplus
}
#endif
#endif
