/* The flight recorder: every event of a core as bytes, with a chained hash of its actions, in a bounded ring of a file;
 * and the replay, which rebuilds the exact state from such a file and stops at the first difference.
 *
 * A driver keeps one when its options say so. Whoever runs a core in a loop of their own calls, for every step,
 *
 *     dgraft_flight_event(flight, core, &event);
 *     status = dgraft_step(core, &event, actions);
 *     dgraft_flight_actions(flight, core, status, actions);
 *
 * and from another thread, several times a second, dgraft_flight_write. Recording never blocks and never fails a step:
 * what finds no room is lost, and the record says how much. docs/flight-format.md has the format.
 */
#ifndef DGRAFT_FLIGHT_H
#define DGRAFT_FLIGHT_H

#include <dgraft/core.h>
#include <dgraft/fs.h>
#include <dgraft/inspect.h>
#include <dgraft/storage.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dgraft_flight; /* opaque: a recorder */

struct dgraft_flight_options {
    struct dgraft_fs *fs;   /* retained until close */
    const char *path;       /* of the file: made, or continued when it is this node's record already */
    uint64_t bytes;         /* the file never gets larger; 0: 8 MiB */
    uint64_t cluster;       /* whose record it is, with the node id of the core's config */
    uint64_t wall_clock_ns; /* the time of day, for people; 0 unknown */
    bool write_through;     /* every event is in the file before its step is made: slow, for simulators */
};

/* Opens a record for a core that was just made with `config` (before its START). What the file holds of earlier starts
 * stays until the ring comes round. A file of another size or version is kept as "PATH.old".
 * Returns OK; CONFIG when `bytes` is too small for this configuration; FOREIGN when the file is something else; or as
 * the file system says. why names the cause. */
DGRAFT_MUST_USE enum dgraft_status dgraft_flight_open(const struct dgraft_flight_options *options,
                                                      const struct dgraft_config *config, struct dgraft_flight **out,
                                                      struct dgraft_why *why);

/* Notes the event that is stepped next; its now_ns must be set. The core is as it is before the step. */
void dgraft_flight_event(struct dgraft_flight *flight, const struct dgraft_core *core,
                         const struct dgraft_event *event);

/* Notes what became of it. The core is as it is after the step. */
void dgraft_flight_actions(struct dgraft_flight *flight, const struct dgraft_core *core, enum dgraft_status status,
                           const struct dgraft_actions *actions);

/* Writes what was noted to the file, without syncing it: it survives the process, not a power failure. Any thread, one
 * at a time, also while events are noted. */
void dgraft_flight_write(struct dgraft_flight *flight);

/* Says the time of day, for people: it is kept with the events that follow. */
void dgraft_flight_wall_clock(struct dgraft_flight *flight, uint64_t wall_clock_ns);

/* The same for a process that is about to die, also from a signal's handler, whatever other threads do meanwhile. The
 * recorder is of no further use. */
void dgraft_flight_save(const struct dgraft_flight *flight);

struct dgraft_flight_stats {
    uint64_t events;        /* since it was opened */
    uint64_t lost;          /* of these: no room in memory, the disk was slower than the events came */
    uint64_t bytes_written; /* to the file */
    int error;              /* errno of the write that failed, after which nothing is recorded any more; 0 none */
};
void dgraft_flight_stats(const struct dgraft_flight *flight, struct dgraft_flight_stats *stats);

/* Writes what is left, with a hash of the core's last state (core may be NULL: without), and closes the file. NULL is
 * ignored. No write may be under way. */
void dgraft_flight_close(struct dgraft_flight *flight, const struct dgraft_core *core);

/* Closes the file and writes nothing more: as kill -9 would. NULL is ignored. */
void dgraft_flight_abandon(struct dgraft_flight *flight);

/* A number that differs between builds whose cores do not behave, or lie in memory, alike. */
uint64_t dgraft_flight_fingerprint(void);

