/* States: packed, unpacked, and brought into canonical form.
 *
 * A packed state is the numbers of its nodes and its history, what is spent of the bounds, and the messages in flight,
 * ascending, each as the difference from the one before; some 30 bytes.
 */
#include "explore.h"
#include "explore_history.h"
#include "explore_queue.h"

#include <assert.h>
#include <string.h>

#define NUMBERS_FIRST 1024u

void explore_state_first(struct explore *explore, struct explore_state *state)
{
    memset(state, 0, sizeof *state);
    for (uint32_t i = 0; i < explore->options.nodes; i++) {
        state->nodes[i] = explore_nodes_first(&explore->nodes, i + 1);
    }
    state->history = explore_history_first(explore);
}

bool explore_state_send(struct explore_state *state, uint32_t message)
{
    uint32_t at = state->message_count;
    if (at == EXPLORE_MESSAGES_MAX) {
        return false;
    }
    for (; at > 0 && state->messages[at - 1] > message; at--) {
        state->messages[at] = state->messages[at - 1];
    }
    state->messages[at] = message;
    state->message_count++;
    return true;
}

void explore_state_take(struct explore_state *state, uint32_t message)
{
    uint32_t at = 0;
    while (state->messages[at] != message) {
        at++;
        assert(at < state->message_count);
    }
    state->message_count--;
    memmove(&state->messages[at], &state->messages[at + 1], (state->message_count - at) * sizeof state->messages[0]);
}

static uint8_t *number_put(uint8_t *at, uint32_t number)
{
    for (; number >= 128; number >>= 7) {
        *at++ = (uint8_t)(number | 128);
    }
    *at++ = (uint8_t)number;
    return at;
}

static const uint8_t *number_get(const uint8_t *at, uint32_t *number)
{
    uint32_t shift = 0;
    *number = 0;
    for (; (*at & 128) != 0; shift += 7) {
        *number |= (uint32_t)(*at++ & 127) << shift;
    }
    *number |= (uint32_t)*at++ << shift;
    return at;
}

static uint32_t pack(const struct explore *explore, const struct explore_state *state, uint8_t *bytes)
{
    uint8_t *at = bytes;
    uint32_t before = 0;
    for (uint32_t i = 0; i < explore->options.nodes; i++) {
        at = number_put(at, state->nodes[i]);
    }
    at = number_put(at, state->history);
    for (uint32_t i = 0; i < EXPLORE_BUDGET_TOTAL; i += 2) {
        *at++ = (uint8_t)(state->spent[i] | (i + 1 < EXPLORE_BUDGET_TOTAL ? state->spent[i + 1] << 4 : 0));
    }
    *at++ = (uint8_t)state->message_count;
    for (uint32_t i = 0; i < state->message_count; i++) {
        at = number_put(at, state->messages[i] - before);
        before = state->messages[i];
    }
    if (explore->options.in_order) {
        memcpy(at, state->late_writes, explore->options.nodes);
        at += explore->options.nodes;
        *at++ = (uint8_t)state->queue_count;
        for (uint32_t i = 0; i < state->queue_count; i++) {
            at = number_put(at, state->queue[i]);
        }
    }
    assert(at - bytes <= EXPLORE_VISITED_BYTES_MAX);
    return (uint32_t)(at - bytes);
}

void explore_state_unpack(const struct explore *explore, const uint8_t *bytes, struct explore_state *state)
{
    uint32_t before = 0;
    memset(state, 0, offsetof(struct explore_state, messages));
    for (uint32_t i = 0; i < explore->options.nodes; i++) {
        bytes = number_get(bytes, &state->nodes[i]);
    }
    bytes = number_get(bytes, &state->history);
    for (uint32_t i = 0; i < EXPLORE_BUDGET_TOTAL; i++) {
        state->spent[i] = i % 2 == 0 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4;
    }
    bytes += (EXPLORE_BUDGET_TOTAL + 1) / 2;
    state->message_count = *bytes++;
    for (uint32_t i = 0; i < state->message_count; i++) {
        bytes = number_get(bytes, &state->messages[i]);
        state->messages[i] += before;
        before = state->messages[i];
    }
    state->queue_count = 0;
    if (explore->options.in_order) {
        memcpy(state->late_writes, bytes, explore->options.nodes);
        bytes += explore->options.nodes;
        state->queue_count = *bytes++;
        for (uint32_t i = 0; i < state->queue_count; i++) {
            bytes = number_get(bytes, &state->queue[i]);
        }
    }
}

