/* A node's directory: term and vote, and the log. It never lies: what it says is durable survives any crash, and what
 * was acknowledged and is damaged is reported, never cut and never served.
 *
 *     DIR/lock                   held by the process that has the directory open
 *     DIR/state                  identity, term and vote: two pairs of slots (docs/log-format.md)
 *     DIR/log-0000000000000001   segments of the log: a chain of batches
 *     DIR/spare-0000000000000001 segments to come, prepared while nothing else was to do
 *     DIR/snapshot-<index>-<term>  what the state machine held behind that entry; the log may begin behind it
 *
 * One store belongs to one thread, but for dgraft_storage_perform, which may run on another: at most one is under way,
 * and while it is only dgraft_storage_read, _found, _term_at and _stats may be called; and for _spare and _fill, which
 * may run on a third one meanwhile, and _scrub.
 */
#ifndef DGRAFT_STORAGE_H
#define DGRAFT_STORAGE_H

#include <dgraft/fs.h>
#include <dgraft/record.h>
#include <dgraft/status.h>
#include <dgraft/types.h>

#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whose directory it is: written into the header of every file. */
struct dgraft_identity {
    uint64_t cluster;
    uint64_t store; /* drawn at random when the directory is formatted */
    dgraft_node_id node;
    uint32_t group;        /* 0 until used */
    char cluster_name[64]; /* for people; ends with a zero */
};

#define DGRAFT_WHY_BYTES 512u

/* What went wrong, for people: names file, offset, index and remedy. */
struct dgraft_why {
    char text[DGRAFT_WHY_BYTES];
};

#define DGRAFT_SPARES_MAX 4096u

struct dgraft_storage_options {
    uint64_t segment_bytes; /* 0: 8 MiB; a batch larger than a segment gets one of its own size */
    uint32_t runs_max;      /* newest runs of terms that `found` tells; 0: 256 */
    uint32_t spares;        /* segments to keep prepared beside the next one, at most DGRAFT_SPARES_MAX */
};

/* Makes a directory for a node, empty but for its identity and `first`: the records (framed, contiguous from index 1,
 * all of term 1) that every founder's log begins with. Term is 1, no vote.
 * Returns OK, NOT_EMPTY, NOT_FOUND (the parent), READ_ONLY, FULL, IO; why names the path and the remedy. Nothing of a
 * half-made directory is ever taken for a whole one. */
DGRAFT_MUST_USE enum dgraft_status dgraft_storage_format(struct dgraft_fs *fs, const char *directory,
                                                         const struct dgraft_identity *identity,
                                                         const struct iovec *first, size_t first_count,
                                                         struct dgraft_why *why);

struct dgraft_storage; /* opaque */

/* Opens a formatted directory: locks it, reads it all, decides by the table in docs/log-format.md, cuts a torn last
 * batch, writes what lies above the proven floor again into a fresh segment and syncs it. Damaged entries are told by
 * `found` as long as the log's last position is known; what is damaged beyond that is refused.
 * Returns OK, or LOCKED, NOT_FOUND, DAMAGED, FOREIGN, TOO_NEW, READ_ONLY, FULL, IO, NO_MEMORY; why says what, where and
 * what to do, and - except for the syncing of what was found whole - nothing has been written. */
DGRAFT_MUST_USE enum dgraft_status dgraft_storage_open(struct dgraft_fs *fs, const char *directory,
                                                       const struct dgraft_storage_options *options,
                                                       struct dgraft_storage **out, struct dgraft_why *why);

/* Closes a store and opens it again, to find out what is damaged of it, or because there is room again. No write, no
 * work on snapshots and no other call may be under way. Returns OK, and *storage is another one; or as
 * dgraft_storage_open, and *storage is still the old one: it is poisoned, holds no file any more, and can be asked and
 * closed. After FULL it still holds the lock, is as dgraft_storage_ran_full says, and may be opened again later. */
DGRAFT_MUST_USE enum dgraft_status dgraft_storage_reopen(const struct dgraft_storage_options *options,
                                                         struct dgraft_storage **storage, struct dgraft_why *why);

