/* A SEND becomes one frame, encoded once for all its receivers. Records come from the window, as they are; for a
 * follower that lags behind it, from the segments. What is larger than a datagram goes as fragments. */
#include "driver_state.h"

#include <string.h>

static void say_sent(struct dgraft_driver *driver, const struct dgraft_action_send *send, dgraft_node_set receivers,
                     dgraft_index last, uint64_t bytes)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SENT};
    if (receivers == 0) {
        return;
    }
    event.u.sent = (struct dgraft_event_sent){.receivers = receivers,
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

/* Returns the receivers whose bounds had room for it; the others are as if nothing had been sent to them. */
static dgraft_node_set send_in_fragments(struct dgraft_driver *driver, dgraft_node_set receivers, uint64_t key)
{
    struct dgraft_transport *transport = driver->options.transport;
    const struct pieces *pieces = &driver->send_pieces;
    dgraft_node_set taken = 0;
    for (dgraft_node_set left = receivers; left != 0; left &= left - 1) {
        struct dgraft_address address;
        dgraft_node_id id = dgraft_node_set_first(left);
        if (transport->ops->peer_address(transport, id, &address) &&
            dgraft_fragments_send(driver->fragments, driver->now_ns, &address, key, pieces->items, pieces->count) ==
                DGRAFT_OK) {
            taken |= dgraft_node_set_of(id);
        }
    }
    driver->fragments_at_ns = 0;
    return taken;
}

/* Who has fragments under way. Appends wait until those are through: a small one that left at once would overtake the
 * large one before it and be refused for the gap, and each refusal would have everything sent again. What waits goes
 * on with the acknowledgement; no more than a window of fragments may be on its way in any case. */
static dgraft_node_set behind_fragments(const struct dgraft_driver *driver, dgraft_node_set receivers)
{
    struct dgraft_transport *transport = driver->options.transport;
    dgraft_node_set behind = 0;
    for (dgraft_node_set left = receivers; left != 0; left &= left - 1) {
        struct dgraft_address address;
        dgraft_node_id id = dgraft_node_set_first(left);
        if (transport->ops->peer_address(transport, id, &address) &&
            dgraft_fragments_under_way(driver->fragments, &address)) {
            behind |= dgraft_node_set_of(id);
        }
    }
    return behind;
}

/* Sends a frame made of its head (the first piece) and records: to `in_fragments` that way, to the other receivers as
 * one datagram. Returns the receivers that it was sent to. */
static dgraft_node_set send_frame(struct dgraft_driver *driver, dgraft_node_set receivers, dgraft_node_set in_fragments,
                                  uint64_t key)
{
    struct dgraft_transport *transport = driver->options.transport;
    struct dgraft_outgoing outgoing = {.to = receivers & ~in_fragments,
                                       .class_ = DGRAFT_SEND_ONE_WAY,
                                       .pieces = driver->send_pieces.items,
                                       .piece_count = driver->send_pieces.count};
    dgraft_node_set sent = outgoing.to;
    driver->frames_sent++;
    if (in_fragments != 0) {
        sent |= send_in_fragments(driver, in_fragments, key);
    }
    if (outgoing.to != 0) {
        /* A failure is counted by the transport, and is as good as lost. */
        enum dgraft_status status = transport->ops->send(transport, &outgoing);
        (void)status;
    }
    return sent;
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
    size_t room; /* for records, in this frame */
    uint32_t count;
    uint64_t bytes;
    dgraft_term last_term;
};

/* One datagram's room; when the frame goes in fragments anyway, more. */
static size_t room_for(const struct dgraft_driver *driver, const struct dgraft_action_send *send)
{
    size_t room = driver->options.transport->datagram_bytes_max - DGRAFT_FRAME_HEAD_MAX;
    const struct window_slot *slot = dgraft_window_at(&driver->window, send->message.u.append.prev.index + 1);
    bool large = slot != NULL && dgraft_record_bytes(slot->entry.payload_bytes) > room;
    if (large && room < DRIVER_FRAGMENTED_BYTES) {
        room = DRIVER_FRAGMENTED_BYTES;
    }
    return room < send->max_bytes ? room : (size_t)send->max_bytes;
}

/* The first record always fits, as a datagram or in fragments; more only as long as there is room. */
static bool fits(const struct gathered *gathered, uint64_t bytes)
{
    return gathered->count == 0 || gathered->bytes + bytes <= gathered->room;
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
        if (!fits(gathered, bytes) || gathered->count == DGRAFT_FRAME_ENTRIES_MAX ||
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
    uint32_t count = 0;
    size_t used = 0;
    struct dgraft_why why;
    if (first > last) {
        return;
    }
    enum dgraft_status status =
        dgraft_storage_read(driver->storage, first, last, driver->send_scratch, gathered->room, &count, &used, &why);
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
    struct gathered gathered = {.room = room_for(driver, send)};
    dgraft_index prev = message.u.append.prev.index;
    dgraft_node_set receivers = send->receivers & ~behind_fragments(driver, send->receivers);
    if (receivers != 0) {
        gather_from_window(driver, send, &gathered);
    }
    if (receivers != 0 && gathered.count == 0) {
        driver->send_pieces.count = 1;
        gather_from_storage(driver, send, &gathered);
    }
    if (gathered.count == 0 || !ends_hold(driver, send, &gathered)) {
        say_sent(driver, send, send->receivers, prev, 0);
        return;
    }
    message.u.append.count = gathered.count;
    size_t size = encode_head(driver, &message, receivers);
    bool fragmented = size + gathered.bytes > driver->options.transport->datagram_bytes_max;
    dgraft_index last = prev + gathered.count;
    dgraft_node_set sent = send_frame(driver, receivers, fragmented ? receivers : 0, append_key(&message, last));
    say_sent(driver, send, sent, last, gathered.bytes);
    say_sent(driver, send, send->receivers & ~sent, prev, 0);
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
    (void)encode_head(driver, message, send->receivers);
    (void)send_frame(driver, send->receivers, 0, 0);
}
