/* Any bytes in any file of any of three nodes' directories: `raftctl verify` finds what it finds, writes nothing,
 * prints nothing that could play with a terminal, and both ways of showing it agree.
 *
 *   input = flags u8, then patches {file u8, offset u16, size u8, bytes}     (little-endian)
 *
 * Patches go over three directories that agree but for a tail, one of which begins behind a snapshot. file: directory
 * times 8 + 0 `state`, 1 to 6 segments, 7 the snapshot. A size of 255 cuts the file at the offset, 254 takes it away.
 * Bit 0 of flags: checksums in segments are made right afterwards. Bit 1: only two directories are named.
 */
#include "printable_stream.h"
#include "replica_rig.h"
#include "storage_input.h"

#include <stdlib.h>
#include <string.h>
#include <verify_view.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DIRECTORIES = 3, FILES = 8, CUT = 255, TAKEN_AWAY = 254, FIX = 1, TWO = 2 };

static const char *const paths[DIRECTORIES] = {"n1", "n2", "n3"};

static void file_path(unsigned file, char path[64])
{
    const char *directory = paths[file / FILES];
    if (file % FILES == 0) {
        (void)snprintf(path, 64, "%s/state", directory);
    } else if (file % FILES == FILES - 1) {
        (void)snprintf(path, 64, "%s/snapshot-%016u-%016u", directory, 4u, 1u);
    } else {
        (void)snprintf(path, 64, "%s/log-%016u", directory, file % FILES);
    }
}

static struct memory_fs *made(void)
{
    static const struct replica_write writes[] = {
        {1, 3, 1, 1, 0}, {4, 2, 1, 4, 0}, {5, 2, 2, 4, 0}, {7, 2, 2, 6, 0}, {9, 1, 2, 9, 0}};
    struct memory_fs *memory = memory_fs_new();
    struct dgraft_fs *fs = memory_fs_seam(memory);
    for (dgraft_node_id node = 1; node <= DIRECTORIES; node++) {
        replica_format(fs, paths[node - 1], node, 77);
        replica_fill(fs, paths[node - 1], writes, node == 3 ? 2 : 5);
    }
    replica_snapshot(fs, paths[0], (struct dgraft_position){4, 1});
    return memory;
}

static void patch(struct memory_fs *memory, const uint8_t *data, size_t size)
{
    for (size_t at = 0; size - at >= 4;) {
        char path[64];
        char directory[64];
        uint64_t bytes_count = 0;
        const size_t offset = dgraft_get_u16(data + at + 1);
        size_t length = data[at + 3];
        file_path(data[at] % (DIRECTORIES * FILES), path);
        (void)snprintf(directory, sizeof(directory), "%.2s", path);
        uint8_t *bytes = memory_fs_bytes(memory, path, &bytes_count);
        at += 4;
        if (length == TAKEN_AWAY) {
            (void)memory_fs_seam(memory)->ops->unlink(memory_fs_seam(memory), path);
            continue;
        }
        if (length == CUT && bytes != NULL && offset < bytes_count) {
            uint8_t *copy = malloc(offset + 1);
            memcpy(copy, bytes, offset);
            memory_fs_put(memory, directory, path, copy, offset);
            free(copy);
            continue;
        }
        length = length < size - at ? length : size - at;
        for (size_t i = 0; i < length && bytes != NULL && offset + i < bytes_count; i++) {
            bytes[offset + i] = data[at + i];
        }
        at += length;
    }
}

static void fix(struct memory_fs *memory)
{
    for (unsigned file = 0; file < DIRECTORIES * FILES; file++) {
        char path[64];
        uint64_t size = 0;
        file_path(file, path);
        uint8_t *bytes = memory_fs_bytes(memory, path, &size);
        if (bytes != NULL && file % FILES != 0 && file % FILES != FILES - 1) {
            storage_input_fix(bytes, size, 0x5700 + file / FILES + 1, file % FILES);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct memory_fs *whole;
    static const struct verify_options options = {.quiet = false};
    whole = whole == NULL ? made() : whole;
    const uint8_t flags = size > 0 ? data[0] : 0;
    struct memory_fs *memory = memory_fs_copy(whole);
    if (size > 1) {
        patch(memory, data + 1, size - 1);
    }
    if ((flags & FIX) != 0) {
        fix(memory);
    }
    const uint64_t before = memory_fs_hash(memory);
    const unsigned count = (flags & TWO) != 0 ? 2 : DIRECTORIES;
    FILE *stream = printable_stream();
    const enum verify_result text = verify_show_text(stream, memory_fs_seam(memory), paths, count, &options);
    if (printable_stream_end(stream) == 0) {
        abort();
    }
    const enum verify_result json = verify_show_json(stream, memory_fs_seam(memory), paths, count, &options);
    if (printable_stream_end(stream) == 0 || text != json || memory_fs_hash(memory) != before) {
        abort();
    }
    memory_fs_free(memory);
    return 0;
}
