/* Which entries of a log are damaged: ascending stretches that neither touch nor overlap.
 *
 * There are at most DGRAFT_DAMAGE_MAX. When one more would be needed, what lies between two of them counts as damaged
 * as well: that costs fetching it, and is never wrong.
 */
#ifndef DGRAFT_HOLES_H
#define DGRAFT_HOLES_H

#include <dgraft/types.h>

struct dgraft_hole {
    dgraft_index first;
    dgraft_index last;
};

struct dgraft_holes {
    struct dgraft_hole items[DGRAFT_DAMAGE_MAX];
    uint32_t count;
};

/* Returns the first hole that ends at index or behind it, NULL when there is none. */
const struct dgraft_hole *dgraft_holes_from(const struct dgraft_holes *holes, dgraft_index index);

/* Returns whether index lies in a hole. */
bool dgraft_holes_have(const struct dgraft_holes *holes, dgraft_index index);

void dgraft_holes_add(struct dgraft_holes *holes, dgraft_index first, dgraft_index last);

/* Takes first to last out: they can be read again. What cannot be told apart any more stays a hole. */
void dgraft_holes_subtract(struct dgraft_holes *holes, dgraft_index first, dgraft_index last);

/* What lies behind keep is no part of the log any more. */
void dgraft_holes_clip(struct dgraft_holes *holes, dgraft_index keep);

/* What lies at or before base is no part of the log any more. */
void dgraft_holes_raise(struct dgraft_holes *holes, dgraft_index base);

#endif
