/* Fragments, rule by rule: hostile pieces and acknowledgements, bounds, repetitions, turns. */
#include "lossy_net.h"

#include <dgraft/record.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define MS      (UINT64_C(1000) * 1000)
#define KIB     1024u
#define STREAM  77u
#define PIECE   1
#define ACK     2
#define SENDERS 400u

struct fixture {
    struct lossy_net net;
    struct dgraft_fragments *fragments; /* end 0 */
};

static struct fixture *open_with(size_t incoming_bytes_max, size_t outgoing_bytes_max)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    cr_assert_not_null(fixture);
    lossy_net_init(&fixture->net, 1, 1400);
    const struct dgraft_fragments_options options = {.seed = 1,
                                                     .message_bytes_max = 1024 * KIB,
                                                     .incoming_bytes_max = incoming_bytes_max,
                                                     .outgoing_bytes_max = outgoing_bytes_max};
    cr_assert_eq(dgraft_fragments_open(&options, &fixture->net.ends[0].transport, &fixture->fragments), DGRAFT_OK);
    return fixture;
}

static void close_all(struct fixture *fixture)
{
    dgraft_fragments_close(fixture->fragments);
    lossy_net_close(&fixture->net);
    free(fixture);
}

/* A fragment's datagram, written by hand. */
struct forged {
    uint8_t bytes[2048];
    size_t size;
};

static void seal(struct forged *forged)
{
    dgraft_put_u32(forged->bytes + 4, (uint32_t)forged->size);
    dgraft_put_u64(forged->bytes + 8,
                   XXH3_64bits_withSeed(forged->bytes + 16, forged->size - 16, dgraft_get_u64(forged->bytes)));
}

static struct forged forge(int kind, uint16_t number, uint32_t message_bytes, uint64_t message, uint32_t fragment_bytes,
                           size_t payload_bytes)
{
    struct forged forged = {.size = 48 + payload_bytes};
    cr_assert(forged.size <= sizeof forged.bytes);
    memcpy(forged.bytes, "dgfr", 4);
    forged.bytes[16] = 1;
    forged.bytes[17] = (uint8_t)kind;
    dgraft_put_u16(forged.bytes + 18, number);
    dgraft_put_u32(forged.bytes + 20, message_bytes);
    dgraft_put_u64(forged.bytes + 24, STREAM);
    dgraft_put_u64(forged.bytes + 32, message);
    dgraft_put_u32(forged.bytes + 40, fragment_bytes);
    seal(&forged);
    return forged;
}

struct took {
    bool complete;
    enum dgraft_refusal refusal;
    size_t size;
};

/* Gives a datagram from an address to end 0. */
static struct took take(struct fixture *fixture, const struct dgraft_address *from, const struct forged *forged)
{
    uint8_t *copy = malloc(forged->size);
    cr_assert_not_null(copy);
    memcpy(copy, forged->bytes, forged->size);
    const struct dgraft_datagram datagram = {.bytes = copy, .size = forged->size, .source = *from};
    struct dgraft_datagram message;
    struct took took = {.size = 0};
    took.complete =
        dgraft_fragments_receive(fixture->fragments, fixture->net.now_ns, &datagram, &message, &took.refusal);
    if (took.complete) {
        took.size = message.size;
        dgraft_buffer_release(message.buffer);
    }
    free(copy);
    return took;
}

static struct dgraft_fragments_stats stats_of(const struct fixture *fixture)
{
    struct dgraft_fragments_stats stats;
    dgraft_fragments_stats(fixture->fragments, &stats);
    return stats;
}

static struct dgraft_address stranger(uint32_t number)
{
    struct dgraft_address address = {.size = 8};
    memcpy(address.bytes, "strn", 4);
    dgraft_put_u32(address.bytes + 4, number);
    return address;
}

