/* Snapshots and the dropping of what they hold: what a start finds, and what it refuses. */
#include "storage_rig.h"

#include <dgraft/inspect.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct store {
    struct memory_fs *memory;
    struct dgraft_storage *storage;
    struct rig_log *log;
};

static const struct dgraft_storage_options options = {.segment_bytes = 12288, .runs_max = 8};

static void start(struct store *store)
{
    struct dgraft_why why = {"-"};
    const enum dgraft_status status =
        dgraft_storage_open(memory_fs_seam(store->memory), "node", &options, &store->storage, &why);
    cr_assert_eq(status, DGRAFT_OK, "%s", why.text);
}

static void make(struct store *store)
{
    store->memory = memory_fs_new();
    store->log = calloc(1, sizeof *store->log);
    cr_assert_eq(rig_format(memory_fs_seam(store->memory), store->log, NULL), DGRAFT_OK);
    start(store);
}

static void end(struct store *store)
{
    dgraft_storage_abandon(store->storage);
    memory_fs_free(store->memory);
    free(store->log);
}

static void run(struct store *store, struct rig_write write)
{
    cr_assert_eq(rig_do(store->storage, store->log, &write), DGRAFT_OK);
    rig_apply(store->log, &write);
}

static void append(struct store *store, uint32_t count, dgraft_term term)
{
    run(store, (struct rig_write){
                   .log = true, .keep = store->log->last, .count = count, .entry_term = term, .payload_bytes = 900});
}

static void judge(struct store *store)
{
    const char *differs = rig_differs(store->storage, store->log);
    cr_assert_null(differs, "%s", differs);
}

static void again(struct store *store)
{
    cr_assert_eq(dgraft_storage_close(store->storage, NULL), DGRAFT_OK);
    start(store);
    judge(store);
}

static struct dgraft_found found_in(const struct store *store)
{
    struct dgraft_found found;
    dgraft_storage_found(store->storage, &found);
    return found;
}

Test(snapshots, are_found_by_the_next_start)
{
    struct store store;
    make(&store);
    append(&store, 5, 1);
    run(&store, (struct rig_write){.operation = RIG_SNAPSHOT, .keep = 4});
    judge(&store);
    again(&store);
    const struct dgraft_snapshot expected = rig_snapshot_of((struct dgraft_position){4, 1});
    const struct dgraft_snapshot found = found_in(&store).snapshot;
    cr_assert(dgraft_snapshot_equal(&found, &expected));
    cr_assert_eq(found_in(&store).commit, 4u, "what a snapshot holds is committed");
    end(&store);
}

Test(snapshots, replace_older_ones)
{
    struct store store;
    make(&store);
    append(&store, 5, 1);
    run(&store, (struct rig_write){.operation = RIG_SNAPSHOT, .keep = 4});
    run(&store, (struct rig_write){.operation = RIG_SNAPSHOT, .keep = 6});
    int files = 0;
    struct dgraft_fs *fs = memory_fs_seam(store.memory);
    cr_assert_lt(fs->ops->open(fs, "node/snapshot-0000000000000004-0000000000000001", DGRAFT_FS_READ), 0);
    files = fs->ops->open(fs, "node/snapshot-0000000000000006-0000000000000001", DGRAFT_FS_READ);
    cr_assert_geq(files, 0);
    (void)fs->ops->close(fs, files);
    again(&store);
    end(&store);
}

Test(dropping, removes_whole_segments_that_a_snapshot_holds)
{
    struct store store;
    struct dgraft_storage_stats stats;
    uint8_t bytes[4096];
    uint32_t count = 0;
    size_t used = 0;
    make(&store);
    for (int i = 0; i < 12; i++) {
        append(&store, 4, 1);
    }
    run(&store, (struct rig_write){.operation = RIG_SNAPSHOT, .keep = 40});
    run(&store, (struct rig_write){.operation = RIG_FORGET, .keep = 30});
    judge(&store);
    dgraft_storage_stats(store.storage, &stats);
    cr_assert_gt(stats.segments_dropped, 1u);
    cr_assert_gt(found_in(&store).compacted.index, 15u);
    cr_assert_leq(found_in(&store).compacted.index, 30u, "never more than was asked for");
    cr_assert_eq(dgraft_storage_read(store.storage, 3, 5, bytes, sizeof bytes, &count, &used, NULL),
                 DGRAFT_STATUS_GONE);
    cr_assert_eq(dgraft_storage_term_at(store.storage, 3), 0u);
    again(&store);
    append(&store, 2, 1);
    again(&store);
    end(&store);
}

