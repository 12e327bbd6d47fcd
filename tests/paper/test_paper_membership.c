/* Chapter 4: changes of the membership, each rule under the number of its section. */
#include "core_rig.h"

#include <criterion/criterion.h>

#define AT(i, t)  ((struct dgraft_position){.index = (i), .term = (t)})
#define NODE(n)   (UINT64_C(1) << ((n)-1))
#define ONE_TWO   (NODE(1) | NODE(2))
#define ONE_THREE (NODE(1) | NODE(2) | NODE(3))

/* Node 1 leads these members in term 3; its NOOP, entry 6, is committed. */
static void open_leader(struct rig *rig, struct dgraft_membership membership)
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.members_max = 8;
    membership.index = 1;
    rig_open_config(rig,
                    &(struct rig_start){.self = 1,
                                        .membership = membership,
                                        .term = 2,
                                        .last = 5,
                                        .commit = 1,
                                        .runs = {{1, 1}, {4, 2}},
                                        .run_count = 2},
                    &config);
    rig_lead_and_commit(rig);
}

static void open_follower(struct rig *rig, dgraft_node_set voters)
{
    rig_open(rig, &(struct rig_start){.self = 1,
                                      .membership = {.index = 1, .voters = voters},
                                      .term = 2,
                                      .last = 5,
                                      .commit = 1,
                                      .runs = {{1, 1}, {4, 2}},
                                      .run_count = 2});
}

static void ack(struct rig *rig, dgraft_node_id from)
{
    const struct dgraft_core_status status = rig_status(rig);
    rig_receive(rig, rig_ack(from, status.term, status.last.index, status.round));
}

Test(section_4_1, a_server_uses_the_latest_configuration_in_its_log_committed_or_not)
{
    struct rig rig;
    struct dgraft_entry entry;
    struct dgraft_membership next = {.voters = ONE_THREE | NODE(4), .outgoing = ONE_THREE};
    open_follower(&rig, ONE_THREE);
    rig_receive(&rig, rig_append_membership(2, 2, AT(5, 2), &entry, &next));
    cr_assert_eq(rig_status(&rig).commit, 1u);
    cr_assert_eq(rig_status(&rig).membership.voters, ONE_THREE | NODE(4));
    rig_durable(&rig);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_REQUEST, 4)->receivers, NODE(2) | NODE(3) | NODE(4));
    rig_close(&rig);
}

Test(section_4_1, a_server_falls_back_to_the_previous_configuration_when_the_entry_is_removed)
{
    struct rig rig;
    struct dgraft_entry entry;
    struct dgraft_membership next = {.voters = ONE_THREE, .learners = NODE(4)};
    open_follower(&rig, ONE_THREE);
    rig_receive(&rig, rig_append_membership(2, 2, AT(5, 2), &entry, &next));
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).membership.learners, NODE(4));
    rig_receive(&rig, rig_append(3, 3, AT(5, 2), &entry, 1, 3));
    cr_assert_eq(rig_status(&rig).membership.learners, 0u);
    cr_assert_eq(rig_status(&rig).membership.index, 1u);
    rig_close(&rig);
}

Test(section_4_1, a_change_waits_until_the_one_before_is_committed)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = ONE_THREE});
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = ONE_THREE, .learners = NODE(4)}), 0);
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = ONE_TWO}), DGRAFT_OUTCOME_CHANGING);
    rig_durable(&rig);
    ack(&rig, 2);
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = ONE_TWO, .learners = NODE(4)}), 0);
    rig_close(&rig);
}

/* The single rule that section 4.1 lacked, as its author wrote in July 2015: a leader's first entry tells it which
 * configuration is the newest. */
Test(section_4_1, no_change_begins_before_an_entry_of_the_leaders_term_is_committed)
{
    struct rig rig;
    open_follower(&rig, ONE_THREE);
    rig_lead(&rig);
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = ONE_TWO}), DGRAFT_OUTCOME_CHANGING);
    rig_durable(&rig);
    rig_receive(&rig, rig_ack(2, 3, 5, 1));
    rig_sent_all(&rig);
    rig_receive(&rig, rig_ack(2, 3, 6, 1));
    cr_assert_eq(rig_status(&rig).commit, 6u);
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = ONE_TWO}), 0);
    rig_close(&rig);
}

