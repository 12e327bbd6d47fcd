/* A fragment's datagram as fields; fragment.h has the layout. Private to wire. */
#ifndef DGRAFT_FRAGMENT_FORMAT_H
#define DGRAFT_FRAGMENT_FORMAT_H

#include <dgraft/fragment.h>

/* A sender keeps within so many fragments of the first one that is not acknowledged as its acknowledgement can name:
 * at most these 64-bit words, fewer where datagrams are tiny. */
#define DGRAFT_FRAGMENT_WORDS_MAX 16u
#define DGRAFT_FRAGMENT_COUNT_MAX 65535u
/* Every fragment but the last carries at least this much, so that a message costs little beyond its bytes. */
#define DGRAFT_FRAGMENT_BYTES_MIN 64u
#define DGRAFT_FRAGMENT_BYTES_MAX 65536u

enum dgraft_fragment_kind { DGRAFT_FRAGMENT_PIECE = 1, DGRAFT_FRAGMENT_ACK = 2 };

struct dgraft_fragment {
    uint8_t kind;    /* enum dgraft_fragment_kind */
    uint16_t number; /* of a piece; of an acknowledgement: so many have come without a gap */
    uint32_t message_bytes;
    uint64_t stream;
    uint64_t message;
    uint32_t fragment_bytes;
    uint32_t count;         /* of the message's fragments: follows from the two sizes */
    const uint8_t *payload; /* view: a piece, or the bits */
    size_t payload_bytes;
};

/* Returns how many fragments of fragment_bytes a message takes. */
uint32_t dgraft_fragment_count(uint32_t message_bytes, uint32_t fragment_bytes);

/* Returns how many bytes the fragment of this number carries. */
uint32_t dgraft_fragment_piece_bytes(uint32_t message_bytes, uint32_t fragment_bytes, uint32_t number);

/* Returns whether an acknowledgement names the fragment that comes `bit` after the first one missing. */
static inline bool dgraft_fragment_bit(const struct dgraft_fragment *ack, size_t bit)
{
    return bit < ack->payload_bytes * 8 && ((uint32_t)ack->payload[bit / 8] >> (bit % 8) & 1u) != 0;
}

/* Writes the header of a datagram whose payload already lies behind it, at `at` + DGRAFT_FRAGMENT_HEADER_BYTES. */
void dgraft_fragment_encode(const struct dgraft_fragment *fragment, uint8_t *at);

/* Reads a whole datagram; `out` views it. */
enum dgraft_refusal dgraft_fragment_decode(const uint8_t *bytes, size_t size, size_t message_bytes_max,
                                           struct dgraft_fragment *out);

#endif
