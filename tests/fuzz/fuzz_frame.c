/* A frame of any bytes: as they come, and with length and checksums made to fit. What is accepted is encoded again and
 * must give the same bytes. */
#include <dgraft/frame.h>

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define ENTRIES_MAX 256

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void encode_again(const uint8_t *bytes, const struct dgraft_frame *frame)
{
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    size_t padding = 0;
    size_t head_bytes = 0;
    size_t rest = 0;
    if (frame->header.type == DGRAFT_FRAME_CLIENT_REQUEST) {
        head_bytes = dgraft_frame_encode_request(&frame->header, &frame->request, head, &padding);
        rest = frame->request.payload_bytes + padding;
    } else if (frame->header.type == DGRAFT_FRAME_CLIENT_ANSWER) {
        head_bytes = dgraft_frame_encode_answer(&frame->header, &frame->answer, head, &padding);
        rest = frame->answer.payload_bytes + padding;
    } else {
        rest = frame->records_bytes + dgraft_record_padding((uint32_t)frame->records_bytes);
        uint8_t *records = rest > 0 ? calloc(1, rest) : NULL;
        if (records != NULL) {
            memcpy(records, frame->records, frame->records_bytes);
        }
        const struct iovec tail = {records, rest};
        head_bytes = dgraft_frame_encode(&frame->header, &frame->message, &tail, records != NULL ? 1 : 0, head);
        free(records);
    }
    require(head_bytes + rest == frame->frame_bytes);
    require(memcmp(head, bytes, head_bytes) == 0);
}

static void decode(const uint8_t *bytes, size_t size)
{
    static struct dgraft_entry entries[ENTRIES_MAX];
    static const struct dgraft_frame_expect expect = {.cluster = 1, .self = 2, .members = 7};
    struct dgraft_frame frame;
    char text[512];
    if (dgraft_frame_decode(bytes, size, entries, ENTRIES_MAX, &frame) != DGRAFT_ACCEPT) {
        return;
    }
    require(frame.frame_bytes <= size && frame.frame_bytes >= DGRAFT_FRAME_HEADER_BYTES);
    require(frame.message.u.append.count <= ENTRIES_MAX || frame.header.type != DGRAFT_MESSAGE_APPEND);
    require(dgraft_frame_print(&frame, text, sizeof text) > 0);
    require(dgraft_frame_print(&frame, text, 16) > 0);
    (void)dgraft_frame_check(&frame, &expect);
    encode_again(bytes, &frame);
}

/* Makes the checksums of the records behind an APPEND's body fit. */
static void seal_records(uint8_t *bytes, size_t size)
{
    size_t at = DGRAFT_FRAME_HEADER_BYTES + 40;
    while (at < size && size - at >= DGRAFT_RECORD_HEADER_BYTES) {
        const uint32_t payload_bytes = dgraft_get_u32(bytes + at);
        if (payload_bytes > size - at - DGRAFT_RECORD_HEADER_BYTES) {
            break;
        }
        dgraft_put_u32(bytes + at + 32, dgraft_crc32c(0, bytes + at + DGRAFT_RECORD_HEADER_BYTES, payload_bytes));
        dgraft_put_u32(bytes + at + 36, dgraft_crc32c(0, bytes + at, 36));
        at += dgraft_record_bytes(payload_bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode(data, size);
    size -= size % 8;
    if (size < DGRAFT_FRAME_HEADER_BYTES) {
        return 0;
    }
    uint8_t *bytes = malloc(size);
    require(bytes != NULL);
    memcpy(bytes, data, size);
    dgraft_put_u32(bytes, DGRAFT_FRAME_MAGIC);
    dgraft_put_u32(bytes + 4, (uint32_t)size);
    if (dgraft_get_u16(bytes + 18) == DGRAFT_MESSAGE_APPEND) {
        seal_records(bytes, size);
    }
    dgraft_put_u64(bytes + 8, XXH3_64bits_withSeed(bytes + 16, size - 16, dgraft_get_u64(bytes)));
    decode(bytes, size);
    free(bytes);
    return 0;
}
