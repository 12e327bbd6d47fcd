#include "explore_history.h"

#include <assert.h>
#include <string.h>

/* A state as the rules see it: node i has id i + 1. */
struct scene {
    struct explore *explore;
    struct explore_history history;
    const struct explore_view *views[EXPLORE_NODES_MAX];
    const struct explore_view *before;
    const struct explore_view *now;
    uint32_t count;
    uint32_t node;
    uint32_t id;
};

static struct explore_history get(const struct explore *explore, uint32_t number)
{
    struct explore_history history;
    uint32_t size = 0;
    const uint8_t *bytes = explore_pool_get(&explore->histories, number, &size);
    assert(size == sizeof history);
    memcpy(&history, bytes, sizeof history);
    return history;
}

static uint32_t put(struct explore *explore, const struct explore_history *history)
{
    return explore_pool_put(&explore->histories, history, sizeof *history);
}

uint32_t explore_history_first(struct explore *explore)
{
    struct explore_history history;
    memset(&history, 0, sizeof history);
    history.committed.last = 1;
    history.committed.entries[0] = explore_entry(1, EXPLORE_CONTENT_MEMBERS);
    return put(explore, &history);
}

static bool leads(const struct explore_view *view)
{
    return view->role == DGRAFT_ROLE_LEADER;
}

#define FAIL(scene, ...) explore_nodes_fail(&(scene)->explore->nodes, __VA_ARGS__)

static bool check_logs(const struct scene *scene)
{
    const struct explore_log *mine = &scene->now->log;
    for (uint32_t i = 0; i < scene->count; i++) {
        const struct explore_log *other = &scene->views[i]->log;
        uint8_t index = mine->last < other->last ? mine->last : other->last;
        while (index > 0 && explore_log_term(mine, index) != explore_log_term(other, index)) {
            index--;
        }
        if (explore_log_common(mine, other) < index) {
            return FAIL(scene, "I-LM: nodes %u and %u both have entry (%u, term %u) and differ at or before it",
                        scene->id, i + 1, index, explore_log_term(mine, index));
        }
    }
    return true;
}

static bool check_leader(struct scene *scene)
{
    struct explore_history *history = &scene->history;
    const struct explore_view *now = scene->now;
    if (!leads(now) || (leads(scene->before) && scene->before->term == now->term)) {
        return true;
    }
    if (history->leaders[now->term] != 0 && history->leaders[now->term] != scene->id) {
        return FAIL(scene, "I-LEAD: nodes %u and %u both lead term %u", history->leaders[now->term], scene->id,
                    now->term);
    }
    history->leaders[now->term] = (uint8_t)scene->id;
    if (now->disk.damaged != 0) {
        return FAIL(scene, "I-DAMAGE: node %u leads term %u, and entry %u is damaged", scene->id, now->term,
                    explore_first_damaged(now->disk.damaged));
    }
    for (uint32_t i = 0; i < history->committed.last; i++) {
        if (history->committed_in[i] < now->term &&
            (i >= now->log.last || now->log.entries[i] != history->committed.entries[i])) {
            return FAIL(scene, "I-LC: node %u leads term %u without entry (%u, term %u), which is committed", scene->id,
                        now->term, i + 1, explore_entry_term(history->committed.entries[i]));
        }
    }
    return true;
}

/* Entry `index` of the node's log is committed for the first time. */
static bool commit(struct scene *scene, uint32_t index)
{
    struct explore_history *history = &scene->history;
    const uint8_t entry = scene->now->log.entries[index - 1];
    uint32_t holders = 0;
    for (uint32_t i = 0; i < scene->count; i++) {
        const struct explore_view *view = scene->views[i];
        holders += view->disk.log.last >= index && view->disk.log.entries[index - 1] == entry;
        if (leads(view) && view->term > scene->now->term &&
            (view->log.last < index || view->log.entries[index - 1] != entry)) {
            return FAIL(scene, "I-LC: node %u commits (%u, term %u) in term %u; node %u leads term %u without it",
                        scene->id, index, explore_entry_term(entry), scene->now->term, i + 1, view->term);
        }
    }
    if (holders * 2 <= scene->count) {
        return FAIL(scene, "I-CQ: node %u commits (%u, term %u), which is on %u of %u disks", scene->id, index,
                    explore_entry_term(entry), holders, scene->count);
    }
    history->committed.entries[index - 1] = entry;
    history->committed.last = (uint8_t)index;
    history->committed_in[index - 1] = scene->now->term;
    return true;
}

static bool check_commit(struct scene *scene)
{
    const struct explore_view *now = scene->now;
    struct explore_log *committed = &scene->history.committed;
    if (now->commit > now->log.last) {
        return FAIL(scene, "I-CI: node %u commits %u and has %u", scene->id, now->commit, now->log.last);
    }
    const uint8_t least = now->commit < committed->last ? now->commit : committed->last;
    if (memcmp(now->log.entries, committed->entries, least) != 0) {
        return FAIL(scene, "I-SMS: node %u takes another entry for committed than was, at or before %u", scene->id,
                    least);
    }
    if (now->commit > committed->last && leads(now) && explore_log_term(&now->log, now->commit) != now->term) {
        return FAIL(scene, "I-CQ: the leader of term %u commits by an entry of term %u", now->term,
                    explore_log_term(&now->log, now->commit));
    }
    while (now->commit > committed->last) {
        if (!commit(scene, committed->last + 1u)) {
            return false;
        }
    }
    const uint8_t held = explore_log_common(&scene->before->disk.log, committed);
    if (explore_log_common(&now->disk.log, committed) < held) {
        return FAIL(scene, "I-TRUNC: the disk of node %u loses entry %u or one before, which is committed", scene->id,
                    held);
    }
    return true;
}

