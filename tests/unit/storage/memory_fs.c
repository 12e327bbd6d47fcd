#include "memory_fs_private.h"

#include <dgraft/storage.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t next_random(struct memory_fs *memory)
{
    memory->random ^= memory->random << 13;
    memory->random ^= memory->random >> 7;
    memory->random ^= memory->random << 17;
    return memory->random;
}

static struct memory_fs *of(struct dgraft_fs *fs)
{
    return (struct memory_fs *)fs;
}

void memory_must(bool holds)
{
    if (!holds) {
        (void)fprintf(stderr, "memory_fs: a bound of the test's file system is reached\n");
        abort();
    }
}

static const char *name_of(const struct memory_fs *memory, int handle)
{
    for (size_t i = 0; i < memory->now.count; i++) {
        if (memory->now.items[i].file == memory->handles[handle].file) {
            return memory->now.items[i].path;
        }
    }
    return "";
}

static void note_failure(struct memory_fs *memory, const char *call, const char *path)
{
    const struct memory_fs_call *last = &memory->failed[memory->failed_count == 0 ? 0 : memory->failed_count - 1];
    const bool again = memory->failed_count > 0 && strcmp(last->call, call) == 0 && strcmp(last->path, path) == 0;
    if (memory->failed_count < MEMORY_CALLS_MOST && !again) {
        struct memory_fs_call *failed = &memory->failed[memory->failed_count++];
        failed->call = call;
        (void)snprintf(failed->path, sizeof failed->path, "%s", path);
    }
}

/* Counts a call and says how it fails: 0, or a negative errno. */
static int enter(struct memory_fs *memory, const char *call, const char *path)
{
    memory->calls++;
    if ((memory->fail_call != 0 &&
         (memory->calls == memory->fail_call || (memory->fail_for_ever && memory->calls > memory->fail_call))) ||
        (memory->cut_call != 0 && memory->calls == memory->cut_call)) {
        note_failure(memory, call, path);
    }
    if (memory->power_off_call != 0 && memory->calls > memory->power_off_call) {
        return -EIO;
    }
    if (memory->fail_call != 0 &&
        (memory->calls == memory->fail_call || (memory->fail_for_ever && memory->calls > memory->fail_call))) {
        return -memory->fail_error;
    }
    if (memory->random != 0 && strcmp(call, "close") != 0 && next_random(memory) % 4 == 0) {
        return -EINTR;
    }
    return 0;
}

static struct name *find(struct names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].path, path) == 0) {
            return &names->items[i];
        }
    }
    return NULL;
}

void memory_names_apply(struct names *names, const struct change *change)
{
    struct name *from = find(names, change->from);
    if (from != NULL) {
        *from = names->items[--names->count];
    }
    if (change->to[0] == '\0') {
        return;
    }
    struct name *to = find(names, change->to);
    if (to == NULL) {
        memory_must(names->count < NAMES_MAX);
        to = &names->items[names->count++];
        (void)snprintf(to->path, sizeof to->path, "%s", change->to);
    }
    to->file = change->file;
}

static void change_names(struct memory_fs *memory, const char *from, const char *to, int file)
{
    memory_must(memory->change_count < CHANGES_MAX);
    struct change *change = &memory->changes[memory->change_count++];
    (void)snprintf(change->from, sizeof change->from, "%s", from);
    (void)snprintf(change->to, sizeof change->to, "%s", to);
    change->file = file;
    memory_names_apply(&memory->now, change);
}

static bool lies_in(const char *path, const char *directory)
{
    const size_t size = strlen(directory);
    return strncmp(path, directory, size) == 0 && path[size] == '/' && strchr(path + size + 1, '/') == NULL;
}

void memory_file_grow(struct file *file, uint64_t size)
{
    if (size <= file->capacity) {
        return;
    }
    uint64_t capacity = file->capacity == 0 ? 8192 : file->capacity;
    while (capacity < size) {
        capacity *= 2;
    }
    const size_t old = (size_t)file->capacity;
    file->now = realloc(file->now, (size_t)capacity);
    file->disk = realloc(file->disk, (size_t)capacity);
    file->dirty = realloc(file->dirty, (size_t)capacity / MEMORY_SECTOR_BYTES);
    memory_must(file->now != NULL && file->disk != NULL && file->dirty != NULL);
    memset(file->now + old, 0, (size_t)capacity - old);
    memset(file->disk + old, 0, (size_t)capacity - old);
    memset(file->dirty + old / MEMORY_SECTOR_BYTES, 0, ((size_t)capacity - old) / MEMORY_SECTOR_BYTES);
    file->capacity = capacity;
}

