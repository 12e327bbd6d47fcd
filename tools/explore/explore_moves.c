/* The table of moves: what may happen next. A new kind of move is a row here: what it spends, when it is possible, and
 * what it does.
 */
#include "explore_cascade.h"
#include "explore_history.h"
#include "explore_queue.h"

#include <assert.h>

#define ARGUMENTS_MAX 128u

struct print {
    FILE *out;
    const uint8_t *names;
};

struct row {
    const char *name;
    enum explore_budget budget;
    /* Lists the arguments with which the move is possible at a node. */
    uint32_t (*list)(const struct explore *explore, const struct explore_state *state, uint32_t node,
                     uint32_t *arguments);
    bool (*make)(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument);
    /* Prints what stands behind "node 1 NAME". */
    void (*print)(const struct explore *explore, const struct explore_state *state, const struct explore_move *move,
                  const struct print *print);
};

static const struct explore_view *view_of(const struct explore *explore, const struct explore_state *state,
                                          uint32_t node)
{
    return explore_nodes_view(&explore->nodes, state->nodes[node]);
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
        if (hears && explore_message_asks(&message) && count < ARGUMENTS_MAX) {
            arguments[count++] = state->messages[i] << 1 | 1;
        }
    }
    return count;
}

static bool make_arrival(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    explore_state_take(state, argument >> 1);
    return explore_cascade(explore, state, node, (struct explore_event){EXPLORE_EVENT_ARRIVAL, argument});
}

/* Argument of what comes next, when it goes to this node: 1 when it is a request for a vote, long after a leader was
 * heard. */
static uint32_t list_next(const struct explore *explore, const struct explore_state *state, uint32_t node,
                          uint32_t *arguments)
{
    struct explore_message message;
    arguments[0] = 0;
    arguments[1] = 1;
    if (state->queue_count == 0) {
        return 0;
    }
    if (explore_queue_is_write(state->queue[0])) {
        return explore_queue_node(state->queue[0]) == node;
    }
    explore_nodes_message(&explore->nodes, explore_queue_number(state->queue[0]), &message);
    if (message.to != node + 1) {
        return 0;
    }
    return view_of(explore, state, node)->hears_leader != 0 && explore_message_asks(&message) ? 2 : 1;
}

static bool make_next(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    const uint32_t item = explore_queue_pop(state);
    const struct explore_event durable = {EXPLORE_EVENT_DURABLE, 1};
    const struct explore_event arrival = {EXPLORE_EVENT_ARRIVAL, explore_queue_number(item) << 1 | argument};
    return explore_cascade(explore, state, node, explore_queue_is_write(item) ? durable : arrival);
}

static uint32_t list_late(const struct explore *explore, const struct explore_state *state, uint32_t node,
                          uint32_t *arguments)
{
    return list_next(explore, state, node, arguments) > 0;
}

static bool make_late(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    const uint32_t item = explore_queue_pop(state);
    (void)explore;
    (void)argument;
    if (explore_queue_is_write(item)) {
        state->late_writes[node]++;
        return true;
    }
    return explore_state_send(state, explore_queue_number(item));
}

static uint32_t list_repeats(const struct explore *explore, const struct explore_state *state, uint32_t node,
                             uint32_t *arguments)
{
    if (!explore->options.in_order) {
        return list_arrivals(explore, state, node, arguments);
    }
    return state->queue_count > 0 && explore_queue_is_write(state->queue[0])
               ? 0
               : list_next(explore, state, node, arguments);
}

static bool make_repeat(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    if (explore->options.in_order) {
        const uint32_t message = explore_queue_number(explore_queue_pop(state));
        return explore_state_send(state, message) &&
               explore_cascade(explore, state, node,
                               (struct explore_event){EXPLORE_EVENT_ARRIVAL, message << 1 | argument});
    }
    return explore_cascade(explore, state, node, (struct explore_event){EXPLORE_EVENT_ARRIVAL, argument});
}

