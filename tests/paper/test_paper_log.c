/* Ongaro's dissertation, chapter 3, log replication and safety: one test per rule. */
#include "core_cluster.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define AT(index, term) ((struct dgraft_position){index, term})

Test(section_3_5, a_leader_appends_a_command_and_sends_it_in_parallel)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 5, .term = 4});
    rig_lead_and_commit(&rig);
    rig_propose(&rig, 1, 10);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_WRITE, 0)->u.write.first, 2u);
    const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 0);
    cr_assert_eq(send->receivers, 0x1eu);
    cr_assert(dgraft_position_equal(send->message.u.append.prev, AT(1, 5)));
    cr_assert(dgraft_position_equal(send->last, AT(2, 5)));
    rig_close(&rig);
}

Test(section_3_5, an_entry_is_committed_once_a_majority_has_it)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 5, .term = 4});
    rig_lead_and_commit(&rig);
    rig_propose(&rig, 1, 10);
    rig_sent_all(&rig);
    rig_durable(&rig);
    rig_receive(&rig, rig_ack(2, 5, 2, 1));
    cr_assert_eq(rig_status(&rig).commit, 1u);
    rig_receive(&rig, rig_ack(4, 5, 2, 1));
    cr_assert_eq(rig_status(&rig).commit, 2u);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_APPLY, 0)->u.apply.last, 2u);
    rig_close(&rig);
}

Test(section_3_5, a_follower_applies_what_it_learns_is_committed_in_log_order)
{
    struct rig rig;
    struct dgraft_entry entries[4];
    rig_open(&rig, &(struct rig_start){.self = 2, .voters = 3, .term = 4});
    rig_receive(&rig, rig_append(1, 4, AT(0, 0), entries, 4, 4));
    rig_durable(&rig);
    for (dgraft_index commit = 1; commit <= 4; commit++) {
        struct dgraft_message heartbeat = rig_append(1, 4, AT(4, 4), NULL, 0, 0);
        heartbeat.u.append.commit = commit;
        rig_receive(&rig, heartbeat);
        cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_APPLY, 0)->u.apply.first, commit);
        cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_APPLY, 0)->u.apply.last, commit);
    }
    rig_close(&rig);
}

Test(section_3_5, a_follower_refuses_entries_without_the_one_before_them)
{
    static const struct {
        struct dgraft_position prev;
        bool taken;
    } rows[] = {{{3, 2}, true}, {{3, 1}, false}, {{4, 2}, false}, {{2, 1}, true}, {{2, 2}, false}, {{1, 1}, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        struct dgraft_entry entries[1];
        rig_open(&rig, &(struct rig_start){
                           .self = 2, .voters = 3, .term = 4, .last = 3, .runs = {{1, 1}, {3, 2}}, .run_count = 2});
        rig_receive(&rig, rig_append(1, 4, rows[i].prev, entries, 1, 4));
        cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_REFUSE, 1) == NULL, rows[i].taken, "row %zu", i);
        cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_WRITE), rows[i].taken ? 1u : 0u);
        rig_close(&rig);
    }
}

Test(section_3_5, missing_entries_are_resent_until_they_are_stored)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 4});
    rig_lead_and_commit(&rig);
    rig_propose(&rig, 1, 10);
    rig_sent_all(&rig);
    rig_durable(&rig);
    rig_receive(&rig, rig_ack(2, 5, 2, 1)); /* committed: 3 is a straggler */
    for (uint32_t i = 0; i < 50; i++) {
        rig_wake_at(&rig, rig.actions->wake_at_ns);
        rig_receive(&rig, rig_ack(2, 5, 2, rig_status(&rig).round));
        rig_receive(&rig, rig_refuse(3, 5, 2, AT(1, 5), rig_status(&rig).round));
        if (i > 2) {
            const struct dgraft_action_send *send = rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 3);
            cr_assert_not_null(send);
            cr_assert_eq(send->last.index, 2u);
        }
        rig_sent_all(&rig);
    }
    rig_close(&rig);
}

/* Figure 3.6: the logs that a new leader of term 8 may meet. Every one of them becomes the leader's. */
Test(section_3_5, followers_logs_become_the_leaders)
{
    static const dgraft_term leader_log[] = {1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
    static const struct {
        dgraft_term terms[13];
        dgraft_index last;
    } followers[] = {
        {{1, 1, 1, 4, 4, 5, 5, 6, 6}, 9},           {{1, 1, 1, 4}, 4},          {{1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6}, 11},
        {{1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7}, 12}, {{1, 1, 1, 4, 4, 4, 4}, 7}, {{1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3}, 11},
    };
    for (size_t f = 0; f < sizeof followers / sizeof followers[0]; f++) {
        struct cluster *cluster = calloc(1, sizeof *cluster);
        cluster->count = 3;
        cluster->random = f + 1;
        cluster->runs_max = 64;
        cluster->now = 1000 * MS;
        cluster->delay_max = 2 * MS;
        for (dgraft_node_id id = 1; id <= 3; id++) {
            struct cluster_node *node = &cluster->nodes[id];
            const dgraft_term *terms = id == 3 ? followers[f].terms : leader_log;
            node->disk_last = id == 3 ? followers[f].last : 10;
            node->disk_term = 7;
            for (dgraft_index i = 1; i <= node->disk_last; i++) {
                node->disk[i] = (struct log_entry){.term = terms[i - 1], .value = terms[i - 1] << 32 | i};
            }
        }
        for (dgraft_node_id id = 1; id <= 3; id++) {
            cluster_start(cluster, id);
        }
        cluster_isolate(cluster, 3); /* 1 or 2 is elected */
        for (uint32_t i = 0; i < 60 && cluster_leader(cluster) == 0; i++) {
            cluster_run(cluster, 50 * MS, 90);
        }
        cr_assert_neq(cluster_leader(cluster), 0u);
        cluster_heal(cluster);
        cluster_run(cluster, 2000 * MS, 90);
        const dgraft_index last = rig_status(&cluster->nodes[1].rig).last.index;
        cr_assert_geq(last, 11u);
        for (dgraft_node_id id = 1; id <= 3; id++) {
            cr_assert_eq(rig_status(&cluster->nodes[id].rig).last.index, last, "figure %zu", f);
            cr_assert_eq(rig_status(&cluster->nodes[id].rig).commit, last);
            for (dgraft_index i = 1; i <= last; i++) {
                cr_assert_eq(cluster->nodes[id].disk[i].value, cluster->nodes[1].disk[i].value);
            }
        }
        cluster_close(cluster);
        free(cluster);
    }
}

Test(section_3_5, a_leader_never_overwrites_or_deletes_entries_in_its_own_log)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){
                       .self = 1, .voters = 3, .term = 4, .last = 3, .runs = {{1, 1}, {3, 2}}, .run_count = 2});
    rig_lead(&rig);
    struct dgraft_entry entries[2];
    rig_receive(&rig, rig_append(2, 5, AT(2, 1), entries, 2, 5)); /* nobody else leads in its term */
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER);
    cr_assert_eq(rig_status(&rig).last.index, 4u);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_WRITE), 0u);
    rig_close(&rig);
}

