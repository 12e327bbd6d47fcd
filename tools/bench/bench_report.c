#include "bench_report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* What is taken from a sample; medians are taken over rounds of each by itself. */
enum value {
    VALUE_RATE,
    VALUE_P50,
    VALUE_P99,
    VALUE_MAX,
    VALUE_SYNCS,
    VALUE_FILE_CALLS,
    VALUE_DATAGRAMS,
    VALUE_SOCKET_CALLS,
    VALUE_TURNS,
    VALUE_STEPS,
    VALUE_SLEEPS,
    VALUE_CPU
};

static double per_command(const struct bench_sample *sample, uint64_t count)
{
    return sample->counts.commits > 0 ? (double)count / (double)sample->counts.commits : 0.0;
}

static double value_of(const struct bench_sample *sample, enum value value)
{
    switch (value) {
    case VALUE_RATE:
        return sample->commits_per_s;
    case VALUE_P50:
        return (double)sample->p50_ns / 1e3;
    case VALUE_P99:
        return (double)sample->p99_ns / 1e3;
    case VALUE_MAX:
        return (double)sample->max_ns / 1e3;
    case VALUE_SYNCS:
        return per_command(sample, sample->counts.syncs);
    case VALUE_FILE_CALLS:
        return per_command(sample, sample->counts.file_calls);
    case VALUE_DATAGRAMS:
        return per_command(sample, sample->counts.datagrams);
    case VALUE_SOCKET_CALLS:
        return per_command(sample, sample->counts.socket_calls);
    case VALUE_TURNS:
        return per_command(sample, sample->counts.turns);
    case VALUE_STEPS:
        return per_command(sample, sample->counts.steps);
    case VALUE_SLEEPS:
        return per_command(sample, sample->counts.sleeps);
    case VALUE_CPU:
        return per_command(sample, sample->counts.cpu_ns) / 1e3;
    }
    return 0.0;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right ? 1 : 0;
}

static double median(double *values, uint32_t count)
{
    qsort(values, count, sizeof *values, compare);
    return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2.0;
}

static double median_of(const struct bench_sample *samples, uint32_t count, enum value value)
{
    double values[BENCH_ROUNDS_MAX];
    for (uint32_t i = 0; i < count; i++) {
        values[i] = value_of(&samples[i], value);
    }
    return count > 0 ? median(values, count) : 0.0;
}

/* Each round's node against the same round's floor: what disturbs the machine disturbs both. */
static double median_ratio(const struct bench_row *row, enum value value)
{
    double values[BENCH_ROUNDS_MAX];
    for (uint32_t i = 0; i < row->rounds; i++) {
        double floor = value_of(&row->floor[i], value);
        values[i] = floor > 0.0 ? value_of(&row->node[i], value) / floor : 0.0;
    }
    return row->rounds > 0 ? median(values, row->rounds) : 0.0;
}

static double median_core(const struct bench_core_row *row)
{
    double values[BENCH_ROUNDS_MAX];
    for (uint32_t i = 0; i < row->rounds; i++) {
        values[i] = row->results[i].commits_per_s;
    }
    return row->rounds > 0 ? median(values, row->rounds) : 0.0;
}

static void text_side(const struct bench_sample *samples, uint32_t count)
{
    (void)printf(" | %10.0f %9.1f %9.1f", median_of(samples, count, VALUE_RATE), median_of(samples, count, VALUE_P50),
                 median_of(samples, count, VALUE_P99));
}

static void text_rows(const struct bench_report *report)
{
    (void)printf("  bytes outstanding");
    if (report->node) {
        (void)printf(" |     node/s    p50 us    p99 us");
    }
    if (report->floor) {
        (void)printf(" |    floor/s    p50 us    p99 us");
    }
    (void)puts(report->node && report->floor ? " | node/floor      p50" : "");
    for (uint32_t i = 0; i < report->row_count; i++) {
        const struct bench_row *row = &report->rows[i];
        (void)printf("%7u %11u", row->point.bytes, row->point.outstanding);
        if (report->node) {
            text_side(row->node, row->rounds);
        }
        if (report->floor) {
            text_side(row->floor, row->rounds);
        }
        if (report->node && report->floor) {
            (void)printf(" | %10.2f %8.2f", median_ratio(row, VALUE_RATE), median_ratio(row, VALUE_P50));
        }
        (void)putchar('\n');
    }
}

