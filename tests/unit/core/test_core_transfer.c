#include "core_rig.h"

#include <criterion/criterion.h>

#define AT(index, term) ((struct dgraft_position){index, term})

/* Node 1 of `voters` leads in term 3; its NOOP, entry 1, is committed. */
static void open_leader(struct rig *rig, uint32_t voters)
{
    rig_open(rig, &(struct rig_start){.self = 1, .voters = voters, .term = 2});
    rig_lead_and_commit(rig);
}

static void transfer(struct rig *rig, uint64_t id, dgraft_node_id target)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_TRANSFER};
    event.u.transfer = (struct dgraft_event_transfer){.id = id, .target = target};
    rig_step(rig, event);
}

static void ack(struct rig *rig, dgraft_node_id from, dgraft_index match)
{
    rig_receive(rig, rig_ack(from, 3, match, rig_status(rig).round));
}

/* The outcome of the transfer in the last step; 0 when there is none. */
static enum dgraft_outcome outcome_of(const struct rig *rig, uint64_t id)
{
    for (uint32_t i = 0; i < rig_count(rig, DGRAFT_ACTION_OUTCOME); i++) {
        const struct dgraft_action_outcome *outcome = &rig_action(rig, DGRAFT_ACTION_OUTCOME, i)->u.outcome;
        if (outcome->of == DGRAFT_OUTCOME_OF_TRANSFER && outcome->id == id) {
            return outcome->outcome;
        }
    }
    return 0;
}

static struct dgraft_message timeout_now(dgraft_node_id from, dgraft_term term, struct dgraft_position last)
{
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_TIMEOUT_NOW, .from = from, .term = term};
    message.u.timeout_now.last = last;
    return message;
}

Test(transfers, wait_until_the_target_has_everything)
{
    struct rig rig;
    open_leader(&rig, 3);
    rig_propose(&rig, 2, 10);
    rig_sent_all(&rig);
    ack(&rig, 3, 3);
    transfer(&rig, 7, 2);
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_TIMEOUT_NOW, 0));
    cr_assert_eq(rig_status(&rig).transfer_target, 2u);
    ack(&rig, 2, 2);
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_TIMEOUT_NOW, 0));
    ack(&rig, 2, 3);
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_TIMEOUT_NOW, 0);
    cr_assert_not_null(send);
    cr_assert_eq(send->receivers, dgraft_node_set_of(2));
    cr_assert(dgraft_position_equal(send->message.u.timeout_now.last, AT(3, 3)));
    rig_close(&rig);
}

Test(transfers, refuse_proposals_while_they_last) /* bug 115 */
{
    struct rig rig;
    open_leader(&rig, 3);
    transfer(&rig, 7, 2);
    rig_propose(&rig, 3, 10);
    const struct dgraft_action_outcome *outcome = &rig_action(&rig, DGRAFT_ACTION_OUTCOME, 0)->u.outcome;
    cr_assert_eq(outcome->outcome, DGRAFT_OUTCOME_TRANSFERRING);
    cr_assert_eq(outcome->count, 3u);
    cr_assert_eq(rig_status(&rig).last.index, 1u);
    rig_close(&rig);
}

Test(transfers, end_with_the_election_timeout_and_proposals_go_on)
{
    struct rig rig;
    open_leader(&rig, 3);
    const dgraft_time_ns begun = rig.now;
    transfer(&rig, 7, 2);
    while (outcome_of(&rig, 7) == 0) {
        cr_assert_leq(rig.actions->wake_at_ns, begun + rig.config.election_timeout_ns);
        rig_wake_at(&rig, rig.actions->wake_at_ns);
        const enum dgraft_outcome how = outcome_of(&rig, 7);
        ack(&rig, 2, 1);
        ack(&rig, 3, 1);
        if (how != 0) {
            cr_assert_eq(how, DGRAFT_OUTCOME_EXPIRED);
            break;
        }
    }
    cr_assert_eq(rig.now, begun + rig.config.election_timeout_ns);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER);
    rig_propose(&rig, 1, 10);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_ACCEPTED), 1u);
    rig_close(&rig);
}

