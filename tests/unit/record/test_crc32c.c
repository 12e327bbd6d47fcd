/* CRC32C against the slowest way to compute it, and the values that everyone's agree on. */
#include <dgraft/record.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Bit by bit, from the polynomial alone. */
static uint32_t bit_by_bit(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        sum ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            sum = (sum & 1u) != 0 ? (sum >> 1) ^ 0x82f63b78u : sum >> 1;
        }
    }
    return ~sum;
}

static void fill(uint8_t *bytes, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        bytes[i] = (uint8_t)(seed >> 33);
    }
}

Test(crc32c, gives_the_published_values)
{
    /* RFC 3720 B.4, and the check value of the catalogue of CRCs. */
    uint8_t bytes[32];
    cr_assert_eq(dgraft_crc32c(0, "123456789", 9), 0xe3069283u);
    memset(bytes, 0, sizeof bytes);
    cr_assert_eq(dgraft_crc32c(0, bytes, sizeof bytes), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    cr_assert_eq(dgraft_crc32c(0, bytes, sizeof bytes), 0x62a8ab43u);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)i;
    }
    cr_assert_eq(dgraft_crc32c(0, bytes, sizeof bytes), 0x46dd794eu);
    cr_assert_eq(dgraft_crc32c(0, bytes, 0), 0u);
    cr_assert_eq(dgraft_crc32c(0x12345678u, bytes, 0), 0x12345678u);
}

/* Both ways of computing it, and the border between them, at every alignment. */
Test(crc32c, equals_the_slow_sum_at_every_length_and_alignment)
{
    static uint8_t bytes[1200];
    fill(bytes, sizeof bytes, 1);
    for (size_t shift = 0; shift < 8; shift++) {
        for (size_t size = 0; size + shift <= 600; size++) {
            cr_assert_eq(dgraft_crc32c(0, bytes + shift, size), bit_by_bit(bytes + shift, size), "%zu bytes at %zu",
                         size, shift);
        }
    }
    cr_assert_eq(dgraft_crc32c(0, bytes, sizeof bytes), bit_by_bit(bytes, sizeof bytes));
}

Test(crc32c, goes_on_where_it_was_left)
{
    static uint8_t bytes[700];
    fill(bytes, sizeof bytes, 2);
    const uint32_t whole = bit_by_bit(bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        const uint32_t first = dgraft_crc32c(0, bytes, cut);
        cr_assert_eq(dgraft_crc32c(first, bytes + cut, sizeof bytes - cut), whole, "cut at %zu", cut);
    }
}
