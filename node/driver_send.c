/* A SEND becomes one frame, encoded once for all its receivers. Records come from the window, as they are; for a
 * follower that lags behind it, from the segments. What is larger than a datagram goes as fragments. */
#include "driver_state.h"

#include <string.h>

static void say_sent(struct dgraft_driver *driver, const struct dgraft_action_send *send, dgraft_index last,
                     uint64_t bytes)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SENT};
    event.u.sent = (struct dgraft_event_sent){.receivers = send->receivers,
                                              .term = send->message.term,
                                              .prev = send->message.u.append.prev.index,
                                              .last = last,
                                              .bytes = bytes};
    dgraft_driver_answer_core(driver, &event);
}

/* Names an append for the fragments: the same entries to the same receiver are not begun twice. */
static uint64_t append_key(const struct dgraft_message *message, dgraft_index last)
{
    uint64_t key = message->term * UINT64_C(0x9e3779b97f4a7c15) + message->u.append.prev.index;
    return (key * UINT64_C(0xbf58476d1ce4e5b9) + last) | 1;
}

static void send_large(struct dgraft_driver *driver, dgraft_node_set receivers, uint64_t key,
                       const struct pieces *pieces)
{
    struct dgraft_transport *transport = driver->options.transport;
    for (dgraft_node_set left = receivers; left != 0; left &= left - 1) {
        struct dgraft_address address;
        if (!transport->ops->peer_address(transport, dgraft_node_set_first(left), &address)) {
            continue;
        }
        /* BUSY is as good as lost: the core sends it again. */
        enum dgraft_status status =
            dgraft_fragments_send(driver->fragments, driver->now_ns, &address, key, pieces->items, pieces->count);
        (void)status;
    }
    driver->fragments_at_ns = 0;
}

/* Sends a frame made of its head (the first piece) and records. */
static void send_frame(struct dgraft_driver *driver, const struct dgraft_action_send *send, uint64_t key,
                       size_t frame_bytes)
{
    struct dgraft_transport *transport = driver->options.transport;
    driver->frames_sent++;
    if (frame_bytes > transport->datagram_bytes_max) {
        send_large(driver, send->receivers, key, &driver->send_pieces);
        return;
    }
    struct dgraft_outgoing outgoing = {.to = send->receivers,
                                       .class_ = DGRAFT_SEND_ONE_WAY,
                                       .pieces = driver->send_pieces.items,
                                       .piece_count = driver->send_pieces.count};
    /* A failure is counted by the transport, and is as good as lost. */
    enum dgraft_status status = transport->ops->send(transport, &outgoing);
    (void)status;
}

/* Encodes the head into the first piece. Returns its size. */
static size_t encode_head(struct dgraft_driver *driver, const struct dgraft_message *message, dgraft_node_set receivers)
{
    struct dgraft_frame_header header = {
        .cluster = driver->identity.cluster, .group = driver->identity.group, .to = receivers};
    struct pieces *pieces = &driver->send_pieces;
    size_t size =
        dgraft_frame_encode(&header, message, pieces->items + 1, pieces->count - 1, pieces->items[0].iov_base);
    pieces->items[0].iov_len = size;
    return size;
}

/* What gathering records for an append has come to. */
struct gathered {
    uint32_t count;
    uint64_t bytes;
    dgraft_term last_term;
};

/* The first record always fits, as a datagram or in fragments; more only as long as one datagram holds them. */
static bool fits(const struct dgraft_driver *driver, const struct dgraft_action_send *send,
                 const struct gathered *gathered, uint64_t bytes)
{
    size_t room = driver->options.transport->datagram_bytes_max - DGRAFT_FRAME_HEAD_MAX;
    uint64_t limit = send->max_bytes < room ? send->max_bytes : room;
    return gathered->count == 0 || gathered->bytes + bytes <= limit;
}

static void gather_from_window(struct dgraft_driver *driver, const struct dgraft_action_send *send,
                               struct gathered *gathered)
{
    dgraft_index first = send->message.u.append.prev.index + 1;
    for (dgraft_index index = first; index <= send->last.index; index++) {
        const struct window_slot *slot = dgraft_window_at(&driver->window, index);
        if (slot == NULL || slot->record == NULL) {
            return;
        }
        uint64_t bytes = dgraft_record_bytes(slot->entry.payload_bytes);
        if (!fits(driver, send, gathered, bytes) || gathered->count == DGRAFT_FRAME_ENTRIES_MAX ||
            !dgraft_pieces_add_slot(&driver->send_pieces, slot)) {
            return;
        }
        gathered->count++;
        gathered->bytes += bytes;
        gathered->last_term = slot->entry.term;
    }
}

