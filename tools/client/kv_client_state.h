/* What the files of the client share. */
#ifndef KV_CLIENT_STATE_H
#define KV_CLIENT_STATE_H

#include "kv_client.h"

#include <dgraft/fragment.h>
#include <dgraft/membership.h>

struct kv_server {
    char text[DGRAFT_ADDRESS_TEXT_BYTES];
    struct dgraft_address address;
    dgraft_time_ns heard_at_ns;     /* 0: never */
    dgraft_time_ns silent_until_ns; /* it did not answer: not worth a try before, if there is another */
};

struct kv_client {
    struct dgraft_transport *transport;
    struct dgraft_fragments *fragments;
    struct kv_server servers[KV_SERVERS_MAX];
    unsigned server_count;
    unsigned target; /* who is thought to lead */
    uint64_t id;
    uint64_t sequence; /* of the newest request */
    dgraft_time_ns timeout_ns;
    dgraft_time_ns fragments_at_ns; /* when they want to be woken */
    struct kv_ask *asks[KV_ASKS_MAX];
    unsigned ask_count;
};

/* Ends a request. The format says why; NULL when it is done. */
__attribute__((format(printf, 4, 5))) void kv_client_finish(struct kv_client *client, struct kv_ask *ask,
                                                            enum kv_fate fate, const char *format, ...);

/* Ends a request whose time is up, in the words that fit what is known of it. */
void kv_client_expire(struct kv_client *client, struct kv_ask *ask);

/* Sends a request, for the first time or again. */
void kv_client_send(struct kv_client *client, struct kv_ask *ask, dgraft_time_ns now_ns);

/* Aims at the next server in turn; those that were silent just now only when all were. */
void kv_client_aim_next(struct kv_client *client, dgraft_time_ns now_ns);

/* Takes what arrived. */
void kv_client_receive(struct kv_client *client, dgraft_time_ns now_ns);

#endif
