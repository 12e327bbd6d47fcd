/* The driver: where core, wire and storage meet, without threads, sockets or clock. Simulator and shell drive the same.
 *
 *     loop: dgraft_driver_turn(driver, now, wall);
 *           if (dgraft_driver_write_ready(driver)) perform it, here or on another thread: dgraft_driver_perform
 *           wait until dgraft_driver_wake_at, a datagram, a proposal, or the end of perform
 *
 * One thread calls everything but dgraft_driver_perform. All callbacks come on that thread, from within turn or close.
 * Memory is bounded: queues refuse when full.
 */
#ifndef DGRAFT_DRIVER_H
#define DGRAFT_DRIVER_H

#include <dgraft/core.h>
#include <dgraft/flight.h>
#include <dgraft/fragment.h>
#include <dgraft/frame.h>
#include <dgraft/membership.h>
#include <dgraft/storage.h>
#include <dgraft/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dgraft_driver; /* opaque */

/* One entry on its way to the state machine. */
struct dgraft_applied {
    struct dgraft_position position;
    uint16_t tag;
    const uint8_t *payload; /* contiguous view, valid during the call */
    uint32_t payload_bytes;
    void *proposal; /* the context it was proposed with, when that was here and since this start; else NULL */
};

/* The user's state machine. */
struct dgraft_state_machine {
    void *context;
    /* Applies committed commands, in order, each once per start (all of them again after a restart, while there are no
     * snapshots). May not fail: a machine that cannot go on ends its process. May not call back into turn. */
    void (*apply)(void *context, const struct dgraft_applied *entries, size_t count);
};

enum dgraft_proposal_fate {
    DGRAFT_PROPOSAL_COMMITTED = 1, /* and applied here */
    DGRAFT_PROPOSAL_REFUSED = 2,   /* never appended: never takes effect */
    DGRAFT_PROPOSAL_UNKNOWN = 3    /* appended, then leadership was lost or the node closed: may take effect or not */
};

struct dgraft_proposal_answer {
    enum dgraft_proposal_fate fate;
    enum dgraft_outcome reason;      /* of REFUSED and UNKNOWN */
    struct dgraft_position position; /* of COMMITTED and UNKNOWN */
    dgraft_node_id leader;           /* as far as known; 0 unknown */
};

/* A proposal. The array of pieces and their bytes are retained until `released`, the struct until both callbacks came.
 * Small payloads are copied and released at once, large ones are not copied. Each callback comes exactly once, in
 * either order. */
struct dgraft_proposal {
    const struct iovec *pieces;
    size_t piece_count;
    uint16_t tag;
    void *context; /* handed to apply as `proposal`, and to both callbacks */
    void (*answered)(void *context, const struct dgraft_proposal_answer *answer);
    void (*released)(void *context); /* PROPOSAL_RELEASED; may be NULL */
    struct dgraft_proposal *next;    /* the driver's */
};

/* A linearizable read: `ready` comes once, when the state machine holds everything committed before the read was made
 * (status OK), or with NOT_LEADER, BUSY, CLOSED. Retained until then. */
struct dgraft_read {
    void *context;
    void (*ready)(void *context, enum dgraft_status status, dgraft_node_id leader);
    struct dgraft_read *next; /* the driver's */
};

/* A client's request, as it arrived. Keep `buffer` to keep the view beyond the call. */
struct dgraft_request {
    struct dgraft_client_request request;
    struct dgraft_address source;
    struct dgraft_buffer *buffer;
};

struct dgraft_request_handler {
    void *context;
    void (*request)(void *context, struct dgraft_driver *driver, const struct dgraft_request *request);
};

enum dgraft_log_level {
    DGRAFT_LOG_ERROR = 1, /* the node stops taking part, or data is in danger */
    DGRAFT_LOG_WARNING = 2,
    DGRAFT_LOG_INFO = 3, /* role, term, leader */
    DGRAFT_LOG_DEBUG = 4
};

/* Silent by default. `text` is one line without its end. */
struct dgraft_log_sink {
    void *context;
    void (*log)(void *context, enum dgraft_log_level level, const char *text);
};

struct dgraft_driver_options {
    struct dgraft_config core; /* self must be the directory's node */
    struct dgraft_fs *fs;
    const char *directory;
    struct dgraft_storage_options storage;
    struct dgraft_transport *transport; /* retained until close; peers are added by the driver from the membership */
    /* Retained until close. NULL: clients come by the peers' transport, too. Otherwise they come by this one alone, and
     * a peer's frame that comes by it, or a client's by the other, is refused. */
    struct dgraft_transport *client_transport;
    struct dgraft_state_machine machine;
    struct dgraft_request_handler requests; /* optional */
    struct dgraft_log_sink sink;            /* optional */
    size_t cache_bytes_max;                 /* recent records kept in memory; 0: 16 MiB */
    size_t small_bytes;     /* payloads up to this are copied into the ring, larger ones are gathered; 0: 1,024 */
    uint32_t proposals_max; /* waiting or unanswered at once; 0: 65,536 */
    uint64_t fragment_seed;
    /* The flight recorder: path NULL for none; fs NULL for the one above; cluster is filled in. */
    struct dgraft_flight_options flight;
    bool check_invariants; /* after every step: slow; a broken rule ends the process with a message */
};

