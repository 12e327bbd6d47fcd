/* A core from a block that came back from a file: everything that a step would use as an index or a flag is looked at
 * first, so that whatever was in the file no step leaves the block. */
#include "parts.h"

#include <string.h>

static bool flag(const bool *value)
{
    unsigned char byte;
    memcpy(&byte, value, sizeof byte);
    return byte <= 1;
}

static bool flags_valid(const struct dgraft_core *core)
{
    return flag(&core->started) && flag(&core->poisoned) && flag(&core->requests_due) && flag(&core->grant_due) &&
           flag(&core->ack_due) && flag(&core->refuse_due) && flag(&core->members_due) && flag(&core->change_pending) &&
           flag(&core->campaign_by_transfer) && flag(&core->read_asked) && flag(&core->snapshot_ack_due) &&
           flag(&core->transfer.asked) && flag(&core->lease_void) && flag(&core->disk_full) &&
           flag(&core->disk_alarm) && flag(&core->repairing) && flag(&core->reopen_due) && flag(&core->reopen_asked) &&
           flag(&core->mending);
}

static bool rings_valid(const struct dgraft_core *core)
{
    const struct dgraft_config *config = &core->config;
    return core->writes_head < DGRAFT_CORE_WRITES && core->writes_count <= DGRAFT_CORE_WRITES &&
           core->marks_head < DGRAFT_CORE_MARKS && core->marks_count <= DGRAFT_CORE_MARKS &&
           core->runs_head < config->runs_max && core->runs_count <= config->runs_max &&
           core->reads_head < config->reads_max && core->reads_count <= config->reads_max &&
           core->damage_count <= DGRAFT_DAMAGE_MAX && (core->damage_count == 0 || core->repairing);
}

static bool peer_valid(const struct dgraft_core *core, const struct peer *peer)
{
    return flag(&peer->probing) && flag(&peer->probe_due) && flag(&peer->send_pending) && flag(&peer->blocked) &&
           flag(&peer->lookup_pending) && flag(&peer->added) && flag(&peer->caught_up) && flag(&peer->snapshot_slow) &&
           flag(&peer->snapshot_wanted) && peer->inflight_head < core->config.inflight_max &&
           peer->inflight_count <= core->config.inflight_max;
}

/* Every slot that can be found by an id is that id's. */
static bool peers_valid(const struct dgraft_core *core)
{
    uint32_t found = 0;
    if (core->peer_count > core->config.members_max || core->slot_of[0] != 0) {
        return false;
    }
    for (uint32_t id = 1; id <= DGRAFT_NODE_ID_MAX; id++) {
        const uint32_t slot = core->slot_of[id];
        if (slot > core->peer_count || (slot != 0 && core->peers[slot - 1].id != id)) {
            return false;
        }
        found += slot != 0;
    }
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (!peer_valid(core, &core->peers[i])) {
            return false;
        }
    }
    return found == core->peer_count;
}

static bool roles_valid(const struct dgraft_core *core)
{
    return core->role >= DGRAFT_ROLE_FOLLOWER && core->role <= DGRAFT_ROLE_LEADER &&
           core->leader <= DGRAFT_NODE_ID_MAX && core->vote <= DGRAFT_NODE_ID_MAX &&
           core->written_vote <= DGRAFT_NODE_ID_MAX && core->durable_vote <= DGRAFT_NODE_ID_MAX &&
           core->read_leader <= DGRAFT_NODE_ID_MAX && core->transfer.target <= DGRAFT_NODE_ID_MAX &&
           (!core->grant_due || core->vote != 0);
}

/* What a roll-back would go back to; the one in force is dgraft_core_check's. */
static bool before_valid(const struct dgraft_core *core)
{
    return core->before.voters == 0 || dgraft_core_membership_valid(core, &core->before);
}

struct dgraft_core *dgraft_core_adopt(void *memory, const struct dgraft_config *config)
{
    struct dgraft_core *core = memory;
    if (dgraft_config_check(config, NULL) != DGRAFT_OK || memcmp(&core->config, config, sizeof *config) != 0 ||
        !dgraft_core_offsets_valid(core) || !flags_valid(core) || !rings_valid(core) || !roles_valid(core) ||
        !peers_valid(core)) {
        return NULL;
    }
    if (core->started && (!before_valid(core) || dgraft_core_check(core) != NULL)) {
        return NULL;
    }
    return core;
}
