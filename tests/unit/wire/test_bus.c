/* The bus carrier over loopback tcp and ipc. */
#include <dgraft/transport.h>

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TRIES         500 /* of TRY_MS each */
#define TRY_MS        10
#define QUIET_MS      60
#define LARGEST_BYTES (2u * 1024 * 1024)

enum kind { TCP = 1, IPC = 2 };

static char folder[] = "bus-test-XXXXXX";

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
    char path[40];
    for (int i = 0; i < 10; i++) {
        snprintf(path, sizeof path, "%s/%d", folder, i);
        (void)unlink(path);
    }
    cr_assert_eq(rmdir(folder), 0);
}

/* An ipc address has room for some 70 characters only: the path is given from the root by way of /proc. */
static void address_for(enum kind kind, int number, char text[64])
{
    if (kind == TCP) {
        snprintf(text, 64, "127.0.0.1:0");
        return;
    }
    snprintf(text, 64, "ipc:///proc/self/cwd/%s/%d", folder, number);
}

static enum dgraft_status try_open(const char *listen, dgraft_node_id self, struct dgraft_transport **out, char *why,
                                   size_t why_bytes)
{
    struct dgraft_bus_options options = {.listen = listen, .self = self};
    return dgraft_bus_open(&options, out, why, why_bytes);
}

static struct dgraft_transport *open_at(const char *listen, dgraft_node_id self)
{
    struct dgraft_transport *carrier = NULL;
    char why[200] = "";
    cr_assert_eq(try_open(listen, self, &carrier, why, sizeof why), DGRAFT_OK, "%s", why);
    return carrier;
}

static void add_peer(struct dgraft_transport *carrier, dgraft_node_id id, const struct dgraft_transport *peer)
{
    char text[80];
    peer->ops->local_address(peer, text, sizeof text);
    cr_assert_eq(carrier->ops->peer_add(carrier, id, text), DGRAFT_OK, "%s", text);
}

static enum dgraft_status send_bytes(struct dgraft_transport *carrier, dgraft_node_set to, const void *bytes,
                                     size_t size)
{
    struct iovec pieces[2] = {{.iov_base = (void *)(uintptr_t)bytes, .iov_len = size / 3},
                              {.iov_base = (uint8_t *)(uintptr_t)bytes + size / 3, .iov_len = size - size / 3}};
    struct dgraft_outgoing outgoing = {.to = to, .class_ = DGRAFT_SEND_ONE_WAY, .pieces = pieces, .piece_count = 2};
    enum dgraft_status status = carrier->ops->send(carrier, &outgoing);
    carrier->ops->flush(carrier);
    return status;
}

/* Takes a datagram if one comes in time. */
static bool take_within(struct dgraft_transport *carrier, int wait_ms, struct dgraft_datagram *out)
{
    struct pollfd ready = {.fd = carrier->ops->descriptor(carrier), .events = POLLIN};
    if (carrier->ops->receive(carrier, out, 1) == 1) {
        return true;
    }
    return poll(&ready, 1, wait_ms) == 1 && carrier->ops->receive(carrier, out, 1) == 1;
}

static bool holds(const struct dgraft_datagram *datagram, const char *text)
{
    return datagram->size == strlen(text) && memcmp(datagram->bytes, text, datagram->size) == 0;
}

static void expect_text(struct dgraft_transport *carrier, const char *text)
{
    struct dgraft_datagram datagram;
    cr_assert(take_within(carrier, TRIES * TRY_MS, &datagram), "'%s' does not arrive", text);
    cr_assert(holds(&datagram, text), "%.*s instead of %s", (int)datagram.size, (const char *)datagram.bytes, text);
    dgraft_buffer_release(datagram.buffer);
}

/* Forgets what is still on its way. */
static void drain(struct dgraft_transport *carrier)
{
    struct dgraft_datagram datagram;
    while (take_within(carrier, QUIET_MS, &datagram)) {
        dgraft_buffer_release(datagram.buffer);
    }
}

