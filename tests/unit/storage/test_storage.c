/* A store from the outside: what is written is there, now and after a start; what may not be is refused. */
#include "storage_rig.h"

#include <criterion/criterion.h>
#include <dgraft/inspect.h>
#include <stdlib.h>
#include <string.h>

static const struct dgraft_storage_options small = {.segment_bytes = 16384, .runs_max = 8};

static struct memory_fs *memory;
static struct rig_log *wanted;
static struct dgraft_storage *storage;
static struct dgraft_why why;

static void open_store(void)
{
    const enum dgraft_status status = dgraft_storage_open(memory_fs_seam(memory), "node", &small, &storage, &why);
    cr_assert_eq(status, DGRAFT_OK, "%s", why.text);
}

static void setup(void)
{
    memory = memory_fs_new();
    wanted = calloc(1, sizeof *wanted);
    cr_assert_eq(rig_format(memory_fs_seam(memory), wanted, &why), DGRAFT_OK, "%s", why.text);
    open_store();
}

static void teardown(void)
{
    dgraft_storage_abandon(storage);
    memory_fs_free(memory);
    free(wanted);
}

static void do_write(const struct rig_write *write)
{
    cr_assert_eq(rig_do(storage, wanted, write), DGRAFT_OK);
    rig_apply(wanted, write);
}

static void append(uint32_t count, dgraft_term term, uint32_t payload_bytes)
{
    do_write(&(struct rig_write){.state = term != wanted->term,
                                 .term = term,
                                 .vote = 1,
                                 .log = true,
                                 .keep = wanted->last,
                                 .count = count,
                                 .entry_term = term,
                                 .payload_bytes = payload_bytes});
}

static void print_finding(void *context, const char *path, uint64_t offset, enum dgraft_severity severity,
                          const char *text, const char *remedy)
{
    (void)context;
    if (severity == DGRAFT_SEVERITY_DAMAGE) {
        cr_log_error("%s at %llu: %s (%s)", path, (unsigned long long)offset, text, remedy);
    }
}

/* Reading by the store and looking from outside must agree with the oracle. */
static void check(void)
{
    const struct dgraft_inspect_visitor visitor = {.finding = print_finding};
    struct dgraft_inspect_summary summary;
    const char *differs = rig_differs(storage, wanted);
    cr_assert_null(differs, "%s", differs);
    cr_assert_eq(dgraft_inspect(memory_fs_seam(memory), "node", &visitor, &summary, &why), DGRAFT_OK, "%s", why.text);
    cr_assert_eq(summary.damages, 0);
    cr_assert_eq(summary.last.index, wanted->last);
    cr_assert_eq(summary.last.term, wanted->terms[wanted->last]);
    cr_assert_eq(summary.term, wanted->term);
    cr_assert_eq(summary.vote, wanted->vote);
    cr_assert(summary.running);
}

TestSuite(storage, .init = setup, .fini = teardown);

Test(storage, a_formatted_directory_holds_the_first_entry_and_is_not_written_by_opening)
{
    check();
    const uint64_t before = memory_fs_hash(memory);
    dgraft_storage_abandon(storage);
    open_store();
    check();
    cr_assert_eq(dgraft_storage_close(storage, &why), DGRAFT_OK);
    open_store();
    cr_assert_eq(memory_fs_hash(memory), before);
}

Test(storage, keeps_entries_over_many_segments_and_starts)
{
    for (uint32_t round = 0; round < 60; round++) {
        append(1 + round % 7, 1 + round / 10, 10 + 37 * (round % 11));
        check();
        if (round % 9 == 0) {
            cr_assert_eq(dgraft_storage_close(storage, &why), DGRAFT_OK);
            open_store();
            check();
        } else if (round % 9 == 4) {
            dgraft_storage_abandon(storage);
            open_store();
            check();
        } else if (round % 9 == 6) {
            dgraft_storage_spare(storage);
        }
    }
    struct dgraft_storage_stats stats;
    dgraft_storage_stats(storage, &stats);
    cr_assert_gt(stats.segments, 3);
}

