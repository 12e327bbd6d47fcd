/* What nodes say to each other, checked where it leaves them. */
#include "sim_check.h"

#include <dgraft/fragment.h>
#include <dgraft/frame.h>

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define MESSAGES_MAX 32u

/* Fragments of one message on its way from one node to another. */
struct sim_message {
    dgraft_node_id from;
    dgraft_node_id to;
    uint64_t stream;
    uint64_t number;
    uint32_t size;
    uint32_t pieces_left;
    uint8_t *bytes; /* NULL: complete, or free */
    uint8_t *seen;  /* by piece */
};

bool sim_check_open(struct sim_check *check, uint32_t node_count, struct sim_counts *counts, struct sim_trace *trace)
{
    *check = (struct sim_check){.node_count = node_count, .counts = counts, .trace = trace};
    check->messages = calloc(MESSAGES_MAX, sizeof *check->messages);
    check->descriptors = calloc(DGRAFT_FRAME_ENTRIES_MAX, sizeof *check->descriptors);
    return check->messages != NULL && check->descriptors != NULL;
}

static void message_free(struct sim_message *message)
{
    free(message->bytes);
    free(message->seen);
    message->bytes = NULL;
    message->seen = NULL;
}

void sim_check_close(struct sim_check *check)
{
    for (uint32_t i = 0; check->messages != NULL && i < MESSAGES_MAX; i++) {
        message_free(&check->messages[i]);
    }
    for (uint32_t i = 0; i < SIM_NODES_MAX; i++) {
        free(check->ghosts[i].terms);
        free(check->ghosts[i].lost_terms);
        free(check->ghosts[i].votes_durable);
        free(check->ghosts[i].votes_sent);
        free(check->ghosts[i].before_crash);
    }
    free(check->messages);
    free(check->descriptors);
    free(check->terms);
    free(check->committed);
    free(check->fates);
    free(check->members.items);
    sim_tree_close(&check->tree);
}

bool sim_check_vote(struct sim_check *check, dgraft_node_id node, dgraft_term term, dgraft_node_id candidate)
{
    struct sim_ghost *ghost = &check->ghosts[node];
    const unsigned long long t = term;

    if (!sim_ghost_reserve_votes(ghost, term)) {
        return sim_check_fail(check, "terms run away: %llu", t);
    }
    if (ghost->votes_durable[term] != candidate) {
        return sim_check_fail(check, "I-DURVOTE: node %u votes for %u in term %llu; its disk says %u", node, candidate,
                              t, ghost->votes_durable[term]);
    }
    if (ghost->votes_sent[term] != 0 && ghost->votes_sent[term] != candidate) {
        return sim_check_fail(check, "I-VOTE: node %u votes for %u and for %u in term %llu", node,
                              ghost->votes_sent[term], candidate, t);
    }
    ghost->votes_sent[term] = candidate;
    struct sim_term *known = sim_check_term(check, term);
    const struct sim_membership *members = sim_members_committed(check);
    const uint64_t store = members == NULL ? 0 : dgraft_membership_store(&members->membership, node);
    if (known != NULL && (store == 0 || ghost->store == 0 || store == ghost->store)) {
        known->granted[candidate] |= dgraft_node_set_of(node);
    }
    return known != NULL;
}

static bool on_chain(const struct sim_check *check, const struct sim_term *term, struct dgraft_position position)
{
    const dgraft_term known = sim_tree_term_at(&check->tree, term->tip, position.index);
    return position.index == 0 || known == position.term || known == SIM_TERM_UNKNOWN;
}

bool sim_check_extends(struct sim_check *check, dgraft_term number, struct dgraft_position end)
{
    struct sim_term *term = sim_check_term(check, number);

    if (term == NULL) {
        return false;
    }
    if (end.index > term->tip.index) {
        const dgraft_term held = sim_tree_term_at(&check->tree, end, term->tip.index);
        if (held != term->tip.term && held != SIM_TERM_UNKNOWN) {
            return sim_check_fail(check, "I-LAO: the leader of term %llu sends another log than before at %llu",
                                  (unsigned long long)number, (unsigned long long)term->tip.index);
        }
        term->tip = end;
    } else if (!on_chain(check, term, end)) {
        return sim_check_fail(check, "I-LAO: the leader of term %llu sends (%llu, %llu), which is not in its log",
                              (unsigned long long)number, (unsigned long long)end.index, (unsigned long long)end.term);
    }
    return true;
}

