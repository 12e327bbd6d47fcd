/* Changes of the membership: at the leader that makes them, at followers that take them over, at who comes and goes. */
#include "core_rig.h"

#include <criterion/criterion.h>
#include <string.h>

#define AT(i, t) ((struct dgraft_position){.index = (i), .term = (t)})
#define SET(...) set_of((const dgraft_node_id[]){__VA_ARGS__, 0})

static dgraft_node_set set_of(const dgraft_node_id *ids)
{
    dgraft_node_set set = 0;
    for (; *ids != 0; ids++) {
        set |= dgraft_node_set_of(*ids);
    }
    return set;
}

/* Node 1 leads these members in term 3, its NOOP 6 is committed. */
static void open_leader(struct rig *rig, struct dgraft_membership membership)
{
    membership.index = 1;
    rig_open(rig, &(struct rig_start){.self = 1,
                                      .membership = membership,
                                      .term = 2,
                                      .last = 5,
                                      .commit = 1,
                                      .runs = {{1, 1}, {4, 2}},
                                      .run_count = 2});
    rig_lead_and_commit(rig);
    cr_assert_eq(rig_status(rig).commit, 6u);
}

/* Node 1 follows in term 2, log 1 to 5, commit 1. */
static void open_follower(struct rig *rig, struct dgraft_membership membership)
{
    membership.index = 1;
    rig_open(rig, &(struct rig_start){.self = 1,
                                      .membership = membership,
                                      .term = 2,
                                      .last = 5,
                                      .commit = 1,
                                      .runs = {{1, 1}, {4, 2}},
                                      .run_count = 2});
}

/* An answer of `from` to the newest round that says that it has all of the leader's log. */
static void ack_all(struct rig *rig, dgraft_node_id from)
{
    const struct dgraft_core_status status = rig_status(rig);
    rig_receive(rig, rig_ack(from, status.term, status.last.index, status.round));
}

/* Whoever is in `set` acknowledges everything, and this node's disk finishes; again until nothing new is appended. */
static void settle(struct rig *rig, dgraft_node_set set)
{
    for (dgraft_index last = 0; last != rig_status(rig).last.index;) {
        last = rig_status(rig).last.index;
        rig_durable(rig);
        for (dgraft_node_set left = set; left != 0; left &= left - 1) {
            if (rig_status(rig).role == DGRAFT_ROLE_LEADER) {
                ack_all(rig, dgraft_node_set_first(left));
            }
        }
    }
}

static struct dgraft_membership in_force(const struct rig *rig)
{
    return *dgraft_core_membership(rig->core);
}

/* The outcome of a change in the last step; 0: none. */
static enum dgraft_outcome change_outcome(const struct rig *rig)
{
    for (uint32_t i = 0; rig_action(rig, DGRAFT_ACTION_OUTCOME, i) != NULL; i++) {
        const struct dgraft_action_outcome *outcome = &rig_action(rig, DGRAFT_ACTION_OUTCOME, i)->u.outcome;
        if (outcome->of == DGRAFT_OUTCOME_OF_CHANGE) {
            return outcome->outcome;
        }
    }
    return 0;
}

Test(changes, of_learners_are_one_entry_that_is_in_force_when_appended)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3)});
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3), .learners = SET(4)}), 0);
    const struct dgraft_action_write *write = &rig_action(&rig, DGRAFT_ACTION_WRITE, 0)->u.write;
    cr_assert_eq(write->made, DGRAFT_ENTRY_MEMBERSHIP);
    cr_assert_eq(write->first, 7u);
    cr_assert_eq(write->count, 1u);
    cr_assert_eq(write->entry_term, 3u);
    cr_assert_eq(in_force(&rig).index, 7u);
    cr_assert_eq(in_force(&rig).learners, SET(4));
    cr_assert_eq(in_force(&rig).outgoing, 0u);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 4), "the new one hears of it at once");
    rig_durable(&rig);
    ack_all(&rig, 2);
    cr_assert_eq(rig_status(&rig).commit, 7u);
    cr_assert_eq(change_outcome(&rig), DGRAFT_OUTCOME_DONE);
    rig_close(&rig);
}

