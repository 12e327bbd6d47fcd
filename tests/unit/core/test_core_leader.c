#include "core_rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define AT(index, term) ((struct dgraft_position){index, term})

/* Node 1 of `voters`, with entries 1 to 3 of term 1, 4 and 5 of term 2; it will lead in term 3, its NOOP being 6. */
static void open_leader(struct rig *rig, uint32_t voters)
{
    rig_open(rig, &(struct rig_start){
                      .self = 1, .voters = voters, .term = 2, .last = 5, .runs = {{1, 1}, {4, 2}}, .run_count = 2});
}

static void ack(struct rig *rig, dgraft_node_id from, dgraft_index match)
{
    rig_receive(rig, rig_ack(from, 3, match, rig_status(rig).round));
}

static struct dgraft_peer_status peer(const struct rig *rig, dgraft_node_id id)
{
    const struct dgraft_core_status status = rig_status(rig);
    for (uint32_t i = 0; i < status.peer_count; i++) {
        if (status.peers[i].id == id) {
            return status.peers[i];
        }
    }
    cr_assert_fail("no such peer");
    return status.peers[0];
}

/* Lets the followers learn what is committed, so that the next thing to wake for is a heartbeat. */
static void lead_and_settle(struct rig *rig)
{
    rig_lead_and_commit(rig);
    rig_wake_at(rig, rig->actions->wake_at_ns);
}

/* A leader whose followers have everything up to `last`, all of it committed. */
static dgraft_index open_steady(struct rig *rig, uint32_t voters)
{
    open_leader(rig, voters);
    lead_and_settle(rig);
    return rig_status(rig).last.index;
}

Test(leaders, announce_themselves_and_append_a_noop)
{
    struct rig rig;
    open_leader(&rig, 3);
    rig_lead(&rig);
    const struct dgraft_action_write *write = &rig_action(&rig, DGRAFT_ACTION_WRITE, 0)->u.write;
    cr_assert_eq(write->made, DGRAFT_ENTRY_NOOP);
    cr_assert_eq(write->first, 6u);
    cr_assert_eq(write->count, 1u);
    cr_assert_eq(write->entry_term, 3u);
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert_eq(send->receivers, 6u);
    cr_assert(dgraft_position_equal(send->message.u.append.prev, AT(5, 2)));
    cr_assert(dgraft_position_equal(send->last, AT(5, 2)));
    cr_assert_eq(send->message.u.append.round, 1u);
    rig_close(&rig);
}

Test(leaders, do_not_commit_older_entries_by_counting) /* bug 31 */
{
    struct rig rig;
    open_leader(&rig, 3);
    rig_lead(&rig);
    ack(&rig, 2, 5);
    ack(&rig, 3, 5);
    cr_assert_eq(rig_status(&rig).commit, 0u);
    rig_sent_all(&rig);
    ack(&rig, 2, 6);
    cr_assert_eq(rig_status(&rig).commit, 0u, "one follower and a disk that is not done are no majority");
    ack(&rig, 3, 6);
    cr_assert_eq(rig_status(&rig).commit, 6u, "older entries are committed with the first of the own term");
    rig_close(&rig);
}

Test(leaders, count_their_own_disk_and_may_do_without_it) /* bug 46 */
{
    struct rig rig;
    open_leader(&rig, 3);
    rig_lead(&rig);
    ack(&rig, 2, 5);
    rig_sent_all(&rig);
    ack(&rig, 2, 6);
    cr_assert_eq(rig_status(&rig).commit, 0u);
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).commit, 6u);
    rig_propose(&rig, 1, 10);
    rig_sent_all(&rig);
    ack(&rig, 3, 5);
    ack(&rig, 2, 7);
    cr_assert_eq(rig_status(&rig).commit, 6u);
    rig_sent_all(&rig);
    ack(&rig, 3, 7);
    cr_assert_eq(rig_status(&rig).commit, 7u, "two followers are a majority; the own disk may be late");
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_APPLY), 0u, "but nothing is applied that is not durable here");
    rig_durable(&rig);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_APPLY, 0)->u.apply.last, 7u);
    rig_close(&rig);
}

