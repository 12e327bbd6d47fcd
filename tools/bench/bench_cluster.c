#include "bench_cluster.h"

#include "bench_process.h"

#include <arpa/inet.h>
#include <dgraft/node.h>
#include <errno.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_PATIENCE_S 20 /* until all are ready and one leads */
#define LOAD_PATIENCE_S  20 /* beyond the load's own time */
#define SPARES_A_SECOND  10 /* that a slow disk prepares, of each of three nodes */
#define SEGMENT_BYTES    (UINT64_C(8) * 1024 * 1024)
#define BYTES_A_S_MAX    (UINT64_C(512) * 1024 * 1024) /* that a node is expected to write at most */
#define ROUND_NS_MIN     UINT64_C(100000)              /* in which all that is outstanding may be written once */
#define LOOK_MS          200

/* Asks the system for ports that are free now. Another program may take one before a child does: then it is tried
 * again. */
static bool choose_ports(uint16_t ports[BENCH_NODES])
{
    int files[BENCH_NODES] = {-1, -1, -1};
    bool chosen = true;
    for (unsigned i = 0; i < BENCH_NODES && chosen; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof address;
        files[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        chosen = files[i] >= 0 && bind(files[i], (struct sockaddr *)&address, size) == 0 &&
                 getsockname(files[i], (struct sockaddr *)&address, &size) == 0;
        ports[i] = ntohs(address.sin_port);
    }
    for (unsigned i = 0; i < BENCH_NODES; i++) {
        if (files[i] >= 0) {
            (void)close(files[i]);
        }
    }
    return chosen;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about;
    (void)kind;
    (void)place;
    (void)remove(path);
    return 0;
}

void bench_directory_remove(const char *directory)
{
    (void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Makes the three directories; those of nodes are formatted. */
static bool make_directories(struct bench_child_setup setups[BENCH_NODES], struct dgraft_why *why)
{
    char members[128];
    const uint16_t *ports = setups[0].ports;
    (void)snprintf(members, sizeof members, "1=127.0.0.1:%u,2=127.0.0.1:%u,3=127.0.0.1:%u", ports[0], ports[1],
                   ports[2]);
    for (unsigned i = 0; i < BENCH_NODES; i++) {
        if (setups[i].side == BENCH_NODE) {
            if (dgraft_node_format(setups[i].directory, "bench", setups[i].id, members, why) != DGRAFT_OK) {
                return false;
            }
        } else if (mkdir(setups[i].directory, 0700) != 0) {
            (void)snprintf(why->text, sizeof why->text, "%.400s: %s", setups[i].directory, strerror(errno));
            return false;
        }
    }
    return true;
}

/* As many segments as a node can fill while the load lasts: the floor writes to files that were filled with zeros
 * beforehand, and so does a node that has had time to prepare. */
static uint32_t spares_for(const struct bench_settings *settings, const struct bench_point *point)
{
    uint64_t record = DGRAFT_RECORD_HEADER_BYTES + point->bytes + 8;
    uint64_t bytes_a_s = point->outstanding * record * (BENCH_NS_PER_S / ROUND_NS_MIN);
    bytes_a_s = bytes_a_s < BYTES_A_S_MAX ? bytes_a_s : BYTES_A_S_MAX;
    uint64_t load_ms = (settings->warm_ns + settings->measure_ns) / 1000000 + 300;
    uint64_t spares = bytes_a_s * load_ms / 1000 / SEGMENT_BYTES + 1;
    return spares < DGRAFT_SPARES_MAX ? (uint32_t)spares : DGRAFT_SPARES_MAX;
}

/* Takes news until all are ready and one leads. Returns that one's number; -1 otherwise. */
static int await_leader(const struct bench_process *processes, unsigned patience_s, const volatile sig_atomic_t *stop,
                        struct dgraft_why *why)
{
    uint64_t until = bench_now_ns() + patience_s * BENCH_NS_PER_S;
    unsigned ready = 0;
    int leader = -1;
    while (!*stop && bench_now_ns() < until) {
        struct bench_news news;
        int from = bench_process_wait(processes, LOOK_MS, &news);
        if (from == -2 || (from >= 0 && news.kind == BENCH_NEWS_FAILED)) {
            *why = news.why;
            return -1;
        }
        if (from < 0) {
            continue;
        }
        ready += news.kind == BENCH_NEWS_READY ? 1 : 0;
        leader = news.kind == BENCH_NEWS_LEADING ? from : leader;
        if (ready == BENCH_NODES && leader >= 0) {
            return leader;
        }
    }
    (void)snprintf(why->text, sizeof why->text, "no node led within %u s", patience_s);
    return -1;
}

static bool await_result(const struct bench_process *processes, const struct bench_order *order,
                         const volatile sig_atomic_t *stop, struct bench_sample *sample, struct dgraft_why *why)
{
    uint64_t until = bench_now_ns() + order->warm_ns + order->measure_ns + LOAD_PATIENCE_S * BENCH_NS_PER_S;
    while (!*stop && bench_now_ns() < until) {
        struct bench_news news;
        int from = bench_process_wait(processes, LOOK_MS, &news);
        if (from == -2 || (from >= 0 && news.kind == BENCH_NEWS_FAILED)) {
            *why = news.why;
            return false;
        }
        if (from >= 0 && news.kind == BENCH_NEWS_RESULT) {
            *sample = news.sample;
            return true;
        }
    }
    (void)snprintf(why->text, sizeof why->text, "no result came within %d s of the load's end", LOAD_PATIENCE_S);
    return false;
}

static bool measure(struct bench_process *processes, const struct bench_child_setup *setups,
                    const struct bench_order *order, const volatile sig_atomic_t *stop, struct bench_sample *sample,
                    struct dgraft_why *why)
{
    uint64_t load_s = (order->warm_ns + order->measure_ns) / BENCH_NS_PER_S + 1;
    unsigned patience_s = START_PATIENCE_S + setups[0].spares / SPARES_A_SECOND;
    unsigned deadline_s = patience_s + LOAD_PATIENCE_S + (unsigned)load_s;
    for (unsigned i = 0; i < BENCH_NODES; i++) {
        if (!bench_process_start(&processes[i], &setups[i], deadline_s, why)) {
            return false;
        }
    }
    int leader = await_leader(processes, patience_s, stop, why);
    if (leader < 0) {
        return false;
    }
    if (!bench_process_order(&processes[leader], order)) {
        (void)snprintf(why->text, sizeof why->text, "the leader's process has ended");
        return false;
    }
    return await_result(processes, order, stop, sample, why);
}

enum bench_verdict bench_cluster_measure(const struct bench_settings *settings, enum bench_side side,
                                         const char *directory, const struct bench_point *point,
                                         const volatile sig_atomic_t *stop, struct bench_sample *sample,
                                         struct dgraft_why *why)
{
    struct bench_child_setup setups[BENCH_NODES] = {0};
    struct bench_process processes[BENCH_NODES];
    struct bench_order order = {
        .kind = BENCH_ORDER_LOAD, .point = *point, .warm_ns = settings->warm_ns, .measure_ns = settings->measure_ns};
    uint16_t ports[BENCH_NODES];
    bool done = choose_ports(ports);
    if (!done) {
        (void)snprintf(why->text, sizeof why->text, "no free ports: %s", strerror(errno));
    }
    for (unsigned i = 0; i < BENCH_NODES; i++) {
        setups[i] = (struct bench_child_setup){.side = side,
                                               .id = i + 1,
                                               .datagram_bytes = settings->datagram_bytes,
                                               .record = settings->record,
                                               .spares = side == BENCH_NODE ? spares_for(settings, point) : 0};
        memcpy(setups[i].ports, ports, sizeof ports);
        (void)snprintf(setups[i].directory, sizeof setups[i].directory, "%.480s/n%u", directory, i + 1);
        processes[i] = (struct bench_process){.control = -1};
    }
    done = done && make_directories(setups, why) && measure(processes, setups, &order, stop, sample, why);
    /* All are told before one is waited for: those left behind would hold an election. */
    for (unsigned i = 0; i < BENCH_NODES; i++) {
        (void)bench_process_order(&processes[i], &(struct bench_order){.kind = BENCH_ORDER_QUIT});
    }
    for (unsigned i = 0; i < BENCH_NODES; i++) {
        bench_process_stop(&processes[i]);
    }
    for (unsigned i = 0; i < BENCH_NODES; i++) {
        bench_directory_remove(setups[i].directory);
    }
    return done ? BENCH_DONE : *stop ? BENCH_STOPPED : BENCH_AGAIN;
}