Test(changes, of_voters_are_joint_and_then_leave_exactly_once) /* bug 83 */
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3)});
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = SET(1, 2)}), 0);
    cr_assert_eq(in_force(&rig).voters, SET(1, 2));
    cr_assert_eq(in_force(&rig).outgoing, SET(1, 2, 3));
    rig_propose(&rig, 1, 10); /* the joint entry need not be the last of the log */
    rig_durable(&rig);
    cr_assert_eq(in_force(&rig).index, 7u, "not before it is committed");
    rig_receive(&rig, rig_ack(2, 3, 7, 2));
    cr_assert_eq(rig_status(&rig).commit, 7u);
    cr_assert_eq(in_force(&rig).index, 9u);
    cr_assert_eq(in_force(&rig).voters, SET(1, 2));
    cr_assert_eq(in_force(&rig).outgoing, 0u);
    cr_assert_eq(change_outcome(&rig), 0, "the joint entry does not end it");
    rig_receive(&rig, rig_ack(2, 3, 8, 2));
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_eq(rig_status(&rig).last.index, 9u, "it leaves once");
    rig_durable(&rig);
    ack_all(&rig, 2);
    cr_assert_eq(change_outcome(&rig), DGRAFT_OUTCOME_DONE);
    cr_assert_eq(rig_status(&rig).last.index, 9u);
    rig_close(&rig);
}

Test(changes, that_are_joint_need_a_majority_of_each_half) /* bugs 47 and 82 */
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3), .learners = SET(4, 5)});
    for (dgraft_node_id id = 4; id <= 5; id++) {
        ack_all(&rig, id);
    }
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = SET(1, 4, 5)}), 0);
    rig_durable(&rig);
    ack_all(&rig, 4);
    ack_all(&rig, 5);
    cr_assert_eq(rig_status(&rig).commit, 6u, "three of the union, but one of the old half");
    ack_all(&rig, 3);
    cr_assert_eq(rig_status(&rig).commit, 7u);
    rig_close(&rig);
}

Test(changes, are_made_one_at_a_time) /* bug 77 */
{
    struct rig rig;
    const struct dgraft_membership more = {.voters = SET(1, 2, 3), .learners = SET(4)};
    const struct dgraft_membership fewer = {.voters = SET(1, 2)};
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3)});
    cr_assert_eq(rig_change(&rig, more), 0);
    cr_assert_eq(rig_change(&rig, fewer), DGRAFT_OUTCOME_CHANGING);
    rig_durable(&rig);
    ack_all(&rig, 2);
    cr_assert_eq(rig_change(&rig, fewer), 0);
    rig_durable(&rig);
    ack_all(&rig, 2);
    cr_assert_eq(rig_status(&rig).commit, 8u);
    cr_assert_eq(rig_change(&rig, more), DGRAFT_OUTCOME_CHANGING, "it has not left yet");
    settle(&rig, SET(2));
    cr_assert_eq(rig_change(&rig, fewer), 0);
    rig_close(&rig);
}

/* Bug 74: {1,2,3,4}; leader 1 adds 5 and tells nobody; leader 2 removes 1 and commits it with 3 alone; leader 1 then
 * wins with 4 and 5 and overwrites what was committed. Here a leader must first commit an entry of its own term, and
 * then has every change before it in its log. */
Test(changes, wait_for_a_committed_entry_of_the_own_term)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 4, .term = 2, .last = 5, .runs = {{1, 2}}, .run_count = 1});
    const struct dgraft_membership more = {.voters = SET(1, 2, 3, 4), .learners = SET(5)};
    cr_assert_eq(rig_change(&rig, more), DGRAFT_OUTCOME_NOT_LEADER);
    rig_lead(&rig);
    rig_durable(&rig);
    cr_assert_eq(rig_change(&rig, more), DGRAFT_OUTCOME_CHANGING);
    rig_receive(&rig, rig_ack(2, 3, 5, 1));
    rig_receive(&rig, rig_ack(3, 3, 5, 1));
    cr_assert_eq(rig_change(&rig, more), DGRAFT_OUTCOME_CHANGING, "all but its own entry");
    ack_all(&rig, 2);
    ack_all(&rig, 3);
    cr_assert_eq(rig_change(&rig, more), 0);
    rig_close(&rig);
}

