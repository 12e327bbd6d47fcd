#include "explore_nodes.h"

#include "explore_canon.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define VIEWS_FIRST 1024u
#define MEMOS_FIRST 4096u
#define WORD        8u

struct explore_memo {
    uint64_t key; /* 0: free */
    uint32_t node;
    uint32_t effects;
};

bool explore_nodes_fail(struct explore_nodes *nodes, const char *format, ...)
{
    if (nodes->finding[0] == '\0') {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(nodes->finding, sizeof nodes->finding, format, arguments);
        va_end(arguments);
    }
    return false;
}

/* Makes nodes->node one whose directory was just made. */
static void form(struct explore_nodes *nodes, dgraft_node_id id)
{
    struct explore_host *host = explore_node_host(nodes->node);
    memset(nodes->node, 0, nodes->node_bytes);
    host->disk.term = 1;
    host->disk.log.last = 1;
    host->disk.log.entries[0] = explore_entry(1, EXPLORE_CONTENT_MEMBERS);
    host->log = host->disk.log;
    struct explore_effects effects = {.sent_count = 0};
    if (!explore_host_start(nodes, &(struct explore_start){.self = id}, &effects) || effects.sent_count > 0) {
        (void)fprintf(stderr, "raftctl explore: no node starts: %s\n", nodes->finding);
        exit(EXIT_FAILURE);
    }
    explore_canon(explore_node_core(nodes->node));
}

void explore_nodes_open(struct explore_nodes *nodes, struct explore_memory *memory, uint32_t node_count)
{
    struct dgraft_config config;
    explore_canon_config(&config, 1, node_count);
    *nodes = (struct explore_nodes){.memory = memory, .node_count = node_count, .memo_capacity = MEMOS_FIRST};
    nodes->node_bytes = EXPLORE_HOST_BYTES + dgraft_core_size(&config);
    assert(nodes->node_bytes % WORD == 0);
    explore_pool_open(&nodes->nodes, memory);
    explore_pool_open(&nodes->messages, memory);
    explore_pool_open(&nodes->effects, memory);
    nodes->memos = explore_memory_grow(memory, NULL, 0, MEMOS_FIRST, sizeof *nodes->memos);
    nodes->pattern = explore_memory_grow(memory, NULL, 0, nodes->node_bytes, 1);
    nodes->node = explore_memory_grow(memory, NULL, 0, nodes->node_bytes, 1);
    nodes->before = explore_memory_grow(memory, NULL, 0, nodes->node_bytes, 1);
    nodes->actions =
        dgraft_actions_init(explore_memory_grow(memory, NULL, 0, dgraft_actions_size(&config), 1), &config);
    form(nodes, 1);
    memcpy(nodes->pattern, nodes->node, nodes->node_bytes);
}

void explore_nodes_close(struct explore_nodes *nodes)
{
    struct dgraft_config config;
    explore_canon_config(&config, 1, nodes->node_count);
    explore_pool_close(&nodes->nodes);
    explore_pool_close(&nodes->messages);
    explore_pool_close(&nodes->effects);
    explore_memory_free(nodes->memory, nodes->views, nodes->view_capacity, sizeof *nodes->views);
    explore_memory_free(nodes->memory, nodes->memos, nodes->memo_capacity, sizeof *nodes->memos);
    explore_memory_free(nodes->memory, nodes->pattern, nodes->node_bytes, 1);
    explore_memory_free(nodes->memory, nodes->node, nodes->node_bytes, 1);
    explore_memory_free(nodes->memory, nodes->before, nodes->node_bytes, 1);
    explore_memory_free(nodes->memory, nodes->actions, dgraft_actions_size(&config), 1);
}

/* A packed node lists the words that differ from the pattern's: how many are equal before, which of its bytes differ,
 * and those. Some 200 bytes instead of 8,000. */
uint32_t explore_nodes_pack(struct explore_nodes *nodes, const uint8_t *node)
{
    uint8_t packed[EXPLORE_POOL_BYTES_MAX];
    uint32_t size = 0;
    uint32_t equal = 0;
    for (size_t at = 0; at < nodes->node_bytes; at += WORD) {
        if (memcmp(node + at, nodes->pattern + at, WORD) == 0) {
            equal++;
            continue;
        }
        assert(size + 16 <= sizeof packed);
        for (; equal >= 128; equal >>= 7) {
            packed[size++] = (uint8_t)(equal | 128);
        }
        packed[size++] = (uint8_t)equal;
        equal = 0;
        uint8_t *mask = &packed[size++];
        *mask = 0;
        for (uint32_t i = 0; i < WORD; i++) {
            if (node[at + i] != nodes->pattern[at + i]) {
                *mask |= (uint8_t)(1u << i);
                packed[size++] = node[at + i];
            }
        }
    }
    const uint32_t number = explore_pool_put(&nodes->nodes, packed, size);
    if (number >= nodes->view_capacity) {
        const uint64_t wanted = nodes->view_capacity == 0 ? VIEWS_FIRST : 2 * nodes->view_capacity;
        nodes->views =
            explore_memory_grow(nodes->memory, nodes->views, nodes->view_capacity, wanted, sizeof *nodes->views);
        nodes->view_capacity = wanted;
    }
    const struct dgraft_core *core = (const struct dgraft_core *)(const void *)(node + EXPLORE_HOST_BYTES);
    explore_canon_view((const struct explore_host *)(const void *)node, core, &nodes->views[number]);
    return number;
}

