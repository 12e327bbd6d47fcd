/* The bus carrier: nng's BUS protocol over tcp and ipc. What is sent goes to all that are connected; whom it is meant
 * for stands in the frame. Of two peers the one with the smaller id dials.
 *
 *   send -> one of 16 sends under way -> nng's thread copies it to each peer's queue of 16 -> tcp or ipc
 *
 * Both bounds are respected by dropping: a message that finds no free place here is counted as failed, one that finds a
 * peer's queue full is dropped by nng, silently. nng's threads touch atomic numbers of this file and nothing else.
 */
#include "nng_version.h"
#include "pieces.h"
#include "udp_carrier.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUS_DATAGRAM_BYTES_MAX (2u * 1024 * 1024) /* of whoever sends to us: fixed, so that nodes need not agree */
#define BUS_QUEUE_MESSAGES     16u                /* nng's own, per peer */
#define BUS_RECONNECT_MIN_MS   10
#define BUS_RECONNECT_MAX_MS   100
#define BUS_PIPES_MAX          (4u * DGRAFT_NODE_ID_MAX) /* connections that others may hold open to us */
#define BUS_CLOSE_PAUSE_NS     10000000
#define BUS_CLOSE_LIMIT_S      2
#define BUS_SOURCES            64u
#define URL_BYTES              80u

/* Not more than nng's default: what waits beyond it waits in the connection; see bus_close. */
#define BUS_RECEIVE_MESSAGES 1

static const char ipc_scheme[] = "ipc://";

/* A message on its way to nng's fan-out. */
struct bus_send {
    nng_aio *aio;
    atomic_bool busy;
    _Atomic uint64_t *failures; /* the carrier's */
};

struct bus_peer {
    bool known;
    bool dialed;
    nng_dialer dialer;
    char url[URL_BYTES];
};

/* Where a connection comes from, remembered: to ask for it is a system call. */
struct bus_source {
    int pipe;
    struct dgraft_address address;
};

struct dgraft_bus {
    struct dgraft_transport transport;
    nng_socket socket;
    int descriptor;
    dgraft_node_id self;
    char local[URL_BYTES];
    struct bus_peer peers[DGRAFT_NODE_ID_MAX]; /* of id at [id - 1] */
    struct bus_send sends[BUS_QUEUE_MESSAGES];
    struct bus_source sources[BUS_SOURCES]; /* of pipe at [pipe % BUS_SOURCES] */
    struct dgraft_transport_stats stats;
    _Atomic uint64_t send_failures;
    _Atomic uint32_t pipes;
};

static struct dgraft_bus *bus_of(struct dgraft_transport *transport)
{
    return (struct dgraft_bus *)(void *)transport;
}

static const struct dgraft_bus *bus_of_const(const struct dgraft_transport *transport)
{
    return (const struct dgraft_bus *)(const void *)transport;
}

static bool is_ipc(const char *text)
{
    return strncmp(text, ipc_scheme, sizeof ipc_scheme - 1) == 0;
}

/* Writes the address as nng wants it. Names are resolved here, once and as udp does, so that a name with an IPv4 and an
 * IPv6 address means the same to who listens and to who dials. */
static enum dgraft_status url_of(const char *text, enum dgraft_udp_port port, char url[URL_BYTES], char *why,
                                 size_t why_bytes)
{
    struct dgraft_address address;
    char host_port[64];
    if (is_ipc(text)) {
        if (strlen(text) >= URL_BYTES || text[sizeof ipc_scheme - 1] != '/') {
            snprintf(why, why_bytes, "%.80s is not an address: write ipc:///PATH, of at most %u characters", text,
                     (unsigned)URL_BYTES - 1);
            return DGRAFT_STATUS_ADDRESS;
        }
        snprintf(url, URL_BYTES, "%s", text);
        return DGRAFT_OK;
    }
    enum dgraft_status status = dgraft_udp_lookup(text, AF_UNSPEC, port, &address, why, why_bytes);
    if (status == DGRAFT_OK) {
        dgraft_address_text(&address, host_port, sizeof host_port);
        snprintf(url, URL_BYTES, "tcp://%s", host_port);
    }
    return status;
}

