/* Scrubbing: a little of what is stored is read now and then, so that what rots is found while others still have it. It
 * has the files when nothing else wants them. What it finds goes the way of a read that finds damage.
 */
#include "driver_state.h"

/* What a step reads, about: storage.h. */
#define STEP_BYTES UINT64_C(262144)

#define NS_PER_S UINT64_C(1000000000)

/* A pace at which a step would come oftener than this is as good as none. */
#define STEP_LEAST_NS UINT64_C(1000000)

static bool scrubs(const struct dgraft_driver *driver)
{
    return driver->options.scrub_bytes_per_s != 0 && !driver->poisoned && !driver->closing && !driver->damage_told &&
           !driver->reopen;
}

bool dgraft_driver_scrub_due(struct dgraft_driver *driver)
{
    if (!scrubs(driver) || driver->now_ns < driver->scrub_at_ns) {
        return false;
    }
    const uint64_t pause_ns = STEP_BYTES * NS_PER_S / driver->options.scrub_bytes_per_s;
    driver->scrub_at_ns = driver->now_ns + (pause_ns > STEP_LEAST_NS ? pause_ns : STEP_LEAST_NS);
    return dgraft_storage_scrub_plan(driver->storage);
}

void dgraft_driver_scrubbed(struct dgraft_driver *driver)
{
    const struct driver_files *files = &driver->files;
    if (files->status == DGRAFT_STATUS_DAMAGED) {
        driver->scrub_found++;
        driver->damaged = true; /* told at the beginning of the next turn */
        driver->damaged_why = files->why;
        driver->more_waits = true;
    } else if (files->status != DGRAFT_OK) {
        dgraft_driver_log(driver, DGRAFT_LOG_WARNING, "what is stored could not be looked at: %s", files->why.text);
    }
}

dgraft_time_ns dgraft_driver_scrub_wake_at(const struct dgraft_driver *driver)
{
    const bool idle = atomic_load_explicit(&driver->files.state, memory_order_relaxed) == FILE_IDLE;
    return scrubs(driver) && idle ? driver->scrub_at_ns : UINT64_MAX;
}
