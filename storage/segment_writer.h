/* The performing side of a store: saves of term and vote, batches into segments, the spare segment. Touches nothing
 * that the turning thread reads. A spare may be made on one thread while another writes.
 */
#ifndef DGRAFT_SEGMENT_WRITER_H
#define DGRAFT_SEGMENT_WRITER_H

#include "disk_format.h"
#include "segment_pool.h"

/* What failed first, to be told in words. */
struct dgraft_failure {
    const char *verb; /* NULL: nothing has failed */
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    int error;
};

struct dgraft_writer {
    struct dgraft_disk *disk;
    struct dgraft_identity identity;
    uint64_t segment_bytes;
    int state_file;
    int file;          /* of the segment that is written; -1 when `fresh` */
    uint64_t sequence; /* of the newest segment that was used */
    uint64_t offset;   /* where the next batch goes */
    uint64_t file_bytes;
    uint64_t made_bytes;        /* what its header says of that; 0 when it is not certain to be durable */
    bool fresh;                 /* the next batch begins a segment */
    uint64_t number;            /* of the newest batch in force */
    uint32_t chain;             /* its checksum */
    uint64_t next_number;       /* of the next batch: above all that were ever begun */
    pthread_mutex_t spare_lock; /* held while a spare is made or taken; guards the three below and `sequence` */
    int spare_file;             /* -1: none; its sequence is sequence + 1 */
    uint64_t spare_bytes;
    uint64_t spare_sequence;  /* of one that an earlier process left; 0: the next */
    bool spare_named;         /* its name is durable */
    atomic_bool spare_wanted; /* none is ready */
    atomic_bool lacks_room;   /* the newest attempt to make one found the disk full */
    struct dgraft_pool pool;  /* where the next ones come from, as long as it has any */
    _Atomic uint64_t spares_late;
    struct dgraft_failure failure;
    atomic_bool failed;
    atomic_bool ran_full;   /* for want of room: opening again may do, once there is some */
    atomic_bool room_again; /* there was, when it was asked for last */
    uint64_t lacking_bytes; /* what is asked for; written before `ran_full` is */
};

/* Writes both copies of a save and syncs it. Returns false and sets failure. */
DGRAFT_MUST_USE bool dgraft_writer_save(struct dgraft_writer *writer, const struct dgraft_state_slot *slot);

/* Writes a batch and syncs it: pieces[0] is left free for the header, the records follow; the array is used up. Sets
 * the batch's length, number, previous, checksums and offset. Returns false and sets failure. */
DGRAFT_MUST_USE bool dgraft_writer_append(struct dgraft_writer *writer, struct dgraft_batch *batch,
                                          struct iovec *pieces, size_t piece_count);

/* Writes the header of an older segment again and syncs it. Returns false and sets failure. */
DGRAFT_MUST_USE bool dgraft_writer_header(struct dgraft_writer *writer, const struct dgraft_segment_header *header);

/* Notes that there is no room: from now on dgraft_writer_spare asks for some. */
void dgraft_writer_lack(struct dgraft_writer *writer);

/* Makes the next segment ready: one of the pool, or a new one. Failure leaves things as they were. Of a writer that ran
 * full it finds out whether there is room again. */
void dgraft_writer_spare(struct dgraft_writer *writer);

/* Closes all files. */
void dgraft_writer_close(struct dgraft_writer *writer);

#endif
