/* Segments prepared ahead: what counts as one, what becomes of what is left over, and that none is read. */
#include "storage_private.h"
#include "storage_rig.h"

#include <criterion/criterion.h>
#include <dgraft/inspect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENT_BYTES = 2500 * 1024 }; /* three slices */

static struct memory_fs *memory;
static struct rig_log *wanted;
static struct dgraft_storage *storage;
static struct dgraft_why why;

static void open_store(uint32_t spares, uint64_t segment_bytes)
{
    const struct dgraft_storage_options options = {.segment_bytes = segment_bytes, .runs_max = 8, .spares = spares};
    const enum dgraft_status status = dgraft_storage_open(memory_fs_seam(memory), "node", &options, &storage, &why);
    cr_assert_eq(status, DGRAFT_OK, "%s", why.text);
}

static void setup(void)
{
    memory = memory_fs_new();
    wanted = calloc(1, sizeof *wanted);
    storage = NULL;
    cr_assert_eq(rig_format(memory_fs_seam(memory), wanted, &why), DGRAFT_OK, "%s", why.text);
}

static void teardown(void)
{
    dgraft_storage_abandon(storage);
    memory_fs_free(memory);
    free(wanted);
}

TestSuite(pool, .init = setup, .fini = teardown);

static bool there(const char *path)
{
    uint64_t size;
    return memory_fs_bytes(memory, path, &size) != NULL;
}

static struct dgraft_storage_stats stats_now(void)
{
    struct dgraft_storage_stats stats;
    dgraft_storage_stats(storage, &stats);
    return stats;
}

/* Returns how many steps it took. */
static unsigned fill(void)
{
    unsigned steps = 1;
    while (dgraft_storage_fill(storage)) {
        steps++;
    }
    return steps;
}

/* Writes more than fits into what is left of a small segment. */
static void begin_segment(uint32_t payload_bytes)
{
    const struct rig_write write = {
        .log = true, .keep = wanted->last, .count = 1, .entry_term = 1, .payload_bytes = payload_bytes};
    cr_assert_eq(rig_do(storage, wanted, &write), DGRAFT_OK);
    rig_apply(wanted, &write);
}

static bool all(void *context, size_t which)
{
    (void)context;
    (void)which;
    return true;
}

Test(pool, fills_slice_by_slice_and_names_what_is_durable)
{
    open_store(1, SEGMENT_BYTES);
    cr_assert(dgraft_storage_wants_fill(storage));
    cr_assert(dgraft_storage_fill(storage));
    cr_assert(there("node/spare.new"));
    cr_assert(dgraft_storage_fill(storage));
    cr_assert_not(there("node/spare-0000000000000001"));
    cr_assert_eq(stats_now().spares, 0);
    cr_assert_not(dgraft_storage_fill(storage), "the third slice is the last");
    cr_assert(there("node/spare-0000000000000001"));
    cr_assert_not(there("node/spare.new"));
    cr_assert_eq(stats_now().spares, 1);
    cr_assert_not(dgraft_storage_wants_fill(storage));
    /* All of it was synced before the name was given: only names are uncertain. */
    cr_assert_eq(memory_fs_uncertain(memory), 2);
}

Test(pool, the_next_segment_is_taken_from_it_and_not_made)
{
    open_store(2, 16384);
    (void)fill();
    cr_assert(dgraft_storage_wants_spare(storage));
    const uint64_t before = stats_now().bytes_written;
    dgraft_storage_spare(storage);
    cr_assert_not(dgraft_storage_wants_spare(storage));
    cr_assert_eq(stats_now().bytes_written, before);
    cr_assert_eq(stats_now().spares, 1);
    cr_assert(there("node/log-0000000000000002"));
    begin_segment(100);
    cr_assert(dgraft_storage_wants_spare(storage));
    cr_assert(dgraft_storage_wants_fill(storage));
    cr_assert_eq(stats_now().spares_late, 0);
    const char *differs = rig_differs(storage, wanted);
    cr_assert_null(differs, "%s", differs);
}

Test(pool, serves_a_write_that_finds_no_next_segment)
{
    open_store(1, 16384);
    (void)fill();
    begin_segment(100);
    cr_assert_eq(stats_now().spares, 0);
    cr_assert_eq(stats_now().spares_late, 1);
    cr_assert_not(there("node/spare-0000000000000001"));
    dgraft_storage_abandon(storage);
    open_store(1, 16384);
    const char *differs = rig_differs(storage, wanted);
    cr_assert_null(differs, "%s", differs);
}

