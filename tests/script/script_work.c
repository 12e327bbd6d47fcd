/* Commands: what clients and operators want of a node, and what its host does for it. */
#include "script.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* propose ID NAME[/BYTES]...: one group of commands */
static void propose(struct script *script, const struct script_words *words)
{
    dgraft_node_id id = 0;
    struct script_entry entries[SCRIPT_CARRY];
    struct dgraft_entry wanted[SCRIPT_CARRY];
    struct dgraft_event event = {.kind = DGRAFT_EVENT_PROPOSE};
    uint32_t count = 0;
    memset(entries, 0, sizeof entries);
    memset(wanted, 0, sizeof wanted);
    if (!script_id(script, words->at[1], &id)) {
        return;
    }
    for (; count + 2 < words->count && count < SCRIPT_CARRY; count++) {
        uint64_t bytes = SCRIPT_PAYLOAD;
        char *size = strchr(words->at[count + 2], '/');
        if (size != NULL) {
            *size++ = '\0';
        }
        if ((size != NULL && !script_number(size, UINT32_MAX, &bytes)) || strlen(words->at[count + 2]) >= SCRIPT_NAME) {
            script_fail(script, "a command is NAME or NAME/BYTES");
            return;
        }
        struct script_entry *entry = &entries[count];
        entry->kind = DGRAFT_ENTRY_COMMAND;
        entry->bytes = (uint32_t)bytes;
        (void)snprintf(entry->name, sizeof entry->name, "%s", words->at[count + 2]);
        wanted[count] = (struct dgraft_entry){.kind = DGRAFT_ENTRY_COMMAND, .payload_bytes = (uint32_t)bytes};
    }
    event.u.propose = (struct dgraft_event_propose){
        .entries = wanted, .count = count, .kind = DGRAFT_ENTRY_COMMAND, .id = ++script->ghost.proposals};
    (void)script_step(script, id, &event, entries);
}

static void read_at(struct script *script, const struct script_words *words)
{
    dgraft_node_id id = 0;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_READ};
    if (!script_id(script, words->at[1], &id) || script->ghost.reads == SCRIPT_READS) {
        return;
    }
    event.u.read.id = ++script->ghost.reads;
    script->ghost.read_floor[event.u.read.id] = script->ghost.committed_last;
    (void)script_step(script, id, &event, NULL);
}

static void transfer(struct script *script, const struct script_words *words)
{
    dgraft_node_id id = 0;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_TRANSFER};
    if (!script_id(script, words->at[1], &id) ||
        (words->count > 2 && !script_id(script, words->at[2], &event.u.transfer.target))) {
        return;
    }
    event.u.transfer.id = ++script->ghost.tasks;
    (void)script_step(script, id, &event, NULL);
}

/* change ID [voters=SET] [learners=SET] [promote=SET] [store=N, of whoever is new] */
static void change(struct script *script, const struct script_words *words)
{
    dgraft_node_id id = 0;
    uint64_t store = 0;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_CHANGE};
    struct dgraft_membership *target = &event.u.change.target;
    if (!script_id(script, words->at[1], &id) || !script->nodes[id].up) {
        return;
    }
    const struct dgraft_membership *now = dgraft_core_membership(script->nodes[id].core);
    target->voters = now->voters;
    target->learners = now->learners;
    for (uint32_t i = 2; i < words->count; i++) {
        char *value = strchr(words->at[i], '=');
        const size_t length = value == NULL ? 0 : (size_t)(value - words->at[i]);
        dgraft_node_set *set =
            length == strlen("voters") && strncmp(words->at[i], "voters", length) == 0       ? &target->voters
            : length == strlen("learners") && strncmp(words->at[i], "learners", length) == 0 ? &target->learners
            : length == strlen("promote") && strncmp(words->at[i], "promote", length) == 0   ? &target->promote
                                                                                             : NULL;
        if (set != NULL) {
            (void)script_set(script, value + 1, set);
        } else if (length != strlen("store") || strncmp(words->at[i], "store", length) != 0 ||
                   !script_number(value + 1, UINT32_MAX, &store)) {
            script_fail(script, "no such part of a membership: %s", words->at[i]);
            return;
        }
    }
    for (dgraft_node_set left = dgraft_membership_all(target) & ~dgraft_membership_all(now); left != 0;
         left &= left - 1) {
        target->stores[dgraft_membership_slot(target, dgraft_node_set_first(left))] = store;
    }
    event.u.change.id = ++script->ghost.tasks;
    (void)script_step(script, id, &event, NULL);
}

/* snapshot ID [BYTES [DIGEST]]: of all that is applied; those of one index have one digest, if it is not given */
static void snapshot(struct script *script, const struct script_words *words)
{
    dgraft_node_id id = 0;
    uint64_t size = 100;
    uint64_t digest = 0;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT};
    if (!script_id(script, words->at[1], &id) ||
        (words->count > 2 && !script_number(words->at[2], UINT32_MAX, &size)) ||
        (words->count > 3 && !script_number(words->at[3], UINT32_MAX, &digest))) {
        return;
    }
    struct script_node *node = &script->nodes[id];
    node->snapshot.membership = script_membership_at(script, id, &node->log, node->applied);
    node->snapshot.what =
        (struct dgraft_snapshot){.position = {node->applied, script_log_term(&node->log, node->applied)},
                                 .size = size,
                                 .digest = digest == 0 ? 10 * node->applied : digest};
    event.u.snapshot.snapshot = node->snapshot.what;
    (void)script_step(script, id, &event, NULL);
}