/* Opens directory and core. Returns what dgraft_storage_open, dgraft_config_check or dgraft_flight_open return; why
 * names the cause. */
DGRAFT_MUST_USE enum dgraft_status dgraft_driver_open(const struct dgraft_driver_options *options,
                                                      dgraft_time_ns now_ns, struct dgraft_driver **out,
                                                      struct dgraft_why *why);

/* Takes what arrived, what was proposed and what became durable; steps; sends; applies; plans the next write.
 * wall_ns: time of day, for people and for log times only. */
void dgraft_driver_turn(struct dgraft_driver *driver, dgraft_time_ns now_ns, uint64_t wall_ns);

/* Returns the time at which turn wants to be called at the latest; 0: at once. */
dgraft_time_ns dgraft_driver_wake_at(const struct dgraft_driver *driver);

/* Returns true when a write waits for dgraft_driver_perform. The next turn after perform takes its result. */
bool dgraft_driver_write_ready(const struct dgraft_driver *driver);

/* Returns true when proposals wait that the write which is ready does not hold: performing it on the thread that turns
 * would keep them waiting for longer than handing it over costs. A follower has no such proposals. */
bool dgraft_driver_write_keeps_others_waiting(const struct dgraft_driver *driver);

/* Writes and syncs what turn has planned; does nothing when nothing is ready. Any thread; turns may go on meanwhile. */
void dgraft_driver_perform(struct dgraft_driver *driver);

/* Makes the next segment ready, off the commit path. Any thread, also while another performs. */
void dgraft_driver_spare(struct dgraft_driver *driver);

/* Writes what the flight recorder noted, without syncing; does nothing when there is none, or nothing new. Any thread,
 * one at a time; turns may go on meanwhile. Several times a second is enough. */
void dgraft_driver_flight_write(struct dgraft_driver *driver);

/* As dgraft_flight_save: for a process that is about to die, also from a signal's handler. */
void dgraft_driver_flight_save(const struct dgraft_driver *driver);

/* Queues a proposal for the next turn. Returns OK; BUSY, TOO_LARGE or CLOSED: nothing is retained and no callback
 * comes.
 */
DGRAFT_MUST_USE enum dgraft_status dgraft_driver_propose(struct dgraft_driver *driver,
                                                         struct dgraft_proposal *proposal);

/* Queues a read for the next turn. Returns OK, BUSY or CLOSED. */
DGRAFT_MUST_USE enum dgraft_status dgraft_driver_read(struct dgraft_driver *driver, struct dgraft_read *read);

/* Answers a request, at once or later: one frame, or fragments. Lost if the network says so. answer->payload is
 * borrowed. */
void dgraft_driver_answer(struct dgraft_driver *driver, const struct dgraft_address *to,
                          const struct dgraft_client_answer *answer);

/* Why frames or datagrams were dropped, by enum dgraft_refusal. */
struct dgraft_driver_status {
    struct dgraft_core_status core;
    struct dgraft_identity identity;
    struct dgraft_members members;
    uint32_t generation;
    uint64_t refused[DGRAFT_REFUSAL_TOTAL];
    struct dgraft_address refused_last; /* where the newest of them came from */
    struct dgraft_transport_stats transport;
    struct dgraft_transport_stats client_transport; /* zero when clients come by the peers' */
    struct dgraft_fragments_stats fragments;
    struct dgraft_storage_stats storage;
    uint64_t frames_sent;
    uint64_t frames_received;
    uint64_t
        frames_overheard; /* meant for other peers, on a carrier that sends to all at once: no fault, not refused */
    uint64_t proposals;   /* taken since the start */
    uint64_t proposals_waiting;
    uint64_t cache_bytes;
    uint64_t turns;
    uint64_t steps;
    bool poisoned;
    struct dgraft_why poisoned_why;
    bool records; /* there is a flight recorder */
    struct dgraft_flight_stats flight;
};
void dgraft_driver_status(const struct dgraft_driver *driver, struct dgraft_driver_status *status);

/* Answers what waits (UNKNOWN, REFUSED, CLOSED), marks the floor, closes the directory; no perform may be under way.
 * The transport stays open. NULL is ignored. */
void dgraft_driver_close(struct dgraft_driver *driver);

/* Forgets everything without writing: as kill -9 would. Callbacks do not come. For simulators. */
void dgraft_driver_abandon(struct dgraft_driver *driver);

#ifdef __cplusplus
}
#endif
#endif
