/* make_corpus_flight RECORD BLOCK OUT: seeds for fuzz_flight from block BLOCK of the flight record of a node (one that
 * `raftctl sim --record` keeps): OUT-records has the bodies of its records, up to 4,000 bytes of them, for the fuzzer
 * to frame anew; OUT-image the state that a core of the fuzzer comes to by the first half of them, and then the rest.
 *
 * make_corpus_flight --kinds OUT: one event of every kind and type of message, with small numbers.
 */
#include "flight_codec.h"
#include "flight_format.h"
#include "flight_small.h"

#include <dgraft/message_fields.h>
#include <dgraft/record.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUT_BYTES  4000u
#define KINDS_MAX  64u
#define BODY_BYTES 512u

struct seed {
    uint8_t bytes[OUT_BYTES];
    size_t size;
};

static bool add_body(struct seed *seed, const uint8_t *body, size_t body_bytes)
{
    if (seed->size + 2 + body_bytes > sizeof seed->bytes) {
        return false;
    }
    dgraft_put_u16(seed->bytes + seed->size, (uint16_t)body_bytes);
    memcpy(seed->bytes + seed->size + 2, body, body_bytes);
    seed->size += 2 + body_bytes;
    return true;
}

static bool save(const char *out, const char *suffix, const struct seed *seed)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s%s", out, suffix);
    FILE *file = fopen(path, "wb");
    return file != NULL && fwrite(seed->bytes, 1, seed->size, file) == seed->size && fclose(file) == 0;
}

/* What a core comes to by the first half of the bodies, and the other half. */
static bool image_of(const struct seed *records, struct seed *out)
{
    struct flight_decoded decoded = {.array = {NULL, 0}};
    struct dgraft_config config;
    dgraft_time_ns now_ns = 0;
    flight_small_config(&config);
    struct dgraft_core *core = dgraft_core_init(malloc(dgraft_core_size(&config)), &config);
    struct dgraft_actions *actions = dgraft_actions_init(malloc(dgraft_actions_size(&config)), &config);
    size_t at = 1;
    while (at < records->size / 2) {
        const size_t length = dgraft_get_u16(records->bytes + at);
        const uint8_t *body = records->bytes + at + 2;
        if (body[0] == FLIGHT_RECORD_EVENT &&
            dgraft_flight_decode(body + 1, length - 1, now_ns, &decoded) == DGRAFT_OK) {
            now_ns = decoded.event.now_ns;
            (void)dgraft_step(core, &decoded.event, actions);
        }
        at += 2 + length;
    }
    const size_t image = dgraft_flight_image_encode(core, dgraft_core_size(&config), out->bytes + 3, OUT_BYTES - 3);
    out->bytes[0] = 2;
    dgraft_put_u16(out->bytes + 1, (uint16_t)image);
    out->size = 3 + image;
    const size_t rest = records->size - at < OUT_BYTES - out->size ? records->size - at : OUT_BYTES - out->size;
    memcpy(out->bytes + out->size, records->bytes + at, rest);
    out->size += rest;
    dgraft_flight_decoded_free(&decoded);
    free(core);
    free(actions);
    return image != 0;
}

static bool from_record(const char *record, uint64_t number, const char *out)
{
    static uint8_t file[8u * 1024 * 1024];
    static struct seed records = {.bytes = {1}, .size = 1};
    static struct seed image;
    struct flight_header header;
    struct flight_block_header block_header;
    FILE *in = fopen(record, "rb");
    const size_t size = in == NULL ? 0 : fread(file, 1, sizeof file, in);
    if (size < FLIGHT_HEADER_BYTES || dgraft_flight_header_decode(file, &header) != DGRAFT_OK) {
        return false;
    }
    const uint8_t *block = file + FLIGHT_HEADER_BYTES + number % header.block_count * header.block_bytes;
    if (block + header.block_bytes > file + sizeof file ||
        !dgraft_flight_block_decode(block, header.block_bytes, &block_header)) {
        return false;
    }
    const uint8_t *at = block + flight_records_begin(block_header.image_bytes);
    const uint8_t *body = NULL;
    size_t body_bytes = 0;
    while ((body = dgraft_flight_record_open(&at, block + header.block_bytes, block, block_header.number,
                                             &body_bytes)) != NULL &&
           add_body(&records, body, body_bytes)) {
    }
    return save(out, "-records", &records) && image_of(&records, &image) && save(out, "-image", &image);
}

