/* Snapshots that this node makes, what they allow to be dropped, and the one that a start begins with; and whose turn
 * it is on the files. What comes from a leader is in driver_install.c. */
#include "driver_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the state machine writes before it goes to the disk. */
#define PIECE_BYTES (1024u * 1024)

enum dgraft_status dgraft_driver_snapshot(struct dgraft_driver *driver)
{
    if (driver->closing || driver->poisoned) {
        return DGRAFT_STATUS_CLOSED;
    }
    if (!dgraft_machine_saves(&driver->options.machine)) {
        return DGRAFT_STATUS_UNSUPPORTED;
    }
    if (driver->files.wanted || driver->files.next != FILE_NONE) {
        return DGRAFT_STATUS_BUSY;
    }
    driver->files.wanted = true;
    return DGRAFT_OK;
}

static void end_saving(struct dgraft_driver *driver)
{
    if (driver->files.saving != NULL) {
        dgraft_machine_save_end(&driver->options.machine, driver->files.saving);
        driver->files.saving = NULL;
    }
}

static void let_go(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    end_saving(driver);
    free(files->made.bytes);
    files->made = (struct dgraft_snapshot_writer){.bytes = NULL};
    files->next = FILE_NONE;
}

static dgraft_term applied_term(const struct dgraft_driver *driver)
{
    const struct window_slot *slot = dgraft_window_at(&driver->window, driver->applied);
    const dgraft_term term = slot != NULL ? slot->entry.term : dgraft_core_term_at(driver->core, driver->applied);
    return term != 0 ? term : dgraft_storage_term_at(driver->storage, driver->applied);
}

/* A newer snapshot would take the place of the one that a follower is being sent, and that would begin at its
 * beginning: as long as the log does not grow too long, it waits until whoever is sent one has it. */
static bool is_sent(const struct dgraft_driver *driver)
{
    struct dgraft_core_status status;
    if (!driver->leads || driver->applied - driver->files.tried > driver->options.core.compact_slow_max) {
        return false;
    }
    dgraft_core_status(driver->core, &status);
    for (uint32_t i = 0; i < status.peer_count; i++) {
        if (status.peers[i].snapshot && status.peers[i].recent) {
            return true;
        }
    }
    return false;
}

static bool due(const struct dgraft_driver *driver)
{
    const struct driver_files *files = &driver->files;
    const uint64_t every = driver->options.snapshot_every;
    if ((every == 0 && !files->wanted) || files->next != FILE_NONE) {
        return false;
    }
    return files->wanted ||
           (driver->applied > files->tried && driver->applied - files->tried >= every && !is_sent(driver));
}

static void not_made(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    dgraft_driver_log(driver, DGRAFT_LOG_WARNING, "no snapshot was made at index %llu: %s",
                      (unsigned long long)files->snapshot.position.index,
                      files->made.failed ? "out of memory" : "the state machine could not");
    files->stats.failed++;
    let_go(driver);
}

/* Has the state machine begin to write its state, as it is behind the newest entry applied. */
static void make(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    const struct dgraft_state_machine *machine = &driver->options.machine;
    const struct dgraft_position position = {driver->applied, applied_term(driver)};
    const dgraft_index newest = dgraft_storage_snapshot(driver->storage).position.index;
    files->wanted = false;
    files->tried = driver->applied;
    if (!dgraft_machine_saves(machine) || position.term == 0 || position.index <= newest ||
        driver->applied_members_index == 0) {
        return;
    }
    files->snapshot = (struct dgraft_snapshot){.position = position};
    files->written = 0;
    files->made_written = 0;
    if (!dgraft_snapshot_state_begin(&files->made, driver->applied_members_index, &driver->applied_members,
                                     &driver->sessions)) {
        not_made(driver);
        return;
    }
    files->saving = dgraft_machine_save_begin(machine);
    if (files->saving == NULL) {
        not_made(driver);
        return;
    }
    files->next = FILE_BEGIN;
}

/* Has the state machine fill the buffer, whose bytes are on the disk, until there is enough for a write; behind the
 * last piece nothing is left to be written. */
