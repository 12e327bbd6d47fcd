#include <dgraft/buffer.h>

#include <stdlib.h>

static void heap_free(struct dgraft_buffer *buffer)
{
    free(buffer);
}

struct dgraft_buffer *dgraft_buffer_new(size_t capacity)
{
    if (capacity > SIZE_MAX - sizeof(struct dgraft_buffer)) {
        return NULL;
    }
    struct dgraft_buffer *buffer = malloc(sizeof *buffer + capacity);
    if (buffer == NULL) {
        return NULL;
    }
    *buffer = (struct dgraft_buffer){
        .bytes = (uint8_t *)(buffer + 1), .capacity = capacity, .references = 1, .free = heap_free};
    return buffer;
}
