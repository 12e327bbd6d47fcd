/* The client against servers that answer, redirect, delay, refuse and fall silent, over loopback. */
#include <kv_client.h>

#include <criterion/criterion.h>
#include <dgraft/fragment.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SERVERS_MAX 4
#define MS          UINT64_C(1000000)

enum manner { ANSWERS = 1, IS_SILENT = 2, POINTS = 3, KNOWS_NOBODY = 4, IS_BUSY = 5, IS_UNSURE = 6, REFUSES = 7 };

/* A server without a cluster: its manner may change after some requests. */
struct fake {
    struct dgraft_transport *transport;
    struct dgraft_fragments *fragments;
    char address[64];
    enum manner manner;
    enum manner later;     /* the manner from the request number `until` on */
    unsigned until;        /* 0: never */
    const char *points_to; /* of POINTS */
    unsigned requests;     /* arrived */
    uint64_t last_sequence;
    unsigned last_payload_bytes;
    uint8_t *last_payload; /* of the newest request */
    size_t value_bytes;    /* the answer to GET carries so many bytes of pattern */
    uint64_t deaf_to;      /* this sequence is not heard so many times */
    unsigned deaf_times;
    unsigned wrong_answers; /* sent in front of each answer: to nobody's request */
};

static struct fake fakes[SERVERS_MAX];

static void fake_open(struct fake *fake, enum manner manner)
{
    struct dgraft_udp_options options = {.listen = "127.0.0.1:0"};
    struct dgraft_fragments_options fragments = {
        .seed = 7, .message_bytes_max = 2u << 20, .incoming_bytes_max = 16u << 20, .outgoing_bytes_max = 16u << 20};
    char why[200] = "";
    *fake = (struct fake){.manner = manner};
    cr_assert_eq(dgraft_udp_open(&options, &fake->transport, why, sizeof why), DGRAFT_OK, "%s", why);
    cr_assert_eq(dgraft_fragments_open(&fragments, fake->transport, &fake->fragments), DGRAFT_OK);
    fake->transport->ops->local_address(fake->transport, fake->address, sizeof fake->address);
}

static void fake_close(struct fake *fake)
{
    dgraft_fragments_close(fake->fragments);
    fake->transport->ops->close(fake->transport);
    free(fake->last_payload);
}

static uint8_t pattern_at(size_t place)
{
    return (uint8_t)((place * 40503u) >> 5);
}

static void fake_send(struct fake *fake, const struct dgraft_address *to, const struct dgraft_client_answer *answer)
{
    static const uint8_t zeros[8];
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    size_t padding = 0;
    const struct dgraft_frame_header header = {.cluster = 5, .from = 1};
    size_t head_bytes = dgraft_frame_encode_answer(&header, answer, head, &padding);
    struct iovec pieces[3] = {{.iov_base = head, .iov_len = head_bytes},
                              {.iov_base = (void *)(uintptr_t)answer->payload, .iov_len = answer->payload_bytes},
                              {.iov_base = (void *)(uintptr_t)zeros, .iov_len = padding}};
    if (head_bytes + answer->payload_bytes + padding > 1400) {
        cr_assert_eq(dgraft_fragments_send(fake->fragments, kv_clock(), to, 0, pieces, 3), DGRAFT_OK);
        return;
    }
    struct dgraft_outgoing outgoing = {
        .address = *to, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = pieces, .piece_count = 3};
    cr_assert_eq(fake->transport->ops->send(fake->transport, &outgoing), DGRAFT_OK);
}

static void fake_send_text(struct fake *fake, const struct dgraft_address *to,
                           const struct dgraft_client_request *request, enum dgraft_client_result result,
                           const char *text)
{
    struct dgraft_client_answer answer = {.client = request->client,
                                          .sequence = request->sequence,
                                          .kind = request->kind,
                                          .result = result,
                                          .index = result == DGRAFT_CLIENT_OK ? 77 : 0,
                                          .payload = (const uint8_t *)text,
                                          .payload_bytes = (uint32_t)strlen(text)};
    fake_send(fake, to, &answer);
}

