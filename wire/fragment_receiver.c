/* The receiving half of fragments: messages put together in bounded memory.
 *
 * Anyone can announce a message, so an announcement takes from others only what they no longer use: from messages of
 * the same source, from messages that have been silent for the longest wait between two repetitions, and for a peer's
 * from any stranger's. Strangers (clients too) share half of the memory. */
#include "fragment_parts.h"

#include <dgraft/record.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SOURCES_MAX    128u
#define FINISHED_MAX   64u   /* messages remembered per source, so that a repetition is not delivered again */
#define ACK_EACH_BYTES 6144u /* an acknowledgement after so much, or at the end of the turn */
#define SILENT_RETRIES 16u   /* a sender's waits double up to this */

/* An address and one start of its sender. */
struct dgraft_source {
    struct dgraft_source *next;
    struct dgraft_address address;
    uint64_t stream;
    bool peer;
    uint32_t incoming_count;
    uint32_t finished_count;         /* grows for ever; the newest FINISHED_MAX stand in the ring */
    uint64_t finished[FINISHED_MAX]; /* message numbers */
};

struct dgraft_incoming {
    struct dgraft_incoming *next;
    struct dgraft_source *source;
    uint64_t number;
    uint32_t message_bytes;
    uint32_t fragment_bytes;
    uint32_t count;
    uint32_t base;        /* the first that has not come */
    uint32_t highest;     /* one after the last that has come */
    uint32_t received;    /* how many have come */
    uint32_t fresh_bytes; /* since the last acknowledgement */
    bool ack_due;
    dgraft_time_ns heard_ns;
    size_t memory_bytes;
    struct dgraft_buffer *buffer;
    uint64_t bits[];
};

static bool bit_get(const uint64_t *bits, uint32_t at)
{
    return (bits[at / 64] >> (at % 64) & 1u) != 0;
}

static void bit_set(uint64_t *bits, uint32_t at)
{
    bits[at / 64] |= UINT64_C(1) << (at % 64);
}

/* Finds a source and puts it first. */
static struct dgraft_source *find_source(struct dgraft_fragments *fragments, const struct dgraft_address *address,
                                         uint64_t stream)
{
    for (struct dgraft_source **at = &fragments->sources; *at != NULL; at = &(*at)->next) {
        struct dgraft_source *source = *at;
        if (source->stream == stream && dgraft_address_equal(&source->address, address)) {
            *at = source->next;
            source->next = fragments->sources;
            fragments->sources = source;
            return source;
        }
    }
    return NULL;
}

static bool is_peer(const struct dgraft_transport *transport, const struct dgraft_address *address)
{
    for (dgraft_node_id id = 1; id <= DGRAFT_NODE_ID_MAX; id++) {
        struct dgraft_address peer;
        if (transport->ops->peer_address(transport, id, &peer) && dgraft_address_equal(&peer, address)) {
            return true;
        }
    }
    return false;
}

static bool finished(const struct dgraft_source *source, uint64_t number)
{
    const uint32_t count = source->finished_count < FINISHED_MAX ? source->finished_count : FINISHED_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (source->finished[i] == number) {
            return true;
        }
    }
    return false;
}

/* Forgets the stranger that was silent longest, or else a peer; never one with a message under way. */
static bool forget_source(struct dgraft_fragments *fragments)
{
    struct dgraft_source **victim = NULL;
    for (struct dgraft_source **at = &fragments->sources; *at != NULL; at = &(*at)->next) {
        if ((*at)->incoming_count == 0 && (victim == NULL || !(*at)->peer || (*victim)->peer)) {
            victim = at;
        }
    }
    if (victim == NULL) {
        return false;
    }
    struct dgraft_source *source = *victim;
    *victim = source->next;
    fragments->source_count--;
    free(source);
    return true;
}

static struct dgraft_source *add_source(struct dgraft_fragments *fragments, const struct dgraft_address *address,
                                        uint64_t stream, bool peer)
{
    if (fragments->source_count >= SOURCES_MAX && !forget_source(fragments)) {
        return NULL;
    }
    struct dgraft_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        return NULL;
    }
    source->address = *address;
    source->stream = stream;
    source->peer = peer;
    source->next = fragments->sources;
    fragments->sources = source;
    fragments->source_count++;
    return source;
}

