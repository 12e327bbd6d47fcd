/* The checksum of frames and fragments: XXH3-64 over everything from byte 16 on, seeded with bytes 0 to 7 (magic and
 * length), so that no bit of a header but the checksum's own is left out. Private to wire. */
#ifndef DGRAFT_DIGEST_H
#define DGRAFT_DIGEST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define DGRAFT_DIGEST_FROM 16u

/* Of `size` contiguous bytes, at least DGRAFT_DIGEST_FROM. */
uint64_t dgraft_digest(const uint8_t *bytes, size_t size);

/* Of a head, at least DGRAFT_DIGEST_FROM, followed by pieces. */
uint64_t dgraft_digest_pieces(const uint8_t *head, size_t head_bytes, const struct iovec *pieces, size_t count);

/* The same two by one way: with what every processor has, and with AVX2, which the processor must have where the build
 * knows it. The above choose. */
uint64_t dgraft_digest_plain(const uint8_t *bytes, size_t size);
uint64_t dgraft_digest_pieces_plain(const uint8_t *head, size_t head_bytes, const struct iovec *pieces, size_t count);
uint64_t dgraft_digest_avx2(const uint8_t *bytes, size_t size);
uint64_t dgraft_digest_pieces_avx2(const uint8_t *head, size_t head_bytes, const struct iovec *pieces, size_t count);

#endif
