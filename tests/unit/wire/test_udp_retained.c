/* What is sent by udp stays where it lies until flush, and is gathered from there. */
#include "udp_ends.h"

#include <sys/socket.h>

/* Queues a datagram of a head and a record, which lie apart. */
static void queue_pair(struct dgraft_transport *carrier, dgraft_node_set to, enum dgraft_piece_life life,
                       struct iovec head, struct iovec record)
{
    struct iovec pieces[2] = {head, record};
    struct dgraft_outgoing outgoing = {
        .to = to, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = pieces, .piece_count = 2, .life = life};
    cr_assert_eq(carrier->ops->send(carrier, &outgoing), DGRAFT_OK);
    memset(pieces, 0, sizeof pieces); /* the list itself is borrowed for the call only */
}

Test(udp_retained, reads_what_is_retained_until_flush_then_and_what_is_lent_for_the_call_at_once)
{
    struct dgraft_transport *server = open_at("127.0.0.1:0", 40000, 0);
    struct dgraft_transport *client = open_at("127.0.0.1:0", 40000, 0);
    add_peer(client, 1, server);
    char retained[] = "retained";
    char lent[] = "borrowed";
    uint8_t *large = pattern(30000); /* too large to be copied: it leaves within the call */
    queue_pair(client, 1, DGRAFT_PIECES_UNTIL_FLUSH, (struct iovec){retained, 2}, (struct iovec){retained + 2, 6});
    queue_pair(client, 1, DGRAFT_PIECES_FOR_CALL, (struct iovec){lent, 2}, (struct iovec){lent + 2, 6});
    expect_nothing(server);
    memcpy(retained, "RETAINED", 8);
    memcpy(lent, "BORROWED", 8);
    client->ops->flush(client);
    memcpy(retained, "too late", 8);
    expect_text(server, "RETAINED");
    expect_text(server, "borrowed");
    queue_pair(client, 1, DGRAFT_PIECES_UNTIL_FLUSH, (struct iovec){retained, 3}, (struct iovec){retained + 3, 5});
    queue_pair(client, 1, DGRAFT_PIECES_FOR_CALL, (struct iovec){large, 100}, (struct iovec){large + 100, 29900});
    memset(large, 0, 30000);
    expect_text(server, "too late");
    expect_pattern(server, 30000, 30000);
    client->ops->flush(client);
    expect_nothing(server);
    free(large);
    client->ops->close(client);
    server->ops->close(server);
}

/* Takes the datagrams of gathers_datagrams: a head of 40 bytes and a record of 200 each, the last shorter. */
static void expect_pairs(struct dgraft_transport *carrier, unsigned count, const uint8_t *heads, const uint8_t *records)
{
    for (unsigned i = 0; i < count; i++) {
        const size_t record = i + 1 == count ? 50 : 200;
        struct dgraft_datagram datagram = take_one(carrier);
        cr_assert_eq(datagram.size, 40 + record, "datagram %u has %zu bytes", i, datagram.size);
        cr_assert_eq(memcmp(datagram.bytes, heads + i * 41, 40), 0, "head %u", i);
        cr_assert_eq(memcmp(datagram.bytes + 40, records + i * 211, record), 0, "record %u", i);
        dgraft_buffer_release(datagram.buffer);
    }
    expect_nothing(carrier);
}

static void queue_pairs(struct dgraft_transport *carrier, unsigned count, uint8_t *heads, uint8_t *records)
{
    for (unsigned i = 0; i < count; i++) {
        queue_pair(carrier, 3, DGRAFT_PIECES_UNTIL_FLUSH, (struct iovec){heads + (size_t)i * 41, 40},
                   (struct iovec){records + (size_t)i * 211, i + 1 == count ? 50 : 200});
    }
    carrier->ops->flush(carrier);
}

Test(udp_retained, gathers_datagrams_of_one_size_from_all_over_memory_into_one_message_a_receiver)
{
    enum { COUNT = 700 }; /* 1,400 vectors: more than one hand-over takes */
    struct dgraft_transport *first = open_any();
    struct dgraft_transport *second = open_any();
    struct dgraft_transport *client = open_any();
    add_peer(client, 1, first);
    add_peer(client, 2, second);
    uint8_t *heads = pattern((size_t)COUNT * 41);
    uint8_t *records = pattern((size_t)COUNT * 211);
    queue_pairs(client, 50, heads, records);
    cr_assert_eq(stats_of(client).system_calls, 1);
    cr_assert_eq(stats_of(client).sent_datagrams, 100);
    expect_pairs(first, 50, heads, records);
    expect_pairs(second, 50, heads, records);
    queue_pairs(client, COUNT, heads, records);
    cr_assert_leq(stats_of(client).system_calls, 4);
    expect_pairs(first, COUNT, heads, records);
    expect_pairs(second, COUNT, heads, records);
    int on = 1; /* without checksums the kernel refuses segmentation */
    cr_assert_eq(setsockopt(client->ops->descriptor(client), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
    queue_pairs(client, 50, heads, records);
    expect_pairs(first, 50, heads, records);
    expect_pairs(second, 50, heads, records);
    cr_assert_eq(stats_of(client).send_failures, 0);
    free(heads);
    free(records);
    client->ops->close(client);
    first->ops->close(first);
    second->ops->close(second);
}

Test(udp_retained, copies_a_datagram_in_more_pieces_than_a_message_may_have)
{
    enum { PIECES = 3000 };
    struct dgraft_transport *server = open_at("127.0.0.1:0", 40000, 0);
    struct dgraft_transport *client = open_at("127.0.0.1:0", 40000, 0);
    add_peer(client, 1, server);
    uint8_t *bytes = pattern(PIECES * 10);
    uint8_t *apart = malloc(PIECES * 11);
    struct iovec *pieces = calloc(PIECES, sizeof *pieces);
    cr_assert(apart != NULL && pieces != NULL);
    for (size_t i = 0; i < PIECES; i++) {
        memcpy(apart + i * 11, bytes + i * 10, 10);
        pieces[i] = (struct iovec){apart + i * 11, 10};
    }
    struct dgraft_outgoing outgoing = {.to = 1,
                                       .class_ = DGRAFT_SEND_ONE_WAY,
                                       .pieces = pieces,
                                       .piece_count = PIECES,
                                       .life = DGRAFT_PIECES_UNTIL_FLUSH};
    cr_assert_eq(client->ops->send(client, &outgoing), DGRAFT_OK);
    client->ops->flush(client);
    expect_pattern(server, PIECES * 10, PIECES * 10);
    free(pieces);
    free(apart);
    free(bytes);
    client->ops->close(client);
    server->ops->close(server);
}
