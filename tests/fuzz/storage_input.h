/* A node's directory from a fuzzer's bytes: patches over files of zeros, or over a directory of storage_scenes.h, so
 * that small inputs say much.
 *
 *   input = flags u8, [scene u8,] then patches {file u8, offset u24, size u16, bytes}     (little-endian)
 *
 * File 0 is `state`, 1 to 6 are segments. A size of 65535 cuts the file at the offset, 65534 takes it away. Bit 0 of
 * flags: checksums are made right afterwards, so that what lies behind them is reached. Bit 1: `state` is left out.
 * Bit 2: the patches go over scene number `scene`. The other bits are the target's.
 */
#ifndef STORAGE_INPUT_H
#define STORAGE_INPUT_H

#include "memory_fs.h"

enum { STORAGE_INPUT_FILES = 7, STORAGE_INPUT_FILE_BYTES = 65536 };
enum { STORAGE_INPUT_FIX = 1, STORAGE_INPUT_STATELESS = 2, STORAGE_INPUT_SCENE = 4 };

/* The same file system each time: valid until the next call. */
struct memory_fs *storage_input(const uint8_t *bytes, size_t size);

/* The name of a file under "node/". */
void storage_input_path(int file, char path[64]);

/* Makes every checksum in a segment right, for the place it is at. */
void storage_input_fix(uint8_t *bytes, size_t size, uint64_t store, uint64_t sequence);

#endif
