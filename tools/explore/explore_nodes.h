/* Nodes by number, and what an event makes of a node. A core is a pure function of its block and the event, so the same
 * event at the same node is stepped once and then remembered: the search's states share their nodes.
 */
#ifndef EXPLORE_NODES_H
#define EXPLORE_NODES_H

#include "explore_model.h"
#include "explore_pool.h"

#define EXPLORE_FINDING_BYTES 400u
#define EXPLORE_SENT_MAX      24u

/* Neither a node nor a message. */
#define EXPLORE_NUMBER_NONE UINT32_MAX

/* What can happen to one node. A new event of the core gets a number here, a function in explore_event.c
 * and one in the table of moves (explore_moves.c). */
enum explore_event_kind {
    EXPLORE_EVENT_ARRIVAL = 1,  /* argument: twice the message, plus 1 when no leader was heard for long before */
    EXPLORE_EVENT_CLOCK = 2,    /* enum explore_clock */
    EXPLORE_EVENT_DURABLE = 3,  /* how many of the WRITEs under way are done, all of which is reported at once */
    EXPLORE_EVENT_PROPOSE = 4,  /* the command's number, from 0 */
    EXPLORE_EVENT_READ = 5,     /* the read's number, from 0 */
    EXPLORE_EVENT_CRASH = 6,    /* twice the number of WRITEs that were done, plus 1: of the next, term and vote;
                                   as explore_crash() says */
    EXPLORE_EVENT_TRANSFER = 7, /* to this id */
    EXPLORE_EVENT_REOPEN = 8,   /* who is asked first for what is still damaged, or 0 */
    EXPLORE_EVENT_DAMAGE = 9    /* of this entry, when it is read */
};

/* The argument of a CRASH: what was written; 16 times the entry that the start finds damaged besides what was, or 0;
 * 256 times who is asked first for what is damaged, or 0. */
static inline uint32_t explore_crash(uint32_t written, uint32_t damaged, uint32_t asked)
{
    return asked << 8 | damaged << 4 | written;
}

static inline uint32_t explore_crash_written(uint32_t crash)
{
    return crash & 15;
}

static inline uint32_t explore_crash_damaged(uint32_t crash)
{
    return crash >> 4 & 15;
}

static inline uint32_t explore_crash_asked(uint32_t crash)
{
    return crash >> 8;
}

struct explore_event {
    enum explore_event_kind kind;
    uint32_t argument;
};

/* What left the node because of an event. */
struct explore_effects {
    uint8_t sent_count;
    uint8_t ready[EXPLORE_READS_MAX]; /* 1 + index of the read that may be answered; 0: none */
    uint32_t sent[EXPLORE_SENT_MAX];  /* numbers of messages */
};

struct explore_memo; /* one remembered step */

struct explore_nodes {
    struct explore_memory *memory;
    uint32_t node_count;
    bool bare; /* the core's own checks are not asked */
    size_t node_bytes;
    struct explore_pool nodes;
    struct explore_pool messages;
    struct explore_pool effects;
    struct explore_view *views; /* by node */
    uint64_t view_capacity;
    struct explore_memo *memos;
    uint64_t memo_capacity;
    uint64_t memo_count;
    uint64_t steps;   /* of real cores */
    uint8_t *pattern; /* what nodes are compressed against */
    uint8_t *node;    /* the one that is stepped */
    uint8_t *before;  /* its core's block before the step */
    struct dgraft_actions *actions;
    char finding[EXPLORE_FINDING_BYTES]; /* empty: none */
};

void explore_nodes_open(struct explore_nodes *nodes, struct explore_memory *memory, uint32_t node_count);
void explore_nodes_close(struct explore_nodes *nodes);

/* Returns the number of a node as it is after its directory was made. */
uint32_t explore_nodes_first(struct explore_nodes *nodes, dgraft_node_id id);

/* Lets an event happen to a node. Returns what it becomes, or EXPLORE_NUMBER_NONE when a rule was broken: then
 * `finding` says which. */
uint32_t explore_nodes_step(struct explore_nodes *nodes, uint32_t number, struct explore_event event,
                            struct explore_effects *effects);

/* Returns the number of the same node with other ids: id becomes names[id]. */
uint32_t explore_nodes_rename(struct explore_nodes *nodes, uint32_t number, const uint8_t *names);
uint32_t explore_nodes_rename_message(struct explore_nodes *nodes, uint32_t number, const uint8_t *names);

static inline const struct explore_view *explore_nodes_view(const struct explore_nodes *nodes, uint32_t number)
{
    return &nodes->views[number];
}

void explore_nodes_message(const struct explore_nodes *nodes, uint32_t number, struct explore_message *message);

/* Unpacks a node into memory of node_bytes; its core stands EXPLORE_HOST_BYTES behind its begin. */
void explore_nodes_unpack(const struct explore_nodes *nodes, uint32_t number, uint8_t *node);

/* Packs a node whose core is in canonical form, and returns its number. */
uint32_t explore_nodes_pack(struct explore_nodes *nodes, const uint8_t *node);

static inline struct explore_host *explore_node_host(uint8_t *node)
{
    return (struct explore_host *)(void *)node;
}

static inline struct dgraft_core *explore_node_core(uint8_t *node)
{
    return (struct dgraft_core *)(void *)(node + EXPLORE_HOST_BYTES);
}

/* Notes a broken rule; only the first counts. Returns false. */
bool explore_nodes_fail(struct explore_nodes *nodes, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* explore_event.c: lets the event happen to nodes->node, for real. Returns false when a rule was broken. */
bool explore_event_run(struct explore_nodes *nodes, struct explore_event event, struct explore_effects *effects);

/* explore_event.c: a message as its receiver's core sees it; room for EXPLORE_LOG_MAX entries. */
void explore_event_message(const struct explore_message *in, struct dgraft_entry *entries, struct dgraft_message *out);

/* What a start begins with besides the disk. */
struct explore_start {
    dgraft_node_id self;
    dgraft_node_id asked; /* first for what is damaged; 0 when nothing is */
    dgraft_index applied;
};

/* explore_start.c: starts the core of nodes->node from its disk. */
bool explore_host_start(struct explore_nodes *nodes, const struct explore_start *start,
                        struct explore_effects *effects);

/* explore_host.c: steps the core, and carries out what it asks for. `entries` are those that a PROPOSE or an arrival
 * carries. */
bool explore_host_step(struct explore_nodes *nodes, const struct dgraft_event *event, const uint8_t *entries,
                       struct explore_effects *effects);

#endif
