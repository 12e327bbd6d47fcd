/* A node whose entries are damaged: what it asks for, gives, takes, acknowledges, and never throws away. */
#include "core_snapshot_rig.h"

#include <criterion/criterion.h>

/* Node 1 of three in term 3, with entries 1 to 9 of terms 1 (to 3), 2 (to 7) and 3; committed up to `commit`; damaged
 * from first to last. */
static void open_damaged(struct rig *rig, dgraft_index first, dgraft_index last, dgraft_index commit)
{
    static const dgraft_term terms[] = {0, 1, 1, 1, 2, 2, 2, 2, 3, 3};
    const dgraft_index anchor = last < 9 ? last + 1 : 9;
    struct rig_start start = {.self = 1,
                              .voters = 3,
                              .term = 3,
                              .last = 9,
                              .commit = commit,
                              .damage = {{first, last, {anchor, terms[anchor]}}},
                              .damage_count = 1};
    for (dgraft_index index = 1; index <= 9; index++) { /* of what is damaged the terms are not known */
        const dgraft_term term = index >= first && index <= last && index < 9 ? 0 : terms[index];
        if (start.run_count == 0 || start.runs[start.run_count - 1].term != term) {
            start.runs[start.run_count++] = (struct dgraft_term_run){index, term};
        }
    }
    rig_open(rig, &start);
}

static struct dgraft_message answer(dgraft_node_id from, enum dgraft_fetch_verdict verdict, dgraft_index first,
                                    struct dgraft_position anchor)
{
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_FETCH_ANSWER, .from = from, .term = 3};
    message.u.fetch_answer = (struct dgraft_fetch_answer){.verdict = verdict, .first = first, .anchor = anchor};
    return message;
}

/* Entries from `first` on, all of one term, as an answer to a FETCH. */
static void give(struct rig *rig, dgraft_index first, uint32_t count, dgraft_term term, struct dgraft_position anchor)
{
    struct dgraft_entry entries[8];
    struct dgraft_message message = answer(2, DGRAFT_FETCH_HAVE, first, anchor);
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = (struct dgraft_entry){.index = first + i, .term = term, .kind = DGRAFT_ENTRY_COMMAND};
    }
    message.u.fetch_answer.entries = entries;
    message.u.fetch_answer.count = count;
    rig_receive(rig, message);
}

/* The first entry that was asked for; 0: none was. */
static dgraft_index fetched(const struct rig *rig)
{
    const struct dgraft_action_send *send = rig_sent(rig, DGRAFT_MESSAGE_FETCH, 0);
    return send == NULL ? 0 : send->message.u.fetch.first;
}

static void mended(struct rig *rig, dgraft_index first, uint32_t count)
{
    const struct dgraft_action *action = rig_action(rig, DGRAFT_ACTION_MEND, 0);
    cr_assert_not_null(action);
    cr_assert_eq(action->u.mend.first, first);
    cr_assert_eq(action->u.mend.count, count);
    rig->written = action->u.mend.seq;
}

/* An append of leader 2 in term `leads`, with entries of that term after prev. */
static void append(struct rig *rig, dgraft_term leads, struct dgraft_position prev, uint32_t count, dgraft_term term,
                   dgraft_index commit)
{
    struct dgraft_entry entries[8];
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_APPEND, .from = 2, .term = leads};
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = (struct dgraft_entry){.index = prev.index + 1 + i, .term = term, .kind = DGRAFT_ENTRY_COMMAND};
    }
    message.u.append =
        (struct dgraft_append){.prev = prev, .commit = commit, .round = 7, .entries = entries, .count = count};
    rig_receive(rig, message);
    if (rig_action(rig, DGRAFT_ACTION_WRITE, 0) != NULL) {
        rig_durable(rig);
    }
}