static void hang_up(struct bus_peer *peer)
{
    if (peer->dialed) {
        (void)nng_dialer_close(peer->dialer);
    }
    *peer = (struct bus_peer){.known = false};
}

static enum dgraft_status bus_peer_add(struct dgraft_transport *transport, dgraft_node_id id, const char *text)
{
    struct dgraft_bus *bus = bus_of(transport);
    char url[URL_BYTES];
    char why[1]; /* whoever wants a sentence has the text */
    if (!dgraft_node_id_valid(id)) {
        return DGRAFT_STATUS_MISUSE;
    }
    struct bus_peer *peer = &bus->peers[id - 1];
    enum dgraft_status status = url_of(text, DGRAFT_UDP_PORT_GIVEN, url, why, sizeof why);
    if (status != DGRAFT_OK || (peer->known && strcmp(peer->url, url) == 0)) {
        return status;
    }
    hang_up(peer);
    memcpy(peer->url, url, sizeof url);
    if (id > bus->self) {
        int error = nng_dialer_create(&peer->dialer, bus->socket, url);
        if (error != 0) {
            return error == NNG_ENOMEM ? DGRAFT_STATUS_NO_MEMORY : DGRAFT_STATUS_ADDRESS;
        }
        peer->dialed = true;
        /* In the background, again and again: whether the peer is there yet does not matter. */
        if (nng_dialer_start(peer->dialer, NNG_FLAG_NONBLOCK) != 0) {
            hang_up(peer);
            return DGRAFT_STATUS_NETWORK;
        }
    }
    peer->known = true;
    return DGRAFT_OK;
}

static void bus_peer_remove(struct dgraft_transport *transport, dgraft_node_id id)
{
    if (dgraft_node_id_valid(id)) {
        hang_up(&bus_of(transport)->peers[id - 1]);
    }
}

/* A name: what is sent to it is heard by all, as everything here. */
static bool bus_peer_address(const struct dgraft_transport *transport, dgraft_node_id id, struct dgraft_address *out)
{
    if (!dgraft_node_id_valid(id) || !bus_of_const(transport)->peers[id - 1].known) {
        return false;
    }
    *out = (struct dgraft_address){0};
    int size = snprintf((char *)out->bytes, sizeof out->bytes, "bus peer %u", (unsigned)id);
    out->size = (uint32_t)size;
    return true;
}

/* On a thread of nng: the message was handed to each peer's queue, or the carrier closes. */
static void send_done(void *context)
{
    struct bus_send *send = context;
    if (nng_aio_result(send->aio) != 0) {
        nng_msg_free(nng_aio_get_msg(send->aio));
        atomic_fetch_add(send->failures, 1);
    }
    atomic_store(&send->busy, false);
}

/* Sends the next `bytes` of the pieces. Returns false when there is no place for them: they are lost. */
static bool send_message(struct dgraft_bus *bus, struct dgraft_pieces *pieces, size_t bytes)
{
    struct bus_send *send = NULL;
    nng_msg *message = NULL;
    for (unsigned i = 0; i < BUS_QUEUE_MESSAGES && send == NULL; i++) {
        send = atomic_load(&bus->sends[i].busy) ? NULL : &bus->sends[i];
    }
    if (send == NULL || nng_msg_alloc(&message, bytes) != 0) {
        atomic_fetch_add(&bus->send_failures, 1);
        return false;
    }
    dgraft_pieces_copy(pieces, nng_msg_body(message), bytes);
    bus->stats.sent_datagrams++;
    bus->stats.sent_bytes += bytes;
    atomic_store(&send->busy, true);
    nng_aio_set_msg(send->aio, message);
    dgraft_nng_send(bus->socket, send->aio);
    return true;
}

static bool reaches_somebody(const struct dgraft_bus *bus, const struct dgraft_outgoing *outgoing)
{
    for (dgraft_node_set left = outgoing->to; left != 0; left &= left - 1) {
        if (bus->peers[dgraft_node_set_first(left) - 1].known) {
            return true;
        }
    }
    return outgoing->to == 0 && outgoing->address.size != 0;
}

