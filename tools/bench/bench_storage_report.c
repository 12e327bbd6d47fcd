#include "bench_storage_report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

enum value {
    VALUE_STORE_RATE,
    VALUE_STORE_P50,
    VALUE_STORE_P99,
    VALUE_RAW_RATE,
    VALUE_RAW_P50,
    VALUE_RAW_P99,
    VALUE_RATIO,
    VALUE_SYNCS,
    VALUE_BYTES,
    VALUE_OPEN_RATE, /* bytes of files a second */
    VALUE_CAT_RATE,
    VALUE_OPEN_RATIO,
    VALUE_ENTRIES_RATE,
    VALUE_HEAP, /* per entry */
    VALUE_PEAK
};

static double ratio(double a, double b)
{
    return b > 0.0 ? a / b : 0.0;
}

static double append_value(const struct bench_append_row *row, uint32_t round, enum value value)
{
    const struct bench_append_sample *store = &row->store[round];
    const struct bench_append_sample *raw = &row->raw[round];
    switch ((int)value) {
    case VALUE_STORE_RATE:
        return store->commands_per_s;
    case VALUE_STORE_P50:
        return (double)store->p50_ns / 1e3;
    case VALUE_STORE_P99:
        return (double)store->p99_ns / 1e3;
    case VALUE_RAW_RATE:
        return raw->commands_per_s;
    case VALUE_RAW_P50:
        return (double)raw->p50_ns / 1e3;
    case VALUE_RAW_P99:
        return (double)raw->p99_ns / 1e3;
    case VALUE_RATIO: /* of the same round: what disturbs the machine disturbs both */
        return ratio(store->commands_per_s, raw->commands_per_s);
    case VALUE_SYNCS:
        return store->syncs_per_command;
    case VALUE_BYTES:
        return store->bytes_per_payload_byte;
    default:
        return 0.0;
    }
}

static double open_value(const struct bench_open_row *row, uint32_t round, enum value value)
{
    const struct bench_open_sample *sample = &row->samples[round];
    const double entries = (double)row->point.entries;
    switch ((int)value) {
    case VALUE_OPEN_RATE:
        return ratio((double)sample->file_bytes * 1e9, (double)sample->open_ns);
    case VALUE_CAT_RATE:
        return ratio((double)sample->file_bytes * 1e9, (double)sample->cat_ns);
    case VALUE_OPEN_RATIO:
        return ratio((double)sample->cat_ns, (double)sample->open_ns);
    case VALUE_ENTRIES_RATE:
        return ratio(entries * 1e9, (double)sample->open_ns);
    case VALUE_HEAP:
        return ratio((double)sample->heap_bytes, entries);
    case VALUE_PEAK:
        return ratio((double)sample->peak_bytes, entries);
    default:
        return 0.0;
    }
}

static int compare(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return left < right ? -1 : left > right ? 1 : 0;
}

static double median(double *values, uint32_t count)
{
    qsort(values, count, sizeof *values, compare);
    return count == 0 ? 0.0 : count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2.0;
}

static double median_append(const struct bench_append_row *row, uint32_t rounds, enum value value)
{
    double values[BENCH_ROUNDS_MAX];
    for (uint32_t i = 0; i < rounds; i++) {
        values[i] = append_value(row, i, value);
    }
    return median(values, rounds);
}

static double median_open(const struct bench_open_row *row, uint32_t rounds, enum value value)
{
    double values[BENCH_ROUNDS_MAX];
    for (uint32_t i = 0; i < rounds; i++) {
        values[i] = open_value(row, i, value);
    }
    return median(values, rounds);
}

