/* The in-process carrier. Nothing here decides a fate: whoever owns the hub does, in `deliver`. What the sender retains
 * until flush is read when it is flushed, so that whoever changes it too early shows in simulations and tests. */
#include "pieces.h"

#include <dgraft/transport.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES_MAX 31u
#define RETAINED_MAX   64u /* sends that wait for flush; one more flushes them */

struct letter {
    struct dgraft_buffer *buffer;
    size_t size;
    struct dgraft_address source;
};

struct carrier {
    struct dgraft_transport transport;
    struct dgraft_memory_hub *hub; /* NULL once the hub is closed: what is sent is lost */
    struct carrier *next;          /* in the hub */
    struct dgraft_address self;
    struct dgraft_address peers[DGRAFT_NODE_ID_MAX]; /* of id at [id - 1]; size 0: none */
    struct dgraft_transport_stats stats;
    uint8_t *gathered; /* datagram_bytes_max: one datagram of a message that lies in pieces */
    struct dgraft_outgoing retained[RETAINED_MAX]; /* their lists of pieces are on the heap */
    size_t retained_count;
    struct letter *letters; /* a ring */
    size_t letters_max;
    size_t letters_first;
    size_t letters_count;
};

struct dgraft_memory_hub {
    dgraft_memory_deliver *deliver;
    void *context;
    struct carrier *carriers;
};

static struct carrier *carrier_of(struct dgraft_transport *transport)
{
    return (struct carrier *)(void *)transport;
}

static const struct carrier *carrier_of_const(const struct dgraft_transport *transport)
{
    return (const struct carrier *)(const void *)transport;
}

static struct carrier *hub_find(const struct dgraft_memory_hub *hub, const struct dgraft_address *address)
{
    struct carrier *carrier = hub->carriers;
    while (carrier != NULL && !dgraft_address_equal(&carrier->self, address)) {
        carrier = carrier->next;
    }
    return carrier;
}

