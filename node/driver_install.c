/* A leader's snapshot: its parts are stored as they come; when all of them are, the whole is checked, read, and only if
 * it can be used given its name. Then the core hears of it, and says whether the log gives way to it. */
#include "driver_state.h"

#include <assert.h>
#include <stdio.h>

void dgraft_driver_take_store(struct dgraft_driver *driver, const struct dgraft_action_snapshot_store *store)
{
    struct driver_files *files = &driver->files;
    assert(files->stores_count < DRIVER_STORES_MAX && driver->frame_records != NULL);
    const uint32_t at = (files->stores_first + files->stores_count) % DRIVER_STORES_MAX;
    files->stores[at] = (struct file_store){.snapshot = store->snapshot,
                                            .offset = store->offset,
                                            .bytes = driver->frame_records,
                                            .size = store->bytes,
                                            .buffer = dgraft_buffer_keep(driver->frame_buffer)};
    files->stores_count++;
}

void dgraft_driver_drop_received(struct dgraft_driver *driver)
{
    dgraft_loader_end(&driver->files.loader);
    driver->files.next_received = FILE_NONE;
}

static void tell_stored(struct dgraft_driver *driver, const struct dgraft_snapshot *snapshot, uint64_t offset)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT_STORED};
    event.u.snapshot_stored = (struct dgraft_event_snapshot_stored){.snapshot = *snapshot, .offset = offset};
    dgraft_driver_step(driver, &event);
}

/* Begins anew with a snapshot that could not be stored or used, however often; it is told of once. */
static void begin_anew(struct dgraft_driver *driver, const struct dgraft_snapshot *snapshot, const char *why)
{
    struct driver_files *files = &driver->files;
    if (files->complained != snapshot->digest) {
        files->complained = snapshot->digest;
        dgraft_driver_log(driver, DGRAFT_LOG_WARNING, "the leader's snapshot at index %llu is to be sent again: %s",
                          (unsigned long long)snapshot->position.index, why);
    }
    files->stats.failed++;
    tell_stored(driver, snapshot, 0);
}

void dgraft_driver_stored(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    const struct file_store store = files->stores[files->stores_first];
    files->stores_first = (files->stores_first + 1) % DRIVER_STORES_MAX;
    files->stores_count--;
    dgraft_buffer_release(store.buffer);
    if (files->status != DGRAFT_OK) {
        begin_anew(driver, &store.snapshot, files->why.text);
        return;
    }
    files->stats.chunks_stored++;
    if (store.offset + store.size == store.snapshot.size) {
        files->received = store.snapshot;
        files->next_received = FILE_RECHECK;
    }
    tell_stored(driver, &store.snapshot, store.offset + store.size);
}

static struct dgraft_why reason(const char *text)
{
    struct dgraft_why why;
    (void)snprintf(why.text, sizeof why.text, "%s", text);
    return why;
}

static const char machine_refuses[] =
    "the state machine cannot take up the leader's snapshot; does this node run another program than its leader?";

/* All of it is there, and as it was sent: it is read. */
static void begin_load(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    files->next_received = FILE_LOAD;
    if (!dgraft_loader_begin(&files->loader, &driver->options.machine, &files->received)) {
        dgraft_driver_drop_received(driver);
        begin_anew(driver, &files->received, "out of memory");
    }
}

static void load_further(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    const enum loader_step step = dgraft_loader_take(&files->loader);
    const enum dgraft_refusal refusal = files->loader.refusal;
    switch (step) {
    case LOADER_MORE:
        return;
    case LOADER_DONE:
        files->next_received = FILE_TAKE;
        return;
    case LOADER_REFUSED:
    case LOADER_NO_MEMORY:
        dgraft_driver_drop_received(driver);
        begin_anew(driver, &files->received, step == LOADER_REFUSED ? dgraft_refusal_text(refusal) : "out of memory");
        return;
    case LOADER_MACHINE:
        dgraft_driver_drop_received(driver);
        struct dgraft_why why = reason(machine_refuses);
        dgraft_driver_poison(driver, &why);
        return;
    }
}

/* It has its name: the core decides. */
static void received(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT_RECEIVED};
    event.u.snapshot_received.snapshot = files->received;
    dgraft_membership_of(&files->loader.state.members, files->loader.state.members_index,
                         &event.u.snapshot_received.membership);
    dgraft_storage_snapshot_adopt(driver->storage, DGRAFT_SNAPSHOT_RECEIVED);
    files->drop = true;
    files->stats.received++;
    dgraft_driver_step(driver, &event);
    dgraft_driver_drop_received(driver);
    if (files->restore_failed) {
        struct dgraft_why why = reason(machine_refuses);
        dgraft_driver_poison(driver, &why);
    }
}

void dgraft_driver_received_further(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    if (files->next_received == FILE_NONE) {
        return; /* another one has begun meanwhile */
    }
    if (files->status != DGRAFT_OK) {
        dgraft_driver_drop_received(driver);
        begin_anew(driver, &files->received, files->why.text);
    } else if (files->job == FILE_RECHECK && files->done) {
        begin_load(driver);
    } else if (files->job == FILE_LOAD) {
        load_further(driver);
    } else if (files->job == FILE_TAKE) {
        received(driver);
    }
}

/* A name is given to a snapshot only when its term is durable as this node's own: otherwise a crash could leave a log
 * that begins in a term which the state file does not know. And one at a time gives way to. */
static bool may_take(const struct dgraft_driver *driver)
{
    struct dgraft_core_status status;
    if (driver->pending_restart != 0) {
        return false;
    }
    dgraft_core_status(driver->core, &status);
    return status.durable_term >= driver->files.received.position.term;
}

enum file_job dgraft_driver_next_received(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    if (files->stores_count > 0) {
        if (!dgraft_machine_loads(&driver->options.machine)) {
            struct dgraft_why why =
                reason("a leader sends a snapshot, and this program's state machine cannot take one up");
            dgraft_driver_poison(driver, &why);
            return FILE_NONE;
        }
        if (files->stores[files->stores_first].offset == 0) {
            dgraft_driver_drop_received(driver);
        }
        return FILE_STORE;
    }
    if (files->next_received == FILE_TAKE && !may_take(driver)) {
        return FILE_NONE;
    }
    return files->next_received;
}

void dgraft_driver_install(struct dgraft_driver *driver, const struct dgraft_action_install *install)
{
    struct driver_files *files = &driver->files;
    const struct dgraft_position position = install->position;
    assert(dgraft_position_equal(position, files->received.position) && files->job == FILE_TAKE);
    /* What was proposed here may be part of what the snapshot holds, or not. */
    dgraft_driver_give_up_after(driver, 0);
    dgraft_driver_overwrite_after(driver, driver->window.first - 1);
    dgraft_window_restart(&driver->window, position.index + 1);
    driver->pending_seq = install->seq;
    driver->pending_log = true;
    driver->pending_keep = position.index;
    driver->pending_restart = position.term;
    driver->durable = position.index;
    driver->commit = position.index > driver->commit ? position.index : driver->commit;
    files->forget = position.index;
    files->restore_failed = !dgraft_driver_restore(driver, &files->loader);
    files->stats.installed++;
    dgraft_driver_log(driver, DGRAFT_LOG_INFO, "the leader's snapshot of all up to entry %llu is taken up",
                      (unsigned long long)position.index);
}
