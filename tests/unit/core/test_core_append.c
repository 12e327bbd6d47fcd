#include "core_rig.h"

#include <criterion/criterion.h>

#define AT(index, term) ((struct dgraft_position){index, term})

/* A follower of three with entries 1 to 3 of term 1, 4 and 5 of term 2; commit as given. */
static void open_follower(struct rig *rig, dgraft_index commit)
{
    rig_open(
        rig,
        &(struct rig_start){
            .self = 1, .voters = 3, .term = 2, .last = 5, .commit = commit, .runs = {{1, 1}, {4, 2}}, .run_count = 2});
}

static struct dgraft_message append(dgraft_term term, struct dgraft_position prev, uint32_t count,
                                    dgraft_term entry_term, dgraft_index commit)
{
    static struct dgraft_entry entries[64];
    struct dgraft_message message = rig_append(2, term, prev, entries, count, entry_term);
    message.u.append.commit = commit;
    message.u.append.round = 1;
    return message;
}

Test(appends, are_acknowledged_when_they_are_durable)
{
    struct rig rig;
    open_follower(&rig, 0);
    rig_receive(&rig, append(2, AT(5, 2), 0, 0, 0));
    rig_receive(&rig, append(2, AT(5, 2), 3, 2, 0));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u);
    const struct dgraft_action_write *write = &rig_action(&rig, DGRAFT_ACTION_WRITE, 0)->u.write;
    cr_assert_eq(write->keep, 5u);
    cr_assert_eq(write->first, 6u);
    cr_assert_eq(write->count, 3u);
    cr_assert_eq(write->skip, 0u);
    cr_assert_eq(write->entry_term, 0u);
    cr_assert(!write->state);
    rig_durable(&rig);
    const struct dgraft_action_send *ack = rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 2);
    cr_assert_not_null(ack);
    cr_assert_eq(ack->message.u.append_ack.match, 8u);
    cr_assert_eq(ack->message.u.append_ack.round, 1u);
    rig_close(&rig);
}

Test(appends, share_one_acknowledgement)
{
    struct rig rig;
    open_follower(&rig, 0);
    rig_receive(&rig, append(2, AT(5, 2), 1, 2, 0));
    rig_receive(&rig, append(2, AT(6, 2), 1, 2, 0));
    rig_receive(&rig, append(2, AT(7, 2), 1, 2, 0));
    rig_durable(&rig);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 1u);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 2)->message.u.append_ack.match, 8u);
    rig_close(&rig);
}

Test(appends, are_acknowledged_only_as_far_as_they_reach) /* bug 43: 4 and 5 may not be the leader's */
{
    struct rig rig;
    open_follower(&rig, 0);
    rig_receive(&rig, append(3, AT(2, 1), 1, 1, 5));
    rig_durable(&rig);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 2)->message.u.append_ack.match, 3u);
    cr_assert_eq(rig_status(&rig).commit, 3u, "nor does commit reach further");
    cr_assert_eq(rig_status(&rig).last.index, 5u);
    rig_close(&rig);
}

Test(heartbeats, are_answered_at_once_while_the_disk_is_busy) /* bug 26 */
{
    struct rig rig;
    open_follower(&rig, 0);
    rig_receive(&rig, append(2, AT(5, 2), 3, 2, 0));
    struct dgraft_message heartbeat = append(2, AT(8, 2), 0, 0, 0);
    heartbeat.u.append.round = 7;
    rig_receive(&rig, heartbeat);
    const struct dgraft_action_send *ack = rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 2);
    cr_assert_not_null(ack);
    cr_assert_eq(ack->message.u.append_ack.match, 5u);
    cr_assert_eq(ack->message.u.append_ack.round, 7u);
    rig_close(&rig);
}

Test(heartbeats, without_a_position_commit_nothing) /* bugs 34, 35 */
{
    struct rig rig;
    open_follower(&rig, 0);
    rig_receive(&rig, append(2, AT(0, 0), 0, 0, 5));
    cr_assert_eq(rig_status(&rig).commit, 0u);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 2)->message.u.append_ack.match, 0u);
    rig_close(&rig);
}

Test(appends, of_a_term_not_yet_durable_are_answered_later)
{
    struct rig rig;
    open_follower(&rig, 0);
    rig_receive(&rig, append(9, AT(5, 2), 0, 0, 0));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u);
    rig_durable(&rig);
    const struct dgraft_action_send *ack = rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 2);
    cr_assert_eq(ack->message.term, 9u);
    cr_assert_eq(ack->message.u.append_ack.match, 5u);
    rig_close(&rig);
}