/* How much of a read or write the call that is under way does. */
static size_t cut(const struct memory_fs *memory, size_t size)
{
    return memory->calls == memory->cut_call && memory->cut_bytes < size ? (size_t)memory->cut_bytes : size;
}

/* Remembers what a sector holds that is not synced and is to be changed. */
static void keep_version(struct memory_fs *memory, const struct file *file, size_t sector)
{
    const uint8_t *now = file->now + sector * MEMORY_SECTOR_BYTES;
    if (file->dirty[sector] == 0 || memcmp(now, file->disk + sector * MEMORY_SECTOR_BYTES, MEMORY_SECTOR_BYTES) == 0) {
        return;
    }
    if (memory->version_count == memory->version_capacity) {
        memory->version_capacity = memory->version_capacity == 0 ? 16 : 2 * memory->version_capacity;
        memory->versions = realloc(memory->versions, memory->version_capacity * sizeof *memory->versions);
        memory_must(memory->versions != NULL);
    }
    struct version *version = &memory->versions[memory->version_count++];
    version->file = (int)(file - memory->files);
    version->sector = sector;
    memcpy(version->bytes, now, MEMORY_SECTOR_BYTES);
}

static void forget_versions(struct memory_fs *memory, const struct file *file)
{
    size_t left = 0;
    for (size_t i = 0; i < memory->version_count; i++) {
        if (memory->versions[i].file != (int)(file - memory->files)) {
            memory->versions[left++] = memory->versions[i];
        }
    }
    memory->version_count = left;
}

static int memory_open(struct dgraft_fs *fs, const char *path, enum dgraft_fs_open mode)
{
    struct memory_fs *memory = of(fs);
    const int error = enter(memory, "open", path);
    struct name *name = find(&memory->now, path);
    int handle = 0;
    int file;
    if (error != 0) {
        return error;
    }
    if (mode == DGRAFT_FS_CREATE) {
        if (name != NULL) {
            return -EEXIST;
        }
        memory_must(memory->file_count < FILES_MAX);
        file = memory->file_count++;
        change_names(memory, "", path, file);
    } else if (name == NULL || name->file == DIRECTORY) {
        return name == NULL ? -ENOENT : -EISDIR;
    } else {
        file = name->file;
    }
    while (handle < HANDLES_MAX && memory->handles[handle].file >= 0) {
        handle++;
    }
    memory_must(handle < HANDLES_MAX);
    memory->handles[handle] = (struct handle){file, false};
    return handle;
}

static int memory_close(struct dgraft_fs *fs, int handle)
{
    struct memory_fs *memory = of(fs);
    struct handle *closed = &memory->handles[handle];
    memory_must(closed->file >= 0);
    const int error = enter(memory, "close", name_of(memory, handle));
    if (closed->holds_lock) {
        memory->files[closed->file].locked = false;
    }
    closed->file = -1;
    return error; /* closed all the same */
}

static ssize_t memory_pread(struct dgraft_fs *fs, int handle, void *bytes, size_t size, uint64_t offset)
{
    struct memory_fs *memory = of(fs);
    const struct file *file = &memory->files[memory->handles[handle].file];
    const int error = enter(memory, "read", name_of(memory, handle));
    if (error != 0) {
        return error;
    }
    if (offset >= file->size_now || size == 0) {
        return 0;
    }
    if (size > file->size_now - offset) {
        size = (size_t)(file->size_now - offset);
    }
    if (memory->random != 0) {
        size = 1 + next_random(memory) % size;
    }
    size = cut(memory, size);
    memcpy(bytes, file->now + offset, size);
    return (ssize_t)size;
}

static uint64_t used_bytes(const struct memory_fs *memory)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < memory->now.count; i++) {
        const int file = memory->now.items[i].file;
        sum += file == DIRECTORY ? 0 : memory->files[file].size_now;
    }
    return sum;
}

