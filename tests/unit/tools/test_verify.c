/* raftctl verify over directories of three nodes, in memory: what it finds, beside what was done to them. */
#include "replica_rig.h"

#include <criterion/criterion.h>
#include <memory_fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <verify_replicas.h>

enum { SEEN_MAX = 64 };
static const char *const paths[] = {"n1", "n2", "n3"};

struct seen {
    unsigned count;
    struct verify_finding findings[SEEN_MAX];
    char texts[SEEN_MAX][VERIFY_TEXT_BYTES];
    struct verify_report report;
    enum verify_result result;
    struct dgraft_why why;
};

static void on_finding(void *context, const struct verify_finding *finding)
{
    struct seen *seen = context;
    cr_assert_lt(seen->count, SEEN_MAX);
    cr_assert_gt(strlen(finding->remedy), 10, "a finding without a remedy: %s", finding->text);
    seen->findings[seen->count] = *finding;
    (void)snprintf(seen->texts[seen->count++], VERIFY_TEXT_BYTES, "%s", finding->text);
}

/* Verifies the first `count` directories. */
static const struct seen *verified(struct memory_fs *memory, unsigned count)
{
    static struct seen seen;
    const uint64_t before = memory_fs_hash(memory);
    memset(&seen, 0, sizeof(seen));
    seen.report.finding = on_finding;
    seen.report.context = &seen;
    seen.result = verify_open(&seen.report, memory_fs_seam(memory), paths, count, &seen.why);
    if (seen.result == VERIFY_FINE) {
        verify_judge(&seen.report);
        seen.result = verify_logs(&seen.report, &seen.why);
    }
    verify_close(&seen.report);
    cr_assert_eq(memory_fs_hash(memory), before, "it wrote");
    return &seen;
}

/* The finding of a kind, of which there is one; NULL: there is none. */
static const struct verify_finding *only(const struct seen *seen, enum verify_kind kind)
{
    const struct verify_finding *found = NULL;
    for (unsigned i = 0; i < seen->count; i++) {
        if (seen->findings[i].kind == kind) {
            cr_assert_null(found, "two of them: %s", seen->texts[i]);
            found = &seen->findings[i];
        }
    }
    return found;
}

static struct memory_fs *made(void)
{
    struct memory_fs *memory = memory_fs_new();
    for (dgraft_node_id node = 1; node <= 3; node++) {
        replica_format(memory_fs_seam(memory), paths[node - 1], node, 77);
    }
    return memory;
}

static void fill(struct memory_fs *memory, unsigned node, const struct replica_write *writes, size_t count)
{
    replica_fill(memory_fs_seam(memory), paths[node - 1], writes, count);
}

/* Flips a bit of an entry's payload, wherever it lies. */
static void damage(struct memory_fs *memory, unsigned node, dgraft_index index, dgraft_term term)
{
    char payload[24];
    unsigned found = 0;
    replica_payload(0, index, term, payload);
    for (unsigned segment = 1; segment < 9; segment++) {
        char path[64];
        uint64_t size = 0;
        (void)snprintf(path, sizeof(path), "%s/log-%016u", paths[node - 1], segment);
        uint8_t *bytes = memory_fs_bytes(memory, path, &size);
        for (uint64_t at = 0; bytes != NULL && at + sizeof(payload) <= size; at += 8) {
            if (memcmp(bytes + at, payload, sizeof(payload)) == 0) {
                bytes[at] ^= 1;
                found++;
            }
        }
    }
    cr_assert_eq(found, 1, "entry %u of node %u", (unsigned)index, node);
}

static const struct replica_write whole[] = {{.keep = 1, .count = 2, .term = 1, .commit = 1},
                                             {.keep = 3, .count = 2, .term = 2, .commit = 3},
                                             {.keep = 5, .count = 0, .term = 2, .commit = 5}};

static struct memory_fs *three_alike(void)
{
    struct memory_fs *memory = made();
    for (unsigned node = 1; node <= 3; node++) {
        fill(memory, node, whole, 3);
    }
    return memory;
}

Test(verify, three_alike_are_sound)
{
    struct memory_fs *memory = three_alike();
    const struct seen *seen = verified(memory, 3);
    cr_assert_eq(seen->result, VERIFY_FINE);
    cr_assert_eq(seen->count, 0);
    cr_assert_eq(seen->report.commit, 5);
    cr_assert_eq(seen->report.compared, 5);
    memory_fs_free(memory);
}

