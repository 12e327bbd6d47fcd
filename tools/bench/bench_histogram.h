/* Latencies in buckets: exact below 64 ns, then 64 buckets for each power of two, so that a bucket is at most 1/64 of
 * its value wide. What is beyond some 18 minutes counts as that.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define BENCH_HISTOGRAM_BITS    6u  /* 64 buckets for each power of two */
#define BENCH_HISTOGRAM_TOP     40u /* values are below 2^40 */
#define BENCH_HISTOGRAM_BUCKETS ((BENCH_HISTOGRAM_TOP - BENCH_HISTOGRAM_BITS + 1u) << BENCH_HISTOGRAM_BITS)

struct bench_histogram {
    uint64_t total;
    uint64_t max; /* exact */
    uint64_t counts[BENCH_HISTOGRAM_BUCKETS];
};

void bench_histogram_clear(struct bench_histogram *histogram);

void bench_histogram_add(struct bench_histogram *histogram, uint64_t value);

/* Returns the smallest value that at least `percent` (0 to 100) of all do not exceed, as the middle of its bucket and
 * at most the largest value added; 0 when there is none. */
uint64_t bench_histogram_percentile(const struct bench_histogram *histogram, double percent);

#endif
