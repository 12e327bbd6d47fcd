#include "preparer.h"

#include <errno.h>
#include <time.h>

/* Without a write for so long a node counts as quiet. */
#define QUIET_NS UINT64_C(50000000)

/* So often a full disk is asked whether it has room again. */
#define ROOM_ASKED_NS UINT64_C(1000000000)

#define NS_PER_S UINT64_C(1000000000)

/* Returns true when nothing was wanted for so long. */
static bool wait_for(struct preparer *preparer, uint64_t wait_ns)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    const uint64_t nanoseconds = (uint64_t)until.tv_nsec + wait_ns;
    until.tv_sec += (time_t)(nanoseconds / NS_PER_S);
    until.tv_nsec = (long)(nanoseconds % NS_PER_S);
    return pthread_cond_timedwait(&preparer->wanted, &preparer->lock, &until) == ETIMEDOUT;
}

/* Waits until something is wanted, until a full disk is to be asked again, or until it is quiet and the pool lacks
 * spares. Returns with the lock held. */
static void wait_for_work(struct preparer *preparer, uint64_t *seen)
{
    if (dgraft_driver_lacks_room(preparer->driver)) {
        if (wait_for(preparer, ROOM_ASKED_NS)) {
            atomic_store(&preparer->woken, true);
        }
    } else if (dgraft_driver_wants_fill(preparer->driver)) {
        *seen = atomic_load(preparer->writes);
        (void)wait_for(preparer, QUIET_NS);
    } else {
        (void)pthread_cond_wait(&preparer->wanted, &preparer->lock);
    }
}

/* Fills the pool, slice by slice, for as long as nobody writes. */
static void fill(struct preparer *preparer, uint64_t seen)
{
    bool more = true;
    while (more && !atomic_load(&preparer->woken) && !atomic_load(&preparer->stopping) &&
           atomic_load(preparer->writes) == seen) {
        more = dgraft_driver_fill(preparer->driver);
    }
}

static void *prepare(void *context)
{
    struct preparer *preparer = context;
    uint64_t seen = UINT64_MAX;
    (void)pthread_mutex_lock(&preparer->lock);
    while (!atomic_load(&preparer->stopping)) {
        bool wanted = atomic_load(&preparer->woken);
        atomic_store(&preparer->woken, false);
        (void)pthread_mutex_unlock(&preparer->lock);
        if (wanted) {
            dgraft_driver_spare(preparer->driver);
            if (dgraft_driver_file_work(preparer->driver)) {
                preparer->worked(preparer->worked_context);
            }
        } else {
            fill(preparer, seen);
        }
        (void)pthread_mutex_lock(&preparer->lock);
        if (!atomic_load(&preparer->woken) && !atomic_load(&preparer->stopping)) {
            wait_for_work(preparer, &seen);
        }
    }
    (void)pthread_mutex_unlock(&preparer->lock);
    return NULL;
}

void dgraft_preparer_init(struct preparer *preparer)
{
    pthread_condattr_t monotonic;
    /* None of these can fail for the attributes used here but for want of memory, which Linux does not need. */
    (void)pthread_mutex_init(&preparer->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&preparer->wanted, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

void dgraft_preparer_free(struct preparer *preparer)
{
    (void)pthread_cond_destroy(&preparer->wanted);
    (void)pthread_mutex_destroy(&preparer->lock);
}

bool dgraft_preparer_start(struct preparer *preparer, struct dgraft_driver *driver, const _Atomic uint64_t *writes)
{
    preparer->driver = driver;
    preparer->writes = writes;
    return pthread_create(&preparer->thread, NULL, prepare, preparer) == 0;
}

static void set(struct preparer *preparer, atomic_bool *what)
{
    (void)pthread_mutex_lock(&preparer->lock);
    atomic_store(what, true);
    (void)pthread_cond_signal(&preparer->wanted);
    (void)pthread_mutex_unlock(&preparer->lock);
}

void dgraft_preparer_stop(struct preparer *preparer)
{
    set(preparer, &preparer->stopping);
    (void)pthread_join(preparer->thread, NULL);
}

void dgraft_preparer_wake(struct preparer *preparer)
{
    set(preparer, &preparer->woken);
}
