/* One core and a host that does nothing by itself: tests feed events and look at the actions. Every step is followed by
 * the checks of rule C11, and a broken one ends the test.
 */
#ifndef DGRAFT_TEST_CORE_RIG_H
#define DGRAFT_TEST_CORE_RIG_H

#include <dgraft/core.h>

#define MS UINT64_C(1000000)

struct rig {
    struct dgraft_config config;
    struct dgraft_core *core;
    struct dgraft_core *before;
    struct dgraft_actions *actions;
    dgraft_time_ns now;
    uint64_t written; /* newest seq seen */
    enum dgraft_status status;
};

/* A node of voters 1 to `count`, log of `last.index` entries as `runs` say, all else zero. */
struct rig_start {
    dgraft_node_id self;
    uint32_t voters; /* 1 to this id */
    dgraft_term term;
    dgraft_node_id vote;
    dgraft_index last;
    dgraft_index commit;
    struct dgraft_term_run runs[16];
    uint32_t run_count;
    uint64_t store;
    bool joins;                          /* knows of no membership */
    struct dgraft_membership membership; /* instead of `voters`, when it has any */
    struct dgraft_membership before;
    struct dgraft_damage damage[4];
    uint32_t damage_count;
    dgraft_index applied;
};

/* Makes the core and steps START; the log is durable and nothing is applied. */
void rig_open(struct rig *rig, const struct rig_start *start);
/* The same with a config of one's own: self and voters of `start` count. */
void rig_open_config(struct rig *rig, const struct rig_start *start, const struct dgraft_config *config);
void rig_close(struct rig *rig);

/* Fills the places of actions with what no field means: a field that a step forgets to assign is then seen. Every step
 * of a rig begins so. */
void rig_spoil(struct dgraft_actions *actions);
/* Steps an event at rig->now; the status must be OK. */
void rig_step(struct rig *rig, struct dgraft_event event);
/* Steps an event that may be refused; returns the status. */
enum dgraft_status rig_try(struct rig *rig, struct dgraft_event event);
void rig_wake_at(struct rig *rig, dgraft_time_ns now);
void rig_receive(struct rig *rig, struct dgraft_message message);
/* DURABLE of all that was written so far. */
void rig_durable(struct rig *rig);
void rig_propose(struct rig *rig, uint32_t count, uint32_t payload_bytes);
/* Asks for these members, and returns the outcome; 0 when there is none yet. */
enum dgraft_outcome rig_change(struct rig *rig, struct dgraft_membership target);
/* SENT for every SEND of entries among the actions of the last step, all of it gone out. Actions are replaced. */
void rig_sent_all(struct rig *rig);

/* The nth (from 0) action of a kind among those of the last step, or NULL. */
const struct dgraft_action *rig_action(const struct rig *rig, enum dgraft_action_kind kind, uint32_t nth);
/* The first SEND of this type that names this receiver (0: anyone), or NULL. */
const struct dgraft_action_send *rig_sent(const struct rig *rig, enum dgraft_message_type type, dgraft_node_id to);
uint32_t rig_count(const struct rig *rig, enum dgraft_action_kind kind);
struct dgraft_core_status rig_status(const struct rig *rig);

/* Messages. */
struct dgraft_message rig_vote_request(dgraft_node_id from, dgraft_term term, dgraft_index last, dgraft_term last_term);
struct dgraft_message rig_pre_vote_request(dgraft_node_id from, dgraft_term term, dgraft_index last,
                                           dgraft_term last_term);
struct dgraft_message rig_vote_reply(enum dgraft_message_type type, dgraft_node_id from, dgraft_term frame_term,
                                     dgraft_term term);
/* An append of `count` entries of one term. `entries` has room for them. */
struct dgraft_message rig_append(dgraft_node_id from, dgraft_term term, struct dgraft_position prev,
                                 struct dgraft_entry *entries, uint32_t count, dgraft_term entry_term);
struct dgraft_message rig_ack(dgraft_node_id from, dgraft_term term, dgraft_index match, uint64_t round);
struct dgraft_message rig_refuse(dgraft_node_id from, dgraft_term term, dgraft_index prev, struct dgraft_position hint,
                                 uint64_t round);

/* An append that makes entry prev + 1 a membership: its index is filled in. */
struct dgraft_message rig_append_membership(dgraft_node_id from, dgraft_term term, struct dgraft_position prev,
                                            struct dgraft_entry *entry, struct dgraft_membership *membership);

/* Brings an open rig to leadership: grants of all other voters; its NOOP is durable afterwards and, when
 * `followers_ack`, committed. */
void rig_lead(struct rig *rig);
void rig_lead_and_commit(struct rig *rig);

#endif
