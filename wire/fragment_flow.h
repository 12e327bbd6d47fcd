/* How fast fragments go to one address: a window that grows on acknowledgements and shrinks on loss, and how long to
 * wait for an acknowledgement (RFC 8085 §3.1; the window as in RFC 5681, the wait as in RFC 6298). Pure arithmetic.
 * Private to wire. */
#ifndef DGRAFT_FRAGMENT_FLOW_H
#define DGRAFT_FRAGMENT_FLOW_H

#include <dgraft/types.h>

struct dgraft_flow_bounds {
    size_t unit_bytes;       /* a whole datagram */
    size_t window_bytes_max; /* at least 4 units */
    dgraft_time_ns retry_ns; /* the wait before anything is known */
};

struct dgraft_flow {
    size_t window_bytes;        /* what may be on the way at once */
    size_t threshold_bytes;     /* below it the window doubles per round trip, above it grows by a unit */
    size_t on_the_way_bytes;    /* sent, neither acknowledged nor taken for lost */
    uint64_t next_order;        /* every datagram sent gets the next number */
    uint64_t recovery_order;    /* a loss before this one is part of a loss that the window has already shrunk for */
    dgraft_time_ns smoothed_ns; /* round trip; 0 not measured */
    dgraft_time_ns variation_ns;
    dgraft_time_ns wait_ns; /* for an acknowledgement, before doubling */
    uint32_t doublings;
};

void dgraft_flow_init(struct dgraft_flow *flow, const struct dgraft_flow_bounds *bounds);

/* What was known about the path is old: begins with the first window again. */
void dgraft_flow_idle(struct dgraft_flow *flow, const struct dgraft_flow_bounds *bounds);

/* `bytes` arrived that had been on the way. */
void dgraft_flow_acknowledged(struct dgraft_flow *flow, const struct dgraft_flow_bounds *bounds, size_t bytes);

/* The datagram of this order was overtaken by later ones. */
void dgraft_flow_lost(struct dgraft_flow *flow, const struct dgraft_flow_bounds *bounds, uint64_t order);

/* Nothing was acknowledged in time: all that was on the way is taken for lost. */
void dgraft_flow_timed_out(struct dgraft_flow *flow, const struct dgraft_flow_bounds *bounds);

/* A datagram sent once was acknowledged after this time. */
void dgraft_flow_measured(struct dgraft_flow *flow, const struct dgraft_flow_bounds *bounds, dgraft_time_ns trip_ns);

/* Returns how long to wait for an acknowledgement now. */
dgraft_time_ns dgraft_flow_wait(const struct dgraft_flow *flow, const struct dgraft_flow_bounds *bounds);

#endif
