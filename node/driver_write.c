/* WRITE actions become group commits: while one write is under way, what the core wants next is gathered; then all of
 * it is one batch and one sync. What the core overwrites before it was begun is never written. */
#include "driver_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Takes the entries of the frame being stepped, from `skip` on, into the window: views, not copies. */
static void take_frame_entries(struct dgraft_driver *driver, const struct dgraft_action_write *write)
{
    const uint8_t *record = driver->frame_records;
    assert(record != NULL);
    for (uint32_t i = 0; i < write->skip; i++) {
        record += dgraft_record_bytes(driver->frame_entries[i].payload_bytes);
    }
    for (uint32_t i = 0; i < write->count; i++) {
        const struct dgraft_entry *entry = &driver->frame_entries[write->skip + i];
        struct window_slot slot = {
            .entry = *entry, .record = record, .buffer = dgraft_buffer_keep(driver->frame_buffer)};
        dgraft_window_push(&driver->window, &slot);
        dgraft_driver_see_time(driver, dgraft_record_log_time_ns(record));
        record += dgraft_record_bytes(entry->payload_bytes);
    }
    driver->arrived += write->count;
}

void dgraft_driver_take_write(struct dgraft_driver *driver, const struct dgraft_action_write *write)
{
    bool log = write->count > 0 || write->keep + 1 < driver->window.end;
    driver->pending_seq = write->seq;
    driver->pending_term = write->term;
    driver->pending_vote = write->vote;
    driver->pending_state = driver->pending_state || write->state;
    if (!log) {
        return;
    }
    dgraft_driver_overwrite_after(driver, write->keep);
    if (driver->durable > write->keep) {
        driver->durable = write->keep;
    }
    if (!driver->pending_log || write->keep < driver->pending_keep) {
        driver->pending_keep = write->keep;
    }
    driver->pending_log = true;
    if (write->made == DGRAFT_ENTRY_NOOP) {
        dgraft_driver_frame_noop(driver, write);
    } else if (write->made == DGRAFT_ENTRY_MEMBERSHIP) {
        dgraft_driver_frame_membership(driver, write);
    } else if (write->entry_term != 0) {
        dgraft_driver_frame_proposals(driver, write);
    } else {
        take_frame_entries(driver, write);
    }
}

static bool grow_lists(struct dgraft_driver *driver, size_t count)
{
    if (count > driver->write_entries_capacity) {
        struct dgraft_entry *entries = realloc(driver->write_entries, 2 * count * sizeof *entries);
        if (entries == NULL) {
            return false;
        }
        driver->write_entries = entries;
        driver->write_entries_capacity = 2 * count;
    }
    if (count > driver->write_buffers_capacity) {
        /* Not struct dgraft_buffer: pointers to it. */
        size_t bytes = 2 * count * sizeof(struct dgraft_buffer *);
        struct dgraft_buffer **buffers = realloc(driver->write_buffers, bytes);
        if (buffers == NULL) {
            return false;
        }
        driver->write_buffers = buffers;
        driver->write_buffers_capacity = 2 * count;
    }
    return true;
}

/* Collects pieces, descriptors and one reference per buffer of what is to be written. */
static bool collect(struct dgraft_driver *driver, dgraft_index first, dgraft_index last)
{
    size_t count = (size_t)(last + 1 - first);
    driver->write_pieces.count = 0;
    driver->write_buffers_count = 0;
    if (!grow_lists(driver, count)) {
        return false;
    }
    for (dgraft_index index = first; index <= last; index++) {
        const struct window_slot *slot = dgraft_window_at(&driver->window, index);
        assert(slot != NULL && slot->record != NULL);
        if (!dgraft_pieces_add_slot(&driver->write_pieces, slot)) {
            return false;
        }
        driver->write_entries[index - first] = slot->entry;
        size_t held = driver->write_buffers_count;
        if (held == 0 || driver->write_buffers[held - 1] != slot->buffer) {
            driver->write_buffers[driver->write_buffers_count++] = dgraft_buffer_keep(slot->buffer);
        }
    }
    return true;
}

static void release_write(struct dgraft_driver *driver)
{
    for (size_t i = 0; i < driver->write_buffers_count; i++) {
        dgraft_buffer_release(driver->write_buffers[i]);
    }
    driver->write_buffers_count = 0;
    while (driver->zombies.first != NULL) {
        struct dgraft_proposal *proposal = driver->zombies.first;
        driver->zombies.first = proposal->next;
        dgraft_driver_release(proposal);
    }
    driver->zombies = (struct proposal_queue){0};
}

/* The log's last position after the pending write. */
static struct dgraft_position last_position(const struct dgraft_driver *driver)
{
    dgraft_index last = driver->window.end - 1;
    const struct window_slot *slot = dgraft_window_at(&driver->window, last);
    struct dgraft_position position = {.index = last};
    if (slot != NULL) {
        position.term = slot->entry.term;
    } else {
        position.term = dgraft_core_term_at(driver->core, last);
    }
    return position;
}

static bool wants_mark(const struct dgraft_driver *driver)
{
    return driver->pending_seq == 0 && driver->mend.count == 0 && driver->mark_floor_at_ns != 0 &&
           driver->now_ns >= driver->mark_floor_at_ns;
}

