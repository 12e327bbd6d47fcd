/* Random messages come back as they went; random bytes never do harm. */
#include <dgraft/frame.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 64
#define BYTES_MAX   65536

static uint64_t state = 88172645463325252u;

static uint64_t number(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Numbers of all magnitudes, up to most. */
static uint64_t up_to(uint64_t most)
{
    const uint64_t value = number() >> number() % 64;
    return most == UINT64_MAX ? value : value % (most + 1);
}

static void fill_votes(struct dgraft_message *message)
{
    const dgraft_term last_term = up_to(message->term);
    switch ((int)message->type) {
    case DGRAFT_MESSAGE_PRE_VOTE_REQUEST:
    case DGRAFT_MESSAGE_VOTE_REQUEST:
        message->u.vote_request.term = message->term;
        message->u.vote_request.last.term = last_term;
        message->u.vote_request.last.index = last_term > 0 ? 1 + up_to(UINT32_MAX) : 0;
        message->u.vote_request.transfer = number() % 2 != 0;
        break;
    default:
        message->u.vote_reply.term = message->term;
        if (message->type == DGRAFT_MESSAGE_PRE_VOTE_REFUSE || message->type == DGRAFT_MESSAGE_VOTE_REFUSE) {
            message->u.vote_reply.reason = (enum dgraft_refuse_reason)(1 + number() % 7);
        }
        break;
    }
}

/* Writes `count` records after prev; returns their bytes. */
static size_t fill_records(const struct dgraft_append *append, dgraft_term term, struct dgraft_entry *entries,
                           uint8_t *bytes)
{
    size_t at = 0;
    dgraft_term last = append->prev.term > 0 ? append->prev.term : 1;
    for (uint32_t i = 0; i < append->count; i++) {
        const uint32_t payload_bytes = (uint32_t)up_to(500);
        memset(bytes + at, 0, dgraft_record_bytes(payload_bytes));
        for (uint32_t k = 0; k < payload_bytes; k++) {
            bytes[at + 40 + k] = (uint8_t)number();
        }
        last += up_to(term - last);
        entries[i] = (struct dgraft_entry){.index = append->prev.index + 1 + i,
                                           .term = last,
                                           .payload_bytes = payload_bytes,
                                           .checksum = dgraft_crc32c(0, bytes + at + 40, payload_bytes),
                                           .kind = (enum dgraft_entry_kind)(1 + number() % 3)};
        const struct dgraft_record record = {.entry = entries[i], .tag = (uint16_t)number()};
        dgraft_record_encode_header(&record, bytes + at);
        at += dgraft_record_bytes(payload_bytes);
    }
    return at;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static struct dgraft_snapshot random_snapshot(dgraft_term term)
{
    return (struct dgraft_snapshot){.position = {1 + up_to(DGRAFT_RECORD_NUMBER_MAX - 1), 1 + up_to(term - 1)},
                                    .size = 1 + up_to(UINT64_MAX / 2 - 1),
                                    .digest = number()};
}

static struct dgraft_message random_message(struct dgraft_entry *entries, uint8_t *records, size_t *records_bytes)
{
    static const uint8_t types[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 17};
    struct dgraft_message message = {.type = (enum dgraft_message_type)types[number() % sizeof types],
                                     .from = (dgraft_node_id)(1 + number() % 64),
                                     .term = 1 + up_to(DGRAFT_RECORD_NUMBER_MAX - 1),
                                     .store = number(),
                                     .generation = (uint32_t)number()};
    *records_bytes = 0;
    if (message.type == DGRAFT_MESSAGE_APPEND) {
        struct dgraft_append *append = &message.u.append;
        append->prev.term = up_to(message.term);
        append->prev.index = append->prev.term > 0 ? 1 + up_to(UINT64_MAX / 4) : 0;
        append->commit = up_to(DGRAFT_RECORD_NUMBER_MAX);
        append->round = number();
        append->count = (uint32_t)(number() % ENTRIES_MAX);
        *records_bytes = fill_records(append, message.term, entries, records);
    } else if (message.type == DGRAFT_MESSAGE_APPEND_ACK) {
        message.u.append_ack.match = up_to(DGRAFT_RECORD_NUMBER_MAX);
        message.u.append_ack.round = number();
    } else if (message.type == DGRAFT_MESSAGE_APPEND_REFUSE) {
        struct dgraft_append_refuse *refuse = &message.u.append_refuse;
        refuse->prev = up_to(DGRAFT_RECORD_NUMBER_MAX);
        refuse->hint.index = up_to(DGRAFT_RECORD_NUMBER_MAX);
        refuse->hint.term = up_to(DGRAFT_RECORD_NUMBER_MAX);
        refuse->round = number();
        refuse->reason = (enum dgraft_refuse_reason)(1 + number() % 7);
    } else if (message.type == DGRAFT_MESSAGE_TIMEOUT_NOW) {
        message.u.timeout_now.last.index = up_to(DGRAFT_RECORD_NUMBER_MAX);
        message.u.timeout_now.last.term = up_to(DGRAFT_RECORD_NUMBER_MAX);
    } else if (message.type == DGRAFT_MESSAGE_FETCH) {
        struct dgraft_fetch *fetch = &message.u.fetch;
        fetch->first = 1 + up_to(UINT64_MAX / 4);
        fetch->last = fetch->first + up_to(1000);
        fetch->anchor = (struct dgraft_position){fetch->last + up_to(1), 1 + up_to(message.term - 1)};
    } else if (message.type == DGRAFT_MESSAGE_FETCH_ANSWER) {
        struct dgraft_fetch_answer *answer = &message.u.fetch_answer;
        struct dgraft_append as = {.prev = {1 + up_to(UINT64_MAX / 4), 0}, .count = (uint32_t)(number() % ENTRIES_MAX)};
        *records_bytes = fill_records(&as, message.term, entries, records);
        answer->first = as.prev.index + 1;
        answer->count = as.count;
        answer->verdict = as.count > 0 ? DGRAFT_FETCH_HAVE : DGRAFT_FETCH_COMPACTED;
        answer->anchor = (struct dgraft_position){answer->first + up_to(1000), 1 + up_to(1000)};
    } else if (message.type == DGRAFT_MESSAGE_READ_REQUEST) {
        message.u.read_request.token = 1 + up_to(UINT64_MAX - 1);
    } else if (message.type == DGRAFT_MESSAGE_READ_ANSWER) {
        message.u.read_answer.token = 1 + up_to(UINT64_MAX - 1);
        message.u.read_answer.index = up_to(DGRAFT_RECORD_NUMBER_MAX);
    } else if (message.type == DGRAFT_MESSAGE_SNAPSHOT_CHUNK) {
        struct dgraft_snapshot_chunk *chunk = &message.u.snapshot_chunk;
        chunk->snapshot = random_snapshot(message.term);
        chunk->offset = up_to(chunk->snapshot.size - 1);
        chunk->bytes = (uint32_t)(1 + up_to(smaller(255, chunk->snapshot.size - chunk->offset - 1)));
        chunk->round = number();
        *records_bytes = chunk->bytes + dgraft_record_padding(chunk->bytes);
        memset(records, 0, *records_bytes);
        memset(records, 'x', chunk->bytes);
    } else if (message.type == DGRAFT_MESSAGE_SNAPSHOT_ACK) {
        message.u.snapshot_ack.snapshot = random_snapshot(message.term);
        message.u.snapshot_ack.offset = up_to(message.u.snapshot_ack.snapshot.size);
        message.u.snapshot_ack.round = number();
    } else {
        fill_votes(&message);
    }
    return message;
}

Test(frame_random, messages_come_back_as_they_went)
{
    static uint8_t bytes[DGRAFT_FRAME_HEAD_MAX + BYTES_MAX];
    static uint8_t records[BYTES_MAX];
    struct dgraft_entry entries[ENTRIES_MAX];
    struct dgraft_entry read[ENTRIES_MAX];
    for (int round = 0; round < 20000; round++) {
        size_t records_bytes = 0;
        const struct dgraft_message message = random_message(entries, records, &records_bytes);
        const struct dgraft_frame_header header = {.cluster = number(), .group = (uint32_t)number(), .to = number()};
        const struct iovec tail = {records, records_bytes};
        struct dgraft_frame frame;
        const size_t head = dgraft_frame_encode(&header, &message, &tail, records_bytes > 0 ? 1 : 0, bytes);
        memcpy(bytes + head, records, records_bytes);
        const enum dgraft_refusal refusal = dgraft_frame_decode(bytes, head + records_bytes, read, ENTRIES_MAX, &frame);
        cr_assert_eq(refusal, DGRAFT_ACCEPT, "%s: %s", dgraft_frame_type_name((uint16_t)message.type),
                     dgraft_refusal_text(refusal));
        cr_assert(frame.header.cluster == header.cluster && frame.header.group == header.group);
        cr_assert_eq(frame.header.to, header.to);
        if (message.type == DGRAFT_MESSAGE_APPEND) {
            cr_assert_eq(memcmp(read, entries, message.u.append.count * sizeof *read), 0);
            frame.message.u.append.entries = NULL;
        }
        cr_assert_eq(memcmp(&frame.message, &message, sizeof message), 0);
    }
}

Test(frame_random, bytes_are_refused)
{
    static uint8_t bytes[4096];
    struct dgraft_entry entries[ENTRIES_MAX];
    struct dgraft_frame frame;
    for (int round = 0; round < 100000; round++) {
        const size_t size = up_to(sizeof bytes);
        for (size_t i = 0; i < size && i < 256; i++) {
            bytes[i] = (uint8_t)number();
        }
        if (round % 2 == 0 && size >= 8) {
            dgraft_put_u32(bytes, DGRAFT_FRAME_MAGIC);
            dgraft_put_u32(bytes + 4, (uint32_t)size / 8 * 8);
        }
        cr_assert_neq(dgraft_frame_decode(bytes, size, entries, ENTRIES_MAX, &frame), DGRAFT_ACCEPT);
    }
}
