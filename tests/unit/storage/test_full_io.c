/* The real file system behind the seam: whole reads and writes, also beyond 4 GiB; errors as errno says. */
#include "full_io.h"
#include "memory_fs.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = P_tmpdir "/dgraft-full-io-XXXXXX";
static struct dgraft_disk disk;

static void setup(void)
{
    cr_assert_not_null(mkdtemp(directory));
    dgraft_disk_init(&disk, dgraft_fs_posix(), directory);
}

static void teardown(void)
{
    (void)dgraft_disk_unlink(&disk, "file");
    (void)dgraft_disk_unlink(&disk, "other");
    (void)rmdir(directory);
}

TestSuite(full_io, .init = setup, .fini = teardown);

Test(full_io, reads_what_was_written_beyond_4_gib)
{
    const uint64_t offset = UINT64_C(5) << 30;
    char written[] = "far away";
    char read[16];
    struct iovec piece = {written, sizeof written};
    const int file = dgraft_disk_open(&disk, "file", DGRAFT_FS_CREATE);
    cr_assert_geq(file, 0);
    cr_assert_eq(dgraft_disk_write(&disk, file, &piece, 1, offset), 0);
    cr_assert_eq(dgraft_disk_size(&disk, file), (int64_t)(offset + sizeof written));
    cr_assert_eq(dgraft_disk_read(&disk, file, read, sizeof read, offset), sizeof written, "the file ends there");
    cr_assert_str_eq(read, "far away");
    cr_assert_eq(dgraft_disk_read(&disk, file, read, 4, offset - 4), 4);
    cr_assert_eq(memcmp(read, "\0\0\0\0", 4), 0);
    dgraft_disk_close(&disk, file);
}

Test(full_io, writes_more_pieces_than_one_call_takes)
{
    enum { PIECES = 5000 };
    struct iovec *pieces = calloc(PIECES, sizeof *pieces);
    uint8_t *bytes = calloc(PIECES, 3);
    uint8_t *back = calloc(PIECES, 3);
    uint64_t expected = 0;
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = (struct iovec){bytes + expected, i % 4}; /* empty ones too */
        for (size_t j = 0; j < i % 4; j++) {
            bytes[expected++] = (uint8_t)(i * 7 + j);
        }
    }
    const int file = dgraft_disk_open(&disk, "file", DGRAFT_FS_CREATE);
    cr_assert_eq(dgraft_disk_write(&disk, file, pieces, PIECES, 1), 0);
    cr_assert_eq(dgraft_disk_read(&disk, file, back, expected, 1), (int64_t)expected);
    cr_assert_arr_eq(back, bytes, expected);
    dgraft_disk_close(&disk, file);
    free(pieces);
    free(bytes);
    free(back);
}

Test(full_io, zeros_a_range_of_any_size)
{
    const int file = dgraft_disk_open(&disk, "file", DGRAFT_FS_CREATE);
    cr_assert_eq(dgraft_disk_zero(&disk, file, 0, 3 * 1024 * 1024 + 5), 0);
    cr_assert_eq(dgraft_disk_size(&disk, file), 3 * 1024 * 1024 + 5);
    cr_assert_eq(dgraft_disk_sync(&disk, file), 0);
    cr_assert_eq(dgraft_disk_truncate(&disk, file, 10), 0);
    cr_assert_eq(dgraft_disk_size(&disk, file), 10);
    dgraft_disk_close(&disk, file);
}

Test(full_io, names_and_locks_behave_as_the_system_calls)
{
    int file = dgraft_disk_open(&disk, "file", DGRAFT_FS_WRITE);
    cr_assert_eq(file, -ENOENT);
    file = dgraft_disk_open(&disk, "file", DGRAFT_FS_CREATE);
    cr_assert_geq(file, 0);
    cr_assert_eq(dgraft_disk_open(&disk, "file", DGRAFT_FS_CREATE), -EEXIST);
    const int reader = dgraft_disk_open(&disk, "file", DGRAFT_FS_READ);
    cr_assert_eq(dgraft_disk_locked(&disk, reader), 0);
    cr_assert_eq(dgraft_disk_lock(&disk, file), 0);
    const int second = dgraft_disk_open(&disk, "file", DGRAFT_FS_WRITE);
    cr_assert_eq(dgraft_disk_lock(&disk, second), -EWOULDBLOCK);
    cr_assert_eq(dgraft_disk_locked(&disk, reader), 1, "whoever only reads may ask");
    cr_assert_eq(dgraft_disk_locked(&disk, file), 0, "one's own lock is not another's");
    dgraft_disk_close(&disk, file);
    cr_assert_eq(dgraft_disk_locked(&disk, reader), 0);
    cr_assert_eq(dgraft_disk_lock(&disk, second), 0);
    dgraft_disk_close(&disk, reader);
    cr_assert_eq(dgraft_disk_lock(&disk, second), 0, "another descriptor's end does not give it back");
    dgraft_disk_close(&disk, second);
    cr_assert_eq(dgraft_disk_rename(&disk, "file", "other"), 0);
    cr_assert_eq(dgraft_disk_sync_directory(&disk), 0);
    cr_assert_eq(dgraft_disk_unlink(&disk, "file"), -ENOENT);
}

Test(full_io, goes_on_after_short_counts_and_interruptions)
{
    for (uint64_t seed = 1; seed < 200; seed++) {
        struct memory_fs *memory = memory_fs_new();
        struct dgraft_disk shorts;
        uint8_t bytes[600];
        uint8_t back[700];
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)(i * seed);
        }
        struct iovec pieces[3] = {{bytes, 100}, {bytes + 100, 1}, {bytes + 101, 499}};
        memory_fs_short(memory, seed * 104729);
        dgraft_disk_init(&shorts, memory_fs_seam(memory), "node");
        const int file = dgraft_disk_open(&shorts, "file", DGRAFT_FS_CREATE);
        cr_assert_eq(dgraft_disk_write(&shorts, file, pieces, 3, 50), 0);
        cr_assert_eq(dgraft_disk_read(&shorts, file, back, sizeof back, 50), sizeof bytes);
        cr_assert_arr_eq(back, bytes, sizeof bytes);
        dgraft_disk_close(&shorts, file);
        memory_fs_free(memory);
    }
}
