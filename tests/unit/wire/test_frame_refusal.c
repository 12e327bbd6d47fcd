/* Frames that are well sealed and yet not what dgraft writes: each is refused, and the reason names what is wrong. */
#include "frame_by_hand.h"

#include <dgraft/frame.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 8
#define BODY        64u

static enum dgraft_refusal decode(const struct by_hand *hand, size_t entries_max)
{
    struct dgraft_frame frame;
    struct dgraft_entry *entries = calloc(entries_max > 0 ? entries_max : 1, sizeof *entries);
    uint8_t *copy = malloc(hand->size);
    cr_assert(entries != NULL && copy != NULL);
    memcpy(copy, hand->bytes, hand->size);
    const enum dgraft_refusal refusal = dgraft_frame_decode(copy, hand->size, entries, entries_max, &frame);
    free(copy);
    free(entries);
    return refusal;
}

/* An APPEND after (41, 7) of term 9 that says `count`. */
static struct by_hand append(uint32_t count)
{
    struct by_hand hand = {.size = 0};
    by_hand_header(&hand, 7);
    by_hand_u64(&hand, 41);
    by_hand_u64(&hand, 7);
    by_hand_u64(&hand, 40);
    by_hand_u64(&hand, 1);
    by_hand_u32(&hand, count);
    by_hand_u32(&hand, 0);
    return hand;
}

static struct by_hand vote_request(void)
{
    struct by_hand hand = {.size = 0};
    by_hand_header(&hand, 4);
    by_hand_u64(&hand, 9);
    by_hand_u64(&hand, 1000);
    by_hand_u64(&hand, 8);
    by_hand_u32(&hand, 0);
    by_hand_u32(&hand, 0);
    return hand;
}

/* A chunk of 5 bytes at offset 10 of a snapshot at (500, 8) of 15 bytes. */
static struct by_hand chunk(void)
{
    struct by_hand hand = {.size = 0};
    by_hand_header(&hand, 11);
    by_hand_u64(&hand, 500);
    by_hand_u64(&hand, 8);
    by_hand_u64(&hand, 15);
    by_hand_u64(&hand, 77);
    by_hand_u64(&hand, 10);
    by_hand_u64(&hand, 1);
    by_hand_u32(&hand, 5);
    by_hand_u32(&hand, 0);
    by_hand_bytes(&hand, "bytes\0\0\0", 8);
    return hand;
}

static struct by_hand chunk_ack(void)
{
    struct by_hand hand = {.size = 0};
    by_hand_header(&hand, 12);
    by_hand_u64(&hand, 500);
    by_hand_u64(&hand, 8);
    by_hand_u64(&hand, 15);
    by_hand_u64(&hand, 77);
    by_hand_u64(&hand, 15);
    by_hand_u64(&hand, 1);
    return hand;
}

static struct by_hand request(uint32_t payload_bytes)
{
    struct by_hand hand = {.size = 0};
    by_hand_request_header(&hand);
    by_hand_u64(&hand, 1);
    by_hand_u64(&hand, 1);
    by_hand_u32(&hand, payload_bytes);
    by_hand_u32(&hand, 1);
    return hand;
}

static struct by_hand answer(uint32_t result, uint32_t leader)
{
    struct by_hand hand = {.size = 0};
    by_hand_header(&hand, 33);
    memset(hand.bytes + 40, 0, 8);
    by_hand_u64(&hand, 1);
    by_hand_u64(&hand, 1);
    by_hand_u64(&hand, 0);
    by_hand_u32(&hand, 0);
    by_hand_u32(&hand, 1);
    by_hand_u32(&hand, result);
    by_hand_u32(&hand, leader);
    return hand;
}

/* Overwrites a number at a place, seals, decodes. */
static enum dgraft_refusal with(struct by_hand hand, size_t at, size_t width, uint64_t value)
{
    for (size_t i = 0; i < width; i++) {
        hand.bytes[at + i] = (uint8_t)(value >> 8 * i);
    }
    by_hand_seal(&hand);
    return decode(&hand, ENTRIES_MAX);
}

