#include "sim_network.h"

#include <stdlib.h>
#include <string.h>

static uint64_t draw_delay(struct sim_network *network)
{
    struct sim_random *random = &network->random;
    const struct sim_network_rates *rates = &network->rates;

    if (sim_random_chance(random, rates->late)) {
        uint64_t delay = sim_random_between(random, rates->delay_max_ns, rates->late_max_ns);
        if (sim_random_chance(random, 150000)) {
            /* From another age: leaders and terms have come and gone. */
            delay *= sim_random_between(random, 2, 10);
            network->counts->of[SIM_COUNT_DATAGRAM_ANCIENT]++;
        }
        if (delay > network->election_timeout_ns) {
            network->counts->of[SIM_COUNT_DATAGRAM_LATE]++;
        }
        return delay;
    }
    return sim_random_between(random, rates->delay_min_ns, rates->delay_max_ns);
}

/* Flips one bit, or cuts the end off. */
static void damage(struct sim_network *network, struct sim_packet *packet)
{
    struct sim_random *random = &network->random;

    if (sim_random_chance(random, network->rates.flipped) && packet->size > 0) {
        packet->bytes[sim_random_below(random, packet->size)] ^= (uint8_t)(1u << sim_random_below(random, 8));
        packet->damaged = true;
        network->counts->of[SIM_COUNT_DATAGRAM_FLIPPED]++;
    }
    if (sim_random_chance(random, network->rates.cut) && packet->size > 0) {
        packet->size = (size_t)sim_random_below(random, packet->size);
        packet->damaged = true;
        network->counts->of[SIM_COUNT_DATAGRAM_CUT]++;
    }
}

static void carry(struct sim_network *network, uint64_t now_ns, uint32_t from, uint32_t to, const uint8_t *bytes,
                  size_t size)
{
    struct sim_packet *packet = malloc(sizeof *packet + size);
    if (packet == NULL) {
        return;
    }
    packet->from = from;
    packet->to = to;
    packet->damaged = false;
    packet->size = size;
    if (size > 0) {
        memcpy(packet->bytes, bytes, size);
    }
    damage(network, packet);
    const uint64_t delay = draw_delay(network);
    if (now_ns + delay < network->newest_ns[from][to]) {
        network->counts->of[SIM_COUNT_DATAGRAM_OVERTOOK]++;
    } else {
        network->newest_ns[from][to] = now_ns + delay;
    }
    network->plan(network->context, delay, packet);
}

void sim_network_send(struct sim_network *network, uint64_t now_ns, uint32_t from, uint32_t to, const uint8_t *bytes,
                      size_t size)
{
    if (from >= SIM_NODES_MAX || to >= SIM_NODES_MAX) {
        return;
    }
    if (network->blocked[from][to]) {
        network->counts->of[SIM_COUNT_DATAGRAM_PARTED]++;
        return;
    }
    if (sim_random_chance(&network->random, network->rates.lost)) {
        network->counts->of[SIM_COUNT_DATAGRAM_LOST]++;
        return;
    }
    carry(network, now_ns, from, to, bytes, size);
    if (sim_random_chance(&network->random, network->rates.twice)) {
        network->counts->of[SIM_COUNT_DATAGRAM_TWICE]++;
        carry(network, now_ns, from, to, bytes, size);
    }
}

void sim_network_part(struct sim_network *network, uint32_t node_count)
{
    static const enum sim_count names[3] = {SIM_COUNT_PARTITION_BOTH, SIM_COUNT_PARTITION_ONE_WAY,
                                            SIM_COUNT_PARTITION_BRIDGE};
    const uint64_t kind = sim_random_below(&network->random, node_count > 2 ? 3 : 2);
    const uint32_t bridge = kind == 2 ? (uint32_t)sim_random_between(&network->random, 1, node_count) : 0;
    uint64_t side = 0;

    if (node_count < 2) {
        return;
    }
    while (side == 0 || side == (UINT64_C(1) << node_count) - 1) {
        side = sim_random_below(&network->random, UINT64_C(1) << node_count);
    }
    network->counts->of[names[kind]]++;
    for (uint32_t from = 1; from <= node_count; from++) {
        for (uint32_t to = 1; to <= node_count; to++) {
            const bool a = (side >> (from - 1) & 1u) != 0;
            const bool b = (side >> (to - 1) & 1u) != 0;
            if (a != b && from != bridge && to != bridge && (kind != 1 || a)) {
                network->blocked[from][to] = true;
            }
        }
    }
}

void sim_network_isolate(struct sim_network *network, uint32_t node_count, uint32_t node)
{
    network->counts->of[SIM_COUNT_PARTITION_LEADER]++;
    for (uint32_t other = 1; other <= node_count; other++) {
        network->blocked[node][other] = other != node;
        network->blocked[other][node] = other != node;
    }
}

void sim_network_heal(struct sim_network *network)
{
    memset(network->blocked, 0, sizeof network->blocked);
}
