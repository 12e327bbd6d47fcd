/* The udp carrier: opening, peers, closing. Leaving and arriving have files of their own. */
#include "udp_carrier.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum dgraft_status udp_peer_add(struct dgraft_transport *transport, dgraft_node_id id, const char *text)
{
    struct dgraft_udp *udp = dgraft_udp_of(transport);
    char why[1]; /* whoever wants the sentence asks dgraft_udp_resolve */
    if (!dgraft_node_id_valid(id)) {
        return DGRAFT_STATUS_MISUSE;
    }
    int family = udp->both_families ? AF_UNSPEC : udp->family;
    struct dgraft_address address;
    enum dgraft_status status = dgraft_udp_lookup(text, family, DGRAFT_UDP_PORT_GIVEN, &address, why, sizeof why);
    if (status == DGRAFT_OK) {
        udp->peers[id - 1] = address;
    }
    return status;
}

static void udp_peer_remove(struct dgraft_transport *transport, dgraft_node_id id)
{
    if (dgraft_node_id_valid(id)) {
        dgraft_udp_of(transport)->peers[id - 1].size = 0;
    }
}

static bool udp_peer_address(const struct dgraft_transport *transport, dgraft_node_id id, struct dgraft_address *out)
{
    const struct dgraft_udp *udp = dgraft_udp_of_const(transport);
    if (!dgraft_node_id_valid(id) || udp->peers[id - 1].size == 0) {
        return false;
    }
    *out = udp->peers[id - 1];
    return true;
}

static int udp_descriptor(const struct dgraft_transport *transport)
{
    return dgraft_udp_of_const(transport)->descriptor;
}

static void udp_local_address(const struct dgraft_transport *transport, char *text, size_t text_bytes)
{
    struct dgraft_address address = {0};
    struct sockaddr_in6 local;
    socklen_t size = sizeof local;
    if (getsockname(dgraft_udp_of_const(transport)->descriptor, (struct sockaddr *)&local, &size) == 0 &&
        size <= sizeof local) {
        address.size = size;
        memcpy(address.bytes, &local, size);
    }
    dgraft_address_text(&address, text, text_bytes);
}

static void udp_stats(const struct dgraft_transport *transport, struct dgraft_transport_stats *stats)
{
    *stats = dgraft_udp_of_const(transport)->stats;
}

static void udp_close(struct dgraft_transport *transport)
{
    struct dgraft_udp *udp = dgraft_udp_of(transport);
    close(udp->descriptor);
    dgraft_udp_inbox_close(&udp->in);
    free(udp->out.arena);
    free(udp);
}

static const struct dgraft_transport_ops udp_ops = {.name = "udp",
                                                    .peer_add = udp_peer_add,
                                                    .peer_remove = udp_peer_remove,
                                                    .peer_address = udp_peer_address,
                                                    .send = dgraft_udp_send,
                                                    .flush = dgraft_udp_flush,
                                                    .receive = dgraft_udp_receive,
                                                    .descriptor = udp_descriptor,
                                                    .local_address = udp_local_address,
                                                    .stats = udp_stats,
                                                    .close = udp_close};

/* Asks for a socket buffer, beyond the system's limit when we may, and returns what was granted. The kernel counts its
 * own overhead too, doubles what it is asked for and reports the double; half of it is what compares with the wish. */
static uint32_t buffer_ask(int descriptor, int option, int force, uint32_t bytes)
{
    int wish = bytes > INT32_MAX / 2 ? INT32_MAX / 2 : (int)bytes;
    if (setsockopt(descriptor, SOL_SOCKET, force, &wish, sizeof wish) != 0) {
        (void)setsockopt(descriptor, SOL_SOCKET, option, &wish, sizeof wish);
    }
    int granted = 0;
    socklen_t size = sizeof granted;
    if (getsockopt(descriptor, SOL_SOCKET, option, &granted, &size) != 0 || granted < 0) {
        return 0;
    }
    return (uint32_t)granted / 2;
}

/* Options that make it better where the kernel has them, and that it can do without. */
static void options_set(struct dgraft_udp *udp, const struct dgraft_udp_options *options)
{
    int on = 1;
    int none = 0;
    int fd = udp->descriptor;
    (void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
    /* Setting 0 changes nothing, but fails where there is no such option. */
    udp->segmentation = setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &none, sizeof none) == 0;
    udp->segment_bytes_max = UDP_DATAGRAM_BYTES_MAX;
    /* Datagrams beyond the path's MTU are allowed when configured, up to 65,000 bytes: they travel as fragments of IP.
     * For IPv4 no path MTU is discovered, so that routers may cut as well as the sender; for IPv6 only the sender can,
     * and has to learn the path's MTU. The default of 1,400 bytes fits nearly every path, so that neither happens. */
    int cut_anywhere = IP_PMTUDISC_DONT;
    int cut_here = IPV6_PMTUDISC_WANT;
    (void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &cut_anywhere, sizeof cut_anywhere);
    if (udp->family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &cut_here, sizeof cut_here);
    }
    uint32_t receive = options->receive_buffer_bytes != 0 ? options->receive_buffer_bytes : UDP_SOCKET_BUFFER_DEFAULT;
    uint32_t send = options->send_buffer_bytes != 0 ? options->send_buffer_bytes : UDP_SOCKET_BUFFER_DEFAULT;
    udp->stats.receive_buffer_bytes = buffer_ask(fd, SO_RCVBUF, SO_RCVBUFFORCE, receive);
    udp->stats.send_buffer_bytes = buffer_ask(fd, SO_SNDBUF, SO_SNDBUFFORCE, send);
}

