/* Three cores in one thread, messages passed in memory, writes durable at once: what the protocol itself costs. */
#ifndef BENCH_CORE_H
#define BENCH_CORE_H

#include <stdbool.h>
#include <stdint.h>

enum bench_core_mode {
    BENCH_CORE_PLAIN = 1, /* descriptors only */
    BENCH_CORE_FRAMED = 2 /* every record framed, checksummed, encoded, decoded; messages as frames */
};

struct bench_core_setup {
    enum bench_core_mode mode;
    uint32_t batch;      /* commands proposed as one */
    uint32_t bytes;      /* of a command */
    uint64_t measure_ns; /* of CPU time */
};

struct bench_core_result {
    double commits_per_s;   /* of CPU time */
    double steps_per_batch; /* of all three cores */
};

/* Measures one setup. Returns false when there is no memory, or the cluster elects no leader: *why says which. */
bool bench_core_measure(const struct bench_core_setup *setup, struct bench_core_result *result, const char **why);

#endif
