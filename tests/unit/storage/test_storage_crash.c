/* Every crash state of every operation: the power fails during each call of the file system in turn, and any subset of
 * what was not synced has reached the disk. What was acknowledged must be there, exactly; the write under way as a
 * whole or not at all; and a second recovery changes nothing.
 */
#include "storage_history.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { EXHAUSTIVE_MAX = 7, SAMPLES = 14 };

static uint64_t states_seen;

/* What is prepared before each write. */
enum ahead { NOTHING, NEXT_SEGMENT, POOL };

static void prepare(struct dgraft_storage *storage, enum ahead ahead)
{
    while (ahead == POOL && dgraft_storage_fill(storage)) {
    }
    if (ahead != NOTHING) {
        dgraft_storage_spare(storage);
    }
}

/* Which subset of the uncertain things survives. */
struct choice {
    uint64_t bits;
    uint64_t random; /* beyond 64, or instead of bits */
};

static bool chosen(void *context, size_t which)
{
    struct choice *choice = context;
    if (choice->random == 0) {
        return which < 64 ? ((choice->bits >> which) & 1u) != 0 : choice->bits == UINT64_MAX;
    }
    choice->random ^= choice->random << 13;
    choice->random ^= choice->random >> 7;
    choice->random ^= choice->random << 17;
    return (choice->random >> 20 & 1u) != 0;
}

/* Returns the subset of this number out of `subset_count`. */
static uint64_t subset_count(size_t uncertain)
{
    return uncertain <= EXHAUSTIVE_MAX ? UINT64_C(1) << uncertain : SAMPLES + 2;
}

static struct choice subset(size_t uncertain, uint64_t number)
{
    struct choice choice = {number, 0};
    if (uncertain > EXHAUSTIVE_MAX) {
        choice.bits = number == 1 ? UINT64_MAX : 0;
        choice.random = number < 2 ? 0 : number * 0x9E3779B97F4A7C15u + uncertain;
    }
    return choice;
}

/* What recovery itself leaves behind when the power fails during each of its calls. */
static void crash_inside_recovery(const struct memory_fs *image, const struct history *history)
{
    for (uint64_t call = 1;; call++) {
        struct memory_fs *copy = memory_fs_copy(image);
        struct dgraft_storage *storage = NULL;
        memory_fs_power_off_at(copy, call);
        const enum dgraft_status status =
            dgraft_storage_open(memory_fs_seam(copy), "node", &history_options, &storage, NULL);
        const bool over = memory_fs_calls(copy) < call;
        dgraft_storage_abandon(storage);
        cr_assert(status != DGRAFT_STATUS_DAMAGED);
        const size_t uncertain = memory_fs_uncertain(copy);
        const uint64_t count = uncertain == 0 ? 0 : subset_count(uncertain < 5 ? uncertain : EXHAUSTIVE_MAX + 1);
        for (uint64_t i = 0; i < count && !over; i++) {
            struct choice choice = subset(uncertain < 5 ? uncertain : EXHAUSTIVE_MAX + 1, i);
            struct memory_fs *again = memory_fs_crash(copy, chosen, &choice);
            states_seen++;
            history_check(again, history, call);
            memory_fs_free(again);
        }
        memory_fs_free(copy);
        if (over) {
            return;
        }
    }
}

/* Runs the writes with the power failing during one call. Returns false when the run ended before that call. */
static bool run_until(struct memory_fs *memory, const struct rig_write *writes, size_t count, enum ahead ahead,
                      struct history *history, uint64_t call)
{
    struct dgraft_storage *storage = NULL;
    struct dgraft_why why;
    memory_fs_power_off_at(memory, memory_fs_calls(memory) + call);
    const uint64_t begin = memory_fs_calls(memory);
    history->acknowledged = 0;
    history->under_way = false;
    const struct dgraft_storage_options *options = ahead == POOL ? &history_pool_options : &history_options;
    if (dgraft_storage_open(memory_fs_seam(memory), "node", options, &storage, &why) != DGRAFT_OK) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        history->logs[i + 1] = history->logs[i];
        rig_apply(&history->logs[i + 1], &writes[i]);
        prepare(storage, ahead);
        history->under_way = true;
        if (rig_do(storage, &history->logs[i], &writes[i]) != DGRAFT_OK || memory_fs_calls(memory) >= begin + call) {
            break;
        }
        history->acknowledged++;
        history->under_way = false;
    }
    if (memory_fs_calls(memory) < begin + call) {
        const enum dgraft_status closed = dgraft_storage_close(storage, &why);
        cr_assert(closed == DGRAFT_OK || memory_fs_calls(memory) >= begin + call);
    } else {
        dgraft_storage_abandon(storage);
    }
    return memory_fs_calls(memory) >= begin + call;
}

