#include "flight_pilot.h"

#include "flight_format.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES (1024u * 1024)

struct seen {
    uint64_t stretches;
    uint64_t steps;
    char finding[256];
};

static void on_stretch(void *context, const struct dgraft_flight_stretch *stretch)
{
    struct seen *seen = context;
    seen->stretches++;
    cr_assert(stretch->same_core);
}

static void on_stepped(void *context, uint64_t number, const struct dgraft_event *event,
                       const struct dgraft_actions *actions)
{
    struct seen *seen = context;
    (void)event;
    (void)actions;
    cr_assert(number > 0);
    seen->steps++;
}

static void on_finding(void *context, uint64_t number, enum dgraft_severity severity, const char *text)
{
    struct seen *seen = context;
    (void)number;
    (void)severity;
    (void)snprintf(seen->finding, sizeof seen->finding, "%s", text);
}

static enum dgraft_status replay_until(const struct pilot *pilot, uint64_t until, struct dgraft_flight_summary *summary,
                                       struct seen *seen)
{
    struct dgraft_why why = {""};
    *seen = (struct seen){0};
    const struct dgraft_flight_visitor visitor = {
        .context = seen, .stretch = on_stretch, .stepped = on_stepped, .finding = on_finding};
    return dgraft_flight_replay(memory_fs_seam(pilot->memory), PILOT_PATH, until, &visitor, summary, &why);
}

static void replay(const struct pilot *pilot, struct dgraft_flight_summary *summary, struct seen *seen)
{
    cr_assert_eq(replay_until(pilot, UINT64_MAX, summary, seen), DGRAFT_OK);
    cr_assert_eq(seen->steps, summary->events);
}

Test(flight, replay_rebuilds_the_exact_state)
{
    struct pilot pilot = {.write_every = 7};
    struct dgraft_flight_summary summary;
    struct seen seen;
    pilot_open(&pilot, 1, FILE_BYTES);
    pilot_lead(&pilot);
    pilot_work(&pilot, 500);
    pilot_land(&pilot);
    replay(&pilot, &summary, &seen);
    cr_assert_eq(summary.end, DGRAFT_FLIGHT_END, "%s", summary.text);
    cr_assert_eq(summary.events, pilot.events);
    cr_assert_eq(summary.last, pilot.events);
    cr_assert(summary.has_state && summary.state_hash == pilot_hash(&pilot));
    cr_assert_eq(summary.state.role, DGRAFT_ROLE_LEADER);
    cr_assert_eq(summary.node, 1);
    cr_assert_eq(summary.cluster, 77);
    cr_assert_eq(summary.starts, 1);
    cr_assert_eq(summary.damages + summary.notes, 0, "%s", seen.finding);
    pilot_free(&pilot);
}

Test(flight, two_runs_of_the_same_events_leave_the_same_bytes_in_the_core)
{
    struct pilot a = {0};
    struct pilot b = {0};
    pilot_open(&a, 1, FILE_BYTES);
    pilot_open(&b, 1, FILE_BYTES);
    pilot_lead(&a);
    pilot_work(&a, 100);
    pilot_lead(&b);
    pilot_work(&b, 100);
    cr_assert_eq(pilot_hash(&a), pilot_hash(&b));
    pilot_free(&a);
    pilot_free(&b);
}

Test(flight, replay_stops_where_it_is_asked_to)
{
    struct pilot pilot = {.write_every = 1};
    struct dgraft_flight_summary summary;
    struct seen seen;
    pilot_open(&pilot, 1, FILE_BYTES);
    pilot_lead(&pilot);
    const uint64_t events = pilot.events;
    const uint64_t hash = pilot_hash(&pilot);
    pilot_work(&pilot, 50);
    pilot_land(&pilot);
    cr_assert_eq(replay_until(&pilot, events, &summary, &seen), DGRAFT_OK);
    cr_assert_eq(summary.end, DGRAFT_FLIGHT_UNTIL);
    cr_assert_eq(summary.last, events);
    cr_assert_eq(summary.state_hash, hash);
    pilot_free(&pilot);
}

