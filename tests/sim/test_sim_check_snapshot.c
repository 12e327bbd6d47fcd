/* Each rule about snapshots trips when it is broken by hand: three nodes, of which only the ghosts exist. All hold a
 * membership and two commands, and node 1 leads term 2. */
#include "sim_check.h"
#include "snapshot_state.h"

#include "disk_format.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define NAME_OF_3 "data/snapshot-0000000000000003-0000000000000002"

static struct sim_counts counts;
static struct sim_trace trace;

struct world {
    struct sim_check check;
    struct dgraft_core_status status[4];
    struct sim_machine machine; /* behind entry 3 */
    uint8_t members[DGRAFT_MEMBERSHIP_BYTES_MAX];
    size_t members_bytes;
};

/* A snapshot's file, and what a test may spoil of it. */
struct file {
    struct dgraft_snapshot_header header;
    dgraft_index members_index;
    uint8_t *bytes;
    uint64_t size;
};

static void give_disk(struct world *world, dgraft_node_id node)
{
    struct sim_ghost *ghost = &world->check.ghosts[node];
    cr_assert(sim_ghost_reserve(ghost, 3) && sim_ghost_reserve_votes(ghost, 2));
    ghost->state_term = 2;
    ghost->votes_durable[2] = 1;
    ghost->last = 3;
    for (dgraft_index i = 1; i <= 3; i++) {
        const struct sim_entry entry = {.term = i == 1 ? 1 : 2,
                                        .before = i == 1   ? 0
                                                  : i == 2 ? 1
                                                           : 2,
                                        .hash = i,
                                        .operation = i - 1,
                                        .kind = i == 1 ? DGRAFT_ENTRY_MEMBERSHIP : DGRAFT_ENTRY_COMMAND};
        ghost->terms[i] = entry.term;
        cr_assert(sim_check_entry(&world->check, i, &entry, "here"));
    }
    world->status[node] = (struct dgraft_core_status){.self = node,
                                                      .role = DGRAFT_ROLE_FOLLOWER,
                                                      .term = 2,
                                                      .durable_term = 2,
                                                      .last = {3, 2},
                                                      .durable = 3,
                                                      .membership = {.index = 1, .voters = 7}};
    sim_check_opened(&world->check, node, &world->status[node]);
}

/* All of it is committed, and node 1 has applied it. */
static void open_world(struct world *world)
{
    struct dgraft_members members = {.count = 3};
    memset(world, 0, sizeof *world);
    cr_assert(sim_check_open(&world->check, 3, &counts, &trace));
    world->check.cluster = 9;
    for (dgraft_node_id id = 1; id <= 3; id++) {
        members.items[id - 1] = (struct dgraft_member){.id = id, .roles = DGRAFT_MEMBER_VOTER, .address = "h:1"};
        give_disk(world, id);
    }
    world->members_bytes = dgraft_membership_encode(&members, world->members);
    cr_assert(sim_members_note(&world->check, (struct dgraft_position){1, 1}, world->members, world->members_bytes));
    cr_assert(sim_check_commit(&world->check, 1, 2, false, 3));
    for (dgraft_index i = 2; i <= 3; i++) {
        world->machine.applied = i;
        world->machine.hash = 1000 + i;
        sim_check_applied(&world->check, 1, (struct dgraft_position){i, 2}, i - 1, world->machine.hash);
    }
    cr_assert_not(sim_check_broken(&world->check), "%s", world->check.finding);
}

static void expect(struct world *world, const char *rule, const char *words)
{
    cr_assert(sim_check_broken(&world->check), "%s was not seen", rule);
    cr_assert_eq(strncmp(world->check.finding, rule, strlen(rule)), 0, "%s instead of %s", world->check.finding, rule);
    cr_assert_not_null(strstr(world->check.finding, words), "%s instead of %s", world->check.finding, words);
    sim_check_close(&world->check);
}