/* The next process fills its pool from what the crash left of it, and writes until some of it is used. */
static void go_on(struct memory_fs *image, const struct history *history)
{
    struct dgraft_storage *storage = NULL;
    struct dgraft_storage_stats stats;
    struct dgraft_why why;
    struct rig_log *log = malloc(sizeof *log);
    uint64_t size;
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(image), "node", &history_pool_options, &storage, &why), DGRAFT_OK);
    *log = history->logs[history->acknowledged];
    if (rig_differs(storage, log) != NULL && rig_log_differs(storage, log) != NULL) {
        *log = history->logs[history->acknowledged + 1];
    }
    for (uint32_t i = 0; i < 4; i++) {
        const struct rig_write more = {.state = true,
                                       .term = 9,
                                       .log = true,
                                       .keep = log->last,
                                       .count = 4,
                                       .entry_term = 9,
                                       .payload_bytes = 2000};
        prepare(storage, POOL);
        dgraft_storage_stats(storage, &stats);
        cr_assert(stats.spares + 1 >= history_pool_options.spares && stats.spares <= history_pool_options.spares);
        cr_assert_null(memory_fs_bytes(image, "node/spare.new", &size));
        cr_assert_eq(rig_do(storage, log, &more), DGRAFT_OK);
        rig_apply(log, &more);
    }
    dgraft_storage_stats(storage, &stats);
    cr_assert_eq(stats.spares_late, 0);
    const char *differs = rig_differs(storage, log);
    cr_assert_null(differs, "%s", differs);
    dgraft_storage_abandon(storage);
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(image), "node", &history_pool_options, &storage, &why), DGRAFT_OK);
    differs = rig_differs(storage, log);
    cr_assert_null(differs, "%s", differs);
    dgraft_storage_abandon(storage);
    free(log);
}

static void crash_everywhere(const struct rig_write *writes, size_t count, enum ahead ahead)
{
    struct history *history = calloc(1, sizeof *history);
    struct memory_fs *formatted = memory_fs_new();
    cr_assert_eq(rig_format(memory_fs_seam(formatted), &history->logs[0], NULL), DGRAFT_OK);
    states_seen = 0;
    for (uint64_t call = 1;; call++) {
        struct memory_fs *memory = memory_fs_copy(formatted);
        const bool cut = run_until(memory, writes, count, ahead, history, call);
        const size_t uncertain = memory_fs_uncertain(memory);
        for (uint64_t i = 0; i < subset_count(uncertain); i++) {
            struct choice choice = subset(uncertain, i);
            struct memory_fs *image = memory_fs_crash(memory, chosen, &choice);
            if (i % 32 == 1) {
                crash_inside_recovery(image, history);
            }
            states_seen++;
            history_check(image, history, call);
            if (ahead == POOL) {
                go_on(image, history);
            }
            memory_fs_free(image);
        }
        memory_fs_free(memory);
        if (!cut) {
            break;
        }
    }
    memory_fs_free(formatted);
    free(history);
    cr_log_info("%llu crash states", (unsigned long long)states_seen);
    cr_assert_gt(states_seen, 100);
}

Test(crash, appends)
{
    static const struct rig_write writes[] = {
        {.log = true, .keep = 1, .count = 1, .entry_term = 1, .payload_bytes = 30},
        {.log = true, .keep = 2, .count = 3, .entry_term = 1, .payload_bytes = 700},
        {.log = true, .keep = 5, .count = 2, .entry_term = 1, .payload_bytes = 10},
    };
    crash_everywhere(writes, 3, NOTHING);
    crash_everywhere(writes, 3, NEXT_SEGMENT);
}

Test(crash, term_and_vote_with_and_without_entries)
{
    static const struct rig_write writes[] = {
        {.state = true, .term = 2, .vote = 2},
        {.state = true, .term = 3, .log = true, .keep = 1, .count = 1, .entry_term = 3, .payload_bytes = 100},
        {.state = true, .term = 3, .vote = 1},
        {.state = true, .term = 4, .vote = 3},
    };
    crash_everywhere(writes, 4, NOTHING);
}