Test(repair, asks_one_peer_after_the_other_for_what_lies_before_an_entry_that_is_whole)
{
    struct rig rig;
    open_damaged(&rig, 4, 6, 9);
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_FETCH, 2);
    cr_assert_not_null(send, "at once, and without a leader");
    cr_assert_eq(send->message.u.fetch.first, 4u);
    cr_assert_eq(send->message.u.fetch.last, 6u);
    cr_assert(dgraft_position_equal(send->message.u.fetch.anchor, (struct dgraft_position){7, 2}));
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_FETCH, 3));
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_FETCH, 2), "and the first one again");
    rig_close(&rig);
}

Test(repair, what_is_given_is_written_and_then_the_store_is_opened_again)
{
    struct rig rig;
    open_damaged(&rig, 4, 6, 9);
    give(&rig, 4, 2, 2, (struct dgraft_position){7, 2});
    mended(&rig, 4, 2);
    rig_durable(&rig);
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_REOPEN, 0), "6 is damaged still");
    cr_assert_eq(fetched(&rig), 6u, "and asked for at once");
    give(&rig, 6, 1, 2, (struct dgraft_position){7, 2});
    mended(&rig, 6, 1);
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_REOPEN, 0), "not before it is durable");
    rig_durable(&rig);
    cr_assert_not_null(rig_action(&rig, DGRAFT_ACTION_REOPEN, 0));
    cr_assert_eq(rig_status(&rig).last.index, 9u, "what lies behind stays");
    rig_close(&rig);
}

Test(repair, a_part_from_the_middle_leaves_two_stretches)
{
    struct rig rig;
    open_damaged(&rig, 4, 6, 9);
    give(&rig, 5, 1, 2, (struct dgraft_position){7, 2});
    mended(&rig, 5, 1);
    rig_durable(&rig);
    const struct dgraft_core_status status = rig_status(&rig);
    cr_assert_eq(status.damage_count, 2u);
    cr_assert_eq(status.damage[0].damage.last, 4u);
    cr_assert(dgraft_position_equal(status.damage[0].damage.anchor, (struct dgraft_position){5, 2}),
              "now the entry behind it is whole");
    cr_assert_eq(status.damage[1].damage.first, 6u);
    rig_close(&rig);
}

/* Each of these could not come from a log that holds (7, 2). */
Test(repair, entries_that_do_not_fit_between_their_neighbours_are_not_taken)
{
    struct rig rig;
    open_damaged(&rig, 4, 6, 9);
    give(&rig, 4, 3, 3, (struct dgraft_position){7, 2});
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_MEND, 0), "a later term than that of the entry behind");
    give(&rig, 4, 4, 2, (struct dgraft_position){7, 2});
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_MEND, 0), "more than is damaged");
    give(&rig, 4, 3, 2, (struct dgraft_position){7, 1});
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_MEND, 0), "of another log");
    give(&rig, 3, 2, 2, (struct dgraft_position){7, 2});
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_MEND, 0), "3 is whole");
    give(&rig, 4, 3, 2, (struct dgraft_position){7, 2});
    mended(&rig, 4, 3);
    give(&rig, 4, 3, 2, (struct dgraft_position){7, 2});
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_MEND, 0), "one at a time");
    rig_close(&rig);
}

/* The last entry is known by its position alone: only that very entry is taken. */
Test(repair, the_logs_end_is_mended_by_the_entry_of_its_own_position)
{
    struct rig rig;
    open_damaged(&rig, 9, 9, 8);
    give(&rig, 9, 1, 2, (struct dgraft_position){9, 3});
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_MEND, 0));
    give(&rig, 9, 1, 3, (struct dgraft_position){9, 3});
    mended(&rig, 9, 1);
    rig_close(&rig);
}

/* 1. Entry 9 is committed on 1 and 2. It rots on 1. 2. Node 3, which lacks it, asks for votes. 3. With the vote of 1,
 * it would lead, and write another entry 9. */
