/* Snapshot files: a block that says what it is, then the bytes. One is written under a name of its own, and takes its
 * final name only when all of it is durable and was read back: no crash leaves half of one under that name.
 */
#include "recovery.h"
#include "storage_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { STEP_BYTES = 1024 * 1024 };

uint64_t dgraft_snapshot_digest(const void *bytes, size_t size)
{
    return XXH3_64bits(bytes, size);
}

struct dgraft_snapshot dgraft_storage_snapshot(const struct dgraft_storage *storage)
{
    return storage->snapshot;
}

static enum dgraft_status failed(struct dgraft_storage *storage, const char *verb, const char *name, int64_t error,
                                 struct dgraft_why *why)
{
    return dgraft_why_errno(why, &storage->disk, verb, name, error);
}

void dgraft_draft_end(struct dgraft_storage *storage, enum dgraft_snapshot_draft which, bool gone)
{
    struct dgraft_draft *draft = &storage->drafts[which];
    const bool there = draft->file >= 0 || draft->header.snapshot.position.index != 0;
    dgraft_disk_close(&storage->disk, draft->file);
    (void)XXH3_freeState(draft->hash);
    (void)XXH3_freeState(draft->written);
    if (gone && there) {
        (void)dgraft_disk_unlink(&storage->disk, draft->name);
    }
    *draft = (struct dgraft_draft){.name = draft->name, .file = -1};
}

/* The block in front: of zeros as long as nobody knows what will stand in it. */
static int write_block(struct dgraft_storage *storage, const struct dgraft_draft *draft)
{
    uint8_t block[DGRAFT_BLOCK_BYTES] = {0};
    struct iovec piece = {block, sizeof block};
    if (draft->written == NULL) {
        dgraft_snapshot_encode(&draft->header, block);
    }
    const int result = dgraft_disk_write(&storage->disk, draft->file, &piece, 1, 0);
    return result < 0 ? result : dgraft_disk_sync(&storage->disk, draft->file);
}

enum dgraft_status dgraft_storage_snapshot_begin(struct dgraft_storage *storage, enum dgraft_snapshot_draft which,
                                                 const struct dgraft_snapshot *snapshot, uint32_t chunk_bytes,
                                                 struct dgraft_why *why)
{
    struct dgraft_draft *draft = &storage->drafts[which];
    dgraft_draft_end(storage, which, true);
    draft->file = dgraft_disk_open(&storage->disk, draft->name, DGRAFT_FS_CREATE);
    if (draft->file == -EEXIST) { /* left by an attempt that failed */
        (void)dgraft_disk_unlink(&storage->disk, draft->name);
        draft->file = dgraft_disk_open(&storage->disk, draft->name, DGRAFT_FS_CREATE);
    }
    if (draft->file < 0) {
        return failed(storage, "make", draft->name, draft->file, why);
    }
    draft->header = (struct dgraft_snapshot_header){
        .identity = storage->identity, .snapshot = *snapshot, .chunk_bytes = chunk_bytes};
    if (snapshot->size == 0) {
        draft->written = XXH3_createState();
        if (draft->written == NULL) {
            dgraft_draft_end(storage, which, true);
            return failed(storage, "make", draft->name, -ENOMEM, why);
        }
        (void)XXH3_64bits_reset(draft->written);
    }
    int result = write_block(storage, draft);
    if (result >= 0) {
        result = dgraft_disk_sync_directory(&storage->disk);
    }
    if (result < 0) {
        dgraft_draft_end(storage, which, true);
        return failed(storage, "write", draft->name, result, why);
    }
    return DGRAFT_OK;
}

