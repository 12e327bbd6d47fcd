/* What waits for an answer keeps no memory that storage could give back: a leader whose proposals are durable, but not
 * committed, forgets their records, sends them from its files, and applies them from there. */
#include "snapshot_rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_BYTES   4096u
#define COMMANDS      60u
#define COMMAND_BYTES 700u
#define LARGE_BYTES   50000u /* its payload stays with the caller */

static struct rig_cluster cluster;

struct command {
    struct dgraft_proposal proposal;
    struct iovec pieces[2];
    uint8_t *bytes;
    uint32_t size;
    uint32_t applied;
    uint32_t committed;
    uint32_t answered;
    uint32_t released;
};

static struct command commands[COMMANDS];

static void on_answered(void *context, const struct dgraft_proposal_answer *answer)
{
    struct command *command = context;
    command->answered++;
    command->committed += answer->fate == DGRAFT_PROPOSAL_COMMITTED;
}

static void on_released(void *context)
{
    struct command *command = context;
    command->released++;
}

/* At the node where they were proposed, each comes with its proposal. */
static void apply(void *context, const struct dgraft_applied *entries, size_t count)
{
    struct rig_machine *machine = context;
    for (size_t i = 0; i < count; i++) {
        struct command *command = &commands[machine->count];
        cr_assert_lt(machine->count, COMMANDS);
        cr_assert_eq(entries[i].payload_bytes, command->size);
        cr_assert_eq(memcmp(entries[i].payload, command->bytes, command->size), 0, "command %u",
                     (unsigned)machine->count);
        if (entries[i].proposal != NULL) {
            cr_assert_eq(entries[i].proposal, command);
            command->applied++;
        }
        machine->count++;
    }
}

static void propose(dgraft_node_id id, uint32_t which)
{
    struct command *command = &commands[which];
    *command = (struct command){.size = which % 10 == 7 ? LARGE_BYTES : COMMAND_BYTES};
    command->bytes = malloc(command->size);
    cr_assert_not_null(command->bytes);
    for (uint32_t i = 0; i < command->size; i++) {
        command->bytes[i] = (uint8_t)(which * 31 + i * i);
    }
    command->pieces[0] = (struct iovec){command->bytes, 300};
    command->pieces[1] = (struct iovec){command->bytes + 300, command->size - 300};
    command->proposal = (struct dgraft_proposal){.pieces = command->pieces,
                                                 .piece_count = 2,
                                                 .context = command,
                                                 .answered = on_answered,
                                                 .released = on_released};
    cr_assert_eq(dgraft_driver_propose(cluster.nodes[id].driver, &command->proposal), DGRAFT_OK);
}

Test(memory, of_proposals_that_are_durable_and_wait_is_given_back_and_they_are_committed_from_the_files)
{
    size_t large = 0;
    rig_open(&cluster, 3, 0, 10, 1000);
    for (dgraft_node_id id = 1; id <= 3; id++) {
        cluster.nodes[id].options.cache_bytes_max = CACHE_BYTES;
        cluster.nodes[id].options.storage.segment_bytes = 1u << 20;
        cluster.nodes[id].options.machine.apply = apply;
    }
    rig_start_all(&cluster);
    const dgraft_node_id leader = rig_lead(&cluster);
    cluster.cut = dgraft_node_set_of(1) | dgraft_node_set_of(2) | dgraft_node_set_of(3);
    for (uint32_t i = 0; i < COMMANDS; i++) {
        propose(leader, i);
        large += commands[i].size == LARGE_BYTES ? LARGE_BYTES : 0;
        rig_run(&cluster, 2);
    }
    const struct dgraft_driver_status status = rig_status(&cluster, leader);
    cr_assert_eq(status.core.durable, status.core.last.index);
    cr_assert_eq(status.core.role, DGRAFT_ROLE_LEADER);
    cr_assert_eq(status.core.last.index - status.core.commit, COMMANDS);
    cr_assert_leq(status.cache_bytes, 2 * CACHE_BYTES + large, "%zu bytes held", (size_t)status.cache_bytes);
    cluster.cut = 0;
    for (int i = 0;
         i < 3000 && (commands[COMMANDS - 1].answered == 0 || cluster.nodes[1].machine.count < COMMANDS ||
                      cluster.nodes[2].machine.count < COMMANDS || cluster.nodes[3].machine.count < COMMANDS);
         i++) {
        rig_run(&cluster, 1);
    }
    for (uint32_t i = 0; i < COMMANDS; i++) {
        cr_assert_eq(commands[i].applied, 1, "command %u", i);
        cr_assert_eq(commands[i].answered, 1, "command %u", i);
        cr_assert_eq(commands[i].committed, 1, "command %u", i);
        cr_assert_eq(commands[i].released, 1, "command %u", i);
        free(commands[i].bytes);
    }
    for (dgraft_node_id id = 1; id <= 3; id++) {
        cr_assert_eq(cluster.nodes[id].machine.count, COMMANDS, "node %u", id);
    }
    rig_close(&cluster);
}
