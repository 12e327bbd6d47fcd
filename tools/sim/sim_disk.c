#include "sim_disk_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* storage is handed the address of `fs`, the first member. */
static struct sim_disk *disk_of(struct dgraft_fs *fs)
{
    return (struct sim_disk *)(void *)fs;
}

bool sim_inode_reserve(struct sim_inode *inode, uint64_t size)
{
    if (size <= inode->capacity) {
        return true;
    }
    uint64_t capacity = inode->capacity == 0 ? 8192 : inode->capacity;
    while (capacity < size) {
        capacity *= 2;
    }
    uint8_t *now = calloc(1, capacity);
    uint8_t *disk = calloc(1, capacity);
    uint8_t *dirty = calloc(1, capacity / SIM_SECTOR_BYTES);
    if (now == NULL || disk == NULL || dirty == NULL) {
        free(now);
        free(disk);
        free(dirty);
        return false;
    }
    if (inode->capacity > 0) {
        memcpy(now, inode->now, inode->capacity);
        memcpy(disk, inode->disk, inode->capacity);
        memcpy(dirty, inode->dirty, inode->capacity / SIM_SECTOR_BYTES);
    }
    free(inode->now);
    free(inode->disk);
    free(inode->dirty);
    inode->now = now;
    inode->disk = disk;
    inode->dirty = dirty;
    inode->capacity = capacity;
    return true;
}

static void inode_free(struct sim_inode *inode)
{
    free(inode->now);
    free(inode->disk);
    free(inode->dirty);
    memset(inode, 0, sizeof *inode);
}

void sim_disk_forget_unnamed(struct sim_disk *disk)
{
    bool wanted[SIM_DISK_FILES_MAX] = {false};
    bool changing[SIM_DISK_FILES_MAX] = {false};

    for (uint32_t i = 0; i < disk->change_count; i++) {
        const struct sim_name_change *change = &disk->changes[i];
        changing[change->path] = true;
        if (change->to >= 0) {
            changing[change->to] = true;
        }
        if (change->inode >= 0) {
            wanted[change->inode] = true;
        }
    }
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        struct sim_name *name = &disk->names[i];
        if (name->path[0] == '\0') {
            continue;
        }
        if (name->now >= 0) {
            wanted[name->now] = true;
        }
        if (name->disk >= 0) {
            wanted[name->disk] = true;
        }
        if (name->now < 0 && name->disk < 0 && !changing[i]) {
            name->path[0] = '\0';
        }
    }
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        struct sim_inode *inode = &disk->inodes[i];
        if (inode->used && !wanted[i] && inode->handles == 0) {
            inode_free(inode);
        }
    }
}

/* Returns the name of this path, making it when there is none; -1 when there is no room. */
static int name_of(struct sim_disk *disk, const char *path)
{
    int free_name = -1;

    if (strlen(path) >= SIM_DISK_PATH_BYTES) {
        return -1;
    }
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        if (disk->names[i].path[0] == '\0') {
            free_name = free_name < 0 ? i : free_name;
        } else if (strcmp(disk->names[i].path, path) == 0) {
            return i;
        }
    }
    if (free_name >= 0) {
        struct sim_name *name = &disk->names[free_name];
        memcpy(name->path, path, strlen(path) + 1);
        name->now = -1;
        name->disk = -1;
    }
    return free_name;
}

/* Returns the length of the directory part of a path, without the slash. */
static size_t parent_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path);
}

static bool in_directory(const char *path, const char *directory)
{
    const size_t length = strlen(directory);
    if (strcmp(directory, ".") == 0 || strcmp(directory, "/") == 0) {
        return parent_length(path) == 0;
    }
    return parent_length(path) == length && strncmp(path, directory, length) == 0 && path[length] == '/';
}

static bool parent_exists(const struct sim_disk *disk, const char *path)
{
    const size_t length = parent_length(path);
    if (length == 0) {
        return true;
    }
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        const struct sim_name *name = &disk->names[i];
        if (strlen(name->path) == length && strncmp(name->path, path, length) == 0 && name->now >= 0) {
            return disk->inodes[name->now].directory;
        }
    }
    return false;
}

static int new_inode(struct sim_disk *disk, bool directory)
{
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        if (!disk->inodes[i].used) {
            disk->inodes[i] = (struct sim_inode){.used = true, .directory = directory};
            return i;
        }
    }
    return -1;
}

