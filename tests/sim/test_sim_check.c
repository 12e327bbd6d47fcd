/* Each rule of the checker trips when it is broken by hand: three nodes, of which only the ghosts exist. */
#include "sim_check.h"

#include <criterion/criterion.h>
#include <string.h>

static struct sim_counts counts;
static struct sim_trace trace;

struct world {
    struct sim_check check;
    struct dgraft_core_status status[4];
};

static void give_disk(struct world *world, dgraft_node_id node, dgraft_term term, dgraft_node_id vote,
                      dgraft_index last, dgraft_term last_term)
{
    struct sim_ghost *ghost = &world->check.ghosts[node];
    cr_assert(sim_ghost_reserve(ghost, last) && sim_ghost_reserve_votes(ghost, term));
    ghost->state_term = term;
    ghost->state_vote = vote;
    ghost->votes_durable[term] = vote;
    ghost->last = last;
    for (dgraft_index i = 1; i <= last; i++) {
        const struct sim_entry entry = {.term = i == 1 ? 1 : last_term,
                                        .before = i == 1   ? 0
                                                  : i == 2 ? 1
                                                           : last_term,
                                        .hash = i,
                                        .operation = i,
                                        .kind = DGRAFT_ENTRY_COMMAND};
        ghost->terms[i] = entry.term;
        cr_assert(sim_check_entry(&world->check, i, &entry, "here"));
    }
}

/* Node 1 leads term 2; 1 and 2 hold three entries, 3 holds one. */
static void open_world(struct world *world)
{
    memset(world, 0, sizeof *world);
    cr_assert(sim_check_open(&world->check, 3, &counts, &trace));
    world->check.cluster = 9;
    give_disk(world, 1, 2, 1, 3, 2);
    give_disk(world, 2, 2, 1, 3, 2);
    give_disk(world, 3, 1, 0, 1, 2);
    for (dgraft_node_id node = 1; node <= 3; node++) {
        const struct sim_ghost *ghost = &world->check.ghosts[node];
        world->status[node] = (struct dgraft_core_status){.self = node,
                                                          .role = DGRAFT_ROLE_FOLLOWER,
                                                          .term = ghost->state_term,
                                                          .durable_term = ghost->state_term,
                                                          .vote = ghost->state_vote,
                                                          .last = {ghost->last, ghost->terms[ghost->last]},
                                                          .durable = ghost->last};
        sim_check_opened(&world->check, node, &world->status[node]);
    }
    cr_assert_not(sim_check_broken(&world->check), "%s", world->check.finding);
}

static void expect(struct world *world, const char *rule)
{
    cr_assert(sim_check_broken(&world->check), "%s was not seen", rule);
    cr_assert_eq(strncmp(world->check.finding, rule, strlen(rule)), 0, "%s instead of %s", world->check.finding, rule);
    sim_check_close(&world->check);
}

static void send(struct world *world, dgraft_node_id to, const struct dgraft_message *message)
{
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    const struct dgraft_frame_header header = {.cluster = 9, .to = dgraft_node_set_of(to)};
    const size_t size = dgraft_frame_encode(&header, message, NULL, 0, head);
    cr_assert_gt(size, 0u);
    sim_check_sent(&world->check, message->from, to, head, size);
}

static void send_append(struct world *world, dgraft_node_id from, dgraft_term term, struct dgraft_position prev)
{
    const struct dgraft_message message = {
        .type = DGRAFT_MESSAGE_APPEND, .from = from, .term = term, .u.append = {.prev = prev, .round = 1}};
    send(world, from == 3 ? 1 : 3, &message);
    if (from == 1) {
        send(world, 2, &message);
    }
}

static void lead(struct world *world, dgraft_node_id node)
{
    world->status[node].role = DGRAFT_ROLE_LEADER;
    sim_check_turned(&world->check, node, &world->status[node]);
}

Test(check, a_healthy_exchange_passes)
{
    struct world world;
    open_world(&world);
    lead(&world, 1);
    send_append(&world, 1, 2, (struct dgraft_position){3, 2});
    send(&world, 1,
         &(struct dgraft_message){
             .type = DGRAFT_MESSAGE_APPEND_ACK, .from = 2, .term = 2, .u.append_ack = {.match = 3, .round = 1}});
    world.status[1].commit = 3;
    sim_check_turned(&world.check, 1, &world.status[1]);
    sim_check_applied(&world.check, 1, (struct dgraft_position){1, 1}, 1, 0);
    sim_check_applied(&world.check, 1, (struct dgraft_position){2, 2}, 2, 0);
    sim_check_answered(&world.check, 1, 3,
                       &(struct dgraft_proposal_answer){.fate = DGRAFT_PROPOSAL_COMMITTED, .position = {3, 2}});
    cr_assert_not(sim_check_broken(&world.check), "%s", world.check.finding);
    cr_assert_eq(world.check.committed_last, 3u);
    sim_check_close(&world.check);
}

Test(check, two_leaders_of_a_term_are_seen)
{
    struct world world;
    open_world(&world);
    lead(&world, 1);
    lead(&world, 2);
    expect(&world, "I-LEAD");
}

