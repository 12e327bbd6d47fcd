/* The shell around the driver: opens directory and socket, and lets any thread propose; node_loop.h has its threads. */
#include "node_loop.h"
#include "snapshot_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ELECTION_TIMEOUT_NS UINT64_C(300000000)
#define WRITE_STALL_NS      UINT64_C(10000000000)
#define LAG_NOTICE_ENTRIES  10000u

struct dgraft_node {
    struct node_loop loop;
};

enum dgraft_status dgraft_node_propose(struct dgraft_node *node, struct dgraft_proposal *proposal)
{
    (void)pthread_mutex_lock(&node->loop.turn);
    enum dgraft_status status = dgraft_driver_propose(node->loop.driver, proposal);
    (void)pthread_mutex_unlock(&node->loop.turn);
    dgraft_loop_wake(&node->loop);
    return status;
}

enum dgraft_status dgraft_node_session_open(struct dgraft_node *node, struct dgraft_proposal *proposal,
                                            uint64_t timeout_ns)
{
    (void)pthread_mutex_lock(&node->loop.turn);
    enum dgraft_status status = dgraft_driver_session_open(node->loop.driver, proposal, timeout_ns);
    (void)pthread_mutex_unlock(&node->loop.turn);
    dgraft_loop_wake(&node->loop);
    return status;
}

enum dgraft_status dgraft_node_session_close(struct dgraft_node *node, struct dgraft_proposal *proposal,
                                             dgraft_index session)
{
    (void)pthread_mutex_lock(&node->loop.turn);
    enum dgraft_status status = dgraft_driver_session_close(node->loop.driver, proposal, session);
    (void)pthread_mutex_unlock(&node->loop.turn);
    dgraft_loop_wake(&node->loop);
    return status;
}

enum dgraft_status dgraft_node_read(struct dgraft_node *node, struct dgraft_read *read)
{
    (void)pthread_mutex_lock(&node->loop.turn);
    enum dgraft_status status = dgraft_driver_read(node->loop.driver, read);
    (void)pthread_mutex_unlock(&node->loop.turn);
    dgraft_loop_wake(&node->loop);
    return status;
}

enum dgraft_status dgraft_node_change(struct dgraft_node *node, struct dgraft_change *change)
{
    (void)pthread_mutex_lock(&node->loop.turn);
    enum dgraft_status status = dgraft_driver_change(node->loop.driver, change);
    (void)pthread_mutex_unlock(&node->loop.turn);
    dgraft_loop_wake(&node->loop);
    return status;
}

enum dgraft_status dgraft_node_transfer(struct dgraft_node *node, struct dgraft_transfer *transfer)
{
    (void)pthread_mutex_lock(&node->loop.turn);
    enum dgraft_status status = dgraft_driver_transfer(node->loop.driver, transfer);
    (void)pthread_mutex_unlock(&node->loop.turn);
    dgraft_loop_wake(&node->loop);
    return status;
}

enum dgraft_status dgraft_node_snapshot(struct dgraft_node *node)
{
    (void)pthread_mutex_lock(&node->loop.turn);
    enum dgraft_status status = dgraft_driver_snapshot(node->loop.driver);
    (void)pthread_mutex_unlock(&node->loop.turn);
    dgraft_loop_wake(&node->loop);
    return status;
}

void dgraft_node_status(struct dgraft_node *node, struct dgraft_driver_status *status)
{
    (void)pthread_mutex_lock(&node->loop.turn);
    dgraft_driver_status(node->loop.driver, status);
    (void)pthread_mutex_unlock(&node->loop.turn);
}

void dgraft_node_address(struct dgraft_node *node, char *text, size_t text_bytes)
{
    struct dgraft_transport *transport = node->loop.clients != NULL ? node->loop.clients : node->loop.transport;
    transport->ops->local_address(transport, text, text_bytes);
}

static struct dgraft_fs *files(const struct dgraft_node_options *options)
{
    return options->fs != NULL ? options->fs : dgraft_fs_posix();
}

/* Says what opening mended. It is said here because this is the first opening: the driver finds the directory mended.
 */
static void say_mended(const struct dgraft_node_options *options, const struct dgraft_found *found)
{
    char text[512];
    if (options->sink.log == NULL) {
        return;
    }
    if (found->save_lost) {
        (void)snprintf(
            text, sizeof text,
            "%.200s/state had lost the newest save of term and vote; the log gave the term back, and this node "
            "does not vote in term %llu; look after this disk",
            options->directory, (unsigned long long)found->term);
        options->sink.log(options->sink.context, DGRAFT_LOG_WARNING, text);
    }
    if (found->torn_bytes > 0) {
        (void)snprintf(text, sizeof text, "%.200s: cut %llu bytes of a write that never finished", options->directory,
                       (unsigned long long)found->torn_bytes);
        options->sink.log(options->sink.context, DGRAFT_LOG_INFO, text);
    }
}

