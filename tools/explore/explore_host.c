/* The host of a core: the least that carries out its actions, and the rules that can be checked at one node alone. */
#include "explore_canon.h"
#include "explore_guard.h"
#include "explore_nodes.h"

#include <assert.h>
#include <string.h>

/* What an entry takes on its way; no bound of the configuration comes near. */
#define ENTRY_BYTES 64u

#define ANSWERS_MAX 32u

/* One event, and the answers that the host owes the core for it. */
struct turn {
    struct explore_nodes *nodes;
    struct explore_host *host;
    struct dgraft_core *core;
    const uint8_t *entries; /* that came with the event */
    struct explore_effects *effects;
    struct dgraft_event answers[ANSWERS_MAX];
    uint32_t answer_count;
};

static struct dgraft_event *answer(struct turn *turn, enum dgraft_event_kind kind)
{
    assert(turn->answer_count < ANSWERS_MAX);
    struct dgraft_event *event = &turn->answers[turn->answer_count++];
    *event = (struct dgraft_event){.kind = kind};
    return event;
}

static uint8_t entry_of(const struct turn *turn, const struct dgraft_action_write *write, uint32_t nth)
{
    if (write->entry_term == 0) {
        return turn->entries[write->skip + nth];
    }
    const uint8_t content = write->made == DGRAFT_ENTRY_NOOP ? EXPLORE_CONTENT_NOOP : turn->entries[write->skip + nth];
    return explore_entry((uint32_t)write->entry_term, content);
}

/* Whether a WRITE contradicts what it overwrites. It may begin with what stands there already, when that begins with a
 * damaged entry: all up to the contradiction takes its place in one piece. */
static bool conflicts(const struct explore_host *host, const struct explore_write *write)
{
    const uint8_t left = (uint8_t)(host->log.last - write->keep);
    const uint8_t most = write->count < left ? write->count : left;
    uint8_t same = 0;
    while (same < most && host->log.entries[write->keep + same] == write->entries[same]) {
        same++;
    }
    return same < most && (same == 0 || (host->disk.damaged & explore_entry_bit(write->keep + 1u)) != 0) &&
           explore_entry_term(host->log.entries[write->keep + same]) != explore_entry_term(write->entries[same]);
}

static bool take_write(struct turn *turn, const struct dgraft_action_write *write)
{
    struct explore_host *host = turn->host;
    struct explore_log *log = &host->log;
    if (host->write_count == EXPLORE_WRITES_MAX || write->keep + write->count > EXPLORE_LOG_MAX ||
        write->term > EXPLORE_TERM_MAX) {
        return explore_nodes_fail(turn->nodes, "out of the model's bounds: %u WRITEs, %u entries, terms to %u",
                                  EXPLORE_WRITES_MAX, EXPLORE_LOG_MAX, EXPLORE_TERM_MAX);
    }
    if (write->made != 0 && write->made != DGRAFT_ENTRY_NOOP) {
        return explore_nodes_fail(turn->nodes, "the model does not know entries of kind %u", write->made);
    }
    if (write->keep > log->last || (write->count > 0 && write->first != write->keep + 1)) {
        return explore_nodes_fail(turn->nodes, "I-LM: a WRITE leaves a gap in the log");
    }
    struct explore_write *noted = &host->writes[host->write_count++];
    *noted = (struct explore_write){.state = write->state,
                                    .term = (uint8_t)write->term,
                                    .vote = (uint8_t)write->vote,
                                    .appends = write->count > 0 || write->keep < log->last,
                                    .keep = (uint8_t)write->keep,
                                    .count = (uint8_t)write->count};
    for (uint32_t i = 0; i < write->count; i++) {
        noted->entries[i] = entry_of(turn, write, i);
    }
    if (write->keep < log->last && !conflicts(host, noted)) {
        return explore_nodes_fail(turn->nodes, "I-TRUNC: entries after %u are cut off without a conflict of terms",
                                  noted->keep);
    }
    if (write->keep < log->last && write->entry_term != 0) {
        return explore_nodes_fail(turn->nodes, "I-LAO: a leader overwrites its own log after %u", noted->keep);
    }
    memset(log->entries + noted->keep, 0, EXPLORE_LOG_MAX - noted->keep);
    memcpy(log->entries + noted->keep, noted->entries, noted->count);
    log->last = (uint8_t)(noted->keep + noted->count);
    return true;
}

