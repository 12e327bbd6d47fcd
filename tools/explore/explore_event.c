/* What can happen to a node, one function a kind: each makes the core's event of it. */
#include "explore_canon.h"
#include "explore_nodes.h"

#include <assert.h>
#include <string.h>

#define PAYLOAD_BYTES 8u

static enum dgraft_entry_kind kind_of(uint8_t content)
{
    if (content == EXPLORE_CONTENT_MEMBERS) {
        return DGRAFT_ENTRY_MEMBERSHIP;
    }
    return content == EXPLORE_CONTENT_NOOP ? DGRAFT_ENTRY_NOOP : DGRAFT_ENTRY_COMMAND;
}

static void entries_of(const struct explore_message *in, dgraft_index first, struct dgraft_entry *entries)
{
    for (uint32_t i = 0; i < in->count; i++) {
        const uint8_t content = in->entries[i] & 15;
        entries[i] = (struct dgraft_entry){.index = first + i,
                                           .term = explore_entry_term(in->entries[i]),
                                           .payload_bytes = kind_of(content) == DGRAFT_ENTRY_NOOP ? 0 : PAYLOAD_BYTES,
                                           .checksum = content,
                                           .kind = kind_of(content)};
    }
}

void explore_event_message(const struct explore_message *in, struct dgraft_entry *entries, struct dgraft_message *out)
{
    *out = (struct dgraft_message){.type = in->type, .from = in->from, .term = in->term, .store = 1};
    switch (out->type) {
    case DGRAFT_MESSAGE_PRE_VOTE_REQUEST:
    case DGRAFT_MESSAGE_VOTE_REQUEST:
        out->u.vote_request = (struct dgraft_vote_request){
            .term = in->request_term, .last = {in->index, in->index_term}, .transfer = in->transfer != 0};
        return;
    case DGRAFT_MESSAGE_PRE_VOTE_GRANT:
    case DGRAFT_MESSAGE_PRE_VOTE_REFUSE:
    case DGRAFT_MESSAGE_VOTE_GRANT:
    case DGRAFT_MESSAGE_VOTE_REFUSE:
        out->u.vote_reply = (struct dgraft_vote_reply){.term = in->request_term, .reason = in->reason};
        return;
    case DGRAFT_MESSAGE_APPEND:
        entries_of(in, in->index + 1u, entries);
        out->u.append = (struct dgraft_append){.prev = {in->index, in->index_term},
                                               .commit = in->commit,
                                               .round = in->round,
                                               .entries = entries,
                                               .count = in->count};
        return;
    case DGRAFT_MESSAGE_APPEND_ACK:
        out->u.append_ack = (struct dgraft_append_ack){.match = in->index, .round = in->round};
        return;
    case DGRAFT_MESSAGE_APPEND_REFUSE:
        out->u.append_refuse = (struct dgraft_append_refuse){
            .prev = in->index, .hint = {in->hint, in->hint_term}, .round = in->round, .reason = in->reason};
        return;
    case DGRAFT_MESSAGE_TIMEOUT_NOW:
        out->u.timeout_now = (struct dgraft_timeout_now){.last = {in->index, in->index_term}};
        return;
    case DGRAFT_MESSAGE_READ_REQUEST:
        out->u.read_request = (struct dgraft_read_request){.token = in->token};
        return;
    case DGRAFT_MESSAGE_READ_ANSWER:
        out->u.read_answer = (struct dgraft_read_answer){.token = in->token, .index = in->index};
        return;
    case DGRAFT_MESSAGE_FETCH:
        out->u.fetch =
            (struct dgraft_fetch){.first = in->index, .last = in->last, .anchor = {in->anchor, in->anchor_term}};
        return;
    case DGRAFT_MESSAGE_FETCH_ANSWER:
        entries_of(in, in->index, entries);
        out->u.fetch_answer = (struct dgraft_fetch_answer){.verdict = in->reason,
                                                           .count = in->count,
                                                           .first = in->index,
                                                           .anchor = {in->anchor, in->anchor_term},
                                                           .entries = entries};
        return;
    case DGRAFT_MESSAGE_SNAPSHOT_CHUNK: /* no host of the model makes snapshots */
    case DGRAFT_MESSAGE_SNAPSHOT_ACK:
        break;
    }
    assert(!"a message of the model has a type");
}

