/* From memory to the file. Nothing here allocates or locks: a signal's handler may come this way. */
#include "flight_recorder.h"

#include <errno.h>
#include <string.h>

#define INTERRUPTIONS_MAX 1000

static int write_whole(struct dgraft_fs *fs, int file, const uint8_t *bytes, size_t size, uint64_t offset)
{
    int interruptions = 0;
    while (size > 0) {
        struct iovec piece;
        memcpy(&piece.iov_base, &bytes, sizeof bytes); /* the seam's pieces are not const; it does not write to them */
        piece.iov_len = size;
        const ssize_t result = fs->ops->pwritev(fs, file, &piece, 1, offset);
        if (result == -EINTR && ++interruptions < INTERRUPTIONS_MAX) {
            continue;
        }
        if (result <= 0) {
            return result < 0 ? (int)result : -EIO;
        }
        bytes += result;
        offset += (uint64_t)result;
        size -= (size_t)result;
    }
    return 0;
}

int dgraft_flight_file_write(struct dgraft_flight *flight, const uint8_t *bytes, size_t size, uint64_t offset)
{
    const int result = write_whole(flight->options.fs, flight->file, bytes, size, offset);
    if (result == 0) {
        atomic_fetch_add_explicit(&flight->bytes_written, size, memory_order_relaxed);
    }
    return result;
}

int64_t dgraft_flight_file_read(struct dgraft_fs *fs, int file, uint8_t *bytes, size_t size, uint64_t offset)
{
    size_t done = 0;
    int interruptions = 0;
    while (done < size) {
        const ssize_t result = fs->ops->pread(fs, file, bytes + done, size - done, offset + done);
        if (result == -EINTR && ++interruptions < INTERRUPTIONS_MAX) {
            continue;
        }
        if (result < 0) {
            return result;
        }
        if (result == 0) {
            break;
        }
        done += (size_t)result;
    }
    return (int64_t)done;
}

static int write_header(struct dgraft_flight *flight, const struct flight_buffer *buffer, bool full, uint32_t used)
{
    uint8_t header[FLIGHT_BLOCK_HEADER_BYTES];
    memcpy(header, buffer->bytes, sizeof header);
    dgraft_flight_block_update(header, full ? FLIGHT_BLOCK_FULL : FLIGHT_BLOCK_OPEN, used);
    return dgraft_flight_file_write(flight, header, sizeof header,
                                    flight_block_offset(&flight->header, buffer->number));
}

/* Writes what was noted in a block since `written`. The header goes first when the block is new, so that the one which
 * stood here is not taken for damaged, and last in any case, so that it tells no more than is there. */
static int write_block(struct dgraft_flight *flight, struct flight_buffer *buffer, bool full, uint32_t used)
{
    const uint64_t offset = flight_block_offset(&flight->header, buffer->number);
    int result = 0;
    if (buffer->written == 0) {
        result = write_header(flight, buffer, false, FLIGHT_BLOCK_HEADER_BYTES);
        buffer->written = FLIGHT_BLOCK_HEADER_BYTES;
    }
    if (result == 0) {
        result = dgraft_flight_file_write(flight, buffer->bytes + buffer->written, used - buffer->written,
                                          offset + buffer->written);
    }
    if (result == 0) {
        buffer->written = used;
        result = write_header(flight, buffer, full, used);
    }
    return result;
}

void dgraft_flight_write(struct dgraft_flight *flight)
{
    uint64_t done = atomic_load_explicit(&flight->done, memory_order_relaxed);
    while (atomic_load_explicit(&flight->error, memory_order_relaxed) == 0 &&
           done < atomic_load_explicit(&flight->begun, memory_order_acquire)) {
        struct flight_buffer *buffer = &flight->buffers[done % FLIGHT_BUFFERS];
        const bool full = atomic_load_explicit(&buffer->full, memory_order_acquire);
        const uint32_t used = atomic_load_explicit(&buffer->used, memory_order_acquire);
        if (full || used > buffer->written) {
            const int result = write_block(flight, buffer, full, used);
            if (result != 0) {
                atomic_store_explicit(&flight->error, -result, memory_order_relaxed);
                return;
            }
        }
        if (!full) {
            return;
        }
        atomic_store_explicit(&flight->done, ++done, memory_order_release);
    }
}

void dgraft_flight_save(const struct dgraft_flight *flight)
{
    const struct flight_header *header = &flight->header;
    for (uint64_t block = atomic_load(&flight->done); block < atomic_load(&flight->begun); block++) {
        const struct flight_buffer *buffer = &flight->buffers[block % FLIGHT_BUFFERS];
        const uint64_t offset = flight_block_offset(header, buffer->number);
        const uint32_t used = atomic_load(&buffer->used);
        uint8_t bytes[FLIGHT_BLOCK_HEADER_BYTES];
        memcpy(bytes, buffer->bytes, sizeof bytes);
        dgraft_flight_block_update(bytes, FLIGHT_BLOCK_OPEN, used);
        if (write_whole(flight->options.fs, flight->file, bytes, sizeof bytes, offset) != 0 ||
            write_whole(flight->options.fs, flight->file, buffer->bytes + sizeof bytes, used - sizeof bytes,
                        offset + sizeof bytes) != 0) {
            return;
        }
    }
}
