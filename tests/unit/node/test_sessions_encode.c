/* The table of sessions as bytes: written by hand once, and what is refused. */
#include "sessions.h"

#include <dgraft/record.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* One session, opened by entry 7 at 5 s, whose sequence 1 entry 9 did in term 2, with the answer "hi". The checksum is
 * made by seal. */
static const uint8_t golden[32 + 48 + 24 + 8 + 8] = {
    'd',  'g',  'r',  's',  1,    0, 0, 0, /* magic, version */
    0x00, 0xf2, 0x05, 0x2a, 0x01, 0, 0, 0, /* log time 5 s */
    0x00, 0xf2, 0x05, 0x2a, 0x01, 0, 0, 0, /* of which all counted */
    1,    0,    0,    0,    0,    0, 0, 0, /* one session */
    7,    0,    0,    0,    0,    0, 0, 0, /* id */
    0x00, 0xca, 0x9a, 0x3b, 0,    0, 0, 0, /* timeout 1 s */
    0x00, 0xf2, 0x05, 0x2a, 0x01, 0, 0, 0, /* heard at 5 s */
    9,    0,    0,    0,    0,    0, 0, 0, /* by entry 9 */
    1,    0,    0,    0,    0,    0, 0, 0, /* newest sequence */
    2,    0,    0,    0,    0,    0, 0, 0, /* mask: 1 % 64 */
    9,    0,    0,    0,    0,    0, 0, 0, /* done by entry 9 */
    2,    0,    0,    0,    0,    0, 0, 0, /* of term 2 */
    2,    0,    0,    0,    0,    0, 0, 0, /* two bytes of an answer */
    'h',  'i',  0,    0,    0,    0, 0, 0,
};

static void seal(uint8_t *bytes, size_t size)
{
    dgraft_put_u32(bytes + size - 8, dgraft_crc32c(0, bytes, size - 8));
}

static enum dgraft_refusal decode(const uint8_t *bytes, size_t size)
{
    struct sessions sessions;
    uint8_t *copy = malloc(size > 0 ? size : 1); /* of just this size, for the sanitizer */
    cr_assert_not_null(copy);
    memcpy(copy, bytes, size);
    const enum dgraft_refusal refusal = dgraft_sessions_decode(copy, size, &sessions);
    cr_assert(refusal == DGRAFT_ACCEPT || (sessions.count == 0 && sessions.items == NULL && sessions.spare == NULL));
    dgraft_sessions_free(&sessions);
    free(copy);
    return refusal;
}

Test(sessions_bytes, are_written_and_read_as_the_table_says)
{
    struct sessions sessions = {0};
    uint8_t wanted[sizeof golden];
    uint8_t bytes[sizeof golden];
    const struct dgraft_session_head head = {7, 1};
    dgraft_sessions_advance(&sessions, UINT64_C(5000000000));
    cr_assert(dgraft_sessions_reserve(&sessions));
    dgraft_sessions_open(&sessions, 7, 1000000000);
    (void)dgraft_sessions_take(&sessions, &head, (struct dgraft_position){9, 2}, NULL);
    dgraft_sessions_remember(&sessions, &head, &(struct dgraft_remembered){.size = 2, .bytes = "hi"});
    memcpy(wanted, golden, sizeof golden);
    seal(wanted, sizeof wanted);
    cr_assert_eq(dgraft_sessions_encoded_bytes(&sessions), sizeof golden);
    dgraft_sessions_encode(&sessions, bytes);
    cr_assert_arr_eq(bytes, wanted, sizeof golden);
    struct sessions read;
    cr_assert_eq(dgraft_sessions_decode(wanted, sizeof wanted, &read), DGRAFT_ACCEPT);
    cr_assert_eq(dgraft_sessions_digest(&read), dgraft_sessions_digest(&sessions));
    dgraft_sessions_free(&read);
    dgraft_sessions_free(&sessions);
}

Test(sessions_bytes, are_refused_when_cut_or_with_any_bit_flipped)
{
    uint8_t bytes[sizeof golden];
    memcpy(bytes, golden, sizeof golden);
    seal(bytes, sizeof bytes);
    for (size_t size = 0; size < sizeof bytes; size++) {
        cr_assert_neq(decode(bytes, size), DGRAFT_ACCEPT, "%zu bytes", size);
    }
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
        cr_assert_neq(decode(bytes, sizeof bytes), DGRAFT_ACCEPT, "bit %zu", bit);
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
    }
    cr_assert_eq(decode(bytes, sizeof bytes), DGRAFT_ACCEPT);
}

