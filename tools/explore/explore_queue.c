#include "explore_queue.h"

#include <assert.h>
#include <string.h>

bool explore_queue_push(struct explore_state *state, uint32_t item)
{
    if (state->queue_count == EXPLORE_MESSAGES_MAX) {
        return false;
    }
    state->queue[state->queue_count++] = item;
    return true;
}

uint32_t explore_queue_pop(struct explore_state *state)
{
    assert(state->queue_count > 0);
    const uint32_t item = state->queue[0];
    state->queue_count--;
    memmove(state->queue, state->queue + 1, state->queue_count * sizeof state->queue[0]);
    return item;
}

void explore_queue_crash(struct explore_state *state, uint32_t node)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < state->queue_count; i++) {
        if (state->queue[i] != explore_queue_write(node)) {
            state->queue[kept++] = state->queue[i];
        }
    }
    state->queue_count = kept;
    state->late_writes[node] = 0;
}
