/* Nodes that were removed are sent the log up to their own removal, until they have acknowledged it or a deadline has
 * passed. Without it they would go on asking for votes; those who hear a leader refuse them, so it is a courtesy and
 * not a matter of safety [§4.2.3]. They stay peers for this time, and count for nothing.
 */
#include "parts.h"

/* How long a removed node is told, in election timeouts, once its removal is committed. */
#define TELL_TIMEOUTS 4u

static void deadline_set(struct dgraft_core *core)
{
    core->departing_until_ns = dgraft_core_after(core, TELL_TIMEOUTS * core->config.election_timeout_ns);
}

/* Takes up whoever was a member before the newest membership, and is none in it. There are never more peers than a
 * membership may have members: new ones take the places of those who leave. */
void dgraft_core_departing_add(struct dgraft_core *core)
{
    if (core->role != DGRAFT_ROLE_LEADER) {
        return;
    }
    const dgraft_node_set all = dgraft_membership_all(&core->membership);
    const dgraft_node_set gone = dgraft_membership_all(&core->before) & ~all & ~dgraft_node_set_of(core->config.self);
    core->departing &= ~all;
    if (gone != 0) {
        core->departing |= gone;
        core->departing_index = core->membership.index;
        core->departing_round = 0;
        deadline_set(core);
    }
    while (dgraft_node_set_count(all | core->departing) > core->config.members_max) {
        core->departing &= core->departing - 1;
    }
}

void dgraft_core_departing_end(struct dgraft_core *core)
{
    core->departing_round = 0;
    if (core->departing != 0) {
        core->departing = 0;
        dgraft_core_peers_build(core, 0);
    }
}

/* Lets those go who know it: they hold the entry, and have answered a heartbeat that said that it is committed. Entries
 * may be on their way when the first one is sent: it then stands at what is acknowledged, and cannot say it
 * (replicate.c). The next one can; without it such a node would campaign for ever, since it may as long as its removal
 * may be undone. */
void dgraft_core_departing_progress(struct step *step)
{
    struct dgraft_core *core = step->core;
    dgraft_node_set told = 0;
    if (core->commit >= core->departing_index && core->departing_round == 0) {
        core->departing_round = core->round + 1;
        step->broadcast = true;
        deadline_set(core);
    }
    if (core->now_ns >= core->departing_until_ns) {
        told = core->departing;
    }
    for (uint32_t i = 0; i < core->peer_count && core->departing_round != 0; i++) {
        const struct peer *peer = &core->peers[i];
        if (!dgraft_node_set_has(core->departing, peer->id) || peer->match < core->departing_index ||
            peer->acked_round < core->departing_round) {
            continue;
        }
        if (peer->commit_told >= core->departing_index) {
            told |= dgraft_node_set_of(peer->id);
        } else {
            core->departing_round = core->round + 1;
            step->broadcast = true;
        }
    }
    if (told != 0) {
        core->departing &= ~told;
        dgraft_core_peers_build(core, 0);
    }
}