static void make_file(struct world *world, struct file *file)
{
    struct dgraft_snapshot_writer writer = {.bytes = NULL};
    uint8_t head[DGRAFT_BLOCK_BYTES] = {0};
    cr_assert(dgraft_snapshot_write(&writer, head, sizeof head));
    memset(head, 0, 32);
    dgraft_put_u64(head + 8, file->members_index);
    dgraft_put_u32(head + 16, (uint32_t)world->members_bytes);
    cr_assert(dgraft_snapshot_write(&writer, head, 32));
    cr_assert(dgraft_snapshot_write(&writer, world->members, world->members_bytes));
    cr_assert(sim_machine_save(&world->machine, 5, 100, &writer));
    file->bytes = writer.bytes;
    file->size = writer.size;
    file->header.snapshot.size = writer.size - DGRAFT_BLOCK_BYTES;
    file->header.snapshot.digest =
        dgraft_snapshot_digest(writer.bytes + DGRAFT_BLOCK_BYTES, writer.size - DGRAFT_BLOCK_BYTES);
    dgraft_snapshot_encode(&file->header, file->bytes);
}

/* The file gets its name on a node's disk. */
static void name_file(struct world *world, struct file *file, dgraft_node_id node)
{
    sim_check_named(&world->check, node, NAME_OF_3, file->bytes, file->size);
    free(file->bytes);
}

static const struct file whole = {.header = {.snapshot = {.position = {3, 2}}, .chunk_bytes = 1}, .members_index = 1};

static void name_whole(struct world *world, dgraft_node_id node)
{
    struct file file = whole;
    make_file(world, &file);
    name_file(world, &file, node);
    cr_assert_not(sim_check_broken(&world->check), "%s", world->check.finding);
}

Test(snapshots, that_are_whole_and_replayed_pass)
{
    struct world world;
    open_world(&world);
    name_whole(&world, 1);
    cr_assert_eq(world.check.ghosts[1].snapshot.index, 3u);
    world.check.ghosts[2].last =
        1; /* a log that ends before counts up to the snapshot's end, and holds what is in it */
    name_whole(&world, 2);
    cr_assert_eq(sim_ghost_last(&world.check.ghosts[2]), 3u);
    cr_assert(sim_ghost_holds(&world.check, &world.check.ghosts[2], (struct dgraft_position){2, 2}));
    sim_check_close(&world.check);
}

Test(snapshots, that_are_not_whole_under_their_names_are_seen)
{
    struct world world;
    struct file file = whole;
    open_world(&world);
    make_file(&world, &file);
    file.bytes[file.size - 1] ^= 1;
    name_file(&world, &file, 1);
    expect(&world, "I-SNAP", "not whole");
    open_world(&world);
    make_file(&world, &file);
    file.size--;
    name_file(&world, &file, 1);
    expect(&world, "I-SNAP", "not whole");
}

Test(snapshots, of_what_is_not_committed_are_seen)
{
    struct world world;
    struct file file = whole;
    open_world(&world);
    world.check.committed_last = 2;
    make_file(&world, &file);
    name_file(&world, &file, 1);
    expect(&world, "I-SNAP", "not committed");
}

Test(snapshots, of_a_term_that_is_not_on_the_disk_are_seen)
{
    struct world world;
    struct file file = whole;
    open_world(&world);
    world.check.ghosts[1].state_term = 1;
    make_file(&world, &file);
    name_file(&world, &file, 1);
    expect(&world, "I-SNAP", "its own on the disk is 1");
}

Test(snapshots, whose_state_is_not_that_of_a_replay_are_seen)
{
    struct world world;
    struct file file = whole;
    open_world(&world);
    world.machine.hash++;
    make_file(&world, &file);
    name_file(&world, &file, 1);
    expect(&world, "I-SNAP", "whose state is");
    open_world(&world);
    world.machine.applied = 2;
    world.machine.hash = 1002;
    make_file(&world, &file);
    name_file(&world, &file, 1);
    expect(&world, "I-SNAP", "whose state is");
}

Test(snapshots, with_another_membership_than_the_one_in_force_are_seen)
{
    struct world world;
    struct file file = whole;
    open_world(&world);
    file.members_index = 2;
    make_file(&world, &file);
    name_file(&world, &file, 1);
    expect(&world, "I-CFG", "with the membership of 2");
}