static void text_counts(const struct bench_report *report)
{
    static const struct {
        enum value value;
        const char *name;
    } columns[] = {{VALUE_CPU, "CPU us"},      {VALUE_SLEEPS, "sleeps"},       {VALUE_SYNCS, "syncs"},
                   {VALUE_FILE_CALLS, "file"}, {VALUE_SOCKET_CALLS, "socket"}, {VALUE_DATAGRAMS, "datagrams"},
                   {VALUE_TURNS, "turns"},     {VALUE_STEPS, "core steps"}};
    (void)printf("\nper command, in the node's leader (system calls on files and sockets)\n  bytes outstanding");
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        (void)printf(" %10s", columns[i].name);
    }
    (void)putchar('\n');
    for (uint32_t i = 0; i < report->row_count; i++) {
        const struct bench_row *row = &report->rows[i];
        (void)printf("%7u %11u", row->point.bytes, row->point.outstanding);
        for (size_t k = 0; k < sizeof columns / sizeof columns[0]; k++) {
            (void)printf(" %10.4f", median_of(row->node, row->rounds, columns[k].value));
        }
        (void)putchar('\n');
    }
}

static const char *mode_name(enum bench_core_mode mode)
{
    return mode == BENCH_CORE_FRAMED ? "framed" : "plain";
}

/* Of the first round: how often, and at what price, an event was recorded. */
static void text_recorded(const struct bench_core_result *result)
{
    uint64_t events = result->recorded + result->lost;
    if (events > 0) {
        (void)printf("   recorded: %.1f B an event, %.1f %% lost",
                     result->recorded > 0 ? (double)result->bytes / (double)result->recorded : 0.0,
                     100.0 * (double)result->lost / (double)events);
    }
}

static void text_core(const struct bench_report *report)
{
    (void)puts("three cores in one thread; plain: descriptors only; framed: records and messages encoded, checksummed,"
               " decoded");
    (void)puts("   mode   bytes batch | commits/CPU s  ns each  steps a batch");
    for (uint32_t i = 0; i < report->core_row_count; i++) {
        const struct bench_core_row *row = &report->core_rows[i];
        double rate = median_core(row);
        (void)printf("%7s %7u %5u | %13.0f %8.1f %14.1f", mode_name(row->setup.mode), row->setup.bytes,
                     row->setup.batch, rate, rate > 0.0 ? 1e9 / rate : 0.0, row->results[0].steps_per_batch);
        text_recorded(&row->results[0]);
        (void)putchar('\n');
    }
}

void bench_report_text(const struct bench_report *report)
{
    double seconds = (double)report->settings->measure_ns / 1e9;
    if (report->core_row_count > 0) {
        text_core(report);
    }
    if (report->row_count == 0) {
        return;
    }
    (void)printf("three processes on 127.0.0.1, files in %s (%s), datagrams up to %u bytes\n", report->directory,
                 report->durable ? "synced to a disk" : "a memory file system: nothing is durable",
                 report->settings->datagram_bytes);
    (void)fputs(report->settings->record ? "every node keeps a flight record\n" : "", stdout);
    (void)printf("medians of %u rounds of %.2f s%s\n", report->rounds, seconds,
                 report->node && report->floor ? "; each ratio is of the same round" : "");
    if (report->node) {
        (void)printf(
            "nodes have prepared the segments that they fill (raftd --spares); the floor writes over its own\n");
    }
    text_rows(report);
    if (report->node) {
        text_counts(report);
    }
    if (report->retries > 0) {
        (void)printf("\n%u measurements had to be made again\n", report->retries);
    }
}

