/* Leases [§6.4.1]: reads without asking anybody, for as long as nobody else can have been elected.
 *
 * A follower that has answered a heartbeat refuses votes for an election timeout of its own clock after it received it
 * [§4.2.3]. So from when a round of heartbeats was *sent* that a quorum has answered, nobody is elected for an election
 * timeout, less what clocks drift. (From when answers came would be wrong: a heartbeat sent at 0 whose answer takes 0.9
 * timeouts would be taken to protect until 1.9, while its receiver votes again at 1.0.) Two ways around the promise:
 * a transfer, whose votes are given at once: no lease after a TIMEOUT_NOW; and a restart, which forgets it: a node
 * refuses for one timeout after its start.
 */
#include "parts.h"

#define MILLION UINT64_C(1000000)

void dgraft_core_round_begin(struct dgraft_core *core)
{
    core->round++;
    core->round_sent_ns[core->round % DGRAFT_CORE_ROUNDS] = core->now_ns;
}

dgraft_time_ns dgraft_core_lease_until(const struct dgraft_core *core)
{
    if (core->config.lease_drift_ppm == 0 || core->role != DGRAFT_ROLE_LEADER || core->lease_void) {
        return 0;
    }
    const uint64_t round = dgraft_core_quorum(core, QUORUM_OF_ROUND);
    if (round == 0 || core->round - round >= DGRAFT_CORE_ROUNDS) {
        return 0;
    }
    const dgraft_time_ns lease_ns =
        core->config.election_timeout_ns / MILLION * (MILLION - core->config.lease_drift_ppm);
    return core->round_sent_ns[round % DGRAFT_CORE_ROUNDS] + lease_ns;
}

bool dgraft_core_lease_remembered(const struct dgraft_core *core)
{
    return core->config.lease_drift_ppm != 0 && core->now_ns - core->started_ns < core->config.election_timeout_ns;
}
