/* Three nodes with threads, sockets and real files, in one process. */
#include <dgraft/node.h>

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NODES    3
#define COMMANDS 2000

/* What the nodes speak over; the last: udp with the system's usual receive buffers, and entries larger than those. */
enum road { OVER_UDP = 1, OVER_TCP = 2, OVER_IPC = 3, OVER_NARROW_UDP = 4 };

#define USUAL_BUFFER_BYTES 212992u              /* as the kernel counts: twice what a program asks for */
#define ELECTION_NS        UINT64_C(1000000000) /* long: a busy machine must not cost a leader its place here */

struct member {
    struct dgraft_node *node;
    char directory[96];
    pthread_mutex_t lock;
    uint64_t applied;
    uint64_t sum; /* order-dependent digest of everything applied */
};

static struct member members[NODES];
static enum road road;
static char base[] = "node-test-XXXXXX";
static char addresses[256];

static char large[300000];

static bool over_udp(void)
{
    return road == OVER_UDP || road == OVER_NARROW_UDP;
}

static void apply(void *context, const struct dgraft_applied *entries, size_t count)
{
    struct member *member = context;
    (void)pthread_mutex_lock(&member->lock);
    for (size_t i = 0; i < count; i++) {
        member->applied++;
        for (uint32_t j = 0; j < entries[i].payload_bytes; j++) {
            member->sum = member->sum * 31 + entries[i].payload[j];
        }
    }
    (void)pthread_mutex_unlock(&member->lock);
}

/* Returns a socket bound to a tcp port, -1 when somebody has it. */
static int bind_tcp(unsigned port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(file, 0);
    if (bind(file, (struct sockaddr *)(void *)&address, sizeof address) != 0) {
        (void)close(file);
        return -1;
    }
    return file;
}

/* Finds ports that are free for udp and tcp, below those that the system gives to whoever connects: such a one could be
 * taken before its node opens. Each is held until all are found. */
static void choose_addresses(void)
{
    struct dgraft_transport *transports[NODES];
    int files[NODES];
    unsigned port = 20000 + (unsigned)getpid() % 1000 * 12;
    size_t used = 0;
    for (int i = 0; i < NODES; port++) {
        char text[64];
        char why[256] = "";
        (void)snprintf(text, sizeof text, "127.0.0.1:%u", port);
        struct dgraft_udp_options options = {.listen = text};
        files[i] = bind_tcp(port);
        if (files[i] < 0) {
            continue;
        }
        if (dgraft_udp_open(&options, &transports[i], why, sizeof why) != DGRAFT_OK) {
            (void)close(files[i]);
            continue;
        }
        if (road == OVER_IPC) {
            (void)snprintf(text, sizeof text, "ipc:///proc/self/cwd/%s/socket%d", base, i);
        }
        used += (size_t)snprintf(addresses + used, sizeof addresses - used, "%s%d=%s", i > 0 ? "," : "", i + 1, text);
        i++;
    }
    for (int i = 0; i < NODES; i++) {
        transports[i]->ops->close(transports[i]);
        (void)close(files[i]);
    }
}

static void start(struct member *member)
{
    struct dgraft_why why = {""};
    struct dgraft_node_options options = {.directory = member->directory,
                                          .carrier = over_udp() ? DGRAFT_CARRIER_UDP : DGRAFT_CARRIER_BUS,
                                          .election_timeout_ns = ELECTION_NS,
                                          .socket_buffer_bytes = road == OVER_NARROW_UDP ? USUAL_BUFFER_BYTES / 2 : 0,
                                          .listen_clients = road == OVER_IPC ? "127.0.0.1:0" : NULL,
                                          .machine = {.context = member, .apply = apply},
                                          .check_invariants = true};
    member->applied = 0;
    member->sum = 0;
    cr_assert_eq(dgraft_node_open(&options, &member->node, &why), DGRAFT_OK, "%s", why.text);
}

