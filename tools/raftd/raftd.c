/* raftd: a replicated key-value server, and the worked example of embedding dgraft.
 *
 * All there is to it: a state machine (tools/kv/kv.c), a handler for clients' requests (tools/kv/kv_service.c), and
 * dgraft_node_open. The main thread then waits for a signal.
 */
#include <argp.h>
#include <cli_escape.h>
#include <cli_number.h>
#include <dgraft/node.h>
#include <kv_service.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXIT_MISUSE    2
#define SPARES_DEFAULT 4
#define SCRUB_DEFAULT  1024 /* MiB an hour */

enum option_key {
    OPTION_LISTEN = 'l',
    OPTION_VERBOSE = 'v',
    OPTION_ELECTION = 256,
    OPTION_HEARTBEAT,
    OPTION_DATAGRAM,
    OPTION_CHECK,
    OPTION_CARRIER,
    OPTION_CLIENTS,
    OPTION_LEASES,
    OPTION_STALL,
    OPTION_SPARES,
    OPTION_SNAPSHOT_EVERY,
    OPTION_SNAPSHOT_TAIL,
    OPTION_RECORD,
    OPTION_RECORD_BYTES,
    OPTION_SCRUB
};

struct arguments {
    const char *directory;
    const char *listen;
    const char *listen_clients;
    enum dgraft_carrier carrier;
    uint64_t election_ms;
    uint64_t heartbeat_ms;
    uint64_t datagram_bytes;
    uint64_t lease_drift_ppm;
    uint64_t write_stall_ms;
    uint32_t spares;
    uint64_t snapshot_every;
    uint64_t snapshot_tail;
    const char *record;
    uint64_t record_mib;
    uint64_t scrub_mib; /* an hour */
    bool check_invariants;
    bool verbose;
};

static const struct argp_option options[] = {
    {"listen", OPTION_LISTEN, "HOST:PORT", 0, "Listen here instead of at the node's own address in the membership", 0},
    {"carrier", OPTION_CARRIER, "udp|bus", 0, "What peers speak over; the same on every node (udp)", 0},
    {"listen-clients", OPTION_CLIENTS, "HOST:PORT", 0,
     "With --carrier bus: serve clients here, by UDP, instead of at the peers' HOST:PORT", 0},
    {"election-timeout", OPTION_ELECTION, "MS", 0,
     "Campaign after one to two times this long without a leader (10 to 60000; 300)", 0},
    {"heartbeat", OPTION_HEARTBEAT, "MS", 0,
     "A leader speaks at least this often (less than half of the election timeout; a sixth of it)", 0},
    {"datagram-bytes", OPTION_DATAGRAM, "N", 0, "Largest UDP datagram to send (512 to 65000; 1400)", 0},
    {"leases", OPTION_LEASES, "PPM", 0,
     "The leader answers reads without asking anybody. Safe only while the clocks of any two nodes differ in speed "
     "by at most PPM millionths (1 to 500000); the same on every node (no leases)",
     0},
    {"write-stall", OPTION_STALL, "MS", 0,
     "A leader whose disk takes longer over a write hands over to another node (10 to 600000; 10000)", 0},
    {"spares", OPTION_SPARES, "N", 0,
     "Segments of 8 MiB to prepare while there is nothing to do, for bursts of writes (0 to 4096; 4)", 0},
    {"snapshot-every", OPTION_SNAPSHOT_EVERY, "N", 0,
     "Write all keys down after every N entries, and drop the log before (1 to 1000000000; never, unless `raftctl "
     "snapshot` asks)",
     0},
    {"snapshot-tail", OPTION_SNAPSHOT_TAIL, "N", 0,
     "Entries of the log to keep before a snapshot, for nodes that lag (1 to 1000000000; 1024)", 0},
    {"check-invariants", OPTION_CHECK, NULL, 0, "Check the protocol's rules after every step (slow)", 0},
    {"scrub", OPTION_SCRUB, "MIB", 0,
     "Read so many MiB an hour of what is stored, to find what rots while other nodes still have it (0 to 1048576; "
     "1024)",
     0},
    {"record", OPTION_RECORD, "FILE", 0, "Keep a flight record here, for `raftctl replay`", 0},
    {"record-mib", OPTION_RECORD_BYTES, "N", 0, "Size of the flight record in MiB (2 to 65536; 8)", 0},
    {"verbose", OPTION_VERBOSE, NULL, 0, "Say more on standard error", 0},
    {0},
};

static uint64_t number_or_misuse(const char *name, const char *text, uint64_t min, uint64_t max,
                                 const struct argp_state *state)
{
    char escaped[80];
    uint64_t value = 0;
    if (!cli_number(text, min, max, &value)) {
        argp_error(state, "%s wants a number from %llu to %llu, not '%s'", name, (unsigned long long)min,
                   (unsigned long long)max, cli_escape_text(text, escaped, sizeof(escaped)));
    }
    return value;
}

