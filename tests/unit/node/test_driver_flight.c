/* Whatever happens to the flight record's disk, the node does its work: it elects itself, commits and applies. */
#include "driver_state.h"

#include <dgraft/node.h>

#include <memory_fs.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS   UINT64_C(1000000)
#define PATH "records/flight"

struct recorded {
    char directory[64];
    struct dgraft_memory_hub *hub;
    struct dgraft_transport *transport;
    struct dgraft_driver *driver;
    struct memory_fs *memory; /* the record's disk */
    dgraft_time_ns now_ns;
    uint64_t applied;
    uint32_t warnings; /* about the record */
    bool released;
};

static void apply(void *context, const struct dgraft_applied *entries, size_t count)
{
    struct recorded *recorded = context;
    (void)entries;
    recorded->applied += count;
}

static void take_log(void *context, enum dgraft_log_level level, const char *text)
{
    struct recorded *recorded = context;
    recorded->warnings += level == DGRAFT_LOG_WARNING && strstr(text, "flight record") != NULL;
}

static void prepare(struct recorded *recorded)
{
    struct dgraft_why why = {""};
    memset(recorded, 0, sizeof *recorded);
    (void)snprintf(recorded->directory, sizeof recorded->directory, "driver-flight-XXXXXX");
    cr_assert_not_null(mkdtemp(recorded->directory));
    cr_assert_eq(dgraft_node_format(recorded->directory, "test", 1, "1=127.0.0.1:7001", &why), DGRAFT_OK, "%s",
                 why.text);
    recorded->memory = memory_fs_new();
    memory_fs_put(recorded->memory, "records", "records/other", NULL, 0);
    recorded->now_ns = MS;
}

static void start(struct recorded *recorded)
{
    struct dgraft_why why = {""};
    recorded->hub = dgraft_memory_hub_open(NULL, NULL);
    cr_assert_eq(dgraft_memory_open(recorded->hub, "127.0.0.1:7001", 1400, 100, &recorded->transport), DGRAFT_OK);
    struct dgraft_driver_options options = {
        .fs = dgraft_fs_posix(),
        .directory = recorded->directory,
        .transport = recorded->transport,
        .machine = {.context = recorded, .apply = apply},
        .sink = {.context = recorded, .log = take_log},
        .flight = {.fs = memory_fs_seam(recorded->memory), .path = PATH, .bytes = 2u * 1024 * 1024},
        .check_invariants = true};
    dgraft_config_defaults(&options.core, 1);
    cr_assert_eq(dgraft_driver_open(&options, recorded->now_ns, &recorded->driver, &why), DGRAFT_OK, "%s", why.text);
}

static void run(struct recorded *recorded, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        recorded->now_ns += MS;
        dgraft_driver_turn(recorded->driver, recorded->now_ns, 0);
        dgraft_driver_perform(recorded->driver);
        dgraft_driver_flight_write(recorded->driver);
    }
}

static void on_answered(void *context, const struct dgraft_proposal_answer *answer)
{
    (void)context;
    cr_assert_eq(answer->fate, DGRAFT_PROPOSAL_COMMITTED);
}

static void on_released(void *context)
{
    ((struct recorded *)context)->released = true;
}

/* A command is proposed, and applied. */
static void work(struct recorded *recorded)
{
    char bytes[] = "a command";
    struct iovec piece = {bytes, sizeof bytes};
    struct dgraft_proposal proposal = {
        .pieces = &piece, .piece_count = 1, .context = recorded, .answered = on_answered, .released = on_released};
    const uint64_t before = recorded->applied;
    recorded->released = false;
    cr_assert_eq(dgraft_driver_propose(recorded->driver, &proposal), DGRAFT_OK);
    run(recorded, 20);
    cr_assert(recorded->released && recorded->applied == before + 1);
}

static void end(struct recorded *recorded)
{
    dgraft_driver_close(recorded->driver);
    recorded->transport->ops->close(recorded->transport);
    dgraft_memory_hub_close(recorded->hub);
}

static void clean_up(struct recorded *recorded)
{
    char command[128];
    memory_fs_free(recorded->memory);
    (void)snprintf(command, sizeof command, "rm -r ./%s", recorded->directory);
    cr_assert_eq(system(command), 0);
}

/* Elects itself, works, ends; returns how many calls of the record's disk that took. */
static uint64_t live(struct recorded *recorded)
{
    start(recorded);
    run(recorded, 400);
    work(recorded);
    work(recorded);
    end(recorded);
    return memory_fs_calls(recorded->memory);
}

Test(driver_flight, every_call_of_the_records_disk_may_fail_for_ever)
{
    static const int errors[] = {EIO, ENOSPC};
    static struct recorded recorded;
    prepare(&recorded);
    const uint64_t calls = live(&recorded);
    cr_assert(calls > 20 && recorded.warnings == 0, "%llu calls", (unsigned long long)calls);
    clean_up(&recorded);
    for (uint64_t call = 1; call < calls; call += call < 8 ? 1 : 7) {
        prepare(&recorded);
        memory_fs_fail_at(recorded.memory, call, errors[call % 2], true);
        (void)live(&recorded);
        cr_assert_leq(recorded.warnings, 1);
        cr_assert(recorded.warnings == 1 || call > calls - 10, "call %llu", (unsigned long long)call);
        clean_up(&recorded);
    }
}

Test(driver_flight, a_full_disk_ends_the_record_and_the_next_start_is_without_one)
{
    static struct recorded recorded;
    struct dgraft_driver_status status;
    prepare(&recorded);
    memory_fs_room(recorded.memory, 50000);
    start(&recorded);
    run(&recorded, 3000);
    work(&recorded);
    dgraft_driver_status(recorded.driver, &status);
    cr_assert(status.records && status.flight.error == ENOSPC);
    cr_assert_eq(recorded.warnings, 1);
    end(&recorded);

    memory_fs_free(recorded.memory);
    recorded.memory = memory_fs_new();
    memory_fs_put(recorded.memory, "records", "records/other", NULL, 0);
    memory_fs_room(recorded.memory, 0);
    start(&recorded);
    run(&recorded, 400);
    work(&recorded);
    dgraft_driver_status(recorded.driver, &status);
    cr_assert_not(status.records);
    cr_assert_eq(recorded.warnings, 2);
    end(&recorded);
    clean_up(&recorded);
}