Test(snapshots, that_lower_what_is_applied_or_give_another_state_are_seen)
{
    struct world world;
    open_world(&world);
    sim_check_restored(&world.check, 1, &(struct sim_machine){.applied = 2, .hash = 1002});
    expect(&world, "I-SNAP", "falls from");
    open_world(&world);
    sim_check_restored(&world.check, 2, &(struct sim_machine){.applied = 3, .hash = 1});
    expect(&world, "I-SNAP", "no replay gives");
    open_world(&world);
    sim_check_stopped(&world.check, 2, 3, &(struct sim_machine){.applied = 2, .hash = 1002});
    expect(&world, "I-SMS", "its state is that behind 2");
}

Test(snapshots, that_the_disk_does_not_have_are_seen)
{
    struct world world;
    open_world(&world);
    world.status[1].commit = 3;
    world.status[1].applied = 3;
    world.status[1].snapshot.position = (struct dgraft_position){3, 2};
    cr_assert_not(sim_check_begins(&world.check, 1, &world.status[1]));
    expect(&world, "I-SNAP", "its disk has one of 0");
}

Test(snapshots, that_a_log_begins_behind_must_reach_so_far)
{
    struct world world;
    open_world(&world);
    name_whole(&world, 1);
    world.status[1].commit = 3;
    world.status[1].applied = 3;
    world.status[1].snapshot.position = (struct dgraft_position){3, 2};
    world.status[1].compacted = (struct dgraft_position){3, 2};
    cr_assert(sim_check_begins(&world.check, 1, &world.status[1]));
    world.status[1].compacted.index = 4;
    cr_assert_not(sim_check_begins(&world.check, 1, &world.status[1]));
    expect(&world, "I-SNAP", "begins behind 4");
}

Test(snapshots, that_are_lost_by_a_crash_are_seen)
{
    struct world world;
    open_world(&world);
    name_whole(&world, 2);
    sim_check_down(&world.check, 2);
    sim_check_opened(&world.check, 2, &world.status[2]);
    expect(&world, "I-DUR", "opens with a snapshot of 0");
}

static void send_chunk(struct world *world, struct dgraft_position position)
{
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    const struct dgraft_frame_header header = {.cluster = 9, .to = dgraft_node_set_of(3)};
    const struct dgraft_message message = {
        .type = DGRAFT_MESSAGE_SNAPSHOT_CHUNK,
        .from = 1,
        .term = 2,
        .u.snapshot_chunk = {.snapshot = {.position = position, .size = 8, .digest = 7}, .round = 1, .bytes = 8}};
    const uint8_t bytes[8] = {0};
    const struct iovec piece = {(void *)(uintptr_t)bytes, sizeof bytes};
    uint8_t frame[DGRAFT_FRAME_HEAD_MAX + 8];
    const size_t size = dgraft_frame_encode(&header, &message, &piece, 1, head);
    cr_assert_gt(size, 0u);
    memcpy(frame, head, size);
    memcpy(frame + size, bytes, sizeof bytes);
    sim_check_sent(&world->check, 1, 3, frame, size + sizeof bytes);
}

Test(snapshots, that_are_sent_are_on_the_senders_disk)
{
    struct world world;
    open_world(&world);
    name_whole(&world, 1);
    send_chunk(&world, (struct dgraft_position){3, 2});
    cr_assert_not(sim_check_broken(&world.check), "%s", world.check.finding);
    cr_assert_eq(world.check.terms[2].shown[3], 3u);
    world.check.ghosts[1].snapshot.index = 2;
    send_chunk(&world, (struct dgraft_position){3, 2});
    expect(&world, "I-SNAP", "sends a snapshot");
}

