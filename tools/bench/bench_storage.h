/* The log on its own: how fast one thread appends beside the least that must be done for it, and how fast and in how
 * little memory a log is opened.
 */
#ifndef BENCH_STORAGE_H
#define BENCH_STORAGE_H

#include "bench.h"

/* One row of the first table. */
struct bench_append_point {
    uint32_t bytes; /* of a command */
    uint32_t batch; /* commands written and synced as one */
};

/* Who appends: dgraft's storage, or a loop of pwritev and fdatasync of the same pieces into a file of zeros. */
enum bench_append_side { BENCH_APPEND_STORE = 1, BENCH_APPEND_RAW = 2 };

struct bench_append_sample {
    double commands_per_s;
    uint64_t p50_ns; /* of a batch: written and synced */
    uint64_t p99_ns;
    double syncs_per_command;
    double bytes_per_payload_byte; /* written; without the zeros that segments are filled with beforehand */
};

/* Appends for measure_ns in a fresh directory made below `directory`, and removes it. Framing the records is not
 * counted. Returns false and a sentence in why. */
bool bench_append_measure(enum bench_append_side side, const char *directory, const struct bench_append_point *point,
                          uint64_t measure_ns, struct bench_append_sample *sample, struct dgraft_why *why);

/* A log to be opened. */
struct bench_open_point {
    uint32_t bytes;
    uint32_t batch;
    uint64_t entries;
};

struct bench_open_sample {
    uint64_t open_ns;
    uint64_t cat_ns; /* reading the same files in turns of 128 KiB, as cat does */
    uint64_t file_bytes;
    uint64_t heap_bytes; /* more in use when it is open than before */
    uint64_t peak_bytes; /* largest resident set while it was opened, above that before */
};

/* Makes a directory at `path` that holds such a log, closed cleanly; nothing is synced but once, at the end. */
bool bench_open_prepare(const char *path, const struct bench_open_point *point, struct dgraft_why *why);

/* Reads its files, then opens it and lets it go again. */
bool bench_open_measure(const char *path, const struct bench_open_point *point, struct bench_open_sample *sample,
                        struct dgraft_why *why);

#endif
