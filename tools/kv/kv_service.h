/* Answers clients of the key-value store: requests in, proposals and reads to the driver, answers out.
 *
 * Neither threads nor clock nor globals: it lives on the driver's thread, and raftd and the simulator run the same.
 * Memory is bounded by the two limits below; what does not fit is answered BUSY.
 */
#ifndef KV_SERVICE_H
#define KV_SERVICE_H

#include "kv.h"

struct kv_service; /* opaque */

struct kv_service_options {
    const struct kv *kv;   /* borrowed until the service is freed */
    uint32_t requests_max; /* under way at once; 0: 1,024 */
    size_t bytes_max;      /* of their payloads together; one request always may; 0: 64 MiB */
    /* The time on the driver's clock, to say in a status how long ago members were heard; NULL: it is not said. */
    dgraft_time_ns (*now)(void *context);
    void *now_context;
};

/* Returns NULL when there is no memory. */
struct kv_service *kv_service_new(const struct kv_service_options *options);

/* Frees the service and what it still holds of requests. After dgraft_driver_close or _abandon (or node_close) only. */
void kv_service_free(struct kv_service *service);

/* For dgraft_driver_options.requests. */
struct dgraft_request_handler kv_service_handler(struct kv_service *service);

struct kv_service_stats {
    uint64_t requests;  /* arrived */
    uint64_t under_way; /* now: waiting for an answer, or its bytes still in use */
    uint64_t bytes;     /* of their payloads, now */
    uint64_t duplicate; /* of requests still under way: not proposed twice */
    uint64_t repeated;  /* of requests done before: answered at once */
    uint64_t busy;      /* refused for want of room */
    uint64_t malformed; /* refused for what they say */
};
void kv_service_stats(const struct kv_service *service, struct kv_service_stats *stats);

#endif
