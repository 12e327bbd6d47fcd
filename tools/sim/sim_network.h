/* A network that loses, repeats, delays, overtakes, damages and parts. It decides the fate of each datagram; when one
 * arrives is planned by its owner.
 */
#ifndef SIM_NETWORK_H
#define SIM_NETWORK_H

#include "sim_counts.h"
#include "sim_random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_NODES_MAX 8u /* ids 1 to 7 */

struct sim_network_rates {
    uint32_t lost; /* per million datagrams */
    uint32_t twice;
    uint32_t late;
    uint32_t flipped;
    uint32_t cut;
    uint64_t delay_min_ns;
    uint64_t delay_max_ns;
    uint64_t late_max_ns; /* of a late one */
};

struct sim_packet {
    uint32_t from;
    uint32_t to;
    bool damaged;
    size_t size;
    uint8_t bytes[];
};

/* Plans the arrival of a packet, which is transferred, after delay_ns. */
typedef void sim_network_plan(void *context, uint64_t delay_ns, struct sim_packet *packet);

struct sim_network {
    struct sim_random random;
    struct sim_network_rates rates;
    struct sim_counts *counts;
    sim_network_plan *plan;
    void *context;
    uint64_t election_timeout_ns;               /* what counts as late */
    bool blocked[SIM_NODES_MAX][SIM_NODES_MAX]; /* [from][to] */
    uint64_t newest_ns[SIM_NODES_MAX][SIM_NODES_MAX];
};

/* Takes a datagram at time now_ns; bytes are copied. */
void sim_network_send(struct sim_network *network, uint64_t now_ns, uint32_t from, uint32_t to, const uint8_t *bytes,
                      size_t size);

/* Draws a partition of nodes 1 to node_count: both ways, one way, or with one node that both sides see. */
void sim_network_part(struct sim_network *network, uint32_t node_count);

/* Cuts one node off, both ways. */
void sim_network_isolate(struct sim_network *network, uint32_t node_count, uint32_t node);

/* Removes every partition. */
void sim_network_heal(struct sim_network *network);

#endif
