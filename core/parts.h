/* What the core's files offer one another. Each function's file is named above its group. */
#ifndef DGRAFT_CORE_PARTS_H
#define DGRAFT_CORE_PARTS_H

#include "state.h"

/* members.c: the membership in force, and the peers that follow from it. */
bool dgraft_core_membership_valid(const struct dgraft_core *core, const struct dgraft_membership *membership);
bool dgraft_core_promotable(const struct dgraft_core *core);
void dgraft_core_peers_build(struct dgraft_core *core, dgraft_node_set anew);
void dgraft_core_members_set(struct dgraft_core *core, const struct dgraft_membership *membership);
void dgraft_core_members_roll_back(struct dgraft_core *core, dgraft_index keep);
bool dgraft_core_members_can_roll_back(const struct dgraft_core *core, dgraft_index keep);
bool dgraft_core_store_foreign(struct step *step, struct peer *peer, const struct dgraft_message *message);

/* change.c */
void dgraft_core_change(struct step *step);
void dgraft_core_change_drop(struct step *step);
void dgraft_core_catch_up(struct dgraft_core *core, struct peer *peer);
void dgraft_core_members_progress(struct step *step);

/* removed.c */
void dgraft_core_departing_add(struct dgraft_core *core);
void dgraft_core_departing_end(struct dgraft_core *core);
void dgraft_core_departing_progress(struct step *step);

/* layout.c */
bool dgraft_core_offsets_valid(const struct dgraft_core *core);

/* start.c */
enum dgraft_status dgraft_core_start(struct step *step);

/* term_runs.c: the newest runs of terms, a ring. Evicting is bounded by `limit`, an index known to be committed. */
void dgraft_core_runs_load(struct dgraft_core *core, const struct dgraft_term_run *runs, uint32_t count);
bool dgraft_core_runs_fit(const struct dgraft_core *core, dgraft_index keep, dgraft_term term, dgraft_index limit);
void dgraft_core_runs_append(struct dgraft_core *core, dgraft_index index, dgraft_term term);
void dgraft_core_runs_truncate(struct dgraft_core *core, dgraft_index keep);
/* Returns the largest index not above `index` whose term is not above `term`; when that is older than the runs, the
 * index before the oldest known one. */
dgraft_index dgraft_core_runs_floor(const struct dgraft_core *core, dgraft_index index, dgraft_term term);
/* Forgets the runs of what lies at or below index. */
void dgraft_core_runs_drop(struct dgraft_core *core, dgraft_index index);
static inline const struct dgraft_term_run *dgraft_core_run(const struct dgraft_core *core, uint32_t nth)
{
    uint32_t at = core->runs_head + nth;
    if (at >= core->config.runs_max) {
        at -= core->config.runs_max;
    }
    return &dgraft_core_runs_const(core)[at];
}

/* write_queue.c: WRITEs under way. */
void dgraft_core_writes_push(struct dgraft_core *core, uint64_t seq);
void dgraft_core_writes_clip(struct dgraft_core *core, dgraft_index keep);
void dgraft_core_writes_done(struct dgraft_core *core, uint64_t seq);
dgraft_time_ns dgraft_core_writes_begun(const struct dgraft_core *core);

/* inflight.c: appends on the way to a peer. */
bool dgraft_core_inflight_room(const struct dgraft_core *core, const struct peer *peer);
void dgraft_core_inflight_push(struct dgraft_core *core, struct peer *peer, dgraft_index last, uint64_t bytes);
void dgraft_core_inflight_free(struct dgraft_core *core, struct peer *peer, dgraft_index match);
void dgraft_core_inflight_reset(struct peer *peer);

/* uncommitted.c: bytes that a leader has proposed and not committed. */
void dgraft_core_bytes_reset(struct dgraft_core *core);
void dgraft_core_bytes_add(struct dgraft_core *core, dgraft_index last, uint64_t bytes);
void dgraft_core_bytes_release(struct dgraft_core *core);

/* quorum.c */
enum quorum_of {
    QUORUM_OF_MATCH = 1,   /* durable index */
    QUORUM_OF_ROUND = 2,   /* round answered */
    QUORUM_OF_ANSWERED = 3 /* time of the newest answer */
};
/* Sorts values in place and returns the largest that a majority reaches. count at least 1. */
uint64_t dgraft_core_majority_value(uint64_t *values, uint32_t count);
/* Returns what a majority of each voter set has reached. */
uint64_t dgraft_core_quorum(const struct dgraft_core *core, enum quorum_of what);