Test(check, a_term_that_is_not_on_disk_is_seen)
{
    struct world world;
    open_world(&world);
    send(&world, 1,
         &(struct dgraft_message){
             .type = DGRAFT_MESSAGE_APPEND_ACK, .from = 3, .term = 2, .u.append_ack = {.match = 0}});
    expect(&world, "I-DURVOTE");
}

Test(check, a_vote_that_is_not_on_disk_is_seen)
{
    struct world world;
    open_world(&world);
    send(
        &world, 3,
        &(struct dgraft_message){.type = DGRAFT_MESSAGE_VOTE_GRANT, .from = 2, .term = 2, .u.vote_reply = {.term = 2}});
    expect(&world, "I-DURVOTE");
}

Test(check, two_votes_in_a_term_are_seen)
{
    struct world world;
    const struct dgraft_message grant = {
        .type = DGRAFT_MESSAGE_VOTE_GRANT, .from = 2, .term = 2, .u.vote_reply = {.term = 2}};
    open_world(&world);
    send(&world, 1, &grant);
    cr_assert_not(sim_check_broken(&world.check));
    world.check.ghosts[2].votes_durable[2] = 3;
    send(&world, 3, &grant);
    expect(&world, "I-VOTE");
}

Test(check, an_acknowledgement_beyond_the_disk_is_seen)
{
    struct world world;
    open_world(&world);
    lead(&world, 1);
    send_append(&world, 1, 2, (struct dgraft_position){3, 2});
    world.check.ghosts[2].last = 2;
    send(&world, 1,
         &(struct dgraft_message){
             .type = DGRAFT_MESSAGE_APPEND_ACK, .from = 2, .term = 2, .u.append_ack = {.match = 3, .round = 1}});
    expect(&world, "I-ACK");
}

Test(check, an_acknowledgement_of_what_the_leader_never_showed_is_seen)
{
    struct world world;
    open_world(&world);
    lead(&world, 1);
    send_append(&world, 1, 2, (struct dgraft_position){1, 1});
    send(&world, 1,
         &(struct dgraft_message){
             .type = DGRAFT_MESSAGE_APPEND_ACK, .from = 2, .term = 2, .u.append_ack = {.match = 3, .round = 1}});
    expect(&world, "I-ACK");
}

Test(check, a_commit_without_a_majority_of_disks_is_seen)
{
    struct world world;
    open_world(&world);
    lead(&world, 1);
    send_append(&world, 1, 2, (struct dgraft_position){3, 2});
    world.check.ghosts[2].last = 2;
    world.status[1].commit = 3;
    sim_check_turned(&world.check, 1, &world.status[1]);
    expect(&world, "I-CQ");
}

Test(check, an_old_entry_committed_by_counting_is_seen)
{
    struct world world;
    open_world(&world);
    lead(&world, 1);
    send_append(&world, 1, 2, (struct dgraft_position){3, 2});
    world.status[1].commit = 1;
    sim_check_turned(&world.check, 1, &world.status[1]);
    expect(&world, "I-CQ");
}

Test(check, a_commit_that_falls_or_passes_what_was_shown_is_seen)
{
    struct world world;
    open_world(&world);
    lead(&world, 1);
    send_append(&world, 1, 2, (struct dgraft_position){3, 2});
    world.status[1].commit = 3;
    sim_check_turned(&world.check, 1, &world.status[1]);
    world.check.terms[2].shown[2] = 1;
    world.status[2].commit = 3;
    sim_check_turned(&world.check, 2, &world.status[2]);
    expect(&world, "I-CI");
}

Test(check, a_second_content_of_a_position_is_seen)
{
    struct world world;
    open_world(&world);
    sim_check_entry(
        &world.check, 3,
        &(struct sim_entry){.term = 2, .before = 2, .hash = 99, .operation = 99, .kind = DGRAFT_ENTRY_COMMAND}, "here");
    expect(&world, "I-LM");
}

Test(check, a_leader_without_a_committed_entry_is_seen)
{
    struct world world;
    open_world(&world);
    lead(&world, 1);
    send_append(&world, 1, 2, (struct dgraft_position){3, 2});
    world.status[1].commit = 3;
    sim_check_turned(&world.check, 1, &world.status[1]);
    sim_check_entry(&world.check, 2, &(struct sim_entry){.term = 3, .before = 1, .kind = DGRAFT_ENTRY_NOOP}, "here");
    expect(&world, "I-LC");
}

Test(check, what_is_applied_uncommitted_or_twice_is_seen)
{
    struct world world;
    open_world(&world);
    sim_check_applied(&world.check, 1, (struct dgraft_position){1, 1}, 1, 0);
    expect(&world, "I-SMS");
    open_world(&world);
    lead(&world, 1);
    send_append(&world, 1, 2, (struct dgraft_position){3, 2});
    world.status[1].commit = 3;
    sim_check_turned(&world.check, 1, &world.status[1]);
    sim_check_applied(&world.check, 1, (struct dgraft_position){1, 1}, 1, 0);
    cr_assert_not(sim_check_broken(&world.check));
    sim_check_applied(&world.check, 1, (struct dgraft_position){1, 1}, 1, 0);
    expect(&world, "I-SMS");
}

