/* Inspecting a directory of which something rotted, and was written again since. */
#include "storage_rig.h"

#include <criterion/criterion.h>
#include <dgraft/log_walk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct dgraft_storage_options small = {.segment_bytes = 12288, .runs_max = 8};
static const char *const first_file = "node/log-0000000000000001";

static struct rig_log *wanted;
static struct dgraft_why why;

/* What inspection told. */
struct told {
    struct dgraft_inspect_summary summary;
    uint64_t damaged_at; /* of the newest finding about a batch */
    enum dgraft_severity severity;
    char text[DGRAFT_WHY_BYTES];
    char remedy[DGRAFT_WHY_BYTES];
    uint64_t mends[8]; /* numbers of the batches that mend */
    unsigned mend_count;
    uint64_t batch_at; /* the batch that holds the entries from 4 on, as it was written first */
    uint64_t batch_bytes;
};

static void on_batch(void *context, const char *path, const struct dgraft_batch *batch)
{
    struct told *told = context;
    (void)path;
    if (batch->refusal == DGRAFT_ACCEPT && batch->mends) {
        told->mends[told->mend_count++ % 8] = batch->number;
    } else if (batch->refusal == DGRAFT_ACCEPT && batch->first == 4) {
        told->batch_at = batch->offset;
        told->batch_bytes = batch->length;
    }
}

static void on_finding(void *context, const char *path, uint64_t offset, enum dgraft_severity severity,
                       const char *text, const char *remedy)
{
    struct told *told = context;
    (void)path;
    told->damaged_at = offset;
    told->severity = severity;
    (void)snprintf(told->text, sizeof told->text, "%s", text);
    (void)snprintf(told->remedy, sizeof told->remedy, "%s", remedy);
}

static struct told inspect(struct memory_fs *memory, const char *path)
{
    struct told told = {.mend_count = 0};
    const struct dgraft_inspect_visitor visitor = {.context = &told, .batch = on_batch, .finding = on_finding};
    cr_assert_eq(dgraft_inspect(memory_fs_seam(memory), path, &visitor, &told.summary, &why), DGRAFT_OK);
    return told;
}

static struct dgraft_storage *opened(struct memory_fs *memory)
{
    struct dgraft_storage *storage;
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "node", &small, &storage, &why), DGRAFT_OK, "%s",
                 why.text);
    return storage;
}

static void write_one(struct dgraft_storage *storage, struct rig_write write)
{
    write.log = write.operation == RIG_WRITE;
    cr_assert_eq(rig_do(storage, wanted, &write), DGRAFT_OK);
    rig_apply(wanted, &write);
}

/* Entries 1 to 3, then 4 to 8 in one batch, then 9 and 10; a mark at the end. */
static struct memory_fs *filled(void)
{
    struct memory_fs *memory = memory_fs_new();
    wanted = calloc(1, sizeof *wanted);
    cr_assert_eq(rig_format(memory_fs_seam(memory), wanted, &why), DGRAFT_OK);
    struct dgraft_storage *storage = opened(memory);
    write_one(storage, (struct rig_write){.keep = 1, .count = 2, .entry_term = 1, .payload_bytes = 100});
    write_one(storage,
              (struct rig_write){.keep = 3, .count = 5, .entry_term = 1, .payload_bytes = 100, .membership = true});
    write_one(storage, (struct rig_write){.keep = 8, .count = 2, .entry_term = 1, .payload_bytes = 100});
    cr_assert_eq(dgraft_storage_close(storage, NULL), DGRAFT_OK);
    return memory;
}

static void done(struct memory_fs *memory)
{
    memory_fs_free(memory);
    free(wanted);
}

static void flip(struct memory_fs *memory, const char *path, uint64_t at)
{
    uint64_t size;
    uint8_t *bytes = memory_fs_bytes(memory, path, &size);
    cr_assert(bytes != NULL && at < size);
    bytes[at] ^= 4;
}