Test(pool, a_full_disk_is_known_before_a_write_needs_it_and_asked_again)
{
    open_store(0, 16384);
    memory_fs_room(memory, 0);
    dgraft_storage_spare(storage);
    cr_assert(dgraft_storage_lacks_room(storage));
    cr_assert_not(there("node/log-0000000000000002"));
    memory_fs_room(memory, UINT64_MAX);
    cr_assert(dgraft_storage_lacks_room(storage), "nobody has asked again");
    dgraft_storage_spare(storage);
    cr_assert_not(dgraft_storage_lacks_room(storage));
    begin_segment(100);
    cr_assert_eq(stats_now().spares_late, 0);
    const char *differs = rig_differs(storage, wanted);
    cr_assert_null(differs, "%s", differs);
}

Test(pool, is_not_used_for_a_batch_larger_than_its_segments)
{
    open_store(1, 8192);
    (void)fill();
    begin_segment(3000); /* and the header: more than a block */
    begin_segment(4000);
    const struct rig_write large = {
        .log = true, .keep = wanted->last, .count = 6, .entry_term = 1, .payload_bytes = 3000};
    (void)fill();
    const uint64_t spares = stats_now().spares;
    cr_assert_eq(rig_do(storage, wanted, &large), DGRAFT_OK);
    rig_apply(wanted, &large);
    cr_assert_eq(stats_now().spares, spares);
    const char *differs = rig_differs(storage, wanted);
    cr_assert_null(differs, "%s", differs);
}

Test(pool, is_not_read_by_opening)
{
    open_store(0, 16384);
    dgraft_storage_abandon(storage);
    uint64_t before = memory_fs_calls(memory);
    open_store(0, 16384);
    const uint64_t without = memory_fs_calls(memory) - before;
    dgraft_storage_abandon(storage);
    open_store(30, 16384);
    (void)fill();
    cr_assert_eq(stats_now().spares, 30);
    dgraft_storage_abandon(storage);
    before = memory_fs_calls(memory);
    open_store(30, 16384);
    cr_assert_eq(memory_fs_calls(memory) - before, without);
    cr_assert_eq(stats_now().spares, 30);
    cr_assert_not(dgraft_storage_wants_fill(storage));
}

Test(pool, what_a_spare_holds_is_no_part_of_the_log)
{
    open_store(1, 16384);
    begin_segment(100);
    dgraft_storage_abandon(storage);
    /* A segment of this very log, of the right size, under a spare's name. */
    uint64_t size;
    const uint8_t *bytes = memory_fs_bytes(memory, "node/log-0000000000000002", &size);
    memory_fs_put(memory, "node", "node/spare-0000000000000007", bytes, size);
    open_store(1, 16384);
    const char *differs = rig_differs(storage, wanted);
    cr_assert_null(differs, "%s", differs);
}

Test(pool, what_another_process_left_is_used_or_removed)
{
    static const uint8_t bytes[16384];
    memory_fs_put(memory, "node", "node/spare.new", bytes, 700);
    memory_fs_put(memory, "node", "node/spare-0000000000000004", bytes, sizeof bytes);
    memory_fs_put(memory, "node", "node/spare-0000000000000009", bytes, 8192);
    open_store(2, 16384);
    cr_assert_eq(stats_now().spares, 2);
    (void)fill();
    cr_assert_not(there("node/spare.new"));
    /* The one of another size is found out when its turn comes. */
    begin_segment(100);
    cr_assert_not(there("node/spare-0000000000000009"));
    cr_assert_not(there("node/spare-0000000000000004"));
    cr_assert_eq(stats_now().spares, 0);
    (void)fill();
    cr_assert(there("node/spare-0000000000000010"), "numbers are not used again");
    const char *differs = rig_differs(storage, wanted);
    cr_assert_null(differs, "%s", differs);
}

Test(pool, gives_back_what_is_more_than_wanted)
{
    open_store(5, 16384);
    (void)fill();
    dgraft_storage_abandon(storage);
    open_store(2, 16384);
    cr_assert(dgraft_storage_wants_fill(storage));
    cr_assert_eq(fill(), 3);
    cr_assert_eq(stats_now().spares, 2);
    cr_assert(there("node/spare-0000000000000002"));
    cr_assert_not(there("node/spare-0000000000000003"));
}

