/* Commands: what happens to nodes and to messages. */
#include "script.h"

#include <dgraft/frame.h>
#include <string.h>

static dgraft_node_set everybody(const struct script *script)
{
    return (UINT64_C(1) << script->node_count) - 1;
}

/* The nodes of a command's second word; all when there is none. Empty when the word is wrong. */
static dgraft_node_set nodes_of(struct script *script, const struct script_words *words)
{
    dgraft_node_set set = 0;
    if (words->count < 2) {
        return everybody(script);
    }
    return script_set(script, words->at[1], &set) ? set : 0;
}

static void start(struct script *script, const struct script_words *words)
{
    for (dgraft_node_set left = nodes_of(script, words); left != 0; left &= left - 1) {
        script_start(script, dgraft_node_set_first(left));
    }
}

static void crash(struct script *script, const struct script_words *words)
{
    for (dgraft_node_set left = nodes_of(script, words); left != 0; left &= left - 1) {
        const dgraft_node_id id = dgraft_node_set_first(left);
        if (!script->nodes[id].up) {
            script_fail(script, "node %u is down already", id);
        }
        script_stop(script, id);
        script->nodes[id].reopen = false;
    }
}

/* The disk is exchanged for an empty one, with a store of another identity. */
static void wipe(struct script *script, const struct script_words *words)
{
    dgraft_node_id id = 0;
    if (!script_id(script, words->at[1], &id) || script->nodes[id].up) {
        script_fail(script, "only a node that is down can be wiped");
        return;
    }
    struct script_node *node = &script->nodes[id];
    const struct dgraft_config config = node->config;
    const uint64_t store = node->store == 0 ? 0 : node->store + 100;
    const dgraft_time_ns now_ns = node->now_ns;
    memset(node, 0, sizeof *node);
    node->config = config;
    node->now_ns = now_ns;
    node->store = store;
    node->joins = true;
    memset(script->ghost.vote_of[id], 0, sizeof script->ghost.vote_of[id]);
}

/* lose ID INDEX: the disk of a node that is down has lost what it said was durable. No protocol survives this for
 * certain, so the general rules judge no more. */
static void lose(struct script *script, const struct script_words *words)
{
    dgraft_node_id id = 0;
    uint64_t index = 0;
    if (!script_id(script, words->at[1], &id) || script->nodes[id].up ||
        !script_number(words->at[2], script->nodes[id].disk.last, &index)) {
        script_fail(script, "only a node that is down loses entries that it has");
        return;
    }
    script->nodes[id].disk.last = index;
    script->bare = true;
}

/* Cuts one way; what is on it is lost. */
static void cut_way(struct script *script, dgraft_node_id from, dgraft_node_id to)
{
    script->cut[from][to] = true;
    for (uint32_t i = script->flying.count; i > 0; i--) {
        const struct script_message *message = &script->flying.items[i - 1];
        if (message->message.from == from && message->to == to) {
            script_message_remove(&script->flying, i - 1);
        }
    }
}

static void cut(struct script *script, const struct script_words *words)
{
    for (uint32_t i = 1; i < words->count; i++) {
        dgraft_node_id from = 0;
        dgraft_node_id to = 0;
        if (script_link(script, words->at[i], &from, &to)) {
            for (dgraft_node_id a = 1; a <= script->node_count; a++) {
                for (dgraft_node_id b = 1; b <= script->node_count; b++) {
                    if ((from == 0 || a == from) && (to == 0 || b == to) && a != b) {
                        cut_way(script, a, b);
                    }
                }
            }
        }
    }
}

/* Each word is a group; ways between groups are cut. Whoever is in no group is alone. */
static void partition(struct script *script, const struct script_words *words)
{
    uint32_t group[SCRIPT_NODES + 1] = {0};
    dgraft_node_set set = 0;
    for (uint32_t i = 1; i < words->count; i++) {
        if (!script_set(script, words->at[i], &set)) {
            return;
        }
        for (; set != 0; set &= set - 1) {
            group[dgraft_node_set_first(set)] = i;
        }
    }
    for (dgraft_node_id a = 1; a <= script->node_count; a++) {
        for (dgraft_node_id b = 1; b <= script->node_count; b++) {
            if (a != b && (group[a] != group[b] || group[a] == 0)) {
                cut_way(script, a, b);
            } else {
                script->cut[a][b] = false;
            }
        }
    }
}

