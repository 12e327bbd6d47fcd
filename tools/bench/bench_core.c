#include "bench_core.h"

#include "bench.h"

#include <assert.h>
#include <dgraft/core.h>
#include <dgraft/flight.h>
#include <dgraft/frame.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CORES          BENCH_NODES
#define CLUSTER        UINT64_C(0x62656e6368)
#define TURN_NS        1000u /* of the cores' clock, for each batch */
#define LETTERS        64u   /* on the way at once; a power of two */
#define ANSWERS        64u
#define LOG_SLOTS      (1u << 10) /* newest entries kept; a power of two */
#define BATCH_MAX      64u
#define ELECTION_TRYS  1000u
#define LOOKS_EVERY    4096u /* commands between looks at the clock */
#define WRITE_EVERY_US 500u  /* of the flight records, by a thread of their own */

/* A message on its way, once for all its receivers. `frame` is where it is encoded, when it is. */
struct letter {
    dgraft_node_set to;
    const uint8_t *frame; /* NULL: `arrival` is it */
    size_t frame_bytes;
    struct dgraft_event arrival;
};

struct bench_cores {
    struct bench_core_setup setup;
    struct dgraft_core *cores[CORES];
    void *memory[CORES];
    struct dgraft_actions *actions;
    void *actions_memory;
    dgraft_time_ns now_ns;
    dgraft_time_ns wake_at_ns[CORES];
    unsigned leader;
    bool framed; /* from the first command on */
    uint64_t steps;
    struct dgraft_flight *flights[CORES]; /* NULL: nothing is recorded */
    pthread_t recorder;
    bool recorder_runs;
    atomic_bool recorder_ends;
    uint32_t lost; /* letters for which there was no room, and frames that were refused */

    /* The one log: all three hold the same entries, and the leader never changes. The first descriptors stand behind
     * the last once more, so that those of any batch are contiguous. */
    struct dgraft_entry *log;
    uint8_t *records; /* of LOG_SLOTS entries, all of one size */
    uint32_t record_bytes;
    uint8_t *payloads; /* of one batch */
    struct dgraft_entry *proposed;
    struct dgraft_entry *decoded;

    struct letter letters[LETTERS];
    uint32_t letters_first;
    uint32_t letters_count;
    uint8_t *frames; /* LETTERS of them */
    size_t frame_bytes_max;
    uint32_t frames_next;

    struct dgraft_event arrival; /* what was decoded */
    struct dgraft_event answers[ANSWERS];
    uint32_t answers_count;
};

/* This thread's CPU time: whatever else the machine does, counts for little. */
static uint64_t cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * BENCH_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Puts an entry into the log, field by field where it stays: a copy made on the way would cost more than a step. */
static const struct dgraft_entry *log_put(struct bench_cores *cores, const struct dgraft_entry *like,
                                          dgraft_index index, dgraft_term term)
{
    size_t at = index % LOG_SLOTS;
    for (;; at += LOG_SLOTS) {
        struct dgraft_entry *entry = &cores->log[at];
        entry->index = index;
        entry->term = term;
        entry->payload_bytes = like->payload_bytes;
        entry->checksum = like->checksum;
        entry->kind = like->kind;
        if (at >= BATCH_MAX) {
            return entry;
        }
    }
}

static void frame_record(struct bench_cores *cores, const struct dgraft_entry *entry, const uint8_t *payload)
{
    uint8_t *at = cores->records + (entry->index % LOG_SLOTS) * cores->record_bytes;
    struct dgraft_record record = {.entry = *entry};
    dgraft_record_encode_header(&record, at);
    memcpy(at + DGRAFT_RECORD_HEADER_BYTES, payload, entry->payload_bytes);
    memset(at + DGRAFT_RECORD_HEADER_BYTES + entry->payload_bytes, 0, dgraft_record_padding(entry->payload_bytes));
}

