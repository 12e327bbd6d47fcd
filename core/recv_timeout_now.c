/* TIMEOUT_NOW, at the node that is to lead [§3.10]. */
#include "parts.h"

/* Campaigns at once, without asking first whether a campaign could be won: the leader has said so. Only this term's
 * leader is believed, so that a copy which comes late, when somebody leads a newer term, disturbs nobody. A node whose
 * log is not what the leader says it is, or not on its disk yet, would lose or be slow: it leaves it alone. */
void dgraft_core_recv_timeout_now(struct step *step, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_position last = message->u.timeout_now.last;
    if (message->term != core->term || core->role != DGRAFT_ROLE_FOLLOWER || core->leader != message->from ||
        !dgraft_position_equal(last, core->last) || core->durable != core->last.index ||
        !dgraft_core_may_campaign(core)) {
        core->ignored++;
        return;
    }
    dgraft_core_campaign_begin(core);
    core->campaign_by_transfer = true;
}