/* Figure 3.7: S1 leads in term 4 and replicates its entry 2 of term 2 to S3. Held by three of five it is not committed;
 * with an entry of term 4 above it, it is. */
Test(section_3_6_2, entries_of_previous_terms_are_not_committed_by_counting)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){
                       .self = 1, .voters = 5, .term = 3, .last = 2, .runs = {{1, 1}, {2, 2}}, .run_count = 2});
    rig_lead(&rig);
    rig_durable(&rig);
    rig_receive(&rig, rig_ack(2, 4, 2, 1));
    rig_receive(&rig, rig_ack(3, 4, 2, 1));
    cr_assert_eq(rig_status(&rig).commit, 0u);
    rig_sent_all(&rig);
    rig_receive(&rig, rig_ack(2, 4, 3, 1));
    cr_assert_eq(rig_status(&rig).commit, 0u);
    rig_receive(&rig, rig_ack(3, 4, 2, 1));
    rig_sent_all(&rig);
    rig_receive(&rig, rig_ack(3, 4, 3, 1));
    cr_assert_eq(rig_status(&rig).commit, 3u);
    rig_close(&rig);
}

Test(section_3_6_2, an_entry_of_the_current_term_commits_all_before_it) /* however many terms lie between */
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1,
                                       .voters = 3,
                                       .term = 7,
                                       .last = 5,
                                       .runs = {{1, 1}, {2, 2}, {3, 3}, {4, 5}, {5, 7}},
                                       .run_count = 5});
    rig_lead_and_commit(&rig);
    cr_assert_eq(rig_status(&rig).commit, 6u);
    rig_close(&rig);
}

Test(section_3_7, requests_are_idempotent)
{
    struct rig rig;
    struct dgraft_entry entries[4];
    rig_open(&rig, &(struct rig_start){.self = 2, .voters = 3, .term = 4});
    struct dgraft_message message = rig_append(1, 4, AT(0, 0), entries, 4, 4);
    message.u.append.commit = 2;
    rig_receive(&rig, message);
    rig_durable(&rig);
    const struct dgraft_core_status before = rig_status(&rig);
    for (uint32_t i = 0; i < 5; i++) {
        rig_receive(&rig, message);
        cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_WRITE) + rig_count(&rig, DGRAFT_ACTION_APPLY), 0u);
    }
    cr_assert_eq(rig_status(&rig).last.index, before.last.index);
    cr_assert_eq(rig_status(&rig).commit, before.commit);
    rig_close(&rig);
}

Test(section_3_8, entries_are_persisted_before_they_are_acknowledged)
{
    struct rig rig;
    struct dgraft_entry entries[4];
    rig_open(&rig, &(struct rig_start){.self = 2, .voters = 3, .term = 4});
    rig_receive(&rig, rig_append(1, 4, AT(0, 0), entries, 4, 4));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u);
    rig_durable(&rig);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_APPEND_ACK, 1)->message.u.append_ack.match, 4u);
    rig_close(&rig);
}

Test(section_10_2_1, a_leader_sends_entries_before_its_own_disk_has_them)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 4});
    rig_lead_and_commit(&rig);
    rig_propose(&rig, 1, 10);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 0));
    cr_assert_eq(rig_status(&rig).durable, 1u);
    rig_close(&rig);
}

Test(section_6_4, a_read_waits_for_the_noop_and_for_a_round_of_heartbeats)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 4});
    rig_lead(&rig);
    struct dgraft_event event = {.kind = DGRAFT_EVENT_READ};
    event.u.read.id = 5;
    rig_step(&rig, event);
    const uint64_t round = rig_status(&rig).round;
    rig_durable(&rig);
    rig_receive(&rig, rig_ack(2, 5, 0, 1));
    rig_sent_all(&rig);
    rig_receive(&rig, rig_ack(2, 5, 1, 1));
    cr_assert_eq(rig_status(&rig).commit, 1u);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 0u);
    rig_receive(&rig, rig_ack(2, 5, 1, round));
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_READ_READY, 0)->u.read_ready.index, 1u);
    rig_close(&rig);
}
