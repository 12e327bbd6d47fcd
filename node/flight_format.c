#include "flight_format.h"

#include "flight_codec.h"

#include <dgraft/record.h>

#include <assert.h>
#include <string.h>
#include <xxhash.h>

#define MAGIC       0x6c666764u /* "dgfl" */
#define BLOCK_MAGIC 0x62666764u /* "dgfb" */

enum { AT_VERSION = 4, AT_SUM = 8, AT_BLOCK_BYTES = 16, AT_BLOCK_COUNT = 20, AT_CLUSTER = 24, AT_NODE = 32 };

/* Of a block. */
enum {
    AT_STATE = 4,
    AT_NUMBER = 16,
    AT_START = 24,
    AT_FIRST = 32,
    AT_LOST = 40,
    AT_NOW = 48,
    AT_CHAIN = 56,
    AT_STATE_HASH = 64,
    AT_FINGERPRINT = 72,
    AT_WALL_CLOCK = 80,
    AT_CORE_BYTES = 88,
    AT_IMAGE_BYTES = 96,
    AT_USED = 100,
    AT_LIBRARY = 104,
    AT_CONFIG_COUNT = 128,
    AT_CONFIG = 136
};

_Static_assert(AT_CONFIG + 8 * FLIGHT_CONFIG_FIELDS_MAX <= FLIGHT_BLOCK_HEADER_BYTES,
               "the header has room for a config");

static uint64_t sum_of(const uint8_t *bytes, size_t size)
{
    return XXH3_64bits_withSeed(bytes + AT_SUM + 8, size - AT_SUM - 8, dgraft_get_u64(bytes));
}

void dgraft_flight_header_encode(const struct flight_header *header, uint8_t out[FLIGHT_HEADER_BYTES])
{
    memset(out, 0, FLIGHT_HEADER_BYTES);
    dgraft_put_u32(out, MAGIC);
    dgraft_put_u16(out + AT_VERSION, FLIGHT_VERSION);
    dgraft_put_u32(out + AT_BLOCK_BYTES, header->block_bytes);
    dgraft_put_u32(out + AT_BLOCK_COUNT, header->block_count);
    dgraft_put_u64(out + AT_CLUSTER, header->cluster);
    dgraft_put_u32(out + AT_NODE, header->node);
    dgraft_put_u64(out + AT_SUM, sum_of(out, FLIGHT_HEADER_BYTES));
}

enum dgraft_status dgraft_flight_header_decode(const uint8_t bytes[FLIGHT_HEADER_BYTES], struct flight_header *out)
{
    if (dgraft_get_u32(bytes) != MAGIC) {
        return DGRAFT_STATUS_FOREIGN;
    }
    if (dgraft_get_u64(bytes + AT_SUM) != sum_of(bytes, FLIGHT_HEADER_BYTES)) {
        return DGRAFT_STATUS_DAMAGED;
    }
    if (dgraft_get_u16(bytes + AT_VERSION) != FLIGHT_VERSION) {
        return DGRAFT_STATUS_TOO_NEW;
    }
    *out = (struct flight_header){.block_bytes = dgraft_get_u32(bytes + AT_BLOCK_BYTES),
                                  .block_count = dgraft_get_u32(bytes + AT_BLOCK_COUNT),
                                  .cluster = dgraft_get_u64(bytes + AT_CLUSTER),
                                  .node = dgraft_get_u32(bytes + AT_NODE)};
    if (out->block_bytes < 2 * FLIGHT_BLOCK_HEADER_BYTES || out->block_bytes > FLIGHT_BLOCK_BYTES_MAX ||
        out->block_bytes % 8 != 0 || out->block_count < FLIGHT_BLOCKS_LEAST || out->block_count > FLIGHT_BLOCKS_MOST) {
        return DGRAFT_STATUS_DAMAGED;
    }
    return DGRAFT_OK;
}

void dgraft_flight_block_update(uint8_t bytes[FLIGHT_BLOCK_HEADER_BYTES], enum flight_block_state state, uint32_t used)
{
    dgraft_put_u32(bytes + AT_STATE, (uint32_t)state);
    dgraft_put_u32(bytes + AT_USED, used);
    dgraft_put_u64(bytes + AT_SUM, sum_of(bytes, FLIGHT_BLOCK_HEADER_BYTES));
}

