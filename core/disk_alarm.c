/* A disk that is short of room, or takes too long over a write. Its node lets others lead: as a leader it hands over,
 * as a follower it does not campaign, because a leader that cannot write holds up everybody.
 */
#include "parts.h"

static bool stalls(const struct dgraft_core *core)
{
    const dgraft_time_ns begun_ns = dgraft_core_writes_begun(core);
    return core->config.write_stall_ns != 0 && begun_ns != DGRAFT_CORE_NEVER &&
           core->now_ns - begun_ns >= core->config.write_stall_ns;
}

bool dgraft_core_disk_ails(const struct dgraft_core *core)
{
    return core->disk_full || stalls(core);
}

/* DISK */
void dgraft_core_disk(struct step *step)
{
    step->core->disk_full = step->event->u.disk.full;
    dgraft_core_disk_watch(step);
}

/* A leader that is to step aside hands over first, and resigns when nobody took over within an election timeout. The
 * only voter there is leads on. */
void dgraft_core_disk_watch(struct step *step)
{
    struct dgraft_core *core = step->core;
    core->disk_alarm = dgraft_core_disk_ails(core);
    if (!core->disk_alarm || core->role != DGRAFT_ROLE_LEADER || core->transfer.target != 0) {
        return;
    }
    const dgraft_node_id best = dgraft_core_transfer_best(core);
    if (best != 0) {
        dgraft_core_transfer_begin(step, best);
    }
}

/* Returns when the oldest write under way will have taken too long; NEVER when it has already, or cannot. */
dgraft_time_ns dgraft_core_disk_wake_at(const struct dgraft_core *core)
{
    const dgraft_time_ns begun_ns = dgraft_core_writes_begun(core);
    if (core->config.write_stall_ns == 0 || begun_ns == DGRAFT_CORE_NEVER || core->disk_alarm) {
        return DGRAFT_CORE_NEVER;
    }
    return begun_ns + core->config.write_stall_ns;
}
