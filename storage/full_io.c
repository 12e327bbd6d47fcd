#include "full_io.h"

#include <errno.h>
#include <stdio.h>

enum { INTERRUPTIONS_MAX = 1000, PIECES_MAX = 1024, ZERO_BLOCK_BYTES = 65536, ZERO_BLOCKS = 16 };

static const uint8_t zero_block[ZERO_BLOCK_BYTES];

void dgraft_disk_init(struct dgraft_disk *disk, struct dgraft_fs *fs, const char *directory)
{
    disk->fs = fs;
    disk->directory = directory;
    atomic_init(&disk->system_calls, 0);
    atomic_init(&disk->syncs, 0);
    atomic_init(&disk->bytes_written, 0);
}

void dgraft_disk_path(const struct dgraft_disk *disk, const char *name, char path[DGRAFT_DISK_PATH_BYTES])
{
    if (name[0] == '\0') {
        (void)snprintf(path, DGRAFT_DISK_PATH_BYTES, "%.960s", disk->directory);
    } else {
        (void)snprintf(path, DGRAFT_DISK_PATH_BYTES, "%.960s/%.60s", disk->directory, name);
    }
}

/* Counts a call, and says whether it was interrupted and may be made again. */
static bool interrupted(struct dgraft_disk *disk, int *interruptions, int64_t result)
{
    atomic_fetch_add_explicit(&disk->system_calls, 1, memory_order_relaxed);
    return result == -EINTR && ++*interruptions < INTERRUPTIONS_MAX;
}

int dgraft_disk_open(struct dgraft_disk *disk, const char *name, enum dgraft_fs_open mode)
{
    char path[DGRAFT_DISK_PATH_BYTES];
    int interruptions = 0;
    int result;
    dgraft_disk_path(disk, name, path);
    do {
        result = disk->fs->ops->open(disk->fs, path, mode);
    } while (interrupted(disk, &interruptions, result));
    return result;
}

void dgraft_disk_close(struct dgraft_disk *disk, int file)
{
    if (file >= 0) {
        /* What matters was synced before; and after EINTR the number may already belong to another file. */
        (void)disk->fs->ops->close(disk->fs, file);
        atomic_fetch_add_explicit(&disk->system_calls, 1, memory_order_relaxed);
    }
}

int64_t dgraft_disk_size(struct dgraft_disk *disk, int file)
{
    int interruptions = 0;
    int64_t result;
    do {
        result = disk->fs->ops->size(disk->fs, file);
    } while (interrupted(disk, &interruptions, result));
    return result;
}

int dgraft_disk_sync(struct dgraft_disk *disk, int file)
{
    int interruptions = 0;
    int result;
    do {
        result = disk->fs->ops->sync(disk->fs, file);
    } while (interrupted(disk, &interruptions, result));
    atomic_fetch_add_explicit(&disk->syncs, 1, memory_order_relaxed);
    return result;
}

int dgraft_disk_sync_directory(struct dgraft_disk *disk)
{
    int interruptions = 0;
    int result;
    do {
        result = disk->fs->ops->sync_directory(disk->fs, disk->directory);
    } while (interrupted(disk, &interruptions, result));
    atomic_fetch_add_explicit(&disk->syncs, 1, memory_order_relaxed);
    return result;
}

int dgraft_disk_truncate(struct dgraft_disk *disk, int file, uint64_t size)
{
    int interruptions = 0;
    int result;
    do {
        result = disk->fs->ops->truncate(disk->fs, file, size);
    } while (interrupted(disk, &interruptions, result));
    return result;
}

int dgraft_disk_lock(struct dgraft_disk *disk, int file)
{
    int interruptions = 0;
    int result;
    do {
        result = disk->fs->ops->lock(disk->fs, file);
    } while (interrupted(disk, &interruptions, result));
    return result;
}

int dgraft_disk_locked(struct dgraft_disk *disk, int file)
{
    int interruptions = 0;
    int result = 0;
    if (disk->fs->ops->locked == NULL) {
        return 0;
    }
    do {
        result = disk->fs->ops->locked(disk->fs, file);
    } while (interrupted(disk, &interruptions, result));
    return result;
}