static bool take_mend(struct turn *turn, const struct dgraft_action_mend *mend)
{
    struct explore_host *host = turn->host;
    if (host->write_count == EXPLORE_WRITES_MAX || mend->first + mend->count - 1 > host->disk.log.last) {
        return explore_nodes_fail(turn->nodes, "I-MEND: %u entries are mended from %llu on, the disk has entries to %u",
                                  mend->count, (unsigned long long)mend->first, host->disk.log.last);
    }
    struct explore_write *noted = &host->writes[host->write_count++];
    *noted = (struct explore_write){.mends = 1, .keep = (uint8_t)(mend->first - 1), .count = (uint8_t)mend->count};
    memcpy(noted->entries, turn->entries, noted->count);
    for (uint32_t i = noted->keep; i < noted->keep + mend->count; i++) {
        if (host->disk.log.entries[i] != turn->entries[i - noted->keep] ||
            (host->disk.damaged & explore_entry_bit(i + 1)) == 0) {
            return explore_nodes_fail(turn->nodes,
                                      "I-MEND: entry %u is mended as one of term %u, and was another or is whole",
                                      i + 1, explore_entry_term(turn->entries[i - noted->keep]));
        }
    }
    return true;
}

/* The store is opened again when all WRITEs are done: but who asks for it with a MEND under way has lost sight of it.
 */
static bool take_reopen(struct turn *turn)
{
    struct explore_host *host = turn->host;
    host->reopen = 1;
    for (uint32_t i = 0; i < host->write_count; i++) {
        if (host->writes[i].mends != 0) {
            return explore_nodes_fail(turn->nodes, "I-MEND: a store is to be opened again while a MEND is under way");
        }
    }
    return true;
}

/* Packs the entries that a message carries. Returns false when one is not there. */
static bool pack_entries(const struct turn *turn, dgraft_index first, dgraft_index last, struct explore_message *out)
{
    if (last > turn->host->log.last) {
        return false;
    }
    out->count = (uint8_t)(last + 1 - first);
    for (uint32_t i = 0; i < out->count; i++) {
        if ((turn->host->disk.damaged & explore_entry_bit(first + i)) != 0) {
            return explore_nodes_fail(turn->nodes, "I-DAMAGE: entry %u is given, which is damaged here",
                                      (uint32_t)first + i);
        }
        out->entries[i] = turn->host->log.entries[first - 1 + i];
    }
    return true;
}

/* Returns the term of an entry on disk or under way, 0 when it cannot be read. */
static uint8_t term_held(const struct explore_host *host, dgraft_index index)
{
    return explore_log_common(&host->disk.log, &host->log) >= index ? explore_disk_term(&host->disk, index)
                                                                    : explore_log_term(&host->log, index);
}

/* As the host of raftd: it looks whether its log holds the anchor, of which the core may not know the term. */
static bool pack_fetched(const struct turn *turn, const struct dgraft_action_send *send, struct explore_message *out)
{
    const struct dgraft_fetch_answer *fetched = &send->message.u.fetch_answer;
    out->index = (uint8_t)fetched->first;
    out->anchor = (uint8_t)fetched->anchor.index;
    out->anchor_term = (uint8_t)fetched->anchor.term;
    out->reason = (uint8_t)fetched->verdict;
    if (fetched->verdict != DGRAFT_FETCH_HAVE) {
        return true;
    }
    if (term_held(turn->host, fetched->anchor.index) != fetched->anchor.term) {
        out->reason = DGRAFT_FETCH_HAVE_NOT;
        return true;
    }
    return pack_entries(turn, fetched->first, send->last.index, out);
}

