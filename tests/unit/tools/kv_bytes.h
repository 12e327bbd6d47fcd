/* Requests and commands as bytes, written out byte by byte: what kv_protocol.h says, and not what the code does. */
#ifndef KV_BYTES_H
#define KV_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline size_t kv_bytes_request(uint8_t *out, const void *key, uint32_t key_bytes, const void *value,
                                      uint32_t value_bytes)
{
    for (unsigned i = 0; i < 4; i++) {
        out[i] = (uint8_t)(key_bytes >> (8 * i));
        out[4 + i] = 0;
    }
    if (key_bytes > 0) {
        memcpy(out + 8, key, key_bytes);
    }
    if (value_bytes > 0) {
        memcpy(out + 8 + key_bytes, value, value_bytes);
    }
    return 8 + (size_t)key_bytes + value_bytes;
}

static inline size_t kv_bytes_command(uint8_t *out, uint64_t client, uint64_t sequence, const char *key,
                                      const char *value)
{
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(client >> (8 * i));
        out[8 + i] = (uint8_t)(sequence >> (8 * i));
    }
    return 16 +
           kv_bytes_request(out + 16, key, (uint32_t)strlen(key), value, value == NULL ? 0 : (uint32_t)strlen(value));
}

#endif