/* Takes a message off the list. Its buffer goes with it unless it was taken before. */
static void remove_incoming(struct dgraft_fragments *fragments, struct dgraft_incoming *incoming)
{
    struct dgraft_incoming **at = &fragments->incoming;
    while (*at != incoming) {
        at = &(*at)->next;
    }
    *at = incoming->next;
    incoming->source->incoming_count--;
    fragments->stats.incoming_bytes -= incoming->memory_bytes;
    if (!incoming->source->peer) {
        fragments->stranger_bytes -= incoming->memory_bytes;
    }
    if (incoming->ack_due) {
        fragments->acks_due--;
    }
    dgraft_buffer_release(incoming->buffer);
    free(incoming);
}

/* Whose message may give way to a newcomer. */
enum give_way { SAME_ADDRESS, ANY_STRANGER, SILENT_STRANGER, SILENT };

static bool may_give_way(const struct dgraft_fragments *fragments, const struct dgraft_incoming *incoming,
                         enum give_way rule, const struct dgraft_address *address, dgraft_time_ns now_ns)
{
    const bool silent = now_ns - incoming->heard_ns >= SILENT_RETRIES * fragments->options.retry_ns;
    switch (rule) {
    case SAME_ADDRESS:
        return dgraft_address_equal(&incoming->source->address, address);
    case ANY_STRANGER:
        return !incoming->source->peer;
    case SILENT_STRANGER:
        return !incoming->source->peer && silent;
    case SILENT:
        return silent;
    }
    return false;
}

/* Lets the message go that was heard of least lately among those that may; false when there is none. */
static bool give_way(struct dgraft_fragments *fragments, enum give_way rule, const struct dgraft_address *address,
                     dgraft_time_ns now_ns)
{
    struct dgraft_incoming *victim = NULL;
    for (struct dgraft_incoming *at = fragments->incoming; at != NULL; at = at->next) {
        if (may_give_way(fragments, at, rule, address, now_ns) &&
            (victim == NULL || at->heard_ns <= victim->heard_ns)) {
            victim = at;
        }
    }
    if (victim != NULL) {
        remove_incoming(fragments, victim);
    }
    return victim != NULL;
}

static uint32_t count_of(const struct dgraft_fragments *fragments, const struct dgraft_address *address)
{
    uint32_t count = 0;
    for (const struct dgraft_incoming *at = fragments->incoming; at != NULL; at = at->next) {
        count += dgraft_address_equal(&at->source->address, address) ? 1 : 0;
    }
    return count;
}

/* Makes room for a message that takes so much; false when nobody may give way. */
static bool make_room(struct dgraft_fragments *fragments, const struct dgraft_address *address, bool peer,
                      size_t need_bytes, dgraft_time_ns now_ns)
{
    const size_t all = fragments->options.incoming_bytes_max;
    const size_t share = all / 2 > need_bytes ? all / 2 : need_bytes; /* one of a stranger's always fits */
    if (need_bytes > all) {
        return false;
    }
    while (count_of(fragments, address) >= fragments->options.incoming_per_source) {
        if (!give_way(fragments, SAME_ADDRESS, address, now_ns)) {
            return false;
        }
    }
    while (!peer && fragments->stranger_bytes > share - need_bytes) {
        if (!give_way(fragments, SILENT_STRANGER, address, now_ns)) {
            return false;
        }
    }
    while (fragments->stats.incoming_bytes > all - need_bytes) {
        if (!(peer && give_way(fragments, ANY_STRANGER, address, now_ns)) &&
            !give_way(fragments, peer ? SILENT : SILENT_STRANGER, address, now_ns)) {
            return false;
        }
    }
    return true;
}

static struct dgraft_incoming *find_incoming(const struct dgraft_fragments *fragments,
                                             const struct dgraft_source *source, uint64_t number)
{
    for (struct dgraft_incoming *at = fragments->incoming; at != NULL; at = at->next) {
        if (at->source == source && at->number == number) {
            return at;
        }
    }
    return NULL;
}

