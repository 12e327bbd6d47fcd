#include "kv.h"

#include "kv_clients.h"
#include "kv_command.h"
#include "kv_protocol.h"
#include "kv_snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

/* Keys come from strangers: XXH3 spreads what uthash's default would let collide by design more easily. */
#define HASH_FUNCTION(key, length, value) ((value) = (unsigned)XXH3_64bits((key), (length)))
#include <uthash.h>

struct item {
    UT_hash_handle hh;
    uint8_t *value;
    uint32_t value_bytes;
    uint32_t key_bytes;
    uint8_t key[]; /* key_bytes of them */
};

struct kv {
    struct item *items;
    struct kv_clients *clients;
    uint64_t hash;
    struct kv_stats stats;
};

struct kv *kv_new(void)
{
    struct kv *kv = calloc(1, sizeof(*kv));
    if (kv == NULL) {
        return NULL;
    }
    kv->clients = kv_clients_new();
    if (kv->clients == NULL) {
        free(kv);
        return NULL;
    }
    return kv;
}

/* Frees what is in a store, but not the store. */
static void empty(struct kv *kv)
{
    struct item *item = NULL;
    struct item *next = NULL;
    HASH_ITER(hh, kv->items, item, next)
    {
        HASH_DEL(kv->items, item);
        free(item->value);
        free(item);
    }
    kv_clients_free(kv->clients);
}

void kv_free(struct kv *kv)
{
    if (kv == NULL) {
        return;
    }
    empty(kv);
    free(kv);
}

struct dgraft_state_machine kv_machine(struct kv *kv)
{
    return (struct dgraft_state_machine){
        .context = kv, .apply = kv_apply, .snapshot = kv_snapshot, .restore = kv_restore};
}

static struct item *item_find(const struct kv *kv, const uint8_t *key, uint32_t key_bytes)
{
    struct item *item = NULL;
    HASH_FIND(hh, kv->items, key, key_bytes, item);
    return item;
}

static void *memory_or_end(size_t size)
{
    void *memory = malloc(size);
    if (memory == NULL) {
        (void)fputs("kv: out of memory while applying: a state machine that cannot go on ends its process\n", stderr);
        abort();
    }
    return memory;
}

static void item_put(struct kv *kv, const struct kv_command *command)
{
    struct item *item = item_find(kv, command->key, command->key_bytes);
    uint8_t *value = NULL;
    if (command->value_bytes > 0) {
        value = memory_or_end(command->value_bytes);
        memcpy(value, command->value, command->value_bytes);
    }
    if (item == NULL) {
        item = memory_or_end(sizeof(*item) + command->key_bytes);
        memset(item, 0, sizeof(*item));
        item->key_bytes = command->key_bytes;
        memcpy(item->key, command->key, command->key_bytes);
        HASH_ADD_KEYPTR(hh, kv->items, item->key, item->key_bytes, item);
        kv->stats.keys++;
        kv->stats.bytes += item->key_bytes;
    }
    kv->stats.bytes = kv->stats.bytes - item->value_bytes + command->value_bytes;
    free(item->value);
    item->value = value;
    item->value_bytes = command->value_bytes;
}

static void item_delete(struct kv *kv, const struct kv_command *command)
{
    struct item *item = item_find(kv, command->key, command->key_bytes);
    if (item == NULL) {
        return;
    }
    HASH_DEL(kv->items, item);
    kv->stats.keys--;
    kv->stats.bytes -= (uint64_t)item->key_bytes + item->value_bytes;
    free(item->value);
    free(item);
}

static void apply_one(struct kv *kv, const struct dgraft_applied *entry)
{
    struct kv_command command;
    uint64_t place[2] = {entry->position.index, entry->tag};
    kv->hash = XXH3_64bits_withSeed(place, sizeof(place), kv->hash);
    kv->hash = XXH3_64bits_withSeed(entry->payload, entry->payload_bytes, kv->hash);
    kv->stats.applied = entry->position.index;
    kv->stats.commands++;
    if (kv_command_parse(entry->tag, entry->payload, entry->payload_bytes, &command) != NULL) {
        kv->stats.ignored++;
    } else if (!kv_clients_note(kv->clients, command.client, command.sequence, entry->position.index)) {
        kv->stats.repeated++;
    } else if (entry->tag == KV_PUT) {
        item_put(kv, &command);
    } else {
        item_delete(kv, &command);
    }
}

void kv_apply(void *context, const struct dgraft_applied *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        apply_one(context, &entries[i]);
    }
}

