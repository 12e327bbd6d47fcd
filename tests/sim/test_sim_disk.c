#include "sim_disk.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct sim_counts counts;

static struct sim_disk *open_disk(uint64_t seed)
{
    struct sim_disk *disk = sim_disk_open(seed, &counts);
    cr_assert_not_null(disk);
    cr_assert_eq(disk->fs.ops->make_directory(&disk->fs, "d"), 0);
    cr_assert_eq(disk->fs.ops->sync_directory(&disk->fs, "."), 0);
    return disk;
}

static ssize_t write_at(struct sim_disk *disk, int file, const char *text, size_t size, uint64_t offset)
{
    char copy[8192];
    cr_assert_leq(size, sizeof copy);
    memcpy(copy, text, size);
    const struct iovec piece = {.iov_base = copy, .iov_len = size};
    return disk->fs.ops->pwritev(&disk->fs, file, &piece, 1, offset);
}

/* Makes "d/f" with durable content and name, and leaves it open. */
static int durable_file(struct sim_disk *disk, char fill, size_t size)
{
    char bytes[8192];
    memset(bytes, fill, sizeof bytes);
    const int file = disk->fs.ops->open(&disk->fs, "d/f", DGRAFT_FS_CREATE);
    cr_assert_geq(file, 0);
    cr_assert_eq(write_at(disk, file, bytes, size, 0), (ssize_t)size);
    cr_assert_eq(disk->fs.ops->sync(&disk->fs, file), 0);
    cr_assert_eq(disk->fs.ops->sync_directory(&disk->fs, "d"), 0);
    return file;
}

Test(disk, what_was_synced_survives_every_crash)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct sim_disk *disk = open_disk(seed);
        durable_file(disk, 'a', 5000);
        sim_disk_power_off(disk);
        sim_disk_power_on(disk);
        uint64_t size = 0;
        const uint8_t *bytes = sim_disk_peek(disk, "d/f", &size);
        cr_assert_not_null(bytes);
        cr_assert_eq(size, 5000u);
        for (size_t i = 0; i < 5000; i++) {
            cr_assert_eq(bytes[i], 'a');
        }
        sim_disk_close(disk);
    }
}

/* Overwrites ten sectors without a sync and counts how many survive each crash. */
static unsigned sectors_left(uint64_t seed, uint32_t block_bytes)
{
    struct sim_disk *disk = open_disk(seed);
    char bytes[5120];
    unsigned kept = 0;
    uint64_t size = 0;

    disk->rates.block_bytes = block_bytes;
    const int file = durable_file(disk, 'a', sizeof bytes);
    memset(bytes, 'b', sizeof bytes);
    cr_assert_eq(write_at(disk, file, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    sim_disk_power_off(disk);
    cr_assert_eq(write_at(disk, file, bytes, 1, 0), -EIO);
    sim_disk_power_on(disk);
    const uint8_t *now = sim_disk_peek(disk, "d/f", &size);
    cr_assert_eq(size, sizeof bytes);
    for (size_t sector = 0; sector < 10; sector++) {
        const uint8_t first = now[sector * 512];
        cr_assert(first == 'a' || first == 'b');
        for (size_t i = 0; i < 512; i++) {
            cr_assert_eq(now[sector * 512 + i], first, "a sector is never torn");
        }
        kept += first == 'b' ? 1u << sector : 0;
    }
    sim_disk_close(disk);
    return kept;
}

Test(disk, a_crash_keeps_any_subset_of_what_was_not_synced)
{
    bool nothing = false;
    bool all = false;
    bool hole = false;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        const unsigned kept = sectors_left(seed, 512);
        nothing = nothing || kept == 0;
        all = all || kept == 0x3ff;
        hole = hole || (kept != 0 && (kept & (kept + 1)) != 0);
    }
    cr_assert(nothing && all && hole);
}

Test(disk, blocks_of_4096_survive_or_are_lost_whole)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        const unsigned first = sectors_left(seed, 4096) & 0xffu;
        cr_assert(first == 0 || first == 0xff);
    }
}

Test(disk, names_that_were_not_synced_may_be_lost)
{
    unsigned there = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct sim_disk *disk = open_disk(seed);
        uint64_t size = 0;
        const int file = disk->fs.ops->open(&disk->fs, "d/f", DGRAFT_FS_CREATE);
        cr_assert_eq(write_at(disk, file, "x", 1, 0), 1);
        cr_assert_eq(disk->fs.ops->sync(&disk->fs, file), 0);
        sim_disk_power_off(disk);
        sim_disk_power_on(disk);
        there += sim_disk_peek(disk, "d/f", &size) != NULL;
        sim_disk_close(disk);
    }
    cr_assert_gt(there, 10u);
    cr_assert_lt(there, 90u);
}

