#include "value_file.h"

#include <errno.h>
#include <kv_client.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads until the buffer is full or the file ends. Returns how many bytes; -1 on an error. */
static ssize_t read_full(int descriptor, uint8_t *out, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t part = read(descriptor, out + got, size - got);
        if (part == 0) {
            break;
        }
        if (part < 0 && errno != EINTR) {
            return -1;
        }
        got += part > 0 ? (size_t)part : 0;
    }
    return (ssize_t)got;
}

enum value_file_result value_file_read(int descriptor, const char *key, size_t expected, uint8_t **payload,
                                       size_t *payload_bytes)
{
    size_t head = 8 + strlen(key);
    size_t room = (expected < KV_VALUE_BYTES_MAX ? expected : KV_VALUE_BYTES_MAX) + 1; /* one more shows the end */
    size_t got = 0;
    uint8_t *bytes = NULL;
    for (;;) {
        uint8_t *larger = realloc(bytes, head + room);
        if (larger == NULL) {
            free(bytes);
            errno = ENOMEM;
            return VALUE_FILE_ERROR;
        }
        bytes = larger;
        ssize_t part = read_full(descriptor, bytes + head + got, room - got);
        if (part < 0) {
            free(bytes);
            return VALUE_FILE_ERROR;
        }
        got += (size_t)part;
        if (got < room) {
            break;
        }
        if (got > KV_VALUE_BYTES_MAX) {
            free(bytes);
            return VALUE_FILE_TOO_LARGE;
        }
        room = room < KV_VALUE_BYTES_MAX / 2 ? room * 2 : (size_t)KV_VALUE_BYTES_MAX + 1;
    }
    (void)kv_payload_begin(bytes, key, (uint32_t)strlen(key));
    *payload = bytes;
    *payload_bytes = head + got;
    return VALUE_FILE_OK;
}

int64_t value_file_compare(int descriptor, const uint8_t *value, size_t value_bytes)
{
    uint8_t chunk[16384];
    size_t at = 0;
    for (;;) {
        ssize_t part = read_full(descriptor, chunk, sizeof(chunk));
        if (part < 0) {
            return -2;
        }
        for (size_t i = 0; i < (size_t)part; i++, at++) {
            if (at == value_bytes || chunk[i] != value[at]) {
                return (int64_t)at;
            }
        }
        if ((size_t)part < sizeof(chunk)) {
            return at == value_bytes ? -1 : (int64_t)at;
        }
    }
}