static json_t *json_side(const struct bench_sample *samples, uint32_t count)
{
    static const struct {
        enum value value;
        const char *name;
    } fields[] = {{VALUE_RATE, "commits_per_s"},
                  {VALUE_P50, "p50_us"},
                  {VALUE_P99, "p99_us"},
                  {VALUE_MAX, "max_us"},
                  {VALUE_CPU, "cpu_us_per_command"},
                  {VALUE_SLEEPS, "sleeps_per_command"},
                  {VALUE_SYNCS, "syncs_per_command"},
                  {VALUE_FILE_CALLS, "file_calls_per_command"},
                  {VALUE_SOCKET_CALLS, "socket_calls_per_command"},
                  {VALUE_DATAGRAMS, "datagrams_per_command"},
                  {VALUE_TURNS, "turns_per_command"},
                  {VALUE_STEPS, "steps_per_command"}};
    json_t *side = json_object();
    json_t *rounds = json_array();
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        (void)json_object_set_new(side, fields[i].name, json_real(median_of(samples, count, fields[i].value)));
    }
    for (uint32_t i = 0; i < count; i++) {
        (void)json_array_append_new(
            rounds, json_pack("{s:I,s:f,s:f,s:f}", "commits", (json_int_t)samples[i].counts.commits, "commits_per_s",
                              samples[i].commits_per_s, "p50_us", value_of(&samples[i], VALUE_P50), "p99_us",
                              value_of(&samples[i], VALUE_P99)));
    }
    (void)json_object_set_new(side, "rounds", rounds);
    return side;
}

static json_t *json_rows(const struct bench_report *report)
{
    json_t *points = json_array();
    for (uint32_t i = 0; i < report->row_count; i++) {
        const struct bench_row *row = &report->rows[i];
        json_t *point =
            json_pack("{s:i,s:i}", "bytes", (int)row->point.bytes, "outstanding", (int)row->point.outstanding);
        if (report->node) {
            (void)json_object_set_new(point, "node", json_side(row->node, row->rounds));
        }
        if (report->floor) {
            (void)json_object_set_new(point, "floor", json_side(row->floor, row->rounds));
        }
        if (report->node && report->floor) {
            (void)json_object_set_new(point, "ratio",
                                      json_pack("{s:f,s:f}", "throughput", median_ratio(row, VALUE_RATE), "p50",
                                                median_ratio(row, VALUE_P50)));
        }
        (void)json_array_append_new(points, point);
    }
    return points;
}

static json_t *json_core(const struct bench_report *report)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < report->core_row_count; i++) {
        const struct bench_core_row *row = &report->core_rows[i];
        (void)json_array_append_new(
            rows, json_pack("{s:s,s:b,s:i,s:i,s:f,s:f}", "mode", mode_name(row->setup.mode), "recorded",
                            row->setup.flights != NULL, "bytes", (int)row->setup.bytes, "batch", (int)row->setup.batch,
                            "commits_per_s", median_core(row), "steps_per_batch", row->results[0].steps_per_batch));
    }
    return rows;
}

bool bench_report_json(const struct bench_report *report)
{
    json_t *root = json_pack("{s:s,s:i,s:f}", "version", dgraft_version(), "rounds", (int)report->rounds, "seconds",
                             (double)report->settings->measure_ns / 1e9);
    if (report->core_row_count > 0) {
        (void)json_object_set_new(root, "core", json_core(report));
    }
    if (report->row_count > 0) {
        json_t *directory = json_string(report->directory);
        (void)json_object_set_new(root, "directory", directory != NULL ? directory : json_string("?"));
        (void)json_object_set_new(root, "durable", json_boolean(report->durable));
        (void)json_object_set_new(root, "datagram_bytes", json_integer(report->settings->datagram_bytes));
        (void)json_object_set_new(root, "recorded", json_boolean(report->settings->record));
        (void)json_object_set_new(root, "retries", json_integer(report->retries));
        (void)json_object_set_new(root, "points", json_rows(report));
    }
    bool done = root != NULL && json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8)) == 0;
    (void)putchar('\n');
    json_decref(root);
    return done;
}