Test(section_4_1, requests_are_processed_whoever_sends_them)
{
    struct rig rig;
    struct dgraft_entry entry;
    open_follower(&rig, ONE_THREE);
    rig_receive(&rig, rig_append(7, 3, AT(5, 2), &entry, 1, 3));
    rig_durable(&rig);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 7)->message.u.append_ack.match, 6u);
    rig_close(&rig);
    open_follower(&rig, ONE_THREE);
    rig_receive(&rig, rig_vote_request(7, 3, 5, 2));
    rig_durable(&rig);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 7));
    rig_close(&rig);
}

Test(section_4_2_1, a_new_server_receives_the_log_before_it_votes)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = ONE_THREE});
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = ONE_THREE | NODE(4)}), DGRAFT_OUTCOME_BEHIND);
    rig_change(&rig, (struct dgraft_membership){.voters = ONE_THREE, .learners = NODE(4), .promote = NODE(4)});
    rig_durable(&rig);
    ack(&rig, 2);
    cr_assert_eq(rig_status(&rig).membership.voters, ONE_THREE);
    ack(&rig, 4);
    cr_assert_eq(rig_status(&rig).membership.voters, ONE_THREE | NODE(4));
    rig_close(&rig);
}

Test(section_4_2_1, a_server_that_catches_up_counts_neither_for_commits_nor_in_elections)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = ONE_THREE, .learners = NODE(4) | NODE(5)});
    rig_propose(&rig, 1, 10);
    rig_sent_all(&rig);
    rig_durable(&rig);
    ack(&rig, 4);
    ack(&rig, 5);
    cr_assert_eq(rig_status(&rig).commit, 6u);
    ack(&rig, 2);
    cr_assert_eq(rig_status(&rig).commit, 7u);
    rig_close(&rig);

    rig_open(&rig, &(struct rig_start){.self = 1,
                                       .membership = {.index = 1, .voters = ONE_THREE, .learners = NODE(4) | NODE(5)},
                                       .term = 2,
                                       .last = 1,
                                       .runs = {{1, 1}},
                                       .run_count = 1});
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_REQUEST, 0)->receivers, NODE(2) | NODE(3));
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 4, 2, 3));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_PRE_CANDIDATE);
    rig_close(&rig);
}

/* The new server says how long its log is, so that the leader need not step back entry by entry. */
Test(section_4_2_1, where_a_new_servers_log_ends_is_found_in_one_step)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = ONE_THREE});
    rig_change(&rig, (struct dgraft_membership){.voters = ONE_THREE, .learners = NODE(4)});
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 4);
    rig_receive(&rig, rig_refuse(4, 3, send->message.u.append.prev.index, AT(0, 0), rig_status(&rig).round));
    send = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 4);
    cr_assert_eq(send->message.u.append.prev.index, 0u);
    cr_assert_eq(send->last.index, 7u);
    rig_close(&rig);
}

Test(section_4_2_1, rounds_of_replication_end_when_one_is_shorter_than_an_election_timeout)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = ONE_THREE});
    rig_change(&rig, (struct dgraft_membership){.voters = ONE_THREE, .learners = NODE(4), .promote = NODE(4)});
    rig_durable(&rig);
    ack(&rig, 2);
    for (uint32_t round = 0; round < 3; round++) {
        rig.now += rig.config.election_timeout_ns;
        ack(&rig, 2);
        ack(&rig, 3);
        ack(&rig, 4);
        cr_assert_eq(rig_status(&rig).membership.learners, NODE(4), "round %u was too long", round);
    }
    rig.now += rig.config.election_timeout_ns - 1;
    ack(&rig, 2);
    ack(&rig, 4);
    cr_assert_eq(rig_status(&rig).membership.learners, 0u);
    rig_close(&rig);
}

Test(section_4_2_2, a_leader_that_is_removed_does_not_count_itself_and_steps_down_when_that_is_committed)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = ONE_THREE});
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = NODE(2) | NODE(3)}), 0);
    rig_durable(&rig);
    ack(&rig, 2);
    ack(&rig, 3);
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).membership.outgoing, 0u);
    ack(&rig, 2);
    cr_assert_eq(rig_status(&rig).commit, 7u);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER);
    ack(&rig, 3);
    cr_assert_eq(rig_status(&rig).commit, 8u);
    rig.now += 2 * rig.config.election_timeout_ns;
    rig_wake_at(&rig, rig.now);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    rig_close(&rig);
}

