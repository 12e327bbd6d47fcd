/* Ongaro's dissertation, sections 6.2 and 6.4: requests find the leader, and reads do without the log. */
#include "core_rig.h"

#include <criterion/criterion.h>

#define AT(index, term) ((struct dgraft_position){index, term})

/* Node 1 of `voters` leads in term 3; its NOOP, entry 1, is committed. */
static void open_leader(struct rig *rig, uint32_t voters, uint32_t lease_drift_ppm)
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.lease_drift_ppm = lease_drift_ppm;
    rig_open_config(rig, &(struct rig_start){.voters = voters, .term = 2}, &config);
    rig_lead_and_commit(rig);
}

/* Node 1 follows node 3 in term 2. */
static void open_follower(struct rig *rig)
{
    rig_open(rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    rig_receive(rig, rig_append(3, 2, AT(0, 0), NULL, 0, 0));
}

static void read_id(struct rig *rig, uint64_t id)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_READ};
    event.u.read.id = id;
    rig_step(rig, event);
}

static void ack(struct rig *rig, dgraft_node_id from, dgraft_index match)
{
    rig_receive(rig, rig_ack(from, 3, match, rig_status(rig).round));
}

static struct dgraft_action_outcome outcome(const struct rig *rig)
{
    const struct dgraft_action *action = rig_action(rig, DGRAFT_ACTION_OUTCOME, 0);
    return action == NULL ? (struct dgraft_action_outcome){.outcome = 0} : action->u.outcome;
}

Test(section_6_2, a_server_that_does_not_lead_rejects_a_request_and_says_who_does)
{
    struct rig rig;
    open_follower(&rig);
    rig_propose(&rig, 1, 10);
    cr_assert_eq(outcome(&rig).outcome, DGRAFT_OUTCOME_NOT_LEADER);
    cr_assert_eq(outcome(&rig).leader, 3u);
    cr_assert_eq(rig_status(&rig).last.index, 0u);
    rig_close(&rig);
}

/* Otherwise clients could be sent in circles, to whoever led once. */
Test(section_6_2, a_server_names_no_leader_of_an_earlier_term)
{
    struct rig rig;
    open_follower(&rig);
    rig.now += rig.config.election_timeout_ns;
    rig_receive(&rig, rig_vote_request(2, 3, 0, 0));
    rig_propose(&rig, 1, 10);
    cr_assert_eq(outcome(&rig).outcome, DGRAFT_OUTCOME_NOT_LEADER);
    cr_assert_eq(outcome(&rig).leader, 0u);
    rig_close(&rig);
}

Test(section_6_2, a_leader_that_is_deposed_says_that_the_fate_of_requests_is_unknown)
{
    struct rig rig;
    open_leader(&rig, 3, 0);
    rig_propose(&rig, 2, 10);
    rig_receive(&rig, rig_append(2, 4, AT(1, 3), NULL, 0, 0));
    cr_assert_eq(outcome(&rig).outcome, DGRAFT_OUTCOME_UNKNOWN);
    cr_assert(outcome(&rig).first == 2 && outcome(&rig).last == 3);
    rig_close(&rig);
}

Test(section_6_4, a_read_waits_for_what_was_committed_when_it_came)
{
    struct rig rig;
    open_leader(&rig, 3, 0);
    rig_propose(&rig, 1, 10);
    rig_sent_all(&rig);
    rig_durable(&rig);
    ack(&rig, 2, 2);
    rig_propose(&rig, 1, 10);
    rig_sent_all(&rig);
    read_id(&rig, 5);
    rig_durable(&rig);
    ack(&rig, 2, 3);
    cr_assert_eq(rig_status(&rig).commit, 3u);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_READ_READY, 0)->u.read_ready.index, 2u);
    rig_close(&rig);
}

Test(section_6_4, a_read_is_confirmed_by_a_majority_that_was_asked_after_it_came)
{
    struct rig rig;
    open_leader(&rig, 5, 0);
    const uint64_t before = rig_status(&rig).round;
    read_id(&rig, 5);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 0)->receivers, 0x1eu);
    for (dgraft_node_id id = 2; id <= 5; id++) {
        rig_receive(&rig, rig_ack(id, 3, 1, before)); /* answers to what was sent before */
        cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 0u);
    }
    ack(&rig, 2, 1);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 0u, "two of five");
    ack(&rig, 4, 1);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 1u);
    rig_close(&rig);
}

