/* A small cluster of cores in memory: hosts with logs and disks, a network that loses, repeats and reorders, crashes
 * that lose what was not durable. Ghost history outlives crashes and judges after every step.
 */
#ifndef DGRAFT_TEST_CORE_CLUSTER_H
#define DGRAFT_TEST_CORE_CLUSTER_H

#include <dgraft/core.h>

#include "core_rig.h"

#define CLUSTER_NODES   5
#define CLUSTER_LOG     4096
#define CLUSTER_CARRY   8 /* entries in one frame */
#define CLUSTER_WRITES  128
#define CLUSTER_PACKETS 4096
#define CLUSTER_TERMS   4096

struct log_entry {
    dgraft_term term;
    uint64_t value; /* who proposed it, and when: equal only for the same entry */
};

struct disk_write {
    uint64_t seq;
    dgraft_term term;
    dgraft_node_id vote;
    dgraft_index keep;
    uint32_t count;
    bool install; /* the log begins anew after keep */
    struct log_entry entries[64];
};

struct cluster_node {
    struct rig rig; /* its core */
    bool up;
    struct log_entry log[CLUSTER_LOG + 1]; /* in memory, from index 1 */
    struct log_entry disk[CLUSTER_LOG + 1];
    dgraft_index disk_last;
    dgraft_term disk_term;
    dgraft_node_id disk_vote;
    struct disk_write writes[CLUSTER_WRITES];
    uint32_t write_count;
    dgraft_index applied;
    uint64_t next_value;
    struct dgraft_position begin; /* the log in memory begins after it */
    struct dgraft_position disk_begin;
    dgraft_term written_term;
    dgraft_node_id written_vote;
    struct dgraft_snapshot snapshot; /* durable */
    struct dgraft_snapshot part;     /* of a leader's: the first part_bytes */
    uint64_t part_bytes;
    struct dgraft_action_snapshot_store stores[8];
    uint32_t store_count;
};

struct packet {
    dgraft_time_ns at;
    dgraft_node_id to;
    struct dgraft_message message;
    struct dgraft_entry entries[CLUSTER_CARRY];
    uint64_t values[CLUSTER_CARRY];
};

struct cluster {
    uint32_t count;
    uint64_t random;
    dgraft_time_ns now;
    struct cluster_node nodes[CLUSTER_NODES + 1]; /* by id */
    struct packet packets[CLUSTER_PACKETS];
    uint32_t packet_count;
    uint32_t runs_max;         /* of each core's config */
    uint32_t snapshot_percent; /* chance of a snapshot per node and event, in hundredths */
    uint32_t loss_percent;
    uint32_t repeat_percent;
    dgraft_time_ns delay_max;
    uint64_t cut; /* bit 8 * from + to: this way is cut */
    /* Ghosts. */
    dgraft_node_id leader_of[CLUSTER_TERMS];
    dgraft_node_id vote_of[CLUSTER_NODES + 1][CLUSTER_TERMS];
    struct log_entry committed[CLUSTER_LOG + 1];
    dgraft_index committed_last;
    dgraft_term term_max;
    uint64_t steps;
    uint64_t elections_won;
    uint64_t truncations;
    uint64_t reads_ready;
    uint64_t read_floor[1024]; /* newest ghost commit when read `id` % 1024 was asked */
    uint64_t reads_asked;
    uint64_t snapshots_made;
    uint64_t snapshots_installed;
    uint64_t snapshots_held; /* received, while the log had it all */
    uint64_t compactions;
};

/* Makes `count` nodes with empty disks (term 0) and starts them. The caller's memory must be zero. */
void cluster_open(struct cluster *cluster, uint32_t count, uint64_t seed);
void cluster_close(struct cluster *cluster);
/* Starts a node from its disk. */
void cluster_start(struct cluster *cluster, dgraft_node_id id);
/* Kills a node: memory and unfinished writes are lost. */
void cluster_crash(struct cluster *cluster, dgraft_node_id id);
uint64_t cluster_random(struct cluster *cluster, uint64_t below);
/* Proposes `count` entries (at most 64) at a node, whoever it is. */
void cluster_propose(struct cluster *cluster, dgraft_node_id id, uint32_t count);
void cluster_read(struct cluster *cluster, dgraft_node_id id);
/* Performs the oldest write of a node, if any. */
void cluster_write(struct cluster *cluster, dgraft_node_id id);
/* Lets time pass: packets, wakes, writes. write_percent: chance of a write's end per node and event. */
void cluster_run(struct cluster *cluster, dgraft_time_ns duration, uint32_t write_percent);
/* The leader that a majority of all nodes follows, or 0. */
dgraft_node_id cluster_leader(const struct cluster *cluster);
void cluster_isolate(struct cluster *cluster, dgraft_node_id id);
void cluster_heal(struct cluster *cluster);

#endif
