/* A core whose assertion fails aborts. While one is stepped here, that is a finding like any other. */
#ifndef EXPLORE_GUARD_H
#define EXPLORE_GUARD_H

#include <dgraft/core.h>

/* Returns false when the core aborted; it must not be used any more. One thread only. */
bool explore_guard_step(struct dgraft_core *core, const struct dgraft_event *event, struct dgraft_actions *actions,
                        enum dgraft_status *status);

#endif
