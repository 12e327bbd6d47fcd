/* Bytes that rot after they were acknowledged: found and named, never served, never cut. */
#include "storage_rig.h"

#include <criterion/criterion.h>
#include <dgraft/log_walk.h>
#include <dgraft/record.h>
#include <disk_format.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct dgraft_storage_options small = {.segment_bytes = 12288, .runs_max = 8};
static const char *const names[] = {"node/state", "node/log-0000000000000001", "node/log-0000000000000002",
                                    "node/log-0000000000000003"};

static struct rig_log *wanted;
static struct rig_log *without_last; /* the log before its last batch */
static struct dgraft_why why;

/* Where each entry in force lay before anything rotted, as the batches say that were written: what inspection is
 * compared with. */
struct owner {
    char path[64];
    uint64_t offset;
    uint64_t length;
};
static struct owner owners[RIG_ENTRIES_MAX + 1];
static struct memory_fs *pristine;

static void note_owner(void *context, const char *path, const struct dgraft_batch *batch)
{
    (void)context;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct owner *owner = &owners[batch->first + i];
        (void)snprintf(owner->path, sizeof owner->path, "%s", path);
        owner->offset = batch->offset;
        owner->length = batch->length;
    }
}

static void note_owners(const struct memory_fs *memory)
{
    const struct dgraft_inspect_visitor visitor = {.batch = note_owner};
    struct dgraft_inspect_summary summary;
    memory_fs_free(pristine);
    pristine = memory_fs_copy(memory);
    cr_assert_eq(dgraft_inspect(memory_fs_seam(pristine), "node", &visitor, &summary, &why), DGRAFT_OK);
    cr_assert_eq(summary.damages, 0);
}

/* Says whether a batch rotted that holds an entry in force. */
static bool an_owner_rotted(struct memory_fs *memory, dgraft_index last)
{
    for (dgraft_index i = 1; i <= last; i++) {
        const struct owner *owner = &owners[i];
        uint64_t size;
        uint64_t old_size;
        const uint8_t *bytes = memory_fs_bytes(memory, owner->path, &size);
        const uint8_t *old = memory_fs_bytes(pristine, owner->path, &old_size);
        if (bytes == NULL || size < owner->offset + owner->length ||
            memcmp(bytes + owner->offset, old + owner->offset, owner->length) != 0) {
            return true;
        }
    }
    return false;
}

static void write_one(struct dgraft_storage *storage, const struct rig_write *write)
{
    *without_last = *wanted;
    cr_assert_eq(rig_do(storage, wanted, write), DGRAFT_OK);
    rig_apply(wanted, write);
}

/* Three segments, several batches, a truncation, a membership. */
static struct memory_fs *filled(bool close)
{
    struct memory_fs *memory = memory_fs_new();
    struct dgraft_storage *storage;
    wanted = calloc(1, sizeof *wanted);
    without_last = calloc(1, sizeof *without_last);
    cr_assert_eq(rig_format(memory_fs_seam(memory), wanted, &why), DGRAFT_OK);
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "node", &small, &storage, &why), DGRAFT_OK);
    write_one(storage, &(struct rig_write){.log = true, .keep = 1, .count = 3, .entry_term = 1, .payload_bytes = 100});
    write_one(storage, &(struct rig_write){.state = true,
                                           .term = 2,
                                           .vote = 2,
                                           .log = true,
                                           .keep = 3,
                                           .count = 2,
                                           .entry_term = 2,
                                           .payload_bytes = 50,
                                           .membership = true});
    write_one(storage, &(struct rig_write){.log = true, .keep = 5, .count = 5, .entry_term = 2, .payload_bytes = 1700});
    write_one(storage, &(struct rig_write){.log = true, .keep = 10, .count = 2, .entry_term = 2, .payload_bytes = 9});
    if (close) {
        cr_assert_eq(dgraft_storage_close(storage, &why), DGRAFT_OK);
    } else {
        dgraft_storage_abandon(storage);
    }
    note_owners(memory);
    return memory;
}

static void done(struct memory_fs *memory)
{
    memory_fs_free(memory);
    memory_fs_free(pristine);
    pristine = NULL;
    free(wanted);
    free(without_last);
}

