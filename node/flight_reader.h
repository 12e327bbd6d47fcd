/* The blocks of a flight record's file, one at a time, oldest first. Private to node. */
#ifndef DGRAFT_FLIGHT_READER_H
#define DGRAFT_FLIGHT_READER_H

#include "flight_format.h"

#include <dgraft/flight.h>

struct flight_reader {
    struct dgraft_fs *fs;
    const char *path;
    int file;
    struct flight_header header;
    uint64_t *numbers; /* of the blocks that are there, ascending */
    uint32_t count;
    uint32_t unreadable;  /* places that hold something, which is no block */
    uint8_t *block;       /* the one loaded */
    uint32_t block_bytes; /* of it that the file has */
    struct flight_block_header block_header;
};

/* Returns OK; NOT_FOUND, READ_ONLY, IO, NO_MEMORY; FOREIGN, TOO_NEW, DAMAGED. Close it in any case. */
enum dgraft_status dgraft_flight_reader_open(struct flight_reader *reader, struct dgraft_fs *fs, const char *path,
                                             struct dgraft_why *why);

/* Loads the nth block. Returns OK; DAMAGED when it is not what it was at open (the node is running); IO. */
enum dgraft_status dgraft_flight_reader_load(struct flight_reader *reader, uint32_t nth, struct dgraft_why *why);

void dgraft_flight_reader_close(struct flight_reader *reader);

#endif
