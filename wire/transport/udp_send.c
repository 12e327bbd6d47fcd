/* What leaves by udp. A small datagram is copied into the arena and waits for flush; a large one, and a message cut
 * into segments, leave at once from where they lie, segments as one message to the kernel per 64 of them.
 *
 * Nothing here fails: what the operating system refuses is counted, and as good as lost.
 */
#include "udp_carrier.h"

#include <assert.h>
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

struct receivers {
    struct sockaddr_in6 items[DGRAFT_NODE_ID_MAX]; /* large enough for a sockaddr_in */
    socklen_t sizes[DGRAFT_NODE_ID_MAX];
    unsigned count;
};

/* An IPv4 address as an IPv6 socket for both families wants it. */
static void map_to_six(const struct sockaddr_in *four, struct sockaddr_in6 *six)
{
    *six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = four->sin_port};
    six->sin6_addr.s6_addr[10] = 0xff;
    six->sin6_addr.s6_addr[11] = 0xff;
    memcpy(six->sin6_addr.s6_addr + 12, &four->sin_addr, 4);
}

/* Adds an address to the list; one that this socket cannot reach is counted as lost. */
static void receivers_add(struct dgraft_udp *udp, struct receivers *list, const struct dgraft_address *address)
{
    struct sockaddr_in four;
    struct sockaddr_in6 *to = &list->items[list->count];
    if (address->size == sizeof four) {
        memcpy(&four, address->bytes, sizeof four);
        if (four.sin_family == AF_INET && udp->family == AF_INET) {
            memcpy(to, &four, sizeof four);
            list->sizes[list->count++] = sizeof four;
            return;
        }
        if (four.sin_family == AF_INET && udp->both_families) {
            map_to_six(&four, to);
            list->sizes[list->count++] = sizeof *to;
            return;
        }
    } else if (address->size == sizeof *to && udp->family == AF_INET6) {
        memcpy(to, address->bytes, sizeof *to);
        if (to->sin6_family == AF_INET6) {
            list->sizes[list->count++] = sizeof *to;
            return;
        }
    }
    udp->stats.send_failures++;
}

static void receivers_of(struct dgraft_udp *udp, const struct dgraft_outgoing *outgoing, struct receivers *list)
{
    list->count = 0;
    if (outgoing->to == 0) {
        receivers_add(udp, list, &outgoing->address);
    }
    for (dgraft_node_set left = outgoing->to; left != 0; left &= left - 1) {
        receivers_add(udp, list, &udp->peers[dgraft_node_set_first(left) - 1]);
    }
}

/* Returns whether an error may be an old one of the socket, reported here, rather than one of this message. */
static bool may_be_stale(int error)
{
    return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH || error == EHOSTDOWN;
}

/* Hands messages to the kernel; errors[] says what became of each. A message that is refused keeps no other from
 * leaving, but when the socket's buffer is full it is full for all that follow. */
static void hand_over(struct dgraft_udp *udp, struct mmsghdr *messages, int *errors, unsigned count)
{
    unsigned done = 0;
    bool again = false;
    while (done < count) {
        udp->stats.system_calls++;
        int sent = sendmmsg(udp->descriptor, messages + done, count - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            for (int i = 0; i < sent; i++) {
                errors[done++] = 0;
            }
            again = false;
            continue;
        }
        int error = sent < 0 ? errno : EIO;
        if (error == EINTR || (may_be_stale(error) && !again)) {
            again = error != EINTR;
            continue;
        }
        again = false;
        if (error == EAGAIN) {
            while (done < count) {
                errors[done++] = error;
            }
        } else {
            errors[done++] = error;
        }
    }
}

/* Learns from a refusal of UDP_SEGMENT. Returns false when the error was of another kind. */
static bool segmentation_refused(struct dgraft_udp *udp, int error, size_t segment_bytes)
{
    if (error == EINVAL || error == EMSGSIZE) { /* a segment does not fit the device's MTU */
        if (segment_bytes - 1 < udp->segment_bytes_max) {
            udp->segment_bytes_max = segment_bytes - 1;
        }
        return true;
    }
    if (error == EIO || error == EOPNOTSUPP || error == ENOPROTOOPT) { /* a device or kernel without it */
        udp->segmentation = false;
        return true;
    }
    return false;
}

