#include "fake_driver.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum dgraft_status dgraft_driver_propose(struct dgraft_driver *driver, struct dgraft_proposal *proposal)
{
    if (driver->propose_status == DGRAFT_OK) {
        assert(driver->proposal_count < FAKE_MAX);
        driver->proposals[driver->proposal_count++] = proposal;
    }
    return driver->propose_status;
}

enum dgraft_status dgraft_driver_read(struct dgraft_driver *driver, struct dgraft_read *read)
{
    if (driver->read_status == DGRAFT_OK) {
        assert(driver->read_count < FAKE_MAX);
        driver->reads[driver->read_count++] = read;
    }
    return driver->read_status;
}

enum dgraft_status dgraft_driver_transfer(struct dgraft_driver *driver, struct dgraft_transfer *transfer)
{
    if (driver->transfer_status == DGRAFT_OK) {
        driver->transfer = transfer;
    }
    return driver->transfer_status;
}

enum dgraft_status dgraft_driver_change(struct dgraft_driver *driver, struct dgraft_change *change)
{
    if (driver->change_status == DGRAFT_OK) {
        driver->change = change;
    }
    return driver->change_status;
}

enum dgraft_status dgraft_driver_snapshot(struct dgraft_driver *driver)
{
    driver->snapshots++;
    return driver->snapshot_status;
}

/* The service makes no snapshot by itself. */
bool dgraft_snapshot_write(struct dgraft_snapshot_writer *writer, const void *bytes, size_t size)
{
    (void)writer;
    (void)bytes;
    (void)size;
    return false;
}

void dgraft_driver_answer(struct dgraft_driver *driver, const struct dgraft_address *to,
                          const struct dgraft_client_answer *answer)
{
    assert(driver->answer_count < FAKE_MAX);
    struct fake_answer *sent = &driver->answers[driver->answer_count++];
    sent->answer = *answer;
    sent->to = *to;
    sent->payload = calloc(1, (size_t)answer->payload_bytes + 1);
    assert(sent->payload != NULL);
    if (answer->payload_bytes > 0) {
        memcpy(sent->payload, answer->payload, answer->payload_bytes);
    }
    sent->answer.payload = sent->payload;
}

void dgraft_driver_status(const struct dgraft_driver *driver, struct dgraft_driver_status *status)
{
    *status = driver->status;
}

void fake_driver_clear(struct dgraft_driver *driver)
{
    for (size_t i = 0; i < driver->answer_count; i++) {
        free(driver->answers[i].payload);
    }
    driver->answer_count = 0;
}