Test(changes, that_cannot_be_are_refused)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3), .learners = SET(4)});
    const struct dgraft_membership bad[] = {
        {.voters = 0, .learners = SET(1)},                 /* nobody left to decide */
        {.voters = SET(1, 2, 3), .learners = SET(3)},      /* both at once */
        {.voters = SET(1, 2, 3), .promote = SET(4)},       /* promoted without being there */
        {.voters = SET(1, 2, 3), .learners = SET(5, 6, 7)} /* six, where five may be */
    };
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert_eq(rig_change(&rig, bad[i]), DGRAFT_OUTCOME_INVALID, "case %u", i);
    }
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = SET(1, 2, 5)}), DGRAFT_OUTCOME_BEHIND);
    cr_assert_eq(rig_status(&rig).last.index, 6u);
    rig_step(&rig, (struct dgraft_event){.kind = DGRAFT_EVENT_POISONED});
    cr_assert_eq(rig_change(&rig, bad[0]), DGRAFT_OUTCOME_DISK);
    rig_close(&rig);
}

Test(changes, whose_leader_is_deposed_are_of_unknown_fate)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3)});
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = SET(1, 2)}), 0);
    rig_receive(&rig, rig_ack(2, 9, 0, 0));
    cr_assert_eq(change_outcome(&rig), DGRAFT_OUTCOME_UNKNOWN);
    rig_wake_at(&rig, rig.now + 1);
    cr_assert_eq(change_outcome(&rig), 0, "said once");
    rig_close(&rig);
}

Test(learners, that_lag_become_no_voters) /* bug 80 */
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3), .learners = SET(4)});
    const struct dgraft_membership promoted = {.voters = SET(1, 2, 3, 4)};
    rig.now += 200 * MS;
    ack_all(&rig, 2);
    rig_receive(&rig, rig_ack(4, 3, 6, rig_status(&rig).round));
    cr_assert_eq(rig_change(&rig, promoted), DGRAFT_OUTCOME_BEHIND, "its first round took 200 ms");
    ack_all(&rig, 4);
    rig.now += 150 * MS;
    ack_all(&rig, 2);
    cr_assert_eq(rig_change(&rig, promoted), DGRAFT_OUTCOME_BEHIND, "it was quick, but is not heard any more");
    ack_all(&rig, 4);
    ack_all(&rig, 4);
    cr_assert_eq(rig_change(&rig, promoted), 0);
    rig_close(&rig);
}

Test(learners, that_are_to_be_promoted_become_voters_when_they_have_caught_up)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3)});
    rig_change(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3), .learners = SET(4, 5), .promote = SET(4)});
    settle(&rig, SET(2));
    cr_assert_eq(in_force(&rig).learners, SET(4, 5));
    ack_all(&rig, 5);
    cr_assert_eq(in_force(&rig).learners, SET(4, 5), "5 was not to be");
    ack_all(&rig, 4);
    cr_assert_eq(in_force(&rig).voters, SET(1, 2, 3, 4));
    cr_assert_eq(in_force(&rig).outgoing, SET(1, 2, 3));
    cr_assert_eq(in_force(&rig).learners, SET(5));
    cr_assert_eq(in_force(&rig).promote, 0u);
    settle(&rig, SET(2, 4));
    cr_assert_eq(in_force(&rig).outgoing, 0u);
    rig_close(&rig);
}

Test(voters, that_are_demoted_vote_in_the_old_half_until_it_is_left)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3)});
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = SET(1, 2), .learners = SET(3)}), 0);
    cr_assert_eq(in_force(&rig).outgoing, SET(1, 2, 3));
    settle(&rig, SET(2));
    cr_assert_eq(in_force(&rig).outgoing, 0u);
    cr_assert_eq(in_force(&rig).learners, SET(3));
    rig_close(&rig);
}

