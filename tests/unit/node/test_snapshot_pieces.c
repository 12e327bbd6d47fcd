/* Snapshots in pieces: what is written is the state as it was when it began, whatever is applied meanwhile; whatever is
 * begun is ended once, however it ends. */
#include "snapshot_rig.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES (256u * 1024)
#define HEAD_BYTES  16u

/* What the pieces of one node came to. */
struct side {
    uint32_t padding; /* bytes behind the head */
    uint32_t save_begun;
    uint32_t save_ended;
    uint32_t load_begun;
    uint32_t load_ended;
    uint64_t begun_count;  /* of the machine, when the newest save began */
    uint32_t pieces_until; /* the piece of this number fails; 0: none */
    bool empty;            /* it is one of nothing instead */
    bool none;             /* nothing is begun */
    bool endless;
    bool refuses; /* what is loaded */
};

struct save {
    uint64_t count;
    uint64_t chain;
    uint64_t at;
    uint32_t pieces;
};

struct load {
    uint8_t head[HEAD_BYTES];
    uint64_t at;
    uint64_t size;
};

static struct rig_cluster cluster;
static struct side sides[RIG_NODES + 1];

static struct side *side_of(const void *context)
{
    for (dgraft_node_id id = 1; id <= RIG_NODES; id++) {
        if (context == &cluster.nodes[id].machine) {
            return &sides[id];
        }
    }
    cr_assert_fail("a context that nobody has");
    return NULL;
}

static uint8_t pad(uint64_t at, uint64_t count)
{
    return (uint8_t)(at * 7 + (at >> 9) + count);
}

static void *save_begin(void *context)
{
    struct side *side = side_of(context);
    const struct rig_machine *machine = context;
    if (side->none) {
        return NULL;
    }
    struct save *save = calloc(1, sizeof *save);
    cr_assert_eq(side->save_begun++, side->save_ended, "one at a time");
    *save = (struct save){.count = machine->count, .chain = machine->chain};
    side->begun_count = machine->count;
    return save;
}

static enum dgraft_save_step save_piece(void *context, void *saving, struct dgraft_snapshot_writer *writer)
{
    static uint8_t bytes[PIECE_BYTES];
    const struct side *side = side_of(context);
    struct save *save = saving;
    save->pieces++;
    if (save->pieces == side->pieces_until) {
        return side->empty ? DGRAFT_SAVE_MORE : DGRAFT_SAVE_FAILED;
    }
    if (save->pieces == 1) {
        dgraft_put_u64(bytes, save->count);
        dgraft_put_u64(bytes + 8, save->chain);
        return dgraft_snapshot_write(writer, bytes, HEAD_BYTES) ? DGRAFT_SAVE_MORE : DGRAFT_SAVE_FAILED;
    }
    size_t used = 0;
    while (used < PIECE_BYTES && (save->at < side->padding || side->endless)) {
        bytes[used++] = pad(save->at++, save->count);
    }
    if (!dgraft_snapshot_write(writer, bytes, used)) {
        return DGRAFT_SAVE_FAILED;
    }
    return save->at < side->padding || side->endless ? DGRAFT_SAVE_MORE : DGRAFT_SAVE_DONE;
}

static void save_end(void *context, void *saving)
{
    side_of(context)->save_ended++;
    free(saving);
}

static void *load_begin(void *context, uint64_t size)
{
    struct side *side = side_of(context);
    struct load *load = calloc(1, sizeof *load);
    cr_assert_eq(side->load_begun++, side->load_ended, "one at a time");
    load->size = size;
    return load;
}

static bool load_piece(void *context, void *loading, const uint8_t *bytes, size_t size)
{
    struct load *load = loading;
    for (size_t i = 0; i < size; i++, load->at++) {
        if (load->at < HEAD_BYTES) {
            load->head[load->at] = bytes[i];
        } else {
            const uint64_t at = load->at - HEAD_BYTES;
            cr_assert_eq(bytes[i], pad(at, dgraft_get_u64(load->head)), "byte %llu", (unsigned long long)at);
        }
    }
    return !side_of(context)->refuses;
}

static bool load_take(void *context, void *loading)
{
    struct rig_machine *machine = context;
    struct load *load = loading;
    cr_assert_eq(load->at, load->size, "taken up before all of it came");
    machine->count = dgraft_get_u64(load->head);
    machine->chain = dgraft_get_u64(load->head + 8);
    machine->restored++;
    side_of(context)->load_ended++;
    free(load);
    return true;
}

static void load_drop(void *context, void *loading)
{
    side_of(context)->load_ended++;
    free(loading);
}

static const struct dgraft_state_stream stream = {.save_begin = save_begin,
                                                  .save_piece = save_piece,
                                                  .save_end = save_end,
                                                  .load_begin = load_begin,
                                                  .load_piece = load_piece,
                                                  .load_take = load_take,
                                                  .load_drop = load_drop};

