/* Ongaro's dissertation, chapter 3, leader election and terms: one test per rule, in its own words where they are
 * short.
 */
#include "core_cluster.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define AT(index, term) ((struct dgraft_position){index, term})

static void open_three(struct rig *rig)
{
    rig_open(rig, &(struct rig_start){
                      .self = 1, .voters = 3, .term = 4, .last = 3, .runs = {{1, 1}, {3, 4}}, .run_count = 2});
}

static void become_candidate(struct rig *rig)
{
    rig_wake_at(rig, rig->actions->wake_at_ns);
    rig_receive(rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2, 4, 5));
    rig_durable(rig);
    cr_assert_eq(rig_status(rig).role, DGRAFT_ROLE_CANDIDATE);
}

Test(section_3_3, servers_start_as_followers)
{
    struct rig rig;
    open_three(&rig);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    cr_assert_eq(rig_status(&rig).leader, 0u);
    rig_close(&rig);
}

Test(section_3_3, a_smaller_term_is_updated_to_the_larger_value)
{
    static const enum dgraft_message_type types[] = {DGRAFT_MESSAGE_APPEND, DGRAFT_MESSAGE_VOTE_REQUEST,
                                                     DGRAFT_MESSAGE_VOTE_REFUSE, DGRAFT_MESSAGE_PRE_VOTE_REFUSE,
                                                     DGRAFT_MESSAGE_APPEND_REFUSE};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct rig rig;
        open_three(&rig);
        struct dgraft_message message = {.type = types[i], .from = 2, .term = 9};
        message.u.vote_request.term = types[i] == DGRAFT_MESSAGE_APPEND ? 0 : 9;
        rig_receive(&rig, message);
        cr_assert_eq(rig_status(&rig).term, 9u);
        cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_WRITE, 0)->u.write.term, 9u);
        rig_close(&rig);
    }
}

Test(section_3_3, a_candidate_or_leader_with_an_old_term_reverts_to_follower)
{
    for (uint32_t leads = 0; leads <= 1; leads++) {
        struct rig rig;
        open_three(&rig);
        become_candidate(&rig);
        if (leads == 1) {
            rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_VOTE_GRANT, 3, 5, 5));
            cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER);
        }
        rig_receive(&rig, rig_append(2, 6, AT(3, 4), NULL, 0, 0));
        cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
        cr_assert_eq(rig_status(&rig).term, 6u);
        rig_close(&rig);
    }
}

Test(section_3_3, requests_with_a_stale_term_are_rejected)
{
    struct rig rig;
    open_three(&rig);
    rig_receive(&rig, rig_vote_request(2, 3, 99, 3));
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_REFUSE, 2)->message.u.vote_reply.reason, DGRAFT_REFUSE_TERM);
    rig_receive(&rig, rig_append(2, 3, AT(3, 3), NULL, 0, 0));
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_REFUSE, 2)->message.u.append_refuse.reason, DGRAFT_REFUSE_TERM);
    cr_assert_eq(rig_status(&rig).leader, 0u);
    rig_close(&rig);
}

Test(section_3_4, a_follower_remains_one_as_long_as_it_hears_a_leader)
{
    struct rig rig;
    open_three(&rig);
    for (uint32_t i = 0; i < 200; i++) {
        rig_receive(&rig, rig_append(2, 4, AT(3, 4), NULL, 0, 0));
        rig_wake_at(&rig, rig.now + rig.config.election_timeout_ns - 1);
        cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    }
    rig_close(&rig);
}

Test(section_3_4, an_append_of_a_stale_leader_keeps_no_election_away)
{
    struct rig rig;
    open_three(&rig);
    const dgraft_time_ns wake = rig.actions->wake_at_ns;
    rig.now += 100 * MS;
    rig_receive(&rig, rig_append(2, 3, AT(2, 1), NULL, 0, 0));
    cr_assert_eq(rig.actions->wake_at_ns, wake);
    rig_close(&rig);
}

Test(section_3_4, a_campaign_increments_the_term_and_votes_for_itself)
{
    struct rig rig;
    open_three(&rig);
    become_candidate(&rig);
    cr_assert_eq(rig_status(&rig).term, 5u);
    cr_assert_eq(rig_status(&rig).vote, 1u);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_REQUEST, 0)->receivers, 6u);
    rig_close(&rig);
}

Test(section_3_4, a_candidate_wins_with_a_majority_of_the_full_cluster)
{
    for (uint32_t voters = 3; voters <= 5; voters++) {
        struct rig rig;
        rig_open(&rig, &(struct rig_start){.self = 1, .voters = voters, .term = 4});
        rig_wake_at(&rig, rig.actions->wake_at_ns);
        for (dgraft_node_id id = 2; rig_status(&rig).role == DGRAFT_ROLE_PRE_CANDIDATE; id++) {
            rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, id, 4, 5));
        }
        rig_durable(&rig);
        for (uint32_t votes = 2; votes <= voters; votes++) {
            cr_assert_eq(rig_status(&rig).role == DGRAFT_ROLE_LEADER, votes - 1 > voters / 2);
            rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_VOTE_GRANT, votes, 5, 5));
        }
        rig_close(&rig);
    }
}

Test(section_3_4, a_server_votes_for_one_candidate_first_come_first_served)
{
    struct rig rig;
    open_three(&rig);
    rig_receive(&rig, rig_vote_request(3, 5, 3, 4));
    rig_receive(&rig, rig_vote_request(2, 5, 9, 4));
    rig_durable(&rig);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 3));
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 2));
    rig_close(&rig);
}

