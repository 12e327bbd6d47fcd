#include <bench_histogram.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define VALUES 20000u

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right ? 1 : 0;
}

/* The obvious way: sort all, and take the smallest that enough others do not exceed. */
static uint64_t percentile_sorted(const uint64_t *sorted, size_t count, double percent)
{
    size_t rank = (size_t)ceil(percent / 100.0 * (double)count);
    return sorted[rank > 0 ? rank - 1 : 0];
}

Test(bench_histogram, percentiles_are_within_a_128th_of_those_of_a_sorted_array)
{
    static const double percents[] = {0, 0.01, 1, 10, 25, 50, 75, 90, 99, 99.9, 99.99, 100};
    static uint64_t values[VALUES];
    static struct bench_histogram histogram;
    uint64_t state = 88172645463325252u;
    for (unsigned bits = 1; bits <= 39; bits++) {
        bench_histogram_clear(&histogram);
        for (size_t i = 0; i < VALUES; i++) {
            /* All magnitudes up to 2^bits, as latencies have them. */
            values[i] = random_next(&state) >> (64 - bits) >> (random_next(&state) % bits);
            bench_histogram_add(&histogram, values[i]);
        }
        qsort(values, VALUES, sizeof(values[0]), compare);
        cr_assert_eq(histogram.total, VALUES);
        cr_assert_eq(histogram.max, values[VALUES - 1]);
        for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
            uint64_t exact = percentile_sorted(values, VALUES, percents[i]);
            uint64_t told = bench_histogram_percentile(&histogram, percents[i]);
            uint64_t apart = exact > told ? exact - told : told - exact;
            cr_assert(apart * 128 <= exact, "%g of values below 2^%u: %lu, not %lu", percents[i], bits,
                      (unsigned long)told, (unsigned long)exact);
        }
    }
}

Test(bench_histogram, is_exact_below_128)
{
    static struct bench_histogram histogram;
    for (uint64_t value = 0; value < 128; value++) {
        bench_histogram_clear(&histogram);
        bench_histogram_add(&histogram, value);
        bench_histogram_add(&histogram, 1000);
        cr_assert_eq(bench_histogram_percentile(&histogram, 50), value);
    }
}

Test(bench_histogram, takes_the_largest_values_without_harm)
{
    static struct bench_histogram histogram;
    static const uint64_t large[] = {(UINT64_C(1) << 40) - 1, UINT64_C(1) << 40, UINT64_MAX};
    bench_histogram_clear(&histogram);
    for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
        bench_histogram_add(&histogram, large[i]);
    }
    cr_assert_eq(histogram.total, 3);
    cr_assert_eq(histogram.max, UINT64_MAX);
    cr_assert_gt(bench_histogram_percentile(&histogram, 100), UINT64_C(1) << 39);
}

Test(bench_histogram, of_nothing_says_zero)
{
    static struct bench_histogram histogram;
    bench_histogram_clear(&histogram);
    cr_assert_eq(bench_histogram_percentile(&histogram, 50), 0);
    cr_assert_eq(bench_histogram_percentile(&histogram, 100), 0);
}