static bool stop_at_damage_text(const char *text)
{
    return strstr(text, "restore this file") != NULL || strstr(text, "newer program") != NULL;
}

enum fate {
    UNTOUCHED = 0, /* it is exactly as it was */
    MENDED = 1,    /* what is damaged is told, and once it is written again all is as it was */
    REFUSED = 2    /* with a remedy, and nothing was written */
};

static void is_refused(struct memory_fs *copy, enum dgraft_status status, uint64_t before, const char *what,
                       uint64_t at)
{
    cr_assert(status == DGRAFT_STATUS_DAMAGED || status == DGRAFT_STATUS_TOO_NEW, "%s at %llu: %s", what,
              (unsigned long long)at, dgraft_status_name(status));
    cr_assert(stop_at_damage_text(why.text), "%s", why.text);
    cr_assert_eq(memory_fs_hash(copy), before, "a refused directory was written to");
}

/* Inspection and the walk beside it find exactly what is told as damaged, and walk over all the rest. */
static void is_inspected(struct memory_fs *copy, const struct dgraft_found *found, const char *what, uint64_t at)
{
    const struct dgraft_inspect_visitor silent = {.context = NULL};
    struct dgraft_inspect_summary summary;
    struct dgraft_walk *walk;
    struct dgraft_walk_step step = {.last = 0};
    uint32_t damage = 0;
    cr_assert_eq(dgraft_walk_open(memory_fs_seam(copy), "node", &silent, &summary, &walk, &why), DGRAFT_OK);
    cr_assert_eq(summary.damages > 0, found->damage_count > 0, "%s at %llu: %u findings, %u stretches", what,
                 (unsigned long long)at, summary.damages, found->damage_count);
    cr_assert_not(summary.refused);
    cr_assert_eq(summary.last.index, wanted->last);
    cr_assert_eq(summary.salvaged, 0, "a start has written it again");
    cr_assert_eq(summary.missing_count, found->damage_count);
    for (uint32_t i = 0; i < found->damage_count; i++) {
        cr_assert_eq(summary.missing[i].first, found->damage[i].first);
        cr_assert_eq(summary.missing[i].last, found->damage[i].last);
    }
    for (dgraft_index index = 1; index <= wanted->last; index = step.last + 1) {
        damage += damage < found->damage_count && found->damage[damage].last < index ? 1 : 0;
        const bool rotten = damage < found->damage_count && found->damage[damage].first <= index;
        cr_assert_eq(dgraft_walk_next(walk, &step, &why), DGRAFT_OK);
        cr_assert_eq(step.first, index);
        cr_assert(rotten || step.what == DGRAFT_WALKED_ENTRY, "%s at %llu: entry %llu is walked over", what,
                  (unsigned long long)at, (unsigned long long)index);
        cr_assert(step.what != DGRAFT_WALKED_ENTRY || step.record.entry.term == wanted->terms[index],
                  "%s at %llu: another entry %llu", what, (unsigned long long)at, (unsigned long long)index);
    }
    cr_assert_eq(dgraft_walk_next(walk, &step, &why), DGRAFT_OK);
    cr_assert_eq(step.what, DGRAFT_WALKED_END);
    dgraft_walk_close(walk);
}

/* What is damaged stays so, and nothing else becomes so, until it is written again. */
static void is_mended(struct memory_fs *copy, struct dgraft_storage *storage, const char *what, uint64_t at)
{
    const char *const when[] = {"opened", "opened again", "mended", "mended and opened again"};
    for (int i = 0; i < 4; i++) {
        struct dgraft_found found;
        if (i % 2 == 1) {
            dgraft_storage_abandon(storage);
            cr_assert_eq(dgraft_storage_open(memory_fs_seam(copy), "node", &small, &storage, &why), DGRAFT_OK, "%s",
                         why.text);
        } else if (i == 2) {
            cr_assert_eq(rig_mend(storage, wanted), DGRAFT_OK, "%s at %llu", what, (unsigned long long)at);
        }
        const char *differs = rig_differs_beside_damage(storage, wanted);
        cr_assert_null(differs, "%s at %llu, %s: %s", what, (unsigned long long)at, when[i], differs);
        dgraft_storage_found(storage, &found);
        cr_assert(i < 2 || found.damage_count == 0, "%s at %llu, %s", what, (unsigned long long)at, when[i]);
        is_inspected(copy, &found, when[i], at);
    }
    dgraft_storage_abandon(storage);
}