static bool name_valid(const char *name)
{
    size_t size = strlen(name);
    if (size == 0 || size > NAME_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (name[i] < 0x20 || name[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

void dgraft_memory_address(const char *name, struct dgraft_address *out)
{
    *out = (struct dgraft_address){0};
    out->size = (uint32_t)strnlen(name, NAME_BYTES_MAX);
    memcpy(out->bytes, name, out->size);
}

struct dgraft_memory_hub *dgraft_memory_hub_open(dgraft_memory_deliver *deliver, void *context)
{
    struct dgraft_memory_hub *hub = malloc(sizeof *hub);
    if (hub != NULL) {
        *hub = (struct dgraft_memory_hub){.deliver = deliver, .context = context};
    }
    return hub;
}

void dgraft_memory_hub_close(struct dgraft_memory_hub *hub)
{
    if (hub == NULL) {
        return;
    }
    for (struct carrier *carrier = hub->carriers; carrier != NULL; carrier = carrier->next) {
        carrier->hub = NULL;
    }
    free(hub);
}

void dgraft_memory_hub_inject(struct dgraft_memory_hub *hub, const struct dgraft_address *from,
                              const struct dgraft_address *to, const uint8_t *bytes, size_t size)
{
    struct carrier *carrier = hub_find(hub, to);
    if (carrier == NULL) {
        return;
    }
    struct dgraft_buffer *buffer = NULL;
    if (carrier->letters_count < carrier->letters_max) {
        buffer = dgraft_buffer_new(size);
    }
    if (buffer == NULL) {
        carrier->stats.dropped_overflow++;
        return;
    }
    if (size > 0) {
        memcpy(buffer->bytes, bytes, size);
    }
    size_t at = (carrier->letters_first + carrier->letters_count) % carrier->letters_max;
    carrier->letters[at] = (struct letter){.buffer = buffer, .size = size, .source = *from};
    carrier->letters_count++;
}

static enum dgraft_status memory_peer_add(struct dgraft_transport *transport, dgraft_node_id id, const char *text)
{
    if (!dgraft_node_id_valid(id)) {
        return DGRAFT_STATUS_MISUSE;
    }
    if (!name_valid(text)) {
        return DGRAFT_STATUS_ADDRESS;
    }
    dgraft_memory_address(text, &carrier_of(transport)->peers[id - 1]);
    return DGRAFT_OK;
}

static void memory_peer_remove(struct dgraft_transport *transport, dgraft_node_id id)
{
    if (dgraft_node_id_valid(id)) {
        carrier_of(transport)->peers[id - 1].size = 0;
    }
}

static bool memory_peer_address(const struct dgraft_transport *transport, dgraft_node_id id, struct dgraft_address *out)
{
    const struct carrier *carrier = carrier_of_const(transport);
    if (!dgraft_node_id_valid(id) || carrier->peers[id - 1].size == 0) {
        return false;
    }
    *out = carrier->peers[id - 1];
    return true;
}

/* Sends one datagram to one address. */
static void send_one(struct carrier *carrier, const struct dgraft_address *to, const uint8_t *bytes, size_t size)
{
    if (to->size == 0 || carrier->hub == NULL) {
        carrier->stats.send_failures++;
        return;
    }
    carrier->stats.sent_datagrams++;
    carrier->stats.sent_bytes += size;
    if (carrier->hub->deliver != NULL) {
        carrier->hub->deliver(carrier->hub->context, &carrier->self, to, bytes, size);
    } else {
        dgraft_memory_hub_inject(carrier->hub, &carrier->self, to, bytes, size);
    }
}

static void send_to_all(struct carrier *carrier, const struct dgraft_outgoing *outgoing, const uint8_t *bytes,
                        size_t size)
{
    if (outgoing->to == 0) {
        send_one(carrier, &outgoing->address, bytes, size);
    }
    for (dgraft_node_set left = outgoing->to; left != 0; left &= left - 1) {
        send_one(carrier, &carrier->peers[dgraft_node_set_first(left) - 1], bytes, size);
    }
}

static void send_now(struct carrier *carrier, const struct dgraft_outgoing *outgoing)
{
    size_t left = dgraft_pieces_bytes(outgoing->pieces, outgoing->piece_count);
    const size_t datagram = outgoing->segment_bytes != 0 ? outgoing->segment_bytes : left;
    if (outgoing->segment_bytes == 0 && outgoing->piece_count == 1) {
        send_to_all(carrier, outgoing, outgoing->pieces[0].iov_base, left);
        return;
    }
    struct dgraft_pieces pieces = {.items = outgoing->pieces, .count = outgoing->piece_count};
    do {
        size_t size = left < datagram ? left : datagram;
        dgraft_pieces_copy(&pieces, carrier->gathered, size);
        send_to_all(carrier, outgoing, carrier->gathered, size);
        left -= size;
    } while (left > 0);
}

static void retained_free(const struct dgraft_outgoing *outgoing)
{
    free((void *)(uintptr_t)outgoing->pieces);
}

static void memory_flush(struct dgraft_transport *transport)
{
    struct carrier *carrier = carrier_of(transport);
    for (size_t i = 0; i < carrier->retained_count; i++) {
        send_now(carrier, &carrier->retained[i]);
        retained_free(&carrier->retained[i]);
    }
    carrier->retained_count = 0;
}

/* Keeps a send for flush. Returns false when there is no memory for its list. */
static bool retain(struct carrier *carrier, const struct dgraft_outgoing *outgoing)
{
    struct iovec *pieces = calloc(outgoing->piece_count, sizeof *pieces);
    if (pieces == NULL) {
        return false;
    }
    memcpy(pieces, outgoing->pieces, outgoing->piece_count * sizeof *pieces);
    struct dgraft_outgoing *kept = &carrier->retained[carrier->retained_count++];
    *kept = *outgoing;
    kept->pieces = pieces;
    return true;
}

static enum dgraft_status memory_send(struct dgraft_transport *transport, const struct dgraft_outgoing *outgoing)
{
    struct carrier *carrier = carrier_of(transport);
    const size_t datagram = outgoing->segment_bytes != 0 ? outgoing->segment_bytes
                                                         : dgraft_pieces_bytes(outgoing->pieces, outgoing->piece_count);
    if (datagram > transport->datagram_bytes_max) {
        return DGRAFT_STATUS_TOO_LARGE;
    }
    const bool waits = outgoing->life == DGRAFT_PIECES_UNTIL_FLUSH && outgoing->piece_count > 0;
    if (!waits || carrier->retained_count == RETAINED_MAX) {
        memory_flush(transport); /* what was sent before it leaves before it */
    }
    if (!waits || !retain(carrier, outgoing)) {
        send_now(carrier, outgoing);
    }
    return DGRAFT_OK;
}

static size_t memory_receive(struct dgraft_transport *transport, struct dgraft_datagram *out, size_t count)
{
    struct carrier *carrier = carrier_of(transport);
    size_t taken = 0;
    for (; taken < count && carrier->letters_count > 0; taken++) {
        const struct letter *letter = &carrier->letters[carrier->letters_first];
        out[taken] = (struct dgraft_datagram){
            .bytes = letter->buffer->bytes, .size = letter->size, .buffer = letter->buffer, .source = letter->source};
        carrier->stats.received_datagrams++;
        carrier->stats.received_bytes += letter->size;
        carrier->letters_first = (carrier->letters_first + 1) % carrier->letters_max;
        carrier->letters_count--;
    }
    return taken;
}

static int memory_descriptor(const struct dgraft_transport *transport)
{
    (void)transport;
    return -1;
}

static void memory_local_address(const struct dgraft_transport *transport, char *text, size_t text_bytes)
{
    dgraft_address_text(&carrier_of_const(transport)->self, text, text_bytes);
}

static void memory_stats(const struct dgraft_transport *transport, struct dgraft_transport_stats *stats)
{
    *stats = carrier_of_const(transport)->stats;
}

static void hub_forget(struct carrier *carrier)
{
    struct carrier **link = &carrier->hub->carriers;
    while (*link != carrier) {
        link = &(*link)->next;
    }
    *link = carrier->next;
}

static void memory_close(struct dgraft_transport *transport)
{
    struct carrier *carrier = carrier_of(transport);
    if (carrier->hub != NULL) {
        hub_forget(carrier);
    }
    for (; carrier->letters_count > 0; carrier->letters_count--) {
        dgraft_buffer_release(carrier->letters[carrier->letters_first].buffer);
        carrier->letters_first = (carrier->letters_first + 1) % carrier->letters_max;
    }
    while (carrier->retained_count > 0) {
        retained_free(&carrier->retained[--carrier->retained_count]);
    }
    free(carrier->letters);
    free(carrier->gathered);
    free(carrier);
}

static const struct dgraft_transport_ops memory_ops = {.name = "memory",
                                                       .peer_add = memory_peer_add,
                                                       .peer_remove = memory_peer_remove,
                                                       .peer_address = memory_peer_address,
                                                       .send = memory_send,
                                                       .flush = memory_flush,
                                                       .receive = memory_receive,
                                                       .descriptor = memory_descriptor,
                                                       .local_address = memory_local_address,
                                                       .stats = memory_stats,
                                                       .close = memory_close};

enum dgraft_status dgraft_memory_open(struct dgraft_memory_hub *hub, const char *name, size_t datagram_bytes_max,
                                      size_t inbox_max, struct dgraft_transport **out)
{
    if (datagram_bytes_max == 0 || inbox_max == 0 || inbox_max > SIZE_MAX / sizeof(struct letter)) {
        return DGRAFT_STATUS_CONFIG;
    }
    if (!name_valid(name)) {
        return DGRAFT_STATUS_ADDRESS;
    }
    struct dgraft_address self;
    dgraft_memory_address(name, &self);
    if (hub_find(hub, &self) != NULL) {
        return DGRAFT_STATUS_ADDRESS_IN_USE;
    }
    struct carrier *carrier = malloc(sizeof *carrier);
    uint8_t *gathered = malloc(datagram_bytes_max);
    struct letter *letters = calloc(inbox_max, sizeof *letters);
    if (carrier == NULL || gathered == NULL || letters == NULL) {
        free(carrier);
        free(gathered);
        free(letters);
        return DGRAFT_STATUS_NO_MEMORY;
    }
    *carrier = (struct carrier){.transport = {.ops = &memory_ops, .datagram_bytes_max = datagram_bytes_max},
                                .hub = hub,
                                .next = hub->carriers,
                                .self = self,
                                .gathered = gathered,
                                .letters = letters,
                                .letters_max = inbox_max};
    hub->carriers = carrier;
    *out = &carrier->transport;
    return DGRAFT_OK;
}
