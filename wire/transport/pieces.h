/* Walks a message that lies in pieces, for carriers that cut it into datagrams. */
#ifndef DGRAFT_PIECES_H
#define DGRAFT_PIECES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct dgraft_pieces {
    const struct iovec *items; /* borrowed */
    size_t count;
    size_t offset; /* into items[0] */
};

/* Returns the bytes of all pieces; SIZE_MAX when they overflow a size_t. */
size_t dgraft_pieces_bytes(const struct iovec *items, size_t count);

/* Views what lies together at the beginning, at most `bytes` (not 0) of it, and moves on. So many must be left. */
struct iovec dgraft_pieces_next(struct dgraft_pieces *pieces, size_t bytes);

/* Copies the next `bytes` to out and moves on. So many must be left. */
void dgraft_pieces_copy(struct dgraft_pieces *pieces, uint8_t *out, size_t bytes);

#endif