Test(sessions_bytes, of_values_never_written_are_refused_by_name)
{
    const struct {
        size_t at;
        uint64_t value; /* 8 bytes */
        enum dgraft_refusal refusal;
    } lies[] = {
        {0, UINT64_C(2) << 32 | 0x73726764u, DGRAFT_REFUSAL_VERSION},
        {0, UINT64_C(1) << 32 | 0x73726765u, DGRAFT_REFUSAL_MAGIC},
        {8, UINT64_C(1) << 63, DGRAFT_REFUSAL_FIELD},
        {16, UINT64_C(5000000001), DGRAFT_REFUSAL_FIELD}, /* more than the log's time */
        {24, SESSIONS_MAX + 1, DGRAFT_REFUSAL_COUNT},
        {24, 2, DGRAFT_REFUSAL_LENGTH},
        {24, 0, DGRAFT_REFUSAL_LENGTH},
        {24, UINT64_C(1) << 32 | 1, DGRAFT_REFUSAL_FIELD},
        {32, 0, DGRAFT_REFUSAL_FIELD},
        {32, 9, DGRAFT_REFUSAL_FIELD}, /* what it did is not after its opening */
        {40, 0, DGRAFT_REFUSAL_FIELD},
        {40, DGRAFT_SESSION_TIMEOUT_MAX_NS + 1, DGRAFT_REFUSAL_FIELD},
        {48, UINT64_C(5000000001), DGRAFT_REFUSAL_FIELD}, /* heard in the future */
        {48, UINT64_C(3999999999), DGRAFT_REFUSAL_FIELD}, /* it would have expired */
        {56, 6, DGRAFT_REFUSAL_FIELD},                    /* heard before it was opened */
        {56, 8, DGRAFT_REFUSAL_FIELD},                    /* not heard by what it did */
        {64, 0, DGRAFT_REFUSAL_FIELD},                    /* nothing applied, yet something done */
        {64, 2, DGRAFT_REFUSAL_FIELD},                    /* the newest is not done */
        {72, 0, DGRAFT_REFUSAL_FIELD},
        {72, 3, DGRAFT_REFUSAL_FIELD}, /* sequence 0 */
        {72, 6, DGRAFT_REFUSAL_FIELD}, /* sequence 2 is above the newest */
        {80, 0, DGRAFT_REFUSAL_FIELD},
        {88, 0, DGRAFT_REFUSAL_FIELD},
        {96, DGRAFT_SESSION_ANSWER_BYTES_MAX + 1, DGRAFT_REFUSAL_FIELD},
        {96, 9, DGRAFT_REFUSAL_LENGTH},
        {96, 0, DGRAFT_REFUSAL_LENGTH},
        {96, UINT64_C(1) << 32 | 2, DGRAFT_REFUSAL_FIELD},
        {104, UINT64_C(1) << 56, DGRAFT_REFUSAL_PADDING},
        {112, UINT64_C(1) << 32, DGRAFT_REFUSAL_FIELD}, /* behind the checksum */
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        uint8_t bytes[sizeof golden];
        memcpy(bytes, golden, sizeof golden);
        dgraft_put_u64(bytes + lies[i].at, lies[i].value);
        seal(bytes, sizeof bytes);
        cr_assert_eq(decode(bytes, sizeof bytes), lies[i].refusal, "lie %zu", i);
    }
}

Test(sessions_bytes, with_ids_out_of_order_are_refused)
{
    uint8_t bytes[32 + 2 * 48 + 8] = {0};
    memcpy(bytes, golden, 32 + 48);
    bytes[24] = 2;
    bytes[64] = 0;
    bytes[72] = 0;
    memcpy(bytes + 80, bytes + 32, 48);
    bytes[80] = 8;
    seal(bytes, sizeof bytes);
    cr_assert_eq(decode(bytes, sizeof bytes), DGRAFT_ACCEPT);
    bytes[80] = 7;
    seal(bytes, sizeof bytes);
    cr_assert_eq(decode(bytes, sizeof bytes), DGRAFT_REFUSAL_ORDER);
}