/* The bit that rots: of the header of the batch of 4 to 8, or of the payload of its last record. */
static const char *file_of_batch(struct memory_fs *memory, const struct told *told)
{
    static char name[64];
    for (unsigned sequence = 1; sequence < 9; sequence++) {
        uint64_t size;
        (void)snprintf(name, sizeof name, "node/log-%016u", sequence);
        const uint8_t *bytes = memory_fs_bytes(memory, name, &size);
        if (bytes != NULL && size > told->batch_at && memcmp(bytes + told->batch_at, "dgbt", 4) == 0 &&
            dgraft_get_u64(bytes + told->batch_at + 40) == 4) {
            return name;
        }
    }
    cr_assert_fail("no segment holds the batch of entry 4");
    return NULL;
}

static void mend(struct memory_fs *memory)
{
    struct dgraft_storage *storage = opened(memory);
    cr_assert_eq(rig_mend(storage, wanted), DGRAFT_OK);
    cr_assert_eq(dgraft_storage_close(storage, NULL), DGRAFT_OK);
}

/* Walks all; returns how many entries are whole, all of which are those that were written. */
static unsigned walk_all(struct memory_fs *memory, dgraft_index *membership)
{
    const struct dgraft_inspect_visitor silent = {.context = NULL};
    struct dgraft_inspect_summary summary;
    struct dgraft_walk *walk;
    struct dgraft_walk_step step = {.last = 0};
    unsigned whole = 0;
    cr_assert_eq(dgraft_walk_open(memory_fs_seam(memory), "node", &silent, &summary, &walk, &why), DGRAFT_OK);
    *membership = dgraft_walk_membership(walk, UINT64_MAX);
    while (step.what != DGRAFT_WALKED_END && step.what != DGRAFT_WALKED_UNKNOWN) {
        cr_assert_eq(dgraft_walk_next(walk, &step, &why), DGRAFT_OK);
        if (step.what == DGRAFT_WALKED_ENTRY) {
            whole++;
            cr_assert_eq(step.record.entry.term, wanted->terms[step.first]);
            cr_assert_eq(step.record.entry.payload_bytes, wanted->sizes[step.first]);
        }
    }
    dgraft_walk_close(walk);
    return whole;
}

Test(inspect_mended, a_header_that_rots_takes_its_entries_until_they_are_written_again)
{
    struct memory_fs *memory = filled();
    dgraft_index membership;
    struct told told = inspect(memory, "node");
    cr_assert_eq(told.summary.damages + told.summary.mended + told.summary.missing_count, 0);
    flip(memory, file_of_batch(memory, &told), told.batch_at + 20);
    told = inspect(memory, "node");
    cr_assert_eq(told.severity, DGRAFT_SEVERITY_DAMAGE);
    cr_assert_not_null(strstr(told.remedy, "fetches what it lacks from the other members"), "%s", told.remedy);
    cr_assert_eq(told.summary.missing_count, 1);
    cr_assert(told.summary.missing[0].first == 4 && told.summary.missing[0].last == 8);
    cr_assert_eq(told.summary.salvaged, 0, "behind a batch's bad header nothing is believed");
    cr_assert_not(told.summary.refused);
    cr_assert_eq(walk_all(memory, &membership), 5);
    cr_assert_eq(membership, 1);
    mend(memory);
    told = inspect(memory, "node");
    cr_assert_gt(told.mend_count, 1, "the rig mends in parts");
    cr_assert_eq(told.severity, DGRAFT_SEVERITY_NOTE);
    char by[64];
    (void)snprintf(by, sizeof by, "mended since by batches %llu to %llu", (unsigned long long)told.mends[0],
                   (unsigned long long)told.mends[told.mend_count - 1]);
    cr_assert_not_null(strstr(told.text, by), "%s, not %s", told.text, by);
    cr_assert_eq(told.summary.damages, 0);
    cr_assert_eq(told.summary.mended, 1);
    cr_assert_eq(told.summary.missing_count, 0);
    cr_assert_eq(told.summary.last.index, 10);
    cr_assert_eq(told.summary.first.index, 1);
    cr_assert_eq(walk_all(memory, &membership), 10);
    cr_assert_eq(membership, 4, "written again, it is a membership again");
    done(memory);
}

