/* The udp carrier over loopback. */
#include "udp_ends.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

Test(udp, carries_a_datagram_and_the_answer_to_its_source)
{
    struct dgraft_transport *server = open_any();
    struct dgraft_transport *client = open_any();
    add_peer(client, 1, server);
    cr_assert_eq(send_bytes(client, dgraft_node_set_of(1), "hello", 5, 0), DGRAFT_OK);
    struct dgraft_datagram datagram = take_one(server);
    cr_assert_eq(datagram.size, 5);
    char source[80];
    char expected[80];
    dgraft_address_text(&datagram.source, source, sizeof source);
    client->ops->local_address(client, expected, sizeof expected);
    cr_assert_str_eq(source, expected);
    struct iovec piece = {.iov_base = (void *)(uintptr_t) "hi", .iov_len = 2};
    struct dgraft_outgoing answer = {
        .address = datagram.source, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = &piece, .piece_count = 1};
    cr_assert_eq(server->ops->send(server, &answer), DGRAFT_OK);
    expect_nothing(client); /* queued until flush */
    server->ops->flush(server);
    expect_text(client, "hi");
    dgraft_buffer_release(datagram.buffer);
    server->ops->close(server);
    client->ops->close(client);
}

Test(udp, sends_to_a_set_and_no_failing_receiver_keeps_the_others_from_getting_it)
{
    struct dgraft_transport *sender = open_any();
    struct dgraft_transport *gone = open_any();
    struct dgraft_transport *others[4];
    dgraft_node_set all = dgraft_node_set_of(1) | dgraft_node_set_of(2) | dgraft_node_set_of(9);
    add_peer(sender, 1, gone); /* nobody listens there any more: ICMP answers */
    gone->ops->close(gone);
    cr_assert_eq(sender->ops->peer_add(sender, 2, "255.255.255.255:9"), DGRAFT_OK); /* EACCES without SO_BROADCAST */
    for (dgraft_node_id i = 0; i < 4; i++) {
        others[i] = open_any();
        add_peer(sender, 61 + i, others[i]);
        all |= dgraft_node_set_of(61 + i);
    }
    for (int round = 0; round < 20; round++) {
        cr_assert_eq(send_bytes(sender, all, "round", 5, 0), DGRAFT_OK);
        for (int i = 0; i < 4; i++) {
            expect_text(others[i], "round");
        }
    }
    struct dgraft_transport_stats stats = stats_of(sender);
    cr_assert_eq(stats.sent_datagrams + stats.send_failures, 20 * 7);
    cr_assert_geq(stats.send_failures, 20 * 2, "the unknown peer and the forbidden address are counted each time");
    for (int i = 0; i < 4; i++) {
        others[i]->ops->close(others[i]);
    }
    sender->ops->close(sender);
}

static bool has_ipv6(void)
{
    struct dgraft_udp_options options = {.listen = "[::1]:0"};
    struct dgraft_transport *carrier = NULL;
    char why[200];
    if (dgraft_udp_open(&options, &carrier, why, sizeof why) != DGRAFT_OK) {
        fprintf(stderr, "this machine has no IPv6 loopback (%s): what needs it is not tested\n", why);
        return false;
    }
    carrier->ops->close(carrier);
    return true;
}

Test(udp, speaks_ipv6_where_the_machine_has_it)
{
    if (!has_ipv6()) {
        return;
    }
    struct dgraft_transport *server = open_at("[::1]:0", 0, 0);
    struct dgraft_transport *peer = open_at("[::1]:0", 0, 0);
    add_peer(peer, 1, server);
    cr_assert_eq(send_bytes(peer, dgraft_node_set_of(1), "six", 3, 0), DGRAFT_OK);
    expect_text(server, "six");
    uint8_t *bytes = pattern(50000);
    cr_assert_eq(send_bytes(peer, dgraft_node_set_of(1), bytes, 50000, 1200), DGRAFT_OK);
    expect_pattern(server, 50000, 1200);
    free(bytes);
    cr_assert_eq(peer->ops->peer_add(peer, 2, "127.0.0.1:7001"), DGRAFT_STATUS_ADDRESS, "V6ONLY reaches no IPv4");
    peer->ops->close(peer);
    server->ops->close(server);
}