/* Packs a message. Returns false when something does not fit. */
static bool pack(const struct turn *turn, const struct dgraft_action_send *send, struct explore_message *out)
{
    const struct dgraft_message *message = &send->message;
    memset(out, 0, sizeof *out);
    out->type = (uint8_t)message->type;
    out->from = (uint8_t)message->from;
    out->term = (uint8_t)message->term;
    switch (message->type) {
    case DGRAFT_MESSAGE_PRE_VOTE_REQUEST:
    case DGRAFT_MESSAGE_VOTE_REQUEST:
        out->request_term = (uint8_t)message->u.vote_request.term;
        out->index = (uint8_t)message->u.vote_request.last.index;
        out->index_term = (uint8_t)message->u.vote_request.last.term;
        out->transfer = message->u.vote_request.transfer;
        return true;
    case DGRAFT_MESSAGE_PRE_VOTE_GRANT:
    case DGRAFT_MESSAGE_PRE_VOTE_REFUSE:
    case DGRAFT_MESSAGE_VOTE_GRANT:
    case DGRAFT_MESSAGE_VOTE_REFUSE:
        out->request_term = (uint8_t)message->u.vote_reply.term;
        out->reason = (uint8_t)message->u.vote_reply.reason;
        return true;
    case DGRAFT_MESSAGE_APPEND:
        out->index = (uint8_t)message->u.append.prev.index;
        out->index_term = (uint8_t)message->u.append.prev.term;
        out->commit = (uint8_t)message->u.append.commit;
        out->round = (uint8_t)message->u.append.round;
        return message->u.append.round <= UINT8_MAX && pack_entries(turn, out->index + 1u, send->last.index, out);
    case DGRAFT_MESSAGE_APPEND_ACK:
        out->index = (uint8_t)message->u.append_ack.match;
        out->round = (uint8_t)message->u.append_ack.round;
        return true;
    case DGRAFT_MESSAGE_APPEND_REFUSE:
        out->index = (uint8_t)message->u.append_refuse.prev;
        out->hint = (uint8_t)message->u.append_refuse.hint.index;
        out->hint_term = (uint8_t)message->u.append_refuse.hint.term;
        out->round = (uint8_t)message->u.append_refuse.round;
        out->reason = (uint8_t)message->u.append_refuse.reason;
        return true;
    case DGRAFT_MESSAGE_TIMEOUT_NOW:
        out->index = (uint8_t)message->u.timeout_now.last.index;
        out->index_term = (uint8_t)message->u.timeout_now.last.term;
        return true;
    case DGRAFT_MESSAGE_READ_REQUEST:
        out->token = (uint8_t)message->u.read_request.token;
        return message->u.read_request.token <= UINT8_MAX;
    case DGRAFT_MESSAGE_READ_ANSWER:
        out->token = (uint8_t)message->u.read_answer.token;
        out->index = (uint8_t)message->u.read_answer.index;
        return true;
    case DGRAFT_MESSAGE_FETCH:
        out->index = (uint8_t)message->u.fetch.first;
        out->last = (uint8_t)message->u.fetch.last;
        out->anchor = (uint8_t)message->u.fetch.anchor.index;
        out->anchor_term = (uint8_t)message->u.fetch.anchor.term;
        return true;
    case DGRAFT_MESSAGE_FETCH_ANSWER:
        return pack_fetched(turn, send, out);
    case DGRAFT_MESSAGE_SNAPSHOT_CHUNK: /* no host of the model makes snapshots */
    case DGRAFT_MESSAGE_SNAPSHOT_ACK:
        return false;
    }
    return false;
}

static dgraft_index applied(const struct turn *turn)
{
    struct dgraft_core_status status;
    dgraft_core_status(turn->core, &status);
    return status.applied;
}

