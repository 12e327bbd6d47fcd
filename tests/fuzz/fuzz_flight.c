/* A flight record of any bytes: a sentence, and no crash. No fuzzer finds a sum that fits, so all of them are made
 * here. The first byte says how the rest is taken:
 *
 *   0   {place u16, value} of bytes in the headers of a sound record that are changed
 *   1   records {length u16, body} behind sound headers and a sound image: what the reader takes reaches a core
 *   2   {length u16, image of a core}, then records as above, whose events that core is stepped with
 */
#include "flight_codec.h"
#include "flight_format.h"
#include "flight_small.h"

#include <dgraft/flight.h>
#include <dgraft/record.h>

#include <memory_fs.h>

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define BLOCK_BYTES 16384u
#define FILE_BYTES  (FLIGHT_HEADER_BYTES + 2 * BLOCK_BYTES)
#define BLOCK_AT    (FLIGHT_HEADER_BYTES + BLOCK_BYTES) /* of number 1 */
#define PATH        "node/flight"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

static void replay(const uint8_t *file)
{
    struct memory_fs *memory = memory_fs_new();
    const struct dgraft_flight_visitor visitor = {.stepped = on_stepped};
    struct dgraft_flight_summary summary;
    struct dgraft_why why = {""};
    memory_fs_put(memory, "node", PATH, file, FILE_BYTES);
    const enum dgraft_status status =
        dgraft_flight_replay(memory_fs_seam(memory), PATH, UINT64_MAX, &visitor, &summary, &why);
    require(status == DGRAFT_OK || why.text[0] != '\0');
    require(status != DGRAFT_OK || summary.end < DGRAFT_FLIGHT_DIFFERENCE || summary.text[0] != '\0');
    memory_fs_free(memory);
}

/* Takes the next body of the input; NULL at its end. */
static const uint8_t *next_body(const uint8_t **data, size_t *size, size_t *length)
{
    if (*size <= 2) {
        return NULL;
    }
    const uint8_t *body = *data + 2;
    *length = dgraft_get_u16(*data);
    *length = *length < *size - 2 ? *length : *size - 2;
    *data = body + *length;
    *size -= 2 + *length;
    return *length == 0 ? NULL : body;
}

/* Frames what the input holds as records behind `at`. */
static uint8_t *put_records(uint8_t *at, const uint8_t *block, const uint8_t *data, size_t size)
{
    const uint8_t *body = NULL;
    size_t length = 0;
    while ((body = next_body(&data, &size, &length)) != NULL &&
           (size_t)(block + BLOCK_BYTES - at) >= length + FLIGHT_RECORD_OVERHEAD_MAX + 4) {
        memcpy(at + FLIGHT_RECORD_OVERHEAD_MAX, body, length);
        at = dgraft_flight_record_seal(at, length, block, 1);
    }
    return at;
}

/* A record of one block. */
static uint8_t *make_file(const uint8_t *data, size_t size)
{
    const struct flight_header header = {.block_bytes = BLOCK_BYTES, .block_count = 4, .node = 1};
    struct flight_block_header block_header = {
        .state = FLIGHT_BLOCK_OPEN, .number = 1, .start = 1, .first = 1, .fingerprint = dgraft_flight_fingerprint()};
    uint8_t *file = calloc(1, FILE_BYTES);
    flight_small_config(&block_header.config);
    const size_t core_bytes = dgraft_core_size(&block_header.config);
    void *core = malloc(core_bytes);
    require(file != NULL && core != NULL);
    uint8_t *block = file + BLOCK_AT;
    (void)dgraft_core_init(core, &block_header.config);
    block_header.core_bytes = core_bytes;
    block_header.state_hash = dgraft_flight_state_hash(core, core_bytes);
    block_header.image_bytes = (uint32_t)dgraft_flight_image_encode(core, core_bytes, block + FLIGHT_BLOCK_HEADER_BYTES,
                                                                    flight_image_bytes_max(core_bytes));
    free(core);
    uint8_t *end = put_records(block + flight_records_begin(block_header.image_bytes), block, data, size);
    block_header.used = (uint32_t)(end - block);
    dgraft_flight_header_encode(&header, file);
    dgraft_flight_block_encode(&block_header, block);
    return file;
}

static void as_records(const uint8_t *data, size_t size)
{
    uint8_t *file = make_file(data, size);
    replay(file);
    free(file);
}

static void seal(uint8_t *header, size_t header_bytes)
{
    dgraft_put_u64(header + 8, XXH3_64bits_withSeed(header + 16, header_bytes - 16, dgraft_get_u64(header)));
}

static void as_headers(const uint8_t *data, size_t size)
{
    uint8_t *file = make_file(NULL, 0);
    for (; size >= 3; data += 3, size -= 3) {
        const size_t place = dgraft_get_u16(data) % (64 + FLIGHT_BLOCK_HEADER_BYTES);
        file[place < 64 ? place : BLOCK_AT + place - 64] = data[2];
    }
    seal(file, FLIGHT_HEADER_BYTES);
    seal(file + BLOCK_AT, FLIGHT_BLOCK_HEADER_BYTES);
    replay(file);
    free(file);
}

static sigjmp_buf stopped;

static void on_abort(int number)
{
    (void)number;
    siglongjmp(stopped, 1);
}

/* A core in a state that no core comes to may stop at an assertion of its own, and must not do worse. */
static void step_all(struct dgraft_core *core, struct dgraft_actions *actions, const uint8_t *data, size_t size)
{
    static struct flight_decoded decoded;
    const uint8_t *body = NULL;
    size_t length = 0;
    dgraft_time_ns now_ns = 0;
    while ((body = next_body(&data, &size, &length)) != NULL && dgraft_core_check(core) == NULL) {
        if (length < 2 || dgraft_flight_decode(body + 1, length - 1, now_ns, &decoded) != DGRAFT_OK) {
            continue;
        }
        now_ns = decoded.event.now_ns;
        if (sigsetjmp(stopped, 1) != 0) {
            return;
        }
        (void)dgraft_step(core, &decoded.event, actions);
        if (actions->count > actions->capacity) {
            __builtin_trap();
        }
    }
}

static void as_image(const uint8_t *data, size_t size)
{
    struct dgraft_config config;
    struct sigaction before;
    struct sigaction action = {.sa_handler = on_abort};
    flight_small_config(&config);
    const size_t core_bytes = dgraft_core_size(&config);
    const size_t image_bytes = size < 2 ? 0 : dgraft_get_u16(data);
    void *memory = malloc(core_bytes);
    void *actions_memory = calloc(1, dgraft_actions_size(&config));
    require(memory != NULL && actions_memory != NULL);
    if (size >= 2 && image_bytes <= size - 2 && dgraft_flight_image_decode(data + 2, image_bytes, memory, core_bytes)) {
        struct dgraft_core *core = dgraft_core_adopt(memory, &config);
        struct dgraft_core_status status;
        if (core != NULL) {
            dgraft_core_status(core, &status);
            require(sigaction(SIGABRT, &action, &before) == 0);
            step_all(core, dgraft_actions_init(actions_memory, &config), data + 2 + image_bytes,
                     size - 2 - image_bytes);
            require(sigaction(SIGABRT, &before, NULL) == 0);
        }
    }
    free(memory);
    free(actions_memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    switch (data[0] % 3) {
    case 0:
        as_headers(data + 1, size - 1);
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
