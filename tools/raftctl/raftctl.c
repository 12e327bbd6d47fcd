/* raftctl: makes, reads and asks nodes of dgraft. One command a file, command_NAME.c; here they are only found. */
#include "commands.h"

#include <argp.h>
#include <bench_command.h>
#include <cli_escape.h>
#include <dgraft/status.h>
#include <explore_command.h>
#include <signal.h>
#include <sim_command.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_MISUSE     2
#define NAME_MAX_WANTED 24u /* longer words are no slip of the finger */

struct command {
    const char *name;
    const char *title; /* argv[0] of the command */
    const char *help;  /* NULL: not for people */
    int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
    {"format", "raftctl format", "make the directory of a new node", command_format},
    {"inspect", "raftctl inspect", "say what a node's files hold, and whether they are sound", command_inspect},
    {"verify", "raftctl verify", "compare the files of a cluster's nodes, and say who could repair whom",
     command_verify},
    {"put", "raftctl put", "store a value under a key", command_put},
    {"get", "raftctl get", "write the value of a key", command_get},
    {"delete", "raftctl delete", "remove a key", command_delete},
    {"load", "raftctl load", "store files and directories, or compare them with what is stored", command_load},
    {"status", "raftctl status", "say who leads, who is reachable, and whether all is well", command_status},
    {"member", "raftctl member", "add, remove, promote, demote and list members", command_member},
    {"snapshot", "raftctl snapshot", "have nodes write their state down and drop the log before it", command_snapshot},
    {"transfer", "raftctl transfer", "hand leadership to another node", command_transfer},
    {"replay", "raftctl replay", "replay a flight record, and say where it differs", command_replay},
    {"sim", "raftctl sim", "run simulated clusters, each from a seed, and check every rule", command_sim},
    {"bench", "raftctl bench", "measure what three nodes on this machine commit, or what a log takes", command_bench},
    {"explore", "raftctl explore", "make every run of a small cluster, and check every rule", command_explore},
    {"bench-node", "raftctl bench-node", NULL, command_bench_node},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *stream)
{
    (void)fputs("Usage: raftctl COMMAND [ARGUMENT...]\n"
                "Makes, reads and asks nodes of dgraft.\n\n",
                stream);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (commands[i].help != NULL) {
            (void)fprintf(stream, "  %-10s %s\n", commands[i].name, commands[i].help);
        }
    }
    (void)fputs("\n`raftctl COMMAND --help` says more about one; `raftctl --version` says the version.\n"
                "Exit code: 0 done and healthy, 1 refused, damaged or unreachable, 2 misuse.\n",
                stream);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Returns how many letters must be put in, left out or exchanged to make one word of the other (Levenshtein). */
static size_t distance(const char *from, const char *to)
{
    size_t row[NAME_MAX_WANTED + 1];
    size_t width = strlen(to);
    for (size_t i = 0; i <= width; i++) {
        row[i] = i;
    }
    for (size_t y = 0; from[y] != '\0'; y++) {
        size_t diagonal = row[0];
        row[0] = y + 1;
        for (size_t x = 0; x < width; x++) {
            size_t exchanged = diagonal + (from[y] == to[x] ? 0 : 1);
            diagonal = row[x + 1];
            row[x + 1] = least(exchanged, least(row[x], diagonal) + 1);
        }
    }
    return row[width];
}

/* Names the commands that come nearest to a word, when any comes near. */
static void suggest(const char *word)
{
    size_t nearest = 3; /* more slips than two are another word */
    if (strlen(word) > NAME_MAX_WANTED) {
        return;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        nearest = commands[i].help != NULL ? least(nearest, distance(word, commands[i].name)) : nearest;
    }
    for (size_t i = 0, said = 0; i < COMMAND_COUNT && nearest < 3; i++) {
        if (commands[i].help == NULL) {
            continue;
        }
        bool begins = strlen(word) >= 2 && strncmp(word, commands[i].name, strlen(word)) == 0;
        if (begins || distance(word, commands[i].name) == nearest) {
            (void)fprintf(stderr, "%s`%s`", said++ == 0 ? "; did you mean " : " or ", commands[i].name);
        }
    }
}

static int unknown(const char *word)
{
    char escaped[64];
    (void)fprintf(stderr, "raftctl: there is no command '%s'", cli_escape_text(word, escaped, sizeof(escaped)));
    suggest(word);
    (void)fputs("; `raftctl --help` lists all\n", stderr);
    return EXIT_MISUSE;
}

/* Output that did not reach its file or pipe is not done. */
static int finish(int code)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fputs("raftctl: standard output could not be written\n", stderr);
        return code == EXIT_SUCCESS ? EXIT_FAILURE : code;
    }
    return code;
}

static void version(FILE *stream, struct argp_state *state)
{
    (void)state;
    (void)fprintf(stream, "raftctl %s\n", dgraft_version());
}

int main(int argc, char **argv)
{
    const char *word = argc < 2 ? NULL : argv[1];
    argp_err_exit_status = EXIT_MISUSE;
    argp_program_version_hook = version;
    (void)signal(SIGPIPE, SIG_IGN);
    if (word == NULL) {
        (void)fputs("raftctl: which command? `raftctl --help` lists them\n", stderr);
        return EXIT_MISUSE;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-?") == 0 || strcmp(word, "help") == 0) {
        print_help(stdout);
        return finish(EXIT_SUCCESS);
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        version(stdout, NULL);
        return finish(EXIT_SUCCESS);
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(word, commands[i].name) == 0) {
            char title[32];
            (void)snprintf(title, sizeof(title), "%s", commands[i].title);
            argv[1] = title;
            return finish(commands[i].run(argc - 1, argv + 1));
        }
    }
    return unknown(word);
}
