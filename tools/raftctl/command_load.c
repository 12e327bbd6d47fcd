/* raftctl load: stores files, or compares them with what is stored. Several requests are under way at once. */
#include "client_options.h"
#include "commands.h"
#include "load_progress.h"
#include "load_walk.h"
#include "value_file.h"

#include <cli_escape.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LANES           16u
#define LANES_BYTES_MAX (4u * 1024 * 1024) /* under way together; one request always may be */
#define TURN_NS         UINT64_C(100000000)
#define LINES_MAX       100u /* about single files */
#define FOUND_BYTES     8u   /* in front of the value in the answer to GET */

struct arguments {
    struct client_options client;
    bool check;
    char **paths; /* ends with NULL */
};

/* One request under way, and the file that it is about. */
struct lane {
    bool busy;
    bool begun;
    struct kv_ask ask;
    uint8_t *payload;
    char *path;
    uint64_t file_bytes;
};

struct load {
    const char *program;
    bool check;
    struct kv_client *client;
    struct load_walk *walk;
    struct load_progress progress;
    struct lane lanes[LANES];
    size_t lane_bytes; /* under way */
    bool ended;        /* no further file is taken */
    bool stopped;      /* because the cluster does not answer */
    uint64_t skipped;  /* too large for a key or value */
    uint64_t others;   /* links and the like */
    uint64_t failed;
    uint64_t differ;
    uint64_t said; /* lines about single files */
};

