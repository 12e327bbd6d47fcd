/* What a log takes of memory does not grow with its entries, but for the sparse index: every allocation is counted
 * while logs of different lengths are opened, and while they are read. (The index doubles: at its worst it holds twice
 * of 40 bytes for each 64 KiB.)
 */
#include <dgraft/storage.h>

#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SHORT_LOG     20000u
#define LONG_LOG      200000u
#define BATCH         100u
#define PAYLOAD_BYTES 128u
#define TERM          1u

static size_t live; /* bytes in use */
static size_t most; /* of these, since it was reset */

/* The linker sends every call of the archives here. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);
char *__wrap_strdup(const char *text);

static void *gained(void *memory)
{
    live += memory != NULL ? malloc_usable_size(memory) : 0;
    most = live > most ? live : most;
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return gained(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return gained(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    const size_t before = memory != NULL ? malloc_usable_size(memory) : 0;
    void *moved = __real_realloc(memory, size);
    if (moved != NULL) {
        (void)gained(moved); /* both are there while it is copied */
        live -= before;
    }
    return moved;
}

void __wrap_free(void *memory)
{
    live -= memory != NULL ? malloc_usable_size(memory) : 0;
    __real_free(memory);
}

char *__wrap_strdup(const char *text)
{
    return gained(__real_strdup(text));
}

static int no_sync(struct dgraft_fs *fs, int file)
{
    (void)fs;
    (void)file;
    return 0;
}

static struct dgraft_fs_ops ops;
static struct dgraft_fs fs = {.ops = &ops};
static const struct dgraft_identity identity = {.cluster = 1, .store = 2, .node = 1, .cluster_name = "memory"};

static void write_batch(struct dgraft_storage *storage, dgraft_index first)
{
    static uint8_t bytes[BATCH][DGRAFT_RECORD_HEADER_BYTES + PAYLOAD_BYTES];
    static struct dgraft_entry entries[BATCH];
    struct dgraft_why why;
    for (uint32_t i = 0; i < BATCH; i++) {
        uint8_t *payload = bytes[i] + DGRAFT_RECORD_HEADER_BYTES;
        entries[i] = (struct dgraft_entry){.index = first + i,
                                           .term = TERM,
                                           .kind = DGRAFT_ENTRY_COMMAND,
                                           .payload_bytes = PAYLOAD_BYTES,
                                           .checksum = dgraft_crc32c(0, payload, PAYLOAD_BYTES)};
        const struct dgraft_record record = {.entry = entries[i]};
        dgraft_record_encode_header(&record, bytes[i]);
    }
    const struct iovec piece = {bytes, sizeof bytes};
    const struct dgraft_storage_write write = {.log = true,
                                               .keep = first - 1,
                                               .first = first,
                                               .count = BATCH,
                                               .last = {first + BATCH - 1, TERM},
                                               .records = &piece,
                                               .record_pieces = 1,
                                               .commit = first - 1,
                                               .entries = entries};
    cr_assert_eq(dgraft_storage_prepare(storage, &write), DGRAFT_OK);
    dgraft_storage_perform(storage);
    cr_assert_eq(dgraft_storage_complete(storage, &why), DGRAFT_OK, "%s", why.text);
}

/* Reads here and there: what is read ahead must not grow with the log, either. */
static void read_some(struct dgraft_storage *storage, dgraft_index last)
{
    static uint8_t bytes[4096];
    struct dgraft_why why;
    for (dgraft_index index = 1; index <= last; index += last / 50) {
        uint32_t count = 0;
        size_t used = 0;
        cr_assert_eq(dgraft_storage_read(storage, index, last, bytes, sizeof bytes, &count, &used, &why), DGRAFT_OK);
        cr_assert_gt(count, 0u);
    }
}

struct held {
    size_t open;   /* bytes that an open log holds more than none */
    size_t most;   /* while it was opened */
    size_t stated; /* what its statistics say of the index */
};

static struct held hold(uint32_t entries)
{
    char base[] = "log-memory-XXXXXX";
    char path[64];
    char command[80];
    const struct dgraft_storage_options options = {.segment_bytes = 0};
    struct dgraft_storage *storage = NULL;
    struct dgraft_storage_stats stats;
    struct dgraft_found found;
    struct dgraft_why why;
    struct held held;
    ops = *dgraft_fs_posix()->ops;
    ops.sync = no_sync;
    cr_assert_not_null(mkdtemp(base));
    (void)snprintf(path, sizeof path, "%s/node", base);
    cr_assert_eq(dgraft_storage_format(&fs, path, &identity, NULL, 0, &why), DGRAFT_OK, "%s", why.text);
    cr_assert_eq(dgraft_storage_open(&fs, path, &options, &storage, &why), DGRAFT_OK, "%s", why.text);
    for (dgraft_index first = 1; first <= entries; first += BATCH) {
        write_batch(storage, first);
    }
    cr_assert_eq(dgraft_storage_close(storage, &why), DGRAFT_OK, "%s", why.text);
    const size_t before = live;
    most = live;
    cr_assert_eq(dgraft_storage_open(&fs, path, &options, &storage, &why), DGRAFT_OK, "%s", why.text);
    held.most = most - before;
    dgraft_storage_found(storage, &found);
    cr_assert_eq(found.last.index, entries);
    read_some(storage, entries);
    held.open = live - before;
    dgraft_storage_stats(storage, &stats);
    held.stated = stats.index_bytes;
    dgraft_storage_abandon(storage);
    cr_assert_eq(live, before, "an open log that is let go leaves %zu bytes", live - before);
    (void)snprintf(command, sizeof command, "rm -r ./%s", base);
    cr_assert_eq(system(command), 0);
    return held;
}

Test(log_memory, of_an_open_log_grows_by_less_than_a_byte_for_an_entry)
{
    const struct held few = hold(SHORT_LOG);
    const struct held many = hold(LONG_LOG);
    const double entries = LONG_LOG - SHORT_LOG;
    const double open = ((double)many.open - (double)few.open) / entries;
    const double peak = ((double)many.most - (double)few.most) / entries;
    /* 168 bytes of record, and 128 for a batch of 100: 386 entries for each 64 KiB, 40 bytes for these, at most twice.
     */
    cr_assert_lt(open, 2 * 40.0 / 386 + 0.05, "%.3f bytes for an entry", open);
    cr_assert_lt(peak, 1.0, "%.3f bytes for an entry while it is opened", peak);
    cr_assert_lt(few.open, 128u * 1024, "a short log takes %zu bytes", few.open);
    cr_assert_geq(many.open, many.stated);
    cr_assert_gt(many.stated, few.stated);
}
