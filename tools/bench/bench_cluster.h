/* One measurement: three fresh directories, three processes, one load, and nothing left behind. */
#ifndef BENCH_CLUSTER_H
#define BENCH_CLUSTER_H

#include "bench.h"

#include <signal.h>
#include <stdbool.h>

/* What came of a measurement. */
enum bench_verdict {
    BENCH_DONE = 1,
    BENCH_AGAIN = 2,  /* a datagram was lost, a port was taken, the leader changed: it is worth another try */
    BENCH_STOPPED = 3 /* *stop was set */
};

/* Measures one point on one side. `directory` exists, and is empty before and after. *why says what went wrong. */
enum bench_verdict bench_cluster_measure(const struct bench_settings *settings, enum bench_side side,
                                         const char *directory, const struct bench_point *point,
                                         const volatile sig_atomic_t *stop, struct bench_sample *sample,
                                         struct dgraft_why *why);

/* Removes a directory and everything in it. */
void bench_directory_remove(const char *directory);

#endif