static void width_set(struct dgraft_udp_width *control, size_t segment_bytes)
{
    const uint16_t width = (uint16_t)segment_bytes;
    const struct cmsghdr header = {
        .cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(sizeof width)};
    memset(control, 0, sizeof *control);
    memcpy(control->bytes, &header, sizeof header);
    memcpy(control->bytes + CMSG_LEN(0), &width, sizeof width);
}

static size_t width_of(const struct dgraft_udp_width *control)
{
    uint16_t width;
    memcpy(&width, control->bytes + CMSG_LEN(0), sizeof width);
    return width;
}

/* Sends a queued message of several segments once more, as plain datagrams. */
static void send_plainly(struct dgraft_udp *udp, unsigned at)
{
    struct dgraft_udp_outbox *out = &udp->out;
    struct mmsghdr messages[UDP_SEGMENTS_MAX];
    struct iovec vectors[UDP_SEGMENTS_MAX];
    int errors[UDP_SEGMENTS_MAX] = {0};
    const size_t width = width_of(&out->widths[at]);
    uint8_t *bytes = out->vectors[at].iov_base;
    size_t left = out->vectors[at].iov_len;
    unsigned count = 0;
    for (; left > 0 && count < UDP_SEGMENTS_MAX; count++) {
        const size_t size = left < width ? left : width;
        vectors[count] = (struct iovec){.iov_base = bytes, .iov_len = size};
        messages[count] = (struct mmsghdr){.msg_hdr = {.msg_name = out->messages[at].msg_hdr.msg_name,
                                                       .msg_namelen = out->messages[at].msg_hdr.msg_namelen,
                                                       .msg_iov = &vectors[count],
                                                       .msg_iovlen = 1}};
        bytes += size;
        left -= size;
    }
    hand_over(udp, messages, errors, count);
    for (unsigned i = 0; i < count; i++) {
        udp->stats.send_failures += errors[i] != 0;
        udp->stats.sent_datagrams += errors[i] == 0;
        udp->stats.sent_bytes += errors[i] == 0 ? vectors[i].iov_len : 0;
    }
}

void dgraft_udp_flush(struct dgraft_transport *transport)
{
    struct dgraft_udp *udp = dgraft_udp_of(transport);
    struct dgraft_udp_outbox *out = &udp->out;
    hand_over(udp, out->messages, out->errors, out->count);
    for (unsigned i = 0; i < out->count; i++) {
        if (out->errors[i] == 0) {
            udp->stats.sent_datagrams += out->segments[i];
            udp->stats.sent_bytes += out->vectors[i].iov_len;
        } else if (out->segments[i] > 1 && segmentation_refused(udp, out->errors[i], width_of(&out->widths[i]))) {
            send_plainly(udp, i);
        } else {
            udp->stats.send_failures += out->segments[i];
        }
    }
    out->count = 0;
    out->open_count = 0;
    out->arena_used = 0;
}

/* Returns whether a datagram of this size may join the newest messages as their next segment. */
static bool joins(const struct dgraft_udp *udp, size_t size, const struct receivers *list)
{
    const struct dgraft_udp_outbox *out = &udp->out;
    const unsigned first = out->count - out->open_count;
    if (size == 0 || out->open_count == 0 || out->open_count != list->count || size > out->open_width ||
        !udp->segmentation || out->open_width > udp->segment_bytes_max || out->segments[first] >= UDP_SEGMENTS_MAX ||
        out->vectors[first].iov_len + size > UDP_DATAGRAM_BYTES_MAX) {
        return false;
    }
    for (unsigned i = 0; i < list->count; i++) {
        if (out->messages[first + i].msg_hdr.msg_namelen != list->sizes[i] ||
            memcmp(&out->receivers[first + i], &list->items[i], list->sizes[i]) != 0) {
            return false;
        }
    }
    return true;
}