/* Opens a copy of a damaged directory. `spared`: the log may lack its last batch. */
static enum fate fate_of(const struct memory_fs *memory, bool spared, const char *what, uint64_t at)
{
    struct memory_fs *copy = memory_fs_copy(memory);
    struct dgraft_storage *storage = NULL;
    const uint64_t before = memory_fs_hash(copy);
    struct dgraft_inspect_summary summary;
    const struct dgraft_inspect_visitor silent = {.context = NULL};
    cr_assert_eq(dgraft_inspect(memory_fs_seam(copy), "node", &silent, &summary, &why), DGRAFT_OK);
    struct memory_fs *untouched = memory_fs_copy(memory);
    const enum dgraft_status status = dgraft_storage_open(memory_fs_seam(copy), "node", &small, &storage, &why);
    enum fate fate = REFUSED;
    bool wants_something = true; /* somebody has to do something about it, if only start the node */
    if (status != DGRAFT_OK) {
        is_refused(copy, status, before, what, at);
    } else {
        struct dgraft_found found;
        dgraft_storage_found(storage, &found);
        fate = found.damage_found[0] != '\0' ? MENDED : UNTOUCHED;
        cr_assert(fate == MENDED || found.damage_count == 0, "damage, and not a word of it");
        wants_something = found.damage_count > 0 || an_owner_rotted(untouched, found.last.index);
        cr_assert_eq(summary.missing_count, found.damage_count, "%s at %llu", what, (unsigned long long)at);
    }
    memory_fs_free(untouched);
    cr_assert_eq(summary.damages > 0, wants_something, "%s at %llu: inspection and recovery do not agree", what,
                 (unsigned long long)at);
    cr_assert_eq(summary.mended > 0 || wants_something, fate != UNTOUCHED, "%s at %llu: damage, and not a word of it",
                 what, (unsigned long long)at);
    if (fate == MENDED) {
        is_mended(copy, storage, what, at);
    } else {
        const char *differs = fate == REFUSED ? NULL : rig_differs(storage, wanted);
        if (differs != NULL && spared) {
            differs = rig_differs(storage, without_last);
        }
        cr_assert_null(differs, "%s at %llu: %s", what, (unsigned long long)at, differs);
        dgraft_storage_abandon(storage);
    }
    memory_fs_free(copy);
    return fate;
}

static bool refused(const struct memory_fs *memory, bool spared, const char *what, uint64_t at)
{
    return fate_of(memory, spared, what, at) == REFUSED;
}

/* How often each fate was met. */
struct fates {
    uint64_t of[3];
};

/* Flips bits all over a file; every bit in its interesting parts, one of each byte elsewhere. */
static struct fates flip_all(struct memory_fs *memory, const char *name, bool spared)
{
    struct fates fates = {{0}};
    uint64_t size;
    cr_assert_not_null(memory_fs_bytes(memory, name, &size));
    for (uint64_t at = 0; at < size; at++) {
        const bool every = at % 4096 < 160 || (at > 4096 && at < 4096 + 900);
        const bool zeros = memory_fs_bytes(memory, name, &size)[at] == 0 && at % 16 != 0;
        for (unsigned bit = 0; bit < 8; bit += every ? 1 : 8) {
            if (!every && zeros) {
                continue;
            }
            const uint8_t mask = (uint8_t)(1u << (every ? bit : at % 8));
            memory_fs_bytes(memory, name, &size)[at] ^= mask;
            fates.of[fate_of(memory, spared, name, at)]++;
            memory_fs_bytes(memory, name, &size)[at] ^= mask;
        }
    }
    cr_log_info("%s: %llu bytes; %llu harmless, %llu mended, %llu refused", name, (unsigned long long)size,
                (unsigned long long)fates.of[UNTOUCHED], (unsigned long long)fates.of[MENDED],
                (unsigned long long)fates.of[REFUSED]);
    return fates;
}