Test(pool, ends_trying_on_a_full_disk_until_the_next_segment_begins)
{
    open_store(3, 16384);
    dgraft_storage_spare(storage);
    memory_fs_room(memory, 16384 * 4 + 9000);
    (void)fill();
    cr_assert_lt(stats_now().spares, 3);
    cr_assert_not(there("node/spare.new"), "what was begun is taken back");
    cr_assert_not(dgraft_storage_wants_fill(storage));
    memory_fs_room(memory, UINT64_MAX);
    begin_segment(100);
    dgraft_storage_spare(storage);
    cr_assert(dgraft_storage_wants_fill(storage));
    (void)fill();
    cr_assert_eq(stats_now().spares, 3);
}

Test(pool, a_name_that_was_not_synced_costs_the_spare_and_nothing_else)
{
    open_store(2, 16384);
    (void)fill();
    dgraft_storage_spare(storage);
    begin_segment(100);
    struct memory_fs *image = memory_fs_crash(memory, all, NULL);
    dgraft_storage_abandon(storage);
    memory_fs_free(memory);
    memory = image;
    open_store(2, 16384);
    const char *differs = rig_differs(storage, wanted);
    cr_assert_null(differs, "%s", differs);
}

Test(pool, is_counted_by_inspection_and_not_looked_into)
{
    struct dgraft_inspect_summary summary;
    const struct dgraft_inspect_visitor silent = {.context = NULL};
    open_store(3, 16384);
    (void)fill();
    memory_fs_bytes(memory, "node/spare-0000000000000002", &(uint64_t){0})[5000] = 7;
    cr_assert_eq(dgraft_inspect(memory_fs_seam(memory), "node", &silent, &summary, &why), DGRAFT_OK);
    cr_assert_eq(summary.spares, 3);
    cr_assert_eq(summary.notes, 0);
    cr_assert_eq(summary.damages, 0);
    cr_assert_eq(dgraft_inspect(memory_fs_seam(memory), "node/spare-0000000000000002", &silent, &summary, &why),
                 DGRAFT_OK);
    cr_assert_eq(summary.spares, 1);
    cr_assert_eq(summary.damages, 0);
}

Test(pool, knows_its_names)
{
    static const struct {
        const char *name;
        uint64_t number;
    } names[] = {{"spare-0000000000000001", 1},
                 {"spare-9999999999999999", UINT64_C(9999999999999999)},
                 {"spare.new", UINT64_MAX},
                 {"spare-0000000000000000", 0},
                 {"spare-1", 0},
                 {"spare-00000000000000001", 0},
                 {"spare-000000000000000a", 0},
                 {"spare-", 0},
                 {"Spare-0000000000000001", 0},
                 {"log-0000000000000001", 0},
                 {"", 0}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cr_assert_eq(dgraft_pool_number(names[i].name), names[i].number, "%s", names[i].name);
    }
}

/* At each sync somebody else prepares the next segment, if it may, and the power fails. */
static struct {
    const struct dgraft_fs_ops *inner;
    bool within;
    unsigned spares;
    unsigned crashes;
} racing;

static bool none(void *context, size_t which)
{
    (void)context;
    (void)which;
    return false;
}

static int racing_sync(struct dgraft_fs *fs, int file)
{
    if (!racing.within) {
        struct dgraft_storage *after = NULL;
        racing.within = true;
        if (pthread_mutex_trylock(&storage->writer.spare_lock) == 0) {
            (void)pthread_mutex_unlock(&storage->writer.spare_lock);
            dgraft_storage_spare(storage);
            racing.spares++;
        }
        struct memory_fs *left = memory_fs_crash(memory, none, NULL);
        cr_assert_eq(dgraft_storage_open(memory_fs_seam(left), "node", NULL, &after, &why), DGRAFT_OK, "%s", why.text);
        dgraft_storage_abandon(after);
        memory_fs_free(left);
        racing.crashes++;
        racing.within = false;
    }
    return racing.inner->sync(fs, file);
}

Test(pool, a_spare_is_not_made_behind_a_segment_without_a_header)
{
    open_store(0, 8192);
    struct dgraft_fs *fs = memory_fs_seam(memory);
    struct dgraft_fs_ops ops = *fs->ops;
    racing.inner = fs->ops;
    ops.sync = racing_sync;
    fs->ops = &ops;
    for (int i = 0; i < 5; i++) {
        begin_segment(3500);
    }
    fs->ops = racing.inner;
    cr_assert_geq(racing.spares, 5u);
    cr_assert_gt(racing.crashes, racing.spares, "at some syncs it may not");
    const char *differs = rig_differs(storage, wanted);
    cr_assert_null(differs, "%s", differs);
}
