#include "sim_disk_internal.h"

#include <string.h>

/* How much of a file's unsynced blocks a power failure lets through. */
enum survival { SURVIVES_NOTHING, SURVIVES_ALL, SURVIVES_SOME, SURVIVES_FRONT };

static bool block_dirty(const struct sim_inode *inode, uint64_t begin, uint64_t end)
{
    return memchr(inode->dirty + begin / SIM_SECTOR_BYTES, 1, (end - begin) / SIM_SECTOR_BYTES) != NULL;
}

/* Decides which changed blocks reached the disk. */
static void tear_file(struct sim_disk *disk, struct sim_inode *inode)
{
    const uint64_t step = disk->rates.block_bytes;
    const enum survival survival = (enum survival)sim_random_below(&disk->random, 4);
    const uint64_t front = sim_random_between(&disk->random, inode->dirty_begin, inode->dirty_end);
    uint64_t kept = 0;
    uint64_t lost = 0;

    for (uint64_t begin = 0; begin < inode->capacity; begin += step) {
        const uint64_t end = begin + step < inode->capacity ? begin + step : inode->capacity;
        if (!block_dirty(inode, begin, end)) {
            continue;
        }
        const bool keep = survival == SURVIVES_ALL ||
                          (survival == SURVIVES_SOME && sim_random_chance(&disk->random, 500000)) ||
                          (survival == SURVIVES_FRONT && end <= front);
        if (keep) {
            memcpy(inode->disk + begin, inode->now + begin, end - begin);
            kept++;
        } else {
            lost++;
        }
    }
    if (inode->now_size != inode->disk_size && survival != SURVIVES_NOTHING &&
        sim_random_chance(&disk->random, 700000)) {
        inode->disk_size = inode->now_size;
    }
    if (kept > 0 && lost > 0) {
        disk->counts->of[SIM_COUNT_DISK_TORN]++;
    }
}

static void change_on_disk(struct sim_disk *disk, const struct sim_name_change *change)
{
    if (change->to >= 0) {
        disk->names[change->path].disk = -1;
        disk->names[change->to].disk = change->inode;
    } else {
        disk->names[change->path].disk = change->inode;
    }
}

/* Decides which changes of names reached the disk: the first few, or any. */
static void settle_names(struct sim_disk *disk)
{
    const bool in_order = sim_random_chance(&disk->random, disk->rates.names_in_order);
    const uint64_t front = sim_random_between(&disk->random, 0, disk->change_count);

    for (uint32_t i = 0; i < disk->change_count; i++) {
        const bool keep = in_order ? i < front : sim_random_chance(&disk->random, 500000);
        if (keep) {
            change_on_disk(disk, &disk->changes[i]);
        } else {
            disk->counts->of[SIM_COUNT_DISK_NAME_LOST]++;
        }
    }
    disk->change_count = 0;
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        struct sim_name *name = &disk->names[i];
        if (name->path[0] != '\0') {
            name->now = name->disk;
        }
    }
}

static void close_all(struct sim_disk *disk)
{
    memset(disk->handles, 0, sizeof disk->handles);
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        disk->inodes[i].handles = 0;
        disk->inodes[i].locked = false;
    }
}

void sim_disk_power_off(struct sim_disk *disk)
{
    disk->crashed = true;
}

void sim_disk_power_on(struct sim_disk *disk)
{
    close_all(disk);
    settle_names(disk);
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        struct sim_inode *inode = &disk->inodes[i];
        if (!inode->used || inode->capacity == 0) {
            continue;
        }
        if (inode->dirty_begin < inode->dirty_end || inode->now_size != inode->disk_size) {
            tear_file(disk, inode);
        }
        memset(inode->disk + inode->disk_size, 0, inode->capacity - inode->disk_size);
        memcpy(inode->now, inode->disk, inode->capacity);
        inode->now_size = inode->disk_size;
        memset(inode->dirty, 0, inode->capacity / SIM_SECTOR_BYTES);
        inode->dirty_begin = 0;
        inode->dirty_end = 0;
        inode->unsure_begin = 0;
        inode->unsure_end = 0;
        inode->sync_failed = false;
    }
    sim_disk_forget_unnamed(disk);
    disk->crashed = false;
    disk->crash_in = 0;
    disk->failing_syncs = 0;
}

void sim_disk_kill(struct sim_disk *disk)
{
    close_all(disk);
    sim_disk_forget_unnamed(disk);
    disk->crashed = false;
    disk->crash_in = 0;
}

void sim_disk_each_unsynced(struct sim_disk *disk, sim_disk_unsynced *visit, void *context)
{
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        const struct sim_name *name = &disk->names[i];
        if (name->path[0] == '\0' || name->now < 0) {
            continue;
        }
        const struct sim_inode *inode = &disk->inodes[name->now];
        if (inode->unsure_begin < inode->unsure_end) {
            const uint64_t end = inode->unsure_end < inode->now_size ? inode->unsure_end : inode->now_size;
            visit(context, name->path, inode->now, inode->now_size, inode->unsure_begin, end);
        }
    }
}

void sim_disk_each_named(const struct sim_disk *disk, sim_disk_named *visit, void *context)
{
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        const struct sim_name *name = &disk->names[i];
        if (name->path[0] != '\0' && name->disk >= 0) {
            const struct sim_inode *inode = &disk->inodes[name->disk];
            visit(context, name->path, inode->disk, inode->disk_size);
        }
    }
}

void sim_disk_rot(struct sim_disk *disk, const char *path, uint64_t offset, uint32_t bit)
{
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        const struct sim_name *name = &disk->names[i];
        if (name->now >= 0 && strcmp(name->path, path) == 0 && offset < disk->inodes[name->now].now_size) {
            disk->inodes[name->now].now[offset] ^= (uint8_t)(1u << bit);
            disk->inodes[name->now].disk[offset] ^= (uint8_t)(1u << bit);
        }
    }
}

static const struct sim_inode *find(const struct sim_disk *disk, const char *path)
{
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        const struct sim_name *name = &disk->names[i];
        if (name->now >= 0 && name->path[0] != '\0' && strcmp(name->path, path) == 0) {
            return &disk->inodes[name->now];
        }
    }
    return NULL;
}

const uint8_t *sim_disk_peek(const struct sim_disk *disk, const char *path, uint64_t *size)
{
    const struct sim_inode *inode = find(disk, path);
    if (inode == NULL) {
        return NULL;
    }
    *size = inode->now_size;
    return inode->now;
}

uint64_t sim_disk_synced_end(const struct sim_disk *disk, const char *path)
{
    const struct sim_inode *inode = find(disk, path);
    return inode == NULL ? 0 : inode->synced_end;
}
