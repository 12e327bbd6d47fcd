/* The bytes on disk, worked out by hand from docs/log-format.md; every single bit of them counts. */
#include "disk_format.h"

#include <criterion/criterion.h>
#include <string.h>
#include <xxhash.h>

static const struct dgraft_place place = {0x0102030405060708, 7, 4096};

static const struct dgraft_batch batch = {.offset = 4096,
                                          .length = 128,
                                          .number = 42,
                                          .previous = 0xAABBCCDD,
                                          .keep = 9,
                                          .first = 10,
                                          .count = 0,
                                          .floor = {9, 3},
                                          .commit = 8,
                                          .membership = 1,
                                          .wall_clock_ns = 1700000000000000000,
                                          .saves = 6,
                                          .term = 4};

/* The checksum was computed by a few lines of another language over {store, sequence, offset} and bytes 8 to 127. */
static const uint8_t batch_bytes[DGRAFT_BATCH_HEADER_BYTES] = {
    'd',  'g',  'b',  't',  0x74, 0xA2, 0x42, 0x21, 128, 0, 0, 0, 0, 0, 0, 0, /* length */
    42,   0,    0,    0,    0,    0,    0,    0,                              /* number */
    0xDD, 0xCC, 0xBB, 0xAA, 0,    0,    0,    0,                              /* previous, records */
    9,    0,    0,    0,    0,    0,    0,    0,    10,  0, 0, 0, 0, 0, 0, 0, /* keep, first */
    0,    0,    0,    0,    0,    0,    0,    0,                              /* count, 0 */
    9,    0,    0,    0,    0,    0,    0,    0,    3,   0, 0, 0, 0, 0, 0, 0, /* floor */
    8,    0,    0,    0,    0,    0,    0,    0,    1,   0, 0, 0, 0, 0, 0, 0, /* commit, membership */
    0x00, 0x00, 0x2A, 0x36, 0xFE, 0x9C, 0x97, 0x17,                           /* wall clock */
    6,    0,    0,    0,    0,    0,    0,    0,    4,   0, 0, 0, 0, 0, 0, 0, /* saves, term */
};

Test(disk_format, a_batch_header_has_these_bytes)
{
    struct dgraft_batch given = batch;
    uint8_t bytes[DGRAFT_BATCH_HEADER_BYTES];
    dgraft_batch_encode(&given, &place, bytes);
    cr_assert_eq(given.checksum, 0x2142A274);
    cr_assert_arr_eq(bytes, batch_bytes, sizeof bytes);
    struct dgraft_batch read;
    cr_assert_eq(dgraft_batch_decode(batch_bytes, &place, &read), DGRAFT_ACCEPT);
    cr_assert_eq(read.number, 42);
    cr_assert_eq(read.previous, 0xAABBCCDD);
    cr_assert_eq(read.floor.term, 3);
    cr_assert_eq(read.wall_clock_ns, 1700000000000000000);
    cr_assert_eq(read.saves, 6);
    cr_assert_eq(read.term, 4);
}

Test(disk_format, any_bit_of_a_batch_header_counts)
{
    struct dgraft_batch read;
    for (size_t bit = 0; bit < 8 * sizeof batch_bytes; bit++) {
        uint8_t bytes[DGRAFT_BATCH_HEADER_BYTES];
        memcpy(bytes, batch_bytes, sizeof bytes);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_neq(dgraft_batch_decode(bytes, &place, &read), DGRAFT_ACCEPT, "bit %zu", bit);
    }
}

Test(disk_format, a_batch_is_none_at_another_place)
{
    struct dgraft_batch read;
    struct dgraft_place other = place;
    other.store++;
    cr_assert_eq(dgraft_batch_decode(batch_bytes, &other, &read), DGRAFT_REFUSAL_CHECKSUM);
    other = place;
    other.sequence++;
    cr_assert_eq(dgraft_batch_decode(batch_bytes, &other, &read), DGRAFT_REFUSAL_CHECKSUM);
    other = place;
    other.offset += 8;
    cr_assert_eq(dgraft_batch_decode(batch_bytes, &other, &read), DGRAFT_REFUSAL_CHECKSUM);
}

static const struct dgraft_identity identity = {
    .cluster = 0x1112131415161718, .store = 0x2122232425262728, .node = 5, .group = 9, .cluster_name = "berlin"};

