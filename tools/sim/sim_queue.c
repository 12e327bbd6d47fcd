#include "sim_queue.h"

#include <stdlib.h>

static bool before(const struct sim_planned *a, const struct sim_planned *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

bool sim_queue_push(struct sim_queue *queue, const struct sim_planned *planned)
{
    if (queue->count == queue->capacity) {
        const size_t capacity = queue->capacity == 0 ? 256 : queue->capacity * 2;
        struct sim_planned *items = realloc(queue->items, capacity * sizeof *items);
        if (items == NULL) {
            return false;
        }
        queue->items = items;
        queue->capacity = capacity;
    }
    struct sim_planned item = *planned;
    item.order = queue->order++;
    size_t at = queue->count++;
    while (at > 0 && before(&item, &queue->items[(at - 1) / 2])) {
        queue->items[at] = queue->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    queue->items[at] = item;
    return true;
}

bool sim_queue_pop(struct sim_queue *queue, struct sim_planned *out)
{
    if (queue->count == 0) {
        return false;
    }
    *out = queue->items[0];
    const struct sim_planned last = queue->items[--queue->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= queue->count) {
            break;
        }
        if (child + 1 < queue->count && before(&queue->items[child + 1], &queue->items[child])) {
            child++;
        }
        if (!before(&queue->items[child], &last)) {
            break;
        }
        queue->items[at] = queue->items[child];
        at = child;
    }
    if (queue->count > 0) {
        queue->items[at] = last;
    }
    return true;
}

void sim_queue_close(struct sim_queue *queue)
{
    free(queue->items);
    *queue = (struct sim_queue){0};
}
