/* A core that is recorded: it becomes the leader of three and works, with followers that answer at once. */
#ifndef FLIGHT_PILOT_H
#define FLIGHT_PILOT_H

#include <dgraft/flight.h>
#include <memory_fs.h>

#define PILOT_PATH "node/flight"

struct pilot {
    struct memory_fs *memory;
    struct dgraft_flight *flight;
    struct dgraft_config config;
    struct dgraft_core *core;
    struct dgraft_actions *actions;
    dgraft_time_ns now_ns;
    uint64_t events;
    uint64_t seq;             /* of the newest WRITE or INSTALL */
    uint64_t falsify;         /* before this event's actions are recorded, one number of them is changed; 0: never */
    uint64_t write_every;     /* events between writes of the record; 0: never */
    uint32_t lease_drift_ppm; /* of its config */
};

/* Makes a core of node `id` and its record; the memory's file system is kept when it is there already. */
void pilot_open(struct pilot *pilot, dgraft_node_id id, uint64_t bytes);

/* Opens the record anew with a new core, as after a restart. The pilot was closed or has crashed. */
void pilot_open_again(struct pilot *pilot, uint64_t bytes);

/* Notes and steps an event; the status must be OK. */
void pilot_step(struct pilot *pilot, struct dgraft_event event);

/* START with a log of one entry. */
void pilot_start(struct pilot *pilot);

/* What was written is durable; both followers have everything; what is committed is applied. */
void pilot_durable(struct pilot *pilot);
void pilot_acknowledge(struct pilot *pilot);
void pilot_apply(struct pilot *pilot);

/* From a follower to the leader of the next term, whose first entry nobody has acknowledged yet. */
void pilot_elect(struct pilot *pilot);

/* From START to the leader of term 2, with nothing left to do. */
void pilot_lead(struct pilot *pilot);

/* Proposes so many entries, ten at a time, and has them committed and applied. */
void pilot_work(struct pilot *pilot, uint32_t entries);

/* The hash of the core's block. */
uint64_t pilot_hash(const struct pilot *pilot);

/* Closes the record, or loses what was not written; the core stays to be asked. */
void pilot_land(struct pilot *pilot);
void pilot_crash(struct pilot *pilot);

void pilot_free(struct pilot *pilot);

#endif
