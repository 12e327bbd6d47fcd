#include "kv_client_state.h"

#include <assert.h>
#include <dgraft/record.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define MS UINT64_C(1000000)

#define WAIT_FIRST_NS     (150 * MS) /* longer than a commit takes when nothing is wrong */
#define WAIT_MAX_NS       (1000 * MS)
#define SILENT_NS         (500 * MS)
#define WAIT_PER_BYTE_NS  125u /* 8 MB/s: what a large value may need on its way */
#define SPAN_MAX          32u  /* raftd remembers the newest 64 sequences of a client: stay well within */
#define MESSAGE_BYTES_MAX (KV_VALUE_BYTES_MAX + KV_KEY_BYTES_MAX + 4096u)
#define MEMORY_BYTES_MAX  (32u * 1024 * 1024)

dgraft_time_ns kv_clock(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool random_bytes(void *out, size_t size)
{
    return getrandom(out, size, 0) == (ssize_t)size;
}

/* Adds the servers of a list "HOST:PORT,HOST:PORT". */
static enum dgraft_status servers_parse(struct kv_client *client, const char *list, char *why, size_t why_bytes)
{
    for (const char *at = list; at != NULL;) {
        const char *comma = strchr(at, ',');
        size_t size = comma != NULL ? (size_t)(comma - at) : strlen(at);
        char text[DGRAFT_ADDRESS_TEXT_BYTES];
        struct dgraft_address address;
        if (size >= sizeof text) {
            snprintf(why, why_bytes, "the address %.40s... is longer than %zu characters", at, sizeof text - 1);
            return DGRAFT_STATUS_ADDRESS;
        }
        memcpy(text, at, size);
        text[size] = 0;
        enum dgraft_status status = dgraft_udp_resolve(text, &address, why, why_bytes);
        if (status != DGRAFT_OK) {
            return status;
        }
        if (kv_client_server_add(client, text) < 0) {
            snprintf(why, why_bytes, "more than %u servers: name some of them, the others are found", KV_SERVERS_MAX);
            return DGRAFT_STATUS_ADDRESS;
        }
        at = comma != NULL ? comma + 1 : NULL;
    }
    return DGRAFT_OK;
}

static enum dgraft_status network_open(struct kv_client *client, char *why, size_t why_bytes)
{
    struct dgraft_udp_options options = {.listen = NULL};
    struct dgraft_fragments_options fragments = {.message_bytes_max = MESSAGE_BYTES_MAX,
                                                 .incoming_bytes_max = MEMORY_BYTES_MAX,
                                                 .outgoing_bytes_max = MEMORY_BYTES_MAX};
    if (!random_bytes(&fragments.seed, sizeof fragments.seed) || !random_bytes(&client->id, sizeof client->id)) {
        snprintf(why, why_bytes, "the system gives no random numbers: %s", strerror(errno));
        return DGRAFT_STATUS_IO;
    }
    client->id |= 1; /* 0 names nobody */
    enum dgraft_status status = dgraft_udp_open(&options, &client->transport, why, why_bytes);
    if (status != DGRAFT_OK) {
        return status;
    }
    status = dgraft_fragments_open(&fragments, client->transport, &client->fragments);
    if (status != DGRAFT_OK) {
        snprintf(why, why_bytes, "%s", dgraft_status_text(status));
    }
    return status;
}

enum dgraft_status kv_client_open(const char *servers, dgraft_time_ns timeout_ns, struct kv_client **out, char *why,
                                  size_t why_bytes)
{
    struct kv_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        snprintf(why, why_bytes, "out of memory");
        return DGRAFT_STATUS_NO_MEMORY;
    }
    client->timeout_ns = timeout_ns;
    enum dgraft_status status = servers_parse(client, servers, why, why_bytes);
    if (status == DGRAFT_OK) {
        status = network_open(client, why, why_bytes);
    }
    if (status != DGRAFT_OK) {
        kv_client_close(client);
        return status;
    }
    *out = client;
    return DGRAFT_OK;
}

void kv_client_close(struct kv_client *client)
{
    if (client == NULL) {
        return;
    }
    if (client->fragments != NULL) {
        dgraft_fragments_close(client->fragments);
    }
    if (client->transport != NULL) {
        client->transport->ops->close(client->transport);
    }
    free(client);
}

