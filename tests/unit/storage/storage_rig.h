/* What the tests of storage share: a plain list of entries as the oracle of a log, records made from it, writes. */
#ifndef STORAGE_RIG_H
#define STORAGE_RIG_H

#include "memory_fs.h"

#include <dgraft/storage.h>

enum { RIG_ENTRIES_MAX = 4096, RIG_SNAPSHOT_BYTES = 700, RIG_CHUNK_BYTES = 300 };

/* What the log should hold: term and size of each entry; the payload follows from index and term. */
struct rig_log {
    dgraft_term terms[RIG_ENTRIES_MAX + 1]; /* from 1 */
    uint32_t sizes[RIG_ENTRIES_MAX + 1];
    bool memberships[RIG_ENTRIES_MAX + 1];
    dgraft_index last;
    dgraft_term term;
    dgraft_node_id vote;
    dgraft_index commit;
    dgraft_index snapshot;    /* index of the newest; its term is terms[] of it */
    dgraft_index begin;       /* the log begins behind this entry, or earlier */
    dgraft_index begin_least; /* but not before this one */
};

enum rig_operation {
    RIG_WRITE = 0,
    RIG_SNAPSHOT = 1, /* of this node's own, at `keep` */
    RIG_FORGET = 2,   /* entries up to `keep` */
    RIG_MEND = 4,     /* the entries after `keep`, `count` of them, as they were: they are damaged */
    RIG_INSTALL = 3   /* a snapshot at `keep` of `entry_term` was received; the log gives way to it */
};

struct rig_write {
    enum rig_operation operation;
    bool state;
    dgraft_term term;
    dgraft_node_id vote;
    bool log;
    dgraft_index keep;
    uint32_t count;
    dgraft_term entry_term;
    uint32_t payload_bytes; /* of the first; each further one is one byte larger */
    bool membership;        /* the first entry is one */
};

extern const struct dgraft_identity rig_identity;

/* Formats "node" with one membership entry. */
enum dgraft_status rig_format(struct dgraft_fs *fs, struct rig_log *log, struct dgraft_why *why);

/* Changes the oracle as a write would. */
void rig_apply(struct rig_log *log, const struct rig_write *write);

/* Does the write: prepare, perform, complete. */
enum dgraft_status rig_do(struct dgraft_storage *storage, const struct rig_log *before, const struct rig_write *write);

/* The bytes of the snapshot of a position, which follow from it. */
void rig_snapshot_bytes(struct dgraft_position position, uint8_t bytes[RIG_SNAPSHOT_BYTES]);

/* The snapshot of a position, and storing the first `until` bytes of it; all 700 of them: it is checked, published and
 * adopted. */
struct dgraft_snapshot rig_snapshot_of(struct dgraft_position position);
enum dgraft_status rig_store_snapshot(struct dgraft_storage *storage, enum dgraft_snapshot_draft which,
                                      struct dgraft_position position, size_t until);

/* Returns NULL when the store holds exactly this log and this term and vote, and its opening met no damage; otherwise
 * what differs. */
const char *rig_differs(struct dgraft_storage *storage, const struct rig_log *log);

/* The same where entries may be damaged: all others are as they should be, and what lies behind them is told rightly.
 */
const char *rig_differs_beside_damage(struct dgraft_storage *storage, const struct rig_log *log);

/* Writes again all that is damaged, as peers would give it. */
enum dgraft_status rig_mend(struct dgraft_storage *storage, const struct rig_log *log);

/* The same for the log alone, or for term and vote alone. */
const char *rig_log_differs(struct dgraft_storage *storage, const struct rig_log *log);
const char *rig_state_differs(struct dgraft_storage *storage, const struct rig_log *log);

#endif
