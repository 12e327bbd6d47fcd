/* Three nodes of one process; four threads that propose, read and ask for the status of whichever node leads, while the
 * leader is closed under them and later all are. Everything that was taken is answered exactly once and released
 * exactly once, whatever the end; what is answered as committed is applied once, at one index, in one order.
 */
#include "plain_check.h"

#include <dgraft/node.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

enum {
    NODES = 3,
    THREADS = 4,
    WINDOW = 16,          /* of a thread: proposals and reads under way at once */
    PROPOSALS = 12000,    /* of a thread, at the most */
    PAYLOAD_LARGE = 3000, /* is not copied: read where it lies until it is released */
    LOAD_MS = 800         /* before a leader is closed, and again before all are */
};

/* One proposal and how often each of its callbacks came. */
struct command {
    struct dgraft_proposal proposal;
    struct iovec piece;
    uint8_t *bytes;
    atomic_uint answered;
    atomic_uint released;
    enum dgraft_proposal_fate fate; /* written before `answered` */
    dgraft_index index;
    bool taken;
};

struct question {
    struct dgraft_read read;
    atomic_uint ready;
    bool taken;
};

struct worker {
    pthread_t thread;
    uint32_t number;
    struct command *commands;
    struct question *questions;
    uint32_t used;
    atomic_uint under_way;
};

/* What a node's machine saw. Only its node's callbacks touch it, and the main thread once that is closed: no lock. */
struct machine {
    dgraft_index last;
    uint64_t hash;
    uint64_t count;
    dgraft_index *seen; /* per command: where it was applied */
};

static struct dgraft_node *nodes[NODES];
/* A node may be used by any thread until it is closed: readers use it, the closer takes it away. */
static pthread_rwlock_t door[NODES] = {PTHREAD_RWLOCK_INITIALIZER, PTHREAD_RWLOCK_INITIALIZER,
                                       PTHREAD_RWLOCK_INITIALIZER};
static struct machine machines[NODES];
static struct worker workers[THREADS];
static atomic_bool stopping;
static char base[] = "many-proposers-XXXXXX";
static char directories[NODES][64]; /* retained until close */

static void nap_ms(uint64_t ms)
{
    struct timespec wait = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * MS)};
    (void)nanosleep(&wait, NULL);
}

static void apply(void *context, const struct dgraft_applied *entries, size_t count)
{
    struct machine *machine = context;
    for (size_t i = 0; i < count; i++) {
        uint32_t name[2]; /* worker, command */
        CHECK(entries[i].payload_bytes >= sizeof name, "a command lost its name");
        memcpy(name, entries[i].payload, sizeof name);
        CHECK(name[0] < THREADS && name[1] < PROPOSALS, "a command that nobody proposed");
        CHECK(entries[i].position.index > machine->last, "applied out of order");
        for (uint32_t at = sizeof name; at < entries[i].payload_bytes; at++) {
            CHECK(entries[i].payload[at] == (uint8_t)name[1], "a byte of a command changed");
        }
        machine->last = entries[i].position.index;
        machine->hash = (machine->hash ^ machine->last ^ ((uint64_t)name[0] << 32) ^ name[1]) * UINT64_C(1099511628211);
        machine->count++;
        dgraft_index *seen = &machine->seen[name[0] * PROPOSALS + name[1]];
        CHECK(*seen == 0, "a command was applied twice");
        *seen = machine->last;
    }
}

static void on_answered(void *context, const struct dgraft_proposal_answer *answer)
{
    struct command *command = context;
    uint32_t name[2];
    memcpy(name, command->bytes, sizeof name);
    command->fate = answer->fate;
    command->index = answer->position.index;
    atomic_fetch_add(&command->answered, 1);
    atomic_fetch_sub(&workers[name[0]].under_way, 1);
}

static void on_released(void *context)
{
    struct command *command = context;
    if (command->piece.iov_len == PAYLOAD_LARGE) {
        /* From here on the bytes are the proposer's again: whoever still read them would be seen. */
        memset(command->bytes + 8, 0xEE, PAYLOAD_LARGE - 8);
    }
    atomic_fetch_add(&command->released, 1);
}

static void on_ready(void *context, enum dgraft_status status, dgraft_node_id leader)
{
    struct question *question = context;
    (void)status;
    (void)leader;
    atomic_fetch_add(&question->ready, 1);
}

