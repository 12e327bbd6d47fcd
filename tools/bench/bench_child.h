/* A process of a measurement: what it hears from the one that started it, and says to it. */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include "bench_histogram.h"
#include "bench_process.h"

/* The two sides. Each returns the process's exit code. */
int bench_node_run(const struct bench_child_setup *setup);
int bench_floor_run(const struct bench_child_setup *setup);

/* Waits up to timeout_ms (-1: for ever) for an order. Returns false when none came; a parent that is gone orders QUIT.
 */
bool bench_child_order(int timeout_ms, struct bench_order *order);

void bench_child_say(enum bench_news_kind kind);
void bench_child_say_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bench_child_say_result(const struct bench_sample *sample);

/* Sums up a window: throughput and percentiles from the histogram, everything else from counts. */
void bench_child_sum_up(const struct bench_histogram *histogram, uint64_t window_ns, const struct bench_counts *counts,
                        struct bench_sample *sample);

/* Adds sleeps and CPU time of this process up to now. */
void bench_child_usage(struct bench_counts *counts);

#endif
