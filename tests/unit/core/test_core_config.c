/* Configurations, STARTs and events that a host may not make. */
#include "core_rig.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static enum dgraft_status check(void (*change)(struct dgraft_config *config))
{
    struct dgraft_config config;
    const char *why = "unset";
    dgraft_config_defaults(&config, 1);
    change(&config);
    const enum dgraft_status status = dgraft_config_check(&config, &why);
    cr_assert_eq(status == DGRAFT_OK, why == NULL);
    if (status != DGRAFT_OK) {
        unsigned char memory[64];
        cr_assert_null(dgraft_core_init(memory, &config));
    }
    return status;
}

#define AT_BOUND(field, value, expected)                                                                               \
    static void set_##expected##_##field(struct dgraft_config *config)                                                 \
    {                                                                                                                  \
        config->field = value;                                                                                         \
    }
AT_BOUND(self, 64, good)
AT_BOUND(self, 65, bad)
AT_BOUND(members_max, 16, good)
AT_BOUND(members_max, 17, bad)
AT_BOUND(heartbeat_interval_ns, config->election_timeout_ns / 2 - 1, good)
AT_BOUND(heartbeat_interval_ns, config->election_timeout_ns / 2, bad)
AT_BOUND(election_timeout_ns, UINT64_C(86400000000000), good)
AT_BOUND(election_timeout_ns, UINT64_C(86400000000001), bad)
AT_BOUND(runs_max, 8, good)
AT_BOUND(runs_max, 7, bad)
AT_BOUND(inflight_max, 4096, good)
AT_BOUND(inflight_max, 4097, bad)
AT_BOUND(inflight_bytes_max, 1, good)
AT_BOUND(inflight_bytes_max, 0, bad)
AT_BOUND(uncommitted_bytes_max, 1, good)
AT_BOUND(uncommitted_bytes_max, 0, bad)
AT_BOUND(entry_bytes_max, DGRAFT_ENTRY_BYTES_MAX_TOP, good)
AT_BOUND(entry_bytes_max, DGRAFT_ENTRY_BYTES_MAX_TOP + 1, bad)
AT_BOUND(reads_max, 1024, good)
AT_BOUND(reads_max, 1025, bad)
AT_BOUND(snapshot_chunk_bytes, DGRAFT_SNAPSHOT_CHUNK_MAX, good)
AT_BOUND(snapshot_chunk_bytes, DGRAFT_SNAPSHOT_CHUNK_MAX + 1, bad)
AT_BOUND(compact_slow_max, config->compact_tail, good)
AT_BOUND(compact_slow_max, config->compact_tail - 1, bad)