Test(storage, supersedes_and_reads_only_what_is_in_force)
{
    append(20, 1, 50);
    append(20, 2, 50);
    do_write(&(struct rig_write){
        .state = true, .term = 3, .vote = 2, .log = true, .keep = 30, .count = 5, .entry_term = 3, .payload_bytes = 9});
    check();
    do_write(&(struct rig_write){.log = true, .keep = 10, .count = 0});
    check();
    append(3, 3, 70);
    check();
    do_write(&(struct rig_write){.log = true, .keep = 11, .count = 30, .entry_term = 3, .payload_bytes = 100});
    check();
    dgraft_storage_abandon(storage);
    open_store();
    check();
    cr_assert_eq(dgraft_storage_close(storage, &why), DGRAFT_OK);
    open_store();
    check();
}

Test(storage, knows_terms_that_are_older_than_its_runs)
{
    for (dgraft_term term = 2; term < 40; term++) {
        append(2, term, 5);
    }
    check();
    struct dgraft_found found;
    dgraft_storage_found(storage, &found);
    cr_assert_eq(found.run_count, 8);
    cr_assert_eq(found.runs[7].term, 39);
    cr_assert_eq(found.runs[7].first, wanted->last - 1);
    /* cut below all of them, then go on */
    do_write(&(struct rig_write){.state = true,
                                 .term = 40,
                                 .vote = 3,
                                 .log = true,
                                 .keep = 7,
                                 .count = 2,
                                 .entry_term = 40,
                                 .payload_bytes = 6});
    check();
    dgraft_storage_abandon(storage);
    open_store();
    check();
}

Test(storage, rolls_memberships_back_with_the_log)
{
    append(3, 1, 8);
    do_write(&(struct rig_write){
        .log = true, .keep = 4, .count = 2, .entry_term = 1, .payload_bytes = 30, .membership = true});
    struct dgraft_found found;
    dgraft_storage_found(storage, &found);
    cr_assert_eq(found.membership_index, 5);
    cr_assert_eq(found.membership_before, 1);
    do_write(&(struct rig_write){
        .state = true, .term = 2, .log = true, .keep = 4, .count = 1, .entry_term = 2, .payload_bytes = 3});
    dgraft_storage_found(storage, &found);
    cr_assert_eq(found.membership_index, 1);
    check();
    dgraft_storage_abandon(storage);
    open_store();
    check();
}

Test(storage, saves_term_and_vote_alone)
{
    for (dgraft_term term = 2; term < 9; term++) {
        do_write(&(struct rig_write){.state = true, .term = term, .vote = (dgraft_node_id)(term % 3)});
        dgraft_storage_abandon(storage);
        open_store();
        check();
    }
}

Test(storage, gives_a_batch_larger_than_a_segment_one_of_its_own)
{
    append(100, 1, 1000);
    check();
    append(1, 1, 5);
    check();
    dgraft_storage_abandon(storage);
    open_store();
    check();
}

Test(storage, says_how_large_an_entry_is_that_does_not_fit)
{
    append(1, 1, 1000);
    uint8_t bytes[512];
    uint32_t count;
    size_t used;
    cr_assert_eq(dgraft_storage_read(storage, 2, 2, bytes, sizeof bytes, &count, &used, &why), DGRAFT_STATUS_TOO_LARGE);
    cr_assert_eq(used, 1040);
    cr_assert_eq(count, 0);
    cr_assert_eq(dgraft_storage_read(storage, 1, 2, bytes, sizeof bytes, &count, &used, &why), DGRAFT_OK);
    cr_assert_eq(count, 1);
    cr_assert_eq(dgraft_storage_read(storage, 3, 9, bytes, sizeof bytes, &count, &used, &why), DGRAFT_STATUS_NOT_FOUND);
}

/* 40 batches of one entry each, in segments that hold one or two: the estimate cannot be wrong by more than that. */
static void behind_is_about(dgraft_index index, uint64_t batches)
{
    const uint64_t bytes = dgraft_storage_bytes_after(storage, index);
    cr_assert_geq(bytes + 2 * 7200, batches * 7000, "%llu bytes behind entry %llu", (unsigned long long)bytes,
                  (unsigned long long)index);
    cr_assert_leq(bytes, (batches + 2) * 7200, "%llu bytes behind entry %llu", (unsigned long long)bytes,
                  (unsigned long long)index);
}