Test(dropping, never_passes_the_snapshot) /* bug 62 */
{
    struct store store;
    make(&store);
    for (int i = 0; i < 12; i++) {
        append(&store, 4, 1);
    }
    dgraft_storage_forget(store.storage, 40);
    cr_assert(!dgraft_storage_drop(store.storage), "there is none");
    judge(&store);
    run(&store, (struct rig_write){.operation = RIG_SNAPSHOT, .keep = 14});
    dgraft_storage_forget(store.storage, 40);
    while (dgraft_storage_drop(store.storage)) {
    }
    cr_assert_leq(found_in(&store).compacted.index, 14u);
    store.log->begin = 14;
    again(&store);
    end(&store);
}

Test(dropping, leaves_a_log_that_a_truncation_reaches_back_into)
{
    struct store store;
    make(&store);
    for (int i = 0; i < 4; i++) {
        append(&store, 5, 1); /* up to 21 */
    }
    run(&store,
        (struct rig_write){
            .log = true, .keep = 17, .count = 5, .entry_term = 2, .payload_bytes = 900, .state = true, .term = 2});
    run(&store, (struct rig_write){.operation = RIG_SNAPSHOT, .keep = 20});
    run(&store, (struct rig_write){.operation = RIG_FORGET, .keep = 18});
    judge(&store);
    again(&store);
    append(&store, 3, 2);
    again(&store);
    end(&store);
}

Test(dropping, of_everything_leaves_a_log_that_goes_on)
{
    struct store store;
    make(&store);
    for (int i = 0; i < 6; i++) {
        append(&store, 4, 1);
    }
    run(&store, (struct rig_write){.operation = RIG_SNAPSHOT, .keep = 25});
    run(&store, (struct rig_write){.operation = RIG_FORGET, .keep = 25});
    judge(&store);
    append(&store, 1, 1);
    again(&store);
    end(&store);
}

Test(installing, makes_the_log_begin_anew)
{
    static const struct rig_write installs[] = {
        {.operation = RIG_INSTALL, .keep = 50, .entry_term = 2}, /* beyond the log */
        {.operation = RIG_INSTALL, .keep = 8, .entry_term = 2},  /* within it, of another term */
    };
    for (size_t i = 0; i < 2; i++) {
        struct store store;
        make(&store);
        run(&store, (struct rig_write){.state = true, .term = 3, .vote = 2});
        append(&store, 12, 1);
        run(&store, installs[i]);
        judge(&store);
        again(&store);
        append(&store, 3, 2);
        judge(&store);
        again(&store);
        cr_assert_eq(found_in(&store).term, 3u, "term and vote are another file's affair"); /* bugs 59 and 68 */
        cr_assert_eq(found_in(&store).vote, 2u);
        end(&store);
    }
}

Test(installing, is_finished_by_the_next_start)
{
    struct store store;
    make(&store);
    append(&store, 12, 1);
    const struct dgraft_position position = {8, 2};
    cr_assert_eq(rig_store_snapshot(store.storage, DGRAFT_SNAPSHOT_RECEIVED, position, 700), DGRAFT_OK);
    rig_apply(store.log, &(struct rig_write){.operation = RIG_INSTALL, .keep = 8, .entry_term = 2});
    store.log->term = 2; /* that of the snapshot's entry: no vote for another in it */
    store.log->vote = rig_identity.node;
    dgraft_storage_abandon(store.storage);
    start(&store);
    judge(&store);
    again(&store);
    end(&store);
}

Test(installing, without_the_snapshot_is_refused)
{
    struct store store;
    make(&store);
    append(&store, 3, 1);
    const struct dgraft_storage_write anew = {
        .log = true, .restart = 1, .keep = 50, .first = 51, .last = {50, 1}, .commit = 50};
    cr_assert_eq(dgraft_storage_prepare(store.storage, &anew), DGRAFT_STATUS_MISUSE);
    end(&store);
}

