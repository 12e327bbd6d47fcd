/* Bytes to messages: nothing is believed before it is checked, nothing is copied, time is linear in the size. */
#include "digest.h"
#include "frame_table.h"

#include <string.h>

/* The part of a decoded frame that a type's fields are members of. */
static void *part_of(struct dgraft_frame *frame, uint16_t type)
{
    if (type == DGRAFT_FRAME_CLIENT_REQUEST) {
        return &frame->request;
    }
    return type == DGRAFT_FRAME_CLIENT_ANSWER ? (void *)&frame->answer : (void *)&frame->message;
}

static void get_header(const uint8_t *bytes, struct dgraft_frame_header *out)
{
    out->type = dgraft_get_u16(bytes + DGRAFT_AT_TYPE);
    out->from = dgraft_get_u32(bytes + DGRAFT_AT_FROM);
    out->cluster = dgraft_get_u64(bytes + DGRAFT_AT_CLUSTER);
    out->group = dgraft_get_u32(bytes + DGRAFT_AT_GROUP);
    out->generation = dgraft_get_u32(bytes + DGRAFT_AT_GENERATION);
    out->to = dgraft_get_u64(bytes + DGRAFT_AT_TO);
    out->store = dgraft_get_u64(bytes + DGRAFT_AT_STORE);
    out->term = dgraft_get_u64(bytes + DGRAFT_AT_TERM);
}

/* What may stand in the header of each side of a conversation. */
static enum dgraft_refusal check_header(const struct dgraft_frame_header *header)
{
    if (header->term > DGRAFT_RECORD_NUMBER_MAX) {
        return DGRAFT_REFUSAL_FIELD;
    }
    if (header->type == DGRAFT_FRAME_CLIENT_REQUEST) {
        const bool unused = header->from == 0 && header->store == 0 && header->generation == 0 && header->term == 0;
        return unused ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_FIELD;
    }
    if (header->type == DGRAFT_FRAME_CLIENT_ANSWER && header->to != 0) {
        return DGRAFT_REFUSAL_FIELD;
    }
    return dgraft_node_id_valid(header->from) ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_FIELD;
}

static enum dgraft_refusal get_body(const uint8_t *at, const struct dgraft_frame_layout *layout, void *part)
{
    for (uint32_t i = 0; i < layout->field_count; i++) {
        const struct dgraft_frame_field *field = &layout->fields[i];
        const uint64_t value = field->bytes == 8 ? dgraft_get_u64(at) : dgraft_get_u32(at);
        if (value < field->least || value > field->most) {
            return DGRAFT_REFUSAL_FIELD;
        }
        if (field->name != NULL) {
            dgraft_frame_field_set(field, value, part);
        }
        at += field->bytes;
    }
    return DGRAFT_ACCEPT;
}

/* Entries follow the one before without a gap, their terms never fall and never pass the sender's. */
static enum dgraft_refusal get_entries(const struct dgraft_frame *frame, struct dgraft_position last, uint32_t count,
                                       struct dgraft_entry *entries, size_t entries_max)
{
    if (count > entries_max || count > frame->records_bytes / DGRAFT_RECORD_HEADER_BYTES) {
        return DGRAFT_REFUSAL_COUNT;
    }
    const uint8_t *at = frame->records;
    size_t left = frame->records_bytes;
    for (uint32_t i = 0; i < count; i++) {
        struct dgraft_entry *entry = &entries[i];
        size_t consumed = 0;
        const enum dgraft_refusal refusal = dgraft_record_check(at, left, entry, &consumed);
        if (refusal != DGRAFT_ACCEPT) {
            return refusal == DGRAFT_REFUSAL_SHORT ? DGRAFT_REFUSAL_COUNT : refusal;
        }
        if (entry->index != last.index + 1 || entry->term < last.term || entry->term > frame->header.term) {
            return DGRAFT_REFUSAL_ORDER;
        }
        last = (struct dgraft_position){entry->index, entry->term};
        at += consumed;
        left -= consumed;
    }
    return left == 0 ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_COUNT;
}

/* {0, 0} is the place before the first entry; half of it is no place. */
static bool position_valid(struct dgraft_position position)
{
    return (position.index == 0) == (position.term == 0);
}

