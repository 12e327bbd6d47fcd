#include "sim_campaign.h"

#include "sim_run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX     16u
#define HANG_SECONDS 60

/* What a worker tells: shared memory, written by the worker alone. */
struct worker {
    volatile uint64_t seed; /* being run */
    volatile uint64_t done;
    volatile uint64_t simulated_ns;
    volatile uint64_t events;
    volatile uint64_t steps; /* of the seed being run */
    struct sim_counts counts;
    uint64_t by_size[SIM_NODES_MAX];
    volatile bool failed; /* at `seed` */
    char finding[SIM_FINDING_BYTES];
};

/* What the parent knows of a worker. */
struct watch {
    pid_t pid;
    uint64_t seed;
    uint64_t since; /* seconds */
};

static uint64_t seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

static uint32_t size_of(const struct sim_campaign *campaign, uint64_t seed)
{
    return campaign->size_count == 0 ? 0 : campaign->sizes[seed % campaign->size_count];
}

static void work(const struct sim_campaign *campaign, struct worker *worker, uint32_t nth, uint64_t deadline)
{
    for (uint64_t i = nth; campaign->count == 0 || i < campaign->count; i += campaign->jobs) {
        struct sim_result result;
        const struct sim_options options = {.seed = campaign->from + i,
                                            .nodes = size_of(campaign, campaign->from + i),
                                            .bare = campaign->bare,
                                            .steps_now = &worker->steps};
        if (seconds_now() >= deadline) {
            return;
        }
        worker->seed = options.seed;
        sim_run(&options, &result);
        sim_counts_add(&worker->counts, &result.counts);
        worker->simulated_ns += result.simulated_ns;
        worker->events += result.events;
        if (result.nodes < SIM_NODES_MAX) {
            worker->by_size[result.nodes]++;
        }
        if (result.finding[0] != '\0') {
            memcpy(worker->finding, result.finding, sizeof worker->finding);
            worker->steps = result.steps;
            worker->failed = true;
            return;
        }
        worker->done++;
    }
}

static void report(const struct sim_campaign *campaign, const struct worker *worker, const char *finding,
                   uint64_t steps)
{
    const struct sim_replay replay = {.seed = worker->seed,
                                      .nodes = size_of(campaign, worker->seed),
                                      .steps = steps,
                                      .bare = campaign->bare,
                                      .flights = campaign->flights};
    printf("\nseed %llu: %s\n", (unsigned long long)worker->seed, finding);
    sim_report(&replay);
}