Test(udp, gives_a_client_one_socket_for_both_families)
{
    struct dgraft_transport *four = open_any();
    struct dgraft_transport *six = has_ipv6() ? open_at("[::1]:0", 0, 0) : NULL;
    struct dgraft_transport *client = open_at(NULL, 0, 0);
    add_peer(client, 4, four);
    cr_assert_eq(send_bytes(client, dgraft_node_set_of(4), "to four", 7, 0), DGRAFT_OK);
    expect_text(four, "to four");
    uint8_t *bytes = pattern(30000);
    cr_assert_eq(send_bytes(client, dgraft_node_set_of(4), bytes, 30000, 1000), DGRAFT_OK);
    expect_pattern(four, 30000, 1000);
    free(bytes);
    /* An IPv4 server's answer comes from the very address that the client sends to. */
    cr_assert_eq(send_bytes(client, dgraft_node_set_of(4), "ask", 3, 0), DGRAFT_OK);
    struct dgraft_datagram question = take_one(four);
    struct iovec piece = {.iov_base = (void *)(uintptr_t) "tell", .iov_len = 4};
    struct dgraft_outgoing answer = {
        .address = question.source, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = &piece, .piece_count = 1};
    cr_assert_eq(four->ops->send(four, &answer), DGRAFT_OK);
    four->ops->flush(four);
    struct dgraft_datagram told = take_one(client);
    struct dgraft_address address;
    cr_assert(client->ops->peer_address(client, 4, &address));
    cr_assert(dgraft_address_equal(&told.source, &address));
    dgraft_buffer_release(question.buffer);
    dgraft_buffer_release(told.buffer);
    if (six != NULL) {
        add_peer(client, 6, six);
        cr_assert_eq(send_bytes(client, dgraft_node_set_of(6), "to six", 6, 0), DGRAFT_OK);
        expect_text(six, "to six");
        six->ops->close(six);
    }
    client->ops->close(client);
    four->ops->close(four);
}

Test(udp, an_ipv4_socket_has_no_ipv6_peers)
{
    struct dgraft_transport *carrier = open_any();
    cr_assert_eq(carrier->ops->peer_add(carrier, 1, "[::1]:7001"), DGRAFT_STATUS_ADDRESS);
    cr_assert_eq(carrier->ops->peer_add(carrier, 1, "127.0.0.1:0"), DGRAFT_STATUS_ADDRESS);
    cr_assert_eq(carrier->ops->peer_add(carrier, 65, "127.0.0.1:1"), DGRAFT_STATUS_MISUSE);
    struct dgraft_outgoing outgoing = {.class_ = DGRAFT_SEND_ONE_WAY};
    char why[100];
    cr_assert_eq(dgraft_udp_resolve("[::1]:7001", &outgoing.address, why, sizeof why), DGRAFT_OK);
    cr_assert_eq(carrier->ops->send(carrier, &outgoing), DGRAFT_OK, "as good as lost");
    memset(&outgoing.address, 0xff, sizeof outgoing.address);
    cr_assert_eq(carrier->ops->send(carrier, &outgoing), DGRAFT_OK, "an address that is none is as good as lost");
    cr_assert_eq(stats_of(carrier).send_failures, 2);
    carrier->ops->close(carrier);
}

static void count_of(struct dgraft_transport *carrier, unsigned expected, size_t size)
{
    unsigned count = 0;
    while (count < expected) {
        struct dgraft_datagram batch[50];
        size_t taken = carrier->ops->receive(carrier, batch, 50);
        for (size_t i = 0; i < taken; i++) {
            cr_assert_eq(batch[i].size, size);
            unsigned number;
            memcpy(&number, batch[i].bytes, sizeof number);
            cr_assert_eq(number, count, "loopback keeps the order");
            count++;
            dgraft_buffer_release(batch[i].buffer);
        }
        struct pollfd ready = {.fd = carrier->ops->descriptor(carrier), .events = POLLIN};
        cr_assert(taken == 50 || count == expected || poll(&ready, 1, WAIT_MS) == 1, "%u of %u", count, expected);
    }
}

