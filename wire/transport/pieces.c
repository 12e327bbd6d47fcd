#include "pieces.h"

#include <assert.h>
#include <string.h>

size_t dgraft_pieces_bytes(const struct iovec *items, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (items[i].iov_len > SIZE_MAX - total) {
            return SIZE_MAX;
        }
        total += items[i].iov_len;
    }
    return total;
}

struct iovec dgraft_pieces_next(struct dgraft_pieces *pieces, size_t bytes)
{
    while (pieces->count > 0 && pieces->offset == pieces->items->iov_len) {
        pieces->items++;
        pieces->count--;
        pieces->offset = 0;
    }
    assert(bytes > 0 && pieces->count > 0);
    const size_t left = pieces->items->iov_len - pieces->offset;
    const struct iovec view = {.iov_base = (uint8_t *)pieces->items->iov_base + pieces->offset,
                               .iov_len = left < bytes ? left : bytes};
    pieces->offset += view.iov_len;
    return view;
}

void dgraft_pieces_copy(struct dgraft_pieces *pieces, uint8_t *out, size_t bytes)
{
    while (bytes > 0) {
        const struct iovec view = dgraft_pieces_next(pieces, bytes);
        memcpy(out, view.iov_base, view.iov_len);
        out += view.iov_len;
        bytes -= view.iov_len;
    }
}
