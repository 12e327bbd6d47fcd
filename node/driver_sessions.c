/* Client sessions and the log's time: sessions are opened and closed by proposals of their own; every entry framed here
 * is stamped with a time that never falls in the log. */
#include "driver_state.h"

#include <stdlib.h>

enum dgraft_status dgraft_driver_session_open(struct dgraft_driver *driver, struct dgraft_proposal *proposal,
                                              uint64_t timeout_ns)
{
    struct dgraft_session_entry entry = {.act = DGRAFT_SESSION_OPEN, .timeout_ns = timeout_ns};
    if (timeout_ns == 0 || timeout_ns > DGRAFT_SESSION_TIMEOUT_MAX_NS) {
        return DGRAFT_STATUS_MISUSE;
    }
    dgraft_session_entry_encode(&entry, proposal->made);
    return dgraft_driver_queue_proposal(driver, proposal, DGRAFT_ENTRY_SESSION);
}

enum dgraft_status dgraft_driver_session_close(struct dgraft_driver *driver, struct dgraft_proposal *proposal,
                                               dgraft_index session)
{
    struct dgraft_session_entry entry = {.act = DGRAFT_SESSION_CLOSE, .session = session};
    if (session == 0 || session > DGRAFT_RECORD_NUMBER_MAX) {
        return DGRAFT_STATUS_MISUSE;
    }
    dgraft_session_entry_encode(&entry, proposal->made);
    return dgraft_driver_queue_proposal(driver, proposal, DGRAFT_ENTRY_SESSION);
}

uint64_t dgraft_driver_sessions_digest(const struct dgraft_driver *driver)
{
    return dgraft_sessions_digest(&driver->sessions);
}

void dgraft_driver_see_time(struct dgraft_driver *driver, uint64_t log_time_ns)
{
    driver->log_time_ns = log_time_ns > driver->log_time_ns ? log_time_ns : driver->log_time_ns;
}

uint64_t dgraft_driver_stamp(struct dgraft_driver *driver)
{
    /* A clock beyond what a record may say is broken: the log's time then stands still. */
    if (driver->wall_ns <= DGRAFT_RECORD_NUMBER_MAX) {
        dgraft_driver_see_time(driver, driver->wall_ns);
    }
    return driver->log_time_ns;
}

enum dgraft_status dgraft_driver_meet_time(struct dgraft_driver *driver, dgraft_index last, struct dgraft_why *why)
{
    struct dgraft_record record;
    size_t size = DGRAFT_RECORD_HEADER_BYTES + DGRAFT_MEMBERSHIP_BYTES_MAX + 8;
    size_t used = 0;
    uint32_t count = 0;
    uint8_t *bytes = NULL;
    enum dgraft_status status = DGRAFT_STATUS_TOO_LARGE;
    for (int i = 0; i < 2 && status == DGRAFT_STATUS_TOO_LARGE; i++) {
        free(bytes);
        size = used > size ? used : size;
        bytes = malloc(size);
        if (bytes == NULL) {
            return DGRAFT_STATUS_NO_MEMORY;
        }
        status = dgraft_storage_read(driver->storage, last, last, bytes, size, &count, &used, why);
    }
    if (status == DGRAFT_OK && dgraft_record_decode_header(bytes, used, &record) == DGRAFT_ACCEPT) {
        dgraft_driver_see_time(driver, record.log_time_ns);
    }
    free(bytes);
    return status;
}

void dgraft_driver_apply_session(struct dgraft_driver *driver, dgraft_index index, const uint8_t *payload, size_t size)
{
    struct dgraft_session_entry entry;
    if (dgraft_session_entry_decode(payload, size, &entry) != DGRAFT_ACCEPT) {
        return; /* the same bytes on all nodes: it does nothing on any */
    }
    switch (entry.act) {
    case DGRAFT_SESSION_OPEN:
        dgraft_sessions_open(&driver->sessions, index, entry.timeout_ns);
        break;
    case DGRAFT_SESSION_CLOSE:
        dgraft_sessions_close(&driver->sessions, entry.session);
        break;
    }
}

bool dgraft_driver_settle(struct dgraft_driver *driver, const struct dgraft_proposal *proposal,
                          struct dgraft_proposal_answer *said)
{
    const struct dgraft_session_head head = {.session = proposal->session, .sequence = proposal->sequence};
    const struct session_done *done = NULL;
    if (proposal->kind != DGRAFT_ENTRY_COMMAND || proposal->session == 0 || proposal->session > driver->applied) {
        return false;
    }
    const enum session_verdict verdict = dgraft_sessions_look(&driver->sessions, &head, &done);
    return dgraft_driver_say_verdict(verdict, done, said);
}

bool dgraft_driver_say_verdict(enum session_verdict verdict, const struct session_done *done,
                               struct dgraft_proposal_answer *said)
{
    switch (verdict) {
    case SESSION_FRESH:
        return false;
    case SESSION_DONE:
        said->fate = DGRAFT_PROPOSAL_COMMITTED;
        said->position = done->position;
        said->repeated = true;
        said->remembered = &done->answer;
        return true;
    case SESSION_FORGOTTEN:
        said->fate = DGRAFT_PROPOSAL_FORGOTTEN;
        return true;
    case SESSION_NONE:
        said->fate = DGRAFT_PROPOSAL_NO_SESSION;
        return true;
    }
    return false;
}
