/* What the files of the udp carrier share: the carrier itself, its send queue and its receive buffers.
 *
 * A UDP message costs per datagram and system call, not per byte: what is sent is queued, as a list of where it lies,
 * and handed over in one sendmmsg; datagrams of one size go as one message with UDP_SEGMENT, which the kernel gathers;
 * coalesced messages (UDP_GRO) are split into views of one buffer.
 */
#ifndef DGRAFT_UDP_CARRIER_H
#define DGRAFT_UDP_CARRIER_H

#include "pieces.h"

#include <dgraft/transport.h>

#include <netinet/in.h>
#include <sys/socket.h>

#define UDP_DATAGRAM_BYTES_DEFAULT 1400u
#define UDP_DATAGRAM_BYTES_MAX     65000u
#define UDP_SOCKET_BUFFER_DEFAULT  (4u * 1024 * 1024)

#define UDP_DIRECT_BYTES     8192u /* from here on what is borrowed for a call only leaves at once, and is not copied */
#define UDP_SEND_BATCH       128u  /* two of the largest sets of receivers */
#define UDP_SEND_VECTORS     1024u /* as many as one message may have (IOV_MAX) */
#define UDP_SEND_ARENA_BYTES (512u * 1024)

/* A coalesced message is at most 64 KiB: so large is each place that one may arrive in. Of a place that never held much
 * only the first pages are ever touched, so that small datagrams do not cost 64 KiB of memory each. */
#define UDP_PLACE_BYTES   (64u * 1024)
#define UDP_RECEIVE_BATCH 32u
#define UDP_POOL_PLACES   128u
#define UDP_SPILL_BATCH   8u
#define UDP_SPILL_BYTES   (32u * 1024 * 1024)
#define UDP_CONTROL_BYTES 64u
#define UDP_SEGMENTS_MAX  64u /* the kernel's, per message */

/* Room for the width of a message's segments, as the kernel wants to be told. */
struct dgraft_udp_width {
    _Alignas(struct cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
};

/* Messages on their way into one sendmmsg. Datagrams of one size to the same receivers, queued one after the other, are
 * one message of several segments: their vectors are neighbours, and the receivers' messages share them. */
struct dgraft_udp_outbox {
    struct mmsghdr messages[UDP_SEND_BATCH];
    struct dgraft_udp_width widths[UDP_SEND_BATCH];
    size_t bytes[UDP_SEND_BATCH];      /* of the message */
    unsigned segments[UDP_SEND_BATCH]; /* datagrams in it */
    unsigned open_count;               /* the newest messages, one per receiver, that more segments may join; 0: none */
    size_t open_width;                 /* of their segments */
    struct sockaddr_in6 receivers[UDP_SEND_BATCH];
    int errors[UDP_SEND_BATCH]; /* after handing over: errno of what was refused, else 0 */
    unsigned count;
    struct iovec vectors[UDP_SEND_VECTORS]; /* into the arena, or to where the sender retains the bytes */
    unsigned vector_count;
    uint8_t *arena; /* copies of what was borrowed for a call */
    size_t arena_bytes;
    size_t arena_used;
};

/* Places to receive into. It outlives the carrier while somebody keeps a reference. */
struct dgraft_udp_pool {
    uint8_t *memory; /* UDP_POOL_PLACES places */
    struct dgraft_buffer buffers[UDP_POOL_PLACES];
    struct dgraft_buffer *free;
    size_t lent;        /* buffers with references, spilled ones too */
    size_t spill_bytes; /* of those on the heap */
    bool closed;
};

/* One message that arrived: one datagram, or several coalesced. */
struct dgraft_udp_arrival {
    struct dgraft_buffer *buffer;
    size_t offset; /* of the next datagram */
    size_t size;
    size_t segment_bytes; /* of each datagram but the last */
    struct dgraft_address source;
};

struct dgraft_udp_inbox {
    struct dgraft_udp_pool *pool;
    uint8_t *spill; /* UDP_SPILL_BATCH places: used when the pool is exhausted, and only then */
    struct dgraft_udp_arrival arrivals[UDP_RECEIVE_BATCH];
    unsigned first;
    unsigned count;
    uint32_t overflow_seen; /* the kernel's counter, which wraps */
};

struct dgraft_udp {
    struct dgraft_transport transport;
    int descriptor;
    int family;
    bool both_families;                              /* an IPv6 socket that reaches IPv4 too: a client's */
    bool segmentation;                               /* UDP_SEGMENT works, as far as known */
    size_t segment_bytes_max;                        /* larger ones were refused: beyond the device's MTU */
    struct dgraft_address peers[DGRAFT_NODE_ID_MAX]; /* of id at [id - 1]; size 0: none */
    struct dgraft_transport_stats stats;
    struct dgraft_udp_outbox out;
    struct dgraft_udp_inbox in;
};

static inline struct dgraft_udp *dgraft_udp_of(struct dgraft_transport *transport)
{
    return (struct dgraft_udp *)(void *)transport;
}

static inline const struct dgraft_udp *dgraft_udp_of_const(const struct dgraft_transport *transport)
{
    return (const struct dgraft_udp *)(const void *)transport;
}

enum dgraft_udp_port { DGRAFT_UDP_PORT_ANY = 1, DGRAFT_UDP_PORT_GIVEN = 2 };

/* Resolves "HOST:PORT" to a socket address of `family` (AF_UNSPEC: IPv4 before IPv6, so that a name which has both
 * means the same to who listens and to who sends). Blocks as long as the name service does; numbers never block. */
enum dgraft_status dgraft_udp_lookup(const char *text, int family, enum dgraft_udp_port kind,
                                     struct dgraft_address *out, char *why, size_t why_bytes);

enum dgraft_status dgraft_udp_send(struct dgraft_transport *transport, const struct dgraft_outgoing *outgoing);
void dgraft_udp_flush(struct dgraft_transport *transport);

/* Returns false when there is no memory. */
bool dgraft_udp_inbox_open(struct dgraft_udp_inbox *inbox);
void dgraft_udp_inbox_close(struct dgraft_udp_inbox *inbox);
size_t dgraft_udp_receive(struct dgraft_transport *transport, struct dgraft_datagram *out, size_t count);

#endif