/* Counts an operation that changes something. Returns false when power is gone; *last says that it fails just now, in
 * the middle of this one. */
static bool powered(struct sim_disk *disk, bool *last)
{
    *last = false;
    if (disk->crashed) {
        return false;
    }
    disk->operations++;
    if (disk->crash_in > 0 && --disk->crash_in == 0) {
        disk->crashed = true;
        *last = true;
    }
    return true;
}

static void change_name(struct sim_disk *disk, int path, int to, int inode)
{
    if (to >= 0) {
        disk->names[path].now = -1;
        disk->names[to].now = inode;
    } else {
        disk->names[path].now = inode;
    }
    if (disk->change_count == SIM_DISK_NAMES_MAX) {
        /* The oldest one becomes sure: a disk writes its journal in the end. */
        const struct sim_name_change *oldest = &disk->changes[0];
        disk->names[oldest->to >= 0 ? oldest->to : oldest->path].disk = oldest->inode;
        memmove(&disk->changes[0], &disk->changes[1], (SIM_DISK_NAMES_MAX - 1) * sizeof disk->changes[0]);
        disk->change_count--;
    }
    disk->changes[disk->change_count++] = (struct sim_name_change){.path = path, .to = to, .inode = inode};
}

static int fs_open(struct dgraft_fs *fs, const char *path, enum dgraft_fs_open mode)
{
    struct sim_disk *disk = disk_of(fs);
    int handle = 0;

    if (disk->crashed) {
        return -EIO;
    }
    while (handle < SIM_DISK_OPEN_MAX && disk->handles[handle].used) {
        handle++;
    }
    const int name = name_of(disk, path);
    if (handle == SIM_DISK_OPEN_MAX || name < 0) {
        return -EMFILE;
    }
    if (mode == DGRAFT_FS_CREATE) {
        bool last = false;
        if (disk->names[name].now >= 0) {
            return -EEXIST;
        }
        if (!parent_exists(disk, path)) {
            return -ENOENT;
        }
        if (disk->room == 0) {
            disk->full_seen++;
            disk->counts->of[SIM_COUNT_DISK_FULL]++;
            return -ENOSPC;
        }
        const int inode = new_inode(disk, false);
        if (inode < 0 || !powered(disk, &last)) {
            return -EIO;
        }
        change_name(disk, name, -1, inode);
        if (last) {
            return -EIO;
        }
    }
    const int inode = disk->names[name].now;
    if (inode < 0) {
        return -ENOENT;
    }
    disk->inodes[inode].handles++;
    disk->handles[handle] =
        (struct sim_handle){.used = true, .writes = mode != DGRAFT_FS_READ, .inode = inode, .name = name};
    return handle;
}

static struct sim_handle *handle_of(struct sim_disk *disk, int file)
{
    return file >= 0 && file < SIM_DISK_OPEN_MAX && disk->handles[file].used ? &disk->handles[file] : NULL;
}

static int fs_close(struct dgraft_fs *fs, int file)
{
    struct sim_disk *disk = disk_of(fs);
    struct sim_handle *handle = handle_of(disk, file);

    if (handle == NULL) {
        return -EBADF;
    }
    struct sim_inode *inode = &disk->inodes[handle->inode];
    if (handle->locks) {
        inode->locked = false;
    }
    inode->handles--;
    handle->used = false;
    if (inode->handles == 0 && !disk->crashed) {
        sim_disk_forget_unnamed(disk);
    }
    return 0;
}

/* Returns how much of `size` an operation does this time: at least one byte. */
static size_t shortened(struct sim_disk *disk, uint32_t per_million, enum sim_count which, size_t size)
{
    if (size > 1 && sim_random_chance(&disk->random, per_million)) {
        disk->counts->of[which]++;
        return (size_t)sim_random_between(&disk->random, 1, size - 1);
    }
    return size;
}

static bool interrupted(struct sim_disk *disk)
{
    if (!sim_random_chance(&disk->random, disk->rates.eintr)) {
        return false;
    }
    disk->counts->of[SIM_COUNT_DISK_EINTR]++;
    return true;
}