static void gather_from_storage(struct dgraft_driver *driver, const struct dgraft_action_send *send,
                                struct gathered *gathered)
{
    dgraft_index first = send->message.u.append.prev.index + 1;
    dgraft_index last = send->last.index < driver->durable ? send->last.index : driver->durable;
    size_t room = driver->options.transport->datagram_bytes_max - DGRAFT_FRAME_HEAD_MAX;
    uint32_t count = 0;
    size_t used = 0;
    struct dgraft_why why;
    if (first > last) {
        return;
    }
    if (send->max_bytes < room) {
        room = (size_t)send->max_bytes;
    }
    enum dgraft_status status =
        dgraft_storage_read(driver->storage, first, last, driver->send_scratch, room, &count, &used, &why);
    if (status == DGRAFT_STATUS_TOO_LARGE &&
        dgraft_driver_grow(&driver->send_scratch, &driver->send_scratch_bytes, used)) {
        status = dgraft_storage_read(driver->storage, first, first, driver->send_scratch, used, &count, &used, &why);
    }
    if (status != DGRAFT_OK) {
        dgraft_driver_log(driver, DGRAFT_LOG_ERROR, "entries from index %llu on cannot be read for a follower: %s",
                          (unsigned long long)first, why.text);
        return;
    }
    struct dgraft_record record;
    size_t offset = 0;
    for (uint32_t i = 0; i < count; i++) {
        size_t consumed = 0;
        if (dgraft_record_decode_header(driver->send_scratch + offset, used - offset, &record) != DGRAFT_ACCEPT) {
            return;
        }
        consumed = dgraft_record_bytes(record.entry.payload_bytes);
        offset += consumed;
        gathered->last_term = record.entry.term;
    }
    if (dgraft_pieces_add(&driver->send_pieces, driver->send_scratch, used)) {
        gathered->count = count;
        gathered->bytes = used;
    }
}

/* The log may have been overwritten since the core spoke: then the ends do not have the terms that it named. */
static bool ends_hold(const struct dgraft_driver *driver, const struct dgraft_action_send *send,
                      const struct gathered *gathered)
{
    struct dgraft_position prev = send->message.u.append.prev;
    const struct window_slot *slot = dgraft_window_at(&driver->window, prev.index);
    if (slot != NULL && slot->entry.term != prev.term) {
        return false;
    }
    if (slot == NULL && prev.index > 0 && dgraft_storage_term_at(driver->storage, prev.index) != prev.term) {
        return false;
    }
    if (prev.index + gathered->count == send->last.index) {
        return gathered->last_term == send->last.term;
    }
    return gathered->last_term <= send->last.term;
}

static void send_append(struct dgraft_driver *driver, const struct dgraft_action_send *send)
{
    struct dgraft_message message = send->message;
    struct gathered gathered = {0};
    dgraft_index prev = message.u.append.prev.index;
    gather_from_window(driver, send, &gathered);
    if (gathered.count == 0) {
        driver->send_pieces.count = 1;
        gather_from_storage(driver, send, &gathered);
    }
    if (gathered.count == 0 || !ends_hold(driver, send, &gathered)) {
        say_sent(driver, send, prev, 0);
        return;
    }
    message.u.append.count = gathered.count;
    size_t size = encode_head(driver, &message, send->receivers);
    dgraft_index last = prev + gathered.count;
    send_frame(driver, send, append_key(&message, last), size + gathered.bytes);
    say_sent(driver, send, last, gathered.bytes);
}

void dgraft_driver_send(struct dgraft_driver *driver, const struct dgraft_action_send *send)
{
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    const struct dgraft_message *message = &send->message;
    bool entries = message->type == DGRAFT_MESSAGE_APPEND && send->last.index > message->u.append.prev.index;
    /* The first piece is the head's place; dgraft_driver_open made room for it. */
    driver->send_pieces.items[0] = (struct iovec){.iov_base = head, .iov_len = 0};
    driver->send_pieces.count = 1;
    if (entries) {
        send_append(driver, send);
        return;
    }
    size_t size = encode_head(driver, message, send->receivers);
    send_frame(driver, send, 0, size);
}
