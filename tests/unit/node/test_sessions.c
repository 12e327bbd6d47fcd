/* The table of sessions: what is applied once, when a session ends, and the bytes of a snapshot. */
#include "sessions.h"

#include <dgraft/record.h>

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

static void open_session(struct sessions *sessions, dgraft_index index, uint64_t timeout_ns)
{
    cr_assert(dgraft_sessions_reserve(sessions));
    dgraft_sessions_open(sessions, index, timeout_ns);
}

static enum session_verdict take(struct sessions *sessions, dgraft_index session, uint64_t sequence, dgraft_index index)
{
    const struct dgraft_session_head head = {session, sequence};
    return dgraft_sessions_take(sessions, &head, (struct dgraft_position){index, 3}, NULL);
}

static enum session_verdict look(const struct sessions *sessions, dgraft_index session, uint64_t sequence)
{
    const struct dgraft_session_head head = {session, sequence};
    return dgraft_sessions_look(sessions, &head, NULL);
}

static void remember(struct sessions *sessions, dgraft_index session, uint64_t sequence, const char *text)
{
    const struct dgraft_session_head head = {session, sequence};
    struct dgraft_remembered answer = {.size = (uint32_t)strlen(text)};
    memcpy(answer.bytes, text, answer.size);
    dgraft_sessions_remember(sessions, &head, &answer);
}

Test(sessions, apply_each_sequence_once_in_any_order_and_remember_its_answer)
{
    struct sessions sessions = {0};
    const struct session_done *done = NULL;
    open_session(&sessions, 10, SECOND);
    cr_assert_eq(take(&sessions, 10, 2, 11), SESSION_FRESH);
    remember(&sessions, 10, 2, "two");
    cr_assert_eq(take(&sessions, 10, 1, 12), SESSION_FRESH);
    cr_assert_eq(take(&sessions, 10, 2, 13), SESSION_DONE);
    cr_assert_eq(take(&sessions, 10, 1, 14), SESSION_DONE);
    const struct dgraft_session_head head = {10, 2};
    cr_assert_eq(dgraft_sessions_look(&sessions, &head, &done), SESSION_DONE);
    cr_assert(done->position.index == 11 && done->position.term == 3, "the entry that did it, not the retry's");
    cr_assert(done->answer.size == 3 && memcmp(done->answer.bytes, "two", 3) == 0);
    cr_assert_eq(sessions.stats.repeated, 2);
    dgraft_sessions_free(&sessions);
}

Test(sessions, that_were_never_opened_are_refused_and_not_made_by_use)
{
    struct sessions sessions = {0};
    open_session(&sessions, 10, SECOND);
    cr_assert_eq(take(&sessions, 9, 1, 11), SESSION_NONE);
    cr_assert_eq(take(&sessions, 11, 1, 12), SESSION_NONE);
    cr_assert_eq(take(&sessions, 9, 1, 13), SESSION_NONE);
    cr_assert_eq(sessions.count, 1);
    cr_assert_eq(sessions.stats.unknown, 3);
    dgraft_sessions_free(&sessions);
}

Test(sessions, that_are_closed_are_gone_for_ever)
{
    struct sessions sessions = {0};
    open_session(&sessions, 10, SECOND);
    open_session(&sessions, 20, SECOND);
    cr_assert_eq(take(&sessions, 10, 1, 21), SESSION_FRESH);
    dgraft_sessions_close(&sessions, 10);
    dgraft_sessions_close(&sessions, 10);
    cr_assert_eq(take(&sessions, 10, 1, 22), SESSION_NONE);
    cr_assert_eq(take(&sessions, 20, 1, 23), SESSION_FRESH);
    cr_assert_eq(sessions.stats.closed, 1);
    dgraft_sessions_free(&sessions);
}

