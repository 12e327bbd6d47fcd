/* The table of sessions as bytes, for a snapshot. Little-endian, a multiple of 8 long.
 *
 *   offset  width  field
 *        0      4  magic "dgrs"
 *        4      4  version: 1
 *        8      8  log time of the newest entry
 *       16      8  time that counted
 *       24      4  sessions
 *       28      4  0
 *       32      -  each session, by id, ascending:
 *                    id, timeout, time heard, entry heard, newest sequence, mask: u64 each. Bit s of the mask: the
 *                    sequence of the window with s = sequence modulo 64 is done; for each of these, s ascending:
 *                      index u64, term u64, bytes of the answer u32, 0 u32, the answer, zeros up to a multiple of 8
 *   end - 8      4  CRC32C of everything before
 *   end - 4      4  0
 */
#include "sessions.h"

#include <dgraft/record.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC         0x73726764u /* "dgrs" */
#define VERSION       1u
#define HEAD_BYTES    32u
#define SESSION_BYTES 48u
#define DONE_BYTES    24u
#define TAIL_BYTES    8u

_Static_assert(SESSION_WINDOW == 64, "a mask of 64 bits says what is done");
_Static_assert(SESSIONS_ENCODED_MAX ==
                   HEAD_BYTES + TAIL_BYTES +
                       SESSIONS_MAX * (SESSION_BYTES + SESSION_WINDOW * (DONE_BYTES + DGRAFT_SESSION_ANSWER_BYTES_MAX)),
               "the bound is that of this format");

static size_t padded(size_t size)
{
    return (size + 7) / 8 * 8;
}

size_t dgraft_sessions_encoded_bytes(const struct sessions *sessions)
{
    size_t bytes = HEAD_BYTES + TAIL_BYTES;
    for (uint32_t i = 0; i < sessions->count; i++) {
        bytes += SESSION_BYTES;
        for (uint32_t s = 0; s < SESSION_WINDOW; s++) {
            const struct session_done *done = &sessions->items[i]->done[s];
            bytes += done->position.index != 0 ? DONE_BYTES + padded(done->answer.size) : 0;
        }
    }
    return bytes;
}

static uint8_t *encode_done(const struct session_done *done, uint8_t *at)
{
    dgraft_put_u64(at, done->position.index);
    dgraft_put_u64(at + 8, done->position.term);
    dgraft_put_u32(at + 16, done->answer.size);
    dgraft_put_u32(at + 20, 0);
    memset(at + DONE_BYTES, 0, padded(done->answer.size));
    memcpy(at + DONE_BYTES, done->answer.bytes, done->answer.size);
    return at + DONE_BYTES + padded(done->answer.size);
}

static uint8_t *encode_session(const struct session *session, uint8_t *at)
{
    uint64_t mask = 0;
    uint8_t *next = at + SESSION_BYTES;
    for (uint32_t s = 0; s < SESSION_WINDOW; s++) {
        if (session->done[s].position.index != 0) {
            mask |= UINT64_C(1) << s;
            next = encode_done(&session->done[s], next);
        }
    }
    dgraft_put_u64(at, session->id);
    dgraft_put_u64(at + 8, session->timeout_ns);
    dgraft_put_u64(at + 16, session->heard_ns);
    dgraft_put_u64(at + 24, session->heard);
    dgraft_put_u64(at + 32, session->newest);
    dgraft_put_u64(at + 40, mask);
    return next;
}

void dgraft_sessions_encode(const struct sessions *sessions, uint8_t *out)
{
    uint8_t *at = out + HEAD_BYTES;
    dgraft_put_u32(out, MAGIC);
    dgraft_put_u32(out + 4, VERSION);
    dgraft_put_u64(out + 8, sessions->log_time_ns);
    dgraft_put_u64(out + 16, sessions->time_ns);
    dgraft_put_u32(out + 24, sessions->count);
    dgraft_put_u32(out + 28, 0);
    for (uint32_t i = 0; i < sessions->count; i++) {
        at = encode_session(sessions->items[i], at);
    }
    dgraft_put_u32(at, dgraft_crc32c(0, out, (size_t)(at - out)));
    dgraft_put_u32(at + 4, 0);
}

/* What is left to be read. */
struct reader {
    const uint8_t *at;
    size_t left;
};

static const uint8_t *take(struct reader *reader, size_t size)
{
    if (size > reader->left) {
        return NULL;
    }
    const uint8_t *at = reader->at;
    reader->at += size;
    reader->left -= size;
    return at;
}

static bool number_valid(uint64_t number)
{
    return number > 0 && number <= DGRAFT_RECORD_NUMBER_MAX;
}