void dgraft_driver_plan_write(struct dgraft_driver *driver)
{
    bool mark = wants_mark(driver);
    if (atomic_load_explicit(&driver->write_state, memory_order_acquire) != WRITE_IDLE || driver->poisoned ||
        (driver->pending_seq == 0 && driver->mend.count == 0 && !mark)) {
        return;
    }
    struct dgraft_position last = last_position(driver);
    bool log = driver->pending_log || mark;
    dgraft_index keep = driver->pending_log ? driver->pending_keep : last.index;
    struct dgraft_why why = {"out of memory while planning a write"};
    enum dgraft_status status = DGRAFT_STATUS_NO_MEMORY;
    if (!log || collect(driver, keep + 1, last.index)) {
        struct dgraft_storage_write write = {.state = driver->pending_state,
                                             .term = driver->pending_term,
                                             .vote = driver->pending_vote,
                                             .log = log,
                                             .keep = keep,
                                             .restart = log ? driver->pending_restart : 0,
                                             .first = keep + 1,
                                             .count = log ? (uint32_t)(last.index - keep) : 0,
                                             .last = last,
                                             .records = driver->write_pieces.items,
                                             .record_pieces = log ? driver->write_pieces.count : 0,
                                             .commit = driver->commit < last.index ? driver->commit : last.index,
                                             .membership = driver->membership_index,
                                             .wall_clock_ns = driver->wall_ns,
                                             .entries = driver->write_entries};
        dgraft_driver_plan_mend(driver, &write);
        status = dgraft_storage_prepare(driver->storage, &write);
    }
    if (status != DGRAFT_OK) {
        if (status != DGRAFT_STATUS_NO_MEMORY) {
            why = (struct dgraft_why){"the store refused a write"};
        }
        release_write(driver);
        dgraft_driver_poison(driver, &why);
        return;
    }
    driver->write_seq =
        driver->mend.writing && driver->mend.seq > driver->pending_seq ? driver->mend.seq : driver->pending_seq;
    driver->write_log = log;
    driver->write_count = log ? (uint32_t)(last.index - keep) : 0;
    driver->write_last = log ? last.index : driver->durable;
    /* An empty batch marks the floor; after any other, there is something to mark when it gets quiet. */
    driver->mark_floor_at_ns = 0;
    driver->pending_seq = 0;
    driver->pending_state = false;
    driver->pending_log = false;
    driver->pending_restart = 0;
    atomic_store_explicit(&driver->write_state, WRITE_READY, memory_order_release);
}

bool dgraft_driver_write_ready(const struct dgraft_driver *driver)
{
    return atomic_load_explicit(&driver->write_state, memory_order_acquire) == WRITE_READY;
}

bool dgraft_driver_write_keeps_others_waiting(const struct dgraft_driver *driver)
{
    return driver->leads && driver->proposals_unanswered > driver->write_count;
}

void dgraft_driver_perform(struct dgraft_driver *driver)
{
    int ready = WRITE_READY;
    if (!atomic_compare_exchange_strong(&driver->write_state, &ready, WRITE_PERFORMING)) {
        return;
    }
    dgraft_storage_perform(driver->storage);
    /* Sequentially consistent: whoever now finds the loop awake may rely on its seeing this before it sleeps. */
    atomic_store(&driver->write_state, WRITE_DONE);
}

/* The threads that prepare segments ask while the owner turns, and the store may be opened again meanwhile. */
static void hold_store(const struct dgraft_driver *driver)
{
    (void)pthread_rwlock_rdlock((pthread_rwlock_t *)(uintptr_t)&driver->store_lock);
}

static void let_go_of_store(const struct dgraft_driver *driver)
{
    (void)pthread_rwlock_unlock((pthread_rwlock_t *)(uintptr_t)&driver->store_lock);
}

void dgraft_driver_spare(struct dgraft_driver *driver)
{
    hold_store(driver);
    dgraft_storage_spare(driver->storage);
    let_go_of_store(driver);
}

bool dgraft_driver_lacks_room(const struct dgraft_driver *driver)
{
    hold_store(driver);
    const bool lacks = dgraft_storage_lacks_room(driver->storage);
    let_go_of_store(driver);
    return lacks;
}

bool dgraft_driver_fill(struct dgraft_driver *driver)
{
    hold_store(driver);
    const bool more = dgraft_storage_fill(driver->storage);
    let_go_of_store(driver);
    return more;
}

bool dgraft_driver_wants_spare(const struct dgraft_driver *driver)
{
    hold_store(driver);
    const bool wants = dgraft_storage_wants_spare(driver->storage);
    let_go_of_store(driver);
    return wants;
}

bool dgraft_driver_wants_fill(const struct dgraft_driver *driver)
{
    hold_store(driver);
    const bool wants = dgraft_storage_wants_fill(driver->storage);
    let_go_of_store(driver);
    return wants;
}

void dgraft_driver_complete_write(struct dgraft_driver *driver)
{
    if (atomic_load_explicit(&driver->write_state, memory_order_acquire) != WRITE_DONE) {
        return;
    }
    struct dgraft_why why = {""};
    enum dgraft_status status = dgraft_storage_complete(driver->storage, &why);
    atomic_store_explicit(&driver->write_state, WRITE_IDLE, memory_order_release);
    release_write(driver);
    dgraft_driver_mended(driver);
    if (status != DGRAFT_OK) {
        dgraft_driver_poison(driver, &why);
        return;
    }
    /* What was overwritten while it was being written is not durable as it now stands. */
    dgraft_index kept = driver->pending_log ? driver->pending_keep : driver->write_last;
    if (driver->pending_restart == 0) { /* otherwise the snapshot is, and nothing of the log before it counts */
        driver->durable = driver->write_last < kept ? driver->write_last : kept;
    }
    if (driver->write_seq == 0) {
        return;
    }
    if (driver->write_log) {
        driver->mark_floor_at_ns = driver->now_ns + driver->options.core.heartbeat_interval_ns;
    }
    struct dgraft_event event = {.kind = DGRAFT_EVENT_DURABLE};
    event.u.durable.seq = driver->write_seq;
    dgraft_driver_step(driver, &event);
}
