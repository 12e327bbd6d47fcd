/* Walking the entries in force of a directory, whole and damaged, beside the plain list of what was written. */
#include "storage_rig.h"

#include <criterion/criterion.h>
#include <dgraft/log_walk.h>
#include <stdlib.h>
#include <string.h>

static const struct dgraft_storage_options small = {.segment_bytes = 12288, .runs_max = 8};
static const char *const names[] = {"node/log-0000000000000001", "node/log-0000000000000002",
                                    "node/log-0000000000000003"};
static const struct dgraft_inspect_visitor silent = {.context = NULL};

static struct rig_log *wanted;
static struct dgraft_why why;

static void write_one(struct dgraft_storage *storage, struct rig_write write)
{
    write.log = true;
    cr_assert_eq(rig_do(storage, wanted, &write), DGRAFT_OK);
    rig_apply(wanted, &write);
}

/* Three segments and a mark at the end: in the first, entry 4 is overwritten. */
static struct memory_fs *filled(void)
{
    struct memory_fs *memory = memory_fs_new();
    struct dgraft_storage *storage;
    wanted = calloc(1, sizeof *wanted);
    cr_assert_eq(rig_format(memory_fs_seam(memory), wanted, &why), DGRAFT_OK);
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "node", &small, &storage, &why), DGRAFT_OK);
    write_one(storage, (struct rig_write){.keep = 1, .count = 3, .entry_term = 1, .payload_bytes = 100});
    write_one(storage, (struct rig_write){.state = true,
                                          .term = 2,
                                          .vote = 2,
                                          .keep = 3,
                                          .count = 1,
                                          .entry_term = 2,
                                          .payload_bytes = 50,
                                          .membership = true});
    write_one(storage, (struct rig_write){.keep = 4, .count = 6, .entry_term = 2, .payload_bytes = 1400});
    write_one(storage, (struct rig_write){.keep = 10, .count = 2, .entry_term = 2, .payload_bytes = 9});
    write_one(storage, (struct rig_write){.keep = 12, .count = 3, .entry_term = 2, .payload_bytes = 2000});
    cr_assert_eq(dgraft_storage_close(storage, &why), DGRAFT_OK);
    return memory;
}

static void done(struct memory_fs *memory)
{
    memory_fs_free(memory);
    free(wanted);
}

static struct dgraft_walk *opened(struct memory_fs *memory, struct dgraft_inspect_summary *summary)
{
    struct dgraft_walk *walk;
    cr_assert_eq(dgraft_walk_open(memory_fs_seam(memory), "node", &silent, summary, &walk, &why), DGRAFT_OK, "%s",
                 why.text);
    return walk;
}

/* What became of an entry. */
enum fate { ABSENT = 0, WHOLE = 1, LOST = 2 };

/* Walks all; whatever is told as an entry is the one that was written last at its index. Returns how many are lost. */
static unsigned walk_all(struct memory_fs *memory, enum fate fates[RIG_ENTRIES_MAX + 1])
{
    struct dgraft_inspect_summary summary;
    struct dgraft_walk_step step;
    struct dgraft_walk *walk = opened(memory, &summary);
    dgraft_index next = 1;
    unsigned lost = 0;
    memset(fates, 0, sizeof(enum fate) * (RIG_ENTRIES_MAX + 1));
    for (;;) {
        cr_assert_eq(dgraft_walk_next(walk, &step, &why), DGRAFT_OK, "%s", why.text);
        cr_assert_eq(step.first, next);
        cr_assert_geq(step.last, step.first);
        cr_assert_neq(step.what, DGRAFT_WALKED_GONE);
        next = step.last + 1;
        if (step.what == DGRAFT_WALKED_ENTRY) {
            cr_assert_eq(step.first, step.last);
            cr_assert_leq(step.first, wanted->last);
            cr_assert_eq(step.record.entry.index, step.first);
            cr_assert_eq(step.record.entry.term, wanted->terms[step.first], "entry %u", (unsigned)step.first);
            cr_assert_eq(step.record.entry.kind == DGRAFT_ENTRY_MEMBERSHIP, wanted->memberships[step.first]);
            cr_assert_eq(dgraft_record_bytes(step.record.entry.payload_bytes), step.size);
            fates[step.first] = WHOLE;
            continue;
        }
        for (dgraft_index i = step.first; step.what != DGRAFT_WALKED_END && i <= step.last && i <= wanted->last; i++) {
            fates[i] = LOST;
            lost++;
        }
        if (step.what != DGRAFT_WALKED_DAMAGED) {
            break;
        }
    }
    dgraft_walk_close(walk);
    return lost;
}