/* What must be on disk before a message may leave. What is applied is known to be committed, damaged or not. */
static bool promise_kept(struct turn *turn, const struct explore_message *message)
{
    const struct explore_disk *disk = &turn->host->disk;
    if (message->term > disk->term) {
        return explore_nodes_fail(turn->nodes, "I-DURVOTE: a message leaves with term %u, the disk has %u",
                                  message->term, disk->term);
    }
    const bool vote = message->type == DGRAFT_MESSAGE_VOTE_GRANT || message->type == DGRAFT_MESSAGE_VOTE_REQUEST;
    const uint8_t whom = message->type == DGRAFT_MESSAGE_VOTE_GRANT ? message->to : message->from;
    if (vote && (disk->term != message->request_term || disk->vote != whom)) {
        return explore_nodes_fail(turn->nodes, "I-DURVOTE: a vote of term %u leaves, the disk has term %u, vote %u",
                                  message->request_term, disk->term, disk->vote);
    }
    if (message->type == DGRAFT_MESSAGE_APPEND_ACK && message->index > disk->log.last) {
        return explore_nodes_fail(turn->nodes, "I-ACK: %u is acknowledged, the disk has entries to %u", message->index,
                                  disk->log.last);
    }
    const uint8_t damaged = explore_first_damaged(disk->damaged & turn->host->told);
    if (message->type == DGRAFT_MESSAGE_APPEND_ACK && message->index >= damaged && message->index > applied(turn)) {
        return explore_nodes_fail(turn->nodes, "I-DAMAGE: %u is acknowledged, and entry %u is damaged", message->index,
                                  damaged);
    }
    return true;
}

static bool take_send(struct turn *turn, const struct dgraft_action_send *send)
{
    struct explore_nodes *nodes = turn->nodes;
    struct explore_message message;
    if (!pack(turn, send, &message)) {
        return explore_nodes_fail(nodes, "the model does not know messages of type %u, or this one is out of bounds",
                                  send->message.type);
    }
    for (dgraft_node_set left = send->receivers; left != 0; left &= left - 1) {
        message.to = (uint8_t)dgraft_node_set_first(left);
        if (message.to > nodes->node_count || turn->effects->sent_count == EXPLORE_SENT_MAX) {
            return explore_nodes_fail(nodes, "a message goes to node %u, or a step sends too many", message.to);
        }
        if (!promise_kept(turn, &message)) {
            return false;
        }
        turn->effects->sent[turn->effects->sent_count++] = explore_pool_put(&nodes->messages, &message, sizeof message);
    }
    if (message.type == DGRAFT_MESSAGE_APPEND && message.count > 0) {
        answer(turn, DGRAFT_EVENT_SENT)->u.sent = (struct dgraft_event_sent){.receivers = send->receivers,
                                                                             .term = send->message.term,
                                                                             .prev = message.index,
                                                                             .last = send->last.index,
                                                                             .bytes = message.count * ENTRY_BYTES};
    }
    return true;
}

static bool readable(const struct turn *turn, const struct dgraft_action_apply *apply)
{
    uint16_t damaged = 0;
    for (dgraft_index index = apply->first; index <= apply->last; index++) {
        damaged |= turn->host->disk.damaged & explore_entry_bit(index);
    }
    return damaged == 0;
}

