/* The driver's promises to whoever proposes and reads, over one node, a real directory and no network. */
#include "driver_state.h"

#include <dgraft/node.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)

struct alone {
    char directory[64];
    struct dgraft_memory_hub *hub;
    struct dgraft_transport *transport;
    struct dgraft_driver *driver;
    dgraft_time_ns now_ns;
    uint8_t applied[1 << 16]; /* payloads, one behind the other */
    size_t applied_bytes;
    uint64_t applied_count;
    void *last_proposal;
    uint32_t lease_drift_ppm;
    dgraft_time_ns slept_ns; /* the clock is so far ahead of what a turn was given */
    uint32_t looks;          /* at the clock */
};

static dgraft_time_ns look_at_clock(void *context)
{
    struct alone *alone = context;
    alone->looks++;
    return alone->now_ns + alone->slept_ns;
}

static void apply(void *context, const struct dgraft_applied *entries, size_t count)
{
    struct alone *alone = context;
    for (size_t i = 0; i < count; i++) {
        if (alone->applied_bytes + entries[i].payload_bytes <= sizeof alone->applied) {
            memcpy(alone->applied + alone->applied_bytes, entries[i].payload, entries[i].payload_bytes);
            alone->applied_bytes += entries[i].payload_bytes;
        }
        alone->applied_count++;
        alone->last_proposal = entries[i].proposal;
    }
}

static void start(struct alone *alone)
{
    struct dgraft_why why = {""};
    struct dgraft_driver_options options = {.fs = dgraft_fs_posix(),
                                            .directory = alone->directory,
                                            .transport = alone->transport,
                                            .machine = {.context = alone, .apply = apply},
                                            .clock = look_at_clock,
                                            .clock_context = alone,
                                            .check_invariants = true};
    dgraft_config_defaults(&options.core, 1);
    options.core.lease_drift_ppm = alone->lease_drift_ppm;
    cr_assert_eq(dgraft_driver_open(&options, alone->now_ns, &alone->driver, &why), DGRAFT_OK, "%s", why.text);
}

static void run(struct alone *alone, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        alone->now_ns += MS;
        dgraft_driver_turn(alone->driver, alone->now_ns, 0);
        dgraft_driver_perform(alone->driver);
    }
}

static void open_alone(struct alone *alone)
{
    struct dgraft_why why = {""};
    memset(alone, 0, sizeof *alone);
    (void)snprintf(alone->directory, sizeof alone->directory, "driver-test-XXXXXX");
    cr_assert_not_null(mkdtemp(alone->directory));
    cr_assert_eq(dgraft_node_format(alone->directory, "test", 1, "1=127.0.0.1:7001", &why), DGRAFT_OK, "%s", why.text);
    alone->hub = dgraft_memory_hub_open(NULL, NULL);
    cr_assert_eq(dgraft_memory_open(alone->hub, "127.0.0.1:7001", 1400, 100, &alone->transport), DGRAFT_OK);
    alone->now_ns = MS;
    start(alone);
}

static void close_alone(struct alone *alone)
{
    char command[128];
    dgraft_driver_close(alone->driver);
    alone->transport->ops->close(alone->transport);
    dgraft_memory_hub_close(alone->hub);
    (void)snprintf(command, sizeof command, "rm -r ./%s", alone->directory);
    cr_assert_eq(system(command), 0);
}

struct call {
    struct dgraft_proposal proposal;
    struct iovec pieces[3];
    int answered;
    int released;
    struct dgraft_proposal_answer answer;
};

static void on_answered(void *context, const struct dgraft_proposal_answer *answer)
{
    struct call *call = context;
    call->answered++;
    call->answer = *answer;
}

static void on_released(void *context)
{
    struct call *call = context;
    call->released++;
}

static void prepare(struct call *call, char *bytes, size_t size)
{
    memset(call, 0, sizeof *call);
    size_t third = size / 3;
    call->pieces[0] = (struct iovec){bytes, third};
    call->pieces[1] = (struct iovec){bytes + third, third};
    call->pieces[2] = (struct iovec){bytes + 2 * third, size - 2 * third};
    call->proposal = (struct dgraft_proposal){.pieces = call->pieces,
                                              .piece_count = 3,
                                              .tag = 7,
                                              .context = call,
                                              .answered = on_answered,
                                              .released = on_released};
}