Test(sessions, forget_what_is_a_window_behind_the_newest_and_never_apply_it)
{
    struct sessions sessions = {0};
    open_session(&sessions, 1, SECOND);
    cr_assert_eq(take(&sessions, 1, 1, 2), SESSION_FRESH);
    cr_assert_eq(take(&sessions, 1, 64, 3), SESSION_FRESH);
    cr_assert_eq(look(&sessions, 1, 1), SESSION_DONE, "63 behind is remembered");
    cr_assert_eq(look(&sessions, 1, 2), SESSION_FRESH, "passed, and not done");
    cr_assert_eq(take(&sessions, 1, 65, 4), SESSION_FRESH);
    cr_assert_eq(take(&sessions, 1, 1, 5), SESSION_FORGOTTEN);
    cr_assert_eq(look(&sessions, 1, 2), SESSION_FRESH);
    cr_assert_eq(take(&sessions, 1, 1000, 6), SESSION_FRESH);
    for (uint64_t sequence = 1; sequence <= 936; sequence++) {
        cr_assert_eq(look(&sessions, 1, sequence), SESSION_FORGOTTEN);
    }
    for (uint64_t sequence = 937; sequence < 1000; sequence++) {
        cr_assert_eq(look(&sessions, 1, sequence), SESSION_FRESH, "%u", (unsigned)sequence);
    }
    dgraft_sessions_free(&sessions);
}

Test(sessions, do_not_remember_an_answer_in_another_sequences_place)
{
    struct sessions sessions = {0};
    const struct session_done *done = NULL;
    open_session(&sessions, 1, SECOND);
    (void)take(&sessions, 1, 1, 2);
    (void)take(&sessions, 1, 65, 3); /* the same place in the window */
    remember(&sessions, 1, 1, "of the first");
    const struct dgraft_session_head head = {1, 65};
    cr_assert_eq(dgraft_sessions_look(&sessions, &head, &done), SESSION_DONE);
    cr_assert_eq(done->answer.size, 0);
    dgraft_sessions_free(&sessions);
}

Test(sessions, expire_by_the_logs_time_when_nobody_uses_them)
{
    struct sessions sessions = {0};
    dgraft_sessions_advance(&sessions, 100 * SECOND);
    open_session(&sessions, 1, 3 * SECOND);
    open_session(&sessions, 2, 3 * SECOND);
    dgraft_sessions_advance(&sessions, 102 * SECOND);
    cr_assert_eq(take(&sessions, 2, 1, 3), SESSION_FRESH); /* a sign of life */
    dgraft_sessions_advance(&sessions, 103 * SECOND);
    cr_assert_eq(look(&sessions, 1, 1), SESSION_FRESH, "just not over");
    dgraft_sessions_advance(&sessions, 103 * SECOND + 1);
    cr_assert_eq(look(&sessions, 1, 1), SESSION_NONE);
    cr_assert_eq(look(&sessions, 2, 1), SESSION_DONE);
    dgraft_sessions_advance(&sessions, 105 * SECOND + 1);
    cr_assert_eq(look(&sessions, 2, 1), SESSION_NONE);
    cr_assert_eq(sessions.stats.expired, 2);
    dgraft_sessions_free(&sessions);
}

/* LogCabin: one clock that jumped expired every session at once. */
Test(sessions, survive_a_clock_that_jumps_by_days)
{
    struct sessions sessions = {0};
    dgraft_sessions_advance(&sessions, 100 * SECOND);
    open_session(&sessions, 1, 60 * SECOND);
    dgraft_sessions_advance(&sessions, 2 * 86400 * SECOND);
    cr_assert_eq(look(&sessions, 1, 1), SESSION_FRESH, "a gap counts ten seconds at most");
    dgraft_sessions_advance(&sessions, 100 * SECOND); /* an older entry's time: the table's never falls */
    cr_assert_eq(sessions.log_time_ns, 2 * 86400 * SECOND);
    for (uint64_t i = 1; i <= 5; i++) {
        cr_assert_eq(look(&sessions, 1, 1), SESSION_FRESH);
        dgraft_sessions_advance(&sessions, (2 + i) * 86400 * SECOND);
    }
    cr_assert_eq(look(&sessions, 1, 1), SESSION_FRESH, "sixty seconds");
    dgraft_sessions_advance(&sessions, 8 * 86400 * SECOND);
    cr_assert_eq(look(&sessions, 1, 1), SESSION_NONE, "seventy");
    dgraft_sessions_free(&sessions);
}