Test(appends, of_an_older_term_are_refused_with_the_newer)
{
    struct rig rig;
    open_follower(&rig, 0);
    rig_receive(&rig, append(1, AT(5, 1), 1, 1, 5));
    const struct dgraft_action_send *refusal = rig_sent(&rig, DGRAFT_MESSAGE_APPEND_REFUSE, 2);
    cr_assert_eq(refusal->message.term, 2u);
    cr_assert_eq(refusal->message.u.append_refuse.reason, DGRAFT_REFUSE_TERM);
    cr_assert_eq(rig_status(&rig).last.index, 5u);
    cr_assert_eq(rig_status(&rig).leader, 0u);
    rig_close(&rig);
}

Test(appends, with_a_gap_are_refused_with_the_last_entry_as_hint) /* bug 34: a missing entry equals no term */
{
    struct rig rig;
    open_follower(&rig, 0);
    rig_receive(&rig, append(3, AT(9, 3), 1, 3, 9));
    rig_durable(&rig);
    const struct dgraft_action_send *refusal = rig_sent(&rig, DGRAFT_MESSAGE_APPEND_REFUSE, 2);
    cr_assert_eq(refusal->message.u.append_refuse.prev, 9u);
    cr_assert(dgraft_position_equal(refusal->message.u.append_refuse.hint, AT(5, 2)));
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 0));
    cr_assert_eq(rig_status(&rig).commit, 0u);
    rig_close(&rig);
}

Test(refusals, echo_the_round_of_what_they_refuse_and_acks_the_newest)
{
    struct rig rig;
    open_follower(&rig, 0);
    struct dgraft_message heartbeat = append(2, AT(5, 2), 0, 0, 0);
    heartbeat.u.append.round = 9;
    rig_receive(&rig, heartbeat);
    rig_receive(&rig, append(2, AT(8, 2), 1, 2, 0)); /* of round 1, and late */
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_REFUSE, 2)->message.u.append_refuse.round, 1u);
    rig_receive(&rig, append(2, AT(5, 2), 0, 0, 0));
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 2)->message.u.append_ack.round, 9u);
    rig_close(&rig);
}

Test(appends, that_mismatch_are_refused_term_by_term)
{
    struct rig rig;
    open_follower(&rig, 0);
    rig_receive(&rig, append(4, AT(5, 1), 1, 4, 0)); /* the leader's 5 is of term 1: nothing of term 2 can match */
    rig_durable(&rig);
    const struct dgraft_action_send *refusal = rig_sent(&rig, DGRAFT_MESSAGE_APPEND_REFUSE, 2);
    cr_assert(dgraft_position_equal(refusal->message.u.append_refuse.hint, AT(3, 1)));
    cr_assert_eq(rig_status(&rig).last.index, 5u, "a mismatch before the entries shortens nothing");
    rig_close(&rig);
}

Test(appends, shorten_the_log_at_a_conflict_only) /* bug 37 */
{
    struct rig rig;
    open_follower(&rig, 0);
    rig_receive(&rig, append(3, AT(0, 0), 0, 0, 0)); /* empty and late */
    cr_assert_eq(rig_status(&rig).last.index, 5u);
    rig_receive(&rig, append(3, AT(1, 1), 2, 1, 0)); /* 2 and 3, as they are */
    cr_assert_eq(rig_status(&rig).last.index, 5u);
    rig_receive(&rig, append(3, AT(3, 1), 1, 3, 0)); /* 4, of another term */
    cr_assert_eq(rig_status(&rig).last.index, 4u);
    const struct dgraft_action_write *write = &rig_action(&rig, DGRAFT_ACTION_WRITE, 0)->u.write;
    cr_assert_eq(write->keep, 3u);
    cr_assert_eq(write->first, 4u);
    cr_assert_eq(write->count, 1u);
    cr_assert_eq(rig_status(&rig).durable, 3u);
    rig_close(&rig);
}

Test(appends, that_overlap_write_what_is_new)
{
    struct rig rig;
    open_follower(&rig, 0);
    rig_receive(&rig, append(2, AT(3, 1), 4, 2, 0)); /* 4 to 7; 4 and 5 are here */
    const struct dgraft_action_write *write = &rig_action(&rig, DGRAFT_ACTION_WRITE, 0)->u.write;
    cr_assert_eq(write->keep, 5u);
    cr_assert_eq(write->skip, 2u);
    cr_assert_eq(write->count, 2u);
    rig_close(&rig);
}

Test(appends, that_are_repeated_write_nothing_and_are_acknowledged_again)
{
    struct rig rig;
    open_follower(&rig, 0);
    rig_receive(&rig, append(2, AT(5, 2), 2, 2, 0));
    rig_durable(&rig);
    rig_receive(&rig, append(2, AT(5, 2), 2, 2, 0));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_WRITE), 0u);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 2)->message.u.append_ack.match, 7u);
    rig_close(&rig);
}