Test(rot, any_bit_of_a_closed_log_is_found_or_harmless)
{
    struct memory_fs *memory = filled(true);
    for (size_t i = 1; i < 4; i++) {
        const struct fates fates = flip_all(memory, names[i], false);
        cr_assert_gt(fates.of[MENDED] + fates.of[REFUSED], 400, "%s", names[i]);
    }
    done(memory);
}

/* The end of a file that a repair of the file system, or a person, cut off. Nothing torn looks like this: a segment has
 * its whole size before its first byte is used. */
Test(rot, a_segment_cut_at_any_length_is_refused_unless_only_zeros_are_gone)
{
    for (size_t i = 1; i < 4; i++) {
        struct memory_fs *memory = filled(i % 2 == 0);
        uint64_t size;
        const uint8_t *bytes = memory_fs_bytes(memory, names[i], &size);
        /* The newest cut within its header looks like one that was never taken into use: docs/log-format.md. */
        for (uint64_t length = i < 3 ? 0 : 4096; length < size; length += length % 4096 < 1200 ? 1 : 61) {
            struct memory_fs *cut = memory_fs_copy(memory);
            memory_fs_put(cut, "node", names[i], bytes, length);
            uint64_t now;
            cr_assert_not_null(memory_fs_bytes(cut, names[i], &now));
            cr_assert_eq(now, length);
            const bool found = refused(cut, false, names[i], length);
            cr_assert(found || i < 3, "%s cut at %llu", names[i], (unsigned long long)length);
            memory_fs_free(cut);
        }
        done(memory);
    }
}

Test(rot, any_bit_of_the_state_is_mended)
{
    struct memory_fs *memory = filled(true);
    const struct fates fates = flip_all(memory, names[0], false);
    cr_assert_eq(fates.of[MENDED] + fates.of[REFUSED], 0);
    done(memory);
}

Test(rot, only_the_newest_unmarked_batch_is_taken_for_torn)
{
    struct memory_fs *memory = filled(false);
    uint64_t size;
    const struct fates fates = flip_all(memory, names[2], false);
    cr_assert_gt(fates.of[MENDED] + fates.of[REFUSED], 400);
    cr_assert_not_null(memory_fs_bytes(memory, names[3], &size));
    (void)flip_all(memory, names[3], true);
    done(memory);
}

Test(rot, both_copies_of_the_newest_save_lost_after_the_log_knew_of_it_block_the_vote)
{
    struct memory_fs *memory = filled(true);
    uint64_t size;
    uint8_t *state = memory_fs_bytes(memory, names[0], &size);
    state[100] ^= 1; /* save 3 lies in the first two blocks */
    state[4096 + 200] ^= 1;
    struct dgraft_storage *storage;
    struct dgraft_found found;
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "node", &small, &storage, &why), DGRAFT_OK);
    dgraft_storage_found(storage, &found);
    cr_assert_eq(found.term, 2);
    cr_assert(found.save_lost, "whoever starts the node is told");
    cr_assert_eq(found.vote, rig_identity.node, "a vote for itself keeps it from voting for another in this term");
    const char *differs = rig_log_differs(storage, wanted);
    cr_assert_null(differs, "%s", differs);
    dgraft_storage_abandon(storage);
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "node", &small, &storage, &why), DGRAFT_OK);
    dgraft_storage_found(storage, &found);
    cr_assert_eq(found.vote, rig_identity.node, "and it stays so");
    cr_assert_not(found.save_lost, "once");
    dgraft_storage_abandon(storage);
    done(memory);
}

Test(rot, no_readable_slot_is_refused)
{
    struct memory_fs *memory = filled(true);
    uint64_t size;
    uint8_t *state = memory_fs_bytes(memory, names[0], &size);
    for (size_t i = 0; i < 4; i++) {
        state[4096 * i + 30] ^= 0x10;
    }
    cr_assert(refused(memory, false, "state", 0));
    done(memory);
}