/* What opening found. Views are valid until the next perform. */
struct dgraft_found {
    struct dgraft_identity identity;
    uint32_t generation;
    dgraft_term term;
    dgraft_node_id vote;
    struct dgraft_snapshot snapshot;  /* the newest, checked whole; all zero: none */
    struct dgraft_position compacted; /* the log begins after it; {0,0}: at index 1. At most the snapshot's */
    struct dgraft_snapshot receiving; /* one that an earlier start received a part of; all zero: none */
    uint64_t received_bytes;          /* of it, as far as a crash did not touch them */
    struct dgraft_position last;
    struct dgraft_position floor;       /* now equal to last: open syncs the rest */
    dgraft_index commit;                /* newest hint, at most last.index */
    dgraft_index membership_index;      /* newest entry of kind MEMBERSHIP; 0 none */
    dgraft_index membership_before;     /* the one before it; 0 none */
    const struct dgraft_term_run *runs; /* oldest first, up to runs_max, the newest ones */
    uint32_t run_count;
    const struct dgraft_damage *damage; /* entries that cannot be read, ascending: to be had from peers */
    uint32_t damage_count;
    bool membership_damaged;  /* the newest entry of kind MEMBERSHIP is one of them */
    const char *damage_found; /* the first damage that this open met, in words, also when it was mended; empty: none */
    uint64_t torn_bytes;      /* cut from the tail by this open */
    bool save_lost;           /* the newest save of term and vote was: `vote` keeps this node from voting in `term` */
    uint64_t rewritten;       /* entries written again by this open */
};
void dgraft_storage_found(const struct dgraft_storage *storage, struct dgraft_found *found);

/* One group of writes: becomes durable as a whole or not at all, but for `state`, which is durable first. */
struct dgraft_storage_write {
    bool state; /* save term and vote */
    dgraft_term term;
    dgraft_node_id vote;
    bool log;          /* write a batch: keep, then append. With count 0 and keep = last it only marks the floor */
    dgraft_index keep; /* entries after this index are superseded; at most the last index */
    /* All that lies before is superseded, and the log begins anew after (keep, restart): the position of the newest
     * snapshot. 0: it goes on. */
    dgraft_term restart;
    /* The entries take the place of damaged ones: `keep` and `last` are the log's last index and position, and all of
     * them lie in what `found` says is damaged, with the terms that they had. */
    bool mends;
    dgraft_index first; /* keep + 1, unless mends */
    uint32_t count;
    struct dgraft_position last; /* the log's last position after this write */
    const struct iovec *records; /* framed records in order, retained until complete */
    size_t record_pieces;        /* how many iovecs; a record may lie in several */
    dgraft_index commit;         /* hint: known committed, at most last.index */
    dgraft_index membership;     /* hint: index of the newest membership entry */
    uint64_t wall_clock_ns;      /* for people */
    /* Descriptors of the records, `count` of them, borrowed for the call of prepare. */
    const struct dgraft_entry *entries;
};

/* Plans a write: only memory is touched. Exactly one perform and one complete follow before the next prepare.
 * Returns OK, MISUSE, POISONED, NO_MEMORY. */
DGRAFT_MUST_USE enum dgraft_status dgraft_storage_prepare(struct dgraft_storage *storage,
                                                          const struct dgraft_storage_write *write);

/* Does the planned I/O: at most one pwritev loop and one sync for the log, and the same for the state when it changed.
 * Any thread. The result is kept for complete. */
void dgraft_storage_perform(struct dgraft_storage *storage);

/* Takes the result over: what was written can be read from now on. Returns OK; or POISONED (and from then on for
 * every prepare), why says what failed first. Nothing of this write may be acknowledged then. */
DGRAFT_MUST_USE enum dgraft_status dgraft_storage_complete(struct dgraft_storage *storage, struct dgraft_why *why);

/* Makes the next segment ready (zero-filled, synced, named) off the commit path: a prepared one, if there is any. Any
 * thread, also while another performs; does nothing when one is ready. Failure is no harm: perform makes one when it
 * must. */
void dgraft_storage_spare(struct dgraft_storage *storage);

/* Says whether dgraft_storage_spare has not been called since a segment began. Any thread. */
bool dgraft_storage_wants_spare(const struct dgraft_storage *storage);

/* Says whether the newest dgraft_storage_spare found the disk full: what is left of the segment that is written is the
 * last room there is. Calling it again, every second or so, finds out when there is room again. Any thread. Also true
 * of a store that ran full. */
bool dgraft_storage_lacks_room(const struct dgraft_storage *storage);

