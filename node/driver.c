/* Opening, turning and closing a driver; driver_state.h says where the rest is. */
#include "driver_state.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING_CHUNK_BYTES  (256u * 1024)
#define WINDOW_SLOTS_MAX  (1u << 18)
#define APPLY_BATCH_SLOTS 256u

void dgraft_driver_log(struct dgraft_driver *driver, enum dgraft_log_level level, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    if (driver->options.sink.log == NULL) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    driver->options.sink.log(driver->options.sink.context, level, text);
}

bool dgraft_driver_grow(uint8_t **bytes, size_t *capacity, size_t wanted)
{
    if (*capacity >= wanted) {
        return true;
    }
    uint8_t *grown = realloc(*bytes, wanted);
    if (grown == NULL) {
        return false;
    }
    *bytes = grown;
    *capacity = wanted;
    return true;
}

/* Says whether a leader's snapshot, stored just before, took the place of a log that contradicts it. */
static bool gave_way(const struct dgraft_driver *driver, const struct dgraft_found *found)
{
    const dgraft_index index = found->snapshot.position.index;
    return index > driver->applied && found->last.index == index &&
           dgraft_core_term_at(driver->core, index) != found->snapshot.position.term;
}

/* Of a store that was opened again: *known is what was committed and durable here before (0 at a start). What was only
 * known to be committed may have been meant to take the place of what stands there now. What a leader had the core cut
 * off since it was acknowledged need not be there any more. */
static enum dgraft_status keep_known(const struct dgraft_driver *driver, const struct dgraft_found *found,
                                     dgraft_index *known, struct dgraft_why *why)
{
    struct dgraft_core_status core;
    dgraft_core_status(driver->core, &core);
    const dgraft_index durable = driver->durable < core.last.index ? driver->durable : core.last.index;
    const dgraft_index sure = durable > driver->applied ? durable : driver->applied;
    *known = driver->commit < sure ? driver->commit : sure;
    if (found->last.index < sure && !gave_way(driver, found)) { /* its newest batch was taken for unfinished */
        (void)snprintf(why->text, sizeof why->text,
                       "%s: entry %llu was acknowledged, and now that the log was opened again it ends at %llu",
                       driver->options.directory, (unsigned long long)sure, (unsigned long long)found->last.index);
        return DGRAFT_STATUS_DAMAGED;
    }
    return DGRAFT_OK;
}

static void fill_start(struct dgraft_driver *driver, const struct dgraft_found *found, dgraft_index known,
                       struct dgraft_event_start *start)
{
    start->term = found->term;
    start->vote = found->vote;
    start->generation = found->generation;
    start->store = found->identity.store;
    start->snapshot = found->snapshot;
    start->compacted = found->compacted;
    start->last = found->last;
    start->floor = found->floor;
    start->commit = found->commit > known ? found->commit : known;
    start->commit = start->commit > driver->applied ? start->commit : driver->applied;
    start->applied = driver->applied;
    start->runs = found->runs;
    start->run_count = found->run_count;
    start->damage = found->damage;
    start->damage_count = found->damage_count;
    driver->commit = start->commit;
}

