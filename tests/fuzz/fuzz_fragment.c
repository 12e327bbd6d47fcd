/* A conversation of fragments with hostile others. The input is a list of steps:
 *
 *   1 byte   what: 0 to 3 a datagram from that source, 4 the same sealed, 5 a message to send, 6 wake, 7 time passes,
 *            8 to 11 a piece from that source that fits the others, 12 to 15 an acknowledgement that fits
 *            what was sent
 *   1 byte   how much: source of a sealed one, size of a message / 64, milliseconds, number of a message
 *   2 bytes  of a datagram: its size; then its bytes. Of a piece: its number. Of an acknowledgement: so many have come,
 *            and a byte of the bits behind them
 */
#include <dgraft/fragment.h>
#include <dgraft/record.h>

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define MESSAGE_BYTES_MAX  (16u * 1024)
#define INCOMING_BYTES_MAX (64u * 1024)
#define OUTGOING_BYTES_MAX (64u * 1024)
#define WINDOW_BYTES       (4u * 1024)
#define DATAGRAM_BYTES     600u
#define PIECE_BYTES        64u
#define STEPS_MAX          64u

enum { KIND_PIECE = 1, KIND_ACKNOWLEDGEMENT = 2 };

/* What was sent, by the message's number: an acknowledgement that names anything else is refused. */
#define SENT_MAX 16u
static struct {
    struct dgraft_address to;
    uint64_t stream;
    uint64_t message;
    uint32_t message_bytes;
    unsigned pieces; /* the first so many */
} sent[SENT_MAX];

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static struct dgraft_address address_of(unsigned number)
{
    struct dgraft_address address = {.size = 4};
    memcpy(address.bytes, "addr", 4);
    address.bytes[3] = (uint8_t)number;
    return address;
}

/* Remembers a burst of pieces of one message, by the first one's header. */
static void remember(const uint8_t *header, size_t pieces, const struct dgraft_address *to)
{
    const uint64_t message = dgraft_get_u64(header + 32);
    const unsigned end = dgraft_get_u16(header + 18) + (unsigned)pieces;
    if (sent[message % SENT_MAX].message != message) {
        sent[message % SENT_MAX].pieces = 0;
    }
    sent[message % SENT_MAX].to = *to;
    sent[message % SENT_MAX].stream = dgraft_get_u64(header + 24);
    sent[message % SENT_MAX].message = message;
    sent[message % SENT_MAX].message_bytes = dgraft_get_u32(header + 20);
    if (sent[message % SENT_MAX].pieces < end) {
        sent[message % SENT_MAX].pieces = end;
    }
}

static enum dgraft_status send_checked(struct dgraft_transport *transport, const struct dgraft_outgoing *outgoing)
{
    const size_t size = outgoing->pieces[0].iov_len;
    const size_t segment = outgoing->segment_bytes > 0 ? outgoing->segment_bytes : size;
    require(outgoing->piece_count == 1 && size >= DGRAFT_FRAGMENT_HEADER_BYTES && size <= 60 * 1024);
    const uint8_t *header = outgoing->pieces[0].iov_base;
    require(segment <= transport->datagram_bytes_max && (size + segment - 1) / segment <= 64);
    if (header[17] == KIND_PIECE) {
        remember(header, (size + segment - 1) / segment, &outgoing->address);
    }
    return DGRAFT_OK;
}

static bool peer_address(const struct dgraft_transport *transport, dgraft_node_id id, struct dgraft_address *out)
{
    *out = address_of(1);
    return transport->datagram_bytes_max > 0 && id == 2;
}

static void flush(struct dgraft_transport *transport)
{
    require(transport->datagram_bytes_max > 0);
}

static const struct dgraft_transport_ops ops = {
    .name = "fuzz", .peer_address = peer_address, .send = send_checked, .flush = flush};

/* Makes the checksum fit. */
static void seal(uint8_t *bytes, size_t size)
{
    if (size >= DGRAFT_FRAGMENT_HEADER_BYTES) {
        dgraft_put_u32(bytes, DGRAFT_FRAGMENT_MAGIC);
        dgraft_put_u32(bytes + 4, (uint32_t)size);
        dgraft_put_u64(bytes + 8, XXH3_64bits_withSeed(bytes + 16, size - 16, dgraft_get_u64(bytes)));
    }
}

static void give(struct dgraft_fragments *fragments, dgraft_time_ns now_ns, const struct dgraft_address *source,
                 const uint8_t *data, size_t size, bool sealed)
{
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    require(bytes != NULL);
    memcpy(bytes, data, size);
    if (sealed) {
        seal(bytes, size);
    }
    if (dgraft_fragments_claims(bytes, size)) {
        const struct dgraft_datagram datagram = {.bytes = bytes, .size = size, .source = *source};
        struct dgraft_datagram message;
        enum dgraft_refusal refusal = DGRAFT_ACCEPT;
        if (dgraft_fragments_receive(fragments, now_ns, &datagram, &message, &refusal)) {
            require(refusal == DGRAFT_ACCEPT && message.size >= 1 && message.size <= MESSAGE_BYTES_MAX);
            require(message.buffer->references == 1);
            dgraft_buffer_release(message.buffer);
        }
    }
    free(bytes);
}

