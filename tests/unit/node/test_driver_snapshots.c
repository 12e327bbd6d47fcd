/* Snapshots through drivers: made, compacted behind, sent to who lags, resumed, taken up; and every crash on the way.
 */
#include "snapshot_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct rig_cluster cluster;

Test(snapshots, are_made_by_and_by_and_the_log_is_compacted_behind_them)
{
    rig_open(&cluster, 1, 100, 20, 1000);
    rig_start_all(&cluster);
    rig_commit(&cluster, 450);
    rig_run(&cluster, 100);
    const struct dgraft_driver_status status = rig_status(&cluster, 1);
    cr_assert_eq(status.snapshots.made, 4u);
    cr_assert_geq(status.core.snapshot.position.index, 400u);
    cr_assert_eq(status.core.compacted.index, status.core.snapshot.position.index - 20);
    cr_assert_gt(status.storage.segments_dropped, 2u);
    rig_close(&cluster);
}

Test(snapshots, are_what_a_start_begins_with)
{
    struct dgraft_why why = {""};
    rig_open(&cluster, 1, 100, 20, 1000);
    rig_start_all(&cluster);
    rig_commit(&cluster, 250);
    rig_run(&cluster, 50);
    rig_kill(&cluster, 1, NULL, NULL);
    cr_assert_eq(rig_start(&cluster, 1, &why), DGRAFT_OK, "%s", why.text);
    cr_assert_eq(cluster.nodes[1].machine.restored, 1u);
    cr_assert_gt(cluster.nodes[1].machine.count, 190u, "before anything is applied");
    cr_assert(rig_settled(&cluster, 2000));
    cr_assert_lt(cluster.nodes[1].machine.applied, 80u, "what the snapshot holds is not applied again");
    rig_commit(&cluster, 200);
    rig_run(&cluster, 50);
    cr_assert_geq(rig_status(&cluster, 1).core.snapshot.position.index, 400u);
    rig_close(&cluster);
}

Test(snapshots, are_made_when_asked_for)
{
    rig_open(&cluster, 1, 0, 5, 1000);
    rig_start_all(&cluster);
    rig_commit(&cluster, 30);
    cr_assert_eq(dgraft_driver_snapshot(cluster.nodes[1].driver), DGRAFT_OK);
    cr_assert_eq(dgraft_driver_snapshot(cluster.nodes[1].driver), DGRAFT_STATUS_BUSY);
    cr_assert_eq(dgraft_driver_wake_at(cluster.nodes[1].driver), 0u);
    rig_run(&cluster, 20);
    cr_assert_eq(rig_status(&cluster, 1).snapshots.made, 1u);
    cr_assert_gt(dgraft_driver_wake_at(cluster.nodes[1].driver), 0u);
    cluster.nodes[1].driver->options.machine.snapshot = NULL;
    cr_assert_eq(dgraft_driver_snapshot(cluster.nodes[1].driver), DGRAFT_STATUS_UNSUPPORTED);
    rig_close(&cluster);
}

Test(snapshots, that_the_machine_or_the_disk_refuses_leave_the_node_as_it_is)
{
    rig_open(&cluster, 1, 50, 5, 1000);
    cluster.nodes[1].machine.refuses = true;
    rig_start_all(&cluster);
    rig_commit(&cluster, 120);
    cr_assert_eq(rig_status(&cluster, 1).snapshots.made, 0u);
    cr_assert_eq(rig_status(&cluster, 1).snapshots.failed, 2u);
    cluster.nodes[1].machine.refuses = false;
    memory_fs_room(cluster.nodes[1].disk, 2000000);
    cluster.nodes[1].machine.padding = 2500000;
    rig_commit(&cluster, 60);
    cr_assert_eq(rig_status(&cluster, 1).snapshots.made, 0u);
    cr_assert_eq(rig_status(&cluster, 1).snapshots.failed, 3u);
    cr_assert(!rig_status(&cluster, 1).poisoned);
    cluster.nodes[1].machine.padding = 1000;
    rig_commit(&cluster, 60);
    rig_run(&cluster, 50);
    cr_assert_eq(rig_status(&cluster, 1).snapshots.made, 1u);
    rig_close(&cluster);
}

