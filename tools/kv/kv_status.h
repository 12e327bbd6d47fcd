/* A node's status as JSON: the answer to STATUS. docs/operations.md describes the fields. */
#ifndef KV_STATUS_H
#define KV_STATUS_H

#include "kv_service.h"

struct kv_status {
    const struct dgraft_driver_status *driver;
    struct kv_stats kv;
    uint64_t kv_hash;
    struct kv_service_stats service;
    dgraft_time_ns now_ns; /* on the driver's clock; 0 unknown */
};

/* Returns the text, to free; NULL when there is no memory. */
char *kv_status_json(const struct kv_status *status);

#endif