Test(driver, forgets_what_every_member_has_and_still_applies_it_all)
{
    enum { COMMANDS = 6000 };
    static struct alone alone;
    static struct call calls[COMMANDS];
    static char bytes[1000];
    struct dgraft_driver_status status;
    size_t most = 0;
    open_alone(&alone);
    run(&alone, 1000);
    for (size_t i = 0; i < COMMANDS; i++) {
        prepare(&calls[i], bytes, sizeof bytes);
        cr_assert_eq(dgraft_driver_propose(alone.driver, &calls[i].proposal), DGRAFT_OK);
        if (i % 100 == 99) {
            run(&alone, 3);
            dgraft_driver_status(alone.driver, &status);
            most = status.cache_bytes > most ? status.cache_bytes : most;
        }
    }
    run(&alone, 10);
    cr_assert_eq(alone.applied_count, COMMANDS);
    cr_assert_gt(most, 1000 * sizeof bytes, "something is kept");
    cr_assert_lt(most, 2500 * sizeof bytes, "but not all that the cache would hold");
    close_alone(&alone);
}

Test(driver, commits_and_applies_a_small_and_a_large_proposal_once)
{
    static struct alone alone;
    static char large[9000];
    struct call calls[2];
    char small[] = "a small command";
    open_alone(&alone);
    run(&alone, 1000);
    for (size_t i = 0; i < sizeof large; i++) {
        large[i] = (char)(i % 251);
    }
    prepare(&calls[0], small, sizeof small);
    prepare(&calls[1], large, sizeof large);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(dgraft_driver_propose(alone.driver, &calls[i].proposal), DGRAFT_OK);
    }
    run(&alone, 100);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(calls[i].answered, 1);
        cr_assert_eq(calls[i].released, 1);
        cr_assert_eq(calls[i].answer.fate, DGRAFT_PROPOSAL_COMMITTED);
    }
    cr_assert_eq(alone.applied_count, 2);
    cr_assert_eq(alone.last_proposal, &calls[1], "apply is told whose proposal it was");
    cr_assert_eq(alone.applied_bytes, sizeof small + sizeof large);
    cr_assert_eq(memcmp(alone.applied, small, sizeof small), 0);
    cr_assert_eq(memcmp(alone.applied + sizeof small, large, sizeof large), 0);
    close_alone(&alone);
}

Test(driver, applies_everything_again_after_a_restart)
{
    static struct alone alone;
    struct call calls[40];
    char bytes[40][64];
    open_alone(&alone);
    run(&alone, 1000);
    for (int i = 0; i < 40; i++) {
        (void)snprintf(bytes[i], sizeof bytes[i], "command %d", i);
        prepare(&calls[i], bytes[i], sizeof bytes[i]);
        cr_assert_eq(dgraft_driver_propose(alone.driver, &calls[i].proposal), DGRAFT_OK);
        run(&alone, i % 3 == 0 ? 5 : 0);
    }
    run(&alone, 100);
    static uint8_t before[1 << 16];
    size_t before_bytes = alone.applied_bytes;
    memcpy(before, alone.applied, before_bytes);
    cr_assert_eq(before_bytes, sizeof bytes);
    dgraft_driver_close(alone.driver);
    alone.applied_bytes = 0;
    alone.applied_count = 0;
    start(&alone);
    run(&alone, 1000);
    cr_assert_eq(alone.applied_bytes, before_bytes);
    cr_assert_eq(memcmp(alone.applied, before, before_bytes), 0);
    cr_assert_null(alone.last_proposal, "what was proposed before the restart has no context any more");
    close_alone(&alone);
}

Test(driver, answers_unknown_for_what_it_appended_and_refused_for_what_it_did_not_when_it_closes)
{
    static struct alone alone;
    struct call calls[2];
    char bytes[] = "0123456789";
    open_alone(&alone);
    run(&alone, 1000);
    prepare(&calls[0], bytes, sizeof bytes);
    prepare(&calls[1], bytes, sizeof bytes);
    cr_assert_eq(dgraft_driver_propose(alone.driver, &calls[0].proposal), DGRAFT_OK);
    dgraft_driver_turn(alone.driver, ++alone.now_ns, 0);
    cr_assert_eq(dgraft_driver_propose(alone.driver, &calls[1].proposal), DGRAFT_OK);
    close_alone(&alone);
    cr_assert_eq(calls[0].answered, 1);
    cr_assert_eq(calls[0].released, 1);
    cr_assert_neq(calls[0].answer.fate, DGRAFT_PROPOSAL_REFUSED, "it is in the log: it may take effect");
    cr_assert_eq(calls[1].answered, 1);
    cr_assert_eq(calls[1].released, 1);
    cr_assert_eq(calls[1].answer.fate, DGRAFT_PROPOSAL_REFUSED, "it never reached the log");
}