enum dgraft_status dgraft_driver_start(struct dgraft_driver *driver, struct dgraft_why *why)
{
    struct dgraft_found found;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START};
    struct dgraft_event_start *start = &event.u.start;
    dgraft_index known = 0;
    dgraft_storage_found(driver->storage, &found);
    driver->damage_found = found.damage_found[0] != '\0';
    enum dgraft_status status = keep_known(driver, &found, &known, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    driver->identity = found.identity;
    driver->generation = found.generation;
    driver->durable = found.last.index;
    if (found.identity.node != driver->options.core.self) {
        (void)snprintf(why->text, sizeof why->text, "%s belongs to node %u, not to node %u", driver->options.directory,
                       found.identity.node, driver->options.core.self);
        return DGRAFT_STATUS_FOREIGN;
    }
    status = dgraft_driver_meet_snapshot(driver, &found, why);
    if (status == DGRAFT_OK) {
        status = dgraft_driver_meet_members(driver, &found, start, why);
    }
    if (status != DGRAFT_OK) {
        return status;
    }
    const bool ends_damaged = found.damage_count > 0 && found.damage[found.damage_count - 1].last == found.last.index;
    if (found.damage_count > 0 && dgraft_node_set_count(dgraft_membership_all(&start->membership)) == 1) {
        (void)snprintf(
            why->text, sizeof why->text,
            "%.300s; this node is the only member, so there is nobody to have it from: restore the directory "
            "from a copy",
            found.damage_found);
        return DGRAFT_STATUS_DAMAGED;
    }
    dgraft_driver_tell_damage(driver, &found);
    if (found.last.index > found.compacted.index && !ends_damaged) {
        status = dgraft_driver_meet_time(driver, found.last.index, why);
        if (status != DGRAFT_OK) {
            return status;
        }
    }
    fill_start(driver, &found, known, start);
    if (driver->window.slots != NULL) {
        dgraft_window_restart(&driver->window, found.last.index + 1);
    } else if (!dgraft_window_open(&driver->window, found.last.index + 1, WINDOW_SLOTS_MAX)) {
        return DGRAFT_STATUS_NO_MEMORY;
    }
    if (!dgraft_record_ring_reserve(&driver->ring, DRIVER_MADE_ROOM)) {
        return DGRAFT_STATUS_NO_MEMORY;
    }
    if (driver->flight == NULL && !driver->flight_failed) {
        status = dgraft_driver_flight_open(driver, why);
    }
    if (status != DGRAFT_OK) {
        return status;
    }
    driver->core =
        dgraft_core_init(driver->core, &driver->options.core); /* it may have gone on from an earlier start */
    dgraft_driver_step(driver, &event);
    if (found.receiving.position.index != 0) {
        struct dgraft_event stored = {.kind = DGRAFT_EVENT_SNAPSHOT_STORED};
        stored.u.snapshot_stored =
            (struct dgraft_event_snapshot_stored){.snapshot = found.receiving, .offset = found.received_bytes};
        dgraft_driver_step(driver, &stored);
    }
    return DGRAFT_OK;
}

static void defaults(struct dgraft_driver_options *options)
{
    /* No more on its way to a peer than half of its receive buffer, taken to be like ours. */
    struct dgraft_transport_stats stats = {0};
    options->transport->ops->stats(options->transport, &stats);
    if (stats.receive_buffer_bytes != 0 && options->core.inflight_bytes_max > stats.receive_buffer_bytes / 2) {
        options->core.inflight_bytes_max = stats.receive_buffer_bytes / 2;
    }
    uint32_t on_way = options->transport->on_way_max;
    /* One half for appends; heartbeats, votes and answers want a place, too. */
    if (on_way != 0 && options->core.inflight_max > (on_way + 1) / 2) {
        options->core.inflight_max = (on_way + 1) / 2;
    }
    options->cache_bytes_max = options->cache_bytes_max != 0 ? options->cache_bytes_max : 16u * 1024 * 1024;
    options->small_bytes = options->small_bytes != 0 ? options->small_bytes : 1024;
    options->proposals_max = options->proposals_max != 0 ? options->proposals_max : 65536;
    /* A small payload and its header must fit into a chunk of the ring. */
    if (options->small_bytes > RING_CHUNK_BYTES / 4) {
        options->small_bytes = RING_CHUNK_BYTES / 4;
    }
}

static enum dgraft_status allocate(struct dgraft_driver *driver)
{
    const struct dgraft_config *config = &driver->options.core;
    size_t scratch = driver->options.transport->datagram_bytes_max + DRIVER_FRAGMENTED_BYTES;
    void *core = calloc(1, dgraft_core_size(config));
    void *actions = calloc(1, dgraft_actions_size(config));
    if (driver->options.check_invariants) {
        driver->core_before = calloc(1, dgraft_core_size(config));
    }
    driver->read_groups_max = config->reads_max;
    driver->read_groups = calloc(config->reads_max, sizeof *driver->read_groups);
    driver->frame_entries = calloc(DGRAFT_FRAME_ENTRIES_MAX, sizeof *driver->frame_entries);
    driver->frame_members = calloc(DRIVER_MEMBERSHIPS_MAX, sizeof *driver->frame_members);
    driver->addresses = calloc(DGRAFT_NODE_ID_MAX + 1, sizeof *driver->addresses);
    driver->apply_batch = calloc(APPLY_BATCH_SLOTS, sizeof *driver->apply_batch);
    driver->send_heads = calloc(DRIVER_HEADS_MAX, sizeof *driver->send_heads);
    driver->apply_remembered = calloc(APPLY_BATCH_SLOTS, sizeof *driver->apply_remembered);
    driver->core = core;
    driver->actions = actions;
    if (core == NULL || actions == NULL || driver->read_groups == NULL || driver->frame_entries == NULL ||
        driver->frame_members == NULL || driver->addresses == NULL || driver->apply_batch == NULL ||
        driver->send_heads == NULL || driver->apply_remembered == NULL ||
        (driver->options.check_invariants && driver->core_before == NULL) ||
        !dgraft_driver_grow(&driver->send_scratch, &driver->send_scratch_bytes, scratch) ||
        !dgraft_pieces_add(&driver->send_pieces, driver->send_scratch, 1)) {
        return DGRAFT_STATUS_NO_MEMORY;
    }
    driver->core = dgraft_core_init(core, config);
    driver->actions = dgraft_actions_init(actions, config);
    return driver->core != NULL && driver->actions != NULL ? DGRAFT_OK : DGRAFT_STATUS_CONFIG;
}