static ssize_t memory_pwritev(struct dgraft_fs *fs, int handle, const struct iovec *pieces, int count, uint64_t offset)
{
    struct memory_fs *memory = of(fs);
    struct file *file = &memory->files[memory->handles[handle].file];
    const int error = enter(memory, "write", name_of(memory, handle));
    size_t size = 0;
    if (error != 0) {
        return error;
    }
    for (int i = 0; i < count; i++) {
        size += pieces[i].iov_len;
    }
    if (memory->random != 0 && size > 0) {
        size = 1 + next_random(memory) % size;
    }
    size = cut(memory, size);
    if (memory->room != UINT64_MAX && offset + size > file->size_now) {
        const uint64_t used = used_bytes(memory);
        const uint64_t left = used < memory->room ? memory->room - used : 0;
        if (offset + size > file->size_now + left) {
            size = offset < file->size_now + left ? file->size_now + left - offset : 0;
        }
        if (size == 0) {
            note_failure(memory, "write", name_of(memory, handle));
            return -ENOSPC;
        }
    }
    memory_file_grow(file, offset + size);
    for (uint64_t at = offset / MEMORY_SECTOR_BYTES; at * MEMORY_SECTOR_BYTES < offset + size; at++) {
        keep_version(memory, file, (size_t)at);
    }
    uint64_t done = 0;
    for (int i = 0; i < count && done < size; i++) {
        const uint64_t part = pieces[i].iov_len < size - done ? pieces[i].iov_len : size - done;
        if (part > 0) {
            memcpy(file->now + offset + done, pieces[i].iov_base, (size_t)part);
        }
        done += part;
    }
    for (uint64_t at = offset / MEMORY_SECTOR_BYTES; at * MEMORY_SECTOR_BYTES < offset + size; at++) {
        file->dirty[at] = 1;
    }
    if (offset + size > file->size_now) {
        file->size_now = offset + size;
    }
    file->used = file->used < file->size_now ? file->size_now : file->used;
    return (ssize_t)size;
}

static void settle(struct memory_fs *memory, struct file *file, bool durable)
{
    forget_versions(memory, file);
    for (uint64_t at = 0; at < file->capacity / MEMORY_SECTOR_BYTES; at++) {
        if (file->dirty[at] != 0 && durable) {
            memcpy(file->disk + at * MEMORY_SECTOR_BYTES, file->now + at * MEMORY_SECTOR_BYTES, MEMORY_SECTOR_BYTES);
        }
        file->dirty[at] = 0;
    }
    if (durable) {
        file->size_disk = file->size_now;
    }
}

static int memory_sync(struct dgraft_fs *fs, int handle)
{
    struct memory_fs *memory = of(fs);
    const int error = enter(memory, memory->files[memory->handles[handle].file].shortened ? "sync shortened" : "sync",
                            name_of(memory, handle));
    if (error != -EINTR && (memory->power_off_call == 0 || memory->calls < memory->power_off_call)) {
        settle(memory, &memory->files[memory->handles[handle].file], error == 0);
    }
    return error;
}

static int memory_truncate(struct dgraft_fs *fs, int handle, uint64_t size)
{
    struct memory_fs *memory = of(fs);
    struct file *file = &memory->files[memory->handles[handle].file];
    const int error = enter(memory, "truncate", name_of(memory, handle));
    if (error != 0) {
        return error;
    }
    memory_file_grow(file, size);
    if (size < file->size_now) {
        for (uint64_t at = size / MEMORY_SECTOR_BYTES; at * MEMORY_SECTOR_BYTES < file->size_now; at++) {
            keep_version(memory, file, (size_t)at);
        }
        memset(file->now + size, 0, (size_t)(file->size_now - size));
        for (uint64_t at = size / MEMORY_SECTOR_BYTES; at * MEMORY_SECTOR_BYTES < file->size_now; at++) {
            file->dirty[at] = 1;
        }
    }
    file->shortened = file->shortened || size < file->size_now;
    file->size_now = size;
    return 0;
}

static int64_t memory_size(struct dgraft_fs *fs, int handle)
{
    struct memory_fs *memory = of(fs);
    const int error = enter(memory, "size", name_of(memory, handle));
    return error != 0 ? error : (int64_t)memory->files[memory->handles[handle].file].size_now;
}

static int memory_lock(struct dgraft_fs *fs, int handle)
{
    struct memory_fs *memory = of(fs);
    struct file *file = &memory->files[memory->handles[handle].file];
    const int error = enter(memory, "lock", name_of(memory, handle));
    if (error != 0) {
        return error;
    }
    if (file->locked) {
        return -EWOULDBLOCK;
    }
    file->locked = true;
    memory->handles[handle].holds_lock = true;
    return 0;
}