/* A leader of a later term may have overwritten what an older one counts: that one will learn of it. */
static bool check_match(const struct scene *scene)
{
    for (uint32_t i = 0; i < scene->count; i++) {
        const struct explore_view *leader = scene->views[i];
        for (uint32_t j = 0; leads(leader) && j < scene->count; j++) {
            const struct explore_view *peer = scene->views[j];
            if (i == j || (i != scene->node && j != scene->node) || peer->disk.term > leader->term) {
                continue;
            }
            const uint8_t common = explore_log_common(&leader->log, &peer->disk.log);
            if (leader->match[j + 1] > common) {
                return FAIL(scene, "I-MATCH: node %u takes %u for durable at node %u, and it is up to %u", i + 1,
                            leader->match[j + 1], j + 1, common);
            }
        }
    }
    return true;
}

static bool note_vote(struct scene *scene, uint8_t term, uint8_t candidate)
{
    struct explore_history *history = &scene->history;
    const uint32_t id = scene->id;
    if (history->voted_term[id] == term && history->voted_for[id] != candidate) {
        return FAIL(scene, "I-VOTE: node %u votes for %u and for %u in term %u", id, history->voted_for[id], candidate,
                    term);
    }
    if (term > history->voted_term[id]) {
        history->voted_term[id] = term;
        history->voted_for[id] = candidate;
    }
    return true;
}

static bool check_ack(const struct scene *scene, const struct explore_message *ack)
{
    for (uint32_t i = 0; i < scene->count; i++) {
        const struct explore_view *leader = scene->views[i];
        if (!leads(leader) || leader->term != ack->term) {
            continue;
        }
        if (explore_log_common(&scene->now->disk.log, &leader->log) < ack->index) {
            return FAIL(scene, "I-ACK: node %u acknowledges %u to the leader of term %u, whose log is another",
                        scene->id, ack->index, ack->term);
        }
    }
    return true;
}

static bool check_sent(struct scene *scene, const struct explore_effects *effects)
{
    for (uint32_t i = 0; i < effects->sent_count; i++) {
        struct explore_message message;
        bool fine = true;
        explore_nodes_message(&scene->explore->nodes, effects->sent[i], &message);
        if (message.type == DGRAFT_MESSAGE_VOTE_REQUEST) {
            fine = note_vote(scene, message.term, message.from);
        } else if (message.type == DGRAFT_MESSAGE_VOTE_GRANT) {
            fine = note_vote(scene, message.request_term, message.to);
        } else if (message.type == DGRAFT_MESSAGE_APPEND_ACK) {
            fine = check_ack(scene, &message);
        }
        if (!fine) {
            return false;
        }
    }
    for (uint32_t i = 0; i < EXPLORE_READS_MAX; i++) {
        if (effects->ready[i] == 0) {
            continue;
        }
        if (effects->ready[i] < scene->history.read_floor[i]) {
            return FAIL(scene, "I-READ: a read is answered at %u, when it was made %u was committed",
                        effects->ready[i] - 1, scene->history.read_floor[i] - 1);
        }
        scene->history.read_floor[i] = 0;
    }
    return true;
}

/* Drops what can no longer matter. */
static void forget(struct scene *scene)
{
    struct explore_history *history = &scene->history;
    uint8_t oldest = UINT8_MAX;
    for (uint32_t i = 0; i < scene->count; i++) {
        const uint8_t term = scene->views[i]->disk.term;
        oldest = term < oldest ? term : oldest;
        if (history->voted_term[i + 1] < term) {
            history->voted_term[i + 1] = 0;
            history->voted_for[i + 1] = 0;
        }
    }
    memset(history->leaders, 0, oldest < EXPLORE_TERM_MAX ? oldest : EXPLORE_TERM_MAX);
    for (uint32_t i = 0; i < history->committed.last; i++) {
        if (history->committed_in[i] < oldest) {
            history->committed_in[i] = 0;
        }
    }
}

bool explore_history_follow(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t former,
                            const struct explore_effects *effects)
{
    struct scene scene = {.explore = explore, .count = explore->options.nodes, .node = node, .id = node + 1};
    const struct explore_history before = get(explore, state->history);
    scene.history = before;
    for (uint32_t i = 0; i < scene.count; i++) {
        scene.views[i] = explore_nodes_view(&explore->nodes, state->nodes[i]);
    }
    scene.now = scene.views[node];
    scene.before = explore_nodes_view(&explore->nodes, former);
    if (!check_logs(&scene) || !check_leader(&scene) || !check_commit(&scene) || !check_match(&scene) ||
        !check_sent(&scene, effects)) {
        return false;
    }
    forget(&scene);
    if (memcmp(&scene.history, &before, sizeof before) != 0) {
        state->history = put(explore, &scene.history);
    }
    return true;
}

void explore_history_read(struct explore *explore, struct explore_state *state, uint32_t read)
{
    struct explore_history history = get(explore, state->history);
    assert(read < EXPLORE_READS_MAX);
    history.read_floor[read] = (uint8_t)(1 + history.committed.last);
    state->history = put(explore, &history);
}

uint32_t explore_history_rename(struct explore *explore, uint32_t number, const uint8_t *names)
{
    const struct explore_history from = get(explore, number);
    struct explore_history to = from;
    for (uint32_t term = 0; term <= EXPLORE_TERM_MAX; term++) {
        to.leaders[term] = names[from.leaders[term]];
    }
    for (uint32_t id = 1; id <= explore->options.nodes; id++) {
        to.voted_term[names[id]] = from.voted_term[id];
        to.voted_for[names[id]] = names[from.voted_for[id]];
    }
    return put(explore, &to);
}