static uint32_t list_losses(const struct explore *explore, const struct explore_state *state, uint32_t node,
                            uint32_t *arguments)
{
    uint32_t arrivals[ARGUMENTS_MAX];
    uint32_t count = 0;
    if (explore->options.in_order) {
        return 0; /* what is late may never come */
    }
    const uint32_t arrival_count = list_arrivals(explore, state, node, arrivals);
    for (uint32_t i = 0; i < arrival_count; i++) {
        if ((arrivals[i] & 1) == 0) {
            arguments[count++] = arrivals[i];
        }
    }
    return count;
}

static bool make_loss(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    (void)explore;
    (void)node;
    explore_state_take(state, argument >> 1);
    return true;
}

static uint32_t list_clock(const struct explore *explore, const struct explore_state *state, uint32_t node,
                           enum explore_clock clock)
{
    return ((uint32_t)view_of(explore, state, node)->clocks >> clock) & 1u;
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
    const struct explore_event event = {EXPLORE_EVENT_CLOCK, EXPLORE_CLOCK_ELECTION};
    return argument != 0 ? explore_cascade_quiet(explore, state, node, event)
                         : explore_cascade(explore, state, node, event);
}

static uint32_t list_resends(const struct explore *explore, const struct explore_state *state, uint32_t node,
                             uint32_t *arguments)
{
    return list_asking(explore, state, node, EXPLORE_CLOCK_RESEND, arguments);
}

static bool make_resend(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    const struct explore_event event = {EXPLORE_EVENT_CLOCK, EXPLORE_CLOCK_RESEND};
    return argument != 0 ? explore_cascade_quiet(explore, state, node, event)
                         : explore_cascade(explore, state, node, event);
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
    if (state->queue_count > 0) {
        return 0; /* in order, time passes when nothing is under way */
    }
    return list_clock(explore, state, node, EXPLORE_CLOCK_NEWS);
}

static uint32_t list_quorums(const struct explore *explore, const struct explore_state *state, uint32_t node,
                             uint32_t *arguments)
{
    arguments[0] = EXPLORE_CLOCK_QUORUM;
    return list_clock(explore, state, node, EXPLORE_CLOCK_QUORUM);
}

static uint32_t list_transfer_ends(const struct explore *explore, const struct explore_state *state, uint32_t node,
                                   uint32_t *arguments)
{
    arguments[0] = EXPLORE_CLOCK_TRANSFER;
    return list_clock(explore, state, node, EXPLORE_CLOCK_TRANSFER);
}

static uint32_t list_handovers(const struct explore *explore, const struct explore_state *state, uint32_t node,
                               uint32_t *arguments)
{
    arguments[0] = EXPLORE_CLOCK_HANDOVER;
    return list_clock(explore, state, node, EXPLORE_CLOCK_HANDOVER);
}

static uint32_t list_requests(const struct explore *explore, const struct explore_state *state, uint32_t node,
                              uint32_t *arguments)
{
    arguments[0] = EXPLORE_CLOCK_READ;
    return list_clock(explore, state, node, EXPLORE_CLOCK_READ);
}

static uint32_t list_fetches_again(const struct explore *explore, const struct explore_state *state, uint32_t node,
                                   uint32_t *arguments)
{
    arguments[0] = EXPLORE_CLOCK_FETCH;
    return list_clock(explore, state, node, EXPLORE_CLOCK_FETCH);
}

/* In order, time passes when nothing is under way; else a node asks once more when nothing of this is. */
static uint32_t list_fetches(const struct explore *explore, const struct explore_state *state, uint32_t node,
                             uint32_t *arguments)
{
    bool under_way = state->queue_count > 0;
    for (uint32_t i = 0; !explore->options.in_order && i < state->message_count; i++) {
        struct explore_message message;
        explore_nodes_message(&explore->nodes, state->messages[i], &message);
        under_way |= message.type == DGRAFT_MESSAGE_FETCH && message.from == node + 1;
        under_way |= message.type == DGRAFT_MESSAGE_FETCH_ANSWER && message.to == node + 1;
    }
    return under_way ? 0 : list_fetches_again(explore, state, node, arguments);
}