Test(repair, the_vote_goes_by_the_last_position_although_it_is_damaged)
{
    struct rig rig;
    struct dgraft_message request = {.type = DGRAFT_MESSAGE_VOTE_REQUEST, .from = 3, .term = 4};
    open_damaged(&rig, 5, 9, 4);
    request.u.vote_request = (struct dgraft_vote_request){.term = 4, .last = {8, 3}};
    rig_receive(&rig, request);
    rig_durable(&rig);
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_VOTE_GRANT), 0u);
    request.term = 5;
    request.u.vote_request = (struct dgraft_vote_request){.term = 5, .last = {9, 3}};
    rig_receive(&rig, request);
    rig_durable(&rig);
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_VOTE_GRANT), 1u, "it votes for who has what it had");
    rig_close(&rig);
}

Test(repair, it_never_campaigns_not_even_when_it_is_told_to)
{
    struct rig rig;
    struct dgraft_message told = {.type = DGRAFT_MESSAGE_TIMEOUT_NOW, .from = 2, .term = 3};
    open_damaged(&rig, 4, 4, 9);
    append(&rig, 3, (struct dgraft_position){9, 3}, 0, 0, 9);
    told.u.timeout_now.last = (struct dgraft_position){9, 3};
    rig_receive(&rig, told);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
        rig_wake_at(&rig, rig.actions->wake_at_ns);
        cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_PRE_VOTE_REQUEST), 0u);
    }
    rig_close(&rig);
}

Test(repair, nothing_behind_the_damage_is_acknowledged_or_applied)
{
    struct rig rig;
    open_damaged(&rig, 5, 6, 9);
    cr_assert_not_null(rig_action(&rig, DGRAFT_ACTION_APPLY, 0));
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_APPLY, 0)->u.apply.last, 4u);
    append(&rig, 3, (struct dgraft_position){3, 1}, 2, 2, 9); /* 4 and 5 */
    const struct dgraft_action_send *ack = rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 2);
    cr_assert_not_null(ack);
    cr_assert_eq(ack->message.u.append_ack.match, 4u);
    append(&rig, 3, (struct dgraft_position){9, 3}, 1, 3, 9);
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_WRITE, 0), "nor is anything taken behind it");
    cr_assert_eq(rig_status(&rig).last.index, 9u);
    rig_close(&rig);
}

/* 1. Nodes 1 and 2 hold (5, 2) to (9, 3) and it is committed; 5 and 6 rot on 1. 2. The leader sends them, from its own
 * log which is the same. 3. If 1 took them as in place of what it has, it would cut off 7 to 9, which it acknowledged.
 */
Test(repair, entries_of_a_leader_that_prove_nothing_cut_nothing_off)
{
    struct rig rig;
    open_damaged(&rig, 5, 6, 4);
    append(&rig, 3, (struct dgraft_position){4, 2}, 3, 2, 4); /* 5, 6 and 7 of term 2: 7 is here as well */
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_WRITE, 0));
    cr_assert_eq(rig_status(&rig).last.index, 9u);
    cr_assert(rig_status(&rig).repairing && rig_status(&rig).damage_count == 1);
    rig_close(&rig);
}

/* Answers the FETCH of what is to take the damage's place, in `term`, with entries 5 and 6 of term `common`, and 7 of
 * term 4. */
static void give_the_leaders(struct rig *rig, dgraft_term term, dgraft_term common, uint32_t count)
{
    struct dgraft_entry entries[3] = {{.index = 5, .term = common, .kind = DGRAFT_ENTRY_COMMAND},
                                      {.index = 6, .term = common, .kind = DGRAFT_ENTRY_COMMAND},
                                      {.index = 7, .term = 4, .kind = DGRAFT_ENTRY_COMMAND}};
    struct dgraft_message message = answer(2, DGRAFT_FETCH_HAVE, 5, (struct dgraft_position){7, 4});
    message.term = term;
    message.u.fetch_answer.entries = entries;
    message.u.fetch_answer.count = count;
    rig_receive(rig, message);
}

/* The leader's 7 is of term 4, the one here of term 2: from 7 on, at the latest, the logs part. But 5 and 6 of term 2
 * may be the very entries that are damaged here, and acknowledged. They must not be missing at any moment. */
