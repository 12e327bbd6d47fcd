/* The key-value store: a state machine for dgraft, kept in memory.
 *
 * Everything here follows from the applied commands alone, so that replicas that applied the same log are equal; a
 * command that is malformed changes nothing, and is counted.
 */
#ifndef KV_H
#define KV_H

#include <dgraft/driver.h>

struct kv; /* opaque */

/* Returns NULL when there is no memory. */
struct kv *kv_new(void);
void kv_free(struct kv *kv);

/* The state machine's door; kv is retained by whoever gets it. Ends the process when there is no memory: a replica
 * that skipped a command would differ from the others for ever. */
struct dgraft_state_machine kv_machine(struct kv *kv);

/* Applies entries in order: struct dgraft_state_machine's apply with a struct kv as context. */
void kv_apply(void *context, const struct dgraft_applied *entries, size_t count);

/* Writes all of the store, and replaces it by what was written; see struct dgraft_state_machine. A store that cannot be
 * restored, because the bytes are not a store's or for want of memory, is as before. */
bool kv_snapshot(void *context, struct dgraft_snapshot_writer *writer);
bool kv_restore(void *context, const uint8_t *bytes, size_t size);

/* Looks a key up. Returns false when it is not there; otherwise *value views the store until the next apply. */
bool kv_find(const struct kv *kv, const uint8_t *key, uint32_t key_bytes, const uint8_t **value, uint32_t *value_bytes);

/* Returns the index of the entry that did this request of a client; 0 when none is known here. */
uint64_t kv_done(const struct kv *kv, uint64_t client, uint64_t sequence);

/* A running hash over every applied command: its index, tag and payload, chained in order. Two stores with the same
 * `applied` and the same hash have applied the same. */
uint64_t kv_hash(const struct kv *kv);

struct kv_stats {
    uint64_t keys;
    uint64_t bytes;   /* of keys and values */
    uint64_t applied; /* index of the newest command applied */
    uint64_t commands;
    uint64_t repeated; /* of these: done before, and not done again */
    uint64_t ignored;  /* of these: malformed */
};
void kv_stats(const struct kv *kv, struct kv_stats *stats);

#endif