/* Begins to put a message together, of which this is the first piece to come. NULL when there is no room. */
static struct dgraft_incoming *begin(struct dgraft_fragments *fragments, dgraft_time_ns now_ns,
                                     const struct dgraft_address *address, const struct dgraft_fragment *piece)
{
    const bool peer = is_peer(fragments->transport, address);
    const size_t words = (piece->count + 63u) / 64u;
    const size_t struct_bytes = sizeof(struct dgraft_incoming) + words * sizeof(uint64_t);
    const size_t memory_bytes = struct_bytes + sizeof(struct dgraft_buffer) + piece->message_bytes;
    if (!make_room(fragments, address, peer, memory_bytes, now_ns)) {
        return NULL;
    }
    struct dgraft_source *source = find_source(fragments, address, piece->stream);
    if (source == NULL) {
        source = add_source(fragments, address, piece->stream, peer);
    }
    if (source == NULL) {
        return NULL;
    }
    if (source->incoming_count == 0) {
        source->peer = peer; /* it may have joined or left since */
    }
    struct dgraft_incoming *incoming = calloc(1, struct_bytes);
    struct dgraft_buffer *buffer = dgraft_buffer_new(piece->message_bytes);
    if (incoming == NULL || buffer == NULL) {
        free(incoming);
        dgraft_buffer_release(buffer);
        return NULL;
    }
    incoming->source = source;
    incoming->number = piece->message;
    incoming->message_bytes = piece->message_bytes;
    incoming->fragment_bytes = piece->fragment_bytes;
    incoming->count = piece->count;
    incoming->heard_ns = now_ns;
    incoming->memory_bytes = memory_bytes;
    incoming->buffer = buffer;
    incoming->next = fragments->incoming;
    fragments->incoming = incoming;
    source->incoming_count++;
    fragments->stats.incoming_bytes += memory_bytes;
    if (!source->peer) {
        fragments->stranger_bytes += memory_bytes;
    }
    dgraft_fragments_wake_by(fragments, now_ns + fragments->options.give_up_ns);
    return incoming;
}

static void send_datagram(struct dgraft_fragments *fragments, const struct dgraft_address *address,
                          struct dgraft_fragment *ack, uint8_t *bytes)
{
    ack->kind = DGRAFT_FRAGMENT_ACK;
    dgraft_fragment_encode(ack, bytes);
    const struct iovec span = {.iov_base = bytes, .iov_len = DGRAFT_FRAGMENT_HEADER_BYTES + ack->payload_bytes};
    const struct dgraft_outgoing outgoing = {
        .address = *address, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = &span, .piece_count = 1};
    /* A lost acknowledgement is made up for by the next one. */
    (void)fragments->transport->ops->send(fragments->transport, &outgoing);
}

/* Says how many have come without a gap, and which of those behind the gap. */
static void acknowledge(struct dgraft_fragments *fragments, struct dgraft_incoming *incoming)
{
    uint8_t bytes[DGRAFT_FRAGMENT_HEADER_BYTES + DGRAFT_FRAGMENT_WORDS_MAX * 8] = {0};
    uint32_t end = incoming->highest;
    if (end - incoming->base > fragments->span) {
        end = incoming->base + fragments->span;
    }
    for (uint32_t i = incoming->base; i < end; i++) {
        const uint32_t bit = i - incoming->base;
        const uint8_t mask = (uint8_t)(1u << (bit % 8));
        if (bit_get(incoming->bits, i)) {
            bytes[DGRAFT_FRAGMENT_HEADER_BYTES + bit / 8] |= mask;
        }
    }
    struct dgraft_fragment ack = {.number = (uint16_t)incoming->base,
                                  .message_bytes = incoming->message_bytes,
                                  .stream = incoming->source->stream,
                                  .message = incoming->number,
                                  .fragment_bytes = incoming->fragment_bytes,
                                  .payload_bytes = (end - incoming->base + 63u) / 64u * 8u};
    send_datagram(fragments, &incoming->source->address, &ack, bytes);
    incoming->fresh_bytes = 0;
    if (incoming->ack_due) {
        incoming->ack_due = false;
        fragments->acks_due--;
    }
}

/* Says that all of a message has come. */
static void acknowledge_whole(struct dgraft_fragments *fragments, const struct dgraft_address *address,
                              const struct dgraft_fragment *piece)
{
    uint8_t bytes[DGRAFT_FRAGMENT_HEADER_BYTES];
    struct dgraft_fragment ack = *piece;
    ack.number = (uint16_t)piece->count;
    ack.payload_bytes = 0;
    send_datagram(fragments, address, &ack, bytes);
}

