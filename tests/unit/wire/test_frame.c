/* Every message's bytes, both ways, against frames written by hand. */
#include "frame_by_hand.h"

#include <dgraft/frame.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 16

struct sample {
    struct by_hand hand;
    struct dgraft_message message;
};

static const struct dgraft_frame_header peer_header = {.cluster = UINT64_C(0x1122334455667788), .to = 3};

static struct dgraft_message message_of(enum dgraft_message_type type)
{
    return (struct dgraft_message){.type = type, .from = 3, .term = 9, .store = 0xabcdef, .generation = 5};
}

static struct sample vote_request(enum dgraft_message_type type)
{
    struct sample sample = {.message = message_of(type)};
    by_hand_header(&sample.hand, (uint16_t)type);
    by_hand_u64(&sample.hand, 9);
    by_hand_u64(&sample.hand, 1000);
    by_hand_u64(&sample.hand, 8);
    by_hand_u32(&sample.hand, 1);
    by_hand_u32(&sample.hand, 0);
    sample.message.u.vote_request = (struct dgraft_vote_request){.term = 9, .last = {1000, 8}, .transfer = true};
    return sample;
}

static struct sample vote_reply(enum dgraft_message_type type, enum dgraft_refuse_reason reason)
{
    struct sample sample = {.message = message_of(type)};
    by_hand_header(&sample.hand, (uint16_t)type);
    by_hand_u64(&sample.hand, 9);
    by_hand_u32(&sample.hand, (uint32_t)reason);
    by_hand_u32(&sample.hand, 0);
    sample.message.u.vote_reply = (struct dgraft_vote_reply){.term = 9, .reason = reason};
    return sample;
}

static struct sample append_head(uint32_t count)
{
    struct sample sample = {.message = message_of(DGRAFT_MESSAGE_APPEND)};
    by_hand_header(&sample.hand, 7);
    by_hand_u64(&sample.hand, 41);
    by_hand_u64(&sample.hand, 7);
    by_hand_u64(&sample.hand, 40);
    by_hand_u64(&sample.hand, 123456);
    by_hand_u32(&sample.hand, count);
    by_hand_u32(&sample.hand, 0);
    sample.message.u.append = (struct dgraft_append){.prev = {41, 7}, .commit = 40, .round = 123456, .count = count};
    return sample;
}

static const struct dgraft_snapshot sent_snapshot = {
    .position = {500, 8}, .size = UINT64_C(7000000000), .digest = UINT64_C(0xfedcba9876543210)};

static void snapshot_name(struct by_hand *hand)
{
    by_hand_u64(hand, 500);
    by_hand_u64(hand, 8);
    by_hand_u64(hand, UINT64_C(7000000000));
    by_hand_u64(hand, UINT64_C(0xfedcba9876543210));
}

/* A chunk's body, beyond the first 4 GiB. */
static struct sample snapshot_chunk(void)
{
    struct sample sample = {.message = message_of(DGRAFT_MESSAGE_SNAPSHOT_CHUNK)};
    by_hand_header(&sample.hand, 11);
    snapshot_name(&sample.hand);
    by_hand_u64(&sample.hand, UINT64_C(6000000000));
    by_hand_u64(&sample.hand, 123456);
    by_hand_u32(&sample.hand, 13);
    by_hand_u32(&sample.hand, 0);
    sample.message.u.snapshot_chunk = (struct dgraft_snapshot_chunk){
        .snapshot = sent_snapshot, .offset = UINT64_C(6000000000), .round = 123456, .bytes = 13};
    return sample;
}