struct retry {
    struct dgraft_proposal proposal;
    struct iovec piece;
    uint8_t bytes[8];
    int answered;
    struct dgraft_proposal_answer answer;
    uint64_t remembered;
};

static void on_answered(void *context, const struct dgraft_proposal_answer *answer)
{
    struct retry *retry = context;
    retry->answered++;
    retry->answer = *answer;
    retry->remembered = answer->remembered != NULL ? dgraft_get_u64(answer->remembered->bytes) : 0;
}

static void call(struct retry *retry, dgraft_node_id id, dgraft_index session, uint64_t sequence)
{
    *retry = (struct retry){.answered = 0};
    dgraft_put_u64(retry->bytes, 1000 + cluster.proposed);
    retry->piece = (struct iovec){retry->bytes, sizeof retry->bytes};
    retry->proposal = (struct dgraft_proposal){.pieces = &retry->piece,
                                               .piece_count = 1,
                                               .context = retry,
                                               .answered = on_answered,
                                               .session = session,
                                               .sequence = sequence};
    if (session == 0) {
        cr_assert_eq(dgraft_driver_session_open(cluster.nodes[id].driver, &retry->proposal, UINT64_C(1) << 50),
                     DGRAFT_OK);
    } else {
        cr_assert_eq(dgraft_driver_propose(cluster.nodes[id].driver, &retry->proposal), DGRAFT_OK);
    }
    for (int ms = 0; ms < 1000 && retry->answered == 0; ms++) {
        rig_run(&cluster, 1);
    }
    cr_assert_eq(retry->answered, 1);
    cr_assert_eq(retry->answer.fate, DGRAFT_PROPOSAL_COMMITTED);
}

Test(snapshots, hold_the_sessions_so_that_a_retry_applies_once)
{
    static struct retry opened;
    static struct retry first;
    static struct retry again;
    struct dgraft_why why = {""};
    rig_open(&cluster, 1, 50, 5, 1000);
    rig_start_all(&cluster);
    rig_commit(&cluster, 10);
    call(&opened, 1, 0, 0);
    const dgraft_index session = opened.answer.position.index;
    call(&first, 1, session, 9);
    cluster.chains[cluster.proposed + 1] = cluster.nodes[1].machine.chain;
    cluster.proposed++;
    rig_commit(&cluster, 150);
    rig_run(&cluster, 50);
    cr_assert_gt(rig_status(&cluster, 1).core.compacted.index, session + 50, "its entries are gone");
    const uint64_t digest = dgraft_driver_sessions_digest(cluster.nodes[1].driver);
    rig_kill(&cluster, 1, NULL, NULL);
    cr_assert_eq(rig_start(&cluster, 1, &why), DGRAFT_OK, "%s", why.text);
    cr_assert(rig_settled(&cluster, 2000));
    (void)rig_lead(&cluster);
    call(&again, 1, session, 9);
    cr_assert(again.answer.repeated);
    cr_assert_eq(again.remembered, first.remembered);
    cr_assert_eq(rig_status(&cluster, 1).sessions.open, 1u);
    cr_assert_neq(digest, 0u);
    rig_close(&cluster);
}

/* A cluster of three whose third node missed so much that the log of the others does not reach back. */
static dgraft_node_id leave_third_behind(uint64_t every, uint32_t chunk_bytes)
{
    rig_open(&cluster, 3, every, 10, chunk_bytes);
    rig_start_all(&cluster);
    rig_commit(&cluster, 20);
    cr_assert(rig_settled(&cluster, 1000));
    cluster.cut = dgraft_node_set_of(3);
    rig_commit(&cluster, (uint32_t)(2 * every + 40));
    rig_run(&cluster, 50);
    const dgraft_node_id leader = rig_lead(&cluster);
    cr_assert_gt(rig_status(&cluster, leader).core.compacted.index, 40u);
    return leader;
}

