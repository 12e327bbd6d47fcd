#include "node_loop.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

/* How long an owner's sync may last before the deputy takes over: it is found between one and two times this. */
#define DEPUTY_PATIENCE_NS UINT64_C(4000000)

/* Looks without a new sync after which the deputy dozes off. */
#define DEPUTY_IDLE_LOOKS 50u

/* How often the flight record is written: the recorder has room for what comes meanwhile. */
#define RECORD_EVERY_NS UINT64_C(50000000)

/* How long an owner looks for work before it sleeps: two ways over loopback. An idle one, which is woken for heartbeats
 * alone, spends some thousandths of its time like that. */
#define LOOK_NS UINT64_C(30000)

/* Values of node_loop.role. */
#define OWNS(thread)  (2u * (thread))
#define SYNCS(thread) (2u * (thread) + 1u)

static dgraft_time_ns read_clock(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* A clock that runs on through suspend: a lease or an election timeout must see the time that really passed. */
dgraft_time_ns dgraft_loop_now_ns(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

uint64_t dgraft_loop_wall_clock_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

void dgraft_loop_wake(struct node_loop *loop)
{
    uint64_t one = 1;
    if (atomic_load(&loop->asleep)) {
        /* A full counter wakes as well as a fresh one. */
        ssize_t written = write(loop->wake_fd, &one, sizeof one);
        (void)written;
    }
}

/* Looks without sleeping whether there is work. Who else wants the processor has it meanwhile. */
static bool look(struct pollfd *files, nfds_t count, dgraft_time_ns until)
{
    static const struct timespec at_once = {0};
    do {
        if (ppoll(files, count, &at_once, NULL) > 0) {
            return true;
        }
        (void)sched_yield();
    } while (dgraft_loop_now_ns() < until);
    return false;
}

/* To sleep and to be woken costs more than many a wait lasts: the owner looks for a while first. */
static void wait_for_work(struct pollfd *files, nfds_t count, dgraft_time_ns until)
{
    const dgraft_time_ns now = dgraft_loop_now_ns();
    if (look(files, count, now + LOOK_NS < until ? now + LOOK_NS : until)) {
        return;
    }
    uint64_t left = until > now ? until - now : 0;
    if (left > NS_PER_S) {
        left = NS_PER_S;
    }
    struct timespec wait = {.tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S)};
    (void)ppoll(files, count, &wait, NULL);
}

static void sleep_until(struct node_loop *loop, dgraft_time_ns at)
{
    struct pollfd files[3] = {{.fd = loop->wake_fd, .events = POLLIN},
                              {.fd = loop->transport->ops->descriptor(loop->transport), .events = POLLIN},
                              {.fd = -1, .events = POLLIN}};
    if (loop->clients != NULL) {
        files[2].fd = loop->clients->ops->descriptor(loop->clients);
    }
    wait_for_work(files, loop->clients != NULL ? 3 : 2, at);
    if ((files[0].revents & POLLIN) != 0) {
        uint64_t count;
        ssize_t got = read(loop->wake_fd, &count, sizeof count);
        (void)got;
    }
}

static void hand_over(struct node_loop *loop)
{
    (void)pthread_mutex_lock(&loop->deputy_lock);
    loop->write_waits = true;
    (void)pthread_cond_signal(&loop->deputy_wanted);
    (void)pthread_mutex_unlock(&loop->deputy_lock);
}

/* Makes sure that the deputy looks at this thread's syncs. */
static void be_watched(struct node_loop *loop)
{
    if (atomic_load(&loop->dozing)) {
        (void)pthread_mutex_lock(&loop->deputy_lock);
        (void)pthread_cond_signal(&loop->deputy_wanted);
        (void)pthread_mutex_unlock(&loop->deputy_lock);
    }
}

static void perform(struct node_loop *loop)
{
    dgraft_driver_perform(loop->driver);
    atomic_fetch_add_explicit(&loop->writes, 1, memory_order_relaxed);
    if (dgraft_driver_wants_spare(loop->driver)) {
        dgraft_preparer_wake(&loop->preparer);
    }
}

/* Syncs on the owner's own thread. Returns whether it still owns the loop afterwards. */
static bool sync_here(struct node_loop *loop, uint32_t self)
{
    atomic_fetch_add(&loop->sync_count, 1);
    atomic_store(&loop->role, SYNCS(self));
    be_watched(loop);
    perform(loop);
    uint32_t expected = SYNCS(self);
    if (atomic_compare_exchange_strong(&loop->role, &expected, OWNS(self))) {
        return true;
    }
    dgraft_loop_wake(loop);
    return false;
}

/* One turn of the owner, then its sync or its sleep. */
static void own(struct node_loop *loop, uint32_t self)
{
    (void)pthread_mutex_lock(&loop->turn);
    dgraft_driver_turn(loop->driver, dgraft_loop_now_ns(), dgraft_loop_wall_clock_ns());
    bool write = dgraft_driver_write_ready(loop->driver);
    bool files = dgraft_driver_file_work_ready(loop->driver);
    bool here = write && !dgraft_driver_write_keeps_others_waiting(loop->driver);
    /* From here on a proposal wakes the loop; one that came before is seen by wake_at. */
    atomic_store(&loop->asleep, !here);
    dgraft_time_ns at = here ? 0 : dgraft_driver_wake_at(loop->driver);
    (void)pthread_mutex_unlock(&loop->turn);
    if (files) {
        dgraft_preparer_wake(&loop->preparer);
    }
    if (here) {
        if (!sync_here(loop, self)) {
            return;
        }
    } else if (write) {
        hand_over(loop);
    }
    if (at > 0) {
        sleep_until(loop, at);
    }
    atomic_store(&loop->asleep, false);
}

static void wait_for(pthread_cond_t *wanted, pthread_mutex_t *lock, uint64_t duration_ns)
{
    uint64_t at = read_clock(CLOCK_MONOTONIC) + duration_ns;
    struct timespec until = {.tv_sec = (time_t)(at / NS_PER_S), .tv_nsec = (long)(at % NS_PER_S)};
    (void)pthread_cond_timedwait(wanted, lock, &until);
}

/* Sleeps until a write is handed over or it is time to look at the owner again. A deputy that has long seen nothing
 * sleeps without a limit, and says so first: an owner that begins to sync stores its role before it looks whether the
 * deputy dozes, and the deputy stores that it dozes before it looks at the role, so that one of them sees the other. */
static void wait_as_deputy(struct node_loop *loop, bool doze, uint32_t owner_idle)
{
    atomic_store(&loop->dozing, doze);
    if (doze && atomic_load(&loop->role) == owner_idle) {
        (void)pthread_cond_wait(&loop->deputy_wanted, &loop->deputy_lock);
    } else {
        wait_for(&loop->deputy_wanted, &loop->deputy_lock, DEPUTY_PATIENCE_NS);
    }
    atomic_store(&loop->dozing, false);
}

static void write_as_deputy(struct node_loop *loop)
{
    (void)pthread_mutex_unlock(&loop->deputy_lock);
    perform(loop);
    dgraft_loop_wake(loop);
    (void)pthread_mutex_lock(&loop->deputy_lock);
}

/* Waits for writes to do and for an owner that syncs too long. Returns when this thread owns the loop, or all ends. */
static void deputize(struct node_loop *loop, uint32_t self)
{
    uint64_t seen = atomic_load(&loop->sync_count);
    uint32_t idle_looks = 0;
    const uint32_t other = 1u - self;
    (void)pthread_mutex_lock(&loop->deputy_lock);
    while (!atomic_load(&loop->stopping)) {
        if (loop->write_waits) {
            loop->write_waits = false;
            write_as_deputy(loop);
            continue;
        }
        bool doze = idle_looks >= DEPUTY_IDLE_LOOKS;
        wait_as_deputy(loop, doze, OWNS(other));
        uint64_t count = atomic_load(&loop->sync_count);
        uint32_t syncing = SYNCS(other);
        if (count != seen) {
            seen = count;
            idle_looks = 0;
        } else if (atomic_compare_exchange_strong(&loop->role, &syncing, OWNS(self))) {
            break; /* the same sync as at the last look */
        } else {
            idle_looks = doze ? 0 : idle_looks + 1;
        }
    }
    (void)pthread_mutex_unlock(&loop->deputy_lock);
}

static void run(struct node_loop *loop, uint32_t self)
{
    while (!atomic_load(&loop->stopping)) {
        if (atomic_load(&loop->role) / 2 == self) {
            own(loop, self);
        } else {
            deputize(loop, self);
        }
    }
}

static void *first_main(void *loop)
{
    run(loop, 0);
    return NULL;
}

static void *second_main(void *loop)
{
    run(loop, 1);
    return NULL;
}

static void *recorder_main(void *context)
{
    struct node_loop *loop = context;
    (void)pthread_mutex_lock(&loop->deputy_lock);
    while (!atomic_load(&loop->stopping)) {
        wait_for(&loop->recorder_ends, &loop->deputy_lock, RECORD_EVERY_NS);
        (void)pthread_mutex_unlock(&loop->deputy_lock);
        dgraft_driver_flight_write(loop->driver);
        (void)pthread_mutex_lock(&loop->deputy_lock);
    }
    (void)pthread_mutex_unlock(&loop->deputy_lock);
    return NULL;
}

enum dgraft_status dgraft_loop_open(struct node_loop *loop)
{
    pthread_mutexattr_t recursive;
    pthread_condattr_t monotonic;
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0) {
        return DGRAFT_STATUS_IO;
    }
    /* None of these can fail for the attributes used here but for want of memory, which Linux does not need. */
    (void)pthread_mutexattr_init(&recursive);
    (void)pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    (void)pthread_mutex_init(&loop->turn, &recursive);
    (void)pthread_mutexattr_destroy(&recursive);
    (void)pthread_mutex_init(&loop->deputy_lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&loop->deputy_wanted, &monotonic);
    (void)pthread_cond_init(&loop->recorder_ends, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    dgraft_preparer_init(&loop->preparer);
    atomic_store(&loop->role, OWNS(0));
    return DGRAFT_OK;
}

/* Tells all threads to end, of the two that own only `count` run, and waits until they have. */
static void end_threads(struct node_loop *loop, uint32_t count)
{
    atomic_store(&loop->stopping, true);
    (void)pthread_mutex_lock(&loop->deputy_lock);
    (void)pthread_cond_broadcast(&loop->deputy_wanted);
    (void)pthread_cond_broadcast(&loop->recorder_ends);
    (void)pthread_mutex_unlock(&loop->deputy_lock);
    for (uint32_t i = 0; i < count; i++) {
        (void)pthread_join(loop->threads[1 - i], NULL);
    }
    if (loop->records) {
        (void)pthread_join(loop->recorder, NULL);
    }
    dgraft_preparer_stop(&loop->preparer);
}

static void worked(void *loop)
{
    dgraft_loop_wake(loop);
}

enum dgraft_status dgraft_loop_start(struct node_loop *loop)
{
    loop->preparer.worked = worked;
    loop->preparer.worked_context = loop;
    if (!dgraft_preparer_start(&loop->preparer, loop->driver, &loop->writes)) {
        return DGRAFT_STATUS_NO_MEMORY;
    }
    if (loop->records && pthread_create(&loop->recorder, NULL, recorder_main, loop) != 0) {
        dgraft_preparer_stop(&loop->preparer);
        return DGRAFT_STATUS_NO_MEMORY;
    }
    if (pthread_create(&loop->threads[1], NULL, second_main, loop) != 0) {
        end_threads(loop, 0);
        return DGRAFT_STATUS_NO_MEMORY;
    }
    if (pthread_create(&loop->threads[0], NULL, first_main, loop) != 0) {
        end_threads(loop, 1);
        return DGRAFT_STATUS_NO_MEMORY;
    }
    return DGRAFT_OK;
}

void dgraft_loop_stop(struct node_loop *loop)
{
    uint64_t one = 1;
    atomic_store(&loop->stopping, true);
    ssize_t written = write(loop->wake_fd, &one, sizeof one);
    (void)written;
    end_threads(loop, 2);
}

void dgraft_loop_close(struct node_loop *loop)
{
    dgraft_preparer_free(&loop->preparer);
    (void)close(loop->wake_fd);
    (void)pthread_cond_destroy(&loop->recorder_ends);
    (void)pthread_cond_destroy(&loop->deputy_wanted);
    (void)pthread_mutex_destroy(&loop->deputy_lock);
    (void)pthread_mutex_destroy(&loop->turn);
}
