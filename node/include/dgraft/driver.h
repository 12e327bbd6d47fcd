/* The driver: where core, wire and storage meet, without threads, sockets or clock. Simulator and shell drive the same.
 *
 *     loop: dgraft_driver_turn(driver, now, wall);
 *           if (dgraft_driver_write_ready(driver)) perform it, here or on another thread: dgraft_driver_perform
 *           if (dgraft_driver_file_work_ready(driver)) have it done, on a third one: dgraft_driver_file_work
 *           wait until dgraft_driver_wake_at, a datagram, a proposal, or the end of perform or file_work
 *
 * One thread calls everything but dgraft_driver_perform and dgraft_driver_file_work. All callbacks come on that thread,
 * from within turn or close. Memory is bounded: queues refuse when full.
 */
#ifndef DGRAFT_DRIVER_H
#define DGRAFT_DRIVER_H

#include <dgraft/core.h>
#include <dgraft/flight.h>
#include <dgraft/fragment.h>
#include <dgraft/frame.h>
#include <dgraft/membership.h>
#include <dgraft/session_entry.h>
#include <dgraft/storage.h>
#include <dgraft/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dgraft_driver; /* opaque */

#define DGRAFT_SESSION_ANSWER_BYTES_MAX 64u

/* What the state machine has to say about a command: it is remembered with the session, and a retry gets the same. */
struct dgraft_remembered {
    uint32_t size; /* 0 to DGRAFT_SESSION_ANSWER_BYTES_MAX; begins as 0 */
    uint8_t bytes[DGRAFT_SESSION_ANSWER_BYTES_MAX];
};

/* One entry on its way to the state machine. */
struct dgraft_applied {
    struct dgraft_position position;
    uint16_t tag;
    const uint8_t *payload; /* contiguous view, valid during the call */
    uint32_t payload_bytes;
    uint64_t log_time_ns; /* the leader's time of day when it was proposed: the same on every node; never falls */
    dgraft_index session; /* 0: none */
    uint64_t sequence;    /* in the session */
    struct dgraft_remembered *remembered; /* in a session: to be filled in with what retries are told; else NULL */
    void *proposal; /* the context it was proposed with, when that was here and since this start; else NULL */
};

struct dgraft_snapshot_writer; /* opaque */

/* Adds bytes to the snapshot being made. Returns false when there is no memory: nothing will come of it. */
bool dgraft_snapshot_write(struct dgraft_snapshot_writer *writer, const void *bytes, size_t size);

enum dgraft_save_step {
    DGRAFT_SAVE_MORE = 1,
    DGRAFT_SAVE_DONE = 2,  /* this was the last piece */
    DGRAFT_SAVE_FAILED = 3 /* there is no snapshot this time */
};

/* How a state machine whose state is too large to be held twice writes it down and takes it up: in pieces, between
 * which the loop goes on. The node holds no more of it than a piece, or 1 MiB and a piece. All come on the loop's
 * thread, and get the machine's context. */
struct dgraft_state_stream {
    /* Begins to write the state as it is behind the last command applied. Commands are applied between the pieces, and
     * must not show in these: the machine keeps what they would change, or works on a copy of its own kind. Returns
     * what the next two are called with; NULL: there is no snapshot this time. One at a time. */
    void *(*save_begin)(void *context);
    /* Writes the next piece with dgraft_snapshot_write, a byte at least unless it is the last; some 64 KiB to 1 MiB is
     * good. It comes when 1 MiB before it is on the disk. */
    enum dgraft_save_step (*save_piece)(void *context, void *saving, struct dgraft_snapshot_writer *writer);
    /* Ends it, also before the last piece: when the disk is full, a leader's snapshot is taken up, or the node closes.
     */
    void (*save_end)(void *context, void *saving);

    /* Begins to read a state of so many bytes, which save_piece wrote, here or on another node. The machine's own state
     * stays in force meanwhile, and commands are applied to it. Returns what the next three are called with; NULL: not
     * now, it will come again (at a start: the start fails). One at a time. */
    void *(*load_begin)(void *context, uint64_t size);
    /* Reads the next bytes: view during the call, of any size. Returns false when they are no good: the start fails, or
     * this node stops taking part. */
    bool (*load_piece)(void *context, void *loading, const uint8_t *bytes, size_t size);
    /* All bytes have come: replaces all of the machine's state by what was read, and ends the reading. The loop waits
     * for it. Returns false when it cannot: as load_piece. */
    bool (*load_take)(void *context, void *loading);
    /* Ends the reading: nothing will come of it. */
    void (*load_drop)(void *context, void *loading);
};

