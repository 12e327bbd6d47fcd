/* Writes the seeds of the storage fuzzers to the directory named: make_corpus_storage tests/fuzz/corpus. They come from
 * real directories: formatted, written to, truncated, rolled, torn, closed.
 */
#include "storage_input.h"
#include "storage_rig.h"

#include "disk_format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *top;

static FILE *create(const char *target, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s/%s", top, target, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    return file;
}

/* Writes the parts of a file that are not zero as patches; its last byte always, so that it has its size. */
static void put_patches(FILE *out, int number, const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        size_t end = at;
        size_t zeros = 0;
        while (end < size && zeros < 64 && end - at < 60000) {
            zeros = bytes[end] == 0 ? zeros + 1 : 0;
            end++;
        }
        size_t length = end - at - (zeros < end - at ? zeros : end - at);
        if (end == size && length == 0) {
            at = end - 1;
            length = 1;
        }
        if (length > 0) {
            const uint8_t head[6] = {(uint8_t)number,     (uint8_t)at,     (uint8_t)(at >> 8),
                                     (uint8_t)(at >> 16), (uint8_t)length, (uint8_t)(length >> 8)};
            (void)fwrite(head, 1, sizeof head, out);
            (void)fwrite(bytes + at, 1, length, out);
        }
        at = end;
    }
}

/* Writes one directory as a seed of recovery and inspect, its state as one of state, its segments as ones of batch. */
static void put_seed(struct memory_fs *memory, const char *name)
{
    static const char *const targets[] = {"recovery", "inspect"};
    for (size_t i = 0; i < 2; i++) {
        FILE *out = create(targets[i], name);
        (void)fputc(i == 0 ? STORAGE_INPUT_FIX : 0, out);
        for (int file = 0; file < STORAGE_INPUT_FILES; file++) {
            char path[64];
            uint64_t size;
            storage_input_path(file, path);
            const uint8_t *bytes = memory_fs_bytes(memory, path, &size);
            if (bytes != NULL) {
                put_patches(out, file, bytes, (size_t)size);
            }
        }
        (void)fclose(out);
    }
    uint64_t size;
    const uint8_t *state = memory_fs_bytes(memory, "node/state", &size);
    FILE *out = create("state", name);
    (void)fputc(1, out);
    for (size_t i = 0; i < DGRAFT_STATE_SLOTS; i++) {
        (void)fwrite(state + i * DGRAFT_BLOCK_BYTES, 1, 160, out);
    }
    (void)fclose(out);
    const uint8_t *segment = memory_fs_bytes(memory, "node/log-0000000000000002", &size);
    if (segment != NULL) {
        while (size > DGRAFT_BLOCK_BYTES + 8 && segment[size - 1] == 0) {
            size--;
        }
        out = create("batch", name);
        (void)fputc(1, out);
        (void)fwrite(segment + DGRAFT_BLOCK_BYTES, 1, (size_t)size - DGRAFT_BLOCK_BYTES, out);
        (void)fclose(out);
    }
}

static void must(bool holds)
{
    if (!holds) {
        (void)fprintf(stderr, "make_corpus_storage: storage refused\n");
        exit(1);
    }
}

static struct dgraft_storage *opened(struct memory_fs *memory)
{
    static const struct dgraft_storage_options options = {.segment_bytes = 8192, .runs_max = 8};
    struct dgraft_storage *storage;
    must(dgraft_storage_open(memory_fs_seam(memory), "node", &options, &storage, NULL) == DGRAFT_OK);
    return storage;
}

int main(int count, char **arguments)
{
    static const struct rig_write writes[] = {
        {.log = true, .keep = 1, .count = 2, .entry_term = 1, .payload_bytes = 9},
        {.state = true, .term = 2, .vote = 2, .log = true, .keep = 3, .count = 3, .entry_term = 2, .payload_bytes = 40},
        {.log = true, .keep = 4, .count = 0},
        {.log = true, .keep = 4, .count = 2, .entry_term = 2, .payload_bytes = 3, .membership = true},
        {.log = true, .keep = 6, .count = 1, .entry_term = 2, .payload_bytes = 3000},
        {.state = true, .term = 3, .vote = 0},
        {.log = true, .keep = 2, .count = 1, .entry_term = 3, .payload_bytes = 0},
    };
    struct rig_log *log = calloc(1, sizeof *log);
    struct memory_fs *memory = memory_fs_new();
    if (count != 2 || log == NULL) {
        (void)fprintf(stderr, "usage: make_corpus_storage DIRECTORY\n");
        return 2;
    }
    top = arguments[1];
    must(rig_format(memory_fs_seam(memory), log, NULL) == DGRAFT_OK);
    put_seed(memory, "formatted");
    struct dgraft_storage *storage = opened(memory);
    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        char name[32];
        must(rig_do(storage, log, &writes[i]) == DGRAFT_OK);
        rig_apply(log, &writes[i]);
        (void)snprintf(name, sizeof name, "written-%zu", i);
        put_seed(memory, name);
    }
    must(dgraft_storage_close(storage, NULL) == DGRAFT_OK);
    put_seed(memory, "closed");
    storage = opened(memory);
    dgraft_storage_spare(storage);
    dgraft_storage_abandon(storage);
    put_seed(memory, "spare");
    storage = opened(memory);
    must(rig_do(storage, log, &(struct rig_write){.log = true, .keep = log->last, .count = 1, .entry_term = 3}) ==
         DGRAFT_OK);
    dgraft_storage_abandon(storage);
    storage = opened(memory);
    dgraft_storage_abandon(storage);
    put_seed(memory, "rewritten");
    memory_fs_free(memory);
    free(log);
    return 0;
}
