/* The layout of a flight record, byte by byte. Private to node; docs/flight-format.md is its description.
 *
 *   file   = header (4,096 bytes), then a ring of blocks of one size; block number n is at place n modulo their count
 *   header   0 magic "dgfl"   4 version u16   8 XXH3-64 of the header from 16 on, seeded with bytes 0 to 7
 *            16 bytes of a block u32   20 count of blocks u32   24 cluster   32 node u32   the rest is zero
 *   block  = header (512 bytes), image of the core (padded with zeros to 8), records
 *   header   0 magic "dgfb"   4 1 open, 2 full (u32)   8 XXH3-64 likewise   16 number, from 1
 *            24 start of the node, from 1   32 number of the first event   40 events lost before it
 *            48 the core's time before it   56 hash of the actions before it   64 XXH3-64 of the core's block
 *            72 fingerprint of the build   80 time of day   88 bytes of the core's block
 *            96 bytes of the image u32   100 bytes of the block known written u32
 *            104 version of the library, 24 bytes   128 count of the config's numbers u32   136 these
 *   record = length of the body, body, sum u32: the low half of XXH3-64 of the body
 *            + number of the block * 0x9e3779b1 + place in it * 0x85ebca77
 *   body   = 1, event
 *          | 2, status, count of actions, set of their kinds, low half of their hash (u32)
 *          | 3, XXH3-64 of the core's block
 *          | 4, at a clean close
 *
 * Numbers without a width are 8 bytes in headers and LEB128 in records. The hash of a step's actions begins with that
 * of the step before.
 */
#ifndef DGRAFT_FLIGHT_FORMAT_H
#define DGRAFT_FLIGHT_FORMAT_H

#include "flight_fields.h"

#define FLIGHT_VERSION             1u
#define FLIGHT_HEADER_BYTES        4096u
#define FLIGHT_BLOCK_HEADER_BYTES  512u
#define FLIGHT_BLOCK_BYTES_MAX     (16u * 1024 * 1024)
#define FLIGHT_BLOCKS_LEAST        4u
#define FLIGHT_BLOCKS_MOST         (1u << 20)
#define FLIGHT_LIBRARY_BYTES       24u
#define FLIGHT_RECORD_BYTES_LEAST  6u
#define FLIGHT_RECORD_OVERHEAD_MAX 9u /* length and sum of the longest record */

enum flight_record {
    FLIGHT_RECORD_EVENT = 1,
    FLIGHT_RECORD_ACTIONS = 2,
    FLIGHT_RECORD_STATE = 3,
    FLIGHT_RECORD_CLOSED = 4
};

enum flight_block_state { FLIGHT_BLOCK_OPEN = 1, FLIGHT_BLOCK_FULL = 2 };

struct flight_header {
    uint32_t block_bytes;
    uint32_t block_count;
    uint64_t cluster;
    dgraft_node_id node;
};

struct flight_block_header {
    enum flight_block_state state;
    uint64_t number;
    uint64_t start;
    uint64_t first;
    uint64_t lost;
    dgraft_time_ns now_ns;
    uint64_t chain;
    uint64_t state_hash;
    uint64_t fingerprint;
    uint64_t wall_clock_ns;
    uint64_t core_bytes;
    uint32_t image_bytes;
    uint32_t used;
    char version[FLIGHT_LIBRARY_BYTES]; /* ends with a zero */
    struct dgraft_config config;
};

void dgraft_flight_header_encode(const struct flight_header *header, uint8_t out[FLIGHT_HEADER_BYTES]);

/* Returns OK; FOREIGN when it is no flight record, TOO_NEW, DAMAGED. */
enum dgraft_status dgraft_flight_header_decode(const uint8_t bytes[FLIGHT_HEADER_BYTES], struct flight_header *out);

void dgraft_flight_block_encode(const struct flight_block_header *header, uint8_t out[FLIGHT_BLOCK_HEADER_BYTES]);

/* Sets the two numbers that change while a block fills, in bytes that were encoded before. */
void dgraft_flight_block_update(uint8_t bytes[FLIGHT_BLOCK_HEADER_BYTES], enum flight_block_state state, uint32_t used);

/* Returns false for bytes that are no header of a block of `block_bytes`. The config may be one of another version:
 * whoever makes a core of it asks dgraft_config_check. */
bool dgraft_flight_block_decode(const uint8_t bytes[FLIGHT_BLOCK_HEADER_BYTES], uint32_t block_bytes,
                                struct flight_block_header *out);

/* Where the records of a block begin. */
static inline uint32_t flight_records_begin(uint32_t image_bytes)
{
    return FLIGHT_BLOCK_HEADER_BYTES + ((image_bytes + 7) & ~7u);
}

/* Frames the body of a record that stands at `at` + FLIGHT_RECORD_OVERHEAD_MAX: the length moves up to it. Returns the
 * place behind the record. `block` is where its block begins. */
uint8_t *dgraft_flight_record_seal(uint8_t *at, size_t body_bytes, const uint8_t *block, uint64_t number);

/* Finds the record at *at, before `end`, and moves *at behind it. Returns its body, NULL when there is none. */
const uint8_t *dgraft_flight_record_open(const uint8_t **at, const uint8_t *end, const uint8_t *block, uint64_t number,
                                         size_t *body_bytes);

/* The image: the core's block without its zeros.
 *
 *   image = {count of zero words, count of other words (LEB128), the other words (8 bytes each)} ...
 *
 * until as many words are told as the core's block has. Returns the bytes written; 0 when they do not fit. */
size_t dgraft_flight_image_encode(const void *core, size_t core_bytes, uint8_t *out, size_t size);

/* The most that an image takes. */
static inline size_t flight_image_bytes_max(size_t core_bytes)
{
    return core_bytes + 32;
}

/* Returns whether the bytes are the image of exactly such a block, and makes it. */
bool dgraft_flight_image_decode(const uint8_t *bytes, size_t size, void *core, size_t core_bytes);

/* Returns the hash of a core's block. */
uint64_t dgraft_flight_state_hash(const void *core, size_t core_bytes);

#endif
