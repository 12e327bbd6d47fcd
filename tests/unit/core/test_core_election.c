#include "core_cluster.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* Three voters, five entries: 1 to 3 of term 1, 4 and 5 of term 2; the current term is 2. */
static struct rig_start three(dgraft_node_id self)
{
    return (struct rig_start){
        .self = self, .voters = 3, .term = 2, .last = 5, .runs = {{1, 1}, {4, 2}}, .run_count = 2};
}

static void hear_leader(struct rig *rig, dgraft_node_id leader)
{
    rig_receive(rig, rig_append(leader, 2, (struct dgraft_position){5, 2}, NULL, 0, 0));
    cr_assert_eq(rig_status(rig).leader, leader);
}

Test(votes, wait_until_term_and_vote_are_durable) /* bugs 1 and 2 */
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    rig_receive(&rig, rig_vote_request(2, 3, 0, 0));
    const struct dgraft_action *write = rig_action(&rig, DGRAFT_ACTION_WRITE, 0);
    cr_assert_not_null(write);
    cr_assert(write->u.write.state);
    cr_assert_eq(write->u.write.term, 3u);
    cr_assert_eq(write->u.write.vote, 2u);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u);
    rig_durable(&rig);
    const struct dgraft_action_send *grant = rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 2);
    cr_assert_not_null(grant);
    cr_assert_eq(grant->message.term, 3u);
    cr_assert_eq(grant->message.u.vote_reply.term, 3u);
    rig_close(&rig);
}

Test(votes, that_never_become_durable_are_never_sent) /* bug 2 */
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    rig_receive(&rig, rig_vote_request(2, 3, 0, 0));
    rig_step(&rig, (struct dgraft_event){.kind = DGRAFT_EVENT_POISONED});
    cr_assert_eq(rig.actions->count, 0u);
    rig_receive(&rig, rig_vote_request(2, 3, 0, 0));
    cr_assert_eq(rig.actions->count, 0u);
    cr_assert_eq(rig.actions->wake_at_ns, UINT64_MAX);
    rig_close(&rig);
}

Test(votes, are_requested_only_when_the_own_one_is_durable) /* bug 1 */
{
    struct rig rig;
    const struct rig_start start = three(1);
    rig_open(&rig, &start);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    const struct dgraft_action_send *ask = rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_REQUEST, 0);
    cr_assert_not_null(ask);
    cr_assert_eq(ask->receivers, 6u);
    cr_assert_eq(ask->message.term, 2u);
    cr_assert_eq(ask->message.u.vote_request.term, 3u);
    cr_assert_eq(ask->message.u.vote_request.last.index, 5u);
    cr_assert_eq(ask->message.u.vote_request.last.term, 2u);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2, 2, 3));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_CANDIDATE);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u);
    cr_assert_eq(rig.actions->wake_at_ns, UINT64_MAX, "a slow disk does not use up the candidacy's time");
    rig.now += 10000 * MS;
    rig_durable(&rig);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_REQUEST, 3));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_CANDIDATE);
    cr_assert_gt(rig.actions->wake_at_ns, rig.now);
    rig_close(&rig);
}

Test(votes, are_repeated_to_the_same_candidate) /* bug 11 */
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    rig_receive(&rig, rig_vote_request(2, 3, 0, 0));
    rig_durable(&rig);
    rig_receive(&rig, rig_vote_request(2, 3, 0, 0));
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 2));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_WRITE), 0u);
    rig_close(&rig);
}

Test(votes, go_to_one_candidate_in_a_term) /* bug 5: even when the request says transfer */
{
    for (uint32_t transfer = 0; transfer <= 1; transfer++) {
        struct rig rig;
        rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
        rig_receive(&rig, rig_vote_request(2, 3, 0, 0));
        rig_durable(&rig);
        struct dgraft_message second = rig_vote_request(3, 3, 9, 2);
        second.u.vote_request.transfer = transfer == 1;
        rig_receive(&rig, second);
        const struct dgraft_action_send *refusal = rig_sent(&rig, DGRAFT_MESSAGE_VOTE_REFUSE, 3);
        cr_assert_not_null(refusal);
        cr_assert_eq(refusal->message.u.vote_reply.reason, DGRAFT_REFUSE_VOTED);
        cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 0));
        rig_close(&rig);
    }
}

