/* raftctl explore: every run of a small cluster, to the end of a bound. */
#include "explore_command.h"

#include "explore.h"

#include <argp.h>
#include <cli_escape.h>
#include <cli_number.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_MISUSE 2
#define GIB_MAX     1024u

/* Options with a bound; their keys are KEY_BUDGET and up, in the order of enum explore_budget. */
enum option_key {
    KEY_BUDGET = 256,
    KEY_NODES = KEY_BUDGET + EXPLORE_BUDGET_TOTAL,
    KEY_STATES,
    KEY_DEPTH,
    KEY_MEMORY,
    KEY_PRE_VOTES,
    KEY_PROMPT,
    KEY_NAMES,
    KEY_BARE,
    KEY_EXPECT,
    KEY_QUIET
};

struct arguments {
    struct explore_options options;
    uint64_t expect; /* states; 0: any number */
    bool quiet;
};

static const char *const budget_names[EXPLORE_BUDGET_TOTAL] = {
    "commands", "reads", "timeouts", "ticks", "losses", "duplicates", "crashes", "late", "transfers", "damages"};

static const char doc[] =
    "Makes every run of a small cluster of real cores, shortest first, and checks every rule after every step.\v"
    "  raftctl explore --states 2000000                what two million states hold\n"
    "  raftctl explore --states 100000000 --memory 20  and a hundred million\n"
    "Exit code 0: no rule is broken. 1: one is; the shortest run that breaks it is printed. 2: misuse.";

static const struct argp_option options[] = {
    {"nodes", KEY_NODES, "N", 0, "Nodes, 1 to 5 (3)", 0},
    {"commands", KEY_BUDGET + EXPLORE_BUDGET_COMMANDS, "N", 0, "Commands that clients propose (2)", 1},
    {"reads", KEY_BUDGET + EXPLORE_BUDGET_READS, "N", 0, "Reads that clients make (0)", 1},
    {"timeouts", KEY_BUDGET + EXPLORE_BUDGET_TIMEOUTS, "N", 0, "Elections begun, and leaders without a quorum (2)", 1},
    {"ticks", KEY_BUDGET + EXPLORE_BUDGET_TICKS, "N", 0, "Heartbeats, and votes asked for once more (1)", 1},
    {"losses", KEY_BUDGET + EXPLORE_BUDGET_LOSSES, "N", 0,
     "Messages taken away (1); those that never arrive need no such move", 1},
    {"duplicates", KEY_BUDGET + EXPLORE_BUDGET_DUPLICATES, "N", 0, "Messages that arrive once more (1)", 1},
    {"crashes", KEY_BUDGET + EXPLORE_BUDGET_CRASHES, "N", 0, "Crashes, each with a restart (1)", 1},
    {"transfers", KEY_BUDGET + EXPLORE_BUDGET_TRANSFERS, "N", 0, "Leadership is to go to another node (0)", 1},
    {"damages", KEY_BUDGET + EXPLORE_BUDGET_DAMAGES, "N", 0,
     "Entries that rot on a disk, met at a restart or when they are read (0)", 1},
    {"late", KEY_BUDGET + EXPLORE_BUDGET_LATE, "N", 0,
     "All comes in the order in which it was sent or written, but for N messages and writes, which may come at any "
     "time or "
     "never",
     1},
    {"pre-votes", KEY_PRE_VOTES, NULL, 0, "Pre-votes are messages like others, not answered as soon as they are asked",
     2},
    {"prompt-disks", KEY_PROMPT, NULL, 0, "Writes are durable before anything else happens", 2},
    {"names-matter", KEY_NAMES, NULL, 0, "States that differ in the names of nodes are not one", 2},
    {"bare", KEY_BARE, NULL, 0, "Without the core's own checks", 2},
    {"states", KEY_STATES, "N", 0, "Stop after N states", 3},
    {"depth", KEY_DEPTH, "N", 0, "Stop after N moves", 3},
    {"memory", KEY_MEMORY, "GIB", 0, "Stop at so much memory (4)", 3},
    {"expect", KEY_EXPECT, "N", 0, "Fail when there are not exactly N states", 4},
    {"quiet", KEY_QUIET, NULL, 0, "No lines of progress", 4},
    {0},
};

static uint64_t number(const char *text, uint64_t least, uint64_t most, struct argp_state *state)
{
    uint64_t value = 0;
    char escaped[64];
    if (!cli_number(text, least, most, &value)) {
        argp_error(state, "a number from %llu to %llu is wanted, not '%s'", (unsigned long long)least,
                   (unsigned long long)most, cli_escape_text(text, escaped, sizeof escaped));
    }
    return value;
}

