/* What a majority has reached, in both halves of a joint membership [§4.3]. */
#include "parts.h"

uint64_t dgraft_core_majority_value(uint64_t *values, uint32_t count)
{
    DGRAFT_CORE_ASSERT(count >= 1);
    if (count == 3) { /* most clusters; the middle one, without sorting */
        const uint64_t low = values[0] < values[1] ? values[0] : values[1];
        const uint64_t high = values[0] < values[1] ? values[1] : values[0];
        return values[2] <= low ? low : values[2] >= high ? high : values[2];
    }
    for (uint32_t i = 1; i < count; i++) { /* largest first; there are at most a handful */
        const uint64_t value = values[i];
        uint32_t at = i;
        while (at > 0 && values[at - 1] < value) {
            values[at] = values[at - 1];
            at--;
        }
        values[at] = value;
    }
    return values[count / 2];
}

/* A node counts itself by its own disk, like everyone else [§10.2.1]; for rounds and time it has always just answered.
 */
static uint64_t value_of(const struct dgraft_core *core, dgraft_node_id id, enum quorum_of what)
{
    const struct peer *peer = core->slot_of[id] == 0 ? NULL : &core->peers[core->slot_of[id] - 1];
    const bool self = id == core->config.self;
    if (!self && peer == NULL) {
        return 0;
    }
    switch (what) {
    case QUORUM_OF_MATCH:
        return self ? core->durable : peer->match;
    case QUORUM_OF_ROUND:
        return self ? core->round : peer->acked_round;
    case QUORUM_OF_ANSWERED:
        return self ? core->now_ns : peer->answered_at_ns;
    }
    return 0;
}

static uint64_t majority_of(const struct dgraft_core *core, dgraft_node_set set, enum quorum_of what)
{
    uint64_t values[2 * DGRAFT_MEMBERS_MAX];
    uint32_t count = 0;
    for (; set != 0; set &= set - 1) {
        values[count++] = value_of(core, dgraft_node_set_first(set), what);
    }
    return dgraft_core_majority_value(values, count);
}

uint64_t dgraft_core_quorum(const struct dgraft_core *core, enum quorum_of what)
{
    const uint64_t incoming = majority_of(core, core->membership.voters, what);
    if (core->membership.outgoing == 0) {
        return incoming;
    }
    const uint64_t outgoing = majority_of(core, core->membership.outgoing, what);
    return incoming < outgoing ? incoming : outgoing;
}
