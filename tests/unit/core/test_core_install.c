/* A follower and its leader's snapshot: how it is stored, when it is installed, and what never falls because of it. */
#include "core_snapshot_rig.h"

#include <criterion/criterion.h>

/* Node 1 of three, in term 3, with entries 1 to 9 of terms 1, 2 and 3, committed up to 4. */
static void open_follower(struct rig *rig)
{
    rig_open(rig, &(struct rig_start){.self = 1,
                                      .voters = 3,
                                      .term = 3,
                                      .vote = 2,
                                      .last = 9,
                                      .commit = 4,
                                      .runs = {{1, 1}, {4, 2}, {8, 3}},
                                      .run_count = 3});
}

static const struct dgraft_action_snapshot_store *stored_by(const struct rig *rig)
{
    const struct dgraft_action *action = rig_action(rig, DGRAFT_ACTION_SNAPSHOT_STORE, 0);
    return action == NULL ? NULL : &action->u.snapshot_store;
}

/* The same as a value; none has this offset. */
static struct dgraft_action_snapshot_store stored(const struct rig *rig)
{
    const struct dgraft_action_snapshot_store *store = stored_by(rig);
    return store == NULL ? (struct dgraft_action_snapshot_store){.offset = UINT64_MAX} : *store;
}

static uint64_t acknowledged(const struct rig *rig)
{
    const struct dgraft_action_send *send = rig_sent(rig, DGRAFT_MESSAGE_SNAPSHOT_ACK, 0);
    cr_assert_not_null(send);
    return send->message.u.snapshot_ack.offset;
}

/* Receives all of a snapshot from node 2 in term 3. */
static void take_whole(struct rig *rig, struct dgraft_snapshot snapshot)
{
    rig_receive(rig, rig_chunk(2, 3, snapshot, 0, 1000));
    cr_assert_not_null(stored_by(rig));
    rig_stored(rig, snapshot, 1000);
    rig_received(rig, snapshot);
}

Test(chunks, are_stored_in_order_and_acknowledged_when_they_are_stored)
{
    struct rig rig;
    const struct dgraft_snapshot snapshot = snapshot_at(20, 2);
    open_follower(&rig);
    rig_receive(&rig, rig_chunk(2, 3, snapshot, 0, 400));
    cr_assert_eq(stored(&rig).bytes, 400u);
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_SNAPSHOT_ACK), 0u, "nothing is stored yet");
    rig_receive(&rig, rig_chunk(2, 3, snapshot, 400, 400));
    cr_assert_eq(stored(&rig).offset, 400u);
    rig_stored(&rig, snapshot, 400);
    cr_assert_eq(acknowledged(&rig), 400u);
    rig_stored(&rig, snapshot, 800);
    cr_assert_eq(acknowledged(&rig), 800u);
    rig_close(&rig);
}

Test(chunks, that_come_twice_or_leave_a_gap_are_answered_with_what_is_stored)
{
    struct rig rig;
    const struct dgraft_snapshot snapshot = snapshot_at(20, 2);
    open_follower(&rig);
    rig_receive(&rig, rig_chunk(2, 3, snapshot, 0, 400));
    rig_stored(&rig, snapshot, 400);
    rig_receive(&rig, rig_chunk(2, 3, snapshot, 600, 400));
    cr_assert_null(stored_by(&rig));
    cr_assert_eq(acknowledged(&rig), 400u);
    rig_receive(&rig, rig_chunk(2, 3, snapshot, 0, 400));
    cr_assert_null(stored_by(&rig));
    cr_assert_eq(acknowledged(&rig), 400u);
    rig_close(&rig);
}

Test(chunks, of_another_snapshot_begin_at_its_beginning)
{
    struct rig rig;
    struct dgraft_snapshot other = snapshot_at(20, 2);
    open_follower(&rig);
    rig_receive(&rig, rig_chunk(2, 3, snapshot_at(20, 2), 0, 400));
    rig_stored(&rig, snapshot_at(20, 2), 400);
    other.digest++; /* the same state in other bytes, from the next leader */
    rig_receive(&rig, rig_chunk(3, 4, other, 400, 400));
    cr_assert_null(stored_by(&rig), "bug 64: never the end of one behind the beginning of another");
    rig_durable(&rig);
    cr_assert_eq(acknowledged(&rig), 0u);
    rig_receive(&rig, rig_chunk(3, 4, other, 0, 400));
    cr_assert_eq(stored(&rig).snapshot.digest, other.digest);
    rig_close(&rig);
}