static bool carry_out(struct turn *turn, const struct dgraft_action *action)
{
    switch (action->kind) {
    case DGRAFT_ACTION_WRITE:
        return take_write(turn, &action->u.write);
    case DGRAFT_ACTION_SEND:
        return take_send(turn, &action->u.send);
    case DGRAFT_ACTION_APPLY:
        if (action->u.apply.last > turn->host->disk.log.last) {
            return explore_nodes_fail(turn->nodes, "I-SMS: entry %llu is applied, the disk has entries to %u",
                                      (unsigned long long)action->u.apply.last, turn->host->disk.log.last);
        }
        if (!readable(turn, &action->u.apply)) {
            return explore_nodes_fail(turn->nodes, "I-DAMAGE: an entry up to %llu is applied, and is damaged",
                                      (unsigned long long)action->u.apply.last);
        }
        answer(turn, DGRAFT_EVENT_APPLIED)->u.applied.index = action->u.apply.last;
        return true;
    case DGRAFT_ACTION_LOOKUP:
        answer(turn, DGRAFT_EVENT_TERM)->u.term.position =
            (struct dgraft_position){action->u.lookup.index, term_held(turn->host, action->u.lookup.index)};
        return true;
    case DGRAFT_ACTION_READ_READY:
        turn->effects->ready[action->u.read_ready.id - 1] = (uint8_t)(1 + action->u.read_ready.index);
        return true;
    case DGRAFT_ACTION_MEND:
        return take_mend(turn, &action->u.mend);
    case DGRAFT_ACTION_REOPEN:
        return take_reopen(turn);
    case DGRAFT_ACTION_ACCEPTED:
    case DGRAFT_ACTION_OUTCOME: /* clients' knowledge is not part of the model */
    case DGRAFT_ACTION_NOTICE:
        return true;
    case DGRAFT_ACTION_SNAPSHOT_STORE: /* no host of the model makes snapshots */
    case DGRAFT_ACTION_INSTALL:
    case DGRAFT_ACTION_COMPACT:
        break;
    }
    return explore_nodes_fail(turn->nodes, "the model does not know actions of kind %u", action->kind);
}

static const char *core_broken(const struct explore_nodes *nodes, const struct dgraft_core *core,
                               const struct dgraft_event *event)
{
    const struct dgraft_core *before = (const struct dgraft_core *)(const void *)nodes->before;
    const char *broken = dgraft_core_check_step(before, core, event, nodes->actions);
    return broken != NULL ? broken : dgraft_core_check(core);
}

static bool step(struct turn *turn, const struct dgraft_event *event)
{
    struct explore_nodes *nodes = turn->nodes;
    enum dgraft_status status = DGRAFT_OK;
    memcpy(nodes->before, turn->core, nodes->node_bytes - EXPLORE_HOST_BYTES);
    nodes->steps++;
    if (!explore_guard_step(turn->core, event, nodes->actions, &status)) {
        return explore_nodes_fail(nodes, "an assertion of the core does not hold");
    }
    if (status != DGRAFT_OK) {
        return explore_nodes_fail(nodes, "the core refuses an event of kind %u: %s", event->kind,
                                  dgraft_status_name(status));
    }
    const char *broken = nodes->bare ? NULL : core_broken(nodes, turn->core, event);
    if (broken != NULL) {
        return explore_nodes_fail(nodes, "the core's own rule: %s", broken);
    }
    struct dgraft_core_status now;
    dgraft_core_status(turn->core, &now);
    if (now.poisoned) {
        return explore_nodes_fail(nodes, "I-SMS: an append contradicts what this node knows to be committed");
    }
    for (uint32_t i = 0; i < nodes->actions->count; i++) {
        if (!carry_out(turn, &nodes->actions->items[i])) {
            return false;
        }
    }
    return true;
}

bool explore_host_step(struct explore_nodes *nodes, const struct dgraft_event *event, const uint8_t *entries,
                       struct explore_effects *effects)
{
    struct turn turn = {.nodes = nodes,
                        .host = explore_node_host(nodes->node),
                        .core = explore_node_core(nodes->node),
                        .entries = entries,
                        .effects = effects};
    if (!step(&turn, event)) {
        return false;
    }
    for (uint32_t i = 0; i < turn.answer_count; i++) {
        struct dgraft_event next = turn.answers[i];
        next.now_ns = event->now_ns;
        if (!step(&turn, &next)) {
            return false;
        }
    }
    return true;
}