static ssize_t fs_pread(struct dgraft_fs *fs, int file, void *bytes, size_t size, uint64_t offset)
{
    struct sim_disk *disk = disk_of(fs);
    const struct sim_handle *handle = handle_of(disk, file);

    if (handle == NULL) {
        return -EBADF;
    }
    if (disk->crashed) {
        return -EIO;
    }
    if (interrupted(disk)) {
        return -EINTR;
    }
    const struct sim_inode *inode = &disk->inodes[handle->inode];
    if (offset >= inode->now_size || size == 0) {
        return 0;
    }
    size_t there = inode->now_size - offset < size ? (size_t)(inode->now_size - offset) : size;
    there = shortened(disk, disk->rates.short_read, SIM_COUNT_DISK_SHORT_READ, there);
    memcpy(bytes, inode->now + offset, there);
    return (ssize_t)there;
}

/* Makes a range hold another one; begin >= end is empty. */
static void widen(uint64_t *begin, uint64_t *end, uint64_t other_begin, uint64_t other_end)
{
    const bool empty = *begin >= *end;
    *begin = empty || other_begin < *begin ? other_begin : *begin;
    *end = empty || other_end > *end ? other_end : *end;
}

static void mark_dirty(struct sim_inode *inode, uint64_t begin, uint64_t end)
{
    if (begin >= end) {
        return;
    }
    memset(inode->dirty + begin / SIM_SECTOR_BYTES, 1, (end - 1) / SIM_SECTOR_BYTES - begin / SIM_SECTOR_BYTES + 1);
    widen(&inode->dirty_begin, &inode->dirty_end, begin, end);
    widen(&inode->unsure_begin, &inode->unsure_end, begin, end);
}

/* Returns how much of a write of `size` at `offset` the disk has room for. */
static size_t within_room(struct sim_disk *disk, const struct sim_inode *inode, uint64_t offset, size_t size)
{
    const uint64_t end = offset + size;
    if (end <= inode->now_size || disk->room == UINT64_MAX || end - inode->now_size <= disk->room) {
        return size;
    }
    disk->full_seen++;
    disk->counts->of[SIM_COUNT_DISK_FULL]++;
    const uint64_t cut = end - inode->now_size - disk->room;
    return cut >= size ? 0 : size - (size_t)cut;
}

static ssize_t fs_pwritev(struct dgraft_fs *fs, int file, const struct iovec *pieces, int piece_count, uint64_t offset)
{
    struct sim_disk *disk = disk_of(fs);
    const struct sim_handle *handle = handle_of(disk, file);
    size_t size = 0;
    bool last = false;

    if (handle == NULL || !handle->writes) {
        return -EBADF;
    }
    if (disk->crashed) {
        return -EIO;
    }
    if (interrupted(disk)) {
        return -EINTR;
    }
    for (int i = 0; i < piece_count; i++) {
        size += pieces[i].iov_len;
    }
    struct sim_inode *inode = &disk->inodes[handle->inode];
    const size_t fits = within_room(disk, inode, offset, size);
    if (fits == 0 && size > 0) {
        return -ENOSPC;
    }
    size = shortened(disk, disk->rates.short_write, SIM_COUNT_DISK_SHORT_WRITE, fits);
    if (!sim_inode_reserve(inode, offset + size)) {
        return -ENOMEM;
    }
    if (!powered(disk, &last)) {
        return -EIO;
    }
    size_t done = 0;
    for (int i = 0; i < piece_count && done < size; i++) {
        const size_t part = pieces[i].iov_len < size - done ? pieces[i].iov_len : size - done;
        if (part > 0) {
            memcpy(inode->now + offset + done, pieces[i].iov_base, part);
        }
        done += part;
    }
    mark_dirty(inode, offset, offset + size);
    if (offset + size > inode->now_size) {
        if (disk->room != UINT64_MAX) {
            disk->room -= offset + size - inode->now_size;
        }
        inode->now_size = offset + size;
    }
    return last ? -EIO : (ssize_t)size;
}

static void clean(struct sim_inode *inode)
{
    memset(inode->dirty, 0, inode->capacity / SIM_SECTOR_BYTES);
    inode->dirty_begin = 0;
    inode->dirty_end = 0;
}

