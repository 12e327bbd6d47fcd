/* A node whose disk is full comes back when there is room, with what is on its disk, and with nothing else. */
#include "snapshot_rig.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define NODE 2u

static struct rig_cluster cluster;

struct call {
    struct dgraft_proposal proposal;
    struct iovec piece;
    uint8_t bytes[RIG_PAYLOAD];
    int answered;
    struct dgraft_proposal_answer answer;
};

static void on_answered(void *context, const struct dgraft_proposal_answer *answer)
{
    struct call *call = context;
    call->answered++;
    call->answer = *answer;
}

static void propose(dgraft_node_id id, struct call *call)
{
    *call = (struct call){.answered = 0};
    memset(call->bytes, 0xee, sizeof call->bytes);
    call->piece = (struct iovec){call->bytes, cluster.payload_bytes};
    call->proposal =
        (struct dgraft_proposal){.pieces = &call->piece, .piece_count = 1, .context = call, .answered = on_answered};
    cr_assert_eq(dgraft_driver_propose(cluster.nodes[id].driver, &call->proposal), DGRAFT_OK);
}

static void begin(void)
{
    rig_open(&cluster, 3, 0, 0, 1000);
    rig_start_all(&cluster);
    cluster.payload_bytes = 1000;
    rig_commit(&cluster, 10);
    cr_assert(rig_settled(&cluster, 1000));
}

/* Takes away all room that a disk has left. */
static void fill(dgraft_node_id id)
{
    memory_fs_room(cluster.nodes[id].disk, memory_fs_used(cluster.nodes[id].disk));
}

static void drain(dgraft_node_id id)
{
    memory_fs_room(cluster.nodes[id].disk, UINT64_MAX);
}

static void on_ended(void *context, enum dgraft_outcome how, dgraft_node_id leader)
{
    (void)context;
    (void)how;
    (void)leader;
}

static void have_lead(dgraft_node_id id)
{
    static struct dgraft_transfer transfer;
    for (int i = 0; i < 50 && rig_lead(&cluster) != id; i++) {
        transfer = (struct dgraft_transfer){.target = id, .ended = on_ended};
        cr_assert_eq(dgraft_driver_transfer(cluster.nodes[rig_lead(&cluster)].driver, &transfer), DGRAFT_OK);
        rig_run(&cluster, 500);
    }
    cr_assert_eq(rig_lead(&cluster), id);
}

Test(full_disks, of_a_follower_end_its_part_until_there_is_room)
{
    begin();
    have_lead(1);
    fill(NODE);
    rig_commit(&cluster, 30);
    struct dgraft_driver_status status = rig_status(&cluster, NODE);
    cr_assert(status.poisoned && status.core.poisoned && status.waits_for_room);
    cr_assert_not_null(strstr(status.poisoned_why.text, "make room on this file system"), "%s",
                       status.poisoned_why.text);
    const dgraft_index before = status.core.durable;
    rig_run(&cluster, 5000);
    status = rig_status(&cluster, NODE);
    cr_assert(status.poisoned && status.waits_for_room, "there is no room yet");
    cr_assert_eq(status.core.durable, before);
    cr_assert_eq(status.came_back, 0u);

    drain(NODE);
    cr_assert(rig_settled(&cluster, 3000));
    status = rig_status(&cluster, NODE);
    cr_assert(!status.poisoned && !status.core.poisoned && !status.waits_for_room);
    cr_assert_eq(status.came_back, 1u);
    cr_assert_eq(status.reopened, 0u);
    cr_assert_eq(cluster.nodes[NODE].machine.applied, 40u, "each command is applied once");
    rig_commit(&cluster, 5);
    cr_assert(rig_settled(&cluster, 1000));
    rig_close(&cluster);
}

Test(full_disks, of_a_leader_leave_what_was_under_way_unknown)
{
    static struct call calls[8];
    begin();
    have_lead(NODE);
    cluster.cut = dgraft_node_set_of(NODE);
    fill(NODE);
    for (size_t i = 0; i < 8; i++) {
        propose(NODE, &calls[i]);
    }
    rig_run(&cluster, 2);
    cluster.payload_bytes = 1000;
    struct dgraft_driver_status status = rig_status(&cluster, NODE);
    cr_assert(status.waits_for_room);
    for (size_t i = 0; i < 8; i++) {
        cr_assert_eq(calls[i].answered, 1, "call %zu", i);
        cr_assert_eq(calls[i].answer.fate, DGRAFT_PROPOSAL_UNKNOWN, "call %zu", i);
    }
    static struct call late;
    propose(NODE, &late);
    rig_run(&cluster, 2);
    cr_assert_eq(late.answer.fate, DGRAFT_PROPOSAL_REFUSED);
    rig_commit(&cluster, 3);
    drain(NODE);
    cluster.cut = 0;
    cr_assert(rig_settled(&cluster, 4000));
    cr_assert_eq(rig_status(&cluster, NODE).came_back, 1u);
    rig_close(&cluster);
}

/* 1. Node 2 leads, is cut off, and has entries on its disk that nobody else has.
 * 2. The others commit as many and more. When node 2 hears of it, and that they are committed, its disk is full.
 * 3. What stands on its disk at those places is not what is committed: it must not be applied. */