static void make_further(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    if (files->made_written < files->made.size) {
        files->next = FILE_WRITE;
        return;
    }
    files->made.size = 0;
    files->made_written = 0;
    while (files->saving != NULL && files->made.size < PIECE_BYTES) {
        const size_t before = files->made.size;
        const enum dgraft_save_step step =
            dgraft_machine_save_piece(&driver->options.machine, files->saving, &files->made);
        /* A piece of nothing that is not the last would come for ever. */
        if (step == DGRAFT_SAVE_FAILED || files->made.failed ||
            (step == DGRAFT_SAVE_MORE && files->made.size == before)) {
            not_made(driver);
            return;
        }
        if (step == DGRAFT_SAVE_DONE) {
            end_saving(driver);
        }
    }
    files->next = files->made.size > 0 ? FILE_WRITE : FILE_SEAL;
}

/* A snapshot of one's own is durable: the core decides what it is good for. */
static void made(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT};
    event.u.snapshot.snapshot = files->snapshot;
    let_go(driver);
    dgraft_storage_snapshot_adopt(driver->storage, DGRAFT_SNAPSHOT_OWN);
    files->drop = true;
    files->stats.made++;
    dgraft_driver_log(driver, DGRAFT_LOG_INFO, "a snapshot of all up to entry %llu is stored: %llu bytes",
                      (unsigned long long)event.u.snapshot.snapshot.position.index,
                      (unsigned long long)event.u.snapshot.snapshot.size);
    dgraft_driver_step(driver, &event);
}

static void made_further(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    if (files->status != DGRAFT_OK) {
        dgraft_driver_log(driver, DGRAFT_LOG_WARNING, "a snapshot was not stored: %s", files->why.text);
        files->stats.failed++;
        let_go(driver);
    } else if (files->job == FILE_BEGIN || files->job == FILE_WRITE) {
        make_further(driver);
    } else if (files->job == FILE_SEAL) {
        files->next = FILE_CHECK;
    } else if (files->job == FILE_CHECK) {
        files->next = files->done ? FILE_PUBLISH : FILE_CHECK;
    } else {
        made(driver);
    }
}

/* Has memory forget what may be dropped, when neither a write nor the files' work looks at it. */
static void forget(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    if (files->forget == 0 || files->drop || driver->pending_restart != 0 ||
        atomic_load_explicit(&driver->write_state, memory_order_acquire) != WRITE_IDLE ||
        atomic_load_explicit(&files->state, memory_order_relaxed) != FILE_IDLE) {
        return;
    }
    dgraft_storage_forget(driver->storage, files->forget);
    files->forget = 0;
    files->drop = true;
}

void dgraft_driver_compact(struct dgraft_driver *driver, const struct dgraft_action_compact *compact)
{
    driver->files.forget = compact->position.index;
}

void dgraft_driver_take_file_work(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    if (atomic_load_explicit(&files->state, memory_order_acquire) == FILE_DONE) {
        switch (files->job) {
        case FILE_NONE:
            break;
        case FILE_BEGIN:
        case FILE_WRITE:
        case FILE_SEAL:
        case FILE_CHECK:
        case FILE_PUBLISH:
            made_further(driver);
            break;
        case FILE_STORE:
            dgraft_driver_stored(driver);
            break;
        case FILE_RECHECK:
        case FILE_LOAD:
        case FILE_TAKE:
            dgraft_driver_received_further(driver);
            break;
        case FILE_DROP:
            files->drop = !files->done;
            break;
        case FILE_SCRUB:
            dgraft_driver_scrubbed(driver);
            break;
        }
        files->job = FILE_NONE;
        atomic_store_explicit(&files->state, FILE_IDLE, memory_order_relaxed);
    }
    forget(driver);
}

/* What a leader sends goes first: nobody is behind but who receives it. */
static enum file_job next_job(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    const enum file_job received = dgraft_driver_next_received(driver);
    if (received != FILE_NONE) {
        return received;
    }
    if (files->drop) {
        return FILE_DROP;
    }
    if (files->next != FILE_NONE) {
        return files->next;
    }
    return dgraft_driver_scrub_due(driver) ? FILE_SCRUB : FILE_NONE;
}

void dgraft_driver_plan_file_work(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    if (driver->poisoned || driver->closing) {
        return;
    }
    if (due(driver)) {
        make(driver);
    }
    if (atomic_load_explicit(&files->state, memory_order_relaxed) != FILE_IDLE) {
        return;
    }
    files->job = next_job(driver);
    if (files->job != FILE_NONE) {
        atomic_store_explicit(&files->state, FILE_READY, memory_order_release);
    }
}

