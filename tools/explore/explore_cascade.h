/* An event, and what follows from it at once: pre-votes and their answers, which change nothing at the voter, and
 * prompt disks. What does not follow at once is put in flight.
 */
#ifndef EXPLORE_CASCADE_H
#define EXPLORE_CASCADE_H

#include "explore.h"

/* Returns false when a rule is broken. */
bool explore_cascade(struct explore *explore, struct explore_state *state, uint32_t node, struct explore_event event);

/* The same, when nobody who is asked for a pre-vote has heard a leader for long. */
bool explore_cascade_quiet(struct explore *explore, struct explore_state *state, uint32_t node,
                           struct explore_event event);

static inline bool explore_message_asks(const struct explore_message *message)
{
    return message->type == DGRAFT_MESSAGE_PRE_VOTE_REQUEST || message->type == DGRAFT_MESSAGE_VOTE_REQUEST;
}

#endif
