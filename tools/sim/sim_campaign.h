/* Many seeds, each in a process that may die: a seed that ends its process, or never ends, is a finding like any other.
 */
#ifndef SIM_CAMPAIGN_H
#define SIM_CAMPAIGN_H

#include <stdbool.h>
#include <stdint.h>

#define SIM_SIZES_MAX 8u

struct sim_campaign {
    uint64_t from;
    uint64_t count;                /* of seeds; 0: until the time is over */
    uint64_t seconds;              /* 0: until the seeds are done */
    uint32_t sizes[SIM_SIZES_MAX]; /* clusters of these sizes in turn */
    uint32_t size_count;           /* 0: each seed draws its own */
    uint32_t jobs;                 /* processes at once; 0: 1 */
    bool bare;                     /* without the core's own checks */
    bool slice;                    /* too short to demand that every fault strikes */
    const char *flights;           /* where a failing seed's flight records go: in a directory of its own in this one */
};

/* Runs it, tells its progress and ends with a table. Returns 0, or 1 after a finding or when something never happened.
 */
int sim_campaign(const struct sim_campaign *wanted);

struct sim_replay {
    uint64_t seed;
    uint32_t nodes; /* 0: the seed draws it */
    uint64_t steps; /* 0: to the end */
    bool bare;
    bool trace;
    const char *flights; /* as above: made when the seed fails */
    bool record;         /* or in any case */
};

/* Runs one seed, in a process of its own. With `trace` every event is printed. Returns 0, or 1 after a finding, which
 * is told as below. */
int sim_replay(const struct sim_replay *replay);

/* Runs a failing seed again for what people need: the end of its trace, a flight record of each node, and the line that
 * replays it. */
void sim_report(const struct sim_replay *replay);

#endif