Test(storage, knows_how_many_bytes_lie_behind_an_entry_also_after_a_truncation_and_a_start)
{
    for (int i = 0; i < 40; i++) {
        append(1, 1, 7000);
    }
    const dgraft_index last = wanted->last;
    cr_assert_eq(dgraft_storage_bytes_after(storage, last), 0);
    behind_is_about(last - 1, 1);
    behind_is_about(last - 20, 20);
    behind_is_about(last - 39, 39);
    dgraft_storage_abandon(storage);
    open_store();
    behind_is_about(last - 20, 20);
    do_write(&(struct rig_write){
        .log = true, .keep = last - 10, .count = 1, .entry_term = wanted->term, .payload_bytes = 7000});
    behind_is_about(last - 20, 11);
    cr_assert_eq(dgraft_storage_bytes_after(storage, last - 9), 0);
}

Test(storage, refuses_a_write_that_does_not_fit_the_log)
{
    const struct dgraft_entry entry = {.index = 3, .term = 1, .payload_bytes = 0, .kind = DGRAFT_ENTRY_NOOP};
    uint8_t bytes[DGRAFT_RECORD_HEADER_BYTES] = {0};
    const struct iovec piece = {bytes, sizeof bytes};
    struct dgraft_storage_write write = {.log = true,
                                         .keep = 2,
                                         .first = 3,
                                         .count = 1,
                                         .last = {3, 1},
                                         .records = &piece,
                                         .record_pieces = 1,
                                         .entries = &entry};
    cr_assert_eq(dgraft_storage_prepare(storage, &write), DGRAFT_STATUS_MISUSE, "keeps what is not there");
    write.keep = 1;
    cr_assert_eq(dgraft_storage_prepare(storage, &write), DGRAFT_STATUS_MISUSE, "first is not keep + 1");
    write.first = 2;
    cr_assert_eq(dgraft_storage_prepare(storage, &write), DGRAFT_STATUS_MISUSE, "the entry has another index");
    check();
    append(1, 1, 4);
    check();
}

Test(storage, lets_one_process_in)
{
    struct dgraft_storage *second = NULL;
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "node", &small, &second, &why), DGRAFT_STATUS_LOCKED);
    cr_assert_null(second);
    cr_assert(strstr(why.text, "another process") != NULL, "%s", why.text);
}

Test(storage, refuses_to_format_a_directory_that_is_not_empty)
{
    struct rig_log other;
    const uint64_t before = memory_fs_hash(memory);
    cr_assert_eq(rig_format(memory_fs_seam(memory), &other, &why), DGRAFT_STATUS_NOT_EMPTY);
    cr_assert_eq(memory_fs_hash(memory), before);
}

Test(storage, names_a_directory_that_is_not_there)
{
    struct dgraft_storage *none = NULL;
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "elsewhere", &small, &none, &why),
                 DGRAFT_STATUS_NOT_FOUND);
    cr_assert(strstr(why.text, "elsewhere") != NULL, "%s", why.text);
}

Test(storage, works_with_short_counts_and_interruptions_at_every_call)
{
    for (uint64_t seed = 1; seed < 30; seed++) {
        memory_fs_short(memory, seed * 7919);
        append(1 + (uint32_t)(seed % 5), wanted->term, 40);
        const char *differs = rig_differs(storage, wanted);
        cr_assert_null(differs, "%s", differs);
        dgraft_storage_abandon(storage);
        open_store();
        memory_fs_short(memory, 0);
        check();
    }
}

Test(storage, does_one_write_and_one_sync_for_a_batch)
{
    append(4, 1, 100); /* begins the second segment */
    struct dgraft_storage_stats before;
    struct dgraft_storage_stats after;
    dgraft_storage_stats(storage, &before);
    append(4, 1, 100);
    dgraft_storage_stats(storage, &after);
    cr_assert_eq(after.writes - before.writes, 1);
    cr_assert_eq(after.syncs - before.syncs, 1);
    cr_assert_eq(after.system_calls - before.system_calls, 2);
}
