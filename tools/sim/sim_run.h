/* One run: a cluster, its world and its clients, all from one seed and in one thread.
 *
 *   sim_plan.c     what a seed draws: how large, how bad, how long
 *   sim_node.c     a node: opened, turned, performed, crashed
 *   sim_snapshots.c its snapshots: the machine's state written and taken up, work on files, parts that rot
 *   sim_faults.c   what happens to nodes and links as time goes by
 *   sim_churn.c    members that come and go, disks that are exchanged
 *   sim_sessions.c clients that retry through sessions
 *   sim_clients.c  proposals and reads, and the history of their answers
 *   sim_run.c      the loop; then healing, and what a healthy cluster must do
 */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "sim_check.h"
#include "sim_disk.h"
#include "sim_network.h"
#include "sim_queue.h"

#define SIM_MS UINT64_C(1000000)

/* Longest path of a flight record. */
#define SIM_PATH_BYTES 512u

struct sim_options {
    uint64_t seed;
    uint32_t nodes;               /* founders; 0: drawn from 1 to 7 */
    bool bare;                    /* without the core's own checks: what is left is what can be seen from outside */
    uint64_t steps_max;           /* stop after so many events, without healing; 0: no bound */
    FILE *trace;                  /* NULL: none */
    const char *flights;          /* a directory for a flight record of each node; NULL: none is made */
    volatile uint64_t *steps_now; /* told how many events there were, for whoever looks after a process; may be NULL */
};

/* What the seed drew about snapshots. */
struct sim_snapshot_plan {
    uint64_t every; /* 0: none are made, and none can be taken up */
    uint64_t tail;
    uint64_t slow_max;
    uint32_t chunk_bytes;
    uint32_t filler_bytes; /* up to so many beside the state */
    bool alike;            /* nodes write one state as the same bytes */
    uint64_t work_max_ns;  /* a piece of work on files is done within */
    uint32_t work_late;    /* ... but these much later, or never before a crash */
    uint32_t crash_in_work;
    uint32_t asked; /* by an operator, of all faults */
    uint32_t rot;   /* of parts received, at each piece of work */
};

/* What the seed drew. Rates are per million. */
struct sim_plan {
    uint32_t founders;
    uint32_t nodes;     /* with those who may join */
    uint32_t churn;     /* changes of members, of all faults */
    uint64_t faulty_ns; /* how long the bad time lasts */
    struct sim_network_rates network;
    struct sim_disk_rates disk;
    uint64_t sync_min_ns;
    uint64_t sync_max_ns;
    uint64_t turn_slack_ns;  /* a turn comes up to this late */
    uint64_t fault_every_ns; /* mean time between faults; 0: none */
    uint32_t crash_in_write;
    uint32_t crash_in_open;
    uint64_t client_every_ns;
    uint64_t session_every_ns; /* clients that retry in sessions */
    uint64_t wall_skew_ns;     /* clocks of the day differ by up to this */
    uint32_t reads;            /* of all operations */
    uint32_t large;            /* commands larger than a datagram */
    uint32_t bursts;           /* many at once */
    uint32_t drift_ppm;        /* of clocks */
    bool leases;
    uint64_t write_stall_ns; /* 0: a slow disk is no reason to step aside */
    uint32_t lag_entries;
    uint64_t segment_bytes;
    uint32_t spares;
    uint64_t inflight_max;
    size_t small_bytes;
    size_t cache_bytes;
    struct sim_snapshot_plan snapshots;
    uint32_t rot;           /* of the log, at each start and at each fault */
    dgraft_node_id rotting; /* whose */
    bool rots_by_block;
    uint64_t scrub_bytes_per_s; /* 0: nobody scrubs */
};

struct sim_operation {
    uint64_t number; /* from 1; the value of a write */
    bool write;
    uint32_t key;
    dgraft_node_id node;
    uint64_t incarnation;
    uint64_t begin;
    uint64_t end; /* 0: no answer yet */
    bool ended;   /* answered, or not even taken */
    bool counts;  /* in the history: committed, unknown, or a read that returned */
    uint64_t value;
    uint64_t sequence;    /* in a session; 0: in none */
    dgraft_index done_by; /* in a session: the entry that did it */
    dgraft_index must;    /* a read: command that it must see */
    bool released;
    uint8_t *payload;
    uint32_t payload_bytes;
    struct iovec pieces[2];
    struct dgraft_proposal proposal;
    struct dgraft_read read;
    struct sim_run *run;
};

