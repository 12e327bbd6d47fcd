/* Two threads, one role of loop owner, one sync at a time. (A third only prepares segments: preparer.h; a fourth only
 * writes the flight record, when there is one.)
 *
 *            turn: receive, step, send                            asleep
 *                     |                                              |
 *   owner   ----------+--- write waits for nobody else: sync here ---+---- next turn
 *                     |
 *                     +--- others wait: hand the write over -----> deputy syncs, wakes the owner
 *
 * The deputy also watches the owner's own syncs: when one lasts longer than DEPUTY_PATIENCE_NS it takes the loop over,
 * so that heartbeats go out while a disk stalls; the old owner, back from its sync, finds itself the deputy. The
 * hand-over is one compare-and-swap of `role`:
 *
 *   OWNS(i) --- owner i begins a sync ---> SYNCS(i) --- i is back in time -----------> OWNS(i)
 *                                             \-------- deputy j loses patience -----> OWNS(j)
 */
#ifndef DGRAFT_NODE_LOOP_H
#define DGRAFT_NODE_LOOP_H

#include "preparer.h"

#include <dgraft/node.h>

struct node_loop {
    struct dgraft_driver *driver;
    struct dgraft_transport *transport;
    struct dgraft_transport *clients; /* NULL: they come by `transport` */
    pthread_mutex_t turn; /* held while the driver is used, never while sleeping or syncing; callbacks may propose */
    int wake_fd;
    atomic_bool stopping;
    atomic_bool asleep; /* the owner is in ppoll, or about to be: whoever brings work must wake it */
    pthread_t threads[2];

    _Atomic uint32_t role;       /* which thread owns the loop, and whether it syncs */
    _Atomic uint64_t sync_count; /* grows with every sync of an owner: tells one that lasts from the next */
    pthread_mutex_t deputy_lock;
    pthread_cond_t deputy_wanted;
    bool write_waits;   /* guarded by deputy_lock */
    atomic_bool dozing; /* the deputy sleeps without a limit */

    _Atomic uint64_t writes; /* performed, here or by the deputy */
    struct preparer preparer;

    /* Writes the flight record, where there is one. */
    bool records;
    pthread_t recorder;
    pthread_cond_t recorder_ends; /* with deputy_lock */
};

/* Makes locks and the descriptor. Returns OK or NO_MEMORY, IO. */
enum dgraft_status dgraft_loop_open(struct node_loop *loop);

/* Starts the threads. Returns OK or NO_MEMORY; then none runs. */
enum dgraft_status dgraft_loop_start(struct node_loop *loop);

/* Ends the threads; no sync is under way afterwards. */
void dgraft_loop_stop(struct node_loop *loop);

void dgraft_loop_close(struct node_loop *loop);

/* Makes the owner look at what was queued. */
void dgraft_loop_wake(struct node_loop *loop);

dgraft_time_ns dgraft_loop_now_ns(void);
uint64_t dgraft_loop_wall_clock_ns(void);

#endif
