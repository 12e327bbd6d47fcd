/* The flight recorder beside the core: opened before START, told the time of day, asked whether it still works. */
#include "driver_state.h"

#include <string.h>

/* What is wrong with the path somebody must put right; a disk that is full or fails is no reason for a node not to
 * start. */
enum dgraft_status dgraft_driver_flight_open(struct dgraft_driver *driver, struct dgraft_why *why)
{
    struct dgraft_flight_options *options = &driver->options.flight;
    if (options->path == NULL) {
        return DGRAFT_OK;
    }
    options->fs = options->fs != NULL ? options->fs : driver->options.fs;
    options->cluster = driver->identity.cluster;
    const enum dgraft_status status = dgraft_flight_open(options, &driver->options.core, &driver->flight, why);
    if (status != DGRAFT_STATUS_FULL && status != DGRAFT_STATUS_IO) {
        return status;
    }
    dgraft_driver_log(driver, DGRAFT_LOG_WARNING, "%s; the node goes on without one", why->text);
    return DGRAFT_OK;
}

void dgraft_driver_flight_turn(struct dgraft_driver *driver)
{
    struct dgraft_flight_stats stats;
    if (driver->flight == NULL || driver->flight_failed) {
        return;
    }
    dgraft_flight_wall_clock(driver->flight, driver->wall_ns);
    dgraft_flight_stats(driver->flight, &stats);
    if (stats.error != 0) {
        driver->flight_failed = true;
        dgraft_driver_log(driver, DGRAFT_LOG_WARNING,
                          "the flight record %s can no longer be written: %s; the node goes on",
                          driver->options.flight.path, strerror(stats.error));
    }
}

void dgraft_driver_flight_write(struct dgraft_driver *driver)
{
    if (driver->flight != NULL) {
        dgraft_flight_write(driver->flight);
    }
}

void dgraft_driver_flight_save(const struct dgraft_driver *driver)
{
    if (driver->flight != NULL) {
        dgraft_flight_save(driver->flight);
    }
}
