/* Committed, locally durable entries go to the state machine: from the window, or, after a restart, from segments. */
#include "driver_state.h"

#include <assert.h>
#include <string.h>

/* Bounds of one turn's applying, so that it cannot delay a heartbeat for long. */
#define APPLY_BATCH_MAX     256u
#define APPLY_PER_TURN      4096u
#define APPLY_SCRATCH_BYTES (256u * 1024)

/* What is kept of records that nobody is waiting for. Little: memory that is soon used again is still in the
 * processor's cache, and a command passes through it several times. */
#define FOLLOWER_KEEPS_BYTES (256u * 1024)
#define LEADER_KEEPS_BYTES   (1024u * 1024)

static void answer_applied(struct dgraft_driver *driver, dgraft_index index)
{
    struct window_slot *slot = dgraft_window_at(&driver->window, index);
    if (slot == NULL) {
        return;
    }
    struct dgraft_proposal_answer said = {.fate = DGRAFT_PROPOSAL_COMMITTED,
                                          .position = {slot->entry.index, slot->entry.term},
                                          .leader = driver->identity.node};
    dgraft_driver_answer_slot(driver, slot, &said);
    if (slot->gathered != NULL) {
        dgraft_driver_release(dgraft_window_forget_payload(&driver->window, slot));
    }
}

/* Hands a batch over, then answers its proposals. */
static void apply_batch(struct dgraft_driver *driver, size_t commands, dgraft_index last)
{
    const struct dgraft_state_machine *machine = &driver->options.machine;
    if (commands > 0 && machine->apply != NULL) {
        machine->apply(machine->context, driver->apply_batch, commands);
    }
    while (driver->applied < last) {
        driver->applied++;
        answer_applied(driver, driver->applied);
    }
}

/* A contiguous view of a gathered payload: as it is when it is one piece, otherwise put together. */
static const uint8_t *gathered_payload(struct dgraft_driver *driver, const struct window_slot *slot)
{
    const struct dgraft_proposal *proposal = slot->gathered;
    if (proposal->piece_count == 1) {
        return proposal->pieces[0].iov_base;
    }
    if (!dgraft_driver_grow(&driver->apply_scratch, &driver->apply_scratch_bytes, slot->entry.payload_bytes)) {
        return NULL;
    }
    uint8_t *at = driver->apply_scratch;
    for (size_t i = 0; i < proposal->piece_count; i++) {
        memcpy(at, proposal->pieces[i].iov_base, proposal->pieces[i].iov_len);
        at += proposal->pieces[i].iov_len;
    }
    return driver->apply_scratch;
}

/* Applies one batch from the window, up to `last`. Returns false when there is no memory. */
static bool apply_from_window(struct dgraft_driver *driver, dgraft_index last)
{
    size_t commands = 0;
    dgraft_index index = driver->applied + 1;
    for (; index <= last && commands < APPLY_BATCH_MAX; index++) {
        struct window_slot *slot = dgraft_window_at(&driver->window, index);
        if (slot == NULL || slot->record == NULL) {
            break;
        }
        if (slot->entry.kind != DGRAFT_ENTRY_COMMAND) {
            continue;
        }
        bool alone = slot->gathered != NULL && slot->gathered->piece_count != 1;
        if (alone && commands > 0) {
            break; /* the scratch holds one payload: it gets a batch of its own */
        }
        const uint8_t *payload =
            slot->gathered != NULL ? gathered_payload(driver, slot) : slot->record + DGRAFT_RECORD_HEADER_BYTES;
        if (payload == NULL) {
            return false;
        }
        driver->apply_batch[commands++] =
            (struct dgraft_applied){.position = {slot->entry.index, slot->entry.term},
                                    .tag = slot->tag,
                                    .payload = payload,
                                    .payload_bytes = slot->entry.payload_bytes,
                                    .proposal = slot->proposal != NULL ? slot->proposal->context : NULL};
        if (alone) {
            index++;
            break;
        }
    }
    apply_batch(driver, commands, index - 1);
    return true;
}

