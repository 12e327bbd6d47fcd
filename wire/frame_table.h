/* messages.def as data: what the codec and the printer walk. Private to wire. */
#ifndef DGRAFT_FRAME_TABLE_H
#define DGRAFT_FRAME_TABLE_H

#include <dgraft/frame.h>

/* Where the header's fields stand. */
enum {
    DGRAFT_AT_MAGIC = 0,
    DGRAFT_AT_LENGTH = 4,
    DGRAFT_AT_DIGEST = 8,
    DGRAFT_AT_VERSION = 16,
    DGRAFT_AT_FLAGS = 17,
    DGRAFT_AT_TYPE = 18,
    DGRAFT_AT_FROM = 20,
    DGRAFT_AT_CLUSTER = 24,
    DGRAFT_AT_GROUP = 32,
    DGRAFT_AT_GENERATION = 36,
    DGRAFT_AT_TO = 40,
    DGRAFT_AT_STORE = 48,
    DGRAFT_AT_TERM = 56
};

/* A number of a body. name NULL: bytes that are always zero. */
struct dgraft_frame_field {
    const char *name;
    uint8_t bytes;        /* on the wire: 4 or 8 */
    uint8_t member_bytes; /* in the struct: 1, 4 or 8 */
    uint16_t offset;      /* in the struct */
    uint64_t least;
    uint64_t most;
};

struct dgraft_frame_layout {
    const char *name;
    const struct dgraft_frame_field *fields;
    uint32_t field_count;
    uint32_t body_bytes;
};

/* Returns the layout of a type, or NULL when it is none. */
const struct dgraft_frame_layout *dgraft_frame_layout(uint16_t type);

/* Returns whether the type is one of a client's conversation. */
static inline bool dgraft_frame_is_client(uint16_t type)
{
    return type >= DGRAFT_FRAME_CLIENT_REQUEST;
}

/* Reads or writes a field's member of the struct that the layout describes. */
uint64_t dgraft_frame_field_get(const struct dgraft_frame_field *field, const void *part);
void dgraft_frame_field_set(const struct dgraft_frame_field *field, uint64_t value, void *part);

#endif