static const struct argp_option options[] = {
    {"check", 'c', NULL, 0, "Store nothing: read every key back and compare it with its file, byte by byte", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    (void)argument;
    switch (key) {
    case 'c':
        arguments->check = true;
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->client;
        return 0;
    case ARGP_KEY_ARGS:
        arguments->paths = state->argv + state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which files or directories?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Says something about a file, on a line of its own, as long as there are not too many. */
static void say(struct load *load, const char *path, const char *what)
{
    char escaped[1024];
    load->said++;
    if (load->said <= LINES_MAX) {
        load_progress_hide(&load->progress);
        (void)fprintf(stderr, "%s: %s: %s\n", load->program, cli_escape_text(path, escaped, sizeof(escaped)), what);
    }
    if (load->said == LINES_MAX) {
        (void)fprintf(stderr, "%s: what follows of this kind is only counted\n", load->program);
    }
}

static void say_failed(struct load *load, const char *path, const char *what)
{
    load->failed++;
    say(load, path, what);
}

static void say_skipped(struct load *load, const char *path, const char *what)
{
    load->skipped++;
    say(load, path, what);
}

/* Reads a file into a new payload. Returns false after saying why not. */
static bool payload_read(struct load *load, const struct load_entry *entry, uint8_t **payload, size_t *bytes)
{
    int descriptor = open(entry->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        say_failed(load, entry->path, strerror(errno));
        return false;
    }
    size_t expected = entry->bytes < KV_VALUE_BYTES_MAX ? (size_t)entry->bytes : KV_VALUE_BYTES_MAX;
    enum value_file_result result = value_file_read(descriptor, entry->path, expected, payload, bytes);
    int error = errno;
    (void)close(descriptor);
    if (result == VALUE_FILE_TOO_LARGE) {
        say_skipped(load, entry->path, "skipped: larger than a value may be (1 MiB)");
    } else if (result == VALUE_FILE_ERROR) {
        say_failed(load, entry->path, strerror(error));
    }
    return result == VALUE_FILE_OK;
}

/* Makes the payload of a GET. */
static bool payload_key(struct load *load, const struct load_entry *entry, uint8_t **payload, size_t *bytes)
{
    size_t key_bytes = strlen(entry->path);
    *payload = malloc(8 + key_bytes);
    if (*payload == NULL) {
        say_failed(load, entry->path, strerror(ENOMEM));
        return false;
    }
    *bytes = kv_payload_begin(*payload, entry->path, (uint32_t)key_bytes);
    return true;
}

/* Prepares the request for a file in a lane. Returns false when there is none to make. */
static bool lane_prepare(struct load *load, struct lane *lane, const struct load_entry *entry)
{
    uint8_t *payload = NULL;
    size_t bytes = 0;
    if (strlen(entry->path) > KV_KEY_BYTES_MAX) {
        say_skipped(load, entry->path, "skipped: its path is longer than a key may be (4096 bytes)");
        return false;
    }
    if (entry->bytes > KV_VALUE_BYTES_MAX) {
        say_skipped(load, entry->path, "skipped: larger than a value may be (1 MiB)");
        return false;
    }
    if (load->check ? !payload_key(load, entry, &payload, &bytes) : !payload_read(load, entry, &payload, &bytes)) {
        return false;
    }
    *lane = (struct lane){.busy = true, .payload = payload, .path = strdup(entry->path), .file_bytes = entry->bytes};
    if (lane->path == NULL) {
        say_failed(load, entry->path, strerror(ENOMEM));
        free(payload);
        lane->busy = false;
        return false;
    }
    if (!load->check) {
        lane->file_bytes = bytes - 8 - strlen(lane->path); /* what it had when it was read */
    }
    lane->ask = (struct kv_ask){.kind = load->check ? KV_GET : KV_PUT,
                                .payload = payload,
                                .payload_bytes = (uint32_t)bytes,
                                .server = KV_LEADER};
    load->lane_bytes += lane->file_bytes;
    return true;
}

static void lane_free(struct load *load, struct lane *lane)
{
    load->lane_bytes -= lane->file_bytes;
    kv_ask_clear(&lane->ask);
    free(lane->payload);
    free(lane->path);
    *lane = (struct lane){.busy = false};
}

/* Compares an answer to GET with the file. Returns true when they are the same. */
static bool compare(struct load *load, struct lane *lane)
{
    const struct kv_ask *ask = &lane->ask;
    char text[128];
    if (ask->answer_bytes < FOUND_BYTES || ask->answer[0] > 1) {
        say_failed(load, lane->path, "a server's answer makes no sense: is it of another version?");
        return false;
    }
    if (ask->answer[0] == 0) {
        load->differ++;
        say(load, lane->path, "is not stored");
        return false;
    }
    int descriptor = open(lane->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        say_failed(load, lane->path, strerror(errno));
        return false;
    }
    int64_t place = value_file_compare(descriptor, ask->answer + FOUND_BYTES, ask->answer_bytes - FOUND_BYTES);
    int error = errno;
    (void)close(descriptor);
    if (place == -2) {
        say_failed(load, lane->path, strerror(error));
    } else if (place != -1) {
        load->differ++;
        (void)snprintf(text, sizeof(text), "differs from byte %" PRId64 " on: %" PRIu64 " bytes here, %zu stored",
                       place, lane->file_bytes, ask->answer_bytes - FOUND_BYTES);
        say(load, lane->path, text);
    }
    return place == -1;
}

/* Takes the end of a lane's request. */
static void lane_end(struct load *load, struct lane *lane)
{
    char escaped[2 * KV_WHY_BYTES];
    if (lane->ask.fate != KV_DONE) {
        bool known = load->stopped && kv_ask_timed_out(&lane->ask); /* the whole sentence was said before */
        (void)cli_escape_text(lane->ask.why, escaped, sizeof(escaped));
        say_failed(load, lane->path,
                   !known                         ? escaped
                   : lane->ask.fate == KV_REFUSED ? "not done"
                                                  : "not known to be done");
        /* Nobody there, or nobody leads: the other files would fare no better, only take as long each. */
        load->stopped = load->stopped || lane->ask.fate != KV_REFUSED || kv_ask_timed_out(&lane->ask);
        load->ended = load->ended || load->stopped;
    } else if (!load->check || compare(load, lane)) {
        load->progress.files++;
        load->progress.bytes += lane->file_bytes;
    }
    lane_free(load, lane);
}

/* Takes the next file into a lane, past all that is none. Returns false at the end. */
static bool lane_fill(struct load *load, struct lane *lane)
{
    while (!load->ended) {
        struct load_entry entry = load_walk_next(load->walk);
        switch (entry.kind) {
        case LOAD_WALK_FILE:
            if (lane_prepare(load, lane, &entry)) {
                return true;
            }
            break;
        case LOAD_WALK_OTHER:
            load->others++;
            break;
        case LOAD_WALK_ERROR:
            say_failed(load, entry.path, strerror(entry.error));
            break;
        case LOAD_WALK_END:
            load->ended = true;
            break;
        }
    }
    return false;
}

/* Fills lanes and begins what may begin. Returns how many are busy. */
static unsigned lanes_begin(struct load *load)
{
    unsigned busy = 0;
    for (unsigned i = 0; i < LANES; i++) {
        struct lane *lane = &load->lanes[i];
        bool room = load->lane_bytes < LANES_BYTES_MAX;
        if (!lane->busy && (!room || !lane_fill(load, lane))) {
            continue;
        }
        if (!lane->begun && load->stopped) {
            lane_free(load, lane);
            continue;
        }
        if (!lane->begun) {
            lane->begun = kv_client_begin(load->client, &lane->ask);
        }
        busy++;
    }
    return busy;
}

static void run(struct load *load)
{
    while (lanes_begin(load) > 0) {
        kv_client_turn(load->client, TURN_NS);
        for (unsigned i = 0; i < LANES; i++) {
            struct lane *lane = &load->lanes[i];
            if (lane->begun && lane->ask.fate != KV_UNDER_WAY) {
                lane_end(load, lane);
            }
        }
        load_progress_draw(&load->progress, kv_clock());
    }
    load_progress_hide(&load->progress);
}

/* Says the one line that always comes. Returns the exit code. */
static int conclude(const struct load *load)
{
    char bytes[32];
    char rate[32];
    double seconds = (double)(kv_clock() - load->progress.begun_ns) / 1e9;
    bool whole = load->skipped == 0 && load->failed == 0 && load->differ == 0;
    load_progress_bytes((double)load->progress.bytes, bytes, sizeof(bytes));
    load_progress_bytes(seconds > 0 ? (double)load->progress.bytes / seconds : 0, rate, sizeof(rate));
    (void)printf("%s %" PRIu64 " files, %s in %.1f s (%s/s)", load->check ? "compared, and found the same:" : "loaded",
                 load->progress.files, bytes, seconds, rate);
    if (load->differ > 0) {
        (void)printf(", %" PRIu64 " differ", load->differ);
    }
    if (load->skipped > 0) {
        (void)printf(", %" PRIu64 " skipped as too large", load->skipped);
    }
    if (load->failed > 0) {
        (void)printf(", %" PRIu64 " failed%s", load->failed, load->stopped ? ": stopped there" : "");
    }
    if (load->others > 0) {
        (void)printf(", %" PRIu64 " left out that are no files (links and the like)", load->others);
    }
    (void)printf("\n");
    return whole ? EXIT_SUCCESS : EXIT_FAILURE;
}

int command_load(int argc, char **argv)
{
    static const struct argp_child children[] = {{&client_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {options,
                                     parse,
                                     "PATH...",
                                     "Stores files, and all files below directories: a file's path as it is given is "
                                     "the key, its content the value. Files that are too large are named and skipped."
                                     "\vExample: raftctl load src README.md; then raftctl load --check src README.md",
                                     children,
                                     NULL,
                                     NULL};
    struct arguments arguments = {.client = {.timeout_seconds = 10}};
    struct load load = {.program = argv[0]};
    int exit_code = EXIT_SUCCESS;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    load.check = arguments.check;
    load.progress.bar = isatty(STDERR_FILENO) == 1;
    if (load.progress.bar) {
        load_walk_count(arguments.paths, &load.progress.files_total, &load.progress.bytes_total);
    }
    load.client = client_open(argv[0], &arguments.client, &exit_code);
    if (load.client == NULL) {
        return exit_code;
    }
    load.walk = load_walk_open(arguments.paths);
    if (load.walk == NULL) {
        (void)fprintf(stderr, "%s: the paths cannot be walked: %s\n", argv[0], strerror(errno));
        kv_client_close(load.client);
        return EXIT_FAILURE;
    }
    load.progress.begun_ns = kv_clock();
    run(&load);
    load_walk_close(load.walk);
    kv_client_close(load.client);
    return conclude(&load);
}
