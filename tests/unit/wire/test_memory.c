#include <dgraft/transport.h>

#include <criterion/criterion.h>
#include <string.h>

#define DATAGRAM_MAX 100u
#define INBOX_MAX    4u

static struct dgraft_memory_hub *hub;
static struct dgraft_transport *alice;
static struct dgraft_transport *bob;

static struct dgraft_transport *open_carrier(const char *name)
{
    struct dgraft_transport *carrier = NULL;
    cr_assert_eq(dgraft_memory_open(hub, name, DATAGRAM_MAX, INBOX_MAX, &carrier), DGRAFT_OK);
    return carrier;
}

static void open_two(void)
{
    hub = dgraft_memory_hub_open(NULL, NULL);
    alice = open_carrier("alice");
    bob = open_carrier("bob");
    cr_assert_eq(alice->ops->peer_add(alice, 2, "bob"), DGRAFT_OK);
}

static void close_two(void)
{
    alice->ops->close(alice);
    bob->ops->close(bob);
    dgraft_memory_hub_close(hub);
}

TestSuite(memory, .init = open_two, .fini = close_two);

static enum dgraft_status send_text(struct dgraft_transport *carrier, dgraft_node_set to, const char *text)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct dgraft_outgoing outgoing = {.to = to, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = &piece, .piece_count = 1};
    return carrier->ops->send(carrier, &outgoing);
}

/* Takes one datagram; fails unless it is `text` from `source`. */
static void expect_text(struct dgraft_transport *carrier, const char *text, const char *source)
{
    struct dgraft_datagram datagram;
    cr_assert_eq(carrier->ops->receive(carrier, &datagram, 1), 1, "nothing arrived, %s was expected", text);
    cr_assert_eq(datagram.size, strlen(text));
    cr_assert_eq(memcmp(datagram.bytes, text, datagram.size), 0);
    struct dgraft_address expected;
    dgraft_memory_address(source, &expected);
    cr_assert(dgraft_address_equal(&datagram.source, &expected));
    dgraft_buffer_release(datagram.buffer);
}

static void expect_nothing(struct dgraft_transport *carrier)
{
    struct dgraft_datagram datagram;
    cr_assert_eq(carrier->ops->receive(carrier, &datagram, 1), 0);
}

static void queue_text(dgraft_node_set to, char *text, enum dgraft_piece_life life)
{
    struct iovec pieces[2] = {{text, 2}, {text + 2, strlen(text) - 2}};
    struct dgraft_outgoing outgoing = {
        .to = to, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = pieces, .piece_count = 2, .life = life};
    cr_assert_eq(alice->ops->send(alice, &outgoing), DGRAFT_OK);
    memset(pieces, 0, sizeof pieces);
}

Test(memory, reads_what_is_retained_until_flush_when_it_is_flushed)
{
    char first[] = "first";
    char second[] = "second";
    queue_text(2, first, DGRAFT_PIECES_UNTIL_FLUSH);
    memcpy(first, "FIRST", 5);
    expect_nothing(bob);
    queue_text(2, second, DGRAFT_PIECES_FOR_CALL); /* not before the one sent before it */
    expect_text(bob, "FIRST", "alice");
    expect_text(bob, "second", "alice");
    queue_text(2, second, DGRAFT_PIECES_UNTIL_FLUSH);
    expect_nothing(bob);
    alice->ops->flush(alice);
    expect_text(bob, "second", "alice");
    queue_text(2, first, DGRAFT_PIECES_UNTIL_FLUSH); /* closed without flush: lost, and its list is freed */
}

Test(memory, carries_a_datagram_to_a_peer_and_the_answer_to_its_source)
{
    cr_assert_eq(send_text(alice, dgraft_node_set_of(2), "hello"), DGRAFT_OK);
    struct dgraft_datagram datagram;
    cr_assert_eq(bob->ops->receive(bob, &datagram, 1), 1);
    struct iovec piece = {.iov_base = (void *)(uintptr_t) "hi", .iov_len = 2};
    struct dgraft_outgoing answer = {
        .address = datagram.source, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = &piece, .piece_count = 1};
    dgraft_buffer_release(datagram.buffer);
    cr_assert_eq(bob->ops->send(bob, &answer), DGRAFT_OK);
    expect_text(alice, "hi", "bob");
}

Test(memory, sends_one_message_to_every_peer_of_a_set_and_counts_those_it_does_not_know)
{
    struct dgraft_transport *carol = open_carrier("carol");
    cr_assert_eq(alice->ops->peer_add(alice, 64, "carol"), DGRAFT_OK);
    dgraft_node_set all = dgraft_node_set_of(2) | dgraft_node_set_of(9) | dgraft_node_set_of(64);
    cr_assert_eq(send_text(alice, all, "all"), DGRAFT_OK);
    expect_text(bob, "all", "alice");
    expect_text(carol, "all", "alice");
    struct dgraft_transport_stats stats;
    alice->ops->stats(alice, &stats);
    cr_assert_eq(stats.send_failures, 1);
    cr_assert_eq(stats.sent_datagrams, 2);
    carol->ops->close(carol);
}

Test(memory, joins_pieces_and_cuts_segments)
{
    struct iovec pieces[3] = {{.iov_base = (void *)(uintptr_t) "abc", .iov_len = 3},
                              {.iov_base = NULL, .iov_len = 0},
                              {.iov_base = (void *)(uintptr_t) "defgh", .iov_len = 5}};
    struct dgraft_outgoing outgoing = {
        .to = dgraft_node_set_of(2), .class_ = DGRAFT_SEND_ONE_WAY, .pieces = pieces, .piece_count = 3};
    cr_assert_eq(alice->ops->send(alice, &outgoing), DGRAFT_OK);
    expect_text(bob, "abcdefgh", "alice");
    outgoing.segment_bytes = 3;
    cr_assert_eq(alice->ops->send(alice, &outgoing), DGRAFT_OK);
    expect_text(bob, "abc", "alice");
    expect_text(bob, "def", "alice");
    expect_text(bob, "gh", "alice");
    expect_nothing(bob);
}

