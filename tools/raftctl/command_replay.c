/* raftctl replay: a flight record through a core of this build. In a process of its own, because the record may be of a
 * node that an assertion of the core ended: the same event ends that process, too.
 */
#include "commands.h"
#include "replay_view.h"

#include <argp.h>
#include <cli_escape.h>
#include <cli_number.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRESS_EVERY (UINT64_C(1) << 18)

enum option_key { OPTION_JSON = 'j', OPTION_UNTIL = 'u', OPTION_PRINT = 'p', OPTION_FROM = 256 };

struct arguments {
    struct replay_options view;
    const char *path;
};

static const struct argp_option options[] = {
    {"until", OPTION_UNTIL, "N", 0, "Stop after event N", 0},
    {"print", OPTION_PRINT, "WHAT", 0,
     "state: the core's state at the end. actions: every event and what the core does", 0},
    {"from", OPTION_FROM, "N", 0, "With --print actions: from event N on", 0},
    {"json", OPTION_JSON, NULL, 0, "One JSON object a line, for programs", 0},
    {0},
};

static uint64_t number_or_misuse(const char *name, const char *text, const struct argp_state *state)
{
    char escaped[80];
    uint64_t value = 0;
    if (!cli_number(text, 1, UINT64_MAX - 1, &value)) {
        argp_error(state, "%s wants the number of an event, from 1 on, not '%s'", name,
                   cli_escape_text(text, escaped, sizeof(escaped)));
    }
    return value;
}

static void choose(struct arguments *arguments, const char *what, const struct argp_state *state)
{
    char escaped[80];
    if (strcmp(what, "state") == 0) {
        arguments->view.state = true;
    } else if (strcmp(what, "actions") == 0) {
        arguments->view.actions = true;
    } else {
        argp_error(state, "--print wants state or actions, not '%s'", cli_escape_text(what, escaped, sizeof(escaped)));
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case OPTION_UNTIL:
        arguments->view.until = number_or_misuse("--until", argument, state);
        return 0;
    case OPTION_FROM:
        arguments->view.from = number_or_misuse("--from", argument, state);
        return 0;
    case OPTION_PRINT:
        choose(arguments, argument, state);
        return 0;
    case OPTION_JSON:
        arguments->view.json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->path != NULL) {
            argp_error(state, "one file at a time");
        }
        arguments->path = argument;
        return 0;
    case ARGP_KEY_END:
        if (arguments->path == NULL) {
            argp_error(state, "which file? `raftd --record FILE` makes one");
        }
        if (arguments->view.from > 1 && !arguments->view.actions) {
            argp_error(state, "--from chooses events to show: it wants --print actions");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* How far the process that replays has come: in memory that outlives it. */
struct progress {
    volatile uint64_t number;
    volatile enum dgraft_event_kind kind;
};

struct run {
    struct replay_view view;
    struct progress *progress;
};

static void on_stretch(void *context, const struct dgraft_flight_stretch *stretch)
{
    struct run *run = context;
    run->view.wall_clock_ns = stretch->wall_clock_ns;
    run->view.now_ns = stretch->now_ns;
    if (run->view.options->json) {
        replay_json_stretch(&run->view, stretch);
    } else {
        replay_text_stretch(&run->view, stretch);
    }
}

static void on_event(void *context, uint64_t number, const struct dgraft_event *event)
{
    struct run *run = context;
    run->progress->number = number;
    run->progress->kind = event->kind;
    if (number % PROGRESS_EVERY == 0 && isatty(STDERR_FILENO) == 1) {
        (void)fprintf(stderr, "\r\033[Kevent %" PRIu64, number);
    }
}

static void on_stepped(void *context, uint64_t number, const struct dgraft_event *event,
                       const struct dgraft_actions *actions)
{
    struct run *run = context;
    if (!run->view.options->actions || number < run->view.options->from) {
        return;
    }
    if (run->view.options->json) {
        replay_json_step(&run->view, number, event, actions);
    } else {
        replay_text_step(&run->view, number, event, actions);
    }
}

static void on_finding(void *context, uint64_t number, enum dgraft_severity severity, const char *text)
{
    struct run *run = context;
    if (run->view.options->json) {
        replay_json_finding(&run->view, number, severity, text);
    } else {
        replay_text_finding(&run->view, number, severity, text);
    }
}

static void say(struct run *run, const char *verdict, const char *text, const struct dgraft_flight_summary *summary)
{
    if (run->progress->number >= PROGRESS_EVERY && isatty(STDERR_FILENO) == 1) {
        (void)fputs("\r\033[K", stderr);
    }
    if (run->view.options->json) {
        replay_json_summary(&run->view, verdict, text, summary);
    } else {
        replay_text_verdict(&run->view, verdict, text);
    }
}

static int replay(struct run *run, const char *path)
{
    const struct dgraft_flight_visitor visitor = {
        .context = run, .stretch = on_stretch, .event = on_event, .stepped = on_stepped, .finding = on_finding};
    struct dgraft_flight_summary summary;
    struct dgraft_why why = {.text = ""};
    char text[1024];
    const enum dgraft_status status =
        dgraft_flight_replay(dgraft_fs_posix(), path, run->view.options->until, &visitor, &summary, &why);
    if (status != DGRAFT_OK) {
        say(run, "unreadable", why.text, NULL);
        return EXIT_FAILURE;
    }
    if (run->view.options->state && summary.has_state) {
        if (run->view.options->json) {
            replay_json_state(&run->view, &summary);
        } else {
            replay_text_state(&run->view, &summary);
        }
    }
    const enum replay_verdict verdict = replay_verdict(&summary);
    say(run, replay_verdict_name(verdict), replay_verdict_text(&summary, text, sizeof(text)), &summary);
    return verdict == REPLAY_EQUAL ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* The core's own assertions end a process. */
static int say_died(struct run *run, int signal_number)
{
    char text[256];
    (void)snprintf(
        text, sizeof(text),
        "event %" PRIu64 " (%s) ends the process that replays it (signal %d, %s): the node met the same if it "
        "ended there. This is a bug in dgraft: report it with this file",
        run->progress->number, dgraft_flight_event_name(run->progress->kind), signal_number, strsignal(signal_number));
    say(run, "broken", text, NULL);
    return EXIT_FAILURE;
}

int command_replay(int argc, char **argv)
{
    static const struct argp argp = {
        options,
        parse,
        "FILE",
        "Replays a flight record (of `raftd --record`, or of a simulated node) through a core of this build: rebuilds "
        "the "
        "exact state, compares every action and state with what was recorded, and stops at the first difference."
        "\vExit code: 0 all is as recorded, 1 different, damaged or unreadable, 2 misuse.",
        NULL,
        NULL,
        NULL};
    struct arguments arguments = {.view = {.from = 1, .until = UINT64_MAX}};
    struct run run = {.view = {.stream = stdout, .options = &arguments.view}};
    int status = 0;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    run.progress = mmap(NULL, sizeof(*run.progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (run.progress == MAP_FAILED) {
        (void)fputs("raftctl replay: out of memory\n", stderr);
        return EXIT_FAILURE;
    }
    (void)fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        /* What was said before an assertion must not be lost with the process. */
        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        const int code = replay(&run, arguments.path);
        exit(fflush(stdout) == 0 ? code : EXIT_FAILURE);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        (void)fputs("raftctl replay: no process can be made\n", stderr);
        return EXIT_FAILURE;
    }
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : say_died(&run, WTERMSIG(status));
    (void)munmap(run.progress, sizeof(*run.progress));
    return code;
}