/* Connections come about in the background: speaks until it is heard. */
static void speak_until_heard(struct dgraft_transport *from, struct dgraft_transport *by, const char *text)
{
    for (int tries = 0; tries < TRIES; tries++) {
        struct dgraft_datagram datagram;
        cr_assert_eq(send_bytes(from, UINT64_MAX, text, strlen(text)), DGRAFT_OK);
        while (take_within(by, TRY_MS, &datagram)) {
            bool heard = holds(&datagram, text);
            dgraft_buffer_release(datagram.buffer);
            if (heard) {
                return;
            }
        }
    }
    cr_assert_fail("'%s' is never heard", text);
}

struct trio {
    struct dgraft_transport *nodes[3];
};

static void trio_open(struct trio *trio, enum kind kind)
{
    for (int i = 0; i < 3; i++) {
        char text[64];
        address_for(kind, i, text);
        trio->nodes[i] = open_at(text, (dgraft_node_id)i + 1);
    }
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) {
            if (i != j) {
                add_peer(trio->nodes[i], (dgraft_node_id)j + 1, trio->nodes[j]);
            }
        }
    }
    for (int i = 0; i < 3; i++) {
        speak_until_heard(trio->nodes[i], trio->nodes[(i + 1) % 3], "there?");
        speak_until_heard(trio->nodes[i], trio->nodes[(i + 2) % 3], "there?");
    }
    for (int i = 0; i < 3; i++) {
        drain(trio->nodes[i]);
    }
}

static void trio_close(struct trio *trio)
{
    for (int i = 0; i < 3; i++) {
        trio->nodes[i]->ops->close(trio->nodes[i]);
    }
}

ParameterizedTestParameters(bus, one_send_reaches_all_once)
{
    static enum kind kinds[] = {TCP, IPC};
    return cr_make_param_array(enum kind, kinds, 2);
}

ParameterizedTest(enum kind *kind, bus, one_send_reaches_all_once, .init = make_folder, .fini = remove_folder)
{
    struct trio trio;
    trio_open(&trio, *kind);
    cr_assert(trio.nodes[0]->one_send_for_all);
    for (int i = 0; i < 3; i++) {
        char text[20];
        snprintf(text, sizeof text, "from %d", i);
        cr_assert_eq(send_bytes(trio.nodes[i], dgraft_node_set_of((dgraft_node_id)(i + 1) % 3 + 1), text, strlen(text)),
                     DGRAFT_OK);
        expect_text(trio.nodes[(i + 1) % 3], text);
        expect_text(trio.nodes[(i + 2) % 3], text); /* not meant for it: the frame says so, the carrier does not */
    }
    for (int i = 0; i < 3; i++) {
        struct dgraft_datagram datagram;
        cr_assert_not(take_within(trio.nodes[i], QUIET_MS, &datagram), "%d hears a second time, or itself", i);
    }
    trio_close(&trio);
}

static uint8_t byte_at(size_t place)
{
    return (uint8_t)((place * 2654435761u) >> 13);
}

ParameterizedTestParameters(bus, carries_the_largest_message_whole_and_no_larger_one)
{
    static enum kind kinds[] = {TCP, IPC};
    return cr_make_param_array(enum kind, kinds, 2);
}

ParameterizedTest(enum kind *kind, bus, carries_the_largest_message_whole_and_no_larger_one, .init = make_folder,
                  .fini = remove_folder)
{
    struct trio trio;
    uint8_t *bytes = malloc(LARGEST_BYTES + 1);
    cr_assert_not_null(bytes);
    for (size_t i = 0; i <= LARGEST_BYTES; i++) {
        bytes[i] = byte_at(i);
    }
    trio_open(&trio, *kind);
    cr_assert_eq(trio.nodes[2]->datagram_bytes_max, LARGEST_BYTES);
    cr_assert_eq(send_bytes(trio.nodes[2], 1, bytes, LARGEST_BYTES + 1), DGRAFT_STATUS_TOO_LARGE);
    cr_assert_eq(send_bytes(trio.nodes[2], 1, bytes, LARGEST_BYTES), DGRAFT_OK);
    for (int i = 0; i < 2; i++) {
        struct dgraft_datagram datagram;
        cr_assert(take_within(trio.nodes[i], TRIES * TRY_MS, &datagram));
        cr_assert_eq(datagram.size, LARGEST_BYTES);
        cr_assert_eq(memcmp(datagram.bytes, bytes, LARGEST_BYTES), 0);
        dgraft_buffer_release(datagram.buffer);
    }
    free(bytes);
    trio_close(&trio);
}

