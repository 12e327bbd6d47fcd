/* What the next start would find: recovery itself is asked, so that inspection never says something else. It reads the
 * whole log once more; so it is asked only where batches are damaged, or mend.
 */
#ifndef DGRAFT_INSPECT_START_H
#define DGRAFT_INSPECT_START_H

#include "inspect_map.h"
#include "recovery.h"

#include <dgraft/inspect.h>

/* All zero: not asked. */
struct dgraft_inspect_start {
    bool asked;
    enum dgraft_status status; /* OK: it would start, and the rest is valid */
    struct dgraft_why why;     /* otherwise */
    struct dgraft_recovery recovery;
    struct dgraft_holes lost;    /* entries in force that cannot be read where they were written last */
    struct dgraft_holes missing; /* those of them that a start does not write again from what is left of their batch */
};

/* What became of the entries of a damaged batch. */
enum dgraft_inspect_fate {
    DGRAFT_FATE_REFUSED = 1, /* a start would refuse the directory */
    DGRAFT_FATE_MISSING = 2, /* some are to be had from other members */
    DGRAFT_FATE_KEPT = 3,    /* all can still be read: a start writes them again */
    DGRAFT_FATE_MENDED = 4,  /* younger batches hold them */
    DGRAFT_FATE_GONE = 5     /* none is in force any more: overwritten, cut off, or held by the snapshot */
};

/* Asks recovery, unless that was done; `running`: a node writes meanwhile, so that a refusal may be one of a moment.
 * Writes nothing. */
void dgraft_start_ask(struct dgraft_inspect_start *start, struct dgraft_disk *disk, bool running);
void dgraft_start_free(struct dgraft_inspect_start *start);

/* Says what became of entries first to last, which a damaged batch held or may have held; of MENDED ones, the numbers
 * of the batches. Must have been asked. */
enum dgraft_inspect_fate dgraft_start_fate(const struct dgraft_inspect_start *start, struct dgraft_disk *disk,
                                           dgraft_index first, dgraft_index last, uint64_t mended[2]);

/* Makes the map of a log that would start: empty before. */
void dgraft_start_map(const struct dgraft_inspect_start *start, struct dgraft_map *map);

#endif