/* Only the leader writes: followers have received what stands in the log already. */
static void take_write(struct bench_cores *cores, const struct dgraft_action_write *write)
{
    static const struct dgraft_entry noop = {.kind = DGRAFT_ENTRY_NOOP};
    for (uint32_t i = 0; i < write->count && write->entry_term != 0; i++) {
        const struct dgraft_entry *like = write->made == DGRAFT_ENTRY_NOOP ? &noop : &cores->proposed[write->skip + i];
        const struct dgraft_entry *entry = log_put(cores, like, write->first + i, write->entry_term);
        if (cores->framed) {
            frame_record(cores, entry, cores->payloads + (size_t)(write->skip + i) * cores->setup.bytes);
        }
    }
}

static struct dgraft_event *answer(struct bench_cores *cores, enum dgraft_event_kind kind)
{
    assert(cores->answers_count < ANSWERS);
    struct dgraft_event *event = &cores->answers[cores->answers_count++];
    event->kind = kind;
    return event;
}

/* Encodes a message and the records it carries, as one datagram for all its receivers. */
static const uint8_t *encode(struct bench_cores *cores, const struct dgraft_action_send *send,
                             const struct dgraft_message *message, size_t *bytes)
{
    uint8_t *frame = cores->frames + (size_t)(cores->frames_next++ % LETTERS) * cores->frame_bytes_max;
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    struct dgraft_frame_header header = {.cluster = CLUSTER, .to = send->receivers};
    struct iovec tail[2] = {{.iov_len = 0}, {.iov_len = 0}};
    size_t tail_count = 0;
    if (message->type == DGRAFT_MESSAGE_APPEND && message->u.append.count > 0) {
        size_t first = (message->u.append.prev.index + 1) % LOG_SLOTS;
        size_t count = message->u.append.count;
        size_t before = count < LOG_SLOTS - first ? count : LOG_SLOTS - first;
        tail[0] = (struct iovec){cores->records + first * cores->record_bytes, before * cores->record_bytes};
        tail[1] = (struct iovec){cores->records, (count - before) * cores->record_bytes};
        tail_count = count > before ? 2 : 1;
    }
    size_t at = dgraft_frame_encode(&header, message, tail, tail_count, head);
    memcpy(frame, head, at);
    for (size_t i = 0; i < tail_count; i++) {
        memcpy(frame + at, tail[i].iov_base, tail[i].iov_len);
        at += tail[i].iov_len;
    }
    *bytes = at;
    return frame;
}

static void take_send(struct bench_cores *cores, const struct dgraft_action_send *send)
{
    if (cores->letters_count == LETTERS) {
        cores->lost++;
        return;
    }
    struct letter *letter = &cores->letters[(cores->letters_first + cores->letters_count++) % LETTERS];
    struct dgraft_message *message = &letter->arrival.u.receive;
    struct dgraft_append *append = &message->u.append;
    letter->to = send->receivers;
    letter->frame = NULL;
    letter->arrival.kind = DGRAFT_EVENT_RECEIVE;
    *message = send->message;
    if (message->type == DGRAFT_MESSAGE_APPEND && send->last.index > append->prev.index) {
        append->count = (uint32_t)(send->last.index - append->prev.index);
        append->entries = &cores->log[(append->prev.index + 1) % LOG_SLOTS];
        struct dgraft_event *sent = answer(cores, DGRAFT_EVENT_SENT);
        sent->u.sent = (struct dgraft_event_sent){.receivers = send->receivers,
                                                  .term = message->term,
                                                  .prev = append->prev.index,
                                                  .last = send->last.index,
                                                  .bytes = (uint64_t)append->count * cores->record_bytes};
    }
    if (cores->framed) {
        letter->frame = encode(cores, send, message, &letter->frame_bytes);
    }
}