/* Returns where an order keeps what it makes of a number. */
static uint32_t *known(struct explore *explore, uint32_t **table, uint64_t *capacity, uint32_t number)
{
    if (number >= *capacity) {
        uint64_t wanted = *capacity == 0 ? NUMBERS_FIRST : 2 * *capacity;
        while (wanted <= number) {
            wanted *= 2;
        }
        *table = explore_memory_grow(&explore->memory, *table, *capacity, wanted, sizeof **table);
        *capacity = wanted;
    }
    return &(*table)[number];
}

static uint32_t rename_node(struct explore *explore, struct explore_order *order, uint32_t number)
{
    uint32_t *slot = known(explore, &order->nodes, &order->capacities[0], number);
    if (*slot == 0) {
        *slot = 1 + explore_nodes_rename(&explore->nodes, number, order->names);
    }
    return *slot - 1;
}

static uint32_t rename_message(struct explore *explore, struct explore_order *order, uint32_t number)
{
    uint32_t *slot = known(explore, &order->messages, &order->capacities[1], number);
    if (*slot == 0) {
        *slot = 1 + explore_nodes_rename_message(&explore->nodes, number, order->names);
    }
    return *slot - 1;
}

static uint32_t rename_history(struct explore *explore, struct explore_order *order, uint32_t number)
{
    uint32_t *slot = known(explore, &order->histories, &order->capacities[2], number);
    if (*slot == 0) {
        *slot = 1 + explore_history_rename(explore, number, order->names);
    }
    return *slot - 1;
}

/* Packs the state as it looks with an order's names; its nodes are given. */
static uint32_t pack_renamed(struct explore *explore, const struct explore_state *state, uint32_t order_number,
                             const uint32_t *nodes, uint8_t *bytes)
{
    struct explore_order *order = &explore->orders[order_number];
    struct explore_state renamed;
    if (order_number == 0) {
        return pack(explore, state, bytes);
    }
    memcpy(renamed.nodes, nodes, sizeof renamed.nodes);
    memcpy(renamed.spent, state->spent, sizeof renamed.spent);
    renamed.history = rename_history(explore, order, state->history);
    renamed.message_count = 0;
    for (uint32_t i = 0; i < state->message_count; i++) {
        const bool room = explore_state_send(&renamed, rename_message(explore, order, state->messages[i]));
        assert(room);
        (void)room;
    }
    for (uint32_t i = 0; i < explore->options.nodes; i++) {
        renamed.late_writes[order->names[i + 1] - 1] = state->late_writes[i];
    }
    renamed.queue_count = state->queue_count;
    for (uint32_t i = 0; i < state->queue_count; i++) {
        const uint32_t item = state->queue[i];
        renamed.queue[i] = explore_queue_is_write(item)
                               ? explore_queue_write(order->names[explore_queue_node(item) + 1] - 1u)
                               : explore_queue_message(rename_message(explore, order, explore_queue_number(item)));
    }
    return pack(explore, &renamed, bytes);
}

/* Of all ways to name the nodes, the one whose packed form comes first. It is nearly always the nodes that decide, so
 * that messages are renamed once. */
uint32_t explore_state_pack(struct explore *explore, const struct explore_state *state, uint8_t *bytes,
                            uint32_t *order_number)
{
    const size_t size = explore->options.nodes * sizeof state->nodes[0];
    uint32_t nodes[EXPLORE_ORDERS_MAX][EXPLORE_NODES_MAX] = {{0}};
    uint32_t least = 0;
    uint32_t length = 0;
    for (uint32_t i = 0; i < explore->order_count; i++) {
        struct explore_order *order = &explore->orders[i];
        for (uint32_t j = 0; j < explore->options.nodes; j++) {
            nodes[i][order->names[j + 1] - 1] = i == 0 ? state->nodes[j] : rename_node(explore, order, state->nodes[j]);
        }
        least = memcmp(nodes[i], nodes[least], size) < 0 ? i : least;
    }
    *order_number = least;
    for (uint32_t i = least; i < explore->order_count; i++) {
        uint8_t other[EXPLORE_VISITED_BYTES_MAX];
        if (memcmp(nodes[i], nodes[least], size) != 0) {
            continue;
        }
        if (i == least) {
            length = pack_renamed(explore, state, i, nodes[i], bytes);
            continue;
        }
        const uint32_t other_length = pack_renamed(explore, state, i, nodes[i], other);
        if (other_length < length || (other_length == length && memcmp(other, bytes, length) < 0)) {
            memcpy(bytes, other, other_length);
            length = other_length;
            *order_number = i;
        }
    }
    return length;
}
