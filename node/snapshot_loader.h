/* Reads a snapshot from its beginning, some bytes at a time: members and sessions first, then the state machine's part,
 * which is handed on as it comes. Who uses it does the reading:
 *
 *     begin; then, while take says MORE: read `size` bytes at `at` of the snapshot into `bytes`, and take them
 *     DONE: the state may be taken up (dgraft_machine_load_take of `loading`, which is its user's from then on)
 *     end, in any case
 */
#ifndef DGRAFT_NODE_SNAPSHOT_LOADER_H
#define DGRAFT_NODE_SNAPSHOT_LOADER_H

#include "machine_stream.h"

enum loader_step {
    LOADER_MORE = 1,
    LOADER_DONE = 2,
    LOADER_REFUSED = 3, /* `refusal` says what is wrong with its bytes */
    LOADER_NO_MEMORY = 4,
    LOADER_MACHINE = 5 /* the state machine will not have it */
};

struct snapshot_loader {
    const struct dgraft_state_machine *machine; /* borrowed until end */
    struct dgraft_snapshot snapshot;
    uint8_t *bytes;
    size_t capacity;
    uint64_t at; /* of what is to be read next, and how much */
    size_t size;
    enum dgraft_refusal refusal;
    struct snapshot_state state; /* once the front was read: its sessions are owned */
    void *loading;               /* NULL until then, and when it was taken up */
};

/* Returns false when there is no memory. */
bool dgraft_loader_begin(struct snapshot_loader *loader, const struct dgraft_state_machine *machine,
                         const struct dgraft_snapshot *snapshot);

enum loader_step dgraft_loader_take(struct snapshot_loader *loader);

/* One of zeros may be ended, too. */
void dgraft_loader_end(struct snapshot_loader *loader);

#endif
