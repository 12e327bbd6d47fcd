/* Sessions through a driver: a retry applies once and gets the same answer, whatever happened in between. One node, a
 * real directory and no network. */
#include "driver_state.h"

#include <dgraft/node.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS     UINT64_C(1000000)
#define SECOND (1000 * MS)

struct alone {
    char directory[64];
    struct dgraft_memory_hub *hub;
    struct dgraft_transport *transport;
    struct dgraft_driver *driver;
    dgraft_time_ns now_ns;
    uint64_t wall_ns;
    unsigned counter; /* what the machine counts: it answers with it */
    uint64_t log_time_ns;
    dgraft_index session;
    uint64_t sequence;
};

/* Adds the first byte of each command, and has the sum remembered. */
static void apply(void *context, const struct dgraft_applied *entries, size_t count)
{
    struct alone *alone = context;
    for (size_t i = 0; i < count; i++) {
        alone->counter += entries[i].payload[0];
        cr_assert(entries[i].log_time_ns >= alone->log_time_ns);
        alone->log_time_ns = entries[i].log_time_ns;
        alone->session = entries[i].session;
        alone->sequence = entries[i].sequence;
        cr_assert_eq(entries[i].remembered != NULL, entries[i].session != 0);
        if (entries[i].remembered != NULL) {
            entries[i].remembered->size = 1;
            entries[i].remembered->bytes[0] = (uint8_t)alone->counter;
        }
    }
}

static void start(struct alone *alone)
{
    struct dgraft_why why = {""};
    struct dgraft_driver_options options = {.fs = dgraft_fs_posix(),
                                            .directory = alone->directory,
                                            .transport = alone->transport,
                                            .machine = {.context = alone, .apply = apply},
                                            .small_bytes = 100,
                                            .check_invariants = true};
    alone->counter = 0;
    alone->log_time_ns = 0;
    dgraft_config_defaults(&options.core, 1);
    cr_assert_eq(dgraft_driver_open(&options, alone->now_ns, &alone->driver, &why), DGRAFT_OK, "%s", why.text);
}

static void run(struct alone *alone, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        alone->now_ns += MS;
        alone->wall_ns += MS;
        dgraft_driver_turn(alone->driver, alone->now_ns, alone->wall_ns);
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
    alone->wall_ns = 1000000 * SECOND;
    start(alone);
    run(alone, 1000);
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
    struct iovec pieces[2];
    char bytes[300];
    int answered;
    int released;
    struct dgraft_proposal_answer answer;
    struct dgraft_remembered remembered;
};

static void on_answered(void *context, const struct dgraft_proposal_answer *answer)
{
    struct call *call = context;
    call->answered++;
    call->answer = *answer;
    if (answer->remembered != NULL) {
        call->remembered = *answer->remembered;
    }
}

static void on_released(void *context)
{
    struct call *call = context;
    call->released++;
}

/* A command that adds `number`; bytes above 100 are gathered. */
static void prepare(struct call *call, dgraft_index session, uint64_t sequence, int number, size_t bytes)
{
    memset(call, 0, sizeof *call);
    call->bytes[0] = (char)number;
    call->pieces[0] = (struct iovec){call->bytes, bytes / 2};
    call->pieces[1] = (struct iovec){call->bytes + bytes / 2, bytes - bytes / 2};
    call->proposal = (struct dgraft_proposal){.pieces = call->pieces,
                                              .piece_count = 2,
                                              .context = call,
                                              .session = session,
                                              .sequence = sequence,
                                              .answered = on_answered,
                                              .released = on_released};
}

static void propose(struct alone *alone, struct call *call, dgraft_index session, uint64_t sequence, int number)
{
    prepare(call, session, sequence, number, 10);
    cr_assert_eq(dgraft_driver_propose(alone->driver, &call->proposal), DGRAFT_OK);
}

static dgraft_index open_session(struct alone *alone, uint64_t timeout_ns)
{
    struct call call;
    prepare(&call, 99, 99, 1, 10); /* none of this is looked at */
    cr_assert_eq(dgraft_driver_session_open(alone->driver, &call.proposal, timeout_ns), DGRAFT_OK);
    run(alone, 20);
    cr_assert_eq(call.answered, 1);
    cr_assert_eq(call.released, 1);
    cr_assert_eq(call.answer.fate, DGRAFT_PROPOSAL_COMMITTED);
    return call.answer.position.index;
}

static void assert_answered(const struct call *call, enum dgraft_proposal_fate fate, int remembered)
{
    cr_assert_eq(call->answered, 1);
    cr_assert_eq(call->released, 1);
    cr_assert_eq(call->answer.fate, fate, "fate %d", (int)call->answer.fate);
    if (fate == DGRAFT_PROPOSAL_COMMITTED) {
        cr_assert_eq(call->remembered.size, 1);
        cr_assert_eq(call->remembered.bytes[0], remembered);
    }
}