Test(repair, what_a_leader_contradicts_goes_when_all_that_takes_its_place_is_here)
{
    struct rig rig;
    open_damaged(&rig, 5, 6, 4);
    append(&rig, 4, (struct dgraft_position){4, 2}, 2, 2, 4); /* 5 and 6: they prove nothing */
    append(&rig, 4, (struct dgraft_position){6, 2}, 1, 4, 4);
    cr_assert_eq(rig_status(&rig).last.index, 9u, "an append by itself cuts nothing off");
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_FETCH, 2);
    cr_assert_not_null(send);
    cr_assert_eq(send->message.u.fetch.first, 5u);
    cr_assert_eq(send->message.u.fetch.last, 7u);
    give_the_leaders(&rig, 4, 2, 2);
    cr_assert_eq(rig_status(&rig).last.index, 9u, "7 is not here yet");
    give_the_leaders(&rig, 4, 2, 3);
    const struct dgraft_action *write = rig_action(&rig, DGRAFT_ACTION_WRITE, 0);
    cr_assert_not_null(write);
    cr_assert_eq(write->u.write.keep, 4u);
    cr_assert_eq(write->u.write.count, 3u);
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_REOPEN, 0));
    rig_durable(&rig);
    cr_assert_not_null(rig_action(&rig, DGRAFT_ACTION_REOPEN, 0));
    rig_close(&rig);
}

/* Terms never fall: an entry of term 4 at 5 leaves no place for (7, 2) behind it. */
Test(repair, a_later_term_within_the_damage_is_proof_enough)
{
    struct rig rig;
    open_damaged(&rig, 5, 6, 4);
    append(&rig, 4, (struct dgraft_position){4, 2}, 1, 4, 4);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_FETCH, 2);
    cr_assert_not_null(send);
    cr_assert_eq(send->message.u.fetch.last, 5u);
    rig_close(&rig);
}

/* 1. The log here goes on to 9, what the leader wrote first lies further on than it sends. 2. It says that it does not
 * hold (7, 2). 3. What the logs have in common lies at or before what it holds instead. */
Test(repair, a_leader_that_does_not_hold_the_entry_behind_is_proof_enough)
{
    struct rig rig;
    struct dgraft_message said = answer(2, DGRAFT_FETCH_HAVE_NOT, 5, (struct dgraft_position){7, 2});
    open_damaged(&rig, 5, 6, 4);
    append(&rig, 4, (struct dgraft_position){4, 2}, 0, 0, 4);
    said.term = 4;
    said.u.fetch_answer.here = (struct dgraft_position){6, 2};
    rig_receive(&rig, said);
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_FETCH, 2);
    cr_assert_not_null(send);
    cr_assert_eq(send->message.u.fetch.first, 5u);
    cr_assert(dgraft_position_equal(send->message.u.fetch.anchor, (struct dgraft_position){6, 2}));
    rig_close(&rig);
}

/* Who does not lead may not know what is committed. */
Test(repair, others_that_do_not_hold_the_entry_behind_prove_nothing)
{
    struct rig rig;
    struct dgraft_message said = answer(3, DGRAFT_FETCH_HAVE_NOT, 5, (struct dgraft_position){7, 2});
    open_damaged(&rig, 5, 6, 4);
    append(&rig, 4, (struct dgraft_position){4, 2}, 0, 0, 4);
    said.term = 4;
    said.u.fetch_answer.here = (struct dgraft_position){6, 2};
    rig_receive(&rig, said);
    for (int i = 0; i < 10; i++) {
        rig_wake_at(&rig, rig.actions->wake_at_ns);
        const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_FETCH, 0);
        cr_assert(send == NULL || send->message.u.fetch.anchor.index == 7);
    }
    rig_close(&rig);
}

/* What one leader's log proves, nothing takes the place of in a later term: 2 led term 4, and answers in term 5, which
 * 3 leads. 3 may hold the very entries that are damaged here. */