bool dgraft_driver_restore(struct dgraft_driver *driver, struct snapshot_loader *loader)
{
    struct snapshot_state *state = &loader->state;
    const dgraft_index index = loader->snapshot.position.index;
    void *loading = loader->loading;
    loader->loading = NULL;
    /* A snapshot that is being made is older. */
    if (driver->files.saving != NULL) {
        let_go(driver);
    }
    if (!dgraft_machine_load_take(&driver->options.machine, loading)) {
        return false;
    }
    state->sessions.stats = driver->sessions.stats;
    dgraft_sessions_free(&driver->sessions);
    driver->sessions = state->sessions;
    state->sessions = (struct sessions){.items = NULL};
    driver->applied_members = state->members;
    driver->applied_members_index = state->members_index;
    driver->applied = index;
    driver->apply_to = index;
    driver->files.tried = index;
    dgraft_driver_see_time(driver, driver->sessions.log_time_ns);
    return true;
}

/* Reads the store's snapshot until the machine has all of it, or something is wrong. Returns OK, IO: *step says more.
 */
static enum dgraft_status load_all(struct dgraft_driver *driver, struct snapshot_loader *loader, enum loader_step *step,
                                   struct dgraft_why *why)
{
    do {
        size_t got = 0;
        const enum dgraft_status status =
            dgraft_storage_snapshot_read(driver->storage, loader->at, loader->bytes, loader->size, &got, why);
        if (status != DGRAFT_OK) {
            return status;
        }
        assert(got == loader->size);
        *step = dgraft_loader_take(loader);
    } while (*step == LOADER_MORE);
    return DGRAFT_OK;
}

/* Says why the store's snapshot was not read to its end. */
static enum dgraft_status not_loaded(const struct dgraft_driver *driver, const struct snapshot_loader *loader,
                                     enum loader_step step, struct dgraft_why *why)
{
    const unsigned long long index = loader->snapshot.position.index;
    const char *directory = driver->options.directory;
    if (step == LOADER_REFUSED) {
        (void)snprintf(why->text, sizeof why->text, "%s: the snapshot at index %llu cannot be used: %s", directory,
                       index, dgraft_refusal_text(loader->refusal));
        return loader->refusal == DGRAFT_REFUSAL_VERSION ? DGRAFT_STATUS_TOO_NEW : DGRAFT_STATUS_DAMAGED;
    }
    if (step == LOADER_NO_MEMORY) {
        (void)snprintf(why->text, sizeof why->text, "no memory for the snapshot at index %llu", index);
        return DGRAFT_STATUS_NO_MEMORY;
    }
    (void)snprintf(why->text, sizeof why->text,
                   "%s: the state machine cannot take up the snapshot at index %llu; was it made by another "
                   "program, or by a newer one?",
                   directory, index);
    return DGRAFT_STATUS_UNSUPPORTED;
}

enum dgraft_status dgraft_driver_meet_snapshot(struct dgraft_driver *driver, const struct dgraft_found *found,
                                               struct dgraft_why *why)
{
    struct snapshot_loader loader;
    enum loader_step step = LOADER_MACHINE;
    enum dgraft_status status = DGRAFT_OK;
    if (found->snapshot.position.index == 0 || found->snapshot.position.index <= driver->applied) {
        return DGRAFT_OK;
    }
    if (!dgraft_loader_begin(&loader, &driver->options.machine, &found->snapshot)) {
        step = LOADER_NO_MEMORY;
    } else if (dgraft_machine_loads(&driver->options.machine)) {
        status = load_all(driver, &loader, &step, why);
    }
    if (status == DGRAFT_OK && (step != LOADER_DONE || !dgraft_driver_restore(driver, &loader))) {
        status = not_loaded(driver, &loader, step, why);
    }
    dgraft_loader_end(&loader);
    return status;
}

void dgraft_driver_end_files(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    let_go(driver);
    dgraft_driver_drop_received(driver);
    for (; files->stores_count > 0; files->stores_count--) {
        dgraft_buffer_release(files->stores[files->stores_first].buffer);
        files->stores_first = (files->stores_first + 1) % DRIVER_STORES_MAX;
    }
}
