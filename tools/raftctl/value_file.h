/* Values that come from files. */
#ifndef RAFTCTL_VALUE_FILE_H
#define RAFTCTL_VALUE_FILE_H

#include <stddef.h>
#include <stdint.h>

enum value_file_result {
    VALUE_FILE_OK = 1,
    VALUE_FILE_TOO_LARGE = 2, /* than a value may be */
    VALUE_FILE_ERROR = 3      /* errno says which */
};

/* Reads what is left of an open file behind the request's head and key, into one new buffer of the caller's. The file's
 * kind does not matter; `expected` bytes are a guess. */
enum value_file_result value_file_read(int descriptor, const char *key, size_t expected, uint8_t **payload,
                                       size_t *payload_bytes);

/* Compares a file with a value. Returns -1 when they are the same; otherwise the place of the first byte that differs,
 * or at which one of them ends. On an error -2, and errno. */
int64_t value_file_compare(int descriptor, const uint8_t *value, size_t value_bytes);

#endif