Test(chunks, of_an_older_snapshot_that_come_late_throw_nothing_away)
{
    struct rig rig;
    open_follower(&rig);
    rig_receive(&rig, rig_chunk(2, 3, snapshot_at(20, 2), 0, 400));
    rig_stored(&rig, snapshot_at(20, 2), 400);
    rig_receive(&rig, rig_chunk(2, 3, snapshot_at(15, 2), 0, 400));
    cr_assert_null(stored_by(&rig));
    cr_assert_eq(rig_status(&rig).receiving.position.index, 20u);
    cr_assert_eq(rig_status(&rig).received_bytes, 400u);
    rig_close(&rig);
}

Test(chunks, go_on_where_an_earlier_start_or_leader_stopped)
{
    struct rig rig;
    const struct dgraft_snapshot snapshot = snapshot_at(20, 2);
    open_follower(&rig);
    rig_stored(&rig, snapshot, 600); /* left by an earlier start */
    rig_receive(&rig, rig_chunk(2, 3, snapshot, 0, 200));
    cr_assert_null(stored_by(&rig));
    cr_assert_eq(acknowledged(&rig), 600u);
    rig_receive(&rig, rig_chunk(3, 4, snapshot, 600, 200));
    cr_assert_eq(stored(&rig).offset, 600u);
    rig_close(&rig);
}

Test(chunks, of_the_snapshot_before_are_not_acknowledged_any_more) /* they are about to be written over */
{
    struct rig rig;
    const struct dgraft_snapshot first = snapshot_at(20, 2);
    const struct dgraft_snapshot second = snapshot_at(30, 3);
    open_follower(&rig);
    rig_receive(&rig, rig_chunk(2, 4, first, 0, 400));
    rig_stored(&rig, first, 400);
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_SNAPSHOT_ACK), 0u, "the term is not durable");
    rig_receive(&rig, rig_chunk(2, 4, second, 0, 400));
    cr_assert_eq(stored(&rig).snapshot.position.index, 30u);
    rig_durable(&rig);
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_SNAPSHOT_ACK), 0u);
    rig_stored(&rig, second, 400);
    cr_assert_eq(acknowledged(&rig), 400u);
    rig_close(&rig);
}

Test(chunks, that_cannot_be_stored_are_asked_for_again)
{
    struct rig rig;
    const struct dgraft_snapshot snapshot = snapshot_at(20, 2);
    open_follower(&rig);
    rig_receive(&rig, rig_chunk(2, 3, snapshot, 0, 400));
    rig_receive(&rig, rig_chunk(2, 3, snapshot, 400, 400));
    rig_stored(&rig, snapshot, 0);
    cr_assert_eq(acknowledged(&rig), 0u);
    rig_stored(&rig, snapshot, 0);
    rig_receive(&rig, rig_chunk(2, 3, snapshot, 0, 400));
    cr_assert_eq(stored(&rig).offset, 0u);
    rig_close(&rig);
}

Test(chunks, keep_their_receiver_from_campaigning) /* bugs 22 and 25 */
{
    struct rig rig;
    const struct dgraft_snapshot snapshot = snapshot_at(20, 2);
    open_follower(&rig);
    for (uint32_t i = 0; i < 40; i++) {
        rig.now += 100 * MS;
        rig_receive(&rig, rig_chunk(2, 3, snapshot, 400, 100)); /* of no use, and yet the leader's */
        cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
        cr_assert_gt(rig.actions->wake_at_ns, rig.now + 100 * MS);
    }
    cr_assert_eq(rig_status(&rig).term, 3u);
    rig_close(&rig);
}

