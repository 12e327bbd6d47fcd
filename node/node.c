/* The shell around the driver: a loop thread that owns it, a writer thread that syncs, a clock and a socket.
 *
 * The loop sleeps in ppoll until a datagram, a proposal, the end of a sync, or the driver's own time. The writer thread
 * only ever runs dgraft_driver_perform, so that no disk, however slow, keeps a heartbeat waiting. `turn` is held while
 * the driver is used, never while sleeping or syncing; it is recursive because callbacks may propose.
 */
#include <dgraft/node.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

struct dgraft_node {
    struct dgraft_driver *driver;
    struct dgraft_transport *transport;
    pthread_mutex_t turn;
    pthread_t loop;
    int wake_fd;
    atomic_bool stopping;
    atomic_bool asleep; /* the loop is in ppoll: whoever brings work must wake it */

    pthread_t writer;
    pthread_mutex_t write_lock;
    pthread_cond_t write_wanted;
    bool write_waits; /* a write is to be performed; guarded by write_lock */
    bool writer_stops;
};

/* A clock that runs on through suspend: a lease or an election timeout must see the time that really passed. */
static dgraft_time_ns now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t wall_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void wake_loop(struct dgraft_node *node)
{
    uint64_t one = 1;
    if (atomic_load(&node->asleep)) {
        /* A full counter wakes as well as a fresh one. */
        ssize_t written = write(node->wake_fd, &one, sizeof one);
        (void)written;
    }
}

static void *writer_main(void *argument)
{
    struct dgraft_node *node = argument;
    (void)pthread_mutex_lock(&node->write_lock);
    while (!node->writer_stops) {
        if (!node->write_waits) {
            (void)pthread_cond_wait(&node->write_wanted, &node->write_lock);
            continue;
        }
        node->write_waits = false;
        (void)pthread_mutex_unlock(&node->write_lock);
        dgraft_driver_perform(node->driver);
        wake_loop(node);
        dgraft_driver_spare(node->driver);
        (void)pthread_mutex_lock(&node->write_lock);
    }
    (void)pthread_mutex_unlock(&node->write_lock);
    return NULL;
}

static void hand_to_writer(struct dgraft_node *node)
{
    (void)pthread_mutex_lock(&node->write_lock);
    node->write_waits = true;
    (void)pthread_cond_signal(&node->write_wanted);
    (void)pthread_mutex_unlock(&node->write_lock);
}

static void sleep_until(struct dgraft_node *node, dgraft_time_ns at)
{
    struct pollfd files[2] = {{.fd = node->wake_fd, .events = POLLIN},
                              {.fd = node->transport->ops->descriptor(node->transport), .events = POLLIN}};
    dgraft_time_ns now = now_ns();
    uint64_t left = at > now ? at - now : 0;
    if (left > NS_PER_S) {
        left = NS_PER_S;
    }
    struct timespec wait = {.tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S)};
    (void)ppoll(files, 2, &wait, NULL);
    if ((files[0].revents & POLLIN) != 0) {
        uint64_t count;
        ssize_t got = read(node->wake_fd, &count, sizeof count);
        (void)got;
    }
}

static void *loop_main(void *argument)
{
    struct dgraft_node *node = argument;
    while (!atomic_load(&node->stopping)) {
        (void)pthread_mutex_lock(&node->turn);
        dgraft_driver_turn(node->driver, now_ns(), wall_ns());
        if (dgraft_driver_write_ready(node->driver)) {
            hand_to_writer(node);
        }
        /* From here on a proposal wakes the loop; one that came before is seen by wake_at. */
        atomic_store(&node->asleep, true);
        dgraft_time_ns at = dgraft_driver_wake_at(node->driver);
        (void)pthread_mutex_unlock(&node->turn);
        if (at > 0) {
            sleep_until(node, at);
        }
        atomic_store(&node->asleep, false);
    }
    return NULL;
}