enum dgraft_status dgraft_storage_snapshot_write(struct dgraft_storage *storage, enum dgraft_snapshot_draft which,
                                                 uint64_t offset, const void *bytes, size_t size,
                                                 struct dgraft_why *why)
{
    struct dgraft_draft *draft = &storage->drafts[which];
    const uint8_t *next = bytes;
    if (draft->file < 0 || offset != draft->offset ||
        (draft->written == NULL && size > draft->header.snapshot.size - offset)) {
        return dgraft_why_set(why, DGRAFT_STATUS_MISUSE, "%s: bytes at offset %" PRIu64 " are not the next",
                              draft->name, offset);
    }
    while (size > 0) {
        /* A start takes only so many bytes for doubtful, whoever sends more at once than the one who began. */
        const size_t part = size < draft->header.chunk_bytes ? size : draft->header.chunk_bytes;
        struct iovec piece = {(void *)(uintptr_t)next, part};
        int result = dgraft_disk_write(&storage->disk, draft->file, &piece, 1, DGRAFT_BLOCK_BYTES + draft->offset);
        if (result >= 0) {
            result = dgraft_disk_sync(&storage->disk, draft->file);
        }
        if (result < 0) {
            dgraft_draft_end(storage, which, true);
            return failed(storage, "write", draft->name, result, why);
        }
        if (draft->written != NULL) {
            (void)XXH3_64bits_update(draft->written, next, part);
        }
        draft->offset += part;
        next += part;
        size -= part;
    }
    return DGRAFT_OK;
}

enum dgraft_status dgraft_storage_snapshot_seal(struct dgraft_storage *storage, enum dgraft_snapshot_draft which,
                                                struct dgraft_snapshot *snapshot, struct dgraft_why *why)
{
    struct dgraft_draft *draft = &storage->drafts[which];
    if (draft->file < 0 || draft->written == NULL || draft->offset == 0) {
        return dgraft_why_set(why, DGRAFT_STATUS_MISUSE, "%s is not waiting for its end", draft->name);
    }
    draft->header.snapshot.size = draft->offset;
    draft->header.snapshot.digest = XXH3_64bits_digest(draft->written);
    (void)XXH3_freeState(draft->written);
    draft->written = NULL;
    const int result = write_block(storage, draft);
    if (result < 0) {
        dgraft_draft_end(storage, which, true);
        return failed(storage, "write", draft->name, result, why);
    }
    *snapshot = draft->header.snapshot;
    return DGRAFT_OK;
}

enum dgraft_status dgraft_storage_snapshot_reread(struct dgraft_storage *storage, enum dgraft_snapshot_draft which,
                                                  uint64_t offset, void *bytes, size_t size, struct dgraft_why *why)
{
    const struct dgraft_draft *draft = &storage->drafts[which];
    if (draft->file < 0 || offset > draft->offset || size > draft->offset - offset) {
        return dgraft_why_set(why, DGRAFT_STATUS_MISUSE, "%s is not so long", draft->name);
    }
    const int64_t got = dgraft_disk_read(&storage->disk, draft->file, bytes, size, DGRAFT_BLOCK_BYTES + offset);
    if (got < 0 || (uint64_t)got != size) {
        return failed(storage, "read", draft->name, got < 0 ? got : -EIO, why);
    }
    return DGRAFT_OK;
}

/* Reads the next part of a file's snapshot into a hash. Returns how much, or a negative errno. */
static int64_t hash_step(struct dgraft_disk *disk, int file, uint64_t offset, uint64_t size, void **hash)
{
    const size_t wanted = size - offset < STEP_BYTES ? (size_t)(size - offset) : STEP_BYTES;
    uint8_t *bytes = malloc(wanted);
    if (*hash == NULL) {
        *hash = XXH3_createState();
        if (*hash != NULL) {
            (void)XXH3_64bits_reset(*hash);
        }
    }
    if (bytes == NULL || *hash == NULL) {
        free(bytes);
        return -ENOMEM;
    }
    const int64_t got = dgraft_disk_read(disk, file, bytes, wanted, DGRAFT_BLOCK_BYTES + offset);
    if (got > 0) {
        (void)XXH3_64bits_update(*hash, bytes, (size_t)got);
    }
    free(bytes);
    return got >= 0 && (uint64_t)got != wanted ? -ENODATA : got;
}

