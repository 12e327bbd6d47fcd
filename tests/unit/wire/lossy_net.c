#include "lossy_net.h"

#include <dgraft/record.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 48u

uint64_t lossy_random(struct lossy_net *net)
{
    net->random ^= net->random << 13;
    net->random ^= net->random >> 7;
    net->random ^= net->random << 17;
    return net->random;
}

static bool happens(struct lossy_net *net, uint32_t percent)
{
    return lossy_random(net) % 100 < percent;
}

struct dgraft_address lossy_address(int end)
{
    struct dgraft_address address = {.size = 4};
    memcpy(address.bytes, end == 0 ? "aaaa" : "bbbb", 4);
    return address;
}

/* A piece leaves end 0. */
static void account_piece(struct lossy_net *net, const uint8_t *bytes, size_t size)
{
    const uint64_t message = dgraft_get_u64(bytes + 32);
    const uint16_t number = dgraft_get_u16(bytes + 18);
    cr_assert(message < LOSSY_MESSAGES && number < LOSSY_PIECES);
    if (net->piece_bytes[message][number] == 0 && !net->acknowledged[message][number]) {
        net->piece_bytes[message][number] = (uint16_t)size;
        net->unacknowledged_bytes += size;
    }
    if (net->unacknowledged_bytes > net->unacknowledged_bytes_max) {
        net->unacknowledged_bytes_max = net->unacknowledged_bytes;
    }
}

static void account_arrival(struct lossy_net *net, uint64_t message, uint32_t number)
{
    if (message < LOSSY_MESSAGES && number < LOSSY_PIECES && !net->acknowledged[message][number]) {
        net->acknowledged[message][number] = true;
        net->unacknowledged_bytes -= net->piece_bytes[message][number];
        net->piece_bytes[message][number] = 0;
    }
}

/* An acknowledgement reaches end 0. */
static void account_ack(struct lossy_net *net, const uint8_t *bytes, size_t size)
{
    const uint64_t message = dgraft_get_u64(bytes + 32);
    const uint16_t base = dgraft_get_u16(bytes + 18);
    for (uint32_t i = 0; i < base; i++) {
        account_arrival(net, message, i);
    }
    for (uint32_t bit = 0; bit < (size - HEADER) * 8; bit++) {
        if ((bytes[HEADER + bit / 8] >> (bit % 8) & 1) != 0) {
            account_arrival(net, message, base + bit);
        }
    }
}

static void put(struct lossy_net *net, int to, const uint8_t *bytes, size_t size)
{
    if (net->queued == net->room) {
        net->room = net->room == 0 ? 256 : net->room * 2;
        net->queue = realloc(net->queue, net->room * sizeof *net->queue);
        cr_assert_not_null(net->queue);
    }
    struct lossy_packet *packet = &net->queue[net->queued++];
    packet->due_ns = net->now_ns + net->latency_ns + (net->jitter_ns > 0 ? lossy_random(net) % net->jitter_ns : 0);
    packet->tie = net->tie++;
    packet->to = to;
    packet->size = size;
    packet->buffer = dgraft_buffer_new(size);
    cr_assert_not_null(packet->buffer);
    memcpy(packet->buffer->bytes, bytes, size);
}

static void carry(struct lossy_net *net, int from, const uint8_t *bytes, size_t size)
{
    net->datagrams++;
    if (from == 0 && bytes[17] == 1) {
        account_piece(net, bytes, size);
    }
    if (happens(net, net->loss_percent)) {
        net->lost++;
        return;
    }
    put(net, 1 - from, bytes, size);
    if (happens(net, net->repeat_percent)) {
        net->repeated++;
        put(net, 1 - from, bytes, size);
    }
}

