/* Time without ticks (rule C7): deadlines, and when the core must next be woken. */
#include "parts.h"

/* splitmix64: one word of state, seeded by the configuration, so that a run repeats exactly (rule C1). */
static uint64_t random_next(struct dgraft_core *core)
{
    core->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t value = core->random;
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

dgraft_time_ns dgraft_core_after(const struct dgraft_core *core, dgraft_time_ns duration_ns)
{
    return duration_ns > DGRAFT_CORE_NEVER - core->now_ns ? DGRAFT_CORE_NEVER : core->now_ns + duration_ns;
}

/* Draws a new election timeout from [1, 2) times the configured one, and waits for it from now on [§3.4]. */
void dgraft_core_election_reset(struct dgraft_core *core)
{
    const dgraft_time_ns timeout_ns = core->config.election_timeout_ns;
    core->election_drawn_ns = timeout_ns + random_next(core) % timeout_ns;
    dgraft_core_election_extend(core);
}

/* Waits from now on once more, with the timeout drawn last: a leader was heard. */
void dgraft_core_election_extend(struct dgraft_core *core)
{
    core->election_deadline_ns =
        dgraft_core_promotable(core) ? dgraft_core_after(core, core->election_drawn_ns) : DGRAFT_CORE_NEVER;
}

/* Requests that were lost are repeated a few times within one candidacy. */
dgraft_time_ns dgraft_core_resend_interval(const struct dgraft_core *core)
{
    const dgraft_time_ns interval_ns = core->config.election_timeout_ns / 4;
    return interval_ns == 0 ? 1 : interval_ns;
}

/* A leader that has not heard a quorum for an election timeout steps down, so that its clients go elsewhere [§6.2]. The
 * next look is when the quorum heard last would run out. */
static void check_quorum(struct step *step)
{
    struct dgraft_core *core = step->core;
    const dgraft_time_ns heard_ns = dgraft_core_quorum(core, QUORUM_OF_ANSWERED);
    const dgraft_time_ns timeout_ns = core->config.election_timeout_ns;
    if (core->now_ns - heard_ns >= timeout_ns) {
        dgraft_core_become_follower(step);
        return;
    }
    core->quorum_check_ns = dgraft_core_after(core, timeout_ns - (core->now_ns - heard_ns));
}

void dgraft_core_timers(struct step *step)
{
    struct dgraft_core *core = step->core;
    dgraft_core_disk_watch(step);
    if (core->role == DGRAFT_ROLE_LEADER) {
        if (core->now_ns >= core->quorum_check_ns) {
            check_quorum(step);
        }
        if (core->role == DGRAFT_ROLE_LEADER && core->now_ns >= core->heartbeat_due_ns) {
            step->broadcast = true;
        }
        if (core->now_ns >= core->news_due_ns) {
            core->news_due_ns = DGRAFT_CORE_NEVER;
            step->news = true;
            step->consider_sends = true;
        }
        return;
    }
    if (core->now_ns >= core->election_deadline_ns) {
        dgraft_core_pre_vote_begin(step);
    } else if (core->now_ns >= core->resend_at_ns) {
        core->requests_due = true;
    }
}

/* Returns when a transfer under way wants to be looked at. */
static dgraft_time_ns transfer_wake_at(const struct dgraft_core *core)
{
    const struct transfer *transfer = &core->transfer;
    if (transfer->target == 0) {
        return DGRAFT_CORE_NEVER;
    }
    const bool repeats = core->role == DGRAFT_ROLE_LEADER && transfer->repeat_ns > core->now_ns;
    return repeats ? dgraft_core_min(transfer->deadline_ns, transfer->repeat_ns) : transfer->deadline_ns;
}

dgraft_time_ns dgraft_core_rare_wake_at(const struct dgraft_core *core)
{
    dgraft_time_ns at = transfer_wake_at(core);
    if (core->role == DGRAFT_ROLE_LEADER) {
        at = dgraft_core_min(at, dgraft_core_disk_wake_at(core));
        return dgraft_core_min(at, core->departing != 0 ? core->departing_until_ns : DGRAFT_CORE_NEVER);
    }
    if (core->repairing) {
        at = dgraft_core_min(at, dgraft_core_repair_wake_at(core));
    }
    return core->reads_count > 0 && core->read_asked ? dgraft_core_min(at, core->read_repeat_ns) : at;
}