Test(chunks, make_a_candidate_follow) /* bug 71 */
{
    struct rig rig;
    open_follower(&rig);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_PRE_CANDIDATE);
    rig_receive(&rig, rig_chunk(2, 3, snapshot_at(20, 2), 0, 400));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 3, 3, 4));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_CANDIDATE);
    rig_receive(&rig, rig_chunk(2, 4, snapshot_at(20, 2), 400, 400));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    cr_assert_eq(rig_status(&rig).leader, 2u);
    rig_close(&rig);
}

Test(chunks, of_an_older_term_are_refused_with_the_newer)
{
    struct rig rig;
    open_follower(&rig);
    rig_receive(&rig, rig_chunk(2, 2, snapshot_at(20, 2), 0, 400));
    cr_assert_null(stored_by(&rig));
    const struct dgraft_action_send *refusal = rig_sent(&rig, DGRAFT_MESSAGE_APPEND_REFUSE, 2);
    cr_assert_eq(refusal->message.term, 3u);
    cr_assert_eq(refusal->message.u.append_refuse.reason, DGRAFT_REFUSE_TERM);
    rig_close(&rig);
}

Test(chunks, of_what_is_committed_here_are_not_stored)
{
    struct rig rig;
    open_follower(&rig);
    rig_receive(&rig, rig_chunk(2, 3, snapshot_at(4, 2), 0, 400));
    cr_assert_null(stored_by(&rig));
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 2)->message.u.append_ack.match, 4u);
    rig_close(&rig);
}

Test(chunks, that_contradict_what_is_committed_halt_the_node)
{
    struct rig rig;
    open_follower(&rig);
    rig_receive(&rig, rig_chunk(2, 3, snapshot_at(4, 1), 0, 400));
    cr_assert(rig_status(&rig).poisoned);
    rig_close(&rig);
}

Test(installs, replace_a_log_that_ends_before_the_snapshot)
{
    struct rig rig;
    open_follower(&rig);
    take_whole(&rig, snapshot_at(20, 3));
    const struct dgraft_action *install = rig_action(&rig, DGRAFT_ACTION_INSTALL, 0);
    cr_assert_eq(install->u.install.position.index, 20u);
    const struct dgraft_core_status status = rig_status(&rig);
    cr_assert_eq(status.last.index, 20u);
    cr_assert_eq(status.compacted.index, 20u);
    cr_assert(status.commit == 20 && status.applied == 20);
    rig.written = install->u.install.seq;
    rig_durable(&rig);
    struct dgraft_entry entries[2];
    rig_receive(&rig, rig_append(2, 3, (struct dgraft_position){20, 3}, entries, 2, 3));
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_WRITE, 0)->u.write.keep, 20u, "no gap behind it"); /* bug 62 */
    rig_close(&rig);
}

Test(installs, leave_no_conflicting_entry_behind) /* bug 61 */
{
    struct rig rig;
    open_follower(&rig);
    take_whole(&rig, snapshot_at(7, 3)); /* here 7 is of term 2, and 8 and 9 follow it */
    cr_assert_not_null(rig_action(&rig, DGRAFT_ACTION_INSTALL, 0));
    cr_assert_eq(rig_status(&rig).last.index, 7u);
    cr_assert_eq(rig_status(&rig).last.term, 3u);
    struct dgraft_entry entries[1];
    rig_receive(&rig, rig_append(2, 3, (struct dgraft_position){7, 3}, entries, 1, 3));
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_APPEND_REFUSE), 0u, "the next append is taken");
    cr_assert_eq(rig_status(&rig).last.index, 8u);
    rig_close(&rig);
}

Test(installs, keep_a_log_that_holds_the_snapshots_last_entry)
{
    struct rig rig;
    open_follower(&rig);
    take_whole(&rig, snapshot_at(7, 2));
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_INSTALL, 0));
    cr_assert_eq(rig_status(&rig).last.index, 9u);
    cr_assert_eq(rig_status(&rig).commit, 7u, "it tells what is committed");
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_APPLY, 0)->u.apply.last, 7u, "which is applied from the log");
    cr_assert_eq(rig_status(&rig).snapshot.position.index, 0u);
    rig_applied(&rig, 7);
    cr_assert_eq(rig_status(&rig).snapshot.position.index, 7u, "and only then may the log go");
    rig_close(&rig);
}

