/* A cluster for tests of snapshots: drivers over disks in memory and a hub that can lose and cut, and a state machine
 * whose state is a chain over all that it applied. */
#ifndef SNAPSHOT_RIG_H
#define SNAPSHOT_RIG_H

#include "driver_state.h"
#include "memory_fs.h"

#define RIG_NODES    3u
#define RIG_MS       UINT64_C(1000000)
#define RIG_COMMANDS 4096u
#define RIG_PAYLOAD  8192u

struct rig_machine {
    uint64_t count;
    uint64_t chain;   /* depends on every payload and their order */
    uint32_t padding; /* bytes that a snapshot carries besides */
    uint32_t restored;
    uint32_t applied;
    bool refuses;
};

struct rig_node {
    struct rig_cluster *cluster;
    dgraft_node_id id;
    struct memory_fs *disk;
    struct dgraft_transport *transport;
    struct dgraft_driver *driver; /* NULL: it is down */
    struct rig_machine machine;
    struct dgraft_driver_options options; /* of its next start */
    uint64_t steps;                       /* of writes and files' work */
    bool stalls;                          /* its log's writes do not end */
    uint64_t crash_at;                    /* stops for good before this step; 0: never */
};

struct rig_cluster {
    struct dgraft_memory_hub *hub;
    uint32_t count;
    struct rig_node nodes[RIG_NODES + 1]; /* by id */
    dgraft_node_set cut;                  /* hear nobody, and are heard by nobody */
    uint32_t lose_of_8;                   /* of every 8 datagrams so many are lost */
    uint64_t dice;
    dgraft_time_ns now_ns;
    uint64_t chains[RIG_COMMANDS]; /* after so many commands */
    uint64_t proposed;
    uint32_t payload_bytes; /* of a command, at least 8 */
};

/* Makes a cluster of so many nodes; none is started. Options: every entry's snapshot and tail, bytes of a chunk. */
void rig_open(struct rig_cluster *cluster, uint32_t count, uint64_t every, uint64_t tail, uint32_t chunk_bytes);
void rig_close(struct rig_cluster *cluster);

/* Starts a node from what is on its disk. Returns what opening said. */
enum dgraft_status rig_start(struct rig_cluster *cluster, dgraft_node_id id, struct dgraft_why *why);
void rig_start_all(struct rig_cluster *cluster);

/* As kill -9 would, then a loss of power that keeps of each unsynced thing what `kept` says; NULL: nothing. */
void rig_kill(struct rig_cluster *cluster, dgraft_node_id id, bool (*kept)(void *context, size_t which), void *context);

void rig_run(struct rig_cluster *cluster, uint64_t ms);

/* Runs until somebody that is not cut leads. Returns its id. */
dgraft_node_id rig_lead(struct rig_cluster *cluster);

/* Proposes commands at the leader, and runs until they are committed. */
void rig_commit(struct rig_cluster *cluster, uint32_t count);

/* Runs until all that are up and not cut have applied all commands, at most so long. Returns whether they have; and
 * their states are the right ones. */
bool rig_settled(struct rig_cluster *cluster, uint64_t ms);

/* Returns whether a machine's state is what so many commands make it. */
bool rig_right(const struct rig_cluster *cluster, const struct rig_machine *machine);

struct dgraft_driver_status rig_status(struct rig_cluster *cluster, dgraft_node_id id);

#endif