/* Bug 79: {1,2,3}, leader 1 removes itself; from then on it does not count. */
Test(leaders, that_are_removed_do_not_count_themselves_and_go_when_that_is_committed_and_told)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3)});
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = SET(2, 3)}), 0);
    rig_durable(&rig);
    ack_all(&rig, 2);
    cr_assert_eq(rig_status(&rig).commit, 6u, "1 and 2 are a majority of the old half, and 2 is none of the new");
    ack_all(&rig, 3);
    cr_assert_eq(rig_status(&rig).commit, 7u);
    cr_assert_eq(in_force(&rig).voters, SET(2, 3));
    cr_assert_eq(in_force(&rig).outgoing, 0u);
    rig_propose(&rig, 1, 10);
    rig_durable(&rig);
    ack_all(&rig, 2);
    cr_assert_eq(rig_status(&rig).commit, 7u, "1 does not count itself");
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER, "but manages the log until that is committed");
    ack_all(&rig, 3);
    cr_assert_eq(rig_status(&rig).commit, 9u);
    cr_assert_eq(change_outcome(&rig), DGRAFT_OUTCOME_DONE);
    cr_assert_geq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2)->message.u.append.commit, 8u, "and tells it");
    ack_all(&rig, 2);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER);
    ack_all(&rig, 3);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_TIMEOUT_NOW, 0), "somebody else is to lead at once");
    rig.now += rig.config.election_timeout_ns;
    ack_all(&rig, 2);
    ack_all(&rig, 3);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    cr_assert_eq(rig.actions->wake_at_ns, UINT64_MAX, "it will not campaign");
    rig_close(&rig);
}

Test(nodes, that_are_removed_are_told_until_they_acknowledge_it)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3)});
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = SET(1, 2)}), 0);
    settle(&rig, SET(2));
    cr_assert_eq(in_force(&rig).index, 8u);
    cr_assert_eq(rig_status(&rig).peer_count, 2u);
    cr_assert(rig_status(&rig).peers[1].departing && !rig_status(&rig).peers[1].voter);
    rig_receive(&rig, rig_ack(3, 3, 7, rig_status(&rig).round));
    rig_sent_all(&rig);
    cr_assert_eq(rig_status(&rig).peer_count, 2u, "it does not hold its removal");
    ack_all(&rig, 3);
    cr_assert_eq(rig_status(&rig).peer_count, 2u, "no heartbeat behind it has said that it is committed");
    const struct dgraft_action_send *heartbeat = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 3);
    cr_assert(heartbeat != NULL);
    cr_assert_eq(heartbeat->message.u.append.prev.index, 8u);
    cr_assert_eq(heartbeat->message.u.append.commit, 8u);
    ack_all(&rig, 3);
    cr_assert_eq(rig_status(&rig).peer_count, 1u);
    rig_close(&rig);
}

Test(nodes, that_are_removed_and_silent_are_told_until_a_deadline)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1, 2), .learners = SET(3)});
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = SET(1, 2)}), 0);
    settle(&rig, SET(2));
    const dgraft_time_ns begin = rig.now;
    while (rig_status(&rig).peer_count == 2) {
        rig_wake_at(&rig, rig.actions->wake_at_ns);
        ack_all(&rig, 2);
    }
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER);
    cr_assert_eq(rig.now - begin, 4 * rig.config.election_timeout_ns);
    rig_close(&rig);
}

/* Bug 85: 3 had acknowledged entry 8 when it was removed; it comes back with another disk. */
Test(nodes, that_come_back_under_an_old_id_begin_with_nothing)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1, 2), .learners = SET(3)});
    ack_all(&rig, 3);
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = SET(1, 2)}), 0);
    rig_durable(&rig);
    ack_all(&rig, 2);
    cr_assert(rig_status(&rig).peers[1].departing);
    cr_assert_eq(rig_status(&rig).peers[1].match, 6u);
    const uint64_t old_round = rig_status(&rig).round;
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = SET(1, 2), .learners = SET(3)}), 0);
    cr_assert(!rig_status(&rig).peers[1].departing);
    cr_assert_eq(rig_status(&rig).peers[1].match, 0u);
    rig_receive(&rig, rig_ack(3, 3, 6, old_round));
    cr_assert_eq(rig_status(&rig).peers[1].match, 0u, "an answer from before it came back");
    ack_all(&rig, 3);
    cr_assert_eq(rig_status(&rig).peers[1].match, rig_status(&rig).last.index);
    rig_close(&rig);
}

