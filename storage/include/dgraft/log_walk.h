/* Walks the entries in force of a node's directory in the order of their indexes, one at a time, also past damage: for
 * whoever compares the logs of several nodes, or reads one without its node. Never writes and takes no lock; the node
 * may be running: what is walked is the log as it was when the walk was opened.
 */
#ifndef DGRAFT_LOG_WALK_H
#define DGRAFT_LOG_WALK_H

#include <dgraft/inspect.h>

#ifdef __cplusplus
extern "C" {
#endif

struct dgraft_walk; /* opaque */

enum dgraft_walked {
    DGRAFT_WALKED_ENTRY = 1,   /* one, whose bytes fit its checksums */
    DGRAFT_WALKED_DAMAGED = 2, /* entries that were stored, and cannot be read */
    DGRAFT_WALKED_GONE = 3,    /* their segment was removed meanwhile: a newer snapshot holds them */
    DGRAFT_WALKED_UNKNOWN = 4, /* the log's end was lost: there may have been entries from here on */
    DGRAFT_WALKED_END = 5      /* there are none from `first` on */
};

/* A stretch of a log: one entry, or many of the same fate. */
struct dgraft_walk_step {
    enum dgraft_walked what;
    dgraft_index first;
    dgraft_index last;
    /* Of an ENTRY: views that are valid until the next call for this walk. */
    struct dgraft_record record;
    const uint8_t *bytes; /* the framed record, as every replica has it */
    size_t size;
    uint64_t sequence; /* of the segment */
    uint64_t offset;   /* in its file */
};

/* Inspects a directory, as dgraft_inspect does (and returns what it returns), and remembers where its entries lie: some
 * 40 bytes for 64 KiB of log. *walk is then before the first entry and belongs to the caller. */
DGRAFT_MUST_USE enum dgraft_status dgraft_walk_open(struct dgraft_fs *fs, const char *directory,
                                                    const struct dgraft_inspect_visitor *visitor,
                                                    struct dgraft_inspect_summary *summary, struct dgraft_walk **walk,
                                                    struct dgraft_why *why);

/* Frees a walk; NULL is none. */
void dgraft_walk_close(struct dgraft_walk *walk);

/* Goes to the first entry in force at or behind an index. */
void dgraft_walk_seek(struct dgraft_walk *walk, dgraft_index index);

/* Takes the next stretch. At the end it says END again and again. Returns OK, READ_ONLY, IO, NO_MEMORY. Memory is
 * bounded by the largest record. */
DGRAFT_MUST_USE enum dgraft_status dgraft_walk_next(struct dgraft_walk *walk, struct dgraft_walk_step *step,
                                                    struct dgraft_why *why);

/* Returns the newest entry of kind MEMBERSHIP that is in force at or before an index; the first one behind it; 0: there
 * is none, or none that can be read. */
dgraft_index dgraft_walk_membership(const struct dgraft_walk *walk, dgraft_index index);
dgraft_index dgraft_walk_membership_after(const struct dgraft_walk *walk, dgraft_index index);

#ifdef __cplusplus
}
#endif
#endif
