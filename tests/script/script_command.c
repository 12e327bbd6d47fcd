/* Commands: a line is split into words, the first names it. This file: what a cluster is made of. */
#include "script.h"

#include <stdlib.h>
#include <string.h>

static uint32_t *narrow(struct dgraft_config *config, const char *key)
{
    return strcmp(key, "window") == 0      ? &config->inflight_max
           : strcmp(key, "chunk") == 0     ? &config->snapshot_chunk_bytes
           : strcmp(key, "entry_max") == 0 ? &config->entry_bytes_max
           : strcmp(key, "reads") == 0     ? &config->reads_max
           : strcmp(key, "lease") == 0     ? &config->lease_drift_ppm
           : strcmp(key, "lag") == 0       ? &config->lag_notice_entries
           : strcmp(key, "runs") == 0      ? &config->runs_max
           : strcmp(key, "members") == 0   ? &config->members_max
                                           : NULL;
}

static uint64_t *wide(struct dgraft_config *config, const char *key)
{
    return strcmp(key, "window_bytes") == 0  ? &config->inflight_bytes_max
           : strcmp(key, "uncommitted") == 0 ? &config->uncommitted_bytes_max
           : strcmp(key, "tail") == 0        ? &config->compact_tail
           : strcmp(key, "slow") == 0        ? &config->compact_slow_max
           : strcmp(key, "election") == 0    ? &config->election_timeout_ns
           : strcmp(key, "heartbeat") == 0   ? &config->heartbeat_interval_ns
           : strcmp(key, "stall") == 0       ? &config->write_stall_ns
                                             : NULL;
}

/* KEY=NUMBER of the configuration; times are in milliseconds. Returns false when the key is none. */
static bool set_config(struct script *script, struct dgraft_config *config, const char *key, const char *value)
{
    uint64_t number = 0;
    uint32_t *small = narrow(config, key);
    uint64_t *large = wide(config, key);
    if ((small == NULL && large == NULL && strcmp(key, "carry") != 0) || !script_number(value, UINT32_MAX, &number)) {
        return false;
    }
    if (small != NULL) {
        *small = (uint32_t)number;
    } else if (large != NULL) {
        const bool time = large == &config->election_timeout_ns || large == &config->heartbeat_interval_ns ||
                          large == &config->write_stall_ns;
        *large = time ? number * SCRIPT_MS : number;
    } else {
        script->carry = number > SCRIPT_CARRY ? SCRIPT_CARRY : (uint32_t)number;
    }
    return true;
}

/* Splits KEY=VALUE in place. Returns the value, NULL when there is none. */
static char *split(char *word)
{
    char *value = strchr(word, '=');
    if (value != NULL) {
        *value++ = '\0';
    }
    return value;
}

void script_reset(struct script *script)
{
    for (dgraft_node_id id = 1; script->nodes != NULL && id <= SCRIPT_NODES; id++) {
        script_stop(script, id);
    }
    free(script->nodes);
    script->nodes = NULL;
    script_messages_free(&script->flying);
    script_messages_free(&script->kept);
    script_messages_free(&script->sent);
    memset(&script->ghost, 0, sizeof script->ghost);
    memset(script->cut, 0, sizeof script->cut);
    script->sent_mark = 0;
    script->node_count = 0;
}

/* cluster N [voters=SET] [learners=SET] [stores=1] [KEY=NUMBER...] */
static void cluster(struct script *script, const struct script_words *words)
{
    uint64_t count = 0;
    bool stores = false;
    script_reset(script);
    script->nodes = calloc(SCRIPT_NODES + 1, sizeof script->nodes[0]);
    if (script->nodes == NULL || !script_number(words->at[1], SCRIPT_NODES, &count) || count == 0) {
        script_fail(script, "a cluster has 1 to %d nodes", SCRIPT_NODES);
        return;
    }
    dgraft_config_defaults(&script->config, 1);
    script->config.members_max = SCRIPT_NODES;
    script->config.compact_tail = 0;
    script->config.compact_slow_max = 0;
    script->carry = 8;
    script->node_count = (uint32_t)count;
    script->founders = (struct dgraft_membership){.voters = (UINT64_C(1) << count) - 1};
    for (uint32_t i = 2; i < words->count; i++) {
        const char *value = split(words->at[i]);
        const char *key = words->at[i];
        if (strcmp(key, "voters") == 0) {
            (void)script_set(script, value, &script->founders.voters);
        } else if (strcmp(key, "learners") == 0) {
            (void)script_set(script, value, &script->founders.learners);
        } else if (strcmp(key, "stores") == 0) {
            stores = true;
        } else if (!set_config(script, &script->config, key, value)) {
            script_fail(script, "no such setting: %s", key);
        }
    }
    for (dgraft_node_id id = 1; id <= count; id++) {
        struct script_node *node = &script->nodes[id];
        node->config = script->config;
        node->now_ns = SCRIPT_START;
        node->store = stores ? 100 + id : 0;
        node->joins = !dgraft_node_set_has(dgraft_membership_all(&script->founders), id);
    }
}