/* Little-endian by hand. */
static void put(uint8_t *at, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static void expect_slot(uint8_t bytes[DGRAFT_BLOCK_BYTES])
{
    memset(bytes, 0, DGRAFT_BLOCK_BYTES);
    memcpy(bytes, "dgst", 4);
    put(bytes + 4, 1, 2);
    put(bytes + 16, 7, 8);
    put(bytes + 24, 12, 8);
    put(bytes + 32, 3, 4);
    put(bytes + 36, 2, 4);
    put(bytes + 40, 0x1112131415161718, 8);
    put(bytes + 48, 0x2122232425262728, 8);
    put(bytes + 56, 5, 4);
    put(bytes + 60, 9, 4);
    memcpy(bytes + 64, "berlin", 6);
    put(bytes + 8, XXH3_64bits(bytes, DGRAFT_BLOCK_BYTES), 8);
}

static void expect_segment(uint8_t bytes[DGRAFT_BLOCK_BYTES])
{
    memset(bytes, 0, DGRAFT_BLOCK_BYTES);
    memcpy(bytes, "dglg", 4);
    put(bytes + 4, 1, 2);
    put(bytes + 16, 3, 8);
    put(bytes + 24, 100, 8);
    put(bytes + 32, 98, 8);
    put(bytes + 40, 555, 8);
    put(bytes + 48, 0xCAFEBABE, 4);
    put(bytes + 56, 0x1112131415161718, 8);
    put(bytes + 64, 0x2122232425262728, 8);
    put(bytes + 72, 5, 4);
    put(bytes + 76, 9, 4);
    memcpy(bytes + 80, "berlin", 6);
    put(bytes + 144, 0x800000, 8);
    put(bytes + 8, XXH3_64bits(bytes, DGRAFT_BLOCK_BYTES), 8);
}

Test(disk_format, a_slot_has_these_bytes)
{
    const struct dgraft_state_slot slot = {.version = 7, .term = 12, .vote = 3, .generation = 2, .identity = identity};
    uint8_t bytes[DGRAFT_BLOCK_BYTES];
    uint8_t expected[DGRAFT_BLOCK_BYTES];
    struct dgraft_state_slot read;
    expect_slot(expected);
    dgraft_slot_encode(&slot, bytes);
    cr_assert_arr_eq(bytes, expected, sizeof bytes);
    dgraft_slot_decode(expected, sizeof expected, 1, &read);
    cr_assert_eq(read.refusal, DGRAFT_ACCEPT);
    cr_assert_eq(read.offset, 4096);
    cr_assert_eq(read.version, 7);
    cr_assert_eq(read.term, 12);
    cr_assert_eq(read.vote, 3);
    cr_assert_eq(read.generation, 2);
    cr_assert(dgraft_identity_equal(&read.identity, &identity));
    dgraft_slot_decode(expected, sizeof expected, 2, &read);
    cr_assert_eq(read.refusal, DGRAFT_REFUSAL_FIELD, "an odd save belongs into the first pair");
}

Test(disk_format, any_bit_of_a_slot_counts)
{
    uint8_t bytes[DGRAFT_BLOCK_BYTES];
    struct dgraft_state_slot read;
    expect_slot(bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        dgraft_slot_decode(bytes, sizeof bytes, 0, &read);
        cr_assert(read.refusal == DGRAFT_REFUSAL_CHECKSUM || read.refusal == DGRAFT_REFUSAL_MAGIC, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

Test(disk_format, a_slot_cut_short_is_refused)
{
    uint8_t bytes[DGRAFT_BLOCK_BYTES];
    struct dgraft_state_slot read;
    expect_slot(bytes);
    for (size_t size = 0; size < sizeof bytes; size++) {
        dgraft_slot_decode(bytes, size, 0, &read);
        cr_assert_neq(read.refusal, DGRAFT_ACCEPT);
    }
}

Test(disk_format, a_segment_header_has_these_bytes)
{
    const struct dgraft_segment_header header = {.identity = identity,
                                                 .sequence = 3,
                                                 .first_batch = 100,
                                                 .follows = 98,
                                                 .chain = 0xCAFEBABE,
                                                 .first = 555,
                                                 .made_bytes = 0x800000};
    uint8_t bytes[DGRAFT_BLOCK_BYTES];
    uint8_t expected[DGRAFT_BLOCK_BYTES];
    struct dgraft_segment_header read;
    expect_segment(expected);
    dgraft_segment_encode(&header, bytes);
    cr_assert_arr_eq(bytes, expected, sizeof bytes);
    dgraft_segment_decode(expected, sizeof expected, &read);
    cr_assert_eq(read.refusal, DGRAFT_ACCEPT);
    cr_assert_eq(read.sequence, 3);
    cr_assert_eq(read.first_batch, 100);
    cr_assert_eq(read.follows, 98);
    cr_assert_eq(read.chain, 0xCAFEBABE);
    cr_assert_eq(read.first, 555);
    cr_assert_eq(read.made_bytes, 0x800000);
}

Test(disk_format, any_bit_of_a_segment_header_counts)
{
    uint8_t bytes[DGRAFT_BLOCK_BYTES];
    struct dgraft_segment_header read;
    expect_segment(bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        dgraft_segment_decode(bytes, sizeof bytes, &read);
        cr_assert(read.refusal == DGRAFT_REFUSAL_CHECKSUM || read.refusal == DGRAFT_REFUSAL_MAGIC, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

Test(disk_format, a_newer_version_is_told_from_damage)
{
    uint8_t bytes[DGRAFT_BLOCK_BYTES];
    struct dgraft_segment_header header;
    struct dgraft_state_slot slot;
    expect_segment(bytes);
    put(bytes + 4, 2, 2);
    put(bytes + 8, 0, 8);
    put(bytes + 8, XXH3_64bits(bytes, sizeof bytes), 8);
    dgraft_segment_decode(bytes, sizeof bytes, &header);
    cr_assert_eq(header.refusal, DGRAFT_REFUSAL_VERSION);
    expect_slot(bytes);
    put(bytes + 4, 2, 2);
    put(bytes + 8, 0, 8);
    put(bytes + 8, XXH3_64bits(bytes, sizeof bytes), 8);
    dgraft_slot_decode(bytes, sizeof bytes, 0, &slot);
    cr_assert_eq(slot.refusal, DGRAFT_REFUSAL_VERSION);
}

Test(disk_format, names_of_segments_are_decimal_and_of_one_length)
{
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    dgraft_segment_name(42, name);
    cr_assert_str_eq(name, "log-0000000000000042");
    cr_assert_eq(dgraft_segment_sequence(name), 42);
    static const char *const others[] = {
        "log-42", "log-000000000000004a", "log-00000000000000042", "lob-0000000000000042",
        "log-",   "log-0000000000000000", "snapshot-1-1",          ""};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        cr_assert_eq(dgraft_segment_sequence(others[i]), 0, "%s", others[i]);
    }
}
