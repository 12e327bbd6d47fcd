#include "core_rig.h"

#include <criterion/criterion.h>

#define STALL (400 * MS)

static void open_leader(struct rig *rig, uint32_t voters)
{
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.write_stall_ns = STALL;
    rig_open_config(rig, &(struct rig_start){.voters = voters, .term = 2}, &config);
    rig_lead_and_commit(rig);
}

static void disk(struct rig *rig, bool full)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_DISK};
    event.u.disk.full = full;
    rig_step(rig, event);
}

static void ack_all(struct rig *rig, uint32_t voters, dgraft_index match)
{
    for (uint32_t id = 2; id <= voters; id++) {
        if (rig_status(rig).role == DGRAFT_ROLE_LEADER) {
            rig_receive(rig, rig_ack(id, 3, match, rig_status(rig).round));
        }
    }
}

static bool noticed(const struct rig *rig, uint64_t after)
{
    for (uint32_t i = 0; i < rig_count(rig, DGRAFT_ACTION_NOTICE); i++) {
        const struct dgraft_action_notice *notice = &rig_action(rig, DGRAFT_ACTION_NOTICE, i)->u.notice;
        if (notice->kind == DGRAFT_NOTICE_DISK) {
            return notice->after == after && notice->before == 1 - after;
        }
    }
    return false;
}

Test(full_disks, make_a_leader_hand_over)
{
    struct rig rig;
    open_leader(&rig, 3);
    disk(&rig, true);
    cr_assert(noticed(&rig, 1));
    cr_assert_not_null(rig_sent(&rig, DGRAFT_MESSAGE_TIMEOUT_NOW, 0));
    cr_assert_eq(rig_count(&rig, DGRAFT_ACTION_OUTCOME), 0u, "the host did not ask");
    disk(&rig, false);
    cr_assert(noticed(&rig, 0));
    rig_close(&rig);
}

Test(full_disks, make_a_leader_resign_when_nobody_takes_over)
{
    struct rig rig;
    open_leader(&rig, 3);
    const dgraft_time_ns begun = rig.now;
    disk(&rig, true);
    while (rig_status(&rig).role == DGRAFT_ROLE_LEADER) {
        cr_assert_leq(rig.now, begun + rig.config.election_timeout_ns);
        rig_wake_at(&rig, rig.actions->wake_at_ns);
        ack_all(&rig, 3, 1);
    }
    for (uint32_t i = 0; i < 10; i++) {
        rig_wake_at(&rig, rig.actions->wake_at_ns);
        cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_FOLLOWER, "it does not campaign either");
    }
    disk(&rig, false);
    rig_wake_at(&rig, rig.actions->wake_at_ns);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_PRE_CANDIDATE);
    rig_close(&rig);
}

Test(full_disks, leave_the_only_voter_in_office)
{
    struct rig rig;
    open_leader(&rig, 1);
    disk(&rig, true);
    rig_wake_at(&rig, rig.now + 10 * rig.config.election_timeout_ns);
    cr_assert_eq(rig_status(&rig).role, DGRAFT_ROLE_LEADER);
    cr_assert(rig_status(&rig).disk_alarm);
    rig_close(&rig);
}

Test(stalled_disks, make_a_leader_hand_over_in_time)
{
    struct rig rig;
    open_leader(&rig, 3);
    rig_propose(&rig, 1, 10);
    const dgraft_time_ns begun = rig.now;
    rig_sent_all(&rig);
    ack_all(&rig, 3, 2);
    while (!rig_status(&rig).disk_alarm) {
        cr_assert_lt(rig.now, begun + STALL);
        rig_wake_at(&rig, rig.actions->wake_at_ns);
        const bool sent = rig_sent(&rig, DGRAFT_MESSAGE_TIMEOUT_NOW, 0) != NULL;
        cr_assert_eq(sent, rig_status(&rig).disk_alarm);
        if (!sent) {
            ack_all(&rig, 3, 2);
        }
    }
    cr_assert_eq(rig.now, begun + STALL);
    rig_durable(&rig);
    cr_assert(noticed(&rig, 0));
    rig_close(&rig);
}

Test(lag, is_told_when_it_begins_and_when_it_is_over)
{
    struct rig rig;
    struct dgraft_config config;
    dgraft_config_defaults(&config, 1);
    config.lag_notice_entries = 10;
    rig_open_config(&rig, &(struct rig_start){.voters = 3, .term = 2}, &config);
    rig_lead_and_commit(&rig);
    uint32_t told = 0;
    for (uint32_t round = 0; round < 8; round++) {
        rig_propose(&rig, 3, 10);
        rig_sent_all(&rig);
        rig_durable(&rig);
        rig_receive(&rig, rig_ack(2, 3, rig_status(&rig).last.index, rig_status(&rig).round));
        rig_wake_at(&rig, rig.now + config.heartbeat_interval_ns);
        for (uint32_t i = 0; i < rig_count(&rig, DGRAFT_ACTION_NOTICE); i++) {
            const struct dgraft_action_notice *notice = &rig_action(&rig, DGRAFT_ACTION_NOTICE, i)->u.notice;
            if (notice->kind == DGRAFT_NOTICE_PEER_LAG) {
                told++;
                cr_assert_eq(notice->peer, 3u);
                cr_assert_eq(notice->before, 0u);
                cr_assert_geq(notice->after, 10u);
            }
        }
        rig_receive(&rig, rig_ack(3, 3, 1, rig_status(&rig).round)); /* alive, and stuck */
    }
    cr_assert_eq(told, 1u);
    rig_receive(&rig, rig_ack(3, 3, rig_status(&rig).last.index, rig_status(&rig).round));
    rig_wake_at(&rig, rig.now + config.heartbeat_interval_ns);
    told = 0;
    for (uint32_t i = 0; i < rig_count(&rig, DGRAFT_ACTION_NOTICE); i++) {
        const struct dgraft_action_notice *notice = &rig_action(&rig, DGRAFT_ACTION_NOTICE, i)->u.notice;
        told += notice->kind == DGRAFT_NOTICE_PEER_LAG && notice->after == 0 ? 1u : 0u;
    }
    cr_assert_eq(told, 1u);
    rig_close(&rig);
}
