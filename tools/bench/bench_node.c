/* The side that is measured: a node of dgraft, and when it leads, a closed loop of proposals in the same process.
 *
 * A command's latency runs from its proposal until its batch was applied here. The clock is read once per applied
 * batch, by the state machine; the answers of the batch follow at once, on the same thread, and propose again.
 */
#include "bench_child.h"

#include <dgraft/node.h>
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_MS    5  /* how often a node looks whether it leads */
#define PATIENCE_S 10 /* answers that take longer are a failure */

struct load;

/* One command under way; proposed again and again. */
struct bench_slot {
    struct dgraft_proposal proposal;
    struct iovec piece;
    struct load *load;
    uint64_t begun_ns;
    unsigned callbacks; /* that came, of two */
};

struct load {
    struct dgraft_node *node;
    struct bench_slot *slots;
    uint8_t *payloads;
    uint32_t count;
    uint64_t begin_ns; /* of the window */
    uint64_t end_ns;
    uint32_t running; /* slots that are not at rest; the loop thread's */
    uint64_t failed;
    struct bench_histogram histogram;
    sem_t rested; /* posted when none is running */
};

/* The state machine: it only looks at the clock. */
struct machine {
    uint64_t applied_at_ns;
};

static struct machine machine;

static void apply(void *context, const struct dgraft_applied *entries, size_t count)
{
    struct machine *self = context;
    (void)entries;
    (void)count;
    self->applied_at_ns = bench_now_ns();
}

static void rest(struct load *load)
{
    load->running--;
    if (load->running == 0) {
        (void)sem_post(&load->rested);
    }
}

static void propose(struct bench_slot *slot, uint64_t now_ns)
{
    slot->begun_ns = now_ns;
    slot->callbacks = 0;
    if (dgraft_node_propose(slot->load->node, &slot->proposal) != DGRAFT_OK) {
        slot->load->failed++;
        rest(slot->load);
    }
}

/* The struct is the node's until both callbacks came, in whichever order. */
static void came_back(struct bench_slot *slot)
{
    slot->callbacks++;
    if (slot->callbacks < 2) {
        return;
    }
    uint64_t now = machine.applied_at_ns;
    if (now >= slot->load->end_ns || slot->load->failed > 0) {
        rest(slot->load);
        return;
    }
    propose(slot, now);
}

static void answered(void *context, const struct dgraft_proposal_answer *answer)
{
    struct bench_slot *slot = context;
    struct load *load = slot->load;
    uint64_t now = machine.applied_at_ns;
    if (answer->fate != DGRAFT_PROPOSAL_COMMITTED) {
        load->failed++;
    } else if (now >= load->begin_ns && now < load->end_ns) {
        bench_histogram_add(&load->histogram, now - slot->begun_ns);
    }
    came_back(slot);
}

static void released(void *context)
{
    came_back(context);
}

static void count_node(struct dgraft_node *node, struct bench_counts *counts)
{
    struct dgraft_driver_status status;
    dgraft_node_status(node, &status);
    *counts = (struct bench_counts){.syncs = status.storage.syncs,
                                    .file_calls = status.storage.system_calls,
                                    .datagrams = status.transport.sent_datagrams,
                                    .socket_calls = status.transport.system_calls,
                                    .turns = status.turns,
                                    .steps = status.steps};
    bench_child_usage(counts);
}

static struct bench_counts difference(const struct bench_counts *before, const struct bench_counts *after)
{
    return (struct bench_counts){.syncs = after->syncs - before->syncs,
                                 .file_calls = after->file_calls - before->file_calls,
                                 .datagrams = after->datagrams - before->datagrams,
                                 .socket_calls = after->socket_calls - before->socket_calls,
                                 .turns = after->turns - before->turns,
                                 .steps = after->steps - before->steps,
                                 .sleeps = after->sleeps - before->sleeps,
                                 .cpu_ns = after->cpu_ns - before->cpu_ns};
}