/* Takes the next datagram that end 0 sent, whenever it arrives; its bytes are copied. False when there is none. */
static bool sent(struct fixture *fixture, struct forged *out)
{
    struct dgraft_datagram datagram;
    int to = 0;
    const dgraft_time_ns now = fixture->net.now_ns;
    fixture->net.now_ns = UINT64_MAX;
    const bool some = lossy_take(&fixture->net, &datagram, &to);
    fixture->net.now_ns = now;
    if (some) {
        out->size = datagram.size;
        memcpy(out->bytes, datagram.bytes, datagram.size);
        dgraft_buffer_release(datagram.buffer);
    }
    return some;
}

Test(fragments, that_are_cut_or_flipped_are_refused)
{
    struct fixture *fixture = open_with(1024 * KIB, 0);
    const struct dgraft_address from = lossy_address(1);
    for (int kind = PIECE; kind <= ACK; kind++) {
        const struct forged right = forge(kind, 0, 200, 1, 64, 64);
        for (size_t size = 0; size < right.size; size++) {
            struct forged cut = right;
            cut.size = size;
            cr_assert_eq(take(fixture, &from, &cut).refusal, DGRAFT_REFUSAL_SHORT, "%zu", size);
        }
        for (size_t bit = 0; bit < right.size * 8; bit++) {
            struct forged flipped = right;
            flipped.bytes[bit / 8] = (uint8_t)(flipped.bytes[bit / 8] ^ 1u << bit % 8);
            cr_assert_neq(take(fixture, &from, &flipped).refusal, DGRAFT_ACCEPT, "bit %zu", bit);
        }
        struct forged longer = right;
        longer.size++;
        cr_assert_eq(take(fixture, &from, &longer).refusal, DGRAFT_REFUSAL_LENGTH);
    }
    cr_assert_eq(stats_of(fixture).incoming_bytes, 0u);
    close_all(fixture);
}

Test(fragments, of_values_never_written_are_refused_by_name)
{
    struct fixture *fixture = open_with(1024 * KIB, 0);
    const struct {
        struct forged forged;
        enum dgraft_refusal refusal;
    } lies[] = {
        {forge(0, 0, 200, 1, 64, 64), DGRAFT_REFUSAL_TYPE},
        {forge(3, 0, 200, 1, 64, 64), DGRAFT_REFUSAL_TYPE},
        {forge(PIECE, 0, 0, 1, 64, 64), DGRAFT_REFUSAL_LENGTH},
        {forge(PIECE, 0, 1024 * KIB + 1, 1, 1024, 1024), DGRAFT_REFUSAL_LENGTH},
        {forge(PIECE, 0, UINT32_MAX, 1, 1024, 1024), DGRAFT_REFUSAL_LENGTH},
        {forge(PIECE, 0, 200, 1, 0, 64), DGRAFT_REFUSAL_LENGTH},
        {forge(PIECE, 0, 200, 1, 8, 8), DGRAFT_REFUSAL_LENGTH},
        {forge(PIECE, 0, 200, 1, 65, 65), DGRAFT_REFUSAL_LENGTH},
        {forge(PIECE, 0, 200, 1, UINT32_MAX - 7, 200), DGRAFT_REFUSAL_LENGTH},
        {forge(PIECE, 4, 200, 1, 64, 64), DGRAFT_REFUSAL_COUNT},
        {forge(PIECE, 65535, 200, 1, 64, 64), DGRAFT_REFUSAL_COUNT},
        {forge(PIECE, 0, 200, 1, 64, 63), DGRAFT_REFUSAL_LENGTH},
        {forge(PIECE, 0, 200, 1, 64, 65), DGRAFT_REFUSAL_LENGTH},
        {forge(PIECE, 3, 200, 1, 64, 64), DGRAFT_REFUSAL_LENGTH},
        {forge(PIECE, 0, 200, 0, 64, 64), DGRAFT_REFUSAL_FIELD},
        {forge(ACK, 5, 200, 1, 64, 0), DGRAFT_REFUSAL_COUNT},
        {forge(ACK, 0, 200, 1, 64, 7), DGRAFT_REFUSAL_LENGTH},
        {forge(ACK, 0, 1024 * KIB, 1, 64, 17 * 8), DGRAFT_REFUSAL_LENGTH},
    };
    const struct dgraft_address from = lossy_address(1);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        cr_assert_eq(take(fixture, &from, &lies[i].forged).refusal, lies[i].refusal, "lie %zu", i);
    }
    struct forged forged = forge(PIECE, 0, 200, 1, 64, 64);
    forged.bytes[16] = 2;
    seal(&forged);
    cr_assert_eq(take(fixture, &from, &forged).refusal, DGRAFT_REFUSAL_VERSION);
    forged = forge(PIECE, 0, 200, 1, 64, 64);
    forged.bytes[44] = 1;
    seal(&forged);
    cr_assert_eq(take(fixture, &from, &forged).refusal, DGRAFT_REFUSAL_FIELD);
    forged = forge(ACK, 0, 200, 1, 64, 8);
    forged.bytes[48] = 0x10; /* the fifth of four */
    seal(&forged);
    cr_assert_eq(take(fixture, &from, &forged).refusal, DGRAFT_REFUSAL_COUNT);
    cr_assert_eq(stats_of(fixture).incoming_bytes, 0u);
    close_all(fixture);
}

