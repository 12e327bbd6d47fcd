/* A datagram becomes events: fragments are put together, frames decoded and checked, peers' messages stepped, clients'
 * requests handed on. Nothing is copied: what the core appends keeps a reference to the datagram's buffer. */
#include "driver_state.h"

#include <string.h>

/* Datagrams and entries taken per turn, so that a flood cannot keep proposals and timers waiting, and that one who lags
 * writes and applies what it has before it takes more. */
#define DATAGRAMS_PER_TURN  512u
#define DATAGRAMS_PER_BATCH 8u
#define ENTRIES_PER_TURN    4096u

/* A way in, and who may come by it. */
struct door {
    struct dgraft_transport *transport;
    struct dgraft_fragments *fragments;
    bool peers;
    bool clients;
};

void dgraft_driver_refuse(struct dgraft_driver *driver, enum dgraft_refusal refusal,
                          const struct dgraft_address *source)
{
    driver->refused[refusal]++;
    driver->refused_last = *source;
}

/* Returns whether an append contradicts the log: then what follows the conflict leaves the window. */
static bool overwrites(const struct dgraft_driver *driver, const struct dgraft_append *append)
{
    for (uint32_t i = 0; i < append->count; i++) {
        const dgraft_term here = dgraft_core_term_at(driver->core, append->entries[i].index);
        if (here != 0 && here != append->entries[i].term) {
            return true;
        }
    }
    return false;
}

/* Records held by the window stay in memory until they are durable: what does not fit is dropped, and comes again. But
 * what overwrites makes room: without it a deposed leader would keep its own uncommitted proposals for ever. */
static bool has_room(struct dgraft_driver *driver, const struct dgraft_append *append)
{
    size_t bound = 4 * driver->options.cache_bytes_max + driver->options.core.uncommitted_bytes_max;
    return (driver->window.bytes <= bound || overwrites(driver, append)) &&
           dgraft_window_reserve(&driver->window, (size_t)append->count + 1);
}

/* What an append says without its entries is heard all the same: that the leader lives, and how much before them is
 * committed. Applying that makes room: a deposed leader whose window is full of what it proposed itself would otherwise
 * never learn that others have committed it, and stay full for ever. */
static void leave_entries(struct dgraft_append *append)
{
    append->entries = NULL;
    append->count = 0;
    append->memberships = NULL;
    append->membership_count = 0;
}

/* Any frame may be the one that wins an election or lets a change go on: the core then makes an entry. */
static bool has_room_for_made(struct dgraft_driver *driver)
{
    return dgraft_record_ring_reserve(&driver->ring, DRIVER_MADE_BYTES) && dgraft_window_reserve(&driver->window, 1);
}

static void take_peer_frame(struct dgraft_driver *driver, const struct dgraft_frame *frame,
                            const struct dgraft_datagram *datagram)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_RECEIVE};
    enum dgraft_refusal refusal = has_room_for_made(driver) ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_MEMORY;
    event.u.receive = frame->message;
    if (refusal == DGRAFT_ACCEPT && frame->message.type == DGRAFT_MESSAGE_APPEND) {
        refusal = dgraft_driver_read_memberships(driver, frame, &event.u.receive);
    }
    if (refusal != DGRAFT_ACCEPT) {
        dgraft_driver_refuse(driver, refusal, &datagram->source);
        return;
    }
    dgraft_driver_meet_guest(driver, frame->header.from, &datagram->source);
    if (frame->message.type == DGRAFT_MESSAGE_APPEND && frame->message.u.append.count > 0) {
        if (has_room(driver, &frame->message.u.append)) {
            driver->frame_records = frame->records;
            driver->frame_buffer = datagram->buffer;
        } else {
            dgraft_driver_refuse(driver, DGRAFT_REFUSAL_MEMORY, &datagram->source);
            leave_entries(&event.u.receive.u.append);
        }
    }
    if (frame->message.type == DGRAFT_MESSAGE_FETCH_ANSWER &&
        !dgraft_window_reserve(&driver->window, (size_t)frame->message.u.fetch_answer.count + 1)) {
        dgraft_driver_refuse(driver, DGRAFT_REFUSAL_MEMORY, &datagram->source);
        return;
    }
    if (frame->message.type == DGRAFT_MESSAGE_SNAPSHOT_CHUNK || frame->message.type == DGRAFT_MESSAGE_FETCH_ANSWER) {
        driver->frame_records = frame->records;
        driver->frame_buffer = datagram->buffer;
    }
    driver->frames_received++;
    dgraft_driver_step(driver, &event);
    driver->frame_records = NULL;
    driver->frame_buffer = NULL;
    driver->frame_members_count = 0;
}

