/* raftctl verify: compares the directories of a cluster's nodes. Reads only; works while the nodes run. */
#include "commands.h"
#include "verify_view.h"

#include <argp.h>

enum option_key { OPTION_JSON = 'j', OPTION_QUIET = 'q' };

struct arguments {
    struct verify_options view;
    bool json;
    char **paths; /* those of argv that are no options */
    int path_count;
};

static const struct argp_option options[] = {
    {"json", OPTION_JSON, NULL, 0, "One JSON object a line, for programs", 0},
    {"quiet", OPTION_QUIET, NULL, 0, "Show nothing but the verdict", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    (void)argument;
    switch (key) {
    case OPTION_JSON:
        arguments->json = true;
        return 0;
    case OPTION_QUIET:
        arguments->view.quiet = true;
        return 0;
    case ARGP_KEY_ARGS:
        arguments->paths = state->argv + state->next;
        arguments->path_count = state->argc - state->next;
        return 0;
    case ARGP_KEY_END:
        if (arguments->path_count < 2) {
            argp_error(state, "which directories? Two or more, of different nodes of one cluster");
        }
        if (arguments->path_count > VERIFY_DIRECTORIES_MAX) {
            argp_error(state, "at most %d directories", VERIFY_DIRECTORIES_MAX);
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int command_verify(int argc, char **argv)
{
    static const struct argp argp = {
        options,
        parse,
        "DIRECTORY...",
        "Compares the directories of a cluster's nodes: whether one (index, term) is the same bytes everywhere, "
        "whether "
        "what is known committed is on a majority, and which node could repair what another has lost. Reads only; the "
        "nodes may be running."
        "\vExit code: 0 all is sound, 1 there are findings, 2 it could not be done: misuse, a directory that cannot be "
        "read, directories of different clusters, two of one node.",
        NULL,
        NULL,
        NULL};
    struct arguments arguments = {.json = false};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    const char *paths[VERIFY_DIRECTORIES_MAX];
    for (int i = 0; i < arguments.path_count; i++) {
        paths[i] = arguments.paths[i];
    }
    return (int)(arguments.json ? verify_show_json : verify_show_text)(stdout, dgraft_fs_posix(), paths,
                                                                       (unsigned)arguments.path_count, &arguments.view);
}