static const char *address_or_misuse(const char *name, const char *text, const struct argp_state *state)
{
    char escaped[80];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || colon[1] == '\0') {
        argp_error(state, "%s wants HOST:PORT, not '%s'", name, cli_escape_text(text, escaped, sizeof(escaped)));
    }
    return text;
}

static enum dgraft_carrier carrier_or_misuse(const char *text, const struct argp_state *state)
{
    char escaped[80];
    if (strcmp(text, "udp") != 0 && strcmp(text, "bus") != 0) {
        argp_error(state, "--carrier is udp or bus, not '%s'", cli_escape_text(text, escaped, sizeof(escaped)));
    }
    return strcmp(text, "bus") == 0 ? DGRAFT_CARRIER_BUS : DGRAFT_CARRIER_UDP;
}

/* What can be said only when all options have been seen. */
static void check_together(const struct arguments *arguments, const struct argp_state *state)
{
    if (arguments->directory == NULL) {
        argp_error(state, "which directory? Make one with `raftctl format DIR ...`");
    }
    if (arguments->listen_clients != NULL && arguments->carrier == DGRAFT_CARRIER_UDP) {
        argp_error(state, "--listen-clients is for --carrier bus: over udp clients come to the peers' address");
    }
    if (arguments->record_mib != 0 && arguments->record == NULL) {
        argp_error(state, "--record-mib is the size of the file that --record names");
    }
    if (arguments->heartbeat_ms * 2 >= (arguments->election_ms == 0 ? 300 : arguments->election_ms) &&
        arguments->heartbeat_ms != 0) {
        argp_error(state, "--heartbeat must be less than half of --election-timeout");
    }
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case OPTION_LISTEN:
        arguments->listen = address_or_misuse("--listen", argument, state);
        return 0;
    case OPTION_CARRIER:
        arguments->carrier = carrier_or_misuse(argument, state);
        return 0;
    case OPTION_CLIENTS:
        arguments->listen_clients = address_or_misuse("--listen-clients", argument, state);
        return 0;
    case OPTION_ELECTION:
        arguments->election_ms = number_or_misuse("--election-timeout", argument, 10, 60000, state);
        return 0;
    case OPTION_HEARTBEAT:
        arguments->heartbeat_ms = number_or_misuse("--heartbeat", argument, 1, 30000, state);
        return 0;
    case OPTION_DATAGRAM:
        arguments->datagram_bytes = number_or_misuse("--datagram-bytes", argument, 512, 65000, state);
        return 0;
    case OPTION_LEASES:
        arguments->lease_drift_ppm = number_or_misuse("--leases", argument, 1, 500000, state);
        return 0;
    case OPTION_STALL:
        arguments->write_stall_ms = number_or_misuse("--write-stall", argument, 10, 600000, state);
        return 0;
    case OPTION_SPARES:
        arguments->spares = (uint32_t)number_or_misuse("--spares", argument, 0, DGRAFT_SPARES_MAX, state);
        return 0;
    case OPTION_SNAPSHOT_EVERY:
        arguments->snapshot_every = number_or_misuse("--snapshot-every", argument, 1, 1000000000, state);
        return 0;
    case OPTION_SNAPSHOT_TAIL:
        arguments->snapshot_tail = number_or_misuse("--snapshot-tail", argument, 1, 1000000000, state);
        return 0;
    case OPTION_CHECK:
        arguments->check_invariants = true;
        return 0;
    case OPTION_RECORD:
        arguments->record = argument;
        return 0;
    case OPTION_RECORD_BYTES:
        arguments->record_mib = number_or_misuse("--record-mib", argument, 2, 65536, state);
        return 0;
    case OPTION_SCRUB:
        arguments->scrub_mib = number_or_misuse("--scrub", argument, 0, 1048576, state);
        return 0;
    case OPTION_VERBOSE:
        arguments->verbose = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->directory != NULL) {
            argp_error(state, "one directory at a time: start one raftd for each node");
        }
        arguments->directory = argument;
        return 0;
    case ARGP_KEY_END:
        check_together(arguments, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void version(FILE *stream, struct argp_state *state)
{
    (void)state;
    (void)fprintf(stream, "raftd %s\n", dgraft_version());
}

static void log_line(void *context, enum dgraft_log_level level, const char *text)
{
    static const char *const names[] = {"?", "error", "warning", "info", "debug"};
    const bool *verbose = context;
    char escaped[2 * DGRAFT_WHY_BYTES];
    if (level == DGRAFT_LOG_DEBUG && !*verbose) {
        return;
    }
    (void)fprintf(stderr, "raftd: %s: %s\n", names[level], cli_escape_text(text, escaped, sizeof(escaped)));
}

/* The node's clock: monotonic, and it runs on through suspend. */
static dgraft_time_ns now(void *context)
{
    struct timespec time;
    (void)context;
    (void)clock_gettime(CLOCK_BOOTTIME, &time);
    return (dgraft_time_ns)time.tv_sec * 1000000000u + (dgraft_time_ns)time.tv_nsec;
}

/* Says on standard output, in one line, that clients may come. */
static bool say_ready(struct dgraft_node *node)
{
    struct dgraft_driver_status status;
    char address[DGRAFT_ADDRESS_TEXT_BYTES];
    char cluster[4 * sizeof(status.identity.cluster_name)];
    dgraft_node_status(node, &status);
    dgraft_node_address(node, address, sizeof(address));
    return printf("raftd: node %u of cluster %s ready on %s\n", status.identity.node,
                  cli_escape_text(status.identity.cluster_name, cluster, sizeof(cluster)), address) > 0 &&
           fflush(stdout) == 0;
}

/* The node whose flight record is saved when the process dies of a signal. */
static struct dgraft_node *recorded;

/* A core that finds itself broken aborts: the event that did it must be on record. The default action follows. */
static void on_death(int number)
{
    dgraft_node_flight_save(recorded);
    (void)raise(number);
}

static const int deaths[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

static void save_at_death(struct dgraft_node *node)
{
    struct sigaction action = {.sa_handler = on_death, .sa_flags = (int)SA_RESETHAND};
    recorded = node;
    for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
        (void)sigaction(deaths[i], &action, NULL);
    }
}

static void die_as_usual(void)
{
    for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
        (void)signal(deaths[i], SIG_DFL);
    }
}

