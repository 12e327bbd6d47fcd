/* `check` lines: what must be, as the paper or the report of a bug says it. They print nothing; one that does not hold
 * fails the script, also when its outputs are being written anew.
 */
#include "script.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Words from `at` on, with one space between them. */
static void join(const struct script_words *words, uint32_t at, struct script_text *text)
{
    script_text_add(text, "%s", "");
    for (uint32_t i = at; i < words->count; i++) {
        script_text_add(text, "%s%s", i > at ? " " : "", words->at[i]);
    }
}

static void check_leader(struct script *script, const struct script_words *words, bool wanted)
{
    dgraft_node_id id = 0;
    if (wanted && (words->count != 3 || !script_id(script, words->at[2], &id))) {
        script_fail(script, "check leader ID");
        return;
    }
    const struct dgraft_core_status leader = script_status(script, wanted ? id : 1);
    for (dgraft_node_id other = 1; other <= script->node_count; other++) {
        const struct dgraft_core_status status = script_status(script, other);
        const bool leads = script->nodes[other].up && status.role == DGRAFT_ROLE_LEADER;
        if (other == id && !leads) {
            script_fail(script, "check failed: node %u does not lead", id);
        } else if (other != id && leads && (!wanted || status.term >= leader.term)) {
            script_fail(script, "check failed: node %u leads in term %" PRIu64, other, status.term);
        }
    }
}

/* Words are index:term, index:term=name, or bare terms of entries that follow one another. */
static bool log_equal(const struct script_node *node, const struct script_words *words, uint32_t at)
{
    const struct script_log *log = &node->log;
    const uint32_t none = words->count == at + 1 && strcmp(words->at[at], "none") == 0 ? 1 : 0;
    dgraft_index index = log->begin.index;
    bool equal = words->count - at - none == log->last - log->begin.index;
    for (at += none; equal && at < words->count; at++) {
        struct script_text text = {.bytes = NULL};
        const struct script_entry *entry = &log->entries[++index];
        if (strchr(words->at[at], ':') == NULL) {
            script_text_add(&text, "%" PRIu64, entry->term);
        } else if (strchr(words->at[at], '=') == NULL) {
            script_text_add(&text, "%" PRIu64 ":%" PRIu64, index, entry->term);
        } else {
            script_print_entry(&text, index, entry);
        }
        equal = strcmp(text.bytes, words->at[at]) == 0;
        script_text_free(&text);
    }
    return equal;
}

static bool number_of(const struct script *script, dgraft_node_id id, const char *field, uint64_t *value)
{
    const struct dgraft_core_status status = script_status(script, id);
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {
        {"term", status.term},
        {"vote", status.vote},
        {"leader", status.leader},
        {"commit", status.commit},
        {"applied", status.applied},
        {"durable", status.durable},
        {"last", status.last.index},
        {"snapshot", status.snapshot.position.index},
        {"begin", status.compacted.index},
        {"received", status.received_bytes},
        {"uncommitted", status.uncommitted_bytes},
        {"poisoned", status.poisoned},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(field, fields[i].name) == 0) {
            *value = fields[i].value;
            return true;
        }
    }
    return false;
}

/* match:P, next:P, caught-up:P, ...: what a leader knows of P. */
static bool peer_number_of(const struct script *script, dgraft_node_id id, const char *field, uint64_t *value)
{
    const struct dgraft_core_status status = script_status(script, id);
    const char *colon = strchr(field, ':');
    const size_t length = colon == NULL ? 0 : (size_t)(colon - field);
    for (uint32_t i = 0; i < status.peer_count; i++) {
        const struct dgraft_peer_status *peer = &status.peers[i];
        if (length == 0 || colon[1] != (char)('0' + peer->id) || colon[2] != '\0') {
            continue;
        }
        *value = strncmp(field, "match", length) == 0       ? peer->match
                 : strncmp(field, "next", length) == 0      ? peer->next
                 : strncmp(field, "inflight", length) == 0  ? peer->inflight
                 : strncmp(field, "caught-up", length) == 0 ? peer->caught_up
                 : strncmp(field, "stored", length) == 0    ? peer->snapshot_offset
                                                            : UINT64_MAX;
        return *value != UINT64_MAX;
    }
    return false;
}

/* Text fields: role, and the parts of the membership in force. */
static bool text_of(const struct script *script, dgraft_node_id id, const char *field, struct script_text *text)
{
    const struct dgraft_core_status status = script_status(script, id);
    if (strcmp(field, "role") == 0) {
        script_text_add(text, "%s", script->nodes[id].up ? dgraft_role_name(status.role) : "down");
    } else if (strcmp(field, "voters") == 0) {
        script_print_set(text, status.membership.voters);
    } else if (strcmp(field, "outgoing") == 0) {
        script_print_set(text, status.membership.outgoing);
    } else if (strcmp(field, "learners") == 0) {
        script_print_set(text, status.membership.learners);
    } else {
        return false;
    }
    return true;
}