/* Takes a file away: what was in it is damaged, as long as something behind it says where the log went on. */
static void lacks(struct memory_fs *memory, const char *name, const char *told)
{
    struct memory_fs *copy = memory_fs_copy(memory);
    struct dgraft_fs *fs = memory_fs_seam(copy);
    struct dgraft_storage *storage;
    struct dgraft_found found;
    cr_assert_eq(fs->ops->unlink(fs, name), 0);
    cr_assert_eq(fate_of(copy, false, name, 0), MENDED);
    cr_assert_eq(dgraft_storage_open(fs, "node", &small, &storage, &why), DGRAFT_OK);
    dgraft_storage_found(storage, &found);
    cr_assert_not_null(strstr(found.damage_found, told), "%s", found.damage_found);
    dgraft_storage_abandon(storage);
    memory_fs_free(copy);
}

Test(rot, a_missing_segment_is_told_and_what_was_in_it_is_damaged)
{
    struct memory_fs *memory = filled(true);
    lacks(memory, names[1], "index 1: missing");
    lacks(memory, names[2], "log-0000000000000002");
    done(memory);
}

Test(rot, the_index_named_is_the_first_that_is_missing)
{
    struct memory_fs *memory = filled(true);
    struct dgraft_storage *storage;
    struct dgraft_found found;
    uint64_t size;
    memory_fs_bytes(memory, names[3], &size)[4096 + 20] ^= 1;
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "node", &small, &storage, &why), DGRAFT_OK);
    dgraft_storage_found(storage, &found);
    cr_assert_not_null(strstr(found.damage_found, names[3]), "%s", found.damage_found);
    cr_assert_not_null(strstr(found.damage_found, "index 6"), "three segments: entries 6 to 10 begin the newest; %s",
                       found.damage_found);
    cr_assert_eq(found.damage_count, 1);
    cr_assert_eq(found.damage[0].first, 6);
    cr_assert_eq(found.damage[0].last, 10);
    dgraft_storage_abandon(storage);
    done(memory);
}

Test(rot, segments_in_each_others_place_are_refused)
{
    struct memory_fs *memory = filled(true);
    struct dgraft_fs *fs = memory_fs_seam(memory);
    cr_assert_eq(fs->ops->rename(fs, names[2], "node/x"), 0);
    cr_assert_eq(fs->ops->rename(fs, names[3], names[2]), 0);
    cr_assert_eq(fs->ops->rename(fs, "node/x", names[3]), 0);
    cr_assert(refused(memory, false, "swapped", 0), "they are whole, and not what their names say");
    done(memory);
}

Test(rot, a_header_alone_proves_the_batches_that_it_follows)
{
    struct memory_fs *memory = filled(false);
    struct dgraft_storage *storage;
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "node", &small, &storage, &why), DGRAFT_OK);
    const struct rig_write full = {
        .log = true, .keep = wanted->last, .count = 4, .entry_term = 2, .payload_bytes = 1700};
    write_one(storage, &full);
    const struct rig_write next = {
        .log = true, .keep = wanted->last, .count = 4, .entry_term = 2, .payload_bytes = 1700};
    dgraft_storage_spare(storage);
    memory_fs_fail_at(memory, memory_fs_calls(memory) + 4, EIO, true); /* old file closed, header written and synced */
    cr_assert_eq(rig_do(storage, wanted, &next), DGRAFT_STATUS_POISONED);
    memory_fs_fail_at(memory, 0, 0, false);
    dgraft_storage_abandon(storage);
    note_owners(memory);
    cr_assert_not(refused(memory, false, "untouched", 0));
    /* The last acknowledged batch rots: no batch lies behind it, but the header of the next segment does. */
    uint64_t size;
    uint8_t *bytes = NULL;
    for (uint64_t sequence = 9; bytes == NULL; sequence--) {
        char name[32];
        (void)snprintf(name, sizeof name, "node/log-%016llu", (unsigned long long)sequence);
        bytes = memory_fs_bytes(memory, name, &size);
        if (bytes != NULL && memcmp(bytes + 4096, "dgbt", 4) != 0) {
            cr_assert_eq(memcmp(bytes, "dglg", 4), 0, "the newest segment has its header and no batch");
            bytes = NULL;
        }
    }
    while (size > 0 && bytes[size - 1] == 0) {
        size--;
    }
    bytes[size - 1] ^= 1;
    cr_assert(refused(memory, false, "rotten", size - 1));
    done(memory);
}

