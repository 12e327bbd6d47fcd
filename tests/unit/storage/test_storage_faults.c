/* Every call of the file system fails, once and for ever; the disk fills up at every byte. What was acknowledged stays;
 * nothing is acknowledged after a failure; the message names the cause.
 */
#include "storage_history.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct rig_write writes[] = {
    {.log = true, .keep = 1, .count = 2, .entry_term = 1, .payload_bytes = 300},
    {.state = true, .term = 2, .vote = 1, .log = true, .keep = 2, .count = 4, .entry_term = 2, .payload_bytes = 1900},
    {.state = true, .term = 3, .vote = 2},
    {.log = true, .keep = 5, .count = 3, .entry_term = 3, .payload_bytes = 900},
};
enum { WRITE_COUNT = sizeof writes / sizeof writes[0] };

static bool none(void *context, size_t which)
{
    (void)context;
    (void)which;
    return false;
}

/* Opens and writes until something fails. */
static enum dgraft_status run(struct memory_fs *memory, struct history *history, struct dgraft_why *why)
{
    struct dgraft_storage *storage = NULL;
    enum dgraft_status status =
        dgraft_storage_open(memory_fs_seam(memory), "node", &history_pool_options, &storage, why);
    history->acknowledged = 0;
    history->under_way = false;
    if (status != DGRAFT_OK) {
        cr_assert_null(storage);
        return status;
    }
    for (size_t i = 0; i < WRITE_COUNT && status == DGRAFT_OK; i++) {
        history->logs[i + 1] = history->logs[i];
        rig_apply(&history->logs[i + 1], &writes[i]);
        while (dgraft_storage_fill(storage)) {
        }
        dgraft_storage_spare(storage);
        history->under_way = true;
        status = rig_do(storage, &history->logs[i], &writes[i]);
        if (status == DGRAFT_OK) {
            history->acknowledged++;
            history->under_way = false;
        }
    }
    if (status != DGRAFT_OK) {
        const struct dgraft_storage_write more = {.state = true, .term = 9, .vote = 1};
        cr_assert_eq(status, DGRAFT_STATUS_POISONED);
        cr_assert_eq(dgraft_storage_prepare(storage, &more), DGRAFT_STATUS_POISONED, "poison lasts");
    }
    const enum dgraft_status closed = dgraft_storage_close(storage, why);
    return status != DGRAFT_OK ? status : closed;
}

static struct memory_fs *formatted(struct history *history)
{
    struct memory_fs *memory = memory_fs_new();
    cr_assert_eq(rig_format(memory_fs_seam(memory), &history->logs[0], NULL), DGRAFT_OK);
    return memory;
}

/* What is there afterwards, with all caches written and with none. */
static void check_both(const struct memory_fs *memory, const struct history *history, uint64_t call)
{
    struct memory_fs *image = memory_fs_crash(memory, none, NULL);
    history_check(image, history, call);
    memory_fs_free(image);
    image = memory_fs_copy(memory);
    history_check(image, history, call);
    memory_fs_free(image);
}

/* The process starts again while the page cache still shows what a failed sync lost, and acknowledges one more write.
 * Then the power fails. */
static void restart_then_power_off(struct memory_fs *memory, struct history *history, uint64_t call)
{
    struct dgraft_storage *storage = NULL;
    struct dgraft_found found;
    struct dgraft_why why = {""};
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "node", &history_options, &storage, &why), DGRAFT_OK, "%s",
                 why.text);
    dgraft_storage_found(storage, &found);
    struct rig_log *now = &history->logs[history->acknowledged];
    if (history->under_way && rig_log_differs(storage, now) != NULL) {
        now++;
    }
    struct history *after = calloc(1, sizeof *after);
    after->logs[0] = *now;
    after->logs[0].term = found.term;
    after->logs[0].vote = found.vote;
    /* What a start tells is durable, and not only in the page cache. */
    struct memory_fs *image = memory_fs_crash(memory, none, NULL);
    history_check(image, after, call);
    memory_fs_free(image);
    const struct rig_write more = {
        .state = true, .term = 20, .log = true, .keep = now->last, .count = 2, .entry_term = 20, .payload_bytes = 2000};
    cr_assert_eq(rig_do(storage, &after->logs[0], &more), DGRAFT_OK);
    after->logs[1] = after->logs[0];
    rig_apply(&after->logs[1], &more);
    after->acknowledged = 1;
    dgraft_storage_abandon(storage);
    image = memory_fs_crash(memory, none, NULL);
    history_check(image, after, call);
    memory_fs_free(image);
    free(after);
}