/* The message of a type, and its bytes. */
static struct sample sample_of(enum dgraft_message_type type)
{
    struct sample sample = {.message = message_of(type)};
    switch (type) {
    case DGRAFT_MESSAGE_PRE_VOTE_REQUEST:
    case DGRAFT_MESSAGE_VOTE_REQUEST:
        sample = vote_request(type);
        break;
    case DGRAFT_MESSAGE_PRE_VOTE_GRANT:
    case DGRAFT_MESSAGE_VOTE_GRANT:
        sample = vote_reply(type, (enum dgraft_refuse_reason)0);
        break;
    case DGRAFT_MESSAGE_PRE_VOTE_REFUSE:
    case DGRAFT_MESSAGE_VOTE_REFUSE:
        sample = vote_reply(type, DGRAFT_REFUSE_LEADER_ALIVE);
        break;
    case DGRAFT_MESSAGE_APPEND:
        sample = append_head(2);
        by_hand_record(&sample.hand, 42, 7, "first");
        by_hand_record(&sample.hand, 43, 9, "");
        break;
    case DGRAFT_MESSAGE_APPEND_ACK:
        by_hand_header(&sample.hand, 8);
        by_hand_u64(&sample.hand, 43);
        by_hand_u64(&sample.hand, 123456);
        sample.message.u.append_ack = (struct dgraft_append_ack){.match = 43, .round = 123456};
        break;
    case DGRAFT_MESSAGE_APPEND_REFUSE:
        by_hand_header(&sample.hand, 9);
        by_hand_u64(&sample.hand, 41);
        by_hand_u64(&sample.hand, 30);
        by_hand_u64(&sample.hand, 6);
        by_hand_u64(&sample.hand, 123456);
        by_hand_u32(&sample.hand, DGRAFT_REFUSE_MISMATCH);
        by_hand_u32(&sample.hand, 0);
        sample.message.u.append_refuse = (struct dgraft_append_refuse){
            .prev = 41, .hint = {30, 6}, .round = 123456, .reason = DGRAFT_REFUSE_MISMATCH};
        break;
    case DGRAFT_MESSAGE_TIMEOUT_NOW:
        by_hand_header(&sample.hand, 10);
        by_hand_u64(&sample.hand, 43);
        by_hand_u64(&sample.hand, 9);
        sample.message.u.timeout_now = (struct dgraft_timeout_now){.last = {43, 9}};
        break;
    case DGRAFT_MESSAGE_FETCH:
        by_hand_header(&sample.hand, 13);
        by_hand_u64(&sample.hand, 7);
        by_hand_u64(&sample.hand, 8);
        by_hand_u64(&sample.hand, 9);
        by_hand_u64(&sample.hand, 3);
        sample.message.u.fetch = (struct dgraft_fetch){.first = 7, .last = 8, .anchor = {9, 3}};
        break;
    case DGRAFT_MESSAGE_FETCH_ANSWER:
        by_hand_header(&sample.hand, 14);
        by_hand_u64(&sample.hand, 7);
        by_hand_u64(&sample.hand, 9);
        by_hand_u64(&sample.hand, 3);
        by_hand_u64(&sample.hand, 8);
        by_hand_u64(&sample.hand, 2);
        by_hand_u32(&sample.hand, DGRAFT_FETCH_DAMAGED);
        by_hand_u32(&sample.hand, 0);
        sample.message.u.fetch_answer =
            (struct dgraft_fetch_answer){.verdict = DGRAFT_FETCH_DAMAGED, .first = 7, .anchor = {9, 3}, .here = {8, 2}};
        break;
    case DGRAFT_MESSAGE_READ_REQUEST:
        by_hand_header(&sample.hand, 16);
        by_hand_u64(&sample.hand, 0xfeedfacecafebeef);
        sample.message.u.read_request = (struct dgraft_read_request){.token = 0xfeedfacecafebeef};
        break;
    case DGRAFT_MESSAGE_READ_ANSWER:
        by_hand_header(&sample.hand, 17);
        by_hand_u64(&sample.hand, 0xfeedfacecafebeef);
        by_hand_u64(&sample.hand, 43);
        sample.message.u.read_answer = (struct dgraft_read_answer){.token = 0xfeedfacecafebeef, .index = 43};
        break;
    case DGRAFT_MESSAGE_SNAPSHOT_CHUNK:
        sample = snapshot_chunk();
        by_hand_bytes(&sample.hand, "thirteen more\0\0\0", 16);
        break;
    case DGRAFT_MESSAGE_SNAPSHOT_ACK:
        by_hand_header(&sample.hand, 12);
        snapshot_name(&sample.hand);
        by_hand_u64(&sample.hand, UINT64_C(6000000013)); /* beyond 32 bits */
        by_hand_u64(&sample.hand, 123456);
        sample.message.u.snapshot_ack =
            (struct dgraft_snapshot_ack){.snapshot = sent_snapshot, .offset = UINT64_C(6000000013), .round = 123456};
        break;
    }
    by_hand_seal(&sample.hand);
    return sample;
}

