/* Codec of a record; record.h has its layout. */
#include <dgraft/record.h>
#include <dgraft/session_entry.h>

#include <assert.h>
#include <string.h>

/* Where the fields stand. */
enum {
    AT_PAYLOAD_BYTES = 0,
    AT_KIND = 4,
    AT_FLAGS = 5,
    AT_TAG = 6,
    AT_INDEX = 8,
    AT_TERM = 16,
    AT_LOG_TIME = 24,
    AT_PAYLOAD_CHECKSUM = 32,
    AT_HEADER_CHECKSUM = 36
};

_Static_assert(AT_HEADER_CHECKSUM + 4 == DGRAFT_RECORD_HEADER_BYTES, "the header's checksum is its last field");
_Static_assert(DGRAFT_RECORD_HEADER_BYTES % 8 == 0, "records that stand one behind the other stay aligned");
_Static_assert(DGRAFT_RECORD_PAYLOAD_MAX <= UINT32_MAX - 7, "a padded payload fits 32 bits");

void dgraft_record_encode_header(const struct dgraft_record *record, uint8_t out[DGRAFT_RECORD_HEADER_BYTES])
{
    const struct dgraft_entry *entry = &record->entry;
    assert(entry->payload_bytes <= DGRAFT_RECORD_PAYLOAD_MAX);
    assert(entry->index > 0 && entry->term > 0);
    /* Four fields in one store: the checksum reads them back eight bytes at a time. */
    dgraft_put_u64(out + AT_PAYLOAD_BYTES, (uint64_t)entry->payload_bytes | (uint64_t)entry->kind << (8 * AT_KIND) |
                                               (uint64_t)record->flags << (8 * AT_FLAGS) |
                                               (uint64_t)record->tag << (8 * AT_TAG));
    dgraft_put_u64(out + AT_INDEX, entry->index);
    dgraft_put_u64(out + AT_TERM, entry->term);
    dgraft_put_u64(out + AT_LOG_TIME, record->log_time_ns);
    dgraft_put_u32(out + AT_PAYLOAD_CHECKSUM, entry->checksum);
    dgraft_put_u32(out + AT_HEADER_CHECKSUM, dgraft_crc32c(0, out, AT_HEADER_CHECKSUM));
}

uint32_t dgraft_record_payload_checksum(const struct iovec *pieces, size_t count)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < count; i++) {
        crc = dgraft_crc32c(crc, pieces[i].iov_base, pieces[i].iov_len);
    }
    return crc;
}

static bool kind_known(uint8_t kind)
{
    return kind >= DGRAFT_ENTRY_COMMAND && kind <= DGRAFT_ENTRY_SESSION;
}

/* What sessions put into a record must be there, so that whoever applies it need not ask. */
static enum dgraft_refusal check_session_header(uint8_t kind, uint8_t flags, uint32_t payload_bytes)
{
    if ((flags & ~DGRAFT_RECORD_IN_SESSION) != 0 || (flags != 0 && kind != DGRAFT_ENTRY_COMMAND)) {
        return DGRAFT_REFUSAL_FIELD;
    }
    if ((flags != 0 && payload_bytes < DGRAFT_SESSION_BYTES) ||
        (kind == DGRAFT_ENTRY_SESSION && payload_bytes != DGRAFT_SESSION_BYTES)) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    return DGRAFT_ACCEPT;
}

static enum dgraft_refusal check_session_payload(uint8_t kind, uint8_t flags, const uint8_t *payload,
                                                 uint32_t payload_bytes)
{
    struct dgraft_session_head head;
    struct dgraft_session_entry entry;
    if (flags != 0) {
        return dgraft_session_head_decode(payload, payload_bytes, &head);
    }
    if (kind == DGRAFT_ENTRY_SESSION) {
        return dgraft_session_entry_decode(payload, payload_bytes, &entry);
    }
    return DGRAFT_ACCEPT;
}

