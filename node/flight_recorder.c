#include "flight_recorder.h"

#include "flight_codec.h"

#include <dgraft/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_BYTES (UINT64_C(8) * 1024 * 1024)

/* Room in a block for events, besides the image. A larger event is lost, and the record says so. */
#define EVENTS_BYTES (128u * 1024)

/* What a run of terms takes in a START. */
#define RUN_BYTES 20u

/* Kept free behind every event: for its actions and a hash of the state; and in the end for the mark of a clean close.
 */
#define RESERVE_BYTES 160u

#define HASH_EVERY 4096u

static uint32_t block_bytes_for(const struct dgraft_config *config)
{
    const size_t wanted = FLIGHT_BLOCK_HEADER_BYTES + flight_image_bytes_max(dgraft_core_size(config)) + EVENTS_BYTES +
                          (size_t)config->runs_max * RUN_BYTES;
    return (uint32_t)((wanted + 4095) & ~(size_t)4095);
}

static enum dgraft_status size_file(struct dgraft_flight *flight, struct dgraft_why *why)
{
    const uint64_t bytes = flight->options.bytes != 0 ? flight->options.bytes : DEFAULT_BYTES;
    struct flight_header *header = &flight->header;
    header->block_bytes = block_bytes_for(&flight->config);
    const uint64_t least = FLIGHT_HEADER_BYTES + (uint64_t)FLIGHT_BLOCKS_LEAST * header->block_bytes;
    if (bytes < least) {
        (void)snprintf(why->text, sizeof why->text,
                       "a flight record of %llu bytes is too small: %llu are the least here", (unsigned long long)bytes,
                       (unsigned long long)least);
        return DGRAFT_STATUS_CONFIG;
    }
    const uint64_t count = (bytes - FLIGHT_HEADER_BYTES) / header->block_bytes;
    header->block_count = (uint32_t)(count < FLIGHT_BLOCKS_MOST ? count : FLIGHT_BLOCKS_MOST);
    return DGRAFT_OK;
}

