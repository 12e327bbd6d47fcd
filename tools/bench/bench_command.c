/* raftctl bench: what a cluster of three commits, and what a log takes, beside the least program that does it. */
#include "bench_command.h"

#include "bench_cluster.h"
#include "bench_report.h"
#include "bench_storage_report.h"

#include <argp.h>
#include <cli_escape.h>
#include <cli_number.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define EXIT_MISUSE       2
#define TRIES_MAX         4
#define ROWS_MAX          (BENCH_LIST_MAX * BENCH_LIST_MAX)
#define OUTSTANDING_MAX   16384u
#define COMMAND_BYTES_MAX (1024u * 1024)
#define SECONDS_MAX       600.0
#define DATAGRAM_LEAST    512u
#define DATAGRAM_MOST     65000u
#define MEMORY_BASE       "/dev/shm"
#define CORE_ROWS         6u /* of which the later half is recorded */
#define CORE_BYTES        128u
#define CORE_BATCH        64u
#define BATCH_MOST        4096u
#define ENTRIES_MOST      1000000000u
#define ENTRIES           1000000u
#define ENTRIES_QUICK     100000u

enum option_key {
    OPTION_ROUNDS = 'r',
    OPTION_SECONDS = 's',
    OPTION_OUTSTANDING = 'n',
    OPTION_BYTES = 'b',
    OPTION_DATAGRAM = 256,
    OPTION_DIR,
    OPTION_NO_SYNC,
    OPTION_FLOOR,
    OPTION_FLOOR_ONLY,
    OPTION_CORE,
    OPTION_STORAGE,
    OPTION_BATCH,
    OPTION_ENTRIES,
    OPTION_RECORD,
    OPTION_JSON,
    OPTION_QUICK
};

struct list {
    uint32_t items[BENCH_LIST_MAX];
    uint32_t count;
};

struct arguments {
    struct list outstanding;
    struct list bytes;
    struct list batches;
    uint64_t entries;
    uint64_t rounds;
    double seconds;
    uint64_t datagram_bytes;
    const char *directory;
    bool no_sync;
    bool floor;
    bool node;
    bool core;
    bool storage;
    bool record;
    bool json;
    bool quick;
};

static volatile sig_atomic_t stop;

static const struct argp_option options[] = {
    {"rounds", OPTION_ROUNDS, "R", 0, "Measure every point this often and take medians (1 to 99; 5)", 0},
    {"seconds", OPTION_SECONDS, "S", 0, "Seconds for one measurement, as 0.5 (0.1 to 600; 2)", 0},
    {"outstanding", OPTION_OUTSTANDING, "LIST", 0, "Commands under way at once (1,16,64,256,1024)", 0},
    {"bytes", OPTION_BYTES, "LIST", 0, "Bytes of a command (128,1024)", 0},
    {"datagram-bytes", OPTION_DATAGRAM, "N", 0, "Largest datagram to send (512 to 65000; 60000)", 0},
    {"dir", OPTION_DIR, "DIR", 0, "Make the files in here (the current directory; /dev/shm with --no-sync)", 0},
    {"no-sync", OPTION_NO_SYNC, NULL, 0, "Use a memory file system, where a sync costs nothing", 0},
    {"floor", OPTION_FLOOR, NULL, 0, "Measure the least program that does it, too, in turns, and give the ratio", 0},
    {"floor-only", OPTION_FLOOR_ONLY, NULL, 0, "Measure only that", 0},
    {"core", OPTION_CORE, NULL, 0, "Measure three cores in one thread instead: no files, no sockets", 0},
    {"storage", OPTION_STORAGE, NULL, 0, "Measure the log alone instead: appended to by one thread, and opened", 0},
    {"batch", OPTION_BATCH, "LIST", 0, "With --storage: commands written and synced as one (1,16,256)", 0},
    {"entries", OPTION_ENTRIES, "N", 0, "With --storage: open logs of so many entries (1000000; none with 0)", 0},
    {"record", OPTION_RECORD, NULL, 0, "Let the nodes, or the cores once more, keep flight records", 0},
    {"json", OPTION_JSON, NULL, 0, "Print JSON", 0},
    {"quick", OPTION_QUICK, NULL, 0, "One short round of few points, unless said otherwise", 0},
    {0},
};