static enum dgraft_status bus_send(struct dgraft_transport *transport, const struct dgraft_outgoing *outgoing)
{
    struct dgraft_bus *bus = bus_of(transport);
    size_t left = dgraft_pieces_bytes(outgoing->pieces, outgoing->piece_count);
    size_t unit = outgoing->segment_bytes != 0 ? outgoing->segment_bytes : left;
    if (unit > transport->datagram_bytes_max) {
        return DGRAFT_STATUS_TOO_LARGE;
    }
    if (!reaches_somebody(bus, outgoing)) {
        atomic_fetch_add(&bus->send_failures, 1);
        return DGRAFT_OK;
    }
    struct dgraft_pieces pieces = {.items = outgoing->pieces, .count = outgoing->piece_count};
    while (left > 0 && send_message(bus, &pieces, left < unit ? left : unit)) {
        left -= left < unit ? left : unit;
    }
    return DGRAFT_OK;
}

static void bus_flush(struct dgraft_transport *transport)
{
    (void)transport; /* what was sent is on its way */
}

static void message_free(struct dgraft_buffer *buffer)
{
    nng_msg_free(buffer->owner);
    free(buffer);
}

static void source_of(nng_pipe pipe, struct dgraft_address *out)
{
    nng_sockaddr source = {.s_family = NNG_AF_UNSPEC};
    *out = (struct dgraft_address){0};
    if (dgraft_nng_pipe_source(pipe, &source) != 0) {
        source.s_family = NNG_AF_UNSPEC; /* the connection is gone already */
    }
    if (source.s_family == NNG_AF_INET) {
        struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = source.s_in.sa_port};
        four.sin_addr.s_addr = source.s_in.sa_addr;
        out->size = sizeof four;
        memcpy(out->bytes, &four, sizeof four);
    } else if (source.s_family == NNG_AF_INET6) {
        struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = source.s_in6.sa_port};
        memcpy(&six.sin6_addr, source.s_in6.sa_addr, sizeof six.sin6_addr);
        out->size = sizeof six;
        memcpy(out->bytes, &six, sizeof six);
    } else {
        out->size = (uint32_t)snprintf((char *)out->bytes, sizeof out->bytes, "bus pipe %d", nng_pipe_id(pipe));
    }
}

/* Ids of connections are not used again within a carrier's life, or only after two billion. */
static const struct dgraft_address *remembered_source(struct dgraft_bus *bus, nng_pipe pipe)
{
    int id = nng_pipe_id(pipe);
    struct bus_source *source = &bus->sources[(unsigned)id % BUS_SOURCES];
    if (source->pipe != id) {
        source->pipe = id;
        source_of(pipe, &source->address);
    }
    return &source->address;
}

static size_t bus_receive(struct dgraft_transport *transport, struct dgraft_datagram *out, size_t count)
{
    struct dgraft_bus *bus = bus_of(transport);
    size_t taken = 0;
    nng_msg *message = NULL;
    while (taken < count && nng_recvmsg(bus->socket, &message, NNG_FLAG_NONBLOCK) == 0) {
        struct dgraft_buffer *buffer = malloc(sizeof *buffer);
        size_t bytes = nng_msg_len(message);
        if (buffer == NULL) {
            nng_msg_free(message);
            bus->stats.dropped_overflow++;
            continue;
        }
        *buffer = (struct dgraft_buffer){
            .bytes = nng_msg_body(message), .capacity = bytes, .references = 1, .free = message_free, .owner = message};
        out[taken++] = (struct dgraft_datagram){.bytes = buffer->bytes,
                                                .size = bytes,
                                                .buffer = buffer,
                                                .source = *remembered_source(bus, nng_msg_get_pipe(message))};
        bus->stats.received_datagrams++;
        bus->stats.received_bytes += bytes;
    }
    return taken;
}

static int bus_descriptor(const struct dgraft_transport *transport)
{
    return bus_of_const(transport)->descriptor;
}