Test(fragments, that_contradict_the_first_one_are_refused)
{
    struct fixture *fixture = open_with(1024 * KIB, 0);
    const struct dgraft_address from = lossy_address(1);
    const struct forged first = forge(PIECE, 0, 200, 1, 64, 64);
    const struct forged other_message = forge(PIECE, 1, 192, 1, 64, 64);
    const struct forged other_fragment = forge(PIECE, 1, 200, 1, 72, 72);
    cr_assert_eq(take(fixture, &from, &first).refusal, DGRAFT_ACCEPT);
    cr_assert_eq(take(fixture, &from, &other_message).refusal, DGRAFT_REFUSAL_LENGTH);
    cr_assert_eq(take(fixture, &from, &other_fragment).refusal, DGRAFT_REFUSAL_LENGTH);
    const struct forged rest[] = {forge(PIECE, 3, 200, 1, 64, 8), forge(PIECE, 1, 200, 1, 64, 64),
                                  forge(PIECE, 2, 200, 1, 64, 64)};
    cr_assert_not(take(fixture, &from, &rest[0]).complete);
    cr_assert_not(take(fixture, &from, &rest[1]).complete);
    const struct took took = take(fixture, &from, &rest[2]);
    cr_assert(took.complete && took.size == 200);
    cr_assert_eq(stats_of(fixture).incoming_bytes, 0u);
    close_all(fixture);
}

Test(fragments, of_a_message_that_came_are_acknowledged_and_not_delivered_again)
{
    struct fixture *fixture = open_with(1024 * KIB, 0);
    const struct dgraft_address from = lossy_address(1);
    struct forged ack;
    for (uint64_t message = 1; message <= 40; message++) {
        const struct forged only = forge(PIECE, 0, 64, message, 64, 64);
        cr_assert(take(fixture, &from, &only).complete);
        cr_assert(sent(fixture, &ack));
    }
    for (uint64_t message = 1; message <= 40; message++) {
        const struct forged only = forge(PIECE, 0, 64, message, 64, 64);
        cr_assert_not(take(fixture, &from, &only).complete);
        cr_assert(sent(fixture, &ack), "the last acknowledgement may have been lost");
        cr_assert(ack.bytes[17] == ACK && dgraft_get_u16(ack.bytes + 18) == 1);
        cr_assert_eq(dgraft_get_u64(ack.bytes + 32), message);
    }
    /* The same number of another address, or of another start of the sender, is another message. */
    const struct dgraft_address other = stranger(1);
    const struct forged only = forge(PIECE, 0, 64, 1, 64, 64);
    cr_assert(take(fixture, &other, &only).complete);
    struct forged restarted = only;
    dgraft_put_u64(restarted.bytes + 24, STREAM + 1);
    seal(&restarted);
    cr_assert(take(fixture, &from, &restarted).complete);
    close_all(fixture);
}