Test(disk, a_rename_happens_whole_or_not_at_all)
{
    unsigned renamed = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct sim_disk *disk = open_disk(seed);
        uint64_t size = 0;
        durable_file(disk, 'a', 10);
        cr_assert_eq(disk->fs.ops->rename(&disk->fs, "d/f", "d/g"), 0);
        sim_disk_power_off(disk);
        sim_disk_power_on(disk);
        const bool f = sim_disk_peek(disk, "d/f", &size) != NULL;
        const bool g = sim_disk_peek(disk, "d/g", &size) != NULL;
        cr_assert_neq(f, g);
        renamed += g;
        sim_disk_close(disk);
    }
    cr_assert_gt(renamed, 10u);
    cr_assert_lt(renamed, 90u);
}

Test(disk, a_killed_process_leaves_the_page_cache_and_no_lock)
{
    struct sim_disk *disk = open_disk(1);
    uint64_t size = 0;
    const int file = disk->fs.ops->open(&disk->fs, "d/f", DGRAFT_FS_CREATE);
    cr_assert_eq(disk->fs.ops->lock(&disk->fs, file), 0);
    cr_assert_eq(write_at(disk, file, "xyz", 3, 0), 3);
    const int other = disk->fs.ops->open(&disk->fs, "d/f", DGRAFT_FS_WRITE);
    cr_assert_eq(disk->fs.ops->lock(&disk->fs, other), -EWOULDBLOCK);
    sim_disk_kill(disk);
    cr_assert_eq(memcmp(sim_disk_peek(disk, "d/f", &size), "xyz", 3), 0);
    const int again = disk->fs.ops->open(&disk->fs, "d/f", DGRAFT_FS_WRITE);
    cr_assert_eq(disk->fs.ops->lock(&disk->fs, again), 0);
    sim_disk_close(disk);
}

Test(disk, a_failed_sync_drops_what_the_next_one_does_not_write)
{
    struct sim_disk *disk = open_disk(1);
    uint64_t size = 0;
    const int file = durable_file(disk, 'a', 4);
    cr_assert_eq(write_at(disk, file, "bbbb", 4, 0), 4);
    disk->failing_syncs = 1;
    cr_assert_eq(disk->fs.ops->sync(&disk->fs, file), -EIO);
    cr_assert_eq(disk->fs.ops->sync(&disk->fs, file), 0);
    cr_assert_eq(memcmp(sim_disk_peek(disk, "d/f", &size), "bbbb", 4), 0, "readers still see it");
    sim_disk_power_off(disk);
    sim_disk_power_on(disk);
    cr_assert_eq(memcmp(sim_disk_peek(disk, "d/f", &size), "aaaa", 4), 0, "the disk never had it");
    sim_disk_close(disk);
}

Test(disk, is_full_at_any_byte)
{
    for (uint64_t room = 0; room < 10; room++) {
        struct sim_disk *disk = open_disk(1);
        const int file = disk->fs.ops->open(&disk->fs, "d/f", DGRAFT_FS_CREATE);
        disk->room = room;
        const ssize_t written = write_at(disk, file, "0123456789", 10, 0);
        cr_assert_eq(written, room == 0 ? -ENOSPC : (ssize_t)room);
        cr_assert_eq(write_at(disk, file, "x", 1, room), -ENOSPC);
        sim_disk_close(disk);
    }
}

Test(disk, short_and_interrupted_calls_come_at_their_rate)
{
    struct sim_disk *disk = open_disk(1);
    char bytes[100];
    unsigned shortened = 0;
    unsigned interrupted = 0;
    const int file = durable_file(disk, 'a', 100);
    disk->rates.short_read = 300000;
    disk->rates.eintr = 200000;
    for (int i = 0; i < 1000; i++) {
        const ssize_t got = disk->fs.ops->pread(&disk->fs, file, bytes, sizeof bytes, 0);
        cr_assert(got == -EINTR || (got >= 1 && got <= 100));
        interrupted += got == -EINTR;
        shortened += got > 0 && got < 100;
    }
    cr_assert(interrupted > 100 && interrupted < 300);
    cr_assert(shortened > 150 && shortened < 350);
    sim_disk_close(disk);
}

Test(disk, power_fails_within_the_operation_named)
{
    struct sim_disk *disk = open_disk(1);
    const int file = durable_file(disk, 'a', 4);
    disk->crash_in = 2;
    cr_assert_eq(write_at(disk, file, "b", 1, 0), 1);
    cr_assert_not(disk->crashed);
    cr_assert_eq(disk->fs.ops->sync(&disk->fs, file), -EIO);
    cr_assert(disk->crashed);
    sim_disk_close(disk);
}