static void take_frame(struct dgraft_driver *driver, const struct door *door, const struct dgraft_frame *frame,
                       const struct dgraft_datagram *datagram)
{
    bool client = frame->header.type == DGRAFT_FRAME_CLIENT_REQUEST;
    struct dgraft_frame_expect expect = {.cluster = driver->identity.cluster,
                                         .group = driver->identity.group,
                                         .self = driver->identity.node,
                                         .members = UINT64_MAX}; /* the core knows whom to believe what */
    enum dgraft_refusal refusal = dgraft_frame_check(frame, &expect);
    if (refusal == DGRAFT_REFUSAL_RECEIVER && door->peers && door->transport->one_send_for_all) {
        driver->frames_overheard++;
        return;
    }
    if (refusal == DGRAFT_ACCEPT && !(client ? door->clients : door->peers)) {
        refusal = DGRAFT_REFUSAL_SENDER;
    }
    if (refusal != DGRAFT_ACCEPT) {
        dgraft_driver_refuse(driver, refusal, &datagram->source);
        return;
    }
    if (client) {
        const struct dgraft_request_handler *handler = &driver->options.requests;
        if (handler->request != NULL) {
            struct dgraft_request request = {
                .request = frame->request, .source = datagram->source, .buffer = datagram->buffer};
            driver->frames_received++;
            handler->request(handler->context, driver, &request);
        }
    } else if (frame->header.type == DGRAFT_FRAME_CLIENT_ANSWER) {
        /* A node asks nobody as a client. */
        dgraft_driver_refuse(driver, DGRAFT_REFUSAL_RECEIVER, &datagram->source);
    } else {
        take_peer_frame(driver, frame, datagram);
    }
}

static void take_frames(struct dgraft_driver *driver, const struct door *door, const struct dgraft_datagram *datagram)
{
    size_t offset = 0;
    while (offset < datagram->size) {
        struct dgraft_frame frame;
        enum dgraft_refusal refusal = dgraft_frame_decode(datagram->bytes + offset, datagram->size - offset,
                                                          driver->frame_entries, DGRAFT_FRAME_ENTRIES_MAX, &frame);
        if (refusal != DGRAFT_ACCEPT) {
            dgraft_driver_refuse(driver, refusal, &datagram->source);
            return;
        }
        take_frame(driver, door, &frame, datagram);
        offset += frame.frame_bytes;
    }
}

static void take_datagram(struct dgraft_driver *driver, const struct door *door, const struct dgraft_datagram *datagram)
{
    if (!dgraft_fragments_claims(datagram->bytes, datagram->size)) {
        take_frames(driver, door, datagram);
        return;
    }
    struct dgraft_datagram message;
    enum dgraft_refusal refusal = DGRAFT_ACCEPT;
    if (dgraft_fragments_receive(door->fragments, driver->now_ns, datagram, &message, &refusal)) {
        take_frames(driver, door, &message);
        dgraft_buffer_release(message.buffer);
    }
    if (refusal != DGRAFT_ACCEPT) {
        dgraft_driver_refuse(driver, refusal, &datagram->source);
    }
    driver->fragments_at_ns = 0;
}

static void receive_by(struct dgraft_driver *driver, const struct door *door)
{
    struct dgraft_datagram batch[DATAGRAMS_PER_BATCH];
    struct dgraft_transport *transport = door->transport;
    dgraft_index end = driver->window.end;
    size_t taken = 0;
    while (taken < DATAGRAMS_PER_TURN && driver->window.end < end + ENTRIES_PER_TURN) {
        size_t count = transport->ops->receive(transport, batch, DATAGRAMS_PER_BATCH);
        for (size_t i = 0; i < count; i++) {
            take_datagram(driver, door, &batch[i]);
            dgraft_buffer_release(batch[i].buffer);
        }
        taken += count;
        if (count < DATAGRAMS_PER_BATCH) {
            return;
        }
    }
    driver->more_waits = true;
}

void dgraft_driver_receive(struct dgraft_driver *driver)
{
    bool apart = driver->client_fragments != NULL;
    struct door first = {
        .transport = driver->options.transport, .fragments = driver->fragments, .peers = true, .clients = !apart};
    struct door second = {
        .transport = driver->options.client_transport, .fragments = driver->client_fragments, .clients = true};
    receive_by(driver, &first);
    if (apart) {
        receive_by(driver, &second);
    }
}