void dgraft_flight_block_encode(const struct flight_block_header *header, uint8_t out[FLIGHT_BLOCK_HEADER_BYTES])
{
    const struct flight_layout *layout = dgraft_flight_config_layout();
    uint64_t values[FLIGHT_CONFIG_FIELDS_MAX];
    memset(out, 0, FLIGHT_BLOCK_HEADER_BYTES);
    dgraft_put_u32(out, BLOCK_MAGIC);
    dgraft_put_u64(out + AT_NUMBER, header->number);
    dgraft_put_u64(out + AT_START, header->start);
    dgraft_put_u64(out + AT_FIRST, header->first);
    dgraft_put_u64(out + AT_LOST, header->lost);
    dgraft_put_u64(out + AT_NOW, header->now_ns);
    dgraft_put_u64(out + AT_CHAIN, header->chain);
    dgraft_put_u64(out + AT_STATE_HASH, header->state_hash);
    dgraft_put_u64(out + AT_FINGERPRINT, header->fingerprint);
    dgraft_put_u64(out + AT_WALL_CLOCK, header->wall_clock_ns);
    dgraft_put_u64(out + AT_CORE_BYTES, header->core_bytes);
    dgraft_put_u32(out + AT_IMAGE_BYTES, header->image_bytes);
    memcpy(out + AT_LIBRARY, header->version, FLIGHT_LIBRARY_BYTES - 1);
    dgraft_flight_fields_get(layout, &header->config, values);
    dgraft_put_u32(out + AT_CONFIG_COUNT, layout->count);
    for (uint32_t i = 0; i < layout->count; i++) {
        dgraft_put_u64(out + AT_CONFIG + (size_t)8 * i, values[i]);
    }
    dgraft_flight_block_update(out, header->state, header->used);
}

bool dgraft_flight_block_decode(const uint8_t bytes[FLIGHT_BLOCK_HEADER_BYTES], uint32_t block_bytes,
                                struct flight_block_header *out)
{
    const struct flight_layout *layout = dgraft_flight_config_layout();
    uint64_t values[FLIGHT_CONFIG_FIELDS_MAX] = {0};
    const uint32_t state = dgraft_get_u32(bytes + AT_STATE);
    const uint32_t count = dgraft_get_u32(bytes + AT_CONFIG_COUNT);
    if (dgraft_get_u32(bytes) != BLOCK_MAGIC ||
        dgraft_get_u64(bytes + AT_SUM) != sum_of(bytes, FLIGHT_BLOCK_HEADER_BYTES) ||
        count > FLIGHT_CONFIG_FIELDS_MAX || (state != FLIGHT_BLOCK_OPEN && state != FLIGHT_BLOCK_FULL)) {
        return false;
    }
    *out = (struct flight_block_header){.state = (enum flight_block_state)state,
                                        .number = dgraft_get_u64(bytes + AT_NUMBER),
                                        .start = dgraft_get_u64(bytes + AT_START),
                                        .first = dgraft_get_u64(bytes + AT_FIRST),
                                        .lost = dgraft_get_u64(bytes + AT_LOST),
                                        .now_ns = dgraft_get_u64(bytes + AT_NOW),
                                        .chain = dgraft_get_u64(bytes + AT_CHAIN),
                                        .state_hash = dgraft_get_u64(bytes + AT_STATE_HASH),
                                        .fingerprint = dgraft_get_u64(bytes + AT_FINGERPRINT),
                                        .wall_clock_ns = dgraft_get_u64(bytes + AT_WALL_CLOCK),
                                        .core_bytes = dgraft_get_u64(bytes + AT_CORE_BYTES),
                                        .image_bytes = dgraft_get_u32(bytes + AT_IMAGE_BYTES),
                                        .used = dgraft_get_u32(bytes + AT_USED)};
    memcpy(out->version, bytes + AT_LIBRARY, FLIGHT_LIBRARY_BYTES - 1);
    for (uint32_t i = 0; i < count; i++) {
        values[i] = dgraft_get_u64(bytes + AT_CONFIG + (size_t)8 * i);
    }
    return dgraft_flight_fields_set(layout, values, &out->config) && out->number != 0 && out->start != 0 &&
           out->image_bytes <= block_bytes - FLIGHT_BLOCK_HEADER_BYTES - 8 && out->used >= FLIGHT_BLOCK_HEADER_BYTES &&
           out->used <= block_bytes;
}

static uint32_t record_sum(const uint8_t *body, size_t body_bytes, size_t place, uint64_t number)
{
    /* Not by XXH3's seed, which is slow beyond 240 bytes. */
    return (uint32_t)XXH3_64bits(body, body_bytes) + (uint32_t)number * 0x9e3779b1u + (uint32_t)place * 0x85ebca77u;
}

uint8_t *dgraft_flight_record_seal(uint8_t *at, size_t body_bytes, const uint8_t *block, uint64_t number)
{
    uint8_t *body = at + FLIGHT_RECORD_OVERHEAD_MAX;
    uint8_t *begin = dgraft_flight_put(at, at + FLIGHT_RECORD_OVERHEAD_MAX, body_bytes);
    assert(begin != NULL && body_bytes > 0);
    const uint32_t sum = record_sum(body, body_bytes, (size_t)(at - block), number);
    memmove(begin, body, body_bytes);
    dgraft_put_u32(begin + body_bytes, sum);
    return begin + body_bytes + 4;
}

const uint8_t *dgraft_flight_record_open(const uint8_t **at, const uint8_t *end, const uint8_t *block, uint64_t number,
                                         size_t *body_bytes)
{
    uint64_t length = 0;
    const uint8_t *body = dgraft_flight_take(*at, end, &length);
    if (body == NULL || length == 0 || end - body < 4 || length > (uint64_t)(end - body) - 4 ||
        dgraft_get_u32(body + length) != record_sum(body, (size_t)length, (size_t)(*at - block), number)) {
        return NULL;
    }
    *at = body + length + 4;
    *body_bytes = (size_t)length;
    return body;
}
