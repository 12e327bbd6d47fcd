/* Carriers over loopback, and what is expected to come out of them: for the tests of udp. */
#ifndef DGRAFT_TEST_UDP_ENDS_H
#define DGRAFT_TEST_UDP_ENDS_H

#include <dgraft/transport.h>

#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 2000

static inline struct dgraft_transport *open_at(const char *listen, size_t datagram_bytes, uint32_t receive_buffer_bytes)
{
    struct dgraft_udp_options options = {
        .listen = listen, .datagram_bytes_max = datagram_bytes, .receive_buffer_bytes = receive_buffer_bytes};
    struct dgraft_transport *carrier = NULL;
    char why[200] = "";
    enum dgraft_status status = dgraft_udp_open(&options, &carrier, why, sizeof why);
    cr_assert_eq(status, DGRAFT_OK, "%s", why);
    return carrier;
}

static inline struct dgraft_transport *open_any(void)
{
    return open_at("127.0.0.1:0", 0, 0);
}

static inline void add_peer(struct dgraft_transport *carrier, dgraft_node_id id, const struct dgraft_transport *peer)
{
    char text[80];
    peer->ops->local_address(peer, text, sizeof text);
    cr_assert_eq(carrier->ops->peer_add(carrier, id, text), DGRAFT_OK, "%s", text);
}

static inline enum dgraft_status send_bytes(struct dgraft_transport *carrier, dgraft_node_set to, const void *bytes,
                                            size_t size, size_t segment_bytes)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct dgraft_outgoing outgoing = {
        .to = to, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = &piece, .piece_count = 1, .segment_bytes = segment_bytes};
    enum dgraft_status status = carrier->ops->send(carrier, &outgoing);
    carrier->ops->flush(carrier);
    return status;
}

/* Takes exactly one datagram, waiting for it. */
static inline struct dgraft_datagram take_one(struct dgraft_transport *carrier)
{
    struct dgraft_datagram datagram = {.size = 0};
    while (carrier->ops->receive(carrier, &datagram, 1) == 0) {
        struct pollfd ready = {.fd = carrier->ops->descriptor(carrier), .events = POLLIN};
        cr_assert_eq(poll(&ready, 1, WAIT_MS), 1, "nothing arrived");
    }
    return datagram;
}

static inline void expect_text(struct dgraft_transport *carrier, const char *text)
{
    struct dgraft_datagram datagram = take_one(carrier);
    cr_assert_eq(datagram.size, strlen(text));
    cr_assert_eq(memcmp(datagram.bytes, text, datagram.size), 0);
    dgraft_buffer_release(datagram.buffer);
}

static inline void expect_nothing(struct dgraft_transport *carrier)
{
    struct dgraft_datagram datagram;
    cr_assert_eq(carrier->ops->receive(carrier, &datagram, 1), 0);
}

static inline struct dgraft_transport_stats stats_of(const struct dgraft_transport *carrier)
{
    struct dgraft_transport_stats stats;
    carrier->ops->stats(carrier, &stats);
    return stats;
}

static inline uint8_t byte_at(size_t place)
{
    return (uint8_t)((place * 2654435761u) >> 13);
}

static inline uint8_t *pattern(size_t size)
{
    uint8_t *bytes = malloc(size);
    cr_assert_not_null(bytes);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = byte_at(i);
    }
    return bytes;
}

/* Takes datagrams until `size` bytes of the pattern came, in order; all but the last are `segment` bytes. */
static inline void expect_pattern(struct dgraft_transport *carrier, size_t size, size_t segment)
{
    for (size_t at = 0; at < size;) {
        struct dgraft_datagram datagram = take_one(carrier);
        cr_assert_eq(datagram.size, size - at < segment ? size - at : segment, "at %zu", at);
        for (size_t i = 0; i < datagram.size; i++) {
            cr_assert_eq(datagram.bytes[i], byte_at(at + i), "byte %zu", at + i);
        }
        at += datagram.size;
        dgraft_buffer_release(datagram.buffer);
    }
}

#endif
