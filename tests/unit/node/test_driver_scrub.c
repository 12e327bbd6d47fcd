/* What rots on a node's disk is found in the background, and had from the others, before anybody wanted to read it. */
#include "snapshot_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define NODE 2u

static struct rig_cluster cluster;

static void begin(uint64_t snapshot_every)
{
    rig_open(&cluster, 3, snapshot_every, 4, 1000);
    cluster.nodes[NODE].options.scrub_bytes_per_s = 64u * 1024 * 1024;
    rig_start_all(&cluster);
    cluster.payload_bytes = 1000;
    rig_commit(&cluster, 40);
    cr_assert(rig_settled(&cluster, 1000));
}

/* Runs until everything was looked at so often more. */
static void pass(uint64_t times)
{
    const uint64_t before = rig_status(&cluster, NODE).storage.scrub_passes;
    for (int i = 0; i < 20000 && rig_status(&cluster, NODE).storage.scrub_passes < before + times; i++) {
        rig_run(&cluster, 1);
    }
    cr_assert_geq(rig_status(&cluster, NODE).storage.scrub_passes, before + times);
}

/* Flips a bit of a file. */
static void rot(const char *path, uint64_t offset)
{
    uint64_t size;
    uint8_t *bytes = memory_fs_bytes(cluster.nodes[NODE].disk, path, &size);
    cr_assert_not_null(bytes);
    cr_assert_lt(offset, size);
    bytes[offset] ^= 1;
}

/* Runs until damage was found, and mended. */
static void heal(void)
{
    for (int i = 0; i < 5000 && rig_status(&cluster, NODE).scrub_found == 0; i++) {
        rig_run(&cluster, 1);
    }
    cr_assert_eq(rig_status(&cluster, NODE).scrub_found, 1u);
    for (int i = 0; i < 5000 && rig_status(&cluster, NODE).core.repairing; i++) {
        rig_run(&cluster, 1);
    }
}

static void check_whole(void)
{
    struct dgraft_why why = {""};
    const struct dgraft_driver_status status = rig_status(&cluster, NODE);
    cr_assert_not(status.poisoned, "%s", status.poisoned_why.text);
    cr_assert_not(status.core.repairing);
    pass(3);
    cr_assert_eq(rig_status(&cluster, NODE).scrub_found, 1u, "what is mended is found no more");
    rig_commit(&cluster, 5);
    cr_assert(rig_settled(&cluster, 1000));
    cr_assert_eq(cluster.nodes[NODE].machine.applied, 45u, "each command is applied once");
    for (dgraft_node_id id = 1; id <= 3; id++) {
        cr_assert(id == NODE || rig_status(&cluster, id).reopened == 0);
    }
    rig_kill(&cluster, NODE, NULL, NULL);
    cr_assert_eq(rig_start(&cluster, NODE, &why), DGRAFT_OK, "%s", why.text);
    cr_assert_not(rig_status(&cluster, NODE).core.repairing);
    cr_assert(rig_settled(&cluster, 2000));
}

Test(scrub, finds_a_bit_that_rotted_in_an_old_segment_and_the_others_mend_it)
{
    for (uint64_t offset = 4096; offset < 7300; offset += 397) { /* heads and payloads */
        begin(0);
        const dgraft_term term = rig_status(&cluster, NODE).core.term;
        rot("node/log-0000000000000003", offset);
        heal();
        cr_assert_eq(rig_status(&cluster, NODE).core.term, term, "nobody campaigned");
        check_whole();
        rig_close(&cluster);
    }
}

Test(scrub, finds_a_header_and_a_segment_that_are_lost)
{
    begin(0);
    rot("node/log-0000000000000003", 20);
    heal();
    check_whole();
    rig_close(&cluster);

    begin(0);
    struct dgraft_fs *fs = memory_fs_seam(cluster.nodes[NODE].disk);
    cr_assert_eq(fs->ops->unlink(fs, "node/log-0000000000000004"), 0);
    heal();
    check_whole();
    rig_close(&cluster);
}