static void heal(struct script *script, const struct script_words *words)
{
    (void)words;
    memset(script->cut, 0, sizeof script->cut);
}

static bool says_all(const struct script_words *words)
{
    return words->count > 2 && strcmp(words->at[words->count - 1], "all") == 0;
}

static void deliver(struct script *script, const struct script_words *words)
{
    bool some = false;
    uint32_t at = 0;
    for (uint32_t i = 0; i < 1000 && (i == 0 || says_all(words)); i++) {
        const struct script_message *found = script_message_find(script, words, &at);
        if (found == NULL) {
            break;
        }
        struct script_message message = *found;
        message.text = NULL; /* goes with the other */
        script_message_remove(&script->flying, at);
        script_message_deliver(script, &message);
        some = true;
    }
    if (!some) {
        script_fail(script, "no such message is on its way");
    }
}

/* All that fit are lost. */
static void drop(struct script *script, const struct script_words *words)
{
    uint32_t at = 0;
    uint32_t count = 0;
    while (script_message_find(script, words, &at) != NULL) {
        script_message_remove(&script->flying, at);
        count++;
    }
    script_say(script, 0, "%u lost", count);
    if (count == 0) {
        script_fail(script, "no such message is on its way");
    }
}

/* keep FROM>TO [TYPE] [last] as NAME: the network will say it again, whenever `repeat NAME` says so */
static void keep(struct script *script, const struct script_words *words)
{
    uint32_t at = 0;
    const struct script_message *found = script_message_find(script, words, &at);
    if (found == NULL || strcmp(words->at[words->count - 2], "as") != 0) {
        script_fail(script, "no such message is on its way");
        return;
    }
    script_message_copy(&script->kept, found);
    struct script_message *kept = &script->kept.items[script->kept.count - 1];
    (void)snprintf(kept->name, sizeof kept->name, "%s", words->at[words->count - 1]);
}

static void repeat(struct script *script, const struct script_words *words)
{
    for (uint32_t i = 0; i < script->kept.count; i++) {
        if (strcmp(script->kept.items[i].name, words->at[1]) == 0) {
            script_say(script, 0, "again: %s", script->kept.items[i].text);
            script_message_deliver(script, &script->kept.items[i]);
            return;
        }
    }
    script_fail(script, "nothing was kept as %s", words->at[1]);
}

static void settle(struct script *script, const struct script_words *words)
{
    (void)words;
    script_settle(script);
}

static void jam(struct script *script, const struct script_words *words)
{
    for (dgraft_node_set left = nodes_of(script, words); left != 0; left &= left - 1) {
        struct script_node *node = &script->nodes[dgraft_node_set_first(left)];
        node->jammed = !node->jammed;
    }
}

const struct script_verb script_verbs_faults[] = {
    {"start", "[SET]", 1, start},
    {"crash", "SET", 2, crash},
    {"wipe", "ID", 2, wipe},
    {"lose", "ID INDEX", 3, lose},
    {"rot", "ID INDEX", 3, script_rot},
    {"cut", "FROM>TO...", 2, cut},
    {"partition", "SET...", 2, partition},
    {"heal", "", 1, heal},
    {"deliver", "FROM>TO [TYPE] [last|all]", 2, deliver},
    {"drop", "FROM>TO [TYPE]", 2, drop},
    {"keep", "FROM>TO [TYPE] [last] as NAME", 4, keep},
    {"repeat", "NAME", 2, repeat},
    {"settle", "", 1, settle},
    {"jam", "SET", 2, jam},
    {NULL, NULL, 0, NULL},
};