static enum dgraft_refusal sealed(struct by_hand hand)
{
    by_hand_seal(&hand);
    return decode(&hand, ENTRIES_MAX);
}

Test(frame_refusals, begin_with_none_for_what_is_right)
{
    struct by_hand hand = append(2);
    by_hand_record(&hand, 42, 7, "a");
    by_hand_record(&hand, 43, 9, "b");
    cr_assert_eq(sealed(hand), DGRAFT_ACCEPT);
    cr_assert_eq(sealed(append(0)), DGRAFT_ACCEPT);
    cr_assert_eq(sealed(vote_request()), DGRAFT_ACCEPT);
    cr_assert_eq(sealed(chunk()), DGRAFT_ACCEPT);
    cr_assert_eq(sealed(chunk_ack()), DGRAFT_ACCEPT);
    cr_assert_eq(sealed(request(0)), DGRAFT_ACCEPT);
    cr_assert_eq(sealed(answer(1, 0)), DGRAFT_ACCEPT);
}

Test(frame_refusals, name_what_is_wrong_with_a_part_of_a_snapshot)
{
    cr_assert_eq(with(chunk(), BODY, 8, 0), DGRAFT_REFUSAL_FIELD, "no index");
    cr_assert_eq(with(chunk(), BODY + 8, 8, 0), DGRAFT_REFUSAL_FIELD, "no term");
    cr_assert_eq(with(chunk(), BODY + 8, 8, 10), DGRAFT_REFUSAL_ORDER, "a term above the sender's");
    cr_assert_eq(with(chunk(), BODY + 16, 8, 14), DGRAFT_REFUSAL_FIELD, "more bytes than are left");
    cr_assert_eq(with(chunk(), BODY + 16, 8, 10), DGRAFT_REFUSAL_FIELD, "none is left");
    cr_assert_eq(with(chunk(), BODY + 16, 8, UINT64_MAX), DGRAFT_REFUSAL_FIELD);
    cr_assert_eq(with(chunk(), BODY + 32, 8, UINT64_MAX / 2), DGRAFT_REFUSAL_FIELD, "offset and bytes wrap nothing");
    cr_assert_eq(with(chunk(), BODY + 48, 4, 0), DGRAFT_REFUSAL_FIELD, "no bytes");
    cr_assert_eq(with(chunk(), BODY + 48, 4, 4), DGRAFT_REFUSAL_PADDING, "fewer bytes than follow");
    cr_assert_eq(with(chunk(), BODY + 48, 4, 1048577), DGRAFT_REFUSAL_FIELD);
    cr_assert_eq(with(chunk(), BODY + 16, 8, 100), DGRAFT_ACCEPT);
    struct by_hand longer = chunk();
    by_hand_u64(&longer, 0);
    cr_assert_eq(sealed(longer), DGRAFT_REFUSAL_LENGTH);
    cr_assert_eq(with(chunk_ack(), BODY + 32, 8, 16), DGRAFT_REFUSAL_FIELD, "more than there is");
    cr_assert_eq(with(chunk_ack(), BODY + 16, 8, 0), DGRAFT_REFUSAL_FIELD);
}

Test(frame_refusals, name_what_is_wrong_in_a_header)
{
    cr_assert_eq(with(vote_request(), 0, 1, 'x'), DGRAFT_REFUSAL_MAGIC);
    cr_assert_eq(with(vote_request(), 16, 1, 2), DGRAFT_REFUSAL_VERSION);
    cr_assert_eq(with(vote_request(), 16, 1, 255), DGRAFT_REFUSAL_VERSION);
    cr_assert_eq(with(vote_request(), 16, 1, 0), DGRAFT_REFUSAL_FIELD);
    cr_assert_eq(with(vote_request(), 17, 1, 1), DGRAFT_REFUSAL_FIELD);
    cr_assert_eq(with(vote_request(), 20, 4, 0), DGRAFT_REFUSAL_FIELD, "a peer is somebody");
    cr_assert_eq(with(vote_request(), 20, 4, 65), DGRAFT_REFUSAL_FIELD);
    cr_assert_eq(with(vote_request(), 56, 8, UINT64_MAX), DGRAFT_REFUSAL_FIELD);
    const uint16_t none[] = {0, 15, 18, 31, 34, 256, UINT16_MAX};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        cr_assert_eq(with(vote_request(), 18, 2, none[i]), DGRAFT_REFUSAL_TYPE, "type %u", none[i]);
    }
}