Test(driver, refuses_what_is_too_large_or_too_much_and_retains_nothing)
{
    static struct alone alone;
    struct call call;
    struct iovec huge = {&call, (size_t)1 << 40};
    open_alone(&alone);
    prepare(&call, NULL, 0);
    call.proposal.pieces = &huge;
    call.proposal.piece_count = 1;
    cr_assert_eq(dgraft_driver_propose(alone.driver, &call.proposal), DGRAFT_STATUS_TOO_LARGE);
    close_alone(&alone);
    cr_assert_eq(call.answered, 0);
    cr_assert_eq(call.released, 0);
}

struct read_call {
    struct dgraft_read read;
    int count;
    enum dgraft_status status;
    uint64_t applied_then;
    struct alone *alone;
};

static void on_ready(void *context, enum dgraft_status status, dgraft_node_id leader)
{
    struct read_call *call = context;
    (void)leader;
    call->count++;
    call->status = status;
    call->applied_then = call->alone->applied_count;
}

Test(driver, answers_a_read_only_after_what_was_committed_before_it_is_applied)
{
    static struct alone alone;
    struct call call;
    char bytes[] = "written before the read";
    struct read_call read = {.alone = &alone};
    open_alone(&alone);
    run(&alone, 1000);
    prepare(&call, bytes, sizeof bytes);
    cr_assert_eq(dgraft_driver_propose(alone.driver, &call.proposal), DGRAFT_OK);
    run(&alone, 100);
    read.read = (struct dgraft_read){.context = &read, .ready = on_ready};
    cr_assert_eq(dgraft_driver_read(alone.driver, &read.read), DGRAFT_OK);
    run(&alone, 10);
    cr_assert_eq(read.count, 1);
    cr_assert_eq(read.status, DGRAFT_OK);
    cr_assert_eq(read.applied_then, 1);
    cr_assert_eq(dgraft_driver_read(alone.driver, &read.read), DGRAFT_OK);
    close_alone(&alone);
    cr_assert_eq(read.count, 2, "closing answers what waits");
    cr_assert_eq(read.status, DGRAFT_STATUS_CLOSED);
}

/* Numbered execution: (1) a turn reads the clock, and the core answers a read under a lease that ends later; (2) the
 * thread sleeps; (3) the lease ends, another node is elected and commits; (4) the thread goes on. Answering now would
 * show what was true before (3) to a reader who may have come after it. */
Test(driver, looks_at_the_clock_again_before_it_answers_a_read_under_a_lease)
{
    static struct alone alone;
    struct read_call read = {.alone = &alone};
    open_alone(&alone);
    dgraft_driver_close(alone.driver);
    alone.lease_drift_ppm = 1000;
    start(&alone);
    run(&alone, 1000);
    read.read = (struct dgraft_read){.context = &read, .ready = on_ready};
    cr_assert_eq(dgraft_driver_read(alone.driver, &read.read), DGRAFT_OK);
    run(&alone, 2);
    cr_assert_eq(read.count, 1);
    cr_assert_eq(alone.looks, 0u, "the first read took a round");
    cr_assert_eq(dgraft_driver_read(alone.driver, &read.read), DGRAFT_OK);
    run(&alone, 1);
    cr_assert_eq(read.count, 2);
    cr_assert_eq(alone.looks, 1u, "the second one went under the lease");
    alone.slept_ns = 1000 * MS;
    cr_assert_eq(dgraft_driver_read(alone.driver, &read.read), DGRAFT_OK);
    run(&alone, 5);
    cr_assert_eq(read.count, 2, "the lease was over when the thread woke");
    alone.now_ns += alone.slept_ns;
    alone.slept_ns = 0;
    run(&alone, 2);
    cr_assert_eq(read.count, 3, "it is asked again, and answered");
    cr_assert_eq(read.status, DGRAFT_OK);
    close_alone(&alone);
}

