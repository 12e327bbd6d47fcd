/* Directories of a cluster's nodes as storage writes them, in memory, with whatever entries a test wants. */
#ifndef REPLICA_RIG_H
#define REPLICA_RIG_H

#include <dgraft/storage.h>

enum { REPLICA_VOTERS = 3, REPLICA_ENTRIES_MAX = 32 };

/* What one write brings: entries keep + 1 to keep + count, all of one term, whose payloads are "<mark>-<index>-<term>"
 * repeated up to 24 bytes. */
struct replica_write {
    dgraft_index keep;
    uint32_t count;
    dgraft_term term;
    dgraft_index commit;
    char mark; /* 0: 'e' */
};

/* Formats a directory of this node, cluster and store; entry 1 makes 1, 2 and 3 voters. Ends the test when it fails. */
void replica_format(struct dgraft_fs *fs, const char *path, dgraft_node_id node, uint64_t cluster);

/* Opens it, does the writes, closes it. */
void replica_fill(struct dgraft_fs *fs, const char *path, const struct replica_write *writes, size_t count);

/* Opens it, makes a snapshot of its own behind a position (some bytes: no machine's), closes it. */
void replica_snapshot(struct dgraft_fs *fs, const char *path, struct dgraft_position position);

/* Writes the payload of an entry, 24 bytes without an end. */
void replica_payload(char mark, dgraft_index index, dgraft_term term, char out[24]);

#endif