Test(snapshots, bring_back_who_lags_behind_the_log)
{
    const uint32_t chunk_bytes[] = {1000, 64 * 1024}; /* one datagram, and fragments */
    for (int i = 0; i < 2; i++) {
        (void)leave_third_behind(50, chunk_bytes[i]);
        cluster.cut = 0;
        cr_assert(rig_settled(&cluster, 5000));
        const struct dgraft_driver_status status = rig_status(&cluster, 3);
        cr_assert_eq(status.snapshots.installed, 1u);
        cr_assert_eq(cluster.nodes[3].machine.restored, 1u);
        if (chunk_bytes[i] == 1000) { /* fragments of older ones may still be under way */
            cr_assert_eq(status.snapshots.chunks_stored, 6u);
        }
        rig_commit(&cluster, 150);
        cr_assert(rig_settled(&cluster, 1000));
        cr_assert_eq(rig_status(&cluster, 3).snapshots.installed, 1u, "one is enough");
        rig_kill(&cluster, 3, NULL, NULL);
        struct dgraft_why why = {""};
        cr_assert_eq(rig_start(&cluster, 3, &why), DGRAFT_OK, "%s", why.text);
        cr_assert(rig_settled(&cluster, 2000));
        rig_close(&cluster);
    }
}

Test(snapshots, arrive_over_a_network_that_loses_every_other_datagram)
{
    (void)leave_third_behind(50, 1000);
    cluster.cut = 0;
    cluster.lose_of_8 = 4;
    for (int i = 0; i < 200 && cluster.nodes[3].machine.restored == 0; i++) {
        rig_run(&cluster, 100);
    }
    cluster.lose_of_8 = 0;
    cr_assert_geq(cluster.nodes[3].machine.restored, 1u);
    cr_assert(rig_settled(&cluster, 3000));
    rig_close(&cluster);
}

Test(snapshots, go_on_after_a_restart_where_they_stopped)
{
    struct dgraft_why why = {""};
    (void)leave_third_behind(50, 100);
    cluster.cut = 0;
    while (rig_status(&cluster, 3).snapshots.chunks_stored < 30) {
        rig_run(&cluster, 1);
    }
    const uint64_t before = rig_status(&cluster, 3).snapshots.chunks_stored;
    rig_kill(&cluster, 3, NULL, NULL);
    cr_assert_eq(rig_start(&cluster, 3, &why), DGRAFT_OK, "%s", why.text);
    cr_assert_geq(rig_status(&cluster, 3).core.received_bytes, (before - 1) * 100, "all but the last part");
    cr_assert(rig_settled(&cluster, 5000));
    const struct dgraft_driver_status status = rig_status(&cluster, 3);
    const uint64_t parts = (status.core.snapshot.size + 99) / 100;
    cr_assert_eq(status.snapshots.installed, 1u);
    cr_assert_leq(status.snapshots.chunks_stored + before, parts + 2);
    rig_close(&cluster);
}

Test(snapshots, go_on_when_another_node_leads)
{
    struct dgraft_why why = {""};
    const dgraft_node_id leader = leave_third_behind(50, 100);
    cluster.cut = 0;
    while (rig_status(&cluster, 3).snapshots.chunks_stored < 30) {
        rig_run(&cluster, 1);
    }
    rig_kill(&cluster, leader, NULL, NULL);
    (void)rig_lead(&cluster);
    cr_assert(rig_settled(&cluster, 5000));
    const struct dgraft_driver_status status = rig_status(&cluster, 3);
    const uint64_t parts = (status.core.snapshot.size + 99) / 100;
    cr_assert_eq(status.snapshots.installed, 1u);
    cr_assert_leq(status.snapshots.chunks_stored, parts + 2, "not from the beginning");
    cr_assert_eq(rig_start(&cluster, leader, &why), DGRAFT_OK, "%s", why.text);
    rig_commit(&cluster, 10);
    cr_assert(rig_settled(&cluster, 3000));
    rig_close(&cluster);
}

Test(snapshots, do_not_chase_who_is_slow_to_receive_one)
{
    const dgraft_node_id leader = leave_third_behind(50, 100);
    cluster.cut = 0;
    for (int i = 0; i < 40; i++) { /* two more would be due before all of it is there */
        rig_commit(&cluster, 4);
        cluster.cut = cluster.nodes[3].machine.restored == 0 && i % 2 == 0 ? dgraft_node_set_of(3) : 0;
    }
    cluster.cut = 0;
    cr_assert(rig_settled(&cluster, 5000));
    cr_assert_eq(rig_status(&cluster, 3).snapshots.installed, 1u);
    cr_assert_leq(rig_status(&cluster, 3).snapshots.chunks_stored, 60u, "it never began anew");
    cr_assert_geq(rig_status(&cluster, leader).snapshots.made, 3u, "and then there were newer ones");
    rig_close(&cluster);
}