Test(driver, wants_a_clock_for_leases)
{
    static struct alone alone;
    struct dgraft_why why = {""};
    struct dgraft_driver *other = NULL;
    open_alone(&alone);
    struct dgraft_driver_options options = {
        .fs = dgraft_fs_posix(), .directory = alone.directory, .transport = alone.transport};
    dgraft_config_defaults(&options.core, 1);
    options.core.lease_drift_ppm = 1;
    cr_assert_eq(dgraft_driver_open(&options, MS, &other, &why), DGRAFT_STATUS_CONFIG);
    cr_assert_not_null(strstr(why.text, "clock"), "%s", why.text);
    close_alone(&alone);
}

struct transfer_call {
    int count;
    enum dgraft_outcome how;
};

static void on_ended(void *context, enum dgraft_outcome how, dgraft_node_id leader)
{
    struct transfer_call *call = context;
    (void)leader;
    call->count++;
    call->how = how;
}

Test(driver, ends_each_transfer_once)
{
    static struct alone alone;
    struct transfer_call calls[2] = {{0}};
    struct dgraft_transfer first = {.context = &calls[0], .target = 2, .ended = on_ended};
    struct dgraft_transfer second = {.context = &calls[1], .target = 1, .ended = on_ended};
    open_alone(&alone);
    run(&alone, 1000);
    cr_assert_eq(dgraft_driver_transfer(alone.driver, &first), DGRAFT_OK);
    cr_assert_eq(dgraft_driver_wake_at(alone.driver), 0u);
    cr_assert_eq(dgraft_driver_transfer(alone.driver, &second), DGRAFT_STATUS_BUSY);
    run(&alone, 1);
    cr_assert(calls[0].count == 1 && calls[0].how == DGRAFT_OUTCOME_INVALID);
    cr_assert_eq(dgraft_driver_transfer(alone.driver, &second), DGRAFT_OK);
    run(&alone, 1);
    cr_assert(calls[1].count == 1 && calls[1].how == DGRAFT_OUTCOME_DONE);
    cr_assert_eq(dgraft_driver_transfer(alone.driver, &first), DGRAFT_OK);
    close_alone(&alone);
    cr_assert(calls[0].count == 2 && calls[0].how == DGRAFT_OUTCOME_UNKNOWN, "closing ends what waits");
}

Test(driver, refuses_a_directory_of_another_node)
{
    static struct alone alone;
    struct dgraft_why why = {""};
    struct dgraft_driver *other = NULL;
    open_alone(&alone);
    dgraft_driver_close(alone.driver);
    struct dgraft_driver_options options = {
        .fs = dgraft_fs_posix(), .directory = alone.directory, .transport = alone.transport};
    dgraft_config_defaults(&options.core, 2);
    cr_assert_eq(dgraft_driver_open(&options, MS, &other, &why), DGRAFT_STATUS_FOREIGN);
    cr_assert_not_null(strstr(why.text, "node 1"), "%s", why.text);
    cr_assert_not_null(strstr(why.text, "node 2"), "%s", why.text);
    start(&alone);
    close_alone(&alone);
}

static void count_sent(void *context, const struct dgraft_address *from, const struct dgraft_address *to,
                       const uint8_t *bytes, size_t size)
{
    int *sent = context;
    (void)from;
    (void)to;
    (void)bytes;
    *sent += size > 0;
}

/* Numbered execution: (1) the core says SEND [2..4] up to (4, t); (2) the log is overwritten by another term; (3) the
 * host encodes. Sending now would claim that the new entries are of the old term's prefix. */
