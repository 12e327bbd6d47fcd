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
    if (write->keep < log->last &&
        (write->count == 0 || explore_entry_term(log->entries[write->keep]) == explore_entry_term(noted->entries[0]))) {
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
        out->count = (uint8_t)(send->last.index - message->u.append.prev.index);
        if (send->last.index > turn->host->log.last || message->u.append.round > UINT8_MAX) {
            return false;
        }
        memcpy(out->entries, turn->host->log.entries + out->index, out->count);
        return true;
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
    case DGRAFT_MESSAGE_SNAPSHOT_CHUNK: /* no host of the model makes snapshots */
    case DGRAFT_MESSAGE_SNAPSHOT_ACK:
    case DGRAFT_MESSAGE_FETCH: /* nor is anything damaged */
    case DGRAFT_MESSAGE_FETCH_ANSWER:
        return false;
    }
    return false;
}

/* What must be on disk before a message may leave. */
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
        answer(turn, DGRAFT_EVENT_APPLIED)->u.applied.index = action->u.apply.last;
        return true;
    case DGRAFT_ACTION_LOOKUP:
        answer(turn, DGRAFT_EVENT_TERM)->u.term.position = (struct dgraft_position){
            action->u.lookup.index, explore_log_term(&turn->host->log, action->u.lookup.index)};
        return true;
    case DGRAFT_ACTION_READ_READY:
        turn->effects->ready[action->u.read_ready.id - 1] = (uint8_t)(1 + action->u.read_ready.index);
        return true;
    case DGRAFT_ACTION_ACCEPTED:
    case DGRAFT_ACTION_OUTCOME: /* clients' knowledge is not part of the model */
    case DGRAFT_ACTION_NOTICE:
        return true;
    case DGRAFT_ACTION_SNAPSHOT_STORE: /* no host of the model makes snapshots */
    case DGRAFT_ACTION_INSTALL:
    case DGRAFT_ACTION_COMPACT:
    case DGRAFT_ACTION_MEND: /* nor is anything damaged */
    case DGRAFT_ACTION_REOPEN:
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

bool explore_host_start(struct explore_nodes *nodes, dgraft_node_id id)
{
    struct explore_host *host = explore_node_host(nodes->node);
    const struct explore_log *log = &host->disk.log;
    struct dgraft_config config;
    struct dgraft_term_run runs[EXPLORE_LOG_MAX];
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START, .now_ns = EXPLORE_NOW_NS};
    struct explore_effects effects = {.sent_count = 0};
    uint32_t run_count = 0;
    explore_canon_config(&config, id, nodes->node_count);
    if (dgraft_core_init(explore_node_core(nodes->node), &config) == NULL) {
        return explore_nodes_fail(nodes, "the core refuses the configuration");
    }
    for (uint32_t index = 1; index <= log->last; index++) {
        if (explore_log_term(log, index) != explore_log_term(log, index - 1)) {
            runs[run_count++] = (struct dgraft_term_run){.first = index, .term = explore_log_term(log, index)};
        }
    }
    const struct dgraft_position last = {log->last, explore_log_term(log, log->last)};
    host->log = *log;
    host->write_count = 0;
    memset(host->writes, 0, sizeof host->writes);
    event.u.start =
        (struct dgraft_event_start){.store = 1, /* the same for all, so that nodes may be exchanged */
                                    .term = host->disk.term,
                                    .vote = host->disk.vote,
                                    .last = last,
                                    .floor = last,
                                    .commit = 1, /* the founders; of what else is committed, disks need not know */
                                    .runs = runs,
                                    .run_count = run_count,
                                    .membership = {.index = 1, .voters = (UINT64_C(1) << nodes->node_count) - 1}};
    for (uint32_t i = 0; i < nodes->node_count; i++) {
        event.u.start.membership.stores[i] = 1; /* written down, so that no leader has to */
    }
    if (!explore_host_step(nodes, &event, NULL, &effects)) {
        return false;
    }
    explore_canon_tokens(explore_node_core(nodes->node), host->starts);
    return effects.sent_count == 0 || explore_nodes_fail(nodes, "a node speaks as soon as it starts");
}
