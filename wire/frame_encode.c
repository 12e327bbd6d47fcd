/* Messages to bytes, by the table of messages. */
#include "digest.h"
#include "frame_table.h"

#include <assert.h>
#include <string.h>

/* Everything of the head but length and checksum, which cover what follows it. Returns the head's bytes. */
static size_t put_head(const struct dgraft_frame_header *header, const struct dgraft_frame_layout *layout,
                       const void *part, uint8_t *head)
{
    dgraft_put_u32(head + DGRAFT_AT_MAGIC, DGRAFT_FRAME_MAGIC);
    head[DGRAFT_AT_VERSION] = DGRAFT_FRAME_VERSION;
    head[DGRAFT_AT_FLAGS] = 0;
    dgraft_put_u16(head + DGRAFT_AT_TYPE, header->type);
    dgraft_put_u32(head + DGRAFT_AT_FROM, header->from);
    dgraft_put_u64(head + DGRAFT_AT_CLUSTER, header->cluster);
    dgraft_put_u32(head + DGRAFT_AT_GROUP, header->group);
    dgraft_put_u32(head + DGRAFT_AT_GENERATION, header->generation);
    dgraft_put_u64(head + DGRAFT_AT_TO, header->to);
    dgraft_put_u64(head + DGRAFT_AT_STORE, header->store);
    dgraft_put_u64(head + DGRAFT_AT_TERM, header->term);
    uint8_t *at = head + DGRAFT_FRAME_HEADER_BYTES;
    for (uint32_t i = 0; i < layout->field_count; i++) {
        const struct dgraft_frame_field *field = &layout->fields[i];
        const uint64_t value = field->name != NULL ? dgraft_frame_field_get(field, part) : 0;
        assert(value >= field->least && value <= field->most);
        if (field->bytes == 8) {
            dgraft_put_u64(at, value);
        } else {
            dgraft_put_u32(at, (uint32_t)value);
        }
        at += field->bytes;
    }
    return DGRAFT_FRAME_HEADER_BYTES + layout->body_bytes;
}

/* Length and checksum of a head that these pieces follow. */
static void finish_head(uint8_t *head, size_t head_bytes, const struct iovec *pieces, size_t count)
{
    size_t whole = head_bytes;
    for (size_t i = 0; i < count; i++) {
        assert(pieces[i].iov_len <= DGRAFT_FRAME_BYTES_MAX - whole);
        whole += pieces[i].iov_len;
    }
    assert(whole % 8 == 0);
    dgraft_put_u32(head + DGRAFT_AT_LENGTH, (uint32_t)whole);
    dgraft_put_u64(head + DGRAFT_AT_DIGEST, dgraft_digest_pieces(head, head_bytes, pieces, count));
}

size_t dgraft_frame_encode(const struct dgraft_frame_header *header, const struct dgraft_message *message,
                           const struct iovec *tail, size_t tail_count, uint8_t head[DGRAFT_FRAME_HEAD_MAX])
{
    const uint16_t type = (uint16_t)message->type;
    const struct dgraft_frame_layout *layout = dgraft_frame_layout(type);
    if (layout == NULL || dgraft_frame_is_client(type)) {
        return 0;
    }
    assert(dgraft_node_id_valid(message->from));
    assert(tail_count == 0 || message->type == DGRAFT_MESSAGE_APPEND ||
           message->type == DGRAFT_MESSAGE_SNAPSHOT_CHUNK || message->type == DGRAFT_MESSAGE_FETCH_ANSWER);
    struct dgraft_frame_header whole = *header;
    whole.type = type;
    whole.from = message->from;
    whole.store = message->store;
    whole.generation = message->generation;
    whole.term = message->term;
    const size_t head_bytes = put_head(&whole, layout, message, head);
    finish_head(head, head_bytes, tail, tail_count);
    return head_bytes;
}

/* A client's frame: an opaque payload behind the head, padded. */
static size_t encode_client(const struct dgraft_frame_header *header, const void *part, const uint8_t *payload,
                            uint32_t payload_bytes, uint8_t *head, size_t *padding)
{
    static const uint8_t zeros[8];
    const size_t head_bytes = put_head(header, dgraft_frame_layout(header->type), part, head);
    *padding = dgraft_record_padding(payload_bytes);
    const struct iovec tail[2] = {{.iov_base = (void *)(uintptr_t)payload, .iov_len = payload_bytes},
                                  {.iov_base = (void *)(uintptr_t)zeros, .iov_len = *padding}};
    finish_head(head, head_bytes, tail, payload_bytes > 0 ? 2 : 0);
    return head_bytes;
}

size_t dgraft_frame_encode_request(const struct dgraft_frame_header *header,
                                   const struct dgraft_client_request *request, uint8_t head[DGRAFT_FRAME_HEAD_MAX],
                                   size_t *padding)
{
    const struct dgraft_frame_header whole = {
        .cluster = header->cluster, .group = header->group, .to = header->to, .type = DGRAFT_FRAME_CLIENT_REQUEST};
    return encode_client(&whole, request, request->payload, request->payload_bytes, head, padding);
}

size_t dgraft_frame_encode_answer(const struct dgraft_frame_header *header, const struct dgraft_client_answer *answer,
                                  uint8_t head[DGRAFT_FRAME_HEAD_MAX], size_t *padding)
{
    struct dgraft_frame_header whole = *header;
    assert(dgraft_node_id_valid(header->from));
    whole.type = DGRAFT_FRAME_CLIENT_ANSWER;
    whole.to = 0;
    return encode_client(&whole, answer, answer->payload, answer->payload_bytes, head, padding);
}
