/* The rules for what one step may change, and for what it may say (rule C11). */
#include "parts.h"

#include <string.h>

static bool same_leadership(const struct dgraft_core *before, const struct dgraft_core *after)
{
    return before->term == after->term && before->role == DGRAFT_ROLE_LEADER && after->role == DGRAFT_ROLE_LEADER;
}

static const char *check_terms(const struct dgraft_core *before, const struct dgraft_core *after)
{
    if (after->term < before->term || after->durable_term < before->durable_term) {
        return "the term never falls";
    }
    if (after->term == before->term && before->vote != 0 && after->vote != before->vote) {
        return "a vote is given once in a term";
    }
    if (after->now_ns < before->now_ns) {
        return "time does not run back";
    }
    return before->poisoned && !after->poisoned ? "a poisoned node stays so" : NULL;
}

/* The diagram is drawn in role.c; a sole voter passes through PRE_CANDIDATE within one step. */
static const char *check_roles(const struct dgraft_core *before, const struct dgraft_core *after,
                               const struct dgraft_event *event)
{
    const bool told = event->kind == DGRAFT_EVENT_RECEIVE && event->u.receive.type == DGRAFT_MESSAGE_TIMEOUT_NOW;
    bool fine = true;
    switch (after->role) {
    case DGRAFT_ROLE_FOLLOWER:
        break;
    case DGRAFT_ROLE_PRE_CANDIDATE:
        fine = before->role != DGRAFT_ROLE_LEADER;
        break;
    case DGRAFT_ROLE_CANDIDATE:
        fine =
            before->role != DGRAFT_ROLE_LEADER && (before->role != DGRAFT_ROLE_FOLLOWER || told ||
                                                   dgraft_core_decides(after, dgraft_node_set_of(after->config.self)));
        break;
    case DGRAFT_ROLE_LEADER:
        fine = (before->role == DGRAFT_ROLE_CANDIDATE || before->role == DGRAFT_ROLE_LEADER) &&
               before->term == after->term;
        break;
    }
    return fine ? NULL : "roles change only along the diagram";
}

static const char *check_log(const struct dgraft_core *before, const struct dgraft_core *after)
{
    if (after->commit < before->commit || after->applied < before->applied || after->apply_sent < before->apply_sent) {
        return "commit and applied never fall";
    }
    if (after->last.index < before->commit) {
        return "nothing committed is truncated";
    }
    if (same_leadership(before, after)) {
        if (after->last.index < before->last.index) {
            return "a leader never shortens its own log";
        }
        if (after->commit > before->commit && dgraft_core_term_at(after, after->commit) != after->term) {
            return "a leader commits by an entry of its own term";
        }
        if (after->round < before->round) {
            return "rounds never fall";
        }
        for (uint32_t i = 0; i < after->peer_count; i++) {
            const struct peer *peer = &after->peers[i];
            const uint8_t slot = before->slot_of[peer->id];
            if (slot != 0 && !peer->added && peer->match < before->peers[slot - 1].match) {
                return "match never falls within a leadership";
            }
        }
    }
    return NULL;
}

static bool same_members(const struct dgraft_membership *a, const struct dgraft_membership *b)
{
    return a->index == b->index && a->voters == b->voters && a->outgoing == b->outgoing && a->learners == b->learners &&
           a->promote == b->promote && memcmp(a->stores, b->stores, sizeof a->stores) == 0;
}

/* Returns whether every majority of one meets every majority of the other: the voters stay, or a joint membership is
 * entered or left. */
static bool adjacent(const struct dgraft_membership *a, const struct dgraft_membership *b)
{
    if (a->outgoing == 0 && b->outgoing == 0) {
        return a->voters == b->voters;
    }
    return a->outgoing == 0 ? b->outgoing == a->voters : b->outgoing == 0 && b->voters == a->voters;
}

/* I-CFG: the membership changes with the log only, and a leader's only from one that is committed. */
static const char *check_members(const struct dgraft_core *before, const struct dgraft_core *after,
                                 const struct dgraft_event *event)
{
    const struct dgraft_membership *old = &before->membership;
    const struct dgraft_membership *new = &after->membership;
    const bool brought = event->kind == DGRAFT_EVENT_RECEIVE && event->u.receive.type == DGRAFT_MESSAGE_APPEND &&
                         event->u.receive.u.append.membership_count > 0;
    if (brought) {
        return NULL; /* it may stand in the place of the old one */
    }
    if (event->kind == DGRAFT_EVENT_SNAPSHOT_RECEIVED) {
        return same_members(old, new) || same_members(new, &event->u.snapshot_received.membership)
                   ? NULL
                   : "a snapshot brings the membership that it holds";
    }
    if (new->index == old->index) {
        return same_members(old, new) ? NULL : "an entry's membership does not change";
    }
    if (new->index < old->index) {
        return new->index == before->before.index &&same_members(new, &before->before)
                   ? NULL
                   : "a truncation brings back the membership before";
    }
    if (!same_leadership(before, after)) {
        return NULL;
    }
    if (after->commit < old->index || after->commit < after->term_start) {
        return "a leader changes a membership that is committed, after an entry of its own term";
    }
    return adjacent(old, new) ? NULL : "majorities of one membership and the next meet";
}

