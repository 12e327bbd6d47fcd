#include "load_walk.h"

#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>

/* An opaque name for the C library's own walker. */
static FTS *walker(struct load_walk *walk)
{
    return (FTS *)(void *)walk;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

struct load_walk *load_walk_open(char *const *paths)
{
    return (struct load_walk *)(void *)fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
}

struct load_entry load_walk_next(struct load_walk *walk)
{
    for (;;) {
        errno = 0;
        FTSENT *found = fts_read(walker(walk));
        if (found == NULL) {
            return (struct load_entry){.kind = LOAD_WALK_END, .error = errno};
        }
        struct load_entry entry = {.path = found->fts_path};
        switch (found->fts_info) {
        case FTS_F:
            entry.kind = LOAD_WALK_FILE;
            entry.bytes = (uint64_t)found->fts_statp->st_size;
            return entry;
        case FTS_D:
        case FTS_DP:
        case FTS_DOT:
            continue;
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS:
            entry.kind = LOAD_WALK_ERROR;
            entry.error = found->fts_errno;
            return entry;
        default: /* FTS_SL, FTS_SLNONE, FTS_DEFAULT, FTS_DC: links, devices, cycles */
            entry.kind = LOAD_WALK_OTHER;
            return entry;
        }
    }
}

void load_walk_close(struct load_walk *walk)
{
    (void)fts_close(walker(walk));
}

void load_walk_count(char *const *paths, uint64_t *files, uint64_t *bytes)
{
    struct load_walk *walk = load_walk_open(paths);
    *files = 0;
    *bytes = 0;
    if (walk == NULL) {
        return;
    }
    for (struct load_entry entry = load_walk_next(walk); entry.kind != LOAD_WALK_END; entry = load_walk_next(walk)) {
        if (entry.kind == LOAD_WALK_FILE) {
            *files += 1;
            *bytes += entry.bytes;
        }
    }
    load_walk_close(walk);
}