Test(votes, survive_a_restart)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 3, .vote = 2});
    rig_receive(&rig, rig_vote_request(3, 3, 9, 2));
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 0));
    rig_receive(&rig, rig_vote_request(2, 3, 0, 0));
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 2));
    rig_close(&rig);
}

Test(votes, compare_logs_by_term_then_index) /* bug 10; the voter's log ends in (5, term 2) */
{
    static const struct {
        dgraft_index index;
        dgraft_term term;
        bool granted;
    } rows[] = {{5, 2, true},  {6, 2, true},  {4, 2, false}, {1, 3, true},
                {9, 1, false}, {0, 0, false}, {5, 3, true},  {5, 1, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        const struct rig_start start = three(1);
        rig_open(&rig, &start);
        rig_receive(&rig, rig_pre_vote_request(2, 4, rows[i].index, rows[i].term));
        cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2) != NULL, rows[i].granted, "pre-vote %zu", i);
        rig_receive(&rig, rig_vote_request(2, 4, rows[i].index, rows[i].term));
        rig_durable(&rig);
        cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 2) != NULL, rows[i].granted, "vote %zu", i);
        rig_close(&rig);
    }
}

Test(votes, are_refused_while_a_leader_is_heard) /* bugs 14 and 17, at the boundary and one before */
{
    for (uint32_t at_timeout = 0; at_timeout <= 1; at_timeout++) {
        struct rig rig;
        const struct rig_start start = three(1);
        rig_open(&rig, &start);
        hear_leader(&rig, 3);
        rig.now += rig.config.election_timeout_ns - 1 + at_timeout;
        rig_receive(&rig, rig_pre_vote_request(2, 3, 5, 2));
        cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2) != NULL, at_timeout == 1);
        rig_receive(&rig, rig_vote_request(2, 57, 5, 2));
        cr_assert_eq(rig_status(&rig).term, at_timeout == 1 ? 57u : 2u, "no term is taken over either");
        rig_close(&rig);
    }
}

Test(votes, asked_for_by_the_old_leader_need_not_wait)
{
    struct rig rig;
    const struct rig_start start = three(1);
    rig_open(&rig, &start);
    hear_leader(&rig, 3);
    struct dgraft_message request = rig_vote_request(2, 3, 5, 2);
    request.u.vote_request.transfer = true;
    rig_receive(&rig, request);
    rig_durable(&rig);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_GRANT, 2));
    rig_close(&rig);
}

Test(votes, are_not_given_by_a_leader) /* bug 14 */
{
    struct rig rig;
    const struct rig_start start = three(1);
    rig_open(&rig, &start);
    rig_lead_and_commit(&rig);
    rig.now = rig.now + rig.config.election_timeout_ns - 1;
    rig_receive(&rig, rig_pre_vote_request(2, 9, 99, 3));
    cr_assert_null(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_GRANT, 0));
    rig_receive(&rig, rig_vote_request(2, 9, 99, 3));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER);
    cr_assert_eq(rig_status(&rig).term, 3u);
    rig_close(&rig);
}

Test(pre_votes, change_nothing_at_the_voter)
{
    struct rig rig;
    const struct rig_start start = three(1);
    rig_open(&rig, &start);
    const dgraft_time_ns wake = rig.actions->wake_at_ns;
    rig.now += MS;
    rig_receive(&rig, rig_pre_vote_request(2, 58, 9, 2));
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_WRITE), 0u);
    cr_assert_eq(rig_status(&rig).term, 2u);
    cr_assert_eq(rig_status(&rig).vote, 0u);
    cr_assert_eq(rig.actions->wake_at_ns, wake);
    rig_close(&rig);
}

Test(pre_votes, consider_the_log) /* bug 23 */
{
    struct rig rig;
    const struct rig_start start = three(1);
    rig_open(&rig, &start);
    rig_receive(&rig, rig_pre_vote_request(2, 3, 4, 2));
    const struct dgraft_action_send *refusal = rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_REFUSE, 2);
    cr_assert_not_null(refusal);
    cr_assert_eq(refusal->message.u.vote_reply.reason, DGRAFT_REFUSE_LOG);
    rig_close(&rig);
}

