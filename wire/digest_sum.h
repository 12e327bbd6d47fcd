/* The sums of digest.h, as whoever includes this compiles them: digest.c with the library's functions, digest_avx2.c
 * with those of its header (XXH_INLINE_ALL) and wider vectors. One text, so that both give the same numbers.
 */
#ifndef DGRAFT_DIGEST_SUM_H
#define DGRAFT_DIGEST_SUM_H

#include "digest.h"

#include <dgraft/record.h>

#define XXH_STATIC_LINKING_ONLY /* for a state on the stack */
#include <xxhash.h>

static inline uint64_t sum_one(const uint8_t *bytes, size_t size)
{
    return XXH3_64bits_withSeed(bytes + DGRAFT_DIGEST_FROM, size - DGRAFT_DIGEST_FROM, dgraft_get_u64(bytes));
}

static inline uint64_t sum_pieces(const uint8_t *head, size_t head_bytes, const struct iovec *pieces, size_t count)
{
    XXH3_state_t state;
    /* A state keeps its secret when it already seems to be of this seed: leftovers on the stack must not. */
    XXH3_INITSTATE(&state);
    (void)XXH3_64bits_reset_withSeed(&state, dgraft_get_u64(head));
    (void)XXH3_64bits_update(&state, head + DGRAFT_DIGEST_FROM, head_bytes - DGRAFT_DIGEST_FROM);
    for (size_t i = 0; i < count; i++) {
        (void)XXH3_64bits_update(&state, pieces[i].iov_base, pieces[i].iov_len);
    }
    return XXH3_64bits_digest(&state);
}

#endif
