/* A node with batteries: the driver, its threads, its clock and its sockets.
 *
 * dgraft_node_propose, _read, _status may be called from any thread, also from callbacks. Two threads of the node take
 * turns in owning its loop: callbacks come on whichever owns it, one at a time, each seeing what the one before wrote;
 * from within open and close, also on the thread that called these. They must not block, must not call
 * dgraft_node_close, and must not rely on thread-local state. Source of the protocol: core.h; of the formats: record.h,
 * frame.h.
 */
#ifndef DGRAFT_NODE_H
#define DGRAFT_NODE_H

#include <dgraft/driver.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dgraft_node; /* opaque */

/* What peers speak over. Clients come by UDP in any case. */
enum dgraft_carrier {
    DGRAFT_CARRIER_UDP = 0,
    DGRAFT_CARRIER_BUS = 1 /* nanomsg-next-generation's BUS, over tcp or ipc; all nodes alike */
};

struct dgraft_node_options {
    const char *directory; /* made by dgraft_node_format or `raftctl format` */
    const char *listen;    /* NULL: the node's own address in the membership; a node that joins has none */
    enum dgraft_carrier carrier;
    const char *listen_clients; /* bus only: "HOST:PORT" of a UDP socket; NULL: as `listen`, which must not be ipc */
    struct dgraft_state_machine machine;
    struct dgraft_request_handler requests; /* optional: clients that speak to this node's socket */
    struct dgraft_log_sink sink;            /* optional */
    struct dgraft_listener listener;        /* optional: role, term, leader, membership, commit, lag, disk */
    dgraft_time_ns election_timeout_ns;     /* 0: 300 ms */
    dgraft_time_ns heartbeat_interval_ns;   /* 0: a sixth of the election timeout */
    size_t datagram_bytes_max;              /* of UDP; 0: 1,400 */
    uint32_t socket_buffer_bytes;           /* 0: 4 MiB */
    size_t cache_bytes_max;                 /* 0: 16 MiB */
    size_t small_bytes;                     /* 0: 1,024 */
    uint32_t lease_drift_ppm;               /* 0: no reads under a lease; see struct dgraft_config */
    uint32_t lag_notice_entries;            /* 0: 10,000 */
    dgraft_time_ns write_stall_ns;          /* a leader whose write takes longer steps aside; 0: 10 s */
    /* A snapshot is made whenever so many entries were applied since the last; 0: only when asked for. The state
     * machine writes its state on the loop's thread then, all at once or in pieces, and the log before it is dropped,
     * but for the newest snapshot_tail entries (0: 1,024): who lags by less needs no snapshot. */
    uint64_t snapshot_every;
    uint64_t snapshot_tail;
    uint64_t scrub_bytes_per_s; /* read in the background, to find what rots while others still have it; 0: none */
    uint32_t spares;         /* segments of 8 MiB to keep prepared while there is nothing to do, beside the next one */
    struct dgraft_fs *fs;    /* NULL: the operating system's; another one to watch or to fail on purpose */
    const char *flight_path; /* of the flight recorder's file; NULL: nothing is recorded */
    uint64_t flight_bytes;   /* the file's size; 0: 8 MiB */
    bool check_invariants;
};

/* Makes a directory for node `id` of a new cluster: parses `members` ("1=HOST:PORT,2=HOST:PORT,..."), draws a store
 * identity, writes state and first segment. Returns OK, CONFIG, or as dgraft_storage_format. */
DGRAFT_MUST_USE enum dgraft_status dgraft_node_format(const char *directory, const char *cluster, dgraft_node_id id,
                                                      const char *members, struct dgraft_why *why);

/* Makes a directory for node `id` that is to join a cluster which there is: of this name, and of the number that its
 * nodes say (dgraft_driver_status, `raftctl status`). It has no members; it takes part once it is added. Returns as
 * dgraft_node_format. */
DGRAFT_MUST_USE enum dgraft_status dgraft_node_format_joiner(const char *directory, const char *cluster,
                                                             uint64_t number, dgraft_node_id id,
                                                             struct dgraft_why *why);

/* Opens the directory and the socket and starts the threads. Returns OK; or why not, and nothing is left open. */
DGRAFT_MUST_USE enum dgraft_status dgraft_node_open(const struct dgraft_node_options *options, struct dgraft_node **out,
                                                    struct dgraft_why *why);

/* As dgraft_driver_propose and dgraft_driver_read, from any thread. */
DGRAFT_MUST_USE enum dgraft_status dgraft_node_propose(struct dgraft_node *node, struct dgraft_proposal *proposal);
DGRAFT_MUST_USE enum dgraft_status dgraft_node_read(struct dgraft_node *node, struct dgraft_read *read);

/* As dgraft_driver_session_open and dgraft_driver_session_close, from any thread. */
DGRAFT_MUST_USE enum dgraft_status dgraft_node_session_open(struct dgraft_node *node, struct dgraft_proposal *proposal,
                                                            uint64_t timeout_ns);
DGRAFT_MUST_USE enum dgraft_status dgraft_node_session_close(struct dgraft_node *node, struct dgraft_proposal *proposal,
                                                             dgraft_index session);

/* As dgraft_driver_transfer, from any thread. */
DGRAFT_MUST_USE enum dgraft_status dgraft_node_transfer(struct dgraft_node *node, struct dgraft_transfer *transfer);

/* As dgraft_driver_change, from any thread. */
DGRAFT_MUST_USE enum dgraft_status dgraft_node_change(struct dgraft_node *node, struct dgraft_change *change);

/* As dgraft_driver_snapshot, from any thread. */
DGRAFT_MUST_USE enum dgraft_status dgraft_node_snapshot(struct dgraft_node *node);

/* Fills in a status of the node as of its last turn. */
void dgraft_node_status(struct dgraft_node *node, struct dgraft_driver_status *status);

/* The address that clients reach the node by. */
void dgraft_node_address(struct dgraft_node *node, char *text, size_t text_bytes);

/* As dgraft_flight_save: what the flight recorder noted is written by a process that is about to die. It may be called
 * from a signal's handler, whatever other threads do meanwhile. */
void dgraft_node_flight_save(const struct dgraft_node *node);

/* Answers what waits, syncs, closes, joins the threads. Not from a callback; no other thread may be in a call on the
 * node, or begin one. NULL is ignored. */
void dgraft_node_close(struct dgraft_node *node);

#ifdef __cplusplus
}
#endif
#endif
