/* A record: an entry framed once, where it is proposed. The same bytes travel, are written to the log, feed a lagging
 * follower and are handed to the state machine.
 *
 *   offset  width  field                                 (little-endian)
 *        0      4  payload length in bytes
 *        4      1  kind: enum dgraft_entry_kind
 *        5      1  flags: DGRAFT_RECORD_IN_SESSION or 0
 *        6      2  tag: the user's name of the command
 *        8      8  index
 *       16      8  term
 *       24      8  log time: the leader's time of day in ns when it framed the entry; never falls in a log
 *       32      4  CRC32C of the payload
 *       36      4  CRC32C of bytes 0 to 35
 *       40      n  payload, then zeros up to a multiple of 8; session_entry.h has what sessions put there
 */
#ifndef DGRAFT_RECORD_H
#define DGRAFT_RECORD_H

#include <dgraft/refusal.h>
#include <dgraft/status.h>
#include <dgraft/types.h>

#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DGRAFT_RECORD_HEADER_BYTES 40u
#define DGRAFT_RECORD_PAYLOAD_MAX  (16u * 1024 * 1024)
/* No index, term or log time is larger, so that whoever adds a count to one need not fear that it wraps. */
#define DGRAFT_RECORD_NUMBER_MAX (UINT64_MAX / 2)
/* Flag: the payload begins with session and sequence. COMMAND only. */
#define DGRAFT_RECORD_IN_SESSION 0x01u

struct dgraft_record {
    struct dgraft_entry entry; /* index, term, kind, payload_bytes, checksum */
    uint16_t tag;
    uint8_t flags; /* DGRAFT_RECORD_IN_SESSION or 0 */
    uint64_t log_time_ns;
    const uint8_t *payload; /* view into the buffer decoded from; NULL when only a header is described */
};

/* CRC32C (Castagnoli). Pass 0 to begin; pass a result to go on: crc(crc(0, a), b) is that of a followed by b. */
uint32_t dgraft_crc32c(uint32_t crc, const void *bytes, size_t size);

/* Returns how many zero bytes follow this payload, 0 to 7. */
static inline size_t dgraft_record_padding(uint32_t payload_bytes)
{
    return (8u - payload_bytes % 8u) % 8u;
}

/* Returns what a record of this payload takes: header, payload, padding. */
static inline size_t dgraft_record_bytes(uint32_t payload_bytes)
{
    return DGRAFT_RECORD_HEADER_BYTES + (size_t)payload_bytes + dgraft_record_padding(payload_bytes);
}

/* Writes the header's 40 bytes. record->entry.checksum must hold the payload's CRC. */
void dgraft_record_encode_header(const struct dgraft_record *record, uint8_t out[DGRAFT_RECORD_HEADER_BYTES]);

/* Returns the CRC of a payload that lies in pieces. */
uint32_t dgraft_record_payload_checksum(const struct iovec *pieces, size_t count);

/* Reads the record at the beginning of bytes; `out` views them, nothing is copied. *consumed (may be NULL) is its whole
 * size. Both checksums, the padding, kind, flags, index, term, log time and what sessions put there are checked.
 * Returns DGRAFT_ACCEPT or the reason of the refusal; out is then undefined. */
enum dgraft_refusal dgraft_record_decode(const uint8_t *bytes, size_t size, struct dgraft_record *out,
                                         size_t *consumed);

/* The same checks for whoever wants the entry alone; here *consumed must be somewhere. */
enum dgraft_refusal dgraft_record_check(const uint8_t *bytes, size_t size, struct dgraft_entry *out, size_t *consumed);

/* The same for a header alone: 40 bytes are enough, the payload is neither needed nor checked; out->payload is NULL. */
enum dgraft_refusal dgraft_record_decode_header(const uint8_t *bytes, size_t size, struct dgraft_record *out);

/* Little-endian numbers at any address, for whoever reads or writes a format of dgraft. Written byte by byte: compilers
 * make one load or store of it, and the machine's own order does not matter. */
static inline void dgraft_put_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value & 0xffu);
    at[1] = (uint8_t)(value >> 8);
}

static inline void dgraft_put_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value & 0xffu);
    at[1] = (uint8_t)((value >> 8) & 0xffu);
    at[2] = (uint8_t)((value >> 16) & 0xffu);
    at[3] = (uint8_t)(value >> 24);
}

static inline void dgraft_put_u64(uint8_t *at, uint64_t value)
{
    dgraft_put_u32(at, (uint32_t)(value & 0xffffffffu));
    dgraft_put_u32(at + 4, (uint32_t)(value >> 32));
}

static inline uint16_t dgraft_get_u16(const uint8_t *at)
{
    return (uint16_t)((unsigned)at[0] | (unsigned)at[1] << 8);
}

static inline uint32_t dgraft_get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t dgraft_get_u64(const uint8_t *at)
{
    return (uint64_t)dgraft_get_u32(at) | (uint64_t)dgraft_get_u32(at + 4) << 32;
}

/* Single fields of a header that was framed or checked here. */
static inline uint8_t dgraft_record_flags(const uint8_t *header)
{
    return header[5];
}

static inline uint16_t dgraft_record_tag(const uint8_t *header)
{
    return dgraft_get_u16(header + 6);
}

static inline uint64_t dgraft_record_log_time_ns(const uint8_t *header)
{
    return dgraft_get_u64(header + 24);
}

#ifdef __cplusplus
}
#endif
#endif