/* Each of entries 2 to 5 on each of three nodes, good or damaged: 4096 placements. What is told of each entry follows
 * from who holds it alone. */
Test(verify, every_placement_of_damage)
{
    struct memory_fs *memory = three_alike();
    for (unsigned placement = 0; placement < 4096; placement++) {
        struct memory_fs *copy = memory_fs_copy(memory);
        for (unsigned i = 0; i < 12; i++) {
            if ((placement >> i & 1) != 0) {
                damage(copy, i % 3 + 1, 2 + i / 3, i / 3 < 2 ? 1 : 2);
            }
        }
        const struct seen *seen = verified(copy, 3);
        cr_assert_eq(seen->result, placement == 0 ? VERIFY_FINE : VERIFY_FINDINGS);
        for (unsigned entry = 0; entry < 4; entry++) {
            const unsigned lost = placement >> (3 * entry) & 7;
            const bool few = (lost & 1) + (lost >> 1 & 1) + (lost >> 2) > 1;
            unsigned repairs = 0;
            unsigned uncovered = 0;
            for (unsigned f = 0; f < seen->count; f++) {
                const struct verify_finding *finding = &seen->findings[f];
                if (finding->first > entry + 2 || finding->last < entry + 2 || finding->first == 0) {
                    continue;
                }
                cr_assert_eq(finding->holders, ~lost & 7u, "placement %x: %s", placement, seen->texts[f]);
                cr_assert(finding->kind == VERIFY_REPAIR || finding->kind == VERIFY_UNCOVERED);
                repairs |= finding->kind == VERIFY_REPAIR ? (unsigned)finding->of : 0;
                uncovered += finding->kind == VERIFY_UNCOVERED ? 1 : 0;
            }
            cr_assert_eq(repairs, lost, "placement %x, entry %u", placement, entry + 2);
            cr_assert_eq(uncovered, few ? 1 : 0, "placement %x, entry %u", placement, entry + 2);
        }
        memory_fs_free(copy);
    }
    memory_fs_free(memory);
}

Test(verify, other_bytes_under_one_term_are_found)
{
    struct memory_fs *memory = made();
    struct replica_write other[3];
    memcpy(other, whole, sizeof(other));
    other[1].mark = 'x';
    fill(memory, 1, whole, 3);
    fill(memory, 2, other, 3);
    fill(memory, 3, whole, 3);
    const struct seen *seen = verified(memory, 3);
    const struct verify_finding *finding = only(seen, VERIFY_DIFFER);
    cr_assert_eq(seen->result, VERIFY_FINDINGS);
    cr_assert_not_null(finding);
    cr_assert_eq(finding->first, 4);
    cr_assert_eq(finding->last, 5);
    cr_assert_eq(finding->of, 7);
    memory_fs_free(memory);
}

Test(verify, logs_that_part_and_meet_again_are_found)
{
    struct memory_fs *memory = made();
    fill(memory, 1, (struct replica_write[]){{1, 1, 1, 1, 0}, {2, 1, 1, 1, 0}, {3, 1, 3, 1, 0}}, 3);
    fill(memory, 2, (struct replica_write[]){{1, 1, 1, 1, 0}, {2, 1, 2, 1, 0}, {3, 1, 3, 1, 0}}, 3);
    fill(memory, 3, (struct replica_write[]){{1, 1, 1, 1, 0}}, 1);
    const struct seen *seen = verified(memory, 3);
    const struct verify_finding *finding = only(seen, VERIFY_PARTED);
    cr_assert_not_null(finding);
    cr_assert_eq(finding->of, 3);
    cr_assert_eq(finding->first, 3);
    cr_assert_eq(finding->last, 4);
    cr_assert_eq(seen->count, 1);
    memory_fs_free(memory);
}

/* A tail that a deposed leader kept is no harm as long as nobody calls it committed. */
Test(verify, an_uncommitted_tail_may_differ)
{
    struct memory_fs *memory = made();
    fill(memory, 1, (struct replica_write[]){{1, 1, 1, 2, 0}, {2, 2, 2, 2, 0}}, 2);
    fill(memory, 2, (struct replica_write[]){{1, 1, 1, 2, 0}, {2, 3, 3, 2, 0}}, 2);
    fill(memory, 3, (struct replica_write[]){{1, 1, 1, 1, 0}, {2, 1, 3, 3, 0}}, 2);
    const struct seen *seen = verified(memory, 3);
    cr_assert_eq(seen->result, VERIFY_FINE, "%s", seen->texts[0]);
    cr_assert_eq(seen->count, 0);
    cr_assert_eq(seen->report.commit, 3);
    memory_fs_free(memory);
}

