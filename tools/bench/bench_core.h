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
    const char *flights; /* a directory for the cores' flight records; NULL: they keep none */
};

struct bench_core_result {
    double commits_per_s;   /* of CPU time */
    double steps_per_batch; /* of all three cores */
    uint64_t recorded;      /* events, in flight records */
    uint64_t lost;          /* events for which these had no room */
    uint64_t bytes;         /* of these */
};

/* Measures one setup. Returns false when there is no memory, no flight record can be made, or the cluster elects no
 * leader: *why says which. */
bool bench_core_measure(const struct bench_core_setup *setup, struct bench_core_result *result, const char **why);

#endif