Test(receiving, goes_on_after_a_restart_but_for_the_newest_write)
{
    struct store store;
    make(&store);
    append(&store, 3, 1);
    cr_assert_eq(rig_store_snapshot(store.storage, DGRAFT_SNAPSHOT_RECEIVED, (struct dgraft_position){50, 2}, 600),
                 DGRAFT_OK);
    dgraft_storage_abandon(store.storage);
    start(&store);
    const struct dgraft_found found = found_in(&store);
    const struct dgraft_snapshot expected = rig_snapshot_of((struct dgraft_position){50, 2});
    cr_assert(dgraft_snapshot_equal(&found.receiving, &expected));
    cr_assert_eq(found.received_bytes, 300u);
    cr_assert_eq(found.snapshot.position.index, 0u, "a part is no snapshot");
    uint8_t wrong[400] = {0};
    struct dgraft_why why;
    bool done = false;
    cr_assert_eq(dgraft_storage_snapshot_write(store.storage, DGRAFT_SNAPSHOT_RECEIVED, 600, wrong, 100, &why),
                 DGRAFT_STATUS_MISUSE, "a gap");
    cr_assert_eq(dgraft_storage_snapshot_write(store.storage, DGRAFT_SNAPSHOT_RECEIVED, 300, wrong, 400, &why),
                 DGRAFT_OK);
    cr_assert_eq(dgraft_storage_snapshot_check(store.storage, DGRAFT_SNAPSHOT_RECEIVED, &done, &why),
                 DGRAFT_STATUS_DAMAGED, "bug 64: what is whole is checked");
    cr_assert(!done);
    end(&store);
}

/* Changes a byte of a file of the directory. */
static void flip(struct store *store, const char *path, uint64_t offset)
{
    struct dgraft_fs *fs = memory_fs_seam(store->memory);
    uint8_t byte = 0;
    struct iovec piece = {&byte, 1};
    const int file = fs->ops->open(fs, path, DGRAFT_FS_WRITE);
    cr_assert_geq(file, 0);
    cr_assert_eq(fs->ops->pread(fs, file, &byte, 1, offset), 1);
    byte ^= 4;
    cr_assert_eq(fs->ops->pwritev(fs, file, &piece, 1, offset), 1);
    (void)fs->ops->close(fs, file);
}

/* The log alone has to do, and does as long as it begins at its beginning. */
Test(snapshots, that_rotted_are_told_and_not_used_wherever_it_is)
{
    for (uint64_t offset = 0; offset < 4096 + 700; offset += offset < 150 || offset > 4090 ? 1 : 97) {
        struct store store;
        struct dgraft_why why = {""};
        struct dgraft_found found;
        make(&store);
        append(&store, 5, 1);
        run(&store, (struct rig_write){.operation = RIG_SNAPSHOT, .keep = 4});
        dgraft_storage_abandon(store.storage);
        flip(&store, "node/snapshot-0000000000000004-0000000000000001", offset);
        const enum dgraft_status status =
            dgraft_storage_open(memory_fs_seam(store.memory), "node", &options, &store.storage, &why);
        if (status == DGRAFT_STATUS_TOO_NEW) {
            cr_assert(offset == 4 || offset == 5, "its version");
        } else {
            cr_assert_eq(status, DGRAFT_OK, "offset %u: %s", (unsigned)offset, why.text);
            dgraft_storage_found(store.storage, &found);
            cr_assert_not_null(strstr(found.damage_found, "snapshot-0000000000000004"), "%s", found.damage_found);
            store.log->snapshot = 0;
            const char *differs = rig_differs_beside_damage(store.storage, store.log);
            cr_assert_null(differs, "%s", differs);
            cr_assert_eq(found.damage_count, 0u);
            dgraft_storage_abandon(store.storage);
        }
        memory_fs_free(store.memory);
        free(store.log);
    }
}

/* What the log no longer holds, and the snapshot held, is damaged, up to where the log begins. */
Test(snapshots, that_rotted_leave_damage_where_the_log_was_compacted)
{
    struct store store;
    struct dgraft_why why = {""};
    struct dgraft_found found;
    make(&store);
    for (int i = 0; i < 12; i++) {
        append(&store, 4, 1);
    }
    run(&store, (struct rig_write){.operation = RIG_SNAPSHOT, .keep = 30});
    run(&store, (struct rig_write){.operation = RIG_FORGET, .keep = 30});
    dgraft_storage_found(store.storage, &found);
    const dgraft_index begins = found.compacted.index;
    cr_assert_gt(begins, 0u);
    dgraft_storage_abandon(store.storage);
    flip(&store, "node/snapshot-0000000000000030-0000000000000001", 4096 + 5);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(dgraft_storage_open(memory_fs_seam(store.memory), "node", &options, &store.storage, &why),
                     DGRAFT_OK, "%s", why.text);
        dgraft_storage_found(store.storage, &found);
        cr_assert_eq(found.damage_count, 1u);
        cr_assert_eq(found.damage[0].first, 1u);
        cr_assert_eq(found.damage[0].last, begins);
        cr_assert_eq(found.snapshot.position.index, 0u);
        store.log->snapshot = 0;
        store.log->begin_least = 0;
        const char *differs = rig_differs_beside_damage(store.storage, store.log);
        cr_assert_null(differs, "%s", differs);
        dgraft_storage_abandon(store.storage);
    }
    memory_fs_free(store.memory);
    free(store.log);
}

