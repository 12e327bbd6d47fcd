/* Messages larger than a datagram: cut into equal fragments, acknowledged selectively, put together in bounded memory.
 *
 * Sans-I/O: time comes in, datagrams go out through a transport. Below the frame: it knows no message. One side of a
 * conversation is an address. At most window_bytes (64 KiB) per address are sent and not yet acknowledged; the window
 * shrinks on loss (RFC 8085). Small messages do not come here.
 *
 *   offset  width  field of a fragment's datagram        (little-endian)
 *        0      4  magic "dgfr"
 *        4      4  length of this datagram in bytes
 *        8      8  XXH3-64 over every byte from 16 on, seeded with bytes 0 to 7 as one number
 *       16      1  version: 1
 *       17      1  kind: 1 piece, 2 acknowledgement
 *       18      2  piece: fragment number; acknowledgement: so many fragments have come without a gap
 *       20      4  message length in bytes
 *       24      8  stream: drawn at random at each start of a sender
 *       32      8  message number, from 1, per stream
 *       40      4  fragment length in bytes, a multiple of 8: equal for all but the last, which may be shorter
 *       44      4  0
 *       48      -  the piece; or up to 16 words of 64 bits: bit n says that fragment (number + n) has come
 */
#ifndef DGRAFT_FRAGMENT_H
#define DGRAFT_FRAGMENT_H

#include <dgraft/refusal.h>
#include <dgraft/transport.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DGRAFT_FRAGMENT_MAGIC        0x72666764u /* "dgfr" */
#define DGRAFT_FRAGMENT_HEADER_BYTES 48u

struct dgraft_fragments; /* opaque; one per transport */

struct dgraft_fragments_options {
    uint64_t seed;                /* of the stream's number; differs at each start */
    size_t message_bytes_max;     /* larger ones are refused, both ways; 1 byte to 1 GiB */
    size_t window_bytes;          /* unacknowledged per address, at least 1 KiB; 0: 64 KiB */
    size_t incoming_bytes_max;    /* memory of messages being put together, in all. Of one address the oldest gives way
                                     to the next; of others what has been silent for 16 retry_ns, and to a peer any
                                     stranger's. Strangers (clients too) share half. */
    size_t outgoing_bytes_max;    /* memory of messages being sent, in all, and a quarter of it to one address unless it
                                     is a single message; more is BUSY */
    uint32_t incoming_per_source; /* messages put together at once per address, and sent at once to one: the same at
                                     both ends; 0: 4 */
    dgraft_time_ns retry_ns;      /* first wait for an acknowledgement; 0: 20 ms; doubles up to 16 times it */
    dgraft_time_ns give_up_ns;    /* a message not through by then is dropped; 0: 5 s */
};

/* Returns OK, NO_MEMORY, or CONFIG for options out of their bounds or a transport of less than 112 bytes a datagram. */
DGRAFT_MUST_USE enum dgraft_status dgraft_fragments_open(const struct dgraft_fragments_options *options,
                                                         struct dgraft_transport *transport,
                                                         struct dgraft_fragments **out);
/* Frees all that is under way. What waits in the transport lies there: flush before, or close the transport without. */
void dgraft_fragments_close(struct dgraft_fragments *fragments);

/* Returns whether a datagram is one of fragments: looks at the magic only. */
bool dgraft_fragments_claims(const uint8_t *bytes, size_t size);

/* Begins to send a message to one address; its pieces are copied (the one copy of a large command on its way out).
 * `key` other than 0 names the message: while one of the same key to the same address is under way nothing is begun and
 * OK is returned. What the window has room for goes to the transport's send before this returns; flushing is the
 * caller's. Returns OK, TOO_LARGE, BUSY (bounds reached: as good as lost), NO_MEMORY, MISUSE (nothing to send, or to
 * nobody). */
DGRAFT_MUST_USE enum dgraft_status dgraft_fragments_send(struct dgraft_fragments *fragments, dgraft_time_ns now_ns,
                                                         const struct dgraft_address *address, uint64_t key,
                                                         const struct iovec *pieces, size_t piece_count);

/* Returns whether messages to this address are under way. What must not overtake them goes the same way then, however
 * small it is. */
bool dgraft_fragments_under_way(struct dgraft_fragments *fragments, const struct dgraft_address *address);

/* Takes a datagram that dgraft_fragments_claims. When it completes a message, *message gets it (buffer with one
 * reference, source as the datagram's) and true is returned. *refusal (may be NULL) says why a datagram was refused,
 * DGRAFT_ACCEPT otherwise. The datagram's own reference stays with the caller. */
bool dgraft_fragments_receive(struct dgraft_fragments *fragments, dgraft_time_ns now_ns,
                              const struct dgraft_datagram *datagram, struct dgraft_datagram *message,
                              enum dgraft_refusal *refusal);

/* Sends again what was not acknowledged in time, and the acknowledgements that are due: call it after each batch of
 * datagrams received too (cheap when there is nothing to do). Returns when to be called next; UINT64_MAX when nothing
 * is under way. */
dgraft_time_ns dgraft_fragments_wake(struct dgraft_fragments *fragments, dgraft_time_ns now_ns);

struct dgraft_fragments_stats {
    uint64_t messages_sent; /* acknowledged whole */
    uint64_t messages_received;
    uint64_t messages_given_up;
    uint64_t pieces_sent;
    uint64_t pieces_sent_again;
    size_t incoming_bytes;
    size_t outgoing_bytes;
};
void dgraft_fragments_stats(const struct dgraft_fragments *fragments, struct dgraft_fragments_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
