/* What the files of `raftctl bench` share: what is measured, and what comes out of it. */
#ifndef BENCH_H
#define BENCH_H

#include <dgraft/storage.h>

#include <stdbool.h>
#include <stdint.h>

#define BENCH_NODES    3u
#define BENCH_PATH_MAX 512u
#define BENCH_NS_PER_S UINT64_C(1000000000)
#define BENCH_LIST_MAX 12u /* values of one option */

/* Who commits: dgraft's nodes, or three processes that do the least that must be done. */
enum bench_side { BENCH_NODE = 1, BENCH_FLOOR = 2 };

/* One row of the table. */
struct bench_point {
    uint32_t outstanding; /* commands under way at once; an answered one is proposed again */
    uint32_t bytes;       /* of a command */
};

/* What the leader's process did within the window. */
struct bench_counts {
    uint64_t commits;
    uint64_t syncs;
    uint64_t file_calls;
    uint64_t datagrams; /* sent */
    uint64_t socket_calls;
    uint64_t turns;  /* of the loop */
    uint64_t steps;  /* of the core */
    uint64_t sleeps; /* voluntary context switches: each is a wake-up later */
    uint64_t cpu_ns; /* user and system */
};

/* One measurement of one point. */
struct bench_sample {
    double commits_per_s;
    uint64_t p50_ns;
    uint64_t p99_ns;
    uint64_t max_ns;
    struct bench_counts counts;
};

struct bench_settings {
    uint32_t datagram_bytes;
    uint64_t measure_ns;
    uint64_t warm_ns;
    bool record; /* nodes keep a flight record */
};

/* The time that latencies are taken from. */
uint64_t bench_now_ns(void);

#endif