Test(leaders, need_a_majority_of_every_size) /* bug 47 */
{
    for (uint32_t voters = 1; voters <= 5; voters++) {
        struct rig rig;
        open_leader(&rig, voters);
        rig_lead(&rig);
        rig_durable(&rig);
        for (uint32_t acks = 0; acks < voters; acks++) {
            if (acks > 0) {
                ack(&rig, acks + 1, 5);
                rig_sent_all(&rig);
                ack(&rig, acks + 1, 6);
                ack(&rig, acks + 1, 6); /* twice from one is one */
            }
            cr_assert_eq(rig_status(&rig).commit, acks + 1 > voters / 2 ? 6u : 0u, "%u of %u", acks + 1, voters);
        }
        rig_close(&rig);
    }
}

Test(learners, are_sent_everything_and_count_for_nothing) /* bug 80 */
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    struct rig rig = {.config = config, .now = 1000 * MS};
    rig.core = dgraft_core_init(malloc(dgraft_core_size(&config)), &config);
    rig.before = malloc(dgraft_core_size(&config));
    rig.actions = dgraft_actions_init(malloc(dgraft_actions_size(&config)), &config);
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START};
    event.u.start.membership = (struct dgraft_membership){.voters = 3, .learners = 12};
    rig_step(&rig, event);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_REQUEST, 0)->receivers, 2u);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 3, 0, 1));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_PRE_CANDIDATE);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2, 0, 1));
    rig_durable(&rig);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_VOTE_GRANT, 2, 1, 1));
    rig_durable(&rig);
    for (dgraft_node_id id = 2; id <= 4; id++) {
        rig_receive(&rig, rig_ack(id, 1, 0, 1));
        rig_sent_all(&rig);
    }
    rig_receive(&rig, rig_ack(3, 1, 1, 1));
    rig_receive(&rig, rig_ack(4, 1, 1, 1));
    cr_assert_eq(rig_status(&rig).commit, 0u);
    rig_receive(&rig, rig_ack(2, 1, 1, 1));
    cr_assert_eq(rig_status(&rig).commit, 1u);
    rig_close(&rig);
}

Test(replication, sends_followers_at_one_position_one_send) /* rule C9 */
{
    struct rig rig;
    const dgraft_index last = open_steady(&rig, 5);
    rig_propose(&rig, 3, 100);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 1u);
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert_eq(send->receivers, 0x1eu);
    cr_assert_eq(send->message.u.append.prev.index, last);
    cr_assert_eq(send->last.index, last + 3);
    cr_assert_eq(send->max_bytes, rig.config.inflight_bytes_max);
    const struct dgraft_action_accepted *accepted = &rig_action(&rig, DGRAFT_ACTION_ACCEPTED, 0)->u.accepted;
    cr_assert_eq(accepted->first.index, last + 1);
    cr_assert_eq(accepted->first.term, 3u);
    cr_assert_eq(accepted->count, 3u);
    cr_assert_eq(accepted->id, 77u);
    rig_close(&rig);
}

Test(replication, waits_for_sent_and_goes_on_from_there)
{
    struct rig rig;
    const dgraft_index last = open_steady(&rig, 3);
    rig_propose(&rig, 5, 100);
    rig_propose(&rig, 5, 100);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u, "the same entries are not sent twice meanwhile");
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SENT};
    event.u.sent = (struct dgraft_event_sent){.receivers = 6, .term = 3, .prev = last, .last = last + 2, .bytes = 200};
    rig_step(&rig, event);
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert_eq(send->message.u.append.prev.index, last + 2);
    cr_assert_eq(send->last.index, last + 10);
    cr_assert_eq(peer(&rig, 2).inflight, 1u);
    cr_assert_eq(peer(&rig, 2).inflight_bytes, 200u);
    rig_close(&rig);
}

