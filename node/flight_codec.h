/* An event as bytes and back, and the hash of actions. Private to node.
 *
 *   event    = kind, time, then the kind's numbers (flight_events.def), then what it points to
 *   number   = LEB128: 7 bits a byte, the lowest first, bit 7 says that more follow; as short as possible
 *   time     = now_ns less that of the event before, modulo 2^64
 *   START    then its runs {first, term}, each less the one before, and its damage {first, last, anchor}: the indices
 *            likewise
 *   RECEIVE  then the body's numbers (wire/messages.def), and, of an APPEND, its entries, the count of its memberships
 *            and the numbers of each
 *            of a FETCH_ANSWER its entries
 *   PROPOSE  then its entries
 *   entry    = 0, checksum: the index is one more than that of the entry before, all else but the checksum is the same
 *            | 1, checksum: the index is the same, too
 *            | 2, {index, term} less those of the entry before (zigzag), payload_bytes, kind, reserved, checksum
 *              The checksum is 4 bytes, little-endian; before the first entry stands one of zeros.
 */
#ifndef DGRAFT_FLIGHT_CODEC_H
#define DGRAFT_FLIGHT_CODEC_H

#include <dgraft/core.h>

/* Writes an event. Returns how many bytes, 0 when they do not fit. */
size_t dgraft_flight_encode(const struct dgraft_event *event, dgraft_time_ns before_ns, uint8_t *bytes, size_t size);

struct flight_array {
    void *items;
    size_t bytes;
};

/* A decoded event and the memory of what it points to, kept from one to the next. Zero before the first. */
struct flight_decoded {
    struct dgraft_event event;
    struct flight_array array; /* its entries, or its runs and then its damage */
    struct flight_array memberships;
};

/* Reads an event that takes exactly `size` bytes. Returns OK; DAMAGED for bytes that are none; NO_MEMORY. Any bytes
 * will do.
 */
enum dgraft_status dgraft_flight_decode(const uint8_t *bytes, size_t size, dgraft_time_ns before_ns,
                                        struct flight_decoded *out);

void dgraft_flight_decoded_free(struct flight_decoded *decoded);

/* Returns the hash of what a step gave - status, time to wake at, actions - chained to that of the step before. */
uint64_t dgraft_flight_hash_actions(uint64_t chain, enum dgraft_status status, const struct dgraft_actions *actions);

/* Returns the set of the actions' kinds, bit (kind) for each; kinds from 63 on share the last bit. */
uint64_t dgraft_flight_action_kinds(const struct dgraft_actions *actions);

/* Numbers, for flight_format. Return the place behind the number; NULL when it does not fit, or is none. */
uint8_t *dgraft_flight_put(uint8_t *at, const uint8_t *end, uint64_t value);
const uint8_t *dgraft_flight_take(const uint8_t *at, const uint8_t *end, uint64_t *value);

#endif