/* Turns a bit of the newest snapshot's file. */
static void rot(dgraft_node_id id)
{
    char path[96];
    uint64_t size = 0;
    const struct dgraft_position position = rig_status(&cluster, id).core.snapshot.position;
    (void)snprintf(path, sizeof path, "node/snapshot-%016llu-%016llu", (unsigned long long)position.index,
                   (unsigned long long)position.term);
    uint8_t *bytes = memory_fs_bytes(cluster.nodes[id].disk, path, &size);
    cr_assert_not_null(bytes, "%s", path);
    bytes[size - 100] ^= 1;
}

Test(snapshots, that_rotted_at_the_leader_are_not_taken_up)
{
    const dgraft_node_id leader = leave_third_behind(50, 1000);
    rot(leader);
    cluster.cut = 0;
    rig_run(&cluster, 500);
    cr_assert_eq(cluster.nodes[3].machine.restored, 0u);
    cr_assert_gt(rig_status(&cluster, 3).snapshots.failed, 0u);
    cr_assert_lt(rig_status(&cluster, 3).snapshots.failed, 100u, "in peace");
    cr_assert(!rig_status(&cluster, 3).poisoned);
    cr_assert_eq(rig_lead(&cluster), leader, "nobody campaigns for it");
    rig_commit(&cluster, 1);
    cr_assert_eq(dgraft_driver_snapshot(cluster.nodes[leader].driver), DGRAFT_OK);
    cr_assert(rig_settled(&cluster, 5000), "a newer one does it");
    cr_assert_eq(rig_status(&cluster, 3).snapshots.installed, 1u);
    rig_close(&cluster);
}

Test(snapshots, get_their_name_when_their_term_is_durable_here)
{
    struct dgraft_why why = {""};
    const dgraft_node_id old = leave_third_behind(50, 64 * 1024); /* in one part: nothing is acknowledged meanwhile */
    rig_kill(&cluster, old, NULL, NULL);
    cr_assert_eq(rig_start(&cluster, old, &why), DGRAFT_OK, "%s", why.text);
    rig_commit(&cluster, 120);
    const struct dgraft_driver_status leader = rig_status(&cluster, rig_lead(&cluster));
    cr_assert_gt(leader.core.snapshot.position.term, rig_status(&cluster, 3).core.durable_term);
    cluster.nodes[3].stalls = true;
    cluster.cut = 0;
    rig_run(&cluster, 500);
    cr_assert_eq(rig_status(&cluster, 3).core.received_bytes, leader.core.snapshot.size, "all of it is stored");
    cr_assert_eq(rig_status(&cluster, 3).snapshots.received, 0u);
    cluster.nodes[3].stalls = false;
    cr_assert(rig_settled(&cluster, 3000));
    cr_assert_eq(rig_status(&cluster, 3).snapshots.installed, 1u);
    rig_close(&cluster);
}

Test(snapshots, replace_what_a_deposed_leader_proposed_alone)
{
    static struct retry alone[6];
    rig_open(&cluster, 3, 50, 10, 1000);
    rig_start_all(&cluster);
    rig_commit(&cluster, 20);
    const dgraft_node_id old = rig_lead(&cluster);
    cluster.cut = dgraft_node_set_of(old);
    for (int i = 0; i < 6; i++) {
        alone[i].piece = (struct iovec){alone[i].bytes, sizeof alone[i].bytes};
        alone[i].proposal = (struct dgraft_proposal){
            .pieces = &alone[i].piece, .piece_count = 1, .context = &alone[i], .answered = on_answered};
        cr_assert_eq(dgraft_driver_propose(cluster.nodes[old].driver, &alone[i].proposal), DGRAFT_OK);
    }
    rig_run(&cluster, 10);
    rig_commit(&cluster, 150);
    cluster.cut = 0;
    cr_assert(rig_settled(&cluster, 5000));
    cr_assert_eq(rig_status(&cluster, old).snapshots.installed, 1u);
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(alone[i].answered, 1);
        cr_assert_eq(alone[i].answer.fate, DGRAFT_PROPOSAL_UNKNOWN);
    }
    rig_close(&cluster);
}