/* Proposes to a node, reads from it, asks for its status: whatever it is. */
static void use(struct worker *worker, int at)
{
    struct command *command = &worker->commands[worker->used];
    struct question *question = &worker->questions[worker->used];
    const uint32_t name[2] = {worker->number, worker->used};
    const size_t size = worker->used % 8 == 0 ? PAYLOAD_LARGE : 64;
    command->bytes = malloc(size);
    CHECK(command->bytes != NULL, "memory");
    memset(command->bytes, (uint8_t)name[1], size);
    memcpy(command->bytes, name, sizeof name);
    command->piece = (struct iovec){command->bytes, size};
    command->proposal = (struct dgraft_proposal){.pieces = &command->piece,
                                                 .piece_count = 1,
                                                 .context = command,
                                                 .answered = on_answered,
                                                 .released = on_released};
    question->read = (struct dgraft_read){.context = question, .ready = on_ready};
    worker->used++;
    atomic_fetch_add(&worker->under_way, 1);
    command->taken = dgraft_node_propose(nodes[at], &command->proposal) == DGRAFT_OK;
    if (!command->taken) {
        atomic_fetch_sub(&worker->under_way, 1);
    }
    if (worker->used % 4 == 0) {
        question->taken = dgraft_node_read(nodes[at], &question->read) == DGRAFT_OK;
    }
}

static bool leads(int at)
{
    struct dgraft_driver_status status;
    dgraft_node_status(nodes[at], &status);
    return status.core.role == DGRAFT_ROLE_LEADER;
}

static void *work(void *context)
{
    struct worker *worker = context;
    for (int at = 0; !atomic_load(&stopping) && worker->used < PROPOSALS; at = (at + 1) % NODES) {
        (void)pthread_rwlock_rdlock(&door[at]);
        /* Now and then one that does not lead is asked, too: it refuses. */
        for (bool once = worker->used % 64 == 0; nodes[at] != NULL && (once || leads(at)); once = false) {
            if (atomic_load(&stopping) || worker->used == PROPOSALS || atomic_load(&worker->under_way) >= WINDOW) {
                break;
            }
            use(worker, at);
        }
        (void)pthread_rwlock_unlock(&door[at]);
        nap_ms(1);
    }
    return NULL;
}

static void pick_addresses(char members[256])
{
    size_t used = 0;
    struct dgraft_transport *sockets[NODES];
    for (int i = 0; i < NODES; i++) {
        char text[64];
        char why[256] = "";
        struct dgraft_udp_options options = {.listen = "127.0.0.1:0"};
        CHECK(dgraft_udp_open(&options, &sockets[i], why, sizeof why) == DGRAFT_OK, "%s", why);
        sockets[i]->ops->local_address(sockets[i], text, sizeof text);
        used += (size_t)snprintf(members + used, 256 - used, "%s%d=%s", i == 0 ? "" : ",", i + 1, text);
    }
    for (int i = 0; i < NODES; i++) {
        sockets[i]->ops->close(sockets[i]);
    }
}

static void flight_path(uint32_t node, char *path, size_t path_bytes)
{
    (void)snprintf(path, path_bytes, "%s/%u.flight", base, node + 1);
}

/* What a third thread wrote while two took turns: every event that was not lost is replayed as it was. */
static void check_flights(void)
{
    for (uint32_t i = 0; i < NODES; i++) {
        struct dgraft_flight_summary summary;
        struct dgraft_why why = {""};
        char path[64];
        flight_path(i, path, sizeof path);
        CHECK(dgraft_flight_replay(dgraft_fs_posix(), path, UINT64_MAX, NULL, &summary, &why) == DGRAFT_OK, "%s",
              why.text);
        CHECK(summary.end == DGRAFT_FLIGHT_END, "%s", summary.text);
        CHECK(summary.damages == 0 && summary.events > 100, "%u damages, %llu events", summary.damages,
              (unsigned long long)summary.events);
    }
}

static void start_nodes(void)
{
    char members[256];
    struct dgraft_why why = {""};
    CHECK(mkdtemp(base) != NULL, "mkdtemp");
    pick_addresses(members);
    for (uint32_t i = 0; i < NODES; i++) {
        char *directory = directories[i];
        (void)snprintf(directory, sizeof directories[i], "%s/%u", base, i + 1);
        CHECK(dgraft_node_format(directory, "many", i + 1, members, &why) == DGRAFT_OK, "%s", why.text);
        machines[i].seen = calloc((size_t)THREADS * PROPOSALS, sizeof *machines[i].seen);
        CHECK(machines[i].seen != NULL, "memory");
        char flight[64];
        flight_path(i, flight, sizeof flight);
        struct dgraft_node_options options = {.directory = directory,
                                              .flight_path = flight,
                                              .machine = {.context = &machines[i], .apply = apply},
                                              .election_timeout_ns = 200 * MS,
                                              .check_invariants = true};
        CHECK(dgraft_node_open(&options, &nodes[i], &why) == DGRAFT_OK, "%s", why.text);
    }
}

static int wait_for_leader(void)
{
    for (int tries = 0; tries < 4000; tries++) {
        for (int i = 0; i < NODES; i++) {
            if (nodes[i] != NULL && leads(i)) {
                return i;
            }
        }
        nap_ms(5);
    }
    CHECK(false, "no leader within 20 s");
    return -1;
}