static void join(struct dgraft_udp_outbox *out, size_t size)
{
    for (unsigned at = out->count - out->open_count; at < out->count; at++) {
        if (out->segments[at]++ == 1) {
            width_set(&out->widths[at], out->open_width);
            out->messages[at].msg_hdr.msg_control = &out->widths[at];
            out->messages[at].msg_hdr.msg_controllen = sizeof out->widths[at].bytes;
        }
        out->vectors[at].iov_len += size;
    }
    if (size < out->open_width) {
        out->open_count = 0; /* only the last segment may be shorter */
    }
}

/* Queues the next `size` bytes of pieces as one datagram to all receivers: copied once. */
static void queue(struct dgraft_udp *udp, struct dgraft_pieces *pieces, size_t size, const struct receivers *list)
{
    struct dgraft_udp_outbox *out = &udp->out;
    if (out->count + list->count > UDP_SEND_BATCH || size > out->arena_bytes - out->arena_used) {
        dgraft_udp_flush(&udp->transport);
    }
    assert(size <= out->arena_bytes);
    uint8_t *bytes = out->arena + out->arena_used;
    dgraft_pieces_copy(pieces, bytes, size);
    out->arena_used += size;
    if (joins(udp, size, list)) {
        join(out, size);
        return;
    }
    for (unsigned i = 0; i < list->count; i++) {
        unsigned at = out->count++;
        out->receivers[at] = list->items[i];
        out->vectors[at] = (struct iovec){.iov_base = bytes, .iov_len = size};
        out->segments[at] = 1;
        out->messages[at] = (struct mmsghdr){.msg_hdr = {.msg_name = &out->receivers[at],
                                                         .msg_namelen = list->sizes[i],
                                                         .msg_iov = &out->vectors[at],
                                                         .msg_iovlen = 1}};
    }
    out->open_count = size > 0 ? list->count : 0;
    out->open_width = size;
}

static void queue_segments(struct dgraft_udp *udp, struct dgraft_pieces pieces, size_t bytes, size_t segment_bytes,
                           const struct receivers *list)
{
    do {
        size_t size = bytes < segment_bytes ? bytes : segment_bytes;
        queue(udp, &pieces, size, list);
        bytes -= size;
    } while (bytes > 0);
}

/* Views the next `bytes` of pieces as a list of vectors, and moves on. Returns how many; 0 when there are too many. */
static size_t slice(struct dgraft_pieces *pieces, size_t bytes, struct iovec vectors[UDP_CHUNK_PIECES])
{
    size_t count = 0;
    while (bytes > 0) {
        if (count == UDP_CHUNK_PIECES) {
            return 0;
        }
        size_t left = pieces->items->iov_len - pieces->offset;
        size_t part = left < bytes ? left : bytes;
        if (part > 0) {
            vectors[count].iov_base = (uint8_t *)pieces->items->iov_base + pieces->offset;
            vectors[count++].iov_len = part;
        }
        bytes -= part;
        pieces->offset += part;
        if (pieces->offset == pieces->items->iov_len) {
            pieces->items++;
            pieces->count--;
            pieces->offset = 0;
        }
    }
    return count;
}

/* Up to 64 segments: one message to the kernel. */
struct chunk {
    struct dgraft_pieces pieces; /* from where it begins */
    size_t bytes;
    size_t segment_bytes;
    struct iovec vectors[UDP_CHUNK_PIECES];
    size_t vector_count;
};

/* Sends a chunk to each receiver; those that refuse it as one get plain datagrams. */
static void send_chunk(struct dgraft_udp *udp, struct chunk *chunk, struct receivers *list)
{
    struct dgraft_udp_width control;
    width_set(&control, chunk->segment_bytes);
    struct mmsghdr messages[DGRAFT_NODE_ID_MAX];
    int errors[DGRAFT_NODE_ID_MAX];
    for (unsigned i = 0; i < list->count; i++) {
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &list->items[i],
                                                   .msg_namelen = list->sizes[i],
                                                   .msg_iov = chunk->vectors,
                                                   .msg_iovlen = chunk->vector_count,
                                                   .msg_control = &control,
                                                   .msg_controllen = sizeof control.bytes}};
    }
    hand_over(udp, messages, errors, list->count);
    size_t segments = (chunk->bytes + chunk->segment_bytes - 1) / chunk->segment_bytes;
    struct receivers plain = {.count = 0};
    for (unsigned i = 0; i < list->count; i++) {
        if (errors[i] == 0) {
            udp->stats.sent_datagrams += segments;
            udp->stats.sent_bytes += chunk->bytes;
        } else if (segmentation_refused(udp, errors[i], chunk->segment_bytes)) {
            plain.items[plain.count] = list->items[i];
            plain.sizes[plain.count++] = list->sizes[i];
        } else {
            udp->stats.send_failures += segments;
        }
    }
    if (plain.count > 0) {
        queue_segments(udp, chunk->pieces, chunk->bytes, chunk->segment_bytes, &plain);
    }
}

