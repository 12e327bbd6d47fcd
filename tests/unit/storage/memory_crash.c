/* What is there after the power failed: for each thing that was not synced - changes of names in their order, then of
 * each file its size and its sectors - one of the ways in which it may have been left.
 */
#include "memory_fs_private.h"

#include <stdlib.h>
#include <string.h>

static size_t sectors(const struct file *file)
{
    return (size_t)(file->capacity / MEMORY_SECTOR_BYTES);
}

size_t memory_fs_uncertain(const struct memory_fs *memory)
{
    size_t count = memory->change_count;
    for (int i = 0; i < memory->file_count; i++) {
        const struct file *file = &memory->files[i];
        count += file->size_now != file->size_disk;
        for (size_t at = 0; at < sectors(file); at++) {
            count += file->dirty[at] != 0;
        }
    }
    return count;
}

static bool is_version(const struct memory_fs *memory, size_t which, int file, size_t sector)
{
    return memory->versions[which].file == file && memory->versions[which].sector == sector;
}

static uint8_t sector_ways(const struct memory_fs *memory, int file, size_t sector)
{
    const struct file *from = &memory->files[file];
    const size_t offset = sector * MEMORY_SECTOR_BYTES;
    size_t ways = memcmp(from->now + offset, from->disk + offset, MEMORY_SECTOR_BYTES) == 0 ? 1 : 2;
    for (size_t i = 0; i < memory->version_count; i++) {
        ways += is_version(memory, i, file, sector);
    }
    return (uint8_t)(ways < UINT8_MAX ? ways : UINT8_MAX);
}

/* A file that grew by more than a sector may have grown by half of it. */
static uint64_t half_grown(const struct file *file)
{
    return file->size_disk + (file->size_now - file->size_disk) / 2 / MEMORY_SECTOR_BYTES * MEMORY_SECTOR_BYTES;
}

static uint8_t size_ways(const struct file *file)
{
    return file->size_now > file->size_disk && half_grown(file) > file->size_disk ? 3 : 2;
}

size_t memory_fs_ways(const struct memory_fs *memory, uint8_t *ways, size_t most)
{
    size_t count = 0;
    for (size_t i = 0; i < memory->change_count; i++, count++) {
        if (count < most) {
            ways[count] = 2;
        }
    }
    for (int i = 0; i < memory->file_count; i++) {
        const struct file *file = &memory->files[i];
        if (file->size_now != file->size_disk) {
            if (count < most) {
                ways[count] = size_ways(file);
            }
            count++;
        }
        for (size_t at = 0; at < sectors(file); at++) {
            if (file->dirty[at] != 0) {
                if (count < most) {
                    ways[count] = sector_ways(memory, i, at);
                }
                count++;
            }
        }
    }
    return count;
}

/* The bytes of a sector left in a way below sector_ways: as on the disk, as an earlier write left it, or as now. */
static const uint8_t *sector_as(const struct memory_fs *memory, int file, size_t sector, uint8_t way)
{
    const struct file *from = &memory->files[file];
    if (way == 0) {
        return from->disk + sector * MEMORY_SECTOR_BYTES;
    }
    for (size_t i = 0; i < memory->version_count; i++) {
        if (is_version(memory, i, file, sector) && --way == 0) {
            return memory->versions[i].bytes;
        }
    }
    return from->now + sector * MEMORY_SECTOR_BYTES;
}

static uint64_t size_as(const struct file *file, uint8_t way)
{
    if (way == 0) {
        return file->size_disk;
    }
    return way == 1 && size_ways(file) == 3 ? half_grown(file) : file->size_now;
}

/* Makes it the disk's, and the memory's too. */
static void settle_copy(struct file *to)
{
    if (to->size_now < to->capacity) {
        memset(to->now + to->size_now, 0, (size_t)(to->capacity - to->size_now));
    }
    if (to->capacity > 0) {
        memcpy(to->disk, to->now, (size_t)to->capacity);
    }
    to->size_disk = to->size_now;
}

struct memory_fs *memory_fs_crash_as(const struct memory_fs *memory, const uint8_t *taken)
{
    struct memory_fs *after = memory_fs_new();
    after->disk = memory->disk;
    for (size_t i = 0; i < memory->change_count; i++) {
        if (*taken++ != 0) {
            memory_names_apply(&after->disk, &memory->changes[i]);
        }
    }
    after->now = after->disk;
    after->file_count = memory->file_count;
    for (int i = 0; i < memory->file_count; i++) {
        const struct file *from = &memory->files[i];
        struct file *to = &after->files[i];
        to->size_now = from->size_now == from->size_disk ? from->size_disk : size_as(from, *taken++);
        to->used = from->used;
        memory_file_grow(to, from->capacity);
        for (size_t at = 0; at < sectors(from); at++) {
            memcpy(to->now + at * MEMORY_SECTOR_BYTES,
                   sector_as(memory, i, at, from->dirty[at] != 0 ? *taken++ : (uint8_t)0), MEMORY_SECTOR_BYTES);
        }
        settle_copy(to);
    }
    return after;
}

struct memory_fs *memory_fs_crash(const struct memory_fs *memory, bool (*kept)(void *context, size_t which),
                                  void *context)
{
    const size_t count = memory_fs_uncertain(memory);
    uint8_t *taken = calloc(count + 1, 1);
    memory_must(taken != NULL);
    for (size_t i = 0; i < count; i++) {
        taken[i] = kept(context, i) ? UINT8_MAX : 0;
    }
    struct memory_fs *after = memory_fs_crash_as(memory, taken);
    free(taken);
    return after;
}

struct memory_fs *memory_fs_copy(const struct memory_fs *memory)
{
    struct memory_fs *after = memory_fs_new();
    after->disk = memory->now;
    after->now = memory->now;
    after->file_count = memory->file_count;
    for (int i = 0; i < memory->file_count; i++) {
        /* All bytes, also those that a test changed behind the seam's back. */
        const struct file *from = &memory->files[i];
        struct file *to = &after->files[i];
        to->size_now = from->size_now;
        to->used = from->used;
        memory_file_grow(to, from->capacity);
        if (from->capacity > 0) {
            memcpy(to->now, from->now, (size_t)from->capacity);
        }
        settle_copy(to);
    }
    return after;
}