/* The largest frame that a peer with the same configuration sends: one entry and small ones beside it, or a part of a
 * snapshot. */
static size_t message_bytes_max(const struct dgraft_config *config)
{
    const size_t append = dgraft_record_bytes(config->entry_bytes_max) + 65536;
    const size_t chunk = (size_t)config->snapshot_chunk_bytes + 8;
    return DGRAFT_FRAME_HEAD_MAX + (append > chunk ? append : chunk);
}

static enum dgraft_status open_all(struct dgraft_driver *driver, struct dgraft_why *why)
{
    struct dgraft_driver_options *options = &driver->options;
    enum dgraft_status status = allocate(driver);
    if (status != DGRAFT_OK) {
        (void)snprintf(why->text, sizeof why->text, "%s", dgraft_status_text(status));
        return status;
    }
    struct dgraft_fragments_options fragments = {.seed = options->fragment_seed,
                                                 .message_bytes_max = message_bytes_max(&options->core),
                                                 .incoming_bytes_max = 64u * 1024 * 1024,
                                                 .outgoing_bytes_max = 64u * 1024 * 1024,
                                                 .give_up_ns = 20 * options->core.election_timeout_ns};
    status = dgraft_fragments_open(&fragments, options->transport, &driver->fragments);
    if (status == DGRAFT_OK && options->client_transport != NULL) {
        status = dgraft_fragments_open(&fragments, options->client_transport, &driver->client_fragments);
    }
    if (status != DGRAFT_OK) {
        (void)snprintf(why->text, sizeof why->text, "fragments: %s", dgraft_status_text(status));
        return status;
    }
    dgraft_record_ring_open(&driver->ring, RING_CHUNK_BYTES);
    options->storage.runs_max = options->core.runs_max;
    status = dgraft_storage_open(options->fs, options->directory, &options->storage, &driver->storage, why);
    if (status != DGRAFT_OK) {
        driver->storage = NULL;
        return status;
    }
    return dgraft_driver_start(driver, why);
}

enum dgraft_status dgraft_driver_open(const struct dgraft_driver_options *options, dgraft_time_ns now_ns,
                                      struct dgraft_driver **out, struct dgraft_why *why)
{
    const char *reason = NULL;
    enum dgraft_status status = dgraft_config_check(&options->core, &reason);
    *out = NULL;
    if (status == DGRAFT_OK && options->core.lease_drift_ppm != 0 && options->clock == NULL) {
        status = DGRAFT_STATUS_CONFIG;
        reason = "reads under a lease want a clock";
    }
    if (status != DGRAFT_OK) {
        (void)snprintf(why->text, sizeof why->text, "%s", reason);
        return status;
    }
    struct dgraft_driver *driver = calloc(1, sizeof *driver);
    if (driver == NULL) {
        (void)snprintf(why->text, sizeof why->text, "out of memory");
        return DGRAFT_STATUS_NO_MEMORY;
    }
    (void)pthread_rwlock_init(&driver->store_lock, NULL); /* cannot fail on Linux without attributes */
    driver->options = *options;
    driver->now_ns = now_ns;
    driver->identity.node = options->core.self;
    defaults(&driver->options);
    status = open_all(driver, why);
    if (status != DGRAFT_OK) {
        dgraft_driver_abandon(driver);
        return status;
    }
    *out = driver;
    return DGRAFT_OK;
}

