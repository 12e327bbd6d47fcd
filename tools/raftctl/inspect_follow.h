/* Shows batches as they are written to a node's directory: the newest segment is looked at again and again. */
#ifndef INSPECT_FOLLOW_H
#define INSPECT_FOLLOW_H

#include "inspect_view.h"

struct inspect_follow {
    FILE *stream;
    struct dgraft_fs *fs;
    const char *path; /* of the directory */
    const struct inspect_options *options;
    bool json;
    uint64_t sequence; /* of the segment looked into last */
    uint64_t number;   /* of the newest batch seen */
    uint64_t shown;    /* batches */
    dgraft_index last; /* entry of the newest batch shown */
    bool wanted;       /* the batch visited last is new: its records are shown */
    bool quiet;        /* all is looked at, and nothing shown */
};

/* Begins behind the newest batch that is there; the strings and options are borrowed until the end. Returns OK, or why
 * the directory cannot be followed: NOT_FOUND, READ_ONLY, IO, NO_MEMORY, DAMAGED (it is none of a node). */
DGRAFT_MUST_USE enum dgraft_status inspect_follow_begin(struct inspect_follow *follow, struct dgraft_why *why);

/* Shows what was written since. Returns as begin does; a segment that was dropped meanwhile is no failure. */
DGRAFT_MUST_USE enum dgraft_status inspect_follow_poll(struct inspect_follow *follow, struct dgraft_why *why);

/* Follows until SIGINT, SIGTERM, or `seconds` are over (0: no end), and says how much was shown. Returns whether that
 * went well. */
bool inspect_follow_run(struct inspect_follow *follow, uint64_t seconds);

#endif