/* timer.c */
dgraft_time_ns dgraft_core_after(const struct dgraft_core *core, dgraft_time_ns duration_ns);
void dgraft_core_election_reset(struct dgraft_core *core);
void dgraft_core_election_extend(struct dgraft_core *core);
dgraft_time_ns dgraft_core_resend_interval(const struct dgraft_core *core);
/* Sees to what is due by now. */
void dgraft_core_timers(struct step *step);
/* The clocks that hardly ever run: transfers, slow disks, who leaves, reads asked of a leader,
 * damage. */
dgraft_time_ns dgraft_core_rare_wake_at(const struct dgraft_core *core);
/* Returns when something will be. */
static inline dgraft_time_ns dgraft_core_wake_at(const struct dgraft_core *core)
{
    const bool leads = core->role == DGRAFT_ROLE_LEADER;
    const dgraft_time_ns at =
        leads ? dgraft_core_min(dgraft_core_min(core->heartbeat_due_ns, core->news_due_ns), core->quorum_check_ns)
              : dgraft_core_min(core->election_deadline_ns, core->resend_at_ns);
    const bool rare = core->transfer.target != 0 || (leads ? core->departing != 0 || core->config.write_stall_ns != 0
                                                           : core->reads_count > 0 || core->repairing);
    return rare ? dgraft_core_min(at, dgraft_core_rare_wake_at(core)) : at;
}

/* role.c */
bool dgraft_core_leader_alive(const struct dgraft_core *core);
void dgraft_core_become_follower(struct step *step);
void dgraft_core_adopt_term(struct step *step, dgraft_term term);
void dgraft_core_become_leader(struct step *step);
/* Begins a leadership's knowledge of a peer. */
void dgraft_core_peer_begin(const struct dgraft_core *core, struct peer *peer);
void dgraft_core_poison(struct step *step);

/* campaign.c */
void dgraft_core_pre_vote_begin(struct step *step);
void dgraft_core_campaign_progress(struct step *step);
void dgraft_core_campaign_begin(struct dgraft_core *core);
bool dgraft_core_may_campaign(const struct dgraft_core *core);

/* Returns a new action, of which the caller assigns the member named by kind, whole: what is not used is not cleared
 * either. How many actions there can be was bounded by the configuration. */
static inline struct dgraft_action *dgraft_core_emit(struct step *step, enum dgraft_action_kind kind)
{
    struct dgraft_actions *out = step->out;
    DGRAFT_CORE_ASSERT(out->count < out->capacity);
    struct dgraft_action *action = &out->items[out->count++];
    action->kind = kind;
    return action;
}

/* emit.c */
/* Returns a new SEND, of which the caller assigns the message's member named by type, whole. */
struct dgraft_action_send *dgraft_core_emit_send(struct step *step, dgraft_node_set receivers,
                                                 enum dgraft_message_type type);

/* finish.c */
void dgraft_core_finish(struct step *step);

/* receive.c and one file per message */
void dgraft_core_receive(struct step *step);
void dgraft_core_recv_pre_vote_request(struct step *step, const struct dgraft_message *message);
void dgraft_core_recv_vote_request(struct step *step, const struct dgraft_message *message);
void dgraft_core_recv_vote_reply(struct step *step, const struct dgraft_message *message);
void dgraft_core_recv_append(struct step *step, const struct dgraft_message *message);
/* Takes all entries of an append after prev, and cuts off what is there, up to there nothing is compared. Returns
 * false, with nothing changed, when that cannot be. */
bool dgraft_core_entries_overwrite(struct step *step, const struct dgraft_append *append);
void dgraft_core_hear_leader(struct step *step, const struct dgraft_message *message, uint64_t round);
bool dgraft_core_answer_counts(struct step *step, struct peer *peer, const struct dgraft_message *message,
                               uint64_t round);
void dgraft_core_recv_ack(struct step *step, struct peer *peer, const struct dgraft_message *message);
void dgraft_core_recv_refuse(struct step *step, struct peer *peer, const struct dgraft_message *message);

/* transfer.c, recv_timeout_now.c */
enum dgraft_status dgraft_core_transfer(struct step *step);
/* Returns the voter heard of late that has most of the log, 0 when there is none. */
dgraft_node_id dgraft_core_transfer_best(const struct dgraft_core *core);
void dgraft_core_transfer_begin(struct step *step, dgraft_node_id target);
void dgraft_core_transfer_progress(struct step *step);
void dgraft_core_recv_timeout_now(struct step *step, const struct dgraft_message *message);

/* lease.c */
void dgraft_core_round_begin(struct dgraft_core *core);
/* Returns until when no other node can have been elected; 0 when that is not known. */
dgraft_time_ns dgraft_core_lease_until(const struct dgraft_core *core);
/* Returns whether this node may have answered a leader, before its start, that reads under a lease now. */
bool dgraft_core_lease_remembered(const struct dgraft_core *core);