Test(pre_votes, that_are_refused_by_term_teach_it) /* bug 19 */
{
    struct rig rig;
    const struct rig_start start = three(1);
    rig_open(&rig, &start);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_REFUSE, 2, 7, 3));
    cr_assert_eq(rig_status(&rig).term, 7u);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_PRE_CANDIDATE);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u);
    rig_durable(&rig);
    const struct dgraft_action_send *ask = rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_REQUEST, 0);
    cr_assert_not_null(ask);
    cr_assert_eq(ask->message.u.vote_request.term, 8u);
    rig_close(&rig);
}

Test(pre_votes, of_an_earlier_candidacy_do_not_count)
{
    struct rig rig;
    const struct rig_start start = three(1);
    rig_open(&rig, &start);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2, 2, 2));
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_VOTE_GRANT, 2, 2, 3));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_PRE_CANDIDATE);
    rig_close(&rig);
}

Test(pre_votes, are_asked_again_while_nobody_answers)
{
    struct rig rig;
    const struct rig_start start = three(1);
    rig_open(&rig, &start);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    const dgraft_time_ns begun = rig.now;
    uint32_t asked = 0;
    while (rig.now < begun + rig.config.election_timeout_ns) {
        asked += rig_sent(&rig, DGRAFT_MESSAGE_PRE_VOTE_REQUEST, 3) != NULL ? 1u : 0u;
        rig_wake_at(&rig, rig.actions->wake_at_ns);
    }
    cr_assert_geq(asked, 3u);
    cr_assert_leq(asked, 8u);
    rig_close(&rig);
}

Test(elections, count_the_votes_of_this_term_only)
{
    struct rig rig;
    const struct rig_start start = three(1);
    rig_open(&rig, &start);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2, 2, 3));
    rig_durable(&rig);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_VOTE_GRANT, 2, 2, 2)); /* late, of the term before */
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_VOTE_GRANT, 2, 2, 3)); /* of a voter that is not there yet */
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2, 2, 3));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_CANDIDATE);
    rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_VOTE_GRANT, 2, 3, 3));
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER);
    rig_close(&rig);
}

Test(elections, count_one_voter_once) /* bug 47 */
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 5, .term = 2});
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    for (uint32_t i = 0; i < 4; i++) {
        rig_receive(&rig, rig_vote_reply(DGRAFT_MESSAGE_PRE_VOTE_GRANT, 2, 2, 3));
    }
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_PRE_CANDIDATE);
    rig_close(&rig);
}

Test(elections, of_a_sole_voter_take_a_durable_vote_in_a_new_term) /* bug 7 */
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 1, .term = 2});
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_CANDIDATE);
    cr_assert_eq(rig_status(&rig).term, 3u);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_WRITE, 0)->u.write.vote, 1u);
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER);
    cr_assert_eq(rig_status(&rig).commit, 0u);
    rig_durable(&rig);
    cr_assert_eq(rig_status(&rig).commit, 1u);
    rig_close(&rig);
}

Test(elections, are_not_begun_by_learners)
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    struct dgraft_core *core = dgraft_core_init(malloc(dgraft_core_size(&config)), &config);
    struct dgraft_actions *actions = dgraft_actions_init(malloc(dgraft_actions_size(&config)), &config);
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START};
    event.u.start.membership = (struct dgraft_membership){.voters = 6, .learners = 1};
    cr_assert_eq(dgraft_step(core, &event, actions), DGRAFT_OK);
    cr_assert_eq(actions->wake_at_ns, UINT64_MAX);
    free(core);
    free(actions);
}

Test(elections, keep_time_apart_by_chance)
{
    uint32_t different = 0;
    dgraft_time_ns first = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct rig rig;
        struct dgraft_config config;
        dgraft_config_defaults(&config, 1);
        config.seed = seed;
        rig_open_config(&rig, &(struct rig_start){.voters = 3}, &config);
        const dgraft_time_ns wait = rig.actions->wake_at_ns - rig.now;
        cr_assert_geq(wait, config.election_timeout_ns);
        cr_assert_lt(wait, 2 * config.election_timeout_ns);
        first = seed == 1 ? wait : first;
        different += wait != first ? 1u : 0u;
        rig_close(&rig);
    }
    cr_assert_gt(different, 90u);
}

