#include "core_rig.h"

#include <criterion/criterion.h>

#define DRIFT_PPM 100000u /* a tenth */

static void open_leader(struct rig *rig, uint32_t voters)
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.lease_drift_ppm = DRIFT_PPM;
    rig_open_config(rig, &(struct rig_start){.voters = voters, .term = 2}, &config);
    rig_lead_and_commit(rig);
}

static void read_id(struct rig *rig, uint64_t id)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_READ};
    event.u.read.id = id;
    rig_step(rig, event);
}

/* Begins a round of heartbeats; returns when. */
static dgraft_time_ns beat(struct rig *rig)
{
    const uint64_t round = rig_status(rig).round;
    rig_wake_at(rig, rig->now + rig->config.heartbeat_interval_ns);
    cr_assert_eq(rig_status(rig).round, round + 1);
    return rig->now;
}

static void ack(struct rig *rig, dgraft_node_id from)
{
    rig_receive(rig, rig_ack(from, 3, 1, rig_status(rig).round));
}

Test(leases, run_from_when_the_round_was_sent_not_from_when_it_was_answered) /* bug 28 */
{
    struct rig rig;
    open_leader(&rig, 3);
    const dgraft_time_ns sent = beat(&rig);
    rig.now += 20 * MS;
    ack(&rig, 2);
    const dgraft_time_ns until = sent + rig.config.election_timeout_ns * 9 / 10;
    cr_assert_eq(rig_status(&rig).lease_until_ns, until);
    read_id(&rig, 5);
    const struct dgraft_action_read_ready *ready = &rig_action(&rig, DGRAFT_ACTION_READ_READY, 0)->u.read_ready;
    cr_assert_eq(ready->id, 5u);
    cr_assert_eq(ready->index, 1u);
    cr_assert_eq(ready->lease_until_ns, until);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_SEND), 0u, "nobody is asked");
    rig_close(&rig);
}

Test(leases, end_and_reads_then_take_a_round)
{
    struct rig rig;
    open_leader(&rig, 3);
    beat(&rig);
    ack(&rig, 2);
    rig.now = rig_status(&rig).lease_until_ns;
    read_id(&rig, 5);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 0u);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_APPEND, 2));
    ack(&rig, 3);
    cr_assert_eq(rig_action(&rig, DGRAFT_ACTION_READ_READY, 0)->u.read_ready.lease_until_ns, 0u);
    rig_close(&rig);
}

Test(leases, need_a_majority)
{
    struct rig rig;
    open_leader(&rig, 5);
    const dgraft_time_ns before = rig_status(&rig).lease_until_ns;
    beat(&rig);
    ack(&rig, 2);
    cr_assert_eq(rig_status(&rig).lease_until_ns, before, "two of five extend nothing");
    ack(&rig, 4);
    cr_assert_gt(rig_status(&rig).lease_until_ns, before);
    rig_close(&rig);
}

Test(leases, are_none_before_a_commit_in_the_own_term) /* bug 86 */
{
    struct rig rig;
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.lease_drift_ppm = DRIFT_PPM;
    rig_open_config(&rig, &(struct rig_start){.voters = 3, .term = 2}, &config);
    rig_lead(&rig);
    rig_receive(&rig, rig_ack(2, 3, 0, rig_status(&rig).round));
    cr_assert_gt(rig_status(&rig).lease_until_ns, rig.now);
    read_id(&rig, 5);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 0u);
    rig_close(&rig);
}

Test(leases, are_none_after_timeout_now_in_the_term)
{
    struct rig rig;
    open_leader(&rig, 3);
    beat(&rig);
    ack(&rig, 2);
    struct dgraft_event event = {.kind = DGRAFT_EVENT_TRANSFER};
    event.u.transfer.target = 2;
    rig_step(&rig, event);
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_TIMEOUT_NOW, 2));
    cr_assert_eq(rig_status(&rig).lease_until_ns, 0u);
    for (uint32_t i = 0; i < 8; i++) { /* the transfer expires, and nothing brings the lease back */
        beat(&rig);
        ack(&rig, 2);
        ack(&rig, 3);
    }
    cr_assert_eq(rig_status(&rig).transfer_target, 0u);
    cr_assert_eq(rig_status(&rig).lease_until_ns, 0u);
    rig_close(&rig);
}

Test(leases, are_off_by_default)
{
    struct rig rig;
    rig_open(&rig, &(struct rig_start){.self = 1, .voters = 3, .term = 2});
    rig_lead_and_commit(&rig);
    beat(&rig);
    ack(&rig, 2);
    cr_assert_eq(rig_status(&rig).lease_until_ns, 0u);
    read_id(&rig, 5);
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_READ_READY), 0u);
    rig_close(&rig);
}

Test(restarted_nodes, refuse_votes_for_one_election_timeout_when_there_are_leases)
{
    for (uint32_t ppm = 0; ppm <= DRIFT_PPM; ppm += DRIFT_PPM) {
        struct rig rig;
        struct dgraft_config config;
        dgraft_config_defaults(&config, 1);
        config.lease_drift_ppm = ppm;
        rig_open_config(&rig, &(struct rig_start){.voters = 3, .term = 2}, &config);
        rig.now += config.election_timeout_ns - 1;
        rig_receive(&rig, rig_vote_request(2, 3, 0, 0));
        cr_assert_eq(rig_status(&rig).vote, ppm == 0 ? 2u : 0u);
        if (ppm != 0) {
            cr_assert_eq(rig_sent(&rig, DGRAFT_MESSAGE_VOTE_REFUSE, 2)->message.u.vote_reply.reason,
                         DGRAFT_REFUSE_LEADER_ALIVE);
            rig.now += 1;
            rig_receive(&rig, rig_vote_request(2, 3, 0, 0));
            cr_assert_eq(rig_status(&rig).vote, 2u);
        }
        rig_close(&rig);
    }
}