static void carry_out(struct bench_cores *cores, unsigned self, const struct dgraft_action *action)
{
    switch (action->kind) {
    case DGRAFT_ACTION_WRITE:
        take_write(cores, &action->u.write);
        answer(cores, DGRAFT_EVENT_DURABLE)->u.durable.seq = action->u.write.seq;
        break;
    case DGRAFT_ACTION_SEND:
        take_send(cores, &action->u.send);
        break;
    case DGRAFT_ACTION_APPLY:
        answer(cores, DGRAFT_EVENT_APPLIED)->u.applied.index = action->u.apply.last;
        break;
    case DGRAFT_ACTION_NOTICE:
        if (action->u.notice.kind == DGRAFT_NOTICE_ROLE && action->u.notice.after == DGRAFT_ROLE_LEADER) {
            cores->leader = self;
        }
        break;
    case DGRAFT_ACTION_LOOKUP:
        answer(cores, DGRAFT_EVENT_TERM)->u.term.position =
            (struct dgraft_position){action->u.lookup.index, cores->log[action->u.lookup.index % LOG_SLOTS].term};
        break;
    case DGRAFT_ACTION_ACCEPTED:
    case DGRAFT_ACTION_OUTCOME:
    case DGRAFT_ACTION_READ_READY:
    case DGRAFT_ACTION_SNAPSHOT_STORE:
    case DGRAFT_ACTION_INSTALL:
    case DGRAFT_ACTION_COMPACT:
    case DGRAFT_ACTION_MEND:
    case DGRAFT_ACTION_REOPEN:
        break;
    }
}

static void step_recorded(struct bench_cores *cores, unsigned self, const struct dgraft_event *event)
{
    struct dgraft_flight *flight = cores->flights[self];
    if (flight != NULL) {
        dgraft_flight_event(flight, cores->cores[self], event);
    }
    enum dgraft_status status = dgraft_step(cores->cores[self], event, cores->actions);
    assert(status == DGRAFT_OK);
    if (flight != NULL) {
        dgraft_flight_actions(flight, cores->cores[self], status, cores->actions);
    }
    (void)status;
}

/* Steps an event and, one by one, what the host owes the core because of it. */
static void step(struct bench_cores *cores, unsigned self, struct dgraft_event *event)
{
    struct dgraft_actions *actions = cores->actions;
    uint32_t answered = 0;
    for (;;) {
        event->now_ns = cores->now_ns;
        step_recorded(cores, self, event);
        for (uint32_t i = 0; i < actions->count; i++) {
            carry_out(cores, self, &actions->items[i]);
        }
        if (answered == cores->answers_count) {
            break;
        }
        event = &cores->answers[answered++];
    }
    cores->steps += answered + 1;
    cores->answers_count = 0;
    cores->wake_at_ns[self] = actions->wake_at_ns;
}

static void deliver(struct bench_cores *cores, struct letter *letter, dgraft_node_id to)
{
    struct dgraft_event *event = &letter->arrival;
    if (letter->frame != NULL) {
        struct dgraft_frame frame;
        struct dgraft_frame_expect expect = {.cluster = CLUSTER, .self = to, .members = 7};
        if (dgraft_frame_decode(letter->frame, letter->frame_bytes, cores->decoded, LOG_SLOTS, &frame) !=
                DGRAFT_ACCEPT ||
            dgraft_frame_check(&frame, &expect) != DGRAFT_ACCEPT) {
            cores->lost++;
            return;
        }
        event = &cores->arrival;
        event->kind = DGRAFT_EVENT_RECEIVE;
        event->u.receive = frame.message;
    }
    step(cores, to - 1, event);
}

static void deliver_all(struct bench_cores *cores)
{
    while (cores->letters_count > 0) {
        /* Its place stays taken while what it causes is sent. */
        struct letter *letter = &cores->letters[cores->letters_first];
        for (dgraft_node_set left = letter->to; left != 0; left &= left - 1) {
            deliver(cores, letter, dgraft_node_set_first(left));
        }
        cores->letters_first = (cores->letters_first + 1) % LETTERS;
        cores->letters_count--;
    }
}

static void wake_due(struct bench_cores *cores)
{
    for (unsigned i = 0; i < CORES; i++) {
        if (cores->wake_at_ns[i] <= cores->now_ns) {
            struct dgraft_event event = {.kind = DGRAFT_EVENT_WAKE};
            step(cores, i, &event);
        }
    }
    deliver_all(cores);
}

