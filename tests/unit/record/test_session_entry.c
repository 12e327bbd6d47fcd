/* What sessions put into records: bytes by hand, and what is refused. */
#include <dgraft/record.h>
#include <dgraft/session_entry.h>

#include <criterion/criterion.h>
#include <string.h>

/* Written down from the table in session_entry.h. */
static const uint8_t opening[16] = {1, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x58, 0x47, 0xf8, 0x0d, 0, 0, 0}; /* 60 s */
static const uint8_t closing[16] = {2, 0, 0, 0, 0, 0, 0, 0, 0x34, 0x12, 0, 0, 0, 0, 0, 0};
static const uint8_t head_bytes[16] = {0x34, 0x12, 0, 0, 0, 0, 0, 0, 0x07, 0, 0, 0, 0, 0, 0, 0};

/* A whole record around a payload, sealed. */
static size_t put(uint8_t *out, enum dgraft_entry_kind kind, uint8_t flags, const uint8_t *payload, uint32_t size)
{
    struct dgraft_record record = {.entry = {.index = 9000, .term = 2, .payload_bytes = size, .kind = kind},
                                   .flags = flags};
    memset(out, 0, dgraft_record_bytes(size));
    memcpy(out + DGRAFT_RECORD_HEADER_BYTES, payload, size);
    record.entry.checksum = dgraft_crc32c(0, payload, size);
    dgraft_record_encode_header(&record, out);
    return dgraft_record_bytes(size);
}

static enum dgraft_refusal refusal_of(enum dgraft_entry_kind kind, uint8_t flags, const uint8_t *payload, uint32_t size)
{
    uint8_t bytes[128];
    struct dgraft_record record;
    const size_t whole = put(bytes, kind, flags, payload, size);
    return dgraft_record_decode(bytes, whole, &record, NULL);
}

Test(session_entries, are_written_and_read_as_the_table_says)
{
    uint8_t bytes[DGRAFT_SESSION_BYTES];
    struct dgraft_session_entry entry = {.act = DGRAFT_SESSION_OPEN, .timeout_ns = UINT64_C(60000000000)};
    dgraft_session_entry_encode(&entry, bytes);
    cr_assert_arr_eq(bytes, opening, sizeof bytes);
    entry = (struct dgraft_session_entry){.act = DGRAFT_SESSION_CLOSE, .session = 0x1234};
    dgraft_session_entry_encode(&entry, bytes);
    cr_assert_arr_eq(bytes, closing, sizeof bytes);
    cr_assert_eq(dgraft_session_entry_decode(opening, sizeof opening, &entry), DGRAFT_ACCEPT);
    cr_assert(entry.act == DGRAFT_SESSION_OPEN && entry.timeout_ns == UINT64_C(60000000000) && entry.session == 0);
    cr_assert_eq(dgraft_session_entry_decode(closing, sizeof closing, &entry), DGRAFT_ACCEPT);
    cr_assert(entry.act == DGRAFT_SESSION_CLOSE && entry.timeout_ns == 0 && entry.session == 0x1234);
    struct dgraft_session_head head = {.session = 0x1234, .sequence = 7};
    dgraft_session_head_encode(&head, bytes);
    cr_assert_arr_eq(bytes, head_bytes, sizeof bytes);
    head = (struct dgraft_session_head){0};
    cr_assert_eq(dgraft_session_head_decode(head_bytes, sizeof head_bytes, &head), DGRAFT_ACCEPT);
    cr_assert(head.session == 0x1234 && head.sequence == 7);
}

