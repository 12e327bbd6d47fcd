/* A disk that fails: the node says so, answers everything, acknowledges nothing more. */
#include "driver_state.h"

#include <dgraft/node.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

/* The operating system's files, until a sync is to fail. */
struct failing_fs {
    struct dgraft_fs fs;
    struct dgraft_fs_ops ops;
    bool fails;
    atomic_bool full;
};

static int failing_sync(struct dgraft_fs *fs, int file)
{
    struct failing_fs *self = (struct failing_fs *)fs;
    return self->fails ? -EIO : dgraft_fs_posix()->ops->sync(dgraft_fs_posix(), file);
}

static int failing_open(struct dgraft_fs *fs, const char *path, enum dgraft_fs_open mode)
{
    struct failing_fs *self = (struct failing_fs *)fs;
    return self->full && mode == DGRAFT_FS_CREATE ? -ENOSPC
                                                  : dgraft_fs_posix()->ops->open(dgraft_fs_posix(), path, mode);
}

static ssize_t failing_write(struct dgraft_fs *fs, int file, const struct iovec *pieces, int count, uint64_t offset)
{
    struct failing_fs *self = (struct failing_fs *)fs;
    return self->full ? -ENOSPC : dgraft_fs_posix()->ops->pwritev(dgraft_fs_posix(), file, pieces, count, offset);
}

static void note_disk(void *context, const struct dgraft_action_notice *notice)
{
    if (notice->kind == DGRAFT_NOTICE_DISK) {
        cr_assert_neq(notice->before, notice->after);
        *(int *)context = notice->after != 0 ? 1 : 2;
    }
}

struct call {
    struct dgraft_proposal proposal;
    struct iovec piece;
    char bytes[2000];
    int answered;
    int released;
    struct dgraft_proposal_answer answer;
};

static void on_answered(void *context, const struct dgraft_proposal_answer *answer)
{
    struct call *call = context;
    call->answered++;
    call->answer = *answer;
}

static void on_released(void *context)
{
    ((struct call *)context)->released++;
}

static void propose(struct dgraft_driver *driver, struct call *call, size_t bytes)
{
    memset(call, 0, sizeof *call);
    call->piece = (struct iovec){call->bytes, bytes};
    call->proposal = (struct dgraft_proposal){
        .pieces = &call->piece, .piece_count = 1, .context = call, .answered = on_answered, .released = on_released};
    cr_assert_eq(dgraft_driver_propose(driver, &call->proposal), DGRAFT_OK);
}

static void count_applied(void *context, const struct dgraft_applied *entries, size_t count)
{
    (void)entries;
    *(size_t *)context += count;
}