static void setup(void)
{
    struct dgraft_why why = {""};
    cr_assert_not_null(mkdtemp(base));
    choose_addresses();
    for (int i = 0; i < NODES; i++) {
        struct member *member = &members[i];
        (void)pthread_mutex_init(&member->lock, NULL);
        (void)snprintf(member->directory, sizeof member->directory, "%s/%d", base, i + 1);
        cr_assert_eq(dgraft_node_format(member->directory, "three", (dgraft_node_id)i + 1, addresses, &why), DGRAFT_OK,
                     "%s", why.text);
        start(member);
    }
}

static void teardown(void)
{
    char command[64];
    for (int i = 0; i < NODES; i++) {
        dgraft_node_close(members[i].node);
    }
    (void)snprintf(command, sizeof command, "rm -r ./%s", base);
    cr_assert_eq(system(command), 0);
}

static void nap(void)
{
    struct timespec wait = {.tv_nsec = 2000000};
    (void)nanosleep(&wait, NULL);
}

static struct member *leader(void)
{
    for (int tries = 0; tries < 5000; tries++) {
        for (int i = 0; i < NODES; i++) {
            struct dgraft_driver_status status;
            if (members[i].node == NULL) {
                continue;
            }
            dgraft_node_status(members[i].node, &status);
            if (status.core.role == DGRAFT_ROLE_LEADER) {
                return &members[i];
            }
        }
        nap();
    }
    cr_assert_fail("no leader within 10 s");
    return NULL;
}

struct call {
    struct dgraft_proposal proposal;
    struct iovec piece;
    char bytes[3000];
    int answered;
    int released;
    enum dgraft_proposal_fate fate;
};

static struct call calls[COMMANDS];
static pthread_mutex_t calls_lock = PTHREAD_MUTEX_INITIALIZER;
static int answered_count;

static void on_answered(void *context, const struct dgraft_proposal_answer *answer)
{
    struct call *call = context;
    (void)pthread_mutex_lock(&calls_lock);
    call->answered++;
    call->fate = answer->fate;
    answered_count++;
    (void)pthread_mutex_unlock(&calls_lock);
}

static void on_released(void *context)
{
    struct call *call = context;
    (void)pthread_mutex_lock(&calls_lock);
    call->released++;
    (void)pthread_mutex_unlock(&calls_lock);
}

static void propose(struct member *member, int from, int to)
{
    for (int i = from; i < to; i++) {
        struct call *call = &calls[i];
        size_t size = i % 50 == 0 ? sizeof call->bytes : 16;
        memset(call->bytes, 'a' + i % 26, sizeof call->bytes);
        (void)snprintf(call->bytes, sizeof call->bytes, "%d", i);
        call->piece = (struct iovec){call->bytes, size};
        if (road == OVER_NARROW_UDP && i % 100 == 7) {
            call->piece = (struct iovec){large, sizeof large};
        }
        call->proposal = (struct dgraft_proposal){.pieces = &call->piece,
                                                  .piece_count = 1,
                                                  .context = call,
                                                  .answered = on_answered,
                                                  .released = on_released};
        cr_assert_eq(dgraft_node_propose(member->node, &call->proposal), DGRAFT_OK);
    }
}

static void await_answers(int count)
{
    for (int tries = 0; tries < 5000; tries++) {
        (void)pthread_mutex_lock(&calls_lock);
        int now = answered_count;
        (void)pthread_mutex_unlock(&calls_lock);
        if (now == count) {
            return;
        }
        nap();
    }
    cr_assert_fail("%d of %d proposals answered within 10 s", answered_count, count);
}

static void await_applied(struct member *member, uint64_t count)
{
    for (int tries = 0; tries < 5000; tries++) {
        (void)pthread_mutex_lock(&member->lock);
        uint64_t now = member->applied;
        (void)pthread_mutex_unlock(&member->lock);
        if (now >= count) {
            return;
        }
        nap();
    }
    cr_assert_fail("%s applied %llu of %llu", member->directory, (unsigned long long)member->applied,
                   (unsigned long long)count);
}

