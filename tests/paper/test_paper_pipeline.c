/* Ongaro's dissertation, section 3.5 where followers fall behind, and section 10.2: the leader's disk in parallel,
 * batches and pipelines.
 */
#include "core_rig.h"

#include <criterion/criterion.h>

#define AT(index, term) ((struct dgraft_position){index, term})

/* Node 1 of `voters` leads in term 3; its NOOP, entry 1, is committed. */
static void open_leader(struct rig *rig, uint32_t voters, uint32_t inflight_max)
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.inflight_max = inflight_max;
    rig_open_config(rig, &(struct rig_start){.voters = voters, .term = 2}, &config);
    rig_lead_and_commit(rig);
}

/* The SEND of entries of the last step to node 2; without receivers when there is none. */
static struct dgraft_action_send entries_sent(const struct rig *rig)
{
    const struct dgraft_action_send *send = rig_sent(rig, DGRAFT_MESSAGE_APPEND, 2);
    const bool any = send != NULL && send->last.index != send->message.u.append.prev.index;
    return any ? *send : (struct dgraft_action_send){.receivers = 0};
}

/* Proposes one entry, which leaves at once for the followers if it may. Returns whether it did. */
static bool propose_and_send(struct rig *rig)
{
    rig_propose(rig, 1, 10);
    const bool sent = entries_sent(rig).receivers != 0;
    rig_sent_all(rig);
    return sent;
}

Test(section_3_5, a_new_leader_begins_behind_its_own_last_entry_with_appends_without_entries)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){
                       .self = 1, .voters = 3, .term = 4, .last = 3, .runs = {{1, 1}, {3, 4}}, .run_count = 2});
    rig_lead(&rig);
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert(dgraft_position_equal(send->message.u.append.prev, AT(3, 4)));
    cr_assert_eq(entries_sent(&rig).receivers, 0u);
    rig_propose(&rig, 1, 10);
    cr_assert_eq(entries_sent(&rig).receivers, 0u, "it is not known yet whether the logs match");
    rig_receive(&rig, rig_ack(2, 5, 3, 1));
    cr_assert(dgraft_position_equal(entries_sent(&rig).message.u.append.prev, AT(3, 4)));
    cr_assert_eq(entries_sent(&rig).last.index, 5u);
    rig_close(&rig);
}

/* The optimization of section 3.5: where the logs part is found with one refusal for each term in which they differ,
 * not one for each entry. Both sides are real. */
Test(section_3_5, one_refused_append_is_enough_for_each_term_with_conflicting_entries)
{
    struct rig leader;
    struct rig follower;
    uint32_t refusals = 0;
    rig_open(&leader,
             &(struct rig_start){
                 .self = 1, .voters = 3, .term = 5, .last = 30, .runs = {{1, 1}, {11, 2}, {21, 5}}, .run_count = 3});
    rig_open(&follower,
             &(struct rig_start){
                 .self = 2, .voters = 3, .term = 5, .last = 30, .runs = {{1, 1}, {11, 3}, {21, 4}}, .run_count = 3});
    rig_lead(&leader);
    while (entries_sent(&leader).receivers == 0) {
        const struct dgraft_action_send *probe = rig_sent(&leader, DGRAFT_MESSAGE_APPEND, 2);
        cr_assert_not_null(probe);
        struct dgraft_message message = probe->message;
        message.from = 1;
        rig_receive(&follower, message);
        if (rig_status(&follower).durable_term != rig_status(&follower).term) {
            rig_durable(&follower); /* it takes over the term first */
        }
        const struct dgraft_action_send *refusal = rig_sent(&follower, DGRAFT_MESSAGE_APPEND_REFUSE, 1);
        cr_assert_not_null(refusal);
        message = refusal->message;
        message.from = 2;
        refusals++;
        cr_assert_leq(refusals, 2u, "terms 3 and 4");
        rig_receive(&leader, message);
    }
    cr_assert(dgraft_position_equal(entries_sent(&leader).message.u.append.prev, AT(10, 1)));
    rig_close(&leader);
    rig_close(&follower);
}

Test(section_3_5, appends_and_heartbeats_tell_the_highest_index_known_to_be_committed)
{
    struct rig rig;
    open_leader(&rig, 3, 64);
    propose_and_send(&rig);
    rig_durable(&rig);
    rig_receive(&rig, rig_ack(2, 3, 2, 1));
    rig_receive(&rig, rig_ack(3, 3, 2, 1));
    rig_propose(&rig, 1, 10);
    cr_assert_eq(entries_sent(&rig).message.u.append.commit, 2u);
    rig_wake_at(&rig, rig.now + rig.config.heartbeat_interval_ns);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 3)->message.u.append.commit, 2u);
    rig_close(&rig);
}

/* A follower's log of an older term is followed by what the leader has; only from there on are they different. */
Test(section_3_5, a_follower_removes_what_conflicts_and_all_that_follows_it_and_nothing_before)
{
    struct rig rig;
    struct dgraft_entry entries[1];
    rig_open(&rig, &(struct rig_start){
                       .self = 2, .voters = 3, .term = 4, .last = 6, .runs = {{1, 1}, {3, 2}}, .run_count = 2});
    rig_receive(&rig, rig_append(1, 4, AT(3, 2), entries, 1, 4));
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_WRITE, 0)->u.write.keep, 3u);
    cr_assert(dgraft_position_equal(rig_status(&rig).last, AT(4, 4)));
    rig_close(&rig);
}