/* ---- replay */

/* A stretch of events without a gap, in one start of the node: replay begins with the state that the record holds. */
struct dgraft_flight_stretch {
    uint64_t start;         /* which start of the node, from 1 */
    uint64_t first;         /* number of its first event; numbers go on from start to start */
    uint64_t lost;          /* events that the recorder lost right before it */
    dgraft_time_ns now_ns;  /* the core's clock before its first event */
    uint64_t wall_clock_ns; /* the time of day then, for people; 0 unknown */
    const char *version;    /* of the library that recorded it */
    bool same_core;         /* recorded by a core like this build's */
    struct dgraft_config config;
};

/* Any callback may be NULL. What pointers point to is valid during the call. */
struct dgraft_flight_visitor {
    void *context;
    void (*stretch)(void *context, const struct dgraft_flight_stretch *stretch);
    /* An event is about to be stepped; a core that dies of it does so after this call. */
    void (*event)(void *context, uint64_t number, const struct dgraft_event *event);
    void (*stepped)(void *context, uint64_t number, const struct dgraft_event *event,
                    const struct dgraft_actions *actions);
    void (*finding)(void *context, uint64_t number, enum dgraft_severity severity, const char *text);
};

enum dgraft_flight_end {
    DGRAFT_FLIGHT_END = 1,        /* of the record */
    DGRAFT_FLIGHT_UNTIL = 2,      /* the event that was asked for */
    DGRAFT_FLIGHT_DIFFERENCE = 3, /* this core does something else than was recorded */
    DGRAFT_FLIGHT_BROKEN = 4      /* after this event a rule of dgraft_core_check does not hold */
};

struct dgraft_flight_summary {
    dgraft_node_id node;
    uint64_t cluster;
    enum dgraft_flight_end end;
    uint64_t last;   /* number of the last event replayed: the one that is different or broken, if any is */
    uint64_t events; /* replayed */
    uint64_t lost;   /* events that the recorder says it lost, between those that are there */
    uint32_t starts; /* of the node, of which something is there */
    uint32_t notes;  /* findings */
    uint32_t damages;
    bool has_state; /* `state` and `state_hash` are those after the last event */
    struct dgraft_core_status state;
    uint64_t state_hash;
    char text[512]; /* what is different or broken, in words */
};

/* Replays a record up to the event of number `until` (UINT64_MAX: all), in bounded memory; changes nothing.
 * Returns OK when it could be read, whatever was found: see summary. NOT_FOUND, READ_ONLY (no permission), IO,
 * NO_MEMORY; FOREIGN when it is no flight record, TOO_NEW, DAMAGED when nothing of it can be read, UNSUPPORTED when all
 * of it was recorded by another core and its beginning is gone. */
DGRAFT_MUST_USE enum dgraft_status dgraft_flight_replay(struct dgraft_fs *fs, const char *path, uint64_t until,
                                                        const struct dgraft_flight_visitor *visitor,
                                                        struct dgraft_flight_summary *summary, struct dgraft_why *why);

/* ---- names and numbers of events and actions, for whoever prints them */

struct dgraft_flight_field_visitor {
    void *context;
    void (*field)(void *context, const char *name, uint64_t value);
};

/* Return the kind's name, as "RECEIVE"; "?" for a number that is none. */
const char *dgraft_flight_event_name(enum dgraft_event_kind kind);
const char *dgraft_flight_action_name(enum dgraft_action_kind kind);

/* Calls field() for every number of an event or an action, a message's too, but not for entries and runs. The name is
 * valid during the call; those of a message's body begin with "body.". */
void dgraft_flight_event_fields(const struct dgraft_event *event, const struct dgraft_flight_field_visitor *visitor);
void dgraft_flight_action_fields(const struct dgraft_action *action, const struct dgraft_flight_field_visitor *visitor);

#ifdef __cplusplus
}
#endif
#endif
