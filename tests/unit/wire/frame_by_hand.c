#include "frame_by_hand.h"

#include <criterion/criterion.h>
#include <string.h>
#include <xxhash.h>

void by_hand_u8(struct by_hand *hand, uint8_t value)
{
    cr_assert(hand->size < sizeof hand->bytes);
    hand->bytes[hand->size++] = value;
}

void by_hand_u16(struct by_hand *hand, uint16_t value)
{
    by_hand_u8(hand, (uint8_t)(value % 256));
    by_hand_u8(hand, (uint8_t)(value / 256));
}

void by_hand_u32(struct by_hand *hand, uint32_t value)
{
    by_hand_u16(hand, (uint16_t)(value % 65536));
    by_hand_u16(hand, (uint16_t)(value / 65536));
}

void by_hand_u64(struct by_hand *hand, uint64_t value)
{
    by_hand_u32(hand, (uint32_t)(value % 4294967296u));
    by_hand_u32(hand, (uint32_t)(value / 4294967296u));
}

void by_hand_bytes(struct by_hand *hand, const void *bytes, size_t size)
{
    cr_assert(size <= sizeof hand->bytes - hand->size);
    memcpy(hand->bytes + hand->size, bytes, size);
    hand->size += size;
}

static void header(struct by_hand *hand, uint16_t type, uint32_t from, uint32_t generation, uint64_t to, uint64_t store,
                   uint64_t term)
{
    by_hand_bytes(hand, "dgrf", 4);
    by_hand_u32(hand, 0); /* length */
    by_hand_u64(hand, 0); /* checksum */
    by_hand_u8(hand, 1);  /* version */
    by_hand_u8(hand, 0);  /* flags */
    by_hand_u16(hand, type);
    by_hand_u32(hand, from);
    by_hand_u64(hand, UINT64_C(0x1122334455667788));
    by_hand_u32(hand, 0); /* group */
    by_hand_u32(hand, generation);
    by_hand_u64(hand, to);
    by_hand_u64(hand, store);
    by_hand_u64(hand, term);
}

void by_hand_header(struct by_hand *hand, uint16_t type)
{
    header(hand, type, 3, 5, 3, 0xabcdef, 9);
}

void by_hand_request_header(struct by_hand *hand)
{
    header(hand, 32, 0, 0, 0, 0, 0);
}

/* CRC32C bit by bit. */
static uint32_t sum(const uint8_t *bytes, size_t size)
{
    uint32_t state = 0xffffffffu;
    for (size_t i = 0; i < size * 8; i++) {
        const uint32_t in = (uint32_t)bytes[i / 8] >> (i % 8) & 1u;
        state = ((state ^ in) & 1u) != 0 ? (state >> 1) ^ 0x82f63b78u : state >> 1;
    }
    return ~state;
}

void by_hand_record(struct by_hand *hand, uint64_t index, uint64_t term, const char *payload)
{
    const size_t begin = hand->size;
    const size_t size = strlen(payload);
    by_hand_u32(hand, (uint32_t)size);
    by_hand_u8(hand, 1); /* COMMAND */
    by_hand_u8(hand, 0);
    by_hand_u16(hand, 77);
    by_hand_u64(hand, index);
    by_hand_u64(hand, term);
    by_hand_u64(hand, 0);
    by_hand_u32(hand, sum((const uint8_t *)payload, size));
    by_hand_u32(hand, sum(hand->bytes + begin, 36));
    by_hand_bytes(hand, payload, size);
    while (hand->size % 8 != 0) {
        by_hand_u8(hand, 0);
    }
}

void by_hand_seal(struct by_hand *hand)
{
    struct by_hand number = {.size = 0};
    uint64_t seed = 0;
    by_hand_u32(&number, (uint32_t)hand->size);
    memcpy(hand->bytes + 4, number.bytes, 4);
    for (int i = 7; i >= 0; i--) {
        seed = seed * 256 + hand->bytes[i];
    }
    number.size = 0;
    by_hand_u64(&number, XXH3_64bits_withSeed(hand->bytes + 16, hand->size - 16, seed));
    memcpy(hand->bytes + 8, number.bytes, 8);
}
