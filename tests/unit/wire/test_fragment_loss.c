/* Messages over a network that loses, repeats and reorders: each arrives, once, whole, within window and memory. */
#include "lossy_net.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS     (UINT64_C(1000) * 1000)
#define SECOND (UINT64_C(1000) * MS)
#define MIB    (1024u * 1024)
#define WINDOW (64u * 1024)

struct bench {
    struct lossy_net net;
    struct dgraft_fragments *sides[LOSSY_ENDS];
    uint32_t delivered[LOSSY_MESSAGES]; /* by the first byte of the message */
    size_t expected_bytes[LOSSY_MESSAGES];
    dgraft_time_ns delivered_ns[LOSSY_MESSAGES];
    size_t incoming_bytes_max_seen;
    uint32_t order[LOSSY_MESSAGES];
    uint32_t delivered_total;
};

static struct dgraft_fragments_options options_of(int side)
{
    return (struct dgraft_fragments_options){.seed = 7 + (uint64_t)side,
                                             .message_bytes_max = 4 * MIB,
                                             .incoming_bytes_max = 8 * MIB,
                                             .outgoing_bytes_max = 16 * MIB,
                                             .give_up_ns = 30 * SECOND};
}

static struct bench *bench_open(uint64_t seed, size_t datagram_bytes)
{
    struct bench *bench = calloc(1, sizeof *bench);
    cr_assert_not_null(bench);
    lossy_net_init(&bench->net, seed, datagram_bytes);
    for (int i = 0; i < LOSSY_ENDS; i++) {
        const struct dgraft_fragments_options options = options_of(i);
        cr_assert_eq(dgraft_fragments_open(&options, &bench->net.ends[i].transport, &bench->sides[i]), DGRAFT_OK);
    }
    return bench;
}

static void bench_close(struct bench *bench)
{
    for (int i = 0; i < LOSSY_ENDS; i++) {
        dgraft_fragments_close(bench->sides[i]);
    }
    lossy_net_close(&bench->net);
    free(bench);
}

/* The byte at a place of message `name`: any mix-up of pieces or messages shows. */
static uint8_t byte_at(uint32_t name, size_t at)
{
    return at == 0 ? (uint8_t)name : (uint8_t)((at * 2654435761u >> 11) + name * 97);
}

static void send_message(struct bench *bench, uint32_t name, size_t size)
{
    uint8_t *bytes = malloc(size);
    cr_assert_not_null(bytes);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = byte_at(name, i);
    }
    /* In three uneven pieces, as a gathered command comes. */
    const size_t a = size / 7;
    const size_t b = size / 2;
    const struct iovec pieces[] = {{bytes, a}, {bytes + a, b - a}, {bytes + b, size - b}};
    const struct dgraft_address to = lossy_address(1);
    cr_assert_eq(dgraft_fragments_send(bench->sides[0], bench->net.now_ns, &to, 0, pieces, 3), DGRAFT_OK);
    bench->expected_bytes[name] = size;
    free(bytes);
}

static void check_delivery(struct bench *bench, const struct dgraft_datagram *message)
{
    const uint32_t name = message->bytes[0];
    cr_assert(name < LOSSY_MESSAGES);
    cr_assert_eq(message->size, bench->expected_bytes[name]);
    for (size_t i = 0; i < message->size; i++) {
        cr_assert_eq(message->bytes[i], byte_at(name, i), "message %u differs at %zu", name, i);
    }
    bench->delivered[name]++;
    bench->delivered_ns[name] = bench->net.now_ns;
    bench->order[bench->delivered_total++ % LOSSY_MESSAGES] = name;
}

/* Runs until nothing is under way any more. */
static void run(struct bench *bench)
{
    struct lossy_net *net = &bench->net;
    for (;;) {
        struct dgraft_datagram datagram;
        int to = 0;
        while (lossy_take(net, &datagram, &to)) {
            struct dgraft_datagram message;
            enum dgraft_refusal refusal = DGRAFT_ACCEPT;
            if (dgraft_fragments_receive(bench->sides[to], net->now_ns, &datagram, &message, &refusal)) {
                check_delivery(bench, &message);
                dgraft_buffer_release(message.buffer);
            }
            cr_assert_eq(refusal, DGRAFT_ACCEPT, "%s", dgraft_refusal_text(refusal));
            dgraft_buffer_release(datagram.buffer);
            struct dgraft_fragments_stats stats;
            dgraft_fragments_stats(bench->sides[1], &stats);
            cr_assert(stats.incoming_bytes <= options_of(1).incoming_bytes_max);
            cr_assert(net->unacknowledged_bytes_max <= WINDOW);
        }
        dgraft_time_ns next = UINT64_MAX;
        for (int i = 0; i < LOSSY_ENDS; i++) {
            const dgraft_time_ns wake = dgraft_fragments_wake(bench->sides[i], net->now_ns);
            cr_assert(wake > net->now_ns);
            next = wake < next ? wake : next;
        }
        const dgraft_time_ns arrival = lossy_next(net);
        next = arrival < next ? arrival : next;
        if (next == UINT64_MAX) {
            break;
        }
        net->now_ns = next;
    }
    cr_assert(net->burst_bytes_max <= 60 * 1024);
    cr_assert(net->burst_count_max <= 64);
}

