#include "core_rig.h"

#include <criterion/criterion.h>
#include <string.h>

static void open_leader(struct rig *rig, uint32_t voters, uint64_t uncommitted_bytes_max)
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.uncommitted_bytes_max = uncommitted_bytes_max;
    config.entry_bytes_max = 5000;
    config.reads_max = 2;
    rig_open_config(rig, &(struct rig_start){.voters = voters, .term = 2}, &config);
    rig_lead_and_commit(rig);
}

static void read_id(struct rig *rig, uint64_t id)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_READ};
    event.u.read.id = id;
    rig_step(rig, event);
}

Test(proposals, at_a_follower_name_the_leader)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    rig_receive(&rig, rig_append(3, 2, (struct dgraft_position){0, 0}, NULL, 0, 0));
    rig_propose(&rig, 4, 10);
    const struct dgraft_action_outcome *outcome = &rig_action(&rig, DGRAFT_ACTION_OUTCOME, 0)->u.outcome;
    cr_assert_eq(outcome->outcome, DGRAFT_OUTCOME_NOT_LEADER);
    cr_assert_eq(outcome->leader, 3u);
    cr_assert_eq(outcome->count, 4u);
    cr_assert_eq(outcome->id, 77u);
    cr_assert_eq(outcome->of, DGRAFT_OUTCOME_OF_PROPOSALS);
    rig_close(&rig);
}

/* An entry counts for its payload and 64 bytes. */
Test(proposals, are_accepted_up_to_the_bound_on_uncommitted_bytes)
{
    struct rig rig;
    open_leader(&rig, 3, 3 * 164);
    rig_propose(&rig, 5, 100);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_ACCEPTED, 0)->u.accepted.count, 3u);
    const struct dgraft_action_outcome *busy = &rig_action(&rig, DGRAFT_ACTION_OUTCOME, 0)->u.outcome;
    cr_assert_eq(busy->outcome, DGRAFT_OUTCOME_BUSY);
    cr_assert_eq(busy->skip, 3u);
    cr_assert_eq(busy->count, 2u);
    cr_assert_eq(rig_status(&rig).uncommitted_bytes, 3u * 164u);
    rig_propose(&rig, 1, 0);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_ACCEPTED), 0u);
    rig_close(&rig);
}

Test(proposals, leave_no_bytes_behind_once_committed)
{
    struct rig rig;
    open_leader(&rig, 1, 1 << 20);
    for (uint32_t i = 0; i < 1000; i++) { /* far more than the account has places */
        rig_propose(&rig, 1 + i % 3, i % 50);
    }
    cr_assert_gt(rig_status(&rig).uncommitted_bytes, 64000u);
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).uncommitted_bytes, 0u);
    rig_close(&rig);
}

Test(proposals, of_one_entry_above_the_bound_are_accepted_when_alone)
{
    struct rig rig;
    open_leader(&rig, 3, 10);
    rig_propose(&rig, 2, 4000);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_ACCEPTED, 0)->u.accepted.count, 1u);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_OUTCOME, 0)->u.outcome.count, 1u);
    rig_close(&rig);
}

Test(proposals, with_an_entry_too_large_are_told_so)
{
    struct rig rig;
    open_leader(&rig, 3, 1 << 20);
    struct dgraft_entry entries[4];
    memset(entries, 0, sizeof entries);
    entries[1].payload_bytes = 5000;
    entries[2].payload_bytes = 5001;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_PROPOSE};
    event.u.propose =
        (struct dgraft_event_propose){.entries = entries, .count = 4, .kind = DGRAFT_ENTRY_COMMAND, .id = 5};
    rig_step(&rig, event);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_ACCEPTED, 0)->u.accepted.count, 2u);
    const struct dgraft_action_outcome *large = &rig_action(&rig, DGRAFT_ACTION_OUTCOME, 0)->u.outcome;
    const struct dgraft_action_outcome *rest = &rig_action(&rig, DGRAFT_ACTION_OUTCOME, 1)->u.outcome;
    cr_assert_eq(large->outcome, DGRAFT_OUTCOME_TOO_LARGE);
    cr_assert_eq(large->skip, 2u);
    cr_assert_eq(large->count, 1u);
    cr_assert_eq(rest->outcome, DGRAFT_OUTCOME_BUSY);
    cr_assert_eq(rest->skip, 3u);
    cr_assert_eq(rest->count, 1u);
    rig_close(&rig);
}

Test(proposals, of_a_leader_that_is_deposed_are_unknown)
{
    struct rig rig;
    open_leader(&rig, 3, 1 << 20);
    rig_propose(&rig, 3, 10);
    rig_receive(&rig, rig_append(2, 9, (struct dgraft_position){0, 0}, NULL, 0, 0));
    const struct dgraft_action_outcome *outcome = &rig_action(&rig, DGRAFT_ACTION_OUTCOME, 0)->u.outcome;
    cr_assert_eq(outcome->outcome, DGRAFT_OUTCOME_UNKNOWN);
    cr_assert_eq(outcome->first, 2u);
    cr_assert_eq(outcome->last, 4u);
    cr_assert_eq(outcome->leader, 2u);
    rig_receive(&rig, rig_append(2, 9, (struct dgraft_position){0, 0}, NULL, 0, 0));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_OUTCOME), 0u, "said once");
    rig_close(&rig);
}

