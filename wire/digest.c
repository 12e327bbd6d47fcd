#include "digest.h"

#include <dgraft/record.h>

#define XXH_STATIC_LINKING_ONLY /* for a state on the stack */
#include <xxhash.h>

uint64_t dgraft_digest(const uint8_t *bytes, size_t size)
{
    return XXH3_64bits_withSeed(bytes + DGRAFT_DIGEST_FROM, size - DGRAFT_DIGEST_FROM, dgraft_get_u64(bytes));
}

uint64_t dgraft_digest_pieces(const uint8_t *head, size_t head_bytes, const struct iovec *pieces, size_t count)
{
    if (count == 0) {
        return dgraft_digest(head, head_bytes);
    }
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
