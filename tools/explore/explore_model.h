/* The model: what surrounds the cores. Cores are the real ones; their hosts are as small as a host can be.
 *
 * A node is its core's block, a disk, the log as its host has it in memory, and the WRITEs under way. Messages are
 * one-way: one that is in flight may arrive at any time, more than once, or never, and overtake any other. Everything
 * counts in bytes: terms, indexes and rounds of a small cluster are small, and what does not fit ends the program.
 */
#ifndef EXPLORE_MODEL_H
#define EXPLORE_MODEL_H

#include <dgraft/core.h>

#include <stdbool.h>
#include <stdint.h>

#define EXPLORE_NODES_MAX  5u
#define EXPLORE_LOG_MAX    15u
#define EXPLORE_WRITES_MAX 6u
#define EXPLORE_READS_MAX  2u
#define EXPLORE_TERM_MAX   15u

/* An entry in one byte: its term, and what it says. */
enum explore_content {
    EXPLORE_CONTENT_MEMBERS = 0, /* the founders, at index 1 */
    EXPLORE_CONTENT_NOOP = 1,
    EXPLORE_CONTENT_COMMAND = 2 /* and above: the first command, the second... */
};

static inline uint8_t explore_entry(uint32_t term, uint32_t content)
{
    return (uint8_t)(term << 4 | content);
}

static inline uint8_t explore_entry_term(uint8_t entry)
{
    return entry >> 4;
}

struct explore_log {
    uint8_t last;
    uint8_t entries[EXPLORE_LOG_MAX]; /* of index 1 to last; then 0 */
};

/* Returns the term of the entry at index; 0 when there is none. */
static inline uint8_t explore_log_term(const struct explore_log *log, uint64_t index)
{
    return index == 0 || index > log->last ? 0 : explore_entry_term(log->entries[index - 1]);
}

/* Returns up to which index two logs are equal. */
static inline uint8_t explore_log_common(const struct explore_log *a, const struct explore_log *b)
{
    uint8_t common = 0;
    while (common < a->last && common < b->last && a->entries[common] == b->entries[common]) {
        common++;
    }
    return common;
}

/* A WRITE under way. */
struct explore_write {
    uint8_t state; /* 1: saves term and vote */
    uint8_t term;
    uint8_t vote;
    uint8_t appends; /* 1: changes the log; it then ends at keep + count */
    uint8_t mends;   /* 1: a MEND of the `count` entries after keep */
    uint8_t keep;
    uint8_t count;
    uint8_t entries[EXPLORE_LOG_MAX];
};

struct explore_disk {
    uint8_t term;
    uint8_t vote;
    struct explore_log log; /* of what is damaged: as it was */
    uint16_t damaged;       /* bit i: of entry i + 1 only the place is known, and of the last one the term */
};

static inline uint16_t explore_entry_bit(uint64_t index)
{
    return (uint16_t)(1u << (index - 1));
}

/* Returns the index of the first damaged entry of a set; beyond every log when there is none. */
static inline uint8_t explore_first_damaged(uint16_t damaged)
{
    uint8_t index = 1;
    while (index <= EXPLORE_LOG_MAX && (damaged & explore_entry_bit(index)) == 0) {
        index++;
    }
    return index;
}

/* Returns the term that can be read at index; 0 when there is none. */
static inline uint8_t explore_disk_term(const struct explore_disk *disk, uint64_t index)
{
    const bool readable = index == disk->log.last || index == 0 || index > EXPLORE_LOG_MAX ||
                          (disk->damaged & explore_entry_bit(index)) == 0;
    return readable ? explore_log_term(&disk->log, index) : 0;
}

/* What stands before the core's block in a node. */
struct explore_host {
    struct explore_disk disk;
    struct explore_log log; /* disk, and what is under way */
    uint8_t starts;         /* after the first */
    uint8_t reopen;         /* 1: the core wants the store to be opened again */
    uint16_t told;          /* disk.damaged at the start; of later damage a core does not know where it is */
    uint8_t write_count;
    struct explore_write writes[EXPLORE_WRITES_MAX];
};

#define EXPLORE_HOST_BYTES ((sizeof(struct explore_host) + 15) & ~(size_t)15)

/* A message in flight to one receiver; 0 where a field has no meaning for its type. */
struct explore_message {
    uint8_t type;
    uint8_t to;
    uint8_t from;
    uint8_t term;
    uint8_t request_term; /* vote requests and their answers */
    uint8_t transfer;
    uint8_t index; /* last, prev, match, the prev that was refused, a read's, or the first that is fetched */
    uint8_t index_term;
    uint8_t hint;
    uint8_t hint_term;
    uint8_t commit;
    uint8_t round;
    uint8_t reason; /* or what became of a FETCH */
    uint8_t token;
    uint8_t last; /* that is fetched */
    uint8_t anchor;
    uint8_t anchor_term;
    uint8_t count;
    uint8_t entries[EXPLORE_LOG_MAX];
};

/* What the oracle and the choice of moves need of a node, without its core. */
struct explore_view {
    uint8_t role;
    uint8_t term;
    uint8_t leader;
    uint8_t commit;
    uint8_t write_count;
    uint8_t hears_leader;                 /* 1: heard one within the election timeout, and leads not itself */
    uint8_t reopen;                       /* 1: its store is to be opened again */
    uint16_t clocks;                      /* bit of enum explore_clock: it runs */
    uint8_t write_parts;                  /* bit i: WRITE i saves term and vote, and changes the log */
    uint8_t match[EXPLORE_NODES_MAX + 1]; /* of a leader; by id */
    struct explore_log log;
    struct explore_disk disk;
};

/* The clocks of a core, each of which may run out at any time: nodes' clocks have nothing to do with one another. */
enum explore_clock {
    EXPLORE_CLOCK_ELECTION = 0, /* nobody was heard: a pre-vote */
    EXPLORE_CLOCK_RESEND = 1,   /* vote requests once more */
    EXPLORE_CLOCK_HEARTBEAT = 2,
    EXPLORE_CLOCK_NEWS = 3,     /* idle followers learn the commit index */
    EXPLORE_CLOCK_QUORUM = 4,   /* a leader has heard no quorum */
    EXPLORE_CLOCK_TRANSFER = 5, /* nobody took over */
    EXPLORE_CLOCK_HANDOVER = 6, /* TIMEOUT_NOW once more */
    EXPLORE_CLOCK_READ = 7,     /* READ_REQUEST once more */
    EXPLORE_CLOCK_FETCH = 8     /* the next one is asked for damaged entries */
};

#endif
