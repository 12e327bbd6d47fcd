/* The bytes of a snapshot. Little-endian.
 *
 *   offset  width  field
 *        0      4  magic "dgrn"
 *        4      4  version: 2; 1 is read, too
 *        8      8  index of the entry that says who the members are; at most the snapshot's
 *       16      4  bytes of the members, a multiple of 8 (wire/include/dgraft/membership.h)
 *       20      4  bytes of the sessions, a multiple of 8 (sessions_encode.c)
 *       24      8  0; in version 1 bytes of the state machine's state
 *       32      -  members, sessions; all the rest is the state machine's state
 */
#include "snapshot_state.h"

#include <dgraft/record.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC   0x6e726764u /* "dgrn" */
#define VERSION 2u          /* the state is written before anybody knows how long it will be */

#define AT_MAGIC    0u
#define AT_VERSION  4u
#define AT_INDEX    8u
#define AT_MEMBERS  16u
#define AT_SESSIONS 20u
#define AT_MACHINE  24u

/* Makes room for more. Returns where it begins, or NULL. */
static uint8_t *extend(struct dgraft_snapshot_writer *writer, size_t size)
{
    if (writer->failed || size > SIZE_MAX / 4 - writer->size) {
        writer->failed = true;
        return NULL;
    }
    if (writer->size + size > writer->capacity) {
        const size_t capacity = 2 * (writer->size + size);
        uint8_t *bytes = realloc(writer->bytes, capacity);
        if (bytes == NULL) {
            writer->failed = true;
            return NULL;
        }
        writer->bytes = bytes;
        writer->capacity = capacity;
    }
    uint8_t *at = writer->bytes + writer->size;
    writer->size += size;
    return at;
}

bool dgraft_snapshot_write(struct dgraft_snapshot_writer *writer, const void *bytes, size_t size)
{
    uint8_t *at = extend(writer, size);
    if (at != NULL && size > 0) {
        memcpy(at, bytes, size);
    }
    return at != NULL;
}

bool dgraft_snapshot_state_begin(struct dgraft_snapshot_writer *writer, dgraft_index members_index,
                                 const struct dgraft_members *members, const struct sessions *sessions)
{
    uint8_t encoded[DGRAFT_MEMBERSHIP_BYTES_MAX];
    const size_t members_bytes = dgraft_membership_encode(members, encoded);
    const size_t sessions_bytes = dgraft_sessions_encoded_bytes(sessions);
    uint8_t *at = extend(writer, SNAPSHOT_STATE_HEAD_BYTES + members_bytes + sessions_bytes);
    if (at == NULL) {
        return false;
    }
    dgraft_put_u32(at + AT_MAGIC, MAGIC);
    dgraft_put_u32(at + AT_VERSION, VERSION);
    dgraft_put_u64(at + AT_INDEX, members_index);
    dgraft_put_u32(at + AT_MEMBERS, (uint32_t)members_bytes);
    dgraft_put_u32(at + AT_SESSIONS, (uint32_t)sessions_bytes);
    dgraft_put_u64(at + AT_MACHINE, 0);
    memcpy(at + SNAPSHOT_STATE_HEAD_BYTES, encoded, members_bytes);
    dgraft_sessions_encode(sessions, at + SNAPSHOT_STATE_HEAD_BYTES + members_bytes);
    return true;
}

uint64_t dgraft_snapshot_front_bytes(const uint8_t *head)
{
    return UINT64_C(0) + SNAPSHOT_STATE_HEAD_BYTES + dgraft_get_u32(head + AT_MEMBERS) +
           dgraft_get_u32(head + AT_SESSIONS);
}

enum dgraft_refusal dgraft_snapshot_members_decode(const uint8_t *bytes, size_t size, dgraft_index index,
                                                   struct dgraft_members *members, dgraft_index *members_index)
{
    if (size < SNAPSHOT_STATE_HEAD_BYTES) {
        return DGRAFT_REFUSAL_SHORT;
    }
    if (dgraft_get_u32(bytes + AT_MAGIC) != MAGIC) {
        return DGRAFT_REFUSAL_MAGIC;
    }
    if (dgraft_get_u32(bytes + AT_VERSION) == 0 || dgraft_get_u32(bytes + AT_VERSION) > VERSION) {
        return DGRAFT_REFUSAL_VERSION;
    }
    const uint32_t members_bytes = dgraft_get_u32(bytes + AT_MEMBERS);
    *members_index = dgraft_get_u64(bytes + AT_INDEX);
    if (members_bytes > size - SNAPSHOT_STATE_HEAD_BYTES) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    if (*members_index == 0 || *members_index > index || members_bytes % 8 != 0 ||
        dgraft_get_u32(bytes + AT_SESSIONS) % 8 != 0) {
        return DGRAFT_REFUSAL_FIELD;
    }
    return dgraft_membership_decode(bytes + SNAPSHOT_STATE_HEAD_BYTES, members_bytes, members);
}

/* Nothing in the sessions can be younger than the snapshot. */
static bool sessions_within(const struct sessions *sessions, dgraft_index index)
{
    for (uint32_t i = 0; i < sessions->count; i++) {
        if (sessions->items[i]->heard > index) {
            return false;
        }
    }
    return true;
}

enum dgraft_refusal dgraft_snapshot_state_decode(const uint8_t *bytes, size_t size, uint64_t total, dgraft_index index,
                                                 struct snapshot_state *out)
{
    memset(out, 0, sizeof *out);
    enum dgraft_refusal refusal =
        dgraft_snapshot_members_decode(bytes, size, index, &out->members, &out->members_index);
    if (refusal != DGRAFT_ACCEPT) {
        return refusal;
    }
    const uint64_t front = dgraft_snapshot_front_bytes(bytes);
    if (front > total) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    if (front > size) {
        return DGRAFT_REFUSAL_SHORT;
    }
    const uint64_t stated = dgraft_get_u64(bytes + AT_MACHINE);
    if (stated != (dgraft_get_u32(bytes + AT_VERSION) == 1 ? total - front : 0)) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    const uint32_t sessions_bytes = dgraft_get_u32(bytes + AT_SESSIONS);
    refusal = dgraft_sessions_decode(bytes + front - sessions_bytes, sessions_bytes, &out->sessions);
    if (refusal == DGRAFT_ACCEPT && !sessions_within(&out->sessions, index)) {
        dgraft_sessions_free(&out->sessions);
        refusal = DGRAFT_REFUSAL_FIELD;
    }
    out->front_bytes = (size_t)front;
    return refusal;
}

enum dgraft_status dgraft_snapshot_members_read(struct dgraft_storage *storage, struct dgraft_members *members,
                                                dgraft_index *index, struct dgraft_why *why)
{
    uint8_t front[SNAPSHOT_STATE_FRONT_MAX];
    size_t got = 0;
    const struct dgraft_snapshot snapshot = dgraft_storage_snapshot(storage);
    *index = 0;
    if (snapshot.position.index == 0) {
        return DGRAFT_OK;
    }
    enum dgraft_status status = dgraft_storage_snapshot_read(storage, 0, front, sizeof front, &got, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    const enum dgraft_refusal refusal =
        dgraft_snapshot_members_decode(front, got, snapshot.position.index, members, index);
    if (refusal != DGRAFT_ACCEPT) {
        (void)snprintf(why->text, sizeof why->text, "the snapshot at index %llu does not say who the members are: %s",
                       (unsigned long long)snapshot.position.index, dgraft_refusal_text(refusal));
        return DGRAFT_STATUS_DAMAGED;
    }
    return DGRAFT_OK;
}
