/* The table of moves: what may happen next. A new kind of move is a row here: what it spends, when it is possible, and
 * what it does.
 */
#include "explore.h"
#include "explore_history.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* Pre-votes that teach terms may lead to others; each raises the term, so that they end. */
#define CASCADE_MAX 64u

#define ARGUMENTS_MAX 96u

struct row {
    const char *name;
    enum explore_budget budget;
    /* Lists the arguments with which the move is possible at a node. */
    uint32_t (*list)(const struct explore *explore, const struct explore_state *state, uint32_t node,
                     uint32_t *arguments);
    bool (*make)(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument);
};

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

static bool asks_for_vote(const struct explore_message *message)
{
    return message->type == DGRAFT_MESSAGE_PRE_VOTE_REQUEST || message->type == DGRAFT_MESSAGE_VOTE_REQUEST;
}

/* One event after the other, as they follow at once. */
struct cascade {
    struct explore *explore;
    struct explore_state *state;
    bool quiet; /* no leader was heard for long, by those who are asked for a pre-vote */
    uint32_t count;
    uint32_t done;
    uint32_t letters[CASCADE_MAX];
};

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
    if (!explore_history_follow(explore, state, node, former, &effects)) {
        return false;
    }
    for (uint32_t i = 0; i < effects.sent_count; i++) {
        struct explore_message message;
        explore_nodes_message(&explore->nodes, effects.sent[i], &message);
        const bool at_once = !explore->options.pre_votes_apart && is_pre_vote(&message);
        if (at_once && cascade->count < CASCADE_MAX) {
            cascade->letters[cascade->count++] = effects.sent[i];
        } else if (!explore_state_send(state, effects.sent[i])) {
            return explore_nodes_fail(&explore->nodes, "out of the model's bounds: %u messages in flight",
                                      EXPLORE_MESSAGES_MAX);
        }
    }
    const uint8_t writes = view_of(explore, state, node)->write_count;
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
            cascade->quiet && asks_for_vote(&message) && view_of(explore, cascade->state, to)->hears_leader != 0;
        if (!strike(cascade, to, (struct explore_event){EXPLORE_EVENT_ARRIVAL, letter << 1 | quiet})) {
            return false;
        }
    }
    return true;
}

static bool happens(struct explore *explore, struct explore_state *state, uint32_t node, struct explore_event event)
{
    struct cascade cascade = {.explore = explore, .state = state};
    return happen(&cascade, node, event);
}

static uint32_t list_arrivals(const struct explore *explore, const struct explore_state *state, uint32_t node,
                              uint32_t *arguments)
{
    const bool hears = view_of(explore, state, node)->hears_leader != 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < state->message_count; i++) {
        struct explore_message message;
        if (i > 0 && state->messages[i] == state->messages[i - 1]) {
            continue;
        }
        explore_nodes_message(&explore->nodes, state->messages[i], &message);
        if (message.to != node + 1) {
            continue;
        }
        arguments[count++] = state->messages[i] << 1;
        if (hears && asks_for_vote(&message) && count < ARGUMENTS_MAX) {
            arguments[count++] = state->messages[i] << 1 | 1;
        }
    }
    return count;
}

static bool make_arrival(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    explore_state_take(state, argument >> 1);
    return happens(explore, state, node, (struct explore_event){EXPLORE_EVENT_ARRIVAL, argument});
}

static bool make_repeat(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    return happens(explore, state, node, (struct explore_event){EXPLORE_EVENT_ARRIVAL, argument});
}

static uint32_t list_losses(const struct explore *explore, const struct explore_state *state, uint32_t node,
                            uint32_t *arguments)
{
    uint32_t arrivals[ARGUMENTS_MAX];
    uint32_t count = 0;
    const uint32_t arrival_count = list_arrivals(explore, state, node, arrivals);
    for (uint32_t i = 0; i < arrival_count; i++) {
        if ((arrivals[i] & 1) == 0) {
            arguments[count++] = arrivals[i] >> 1;
        }
    }
    return count;
}

static bool make_loss(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    (void)explore;
    (void)node;
    explore_state_take(state, argument);
    return true;
}

static uint32_t list_clock(const struct explore *explore, const struct explore_state *state, uint32_t node,
                           enum explore_clock clock)
{
    return view_of(explore, state, node)->clocks >> clock & 1u;
}

/* Argument 1: those who are asked have not heard a leader for long. */
static uint32_t list_asking(const struct explore *explore, const struct explore_state *state, uint32_t node,
                            enum explore_clock clock, uint32_t *arguments)
{
    bool heard = false;
    for (uint32_t i = 0; i < explore->options.nodes; i++) {
        heard |= i != node && view_of(explore, state, i)->hears_leader != 0;
    }
    arguments[0] = 0;
    arguments[1] = 1;
    if (list_clock(explore, state, node, clock) == 0) {
        return 0;
    }
    return heard && !explore->options.pre_votes_apart ? 2 : 1;
}