static void newest_segment(void *context, const char *path, const struct dgraft_segment_header *header)
{
    (void)path;
    *(struct dgraft_segment_header *)context = *header;
}

Test(rot, a_cut_leaves_no_batch_that_could_come_back)
{
    struct memory_fs *memory = filled(false);
    uint64_t size;
    /* The last batch (in the third segment) is torn: its last byte never arrived ... */
    uint8_t *bytes = memory_fs_bytes(memory, names[3], &size);
    uint8_t *stale = malloc(size);
    const uint64_t stale_size = size;
    memcpy(stale, bytes, size);
    uint64_t end = size;
    while (end > 0 && bytes[end - 1] == 0) {
        end--;
    }
    bytes[end - 1] ^= 0xFF;
    struct dgraft_storage *storage;
    struct dgraft_found found;
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "node", &small, &storage, &why), DGRAFT_OK);
    dgraft_storage_found(storage, &found);
    cr_assert_gt(found.torn_bytes, 0);
    const char *differs = rig_differs(storage, without_last);
    cr_assert_null(differs, "%s", differs);
    struct dgraft_segment_header newest = {.sequence = 0};
    struct dgraft_inspect_summary summary;
    const struct dgraft_inspect_visitor visitor = {.context = &newest, .segment = newest_segment};
    cr_assert_eq(dgraft_inspect(memory_fs_seam(memory), "node", &visitor, &summary, &why), DGRAFT_OK);
    /* One batch was torn, the one before it was proven by nothing and written again: neither number is used again. */
    cr_assert_eq(newest.first_batch, newest.follows + 3);
    /* ... the log goes on with other entries at the same indexes ... */
    *wanted = *without_last;
    write_one(storage, &(struct rig_write){.state = true,
                                           .term = 3,
                                           .vote = 1,
                                           .log = true,
                                           .keep = wanted->last,
                                           .count = 1,
                                           .entry_term = 3,
                                           .payload_bytes = 77});
    dgraft_storage_abandon(storage);
    /* ... and then the old sectors are back, whole: the cut had never reached the disk. */
    note_owners(memory);
    memory_fs_put(memory, "node", names[3], stale, stale_size);
    cr_assert_not(refused(memory, false, names[3], 0));
    free(stale);
    done(memory);
}

static uint64_t draw(uint64_t *random)
{
    *random += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t word = *random;
    word = (word ^ (word >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94D049BB133111EB);
    return word ^ (word >> 31);
}

/* A log as leaders of many terms leave it: each may cut off what its predecessors had not committed. A term has one
 * leader, so no two entries of one term and index differ. */
static struct memory_fs *leaders_came_and_went(uint64_t *random)
{
    struct memory_fs *memory = memory_fs_new();
    struct dgraft_storage *storage;
    wanted = calloc(1, sizeof *wanted);
    without_last = calloc(1, sizeof *without_last);
    cr_assert_eq(rig_format(memory_fs_seam(memory), wanted, &why), DGRAFT_OK);
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "node", &small, &storage, &why), DGRAFT_OK);
    wanted->commit = 1;
    for (dgraft_term term = 1; wanted->last < 60;) {
        struct rig_write write = {.log = true,
                                  .keep = wanted->last,
                                  .count = 1 + (uint32_t)(draw(random) % 5),
                                  .payload_bytes = (uint32_t)(draw(random) % 700),
                                  .membership = draw(random) % 8 == 0};
        if (draw(random) % 3 == 0) {
            write.state = true;
            write.term = ++term;
            write.vote = 1;
            write.keep -= draw(random) % 3 * (draw(random) % (wanted->last - wanted->commit + 1)) / 2;
        } else if (wanted->term == term && draw(random) % 2 == 0) {
            wanted->commit = wanted->last;
        }
        write.entry_term = term;
        write_one(storage, &write);
        if (draw(random) % 4 == 0) { /* it was quiet for a moment: the floor is marked */
            write_one(storage, &(struct rig_write){.log = true, .keep = wanted->last});
        }
    }
    cr_assert_eq(dgraft_storage_close(storage, &why), DGRAFT_OK);
    note_owners(memory);
    return memory;
}