/* Steps WAKE when the core asked for it; otherwise it has nothing to do. */
static void wake(struct dgraft_driver *driver)
{
    if (driver->now_ns >= driver->actions->wake_at_ns) {
        struct dgraft_event event = {.kind = DGRAFT_EVENT_WAKE};
        dgraft_driver_step(driver, &event);
    }
}

static void wake_fragments(struct dgraft_driver *driver)
{
    if (driver->now_ns < driver->fragments_at_ns) {
        return;
    }
    driver->fragments_at_ns = dgraft_fragments_wake(driver->fragments, driver->now_ns);
    if (driver->client_fragments != NULL) {
        dgraft_time_ns at = dgraft_fragments_wake(driver->client_fragments, driver->now_ns);
        driver->fragments_at_ns = at < driver->fragments_at_ns ? at : driver->fragments_at_ns;
    }
}

void dgraft_driver_flush(struct dgraft_driver *driver)
{
    driver->options.transport->ops->flush(driver->options.transport);
    driver->send_heads_count = 0;
}

void dgraft_driver_take_back(struct dgraft_driver *driver)
{
    if (driver->send_heads_count > 0) {
        dgraft_driver_flush(driver);
    }
}

static void flush(struct dgraft_driver *driver)
{
    struct dgraft_transport *clients = driver->options.client_transport;
    dgraft_driver_flush(driver);
    if (clients != NULL) {
        clients->ops->flush(clients);
    }
}

void dgraft_driver_turn(struct dgraft_driver *driver, dgraft_time_ns now_ns, uint64_t wall_ns)
{
    driver->now_ns = now_ns > driver->now_ns ? now_ns : driver->now_ns;
    driver->wall_ns = wall_ns;
    driver->turns++;
    driver->more_waits = false;
    dgraft_driver_flight_turn(driver);
    dgraft_driver_complete_write(driver);
    dgraft_driver_reopen(driver);
    dgraft_driver_come_back(driver);
    /* Without memory for an entry of the core's own nothing may be stepped: the next turn tries again. */
    if (!dgraft_record_ring_reserve(&driver->ring, DRIVER_MADE_ROOM) || !dgraft_window_reserve(&driver->window, 2)) {
        driver->more_waits = true;
        return;
    }
    dgraft_driver_watch_room(driver);
    dgraft_driver_take_file_work(driver);
    dgraft_driver_receive(driver);
    wake_fragments(driver);
    dgraft_driver_step_proposals(driver);
    dgraft_driver_step_reads(driver);
    dgraft_driver_step_changes(driver);
    dgraft_driver_step_transfer(driver);
    wake(driver);
    /* What others wait for leaves before this node's own records are summed and applied. */
    dgraft_driver_flush(driver);
    dgraft_driver_plan_write(driver);
    dgraft_driver_apply(driver);
    dgraft_driver_answer_reads(driver);
    dgraft_driver_plan_file_work(driver);
    flush(driver);
}

dgraft_time_ns dgraft_driver_wake_at(const struct dgraft_driver *driver)
{
    if (driver->more_waits || driver->proposals.first != NULL || driver->changes != NULL ||
        (driver->transfer != NULL && driver->transfer_id == 0) ||
        (driver->reads.first != NULL && driver->read_groups_count < driver->read_groups_max) ||
        atomic_load(&driver->write_state) == WRITE_DONE || atomic_load(&driver->files.state) == FILE_DONE ||
        (driver->files.wanted && !driver->poisoned)) {
        return 0;
    }
    dgraft_time_ns at = driver->actions->wake_at_ns;
    if (driver->fragments_at_ns < at) {
        at = driver->fragments_at_ns;
    }
    if (driver->read_groups_count > 0 && driver->read_give_up_at_ns < at) {
        at = driver->read_give_up_at_ns;
    }
    if (driver->mark_floor_at_ns != 0 && driver->mark_floor_at_ns < at && !driver->poisoned) {
        at = driver->mark_floor_at_ns;
    }
    if (driver->come_back_at_ns != 0 && driver->come_back_at_ns < at) {
        at = driver->come_back_at_ns;
    }
    const dgraft_time_ns scrub_at = dgraft_driver_scrub_wake_at(driver);
    return scrub_at < at ? scrub_at : at;
}

