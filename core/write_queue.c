/* The WRITEs under way, in the order of seq (rule C5). */
#include "parts.h"

static struct pending_write *write_at(struct dgraft_core *core, uint32_t nth)
{
    return &core->writes[(core->writes_head + nth) % DGRAFT_CORE_WRITES];
}

/* Takes up the newest WRITE, seq, whose term, vote and last entry are the core's now. */
void dgraft_core_writes_push(struct dgraft_core *core, uint64_t seq)
{
    if (core->writes_count < DGRAFT_CORE_WRITES) {
        core->writes_count++;
    }
    /* Full: the newest place now stands for both, and is done when the later one is. Slower, never wrong. */
    *write_at(core, core->writes_count - 1) = (struct pending_write){
        .seq = seq, .term = core->term, .last = core->last.index, .vote = core->vote, .begun_ns = core->now_ns};
}

/* Returns when the oldest WRITE under way was begun; NEVER when there is none. */
dgraft_time_ns dgraft_core_writes_begun(const struct dgraft_core *core)
{
    return core->writes_count == 0 ? DGRAFT_CORE_NEVER : core->writes[core->writes_head].begun_ns;
}

/* Entries after keep are superseded: neither what is on disk of them nor what is under way will count. */
void dgraft_core_writes_clip(struct dgraft_core *core, dgraft_index keep)
{
    core->durable = dgraft_core_min(core->durable, keep);
    for (uint32_t i = 0; i < core->writes_count; i++) {
        struct pending_write *write = write_at(core, i);
        write->last = dgraft_core_min(write->last, keep);
    }
}

void dgraft_core_writes_done(struct dgraft_core *core, uint64_t seq)
{
    core->durable_seq = seq;
    while (core->writes_count > 0 && write_at(core, 0)->seq <= seq) {
        const struct pending_write *write = write_at(core, 0);
        DGRAFT_CORE_ASSERT(write->last <= core->last.index && write->term >= core->durable_term);
        core->durable_term = write->term;
        core->durable_vote = write->vote;
        core->durable = dgraft_core_max(write->last, core->compacted.index); /* what a snapshot holds, is durable */
        core->durable = core->repairing ? dgraft_core_min(core->durable, core->intact) : core->durable;
        core->writes_head = (core->writes_head + 1) % DGRAFT_CORE_WRITES;
        core->writes_count--;
    }
}
