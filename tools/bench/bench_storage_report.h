/* The tables of `raftctl bench --storage`, for people and for programs. */
#ifndef BENCH_STORAGE_REPORT_H
#define BENCH_STORAGE_REPORT_H

#include "bench_report.h"
#include "bench_storage.h"

struct bench_append_row {
    struct bench_append_point point;
    struct bench_append_sample store[BENCH_ROUNDS_MAX];
    struct bench_append_sample raw[BENCH_ROUNDS_MAX];
};

struct bench_open_row {
    struct bench_open_point point;
    struct bench_open_sample samples[BENCH_ROUNDS_MAX];
};

struct bench_storage_report {
    const char *directory; /* printable */
    bool durable;
    double seconds;
    uint32_t rounds; /* done, of every row */
    const struct bench_append_row *appends;
    uint32_t append_count;
    const struct bench_open_row *opens;
    uint32_t open_count;
};

void bench_storage_report_text(const struct bench_storage_report *report);

/* Returns false when there is no memory. */
bool bench_storage_report_json(const struct bench_storage_report *report);

#endif
