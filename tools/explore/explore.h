/* The explorer: every run of a small cluster of real cores, to the end of a bound, shortest first.
 *
 * A state is one number for each node, one for the history (which the nodes cannot see and crashes do not touch), the
 * messages in flight, and what is spent of the bounds. From each state every move is made that the bounds allow, and
 * after each move the rules of explore_history.h are checked. States that differ in nothing that could ever matter, or
 * only in who is called what, are one.
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include "explore_nodes.h"
#include "explore_visited.h"

#include <stdio.h>

/* What is bounded. */
enum explore_budget {
    EXPLORE_BUDGET_COMMANDS = 0,
    EXPLORE_BUDGET_READS = 1,
    EXPLORE_BUDGET_TIMEOUTS = 2,   /* of elections, and of a leader's quorum */
    EXPLORE_BUDGET_TICKS = 3,      /* heartbeats, and votes asked for once more */
    EXPLORE_BUDGET_LOSSES = 4,     /* messages taken away; one that never arrives costs nothing */
    EXPLORE_BUDGET_DUPLICATES = 5, /* messages that arrive and stay */
    EXPLORE_BUDGET_CRASHES = 6,    /* with a restart */
    EXPLORE_BUDGET_LATE = 7,       /* in order: messages and writes that others overtake, or that never arrive */
    EXPLORE_BUDGET_TRANSFERS = 8,  /* of leadership */
    EXPLORE_BUDGET_DAMAGES = 9,    /* of an entry on a disk: met at a restart, or when it is read */
    EXPLORE_BUDGET_TOTAL = 10,
    EXPLORE_BUDGET_FREE = 10
};

struct explore_options {
    uint32_t nodes; /* 1 to EXPLORE_NODES_MAX */
    uint8_t budgets[EXPLORE_BUDGET_TOTAL];
    bool in_order;        /* what is under way comes in the order in which it began, but for what is late */
    bool pre_votes_apart; /* pre-votes are messages like others; else they are answered as soon as they are asked */
    bool disks_prompt;    /* a WRITE is durable before anything else happens */
    bool names_matter;    /* states that differ in nodes' names are not one */
    bool bare;            /* without the core's own checks */
    uint64_t states_max;  /* 0: no bound */
    uint64_t memory_bytes_max;
    uint64_t depth_max; /* 0: no bound */
    FILE *progress;     /* NULL: none */
};

#define EXPLORE_MESSAGES_MAX 64u

struct explore_state {
    uint32_t nodes[EXPLORE_NODES_MAX];
    uint32_t history;
    uint8_t spent[EXPLORE_BUDGET_TOTAL];
    uint8_t late_writes[EXPLORE_NODES_MAX]; /* in order: WRITEs that may be done at any time */
    uint32_t message_count;
    uint32_t messages[EXPLORE_MESSAGES_MAX]; /* may arrive at any time; ascending, one in flight twice stands twice */
    uint32_t queue_count;
    uint32_t queue[EXPLORE_MESSAGES_MAX]; /* in order: what is under way, as explore_queue.h says */
};

enum explore_end {
    EXPLORE_END_WHOLE = 0, /* nothing is left within the bounds */
    EXPLORE_END_FINDING = 1,
    EXPLORE_END_STATES = 2, /* states_max, depth_max or memory_bytes_max reached */
    EXPLORE_END_DEPTH = 3,
    EXPLORE_END_MEMORY = 4
};

struct explore_result {
    enum explore_end end;
    uint64_t depth; /* complete, or of the finding */
    uint64_t states;
    uint64_t frontier; /* states whose moves were not made */
    uint64_t moves;
    uint64_t steps; /* of real cores */
    uint64_t nodes; /* different ones */
    uint64_t messages;
    uint64_t histories;
    uint64_t memory_bytes;
    double seconds;
    const char *finding;
};

#define EXPLORE_ORDERS_MAX 120u /* of EXPLORE_NODES_MAX nodes */

/* An exchange of names: id becomes names[id]; and what that makes of numbers, 0 where it is not known yet. */
struct explore_order {
    uint8_t names[EXPLORE_NODES_MAX + 1];
    uint32_t *nodes; /* 1 + number, by number */
    uint32_t *messages;
    uint32_t *histories;
    uint64_t capacities[3];
};

struct explore {
    struct explore_options options;
    struct explore_memory memory;
    struct explore_nodes nodes;
    struct explore_pool histories;
    struct explore_visited visited;
    struct explore_order orders[EXPLORE_ORDERS_MAX];
    uint32_t order_count;
    uint64_t finding_place; /* of the state whose move broke a rule */
};

/* Sets bounds that a minute can reach: 3 nodes, 2 commands. */
void explore_options_defaults(struct explore_options *options);

/* Returns NULL, or what is wrong with the options. */
const char *explore_options_check(const struct explore_options *options);

void explore_open(struct explore *explore, const struct explore_options *options);
void explore_close(struct explore *explore);

/* Lists the names that nodes may exchange: all of them, or none when names matter. Part of explore_open. */
void explore_orders(struct explore *explore);

/* Searches. result->finding is NULL, or the rule that is broken: valid until explore_close. */
void explore_run(struct explore *explore, struct explore_result *result);

/* After a finding: prints the shortest run that leads to it. */
void explore_transcript(struct explore *explore, FILE *out);

/* explore_state.c */

/* Every node after its directory was made, nothing in flight. */
void explore_state_first(struct explore *explore, struct explore_state *state);

/* Packs a state in canonical form into at most EXPLORE_VISITED_BYTES_MAX bytes; returns how many. *order is the number
 * of the order whose names it has there. */
uint32_t explore_state_pack(struct explore *explore, const struct explore_state *state, uint8_t *bytes,
                            uint32_t *order);
void explore_state_unpack(const struct explore *explore, const uint8_t *bytes, struct explore_state *state);

/* Puts a message in flight; false when there are too many. */
bool explore_state_send(struct explore_state *state, uint32_t message);
void explore_state_take(struct explore_state *state, uint32_t message);

/* explore_moves.c */

/* A move: its row in the table of moves, a node from 0 on, and what it is about. */
struct explore_move {
    uint32_t row;
    uint32_t node;
    uint32_t argument;
};

#define EXPLORE_MOVES_MAX 512u

/* Lists the moves that the bounds allow; returns how many. */
uint32_t explore_moves_list(const struct explore *explore, const struct explore_state *state,
                            struct explore_move *moves);

/* Makes a move. Returns false when a rule is broken: explore->nodes.finding says which. */
bool explore_moves_make(struct explore *explore, const struct explore_state *state, const struct explore_move *move,
                        struct explore_state *after);

/* Describes a move of a state in one line; id is printed as names[id]. */
void explore_moves_print(const struct explore *explore, const struct explore_state *state,
                         const struct explore_move *move, const uint8_t *names, FILE *out);

/* explore_print.c: prints a message as "APPEND 1>2 t2 ..."; id is printed as names[id]. */
void explore_message_print(const struct explore_message *message, const uint8_t *names, FILE *out);

#endif