Test(flight, a_ring_that_came_round_is_replayed_from_its_oldest_image)
{
    struct pilot pilot = {.write_every = 1};
    struct dgraft_flight_summary summary;
    struct seen seen;
    uint64_t size = 0;
    pilot_open(&pilot, 1, FILE_BYTES);
    pilot_lead(&pilot);
    pilot_work(&pilot, 100000);
    pilot_land(&pilot);
    cr_assert(memory_fs_bytes(pilot.memory, PILOT_PATH, &size) != NULL);
    cr_assert_leq(size, FILE_BYTES);
    replay(&pilot, &summary, &seen);
    cr_assert_eq(summary.end, DGRAFT_FLIGHT_END, "%s", summary.text);
    cr_assert_eq(summary.last, pilot.events);
    cr_assert(summary.events < pilot.events && summary.events > 1000);
    cr_assert_eq(summary.state_hash, pilot_hash(&pilot));
    cr_assert_eq(seen.stretches, 1);
    cr_assert_eq(summary.damages + summary.notes, 0, "%s", seen.finding);
    pilot_free(&pilot);
}

Test(flight, a_restart_goes_on_behind_what_is_there)
{
    struct pilot pilot = {.write_every = 1};
    struct dgraft_flight_summary summary;
    struct seen seen;
    pilot_open(&pilot, 1, FILE_BYTES);
    pilot_lead(&pilot);
    pilot_crash(&pilot);
    pilot_open_again(&pilot, FILE_BYTES);
    pilot_lead(&pilot);
    pilot_work(&pilot, 20);
    pilot_land(&pilot);
    replay(&pilot, &summary, &seen);
    cr_assert_eq(summary.end, DGRAFT_FLIGHT_END, "%s", summary.text);
    cr_assert_eq(summary.starts, 2);
    cr_assert_eq(seen.stretches, 2);
    cr_assert_eq(summary.last, pilot.events);
    cr_assert_eq(summary.events, pilot.events);
    cr_assert_eq(summary.state_hash, pilot_hash(&pilot));
    pilot_free(&pilot);
}

Test(flight, other_actions_than_recorded_are_found_at_their_event)
{
    for (uint64_t falsify = 1; falsify <= 40; falsify += 3) {
        struct pilot pilot = {.write_every = 1, .falsify = falsify};
        struct dgraft_flight_summary summary;
        struct seen seen;
        char wanted[32];
        pilot_open(&pilot, 1, FILE_BYTES);
        pilot_lead(&pilot);
        pilot_work(&pilot, 100);
        pilot_land(&pilot);
        replay(&pilot, &summary, &seen);
        cr_assert_eq(summary.end, DGRAFT_FLIGHT_DIFFERENCE);
        cr_assert_eq(summary.last, falsify);
        (void)snprintf(wanted, sizeof wanted, "event %llu (", (unsigned long long)falsify);
        cr_assert(strstr(summary.text, wanted) == summary.text, "%s", summary.text);
        pilot_free(&pilot);
    }
}

/* As a core would that counts otherwise, and tells nobody: the reads that wait are no part of a status. */
Test(flight, another_state_than_recorded_is_found_though_all_actions_are_the_same)
{
    struct pilot pilot = {.write_every = 1};
    struct dgraft_flight_summary summary;
    struct seen seen;
    pilot_open(&pilot, 1, FILE_BYTES);
    pilot_lead(&pilot);
    ((unsigned char *)pilot.core)[dgraft_core_size(&pilot.config) - 1] ^= 1;
    pilot_work(&pilot, 20000);
    pilot_land(&pilot);
    replay(&pilot, &summary, &seen);
    cr_assert_eq(summary.end, DGRAFT_FLIGHT_DIFFERENCE);
    cr_assert(strstr(summary.text, "the state is another") != NULL, "%s", summary.text);
    pilot_free(&pilot);
}