void bench_storage_report_text(const struct bench_storage_report *report)
{
    (void)printf("one thread appends, files in %s (%s); raw: pwritev and fdatasync of the same pieces into a file of "
                 "zeros\nmedians of %u rounds of %.2f s, in turns; each ratio is of the same round\n",
                 report->directory, report->durable ? "synced to a disk" : "a memory file system: nothing is durable",
                 report->rounds, report->seconds);
    (void)puts("  bytes batch |    store/s    p50 us    p99 us |      raw/s    p50 us    p99 us | store/raw | "
               "syncs/command  B written/B");
    for (uint32_t i = 0; i < report->append_count; i++) {
        const struct bench_append_row *row = &report->appends[i];
        const uint32_t rounds = report->rounds;
        (void)printf("%7u %5u | %10.0f %9.1f %9.1f | %10.0f %9.1f %9.1f | %9.2f | %13.4f %12.2f\n", row->point.bytes,
                     row->point.batch, median_append(row, rounds, VALUE_STORE_RATE),
                     median_append(row, rounds, VALUE_STORE_P50), median_append(row, rounds, VALUE_STORE_P99),
                     median_append(row, rounds, VALUE_RAW_RATE), median_append(row, rounds, VALUE_RAW_P50),
                     median_append(row, rounds, VALUE_RAW_P99), median_append(row, rounds, VALUE_RATIO),
                     median_append(row, rounds, VALUE_SYNCS), median_append(row, rounds, VALUE_BYTES));
    }
    (void)puts("\na log is opened, its files being in memory; cat: reading them as `cat FILE >/dev/null` does\n"
               "  bytes batch    entries |   MB   open MB/s    cat MB/s  open/cat | entries/s | heap B/entry  peak "
               "B/entry");
    for (uint32_t i = 0; i < report->open_count; i++) {
        const struct bench_open_row *row = &report->opens[i];
        const uint32_t rounds = report->rounds;
        (void)printf("%7u %5u %10llu | %4.0f %11.0f %11.0f %9.2f | %9.0f | %12.3f %13.3f\n", row->point.bytes,
                     row->point.batch, (unsigned long long)row->point.entries, (double)row->samples[0].file_bytes / 1e6,
                     median_open(row, rounds, VALUE_OPEN_RATE) / 1e6, median_open(row, rounds, VALUE_CAT_RATE) / 1e6,
                     median_open(row, rounds, VALUE_OPEN_RATIO), median_open(row, rounds, VALUE_ENTRIES_RATE),
                     median_open(row, rounds, VALUE_HEAP), median_open(row, rounds, VALUE_PEAK));
    }
}

struct field {
    enum value value;
    const char *name;
};

static json_t *json_append(const struct bench_append_row *row, uint32_t rounds)
{
    static const struct field fields[] = {{VALUE_STORE_RATE, "store_commands_per_s"},
                                          {VALUE_STORE_P50, "store_p50_us"},
                                          {VALUE_STORE_P99, "store_p99_us"},
                                          {VALUE_RAW_RATE, "raw_commands_per_s"},
                                          {VALUE_RAW_P50, "raw_p50_us"},
                                          {VALUE_RAW_P99, "raw_p99_us"},
                                          {VALUE_RATIO, "ratio"},
                                          {VALUE_SYNCS, "syncs_per_command"},
                                          {VALUE_BYTES, "bytes_written_per_payload_byte"}};
    json_t *point = json_pack("{s:i,s:i}", "bytes", (int)row->point.bytes, "batch", (int)row->point.batch);
    json_t *all = json_array();
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        (void)json_object_set_new(point, fields[i].name, json_real(median_append(row, rounds, fields[i].value)));
    }
    for (uint32_t i = 0; i < rounds; i++) {
        (void)json_array_append_new(all, json_pack("{s:f,s:f}", "store_commands_per_s", row->store[i].commands_per_s,
                                                   "raw_commands_per_s", row->raw[i].commands_per_s));
    }
    (void)json_object_set_new(point, "rounds", all);
    return point;
}

static json_t *json_open(const struct bench_open_row *row, uint32_t rounds)
{
    static const struct field fields[] = {{VALUE_OPEN_RATE, "open_bytes_per_s"}, {VALUE_CAT_RATE, "cat_bytes_per_s"},
                                          {VALUE_OPEN_RATIO, "ratio"},           {VALUE_ENTRIES_RATE, "entries_per_s"},
                                          {VALUE_HEAP, "heap_bytes_per_entry"},  {VALUE_PEAK, "peak_bytes_per_entry"}};
    json_t *point =
        json_pack("{s:i,s:i,s:I,s:I}", "bytes", (int)row->point.bytes, "batch", (int)row->point.batch, "entries",
                  (json_int_t)row->point.entries, "file_bytes", (json_int_t)row->samples[0].file_bytes);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        (void)json_object_set_new(point, fields[i].name, json_real(median_open(row, rounds, fields[i].value)));
    }
    return point;
}

bool bench_storage_report_json(const struct bench_storage_report *report)
{
    json_t *appends = json_array();
    json_t *opens = json_array();
    json_t *directory = json_string(report->directory);
    for (uint32_t i = 0; i < report->append_count; i++) {
        (void)json_array_append_new(appends, json_append(&report->appends[i], report->rounds));
    }
    for (uint32_t i = 0; i < report->open_count; i++) {
        (void)json_array_append_new(opens, json_open(&report->opens[i], report->rounds));
    }
    json_t *root = json_pack("{s:s,s:i,s:f,s:b,s:o,s:o,s:o}", "version", dgraft_version(), "rounds",
                             (int)report->rounds, "seconds", report->seconds, "durable", report->durable, "directory",
                             directory != NULL ? directory : json_string("?"), "append", appends, "open", opens);
    const bool done = root != NULL && json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8)) == 0;
    (void)putchar('\n');
    json_decref(root);
    return done;
}
