#include "fragment_flow.h"

#include <assert.h>

#define UNITS_LEAST   2u /* so that one loss is still noticed by what comes after it */
#define DOUBLINGS_MAX 4u

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t window_first(const struct dgraft_flow_bounds *bounds)
{
    return larger(bounds->window_bytes_max / 4, UNITS_LEAST * bounds->unit_bytes);
}

void dgraft_flow_init(struct dgraft_flow *flow, const struct dgraft_flow_bounds *bounds)
{
    assert(bounds->window_bytes_max >= 4 * bounds->unit_bytes);
    *flow = (struct dgraft_flow){.window_bytes = window_first(bounds),
                                 .threshold_bytes = bounds->window_bytes_max,
                                 .next_order = 1,
                                 .wait_ns = bounds->retry_ns};
}

void dgraft_flow_idle(struct dgraft_flow *flow, const struct dgraft_flow_bounds *bounds)
{
    assert(flow->on_the_way_bytes == 0);
    flow->window_bytes = smaller(flow->window_bytes, window_first(bounds));
    flow->doublings = 0;
}

void dgraft_flow_acknowledged(struct dgraft_flow *flow, const struct dgraft_flow_bounds *bounds, size_t bytes)
{
    assert(bytes <= flow->on_the_way_bytes);
    /* A window that was not used says nothing about the path [RFC 7661]. */
    const bool used = flow->on_the_way_bytes * 2 >= flow->window_bytes;
    flow->on_the_way_bytes -= bytes;
    flow->doublings = 0;
    if (!used) {
        return;
    }
    const size_t more =
        flow->window_bytes < flow->threshold_bytes ? bytes : larger(bounds->unit_bytes * bytes / flow->window_bytes, 1);
    flow->window_bytes = smaller(flow->window_bytes + more, bounds->window_bytes_max);
}

static void shrink(struct dgraft_flow *flow, const struct dgraft_flow_bounds *bounds)
{
    flow->threshold_bytes = larger(flow->window_bytes / 2, UNITS_LEAST * bounds->unit_bytes);
    flow->window_bytes = flow->threshold_bytes;
    flow->recovery_order = flow->next_order;
}

void dgraft_flow_lost(struct dgraft_flow *flow, const struct dgraft_flow_bounds *bounds, uint64_t order)
{
    if (order >= flow->recovery_order) {
        shrink(flow, bounds);
    }
}

void dgraft_flow_timed_out(struct dgraft_flow *flow, const struct dgraft_flow_bounds *bounds)
{
    shrink(flow, bounds);
    flow->window_bytes = UNITS_LEAST * bounds->unit_bytes;
    flow->on_the_way_bytes = 0;
    if (flow->doublings < DOUBLINGS_MAX) {
        flow->doublings++;
    }
}

void dgraft_flow_measured(struct dgraft_flow *flow, const struct dgraft_flow_bounds *bounds, dgraft_time_ns trip_ns)
{
    if (flow->smoothed_ns == 0) {
        flow->smoothed_ns = trip_ns > 0 ? trip_ns : 1;
        flow->variation_ns = trip_ns / 2;
    } else {
        const dgraft_time_ns apart =
            trip_ns > flow->smoothed_ns ? trip_ns - flow->smoothed_ns : flow->smoothed_ns - trip_ns;
        flow->variation_ns = (3 * flow->variation_ns + apart) / 4;
        flow->smoothed_ns = (7 * flow->smoothed_ns + trip_ns) / 8;
    }
    /* A receiver that syncs a disk between two turns is silent for milliseconds: do not ask again at once. */
    const dgraft_time_ns least = bounds->retry_ns / 4;
    const dgraft_time_ns most = bounds->retry_ns << DOUBLINGS_MAX;
    const dgraft_time_ns wait = flow->smoothed_ns + 4 * flow->variation_ns;
    flow->wait_ns = wait < least ? least : wait > most ? most : wait;
}

dgraft_time_ns dgraft_flow_wait(const struct dgraft_flow *flow, const struct dgraft_flow_bounds *bounds)
{
    const dgraft_time_ns most = bounds->retry_ns << DOUBLINGS_MAX;
    const dgraft_time_ns wait = flow->wait_ns << flow->doublings;
    return wait < most ? wait : most;
}
