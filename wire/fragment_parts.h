/* What the sending and the receiving half of fragments share. Private to wire. */
#ifndef DGRAFT_FRAGMENT_PARTS_H
#define DGRAFT_FRAGMENT_PARTS_H

#include "fragment_flow.h"
#include "fragment_format.h"

#define DGRAFT_FRAGMENT_NEVER UINT64_MAX

struct dgraft_lane;     /* an address that messages go to: fragment_sender.c */
struct dgraft_source;   /* an address and stream that messages come from: fragment_receiver.c */
struct dgraft_incoming; /* a message being put together: fragment_receiver.c */

struct dgraft_fragments {
    struct dgraft_fragments_options options; /* with the defaults filled in */
    struct dgraft_transport *transport;
    struct dgraft_flow_bounds bounds;
    uint32_t fragment_bytes; /* of messages sent */
    uint32_t span;           /* fragments that one acknowledgement names, and that a sender keeps within */
    dgraft_time_ns wake_at_ns;
    struct dgraft_fragments_stats stats;

    /* Sending. */
    uint64_t stream;
    uint64_t next_message;
    struct dgraft_lane *lanes; /* the one used last comes first */
    uint32_t lane_count;

    /* Receiving. */
    struct dgraft_source *sources; /* the one heard last comes first */
    uint32_t source_count;
    struct dgraft_incoming *incoming; /* the newest comes first */
    size_t stranger_bytes;            /* of incoming: from addresses that are no peer's */
    uint32_t acks_due;
};

/* Sees to it that wake is called by `at_ns`. */
static inline void dgraft_fragments_wake_by(struct dgraft_fragments *fragments, dgraft_time_ns at_ns)
{
    if (at_ns < fragments->wake_at_ns) {
        fragments->wake_at_ns = at_ns;
    }
}

/* fragment_sender.c */
enum dgraft_refusal dgraft_fragments_take_ack(struct dgraft_fragments *fragments, dgraft_time_ns now_ns,
                                              const struct dgraft_address *source, const struct dgraft_fragment *ack);
void dgraft_fragments_wake_lanes(struct dgraft_fragments *fragments, dgraft_time_ns now_ns);
void dgraft_fragments_close_lanes(struct dgraft_fragments *fragments);

/* fragment_receiver.c */
bool dgraft_fragments_take_piece(struct dgraft_fragments *fragments, dgraft_time_ns now_ns,
                                 const struct dgraft_datagram *datagram, const struct dgraft_fragment *piece,
                                 struct dgraft_datagram *message, enum dgraft_refusal *refusal);
void dgraft_fragments_wake_incoming(struct dgraft_fragments *fragments, dgraft_time_ns now_ns);
void dgraft_fragments_close_incoming(struct dgraft_fragments *fragments);

#endif