static bool chosen(void *context, size_t which)
{
    const uint64_t *mask = context;
    return (*mask >> (which % 64) & 1) != 0;
}

Test(snapshots, that_are_being_received_survive_a_crash_at_any_step)
{
    const uint64_t masks[] = {0, UINT64_MAX, UINT64_C(0x5555555555555555), UINT64_C(0xcccccccccccccccc)};
    struct rig_node *node = &cluster.nodes[3];
    struct dgraft_why why = {""};
    bool before = false; /* crashed before it was taken up */
    bool after = false;
    bool more = true;
    for (uint64_t at = 1; more; at++) {
        for (int choice = 0; choice < 4; choice++) {
            uint64_t mask = masks[choice];
            (void)leave_third_behind(50, 1000);
            node->steps = 0;
            node->crash_at = at;
            cluster.cut = 0;
            for (int i = 0; i < 400 && node->steps < at; i++) {
                rig_run(&cluster, 1);
            }
            more = node->steps == at;
            *(node->machine.restored > 0 ? &after : &before) = true;
            rig_kill(&cluster, 3, chosen, &mask);
            node->crash_at = 0;
            cr_assert_eq(rig_start(&cluster, 3, &why), DGRAFT_OK, "step %llu: %s", (unsigned long long)at, why.text);
            cr_assert(rig_settled(&cluster, 5000), "step %llu", (unsigned long long)at);
            rig_close(&cluster);
        }
    }
    cr_assert(before && after);
}

Test(snapshots, that_are_being_made_survive_a_crash_at_any_step)
{
    struct dgraft_why why = {""};
    rig_open(&cluster, 1, 0, 5, 1000);
    rig_start_all(&cluster);
    rig_commit(&cluster, 90);
    for (uint64_t step = 1; step < 16; step++) {
        struct rig_node *node = &cluster.nodes[1];
        uint64_t mask = step % 3 == 0 ? 0 : step % 3 == 1 ? UINT64_MAX : UINT64_C(0x3333333333333333);
        (void)rig_lead(&cluster);
        rig_commit(&cluster, 3);
        cr_assert_eq(dgraft_driver_snapshot(node->driver), DGRAFT_OK);
        node->steps = 0;
        node->crash_at = step;
        rig_run(&cluster, 60);
        rig_kill(&cluster, 1, chosen, &mask);
        node->crash_at = 0;
        cr_assert_eq(rig_start(&cluster, 1, &why), DGRAFT_OK, "step %llu: %s", (unsigned long long)step, why.text);
        cr_assert(rig_settled(&cluster, 2000), "step %llu", (unsigned long long)step);
    }
    cr_assert_gt(rig_status(&cluster, 1).core.snapshot.position.index, 0u);
    rig_close(&cluster);
}

Test(snapshots, that_the_machine_cannot_take_up_end_its_part)
{
    struct dgraft_why why = {""};
    (void)leave_third_behind(50, 1000);
    cluster.nodes[3].machine.refuses = true;
    cluster.cut = 0;
    rig_run(&cluster, 1000);
    cr_assert(rig_status(&cluster, 3).poisoned);
    rig_kill(&cluster, 3, NULL, NULL);
    cr_assert_eq(rig_start(&cluster, 3, &why), DGRAFT_STATUS_UNSUPPORTED);
    cr_assert_not_null(strstr(why.text, "cannot take up the snapshot"), "%s", why.text);
    cluster.nodes[3].machine.refuses = false;
    cr_assert_eq(rig_start(&cluster, 3, &why), DGRAFT_OK, "%s", why.text);
    cr_assert(rig_settled(&cluster, 3000));
    rig_close(&cluster);
}

Test(snapshots, are_not_for_a_machine_that_never_takes_one_up)
{
    (void)leave_third_behind(50, 1000);
    cluster.nodes[3].driver->options.machine.restore = NULL;
    cluster.cut = 0;
    rig_run(&cluster, 1000);
    cr_assert(rig_status(&cluster, 3).poisoned);
    cr_assert_not_null(strstr(rig_status(&cluster, 3).poisoned_why.text, "a leader sends a snapshot"));
    rig_close(&cluster);
}