Test(full_disks, do_not_make_an_overwritten_entry_pass_for_the_committed_one)
{
    static struct call calls[3];
    begin();
    have_lead(NODE);
    cluster.cut = dgraft_node_set_of(NODE);
    for (size_t i = 0; i < 3; i++) {
        propose(NODE, &calls[i]);
    }
    rig_run(&cluster, 20);
    const struct dgraft_core_status own = rig_status(&cluster, NODE).core;
    cr_assert_eq(own.durable, own.commit + 3);
    rig_commit(&cluster, 12);
    fill(NODE);
    cluster.cut = 0;
    for (int i = 0; i < 3000 && !rig_status(&cluster, NODE).waits_for_room; i++) {
        rig_run(&cluster, 1);
    }
    const struct dgraft_core_status full = rig_status(&cluster, NODE).core;
    cr_assert(rig_status(&cluster, NODE).waits_for_room);
    cr_assert_gt(full.commit, own.commit, "it has heard of the commit");
    cr_assert_eq(full.applied, own.commit);
    cluster.cut = dgraft_node_set_of(NODE); /* nobody mends it before it shows what it takes for committed */
    drain(NODE);
    rig_run(&cluster, 2500);
    const struct dgraft_driver_status back = rig_status(&cluster, NODE);
    cr_assert_eq(back.came_back, 1u);
    cr_assert_eq(back.core.commit, own.commit);
    cr_assert_eq(back.core.last.index, own.durable);
    cr_assert(rig_right(&cluster, &cluster.nodes[NODE].machine));
    cluster.cut = 0;
    cr_assert(rig_settled(&cluster, 3000));
    rig_close(&cluster);
}

/* Fails one call of a follower's disk. Returns whether one did. */
static bool fail_one(uint64_t call, int error, char what[32])
{
    size_t count = 0;
    struct memory_fs *disk = cluster.nodes[NODE].disk;
    memory_fs_fail_at(disk, memory_fs_calls(disk) + call, error, false);
    rig_commit(&cluster, 6);
    const struct memory_fs_call *failed = memory_fs_failed(disk, &count);
    what[0] = '\0';
    if (count > 0) {
        (void)strncat(what, failed[0].call, 31);
    }
    return count > 0;
}

Test(full_disks, are_come_back_from_and_failed_syncs_and_other_errors_are_not)
{
    unsigned came_back = 0;
    unsigned syncs = 0;
    for (uint64_t call = 1; call <= 24; call++) {
        for (int full = 0; full < 2; full++) {
            char what[32];
            begin();
            have_lead(1);
            cr_assert(fail_one(call, full != 0 ? ENOSPC : EIO, what));
            rig_run(&cluster, 3000);
            const struct dgraft_driver_status status = rig_status(&cluster, NODE);
            const bool sync = strncmp(what, "sync", 4) == 0;
            if (full != 0 && !sync) {
                cr_assert_not(status.poisoned, "call %llu, %s: %s", (unsigned long long)call, what,
                              status.poisoned_why.text);
                cr_assert(rig_settled(&cluster, 2000), "call %llu, %s", (unsigned long long)call, what);
                came_back += status.came_back > 0;
            } else {
                cr_assert_eq(status.came_back, 0u, "call %llu, %s", (unsigned long long)call, what);
                cr_assert_not(status.waits_for_room);
                syncs += sync && status.poisoned;
            }
            rig_close(&cluster);
        }
    }
    cr_assert_geq(came_back, 6u);
    cr_assert_geq(syncs, 6u);
}

static bool half(void *context, size_t which)
{
    (void)context;
    return which % 2 == 0;
}

/* Every call of the way back is refused for want of room once: it is tried again, and what the node then acknowledges
 * outlasts a loss of power. */
Test(full_disks, that_fill_up_again_on_the_way_back_are_tried_again, .timeout = 60)
{
    uint64_t call = 0;
    uint64_t final = 0;
    size_t met = 0;
    do {
        struct memory_fs *disk;
        struct dgraft_why why = {""};
        begin();
        have_lead(1);
        disk = cluster.nodes[NODE].disk;
        fill(NODE);
        rig_commit(&cluster, 12);
        cr_assert(rig_status(&cluster, NODE).waits_for_room);
        drain(NODE);
        cluster.cut = dgraft_node_set_of(NODE); /* no writes but those of the way back */
        memory_fs_fail_at(disk, memory_fs_calls(disk) + ++call, ENOSPC, false);
        rig_run(&cluster, 4500);
        const struct memory_fs_call *failed = memory_fs_failed(disk, &met);
        const struct dgraft_driver_status back = rig_status(&cluster, NODE);
        if (back.poisoned && !back.waits_for_room) { /* a file that the store reads, once it is open */
            cr_assert(strcmp(failed->call, "open") == 0 || strcmp(failed->call, "read") == 0, "call %llu: %s of %s",
                      (unsigned long long)call, failed->call, failed->path);
            final++;
            rig_close(&cluster);
            continue;
        }
        cr_assert_eq(back.came_back, 1u, "call %llu: %s", (unsigned long long)call, back.poisoned_why.text);
        cr_assert_not(back.poisoned);
        memory_fs_fail_at(disk, 0, 0, false);
        rig_kill(&cluster, NODE, call % 2 == 0 ? half : NULL, NULL);
        cr_assert_eq(rig_start(&cluster, NODE, &why), DGRAFT_OK, "call %llu: %s", (unsigned long long)call, why.text);
        cr_assert_geq(rig_status(&cluster, NODE).core.last.index, back.core.durable, "call %llu",
                      (unsigned long long)call);
        cluster.cut = 0;
        cr_assert(rig_settled(&cluster, 3000), "call %llu", (unsigned long long)call);
        rig_close(&cluster);
    } while (met > 0 && call < 200);
    cr_assert_gt(call, 30u);
    cr_assert_lt(call, 200u);
    cr_assert_leq(final, 12u);
}