static const uint16_t types[] = {DGRAFT_MESSAGE_PRE_VOTE_REQUEST,
                                 DGRAFT_MESSAGE_PRE_VOTE_GRANT,
                                 DGRAFT_MESSAGE_PRE_VOTE_REFUSE,
                                 DGRAFT_MESSAGE_VOTE_REQUEST,
                                 DGRAFT_MESSAGE_VOTE_GRANT,
                                 DGRAFT_MESSAGE_VOTE_REFUSE,
                                 DGRAFT_MESSAGE_APPEND,
                                 DGRAFT_MESSAGE_APPEND_ACK,
                                 DGRAFT_MESSAGE_APPEND_REFUSE,
                                 DGRAFT_MESSAGE_TIMEOUT_NOW,
                                 DGRAFT_MESSAGE_SNAPSHOT_CHUNK,
                                 DGRAFT_MESSAGE_SNAPSHOT_ACK,
                                 DGRAFT_MESSAGE_FETCH,
                                 DGRAFT_MESSAGE_FETCH_ANSWER,
                                 DGRAFT_MESSAGE_READ_REQUEST,
                                 DGRAFT_MESSAGE_READ_ANSWER};

#define TYPES (sizeof types / sizeof types[0])

static bool is_type(uint32_t type)
{
    for (size_t i = 0; i < TYPES; i++) {
        if (types[i] == type) {
            return true;
        }
    }
    return false;
}

/* Decodes from memory of just this size, so that the sanitizer sees a read beyond it. */
static enum dgraft_refusal decode(const uint8_t *bytes, size_t size, size_t entries_max, struct dgraft_frame *frame)
{
    struct dgraft_entry entries[ENTRIES_MAX];
    uint8_t *copy = malloc(size > 0 ? size : 1);
    cr_assert_not_null(copy);
    memcpy(copy, bytes, size);
    const enum dgraft_refusal refusal = dgraft_frame_decode(copy, size, entries, entries_max, frame);
    free(copy);
    return refusal;
}

Test(frame, of_every_message_is_written_as_the_table_says)
{
    for (size_t t = 0; t < TYPES; t++) {
        const uint16_t type = types[t];
        const struct sample sample = sample_of((enum dgraft_message_type)type);
        uint8_t head[DGRAFT_FRAME_HEAD_MAX];
        /* The tail in two pieces, as a host gathers it. */
        const size_t fixed = type == DGRAFT_MESSAGE_APPEND           ? 104
                             : type == DGRAFT_MESSAGE_SNAPSHOT_CHUNK ? 120
                                                                     : sample.hand.size;
        uint8_t records[512];
        const size_t records_bytes = sample.hand.size - fixed;
        memcpy(records, sample.hand.bytes + fixed, records_bytes);
        const struct iovec tail[] = {{records, 8}, {records + 8, records_bytes - 8}};
        const size_t size = dgraft_frame_encode(&peer_header, &sample.message, tail, records_bytes > 0 ? 2 : 0, head);
        cr_assert_eq(size, fixed, "type %u", type);
        cr_assert_arr_eq(head, sample.hand.bytes, size, "type %u", type);
    }
}

Test(frame, of_every_message_is_read_as_it_was_written)
{
    for (size_t t = 0; t < TYPES; t++) {
        const uint16_t type = types[t];
        const struct sample sample = sample_of((enum dgraft_message_type)type);
        struct dgraft_entry entries[ENTRIES_MAX];
        struct dgraft_frame frame;
        const enum dgraft_refusal refusal =
            dgraft_frame_decode(sample.hand.bytes, sample.hand.size, entries, ENTRIES_MAX, &frame);
        cr_assert_eq(refusal, DGRAFT_ACCEPT, "type %u: %s", type, dgraft_refusal_text(refusal));
        cr_assert_eq(frame.frame_bytes, sample.hand.size);
        cr_assert_eq(frame.header.cluster, UINT64_C(0x1122334455667788));
        cr_assert_eq(frame.header.to, 3u);
        if (type == DGRAFT_MESSAGE_APPEND) {
            cr_assert_eq(frame.message.u.append.entries, entries);
            cr_assert_eq(frame.records, sample.hand.bytes + 104);
            cr_assert_eq(frame.records_bytes, sample.hand.size - 104);
            cr_assert(entries[0].index == 42 && entries[0].term == 7 && entries[0].payload_bytes == 5);
            cr_assert(entries[1].index == 43 && entries[1].term == 9 && entries[1].payload_bytes == 0);
            frame.message.u.append.entries = NULL;
        }
        if (type == DGRAFT_MESSAGE_SNAPSHOT_CHUNK) {
            cr_assert_eq(frame.records, sample.hand.bytes + 120);
            cr_assert_eq(frame.records_bytes, 13u);
        }
        cr_assert_eq(memcmp(&frame.message, &sample.message, sizeof sample.message), 0, "type %u", type);
    }
}