Test(sent, of_a_node_that_was_removed_meanwhile_is_late_and_not_wrong)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1), .learners = SET(2, 3)});
    ack_all(&rig, 2);
    ack_all(&rig, 3);
    rig_propose(&rig, 1, 10);
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SENT};
    event.u.sent = (struct dgraft_event_sent){.receivers = SET(2, 3), .term = 3, .prev = 6, .last = 7};
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = SET(1), .learners = SET(2)}), 0);
    while (rig_status(&rig).peer_count == 2) {
        rig_durable(&rig);
        rig_wake_at(&rig, rig.actions->wake_at_ns);
    }
    rig_step(&rig, event);
    cr_assert_eq(rig_status(&rig).peers[0].next, 8u);
    rig_close(&rig);
}

Test(followers, use_a_membership_when_it_is_appended_and_the_one_before_when_it_is_truncated) /* bug 76 */
{
    struct rig rig;
    struct dgraft_entry entries[2];
    struct dgraft_membership joint = {.voters = SET(1, 2, 3, 4), .outgoing = SET(1, 2, 3)};
    open_follower(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3)});
    rig_receive(&rig, rig_append_membership(2, 2, AT(5, 2), entries, &joint));
    cr_assert_eq(in_force(&rig).index, 6u);
    cr_assert_eq(in_force(&rig).outgoing, SET(1, 2, 3));
    cr_assert_eq(rig_status(&rig).peer_count, 3u);
    rig_durable(&rig);
    struct dgraft_message other = rig_append(3, 3, AT(5, 2), entries, 1, 3);
    rig_receive(&rig, other);
    cr_assert_eq(in_force(&rig).index, 1u);
    cr_assert_eq(in_force(&rig).voters, SET(1, 2, 3));
    cr_assert_eq(in_force(&rig).outgoing, 0u);
    cr_assert_eq(rig_status(&rig).peer_count, 2u);
    const struct dgraft_action *notice = NULL;
    for (uint32_t i = 0; (notice = rig_action(&rig, DGRAFT_ACTION_NOTICE, i)) != NULL; i++) {
        if (notice->u.notice.kind == DGRAFT_NOTICE_MEMBERSHIP) {
            break;
        }
    }
    cr_assert(notice != NULL && notice->u.notice.before == 6 && notice->u.notice.after == 1);
    rig_close(&rig);
}

Test(followers, put_one_uncommitted_membership_in_the_place_of_another)
{
    struct rig rig;
    struct dgraft_entry entries[2];
    struct dgraft_membership first = {.voters = SET(1, 2, 3), .learners = SET(4)};
    struct dgraft_membership second = {.voters = SET(1, 2, 3), .learners = SET(5)};
    open_follower(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3)});
    rig_receive(&rig, rig_append_membership(2, 2, AT(5, 2), entries, &first));
    rig_durable(&rig);
    rig_receive(&rig, rig_append_membership(3, 3, AT(5, 2), entries, &second));
    cr_assert_eq(in_force(&rig).index, 6u);
    cr_assert_eq(in_force(&rig).learners, SET(5));
    rig_durable(&rig);
    rig_receive(&rig, rig_append(2, 4, AT(5, 2), entries, 1, 4));
    cr_assert_eq(in_force(&rig).index, 1u, "the one before is the committed one");
    rig_close(&rig);
}

/* Bug 77: what a new leader finds in its log is in force, committed or not. */
Test(leaders, go_by_an_uncommitted_membership_that_they_find)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1,
                                       .membership = {.index = 5, .voters = SET(1, 2, 3, 4), .outgoing = SET(1, 2, 3)},
                                       .before = {.index = 1, .voters = SET(1, 2, 3)},
                                       .term = 2,
                                       .last = 5,
                                       .commit = 4,
                                       .runs = {{1, 1}, {4, 2}},
                                       .run_count = 2});
    rig_lead(&rig);
    rig_durable(&rig);
    cr_assert_eq(rig_change(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3)}), DGRAFT_OUTCOME_CHANGING);
    ack_all(&rig, 4);
    cr_assert_eq(rig_status(&rig).commit, 4u, "1 and 4 are no majority of the old half");
    ack_all(&rig, 2);
    cr_assert_eq(rig_status(&rig).commit, 6u);
    cr_assert_eq(in_force(&rig).index, 7u, "whoever leads by then leaves");
    cr_assert_eq(in_force(&rig).outgoing, 0u);
    settle(&rig, SET(2, 3, 4));
    cr_assert_eq(rig_status(&rig).last.index, 7u);
    rig_close(&rig);
}

