#include "segment_writer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void note_failure(struct dgraft_writer *writer, const char *verb, const char *name, int error)
{
    writer->failure.verb = verb;
    writer->failure.error = error;
    (void)snprintf(writer->failure.name, sizeof writer->failure.name, "%s", name);
    atomic_store(&writer->failed, true);
}

/* A write that found no room has left what was there before as it was: opening again finds out. */
static bool fail(struct dgraft_writer *writer, const char *verb, const char *name, int error)
{
    note_failure(writer, verb, name, error);
    if (error == -ENOSPC || error == -EDQUOT) {
        dgraft_writer_lack(writer);
    }
    return false;
}

/* A sync that failed is final, whatever it failed for: its pages may be gone, and look as if they were on the disk. */
static bool fail_sync(struct dgraft_writer *writer, const char *verb, const char *name, int error)
{
    note_failure(writer, verb, name, error);
    return false;
}

void dgraft_writer_lack(struct dgraft_writer *writer)
{
    writer->lacking_bytes = writer->lacking_bytes != 0 ? writer->lacking_bytes : writer->segment_bytes;
    atomic_store(&writer->room_again, false);
    atomic_store(&writer->spare_wanted, true); /* that is who asks for room */
    atomic_store(&writer->failed, true);
    atomic_store(&writer->ran_full, true);
}

bool dgraft_writer_save(struct dgraft_writer *writer, const struct dgraft_state_slot *slot)
{
    uint8_t block[DGRAFT_BLOCK_BYTES];
    struct iovec pieces[2] = {{block, sizeof block}, {block, sizeof block}};
    dgraft_slot_encode(slot, block);
    const uint64_t offset = (uint64_t)dgraft_slot_of_version(slot->version) * DGRAFT_BLOCK_BYTES;
    int result = dgraft_disk_write(writer->disk, writer->state_file, pieces, 2, offset);
    if (result < 0) {
        return fail(writer, "write", "state", result);
    }
    result = dgraft_disk_sync(writer->disk, writer->state_file);
    return result < 0 ? fail_sync(writer, "sync", "state", result) : true;
}

/* Makes a segment of zeros whose name is durable. Returns the file or a negative errno; *syncing: of a sync. */
static int make_segment(struct dgraft_writer *writer, const char *name, uint64_t bytes, bool *syncing)
{
    int file = dgraft_disk_open(writer->disk, name, DGRAFT_FS_CREATE);
    int result = file;
    if (file == -EEXIST) { /* left by an attempt that failed */
        file = dgraft_disk_open(writer->disk, name, DGRAFT_FS_WRITE);
        result = file < 0 ? file : dgraft_disk_truncate(writer->disk, file, 0);
    }
    if (result >= 0) {
        result = dgraft_disk_zero(writer->disk, file, 0, bytes);
    }
    *syncing = result >= 0;
    if (result >= 0) {
        result = dgraft_disk_sync(writer->disk, file);
    }
    if (result >= 0) {
        result = dgraft_disk_sync_directory(writer->disk);
    }
    if (result < 0) {
        if (file >= 0) {
            dgraft_disk_close(writer->disk, file);
            (void)dgraft_disk_unlink(writer->disk, name);
        }
        return result;
    }
    return file;
}

/* Gives one of the pool a segment's name, durably. Returns the file; -ENOENT when there is none, or another negative
 * errno. */
static int take_from_pool(struct dgraft_writer *writer, const char *name)
{
    const int file = dgraft_pool_take(&writer->pool, name);
    const int result = file < 0 ? file : dgraft_disk_sync_directory(writer->disk);
    if (result < 0 && file >= 0) {
        dgraft_disk_close(writer->disk, file);
        (void)dgraft_disk_unlink(writer->disk, name);
    }
    return result < 0 ? result : file;
}

/* Makes a segment of at least `bytes`: out of the pool, or of zeros. Returns the file or a negative errno, as
 * make_segment. */
static int next_segment(struct dgraft_writer *writer, const char *name, uint64_t bytes, bool *syncing)
{
    const int file = bytes > writer->segment_bytes ? -ENOENT : take_from_pool(writer, name);
    if (file >= 0) {
        return file;
    }
    return make_segment(writer, name, bytes, syncing);
}

void dgraft_writer_spare(struct dgraft_writer *writer)
{
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    bool syncing;
    (void)pthread_mutex_lock(&writer->spare_lock);
    atomic_store(&writer->spare_wanted, false);
    if (atomic_load(&writer->ran_full)) {
        atomic_store(&writer->room_again, dgraft_pool_probe(&writer->pool, writer->lacking_bytes) == 0);
    } else if (writer->spare_file < 0 && !atomic_load(&writer->failed)) {
        dgraft_segment_name(writer->sequence + 1, name);
        const int file = next_segment(writer, name, writer->segment_bytes, &syncing);
        if (file >= 0) {
            writer->spare_file = file;
            writer->spare_bytes = writer->segment_bytes;
            writer->spare_named = true;
        }
        atomic_store(&writer->lacks_room, file == -ENOSPC || file == -EDQUOT);
    }
    (void)pthread_mutex_unlock(&writer->spare_lock);
}

/* Takes the spare, or makes one large enough for the batch, and makes it the segment that is written. Returns false and
 * sets failure. */
