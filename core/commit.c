/* What is committed, as a leader finds out. */
#include "parts.h"

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
    step->consider_reads = true;
    step->consider_sends = true;
}
