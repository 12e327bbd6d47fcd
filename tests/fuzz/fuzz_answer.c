/* A client of raftd that hears anything from anybody. The input is a list of steps:
 *
 *   1 byte   what: 0 a datagram, 1 the same sealed as a frame, 2 sealed as a fragment, 3 an answer to a request,
 *            4 begin a request, 5 time passes, 6 take a finished request's answer
 *   1 byte   which: of the sources (0 to 3; 3 is no server); kind of request; 10 ms; place of the request
 *   0 to 2:  2 bytes size, then the datagram
 *   3:       request u8, result u8, leader u8, payload size u8, then the payload
 *
 * What a request ends with is what its kind allows, and everything that is kept of an answer lies within it.
 */
#include "numeric_hosts.h"

#include <dgraft/record.h>
#include <kv_client_state.h>
#include <kv_command.h>

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { SOURCES = 4, ASKS = 8, MESSAGE_BYTES_MAX = 8192, MEMORY_BYTES_MAX = 65536, DATAGRAM_BYTES = 600 };

#define MS UINT64_C(1000000)

/* The only datagram that is on its way, and what the client has begun. */
struct scene {
    struct dgraft_transport transport; /* first: the seam */
    struct dgraft_datagram arriving;   /* buffer NULL: none */
    struct kv_client client;
    struct kv_ask asks[ASKS];
    bool begun[ASKS];
    dgraft_time_ns now_ns;
};

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static enum dgraft_status send_checked(struct dgraft_transport *transport, const struct dgraft_outgoing *outgoing)
{
    size_t size = 0;
    for (size_t i = 0; i < outgoing->piece_count; i++) {
        size += outgoing->pieces[i].iov_len;
    }
    require(size > 0 && outgoing->address.size > 0);
    require(outgoing->segment_bytes != 0 || size <= transport->datagram_bytes_max);
    return DGRAFT_OK;
}

static size_t receive_one(struct dgraft_transport *transport, struct dgraft_datagram *out, size_t count)
{
    struct scene *scene = (struct scene *)transport;
    if (scene->arriving.buffer == NULL || count == 0) {
        return 0;
    }
    out[0] = scene->arriving;
    scene->arriving.buffer = NULL;
    return 1;
}

static bool no_peer(const struct dgraft_transport *transport, dgraft_node_id id, struct dgraft_address *out)
{
    *out = (struct dgraft_address){.size = 0};
    return id == 0 && transport->datagram_bytes_max == 0;
}

/* What is sent is looked at when it is sent: nothing waits. */
static void flush_nothing(struct dgraft_transport *transport)
{
    (void)transport;
}

static const struct dgraft_transport_ops ops = {
    .name = "fuzz", .peer_address = no_peer, .send = send_checked, .flush = flush_nothing, .receive = receive_one};

static struct dgraft_address source_of(unsigned which)
{
    static const char *const texts[SOURCES] = {"127.0.0.1:7001", "127.0.0.1:7002", "[::1]:7003", "127.0.0.1:9"};
    struct dgraft_address address;
    char why[1];
    require(dgraft_udp_resolve(texts[which % SOURCES], &address, why, sizeof why) == DGRAFT_OK);
    return address;
}

static void check(const struct scene *scene)
{
    unsigned under_way = 0;
    for (unsigned i = 0; i < ASKS; i++) {
        const struct kv_ask *ask = &scene->asks[i];
        if (!scene->begun[i]) {
            continue;
        }
        under_way += ask->fate == KV_UNDER_WAY ? 1 : 0;
        require(memchr(ask->why, 0, sizeof ask->why) != NULL && (ask->fate != KV_DONE || ask->why[0] == '\0'));
        require(ask->buffer == NULL || ask->fate == KV_DONE);
        if (ask->buffer != NULL && ask->answer != NULL) {
            const size_t at = (size_t)(ask->answer - ask->buffer->bytes);
            require(at <= ask->buffer->capacity && ask->answer_bytes <= ask->buffer->capacity - at);
        }
    }
    require(under_way == scene->client.ask_count);
    require(scene->client.server_count <= KV_SERVERS_MAX && scene->client.target < scene->client.server_count);
}

/* Gives the client one datagram. */
static void arrive(struct scene *scene, unsigned which, const uint8_t *bytes, size_t size)
{
    struct dgraft_buffer *buffer = dgraft_buffer_new(size > 0 ? size : 1);
    require(buffer != NULL);
    memcpy(buffer->bytes, bytes, size);
    scene->arriving =
        (struct dgraft_datagram){.bytes = buffer->bytes, .size = size, .buffer = buffer, .source = source_of(which)};
    kv_client_receive(&scene->client, scene->now_ns);
    require(scene->arriving.buffer == NULL);
}

/* A datagram as it is, or with magic, length and checksum made to fit those of a frame or a fragment. */
static void arrive_sealed(struct scene *scene, unsigned what, unsigned which, const uint8_t *data, size_t size)
{
    static uint8_t bytes[UINT16_MAX];
    memcpy(bytes, data, size);
    if (what != 0 && size >= 16) {
        dgraft_put_u32(bytes, what == 1 ? DGRAFT_FRAME_MAGIC : DGRAFT_FRAGMENT_MAGIC);
        dgraft_put_u32(bytes + 4, (uint32_t)size);
        dgraft_put_u64(bytes + 8, XXH3_64bits_withSeed(bytes + 16, size - 16, dgraft_get_u64(bytes)));
    }
    arrive(scene, which, bytes, size);
}