bool kv_snapshot(void *context, struct dgraft_snapshot_writer *writer)
{
    const struct kv *kv = context;
    const struct kv_stats *stats = &kv->stats;
    uint8_t head[KV_SNAPSHOT_HEAD_BYTES] = {0};
    dgraft_put_u32(head, KV_SNAPSHOT_MAGIC);
    dgraft_put_u64(head + 8, kv->hash);
    dgraft_put_u64(head + 16, stats->applied);
    dgraft_put_u64(head + 24, stats->commands);
    dgraft_put_u64(head + 32, stats->repeated);
    dgraft_put_u64(head + 40, stats->ignored);
    dgraft_put_u64(head + 48, stats->keys);
    dgraft_put_u64(head + 56, kv_clients_count(kv->clients));
    bool written = dgraft_snapshot_write(writer, head, sizeof(head));
    for (const struct item *item = kv->items; item != NULL && written; item = item->hh.next) {
        uint8_t sizes[8];
        dgraft_put_u32(sizes, item->key_bytes);
        dgraft_put_u32(sizes + 4, item->value_bytes);
        written = dgraft_snapshot_write(writer, sizes, sizeof(sizes)) &&
                  dgraft_snapshot_write(writer, item->key, item->key_bytes) &&
                  dgraft_snapshot_write(writer, item->value, item->value_bytes);
    }
    return written && kv_clients_write(kv->clients, writer);
}

/* Reads one key and its value. Returns false when they are none, or for want of memory. */
static bool item_read(struct kv *kv, struct kv_reader *reader)
{
    const uint8_t *sizes = kv_reader_take(reader, 8);
    const uint32_t key_bytes = sizes == NULL ? 0 : dgraft_get_u32(sizes);
    const uint32_t value_bytes = sizes == NULL ? 0 : dgraft_get_u32(sizes + 4);
    if (key_bytes == 0 || key_bytes > KV_KEY_BYTES_MAX || value_bytes > KV_VALUE_BYTES_MAX) {
        return false;
    }
    const uint8_t *key = kv_reader_take(reader, key_bytes);
    const uint8_t *value = kv_reader_take(reader, value_bytes);
    if (key == NULL || value == NULL || item_find(kv, key, key_bytes) != NULL) {
        return false;
    }
    struct item *item = calloc(1, sizeof(*item) + key_bytes);
    uint8_t *copy = value_bytes > 0 ? malloc(value_bytes) : NULL;
    if (item == NULL || (copy == NULL && value_bytes > 0)) {
        free(item);
        free(copy);
        return false;
    }
    if (copy != NULL) {
        memcpy(copy, value, value_bytes);
    }
    item->value = copy;
    item->value_bytes = value_bytes;
    item->key_bytes = key_bytes;
    memcpy(item->key, key, key_bytes);
    HASH_ADD_KEYPTR(hh, kv->items, item->key, item->key_bytes, item);
    kv->stats.bytes += (uint64_t)key_bytes + value_bytes;
    return true;
}

static bool read_all(struct kv *kv, struct kv_reader *reader)
{
    const uint8_t *head = kv_reader_take(reader, KV_SNAPSHOT_HEAD_BYTES);
    if (head == NULL || dgraft_get_u32(head) != KV_SNAPSHOT_MAGIC || dgraft_get_u32(head + 4) != 0) {
        return false;
    }
    kv->hash = dgraft_get_u64(head + 8);
    kv->stats = (struct kv_stats){.applied = dgraft_get_u64(head + 16),
                                  .commands = dgraft_get_u64(head + 24),
                                  .repeated = dgraft_get_u64(head + 32),
                                  .ignored = dgraft_get_u64(head + 40),
                                  .keys = dgraft_get_u64(head + 48)};
    for (uint64_t n = 0; n < kv->stats.keys; n++) {
        if (!item_read(kv, reader)) {
            return false;
        }
    }
    return kv_clients_read(kv->clients, dgraft_get_u64(head + 56), reader) && reader->left == 0;
}

bool kv_restore(void *context, const uint8_t *bytes, size_t size)
{
    struct kv *kv = context;
    struct kv next = {.clients = kv_clients_new()};
    struct kv_reader reader = {.at = bytes, .left = size};
    if (next.clients == NULL || !read_all(&next, &reader)) {
        empty(&next);
        return false;
    }
    empty(kv);
    *kv = next;
    return true;
}

bool kv_find(const struct kv *kv, const uint8_t *key, uint32_t key_bytes, const uint8_t **value, uint32_t *value_bytes)
{
    const struct item *item = item_find(kv, key, key_bytes);
    if (item == NULL) {
        return false;
    }
    *value = item->value;
    *value_bytes = item->value_bytes;
    return true;
}

uint64_t kv_done(const struct kv *kv, uint64_t client, uint64_t sequence)
{
    return kv_clients_index(kv->clients, client, sequence);
}

uint64_t kv_hash(const struct kv *kv)
{
    return kv->hash;
}

void kv_stats(const struct kv *kv, struct kv_stats *stats)
{
    *stats = kv->stats;
}
