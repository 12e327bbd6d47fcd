/* Ongaro's dissertation, section 9.6: preventing disruptions when a server rejoins. */
#include "core_cluster.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define AT(index, term) ((struct dgraft_position){index, term})

static void open_three(struct rig *rig)
{
    rig_open(rig, &(struct rig_start){
                      .self = 1, .voters = 3, .term = 4, .last = 3, .runs = {{1, 1}, {3, 4}}, .run_count = 2});
}

static enum dgraft_refuse_reason refused(const struct rig *rig, dgraft_node_id to)
{
    const struct dgraft_action_send *send = rig_sent(rig, DGRAFT_MESSAGE_PRE_VOTE_REFUSE, to);
    return send == NULL ? 0 : send->message.u.vote_reply.reason;
}

Test(section_9_6, the_term_is_incremented_when_a_majority_would_vote)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 5, .term = 4});
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_REQUEST, 0)->message.u.vote_request.term, 5u);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2, 4, 5));
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2, 4, 5));
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_REFUSE, 3, 4, 5));
    cr_assert_eq(rig_status(&rig).term, 4u, "two of five");
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 4, 4, 5));
    cr_assert_eq(rig_status(&rig).term, 5u);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_CANDIDATE);
    rig_close(&rig);
}

Test(section_9_6, a_server_would_not_vote_for_a_log_that_is_not_up_to_date)
{
    static const struct {
        struct dgraft_position candidate;
        bool granted;
    } rows[] = {{{3, 4}, true}, {{2, 4}, false}, {{9, 3}, false}, {{4, 4}, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        open_three(&rig);
        rig_receive(&rig, rig_pre_vote_request(2, 5, rows[i].candidate.index, rows[i].candidate.term));
        cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2) != NULL, rows[i].granted, "row %zu", i);
        cr_assert_eq(refused(&rig, 2), rows[i].granted ? 0 : DGRAFT_REFUSE_LOG);
        rig_close(&rig);
    }
}

Test(section_9_6, a_server_would_not_vote_within_an_election_timeout_of_a_heartbeat)
{
    struct rig rig;
    open_three(&rig);
    rig_receive(&rig, rig_append(2, 4, AT(3, 4), NULL, 0, 0));
    rig.now += rig.config.election_timeout_ns - 1;
    rig_receive(&rig, rig_pre_vote_request(3, 5, 9, 4));
    cr_assert_eq(refused(&rig, 3), DGRAFT_REFUSE_LEADER_ALIVE);
    rig.now += 1;
    rig_receive(&rig, rig_pre_vote_request(3, 5, 9, 4));
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_GRANT, 3));
    rig_close(&rig);
}

Test(section_9_6, a_server_that_would_vote_has_not_voted)
{
    struct rig rig;
    open_three(&rig);
    rig_receive(&rig, rig_pre_vote_request(2, 5, 9, 4));
    rig_receive(&rig, rig_pre_vote_request(3, 5, 9, 4));
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_GRANT, 3), "it would vote for either");
    cr_assert_eq(rig_status(&rig).vote, 0u);
    cr_assert_eq(rig_status(&rig).term, 4u);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_WRITE), 0u);
    rig_close(&rig);
}

Test(section_9_6, a_server_that_rejoins_reverts_to_follower_and_disrupts_nobody)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct cluster *cluster = calloc(1, sizeof *cluster);
        cluster_open(cluster, 3, seed);
        cluster->delay_max = 2 * MS;
        cluster_run(cluster, 2000 * MS, 90);
        const dgraft_node_id leader = cluster_leader(cluster);
        cr_assert_neq(leader, 0u);
        const dgraft_term term = rig_status(&cluster->nodes[leader].rig).term;
        const dgraft_node_id lost = leader == 3 ? 2 : 3;
        cluster_isolate(cluster, lost);
        cluster_run(cluster, 5000 * MS, 90);
        cr_assert_eq(rig_status(&cluster->nodes[lost].rig).role, DGRAFT_ROLE_PRE_CANDIDATE);
        cluster_heal(cluster);
        cluster_run(cluster, 1000 * MS, 90);
        cr_assert_eq(cluster_leader(cluster), leader);
        cr_assert_eq(rig_status(&cluster->nodes[lost].rig).role, DGRAFT_ROLE_FOLLOWER);
        cr_assert_eq(rig_status(&cluster->nodes[lost].rig).term, term);
        cluster_close(cluster);
        free(cluster);
    }
}