Test(session_entries, of_values_never_written_are_refused_by_name)
{
    const struct {
        size_t at;
        size_t width;
        uint64_t value;
        enum dgraft_refusal refusal;
    } lies[] = {
        {0, 4, 0, DGRAFT_REFUSAL_TYPE},
        {0, 4, 3, DGRAFT_REFUSAL_TYPE},
        {4, 4, 1, DGRAFT_REFUSAL_FIELD},
        {8, 8, 0, DGRAFT_REFUSAL_FIELD},
        {8, 8, DGRAFT_SESSION_TIMEOUT_MAX_NS + 1, DGRAFT_REFUSAL_FIELD},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        uint8_t bytes[sizeof opening];
        memcpy(bytes, opening, sizeof bytes);
        for (size_t byte = 0; byte < lies[i].width; byte++) {
            bytes[lies[i].at + byte] = (uint8_t)(lies[i].value >> 8 * byte);
        }
        cr_assert_eq(refusal_of(DGRAFT_ENTRY_SESSION, 0, bytes, sizeof bytes), lies[i].refusal, "lie %zu", i);
    }
    uint8_t far[sizeof closing];
    memcpy(far, closing, sizeof far);
    dgraft_put_u64(far + 8, DGRAFT_RECORD_NUMBER_MAX + 1);
    cr_assert_eq(refusal_of(DGRAFT_ENTRY_SESSION, 0, far, sizeof far), DGRAFT_REFUSAL_FIELD);
    struct dgraft_session_entry entry;
    cr_assert_eq(dgraft_session_entry_decode(opening, 15, &entry), DGRAFT_REFUSAL_LENGTH);
    cr_assert_eq(dgraft_session_entry_decode(opening, 17, &entry), DGRAFT_REFUSAL_LENGTH);
}

Test(session_entries, have_just_their_size_and_no_flag)
{
    uint8_t longer[24] = {0};
    memcpy(longer, opening, sizeof opening);
    cr_assert_eq(refusal_of(DGRAFT_ENTRY_SESSION, 0, opening, 16), DGRAFT_ACCEPT);
    cr_assert_eq(refusal_of(DGRAFT_ENTRY_SESSION, 0, opening, 15), DGRAFT_REFUSAL_LENGTH);
    cr_assert_eq(refusal_of(DGRAFT_ENTRY_SESSION, 0, longer, 17), DGRAFT_REFUSAL_LENGTH);
    cr_assert_eq(refusal_of(DGRAFT_ENTRY_SESSION, DGRAFT_RECORD_IN_SESSION, opening, 16), DGRAFT_REFUSAL_FIELD);
}

Test(commands_in_a_session, begin_with_a_head_that_can_be)
{
    uint8_t bytes[24];
    struct dgraft_record record;
    uint8_t whole[128];
    memcpy(bytes, head_bytes, sizeof head_bytes);
    memcpy(bytes + 16, "command", 8);
    cr_assert_eq(refusal_of(DGRAFT_ENTRY_COMMAND, DGRAFT_RECORD_IN_SESSION, bytes, 16), DGRAFT_ACCEPT);
    cr_assert_eq(refusal_of(DGRAFT_ENTRY_COMMAND, DGRAFT_RECORD_IN_SESSION, bytes, 15), DGRAFT_REFUSAL_LENGTH);
    cr_assert_eq(refusal_of(DGRAFT_ENTRY_NOOP, DGRAFT_RECORD_IN_SESSION, bytes, 16), DGRAFT_REFUSAL_FIELD);
    const size_t size = put(whole, DGRAFT_ENTRY_COMMAND, DGRAFT_RECORD_IN_SESSION, bytes, sizeof bytes);
    cr_assert_eq(dgraft_record_decode(whole, size, &record, NULL), DGRAFT_ACCEPT);
    cr_assert_eq(record.flags, DGRAFT_RECORD_IN_SESSION);
    cr_assert_eq(whole[5], 1);
    for (size_t at = 0; at < 16; at += 8) {
        memcpy(bytes, head_bytes, sizeof head_bytes);
        dgraft_put_u64(bytes + at, 0);
        cr_assert_eq(refusal_of(DGRAFT_ENTRY_COMMAND, DGRAFT_RECORD_IN_SESSION, bytes, 24), DGRAFT_REFUSAL_FIELD);
        dgraft_put_u64(bytes + at, DGRAFT_RECORD_NUMBER_MAX + 1);
        cr_assert_eq(refusal_of(DGRAFT_ENTRY_COMMAND, DGRAFT_RECORD_IN_SESSION, bytes, 24), DGRAFT_REFUSAL_FIELD);
        cr_assert_eq(refusal_of(DGRAFT_ENTRY_COMMAND, 0, bytes, 24), DGRAFT_ACCEPT); /* bytes like any others */
    }
}