ParameterizedTestParameters(bus, reaches_a_peer_that_restarts_whoever_of_the_two_dials)
{
    static enum kind kinds[] = {TCP, IPC};
    return cr_make_param_array(enum kind, kinds, 2);
}

ParameterizedTest(enum kind *kind, bus, reaches_a_peer_that_restarts_whoever_of_the_two_dials, .init = make_folder,
                  .fini = remove_folder)
{
    for (int restarted = 0; restarted < 3; restarted++) {
        struct trio trio;
        char text[80];
        trio_open(&trio, *kind);
        struct dgraft_transport **node = &trio.nodes[restarted];
        (*node)->ops->local_address(*node, text, sizeof text);
        (*node)->ops->close(*node);
        cr_assert_eq(send_bytes(trio.nodes[(restarted + 1) % 3], UINT64_MAX, "lost", 4), DGRAFT_OK);
        *node = open_at(text, (dgraft_node_id)restarted + 1);
        for (int other = 1; other < 3; other++) {
            int at = (restarted + other) % 3;
            add_peer(*node, (dgraft_node_id)at + 1, trio.nodes[at]);
        }
        for (int other = 1; other < 3; other++) {
            int at = (restarted + other) % 3;
            speak_until_heard(trio.nodes[at], *node, "again");
            speak_until_heard(*node, trio.nodes[at], "back");
        }
        trio_close(&trio);
    }
}

Test(bus, follows_a_peer_to_another_address_and_leaves_one_that_is_removed)
{
    struct dgraft_transport *first = open_at("127.0.0.1:0", 1);
    struct dgraft_transport *second = open_at("127.0.0.1:0", 2);
    struct dgraft_transport *moved = open_at("127.0.0.1:0", 2);
    struct dgraft_datagram datagram;
    struct dgraft_address address;
    add_peer(first, 2, second);
    speak_until_heard(first, second, "here");
    add_peer(first, 2, moved);
    speak_until_heard(first, moved, "there");
    drain(second);
    cr_assert_eq(send_bytes(first, 2, "only there", 10), DGRAFT_OK);
    cr_assert_not(take_within(second, QUIET_MS, &datagram));
    cr_assert(first->ops->peer_address(first, 2, &address));
    first->ops->peer_remove(first, 2);
    cr_assert_not(first->ops->peer_address(first, 2, &address));
    drain(moved);
    cr_assert_eq(send_bytes(first, 2, "nowhere", 7), DGRAFT_OK);
    cr_assert_not(take_within(moved, QUIET_MS, &datagram));
    moved->ops->close(moved);
    second->ops->close(second);
    first->ops->close(first);
}

Test(bus, two_connections_between_two_peers_are_harmless)
{
    struct dgraft_transport *a = open_at("127.0.0.1:0", 0);
    struct dgraft_transport *b = open_at("127.0.0.1:0", 0);
    struct dgraft_datagram datagram;
    int heard = 0;
    add_peer(a, 2, b);
    speak_until_heard(a, b, "there?");
    add_peer(b, 1, a);
    for (int tries = 0; tries < TRIES && heard < 2; tries++) { /* until both connections are there */
        drain(b);
        cr_assert_eq(send_bytes(a, 2, "twice", 5), DGRAFT_OK);
        for (heard = 0; take_within(b, QUIET_MS, &datagram); heard++) {
            cr_assert(holds(&datagram, "twice"));
            dgraft_buffer_release(datagram.buffer);
        }
    }
    cr_assert_eq(heard, 2);
    a->ops->close(a);
    b->ops->close(b);
}