/* Says whether a store is poisoned for nothing but want of room (ENOSPC, EDQUOT): a write, or the making of a segment,
 * found none, and what was durable before is so still. dgraft_storage_spare then asks for as much room as was wanted,
 * and once it found some dgraft_storage_room_again says so: dgraft_storage_reopen may go on with what is on the disk.
 * Never after a sync that failed, whatever for: nobody can say then what is there. */
bool dgraft_storage_ran_full(const struct dgraft_storage *storage);
bool dgraft_storage_room_again(const struct dgraft_storage *storage);

/* Does one step, of at most 1 MiB written and synced, towards options.spares prepared segments; too many are removed.
 * Call it while there is nothing else to do. Any thread, but one at a time. Returns whether there is more to do; after
 * a failure, which is no harm, not before the next segment begins. */
bool dgraft_storage_fill(struct dgraft_storage *storage);

/* Says whether dgraft_storage_fill has anything to do. Any thread. */
bool dgraft_storage_wants_fill(const struct dgraft_storage *storage);

/* Copies whole framed records from index `first` on, as many as fit into `size` bytes and lie at most at index `last`,
 * to `bytes`; at least one must fit. Each is checked (both checksums, index, order). *count and *used say what came.
 * Returns OK, TOO_LARGE (the first alone needs *used bytes), NOT_FOUND (beyond the durable log), GONE, DAMAGED (why
 * names file, offset, index; opening the store again finds out what else is; before it what is whole), IO. */
DGRAFT_MUST_USE enum dgraft_status dgraft_storage_read(struct dgraft_storage *storage, dgraft_index first,
                                                       dgraft_index last, uint8_t *bytes, size_t size, uint32_t *count,
                                                       size_t *used, struct dgraft_why *why);

/* Returns the term of a durable entry, from memory or by reading it; 0 when it cannot be had. */
dgraft_term dgraft_storage_term_at(struct dgraft_storage *storage, dgraft_index index);

/* Returns how many bytes of the log lie behind the entry at index: what somebody lacks who has the log up to there. An
 * estimate within each 64 KiB; behind an index before the log's beginning, all of it. The turning thread only. */
uint64_t dgraft_storage_bytes_after(const struct dgraft_storage *storage, dgraft_index index);

/* Snapshots. One that this node makes and one that it receives are written side by side, under names of their own, and
 * become files of the store when they are published. All that writes - begin, write, check, publish, and the dropping
 * below - may run on any one thread at a time, beside perform; the rest is the owner's. Their failures poison nothing:
 * nothing hangs on a snapshot that is not published. */
enum dgraft_snapshot_draft { DGRAFT_SNAPSHOT_OWN = 0, DGRAFT_SNAPSHOT_RECEIVED = 1 };

/* Returns XXH3-64 of bytes: a snapshot's digest. */
uint64_t dgraft_snapshot_digest(const void *bytes, size_t size);

/* Begins a snapshot; what there was of another one is dropped. A size of 0: how long it will be, and its digest, are
 * not known yet; dgraft_storage_snapshot_seal ends it. chunk_bytes: larger writes are done in parts of it, at least 1.
 * Returns OK, FULL, READ_ONLY, IO, NO_MEMORY. */
DGRAFT_MUST_USE enum dgraft_status dgraft_storage_snapshot_begin(struct dgraft_storage *storage,
                                                                 enum dgraft_snapshot_draft which,
                                                                 const struct dgraft_snapshot *snapshot,
                                                                 uint32_t chunk_bytes, struct dgraft_why *why);

/* Writes the next bytes and syncs them. Returns OK, MISUSE (another offset than the next), FULL, IO. */
DGRAFT_MUST_USE enum dgraft_status dgraft_storage_snapshot_write(struct dgraft_storage *storage,
                                                                 enum dgraft_snapshot_draft which, uint64_t offset,
                                                                 const void *bytes, size_t size,
                                                                 struct dgraft_why *why);

/* Ends a snapshot whose size was not known: *snapshot is what was written, with its digest. It may be checked from then
 * on. Returns OK, MISUSE (it was known, or nothing was written), FULL, IO. */
DGRAFT_MUST_USE enum dgraft_status dgraft_storage_snapshot_seal(struct dgraft_storage *storage,
                                                                enum dgraft_snapshot_draft which,
                                                                struct dgraft_snapshot *snapshot,
                                                                struct dgraft_why *why);

