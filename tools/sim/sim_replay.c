/* One seed: run, and after a finding run again, with everything that helps to understand it. Each time in a process of
 * its own, because a finding may be that a process ends.
 */
#include "sim_campaign.h"
#include "sim_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HANG_SECONDS   60
#define LAST_LINES     40u
#define LINE_BYTES_MAX 400u

static void print_last_lines(FILE *from)
{
    static char lines[LAST_LINES][LINE_BYTES_MAX];
    uint64_t count = 0;

    rewind(from);
    while (fgets(lines[count % LAST_LINES], LINE_BYTES_MAX, from) != NULL) {
        count++;
    }
    for (uint64_t i = count > LAST_LINES ? count - LAST_LINES : 0; i < count; i++) {
        fputs(lines[i % LAST_LINES], stdout);
    }
}

static void say_records(const char *path)
{
    printf("flight records: %s/n*.flight; of node 1: raftctl replay %s/n1.flight\n", path, path);
}

/* Makes the directory of a seed's flight records. Returns false when there is none. */
static bool make_directory(const struct sim_replay *replay, char path[SIM_PATH_BYTES])
{
    const int length = snprintf(path, SIM_PATH_BYTES, "%s/seed-%llu-of-%u", replay->flights,
                                (unsigned long long)replay->seed, replay->nodes);
    if (length < 0 || (size_t)length >= SIM_PATH_BYTES - sizeof "/n99.flight") {
        fprintf(stderr, "raftctl sim: --flights is too long\n");
        return false;
    }
    if ((mkdir(replay->flights, 0750) != 0 && errno != EEXIST) || (mkdir(path, 0750) != 0 && errno != EEXIST)) {
        fprintf(stderr, "raftctl sim: no directory can be made at %s: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}

static struct sim_options options_of(const struct sim_replay *replay)
{
    return (struct sim_options){.seed = replay->seed,
                                .nodes = replay->nodes,
                                .steps_max = replay->steps,
                                .bare = replay->bare,
                                .trace = replay->trace ? stdout : NULL};
}

void sim_report(const struct sim_replay *replay)
{
    struct sim_options options = options_of(replay);
    char path[SIM_PATH_BYTES];
    const bool records = replay->flights != NULL && make_directory(replay, path);
    FILE *file = tmpfile();

    options.flights = records ? path : NULL;
    options.trace = file;
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        struct sim_result result;
        if (file != NULL) {
            setvbuf(file, NULL, _IOLBF, 0);
        }
        alarm(HANG_SECONDS);
        sim_run(&options, &result);
        if (file != NULL) {
            fflush(file);
        }
        _exit(0);
    }
    if (pid > 0) {
        waitpid(pid, NULL, 0);
    }
    if (file != NULL) {
        printf("the end of its trace:\n");
        print_last_lines(file);
        fclose(file);
    }
    if (records) {
        say_records(path);
    }
    printf("replay: raftctl sim --seed %llu", (unsigned long long)replay->seed);
    if (replay->steps != 0) {
        printf(" --steps %llu", (unsigned long long)replay->steps);
    }
    if (replay->nodes != 0) {
        printf(" --nodes %u", replay->nodes);
    }
    printf("%s --trace\n", replay->bare ? " --bare" : "");
    fflush(stdout);
}

/* Returns the exit code of a process: 0, or 1 after a finding. */
static int run_one(const struct sim_replay *replay, volatile uint64_t *steps)
{
    struct sim_options options = options_of(replay);
    struct sim_result result;
    char path[SIM_PATH_BYTES];

    if (replay->record) {
        if (replay->flights == NULL || !make_directory(replay, path)) {
            return 1;
        }
        options.flights = path;
    }
    options.steps_now = steps;
    if (replay->trace) {
        setvbuf(stdout, NULL, _IOLBF, 0);
    }
    sim_run(&options, &result);
    *steps = result.steps;
    printf("seed %llu: %u nodes, %llu.%03llu simulated seconds, %llu steps, %llu events, trace hash %016llx\n",
           (unsigned long long)replay->seed, result.nodes, (unsigned long long)(result.simulated_ns / 1000000000u),
           (unsigned long long)(result.simulated_ns / 1000000u % 1000u), (unsigned long long)result.steps,
           (unsigned long long)result.events, (unsigned long long)result.hash);
    if (result.finding[0] != '\0') {
        printf("finding: %s\n", result.finding);
        return 1;
    }
    printf("no finding%s\n", replay->steps != 0 && result.steps >= replay->steps ? " up to there" : "");
    if (replay->record) {
        say_records(path);
    }
    return 0;
}

int sim_replay(const struct sim_replay *replay)
{
    volatile uint64_t *steps = mmap(NULL, sizeof *steps, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct sim_replay again = *replay;
    int status = 0;

    if (steps == MAP_FAILED) {
        fputs("raftctl sim: out of memory\n", stderr);
        return 1;
    }
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        const int code = run_one(replay, steps);
        fflush(stdout);
        _exit(code);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        fputs("raftctl sim: no process can be made\n", stderr);
        return 1;
    }
    again.steps = *steps + 1;
    munmap((void *)(uintptr_t)steps, sizeof *steps);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return 0;
    }
    if (WIFSIGNALED(status)) {
        printf("finding: seed %llu ends its process (signal %d)\n", (unsigned long long)replay->seed, WTERMSIG(status));
    }
    sim_report(&again);
    return 1;
}
