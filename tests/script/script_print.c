/* The canonical text. A position is index:term; a command entry 3:2=name, a membership 4:2={1,2,3}. */
#include "script.h"

#include <dgraft/frame.h>
#include <inttypes.h>

void script_print_set(struct script_text *text, dgraft_node_set set)
{
    const char *separator = "";
    if (set == 0) {
        script_text_add(text, "none");
    }
    for (; set != 0; set &= set - 1) {
        script_text_add(text, "%s%u", separator, dgraft_node_set_first(set));
        separator = ",";
    }
}

static void add_members(struct script_text *text, const char *what, dgraft_node_set set)
{
    if (set != 0) {
        script_text_add(text, "%s", what);
        script_print_set(text, set);
    }
}

void script_print_membership(struct script_text *text, const struct dgraft_membership *membership)
{
    bool stores = false;
    script_text_add(text, "{");
    script_print_set(text, membership->voters);
    add_members(text, ";from=", membership->outgoing);
    add_members(text, ";learners=", membership->learners);
    add_members(text, ";promote=", membership->promote);
    for (uint32_t i = 0; i < DGRAFT_MEMBERS_MAX; i++) {
        stores = stores || membership->stores[i] != 0;
    }
    for (dgraft_node_set left = stores ? dgraft_membership_all(membership) : 0; left != 0; left &= left - 1) {
        const dgraft_node_id id = dgraft_node_set_first(left);
        const char *separator = left == dgraft_membership_all(membership) ? ";stores=" : ",";
        script_text_add(text, "%s%" PRIu64, separator, dgraft_membership_store(membership, id));
    }
    script_text_add(text, "}");
}

void script_print_entry(struct script_text *text, dgraft_index index, const struct script_entry *entry)
{
    script_text_add(text, "%" PRIu64 ":%" PRIu64, index, entry->term);
    if (entry->kind == DGRAFT_ENTRY_MEMBERSHIP) {
        script_text_add(text, "=");
        script_print_membership(text, &entry->membership);
    } else if (entry->name[0] != '\0') {
        script_text_add(text, "=%s", entry->name);
    }
}

static void add_position(struct script_text *text, const char *what, struct dgraft_position position)
{
    script_text_add(text, " %s %" PRIu64 ":%" PRIu64, what, position.index, position.term);
}

static const char *reason_name(enum dgraft_refuse_reason reason)
{
    switch (reason) {
    case DGRAFT_REFUSE_TERM:
        return "TERM";
    case DGRAFT_REFUSE_LOG:
        return "LOG";
    case DGRAFT_REFUSE_VOTED:
        return "VOTED";
    case DGRAFT_REFUSE_LEADER_ALIVE:
        return "LEADER_ALIVE";
    case DGRAFT_REFUSE_MISMATCH:
        return "MISMATCH";
    case DGRAFT_REFUSE_RECOVERING:
        return "RECOVERING";
    case DGRAFT_REFUSE_FULL:
        return "FULL";
    }
    return "?";
}

static void add_append(struct script_text *text, const struct dgraft_append *append, const struct script_entry *entries)
{
    add_position(text, "prev", append->prev);
    for (uint32_t i = 0; i < append->count; i++) {
        script_text_add(text, " +");
        script_print_entry(text, append->prev.index + 1 + i, &entries[i]);
    }
    script_text_add(text, " commit %" PRIu64 " round %" PRIu64, append->commit, append->round);
}

static void add_snapshot(struct script_text *text, const struct dgraft_snapshot *snapshot, uint64_t offset)
{
    add_position(text, "of", snapshot->position);
    script_text_add(text, " digest %" PRIu64 " offset %" PRIu64, snapshot->digest, offset);
}

