/* Finds the file of a record and where to go on in it, or makes a new one. */
#include "flight_codec.h"
#include "flight_recorder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum dgraft_status refused(const struct dgraft_flight *flight, struct dgraft_why *why, const char *verb,
                                  int error)
{
    (void)snprintf(why->text, sizeof why->text, "cannot %s the flight record %.300s: %s", verb, flight->path,
                   strerror(error));
    switch (error) {
    case ENOENT:
        return DGRAFT_STATUS_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return DGRAFT_STATUS_READ_ONLY;
    case ENOSPC:
    case EDQUOT:
        return DGRAFT_STATUS_FULL;
    case ENOMEM:
        return DGRAFT_STATUS_NO_MEMORY;
    default:
        return DGRAFT_STATUS_IO;
    }
}

static enum dgraft_status make(struct dgraft_flight *flight, struct dgraft_why *why)
{
    struct dgraft_fs *fs = flight->options.fs;
    uint8_t *bytes = calloc(1, FLIGHT_HEADER_BYTES);
    if (bytes == NULL) {
        return refused(flight, why, "make", ENOMEM);
    }
    int result = flight->file >= 0 ? flight->file : fs->ops->open(fs, flight->path, DGRAFT_FS_CREATE);
    if (result >= 0) {
        flight->file = result;
        dgraft_flight_header_encode(&flight->header, bytes);
        result = dgraft_flight_file_write(flight, bytes, FLIGHT_HEADER_BYTES, 0);
    }
    free(bytes);
    flight->start = 1;
    return result < 0 ? refused(flight, why, "make", -result) : DGRAFT_OK;
}

/* Keeps a file that cannot be continued, and makes a new one. */
static enum dgraft_status replace(struct dgraft_flight *flight, struct dgraft_why *why)
{
    struct dgraft_fs *fs = flight->options.fs;
    const size_t room = strlen(flight->path) + sizeof ".old";
    char *old = malloc(room);
    if (old == NULL) {
        return refused(flight, why, "replace", ENOMEM);
    }
    (void)snprintf(old, room, "%s.old", flight->path);
    (void)fs->ops->close(fs, flight->file);
    flight->file = -1;
    const int result = fs->ops->rename(fs, flight->path, old);
    free(old);
    return result < 0 ? refused(flight, why, "rename", -result) : make(flight, why);
}

/* Counts the events of a block. */
static uint64_t count_events(const uint8_t *block, uint32_t block_bytes, const struct flight_block_header *header)
{
    const uint8_t *at = block + flight_records_begin(header->image_bytes);
    uint64_t count = 0;
    size_t body_bytes = 0;
    const uint8_t *body;
    while ((body = dgraft_flight_record_open(&at, block + block_bytes, block, header->number, &body_bytes)) != NULL) {
        count += body[0] == FLIGHT_RECORD_EVENT;
    }
    return count;
}

/* Goes on behind the newest block: it is left as it is, whatever became of its end. */
static enum dgraft_status go_on(struct dgraft_flight *flight, struct dgraft_why *why)
{
    struct dgraft_fs *fs = flight->options.fs;
    const struct flight_header *file = &flight->header;
    struct flight_block_header newest = {.number = 0};
    uint8_t *block = flight->buffers[0].bytes; /* nobody uses it yet */
    int64_t got = 0;
    for (uint32_t i = 0; i < file->block_count && got >= 0; i++) {
        struct flight_block_header header;
        got = dgraft_flight_file_read(fs, flight->file, block, FLIGHT_BLOCK_HEADER_BYTES, flight_block_offset(file, i));
        if (got == FLIGHT_BLOCK_HEADER_BYTES && dgraft_flight_block_decode(block, file->block_bytes, &header) &&
            header.number % file->block_count == i && header.number > newest.number) {
            newest = header;
        }
    }
    if (got >= 0 && newest.number != 0) {
        memset(block, 0, file->block_bytes);
        got = dgraft_flight_file_read(fs, flight->file, block, file->block_bytes,
                                      flight_block_offset(file, newest.number));
        flight->number = newest.first - 1 + count_events(block, file->block_bytes, &newest);
    }
    flight->block_number = newest.number;
    flight->start = newest.start + 1;
    return got < 0 ? refused(flight, why, "read", (int)-got) : DGRAFT_OK;
}

static enum dgraft_status take_over(struct dgraft_flight *flight, struct dgraft_why *why)
{
    struct dgraft_fs *fs = flight->options.fs;
    struct flight_header found;
    uint8_t *bytes = flight->buffers[0].bytes;
    const int64_t got = dgraft_flight_file_read(fs, flight->file, bytes, FLIGHT_HEADER_BYTES, 0);
    if (got < 0) {
        return refused(flight, why, "read", (int)-got);
    }
    if (got == 0) {
        return make(flight, why);
    }
    memset(bytes + got, 0, FLIGHT_HEADER_BYTES - (size_t)got);
    const enum dgraft_status status = dgraft_flight_header_decode(bytes, &found);
    if (status == DGRAFT_STATUS_FOREIGN) {
        (void)snprintf(why->text, sizeof why->text,
                       "%.300s is no flight record, and is left alone: choose another file for it", flight->path);
        return status;
    }
    if (status == DGRAFT_OK && (found.cluster != flight->header.cluster || found.node != flight->header.node)) {
        (void)snprintf(
            why->text, sizeof why->text,
            "%.300s is the flight record of node %u of another cluster or number: choose another file for it",
            flight->path, found.node);
        return DGRAFT_STATUS_FOREIGN;
    }
    if (status != DGRAFT_OK || found.block_bytes != flight->header.block_bytes ||
        found.block_count != flight->header.block_count) {
        return replace(flight, why);
    }
    return go_on(flight, why);
}

enum dgraft_status dgraft_flight_file_open(struct dgraft_flight *flight, struct dgraft_why *why)
{
    struct dgraft_fs *fs = flight->options.fs;
    const int file = fs->ops->open(fs, flight->path, DGRAFT_FS_WRITE);
    if (file == -ENOENT) {
        return make(flight, why);
    }
    if (file < 0) {
        return refused(flight, why, "open", -file);
    }
    flight->file = file;
    return take_over(flight, why);
}