static bool work_of(struct script *script, const char *word, enum script_work *work)
{
    static const char *const names[SCRIPT_WORKS] = {"writes", "stores", "applies"};
    for (uint32_t i = 0; i < SCRIPT_WORKS; i++) {
        if (strcmp(word, names[i]) == 0) {
            *work = (enum script_work)i;
            return true;
        }
    }
    script_fail(script, "writes, stores or applies: %s", word);
    return false;
}

/* Ends one work of a kind. Returns false when there is none. */
static bool finish(struct script *script, dgraft_node_id id, enum script_work work)
{
    struct script_node *node = &script->nodes[id];
    struct dgraft_event event = {.kind = DGRAFT_EVENT_APPLIED};
    switch (work) {
    case SCRIPT_WORK_WRITES:
        return script_written(script, id);
    case SCRIPT_WORK_STORES:
        return script_store_done(script, id);
    case SCRIPT_WORK_APPLIES:
        if (node->applied >= node->apply_wanted) {
            return false;
        }
        event.u.applied.index = ++node->applied;
        script_say(script, 0, "%u has applied %" PRIu64, id, node->applied);
        return script_step(script, id, &event, NULL);
    case SCRIPT_WORKS:
        break;
    }
    return false;
}

/* hold writes|stores|applies SET */
static void hold(struct script *script, const struct script_words *words)
{
    enum script_work work = SCRIPT_WORK_WRITES;
    dgraft_node_set set = 0;
    if (work_of(script, words->at[1], &work) && script_set(script, words->at[2], &set)) {
        for (; set != 0; set &= set - 1) {
            script->nodes[dgraft_node_set_first(set)].held[work] = true;
        }
    }
}

static void release(struct script *script, const struct script_words *words)
{
    enum script_work work = SCRIPT_WORK_WRITES;
    dgraft_node_set set = 0;
    if (!work_of(script, words->at[1], &work) || !script_set(script, words->at[2], &set)) {
        return;
    }
    for (; set != 0; set &= set - 1) {
        const dgraft_node_id id = dgraft_node_set_first(set);
        while (finish(script, id, work)) {
        }
        script->nodes[id].held[work] = false;
    }
}

/* done writes|stores|applies ID: the oldest one that is held */
static void done(struct script *script, const struct script_words *words)
{
    enum script_work work = SCRIPT_WORK_WRITES;
    dgraft_node_id id = 0;
    if (work_of(script, words->at[1], &work) && script_id(script, words->at[2], &id) && !finish(script, id, work)) {
        script_fail(script, "node %u has nothing to finish", id);
    }
}

/* applied ID INDEX: a completion that comes late, or twice */
static void applied(struct script *script, const struct script_words *words)
{
    dgraft_node_id id = 0;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_APPLIED};
    if (script_id(script, words->at[1], &id) && script_number(words->at[2], SCRIPT_LOG, &event.u.applied.index)) {
        (void)script_step(script, id, &event, NULL);
    }
}

/* disk ID full|room|failed */
static void disk(struct script *script, const struct script_words *words)
{
    dgraft_node_id id = 0;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_DISK};
    if (!script_id(script, words->at[1], &id)) {
        return;
    }
    if (strcmp(words->at[2], "failed") == 0) {
        event.kind = DGRAFT_EVENT_POISONED;
    } else {
        event.u.disk.full = strcmp(words->at[2], "full") == 0;
    }
    (void)script_step(script, id, &event, NULL);
}

static void show(struct script *script, const struct script_words *words)
{
    dgraft_node_set set = (UINT64_C(1) << script->node_count) - 1;
    if (words->count < 2 || script_set(script, words->at[1], &set)) {
        for (; set != 0; set &= set - 1) {
            script_show(script, dgraft_node_set_first(set));
        }
    }
}

static void peers(struct script *script, const struct script_words *words)
{
    dgraft_node_id id = 0;
    if (script_id(script, words->at[1], &id)) {
        script_show_peers(script, id);
    }
}

const struct script_verb script_verbs_work[] = {
    {"propose", "ID NAME[/BYTES]...", 3, propose},
    {"read", "ID", 2, read_at},
    {"transfer", "ID [TO]", 2, transfer},
    {"change", "ID [voters=SET] [learners=SET] [promote=SET] [store=N]", 3, change},
    {"snapshot", "ID [BYTES [DIGEST]]", 2, snapshot},
    {"hold", "writes|stores|applies SET", 3, hold},
    {"release", "writes|stores|applies SET", 3, release},
    {"done", "writes|stores|applies ID", 3, done},
    {"applied", "ID INDEX", 3, applied},
    {"disk", "ID full|room|failed", 3, disk},
    {"show", "[SET]", 1, show},
    {"peers", "ID", 2, peers},
    {NULL, NULL, 0, NULL},
};
