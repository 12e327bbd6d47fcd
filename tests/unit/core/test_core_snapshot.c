/* A leader's snapshots: when the log may go, who is sent one, and how a transfer goes on after losses. */
#include "core_snapshot_rig.h"

#include <criterion/criterion.h>

#define MIB (UINT64_C(1024) * 1024)

/* Node 1 leads term 4 of three nodes; entries 1 to 101, all committed and sent to node 2; node 3 has been silent since
 * it matched `third`. */
static void open_leader(struct rig *rig, dgraft_index third, uint64_t tail, uint64_t slow)
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.snapshot_chunk_bytes = 100;
    config.compact_tail = tail;
    config.compact_slow_max = slow;
    rig_open_config(
        rig,
        &(struct rig_start){
            .self = 1, .voters = 3, .term = 3, .last = 100, .commit = 90, .runs = {{1, 1}, {50, 3}}, .run_count = 2},
        &config);
    rig_lead(rig);
    rig_durable(rig);
    rig_receive(rig, rig_ack(2, 4, 100, 1));
    rig_sent_all(rig);
    rig_receive(rig, rig_ack(2, 4, 101, 1));
    rig_receive(rig, rig_ack(3, 4, third, 1));
    cr_assert_eq(rig_status(rig).commit, 101u);
}

/* Lets node 3 fall silent while node 2 answers. */
static void forget_third(struct rig *rig)
{
    for (uint32_t i = 0; i < 8; i++) {
        rig_wake_at(rig, rig->now + 30 * MS);
        rig_receive(rig, rig_ack(2, 4, 101, rig_status(rig).round));
    }
}

/* A leader whose third node needs the snapshot at 101. */
static void open_transfer(struct rig *rig)
{
    struct dgraft_event nothing_sent = {.kind = DGRAFT_EVENT_SENT};
    open_leader(rig, 10, 0, 0);
    rig_receive(rig, rig_refuse(3, 4, 100, (struct dgraft_position){10, 1}, 1));
    nothing_sent.u.sent = (struct dgraft_event_sent){.receivers = 4, .term = 4, .prev = 10, .last = 10};
    rig_step(rig, nothing_sent);
    rig_snapshot(rig, 101);
    cr_assert_eq(rig_status(rig).compacted.index, 101u);
}

static const struct dgraft_snapshot_chunk *chunk_to(const struct rig *rig, dgraft_node_id id)
{
    const struct dgraft_action_send *send = rig_sent(rig, DGRAFT_MESSAGE_SNAPSHOT_CHUNK, id);
    return send == NULL ? NULL : &send->message.u.snapshot_chunk;
}

/* The same as a value; all zero when there is none. */
static struct dgraft_snapshot_chunk chunk_for(const struct rig *rig, dgraft_node_id id)
{
    const struct dgraft_snapshot_chunk *chunk = chunk_to(rig, id);
    return chunk == NULL ? (struct dgraft_snapshot_chunk){.offset = UINT64_MAX} : *chunk;
}

Test(snapshots, are_of_what_is_applied)
{
    struct rig rig;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT};
    open_leader(&rig, 101, 0, 0);
    rig_applied(&rig, 90);
    event.u.snapshot.snapshot = snapshot_at(91, 3);
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE);
    event.u.snapshot.snapshot = snapshot_at(90, 1);
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE, "of another term");
    event.u.snapshot.snapshot = snapshot_at(0, 3);
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE, "of nothing");
    event.u.snapshot.snapshot = snapshot_at(90, 0);
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE, "of no term");
    event.u.snapshot.snapshot = snapshot_at(90, 3);
    event.u.snapshot.snapshot.size = 0;
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE, "without a byte");
    event.u.snapshot.snapshot = snapshot_at(90, 3);
    rig_step(&rig, event);
    cr_assert_eq(rig_status(&rig).snapshot.position.index, 90u);
    event.u.snapshot.snapshot = snapshot_at(60, 3);
    rig_step(&rig, event);
    cr_assert_eq(rig_status(&rig).snapshot.position.index, 90u, "an older one changes nothing");
    rig_close(&rig);
}

Test(compaction, of_the_whole_log_leaves_room_for_a_membership_entry)
{
    struct rig rig;
    open_leader(&rig, 101, 0, 0);
    rig_snapshot(&rig, 101);
    cr_assert_eq(rig_status(&rig).compacted.index, 101u);
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = 7, .learners = 8}), 0);
    rig_durable(&rig);
    rig_propose(&rig, 1, 10);
    cr_assert_eq(rig_status(&rig).membership.index, 102u);
    cr_assert_eq(dgraft_core_term_at(rig.core, 102), 4u);
    rig_close(&rig);
}