static bool apply_from_storage(struct dgraft_driver *driver, dgraft_index last)
{
    uint32_t count = 0;
    size_t used = 0;
    struct dgraft_why why;
    dgraft_index first = driver->applied + 1;
    if (last > first + APPLY_BATCH_MAX - 1) {
        last = first + APPLY_BATCH_MAX - 1;
    }
    enum dgraft_status status = dgraft_storage_read(driver->storage, first, last, driver->apply_scratch,
                                                    driver->apply_scratch_bytes, &count, &used, &why);
    if (status == DGRAFT_STATUS_TOO_LARGE) {
        if (!dgraft_driver_grow(&driver->apply_scratch, &driver->apply_scratch_bytes, used)) {
            return false;
        }
        status = dgraft_storage_read(driver->storage, first, first, driver->apply_scratch, used, &count, &used, &why);
    }
    if (status != DGRAFT_OK) {
        dgraft_driver_poison(driver, &why);
        return false;
    }
    size_t commands = 0;
    size_t offset = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct dgraft_record record;
        enum dgraft_refusal refusal =
            dgraft_record_decode_header(driver->apply_scratch + offset, used - offset, &record);
        assert(refusal == DGRAFT_ACCEPT);
        (void)refusal;
        if (record.entry.kind == DGRAFT_ENTRY_COMMAND) {
            driver->apply_batch[commands++] =
                (struct dgraft_applied){.position = {record.entry.index, record.entry.term},
                                        .tag = record.tag,
                                        .payload = driver->apply_scratch + offset + DGRAFT_RECORD_HEADER_BYTES,
                                        .payload_bytes = record.entry.payload_bytes};
        }
        offset += dgraft_record_bytes(record.entry.payload_bytes);
    }
    apply_batch(driver, commands, first + count - 1);
    return count > 0;
}

/* The last entry that every member has. */
static dgraft_index everywhere(const struct dgraft_driver *driver)
{
    struct dgraft_core_status status;
    dgraft_core_status(driver->core, &status);
    dgraft_index least = status.durable;
    for (uint32_t i = 0; i < status.peer_count; i++) {
        least = status.peers[i].match < least ? status.peers[i].match : least;
    }
    return least;
}

/* Forgets what is written and applied: all but a little on a follower, whom nobody asks for records, and on a leader
 * when every member has them; whoever lags is fed from the cache as far as that reaches. What is durable but not
 * applied is given up last, because it would be read back. */
static void evict(struct dgraft_driver *driver)
{
    struct window *window = &driver->window;
    size_t cache = driver->options.cache_bytes_max;
    dgraft_driver_take_back(driver); /* the core may have sent since: it learned what is applied */
    dgraft_index done = driver->durable < driver->applied ? driver->durable : driver->applied;
    size_t keep = driver->leads ? LEADER_KEEPS_BYTES : FOLLOWER_KEEPS_BYTES;
    keep = keep < cache ? keep : cache;
    if (!driver->leads) {
        dgraft_window_evict(window, done, keep);
    } else if (window->bytes > keep && window->bytes > driver->evict_above) {
        dgraft_index had = everywhere(driver);
        dgraft_window_evict(window, had < done ? had : done, keep);
        driver->evict_above = window->bytes + keep / 2; /* not to ask in every turn */
    }
    dgraft_window_evict(window, done, cache);
    dgraft_window_evict(window, driver->durable, 2 * cache);
}

static void apply_committed(struct dgraft_driver *driver)
{
    dgraft_index before = driver->applied;
    /* As many as came in this turn at least: otherwise one who lags would never come after. */
    dgraft_index most = driver->arrived > APPLY_PER_TURN ? driver->arrived : APPLY_PER_TURN;
    driver->arrived = 0;
    if (driver->applied >= driver->apply_to) {
        return;
    }
    if (driver->apply_scratch == NULL &&
        !dgraft_driver_grow(&driver->apply_scratch, &driver->apply_scratch_bytes, APPLY_SCRATCH_BYTES)) {
        driver->more_waits = true;
        return;
    }
    while (driver->applied < driver->apply_to && driver->applied - before < most) {
        const struct window_slot *slot = dgraft_window_at(&driver->window, driver->applied + 1);
        bool here = slot != NULL && slot->record != NULL;
        if (!(here ? apply_from_window(driver, driver->apply_to) : apply_from_storage(driver, driver->apply_to))) {
            break;
        }
    }
    if (driver->applied < driver->apply_to && !driver->poisoned) {
        driver->more_waits = true;
    }
    if (driver->applied > before) {
        struct dgraft_event event = {.kind = DGRAFT_EVENT_APPLIED};
        event.u.applied.index = driver->applied;
        dgraft_driver_step(driver, &event);
    }
}

void dgraft_driver_apply(struct dgraft_driver *driver)
{
    dgraft_driver_take_back(driver); /* large payloads go back to who proposed them */
    apply_committed(driver);
    evict(driver);
}