Test(driver, drops_a_send_whose_entries_were_overwritten)
{
    static struct alone alone;
    struct call calls[3];
    char bytes[] = "entry";
    int sent = 0;
    open_alone(&alone);
    run(&alone, 1000);
    for (int i = 0; i < 3; i++) {
        prepare(&calls[i], bytes, sizeof bytes);
        cr_assert_eq(dgraft_driver_propose(alone.driver, &calls[i].proposal), DGRAFT_OK);
    }
    run(&alone, 100);
    struct dgraft_memory_hub *hub = dgraft_memory_hub_open(count_sent, &sent);
    struct dgraft_transport *spy = NULL;
    cr_assert_eq(dgraft_memory_open(hub, "spy", 1400, 10, &spy), DGRAFT_OK);
    cr_assert_eq(spy->ops->peer_add(spy, 2, "peer"), DGRAFT_OK);
    alone.driver->options.transport = spy;
    struct dgraft_core_status status;
    dgraft_core_status(alone.driver->core, &status);
    dgraft_index last = status.last.index;
    cr_assert_geq(last, 5, "membership, no-op, three commands");
    struct dgraft_action_send send = {.receivers = dgraft_node_set_of(2),
                                      .last = {last, status.term},
                                      .max_bytes = 1 << 20,
                                      .message = {.type = DGRAFT_MESSAGE_APPEND, .from = 1, .term = status.term}};
    send.message.u.append.prev = (struct dgraft_position){last - 2, status.term};

    dgraft_driver_send(alone.driver, &send);
    spy->ops->flush(spy);
    cr_assert_eq(sent, 1, "as long as the terms are what the core said, it is sent");
    cr_assert_eq(alone.driver->answers_count, 1);
    cr_assert_eq(alone.driver->answers[alone.driver->answers_first].u.sent.last, last);

    for (int i = 0; i < 3; i++) {
        struct dgraft_action_send wrong = send;
        wrong.last.term += i == 0;
        wrong.message.u.append.prev.term -= i == 1;
        if (i == 2) { /* one entry in the middle is of a newer term than the last may be */
            wrong.last.term -= 1;
            wrong.message.u.append.prev = (struct dgraft_position){1, 1};
        }
        alone.driver->answers_count = 0;
        dgraft_driver_send(alone.driver, &wrong);
        spy->ops->flush(spy);
        cr_assert_eq(sent, 1, "case %d was sent", i);
        cr_assert_eq(alone.driver->answers_count, 1, "every SEND of entries is answered");
        cr_assert_eq(alone.driver->answers[alone.driver->answers_first].u.sent.last, wrong.message.u.append.prev.index);
    }
    alone.driver->answers_count = 0;
    alone.driver->options.transport = alone.transport;
    spy->ops->close(spy);
    dgraft_memory_hub_close(hub);
    close_alone(&alone);
}

/* The frames that left, one behind the other, and where each begins. */
struct seen {
    uint8_t bytes[1 << 17];
    size_t begins[201];
    size_t count;
};

static void see(void *context, const struct dgraft_address *from, const struct dgraft_address *to, const uint8_t *bytes,
                size_t size)
{
    struct seen *seen = context;
    (void)from;
    (void)to;
    const size_t begin = seen->begins[seen->count];
    cr_assert(seen->count < 200 && size <= sizeof seen->bytes - begin);
    memcpy(seen->bytes + begin, bytes, size);
    seen->begins[++seen->count] = begin + size;
}

/* What was seen are frames that each stand alone; together they carry the entries from `next` on. Returns the last. */
static dgraft_index expect_entries(const struct seen *seen, dgraft_index next)
{
    static struct dgraft_entry entries[DGRAFT_FRAME_ENTRIES_MAX];
    for (size_t i = 0; i < seen->count; i++) {
        struct dgraft_frame frame;
        const size_t size = seen->begins[i + 1] - seen->begins[i];
        cr_assert_eq(
            dgraft_frame_decode(seen->bytes + seen->begins[i], size, entries, DGRAFT_FRAME_ENTRIES_MAX, &frame),
            DGRAFT_ACCEPT, "frame %zu", i);
        cr_assert_eq(frame.frame_bytes, size);
        cr_assert_eq(frame.message.u.append.prev.index + 1, next, "frame %zu", i);
        cr_assert_gt(frame.message.u.append.count, 0);
        next += frame.message.u.append.count;
    }
    return next - 1;
}

/* A leader of one with `count` commands of 100 bytes committed, and a spy who stands for node 2. */
struct spied {
    struct alone alone;
    struct call calls[600];
    struct seen seen;
    struct dgraft_memory_hub *hub;
    struct dgraft_transport *spy;
    struct dgraft_action_send send; /* of everything behind entry 1 */
};

