/* What came out, as a table for people or JSON for programs. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "bench.h"
#include "bench_core.h"

#include <stdbool.h>

#define BENCH_ROUNDS_MAX 99u

/* All rounds of one point. */
struct bench_row {
    struct bench_point point;
    uint32_t rounds; /* measured on every side that is */
    struct bench_sample node[BENCH_ROUNDS_MAX];
    struct bench_sample floor[BENCH_ROUNDS_MAX];
};

struct bench_core_row {
    struct bench_core_setup setup;
    uint32_t rounds;
    struct bench_core_result results[BENCH_ROUNDS_MAX];
};

struct bench_report {
    const struct bench_settings *settings;
    const char *directory; /* for people: where it was */
    bool durable;          /* its file system survives a power cut */
    bool node;             /* that side was measured */
    bool floor;
    uint32_t rounds;
    uint32_t retries; /* measurements made again */
    const struct bench_row *rows;
    uint32_t row_count;
    const struct bench_core_row *core_rows;
    uint32_t core_row_count;
};

void bench_report_text(const struct bench_report *report);

/* Returns false when there is no memory. */
bool bench_report_json(const struct bench_report *report);

#endif
