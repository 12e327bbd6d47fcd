/* What a run of writes had acknowledged when it was cut, and whether a recovery has it. */
#ifndef STORAGE_HISTORY_H
#define STORAGE_HISTORY_H

#include "storage_rig.h"

enum { WRITES_MAX = 16 };

struct history {
    struct rig_log logs[WRITES_MAX + 1]; /* after each acknowledged write */
    size_t acknowledged;
    bool under_way; /* one more was begun: logs[acknowledged + 1] is how it would have ended */
};

/* Segments so small that writes roll. */
extern const struct dgraft_storage_options history_options;

/* The same, with a pool. */
extern const struct dgraft_storage_options history_pool_options;

/* Opens an image twice and asserts that what was acknowledged is there, and that the second time writes nothing. `call`
 * is told when an assertion fails. */
void history_check(struct memory_fs *image, const struct history *history, uint64_t call);

#endif