/* Puts a piece in its place. Returns whether it was missing. */
static bool place(struct dgraft_incoming *incoming, const struct dgraft_fragment *piece)
{
    if (bit_get(incoming->bits, piece->number)) {
        return false;
    }
    const size_t at = (size_t)piece->number * incoming->fragment_bytes;
    assert(at + piece->payload_bytes <= incoming->message_bytes);
    memcpy(incoming->buffer->bytes + at, piece->payload, piece->payload_bytes);
    bit_set(incoming->bits, piece->number);
    incoming->received++;
    incoming->fresh_bytes += (uint32_t)piece->payload_bytes;
    if (piece->number >= incoming->highest) {
        incoming->highest = piece->number + 1u;
    }
    while (incoming->base < incoming->count && bit_get(incoming->bits, incoming->base)) {
        incoming->base++;
    }
    return true;
}

/* Hands a whole message over and remembers that it came. */
static void finish(struct dgraft_fragments *fragments, struct dgraft_incoming *incoming,
                   struct dgraft_datagram *message)
{
    struct dgraft_source *source = incoming->source;
    source->finished[source->finished_count++ % FINISHED_MAX] = incoming->number;
    *message = (struct dgraft_datagram){.bytes = incoming->buffer->bytes,
                                        .size = incoming->message_bytes,
                                        .buffer = incoming->buffer,
                                        .source = source->address};
    incoming->buffer = NULL;
    fragments->stats.messages_received++;
    remove_incoming(fragments, incoming);
}

bool dgraft_fragments_take_piece(struct dgraft_fragments *fragments, dgraft_time_ns now_ns,
                                 const struct dgraft_datagram *datagram, const struct dgraft_fragment *piece,
                                 struct dgraft_datagram *message, enum dgraft_refusal *refusal)
{
    struct dgraft_source *source = find_source(fragments, &datagram->source, piece->stream);
    if (source != NULL && finished(source, piece->message)) {
        acknowledge_whole(fragments, &datagram->source, piece);
        return false;
    }
    struct dgraft_incoming *incoming = source != NULL ? find_incoming(fragments, source, piece->message) : NULL;
    if (incoming == NULL) {
        incoming = begin(fragments, now_ns, &datagram->source, piece);
        if (incoming == NULL) {
            *refusal = DGRAFT_REFUSAL_MEMORY;
            return false;
        }
    }
    if (incoming->message_bytes != piece->message_bytes || incoming->fragment_bytes != piece->fragment_bytes) {
        *refusal = DGRAFT_REFUSAL_LENGTH;
        return false;
    }
    const bool missing = place(incoming, piece);
    if (incoming->received == incoming->count) {
        acknowledge_whole(fragments, &datagram->source, piece);
        finish(fragments, incoming, message);
        return true;
    }
    if (missing) {
        incoming->heard_ns = now_ns;
    }
    /* A gap or a repetition is told at once: the sender learns from it what to send again, and what not. */
    if (!missing || incoming->base < incoming->highest || incoming->fresh_bytes >= ACK_EACH_BYTES) {
        acknowledge(fragments, incoming);
    } else if (!incoming->ack_due) {
        incoming->ack_due = true;
        fragments->acks_due++;
    }
    return false;
}

void dgraft_fragments_wake_incoming(struct dgraft_fragments *fragments, dgraft_time_ns now_ns)
{
    struct dgraft_incoming *next = NULL;
    for (struct dgraft_incoming *incoming = fragments->incoming; incoming != NULL; incoming = next) {
        next = incoming->next;
        if (incoming->ack_due) {
            acknowledge(fragments, incoming);
        }
        const dgraft_time_ns until_ns = incoming->heard_ns + fragments->options.give_up_ns;
        if (now_ns >= until_ns) {
            remove_incoming(fragments, incoming);
        } else {
            dgraft_fragments_wake_by(fragments, until_ns);
        }
    }
    assert(fragments->acks_due == 0);
}

void dgraft_fragments_close_incoming(struct dgraft_fragments *fragments)
{
    while (fragments->incoming != NULL) {
        remove_incoming(fragments, fragments->incoming);
    }
    struct dgraft_source *source = NULL;
    while ((source = fragments->sources) != NULL) {
        fragments->sources = source->next;
        free(source);
    }
}