static void list_or_misuse(const char *name, char *text, uint32_t most, struct list *list,
                           const struct argp_state *state)
{
    char *rest = NULL;
    char escaped[80];
    list->count = 0;
    for (char *part = strtok_r(text, ",", &rest); part != NULL; part = strtok_r(NULL, ",", &rest)) {
        uint64_t value = 0;
        if (list->count == BENCH_LIST_MAX || !cli_number(part, 1, most, &value)) {
            argp_error(state, "%s wants up to %u numbers from 1 to %u with commas between them, not '%s'", name,
                       BENCH_LIST_MAX, most, cli_escape_text(part, escaped, sizeof escaped));
        }
        list->items[list->count++] = (uint32_t)value;
    }
    if (list->count == 0) {
        argp_error(state, "%s wants at least one number", name);
    }
}

static double seconds_or_misuse(const char *text, const struct argp_state *state)
{
    char escaped[80];
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0.1 && value <= SECONDS_MAX)) {
        argp_error(state, "--seconds wants a number from 0.1 to 600, not '%s'",
                   cli_escape_text(text, escaped, sizeof escaped));
    }
    return value;
}

static uint64_t number_or_misuse(const char *name, const char *text, uint64_t least, uint64_t most,
                                 const struct argp_state *state)
{
    char escaped[80];
    uint64_t value = 0;
    if (!cli_number(text, least, most, &value)) {
        argp_error(state, "%s wants a number from %" PRIu64 " to %" PRIu64 ", not '%s'", name, least, most,
                   cli_escape_text(text, escaped, sizeof escaped));
    }
    return value;
}

