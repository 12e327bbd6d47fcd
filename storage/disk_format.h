/* The bytes of a state slot, of a segment's header and of a batch's header: docs/log-format.md, coded once.
 *
 * Decoders take any bytes and give a value or a reason. Nothing here does I/O.
 */
#ifndef DGRAFT_DISK_FORMAT_H
#define DGRAFT_DISK_FORMAT_H

#include <dgraft/inspect.h>

#define DGRAFT_BLOCK_BYTES        4096u
#define DGRAFT_STATE_SLOTS        4u
#define DGRAFT_STATE_BYTES        (DGRAFT_STATE_SLOTS * DGRAFT_BLOCK_BYTES)
#define DGRAFT_BATCH_HEADER_BYTES 128u
#define DGRAFT_FORMAT_VERSION     1u

/* Where a batch stands. It goes into the batch's checksum: bytes that were written elsewhere, for another store, or are
 * part of somebody's payload are no batch here. */
struct dgraft_place {
    uint64_t store;
    uint64_t sequence;
    uint64_t offset;
};

/* Slot->slot and version choose the place; slot->refusal and offset are not written. */
void dgraft_slot_encode(const struct dgraft_state_slot *slot, uint8_t out[DGRAFT_BLOCK_BYTES]);
void dgraft_slot_decode(const uint8_t *bytes, size_t size, uint32_t number, struct dgraft_state_slot *out);

/* Returns the first of the two slots that a save of this version is written to: 0 or 2. */
uint32_t dgraft_slot_of_version(uint64_t version);

/* header->refusal and file_bytes are not written; a decoder sets refusal. */
void dgraft_segment_encode(const struct dgraft_segment_header *header, uint8_t out[DGRAFT_BLOCK_BYTES]);
void dgraft_segment_decode(const uint8_t *bytes, size_t size, struct dgraft_segment_header *out);

/* Sets batch->checksum. */
void dgraft_batch_encode(struct dgraft_batch *batch, const struct dgraft_place *place,
                         uint8_t out[DGRAFT_BATCH_HEADER_BYTES]);

/* Returns ACCEPT, EMPTY (all zeros), or the reason. Only for ACCEPT does `out` mean anything. A header that is accepted
 * was written whole, at this place, by this format: the records behind it are another matter. */
enum dgraft_refusal dgraft_batch_decode(const uint8_t bytes[DGRAFT_BATCH_HEADER_BYTES],
                                        const struct dgraft_place *place, struct dgraft_batch *out);

/* Returns true when all bytes are zero. */
bool dgraft_all_zero(const uint8_t *bytes, size_t size);

/* header->refusal and file_bytes are not written; a decoder sets refusal. */
void dgraft_snapshot_encode(const struct dgraft_snapshot_header *header, uint8_t out[DGRAFT_BLOCK_BYTES]);
void dgraft_snapshot_decode(const uint8_t *bytes, size_t size, struct dgraft_snapshot_header *out);

bool dgraft_identity_equal(const struct dgraft_identity *a, const struct dgraft_identity *b);

/* Room for a segment's name and its end: "log-" and 16 decimal digits. */
#define DGRAFT_SEGMENT_NAME_BYTES 24u
#define DGRAFT_SEQUENCE_MAX       UINT64_C(9999999999999999)

void dgraft_segment_name(uint64_t sequence, char name[DGRAFT_SEGMENT_NAME_BYTES]);

/* Returns the sequence of a name, 0 when it is not one of a segment. */
uint64_t dgraft_segment_sequence(const char *name);

/* Room for a snapshot's name and its end: "snapshot-", index and term in at least 16 decimal digits each. */
#define DGRAFT_SNAPSHOT_NAME_BYTES 56u

void dgraft_snapshot_name(struct dgraft_position position, char name[DGRAFT_SNAPSHOT_NAME_BYTES]);

/* Returns the position of a name, {0,0} when it is not one of a snapshot. */
struct dgraft_position dgraft_snapshot_named(const char *name);

#endif