Test(configurations, are_checked_at_their_bounds) /* bug 14: and at equality */
{
#define BOTH(field)                                                                                                    \
    cr_assert_eq(check(set_good_##field), DGRAFT_OK);                                                                  \
    cr_assert_eq(check(set_bad_##field), DGRAFT_STATUS_CONFIG)
    BOTH(self);
    BOTH(members_max);
    BOTH(heartbeat_interval_ns);
    BOTH(election_timeout_ns);
    BOTH(runs_max);
    BOTH(inflight_max);
    BOTH(inflight_bytes_max);
    BOTH(uncommitted_bytes_max);
    BOTH(entry_bytes_max);
    BOTH(reads_max);
    BOTH(snapshot_chunk_bytes);
    BOTH(compact_slow_max);
#undef BOTH
}

#define EXPECT_CONFIG(field, value, expected)                                                                          \
    do {                                                                                                               \
        struct dgraft_config config;                                                                                   \
        dgraft_config_defaults(&config, 1);                                                                            \
        config.field = value;                                                                                          \
        cr_assert_eq(dgraft_config_check(&config, NULL), DGRAFT_STATUS_##expected, "%s = %s", #field, #value);         \
    } while (0)

Test(configurations, are_checked_at_the_other_end_of_each_range)
{
    EXPECT_CONFIG(self, 0, CONFIG);
    EXPECT_CONFIG(members_max, 0, CONFIG);
    EXPECT_CONFIG(members_max, 1, OK);
    EXPECT_CONFIG(election_timeout_ns, 2, CONFIG);
    EXPECT_CONFIG(heartbeat_interval_ns, 0, CONFIG);
    EXPECT_CONFIG(heartbeat_interval_ns, 1, OK);
    EXPECT_CONFIG(runs_max, 65536, OK);
    EXPECT_CONFIG(runs_max, 65537, CONFIG);
    EXPECT_CONFIG(inflight_max, 0, CONFIG);
    EXPECT_CONFIG(inflight_max, 1, OK);
    EXPECT_CONFIG(inflight_bytes_max, UINT64_C(1) << 60, OK);
    EXPECT_CONFIG(inflight_bytes_max, (UINT64_C(1) << 60) + 1, CONFIG);
    EXPECT_CONFIG(uncommitted_bytes_max, UINT64_C(1) << 60, OK);
    EXPECT_CONFIG(uncommitted_bytes_max, (UINT64_C(1) << 60) + 1, CONFIG);
    EXPECT_CONFIG(entry_bytes_max, 0, CONFIG);
    EXPECT_CONFIG(entry_bytes_max, 1, OK);
    EXPECT_CONFIG(lease_drift_ppm, 500000, OK);
    EXPECT_CONFIG(lease_drift_ppm, 500001, CONFIG);
    EXPECT_CONFIG(write_stall_ns, UINT64_C(86400000000000), OK);
    EXPECT_CONFIG(write_stall_ns, UINT64_C(86400000000001), CONFIG);
    EXPECT_CONFIG(reads_max, 0, CONFIG);
    EXPECT_CONFIG(reads_max, 1, OK);
    EXPECT_CONFIG(snapshot_chunk_bytes, 0, CONFIG);
    EXPECT_CONFIG(snapshot_chunk_bytes, 1, OK);
    EXPECT_CONFIG(reserved, 1, CONFIG);
}

static struct dgraft_term_run runs[] = {{2, 1}, {5, 3}, {7, 4}};

/* A START of a log after a snapshot at (1, 1), entries 2 to 9. */
static struct dgraft_event good_start(void)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START};
    struct dgraft_event_start *start = &event.u.start;
    start->term = 6;
    start->vote = 2;
    start->snapshot = (struct dgraft_snapshot){.position = {1, 1}, .size = 9, .digest = 5};
    start->compacted = (struct dgraft_position){1, 1};
    start->last = (struct dgraft_position){9, 4};
    start->floor = (struct dgraft_position){8, 4};
    start->commit = 3;
    start->applied = 2;
    start->runs = runs;
    start->run_count = 3;
    start->membership = (struct dgraft_membership){.index = 1, .voters = 7};
    return event;
}

static enum dgraft_status start_with(const struct dgraft_event *event)
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    struct dgraft_core *core = dgraft_core_init(malloc(dgraft_core_size(&config)), &config);
    struct dgraft_core *before = malloc(dgraft_core_size(&config));
    struct dgraft_actions *actions = dgraft_actions_init(malloc(dgraft_actions_size(&config)), &config);
    memcpy(before, core, dgraft_core_size(&config));
    const enum dgraft_status status = dgraft_step(core, event, actions);
    if (status == DGRAFT_OK) {
        cr_assert_null(dgraft_core_check(core), "%s", dgraft_core_check(core));
        cr_assert_eq(dgraft_step(core, event, actions), DGRAFT_STATUS_MISUSE, "only once");
    } else {
        cr_assert_eq(memcmp(before, core, dgraft_core_size(&config)), 0);
        cr_assert_eq(actions->count, 0u);
    }
    free(core);
    free(before);
    free(actions);
    return status;
}

#define EXPECT_START(change, expected)                                                                                 \
    do {                                                                                                               \
        struct dgraft_event event = good_start();                                                                      \
        struct dgraft_event_start *start = &event.u.start;                                                             \
        change;                                                                                                        \
        (void)start;                                                                                                   \
        cr_assert_eq(start_with(&event), DGRAFT_STATUS_##expected, "%s", #change);                                     \
    } while (0)

Test(starts, are_checked_before_anything_is_believed)
{
    EXPECT_START(start->commit = 3, OK);
    EXPECT_START(start->term = 4, OK);
    EXPECT_START(start->vote = 0, OK);
    EXPECT_START(start->commit = 9, OK);
    EXPECT_START(start->commit = 1; start->applied = 1, OK);
    EXPECT_START(start->term = 3, MISUSE);
    EXPECT_START(start->term = UINT64_MAX, MISUSE);
    EXPECT_START(start->vote = 65, MISUSE);
    EXPECT_START(start->commit = 10, MISUSE);
    EXPECT_START(start->applied = 4, MISUSE);
    EXPECT_START(start->applied = 0, MISUSE);
    EXPECT_START(start->last.index = 6, MISUSE);
    EXPECT_START(start->last.term = 3, MISUSE);
    EXPECT_START(start->last = ((struct dgraft_position){0, 4}), MISUSE);
    EXPECT_START(start->snapshot.position.index = 2, OK);
    EXPECT_START(start->snapshot.position.index = 3, MISUSE); /* not applied */
    EXPECT_START(start->snapshot.position.index = 0, MISUSE);
    EXPECT_START(start->snapshot.size = 0, MISUSE);
    EXPECT_START(start->compacted = ((struct dgraft_position){2, 1}), MISUSE);
    EXPECT_START(start->compacted = ((struct dgraft_position){1, 2}), MISUSE);
    EXPECT_START(start->compacted = ((struct dgraft_position){0, 1}), MISUSE);
    EXPECT_START(start->floor.index = 10, MISUSE);
    EXPECT_START(start->runs = NULL, MISUSE);
    EXPECT_START(start->run_count = 0, MISUSE);
    EXPECT_START(start->run_count = 2, MISUSE);
    EXPECT_START(start->membership.voters = 0, MISUSE);
    EXPECT_START(start->membership.voters = 63, MISUSE);
    EXPECT_START(start->membership.learners = 4, MISUSE);
    EXPECT_START(start->membership.index = 10, MISUSE);
    EXPECT_START(start->before = start->membership, MISUSE);
    EXPECT_START(start->membership.index = 4;
                 start->before = ((struct dgraft_membership){.index = 1, .voters = 7}), OK);
    EXPECT_START(start->membership.index = 4;
                 start->before = ((struct dgraft_membership){.index = 1, .voters = 63}), MISUSE);
    EXPECT_START(start->membership = ((struct dgraft_membership){.index = 0}), OK);
    EXPECT_START(start->membership = ((struct dgraft_membership){.learners = 2}), MISUSE);
    EXPECT_START(start->membership = ((struct dgraft_membership){.index = 1}), MISUSE);
    EXPECT_START(start->membership = ((struct dgraft_membership){.index = 0}); start->before.voters = 1, MISUSE);
    EXPECT_START(start->floor = ((struct dgraft_position){0, 4}), MISUSE);
    EXPECT_START(start->snapshot.position = ((struct dgraft_position){1, 0}), MISUSE);
    EXPECT_START(start->snapshot.position.term = 5; start->term = 6, MISUSE); /* younger than the log's end */
    EXPECT_START(start->recovering = true, UNSUPPORTED);
    EXPECT_START(start->runs = runs + 1; start->run_count = 2, UNSUPPORTED); /* 4 is uncommitted, its term unknown */
    EXPECT_START(start->runs = runs + 1; start->run_count = 2; start->commit = 4, OK);
}

Test(starts, with_runs_out_of_order_are_misuse)
{
    struct dgraft_term_run wrong[3] = {{2, 1}, {5, 3}, {5, 4}};
    EXPECT_START(start->runs = wrong, MISUSE);
    wrong[2] = (struct dgraft_term_run){7, 3};
    EXPECT_START(start->runs = wrong; start->last.term = 3, MISUSE);
    wrong[0] = (struct dgraft_term_run){1, 1};
    wrong[2] = (struct dgraft_term_run){7, 4};
    EXPECT_START(start->runs = wrong, MISUSE);
}

/* A log of which the snapshot is all there is; and one of nothing at all. */
Test(starts, of_an_empty_log_have_no_runs)
{
#define EMPTY                                                                                                          \
    start->last = start->compacted = start->floor = (struct dgraft_position){1, 1};                                    \
    start->commit = start->applied = 1;                                                                                \
    start->run_count = 0
#define NOTHING                                                                                                        \
    EMPTY;                                                                                                             \
    start->last = start->compacted = start->floor = (struct dgraft_position){0, 0};                                    \
    start->snapshot = (struct dgraft_snapshot){.size = 0};                                                             \
    start->membership = (struct dgraft_membership){.index = 0};                                                        \
    start->commit = start->applied = 0
    EXPECT_START(EMPTY, OK);
    EXPECT_START(EMPTY; start->run_count = 1, MISUSE);
    EXPECT_START(EMPTY; start->last.term = 2, MISUSE);
    EXPECT_START(NOTHING; start->term = start->vote = 0, OK);
    EXPECT_START(NOTHING; start->term = 0, MISUSE); /* a vote in no term */
#undef EMPTY
#undef NOTHING
}

Test(events, before_the_start_are_misuse)
{
    for (int kind = 0; kind <= 14; kind++) {
        struct dgraft_event event = {.kind = (enum dgraft_event_kind)kind};
        if (kind != DGRAFT_EVENT_START) {
            cr_assert_eq(start_with(&event), DGRAFT_STATUS_MISUSE);
        }
    }
}

Test(events, that_a_host_may_not_make_change_nothing)
{
    struct rig rig;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_DURABLE};
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE, "no write has number 0");
    event.u.durable.seq = 1;
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE, "nothing was written yet");
    rig_lead_and_commit(&rig);
    event.u.durable.seq = rig.written + 1;
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE);
    event = (struct dgraft_event){.kind = DGRAFT_EVENT_APPLIED};
    event.u.applied.index = 1;
    cr_assert_eq(rig_try(&rig, event), DGRAFT_OK);
    event.u.applied.index = 2;
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE);
    event = (struct dgraft_event){.kind = DGRAFT_EVENT_SENT};
    event.u.sent = (struct dgraft_event_sent){.receivers = 2, .term = 3, .prev = 1, .last = 2};
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE, "nothing was to be sent");
    event.u.sent.term = 2;
    cr_assert_eq(rig_try(&rig, event), DGRAFT_OK, "an older leadership's is late, not wrong");
    rig_propose(&rig, 2, 10);
    event.u.sent = (struct dgraft_event_sent){.receivers = 6, .term = 3, .prev = 1, .last = 4};
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE, "more than there is");
    event.u.sent.last = 3;
    cr_assert_eq(rig_try(&rig, event), DGRAFT_OK);
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE, "said twice");
    event = (struct dgraft_event){.kind = DGRAFT_EVENT_PROPOSE};
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE);
    event = (struct dgraft_event){.kind = (enum dgraft_event_kind)99};
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE);
    rig_close(&rig);
}