/* The members that log or snapshot tell of last; none: it is to join, and nobody has told it yet who they are. */
static enum dgraft_status newest_members(struct dgraft_storage *storage, const struct dgraft_found *found,
                                         struct dgraft_members *members, struct dgraft_why *why)
{
    uint8_t bytes[DGRAFT_RECORD_HEADER_BYTES + DGRAFT_MEMBERSHIP_BYTES_MAX + 8];
    uint32_t count = 0;
    size_t used = 0;
    struct dgraft_record record;
    dgraft_index held = 0;
    enum dgraft_status status = dgraft_snapshot_members_read(storage, members, &held, why);
    if (status != DGRAFT_OK || found->membership_index <= held) {
        return status;
    }
    status = dgraft_storage_read(storage, found->membership_index, found->membership_index, bytes, sizeof bytes, &count,
                                 &used, why);
    if (status == DGRAFT_OK &&
        (dgraft_record_decode(bytes, used, &record, NULL) != DGRAFT_ACCEPT ||
         dgraft_membership_decode(record.payload, record.entry.payload_bytes, members) != DGRAFT_ACCEPT)) {
        members->count = 0; /* opening it says what is wrong */
    }
    return status;
}

/* What the directory says of itself: its node id, and where that node listens. The lock is given back at once. */
static enum dgraft_status ask_directory(const struct dgraft_node_options *options, dgraft_node_id *id,
                                        struct dgraft_member *self, struct dgraft_why *why)
{
    struct dgraft_storage *storage = NULL;
    struct dgraft_found found;
    struct dgraft_members members = {.count = 0};
    struct dgraft_storage_options defaults = {.spares = options->spares};
    enum dgraft_status status = dgraft_storage_open(files(options), options->directory, &defaults, &storage, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    dgraft_storage_found(storage, &found);
    say_mended(options, &found);
    *id = found.identity.node;
    *self = (struct dgraft_member){0};
    status = newest_members(storage, &found, &members, why);
    const struct dgraft_member *member = dgraft_members_find(&members, *id);
    *self = status == DGRAFT_OK && member != NULL ? *member : *self;
    dgraft_storage_abandon(storage);
    return status;
}

static dgraft_time_ns read_clock(void *context)
{
    (void)context;
    return dgraft_loop_now_ns();
}

static void driver_options(const struct dgraft_node_options *options, dgraft_node_id id, struct dgraft_node *node,
                           struct dgraft_driver_options *out)
{
    uint64_t seeds[2] = {0};
    /* Without the system's randomness elections are merely less well spread. */
    ssize_t drawn = getrandom(seeds, sizeof seeds, 0);
    (void)drawn;
    *out = (struct dgraft_driver_options){.fs = files(options),
                                          .directory = options->directory,
                                          .storage = {.spares = options->spares},
                                          .transport = node->loop.transport,
                                          .client_transport = node->loop.clients,
                                          .machine = options->machine,
                                          .requests = options->requests,
                                          .sink = options->sink,
                                          .listener = options->listener,
                                          .clock = read_clock,
                                          .cache_bytes_max = options->cache_bytes_max,
                                          .small_bytes = options->small_bytes,
                                          .snapshot_every = options->snapshot_every,
                                          .scrub_bytes_per_s = options->scrub_bytes_per_s,
                                          .fragment_seed = seeds[0] ^ dgraft_loop_now_ns(),
                                          .flight = {.path = options->flight_path,
                                                     .bytes = options->flight_bytes,
                                                     .wall_clock_ns = dgraft_loop_wall_clock_ns()},
                                          .check_invariants = options->check_invariants};
    dgraft_config_defaults(&out->core, id);
    out->core.members_max = DGRAFT_MEMBERS_MAX;
    /* An append is one datagram: with small ones it takes many to keep the disks of followers busy. */
    out->core.inflight_max = 512;
    out->core.seed = seeds[1] ^ id;
    if (options->snapshot_tail != 0) {
        out->core.compact_tail = options->snapshot_tail;
    }
    if (out->core.compact_slow_max < out->core.compact_tail) {
        out->core.compact_slow_max = out->core.compact_tail;
    }
    out->core.lease_drift_ppm = options->lease_drift_ppm;
    out->core.lag_notice_entries = options->lag_notice_entries != 0 ? options->lag_notice_entries : LAG_NOTICE_ENTRIES;
    out->core.write_stall_ns = options->write_stall_ns != 0 ? options->write_stall_ns : WRITE_STALL_NS;
    out->core.election_timeout_ns =
        options->election_timeout_ns != 0 ? options->election_timeout_ns : ELECTION_TIMEOUT_NS;
    out->core.heartbeat_interval_ns =
        options->heartbeat_interval_ns != 0 ? options->heartbeat_interval_ns : out->core.election_timeout_ns / 6;
}

/* Opens the peers' carrier and, where that is not UDP, a socket for clients. What was opened is closed by the caller,
 * also after a failure. */
static enum dgraft_status open_transports(struct node_loop *loop, const struct dgraft_node_options *options,
                                          dgraft_node_id id, const char *listen, struct dgraft_why *why)
{
    struct dgraft_udp_options udp = {.listen = listen,
                                     .datagram_bytes_max = options->datagram_bytes_max,
                                     .receive_buffer_bytes = options->socket_buffer_bytes,
                                     .send_buffer_bytes = options->socket_buffer_bytes};
    struct dgraft_bus_options bus = {.listen = listen, .self = id};
    if (options->carrier == DGRAFT_CARRIER_UDP && options->listen_clients != NULL) {
        (void)snprintf(why->text, sizeof why->text, "over udp clients come to the same address as peers, %s", listen);
        return DGRAFT_STATUS_CONFIG;
    }
    if (options->carrier == DGRAFT_CARRIER_UDP) {
        return dgraft_udp_open(&udp, &loop->transport, why->text, sizeof why->text);
    }
    udp.listen = options->listen_clients != NULL ? options->listen_clients : listen;
    if (options->listen_clients == NULL && strncmp(listen, "ipc:", 4) == 0) {
        (void)snprintf(why->text, sizeof why->text,
                       "peers meet at %s, where no client can come: say at which HOST:PORT clients are served "
                       "(raftd --listen-clients)",
                       listen);
        return DGRAFT_STATUS_CONFIG;
    }
    enum dgraft_status status = dgraft_bus_open(&bus, &loop->transport, why->text, sizeof why->text);
    if (status != DGRAFT_OK) {
        return status;
    }
    return dgraft_udp_open(&udp, &loop->clients, why->text, sizeof why->text);
}

static void close_transports(struct node_loop *loop)
{
    if (loop->transport != NULL) {
        loop->transport->ops->close(loop->transport);
    }
    if (loop->clients != NULL) {
        loop->clients->ops->close(loop->clients);
    }
}

static enum dgraft_status open_parts(struct dgraft_node *node, const struct dgraft_node_options *options,
                                     struct dgraft_why *why)
{
    struct dgraft_driver_options driver;
    struct dgraft_member self;
    dgraft_node_id id = 0;
    enum dgraft_status status = ask_directory(options, &id, &self, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    const char *listen = options->listen != NULL ? options->listen : self.address;
    if (listen[0] == 0) {
        (void)snprintf(why->text, sizeof why->text,
                       "node %u is no member of its cluster, which would say where it listens: say it yourself "
                       "(raftd --listen HOST:PORT)",
                       id);
        return DGRAFT_STATUS_CONFIG;
    }
    status = open_transports(&node->loop, options, id, listen, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    driver_options(options, id, node, &driver);
    status = dgraft_driver_open(&driver, dgraft_loop_now_ns(), &node->loop.driver, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    node->loop.records = options->flight_path != NULL;
    status = dgraft_loop_start(&node->loop);
    if (status != DGRAFT_OK) {
        (void)snprintf(why->text, sizeof why->text, "threads cannot be started: %s", dgraft_status_text(status));
        dgraft_driver_abandon(node->loop.driver);
    }
    return status;
}

enum dgraft_status dgraft_node_open(const struct dgraft_node_options *options, struct dgraft_node **out,
                                    struct dgraft_why *why)
{
    *out = NULL;
    struct dgraft_node *node = calloc(1, sizeof *node);
    if (node == NULL) {
        (void)snprintf(why->text, sizeof why->text, "out of memory");
        return DGRAFT_STATUS_NO_MEMORY;
    }
    enum dgraft_status status = dgraft_loop_open(&node->loop);
    if (status != DGRAFT_OK) {
        (void)snprintf(why->text, sizeof why->text, "eventfd: %s", strerror(errno));
        free(node);
        return status;
    }
    status = open_parts(node, options, why);
    if (status != DGRAFT_OK) {
        close_transports(&node->loop);
        dgraft_loop_close(&node->loop);
        free(node);
        return status;
    }
    *out = node;
    return DGRAFT_OK;
}

void dgraft_node_flight_save(const struct dgraft_node *node)
{
    dgraft_driver_flight_save(node->loop.driver);
}

void dgraft_node_close(struct dgraft_node *node)
{
    if (node == NULL) {
        return;
    }
    dgraft_loop_stop(&node->loop);
    dgraft_driver_close(node->loop.driver);
    close_transports(&node->loop);
    dgraft_loop_close(&node->loop);
    free(node);
}