static void one_mib_arrives(uint32_t loss_percent, uint64_t seeds, dgraft_time_ns within_ns)
{
    dgraft_time_ns slowest = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct bench *bench = bench_open(seed, 1400);
        bench->net.loss_percent = loss_percent;
        bench->net.repeat_percent = loss_percent > 0 ? 5 : 0;
        bench->net.jitter_ns = loss_percent > 0 ? 300 * 1000 : 0;
        const dgraft_time_ns begin = bench->net.now_ns;
        send_message(bench, 1, MIB);
        run(bench);
        struct dgraft_fragments_stats stats;
        dgraft_fragments_stats(bench->sides[0], &stats);
        cr_assert_eq(bench->delivered[1], 1u, "seed %lu: delivered %u times", (unsigned long)seed, bench->delivered[1]);
        cr_assert_eq(stats.messages_sent, 1u);
        cr_assert_eq(stats.outgoing_bytes, 0u);
        cr_assert(loss_percent > 0 || stats.pieces_sent_again == 0);
        cr_assert(loss_percent == 0 || (bench->net.lost > 0 && bench->net.repeated > 0 && bench->net.overtaken > 0));
        const dgraft_time_ns took = bench->delivered_ns[1] - begin;
        slowest = took > slowest ? took : slowest;
        bench_close(bench);
    }
    printf("1 MiB at %u %% loss, round trip 1 to 1.6 ms: slowest of %lu seeds %.1f ms\n", loss_percent,
           (unsigned long)seeds, (double)slowest / 1e6);
    cr_assert(slowest <= within_ns);
}

Test(fragments, carry_a_mebibyte_without_loss_and_repeat_nothing)
{
    one_mib_arrives(0, 1, 100 * MS);
}

Test(fragments, carry_a_mebibyte_at_5_percent_loss_exactly_once)
{
    one_mib_arrives(5, 10, 400 * MS);
}

Test(fragments, carry_a_mebibyte_at_20_percent_loss_exactly_once)
{
    one_mib_arrives(20, 10, 1500 * MS);
}

/* What is sent behind a very large message does not wait for all of it. */
Test(fragments, of_later_small_messages_do_not_wait_for_a_large_one)
{
    struct bench *bench = bench_open(3, 1400);
    bench->net.loss_percent = 2;
    send_message(bench, 1, MIB);
    for (uint32_t name = 2; name <= 4; name++) {
        send_message(bench, name, 10000);
    }
    run(bench);
    cr_assert_eq(bench->delivered_total, 4u, "%u", bench->delivered_total);
    cr_assert_eq(bench->order[3], 1u, "the large one is last");
    bench_close(bench);
}

/* Appends come in the order they were sent: out of it a follower would refuse them. */
Test(fragments, of_messages_up_to_64_kib_arrive_in_order)
{
    struct bench *bench = bench_open(4, 1400);
    for (uint32_t name = 1; name <= 12; name++) {
        send_message(bench, name, name % 2 == 0 ? 3000 : 60000);
    }
    run(bench);
    cr_assert_eq(bench->delivered_total, 12u);
    for (uint32_t i = 0; i < 12; i++) {
        cr_assert_eq(bench->order[i], i + 1, "place %u", i);
    }
    bench_close(bench);
}

/* Carriers of any datagram: from the smallest pieces, far more than one acknowledgement can name, to four to a window.
 */
Test(fragments, carry_messages_over_datagrams_of_any_size)
{
    const size_t datagrams[] = {112, 120, 500, 1400, 9000, 65000};
    for (size_t i = 0; i < sizeof datagrams / sizeof datagrams[0]; i++) {
        struct bench *bench = bench_open(i + 1, datagrams[i]);
        bench->net.loss_percent = 10;
        bench->net.repeat_percent = 10;
        bench->net.jitter_ns = 300 * 1000;
        for (uint32_t name = 1; name <= 12; name++) {
            send_message(bench, name, name == 1 ? 64 * 4000 : name * 9999);
        }
        run(bench);
        for (uint32_t name = 1; name <= 12; name++) {
            cr_assert_eq(bench->delivered[name], 1u, "message %u over %zu", name, datagrams[i]);
        }
        bench_close(bench);
    }
}