Test(bus, a_message_outlives_the_carrier_that_it_came_by)
{
    struct dgraft_transport *a = open_at("127.0.0.1:0", 1);
    struct dgraft_transport *b = open_at("127.0.0.1:0", 2);
    struct dgraft_datagram kept;
    char source[80];
    add_peer(a, 2, b);
    speak_until_heard(a, b, "there?");
    drain(b);
    cr_assert_eq(send_bytes(a, 2, "kept", 4), DGRAFT_OK);
    cr_assert(take_within(b, TRIES * TRY_MS, &kept));
    cr_assert_eq(kept.bytes, kept.buffer->bytes, "a view, no copy");
    dgraft_address_text(&kept.source, source, sizeof source);
    cr_assert_eq(strncmp(source, "127.0.0.1:", 10), 0, "%s", source);
    a->ops->close(a);
    b->ops->close(b);
    cr_assert(holds(&kept, "kept"));
    dgraft_buffer_release(kept.buffer);
}

Test(bus, what_finds_no_room_is_lost_at_once_and_what_came_is_whole)
{
    enum { COUNT = 3000, SIZE = 20000 };
    struct dgraft_transport *a = open_at("127.0.0.1:0", 1);
    struct dgraft_transport *b = open_at("127.0.0.1:0", 2);
    struct dgraft_transport_stats stats;
    struct dgraft_datagram datagram;
    struct timespec begin;
    struct timespec end;
    uint32_t *bytes = calloc(1, SIZE);
    uint32_t before = 0;
    unsigned count = 0;
    cr_assert_not_null(bytes);
    add_peer(a, 2, b);
    speak_until_heard(a, b, "there?");
    drain(b);
    a->ops->stats(a, &stats);
    uint64_t failures_before = stats.send_failures;
    uint64_t sent_before = stats.sent_datagrams;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (uint32_t i = 1; i <= COUNT; i++) { /* nobody receives meanwhile */
        bytes[0] = i;
        bytes[SIZE / 4 - 1] = ~i;
        cr_assert_eq(send_bytes(a, 2, bytes, SIZE), DGRAFT_OK);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    cr_assert_lt(end.tv_sec - begin.tv_sec, 10, "sending never waits");
    a->ops->stats(a, &stats);
    cr_assert_eq(stats.sent_datagrams - sent_before + stats.send_failures - failures_before, COUNT);
    while (take_within(b, 300, &datagram)) {
        uint32_t first;
        uint32_t last;
        cr_assert_eq(datagram.size, SIZE);
        memcpy(&first, datagram.bytes, sizeof first);
        memcpy(&last, datagram.bytes + SIZE - sizeof last, sizeof last);
        cr_assert_eq(first, ~last);
        cr_assert_gt(first, before, "one connection keeps the order");
        before = first;
        count++;
        dgraft_buffer_release(datagram.buffer);
    }
    cr_assert_geq(count, 16);
    cr_assert_lt(count, COUNT, "nothing was lost: this test needs more messages");
    free(bytes);
    b->ops->close(b);
    a->ops->close(a);
}

/* A socket that is not ours, connected to the carrier as a peer of BUS. */
static int stranger_to(const struct dgraft_transport *carrier)
{
    static const uint8_t hello[8] = {0, 'S', 'P', 0, 0, 0x70, 0, 0};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char text[80];
    carrier->ops->local_address(carrier, text, sizeof text);
    cr_assert_eq(strncmp(text, "127.0.0.1:", 10), 0);
    to.sin_port = htons((uint16_t)atoi(text + 10));
    int stranger = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(stranger, (struct sockaddr *)&to, sizeof to), 0);
    cr_assert_eq(send(stranger, hello, sizeof hello, MSG_NOSIGNAL), (ssize_t)sizeof hello);
    return stranger;
}

