/* A directory without a `state` file: whose is it, and what may be done with it? */
#ifndef DGRAFT_STATELESS_H
#define DGRAFT_STATELESS_H

#include "storage_why.h"

/* Says what the directory is, by the names in it: not there; somebody else's (names one of the other files); one whose
 * format never finished; or a node's whose state is lost. Returns NOT_FOUND, DAMAGED for the last, or why it cannot be
 * listed. */
enum dgraft_status dgraft_why_stateless(struct dgraft_why *why, struct dgraft_disk *disk);

#endif
