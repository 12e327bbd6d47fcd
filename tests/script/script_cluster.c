/* A host: steps its core and carries its actions out, in their order. What is not held back is done at once: writes,
 * stores and applying; only then comes the next message.
 */
#include "script.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ANSWERS_MAX 64u

/* What the host owes the core once a step's actions are carried out. */
struct answers {
    struct dgraft_event events[ANSWERS_MAX];
    uint32_t count;
};

struct dgraft_core_status script_status(const struct script *script, dgraft_node_id id)
{
    struct dgraft_core_status status;
    memset(&status, 0, sizeof status);
    if (script->nodes[id].up) {
        dgraft_core_status(script->nodes[id].core, &status);
    }
    return status;
}

static void carry_out(struct script *script, dgraft_node_id id, const struct dgraft_action *action,
                      const struct script_entry *entries, struct dgraft_event *answer)
{
    struct script_node *node = &script->nodes[id];
    answer->kind = 0;
    script_print_action(script, id, action);
    switch (action->kind) {
    case DGRAFT_ACTION_WRITE:
        script_write_take(script, id, &action->u.write, entries);
        return;
    case DGRAFT_ACTION_INSTALL:
        script_install_take(script, id, &action->u.install);
        return;
    case DGRAFT_ACTION_SEND:
        script_send(script, id, &action->u.send, answer);
        return;
    case DGRAFT_ACTION_APPLY:
        script_judge_apply(script, id, &action->u.apply);
        node->apply_wanted = action->u.apply.last;
        return;
    case DGRAFT_ACTION_LOOKUP:
        answer->kind = DGRAFT_EVENT_TERM;
        answer->u.term.position = (struct dgraft_position){.index = action->u.lookup.index,
                                                           .term = script_log_term(&node->log, action->u.lookup.index)};
        return;
    case DGRAFT_ACTION_SNAPSHOT_STORE:
        if (node->store_count < SCRIPT_STORES) {
            node->stores[node->store_count++] = action->u.snapshot_store;
        }
        return;
    case DGRAFT_ACTION_COMPACT:
        script_compact_take(script, id, action->u.compact.position);
        return;
    case DGRAFT_ACTION_READ_READY:
        script_judge_read(script, id, &action->u.read_ready);
        return;
    case DGRAFT_ACTION_ACCEPTED:
    case DGRAFT_ACTION_OUTCOME:
    case DGRAFT_ACTION_NOTICE:
        return;
    case DGRAFT_ACTION_MEND:
        script_mend_take(script, id, &action->u.mend, entries);
        return;
    case DGRAFT_ACTION_REOPEN:
        node->reopen = true;
        return;
    }
}

/* Finishes what is not held back. */
static void work(struct script *script, dgraft_node_id id)
{
    struct script_node *node = &script->nodes[id];
    while (!node->held[SCRIPT_WORK_WRITES] && script_written(script, id)) {
    }
    while (!node->held[SCRIPT_WORK_STORES] && script_store_done(script, id)) {
    }
    if (node->reopen && node->write_count == 0) {
        script_reopen(script, id);
    }
    if (!node->held[SCRIPT_WORK_APPLIES] && node->applied < node->apply_wanted) {
        struct dgraft_event event = {.kind = DGRAFT_EVENT_APPLIED};
        node->applied = node->apply_wanted;
        event.u.applied.index = node->applied;
        (void)script_step(script, id, &event, NULL);
    }
}

bool script_step(struct script *script, dgraft_node_id id, const struct dgraft_event *event,
                 const struct script_entry *entries)
{
    struct script_node *node = &script->nodes[id];
    struct dgraft_event timed = *event;
    struct answers answers = {.count = 0};
    if (!node->up) {
        script_fail(script, "node %u is down", id);
        return false;
    }
    timed.now_ns = node->now_ns;
    memcpy(node->before, node->core, dgraft_core_size(&node->config));
    const enum dgraft_status status = dgraft_step(node->core, &timed, node->actions);
    if (status != DGRAFT_OK) {
        script_fail(script, "node %u refuses the event: status %d", id, (int)status);
        return false;
    }
    node->wake_at_ns = node->actions->wake_at_ns;
    script_judge_step(script, id, &timed);
    const size_t size = dgraft_actions_size(&node->config);
    struct dgraft_actions *actions = malloc(size);
    if (actions == NULL) {
        abort();
    }
    memcpy(actions, node->actions, size);
    for (uint32_t i = 0; i < actions->count; i++) {
        struct dgraft_event *answer = &answers.events[answers.count];
        carry_out(script, id, &actions->items[i], entries, answer);
        answers.count += answer->kind != 0 && answers.count + 1 < ANSWERS_MAX;
    }
    free(actions);
    script_judge_commit(script, id);
    for (uint32_t i = 0; i < answers.count; i++) {
        (void)script_step(script, id, &answers.events[i], NULL);
    }
    work(script, id);
    return true;
}

void script_start(struct script *script, dgraft_node_id id)
{
    struct script_node *node = &script->nodes[id];
    struct dgraft_term_run runs[SCRIPT_LOG + 1];
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START};
    const char *why = NULL;
    if (node->up) {
        script_fail(script, "node %u is up already", id);
        return;
    }
    node->config.self = id;
    node->config.seed = id;
    if (dgraft_config_check(&node->config, &why) != DGRAFT_OK) {
        script_fail(script, "node %u: %s", id, why);
        return;
    }
    node->core = dgraft_core_init(malloc(dgraft_core_size(&node->config)), &node->config);
    node->before = malloc(dgraft_core_size(&node->config));
    node->actions = dgraft_actions_init(malloc(dgraft_actions_size(&node->config)), &node->config);
    node->up = true;
    node->started_ns = node->now_ns;
    script_start_event(script, id, &event.u.start, runs);
    if (!script_step(script, id, &event, NULL)) {
        script_stop(script, id);
        return;
    }
    if (node->part.what.position.index > node->snapshot.what.position.index &&
        node->part_bytes < node->part.what.size) {
        struct dgraft_event stored = {.kind = DGRAFT_EVENT_SNAPSHOT_STORED};
        stored.u.snapshot_stored.snapshot = node->part.what;
        stored.u.snapshot_stored.offset = node->part_bytes;
        (void)script_step(script, id, &stored, NULL);
    }
}

void script_stop(struct script *script, dgraft_node_id id)
{
    struct script_node *node = &script->nodes[id];
    free(node->core);
    free(node->before);
    free(node->actions);
    node->core = NULL;
    node->before = NULL;
    node->actions = NULL;
    node->up = false;
}