static void put_length(uint8_t out[8], uint64_t length)
{
    for (int i = 0; i < 8; i++) {
        out[i] = (uint8_t)(length >> (56 - 8 * i));
    }
}

Test(bus, hands_out_what_a_stranger_says_and_hangs_up_on_one_who_announces_too_much)
{
    static const uint64_t lengths[] = {LARGEST_BYTES + 1, UINT32_MAX, UINT64_C(1) << 40, UINT64_MAX};
    struct dgraft_transport *carrier = open_at("127.0.0.1:0", 1);
    uint8_t message[11];
    uint8_t answer[64];
    int stranger = stranger_to(carrier);
    put_length(message, 3);
    memcpy(message + 8, "odd", 3);
    cr_assert_eq(send(stranger, message, sizeof message, MSG_NOSIGNAL), 11);
    expect_text(carrier, "odd");
    put_length(message, 0);
    cr_assert_eq(send(stranger, message, 8, MSG_NOSIGNAL), 8);
    expect_text(carrier, "");
    close(stranger);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct timeval patience = {.tv_sec = 5};
        ssize_t got;
        stranger = stranger_to(carrier);
        cr_assert_eq(setsockopt(stranger, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
        put_length(message, lengths[i]);
        cr_assert_eq(send(stranger, message, sizeof message, MSG_NOSIGNAL), 11);
        do { /* its own greeting comes first */
            got = recv(stranger, answer, sizeof answer, 0);
        } while (got > 0);
        cr_assert(got == 0 || errno == ECONNRESET, "not hung up on after announcing %llu bytes",
                  (unsigned long long)lengths[i]);
        close(stranger);
    }
    struct dgraft_datagram datagram;
    cr_assert_not(take_within(carrier, QUIET_MS, &datagram));
    carrier->ops->close(carrier);
}

Test(bus, lets_strangers_open_only_so_many_connections)
{
    enum { MANY = 300, AT_MOST = 256 };
    static int strangers[MANY];
    struct dgraft_transport *carrier = open_at("127.0.0.1:0", 1);
    struct dgraft_transport *peer = open_at("127.0.0.1:0", 2);
    int open_count = 0;
    for (int i = 0; i < MANY; i++) {
        strangers[i] = stranger_to(carrier);
    }
    for (int i = 0; i < MANY; i++) {
        uint8_t greeting[16];
        struct timeval patience = {.tv_usec = i < AT_MOST ? 900000 : 100000};
        cr_assert_eq(setsockopt(strangers[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
        if (recv(strangers[i], greeting, sizeof greeting, 0) != 8) {
            continue;
        }
        patience.tv_usec = 20000;
        cr_assert_eq(setsockopt(strangers[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
        open_count += recv(strangers[i], greeting, sizeof greeting, 0) < 0 && errno == EAGAIN;
    }
    cr_assert_leq(open_count, AT_MOST);
    cr_assert_geq(open_count, AT_MOST / 2);
    add_peer(carrier, 2, peer); /* whom we dial is let in all the same */
    speak_until_heard(carrier, peer, "room?");
    for (int i = 0; i < MANY; i++) {
        close(strangers[i]);
    }
    peer->ops->close(peer);
    carrier->ops->close(carrier);
}

Test(bus, takes_over_the_path_that_a_killed_process_left, .init = make_folder, .fini = remove_folder)
{
    struct sockaddr_un left = {.sun_family = AF_UNIX};
    char text[64];
    address_for(IPC, 1, text);
    snprintf(left.sun_path, sizeof left.sun_path, "%s/1", folder);
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(dead, (struct sockaddr *)&left, sizeof left), 0);
    close(dead); /* the file stays */
    struct dgraft_transport *carrier = open_at(text, 1);
    carrier->ops->close(carrier);
}

Test(bus, says_what_is_wrong_with_an_address)
{
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {{"", "HOST:PORT"},
                 {"localhost", "HOST:PORT"},
                 {"127.0.0.1:65536", "port"},
                 {"::1:7001", "brackets"},
                 {"no such host:7001", "unknown"},
                 {"ipc://relative", "ipc:///PATH"},
                 {"ipc://", "ipc:///PATH"},
                 {"ipc:///12345678901234567890123456789012345678901234567890123456789012345678901234567890", "at most"},
                 {"ipc:///no/such/folder/socket", "cannot listen"},
                 {"192.0.2.1:7001", "cannot listen"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dgraft_transport *carrier = NULL;
        char why[200] = "";
        cr_assert_neq(try_open(cases[i].text, 1, &carrier, why, sizeof why), DGRAFT_OK, "%s", cases[i].text);
        cr_assert_null(carrier);
        cr_assert_not_null(strstr(why, cases[i].words), "'%s' gives: %s", cases[i].text, why);
    }
    struct dgraft_transport *carrier = open_at("127.0.0.1:0", 1);
    cr_assert_eq(carrier->ops->peer_add(carrier, 2, "nonsense"), DGRAFT_STATUS_ADDRESS);
    cr_assert_eq(carrier->ops->peer_add(carrier, 2, "ipc://relative"), DGRAFT_STATUS_ADDRESS);
    cr_assert_eq(carrier->ops->peer_add(carrier, 0, "127.0.0.1:7001"), DGRAFT_STATUS_MISUSE);
    carrier->ops->close(carrier);
}

Test(bus, names_an_address_in_use)
{
    struct dgraft_transport *first = open_at("127.0.0.1:0", 1);
    struct dgraft_transport *second = NULL;
    char text[80];
    char why[200] = "";
    first->ops->local_address(first, text, sizeof text);
    cr_assert_eq(try_open(text, 2, &second, why, sizeof why), DGRAFT_STATUS_ADDRESS_IN_USE);
    cr_assert_not_null(strstr(why, text), "%s", why);
    first->ops->close(first);
    second = open_at(text, 2);
    second->ops->close(second);
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

static void open_speak_close(enum kind kind)
{
    static uint8_t bytes[100000];
    struct trio trio;
    for (int i = 0; i < 3; i++) {
        char text[64];
        address_for(kind, i, text);
        trio.nodes[i] = open_at(text, (dgraft_node_id)i + 1);
    }
    add_peer(trio.nodes[0], 2, trio.nodes[1]);
    add_peer(trio.nodes[0], 3, trio.nodes[2]);
    speak_until_heard(trio.nodes[0], trio.nodes[1], "there?");
    for (int i = 0; i < 20; i++) { /* all in flight, and more than there is room for */
        cr_assert_eq(send_bytes(trio.nodes[0], 6, bytes, sizeof bytes), DGRAFT_OK);
        cr_assert_eq(send_bytes(trio.nodes[1], 1, bytes, sizeof bytes), DGRAFT_OK);
    }
    trio_close(&trio);
}

ParameterizedTestParameters(bus, fifty_openings_closed_with_messages_in_flight_leak_no_descriptor)
{
    static enum kind kinds[] = {TCP, IPC};
    return cr_make_param_array(enum kind, kinds, 2);
}

ParameterizedTest(enum kind *kind, bus, fifty_openings_closed_with_messages_in_flight_leak_no_descriptor,
                  .init = make_folder, .fini = remove_folder)
{
    open_speak_close(*kind); /* nng's own come with its first use */
    (void)usleep(300000);
    unsigned before = open_descriptors();
    for (int i = 0; i < 50; i++) {
        open_speak_close(*kind);
    }
    /* A connection that came in while its listener closed is reaped by a thread of nng's. */
    for (int tries = 0; tries < TRIES && open_descriptors() > before; tries++) {
        (void)usleep(TRY_MS * 1000);
    }
    cr_assert_leq(open_descriptors(), before);
}