Test(poison, a_failed_sync_ends_acknowledgement_and_every_proposal_is_answered_once)
{
    char directory[] = "poison-test-XXXXXX";
    char command[64];
    struct dgraft_why why = {""};
    struct dgraft_transport *transport = NULL;
    struct dgraft_driver *driver = NULL;
    struct dgraft_driver_status status;
    static struct call calls[4];
    size_t applied = 0;
    dgraft_time_ns now = MS;
    struct failing_fs failing = {.ops = *dgraft_fs_posix()->ops};
    failing.ops.sync = failing_sync;
    failing.fs.ops = &failing.ops;
    cr_assert_not_null(mkdtemp(directory));
    cr_assert_eq(dgraft_node_format(directory, "test", 1, "1=127.0.0.1:7001", &why), DGRAFT_OK, "%s", why.text);
    struct dgraft_memory_hub *hub = dgraft_memory_hub_open(NULL, NULL);
    cr_assert_eq(dgraft_memory_open(hub, "127.0.0.1:7001", 1400, 100, &transport), DGRAFT_OK);
    struct dgraft_driver_options options = {.fs = &failing.fs,
                                            .directory = directory,
                                            .transport = transport,
                                            .machine = {.context = &applied, .apply = count_applied},
                                            .check_invariants = true};
    dgraft_config_defaults(&options.core, 1);
    cr_assert_eq(dgraft_driver_open(&options, now, &driver, &why), DGRAFT_OK, "%s", why.text);
    for (int i = 0; i < 1000; i++) {
        now += MS;
        dgraft_driver_turn(driver, now, 0);
        dgraft_driver_perform(driver);
    }
    propose(driver, &calls[0], 10);
    for (int i = 0; i < 10; i++) {
        now += MS;
        dgraft_driver_turn(driver, now, 0);
        dgraft_driver_perform(driver);
    }
    cr_assert_eq(calls[0].answer.fate, DGRAFT_PROPOSAL_COMMITTED);

    failing.fails = true;
    propose(driver, &calls[1], 10);
    propose(driver, &calls[2], 2000);
    for (int i = 0; i < 10; i++) {
        now += MS;
        dgraft_driver_turn(driver, now, 0);
        dgraft_driver_perform(driver);
    }
    failing.fails = false;
    propose(driver, &calls[3], 10);
    for (int i = 0; i < 1000; i++) {
        now += MS;
        dgraft_driver_turn(driver, now, 0);
        dgraft_driver_perform(driver);
    }
    dgraft_driver_status(driver, &status);
    cr_assert(status.poisoned);
    cr_assert_not_null(strstr(status.poisoned_why.text, "sync"), "%s", status.poisoned_why.text);
    cr_assert_neq(status.core.role, DGRAFT_ROLE_LEADER, "it leads no more, though the disk works again");
    for (int i = 1; i < 3; i++) {
        cr_assert_eq(calls[i].answered, 1, "call %d", i);
        cr_assert_eq(calls[i].answer.fate, DGRAFT_PROPOSAL_UNKNOWN, "call %d", i);
    }
    cr_assert_eq(calls[3].answered, 1);
    cr_assert_eq(calls[3].answer.fate, DGRAFT_PROPOSAL_REFUSED);
    cr_assert_eq(applied, 1);
    dgraft_driver_close(driver);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(calls[i].answered, 1, "call %d", i);
        cr_assert_eq(calls[i].released, 1, "call %d", i);
    }
    transport->ops->close(transport);
    dgraft_memory_hub_close(hub);
    (void)snprintf(command, sizeof command, "rm -r ./%s", directory);
    cr_assert_eq(system(command), 0);
}

Test(poison, a_disk_without_room_for_another_segment_is_told_before_it_is_full_and_when_it_has_room)
{
    char directory[] = "full-test-XXXXXX";
    char command[64];
    struct dgraft_why why = {""};
    struct dgraft_transport *transport = NULL;
    struct dgraft_driver *driver = NULL;
    static struct call call;
    size_t applied = 0;
    int told = 0;
    dgraft_time_ns now = MS;
    struct failing_fs failing = {.ops = *dgraft_fs_posix()->ops};
    failing.ops.open = failing_open;
    failing.fs.ops = &failing.ops;
    cr_assert_not_null(mkdtemp(directory));
    cr_assert_eq(dgraft_node_format(directory, "test", 1, "1=127.0.0.1:7001", &why), DGRAFT_OK, "%s", why.text);
    struct dgraft_memory_hub *hub = dgraft_memory_hub_open(NULL, NULL);
    cr_assert_eq(dgraft_memory_open(hub, "127.0.0.1:7001", 1400, 100, &transport), DGRAFT_OK);
    struct dgraft_driver_options options = {.fs = &failing.fs,
                                            .directory = directory,
                                            .transport = transport,
                                            .listener = {.context = &told, .notice = note_disk},
                                            .machine = {.context = &applied, .apply = count_applied},
                                            .check_invariants = true};
    dgraft_config_defaults(&options.core, 1);
    cr_assert_eq(dgraft_driver_open(&options, now, &driver, &why), DGRAFT_OK, "%s", why.text);
    for (int i = 0; i < 1000; i++) {
        now += MS;
        dgraft_driver_turn(driver, now, 0);
        dgraft_driver_perform(driver);
    }
    failing.full = true;
    dgraft_driver_spare(driver);
    cr_assert_eq(told, 0);
    propose(driver, &call, 10);
    for (int i = 0; i < 10; i++) {
        now += MS;
        dgraft_driver_turn(driver, now, 0);
        dgraft_driver_perform(driver);
    }
    cr_assert_eq(told, 1);
    cr_assert_eq(call.answer.fate, DGRAFT_PROPOSAL_COMMITTED, "the only voter leads on in the room that is left");
    failing.full = false;
    dgraft_driver_spare(driver);
    dgraft_driver_turn(driver, now + MS, 0);
    cr_assert_eq(told, 2);
    dgraft_driver_close(driver);
    transport->ops->close(transport);
    dgraft_memory_hub_close(hub);
    (void)snprintf(command, sizeof command, "rm -r ./%s", directory);
    cr_assert_eq(system(command), 0);
}

