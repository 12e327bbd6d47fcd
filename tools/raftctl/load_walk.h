/* The regular files below some paths, in the order of their names. */
#ifndef RAFTCTL_LOAD_WALK_H
#define RAFTCTL_LOAD_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load_walk; /* opaque */

enum load_walk_kind {
    LOAD_WALK_FILE = 1,
    LOAD_WALK_OTHER = 2, /* a link, a device...: not loaded */
    LOAD_WALK_ERROR = 3, /* cannot be looked at: error says why */
    LOAD_WALK_END = 4
};

struct load_entry {
    enum load_walk_kind kind;
    const char *path; /* as given and what is below it; view until the next entry */
    uint64_t bytes;
    int error;
};

/* `paths` ends with NULL. Links that are named are followed, those found are not. Returns NULL, and errno, on failure.
 */
struct load_walk *load_walk_open(char *const *paths);
struct load_entry load_walk_next(struct load_walk *walk);
void load_walk_close(struct load_walk *walk);

/* Counts files and their bytes. */
void load_walk_count(char *const *paths, uint64_t *files, uint64_t *bytes);

#endif