static void fake_answer(struct fake *fake, const struct dgraft_address *to, const struct dgraft_client_request *request)
{
    if (request->kind != KV_GET || fake->value_bytes == 0) {
        fake_send_text(fake, to, request, DGRAFT_CLIENT_OK, "");
        return;
    }
    uint8_t *payload = calloc(1, 8 + fake->value_bytes);
    cr_assert_not_null(payload);
    payload[0] = 1;
    for (size_t i = 0; i < fake->value_bytes; i++) {
        payload[8 + i] = pattern_at(i);
    }
    struct dgraft_client_answer answer = {.client = request->client,
                                          .sequence = request->sequence,
                                          .kind = request->kind,
                                          .result = DGRAFT_CLIENT_OK,
                                          .payload = payload,
                                          .payload_bytes = (uint32_t)(8 + fake->value_bytes)};
    fake_send(fake, to, &answer);
    fake->transport->ops->flush(fake->transport);
    free(payload);
}

static void fake_request(struct fake *fake, const struct dgraft_address *to,
                         const struct dgraft_client_request *request)
{
    if (request->sequence == fake->deaf_to && fake->deaf_times > 0) {
        fake->deaf_times--;
        return;
    }
    fake->requests++;
    if (fake->until != 0 && fake->requests >= fake->until) {
        fake->manner = fake->later;
    }
    fake->last_sequence = request->sequence;
    fake->last_payload_bytes = request->payload_bytes;
    free(fake->last_payload);
    fake->last_payload = malloc(request->payload_bytes + 1u);
    cr_assert_not_null(fake->last_payload);
    if (request->payload_bytes > 0) {
        memcpy(fake->last_payload, request->payload, request->payload_bytes);
    }
    for (unsigned i = 0; i < fake->wrong_answers; i++) {
        struct dgraft_client_request other = *request;
        other.sequence += i % 3 == 0 ? 1000 : 0;
        other.client += i % 3 == 1 ? 2 : 0;
        other.kind = i % 3 == 2 ? (uint32_t)KV_STATUS : other.kind;
        fake_send_text(fake, to, &other, DGRAFT_CLIENT_REFUSED, "not yours");
    }
    switch (fake->manner) {
    case ANSWERS:
        fake_answer(fake, to, request);
        break;
    case POINTS:
        fake_send_text(fake, to, request, DGRAFT_CLIENT_NOT_LEADER, fake->points_to);
        break;
    case KNOWS_NOBODY:
        fake_send_text(fake, to, request, DGRAFT_CLIENT_NOT_LEADER, "");
        break;
    case IS_BUSY:
        fake_send_text(fake, to, request, DGRAFT_CLIENT_BUSY, "");
        break;
    case IS_UNSURE:
        fake_send_text(fake, to, request, DGRAFT_CLIENT_UNKNOWN, "");
        break;
    case REFUSES:
        fake_send_text(fake, to, request, DGRAFT_CLIENT_REFUSED, "because of the weather");
        break;
    case IS_SILENT:
        break;
    }
}

static void fake_frame(struct fake *fake, const struct dgraft_datagram *message)
{
    struct dgraft_frame frame;
    cr_assert_eq(dgraft_frame_decode(message->bytes, message->size, NULL, 0, &frame), DGRAFT_ACCEPT);
    cr_assert_eq(frame.header.type, DGRAFT_FRAME_CLIENT_REQUEST);
    cr_assert_eq(frame.header.from, 0, "a client is no node");
    fake_request(fake, &message->source, &frame.request);
}

static void fake_turn(struct fake *fake)
{
    struct dgraft_datagram datagram;
    while (fake->transport->ops->receive(fake->transport, &datagram, 1) == 1) {
        struct dgraft_datagram message;
        if (!dgraft_fragments_claims(datagram.bytes, datagram.size)) {
            fake_frame(fake, &datagram);
        } else if (dgraft_fragments_receive(fake->fragments, kv_clock(), &datagram, &message, NULL)) {
            fake_frame(fake, &message);
            dgraft_buffer_release(message.buffer);
        }
        dgraft_buffer_release(datagram.buffer);
    }
    (void)dgraft_fragments_wake(fake->fragments, kv_clock());
    fake->transport->ops->flush(fake->transport);
}

/* Opens `count` servers, and a client of the first `known` of them. */
static struct kv_client *open_all(unsigned count, unsigned known, dgraft_time_ns timeout_ns)
{
    struct kv_client *client = NULL;
    char list[300] = "";
    char why[200] = "";
    for (unsigned i = 0; i < count; i++) {
        fake_open(&fakes[i], ANSWERS);
        size_t used = strlen(list);
        if (i < known) {
            snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ",", fakes[i].address);
        }
    }
    cr_assert_eq(kv_client_open(list, timeout_ns, &client, why, sizeof why), DGRAFT_OK, "%s", why);
    return client;
}