Test(section_10_2_1, an_entry_may_be_committed_before_the_leaders_own_disk_has_it)
{
    struct rig rig;
    open_leader(&rig, 3, 64);
    propose_and_send(&rig);
    rig_receive(&rig, rig_ack(2, 3, 2, 1));
    cr_assert_eq(rig_status(&rig).commit, 1u, "one of three disks");
    rig_receive(&rig, rig_ack(3, 3, 2, 1));
    cr_assert_eq(rig_status(&rig).durable, 1u);
    cr_assert_eq(rig_status(&rig).commit, 2u, "two, neither of them the leader's");
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_APPLY), 0u);
    rig_durable(&rig);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_APPLY, 0)->u.apply.last, 2u);
    rig_close(&rig);
}

Test(section_10_2_1, the_leader_counts_itself_when_its_own_disk_has_the_entry)
{
    struct rig rig;
    open_leader(&rig, 3, 64);
    propose_and_send(&rig);
    rig_receive(&rig, rig_ack(2, 3, 2, 1));
    cr_assert_eq(rig_status(&rig).commit, 1u);
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).commit, 2u);
    rig_close(&rig);
}

Test(section_10_2_2, a_leader_sends_on_without_waiting_for_acknowledgements)
{
    struct rig rig;
    open_leader(&rig, 3, 64);
    for (dgraft_index prev = 1; prev <= 10; prev++) {
        rig_propose(&rig, 1, 10);
        cr_assert_eq(entries_sent(&rig).message.u.append.prev.index, prev, "next moves with what is sent");
        cr_assert_eq(entries_sent(&rig).last.index, prev + 1);
        rig_sent_all(&rig);
    }
    cr_assert_eq(rig_status(&rig).commit, 1u);
    rig_close(&rig);
}

Test(section_10_2_2, what_comes_while_a_send_is_under_way_goes_out_together_with_the_next)
{
    struct rig rig;
    open_leader(&rig, 3, 64);
    rig_propose(&rig, 1, 10);
    struct dgraft_event sent = {.kind = DGRAFT_EVENT_SENT};
    sent.u.sent = (struct dgraft_event_sent){.receivers = 6, .term = 3, .prev = 1, .last = 2, .bytes = 100};
    for (uint32_t i = 0; i < 5; i++) {
        rig_propose(&rig, 1, 10);
        cr_assert_eq(entries_sent(&rig).receivers, 0u);
    }
    rig_step(&rig, sent);
    cr_assert_eq(entries_sent(&rig).message.u.append.prev.index, 2u);
    cr_assert_eq(entries_sent(&rig).last.index, 7u);
    rig_close(&rig);
}

Test(section_10_2_2, requests_that_wait_are_written_to_the_disk_together)
{
    struct rig rig;
    open_leader(&rig, 3, 64);
    rig_propose(&rig, 7, 10);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_WRITE), 1u);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_WRITE, 0)->u.write.count, 7u);
    cr_assert_eq(entries_sent(&rig).last.index, 8u);
    rig_close(&rig);
}

Test(section_10_2_2, what_is_on_its_way_to_a_follower_is_bounded)
{
    struct rig rig;
    open_leader(&rig, 3, 4);
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert(propose_and_send(&rig));
    }
    cr_assert(!propose_and_send(&rig));
    rig_receive(&rig, rig_ack(2, 3, 3, rig_status(&rig).round));
    cr_assert_eq(entries_sent(&rig).message.u.append.prev.index, 5u);
    cr_assert_eq(entries_sent(&rig).receivers, dgraft_node_set_of(2), "node 3 has acknowledged nothing");
    rig_close(&rig);
}

/* A follower that misses the entries before refuses; the leader goes back to where they begin. */
Test(section_10_2_2, an_append_lost_in_a_pipeline_is_sent_again_with_what_follows_it)
{
    struct rig rig;
    open_leader(&rig, 3, 64);
    for (uint32_t i = 0; i < 3; i++) {
        propose_and_send(&rig); /* the first is lost; the second is refused */
    }
    rig_receive(&rig, rig_refuse(2, 3, 2, AT(1, 3), rig_status(&rig).round));
    cr_assert_eq(entries_sent(&rig).message.u.append.prev.index, 1u);
    cr_assert_eq(entries_sent(&rig).last.index, 4u);
    rig_close(&rig);
}

Test(section_10_2_2, appends_that_overtake_one_another_make_the_same_log)
{
    struct rig rig;
    struct dgraft_entry first[2];
    struct dgraft_entry second[2];
    rig_open(&rig, &(struct rig_start){.self = 2, .voters = 3, .term = 4});
    const struct dgraft_message early = rig_append(1, 4, AT(0, 0), first, 2, 4);
    const struct dgraft_message late = rig_append(1, 4, AT(2, 4), second, 2, 4);
    rig_receive(&rig, late);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_REFUSE, 1));
    rig_receive(&rig, early);
    rig_receive(&rig, late);
    rig_receive(&rig, early);
    cr_assert(dgraft_position_equal(rig_status(&rig).last, AT(4, 4)));
    rig_durable(&rig);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 1)->message.u.append_ack.match, 4u);
    rig_close(&rig);
}