/* Sends a message of several segments, in chunks where that pays, otherwise as plain datagrams. */
static void send_segments(struct dgraft_udp *udp, struct dgraft_pieces pieces, size_t bytes, size_t segment_bytes,
                          struct receivers *list)
{
    size_t at_once = UDP_DATAGRAM_BYTES_MAX / segment_bytes;
    if (at_once > UDP_SEGMENTS_MAX) {
        at_once = UDP_SEGMENTS_MAX;
    }
    struct chunk chunk = {.segment_bytes = segment_bytes};
    while (bytes > segment_bytes && at_once > 1 && udp->segmentation && segment_bytes <= udp->segment_bytes_max) {
        chunk.pieces = pieces;
        chunk.bytes = bytes < at_once * segment_bytes ? bytes : at_once * segment_bytes;
        chunk.vector_count = slice(&pieces, chunk.bytes, chunk.vectors);
        if (chunk.vector_count == 0) {
            pieces = chunk.pieces;
            break;
        }
        send_chunk(udp, &chunk, list);
        bytes -= chunk.bytes;
    }
    if (bytes > 0) {
        queue_segments(udp, pieces, bytes, segment_bytes, list);
    }
}

/* Sends one large datagram from where its pieces lie: copying it into the queue would cost more than its own system
 * call. */
static void send_directly(struct dgraft_udp *udp, struct dgraft_pieces pieces, size_t bytes, struct receivers *list)
{
    struct iovec vectors[UDP_CHUNK_PIECES];
    struct mmsghdr messages[DGRAFT_NODE_ID_MAX];
    int errors[DGRAFT_NODE_ID_MAX] = {0};
    const size_t vector_count = slice(&pieces, bytes, vectors);
    for (unsigned i = 0; i < list->count; i++) {
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &list->items[i],
                                                   .msg_namelen = list->sizes[i],
                                                   .msg_iov = vectors,
                                                   .msg_iovlen = vector_count}};
    }
    hand_over(udp, messages, errors, list->count);
    for (unsigned i = 0; i < list->count; i++) {
        udp->stats.send_failures += errors[i] != 0;
        udp->stats.sent_datagrams += errors[i] == 0;
        udp->stats.sent_bytes += errors[i] == 0 ? bytes : 0;
    }
}

enum dgraft_status dgraft_udp_send(struct dgraft_transport *transport, const struct dgraft_outgoing *outgoing)
{
    struct dgraft_udp *udp = dgraft_udp_of(transport);
    size_t bytes = dgraft_pieces_bytes(outgoing->pieces, outgoing->piece_count);
    size_t datagram = outgoing->segment_bytes != 0 ? outgoing->segment_bytes : bytes;
    if (datagram > transport->datagram_bytes_max) {
        return DGRAFT_STATUS_TOO_LARGE;
    }
    struct receivers list;
    receivers_of(udp, outgoing, &list);
    if (list.count == 0) {
        return DGRAFT_OK;
    }
    struct dgraft_pieces pieces = {.items = outgoing->pieces, .count = outgoing->piece_count};
    if (bytes <= datagram && bytes >= UDP_DIRECT_BYTES && outgoing->piece_count <= UDP_CHUNK_PIECES) {
        dgraft_udp_flush(transport); /* what was queued before it leaves before it */
        send_directly(udp, pieces, bytes, &list);
    } else if (bytes <= datagram) {
        queue(udp, &pieces, bytes, &list);
    } else {
        send_segments(udp, pieces, bytes, datagram, &list);
    }
    return DGRAFT_OK;
}
