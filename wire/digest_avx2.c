/* The sums with vectors of 32 bytes: this file alone is compiled for AVX2, and called only where the processor has it.
 * It includes nothing whose inline functions another file might end up with. */
#define XXH_INLINE_ALL
#include "digest_sum.h"

uint64_t dgraft_digest_avx2(const uint8_t *bytes, size_t size)
{
    return sum_one(bytes, size);
}

uint64_t dgraft_digest_pieces_avx2(const uint8_t *head, size_t head_bytes, const struct iovec *pieces, size_t count)
{
    return sum_pieces(head, head_bytes, pieces, count);
}