size_t kv_payload_begin(uint8_t *out, const void *key, uint32_t key_bytes)
{
    dgraft_put_u32(out, key_bytes);
    dgraft_put_u32(out + 4, 0);
    memcpy(out + 8, key, key_bytes);
    return 8 + (size_t)key_bytes;
}

void kv_client_finish(struct kv_client *client, struct kv_ask *ask, enum kv_fate fate, const char *format, ...)
{
    unsigned place = 0;
    while (place < client->ask_count && client->asks[place] != ask) {
        place++;
    }
    assert(place < client->ask_count);
    memmove(&client->asks[place], &client->asks[place + 1], (client->ask_count - place - 1) * sizeof(client->asks[0]));
    client->ask_count--;
    ask->fate = fate;
    ask->why[0] = 0;
    if (format != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(ask->why, sizeof ask->why, format, arguments);
        va_end(arguments);
    }
}

void kv_client_expire(struct kv_client *client, struct kv_ask *ask)
{
    char asked[256] = "";
    ask->timed_out = true;
    unsigned first = ask->server == KV_LEADER ? 0 : (unsigned)ask->server;
    unsigned end = ask->server == KV_LEADER ? client->server_count : first + 1;
    for (unsigned i = first; i < end; i++) {
        size_t used = strlen(asked);
        snprintf(asked + used, sizeof asked - used, "%s%s", i == first ? "" : ", ", client->servers[i].text);
    }
    double seconds = (double)client->timeout_ns / 1e9;
    const char *changes =
        ask->kind == KV_PUT || ask->kind == KV_DELETE ? " (the change may have been made all the same)" : "";
    if (!ask->answered) {
        kv_client_finish(client, ask, KV_UNREACHABLE,
                         "no answer within %g s from %s%s: is raftd running there, and the address right?", seconds,
                         asked, changes);
    } else if (ask->awaiting || ask->doubtful) {
        kv_client_finish(client, ask, KV_IN_DOUBT,
                         "not known to be done within %g s%s: asked %s; try again, or see "
                         "`raftctl status`",
                         seconds, changes, asked);
    } else {
        kv_client_finish(client, ask, KV_REFUSED,
                         "not done: nobody led or had room within %g s; asked %s; see `raftctl "
                         "status`",
                         seconds, asked);
    }
}

void kv_client_send(struct kv_client *client, struct kv_ask *ask, dgraft_time_ns now_ns)
{
    static const uint8_t zeros[8];
    ask->doubtful = ask->doubtful || ask->awaiting;
    ask->sent_to = ask->server == KV_LEADER ? client->target : (unsigned)ask->server;
    ask->sent_at_ns = now_ns;
    ask->retry_at_ns = now_ns + ask->wait_ns + (dgraft_time_ns)ask->payload_bytes * WAIT_PER_BYTE_NS;
    ask->wait_ns = ask->wait_ns * 2 < WAIT_MAX_NS ? ask->wait_ns * 2 : WAIT_MAX_NS;
    const struct iovec pieces[3] = {{.iov_base = ask->head, .iov_len = ask->head_bytes},
                                    {.iov_base = (void *)(uintptr_t)ask->payload, .iov_len = ask->payload_bytes},
                                    {.iov_base = (void *)(uintptr_t)zeros, .iov_len = ask->padding}};
    const struct dgraft_address *address = &client->servers[ask->sent_to].address;
    size_t bytes = ask->head_bytes + ask->payload_bytes + ask->padding;
    enum dgraft_status status;
    if (bytes <= client->transport->datagram_bytes_max) {
        struct dgraft_outgoing outgoing = {
            .address = *address, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = pieces, .piece_count = 3};
        status = client->transport->ops->send(client->transport, &outgoing);
    } else {
        status = dgraft_fragments_send(client->fragments, now_ns, address, ask->sequence, pieces, 3);
        client->fragments_at_ns = 0;
    }
    ask->awaiting = status == DGRAFT_OK; /* otherwise no byte left, and the retry comes all the same */
}