/* Opens the node, waits for one of the signals (blocked in every thread), and closes it. */
static int serve(struct arguments *arguments, struct kv *kv, struct kv_service *service, const sigset_t *signals)
{
    struct dgraft_node_options node_options = {
        .directory = arguments->directory,
        .listen = arguments->listen,
        .carrier = arguments->carrier,
        .listen_clients = arguments->listen_clients,
        .machine = kv_machine(kv),
        .requests = kv_service_handler(service),
        .sink = {.context = &arguments->verbose, .log = log_line},
        .election_timeout_ns = arguments->election_ms * 1000000u,
        .heartbeat_interval_ns = arguments->heartbeat_ms * 1000000u,
        .datagram_bytes_max = arguments->datagram_bytes,
        .lease_drift_ppm = (uint32_t)arguments->lease_drift_ppm,
        .write_stall_ns = arguments->write_stall_ms * 1000000u,
        .spares = arguments->spares,
        .snapshot_every = arguments->snapshot_every,
        .snapshot_tail = arguments->snapshot_tail,
        .scrub_bytes_per_s = arguments->scrub_mib * 1024u * 1024u / 3600u,
        .flight_path = arguments->record,
        .flight_bytes = arguments->record_mib * 1024u * 1024u,
        .check_invariants = arguments->check_invariants,
    };
    struct dgraft_node *node = NULL;
    struct dgraft_why why = {.text = ""};
    char escaped[2 * DGRAFT_WHY_BYTES];
    int signal_number = 0;
    enum dgraft_status status = dgraft_node_open(&node_options, &node, &why);
    if (status != DGRAFT_OK) {
        (void)fprintf(
            stderr, "raftd: error: %s\n",
            cli_escape_text(why.text[0] != '\0' ? why.text : dgraft_status_text(status), escaped, sizeof(escaped)));
        return EXIT_FAILURE;
    }
    if (arguments->record != NULL) {
        save_at_death(node);
    }
    log_line(
        &arguments->verbose, DGRAFT_LOG_WARNING,
        "datagrams are not sealed: whoever reaches this port can speak as a peer or a client; keep it on a network "
        "that you trust");
    if (!say_ready(node)) {
        log_line(&arguments->verbose, DGRAFT_LOG_WARNING,
                 "standard output is closed: nobody learns that this is ready");
    }
    (void)sigwait(signals, &signal_number);
    die_as_usual();
    dgraft_node_close(node);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        options,
        parse,
        "DIR",
        "A replicated key-value server: one node of a cluster, with its data in DIR (made by `raftctl format`)."
        "\vPrints one line when it is ready; SIGTERM or SIGINT ends it cleanly. Exit code: 0 after a signal, 1 when it "
        "cannot run (one sentence says why), 2 for misuse.",
        NULL,
        NULL,
        NULL};
    struct arguments arguments = {.spares = SPARES_DEFAULT, .scrub_mib = SCRUB_DEFAULT};
    struct kv *kv = NULL;
    struct kv_service *service = NULL;
    sigset_t signals;
    int code = EXIT_FAILURE;
    argp_err_exit_status = EXIT_MISUSE;
    argp_program_version_hook = version;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    (void)signal(SIGPIPE, SIG_IGN); /* whoever read our standard output may be gone */
    /* Blocked before any thread exists, so that all inherit it and sigwait alone takes them. */
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    kv = kv_new();
    if (kv != NULL) {
        service = kv_service_new(&(struct kv_service_options){.kv = kv, .now = now});
    }
    if (service != NULL) {
        code = serve(&arguments, kv, service, &signals);
    } else {
        (void)fputs("raftd: error: out of memory\n", stderr);
    }
    kv_service_free(service);
    kv_free(kv);
    return code;
}