static void bus_local_address(const struct dgraft_transport *transport, char *text, size_t text_bytes)
{
    snprintf(text, text_bytes, "%s", bus_of_const(transport)->local);
}

static void bus_stats(const struct dgraft_transport *transport, struct dgraft_transport_stats *stats)
{
    const struct dgraft_bus *bus = bus_of_const(transport);
    *stats = bus->stats;
    stats->send_failures = atomic_load(&bus->send_failures);
}

static void *close_socket(void *context)
{
    struct dgraft_bus *bus = context;
    dgraft_nng_close(bus->socket); /* ends all sends, with or without success */
    for (unsigned i = 0; i < BUS_QUEUE_MESSAGES; i++) {
        if (bus->sends[i].aio != NULL) {
            nng_aio_free(bus->sends[i].aio); /* waits for its callback */
        }
    }
    free(bus);
    return NULL;
}

/* nng 1.5.2 can wait for ever for a connection that it closes:
 *   1. the length of a message has arrived, and its callback is about to ask the connection for the rest;
 *   2. the connection is closed: nothing is being received, so nothing is cancelled;
 *   3. the callback asks, is refused in silence, and the receive that is waited for never ends.
 * So that (1) is seldom, nothing is received for a moment: a connection on which much comes then holds a message that
 * finds no place, and asks for none. Should it happen all the same, the socket is left to itself. */
static void bus_close(struct dgraft_transport *transport)
{
    struct timespec pause = {.tv_nsec = BUS_CLOSE_PAUSE_NS};
    struct timespec limit;
    pthread_t thread;
    (void)nanosleep(&pause, NULL);
    if (pthread_create(&thread, NULL, close_socket, bus_of(transport)) != 0) {
        (void)close_socket(bus_of(transport));
        return;
    }
    (void)clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += BUS_CLOSE_LIMIT_S;
    if (pthread_timedjoin_np(thread, NULL, &limit) != 0) {
        (void)pthread_detach(thread);
    }
}

static const struct dgraft_transport_ops bus_ops = {.name = "bus",
                                                    .peer_add = bus_peer_add,
                                                    .peer_remove = bus_peer_remove,
                                                    .peer_address = bus_peer_address,
                                                    .send = bus_send,
                                                    .flush = bus_flush,
                                                    .receive = bus_receive,
                                                    .descriptor = bus_descriptor,
                                                    .local_address = bus_local_address,
                                                    .stats = bus_stats,
                                                    .close = bus_close};

/* On a thread of nng: a connection came or went. What strangers open beyond a bound is closed again; what this side
 * dialed is always let in. */
static void pipe_changed(nng_pipe pipe, nng_pipe_ev event, void *context)
{
    struct dgraft_bus *bus = context;
    if (event == NNG_PIPE_EV_REM_POST) {
        atomic_fetch_sub(&bus->pipes, 1);
    } else if (atomic_fetch_add(&bus->pipes, 1) >= BUS_PIPES_MAX && nng_dialer_id(nng_pipe_dialer(pipe)) <= 0) {
        (void)nng_pipe_close(pipe);
    }
}

/* All before anybody is dialed or let in: endpoints take the socket's options when they are made. */
static int options_set(struct dgraft_bus *bus)
{
    nng_socket socket = bus->socket;
    int error = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, BUS_DATAGRAM_BYTES_MAX);
    error = error != 0 ? error : nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, BUS_RECONNECT_MIN_MS);
    error = error != 0 ? error : nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT, BUS_RECONNECT_MAX_MS);
    error = error != 0 ? error : nng_socket_set_int(socket, NNG_OPT_SENDBUF, 0);
    error = error != 0 ? error : nng_socket_set_int(socket, NNG_OPT_RECVBUF, BUS_RECEIVE_MESSAGES);
    error = error != 0 ? error : nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, pipe_changed, bus);
    error = error != 0 ? error : nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, pipe_changed, bus);
    error = error != 0 ? error : dgraft_nng_receive_descriptor(socket, &bus->descriptor);
    for (unsigned i = 0; i < BUS_QUEUE_MESSAGES && error == 0; i++) {
        bus->sends[i].failures = &bus->send_failures;
        error = nng_aio_alloc(&bus->sends[i].aio, send_done, &bus->sends[i]);
    }
    return error;
}