/* disk_alarm.c */
void dgraft_core_disk(struct step *step);
bool dgraft_core_disk_ails(const struct dgraft_core *core);
void dgraft_core_disk_watch(struct step *step);
dgraft_time_ns dgraft_core_disk_wake_at(const struct dgraft_core *core);

/* follower_reads.c */
void dgraft_core_follower_reads_progress(struct step *step);
void dgraft_core_recv_read_request(struct step *step, struct peer *peer, const struct dgraft_message *message);
void dgraft_core_recv_read_answer(struct step *step, const struct dgraft_message *message);

/* peer_lag.c */
void dgraft_core_peer_lag_tell(struct step *step);

/* propose.c, reads.c, on_sent.c */
enum dgraft_status dgraft_core_propose(struct step *step);
void dgraft_core_read(struct step *step);
void dgraft_core_reads_progress(struct step *step);
void dgraft_core_reads_drop(struct step *step);
/* Hands over the reads that wait with a round, or token, of at most `confirmed`, oldest first. */
void dgraft_core_reads_answer(struct step *step, uint64_t confirmed, dgraft_index least);
void dgraft_core_reads_ask(struct dgraft_core *core, uint64_t token);
enum dgraft_status dgraft_core_sent(struct step *step);
void dgraft_core_term_found(struct step *step);

/* replicate.c */
bool dgraft_core_peer_prev(const struct dgraft_core *core, const struct peer *peer, struct dgraft_position *prev);
void dgraft_core_replicate(struct step *step);

/* snapshot_send.c: a leader's snapshot, to who needs entries that are compacted. */
bool dgraft_core_needs_snapshot(const struct dgraft_core *core, const struct peer *peer);
void dgraft_core_snapshots_send(struct step *step);
void dgraft_core_recv_snapshot_ack(struct step *step, struct peer *peer, const struct dgraft_message *message);

/* recv_snapshot_chunk.c */
void dgraft_core_recv_snapshot_chunk(struct step *step, const struct dgraft_message *message);
enum dgraft_status dgraft_core_snapshot_stored(struct step *step);
void dgraft_core_snapshot_reply(struct step *step);

/* install.c */
enum dgraft_status dgraft_core_snapshot_received(struct step *step);

/* compact.c */
enum dgraft_status dgraft_core_snapshot_made(struct step *step);
void dgraft_core_compact(struct step *step);

/* repair.c: what a node does whose entries are damaged. */
bool dgraft_core_damage_valid(const struct dgraft_event_start *start);
void dgraft_core_repair_start(struct dgraft_core *core, const struct dgraft_event_start *start);
void dgraft_core_damaged(struct step *step);
/* Returns whether an append is to be refused as ever; when not, it has been answered. */
bool dgraft_core_repair_admits(struct step *step, const struct dgraft_append *append);
/* Takes entries of the leader's that are to take the place of damage which its log contradicts. Returns false when the
 * answer is not about that. */
bool dgraft_core_repair_overwrites(struct step *step, const struct dgraft_message *message);
/* The leader of this term does not hold the damage's anchor: that is a proof as well. */
void dgraft_core_repair_not_held(struct dgraft_core *core, const struct dgraft_fetch_answer *answer);
/* A snapshot that holds damaged entries is durable. */
void dgraft_core_repair_snapshot(struct dgraft_core *core);
/* At the end of a step, behind the WRITE. */
void dgraft_core_repair_progress(struct step *step);
dgraft_time_ns dgraft_core_repair_wake_at(const struct dgraft_core *core);

/* recv_fetch.c, recv_fetch_answer.c */
void dgraft_core_recv_fetch(struct step *step, struct peer *peer, const struct dgraft_message *message);
void dgraft_core_recv_fetch_answer(struct step *step, const struct dgraft_message *message);

/* core_check_snapshot.c */
const char *dgraft_core_check_snapshot(const struct dgraft_core *core);
const char *dgraft_core_check_snapshot_step(const struct dgraft_core *before, const struct dgraft_core *after);
const char *dgraft_core_check_install(const struct dgraft_core *before, const struct dgraft_core *after,
                                      const struct dgraft_event *event, const struct dgraft_action_install *install);
const char *dgraft_core_check_compact(const struct dgraft_core *before, const struct dgraft_core *after,
                                      const struct dgraft_action_compact *compact);
const char *dgraft_core_check_chunk(const struct dgraft_core *after, const struct dgraft_action_send *send);

/* commit.c */
/* Sees to it that idle followers learn the commit index soon. */
void dgraft_core_news(struct dgraft_core *core);
void dgraft_core_commit_advance(struct step *step);

#endif