Test(transfers, repeat_timeout_now_because_it_may_be_lost)
{
    struct rig rig;
    open_leader(&rig, 3);
    transfer(&rig, 7, 2);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_TIMEOUT_NOW, 2));
    ack(&rig, 3, 1);
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_TIMEOUT_NOW, 2), "not with each step");
    rig_wake_at(&rig, rig.now + rig.config.heartbeat_interval_ns);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_TIMEOUT_NOW, 2));
    rig_close(&rig);
}

Test(transfers, are_done_when_the_target_leads)
{
    struct rig rig;
    open_leader(&rig, 3);
    transfer(&rig, 7, 2);
    struct dgraft_message request = rig_vote_request(2, 4, 1, 3);
    request.u.vote_request.transfer = true;
    rig_receive(&rig, request);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    cr_assert_eq(rig_status(&rig).vote, 2u);
    cr_assert_eq(outcome_of(&rig, 7), 0, "a vote is no victory yet");
    rig_durable(&rig);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 2));
    rig_receive(&rig, rig_append(2, 4, AT(1, 3), NULL, 0, 0));
    cr_assert_eq(outcome_of(&rig, 7), DGRAFT_OUTCOME_DONE);
    rig_close(&rig);
}

Test(transfers, say_so_when_somebody_else_leads)
{
    struct rig rig;
    open_leader(&rig, 3);
    transfer(&rig, 7, 2);
    rig_receive(&rig, rig_append(3, 5, AT(1, 3), NULL, 0, 0));
    cr_assert_eq(outcome_of(&rig, 7), DGRAFT_OUTCOME_NOT_LEADER);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_OUTCOME, 0)->u.outcome.leader, 3u);
    rig_close(&rig);
}

Test(transfers, give_no_second_vote_to_the_target) /* bug 5 */
{
    struct rig rig;
    open_leader(&rig, 3);
    transfer(&rig, 7, 2);
    struct dgraft_message request = rig_vote_request(3, 4, 1, 3);
    request.u.vote_request.transfer = true;
    rig_receive(&rig, request);
    cr_assert_eq(rig_status(&rig).vote, 3u);
    request = rig_vote_request(2, 4, 1, 3);
    request.u.vote_request.transfer = true;
    rig_durable(&rig);
    rig_receive(&rig, request);
    cr_assert_eq(rig_status(&rig).vote, 3u);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_REFUSE, 2)->message.u.vote_reply.reason, DGRAFT_REFUSE_VOTED);
    rig_close(&rig);
}

Test(transfers, that_cannot_be_are_refused_with_a_reason)
{
    struct rig rig;
    open_leader(&rig, 3);
    transfer(&rig, 1, 9);
    cr_assert_eq(outcome_of(&rig, 1), DGRAFT_OUTCOME_INVALID);
    transfer(&rig, 2, 1);
    cr_assert_eq(outcome_of(&rig, 2), DGRAFT_OUTCOME_DONE, "it leads already");
    transfer(&rig, 3, 2);
    transfer(&rig, 4, 3);
    cr_assert_eq(outcome_of(&rig, 4), DGRAFT_OUTCOME_TRANSFERRING);
    rig_close(&rig);
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    transfer(&rig, 5, 2);
    cr_assert_eq(outcome_of(&rig, 5), DGRAFT_OUTCOME_NOT_LEADER);
    rig_close(&rig);
    open_leader(&rig, 1);
    transfer(&rig, 6, 0);
    cr_assert_eq(outcome_of(&rig, 6), DGRAFT_OUTCOME_INVALID, "there is nobody else");
    rig_close(&rig);
}