Test(a_log, that_begins_behind_its_snapshot_lacks_what_lies_between) /* bug 62 */
{
    struct store store;
    struct dgraft_why why = {""};
    struct dgraft_inspect_summary summary;
    const struct dgraft_inspect_visitor silent = {.context = NULL};
    make(&store);
    for (int i = 0; i < 12; i++) {
        append(&store, 4, 1);
    }
    run(&store, (struct rig_write){.operation = RIG_SNAPSHOT, .keep = 10});
    dgraft_storage_abandon(store.storage);
    struct dgraft_fs *fs = memory_fs_seam(store.memory);
    char path[64];
    for (int i = 1; i <= 4; i++) { /* a person did this */
        snprintf(path, sizeof path, "node/log-%016d", i);
        cr_assert_eq(fs->ops->unlink(fs, path), 0);
    }
    struct dgraft_found found;
    uint8_t bytes[4096];
    uint32_t count;
    size_t used;
    cr_assert_eq(dgraft_storage_open(fs, "node", &options, &store.storage, &why), DGRAFT_OK, "%s", why.text);
    dgraft_storage_found(store.storage, &found);
    cr_assert_not_null(strstr(found.damage_found, "missing"), "%s", found.damage_found);
    cr_assert_eq(found.damage_count, 1u);
    cr_assert_eq(found.damage[0].first, 11u, "the snapshot holds 10");
    cr_assert_eq(dgraft_storage_read(store.storage, 11, 11, bytes, sizeof bytes, &count, &used, &why),
                 DGRAFT_STATUS_DAMAGED);
    store.log->begin = 10; /* a log may begin behind what a snapshot holds */
    const char *differs = rig_differs_beside_damage(store.storage, store.log);
    cr_assert_null(differs, "%s", differs);
    dgraft_storage_abandon(store.storage);
    cr_assert_eq(dgraft_inspect(fs, "node", &silent, &summary, &why), DGRAFT_OK);
    cr_assert_gt(summary.damages, 0u);
    memory_fs_free(store.memory);
    free(store.log);
}

Test(a_log, without_its_beginning_and_a_snapshot_is_damaged_there)
{
    struct store store;
    struct dgraft_why why = {""};
    struct dgraft_found found;
    make(&store);
    for (int i = 0; i < 12; i++) {
        append(&store, 4, 1);
    }
    dgraft_storage_abandon(store.storage);
    struct dgraft_fs *fs = memory_fs_seam(store.memory);
    cr_assert_eq(fs->ops->unlink(fs, "node/log-0000000000000001"), 0);
    cr_assert_eq(dgraft_storage_open(fs, "node", &options, &store.storage, &why), DGRAFT_OK, "%s", why.text);
    dgraft_storage_found(store.storage, &found);
    cr_assert_eq(found.damage_count, 1u);
    cr_assert_eq(found.damage[0].first, 1u);
    const char *differs = rig_differs_beside_damage(store.storage, store.log);
    cr_assert_null(differs, "%s", differs);
    dgraft_storage_abandon(store.storage);
    memory_fs_free(store.memory);
    free(store.log);
}

Test(inspection, shows_where_the_log_begins)
{
    struct store store;
    struct dgraft_why why = {""};
    struct dgraft_inspect_summary summary;
    const struct dgraft_inspect_visitor silent = {.context = NULL};
    make(&store);
    for (int i = 0; i < 12; i++) {
        append(&store, 4, 1);
    }
    run(&store, (struct rig_write){.operation = RIG_SNAPSHOT, .keep = 40});
    run(&store, (struct rig_write){.operation = RIG_FORGET, .keep = 30});
    cr_assert_eq(dgraft_storage_close(store.storage, NULL), DGRAFT_OK);
    cr_assert_eq(dgraft_inspect(memory_fs_seam(store.memory), "node", &silent, &summary, &why), DGRAFT_OK);
    cr_assert_eq(summary.damages, 0u);
    cr_assert(summary.snapshot.index == 40 && summary.snapshot_bytes == 700);
    cr_assert(summary.first.index > 10 && summary.first.index <= 31);
    cr_assert_eq(summary.last.index, 49u);
    memory_fs_free(store.memory);
    free(store.log);
}
