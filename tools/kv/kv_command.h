/* Commands of the key-value store as bytes: what clients send and what stands in the log (kv_protocol.h has the
 * layout).
 */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

#include "kv_protocol.h"

#include <stddef.h>
#include <stdint.h>

/* In front of a client's payload when it becomes an entry of the log: client u64, sequence u64. */
#define KV_COMMAND_HEAD_BYTES 16u
/* In front of the key: its length u32, 0 u32. */
#define KV_KEY_HEAD_BYTES 8u

struct kv_command {
    uint64_t client; /* 0 when read from a request */
    uint64_t sequence;
    const uint8_t *key;
    const uint8_t *value; /* NULL unless PUT; may point behind the last byte when value_bytes is 0 */
    uint32_t key_bytes;
    uint32_t value_bytes;
};

/* Reads the payload of a request of this kind (PUT, GET or DELETE). `out` views it. Returns NULL; or, for people, the
 * sentence that says what is wrong, and out is then undefined. */
const char *kv_request_parse(uint32_t kind, const uint8_t *payload, size_t size, struct kv_command *out);

/* The same for an entry of the log, whose tag is the kind (PUT or DELETE). */
const char *kv_command_parse(uint16_t tag, const uint8_t *payload, size_t size, struct kv_command *out);

/* Writes what stands in front of a request's payload in the log. */
void kv_command_head(uint64_t client, uint64_t sequence, uint8_t out[KV_COMMAND_HEAD_BYTES]);

#endif