Test(inspect_mended, what_can_still_be_read_of_a_damaged_batch_a_start_writes_again)
{
    struct memory_fs *memory = filled();
    dgraft_index membership;
    struct told told = inspect(memory, "node");
    flip(memory, file_of_batch(memory, &told), told.batch_at + told.batch_bytes - 20); /* in entry 8 */
    told = inspect(memory, "node");
    cr_assert_eq(told.summary.damages, 1);
    cr_assert_eq(told.summary.missing_count, 1);
    cr_assert(told.summary.missing[0].first == 8 && told.summary.missing[0].last == 8);
    cr_assert_eq(told.summary.salvaged, 4);
    cr_assert_eq(walk_all(memory, &membership), 9);
    cr_assert_eq(dgraft_storage_close(opened(memory), NULL), DGRAFT_OK);
    told = inspect(memory, "node");
    cr_assert_eq(told.mend_count, 1);
    cr_assert_eq(told.summary.damages, 1, "entry 8 is still missing");
    cr_assert_eq(told.summary.salvaged, 0);
    cr_assert_eq(walk_all(memory, &membership), 9);
    mend(memory);
    told = inspect(memory, "node");
    cr_assert_eq(told.summary.damages, 0);
    cr_assert_eq(walk_all(memory, &membership), 10);
    done(memory);
}

Test(inspect_mended, a_batch_that_mends_may_rot_as_well)
{
    struct memory_fs *memory = filled();
    dgraft_index membership;
    struct told told = inspect(memory, "node");
    flip(memory, file_of_batch(memory, &told), told.batch_at + told.batch_bytes - 20);
    mend(memory);
    uint64_t size;
    bool found = false;
    for (unsigned sequence = 9; sequence > 0 && !found; sequence--) { /* the record of 8 in the newest file */
        char name[64];
        (void)snprintf(name, sizeof name, "node/log-%016u", sequence);
        uint8_t *bytes = memory_fs_bytes(memory, name, &size);
        for (uint64_t at = 4096; bytes != NULL && at + 128 < size && !found; at += 8) {
            if (memcmp(bytes + at, "dgbt", 4) == 0 && dgraft_get_u64(bytes + at + 40) == 8 &&
                dgraft_get_u64(bytes + at + 32) == 10) {
                bytes[at + 128 + 60] ^= 1;
                found = true;
            }
        }
    }
    cr_assert(found);
    told = inspect(memory, "node");
    cr_assert_eq(told.summary.damages, 2, "both copies: neither was mended since");
    cr_assert_eq(told.summary.missing_count, 1);
    cr_assert(told.summary.missing[0].first == 8 && told.summary.missing[0].last == 8);
    cr_assert_not_null(strstr(told.text, "from index 8 on"), "%s", told.text);
    cr_assert_eq(walk_all(memory, &membership), 9);
    mend(memory);
    told = inspect(memory, "node");
    cr_assert_eq(told.summary.damages, 0);
    cr_assert_eq(told.summary.mended, 2);
    cr_assert_eq(walk_all(memory, &membership), 10);
    done(memory);
}

Test(inspect_mended, what_a_snapshot_holds_is_not_missed)
{
    struct memory_fs *memory = filled();
    dgraft_index membership;
    struct told told = inspect(memory, "node");
    struct dgraft_storage *storage = opened(memory);
    wanted->commit = 9;
    write_one(storage, (struct rig_write){.operation = RIG_SNAPSHOT, .keep = 9});
    dgraft_storage_abandon(storage);
    flip(memory, file_of_batch(memory, &told), told.batch_at + 20);
    told = inspect(memory, "node");
    cr_assert_eq(told.summary.damages, 0, "%s", told.text);
    cr_assert_eq(told.summary.mended, 1);
    cr_assert_not_null(strstr(told.text, "nothing that it held is part of the log any more"), "%s", told.text);
    cr_assert_geq(walk_all(memory, &membership), 1);
    done(memory);
}

