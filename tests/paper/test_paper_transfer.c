/* Ongaro's dissertation, sections 3.9 and 3.10: timing, and how leadership is handed over. */
#include "core_cluster.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define AT(index, term) ((struct dgraft_position){index, term})

/* Node 1 of three leads in term 3; its NOOP, entry 1, is committed. */
static void open_leader(struct rig *rig)
{
    rig_open(rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    rig_lead_and_commit(rig);
}

static void transfer(struct rig *rig, dgraft_node_id target)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_TRANSFER};
    event.u.transfer = (struct dgraft_event_transfer){.id = 7, .target = target};
    rig_step(rig, event);
}

static void ack(struct rig *rig, dgraft_node_id from, dgraft_index match)
{
    rig_receive(rig, rig_ack(from, 3, match, rig_status(rig).round));
}

static enum dgraft_outcome outcome(const struct rig *rig)
{
    const struct dgraft_action *action = rig_action(rig, DGRAFT_ACTION_OUTCOME, 0);
    return action == NULL ? 0 : action->u.outcome.outcome;
}

Test(section_3_9, heartbeats_are_more_frequent_than_election_timeouts_in_every_configuration)
{
    struct dgraft_config config;
    const char *why = NULL;
    dgraft_config_defaults(&config, 1);
    cr_assert_leq(config.heartbeat_interval_ns * 5, config.election_timeout_ns);
    config.heartbeat_interval_ns = config.election_timeout_ns / 2;
    cr_assert_eq(dgraft_config_check(&config, &why), DGRAFT_STATUS_CONFIG);
    cr_assert_not_null(why);
}

/* broadcast time << election timeout: then a leader, once elected, stays, also when some messages are lost. */
Test(section_3_9, a_steady_leader_is_maintained_while_messages_are_much_faster_than_election_timeouts)
{
    struct cluster *cluster = calloc(1, sizeof *cluster);
    cluster_open(cluster, 5, 11);
    cluster->delay_max = 5 * MS;
    cluster->loss_percent = 2;
    cluster_run(cluster, 2000 * MS, 90);
    const dgraft_node_id leader = cluster_leader(cluster);
    const uint64_t won = cluster->elections_won;
    cr_assert_neq(leader, 0u);
    cluster_run(cluster, 10000 * MS, 90);
    cr_assert_eq(cluster_leader(cluster), leader);
    cr_assert_eq(cluster->elections_won, won);
    cluster_close(cluster);
    free(cluster);
}

Test(section_3_9, the_cluster_is_without_a_leader_for_about_an_election_timeout_when_one_crashes)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct cluster *cluster = calloc(1, sizeof *cluster);
        cluster_open(cluster, 5, seed);
        cluster->delay_max = 2 * MS;
        cluster_run(cluster, 2000 * MS, 90);
        const dgraft_node_id leader = cluster_leader(cluster);
        cr_assert_neq(leader, 0u);
        cluster_crash(cluster, leader);
        cluster_run(cluster, 3 * cluster->nodes[leader == 1 ? 2 : 1].rig.config.election_timeout_ns, 90);
        cr_assert_neq(cluster_leader(cluster), 0u, "seed %llu", (unsigned long long)seed);
        cluster_close(cluster);
        free(cluster);
    }
}

Test(section_3_10, the_prior_leader_stops_accepting_requests)
{
    struct rig rig;
    open_leader(&rig);
    transfer(&rig, 2);
    rig_propose(&rig, 1, 10);
    cr_assert_eq(outcome(&rig), DGRAFT_OUTCOME_TRANSFERRING);
    cr_assert_eq(rig_status(&rig).last.index, 1u);
    rig_close(&rig);
}

Test(section_3_10, the_prior_leader_makes_the_targets_log_match_its_own_first)
{
    struct rig rig;
    open_leader(&rig);
    rig_propose(&rig, 3, 10);
    rig_sent_all(&rig);
    ack(&rig, 3, 4); /* somebody else's log counts for nothing here */
    transfer(&rig, 2);
    for (dgraft_index match = 1; match <= 4; match++) {
        cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_TIMEOUT_NOW, 0));
        ack(&rig, 2, match);
    }
    cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_TIMEOUT_NOW, 0)->receivers, dgraft_node_set_of(2));
    rig_close(&rig);
}

Test(section_3_10, the_target_starts_an_election_at_once)
{
    struct rig rig;
    struct dgraft_message message = {.type = DGRAFT_MESSAGE_TIMEOUT_NOW, .from = 3, .term = 2};
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    rig_receive(&rig, rig_append(3, 2, AT(0, 0), NULL, 0, 0)); /* its leader is well */
    rig_receive(&rig, message);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_CANDIDATE);
    cr_assert_eq(rig_status(&rig).term, 3u);
    rig_durable(&rig);
    cr_assert(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_REQUEST, 2)->message.u.vote_request.transfer);
    rig_close(&rig);
}

/* [§4.2.3] Whoever asks because its leader told it to, is answered although that leader is heard. */
Test(section_3_10, servers_that_hear_the_prior_leader_vote_for_its_target_all_the_same)
{
    struct rig rig;
    struct dgraft_message request = rig_vote_request(2, 3, 0, 0);
    request.u.vote_request.transfer = true;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    rig_receive(&rig, rig_append(3, 2, AT(0, 0), NULL, 0, 0));
    rig_receive(&rig, request);
    rig_durable(&rig);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 2));
    rig_close(&rig);
}

Test(section_3_10, the_prior_leader_steps_down_for_the_targets_term)
{
    struct rig rig;
    struct dgraft_message request = rig_vote_request(2, 4, 1, 3);
    request.u.vote_request.transfer = true;
    open_leader(&rig);
    transfer(&rig, 2);
    rig_receive(&rig, request);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    rig_durable(&rig);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 2));
    rig_receive(&rig, rig_append(2, 4, AT(1, 3), NULL, 0, 0));
    cr_assert_eq(outcome(&rig), DGRAFT_OUTCOME_DONE);
    rig_close(&rig);
}

Test(section_3_10, a_transfer_is_aborted_after_an_election_timeout_and_requests_are_accepted_again)
{
    struct rig rig;
    open_leader(&rig);
    const dgraft_time_ns begun = rig.now;
    transfer(&rig, 2);
    while (rig_status(&rig).transfer_target != 0) {
        rig_propose(&rig, 1, 10);
        cr_assert_eq(outcome(&rig), DGRAFT_OUTCOME_TRANSFERRING);
        ack(&rig, 3, 1);
        rig_wake_at(&rig, rig.actions->wake_at_ns);
        cr_assert_leq(rig.now - begun, rig.config.election_timeout_ns);
    }
    cr_assert_eq(rig.now - begun, rig.config.election_timeout_ns);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER);
    rig_propose(&rig, 1, 10);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_ACCEPTED), 1u);
    rig_close(&rig);
}