static uint32_t list_elections(const struct explore *explore, const struct explore_state *state, uint32_t node,
                               uint32_t *arguments)
{
    return list_asking(explore, state, node, EXPLORE_CLOCK_ELECTION, arguments);
}

static bool make_election(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    struct cascade cascade = {.explore = explore, .state = state, .quiet = argument != 0};
    return happen(&cascade, node, (struct explore_event){EXPLORE_EVENT_CLOCK, EXPLORE_CLOCK_ELECTION});
}

static uint32_t list_resends(const struct explore *explore, const struct explore_state *state, uint32_t node,
                             uint32_t *arguments)
{
    return list_asking(explore, state, node, EXPLORE_CLOCK_RESEND, arguments);
}

static bool make_resend(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    struct cascade cascade = {.explore = explore, .state = state, .quiet = argument != 0};
    return happen(&cascade, node, (struct explore_event){EXPLORE_EVENT_CLOCK, EXPLORE_CLOCK_RESEND});
}

static uint32_t list_heartbeats(const struct explore *explore, const struct explore_state *state, uint32_t node,
                                uint32_t *arguments)
{
    arguments[0] = EXPLORE_CLOCK_HEARTBEAT;
    return list_clock(explore, state, node, EXPLORE_CLOCK_HEARTBEAT);
}

static uint32_t list_news(const struct explore *explore, const struct explore_state *state, uint32_t node,
                          uint32_t *arguments)
{
    arguments[0] = EXPLORE_CLOCK_NEWS;
    return list_clock(explore, state, node, EXPLORE_CLOCK_NEWS);
}

static uint32_t list_quorums(const struct explore *explore, const struct explore_state *state, uint32_t node,
                             uint32_t *arguments)
{
    arguments[0] = EXPLORE_CLOCK_QUORUM;
    return list_clock(explore, state, node, EXPLORE_CLOCK_QUORUM);
}

static bool make_clock(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    return happens(explore, state, node, (struct explore_event){EXPLORE_EVENT_CLOCK, argument});
}

/* One WRITE is done, or all of them in one batch. */
static uint32_t list_durables(const struct explore *explore, const struct explore_state *state, uint32_t node,
                              uint32_t *arguments)
{
    const uint32_t writes = view_of(explore, state, node)->write_count;
    arguments[0] = 1;
    arguments[1] = writes;
    return writes < 2 ? writes : 2;
}

static bool make_durable(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    return happens(explore, state, node, (struct explore_event){EXPLORE_EVENT_DURABLE, argument});
}

static uint32_t list_leaders(const struct explore *explore, const struct explore_state *state, uint32_t node,
                             uint32_t *arguments)
{
    arguments[0] = 0;
    return view_of(explore, state, node)->role == DGRAFT_ROLE_LEADER;
}

static bool make_proposal(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    (void)argument;
    const uint32_t number = state->spent[EXPLORE_BUDGET_COMMANDS] - 1u;
    return happens(explore, state, node, (struct explore_event){EXPLORE_EVENT_PROPOSE, number});
}

static bool make_read(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    (void)argument;
    const uint32_t number = state->spent[EXPLORE_BUDGET_READS] - 1u;
    explore_history_read(explore, state, number);
    return happens(explore, state, node, (struct explore_event){EXPLORE_EVENT_READ, number});
}

static uint32_t list_crashes(const struct explore *explore, const struct explore_state *state, uint32_t node,
                             uint32_t *arguments)
{
    const struct explore_view *view = view_of(explore, state, node);
    uint32_t count = 0;
    for (uint32_t done = 0; done <= view->write_count; done++) {
        arguments[count++] = 2 * done;
        if (done < view->write_count && (view->write_parts >> done & 1) != 0) {
            arguments[count++] = 2 * done + 1;
        }
    }
    return count;
}

static bool make_crash(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    return happens(explore, state, node, (struct explore_event){EXPLORE_EVENT_CRASH, argument});
}

static const struct row rows[] = {
    {"receives", EXPLORE_BUDGET_FREE, list_arrivals, make_arrival},
    {"writes are durable", EXPLORE_BUDGET_FREE, list_durables, make_durable},
    {"tells news of the commit index", EXPLORE_BUDGET_FREE, list_news, make_clock},
    {"takes a command", EXPLORE_BUDGET_COMMANDS, list_leaders, make_proposal},
    {"takes a read", EXPLORE_BUDGET_READS, list_leaders, make_read},
    {"times out", EXPLORE_BUDGET_TIMEOUTS, list_elections, make_election},
    {"has heard no quorum for long", EXPLORE_BUDGET_TIMEOUTS, list_quorums, make_clock},
    {"sends heartbeats", EXPLORE_BUDGET_TICKS, list_heartbeats, make_clock},
    {"asks for votes once more", EXPLORE_BUDGET_TICKS, list_resends, make_resend},
    {"will not receive", EXPLORE_BUDGET_LOSSES, list_losses, make_loss},
    {"receives, not for the last time,", EXPLORE_BUDGET_DUPLICATES, list_arrivals, make_repeat},
    {"crashes and starts", EXPLORE_BUDGET_CRASHES, list_crashes, make_crash},
};

