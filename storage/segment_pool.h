/* The pool: segments prepared ahead of their use, as files `spare-<number>` that are whole, full of zeros and synced.
 *
 * One is filled under the name `spare.new`, a slice at a time, and renamed when it is durable: a name `spare-...` is
 * proof of that, and nobody has to read the file. Taking one is a rename to the segment's name. Nothing in the pool is
 * part of the log, whatever it holds.
 *
 * One thread may fill while others take.
 */
#ifndef DGRAFT_SEGMENT_POOL_H
#define DGRAFT_SEGMENT_POOL_H

#include "full_io.h"

#include <dgraft/storage.h>

#include <pthread.h>

struct dgraft_pool {
    struct dgraft_disk *disk;
    uint64_t segment_bytes;
    uint32_t wanted;
    pthread_mutex_t lock; /* held to change the three below */
    uint64_t *numbers;    /* of the spares that are ready: room for capacity */
    _Atomic size_t count;
    size_t capacity;

    /* The filling thread's: */
    uint64_t next_number;
    bool left_over; /* a `spare.new` of an earlier process is there */
    int draft;      /* file of the one being filled; -1: none */
    uint64_t filled;
    atomic_bool given_up; /* an attempt failed: no other before the next segment begins */
};

/* Looks which spares are there; reads none. Returns 0 or a negative errno. */
DGRAFT_MUST_USE int dgraft_pool_open(struct dgraft_pool *pool, struct dgraft_disk *disk, uint64_t segment_bytes,
                                     uint32_t wanted);

/* Closes it; what is ready stays for the next process. */
void dgraft_pool_close(struct dgraft_pool *pool);

/* Does a bounded step towards as many spares as are wanted: removes what is too much, or fills one slice and syncs it.
 * Returns whether there is more to do. */
bool dgraft_pool_fill(struct dgraft_pool *pool);

/* Says whether dgraft_pool_fill would do anything. */
bool dgraft_pool_lacks(const struct dgraft_pool *pool);

/* How many are ready. */
size_t dgraft_pool_count(const struct dgraft_pool *pool);

/* Finds out whether there is room for so many bytes: makes a draft of them, and takes it away again. Nobody may fill
 * meanwhile, nor ever again. Returns 0 or a negative errno. */
DGRAFT_MUST_USE int dgraft_pool_probe(struct dgraft_pool *pool, uint64_t bytes);

/* Gives one the name of a segment, which is not yet durable. Returns the file, open for writing; -ENOENT when none is
 * ready, or another negative errno. */
DGRAFT_MUST_USE int dgraft_pool_take(struct dgraft_pool *pool, const char *name);

/* Returns the number of a spare's name, 0 when it is none; UINT64_MAX for one that is being filled. */
uint64_t dgraft_pool_number(const char *name);

#endif
