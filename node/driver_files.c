/* The work on snapshots' files: what is done, one bounded job at a time, on whichever thread it is asked of. */
#include "driver_state.h"

/* Bytes written and synced, or read, by one job. */
#define SLICE_BYTES (1024u * 1024)

static enum dgraft_status store(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    const struct file_store *store = &files->stores[files->stores_first];
    enum dgraft_status status = DGRAFT_OK;
    if (store->offset == 0) {
        status = dgraft_storage_snapshot_begin(driver->storage, DGRAFT_SNAPSHOT_RECEIVED, &store->snapshot, store->size,
                                               &files->why);
    }
    if (status == DGRAFT_OK) {
        status = dgraft_storage_snapshot_write(driver->storage, DGRAFT_SNAPSHOT_RECEIVED, store->offset, store->bytes,
                                               store->size, &files->why);
    }
    return status;
}

static enum dgraft_status write_made(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    const size_t left = files->made.size - files->made_written;
    const size_t size = left < SLICE_BYTES ? left : SLICE_BYTES;
    enum dgraft_status status =
        dgraft_storage_snapshot_write(driver->storage, DGRAFT_SNAPSHOT_OWN, files->written,
                                      files->made.bytes + files->made_written, size, &files->why);
    files->written += status == DGRAFT_OK ? size : 0;
    files->made_written += status == DGRAFT_OK ? size : 0;
    return status;
}

static enum dgraft_status load(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    struct snapshot_loader *loader = &files->loader;
    return dgraft_storage_snapshot_reread(driver->storage, DGRAFT_SNAPSHOT_RECEIVED, loader->at, loader->bytes,
                                          loader->size, &files->why);
}

static enum dgraft_status do_job(struct dgraft_driver *driver)
{
    struct driver_files *files = &driver->files;
    struct dgraft_storage *storage = driver->storage;
    files->done = false;
    switch (files->job) {
    case FILE_NONE:
        break;
    case FILE_BEGIN:
        return dgraft_storage_snapshot_begin(storage, DGRAFT_SNAPSHOT_OWN, &files->snapshot, SLICE_BYTES, &files->why);
    case FILE_WRITE:
        return write_made(driver);
    case FILE_SEAL:
        return dgraft_storage_snapshot_seal(storage, DGRAFT_SNAPSHOT_OWN, &files->snapshot, &files->why);
    case FILE_CHECK:
        return dgraft_storage_snapshot_check(storage, DGRAFT_SNAPSHOT_OWN, &files->done, &files->why);
    case FILE_PUBLISH:
        return dgraft_storage_snapshot_publish(storage, DGRAFT_SNAPSHOT_OWN, &files->why);
    case FILE_STORE:
        return store(driver);
    case FILE_RECHECK:
        return dgraft_storage_snapshot_check(storage, DGRAFT_SNAPSHOT_RECEIVED, &files->done, &files->why);
    case FILE_LOAD:
        return load(driver);
    case FILE_TAKE:
        return dgraft_storage_snapshot_publish(storage, DGRAFT_SNAPSHOT_RECEIVED, &files->why);
    case FILE_SCRUB:
        return dgraft_storage_scrub(storage, &files->why);
    case FILE_DROP:
        files->done = !dgraft_storage_drop(storage);
        break;
    }
    return DGRAFT_OK;
}

bool dgraft_driver_file_work_ready(const struct dgraft_driver *driver)
{
    return atomic_load_explicit(&driver->files.state, memory_order_acquire) == FILE_READY;
}

bool dgraft_driver_file_work(struct dgraft_driver *driver)
{
    int ready = FILE_READY;
    if (!atomic_compare_exchange_strong(&driver->files.state, &ready, FILE_WORKING)) {
        return false;
    }
    driver->files.status = do_job(driver);
    /* Sequentially consistent, as the end of a write is. */
    atomic_store(&driver->files.state, FILE_DONE);
    return true;
}