/* On a bus whoever is connected hears what is meant for one: that is counted, and nothing is refused. */
static void expect_nothing_refused(const struct member *member)
{
    struct dgraft_driver_status status;
    dgraft_node_status(member->node, &status);
    for (unsigned i = 0; i < DGRAFT_REFUSAL_TOTAL; i++) {
        cr_assert_eq(status.refused[i], 0, "%s: %llu frames refused for %s", member->directory,
                     (unsigned long long)status.refused[i], dgraft_refusal_name((enum dgraft_refusal)i));
    }
    if (road == OVER_NARROW_UDP) {
        cr_assert_leq(status.transport.receive_buffer_bytes, USUAL_BUFFER_BYTES / 2);
        cr_assert_gt(status.fragments.messages_received + status.fragments.messages_sent, 0);
    }
    cr_assert_eq(status.frames_overheard > 0, !over_udp(), "%s", member->directory);
    cr_assert_eq(status.client_transport.receive_buffer_bytes > 0, !over_udp());
}

ParameterizedTestParameters(node, three_agree_on_every_command_through_a_restart_of_the_leader)
{
    static enum road roads[] = {OVER_UDP, OVER_TCP, OVER_IPC, OVER_NARROW_UDP};
    return cr_make_param_array(enum road, roads, 4);
}

ParameterizedTest(enum road *over, node, three_agree_on_every_command_through_a_restart_of_the_leader)
{
    road = *over;
    memset(large, 'L', sizeof large);
    setup();
    struct member *first = leader();
    propose(first, 0, COMMANDS / 2);
    await_answers(COMMANDS / 2);
    dgraft_node_close(first->node);
    first->node = NULL;
    struct member *second = leader();
    cr_assert_neq(first, second);
    propose(second, COMMANDS / 2, COMMANDS);
    await_answers(COMMANDS);
    start(first);
    for (int i = 0; i < NODES; i++) {
        await_applied(&members[i], COMMANDS);
    }
    for (int i = 0; i < COMMANDS; i++) {
        cr_assert_eq(calls[i].answered, 1, "command %d", i);
        cr_assert_eq(calls[i].released, 1, "command %d", i);
        cr_assert_eq(calls[i].fate, DGRAFT_PROPOSAL_COMMITTED, "command %d", i);
    }
    for (int i = 1; i < NODES; i++) {
        cr_assert_eq(members[i].applied, members[0].applied);
        cr_assert_eq(members[i].sum, members[0].sum);
    }
    for (int i = 0; i < NODES; i++) {
        expect_nothing_refused(&members[i]);
    }
    teardown();
}

/* Opens a node of one member at this address, and expects a sentence with these words. */
static void expect_refusal(const char *member, enum dgraft_carrier carrier, const char *clients, const char *words)
{
    static char room[] = "node-test-XXXXXX";
    char text[128];
    char directory[64];
    struct dgraft_node *node = NULL;
    struct dgraft_why why = {""};
    (void)snprintf(room, sizeof room, "node-test-XXXXXX");
    cr_assert_not_null(mkdtemp(room));
    (void)snprintf(directory, sizeof directory, "%s/1", room);
    (void)snprintf(text, sizeof text, "1=%s", member);
    cr_assert_eq(dgraft_node_format(directory, "one", 1, text, &why), DGRAFT_OK, "%s", why.text);
    struct dgraft_node_options options = {.directory = directory,
                                          .carrier = carrier,
                                          .listen_clients = clients,
                                          .machine = {.context = &members[0], .apply = apply}};
    cr_assert_neq(dgraft_node_open(&options, &node, &why), DGRAFT_OK);
    cr_assert_null(node);
    cr_assert_not_null(strstr(why.text, words), "%s", why.text);
    (void)snprintf(text, sizeof text, "rm -r ./%s", room);
    cr_assert_eq(system(text), 0);
}

Test(node, says_which_addresses_a_carrier_cannot_use)
{
    expect_refusal("ipc:///tmp/nobody", DGRAFT_CARRIER_UDP, NULL, "ipc is for the bus");
    expect_refusal("ipc:///tmp/nobody", DGRAFT_CARRIER_BUS, NULL, "--listen-clients");
    expect_refusal("127.0.0.1:1", DGRAFT_CARRIER_UDP, "127.0.0.1:0", "same address as peers");
    expect_refusal("ipc:///no/such/folder/socket", DGRAFT_CARRIER_BUS, "127.0.0.1:0", "cannot listen");
}