Test(udp, hands_a_batch_over_in_few_system_calls)
{
    struct dgraft_transport *server = open_any();
    struct dgraft_transport *client = open_any();
    add_peer(client, 1, server);
    uint8_t bytes[100] = {0};
    for (unsigned i = 0; i < 1000; i++) {
        struct iovec piece = {.iov_base = bytes, .iov_len = sizeof bytes};
        struct dgraft_outgoing outgoing = {.to = 1, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = &piece, .piece_count = 1};
        memcpy(bytes, &i, sizeof i);
        cr_assert_eq(client->ops->send(client, &outgoing), DGRAFT_OK);
    }
    client->ops->flush(client);
    cr_assert_leq(stats_of(client).system_calls, 10); /* 1000 / 128, and some */
    count_of(server, 1000, sizeof bytes);
    cr_assert_leq(stats_of(server).system_calls, 60); /* 1000 / 32, and some */
    cr_assert_eq(stats_of(server).received_datagrams, 1000);
    client->ops->close(client);
    server->ops->close(server);
}

Test(udp, splits_what_was_sent_in_segments_into_views_of_shared_buffers)
{
    struct dgraft_transport *server = open_any();
    struct dgraft_transport *client = open_any();
    add_peer(client, 1, server);
    const size_t size = 200 * 1000 + 17;
    uint8_t *bytes = pattern(size);
    /* In pieces of odd sizes, so that segments cross their borders. */
    struct iovec pieces[21];
    size_t count = 0;
    for (size_t at = 0; at < size; count++) {
        size_t part = size - at < 9973 ? size - at : 9973;
        pieces[count] = (struct iovec){.iov_base = bytes + at, .iov_len = part};
        at += part;
    }
    struct dgraft_outgoing outgoing = {
        .to = 1, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = pieces, .piece_count = count, .segment_bytes = 1000};
    cr_assert_eq(client->ops->send(client, &outgoing), DGRAFT_OK);
    client->ops->flush(client);
    cr_assert_eq(stats_of(client).sent_datagrams, 201);
    cr_assert_eq(stats_of(client).sent_bytes, size);
    expect_pattern(server, size, 1000);
    cr_assert_eq(stats_of(server).received_datagrams, 201);
    expect_nothing(server);
    free(bytes);
    client->ops->close(client);
    server->ops->close(server);
}