Test(replication, that_could_not_send_waits_for_the_next_heartbeat)
{
    struct rig rig;
    const dgraft_index last = open_steady(&rig, 3);
    rig_propose(&rig, 5, 100);
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SENT};
    event.u.sent = (struct dgraft_event_sent){.receivers = 6, .term = 3, .prev = last, .last = last};
    rig_step(&rig, event);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u, "no busy loop");
    rig_propose(&rig, 1, 100);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    const struct dgraft_action_send *send = &rig_action(&rig, DGRAFT_ACTION_SEND, 1)->u.send;
    cr_assert_eq(send->last.index, last + 6);
    rig_close(&rig);
}

Test(replication, stops_at_the_window_and_goes_on_after_an_ack)
{
    struct rig rig;
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.inflight_max = 2;
    rig_open_config(&rig, &(struct rig_start){.voters = 3, .term = 2}, &config);
    lead_and_settle(&rig);
    for (uint32_t i = 0; i < 4; i++) {
        rig_propose(&rig, 1, 10);
        rig_sent_all(&rig);
    }
    cr_assert_eq(peer(&rig, 2).inflight, 2u);
    cr_assert_eq(peer(&rig, 2).next, 4u);
    ack(&rig, 2, 2);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2));
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 3));
    rig_close(&rig);
}

Test(replication, frees_a_full_window_though_every_ack_was_lost)
{
    struct rig rig;
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.inflight_max = 1;
    rig_open_config(&rig, &(struct rig_start){.voters = 3, .term = 2}, &config);
    lead_and_settle(&rig);
    rig_propose(&rig, 1, 10);
    rig_sent_all(&rig);
    rig_propose(&rig, 1, 10);
    const struct dgraft_action_send *send = NULL;
    for (uint32_t i = 0; i < 2; i++) { /* nothing moved for a heartbeat */
        rig_wake_at(&rig, rig.actions->wake_at_ns);
        rig_receive(&rig, rig_ack(3, 3, 1, rig_status(&rig).round));
    }
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    send = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert_eq(send->message.u.append.prev.index, 2u, "a heartbeat stands behind what was sent");
    ack(&rig, 2, 2);
    send = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert_eq(send->last.index, 3u);
    rig_close(&rig);
}

Test(heartbeats, do_not_stand_before_entries_that_are_on_their_way)
{
    struct rig rig;
    const dgraft_index last = open_steady(&rig, 3);
    rig.now = rig.actions->wake_at_ns - 1;
    rig_propose(&rig, 1, 10);
    rig_sent_all(&rig);
    rig_wake_at(&rig, rig.now + 1);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2)->message.u.append.prev.index, last);
    rig_close(&rig);
}

Test(replication, recovers_a_lost_tail_by_a_heartbeat)
{
    struct rig rig;
    const dgraft_index last = open_steady(&rig, 3);
    rig_propose(&rig, 4, 10);
    rig_sent_all(&rig); /* and lost */
    for (uint32_t i = 0; i < 2; i++) {
        rig_wake_at(&rig, rig.actions->wake_at_ns);
    }
    const struct dgraft_append heartbeat = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2)->message.u.append;
    cr_assert_eq(heartbeat.prev.index, last + 4);
    rig_receive(&rig, rig_refuse(2, 3, last + 4, AT(last, 3), heartbeat.round));
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert_eq(send->message.u.append.prev.index, last);
    cr_assert_eq(send->last.index, last + 4);
    cr_assert_eq(send->receivers, 2u);
    rig_close(&rig);
}