Test(memory, refuses_what_is_larger_than_a_datagram)
{
    static char text[DATAGRAM_MAX + 2];
    memset(text, 'x', DATAGRAM_MAX + 1);
    cr_assert_eq(send_text(alice, dgraft_node_set_of(2), text), DGRAFT_STATUS_TOO_LARGE);
    expect_nothing(bob);
    text[DATAGRAM_MAX] = 0;
    cr_assert_eq(send_text(alice, dgraft_node_set_of(2), text), DGRAFT_OK);
    expect_text(bob, text, "alice");
}

Test(memory, loses_and_counts_what_does_not_fit_into_the_inbox)
{
    for (unsigned i = 0; i < INBOX_MAX + 3; i++) {
        cr_assert_eq(send_text(alice, dgraft_node_set_of(2), i == 0 ? "first" : "later"), DGRAFT_OK);
    }
    struct dgraft_transport_stats stats;
    bob->ops->stats(bob, &stats);
    cr_assert_eq(stats.dropped_overflow, 3);
    expect_text(bob, "first", "alice");
    for (unsigned i = 1; i < INBOX_MAX; i++) {
        expect_text(bob, "later", "alice");
    }
    expect_nothing(bob);
}

Test(memory, keeps_a_buffer_beyond_the_carriers_end)
{
    struct dgraft_transport *carol = open_carrier("carol");
    cr_assert_eq(alice->ops->peer_add(alice, 3, "carol"), DGRAFT_OK);
    cr_assert_eq(send_text(alice, dgraft_node_set_of(3), "kept"), DGRAFT_OK);
    cr_assert_eq(send_text(alice, dgraft_node_set_of(3), "pending"), DGRAFT_OK);
    struct dgraft_datagram datagram;
    cr_assert_eq(carol->ops->receive(carol, &datagram, 1), 1);
    carol->ops->close(carol);
    cr_assert_eq(memcmp(datagram.bytes, "kept", 4), 0);
    dgraft_buffer_release(datagram.buffer);
    cr_assert_eq(send_text(alice, dgraft_node_set_of(3), "lost"), DGRAFT_OK);
}

Test(memory, refuses_bad_names_and_a_name_taken)
{
    struct dgraft_transport *carrier = NULL;
    cr_assert_eq(dgraft_memory_open(hub, "bob", DATAGRAM_MAX, 1, &carrier), DGRAFT_STATUS_ADDRESS_IN_USE);
    cr_assert_eq(dgraft_memory_open(hub, "", DATAGRAM_MAX, 1, &carrier), DGRAFT_STATUS_ADDRESS);
    cr_assert_eq(alice->ops->peer_add(alice, 3, "a name of more than thirty-one bytes"), DGRAFT_STATUS_ADDRESS);
    cr_assert_eq(alice->ops->peer_add(alice, 3, "line\n"), DGRAFT_STATUS_ADDRESS);
    cr_assert_eq(alice->ops->peer_add(alice, 0, "bob"), DGRAFT_STATUS_MISUSE);
    cr_assert_eq(alice->ops->peer_add(alice, 65, "bob"), DGRAFT_STATUS_MISUSE);
}

Test(memory, names_peers_until_they_are_removed)
{
    struct dgraft_address address;
    cr_assert(alice->ops->peer_address(alice, 2, &address));
    char text[40];
    dgraft_address_text(&address, text, sizeof text);
    cr_assert_str_eq(text, "bob");
    alice->ops->local_address(alice, text, sizeof text);
    cr_assert_str_eq(text, "alice");
    alice->ops->peer_remove(alice, 2);
    cr_assert_not(alice->ops->peer_address(alice, 2, &address));
    cr_assert_not(alice->ops->peer_address(alice, 0, &address));
    cr_assert_not(alice->ops->peer_address(alice, 65, &address));
}

struct script {
    unsigned calls;
    struct dgraft_memory_hub *hub;
};

/* Loses the first datagram and delivers the others twice. */
static void deliver_scripted(void *context, const struct dgraft_address *from, const struct dgraft_address *to,
                             const uint8_t *bytes, size_t size)
{
    struct script *script = context;
    if (script->calls++ > 0) {
        dgraft_memory_hub_inject(script->hub, from, to, bytes, size);
        dgraft_memory_hub_inject(script->hub, from, to, bytes, size);
    }
}

Test(memory_hub, leaves_every_datagrams_fate_to_its_owner)
{
    struct script script = {.calls = 0};
    hub = script.hub = dgraft_memory_hub_open(deliver_scripted, &script);
    struct dgraft_transport *one = open_carrier("one");
    struct dgraft_transport *two = open_carrier("two");
    cr_assert_eq(one->ops->peer_add(one, 2, "two"), DGRAFT_OK);
    cr_assert_eq(send_text(one, dgraft_node_set_of(2), "lost"), DGRAFT_OK);
    cr_assert_eq(send_text(one, dgraft_node_set_of(2), "twice"), DGRAFT_OK);
    expect_text(two, "twice", "one");
    expect_text(two, "twice", "one");
    expect_nothing(two);
    dgraft_memory_hub_close(hub);
    cr_assert_eq(send_text(one, dgraft_node_set_of(2), "gone"), DGRAFT_OK, "a closed hub loses, and does not crash");
    one->ops->close(one);
    two->ops->close(two);
}