static enum fate fates[RIG_ENTRIES_MAX + 1];

Test(log_walk, tells_what_was_written_last_at_each_index)
{
    struct memory_fs *memory = filled();
    struct dgraft_inspect_summary summary;
    struct dgraft_walk_step step;
    cr_assert_eq(walk_all(memory, fates), 0);
    for (dgraft_index i = 1; i <= wanted->last; i++) {
        cr_assert_eq(fates[i], WHOLE, "entry %u", (unsigned)i);
    }
    struct dgraft_walk *walk = opened(memory, &summary);
    for (dgraft_index i = 1; i <= wanted->last; i++) { /* backwards: each by a seek */
        dgraft_walk_seek(walk, wanted->last + 1 - i);
        cr_assert_eq(dgraft_walk_next(walk, &step, &why), DGRAFT_OK);
        cr_assert_eq(step.what, DGRAFT_WALKED_ENTRY);
        cr_assert_eq(step.record.entry.index, wanted->last + 1 - i);
    }
    cr_assert_eq(dgraft_walk_membership(walk, 3), 1);
    cr_assert_eq(dgraft_walk_membership(walk, 4), 4);
    cr_assert_eq(dgraft_walk_membership(walk, 15), 4);
    cr_assert_eq(dgraft_walk_membership_after(walk, 1), 4);
    cr_assert_eq(dgraft_walk_membership_after(walk, 4), 0);
    dgraft_walk_close(walk);
    done(memory);
}

/* Whichever bit rots: nothing is told that was not written, or that was overwritten; and nothing is passed over in
 * silence. (The last batch marks the floor: what is cut for torn is that mark alone.) */
Test(log_walk, any_bit_may_rot)
{
    struct memory_fs *memory = filled();
    unsigned worst = 0;
    unsigned records = 0;
    for (size_t file = 0; file < 3; file++) {
        uint64_t size;
        cr_assert_not_null(memory_fs_bytes(memory, names[file], &size));
        for (uint64_t at = 0; at < size; at += at % 4096 < 300 ? 1 : 13) {
            uint8_t *bytes = memory_fs_bytes(memory, names[file], &size);
            bytes[at] ^= (uint8_t)(1u << (at % 8));
            const unsigned lost = walk_all(memory, fates);
            bytes[at] ^= (uint8_t)(1u << (at % 8));
            for (dgraft_index i = 1; i <= wanted->last; i++) {
                cr_assert_neq(fates[i], ABSENT, "bit of byte %u of %s: entry %u", (unsigned)at, names[file],
                              (unsigned)i);
            }
            worst = lost > worst ? lost : worst;
            records += lost == 1 ? 1 : 0;
        }
    }
    cr_assert_geq(worst, 6, "a header takes all that hangs on it with it");
    cr_assert_geq(records, 500, "a payload is one entry's");
    done(memory);
}