/* A proposal of one byte to a node with threads. */
struct far_call {
    struct dgraft_proposal proposal;
    struct iovec piece;
    char byte;
    _Atomic int fate;
    atomic_bool released;
};

static void on_fate(void *context, const struct dgraft_proposal_answer *answer)
{
    atomic_store(&((struct far_call *)context)->fate, (int)answer->fate);
}

static void on_gone(void *context)
{
    atomic_store(&((struct far_call *)context)->released, true);
}

static void rest(unsigned times)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    for (; times > 0; times--) {
        (void)nanosleep(&pause, NULL);
    }
}

/* Proposes, and waits until it is answered and given back. */
static int fate_of(struct dgraft_node *node, struct far_call *call)
{
    memset(call, 0, sizeof *call);
    call->piece = (struct iovec){&call->byte, 1};
    call->proposal = (struct dgraft_proposal){
        .pieces = &call->piece, .piece_count = 1, .context = call, .answered = on_fate, .released = on_gone};
    cr_assert_eq(dgraft_node_propose(node, &call->proposal), DGRAFT_OK);
    while (atomic_load(&call->fate) == 0 || !atomic_load(&call->released)) {
        rest(1);
    }
    return atomic_load(&call->fate);
}

/* Proposes until one is committed, for ten seconds at most. */
static bool commits(struct dgraft_node *node)
{
    static struct far_call call;
    for (int i = 0; i < 500; i++) {
        if (fate_of(node, &call) == DGRAFT_PROPOSAL_COMMITTED) {
            return true;
        }
        rest(1);
    }
    return false;
}

static void ignore(void *context, const struct dgraft_applied *entries, size_t count)
{
    (void)context;
    (void)entries;
    (void)count;
}

Test(poison, a_node_with_threads_comes_back_from_a_full_disk_by_itself, .timeout = 40)
{
    char directory[] = "comeback-test-XXXXXX";
    char command[64];
    char members[64];
    struct dgraft_why why = {""};
    struct dgraft_node *node = NULL;
    struct dgraft_driver_status status;
    static struct failing_fs failing;
    failing.ops = *dgraft_fs_posix()->ops;
    failing.ops.open = failing_open;
    failing.ops.pwritev = failing_write;
    failing.fs.ops = &failing.ops;
    cr_assert_not_null(mkdtemp(directory));
    (void)snprintf(members, sizeof members, "1=127.0.0.1:%u", 20000 + (unsigned)getpid() % 1000 * 12 + 11);
    cr_assert_eq(dgraft_node_format(directory, "test", 1, members, &why), DGRAFT_OK, "%s", why.text);
    const struct dgraft_node_options options = {
        .directory = directory, .fs = &failing.fs, .machine = {.apply = ignore}, .check_invariants = true};
    cr_assert_eq(dgraft_node_open(&options, &node, &why), DGRAFT_OK, "%s", why.text);
    cr_assert(commits(node));
    failing.full = true;
    static struct far_call call;
    cr_assert_eq(fate_of(node, &call), DGRAFT_PROPOSAL_UNKNOWN);
    rest(150);
    dgraft_node_status(node, &status);
    cr_assert(status.poisoned && status.waits_for_room, "%s", status.poisoned_why.text);
    failing.full = false;
    cr_assert(commits(node));
    dgraft_node_status(node, &status);
    cr_assert_eq(status.came_back, 1u);
    cr_assert_not(status.poisoned);
    dgraft_node_close(node);
    (void)snprintf(command, sizeof command, "rm -r ./%s", directory);
    cr_assert_eq(system(command), 0);
}