enum dgraft_status dgraft_node_propose(struct dgraft_node *node, struct dgraft_proposal *proposal)
{
    (void)pthread_mutex_lock(&node->turn);
    enum dgraft_status status = dgraft_driver_propose(node->driver, proposal);
    (void)pthread_mutex_unlock(&node->turn);
    wake_loop(node);
    return status;
}

enum dgraft_status dgraft_node_read(struct dgraft_node *node, struct dgraft_read *read)
{
    (void)pthread_mutex_lock(&node->turn);
    enum dgraft_status status = dgraft_driver_read(node->driver, read);
    (void)pthread_mutex_unlock(&node->turn);
    wake_loop(node);
    return status;
}

void dgraft_node_status(struct dgraft_node *node, struct dgraft_driver_status *status)
{
    (void)pthread_mutex_lock(&node->turn);
    dgraft_driver_status(node->driver, status);
    (void)pthread_mutex_unlock(&node->turn);
}

void dgraft_node_address(struct dgraft_node *node, char *text, size_t text_bytes)
{
    node->transport->ops->local_address(node->transport, text, text_bytes);
}

static enum dgraft_status make_locks(struct dgraft_node *node)
{
    pthread_mutexattr_t recursive;
    if (pthread_mutexattr_init(&recursive) != 0) {
        return DGRAFT_STATUS_NO_MEMORY;
    }
    (void)pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    (void)pthread_mutex_init(&node->turn, &recursive);
    (void)pthread_mutexattr_destroy(&recursive);
    (void)pthread_mutex_init(&node->write_lock, NULL);
    (void)pthread_cond_init(&node->write_wanted, NULL);
    node->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return node->wake_fd >= 0 ? DGRAFT_OK : DGRAFT_STATUS_IO;
}

static void destroy_locks(struct dgraft_node *node)
{
    if (node->wake_fd >= 0) {
        (void)close(node->wake_fd);
    }
    (void)pthread_cond_destroy(&node->write_wanted);
    (void)pthread_mutex_destroy(&node->write_lock);
    (void)pthread_mutex_destroy(&node->turn);
}