Test(replication, sends_once_again_however_many_appends_behind_a_gap_are_refused)
{
    struct rig rig;
    const dgraft_index last = open_steady(&rig, 3);
    for (uint32_t i = 0; i < 5; i++) {
        rig_propose(&rig, 1, 10);
        rig_sent_all(&rig);
    }
    const uint64_t round = rig_status(&rig).round;
    rig_receive(&rig, rig_refuse(2, 3, last + 1, AT(last, 3), round));
    rig_sent_all(&rig);
    for (dgraft_index prev = last + 2; prev < last + 5; prev++) {
        rig_receive(&rig, rig_refuse(2, 3, prev, AT(last, 3), round));
        cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u);
    }
    cr_assert_eq(peer(&rig, 2).next, last + 6);
    rig_close(&rig);
}

Test(replication, goes_back_term_by_term) /* the follower has 1-3 of t1, then ten of t2: none of them the leader's */
{
    struct rig rig;
    rig_open(&rig,
             &(struct rig_start){
                 .self = 1, .voters = 3, .term = 5, .last = 30, .runs = {{1, 1}, {4, 3}, {20, 4}}, .run_count = 3});
    rig_lead(&rig);
    cr_assert_eq(peer(&rig, 2).next, 31u);
    rig_receive(&rig, rig_refuse(2, 6, 30, AT(13, 2), 1));
    cr_assert_eq(peer(&rig, 2).next, 4u, "no entry of the leader's above 3 is of term 2 or older");
    cr_assert(peer(&rig, 2).probing);
    const struct dgraft_action_send *probe = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert(dgraft_position_equal(probe->message.u.append.prev, AT(3, 1)));
    rig_receive(&rig, rig_ack(2, 6, 3, rig_status(&rig).round));
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2)->last.index, 31u);
    cr_assert(!peer(&rig, 2).probing);
    rig_close(&rig);
}

Test(replication, goes_on_at_a_position_that_both_logs_have)
{
    struct rig rig;
    open_leader(&rig, 3);
    rig_lead(&rig);
    rig_receive(&rig, rig_refuse(2, 3, 5, AT(4, 2), 1));
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert_eq(send->message.u.append.prev.index, 4u);
    cr_assert_eq(send->last.index, 6u, "entries at once, without another probe");
    rig_close(&rig);
}

Test(refusals, never_commit_and_never_lower_what_matched) /* bugs 41, 44 */
{
    struct rig rig;
    const dgraft_index last = open_steady(&rig, 3);
    rig_propose(&rig, 2, 10);
    rig_sent_all(&rig);
    rig_receive(&rig, rig_refuse(2, 3, last + 2, AT(last + 1, 3), rig_status(&rig).round));
    cr_assert_eq(peer(&rig, 2).match, last);
    cr_assert_eq(rig_status(&rig).commit, last);
    for (dgraft_index prev = 0; prev <= last; prev++) {
        rig_receive(&rig, rig_refuse(3, 3, prev, AT(0, 0), rig_status(&rig).round));
        cr_assert_eq(peer(&rig, 3).match, last);
        cr_assert_gt(peer(&rig, 3).next, last);
    }
    rig_close(&rig);
}

Test(acknowledgements, that_come_in_disorder_do_not_lower_match) /* bug 41 */
{
    struct rig rig;
    const dgraft_index last = open_steady(&rig, 3);
    rig_propose(&rig, 2, 10);
    rig_sent_all(&rig);
    ack(&rig, 2, last + 2);
    ack(&rig, 2, last + 1);
    ack(&rig, 2, 0);
    cr_assert_eq(peer(&rig, 2).match, last + 2);
    rig_close(&rig);
}

Test(acknowledgements, of_other_terms_or_of_entries_that_do_not_exist_count_for_nothing)
{
    struct rig rig;
    const dgraft_index last = open_steady(&rig, 3);
    rig_propose(&rig, 2, 10);
    rig_sent_all(&rig);
    rig_durable(&rig);
    rig_receive(&rig, rig_ack(2, 2, last + 2, 1));
    rig_receive(&rig, rig_ack(2, 3, last + 3, 1));
    rig_receive(&rig, rig_ack(2, 3, UINT64_MAX, 1));
    rig_receive(&rig, rig_ack(2, 3, last + 2, 1000)); /* a round that never was */
    cr_assert_eq(peer(&rig, 2).match, last);
    cr_assert_eq(rig_status(&rig).commit, last);
    cr_assert_eq(rig_status(&rig).ignored, 4u);
    rig_close(&rig);
}

