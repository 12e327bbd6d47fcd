#include "bench_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STOP_PATIENCE_MS 5000
#define STOP_LOOK_MS     5

static bool failed(struct dgraft_why *why, const char *what)
{
    (void)snprintf(why->text, sizeof why->text, "%s: %s", what, strerror(errno));
    return false;
}

/* Becomes the child: only calls that are allowed after fork. */
static void become(const struct bench_child_setup *setup, int control, pid_t parent, unsigned deadline_s)
{
    static char name[] = "raftctl";
    static char command[] = "bench-node";
    char texts[4 + BENCH_NODES][16];
    char directory[BENCH_PATH_MAX];
    (void)snprintf(directory, sizeof directory, "%s", setup->directory);
    const char *side = setup->side == BENCH_FLOOR ? "floor" : setup->record ? "recorded" : "node";
    (void)snprintf(texts[0], sizeof texts[0], "%s", side);
    (void)snprintf(texts[1], sizeof texts[1], "%u", setup->id);
    (void)snprintf(texts[2], sizeof texts[2], "%u", setup->datagram_bytes);
    (void)snprintf(texts[3], sizeof texts[3], "%u", setup->spares);
    for (unsigned i = 0; i < BENCH_NODES; i++) {
        (void)snprintf(texts[4 + i], sizeof texts[0], "%u", setup->ports[i]);
    }
    char *arguments[] = {name,     command,  texts[0], directory, texts[1], texts[2],
                         texts[3], texts[4], texts[5], texts[6],  NULL};
    bool here = control == BENCH_CONTROL_FD ? fcntl(control, F_SETFD, 0) == 0 : dup2(control, BENCH_CONTROL_FD) >= 0;
    /* The parent may have died between fork and prctl. */
    if (!here || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        _exit(EXIT_FAILURE);
    }
    (void)alarm(deadline_s);
    (void)execv("/proc/self/exe", arguments);
    _exit(EXIT_FAILURE);
}

bool bench_process_start(struct bench_process *process, const struct bench_child_setup *setup, unsigned deadline_s,
                         struct dgraft_why *why)
{
    int ends[2];
    pid_t parent = getpid();
    *process = (struct bench_process){.control = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return failed(why, "socketpair");
    }
    pid_t pid = fork();
    if (pid == 0) {
        become(setup, ends[1], parent, deadline_s);
    }
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        return failed(why, "fork");
    }
    *process = (struct bench_process){.pid = pid, .control = ends[0]};
    return true;
}

bool bench_process_order(const struct bench_process *process, const struct bench_order *order)
{
    return send(process->control, order, sizeof *order, MSG_NOSIGNAL) == (ssize_t)sizeof *order;
}

int bench_process_wait(const struct bench_process *processes, int timeout_ms, struct bench_news *news)
{
    struct pollfd files[BENCH_NODES];
    for (unsigned i = 0; i < BENCH_NODES; i++) {
        files[i] = (struct pollfd){.fd = processes[i].control, .events = POLLIN};
    }
    if (poll(files, BENCH_NODES, timeout_ms) <= 0) {
        return -1;
    }
    for (unsigned i = 0; i < BENCH_NODES; i++) {
        if (files[i].revents == 0) {
            continue;
        }
        ssize_t got = recv(processes[i].control, news, sizeof *news, MSG_DONTWAIT);
        if (got == (ssize_t)sizeof *news) {
            return (int)i;
        }
        if (got >= 0 || errno != EAGAIN) {
            (void)snprintf(news->why.text, sizeof news->why.text, "process %u of the bench has ended", i + 1);
            return -2;
        }
    }
    return -1;
}

void bench_process_stop(struct bench_process *process)
{
    struct bench_order quit = {.kind = BENCH_ORDER_QUIT};
    struct timespec pause = {.tv_nsec = STOP_LOOK_MS * 1000000L};
    if (process->pid <= 0) {
        return;
    }
    (void)bench_process_order(process, &quit);
    (void)close(process->control);
    for (int waited = 0; waitpid(process->pid, NULL, WNOHANG) == 0; waited += STOP_LOOK_MS) {
        if (waited > STOP_PATIENCE_MS) {
            (void)kill(process->pid, SIGKILL);
            (void)waitpid(process->pid, NULL, 0);
            break;
        }
        (void)nanosleep(&pause, NULL);
    }
    *process = (struct bench_process){.control = -1};
}