Test(repair, a_proof_ends_with_the_term_of_its_leader)
{
    struct rig rig;
    open_damaged(&rig, 5, 6, 4);
    append(&rig, 4, (struct dgraft_position){6, 2}, 1, 4, 4);
    struct dgraft_message later = {.type = DGRAFT_MESSAGE_APPEND, .from = 3, .term = 5};
    later.u.append = (struct dgraft_append){.prev = {4, 2}, .commit = 4, .round = 1};
    rig_receive(&rig, later);
    rig_durable(&rig);
    give_the_leaders(&rig, 5, 2, 3);
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_WRITE, 0));
    cr_assert_eq(rig_status(&rig).last.index, 9u);
    cr_assert_eq(rig_status(&rig).leader, 3);
    rig_close(&rig);
}

Test(repair, what_is_committed_is_not_overwritten_whatever_comes)
{
    struct rig rig;
    open_damaged(&rig, 5, 6, 6);
    append(&rig, 4, (struct dgraft_position){4, 2}, 3, 4, 4); /* 7 is another here: but 5 and 6 are to be had */
    cr_assert_eq(rig_status(&rig).last.index, 9u);
    cr_assert_eq(rig_status(&rig).damage_count, 1u);
    rig_close(&rig);
}

static struct dgraft_action_send asked(struct rig *rig, dgraft_index first, dgraft_index last,
                                       struct dgraft_position anchor)
{
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_FETCH, .from = 3, .term = 3};
    message.u.fetch = (struct dgraft_fetch){.first = first, .last = last, .anchor = anchor};
    rig_receive(rig, message);
    const struct dgraft_action_send *send = rig_sent(rig, DGRAFT_MESSAGE_FETCH_ANSWER, 3);
    cr_assert_not_null(send);
    return *send;
}

static void says(struct dgraft_action_send send, enum dgraft_fetch_verdict verdict, dgraft_index first,
                 dgraft_index last)
{
    cr_assert_eq(send.message.u.fetch_answer.verdict, verdict, "%d", (int)send.message.u.fetch_answer.verdict);
    cr_assert_eq(send.message.u.fetch_answer.first, first);
    cr_assert_eq(send.last.index, last);
}

Test(fetches, are_answered_by_who_holds_the_entry_behind)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1,
                                       .voters = 3,
                                       .term = 3,
                                       .last = 9,
                                       .commit = 4,
                                       .runs = {{1, 1}, {4, 2}, {8, 3}},
                                       .run_count = 3});
    says(asked(&rig, 4, 6, (struct dgraft_position){7, 2}), DGRAFT_FETCH_HAVE, 4, 6);
    says(asked(&rig, 9, 9, (struct dgraft_position){9, 3}), DGRAFT_FETCH_HAVE, 9, 9);
    says(asked(&rig, 4, 6, (struct dgraft_position){7, 1}), DGRAFT_FETCH_HAVE_NOT, 4, 0);
    says(asked(&rig, 8, 9, (struct dgraft_position){10, 3}), DGRAFT_FETCH_HAVE_NOT, 8, 0);
    rig_close(&rig);
}

Test(fetches, are_answered_beside_damage_of_ones_own)
{
    struct rig rig;
    open_damaged(&rig, 5, 6, 9);
    says(asked(&rig, 4, 7, (struct dgraft_position){8, 3}), DGRAFT_FETCH_HAVE, 4, 4);
    says(asked(&rig, 5, 7, (struct dgraft_position){8, 3}), DGRAFT_FETCH_HAVE, 7, 7);
    says(asked(&rig, 5, 6, (struct dgraft_position){7, 2}), DGRAFT_FETCH_DAMAGED, 5, 0);
    says(asked(&rig, 8, 8, (struct dgraft_position){9, 3}), DGRAFT_FETCH_HAVE, 8, 8);
    rig_close(&rig);
}

Test(fetches, of_strangers_are_not_answered)
{
    struct rig rig;
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_FETCH, .from = 9, .term = 3};
    open_damaged(&rig, 5, 6, 9);
    message.u.fetch = (struct dgraft_fetch){.first = 1, .last = 1, .anchor = {2, 1}};
    rig_receive(&rig, message);
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_FETCH_ANSWER), 0u);
    rig_close(&rig);
}