Test(fragments, that_announce_much_take_no_more_than_the_bound)
{
    struct fixture *fixture = open_with(256 * KIB, 0);
    const struct dgraft_address from = lossy_address(1);
    const struct forged huge = forge(PIECE, 0, 1024 * KIB, 1, 1024, 1024);
    cr_assert_eq(take(fixture, &from, &huge).refusal, DGRAFT_REFUSAL_MEMORY);
    cr_assert_eq(stats_of(fixture).incoming_bytes, 0u);
    for (uint64_t message = 1; message <= 100; message++) {
        const struct forged large = forge(PIECE, 0, 100 * KIB, message, 1024, 1024);
        cr_assert_eq(take(fixture, &from, &large).refusal == DGRAFT_ACCEPT, message == 1, "%lu",
                     (unsigned long)message);
        cr_assert(stats_of(fixture).incoming_bytes <= 256 * KIB);
    }
    close_all(fixture);
}

/* One source holds only so many at once: its own oldest gives way, and comes no further. */
Test(fragments, of_one_source_take_the_place_of_its_own_oldest)
{
    struct fixture *fixture = open_with(1024 * KIB, 0);
    const struct dgraft_address from = lossy_address(1);
    size_t four = 0;
    for (uint64_t message = 1; message <= 20; message++) {
        const struct forged first = forge(PIECE, 0, 2048, message, 1024, 1024);
        fixture->net.now_ns += 1;
        cr_assert_eq(take(fixture, &from, &first).refusal, DGRAFT_ACCEPT);
        four = message == 4 ? stats_of(fixture).incoming_bytes : four;
        cr_assert(message < 4 || stats_of(fixture).incoming_bytes == four);
    }
    for (uint64_t message = 17; message <= 20; message++) {
        const struct forged second = forge(PIECE, 1, 2048, message, 1024, 1024);
        cr_assert(take(fixture, &from, &second).complete);
    }
    const struct forged second = forge(PIECE, 1, 2048, 16, 1024, 1024);
    cr_assert_not(take(fixture, &from, &second).complete);
    close_all(fixture);
}

/* However many strangers announce however much, an active message of a peer, and one of a client, go on. */
Test(fragments, of_strangers_do_not_push_active_ones_out)
{
    struct fixture *fixture = open_with(512 * KIB, 0);
    fixture->net.peers_known = true;
    const struct dgraft_address peer = lossy_address(1);
    const struct dgraft_address client = stranger(1000000);
    const uint16_t count = 100;
    uint32_t complete = 0;
    for (uint16_t number = 0; number < count; number++) {
        const struct forged piece = forge(PIECE, number, count * 1024u, 1, 1024, 1024);
        cr_assert_eq(take(fixture, &peer, &piece).refusal, DGRAFT_ACCEPT, "piece %u of the peer", number);
        const struct took of_client = take(fixture, &client, &piece);
        cr_assert_eq(of_client.refusal, DGRAFT_ACCEPT, "piece %u of the client", number);
        complete += of_client.complete ? 1 : 0;
        for (uint32_t i = 0; i < SENDERS / 10; i++) {
            const struct dgraft_address someone = stranger((uint32_t)lossy_random(&fixture->net) % SENDERS);
            const struct forged flood = forge(PIECE, 0, 50 * KIB, lossy_random(&fixture->net) | 1, 1024, 1024);
            (void)take(fixture, &someone, &flood);
            cr_assert(stats_of(fixture).incoming_bytes <= 512 * KIB);
        }
        fixture->net.now_ns += 10 * MS;
    }
    cr_assert_eq(complete, 1u);
    cr_assert(stats_of(fixture).messages_received >= 2);
    close_all(fixture);
}