static bool append_entries(struct sim_check *check, const struct dgraft_frame *frame)
{
    const struct dgraft_append *append = &frame->message.u.append;
    const uint8_t *records = frame->records;
    size_t left = frame->records_bytes;
    dgraft_term before = append->prev.term;

    for (uint32_t i = 0; i < append->count; i++) {
        struct dgraft_record record;
        struct sim_command command = {0};
        dgraft_index session = 0;
        size_t used = 0;
        if (dgraft_record_decode(records, left, &record, &used) != DGRAFT_ACCEPT ||
            record.entry.index != append->prev.index + 1 + i) {
            return sim_check_fail(check, "I-DEC: node %u sends a record that does not decode", frame->header.from);
        }
        if (record.entry.kind == DGRAFT_ENTRY_COMMAND && !sim_record_command(&record, &command, &session)) {
            return sim_check_fail(check, "I-LM: node %u sends a command that nobody proposed", frame->header.from);
        }
        const struct sim_entry entry = {
            .term = record.entry.term,
            .before = before,
            .hash = XXH3_64bits_withSeed(record.payload, record.entry.payload_bytes, record.tag),
            .operation = command.operation,
            .session = session,
            .kind = record.entry.kind,
        };
        if (!sim_check_entry(check, record.entry.index, &entry, "in an append")) {
            return false;
        }
        if (entry.kind == DGRAFT_ENTRY_MEMBERSHIP &&
            !sim_members_note(check, (struct dgraft_position){record.entry.index, entry.term}, record.payload,
                              record.entry.payload_bytes)) {
            return false;
        }
        before = record.entry.term;
        records += used;
        left -= used;
    }
    return true;
}

static bool check_append(struct sim_check *check, const struct dgraft_frame *frame)
{
    const struct dgraft_append *append = &frame->message.u.append;
    const dgraft_node_id from = frame->header.from;
    struct dgraft_position end = append->prev;

    if (!sim_check_leader(check, from, frame->header.term) || !sim_check_vote(check, from, frame->header.term, from) ||
        !append_entries(check, frame)) {
        return false;
    }
    struct sim_term *term = sim_check_term(check, frame->header.term);
    if (term == NULL) {
        return false;
    }
    if (append->count > 0) {
        end.index += append->count;
        end.term = append->entries[append->count - 1].term;
    }
    if (!sim_check_extends(check, frame->header.term, end)) {
        return false;
    }
    term->round_max = append->round > term->round_max ? append->round : term->round_max;
    for (dgraft_node_id node = 1; node <= check->node_count; node++) {
        if (dgraft_node_set_has(frame->header.to, node) && end.index > term->shown[node]) {
            term->shown[node] = end.index;
        }
    }
    if (append->commit > check->committed_last &&
        !sim_check_commit(check, from, frame->header.term, true, append->commit)) {
        return false;
    }
    check->counts->of[SIM_COUNT_APPEND_MANY] += append->count > 1;
    check->counts->of[SIM_COUNT_APPEND_TO_MANY] += dgraft_node_set_count(frame->header.to) > 1;
    return true;
}

static bool check_ack(struct sim_check *check, const struct dgraft_frame *frame)
{
    const struct dgraft_append_ack *ack = &frame->message.u.append_ack;
    const dgraft_node_id from = frame->header.from;
    const struct sim_ghost *ghost = &check->ghosts[from];
    const struct sim_term *term = sim_check_term(check, frame->header.term);

    check->counts->of[SIM_COUNT_APPEND_ACK]++;
    if (term == NULL) {
        return false;
    }
    if (ack->match > sim_ghost_last(ghost)) {
        return sim_check_fail(check, "I-ACK: node %u acknowledges %llu, its disk holds %llu", from,
                              (unsigned long long)ack->match, (unsigned long long)sim_ghost_last(ghost));
    }
    const struct dgraft_position match = {ack->match, sim_ghost_term(check, ghost, ack->match)};
    if (!on_chain(check, term, match) || ack->match > term->shown[from]) {
        return sim_check_fail(
            check, "I-ACK: node %u acknowledges (%llu, %llu), which the leader of term %llu has not shown", from,
            (unsigned long long)match.index, (unsigned long long)match.term, (unsigned long long)frame->header.term);
    }
    if (ack->round > term->round_max) {
        return sim_check_fail(check, "I-ACK: node %u echoes round %llu of term %llu, newest is %llu", from,
                              (unsigned long long)ack->round, (unsigned long long)frame->header.term,
                              (unsigned long long)term->round_max);
    }
    return true;
}