static bool make_clock(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    return explore_cascade(explore, state, node, (struct explore_event){EXPLORE_EVENT_CLOCK, argument});
}

/* One WRITE is done, or all of them in one batch. */
static uint32_t list_durables(const struct explore *explore, const struct explore_state *state, uint32_t node,
                              uint32_t *arguments)
{
    const uint32_t writes = view_of(explore, state, node)->write_count;
    arguments[0] = 1;
    arguments[1] = writes;
    if (explore->options.in_order) {
        return state->late_writes[node] > 0;
    }
    return writes < 2 ? writes : 2;
}

static bool make_durable(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    if (explore->options.in_order) {
        state->late_writes[node]--;
    }
    return explore_cascade(explore, state, node, (struct explore_event){EXPLORE_EVENT_DURABLE, argument});
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
    return explore_cascade(explore, state, node, (struct explore_event){EXPLORE_EVENT_PROPOSE, number});
}

/* A leader, and whoever follows one. */
static uint32_t list_readers(const struct explore *explore, const struct explore_state *state, uint32_t node,
                             uint32_t *arguments)
{
    arguments[0] = 0;
    return view_of(explore, state, node)->leader != 0;
}

static bool make_read(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    (void)argument;
    const uint32_t number = state->spent[EXPLORE_BUDGET_READS] - 1u;
    explore_history_read(explore, state, number);
    return explore_cascade(explore, state, node, (struct explore_event){EXPLORE_EVENT_READ, number});
}

static uint32_t list_transfers(const struct explore *explore, const struct explore_state *state, uint32_t node,
                               uint32_t *arguments)
{
    uint32_t count = 0;
    for (uint32_t id = 1; id <= explore->options.nodes && list_leaders(explore, state, node, arguments) > 0; id++) {
        if (id != node + 1) {
            arguments[count++] = id;
        }
    }
    return count;
}

static bool make_transfer(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    return explore_cascade(explore, state, node, (struct explore_event){EXPLORE_EVENT_TRANSFER, argument});
}

/* Lists whom a start can ask first for what is damaged; 0, nobody, when nothing is. */
static uint32_t list_asked(const struct explore *explore, uint32_t node, uint16_t damaged, uint32_t *asked)
{
    uint32_t count = 0;
    for (uint32_t id = 1; damaged != 0 && id <= explore->options.nodes; id++) {
        if (id != node + 1) {
            asked[count++] = id;
        }
    }
    if (count == 0) {
        asked[count++] = 0;
    }
    return count;
}

static uint32_t list_crashes(const struct explore *explore, const struct explore_state *state, uint32_t node,
                             uint32_t *arguments)
{
    const struct explore_view *view = view_of(explore, state, node);
    uint32_t asked[EXPLORE_NODES_MAX];
    const uint32_t asked_count = list_asked(explore, node, view->disk.damaged, asked);
    uint32_t count = 0;
    for (uint32_t i = 0; i < asked_count; i++) {
        for (uint32_t done = 0; done <= view->write_count; done++) {
            arguments[count++] = explore_crash(2 * done, 0, asked[i]);
            if (done < view->write_count && (view->write_parts >> done & 1) != 0) {
                arguments[count++] = explore_crash(2 * done + 1, 0, asked[i]);
            }
        }
    }
    return count;
}

static bool make_crash(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    explore_queue_crash(state, node);
    return explore_cascade(explore, state, node, (struct explore_event){EXPLORE_EVENT_CRASH, argument});
}

/* What rots was durable, and known to be: what was under way when a node crashed may be torn, which is another thing.
 * The founders' entry does not rot: a disk that loses it knows of no members. */
static uint32_t list_rotten(const struct explore_disk *disk, uint32_t *arguments)
{
    uint32_t count = 0;
    for (uint32_t index = 2; index <= disk->log.last; index++) {
        if ((disk->damaged & explore_entry_bit(index)) == 0) {
            arguments[count++] = index;
        }
    }
    return count;
}