Test(section_3_4, a_winner_sends_heartbeats_to_all_at_once_and_keeps_on)
{
    struct rig rig;
    open_three(&rig);
    rig_lead(&rig);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 0)->receivers, 6u);
    for (uint32_t i = 0; i < 3; i++) {
        const dgraft_time_ns before = rig.now;
        rig_wake_at(&rig, rig.actions->wake_at_ns);
        cr_assert_eq(rig.now - before, rig.config.heartbeat_interval_ns);
        cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 0)->receivers, 6u);
    }
    rig_close(&rig);
}

Test(section_3_4, a_candidate_recognizes_a_leader_of_its_term)
{
    struct rig rig;
    open_three(&rig);
    become_candidate(&rig);
    rig_receive(&rig, rig_append(3, 5, AT(3, 4), NULL, 0, 0));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    cr_assert_eq(rig_status(&rig).leader, 3u);
    rig_close(&rig);
}

Test(section_3_4, a_candidate_rejects_a_leader_of_an_older_term)
{
    struct rig rig;
    open_three(&rig);
    become_candidate(&rig);
    rig_receive(&rig, rig_append(3, 4, AT(3, 4), NULL, 0, 0));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_CANDIDATE);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_REFUSE, 3));
    rig_close(&rig);
}

Test(section_3_4, a_split_vote_times_out_into_a_new_election)
{
    struct rig rig;
    open_three(&rig);
    become_candidate(&rig);
    const dgraft_time_ns begun = rig.now;
    while (rig_status(&rig).role == DGRAFT_ROLE_CANDIDATE) {
        rig_wake_at(&rig, rig.actions->wake_at_ns);
    }
    cr_assert_geq(rig.now, begun + rig.config.election_timeout_ns);
    cr_assert_lt(rig.now, begun + 2 * rig.config.election_timeout_ns);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_REQUEST, 0)->message.u.vote_request.term, 6u);
    rig_close(&rig);
}

Test(section_3_4, timeouts_are_drawn_anew_for_each_election)
{
    struct rig rig;
    dgraft_time_ns waits[20];
    uint32_t repeats = 0;
    open_three(&rig);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    for (uint32_t i = 0; i < 20; i++) {
        const dgraft_term term = rig_status(&rig).term;
        rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2, term, term + 1));
        rig_durable(&rig);
        const dgraft_time_ns begun = rig.now;
        while (rig_status(&rig).role == DGRAFT_ROLE_CANDIDATE) {
            rig_wake_at(&rig, rig.actions->wake_at_ns);
        }
        waits[i] = rig.now - begun;
        cr_assert_geq(waits[i], rig.config.election_timeout_ns);
        for (uint32_t j = 0; j < i; j++) {
            repeats += waits[j] == waits[i] ? 1u : 0u;
        }
    }
    cr_assert_lt(repeats, 3u);
    rig_close(&rig);
}

Test(section_3_6_1, a_voter_denies_its_vote_if_its_own_log_is_more_up_to_date)
{
    static const struct {
        struct dgraft_position candidate;
        bool granted;
    } rows[] = {{{3, 4}, true}, {{2, 4}, false}, {{9, 3}, false}, {{1, 5}, true}, {{4, 4}, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        open_three(&rig);
        rig_receive(&rig, rig_vote_request(2, 6, rows[i].candidate.index, rows[i].candidate.term));
        rig_durable(&rig);
        cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 2) != NULL, rows[i].granted, "row %zu", i);
        cr_assert_eq(rig_status(&rig).term, 6u, "the term is taken over in any case");
        rig_close(&rig);
    }
}

Test(section_3_8, term_and_vote_are_persisted_before_answering)
{
    struct rig rig;
    open_three(&rig);
    rig_receive(&rig, rig_vote_request(2, 6, 9, 6));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u);
    cr_assert_eq(rig_status(&rig).durable_term, 4u);
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).durable_term, 6u);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 1u);
    rig_close(&rig);
}

Test(section_4_2_3, a_server_that_hears_a_leader_neither_votes_nor_takes_the_term)
{
    struct rig rig;
    open_three(&rig);
    rig_receive(&rig, rig_append(2, 4, AT(3, 4), NULL, 0, 0));
    rig_receive(&rig, rig_vote_request(3, 77, 9, 6));
    cr_assert_eq(rig_status(&rig).term, 4u);
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 0));
    rig_close(&rig);
}

Test(section_6_2, a_leader_steps_down_without_a_round_to_a_majority_in_an_election_timeout)
{
    struct rig rig;
    open_three(&rig);
    rig_lead(&rig);
    rig_wake_at(&rig, rig.now + rig.config.election_timeout_ns - 1);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER);
    rig_wake_at(&rig, rig.now + 1);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    rig_close(&rig);
}

Test(section_9_6, a_pre_vote_increments_no_term)
{
    struct rig rig;
    open_three(&rig);
    for (uint32_t i = 0; i < 50; i++) {
        rig_wake_at(&rig, rig.actions->wake_at_ns);
    }
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_PRE_CANDIDATE);
    cr_assert_eq(rig_status(&rig).term, 4u);
    cr_assert_eq(rig.written, 0u);
    rig_close(&rig);
}