static bool run_arrival(struct explore_nodes *nodes, uint32_t argument, struct explore_effects *effects)
{
    struct explore_message message;
    struct dgraft_entry entries[EXPLORE_LOG_MAX];
    struct dgraft_event event = {.kind = DGRAFT_EVENT_RECEIVE, .now_ns = EXPLORE_NOW_NS};
    explore_nodes_message(nodes, argument >> 1, &message);
    if ((argument & 1) != 0) {
        event.now_ns = explore_canon_quiet_ns();
    }
    explore_event_message(&message, entries, &event.u.receive);
    return explore_host_step(nodes, &event, message.entries, effects);
}

static bool run_clock(struct explore_nodes *nodes, uint32_t argument, struct explore_effects *effects)
{
    const struct dgraft_event event = {.kind = DGRAFT_EVENT_WAKE, .now_ns = explore_canon_clock_ns(argument)};
    return explore_host_step(nodes, &event, NULL, effects);
}

static bool write_reaches_disk(struct explore_nodes *nodes, struct explore_disk *disk,
                               const struct explore_write *write)
{
    if (write->state != 0) {
        if (write->term < disk->term || (write->term == disk->term && disk->vote != 0 && write->vote != disk->vote)) {
            return explore_nodes_fail(nodes, "I-TERM: a WRITE takes term %u, vote %u back to term %u, vote %u",
                                      disk->term, disk->vote, write->term, write->vote);
        }
        disk->term = write->term;
        disk->vote = write->vote;
    }
    if (write->appends != 0) {
        memset(disk->log.entries + write->keep, 0, EXPLORE_LOG_MAX - write->keep);
        memcpy(disk->log.entries + write->keep, write->entries, write->count);
        disk->log.last = (uint8_t)(write->keep + write->count);
        disk->damaged &= (uint16_t)(explore_entry_bit(write->keep + 1u) - 1u);
    }
    for (uint32_t i = 0; write->mends != 0 && i < write->count; i++) {
        disk->damaged &= (uint16_t)~explore_entry_bit(write->keep + 1u + i);
    }
    return true;
}

/* Takes the first `count` WRITEs off the stream, onto the disk. */
static bool writes_reach_disk(struct explore_nodes *nodes, uint32_t count)
{
    struct explore_host *host = explore_node_host(nodes->node);
    assert(count <= host->write_count);
    for (uint32_t i = 0; i < count; i++) {
        if (!write_reaches_disk(nodes, &host->disk, &host->writes[i])) {
            return false;
        }
    }
    host->write_count = (uint8_t)(host->write_count - count);
    memmove(host->writes, host->writes + count, host->write_count * sizeof host->writes[0]);
    memset(host->writes + host->write_count, 0, (EXPLORE_WRITES_MAX - host->write_count) * sizeof host->writes[0]);
    return true;
}

static bool run_durable(struct explore_nodes *nodes, uint32_t argument, struct explore_effects *effects)
{
    /* In canonical form the WRITEs under way have the numbers 1, 2... */
    const struct dgraft_event event = {
        .kind = DGRAFT_EVENT_DURABLE, .now_ns = EXPLORE_NOW_NS, .u.durable.seq = argument};
    return writes_reach_disk(nodes, argument) && explore_host_step(nodes, &event, NULL, effects);
}

static bool run_propose(struct explore_nodes *nodes, uint32_t argument, struct explore_effects *effects)
{
    const uint8_t content = (uint8_t)(EXPLORE_CONTENT_COMMAND + argument);
    const struct dgraft_entry entry = {
        .payload_bytes = PAYLOAD_BYTES, .checksum = content, .kind = DGRAFT_ENTRY_COMMAND};
    struct dgraft_event event = {.kind = DGRAFT_EVENT_PROPOSE, .now_ns = EXPLORE_NOW_NS};
    event.u.propose =
        (struct dgraft_event_propose){.entries = &entry, .count = 1, .kind = DGRAFT_ENTRY_COMMAND, .id = 1 + argument};
    return explore_host_step(nodes, &event, &content, effects);
}

