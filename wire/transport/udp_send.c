/* What leaves by udp: queued until flush. What the sender retains until then is sent from where it lies; what it lends
 * for the call is copied when it is small, and flushed at once when it is large.
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
    struct iovec vectors[UDP_SEND_VECTORS + UDP_SEGMENTS_MAX];
    size_t sizes[UDP_SEGMENTS_MAX] = {0};
    int errors[UDP_SEGMENTS_MAX] = {0};
    const struct msghdr *whole = &out->messages[at].msg_hdr;
    struct dgraft_pieces pieces = {.items = whole->msg_iov, .count = whole->msg_iovlen};
    const size_t width = width_of(&out->widths[at]);
    size_t left = out->bytes[at];
    size_t used = 0;
    unsigned count = 0;
    for (; left > 0 && count < UDP_SEGMENTS_MAX; count++) {
        const size_t first = used;
        sizes[count] = left < width ? left : width;
        for (size_t rest = sizes[count]; rest > 0; rest -= vectors[used++].iov_len) {
            vectors[used] = dgraft_pieces_next(&pieces, rest);
        }
        left -= sizes[count];
        messages[count] = (struct mmsghdr){.msg_hdr = {.msg_name = whole->msg_name,
                                                       .msg_namelen = whole->msg_namelen,
                                                       .msg_iov = &vectors[first],
                                                       .msg_iovlen = used - first}};
    }
    hand_over(udp, messages, errors, count);
    for (unsigned i = 0; i < count; i++) {
        udp->stats.send_failures += errors[i] != 0;
        udp->stats.sent_datagrams += errors[i] == 0;
        udp->stats.sent_bytes += errors[i] == 0 ? sizes[i] : 0;
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
            udp->stats.sent_bytes += out->bytes[i];
        } else if (out->segments[i] > 1 && segmentation_refused(udp, out->errors[i], width_of(&out->widths[i]))) {
            send_plainly(udp, i);
        } else {
            udp->stats.send_failures += out->segments[i];
        }
    }
    out->count = 0;
    out->open_count = 0;
    out->vector_count = 0;
    out->arena_used = 0;
}

/* Returns whether a datagram of this size may join the newest messages as their next segment. */
static bool joins(const struct dgraft_udp *udp, size_t size, const struct receivers *list)
{
    const struct dgraft_udp_outbox *out = &udp->out;
    const unsigned first = out->count - out->open_count;
    if (size == 0 || out->open_count == 0 || out->open_count != list->count || size > out->open_width ||
        !udp->segmentation || out->open_width > udp->segment_bytes_max || out->segments[first] >= UDP_SEGMENTS_MAX ||
        out->bytes[first] + size > UDP_DATAGRAM_BYTES_MAX) {
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

/* The vectors of the newest message became more by a segment of `size` bytes. */
static void join(struct dgraft_udp_outbox *out, size_t size)
{
    for (unsigned at = out->count - out->open_count; at < out->count; at++) {
        struct msghdr *message = &out->messages[at].msg_hdr;
        if (out->segments[at]++ == 1) {
            width_set(&out->widths[at], out->open_width);
            message->msg_control = &out->widths[at];
            message->msg_controllen = sizeof out->widths[at].bytes;
        }
        message->msg_iovlen = (size_t)(&out->vectors[out->vector_count] - message->msg_iov);
        out->bytes[at] += size;
    }
    if (size < out->open_width) {
        out->open_count = 0; /* only the last segment may be shorter */
    }
}

/* Makes a message per receiver of the vectors from `first` on. */
static void begin(struct dgraft_udp_outbox *out, unsigned first, size_t size, const struct receivers *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        const unsigned at = out->count++;
        out->receivers[at] = list->items[i];
        out->bytes[at] = size;
        out->segments[at] = 1;
        out->messages[at] = (struct mmsghdr){.msg_hdr = {.msg_name = &out->receivers[at],
                                                         .msg_namelen = list->sizes[i],
                                                         .msg_iov = out->vectors + first,
                                                         .msg_iovlen = out->vector_count - first}};
    }
    out->open_count = size > 0 ? list->count : 0;
    out->open_width = size;
}

/* Adds a vector to the message whose vectors begin at `first`; neighbours in memory become one. */
static void add_vector(struct dgraft_udp_outbox *out, unsigned first, struct iovec vector)
{
    if (out->vector_count > first) {
        struct iovec *last = &out->vectors[out->vector_count - 1];
        if ((uint8_t *)last->iov_base + last->iov_len == (uint8_t *)vector.iov_base) {
            last->iov_len += vector.iov_len;
            return;
        }
    }
    assert(out->vector_count < UDP_SEND_VECTORS);
    out->vectors[out->vector_count++] = vector;
}

static size_t vectors_needed(struct dgraft_pieces pieces, size_t bytes)
{
    size_t count = 0;
    for (; bytes > 0; count++) {
        bytes -= dgraft_pieces_next(&pieces, bytes).iov_len;
    }
    return count;
}

/* Queues the next `size` bytes of pieces as one datagram to all receivers: copied, or as a list of where they lie. */
static void queue(struct dgraft_udp *udp, struct dgraft_pieces *pieces, size_t size, bool copies,
                  const struct receivers *list)
{
    struct dgraft_udp_outbox *out = &udp->out;
    size_t needed = copies ? 1 : vectors_needed(*pieces, size);
    if (needed > UDP_SEND_VECTORS) { /* more than a message may have */
        copies = true;
        needed = 1;
    }
    if (out->count + list->count > UDP_SEND_BATCH || needed > UDP_SEND_VECTORS - out->vector_count ||
        (copies && size > out->arena_bytes - out->arena_used)) {
        dgraft_udp_flush(&udp->transport);
    }
    const bool joined = joins(udp, size, list);
    const unsigned first =
        joined ? (unsigned)(out->messages[out->count - 1].msg_hdr.msg_iov - out->vectors) : out->vector_count;
    if (copies && size > 0) {
        assert(size <= out->arena_bytes - out->arena_used);
        uint8_t *bytes = out->arena + out->arena_used;
        dgraft_pieces_copy(pieces, bytes, size);
        out->arena_used += size;
        add_vector(out, first, (struct iovec){.iov_base = bytes, .iov_len = size});
    }
    for (size_t left = copies ? 0 : size; left > 0;) {
        const struct iovec vector = dgraft_pieces_next(pieces, left);
        add_vector(out, first, vector);
        left -= vector.iov_len;
    }
    if (joined) {
        join(out, size);
    } else {
        begin(out, first, size, list);
    }
}

enum dgraft_status dgraft_udp_send(struct dgraft_transport *transport, const struct dgraft_outgoing *outgoing)
{
    struct dgraft_udp *udp = dgraft_udp_of(transport);
    size_t left = dgraft_pieces_bytes(outgoing->pieces, outgoing->piece_count);
    const size_t datagram = outgoing->segment_bytes != 0 ? outgoing->segment_bytes : left;
    if (datagram > transport->datagram_bytes_max) {
        return DGRAFT_STATUS_TOO_LARGE;
    }
    struct receivers list;
    receivers_of(udp, outgoing, &list);
    if (list.count == 0) {
        return DGRAFT_OK;
    }
    const bool retained = outgoing->life == DGRAFT_PIECES_UNTIL_FLUSH;
    const bool copies = !retained && left < UDP_DIRECT_BYTES;
    struct dgraft_pieces pieces = {.items = outgoing->pieces, .count = outgoing->piece_count};
    do {
        const size_t size = left < datagram ? left : datagram;
        queue(udp, &pieces, size, copies, &list);
        left -= size;
    } while (left > 0);
    if (!retained && !copies) {
        dgraft_udp_flush(transport); /* now, while the bytes are still there */
    }
    return DGRAFT_OK;
}
