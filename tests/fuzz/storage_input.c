#include "storage_input.h"

#include "disk_format.h"
#include "storage_scenes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { BATCH_MAGIC = 0x74626764 /* "dgbt" */, TAKEN_AWAY = 65534 };

void storage_input_path(int file, char path[64])
{
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    dgraft_segment_name((uint64_t)file, name);
    (void)snprintf(path, 64, "node/%s", file == 0 ? "state" : name);
}

static void fix_block(uint8_t *block)
{
    memset(block + 8, 0, 8);
    dgraft_put_u64(block + 8, XXH3_64bits(block, DGRAFT_BLOCK_BYTES));
}

/* Makes the records' own checksums right, as far as one can walk from each to the next. */
static void fix_records(uint8_t *bytes, size_t size, uint32_t count)
{
    size_t at = 0;
    for (uint32_t i = 0; i < count && size - at >= DGRAFT_RECORD_HEADER_BYTES; i++) {
        const uint32_t payload = dgraft_get_u32(bytes + at);
        if (payload > size - at - DGRAFT_RECORD_HEADER_BYTES) {
            return;
        }
        dgraft_put_u32(bytes + at + 32, dgraft_crc32c(0, bytes + at + DGRAFT_RECORD_HEADER_BYTES, payload));
        dgraft_put_u32(bytes + at + 36, dgraft_crc32c(0, bytes + at, 36));
        const size_t whole = dgraft_record_bytes(payload);
        if (whole > size - at) {
            return;
        }
        at += whole;
    }
}

void storage_input_fix(uint8_t *bytes, size_t size, uint64_t store, uint64_t sequence)
{
    uint32_t chain = 0;
    if (size >= DGRAFT_BLOCK_BYTES && memcmp(bytes, "dglg", 4) == 0) {
        chain = dgraft_get_u32(bytes + 48);
        fix_block(bytes);
    }
    for (size_t at = DGRAFT_BLOCK_BYTES; at + DGRAFT_BATCH_HEADER_BYTES <= size; at += 8) {
        uint8_t *header = bytes + at;
        if (dgraft_get_u32(header) != BATCH_MAGIC) { /* no memcmp: each call of it is told to the fuzzer */
            continue;
        }
        const uint64_t length = dgraft_get_u64(header + 8);
        if (length >= DGRAFT_BATCH_HEADER_BYTES && length <= size - at) {
            uint8_t *records = header + DGRAFT_BATCH_HEADER_BYTES;
            const size_t records_size = (size_t)length - DGRAFT_BATCH_HEADER_BYTES;
            fix_records(records, records_size, dgraft_get_u32(header + 48));
            dgraft_put_u32(header + 28, dgraft_crc32c(0, records, records_size));
        }
        dgraft_put_u32(header + 24, chain);
        uint8_t where[24];
        dgraft_put_u64(where, store);
        dgraft_put_u64(where + 8, sequence);
        dgraft_put_u64(where + 16, at);
        chain = dgraft_crc32c(dgraft_crc32c(0, where, sizeof where), header + 8, DGRAFT_BATCH_HEADER_BYTES - 8);
        dgraft_put_u32(header + 4, chain);
    }
}

struct files {
    uint8_t bytes[STORAGE_INPUT_FILES][STORAGE_INPUT_FILE_BYTES];
    size_t sizes[STORAGE_INPUT_FILES];
    bool there[STORAGE_INPUT_FILES];
};

/* The files as they are patched together. What was used is made zero before the next input. */
static struct files files;

static struct files scenes[STORAGE_SCENES];

static void remember(void *context, struct memory_fs *memory, const char *name)
{
    size_t *number = context;
    (void)name;
    for (int i = 0; i < STORAGE_INPUT_FILES; i++) {
        char path[64];
        uint64_t size = 0;
        storage_input_path(i, path);
        const uint8_t *bytes = memory_fs_bytes(memory, path, &size);
        if (bytes != NULL && size <= STORAGE_INPUT_FILE_BYTES) {
            memcpy(scenes[*number].bytes[i], bytes, (size_t)size);
            scenes[*number].sizes[i] = (size_t)size;
            scenes[*number].there[i] = true;
        }
    }
    ++*number;
}