Test(repair, who_has_what_is_told)
{
    struct rig rig;
    open_damaged(&rig, 4, 6, 9);
    rig_receive(&rig, answer(2, DGRAFT_FETCH_DAMAGED, 4, (struct dgraft_position){7, 2}));
    rig_receive(&rig, answer(3, DGRAFT_FETCH_COMPACTED, 4, (struct dgraft_position){7, 2}));
    const struct dgraft_core_status status = rig_status(&rig);
    cr_assert_eq(status.damage[0].damaged, dgraft_node_set_of(2));
    cr_assert_eq(status.damage[0].compacted, dgraft_node_set_of(3));
    cr_assert_eq(status.damage[0].have_not, 0u);
    rig_close(&rig);
}

/* It once acknowledged them: the leader's window alone would never go back so far. */
Test(repair, a_leader_that_has_compacted_what_is_damaged_sends_its_snapshot)
{
    struct rig rig;
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.compact_tail = 0;
    config.compact_slow_max = 0;
    rig_open_config(
        &rig, &(struct rig_start){.voters = 3, .term = 3, .last = 9, .commit = 9, .runs = {{1, 3}}, .run_count = 1},
        &config);
    rig_lead_and_commit(&rig);
    const dgraft_index last = rig_status(&rig).commit;
    const dgraft_term term = rig_status(&rig).term;
    rig_receive(&rig, rig_ack(3, term, last, 1));
    rig_applied(&rig, last);
    rig_snapshot(&rig, last);
    cr_assert_eq(rig_status(&rig).compacted.index, last);
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_SNAPSHOT_CHUNK), 0u, "everybody has everything");
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_FETCH, .from = 3, .term = term};
    message.u.fetch = (struct dgraft_fetch){.first = 4, .last = 6, .anchor = {7, 3}};
    rig_receive(&rig, message);
    const struct dgraft_action_send *said = rig_sent(&rig, DGRAFT_MESSAGE_FETCH_ANSWER, 3);
    cr_assert_not_null(said);
    cr_assert_eq(said->message.u.fetch_answer.verdict, DGRAFT_FETCH_COMPACTED);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_SNAPSHOT_CHUNK, 3));
    rig_receive(&rig, rig_ack(3, term, last, 1));
    const struct dgraft_peer_status *peer = &rig_status(&rig).peers[1];
    cr_assert(peer->id == 3 && !peer->snapshot, "it has it now");
    rig_close(&rig);
}

/* Its log is damaged at or before the snapshot's last entry: what is behind it goes on from the snapshot. */
Test(repair, a_snapshot_that_holds_what_is_damaged_opens_the_store_again)
{
    struct rig rig;
    const struct dgraft_snapshot snapshot = snapshot_at(7, 2);
    open_damaged(&rig, 4, 6, 9);
    rig_receive(&rig, rig_chunk(2, 3, snapshot, 0, 1000));
    cr_assert_not_null(rig_action(&rig, DGRAFT_ACTION_SNAPSHOT_STORE, 0), "although it is committed here");
    rig_stored(&rig, snapshot, 1000);
    rig_received(&rig, snapshot);
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_INSTALL, 0), "7 to 9 stay");
    cr_assert_not_null(rig_action(&rig, DGRAFT_ACTION_REOPEN, 0));
    rig_close(&rig);
}

Test(damage, found_while_reading_ends_a_leadership_and_opens_the_store_again)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){
                       .self = 1, .voters = 3, .term = 3, .last = 3, .commit = 3, .runs = {{1, 1}}, .run_count = 1});
    rig_step(&rig, (struct dgraft_event){.kind = DGRAFT_EVENT_DAMAGED});
    cr_assert_not_null(rig_action(&rig, DGRAFT_ACTION_REOPEN, 0));
    append(&rig, 3, (struct dgraft_position){3, 1}, 1, 3, 3);
    cr_assert_eq(rig_status(&rig).last.index, 3u, "nothing is taken any more");
    rig_step(&rig, (struct dgraft_event){.kind = DGRAFT_EVENT_DAMAGED});
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_REOPEN, 0), "it is said once");
    rig_close(&rig);
}