/* Ids at both ends of their range. */
Test(elections, work_with_node_ids_1_and_64) /* bug 13 */
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, 64);
    struct dgraft_core *core = dgraft_core_init(malloc(dgraft_core_size(&config)), &config);
    struct dgraft_actions *actions = dgraft_actions_init(malloc(dgraft_actions_size(&config)), &config);
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START, .now_ns = 5};
    event.u.start.membership.voters = UINT64_C(1) << 63 | 3;
    cr_assert_eq(dgraft_step(core, &event, actions), DGRAFT_OK);
    event = (struct dgraft_event){.kind = DGRAFT_EVENT_RECEIVE, .now_ns = 5};
    event.u.receive = rig_vote_request(1, 1, 0, 0);
    cr_assert_eq(dgraft_step(core, &event, actions), DGRAFT_OK);
    event = (struct dgraft_event){.kind = DGRAFT_EVENT_DURABLE, .now_ns = 5};
    event.u.durable.seq = 1;
    cr_assert_eq(dgraft_step(core, &event, actions), DGRAFT_OK);
    cr_assert_eq(actions->items[0].u.send.message.type, DGRAFT_MESSAGE_VOTE_GRANT);
    cr_assert_eq(actions->items[0].u.send.receivers, 1u);
    cr_assert_null(dgraft_core_check(core));
    free(core);
    free(actions);
}

/* Every start of three nodes: any log of at most two runs, any current term that allows it. */
Test(elections, succeed_from_any_restored_logs_and_terms) /* L-ELECT; bugs 16, 19, 20 */
{
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct cluster *cluster = calloc(1, sizeof *cluster);
        cluster->random = seed * UINT64_C(0x9e3779b97f4a7c15);
        cluster->count = 3;
        cluster->runs_max = 64;
        cluster->now = 1000 * MS;
        cluster->delay_max = 10 * MS;
        cluster->loss_percent = seed % 2 == 0 ? 20 : 0;
        for (dgraft_node_id id = 1; id <= 3; id++) {
            struct cluster_node *node = &cluster->nodes[id];
            const dgraft_index ones = cluster_random(cluster, 4);
            node->disk_last = ones + cluster_random(cluster, 4);
            dgraft_term term = 1;
            for (dgraft_index i = 1; i <= node->disk_last; i++) {
                term = i <= ones ? 1 : 2 + id; /* a leader of its own: terms that nobody else's entries have */
                node->disk[i] = (struct log_entry){.term = term, .value = term << 32 | i};
            }
            node->disk_term = term + cluster_random(cluster, 8);
        }
        for (dgraft_node_id id = 1; id <= 3; id++) {
            cluster_start(cluster, id);
        }
        for (uint32_t i = 0; i < 60 && cluster_leader(cluster) == 0; i++) {
            cluster_run(cluster, 50 * MS, 60);
        }
        cr_assert_neq(cluster_leader(cluster), 0u, "seed %u", (unsigned)seed);
        cluster_close(cluster);
        free(cluster);
    }
}

Test(elections, do_not_disturb_a_healthy_cluster) /* L-QUIET; bug 17 */
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct cluster *cluster = calloc(1, sizeof *cluster);
        cluster_open(cluster, 3, seed);
        cluster_run(cluster, 1000 * MS, 80);
        const dgraft_node_id leader = cluster_leader(cluster);
        cr_assert_neq(leader, 0u);
        const dgraft_term term = rig_status(&cluster->nodes[leader].rig).term;
        const dgraft_node_id other = leader == 1 ? 2 : 1;
        cluster_isolate(cluster, other);
        cluster_run(cluster, 3000 * MS, 80);
        cr_assert_eq(rig_status(&cluster->nodes[other].rig).term, term, "an isolated node raises no term");
        cluster_heal(cluster);
        cluster_run(cluster, 1000 * MS, 80);
        cr_assert_eq(cluster_leader(cluster), leader);
        cr_assert_eq(rig_status(&cluster->nodes[leader].rig).term, term);
        cluster_close(cluster);
        free(cluster);
    }
}

Test(elections, bring_back_a_node_with_a_newer_term)
{
    struct cluster *cluster = calloc(1, sizeof *cluster);
    cluster_open(cluster, 3, 9);
    cluster_run(cluster, 1000 * MS, 80);
    const dgraft_node_id leader = cluster_leader(cluster);
    const dgraft_node_id other = leader == 1 ? 2 : 1;
    cluster_crash(cluster, other);
    cluster->nodes[other].disk_term = 30;
    cluster->nodes[other].disk_vote = 0;
    cluster_start(cluster, other);
    cluster_run(cluster, 2000 * MS, 80);
    const dgraft_node_id next = cluster_leader(cluster);
    cr_assert_neq(next, 0u);
    cr_assert_gt(rig_status(&cluster->nodes[next].rig).term, 30u);
    for (dgraft_node_id id = 1; id <= 3; id++) {
        cr_assert_eq(rig_status(&cluster->nodes[id].rig).leader, next);
    }
    cluster_close(cluster);
    free(cluster);
}

