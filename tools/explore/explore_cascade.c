#include "explore_cascade.h"

#include "explore_history.h"
#include "explore_queue.h"

/* Pre-votes that teach terms may lead to others; each raises the term, so that they end. */
#define CASCADE_MAX 64u

static const struct explore_view *view_of(const struct explore *explore, const struct explore_state *state,
                                          uint32_t node)
{
    return explore_nodes_view(&explore->nodes, state->nodes[node]);
}

static bool is_pre_vote(const struct explore_message *message)
{
    return message->type == DGRAFT_MESSAGE_PRE_VOTE_REQUEST || message->type == DGRAFT_MESSAGE_PRE_VOTE_GRANT ||
           message->type == DGRAFT_MESSAGE_PRE_VOTE_REFUSE;
}

/* One event after the other, as they follow at once. */
struct cascade {
    struct explore *explore;
    struct explore_state *state;
    bool quiet; /* no leader was heard for long, by those who are asked for a pre-vote */
    uint32_t count;
    uint32_t done;
    uint32_t letters[CASCADE_MAX + 1];
};

/* Puts in flight, or under way, what an event has left behind. Returns false when it is too much. */
static bool depart(struct cascade *cascade, uint32_t node, uint32_t new_writes, const struct explore_effects *effects)
{
    struct explore *explore = cascade->explore;
    struct explore_state *state = cascade->state;
    bool room = true;
    for (uint32_t i = 0; explore->options.in_order && !explore->options.disks_prompt && i < new_writes; i++) {
        room = explore_queue_push(state, explore_queue_write(node)) && room;
    }
    for (uint32_t i = 0; i < effects->sent_count; i++) {
        struct explore_message message;
        explore_nodes_message(&explore->nodes, effects->sent[i], &message);
        if (!explore->options.pre_votes_apart && is_pre_vote(&message)) {
            room = cascade->count < CASCADE_MAX && room;
            cascade->letters[cascade->count] = effects->sent[i];
            cascade->count += room;
        } else if (explore->options.in_order) {
            room = explore_queue_push(state, explore_queue_message(effects->sent[i])) && room;
        } else {
            room = explore_state_send(state, effects->sent[i]) && room;
        }
    }
    return room || explore_nodes_fail(&explore->nodes, "out of the model's bounds: %u messages in flight",
                                      EXPLORE_MESSAGES_MAX);
}

static bool strike(struct cascade *cascade, uint32_t node, struct explore_event event)
{
    struct explore *explore = cascade->explore;
    struct explore_state *state = cascade->state;
    struct explore_effects effects;
    const uint32_t former = state->nodes[node];
    const uint32_t next = explore_nodes_step(&explore->nodes, former, event, &effects);
    if (next == EXPLORE_NUMBER_NONE) {
        return false;
    }
    state->nodes[node] = next;
    const uint32_t writes = view_of(explore, state, node)->write_count;
    uint32_t left = explore_nodes_view(&explore->nodes, former)->write_count;
    left = event.kind == EXPLORE_EVENT_CRASH ? 0 : left;
    left -= event.kind == EXPLORE_EVENT_DURABLE ? event.argument : 0;
    if (!explore_history_follow(explore, state, node, former, &effects) ||
        !depart(cascade, node, writes - left, &effects)) {
        return false;
    }
    if (explore->options.disks_prompt && writes > 0) {
        return strike(cascade, node, (struct explore_event){EXPLORE_EVENT_DURABLE, writes});
    }
    return true;
}

static bool happen(struct cascade *cascade, uint32_t node, struct explore_event event)
{
    struct explore *explore = cascade->explore;
    if (!strike(cascade, node, event)) {
        return false;
    }
    while (cascade->done < cascade->count) {
        struct explore_message message;
        const uint32_t letter = cascade->letters[cascade->done++];
        explore_nodes_message(&explore->nodes, letter, &message);
        const uint32_t to = message.to - 1u;
        const bool quiet =
            cascade->quiet && explore_message_asks(&message) && view_of(explore, cascade->state, to)->hears_leader != 0;
        if (!strike(cascade, to, (struct explore_event){EXPLORE_EVENT_ARRIVAL, letter << 1 | quiet})) {
            return false;
        }
    }
    return true;
}

bool explore_cascade(struct explore *explore, struct explore_state *state, uint32_t node, struct explore_event event)
{
    struct cascade cascade = {.explore = explore, .state = state};
    return happen(&cascade, node, event);
}

bool explore_cascade_quiet(struct explore *explore, struct explore_state *state, uint32_t node,
                           struct explore_event event)
{
    struct cascade cascade = {.explore = explore, .state = state, .quiet = true};
    return happen(&cascade, node, event);
}
