/* A transport carries bytes and knows no Raft. All are lossy: what is sent may be lost, repeated, late, out of order.
 *
 * One thread at a time may use a transport. Sending and receiving never block.
 */
#ifndef DGRAFT_TRANSPORT_H
#define DGRAFT_TRANSPORT_H

#include <dgraft/buffer.h>
#include <dgraft/status.h>
#include <dgraft/types.h>

#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where a datagram came from, or an answer goes to: opaque, compared by its bytes. 28 bytes hold a sockaddr_in6. */
struct dgraft_address {
    uint8_t bytes[32];
    uint32_t size; /* 0: none */
};

/* What a message is, for carriers that can pair a question with its answers. The others take all as ONE_WAY. */
enum dgraft_send_class {
    DGRAFT_SEND_ONE_WAY = 1,
    DGRAFT_SEND_QUESTION = 2, /* `token` names it */
    DGRAFT_SEND_ANSWER = 3    /* `token` is that of the question; a lost token is answered one-way */
};

/* How long the bytes of the pieces stay as they are. */
enum dgraft_piece_life {
    DGRAFT_PIECES_FOR_CALL = 0,   /* borrowed for the call: a carrier that queues copies them, or flushes */
    DGRAFT_PIECES_UNTIL_FLUSH = 1 /* retained until the next flush, or close: a carrier that queues copies nothing */
};

struct dgraft_outgoing {
    dgraft_node_set to; /* peers; or, when 0, `address` */
    struct dgraft_address address;
    enum dgraft_send_class class_;
    uint64_t token;
    const struct iovec *pieces; /* the list is borrowed for the call; what it points to, as `life` says */
    size_t piece_count;
    enum dgraft_piece_life life;
    size_t segment_bytes; /* 0: one datagram. Otherwise the pieces are cut into datagrams of this size, the last may be
                             shorter: a carrier with segmentation sends them with one system call */
};

struct dgraft_datagram {
    const uint8_t *bytes; /* view into buffer */
    size_t size;
    struct dgraft_buffer *buffer; /* one reference, transferred to the receiver */
    struct dgraft_address source;
    uint64_t token; /* of a question; 0 none */
};

struct dgraft_transport_stats {
    uint64_t sent_datagrams;
    uint64_t sent_bytes;
    uint64_t received_datagrams;
    uint64_t received_bytes;
    uint64_t send_failures;    /* refused by the operating system: counted as lost */
    uint64_t dropped_overflow; /* lost for want of room in a receive buffer, as far as the carrier knows */
    uint64_t system_calls;
    uint32_t receive_buffer_bytes; /* granted, counted as it was asked for; 0 unknown */
    uint32_t send_buffer_bytes;
};

struct dgraft_transport {
    const struct dgraft_transport_ops *ops;
    size_t datagram_bytes_max; /* the largest it carries at once */
    bool one_send_for_all;     /* sending to a set costs as much as to one; others may hear it, too */
    bool encrypted;
    uint32_t on_way_max; /* messages on their way to one peer beyond which more are lost; 0: no such bound is known */
};

struct dgraft_transport_ops {
    const char *name; /* "udp" */
    /* Adds or moves a peer; `text` as the carrier writes addresses ("127.0.0.1:7001", "[::1]:7001"). */
    enum dgraft_status (*peer_add)(struct dgraft_transport *transport, dgraft_node_id id, const char *text);
    void (*peer_remove)(struct dgraft_transport *transport, dgraft_node_id id);
    /* Writes a peer's address, as fragments and answers need it. Returns false when there is no such peer. */
    bool (*peer_address)(const struct dgraft_transport *transport, dgraft_node_id id, struct dgraft_address *out);
    /* Sends, or queues until flush. A failure for one receiver never keeps another from getting it; it is counted, and
     * is as good as lost. Returns TOO_LARGE when it exceeds datagram_bytes_max, otherwise OK. */
    enum dgraft_status (*send)(struct dgraft_transport *transport, const struct dgraft_outgoing *outgoing);
    /* Hands to the operating system what was queued. Whoever sends with UNTIL_FLUSH flushes before that memory is freed
     * or written to; whatever the carrier meets, it reads the pieces no more when flush has returned. */
    void (*flush)(struct dgraft_transport *transport);
    /* Takes up to `count` datagrams without waiting; returns how many. Each carries a reference to release. `count`
     * means that there may be more, which the descriptor need not show (the carrier may have taken a batch from the
     * system): wait on it only after fewer came. */
    size_t (*receive)(struct dgraft_transport *transport, struct dgraft_datagram *out, size_t count);
    /* File descriptor that polls readable when receive has something; -1 when there is none. */
    int (*descriptor)(const struct dgraft_transport *transport);
    /* The address that the transport listens on, as text, e.g. with the port that the system chose. */
    void (*local_address)(const struct dgraft_transport *transport, char *text, size_t text_bytes);
    void (*stats)(const struct dgraft_transport *transport, struct dgraft_transport_stats *stats);
    /* What was queued and not flushed is lost; its pieces are not read any more. */
    void (*close)(struct dgraft_transport *transport);
};

