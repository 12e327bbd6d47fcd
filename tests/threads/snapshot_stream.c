/* snapshot_stream [MIB [DIR]]: a state of so many MiB (64) is written down by a leader, sent, received, taken up, and
 * read at a start, in pieces, while commands are committed: all three nodes together, which live in this process, may
 * take no more memory for it than BOUND_BYTES above what they take when they are idle. Every allocation is counted, and
 * so is the largest resident set. Prints what it took.
 */
#include "plain_check.h"

#include <dgraft/node.h>
#include <dgraft/record.h>

#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MS          UINT64_C(1000000)
#define NODES       3
#define PIECE_WORDS 32768u /* 256 KiB */
#define HEAD_BYTES  16u
#define WINDOW      16u
#define BOUND_BYTES (24LL * 1024 * 1024)

/* Touched by its node's callbacks, one at a time; by the main thread when that is closed, but for what is atomic. */
struct machine {
    uint64_t count;
    uint64_t hash;
    atomic_uint loaded;
    atomic_uint during; /* commands applied while its state was being written or read */
    bool saving;
    bool loading;
};

/* One that is written: the machine goes on, these stay. */
struct save {
    uint64_t count;
    uint64_t hash;
    uint64_t at; /* words written */
    bool begun;
};

struct load {
    uint8_t head[HEAD_BYTES];
    uint64_t at; /* bytes read */
};

static uint64_t words; /* of the state, besides its head */
static struct dgraft_node *nodes[NODES];
static struct machine machines[NODES];
static char base[256];
static char directories[NODES][300];
static atomic_uint under_way;
static atomic_uint committed;
static atomic_llong live; /* bytes; below zero by what the C library allocated, and the archives gave back */
static atomic_llong most; /* since the phase began */

/* The linker sends every call of the archives here. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);

static void *gained(void *memory)
{
    const long long size = memory != NULL ? (long long)malloc_usable_size(memory) : 0;
    const long long now = atomic_fetch_add(&live, size) + size;
    long long before = atomic_load(&most);
    while (now > before && !atomic_compare_exchange_weak(&most, &before, now)) {
    }
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return gained(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return gained(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    const long long before = memory != NULL ? (long long)malloc_usable_size(memory) : 0;
    void *moved = __real_realloc(memory, size);
    if (moved != NULL) {
        (void)gained(moved);
        atomic_fetch_sub(&live, before);
    }
    return moved;
}

void __wrap_free(void *memory)
{
    atomic_fetch_sub(&live, memory != NULL ? (long long)malloc_usable_size(memory) : 0);
    __real_free(memory);
}

static void nap_ms(uint64_t ms)
{
    struct timespec wait = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * MS)};
    (void)nanosleep(&wait, NULL);
}

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A line's number of /proc/self/status, in bytes. */
static size_t memory_of(const char *name)
{
    char line[128];
    size_t bytes = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        bytes = strncmp(line, name, strlen(name)) == 0 ? strtoull(line + strlen(name), NULL, 10) * 1024 : bytes;
    }
    if (status != NULL) {
        (void)fclose(status);
    }
    return bytes;
}

/* Of the state: no two near each other are alike. */
static uint64_t word(uint64_t at, uint64_t seed)
{
    uint64_t x = (at + seed * 977) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ (x >> 27);
}

static void apply(void *context, const struct dgraft_applied *entries, size_t count)
{
    struct machine *machine = context;
    atomic_fetch_add(&machine->during, machine->saving || machine->loading ? (unsigned)count : 0);
    for (size_t i = 0; i < count; i++) {
        machine->hash = (machine->hash ^ entries[i].position.index ^ entries[i].payload[0]) * UINT64_C(1099511628211);
        machine->count++;
    }
}

static void *save_begin(void *context)
{
    struct machine *machine = context;
    struct save *save = calloc(1, sizeof *save);
    CHECK(save != NULL && !machine->saving, "two snapshots at once");
    machine->saving = true;
    *save = (struct save){.count = machine->count, .hash = machine->hash};
    return save;
}

static enum dgraft_save_step save_piece(void *context, void *saving, struct dgraft_snapshot_writer *writer)
{
    static uint64_t piece[NODES][PIECE_WORDS];
    const struct machine *machine = context;
    uint64_t *own = piece[machine - machines];
    struct save *save = saving;
    uint32_t used = 0;
    if (!save->begun) {
        const uint64_t head[2] = {save->count, save->hash};
        save->begun = true;
        return dgraft_snapshot_write(writer, head, sizeof head) ? DGRAFT_SAVE_MORE : DGRAFT_SAVE_FAILED;
    }
    while (used < PIECE_WORDS && save->at < words) {
        own[used++] = word(save->at++, save->count);
    }
    if (!dgraft_snapshot_write(writer, own, used * sizeof *own)) {
        return DGRAFT_SAVE_FAILED;
    }
    return save->at < words ? DGRAFT_SAVE_MORE : DGRAFT_SAVE_DONE;
}