/* Looks after one worker. Returns true while it runs; *failed is set by a finding, which is printed. */
static bool look_after(const struct sim_campaign *campaign, struct worker *worker, struct watch *watch, bool *failed)
{
    char text[100];
    int status = 0;

    if (waitpid(watch->pid, &status, WNOHANG) == 0) {
        if (worker->seed != watch->seed) {
            watch->seed = worker->seed;
            watch->since = seconds_now();
        } else if (seconds_now() - watch->since > HANG_SECONDS) {
            kill(watch->pid, SIGKILL);
            waitpid(watch->pid, &status, 0);
            report(campaign, worker, "does not end", 0);
            *failed = true;
            return false;
        }
        return true;
    }
    if (worker->failed) {
        report(campaign, worker, worker->finding, worker->steps + 1);
        *failed = true;
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        snprintf(text, sizeof text, "ends its process (%s %d)", WIFSIGNALED(status) ? "signal" : "exit code",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        report(campaign, worker, text, worker->steps + 1);
        *failed = true;
    }
    return false;
}

static void add_up(const struct sim_campaign *campaign, const struct worker *workers, struct worker *sum)
{
    memset(sum, 0, sizeof *sum);
    for (uint32_t i = 0; i < campaign->jobs; i++) {
        sum->done += workers[i].done;
        sum->simulated_ns += workers[i].simulated_ns;
        sum->events += workers[i].events;
        sim_counts_add(&sum->counts, &workers[i].counts);
        for (uint32_t size = 0; size < SIM_NODES_MAX; size++) {
            sum->by_size[size] += workers[i].by_size[size];
        }
    }
}

/* Prints how often everything happened. Returns how many things never did. */
static uint32_t print_table(const struct worker *sum)
{
    uint32_t never = 0;

    for (int i = 0; i < SIM_COUNT_TOTAL; i++) {
        printf("  %12llu  %s\n", (unsigned long long)sum->counts.of[i], sim_count_text((enum sim_count)i));
    }
    for (int i = 0; i < SIM_COUNT_TOTAL; i++) {
        if (sum->counts.of[i] == 0) {
            printf("never: %s\n", sim_count_text((enum sim_count)i));
            never++;
        }
    }
    return never;
}

static void print_progress(const struct worker *sum, uint64_t elapsed, const char *end)
{
    printf("%llu seeds, %llu simulated seconds, %llu events, %llu s%s", (unsigned long long)sum->done,
           (unsigned long long)(sum->simulated_ns / 1000000000u), (unsigned long long)sum->events,
           (unsigned long long)elapsed, end);
    fflush(stdout);
}

static bool run_workers(const struct sim_campaign *campaign, struct worker *workers, uint64_t started)
{
    const uint64_t deadline = campaign->seconds == 0 ? UINT64_MAX : started + campaign->seconds;
    const bool terminal = isatty(STDOUT_FILENO) != 0;
    struct watch watches[JOBS_MAX] = {0};
    uint32_t running = 0;
    bool failed = false;

    fflush(stdout);
    for (uint32_t i = 0; i < campaign->jobs; i++) {
        watches[i].pid = fork();
        watches[i].since = started;
        if (watches[i].pid == 0) {
            work(campaign, &workers[i], i, deadline);
            _exit(0);
        }
        running += watches[i].pid > 0;
    }
    while (running > 0) {
        struct worker sum;
        usleep(100000);
        for (uint32_t i = 0; i < campaign->jobs; i++) {
            if (watches[i].pid > 0 && (failed || !look_after(campaign, &workers[i], &watches[i], &failed))) {
                if (failed) {
                    kill(watches[i].pid, SIGKILL);
                    waitpid(watches[i].pid, NULL, 0);
                }
                watches[i].pid = 0;
                running--;
            }
        }
        if (terminal) {
            add_up(campaign, workers, &sum);
            print_progress(&sum, seconds_now() - started, "\r");
        }
    }
    return !failed;
}

int sim_campaign(const struct sim_campaign *wanted)
{
    struct sim_campaign campaign = *wanted;
    const uint64_t started = seconds_now();
    struct worker sum;

    campaign.jobs = campaign.jobs == 0 ? 1 : campaign.jobs;
    campaign.jobs = campaign.jobs > JOBS_MAX ? JOBS_MAX : campaign.jobs;
    struct worker *workers =
        mmap(NULL, JOBS_MAX * sizeof *workers, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (workers == MAP_FAILED) {
        fputs("raftctl sim: out of memory\n", stderr);
        return 1;
    }
    const bool good = run_workers(&campaign, workers, started);
    add_up(&campaign, workers, &sum);
    print_progress(&sum, seconds_now() - started, "\n");
    munmap(workers, JOBS_MAX * sizeof *workers);
    if (!good) {
        return 1;
    }
    for (uint32_t size = 1; size < SIM_NODES_MAX; size++) {
        if (sum.by_size[size] > 0) {
            printf("  %12llu  clusters of %u\n", (unsigned long long)sum.by_size[size], size);
        }
    }
    const uint32_t never = print_table(&sum);
    if (never > 0 && !campaign.slice) {
        printf("failed: %u of the above never happened, so nothing is proven about them\n", never);
        return 1;
    }
    printf("no finding\n");
    return 0;
}