Test(frame_refusals, keep_clients_and_peers_apart)
{
    cr_assert_eq(with(request(0), 20, 4, 1), DGRAFT_REFUSAL_FIELD, "a request comes from nobody");
    cr_assert_eq(with(request(0), 36, 4, 1), DGRAFT_REFUSAL_FIELD);
    cr_assert_eq(with(request(0), 48, 8, 1), DGRAFT_REFUSAL_FIELD);
    cr_assert_eq(with(request(0), 56, 8, 1), DGRAFT_REFUSAL_FIELD);
    cr_assert_eq(with(answer(1, 0), 20, 4, 0), DGRAFT_REFUSAL_FIELD);
    cr_assert_eq(with(answer(1, 0), 40, 8, 1), DGRAFT_REFUSAL_FIELD);
}

Test(frame_refusals, name_a_length_that_is_none)
{
    struct by_hand hand = vote_request();
    by_hand_u64(&hand, 0);
    cr_assert_eq(sealed(hand), DGRAFT_REFUSAL_LENGTH, "longer than its body");
    hand = vote_request();
    hand.size -= 8;
    cr_assert_eq(sealed(hand), DGRAFT_REFUSAL_LENGTH, "shorter than its body");
    hand.size = BODY;
    cr_assert_eq(sealed(hand), DGRAFT_REFUSAL_LENGTH, "no body");
    const uint32_t lengths[] = {0, 8, 56, 97, 100, DGRAFT_FRAME_BYTES_MAX + 8, UINT32_MAX - 7, UINT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        hand = vote_request();
        by_hand_seal(&hand);
        dgraft_put_u32(hand.bytes + 4, lengths[i]);
        cr_assert_eq(decode(&hand, 0), DGRAFT_REFUSAL_LENGTH, "%u", lengths[i]);
    }
}

Test(frame_refusals, name_a_value_that_is_never_written)
{
    cr_assert_eq(with(vote_request(), BODY, 8, 0), DGRAFT_REFUSAL_FIELD, "term 0");
    cr_assert_eq(with(vote_request(), BODY + 8, 8, 0), DGRAFT_REFUSAL_FIELD, "half a position");
    cr_assert_eq(with(vote_request(), BODY + 16, 8, 0), DGRAFT_REFUSAL_FIELD, "half a position");
    cr_assert_eq(with(vote_request(), BODY + 16, 8, 10), DGRAFT_REFUSAL_ORDER, "a log ahead of the candidate's term");
    cr_assert_eq(with(vote_request(), BODY + 24, 4, 2), DGRAFT_REFUSAL_FIELD, "transfer is yes or no");
    cr_assert_eq(with(vote_request(), BODY + 28, 4, 1), DGRAFT_REFUSAL_FIELD, "reserved");
    cr_assert_eq(with(append(0), BODY, 8, UINT64_MAX), DGRAFT_REFUSAL_FIELD);
    cr_assert_eq(with(append(0), BODY + 8, 8, 10), DGRAFT_REFUSAL_ORDER, "prev of a later term");
    cr_assert_eq(with(append(0), 56, 8, 0), DGRAFT_REFUSAL_FIELD, "no leader in term 0");
    for (uint32_t result = 0; result < 10; result++) {
        cr_assert_eq(sealed(answer(result, 0)) == DGRAFT_ACCEPT, result >= 1 && result <= 5, "%u", result);
    }
    cr_assert_eq(sealed(answer(1, 64)), DGRAFT_ACCEPT);
    cr_assert_eq(sealed(answer(1, 65)), DGRAFT_REFUSAL_FIELD);
}