/* Bug 7: {1,2}; leader 2 removes itself. Node 1 holds the entry after which it is the only voter, uncommitted. */
Test(sole_voters, are_elected_in_a_new_term_like_anybody)
{
    struct rig rig;
    struct dgraft_entry entries[1];
    struct dgraft_membership alone = {.voters = SET(1)};
    open_follower(&rig, (struct dgraft_membership){.voters = SET(1, 2)});
    rig_receive(&rig, rig_append_membership(2, 2, AT(5, 2), entries, &alone));
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    cr_assert_eq(rig_status(&rig).term, 2u);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER);
    cr_assert_eq(rig_status(&rig).term, 3u);
    rig_close(&rig);
}

Test(learners, that_become_voters_may_campaign_and_the_other_way_round)
{
    struct rig rig;
    struct dgraft_entry entries[1];
    struct dgraft_membership with = {.voters = SET(1, 2, 3), .outgoing = SET(2, 3)};
    open_follower(&rig, (struct dgraft_membership){.voters = SET(2, 3), .learners = SET(1)});
    cr_assert_eq(rig.actions->wake_at_ns, UINT64_MAX);
    rig_receive(&rig, rig_append_membership(2, 2, AT(5, 2), entries, &with));
    rig_durable(&rig);
    cr_assert_neq(rig.actions->wake_at_ns, UINT64_MAX);
    rig_receive(&rig, rig_append(3, 3, AT(5, 2), entries, 1, 3));
    cr_assert_eq(rig.actions->wake_at_ns, UINT64_MAX);
    rig_close(&rig);
}

Test(joiners, neither_vote_nor_campaign) /* bug 8 */
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 4, .joins = true});
    cr_assert_eq(rig.actions->wake_at_ns, UINT64_MAX);
    rig_receive(&rig, rig_pre_vote_request(3, 8, 1, 1));
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_REFUSE, 3)->message.u.vote_reply.reason,
                 DGRAFT_REFUSE_RECOVERING);
    rig_receive(&rig, rig_vote_request(3, 8, 1, 1));
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_REFUSE, 3)->message.u.vote_reply.reason, DGRAFT_REFUSE_RECOVERING);
    cr_assert_eq(rig_status(&rig).vote, 0u);
    rig_close(&rig);
}

Test(joiners, hear_any_leader_and_never_campaign)
{
    struct rig rig;
    struct dgraft_entry entries[1];
    struct dgraft_membership members = {.voters = SET(1, 2, 3), .learners = SET(4)};
    rig_open(&rig, &(struct rig_start){.self = 4, .joins = true});
    cr_assert_eq(rig.actions->wake_at_ns, UINT64_MAX);
    rig_receive(&rig, rig_append_membership(2, 7, AT(0, 0), entries, &members));
    rig_durable(&rig);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 2));
    cr_assert_eq(in_force(&rig).learners, SET(4));
    cr_assert_eq(rig.actions->wake_at_ns, UINT64_MAX);
    rig_close(&rig);
}

Test(requests, are_taken_from_a_node_that_this_one_does_not_know_as_a_member) /* [§4.1] */
{
    struct rig rig;
    struct dgraft_entry entries[1];
    open_follower(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3)});
    rig_receive(&rig, rig_pre_vote_request(9, 3, 5, 2));
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_GRANT, 9));
    rig_receive(&rig, rig_vote_request(9, 3, 5, 2));
    rig_durable(&rig);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 9));
    rig_receive(&rig, rig_append(9, 3, AT(5, 2), entries, 1, 3));
    rig_durable(&rig);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 9)->message.u.append_ack.match, 6u);
    rig_close(&rig);
}

Test(answers, count_from_members_only)
{
    struct rig rig;
    open_follower(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3)});
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 9, 2, 3));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_PRE_CANDIDATE);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_REFUSE, 9, 50, 3));
    cr_assert_eq(rig_status(&rig).term, 2u, "not even its term");
    rig_close(&rig);
}

static struct dgraft_message of_store(struct dgraft_message message, uint64_t store)
{
    message.store = store;
    return message;
}

