/* Reads without the log [§6.4]: a leader answers with the commit index it had when the read arrived, once a quorum has
 * answered a round of heartbeats that began after that (so that no newer leader had been at work), and once an entry of
 * its own term is committed (so that it knew what was). All reads that wait go with one round.
 */
#include "parts.h"

static struct waiting_read *read_at(struct dgraft_core *core, uint32_t nth)
{
    uint32_t at = core->reads_head + nth;
    if (at >= core->config.reads_max) {
        at -= core->config.reads_max;
    }
    return &dgraft_core_reads(core)[at];
}

static void read_pop(struct dgraft_core *core)
{
    core->reads_head = core->reads_head + 1 == core->config.reads_max ? 0 : core->reads_head + 1;
    core->reads_count--;
}

static void refuse(struct step *step, uint64_t id, enum dgraft_outcome why)
{
    dgraft_core_emit(step, DGRAFT_ACTION_OUTCOME)->u.outcome = (struct dgraft_action_outcome){
        .outcome = why, .of = DGRAFT_OUTCOME_OF_READ, .leader = step->core->leader, .id = id};
}

/* READ: takes the read up, or says why not. */
void dgraft_core_read(struct step *step)
{
    struct dgraft_core *core = step->core;
    const uint64_t id = step->event->u.read.id;
    if (core->poisoned || core->role != DGRAFT_ROLE_LEADER) {
        refuse(step, id, core->poisoned ? DGRAFT_OUTCOME_DISK : DGRAFT_OUTCOME_NOT_LEADER);
        return;
    }
    if (core->reads_count == core->config.reads_max) {
        refuse(step, id, DGRAFT_OUTCOME_BUSY);
        return;
    }
    /* Everything that earlier leaders committed lies below this leader's first entry. */
    const dgraft_index index = dgraft_core_max(core->commit, core->term_start);
    core->reads_count++;
    *read_at(core, core->reads_count - 1) = (struct waiting_read){.id = id, .index = index, .round = core->round + 1};
    step->consider_reads = true;
}

/* Answers the reads whose round a quorum has answered, and begins the next round when none of those left is under way.
 */
void dgraft_core_reads_progress(struct step *step)
{
    struct dgraft_core *core = step->core;
    if (core->commit >= core->term_start) {
        const uint64_t confirmed = dgraft_core_quorum(core, QUORUM_OF_ROUND);
        while (core->reads_count > 0 && read_at(core, 0)->round <= confirmed) {
            dgraft_core_emit(step, DGRAFT_ACTION_READ_READY)->u.read_ready =
                (struct dgraft_action_read_ready){.id = read_at(core, 0)->id, .index = read_at(core, 0)->index};
            read_pop(core);
        }
    }
    if (core->reads_count == 0 || read_at(core, 0)->round <= core->round || step->broadcast) {
        return;
    }
    if (dgraft_core_decides(core, dgraft_node_set_of(core->config.self))) {
        core->round++; /* nobody else to ask */
        dgraft_core_reads_progress(step);
        return;
    }
    step->broadcast = true;
}

/* Leadership is lost: no read that waits will be answered. */
void dgraft_core_reads_drop(struct step *step)
{
    struct dgraft_core *core = step->core;
    while (core->reads_count > 0) {
        refuse(step, read_at(core, 0)->id, DGRAFT_OUTCOME_NOT_LEADER);
        read_pop(core);
    }
}