/* Where the last batch but one begins, and in which file: it and the mark behind it are not touched. */
struct tail {
    char path[64];
    uint64_t offset;
    char before_path[64];
    uint64_t before;
};

static void note_tail(void *context, const char *path, const struct dgraft_batch *batch)
{
    struct tail *tail = context;
    memcpy(tail->before_path, tail->path, sizeof tail->path);
    tail->before = tail->offset;
    (void)snprintf(tail->path, sizeof tail->path, "%s", path);
    tail->offset = batch->offset;
}

/* Changes some bytes of the log: one bit, or all of a sector or a block; and often one more bit not far behind. */
static void damage_somewhere(struct memory_fs *memory, const struct tail *tail, uint64_t *random)
{
    static const uint64_t sizes[] = {1, 512, 4096};
    char name[32];
    uint64_t size = 0;
    uint8_t *bytes = NULL;
    while (bytes == NULL) {
        (void)snprintf(name, sizeof name, "node/log-%016llu", (unsigned long long)(1 + draw(random) % 16));
        bytes = memory_fs_bytes(memory, name, &size);
        if (bytes != NULL && strcmp(name, tail->path) == 0) {
            size = strcmp(name, tail->before_path) == 0 ? tail->before : 0;
        }
        if (bytes != NULL && strcmp(name, tail->before_path) == 0) {
            size = tail->before;
        }
        bytes = size <= 4096 ? NULL : bytes;
    }
    const uint64_t length = sizes[draw(random) % 3];
    const uint64_t at = (4096 + draw(random) % (size - 4096)) / length * length;
    const uint8_t with = draw(random) % 2 == 0 ? 0 : (uint8_t)draw(random);
    for (uint64_t i = at; i < at + length && i < size; i++) {
        bytes[i] = length == 1 ? bytes[i] ^ 1 : with;
    }
    const uint64_t near = at + length + draw(random) % 2000;
    if (draw(random) % 2 == 0 && near < size) {
        bytes[near] ^= 1;
    }
}

Test(rot, up_to_three_places_of_any_log_are_mended_or_refused, .timeout = 120)
{
    uint64_t random = 20261128;
    struct fates fates = {{0}};
    const struct dgraft_inspect_visitor visitor = {.context = NULL, .batch = note_tail};
    for (int run = 0; run < 2000; run++) {
        struct memory_fs *memory = leaders_came_and_went(&random);
        struct tail tail = {.offset = 0};
        struct dgraft_inspect_visitor noting = visitor;
        struct dgraft_inspect_summary summary;
        noting.context = &tail;
        cr_assert_eq(dgraft_inspect(memory_fs_seam(memory), "node", &noting, &summary, &why), DGRAFT_OK);
        for (uint64_t places = 1 + draw(&random) % 3; places > 0; places--) {
            damage_somewhere(memory, &tail, &random);
        }
        fates.of[fate_of(memory, false, "run", (uint64_t)run)]++;
        done(memory);
    }
    cr_log_info("%llu harmless, %llu mended, %llu refused", (unsigned long long)fates.of[UNTOUCHED],
                (unsigned long long)fates.of[MENDED], (unsigned long long)fates.of[REFUSED]);
    cr_assert_gt(fates.of[MENDED], 1750);
    cr_assert_lt(fates.of[REFUSED], 20);
}

static void note_batch(void *context, const char *path, const struct dgraft_batch *batch)
{
    uint64_t *offsets = context;
    (void)path;
    offsets[batch->number] = batch->offset;
}

/* Batch 3 wrote entries 2 and 3, batch 4 cut them off and wrote others. Of batch 3 entry 2 can be read, but batch 4 has
 * lost its header: nobody can say that it did not take entry 2's place. */