static void open_cluster(uint32_t count, uint64_t every, uint32_t padding)
{
    rig_open(&cluster, count, every, 10, 64 * 1024);
    for (dgraft_node_id id = 1; id <= count; id++) {
        struct dgraft_state_machine *machine = &cluster.nodes[id].options.machine;
        machine->snapshot = NULL;
        machine->restore = NULL;
        machine->stream = &stream;
        sides[id] = (struct side){.padding = padding};
    }
    rig_start_all(&cluster);
}

/* Asks for a snapshot, and runs until the machine has begun to write it. */
static void begin_save(dgraft_node_id id)
{
    const uint32_t before = sides[id].save_begun;
    cr_assert_eq(dgraft_driver_snapshot(cluster.nodes[id].driver), DGRAFT_OK);
    for (int i = 0; i < 100 && sides[id].save_begun == before; i++) {
        rig_run(&cluster, 1);
    }
    cr_assert_eq(sides[id].save_begun, before + 1);
}

Test(pieces, are_of_the_state_as_it_was_when_they_began)
{
    struct dgraft_why why = {""};
    open_cluster(1, 0, 24u << 20);
    rig_commit(&cluster, 30);
    begin_save(1);
    const dgraft_index index = rig_status(&cluster, 1).core.applied;
    cr_assert_eq(sides[1].begun_count, 30u);
    rig_commit(&cluster, 3);
    cr_assert_eq(sides[1].save_ended, 0u, "it takes longer than that");
    cr_assert_eq(dgraft_driver_snapshot(cluster.nodes[1].driver), DGRAFT_STATUS_BUSY);
    rig_run(&cluster, 100);
    const struct dgraft_driver_status status = rig_status(&cluster, 1);
    cr_assert_eq(status.snapshots.made, 1u);
    cr_assert_eq(sides[1].save_ended, 1u);
    cr_assert_eq(status.core.snapshot.position.index, index);
    cr_assert_geq(status.core.snapshot.size, (24u << 20) + HEAD_BYTES);
    rig_kill(&cluster, 1, NULL, NULL);
    cr_assert_eq(rig_start(&cluster, 1, &why), DGRAFT_OK, "%s", why.text);
    cr_assert_eq(cluster.nodes[1].machine.restored, 1u);
    cr_assert_eq(cluster.nodes[1].machine.count, 30u);
    cr_assert(rig_settled(&cluster, 2000));
    cr_assert_eq(cluster.nodes[1].machine.count, 33u);
    rig_close(&cluster);
    cr_assert_eq(sides[1].load_begun, sides[1].load_ended);
}

Test(pieces, that_fail_leave_no_snapshot_and_the_next_is_made)
{
    open_cluster(1, 0, 3u << 20);
    rig_commit(&cluster, 10);
    uint64_t failed = 0;
    for (uint32_t piece = 1; piece <= 8; piece += 7) {
        for (int empty = 0; empty < 2; empty++) {
            sides[1].pieces_until = piece;
            sides[1].empty = empty != 0;
            begin_save(1);
            rig_run(&cluster, 50);
            cr_assert_eq(rig_status(&cluster, 1).snapshots.failed, ++failed);
            cr_assert_eq(sides[1].save_ended, sides[1].save_begun);
            rig_commit(&cluster, 1); /* the same is not tried twice */
        }
    }
    sides[1].none = true;
    cr_assert_eq(dgraft_driver_snapshot(cluster.nodes[1].driver), DGRAFT_OK);
    rig_run(&cluster, 50);
    cr_assert_eq(rig_status(&cluster, 1).snapshots.failed, ++failed);
    rig_commit(&cluster, 1);
    cr_assert_eq(rig_status(&cluster, 1).snapshots.made, 0u);
    sides[1].none = false;
    sides[1].pieces_until = 0;
    begin_save(1);
    rig_run(&cluster, 50);
    cr_assert_eq(rig_status(&cluster, 1).snapshots.made, 1u);
    rig_close(&cluster);
}

Test(pieces, that_the_disk_refuses_end_it)
{
    open_cluster(1, 0, 3u << 20);
    rig_commit(&cluster, 10);
    rig_run(&cluster, 1000); /* the log's end is marked: nothing else is written */
    for (uint64_t call = 1; call <= 6; call++) {
        const uint64_t failed = rig_status(&cluster, 1).snapshots.failed;
        begin_save(1);
        struct memory_fs *disk = cluster.nodes[1].disk;
        memory_fs_fail_at(disk, memory_fs_calls(disk) + call, EIO, false);
        for (int i = 0; i < 50 && sides[1].save_ended < sides[1].save_begun; i++) {
            rig_run(&cluster, 1);
        }
        rig_run(&cluster, 50);
        memory_fs_fail_at(disk, 0, 0, false);
        cr_assert_eq(sides[1].save_ended, sides[1].save_begun);
        cr_assert_eq(rig_status(&cluster, 1).snapshots.failed, failed + 1, "call %llu", (unsigned long long)call);
        cr_assert_not(rig_status(&cluster, 1).poisoned);
        rig_commit(&cluster, 1);
        rig_run(&cluster, 1000);
    }
    begin_save(1);
    rig_run(&cluster, 50);
    cr_assert_eq(rig_status(&cluster, 1).snapshots.made, 1u);
    rig_close(&cluster);
}

