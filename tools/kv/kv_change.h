/* Changes of the members that operators ask of a raftd. One at a time; others are answered BUSY. The newest answer is
 * kept, so that a retry whose answer was lost hears it again instead of being told that there is nothing to change.
 */
#ifndef KV_CHANGE_H
#define KV_CHANGE_H

#include <dgraft/driver.h>

#define KV_CHANGE_HEAD_BYTES 16u /* in front of the address */

/* The request under way, or the newest one. Begins as zero. */
struct kv_change {
    struct dgraft_driver *driver; /* NULL: none is under way */
    uint64_t client;
    uint64_t sequence; /* 0: there was none */
    struct dgraft_address source;
    struct dgraft_change change;
    char address[DGRAFT_ADDRESS_TEXT_BYTES];
    enum dgraft_client_result result; /* of the newest, once it is answered */
    char text[256];
};

/* Begins a change, or answers why not. */
void kv_change_ask(struct kv_change *change, struct dgraft_driver *driver, const struct dgraft_request *request);

#endif