static void close_all(struct kv_client *client, unsigned count)
{
    kv_client_close(client);
    for (unsigned i = 0; i < count; i++) {
        fake_close(&fakes[i]);
    }
}

static void turn_all(struct kv_client *client, unsigned count)
{
    kv_client_turn(client, MS);
    for (unsigned i = 0; i < count; i++) {
        fake_turn(&fakes[i]);
    }
}

static void run(struct kv_client *client, unsigned count, struct kv_ask *ask)
{
    cr_assert(kv_client_begin(client, ask));
    while (ask->fate == KV_UNDER_WAY) {
        turn_all(client, count);
    }
}

static struct kv_ask put_ask(void)
{
    static uint8_t payload[64];
    size_t bytes = kv_payload_begin(payload, "key", 3);
    memcpy(payload + bytes, "value", 5);
    return (struct kv_ask){
        .kind = KV_PUT, .payload = payload, .payload_bytes = (uint32_t)bytes + 5, .server = KV_LEADER};
}

Test(kv_client, gets_an_answer_from_the_leader)
{
    struct kv_client *client = open_all(1, 1, 5000 * MS);
    struct kv_ask ask = put_ask();
    run(client, 1, &ask);
    cr_assert_eq(ask.fate, KV_DONE);
    cr_assert_eq(ask.index, 77);
    cr_assert_eq(fakes[0].requests, 1);
    cr_assert_eq(fakes[0].last_payload_bytes, 16);
    static const uint8_t expected[16] = {3, 0, 0, 0, 0, 0, 0, 0, 'k', 'e', 'y', 'v', 'a', 'l', 'u', 'e'};
    cr_assert_eq(memcmp(fakes[0].last_payload, expected, sizeof expected), 0);
    kv_ask_clear(&ask);
    close_all(client, 1);
}

Test(kv_client, follows_a_pointer_to_a_leader_it_did_not_know_and_stays_there)
{
    struct kv_client *client = open_all(3, 1, 5000 * MS);
    fakes[0].manner = POINTS;
    fakes[0].points_to = fakes[2].address;
    for (int i = 0; i < 5; i++) {
        struct kv_ask ask = put_ask();
        run(client, 3, &ask);
        cr_assert_eq(ask.fate, KV_DONE);
        kv_ask_clear(&ask);
    }
    cr_assert_eq(fakes[0].requests, 1, "only the first time");
    cr_assert_eq(fakes[2].requests, 5);
    cr_assert_eq(kv_client_server_count(client), 2);
    close_all(client, 3);
}

Test(kv_client, turns_from_a_silent_server_to_the_next_with_the_same_sequence)
{
    struct kv_client *client = open_all(3, 3, 5000 * MS);
    fakes[0].manner = IS_SILENT;
    fakes[1].manner = KNOWS_NOBODY;
    struct kv_ask ask = put_ask();
    run(client, 3, &ask);
    cr_assert_eq(ask.fate, KV_DONE);
    cr_assert_eq(fakes[0].last_sequence, ask.sequence);
    cr_assert_eq(fakes[1].last_sequence, ask.sequence);
    cr_assert_eq(fakes[2].last_sequence, ask.sequence);
    kv_ask_clear(&ask);
    close_all(client, 3);
}

Test(kv_client, waits_through_an_election_in_which_servers_point_at_each_other)
{
    struct kv_client *client = open_all(2, 2, 10000 * MS);
    fakes[0].manner = fakes[1].manner = POINTS;
    fakes[0].points_to = fakes[1].address;
    fakes[1].points_to = fakes[0].address;
    fakes[1].until = 5;
    fakes[1].later = ANSWERS;
    dgraft_time_ns begun = kv_clock();
    struct kv_ask ask = put_ask();
    run(client, 2, &ask);
    cr_assert_eq(ask.fate, KV_DONE);
    cr_assert_leq(fakes[0].requests + fakes[1].requests, 10, "it backs off");
    cr_assert_geq(kv_clock() - begun, 200 * MS, "it backs off");
    kv_ask_clear(&ask);
    close_all(client, 2);
}

Test(kv_client, asks_again_when_the_server_is_busy_or_does_not_know)
{
    static const enum manner manners[] = {IS_BUSY, IS_UNSURE};
    for (int i = 0; i < 2; i++) {
        struct kv_client *client = open_all(1, 1, 10000 * MS);
        fakes[0].manner = manners[i];
        fakes[0].until = 4;
        fakes[0].later = ANSWERS;
        struct kv_ask ask = put_ask();
        run(client, 1, &ask);
        cr_assert_eq(ask.fate, KV_DONE);
        cr_assert_eq(fakes[0].requests, 4);
        kv_ask_clear(&ask);
        close_all(client, 1);
    }
}