/* Fills in what was not said, and ends the process when what was does not fit together. */
static void complete(struct arguments *arguments, const struct argp_state *state)
{
    static const struct list all = {.items = {1, 16, 64, 256, 1024}, .count = 5};
    static const struct list few = {.items = {1, 256}, .count = 2};
    static const struct list sizes = {.items = {128, 1024}, .count = 2};
    static const struct list size = {.items = {128}, .count = 1};
    static const struct list batches = {.items = {1, 16, 256}, .count = 3};
    bool quick = arguments->quick;
    if (arguments->rounds == 0) {
        arguments->rounds = quick ? 1 : 5;
    }
    if (arguments->seconds <= 0.0) {
        arguments->seconds = quick ? 0.5 : 2.0;
    }
    if (arguments->outstanding.count == 0) {
        arguments->outstanding = quick ? few : all;
    }
    if (arguments->bytes.count == 0) {
        arguments->bytes = quick ? size : sizes;
    }
    if (arguments->batches.count == 0) {
        arguments->batches = batches;
    }
    if (arguments->entries == UINT64_MAX) {
        arguments->entries = quick ? ENTRIES_QUICK : ENTRIES;
    }
    if (arguments->directory == NULL) {
        arguments->directory = arguments->no_sync ? MEMORY_BASE : ".";
    }
    if (arguments->core && (arguments->floor || arguments->no_sync)) {
        argp_error(state, "--core needs neither files nor a floor: leave out --floor and --no-sync");
    }
    if (arguments->storage && (arguments->core || arguments->floor || arguments->record)) {
        argp_error(state, "--storage measures the log alone: leave out --core, --floor and --record");
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case OPTION_ROUNDS:
        arguments->rounds = number_or_misuse("--rounds", argument, 1, BENCH_ROUNDS_MAX, state);
        return 0;
    case OPTION_SECONDS:
        arguments->seconds = seconds_or_misuse(argument, state);
        return 0;
    case OPTION_OUTSTANDING:
        list_or_misuse("--outstanding", argument, OUTSTANDING_MAX, &arguments->outstanding, state);
        return 0;
    case OPTION_BYTES:
        list_or_misuse("--bytes", argument, COMMAND_BYTES_MAX, &arguments->bytes, state);
        return 0;
    case OPTION_DATAGRAM:
        arguments->datagram_bytes =
            number_or_misuse("--datagram-bytes", argument, DATAGRAM_LEAST, DATAGRAM_MOST, state);
        return 0;
    case OPTION_DIR:
        arguments->directory = argument;
        return 0;
    case OPTION_NO_SYNC:
        arguments->no_sync = true;
        return 0;
    case OPTION_FLOOR:
        arguments->floor = true;
        return 0;
    case OPTION_FLOOR_ONLY:
        arguments->floor = true;
        arguments->node = false;
        return 0;
    case OPTION_CORE:
        arguments->core = true;
        return 0;
    case OPTION_STORAGE:
        arguments->storage = true;
        return 0;
    case OPTION_BATCH:
        list_or_misuse("--batch", argument, BATCH_MOST, &arguments->batches, state);
        return 0;
    case OPTION_ENTRIES:
        arguments->entries = number_or_misuse("--entries", argument, 0, ENTRIES_MOST, state);
        return 0;
    case OPTION_RECORD:
        arguments->record = true;
        return 0;
    case OPTION_JSON:
        arguments->json = true;
        return 0;
    case OPTION_QUICK:
        arguments->quick = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "it takes no arguments, only options");
        return 0;
    case ARGP_KEY_END:
        complete(arguments, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

/* One line that is written over, on a terminal only. */
static void progress(uint32_t done, uint32_t all, const char *doing)
{
    if (isatty(STDERR_FILENO) == 1) {
        (void)fprintf(stderr, "\r\033[K%u of %u: %s", done, all, doing);
        (void)fflush(stderr);
    }
}

static void progress_end(void)
{
    if (isatty(STDERR_FILENO) == 1) {
        (void)fputs("\r\033[K", stderr);
    }
}

static bool refused(const char *what, const char *why)
{
    char escaped[2 * DGRAFT_WHY_BYTES];
    progress_end();
    (void)fprintf(stderr, "raftctl bench: %s%s\n", what, cli_escape_text(why, escaped, sizeof escaped));
    return false;
}

/* Measures one point on one side, again when a datagram was lost or the leader changed. */
static bool measure(struct bench_report *report, enum bench_side side, const char *directory,
                    const struct bench_point *point, struct bench_sample *sample)
{
    struct dgraft_why why = {.text = ""};
    for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
        switch (bench_cluster_measure(report->settings, side, directory, point, &stop, sample, &why)) {
        case BENCH_DONE:
            if (sample->counts.commits > 0) {
                return true;
            }
            (void)snprintf(why.text, sizeof why.text, "nothing was committed");
            break;
        case BENCH_STOPPED:
            return refused("stopped", "");
        case BENCH_AGAIN:
            break;
        }
        report->retries++;
    }
    return refused("tried several times, and the last time: ", why.text);
}

static bool measure_all(const struct arguments *arguments, struct bench_report *report, struct bench_row *rows,
                        const char *directory)
{
    uint32_t done = 0;
    for (uint32_t round = 0; round < report->rounds; round++) {
        for (uint32_t i = 0; i < report->row_count; i++) {
            struct bench_row *row = &rows[i];
            char doing[96];
            (void)snprintf(doing, sizeof doing, "round %u, %u bytes, %u outstanding", round + 1, row->point.bytes,
                           row->point.outstanding);
            progress(done++, report->rounds * report->row_count, doing);
            if (arguments->node && !measure(report, BENCH_NODE, directory, &row->point, &row->node[round])) {
                return false;
            }
            if (arguments->floor && !measure(report, BENCH_FLOOR, directory, &row->point, &row->floor[round])) {
                return false;
            }
            row->rounds = round + 1;
        }
    }
    progress_end();
    return true;
}

static bool show(const struct arguments *arguments, const struct bench_report *report)
{
    if (!arguments->json) {
        bench_report_text(report);
        return true;
    }
    return bench_report_json(report) || refused("out of memory", "");
}

static void make_rows(const struct arguments *arguments, struct bench_report *report, struct bench_row *rows)
{
    for (uint32_t b = 0; b < arguments->bytes.count; b++) {
        for (uint32_t n = 0; n < arguments->outstanding.count; n++) {
            rows[report->row_count++].point = (struct bench_point){.outstanding = arguments->outstanding.items[n],
                                                                   .bytes = arguments->bytes.items[b]};
        }
    }
    report->rows = rows;
}

/* Makes a directory to measure in. Returns false when it cannot, or when --no-sync would not hold there. */
static bool make_directory(const struct arguments *arguments, char directory[BENCH_PATH_MAX - 32], bool *memory)
{
    char why[2 * BENCH_PATH_MAX];
    struct statfs about;
    int written = snprintf(directory, BENCH_PATH_MAX - 32, "%s/dgraft-bench-XXXXXX", arguments->directory);
    if (written < 0 || (size_t)written >= BENCH_PATH_MAX - 32) {
        return refused("--dir is too long", "");
    }
    if (statfs(arguments->directory, &about) != 0 || mkdtemp(directory) == NULL) {
        (void)snprintf(why, sizeof why, "%.400s: %s", arguments->directory, strerror(errno));
        return refused("no directory can be made in ", why);
    }
    *memory = about.f_type == TMPFS_MAGIC || about.f_type == RAMFS_MAGIC;
    if (arguments->no_sync && !*memory) {
        (void)rmdir(directory);
        return refused("--no-sync wants a directory on a memory file system, as " MEMORY_BASE ", not ",
                       arguments->directory);
    }
    return true;
}

static bool bench_nodes(const struct arguments *arguments, struct bench_report *report)
{
    char directory[BENCH_PATH_MAX - 32];
    char escaped[2 * BENCH_PATH_MAX];
    bool memory = false;
    if (!make_directory(arguments, directory, &memory)) {
        return false;
    }
    struct bench_row *rows = calloc(ROWS_MAX, sizeof *rows);
    bool done = rows != NULL || refused("out of memory", "");
    if (done) {
        report->durable = !memory;
        report->directory = cli_escape_text(arguments->directory, escaped, sizeof escaped);
        make_rows(arguments, report, rows);
        done = measure_all(arguments, report, rows, directory) && show(arguments, report);
    }
    bench_directory_remove(directory);
    free(rows);
    return done;
}

/* Both sides of every point, round by round; who goes first changes. */
static bool measure_appends(const struct arguments *arguments, struct bench_append_row *rows, uint32_t count,
                            const char *directory)
{
    const uint64_t measure_ns = (uint64_t)(arguments->seconds * 1e9);
    struct dgraft_why why = {.text = ""};
    for (uint32_t i = 0; i < arguments->rounds * count; i++) {
        struct bench_append_row *row = &rows[i % count];
        const uint32_t round = i / count;
        progress(i, (uint32_t)arguments->rounds * count, "appending");
        for (uint32_t turn = 0; turn < 2; turn++) {
            const bool store = (turn + round) % 2 == 0;
            if (stop != 0) {
                return refused("stopped", "");
            }
            if (!bench_append_measure(store ? BENCH_APPEND_STORE : BENCH_APPEND_RAW, directory, &row->point, measure_ns,
                                      store ? &row->store[round] : &row->raw[round], &why)) {
                return refused("", why.text);
            }
        }
    }
    return true;
}

static bool measure_opens(const struct arguments *arguments, struct bench_open_row *rows, uint32_t count,
                          const char *directory)
{
    char path[BENCH_PATH_MAX];
    struct dgraft_why why = {.text = ""};
    for (uint32_t i = 0; i < count; i++) {
        progress(i, count, "opening");
        (void)snprintf(path, sizeof path, "%.480s/log-of-%u", directory, i);
        bool done = bench_open_prepare(path, &rows[i].point, &why);
        for (uint32_t round = 0; done && stop == 0 && round < arguments->rounds; round++) {
            done = bench_open_measure(path, &rows[i].point, &rows[i].samples[round], &why);
        }
        bench_directory_remove(path);
        if (!done || stop != 0) {
            return refused(done ? "stopped" : "", why.text);
        }
    }
    progress_end();
    return true;
}

static bool bench_storages(const struct arguments *arguments)
{
    char directory[BENCH_PATH_MAX - 32];
    char escaped[2 * BENCH_PATH_MAX];
    bool memory = false;
    uint32_t count = 0;
    if (!make_directory(arguments, directory, &memory)) {
        return false;
    }
    struct bench_append_row *appends = calloc(ROWS_MAX, sizeof *appends);
    struct bench_open_row *opens = calloc(BENCH_LIST_MAX, sizeof *opens);
    bool done = (appends != NULL && opens != NULL) || refused("out of memory", "");
    for (uint32_t i = 0; done && i < arguments->bytes.count * arguments->batches.count; i++) {
        const uint32_t bytes = arguments->bytes.items[i / arguments->batches.count];
        const uint32_t batch = arguments->batches.items[i % arguments->batches.count];
        appends[count++].point = (struct bench_append_point){.bytes = bytes, .batch = batch};
        if (i < arguments->batches.count) { /* of the first size of commands only: they are large */
            opens[i].point = (struct bench_open_point){bytes, batch, arguments->entries};
        }
    }
    const struct bench_storage_report report = {.directory =
                                                    cli_escape_text(arguments->directory, escaped, sizeof escaped),
                                                .durable = !memory,
                                                .seconds = arguments->seconds,
                                                .rounds = (uint32_t)arguments->rounds,
                                                .appends = appends,
                                                .append_count = count,
                                                .opens = opens,
                                                .open_count = arguments->entries > 0 ? arguments->batches.count : 0};
    done = done && measure_appends(arguments, appends, count, directory) &&
           measure_opens(arguments, opens, report.open_count, directory);
    bench_directory_remove(directory);
    if (done && !arguments->json) {
        bench_storage_report_text(&report);
    } else if (done) {
        done = bench_storage_report_json(&report) || refused("out of memory", "");
    }
    free(appends);
    free(opens);
    return done;
}

static bool measure_cores(struct bench_report *report, const char *flights, struct bench_core_row rows[CORE_ROWS])
{
    uint64_t measure_ns = report->settings->measure_ns;
    uint32_t count = flights != NULL ? CORE_ROWS : CORE_ROWS / 2;
    for (uint32_t i = 0; i < count; i++) {
        static const struct bench_core_setup setups[CORE_ROWS / 2] = {
            {.mode = BENCH_CORE_PLAIN, .batch = 1, .bytes = CORE_BYTES},
            {.mode = BENCH_CORE_PLAIN, .batch = CORE_BATCH, .bytes = CORE_BYTES},
            {.mode = BENCH_CORE_FRAMED, .batch = CORE_BATCH, .bytes = CORE_BYTES}};
        rows[i] = (struct bench_core_row){.setup = setups[i % (CORE_ROWS / 2)], .rounds = report->rounds};
        rows[i].setup.measure_ns = measure_ns;
        rows[i].setup.flights = i < CORE_ROWS / 2 ? NULL : flights;
    }
    for (uint32_t round = 0; round < report->rounds && stop == 0; round++) {
        for (uint32_t i = 0; i < count; i++) {
            const char *why = NULL;
            progress(round * count + i, report->rounds * count, "cores");
            if (!bench_core_measure(&rows[i].setup, &rows[i].results[round], &why)) {
                return refused("", why);
            }
        }
    }
    progress_end();
    report->core_rows = rows;
    report->core_row_count = count;
    return stop == 0 || refused("stopped", "");
}

static bool bench_cores(const struct arguments *arguments, struct bench_report *report)
{
    struct bench_core_row rows[CORE_ROWS];
    char directory[BENCH_PATH_MAX - 32];
    int written = snprintf(directory, sizeof directory, "%s/dgraft-bench-XXXXXX", arguments->directory);
    if (arguments->record && (written < 0 || (size_t)written >= sizeof directory || mkdtemp(directory) == NULL)) {
        return refused("no directory can be made in ", arguments->directory);
    }
    bool done = measure_cores(report, arguments->record ? directory : NULL, rows) && show(arguments, report);
    if (arguments->record) {
        bench_directory_remove(directory);
    }
    report->core_rows = NULL; /* they end here */
    report->core_row_count = 0;
    return done;
}

int command_bench(int argc, char **argv)
{
    static const struct argp argp = {
        options,
        parse,
        NULL,
        "Measures what three nodes on this machine commit: real processes, files and sockets (loopback), commands "
        "proposed in the leader's process, each proposed again when it is answered."
        "\vWhat the columns say is in docs/performance.md. An absolute figure holds for this machine on this day; the "
        "ratio to the floor travels. Example: raftctl bench --quick --floor",
        NULL,
        NULL,
        NULL};
    struct arguments arguments = {.node = true, .datagram_bytes = 60000, .entries = UINT64_MAX};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    uint64_t measure_ns = (uint64_t)(arguments.seconds * 1e9);
    struct bench_settings settings = {.datagram_bytes = (uint32_t)arguments.datagram_bytes,
                                      .measure_ns = measure_ns,
                                      .warm_ns = measure_ns / 4 + BENCH_NS_PER_S / 10,
                                      .record = arguments.record};
    struct bench_report report = {
        .settings = &settings, .node = arguments.node, .floor = arguments.floor, .rounds = (uint32_t)arguments.rounds};
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    bool done = arguments.storage ? bench_storages(&arguments)
                : arguments.core  ? bench_cores(&arguments, &report)
                                  : bench_nodes(&arguments, &report);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
