/* A window of appends that are on their way to one peer: at most inflight_max of them and, but for a single one,
 * inflight_bytes_max bytes.
 */
#include "parts.h"

bool dgraft_core_inflight_room(const struct dgraft_core *core, const struct peer *peer)
{
    return peer->inflight_count < core->config.inflight_max && peer->inflight_bytes < core->config.inflight_bytes_max;
}

void dgraft_core_inflight_push(struct dgraft_core *core, struct peer *peer, dgraft_index last, uint64_t bytes)
{
    DGRAFT_CORE_ASSERT(peer->inflight_count < core->config.inflight_max);
    uint32_t at = peer->inflight_head + peer->inflight_count;
    if (at >= core->config.inflight_max) {
        at -= core->config.inflight_max;
    }
    dgraft_core_ring(core, peer)[at] = (struct sent_append){.last = last, .bytes = bytes};
    peer->inflight_count++;
    peer->inflight_bytes += bytes;
}

void dgraft_core_inflight_free(struct dgraft_core *core, struct peer *peer, dgraft_index match)
{
    const struct sent_append *ring = dgraft_core_ring_const(core, peer);
    while (peer->inflight_count > 0 && ring[peer->inflight_head].last <= match) {
        DGRAFT_CORE_ASSERT(peer->inflight_bytes >= ring[peer->inflight_head].bytes);
        peer->inflight_bytes -= ring[peer->inflight_head].bytes;
        peer->inflight_head = peer->inflight_head + 1 == core->config.inflight_max ? 0 : peer->inflight_head + 1;
        peer->inflight_count--;
    }
}

void dgraft_core_inflight_reset(struct peer *peer)
{
    peer->inflight_head = 0;
    peer->inflight_count = 0;
    peer->inflight_bytes = 0;
}