/* Copies changed sectors down; when power fails in the middle only some. */
static void copy_down(struct sim_disk *disk, struct sim_inode *inode, bool all)
{
    if (inode->dirty_begin < inode->dirty_end) {
        const uint64_t end = (inode->dirty_end - 1) / SIM_SECTOR_BYTES;
        for (uint64_t sector = inode->dirty_begin / SIM_SECTOR_BYTES; sector <= end; sector++) {
            if (inode->dirty[sector] != 0 && (all || sim_random_chance(&disk->random, 500000))) {
                memcpy(inode->disk + sector * SIM_SECTOR_BYTES, inode->now + sector * SIM_SECTOR_BYTES,
                       SIM_SECTOR_BYTES);
            }
        }
    }
    if (all) {
        inode->disk_size = inode->now_size;
        clean(inode);
    }
}

/* A file may have been renamed since it was opened. */
static const char *path_of(const struct sim_disk *disk, const struct sim_handle *handle)
{
    if (disk->names[handle->name].now == handle->inode) {
        return disk->names[handle->name].path;
    }
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        if (disk->names[i].path[0] != '\0' && disk->names[i].now == handle->inode) {
            return disk->names[i].path;
        }
    }
    return "";
}

static int fs_sync(struct dgraft_fs *fs, int file)
{
    struct sim_disk *disk = disk_of(fs);
    const struct sim_handle *handle = handle_of(disk, file);
    bool last = false;

    if (handle == NULL) {
        return -EBADF;
    }
    if (!powered(disk, &last)) {
        return -EIO;
    }
    struct sim_inode *inode = &disk->inodes[handle->inode];
    if (disk->failing_syncs > 0 && !last) {
        /* As Linux does: the pages count as clean from now on, and the next sync succeeds without having written them.
         */
        disk->failing_syncs--;
        disk->counts->of[SIM_COUNT_DISK_SYNC_FAILED]++;
        clean(inode);
        inode->sync_failed = true;
        disk->sync_failures_seen++;
        return -EIO;
    }
    const uint64_t begin = inode->dirty_begin;
    const uint64_t end = inode->dirty_end;
    if (inode->capacity > 0) {
        copy_down(disk, inode, !last);
    } else {
        inode->disk_size = inode->now_size;
    }
    if (last) {
        return -EIO;
    }
    if (!inode->sync_failed) {
        inode->unsure_begin = 0;
        inode->unsure_end = 0;
    }
    if (begin < end && end > inode->synced_end) {
        inode->synced_end = end;
    }
    if (disk->synced != NULL && begin < end) {
        disk->synced(disk->context, path_of(disk, handle), inode->now, inode->now_size, begin, end);
    }
    return 0;
}

static int fs_truncate(struct dgraft_fs *fs, int file, uint64_t size)
{
    struct sim_disk *disk = disk_of(fs);
    const struct sim_handle *handle = handle_of(disk, file);
    bool last = false;

    if (handle == NULL || !handle->writes) {
        return -EBADF;
    }
    struct sim_inode *inode = &disk->inodes[handle->inode];
    if (!sim_inode_reserve(inode, size)) {
        return -ENOMEM;
    }
    if (!powered(disk, &last)) {
        return -EIO;
    }
    if (size < inode->now_size) {
        memset(inode->now + size, 0, inode->now_size - size);
        mark_dirty(inode, size, inode->now_size);
    }
    inode->now_size = size;
    return last ? -EIO : 0;
}

static int64_t fs_size(struct dgraft_fs *fs, int file)
{
    struct sim_disk *disk = disk_of(fs);
    const struct sim_handle *handle = handle_of(disk, file);

    if (handle == NULL) {
        return -EBADF;
    }
    return disk->crashed ? -EIO : (int64_t)disk->inodes[handle->inode].now_size;
}

static int fs_lock(struct dgraft_fs *fs, int file)
{
    struct sim_disk *disk = disk_of(fs);
    struct sim_handle *handle = handle_of(disk, file);

    if (handle == NULL || disk->crashed) {
        return handle == NULL ? -EBADF : -EIO;
    }
    struct sim_inode *inode = &disk->inodes[handle->inode];
    if (inode->locked && !handle->locks) {
        return -EWOULDBLOCK;
    }
    inode->locked = true;
    handle->locks = true;
    return 0;
}

