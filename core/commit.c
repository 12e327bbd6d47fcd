/* What is committed, as a leader finds out. */
#include "parts.h"

/* Followers learn of a commit with the next append, or after this part of a heartbeat when none comes: a client that
 * goes on at once then costs no message of its own, nor the answers to it. */
#define NEWS_PART 32u

void dgraft_core_news(struct dgraft_core *core)
{
    if (core->peer_count > 0 && core->news_due_ns == DGRAFT_CORE_NEVER) {
        core->news_due_ns = dgraft_core_after(core, core->config.heartbeat_interval_ns / NEWS_PART);
    }
}

/* An entry is committed once a majority holds it durably and it is of this leader's own term; older entries are
 * committed with it, and never by counting them [§3.6.2]. Only the candidate index is tested, so older entries below it
 * hold nothing up. A leader's own disk is one of the majority at most [§10.2.1]. */
void dgraft_core_commit_advance(struct step *step)
{
    struct dgraft_core *core = step->core;
    const dgraft_index match = dgraft_core_quorum(core, QUORUM_OF_MATCH);
    if (match <= core->commit || match < core->term_start) {
        return;
    }
    DGRAFT_CORE_ASSERT(match <= core->last.index);
    core->commit = match;
    dgraft_core_bytes_release(core);
    dgraft_core_news(core);
    step->consider_reads = true;
    step->consider_sends = true;
}
