/* The window and the wait of fragments, as RFC 5681 and RFC 6298 have them. */
#include "fragment_flow.h"

#include <criterion/criterion.h>

#define UNIT   1400u
#define WINDOW (64u * 1024)
#define MS     (UINT64_C(1000) * 1000)

static const struct dgraft_flow_bounds bounds = {.unit_bytes = UNIT, .window_bytes_max = WINDOW, .retry_ns = 20 * MS};

/* A full window is sent and acknowledged. */
static void round_trip(struct dgraft_flow *flow)
{
    const size_t units = flow->window_bytes / UNIT;
    flow->on_the_way_bytes = units * UNIT;
    flow->next_order += units;
    for (size_t i = 0; i < units; i++) {
        dgraft_flow_acknowledged(flow, &bounds, UNIT);
    }
}

Test(flow, begins_with_a_quarter_and_doubles_up_to_the_bound)
{
    struct dgraft_flow flow;
    dgraft_flow_init(&flow, &bounds);
    cr_assert_eq(flow.window_bytes, WINDOW / 4);
    for (int i = 0; i < 20; i++) {
        round_trip(&flow);
        cr_assert(flow.window_bytes <= WINDOW);
    }
    cr_assert_eq(flow.window_bytes, WINDOW);
}

Test(flow, halves_once_for_all_losses_of_one_round_trip)
{
    struct dgraft_flow flow;
    dgraft_flow_init(&flow, &bounds);
    flow.window_bytes = 40 * UNIT;
    flow.next_order = 100;
    dgraft_flow_lost(&flow, &bounds, 60);
    cr_assert_eq(flow.window_bytes, 20 * UNIT);
    dgraft_flow_lost(&flow, &bounds, 70);
    dgraft_flow_lost(&flow, &bounds, 99);
    cr_assert_eq(flow.window_bytes, 20 * UNIT);
    flow.next_order = 140;
    dgraft_flow_lost(&flow, &bounds, 100);
    cr_assert_eq(flow.window_bytes, 10 * UNIT);
    for (uint64_t order = 140; order < 200; order++) {
        flow.next_order = order + 1;
        dgraft_flow_lost(&flow, &bounds, order);
    }
    cr_assert_eq(flow.window_bytes, 2 * UNIT, "never below two");
}

Test(flow, grows_by_a_datagram_per_round_trip_after_a_loss)
{
    struct dgraft_flow flow;
    dgraft_flow_init(&flow, &bounds);
    flow.window_bytes = 20 * UNIT;
    dgraft_flow_lost(&flow, &bounds, flow.next_order);
    for (int i = 0; i < 10; i++) {
        const size_t before = flow.window_bytes;
        round_trip(&flow);
        cr_assert(flow.window_bytes > before && flow.window_bytes <= before + UNIT + UNIT / 8);
    }
}

Test(flow, that_is_not_used_does_not_grow)
{
    struct dgraft_flow flow;
    dgraft_flow_init(&flow, &bounds);
    flow.on_the_way_bytes = UNIT;
    dgraft_flow_acknowledged(&flow, &bounds, UNIT);
    cr_assert_eq(flow.window_bytes, WINDOW / 4);
}

Test(flow, waits_longer_and_sends_little_into_silence)
{
    struct dgraft_flow flow;
    dgraft_flow_init(&flow, &bounds);
    cr_assert_eq(dgraft_flow_wait(&flow, &bounds), 20 * MS);
    const uint64_t waits_ms[] = {40, 80, 160, 320, 320, 320};
    for (size_t i = 0; i < sizeof waits_ms / sizeof waits_ms[0]; i++) {
        flow.on_the_way_bytes = 2 * UNIT;
        dgraft_flow_timed_out(&flow, &bounds);
        cr_assert_eq(dgraft_flow_wait(&flow, &bounds), waits_ms[i] * MS);
        cr_assert(flow.window_bytes == 2 * UNIT && flow.on_the_way_bytes == 0);
    }
    flow.on_the_way_bytes = UNIT;
    dgraft_flow_acknowledged(&flow, &bounds, UNIT);
    cr_assert_eq(dgraft_flow_wait(&flow, &bounds), 20 * MS);
}

Test(flow, waits_for_what_it_has_measured)
{
    struct dgraft_flow flow;
    dgraft_flow_init(&flow, &bounds);
    dgraft_flow_measured(&flow, &bounds, 100 * MS);
    cr_assert_eq(dgraft_flow_wait(&flow, &bounds), 300 * MS, "R + 4 * R/2");
    for (int i = 0; i < 200; i++) {
        dgraft_flow_measured(&flow, &bounds, MS / 10);
    }
    cr_assert_eq(dgraft_flow_wait(&flow, &bounds), 5 * MS, "no less than a quarter of the first wait");
    for (int i = 0; i < 200; i++) {
        dgraft_flow_measured(&flow, &bounds, 10000 * MS);
    }
    cr_assert_eq(dgraft_flow_wait(&flow, &bounds), 320 * MS);
}