/* What the directory says of itself: its node id, and where that node listens. The lock is given back at once. */
static enum dgraft_status ask_directory(const char *directory, dgraft_node_id *id, struct dgraft_member *self,
                                        struct dgraft_why *why)
{
    struct dgraft_storage *storage = NULL;
    struct dgraft_found found;
    uint8_t bytes[DGRAFT_RECORD_HEADER_BYTES + DGRAFT_MEMBERSHIP_BYTES_MAX + 8];
    uint32_t count = 0;
    size_t used = 0;
    struct dgraft_record record;
    struct dgraft_members members;
    struct dgraft_storage_options options = {0};
    enum dgraft_status status = dgraft_storage_open(dgraft_fs_posix(), directory, &options, &storage, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    dgraft_storage_found(storage, &found);
    *id = found.identity.node;
    *self = (struct dgraft_member){0};
    status = dgraft_storage_read(storage, found.membership_index, found.membership_index, bytes, sizeof bytes, &count,
                                 &used, why);
    if (status == DGRAFT_OK && dgraft_record_decode(bytes, used, &record, NULL) == DGRAFT_ACCEPT &&
        dgraft_membership_decode(record.payload, record.entry.payload_bytes, &members) == DGRAFT_ACCEPT) {
        const struct dgraft_member *member = dgraft_members_find(&members, *id);
        *self = member != NULL ? *member : *self;
    }
    dgraft_storage_abandon(storage);
    return status;
}

static void driver_options(const struct dgraft_node_options *options, dgraft_node_id id, struct dgraft_node *node,
                           struct dgraft_driver_options *out)
{
    uint64_t seeds[2] = {0};
    /* Without the system's randomness elections are merely less well spread. */
    ssize_t drawn = getrandom(seeds, sizeof seeds, 0);
    (void)drawn;
    *out = (struct dgraft_driver_options){.fs = dgraft_fs_posix(),
                                          .directory = options->directory,
                                          .transport = node->transport,
                                          .machine = options->machine,
                                          .requests = options->requests,
                                          .sink = options->sink,
                                          .cache_bytes_max = options->cache_bytes_max,
                                          .small_bytes = options->small_bytes,
                                          .fragment_seed = seeds[0] ^ now_ns(),
                                          .check_invariants = options->check_invariants};
    dgraft_config_defaults(&out->core, id);
    out->core.members_max = DGRAFT_MEMBERS_MAX;
    out->core.seed = seeds[1] ^ id;
    out->core.election_timeout_ns =
        options->election_timeout_ns != 0 ? options->election_timeout_ns : 300 * (NS_PER_S / 1000);
    out->core.heartbeat_interval_ns =
        options->heartbeat_interval_ns != 0 ? options->heartbeat_interval_ns : out->core.election_timeout_ns / 6;
}

static enum dgraft_status start_threads(struct dgraft_node *node)
{
    if (pthread_create(&node->writer, NULL, writer_main, node) != 0) {
        return DGRAFT_STATUS_NO_MEMORY;
    }
    if (pthread_create(&node->loop, NULL, loop_main, node) != 0) {
        (void)pthread_mutex_lock(&node->write_lock);
        node->writer_stops = true;
        (void)pthread_cond_signal(&node->write_wanted);
        (void)pthread_mutex_unlock(&node->write_lock);
        (void)pthread_join(node->writer, NULL);
        return DGRAFT_STATUS_NO_MEMORY;
    }
    return DGRAFT_OK;
}

static enum dgraft_status open_parts(struct dgraft_node *node, const struct dgraft_node_options *options,
                                     struct dgraft_why *why)
{
    struct dgraft_driver_options driver;
    struct dgraft_member self;
    dgraft_node_id id = 0;
    enum dgraft_status status = ask_directory(options->directory, &id, &self, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    struct dgraft_udp_options udp = {.listen = options->listen != NULL ? options->listen : self.address,
                                     .datagram_bytes_max = options->datagram_bytes_max,
                                     .receive_buffer_bytes = options->socket_buffer_bytes,
                                     .send_buffer_bytes = options->socket_buffer_bytes};
    status = dgraft_udp_open(&udp, &node->transport, why->text, sizeof why->text);
    if (status != DGRAFT_OK) {
        return status;
    }
    driver_options(options, id, node, &driver);
    status = dgraft_driver_open(&driver, now_ns(), &node->driver, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    status = start_threads(node);
    if (status != DGRAFT_OK) {
        (void)snprintf(why->text, sizeof why->text, "threads cannot be started: %s", dgraft_status_text(status));
        dgraft_driver_abandon(node->driver);
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
    node->wake_fd = -1;
    enum dgraft_status status = make_locks(node);
    if (status != DGRAFT_OK) {
        (void)snprintf(why->text, sizeof why->text, "eventfd: %s", strerror(errno));
        free(node);
        return status;
    }
    status = open_parts(node, options, why);
    if (status != DGRAFT_OK) {
        if (node->transport != NULL) {
            node->transport->ops->close(node->transport);
        }
        destroy_locks(node);
        free(node);
        return status;
    }
    *out = node;
    return DGRAFT_OK;
}

void dgraft_node_close(struct dgraft_node *node)
{
    uint64_t one = 1;
    if (node == NULL) {
        return;
    }
    atomic_store(&node->stopping, true);
    ssize_t written = write(node->wake_fd, &one, sizeof one);
    (void)written;
    (void)pthread_join(node->loop, NULL);
    (void)pthread_mutex_lock(&node->write_lock);
    node->writer_stops = true;
    (void)pthread_cond_signal(&node->write_wanted);
    (void)pthread_mutex_unlock(&node->write_lock);
    (void)pthread_join(node->writer, NULL);
    dgraft_driver_close(node->driver);
    node->transport->ops->close(node->transport);
    destroy_locks(node);
    free(node);
}
