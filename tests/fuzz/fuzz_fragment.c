/* A conversation of fragments with hostile others. The input is a list of steps:
 *
 *   1 byte   what: 0 to 3 a datagram from that source, 4 the same sealed, 5 a message to send, 6 wake, 7 time passes
 *   1 byte   how much: source of a sealed one, size of a message / 256, milliseconds
 *   2 bytes  of a datagram: its size; then its bytes
 */
#include <dgraft/fragment.h>
#include <dgraft/record.h>

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define MESSAGE_BYTES_MAX  (64u * 1024)
#define INCOMING_BYTES_MAX (256u * 1024)
#define OUTGOING_BYTES_MAX (256u * 1024)
#define WINDOW_BYTES       (16u * 1024)

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

static enum dgraft_status send_checked(struct dgraft_transport *transport, const struct dgraft_outgoing *outgoing)
{
    const size_t size = outgoing->pieces[0].iov_len;
    const size_t segment = outgoing->segment_bytes > 0 ? outgoing->segment_bytes : size;
    require(outgoing->piece_count == 1 && size >= DGRAFT_FRAGMENT_HEADER_BYTES && size <= 60 * 1024);
    require(segment <= transport->datagram_bytes_max && (size + segment - 1) / segment <= 64);
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

static void give(struct dgraft_fragments *fragments, dgraft_time_ns now_ns, unsigned source, const uint8_t *data,
                 size_t size, bool sealed)
{
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    require(bytes != NULL);
    memcpy(bytes, data, size);
    if (sealed) {
        seal(bytes, size);
    }
    if (dgraft_fragments_claims(bytes, size)) {
        const struct dgraft_datagram datagram = {.bytes = bytes, .size = size, .source = address_of(source)};
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

static void check_bounds(const struct dgraft_fragments *fragments)
{
    struct dgraft_fragments_stats stats;
    dgraft_fragments_stats(fragments, &stats);
    require(stats.incoming_bytes <= INCOMING_BYTES_MAX && stats.outgoing_bytes <= OUTGOING_BYTES_MAX);
}

static void send_message(struct dgraft_fragments *fragments, dgraft_time_ns now_ns, unsigned how)
{
    static uint8_t message[MESSAGE_BYTES_MAX];
    const struct iovec piece = {message, 1 + how * 256u};
    const struct dgraft_address to = address_of(how % 4);
    const enum dgraft_status status = dgraft_fragments_send(fragments, now_ns, &to, how % 8, &piece, 1);
    require(status == DGRAFT_OK || status == DGRAFT_STATUS_BUSY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dgraft_transport transport = {.ops = &ops, .datagram_bytes_max = 600};
    const struct dgraft_fragments_options options = {.seed = 1,
                                                     .message_bytes_max = MESSAGE_BYTES_MAX,
                                                     .window_bytes = WINDOW_BYTES,
                                                     .incoming_bytes_max = INCOMING_BYTES_MAX,
                                                     .outgoing_bytes_max = OUTGOING_BYTES_MAX};
    struct dgraft_fragments *fragments = NULL;
    require(dgraft_fragments_open(&options, &transport, &fragments) == DGRAFT_OK);
    dgraft_time_ns now_ns = 1;
    size_t at = 0;
    while (size - at >= 2) {
        const unsigned what = data[at] % 8u;
        const unsigned how = data[at + 1];
        at += 2;
        if (what <= 4 && size - at >= 2) {
            const size_t wanted = dgraft_get_u16(data + at);
            at += 2;
            const size_t length = wanted < size - at ? wanted : size - at;
            give(fragments, now_ns, what < 4 ? what : how % 4, data + at, length, what == 4);
            at += length;
        } else if (what == 5) {
            send_message(fragments, now_ns, how);
        } else if (what == 6) {
            require(dgraft_fragments_wake(fragments, now_ns) > now_ns);
        } else {
            now_ns += how * UINT64_C(1000000);
        }
        check_bounds(fragments);
    }
    dgraft_fragments_close(fragments);
    return 0;
}