int dgraft_disk_unlink(struct dgraft_disk *disk, const char *name)
{
    char path[DGRAFT_DISK_PATH_BYTES];
    int interruptions = 0;
    int result;
    dgraft_disk_path(disk, name, path);
    do {
        result = disk->fs->ops->unlink(disk->fs, path);
    } while (interrupted(disk, &interruptions, result));
    return result;
}

int dgraft_disk_rename(struct dgraft_disk *disk, const char *from, const char *to)
{
    char from_path[DGRAFT_DISK_PATH_BYTES];
    char to_path[DGRAFT_DISK_PATH_BYTES];
    int interruptions = 0;
    int result;
    dgraft_disk_path(disk, from, from_path);
    dgraft_disk_path(disk, to, to_path);
    do {
        result = disk->fs->ops->rename(disk->fs, from_path, to_path);
    } while (interrupted(disk, &interruptions, result));
    return result;
}

int dgraft_disk_make_directory(struct dgraft_disk *disk)
{
    int interruptions = 0;
    int result;
    do {
        result = disk->fs->ops->make_directory(disk->fs, disk->directory);
    } while (interrupted(disk, &interruptions, result));
    return result;
}

int64_t dgraft_disk_read(struct dgraft_disk *disk, int file, void *bytes, size_t size, uint64_t offset)
{
    uint8_t *at = bytes;
    size_t done = 0;
    int interruptions = 0;
    while (done < size) {
        const int64_t result = disk->fs->ops->pread(disk->fs, file, at + done, size - done, offset + done);
        if (interrupted(disk, &interruptions, result)) {
            continue;
        }
        if (result < 0) {
            return result;
        }
        if (result == 0) {
            break;
        }
        done += (size_t)result;
        interruptions = 0;
    }
    return (int64_t)done;
}

int dgraft_disk_write(struct dgraft_disk *disk, int file, struct iovec *pieces, size_t piece_count, uint64_t offset)
{
    int interruptions = 0;
    while (piece_count > 0) {
        if (pieces->iov_len == 0) {
            pieces++;
            piece_count--;
            continue;
        }
        const int count = piece_count < PIECES_MAX ? (int)piece_count : PIECES_MAX;
        const int64_t result = disk->fs->ops->pwritev(disk->fs, file, pieces, count, offset);
        if (interrupted(disk, &interruptions, result)) {
            continue;
        }
        if (result <= 0) {
            return result < 0 ? (int)result : -EIO;
        }
        interruptions = 0;
        offset += (uint64_t)result;
        atomic_fetch_add_explicit(&disk->bytes_written, (uint64_t)result, memory_order_relaxed);
        for (size_t left = (size_t)result; left > 0;) {
            const size_t taken = left < pieces->iov_len ? left : pieces->iov_len;
            pieces->iov_base = (uint8_t *)pieces->iov_base + taken;
            pieces->iov_len -= taken;
            left -= taken;
            if (pieces->iov_len == 0) {
                pieces++;
                piece_count--;
            }
        }
    }
    return 0;
}

int dgraft_disk_zero(struct dgraft_disk *disk, int file, uint64_t begin, uint64_t end)
{
    while (begin < end) {
        struct iovec pieces[ZERO_BLOCKS];
        size_t count = 0;
        uint64_t bytes = 0;
        while (count < ZERO_BLOCKS && begin + bytes < end) {
            const uint64_t left = end - begin - bytes;
            pieces[count].iov_base = (void *)(uintptr_t)zero_block;
            pieces[count].iov_len = left < ZERO_BLOCK_BYTES ? (size_t)left : ZERO_BLOCK_BYTES;
            bytes += pieces[count].iov_len;
            count++;
        }
        const int result = dgraft_disk_write(disk, file, pieces, count, begin);
        if (result < 0) {
            return result;
        }
        begin += bytes;
    }
    return 0;
}

int dgraft_disk_list(struct dgraft_disk *disk, int (*found)(void *context, const char *name), void *context)
{
    int result;
    int tries = 0;
    do {
        result = disk->fs->ops->list(disk->fs, disk->directory, found, context);
    } while (result == -EINTR && ++tries < 1000);
    return result;
}