Test(elections, replace_a_dead_leader_within_a_few_timeouts) /* bug 20 */
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct cluster *cluster = calloc(1, sizeof *cluster);
        cluster_open(cluster, 3, seed);
        cluster_run(cluster, 1000 * MS, 80);
        const dgraft_node_id leader = cluster_leader(cluster);
        cluster_crash(cluster, leader);
        cluster_run(cluster, 5 * 150 * MS, 80);
        cr_assert_neq(cluster_leader(cluster), 0u, "seed %u", (unsigned)seed);
        cluster_close(cluster);
        free(cluster);
    }
}

/* Every way between two of three nodes is cut in turn, both ways or one: with three nodes someone still reaches both.
 */
Test(elections, settle_whatever_single_link_is_cut) /* bug 16 */
{
    for (uint64_t seed = 1; seed <= 36; seed++) {
        struct cluster *cluster = calloc(1, sizeof *cluster);
        cluster_open(cluster, 3, seed);
        cluster_run(cluster, 1000 * MS, 80);
        const dgraft_node_id from = 1 + (dgraft_node_id)(seed % 3);
        const dgraft_node_id to = 1 + (dgraft_node_id)((seed + 1) % 3);
        cluster->cut = UINT64_C(1) << (8 * from + to);
        cluster->cut |= seed % 2 == 0 ? UINT64_C(1) << (8 * to + from) : 0;
        cluster_run(cluster, 1500 * MS, 80); /* room for one change of leader */
        const dgraft_term term = cluster->term_max;
        const uint64_t won = cluster->elections_won;
        cluster_run(cluster, 5000 * MS, 80);
        cr_assert_neq(cluster_leader(cluster), 0u, "seed %u", (unsigned)seed);
        cr_assert_eq(cluster->term_max, term, "seed %u", (unsigned)seed);
        cr_assert_eq(cluster->elections_won, won);
        cluster_close(cluster);
        free(cluster);
    }
}

Test(leaders, without_a_quorum_step_down_after_an_election_timeout)
{
    struct rig rig;
    const struct rig_start start = three(1);
    rig_open(&rig, &start);
    rig_lead_and_commit(&rig);
    const dgraft_time_ns heard = rig.now;
    while (rig_status(&rig).role == DGRAFT_ROLE_LEADER) {
        cr_assert_leq(rig.now, heard + rig.config.election_timeout_ns);
        rig_wake_at(&rig, rig.actions->wake_at_ns);
    }
    cr_assert_eq(rig.now, heard + rig.config.election_timeout_ns);
    cr_assert_eq(rig_status(&rig).leader, 0u);
    cr_assert_eq(rig_status(&rig).term, 3u);
    rig_close(&rig);
}

Test(leaders, that_one_of_two_followers_hears_stay)
{
    struct rig rig;
    const struct rig_start start = three(1);
    rig_open(&rig, &start);
    rig_lead_and_commit(&rig);
    for (uint32_t i = 0; i < 100; i++) {
        rig_wake_at(&rig, rig.actions->wake_at_ns);
        rig_receive(&rig, rig_ack(3, 3, 6, rig_status(&rig).round));
    }
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER);
    rig_close(&rig);
}

Test(leaders, are_deposed_by_a_newer_term_in_any_answer)
{
    struct rig rig;
    const struct rig_start start = three(1);
    rig_open(&rig, &start);
    rig_lead_and_commit(&rig);
    struct dgraft_message refusal = rig_refuse(2, 8, 5, (struct dgraft_position){0, 0}, 1);
    refusal.u.append_refuse.reason = DGRAFT_REFUSE_TERM;
    rig_receive(&rig, refusal);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER);
    cr_assert_eq(rig_status(&rig).term, 8u);
    cr_assert_eq(rig_status(&rig).vote, 0u);
    rig_close(&rig);
}