/* Whoever gives entries has them, and the one behind them. */
static bool check_fetched(struct sim_check *check, const struct dgraft_frame *frame)
{
    const struct dgraft_fetch_answer *answer = &frame->message.u.fetch_answer;
    const struct sim_ghost *ghost = &check->ghosts[frame->header.from];
    check->counts->of[SIM_COUNT_FETCH_ANSWER]++;
    check->counts->of[SIM_COUNT_FETCHED] += answer->count;
    for (uint32_t i = 0; i < answer->count; i++) {
        const struct dgraft_entry *entry = &answer->entries[i];
        if (sim_ghost_term(check, ghost, entry->index) != entry->term) {
            return sim_check_fail(check, "I-FETCH: node %u gives (%llu, %llu), which its disk does not hold",
                                  frame->header.from, (unsigned long long)entry->index,
                                  (unsigned long long)entry->term);
        }
    }
    return true;
}

static bool check_message(struct sim_check *check, const struct dgraft_frame *frame)
{
    const struct dgraft_frame_header *header = &frame->header;
    const struct dgraft_message *message = &frame->message;

    switch (message->type) {
    case DGRAFT_MESSAGE_PRE_VOTE_REQUEST:
        return true;
    case DGRAFT_MESSAGE_PRE_VOTE_GRANT:
        check->counts->of[SIM_COUNT_PRE_VOTE_GRANT]++;
        return true;
    case DGRAFT_MESSAGE_PRE_VOTE_REFUSE:
        check->counts->of[SIM_COUNT_PRE_VOTE_REFUSE]++;
        return true;
    case DGRAFT_MESSAGE_VOTE_REQUEST:
        return sim_check_vote(check, header->from, message->u.vote_request.term, header->from);
    case DGRAFT_MESSAGE_VOTE_GRANT:
        check->counts->of[SIM_COUNT_VOTE_GRANT]++;
        return sim_check_vote(check, header->from, message->u.vote_reply.term, dgraft_node_set_first(header->to));
    case DGRAFT_MESSAGE_VOTE_REFUSE:
        check->counts->of[SIM_COUNT_VOTE_REFUSE]++;
        return true;
    case DGRAFT_MESSAGE_APPEND:
        return check_append(check, frame);
    case DGRAFT_MESSAGE_APPEND_ACK:
        return check_ack(check, frame);
    case DGRAFT_MESSAGE_SNAPSHOT_CHUNK:
        return sim_check_chunk(check, frame, dgraft_node_set_first(header->to));
    case DGRAFT_MESSAGE_SNAPSHOT_ACK:
        return sim_check_stored(check, frame);
    case DGRAFT_MESSAGE_APPEND_REFUSE:
        check->counts->of[SIM_COUNT_APPEND_REFUSE]++;
        if (message->u.append_refuse.hint.index > message->u.append_refuse.prev) {
            return sim_check_fail(check, "I-ACK: node %u hints at %llu beyond %llu", header->from,
                                  (unsigned long long)message->u.append_refuse.hint.index,
                                  (unsigned long long)message->u.append_refuse.prev);
        }
        return true;
    case DGRAFT_MESSAGE_TIMEOUT_NOW:
        check->counts->of[SIM_COUNT_TIMEOUT_NOW]++;
        return true;
    case DGRAFT_MESSAGE_FETCH:
        check->counts->of[SIM_COUNT_FETCH]++;
        return true;
    case DGRAFT_MESSAGE_FETCH_ANSWER:
        return check_fetched(check, frame);
    case DGRAFT_MESSAGE_READ_REQUEST:
        check->counts->of[SIM_COUNT_READ_REQUEST]++;
        return true;
    case DGRAFT_MESSAGE_READ_ANSWER:
        check->counts->of[SIM_COUNT_READ_ANSWER]++;
        return true;
    }
    return true;
}