Test(verify, two_entries_committed_at_one_index_are_found)
{
    struct memory_fs *memory = made();
    fill(memory, 1, (struct replica_write[]){{1, 2, 1, 3, 0}}, 1);
    fill(memory, 2, (struct replica_write[]){{1, 1, 1, 2, 0}, {2, 1, 2, 3, 0}}, 2);
    fill(memory, 3, (struct replica_write[]){{1, 1, 1, 2, 0}, {2, 1, 2, 2, 0}}, 2);
    const struct seen *seen = verified(memory, 3);
    const struct verify_finding *finding = only(seen, VERIFY_COMMITTED);
    cr_assert_not_null(finding);
    cr_assert_eq(finding->first, 3);
    cr_assert_eq(finding->of, 3);
    memory_fs_free(memory);
}

Test(verify, what_is_committed_on_one_node_alone_is_found_or_not_shown)
{
    struct memory_fs *memory = made();
    fill(memory, 1, whole, 3);
    fill(memory, 2, whole, 1);
    fill(memory, 3, whole, 1);
    const struct seen *seen = verified(memory, 3);
    const struct verify_finding *finding = only(seen, VERIFY_UNCOVERED);
    cr_assert_eq(seen->result, VERIFY_FINDINGS);
    cr_assert_not_null(finding);
    cr_assert_eq(finding->first, 4);
    cr_assert_eq(finding->last, 5);
    cr_assert_eq(finding->holders, 1);
    seen = verified(memory, 2); /* node 3 may hold it, for all that is seen */
    cr_assert_eq(seen->result, VERIFY_FINE);
    cr_assert_null(only(seen, VERIFY_UNCOVERED));
    finding = only(seen, VERIFY_UNSHOWN);
    cr_assert_not_null(finding);
    cr_assert_eq(finding->severity, DGRAFT_SEVERITY_NOTE);
    cr_assert_eq(finding->first, 4);
    memory_fs_free(memory);
}

Test(verify, directories_that_are_no_replicas_are_refused)
{
    struct memory_fs *memory = memory_fs_new();
    replica_format(memory_fs_seam(memory), "n1", 1, 77);
    replica_format(memory_fs_seam(memory), "n2", 2, 78);
    replica_format(memory_fs_seam(memory), "n3", 1, 77);
    const struct seen *seen = verified(memory, 2);
    cr_assert_eq(seen->result, VERIFY_IMPOSSIBLE);
    cr_assert_not_null(strstr(seen->why.text, "one cluster"));
    const char *const same[] = {"n1", "n3"};
    struct verify_report report = {.finding = on_finding};
    struct dgraft_why why = {""};
    cr_assert_eq(verify_open(&report, memory_fs_seam(memory), same, 2, &why), VERIFY_IMPOSSIBLE);
    cr_assert_not_null(strstr(why.text, "node 1"), "%s", why.text);
    verify_close(&report);
    const char *const nowhere[] = {"n1", "n9"};
    report = (struct verify_report){.finding = on_finding};
    cr_assert_eq(verify_open(&report, memory_fs_seam(memory), nowhere, 2, &why), VERIFY_IMPOSSIBLE);
    verify_close(&report);
    memory_fs_free(memory);
}

/* The newest segment is gone from its middle on: nobody can say what it held, but what is committed is named. */
Test(verify, a_lost_end_is_repaired_up_to_the_commit)
{
    struct memory_fs *memory = three_alike();
    uint64_t size;
    uint8_t *bytes = memory_fs_bytes(memory, "n2/log-0000000000000002", &size);
    cr_assert_not_null(bytes);
    uint8_t *copy = malloc(4096 + 1);
    memcpy(copy, bytes, 4096 + 1);
    memory_fs_put(memory, "n2", "n2/log-0000000000000002", copy, 4096 + 1);
    free(copy);
    const struct seen *seen = verified(memory, 3);
    cr_assert_eq(seen->result, VERIFY_FINDINGS);
    unsigned repairs = 0;
    for (unsigned i = 0; i < seen->count; i++) {
        const struct verify_finding *finding = &seen->findings[i];
        if (finding->kind == VERIFY_REPAIR) {
            cr_assert_eq(finding->of, 2);
            cr_assert(finding->last == 5 ? finding->holders == 5 : finding->first == 6, "%s", seen->texts[i]);
            repairs++;
        }
    }
    cr_assert_geq(repairs, 2);
    memory_fs_free(memory);
}
