/* The thread that prepares segments, so that neither a turn nor a write waits for zeros: the next one as soon as it is
 * wanted, and the pool behind it only while the node is quiet, because whatever is written competes with the log's
 * syncs. It does the work on snapshots' files, too. Owner and deputy never do this themselves: a disk that stalls would
 * keep them from sending heartbeats.
 */
#ifndef DGRAFT_NODE_PREPARER_H
#define DGRAFT_NODE_PREPARER_H

#include <dgraft/driver.h>

#include <pthread.h>
#include <stdatomic.h>

struct preparer {
    struct dgraft_driver *driver;
    const _Atomic uint64_t *writes; /* grows with every write of the log */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    atomic_bool woken; /* set under the lock */
    atomic_bool stopping;
    void (*worked)(void *context); /* some of a snapshot's files was worked on: the owner is to take a turn */
    void *worked_context;
};

void dgraft_preparer_init(struct preparer *preparer);
void dgraft_preparer_free(struct preparer *preparer);

/* Starts the thread. Returns false when the system has none. */
bool dgraft_preparer_start(struct preparer *preparer, struct dgraft_driver *driver, const _Atomic uint64_t *writes);

/* Ends the thread; a step that it is in is finished first. */
void dgraft_preparer_stop(struct preparer *preparer);

/* A segment has begun, and the next one is to be made ready; or files of a snapshot are to be worked on. */
void dgraft_preparer_wake(struct preparer *preparer);

#endif