enum dgraft_status dgraft_storage_snapshot_check(struct dgraft_storage *storage, enum dgraft_snapshot_draft which,
                                                 bool *done, struct dgraft_why *why)
{
    struct dgraft_draft *draft = &storage->drafts[which];
    const struct dgraft_snapshot *snapshot = &draft->header.snapshot;
    *done = false;
    if (draft->file < 0 || draft->written != NULL || draft->offset != snapshot->size) {
        return dgraft_why_set(why, DGRAFT_STATUS_MISUSE, "%s is not whole", draft->name);
    }
    const int64_t got = hash_step(&storage->disk, draft->file, draft->checked, snapshot->size, &draft->hash);
    if (got < 0) {
        const enum dgraft_status status = failed(storage, "read", draft->name, got, why);
        dgraft_draft_end(storage, which, true);
        return status;
    }
    draft->checked += (uint64_t)got;
    if (draft->checked < snapshot->size) {
        return DGRAFT_OK;
    }
    if (XXH3_64bits_digest(draft->hash) != snapshot->digest) {
        dgraft_draft_end(storage, which, true);
        return dgraft_why_set(why, DGRAFT_STATUS_DAMAGED, "%s: its bytes are not those that its digest is over",
                              draft->name);
    }
    *done = true;
    return DGRAFT_OK;
}

enum dgraft_status dgraft_storage_snapshot_publish(struct dgraft_storage *storage, enum dgraft_snapshot_draft which,
                                                   struct dgraft_why *why)
{
    struct dgraft_draft *draft = &storage->drafts[which];
    char name[DGRAFT_SNAPSHOT_NAME_BYTES];
    dgraft_snapshot_name(draft->header.snapshot.position, name);
    int result = dgraft_disk_rename(&storage->disk, draft->name, name);
    if (result >= 0) {
        result = dgraft_disk_sync_directory(&storage->disk);
    }
    if (result < 0) {
        dgraft_draft_end(storage, which, true);
        return failed(storage, "name", name, result, why);
    }
    draft->published = true;
    return DGRAFT_OK;
}

void dgraft_storage_snapshot_adopt(struct dgraft_storage *storage, enum dgraft_snapshot_draft which)
{
    struct dgraft_draft *draft = &storage->drafts[which];
    const struct dgraft_snapshot snapshot = draft->header.snapshot;
    if (!draft->published) {
        return;
    }
    if (snapshot.position.index > storage->snapshot.position.index) {
        storage->dropping.snapshot = storage->snapshot.position;
        dgraft_disk_close(&storage->disk, storage->snapshot_file);
        storage->snapshot = snapshot;
        storage->snapshot_file = draft->file;
        draft->file = -1;
    } else if (!dgraft_position_equal(snapshot.position, storage->snapshot.position)) {
        storage->dropping.snapshot = snapshot.position;
    }
    dgraft_draft_end(storage, which, false);
}

enum dgraft_status dgraft_storage_snapshot_read(struct dgraft_storage *storage, uint64_t offset, void *bytes,
                                                size_t size, size_t *got, struct dgraft_why *why)
{
    char name[DGRAFT_SNAPSHOT_NAME_BYTES];
    *got = 0;
    if (storage->snapshot_file < 0) {
        return dgraft_why_set(why, DGRAFT_STATUS_GONE, "there is no snapshot");
    }
    const uint64_t left = offset < storage->snapshot.size ? storage->snapshot.size - offset : 0;
    const size_t wanted = left < size ? (size_t)left : size;
    const int64_t result =
        dgraft_disk_read(&storage->disk, storage->snapshot_file, bytes, wanted, DGRAFT_BLOCK_BYTES + offset);
    if (result < 0 || (size_t)result != wanted) {
        dgraft_snapshot_name(storage->snapshot.position, name);
        return failed(storage, "read", name, result < 0 ? result : -EIO, why);
    }
    *got = wanted;
    return DGRAFT_OK;
}

/* Reads the block at a file's beginning. Returns its size or a negative errno. */
static int64_t read_block(struct dgraft_disk *disk, int file, struct dgraft_snapshot_header *out)
{
    uint8_t block[DGRAFT_BLOCK_BYTES];
    const int64_t got = dgraft_disk_read(disk, file, block, sizeof block, 0);
    const int64_t size = got < 0 ? got : dgraft_disk_size(disk, file);
    if (size >= 0) {
        dgraft_snapshot_decode(block, (size_t)got, out);
        out->file_bytes = (uint64_t)size;
    }
    return size;
}

/* The newest name below an index. */
struct search {
    dgraft_index below;
    struct dgraft_position newest;
};

