/* The checksum of frames: by every way that it is computed the same, and the one of the specification of XXH3. */
#include "digest.h"

#include <criterion/criterion.h>
#include <dgraft/record.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define LENGTH_MAX 2048u

/* The buffer of xxHash's own sanity checks (xxhsum): byte i is the top byte of PRIME32 * PRIME64^i. */
static void sanity_bytes(uint8_t *bytes, size_t size)
{
    uint64_t generator = UINT64_C(2654435761);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(generator >> 56);
        generator *= UINT64_C(11400714785074694797);
    }
}

/* Lays `size` bytes behind a seed: what the digest covers begins at DGRAFT_DIGEST_FROM. */
static void lay_out(uint8_t *bytes, size_t size, uint64_t seed)
{
    memset(bytes, 0, DGRAFT_DIGEST_FROM);
    dgraft_put_u64(bytes, seed);
    sanity_bytes(bytes + DGRAFT_DIGEST_FROM, size);
}

static bool has_avx2(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") != 0;
#else
    return true; /* stands for the plain way there */
#endif
}

Test(digest, is_the_same_at_every_length_by_every_way)
{
    static uint8_t bytes[DGRAFT_DIGEST_FROM + LENGTH_MAX];
    lay_out(bytes, LENGTH_MAX, UINT64_C(0x0123456789abcdef));
    if (!has_avx2()) {
        fprintf(stderr, "this processor has no AVX2: that way is not tested\n");
    }
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        const size_t size = DGRAFT_DIGEST_FROM + length;
        const uint64_t expected = XXH3_64bits_withSeed(bytes + DGRAFT_DIGEST_FROM, length, dgraft_get_u64(bytes));
        cr_assert_eq(dgraft_digest(bytes, size), expected, "%zu bytes", length);
        cr_assert_eq(dgraft_digest_plain(bytes, size), expected, "%zu bytes, plain", length);
        if (has_avx2()) {
            cr_assert_eq(dgraft_digest_avx2(bytes, size), expected, "%zu bytes, AVX2", length);
        }
    }
}

/* Cut into a head and three pieces at places that move with the length; one piece may be empty. */
Test(digest, is_the_same_in_pieces)
{
    static uint8_t bytes[DGRAFT_DIGEST_FROM + LENGTH_MAX];
    lay_out(bytes, LENGTH_MAX, 7);
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        const uint64_t expected = XXH3_64bits_withSeed(bytes + DGRAFT_DIGEST_FROM, length, 7);
        const size_t head = DGRAFT_DIGEST_FROM + length / 5;
        const size_t first = (length - length / 5) / 3;
        const size_t second = length % 7 == 0 ? 0 : (length - length / 5 - first) / 2;
        const size_t end = DGRAFT_DIGEST_FROM + length;
        const struct iovec pieces[3] = {{bytes + head, first},
                                        {bytes + head + first, second},
                                        {bytes + head + first + second, end - head - first - second}};
        cr_assert_eq(dgraft_digest_pieces(bytes, head, pieces, 3), expected, "%zu bytes", length);
        cr_assert_eq(dgraft_digest_pieces_plain(bytes, head, pieces, 3), expected, "%zu bytes, plain", length);
        if (has_avx2()) {
            cr_assert_eq(dgraft_digest_pieces_avx2(bytes, head, pieces, 3), expected, "%zu bytes, AVX2", length);
        }
        cr_assert_eq(dgraft_digest_pieces(bytes, end, NULL, 0), expected, "%zu bytes, all in the head", length);
    }
}

/* Values of XXH3's own sanity checks (XSUM_XXH3_testdata in xxHash 0.8.1): length, seed, result. */
Test(digest, gives_the_values_that_xxhash_publishes)
{
    static const struct {
        size_t length;
        uint64_t seed;
        uint64_t result;
    } cases[] = {
        {0, 0, UINT64_C(0x2d06800538d394c2)},
        {0, UINT64_C(0x9e3779b185ebca8d), UINT64_C(0xa8a6b918b2f0364a)},
        {1, 0, UINT64_C(0xc44bdff4074eecdb)},
        {1, UINT64_C(0x9e3779b185ebca8d), UINT64_C(0x032be332dd766ef8)},
        {6, 0, UINT64_C(0x27b56a84cd2d7325)},
        {12, 0, UINT64_C(0xa713daf0dfbb77e7)},
        {24, 0, UINT64_C(0xa3fe70bf9d3510eb)},
        {48, 0, UINT64_C(0x397da259ecba1f11)},
        {80, 0, UINT64_C(0xbcdefbbb2c47c90a)},
        {195, 0, UINT64_C(0xcd94217ee362ec3a)},
        {403, 0, UINT64_C(0xcdeb804d65c6dea4)},
        {24, UINT64_C(0x9e3779b185ebca8d), UINT64_C(0x850e80fc35bdd690)},
        {195, UINT64_C(0x9e3779b185ebca8d), UINT64_C(0xba68003d370cb3d9)},
        {403, UINT64_C(0x9e3779b185ebca8d), UINT64_C(0x6259f6ecfd6443fd)},
        {512, 0, UINT64_C(0x617e49599013cb6b)},
        {512, UINT64_C(0x9e3779b185ebca8d), UINT64_C(0x3ce457de14c27708)},
        {2048, 0, UINT64_C(0xdd59e2c3a5f038e0)},
        {2240, 0, UINT64_C(0x6e73a90539cf2948)},
        {2367, 0, UINT64_C(0xcb37aeb9e5d361ed)},
    };
    static uint8_t bytes[DGRAFT_DIGEST_FROM + 2400];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lay_out(bytes, cases[i].length, cases[i].seed);
        const size_t size = DGRAFT_DIGEST_FROM + cases[i].length;
        cr_assert_eq(dgraft_digest(bytes, size), cases[i].result, "%zu bytes", cases[i].length);
        cr_assert_eq(dgraft_digest_plain(bytes, size), cases[i].result, "%zu bytes, plain", cases[i].length);
    }
}
