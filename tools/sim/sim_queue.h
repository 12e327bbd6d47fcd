/* What will happen, ordered by virtual time; what happens at one time keeps the order in which it was planned. */
#ifndef SIM_QUEUE_H
#define SIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_planned {
    uint64_t at_ns;
    uint64_t order;
    uint32_t kind; /* the owner's */
    uint32_t node;
    uint64_t number; /* the owner's: what makes an outdated plan recognisable */
    void *data;
};

struct sim_queue {
    struct sim_planned *items; /* a heap */
    size_t count;
    size_t capacity;
    uint64_t order;
};

/* Plans something. Returns false when there is no memory. */
bool sim_queue_push(struct sim_queue *queue, const struct sim_planned *planned);

/* Takes the next one. Returns false when nothing is planned. */
bool sim_queue_pop(struct sim_queue *queue, struct sim_planned *out);

/* Frees the queue itself, not what `data` leads to. */
void sim_queue_close(struct sim_queue *queue);

#endif