bool kv_client_begin(struct kv_client *client, struct kv_ask *ask)
{
    if (client->ask_count == KV_ASKS_MAX) {
        return false;
    }
    /* The list is in the order of begin: its first is the oldest. Reads and status are not remembered by raftd. */
    if (client->ask_count > 0 && client->sequence - client->asks[0]->sequence >= SPAN_MAX && ask->kind != KV_STATUS) {
        return false;
    }
    dgraft_time_ns now = kv_clock();
    const struct dgraft_frame_header header = {.cluster = 0};
    ask->fate = KV_UNDER_WAY;
    ask->answer = NULL;
    ask->answer_bytes = 0;
    ask->buffer = NULL;
    ask->sequence = ++client->sequence;
    ask->deadline_ns = now + client->timeout_ns;
    ask->wait_ns = WAIT_FIRST_NS;
    ask->turned_away = 0;
    ask->awaiting = false;
    ask->doubtful = false;
    ask->answered = false;
    ask->timed_out = false;
    const struct dgraft_client_request request = {.client = client->id,
                                                  .sequence = ask->sequence,
                                                  .payload = ask->payload,
                                                  .payload_bytes = ask->payload_bytes,
                                                  .kind = ask->kind};
    ask->head_bytes = dgraft_frame_encode_request(&header, &request, ask->head, &ask->padding);
    client->asks[client->ask_count++] = ask;
    kv_client_send(client, ask, now);
    return true;
}

/* Nothing came: ask another server, unless this one is alive and only slow. */
static void turn_from_silence(struct kv_client *client, struct kv_ask *ask, dgraft_time_ns now_ns)
{
    struct kv_server *server = &client->servers[ask->sent_to];
    if (ask->server != KV_LEADER || !ask->awaiting || server->heard_at_ns >= ask->sent_at_ns) {
        return;
    }
    server->silent_until_ns = now_ns + SILENT_NS;
    ask->wait_ns = WAIT_FIRST_NS;
    if (ask->sent_to == client->target) { /* else another request turned from it already */
        kv_client_aim_next(client, now_ns);
    }
}

/* Ends what is too old and sends again what is due. Returns when the next is. */
static dgraft_time_ns asks_wake(struct kv_client *client, dgraft_time_ns now_ns)
{
    dgraft_time_ns next = UINT64_MAX;
    for (unsigned i = 0; i < client->ask_count;) {
        struct kv_ask *ask = client->asks[i];
        if (now_ns >= ask->deadline_ns) {
            kv_client_expire(client, ask); /* takes it off the list */
            continue;
        }
        if (now_ns >= ask->retry_at_ns) {
            turn_from_silence(client, ask, now_ns);
            kv_client_send(client, ask, now_ns);
        }
        next = ask->retry_at_ns < next ? ask->retry_at_ns : next;
        next = ask->deadline_ns < next ? ask->deadline_ns : next;
        i++;
    }
    return next;
}

void kv_client_turn(struct kv_client *client, dgraft_time_ns wait_ns)
{
    dgraft_time_ns now = kv_clock();
    dgraft_time_ns until = asks_wake(client, now);
    if (now >= client->fragments_at_ns) {
        client->fragments_at_ns = dgraft_fragments_wake(client->fragments, now);
    }
    client->transport->ops->flush(client->transport);
    if (client->ask_count == 0) {
        return;
    }
    until = client->fragments_at_ns < until ? client->fragments_at_ns : until;
    dgraft_time_ns wait = until > now ? until - now : 0;
    wait = wait < wait_ns ? wait : wait_ns;
    wait = (wait + MS - 1) / MS;
    struct pollfd ready = {.fd = client->transport->ops->descriptor(client->transport), .events = POLLIN};
    (void)poll(&ready, 1, wait < 60000 ? (int)wait : 60000);
    kv_client_receive(client, kv_clock());
    client->transport->ops->flush(client->transport); /* acknowledgements of fragments */
}

void kv_client_call(struct kv_client *client, struct kv_ask *ask)
{
    bool begun = kv_client_begin(client, ask);
    assert(begun); /* nothing else is under way */
    (void)begun;
    while (ask->fate == KV_UNDER_WAY) {
        kv_client_turn(client, UINT64_MAX);
    }
}

bool kv_ask_timed_out(const struct kv_ask *ask)
{
    return ask->timed_out;
}

void kv_ask_clear(struct kv_ask *ask)
{
    dgraft_buffer_release(ask->buffer);
    ask->buffer = NULL;
    ask->answer = NULL;
}