Test(compaction, keeps_a_tail_before_the_snapshot)
{
    struct rig rig;
    open_leader(&rig, 101, 20, 20);
    rig_snapshot(&rig, 90);
    const struct dgraft_position compacted = rig_action(&rig, DGRAFT_ACTION_COMPACT, 0)->u.compact.position;
    cr_assert(compacted.index == 70 && compacted.term == 3);
    cr_assert_eq(dgraft_core_term_at(rig.core, 70), 3u);
    cr_assert_eq(dgraft_core_term_at(rig.core, 69), 0u, "what is gone has no term, not one that looks like one");
    rig_close(&rig);
}

Test(compaction, keeps_what_slow_but_live_followers_need)
{
    struct rig rig;
    open_leader(&rig, 40, 10, 1000);
    rig_snapshot(&rig, 101);
    cr_assert_eq(rig_status(&rig).compacted.index, 40u);
    rig_receive(&rig, rig_ack(3, 4, 80, rig_status(&rig).round));
    cr_assert_eq(rig_status(&rig).compacted.index, 80u, "it goes on with them");
    rig_receive(&rig, rig_ack(3, 4, 101, rig_status(&rig).round));
    cr_assert_eq(rig_status(&rig).compacted.index, 91u);
    rig_close(&rig);
}

Test(compaction, keeps_it_up_to_a_bound)
{
    struct rig rig;
    open_leader(&rig, 40, 10, 30);
    rig_snapshot(&rig, 101);
    cr_assert_eq(rig_status(&rig).compacted.index, 71u);
    rig_close(&rig);
}

Test(compaction, does_not_wait_for_who_is_silent)
{
    struct rig rig;
    open_leader(&rig, 40, 10, 1000);
    forget_third(&rig);
    rig_snapshot(&rig, 101);
    cr_assert_eq(rig_status(&rig).compacted.index, 91u);
    rig_close(&rig);
}

Test(who_lags, is_sent_entries_as_long_as_the_one_before_them_is_known)
{
    struct rig rig;
    open_leader(&rig, 50, 51, 51);
    rig_snapshot(&rig, 101);
    cr_assert_eq(rig_status(&rig).compacted.index, 50u);
    rig_receive(&rig, rig_refuse(3, 4, 100, (struct dgraft_position){50, 3}, 1));
    const struct dgraft_action_send *append = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 3);
    cr_assert_not_null(append, "bug 35: right at the boundary");
    cr_assert_eq(append->message.u.append.prev.index, 50u);
    cr_assert_null(chunk_to(&rig, 3));
    rig_close(&rig);
}

Test(who_lags, by_more_is_sent_the_snapshot_and_no_append_after_an_unknown_entry) /* bugs 34 and 35 */
{
    struct rig rig;
    open_leader(&rig, 49, 51, 51);
    rig_snapshot(&rig, 101);
    rig_receive(&rig, rig_refuse(3, 4, 100, (struct dgraft_position){49, 1}, 1));
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 3));
    cr_assert_eq(chunk_for(&rig, 3).snapshot.position.index, 101u);
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_LOOKUP, 0), "nobody knows that term any more");
    for (uint32_t i = 0; i < 4; i++) {
        rig_wake_at(&rig, rig.now + 30 * MS);
        const struct dgraft_action_send *heartbeat = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 3);
        cr_assert_not_null(heartbeat, "heartbeats go on");
        cr_assert_eq(heartbeat->message.u.append.prev.index, 0u, "and commit nothing");
        cr_assert_eq(heartbeat->last.index, 0u);
        rig_receive(&rig, rig_ack(2, 4, 101, rig_status(&rig).round));
    }
    rig_close(&rig);
}

Test(transfers, send_the_first_chunk_alone_and_then_a_few)
{
    struct rig rig;
    open_transfer(&rig);
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_SNAPSHOT_CHUNK), 1u);
    cr_assert(chunk_for(&rig, 3).offset == 0 && chunk_for(&rig, 3).bytes == 100);
    rig_receive(&rig, rig_chunk_ack(3, 4, snapshot_at(101, 4), 100, 1));
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_SNAPSHOT_CHUNK), 4u);
    cr_assert_eq(chunk_for(&rig, 3).offset, 100u);
    rig_receive(&rig, rig_chunk_ack(3, 4, snapshot_at(101, 4), 200, 1));
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_SNAPSHOT_CHUNK), 1u);
    cr_assert_eq(chunk_for(&rig, 3).offset, 500u);
    rig_close(&rig);
}

Test(transfers, go_on_where_the_receiver_stands)
{
    struct rig rig;
    open_transfer(&rig);
    rig_receive(&rig, rig_chunk_ack(3, 4, snapshot_at(101, 4), 730, 1)); /* it has that from an earlier leader */
    cr_assert_eq(chunk_for(&rig, 3).offset, 730u);
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_SNAPSHOT_CHUNK), 3u);
    rig_close(&rig);
}

Test(transfers, repeat_what_is_lost_after_a_heartbeat_one_chunk_at_a_time)
{
    struct rig rig;
    open_transfer(&rig);
    rig_receive(&rig, rig_chunk_ack(3, 4, snapshot_at(101, 4), 100, 1));
    rig_wake_at(&rig, rig.now + 31 * MS);
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_SNAPSHOT_CHUNK), 1u);
    cr_assert_eq(chunk_for(&rig, 3).offset, 100u);
    rig_close(&rig);
}