void script_print_body(struct script_text *text, const struct dgraft_message *message,
                       const struct script_entry *entries)
{
    script_text_add(text, "t%" PRIu64, message->term);
    switch (message->type) {
    case DGRAFT_MESSAGE_PRE_VOTE_REQUEST:
    case DGRAFT_MESSAGE_VOTE_REQUEST:
        script_text_add(text, " for t%" PRIu64, message->u.vote_request.term);
        add_position(text, "last", message->u.vote_request.last);
        script_text_add(text, "%s", message->u.vote_request.transfer ? " transfer" : "");
        break;
    case DGRAFT_MESSAGE_PRE_VOTE_GRANT:
    case DGRAFT_MESSAGE_PRE_VOTE_REFUSE:
    case DGRAFT_MESSAGE_VOTE_GRANT:
    case DGRAFT_MESSAGE_VOTE_REFUSE:
        script_text_add(text, " for t%" PRIu64, message->u.vote_reply.term);
        if (message->u.vote_reply.reason != 0) {
            script_text_add(text, " reason %s", reason_name(message->u.vote_reply.reason));
        }
        break;
    case DGRAFT_MESSAGE_APPEND:
        add_append(text, &message->u.append, entries);
        break;
    case DGRAFT_MESSAGE_APPEND_ACK:
        script_text_add(text, " match %" PRIu64 " round %" PRIu64, message->u.append_ack.match,
                        message->u.append_ack.round);
        break;
    case DGRAFT_MESSAGE_APPEND_REFUSE:
        script_text_add(text, " prev %" PRIu64, message->u.append_refuse.prev);
        add_position(text, "hint", message->u.append_refuse.hint);
        script_text_add(text, " round %" PRIu64 " reason %s", message->u.append_refuse.round,
                        reason_name(message->u.append_refuse.reason));
        break;
    case DGRAFT_MESSAGE_TIMEOUT_NOW:
        add_position(text, "last", message->u.timeout_now.last);
        break;
    case DGRAFT_MESSAGE_READ_REQUEST: /* tokens are the clock's, and of no interest */
        break;
    case DGRAFT_MESSAGE_READ_ANSWER:
        script_text_add(text, " index %" PRIu64, message->u.read_answer.index);
        break;
    case DGRAFT_MESSAGE_SNAPSHOT_CHUNK:
        add_snapshot(text, &message->u.snapshot_chunk.snapshot, message->u.snapshot_chunk.offset);
        script_text_add(text, " bytes %" PRIu32, message->u.snapshot_chunk.bytes);
        break;
    case DGRAFT_MESSAGE_SNAPSHOT_ACK:
        add_snapshot(text, &message->u.snapshot_ack.snapshot, message->u.snapshot_ack.offset);
        break;
    case DGRAFT_MESSAGE_FETCH:
        script_text_add(text, " %" PRIu64 " to %" PRIu64, message->u.fetch.first, message->u.fetch.last);
        add_position(text, "before", message->u.fetch.anchor);
        break;
    case DGRAFT_MESSAGE_FETCH_ANSWER:
        script_text_add(text, " from %" PRIu64 " count %" PRIu32 " verdict %d", message->u.fetch_answer.first,
                        message->u.fetch_answer.count, (int)message->u.fetch_answer.verdict);
        add_position(text, "before", message->u.fetch_answer.anchor);
        break;
    }
}

void script_print_log(struct script_text *text, const struct script_node *node)
{
    const struct script_log *log = &node->log;
    script_text_add(text, " log");
    if (log->begin.index != 0) {
        script_text_add(text, " after %" PRIu64 ":%" PRIu64, log->begin.index, log->begin.term);
    }
    for (dgraft_index i = log->begin.index + 1; i <= log->last; i++) {
        const bool durable = i <= node->disk.begin.index ||
                             (i <= node->disk.last && script_entry_same(&log->entries[i], &node->disk.entries[i]));
        script_text_add(text, " ");
        script_print_entry(text, i, &log->entries[i]);
        script_text_add(text, "%s", durable ? "" : "~");
    }
}

const char *script_outcome_name(enum dgraft_outcome outcome)
{
    switch (outcome) {
    case DGRAFT_OUTCOME_NOT_LEADER:
        return "NOT_LEADER";
    case DGRAFT_OUTCOME_BUSY:
        return "BUSY";
    case DGRAFT_OUTCOME_TOO_LARGE:
        return "TOO_LARGE";
    case DGRAFT_OUTCOME_DISK:
        return "DISK";
    case DGRAFT_OUTCOME_UNKNOWN:
        return "UNKNOWN";
    case DGRAFT_OUTCOME_LOST:
        return "LOST";
    case DGRAFT_OUTCOME_DONE:
        return "DONE";
    case DGRAFT_OUTCOME_TRANSFERRING:
        return "TRANSFERRING";
    case DGRAFT_OUTCOME_CHANGING:
        return "CHANGING";
    case DGRAFT_OUTCOME_INVALID:
        return "INVALID";
    case DGRAFT_OUTCOME_BEHIND:
        return "BEHIND";
    case DGRAFT_OUTCOME_EXPIRED:
        return "EXPIRED";
    }
    return "?";
}