Test(transfers, without_a_target_go_to_whoever_has_most)
{
    struct rig rig;
    open_leader(&rig, 4);
    rig_propose(&rig, 3, 10);
    rig_sent_all(&rig);
    ack(&rig, 2, 2);
    ack(&rig, 3, 4);
    ack(&rig, 4, 3);
    transfer(&rig, 7, 0);
    cr_assert_eq(rig_status(&rig).transfer_target, 3u);
    rig_close(&rig);
}

/* It contradicts what this leader holds. */
static void halt(struct rig *rig)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT_RECEIVED};
    event.u.snapshot_received = (struct dgraft_event_snapshot_received){.snapshot = {.position = {50, 3}, .size = 1},
                                                                        .membership = {.index = 1, .voters = 7}};
    rig_step(rig, event);
    cr_assert(rig_status(rig).poisoned);
}

Test(transfers, end_when_the_node_halts_and_none_begins_after)
{
    struct rig rig;
    open_leader(&rig, 3);
    transfer(&rig, 7, 2);
    halt(&rig);
    cr_assert_eq(outcome_of(&rig, 7), DGRAFT_OUTCOME_DISK);
    transfer(&rig, 8, 3);
    cr_assert_eq(outcome_of(&rig, 8), DGRAFT_OUTCOME_DISK);
    rig_close(&rig);
}

/* A follower of node 3 in term 2 whose log ends at entry 4. */
static void open_follower(struct rig *rig)
{
    rig_open(rig, &(struct rig_start){
                      .self = 1, .voters = 3, .term = 2, .last = 4, .commit = 4, .runs = {{1, 2}}, .run_count = 1});
    rig_receive(rig, rig_append(3, 2, AT(4, 2), NULL, 0, 0));
}

Test(timeout_now, makes_a_candidate_at_once_that_says_why)
{
    struct rig rig;
    open_follower(&rig);
    rig_receive(&rig, timeout_now(3, 2, AT(4, 2)));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_CANDIDATE);
    cr_assert_eq(rig_status(&rig).term, 3u);
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_REQUEST, 0), "not before its own vote is durable");
    rig_durable(&rig);
    cr_assert(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_REQUEST, 2)->message.u.vote_request.transfer);
    rig_close(&rig);
}

Test(timeout_now, of_another_term_sender_or_log_does_nothing) /* bugs 25, 118 */
{
    const struct dgraft_message useless[] = {timeout_now(3, 1, AT(4, 2)), timeout_now(3, 3, AT(4, 2)),
                                             timeout_now(2, 2, AT(4, 2)), timeout_now(3, 2, AT(5, 2)),
                                             timeout_now(3, 2, AT(3, 2))};
    for (uint32_t i = 0; i < sizeof useless / sizeof useless[0]; i++) {
        struct rig rig;
        open_follower(&rig);
        rig_receive(&rig, useless[i]);
        cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER, "%u", i);
        cr_assert_eq(rig_status(&rig).term, 2u, "%u", i);
        cr_assert_eq(rig_status(&rig).ignored, 1u, "%u", i);
        rig_close(&rig);
    }
}

Test(timeout_now, waits_for_nothing_that_is_not_durable) /* bug 25 */
{
    struct rig rig;
    struct dgraft_entry entries[1];
    open_follower(&rig);
    rig_receive(&rig, rig_append(3, 2, AT(4, 2), entries, 1, 2));
    rig_receive(&rig, timeout_now(3, 2, AT(5, 2)));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    rig_durable(&rig);
    rig_receive(&rig, timeout_now(3, 2, AT(5, 2)));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_CANDIDATE);
    rig_close(&rig);
}

Test(votes, are_given_during_a_transfer_though_a_leader_is_heard) /* bug 116 */
{
    struct rig rig;
    open_follower(&rig);
    struct dgraft_message request = rig_vote_request(2, 3, 4, 2);
    rig_receive(&rig, request);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_REFUSE, 2)->message.u.vote_reply.reason,
                 DGRAFT_REFUSE_LEADER_ALIVE);
    request.u.vote_request.transfer = true;
    rig_receive(&rig, request);
    rig_durable(&rig);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 2));
    rig_close(&rig);
}