static int memory_locked(struct dgraft_fs *fs, int handle)
{
    struct memory_fs *memory = of(fs);
    const int error = enter(memory, "locked", name_of(memory, handle));
    if (error != 0) {
        return error;
    }
    return memory->files[memory->handles[handle].file].locked && !memory->handles[handle].holds_lock;
}

static int memory_rename(struct dgraft_fs *fs, const char *from, const char *to)
{
    struct memory_fs *memory = of(fs);
    const int error = enter(memory, "rename", from);
    const struct name *name = find(&memory->now, from);
    if (error != 0) {
        return error;
    }
    if (name == NULL) {
        return -ENOENT;
    }
    change_names(memory, from, to, name->file);
    return 0;
}

static int memory_unlink(struct dgraft_fs *fs, const char *path)
{
    struct memory_fs *memory = of(fs);
    const int error = enter(memory, "unlink", path);
    if (error != 0) {
        return error;
    }
    if (find(&memory->now, path) == NULL) {
        return -ENOENT;
    }
    change_names(memory, path, "", 0);
    return 0;
}

static int memory_make_directory(struct dgraft_fs *fs, const char *path)
{
    struct memory_fs *memory = of(fs);
    const int error = enter(memory, "make directory", path);
    if (error != 0) {
        return error;
    }
    if (find(&memory->now, path) != NULL) {
        return -EEXIST;
    }
    change_names(memory, "", path, DIRECTORY);
    return 0;
}

static int memory_sync_directory(struct dgraft_fs *fs, const char *path)
{
    struct memory_fs *memory = of(fs);
    const int error = enter(memory, "sync directory", path);
    size_t left = 0;
    if (error != 0 || (memory->power_off_call != 0 && memory->calls == memory->power_off_call)) {
        return error;
    }
    for (size_t i = 0; i < memory->change_count; i++) {
        const struct change *change = &memory->changes[i];
        const char *changed = change->to[0] != '\0' ? change->to : change->from;
        if (lies_in(changed, path) || (strcmp(path, ".") == 0 && strchr(changed, '/') == NULL)) {
            memory_names_apply(&memory->disk, change);
        } else {
            memory->changes[left++] = *change;
        }
    }
    memory->change_count = left;
    return 0;
}

static int memory_list(struct dgraft_fs *fs, const char *path, int (*found)(void *context, const char *name),
                       void *context)
{
    struct memory_fs *memory = of(fs);
    const int error = enter(memory, "list", path);
    const struct name *directory = find(&memory->now, path);
    if (error != 0) {
        return error;
    }
    if (directory == NULL || directory->file != DIRECTORY) {
        return directory == NULL ? -ENOENT : -ENOTDIR;
    }
    for (size_t i = 0; i < memory->now.count; i++) {
        const char *name = memory->now.items[i].path;
        if (lies_in(name, path)) {
            const int result = found(context, name + strlen(path) + 1);
            if (result != 0) {
                return result;
            }
        }
    }
    return 0;
}

static const struct dgraft_fs_ops memory_ops = {
    .open = memory_open,
    .close = memory_close,
    .pread = memory_pread,
    .pwritev = memory_pwritev,
    .sync = memory_sync,
    .truncate = memory_truncate,
    .size = memory_size,
    .lock = memory_lock,
    .locked = memory_locked,
    .rename = memory_rename,
    .unlink = memory_unlink,
    .make_directory = memory_make_directory,
    .sync_directory = memory_sync_directory,
    .list = memory_list,
};

struct memory_fs *memory_fs_new(void)
{
    struct memory_fs *memory = calloc(1, sizeof *memory);
    memory_must(memory != NULL);
    memory->fs.ops = &memory_ops;
    memory->room = UINT64_MAX;
    for (size_t i = 0; i < HANDLES_MAX; i++) {
        memory->handles[i].file = -1;
    }
    return memory;
}

void memory_fs_free(struct memory_fs *memory)
{
    for (int i = 0; memory != NULL && i < memory->file_count; i++) {
        free(memory->files[i].now);
        free(memory->files[i].disk);
        free(memory->files[i].dirty);
    }
    if (memory != NULL) {
        free(memory->versions);
    }
    free(memory);
}

