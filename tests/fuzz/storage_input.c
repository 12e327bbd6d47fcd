#include "storage_input.h"

#include "disk_format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

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
        if (memcmp(header, "dgbt", 4) != 0) {
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
    uint8_t *bytes[STORAGE_INPUT_FILES];
    size_t sizes[STORAGE_INPUT_FILES];
};

static void patch(struct files *files, const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; size - at >= 6;) {
        const unsigned file = bytes[at] % STORAGE_INPUT_FILES;
        const size_t offset =
            (bytes[at + 1] | (size_t)bytes[at + 2] << 8 | (size_t)bytes[at + 3] << 16) % STORAGE_INPUT_FILE_BYTES;
        size_t length = dgraft_get_u16(bytes + at + 4);
        at += 6;
        length = length < size - at ? length : size - at;
        const size_t source = at;
        at += length;
        length = length < STORAGE_INPUT_FILE_BYTES - offset ? length : STORAGE_INPUT_FILE_BYTES - offset;
        if (files->bytes[file] == NULL) {
            files->bytes[file] = calloc(1, STORAGE_INPUT_FILE_BYTES);
        }
        if (files->bytes[file] != NULL && length > 0) {
            memcpy(files->bytes[file] + offset, bytes + source, length);
        }
        files->sizes[file] = files->sizes[file] > offset + length ? files->sizes[file] : offset + length;
    }
}

struct memory_fs *storage_input(const uint8_t *bytes, size_t size)
{
    struct memory_fs *memory = memory_fs_new();
    struct files files = {{NULL}, {0}};
    const uint8_t flags = size > 0 ? bytes[0] : 0;
    if (size > 0) {
        patch(&files, bytes + 1, size - 1);
    }
    const uint64_t store = files.sizes[0] >= 56 ? dgraft_get_u64(files.bytes[0] + 48) : 0;
    memory_fs_put(memory, "node", "node/lock", NULL, 0);
    for (int i = 0; i < STORAGE_INPUT_FILES; i++) {
        char path[64];
        if (files.bytes[i] == NULL) {
            continue;
        }
        if (i == 0) {
            files.sizes[0] = files.sizes[0] < DGRAFT_STATE_BYTES ? DGRAFT_STATE_BYTES : files.sizes[0];
        }
        for (size_t block = 0; i == 0 && block < DGRAFT_STATE_SLOTS && (flags & STORAGE_INPUT_FIX) != 0; block++) {
            fix_block(files.bytes[0] + block * DGRAFT_BLOCK_BYTES);
        }
        if (i > 0 && (flags & STORAGE_INPUT_FIX) != 0) {
            storage_input_fix(files.bytes[i], files.sizes[i], store, (uint64_t)i);
        }
        storage_input_path(i, path);
        if (i > 0 || (flags & STORAGE_INPUT_STATELESS) == 0) {
            memory_fs_put(memory, "node", path, files.bytes[i], files.sizes[i]);
        }
        free(files.bytes[i]);
    }
    return memory;
}