static bool take_spare(struct dgraft_writer *writer, const struct dgraft_batch *batch, const char *name)
{
    int file = writer->spare_file;
    uint64_t bytes = writer->spare_bytes;
    if (file < 0) {
        const uint64_t own =
            DGRAFT_BLOCK_BYTES + (batch->length + DGRAFT_BLOCK_BYTES - 1) / DGRAFT_BLOCK_BYTES * DGRAFT_BLOCK_BYTES;
        bytes = own > writer->segment_bytes ? own : writer->segment_bytes;
        atomic_fetch_add_explicit(&writer->spares_late, 1, memory_order_relaxed);
        bool syncing = false;
        file = next_segment(writer, name, bytes, &syncing);
        if (file < 0) {
            writer->lacking_bytes = bytes;
            return syncing ? fail_sync(writer, "sync", name, file) : fail(writer, "make", name, file);
        }
    } else if (!writer->spare_named) {
        const int named = dgraft_disk_sync_directory(writer->disk);
        if (named < 0) {
            return fail_sync(writer, "sync the directory of", name, named);
        }
    }
    /* A spare that an earlier process left: how much of it the disk has is not certain. */
    writer->made_bytes = writer->spare_file >= 0 && !writer->spare_named ? 0 : bytes;
    writer->spare_file = -1;
    writer->sequence = writer->spare_sequence > writer->sequence ? writer->spare_sequence : writer->sequence + 1;
    writer->spare_sequence = 0;
    atomic_store(&writer->spare_wanted, true);
    dgraft_disk_close(writer->disk, writer->file);
    writer->file = file;
    writer->file_bytes = bytes;
    return true;
}

static bool begin_segment(struct dgraft_writer *writer, const struct dgraft_batch *batch, const char *name)
{
    uint8_t block[DGRAFT_BLOCK_BYTES];
    const int file = writer->file;
    writer->offset = DGRAFT_BLOCK_BYTES;
    writer->fresh = false;
    const struct dgraft_segment_header header = {.identity = writer->identity,
                                                 .sequence = writer->sequence,
                                                 .first_batch = writer->next_number,
                                                 .follows = writer->number,
                                                 .chain = writer->chain,
                                                 .made_bytes = writer->made_bytes,
                                                 .first = batch->first};
    struct iovec piece = {block, sizeof block};
    dgraft_segment_encode(&header, block);
    int result = dgraft_disk_write(writer->disk, file, &piece, 1, 0);
    if (result < 0) {
        return fail(writer, "write", name, result);
    }
    result = dgraft_disk_sync(writer->disk, file);
    return result < 0 ? fail_sync(writer, "sync", name, result) : true;
}

/* Begins the next segment: its header is durable before the first batch is written, so that a header that cannot be
 * read with batches behind it is known to have rotted. Nor is the next spare made before: a crash would leave a segment
 * behind one without a header, which would count as damage. */
static bool roll(struct dgraft_writer *writer, const struct dgraft_batch *batch)
{
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    const uint64_t next = writer->sequence + 1;
    dgraft_segment_name(writer->spare_sequence > next ? writer->spare_sequence : next, name);
    (void)pthread_mutex_lock(&writer->spare_lock);
    const bool begun = take_spare(writer, batch, name) && begin_segment(writer, batch, name);
    (void)pthread_mutex_unlock(&writer->spare_lock);
    return begun;
}

bool dgraft_writer_header(struct dgraft_writer *writer, const struct dgraft_segment_header *header)
{
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    uint8_t block[DGRAFT_BLOCK_BYTES];
    struct iovec piece = {block, sizeof block};
    dgraft_segment_name(header->sequence, name);
    dgraft_segment_encode(header, block);
    const int file = dgraft_disk_open(writer->disk, name, DGRAFT_FS_WRITE);
    int result = file < 0 ? file : dgraft_disk_write(writer->disk, file, &piece, 1, 0);
    const bool syncing = result >= 0;
    if (syncing) {
        result = dgraft_disk_sync(writer->disk, file);
    }
    dgraft_disk_close(writer->disk, file);
    if (result < 0) {
        return syncing ? fail_sync(writer, "sync", name, result) : fail(writer, "write", name, result);
    }
    return true;
}

bool dgraft_writer_append(struct dgraft_writer *writer, struct dgraft_batch *batch, struct iovec *pieces,
                          size_t piece_count)
{
    uint8_t header[DGRAFT_BATCH_HEADER_BYTES];
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    batch->length = DGRAFT_BATCH_HEADER_BYTES;
    batch->records_checksum = 0;
    for (size_t i = 1; i < piece_count; i++) {
        batch->length += pieces[i].iov_len;
        batch->records_checksum = dgraft_crc32c(batch->records_checksum, pieces[i].iov_base, pieces[i].iov_len);
    }
    const bool fits = writer->offset <= writer->file_bytes && batch->length <= writer->file_bytes - writer->offset;
    if ((writer->fresh || !fits) && !roll(writer, batch)) {
        return false;
    }
    batch->number = writer->next_number;
    batch->previous = writer->chain;
    batch->offset = writer->offset;
    const struct dgraft_place place = {writer->identity.store, writer->sequence, writer->offset};
    dgraft_batch_encode(batch, &place, header);
    pieces[0] = (struct iovec){header, sizeof header};
    int result = dgraft_disk_write(writer->disk, writer->file, pieces, piece_count, batch->offset);
    const bool syncing = result >= 0;
    if (syncing) {
        result = dgraft_disk_sync(writer->disk, writer->file);
    }
    if (result < 0) {
        dgraft_segment_name(writer->sequence, name);
        return syncing ? fail_sync(writer, "sync", name, result) : fail(writer, "write", name, result);
    }
    writer->number = batch->number;
    writer->next_number = batch->number + 1;
    writer->chain = batch->checksum;
    writer->offset += batch->length;
    return true;
}

void dgraft_writer_close(struct dgraft_writer *writer)
{
    dgraft_disk_close(writer->disk, writer->state_file);
    dgraft_disk_close(writer->disk, writer->file);
    dgraft_disk_close(writer->disk, writer->spare_file);
    dgraft_pool_close(&writer->pool);
    writer->state_file = -1;
    writer->file = -1;
    writer->spare_file = -1;
}