/* The third node missed so much that the others' logs do not reach back. */
static void leave_third_behind(uint32_t padding)
{
    open_cluster(3, 50, padding);
    rig_commit(&cluster, 20);
    cr_assert(rig_settled(&cluster, 1000));
    cluster.cut = dgraft_node_set_of(3);
    rig_commit(&cluster, 140);
    rig_run(&cluster, 50);
    cr_assert_gt(rig_status(&cluster, rig_lead(&cluster)).core.compacted.index, 40u);
}

Test(pieces, of_a_leader_are_taken_up)
{
    struct dgraft_why why = {""};
    leave_third_behind(3u << 20);
    cluster.cut = 0;
    cr_assert(rig_settled(&cluster, 5000));
    cr_assert_eq(rig_status(&cluster, 3).snapshots.installed, 1u);
    cr_assert_eq(cluster.nodes[3].machine.restored, 1u);
    cr_assert_eq(sides[3].load_begun, 1u);
    cr_assert_eq(sides[3].load_ended, 1u);
    rig_kill(&cluster, 3, NULL, NULL);
    cr_assert_eq(rig_start(&cluster, 3, &why), DGRAFT_OK, "%s", why.text);
    cr_assert(rig_settled(&cluster, 3000));
    rig_close(&cluster);
}

Test(pieces, being_written_end_when_a_leaders_snapshot_is_taken_up)
{
    leave_third_behind(5000);
    sides[3].endless = true;
    begin_save(3);
    cr_assert_eq(sides[3].save_ended, 0u);
    cluster.cut = 0;
    cr_assert(rig_settled(&cluster, 5000));
    cr_assert_eq(rig_status(&cluster, 3).snapshots.installed, 1u);
    cr_assert_eq(sides[3].save_ended, 1u);
    cr_assert_eq(rig_status(&cluster, 3).snapshots.made, 0u);
    sides[3].endless = false;
    rig_commit(&cluster, 3);
    cr_assert(rig_settled(&cluster, 1000));
    begin_save(3);
    rig_run(&cluster, 50);
    cr_assert_eq(rig_status(&cluster, 3).snapshots.made, 1u);
    rig_close(&cluster);
}

Test(pieces, that_the_machine_refuses_end_its_part_before_the_snapshot_has_its_name)
{
    struct dgraft_why why = {""};
    uint64_t size = 0;
    char name[128];
    leave_third_behind(3u << 20);
    const struct dgraft_position position = rig_status(&cluster, rig_lead(&cluster)).core.snapshot.position;
    sides[3].refuses = true;
    cluster.cut = 0;
    rig_run(&cluster, 1500);
    cr_assert(rig_status(&cluster, 3).poisoned);
    cr_assert_not_null(strstr(rig_status(&cluster, 3).poisoned_why.text, "another program"));
    cr_assert_geq(sides[3].load_begun, 1u);
    cr_assert_eq(sides[3].load_ended, sides[3].load_begun);
    (void)snprintf(name, sizeof name, "node/snapshot-%016llu-%016llu", (unsigned long long)position.index,
                   (unsigned long long)position.term);
    cr_assert_null(memory_fs_bytes(cluster.nodes[3].disk, name, &size), "%s", name);
    cr_assert_not_null(memory_fs_bytes(cluster.nodes[3].disk, "node/snapshot.part", &size));
    rig_kill(&cluster, 3, NULL, NULL);
    sides[3].refuses = false;
    cr_assert_eq(rig_start(&cluster, 3, &why), DGRAFT_OK, "%s", why.text);
    cr_assert_eq(cluster.nodes[3].machine.restored, 0u);
    cr_assert(rig_settled(&cluster, 5000));
    rig_close(&cluster);
}

Test(pieces, under_way_end_when_the_node_does)
{
    struct dgraft_why why = {""};
    open_cluster(1, 0, 3u << 20);
    rig_commit(&cluster, 10);
    begin_save(1);
    cr_assert_eq(sides[1].save_ended, 0u);
    rig_kill(&cluster, 1, NULL, NULL);
    cr_assert_eq(sides[1].save_ended, 1u);
    cr_assert_eq(rig_start(&cluster, 1, &why), DGRAFT_OK, "%s", why.text);
    cr_assert(rig_settled(&cluster, 2000));
    begin_save(1);
    rig_close(&cluster);
    cr_assert_eq(sides[1].save_ended, 2u);

    leave_third_behind(6u << 20);
    cluster.cut = 0;
    for (int i = 0; i < 5000 && sides[3].load_begun == 0; i++) {
        rig_run(&cluster, 1);
    }
    cr_assert_eq(sides[3].load_begun, 1u);
    cr_assert_eq(sides[3].load_ended, 0u);
    rig_kill(&cluster, 3, NULL, NULL);
    cr_assert_eq(sides[3].load_ended, 1u);
    cr_assert_eq(rig_start(&cluster, 3, &why), DGRAFT_OK, "%s", why.text);
    cr_assert(rig_settled(&cluster, 5000));
    rig_close(&cluster);
}