static enum dgraft_status lossy_send(struct dgraft_transport *transport, const struct dgraft_outgoing *outgoing)
{
    struct lossy_end *end = (struct lossy_end *)transport;
    size_t size = 0;
    for (size_t i = 0; i < outgoing->piece_count; i++) {
        size += outgoing->pieces[i].iov_len;
    }
    uint8_t *whole = malloc(size);
    cr_assert_not_null(whole);
    size_t at = 0;
    for (size_t i = 0; i < outgoing->piece_count; i++) {
        memcpy(whole + at, outgoing->pieces[i].iov_base, outgoing->pieces[i].iov_len);
        at += outgoing->pieces[i].iov_len;
    }
    const size_t segment = outgoing->segment_bytes > 0 ? outgoing->segment_bytes : size;
    size_t count = 0;
    for (at = 0; at < size; at += segment, count++) {
        const size_t step = size - at < segment ? size - at : segment;
        cr_assert(step <= transport->datagram_bytes_max);
        carry(end->net, end->index, whole + at, step);
    }
    end->net->burst_bytes_max = size > end->net->burst_bytes_max ? size : end->net->burst_bytes_max;
    end->net->burst_count_max = count > end->net->burst_count_max ? count : end->net->burst_count_max;
    free(whole);
    return DGRAFT_OK;
}

static bool lossy_peer_address(const struct dgraft_transport *transport, dgraft_node_id id, struct dgraft_address *out)
{
    const struct lossy_end *end = (const struct lossy_end *)transport;
    *out = lossy_address(1 - end->index);
    return end->net->peers_known && id == 2;
}

static void lossy_flush(struct dgraft_transport *transport)
{
    (void)transport; /* what was sent is on its way */
}

static const struct dgraft_transport_ops lossy_ops = {
    .name = "lossy", .peer_address = lossy_peer_address, .send = lossy_send, .flush = lossy_flush};

void lossy_net_init(struct lossy_net *net, uint64_t seed, size_t datagram_bytes_max)
{
    memset(net, 0, sizeof *net);
    net->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    net->latency_ns = 500 * 1000;
    net->now_ns = 1000 * 1000 * 1000;
    for (int i = 0; i < LOSSY_ENDS; i++) {
        net->ends[i] = (struct lossy_end){
            .transport = {.ops = &lossy_ops, .datagram_bytes_max = datagram_bytes_max}, .net = net, .index = i};
    }
}

void lossy_net_close(struct lossy_net *net)
{
    for (size_t i = 0; i < net->queued; i++) {
        dgraft_buffer_release(net->queue[i].buffer);
    }
    free(net->queue);
}

static size_t first_due(const struct lossy_net *net)
{
    size_t best = 0;
    for (size_t i = 1; i < net->queued; i++) {
        const struct lossy_packet *a = &net->queue[i];
        const struct lossy_packet *b = &net->queue[best];
        if (a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->tie < b->tie)) {
            best = i;
        }
    }
    return best;
}

dgraft_time_ns lossy_next(const struct lossy_net *net)
{
    return net->queued > 0 ? net->queue[first_due(net)].due_ns : UINT64_MAX;
}

bool lossy_take(struct lossy_net *net, struct dgraft_datagram *out, int *to)
{
    if (net->queued == 0) {
        return false;
    }
    const size_t at = first_due(net);
    const struct lossy_packet packet = net->queue[at];
    if (packet.due_ns > net->now_ns) {
        return false;
    }
    for (size_t i = 0; i < net->queued; i++) {
        net->overtaken += net->queue[i].to == packet.to && net->queue[i].tie < packet.tie ? 1 : 0;
    }
    net->queue[at] = net->queue[--net->queued];
    *out = (struct dgraft_datagram){.bytes = packet.buffer->bytes,
                                    .size = packet.size,
                                    .buffer = packet.buffer,
                                    .source = lossy_address(1 - packet.to)};
    *to = packet.to;
    if (packet.to == 0 && packet.buffer->bytes[17] == 2) {
        account_ack(net, packet.buffer->bytes, packet.size);
    }
    return true;
}
