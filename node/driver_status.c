/* What people and programs see of a driver. */
#include "driver_state.h"

#include <string.h>

void dgraft_driver_status(const struct dgraft_driver *driver, struct dgraft_driver_status *status)
{
    struct dgraft_transport *transport = driver->options.transport;
    struct dgraft_transport *clients = driver->options.client_transport;
    memset(status, 0, sizeof *status);
    dgraft_core_status(driver->core, &status->core);
    status->identity = driver->identity;
    status->members = driver->members;
    status->generation = driver->generation;
    memcpy(status->refused, driver->refused, sizeof status->refused);
    status->refused_last = driver->refused_last;
    transport->ops->stats(transport, &status->transport);
    if (clients != NULL) {
        clients->ops->stats(clients, &status->client_transport);
    }
    dgraft_fragments_stats(driver->fragments, &status->fragments);
    dgraft_storage_stats(driver->storage, &status->storage);
    status->sessions = driver->sessions.stats;
    status->sessions.open = driver->sessions.count;
    status->snapshots = driver->files.stats;
    status->frames_sent = driver->frames_sent;
    status->frames_received = driver->frames_received;
    status->frames_overheard = driver->frames_overheard;
    status->proposals = driver->proposals_total;
    status->proposals_waiting = driver->proposals_unanswered;
    status->cache_bytes = driver->window.bytes;
    status->damage_found = driver->damage_found;
    status->reopened = driver->reopened;
    status->turns = driver->turns;
    status->steps = driver->steps;
    status->records = driver->flight != NULL;
    if (driver->flight != NULL) {
        dgraft_flight_stats(driver->flight, &status->flight);
    }
    status->scrub_found = driver->scrub_found;
    status->poisoned = driver->poisoned;
    status->poisoned_why = driver->poisoned_why;
    status->waits_for_room = driver->come_back_at_ns != 0;
    status->came_back = driver->came_back;
}
