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

/* The same before it has started: nothing is in it yet, and the rules of dgraft_core_check, which would refuse much of
 * this as well, are not asked. */
static void open_new(struct block *block)
{
    open_block(block);
    cr_assert_not_null(dgraft_core_init(block->copy, &block->rig.config));
}

/* With a peer, which a block that has not started does not have. */
static void open_peer(struct block *block)
{
    open_new(block);
    block->copy->peers[0] = block->rig.core->peers[0];
    block->copy->slot_of[block->copy->peers[0].id] = 1;
    block->copy->peer_count = 1;
}

/* A leader with a membership to go back to. */
static void open_before(struct block *block)
{
    open_block(block);
    block->copy->before = block->copy->membership;
    block->copy->before.index = 0;
    block->copy->membership.index = 1;
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

Test(adopting, a_config_that_no_core_is_made_with_is_refused_though_the_block_has_it)
{
    struct block block;
    open_new(&block);
    block.rig.config.lease_drift_ppm = 1000000;
    block.copy->config = block.rig.config;
    cr_assert_not(adopted(&block));
    close_block(&block);
}

Test(adopting, refuses_parts_that_are_not_where_the_config_has_them)
{
    REFUSED(open_new, core->runs_offset += 8);
    REFUSED(open_new, core->inflight_offset += 8);
    REFUSED(open_new, core->reads_offset += 8);
}

Test(adopting, refuses_flags_that_are_neither_true_nor_false)
{
    REFUSED(open_new, set_byte(&core->started, 2));
    REFUSED(open_new, set_byte(&core->poisoned, 2));
    REFUSED(open_new, set_byte(&core->requests_due, 2));
    REFUSED(open_block, set_byte(&core->grant_due, 2));
    REFUSED(open_new, set_byte(&core->ack_due, 255));
    REFUSED(open_new, set_byte(&core->refuse_due, 2));
    REFUSED(open_new, set_byte(&core->members_due, 2));
    REFUSED(open_new, set_byte(&core->change_pending, 2));
    REFUSED(open_new, set_byte(&core->campaign_by_transfer, 2));
    REFUSED(open_new, set_byte(&core->read_asked, 2));
    REFUSED(open_new, set_byte(&core->snapshot_ack_due, 2));
    REFUSED(open_new, set_byte(&core->transfer.asked, 2));
    REFUSED(open_new, set_byte(&core->lease_void, 2));
    REFUSED(open_new, set_byte(&core->disk_full, 2));
    REFUSED(open_new, set_byte(&core->disk_alarm, 2));
}

Test(adopting, refuses_flags_of_a_peer_that_are_neither_true_nor_false)
{
    REFUSED(open_peer, set_byte(&core->peers[0].probing, 2));
    REFUSED(open_peer, set_byte(&core->peers[0].probe_due, 2));
    REFUSED(open_peer, set_byte(&core->peers[0].send_pending, 2));
    REFUSED(open_peer, set_byte(&core->peers[0].blocked, 2));
    REFUSED(open_peer, set_byte(&core->peers[0].lookup_pending, 2));
    REFUSED(open_peer, set_byte(&core->peers[0].added, 2));
    REFUSED(open_peer, set_byte(&core->peers[0].caught_up, 2));
    REFUSED(open_peer, set_byte(&core->peers[0].snapshot_slow, 2));
    REFUSED(open_block, set_byte(&core->peers[1].blocked, 2));
}

Test(adopting, refuses_rings_that_lead_out_of_the_block)
{
    REFUSED(open_new, core->writes_head = DGRAFT_CORE_WRITES);
    REFUSED(open_new, core->writes_count = DGRAFT_CORE_WRITES + 1);
    REFUSED(open_new, core->marks_head = DGRAFT_CORE_MARKS);
    REFUSED(open_new, core->marks_count = DGRAFT_CORE_MARKS + 1);
    REFUSED(open_new, core->runs_head = core->config.runs_max);
    REFUSED(open_new, core->runs_count = core->config.runs_max + 1);
    REFUSED(open_new, core->reads_head = core->config.reads_max);
    REFUSED(open_new, core->reads_count = core->config.reads_max + 1);
    REFUSED(open_peer, core->peers[0].inflight_head = core->config.inflight_max);
    REFUSED(open_peer, core->peers[0].inflight_count = core->config.inflight_max + 1);
}

Test(adopting, refuses_nodes_that_are_none_and_roles_that_are_none)
{
    REFUSED(open_new, core->role = (enum dgraft_role)0);
    REFUSED(open_new, core->role = (enum dgraft_role)9);
    REFUSED(open_new, core->leader = 65);
    REFUSED(open_new, core->vote = 65);
    REFUSED(open_new, core->written_vote = 65);
    REFUSED(open_new, core->durable_vote = 65);
    REFUSED(open_new, core->read_leader = 65);
    REFUSED(open_new, core->transfer.target = 65);
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
    REFUSED(open_peer, core->peers[0].id++);
}

Test(adopting, refuses_members_that_cannot_be)
{
    REFUSED(open_block, core->before.voters = UINT64_MAX);
    REFUSED(open_before, core->before.learners = core->before.voters);
    REFUSED(open_block, core->membership.voters = 0);
    REFUSED(open_block, core->commit = core->last.index + 1);
}
