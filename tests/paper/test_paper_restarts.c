/* Ongaro's dissertation, sections 3.6.3 to 3.8: what is committed stays so, across crashes and restarts. */
#include "core_cluster.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define AT(index, term) ((struct dgraft_position){index, term})

/* Three of five hold a committed entry of term 4, the other two have longer logs of older terms. Without any one of the
 * three, one of those that are left is elected: no majority is without one of them. */
Test(section_3_6_3, only_a_server_that_holds_what_is_committed_is_elected)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct cluster *cluster = calloc(1, sizeof *cluster);
        cluster->count = 5;
        cluster->random = seed;
        cluster->runs_max = 64;
        cluster->now = 1000 * MS;
        cluster->delay_max = 2 * MS;
        for (dgraft_node_id id = 1; id <= 5; id++) {
            struct cluster_node *node = &cluster->nodes[id];
            const dgraft_term own = id <= 3 ? 4 : 3;
            node->disk_last = id <= 3 ? 2 : 5;
            node->disk_term = 4;
            for (dgraft_index i = 1; i <= node->disk_last; i++) {
                const dgraft_term term = i == 1 ? 1 : own;
                node->disk[i] = (struct log_entry){.term = term, .value = term << 32 | i};
            }
        }
        for (dgraft_node_id id = 1; id <= 5; id++) {
            cluster_start(cluster, id);
        }
        const dgraft_node_id gone = 1 + (dgraft_node_id)(seed % 3);
        cluster_crash(cluster, gone);
        for (uint32_t i = 0; i < 100 && cluster->elections_won == 0; i++) {
            cluster_run(cluster, 10 * MS, 90);
        }
        const dgraft_node_id leader = cluster_leader(cluster);
        cr_assert(leader >= 1 && leader <= 3, "seed %llu: node %u", (unsigned long long)seed, leader);
        cluster_run(cluster, 1000 * MS, 90);
        for (dgraft_node_id id = 1; id <= 5; id++) {
            cr_assert(id == gone || cluster->nodes[id].disk[2].term == 4);
        }
        cluster_close(cluster);
        free(cluster);
    }
}

Test(section_3_6_3, nothing_that_is_committed_is_overwritten)
{
    struct rig rig;
    struct dgraft_entry entries[1];
    rig_open(&rig,
             &(struct rig_start){
                 .self = 2, .voters = 3, .term = 4, .last = 3, .commit = 3, .runs = {{1, 1}, {3, 2}}, .run_count = 2});
    rig_receive(&rig, rig_append(1, 4, AT(2, 1), entries, 1, 4)); /* no leader says so: it stops, and does not obey */
    cr_assert(dgraft_position_equal(rig_status(&rig).last, AT(3, 2)));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_WRITE), 0u);
    cr_assert(rig_status(&rig).poisoned);
    rig_close(&rig);
}

Test(section_3_7, a_candidate_asks_again_those_who_do_not_answer)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 5, .term = 4});
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2, 4, 5));
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 3, 4, 5));
    rig_durable(&rig);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_VOTE_GRANT, 4, 5, 5));
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_eq(rig_status(&rig).term, 5u, "it is the same election");
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_REQUEST, 0)->receivers, 0x16u, "2, 3 and 5");
    rig_close(&rig);
}

Test(section_3_7, a_vote_that_is_asked_for_again_is_given_again)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 4});
    for (uint32_t i = 0; i < 3; i++) {
        rig_receive(&rig, rig_vote_request(2, 5, 0, 0));
        if (i == 0) {
            rig_durable(&rig);
        }
        cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 2));
    }
    rig_close(&rig);
}

Test(section_3_8, a_server_that_restarts_keeps_its_term_and_its_vote)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 4, .vote = 2});
    rig_receive(&rig, rig_vote_request(3, 3, 9, 3));
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_REFUSE, 3)->message.term, 4u);
    rig_receive(&rig, rig_vote_request(3, 4, 9, 3));
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_REFUSE, 3)->message.u.vote_reply.reason, DGRAFT_REFUSE_VOTED);
    rig_receive(&rig, rig_vote_request(2, 4, 9, 3));
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 2));
    rig_close(&rig);
}

/* Neither commit index nor state machine need to survive: both are had again from the leader and the log. */
Test(section_3_8, what_is_committed_is_learnt_and_applied_again_after_a_restart)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){
                       .self = 2, .voters = 3, .term = 4, .last = 3, .runs = {{1, 1}, {3, 4}}, .run_count = 2});
    cr_assert_eq(rig_status(&rig).commit, 0u);
    struct dgraft_message heartbeat = rig_append(1, 4, AT(3, 4), NULL, 0, 0);
    heartbeat.u.append.commit = 2;
    rig_receive(&rig, heartbeat);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_APPLY, 0)->u.apply.first, 1u);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_APPLY, 0)->u.apply.last, 2u);
    rig_close(&rig);
}