Test(proposals, at_a_node_whose_disk_failed_say_so)
{
    struct rig rig;
    open_leader(&rig, 3, 1 << 20);
    rig_propose(&rig, 1, 10);
    read_id(&rig, 4);
    rig_step(&rig, (struct dgraft_event){.kind = DGRAFT_EVENT_POISONED});
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_OUTCOME, 0)->u.outcome.outcome, DGRAFT_OUTCOME_UNKNOWN);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_OUTCOME, 1)->u.outcome.of, DGRAFT_OUTCOME_OF_READ);
    rig_propose(&rig, 1, 10);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_OUTCOME, 0)->u.outcome.outcome, DGRAFT_OUTCOME_DISK);
    rig_close(&rig);
}

Test(reads, wait_for_a_round_that_began_after_they_came) /* bug 88 */
{
    struct rig rig;
    open_leader(&rig, 3, 1 << 20);
    rig_propose(&rig, 1, 10);
    const uint64_t round = rig_status(&rig).round;
    read_id(&rig, 40);
    const struct dgraft_action_send *heartbeat = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert_not_null(heartbeat, "a round begins at once");
    cr_assert_eq(heartbeat->message.u.append.round, round + 1);
    rig_receive(&rig, rig_ack(2, 3, 1, round));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 0u, "an answer to an older round proves nothing");
    rig_receive(&rig, rig_ack(2, 3, 1, round + 1));
    const struct dgraft_action_read_ready *ready = &rig_action(&rig, DGRAFT_ACTION_READ_READY, 0)->u.read_ready;
    cr_assert_eq(ready->id, 40u);
    cr_assert_eq(ready->index, 1u);
    rig_close(&rig);
}

Test(reads, need_a_majority_of_every_size) /* bug 88 */
{
    for (uint32_t voters = 1; voters <= 5; voters++) {
        struct rig rig;
        open_leader(&rig, voters, 1 << 20);
        read_id(&rig, 1);
        uint32_t ready = rig_count(&rig, DGRAFT_ACTION_READ_READY);
        for (uint32_t answers = 1; answers <= voters; answers++) {
            if (answers > 1) {
                rig_receive(&rig, rig_ack(answers, 3, 1, rig_status(&rig).round));
                ready += rig_count(&rig, DGRAFT_ACTION_READ_READY);
                rig_receive(&rig, rig_ack(answers, 3, 1, rig_status(&rig).round));
                ready += rig_count(&rig, DGRAFT_ACTION_READ_READY);
            }
            cr_assert_eq(ready, answers > voters / 2 ? 1u : 0u, "%u of %u", answers, voters);
        }
        rig_close(&rig);
    }
}

Test(reads, wait_for_a_commit_in_the_own_term) /* bug 86 */
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){
                       .self = 1, .voters = 3, .term = 2, .last = 5, .commit = 4, .runs = {{1, 2}}, .run_count = 1});
    rig_lead(&rig);
    read_id(&rig, 1);
    rig_receive(&rig, rig_ack(2, 3, 5, rig_status(&rig).round));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 0u);
    rig_sent_all(&rig);
    rig_durable(&rig);
    rig_receive(&rig, rig_ack(2, 3, 6, rig_status(&rig).round));
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_READ_READY, 0)->u.read_ready.index, 6u);
    rig_close(&rig);
}

Test(reads, share_a_round_and_are_bounded)
{
    struct rig rig;
    open_leader(&rig, 3, 1 << 20);
    read_id(&rig, 1);
    const uint64_t round = rig_status(&rig).round;
    read_id(&rig, 2);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u, "the next round begins when this one is answered");
    read_id(&rig, 3);
    const struct dgraft_action_outcome *outcome = &rig_action(&rig, DGRAFT_ACTION_OUTCOME, 0)->u.outcome;
    cr_assert_eq(outcome->outcome, DGRAFT_OUTCOME_BUSY);
    cr_assert_eq(outcome->of, DGRAFT_OUTCOME_OF_READ);
    cr_assert_eq(outcome->id, 3u);
    rig_receive(&rig, rig_ack(2, 3, 1, round));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 1u);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 3)->message.u.append.round, round + 1);
    rig_receive(&rig, rig_ack(3, 3, 1, round + 1));
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_READ_READY, 0)->u.read_ready.id, 2u);
    rig_close(&rig);
}

Test(reads, end_with_the_leadership)
{
    struct rig rig;
    open_leader(&rig, 3, 1 << 20);
    read_id(&rig, 1);
    read_id(&rig, 2);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_REFUSE, 2, 9, 9));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_OUTCOME), 2u);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_OUTCOME, 0)->u.outcome.outcome, DGRAFT_OUTCOME_NOT_LEADER);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_OUTCOME, 1)->u.outcome.id, 2u);
    read_id(&rig, 3);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_OUTCOME, 0)->u.outcome.outcome, DGRAFT_OUTCOME_NOT_LEADER);
    rig_close(&rig);
}
