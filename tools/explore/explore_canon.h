/* The canonical form of a core: two blocks that differ in nothing a core could ever act upon become the same bytes.
 *
 *   times     A core only compares differences with bounds. `now` becomes one fixed instant; a clock that runs is set
 * to its full length again; how long ago something was heard becomes "just now" or "too long ago". This admits every
 * order of events that some speed of the clocks admits, because each node's clock may be as slow or fast as it likes,
 * and hosts may wake late. chance    Every draw of an election timeout gives the same length: which node times out
 * first is a move. counters  Numbers of WRITEs count from the newest durable one, bytes from the newest committed one.
 *   leftovers What rings hold outside their bounds, and what only a leader knows in a core that does not lead, is 0.
 *
 * That the form loses nothing is tested: cores run beside their canonical twins and must act alike.
 */
#ifndef EXPLORE_CANON_H
#define EXPLORE_CANON_H

#include "explore_model.h"

/* Of every core that is explored, but for self. */
void explore_canon_config(struct dgraft_config *config, dgraft_node_id self, uint32_t nodes);

/* The fixed instant. */
#define EXPLORE_NOW_NS UINT64_C(1000000)

/* Returns the instant at which a clock has run out, or at which a leader was heard too long ago. */
dgraft_time_ns explore_canon_clock_ns(enum explore_clock clock);
dgraft_time_ns explore_canon_quiet_ns(void);

/* Brings a core that has started into its canonical form. */
void explore_canon(struct dgraft_core *core);

/* Sets the names of a core's READ_REQUESTs after its start: small ones, and none of an earlier start's. */
void explore_canon_tokens(struct dgraft_core *core, uint32_t starts);

/* Before a start that finds damage: whom the core asks first. Its own order is by id, which is no matter of names. */
void explore_canon_asks_first(struct dgraft_core *core, dgraft_node_id id);

/* Fills in the view of a node, whose core is in canonical form. */
void explore_canon_view(const struct explore_host *host, const struct dgraft_core *core, struct explore_view *view);

/* Gives the nodes in a core other ids: id becomes names[id]. The result is in canonical form as well. */
void explore_canon_rename(struct dgraft_core *core, const uint8_t *names);

#endif
