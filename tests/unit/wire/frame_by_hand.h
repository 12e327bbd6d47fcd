/* Frames written number by number from the tables in frame.h and docs/wire-format.md, without the code under test. */
#ifndef FRAME_BY_HAND_H
#define FRAME_BY_HAND_H

#include <stddef.h>
#include <stdint.h>

struct by_hand {
    uint8_t bytes[4096];
    size_t size;
};

void by_hand_u8(struct by_hand *hand, uint8_t value);
void by_hand_u16(struct by_hand *hand, uint16_t value);
void by_hand_u32(struct by_hand *hand, uint32_t value);
void by_hand_u64(struct by_hand *hand, uint64_t value);
void by_hand_bytes(struct by_hand *hand, const void *bytes, size_t size);

/* Header of a frame: from node 3, cluster 0x1122334455667788, group 0, generation 5, to nodes 1 and 2, store 0xabcdef,
 * term 9; length and checksum come with by_hand_seal. */
void by_hand_header(struct by_hand *hand, uint16_t type);

/* A client's request carries zeros where it says nothing. */
void by_hand_request_header(struct by_hand *hand);

/* A record and its padding. */
void by_hand_record(struct by_hand *hand, uint64_t index, uint64_t term, const char *payload);

/* Writes length and checksum over what is there now. */
void by_hand_seal(struct by_hand *hand);

#endif