/* [bug: retries applied twice] Here all tries are in the log at once, in one batch of applying. */
Test(driver_sessions, apply_retries_that_are_under_way_together_once)
{
    static struct alone alone;
    struct call calls[4];
    open_alone(&alone);
    const dgraft_index session = open_session(&alone, SECOND);
    cr_assert_gt(session, 0);
    propose(&alone, &calls[0], session, 1, 5);
    propose(&alone, &calls[1], session, 1, 5);
    propose(&alone, &calls[2], session, 2, 7);
    propose(&alone, &calls[3], session, 1, 5);
    run(&alone, 20);
    cr_assert_eq(alone.counter, 12);
    assert_answered(&calls[0], DGRAFT_PROPOSAL_COMMITTED, 5);
    assert_answered(&calls[1], DGRAFT_PROPOSAL_COMMITTED, 5);
    assert_answered(&calls[2], DGRAFT_PROPOSAL_COMMITTED, 12);
    assert_answered(&calls[3], DGRAFT_PROPOSAL_COMMITTED, 5);
    cr_assert(!calls[0].answer.repeated && calls[1].answer.repeated && calls[3].answer.repeated);
    cr_assert_eq(calls[1].answer.position.index, calls[0].answer.position.index);
    cr_assert_eq(calls[3].answer.position.term, calls[0].answer.position.term);
    close_alone(&alone);
}

Test(driver_sessions, answer_a_late_retry_the_same_without_the_log)
{
    static struct alone alone;
    struct call calls[2];
    struct dgraft_driver_status status;
    open_alone(&alone);
    const dgraft_index session = open_session(&alone, SECOND);
    propose(&alone, &calls[0], session, 1, 5);
    run(&alone, 20);
    dgraft_driver_status(alone.driver, &status);
    const dgraft_index last = status.core.last.index;
    propose(&alone, &calls[1], session, 1, 5);
    run(&alone, 20);
    assert_answered(&calls[1], DGRAFT_PROPOSAL_COMMITTED, 5);
    cr_assert(calls[1].answer.repeated);
    cr_assert_eq(alone.counter, 5);
    dgraft_driver_status(alone.driver, &status);
    cr_assert_eq(status.core.last.index, last, "nothing was appended");
    close_alone(&alone);
}

Test(driver_sessions, survive_a_restart_with_what_they_remember)
{
    static struct alone alone;
    struct call calls[3];
    open_alone(&alone);
    const dgraft_index session = open_session(&alone, 60 * SECOND);
    propose(&alone, &calls[0], session, 1, 5);
    propose(&alone, &calls[1], session, 2, 6);
    run(&alone, 20);
    const uint64_t digest = dgraft_driver_sessions_digest(alone.driver);
    dgraft_driver_close(alone.driver);
    start(&alone);
    alone.wall_ns -= 3 * 86400 * SECOND; /* the clock was set back: the log's time stands still */
    run(&alone, 1000);
    cr_assert_eq(dgraft_driver_sessions_digest(alone.driver), digest);
    propose(&alone, &calls[2], session, 1, 5);
    run(&alone, 20);
    assert_answered(&calls[2], DGRAFT_PROPOSAL_COMMITTED, 5);
    cr_assert(calls[2].answer.repeated);
    cr_assert_eq(alone.counter, 11);
    propose(&alone, &calls[2], session, 3, 1); /* apply sees that the log's time has not fallen */
    run(&alone, 20);
    assert_answered(&calls[2], DGRAFT_PROPOSAL_COMMITTED, 12);
    close_alone(&alone);
}

Test(driver_sessions, take_payloads_that_stay_where_they_are)
{
    static struct alone alone;
    struct call calls[3];
    open_alone(&alone);
    const dgraft_index session = open_session(&alone, SECOND);
    for (int i = 0; i < 3; i++) {
        prepare(&calls[i], session, 1 + (uint64_t)(i == 2), 3, i == 0 ? 85 : 250); /* 85 + 16 are more than 100 */
        cr_assert_eq(dgraft_driver_propose(alone.driver, &calls[i].proposal), DGRAFT_OK);
    }
    run(&alone, 30);
    cr_assert_eq(alone.counter, 6);
    assert_answered(&calls[0], DGRAFT_PROPOSAL_COMMITTED, 3);
    assert_answered(&calls[1], DGRAFT_PROPOSAL_COMMITTED, 3);
    assert_answered(&calls[2], DGRAFT_PROPOSAL_COMMITTED, 6);
    dgraft_driver_close(alone.driver);
    start(&alone);
    run(&alone, 1000);
    cr_assert_eq(alone.counter, 6, "read back from disk");
    cr_assert(alone.session == session && alone.sequence == 2);
    close_alone(&alone);
}