/* The user's state machine. None of these may call back into turn. */
struct dgraft_state_machine {
    void *context;
    /* Applies committed commands, in order, each once per start (after a restart all that the newest snapshot does not
     * hold are applied again); of a session's, none whose sequence was applied before. May not fail: a machine that
     * cannot go on ends its process. */
    void (*apply)(void *context, const struct dgraft_applied *entries, size_t count);
    /* Writes all of its state, as it is behind the last command applied, with dgraft_snapshot_write. Equal states need
     * not be equal bytes. Returns false when it cannot: there is no snapshot this time. NULL: there never is one. The
     * loop waits for it. */
    bool (*snapshot)(void *context, struct dgraft_snapshot_writer *writer);
    /* Replaces all of its state by that in bytes, which `snapshot` wrote, here or on another node: view during the
     * call. Comes at the start, before anything is applied, and whenever this node lags so far behind that its leader
     * sends a snapshot instead of entries. Returns false when it cannot: the start fails, or this node stops taking
     * part. NULL: it never can. */
    bool (*restore)(void *context, const uint8_t *bytes, size_t size);
    /* Instead of the two above, with which all of the state lies in memory as bytes, besides the machine's own: pieces.
     * All of its functions are wanted. Retained until close. NULL: those above. */
    const struct dgraft_state_stream *stream;
};

enum dgraft_proposal_fate {
    DGRAFT_PROPOSAL_COMMITTED = 1, /* and applied here */
    DGRAFT_PROPOSAL_REFUSED = 2,   /* never appended: never takes effect */
    DGRAFT_PROPOSAL_UNKNOWN = 3,   /* appended, then leadership was lost, a snapshot took its place, or the node closed:
                                      may   take effect or not */
    /* It takes no effect; whether an earlier try with the same sequence did is not known. */
    DGRAFT_PROPOSAL_NO_SESSION = 4, /* its session is closed, expired, or was never opened: open another */
    DGRAFT_PROPOSAL_FORGOTTEN = 5   /* its sequence is 64 or more behind the newest that the session applied */
};

struct dgraft_proposal_answer {
    enum dgraft_proposal_fate fate;
    enum dgraft_outcome reason;      /* of REFUSED and UNKNOWN */
    struct dgraft_position position; /* of COMMITTED and UNKNOWN */
    dgraft_node_id leader;           /* as far as known; 0 unknown */
    /* Of COMMITTED in a session. `repeated`: an earlier try was applied, this one was not; position is that one's. */
    bool repeated;
    const struct dgraft_remembered *remembered; /* view during the call; NULL outside of sessions */
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
    /* Of a client's session [§6.3]; 0: of none. A command with the same session and sequence is applied once, however
     * often, wherever and whenever it is proposed, and every try is answered the same. Up to 64 sequences may be under
     * way, in any order. */
    dgraft_index session;
    uint64_t sequence;            /* from 1 on; each command of a session has its own, a retry keeps it */
    struct dgraft_proposal *next; /* this and what follows: the driver's */
    enum dgraft_entry_kind kind;
    uint32_t made_bytes;
    uint8_t made[16]; /* what the driver puts in front of the payload */
};

/* A linearizable read: `ready` comes once, when the state machine holds everything committed before the read was made
 * (status OK), or with NOT_LEADER, BUSY, CLOSED. Retained until then. */
struct dgraft_read {
    void *context;
    void (*ready)(void *context, enum dgraft_status status, dgraft_node_id leader);
    struct dgraft_read *next; /* the driver's */
};

/* A transfer of leadership [§3.10]: `ended` comes once. Retained until then. One at a time. */
struct dgraft_transfer {
    void *context;
    dgraft_node_id target; /* a voter; 0: whoever has most of the log */
    /* DONE: `leader` leads now. NOT_LEADER: ask `leader`, 0 unknown. TRANSFERRING: another one is under way. INVALID:
     * no such voter, or none that was heard of late. CHANGING: the membership changed meanwhile. EXPIRED: it took
     * longer than an election timeout, and this node leads on. DISK: this node takes no part any more. UNKNOWN: it
     * closed. */
    void (*ended)(void *context, enum dgraft_outcome how, dgraft_node_id leader);
};

/* Hears every notice of the core, each with the value before and after. On the loop's thread; may not block, nor call
 * into the driver. */
struct dgraft_listener {
    void *context;
    void (*notice)(void *context, const struct dgraft_action_notice *notice);
};