Test(check, a_false_answer_is_seen)
{
    struct world world;
    open_world(&world);
    sim_check_answered(&world.check, 1, 2,
                       &(struct dgraft_proposal_answer){.fate = DGRAFT_PROPOSAL_COMMITTED, .position = {2, 2}});
    expect(&world, "I-REPLY");
    open_world(&world);
    sim_check_answered(&world.check, 1, 2, &(struct dgraft_proposal_answer){.fate = DGRAFT_PROPOSAL_REFUSED});
    expect(&world, "I-REPLY");
}

Test(check, a_term_that_falls_is_seen)
{
    struct world world;
    open_world(&world);
    world.status[1].term = 1;
    sim_check_turned(&world.check, 1, &world.status[1]);
    expect(&world, "I-TERM");
}

Test(check, a_log_that_lost_what_was_durable_is_seen)
{
    struct world world;
    open_world(&world);
    sim_check_down(&world.check, 2);
    world.check.ghosts[2].last = 2;
    world.status[2].last = (struct dgraft_position){2, 2};
    sim_check_opened(&world.check, 2, &world.status[2]);
    expect(&world, "I-DUR");
}

Test(check, a_damaged_datagram_that_decodes_is_seen)
{
    struct world world;
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    const struct dgraft_frame_header header = {.cluster = 9, .to = 2};
    const struct dgraft_message message = {.type = DGRAFT_MESSAGE_APPEND_ACK, .from = 1, .term = 2};
    open_world(&world);
    const size_t size = dgraft_frame_encode(&header, &message, NULL, 0, head);
    head[50] ^= 1;
    sim_check_damaged(&world.check, head, size);
    cr_assert_not(sim_check_broken(&world.check));
    head[50] ^= 1;
    sim_check_damaged(&world.check, head, size);
    expect(&world, "I-DEC");
}

/* Memberships of three voters at entry 1, and `next` at entry 3 of term 2, upon which nothing is committed. */
static bool judge_next(struct world *world, uint32_t roles_of_3, dgraft_node_id also, bool committed)
{
    uint8_t bytes[DGRAFT_MEMBERSHIP_BYTES_MAX];
    struct dgraft_members members = {.count = 3};
    open_world(world);
    for (uint32_t i = 0; i < 3; i++) {
        members.items[i] = (struct dgraft_member){.id = i + 1, .roles = DGRAFT_MEMBER_VOTER, .address = "h:1"};
    }
    size_t size = dgraft_membership_encode(&members, bytes);
    cr_assert(sim_members_note(&world->check, (struct dgraft_position){1, 1}, bytes, size));
    if (committed) {
        cr_assert(sim_check_commit(&world->check, 1, 2, false, 1));
    }
    members.items[2].roles = roles_of_3;
    if (also != 0) {
        members.items[members.count++] =
            (struct dgraft_member){.id = also, .roles = DGRAFT_MEMBER_LEARNER, .address = "h:1"};
    }
    size = dgraft_membership_encode(&members, bytes);
    cr_assert(sim_members_note(&world->check, (struct dgraft_position){3, 2}, bytes, size));
    return sim_members_judge(&world->check);
}

Test(memberships, that_are_made_upon_a_committed_one_pass)
{
    struct world world;
    cr_assert(judge_next(&world, DGRAFT_MEMBER_VOTER, 4, true), "%s", world.check.finding);
    sim_check_close(&world.check);
}

Test(memberships, that_are_made_upon_an_uncommitted_one_are_seen)
{
    struct world world;
    cr_assert_not(judge_next(&world, DGRAFT_MEMBER_VOTER, 4, false));
    expect(&world, "I-CFG");
}

Test(memberships, whose_majorities_need_not_meet_are_seen)
{
    struct world world;
    cr_assert_not(judge_next(&world, DGRAFT_MEMBER_LEARNER, 0, true));
    expect(&world, "I-CFG");
}

Test(memberships, that_change_nothing_are_seen)
{
    struct world world;
    cr_assert_not(judge_next(&world, DGRAFT_MEMBER_VOTER, 0, true));
    expect(&world, "I-CFG");
}

Test(memberships, that_are_not_the_newest_of_the_log_are_seen)
{
    struct world world;
    cr_assert(judge_next(&world, DGRAFT_MEMBER_VOTER, 4, true));
    cr_assert_not(sim_members_in_force(&world.check, 1, (struct dgraft_position){3, 2},
                                       &(struct dgraft_membership){.index = 1, .voters = 7}));
    expect(&world, "I-CFG");
}

Test(memberships, that_are_joint_are_decided_by_both_halves)
{
    const struct dgraft_membership joint = {.voters = 0x19, .outgoing = 7}; /* 1, 4, 5 after 1, 2, 3 */
    cr_assert_not(sim_members_majority(&joint, 0x19), "one of the old");
    cr_assert_not(sim_members_majority(&joint, 7), "one of the new");
    cr_assert(sim_members_majority(&joint, 0x0b));
}
