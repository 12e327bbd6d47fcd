#include "frame_table.h"

#include <assert.h>
#include <string.h>

/* The bytes of each body, as a constant. */
#define MESSAGE(name, number)                         enum { BODY_BYTES_##name = 0
#define FIELD(part, bytes, name, member, least, most) +(bytes)
#define ZERO(bytes)                                   +(bytes)
#define MESSAGE_END(name)                                                                                              \
    }                                                                                                                  \
    ;                                                                                                                  \
    _Static_assert(BODY_BYTES_##name % 8 == 0, "bodies keep what follows them aligned");                               \
    _Static_assert(BODY_BYTES_##name <= DGRAFT_FRAME_BODY_MAX, "bodies fit DGRAFT_FRAME_BODY_MAX");
#include "messages.def"

/* The fields of each body. */
#define MESSAGE(name, number) static const struct dgraft_frame_field fields_##name[] = {
#define FIELD(part, bytes, name, member, least, most)                                                                  \
    {#name, bytes, sizeof(((struct dgraft_##part *)0)->member), offsetof(struct dgraft_##part, member), least, most},
#define ZERO(bytes) {NULL, bytes, 0, 0, 0, 0},
#define MESSAGE_END(name)                                                                                              \
    }                                                                                                                  \
    ;
#include "messages.def"

#define TYPE_TOTAL (DGRAFT_FRAME_CLIENT_ANSWER + 1)

static const struct dgraft_frame_layout layouts[TYPE_TOTAL] = {
#define MESSAGE(name, number)                                                                                          \
    [number] = {#name, fields_##name, sizeof fields_##name / sizeof fields_##name[0], BODY_BYTES_##name},
#define FIELD(part, bytes, name, member, least, most)
#define ZERO(bytes)
#define MESSAGE_END(name)
#include "messages.def"
};

/* Each number is the one that the public headers give the name. */
#define MESSAGE(name, number) enum { NUMBER_##name = number };
#define FIELD(part, bytes, name, member, least, most)
#define ZERO(bytes)
#define MESSAGE_END(name)
#include "messages.def"
_Static_assert((int)NUMBER_PRE_VOTE_REQUEST == (int)DGRAFT_MESSAGE_PRE_VOTE_REQUEST, "messages.def and message.h");
_Static_assert((int)NUMBER_PRE_VOTE_GRANT == (int)DGRAFT_MESSAGE_PRE_VOTE_GRANT, "messages.def and message.h");
_Static_assert((int)NUMBER_PRE_VOTE_REFUSE == (int)DGRAFT_MESSAGE_PRE_VOTE_REFUSE, "messages.def and message.h");
_Static_assert((int)NUMBER_VOTE_REQUEST == (int)DGRAFT_MESSAGE_VOTE_REQUEST, "messages.def and message.h");
_Static_assert((int)NUMBER_VOTE_GRANT == (int)DGRAFT_MESSAGE_VOTE_GRANT, "messages.def and message.h");
_Static_assert((int)NUMBER_VOTE_REFUSE == (int)DGRAFT_MESSAGE_VOTE_REFUSE, "messages.def and message.h");
_Static_assert((int)NUMBER_APPEND == (int)DGRAFT_MESSAGE_APPEND, "messages.def and message.h");
_Static_assert((int)NUMBER_APPEND_ACK == (int)DGRAFT_MESSAGE_APPEND_ACK, "messages.def and message.h");
_Static_assert((int)NUMBER_APPEND_REFUSE == (int)DGRAFT_MESSAGE_APPEND_REFUSE, "messages.def and message.h");
_Static_assert((int)NUMBER_SNAPSHOT_CHUNK == (int)DGRAFT_MESSAGE_SNAPSHOT_CHUNK, "messages.def and message.h");
_Static_assert((int)NUMBER_SNAPSHOT_ACK == (int)DGRAFT_MESSAGE_SNAPSHOT_ACK, "messages.def and message.h");
_Static_assert((int)NUMBER_FETCH == (int)DGRAFT_MESSAGE_FETCH, "messages.def and message.h");
_Static_assert((int)NUMBER_FETCH_ANSWER == (int)DGRAFT_MESSAGE_FETCH_ANSWER, "messages.def and message.h");
_Static_assert((int)NUMBER_CLIENT_REQUEST == (int)DGRAFT_FRAME_CLIENT_REQUEST, "messages.def and frame.h");
_Static_assert((int)NUMBER_CLIENT_ANSWER == (int)DGRAFT_FRAME_CLIENT_ANSWER, "messages.def and frame.h");

const struct dgraft_frame_layout *dgraft_frame_layout(uint16_t type)
{
    return type < TYPE_TOTAL && layouts[type].name != NULL ? &layouts[type] : NULL;
}

const char *dgraft_frame_type_name(uint16_t type)
{
    const struct dgraft_frame_layout *layout = dgraft_frame_layout(type);
    return layout != NULL ? layout->name : NULL;
}

uint64_t dgraft_frame_field_get(const struct dgraft_frame_field *field, const void *part)
{
    const char *at = (const char *)part + field->offset;
    uint64_t wide;
    uint32_t narrow;
    bool flag;
    switch (field->member_bytes) {
    case sizeof wide:
        memcpy(&wide, at, sizeof wide);
        return wide;
    case sizeof narrow:
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    default:
        assert(field->member_bytes == sizeof flag);
        memcpy(&flag, at, sizeof flag);
        return flag;
    }
}

void dgraft_frame_field_set(const struct dgraft_frame_field *field, uint64_t value, void *part)
{
    char *at = (char *)part + field->offset;
    const uint32_t narrow = (uint32_t)value;
    const bool flag = value != 0;
    switch (field->member_bytes) {
    case sizeof value:
        memcpy(at, &value, sizeof value);
        break;
    case sizeof narrow:
        memcpy(at, &narrow, sizeof narrow);
        break;
    default:
        assert(field->member_bytes == sizeof flag);
        memcpy(at, &flag, sizeof flag);
        break;
    }
}