Test(fragments, of_a_peer_take_the_place_of_strangers)
{
    struct fixture *fixture = open_with(256 * KIB, 0);
    fixture->net.peers_known = true;
    for (uint32_t i = 0; i < 10; i++) {
        const struct dgraft_address someone = stranger(i);
        const struct forged flood = forge(PIECE, 0, 100 * KIB, 1, 1024, 1024);
        (void)take(fixture, &someone, &flood);
    }
    const struct dgraft_address peer = lossy_address(1);
    const struct forged piece = forge(PIECE, 0, 200 * KIB, 1, 1024, 1024);
    cr_assert_eq(take(fixture, &peer, &piece).refusal, DGRAFT_ACCEPT);
    close_all(fixture);
}

/* The bound in all holds for peers too: what is active does not give way, and the newcomer waits. */
Test(fragments, of_peers_take_no_more_than_the_bound)
{
    struct fixture *fixture = open_with(256 * KIB, 0);
    fixture->net.peers_known = true;
    const struct dgraft_address peer = lossy_address(1);
    for (uint64_t message = 1; message <= 4; message++) {
        const struct forged piece = forge(PIECE, 0, 100 * KIB, message, 1024, 1024);
        const enum dgraft_refusal expected = message <= 2 ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_MEMORY;
        cr_assert_eq(take(fixture, &peer, &piece).refusal, expected, "%lu", (unsigned long)message);
        cr_assert(stats_of(fixture).incoming_bytes <= 256 * KIB);
    }
    fixture->net.now_ns += 320 * MS;
    const struct forged piece = forge(PIECE, 0, 100 * KIB, 5, 1024, 1024);
    cr_assert_eq(take(fixture, &peer, &piece).refusal, DGRAFT_ACCEPT, "what is silent does give way");
    cr_assert(stats_of(fixture).incoming_bytes <= 256 * KIB);
    close_all(fixture);
}

Test(fragments, that_stay_incomplete_are_forgotten)
{
    struct fixture *fixture = open_with(1024 * KIB, 0);
    const struct dgraft_address from = lossy_address(1);
    const struct forged first = forge(PIECE, 0, 2048, 1, 1024, 1024);
    cr_assert_eq(take(fixture, &from, &first).refusal, DGRAFT_ACCEPT);
    const dgraft_time_ns wake = dgraft_fragments_wake(fixture->fragments, fixture->net.now_ns);
    cr_assert(wake > fixture->net.now_ns && wake <= fixture->net.now_ns + 5000 * MS);
    cr_assert(stats_of(fixture).incoming_bytes > 2048);
    cr_assert_eq(dgraft_fragments_wake(fixture->fragments, wake), UINT64_MAX);
    cr_assert_eq(stats_of(fixture).incoming_bytes, 0u);
    close_all(fixture);
}

static enum dgraft_status send_bytes(struct fixture *fixture, uint32_t to, uint64_t key, size_t size)
{
    uint8_t *bytes = calloc(1, size > 0 ? size : 1);
    cr_assert_not_null(bytes);
    const struct iovec piece = {bytes, size};
    const struct dgraft_address address = to == 0 ? lossy_address(1) : stranger(to);
    const enum dgraft_status status =
        dgraft_fragments_send(fixture->fragments, fixture->net.now_ns, &address, key, &piece, 1);
    free(bytes);
    return status;
}

