/* What arrives at a client: answers, and what is none. Anybody may send anything; only an answer to a request under way
 * has an effect.
 */
#include "kv_client_state.h"

#include <string.h>

#define BATCH         32u
#define BACK_OFF_NS   (20u * UINT64_C(1000000)) /* after the first time; doubles with each */
#define DOUBLINGS_MAX 4u                        /* 320 ms: an election's time */

static struct kv_ask *find(struct kv_client *client, const struct dgraft_client_answer *answer)
{
    if (answer->client != client->id) {
        return NULL;
    }
    for (unsigned i = 0; i < client->ask_count; i++) {
        if (client->asks[i]->sequence == answer->sequence && client->asks[i]->kind == answer->kind) {
            return client->asks[i];
        }
    }
    return NULL;
}

static void back_off(struct kv_ask *ask, dgraft_time_ns now_ns)
{
    unsigned doublings = ask->turned_away < DOUBLINGS_MAX ? ask->turned_away : DOUBLINGS_MAX;
    ask->turned_away++;
    ask->retry_at_ns = now_ns + (BACK_OFF_NS << doublings);
}

/* Goes where a server that does not lead points to; or, when it knows nobody, to the next one. */
static void follow(struct kv_client *client, struct kv_ask *ask, const struct dgraft_client_answer *answer,
                   dgraft_time_ns now_ns)
{
    char text[DGRAFT_ADDRESS_TEXT_BYTES];
    int place = -1;
    if (answer->payload_bytes > 0 && answer->payload_bytes < sizeof text) {
        memcpy(text, answer->payload, answer->payload_bytes);
        text[answer->payload_bytes] = 0;
        place = kv_client_server_add(client, text);
    }
    /* A follower goes on pointing to a leader that died until another is elected. */
    bool leads_on = place >= 0 && (unsigned)place != ask->sent_to && client->servers[place].silent_until_ns <= now_ns;
    if (client->target == ask->sent_to) { /* else another request's answer moved the aim already */
        if (leads_on) {
            client->target = (unsigned)place;
        } else {
            kv_client_aim_next(client, now_ns);
        }
    }
    if (leads_on && ask->turned_away == 0) {
        ask->turned_away++;
        ask->retry_at_ns = now_ns;
    } else {
        back_off(ask, now_ns); /* two servers may point at each other until one is elected */
    }
}

/* Keeps the answer's bytes for whoever asked. */
static void keep_answer(struct kv_ask *ask, const struct dgraft_client_answer *answer, struct dgraft_buffer *buffer)
{
    ask->answer = answer->payload;
    ask->answer_bytes = answer->payload_bytes;
    ask->buffer = dgraft_buffer_keep(buffer);
    ask->index = answer->index;
    ask->leader = answer->leader;
}

static void take_answer(struct kv_client *client, const struct dgraft_client_answer *answer,
                        const struct dgraft_datagram *message, dgraft_time_ns now_ns)
{
    struct kv_ask *ask = find(client, answer);
    if (ask == NULL) {
        return;
    }
    ask->answered = true;
    if (answer->result == DGRAFT_CLIENT_OK) {
        keep_answer(ask, answer, message->buffer);
        kv_client_finish(client, ask, KV_DONE, NULL);
        return;
    }
    if (answer->result == DGRAFT_CLIENT_REFUSED) {
        kv_client_finish(client, ask, KV_REFUSED, "%.*s",
                         (int)(answer->payload_bytes < 400 ? answer->payload_bytes : 400),
                         (const char *)answer->payload);
        return;
    }
    /* The rest is about one try: that of an older one, late or repeated, says nothing about the newest. */
    if (!ask->awaiting || !dgraft_address_equal(&message->source, &client->servers[ask->sent_to].address)) {
        return;
    }
    ask->awaiting = false;
    if (answer->result == DGRAFT_CLIENT_NOT_LEADER && ask->server == KV_LEADER) {
        follow(client, ask, answer, now_ns);
        return;
    }
    if (answer->result == DGRAFT_CLIENT_UNKNOWN) {
        ask->doubtful = true;
    }
    back_off(ask, now_ns);
}

/* Notes who was heard, so that a silent server is told from a busy one. */
static void note_heard(struct kv_client *client, const struct dgraft_address *source, dgraft_time_ns now_ns)
{
    for (unsigned i = 0; i < client->server_count; i++) {
        if (dgraft_address_equal(&client->servers[i].address, source)) {
            client->servers[i].heard_at_ns = now_ns;
            client->servers[i].silent_until_ns = 0;
        }
    }
}

/* Takes the frames that stand one behind the other in a message. */
static void take_frames(struct kv_client *client, const struct dgraft_datagram *message, dgraft_time_ns now_ns)
{
    size_t at = 0;
    while (at < message->size) {
        struct dgraft_frame frame;
        if (dgraft_frame_decode(message->bytes + at, message->size - at, NULL, 0, &frame) != DGRAFT_ACCEPT) {
            return;
        }
        if (frame.header.type == DGRAFT_FRAME_CLIENT_ANSWER) {
            note_heard(client, &message->source, now_ns);
            take_answer(client, &frame.answer, message, now_ns);
        }
        at += frame.frame_bytes;
    }
}

static void take_datagram(struct kv_client *client, const struct dgraft_datagram *datagram, dgraft_time_ns now_ns)
{
    struct dgraft_datagram message;
    if (!dgraft_fragments_claims(datagram->bytes, datagram->size)) {
        take_frames(client, datagram, now_ns);
        return;
    }
    client->fragments_at_ns = 0;
    if (dgraft_fragments_receive(client->fragments, now_ns, datagram, &message, NULL)) {
        take_frames(client, &message, now_ns);
        dgraft_buffer_release(message.buffer);
    }
}

void kv_client_receive(struct kv_client *client, dgraft_time_ns now_ns)
{
    struct dgraft_datagram batch[BATCH];
    size_t count;
    do {
        count = client->transport->ops->receive(client->transport, batch, BATCH);
        for (size_t i = 0; i < count; i++) {
            take_datagram(client, &batch[i], now_ns);
            dgraft_buffer_release(batch[i].buffer);
        }
    } while (count == BATCH);
}