static bool elect(struct bench_cores *cores)
{
    for (unsigned tries = 0; tries < ELECTION_TRYS && cores->leader == CORES; tries++) {
        dgraft_time_ns next = cores->wake_at_ns[0];
        for (unsigned i = 1; i < CORES; i++) {
            next = cores->wake_at_ns[i] < next ? cores->wake_at_ns[i] : next;
        }
        cores->now_ns = next > cores->now_ns ? next : cores->now_ns;
        wake_due(cores);
    }
    return cores->leader != CORES;
}

static void propose(struct bench_cores *cores)
{
    struct dgraft_event event;
    uint32_t bytes = cores->setup.bytes;
    for (uint32_t i = 0; i < cores->setup.batch && cores->framed; i++) {
        cores->proposed[i].checksum = dgraft_crc32c(0, cores->payloads + (size_t)i * bytes, bytes);
    }
    event.kind = DGRAFT_EVENT_PROPOSE;
    event.u.propose = (struct dgraft_event_propose){
        .entries = cores->proposed, .count = cores->setup.batch, .kind = DGRAFT_ENTRY_COMMAND, .id = 1};
    step(cores, cores->leader, &event);
    deliver_all(cores);
    cores->now_ns += TURN_NS;
    wake_due(cores);
}

/* As a freshly formatted directory: one MEMBERSHIP entry of term 1. */
static void start(struct bench_cores *cores, unsigned self)
{
    static const struct dgraft_term_run run = {.first = 1, .term = 1};
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START};
    struct dgraft_membership members = {.index = 1, .voters = 7};
    struct dgraft_position first = {.index = 1, .term = 1};
    event.u.start = (struct dgraft_event_start){.term = 1,
                                                .last = first,
                                                .floor = first,
                                                .commit = 1,
                                                .applied = 1,
                                                .runs = &run,
                                                .run_count = 1,
                                                .store = self + 1,
                                                .membership = members};
    step(cores, self, &event);
}