/* Text of an address that a datagram came from, for messages to people. */
void dgraft_address_text(const struct dgraft_address *address, char *text, size_t text_bytes);
bool dgraft_address_equal(const struct dgraft_address *a, const struct dgraft_address *b);

struct dgraft_udp_options {
    const char *listen;            /* "HOST:PORT", "[IPv6]:PORT"; port 0: any. NULL: a client, any address */
    size_t datagram_bytes_max;     /* 0: 1,400; at most 65,000 */
    uint32_t receive_buffer_bytes; /* asked for; 0: 4 MiB */
    uint32_t send_buffer_bytes;    /* asked for; 0: 4 MiB */
};

/* Opens a UDP socket. A listening IPv6 socket serves IPv6 only; a client's reaches both families. A name that has an
 * IPv4 and an IPv6 address means the IPv4 one. *why (not NULL) gets one sentence on failure. Returns OK, CONFIG,
 * ADDRESS, ADDRESS_IN_USE, NETWORK, NO_MEMORY. */
DGRAFT_MUST_USE enum dgraft_status dgraft_udp_open(const struct dgraft_udp_options *options,
                                                   struct dgraft_transport **out, char *why, size_t why_bytes);

/* Resolves "HOST:PORT" to the address that a client sends to. Returns OK or ADDRESS and a sentence in why. */
DGRAFT_MUST_USE enum dgraft_status dgraft_udp_resolve(const char *text, struct dgraft_address *out, char *why,
                                                      size_t why_bytes);

struct dgraft_bus_options {
    const char *listen;        /* "HOST:PORT" or "[IPv6]:PORT" for tcp, port 0: any; "ipc:///PATH"; NULL: nowhere */
    dgraft_node_id self;       /* peers with larger ids are dialed, the others dial us; 0: all are dialed */
    size_t datagram_bytes_max; /* to send; 0: 2 MiB, the largest. What comes may always have that size */
};

/* Opens a BUS of nanomsg-next-generation over tcp or ipc. What is sent is heard by every peer that is connected,
 * whoever it is meant for; a peer that cannot be reached is dialed again and again. Peers are given as `listen` is. An
 * address sent to stands for all. It brings threads of nng's own, which touch nothing but the carrier; a process that
 * forks must not use it on both sides. *why (not NULL) gets one sentence on failure. Returns OK, CONFIG, ADDRESS,
 * ADDRESS_IN_USE, NETWORK, NO_MEMORY; UNSUPPORTED when it was left out of the build. */
DGRAFT_MUST_USE enum dgraft_status dgraft_bus_open(const struct dgraft_bus_options *options,
                                                   struct dgraft_transport **out, char *why, size_t why_bytes);

/* In-process carriers that share a hub: for simulators and tests. A hub delivers nothing by itself: its `deliver` is
 * called for every datagram sent, and whoever owns the hub puts it, or not, or twice, or later, into an inbox. */
struct dgraft_memory_hub;

typedef void dgraft_memory_deliver(void *context, const struct dgraft_address *from, const struct dgraft_address *to,
                                   const uint8_t *bytes, size_t size);

/* deliver NULL: everything arrives at once, in order. */
struct dgraft_memory_hub *dgraft_memory_hub_open(dgraft_memory_deliver *deliver, void *context);
void dgraft_memory_hub_close(struct dgraft_memory_hub *hub);

/* Puts a datagram into the inbox of the carrier at `to`, copying it; lost when there is none or its inbox is full. */
void dgraft_memory_hub_inject(struct dgraft_memory_hub *hub, const struct dgraft_address *from,
                              const struct dgraft_address *to, const uint8_t *bytes, size_t size);

/* `name` is the carrier's address, up to 31 bytes. inbox_max: datagrams that wait at most. */
DGRAFT_MUST_USE enum dgraft_status dgraft_memory_open(struct dgraft_memory_hub *hub, const char *name,
                                                      size_t datagram_bytes_max, size_t inbox_max,
                                                      struct dgraft_transport **out);
/* The address of the carrier of this name. */
void dgraft_memory_address(const char *name, struct dgraft_address *out);

#ifdef __cplusplus
}
#endif
#endif
