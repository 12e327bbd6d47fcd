#include "stateless.h"

#include "disk_format.h"
#include "segment_pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_BYTES = 61 };

struct names_seen {
    bool foreign;            /* a name that no dgraft makes */
    char shown[SHOWN_BYTES]; /* that name, as far as it can be printed */
    bool ours;               /* a name that format makes */
    bool grown;              /* a segment, or one prepared, that format does not make */
};

/* A name may hold any byte but '/': what could play with a terminal is not shown. */
static void show(const char *name, char shown[SHOWN_BYTES])
{
    size_t i = 0;
    for (; i < SHOWN_BYTES - 1u && name[i] != '\0'; i++) {
        const bool printable = name[i] >= ' ' && name[i] <= '~';
        shown[i] = (char)(printable ? name[i] : '?');
    }
    shown[i] = '\0';
}

static int see_name(void *context, const char *name)
{
    struct names_seen *seen = context;
    const uint64_t sequence = dgraft_segment_sequence(name);
    if (sequence > 1 || dgraft_pool_number(name) != 0 || dgraft_snapshot_named(name).index != 0) {
        seen->grown = true;
    } else if (sequence == 1 || strcmp(name, "lock") == 0 || strcmp(name, "state.new") == 0) {
        seen->ours = true;
    } else if (!seen->foreign) {
        seen->foreign = true;
        show(name, seen->shown);
    }
    return 0;
}

enum dgraft_status dgraft_why_stateless(struct dgraft_why *why, struct dgraft_disk *disk)
{
    struct names_seen seen = {0};
    const int error = disk->fs->ops->list(disk->fs, disk->directory, see_name, &seen);
    if (error < 0) {
        return dgraft_why_errno(why, disk, "open", "", error);
    }
    if (seen.grown) {
        return dgraft_why_set(why, DGRAFT_STATUS_DAMAGED,
                              "%.200s has segments of a node's log, but its `state` is not there: term and vote are "
                              "lost; nothing was changed. %s",
                              disk->directory, DGRAFT_REMEDY_DAMAGE);
    }
    if (seen.foreign) {
        return dgraft_why_set(
            why, DGRAFT_STATUS_NOT_FOUND,
            "%.200s is not a node's directory: it has no `state`, but other files (%s); check the path",
            disk->directory, seen.shown);
    }
    if (!seen.ours) {
        return dgraft_why_set(why, DGRAFT_STATUS_NOT_FOUND,
                              "%.200s is empty: check the path; `raftctl format` makes a node's directory of it",
                              disk->directory);
    }
    return dgraft_why_set(why, DGRAFT_STATUS_NOT_FOUND,
                          "%.200s has only what a format leaves that never finished (no `state`); if no node has ever "
                          "run on it, name another directory to `raftctl format`, or remove lock, state.new and "
                          "log-0000000000000001 there first",
                          disk->directory);
}