enum dgraft_change_kind {
    DGRAFT_CHANGE_ADD_LEARNER = 1,
    DGRAFT_CHANGE_ADD_VOTER = 2, /* a learner at first; it is promoted once it has caught up, without being asked */
    DGRAFT_CHANGE_PROMOTE = 3,   /* a learner that there is: the same */
    DGRAFT_CHANGE_DEMOTE = 4,    /* a voter becomes a learner */
    DGRAFT_CHANGE_REMOVE = 5
};

/* COMMITTED: the members are as asked for; who is to be promoted still has to catch up. */
struct dgraft_change_answer {
    enum dgraft_proposal_fate fate;
    enum dgraft_outcome reason; /* of REFUSED and UNKNOWN */
    dgraft_node_id leader;      /* as far as known; 0 unknown */
    const char *why;            /* of REFUSED and UNKNOWN: one sentence for people; valid during the call */
};

/* A change of the members, at the leader. Retained until `answered`, which comes once. */
struct dgraft_change {
    enum dgraft_change_kind kind;
    dgraft_node_id member;
    const char *address; /* of whom is added: "HOST:PORT"; borrowed until `answered` */
    uint64_t store;      /* of whom is added: its store's identity; 0: written down when it is first heard */
    void *context;
    void (*answered)(void *context, const struct dgraft_change_answer *answer);
    uint64_t id;                /* the driver's */
    struct dgraft_change *next; /* the driver's */
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
    struct dgraft_listener listener;        /* optional */
    /* Reads the clock that turn is given, for reads under a lease: they are answered only after one more look at it.
     * Wanted when core.lease_drift_ppm is not 0. */
    dgraft_time_ns (*clock)(void *context);
    void *clock_context;
    size_t cache_bytes_max; /* recent records kept in memory; 0: 16 MiB */
    size_t small_bytes;     /* payloads up to this are copied into the ring, larger ones are gathered; 0: 1,024 */
    uint32_t proposals_max; /* waiting or unanswered at once; 0: 65,536 */
    /* A snapshot is made whenever so many entries were applied since the last; 0: only when asked for. What is kept of
     * the log before it, core.compact_tail says. */
    uint64_t snapshot_every;
    /* How much of what is stored is read in the background, to find what rots while other nodes still have it; 0: none.
     * It comes in steps of 256 KiB, on the thread that does the files' work. */
    uint64_t scrub_bytes_per_s;
    uint64_t fragment_seed;
    /* The flight recorder: path NULL for none; fs NULL for the one above; cluster is filled in. A disk that is full or
     * fails ends the record, or leaves the driver without one, and is logged; no more. */
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

/* Returns true when work on snapshots' files waits for dgraft_driver_file_work. */
bool dgraft_driver_file_work_ready(const struct dgraft_driver *driver);

/* Does one piece of it: about 1 MiB read, or written and synced. Any thread, one at a time; turns and perform may go on
 * meanwhile; the next turn takes the result and may have more. Returns whether there was anything to do. */
bool dgraft_driver_file_work(struct dgraft_driver *driver);

/* As the functions of the same names in storage.h: they prepare segments, off the commit path, on any thread. */
void dgraft_driver_spare(struct dgraft_driver *driver);
bool dgraft_driver_wants_spare(const struct dgraft_driver *driver);
bool dgraft_driver_lacks_room(const struct dgraft_driver *driver);
bool dgraft_driver_fill(struct dgraft_driver *driver);
bool dgraft_driver_wants_fill(const struct dgraft_driver *driver);

/* Writes what the flight recorder noted, without syncing; does nothing when there is none, or nothing new. Any thread,
 * one at a time; turns may go on meanwhile. Several times a second is enough. */
void dgraft_driver_flight_write(struct dgraft_driver *driver);

/* As dgraft_flight_save: for a process that is about to die, also from a signal's handler. */
void dgraft_driver_flight_save(const struct dgraft_driver *driver);

/* Queues a proposal for the next turn. Returns OK; BUSY, TOO_LARGE, CLOSED, or MISUSE (a session without a sequence, or
 * numbers above DGRAFT_RECORD_NUMBER_MAX): nothing is retained and no callback comes. */
DGRAFT_MUST_USE enum dgraft_status dgraft_driver_propose(struct dgraft_driver *driver,
                                                         struct dgraft_proposal *proposal);

/* Proposes to open a session: dgraft_driver_propose, but without pieces, tag, session and sequence. When it is
 * COMMITTED, position.index is the session's id. The session ends when nobody has proposed in it for timeout_ns (1 to
 * DGRAFT_SESSION_TIMEOUT_MAX_NS) of the log's time, of which at most ten seconds count between two entries; or, when
 * there are 4,096 others, as the one heard longest ago. Whoever gets UNKNOWN opens another: the first one expires. */
DGRAFT_MUST_USE enum dgraft_status dgraft_driver_session_open(struct dgraft_driver *driver,
                                                              struct dgraft_proposal *proposal, uint64_t timeout_ns);

/* Proposes to close a session, likewise. COMMITTED also when there is no such session. */
DGRAFT_MUST_USE enum dgraft_status dgraft_driver_session_close(struct dgraft_driver *driver,
                                                               struct dgraft_proposal *proposal, dgraft_index session);

/* Returns a hash over all sessions: nodes that applied as much have the same. Linear in what the sessions hold. */
uint64_t dgraft_driver_sessions_digest(const struct dgraft_driver *driver);

/* Queues a read for the next turn. Returns OK, BUSY or CLOSED. */
DGRAFT_MUST_USE enum dgraft_status dgraft_driver_read(struct dgraft_driver *driver, struct dgraft_read *read);

/* Begins a transfer with the next turn. Returns OK; BUSY (one waits already) or CLOSED: `ended` does not come. */
DGRAFT_MUST_USE enum dgraft_status dgraft_driver_transfer(struct dgraft_driver *driver,
                                                          struct dgraft_transfer *transfer);

/* Queues a change of the members for the next turn. Returns OK or CLOSED. */
DGRAFT_MUST_USE enum dgraft_status dgraft_driver_change(struct dgraft_driver *driver, struct dgraft_change *change);

/* Asks for a snapshot of what is applied, with the next turn. Returns OK; BUSY: one is being made; UNSUPPORTED: the
 * state machine makes none; CLOSED. */
DGRAFT_MUST_USE enum dgraft_status dgraft_driver_snapshot(struct dgraft_driver *driver);

/* Answers a request, at once or later: one frame, or fragments. Lost if the network says so. answer->payload is
 * borrowed. */
void dgraft_driver_answer(struct dgraft_driver *driver, const struct dgraft_address *to,
                          const struct dgraft_client_answer *answer);

/* Sessions, as applied here since the start. */
struct dgraft_sessions_stats {
    uint64_t open; /* now */
    uint64_t opened;
    uint64_t closed;
    uint64_t expired;
    uint64_t evicted;   /* to make room for others */
    uint64_t repeated;  /* commands not applied, because they had been */
    uint64_t forgotten; /* ... because of sequences too old to tell */
    uint64_t unknown;   /* ... for want of a session */
};

/* Snapshots, since the start. */
struct dgraft_snapshots_stats {
    uint64_t made;
    uint64_t received;  /* whole, from a leader */
    uint64_t installed; /* of those, that the log gave way to */
    uint64_t chunks_sent;
    uint64_t chunks_stored;
    uint64_t failed; /* tries: no memory, no room, damaged on the way */
};

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
    struct dgraft_sessions_stats sessions;
    struct dgraft_snapshots_stats snapshots;
    uint64_t frames_sent;
    uint64_t frames_received;
    uint64_t
        frames_overheard; /* meant for other peers, on a carrier that sends to all at once: no fault, not refused */
    uint64_t proposals;   /* taken since the start */
    uint64_t proposals_waiting;
    uint64_t cache_bytes;
    bool damage_found; /* when the store was opened last; also when it was mended since */
    uint64_t reopened; /* how often the store was opened again, because something was damaged */
    uint64_t turns;
    uint64_t steps;
    uint64_t scrub_found; /* damage that was found in the background */
    bool poisoned;
    struct dgraft_why poisoned_why;
    bool waits_for_room; /* poisoned for nothing but want of room on the disk: it goes on when there is some */
    uint64_t came_back;  /* how often it did */
    bool records;        /* there is a flight recorder */
    struct dgraft_flight_stats flight;
};
void dgraft_driver_status(const struct dgraft_driver *driver, struct dgraft_driver_status *status);

/* Answers what waits (UNKNOWN, REFUSED, CLOSED), marks the floor, closes the directory; no perform may be under way.
 * The transport stays open. NULL is ignored. */
void dgraft_driver_close(struct dgraft_driver *driver);

/* Forgets everything without writing: as kill -9 would. Callbacks do not come, but for save_end and load_drop. The
 * transports must be closed without a flush: what waits in them lies in memory that is gone. For simulators. */
void dgraft_driver_abandon(struct dgraft_driver *driver);

#ifdef __cplusplus
}
#endif
#endif
