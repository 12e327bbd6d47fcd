/* The driver's snapshots. Their files are written beside the log: one job at a time is planned by a turn, done on some
 * other thread (or wherever dgraft_driver_file_work is called), and its result taken by a later turn.
 *
 *   made here      begin -> write ... -> seal -> check ... -> publish -> the core hears SNAPSHOT
 *   a leader's     store ... -> recheck ... -> load ... -> take -> the core hears SNAPSHOT_RECEIVED
 *
 * Between two writes the state machine fills the buffer again; after each load it is handed what was read.
 *
 *   compaction     forget (memory) -> drop ... (files)
 *   scrub          now and then, when there is nothing else to do
 */
#ifndef DGRAFT_NODE_DRIVER_FILES_H
#define DGRAFT_NODE_DRIVER_FILES_H

#include "snapshot_loader.h"

#include <stdatomic.h>

/* No more than so many parts of a leader's snapshot wait to be stored: the core asks for four. */
#define DRIVER_STORES_MAX 8u

enum file_state {
    FILE_IDLE,
    FILE_READY, /* planned: somebody is to call dgraft_driver_file_work */
    FILE_WORKING,
    FILE_DONE /* the next turn takes the result */
};

enum file_job {
    FILE_NONE,
    FILE_BEGIN,
    FILE_WRITE,
    FILE_SEAL,
    FILE_CHECK,
    FILE_PUBLISH,
    FILE_STORE,
    FILE_RECHECK,
    FILE_LOAD,
    FILE_TAKE,
    FILE_DROP,
    FILE_SCRUB
};

/* A part of a leader's snapshot, where it lies in the datagram that brought it. */
struct file_store {
    struct dgraft_snapshot snapshot;
    uint64_t offset;
    const uint8_t *bytes;
    uint32_t size;
    struct dgraft_buffer *buffer; /* one reference */
};

struct driver_files {
    _Atomic int state;
    enum file_job job; /* planned, and until its result is taken */
    enum dgraft_status status;
    bool done;
    struct dgraft_why why;

    struct file_store stores[DRIVER_STORES_MAX]; /* ring: first, count */
    uint32_t stores_first;
    uint32_t stores_count;
    uint64_t complained; /* digest of the leader's snapshot that trouble was told of last */

    enum file_job next;                 /* of the one being made; FILE_NONE: none is */
    struct dgraft_snapshot_writer made; /* what is to be written next */
    void *saving;                    /* the state machine's, while it has more; NULL: it has written all, or none is */
    struct dgraft_snapshot snapshot; /* its size and digest are known when it is sealed */
    uint64_t written;
    size_t made_written; /* of `made` */
    dgraft_index tried;  /* position of the newest that was begun */
    bool wanted;         /* somebody asked for one */

    enum file_job next_received; /* of a leader's that is stored whole; FILE_NONE: there is none */
    struct dgraft_snapshot received;
    struct snapshot_loader loader;
    bool restore_failed;

    dgraft_index forget; /* the log may lose entries up to here; 0: done */
    bool drop;           /* files are to be removed */

    struct dgraft_snapshots_stats stats;
};

#endif
