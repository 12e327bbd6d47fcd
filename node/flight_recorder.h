/* The recorder's state: one thread notes events in a block of memory, another writes blocks to the file. Private to
 * node.
 *
 *   flight_recorder.c   notes: events, actions, new blocks
 *   flight_open.c       finds or makes the file
 *   flight_write.c      writes
 *
 * Blocks go round in a few buffers: `begun` counts those that the noting thread has begun, `done` those that the
 * writing one has finished with; a block belongs to both in between, and its bytes below `used` change no more. When
 * all buffers are full, events are lost until one is free: then a new block begins with a new image.
 */
#ifndef DGRAFT_FLIGHT_RECORDER_H
#define DGRAFT_FLIGHT_RECORDER_H

#include "flight_format.h"

#include <dgraft/flight.h>

#include <stdatomic.h>

#define FLIGHT_BUFFERS 4u

struct flight_buffer {
    uint8_t *bytes;
    uint64_t number;       /* of the block in it */
    _Atomic uint32_t used; /* bytes noted */
    atomic_bool full;      /* no more will come */
    uint32_t written;      /* the writing thread's */
};

struct dgraft_flight {
    struct dgraft_flight_options options;
    char *path;
    int file;
    struct flight_header header;
    struct dgraft_config config;
    size_t core_bytes;
    uint64_t fingerprint;
    struct flight_buffer buffers[FLIGHT_BUFFERS];
    _Atomic uint64_t begun;
    _Atomic uint64_t done;

    /* The noting thread's. */
    struct flight_buffer *buffer; /* NULL: no block is open */
    uint8_t *at;
    uint64_t start;
    uint64_t block_number; /* of the newest block */
    uint64_t number;       /* of the newest event */
    uint64_t lost_here;    /* events since the last that was noted */
    uint32_t until_hash;   /* events until the next hash of the state */
    dgraft_time_ns now_ns; /* of the newest event noted */
    uint64_t wall_clock_ns;
    uint64_t chain;
    bool noted; /* the newest event is: its actions will be, too */

    _Atomic uint64_t events;
    _Atomic uint64_t lost;
    _Atomic uint64_t bytes_written;
    _Atomic int error;
};

/* flight_open.c: the file, and where to go on in it. */
enum dgraft_status dgraft_flight_file_open(struct dgraft_flight *flight, struct dgraft_why *why);

/* flight_write.c: whole writes and reads. Return 0, or a negative errno; a read gives how many bytes there were. */
int dgraft_flight_file_write(struct dgraft_flight *flight, const uint8_t *bytes, size_t size, uint64_t offset);
int64_t dgraft_flight_file_read(struct dgraft_fs *fs, int file, uint8_t *bytes, size_t size, uint64_t offset);

/* Where a block stands in the file. */
static inline uint64_t flight_block_offset(const struct flight_header *header, uint64_t number)
{
    return FLIGHT_HEADER_BYTES + number % header->block_count * header->block_bytes;
}

#endif