static void sleep_until(uint64_t at_ns)
{
    struct timespec at = {.tv_sec = (time_t)(at_ns / BENCH_NS_PER_S), .tv_nsec = (long)(at_ns % BENCH_NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
}

/* Returns whether all slots came to rest in time. */
static bool wait_for_rest(struct load *load)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    while (sem_timedwait(&load->rested, &until) != 0) {
        if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static bool load_open(struct load *load, struct dgraft_node *node, const struct bench_order *order)
{
    uint32_t bytes = order->point.bytes;
    *load = (struct load){.node = node, .count = order->point.outstanding};
    load->slots = calloc(load->count, sizeof *load->slots);
    load->payloads = malloc((size_t)load->count * bytes);
    if (load->slots == NULL || load->payloads == NULL || sem_init(&load->rested, 0, 0) != 0) {
        return false;
    }
    memset(load->payloads, 'x', (size_t)load->count * bytes);
    for (uint32_t i = 0; i < load->count; i++) {
        struct bench_slot *slot = &load->slots[i];
        slot->load = load;
        slot->piece = (struct iovec){.iov_base = load->payloads + (size_t)i * bytes, .iov_len = bytes};
        slot->proposal = (struct dgraft_proposal){
            .pieces = &slot->piece, .piece_count = 1, .context = slot, .answered = answered, .released = released};
    }
    return true;
}

/* Makes the load and says what came of it. Returns false when the node is not to be used any more. */
static bool run_load(struct dgraft_node *node, const struct bench_order *order)
{
    static struct load load; /* proposals that were never answered would point into it */
    struct bench_counts before;
    struct bench_counts after;
    if (!load_open(&load, node, order)) {
        bench_child_say_failed("out of memory for %u commands of %u bytes", order->point.outstanding,
                               order->point.bytes);
        return false;
    }
    uint64_t start = bench_now_ns();
    load.begin_ns = start + order->warm_ns;
    load.end_ns = load.begin_ns + order->measure_ns;
    load.running = load.count;
    for (uint32_t i = 0; i < load.count; i++) {
        propose(&load.slots[i], bench_now_ns());
    }
    sleep_until(load.begin_ns);
    count_node(node, &before);
    sleep_until(load.end_ns);
    count_node(node, &after);
    if (!wait_for_rest(&load)) {
        bench_child_say_failed("commands went unanswered for %u s", PATIENCE_S);
        return false;
    }
    if (load.failed > 0) {
        bench_child_say_failed("%llu commands were not committed: the leader changed", (unsigned long long)load.failed);
    } else {
        struct bench_sample sample;
        struct bench_counts counts = difference(&before, &after);
        bench_child_sum_up(&load.histogram, order->measure_ns, &counts, &sample);
        bench_child_say_result(&sample);
    }
    (void)sem_destroy(&load.rested);
    free(load.slots);
    free(load.payloads);
    return true;
}

static void log_line(void *context, enum dgraft_log_level level, const char *text)
{
    const uint32_t *id = context;
    if (level <= DGRAFT_LOG_WARNING) {
        (void)fprintf(stderr, "bench node %u: %s\n", *id, text);
    }
}

static void serve(struct dgraft_node *node, uint32_t spares)
{
    bool said_ready = false;
    bool said_leading = false;
    for (;;) {
        struct bench_order order;
        struct dgraft_driver_status status;
        if (bench_child_order(said_ready && said_leading ? -1 : LOOK_MS, &order)) {
            if (order.kind == BENCH_ORDER_QUIT || !run_load(node, &order)) {
                return;
            }
            continue;
        }
        dgraft_node_status(node, &status);
        if (!said_ready && status.storage.spares >= spares) {
            said_ready = true;
            bench_child_say(BENCH_NEWS_READY);
        }
        /* A commit beyond what every directory begins with: a majority follows. */
        if (!said_leading && status.core.role == DGRAFT_ROLE_LEADER && status.core.commit > 1) {
            said_leading = true;
            bench_child_say(BENCH_NEWS_LEADING);
        }
    }
}

/* A record with gaps costs less than one without: such a measurement is worth nothing. */
static void say_lost(struct dgraft_node *node, uint32_t id)
{
    struct dgraft_driver_status status;
    dgraft_node_status(node, &status);
    if (status.flight.lost > 0 || status.flight.error != 0) {
        (void)fprintf(stderr, "bench node %u: the flight record lost %llu of %llu events\n", id,
                      (unsigned long long)status.flight.lost, (unsigned long long)status.flight.events);
    }
}

int bench_node_run(const struct bench_child_setup *setup)
{
    uint32_t id = setup->id;
    struct dgraft_node *node = NULL;
    struct dgraft_why why = {.text = ""};
    struct dgraft_node_options options = {.directory = setup->directory,
                                          .machine = {.context = &machine, .apply = apply},
                                          .sink = {.context = &id, .log = log_line},
                                          .datagram_bytes_max = setup->datagram_bytes,
                                          .spares = setup->spares};
    char flight[BENCH_PATH_MAX + 8];
    (void)snprintf(flight, sizeof flight, "%s/flight", setup->directory);
    options.flight_path = setup->record ? flight : NULL;
    enum dgraft_status status = dgraft_node_open(&options, &node, &why);
    if (status != DGRAFT_OK) {
        bench_child_say_failed("node %u: %.400s", id, why.text[0] != '\0' ? why.text : dgraft_status_text(status));
        return EXIT_FAILURE;
    }
    serve(node, setup->spares);
    say_lost(node, id);
    dgraft_node_close(node);
    return EXIT_SUCCESS;
}