/* Not at once: a client that goes on has the next append carry it. Not with the next heartbeat either. */
Test(followers, that_have_everything_are_told_the_commit_soon_and_once)
{
    struct rig rig;
    const dgraft_index last = open_steady(&rig, 3);
    rig_propose(&rig, 1, 10);
    rig_sent_all(&rig);
    rig_durable(&rig);
    ack(&rig, 2, last + 1);
    cr_assert_eq(rig_status(&rig).commit, last + 1);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u);
    cr_assert_leq(rig.actions->wake_at_ns - rig.now, 30 * UINT64_C(1000000) / 16, "well before the next heartbeat");
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert_eq(send->message.u.append.commit, last + 1);
    cr_assert_eq(send->message.u.append.prev.index, last + 1);
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 3), "its entries may still be on their way");
    ack(&rig, 3, last + 1);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 3));
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2), "once");
    ack(&rig, 3, last + 1);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u, "once");
    rig_close(&rig);
}

Test(followers, learn_a_commit_with_the_next_append_when_there_is_one)
{
    struct rig rig;
    const dgraft_index last = open_steady(&rig, 3);
    rig_propose(&rig, 1, 10);
    rig_sent_all(&rig);
    rig_durable(&rig);
    ack(&rig, 2, last + 1);
    ack(&rig, 3, last + 1);
    rig_propose(&rig, 1, 10);
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert_eq(send->message.u.append.commit, last + 1);
    rig_sent_all(&rig);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u, "no message of its own");
    rig_close(&rig);
}

Test(lookups, are_asked_for_terms_that_are_forgotten_and_never_guessed) /* bug 34 */
{
    struct rig rig;
    rig_open(&rig,
             &(struct rig_start){
                 .self = 1, .voters = 3, .term = 9, .last = 100, .commit = 95, .runs = {{90, 9}}, .run_count = 1});
    rig_lead(&rig);
    rig_receive(&rig, rig_refuse(2, 10, 100, AT(40, 4), 1));
    const struct dgraft_action *lookup = rig_action(&rig, DGRAFT_ACTION_LOOKUP, 0);
    cr_assert_not_null(lookup);
    cr_assert_eq(lookup->u.lookup.index, 40u);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_LOOKUP), 0u, "once");
    const struct dgraft_action_send *heartbeat = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert(dgraft_position_equal(heartbeat->message.u.append.prev, AT(0, 0)));
    struct dgraft_event event = {.kind = DGRAFT_EVENT_TERM};
    event.u.term.position = AT(40, 4);
    rig_step(&rig, event);
    const struct dgraft_action_send *probe = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert(dgraft_position_equal(probe->message.u.append.prev, AT(40, 4)));
    rig_receive(&rig, rig_ack(2, 10, 40, rig_status(&rig).round));
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2)->message.u.append.prev.index, 40u);
    rig_close(&rig);
}

Test(lookups, that_find_nothing_leave_heartbeats)
{
    struct rig rig;
    rig_open(&rig,
             &(struct rig_start){
                 .self = 1, .voters = 3, .term = 9, .last = 100, .commit = 95, .runs = {{90, 9}}, .run_count = 1});
    rig_lead(&rig);
    rig_receive(&rig, rig_refuse(2, 10, 100, AT(40, 4), 1));
    struct dgraft_event event = {.kind = DGRAFT_EVENT_TERM};
    event.u.term.position = AT(40, 0);
    rig_step(&rig, event);
    cr_assert_eq(rig.actions->count, 0u);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_LOOKUP), 1u);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2));
    rig_close(&rig);
}

