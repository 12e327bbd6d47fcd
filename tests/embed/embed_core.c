/* Only the protocol: a cluster of one, in memory of ours, becomes leader once its vote is durable. */
#include <dgraft/core.h>

#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    struct dgraft_config config;
    const char *why = NULL;
    dgraft_config_defaults(&config, 1);
    if (dgraft_config_check(&config, &why) != DGRAFT_OK) {
        (void)fprintf(stderr, "%s\n", why);
        return 1;
    }
    void *memory = malloc(dgraft_core_size(&config));
    void *room = malloc(dgraft_actions_size(&config));
    if (memory == NULL || room == NULL) {
        return 1;
    }
    struct dgraft_core *core = dgraft_core_init(memory, &config);
    struct dgraft_actions *actions = dgraft_actions_init(room, &config);
    struct dgraft_term_run founding = {.first = 1, .term = 1};
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START};
    event.u.start.term = 1;
    event.u.start.last = (struct dgraft_position){1, 1};
    event.u.start.floor = event.u.start.last;
    event.u.start.runs = &founding;
    event.u.start.run_count = 1;
    event.u.start.membership = (struct dgraft_membership){.index = 1, .voters = dgraft_node_set_of(1)};

    struct dgraft_core_status status = {0};
    for (int steps = 0; steps < 100 && status.commit < 2; steps++) {
        if (core == NULL || dgraft_step(core, &event, actions) != DGRAFT_OK) {
            return 1;
        }
        dgraft_time_ns now_ns = event.now_ns;
        event = (struct dgraft_event){.kind = DGRAFT_EVENT_WAKE, .now_ns = actions->wake_at_ns};
        for (uint32_t i = 0; i < actions->count; i++) {
            if (actions->items[i].kind == DGRAFT_ACTION_WRITE) {
                event = (struct dgraft_event){.kind = DGRAFT_EVENT_DURABLE, .now_ns = now_ns};
                event.u.durable.seq = actions->items[i].u.write.seq;
            }
        }
        dgraft_core_status(core, &status);
    }
    (void)printf("%s: %s of term %llu, commit %llu\n", dgraft_version(), dgraft_role_name(status.role),
                 (unsigned long long)status.term, (unsigned long long)status.commit);
    free(room);
    free(memory);
    return status.role == DGRAFT_ROLE_LEADER && status.commit == 2 ? 0 : 1;
}