/* A leader's host tells of SENDs, snapshots and terms that nobody asked for. */
Test(events, of_a_host_that_confuses_them_change_nothing)
{
    struct rig rig;
    struct dgraft_entry entry = {.payload_bytes = 3};
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SENT};
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    event.u.sent = (struct dgraft_event_sent){.receivers = 2, .term = 3};
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE, "of a term that is yet to come");
    event.u.sent.term = 2;
    cr_assert_eq(rig_try(&rig, event), DGRAFT_OK, "it may have led then");
    rig_lead_and_commit(&rig);
    rig_propose(&rig, 2, 10);
    event.u.sent = (struct dgraft_event_sent){.receivers = 0, .term = 3, .prev = 1, .last = 3};
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE, "to nobody");
    event.u.sent = (struct dgraft_event_sent){.receivers = 6, .term = 3, .prev = 2, .last = 3};
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE, "from elsewhere");
    event.u.sent = (struct dgraft_event_sent){.receivers = 6, .term = 3, .prev = 1, .last = 0};
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE, "ends before it begins");
    event.u.sent = (struct dgraft_event_sent){.receivers = 6 | dgraft_node_set_of(40), .term = 3, .prev = 1, .last = 3};
    cr_assert_eq(rig_try(&rig, event), DGRAFT_OK, "40 was a member when the SEND was made, for all that is known");
    event = (struct dgraft_event){.kind = DGRAFT_EVENT_TERM};
    event.u.term.position = (struct dgraft_position){1, 3};
    cr_assert_eq(rig_try(&rig, event), DGRAFT_OK, "an answer that nobody waits for any more");
    event = (struct dgraft_event){.kind = DGRAFT_EVENT_PROPOSE};
    event.u.propose = (struct dgraft_event_propose){.id = 1, .count = 1, .kind = DGRAFT_ENTRY_COMMAND};
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE, "no entries");
    event.u.propose.entries = &entry;
    event.u.propose.kind = DGRAFT_ENTRY_MEMBERSHIP;
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE, "members change by CHANGE");
    event.u.propose.kind = (enum dgraft_entry_kind)9;
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE);
    event.u.propose.kind = DGRAFT_ENTRY_NOOP;
    cr_assert_eq(rig_try(&rig, event), DGRAFT_OK);
    event.u.propose.kind = DGRAFT_ENTRY_SESSION;
    cr_assert_eq(rig_try(&rig, event), DGRAFT_OK);
    cr_assert_eq(rig_status(&rig).last.index, 5u);
    rig_close(&rig);
}

