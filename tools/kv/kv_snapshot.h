/* The store as bytes, for a snapshot. Little-endian; what is read may come from anybody.
 *
 *   offset  width  field
 *        0      4  magic "kvs1"
 *        4      4  0
 *        8     48  hash, applied, commands, repeated, ignored, keys: u64 each (kv.h)
 *       56      8  clients
 *       64      -  each key: its length u32, the value's length u32, key, value; in any order
 *        -      -  each client, the one heard longest ago first: id u64, newest sequence u64, KV_CLIENT_WINDOW times
 * the index of the entry that did sequence s, at s modulo the window, u64; 0: none
 */
#ifndef KV_SNAPSHOT_H
#define KV_SNAPSHOT_H

#include "kv_clients.h"

#include <dgraft/driver.h>
#include <dgraft/record.h>

#define KV_SNAPSHOT_MAGIC        0x3173766bu
#define KV_SNAPSHOT_HEAD_BYTES   64u
#define KV_SNAPSHOT_CLIENT_BYTES (16u + 8u * KV_CLIENT_WINDOW)

/* What is left to be read. */
struct kv_reader {
    const uint8_t *at;
    size_t left;
};

/* Returns the next bytes, or NULL when there are not so many. */
static inline const uint8_t *kv_reader_take(struct kv_reader *reader, size_t size)
{
    const uint8_t *at = reader->at;
    if (size > reader->left) {
        return NULL;
    }
    reader->at += size;
    reader->left -= size;
    return at;
}

/* kv_clients.c */
bool kv_clients_write(const struct kv_clients *clients, struct dgraft_snapshot_writer *writer);

/* Reads so many clients into a table that is empty. Returns false when they are not what write writes, or for want of
 * memory. */
bool kv_clients_read(struct kv_clients *clients, uint64_t count, struct kv_reader *reader);

#endif
