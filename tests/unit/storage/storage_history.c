#include "storage_history.h"

#include <criterion/criterion.h>
#include <dgraft/inspect.h>

const struct dgraft_storage_options history_options = {.segment_bytes = 12288, .runs_max = 8};
const struct dgraft_storage_options history_pool_options = {.segment_bytes = 12288, .runs_max = 8, .spares = 2};

/* The result of a recovery must be the last acknowledged state, or with the write under way: its state part first. */
static const char *judge(struct dgraft_storage *storage, const struct history *history)
{
    const struct rig_log *before = &history->logs[history->acknowledged];
    const struct rig_log *after = history->under_way ? before + 1 : before;
    const char *differs = rig_differs(storage, before);
    if (differs == NULL || !history->under_way) {
        return differs;
    }
    if (rig_log_differs(storage, before) == NULL) {
        return rig_state_differs(storage, after);
    }
    return rig_differs(storage, after);
}

void history_check(struct memory_fs *image, const struct history *history, uint64_t call)
{
    struct dgraft_storage *storage = NULL;
    struct dgraft_why why = {"-"};
    enum dgraft_status status = dgraft_storage_open(memory_fs_seam(image), "node", &history_options, &storage, &why);
    cr_assert_eq(status, DGRAFT_OK, "after call %llu: %s", (unsigned long long)call, why.text);
    const char *differs = judge(storage, history);
    cr_assert_null(differs, "after call %llu: %s", (unsigned long long)call, differs);
    dgraft_storage_abandon(storage);
    const uint64_t hash = memory_fs_hash(image);
    status = dgraft_storage_open(memory_fs_seam(image), "node", &history_options, &storage, &why);
    cr_assert_eq(status, DGRAFT_OK, "a second time: %s", why.text);
    differs = judge(storage, history);
    cr_assert_null(differs, "a second time, after call %llu: %s", (unsigned long long)call, differs);
    struct dgraft_inspect_summary summary;
    const struct dgraft_inspect_visitor silent = {.context = NULL};
    cr_assert_eq(dgraft_inspect(memory_fs_seam(image), "node", &silent, &summary, &why), DGRAFT_OK);
    cr_assert_eq(summary.damages, 0);
    dgraft_storage_abandon(storage);
    cr_assert_eq(memory_fs_hash(image), hash, "a second recovery wrote something");
}
