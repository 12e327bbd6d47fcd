/* A SEND becomes frames, each encoded once for all its receivers. Records leave from where they lie in the window; for
 * a follower that lags behind it, they are read from the segments. As many frames as the kernel takes as one message,
 * each a datagram that stands alone, make up one SEND: the core then learns once how far it got. What is larger than a
 * datagram goes as fragments. */
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

/* Sends a frame made of its head (the first piece) and records as one datagram. */
static void send_datagram(struct dgraft_driver *driver, dgraft_node_set receivers, enum dgraft_piece_life life)
{
    struct dgraft_transport *transport = driver->options.transport;
    struct dgraft_outgoing outgoing = {.to = receivers,
                                       .class_ = DGRAFT_SEND_ONE_WAY,
                                       .pieces = driver->send_pieces.items,
                                       .piece_count = driver->send_pieces.count,
                                       .life = life};
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

/* A SEND of entries on its way into frames. */
struct packing {
    const struct dgraft_action_send *send;
    struct dgraft_message message; /* of the next frame */
    uint64_t bytes;                /* of records, sent so far; 0: the next frame is the first */
    size_t frame_room;             /* for records, in a datagram */
    size_t send_room;              /* in all frames together; less than two datagrams' room: one frame */
    const uint8_t *stored;         /* records read from the segments, not sent yet */
    size_t stored_bytes;
};

/* What gathering records for one frame has come to. */
struct gathered {
    size_t room;
    uint32_t count;
    uint64_t bytes;
    dgraft_term last_term;
};

/* One datagram's room, or the SEND's when that is less; for a first record that goes in fragments anyway, more. */
static size_t room_for(const struct dgraft_driver *driver, const struct packing *packing)
{
    const struct window_slot *slot = dgraft_window_at(&driver->window, packing->message.u.append.prev.index + 1);
    size_t room = packing->frame_room;
    bool large = slot != NULL && dgraft_record_bytes(slot->entry.payload_bytes) > room;
    if (large && room < DRIVER_FRAGMENTED_BYTES) {
        room = DRIVER_FRAGMENTED_BYTES;
    }
    return room < packing->send->max_bytes ? room : (size_t)packing->send->max_bytes;
}

static void begin_packing(const struct dgraft_driver *driver, const struct dgraft_action_send *send,
                          struct packing *packing)
{
    const struct dgraft_transport *transport = driver->options.transport;
    *packing = (struct packing){.send = send, .message = send->message};
    packing->frame_room = transport->datagram_bytes_max - DGRAFT_FRAME_HEAD_MAX;
    packing->send_room = packing->frame_room;
    /* A carrier that holds so many messages and loses the next has none to spare. */
    if (transport->on_way_max == 0 && packing->send_room < DRIVER_FRAGMENTED_BYTES) {
        packing->send_room = DRIVER_FRAGMENTED_BYTES;
    }
    if (packing->send_room > send->max_bytes) {
        packing->send_room = (size_t)send->max_bytes;
    }
}

/* The first record of all always fits, as a datagram or in fragments; more only as long as there is room. */
static bool fits(const struct packing *packing, const struct gathered *gathered, uint64_t bytes)
{
    return (packing->bytes == 0 && gathered->count == 0) || gathered->bytes + bytes <= gathered->room;
}

static void gather_from_window(struct dgraft_driver *driver, const struct packing *packing, struct gathered *gathered)
{
    dgraft_index first = packing->message.u.append.prev.index + 1;
    for (dgraft_index index = first; index <= packing->send->last.index; index++) {
        const struct window_slot *slot = dgraft_window_at(&driver->window, index);
        if (slot == NULL || slot->record == NULL) {
            return;
        }
        uint64_t bytes = dgraft_record_bytes(slot->entry.payload_bytes);
        if (!fits(packing, gathered, bytes) || gathered->count == DGRAFT_FRAME_ENTRIES_MAX ||
            !dgraft_pieces_add_slot(&driver->send_pieces, slot)) {
            return;
        }
        gathered->count++;
        gathered->bytes += bytes;
        gathered->last_term = slot->entry.term;
    }
}

/* Reads what the window does not hold: for all frames of the SEND at once. */
static void read_back(struct dgraft_driver *driver, struct packing *packing, size_t room)
{
    dgraft_index first = packing->message.u.append.prev.index + 1;
    dgraft_index last = packing->send->last.index < driver->durable ? packing->send->last.index : driver->durable;
    uint32_t count = 0;
    size_t used = 0;
    struct dgraft_why why;
    if (first > last) {
        return;
    }
    room = room < packing->send_room ? packing->send_room : room;
    dgraft_driver_take_back(driver); /* an append before may have left from the same scratch */
    enum dgraft_status status =
        dgraft_storage_read(driver->storage, first, last, driver->send_scratch, room, &count, &used, &why);
    if (status == DGRAFT_STATUS_TOO_LARGE &&
        dgraft_driver_grow(&driver->send_scratch, &driver->send_scratch_bytes, used)) {
        status = dgraft_storage_read(driver->storage, first, first, driver->send_scratch, used, &count, &used, &why);
    }
    if (status != DGRAFT_OK) {
        if (status == DGRAFT_STATUS_DAMAGED) {
            driver->damaged = true; /* for the turn: a step is under way */
            driver->damaged_why = why;
            return;
        }
        dgraft_driver_log(driver, DGRAFT_LOG_ERROR, "entries from index %llu on cannot be read for a follower: %s",
                          (unsigned long long)first, why.text);
        return;
    }
    packing->stored = driver->send_scratch;
    packing->stored_bytes = used;
}

static void gather_from_storage(struct dgraft_driver *driver, struct packing *packing, struct gathered *gathered)
{
    if (packing->bytes == 0) {
        read_back(driver, packing, gathered->room);
    }
    struct dgraft_record record;
    while (gathered->bytes < packing->stored_bytes && gathered->count < DGRAFT_FRAME_ENTRIES_MAX &&
           dgraft_record_decode_header(packing->stored + gathered->bytes, packing->stored_bytes - gathered->bytes,
                                       &record) == DGRAFT_ACCEPT) {
        const uint64_t bytes = dgraft_record_bytes(record.entry.payload_bytes);
        if (!fits(packing, gathered, bytes)) {
            break;
        }
        gathered->count++;
        gathered->bytes += bytes;
        gathered->last_term = record.entry.term;
    }
    if (gathered->count == 0 || !dgraft_pieces_add(&driver->send_pieces, packing->stored, gathered->bytes)) {
        gathered->count = 0;
        return;
    }
    packing->stored += gathered->bytes;
    packing->stored_bytes -= gathered->bytes;
}

/* The log may have been overwritten since the core spoke: then the ends do not have the terms that it named. */
static bool ends_hold(const struct dgraft_driver *driver, const struct packing *packing,
                      const struct gathered *gathered)
{
    struct dgraft_position prev = packing->message.u.append.prev;
    const struct dgraft_position last = packing->send->last;
    const struct window_slot *slot = dgraft_window_at(&driver->window, prev.index);
    if (slot != NULL && slot->entry.term != prev.term) {
        return false;
    }
    if (slot == NULL && prev.index > 0 && packing->bytes == 0 &&
        dgraft_storage_term_at(driver->storage, prev.index) != prev.term) {
        return false;
    }
    if (prev.index + gathered->count == last.index) {
        return gathered->last_term == last.term;
    }
    return gathered->last_term <= last.term;
}

/* Gathers the next frame's records behind its head's place. Returns false when there is nothing to send. */
static bool gather(struct dgraft_driver *driver, struct packing *packing, struct gathered *gathered)
{
    struct pieces *pieces = &driver->send_pieces;
    pieces->items[0] = (struct iovec){.iov_base = driver->send_heads, .iov_len = 0};
    pieces->count = 1;
    *gathered = (struct gathered){.room = room_for(driver, packing)};
    if (packing->stored_bytes == 0) {
        gather_from_window(driver, packing, gathered);
    }
    if (gathered->count == 0) {
        pieces->count = 1;
        gather_from_storage(driver, packing, gathered);
    }
    /* Only now: reading records back may have flushed. */
    if (driver->send_heads_count == DRIVER_HEADS_MAX) {
        dgraft_driver_flush(driver);
    }
    pieces->items[0].iov_base = driver->send_heads[driver->send_heads_count];
    return gathered->count > 0 && ends_hold(driver, packing, gathered);
}

static void send_append(struct dgraft_driver *driver, const struct dgraft_action_send *send)
{
    const dgraft_index prev = send->message.u.append.prev.index;
    const dgraft_node_set receivers = send->receivers & ~behind_fragments(driver, send->receivers);
    dgraft_node_set sent = 0;
    struct packing packing;
    struct gathered gathered;
    begin_packing(driver, send, &packing);
    struct dgraft_append *append = &packing.message.u.append;
    bool more = receivers != 0;
    while (more && gather(driver, &packing, &gathered)) {
        append->count = gathered.count;
        const size_t size = encode_head(driver, &packing.message, receivers);
        const dgraft_index last = append->prev.index + gathered.count;
        const bool fragmented = size + gathered.bytes > driver->options.transport->datagram_bytes_max;
        driver->frames_sent++;
        if (fragmented) {
            sent = send_in_fragments(driver, receivers, append_key(&packing.message, last));
        } else {
            sent = receivers;
            send_datagram(driver, receivers, DGRAFT_PIECES_UNTIL_FLUSH);
            driver->send_heads_count++;
        }
        packing.bytes += gathered.bytes;
        append->prev = (struct dgraft_position){.index = last, .term = gathered.last_term};
        more = !fragmented && last < send->last.index && packing.bytes + packing.frame_room <= packing.send_room;
    }
    say_sent(driver, send, sent, append->prev.index, packing.bytes);
    say_sent(driver, send, send->receivers & ~sent, prev, 0);
}

/* Names a part of a snapshot for the fragments: what is still under way is not begun again. */
static uint64_t chunk_key(const struct dgraft_snapshot_chunk *chunk)
{
    return ((chunk->snapshot.digest ^ chunk->snapshot.position.index) * UINT64_C(0x9e3779b97f4a7c15) + chunk->offset) |
           1;
}

/* Sends a part of the store's newest snapshot. If that is another one by now than the core meant, or cannot be read,
 * the part counts as lost. */
static void send_chunk(struct dgraft_driver *driver, const struct dgraft_action_send *send)
{
    static const uint8_t zeros[8];
    const struct dgraft_snapshot_chunk *chunk = &send->message.u.snapshot_chunk;
    const struct dgraft_snapshot stored = dgraft_storage_snapshot(driver->storage);
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    struct dgraft_why why;
    size_t got = 0;
    if (!dgraft_snapshot_equal(&stored, &chunk->snapshot) ||
        !dgraft_driver_grow(&driver->chunk, &driver->chunk_bytes, chunk->bytes)) {
        return;
    }
    enum dgraft_status status =
        dgraft_storage_snapshot_read(driver->storage, chunk->offset, driver->chunk, chunk->bytes, &got, &why);
    if (status != DGRAFT_OK || got != chunk->bytes) {
        dgraft_driver_log(driver, DGRAFT_LOG_ERROR, "the snapshot cannot be read for a follower: %s", why.text);
        return;
    }
    driver->send_pieces.items[0] = (struct iovec){.iov_base = head, .iov_len = 0};
    driver->send_pieces.count = 1;
    if (!dgraft_pieces_add(&driver->send_pieces, driver->chunk, chunk->bytes) ||
        !dgraft_pieces_add(&driver->send_pieces, zeros, dgraft_record_padding(chunk->bytes))) {
        return;
    }
    const size_t size = encode_head(driver, &send->message, send->receivers);
    driver->frames_sent++;
    driver->files.stats.chunks_sent++;
    if (size + dgraft_record_padding(chunk->bytes) + chunk->bytes <= driver->options.transport->datagram_bytes_max) {
        send_datagram(driver, send->receivers, DGRAFT_PIECES_FOR_CALL);
    } else {
        (void)send_in_fragments(driver, send->receivers, chunk_key(chunk));
    }
}

void dgraft_driver_send_records(struct dgraft_driver *driver, const struct dgraft_action_send *send,
                                const struct iovec *records, uint64_t key)
{
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    driver->send_pieces.items[0] = (struct iovec){.iov_base = head, .iov_len = 0};
    driver->send_pieces.count = 1;
    if (records->iov_len > 0 && !dgraft_pieces_add(&driver->send_pieces, records->iov_base, records->iov_len)) {
        return;
    }
    const size_t size = encode_head(driver, &send->message, send->receivers);
    driver->frames_sent++;
    if (size + records->iov_len <= driver->options.transport->datagram_bytes_max) {
        send_datagram(driver, send->receivers, DGRAFT_PIECES_FOR_CALL);
    } else {
        (void)send_in_fragments(driver, send->receivers, key);
    }
}

void dgraft_driver_send(struct dgraft_driver *driver, const struct dgraft_action_send *send)
{
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    const struct dgraft_message *message = &send->message;
    if (message->type == DGRAFT_MESSAGE_SNAPSHOT_CHUNK) {
        send_chunk(driver, send);
        return;
    }
    if (message->type == DGRAFT_MESSAGE_FETCH_ANSWER) {
        dgraft_driver_send_fetched(driver, send);
        return;
    }
    if (message->type == DGRAFT_MESSAGE_APPEND && send->last.index > message->u.append.prev.index) {
        send_append(driver, send);
        return;
    }
    /* The first piece is the head's place; dgraft_driver_open made room for it. A head is small, and copied. */
    driver->send_pieces.items[0] = (struct iovec){.iov_base = head, .iov_len = 0};
    driver->send_pieces.count = 1;
    (void)encode_head(driver, message, send->receivers);
    driver->frames_sent++;
    send_datagram(driver, send->receivers, DGRAFT_PIECES_FOR_CALL);
}