Test(inspect_mended, a_segment_whose_header_rots_is_missed_until_its_entries_are_written_again)
{
    struct memory_fs *memory = filled();
    dgraft_index membership;
    flip(memory, first_file, 20);
    struct told told = inspect(memory, "node");
    cr_assert_not(told.summary.refused);
    cr_assert_eq(told.summary.damages, 1, "%s", told.text);
    cr_assert_not_null(strstr(told.text, "the segment's header"), "%s", told.text);
    cr_assert_not_null(strstr(told.remedy, "fetches what it lacks from the other members"), "%s", told.remedy);
    cr_assert_eq(told.summary.missing_count, 1);
    cr_assert_eq(told.summary.missing[0].first, 1);
    cr_assert_lt(walk_all(memory, &membership), 10);
    mend(memory);
    told = inspect(memory, "node");
    cr_assert_eq(told.summary.damages + told.summary.missing_count, 0, "%s", told.text);
    cr_assert_gt(told.summary.mended, 0);
    cr_assert_eq(walk_all(memory, &membership), 10);
    done(memory);
}

/* A start refuses it, so recovery says nothing: the walk goes by the batches alone, and knows those that mend. */
Test(inspect_mended, a_directory_that_is_refused_is_walked_all_the_same)
{
    struct memory_fs *memory = filled();
    dgraft_index membership;
    uint64_t size;
    struct told told = inspect(memory, "node");
    flip(memory, file_of_batch(memory, &told), told.batch_at + told.batch_bytes - 20);
    mend(memory);
    uint8_t *state = memory_fs_bytes(memory, "node/state", &size);
    memset(state, 0, size); /* nobody knows the term and the vote */
    told = inspect(memory, "node");
    cr_assert(told.summary.refused);
    cr_assert_gt(told.summary.damages, 0);
    cr_assert_eq(told.summary.missing_count, 0);
    cr_assert_eq(walk_all(memory, &membership), 10);
    cr_assert_eq(membership, 4);
    done(memory);
}

Test(inspect_mended, of_a_single_file_nobody_knows)
{
    struct memory_fs *memory = filled();
    struct told told = inspect(memory, "node");
    const char *file = file_of_batch(memory, &told);
    flip(memory, file, told.batch_at + 20);
    mend(memory);
    told = inspect(memory, file);
    cr_assert_eq(told.summary.damages, 1);
    cr_assert_not_null(strstr(told.remedy, "inspect the directory"), "%s", told.remedy);
    cr_assert_not(told.summary.refused);
    done(memory);
}

/* Nothing but the batch itself says where the log ends then. */
Test(inspect_mended, a_file_that_ends_with_a_batch_that_mends)
{
    struct memory_fs *memory = filled();
    struct told told = inspect(memory, "node");
    flip(memory, file_of_batch(memory, &told), told.batch_at + told.batch_bytes - 20);
    struct dgraft_storage *storage = opened(memory);
    cr_assert_eq(rig_mend(storage, wanted), DGRAFT_OK);
    dgraft_storage_abandon(storage);
    bool found = false;
    for (unsigned sequence = 9; sequence > 0 && !found; sequence--) {
        char name[64];
        uint64_t size;
        (void)snprintf(name, sizeof name, "node/log-%016u", sequence);
        found = memory_fs_bytes(memory, name, &size) != NULL && (told = inspect(memory, name)).mend_count > 0;
    }
    cr_assert(found);
    cr_assert_eq(told.summary.last.index, 10);
    cr_assert_eq(told.summary.last.term, 1);
    cr_assert_eq(told.summary.floor.index, 10);
    done(memory);
}
