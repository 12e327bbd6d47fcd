/* The inside of struct dgraft_storage, and who may touch what. */
#ifndef DGRAFT_STORAGE_PRIVATE_H
#define DGRAFT_STORAGE_PRIVATE_H

#include "recovery.h"
#include "segment_writer.h"
#include "storage_why.h"

/* Where reading stopped: the next record is likely to be the one that is read next. */
struct dgraft_cursor {
    bool valid;
    uint64_t sequence;
    struct dgraft_batch batch;
    uint64_t offset; /* of the record of `index` */
    dgraft_index index;
};

struct dgraft_reader {
    struct dgraft_window window;
    uint64_t sequence; /* of the open file; 0: none */
    struct dgraft_cursor cursor;
};

/* A write on its way. Set by prepare, read by perform, result by perform, taken by complete. */
struct dgraft_job {
    bool state;
    struct dgraft_state_slot slot;
    bool log;
    struct iovec *pieces; /* the first is the header's */
    size_t piece_count;
    size_t piece_capacity;
    bool done;
};

/* A snapshot that is being written, checked or published. The file lane's, but for what is read between its steps. */
struct dgraft_draft {
    const char *name;
    int file; /* -1: none */
    struct dgraft_snapshot_header header;
    void *written;    /* hash over what was stored, while its size is not known; NULL: it was from the first */
    uint64_t offset;  /* bytes stored */
    uint64_t checked; /* bytes read back */
    void *hash;
    bool published;
};

/* What is to be removed from a directory, in this order. */
struct dgraft_dropping {
    struct dgraft_position snapshot; /* an older one; index 0: none */
    uint64_t next;                   /* the first segment whose file is there: it goes first */
    uint64_t end;                    /* up to the one before this */
    bool segments;                   /* some are */
    _Atomic uint64_t dropped;
};

/* Read at most by one step of the scrub, but for a record that is larger. */
#define DGRAFT_SCRUB_BYTES (256u * 1024)

enum scrub_part { SCRUB_LOG = 0, SCRUB_SNAPSHOT = 1 };

/* What is read to see whether it is whole still. Set by a plan, used by its step; never both at once. */
struct dgraft_scrub {
    enum scrub_part part;
    struct dgraft_window window;
    uint64_t sequence;           /* of the open file; 0: none */
    struct dgraft_cursor cursor; /* of `next`, when valid */
    dgraft_index next;           /* entry to look at */
    struct dgraft_extent extent; /* planned: where it lies */
    dgraft_index last;           /* planned: the last one of it that is in force */
    struct dgraft_snapshot snapshot;
    void *hash;
    uint64_t hashed;
    uint64_t passes;
    _Atomic uint64_t bytes;
};

struct dgraft_storage {
    struct dgraft_disk disk;
    char *directory;
    int lock_file;

    /* The owner's: */
    struct dgraft_identity identity;
    uint32_t generation;
    dgraft_term term;
    dgraft_node_id vote;
    uint64_t saves; /* version of the newest durable save */
    struct dgraft_log log;
    struct dgraft_reader reader;
    struct dgraft_plan plan; /* of the write on its way; its batch is finished by perform */
    bool planned;
    bool poisoned;
    struct dgraft_why poisoned_why;
    bool marked;            /* the last batch in the file marks the floor, and knows of the newest save */
    uint64_t wall_clock_ns; /* newest that was written */
    struct dgraft_damage damage[DGRAFT_DAMAGE_MAX];
    uint32_t damage_count;
    struct dgraft_why damage_found;
    uint64_t torn_bytes;
    bool save_lost;
    uint64_t rewritten;
    uint64_t writes;
    uint64_t segments;

    struct dgraft_snapshot snapshot; /* the newest */
    int snapshot_file;
    struct dgraft_draft drafts[2];
    struct dgraft_dropping dropping;
    struct dgraft_scrub scrub;

    struct dgraft_job job;
    struct dgraft_writer writer; /* the performer's */
};

/* Turns a failure of the writer into words and poison. */
enum dgraft_status dgraft_storage_poison(struct dgraft_storage *storage, struct dgraft_why *why);

/* Syncs the names that a format made, and the directory's own: a process that ended between naming `state` and syncing
 * them left a directory that can be opened, and that a power failure takes away with all that was acknowledged since.
 * Returns 0 or a negative errno. */
int dgraft_format_prove(struct dgraft_disk *disk);

/* storage_mend.c: writes again what can still be read of damaged batches. Returns OK, IO, FULL, NO_MEMORY. */
DGRAFT_MUST_USE enum dgraft_status
dgraft_storage_salvage(struct dgraft_storage *storage, const struct dgraft_recovery *recovery, struct dgraft_why *why);

/* Returns whether anything is to be written so. */
bool dgraft_storage_salvages(const struct dgraft_log *log, const struct dgraft_recovery *recovery);

/* Notes what is damaged, and behind which entry it lies. Returns false when such an entry's term cannot be had. */
bool dgraft_storage_note_damage(struct dgraft_storage *storage);

/* Turns a failure of the writer into words, before the store is open. */
enum dgraft_status dgraft_storage_failed(struct dgraft_storage *storage, struct dgraft_why *why);

/* Ends what was begun of a snapshot; its file goes with it when `gone`. */
void dgraft_draft_end(struct dgraft_storage *storage, enum dgraft_snapshot_draft which, bool gone);

/* At a start: opens the newest snapshot, takes up the part of one, removes what is left over. */
DGRAFT_MUST_USE enum dgraft_status dgraft_snapshots_open(struct dgraft_storage *storage,
                                                         const struct dgraft_snapshot_header *newest,
                                                         struct dgraft_why *why);
void dgraft_snapshots_close(struct dgraft_storage *storage);

void dgraft_scrub_init(struct dgraft_scrub *scrub, struct dgraft_disk *disk);
void dgraft_scrub_close(struct dgraft_scrub *scrub);

void dgraft_reader_init(struct dgraft_reader *reader, struct dgraft_disk *disk);
void dgraft_reader_close(struct dgraft_reader *reader);

/* The files have grown: what was read ahead may be older than what is there now. */
void dgraft_reader_forget(struct dgraft_reader *reader);

#endif
