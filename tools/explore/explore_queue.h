/* What is under way, in order: messages, and WRITEs on their way to a disk. The oldest comes next, unless it is late:
 * then it may come at any time, or never. With few things late, runs are long and still all of them are made.
 */
#ifndef EXPLORE_QUEUE_H
#define EXPLORE_QUEUE_H

#include "explore.h"

/* An item is a message's number, or a node whose oldest WRITE is done. */
static inline uint32_t explore_queue_message(uint32_t message)
{
    return message << 1;
}

static inline uint32_t explore_queue_write(uint32_t node)
{
    return node << 1 | 1;
}

static inline bool explore_queue_is_write(uint32_t item)
{
    return (item & 1) != 0;
}

static inline uint32_t explore_queue_number(uint32_t item)
{
    return item >> 1;
}

static inline uint32_t explore_queue_node(uint32_t item)
{
    return item >> 1;
}

/* Puts an item behind all others; false when there are too many. */
bool explore_queue_push(struct explore_state *state, uint32_t item);

/* Takes the oldest item off. */
uint32_t explore_queue_pop(struct explore_state *state);

/* A node crashes: its WRITEs are no longer under way. */
void explore_queue_crash(struct explore_state *state, uint32_t node);

#endif
