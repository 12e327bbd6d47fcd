/* Writes the seeds of the storage fuzzers to the directory named: make_corpus_storage tests/fuzz/corpus. They come from
 * the directories of storage_scenes.h.
 */
#include "storage_input.h"
#include "storage_scenes.h"

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

/* The first payload of the second segment becomes text that would clear a screen. */
static void put_text(void)
{
    static const char text[] = "a\x1b[2Jtext";
    const size_t at = DGRAFT_BLOCK_BYTES + DGRAFT_BATCH_HEADER_BYTES + DGRAFT_RECORD_HEADER_BYTES;
    const uint8_t head[8] = {STORAGE_INPUT_FIX | STORAGE_INPUT_SCENE,
                             STORAGE_SCENES - 1,
                             2,
                             (uint8_t)at,
                             (uint8_t)(at >> 8),
                             0,
                             sizeof text - 1,
                             0};
    FILE *out = create("report", "text");
    (void)fwrite(head, 1, sizeof head, out);
    (void)fwrite(text, 1, sizeof text - 1, out);
    (void)fclose(out);
}

/* Writes the number of one directory as a seed of what works on directories, its state as one of state, its second
 * segment as one of batch. The first two directories are written as patches too: what is built from nothing. */
static void put_seed(void *context, struct memory_fs *memory, const char *name)
{
    static const char *const targets[] = {"recovery", "inspect", "report"};
    int *number = context;
    for (size_t i = 0; i < 3; i++) {
        FILE *out = create(targets[i], name);
        const int fix = i == 0 || *number % 2 == 0 ? STORAGE_INPUT_FIX : 0;
        (void)fputc(*number < 2 ? fix : fix | STORAGE_INPUT_SCENE, out);
        for (int file = 0; *number < 2 && file < STORAGE_INPUT_FILES; file++) {
            char path[64];
            uint64_t size;
            storage_input_path(file, path);
            const uint8_t *bytes = memory_fs_bytes(memory, path, &size);
            if (bytes != NULL) {
                put_patches(out, file, bytes, (size_t)size);
            }
        }
        if (*number >= 2) {
            (void)fputc(*number, out);
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
    (*number)++;
}

int main(int count, char **arguments)
{
    int number = 0;
    if (count != 2) {
        (void)fprintf(stderr, "usage: make_corpus_storage DIRECTORY\n");
        return 2;
    }
    top = arguments[1];
    storage_scenes(put_seed, &number);
    put_text();
    return 0;
}
