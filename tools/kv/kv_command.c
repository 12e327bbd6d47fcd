#include "kv_command.h"

#include <dgraft/record.h>

#include <stdbool.h>

const char *kv_request_parse(uint32_t kind, const uint8_t *payload, size_t size, struct kv_command *out)
{
    if (kind != KV_PUT && kind != KV_GET && kind != KV_DELETE) {
        return "a request of a kind that this server does not know: is the client newer?";
    }
    if (size < KV_KEY_HEAD_BYTES || dgraft_get_u32(payload + 4) != 0) {
        return "a request that does not begin with the length of its key";
    }
    uint32_t key_bytes = dgraft_get_u32(payload);
    if (key_bytes == 0) {
        return "a key must have at least 1 byte";
    }
    if (key_bytes > KV_KEY_BYTES_MAX) {
        return "a key may have at most 4096 bytes";
    }
    size_t rest = size - KV_KEY_HEAD_BYTES;
    if (key_bytes > rest) {
        return "a request that ends before its key does";
    }
    rest -= key_bytes;
    if (kind != KV_PUT && rest != 0) {
        return "a request with bytes behind its key";
    }
    if (rest > KV_VALUE_BYTES_MAX) {
        return "a value may have at most 1048576 bytes (1 MiB)";
    }
    out->client = 0;
    out->sequence = 0;
    out->key = payload + KV_KEY_HEAD_BYTES;
    out->key_bytes = key_bytes;
    out->value = kind == KV_PUT ? out->key + key_bytes : NULL;
    out->value_bytes = (uint32_t)rest;
    return NULL;
}

const char *kv_command_parse(uint16_t tag, const uint8_t *payload, size_t size, struct kv_command *out)
{
    if (tag != KV_PUT && tag != KV_DELETE) {
        return "a command with a tag that is neither PUT nor DELETE";
    }
    if (size < KV_COMMAND_HEAD_BYTES) {
        return "a command without its client and sequence";
    }
    const char *wrong = kv_request_parse(tag, payload + KV_COMMAND_HEAD_BYTES, size - KV_COMMAND_HEAD_BYTES, out);
    if (wrong == NULL) {
        out->client = dgraft_get_u64(payload);
        out->sequence = dgraft_get_u64(payload + 8);
    }
    return wrong;
}

void kv_command_head(uint64_t client, uint64_t sequence, uint8_t out[KV_COMMAND_HEAD_BYTES])
{
    dgraft_put_u64(out, client);
    dgraft_put_u64(out + 8, sequence);
}