/* The notice of a foreign store in the last step; peer 0: none. */
static struct dgraft_action_notice foreign_notice(const struct rig *rig)
{
    const struct dgraft_action *notice = NULL;
    for (uint32_t i = 0; (notice = rig_action(rig, DGRAFT_ACTION_NOTICE, i)) != NULL; i++) {
        if (notice->u.notice.kind == DGRAFT_NOTICE_FOREIGN_STORE) {
            return notice->u.notice;
        }
    }
    return (struct dgraft_action_notice){.peer = 0};
}

Test(stores, are_written_down_by_the_first_leader_that_hears_them)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1,
                                       .voters = 3,
                                       .term = 2,
                                       .last = 5,
                                       .commit = 1,
                                       .runs = {{1, 1}, {4, 2}},
                                       .run_count = 2,
                                       .store = 100});
    rig_lead(&rig);
    rig_durable(&rig);
    rig_receive(&rig, of_store(rig_ack(2, 3, 6, 1), 200));
    cr_assert_eq(in_force(&rig).index, 7u, "as soon as an entry of the term is committed");
    cr_assert_eq(in_force(&rig).voters, SET(1, 2, 3));
    cr_assert_eq(in_force(&rig).stores[0], 100u);
    cr_assert_eq(in_force(&rig).stores[1], 200u);
    cr_assert_eq(in_force(&rig).stores[2], 0u);
    rig_receive(&rig, of_store(rig_ack(3, 3, 6, 1), 300));
    cr_assert_eq(rig_status(&rig).last.index, 7u, "one at a time");
    rig_durable(&rig);
    rig_receive(&rig, of_store(rig_ack(2, 3, 7, 2), 200));
    cr_assert_eq(in_force(&rig).index, 8u);
    cr_assert_eq(in_force(&rig).stores[2], 300u);
    rig_durable(&rig);
    rig_receive(&rig, of_store(rig_ack(2, 3, 8, 2), 200));
    cr_assert_eq(rig_status(&rig).last.index, 8u, "all is written");
    rig_close(&rig);
}

/* Bug 8: 3 was wiped and started again under its old id; its acknowledgement and its vote are of somebody who forgot.
 */
Test(stores, that_are_not_the_known_ones_count_for_nothing_and_are_named)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3), .stores = {0, 200, 300}});
    rig_propose(&rig, 1, 10);
    rig_durable(&rig);
    rig_receive(&rig, of_store(rig_ack(3, 3, 7, 1), 333));
    cr_assert_eq(rig_status(&rig).commit, 6u);
    cr_assert_eq(foreign_notice(&rig).peer, 3u);
    cr_assert_eq(foreign_notice(&rig).after, 333u);
    cr_assert_eq(rig_status(&rig).peers[1].foreign_store, 333u);
    rig_receive(&rig, of_store(rig_ack(3, 3, 7, 1), 333));
    cr_assert_eq(foreign_notice(&rig).peer, 0u, "said once");
    rig_receive(&rig, of_store(rig_ack(3, 3, 7, 1), 300));
    cr_assert_eq(rig_status(&rig).commit, 7u);
    rig_close(&rig);

    open_follower(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3), .stores = {0, 200, 300}});
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    rig_receive(&rig, of_store(rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 3, 2, 3), 333));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_PRE_CANDIDATE);
    rig_receive(&rig, of_store(rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 3, 2, 3), 300));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_CANDIDATE);
    rig_close(&rig);
}

Test(stores, of_which_one_was_heard_in_this_leadership_are_not_exchanged_for_another)
{
    struct rig rig;
    open_leader(&rig, (struct dgraft_membership){.voters = SET(1, 2, 3)});
    rig_propose(&rig, 1, 10); /* keeps what is heard from being written down yet */
    rig_receive(&rig, of_store(rig_ack(3, 3, 6, 1), 300));
    rig_receive(&rig, of_store(rig_ack(3, 3, 7, 1), 333));
    cr_assert_eq(rig_status(&rig).peers[1].match, 6u);
    rig_close(&rig);
}

Test(nodes, whose_own_store_is_not_the_known_one_never_campaign)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 3,
                                       .membership = {.index = 1, .voters = SET(1, 2, 3), .stores = {100, 200, 300}},
                                       .term = 1,
                                       .last = 1,
                                       .runs = {{1, 1}},
                                       .run_count = 1,
                                       .store = 333});
    cr_assert_eq(rig.actions->wake_at_ns, UINT64_MAX);
    rig_close(&rig);
}
