/* The shell around the driver: opens directory and socket, and lets any thread propose; node_loop.h has its threads. */
#include "node_loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ELECTION_TIMEOUT_NS UINT64_C(300000000)

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

enum dgraft_status dgraft_node_read(struct dgraft_node *node, struct dgraft_read *read)
{
    (void)pthread_mutex_lock(&node->loop.turn);
    enum dgraft_status status = dgraft_driver_read(node->loop.driver, read);
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
    node->loop.transport->ops->local_address(node->loop.transport, text, text_bytes);
}

static struct dgraft_fs *files(const struct dgraft_node_options *options)
{
    return options->fs != NULL ? options->fs : dgraft_fs_posix();
}

/* What the directory says of itself: its node id, and where that node listens. The lock is given back at once. */
static enum dgraft_status ask_directory(struct dgraft_fs *fs, const char *directory, dgraft_node_id *id,
                                        struct dgraft_member *self, struct dgraft_why *why)
{
    struct dgraft_storage *storage = NULL;
    struct dgraft_found found;
    uint8_t bytes[DGRAFT_RECORD_HEADER_BYTES + DGRAFT_MEMBERSHIP_BYTES_MAX + 8];
    uint32_t count = 0;
    size_t used = 0;
    struct dgraft_record record;
    struct dgraft_members members;
    struct dgraft_storage_options options = {0};
    enum dgraft_status status = dgraft_storage_open(fs, directory, &options, &storage, why);
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
    *out = (struct dgraft_driver_options){.fs = files(options),
                                          .directory = options->directory,
                                          .transport = node->loop.transport,
                                          .machine = options->machine,
                                          .requests = options->requests,
                                          .sink = options->sink,
                                          .cache_bytes_max = options->cache_bytes_max,
                                          .small_bytes = options->small_bytes,
                                          .fragment_seed = seeds[0] ^ dgraft_loop_now_ns(),
                                          .check_invariants = options->check_invariants};
    dgraft_config_defaults(&out->core, id);
    out->core.members_max = DGRAFT_MEMBERS_MAX;
    out->core.seed = seeds[1] ^ id;
    out->core.election_timeout_ns =
        options->election_timeout_ns != 0 ? options->election_timeout_ns : ELECTION_TIMEOUT_NS;
    out->core.heartbeat_interval_ns =
        options->heartbeat_interval_ns != 0 ? options->heartbeat_interval_ns : out->core.election_timeout_ns / 6;
}

static enum dgraft_status open_parts(struct dgraft_node *node, const struct dgraft_node_options *options,
                                     struct dgraft_why *why)
{
    struct dgraft_driver_options driver;
    struct dgraft_member self;
    dgraft_node_id id = 0;
    enum dgraft_status status = ask_directory(files(options), options->directory, &id, &self, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    struct dgraft_udp_options udp = {.listen = options->listen != NULL ? options->listen : self.address,
                                     .datagram_bytes_max = options->datagram_bytes_max,
                                     .receive_buffer_bytes = options->socket_buffer_bytes,
                                     .send_buffer_bytes = options->socket_buffer_bytes};
    status = dgraft_udp_open(&udp, &node->loop.transport, why->text, sizeof why->text);
    if (status != DGRAFT_OK) {
        return status;
    }
    driver_options(options, id, node, &driver);
    status = dgraft_driver_open(&driver, dgraft_loop_now_ns(), &node->loop.driver, why);
    if (status != DGRAFT_OK) {
        return status;
    }
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
        if (node->loop.transport != NULL) {
            node->loop.transport->ops->close(node->loop.transport);
        }
        dgraft_loop_close(&node->loop);
        free(node);
        return status;
    }
    *out = node;
    return DGRAFT_OK;
}

void dgraft_node_close(struct dgraft_node *node)
{
    if (node == NULL) {
        return;
    }
    dgraft_loop_stop(&node->loop);
    dgraft_driver_close(node->loop.driver);
    node->loop.transport->ops->close(node->loop.transport);
    dgraft_loop_close(&node->loop);
    free(node);
}