Test(crash, truncation_with_and_without_what_follows)
{
    static const struct rig_write writes[] = {
        {.log = true, .keep = 1, .count = 5, .entry_term = 1, .payload_bytes = 60},
        {.state = true, .term = 2, .log = true, .keep = 3, .count = 1, .entry_term = 2, .payload_bytes = 40},
        {.log = true, .keep = 2, .count = 0},
        {.log = true, .keep = 2, .count = 2, .entry_term = 2, .payload_bytes = 90, .membership = true},
    };
    crash_everywhere(writes, 4, NOTHING);
}

Test(crash, rolling_to_the_next_segment)
{
    static const struct rig_write writes[] = {
        {.log = true, .keep = 1, .count = 4, .entry_term = 1, .payload_bytes = 1500},
        {.log = true, .keep = 5, .count = 4, .entry_term = 1, .payload_bytes = 1500},
        {.log = true, .keep = 9, .count = 9, .entry_term = 1, .payload_bytes = 1500},
        {.log = true, .keep = 18, .count = 1, .entry_term = 1, .payload_bytes = 5},
    };
    crash_everywhere(writes, 4, NOTHING);
    crash_everywhere(writes, 4, NEXT_SEGMENT);
    crash_everywhere(writes, 4, POOL);
}

Test(crash, a_mark_of_the_floor)
{
    static const struct rig_write writes[] = {
        {.log = true, .keep = 1, .count = 2, .entry_term = 1, .payload_bytes = 40},
        {.log = true, .keep = 3},
        {.state = true, .term = 5, .vote = 1, .log = true, .keep = 3},
    };
    crash_everywhere(writes, 3, NOTHING);
}

Test(crash, making_a_snapshot_and_dropping_what_it_holds)
{
    static const struct rig_write writes[] = {
        {.log = true, .keep = 1, .count = 8, .entry_term = 1, .payload_bytes = 1500},
        {.log = true, .keep = 9, .count = 8, .entry_term = 1, .payload_bytes = 1500},
        {.operation = RIG_SNAPSHOT, .keep = 12},
        {.operation = RIG_FORGET, .keep = 12},
        {.log = true, .keep = 17, .count = 1, .entry_term = 1, .payload_bytes = 50},
        {.operation = RIG_SNAPSHOT, .keep = 18},
        {.operation = RIG_FORGET, .keep = 18},
    };
    crash_everywhere(writes, 7, false);
}

Test(crash, installing_a_snapshot)
{
    static const struct rig_write writes[] = {
        {.state = true,
         .term = 3,
         .vote = 2,
         .log = true,
         .keep = 1,
         .count = 8,
         .entry_term = 1,
         .payload_bytes = 900},
        {.operation = RIG_INSTALL, .keep = 5, .entry_term = 2},
        {.log = true, .keep = 5, .count = 2, .entry_term = 3, .payload_bytes = 50},
        {.operation = RIG_INSTALL, .keep = 40, .entry_term = 3},
        {.operation = RIG_FORGET, .keep = 40},
        {.log = true, .keep = 40, .count = 1, .entry_term = 3, .payload_bytes = 50},
    };
    crash_everywhere(writes, 6, false);
}

Test(crash, formatting_makes_a_directory_or_none)
{
    struct rig_log *log = calloc(1, sizeof *log);
    bool finished = false;
    for (uint64_t call = 1; !finished; call++) {
        struct memory_fs *memory = memory_fs_new();
        memory_fs_power_off_at(memory, call);
        const enum dgraft_status formatted = rig_format(memory_fs_seam(memory), log, NULL);
        finished = memory_fs_calls(memory) < call;
        cr_assert(!finished || formatted == DGRAFT_OK);
        const size_t uncertain = memory_fs_uncertain(memory);
        for (uint64_t i = 0; i < subset_count(uncertain); i++) {
            struct choice choice = subset(uncertain, i);
            struct memory_fs *image = memory_fs_crash(memory, chosen, &choice);
            struct dgraft_storage *storage = NULL;
            const enum dgraft_status opened =
                dgraft_storage_open(memory_fs_seam(image), "node", &history_options, &storage, NULL);
            if (opened == DGRAFT_OK) {
                const char *differs = rig_differs(storage, log);
                cr_assert_null(differs, "%s", differs);
            } else {
                cr_assert_eq(opened, DGRAFT_STATUS_NOT_FOUND, "%s", dgraft_status_name(opened));
                cr_assert(!finished);
            }
            dgraft_storage_abandon(storage);
            memory_fs_free(image);
        }
        memory_fs_free(memory);
    }
    free(log);
}