static bool run_read(struct explore_nodes *nodes, uint32_t argument, struct explore_effects *effects)
{
    const struct dgraft_event event = {.kind = DGRAFT_EVENT_READ, .now_ns = EXPLORE_NOW_NS, .u.read.id = 1 + argument};
    return explore_host_step(nodes, &event, NULL, effects);
}

static bool run_transfer(struct explore_nodes *nodes, uint32_t argument, struct explore_effects *effects)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_TRANSFER, .now_ns = EXPLORE_NOW_NS};
    event.u.transfer = (struct dgraft_event_transfer){.id = 1, .target = argument};
    return explore_host_step(nodes, &event, NULL, effects);
}

static void damage(struct explore_disk *disk, uint32_t index)
{
    disk->damaged |= index > 0 && index <= disk->log.last ? explore_entry_bit(index) : 0;
}

/* Some WRITEs were done, perhaps unreported; the next may have come as far as term and vote; the rest is lost. */
static bool run_crash(struct explore_nodes *nodes, uint32_t argument, struct explore_effects *effects)
{
    struct explore_host *host = explore_node_host(nodes->node);
    struct dgraft_core_status status;
    dgraft_core_status(explore_node_core(nodes->node), &status);
    if (!writes_reach_disk(nodes, explore_crash_written(argument) >> 1)) {
        return false;
    }
    if ((argument & 1) != 0) {
        host->writes[0].appends = 0;
        if (!write_reaches_disk(nodes, &host->disk, &host->writes[0])) {
            return false;
        }
    }
    damage(&host->disk, explore_crash_damaged(argument));
    host->starts++;
    const struct explore_start start = {.self = status.self, .asked = explore_crash_asked(argument)};
    return explore_host_start(nodes, &start, effects);
}

static bool run_reopen(struct explore_nodes *nodes, uint32_t argument, struct explore_effects *effects)
{
    struct dgraft_core_status status;
    dgraft_core_status(explore_node_core(nodes->node), &status);
    explore_node_host(nodes->node)->starts++;
    const struct explore_start start = {.self = status.self, .asked = argument, .applied = status.applied};
    return explore_host_start(nodes, &start, effects);
}

static bool run_damage(struct explore_nodes *nodes, uint32_t argument, struct explore_effects *effects)
{
    const struct dgraft_event event = {.kind = DGRAFT_EVENT_DAMAGED, .now_ns = EXPLORE_NOW_NS};
    damage(&explore_node_host(nodes->node)->disk, argument);
    return explore_host_step(nodes, &event, NULL, effects);
}

bool explore_event_run(struct explore_nodes *nodes, struct explore_event event, struct explore_effects *effects)
{
    switch (event.kind) {
    case EXPLORE_EVENT_ARRIVAL:
        return run_arrival(nodes, event.argument, effects);
    case EXPLORE_EVENT_CLOCK:
        return run_clock(nodes, event.argument, effects);
    case EXPLORE_EVENT_DURABLE:
        return run_durable(nodes, event.argument, effects);
    case EXPLORE_EVENT_PROPOSE:
        return run_propose(nodes, event.argument, effects);
    case EXPLORE_EVENT_READ:
        return run_read(nodes, event.argument, effects);
    case EXPLORE_EVENT_CRASH:
        return run_crash(nodes, event.argument, effects);
    case EXPLORE_EVENT_TRANSFER:
        return run_transfer(nodes, event.argument, effects);
    case EXPLORE_EVENT_REOPEN:
        return run_reopen(nodes, event.argument, effects);
    case EXPLORE_EVENT_DAMAGE:
        return run_damage(nodes, event.argument, effects);
    }
    return explore_nodes_fail(nodes, "no event is of kind %u", event.kind);
}
