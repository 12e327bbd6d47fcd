/* What a snapshot's bytes are: who the members are, the sessions, and the state machine's own state. One format on disk
 * and on the wire; digest and position stand outside, in the file's header and in each message.
 */
#ifndef DGRAFT_NODE_SNAPSHOT_STATE_H
#define DGRAFT_NODE_SNAPSHOT_STATE_H

#include "sessions.h"

#include <dgraft/driver.h>

#define SNAPSHOT_STATE_HEAD_BYTES 32u

/* Head and members: the first bytes of a snapshot, as many as there are of these. */
#define SNAPSHOT_STATE_FRONT_MAX (SNAPSHOT_STATE_HEAD_BYTES + DGRAFT_MEMBERSHIP_BYTES_MAX)

/* Bytes that grow. */
struct dgraft_snapshot_writer {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    bool failed; /* there was no memory */
};

/* What a snapshot says besides the machine's state. */
struct snapshot_state {
    dgraft_index members_index; /* of the entry that says who they are */
    struct dgraft_members members;
    struct sessions sessions; /* owned */
    size_t front_bytes;       /* the machine's state begins behind so many bytes */
};

/* Writes all but the machine's part, which is whatever follows. Returns false when there is no memory. */
bool dgraft_snapshot_state_begin(struct dgraft_snapshot_writer *writer, dgraft_index members_index,
                                 const struct dgraft_members *members, const struct sessions *sessions);

/* Returns how many bytes come before the machine's state, as a snapshot's first SNAPSHOT_STATE_HEAD_BYTES say. */
uint64_t dgraft_snapshot_front_bytes(const uint8_t *head);

/* Reads the first `size` bytes of one that has `total`, of this index: at least what comes before the machine's state.
 * Returns ACCEPT; SHORT, MAGIC, VERSION, LENGTH, FIELD, or what the members' or the sessions' bytes were refused for;
 * `out` then holds nothing. Time and memory are bounded by size. */
enum dgraft_refusal dgraft_snapshot_state_decode(const uint8_t *bytes, size_t size, uint64_t total, dgraft_index index,
                                                 struct snapshot_state *out);

/* Reads the members alone, of the first bytes of one. */
enum dgraft_refusal dgraft_snapshot_members_decode(const uint8_t *bytes, size_t size, dgraft_index index,
                                                   struct dgraft_members *members, dgraft_index *members_index);

/* Reads the members of a store's newest snapshot; *index 0: there is none. Returns OK, DAMAGED, IO. */
DGRAFT_MUST_USE enum dgraft_status dgraft_snapshot_members_read(struct dgraft_storage *storage,
                                                                struct dgraft_members *members, dgraft_index *index,
                                                                struct dgraft_why *why);

#endif