/* Checks a header, and fills in the entry. */
static enum dgraft_refusal check_header(const uint8_t *bytes, size_t size, struct dgraft_entry *out)
{
    if (size < DGRAFT_RECORD_HEADER_BYTES) {
        return DGRAFT_REFUSAL_SHORT;
    }
    if (dgraft_get_u32(bytes + AT_HEADER_CHECKSUM) != dgraft_crc32c(0, bytes, AT_HEADER_CHECKSUM)) {
        return DGRAFT_REFUSAL_CHECKSUM;
    }
    const uint32_t payload_bytes = dgraft_get_u32(bytes + AT_PAYLOAD_BYTES);
    if (payload_bytes > DGRAFT_RECORD_PAYLOAD_MAX) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    if (!kind_known(bytes[AT_KIND])) {
        return DGRAFT_REFUSAL_TYPE;
    }
    const dgraft_index index = dgraft_get_u64(bytes + AT_INDEX);
    const dgraft_term term = dgraft_get_u64(bytes + AT_TERM);
    if (index == 0 || index > DGRAFT_RECORD_NUMBER_MAX || term == 0 || term > DGRAFT_RECORD_NUMBER_MAX ||
        dgraft_record_log_time_ns(bytes) > DGRAFT_RECORD_NUMBER_MAX) {
        return DGRAFT_REFUSAL_FIELD;
    }
    *out = (struct dgraft_entry){.index = index,
                                 .term = term,
                                 .payload_bytes = payload_bytes,
                                 .checksum = dgraft_get_u32(bytes + AT_PAYLOAD_CHECKSUM),
                                 .kind = (enum dgraft_entry_kind)bytes[AT_KIND]};
    return check_session_header(bytes[AT_KIND], bytes[AT_FLAGS], payload_bytes);
}

/* What a record says beside its entry. */
static void fill_in(const uint8_t *bytes, struct dgraft_record *out)
{
    out->tag = dgraft_record_tag(bytes);
    out->flags = dgraft_record_flags(bytes);
    out->log_time_ns = dgraft_record_log_time_ns(bytes);
    out->payload = NULL;
}

enum dgraft_refusal dgraft_record_decode_header(const uint8_t *bytes, size_t size, struct dgraft_record *out)
{
    const enum dgraft_refusal refusal = check_header(bytes, size, &out->entry);
    if (refusal == DGRAFT_ACCEPT) {
        fill_in(bytes, out);
    }
    return refusal;
}

enum dgraft_refusal dgraft_record_check(const uint8_t *bytes, size_t size, struct dgraft_entry *out, size_t *consumed)
{
    const enum dgraft_refusal refusal = check_header(bytes, size, out);
    if (refusal != DGRAFT_ACCEPT) {
        return refusal;
    }
    const uint32_t payload_bytes = out->payload_bytes;
    const size_t whole = dgraft_record_bytes(payload_bytes);
    if (size < whole) {
        return DGRAFT_REFUSAL_SHORT;
    }
    const uint8_t *payload = bytes + DGRAFT_RECORD_HEADER_BYTES;
    if (dgraft_crc32c(0, payload, payload_bytes) != out->checksum) {
        return DGRAFT_REFUSAL_CHECKSUM;
    }
    for (const uint8_t *at = payload + payload_bytes; at < bytes + whole; at++) {
        if (*at != 0) {
            return DGRAFT_REFUSAL_PADDING;
        }
    }
    *consumed = whole;
    return check_session_payload(bytes[AT_KIND], bytes[AT_FLAGS], payload, payload_bytes);
}

enum dgraft_refusal dgraft_record_decode(const uint8_t *bytes, size_t size, struct dgraft_record *out, size_t *consumed)
{
    size_t whole = 0;
    const enum dgraft_refusal refusal = dgraft_record_check(bytes, size, &out->entry, &whole);
    if (refusal != DGRAFT_ACCEPT) {
        return refusal;
    }
    fill_in(bytes, out);
    out->payload = bytes + DGRAFT_RECORD_HEADER_BYTES;
    if (consumed != NULL) {
        *consumed = whole;
    }
    return DGRAFT_ACCEPT;
}
