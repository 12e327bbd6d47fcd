/* PROPOSE: the longest prefix that fits gets its places in the log; the rest is told why not. */
#include "parts.h"

static void refuse(struct step *step, enum dgraft_outcome why, uint32_t skip, uint32_t count)
{
    dgraft_core_emit(step, DGRAFT_ACTION_OUTCOME)->u.outcome = (struct dgraft_action_outcome){
        .outcome = why,
        .of = DGRAFT_OUTCOME_OF_PROPOSALS,
        .leader = step->core->leader,
        .id = step->event->u.propose.id,
        .skip = skip,
        .count = count,
    };
}

static bool event_valid(const struct dgraft_event_propose *propose)
{
    return propose->count >= 1 && propose->entries != NULL &&
           (propose->kind == DGRAFT_ENTRY_COMMAND || propose->kind == DGRAFT_ENTRY_NOOP ||
            propose->kind == DGRAFT_ENTRY_SESSION);
}

static void accept(struct step *step, uint32_t count, uint64_t bytes)
{
    struct dgraft_core *core = step->core;
    dgraft_core_emit(step, DGRAFT_ACTION_ACCEPTED)->u.accepted = (struct dgraft_action_accepted){
        .id = step->event->u.propose.id,
        .first = {.index = core->last.index + 1, .term = core->term},
        .count = count,
    };
    step->write_entries = true;
    step->keep = core->last.index;
    step->count = count;
    step->skip = 0;
    step->entry_term = core->term;
    /* A leader's log ends with its own term since its NOOP: entries only lengthen the newest run. */
    DGRAFT_CORE_ASSERT(core->last.term == core->term);
    if (core->runs_count == 0) {
        dgraft_core_runs_append(core, core->last.index + 1, core->term); /* all before it is compacted */
        core->last.index += count - 1;
    } else {
        core->last.index += count;
    }
    dgraft_core_bytes_add(core, core->last.index, bytes);
    step->consider_sends = true;
}

enum dgraft_status dgraft_core_propose(struct step *step)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_event_propose *propose = &step->event->u.propose;
    if (!event_valid(propose)) {
        return DGRAFT_STATUS_MISUSE;
    }
    if (core->role == DGRAFT_ROLE_LEADER && core->transfer.target != 0) {
        refuse(step, DGRAFT_OUTCOME_TRANSFERRING, 0, propose->count);
        return DGRAFT_OK;
    }
    if (core->poisoned || core->role != DGRAFT_ROLE_LEADER) {
        refuse(step, core->poisoned ? DGRAFT_OUTCOME_DISK : DGRAFT_OUTCOME_NOT_LEADER, 0, propose->count);
        return DGRAFT_OK;
    }
    const uint64_t used = core->bytes_proposed - core->bytes_committed;
    uint64_t bytes = 0;
    uint32_t count = 0;
    bool too_large = false;
    for (; count < propose->count; count++) {
        const uint64_t payload = propose->entries[count].payload_bytes;
        too_large = payload > core->config.entry_bytes_max;
        const uint64_t total = used + bytes + payload + DGRAFT_CORE_ENTRY_OVERHEAD;
        if (too_large || (total > core->config.uncommitted_bytes_max && used + bytes > 0)) {
            break;
        }
        bytes += payload + DGRAFT_CORE_ENTRY_OVERHEAD;
    }
    if (count > 0) {
        accept(step, count, bytes);
    }
    if (count < propose->count) {
        uint32_t skip = count;
        if (too_large) {
            refuse(step, DGRAFT_OUTCOME_TOO_LARGE, skip, 1);
            skip++;
        }
        if (skip < propose->count) {
            refuse(step, DGRAFT_OUTCOME_BUSY, skip, propose->count - skip);
        }
    }
    return DGRAFT_OK;
}
