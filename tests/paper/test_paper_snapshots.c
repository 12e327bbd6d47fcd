/* Ongaro's dissertation, chapter 5, log compaction: one test per rule of its beginning and of section 5.1. */
#include "core_cluster.h"
#include "core_snapshot_rig.h"

#include <criterion/criterion.h>

#define AT(index, term) ((struct dgraft_position){index, term})

/* Node 1 of three, with entries 1 to 9 of terms 1, 2 and 3, committed up to 6. */
static void open_node(struct rig *rig)
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.compact_tail = 0;
    config.compact_slow_max = 0;
    rig_open_config(rig,
                    &(struct rig_start){.self = 1,
                                        .voters = 3,
                                        .term = 3,
                                        .last = 9,
                                        .commit = 6,
                                        .runs = {{1, 1}, {4, 2}, {8, 3}},
                                        .run_count = 3},
                    &config);
}

static void install(struct rig *rig, struct dgraft_snapshot snapshot)
{
    rig_receive(rig, rig_chunk(2, 3, snapshot, 0, 1000));
    rig_stored(rig, snapshot, 1000);
    rig_received(rig, snapshot);
}

Test(section_5, servers_compact_their_logs_by_themselves)
{
    struct rig rig;
    open_node(&rig); /* a follower: nobody told it to */
    rig_snapshot(&rig, 6);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_COMPACT, 0)->u.compact.position.index, 6u);
    rig_close(&rig);
}

Test(section_5, only_what_is_applied_is_compacted)
{
    struct rig rig;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT};
    open_node(&rig);
    rig_applied(&rig, 4);
    event.u.snapshot.snapshot = snapshot_at(6, 2);
    cr_assert_eq(rig_try(&rig, event), DGRAFT_STATUS_MISUSE);
    rig_close(&rig);
}

Test(section_5, index_and_term_of_the_last_entry_discarded_are_kept_for_the_next_append)
{
    struct rig rig;
    struct dgraft_entry entries[1];
    open_node(&rig);
    install(&rig, snapshot_at(20, 3));
    rig_receive(&rig, rig_append(2, 3, AT(20, 3), entries, 1, 3));
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_WRITE, 0)->u.write.first, 21u);
    rig_close(&rig);
}

Test(section_5, a_leader_sends_its_snapshot_when_the_next_entry_was_discarded)
{
    struct rig rig;
    open_node(&rig);
    rig_lead_and_commit(&rig);
    rig_snapshot(&rig, 10);
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_SNAPSHOT_CHUNK), 0u, "both followers have it all");
    rig_close(&rig);

    open_node(&rig);
    rig_lead(&rig);
    rig_durable(&rig);
    rig_receive(&rig, rig_ack(2, 4, 9, 1));
    rig_sent_all(&rig);
    rig_receive(&rig, rig_ack(2, 4, 10, 1)); /* node 3 has never answered */
    rig_wake_at(&rig, rig.now + 140 * MS);
    rig_receive(&rig, rig_ack(2, 4, 10, 1));
    rig_wake_at(&rig, rig.now + 20 * MS);
    rig_snapshot(&rig, 10);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_SNAPSHOT_CHUNK, 3)->message.u.snapshot_chunk.snapshot.position.index,
                 10u);
    rig_close(&rig);
}

/* A leader whose node 3 needs the snapshot at 10, of which it is sent 250 bytes at a time. */
static void open_sender(struct rig *rig)
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.compact_tail = 0;
    config.compact_slow_max = 0;
    config.snapshot_chunk_bytes = 250;
    rig_open_config(
        rig,
        &(struct rig_start){.voters = 3, .term = 3, .last = 9, .commit = 6, .runs = {{1, 1}, {8, 3}}, .run_count = 2},
        &config);
    rig_lead(rig);
    rig_durable(rig);
    rig_receive(rig, rig_ack(2, 4, 9, 1));
    rig_sent_all(rig);
    rig_receive(rig, rig_ack(2, 4, 10, 1));
    rig_receive(rig, rig_refuse(3, 4, 9, AT(2, 1), 1));
    struct dgraft_event nothing_sent = {.kind = DGRAFT_EVENT_SENT};
    nothing_sent.u.sent = (struct dgraft_event_sent){.receivers = 4, .term = 4, .prev = 2, .last = 2};
    rig_step(rig, nothing_sent);
    rig_snapshot(rig, 10);
}

static uint64_t offset_sent(const struct rig *rig)
{
    const struct dgraft_action_send *send = rig_sent(rig, DGRAFT_MESSAGE_SNAPSHOT_CHUNK, 3);
    return send == NULL ? UINT64_MAX : send->message.u.snapshot_chunk.offset;
}