static enum dgraft_status bind_failed(const char *listen, char *why, size_t why_bytes)
{
    switch (errno) {
    case EADDRINUSE:
        snprintf(why, why_bytes, "%.80s is in use by another program: stop it, or listen on another port", listen);
        return DGRAFT_STATUS_ADDRESS_IN_USE;
    case EADDRNOTAVAIL:
        snprintf(why, why_bytes, "this machine has no address %.80s: listen on one of its own", listen);
        return DGRAFT_STATUS_ADDRESS;
    case EACCES:
        snprintf(why, why_bytes, "no permission to listen on %.80s: take a port above 1023", listen);
        return DGRAFT_STATUS_NETWORK;
    default:
        snprintf(why, why_bytes, "cannot listen on %.80s: %s", listen, strerror(errno));
        return DGRAFT_STATUS_NETWORK;
    }
}

/* Makes the socket of a server: its address decides the family. */
static enum dgraft_status listen_open(struct dgraft_udp *udp, const char *listen, char *why, size_t why_bytes)
{
    struct dgraft_address address;
    enum dgraft_status status = dgraft_udp_lookup(listen, AF_UNSPEC, DGRAFT_UDP_PORT_ANY, &address, why, why_bytes);
    if (status != DGRAFT_OK) {
        return status;
    }
    struct sockaddr_in6 local;
    memcpy(&local, address.bytes, address.size);
    udp->family = local.sin6_family;
    udp->descriptor = socket(udp->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (udp->descriptor < 0) {
        snprintf(why, why_bytes, "cannot make a socket for %.80s: %s", listen, strerror(errno));
        return DGRAFT_STATUS_NETWORK;
    }
    int on = 1;
    if (udp->family == AF_INET6) { /* so that [::] and 0.0.0.0 of one port are two addresses on every system */
        (void)setsockopt(udp->descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    if (bind(udp->descriptor, (struct sockaddr *)&local, address.size) != 0) {
        status = bind_failed(listen, why, why_bytes);
        close(udp->descriptor);
    }
    return status;
}

/* Makes the socket of a client: one for both families where there is IPv6. It is bound at once, to a port of the
 * system's choice, so that it can be polled before anything was sent. */
static enum dgraft_status client_open(struct dgraft_udp *udp, char *why, size_t why_bytes)
{
    int off = 0;
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    udp->family = AF_INET6;
    udp->descriptor = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (udp->descriptor >= 0) {
        if (setsockopt(udp->descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0 &&
            bind(udp->descriptor, (struct sockaddr *)&any, sizeof any) == 0) {
            udp->both_families = true;
            return DGRAFT_OK;
        }
        close(udp->descriptor);
    }
    struct sockaddr_in any_four = {.sin_family = AF_INET};
    udp->family = AF_INET;
    udp->descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (udp->descriptor >= 0) {
        if (bind(udp->descriptor, (struct sockaddr *)&any_four, sizeof any_four) == 0) {
            return DGRAFT_OK;
        }
        close(udp->descriptor);
    }
    snprintf(why, why_bytes, "cannot make a UDP socket: %s", strerror(errno));
    return DGRAFT_STATUS_NETWORK;
}

enum dgraft_status dgraft_udp_open(const struct dgraft_udp_options *options, struct dgraft_transport **out, char *why,
                                   size_t why_bytes)
{
    size_t datagram = options->datagram_bytes_max != 0 ? options->datagram_bytes_max : UDP_DATAGRAM_BYTES_DEFAULT;
    if (datagram > UDP_DATAGRAM_BYTES_MAX) {
        snprintf(why, why_bytes, "a datagram of %zu bytes is too large: at most %u", datagram, UDP_DATAGRAM_BYTES_MAX);
        return DGRAFT_STATUS_CONFIG;
    }
    struct dgraft_udp *udp = calloc(1, sizeof *udp);
    uint8_t *arena = malloc(UDP_SEND_ARENA_BYTES);
    if (udp == NULL || arena == NULL || !dgraft_udp_inbox_open(&udp->in)) {
        free(udp);
        free(arena);
        snprintf(why, why_bytes, "out of memory for a socket's buffers");
        return DGRAFT_STATUS_NO_MEMORY;
    }
    enum dgraft_status status =
        options->listen != NULL ? listen_open(udp, options->listen, why, why_bytes) : client_open(udp, why, why_bytes);
    if (status != DGRAFT_OK) {
        dgraft_udp_inbox_close(&udp->in);
        free(udp);
        free(arena);
        return status;
    }
    udp->transport = (struct dgraft_transport){.ops = &udp_ops, .datagram_bytes_max = datagram};
    udp->out.arena = arena;
    udp->out.arena_bytes = UDP_SEND_ARENA_BYTES;
    options_set(udp, options);
    *out = &udp->transport;
    return DGRAFT_OK;
}