Test(lookups, that_find_what_cannot_be_or_come_too_late_change_nothing)
{
    struct rig rig;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_TERM};
    rig_open(&rig,
             &(struct rig_start){
                 .self = 1, .voters = 3, .term = 9, .last = 100, .commit = 95, .runs = {{90, 9}}, .run_count = 1});
    rig_lead(&rig);
    rig_receive(&rig, rig_refuse(2, 10, 100, AT(40, 4), 1));
    event.u.term.position = AT(41, 4);
    rig_step(&rig, event);
    cr_assert_eq(rig.actions->count, 0u, "nobody asked for that one");
    event.u.term.position = AT(40, 11);
    rig_step(&rig, event);
    cr_assert_eq(rig.actions->count, 0u, "an entry of a term that is yet to come");
    rig_receive(&rig, rig_append(3, 11, AT(0, 0), NULL, 0, 0));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    event.u.term.position = AT(40, 4);
    rig_step(&rig, event);
    cr_assert_eq(rig.actions->count, 0u, "it leads no longer");
    rig_close(&rig);
}

/* The host says how far a SEND got after the follower has said that it stands elsewhere: where it stands counts. */
Test(sends, that_a_refusal_overtakes_do_not_move_what_is_next)
{
    struct rig rig;
    const dgraft_index last = open_steady(&rig, 3);
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SENT};
    rig_propose(&rig, 2, 10);
    rig_sent_all(&rig);
    rig_propose(&rig, 2, 10);
    rig_receive(&rig, rig_refuse(2, 3, last + 2, AT(last, 3), rig_status(&rig).round));
    event.u.sent = (struct dgraft_event_sent){
        .receivers = dgraft_node_set_of(2), .term = 3, .prev = last + 2, .last = last + 4, .bytes = 100};
    rig_step(&rig, event);
    const struct dgraft_action_send *again = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert_not_null(again);
    cr_assert_eq(again->message.u.append.prev.index, last, "and not behind what it lacks");
    rig_close(&rig);
}

Test(a_full_follower, is_asked_again_with_the_next_heartbeat)
{
    struct rig rig;
    const dgraft_index last = open_steady(&rig, 3);
    rig_propose(&rig, 4, 10);
    rig_sent_all(&rig);
    struct dgraft_message full = rig_refuse(2, 3, last, AT(last, 3), rig_status(&rig).round);
    full.u.append_refuse.reason = DGRAFT_REFUSE_FULL;
    rig_receive(&rig, full);
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2));
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    const struct dgraft_action *again = rig_action(&rig, DGRAFT_ACTION_SEND, rig_count(&rig, DGRAFT_ACTION_SEND) - 1);
    cr_assert_eq(again->u.send.message.u.append.prev.index, last);
    cr_assert_eq(again->u.send.last.index, last + 4);
    rig_close(&rig);
}

/* It refuses what it has no room for and acknowledges what it has; if that had it asked again, it would do the same. */
Test(a_full_follower, is_not_asked_again_because_it_acknowledges_what_it_had)
{
    struct rig rig;
    const dgraft_index last = open_steady(&rig, 3);
    rig_propose(&rig, 4, 10);
    rig_sent_all(&rig);
    struct dgraft_message full = rig_refuse(2, 3, last, AT(last, 3), rig_status(&rig).round);
    full.u.append_refuse.reason = DGRAFT_REFUSE_FULL;
    rig_receive(&rig, full);
    rig_receive(&rig, rig_ack(2, 3, last, rig_status(&rig).round));
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2), "or messages would go on for ever");
    rig_receive(&rig, rig_ack(2, 3, last + 1, rig_status(&rig).round));
    const struct dgraft_action_send *rest = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2);
    cr_assert_not_null(rest, "it has found room");
    cr_assert_eq(rest->message.u.append.prev.index, last + 1);
    rig_close(&rig);
}