static const char *check_commit_event(const struct dgraft_core *before, const struct dgraft_core *after,
                                      const struct dgraft_event *event)
{
    const bool led =
        before->role == DGRAFT_ROLE_LEADER && after->term == before->term; /* it may commit, then step aside */
    if (after->commit == before->commit || event->kind == DGRAFT_EVENT_START || led ||
        after->role == DGRAFT_ROLE_LEADER) {
        return NULL;
    }
    if (event->kind == DGRAFT_EVENT_SNAPSHOT_RECEIVED) {
        return after->commit == event->u.snapshot_received.snapshot.position.index
                   ? NULL
                   : "a snapshot commits what it holds, and no more";
    }
    if (event->kind != DGRAFT_EVENT_RECEIVE || event->u.receive.type != DGRAFT_MESSAGE_APPEND) {
        return "a follower learns of a commit from an append or a snapshot only";
    }
    const struct dgraft_append *append = &event->u.receive.u.append;
    if (after->commit > append->commit || after->commit > append->prev.index + append->count) {
        return "a follower commits no further than leader and append say";
    }
    return NULL;
}

static const char *check_send(const struct dgraft_core *after, const struct dgraft_action_send *send)
{
    /* But a sole voter that was asked, and campaigns in the same step, has answered in the term before. */
    const bool alone = dgraft_core_decides(after, dgraft_node_set_of(after->config.self));
    if (send->message.term != after->durable_term || (send->message.term != after->term && !alone)) {
        return "a message's term is current and durable";
    }
    if (send->receivers == 0 || dgraft_node_set_has(send->receivers, after->config.self) || after->poisoned) {
        return "a message has receivers, all of them others, and a sound sender";
    }
    switch (send->message.type) {
    case DGRAFT_MESSAGE_VOTE_GRANT:
        return after->durable_vote != 0 && send->receivers == dgraft_node_set_of(after->durable_vote)
                   ? NULL
                   : "a grant goes to whom the durable vote names";
    case DGRAFT_MESSAGE_VOTE_REQUEST:
        return after->durable_vote == after->config.self ? NULL : "a candidate's own vote is durable first";
    case DGRAFT_MESSAGE_APPEND:
        if (after->role != DGRAFT_ROLE_LEADER || send->message.u.append.commit > after->commit) {
            return "appends come from a leader and state its commit";
        }
        if ((send->message.u.append.prev.index == 0) != (send->message.u.append.prev.term == 0)) {
            return "an unknown term is never sent";
        }
        return NULL;
    case DGRAFT_MESSAGE_APPEND_ACK:
        return send->message.u.append_ack.match <= after->durable && send->message.u.append_ack.match <= after->verified
                   ? NULL
                   : "an acknowledgement states what is verified and durable";
    case DGRAFT_MESSAGE_TIMEOUT_NOW:
        return after->role == DGRAFT_ROLE_LEADER && after->lease_void ? NULL
                                                                      : "a leader hands over, and has no lease then";
    case DGRAFT_MESSAGE_READ_ANSWER:
        return after->role == DGRAFT_ROLE_LEADER && after->commit >= after->term_start
                   ? NULL
                   : "a follower's read is answered by a leader that has committed in its term";
    case DGRAFT_MESSAGE_READ_REQUEST:
        return send->receivers == dgraft_node_set_of(after->leader) ? NULL : "a follower asks its leader";
    case DGRAFT_MESSAGE_SNAPSHOT_CHUNK:
        return dgraft_core_check_chunk(after, send);
    case DGRAFT_MESSAGE_SNAPSHOT_ACK:
        return after->role == DGRAFT_ROLE_FOLLOWER ? NULL : "a follower acknowledges a snapshot";
    case DGRAFT_MESSAGE_FETCH:
        return after->repairing ? NULL : "who asks for entries has damaged ones";
    case DGRAFT_MESSAGE_FETCH_ANSWER:
        return send->message.u.fetch_answer.verdict == DGRAFT_FETCH_HAVE && send->last.index > after->last.index
                   ? "entries are given that are in the log"
                   : NULL;
    case DGRAFT_MESSAGE_PRE_VOTE_REQUEST:
    case DGRAFT_MESSAGE_PRE_VOTE_GRANT:
    case DGRAFT_MESSAGE_PRE_VOTE_REFUSE:
    case DGRAFT_MESSAGE_VOTE_REFUSE:
    case DGRAFT_MESSAGE_APPEND_REFUSE:
        return NULL;
    }
    return "a message has a type";
}