/* Checks the frames that stand one behind the other in a message. */
static void check_frames(struct sim_check *check, dgraft_node_id from, dgraft_node_id to, const uint8_t *bytes,
                         size_t size)
{
    while (size > 0) {
        struct dgraft_frame frame;
        const enum dgraft_refusal refusal =
            dgraft_frame_decode(bytes, size, check->descriptors, DGRAFT_FRAME_ENTRIES_MAX, &frame);
        if (refusal != DGRAFT_ACCEPT) {
            sim_check_fail(check, "I-DEC: node %u sends a frame that is refused: %s", from,
                           dgraft_refusal_name(refusal));
            return;
        }
        bytes += frame.frame_bytes;
        size -= frame.frame_bytes;
        if (frame.header.type >= DGRAFT_FRAME_CLIENT_REQUEST) {
            continue;
        }
        if (check->trace->out != NULL) {
            char text[300];
            dgraft_frame_print(&frame, text, sizeof text);
            sim_trace_line(check->trace, from, "to %u: %s", to, text);
        }
        if (frame.header.from != from || frame.header.cluster != check->cluster) {
            sim_check_fail(check, "I-DEC: node %u sends a frame of node %u", from, frame.header.from);
            return;
        }
        if (frame.header.term > check->ghosts[from].state_term) {
            sim_check_fail(check, "I-DURVOTE: node %u sends term %llu, its disk has %llu", from,
                           (unsigned long long)frame.header.term, (unsigned long long)check->ghosts[from].state_term);
            return;
        }
        if (!check_message(check, &frame)) {
            return;
        }
    }
}

static struct sim_message *message_of(struct sim_check *check, dgraft_node_id from, dgraft_node_id to,
                                      const uint8_t *piece)
{
    const uint64_t stream = dgraft_get_u64(piece + 24);
    const uint64_t number = dgraft_get_u64(piece + 32);
    const uint32_t size = dgraft_get_u32(piece + 20);
    const uint32_t piece_bytes = dgraft_get_u32(piece + 40);

    for (uint32_t i = 0; i < MESSAGES_MAX; i++) {
        struct sim_message *message = &check->messages[i];
        if (message->from == from && message->to == to && message->stream == stream && message->number == number) {
            return message;
        }
    }
    struct sim_message *message = &check->messages[check->message_next++ % MESSAGES_MAX];
    message_free(message);
    if (piece_bytes == 0 || size == 0 || size > DGRAFT_FRAME_BYTES_MAX) {
        return NULL;
    }
    const uint32_t pieces = (size + piece_bytes - 1) / piece_bytes;
    *message = (struct sim_message){.from = from, .to = to, .stream = stream, .number = number, .size = size};
    message->pieces_left = pieces;
    message->bytes = calloc(1, size);
    message->seen = calloc(1, pieces);
    return message->bytes == NULL || message->seen == NULL ? NULL : message;
}

/* Puts fragments together where they are sent, so that what they carry is known before anyone can answer it. */
static void check_piece(struct sim_check *check, dgraft_node_id from, dgraft_node_id to, const uint8_t *bytes,
                        size_t size)
{
    check->counts->of[SIM_COUNT_FRAGMENT]++;
    if (size < DGRAFT_FRAGMENT_HEADER_BYTES || bytes[17] != 1) {
        return;
    }
    struct sim_message *message = message_of(check, from, to, bytes);
    if (message == NULL || message->bytes == NULL) {
        return;
    }
    const uint32_t nth = dgraft_get_u16(bytes + 18);
    const uint32_t piece_bytes = dgraft_get_u32(bytes + 40);
    const size_t here = size - DGRAFT_FRAGMENT_HEADER_BYTES;
    const uint64_t offset = (uint64_t)nth * piece_bytes;
    if (offset + here > message->size) {
        sim_check_fail(check, "I-DEC: node %u sends a fragment beyond its message", from);
        return;
    }
    if (message->seen[nth] != 0) {
        return;
    }
    message->seen[nth] = 1;
    memcpy(message->bytes + offset, bytes + DGRAFT_FRAGMENT_HEADER_BYTES, here);
    if (--message->pieces_left == 0) {
        check_frames(check, from, to, message->bytes, message->size);
        message_free(message);
    }
}

void sim_check_sent(struct sim_check *check, dgraft_node_id from, dgraft_node_id to, const uint8_t *bytes, size_t size)
{
    if (sim_check_broken(check) || to == 0) {
        return;
    }
    if (dgraft_fragments_claims(bytes, size)) {
        check_piece(check, from, to, bytes, size);
        return;
    }
    check_frames(check, from, to, bytes, size);
}

void sim_check_damaged(struct sim_check *check, const uint8_t *bytes, size_t size)
{
    if (size == 0 || dgraft_fragments_claims(bytes, size)) {
        return;
    }
    while (size > 0) {
        struct dgraft_frame frame;
        if (dgraft_frame_decode(bytes, size, check->descriptors, DGRAFT_FRAME_ENTRIES_MAX, &frame) != DGRAFT_ACCEPT) {
            return;
        }
        bytes += frame.frame_bytes;
        size -= frame.frame_bytes;
    }
    sim_check_fail(check, "I-DEC: a damaged datagram decodes");
}
