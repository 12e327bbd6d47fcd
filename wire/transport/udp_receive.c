/* What arrives by udp: one recvmmsg fills places of a pool; coalesced messages are split into views that share a
 * buffer. When all places of the pool are kept by somebody, datagrams are copied to buffers of their own size, up to a
 * bound; beyond it they are left in the socket, whose buffer overflows, and the kernel counts what is lost.
 */
#include "udp_carrier.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#define ERRORS_IN_A_ROW_MAX 16u /* old errors of the socket, reported by a receive */

struct intake {
    struct mmsghdr messages[UDP_RECEIVE_BATCH];
    struct iovec vectors[UDP_RECEIVE_BATCH];
    struct sockaddr_in6 sources[UDP_RECEIVE_BATCH];
    _Alignas(struct cmsghdr) uint8_t controls[UDP_RECEIVE_BATCH][UDP_CONTROL_BYTES];
};

static void pool_settle(struct dgraft_udp_pool *pool)
{
    if (pool->closed && pool->lent == 0) {
        free(pool->memory);
        free(pool);
    }
}

static void place_free(struct dgraft_buffer *buffer)
{
    struct dgraft_udp_pool *pool = buffer->owner;
    buffer->next = pool->free;
    pool->free = buffer;
    pool->lent--;
    pool_settle(pool);
}

static void spilled_free(struct dgraft_buffer *buffer)
{
    struct dgraft_udp_pool *pool = buffer->owner;
    pool->spill_bytes -= buffer->capacity;
    pool->lent--;
    free(buffer);
    pool_settle(pool);
}

bool dgraft_udp_inbox_open(struct dgraft_udp_inbox *inbox)
{
    *inbox = (struct dgraft_udp_inbox){.pool = calloc(1, sizeof *inbox->pool)};
    if (inbox->pool == NULL) {
        return false;
    }
    struct dgraft_udp_pool *pool = inbox->pool;
    pool->memory = malloc((size_t)UDP_POOL_PLACES * UDP_PLACE_BYTES);
    if (pool->memory == NULL) {
        free(pool);
        return false;
    }
    for (unsigned i = 0; i < UDP_POOL_PLACES; i++) {
        pool->buffers[i] = (struct dgraft_buffer){.bytes = pool->memory + (size_t)i * UDP_PLACE_BYTES,
                                                  .capacity = UDP_PLACE_BYTES,
                                                  .free = place_free,
                                                  .owner = pool,
                                                  .next = pool->free};
        pool->free = &pool->buffers[i];
    }
    return true;
}

void dgraft_udp_inbox_close(struct dgraft_udp_inbox *inbox)
{
    for (; inbox->count > 0; inbox->count--) {
        dgraft_buffer_release(inbox->arrivals[inbox->first++].buffer);
    }
    free(inbox->spill);
    inbox->pool->closed = true;
    pool_settle(inbox->pool);
}

/* Writes the source of a message. Returns false when it is one that no answer can reach. */
static bool source_of(const struct sockaddr_in6 *source, socklen_t size, struct dgraft_address *out)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    *out = (struct dgraft_address){0};
    if (source->sin6_family == AF_INET6 && size >= sizeof *source && !IN6_IS_ADDR_V4MAPPED(&source->sin6_addr)) {
        struct sockaddr_in6 six = *source;
        six.sin6_flowinfo = 0; /* a flow's label is no part of who it is */
        out->size = sizeof six;
        memcpy(out->bytes, &six, sizeof six);
        return six.sin6_port != 0;
    }
    if (source->sin6_family == AF_INET6 && size >= sizeof *source) {
        four.sin_port = source->sin6_port;
        memcpy(&four.sin_addr, source->sin6_addr.s6_addr + 12, 4);
    } else if (source->sin6_family == AF_INET && size >= sizeof four) {
        struct sockaddr_in given;
        memcpy(&given, source, sizeof given);
        four.sin_port = given.sin_port;
        four.sin_addr = given.sin_addr;
    } else {
        return false;
    }
    out->size = sizeof four;
    memcpy(out->bytes, &four, sizeof four);
    return four.sin_port != 0;
}

/* Reads what the kernel says beside a message: the width of coalesced segments, and how many were lost so far. */
static size_t control_of(struct dgraft_udp *udp, struct msghdr *message)
{
    size_t segment_bytes = 0;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(message); item != NULL; item = CMSG_NXTHDR(message, item)) {
        if (item->cmsg_level == IPPROTO_UDP && item->cmsg_type == UDP_GRO) {
            int width = 0;
            memcpy(&width, CMSG_DATA(item), sizeof width);
            segment_bytes = width > 0 ? (size_t)width : 0;
        } else if (item->cmsg_level == SOL_SOCKET && item->cmsg_type == SO_RXQ_OVFL) {
            uint32_t lost = 0;
            memcpy(&lost, CMSG_DATA(item), sizeof lost);
            udp->stats.dropped_overflow += lost - udp->in.overflow_seen;
            udp->in.overflow_seen = lost;
        }
    }
    return segment_bytes;
}

/* Receives into `count` places that intake->vectors name. Returns how many messages came. */
static unsigned take(struct dgraft_udp *udp, struct intake *intake, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        intake->messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &intake->sources[i],
                                                           .msg_namelen = sizeof intake->sources[i],
                                                           .msg_iov = &intake->vectors[i],
                                                           .msg_iovlen = 1,
                                                           .msg_control = intake->controls[i],
                                                           .msg_controllen = UDP_CONTROL_BYTES}};
    }
    for (unsigned errors = 0; errors < ERRORS_IN_A_ROW_MAX; errors++) {
        udp->stats.system_calls++;
        int came = recvmmsg(udp->descriptor, intake->messages, count, MSG_DONTWAIT, NULL);
        if (came >= 0) {
            return (unsigned)came;
        }
        if (errno == EAGAIN) {
            return 0;
        }
    }
    return 0;
}