Test(scrub, finds_a_snapshot_that_rotted)
{
    char path[96];
    begin(15);
    const struct dgraft_position at = rig_status(&cluster, NODE).core.snapshot.position;
    cr_assert_gt(at.index, 0u);
    (void)snprintf(path, sizeof path, "node/snapshot-%016llu-%016llu", (unsigned long long)at.index,
                   (unsigned long long)at.term);
    rot(path, 4096 + 2500);
    heal();
    cr_assert(rig_settled(&cluster, 3000));
    cr_assert_not(rig_status(&cluster, NODE).poisoned, "%s", rig_status(&cluster, NODE).poisoned_why.text);
    rig_close(&cluster);
}

/* Of the newest batch, before anything marks it, a start cannot tell rot from a write that was never finished, and cuts
 * it. Here it is known to be acknowledged. */
Test(scrub, does_not_have_the_newest_entry_cut_that_was_acknowledged)
{
    static const char path[] = "node/log-0000000000000002"; /* a format makes the first */
    uint64_t size = 0;
    rig_open(&cluster, 3, 0, 4, 1000);
    cluster.nodes[NODE].options.scrub_bytes_per_s = UINT64_C(1) << 30;
    rig_start_all(&cluster);
    rig_commit(&cluster, 3);
    rig_run(&cluster, 3);
    const struct dgraft_core_status before = rig_status(&cluster, NODE).core;
    const uint8_t *bytes = memory_fs_bytes(cluster.nodes[NODE].disk, path, &size);
    while (size > 0 && bytes[size - 1] == 0) {
        size--;
    }
    rot(path, size - 1);
    for (int i = 0; i < 30 && rig_status(&cluster, NODE).scrub_found == 0; i++) {
        rig_run(&cluster, 1);
    }
    cr_assert_eq(rig_status(&cluster, NODE).scrub_found, 1u);
    rig_run(&cluster, 5);
    const struct dgraft_driver_status status = rig_status(&cluster, NODE);
    cr_assert(status.poisoned && !status.waits_for_room);
    cr_assert_not_null(strstr(status.poisoned_why.text, "was acknowledged"), "%s", status.poisoned_why.text);
    cr_assert_eq(status.core.last.index, before.last.index);
    rig_close(&cluster);
}

static void on_answered(void *context, const struct dgraft_proposal_answer *answer)
{
    (void)context;
    cr_assert_neq(answer->fate, DGRAFT_PROPOSAL_COMMITTED);
}

static void on_released(void *context)
{
    (void)context;
}

/* Logs that part, are cut and overwritten, compacted, and written while they are looked at. */
Test(scrub, finds_nothing_where_nothing_is_damaged)
{
    rig_open(&cluster, 3, 20, 4, 1000);
    for (dgraft_node_id id = 1; id <= 3; id++) {
        cluster.nodes[id].options.scrub_bytes_per_s = 64u * 1024 * 1024;
    }
    rig_start_all(&cluster);
    for (uint32_t i = 0; i < 30; i++) {
        cluster.payload_bytes = 8 + i * 211;
        cluster.lose_of_8 = i % 3;
        const dgraft_node_id leader = rig_lead(&cluster);
        static struct dgraft_proposal lost[30];
        static uint8_t bytes[RIG_PAYLOAD];
        static struct iovec piece = {bytes, 500};
        rig_commit(&cluster, 3);
        if (i % 5 == 4) { /* what a leader writes alone is overwritten later */
            cluster.cut = dgraft_node_set_of(leader);
            lost[i] = (struct dgraft_proposal){
                .pieces = &piece, .piece_count = 1, .answered = on_answered, .released = on_released};
            cr_assert_eq(dgraft_driver_propose(cluster.nodes[leader].driver, &lost[i]), DGRAFT_OK);
            rig_run(&cluster, 50);
            rig_commit(&cluster, 2);
            cluster.cut = 0;
        }
    }
    cluster.lose_of_8 = 0;
    cr_assert(rig_settled(&cluster, 5000));
    pass(3);
    for (dgraft_node_id id = 1; id <= 3; id++) {
        const struct dgraft_driver_status status = rig_status(&cluster, id);
        cr_assert_eq(status.scrub_found, 0u);
        cr_assert_eq(status.reopened, 0u);
        cr_assert_gt(status.storage.scrub_passes, 3u);
        cr_assert_gt(status.storage.scrubbed_bytes, 20000u);
    }
    rig_close(&cluster);
}