static int newest_name(void *context, const char *name)
{
    struct search *search = context;
    const struct dgraft_position position = dgraft_snapshot_named(name);
    if (position.index > search->newest.index && position.index < search->below) {
        search->newest = position;
    }
    return 0;
}

/* Reads all of a snapshot. Returns 0, or a negative errno; -EBADMSG when it is not what it should be. */
static int64_t verify(struct dgraft_disk *disk, int file, const struct dgraft_snapshot_header *header)
{
    void *hash = NULL;
    uint64_t at = 0;
    int64_t got = header->file_bytes == DGRAFT_BLOCK_BYTES + header->snapshot.size ? 0 : -EBADMSG;
    while (got >= 0 && at < header->snapshot.size) {
        got = hash_step(disk, file, at, header->snapshot.size, &hash);
        at += got > 0 ? (uint64_t)got : 0;
    }
    if (got >= 0 && XXH3_64bits_digest(hash) != header->snapshot.digest) {
        got = -EBADMSG;
    }
    (void)XXH3_freeState(hash);
    return got < 0 ? got : 0;
}

/* Reads all of the snapshot of this name and position. Returns as dgraft_recover_snapshot. */
static enum dgraft_status check_snapshot(struct dgraft_disk *disk, const struct dgraft_identity *identity,
                                         struct dgraft_position position, struct dgraft_snapshot_header *out,
                                         struct dgraft_why *why)
{
    char name[DGRAFT_SNAPSHOT_NAME_BYTES];
    dgraft_snapshot_name(position, name);
    const int file = dgraft_disk_open(disk, name, DGRAFT_FS_READ);
    int64_t result = file < 0 ? file : read_block(disk, file, out);
    if (result >= 0 && out->refusal == DGRAFT_ACCEPT) {
        result = verify(disk, file, out);
    }
    dgraft_disk_close(disk, file);
    if (result == -EBADMSG || result == -ENODATA ||
        (result >= 0 && (out->refusal != DGRAFT_ACCEPT || !dgraft_position_equal(out->snapshot.position, position)))) {
        const enum dgraft_refusal refusal = out->refusal == DGRAFT_ACCEPT ? DGRAFT_REFUSAL_CHECKSUM : out->refusal;
        return dgraft_why_set(why, refusal == DGRAFT_REFUSAL_VERSION ? DGRAFT_STATUS_TOO_NEW : DGRAFT_STATUS_DAMAGED,
                              "%.250s/%s: the snapshot is damaged: %s", disk->directory, name,
                              dgraft_refusal_text(refusal));
    }
    if (result < 0) {
        return dgraft_why_errno(why, disk, "read", name, result);
    }
    return dgraft_identity_equal(&out->identity, identity)
               ? DGRAFT_OK
               : dgraft_why_set(why, DGRAFT_STATUS_FOREIGN, "%.250s/%s belongs to another cluster, node or store",
                                disk->directory, name);
}

enum dgraft_status dgraft_recover_snapshot(struct dgraft_disk *disk, const struct dgraft_identity *identity,
                                           struct dgraft_snapshot_header *out, struct dgraft_position *damaged,
                                           struct dgraft_why *why)
{
    struct search search = {.below = UINT64_MAX};
    for (;;) {
        memset(out, 0, sizeof *out);
        out->refusal = DGRAFT_REFUSAL_EMPTY;
        search.newest = (struct dgraft_position){0, 0};
        const int listed = dgraft_disk_list(disk, newest_name, &search);
        if (listed < 0) {
            return dgraft_why_errno(why, disk, "list", "", listed);
        }
        if (search.newest.index == 0) {
            return DGRAFT_OK;
        }
        const enum dgraft_status status = check_snapshot(disk, identity, search.newest, out, why);
        if (status != DGRAFT_STATUS_DAMAGED || damaged == NULL) {
            return status;
        }
        if (damaged->index == 0) {
            *damaged = search.newest; /* an older one, or the log alone, has to do */
        }
        search.below = search.newest.index;
    }
}

/* What a crash left of a snapshot that was being received is worth going on with, but for the write under way: each was
 * synced before the next began, and none was larger than the header says: only the last so many bytes are in doubt.
 * They stay in the file, and are written over. */