static int fs_rename(struct dgraft_fs *fs, const char *from, const char *to)
{
    struct sim_disk *disk = disk_of(fs);
    bool last = false;

    const int source = name_of(disk, from);
    const int target = name_of(disk, to);
    if (source < 0 || target < 0 || disk->names[source].now < 0) {
        return disk->crashed ? -EIO : -ENOENT;
    }
    if (!powered(disk, &last)) {
        return -EIO;
    }
    change_name(disk, source, target, disk->names[source].now);
    return last ? -EIO : 0;
}

static int fs_unlink(struct dgraft_fs *fs, const char *path)
{
    struct sim_disk *disk = disk_of(fs);
    bool last = false;

    const int name = name_of(disk, path);
    if (name < 0 || disk->names[name].now < 0) {
        return disk->crashed ? -EIO : -ENOENT;
    }
    if (!powered(disk, &last)) {
        return -EIO;
    }
    change_name(disk, name, -1, -1);
    sim_disk_forget_unnamed(disk);
    return last ? -EIO : 0;
}

static int fs_make_directory(struct dgraft_fs *fs, const char *path)
{
    struct sim_disk *disk = disk_of(fs);
    bool last = false;

    const int name = name_of(disk, path);
    if (name < 0) {
        return -ENOSPC;
    }
    if (disk->names[name].now >= 0) {
        return -EEXIST;
    }
    if (!parent_exists(disk, path)) {
        return -ENOENT;
    }
    const int inode = new_inode(disk, true);
    if (inode < 0 || !powered(disk, &last)) {
        return -EIO;
    }
    change_name(disk, name, -1, inode);
    return last ? -EIO : 0;
}

static int fs_sync_directory(struct dgraft_fs *fs, const char *path)
{
    struct sim_disk *disk = disk_of(fs);
    uint32_t kept = 0;
    bool last = false;

    if (!powered(disk, &last)) {
        return -EIO;
    }
    for (uint32_t i = 0; i < disk->change_count; i++) {
        const struct sim_name_change change = disk->changes[i];
        if (!in_directory(disk->names[change.path].path, path) || last) {
            disk->changes[kept++] = change;
            continue;
        }
        if (change.to >= 0) {
            disk->names[change.path].disk = -1;
            disk->names[change.to].disk = change.inode;
        } else {
            disk->names[change.path].disk = change.inode;
        }
        if (disk->named != NULL && change.inode >= 0) {
            const struct sim_inode *inode = &disk->inodes[change.inode];
            disk->named(disk->context, disk->names[change.to >= 0 ? change.to : change.path].path, inode->disk,
                        inode->disk_size);
        }
    }
    disk->change_count = kept;
    sim_disk_forget_unnamed(disk);
    return last ? -EIO : 0;
}

static int fs_list(struct dgraft_fs *fs, const char *path, int (*found)(void *context, const char *name), void *context)
{
    struct sim_disk *disk = disk_of(fs);
    bool exists = false;

    if (disk->crashed) {
        return -EIO;
    }
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        exists = exists || (strcmp(disk->names[i].path, path) == 0 && disk->names[i].now >= 0);
    }
    if (!exists) {
        return -ENOENT;
    }
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        const struct sim_name *name = &disk->names[i];
        if (name->path[0] != '\0' && name->now >= 0 && in_directory(name->path, path)) {
            const int stop = found(context, name->path + strlen(path) + 1);
            if (stop != 0) {
                return stop;
            }
        }
    }
    return 0;
}

static const struct dgraft_fs_ops operations = {
    .open = fs_open,
    .close = fs_close,
    .pread = fs_pread,
    .pwritev = fs_pwritev,
    .sync = fs_sync,
    .truncate = fs_truncate,
    .size = fs_size,
    .lock = fs_lock,
    .rename = fs_rename,
    .unlink = fs_unlink,
    .make_directory = fs_make_directory,
    .sync_directory = fs_sync_directory,
    .list = fs_list,
};

struct sim_disk *sim_disk_open(uint64_t seed, struct sim_counts *counts)
{
    struct sim_disk *disk = calloc(1, sizeof *disk);
    if (disk != NULL) {
        disk->fs.ops = &operations;
        disk->random.state = seed;
        disk->rates.block_bytes = SIM_SECTOR_BYTES;
        disk->counts = counts;
        disk->room = UINT64_MAX;
    }
    return disk;
}

void sim_disk_close(struct sim_disk *disk)
{
    if (disk == NULL) {
        return;
    }
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        inode_free(&disk->inodes[i]);
    }
    free(disk);
}
