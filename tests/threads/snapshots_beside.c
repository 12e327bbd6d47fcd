/* Three nodes that make snapshots while commands are proposed; a third thread works on the files. One is closed, misses
 * more than the others' logs hold, is opened again, and takes a snapshot up; in the end all machines are equal.
 */
#include "plain_check.h"

#include <dgraft/node.h>

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define MS UINT64_C(1000000)

enum { NODES = 3, PADDING = 200000, WINDOW = 32 };

/* Touched by its node's callbacks, one at a time; by the main thread when that is closed. */
struct machine {
    uint64_t count;
    uint64_t hash;
    uint32_t restored;
};

static struct dgraft_node *nodes[NODES];
static struct machine machines[NODES];
static char base[] = "snapshots-beside-XXXXXX";
static char directories[NODES][64];
static atomic_uint under_way;
static atomic_uint committed;

static void nap_ms(uint64_t ms)
{
    struct timespec wait = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * MS)};
    (void)nanosleep(&wait, NULL);
}

static void apply(void *context, const struct dgraft_applied *entries, size_t count)
{
    struct machine *machine = context;
    for (size_t i = 0; i < count; i++) {
        machine->hash = (machine->hash ^ entries[i].position.index ^ entries[i].payload[0]) * UINT64_C(1099511628211);
        machine->count++;
    }
}

static bool snapshot(void *context, struct dgraft_snapshot_writer *writer)
{
    static const uint8_t padding[PADDING]; /* so that a snapshot takes several jobs, and several parts */
    const struct machine *machine = context;
    const uint64_t state[2] = {machine->count, machine->hash};
    return dgraft_snapshot_write(writer, state, sizeof state) && dgraft_snapshot_write(writer, padding, PADDING);
}

static bool restore(void *context, const uint8_t *bytes, size_t size)
{
    struct machine *machine = context;
    uint64_t state[2];
    if (size != sizeof state + PADDING) {
        return false;
    }
    memcpy(state, bytes, sizeof state);
    machine->count = state[0];
    machine->hash = state[1];
    machine->restored++;
    return true;
}

static void open_node(int at)
{
    struct dgraft_why why = {""};
    struct dgraft_node_options options = {
        .directory = directories[at],
        .machine = {.context = &machines[at], .apply = apply, .snapshot = snapshot, .restore = restore},
        .election_timeout_ns = 300 * MS,
        .snapshot_every = 100,
        .snapshot_tail = 20,
        .check_invariants = true};
    machines[at] = (struct machine){.count = 0};
    CHECK(dgraft_node_open(&options, &nodes[at], &why) == DGRAFT_OK, "%s", why.text);
}

static void start_nodes(void)
{
    char members[256];
    size_t used = 0;
    struct dgraft_transport *sockets[NODES];
    struct dgraft_why why = {""};
    CHECK(mkdtemp(base) != NULL, "mkdtemp");
    for (int i = 0; i < NODES; i++) {
        char text[64];
        struct dgraft_udp_options options = {.listen = "127.0.0.1:0"};
        CHECK(dgraft_udp_open(&options, &sockets[i], why.text, sizeof why.text) == DGRAFT_OK, "%s", why.text);
        sockets[i]->ops->local_address(sockets[i], text, sizeof text);
        used += (size_t)snprintf(members + used, sizeof members - used, "%s%d=%s", i == 0 ? "" : ",", i + 1, text);
    }
    for (int i = 0; i < NODES; i++) {
        sockets[i]->ops->close(sockets[i]);
    }
    for (int i = 0; i < NODES; i++) {
        (void)snprintf(directories[i], sizeof directories[i], "%s/%d", base, i + 1);
        CHECK(dgraft_node_format(directories[i], "beside", (dgraft_node_id)(i + 1), members, &why) == DGRAFT_OK, "%s",
              why.text);
        open_node(i);
    }
}

static struct dgraft_driver_status status_of(int at)
{
    struct dgraft_driver_status status;
    dgraft_node_status(nodes[at], &status);
    return status;
}

static int leader(void)
{
    for (int tries = 0; tries < 4000; tries++) {
        for (int i = 0; i < NODES; i++) {
            if (nodes[i] != NULL && status_of(i).core.role == DGRAFT_ROLE_LEADER) {
                return i;
            }
        }
        nap_ms(5);
    }
    CHECK(false, "no leader within 20 s");
    return -1;
}

struct command {
    struct dgraft_proposal proposal;
    struct iovec piece;
    uint8_t byte;
};

static void answered(void *context, const struct dgraft_proposal_answer *answer)
{
    (void)context;
    atomic_fetch_add(&committed, answer->fate == DGRAFT_PROPOSAL_COMMITTED ? 1 : 0);
    atomic_fetch_sub(&under_way, 1);
}

/* Proposes until so many more are committed, and waits for all answers. */
static void commit(unsigned count)
{
    static struct command commands[1u << 16];
    static unsigned used;
    const unsigned until = atomic_load(&committed) + count;
    while (atomic_load(&committed) < until) {
        const int at = leader();
        for (; atomic_load(&under_way) < WINDOW; used++) {
            struct command *command = &commands[used];
            CHECK(used + 1 < sizeof commands / sizeof commands[0], "too many proposals");
            command->byte = (uint8_t)used;
            command->piece = (struct iovec){&command->byte, 1};
            command->proposal =
                (struct dgraft_proposal){.pieces = &command->piece, .piece_count = 1, .answered = answered};
            atomic_fetch_add(&under_way, 1);
            if (dgraft_node_propose(nodes[at], &command->proposal) != DGRAFT_OK) {
                atomic_fetch_sub(&under_way, 1);
                break;
            }
        }
        nap_ms(1);
    }
    for (int tries = 0; atomic_load(&under_way) > 0; tries++) {
        CHECK(tries < 4000, "proposals are not answered");
        nap_ms(5);
    }
}

/* Waits until every node has applied what the leader has committed. */
static void settle(void)
{
    for (int tries = 0; tries < 4000; tries++) {
        const dgraft_index commit_index = status_of(leader()).core.commit;
        bool all = true;
        for (int i = 0; i < NODES; i++) {
            all = all && status_of(i).core.applied >= commit_index;
        }
        if (all) {
            return;
        }
        nap_ms(5);
    }
    CHECK(false, "not all have applied everything within 20 s");
}

int main(void)
{
    char command[64];
    start_nodes();
    commit(300);
    const int away = (leader() + 1) % NODES;
    dgraft_node_close(nodes[away]);
    nodes[away] = NULL;
    nap_ms(700); /* who was heard a moment ago would have entries kept */
    commit(700);
    open_node(away);
    commit(300);
    settle();
    CHECK(status_of(away).snapshots.installed >= 1, "it caught up otherwise");
    for (int i = 0; i < NODES; i++) {
        CHECK(i == away || status_of(i).snapshots.made >= 2, "node %d made too few", i + 1);
    }
    for (int i = 0; i < NODES; i++) {
        dgraft_node_close(nodes[i]);
    }
    for (int i = 0; i < NODES; i++) {
        CHECK(machines[i].count == machines[0].count && machines[i].hash == machines[0].hash, "machines differ");
    }
    for (int i = 0; i < NODES; i++) {
        open_node(i); /* with the newest snapshot */
        CHECK(machines[i].restored >= 1, "nothing was restored");
        dgraft_node_close(nodes[i]);
    }
    (void)snprintf(command, sizeof command, "rm -r ./%s", base);
    CHECK(system(command) == 0, "cleaning up");
    return 0;
}