static void begin_with(const struct files *scene)
{
    for (int i = 0; i < STORAGE_INPUT_FILES; i++) {
        memcpy(files.bytes[i], scene->bytes[i], scene->sizes[i]);
        files.sizes[i] = scene->sizes[i];
        files.there[i] = scene->there[i];
    }
}

static void cut(unsigned file, size_t offset)
{
    if (offset < files.sizes[file]) {
        memset(files.bytes[file] + offset, 0, files.sizes[file] - offset);
        files.sizes[file] = offset;
    }
}

static void patch(const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; size - at >= 6;) {
        const unsigned file = bytes[at] % STORAGE_INPUT_FILES;
        const size_t offset =
            (bytes[at + 1] | (size_t)bytes[at + 2] << 8 | (size_t)bytes[at + 3] << 16) % STORAGE_INPUT_FILE_BYTES;
        size_t length = dgraft_get_u16(bytes + at + 4);
        at += 6;
        if (length >= TAKEN_AWAY) {
            cut(file, length == TAKEN_AWAY ? 0 : offset);
            files.there[file] = length != TAKEN_AWAY;
            continue;
        }
        length = length < size - at ? length : size - at;
        const size_t source = at;
        at += length;
        length = length < STORAGE_INPUT_FILE_BYTES - offset ? length : STORAGE_INPUT_FILE_BYTES - offset;
        memcpy(files.bytes[file] + offset, bytes + source, length);
        files.sizes[file] = files.sizes[file] > offset + length ? files.sizes[file] : offset + length;
        files.there[file] = true;
    }
}

/* Makes the checksums of a file right. */
static void fix_file(int file, uint64_t store)
{
    uint8_t *bytes = files.bytes[file];
    if (file > 0) {
        storage_input_fix(bytes, files.sizes[file], store, (uint64_t)file);
        return;
    }
    for (size_t at = 0; at + DGRAFT_BLOCK_BYTES <= files.sizes[0]; at += DGRAFT_BLOCK_BYTES) {
        fix_block(bytes + at);
    }
}

/* Puts the files into the file system, and forgets them. */
static void put_files(struct memory_fs *memory, uint8_t flags)
{
    const uint64_t store = dgraft_get_u64(files.bytes[0] + 48);
    for (int i = 0; i < STORAGE_INPUT_FILES; i++) {
        char path[64];
        storage_input_path(i, path);
        if (files.there[i] && (flags & STORAGE_INPUT_FIX) != 0) {
            fix_file(i, store);
        }
        if (files.there[i] && (i > 0 || (flags & STORAGE_INPUT_STATELESS) == 0)) {
            memory_fs_put(memory, "node", path, files.bytes[i], files.sizes[i]);
        }
        memset(files.bytes[i], 0, files.sizes[i]);
        files.sizes[i] = 0;
        files.there[i] = false;
    }
}

struct memory_fs *storage_input(const uint8_t *bytes, size_t size)
{
    static struct memory_fs *memory;
    static size_t scene_count;
    const uint8_t flags = size > 0 ? bytes[0] : 0;
    size_t at = size > 0 ? 1 : 0;
    if (memory == NULL) {
        memory = memory_fs_new();
        storage_scenes(remember, &scene_count);
    }
    memory_fs_clear(memory);
    memory_fs_put(memory, "node", "node/lock", NULL, 0);
    if ((flags & STORAGE_INPUT_SCENE) != 0 && at < size) {
        begin_with(&scenes[bytes[at++] % STORAGE_SCENES]);
    }
    patch(bytes + at, size - at);
    if ((flags & STORAGE_INPUT_SCENE) == 0 && files.there[0] && files.sizes[0] < DGRAFT_STATE_BYTES) {
        files.sizes[0] = DGRAFT_STATE_BYTES;
    }
    put_files(memory, flags);
    return memory;
}