Test(sessions, beyond_the_bound_take_the_place_of_the_one_heard_longest_ago)
{
    struct sessions sessions = {0};
    for (dgraft_index id = 1; id <= SESSIONS_MAX; id++) {
        open_session(&sessions, id, SECOND);
    }
    (void)take(&sessions, 1, 1, SESSIONS_MAX + 1);
    open_session(&sessions, SESSIONS_MAX + 2, SECOND);
    cr_assert_eq(sessions.count, SESSIONS_MAX);
    cr_assert_eq(sessions.stats.evicted, 1);
    cr_assert_eq(look(&sessions, 1, 1), SESSION_DONE);
    cr_assert_eq(look(&sessions, 2, 1), SESSION_NONE);
    cr_assert_eq(look(&sessions, 3, 1), SESSION_FRESH);
    dgraft_sessions_free(&sessions);
}

/* A slow and obvious table: every sequence that was ever applied, by session. */
#define SLOW_SESSIONS  40
#define SLOW_SEQUENCES 200

struct slow {
    struct {
        dgraft_index id;
        bool open;
        uint64_t heard_ns;
        uint64_t timeout_ns;
        uint64_t newest;
        dgraft_index done[SLOW_SEQUENCES];
    } of[SLOW_SESSIONS];
    uint64_t time_ns;
    uint64_t log_time_ns;
};

static enum session_verdict slow_take(struct slow *slow, int which, uint64_t sequence, dgraft_index index)
{
    if (!slow->of[which].open) {
        return SESSION_NONE;
    }
    slow->of[which].heard_ns = slow->time_ns;
    if (sequence + SESSION_WINDOW <= slow->of[which].newest) {
        return SESSION_FORGOTTEN;
    }
    if (slow->of[which].done[sequence] != 0) {
        return SESSION_DONE;
    }
    slow->of[which].done[sequence] = index;
    slow->of[which].newest = sequence > slow->of[which].newest ? sequence : slow->of[which].newest;
    return SESSION_FRESH;
}

static void slow_advance(struct slow *slow, uint64_t log_time_ns)
{
    const uint64_t gap = log_time_ns > slow->log_time_ns ? log_time_ns - slow->log_time_ns : 0;
    slow->log_time_ns += gap;
    slow->time_ns += gap < SESSION_GAP_MAX_NS ? gap : SESSION_GAP_MAX_NS;
    for (int i = 0; i < SLOW_SESSIONS; i++) {
        slow->of[i].open = slow->of[i].open && slow->time_ns <= slow->of[i].heard_ns + slow->of[i].timeout_ns;
    }
}

static uint64_t random_state = 88172645463325252u;

static uint64_t below(uint64_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % bound;
}

/* Encodes, reads back, and goes on with what was read. */
static void through_bytes(struct sessions *sessions)
{
    struct sessions copy;
    const size_t size = dgraft_sessions_encoded_bytes(sessions);
    uint8_t *bytes = malloc(size);
    uint8_t *again = malloc(size);
    cr_assert(bytes != NULL && again != NULL);
    dgraft_sessions_encode(sessions, bytes);
    cr_assert_eq(dgraft_sessions_decode(bytes, size, &copy), DGRAFT_ACCEPT);
    cr_assert_eq(dgraft_sessions_digest(&copy), dgraft_sessions_digest(sessions));
    cr_assert_eq(dgraft_sessions_encoded_bytes(&copy), size);
    dgraft_sessions_encode(&copy, again);
    cr_assert_arr_eq(bytes, again, size);
    dgraft_sessions_free(sessions);
    *sessions = copy;
    free(bytes);
    free(again);
}