/* Fills in the body of a message of a known type with the least numbers that will do. */
static bool fill_message(struct dgraft_message *message)
{
    uint64_t values[DGRAFT_MESSAGE_FIELDS_MAX];
    const uint32_t count = dgraft_message_fields_count(message->type);
    for (uint32_t bits = 0; bits < 1u << count; bits++) {
        for (uint32_t i = 0; i < count; i++) {
            values[i] = 1 ^ (bits >> i & 1);
        }
        if (dgraft_message_fields_set(message, values)) {
            return true;
        }
    }
    return false;
}

static bool add_event(struct seed *seed, const struct dgraft_event *event)
{
    uint8_t body[BODY_BYTES] = {FLIGHT_RECORD_EVENT};
    const size_t bytes = dgraft_flight_encode(event, 0, body + 1, sizeof body - 1);
    return bytes != 0 && add_body(seed, body, 1 + bytes);
}

static bool add_messages(struct seed *seed, struct dgraft_event *event)
{
    static const struct dgraft_entry entry = {.index = 2, .term = 1, .payload_bytes = 8, .kind = DGRAFT_ENTRY_COMMAND};
    static const struct dgraft_membership membership = {.index = 1, .voters = 7};
    for (uint32_t type = 1; type < KINDS_MAX; type++) {
        event->u.receive.type = (enum dgraft_message_type)type;
        event->u.receive.from = 2;
        if (dgraft_message_fields_count(type) == UINT32_MAX || !fill_message(&event->u.receive)) {
            continue;
        }
        if (type == DGRAFT_MESSAGE_APPEND) {
            event->u.receive.u.append.entries = &entry;
            event->u.receive.u.append.count = 1;
            event->u.receive.u.append.memberships = &membership;
            event->u.receive.u.append.membership_count = 1;
        }
        if (!add_event(seed, event)) {
            return false;
        }
    }
    return true;
}

static bool of_every_kind(const char *out)
{
    static const struct dgraft_entry entry = {.payload_bytes = 8, .kind = DGRAFT_ENTRY_COMMAND};
    static const struct dgraft_term_run run = {.first = 1, .term = 1};
    static struct seed seed = {.bytes = {1}, .size = 1};
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START};
    event.u.start = (struct dgraft_event_start){.term = 1,
                                                .last = {1, 1},
                                                .floor = {1, 1},
                                                .commit = 1,
                                                .applied = 1,
                                                .runs = &run,
                                                .run_count = 1,
                                                .membership = {.index = 1, .voters = 7}};
    bool fits = add_event(&seed, &event);
    for (uint32_t kind = DGRAFT_EVENT_START + 1; kind < KINDS_MAX && fits; kind++) {
        const struct flight_layout *layout = dgraft_flight_event_layout((enum dgraft_event_kind)kind);
        uint64_t values[FLIGHT_EVENT_FIELDS_MAX];
        if (layout == NULL) {
            continue;
        }
        event = (struct dgraft_event){.kind = (enum dgraft_event_kind)kind, .now_ns = kind * UINT64_C(1000000)};
        for (uint32_t i = 0; i < layout->count; i++) {
            values[i] = 1;
        }
        fits = dgraft_flight_fields_set(layout, values, &event.u);
        if (event.kind == DGRAFT_EVENT_PROPOSE) {
            event.u.propose.entries = &entry;
        }
        fits = fits && (event.kind == DGRAFT_EVENT_RECEIVE ? add_messages(&seed, &event) : add_event(&seed, &event));
    }
    return fits && save(out, "", &seed);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--kinds") == 0) {
        return of_every_kind(argv[2]) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (argc != 4) {
        (void)fputs("make_corpus_flight RECORD BLOCK OUT\nmake_corpus_flight --kinds OUT\n", stderr);
        return 2;
    }
    return from_record(argv[1], strtoull(argv[2], NULL, 10), argv[3]) ? EXIT_SUCCESS : EXIT_FAILURE;
}