static enum dgraft_status status_of(int error)
{
    switch (error) {
    case NNG_ENOMEM:
        return DGRAFT_STATUS_NO_MEMORY;
    case NNG_EADDRINUSE:
        return DGRAFT_STATUS_ADDRESS_IN_USE;
    case NNG_EADDRINVAL:
        return DGRAFT_STATUS_ADDRESS;
    default:
        return DGRAFT_STATUS_NETWORK;
    }
}

static enum dgraft_status start_listening(struct dgraft_bus *bus, const char *listen, char *why, size_t why_bytes)
{
    char url[URL_BYTES];
    nng_listener listener;
    int port = 0;
    enum dgraft_status status = url_of(listen, DGRAFT_UDP_PORT_ANY, url, why, why_bytes);
    if (status != DGRAFT_OK) {
        return status;
    }
    int error = nng_listener_create(&listener, bus->socket, url);
    error = error != 0 ? error : nng_listener_start(listener, 0);
    if (error == NNG_EADDRINUSE) {
        snprintf(why, why_bytes, "%.80s is in use by another program: stop it, or listen elsewhere", url);
    } else if (error != 0) {
        snprintf(why, why_bytes, "cannot listen on %.80s: %s", url, dgraft_nng_error_text(error));
    }
    if (error != 0) {
        return status_of(error);
    }
    if (is_ipc(url)) {
        memcpy(bus->local, url, sizeof url);
    } else if (dgraft_nng_bound_port(listener, &port) == 0) {
        char *colon = strrchr(url, ':');
        const char *host = url + strlen("tcp://");
        snprintf(bus->local, sizeof bus->local, "%.*s:%d", (int)(colon - host), host, port);
    }
    return DGRAFT_OK;
}

enum dgraft_status dgraft_bus_open(const struct dgraft_bus_options *options, struct dgraft_transport **out, char *why,
                                   size_t why_bytes)
{
    size_t datagram = options->datagram_bytes_max != 0 ? options->datagram_bytes_max : BUS_DATAGRAM_BYTES_MAX;
    if (datagram > BUS_DATAGRAM_BYTES_MAX || options->self > DGRAFT_NODE_ID_MAX) {
        snprintf(why, why_bytes, "a message of %zu bytes is too large (at most %u), or %u is not a node's id", datagram,
                 BUS_DATAGRAM_BYTES_MAX, (unsigned)options->self);
        return DGRAFT_STATUS_CONFIG;
    }
    struct dgraft_bus *bus = calloc(1, sizeof *bus);
    if (bus == NULL) {
        snprintf(why, why_bytes, "out of memory for a socket");
        return DGRAFT_STATUS_NO_MEMORY;
    }
    bus->self = options->self;
    bus->transport = (struct dgraft_transport){
        .ops = &bus_ops, .datagram_bytes_max = datagram, .one_send_for_all = true, .on_way_max = BUS_QUEUE_MESSAGES};
    snprintf(bus->local, sizeof bus->local, "nowhere");
    int error = dgraft_nng_start();
    error = error != 0 ? error : nng_bus0_open(&bus->socket);
    if (error != 0) {
        snprintf(why, why_bytes, "cannot make a bus: %s", dgraft_nng_error_text(error));
        free(bus);
        return status_of(error);
    }
    enum dgraft_status status = DGRAFT_OK;
    error = options_set(bus);
    if (error != 0) {
        snprintf(why, why_bytes, "cannot set up a bus: %s", dgraft_nng_error_text(error));
        status = status_of(error);
    } else if (options->listen != NULL) {
        status = start_listening(bus, options->listen, why, why_bytes);
    }
    if (status != DGRAFT_OK) {
        bus_close(&bus->transport);
        return status;
    }
    *out = &bus->transport;
    return DGRAFT_OK;
}
