/* The history that no node can see, and the rules that hold after every move. What a node alone can break is checked
 * where it is stepped: explore_host.c, explore_event.c, and the core's own checks.
 *
 *   I-LEAD    at most one leader in a term, ever
 *   I-VOTE    at most one vote of a node in a term, ever, on the wire
 *   I-LM      two logs with the same (index, term) are equal up to there
 *   I-LC      what was committed is in the log of every leader of a later term
 *   I-SMS     what a node takes for committed is what was committed
 *   I-CQ      when an index is first committed, a majority of disks holds that entry, and it is of the leader's term
 *   I-TRUNC   a disk never loses an entry that was committed
 *   I-ACK     an acknowledged prefix is on the sender's disk and equals the log of that term's leader
 *   I-MATCH   a leader takes for a follower's what truly is on its disk
 *   I-DAMAGE  what is damaged is neither applied nor given away, nothing behind it is acknowledged, and nobody leads
 *             with it; for all other rules it counts as what it was
 *   I-MEND    a MEND writes what was there
 *   I-READ    a read sees all that was committed when it was made
 *
 * Of the past only what can still matter is kept: votes in terms that their node has left, and leaders of terms that
 * every disk has left, cannot come back without breaking I-TERM first.
 */
#ifndef EXPLORE_HISTORY_H
#define EXPLORE_HISTORY_H

#include "explore.h"

struct explore_history {
    uint8_t leaders[EXPLORE_TERM_MAX + 1]; /* by term */
    uint8_t voted_term[EXPLORE_NODES_MAX + 1];
    uint8_t voted_for[EXPLORE_NODES_MAX + 1]; /* by id: the newest vote that left it */
    uint8_t committed_in[EXPLORE_LOG_MAX];    /* by index - 1: the term of the leader that committed it */
    uint8_t read_floor[EXPLORE_READS_MAX];    /* 1 + what was committed when it was made; 0 none waits */
    struct explore_log committed;
};

/* Returns the number of the history of a cluster that did nothing yet. */
uint32_t explore_history_first(struct explore *explore);

/* Node `node` of the state, whose number was `former` before, has had an event, with these effects: checks the rules
 * and brings the state's history up to date. Returns false when one is broken. */
bool explore_history_follow(struct explore *explore, struct explore_state *state, uint32_t node, uint32_t former,
                            const struct explore_effects *effects);

/* A read is made at this moment. */
void explore_history_read(struct explore *explore, struct explore_state *state, uint32_t read);

/* The history with other ids: id becomes names[id]. */
uint32_t explore_history_rename(struct explore *explore, uint32_t number, const uint8_t *names);

#endif
