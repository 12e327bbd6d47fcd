/* Which requests of which clients have been applied, so that a retry is not applied again.
 *
 * Part of the replicated state: filled by applied commands alone, so it is the same on every node. It is bounded, and
 * what it has forgotten is applied again: the KV_CLIENTS_MAX clients heard last, and of each the newest
 * KV_CLIENT_WINDOW sequences (a client has several requests under way, and they may be applied in another order).
 */
#ifndef KV_CLIENTS_H
#define KV_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KV_CLIENTS_MAX   4096u
#define KV_CLIENT_WINDOW 64u

struct kv_clients; /* opaque */

/* Returns NULL when there is no memory. */
struct kv_clients *kv_clients_new(void);
void kv_clients_free(struct kv_clients *clients);

/* Notes that the request was applied as entry `index`. Returns false when it had been applied before (nothing is noted
 * then). Client or sequence 0 names nobody: always true. Ends the process when there is no memory. */
bool kv_clients_note(struct kv_clients *clients, uint64_t client, uint64_t sequence, uint64_t index);

/* Returns the index of the entry that did the request; 0 when it was not applied, or is forgotten. */
uint64_t kv_clients_index(const struct kv_clients *clients, uint64_t id, uint64_t sequence);

size_t kv_clients_count(const struct kv_clients *clients);

#endif
