/* Who lags behind: told once when it begins and once when it is over, and looked at with each round of heartbeats. */
#include "parts.h"

void dgraft_core_peer_lag_tell(struct step *step)
{
    struct dgraft_core *core = step->core;
    const uint64_t most = core->config.lag_notice_entries;
    for (uint32_t i = 0; most != 0 && i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        if (peer->probing && core->now_ns - peer->progress_at_ns < core->config.election_timeout_ns) {
            continue; /* a new leader is about to find out */
        }
        const uint64_t lag = core->last.index - peer->match;
        const bool begins = peer->lag == 0 && lag >= most;
        const bool ends = peer->lag != 0 && lag < (most + 1) / 2;
        if (begins || ends) {
            dgraft_core_emit(step, DGRAFT_ACTION_NOTICE)->u.notice = (struct dgraft_action_notice){
                .kind = DGRAFT_NOTICE_PEER_LAG, .peer = peer->id, .before = peer->lag, .after = lag};
            peer->lag = begins ? lag : 0;
        }
    }
}
