/* Sentences for people: what failed, where, and what to do about it. */
#ifndef DGRAFT_STORAGE_WHY_H
#define DGRAFT_STORAGE_WHY_H

#include "full_io.h"

#include <dgraft/storage.h>

/* What to do about damage. One text, so that every message and finding says the same. */
#define DGRAFT_REMEDY_DAMAGE                                                                                           \
    "restore this file from a copy; without one keep this node stopped and its directory as it is: the others go "     \
    "on while they are a majority, and a node made anew under its number would forget what they counted on"

/* The same about entries that a start does not refuse for. */
#define DGRAFT_REMEDY_FETCH                                                                                            \
    "check the disk and start the node: it fetches what it lacks from the other members; a node that is the only "     \
    "member refuses to start: restore its directory from a copy"
#define DGRAFT_REMEDY_FETCHING                                                                                         \
    "check the disk; the running node fetches what it lacks from the other members: `raftctl status` says from whom"

/* Writes a sentence to `why` (may be NULL) and returns `status`. */
__attribute__((format(printf, 3, 4))) enum dgraft_status
dgraft_why_set(struct dgraft_why *why, enum dgraft_status status, const char *format, ...);

/* Says that `verb` ("write", "sync", ...) failed on a file of the directory, with the remedy that goes with the errno
 * (negative). Returns the status that the errno stands for: FULL, READ_ONLY, NOT_FOUND, LOCKED, NO_MEMORY or IO. */
enum dgraft_status dgraft_why_errno(struct dgraft_why *why, const struct dgraft_disk *disk, const char *verb,
                                    const char *name, int64_t error);

/* The same of a store that can be opened again once there is room, without a new start. */
enum dgraft_status dgraft_why_full(struct dgraft_why *why, const struct dgraft_disk *disk, const char *verb,
                                   const char *name, int64_t error);

#endif
