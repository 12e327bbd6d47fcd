/* A flight record of any bytes: a sentence, and no crash. The first byte says how the rest is taken:
 *
 *   0   as the file
 *   1   as records {length u16, body} behind sound headers and a sound image, each with its right sum: every body that
 * the reader takes reaches a core 2   as the image of a core, by itself
 */
#include "flight_codec.h"
#include "flight_format.h"

#include <dgraft/flight.h>
#include <dgraft/record.h>

#include <memory_fs.h>

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 16384u
#define PATH        "node/flight"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void small_config(struct dgraft_config *config)
{
    dgraft_config_defaults(config, 1);
    config->members_max = 3;
    config->runs_max = 8;
    config->inflight_max = 4;
    config->reads_max = 4;
}

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void on_stepped(void *context, uint64_t number, const struct dgraft_event *event,
                       const struct dgraft_actions *actions)
{
    (void)context;
    require(number > 0 && event->kind != 0 && actions->count <= actions->capacity);
}

static void replay(const uint8_t *file, size_t size)
{
    struct memory_fs *memory = memory_fs_new();
    const struct dgraft_flight_visitor visitor = {.stepped = on_stepped};
    struct dgraft_flight_summary summary;
    struct dgraft_why why = {""};
    memory_fs_put(memory, "node", PATH, file, size);
    const enum dgraft_status status =
        dgraft_flight_replay(memory_fs_seam(memory), PATH, UINT64_MAX, &visitor, &summary, &why);
    require(status == DGRAFT_OK || why.text[0] != '\0');
    require(status != DGRAFT_OK || summary.end < DGRAFT_FLIGHT_DIFFERENCE || summary.text[0] != '\0');
    memory_fs_free(memory);
}

/* Frames what the input holds as records behind `at`. */
static uint8_t *put_records(uint8_t *at, const uint8_t *block, const uint8_t *data, size_t size)
{
    while (size > 2) {
        size_t length = dgraft_get_u16(data);
        data += 2;
        size -= 2;
        length = length < size ? length : size;
        if (length == 0 || (size_t)(block + BLOCK_BYTES - at) < length + FLIGHT_RECORD_OVERHEAD_MAX + 4) {
            break;
        }
        memcpy(at + FLIGHT_RECORD_OVERHEAD_MAX, data, length);
        at = dgraft_flight_record_seal(at, length, block, 1);
        data += length;
        size -= length;
    }
    return at;
}

static void as_records(const uint8_t *data, size_t size)
{
    struct flight_header header = {.block_bytes = BLOCK_BYTES, .block_count = 4, .node = 1};
    struct flight_block_header block_header = {
        .state = FLIGHT_BLOCK_OPEN, .number = 1, .start = 1, .first = 1, .fingerprint = dgraft_flight_fingerprint()};
    const size_t file_bytes = FLIGHT_HEADER_BYTES + (size_t)2 * BLOCK_BYTES;
    uint8_t *file = calloc(1, file_bytes);
    require(file != NULL);
    uint8_t *block = file + FLIGHT_HEADER_BYTES + BLOCK_BYTES;
    small_config(&block_header.config);
    const size_t core_bytes = dgraft_core_size(&block_header.config);
    void *core = dgraft_core_init(malloc(core_bytes), &block_header.config);
    block_header.core_bytes = core_bytes;
    block_header.state_hash = dgraft_flight_state_hash(core, core_bytes);
    block_header.image_bytes = (uint32_t)dgraft_flight_image_encode(core, core_bytes, block + FLIGHT_BLOCK_HEADER_BYTES,
                                                                    flight_image_bytes_max(core_bytes));
    free(core);
    uint8_t *end = put_records(block + flight_records_begin(block_header.image_bytes), block, data, size);
    block_header.used = (uint32_t)(end - block);
    dgraft_flight_header_encode(&header, file);
    dgraft_flight_block_encode(&block_header, block);
    replay(file, file_bytes);
    free(file);
}

static void as_image(const uint8_t *data, size_t size)
{
    struct dgraft_config config;
    small_config(&config);
    const size_t core_bytes = dgraft_core_size(&config);
    void *memory = malloc(core_bytes);
    require(memory != NULL);
    if (dgraft_flight_image_decode(data, size, memory, core_bytes)) {
        struct dgraft_core *core = dgraft_core_adopt(memory, &config);
        struct dgraft_core_status status;
        if (core != NULL) {
            dgraft_core_status(core, &status);
            require(dgraft_core_check(core) == NULL);
        }
    }
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    switch (data[0] % 3) {
    case 0:
        replay(data + 1, size - 1);
        break;
    case 1:
        as_records(data + 1, size - 1);
        break;
    default:
        as_image(data + 1, size - 1);
        break;
    }
    return 0;
}