static enum dgraft_refusal decode_done(struct reader *reader, const struct session *session, struct session_done *done)
{
    const uint8_t *at = take(reader, DONE_BYTES);
    if (at == NULL) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    done->position = (struct dgraft_position){dgraft_get_u64(at), dgraft_get_u64(at + 8)};
    const uint32_t size = dgraft_get_u32(at + 16);
    if (size > DGRAFT_SESSION_ANSWER_BYTES_MAX || dgraft_get_u32(at + 20) != 0 || !number_valid(done->position.term) ||
        done->position.index <= session->id || done->position.index > session->heard) {
        return DGRAFT_REFUSAL_FIELD;
    }
    at = take(reader, padded(size));
    if (at == NULL) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    for (size_t i = size; i < padded(size); i++) {
        if (at[i] != 0) {
            return DGRAFT_REFUSAL_PADDING;
        }
    }
    done->answer.size = size;
    memcpy(done->answer.bytes, at, size);
    return DGRAFT_ACCEPT;
}

/* Returns whether the numbers of a session could have come about in a table of that time. */
static bool session_valid(const struct sessions *sessions, const struct session *session, uint64_t mask)
{
    if (!number_valid(session->id) || session->timeout_ns == 0 || session->timeout_ns > DGRAFT_SESSION_TIMEOUT_MAX_NS ||
        session->heard_ns > sessions->time_ns || sessions->time_ns - session->heard_ns > session->timeout_ns ||
        !number_valid(session->heard) || session->heard < session->id || session->newest > DGRAFT_RECORD_NUMBER_MAX) {
        return false;
    }
    if (session->newest == 0) {
        return mask == 0;
    }
    /* The newest is done; below sequence 1 there is nothing. */
    const uint64_t possible =
        session->newest >= SESSION_WINDOW ? UINT64_MAX : ((UINT64_C(2) << session->newest) - 1) & ~UINT64_C(1);
    return (mask >> session->newest % SESSION_WINDOW & 1) != 0 && (mask & ~possible) == 0;
}

static enum dgraft_refusal decode_session(struct reader *reader, struct sessions *out)
{
    const uint8_t *at = take(reader, SESSION_BYTES);
    if (at == NULL) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    if (!dgraft_sessions_reserve(out)) {
        return DGRAFT_REFUSAL_MEMORY;
    }
    struct session *session = out->spare;
    session->id = dgraft_get_u64(at);
    session->timeout_ns = dgraft_get_u64(at + 8);
    session->heard_ns = dgraft_get_u64(at + 16);
    session->heard = dgraft_get_u64(at + 24);
    session->newest = dgraft_get_u64(at + 32);
    const uint64_t mask = dgraft_get_u64(at + 40);
    if (!session_valid(out, session, mask)) {
        return DGRAFT_REFUSAL_FIELD;
    }
    if (out->count > 0 && out->items[out->count - 1]->id >= session->id) {
        return DGRAFT_REFUSAL_ORDER;
    }
    for (uint32_t s = 0; s < SESSION_WINDOW; s++) {
        const enum dgraft_refusal refusal =
            (mask >> s & 1) != 0 ? decode_done(reader, session, &session->done[s]) : DGRAFT_ACCEPT;
        if (refusal != DGRAFT_ACCEPT) {
            return refusal;
        }
    }
    out->spare = NULL;
    out->items[out->count++] = session;
    return DGRAFT_ACCEPT;
}

static enum dgraft_refusal decode(const uint8_t *bytes, size_t size, struct sessions *out)
{
    if (size < HEAD_BYTES + TAIL_BYTES) {
        return DGRAFT_REFUSAL_SHORT;
    }
    if (dgraft_get_u32(bytes) != MAGIC) {
        return DGRAFT_REFUSAL_MAGIC;
    }
    if (dgraft_get_u32(bytes + size - TAIL_BYTES) != dgraft_crc32c(0, bytes, size - TAIL_BYTES)) {
        return DGRAFT_REFUSAL_CHECKSUM;
    }
    if (dgraft_get_u32(bytes + 4) != VERSION) {
        return DGRAFT_REFUSAL_VERSION;
    }
    const uint32_t count = dgraft_get_u32(bytes + 24);
    struct reader reader = {.at = bytes + HEAD_BYTES, .left = size - HEAD_BYTES - TAIL_BYTES};
    out->log_time_ns = dgraft_get_u64(bytes + 8);
    out->time_ns = dgraft_get_u64(bytes + 16);
    if (count > SESSIONS_MAX) {
        return DGRAFT_REFUSAL_COUNT;
    }
    if (out->log_time_ns > DGRAFT_RECORD_NUMBER_MAX || out->time_ns > out->log_time_ns ||
        dgraft_get_u32(bytes + 28) != 0 || dgraft_get_u32(bytes + size - 4) != 0) {
        return DGRAFT_REFUSAL_FIELD;
    }
    for (uint32_t i = 0; i < count; i++) {
        const enum dgraft_refusal refusal = decode_session(&reader, out);
        if (refusal != DGRAFT_ACCEPT) {
            return refusal;
        }
    }
    return reader.left == 0 ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_LENGTH;
}

enum dgraft_refusal dgraft_sessions_decode(const uint8_t *bytes, size_t size, struct sessions *out)
{
    *out = (struct sessions){0};
    const enum dgraft_refusal refusal = decode(bytes, size, out);
    if (refusal != DGRAFT_ACCEPT) {
        dgraft_sessions_free(out);
    }
    return refusal;
}
