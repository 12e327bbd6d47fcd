/* A client of raftd: finds the leader, asks again until somebody answers or time is up.
 *
 * Every request keeps its (client, sequence) through all retries, so that raftd does it once. Several may be under way.
 * One thread; nothing happens but in a call.
 *
 *     kv_client_begin(client, &ask);            any number up to KV_ASKS_MAX
 *     while (ask.fate == KV_UNDER_WAY) kv_client_turn(client, wait);
 *     ... ask.answer ...
 *     kv_ask_clear(&ask);
 */
#ifndef KV_CLIENT_H
#define KV_CLIENT_H

#include <dgraft/frame.h>
#include <dgraft/transport.h>
#include <kv_protocol.h>

#define KV_ASKS_MAX    64u /* under way at once */
#define KV_SERVERS_MAX 64u
#define KV_WHY_BYTES   512u

struct kv_client; /* opaque */

enum kv_fate {
    KV_UNDER_WAY = 0,
    KV_DONE = 1,       /* the answer is there */
    KV_REFUSED = 2,    /* never done, and why says the reason */
    KV_IN_DOUBT = 3,   /* time is up: it may have been done, or may still be */
    KV_UNREACHABLE = 4 /* nobody answered at all; what was sent may be done all the same */
};

/* A request. The first part is the caller's; all of it and the payload are retained until fate is no longer
 * KV_UNDER_WAY. */
struct kv_ask {
    uint32_t kind; /* enum kv_kind */
    const uint8_t *payload;
    uint32_t payload_bytes;
    int server; /* KV_LEADER, or the place of the only server to ask */

    enum kv_fate fate;
    const uint8_t *answer; /* view into buffer */
    size_t answer_bytes;
    struct dgraft_buffer *buffer; /* a reference of the caller's: kv_ask_clear gives it back */
    uint64_t index;               /* of the entry that did it; 0 none */
    uint32_t leader;              /* as the answer says; 0 it says nothing */
    char why[KV_WHY_BYTES];       /* one sentence, unless KV_DONE; what a server said is in it as it came */

    uint64_t sequence; /* from here on the client's own */
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    size_t head_bytes;
    size_t padding;
    dgraft_time_ns deadline_ns;
    dgraft_time_ns sent_at_ns;
    dgraft_time_ns retry_at_ns;
    dgraft_time_ns wait_ns; /* for an answer, before the next try */
    unsigned sent_to;
    unsigned turned_away; /* times in a row that somebody answered without doing it */
    bool awaiting;        /* the newest try has no answer yet */
    bool doubtful;        /* an older try never had one */
    bool answered;        /* by anybody, with anything */
    bool timed_out;
};

#define KV_LEADER (-1)

/* Opens a client of the servers "HOST:PORT,HOST:PORT,...". *why gets one sentence on failure. Returns OK, ADDRESS,
 * NETWORK, NO_MEMORY. */
DGRAFT_MUST_USE enum dgraft_status kv_client_open(const char *servers, dgraft_time_ns timeout_ns,
                                                  struct kv_client **out, char *why, size_t why_bytes);

/* Forgets what is under way. NULL is ignored. */
void kv_client_close(struct kv_client *client);

/* Begins a request; it ends by the client's timeout. Returns false, and nothing is retained, while as many are under
 * way as may be: KV_ASKS_MAX, or one that is so old that raftd could forget its sequence if newer ones were done
 * before. */
bool kv_client_begin(struct kv_client *client, struct kv_ask *ask);

/* Sends, waits at most wait_ns for something to happen, and receives. */
void kv_client_turn(struct kv_client *client, dgraft_time_ns wait_ns);

/* Begins a request and waits for its end. */
void kv_client_call(struct kv_client *client, struct kv_ask *ask);

/* Returns whether a request ended because its time was up, rather than by an answer. */
bool kv_ask_timed_out(const struct kv_ask *ask);

/* The client's clock: nanoseconds that never step back. */
dgraft_time_ns kv_clock(void);

/* Gives the answer's buffer back. */
void kv_ask_clear(struct kv_ask *ask);

/* The servers known: those it was opened with, and those that servers named since. */
unsigned kv_client_server_count(const struct kv_client *client);
const char *kv_client_server(const struct kv_client *client, unsigned place);

/* Adds a server unless its address is known. Returns its place; -1 when the text is no address or there is no room. */
int kv_client_server_add(struct kv_client *client, const char *text);

/* Writes the payload's bytes in front of the value: head and key. Returns how many: 8 + key_bytes. */
size_t kv_payload_begin(uint8_t *out, const void *key, uint32_t key_bytes);

#endif
