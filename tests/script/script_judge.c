/* The rules that hold in every run, by a history that outlives crashes. A broken one fails the script, whatever its
 * check lines say; `--bare` leaves these out, to see what the check lines alone notice.
 */
#include "script.h"

#include <inttypes.h>
#include <string.h>

static void broken(struct script *script, dgraft_node_id id, const char *rule)
{
    if (!script->bare) {
        script_fail(script, "broken at node %u: %s", id, rule);
    }
}

bool script_entry_same(const struct script_entry *a, const struct script_entry *b)
{
    return a->term == b->term && a->kind == b->kind && strcmp(a->name, b->name) == 0 &&
           a->membership.voters == b->membership.voters && a->membership.outgoing == b->membership.outgoing &&
           a->membership.learners == b->membership.learners;
}

static bool held_by(const struct script_node *node, dgraft_index index, const struct script_entry *entry)
{
    return node->disk.begin.index >= index || node->snapshot.what.position.index >= index ||
           (node->disk.last >= index && script_entry_same(&node->disk.entries[index], entry));
}

/* A newly committed entry lies on the disks of a majority of each set of voters. */
void script_judge_commit(struct script *script, dgraft_node_id id)
{
    const struct dgraft_core_status status = script_status(script, id);
    struct script_ghost *ghost = &script->ghost;
    const struct script_log *log = &script->nodes[id].log;
    for (dgraft_index i = ghost->committed_last + 1; i <= status.commit && i <= log->last; i++) {
        dgraft_node_set holders = 0;
        for (dgraft_node_id other = 1; other <= script->node_count; other++) {
            holders |= held_by(&script->nodes[other], i, &log->entries[i]) ? dgraft_node_set_of(other) : 0;
        }
        if (!dgraft_node_set_majority(holders, status.membership.voters) ||
            !dgraft_node_set_majority(holders, status.membership.outgoing)) {
            broken(script, id, "I-CQ: what is committed lies on a majority's disks");
        }
        ghost->committed[i] = log->entries[i];
        ghost->committed_last = i;
    }
    for (dgraft_index i = log->begin.index + 1; i <= status.commit && i <= log->last; i++) {
        if (!script_entry_same(&ghost->committed[i], &log->entries[i])) {
            broken(script, id, "I-LC: what is committed stays as it is");
            return;
        }
    }
}

static void judge_leader(struct script *script, dgraft_node_id id, const struct dgraft_core_status *status)
{
    struct script_ghost *ghost = &script->ghost;
    const struct script_log *log = &script->nodes[id].log;
    if (status->term >= SCRIPT_TERMS || ghost->leader_of[status->term] == id) {
        return;
    }
    if (ghost->leader_of[status->term] != 0) {
        broken(script, id, "I-LEAD: one leader in a term");
    }
    ghost->leader_of[status->term] = id;
    for (dgraft_index i = log->begin.index + 1; i <= ghost->committed_last; i++) {
        if (i > log->last || !script_entry_same(&ghost->committed[i], &log->entries[i])) {
            broken(script, id, "I-LC: a new leader has all that is committed");
            return;
        }
    }
}

void script_judge_step(struct script *script, dgraft_node_id id, const struct dgraft_event *event)
{
    const struct script_node *node = &script->nodes[id];
    const struct dgraft_core_status status = script_status(script, id);
    const char *rule = dgraft_core_check(node->core);
    if (rule == NULL && event->kind != DGRAFT_EVENT_START) {
        rule = dgraft_core_check_step(node->before, node->core, event, node->actions);
    }
    if (rule != NULL) {
        broken(script, id, rule);
    }
    if (status.role == DGRAFT_ROLE_LEADER) {
        judge_leader(script, id, &status);
    }
}

void script_judge_send(struct script *script, dgraft_node_id id, const struct dgraft_action_send *send)
{
    const struct script_node *node = &script->nodes[id];
    const struct dgraft_message *message = &send->message;
    const bool asks = message->type == DGRAFT_MESSAGE_VOTE_REQUEST;
    if (message->term > node->disk_term) {
        broken(script, id, "I-DURVOTE: a message's term is on disk");
    }
    if ((asks || message->type == DGRAFT_MESSAGE_VOTE_GRANT) && message->term < SCRIPT_TERMS) {
        const dgraft_node_id candidate = asks ? id : dgraft_node_set_first(send->receivers);
        dgraft_node_id *vote = &script->ghost.vote_of[id][message->term];
        if (node->disk_term != message->term || node->disk_vote != candidate) {
            broken(script, id, "I-DURVOTE: a vote is on disk before it is told");
        }
        if (*vote != 0 && *vote != candidate) {
            broken(script, id, "I-VOTE: one vote in a term");
        }
        *vote = candidate;
    }
    if (message->type == DGRAFT_MESSAGE_APPEND_ACK) {
        const dgraft_index held = node->snapshot.what.position.index;
        if (message->u.append_ack.match > (node->disk.last > held ? node->disk.last : held)) {
            broken(script, id, "I-ACK: what is acknowledged is on disk");
        }
    }
}

/* Two entries of one place and term are the same in all logs that there are. */
void script_judge_write(struct script *script, dgraft_node_id id, dgraft_index first, uint32_t count)
{
    const struct script_log *log = &script->nodes[id].log;
    for (dgraft_index i = first; i < first + count; i++) {
        for (dgraft_node_id other = 1; other <= script->node_count; other++) {
            const struct script_log *theirs = &script->nodes[other].log;
            if (i > theirs->begin.index && i <= theirs->last && theirs->entries[i].term == log->entries[i].term &&
                !script_entry_same(&theirs->entries[i], &log->entries[i])) {
                broken(script, id, "I-LM: one entry for each index and term");
            }
        }
    }
}

void script_judge_apply(struct script *script, dgraft_node_id id, const struct dgraft_action_apply *apply)
{
    struct script_node *node = &script->nodes[id];
    script_judge_commit(script, id);
    if (apply->first != node->apply_wanted + 1 || apply->last > script->ghost.committed_last) {
        broken(script, id, "I-SMS: every entry is applied once, in order, and committed");
    }
    for (dgraft_index i = apply->first; i <= apply->last && i <= node->disk.last; i++) {
        if (!script_entry_same(&node->disk.entries[i], &node->log.entries[i])) {
            broken(script, id, "I-SMS: what is applied is on disk");
        }
    }
}

void script_judge_read(struct script *script, dgraft_node_id id, const struct dgraft_action_read_ready *ready)
{
    if (ready->id <= SCRIPT_READS && ready->index < script->ghost.read_floor[ready->id]) {
        broken(script, id, "I-READ: a read sees what was committed when it was asked");
    }
}