static enum dgraft_status open_all(struct dgraft_flight *flight, struct dgraft_why *why)
{
    enum dgraft_status status = size_file(flight, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    flight->path = strdup(flight->options.path);
    for (uint32_t i = 0; i < FLIGHT_BUFFERS; i++) {
        flight->buffers[i].bytes = calloc(1, flight->header.block_bytes);
        if (flight->path == NULL || flight->buffers[i].bytes == NULL) {
            (void)snprintf(why->text, sizeof why->text, "out of memory");
            return DGRAFT_STATUS_NO_MEMORY;
        }
    }
    return dgraft_flight_file_open(flight, why);
}

enum dgraft_status dgraft_flight_open(const struct dgraft_flight_options *options, const struct dgraft_config *config,
                                      struct dgraft_flight **out, struct dgraft_why *why)
{
    const char *reason = NULL;
    enum dgraft_status status = dgraft_config_check(config, &reason);
    *out = NULL;
    if (status != DGRAFT_OK) {
        (void)snprintf(why->text, sizeof why->text, "%s", reason);
        return status;
    }
    struct dgraft_flight *flight = calloc(1, sizeof *flight);
    if (flight == NULL) {
        (void)snprintf(why->text, sizeof why->text, "out of memory");
        return DGRAFT_STATUS_NO_MEMORY;
    }
    flight->options = *options;
    flight->config = *config;
    flight->file = -1;
    flight->core_bytes = dgraft_core_size(config);
    flight->fingerprint = dgraft_flight_fingerprint();
    flight->wall_clock_ns = options->wall_clock_ns;
    flight->header.cluster = options->cluster;
    flight->header.node = config->self;
    status = open_all(flight, why);
    if (status != DGRAFT_OK) {
        dgraft_flight_abandon(flight);
        return status;
    }
    flight->options.path = flight->path;
    *out = flight;
    return DGRAFT_OK;
}

static void publish(struct dgraft_flight *flight)
{
    atomic_store_explicit(&flight->buffer->used, (uint32_t)(flight->at - flight->buffer->bytes), memory_order_release);
}

static void end_block(struct dgraft_flight *flight)
{
    atomic_store_explicit(&flight->buffer->full, true, memory_order_release);
    flight->buffer = NULL;
}

static bool has_room(struct dgraft_flight *flight)
{
    return atomic_load_explicit(&flight->begun, memory_order_relaxed) -
               atomic_load_explicit(&flight->done, memory_order_acquire) <
           FLIGHT_BUFFERS;
}

/* Begins a block with the core as it is. Returns false when every buffer is taken. */
static bool begin_block(struct dgraft_flight *flight, const struct dgraft_core *core, dgraft_time_ns now_ns)
{
    if (!has_room(flight) && flight->options.write_through) {
        dgraft_flight_write(flight);
    }
    if (!has_room(flight)) {
        return false;
    }
    const uint64_t begun = atomic_load_explicit(&flight->begun, memory_order_relaxed);
    struct flight_buffer *buffer = &flight->buffers[begun % FLIGHT_BUFFERS];
    struct flight_block_header header = {.state = FLIGHT_BLOCK_OPEN,
                                         .number = ++flight->block_number,
                                         .start = flight->start,
                                         .first = flight->number,
                                         .lost = flight->lost_here,
                                         .now_ns = now_ns,
                                         .chain = flight->chain,
                                         .state_hash = dgraft_flight_state_hash(core, flight->core_bytes),
                                         .fingerprint = flight->fingerprint,
                                         .wall_clock_ns = flight->wall_clock_ns,
                                         .core_bytes = flight->core_bytes,
                                         .used = FLIGHT_BLOCK_HEADER_BYTES,
                                         .config = flight->config};
    header.image_bytes =
        (uint32_t)dgraft_flight_image_encode(core, flight->core_bytes, buffer->bytes + FLIGHT_BLOCK_HEADER_BYTES,
                                             flight_image_bytes_max(flight->core_bytes));
    (void)snprintf(header.version, sizeof header.version, "%s", dgraft_version());
    dgraft_flight_block_encode(&header, buffer->bytes);
    const uint32_t begin = flight_records_begin(header.image_bytes);
    for (uint32_t i = FLIGHT_BLOCK_HEADER_BYTES + header.image_bytes; i < begin; i++) {
        buffer->bytes[i] = 0;
    }
    buffer->number = header.number;
    buffer->written = 0;
    atomic_store_explicit(&buffer->full, false, memory_order_relaxed);
    atomic_store_explicit(&buffer->used, begin, memory_order_relaxed);
    atomic_store_explicit(&flight->begun, begun + 1, memory_order_release);
    flight->buffer = buffer;
    flight->at = buffer->bytes + begin;
    flight->now_ns = now_ns;
    return true;
}

static void put_record(struct dgraft_flight *flight, size_t body_bytes)
{
    flight->at = dgraft_flight_record_seal(flight->at, body_bytes, flight->buffer->bytes, flight->buffer->number);
}

/* Returns false when the block has no room for it. */
static bool put_event(struct dgraft_flight *flight, const struct dgraft_event *event)
{
    const uint8_t *end = flight->buffer->bytes + flight->header.block_bytes;
    uint8_t *body = flight->at + FLIGHT_RECORD_OVERHEAD_MAX;
    if ((size_t)(end - flight->at) <= RESERVE_BYTES + FLIGHT_RECORD_OVERHEAD_MAX + 1) {
        return false;
    }
    const size_t room = (size_t)(end - body) - 1 - RESERVE_BYTES;
    const size_t bytes = dgraft_flight_encode(event, flight->now_ns, body + 1, room);
    if (bytes == 0) {
        return false;
    }
    body[0] = FLIGHT_RECORD_EVENT;
    put_record(flight, 1 + bytes);
    flight->now_ns = event->now_ns;
    return true;
}

static bool note_event(struct dgraft_flight *flight, const struct dgraft_core *core, const struct dgraft_event *event)
{
    if (atomic_load_explicit(&flight->error, memory_order_relaxed) != 0) {
        return false;
    }
    if (flight->buffer != NULL) {
        if (put_event(flight, event)) {
            return true;
        }
        end_block(flight);
    }
    if (!begin_block(flight, core, event->now_ns)) {
        return false;
    }
    if (put_event(flight, event)) {
        return true;
    }
    end_block(flight); /* larger than a block */
    return false;
}

static void count(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

void dgraft_flight_event(struct dgraft_flight *flight, const struct dgraft_core *core, const struct dgraft_event *event)
{
    flight->number++;
    count(&flight->events);
    flight->noted = note_event(flight, core, event);
    if (!flight->noted) {
        /* What comes next needs an image of what this one will have done. */
        if (flight->buffer != NULL) {
            end_block(flight);
        }
        flight->lost_here++;
        count(&flight->lost);
        return;
    }
    flight->lost_here = 0;
    publish(flight);
    if (flight->options.write_through) {
        dgraft_flight_write(flight);
    }
}

static void put_state(struct dgraft_flight *flight, const struct dgraft_core *core)
{
    uint8_t *body = flight->at + FLIGHT_RECORD_OVERHEAD_MAX;
    body[0] = FLIGHT_RECORD_STATE;
    dgraft_put_u64(body + 1, dgraft_flight_state_hash(core, flight->core_bytes));
    put_record(flight, 9);
}

void dgraft_flight_actions(struct dgraft_flight *flight, const struct dgraft_core *core, enum dgraft_status status,
                           const struct dgraft_actions *actions)
{
    if (!flight->noted) {
        return;
    }
    uint8_t *body = flight->at + FLIGHT_RECORD_OVERHEAD_MAX;
    const uint8_t *end = body + RESERVE_BYTES / 2;
    flight->chain = dgraft_flight_hash_actions(flight->chain, status, actions);
    body[0] = FLIGHT_RECORD_ACTIONS;
    uint8_t *at = dgraft_flight_put(body + 1, end, (uint64_t)status);
    at = dgraft_flight_put(at, end, actions->count);
    at = dgraft_flight_put(at, end, dgraft_flight_action_kinds(actions));
    dgraft_put_u32(at, (uint32_t)flight->chain);
    put_record(flight, (size_t)(at + 4 - body));
    if (flight->until_hash-- == 0) {
        put_state(flight, core);
        flight->until_hash = HASH_EVERY - 1;
    }
    publish(flight);
    if (flight->options.write_through) {
        dgraft_flight_write(flight);
    }
}

void dgraft_flight_wall_clock(struct dgraft_flight *flight, uint64_t wall_clock_ns)
{
    flight->wall_clock_ns = wall_clock_ns;
}

void dgraft_flight_stats(const struct dgraft_flight *flight, struct dgraft_flight_stats *stats)
{
    *stats = (struct dgraft_flight_stats){.events = atomic_load_explicit(&flight->events, memory_order_relaxed),
                                          .lost = atomic_load_explicit(&flight->lost, memory_order_relaxed),
                                          .bytes_written =
                                              atomic_load_explicit(&flight->bytes_written, memory_order_relaxed),
                                          .error = atomic_load_explicit(&flight->error, memory_order_relaxed)};
}

void dgraft_flight_close(struct dgraft_flight *flight, const struct dgraft_core *core)
{
    if (flight == NULL) {
        return;
    }
    if (flight->buffer != NULL) {
        if (core != NULL) {
            put_state(flight, core);
        }
        flight->at[FLIGHT_RECORD_OVERHEAD_MAX] = FLIGHT_RECORD_CLOSED;
        put_record(flight, 1);
        publish(flight);
        end_block(flight);
    }
    dgraft_flight_write(flight);
    dgraft_flight_abandon(flight);
}

void dgraft_flight_abandon(struct dgraft_flight *flight)
{
    if (flight == NULL) {
        return;
    }
    if (flight->file >= 0) {
        (void)flight->options.fs->ops->close(flight->options.fs, flight->file);
    }
    for (uint32_t i = 0; i < FLIGHT_BUFFERS; i++) {
        free(flight->buffers[i].bytes);
    }
    free(flight->path);
    free(flight);
}