static error_t parse_number(int key, const char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct explore_options *into = &arguments->options;
    switch (key) {
    case KEY_NODES:
        into->nodes = (uint32_t)number(argument, 1, EXPLORE_NODES_MAX, state);
        return 0;
    case KEY_STATES:
        into->states_max = number(argument, 1, UINT64_MAX, state);
        return 0;
    case KEY_DEPTH:
        into->depth_max = number(argument, 1, UINT64_MAX, state);
        return 0;
    case KEY_MEMORY:
        into->memory_bytes_max = number(argument, 1, GIB_MAX, state) << 30;
        return 0;
    case KEY_EXPECT:
        arguments->expect = number(argument, 1, UINT64_MAX, state);
        return 0;
    default:
        if (key >= KEY_BUDGET && key < KEY_BUDGET + EXPLORE_BUDGET_TOTAL) {
            into->in_order |= key == KEY_BUDGET + EXPLORE_BUDGET_LATE;
            into->budgets[key - KEY_BUDGET] = (uint8_t)number(argument, 0, 15, state);
            return 0;
        }
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    const char *wrong = NULL;
    char escaped[64];
    switch (key) {
    case KEY_PRE_VOTES:
        arguments->options.pre_votes_apart = true;
        return 0;
    case KEY_PROMPT:
        arguments->options.disks_prompt = true;
        return 0;
    case KEY_NAMES:
        arguments->options.names_matter = true;
        return 0;
    case KEY_BARE:
        arguments->options.bare = true;
        return 0;
    case KEY_QUIET:
        arguments->quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unknown argument '%s'", cli_escape_text(argument, escaped, sizeof escaped));
        return EINVAL;
    case ARGP_KEY_END:
        wrong = explore_options_check(&arguments->options);
        if (wrong != NULL) {
            argp_error(state, "%s", wrong);
        }
        return 0;
    default:
        return argument == NULL ? ARGP_ERR_UNKNOWN : parse_number(key, argument, state);
    }
}

static const char *end_text(enum explore_end end)
{
    switch (end) {
    case EXPLORE_END_WHOLE:
        return "every run within the bounds";
    case EXPLORE_END_FINDING:
        return "a rule is broken";
    case EXPLORE_END_STATES:
        return "as many states as were asked for";
    case EXPLORE_END_DEPTH:
        return "as deep as was asked for";
    case EXPLORE_END_MEMORY:
        return "all the memory that was allowed";
    }
    return "?";
}

static void print_row(const char *name, uint64_t value)
{
    (void)printf("%-16s %14llu\n", name, (unsigned long long)value);
}

/* What is late has no meaning when nothing is in order, and losses have none when it is. */
static bool applies(const struct explore_options *asked, uint32_t budget)
{
    return budget != (asked->in_order ? EXPLORE_BUDGET_LOSSES : EXPLORE_BUDGET_LATE);
}

static void print_table(const struct explore_options *asked, const struct explore_result *result)
{
    print_row("nodes", asked->nodes);
    for (uint32_t i = 0; i < EXPLORE_BUDGET_TOTAL; i++) {
        if (applies(asked, i)) {
            print_row(budget_names[i], asked->budgets[i]);
        }
    }
    print_row("depth", result->depth);
    print_row("states", result->states);
    print_row("frontier", result->frontier);
    print_row("moves", result->moves);
    print_row("steps of cores", result->steps);
    print_row("different nodes", result->nodes);
    print_row("messages", result->messages);
    print_row("histories", result->histories);
    (void)printf("%-16s %14.1f\n", "seconds", result->seconds);
    print_row("states/s", (uint64_t)((double)result->states / (result->seconds > 0 ? result->seconds : 1)));
    print_row("MiB", result->memory_bytes >> 20);
    print_row("bytes/state", result->memory_bytes / result->states);
    (void)printf("%-16s %s\n", "end", end_text(result->end));
}

/* The line that makes the same search again. It has no randomness. */
static void print_again(const struct explore_options *asked)
{
    (void)printf("again: raftctl explore --nodes %u", asked->nodes);
    for (uint32_t i = 0; i < EXPLORE_BUDGET_TOTAL; i++) {
        if (applies(asked, i)) {
            (void)printf(" --%s %u", budget_names[i], asked->budgets[i]);
        }
    }
    (void)printf("%s%s%s%s\n", asked->bare ? " --bare" : "", asked->pre_votes_apart ? " --pre-votes" : "",
                 asked->disks_prompt ? " --prompt-disks" : "", asked->names_matter ? " --names-matter" : "");
}

int command_explore(int argc, char **argv)
{
    static const struct argp argp = {.options = options, .parser = parse, .doc = doc};
    struct arguments arguments = {.quiet = false};
    struct explore *explore = calloc(1, sizeof *explore);
    struct explore_result result;
    int code = EXIT_SUCCESS;
    if (explore == NULL) {
        (void)fputs("raftctl explore: out of memory\n", stderr);
        return EXIT_FAILURE;
    }
    explore_options_defaults(&arguments.options);
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    arguments.options.progress = arguments.quiet ? NULL : stderr;
    explore_open(explore, &arguments.options);
    explore_run(explore, &result);
    if (result.end == EXPLORE_END_FINDING) {
        explore_transcript(explore, stdout);
        (void)printf("FINDING at depth %llu: %s\n", (unsigned long long)result.depth, result.finding);
        print_again(&arguments.options);
        code = EXIT_FAILURE;
    }
    print_table(&arguments.options, &result);
    if (arguments.expect != 0 && arguments.expect != result.states) {
        (void)fprintf(stderr, "raftctl explore: %llu states were expected, there are %llu\n",
                      (unsigned long long)arguments.expect, (unsigned long long)result.states);
        code = EXIT_FAILURE;
    }
    explore_close(explore);
    free(explore);
    return code;
}