/* Figure 4.6: the entry without this server is in its log alone, and nobody else's log is long enough. */
Test(section_4_2_2, a_server_that_its_newest_configuration_leaves_out_campaigns_until_that_is_committed)
{
    struct rig rig;
    struct dgraft_entry entry;
    struct dgraft_membership joint = {.voters = NODE(2), .outgoing = NODE(1) | NODE(2)};
    struct dgraft_membership without = {.voters = NODE(2)};
    open_follower(&rig, NODE(1) | NODE(2));
    rig_receive(&rig, rig_append_membership(2, 2, AT(5, 2), &entry, &joint));
    struct dgraft_message append = rig_append_membership(2, 2, AT(6, 2), &entry, &without);
    append.u.append.commit = 6;
    rig_receive(&rig, append);
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).membership.voters, NODE(2));
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_REQUEST, 2)->receivers, NODE(2));
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2, 2, 3));
    rig_durable(&rig);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_VOTE_GRANT, 2, 3, 3));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER);
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).commit, 6u, "its own copy counts for nothing");
    ack(&rig, 2);
    cr_assert_eq(rig_status(&rig).commit, 8u);
    rig.now += 2 * rig.config.election_timeout_ns;
    rig_wake_at(&rig, rig.now);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    cr_assert_eq(rig.actions->wake_at_ns, UINT64_MAX, "it is committed: this server campaigns no more");
    rig_close(&rig);
}

Test(section_4_2_3, a_removed_server_cannot_disrupt_the_cluster)
{
    struct rig rig;
    struct dgraft_entry entry;
    open_follower(&rig, ONE_TWO);
    rig_receive(&rig, rig_append(2, 2, AT(5, 2), &entry, 1, 2));
    rig_durable(&rig);
    rig_receive(&rig, rig_pre_vote_request(3, 9, 99, 8));
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_REFUSE, 3)->message.u.vote_reply.reason,
                 DGRAFT_REFUSE_LEADER_ALIVE);
    rig_receive(&rig, rig_vote_request(3, 9, 99, 8));
    cr_assert_eq(rig_status(&rig).term, 2u);
    rig_close(&rig);
}

/* Figure 4.1, as a whole: from {1,2,3} to {1,...,5} at once, through a joint configuration. */
Test(section_4_3, agreement_needs_separate_majorities_of_the_old_and_the_new_configuration)
{
    struct rig rig;
    const dgraft_node_set five = ONE_THREE | NODE(4) | NODE(5);
    open_leader(&rig, (struct dgraft_membership){.voters = ONE_THREE, .learners = NODE(4) | NODE(5)});
    ack(&rig, 4);
    ack(&rig, 5);
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = five}), 0);
    rig_durable(&rig);
    ack(&rig, 4);
    ack(&rig, 5);
    cr_assert_eq(rig_status(&rig).commit, 6u, "1, 4 and 5 are a majority of the new, not of the old");
    ack(&rig, 3);
    cr_assert_eq(rig_status(&rig).commit, 7u);
    cr_assert_eq(rig_status(&rig).membership.outgoing, 0u, "committed: the new one alone follows");
    cr_assert_eq(rig_status(&rig).membership.voters, five);
    rig_close(&rig);
}

Test(section_4_3, an_election_in_a_joint_configuration_needs_both_majorities)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){
                       .self = 1,
                       .membership = {.index = 5, .voters = NODE(1) | NODE(4) | NODE(5), .outgoing = ONE_THREE},
                       .before = {.index = 1, .voters = ONE_THREE},
                       .term = 2,
                       .last = 5,
                       .commit = 1,
                       .runs = {{1, 1}, {4, 2}},
                       .run_count = 2});
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 4, 2, 3));
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 5, 2, 3));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_PRE_CANDIDATE);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2, 2, 3));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_CANDIDATE);
    rig_close(&rig);
}

Test(section_4_3, entries_are_replicated_to_all_servers_of_both_configurations)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = ONE_THREE, .learners = NODE(4)});
    ack(&rig, 4);
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = NODE(1) | NODE(4)}), 0);
    cr_assert_eq(rig_status(&rig).membership.outgoing, ONE_THREE);
    rig_sent_all(&rig);
    rig_propose(&rig, 1, 10);
    for (dgraft_node_id id = 2; id <= 4; id++) {
        cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, id)->last.index, 8u, "node %u", id);
    }
    rig_close(&rig);
}

/* The leader that entered it may be gone: whoever is elected then goes on from there. */
Test(section_4_3, any_leader_leaves_the_joint_configuration_once_it_is_committed)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = ONE_TWO, .outgoing = ONE_THREE});
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).membership.outgoing, 0u);
    cr_assert_eq(rig_status(&rig).membership.voters, ONE_TWO);
    cr_assert_eq(rig_status(&rig).membership.index, 7u, "its own entry, behind the NOOP");
    rig_close(&rig);
}