/* Closes a node in the middle of what others ask of it. Everything it took has been answered when close returns. */
static void close_node(int at)
{
    struct dgraft_node *node = nodes[at];
    (void)pthread_rwlock_wrlock(&door[at]);
    nodes[at] = NULL;
    (void)pthread_rwlock_unlock(&door[at]);
    dgraft_node_close(node);
}

/* Adds up what became of the commands; fails for one whose callbacks came not at all, or twice. */
static void count_fates(uint64_t fates[4])
{
    for (uint32_t w = 0; w < THREADS; w++) {
        for (uint32_t i = 0; i < workers[w].used; i++) {
            struct command *command = &workers[w].commands[i];
            const unsigned wanted = command->taken ? 1 : 0;
            CHECK(atomic_load(&command->answered) == wanted, "command %u of %u was answered %u times, not %u", i, w,
                  atomic_load(&command->answered), wanted);
            CHECK(atomic_load(&command->released) == wanted, "command %u of %u was released %u times, not %u", i, w,
                  atomic_load(&command->released), wanted);
            const struct question *question = &workers[w].questions[i];
            CHECK(atomic_load(&question->ready) == (question->taken ? 1u : 0u), "read %u of %u was answered %u times",
                  i, w, atomic_load(&question->ready));
            fates[command->taken ? command->fate : 0]++;
        }
    }
}

/* What was refused is nowhere; what was committed is where its answer says, on every machine that came so far. */
static void check_machines(void)
{
    for (uint32_t w = 0; w < THREADS; w++) {
        for (uint32_t i = 0; i < workers[w].used; i++) {
            const struct command *command = &workers[w].commands[i];
            const bool never = !command->taken || command->fate == DGRAFT_PROPOSAL_REFUSED;
            const bool committed = command->taken && command->fate == DGRAFT_PROPOSAL_COMMITTED;
            unsigned applied = 0;
            for (int n = 0; n < NODES; n++) {
                const dgraft_index seen = machines[n].seen[w * PROPOSALS + i];
                CHECK(!never || seen == 0, "command %u of %u was refused, and applied", i, w);
                CHECK(!committed || seen == 0 || seen == command->index, "committed at one index, applied at another");
                CHECK(!committed || seen != 0 || machines[n].last < command->index, "a machine skipped a command");
                applied += seen != 0;
            }
            CHECK(!committed || applied > 0, "committed, and applied nowhere");
        }
    }
    for (int n = 0; n < NODES; n++) {
        for (int m = 0; m < NODES; m++) {
            CHECK(machines[n].count != machines[m].count || machines[n].hash == machines[m].hash, "machines differ");
        }
    }
}

static void start_workers(void)
{
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i].number = i;
        workers[i].commands = calloc(PROPOSALS, sizeof *workers[i].commands);
        workers[i].questions = calloc(PROPOSALS, sizeof *workers[i].questions);
        CHECK(workers[i].commands != NULL && workers[i].questions != NULL, "memory");
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0, "pthread_create");
    }
}

static void clean_up(void)
{
    char command[64];
    for (uint32_t w = 0; w < THREADS; w++) {
        for (uint32_t i = 0; i < workers[w].used; i++) {
            free(workers[w].commands[i].bytes);
        }
        free(workers[w].commands);
        free(workers[w].questions);
    }
    for (int i = 0; i < NODES; i++) {
        free(machines[i].seen);
    }
    (void)snprintf(command, sizeof command, "rm -r ./%s", base);
    CHECK(system(command) == 0, "%s", command);
}

int main(void)
{
    uint64_t fates[4] = {0};
    start_nodes();
    (void)wait_for_leader();
    start_workers();
    nap_ms(LOAD_MS);
    close_node(wait_for_leader()); /* the load goes on at the next leader */
    (void)wait_for_leader();
    nap_ms(LOAD_MS);
    for (int i = 0; i < NODES; i++) {
        if (nodes[i] != NULL) {
            close_node(i);
        }
    }
    atomic_store(&stopping, true);
    for (uint32_t i = 0; i < THREADS; i++) {
        CHECK(pthread_join(workers[i].thread, NULL) == 0, "pthread_join");
    }
    count_fates(fates);
    check_machines();
    check_flights();
    printf("%llu committed, %llu refused, %llu unknown, %llu not taken\n",
           (unsigned long long)fates[DGRAFT_PROPOSAL_COMMITTED], (unsigned long long)fates[DGRAFT_PROPOSAL_REFUSED],
           (unsigned long long)fates[DGRAFT_PROPOSAL_UNKNOWN], (unsigned long long)fates[0]);
    CHECK(fates[DGRAFT_PROPOSAL_COMMITTED] >= 100, "hardly anything was committed");
    clean_up();
    return 0;
}