Test(sessions, agree_with_a_table_that_forgets_nothing_also_through_snapshots)
{
    static struct slow slow;
    struct sessions sessions = {0};
    int opened = 0;
    uint64_t log_time_ns = 1;
    unsigned verdicts[5] = {0};
    for (dgraft_index index = 1; index < 60000; index++) {
        log_time_ns += below(200) == 0 ? below(30 * SECOND) : below(SECOND / 50);
        dgraft_sessions_advance(&sessions, log_time_ns);
        slow_advance(&slow, log_time_ns);
        if (below(100) == 0) {
            opened = (opened + 1) % SLOW_SESSIONS;
            if (!slow.of[opened].open) {
                memset(&slow.of[opened], 0, sizeof slow.of[opened]);
                slow.of[opened].id = index;
                slow.of[opened].open = true;
                slow.of[opened].heard_ns = slow.time_ns;
                slow.of[opened].timeout_ns = 1 + below(20 * SECOND);
                open_session(&sessions, index, slow.of[opened].timeout_ns);
            }
        } else if (below(400) == 0) {
            const int which = (int)below(SLOW_SESSIONS);
            dgraft_sessions_close(&sessions, slow.of[which].id);
            slow.of[which].open = false;
        } else {
            const int which = (int)below(SLOW_SESSIONS);
            const uint64_t newest = slow.of[which].newest;
            uint64_t sequence = newest + 1 > below(80) ? newest + 1 - below(80) : 1 + below(80);
            sequence += below(3);
            sequence = sequence == 0 || sequence >= SLOW_SEQUENCES ? 1 + below(SLOW_SEQUENCES - 1) : sequence;
            const struct dgraft_session_head head = {slow.of[which].id, sequence};
            const struct session_done *done = NULL;
            const enum session_verdict wanted = slow_take(&slow, which, sequence, index);
            const enum session_verdict got =
                dgraft_sessions_take(&sessions, &head, (struct dgraft_position){index, 3}, &done);
            cr_assert_eq(got, wanted, "index %u: %d, not %d", (unsigned)index, (int)got, (int)wanted);
            cr_assert(got != SESSION_DONE || done->position.index == slow.of[which].done[sequence]);
            verdicts[got]++;
        }
        if (below(500) == 0) {
            through_bytes(&sessions);
        }
    }
    for (int i = SESSION_FRESH; i <= SESSION_NONE; i++) {
        cr_assert_gt(verdicts[i], 500, "verdict %d came %u times", i, verdicts[i]);
    }
    dgraft_sessions_free(&sessions);
}

/* Two tables that differ in anything that a node may ever answer or end by. */
Test(digests, differ_with_everything_that_counts)
{
    struct sessions tables[7];
    for (int i = 0; i < 7; i++) {
        tables[i] = (struct sessions){0};
        dgraft_sessions_advance(&tables[i], i == 1 ? 6 * SECOND : 5 * SECOND);
        open_session(&tables[i], 1, i == 2 ? 2 * SECOND : SECOND);
        (void)take(&tables[i], 1, 1, 2);
        remember(&tables[i], 1, 1, i == 3 ? "no" : "ok");
        (void)take(&tables[i], 1, i == 4 ? 3 : 2, 3);
        (void)take(&tables[i], 1, 1, i == 5 ? 5 : 4); /* a retry: heard */
        if (i == 6) {
            open_session(&tables[i], 6, SECOND);
        }
    }
    for (int i = 0; i < 7; i++) {
        for (int k = 0; k < i; k++) {
            cr_assert_neq(dgraft_sessions_digest(&tables[i]), dgraft_sessions_digest(&tables[k]), "%d %d", i, k);
        }
    }
    for (int i = 0; i < 7; i++) {
        dgraft_sessions_free(&tables[i]);
    }
}
