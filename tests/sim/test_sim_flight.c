#include "sim_campaign.h"
#include "sim_run.h"

#include <dgraft/flight.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEDS 40u

/* What such runs must have had among them. What the simulator's drivers do not do is tested on a core alone, in
 * tests/unit/node/test_flight_core.c: a disk short of room, terms that a core has forgotten. */
#define BIT(kind) (UINT64_C(1) << (kind))
#define EVENTS                                                                                                         \
    (BIT(DGRAFT_EVENT_START) | BIT(DGRAFT_EVENT_WAKE) | BIT(DGRAFT_EVENT_RECEIVE) | BIT(DGRAFT_EVENT_PROPOSE) |        \
     BIT(DGRAFT_EVENT_READ) | BIT(DGRAFT_EVENT_DURABLE) | BIT(DGRAFT_EVENT_APPLIED) | BIT(DGRAFT_EVENT_SENT) |         \
     BIT(DGRAFT_EVENT_POISONED) | BIT(DGRAFT_EVENT_CHANGE) | BIT(DGRAFT_EVENT_TRANSFER) | BIT(DGRAFT_EVENT_SNAPSHOT) | \
     BIT(DGRAFT_EVENT_SNAPSHOT_STORED) | BIT(DGRAFT_EVENT_SNAPSHOT_RECEIVED))
#define ACTIONS                                                                                                        \
    (BIT(DGRAFT_ACTION_WRITE) | BIT(DGRAFT_ACTION_SEND) | BIT(DGRAFT_ACTION_APPLY) | BIT(DGRAFT_ACTION_ACCEPTED) |     \
     BIT(DGRAFT_ACTION_OUTCOME) | BIT(DGRAFT_ACTION_READ_READY) | BIT(DGRAFT_ACTION_NOTICE) |                          \
     BIT(DGRAFT_ACTION_SNAPSHOT_STORE) | BIT(DGRAFT_ACTION_INSTALL) | BIT(DGRAFT_ACTION_COMPACT))
#define MESSAGES                                                                                                       \
    ((BIT(DGRAFT_MESSAGE_SNAPSHOT_ACK + 1) - 2) /* the first to the twelfth */ | BIT(DGRAFT_MESSAGE_READ_REQUEST) |    \
     BIT(DGRAFT_MESSAGE_READ_ANSWER))

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

/* What was seen in records: bit (kind) for each. */
struct seen {
    uint64_t events;
    uint64_t actions;
    uint64_t messages;
};

static void look(void *context, uint64_t number, const struct dgraft_event *event, const struct dgraft_actions *actions)
{
    struct seen *seen = context;
    (void)number;
    seen->events |= UINT64_C(1) << event->kind;
    if (event->kind == DGRAFT_EVENT_RECEIVE) {
        seen->messages |= UINT64_C(1) << event->u.receive.type;
    }
    for (uint32_t i = 0; i < actions->count; i++) {
        seen->actions |= UINT64_C(1) << actions->items[i].kind;
    }
}

/* Replays the record of a node. */
static void replay(const char *directory, uint32_t node, struct seen *seen, struct dgraft_flight_summary *summary)
{
    const struct dgraft_flight_visitor visitor = {.context = seen, .stepped = look};
    struct dgraft_why why = {""};
    char path[256];
    (void)snprintf(path, sizeof path, "%s/n%u.flight", directory, node);
    cr_assert_eq(dgraft_flight_replay(dgraft_fs_posix(), path, UINT64_MAX, &visitor, summary, &why), DGRAFT_OK,
                 "%s: %s", path, why.text);
    cr_assert_eq(summary->end, DGRAFT_FLIGHT_END, "%s: %s", path, summary->text);
    cr_assert_eq(summary->damages, 0);
    cr_assert_eq(summary->lost, 0);
    cr_assert_eq(summary->node, node);
    cr_assert(summary->events > 0 && summary->events == summary->last);
}

static void replay_all(uint32_t nodes, struct seen *seen, uint64_t *restarts)
{
    for (uint32_t node = 1; node <= nodes; node++) {
        struct dgraft_flight_summary summary;
        replay(room, node, seen, &summary);
        *restarts += summary.starts - 1;
    }
}

/* With every fault, changes of members, transfers, reads, sessions and snapshots going on. */
Test(sim_flight, every_event_of_every_node_is_replayed_as_it_was, .init = make_room, .fini = remove_room)
{
    struct seen seen = {.events = 0};
    uint64_t restarts = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        const struct sim_options plain = {.seed = seed, .bare = true};
        const struct sim_options recorded = {.seed = seed, .bare = true, .flights = room};
        struct sim_result without;
        struct sim_result with;
        sim_run(&plain, &without);
        sim_run(&recorded, &with);
        cr_assert(without.finding[0] == '\0', "%s", without.finding);
        cr_assert_eq(with.hash, without.hash, "recording changes nothing");
        replay_all(with.nodes, &seen, &restarts);
    }
    cr_assert(restarts > SEEDS, "%llu", (unsigned long long)restarts);
    cr_assert_eq(EVENTS & ~seen.events, 0, "events never seen: %llx", (unsigned long long)(EVENTS & ~seen.events));
    cr_assert_eq(ACTIONS & ~seen.actions, 0, "actions never seen: %llx", (unsigned long long)(ACTIONS & ~seen.actions));
    cr_assert_eq(MESSAGES & ~seen.messages, 0, "messages never seen: %llx",
                 (unsigned long long)(MESSAGES & ~seen.messages));
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
    (void)snprintf(wanted, sizeof wanted,
                   "\nflight records: %s/seed-17-of-3/n*.flight; of node 1: raftctl replay %s/seed-17-of-3/n1.flight\n",
                   room, room);
    cr_assert(strstr(text, wanted) != NULL, "%s", text);
    cr_assert(strstr(text, "\nreplay: raftctl sim --seed 17 --steps 2000 --nodes 3 --bare --trace\n") != NULL, "%s",
              text);
    (void)snprintf(wanted, sizeof wanted, "%s/seed-17-of-3", room);
    for (uint32_t node = 1; node <= 3; node++) {
        struct dgraft_flight_summary summary;
        struct seen seen = {.events = 0};
        replay(wanted, node, &seen, &summary);
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