Test(rot, nothing_is_saved_from_a_batch_before_one_that_lost_its_header)
{
    struct memory_fs *memory = memory_fs_new();
    struct dgraft_storage *storage;
    uint64_t offsets[64] = {0};
    wanted = calloc(1, sizeof *wanted);
    without_last = calloc(1, sizeof *without_last);
    cr_assert_eq(rig_format(memory_fs_seam(memory), wanted, &why), DGRAFT_OK);
    wanted->commit = 1;
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "node", NULL, &storage, &why), DGRAFT_OK);
    for (dgraft_term term = 1; term <= 2; term++) {
        write_one(storage, &(struct rig_write){.state = true,
                                               .term = term,
                                               .log = true,
                                               .keep = 1,
                                               .count = 2,
                                               .entry_term = term,
                                               .payload_bytes = 100});
    }
    write_one(storage, &(struct rig_write){.log = true, .keep = 3, .count = 2, .entry_term = 2, .payload_bytes = 9});
    cr_assert_eq(dgraft_storage_close(storage, &why), DGRAFT_OK);
    struct dgraft_inspect_summary summary;
    const struct dgraft_inspect_visitor visitor = {.context = offsets, .batch = note_batch};
    cr_assert_eq(dgraft_inspect(memory_fs_seam(memory), "node", &visitor, &summary, &why), DGRAFT_OK);
    uint64_t size;
    uint64_t third = 0; /* the batches of two records of some hundred bytes */
    for (uint64_t i = 1; i < 63 && third == 0; i++) {
        third = offsets[i + 1] > offsets[i] + 300 ? i : 0;
    }
    uint8_t *bytes = NULL;
    for (uint64_t sequence = 9; bytes == NULL && sequence > 0; sequence--) {
        char name[32];
        (void)snprintf(name, sizeof name, "node/log-%016llu", (unsigned long long)sequence);
        bytes = memory_fs_bytes(memory, name, &size);
        bytes = bytes != NULL && memcmp(bytes + offsets[third], "dgbt", 4) == 0 ? bytes : NULL;
    }
    cr_assert_not_null(bytes);
    note_owners(memory);
    bytes[offsets[third + 1] - 20] ^= 1; /* in entry 3's payload */
    bytes[offsets[third + 1] + 40] ^= 1;
    cr_assert_eq(fate_of(memory, false, "batches", third), MENDED);
    done(memory);
}

static void note_three(void *context, const char *path, const struct dgraft_batch *batch)
{
    if (batch->first == 2 && batch->count == 3) {
        note_tail(context, path, batch);
    }
}

/* A client's payload, entry 2's, is a whole record of entry 3. When the header before it is lost, nothing says where
 * entry 3 begins: it must not be the client who does. */
Test(rot, nothing_is_believed_behind_a_records_bad_header)
{
    struct memory_fs *memory = filled(true);
    struct dgraft_inspect_summary summary;
    struct tail batch = {.offset = 0};
    uint64_t size;
    const struct dgraft_inspect_visitor visitor = {.context = &batch, .batch = note_three};
    cr_assert_eq(dgraft_inspect(memory_fs_seam(memory), "node", &visitor, &summary, &why), DGRAFT_OK);
    uint8_t *header = memory_fs_bytes(memory, batch.path, &size) + batch.offset + DGRAFT_BATCH_HEADER_BYTES;
    uint8_t *payload = header + DGRAFT_RECORD_HEADER_BYTES;
    const struct dgraft_record chosen = {
        .entry = {.index = 3,
                  .term = 1,
                  .payload_bytes = 8,
                  .kind = DGRAFT_ENTRY_COMMAND,
                  .checksum = dgraft_crc32c(0, payload + DGRAFT_RECORD_HEADER_BYTES, 8)}};
    dgraft_record_encode_header(&chosen, payload);
    struct dgraft_record read;
    cr_assert_eq(dgraft_record_decode(payload, 100, &read, NULL), DGRAFT_ACCEPT);
    cr_assert_eq(fate_of(memory, false, "a payload", batch.offset), MENDED);
    header[3] ^= 1;
    cr_assert_eq(fate_of(memory, false, "a header", batch.offset), MENDED);
    done(memory);
}