/* An answer that fits a request, but for what the input makes of it. Returns the bytes of input used. */
static size_t answer(struct scene *scene, unsigned which, const uint8_t *data, size_t size)
{
    uint8_t bytes[DGRAFT_FRAME_HEAD_MAX + 264] = {0};
    size_t padding = 0;
    const struct kv_ask *ask = size < 4 ? NULL : &scene->asks[data[0] % ASKS];
    if (ask == NULL || ask->sequence == 0) {
        return size < 4 ? size : 4;
    }
    const size_t length = data[3] < size - 4 ? data[3] : size - 4;
    memcpy(bytes + DGRAFT_FRAME_HEAD_MAX, data + 4, length);
    const struct dgraft_frame_header header = {.cluster = 5, .from = 1};
    const struct dgraft_client_answer made = {.client = scene->client.id,
                                              .sequence = ask->sequence,
                                              .index = 9,
                                              .payload = bytes + DGRAFT_FRAME_HEAD_MAX,
                                              .payload_bytes = (uint32_t)length,
                                              .kind = ask->kind,
                                              .result = 1 + data[1] % 5u,
                                              .leader = data[2] % (DGRAFT_NODE_ID_MAX + 1)};
    const size_t head = dgraft_frame_encode_answer(&header, &made, bytes, &padding);
    memmove(bytes + head, data + 4, length);
    memset(bytes + head + length, 0, padding);
    arrive(scene, which, bytes, head + length + padding);
    return 4 + length;
}

static void begin(struct scene *scene, unsigned which)
{
    static const uint8_t payload[MESSAGE_BYTES_MAX / 8] = {1, 0, 0, 0, 0, 0, 0, 0, 'k'};
    const uint32_t kind = 1 + which % 4;
    const uint32_t bytes = kind == KV_STATUS ? 0 : kind == KV_PUT ? sizeof payload : KV_KEY_HEAD_BYTES + 1;
    for (unsigned i = 0; i < ASKS; i++) {
        if (!scene->begun[i]) {
            scene->asks[i] = (struct kv_ask){.kind = kind, .payload = payload, .payload_bytes = bytes};
            scene->asks[i].server = (which & 4) != 0 ? (int)(which >> 3) % (int)scene->client.server_count : KV_LEADER;
            scene->begun[i] = kv_client_begin(&scene->client, &scene->asks[i]);
            return;
        }
    }
}

/* What kv_client_turn does as time goes by, without waiting for it. */
static void pass(struct scene *scene, unsigned which)
{
    scene->now_ns += which * 10 * MS;
    for (unsigned i = 0; i < scene->client.ask_count;) {
        struct kv_ask *ask = scene->client.asks[i];
        if (scene->now_ns >= ask->deadline_ns) {
            kv_client_expire(&scene->client, ask);
            continue;
        }
        if (scene->now_ns >= ask->retry_at_ns) {
            kv_client_send(&scene->client, ask, scene->now_ns);
        }
        i++;
    }
    (void)dgraft_fragments_wake(scene->client.fragments, scene->now_ns);
}

static void take(struct scene *scene, unsigned which)
{
    struct kv_ask *ask = &scene->asks[which % ASKS];
    if (scene->begun[which % ASKS] && ask->fate != KV_UNDER_WAY) {
        kv_ask_clear(ask);
        scene->begun[which % ASKS] = false;
    }
}

static void scene_begin(struct scene *scene)
{
    const struct dgraft_fragments_options options = {.seed = 1,
                                                     .message_bytes_max = MESSAGE_BYTES_MAX,
                                                     .incoming_bytes_max = MEMORY_BYTES_MAX,
                                                     .outgoing_bytes_max = MEMORY_BYTES_MAX};
    memset(scene, 0, sizeof *scene);
    scene->transport = (struct dgraft_transport){.ops = &ops, .datagram_bytes_max = DATAGRAM_BYTES};
    scene->client.transport = &scene->transport;
    scene->client.id = 7;
    scene->client.timeout_ns = 5000 * MS;
    require(dgraft_fragments_open(&options, &scene->transport, &scene->client.fragments) == DGRAFT_OK);
    require(kv_client_server_add(&scene->client, "127.0.0.1:7001") == 0);
    require(kv_client_server_add(&scene->client, "127.0.0.1:7002") == 1);
    scene->now_ns = kv_clock();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scene scene;
    scene_begin(&scene);
    require(numeric_hosts_count() > 0);
    for (size_t at = 0; size - at >= 2; check(&scene)) {
        const unsigned what = data[at] % 7u;
        const unsigned which = data[at + 1];
        at += 2;
        if (what <= 2 && size - at >= 2) {
            const size_t wanted = dgraft_get_u16(data + at);
            at += 2;
            const size_t length = wanted < size - at ? wanted : size - at;
            arrive_sealed(&scene, what, which, data + at, length);
            at += length;
        } else if (what == 3) {
            at += answer(&scene, which, data + at, size - at);
        } else if (what == 4) {
            begin(&scene, which);
        } else if (what == 5) {
            pass(&scene, which);
        } else if (what == 6) {
            take(&scene, which);
        }
    }
    for (unsigned i = 0; i < ASKS; i++) {
        kv_ask_clear(&scene.asks[i]);
    }
    dgraft_fragments_close(scene.client.fragments);
    return 0;
}