static void take_part(struct dgraft_storage *storage)
{
    struct dgraft_draft *draft = &storage->drafts[DGRAFT_SNAPSHOT_RECEIVED];
    struct dgraft_snapshot_header header = {.refusal = DGRAFT_REFUSAL_EMPTY};
    const int file = dgraft_disk_open(&storage->disk, draft->name, DGRAFT_FS_WRITE);
    if (file < 0) {
        return;
    }
    const int64_t size = read_block(&storage->disk, file, &header);
    const uint64_t there = size > (int64_t)DGRAFT_BLOCK_BYTES ? (uint64_t)size - DGRAFT_BLOCK_BYTES : 0;
    const bool useful = size >= 0 && header.refusal == DGRAFT_ACCEPT && there > header.chunk_bytes &&
                        there <= header.snapshot.size && dgraft_identity_equal(&header.identity, &storage->identity) &&
                        header.snapshot.position.index > storage->snapshot.position.index;
    draft->file = file;
    draft->header = header;
    draft->offset = useful ? there - header.chunk_bytes : 0;
    if (!useful) {
        draft->header.snapshot.position.index = 1; /* so that its file goes */
        dgraft_draft_end(storage, DGRAFT_SNAPSHOT_RECEIVED, true);
    }
}

/* Names of snapshots older than the newest. */
struct older {
    struct dgraft_position newest;
    struct dgraft_position found;
};

static int older_name(void *context, const char *name)
{
    struct older *older = context;
    const struct dgraft_position position = dgraft_snapshot_named(name);
    if (position.index != 0 && position.index < older->newest.index) { /* a newer one has rotted */
        older->found = position;
    }
    return 0;
}

static void remove_older(struct dgraft_storage *storage)
{
    struct older older = {.newest = storage->snapshot.position};
    char name[DGRAFT_SNAPSHOT_NAME_BYTES];
    for (int i = 0; i < 16; i++) {
        older.found = (struct dgraft_position){0, 0};
        if (dgraft_disk_list(&storage->disk, older_name, &older) < 0 || older.found.index == 0) {
            return;
        }
        dgraft_snapshot_name(older.found, name);
        if (dgraft_disk_unlink(&storage->disk, name) < 0) {
            return;
        }
    }
}

enum dgraft_status dgraft_snapshots_open(struct dgraft_storage *storage, const struct dgraft_snapshot_header *newest,
                                         struct dgraft_why *why)
{
    char name[DGRAFT_SNAPSHOT_NAME_BYTES];
    if (newest->refusal == DGRAFT_ACCEPT) {
        dgraft_snapshot_name(newest->snapshot.position, name);
        storage->snapshot_file = dgraft_disk_open(&storage->disk, name, DGRAFT_FS_READ);
        if (storage->snapshot_file < 0) {
            return failed(storage, "open", name, storage->snapshot_file, why);
        }
        storage->snapshot = newest->snapshot;
        /* It may be in the page cache only, if a sync failed before: what hangs on it from now on must not. */
        const int file = dgraft_disk_open(&storage->disk, name, DGRAFT_FS_WRITE);
        int result = file < 0 ? file : dgraft_disk_sync(&storage->disk, file);
        dgraft_disk_close(&storage->disk, file);
        result = result < 0 ? result : dgraft_disk_sync_directory(&storage->disk);
        if (result < 0) {
            return failed(storage, "sync", name, result, why);
        }
    }
    take_part(storage);
    const int own = dgraft_disk_open(&storage->disk, "snapshot.new", DGRAFT_FS_READ);
    if (own >= 0) {
        dgraft_disk_close(&storage->disk, own);
        (void)dgraft_disk_unlink(&storage->disk, "snapshot.new");
    }
    remove_older(storage);
    return DGRAFT_OK;
}

void dgraft_snapshots_close(struct dgraft_storage *storage)
{
    dgraft_draft_end(storage, DGRAFT_SNAPSHOT_OWN, false);
    dgraft_draft_end(storage, DGRAFT_SNAPSHOT_RECEIVED, false);
    dgraft_disk_close(&storage->disk, storage->snapshot_file);
    storage->snapshot_file = -1;
}
