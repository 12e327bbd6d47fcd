#include "core_rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define AT(index, term) ((struct dgraft_position){index, term})

static void read_id(struct rig *rig, uint64_t id)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_READ};
    event.u.read.id = id;
    rig_step(rig, event);
}

/* Node 1 follows node 3 in term 2. */
static void open_follower(struct rig *rig)
{
    rig_open(rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    rig_receive(rig, rig_append(3, 2, AT(0, 0), NULL, 0, 0));
}

static struct dgraft_message answer(dgraft_node_id from, dgraft_term term, uint64_t token, dgraft_index index)
{
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_READ_ANSWER, .from = from, .term = term};
    message.u.read_answer = (struct dgraft_read_answer){.token = token, .index = index};
    return message;
}

static struct dgraft_message request(dgraft_node_id from, dgraft_term term, uint64_t token)
{
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_READ_REQUEST, .from = from, .term = term};
    message.u.read_request.token = token;
    return message;
}

/* The token of the READ_REQUEST of the last step, 0 when none left. */
static uint64_t asked(const struct rig *rig)
{
    const struct dgraft_action_send *send = rig_sent(rig, DGRAFT_MESSAGE_READ_REQUEST, 3);
    return send == NULL ? 0 : send->message.u.read_request.token;
}

Test(follower_reads, that_come_while_one_is_asked_share_the_next_request) /* bug 89 */
{
    struct rig rig;
    open_follower(&rig);
    read_id(&rig, 1);
    const uint64_t first = asked(&rig);
    cr_assert_neq(first, 0u);
    read_id(&rig, 2);
    read_id(&rig, 3);
    cr_assert_eq(asked(&rig), 0u);
    rig_receive(&rig, answer(3, 2, first, 8));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 1u,
                 "an answer is no news to reads that came after the question");
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_READ_READY, 0)->u.read_ready.index, 8u);
    const uint64_t second = asked(&rig);
    cr_assert_neq(second, 0u);
    cr_assert_neq(second, first);
    rig_receive(&rig, answer(3, 2, first, 9));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 0u, "a repeated answer answers nothing");
    rig_receive(&rig, answer(3, 2, second, 9));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 2u);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_READ_READY, 1)->u.read_ready.id, 3u);
    rig_close(&rig);
}

Test(follower_reads, are_asked_again_under_the_same_token)
{
    struct rig rig;
    open_follower(&rig);
    read_id(&rig, 1);
    const uint64_t token = asked(&rig);
    const dgraft_time_ns at = rig.actions->wake_at_ns;
    cr_assert_leq(at, rig.now + rig.config.heartbeat_interval_ns);
    rig_wake_at(&rig, at);
    cr_assert_eq(asked(&rig), token);
    rig_close(&rig);
}

Test(follower_reads, believe_only_the_leader_of_the_term)
{
    struct rig rig;
    open_follower(&rig);
    read_id(&rig, 1);
    const uint64_t token = asked(&rig);
    rig_receive(&rig, answer(2, 2, token, 8));
    rig_receive(&rig, answer(3, 1, token, 8));
    rig_receive(&rig, answer(3, 2, token - 1, 8));
    cr_assert_eq(rig_status(&rig).ignored, 3u);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 0u);
    rig_close(&rig);
}

Test(follower_reads, end_with_the_leader_they_were_meant_for)
{
    struct rig rig;
    open_follower(&rig);
    read_id(&rig, 1);
    rig_receive(&rig, rig_append(2, 3, AT(0, 0), NULL, 0, 0));
    const struct dgraft_action_outcome *outcome = &rig_action(&rig, DGRAFT_ACTION_OUTCOME, 0)->u.outcome;
    cr_assert_eq(outcome->outcome, DGRAFT_OUTCOME_NOT_LEADER);
    cr_assert_eq(outcome->of, DGRAFT_OUTCOME_OF_READ);
    cr_assert_eq(outcome->id, 1u);
    rig_close(&rig);
}

Test(follower_reads, use_other_tokens_after_a_restart)
{
    struct rig first;
    open_follower(&first);
    read_id(&first, 1);
    const uint64_t token = asked(&first);
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    /* The same seed at another time. */
    struct rig later = {.config = config};
    later.core = dgraft_core_init(malloc(dgraft_core_size(&config)), &config);
    later.before = malloc(dgraft_core_size(&config));
    later.actions = dgraft_actions_init(malloc(dgraft_actions_size(&config)), &config);
    later.now = first.now + 1;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START};
    event.u.start.term = 2;
    event.u.start.membership.voters = 7;
    rig_step(&later, event);
    rig_receive(&later, rig_append(3, 2, AT(0, 0), NULL, 0, 0));
    read_id(&later, 1);
    cr_assert_neq(asked(&later), token);
    rig_close(&later);
    rig_close(&first);
}

/* Node 1 of three leads in term 3, entry 1 is committed. */
static void open_leader(struct rig *rig)
{
    rig_open(rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    rig_lead_and_commit(rig);
}

Test(read_requests, are_confirmed_by_a_round_that_began_after_them) /* bug 88 */
{
    struct rig rig;
    open_leader(&rig);
    const uint64_t round = rig_status(&rig).round;
    rig_receive(&rig, request(2, 3, 41));
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_READ_ANSWER, 0));
    cr_assert_eq(rig_status(&rig).round, round + 1);
    rig_receive(&rig, rig_ack(3, 3, 1, round));
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_READ_ANSWER, 0));
    rig_receive(&rig, rig_ack(3, 3, 1, round + 1));
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_READ_ANSWER, 2);
    cr_assert_not_null(send);
    cr_assert_eq(send->message.u.read_answer.token, 41u);
    cr_assert_eq(send->message.u.read_answer.index, 1u);
    rig_receive(&rig, rig_ack(2, 3, 1, round + 1));
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_READ_ANSWER, 0), "once");
    rig_close(&rig);
}

Test(read_requests, of_another_term_or_at_a_follower_are_ignored)
{
    struct rig rig;
    open_leader(&rig);
    rig_receive(&rig, request(2, 2, 41));
    cr_assert_eq(rig_status(&rig).ignored, 1u);
    rig_close(&rig);
    open_follower(&rig);
    rig_receive(&rig, request(2, 2, 41));
    cr_assert_eq(rig_status(&rig).ignored, 1u);
    rig_close(&rig);
}

Test(read_requests, of_a_follower_replace_its_older_one)
{
    struct rig rig;
    open_leader(&rig);
    rig_receive(&rig, request(2, 3, 41));
    const uint64_t round = rig_status(&rig).round;
    rig_receive(&rig, request(2, 3, 41));
    rig_receive(&rig, request(2, 3, 42));
    rig_receive(&rig, rig_ack(3, 3, 1, round));
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_READ_ANSWER, 0), "the newer one came after this round began");
    rig_receive(&rig, rig_ack(3, 3, 1, rig_status(&rig).round));
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_READ_ANSWER, 2)->message.u.read_answer.token, 42u);
    rig_close(&rig);
}