static void open_spied(struct spied *spied, unsigned count)
{
    static char bytes[100];
    open_alone(&spied->alone);
    run(&spied->alone, 1000);
    for (unsigned i = 0; i < count; i++) {
        prepare(&spied->calls[i], bytes, sizeof bytes);
        cr_assert_eq(dgraft_driver_propose(spied->alone.driver, &spied->calls[i].proposal), DGRAFT_OK);
    }
    run(&spied->alone, 100);
    spied->seen.count = 0;
    spied->hub = dgraft_memory_hub_open(see, &spied->seen);
    cr_assert_eq(dgraft_memory_open(spied->hub, "spy", 1400, 10, &spied->spy), DGRAFT_OK);
    cr_assert_eq(spied->spy->ops->peer_add(spied->spy, 2, "peer"), DGRAFT_OK);
    spied->alone.driver->options.transport = spied->spy;
    struct dgraft_core_status status;
    dgraft_core_status(spied->alone.driver->core, &status);
    spied->send =
        (struct dgraft_action_send){.receivers = dgraft_node_set_of(2),
                                    .last = status.last,
                                    .max_bytes = 1 << 20,
                                    .message = {.type = DGRAFT_MESSAGE_APPEND, .from = 1, .term = status.term}};
    spied->send.message.u.append.prev = (struct dgraft_position){2, status.term};
}

static void close_spied(struct spied *spied)
{
    spied->alone.driver->answers_count = 0;
    spied->alone.driver->options.transport = spied->alone.transport;
    spied->spy->ops->close(spied->spy);
    dgraft_memory_hub_close(spied->hub);
    close_alone(&spied->alone);
}

/* Sends, and returns what the core is told: how far it got. */
static struct dgraft_event_sent send_and_answer(struct spied *spied)
{
    struct dgraft_driver *driver = spied->alone.driver;
    spied->seen.count = 0;
    driver->answers_count = 0;
    dgraft_driver_send(driver, &spied->send);
    cr_assert_eq(driver->answers_count, 1, "one SEND is answered once, however many frames it became");
    cr_assert_eq(spied->seen.count, 0, "what left waits for flush");
    return driver->answers[driver->answers_first].u.sent;
}

Test(driver, sends_many_entries_as_frames_that_each_stand_alone)
{
    static struct spied spied;
    open_spied(&spied, 100);
    struct dgraft_event_sent sent = send_and_answer(&spied);
    dgraft_driver_flush(spied.alone.driver);
    cr_assert_eq(sent.last, spied.send.last.index);
    cr_assert_eq(sent.bytes, 100 * dgraft_record_bytes(100));
    cr_assert_eq(spied.seen.count, 100 / ((1400 - DGRAFT_FRAME_HEAD_MAX) / dgraft_record_bytes(100)) + 1);
    cr_assert_eq(expect_entries(&spied.seen, 3), sent.last);
    /* No more than the window of the slowest receiver has room for. */
    spied.send.max_bytes = 5000;
    sent = send_and_answer(&spied);
    dgraft_driver_flush(spied.alone.driver);
    cr_assert_leq(sent.bytes, 5000);
    cr_assert_geq(sent.bytes, 5000 - 1400);
    cr_assert_eq(expect_entries(&spied.seen, 3), sent.last);
    /* A carrier that holds few messages gets one. */
    spied.spy->on_way_max = 16;
    sent = send_and_answer(&spied);
    dgraft_driver_flush(spied.alone.driver);
    cr_assert_eq(spied.seen.count, 1);
    cr_assert_eq(expect_entries(&spied.seen, 3), sent.last);
    close_spied(&spied);
}

Test(driver, reads_back_once_for_all_frames_of_a_send)
{
    static struct spied spied;
    open_spied(&spied, 600);
    dgraft_window_evict(&spied.alone.driver->window, spied.send.last.index, 0);
    cr_assert_null(dgraft_window_at(&spied.alone.driver->window, 3), "only the segments have it");
    struct dgraft_event_sent sent = send_and_answer(&spied);
    dgraft_driver_flush(spied.alone.driver);
    cr_assert_gt(sent.bytes, 60000);
    cr_assert_leq(sent.bytes, 65536);
    cr_assert_eq(expect_entries(&spied.seen, 3), sent.last);
    /* Twice without a flush between: the scratch is written anew only when what lay there has left. */
    (void)send_and_answer(&spied);
    dgraft_driver_send(spied.alone.driver, &spied.send);
    cr_assert_eq(expect_entries(&spied.seen, 3), sent.last, "the second has flushed the first");
    spied.seen.count = 0;
    dgraft_driver_flush(spied.alone.driver);
    cr_assert_eq(expect_entries(&spied.seen, 3), sent.last);
    close_spied(&spied);
}