static void save_end(void *context, void *saving)
{
    struct machine *machine = context;
    machine->saving = false;
    free(saving);
}

static void *load_begin(void *context, uint64_t size)
{
    struct machine *machine = context;
    struct load *load = calloc(1, sizeof *load);
    CHECK(load != NULL && !machine->loading, "two are read at once");
    CHECK(size == HEAD_BYTES + 8 * words, "a state of %llu bytes", (unsigned long long)size);
    machine->loading = true;
    return load;
}

static bool load_piece(void *context, void *loading, const uint8_t *bytes, size_t size)
{
    struct load *load = loading;
    (void)context;
    for (size_t i = 0; i < size;) {
        if (load->at < HEAD_BYTES) {
            load->head[load->at++] = bytes[i++];
            continue;
        }
        const uint64_t at = load->at - HEAD_BYTES;
        uint8_t wanted[8];
        const uint64_t value = word(at / 8, dgraft_get_u64(load->head));
        memcpy(wanted, &value, sizeof wanted);
        const size_t skip = (size_t)(at % 8);
        const size_t part = size - i < 8 - skip ? size - i : 8 - skip;
        CHECK(memcmp(wanted + skip, bytes + i, part) == 0, "byte %llu of the state", (unsigned long long)at);
        load->at += part;
        i += part;
    }
    return true;
}

static bool load_take(void *context, void *loading)
{
    struct machine *machine = context;
    struct load *load = loading;
    CHECK(load->at == HEAD_BYTES + 8 * words, "taken after %llu bytes", (unsigned long long)load->at);
    machine->count = dgraft_get_u64(load->head);
    machine->hash = dgraft_get_u64(load->head + 8);
    atomic_fetch_add(&machine->loaded, 1);
    machine->loading = false;
    free(load);
    return true;
}

static void load_drop(void *context, void *loading)
{
    struct machine *machine = context;
    machine->loading = false;
    free(loading);
}

static const struct dgraft_state_stream stream = {.save_begin = save_begin,
                                                  .save_piece = save_piece,
                                                  .save_end = save_end,
                                                  .load_begin = load_begin,
                                                  .load_piece = load_piece,
                                                  .load_take = load_take,
                                                  .load_drop = load_drop};

static void say(void *context, enum dgraft_log_level level, const char *text)
{
    (void)context;
    CHECK(level > DGRAFT_LOG_WARNING || strstr(text, "snapshot") == NULL, "%s", text);
}

static void open_node(int at)
{
    struct dgraft_why why = {""};
    struct dgraft_node_options options = {.directory = directories[at],
                                          .machine = {.context = &machines[at], .apply = apply, .stream = &stream},
                                          .sink = {.log = say},
                                          .election_timeout_ns = 2000 * MS,
                                          .datagram_bytes_max = 60000,
                                          .snapshot_tail = 20};
    machines[at] = (struct machine){.count = 0};
    CHECK(dgraft_node_open(&options, &nodes[at], &why) == DGRAFT_OK, "%s", why.text);
}