/* A piece of message `message`, whose length follows from its number: what makes it whole is that all of them come. */
static void give_piece(struct dgraft_fragments *fragments, dgraft_time_ns now_ns, const struct dgraft_address *source,
                       unsigned message, unsigned number)
{
    uint8_t bytes[DGRAFT_FRAGMENT_HEADER_BYTES + PIECE_BYTES] = {0};
    const size_t message_bytes = 1 + message % 8 * 50u;
    const size_t count = (message_bytes + PIECE_BYTES - 1) / PIECE_BYTES;
    const size_t last_bytes = message_bytes - (count - 1) * PIECE_BYTES;
    number %= (unsigned)count;
    bytes[16] = 1;
    bytes[17] = KIND_PIECE;
    dgraft_put_u16(bytes + 18, (uint16_t)number);
    dgraft_put_u32(bytes + 20, (uint32_t)message_bytes);
    dgraft_put_u64(bytes + 24, 9);
    dgraft_put_u64(bytes + 32, 1 + message);
    dgraft_put_u32(bytes + 40, PIECE_BYTES);
    give(fragments, now_ns, source, bytes,
         DGRAFT_FRAGMENT_HEADER_BYTES + (number + 1 < count ? PIECE_BYTES : last_bytes), true);
}

/* An acknowledgement of a message of ours, for no more than was sent, from whom it was sent to. */
static void give_ack(struct dgraft_fragments *fragments, dgraft_time_ns now_ns, unsigned message, const uint8_t come[2])
{
    uint8_t bytes[DGRAFT_FRAGMENT_HEADER_BYTES + 8] = {0};
    const unsigned place = message % SENT_MAX;
    const unsigned number = come[0] % (sent[place].pieces + 1);
    const unsigned behind = sent[place].pieces - number;
    bytes[16] = 1;
    bytes[17] = KIND_ACKNOWLEDGEMENT;
    dgraft_put_u16(bytes + 18, (uint16_t)number);
    dgraft_put_u32(bytes + 20, sent[place].message_bytes);
    dgraft_put_u64(bytes + 24, sent[place].stream);
    dgraft_put_u64(bytes + 32, sent[place].message);
    dgraft_put_u32(bytes + 40, (DATAGRAM_BYTES - DGRAFT_FRAGMENT_HEADER_BYTES) / 8 * 8);
    bytes[DGRAFT_FRAGMENT_HEADER_BYTES] = behind >= 8 ? come[1] : come[1] & (uint8_t)((1u << behind) - 1);
    give(fragments, now_ns, &sent[place].to, bytes, sizeof bytes, true);
}

static void check_bounds(const struct dgraft_fragments *fragments)
{
    struct dgraft_fragments_stats stats;
    dgraft_fragments_stats(fragments, &stats);
    require(stats.incoming_bytes <= INCOMING_BYTES_MAX && stats.outgoing_bytes <= OUTGOING_BYTES_MAX);
}

static void send_message(struct dgraft_fragments *fragments, dgraft_time_ns now_ns, unsigned how)
{
    static uint8_t message[MESSAGE_BYTES_MAX];
    const struct iovec piece = {message, 1 + how * 64u};
    const struct dgraft_address to = address_of(how % 4);
    const enum dgraft_status status = dgraft_fragments_send(fragments, now_ns, &to, how % 8, &piece, 1);
    require(status == DGRAFT_OK || status == DGRAFT_STATUS_BUSY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dgraft_transport transport = {.ops = &ops, .datagram_bytes_max = DATAGRAM_BYTES};
    const struct dgraft_fragments_options options = {.seed = 1,
                                                     .message_bytes_max = MESSAGE_BYTES_MAX,
                                                     .window_bytes = WINDOW_BYTES,
                                                     .incoming_bytes_max = INCOMING_BYTES_MAX,
                                                     .outgoing_bytes_max = OUTGOING_BYTES_MAX};
    struct dgraft_fragments *fragments = NULL;
    require(dgraft_fragments_open(&options, &transport, &fragments) == DGRAFT_OK);
    dgraft_time_ns now_ns = 1;
    size_t at = 0;
    memset(sent, 0, sizeof sent);
    for (unsigned step = 0; size - at >= 2 && step < STEPS_MAX; step++) {
        const unsigned what = data[at] % 16u;
        const unsigned how = data[at + 1];
        at += 2;
        if (what <= 4 && size - at >= 2) {
            const size_t wanted = dgraft_get_u16(data + at);
            at += 2;
            const size_t length = wanted < size - at ? wanted : size - at;
            const struct dgraft_address source = address_of(what < 4 ? what : how % 4);
            give(fragments, now_ns, &source, data + at, length, what == 4);
            at += length;
        } else if (what == 5) {
            send_message(fragments, now_ns, how);
        } else if (what == 6) {
            require(dgraft_fragments_wake(fragments, now_ns) > now_ns);
        } else if (what >= 8 && size - at >= 2) {
            if (what < 12) {
                const struct dgraft_address source = address_of(what - 8);
                give_piece(fragments, now_ns, &source, how, dgraft_get_u16(data + at));
            } else {
                give_ack(fragments, now_ns, how, data + at);
            }
            at += 2;
        } else {
            now_ns += how * UINT64_C(1000000);
        }
        check_bounds(fragments);
    }
    dgraft_fragments_close(fragments);
    return 0;
}