/* Numbered execution: (1) a leader's append waits for flush; (2) in the same turn a newer leader has the entries
 * overwritten, and the ring takes their place again; (3) flush. What leaves must be what was sent at (1). */
Test(driver, lets_an_append_leave_before_its_entries_are_overwritten)
{
    static struct spied spied;
    open_spied(&spied, 10);
    (void)send_and_answer(&spied);
    dgraft_driver_overwrite_after(spied.alone.driver, spied.send.last.index);
    cr_assert_eq(spied.seen.count, 0, "nothing was overwritten");
    dgraft_driver_overwrite_after(spied.alone.driver, spied.send.last.index - 1);
    cr_assert_gt(spied.seen.count, 0);
    cr_assert_eq(expect_entries(&spied.seen, 3), spied.send.last.index);
    cr_assert_eq(spied.alone.driver->send_heads_count, 0);
    close_spied(&spied);
}

/* A node of two with a carrier for peers (127.0.0.1:7001) and one for clients, and somebody who knocks at both. */
struct doors {
    struct alone alone;
    struct dgraft_transport *clients;
    struct dgraft_transport *stranger;
    int requests;
};

static void on_request(void *context, struct dgraft_driver *driver, const struct dgraft_request *request)
{
    struct doors *doors = context;
    struct dgraft_client_answer answer = {.client = request->request.client,
                                          .sequence = request->request.sequence,
                                          .kind = request->request.kind,
                                          .result = DGRAFT_CLIENT_OK};
    doors->requests++;
    dgraft_driver_answer(driver, &request->source, &answer);
}

static void open_doors(struct doors *doors)
{
    struct dgraft_why why = {""};
    struct alone *alone = &doors->alone;
    memset(doors, 0, sizeof *doors);
    (void)snprintf(alone->directory, sizeof alone->directory, "driver-test-XXXXXX");
    cr_assert_not_null(mkdtemp(alone->directory));
    cr_assert_eq(dgraft_node_format(alone->directory, "test", 1, "1=127.0.0.1:7001,2=127.0.0.1:7002", &why), DGRAFT_OK,
                 "%s", why.text);
    alone->hub = dgraft_memory_hub_open(NULL, NULL);
    alone->now_ns = MS;
    cr_assert_eq(dgraft_memory_open(alone->hub, "127.0.0.1:7001", 1400, 100, &alone->transport), DGRAFT_OK);
    cr_assert_eq(dgraft_memory_open(alone->hub, "clients", 1400, 100, &doors->clients), DGRAFT_OK);
    cr_assert_eq(dgraft_memory_open(alone->hub, "stranger", 1400, 100, &doors->stranger), DGRAFT_OK);
    alone->transport->on_way_max = 16;
    struct dgraft_driver_options options = {.fs = dgraft_fs_posix(),
                                            .directory = alone->directory,
                                            .transport = alone->transport,
                                            .client_transport = doors->clients,
                                            .requests = {.context = doors, .request = on_request},
                                            .machine = {.context = alone, .apply = apply}};
    dgraft_config_defaults(&options.core, 1);
    cr_assert_eq(dgraft_driver_open(&options, alone->now_ns, &alone->driver, &why), DGRAFT_OK, "%s", why.text);
}

static void close_doors(struct doors *doors)
{
    dgraft_driver_close(doors->alone.driver);
    doors->alone.driver = NULL;
    doors->clients->ops->close(doors->clients);
    doors->stranger->ops->close(doors->stranger);
    close_alone(&doors->alone);
}