/* What callbacks said during a turn; checked when it has ended. */
enum sim_heard_kind { SIM_HEARD_ANSWER = 0, SIM_HEARD_APPLIED, SIM_HEARD_RESTORED };

struct sim_heard {
    enum sim_heard_kind kind;
    struct dgraft_position position;
    uint64_t operation;
    struct sim_machine machine; /* behind what was applied, or as taken up */
    struct dgraft_proposal_answer answer;
};

#define SIM_ACTORS           3u
#define SIM_SESSION_ASKS_MAX 8u

/* A client with a session: sim_sessions.c. */
struct sim_actor {
    dgraft_index session; /* 0: none */
    uint64_t sequence;
    struct sim_operation *under_way[SIM_SESSION_ASKS_MAX];
    uint32_t count;
};

struct sim_node {
    dgraft_node_id id;
    char name[8];
    char flight[SIM_PATH_BYTES]; /* of its flight record; empty: none */
    struct sim_run *run;
    struct sim_disk *disk;
    struct dgraft_transport *transport;
    struct dgraft_driver *driver; /* NULL: down */
    struct sim_machine machine;
    uint64_t incarnation;
    uint64_t clock_offset_ns;
    uint64_t wall_offset_ns;
    uint64_t sessions_expired_seen; /* since the start */
    int64_t clock_ppm;
    uint64_t turn_at_ns;  /* of the turn planned; UINT64_MAX: none */
    uint64_t turn_number; /* a turn with another number is outdated */
    bool performing;      /* a perform is planned */
    uint64_t paused_until_ns;
    bool deaf;                 /* what arrives during the pause is lost */
    uint64_t room_asked_at_ns; /* when a spare segment was made, or was not for want of room */
    uint64_t slept_at_ns;      /* the clock as a turn read it just before the pause; 0: no turn was under way */
    uint64_t lease_until_ns;   /* on the node's clock */
    struct dgraft_transfer transfer;
    uint64_t slow_until_ns; /* the disk finishes nothing before */
    bool working;           /* work on files is planned */
    struct dgraft_snapshots_stats snapshots_seen;
    bool repairing_seen;
    uint64_t reopened_seen;
    uint64_t came_back_seen;
    uint64_t scrub_found_seen;
    uint64_t room_at_ns; /* its disk ran full, and has room again then; 0: it did not */
    bool room_awaited;   /* it is left to come back by itself */
    bool rotted;         /* its log */
    uint64_t segments_dropped_seen;
    uint32_t installs_healed; /* snapshots taken up since everything healed */
    struct sim_heard *heard;
    uint32_t heard_count;
    uint32_t heard_capacity;
    uint64_t refused_seen;
    struct dgraft_change change;
    bool changing; /* it has not been answered */
};

enum sim_phase { SIM_PHASE_FAULTS = 1, SIM_PHASE_HEALING, SIM_PHASE_QUIET };

struct sim_run {
    struct sim_options options;
    struct sim_plan plan;
    struct sim_random random;
    struct sim_random
        snapshots_random; /* of its own, so that a run without snapshots is as it was before there were any */
    struct sim_random rot_random;
    struct sim_counts counts;
    struct sim_trace trace;
    struct sim_queue queue;
    struct sim_network network;
    struct dgraft_memory_hub *hub;
    struct dgraft_members members;
    struct dgraft_membership claimed; /* by the node asked last */
    uint64_t cluster;
    uint64_t election_timeout_ns;
    struct sim_node nodes[SIM_NODES_MAX]; /* by id */
    struct sim_check check;
    uint64_t now_ns;
    uint64_t until_ns; /* of the phase */
    uint64_t steps;
    enum sim_phase phase;
    dgraft_index committed_healed; /* when everything healed */
    uint64_t scrub_found_healed;   /* likewise */
    struct sim_operation **operations;
    uint64_t operation_count;
    uint64_t operation_capacity;
    uint64_t moments; /* the history's clock */
    struct sim_actor actors[SIM_ACTORS];
    struct sim_try *tries;
    bool refounded; /* a founder was formatted as one again */
};