Test(driver_sessions, that_are_closed_expired_or_never_opened_take_nothing)
{
    static struct alone alone;
    struct call calls[5];
    struct call close;
    open_alone(&alone);
    const dgraft_index first = open_session(&alone, 60 * SECOND);
    const dgraft_index second = open_session(&alone, SECOND);
    propose(&alone, &calls[0], first + 100000, 1, 1); /* an index that is none yet */
    propose(&alone, &calls[1], first - 1, 1, 1);      /* one that opened nothing */
    prepare(&close, 0, 0, 0, 0);
    cr_assert_eq(dgraft_driver_session_close(alone.driver, &close.proposal, first), DGRAFT_OK);
    propose(&alone, &calls[2], first, 1, 1); /* behind the closing in the log */
    run(&alone, 20);
    cr_assert_eq(close.answer.fate, DGRAFT_PROPOSAL_COMMITTED);
    alone.wall_ns += 2 * SECOND;
    propose(&alone, &calls[3], 0, 0, 2); /* the entry whose time ends the second */
    run(&alone, 20);
    propose(&alone, &calls[4], second, 1, 1);
    run(&alone, 20);
    assert_answered(&calls[0], DGRAFT_PROPOSAL_NO_SESSION, 0);
    assert_answered(&calls[1], DGRAFT_PROPOSAL_NO_SESSION, 0);
    assert_answered(&calls[2], DGRAFT_PROPOSAL_NO_SESSION, 0);
    cr_assert_eq(calls[3].answer.fate, DGRAFT_PROPOSAL_COMMITTED);
    cr_assert_null(calls[3].answer.remembered);
    assert_answered(&calls[4], DGRAFT_PROPOSAL_NO_SESSION, 0);
    cr_assert_eq(alone.counter, 2);
    prepare(&close, 0, 0, 0, 0);
    cr_assert_eq(dgraft_driver_session_close(alone.driver, &close.proposal, first), DGRAFT_OK);
    run(&alone, 20);
    cr_assert_eq(close.answer.fate, DGRAFT_PROPOSAL_COMMITTED, "closing again is no harm");
    struct dgraft_driver_status status;
    dgraft_driver_status(alone.driver, &status);
    cr_assert_eq(status.sessions.opened, 2);
    cr_assert_eq(status.sessions.closed, 1);
    cr_assert_eq(status.sessions.expired, 1);
    cr_assert_eq(status.sessions.open, 0);
    close_alone(&alone);
}

Test(driver_sessions, apply_no_sequence_that_is_too_old_to_tell)
{
    static struct alone alone;
    struct call calls[3];
    open_alone(&alone);
    const dgraft_index session = open_session(&alone, SECOND);
    propose(&alone, &calls[0], session, 100, 1);
    propose(&alone, &calls[1], session, 36, 1); /* through the log */
    run(&alone, 20);
    propose(&alone, &calls[2], session, 35, 1); /* at once */
    run(&alone, 20);
    assert_answered(&calls[0], DGRAFT_PROPOSAL_COMMITTED, 1);
    assert_answered(&calls[1], DGRAFT_PROPOSAL_FORGOTTEN, 0);
    assert_answered(&calls[2], DGRAFT_PROPOSAL_FORGOTTEN, 0);
    cr_assert_eq(alone.counter, 1);
    close_alone(&alone);
}

Test(driver_sessions, refuse_numbers_that_cannot_be)
{
    static struct alone alone;
    struct call call;
    open_alone(&alone);
    prepare(&call, 5, 0, 1, 10);
    cr_assert_eq(dgraft_driver_propose(alone.driver, &call.proposal), DGRAFT_STATUS_MISUSE);
    prepare(&call, DGRAFT_RECORD_NUMBER_MAX + 1, 1, 1, 10);
    cr_assert_eq(dgraft_driver_propose(alone.driver, &call.proposal), DGRAFT_STATUS_MISUSE);
    cr_assert_eq(dgraft_driver_session_open(alone.driver, &call.proposal, 0), DGRAFT_STATUS_MISUSE);
    cr_assert_eq(dgraft_driver_session_open(alone.driver, &call.proposal, DGRAFT_SESSION_TIMEOUT_MAX_NS + 1),
                 DGRAFT_STATUS_MISUSE);
    cr_assert_eq(dgraft_driver_session_close(alone.driver, &call.proposal, 0), DGRAFT_STATUS_MISUSE);
    run(&alone, 20);
    cr_assert_eq(call.answered + call.released, 0);
    close_alone(&alone);
}
