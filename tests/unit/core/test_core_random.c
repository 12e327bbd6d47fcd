/* Random schedules of whole clusters of cores; what is judged stands in core_cluster.c. */
#include "core_cluster.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct cluster *make(uint32_t count, uint64_t seed)
{
    struct cluster *cluster = calloc(1, sizeof *cluster);
    cluster_open(cluster, count, seed);
    return cluster;
}

static void trouble(struct cluster *cluster, uint32_t turn)
{
    const dgraft_node_id id = 1 + (dgraft_node_id)cluster_random(cluster, cluster->count);
    switch (cluster_random(cluster, 12)) {
    case 0:
        if (cluster->nodes[id].up) {
            cluster_crash(cluster, id);
        }
        break;
    case 1:
    case 2:
        if (!cluster->nodes[id].up) {
            cluster_start(cluster, id);
        }
        break;
    case 3:
        cluster_isolate(cluster, id);
        break;
    case 4:
        cluster->cut |= cluster_random(cluster, UINT64_C(1) << 30) << 9;
        break;
    case 5:
    case 6:
        cluster_heal(cluster);
        break;
    default:
        for (dgraft_node_id at = 1; at <= cluster->count; at++) {
            cluster_propose(cluster, at, 1 + turn % 20);
            cluster_read(cluster, at);
        }
    }
}

static void heal_and_demand(struct cluster *cluster, uint64_t seed)
{
    cluster_heal(cluster);
    cluster->loss_percent = 5;
    for (dgraft_node_id id = 1; id <= cluster->count; id++) {
        if (!cluster->nodes[id].up) {
            cluster_start(cluster, id);
        }
    }
    cluster_run(cluster, 2000 * MS, 50);
    dgraft_node_id leader = cluster_leader(cluster);
    for (uint32_t i = 0; leader == 0 && i < 20; i++) { /* between two heartbeats with loss */
        cluster_run(cluster, 50 * MS, 50);
        leader = cluster_leader(cluster);
    }
    cr_assert_neq(leader, 0u, "seed %u: a leader within 20 election timeouts", (unsigned)seed);
    cluster_propose(cluster, leader, 3);
    const dgraft_index last = rig_status(&cluster->nodes[leader].rig).last.index;
    cluster->loss_percent = 0;
    cluster_run(cluster, 1000 * MS, 50);
    for (dgraft_node_id id = 1; id <= cluster->count; id++) {
        cr_assert_geq(rig_status(&cluster->nodes[id].rig).commit, last, "seed %u: node %u commits", (unsigned)seed, id);
        cr_assert_geq(cluster->nodes[id].applied, last);
    }
}

static void campaign(uint32_t count, uint64_t first_seed, uint32_t seeds)
{
    uint64_t elections = 0;
    uint64_t truncations = 0;
    uint64_t reads = 0;
    uint64_t snapshots[4] = {0};
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        struct cluster *cluster = make(count, seed);
        cluster->loss_percent = (uint32_t)cluster_random(cluster, 31);
        cluster->repeat_percent = (uint32_t)cluster_random(cluster, 31);
        cluster->delay_max = MS * (1 + cluster_random(cluster, 40));
        cluster->snapshot_percent = seed % 2 == 0 ? (uint32_t)cluster_random(cluster, 400) : 0;
        const uint32_t write_percent = 5 + (uint32_t)cluster_random(cluster, 95);
        for (uint32_t turn = 0; turn < 60; turn++) {
            trouble(cluster, turn);
            cluster_run(cluster, MS * (1 + cluster_random(cluster, 100)), write_percent);
        }
        heal_and_demand(cluster, seed);
        elections += cluster->elections_won;
        truncations += cluster->truncations;
        reads += cluster->reads_ready;
        snapshots[0] += cluster->snapshots_made;
        snapshots[1] += cluster->compactions;
        snapshots[2] += cluster->snapshots_installed;
        snapshots[3] += cluster->snapshots_held;
        cluster_close(cluster);
        free(cluster);
    }
    cr_assert_gt(elections, seeds / 2);
    cr_assert_gt(reads, seeds / 2);
    cr_assert(count < 3 || truncations > 0, "some schedule truncated a log");
    cr_assert(snapshots[0] > 0 && snapshots[1] > 0, "some schedule made a snapshot and compacted");
    cr_assert(count < 3 || snapshots[2] > 0, "some schedule installed a snapshot");
    cr_log_info("%u nodes: %u snapshots, %u compactions, %u installed, %u held", count, (unsigned)snapshots[0],
                (unsigned)snapshots[1], (unsigned)snapshots[2], (unsigned)snapshots[3]);
}

static uint32_t seeds_wanted(uint32_t usual)
{
    const char *text = getenv("DGRAFT_CORE_SEEDS");
    return text == NULL ? usual : (uint32_t)strtoul(text, NULL, 10);
}

Test(random_schedules, keep_one_node_safe_and_live)
{
    campaign(1, 1000, seeds_wanted(20));
}

Test(random_schedules, keep_two_nodes_safe_and_live)
{
    campaign(2, 2000, seeds_wanted(40));
}

Test(random_schedules, keep_three_nodes_safe_and_live)
{
    campaign(3, 3000, seeds_wanted(60));
}

Test(random_schedules, keep_five_nodes_safe_and_live)
{
    campaign(5, 5000, seeds_wanted(40));
}
