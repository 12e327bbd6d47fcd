#include "bench_child.h"

#include "bench_command.h"

#include <cli_number.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define EXIT_MISUSE 2

uint64_t bench_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * BENCH_NS_PER_S + (uint64_t)now.tv_nsec;
}

bool bench_child_order(int timeout_ms, struct bench_order *order)
{
    struct pollfd file = {.fd = BENCH_CONTROL_FD, .events = POLLIN};
    if (poll(&file, 1, timeout_ms) <= 0) {
        return false;
    }
    if (recv(BENCH_CONTROL_FD, order, sizeof *order, 0) != (ssize_t)sizeof *order) {
        order->kind = BENCH_ORDER_QUIT;
    }
    return true;
}

/* A parent that does not listen any more is noticed by the next bench_child_order. */
static void say(const struct bench_news *news)
{
    ssize_t sent = send(BENCH_CONTROL_FD, news, sizeof *news, MSG_NOSIGNAL);
    (void)sent;
}

void bench_child_say(enum bench_news_kind kind)
{
    struct bench_news news = {.kind = kind};
    say(&news);
}

void bench_child_say_failed(const char *format, ...)
{
    struct bench_news news = {.kind = BENCH_NEWS_FAILED};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(news.why.text, sizeof news.why.text, format, arguments);
    va_end(arguments);
    say(&news);
}

void bench_child_say_result(const struct bench_sample *sample)
{
    struct bench_news news = {.kind = BENCH_NEWS_RESULT, .sample = *sample};
    say(&news);
}

void bench_child_sum_up(const struct bench_histogram *histogram, uint64_t window_ns, const struct bench_counts *counts,
                        struct bench_sample *sample)
{
    *sample =
        (struct bench_sample){.commits_per_s = (double)histogram->total * (double)BENCH_NS_PER_S / (double)window_ns,
                              .p50_ns = bench_histogram_percentile(histogram, 50.0),
                              .p99_ns = bench_histogram_percentile(histogram, 99.0),
                              .max_ns = histogram->max,
                              .counts = *counts};
    sample->counts.commits = histogram->total;
}

static uint64_t time_ns(struct timeval time)
{
    return (uint64_t)time.tv_sec * BENCH_NS_PER_S + (uint64_t)time.tv_usec * 1000u;
}

void bench_child_usage(struct bench_counts *counts)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    counts->sleeps += (uint64_t)usage.ru_nvcsw;
    counts->cpu_ns += time_ns(usage.ru_utime) + time_ns(usage.ru_stime);
}

static bool setup_read(int argc, char **argv, struct bench_child_setup *setup)
{
    uint64_t number = 0;
    if (argc != 6 + (int)BENCH_NODES || strlen(argv[2]) >= sizeof setup->directory) {
        return false;
    }
    setup->side = strcmp(argv[1], "floor") == 0 ? BENCH_FLOOR : BENCH_NODE;
    setup->record = strcmp(argv[1], "recorded") == 0;
    (void)snprintf(setup->directory, sizeof setup->directory, "%s", argv[2]);
    if (!cli_number(argv[3], 1, BENCH_NODES, &number)) {
        return false;
    }
    setup->id = (uint32_t)number;
    if (!cli_number(argv[4], 1, UINT16_MAX, &number)) {
        return false;
    }
    setup->datagram_bytes = (uint32_t)number;
    if (!cli_number(argv[5], 0, DGRAFT_SPARES_MAX, &number)) {
        return false;
    }
    setup->spares = (uint32_t)number;
    for (unsigned i = 0; i < BENCH_NODES; i++) {
        if (!cli_number(argv[6 + i], 1, UINT16_MAX, &number)) {
            return false;
        }
        setup->ports[i] = (uint16_t)number;
    }
    return true;
}

int command_bench_node(int argc, char **argv)
{
    struct bench_child_setup setup;
    char name[16];
    int type = 0;
    socklen_t size = sizeof type;
    if (getsockopt(BENCH_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET ||
        !setup_read(argc, argv, &setup)) {
        (void)fputs("raftctl bench-node: only `raftctl bench` starts this\n", stderr);
        return EXIT_MISUSE;
    }
    /* What ps, top and perf show: the thread's name, and that of all it starts. */
    (void)snprintf(name, sizeof name, "bench-%s%u", setup.side == BENCH_NODE ? "node" : "floor", setup.id);
    (void)prctl(PR_SET_NAME, name);
    return setup.side == BENCH_NODE ? bench_node_run(&setup) : bench_floor_run(&setup);
}
