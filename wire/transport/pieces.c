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

void dgraft_pieces_copy(struct dgraft_pieces *pieces, uint8_t *out, size_t bytes)
{
    while (bytes > 0) {
        assert(pieces->count > 0);
        size_t left = pieces->items->iov_len - pieces->offset;
        size_t part = left < bytes ? left : bytes;
        if (part > 0) {
            memcpy(out, (const uint8_t *)pieces->items->iov_base + pieces->offset, part);
        }
        out += part;
        bytes -= part;
        pieces->offset += part;
        if (pieces->offset == pieces->items->iov_len) {
            pieces->items++;
            pieces->count--;
            pieces->offset = 0;
        }
    }
}