/* Of the WRITEs under way none was done, or all were. */
static uint32_t list_damages(const struct explore *explore, const struct explore_state *state, uint32_t node,
                             uint32_t *arguments)
{
    const struct explore_view *view = view_of(explore, state, node);
    uint32_t rotten[EXPLORE_LOG_MAX];
    uint32_t asked[EXPLORE_NODES_MAX];
    const uint32_t rotten_count = list_rotten(&view->disk, rotten);
    uint32_t count = 0;
    for (uint32_t i = 0; i < rotten_count; i++) {
        const uint32_t asked_count = list_asked(explore, node, explore_entry_bit(rotten[i]), asked);
        for (uint32_t j = 0; j < asked_count; j++) {
            arguments[count++] = explore_crash(0, rotten[i], asked[j]);
            if (view->write_count > 0) {
                arguments[count++] = explore_crash(2u * view->write_count, rotten[i], asked[j]);
            }
        }
    }
    return count;
}

static uint32_t list_unreadable(const struct explore *explore, const struct explore_state *state, uint32_t node,
                                uint32_t *arguments)
{
    return list_rotten(&view_of(explore, state, node)->disk, arguments);
}

static bool make_unreadable(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    return explore_cascade(explore, state, node, (struct explore_event){EXPLORE_EVENT_DAMAGE, argument});
}

static uint32_t list_reopens(const struct explore *explore, const struct explore_state *state, uint32_t node,
                             uint32_t *arguments)
{
    const struct explore_view *view = view_of(explore, state, node);
    const uint32_t count = list_asked(explore, node, view->disk.damaged, arguments);
    return view->reopen != 0 && view->write_count == 0 ? count : 0;
}

static bool make_reopen(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t argument)
{
    return explore_cascade(explore, state, node, (struct explore_event){EXPLORE_EVENT_REOPEN, argument});
}

static void print_nothing(const struct explore *explore, const struct explore_state *state,
                          const struct explore_move *move, const struct print *print)
{
    (void)explore;
    (void)state;
    (void)move;
    (void)print;
}

static void print_message(const struct explore *explore, uint32_t number, bool quiet, const struct print *print)
{
    struct explore_message message;
    explore_nodes_message(&explore->nodes, number, &message);
    (void)fputc(' ', print->out);
    explore_message_print(&message, print->names, print->out);
    (void)fputs(quiet ? ", long after it heard a leader" : "", print->out);
}

static void print_arrival(const struct explore *explore, const struct explore_state *state,
                          const struct explore_move *move, const struct print *print)
{
    (void)state;
    print_message(explore, move->argument >> 1, (move->argument & 1) != 0, print);
}

static void print_next(const struct explore *explore, const struct explore_state *state,
                       const struct explore_move *move, const struct print *print)
{
    if (explore_queue_is_write(state->queue[0])) {
        (void)fputs(" its disk: one write done", print->out);
        return;
    }
    print_message(explore, explore_queue_number(state->queue[0]), move->argument != 0, print);
}

static void print_repeat(const struct explore *explore, const struct explore_state *state,
                         const struct explore_move *move, const struct print *print)
{
    if (explore->options.in_order) {
        print_next(explore, state, move, print);
    } else {
        print_arrival(explore, state, move, print);
    }
}

static void print_durable(const struct explore *explore, const struct explore_state *state,
                          const struct explore_move *move, const struct print *print)
{
    (void)fprintf(print->out, ": %u of %u", move->argument, view_of(explore, state, move->node)->write_count);
}

static void print_asking(const struct explore *explore, const struct explore_state *state,
                         const struct explore_move *move, const struct print *print)
{
    (void)explore;
    (void)state;
    (void)fputs(move->argument != 0 ? ", when the others heard no leader for long" : "", print->out);
}

static void print_target(const struct explore *explore, const struct explore_state *state,
                         const struct explore_move *move, const struct print *print)
{
    (void)explore;
    (void)state;
    (void)fprintf(print->out, " node %u", print->names[move->argument]);
}

static void print_asked(uint32_t id, const struct print *print)
{
    if (id != 0) {
        (void)fprintf(print->out, ", and asks node %u first", print->names[id]);
    }
}