Test(fragments, sent_are_bounded_in_size_and_memory)
{
    struct fixture *fixture = open_with(0, 300 * KIB);
    cr_assert_eq(send_bytes(fixture, 0, 0, 1024 * KIB + 1), DGRAFT_STATUS_TOO_LARGE);
    cr_assert_eq(send_bytes(fixture, 0, 0, 0), DGRAFT_STATUS_MISUSE);
    cr_assert_eq(send_bytes(fixture, 0, 0, 300 * KIB), DGRAFT_STATUS_BUSY);
    cr_assert_eq(send_bytes(fixture, 0, 0, 130 * KIB), DGRAFT_OK);
    cr_assert_eq(send_bytes(fixture, 0, 0, 1 * KIB), DGRAFT_STATUS_BUSY, "it has more than its share");
    cr_assert_eq(send_bytes(fixture, 1, 0, 130 * KIB), DGRAFT_OK, "another address has room of its own");
    cr_assert_eq(send_bytes(fixture, 2, 0, 130 * KIB), DGRAFT_STATUS_BUSY);
    cr_assert_eq(send_bytes(fixture, 2, 0, 10 * KIB), DGRAFT_OK);
    cr_assert_eq(send_bytes(fixture, 2, 0, 10 * KIB), DGRAFT_OK);
    cr_assert(stats_of(fixture).outgoing_bytes <= 300 * KIB);
    close_all(fixture);
}

Test(fragments, of_one_key_are_not_sent_twice_at_once)
{
    struct fixture *fixture = open_with(0, 1024 * KIB);
    cr_assert_eq(send_bytes(fixture, 0, 5, 10 * KIB), DGRAFT_OK);
    const uint64_t pieces = stats_of(fixture).pieces_sent;
    cr_assert_eq(send_bytes(fixture, 0, 5, 10 * KIB), DGRAFT_OK);
    cr_assert_eq(stats_of(fixture).pieces_sent, pieces);
    cr_assert_eq(send_bytes(fixture, 1, 5, 10 * KIB), DGRAFT_OK, "to another address it is another message");
    cr_assert(stats_of(fixture).pieces_sent > pieces);
    close_all(fixture);
}

/* 16 KiB at first; nothing more before something is acknowledged, but repetitions, ever more rarely. */
Test(fragments, sent_into_silence_are_repeated_ever_more_rarely_and_then_given_up)
{
    struct fixture *fixture = open_with(0, 1024 * KIB);
    cr_assert_eq(send_bytes(fixture, 0, 0, 500 * KIB), DGRAFT_OK);
    const uint64_t first = stats_of(fixture).pieces_sent;
    cr_assert(first * 1400 <= 16 * KIB + 1400);
    const dgraft_time_ns begin = fixture->net.now_ns;
    dgraft_time_ns wake = 0;
    uint32_t wakes = 0;
    while ((wake = dgraft_fragments_wake(fixture->fragments, fixture->net.now_ns)) != UINT64_MAX) {
        cr_assert(wake > fixture->net.now_ns);
        fixture->net.now_ns = wake;
        wakes++;
    }
    cr_assert_eq(fixture->net.now_ns - begin, 5000 * MS);
    /* 20, 40, 80, 160 ms and then each 320 ms makes 18 repetitions in 5 s, of the least window of 2. */
    cr_assert(wakes <= 25 && stats_of(fixture).pieces_sent <= first + 25 * 2);
    cr_assert(stats_of(fixture).pieces_sent_again >= 10);
    cr_assert_eq(stats_of(fixture).messages_given_up, 1u);
    cr_assert_eq(stats_of(fixture).outgoing_bytes, 0u);
    close_all(fixture);
}

/* No timer has to run out for what three later ones overtook; two may have been reordered. */
Test(fragments, sent_again_at_once_when_three_overtook_them)
{
    struct fixture *fixture = open_with(0, 1024 * KIB);
    const struct dgraft_address to = lossy_address(1);
    cr_assert_eq(send_bytes(fixture, 0, 0, 100 * KIB), DGRAFT_OK);
    struct forged ack;
    cr_assert(sent(fixture, &ack));
    ack.bytes[17] = ACK;
    ack.size = 56;
    memset(ack.bytes + 48, 0, 8);
    ack.bytes[48] = 0x06; /* the second and the third have come */
    seal(&ack);
    cr_assert_eq(take(fixture, &to, &ack).refusal, DGRAFT_ACCEPT);
    cr_assert_eq(stats_of(fixture).pieces_sent_again, 0u);
    ack.bytes[48] = 0x0e; /* and the fourth */
    seal(&ack);
    cr_assert_eq(take(fixture, &to, &ack).refusal, DGRAFT_ACCEPT);
    cr_assert_eq(stats_of(fixture).pieces_sent_again, 0u, "the window is half as large, and full");
    dgraft_put_u16(ack.bytes + 18, 0);
    ack.bytes[48] = 0xfe;
    ack.bytes[49] = 0x03;
    seal(&ack);
    cr_assert_eq(take(fixture, &to, &ack).refusal, DGRAFT_ACCEPT);
    cr_assert_eq(stats_of(fixture).pieces_sent_again, 1u);
    close_all(fixture);
}