Test(frame_refusals, bound_reasons_by_what_they_answer)
{
    for (uint16_t type = 2; type <= 9; type++) {
        const bool grant = type == 2 || type == 5;
        const bool refuse = type == 3 || type == 6;
        if (!grant && !refuse) {
            continue;
        }
        for (uint32_t reason = 0; reason < 10; reason++) {
            struct by_hand hand = {.size = 0};
            by_hand_header(&hand, type);
            by_hand_u64(&hand, 9);
            by_hand_u32(&hand, reason);
            by_hand_u32(&hand, 0);
            const bool right = grant ? reason == 0 : reason >= 1 && reason <= 7;
            cr_assert_eq(sealed(hand), right ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_FIELD, "type %u reason %u", type, reason);
        }
    }
}

/* What a count announces is never believed before it is held against the bytes and the caller's array. */
Test(frame_refusals, name_a_count_that_lies)
{
    const uint32_t counts[] = {1, 3, 8, 9, 65535, 65536, 0x40000001, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct by_hand hand = append(counts[i]);
        by_hand_record(&hand, 42, 7, "a");
        by_hand_record(&hand, 43, 9, "b");
        by_hand_seal(&hand);
        const enum dgraft_refusal expected = counts[i] > 65536 ? DGRAFT_REFUSAL_FIELD : DGRAFT_REFUSAL_COUNT;
        cr_assert_eq(decode(&hand, ENTRIES_MAX), expected, "%u", counts[i]);
    }
    struct by_hand hand = append(2);
    by_hand_record(&hand, 42, 7, "a");
    by_hand_record(&hand, 43, 9, "b");
    by_hand_seal(&hand);
    cr_assert_eq(decode(&hand, 2), DGRAFT_ACCEPT);
    cr_assert_eq(decode(&hand, 1), DGRAFT_REFUSAL_COUNT, "more than the caller has room for");
    cr_assert_eq(decode(&hand, 0), DGRAFT_REFUSAL_COUNT);
    hand = append(0);
    by_hand_record(&hand, 42, 7, "a");
    cr_assert_eq(sealed(hand), DGRAFT_REFUSAL_COUNT, "records that no count names");
    /* 2^32 + 1 entries in a field of 32 bits would look like one. */
    hand = append(1);
    hand.bytes[BODY + 36] = 1;
    by_hand_record(&hand, 42, 7, "a");
    cr_assert_eq(sealed(hand), DGRAFT_REFUSAL_FIELD);
}

Test(frame_refusals, name_entries_out_of_order)
{
    const struct {
        uint64_t index[2];
        uint64_t term[2];
        enum dgraft_refusal refusal;
    } cases[] = {
        {{42, 43}, {7, 7}, DGRAFT_ACCEPT},         {{42, 43}, {7, 9}, DGRAFT_ACCEPT},
        {{43, 44}, {7, 7}, DGRAFT_REFUSAL_ORDER},  /* a gap behind prev */
        {{41, 42}, {7, 7}, DGRAFT_REFUSAL_ORDER},  /* prev again */
        {{42, 44}, {7, 7}, DGRAFT_REFUSAL_ORDER},  /* a gap */
        {{42, 42}, {7, 7}, DGRAFT_REFUSAL_ORDER},  /* twice */
        {{42, 43}, {6, 7}, DGRAFT_REFUSAL_ORDER},  /* older than prev */
        {{42, 43}, {8, 7}, DGRAFT_REFUSAL_ORDER},  /* terms fall */
        {{42, 43}, {7, 10}, DGRAFT_REFUSAL_ORDER}, /* newer than the leader's */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct by_hand hand = append(2);
        by_hand_record(&hand, cases[i].index[0], cases[i].term[0], "payload");
        by_hand_record(&hand, cases[i].index[1], cases[i].term[1], "");
        cr_assert_eq(sealed(hand), cases[i].refusal, "case %zu", i);
    }
}