/* Node 3 tells the leader how much it has of a snapshot of `index`. */
static void acknowledge(struct world *world, dgraft_index index, uint64_t bytes)
{
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    const struct dgraft_frame_header header = {.cluster = 9, .to = dgraft_node_set_of(1)};
    const struct dgraft_message message = {
        .type = DGRAFT_MESSAGE_SNAPSHOT_ACK,
        .from = 3,
        .term = 2,
        .u.snapshot_ack = {
            .snapshot = {.position = {index, 2}, .size = 1000, .digest = 7}, .round = 1, .offset = bytes}};
    const size_t size = dgraft_frame_encode(&header, &message, NULL, 0, head);
    cr_assert_gt(size, 0u);
    sim_check_sent(&world->check, 3, 1, head, size);
}

/* Node 3 syncs the first bytes of a snapshot of (3, 2). */
static void sync_part(struct world *world, uint64_t bytes)
{
    const struct dgraft_snapshot_header header = {.snapshot = {.position = {3, 2}, .size = 1000, .digest = 7},
                                                  .chunk_bytes = 100};
    uint8_t file[DGRAFT_BLOCK_BYTES + 1000] = {0};
    dgraft_snapshot_encode(&header, file);
    sim_check_synced(&world->check, 3, "data/snapshot.part", file, DGRAFT_BLOCK_BYTES, 0, DGRAFT_BLOCK_BYTES);
    sim_check_synced(&world->check, 3, "data/snapshot.part", file, DGRAFT_BLOCK_BYTES + bytes, DGRAFT_BLOCK_BYTES,
                     DGRAFT_BLOCK_BYTES + bytes);
}

Test(snapshots, whose_parts_are_acknowledged_are_on_the_disk)
{
    struct world world;
    open_world(&world);
    acknowledge(&world, 3, 0);
    sync_part(&world, 300);
    acknowledge(&world, 3, 300);
    cr_assert_not(sim_check_broken(&world.check), "%s", world.check.finding);
    acknowledge(&world, 3, 301);
    expect(&world, "I-DUR", "301 bytes of a snapshot of 3; sure are 300");
    open_world(&world);
    sync_part(&world, 300);
    acknowledge(&world, 2, 300);
    expect(&world, "I-DUR", "300 bytes of a snapshot of 2; sure are 300 of one of 3");
}

Test(snapshots, that_a_node_goes_on_with_are_on_the_disk)
{
    struct world world;
    uint8_t file[DGRAFT_BLOCK_BYTES + 400] = {0};
    const struct dgraft_snapshot_header header = {.snapshot = {.position = {3, 2}, .size = 1000, .digest = 7},
                                                  .chunk_bytes = 100};
    struct dgraft_core_status status = {.receiving = header.snapshot, .received_bytes = 300};
    dgraft_snapshot_encode(&header, file);
    open_world(&world);
    sim_check_part(&world.check, 3, file, sizeof file, DGRAFT_BLOCK_BYTES + 300, &status);
    cr_assert_not(sim_check_broken(&world.check), "%s", world.check.finding);
    sim_check_part(&world.check, 3, file, sizeof file, DGRAFT_BLOCK_BYTES + 299, &status);
    expect(&world, "I-DUR", "goes on behind 300 bytes of a snapshot of 3, and 299 are sure");
}

Test(snapshots, say_all_of_a_machine_and_nothing_that_was_not_written)
{
    struct dgraft_snapshot_writer writer = {.bytes = NULL};
    struct sim_machine machine = {.applied = 7, .hash = 99, .values = {1, 2, 3}};
    struct sim_machine read = {.applied = 0};
    cr_assert(sim_machine_save(&machine, 3, 77, &writer));
    cr_assert(sim_machine_load(&read, writer.bytes, writer.size));
    cr_assert_eq(memcmp(&machine, &read, sizeof machine), 0);
    for (size_t i = 0; i < writer.size; i++) {
        writer.bytes[i] ^= 0x10;
        cr_assert_not(sim_machine_load(&read, writer.bytes, writer.size), "byte %zu", i);
        writer.bytes[i] ^= 0x10;
    }
    cr_assert_not(sim_machine_load(&read, writer.bytes, writer.size - 1));
    free(writer.bytes);
}