static enum dgraft_refusal check_peer(const struct dgraft_frame *frame)
{
    const struct dgraft_message *message = &frame->message;
    if (message->type == DGRAFT_MESSAGE_PRE_VOTE_REQUEST || message->type == DGRAFT_MESSAGE_VOTE_REQUEST) {
        const struct dgraft_vote_request *request = &message->u.vote_request;
        if (!position_valid(request->last)) {
            return DGRAFT_REFUSAL_FIELD;
        }
        return request->last.term <= request->term ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_ORDER;
    }
    if (message->type == DGRAFT_MESSAGE_APPEND) {
        if (message->term == 0 || !position_valid(message->u.append.prev)) {
            return DGRAFT_REFUSAL_FIELD;
        }
        return message->u.append.prev.term <= message->term ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_ORDER;
    }
    if (message->type == DGRAFT_MESSAGE_SNAPSHOT_CHUNK) {
        const struct dgraft_snapshot_chunk *chunk = &message->u.snapshot_chunk;
        if (chunk->offset >= chunk->snapshot.size || chunk->bytes > chunk->snapshot.size - chunk->offset) {
            return DGRAFT_REFUSAL_FIELD;
        }
        return chunk->snapshot.position.term <= message->term ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_ORDER;
    }
    if (message->type == DGRAFT_MESSAGE_FETCH) {
        const struct dgraft_fetch *fetch = &message->u.fetch;
        const bool fits =
            fetch->first <= fetch->last && fetch->last <= fetch->anchor.index && fetch->anchor.index - fetch->last <= 1;
        return fits && fetch->anchor.term <= message->term ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_ORDER;
    }
    if (message->type == DGRAFT_MESSAGE_FETCH_ANSWER) {
        const struct dgraft_fetch_answer *answer = &message->u.fetch_answer;
        if ((answer->verdict == DGRAFT_FETCH_HAVE) != (answer->count > 0)) {
            return DGRAFT_REFUSAL_COUNT;
        }
        if (!position_valid(answer->here)) {
            return DGRAFT_REFUSAL_FIELD;
        }
        return answer->first <= answer->anchor.index && answer->here.index <= answer->anchor.index
                   ? DGRAFT_ACCEPT
                   : DGRAFT_REFUSAL_ORDER;
    }
    if (message->type == DGRAFT_MESSAGE_SNAPSHOT_ACK &&
        message->u.snapshot_ack.offset > message->u.snapshot_ack.snapshot.size) {
        return DGRAFT_REFUSAL_FIELD;
    }
    return DGRAFT_ACCEPT;
}

/* The opaque bytes behind a body, and the zeros behind them. */
static enum dgraft_refusal get_payload(const uint8_t *at, size_t left, uint32_t payload_bytes, const uint8_t **payload)
{
    const size_t padding = dgraft_record_padding(payload_bytes);
    if (left != payload_bytes + padding) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    for (size_t i = payload_bytes; i < left; i++) {
        if (at[i] != 0) {
            return DGRAFT_REFUSAL_PADDING;
        }
    }
    *payload = payload_bytes > 0 ? at : NULL;
    return DGRAFT_ACCEPT;
}

/* What follows the fixed body. */
static enum dgraft_refusal get_rest(const uint8_t *at, size_t left, struct dgraft_entry *entries, size_t entries_max,
                                    struct dgraft_frame *out)
{
    if (out->header.type == DGRAFT_FRAME_CLIENT_REQUEST) {
        return get_payload(at, left, out->request.payload_bytes, &out->request.payload);
    }
    if (out->header.type == DGRAFT_FRAME_CLIENT_ANSWER) {
        return get_payload(at, left, out->answer.payload_bytes, &out->answer.payload);
    }
    struct dgraft_message *message = &out->message;
    message->type = (enum dgraft_message_type)out->header.type;
    message->from = out->header.from;
    message->term = out->header.term;
    message->store = out->header.store;
    message->generation = out->header.generation;
    const enum dgraft_refusal refusal = check_peer(out);
    if (refusal != DGRAFT_ACCEPT) {
        return refusal;
    }
    if (message->type == DGRAFT_MESSAGE_APPEND) {
        out->records = at;
        out->records_bytes = left;
        message->u.append.entries = entries;
        return get_entries(out, message->u.append.prev, message->u.append.count, entries, entries_max);
    }
    if (message->type == DGRAFT_MESSAGE_FETCH_ANSWER) {
        const struct dgraft_position before = {message->u.fetch_answer.first - 1, 0};
        out->records = at;
        out->records_bytes = left;
        message->u.fetch_answer.entries = message->u.fetch_answer.count > 0 ? entries : NULL;
        return get_entries(out, before, message->u.fetch_answer.count, entries, entries_max);
    }
    if (message->type == DGRAFT_MESSAGE_SNAPSHOT_CHUNK) {
        out->records_bytes = message->u.snapshot_chunk.bytes;
        return get_payload(at, left, message->u.snapshot_chunk.bytes, &out->records);
    }
    return left == 0 ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_LENGTH;
}