/* Copies bytes that were written, and not published yet. Returns OK, MISUSE (there are fewer), IO. */
DGRAFT_MUST_USE enum dgraft_status dgraft_storage_snapshot_reread(struct dgraft_storage *storage,
                                                                  enum dgraft_snapshot_draft which, uint64_t offset,
                                                                  void *bytes, size_t size, struct dgraft_why *why);

/* Reads back some of what was written; *done when all of it was and it is what it should be. Returns OK; DAMAGED: it is
 * not, and it is gone; IO. */
DGRAFT_MUST_USE enum dgraft_status dgraft_storage_snapshot_check(struct dgraft_storage *storage,
                                                                 enum dgraft_snapshot_draft which, bool *done,
                                                                 struct dgraft_why *why);

/* Gives a checked snapshot its name, durably. From then on a start would find it. Returns OK, IO, FULL. */
DGRAFT_MUST_USE enum dgraft_status dgraft_storage_snapshot_publish(struct dgraft_storage *storage,
                                                                   enum dgraft_snapshot_draft which,
                                                                   struct dgraft_why *why);

/* Takes the published snapshot for the store's newest, unless it has a newer one. The owner's. */
void dgraft_storage_snapshot_adopt(struct dgraft_storage *storage, enum dgraft_snapshot_draft which);

/* Copies bytes of the newest snapshot; *got says how many came: fewer at its end only. Returns OK, GONE (there is
 * none), IO. The owner's. */
DGRAFT_MUST_USE enum dgraft_status dgraft_storage_snapshot_read(struct dgraft_storage *storage, uint64_t offset,
                                                                void *bytes, size_t size, size_t *got,
                                                                struct dgraft_why *why);

/* Returns the newest snapshot; all zero: none. The owner's. */
struct dgraft_snapshot dgraft_storage_snapshot(const struct dgraft_storage *storage);

/* Plans a step of the scrub, which reads one after the other what is in force - the log's entries, the newest snapshot
 * - to see whether it is whole still. The owner's; only memory is looked at. Returns false when there is nothing to
 * read just now: a pass has ended, and the next begins with the next plan. */
bool dgraft_storage_scrub_plan(struct dgraft_storage *storage);

/* Reads what was planned, about 256 KiB, and checks it as dgraft_storage_read would; headers of segments, too. Once for
 * each plan, on any thread, also while another performs; but not beside dgraft_storage_drop or work on snapshots.
 * Returns OK; DAMAGED: dgraft_storage_reopen tells what of it counts; IO, NO_MEMORY: why says what, the rest of it is
 * left out of this pass. */
DGRAFT_MUST_USE enum dgraft_status dgraft_storage_scrub(struct dgraft_storage *storage, struct dgraft_why *why);

/* Forgets whole segments in which every entry lies at or below index, which a snapshot must hold; and older snapshots.
 * The owner's; the files are removed by dgraft_storage_drop. */
void dgraft_storage_forget(struct dgraft_storage *storage, dgraft_index index);

/* Removes one file that was forgotten, from the front. Returns whether more are to be removed; failure is no harm. */
bool dgraft_storage_drop(struct dgraft_storage *storage);

/* Returns the index of the newest membership entry at or below index that is in the log; 0 none. The owner's. */
dgraft_index dgraft_storage_membership_at(const struct dgraft_storage *storage, dgraft_index index);

struct dgraft_storage_stats {
    uint64_t writes; /* log batches */
    uint64_t syncs;
    uint64_t system_calls;
    uint64_t bytes_written;
    uint64_t segments;
    uint64_t spares;      /* prepared beside the next one */
    uint64_t spares_late; /* segments that had to be made on the commit path */
    uint64_t segments_dropped;
    uint64_t index_bytes;  /* memory of the sparse index */
    uint64_t scrub_passes; /* since the store was opened: all in force was looked at so often */
    uint64_t scrubbed_bytes;
};
void dgraft_storage_stats(const struct dgraft_storage *storage, struct dgraft_storage_stats *stats);

/* Marks the floor with an empty batch unless poisoned or already marked, and closes everything. NULL is ignored.
 * Returns OK or what the last write returned; the store is closed in any case. */
enum dgraft_status dgraft_storage_close(struct dgraft_storage *storage, struct dgraft_why *why);

/* Closes without writing anything: as a crash would. For tests and after POISONED. */
void dgraft_storage_abandon(struct dgraft_storage *storage);

#ifdef __cplusplus
}
#endif
#endif