Test(transfers, are_put_back_by_newer_answers_only)
{
    struct rig rig;
    open_transfer(&rig);
    rig_receive(&rig, rig_chunk_ack(3, 4, snapshot_at(101, 4), 500, 1));
    rig_receive(&rig, rig_chunk_ack(3, 4, snapshot_at(101, 4), 200, 1));
    cr_assert_eq(rig_status(&rig).peers[1].snapshot_offset, 500u, "a late answer");
    rig_wake_at(&rig, rig.now + 31 * MS);
    rig_receive(&rig, rig_chunk_ack(3, 4, snapshot_at(101, 4), 0, rig_status(&rig).round));
    cr_assert_eq(rig_status(&rig).peers[1].snapshot_offset, 0u, "it lost what it had");
    cr_assert_eq(chunk_for(&rig, 3).offset, 0u);
    rig_close(&rig);
}

Test(transfers, ask_what_became_of_a_snapshot_that_is_there_whole)
{
    struct rig rig;
    open_transfer(&rig);
    rig_receive(&rig, rig_chunk_ack(3, 4, snapshot_at(101, 4), 1000, 1));
    cr_assert_null(chunk_to(&rig, 3));
    uint32_t asked = 0;
    for (uint32_t i = 0; i < 12; i++) {
        rig_wake_at(&rig, rig.now + 30 * MS);
        asked += rig_sends(&rig, DGRAFT_MESSAGE_SNAPSHOT_CHUNK);
        rig_receive(&rig, rig_ack(2, 4, 101, rig_status(&rig).round));
    }
    cr_assert(asked >= 1 && asked <= 3, "%u times in 360 ms", asked);
    rig_close(&rig);
}

Test(transfers, count_beyond_32_bits) /* bug 104 */
{
    struct rig rig;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT};
    open_leader(&rig, 10, 0, 0);
    rig_receive(&rig, rig_refuse(3, 4, 100, (struct dgraft_position){10, 1}, 1));
    rig_applied(&rig, 101);
    event.u.snapshot.snapshot = (struct dgraft_snapshot){.position = {101, 4}, .size = 5120 * MIB + 3, .digest = 1};
    rig_step(&rig, event);
    rig_receive(&rig, rig_chunk_ack(3, 4, event.u.snapshot.snapshot, 4096 * MIB + 50, 1));
    cr_assert_eq(chunk_for(&rig, 3).offset, 4096 * MIB + 50);
    rig_receive(&rig, rig_chunk_ack(3, 4, event.u.snapshot.snapshot, 5120 * MIB, 1));
    cr_assert_eq(chunk_for(&rig, 3).bytes, 3u);
    rig_close(&rig);
}

Test(transfers, end_with_a_match_and_go_on_with_entries) /* bug 65: also when none follows */
{
    struct rig rig;
    open_transfer(&rig);
    rig_receive(&rig, rig_chunk_ack(3, 4, snapshot_at(101, 4), 1000, 1));
    rig_receive(&rig, rig_ack(3, 4, 101, 1));
    cr_assert_eq(rig_status(&rig).peers[1].next, 102u);
    cr_assert(!rig_status(&rig).peers[1].probing && !rig_status(&rig).peers[1].snapshot);
    rig_propose(&rig, 2, 10);
    const struct dgraft_action_send *append = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 3);
    cr_assert(append->message.u.append.prev.index == 101 && append->message.u.append.prev.term == 4);
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_SNAPSHOT_CHUNK), 0u);
    rig_close(&rig);
}

Test(transfers, begin_again_with_a_newer_snapshot)
{
    struct rig rig;
    open_transfer(&rig);
    rig_receive(&rig, rig_chunk_ack(3, 4, snapshot_at(101, 4), 500, 1));
    rig_propose(&rig, 4, 10);
    rig_durable(&rig);
    rig_sent_all(&rig);
    rig_receive(&rig, rig_ack(2, 4, 105, rig_status(&rig).round));
    rig_snapshot(&rig, 105);
    cr_assert_eq(chunk_for(&rig, 3).snapshot.position.index, 105u);
    cr_assert_eq(chunk_for(&rig, 3).offset, 0u);
    rig_receive(&rig, rig_chunk_ack(3, 4, snapshot_at(101, 4), 600, rig_status(&rig).round));
    cr_assert_eq(rig_status(&rig).peers[1].snapshot_offset, 0u, "an answer about the older one counts for nothing");
    rig_close(&rig);
}

Test(answers_about_a_snapshot, of_a_newer_term_depose_the_leader)
{
    struct rig rig;
    open_transfer(&rig);
    rig_receive(&rig, rig_chunk_ack(3, 5, snapshot_at(101, 4), 100, 1));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    cr_assert_eq(rig_status(&rig).term, 5u);
    rig_close(&rig);
}