Test(udp, sends_plain_datagrams_where_the_kernel_refuses_segmentation)
{
    struct dgraft_transport *server = open_any();
    struct dgraft_transport *client = open_any();
    add_peer(client, 1, server);
    const size_t size = 70000;
    uint8_t *bytes = pattern(size);
    cr_assert_eq(send_bytes(client, 1, bytes, size, 1000), DGRAFT_OK);
    uint64_t before = stats_of(client).system_calls;
    cr_assert_leq(before, 3, "64 segments and 6: two messages");
    expect_pattern(server, size, 1000);
    int on = 1; /* without checksums the kernel refuses segmentation, as it does for a device that cannot do it */
    cr_assert_eq(setsockopt(client->ops->descriptor(client), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
    cr_assert_eq(send_bytes(client, 1, bytes, size, 1000), DGRAFT_OK);
    expect_pattern(server, size, 1000);
    expect_nothing(server);
    cr_assert_eq(stats_of(client).send_failures, 0);
    cr_assert_eq(stats_of(client).sent_datagrams, 2 * 70);
    cr_assert_eq(stats_of(client).system_calls - before, 4, "64 and 6 refused as one, and sent again plainly");
    before = stats_of(client).system_calls;
    cr_assert_eq(send_bytes(client, 1, bytes, size, 1000), DGRAFT_OK);
    expect_pattern(server, size, 1000);
    cr_assert_eq(stats_of(client).system_calls - before, 1, "it has learned");
    free(bytes);
    client->ops->close(client);
    server->ops->close(server);
}

/* Sizes of datagrams queued one after the other: runs of equal ones, shorter and longer ones between, an empty one. */
static size_t queued_size(unsigned i)
{
    return i % 83 == 50 ? 90 : i % 41 == 40 ? 300 : i == 130 ? 0 : 200;
}

/* Receives what queue_mixed sent: every datagram for itself, in order, whole. */
static void expect_mixed(struct dgraft_transport *carrier)
{
    for (unsigned i = 0; i < 200; i++) {
        struct dgraft_datagram datagram = take_one(carrier);
        cr_assert_eq(datagram.size, queued_size(i), "datagram %u has %zu bytes", i, datagram.size);
        for (size_t at = 0; at < datagram.size; at++) {
            cr_assert_eq(datagram.bytes[at], (uint8_t)(i + at));
        }
        dgraft_buffer_release(datagram.buffer);
    }
    expect_nothing(carrier);
}

static void queue_mixed(struct dgraft_transport *carrier, dgraft_node_set to)
{
    uint8_t bytes[300];
    for (unsigned i = 0; i < 200; i++) {
        for (size_t at = 0; at < sizeof bytes; at++) {
            bytes[at] = (uint8_t)(i + at);
        }
        struct iovec piece = {bytes, queued_size(i)};
        struct dgraft_outgoing outgoing = {.to = to, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = &piece, .piece_count = 1};
        cr_assert_eq(carrier->ops->send(carrier, &outgoing), DGRAFT_OK);
    }
    carrier->ops->flush(carrier);
}

Test(udp, joins_queued_datagrams_of_one_size_and_every_receiver_gets_each_for_itself)
{
    struct dgraft_transport *first = open_any();
    struct dgraft_transport *second = open_any();
    struct dgraft_transport *client = open_any();
    add_peer(client, 1, first);
    add_peer(client, 2, second);
    queue_mixed(client, 3);
    cr_assert_leq(stats_of(client).system_calls, 2, "%llu", (unsigned long long)stats_of(client).system_calls);
    cr_assert_eq(stats_of(client).sent_datagrams, 400);
    expect_mixed(first);
    expect_mixed(second);
    int on = 1; /* without checksums the kernel refuses segmentation: each leaves plainly, none is lost */
    cr_assert_eq(setsockopt(client->ops->descriptor(client), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
    queue_mixed(client, 3);
    for (unsigned i = 0; i < 200; i++) { /* what was refused left after what was not */
        dgraft_buffer_release(take_one(first).buffer);
        dgraft_buffer_release(take_one(second).buffer);
    }
    queue_mixed(client, 3);
    expect_mixed(first);
    expect_mixed(second);
    cr_assert_eq(stats_of(client).sent_datagrams, 1200);
    cr_assert_eq(stats_of(client).send_failures, 0);
    client->ops->close(client);
    first->ops->close(first);
    second->ops->close(second);
}

Test(udp, keeps_views_of_one_buffer_apart_when_released_in_any_order)
{
    struct dgraft_transport *server = open_any();
    struct dgraft_transport *client = open_any();
    add_peer(client, 1, server);
    uint8_t *bytes = pattern(10 * 500);
    cr_assert_eq(send_bytes(client, 1, bytes, 10 * 500, 500), DGRAFT_OK);
    struct dgraft_datagram kept[10];
    for (size_t i = 0; i < 10; i++) {
        kept[i] = take_one(server);
    }
    client->ops->close(client);
    server->ops->close(server); /* buffers outlive their carrier */
    for (size_t i = 0; i < 10; i += 2) {
        cr_assert_eq(memcmp(kept[i].bytes, bytes + i * 500, 500), 0);
        dgraft_buffer_release(kept[i].buffer);
    }
    for (size_t i = 1; i < 10; i += 2) {
        cr_assert_eq(memcmp(kept[i].bytes, bytes + i * 500, 500), 0);
        dgraft_buffer_release(kept[i].buffer);
    }
    free(bytes);
}

Test(udp, sends_segments_in_many_pieces_and_segments_beyond_the_gso_limit)
{
    struct dgraft_transport *server = open_at("127.0.0.1:0", 40000, 0);
    struct dgraft_transport *client = open_at("127.0.0.1:0", 40000, 0);
    add_peer(client, 1, server);
    const size_t size = 90000;
    uint8_t *bytes = pattern(size);
    struct iovec *pieces = calloc(size / 10, sizeof *pieces);
    cr_assert_not_null(pieces);
    for (size_t i = 0; i < size / 10; i++) {
        pieces[i] = (struct iovec){.iov_base = bytes + i * 10, .iov_len = 10};
    }
    struct dgraft_outgoing outgoing = {
        .to = 1, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = pieces, .piece_count = size / 10, .segment_bytes = 4000};
    cr_assert_eq(client->ops->send(client, &outgoing), DGRAFT_OK);
    client->ops->flush(client);
    expect_pattern(server, size, 4000);
    outgoing.segment_bytes = 40000; /* only one fits a message to the kernel */
    cr_assert_eq(client->ops->send(client, &outgoing), DGRAFT_OK);
    client->ops->flush(client);
    expect_pattern(server, size, 40000);
    outgoing.segment_bytes = 7; /* 64 of them are a small message */
    outgoing.pieces = &(struct iovec){.iov_base = bytes, .iov_len = 1001};
    outgoing.piece_count = 1;
    cr_assert_eq(client->ops->send(client, &outgoing), DGRAFT_OK);
    client->ops->flush(client);
    expect_pattern(server, 1001, 7);
    free(pieces);
    free(bytes);
    client->ops->close(client);
    server->ops->close(server);
}

Test(udp, sends_a_large_datagram_from_its_pieces_to_every_receiver_and_in_its_place)
{
    struct dgraft_transport *first = open_at("127.0.0.1:0", 40000, 0);
    struct dgraft_transport *second = open_at("127.0.0.1:0", 40000, 0);
    struct dgraft_transport *client = open_at("127.0.0.1:0", 40000, 0);
    add_peer(client, 1, first);
    add_peer(client, 2, second);
    uint8_t *bytes = pattern(20000);
    char before[] = "before";
    char after[] = "after";
    struct iovec small = {before, sizeof before};
    struct iovec pieces[4] = {{bytes, 7}, {bytes + 7, 0}, {bytes + 7, 12000}, {bytes + 12007, 7993}};
    struct dgraft_outgoing outgoing = {.to = 3, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = &small, .piece_count = 1};
    cr_assert_eq(client->ops->send(client, &outgoing), DGRAFT_OK);
    outgoing.pieces = pieces;
    outgoing.piece_count = 4;
    cr_assert_eq(client->ops->send(client, &outgoing), DGRAFT_OK);
    small = (struct iovec){after, sizeof after};
    outgoing.pieces = &small;
    outgoing.piece_count = 1;
    cr_assert_eq(client->ops->send(client, &outgoing), DGRAFT_OK);
    client->ops->flush(client);
    struct dgraft_transport *servers[2] = {first, second};
    for (int i = 0; i < 2; i++) {
        struct dgraft_datagram datagram = take_one(servers[i]);
        cr_assert_eq(datagram.size, sizeof before);
        dgraft_buffer_release(datagram.buffer);
        datagram = take_one(servers[i]);
        cr_assert_eq(datagram.size, 20000);
        cr_assert_eq(memcmp(datagram.bytes, bytes, 20000), 0);
        dgraft_buffer_release(datagram.buffer);
        datagram = take_one(servers[i]);
        cr_assert_eq(datagram.size, sizeof after);
        dgraft_buffer_release(datagram.buffer);
        expect_nothing(servers[i]);
    }
    cr_assert_eq(stats_of(client).sent_datagrams, 6);
    cr_assert_eq(stats_of(client).send_failures, 0);
    free(bytes);
    client->ops->close(client);
    first->ops->close(first);
    second->ops->close(second);
}

Test(udp, carries_datagrams_up_to_the_configured_size_and_refuses_larger_ones)
{
    const size_t sizes[] = {65000, 1400, 60000};
    uint8_t *bytes = pattern(65001);
    for (size_t i = 0; i < 3; i++) {
        struct dgraft_transport *server = open_any(); /* receives more than it sends */
        struct dgraft_transport *client = open_at("127.0.0.1:0", sizes[i], 0);
        add_peer(client, 1, server);
        cr_assert_eq(send_bytes(client, 1, bytes, sizes[i] + 1, 0), DGRAFT_STATUS_TOO_LARGE);
        cr_assert_eq(send_bytes(client, 1, bytes, sizes[i] + 1, sizes[i] + 1), DGRAFT_STATUS_TOO_LARGE);
        cr_assert_eq(send_bytes(client, 1, bytes, sizes[i], 0), DGRAFT_OK);
        expect_pattern(server, sizes[i], sizes[i]);
        cr_assert_eq(send_bytes(client, 1, bytes, 0, 0), DGRAFT_OK);
        expect_text(server, "");
        expect_nothing(server);
        client->ops->close(client);
        server->ops->close(server);
    }
    free(bytes);
    struct dgraft_udp_options options = {.datagram_bytes_max = 65001};
    struct dgraft_transport *carrier = NULL;
    char why[200];
    cr_assert_eq(dgraft_udp_open(&options, &carrier, why, sizeof why), DGRAFT_STATUS_CONFIG);
}

Test(udp, counts_what_a_receive_buffer_of_208_KiB_loses)
{
    /* 106,496 doubled is 212,992: the usual default of the system. */
    struct dgraft_transport *server = open_at("127.0.0.1:0", 60000, 106496);
    struct dgraft_transport *client = open_at("127.0.0.1:0", 60000, 0);
    cr_assert_eq(stats_of(server).receive_buffer_bytes, 106496);
    add_peer(client, 1, server);
    uint8_t *bytes = pattern(60000);
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(send_bytes(client, 1, bytes, 60000, 0), DGRAFT_OK);
    }
    uint64_t got = 0;
    struct dgraft_datagram datagram;
    while (server->ops->receive(server, &datagram, 1) == 1) {
        cr_assert_eq(datagram.size, 60000);
        dgraft_buffer_release(datagram.buffer);
        got++;
    }
    cr_assert_gt(got, 0);
    cr_assert_lt(got, 20);
    /* The kernel tells of its losses with the next datagram. */
    cr_assert_eq(send_bytes(client, 1, "after", 5, 0), DGRAFT_OK);
    expect_text(server, "after");
    cr_assert_eq(stats_of(server).dropped_overflow, 20 - got);
    free(bytes);
    client->ops->close(client);
    server->ops->close(server);
}

Test(udp, goes_on_when_receivers_keep_more_buffers_than_the_pool_has)
{
    enum { COUNT = 600 }; /* 128 places in the pool */
    struct dgraft_transport *server = open_any();
    struct dgraft_transport *client = open_any();
    add_peer(client, 1, server);
    static struct dgraft_datagram kept[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        cr_assert_eq(send_bytes(client, 1, &i, sizeof i, 0), DGRAFT_OK);
        kept[i] = take_one(server);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        unsigned number;
        memcpy(&number, kept[i].bytes, sizeof number);
        cr_assert_eq(number, i);
    }
    for (unsigned i = 0; i < COUNT / 2; i++) {
        dgraft_buffer_release(kept[i].buffer);
    }
    cr_assert_eq(send_bytes(client, 1, "later", 5, 0), DGRAFT_OK);
    expect_text(server, "later");
    client->ops->close(client);
    server->ops->close(server);
    for (unsigned i = COUNT / 2; i < COUNT; i++) {
        unsigned number;
        memcpy(&number, kept[i].bytes, sizeof number);
        cr_assert_eq(number, i);
        dgraft_buffer_release(kept[i].buffer);
    }
}

Test(udp, leaves_data_in_the_socket_when_everything_is_kept)
{
    enum {
        COUNT = 800,
        SIZE = 60000
    }; /* 128 in the pool; then up to 32 MiB: 559 of these, less what one batch needs */
    struct dgraft_transport *server = open_at("127.0.0.1:0", SIZE, 0);
    struct dgraft_transport *client = open_at("127.0.0.1:0", SIZE, 0);
    add_peer(client, 1, server);
    uint8_t *bytes = pattern(SIZE);
    static struct dgraft_datagram kept[COUNT];
    unsigned count = 0;
    for (unsigned sent = 0; sent < COUNT; sent++) {
        cr_assert_eq(send_bytes(client, 1, bytes, SIZE, 0), DGRAFT_OK);
        count += (unsigned)server->ops->receive(server, &kept[count], 1);
    }
    cr_assert_gt(count, 128 + 500);
    cr_assert_leq(count, 128 + 32 * 1024 * 1024 / SIZE);
    for (unsigned i = 0; i < count; i++) {
        dgraft_buffer_release(kept[i].buffer);
    }
    expect_pattern(server, SIZE, SIZE); /* it was left in the socket, and comes now */
    free(bytes);
    client->ops->close(client);
    server->ops->close(server);
}

/* A socket that is not ours, connected to the carrier. */
static int stranger_to(const struct dgraft_transport *carrier)
{
    char text[80];
    char why[100];
    struct dgraft_address address;
    carrier->ops->local_address(carrier, text, sizeof text);
    cr_assert_eq(dgraft_udp_resolve(text, &address, why, sizeof why), DGRAFT_OK);
    int stranger = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_storage to;
    memcpy(&to, address.bytes, address.size);
    cr_assert_eq(connect(stranger, (struct sockaddr *)&to, address.size), 0);
    return stranger;
}

Test(udp, hands_out_whatever_a_stranger_sends_and_stays_open)
{
    struct dgraft_transport *server = open_any();
    int stranger = stranger_to(server);
    uint8_t *bytes = pattern(65507);
    for (size_t size = 0; size <= 65507; size += 65507 / 13) { /* the largest datagram that IPv4 has, and smaller */
        cr_assert_eq(send(stranger, bytes, size, 0), (ssize_t)size);
        if (size > 0) {
            expect_pattern(server, size, size);
        } else {
            expect_text(server, "");
        }
    }
    free(bytes);
    close(stranger);
    server->ops->close(server);
}

Test(udp, says_what_is_wrong_with_an_address)
{
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {{"", "HOST:PORT"},
                 {"localhost", "HOST:PORT"},
                 {":7001", "HOST:PORT"},
                 {"127.0.0.1:", "port"},
                 {"127.0.0.1:65536", "port"},
                 {"127.0.0.1:7e1", "port"},
                 {"127.0.0.1:-1", "port"},
                 {"127.0.0.1: 1", "port"},
                 {"127.0.0.1:4294967297", "port"},
                 {"127.0.0.1:00000000001", "port"},
                 {"::1:7001", "brackets"},
                 {"ipc:///run/node", "bus"},
                 {"[::1:7001", "[ADDRESS]:PORT"},
                 {"[]:7001", "[ADDRESS]:PORT"},
                 {"[:7001", "[ADDRESS]:PORT"},
                 {"1.2.3.4.5:7001", "unknown"},
                 {"no such host:7001", "unknown"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dgraft_udp_options options = {.listen = cases[i].text};
        struct dgraft_transport *carrier = NULL;
        char why[200] = "";
        cr_assert_eq(dgraft_udp_open(&options, &carrier, why, sizeof why), DGRAFT_STATUS_ADDRESS, "%s", cases[i].text);
        cr_assert_not_null(strstr(why, cases[i].words), "'%s' gives: %s", cases[i].text, why);
        struct dgraft_address address;
        cr_assert_eq(dgraft_udp_resolve(cases[i].text, &address, why, sizeof why), DGRAFT_STATUS_ADDRESS);
    }
    struct dgraft_address address;
    char why[10]; /* cut, and not beyond it */
    cr_assert_eq(dgraft_udp_resolve("127.0.0.1:0", &address, why, sizeof why), DGRAFT_STATUS_ADDRESS);
    cr_assert_eq(strlen(why), 9);
}

Test(udp, names_an_address_in_use_and_one_that_is_not_here)
{
    struct dgraft_transport *first = open_any();
    char text[80];
    first->ops->local_address(first, text, sizeof text);
    struct dgraft_udp_options options = {.listen = text};
    struct dgraft_transport *second = NULL;
    char why[200] = "";
    cr_assert_eq(dgraft_udp_open(&options, &second, why, sizeof why), DGRAFT_STATUS_ADDRESS_IN_USE);
    cr_assert_not_null(strstr(why, text), "%s", why);
    cr_assert_not_null(strstr(why, "another port"), "%s", why);
    first->ops->close(first);
    cr_assert_eq(dgraft_udp_open(&options, &second, why, sizeof why), DGRAFT_OK, "free again: %s", why);
    second->ops->close(second);
    options.listen = "192.0.2.1:7001"; /* for documentation: nobody's */
    cr_assert_eq(dgraft_udp_open(&options, &second, why, sizeof why), DGRAFT_STATUS_ADDRESS);
    cr_assert_not_null(strstr(why, "192.0.2.1:7001"), "%s", why);
}

Test(udp, prints_addresses_as_people_write_them)
{
    static const char *const texts[] = {"127.0.0.1:7001", "[::1]:65535", "255.255.255.254:1"};
    for (size_t i = 0; i < 3; i++) {
        struct dgraft_address address;
        char text[80];
        cr_assert_eq(dgraft_udp_resolve(texts[i], &address, text, sizeof text), DGRAFT_OK);
        dgraft_address_text(&address, text, sizeof text);
        cr_assert_str_eq(text, texts[i]);
    }
    struct dgraft_address none = {.size = 0};
    char text[80];
    dgraft_address_text(&none, text, sizeof text);
    cr_assert_str_eq(text, "nowhere");
    struct dgraft_address wild;
    memset(&wild, 0xee, sizeof wild);
    dgraft_address_text(&wild, text, sizeof text);
    cr_assert_str_eq(text, "unknown");
    cr_assert_not(dgraft_address_equal(&wild, &wild), "a size beyond the address is no address");
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    cr_assert_not_null(directory);
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

Test(udp, leaks_nothing_over_a_thousand_openings_with_data_pending)
{
    struct dgraft_transport *client = open_any();
    unsigned before = open_descriptors();
    uint8_t *bytes = pattern(10000);
    for (int i = 0; i < 1000; i++) {
        struct dgraft_transport *server = open_any();
        add_peer(client, 1, server);
        cr_assert_eq(send_bytes(client, 1, bytes, 10000, 1000), DGRAFT_OK);
        struct dgraft_datagram datagram;
        if (i % 2 == 0 && server->ops->receive(server, &datagram, 1) == 1) {
            dgraft_buffer_release(datagram.buffer); /* the other nine segments are pending in the carrier */
        }
        add_peer(server, 1, client);
        struct iovec piece = {.iov_base = bytes, .iov_len = 10};
        struct dgraft_outgoing unflushed = {.to = 1, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = &piece, .piece_count = 1};
        cr_assert_eq(server->ops->send(server, &unflushed), DGRAFT_OK);
        server->ops->close(server);
    }
    free(bytes);
    cr_assert_eq(open_descriptors(), before);
    client->ops->close(client);
}