void dgraft_driver_answer(struct dgraft_driver *driver, const struct dgraft_address *to,
                          const struct dgraft_client_answer *answer)
{
    static const uint8_t zeros[8];
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    struct pieces pieces = {0};
    size_t padding = 0;
    bool apart = driver->client_fragments != NULL;
    struct dgraft_transport *transport = apart ? driver->options.client_transport : driver->options.transport;
    struct dgraft_fragments *fragments = apart ? driver->client_fragments : driver->fragments;
    struct dgraft_frame_header header = {.cluster = driver->identity.cluster,
                                         .group = driver->identity.group,
                                         .from = driver->identity.node,
                                         .store = driver->identity.store,
                                         .generation = driver->generation};
    size_t size = dgraft_frame_encode_answer(&header, answer, head, &padding);
    if (dgraft_pieces_add(&pieces, head, size) && dgraft_pieces_add(&pieces, answer->payload, answer->payload_bytes) &&
        dgraft_pieces_add(&pieces, zeros, padding)) {
        enum dgraft_status status;
        driver->frames_sent++;
        if (size + answer->payload_bytes + padding > transport->datagram_bytes_max) {
            status = dgraft_fragments_send(fragments, driver->now_ns, to, 0, pieces.items, pieces.count);
            driver->fragments_at_ns = 0;
        } else {
            struct dgraft_outgoing outgoing = {
                .address = *to, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = pieces.items, .piece_count = pieces.count};
            status = transport->ops->send(transport, &outgoing);
        }
        /* A lost answer is asked for again. */
        (void)status;
    }
    free(pieces.items);
}

void dgraft_driver_abandon(struct dgraft_driver *driver)
{
    if (driver == NULL) {
        return;
    }
    for (size_t i = 0; i < driver->write_buffers_count; i++) {
        dgraft_buffer_release(driver->write_buffers[i]);
    }
    if (driver->window.slots != NULL) {
        dgraft_window_close(&driver->window);
    }
    dgraft_record_ring_close(&driver->ring);
    dgraft_driver_end_files(driver);
    if (driver->storage != NULL) {
        dgraft_storage_abandon(driver->storage);
    }
    if (driver->fragments != NULL) {
        dgraft_fragments_close(driver->fragments);
        dgraft_fragments_close(driver->client_fragments);
    }
    dgraft_flight_abandon(driver->flight);
    free(driver->mend.bytes);
    free(driver->mend.entries);
    (void)pthread_rwlock_destroy(&driver->store_lock);
    free(driver->core_before);
    free(driver->core);
    free(driver->actions);
    free(driver->read_groups);
    free(driver->frame_entries);
    free(driver->frame_members);
    free(driver->addresses);
    free(driver->apply_batch);
    free(driver->apply_remembered);
    dgraft_sessions_free(&driver->sessions);
    free(driver->apply_scratch);
    free(driver->chunk);
    free(driver->send_heads);
    free(driver->send_scratch);
    free(driver->send_pieces.items);
    free(driver->write_pieces.items);
    free(driver->write_entries);
    free(driver->write_buffers);
    free(driver);
}

/* Writes what is still pending, so that a clean close leaves nothing acknowledged to memory only. */
static void write_pending(struct dgraft_driver *driver)
{
    for (int i = 0; i < 4; i++) {
        dgraft_driver_complete_write(driver);
        dgraft_driver_plan_write(driver);
        if (!dgraft_driver_write_ready(driver)) {
            return;
        }
        dgraft_driver_perform(driver);
    }
    dgraft_driver_complete_write(driver);
}

void dgraft_driver_close(struct dgraft_driver *driver)
{
    struct dgraft_why why = {""};
    if (driver == NULL) {
        return;
    }
    driver->closing = true;
    write_pending(driver);
    dgraft_driver_apply(driver);
    dgraft_driver_answer_reads(driver);
    dgraft_driver_end_proposals(driver);
    dgraft_driver_end_reads(driver);
    dgraft_driver_end_transfer(driver);
    dgraft_driver_end_changes(driver);
    flush(driver);
    enum dgraft_status status = dgraft_storage_close(driver->storage, &why);
    driver->storage = NULL;
    if (status != DGRAFT_OK && !driver->poisoned) {
        dgraft_driver_log(driver, DGRAFT_LOG_ERROR, "closing %s: %s", driver->options.directory, why.text);
    }
    dgraft_flight_close(driver->flight, driver->core);
    driver->flight = NULL;
    dgraft_driver_abandon(driver);
}
