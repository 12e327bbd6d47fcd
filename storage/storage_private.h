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
    uint64_t torn_bytes;
    bool save_lost;
    uint64_t rewritten;
    uint64_t writes;
    uint64_t segments;

    struct dgraft_job job;
    struct dgraft_writer writer; /* the performer's */
};

/* Turns a failure of the writer into words and poison. */
enum dgraft_status dgraft_storage_poison(struct dgraft_storage *storage, struct dgraft_why *why);

void dgraft_reader_init(struct dgraft_reader *reader, struct dgraft_disk *disk);
void dgraft_reader_close(struct dgraft_reader *reader);

/* The files have grown: what was read ahead may be older than what is there now. */
void dgraft_reader_forget(struct dgraft_reader *reader);

#endif