/* Magic, length and checksum: after this the bytes are those that some sender of dgraft's wrote. */
static enum dgraft_refusal check_envelope(const uint8_t *bytes, size_t size, size_t *length)
{
    if (size >= 4 && dgraft_get_u32(bytes + DGRAFT_AT_MAGIC) != DGRAFT_FRAME_MAGIC) {
        return DGRAFT_REFUSAL_MAGIC;
    }
    if (size < DGRAFT_FRAME_HEADER_BYTES) {
        return DGRAFT_REFUSAL_SHORT;
    }
    *length = dgraft_get_u32(bytes + DGRAFT_AT_LENGTH);
    if (*length < DGRAFT_FRAME_HEADER_BYTES || *length > DGRAFT_FRAME_BYTES_MAX || *length % 8 != 0) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    if (*length > size) {
        return DGRAFT_REFUSAL_SHORT;
    }
    return dgraft_get_u64(bytes + DGRAFT_AT_DIGEST) == dgraft_digest(bytes, *length) ? DGRAFT_ACCEPT
                                                                                     : DGRAFT_REFUSAL_CHECKSUM;
}

enum dgraft_refusal dgraft_frame_decode(const uint8_t *bytes, size_t size, struct dgraft_entry *entries,
                                        size_t entries_max, struct dgraft_frame *out)
{
    memset(out, 0, sizeof *out);
    size_t length = 0;
    enum dgraft_refusal refusal = check_envelope(bytes, size, &length);
    if (refusal != DGRAFT_ACCEPT) {
        return refusal;
    }
    if (bytes[DGRAFT_AT_VERSION] > DGRAFT_FRAME_VERSION) {
        return DGRAFT_REFUSAL_VERSION;
    }
    if (bytes[DGRAFT_AT_VERSION] != DGRAFT_FRAME_VERSION || bytes[DGRAFT_AT_FLAGS] != 0) {
        return DGRAFT_REFUSAL_FIELD;
    }
    get_header(bytes, &out->header);
    const struct dgraft_frame_layout *layout = dgraft_frame_layout(out->header.type);
    if (layout == NULL) {
        return DGRAFT_REFUSAL_TYPE;
    }
    refusal = check_header(&out->header);
    if (refusal != DGRAFT_ACCEPT) {
        return refusal;
    }
    const size_t head_bytes = DGRAFT_FRAME_HEADER_BYTES + layout->body_bytes;
    if (length < head_bytes) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    refusal = get_body(bytes + DGRAFT_FRAME_HEADER_BYTES, layout, part_of(out, out->header.type));
    if (refusal != DGRAFT_ACCEPT) {
        return refusal;
    }
    out->frame_bytes = length;
    return get_rest(bytes + head_bytes, length - head_bytes, entries, entries_max, out);
}

enum dgraft_refusal dgraft_frame_check(const struct dgraft_frame *frame, const struct dgraft_frame_expect *expect)
{
    const struct dgraft_frame_header *header = &frame->header;
    const bool client = dgraft_frame_is_client(header->type);
    /* One side of a client's conversation may not know the cluster yet. */
    const bool unknown = client && (header->cluster == 0 || expect->cluster == 0);
    if (header->cluster != expect->cluster && !unknown) {
        return DGRAFT_REFUSAL_CLUSTER;
    }
    if (header->group != expect->group) {
        return DGRAFT_REFUSAL_GROUP;
    }
    if (!client && (!dgraft_node_set_has(expect->members, header->from) || header->from == expect->self)) {
        return DGRAFT_REFUSAL_SENDER;
    }
    if (header->to != 0 && !dgraft_node_set_has(header->to, expect->self)) {
        return DGRAFT_REFUSAL_RECEIVER;
    }
    return DGRAFT_ACCEPT;
}