static void fail_each_call(int error, bool for_ever)
{
    struct history *history = calloc(1, sizeof *history);
    uint64_t failures = 0;
    for (uint64_t call = 1;; call++) {
        struct memory_fs *memory = formatted(history);
        struct dgraft_why why = {""};
        const uint64_t begin = memory_fs_calls(memory);
        memory_fs_fail_at(memory, begin + call, error, for_ever);
        const enum dgraft_status status = run(memory, history, &why);
        if (status != DGRAFT_OK) {
            failures++;
            cr_assert(strstr(why.text, "node") != NULL, "the message names the place: %s", why.text);
        }
        const bool over = memory_fs_calls(memory) < begin + call;
        memory_fs_fail_at(memory, 0, 0, false);
        check_both(memory, history, call);
        restart_then_power_off(memory, history, call);
        memory_fs_free(memory);
        if (over) {
            break;
        }
    }
    cr_assert_gt(failures, 20);
    free(history);
}

Test(faults, an_input_or_output_error_once)
{
    fail_each_call(EIO, false);
}

Test(faults, an_input_or_output_error_for_ever)
{
    fail_each_call(EIO, true);
}

Test(faults, a_full_disk_at_every_call)
{
    fail_each_call(ENOSPC, false);
    fail_each_call(ENOSPC, true);
}

Test(faults, interruptions_for_ever_end_as_a_failure)
{
    fail_each_call(EINTR, true);
}

Test(faults, a_disk_that_fills_up_at_every_byte)
{
    struct history *history = calloc(1, sizeof *history);
    uint64_t room = 16384 + 4096; /* about what formatting takes */
    bool succeeded = false;
    for (; !succeeded; room += room % 512 < 8 || room % 512 > 500 ? 1 : 31) {
        struct memory_fs *memory = formatted(history);
        struct dgraft_why why = {""};
        memory_fs_room(memory, room);
        const enum dgraft_status status = run(memory, history, &why);
        cr_assert(status == DGRAFT_OK || status == DGRAFT_STATUS_FULL || status == DGRAFT_STATUS_POISONED);
        cr_assert(status == DGRAFT_OK || strstr(why.text, "make room") != NULL, "%s", why.text);
        succeeded = status == DGRAFT_OK && history->acknowledged == WRITE_COUNT;
        memory_fs_room(memory, UINT64_MAX);
        check_both(memory, history, room);
        memory_fs_free(memory);
    }
    free(history);
}

Test(faults, formatting_on_a_disk_that_is_full_leaves_nothing)
{
    for (uint64_t room = 0; room < 20000; room += 97) {
        struct memory_fs *memory = memory_fs_new();
        struct rig_log *log = calloc(1, sizeof *log);
        struct dgraft_why why = {""};
        memory_fs_room(memory, room);
        cr_assert_eq(rig_format(memory_fs_seam(memory), log, &why), DGRAFT_STATUS_FULL);
        uint64_t size;
        cr_assert_null(memory_fs_bytes(memory, "node/state", &size));
        cr_assert_null(memory_fs_bytes(memory, "node/state.new", &size));
        cr_assert_null(memory_fs_bytes(memory, "node/lock", &size));
        memory_fs_room(memory, UINT64_MAX);
        cr_assert_eq(rig_format(memory_fs_seam(memory), log, &why), DGRAFT_OK, "%s", why.text);
        memory_fs_free(memory);
        free(log);
    }
}

Test(faults, a_sync_that_fails_once_is_never_believed_again)
{
    struct history *history = calloc(1, sizeof *history);
    struct memory_fs *memory = formatted(history);
    struct dgraft_storage *storage = NULL;
    struct dgraft_why why = {""};
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "node", &history_options, &storage, &why), DGRAFT_OK);
    dgraft_storage_spare(storage);
    cr_assert_eq(rig_do(storage, &history->logs[0], &writes[0]), DGRAFT_OK);
    history->logs[1] = history->logs[0];
    rig_apply(&history->logs[1], &writes[0]);
    history->acknowledged = 1;
    /* The next batch is one write and one sync. The sync fails and drops the page: it is in memory, never on disk. */
    memory_fs_fail_at(memory, memory_fs_calls(memory) + 2, EIO, false);
    const struct rig_write next = {.log = true, .keep = 3, .count = 1, .entry_term = 1, .payload_bytes = 20};
    history->logs[2] = history->logs[1];
    rig_apply(&history->logs[2], &next);
    history->under_way = true;
    cr_assert_eq(rig_do(storage, &history->logs[1], &next), DGRAFT_STATUS_POISONED);
    dgraft_storage_abandon(storage);
    /* The process starts again, sees the batch in the page cache, and may acknowledge it from then on ... */
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(memory), "node", &history_options, &storage, &why), DGRAFT_OK);
    const char *differs = rig_log_differs(storage, &history->logs[2]);
    cr_assert_null(differs, "%s", differs);
    dgraft_storage_abandon(storage);
    /* ... so it must be there after the power failed. */
    struct memory_fs *image = memory_fs_crash(memory, none, NULL);
    history->acknowledged = 2;
    history->under_way = false;
    history_check(image, history, 0);
    memory_fs_free(image);
    memory_fs_free(memory);
    free(history);
}
