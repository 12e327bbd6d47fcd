#include "flight_reader.h"

#include "flight_recorder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum dgraft_status say_errno(const struct flight_reader *reader, int error, struct dgraft_why *why)
{
    (void)snprintf(why->text, sizeof why->text, "%.300s: %s", reader->path, strerror(error));
    if (error == ENOENT || error == ENOTDIR) {
        return DGRAFT_STATUS_NOT_FOUND;
    }
    if (error == EACCES || error == EPERM) {
        return DGRAFT_STATUS_READ_ONLY;
    }
    return error == ENOMEM ? DGRAFT_STATUS_NO_MEMORY : DGRAFT_STATUS_IO;
}

static enum dgraft_status say(const struct flight_reader *reader, enum dgraft_status status, struct dgraft_why *why)
{
    const char *text = status == DGRAFT_STATUS_FOREIGN ? "is no flight record of dgraft"
                       : status == DGRAFT_STATUS_TOO_NEW
                           ? "was recorded in a newer format: replay it with a newer raftctl"
                           : "is damaged at its very beginning: nothing of it can be read";
    (void)snprintf(why->text, sizeof why->text, "%.300s %s", reader->path, text);
    return status;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return (*x > *y) - (*x < *y);
}

static bool nothing_in(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* Looks at every block's header. */
static enum dgraft_status look(struct flight_reader *reader, struct dgraft_why *why)
{
    const struct flight_header *header = &reader->header;
    for (uint32_t i = 0; i < header->block_count; i++) {
        uint8_t bytes[FLIGHT_BLOCK_HEADER_BYTES];
        struct flight_block_header found;
        const int64_t got =
            dgraft_flight_file_read(reader->fs, reader->file, bytes, sizeof bytes, flight_block_offset(header, i));
        if (got < 0) {
            return say_errno(reader, (int)-got, why);
        }
        if (got < (int64_t)sizeof bytes || nothing_in(bytes, sizeof bytes)) {
            reader->unreadable += got > 0 && got < (int64_t)sizeof bytes;
            continue;
        }
        if (!dgraft_flight_block_decode(bytes, header->block_bytes, &found) ||
            found.number % header->block_count != i) {
            reader->unreadable++;
            continue;
        }
        uint64_t *grown = realloc(reader->numbers, (reader->count + (size_t)1) * sizeof *grown);
        if (grown == NULL) {
            return say_errno(reader, ENOMEM, why);
        }
        reader->numbers = grown;
        reader->numbers[reader->count++] = found.number;
    }
    if (reader->count > 0) {
        qsort(reader->numbers, reader->count, sizeof reader->numbers[0], compare);
    }
    return DGRAFT_OK;
}

enum dgraft_status dgraft_flight_reader_open(struct flight_reader *reader, struct dgraft_fs *fs, const char *path,
                                             struct dgraft_why *why)
{
    uint8_t bytes[FLIGHT_HEADER_BYTES] = {0};
    *reader = (struct flight_reader){.fs = fs, .path = path};
    reader->file = fs->ops->open(fs, path, DGRAFT_FS_READ);
    if (reader->file < 0) {
        return say_errno(reader, -reader->file, why);
    }
    const int64_t got = dgraft_flight_file_read(fs, reader->file, bytes, sizeof bytes, 0);
    if (got < 0) {
        return say_errno(reader, (int)-got, why);
    }
    enum dgraft_status status = dgraft_flight_header_decode(bytes, &reader->header);
    if (status != DGRAFT_OK) {
        return say(reader, status, why);
    }
    reader->block = malloc(reader->header.block_bytes);
    if (reader->block == NULL) {
        return say_errno(reader, ENOMEM, why);
    }
    return look(reader, why);
}

enum dgraft_status dgraft_flight_reader_load(struct flight_reader *reader, uint32_t nth, struct dgraft_why *why)
{
    const struct flight_header *header = &reader->header;
    const uint64_t number = reader->numbers[nth];
    const int64_t got = dgraft_flight_file_read(reader->fs, reader->file, reader->block, header->block_bytes,
                                                flight_block_offset(header, number));
    if (got < 0) {
        return say_errno(reader, (int)-got, why);
    }
    reader->block_bytes = (uint32_t)got;
    if (got < (int64_t)FLIGHT_BLOCK_HEADER_BYTES ||
        !dgraft_flight_block_decode(reader->block, header->block_bytes, &reader->block_header) ||
        reader->block_header.number != number) {
        return DGRAFT_STATUS_DAMAGED;
    }
    return DGRAFT_OK;
}

void dgraft_flight_reader_close(struct flight_reader *reader)
{
    if (reader->file >= 0) {
        (void)reader->fs->ops->close(reader->fs, reader->file);
    }
    free(reader->numbers);
    free(reader->block);
}