static void *recorder_main(void *context)
{
    struct bench_cores *cores = context;
    const struct timespec pause = {.tv_nsec = WRITE_EVERY_US * 1000};
    while (!atomic_load(&cores->recorder_ends)) {
        for (unsigned i = 0; i < CORES; i++) {
            dgraft_flight_write(cores->flights[i]);
        }
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

static bool record_core(struct bench_cores *cores, unsigned self, const struct dgraft_config *config)
{
    char path[BENCH_PATH_MAX];
    struct dgraft_why why;
    (void)snprintf(path, sizeof path, "%s/core-%u", cores->setup.flights, self + 1);
    const struct dgraft_flight_options options = {.fs = dgraft_fs_posix(), .path = path, .cluster = CLUSTER};
    return dgraft_flight_open(&options, config, &cores->flights[self], &why) == DGRAFT_OK;
}

/* Only now: before, the cores were recorded and nobody wrote. */
static bool recorder_start(struct bench_cores *cores)
{
    cores->recorder_runs = pthread_create(&cores->recorder, NULL, recorder_main, cores) == 0;
    return cores->recorder_runs;
}

static bool cores_open(struct bench_cores *cores, const struct bench_core_setup *setup)
{
    assert(setup->batch >= 1 && setup->batch <= BATCH_MAX);
    cores->setup = *setup;
    cores->leader = CORES;
    cores->record_bytes = (uint32_t)dgraft_record_bytes(setup->bytes);
    cores->frame_bytes_max = DGRAFT_FRAME_HEAD_MAX + (size_t)setup->batch * cores->record_bytes;
    cores->log = calloc(LOG_SLOTS + BATCH_MAX, sizeof *cores->log);
    cores->records = calloc(LOG_SLOTS, cores->record_bytes);
    cores->payloads = calloc(setup->batch, setup->bytes);
    cores->proposed = calloc(setup->batch, sizeof *cores->proposed);
    cores->decoded = calloc(LOG_SLOTS, sizeof *cores->decoded);
    cores->frames = calloc(LETTERS, cores->frame_bytes_max);
    if (cores->log == NULL || cores->records == NULL || cores->payloads == NULL || cores->proposed == NULL ||
        cores->decoded == NULL || cores->frames == NULL) {
        return false;
    }
    (void)log_put(cores, &(struct dgraft_entry){.kind = DGRAFT_ENTRY_MEMBERSHIP}, 1, 1);
    memset(cores->payloads, 'x', (size_t)setup->batch * setup->bytes);
    for (uint32_t i = 0; i < setup->batch; i++) {
        cores->proposed[i] = (struct dgraft_entry){.payload_bytes = setup->bytes, .kind = DGRAFT_ENTRY_COMMAND};
    }
    for (unsigned i = 0; i < CORES; i++) {
        struct dgraft_config config;
        dgraft_config_defaults(&config, i + 1);
        config.members_max = CORES;
        cores->memory[i] = calloc(1, dgraft_core_size(&config));
        if (i == 0) {
            cores->actions_memory = calloc(1, dgraft_actions_size(&config));
        }
        if (cores->memory[i] == NULL || cores->actions_memory == NULL) {
            return false;
        }
        cores->cores[i] = dgraft_core_init(cores->memory[i], &config);
        if (cores->setup.flights != NULL && !record_core(cores, i, &config)) {
            return false;
        }
        cores->actions = i == 0 ? dgraft_actions_init(cores->actions_memory, &config) : cores->actions;
        start(cores, i);
    }
    return true;
}

static void cores_close(struct bench_cores *cores)
{
    atomic_store(&cores->recorder_ends, true);
    if (cores->recorder_runs) {
        (void)pthread_join(cores->recorder, NULL);
    }
    for (unsigned i = 0; i < CORES; i++) {
        dgraft_flight_close(cores->flights[i], NULL);
        free(cores->memory[i]);
    }
    free(cores->actions_memory);
    free(cores->log);
    free(cores->records);
    free(cores->payloads);
    free(cores->proposed);
    free(cores->decoded);
    free(cores->frames);
    free(cores);
}

/* Proposes until time is up. Returns what is wrong, or NULL. */
static const char *run(struct bench_cores *cores, struct bench_core_result *result)
{
    struct dgraft_core_status before;
    struct dgraft_core_status after;
    uint32_t batch = cores->setup.batch;
    uint32_t between = LOOKS_EVERY / batch + 1;
    uint64_t batches = 0;
    dgraft_core_status(cores->cores[cores->leader], &before);
    cores->framed = cores->setup.mode == BENCH_CORE_FRAMED;
    cores->steps = 0;
    uint64_t begin = cpu_ns();
    uint64_t now = begin;
    while (now - begin < cores->setup.measure_ns) {
        for (uint32_t i = 0; i < between; i++) {
            propose(cores);
        }
        batches += between;
        now = cpu_ns();
    }
    dgraft_core_status(cores->cores[cores->leader], &after);
    for (unsigned i = 0; i < CORES && cores->flights[i] != NULL; i++) {
        struct dgraft_flight_stats stats;
        dgraft_flight_stats(cores->flights[i], &stats);
        result->lost += stats.lost;
        result->recorded += stats.events - stats.lost;
        result->bytes += stats.bytes_written;
    }
    if (cores->lost > 0) {
        return "a message was refused or found no room";
    }
    if (after.commit - before.commit != batches * batch) {
        return "not everything that was proposed is committed";
    }
    result->commits_per_s = (double)(batches * batch) * (double)BENCH_NS_PER_S / (double)(now - begin);
    result->steps_per_batch = (double)cores->steps / (double)batches;
    return NULL;
}

bool bench_core_measure(const struct bench_core_setup *setup, struct bench_core_result *result, const char **why)
{
    struct bench_cores *cores = calloc(1, sizeof *cores);
    if (cores == NULL) {
        *why = "out of memory";
        return false;
    }
    if (!cores_open(cores, setup)) {
        *why =
            setup->flights != NULL ? "the cores' flight records cannot be made, or memory is short" : "out of memory";
    } else if (setup->flights != NULL && !recorder_start(cores)) {
        *why = "no thread can be made";
    } else if (!elect(cores)) {
        *why = "three cores elected no leader";
    } else {
        *why = run(cores, result);
    }
    cores_close(cores);
    return *why == NULL;
}
