/* A transfer of leadership: one at a time is asked for, and its end told once. */
#include "driver_state.h"

enum dgraft_status dgraft_driver_transfer(struct dgraft_driver *driver, struct dgraft_transfer *transfer)
{
    if (driver->closing) {
        return DGRAFT_STATUS_CLOSED;
    }
    if (driver->transfer != NULL) {
        return DGRAFT_STATUS_BUSY;
    }
    driver->transfer = transfer;
    driver->transfer_id = 0;
    return DGRAFT_OK;
}

void dgraft_driver_step_transfer(struct dgraft_driver *driver)
{
    if (driver->transfer == NULL || driver->transfer_id != 0) {
        return;
    }
    driver->transfer_id = ++driver->next_id;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_TRANSFER};
    event.u.transfer = (struct dgraft_event_transfer){.id = driver->transfer_id, .target = driver->transfer->target};
    dgraft_driver_step(driver, &event);
}

static void end_transfer(struct dgraft_driver *driver, enum dgraft_outcome how, dgraft_node_id leader)
{
    struct dgraft_transfer *transfer = driver->transfer;
    driver->transfer = NULL; /* `ended` may ask for the next one */
    transfer->ended(transfer->context, how, leader);
}

void dgraft_driver_take_transfer_outcome(struct dgraft_driver *driver, const struct dgraft_action_outcome *outcome)
{
    if (driver->transfer != NULL && driver->transfer_id == outcome->id) {
        end_transfer(driver, outcome->outcome, outcome->leader);
    }
}

/* The node closes: whether the target will lead is not known. */
void dgraft_driver_end_transfer(struct dgraft_driver *driver)
{
    if (driver->transfer != NULL) {
        end_transfer(driver, DGRAFT_OUTCOME_UNKNOWN, 0);
    }
}
