/* raftctl inspect: says what a node's files hold. Reads only; works while the node runs. */
#include "commands.h"
#include "inspect_follow.h"
#include "inspect_view.h"

#include <argp.h>
#include <cli_escape.h>
#include <cli_number.h>
#include <stdlib.h>
#include <string.h>

enum option_key {
    OPTION_JSON = 'j',
    OPTION_QUIET = 'q',
    OPTION_RECORDS = 256,
    OPTION_NO_RECORDS,
    OPTION_FROM,
    OPTION_TO,
    OPTION_PAYLOAD,
    OPTION_FOLLOW,
    OPTION_SECONDS
};

struct arguments {
    struct inspect_options view;
    bool json;
    bool rows_chosen;
    bool follow;
    uint64_t seconds; /* 0: not said */
    char **paths;     /* those of argv that are no options */
    int path_count;
};

static const struct argp_option options[] = {
    {"json", OPTION_JSON, NULL, 0, "One JSON object a line, for programs", 0},
    {"records", OPTION_RECORDS, NULL, 0, "Show every batch and record, however many there are", 0},
    {"no-records", OPTION_NO_RECORDS, NULL, 0, "Show neither batches nor records", 0},
    {"from", OPTION_FROM, "I", 0, "Show only records from index I on", 0},
    {"to", OPTION_TO, "I", 0, "Show only records up to index I", 0},
    {"payload", OPTION_PAYLOAD, "FORM", 0, "Show whole payloads: hex, text, or json (what raftd's commands say)", 0},
    {"follow", OPTION_FOLLOW, NULL, 0, "Show batches as they are written, until interrupted", 0},
    {"seconds", OPTION_SECONDS, "N", 0, "With --follow: for so long", 0},
    {"quiet", OPTION_QUIET, NULL, 0, "Show nothing but the verdict", 0},
    {0},
};

static uint64_t index_or_misuse(const char *name, const char *text, const struct argp_state *state)
{
    char escaped[80];
    uint64_t value = 0;
    if (!cli_number(text, 1, UINT64_MAX - 1, &value)) {
        argp_error(state, "%s wants an index: a number from 1 on, not '%s'", name,
                   cli_escape_text(text, escaped, sizeof(escaped)));
    }
    return value;
}

static uint64_t seconds_or_misuse(const char *text, const struct argp_state *state)
{
    char escaped[80];
    uint64_t value = 0;
    if (!cli_number(text, 1, 1000000000, &value)) {
        argp_error(state, "--seconds wants a number from 1 on, not '%s'",
                   cli_escape_text(text, escaped, sizeof(escaped)));
    }
    return value;
}

static enum inspect_payload payload_or_misuse(const char *text, const struct argp_state *state)
{
    static const char *const forms[] = {"hex", "text", "json"};
    char escaped[80];
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, forms[i]) == 0) {
            return (enum inspect_payload)(INSPECT_PAYLOAD_HEX + i);
        }
    }
    argp_error(state, "--payload wants hex, text or json, not '%s'", cli_escape_text(text, escaped, sizeof(escaped)));
    return INSPECT_PAYLOAD_HINT;
}

static void choose_rows(struct arguments *arguments, enum inspect_rows rows, const struct argp_state *state)
{
    if (arguments->rows_chosen && arguments->view.rows != rows) {
        argp_error(state, "--records and --no-records exclude each other");
    }
    arguments->rows_chosen = true;
    arguments->view.rows = rows;
}

static void check_follow(const struct arguments *arguments, const struct argp_state *state)
{
    if (!arguments->follow && arguments->seconds != 0) {
        argp_error(state, "--seconds says for how long to --follow");
    }
    if (arguments->follow && arguments->path_count != 1) {
        argp_error(state, "--follow wants one directory");
    }
    if (arguments->follow && (arguments->view.quiet || arguments->view.rows == INSPECT_ROWS_NONE)) {
        argp_error(state, "--follow shows batches, which --quiet and --no-records leave out");
    }
}

/* What remains to be said when all options are known. */
static void check(struct arguments *arguments, const struct argp_state *state)
{
    bool part = arguments->view.from > 1 || arguments->view.to != UINT64_MAX;
    if (arguments->path_count == 0) {
        argp_error(state, "which directory or file?");
    }
    check_follow(arguments, state);
    if (arguments->view.from > arguments->view.to) {
        argp_error(state, "--from must not be greater than --to");
    }
    if (arguments->view.payload != INSPECT_PAYLOAD_HINT && arguments->view.rows == INSPECT_ROWS_NONE) {
        argp_error(state, "--payload shows what is in records, which --no-records leaves out");
    }
    part = part || arguments->view.payload != INSPECT_PAYLOAD_HINT;
    if (part && arguments->view.rows == INSPECT_ROWS_NONE) {
        argp_error(state, "--from and --to choose records, which --no-records leaves out");
    }
    if (part && !arguments->rows_chosen) {
        arguments->view.rows = INSPECT_ROWS_ALL;
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case OPTION_JSON:
        arguments->json = true;
        return 0;
    case OPTION_QUIET:
        arguments->view.quiet = true;
        return 0;
    case OPTION_FOLLOW:
        arguments->follow = true;
        return 0;
    case OPTION_SECONDS:
        arguments->seconds = seconds_or_misuse(argument, state);
        return 0;
    case OPTION_RECORDS:
        choose_rows(arguments, INSPECT_ROWS_ALL, state);
        return 0;
    case OPTION_NO_RECORDS:
        choose_rows(arguments, INSPECT_ROWS_NONE, state);
        return 0;
    case OPTION_FROM:
        arguments->view.from = index_or_misuse("--from", argument, state);
        return 0;
    case OPTION_TO:
        arguments->view.to = index_or_misuse("--to", argument, state);
        return 0;
    case OPTION_PAYLOAD:
        arguments->view.payload = payload_or_misuse(argument, state);
        return 0;
    case ARGP_KEY_ARGS:
        arguments->paths = state->argv + state->next;
        arguments->path_count = state->argc - state->next;
        return 0;
    case ARGP_KEY_END:
        check(arguments, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int command_inspect(int argc, char **argv)
{
    static const struct argp argp = {
        options,
        parse,
        "PATH...",
        "Says what a node's directory, or a single file of one (state, log-...), holds: state slots, segments, "
        "batches, "
        "records, what was found, and last a verdict with its remedy. Reads only; the node may be running."
        "\vOf a large log the first and last batches and records are shown. Exit code: 0 all are healthy, 1 one is "
        "damaged "
        "or cannot be read, 2 misuse.",
        NULL,
        NULL,
        NULL};
    struct arguments arguments = {.view = {.rows = INSPECT_ROWS_SOME, .from = 1, .to = UINT64_MAX}};
    bool healthy = true;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.follow) {
        struct inspect_follow follow = {.stream = stdout,
                                        .fs = dgraft_fs_posix(),
                                        .path = arguments.paths[0],
                                        .options = &arguments.view,
                                        .json = arguments.json};
        return inspect_follow_run(&follow, arguments.seconds) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    for (int i = 0; i < arguments.path_count; i++) {
        const char *path = arguments.paths[i];
        bool one = arguments.json ? inspect_show_json(stdout, dgraft_fs_posix(), path, &arguments.view)
                                  : inspect_show_text(stdout, dgraft_fs_posix(), path, &arguments.view);
        healthy = healthy && one;
        if (!arguments.json && !arguments.view.quiet && i + 1 < arguments.path_count) {
            (void)putchar('\n');
        }
    }
    return healthy ? EXIT_SUCCESS : EXIT_FAILURE;
}