/* The stranger sends a datagram to a door, and the driver takes it. Returns whether an answer came back from there. */
static bool knock(struct doors *doors, const char *door, const uint8_t *bytes, size_t size)
{
    struct dgraft_datagram back;
    struct dgraft_address to;
    struct iovec piece = {(void *)(uintptr_t)bytes, size};
    struct dgraft_outgoing outgoing = {.class_ = DGRAFT_SEND_ONE_WAY, .pieces = &piece, .piece_count = 1};
    dgraft_memory_address(door, &outgoing.address);
    to = outgoing.address;
    cr_assert_eq(doors->stranger->ops->send(doors->stranger, &outgoing), DGRAFT_OK);
    doors->stranger->ops->flush(doors->stranger);
    run(&doors->alone, 1);
    if (doors->stranger->ops->receive(doors->stranger, &back, 1) == 0) {
        return false;
    }
    cr_assert(dgraft_address_equal(&back.source, &to), "the answer comes from the other door");
    dgraft_buffer_release(back.buffer);
    return true;
}

static uint64_t refused_senders(const struct doors *doors)
{
    struct dgraft_driver_status status;
    dgraft_driver_status(doors->alone.driver, &status);
    return status.refused[DGRAFT_REFUSAL_SENDER];
}

static size_t peer_frame(const struct doors *doors, dgraft_node_id to, uint8_t head[DGRAFT_FRAME_HEAD_MAX])
{
    struct dgraft_frame_header header = {.cluster = doors->alone.driver->identity.cluster,
                                         .to = dgraft_node_set_of(to)};
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_VOTE_REQUEST, .from = 2, .store = 7, .term = 1};
    message.u.vote_request.term = 1;
    size_t size = dgraft_frame_encode(&header, &message, NULL, 0, head);
    cr_assert_gt(size, 0);
    return size;
}

Test(driver, lets_clients_in_by_their_own_door_only_and_peers_by_theirs)
{
    static struct doors doors;
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    size_t padding = 0;
    struct dgraft_driver_status status;
    open_doors(&doors);
    struct dgraft_frame_header header = {.cluster = doors.alone.driver->identity.cluster, .to = 1};
    struct dgraft_client_request request = {.client = 5, .sequence = 1, .kind = 1};
    size_t size = dgraft_frame_encode_request(&header, &request, head, &padding);
    cr_assert_eq(padding, 0);

    cr_assert(knock(&doors, "clients", head, size));
    cr_assert_eq(doors.requests, 1);
    cr_assert_eq(refused_senders(&doors), 0);
    cr_assert_not(knock(&doors, "127.0.0.1:7001", head, size));
    cr_assert_eq(doors.requests, 1);
    cr_assert_eq(refused_senders(&doors), 1);

    size = peer_frame(&doors, 1, head);
    uint64_t received = doors.alone.driver->frames_received;
    cr_assert_not(knock(&doors, "clients", head, size));
    cr_assert_eq(refused_senders(&doors), 2);
    cr_assert_eq(doors.alone.driver->frames_received, received);
    (void)knock(&doors, "127.0.0.1:7001", head, size);
    cr_assert_eq(refused_senders(&doors), 2);
    cr_assert_eq(doors.alone.driver->frames_received, received + 1);
    dgraft_driver_status(doors.alone.driver, &status);
    cr_assert_eq(status.client_transport.received_datagrams, 2);
    cr_assert_eq(status.transport.received_datagrams, 2);
    close_doors(&doors);
}

Test(driver, counts_what_it_overhears_apart_where_all_hear_everything)
{
    static struct doors doors;
    uint8_t head[DGRAFT_FRAME_HEAD_MAX];
    struct dgraft_driver_status status;
    open_doors(&doors);
    size_t size = peer_frame(&doors, 2, head);
    (void)knock(&doors, "127.0.0.1:7001", head, size);
    dgraft_driver_status(doors.alone.driver, &status);
    cr_assert_eq(status.refused[DGRAFT_REFUSAL_RECEIVER], 1, "on a carrier with an address for each");
    cr_assert_eq(status.frames_overheard, 0);
    doors.alone.transport->one_send_for_all = true;
    (void)knock(&doors, "127.0.0.1:7001", head, size);
    (void)knock(&doors, "clients", head, size); /* which is no such carrier */
    dgraft_driver_status(doors.alone.driver, &status);
    cr_assert_eq(status.refused[DGRAFT_REFUSAL_RECEIVER], 2);
    cr_assert_eq(status.frames_overheard, 1);
    close_doors(&doors);
}

Test(driver, has_half_of_what_a_carrier_holds_for_a_peer_taken_by_appends)
{
    static struct doors doors;
    open_doors(&doors);
    cr_assert_eq(doors.alone.driver->options.core.inflight_max, 8);
    close_doors(&doors);
}