Test(frame, stands_behind_another_in_one_datagram)
{
    const struct sample first = sample_of(DGRAFT_MESSAGE_APPEND_ACK);
    const struct sample second = sample_of(DGRAFT_MESSAGE_VOTE_GRANT);
    uint8_t bytes[512];
    struct dgraft_frame frame;
    memcpy(bytes, first.hand.bytes, first.hand.size);
    memcpy(bytes + first.hand.size, second.hand.bytes, second.hand.size);
    const size_t size = first.hand.size + second.hand.size;
    cr_assert_eq(decode(bytes, size, ENTRIES_MAX, &frame), DGRAFT_ACCEPT);
    cr_assert_eq(frame.header.type, DGRAFT_MESSAGE_APPEND_ACK);
    cr_assert_eq(decode(bytes + frame.frame_bytes, size - frame.frame_bytes, ENTRIES_MAX, &frame), DGRAFT_ACCEPT);
    cr_assert_eq(frame.header.type, DGRAFT_MESSAGE_VOTE_GRANT);
}

Test(frame, is_refused_when_cut_anywhere)
{
    for (size_t t = 0; t < TYPES; t++) {
        const uint16_t type = types[t];
        const struct sample sample = sample_of((enum dgraft_message_type)type);
        struct dgraft_frame frame;
        for (size_t size = 0; size < sample.hand.size; size++) {
            cr_assert_eq(decode(sample.hand.bytes, size, ENTRIES_MAX, &frame), DGRAFT_REFUSAL_SHORT, "%zu", size);
        }
    }
}

Test(frame, is_refused_with_any_bit_flipped)
{
    for (size_t t = 0; t < TYPES; t++) {
        const uint16_t type = types[t];
        struct sample sample = sample_of((enum dgraft_message_type)type);
        struct dgraft_frame frame;
        for (size_t bit = 0; bit < sample.hand.size * 8; bit++) {
            const uint8_t mask = (uint8_t)(1u << bit % 8);
            sample.hand.bytes[bit / 8] ^= mask;
            cr_assert_neq(decode(sample.hand.bytes, sample.hand.size, ENTRIES_MAX, &frame), DGRAFT_ACCEPT,
                          "type %u bit %zu", type, bit);
            sample.hand.bytes[bit / 8] ^= mask;
        }
        cr_assert_eq(decode(sample.hand.bytes, sample.hand.size, ENTRIES_MAX, &frame), DGRAFT_ACCEPT);
    }
}

/* The length is under the checksum too: a frame followed by other bytes cannot be made longer or shorter. */
Test(frame, is_refused_with_any_bit_of_its_length_flipped_when_more_bytes_follow)
{
    struct sample sample = sample_of(DGRAFT_MESSAGE_APPEND_ACK);
    struct dgraft_frame frame;
    for (size_t bit = 32; bit < 64; bit++) {
        const uint8_t mask = (uint8_t)(1u << bit % 8);
        sample.hand.bytes[bit / 8] ^= mask;
        cr_assert_neq(decode(sample.hand.bytes, sizeof sample.hand.bytes, ENTRIES_MAX, &frame), DGRAFT_ACCEPT);
        sample.hand.bytes[bit / 8] ^= mask;
    }
}

