/* No oracle without something that trips it: every rule of rule C11 is broken once, by hand, and must say so. */
#include "core_rig.h"
#include "parts.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* A leader of three in term 3, log 1 to 9, all but two entries committed, a window in use, a read waiting. */
static void open_leader(struct rig *rig)
{
    rig_open(rig, &(struct rig_start){
                      .self = 1, .voters = 3, .term = 2, .last = 5, .runs = {{1, 1}, {4, 2}}, .run_count = 2});
    rig_lead_and_commit(rig);
    rig_propose(rig, 1, 10);
    rig_sent_all(rig);
    rig_durable(rig);
    rig_receive(rig, rig_ack(2, 3, 7, 1));
    rig_propose(rig, 2, 10);
    rig_sent_all(rig);
    struct dgraft_event event = {.kind = DGRAFT_EVENT_READ};
    rig_step(rig, event);
    cr_assert_eq(rig_status(rig).commit, 7u);
}

static bool says(const char *broken, const char *rule)
{
    return broken != NULL && strcmp(broken, rule) == 0;
}

#define BREAK_STATE(change, rule)                                                                                      \
    do {                                                                                                               \
        struct rig rig;                                                                                                \
        open_leader(&rig);                                                                                             \
        struct dgraft_core *core = rig.core;                                                                           \
        change;                                                                                                        \
        cr_assert(says(dgraft_core_check(core), rule), "%s gives: %s", #change, dgraft_core_check(core));              \
        rig_close(&rig);                                                                                               \
    } while (0)

Test(rules_between_steps, each_can_be_broken)
{
    BREAK_STATE(core->durable_term = 9, "the durable term is at most the one written");
    BREAK_STATE(core->term = 9, "between steps the newest WRITE says the current term and vote");
    BREAK_STATE(core->vote = core->written_vote = 65, "a vote is for a node id, or for nobody");
    BREAK_STATE(core->durable_seq = 99, "only what was written is durable");
    BREAK_STATE(core->snapshot.position.index = 99, "what the snapshot holds is applied");
    BREAK_STATE(core->compacted.index = 1, "only what a snapshot holds is compacted");
    BREAK_STATE(core->snapshot.size = 1, "a snapshot has a position and bytes, or there is none");
    BREAK_STATE(core->snapshot = ((struct dgraft_snapshot){.position = {5, 9}, .size = 1});
                core->applied = 5, "no entry conflicts with the snapshot");
    BREAK_STATE(core->received = 1, "a snapshot's stored bytes are part of it");
    BREAK_STATE(core->stores = 5, "a few parts of a snapshot are stored at once");
    BREAK_STATE(core->peers[0].snapshot_acked = 1, "no part of a snapshot is stored before it was sent");
    BREAK_STATE(core->applied = 8, "only what was handed over is applied");
    BREAK_STATE(core->apply_sent = 8, "only what is committed is applied");
    BREAK_STATE(core->durable = 6, "only what is durable here is applied");
    BREAK_STATE(core->commit = 10, "commit is at most the last index");
    BREAK_STATE(core->durable = 10, "what is durable or verified is in the log");
    BREAK_STATE(core->verified = 10, "what is durable or verified is in the log");
    BREAK_STATE(core->last.term = 4, "no entry is of a later term than the current one");
    BREAK_STATE(dgraft_core_runs(core)[1].term = 1, "runs of terms ascend in index and term");
    BREAK_STATE(core->runs_count = 0, "a log without runs is empty");
    BREAK_STATE(core->runs_count = 2, "the newest run ends the log");
    BREAK_STATE(core->runs_head = 2; core->runs_count = 1;
                dgraft_core_runs(core)[2].first = 9, "the term of every uncommitted entry is known");
    BREAK_STATE(core->writes[core->writes_head].last = 10,
                "writes under way ascend in number and term, and end within the log");
    BREAK_STATE(core->writes_count = 0, "every write that is not durable is under way");
    BREAK_STATE(core->leader = 2, "a node follows itself exactly when it leads");
    BREAK_STATE(core->poisoned = true, "only a sound voter campaigns, and leads but for its own removal");
    BREAK_STATE(core->vote = core->written_vote = 2, "a candidate or leader has its own vote");
    BREAK_STATE(core->role = DGRAFT_ROLE_FOLLOWER; core->leader = 0, "reads wait where a leader is known");
    BREAK_STATE(core->role = DGRAFT_ROLE_CANDIDATE; core->leader = 2;
                core->reads_count = 0, "a candidate follows nobody");
    BREAK_STATE(core->peers[0].match = 9; core->peers[0].next = 9, "match is below next");
    BREAK_STATE(core->peers[1].next = 11, "no peer matches, or is sent, what the leader does not have");
    BREAK_STATE(core->peers[1].inflight_count = 65, "a window holds at most inflight_max appends");
    BREAK_STATE(core->peers[1].inflight_bytes++, "a window's bytes are those of its appends");
    BREAK_STATE(core->peers[1].acked_round = 99, "no round is answered before it began");
    BREAK_STATE(core->durable_vote = 0, "a leader's term and vote are durable");
    BREAK_STATE(core->term_start = 5, "a leader's log ends with its own term");
    BREAK_STATE(core->peers[0].match = 5, "what a leader committed, a majority holds durably");
    BREAK_STATE(core->commit = 9; core->durable = 9; core->peers[0].match = 9;
                core->peers[0].next = 10, "when all is committed, no bytes are uncommitted");
}

Test(rules_of_the_members, each_can_be_broken) /* I-CFG */
{
    BREAK_STATE(core->membership.learners = 2, "a membership has a voter, and each of its learners is no voter");
    BREAK_STATE(core->membership.promote = 8, "a membership has a voter, and each of its learners is no voter");
    BREAK_STATE(core->membership.index = 10, "the membership in force is that of an entry of the log");
    BREAK_STATE(core->before = core->membership, "the membership before is that of an older entry");
    BREAK_STATE(core->peers[0].id = 3, "peers have slots in the order of their ids");
    BREAK_STATE(core->slot_of[3] = 1, "peers have slots in the order of their ids");
    BREAK_STATE(core->membership.voters = 15,
                "peers are the other members, and those who are being told that they are none");
    BREAK_STATE(core->departing = 4, "a leader tells those of their removal who are no members");
    BREAK_STATE(core->membership.index = 9; core->before.voters = 7;
                core->before.index = 8, "at most one membership of a leader's log is uncommitted");
    BREAK_STATE(core->change_pending = true; core->change_index = 9, "a change waits for an entry of the log");
    BREAK_STATE(core->change_pending = true; core->role = DGRAFT_ROLE_FOLLOWER;
                core->leader = 2, "changes wait at a leader only");
}

/* `before` and `after` are the same leader before and after a step that did nothing. */
#define BREAK_CHANGE(change, rule)                                                                                     \
    do {                                                                                                               \
        struct rig rig;                                                                                                \
        struct dgraft_event event = {.kind = DGRAFT_EVENT_WAKE};                                                       \
        open_leader(&rig);                                                                                             \
        rig_step(&rig, event);                                                                                         \
        struct dgraft_core *before = rig.before;                                                                       \
        struct dgraft_core *after = rig.core;                                                                          \
        cr_assert_null(dgraft_core_check_step(before, after, &event, rig.actions));                                    \
        change;                                                                                                        \
        const char *broken = dgraft_core_check_step(before, after, &event, rig.actions);                               \
        cr_assert(says(broken, rule), "%s gives: %s", #change, broken);                                                \
        rig_close(&rig);                                                                                               \
    } while (0)

Test(rules_of_a_step, each_can_be_broken)
{
    BREAK_CHANGE(after->term = 2, "the term never falls");
    BREAK_CHANGE(after->durable_term = 2, "the term never falls");
    BREAK_CHANGE(after->vote = 2, "a vote is given once in a term");
    BREAK_CHANGE(after->now_ns--, "time does not run back");
    BREAK_CHANGE(before->poisoned = true, "a poisoned node stays so");
    BREAK_CHANGE(after->role = DGRAFT_ROLE_PRE_CANDIDATE, "roles change only along the diagram");
    BREAK_CHANGE(after->role = DGRAFT_ROLE_CANDIDATE, "roles change only along the diagram");
    BREAK_CHANGE(before->role = DGRAFT_ROLE_PRE_CANDIDATE, "roles change only along the diagram");
    BREAK_CHANGE(after->commit--, "commit and applied never fall");
    BREAK_CHANGE(before->applied = 9, "commit and applied never fall");
    BREAK_CHANGE(after->last.index = 6, "nothing committed is truncated");
    BREAK_CHANGE(after->last.index = 8, "a leader never shortens its own log");
    BREAK_CHANGE(before->commit = 3; after->commit = 5;
                 before->apply_sent = after->apply_sent = 0, "a leader commits by an entry of its own term");
    BREAK_CHANGE(after->round--, "rounds never fall");
    BREAK_CHANGE(after->peers[0].match--, "match never falls within a leadership");
    BREAK_CHANGE(after->membership.learners = 8, "an entry's membership does not change");
    BREAK_CHANGE(before->membership.index = 5, "a truncation brings back the membership before");
    BREAK_CHANGE(before->membership.index = 8;
                 after->membership.index = 9,
                 "a leader changes a membership that is committed, after an entry of its own term");
    BREAK_CHANGE(after->membership.index = 9;
                 after->membership.voters = 3, "majorities of one membership and the next meet");
    BREAK_CHANGE(after->role = before->role = DGRAFT_ROLE_FOLLOWER;
                 after->commit++, "a follower learns of a commit from an append or a snapshot only");
    BREAK_CHANGE(after->role = before->role = DGRAFT_ROLE_FOLLOWER; after->commit++; event.kind = DGRAFT_EVENT_RECEIVE;
                 event.u.receive.type = DGRAFT_MESSAGE_APPEND; event.u.receive.u.append.commit = 8;
                 event.u.receive.u.append.prev.index = 7, "a follower commits no further than leader and append say");
}

static void add(struct rig *rig, struct dgraft_action action)
{
    rig->actions->items[rig->actions->count++] = action;
}

/* The message that `change` spoils was fine. */
#define BREAK_SEND(sent_type, change, rule)                                                                            \
    BREAK_CHANGE(struct dgraft_action action = {.kind = DGRAFT_ACTION_SEND};                                           \
                 struct dgraft_action_send *send = &action.u.send; send->receivers = 2;                                \
                 send->message.type = sent_type; send->message.term = 3; change; add(&rig, action), rule)

Test(rules_of_a_message, each_can_be_broken)
{
    BREAK_SEND(DGRAFT_MESSAGE_APPEND, send->message.term = 2, "a message's term is current and durable");
    BREAK_SEND(DGRAFT_MESSAGE_APPEND, after->durable_term = before->durable_term = 2,
               "a message's term is current and durable");
    BREAK_SEND(DGRAFT_MESSAGE_APPEND, send->receivers = 0,
               "a message has receivers, all of them others, and a sound sender");
    BREAK_SEND(DGRAFT_MESSAGE_APPEND, send->receivers = 3,
               "a message has receivers, all of them others, and a sound sender");
    BREAK_SEND(DGRAFT_MESSAGE_VOTE_GRANT, (void)0, "a grant goes to whom the durable vote names");
    BREAK_SEND(DGRAFT_MESSAGE_VOTE_REQUEST, after->durable_vote = 0, "a candidate's own vote is durable first");
    BREAK_SEND(DGRAFT_MESSAGE_APPEND, send->message.u.append.commit = 8,
               "appends come from a leader and state its commit");
    BREAK_SEND(DGRAFT_MESSAGE_APPEND, send->message.u.append.prev.index = 8, "an unknown term is never sent");
    BREAK_SEND(DGRAFT_MESSAGE_APPEND_ACK, send->message.u.append_ack.match = 8,
               "an acknowledgement states what is verified and durable");
    BREAK_SEND((enum dgraft_message_type)0, (void)0, "a message has a type");
}

Test(rules_of_an_action, each_can_be_broken)
{
    struct dgraft_action write = {.kind = DGRAFT_ACTION_WRITE};
    struct dgraft_action apply = {.kind = DGRAFT_ACTION_APPLY};
    BREAK_CHANGE(add(&rig, write), "a step writes once, under the next number");
    BREAK_CHANGE(after->write_seq++; write.u.write.seq = after->write_seq; write.u.write.keep = 6;
                 add(&rig, write), "a write supersedes nothing committed and leaves no gap");
    BREAK_CHANGE(apply.u.apply.first = 7; apply.u.apply.last = 7;
                 add(&rig, apply), "entries are applied one after the other, each once");
    BREAK_CHANGE(add(&rig, (struct dgraft_action){.kind = DGRAFT_ACTION_READ_READY});
                 after->term_start = 9, "a read is answered by a leader that has committed in its term");
    BREAK_CHANGE(add(&rig, (struct dgraft_action){.kind = DGRAFT_ACTION_ACCEPTED});
                 before->role = after->role = DGRAFT_ROLE_FOLLOWER, "proposals are accepted by a leader");
    BREAK_CHANGE(add(&rig, (struct dgraft_action){.kind = (enum dgraft_action_kind)0}), "an action has a kind");
}
