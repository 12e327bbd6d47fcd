/* dgraft_step: an event in, actions out. The event first, then the clocks, then what follows from both. */
#include "parts.h"

static enum dgraft_status durable(struct step *step)
{
    struct dgraft_core *core = step->core;
    const uint64_t seq = step->event->u.durable.seq;
    if (seq == 0 || seq > core->write_seq) {
        return DGRAFT_STATUS_MISUSE;
    }
    if (seq > core->durable_seq) {
        dgraft_core_writes_done(core, seq);
        if (core->disk_alarm) {
            dgraft_core_disk_watch(step);
        }
        step->consider_commit = true;
    }
    return DGRAFT_OK;
}

static enum dgraft_status applied(struct step *step)
{
    struct dgraft_core *core = step->core;
    const dgraft_index index = step->event->u.applied.index;
    if (index > core->apply_sent) {
        return DGRAFT_STATUS_MISUSE;
    }
    core->applied = dgraft_core_max(core->applied, index); /* a late one, of before a snapshot, lowers nothing */
    step->consider_compact = core->snapshot_ahead.position.index != 0;
    return DGRAFT_OK;
}

static enum dgraft_status dispatch(struct step *step)
{
    switch (step->event->kind) {
    case DGRAFT_EVENT_START:
        return dgraft_core_start(step);
    case DGRAFT_EVENT_WAKE:
        return DGRAFT_OK;
    case DGRAFT_EVENT_RECEIVE:
        dgraft_core_receive(step);
        return DGRAFT_OK;
    case DGRAFT_EVENT_PROPOSE:
        return dgraft_core_propose(step);
    case DGRAFT_EVENT_READ:
        dgraft_core_read(step);
        return DGRAFT_OK;
    case DGRAFT_EVENT_DURABLE:
        return durable(step);
    case DGRAFT_EVENT_APPLIED:
        return applied(step);
    case DGRAFT_EVENT_SENT:
        return dgraft_core_sent(step);
    case DGRAFT_EVENT_TERM:
        dgraft_core_term_found(step);
        return DGRAFT_OK;
    case DGRAFT_EVENT_CHANGE:
        dgraft_core_change(step);
        return DGRAFT_OK;
    case DGRAFT_EVENT_TRANSFER:
        return dgraft_core_transfer(step);
    case DGRAFT_EVENT_DISK:
        dgraft_core_disk(step);
        return DGRAFT_OK;
    case DGRAFT_EVENT_DAMAGED:
        dgraft_core_damaged(step);
        return DGRAFT_OK;
    case DGRAFT_EVENT_POISONED:
        dgraft_core_poison(step);
        return DGRAFT_OK;
    case DGRAFT_EVENT_SNAPSHOT:
        return dgraft_core_snapshot_made(step);
    case DGRAFT_EVENT_SNAPSHOT_RECEIVED:
        return dgraft_core_snapshot_received(step);
    case DGRAFT_EVENT_SNAPSHOT_STORED:
        return dgraft_core_snapshot_stored(step);
    }
    return DGRAFT_STATUS_MISUSE;
}

enum dgraft_status dgraft_step(struct dgraft_core *core, const struct dgraft_event *event,
                               struct dgraft_actions *actions)
{
    struct step step = {
        .core = core,
        .event = event,
        .out = actions,
        .role_before = core->role,
        .term_before = core->term,
        .leader_before = core->leader,
        .commit_before = core->commit,
        .membership_before = core->membership.index,
        .disk_alarm_before = core->disk_alarm,
    };
    const dgraft_time_ns time_before = core->now_ns;
    actions->count = 0;
    if (!core->started && event->kind != DGRAFT_EVENT_START) {
        return DGRAFT_STATUS_MISUSE;
    }
    core->now_ns = event->now_ns > time_before ? event->now_ns : time_before;
    const enum dgraft_status status = dispatch(&step);
    if (status != DGRAFT_OK) {
        core->now_ns = time_before;
        return status;
    }
    const bool due = core->now_ns >= dgraft_core_wake_at(core);
    if (due) {
        dgraft_core_timers(&step);
    }
    /* From an APPLIED nothing follows, but that a snapshot of what is now applied may count. */
    if (due || event->kind != DGRAFT_EVENT_APPLIED || step.consider_compact) {
        dgraft_core_finish(&step);
    }
    actions->wake_at_ns = dgraft_core_wake_at(core);
    return DGRAFT_OK;
}