void explore_nodes_unpack(const struct explore_nodes *nodes, uint32_t number, uint8_t *node)
{
    uint32_t size = 0;
    const uint8_t *packed = explore_pool_get(&nodes->nodes, number, &size);
    const uint8_t *end = packed + size;
    size_t at = 0;
    memcpy(node, nodes->pattern, nodes->node_bytes);
    while (packed < end) {
        uint32_t equal = 0;
        uint32_t shift = 0;
        for (; (*packed & 128) != 0; shift += 7) {
            equal |= (uint32_t)(*packed++ & 127) << shift;
        }
        equal |= (uint32_t)*packed++ << shift;
        at += equal * WORD;
        const uint8_t mask = *packed++;
        for (uint32_t i = 0; i < WORD; i++) {
            if ((mask >> i & 1) != 0) {
                node[at + i] = *packed++;
            }
        }
        at += WORD;
    }
}

uint32_t explore_nodes_first(struct explore_nodes *nodes, dgraft_node_id id)
{
    form(nodes, id);
    return explore_nodes_pack(nodes, nodes->node);
}

void explore_nodes_message(const struct explore_nodes *nodes, uint32_t number, struct explore_message *message)
{
    uint32_t size = 0;
    const uint8_t *bytes = explore_pool_get(&nodes->messages, number, &size);
    assert(size == sizeof *message);
    memcpy(message, bytes, size);
}

static struct explore_memo *memo_slot(struct explore_memo *memos, uint64_t capacity, uint64_t key)
{
    uint64_t at = XXH3_64bits(&key, sizeof key) & (capacity - 1);
    while (memos[at].key != 0 && memos[at].key != key) {
        at = (at + 1) & (capacity - 1);
    }
    return &memos[at];
}

static void memo_add(struct explore_nodes *nodes, struct explore_memo memo)
{
    if (nodes->memo_count * 4 >= nodes->memo_capacity * 3) {
        const uint64_t wanted = 2 * nodes->memo_capacity;
        struct explore_memo *larger = explore_memory_grow(nodes->memory, NULL, 0, wanted, sizeof *larger);
        for (uint64_t i = 0; i < nodes->memo_capacity; i++) {
            if (nodes->memos[i].key != 0) {
                *memo_slot(larger, wanted, nodes->memos[i].key) = nodes->memos[i];
            }
        }
        explore_memory_free(nodes->memory, nodes->memos, nodes->memo_capacity, sizeof *nodes->memos);
        nodes->memos = larger;
        nodes->memo_capacity = wanted;
    }
    *memo_slot(nodes->memos, nodes->memo_capacity, memo.key) = memo;
    nodes->memo_count++;
}

uint32_t explore_nodes_step(struct explore_nodes *nodes, uint32_t number, struct explore_event event,
                            struct explore_effects *effects)
{
    assert(event.argument < 1u << 28);
    const uint64_t key = (uint64_t)number << 32 | (uint64_t)event.kind << 28 | event.argument;
    const struct explore_memo *known = memo_slot(nodes->memos, nodes->memo_capacity, key);
    uint32_t size = 0;
    memset(effects, 0, sizeof *effects);
    if (known->key != 0) {
        const uint8_t *bytes = explore_pool_get(&nodes->effects, known->effects, &size);
        memcpy(effects, bytes, size);
        return known->node;
    }
    explore_nodes_unpack(nodes, number, nodes->node);
    if (!explore_event_run(nodes, event, effects)) {
        return EXPLORE_NUMBER_NONE;
    }
    explore_canon(explore_node_core(nodes->node));
    const uint32_t sent_bytes = (uint32_t)(effects->sent_count * sizeof effects->sent[0]);
    const struct explore_memo memo = {
        .key = key,
        .node = explore_nodes_pack(nodes, nodes->node),
        .effects =
            explore_pool_put(&nodes->effects, effects, (uint32_t)offsetof(struct explore_effects, sent) + sent_bytes)};
    memo_add(nodes, memo);
    return memo.node;
}

uint32_t explore_nodes_rename(struct explore_nodes *nodes, uint32_t number, const uint8_t *names)
{
    struct explore_host *host = explore_node_host(nodes->node);
    explore_nodes_unpack(nodes, number, nodes->node);
    host->disk.vote = names[host->disk.vote];
    for (uint32_t i = 0; i < host->write_count; i++) {
        host->writes[i].vote = names[host->writes[i].vote];
    }
    explore_canon_rename(explore_node_core(nodes->node), names);
    return explore_nodes_pack(nodes, nodes->node);
}

uint32_t explore_nodes_rename_message(struct explore_nodes *nodes, uint32_t number, const uint8_t *names)
{
    struct explore_message message;
    explore_nodes_message(nodes, number, &message);
    message.from = names[message.from];
    message.to = names[message.to];
    return explore_pool_put(&nodes->messages, &message, sizeof message);
}