Test(appends, against_a_committed_entry_halt_the_node) /* bug 40: never below commit */
{
    for (uint32_t by_prev = 0; by_prev <= 1; by_prev++) {
        struct rig rig;
        open_follower(&rig, 4);
        rig_receive(&rig, by_prev == 1 ? append(3, AT(4, 3), 1, 3, 5) : append(3, AT(3, 1), 2, 3, 5));
        cr_assert(rig_status(&rig).poisoned);
        cr_assert_eq(rig_status(&rig).last.index, 5u);
        cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_WRITE), 0u);
        cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u);
        rig_receive(&rig, rig_vote_request(3, 9, 99, 9));
        cr_assert_eq(rig.actions->count, 0u);
        rig_close(&rig);
    }
}

Test(appends, below_the_commit_index_match_without_being_known)
{
    struct rig rig; /* the runs begin at 8; commit is 9 */
    rig_open(&rig, &(struct rig_start){
                       .self = 1, .voters = 3, .term = 5, .last = 10, .commit = 9, .runs = {{8, 4}}, .run_count = 1});
    rig_receive(&rig, append(5, AT(3, 1), 9, 4, 12)); /* 4 to 12 */
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_WRITE, 0)->u.write.keep, 10u);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_WRITE, 0)->u.write.skip, 7u);
    cr_assert_eq(rig_status(&rig).commit, 12u);
    rig_close(&rig);
}

Test(an_old_write, does_not_make_a_newer_terms_entries_durable) /* rule C5: ABA */
{
    struct rig rig;
    open_follower(&rig, 0);
    rig_receive(&rig, append(2, AT(5, 2), 3, 2, 0)); /* 6 to 8 of term 2: seq 1 */
    const uint64_t old = rig.written;
    rig_receive(&rig, append(3, AT(5, 2), 3, 3, 0)); /* 6 to 8 of term 3: seq 2 */
    const uint64_t new = rig.written;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_DURABLE};
    event.u.durable.seq = old;
    rig_step(&rig, event);
    cr_assert_eq(rig_status(&rig).durable, 5u);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u);
    event.u.durable.seq = new;
    rig_step(&rig, event);
    cr_assert_eq(rig_status(&rig).durable, 8u);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 2)->message.u.append_ack.match, 8u);
    rig_close(&rig);
}

Test(many_writes, under_way_are_all_counted_in_the_end)
{
    struct rig rig;
    open_follower(&rig, 0);
    for (dgraft_index last = 5; last < 305; last++) {
        rig_receive(&rig, append(2, AT(last, 2), 1, 2, 0));
    }
    struct dgraft_event event = {.kind = DGRAFT_EVENT_DURABLE};
    event.u.durable.seq = 40;
    rig_step(&rig, event);
    cr_assert_eq(rig_status(&rig).durable, 45u);
    event.u.durable.seq = 200; /* among those reported together: known later, never too early */
    rig_step(&rig, event);
    cr_assert_leq(rig_status(&rig).durable, 205u);
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).durable, 305u);
    rig_close(&rig);
}

Test(commit, never_falls_and_never_passes_what_was_verified)
{
    struct rig rig;
    open_follower(&rig, 2);
    rig_receive(&rig, append(2, AT(5, 2), 0, 0, 4));
    cr_assert_eq(rig_status(&rig).commit, 4u);
    rig_receive(&rig, append(2, AT(5, 2), 0, 0, 1));
    cr_assert_eq(rig_status(&rig).commit, 4u);
    rig_receive(&rig, append(2, AT(5, 2), 0, 0, 99));
    cr_assert_eq(rig_status(&rig).commit, 5u);
    rig_close(&rig);
}

Test(apply, waits_for_the_own_disk) /* bug 46 */
{
    struct rig rig;
    open_follower(&rig, 5);
    rig_receive(&rig, append(2, AT(5, 2), 2, 2, 7));
    cr_assert_eq(rig_status(&rig).commit, 7u);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_APPLY), 0u);
    rig_durable(&rig);
    const struct dgraft_action *apply = rig_action(&rig, DGRAFT_ACTION_APPLY, 0);
    cr_assert_eq(apply->u.apply.first, 6u);
    cr_assert_eq(apply->u.apply.last, 7u);
    rig_close(&rig);
}

Test(apply, begins_at_the_start)
{
    struct rig rig;
    open_follower(&rig, 4);
    const struct dgraft_action *apply = rig_action(&rig, DGRAFT_ACTION_APPLY, 0);
    cr_assert_eq(apply->u.apply.first, 1u);
    cr_assert_eq(apply->u.apply.last, 4u);
    rig_close(&rig);
}