Test(installs, lower_neither_term_nor_vote) /* bugs 4 and 59 */
{
    struct rig rig;
    open_follower(&rig);
    take_whole(&rig, snapshot_at(20, 1)); /* of entries of term 1, sent in term 3 */
    cr_assert_eq(rig_status(&rig).term, 3u);
    cr_assert_eq(rig_status(&rig).vote, 2u);
    rig.now += 2000 * MS;
    rig_receive(&rig, rig_vote_request(3, 3, 30, 3));
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_VOTE_GRANT), 0u, "the vote of this term is given");
    rig_close(&rig);
}

Test(installs, are_acknowledged_as_a_match)
{
    struct rig rig;
    open_follower(&rig);
    take_whole(&rig, snapshot_at(20, 3));
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 2)->message.u.append_ack.match, 20u);
    rig_close(&rig);
}

Test(installs, make_nothing_of_late_completions) /* bug 70 */
{
    struct rig rig;
    struct dgraft_entry entries[3];
    open_follower(&rig);
    rig_receive(&rig, rig_append(2, 3, (struct dgraft_position){9, 3}, entries, 3, 3));
    const uint64_t old_write = rig.written;
    take_whole(&rig, snapshot_at(20, 3));
    const uint64_t install = rig_action(&rig, DGRAFT_ACTION_INSTALL, 0)->u.install.seq;
    rig_applied(&rig, 4); /* was under way when the snapshot came */
    cr_assert_eq(rig_status(&rig).applied, 20u);
    rig.written = old_write; /* entries 10 to 12 of the old log */
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).durable, 20u);
    rig.written = install;
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).durable, 20u);
    rig_received(&rig, snapshot_at(15, 3)); /* and so was an older snapshot */
    cr_assert_eq(rig_status(&rig).snapshot.position.index, 20u);
    cr_assert_eq(rig_status(&rig).applied, 20u);
    rig_close(&rig);
}

Test(installs, bring_the_configuration_in_force_at_the_snapshot) /* bug 67: both halves of a joint one */
{
    struct rig rig;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT_RECEIVED};
    open_follower(&rig);
    rig_receive(&rig, rig_chunk(2, 3, snapshot_at(20, 3), 0, 1000));
    rig_stored(&rig, snapshot_at(20, 3), 1000);
    event.u.snapshot_received = (struct dgraft_event_snapshot_received){
        .snapshot = snapshot_at(20, 3),
        .membership = {.index = 15, .voters = 0x0b, .outgoing = 0x07, .learners = 0x10}};
    rig_step(&rig, event);
    const struct dgraft_membership membership = rig_status(&rig).membership;
    cr_assert(membership.index == 15 && membership.voters == 0x0b);
    cr_assert(membership.outgoing == 0x07 && membership.learners == 0x10);
    cr_assert_eq(rig_status(&rig).peer_count, 4u);
    rig_close(&rig);
}

Test(installs, at_a_leader_that_lacks_what_they_hold_halt_it)
{
    struct rig rig;
    open_follower(&rig);
    rig_lead_and_commit(&rig);
    rig_received(&rig, snapshot_at(50, 3));
    cr_assert(rig_status(&rig).poisoned);
    rig_close(&rig);
}

static enum dgraft_status try_received(struct rig *rig, struct dgraft_snapshot snapshot,
                                       struct dgraft_membership membership)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT_RECEIVED};
    event.u.snapshot_received = (struct dgraft_event_snapshot_received){.snapshot = snapshot, .membership = membership};
    return rig_try(rig, event);
}