/* Puts a message on the list of arrivals, with its reference; gives the reference back when it is of no use. */
static void arrive(struct dgraft_udp *udp, struct intake *intake, unsigned at, struct dgraft_buffer *buffer)
{
    struct dgraft_udp_inbox *in = &udp->in;
    struct mmsghdr *message = &intake->messages[at];
    size_t segment_bytes = control_of(udp, &message->msg_hdr);
    struct dgraft_udp_arrival *arrival = &in->arrivals[in->first + in->count];
    *arrival = (struct dgraft_udp_arrival){.buffer = buffer, .size = message->msg_len};
    arrival->segment_bytes = segment_bytes != 0 && segment_bytes < arrival->size ? segment_bytes : arrival->size;
    bool cut = (message->msg_hdr.msg_flags & MSG_TRUNC) != 0;
    if (buffer == NULL || cut) {
        udp->stats.dropped_overflow++;
    } else if (source_of(&intake->sources[at], message->msg_hdr.msg_namelen, &arrival->source)) {
        in->count++;
        return;
    }
    dgraft_buffer_release(buffer);
}

/* Returns how many messages came; *asked how many there was room for. */
static unsigned fill_from_pool(struct dgraft_udp *udp, unsigned *asked)
{
    struct intake intake;
    struct dgraft_udp_pool *pool = udp->in.pool;
    unsigned count = 0;
    for (struct dgraft_buffer *place = pool->free; place != NULL && count < UDP_RECEIVE_BATCH; place = place->next) {
        intake.vectors[count++] = (struct iovec){.iov_base = place->bytes, .iov_len = place->capacity};
    }
    *asked = count;
    unsigned came = take(udp, &intake, count);
    for (unsigned i = 0; i < came && pool->free != NULL; i++) {
        struct dgraft_buffer *place = pool->free;
        pool->free = place->next;
        pool->lent++;
        place->references = 1;
        place->next = NULL;
        arrive(udp, &intake, i, place);
    }
    return came;
}

static struct dgraft_buffer *spilled_new(struct dgraft_udp_pool *pool, const uint8_t *bytes, size_t size)
{
    struct dgraft_buffer *buffer = malloc(sizeof *buffer + size);
    if (buffer == NULL) {
        return NULL;
    }
    *buffer = (struct dgraft_buffer){
        .bytes = (uint8_t *)(buffer + 1), .capacity = size, .references = 1, .free = spilled_free, .owner = pool};
    memcpy(buffer->bytes, bytes, size);
    pool->spill_bytes += size;
    pool->lent++;
    return buffer;
}

/* The same when the pool is exhausted: into places of the carrier's own, then copied. */
static unsigned fill_spilling(struct dgraft_udp *udp, unsigned *asked)
{
    struct intake intake;
    struct dgraft_udp_inbox *in = &udp->in;
    *asked = 0;
    if (in->spill == NULL) {
        in->spill = malloc((size_t)UDP_SPILL_BATCH * UDP_PLACE_BYTES);
    }
    if (in->spill == NULL || in->pool->spill_bytes + (size_t)UDP_SPILL_BATCH * UDP_PLACE_BYTES > UDP_SPILL_BYTES) {
        return 0;
    }
    for (unsigned i = 0; i < UDP_SPILL_BATCH; i++) {
        intake.vectors[i] =
            (struct iovec){.iov_base = in->spill + (size_t)i * UDP_PLACE_BYTES, .iov_len = UDP_PLACE_BYTES};
    }
    *asked = UDP_SPILL_BATCH;
    unsigned came = take(udp, &intake, UDP_SPILL_BATCH);
    for (unsigned i = 0; i < came; i++) {
        arrive(udp, &intake, i, spilled_new(in->pool, intake.vectors[i].iov_base, intake.messages[i].msg_len));
    }
    return came;
}

/* Hands out the next datagram of the first arrival. */
static void hand_out(struct dgraft_udp *udp, struct dgraft_datagram *out)
{
    struct dgraft_udp_inbox *in = &udp->in;
    struct dgraft_udp_arrival *arrival = &in->arrivals[in->first];
    size_t left = arrival->size - arrival->offset;
    size_t size = left < arrival->segment_bytes ? left : arrival->segment_bytes;
    *out = (struct dgraft_datagram){.bytes = arrival->buffer->bytes + arrival->offset,
                                    .size = size,
                                    .buffer = arrival->buffer,
                                    .source = arrival->source};
    udp->stats.received_datagrams++;
    udp->stats.received_bytes += size;
    arrival->offset += size;
    if (arrival->offset < arrival->size) {
        dgraft_buffer_keep(arrival->buffer);
        return;
    }
    in->first++; /* the arrival's own reference went with its last datagram */
    in->count--;
}

size_t dgraft_udp_receive(struct dgraft_transport *transport, struct dgraft_datagram *out, size_t count)
{
    struct dgraft_udp *udp = dgraft_udp_of(transport);
    struct dgraft_udp_inbox *in = &udp->in;
    bool drained = false;
    size_t taken = 0;
    while (taken < count) {
        if (in->count > 0) {
            hand_out(udp, &out[taken++]);
            continue;
        }
        if (drained) {
            break;
        }
        in->first = 0;
        unsigned asked = 0;
        unsigned came = in->pool->free != NULL ? fill_from_pool(udp, &asked) : fill_spilling(udp, &asked);
        drained = came < asked || asked == 0;
    }
    return taken;
}
