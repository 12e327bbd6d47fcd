/* What a replay knows on its way, and the sentences about what it found. Private to node. */
#ifndef DGRAFT_FLIGHT_REPLAY_H
#define DGRAFT_FLIGHT_REPLAY_H

#include "flight_codec.h"
#include "flight_reader.h"

struct replay {
    struct flight_reader reader;
    const struct dgraft_flight_visitor *visitor;
    struct dgraft_flight_summary *summary;
    uint64_t until;
    uint64_t fingerprint; /* of this build */
    uint32_t others;      /* stretches of builds whose images mean nothing here */

    /* Of the stretch. */
    void *core_memory;
    void *image; /* a block's, to compare with */
    void *actions_memory;
    size_t core_bytes;
    struct dgraft_core *core; /* NULL: nothing can be replayed until a new stretch begins */
    struct dgraft_actions *actions;
    bool same_core;
    uint64_t start;
    uint64_t number; /* of the newest event */
    uint64_t chain;

    /* Of the block. */
    struct flight_decoded decoded; /* the newest event */
    dgraft_time_ns now_ns;
    enum dgraft_status status;
    bool pending; /* the newest event's actions have not been compared */
    bool closed;
    bool goes_on; /* the next block of this start may begin with the state that the core has now */
};

/* What was recorded of a step. */
struct flight_told {
    uint64_t status;
    uint64_t count;
    uint64_t kinds;
};

/* flight_tell.c: write the summary's text. */
void dgraft_flight_tell_actions(struct replay *replay, const struct flight_told *told);
void dgraft_flight_tell_state(struct replay *replay);
void dgraft_flight_tell_rule(struct replay *replay, const char *rule);

#endif