Test(frame, of_a_client_goes_both_ways)
{
    const char payload[] = "put key value";
    const struct dgraft_client_request request = {.client = 0x1111,
                                                  .sequence = 7,
                                                  .payload = (const uint8_t *)payload,
                                                  .payload_bytes = sizeof payload - 1,
                                                  .kind = 3};
    struct by_hand hand = {.size = 0};
    by_hand_request_header(&hand);
    by_hand_u64(&hand, 0x1111);
    by_hand_u64(&hand, 7);
    by_hand_u32(&hand, 13);
    by_hand_u32(&hand, 3);
    const size_t head_bytes = hand.size;
    by_hand_bytes(&hand, payload, 13);
    by_hand_bytes(&hand, "\0\0", 3);
    by_hand_seal(&hand);
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    size_t padding = 99;
    cr_assert_eq(dgraft_frame_encode_request(&peer_header, &request, head, &padding), head_bytes);
    cr_assert_eq(padding, 3u);
    /* `to` is what the header says: everything else of it is nothing to a client. */
    const struct dgraft_frame_header plain = {.cluster = peer_header.cluster, .from = 3, .term = 4, .store = 5};
    cr_assert_eq(dgraft_frame_encode_request(&plain, &request, head, &padding), head_bytes);
    cr_assert_arr_eq(head, hand.bytes, head_bytes);
    struct dgraft_frame frame;
    cr_assert_eq(dgraft_frame_decode(hand.bytes, hand.size, NULL, 0, &frame), DGRAFT_ACCEPT);
    cr_assert(frame.request.client == 0x1111 && frame.request.sequence == 7 && frame.request.kind == 3);
    cr_assert_eq(frame.request.payload_bytes, 13u);
    cr_assert_eq(memcmp(frame.request.payload, payload, 13), 0);
}

Test(frame, of_an_answer_goes_both_ways)
{
    const struct dgraft_client_answer answer = {
        .client = 0x1111, .sequence = 7, .index = 99, .kind = 3, .result = DGRAFT_CLIENT_NOT_LEADER, .leader = 2};
    struct dgraft_frame_header header = peer_header;
    header.from = 3;
    header.generation = 5;
    header.store = 0xabcdef;
    header.term = 9;
    struct by_hand hand = {.size = 0};
    by_hand_header(&hand, 33);
    memset(hand.bytes + 40, 0, 8); /* to: an answer names no peer */
    by_hand_u64(&hand, 0x1111);
    by_hand_u64(&hand, 7);
    by_hand_u64(&hand, 99);
    by_hand_u32(&hand, 0);
    by_hand_u32(&hand, 3);
    by_hand_u32(&hand, 2);
    by_hand_u32(&hand, 2);
    by_hand_seal(&hand);
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    size_t padding = 99;
    cr_assert_eq(dgraft_frame_encode_answer(&header, &answer, head, &padding), hand.size);
    cr_assert_arr_eq(head, hand.bytes, hand.size);
    struct dgraft_frame frame;
    cr_assert_eq(dgraft_frame_decode(hand.bytes, hand.size, NULL, 0, &frame), DGRAFT_ACCEPT);
    cr_assert(frame.answer.index == 99 && frame.answer.leader == 2);
    cr_assert_eq(frame.answer.result, DGRAFT_CLIENT_NOT_LEADER);
    cr_assert_null(frame.answer.payload);
}

Test(frame, of_no_peer_message_is_not_written)
{
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    for (uint32_t type = 0; type < 70000; type++) {
        if (is_type(type)) {
            continue;
        }
        const struct dgraft_message message = message_of((enum dgraft_message_type)(uint16_t)type);
        if ((uint16_t)type == type) {
            cr_assert_eq(dgraft_frame_encode(&peer_header, &message, NULL, 0, head), 0u, "type %u", type);
        }
    }
}

Test(frame, is_printed_as_one_line)
{
    const struct sample sample = sample_of(DGRAFT_MESSAGE_APPEND_REFUSE);
    struct dgraft_frame frame;
    char text[400];
    const char expected[] = "APPEND_REFUSE from=3 to=1,2 cluster=1122334455667788 group=0 store=0000000000abcdef "
                            "generation=5 frame_term=9 prev_index=41 hint_index=30 hint_term=6 round=123456 reason=5 "
                            "bytes=104";
    cr_assert_eq(decode(sample.hand.bytes, sample.hand.size, 0, &frame), DGRAFT_ACCEPT);
    cr_assert_eq(dgraft_frame_print(&frame, text, sizeof text), (int)strlen(expected));
    cr_assert_str_eq(text, expected);
    char small[8] = "xxxxxxx";
    cr_assert_eq(dgraft_frame_print(&frame, small, sizeof small), (int)strlen(expected));
    cr_assert_str_eq(small, "APPEND_");
    cr_assert_eq(dgraft_frame_print(&frame, NULL, 0), (int)strlen(expected));
    cr_assert_str_eq(dgraft_frame_type_name(33), "CLIENT_ANSWER");
    cr_assert_null(dgraft_frame_type_name(0));
    cr_assert_null(dgraft_frame_type_name(15));
    cr_assert_null(dgraft_frame_type_name(UINT16_MAX));
}