Test(kv_client, takes_a_refusal_as_final_and_repeats_the_reason)
{
    struct kv_client *client = open_all(1, 1, 5000 * MS);
    fakes[0].manner = REFUSES;
    struct kv_ask ask = put_ask();
    run(client, 1, &ask);
    cr_assert_eq(ask.fate, KV_REFUSED);
    cr_assert_str_eq(ask.why, "because of the weather");
    cr_assert_not(kv_ask_timed_out(&ask));
    close_all(client, 1);
}

/* What is known at the deadline decides the words: the difference is what a user may conclude about the change. */
Test(kv_client, tells_unreachable_in_doubt_and_not_done_apart)
{
    static const struct {
        enum manner first;
        enum manner later;
        enum kv_fate fate;
    } cases[] = {{IS_SILENT, IS_SILENT, KV_UNREACHABLE},   {IS_BUSY, IS_BUSY, KV_REFUSED},
                 {KNOWS_NOBODY, KNOWS_NOBODY, KV_REFUSED}, {IS_UNSURE, IS_BUSY, KV_IN_DOUBT},
                 {IS_SILENT, IS_BUSY, KV_IN_DOUBT},        {IS_BUSY, IS_SILENT, KV_IN_DOUBT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kv_client *client = open_all(1, 1, 700 * MS);
        fakes[0].manner = cases[i].first;
        fakes[0].until = 2;
        fakes[0].later = cases[i].later;
        dgraft_time_ns begun = kv_clock();
        struct kv_ask ask = put_ask();
        run(client, 1, &ask);
        cr_assert_eq(ask.fate, cases[i].fate, "case %zu: %d, %s", i, (int)ask.fate, ask.why);
        cr_assert_not_null(strstr(ask.why, fakes[0].address), "%s", ask.why);
        cr_assert(kv_ask_timed_out(&ask));
        cr_assert_geq(kv_clock() - begun, 700 * MS);
        close_all(client, 1);
    }
}

Test(kv_client, carries_values_of_a_megabyte_both_ways)
{
    struct kv_client *client = open_all(1, 1, 20000 * MS);
    uint8_t *payload = malloc(16 + KV_VALUE_BYTES_MAX);
    cr_assert_not_null(payload);
    size_t head = kv_payload_begin(payload, "large", 5);
    for (size_t i = 0; i < KV_VALUE_BYTES_MAX; i++) {
        payload[head + i] = pattern_at(i);
    }
    struct kv_ask put = {.kind = KV_PUT,
                         .payload = payload,
                         .payload_bytes = (uint32_t)(head + KV_VALUE_BYTES_MAX),
                         .server = KV_LEADER};
    run(client, 1, &put);
    cr_assert_eq(put.fate, KV_DONE, "%s", put.why);
    cr_assert_eq(fakes[0].last_payload_bytes, put.payload_bytes);
    cr_assert_eq(memcmp(fakes[0].last_payload, payload, put.payload_bytes), 0);
    fakes[0].value_bytes = KV_VALUE_BYTES_MAX;
    struct kv_ask get = {.kind = KV_GET, .payload = payload, .payload_bytes = (uint32_t)head, .server = KV_LEADER};
    run(client, 1, &get);
    cr_assert_eq(get.fate, KV_DONE, "%s", get.why);
    cr_assert_eq(get.answer_bytes, 8 + KV_VALUE_BYTES_MAX);
    cr_assert_eq(memcmp(get.answer + 8, payload + head, KV_VALUE_BYTES_MAX), 0);
    kv_ask_clear(&put);
    kv_ask_clear(&get);
    free(payload);
    close_all(client, 1);
}

Test(kv_client, has_many_requests_under_way_but_keeps_the_oldest_among_those_that_raftd_remembers)
{
    enum { COUNT = 200, REMEMBERED = 64 };
    struct kv_client *client = open_all(2, 2, 20000 * MS);
    static struct kv_ask asks[COUNT];
    fakes[0].manner = POINTS;
    fakes[0].points_to = fakes[1].address;
    fakes[1].deaf_to = 3; /* the third request is lost again and again, while others get through */
    fakes[1].deaf_times = 3;
    unsigned begun = 0;
    unsigned done = 0;
    unsigned most = 0;
    while (done < COUNT) {
        while (begun < COUNT) {
            asks[begun] = put_ask();
            if (!kv_client_begin(client, &asks[begun])) {
                break;
            }
            begun++;
        }
        unsigned oldest = 0;
        while (oldest < begun && asks[oldest].fate == KV_DONE) {
            oldest++;
        }
        cr_assert_lt(begun - oldest, REMEMBERED);
        most = begun - done > most ? begun - done : most;
        turn_all(client, 2);
        done = 0;
        for (unsigned i = 0; i < begun; i++) {
            done += asks[i].fate == KV_DONE ? 1 : 0;
            cr_assert(asks[i].fate == KV_DONE || asks[i].fate == KV_UNDER_WAY, "%s", asks[i].why);
        }
    }
    cr_assert_gt(most, 16);
    cr_assert_eq(fakes[1].deaf_times, 0);
    for (unsigned i = 0; i < COUNT; i++) {
        cr_assert_eq(asks[i].sequence, i + 1);
        kv_ask_clear(&asks[i]);
    }
    close_all(client, 2);
}

Test(kv_client, is_not_moved_by_answers_to_others_nor_by_garbage)
{
    struct kv_client *client = open_all(1, 1, 5000 * MS);
    fakes[0].wrong_answers = 30;
    struct kv_ask ask = put_ask();
    run(client, 1, &ask);
    cr_assert_eq(ask.fate, KV_DONE, "%s", ask.why);
    kv_ask_clear(&ask);
    /* Garbage to the very port of the client: what a fake heard from is where it sends to. */
    fakes[0].manner = IS_SILENT;
    struct kv_ask second = put_ask();
    cr_assert(kv_client_begin(client, &second));
    kv_client_turn(client, 0);
    struct dgraft_datagram question;
    while (fakes[0].transport->ops->receive(fakes[0].transport, &question, 1) == 0) {
    }
    for (uint32_t i = 0; i < 2000; i++) {
        uint8_t bytes[200];
        for (size_t j = 0; j < sizeof bytes; j++) {
            bytes[j] = (uint8_t)((i * 31 + j * j * 17) >> (i % 7));
        }
        memcpy(bytes, i % 2 == 0 ? "dgrf" : "dgfr", 4);
        struct iovec piece = {.iov_base = bytes, .iov_len = i % sizeof bytes};
        struct dgraft_outgoing outgoing = {
            .address = question.source, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = &piece, .piece_count = 1};
        cr_assert_eq(fakes[0].transport->ops->send(fakes[0].transport, &outgoing), DGRAFT_OK);
        fakes[0].transport->ops->flush(fakes[0].transport);
        kv_client_turn(client, 0);
        cr_assert_eq(second.fate, KV_UNDER_WAY);
    }
    dgraft_buffer_release(question.buffer);
    fakes[0].manner = ANSWERS;
    while (second.fate == KV_UNDER_WAY) {
        turn_all(client, 1);
    }
    cr_assert_eq(second.fate, KV_DONE);
    kv_ask_clear(&second);
    close_all(client, 1);
}

Test(kv_client, asks_one_server_only_when_it_is_told_to)
{
    struct kv_client *client = open_all(2, 2, 600 * MS);
    fakes[1].manner = IS_SILENT;
    struct kv_ask first = {.kind = KV_STATUS, .server = 0};
    struct kv_ask second = {.kind = KV_STATUS, .server = 1};
    cr_assert(kv_client_begin(client, &first));
    cr_assert(kv_client_begin(client, &second));
    while (first.fate == KV_UNDER_WAY || second.fate == KV_UNDER_WAY) {
        turn_all(client, 2);
    }
    cr_assert_eq(first.fate, KV_DONE);
    cr_assert_eq(second.fate, KV_UNREACHABLE);
    cr_assert_null(strstr(second.why, fakes[0].address), "%s", second.why);
    cr_assert_eq(fakes[0].requests, 1);
    cr_assert_geq(fakes[1].requests, 2);
    kv_ask_clear(&first);
    close_all(client, 2);
}

Test(kv_client, says_which_address_of_the_list_is_wrong)
{
    static const char *const lists[] = {"127.0.0.1:7001,nonsense", "127.0.0.1:7001,,127.0.0.1:7002", "", "127.0.0.1:0"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct kv_client *client = NULL;
        char why[200] = "";
        cr_assert_eq(kv_client_open(lists[i], MS, &client, why, sizeof why), DGRAFT_STATUS_ADDRESS, "%s", lists[i]);
        cr_assert_gt(strlen(why), 10);
    }
}