/* In the same step it may find that it has not heard its leader for too long; and a leader, once it has answered under
 * its lease, that it must step down. */
static const char *check_read(const struct dgraft_core *before, const struct dgraft_core *after,
                              const struct dgraft_action_read_ready *ready)
{
    const bool led = before->role == DGRAFT_ROLE_LEADER && ready->lease_until_ns > after->now_ns;
    if (after->role != DGRAFT_ROLE_LEADER && !led) {
        return ready->lease_until_ns == 0 && before->leader != 0 && before->term == after->term
                   ? NULL
                   : "a follower answers a read as its leader says";
    }
    if (ready->lease_until_ns != 0 && ready->lease_until_ns <= after->now_ns) {
        return "a read is not answered under a lease that is over";
    }
    return led || after->commit >= after->term_start ? NULL
                                                     : "a read is answered by a leader that has committed in its term";
}

static const char *check_action(const struct dgraft_core *before, const struct dgraft_core *after,
                                const struct dgraft_event *event, const struct dgraft_action *action)
{
    /* An INSTALL takes a number, too: a term that it brings is written behind it. */
    const bool installs = event->kind == DGRAFT_EVENT_SNAPSHOT_RECEIVED &&
                          before->compacted.index < after->compacted.index &&
                          dgraft_position_equal(after->compacted, event->u.snapshot_received.snapshot.position);
    switch (action->kind) {
    case DGRAFT_ACTION_SEND:
        return check_send(after, &action->u.send);
    case DGRAFT_ACTION_WRITE:
        if (action->u.write.seq != after->write_seq || after->write_seq != before->write_seq + (installs ? 2 : 1)) {
            return "a step writes once, under the next number";
        }
        if (action->u.write.keep < before->commit ||
            action->u.write.keep > (installs ? after->last.index : before->last.index)) {
            return "a write supersedes nothing committed and leaves no gap";
        }
        return NULL;
    case DGRAFT_ACTION_APPLY:
        return action->u.apply.first == before->apply_sent + 1 && action->u.apply.last == after->apply_sent &&
                       action->u.apply.first <= action->u.apply.last
                   ? NULL
                   : "entries are applied one after the other, each once";
    case DGRAFT_ACTION_READ_READY:
        return check_read(before, after, &action->u.read_ready);
    case DGRAFT_ACTION_ACCEPTED:
        /* It may find in the same step that its quorum is gone: they are then UNKNOWN at once. */
        return before->role == DGRAFT_ROLE_LEADER ? NULL : "proposals are accepted by a leader";
    case DGRAFT_ACTION_INSTALL:
        return dgraft_core_check_install(before, after, event, &action->u.install);
    case DGRAFT_ACTION_COMPACT:
        return dgraft_core_check_compact(before, after, &action->u.compact);
    case DGRAFT_ACTION_SNAPSHOT_STORE:
        return action->u.snapshot_store.offset + action->u.snapshot_store.bytes == after->received_next
                   ? NULL
                   : "parts of a snapshot are stored one behind the other";
    case DGRAFT_ACTION_MEND:
        return action->u.mend.seq == before->write_seq + 1 && after->mending && !before->mending &&
                       dgraft_position_equal(before->last, after->last)
                   ? NULL
                   : "one MEND is under way at a time, and the log's last position stays";
    case DGRAFT_ACTION_REOPEN:
        return after->repairing ? NULL : "a store is opened again because something is damaged";
    case DGRAFT_ACTION_OUTCOME:
    case DGRAFT_ACTION_LOOKUP:
    case DGRAFT_ACTION_NOTICE:
        return NULL;
    }
    return "an action has a kind";
}

const char *dgraft_core_check_step(const struct dgraft_core *before, const struct dgraft_core *after,
                                   const struct dgraft_event *event, const struct dgraft_actions *actions)
{
    const char *broken = NULL;
    if (before->started && event->kind != DGRAFT_EVENT_START) {
        broken = check_terms(before, after);
        broken = broken != NULL ? broken : check_roles(before, after, event);
        broken = broken != NULL ? broken : check_log(before, after);
        broken = broken != NULL ? broken : check_members(before, after, event);
        broken = broken != NULL ? broken : check_commit_event(before, after, event);
        broken = broken != NULL ? broken : dgraft_core_check_snapshot_step(before, after);
    }
    for (uint32_t i = 0; broken == NULL && before->started && i < actions->count; i++) {
        broken = check_action(before, after, event, &actions->items[i]);
    }
    return broken;
}