Test(cores, that_are_copied_go_on_alike) /* rules C1 and C2 */
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    rig_lead_and_commit(&rig);
    const size_t bytes = dgraft_core_size(&rig.config);
    const size_t action_bytes = dgraft_actions_size(&rig.config);
    struct dgraft_core *fork = malloc(bytes);
    struct dgraft_actions *actions = dgraft_actions_init(malloc(action_bytes), &rig.config);
    memcpy(fork, rig.core, bytes);
    rig_spoil(actions);
    struct dgraft_event event = {.kind = DGRAFT_EVENT_WAKE, .now_ns = rig.actions->wake_at_ns};
    rig.now = event.now_ns;
    rig_step(&rig, event);
    cr_assert_eq(dgraft_step(fork, &event, actions), DGRAFT_OK);
    cr_assert_eq(memcmp(fork, rig.core, bytes), 0);
    cr_assert_eq(actions->count, rig.actions->count);
    cr_assert_eq(memcmp(actions->items, rig.actions->items, actions->count * sizeof actions->items[0]), 0);
    free(fork);
    free(actions);
    rig_close(&rig);
}

Test(time, that_runs_back_is_taken_as_standing_still)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    const dgraft_time_ns wake = rig.actions->wake_at_ns;
    rig_wake_at(&rig, rig.now + 10 * MS);
    rig_wake_at(&rig, 5);
    cr_assert_eq(rig.actions->wake_at_ns, wake);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    rig_close(&rig);
}