static bool compares(uint64_t value, const char *operation, uint64_t wanted)
{
    return strcmp(operation, "=") == 0    ? value == wanted
           : strcmp(operation, "!=") == 0 ? value != wanted
           : strcmp(operation, "<") == 0  ? value < wanted
           : strcmp(operation, ">") == 0  ? value > wanted
                                          : false;
}

/* check ID FIELD = VALUE */
static void check_field(struct script *script, dgraft_node_id id, const struct script_words *words)
{
    uint64_t value = 0;
    uint64_t wanted = 0;
    struct script_text text = {.bytes = NULL};
    const char *field = words->at[2];
    bool holds = false;
    if (strcmp(field, "log") == 0) {
        holds = log_equal(&script->nodes[id], words, 4) && strcmp(words->at[3], "=") == 0;
        script_print_log(&text, &script->nodes[id]);
    } else if (number_of(script, id, field, &value) || peer_number_of(script, id, field, &value)) {
        holds = script_number(words->at[4], UINT32_MAX, &wanted) && compares(value, words->at[3], wanted);
        script_text_add(&text, "%" PRIu64, value);
    } else if (text_of(script, id, field, &text)) {
        const bool same = strcmp(text.bytes, words->at[4]) == 0;
        holds = strcmp(words->at[3], "!=") == 0 ? !same : same;
    } else {
        script_text_add(&text, "not known");
    }
    if (!holds) {
        script_fail(script, "check failed: %s of node %u is %s", field, id, text.bytes);
    }
    script_text_free(&text);
}

/* Counts messages FROM>TO TYPE whose text holds the words behind, since the mark. */
static bool messages_count(struct script *script, const struct script_words *words, uint32_t at, uint32_t *count)
{
    dgraft_node_id from = 0;
    dgraft_node_id to = 0;
    enum dgraft_message_type type = 0;
    struct script_text rest = {.bytes = NULL};
    if (!script_link(script, at < words->count ? words->at[at] : NULL, &from, &to) ||
        !script_type(script, at + 1 < words->count ? words->at[at + 1] : NULL, &type)) {
        return false;
    }
    join(words, at + 2, &rest);
    *count = 0;
    for (uint32_t i = script->sent_mark; i < script->sent.count; i++) {
        const struct script_message *message = &script->sent.items[i];
        const char *found = strstr(message->text, rest.bytes);
        const char end = found == NULL ? 'x' : found[strlen(rest.bytes)];
        *count += (from == 0 || message->message.from == from) && (to == 0 || message->to == to) &&
                  message->message.type == type && found != NULL && (rest.size == 0 || end == ' ' || end == '\0');
    }
    script_text_free(&rest);
    return true;
}

static uint32_t lines_count(const struct script *script, const char *pattern)
{
    uint32_t count = 0;
    char *copy = strdup(script->said.bytes == NULL ? "" : script->said.bytes + script->said_mark);
    char *state = NULL;
    for (char *line = strtok_r(copy, "\n", &state); line != NULL; line = strtok_r(NULL, "\n", &state)) {
        count += fnmatch(pattern, line, 0) == 0;
    }
    free(copy);
    return count;
}

/* check [no|N] message FROM>TO TYPE [TEXT], check [no|N] line PATTERN. Without a number: one at least. */
static bool check_count(struct script *script, const struct script_words *words)
{
    uint64_t wanted = 0;
    uint32_t count = 0;
    uint32_t at = 1;
    const bool no = strcmp(words->at[1], "no") == 0;
    const bool exact = no || (script_number(words->at[1], UINT32_MAX, &wanted) && words->count > 3);
    at += exact ? 1 : 0;
    const char *what = at < words->count ? words->at[at] : "";
    if (strcmp(what, "message") == 0 || strcmp(what, "messages") == 0) {
        if (!messages_count(script, words, at + 1, &count)) {
            return true;
        }
    } else if (strcmp(what, "line") == 0 || strcmp(what, "lines") == 0) {
        struct script_text pattern = {.bytes = NULL};
        join(words, at + 1, &pattern);
        count = lines_count(script, pattern.bytes);
        script_text_free(&pattern);
    } else {
        return false;
    }
    if (exact ? count != wanted : count == 0) {
        script_fail(script, "check failed: there are %" PRIu32, count);
    }
    return true;
}

void script_check(struct script *script, const struct script_words *words)
{
    dgraft_node_set set = (UINT64_C(1) << script->node_count) - 1;
    const bool no = strcmp(words->at[1], "no") == 0;
    if (strcmp(words->at[1], "leader") == 0 || (no && words->count == 3 && strcmp(words->at[2], "leader") == 0)) {
        check_leader(script, words, !no);
        return;
    }
    if (check_count(script, words)) {
        return;
    }
    if (words->count < 5 || (strcmp(words->at[1], "all") != 0 && !script_set(script, words->at[1], &set))) {
        script_fail(script, "a check that makes no sense");
        return;
    }
    for (; set != 0; set &= set - 1) {
        check_field(script, dgraft_node_set_first(set), words);
    }
}