void memory_fs_clear(struct memory_fs *memory)
{
    for (int i = 0; i < memory->file_count; i++) {
        struct file *file = &memory->files[i];
        if (file->capacity > 0) {
            memset(file->now, 0, (size_t)file->used);
            memset(file->disk, 0, (size_t)file->used);
            memset(file->dirty, 0, (size_t)file->capacity / MEMORY_SECTOR_BYTES);
        }
        *file = (struct file){.now = file->now, .disk = file->disk, .dirty = file->dirty, .capacity = file->capacity};
    }
    for (size_t i = 0; i < HANDLES_MAX; i++) {
        memory->handles[i] = (struct handle){.file = -1};
    }
    memory->file_count = 0;
    memory->now.count = 0;
    memory->disk.count = 0;
    memory->change_count = 0;
    memory->calls = 0;
    memory->version_count = 0;
    memory->failed_count = 0;
    memory->cut_call = 0;
    memory->fail_call = 0;
    memory->fail_for_ever = false;
    memory->power_off_call = 0;
    memory->random = 0;
    memory->room = UINT64_MAX;
}

struct dgraft_fs *memory_fs_seam(struct memory_fs *memory)
{
    return &memory->fs;
}

uint64_t memory_fs_calls(const struct memory_fs *memory)
{
    return memory->calls;
}

void memory_fs_fail_at(struct memory_fs *memory, uint64_t call, int error, bool for_ever)
{
    memory->fail_call = call;
    memory->failed_count = 0;
    memory->fail_error = error;
    memory->fail_for_ever = for_ever;
}

void memory_fs_cut_at(struct memory_fs *memory, uint64_t call, uint64_t bytes)
{
    memory->cut_call = call;
    memory->failed_count = 0;
    memory->cut_bytes = bytes;
}

const struct memory_fs_call *memory_fs_failed(const struct memory_fs *memory, size_t *count)
{
    *count = memory->failed_count;
    return memory->failed;
}

int memory_fs_open_files(const struct memory_fs *memory)
{
    int count = 0;
    for (size_t i = 0; i < HANDLES_MAX; i++) {
        count += memory->handles[i].file >= 0;
    }
    return count;
}

uint64_t memory_fs_used(const struct memory_fs *memory)
{
    return used_bytes(memory);
}

void memory_fs_power_off_at(struct memory_fs *memory, uint64_t call)
{
    memory->power_off_call = call;
}

void memory_fs_short(struct memory_fs *memory, uint64_t seed)
{
    memory->random = seed;
}

void memory_fs_room(struct memory_fs *memory, uint64_t bytes)
{
    memory->room = bytes;
    memory->failed_count = 0;
}

uint8_t *memory_fs_bytes(struct memory_fs *memory, const char *path, uint64_t *size)
{
    const struct name *name = find(&memory->now, path);
    if (name == NULL || name->file == DIRECTORY) {
        return NULL;
    }
    *size = memory->files[name->file].size_now;
    return memory->files[name->file].now;
}

void memory_fs_put(struct memory_fs *memory, const char *directory, const char *path, const uint8_t *bytes, size_t size)
{
    if (find(&memory->now, directory) == NULL) {
        change_names(memory, "", directory, DIRECTORY);
    }
    memory_must(memory->file_count < FILES_MAX);
    struct file *file = &memory->files[memory->file_count];
    memory_file_grow(file, size == 0 ? 1 : size);
    if (size > 0) {
        memcpy(file->now, bytes, size);
        memcpy(file->disk, bytes, size);
    }
    file->used = size;
    file->size_now = size;
    file->size_disk = size;
    change_names(memory, "", path, memory->file_count++);
    memory->disk = memory->now;
    memory->change_count = 0;
}

uint64_t memory_fs_hash(const struct memory_fs *memory)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < memory->now.count; i++) {
        const struct name *name = &memory->now.items[i];
        uint64_t hash = dgraft_snapshot_digest(name->path, strlen(name->path));
        if (name->file != DIRECTORY) {
            const struct file *file = &memory->files[name->file];
            hash =
                hash * 0x9E3779B97F4A7C15u + dgraft_snapshot_digest(file->now, (size_t)file->size_now) + file->size_now;
        }
        sum += hash; /* names have no order */
    }
    return sum;
}