Test(waking_late, is_only_slower)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    rig_wake_at(&rig, UINT64_MAX - 1);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_PRE_CANDIDATE);
    rig_close(&rig);
}

Test(notices, tell_before_and_after)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    rig_receive(&rig, rig_append(3, 4, (struct dgraft_position){0, 0}, NULL, 0, 0));
    const struct dgraft_action_notice term = rig_action(&rig, DGRAFT_ACTION_NOTICE, 0)->u.notice;
    const struct dgraft_action_notice leader = rig_action(&rig, DGRAFT_ACTION_NOTICE, 1)->u.notice;
    cr_assert_eq(term.kind, DGRAFT_NOTICE_TERM);
    cr_assert_eq(term.before, 2u);
    cr_assert_eq(term.after, 4u);
    cr_assert_eq(leader.kind, DGRAFT_NOTICE_LEADER);
    cr_assert_eq(leader.before, 0u);
    cr_assert_eq(leader.after, 3u);
    rig_close(&rig);
}

/* A text that is missing or somebody else's is found by comparing all with all. */
Test(names, and_texts_of_statuses_exist_and_differ)
{
    for (int i = 0; i < DGRAFT_STATUS_TOTAL; i++) {
        const char *name = dgraft_status_name((enum dgraft_status)i);
        const char *text = dgraft_status_text((enum dgraft_status)i);
        cr_assert_str_neq(name, "?", "%d", i);
        cr_assert_gt(strlen(text), 1u, "%s", name);
        for (int j = 0; j < i; j++) {
            cr_assert_str_neq(name, dgraft_status_name((enum dgraft_status)j));
            cr_assert_str_neq(text, dgraft_status_text((enum dgraft_status)j), "%s", name);
        }
    }
    cr_assert_str_eq(dgraft_status_name(DGRAFT_OK), "OK");
    cr_assert_str_eq(dgraft_status_name(DGRAFT_STATUS_TOTAL), "?");
    cr_assert_str_eq(dgraft_status_name((enum dgraft_status)999), "?");
    cr_assert_str_eq(dgraft_status_text((enum dgraft_status)999), "a status that is none");
}

Test(names, exist_for_every_role)
{
    cr_assert_str_eq(dgraft_role_name(DGRAFT_ROLE_FOLLOWER), "follower");
    cr_assert_str_eq(dgraft_role_name(DGRAFT_ROLE_PRE_CANDIDATE), "pre-candidate");
    cr_assert_str_eq(dgraft_role_name(DGRAFT_ROLE_CANDIDATE), "candidate");
    cr_assert_str_eq(dgraft_role_name(DGRAFT_ROLE_LEADER), "leader");
    cr_assert_str_eq(dgraft_role_name((enum dgraft_role)9), "?");
}
