/* Actions and states, a line each. WRITEs and SENDs are printed where they are carried out. */
#include "script.h"

#include <inttypes.h>

static void print_outcome(struct script *script, dgraft_node_id id, const struct dgraft_action_outcome *outcome)
{
    const char *name = script_outcome_name(outcome->outcome);
    switch (outcome->of) {
    case DGRAFT_OUTCOME_OF_PROPOSALS:
        if (outcome->first != 0) {
            script_say(script, 1, "%u answers entries %" PRIu64 " to %" PRIu64 ": %s", id, outcome->first,
                       outcome->last, name);
            return;
        }
        script_say(script, 1, "%u answers proposal p%" PRIu64 ": %s, leader %u", id, outcome->id, name,
                   outcome->leader);
        return;
    case DGRAFT_OUTCOME_OF_READ:
        script_say(script, 1, "%u answers read r%" PRIu64 ": %s, leader %u", id, outcome->id, name, outcome->leader);
        return;
    case DGRAFT_OUTCOME_OF_CHANGE:
        script_say(script, 1, "%u answers change c%" PRIu64 ": %s", id, outcome->id, name);
        return;
    case DGRAFT_OUTCOME_OF_TRANSFER:
        script_say(script, 1, "%u answers transfer c%" PRIu64 ": %s, leader %u", id, outcome->id, name,
                   outcome->leader);
        return;
    }
}

static void print_notice(struct script *script, dgraft_node_id id, const struct dgraft_action_notice *notice)
{
    struct script_text text = {.bytes = NULL};
    switch (notice->kind) {
    case DGRAFT_NOTICE_ROLE:
        script_say(script, 1, "%u becomes %s in term %" PRIu64, id, dgraft_role_name((enum dgraft_role)notice->after),
                   script_status(script, id).term);
        return;
    case DGRAFT_NOTICE_TERM:
        script_say(script, 1, "%u is in term %" PRIu64, id, notice->after);
        return;
    case DGRAFT_NOTICE_LEADER:
        if (notice->after == 0) {
            script_say(script, 1, "%u follows nobody", id);
        } else if (notice->after != id) {
            script_say(script, 1, "%u follows %" PRIu64, id, notice->after);
        }
        return;
    case DGRAFT_NOTICE_COMMIT:
        script_say(script, 1, "%u commits %" PRIu64, id, notice->after);
        return;
    case DGRAFT_NOTICE_MEMBERSHIP:
        script_print_membership(&text, dgraft_core_membership(script->nodes[id].core));
        script_say(script, 1, "%u has members %s", id, text.bytes);
        script_text_free(&text);
        return;
    case DGRAFT_NOTICE_PEER_LAG:
        script_say(script, 1, "%u sees %u lag by %" PRIu64, id, notice->peer, notice->after);
        return;
    case DGRAFT_NOTICE_DISK:
        script_say(script, 1, "%u disk alarm %s", id, notice->after != 0 ? "on" : "off");
        return;
    case DGRAFT_NOTICE_FOREIGN_STORE:
        script_say(script, 1, "%u sees store %" PRIu64 " speak for %u, whose store is %" PRIu64, id, notice->after,
                   notice->peer, notice->before);
        return;
    }
}

void script_print_action(struct script *script, dgraft_node_id id, const struct dgraft_action *action)
{
    switch (action->kind) {
    case DGRAFT_ACTION_WRITE:
    case DGRAFT_ACTION_SEND:
    case DGRAFT_ACTION_INSTALL:
    case DGRAFT_ACTION_REOPEN:
        return;
    case DGRAFT_ACTION_MEND:
        script_say(script, 1, "%u mends %" PRIu64 " to %" PRIu64, id, action->u.mend.first,
                   action->u.mend.first + action->u.mend.count - 1);
        return;
    case DGRAFT_ACTION_APPLY:
        script_say(script, 1, "%u applies %" PRIu64 " to %" PRIu64, id, action->u.apply.first, action->u.apply.last);
        return;
    case DGRAFT_ACTION_ACCEPTED:
        script_say(script, 1, "%u accepts p%" PRIu64 " at %" PRIu64 ":%" PRIu64, id, action->u.accepted.id,
                   action->u.accepted.first.index, action->u.accepted.first.term);
        return;
    case DGRAFT_ACTION_OUTCOME:
        print_outcome(script, id, &action->u.outcome);
        return;
    case DGRAFT_ACTION_READ_READY:
        script_say(script, 1, "%u serves read r%" PRIu64 " at %" PRIu64 "%s", id, action->u.read_ready.id,
                   action->u.read_ready.index, action->u.read_ready.lease_until_ns != 0 ? " under its lease" : "");
        return;
    case DGRAFT_ACTION_LOOKUP:
        script_say(script, 1, "%u looks up the term of %" PRIu64, id, action->u.lookup.index);
        return;
    case DGRAFT_ACTION_NOTICE:
        print_notice(script, id, &action->u.notice);
        return;
    case DGRAFT_ACTION_SNAPSHOT_STORE:
        script_say(script, 1, "%u stores %" PRIu32 " bytes at %" PRIu64 " of snapshot %" PRIu64, id,
                   action->u.snapshot_store.bytes, action->u.snapshot_store.offset,
                   action->u.snapshot_store.snapshot.position.index);
        return;
    case DGRAFT_ACTION_COMPACT:
        script_say(script, 1, "%u compacts up to %" PRIu64 ":%" PRIu64, id, action->u.compact.position.index,
                   action->u.compact.position.term);
        return;
    }
}

void script_show(struct script *script, dgraft_node_id id)
{
    const struct script_node *node = &script->nodes[id];
    struct script_text text = {.bytes = NULL};
    if (!node->up) {
        script_say(script, 0, "%u is down", id);
        return;
    }
    const struct dgraft_core_status status = script_status(script, id);
    script_text_add(&text, "%u %s%s term %" PRIu64 " vote %u leader %u commit %" PRIu64 " applied %" PRIu64, id,
                    dgraft_role_name(status.role), status.poisoned ? " poisoned" : "", status.term, status.vote,
                    status.leader, status.commit, status.applied);
    if (status.snapshot.position.index != 0) {
        script_text_add(&text, " snapshot %" PRIu64, status.snapshot.position.index);
    }
    script_print_log(&text, node);
    script_say(script, 0, "%s", text.bytes);
    script_text_free(&text);
}

void script_show_peers(struct script *script, dgraft_node_id id)
{
    const struct dgraft_core_status status = script_status(script, id);
    for (uint32_t i = 0; i < status.peer_count; i++) {
        const struct dgraft_peer_status *peer = &status.peers[i];
        struct script_text text = {.bytes = NULL};
        script_text_add(&text, "%u of %u: match %" PRIu64 " next %" PRIu64, id, peer->id, peer->match, peer->next);
        script_text_add(&text, "%s%s%s", peer->probing ? " probing" : "", peer->departing ? " departing" : "",
                        peer->caught_up ? " caught-up" : "");
        if (peer->inflight != 0) {
            script_text_add(&text, " inflight %" PRIu32, peer->inflight);
        }
        if (peer->snapshot) {
            script_text_add(&text, " snapshot offset %" PRIu64, peer->snapshot_offset);
        }
        script_say(script, 0, "%s", text.bytes);
        script_text_free(&text);
    }
}
