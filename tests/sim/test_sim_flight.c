#include "sim_campaign.h"
#include "sim_run.h"

#include <dgraft/flight.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char room[] = "/tmp/sim-flight-XXXXXX";

static void make_room(void)
{
    cr_assert(mkdtemp(room) != NULL);
}

static void remove_room(void)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", room);
    cr_assert_eq(system(command), 0);
}

/* Replays the record of a node; returns how many events there were. */
static uint64_t replay(const char *directory, uint32_t node, struct dgraft_flight_summary *summary)
{
    struct dgraft_why why = {""};
    char path[256];
    (void)snprintf(path, sizeof path, "%s/n%u.flight", directory, node);
    cr_assert_eq(dgraft_flight_replay(dgraft_fs_posix(), path, UINT64_MAX, NULL, summary, &why), DGRAFT_OK, "%s: %s",
                 path, why.text);
    cr_assert_eq(summary->end, DGRAFT_FLIGHT_END, "%s: %s", path, summary->text);
    cr_assert_eq(summary->damages, 0);
    cr_assert_eq(summary->lost, 0);
    cr_assert_eq(summary->node, node);
    return summary->events;
}

Test(sim_flight, every_event_of_every_node_is_replayed_as_it_was, .init = make_room, .fini = remove_room)
{
    uint64_t restarts = 0;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        const struct sim_options plain = {.seed = seed, .bare = true};
        const struct sim_options recorded = {.seed = seed, .bare = true, .flights = room};
        struct sim_result without;
        struct sim_result with;
        sim_run(&plain, &without);
        sim_run(&recorded, &with);
        cr_assert(without.finding[0] == '\0', "%s", without.finding);
        cr_assert_eq(with.hash, without.hash, "recording changes nothing");
        for (uint32_t node = 1; node <= with.nodes; node++) {
            struct dgraft_flight_summary summary;
            cr_assert(replay(room, node, &summary) > 100);
            cr_assert_eq(summary.events, summary.last);
            restarts += summary.starts - 1;
        }
    }
    cr_assert(restarts > 10, "%llu", (unsigned long long)restarts);
}

/* The first bytes that a run prints. */
static void run_report(const struct sim_replay *seed, char *text, size_t text_bytes)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/out", room);
    cr_assert(freopen(path, "w", stdout) != NULL);
    sim_report(seed);
    (void)fflush(stdout);
    FILE *file = fopen(path, "r");
    cr_assert(file != NULL);
    const size_t got = fread(text, 1, text_bytes - 1, file);
    text[got] = '\0';
    (void)fclose(file);
}

Test(sim_flight, a_failing_seed_leaves_its_line_and_a_record_of_each_node, .init = make_room, .fini = remove_room)
{
    static char text[65536];
    char wanted[256];
    const struct sim_replay seed = {.seed = 17, .nodes = 3, .steps = 2000, .bare = true, .flights = room};
    run_report(&seed, text, sizeof text);
    (void)snprintf(wanted, sizeof wanted, "\nflight records: %s/seed-17-of-3/n*.flight", room);
    cr_assert(strstr(text, wanted) != NULL, "%s", text);
    cr_assert(strstr(text, "\nreplay: raftctl sim --seed 17 --steps 2000 --nodes 3 --bare --trace\n") != NULL, "%s",
              text);
    (void)snprintf(wanted, sizeof wanted, "%s/seed-17-of-3", room);
    for (uint32_t node = 1; node <= 3; node++) {
        struct dgraft_flight_summary summary;
        cr_assert(replay(wanted, node, &summary) > 0);
    }
}

/* With --steps as the line says, a run ends at the same event, with the same trace. */
Test(sim_flight, a_run_can_be_stopped_after_so_many_steps)
{
    const struct sim_options whole = {.seed = 3, .bare = true};
    struct sim_result result;
    struct sim_result first;
    struct sim_result second;
    sim_run(&whole, &result);
    cr_assert(result.steps > 1000);
    const struct sim_options part = {.seed = 3, .bare = true, .steps_max = result.steps / 2};
    sim_run(&part, &first);
    sim_run(&part, &second);
    cr_assert_eq(first.steps, part.steps_max);
    cr_assert_eq(first.hash, second.hash);
    cr_assert_neq(first.hash, result.hash);
}
