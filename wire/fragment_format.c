#include "fragment_format.h"

#include "digest.h"

#include <dgraft/record.h>

#include <string.h>

#define VERSION 1u

/* Where the fields stand. */
enum {
    AT_MAGIC = 0,
    AT_LENGTH = 4,
    AT_DIGEST = 8,
    AT_VERSION = 16,
    AT_KIND = 17,
    AT_NUMBER = 18,
    AT_MESSAGE_BYTES = 20,
    AT_STREAM = 24,
    AT_MESSAGE = 32,
    AT_FRAGMENT_BYTES = 40,
    AT_RESERVED = 44
};

_Static_assert(AT_RESERVED + 4 == DGRAFT_FRAGMENT_HEADER_BYTES, "the header ends with its reserved field");

uint32_t dgraft_fragment_count(uint32_t message_bytes, uint32_t fragment_bytes)
{
    return (uint32_t)(((uint64_t)message_bytes + fragment_bytes - 1) / fragment_bytes);
}

uint32_t dgraft_fragment_piece_bytes(uint32_t message_bytes, uint32_t fragment_bytes, uint32_t number)
{
    const uint64_t begin = (uint64_t)number * fragment_bytes;
    const uint64_t left = message_bytes - begin;
    return left < fragment_bytes ? (uint32_t)left : fragment_bytes;
}

void dgraft_fragment_encode(const struct dgraft_fragment *fragment, uint8_t *at)
{
    const size_t whole = DGRAFT_FRAGMENT_HEADER_BYTES + fragment->payload_bytes;
    dgraft_put_u32(at + AT_MAGIC, DGRAFT_FRAGMENT_MAGIC);
    dgraft_put_u32(at + AT_LENGTH, (uint32_t)whole);
    at[AT_VERSION] = VERSION;
    at[AT_KIND] = fragment->kind;
    dgraft_put_u16(at + AT_NUMBER, fragment->number);
    dgraft_put_u32(at + AT_MESSAGE_BYTES, fragment->message_bytes);
    dgraft_put_u64(at + AT_STREAM, fragment->stream);
    dgraft_put_u64(at + AT_MESSAGE, fragment->message);
    dgraft_put_u32(at + AT_FRAGMENT_BYTES, fragment->fragment_bytes);
    dgraft_put_u32(at + AT_RESERVED, 0);
    dgraft_put_u64(at + AT_DIGEST, dgraft_digest(at, whole));
}

/* Magic, length and checksum. */
static enum dgraft_refusal check_envelope(const uint8_t *bytes, size_t size)
{
    if (size >= 4 && dgraft_get_u32(bytes + AT_MAGIC) != DGRAFT_FRAGMENT_MAGIC) {
        return DGRAFT_REFUSAL_MAGIC;
    }
    if (size < DGRAFT_FRAGMENT_HEADER_BYTES) {
        return DGRAFT_REFUSAL_SHORT;
    }
    const uint32_t length = dgraft_get_u32(bytes + AT_LENGTH);
    if (length != size) {
        return length > size ? DGRAFT_REFUSAL_SHORT : DGRAFT_REFUSAL_LENGTH;
    }
    return dgraft_get_u64(bytes + AT_DIGEST) == dgraft_digest(bytes, size) ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_CHECKSUM;
}

static enum dgraft_refusal check_piece(const struct dgraft_fragment *fragment)
{
    if (fragment->number >= fragment->count) {
        return DGRAFT_REFUSAL_COUNT;
    }
    const uint32_t expected =
        dgraft_fragment_piece_bytes(fragment->message_bytes, fragment->fragment_bytes, fragment->number);
    return fragment->payload_bytes == expected ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_LENGTH;
}

static enum dgraft_refusal check_ack(const struct dgraft_fragment *fragment)
{
    if (fragment->payload_bytes % 8 != 0 || fragment->payload_bytes / 8 > DGRAFT_FRAGMENT_WORDS_MAX) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    if (fragment->number > fragment->count) {
        return DGRAFT_REFUSAL_COUNT;
    }
    /* Bits of fragments that the message does not have. */
    for (size_t bit = fragment->count - fragment->number; bit < fragment->payload_bytes * 8; bit++) {
        if (dgraft_fragment_bit(fragment, bit)) {
            return DGRAFT_REFUSAL_COUNT;
        }
    }
    return DGRAFT_ACCEPT;
}

enum dgraft_refusal dgraft_fragment_decode(const uint8_t *bytes, size_t size, size_t message_bytes_max,
                                           struct dgraft_fragment *out)
{
    const enum dgraft_refusal refusal = check_envelope(bytes, size);
    if (refusal != DGRAFT_ACCEPT) {
        return refusal;
    }
    if (bytes[AT_VERSION] != VERSION) {
        return bytes[AT_VERSION] > VERSION ? DGRAFT_REFUSAL_VERSION : DGRAFT_REFUSAL_FIELD;
    }
    *out = (struct dgraft_fragment){.kind = bytes[AT_KIND],
                                    .number = dgraft_get_u16(bytes + AT_NUMBER),
                                    .message_bytes = dgraft_get_u32(bytes + AT_MESSAGE_BYTES),
                                    .stream = dgraft_get_u64(bytes + AT_STREAM),
                                    .message = dgraft_get_u64(bytes + AT_MESSAGE),
                                    .fragment_bytes = dgraft_get_u32(bytes + AT_FRAGMENT_BYTES),
                                    .payload = bytes + DGRAFT_FRAGMENT_HEADER_BYTES,
                                    .payload_bytes = size - DGRAFT_FRAGMENT_HEADER_BYTES};
    if (out->kind != DGRAFT_FRAGMENT_PIECE && out->kind != DGRAFT_FRAGMENT_ACK) {
        return DGRAFT_REFUSAL_TYPE;
    }
    if (dgraft_get_u32(bytes + AT_RESERVED) != 0 || out->stream == 0 || out->message == 0) {
        return DGRAFT_REFUSAL_FIELD;
    }
    if (out->message_bytes == 0 || out->message_bytes > message_bytes_max ||
        out->fragment_bytes < DGRAFT_FRAGMENT_BYTES_MIN || out->fragment_bytes > DGRAFT_FRAGMENT_BYTES_MAX ||
        out->fragment_bytes % 8 != 0) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    out->count = dgraft_fragment_count(out->message_bytes, out->fragment_bytes);
    if (out->count > DGRAFT_FRAGMENT_COUNT_MAX) {
        return DGRAFT_REFUSAL_COUNT;
    }
    return out->kind == DGRAFT_FRAGMENT_PIECE ? check_piece(out) : check_ack(out);
}