/* The frame's own checksum may fit what a broken sender made: each record is checked for itself. */
Test(frame_refusals, look_into_each_record)
{
    struct by_hand hand = append(1);
    by_hand_record(&hand, 42, 7, "payload"); /* 7 bytes and 1 of padding */
    cr_assert_eq(with(hand, hand.size - 1, 1, 1), DGRAFT_REFUSAL_PADDING);
    cr_assert_eq(with(hand, hand.size - 2, 1, 1), DGRAFT_REFUSAL_CHECKSUM);
    cr_assert_eq(with(hand, 104 + 8, 1, 43), DGRAFT_REFUSAL_CHECKSUM);
    hand = append(1);
    by_hand_record(&hand, 42, 7, "a payload of more than eight bytes");
    hand.size -= 8;
    cr_assert_eq(sealed(hand), DGRAFT_REFUSAL_COUNT, "a record longer than the frame");
}

Test(frame_refusals, bound_a_clients_payload_by_the_bytes)
{
    const uint32_t lies[] = {
        1, 8, 9, 17, DGRAFT_FRAME_PAYLOAD_MAX, DGRAFT_FRAME_PAYLOAD_MAX + 1, UINT32_MAX - 6, UINT32_MAX};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct by_hand hand = request(lies[i]);
        by_hand_u64(&hand, 0);
        by_hand_u64(&hand, 0);
        const enum dgraft_refusal expected = lies[i] == 9                         ? DGRAFT_ACCEPT
                                             : lies[i] > DGRAFT_FRAME_PAYLOAD_MAX ? DGRAFT_REFUSAL_FIELD
                                                                                  : DGRAFT_REFUSAL_LENGTH;
        cr_assert_eq(sealed(hand), expected, "%u", lies[i]);
    }
    struct by_hand hand = request(3);
    by_hand_bytes(&hand, "abc\0\0\0\0\1", 8);
    cr_assert_eq(sealed(hand), DGRAFT_REFUSAL_PADDING);
}

Test(frame_check, tells_who_a_frame_concerns)
{
    const struct dgraft_frame_expect node = {.cluster = 5, .group = 0, .self = 2, .members = 7};
    const struct dgraft_frame_header from_1 = {.cluster = 5, .from = 1, .type = DGRAFT_MESSAGE_APPEND_ACK};
    struct dgraft_frame frame = {.header = from_1};
    cr_assert_eq(dgraft_frame_check(&frame, &node), DGRAFT_ACCEPT);
    frame.header.to = 2;
    cr_assert_eq(dgraft_frame_check(&frame, &node), DGRAFT_ACCEPT);
    frame.header.to = 5;
    cr_assert_eq(dgraft_frame_check(&frame, &node), DGRAFT_REFUSAL_RECEIVER);
    frame.header = from_1;
    frame.header.cluster = 6;
    cr_assert_eq(dgraft_frame_check(&frame, &node), DGRAFT_REFUSAL_CLUSTER);
    frame.header.cluster = 0;
    cr_assert_eq(dgraft_frame_check(&frame, &node), DGRAFT_REFUSAL_CLUSTER, "a peer knows its cluster");
    frame.header = from_1;
    frame.header.group = 1;
    cr_assert_eq(dgraft_frame_check(&frame, &node), DGRAFT_REFUSAL_GROUP);
    frame.header = from_1;
    frame.header.from = 4;
    cr_assert_eq(dgraft_frame_check(&frame, &node), DGRAFT_REFUSAL_SENDER);
    frame.header.from = 2;
    cr_assert_eq(dgraft_frame_check(&frame, &node), DGRAFT_REFUSAL_SENDER, "nobody sends to oneself");
}

Test(frame_check, lets_a_client_not_know_the_cluster)
{
    const struct dgraft_frame_expect node = {.cluster = 5, .self = 2, .members = 7};
    const struct dgraft_frame_expect client = {.cluster = 0};
    struct dgraft_frame frame = {.header = {.type = DGRAFT_FRAME_CLIENT_REQUEST}};
    cr_assert_eq(dgraft_frame_check(&frame, &node), DGRAFT_ACCEPT);
    frame.header.cluster = 6;
    cr_assert_eq(dgraft_frame_check(&frame, &node), DGRAFT_REFUSAL_CLUSTER);
    frame.header = (struct dgraft_frame_header){.type = DGRAFT_FRAME_CLIENT_ANSWER, .cluster = 6, .from = 4};
    cr_assert_eq(dgraft_frame_check(&frame, &client), DGRAFT_ACCEPT);
}