static void print_reopen(const struct explore *explore, const struct explore_state *state,
                         const struct explore_move *move, const struct print *print)
{
    (void)explore;
    (void)state;
    print_asked(move->argument, print);
}

static void print_crash(const struct explore *explore, const struct explore_state *state,
                        const struct explore_move *move, const struct print *print)
{
    (void)fprintf(print->out, ", %u of %u writes done", explore_crash_written(move->argument) >> 1,
                  view_of(explore, state, move->node)->write_count);
    (void)fputs((move->argument & 1) != 0 ? ", and of the next term and vote" : "", print->out);
    if (explore_crash_damaged(move->argument) != 0) {
        (void)fprintf(print->out, ", entry %u is damaged", explore_crash_damaged(move->argument));
    }
    print_asked(explore_crash_asked(move->argument), print);
}

static void print_entry(const struct explore *explore, const struct explore_state *state,
                        const struct explore_move *move, const struct print *print)
{
    (void)explore;
    (void)state;
    (void)fprintf(print->out, " %u", move->argument);
}

static const struct row rows[] = {
    {"receives", EXPLORE_BUDGET_FREE, list_next, make_next, print_next},
    {"receives", EXPLORE_BUDGET_FREE, list_arrivals, make_arrival, print_arrival},
    {"has written", EXPLORE_BUDGET_FREE, list_durables, make_durable, print_durable},
    {"tells news of the commit index", EXPLORE_BUDGET_FREE, list_news, make_clock, print_nothing},
    {"asks for what is damaged", EXPLORE_BUDGET_FREE, list_fetches, make_clock, print_nothing},
    {"opens its store again", EXPLORE_BUDGET_FREE, list_reopens, make_reopen, print_reopen},
    {"takes a command", EXPLORE_BUDGET_COMMANDS, list_leaders, make_proposal, print_nothing},
    {"takes a read", EXPLORE_BUDGET_READS, list_readers, make_read, print_nothing},
    {"times out", EXPLORE_BUDGET_TIMEOUTS, list_elections, make_election, print_asking},
    {"has heard no quorum for long", EXPLORE_BUDGET_TIMEOUTS, list_quorums, make_clock, print_nothing},
    {"sends heartbeats", EXPLORE_BUDGET_TICKS, list_heartbeats, make_clock, print_nothing},
    {"says to campaign once more", EXPLORE_BUDGET_TICKS, list_handovers, make_clock, print_nothing},
    {"asks for a read once more", EXPLORE_BUDGET_TICKS, list_requests, make_clock, print_nothing},
    {"asks for what is damaged once more", EXPLORE_BUDGET_TICKS, list_fetches_again, make_clock, print_nothing},
    {"waits no longer for who is to take over", EXPLORE_BUDGET_TICKS, list_transfer_ends, make_clock, print_nothing},
    {"asks for votes once more", EXPLORE_BUDGET_TICKS, list_resends, make_resend, print_asking},
    {"is to hand over to", EXPLORE_BUDGET_TRANSFERS, list_transfers, make_transfer, print_target},
    {"waits long or for ever for", EXPLORE_BUDGET_LATE, list_late, make_late, print_next},
    {"will never receive", EXPLORE_BUDGET_LOSSES, list_losses, make_loss, print_arrival},
    {"receives, not for the last time,", EXPLORE_BUDGET_DUPLICATES, list_repeats, make_repeat, print_repeat},
    {"crashes and starts again", EXPLORE_BUDGET_CRASHES, list_crashes, make_crash, print_crash},
    {"crashes and starts again", EXPLORE_BUDGET_DAMAGES, list_damages, make_crash, print_crash},
    {"cannot read entry", EXPLORE_BUDGET_DAMAGES, list_unreadable, make_unreadable, print_entry},
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

void explore_moves_print(const struct explore *explore, const struct explore_state *state,
                         const struct explore_move *move, const uint8_t *names, FILE *out)
{
    const struct print print = {.out = out, .names = names};
    (void)fprintf(out, "node %u %s", names[move->node + 1], rows[move->row].name);
    rows[move->row].print(explore, state, move, &print);
}
