/* Opening a log: how fast beside reading its files, and in how much memory. */
#include "bench_storage.h"

#include "bench_records.h"

#include <dgraft/fs.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAT_BYTES     (128u * 1024)
#define STORE_NUMBER  UINT64_C(0x73746f7265)
#define MEASURED_NODE 1u
#define KIB           1024u

static bool failed(struct dgraft_why *why, const char *doing, int error)
{
    (void)snprintf(why->text, sizeof why->text, "%s: %s", doing, strerror(error));
    return false;
}

static int no_sync(struct dgraft_fs *fs, int file)
{
    (void)fs;
    (void)file;
    return 0;
}

/* As many entries as asked for, one batch after another. */
static bool fill_log(struct dgraft_storage *storage, const struct bench_open_point *point, struct dgraft_why *why)
{
    struct bench_records records;
    bool done = bench_records_init(&records, point->batch, point->bytes) || failed(why, "records", ENOMEM);
    for (uint64_t left = point->entries; done && left > 0;) {
        const uint32_t part = left < point->batch ? (uint32_t)left : point->batch;
        struct dgraft_storage_write write;
        bench_records_next(&records, part, &write);
        done = dgraft_storage_prepare(storage, &write) == DGRAFT_OK || failed(why, "a batch is refused", EINVAL);
        if (done) {
            dgraft_storage_perform(storage);
            done = dgraft_storage_complete(storage, why) == DGRAFT_OK;
        }
        left -= part;
    }
    bench_records_free(&records);
    return done;
}

bool bench_open_prepare(const char *path, const struct bench_open_point *point, struct dgraft_why *why)
{
    struct dgraft_fs_ops ops = *dgraft_fs_posix()->ops;
    struct dgraft_fs fs = {.ops = &ops};
    const struct dgraft_identity identity = {
        .cluster = STORE_NUMBER, .store = STORE_NUMBER, .node = MEASURED_NODE, .cluster_name = "bench"};
    const struct dgraft_storage_options options = {.segment_bytes = 0};
    struct dgraft_storage *storage = NULL;
    struct dgraft_why unheard;
    ops.sync = no_sync; /* it is read only when all of it is written */
    if (dgraft_storage_format(&fs, path, &identity, NULL, 0, why) != DGRAFT_OK ||
        dgraft_storage_open(&fs, path, &options, &storage, why) != DGRAFT_OK) {
        return false;
    }
    const bool filled = fill_log(storage, point, why);
    const bool done = dgraft_storage_close(storage, filled ? why : &unheard) == DGRAFT_OK && filled;
    const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0) {
        (void)syncfs(directory); /* what is still to be written must not disturb what is measured */
        (void)close(directory);
    }
    return done;
}

/* Returns the bytes of the log's files, read and written to where nothing is kept; 0 when one cannot be. */
static uint64_t cat(const char *path)
{
    uint8_t *bytes = malloc(CAT_BYTES);
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    uint64_t all = 0;
    bool good = bytes != NULL && nowhere >= 0;
    for (uint64_t sequence = 1; good; sequence++) {
        char name[BENCH_PATH_MAX];
        (void)snprintf(name, sizeof name, "%.480s/log-%016" PRIu64, path, sequence);
        const int file = open(name, O_RDONLY | O_CLOEXEC);
        if (file < 0) {
            break; /* behind the last */
        }
        ssize_t got = 1;
        while (good && got > 0) {
            got = read(file, bytes, CAT_BYTES);
            good = got >= 0 && write(nowhere, bytes, (size_t)got) == got;
            all += got > 0 ? (uint64_t)got : 0;
        }
        (void)close(file);
    }
    if (nowhere >= 0) {
        (void)close(nowhere);
    }
    free(bytes);
    return good ? all : 0;
}

/* Has the kernel forget the largest resident set. */
static void forget_peak(void)
{
    const int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
        (void)!write(file, "5", 1);
        (void)close(file);
    }
}

/* Returns a line's number of /proc/self/status, in bytes; 0 when there is none. */
static uint64_t memory_of(const char *name)
{
    char line[128];
    uint64_t bytes = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            bytes = strtoull(line + strlen(name), NULL, 10) * KIB;
        }
    }
    if (status != NULL) {
        (void)fclose(status);
    }
    return bytes;
}

static uint64_t heap_bytes(void)
{
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static uint64_t more(uint64_t after, uint64_t before)
{
    return after > before ? after - before : 0;
}

bool bench_open_measure(const char *path, const struct bench_open_point *point, struct bench_open_sample *sample,
                        struct dgraft_why *why)
{
    const struct dgraft_storage_options options = {.segment_bytes = 0};
    struct dgraft_storage *storage = NULL;
    struct dgraft_found found;
    const uint64_t cat_begun = bench_now_ns();
    sample->file_bytes = cat(path);
    sample->cat_ns = bench_now_ns() - cat_begun;
    if (sample->file_bytes == 0) {
        return failed(why, "the log's files cannot be read", errno);
    }
    (void)malloc_trim(0); /* what was freed before must not hide what is taken now */
    forget_peak();
    const uint64_t heap_before = heap_bytes();
    const uint64_t resident_before = memory_of("VmRSS:");
    const uint64_t open_begun = bench_now_ns();
    if (dgraft_storage_open(dgraft_fs_posix(), path, &options, &storage, why) != DGRAFT_OK) {
        return false;
    }
    sample->open_ns = bench_now_ns() - open_begun;
    sample->heap_bytes = more(heap_bytes(), heap_before);
    sample->peak_bytes = more(memory_of("VmHWM:"), resident_before);
    dgraft_storage_found(storage, &found);
    const bool whole = found.last.index == point->entries;
    dgraft_storage_abandon(storage);
    return whole || failed(why, "the log that was opened is not the one that was written", EIO);
}