struct sim_result {
    uint64_t hash;
    uint64_t events;
    uint64_t steps;
    uint64_t simulated_ns;
    uint32_t nodes;
    struct sim_counts counts;
    char finding[SIM_FINDING_BYTES]; /* empty: none */
};

/* Runs one seed to its end, or to the first finding. */
void sim_run(const struct sim_options *options, struct sim_result *result);

/* What the queue plans. */
enum sim_plan_kind {
    SIM_PLAN_ARRIVE = 1,
    SIM_PLAN_TURN,
    SIM_PLAN_PERFORM,
    SIM_PLAN_FILES,
    SIM_PLAN_RESTART,
    SIM_PLAN_FAULT,
    SIM_PLAN_HEAL,
    SIM_PLAN_SESSION,
    SIM_PLAN_CLIENT
};

/* sim_plan.c */
void sim_plan_draw(struct sim_plan *plan, struct sim_random *random, uint32_t nodes);

/* sim_snapshots.c */
void sim_snapshots_draw(struct sim_plan *plan, struct sim_random *random);
void sim_snapshots_options(struct sim_node *node, struct dgraft_driver_options *options);
/* A node has opened, or a turn has ended: counts, and plans the work on files. */
void sim_snapshots_opened(struct sim_node *node, const struct dgraft_driver_status *status);
void sim_snapshots_turned(struct sim_node *node, const struct dgraft_driver_status *status);
/* Before the checker hears of a turn. */
void sim_snapshots_installed(struct sim_node *node, const struct dgraft_driver_status *status);
void sim_snapshots_work(struct sim_node *node);
/* An operator asks for one. */
void sim_snapshots_ask(struct sim_run *run, struct sim_node *node);

/* sim_run.c */
bool sim_later(struct sim_run *run, uint64_t delay_ns, uint32_t kind, dgraft_node_id node, uint64_t number, void *data);

/* sim_node.c */
bool sim_node_format(struct sim_run *run, dgraft_node_id id);
/* Puts an empty disk into a node that is down, with a store of its own. */
bool sim_node_replace_disk(struct sim_node *node);
void sim_node_open(struct sim_node *node);
void sim_node_turn(struct sim_node *node);
void sim_node_perform(struct sim_node *node);
void sim_node_plan_turn(struct sim_node *node, uint64_t at_ns);
enum sim_crash { SIM_CRASH_POWER = 1, SIM_CRASH_PROCESS };
void sim_node_crash(struct sim_node *node, enum sim_crash how);
void sim_node_close(struct sim_node *node);
/* Keeps what a callback said until the turn has ended. */
void sim_node_hear(struct sim_node *node, const struct sim_heard *heard);
void sim_node_free(struct sim_node *node);
/* The time on the node's own clock. */
uint64_t sim_node_clock(const struct sim_node *node);

/* sim_faults.c */
void sim_fault(struct sim_run *run);
void sim_heal(struct sim_run *run);

/* sim_churn.c */
void sim_change(struct sim_run *run, struct sim_node *node);
void sim_wipe(struct sim_run *run, struct sim_node *node);

/* sim_rot.c */
void sim_rot_plan(struct sim_plan *plan, struct sim_random *random);
/* Now is the time for this node's log to rot, if it is one that does. */
void sim_rot(struct sim_node *node);
/* What an operator does about members whose disk is gone. */
void sim_operate(struct sim_run *run);

/* sim_sessions.c */
void sim_session_client(struct sim_run *run);
void sim_sessions_free(struct sim_run *run);

/* sim_clients.c */
struct sim_operation *sim_operation_new(struct sim_run *run, struct sim_node *node);
struct sim_node *sim_chosen_node(struct sim_run *run);
void sim_client(struct sim_run *run);
struct sim_operation *sim_propose(struct sim_run *run, struct sim_node *node, uint32_t payload_bytes);
void sim_read(struct sim_run *run, struct sim_node *node);
void sim_transfer(struct sim_run *run, struct sim_node *node);
bool sim_history_check(struct sim_run *run);
void sim_clients_free(struct sim_run *run);

#endif
