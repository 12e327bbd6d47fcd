/* The three processes of a measurement, and how the one that started them speaks with them: small structs over a
 * socketpair, both ends of which are this very program.
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include "bench.h"

#include <stdbool.h>
#include <sys/types.h>

/* Where a child finds its end of the socketpair. */
#define BENCH_CONTROL_FD 3

/* To a child. A closed socket means QUIT. */
enum bench_order_kind { BENCH_ORDER_LOAD = 1, BENCH_ORDER_QUIT = 2 };

struct bench_order {
    enum bench_order_kind kind;
    struct bench_point point;
    uint64_t warm_ns;
    uint64_t measure_ns;
};

/* From a child. */
enum bench_news_kind {
    BENCH_NEWS_READY = 1,   /* it hears its peers */
    BENCH_NEWS_LEADING = 2, /* it can make the load */
    BENCH_NEWS_RESULT = 3,
    BENCH_NEWS_FAILED = 4 /* `why` says what; the measurement is to be made again */
};

struct bench_news {
    enum bench_news_kind kind;
    struct bench_sample sample;
    struct dgraft_why why;
};

struct bench_process {
    pid_t pid;   /* 0: none */
    int control; /* -1: none */
};

/* What a child is told on its command line, as `raftctl bench-node SIDE DIR ID DATAGRAM_BYTES SPARES PORT PORT PORT`.
 */
struct bench_child_setup {
    enum bench_side side;
    char directory[BENCH_PATH_MAX];
    uint32_t id; /* 1 to BENCH_NODES */
    uint32_t datagram_bytes;
    uint32_t spares; /* of a node: segments prepared before the load begins */
    uint16_t ports[BENCH_NODES];
    bool record; /* a node that keeps a flight record: SIDE is "recorded" */
};

/* Starts this program again as a child that ends when its parent does, and after deadline_s seconds in any case.
 * Returns false and a sentence in why. */
bool bench_process_start(struct bench_process *process, const struct bench_child_setup *setup, unsigned deadline_s,
                         struct dgraft_why *why);

bool bench_process_order(const struct bench_process *process, const struct bench_order *order);

/* Waits until one of the processes says something. Returns its number; -1 after timeout_ms or a signal; -2 when one has
 * ended (*news names it). */
int bench_process_wait(const struct bench_process *processes, int timeout_ms, struct bench_news *news);

/* Asks it to end, waits some seconds, then kills it; nothing of it remains. */
void bench_process_stop(struct bench_process *process);

#endif
