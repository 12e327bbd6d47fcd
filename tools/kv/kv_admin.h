/* What operators ask of a raftd besides its data: a transfer of leadership. One at a time; others are answered BUSY. */
#ifndef KV_ADMIN_H
#define KV_ADMIN_H

#include <dgraft/driver.h>

#define KV_TRANSFER_BYTES 8u

/* The request under way. Begins as zero. */
struct kv_admin {
    struct dgraft_driver *driver; /* NULL: none is under way */
    uint64_t client;
    uint64_t sequence;
    struct dgraft_address source;
    struct dgraft_transfer transfer;
};

/* Begins a transfer, or answers why not. */
void kv_admin_transfer(struct kv_admin *admin, struct dgraft_driver *driver, const struct dgraft_request *request);

#endif
