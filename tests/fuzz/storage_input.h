/* A node's directory from a fuzzer's bytes: patches over files of zeros, so that small inputs say much.
 *
 *   input = flags u8, then patches {file u8, offset u24, size u16, bytes}     (little-endian)
 *
 * File 0 is `state`, 1 to 6 are segments. Bit 0 of flags: checksums are made right afterwards, so that what lies behind
 * them is reached. Bit 1: `state` is left out.
 */
#ifndef STORAGE_INPUT_H
#define STORAGE_INPUT_H

#include "memory_fs.h"

enum { STORAGE_INPUT_FILES = 7, STORAGE_INPUT_FILE_BYTES = 65536, STORAGE_INPUT_FIX = 1, STORAGE_INPUT_STATELESS = 2 };

struct memory_fs *storage_input(const uint8_t *bytes, size_t size);

/* The name of a file under "node/". */
void storage_input_path(int file, char path[64]);

/* Makes every checksum in a segment right, for the place it is at. */
void storage_input_fix(uint8_t *bytes, size_t size, uint64_t store, uint64_t sequence);

#endif