static void set_log(struct script *script, struct script_node *node, const struct script_words *words, uint32_t at)
{
    uint64_t term = 0;
    for (; at < words->count; at++) {
        if (!script_number(words->at[at], SCRIPT_TERMS - 1, &term) || term == 0 || node->disk.last == SCRIPT_LOG) {
            script_fail(script, "a log is a list of terms: %s", words->at[at]);
            return;
        }
        node->disk.last++;
        node->disk.entries[node->disk.last] =
            (struct script_entry){.term = term, .kind = DGRAFT_ENTRY_COMMAND, .bytes = SCRIPT_PAYLOAD};
        node->disk_term = term > node->disk_term ? term : node->disk_term;
    }
}

/* node ID [term=T] [vote=ID] [commit=I] [store=S] [KEY=NUMBER...] [log TERM...]: what it finds when it starts */
static void node(struct script *script, const struct script_words *words)
{
    dgraft_node_id id = 0;
    uint64_t number = 0;
    if (!script_id(script, words->at[1], &id)) {
        return;
    }
    struct script_node *node = &script->nodes[id];
    for (uint32_t i = 2; i < words->count; i++) {
        if (strcmp(words->at[i], "log") == 0) {
            set_log(script, node, words, i + 1);
            return;
        }
        const char *value = split(words->at[i]);
        const char *key = words->at[i];
        if (set_config(script, &node->config, key, value)) {
            continue;
        }
        if (!script_number(value, SCRIPT_TERMS - 1, &number)) {
            script_fail(script, "not a number: %s", key);
        } else if (strcmp(key, "term") == 0) {
            node->disk_term = number;
        } else if (strcmp(key, "vote") == 0) {
            node->disk_vote = (dgraft_node_id)number;
        } else if (strcmp(key, "commit") == 0) {
            node->disk_commit = number;
        } else if (strcmp(key, "store") == 0) {
            node->store = number;
        } else {
            script_fail(script, "no such setting: %s", key);
        }
    }
}

/* quiet COMMAND...: prints nothing */
static void quiet(struct script *script, const struct script_words *words);

/* mark: `check message` and `check line` look at what comes after it */
static void mark(struct script *script, const struct script_words *words)
{
    (void)words;
    script->sent_mark = script->sent.count;
    script->said_mark = script->said.size;
}

static const struct script_verb verbs[] = {
    {"cluster", "N [voters=SET] [learners=SET] [stores=1] [KEY=NUMBER...]", 2, cluster},
    {"node", "ID [term=T] [vote=ID] [commit=I] [store=S] [KEY=NUMBER...] [log TERM...]", 2, node},
    {"quiet", "COMMAND...", 2, quiet},
    {"mark", "", 1, mark},
    {"check", "WHAT...", 2, script_check},
    {NULL, NULL, 0, NULL},
};

static const struct script_verb *find(const struct script_verb *table, const char *name)
{
    for (; table->name != NULL; table++) {
        if (strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}

static void act(struct script *script, const struct script_words *words)
{
    const struct script_verb *tables[] = {verbs, script_verbs_faults, script_verbs_work, script_verbs_time};
    const struct script_verb *verb = NULL;
    for (uint32_t i = 0; i < sizeof tables / sizeof tables[0] && verb == NULL; i++) {
        verb = find(tables[i], words->at[0]);
    }
    if (verb == NULL) {
        script_fail(script, "no such command: %s", words->at[0]);
    } else if (words->count < verb->least) {
        script_fail(script, "%s %s", verb->name, verb->usage);
    } else if (verb->act != cluster && script->nodes == NULL) {
        script_fail(script, "a script begins with a cluster");
    } else {
        verb->act(script, words);
    }
}

static void quiet(struct script *script, const struct script_words *words)
{
    struct script_words rest = {.count = words->count - 1};
    memcpy(rest.at, &words->at[1], rest.count * sizeof rest.at[0]);
    script->quiet = true;
    act(script, &rest);
    script->quiet = false;
}

void script_command(struct script *script, char *line)
{
    struct script_words words = {.count = 0};
    char *state = NULL;
    for (char *word = strtok_r(line, " \t", &state); word != NULL && words.count < SCRIPT_WORDS;
         word = strtok_r(NULL, " \t", &state)) {
        words.at[words.count++] = word;
    }
    if (words.count > 0) {
        act(script, &words);
    }
}
