/* Tells builds apart whose cores lie in memory differently: a block made by a scripted beginning is hashed, byte by
 * byte. There is no list of fields to keep in step with the core. */
#include "flight_codec.h"
#include "flight_format.h"

#include <dgraft/flight.h>

#include <stdlib.h>
#include <xxhash.h>

static void first_config(struct dgraft_config *config)
{
    dgraft_config_defaults(config, 3);
    config->members_max = 5;
    config->seed = UINT64_C(0x1122334455667788);
    config->runs_max = 8;
    config->inflight_max = 2;
    config->reads_max = 2;
}

/* A beginning in which hardly any number is zero, and no two are alike. */
static uint64_t scripted(void *core_memory, void *actions_memory, const struct dgraft_config *config)
{
    static const struct dgraft_term_run runs[] = {{.first = 5, .term = 2}, {.first = 7, .term = 6}};
    struct dgraft_core *core = dgraft_core_init(core_memory, config);
    struct dgraft_actions *actions = dgraft_actions_init(actions_memory, config);
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START, .now_ns = 1000};
    event.u.start = (struct dgraft_event_start){
        .term = 9,
        .vote = 4,
        .generation = 21,
        .store = 22,
        .snapshot = {.position = {4, 1}, .size = 23, .digest = 24},
        .compacted = {3, 1},
        .last = {12, 6},
        .floor = {11, 6},
        .commit = 10,
        .applied = 8,
        .runs = runs,
        .run_count = 2,
        .membership = {.index = 6, .voters = 0x0f, .learners = 0x10, .promote = 0x10, .stores = {25, 26, 27, 28, 29}},
        .before = {.index = 5, .voters = 0x07, .stores = {25, 26, 27}}};
    uint64_t hash = dgraft_flight_state_hash(core, dgraft_core_size(config));
    const enum dgraft_status status = dgraft_step(core, &event, actions);
    hash = dgraft_flight_hash_actions(hash, status, actions);
    return XXH3_64bits_withSeed(core, dgraft_core_size(config), hash);
}

uint64_t dgraft_flight_fingerprint(void)
{
    struct dgraft_config config;
    first_config(&config);
    void *core = calloc(1, dgraft_core_size(&config));
    void *actions = calloc(1, dgraft_actions_size(&config));
    uint64_t hash = 0; /* without memory nothing is recorded or replayed anyway */
    if (core != NULL && actions != NULL) {
        hash = scripted(core, actions, &config);
    }
    free(core);
    free(actions);
    return hash;
}
