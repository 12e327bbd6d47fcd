#include "explore.h"

#include "explore_history.h"

#include <string.h>

#define NIBBLE_MAX 15u

void explore_options_defaults(struct explore_options *options)
{
    *options = (struct explore_options){.nodes = 3, .memory_bytes_max = UINT64_C(4) << 30};
    options->budgets[EXPLORE_BUDGET_COMMANDS] = 2;
    options->budgets[EXPLORE_BUDGET_TIMEOUTS] = 2;
    options->budgets[EXPLORE_BUDGET_TICKS] = 1;
    options->budgets[EXPLORE_BUDGET_LOSSES] = 1;
    options->budgets[EXPLORE_BUDGET_DUPLICATES] = 1;
    options->budgets[EXPLORE_BUDGET_CRASHES] = 1;
}

const char *explore_options_check(const struct explore_options *options)
{
    if (options->nodes < 1 || options->nodes > EXPLORE_NODES_MAX) {
        return "there are 1 to 5 nodes";
    }
    if (options->budgets[EXPLORE_BUDGET_READS] > EXPLORE_READS_MAX) {
        return "there are at most 2 reads";
    }
    if (options->budgets[EXPLORE_BUDGET_COMMANDS] > 8 || options->budgets[EXPLORE_BUDGET_TIMEOUTS] > 8) {
        return "there are at most 8 commands and 8 timeouts";
    }
    for (uint32_t i = 0; i < EXPLORE_BUDGET_TOTAL; i++) {
        if (options->budgets[i] > NIBBLE_MAX) {
            return "no bound is above 15";
        }
    }
    return NULL;
}

/* Lists all orders of the nodes, the given one first: the next one by exchanging names in the usual manner. */
static bool order_next(uint8_t *names, uint32_t count)
{
    uint32_t at = count;
    uint32_t other = count;
    while (at > 1 && names[at - 1] > names[at]) {
        at--;
    }
    if (at <= 1) {
        return false;
    }
    while (names[other] < names[at - 1]) {
        other--;
    }
    const uint8_t name = names[at - 1];
    names[at - 1] = names[other];
    names[other] = name;
    for (other = count; at < other; at++, other--) {
        const uint8_t held = names[at];
        names[at] = names[other];
        names[other] = held;
    }
    return true;
}

void explore_orders(struct explore *explore)
{
    uint8_t names[EXPLORE_NODES_MAX + 1];
    explore->order_count = 0;
    for (uint32_t i = 0; i <= EXPLORE_NODES_MAX; i++) {
        names[i] = (uint8_t)i;
    }
    do {
        memcpy(explore->orders[explore->order_count++].names, names, sizeof names);
    } while (!explore->options.names_matter && order_next(names, explore->options.nodes));
}

void explore_open(struct explore *explore, const struct explore_options *options)
{
    memset(explore, 0, sizeof *explore);
    explore->options = *options;
    explore_nodes_open(&explore->nodes, &explore->memory, options->nodes);
    explore->nodes.bare = options->bare;
    explore_pool_open(&explore->histories, &explore->memory);
    explore_visited_open(&explore->visited, &explore->memory);
    explore_orders(explore);
}

void explore_close(struct explore *explore)
{
    for (uint32_t i = 0; i < explore->order_count; i++) {
        struct explore_order *order = &explore->orders[i];
        explore_memory_free(&explore->memory, order->nodes, order->capacities[0], sizeof *order->nodes);
        explore_memory_free(&explore->memory, order->messages, order->capacities[1], sizeof *order->messages);
        explore_memory_free(&explore->memory, order->histories, order->capacities[2], sizeof *order->histories);
    }
    explore_visited_close(&explore->visited);
    explore_pool_close(&explore->histories);
    explore_nodes_close(&explore->nodes);
}
