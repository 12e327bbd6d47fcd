/* A leader whose disk stalls for 300 ms in one sync must go on with its heartbeats: the deputy takes the loop over.
 *
 * Node 3 is this program's own socket, which writes down when datagrams of the leader arrive; nodes 1 and 2 are real.
 * Fails when two heartbeats of the leader are more than two intervals (and some milliseconds of scheduling) apart
 * during the stall, or when the term grows.
 */
#include "plain_check.h"

#include <dgraft/node.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

#define STALL_MS     300
#define HEARTBEAT_MS 50

/* The operating system's files, but for one sync that takes long. */
struct slow_fs {
    struct dgraft_fs fs;
    struct dgraft_fs_ops ops;
    atomic_bool stall_next;
    atomic_bool stalling;
};

static struct slow_fs slow[2];

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec;
}

static void nap_ms(uint64_t ms)
{
    struct timespec wait = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * MS)};
    (void)nanosleep(&wait, NULL);
}

static int slow_sync(struct dgraft_fs *fs, int file)
{
    struct slow_fs *self = (struct slow_fs *)fs;
    if (atomic_exchange(&self->stall_next, false)) {
        atomic_store(&self->stalling, true);
        nap_ms(STALL_MS);
        atomic_store(&self->stalling, false);
    }
    return dgraft_fs_posix()->ops->sync(dgraft_fs_posix(), file);
}

static void apply(void *context, const struct dgraft_applied *entries, size_t count)
{
    (void)context;
    (void)entries;
    (void)count;
}

static void on_answered(void *context, const struct dgraft_proposal_answer *answer)
{
    (void)answer;
    atomic_store((atomic_bool *)context, true);
}

static struct dgraft_node *nodes[2];
static char base[] = "stalled-disk-XXXXXX";
static char directories[2][64]; /* retained until close */

static struct dgraft_transport *bind_any(char *text, size_t text_bytes)
{
    struct dgraft_transport *transport = NULL;
    char why[256] = "";
    struct dgraft_udp_options options = {.listen = "127.0.0.1:0"};
    CHECK(dgraft_udp_open(&options, &transport, why, sizeof why) == DGRAFT_OK, "%s", why);
    transport->ops->local_address(transport, text, text_bytes);
    return transport;
}

/* Starts nodes 1 and 2; returns the socket that is node 3. */
static struct dgraft_transport *start(void)
{
    char text[3][64];
    char members[256];
    struct dgraft_why why = {""};
    struct dgraft_transport *sockets[3];
    for (int i = 0; i < 3; i++) {
        sockets[i] = bind_any(text[i], sizeof text[i]);
    }
    sockets[0]->ops->close(sockets[0]);
    sockets[1]->ops->close(sockets[1]);
    (void)snprintf(members, sizeof members, "1=%s,2=%s,3=%s", text[0], text[1], text[2]);
    CHECK(mkdtemp(base) != NULL, "mkdtemp");
    for (uint32_t i = 0; i < 2; i++) {
        char *directory = directories[i];
        (void)snprintf(directory, sizeof directories[i], "%s/%u", base, i + 1);
        CHECK(dgraft_node_format(directory, "stalled", i + 1, members, &why) == DGRAFT_OK, "%s", why.text);
        slow[i].ops = *dgraft_fs_posix()->ops;
        slow[i].ops.sync = slow_sync;
        slow[i].fs.ops = &slow[i].ops;
        struct dgraft_node_options options = {.directory = directory,
                                              .machine = {.apply = apply},
                                              .fs = &slow[i].fs,
                                              .election_timeout_ns = 1000 * MS,
                                              .heartbeat_interval_ns = HEARTBEAT_MS * MS};
        CHECK(dgraft_node_open(&options, &nodes[i], &why) == DGRAFT_OK, "%s", why.text);
    }
    return sockets[2];
}

static int leader(uint64_t *term)
{
    for (int tries = 0; tries < 2000; tries++) {
        for (int i = 0; i < 2; i++) {
            struct dgraft_driver_status status;
            dgraft_node_status(nodes[i], &status);
            if (status.core.role == DGRAFT_ROLE_LEADER && status.core.commit == status.core.last.index) {
                *term = status.core.term;
                return i;
            }
        }
        nap_ms(5);
    }
    CHECK(false, "no leader within 10 s");
    return -1;
}

/* Waits for datagrams until `until`; returns the longest time between two of them. */
static uint64_t longest_silence(struct dgraft_transport *ear, uint64_t until)
{
    uint64_t last = now_ns();
    uint64_t longest = 0;
    while (now_ns() < until) {
        struct dgraft_datagram datagrams[16];
        size_t count = ear->ops->receive(ear, datagrams, 16);
        for (size_t i = 0; i < count; i++) {
            dgraft_buffer_release(datagrams[i].buffer);
        }
        if (count > 0) {
            uint64_t now = now_ns();
            longest = now - last > longest ? now - last : longest;
            last = now;
        }
        nap_ms(1);
    }
    return longest;
}

int main(void)
{
    atomic_bool answered = false;
    char bytes[] = "command";
    struct iovec piece = {bytes, sizeof bytes};
    struct dgraft_proposal proposal = {
        .pieces = &piece, .piece_count = 1, .context = &answered, .answered = on_answered};
    uint64_t term = 0;
    uint64_t term_after = 0;
    struct dgraft_transport *ear = start();
    int led_by = leader(&term);
    nap_ms(300);
    (void)longest_silence(ear, now_ns() + 10 * MS); /* what has piled up until now */

    atomic_store(&slow[led_by].stall_next, true);
    uint64_t began = now_ns();
    CHECK(dgraft_node_propose(nodes[led_by], &proposal) == DGRAFT_OK, "propose");
    uint64_t silence = longest_silence(ear, began + STALL_MS * MS);
    CHECK(!atomic_load(&slow[led_by].stall_next), "the leader never came to sync");
    printf("longest silence of a leader during a sync of %d ms: %.1f ms (heartbeat %d ms)\n", STALL_MS,
           (double)silence / 1e6, HEARTBEAT_MS);
    CHECK(silence <= (2 * HEARTBEAT_MS + 20) * MS, "silent for %.1f ms", (double)silence / 1e6);

    for (int tries = 0; tries < 1000 && !atomic_load(&answered); tries++) {
        nap_ms(5);
    }
    CHECK(atomic_load(&answered), "the command was never answered");
    CHECK(leader(&term_after) == led_by && term_after == term, "the stall cost the leadership");
    dgraft_node_close(nodes[0]);
    dgraft_node_close(nodes[1]);
    ear->ops->close(ear);
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r ./%s", base);
    CHECK(system(command) == 0, "%s", command);
    return 0;
}
