/* A frame: one message as bytes. Frames may stand one behind the other in a datagram.
 *
 *   offset  width  field                                 (little-endian, naturally aligned)
 *        0      4  magic "dgrf"
 *        4      4  length of the whole frame in bytes, a multiple of 8
 *        8      8  XXH3-64 over every byte from 16 on, seeded with bytes 0 to 7 (magic and length) as one number
 *       16      1  version: 1
 *       17      1  flags: 0
 *       18      2  type
 *       20      4  from: node id; 0 for a client
 *       24      8  cluster; a client that does not know it yet may say 0
 *       32      4  group: 0 until used
 *       36      4  generation of the sender's store
 *       40      8  to: the set of receivers, bit (id - 1) for a node; 0 for whoever it reaches
 *       48      8  store: identity of the sender's store
 *       56      8  term: the sender's durable one
 *       64      -  the type's fixed body, then records (APPEND) or opaque bytes (SNAPSHOT_CHUNK and client messages),
 *                  padded to 8
 *
 * The bodies are one table, wire/messages.def: codec, printer and documentation come from it.
 */
#ifndef DGRAFT_FRAME_H
#define DGRAFT_FRAME_H

#include <dgraft/message.h>
#include <dgraft/record.h>
#include <dgraft/refusal.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DGRAFT_FRAME_MAGIC        0x66726764u /* "dgrf" */
#define DGRAFT_FRAME_VERSION      1u
#define DGRAFT_FRAME_HEADER_BYTES 64u
#define DGRAFT_FRAME_BODY_MAX     64u /* largest fixed body */
#define DGRAFT_FRAME_HEAD_MAX     (DGRAFT_FRAME_HEADER_BYTES + DGRAFT_FRAME_BODY_MAX)
#define DGRAFT_FRAME_BYTES_MAX    (20u * 1024 * 1024)
#define DGRAFT_FRAME_PAYLOAD_MAX  (DGRAFT_FRAME_BYTES_MAX - DGRAFT_FRAME_HEAD_MAX) /* of a client's frame */
#define DGRAFT_FRAME_ENTRIES_MAX  65536u

/* Types of frames beyond the peers' (enum dgraft_message_type). A client's frames admit no peer message, nor the other
 * way round. */
enum dgraft_client_frame_type { DGRAFT_FRAME_CLIENT_REQUEST = 32, DGRAFT_FRAME_CLIENT_ANSWER = 33 };

/* What a client asks: opaque to dgraft, known to the program that embeds it. */
struct dgraft_client_request {
    uint64_t client;        /* drawn at random by the client */
    uint64_t sequence;      /* from 1, one more for each request; a retry keeps it */
    const uint8_t *payload; /* view */
    uint32_t payload_bytes;
    uint32_t kind; /* the program's name of the request */
};

enum dgraft_client_result {
    DGRAFT_CLIENT_OK = 1,
    DGRAFT_CLIENT_NOT_LEADER = 2, /* ask `leader`, at the address in the payload when there is one */
    DGRAFT_CLIENT_BUSY = 3,       /* never done: try again */
    DGRAFT_CLIENT_UNKNOWN = 4,    /* may or may not have been done */
    DGRAFT_CLIENT_REFUSED = 5     /* never done, and never will be: the payload says why, in words */
};

struct dgraft_client_answer {
    uint64_t client;
    uint64_t sequence;      /* of the request */
    uint64_t index;         /* of the entry that did it; 0 none */
    const uint8_t *payload; /* view */
    uint32_t payload_bytes;
    uint32_t kind;   /* of the request */
    uint32_t result; /* enum dgraft_client_result */
    uint32_t leader; /* node id as far as known; 0 unknown */
};

/* The header's fields, but magic, length, version and checksum. */
struct dgraft_frame_header {
    uint64_t cluster;
    uint32_t group;
    dgraft_node_id from;
    dgraft_node_set to;
    uint64_t store;
    uint32_t generation;
    uint16_t type;
    dgraft_term term;
};

/* A decoded frame. Everything views the bytes decoded from. */
struct dgraft_frame {
    struct dgraft_frame_header header;
    size_t frame_bytes;            /* of the whole frame: the next one begins there */
    struct dgraft_message message; /* a peer's; the entries of an APPEND or FETCH_ANSWER are in the caller's array */
    struct dgraft_client_request request;
    struct dgraft_client_answer answer;
    /* APPEND, FETCH_ANSWER: as many records as they count, one behind the other; SNAPSHOT_CHUNK: its bytes, without
     * padding. */
    const uint8_t *records;
    size_t records_bytes;
};

/* Writes header and body of a peer's message to head, and returns their size; 0 when the message's type is none.
 * The records (APPEND, FETCH_ANSWER), or a chunk's bytes and zeros up to a multiple of 8, follow in `tail`, which is
 * not copied: send head and tail as one. header->type, from, store, generation and term are taken from the message. */
size_t dgraft_frame_encode(const struct dgraft_frame_header *header, const struct dgraft_message *message,
                           const struct iovec *tail, size_t tail_count, uint8_t head[DGRAFT_FRAME_HEAD_MAX]);

/* The same for a client's request and the answer to it. The payload follows the head, then `padding` zeros (written to
 * *padding) up to a multiple of 8. A request takes cluster, group and to from the header, the rest of which a client
 * has no use for; an answer takes all but `to`, which names peers. */
size_t dgraft_frame_encode_request(const struct dgraft_frame_header *header,
                                   const struct dgraft_client_request *request, uint8_t head[DGRAFT_FRAME_HEAD_MAX],
                                   size_t *padding);
size_t dgraft_frame_encode_answer(const struct dgraft_frame_header *header, const struct dgraft_client_answer *answer,
                                  uint8_t head[DGRAFT_FRAME_HEAD_MAX], size_t *padding);

/* Reads the frame at the beginning of bytes. `entries` is an array of `entries_max` descriptors that an APPEND's or
 * FETCH_ANSWER's are written to. All lengths, counts, both checksums of each record, contiguous indexes and terms that
 * neither fall nor pass the frame's are checked; cluster, group and receiver are not: see dgraft_frame_check. Returns
 * DGRAFT_ACCEPT, or why not; then only out->header.type and from may be of use, for a message to people. Time is linear
 * in size, memory constant. */
enum dgraft_refusal dgraft_frame_decode(const uint8_t *bytes, size_t size, struct dgraft_entry *entries,
                                        size_t entries_max, struct dgraft_frame *out);

/* Who a receiver is. */
struct dgraft_frame_expect {
    uint64_t cluster;
    uint32_t group;
    dgraft_node_id self;
    dgraft_node_set members; /* a peer's frame must come from one of them */
};

/* Checks that a decoded frame concerns this receiver: CLUSTER, GROUP, SENDER or RECEIVER when not. A client says self
 * 0, and cluster 0 while it does not know it. Where a type may not come at all is the caller's business. */
enum dgraft_refusal dgraft_frame_check(const struct dgraft_frame *frame, const struct dgraft_frame_expect *expect);

/* Returns the name of a frame's type as "APPEND_ACK"; NULL when it is none. */
const char *dgraft_frame_type_name(uint16_t type);

/* Prints a decoded frame as one line of text, from the table of messages. Returns as snprintf does. */
int dgraft_frame_print(const struct dgraft_frame *frame, char *text, size_t text_bytes);

#ifdef __cplusplus
}
#endif
#endif