Test(flight, what_finds_no_room_is_lost_and_counted_and_the_rest_is_replayed)
{
    struct pilot pilot = {0};
    struct dgraft_flight_summary summary;
    struct dgraft_flight_stats stats;
    struct seen seen;
    pilot_open(&pilot, 1, 4u * 1024 * 1024);
    pilot_lead(&pilot);
    pilot_work(&pilot, 60000); /* nobody writes */
    dgraft_flight_stats(pilot.flight, &stats);
    cr_assert(stats.lost > 0 && stats.lost < stats.events);
    dgraft_flight_write(pilot.flight);
    const uint64_t lost = stats.lost;
    pilot_work(&pilot, 50);
    dgraft_flight_stats(pilot.flight, &stats);
    cr_assert_eq(stats.lost, lost, "there is room again");
    pilot_land(&pilot);
    replay(&pilot, &summary, &seen);
    cr_assert_eq(summary.end, DGRAFT_FLIGHT_END, "%s", summary.text);
    cr_assert_eq(summary.lost, lost);
    cr_assert_eq(summary.events + lost, pilot.events);
    cr_assert_eq(summary.last, pilot.events);
    cr_assert_eq(summary.notes, 1);
    cr_assert_eq(summary.state_hash, pilot_hash(&pilot));
    pilot_free(&pilot);
}

Test(flight, an_event_larger_than_a_block_is_lost_and_no_more)
{
    enum { ENTRIES = 40000 };
    struct pilot pilot = {.write_every = 1};
    struct dgraft_flight_summary summary;
    struct seen seen;
    struct dgraft_entry *entries = calloc(ENTRIES, sizeof *entries);
    struct dgraft_event event = {.kind = DGRAFT_EVENT_RECEIVE};
    cr_assert(entries != NULL);
    pilot_open(&pilot, 1, FILE_BYTES);
    pilot_lead(&pilot);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        entries[i] = (struct dgraft_entry){.index = i + 100, .term = 1, .kind = DGRAFT_ENTRY_COMMAND};
    }
    event.u.receive.type = DGRAFT_MESSAGE_APPEND;
    event.u.receive.from = 3;
    event.u.receive.term = 1;
    event.u.receive.u.append.prev = (struct dgraft_position){99, 1};
    event.u.receive.u.append.entries = entries;
    event.u.receive.u.append.count = ENTRIES;
    pilot_step(&pilot, event);
    pilot_work(&pilot, 20);
    pilot_land(&pilot);
    replay(&pilot, &summary, &seen);
    cr_assert_eq(summary.end, DGRAFT_FLIGHT_END, "%s", summary.text);
    cr_assert_eq(summary.lost, 1);
    cr_assert_eq(summary.events + 1, pilot.events);
    cr_assert_eq(summary.state_hash, pilot_hash(&pilot));
    free(entries);
    pilot_free(&pilot);
}

/* What a signal's handler does: nothing was written before, and the process ends within a step. */
Test(flight, a_dying_process_saves_even_the_event_that_it_dies_of)
{
    struct pilot pilot = {0};
    struct dgraft_flight_summary summary;
    struct seen seen;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_WAKE};
    pilot_open(&pilot, 1, FILE_BYTES);
    pilot_lead(&pilot);
    pilot_work(&pilot, 10);
    event.now_ns = pilot.now_ns;
    dgraft_flight_event(pilot.flight, pilot.core, &event);
    dgraft_flight_save(pilot.flight);
    pilot_crash(&pilot);
    replay(&pilot, &summary, &seen);
    cr_assert_eq(summary.end, DGRAFT_FLIGHT_END, "%s", summary.text);
    cr_assert_eq(summary.last, pilot.events + 1);
    cr_assert_eq(summary.notes, 1);
    cr_assert(strstr(seen.finding, "the process ended in it") != NULL, "%s", seen.finding);
    pilot_free(&pilot);
}
