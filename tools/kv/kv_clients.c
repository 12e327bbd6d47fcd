#include "kv_clients.h"

#include "kv_snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include <uthash.h>

struct client {
    uint64_t id;
    uint64_t newest; /* sequence */
    /* Entry that did sequence s, at s % KV_CLIENT_WINDOW; 0 none. Sequences above newest - KV_CLIENT_WINDOW only. */
    uint64_t indexes[KV_CLIENT_WINDOW];
    UT_hash_handle hh;
};

struct kv_clients {
    struct client *table; /* in the order of their last command, oldest first */
};

struct kv_clients *kv_clients_new(void)
{
    return calloc(1, sizeof(struct kv_clients));
}

void kv_clients_free(struct kv_clients *clients)
{
    if (clients == NULL) {
        return;
    }
    struct client *client = NULL;
    struct client *next = NULL;
    HASH_ITER(hh, clients->table, client, next)
    {
        HASH_DEL(clients->table, client);
        free(client);
    }
    free(clients);
}

/* Returns the client as the one heard last; a new one takes the place of the oldest when there are too many. */
static struct client *client_touch(struct kv_clients *clients, uint64_t id)
{
    struct client *client = NULL;
    HASH_FIND(hh, clients->table, &id, sizeof(id), client);
    if (client != NULL && client->hh.next == NULL) {
        return client; /* the last already: the common case costs nothing */
    }
    if (client != NULL) {
        HASH_DEL(clients->table, client);
    } else if (HASH_COUNT(clients->table) >= KV_CLIENTS_MAX) {
        client = clients->table;
        HASH_DEL(clients->table, client);
        *client = (struct client){.id = id};
    } else {
        client = calloc(1, sizeof(*client));
        if (client == NULL) {
            (void)fputs("kv: out of memory while applying: a state machine that cannot go on ends its process\n",
                        stderr);
            abort();
        }
        client->id = id;
    }
    HASH_ADD(hh, clients->table, id, sizeof(client->id), client);
    return client;
}

/* Makes room in the window up to this sequence. */
static void client_advance(struct client *client, uint64_t sequence)
{
    if (sequence - client->newest >= KV_CLIENT_WINDOW) {
        memset(client->indexes, 0, sizeof(client->indexes));
    } else {
        for (uint64_t s = client->newest + 1; s < sequence; s++) {
            client->indexes[s % KV_CLIENT_WINDOW] = 0;
        }
    }
    client->newest = sequence;
}

static bool client_covers(const struct client *client, uint64_t sequence)
{
    return sequence <= client->newest && client->newest - sequence < KV_CLIENT_WINDOW;
}

bool kv_clients_note(struct kv_clients *clients, uint64_t id, uint64_t sequence, uint64_t index)
{
    if (id == 0 || sequence == 0) {
        return true;
    }
    struct client *client = client_touch(clients, id);
    bool fresh = true;
    if (sequence > client->newest) {
        client_advance(client, sequence);
        client->indexes[sequence % KV_CLIENT_WINDOW] = index;
    } else if (client_covers(client, sequence)) {
        fresh = client->indexes[sequence % KV_CLIENT_WINDOW] == 0;
        if (fresh) {
            client->indexes[sequence % KV_CLIENT_WINDOW] = index;
        }
    }
    return fresh;
}

uint64_t kv_clients_index(const struct kv_clients *clients, uint64_t id, uint64_t sequence)
{
    struct client *client = NULL;
    HASH_FIND(hh, clients->table, &id, sizeof(id), client);
    if (client == NULL || sequence == 0 || !client_covers(client, sequence)) {
        return 0;
    }
    return client->indexes[sequence % KV_CLIENT_WINDOW];
}

size_t kv_clients_count(const struct kv_clients *clients)
{
    return HASH_COUNT(clients->table);
}

bool kv_clients_write(const struct kv_clients *clients, struct dgraft_snapshot_writer *writer)
{
    for (const struct client *client = clients->table; client != NULL; client = client->hh.next) {
        uint8_t bytes[KV_SNAPSHOT_CLIENT_BYTES];
        dgraft_put_u64(bytes, client->id);
        dgraft_put_u64(bytes + 8, client->newest);
        for (uint32_t i = 0; i < KV_CLIENT_WINDOW; i++) {
            dgraft_put_u64(bytes + 16 + 8 * (size_t)i, client->indexes[i]);
        }
        if (!dgraft_snapshot_write(writer, bytes, sizeof(bytes))) {
            return false;
        }
    }
    return true;
}

bool kv_clients_read(struct kv_clients *clients, uint64_t count, struct kv_reader *reader)
{
    if (count > KV_CLIENTS_MAX) {
        return false;
    }
    for (uint64_t n = 0; n < count; n++) {
        const uint8_t *bytes = kv_reader_take(reader, KV_SNAPSHOT_CLIENT_BYTES);
        const uint64_t id = bytes == NULL ? 0 : dgraft_get_u64(bytes);
        struct client *client = NULL;
        HASH_FIND(hh, clients->table, &id, sizeof(id), client);
        if (bytes == NULL || id == 0 || client != NULL) {
            return false;
        }
        client = calloc(1, sizeof(*client));
        if (client == NULL) {
            return false;
        }
        client->id = id;
        client->newest = dgraft_get_u64(bytes + 8);
        for (uint32_t i = 0; i < KV_CLIENT_WINDOW; i++) {
            client->indexes[i] = dgraft_get_u64(bytes + 16 + 8 * (size_t)i);
        }
        HASH_ADD(hh, clients->table, id, sizeof(client->id), client);
    }
    return true;
}
