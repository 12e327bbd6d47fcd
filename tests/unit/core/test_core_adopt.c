/* A block that came back from a file: whatever in it a step would use as an index or a flag is looked at first. */
#include "core_rig.h"
#include "parts.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* A block of memory that may be written to, and the config that it is adopted with. */
struct block {
    struct rig rig;
    struct dgraft_core *copy;
    size_t bytes;
};

/* A leader of three with appends on their way, a read that waits and proposals that are not committed. */
static void open_block(struct block *block)
{
    struct dgraft_event read = {.kind = DGRAFT_EVENT_READ, .u.read.id = 5};
    rig_open(&block->rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    rig_lead_and_commit(&block->rig);
    rig_propose(&block->rig, 3, 10);
    rig_sent_all(&block->rig);
    rig_step(&block->rig, read);
    block->bytes = dgraft_core_size(&block->rig.config);
    block->copy = malloc(block->bytes);
    cr_assert_not_null(block->copy);
    memcpy(block->copy, block->rig.core, block->bytes);
}

/* The same before it has started: nothing is in it yet. */
static void open_new(struct block *block)
{
    open_block(block);
    cr_assert_not_null(dgraft_core_init(block->copy, &block->rig.config));
}

static bool adopted(struct block *block)
{
    const struct dgraft_core *core = dgraft_core_adopt(block->copy, &block->rig.config);
    return core != NULL;
}

static void close_block(struct block *block)
{
    free(block->copy);
    rig_close(&block->rig);
}

static void set_byte(void *at, unsigned char value)
{
    memcpy(at, &value, 1);
}

#define REFUSED(open, change)                                                                                          \
    do {                                                                                                               \
        struct block block;                                                                                            \
        open(&block);                                                                                                  \
        struct dgraft_core *core = block.copy;                                                                         \
        cr_assert(adopted(&block));                                                                                    \
        change;                                                                                                        \
        cr_assert_not(adopted(&block), "%s", #change);                                                                 \
        close_block(&block);                                                                                           \
    } while (0)

Test(adopting, a_block_of_another_config_is_refused)
{
    struct block block;
    struct dgraft_config other;
    open_block(&block);
    other = block.rig.config;
    other.seed++;
    cr_assert_null(dgraft_core_adopt(block.copy, &other));
    other.members_max = 0;
    cr_assert_null(dgraft_core_adopt(block.copy, &other));
    close_block(&block);
}

Test(adopting, refuses_flags_that_are_neither_true_nor_false)
{
    REFUSED(open_block, set_byte(&core->started, 2));
    REFUSED(open_block, set_byte(&core->poisoned, 2));
    REFUSED(open_block, set_byte(&core->grant_due, 2));
    REFUSED(open_block, set_byte(&core->ack_due, 255));
    REFUSED(open_block, set_byte(&core->refuse_due, 2));
    REFUSED(open_block, set_byte(&core->peers[0].probing, 2));
    REFUSED(open_block, set_byte(&core->peers[1].send_pending, 2));
    REFUSED(open_block, set_byte(&core->peers[1].blocked, 2));
    REFUSED(open_block, set_byte(&core->peers[1].lookup_pending, 2));
}

Test(adopting, refuses_rings_that_lead_out_of_the_block)
{
    REFUSED(open_block, core->writes_head = DGRAFT_CORE_WRITES);
    REFUSED(open_block, core->writes_count = DGRAFT_CORE_WRITES + 1);
    REFUSED(open_block, core->marks_head = DGRAFT_CORE_MARKS);
    REFUSED(open_block, core->marks_count = DGRAFT_CORE_MARKS + 1);
    REFUSED(open_block, core->runs_head = core->config.runs_max);
    REFUSED(open_block, core->runs_count = core->config.runs_max + 1);
    REFUSED(open_block, core->reads_head = core->config.reads_max);
    REFUSED(open_block, core->reads_count = core->config.reads_max + 1);
    REFUSED(open_block, core->peers[0].inflight_head = core->config.inflight_max);
    REFUSED(open_block, core->peers[0].inflight_count = core->config.inflight_max + 1);
}

Test(adopting, refuses_nodes_that_are_none_and_roles_that_are_none)
{
    REFUSED(open_block, core->role = (enum dgraft_role)0);
    REFUSED(open_block, core->role = (enum dgraft_role)9);
    REFUSED(open_block, core->leader = 65);
    REFUSED(open_block, core->vote = 65);
    REFUSED(open_block, core->written_vote = 65);
    REFUSED(open_block, core->durable_vote = 65);
    REFUSED(open_block, core->read_leader = 65);
    REFUSED(open_block, core->transfer.target = 65);
    REFUSED(open_new, core->grant_due = true); /* to nobody */
}

/* A block that says it has not started is stepped with a START all the same, which first looks at its peers. */
Test(adopting, refuses_peers_that_are_not_found_or_not_there)
{
    REFUSED(open_block, core->peer_count = core->config.members_max + 1);
    REFUSED(open_block, core->peer_count--);
    REFUSED(open_block, core->slot_of[0] = 1);
    REFUSED(open_block, core->slot_of[64] = 1);
    REFUSED(open_block, core->slot_of[2] = 200);
    REFUSED(open_block, core->slot_of[2] = core->slot_of[3]);
    REFUSED(open_new, core->slot_of[2] = 3);
    REFUSED(open_new, core->peer_count = 1);
    REFUSED(open_new, core->peer_count = 200);
}

Test(adopting, refuses_members_that_cannot_be)
{
    REFUSED(open_block, core->before.voters = UINT64_MAX);
    REFUSED(open_block, core->membership.voters = 0);
    REFUSED(open_block, core->commit = core->last.index + 1);
}
