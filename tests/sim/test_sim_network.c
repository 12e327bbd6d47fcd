#include "sim_network.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct heard {
    unsigned arrived;
    unsigned damaged;
    uint64_t shortest_ns;
    uint64_t longest_ns;
};

static const uint8_t sent[40] = "the bytes that were sent, all the same";

static void hear(void *context, uint64_t delay_ns, struct sim_packet *packet)
{
    struct heard *heard = context;
    const bool same = packet->size == sizeof sent && memcmp(packet->bytes, sent, sizeof sent) == 0;

    cr_assert_eq(same, !packet->damaged);
    heard->arrived++;
    heard->damaged += packet->damaged;
    heard->shortest_ns = delay_ns < heard->shortest_ns ? delay_ns : heard->shortest_ns;
    heard->longest_ns = delay_ns > heard->longest_ns ? delay_ns : heard->longest_ns;
    free(packet);
}

static struct sim_counts counts;

static struct sim_network network_for(struct heard *heard)
{
    *heard = (struct heard){.shortest_ns = UINT64_MAX};
    memset(&counts, 0, sizeof counts);
    return (struct sim_network){.random = {.state = 7},
                                .rates = {.delay_min_ns = 1000, .delay_max_ns = 2000, .late_max_ns = 9000},
                                .counts = &counts,
                                .plan = hear,
                                .context = heard,
                                .election_timeout_ns = 5000};
}

static void send_many(struct sim_network *network)
{
    for (uint64_t i = 0; i < 10000; i++) {
        sim_network_send(network, i, 1, 2, sent, sizeof sent);
    }
}

Test(network, a_good_one_delivers_everything_once_and_in_time)
{
    struct heard heard;
    struct sim_network network = network_for(&heard);
    send_many(&network);
    cr_assert_eq(heard.arrived, 10000u);
    cr_assert_eq(heard.damaged, 0u);
    cr_assert_geq(heard.shortest_ns, 1000u);
    cr_assert_leq(heard.longest_ns, 2000u);
    cr_assert_gt(counts.of[SIM_COUNT_DATAGRAM_OVERTOOK], 1000u);
}

Test(network, loses_and_repeats_at_its_rates)
{
    struct heard heard;
    struct sim_network network = network_for(&heard);
    network.rates.lost = 100000;
    send_many(&network);
    cr_assert(heard.arrived > 8700 && heard.arrived < 9300);
    cr_assert_eq(heard.arrived + counts.of[SIM_COUNT_DATAGRAM_LOST], 10000u);
    network = network_for(&heard);
    network.rates.twice = 100000;
    send_many(&network);
    cr_assert(heard.arrived > 10700 && heard.arrived < 11300);
}

Test(network, damages_and_delays_at_its_rates)
{
    struct heard heard;
    struct sim_network network = network_for(&heard);
    network.rates.flipped = 50000;
    network.rates.cut = 50000;
    network.rates.late = 100000;
    send_many(&network);
    cr_assert(heard.damaged > 700 && heard.damaged < 1300);
    cr_assert_gt(heard.longest_ns, 20000u, "some from another age");
    cr_assert_gt(counts.of[SIM_COUNT_DATAGRAM_LATE], 100u);
}

Test(network, a_partition_stops_what_it_should_and_heals)
{
    bool one_way = false;
    bool both = false;
    bool bridge = false;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct heard heard;
        struct sim_network network = network_for(&heard);
        unsigned blocked = 0;
        unsigned mirrored = 0;
        network.random.state = seed;
        sim_network_part(&network, 5);
        for (uint32_t a = 1; a <= 5; a++) {
            cr_assert_not(network.blocked[a][a]);
            for (uint32_t b = 1; b <= 5; b++) {
                blocked += network.blocked[a][b];
                mirrored += network.blocked[a][b] && network.blocked[b][a];
            }
        }
        one_way = one_way || (blocked > 0 && mirrored == 0);
        both = both || counts.of[SIM_COUNT_PARTITION_BOTH] > 0;
        bridge = bridge || counts.of[SIM_COUNT_PARTITION_BRIDGE] > 0;
        sim_network_heal(&network);
        send_many(&network);
        cr_assert_eq(heard.arrived, 10000u);
    }
    cr_assert(one_way && both && bridge);
}
