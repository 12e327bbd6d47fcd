/* Whom a client may ask. */
#include "kv_client_state.h"

#include <assert.h>
#include <string.h>

unsigned kv_client_server_count(const struct kv_client *client)
{
    return client->server_count;
}

const char *kv_client_server(const struct kv_client *client, unsigned place)
{
    return client->servers[place].text;
}

int kv_client_server_add(struct kv_client *client, const char *text)
{
    struct kv_server server = {.heard_at_ns = 0};
    char why[1];
    size_t size = strlen(text);
    if (size >= sizeof server.text || dgraft_udp_resolve(text, &server.address, why, sizeof why) != DGRAFT_OK) {
        return -1;
    }
    for (unsigned i = 0; i < client->server_count; i++) {
        if (dgraft_address_equal(&client->servers[i].address, &server.address)) {
            return (int)i;
        }
    }
    if (client->server_count == KV_SERVERS_MAX) {
        return -1;
    }
    memcpy(server.text, text, size);
    client->servers[client->server_count] = server;
    return (int)client->server_count++;
}

void kv_client_aim_next(struct kv_client *client, dgraft_time_ns now_ns)
{
    assert(client->server_count > 0);
    unsigned next = client->target;
    for (unsigned i = 0; i < client->server_count; i++) {
        next = (next + 1) % client->server_count;
        if (client->servers[next].silent_until_ns <= now_ns) {
            client->target = next;
            return;
        }
    }
    client->target = (client->target + 1) % client->server_count;
}
