// The protocol alone from C++: every public header of the core, and a core of one that leads after its vote is durable.
#include <dgraft/action.h>
#include <dgraft/core.h>
#include <dgraft/event.h>
#include <dgraft/message.h>
#include <dgraft/status.h>
#include <dgraft/types.h>

#include <cstdint>
#include <cstdio>
#include <vector>

int main()
{
    dgraft_config config;
    dgraft_config_defaults(&config, 1);
    std::vector<std::uint64_t> memory(dgraft_core_size(&config) / 8 + 1);
    std::vector<std::uint64_t> room(dgraft_actions_size(&config) / 8 + 1);
    dgraft_core *core = dgraft_core_init(memory.data(), &config);
    dgraft_actions *actions = dgraft_actions_init(room.data(), &config);
    const dgraft_term_run founding = {1, 1};
    dgraft_event event{};
    event.kind = DGRAFT_EVENT_START;
    event.u.start.term = 1;
    event.u.start.last = {1, 1};
    event.u.start.floor = event.u.start.last;
    event.u.start.runs = &founding;
    event.u.start.run_count = 1;
    event.u.start.membership.index = 1;
    event.u.start.membership.voters = dgraft_node_set_of(1);

    struct dgraft_core_status status{}; // "struct" tells it from the function of that name
    for (int steps = 0; steps < 100 && status.commit < 2; steps++) {
        if (core == nullptr || dgraft_step(core, &event, actions) != DGRAFT_OK) {
            return 1;
        }
        const dgraft_time_ns now_ns = event.now_ns;
        event = dgraft_event{};
        event.kind = DGRAFT_EVENT_WAKE;
        event.now_ns = actions->wake_at_ns;
        for (std::uint32_t i = 0; i < actions->count; i++) {
            if (actions->items[i].kind == DGRAFT_ACTION_WRITE) {
                event.kind = DGRAFT_EVENT_DURABLE;
                event.now_ns = now_ns;
                event.u.durable.seq = actions->items[i].u.write.seq;
            }
        }
        dgraft_core_status(core, &status);
    }
    std::printf("%s: commit %llu\n", dgraft_role_name(status.role), static_cast<unsigned long long>(status.commit));
    return status.role == DGRAFT_ROLE_LEADER && status.commit == 2 ? 0 : 1;
}