Test(appends, that_no_leader_sends_are_ignored)
{
    struct rig rig;
    open_follower(&rig, 0);
    struct dgraft_message bad[6];
    static struct dgraft_entry entries[6][3];
    for (uint32_t i = 0; i < 6; i++) {
        bad[i] = rig_append(2, 3, AT(5, 2), entries[i], 3, 3);
        bad[i].u.append.commit = 8;
    }
    entries[0][1].index = 8;         /* a gap */
    entries[1][2].term = 2;          /* a term that falls */
    entries[2][2].term = 4;          /* above the frame's */
    entries[3][0].term = 1;          /* below prev's */
    bad[4].u.append.prev.term = 4;   /* prev above the frame's */
    bad[5].u.append.prev = AT(5, 0); /* a term that is unknown */
    for (uint32_t i = 0; i < 6; i++) {
        rig_receive(&rig, bad[i]);
        cr_assert_eq(rig.actions->count, 0u, "case %u", i);
        cr_assert_eq(rig_status(&rig).ignored, i + 1u);
    }
    cr_assert_eq(rig_status(&rig).term, 2u);
    rig_close(&rig);
}

Test(appends, whose_memberships_are_not_those_of_their_entries_are_ignored)
{
    struct rig rig;
    struct dgraft_entry entries[2];
    const struct dgraft_membership memberships[] = {
        {.index = 7, .voters = 7},                  /* one for no entry */
        {.index = 6, .voters = 7},                  /* of another entry */
        {.index = 7, .voters = 0, .learners = 7},   /* without a voter */
        {.index = 7, .voters = 7, .learners = 4},   /* a voter that is a learner */
        {.index = 7, .voters = 7, .promote = 8},    /* to be promoted, and no learner */
        {.index = 7, .voters = 7, .outgoing = 120}, /* more than members_max */
    };
    open_follower(&rig, 0);
    struct dgraft_message message = rig_append(2, 2, AT(5, 2), entries, 2, 2);
    entries[1].kind = DGRAFT_ENTRY_MEMBERSHIP;
    rig_receive(&rig, message);
    cr_assert_eq(rig_status(&rig).ignored, 1u, "none at all");
    for (uint32_t i = 0; i < 6; i++) {
        entries[1].kind = i == 0 ? DGRAFT_ENTRY_COMMAND : DGRAFT_ENTRY_MEMBERSHIP;
        message.u.append.memberships = &memberships[i];
        message.u.append.membership_count = 1;
        rig_receive(&rig, message);
        cr_assert_eq(rig_status(&rig).last.index, 5u, "case %u", i);
        cr_assert_eq(rig_status(&rig).ignored, i + 2u);
    }
    rig_close(&rig);
}

Test(appends, of_a_second_leader_in_one_term_are_ignored)
{
    struct rig rig;
    open_follower(&rig, 0);
    rig_receive(&rig, append(2, AT(5, 2), 0, 0, 0));
    struct dgraft_message other = append(2, AT(5, 2), 1, 2, 6);
    other.from = 3;
    rig_receive(&rig, other);
    cr_assert_eq(rig_status(&rig).last.index, 5u);
    cr_assert_eq(rig_status(&rig).leader, 2u);
    rig_close(&rig);
}

Test(messages, of_no_node_and_of_oneself_are_ignored)
{
    struct rig rig;
    open_follower(&rig, 0);
    const dgraft_node_id strangers[] = {0, 1, 65, UINT32_MAX};
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        struct dgraft_message message = append(9, AT(5, 2), 1, 2, 6);
        message.from = strangers[i];
        rig_receive(&rig, message);
        message = rig_vote_request(strangers[i], 9, 99, 9);
        rig_receive(&rig, message);
        cr_assert_eq(rig.actions->count, 0u);
    }
    cr_assert_eq(rig_status(&rig).term, 2u);
    cr_assert_eq(rig_status(&rig).ignored, 8u);
    rig_close(&rig);
}

Test(runs_of_terms, that_are_full_of_uncommitted_ones_refuse_more)
{
    struct rig rig;
    struct dgraft_config config;
    static struct dgraft_entry entries[8];
    dgraft_config_defaults(&config, 1);
    config.runs_max = 8;
    struct rig_start start = {.voters = 3, .term = 20, .last = 7, .run_count = 7};
    for (uint32_t i = 0; i < 7; i++) {
        start.runs[i] = (struct dgraft_term_run){.first = i + 1, .term = i + 1};
    }
    rig_open_config(&rig, &start, &config);
    struct dgraft_message message = rig_append(2, 20, AT(7, 7), entries, 3, 8);
    entries[1].term = 9;
    entries[2].term = 10;
    rig_receive(&rig, message);
    cr_assert_eq(rig_status(&rig).last.index, 8u, "what fits is taken");
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_REFUSE, 2)->message.u.append_refuse.reason, DGRAFT_REFUSE_FULL);
    rig_durable(&rig);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 2)->message.u.append_ack.match, 8u);
    message.u.append.commit = 2; /* once entries are committed, their runs make room */
    rig_receive(&rig, message);
    cr_assert_eq(rig_status(&rig).last.index, 9u);
    rig_close(&rig);
}
