#include "bench_histogram.h"

#include <string.h>

#define PER_POWER (UINT64_C(1) << BENCH_HISTOGRAM_BITS)

void bench_histogram_clear(struct bench_histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

/* By how many powers of two a value is too large for the exact buckets. */
static unsigned shift_of(uint64_t value)
{
    unsigned power = value < 2 * PER_POWER ? BENCH_HISTOGRAM_BITS : 63u - (unsigned)__builtin_clzll(value);
    return power - BENCH_HISTOGRAM_BITS;
}

void bench_histogram_add(struct bench_histogram *histogram, uint64_t value)
{
    uint64_t top = (UINT64_C(1) << BENCH_HISTOGRAM_TOP) - 1;
    uint64_t held = value < top ? value : top;
    unsigned shift = shift_of(held);
    histogram->counts[shift * PER_POWER + (held >> shift)]++;
    histogram->total++;
    histogram->max = value > histogram->max ? value : histogram->max;
}

/* The middle of a bucket's values: buckets below 2 * PER_POWER hold one each. */
static uint64_t middle(uint64_t bucket)
{
    if (bucket < 2 * PER_POWER) {
        return bucket;
    }
    unsigned shift = (unsigned)(bucket / PER_POWER - 1);
    uint64_t first = (bucket - shift * PER_POWER) << shift;
    return first + ((UINT64_C(1) << shift) - 1) / 2;
}

uint64_t bench_histogram_percentile(const struct bench_histogram *histogram, double percent)
{
    double exact = percent / 100.0 * (double)histogram->total;
    uint64_t wanted = (uint64_t)exact;
    uint64_t seen = 0;
    if ((double)wanted < exact) {
        wanted++;
    }
    wanted = wanted > 0 ? wanted : 1;
    for (uint64_t bucket = 0; bucket < BENCH_HISTOGRAM_BUCKETS && histogram->total > 0; bucket++) {
        seen += histogram->counts[bucket];
        if (seen >= wanted) {
            uint64_t value = middle(bucket);
            return value < histogram->max ? value : histogram->max;
        }
    }
    return 0;
}