static void start_nodes(void)
{
    char members[256];
    size_t used = 0;
    struct dgraft_transport *sockets[NODES];
    struct dgraft_why why = {""};
    CHECK(mkdtemp(base) != NULL, "%s", base);
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
        CHECK(dgraft_node_format(directories[i], "stream", (dgraft_node_id)(i + 1), members, &why) == DGRAFT_OK, "%s",
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

static void answered(void *context, const struct dgraft_proposal_answer *answer)
{
    (void)context;
    atomic_fetch_add(&committed, answer->fate == DGRAFT_PROPOSAL_COMMITTED ? 1 : 0);
    atomic_fetch_sub(&under_way, 1);
}

/* Proposes some, and waits for their answers. */
static void commit_some(void)
{
    static uint8_t byte = 7;
    static struct iovec piece = {&byte, 1};
    static struct dgraft_proposal proposals[WINDOW];
    const int at = leader();
    for (unsigned i = 0; i < WINDOW; i++) {
        proposals[i] = (struct dgraft_proposal){.pieces = &piece, .piece_count = 1, .answered = answered};
        atomic_fetch_add(&under_way, 1);
        if (dgraft_node_propose(nodes[at], &proposals[i]) != DGRAFT_OK) {
            atomic_fetch_sub(&under_way, 1);
        }
    }
    for (int tries = 0; atomic_load(&under_way) > 0; tries++) {
        CHECK(tries < 4000, "proposals are not answered");
        nap_ms(5);
    }
}

static void commit(unsigned count)
{
    for (const unsigned until = atomic_load(&committed) + count; atomic_load(&committed) < until;) {
        commit_some();
    }
}

/* What a phase took: begun by begin_phase, told by end_phase. */
struct phase {
    long long live;
    size_t resident;
    double begun;
};

static struct phase begin_phase(void)
{
    const int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    CHECK(file >= 0 && write(file, "5", 1) == 1, "the largest resident set is not to be reset");
    (void)close(file);
    atomic_store(&most, atomic_load(&live));
    return (struct phase){atomic_load(&live), memory_of("VmRSS:"), seconds()};
}

static void end_phase(const struct phase *phase, const char *what)
{
    const long long heap = atomic_load(&most) - phase->live;
    const size_t peak = memory_of("VmHWM:");
    const size_t resident = peak > phase->resident ? peak - phase->resident : 0;
    (void)printf("%-34s %7.2f s, %6.2f MiB of heap, %6.2f MiB resident above idle\n", what, seconds() - phase->begun,
                 (double)heap / 1048576, (double)resident / 1048576);
    CHECK(heap < BOUND_BYTES, "%lld bytes of heap", heap);
}

/* The leader writes its state down while commands are committed. Returns who it was. */
static int make(void)
{
    const int at = leader();
    const struct phase phase = begin_phase();
    CHECK(dgraft_node_snapshot(nodes[at]) == DGRAFT_OK, "no snapshot is begun");
    while (status_of(at).snapshots.made == 0) {
        CHECK(status_of(at).snapshots.failed == 0 && seconds() - phase.begun < 300, "it is not made");
        commit_some();
    }
    end_phase(&phase, "made, and the log dropped");
    return at;
}

/* Who was away is sent it, and takes it up. */
static void send(int away)
{
    const struct phase phase = begin_phase();
    open_node(away);
    while (atomic_load(&machines[away].loaded) == 0 || status_of(away).snapshots.installed == 0) {
        CHECK(status_of(away).snapshots.failed == 0 && seconds() - phase.begun < 600, "it is not taken up");
        commit_some();
        nap_ms(20);
    }
    end_phase(&phase, "sent, received, and taken up");
}

/* Waits until all have applied what is committed. */
static void settle(void)
{
    const dgraft_index index = status_of(leader()).core.commit;
    for (int i = 0; i < NODES; i++) {
        for (int tries = 0; status_of(i).core.applied < index; tries++) {
            CHECK(tries < 4000, "node %d does not come after", i + 1);
            nap_ms(5);
        }
    }
}

int main(int argc, char **argv)
{
    char command[300];
    const uint64_t mib = argc > 1 ? strtoull(argv[1], NULL, 10) : 64;
    words = mib * 1048576 / 8;
    CHECK(mib >= 1 && mib <= 65536, "snapshot_stream [MIB [DIR]]");
    (void)snprintf(base, sizeof base, "%.200s/snapshot-stream-XXXXXX", argc > 2 ? argv[2] : ".");
    start_nodes();
    commit(200);
    const int away = (leader() + 1) % NODES;
    dgraft_node_close(nodes[away]);
    nodes[away] = NULL;
    nap_ms(5000); /* who was heard a moment ago would have entries kept */
    commit(300);
    (void)printf("a state of %llu MiB, three nodes in one process\n", (unsigned long long)mib);
    const int maker = make();
    CHECK(atomic_load(&machines[maker].during) > 0, "nothing was applied while it was written");
    send(away);
    CHECK(atomic_load(&machines[away].loaded) == 1, "taken up %u times", atomic_load(&machines[away].loaded));
    commit(50);
    settle();
    for (int i = 0; i < NODES; i++) {
        dgraft_node_close(nodes[i]);
    }
    for (int i = 0; i < NODES; i++) {
        CHECK(machines[i].count == machines[0].count && machines[i].hash == machines[0].hash, "machines differ");
    }
    const struct phase phase = begin_phase();
    open_node(away);
    end_phase(&phase, "read at a start");
    CHECK(atomic_load(&machines[away].loaded) == 1, "nothing was read at the start");
    dgraft_node_close(nodes[away]);
    (void)snprintf(command, sizeof command, "rm -r '%s'", base);
    CHECK(system(command) == 0, "cleaning up");
    return 0;
}