/* A batch that overwrote entries cannot be read: what it overwrote must not come back to life. */
Test(log_walk, an_overwritten_entry_stays_dead_when_what_overwrote_it_rots)
{
    struct memory_fs *memory = filled();
    uint64_t size;
    uint8_t *bytes = memory_fs_bytes(memory, names[1], &size);
    unsigned headers = 0;
    for (uint64_t at = 4096; at + 128 < size; at += 8) {
        if (memcmp(bytes + at, "dgbt", 4) == 0 && dgraft_get_u64(bytes + at + 32) == 3) {
            bytes[at + 40] ^= 1;
            headers++;
        }
    }
    cr_assert_eq(headers, 1);
    (void)walk_all(memory, fates);
    cr_assert_eq(fates[4], LOST);
    cr_assert_eq(fates[5], WHOLE);
    done(memory);
}

/* A record header in the middle of a batch: the rest of that batch is lost, and no more. */
Test(log_walk, the_rest_of_a_batch_hangs_on_each_record_header)
{
    struct memory_fs *memory = filled();
    struct dgraft_inspect_summary summary;
    struct dgraft_walk_step step;
    struct dgraft_walk *walk = opened(memory, &summary);
    dgraft_walk_seek(walk, 7);
    cr_assert_eq(dgraft_walk_next(walk, &step, &why), DGRAFT_OK);
    cr_assert_eq(step.what, DGRAFT_WALKED_ENTRY);
    dgraft_walk_close(walk);
    uint64_t size;
    memory_fs_bytes(memory, names[step.sequence - 1], &size)[step.offset + 3] ^= 1;
    cr_assert_eq(walk_all(memory, fates), 4);
    for (dgraft_index i = 1; i <= wanted->last; i++) {
        cr_assert_eq(fates[i], i >= 7 && i <= 10 ? LOST : WHOLE, "entry %u", (unsigned)i);
    }
    done(memory);
}

Test(log_walk, a_segment_that_went_meanwhile_is_gone_not_damaged)
{
    struct memory_fs *memory = filled();
    struct dgraft_inspect_summary summary;
    struct dgraft_walk_step step;
    struct dgraft_walk *walk = opened(memory, &summary);
    struct dgraft_fs *fs = memory_fs_seam(memory);
    cr_assert_eq(fs->ops->unlink(fs, names[0]), 0);
    cr_assert_eq(dgraft_walk_next(walk, &step, &why), DGRAFT_OK);
    cr_assert_eq(step.what, DGRAFT_WALKED_GONE);
    cr_assert_eq(step.first, 1);
    dgraft_walk_close(walk);
    done(memory);
}

Test(log_walk, a_file_is_no_directory)
{
    struct memory_fs *memory = filled();
    struct dgraft_inspect_summary summary;
    struct dgraft_walk *walk;
    cr_assert_neq(dgraft_walk_open(memory_fs_seam(memory), names[0], &silent, &summary, &walk, &why), DGRAFT_OK);
    cr_assert_null(walk);
    done(memory);
}

Test(log_walk, a_log_that_begins_behind_a_snapshot)
{
    struct memory_fs *memory = filled();
    struct dgraft_storage *storage;
    struct dgraft_inspect_summary summary;
    struct dgraft_walk_step step;
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "node", &small, &storage, &why), DGRAFT_OK);
    cr_assert_eq(rig_do(storage, wanted, &(struct rig_write){.operation = RIG_SNAPSHOT, .keep = 12}), DGRAFT_OK);
    cr_assert_eq(rig_do(storage, wanted, &(struct rig_write){.operation = RIG_FORGET, .keep = 12}), DGRAFT_OK);
    dgraft_storage_abandon(storage);
    struct dgraft_walk *walk = opened(memory, &summary);
    cr_assert_eq(summary.snapshot.index, 12);
    cr_assert_eq(dgraft_walk_next(walk, &step, &why), DGRAFT_OK);
    cr_assert_eq(step.what, DGRAFT_WALKED_ENTRY);
    cr_assert_gt(step.first, 1, "what was forgotten is not there");
    cr_assert_leq(step.first, 13, "and there is no hole behind the snapshot");
    dgraft_walk_close(walk);
    done(memory);
}