Test(section_5_1, a_leader_sends_its_snapshot_chunk_by_chunk_and_then_the_log_behind_it)
{
    struct rig rig;
    open_sender(&rig);
    cr_assert_eq(offset_sent(&rig), 0u);
    rig_receive(&rig, rig_chunk_ack(3, 4, snapshot_at(10, 4), 250, 1));
    cr_assert_eq(offset_sent(&rig), 250u);
    cr_assert_eq(rig_sends(&rig, DGRAFT_MESSAGE_SNAPSHOT_CHUNK), 3u, "up to the end");
    rig_receive(&rig, rig_chunk_ack(3, 4, snapshot_at(10, 4), 1000, 1));
    rig_propose(&rig, 1, 10);
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 3), "stored is not installed");
    rig_receive(&rig, rig_ack(3, 4, 10, 1));
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 3)->message.u.append.prev.index, 10u);
    rig_close(&rig);
}

Test(section_5_1, a_chunk_that_is_not_acknowledged_is_sent_again)
{
    struct rig rig;
    open_sender(&rig);
    for (uint32_t i = 0; i < 5; i++) {
        rig_wake_at(&rig, rig.now + rig.config.heartbeat_interval_ns);
        cr_assert_eq(offset_sent(&rig), 0u);
        rig_receive(&rig, rig_ack(2, 4, 10, rig_status(&rig).round));
    }
    rig_close(&rig);
}

/* [§5.1.1] It is of the state when it was begun; what is applied meanwhile stays in the log. */
Test(section_5_1, the_log_goes_on_while_a_snapshot_is_written)
{
    struct rig rig;
    struct dgraft_entry entries[2];
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT};
    open_node(&rig);
    rig_applied(&rig, 5); /* here it begins */
    struct dgraft_message append = rig_append(2, 3, AT(9, 3), entries, 2, 3);
    append.u.append.commit = 10;
    rig_receive(&rig, append);
    rig_durable(&rig);
    rig_applied(&rig, 10);
    event.u.snapshot.snapshot = snapshot_at(5, 2); /* and here it is done */
    rig_step(&rig, event);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_COMPACT, 0)->u.compact.position.index, 5u);
    cr_assert_eq(rig_status(&rig).applied, 10u);
    cr_assert_eq(rig_status(&rig).last.index, 11u);
    rig_close(&rig);
}

Test(section_5_1, a_chunk_of_a_stale_term_is_refused)
{
    struct rig rig;
    open_node(&rig);
    rig_receive(&rig, rig_chunk(2, 2, snapshot_at(20, 2), 0, 1000));
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_SNAPSHOT_STORE, 0));
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_REFUSE, 2)->message.term, 3u);
    rig_close(&rig);
}

Test(section_5_1, chunks_are_written_at_their_offsets_and_count_as_heartbeats)
{
    struct rig rig;
    const struct dgraft_snapshot snapshot = snapshot_at(20, 3);
    open_node(&rig);
    for (uint64_t offset = 0; offset < 1000; offset += 250) {
        rig.now += 140 * MS;
        rig_receive(&rig, rig_chunk(2, 3, snapshot, offset, 250));
        cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_SNAPSHOT_STORE, 0)->u.snapshot_store.offset, offset);
        cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER, "it begins no election meanwhile");
        rig_stored(&rig, snapshot, offset + 250);
    }
    rig_close(&rig);
}

Test(section_5_1, a_snapshot_of_what_the_log_holds_keeps_the_entries_behind_it)
{
    struct rig rig;
    open_node(&rig);
    install(&rig, snapshot_at(7, 2));
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_INSTALL, 0));
    cr_assert(dgraft_position_equal(rig_status(&rig).last, AT(9, 3)));
    rig_close(&rig);
}

Test(section_5_1, otherwise_the_entire_log_is_discarded_and_the_state_machine_reset)
{
    static const struct dgraft_position ends[] = {{7, 3}, {9, 2}, {20, 3}};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct rig rig;
        open_node(&rig);
        install(&rig, snapshot_at(ends[i].index, ends[i].term));
        cr_assert(dgraft_position_equal(rig_action(&rig, DGRAFT_ACTION_INSTALL, 0)->u.install.position, ends[i]));
        cr_assert(dgraft_position_equal(rig_status(&rig).last, ends[i]));
        cr_assert_eq(rig_status(&rig).applied, ends[i].index);
        rig_close(&rig);
    }
}

Test(section_5_1, an_older_snapshot_than_what_is_committed_changes_nothing)
{
    struct rig rig;
    open_node(&rig);
    rig_receive(&rig, rig_chunk(2, 3, snapshot_at(5, 2), 0, 1000));
    cr_assert_null(rig_action(&rig, DGRAFT_ACTION_SNAPSHOT_STORE, 0));
    cr_assert_eq(rig_status(&rig).commit, 6u);
    cr_assert_eq(rig_status(&rig).last.index, 9u);
    rig_close(&rig);
}

Test(section_5_1, the_snapshots_configuration_is_used)
{
    struct rig rig;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT_RECEIVED};
    open_node(&rig);
    event.u.snapshot_received = (struct dgraft_event_snapshot_received){.snapshot = snapshot_at(20, 3),
                                                                        .membership = {.index = 17, .voters = 0x1f}};
    rig_step(&rig, event);
    cr_assert_eq(rig_status(&rig).membership.voters, 0x1fu);
    cr_assert_eq(rig_status(&rig).membership.index, 17u);
    rig_close(&rig);
}