/* An acknowledgement cannot claim what was never sent, nor speak for another message. */
Test(fragments, sent_are_acknowledged_by_no_lie)
{
    struct fixture *fixture = open_with(0, 1024 * KIB);
    const struct dgraft_address to = lossy_address(1);
    const struct dgraft_address other = stranger(1);
    cr_assert_eq(send_bytes(fixture, 0, 0, 100 * KIB), DGRAFT_OK);
    struct forged piece;
    cr_assert(sent(fixture, &piece));
    const uint64_t pieces = stats_of(fixture).pieces_sent;
    struct forged ack = piece;
    ack.bytes[17] = ACK;
    ack.size = 48;
    dgraft_put_u16(ack.bytes + 18, (uint16_t)(pieces + 1));
    seal(&ack);
    cr_assert_eq(take(fixture, &to, &ack).refusal, DGRAFT_REFUSAL_FIELD);
    dgraft_put_u16(ack.bytes + 18, 0);
    ack.size = 56;
    memset(ack.bytes + 48, 0, 8);
    ack.bytes[48 + pieces / 8] = (uint8_t)(1u << pieces % 8);
    seal(&ack);
    cr_assert_eq(take(fixture, &to, &ack).refusal, DGRAFT_REFUSAL_FIELD);
    ack.size = 48;
    dgraft_put_u16(ack.bytes + 18, 2);
    dgraft_put_u32(ack.bytes + 20, 99 * KIB);
    seal(&ack);
    cr_assert_eq(take(fixture, &to, &ack).refusal, DGRAFT_REFUSAL_FIELD);
    dgraft_put_u32(ack.bytes + 20, 100 * KIB);
    seal(&ack);
    cr_assert_eq(take(fixture, &other, &ack).refusal, DGRAFT_ACCEPT, "ignored: nothing was sent there");
    cr_assert_eq(stats_of(fixture).pieces_sent, pieces);
    cr_assert_eq(take(fixture, &to, &ack).refusal, DGRAFT_ACCEPT);
    cr_assert(stats_of(fixture).pieces_sent > pieces);
    close_all(fixture);
}

Test(fragments, want_options_that_hold)
{
    struct lossy_net net;
    struct dgraft_fragments *fragments = NULL;
    lossy_net_init(&net, 1, 1400);
    struct dgraft_transport *transport = &net.ends[0].transport;
    struct dgraft_fragments_options options = {.message_bytes_max = 0};
    cr_assert_eq(dgraft_fragments_open(&options, transport, &fragments), DGRAFT_STATUS_CONFIG);
    options.message_bytes_max = SIZE_MAX;
    cr_assert_eq(dgraft_fragments_open(&options, transport, &fragments), DGRAFT_STATUS_CONFIG);
    options.message_bytes_max = 1000;
    options.window_bytes = 1;
    cr_assert_eq(dgraft_fragments_open(&options, transport, &fragments), DGRAFT_STATUS_CONFIG);
    options.window_bytes = 0;
    transport->datagram_bytes_max = 111;
    cr_assert_eq(dgraft_fragments_open(&options, transport, &fragments), DGRAFT_STATUS_CONFIG);
    transport->datagram_bytes_max = 112;
    cr_assert_eq(dgraft_fragments_open(&options, transport, &fragments), DGRAFT_OK);
    dgraft_fragments_close(fragments);
    dgraft_fragments_close(NULL);
}