Test(installs, of_nothing_or_of_members_that_cannot_be_change_nothing)
{
    struct rig rig;
    const struct dgraft_membership members = {.index = 1, .voters = 7};
    struct dgraft_snapshot empty = snapshot_at(20, 3);
    empty.size = 0;
    open_follower(&rig);
    cr_assert_eq(try_received(&rig, snapshot_at(0, 3), members), DGRAFT_STATUS_MISUSE);
    cr_assert_eq(try_received(&rig, snapshot_at(20, 0), members), DGRAFT_STATUS_MISUSE);
    cr_assert_eq(try_received(&rig, snapshot_at(20, UINT64_MAX), members), DGRAFT_STATUS_MISUSE);
    cr_assert_eq(try_received(&rig, empty, members), DGRAFT_STATUS_MISUSE);
    cr_assert_eq(try_received(&rig, snapshot_at(20, 3), (struct dgraft_membership){.index = 1}), DGRAFT_OK);
    cr_assert_eq(try_received(&rig, snapshot_at(20, 3), (struct dgraft_membership){.index = 21, .voters = 7}),
                 DGRAFT_OK, "members younger than the snapshot");
    cr_assert_eq(rig_status(&rig).ignored, 2u);
    cr_assert_eq(rig_status(&rig).last.index, 9u);
    cr_assert_eq(rig_status(&rig).snapshot.position.index, 0u);
    rig_close(&rig);
}

Test(installs, of_a_newer_term_teach_it) /* its chunks came in that term, and a crash took the term back */
{
    struct rig rig;
    open_follower(&rig);
    cr_assert_eq(try_received(&rig, snapshot_at(20, 5), (struct dgraft_membership){.index = 1, .voters = 7}),
                 DGRAFT_OK);
    cr_assert_eq(rig_status(&rig).term, 5u);
    cr_assert_eq(rig_status(&rig).vote, 0u);
    cr_assert_eq(rig_status(&rig).last.index, 20u);
    rig_close(&rig);
}

Test(installs, that_contradict_what_is_committed_halt_the_node)
{
    struct rig rig;
    open_follower(&rig);
    rig_received(&rig, snapshot_at(3, 2)); /* here 3 is of term 1, and committed */
    cr_assert(rig_status(&rig).poisoned);
    rig_received(&rig, snapshot_at(20, 3));
    cr_assert_eq(rig_status(&rig).last.index, 9u, "and a halted one takes nothing up");
    rig_close(&rig);
}

Test(stored, more_than_there_is_or_of_nothing_is_misuse)
{
    struct rig rig;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT_STORED};
    open_follower(&rig);
    event.u.snapshot_stored = (struct dgraft_event_snapshot_stored){.snapshot = snapshot_at(20, 3), .offset = 1001};
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE);
    event.u.snapshot_stored = (struct dgraft_event_snapshot_stored){.snapshot = snapshot_at(0, 0), .offset = 10};
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE);
    rig_receive(&rig, rig_chunk(2, 3, snapshot_at(20, 3), 0, 400));
    rig_stored(&rig, snapshot_at(19, 3), 400);
    cr_assert_eq(rig_status(&rig).received_bytes, 0u, "of one that was given up");
    rig_close(&rig);
}

Test(restarts, begin_with_what_the_snapshot_holds) /* bug 73 */
{
    struct rig rig;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START};
    struct dgraft_config config;
    const struct dgraft_term_run runs[] = {{15, 2}, {22, 3}};
    open_follower(&rig);
    dgraft_config_defaults(&config, 1);
    cr_assert_eq(dgraft_core_init(rig.core, &config), rig.core);
    event.u.start.term = 3;
    event.u.start.snapshot = snapshot_at(20, 2);
    event.u.start.compacted = (struct dgraft_position){14, 2};
    event.u.start.last = (struct dgraft_position){25, 3};
    event.u.start.commit = 23;
    event.u.start.applied = 20;
    event.u.start.runs = runs;
    event.u.start.run_count = 2;
    event.u.start.membership = (struct dgraft_membership){.index = 1, .voters = 7};
    rig_step(&rig, event);
    const struct dgraft_action_apply apply = rig_action(&rig, DGRAFT_ACTION_APPLY, 0)->u.apply;
    cr_assert(apply.first == 21 && apply.last == 23, "the state machine holds 20, and gets the rest");
    cr_assert_eq(dgraft_core_term_at(rig.core, 14), 2u);
    cr_assert_eq(dgraft_core_term_at(rig.core, 13), 0u);
    rig_close(&rig);
}