Test(section_6_4, a_round_of_heartbeats_serves_any_number_of_reads)
{
    struct rig rig;
    open_leader(&rig, 3, 0);
    read_id(&rig, 1); /* begins a round; the others come while it is under way, and wait for the next */
    const uint64_t round = rig_status(&rig).round;
    for (uint64_t id = 2; id <= 20; id++) {
        read_id(&rig, id);
    }
    ack(&rig, 2, 1);
    ack(&rig, 2, 1);
    cr_assert_leq(rig_status(&rig).round, round + 1);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 19u);
    rig_close(&rig);
}

Test(section_6_4, a_leader_that_was_replaced_unknown_to_it_answers_no_read)
{
    struct rig rig;
    open_leader(&rig, 3, 0);
    read_id(&rig, 5);
    while (rig_status(&rig).role == DGRAFT_ROLE_LEADER) {
        cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 0u);
        rig_wake_at(&rig, rig.actions->wake_at_ns);
    }
    cr_assert_eq(outcome(&rig).of, DGRAFT_OUTCOME_OF_READ);
    cr_assert_eq(outcome(&rig).outcome, DGRAFT_OUTCOME_NOT_LEADER);
    rig_close(&rig);
}

Test(section_6_4, a_follower_asks_the_leader_for_the_index_that_its_reads_wait_for)
{
    struct rig rig;
    struct dgraft_message answer = {.type = DGRAFT_MESSAGE_READ_ANSWER, .from = 3, .term = 2};
    open_follower(&rig);
    read_id(&rig, 5);
    answer.u.read_answer.token = rig_sent(&rig, DGRAFT_MESSAGE_READ_REQUEST, 3)->message.u.read_request.token;
    answer.u.read_answer.index = 9;
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 0u);
    rig_receive(&rig, answer);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_READ_READY, 0)->u.read_ready.index, 9u);
    rig_close(&rig);
}

Test(section_6_4, a_leader_confirms_itself_before_it_tells_a_follower)
{
    struct rig rig;
    struct dgraft_message request = {.type = DGRAFT_MESSAGE_READ_REQUEST, .from = 2, .term = 3};
    open_leader(&rig, 3, 0);
    request.u.read_request.token = 8;
    rig_receive(&rig, request);
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_READ_ANSWER, 2));
    ack(&rig, 3, 1);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_READ_ANSWER, 2)->message.u.read_answer.index, 1u);
    rig_close(&rig);
}

/* Figure 6.3: the lease begins when the heartbeats left; clocks may drift by a tenth here. */
Test(section_6_4_1, a_lease_lasts_an_election_timeout_less_the_drift_from_when_heartbeats_were_sent)
{
    struct rig rig;
    open_leader(&rig, 3, 100000);
    rig_wake_at(&rig, rig.now + rig.config.heartbeat_interval_ns);
    const dgraft_time_ns sent = rig.now;
    rig.now += 20 * MS;
    ack(&rig, 2, 1);
    rig.now = sent + rig.config.election_timeout_ns / 10 * 9 - 1;
    read_id(&rig, 5);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 1u);
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_READ_REQUEST, 0));
    rig.now += 1;
    read_id(&rig, 6);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 0u);
    rig_close(&rig);
}

Test(section_6_4_1, a_lease_ends_when_leadership_is_handed_over)
{
    struct rig rig;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_TRANSFER};
    open_leader(&rig, 3, 100000);
    rig_wake_at(&rig, rig.now + rig.config.heartbeat_interval_ns);
    ack(&rig, 2, 1);
    read_id(&rig, 4);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 1u);
    event.u.transfer.target = 2;
    rig_step(&rig, event);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_TIMEOUT_NOW, 2));
    read_id(&rig, 5);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 0u);
    rig_close(&rig);
}

/* Without it, whoever restarts could elect somebody while the lease that it helped to give still runs. */
Test(section_6_4_1, a_server_that_restarts_honours_the_lease_that_it_may_have_given)
{
    struct rig rig;
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.lease_drift_ppm = 1000;
    rig_open_config(&rig, &(struct rig_start){.voters = 3, .term = 2}, &config);
    rig.now += config.election_timeout_ns - 1;
    rig_receive(&rig, rig_vote_request(2, 3, 0, 0));
    cr_assert_eq(rig_status(&rig).vote, 0u);
    rig.now += 1;
    rig_receive(&rig, rig_vote_request(2, 3, 0, 0));
    cr_assert_eq(rig_status(&rig).vote, 2u);
    rig_close(&rig);
}
