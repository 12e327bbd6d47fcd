/* Bytes that rot after they were acknowledged: found and named, never served, never cut. */
#include "storage_rig.h"

#include <criterion/criterion.h>
#include <dgraft/inspect.h>
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
    return memory;
}

static void done(struct memory_fs *memory)
{
    memory_fs_free(memory);
    free(wanted);
    free(without_last);
}

static bool stop_at_damage_text(const char *text)
{
    return strstr(text, "restore this file") != NULL || strstr(text, "newer program") != NULL;
}

/* Opens a copy of a damaged directory: it is refused with a remedy, or it is exactly as it was. Returns whether it was
 * refused. `spared`: the log may lack its last batch. */
static bool refused(const struct memory_fs *memory, bool spared, const char *what, uint64_t at)
{
    struct memory_fs *copy = memory_fs_copy(memory);
    struct dgraft_storage *storage = NULL;
    const uint64_t before = memory_fs_hash(copy);
    struct dgraft_inspect_summary summary;
    const struct dgraft_inspect_visitor silent = {.context = NULL};
    cr_assert_eq(dgraft_inspect(memory_fs_seam(copy), "node", &silent, &summary, &why), DGRAFT_OK);
    const uint32_t damages = summary.damages;
    const enum dgraft_status status = dgraft_storage_open(memory_fs_seam(copy), "node", &small, &storage, &why);
    const bool refusal = status != DGRAFT_OK;
    if (refusal) {
        cr_assert(status == DGRAFT_STATUS_DAMAGED || status == DGRAFT_STATUS_TOO_NEW, "%s at %llu: %s", what,
                  (unsigned long long)at, dgraft_status_name(status));
        cr_assert(stop_at_damage_text(why.text), "%s", why.text);
        cr_assert_eq(memory_fs_hash(copy), before, "a refused directory was written to");
        cr_assert_gt(damages, 0, "%s at %llu: recovery refuses what inspection finds good", what,
                     (unsigned long long)at);
    } else {
        const char *differs = rig_differs(storage, wanted);
        if (differs != NULL && spared) {
            differs = rig_differs(storage, without_last);
        }
        cr_assert_null(differs, "%s at %llu: %s", what, (unsigned long long)at, differs);
        cr_assert_eq(damages, 0, "%s at %llu: inspection finds damage where recovery does not", what,
                     (unsigned long long)at);
    }
    dgraft_storage_abandon(storage);
    memory_fs_free(copy);
    return refusal;
}

/* Flips bits all over a file; every bit in its interesting parts, one of each byte elsewhere. */
static uint64_t flip_all(struct memory_fs *memory, const char *name, bool spared)
{
    uint64_t refusals = 0;
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
            refusals += refused(memory, spared, name, at);
            memory_fs_bytes(memory, name, &size)[at] ^= mask;
        }
    }
    cr_log_info("%s: %llu of %llu bytes", name, (unsigned long long)refusals, (unsigned long long)size);
    return refusals;
}

Test(rot, any_bit_of_a_closed_log_is_found_or_harmless)
{
    struct memory_fs *memory = filled(true);
    for (size_t i = 1; i < 4; i++) {
        cr_assert_gt(flip_all(memory, names[i], false), 400, "%s", names[i]);
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
    cr_assert_eq(flip_all(memory, names[0], false), 0);
    done(memory);
}

Test(rot, only_the_newest_unmarked_batch_is_taken_for_torn)
{
    struct memory_fs *memory = filled(false);
    uint64_t size;
    cr_assert_gt(flip_all(memory, names[2], false), 400);
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

/* Takes a file away. */
static bool missing(struct memory_fs *memory, const char *name)
{
    struct memory_fs *copy = memory_fs_copy(memory);
    struct dgraft_fs *fs = memory_fs_seam(copy);
    cr_assert_eq(fs->ops->unlink(fs, name), 0);
    const bool refusal = refused(copy, false, name, 0);
    memory_fs_free(copy);
    return refusal;
}

Test(rot, a_missing_segment_is_named)
{
    struct memory_fs *memory = filled(true);
    cr_assert(missing(memory, names[1]));
    cr_assert(strstr(why.text, names[1]) != NULL, "%s", why.text);
    cr_assert(missing(memory, names[2]));
    cr_assert(strstr(why.text, names[2]) != NULL, "%s", why.text);
    done(memory);
}

Test(rot, the_index_named_is_the_first_that_is_missing)
{
    struct memory_fs *memory = filled(true);
    uint64_t size;
    memory_fs_bytes(memory, names[3], &size)[4096 + 20] ^= 1;
    cr_assert(refused(memory, false, names[3], 4116));
    cr_assert_not_null(strstr(why.text, names[3]), "%s", why.text);
    cr_assert_not_null(strstr(why.text, "index 6"), "three segments: entries 6 to 10 begin the newest; %s", why.text);
    done(memory);
}

Test(rot, segments_in_each_others_place_are_refused)
{
    struct memory_fs *memory = filled(true);
    struct dgraft_fs *fs = memory_fs_seam(memory);
    cr_assert_eq(fs->ops->rename(fs, names[2], "node/x"), 0);
    cr_assert_eq(fs->ops->rename(fs, names[3], names[2]), 0);
    cr_assert_eq(fs->ops->rename(fs, "node/x", names[3]), 0);
    cr_assert(refused(memory, false, "swapped", 0));
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
    memory_fs_put(memory, "node", names[3], stale, stale_size);
    cr_assert_not(refused(memory, false, names[3], 0));
    free(stale);
    done(memory);
}