#define ROW_COUNT (sizeof rows / sizeof rows[0])

uint32_t explore_moves_list(const struct explore *explore, const struct explore_state *state,
                            struct explore_move *moves)
{
    uint32_t count = 0;
    for (uint32_t row = 0; row < ROW_COUNT; row++) {
        const enum explore_budget budget = rows[row].budget;
        if (budget != EXPLORE_BUDGET_FREE && state->spent[budget] >= explore->options.budgets[budget]) {
            continue;
        }
        for (uint32_t node = 0; node < explore->options.nodes; node++) {
            uint32_t arguments[ARGUMENTS_MAX];
            const uint32_t found = rows[row].list(explore, state, node, arguments);
            for (uint32_t i = 0; i < found; i++) {
                assert(count < EXPLORE_MOVES_MAX);
                moves[count++] = (struct explore_move){row, node, arguments[i]};
            }
        }
    }
    return count;
}

bool explore_moves_make(struct explore *explore, const struct explore_state *state, const struct explore_move *move,
                        struct explore_state *after)
{
    const enum explore_budget budget = rows[move->row].budget;
    *after = *state;
    if (budget != EXPLORE_BUDGET_FREE) {
        after->spent[budget]++;
    }
    return rows[move->row].make(explore, after, move->node, move->argument);
}

static const char *message_name(uint8_t type)
{
    static const char *const names[] = {"?",          "PRE_VOTE?",    "PRE_VOTE_GRANT", "PRE_VOTE_REFUSE",
                                        "VOTE?",      "VOTE_GRANT",   "VOTE_REFUSE",    "APPEND",
                                        "APPEND_ACK", "APPEND_REFUSE"};
    return type < sizeof names / sizeof names[0] ? names[type] : names[0];
}

void explore_message_print(const struct explore *explore, uint32_t number, FILE *out)
{
    struct explore_message message;
    explore_nodes_message(&explore->nodes, number, &message);
    (void)fprintf(out, "%s %u>%u t%u", message_name(message.type), message.from, message.to, message.term);
    if (asks_for_vote(&message)) {
        (void)fprintf(out, " for t%u, last %u/t%u", message.request_term, message.index, message.index_term);
    } else if (message.type == DGRAFT_MESSAGE_APPEND) {
        (void)fprintf(out, " prev %u/t%u", message.index, message.index_term);
        for (uint32_t i = 0; i < message.count; i++) {
            (void)fprintf(out, " +%u/t%u", message.index + 1 + i, explore_entry_term(message.entries[i]));
        }
        (void)fprintf(out, " commit %u round %u", message.commit, message.round);
    } else if (message.type == DGRAFT_MESSAGE_APPEND_ACK) {
        (void)fprintf(out, " match %u round %u", message.index, message.round);
    } else if (message.type == DGRAFT_MESSAGE_APPEND_REFUSE) {
        (void)fprintf(out, " prev %u hint %u/t%u round %u reason %u", message.index, message.hint, message.hint_term,
                      message.round, message.reason);
    } else {
        (void)fprintf(out, " of t%u", message.request_term);
        if (message.reason != 0) {
            (void)fprintf(out, " reason %u", message.reason);
        }
    }
}

void explore_moves_print(const struct explore *explore, const struct explore_state *state,
                         const struct explore_move *move, FILE *out)
{
    const struct row *row = &rows[move->row];
    (void)fprintf(out, "node %u %s", move->node + 1, row->name);
    if (row->list == list_arrivals || row->list == list_losses) {
        const uint32_t shift = row->list == list_arrivals;
        (void)fputc(' ', out);
        explore_message_print(explore, move->argument >> shift, out);
        if (shift != 0 && (move->argument & 1) != 0) {
            (void)fputs(", long after it heard a leader", out);
        }
    } else if (row->make == make_crash) {
        (void)fprintf(out, " again, %u of %u writes done", move->argument >> 1,
                      view_of(explore, state, move->node)->write_count);
        (void)fputs((move->argument & 1) != 0 ? ", and of the next term and vote" : "", out);
    } else if (row->make == make_durable) {
        (void)fprintf(out, ": %u of %u", move->argument, view_of(explore, state, move->node)->write_count);
    } else if ((row->make == make_election || row->make == make_resend) && move->argument != 0) {
        (void)fputs(", and so long that the others no longer count on a leader", out);
    }
}
