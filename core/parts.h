/* What the core's files offer one another. Each function's file is named above its group. */
#ifndef DGRAFT_CORE_PARTS_H
#define DGRAFT_CORE_PARTS_H

#include "state.h"

/* layout.c */
void dgraft_core_peers_build(struct dgraft_core *core);
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
static inline const struct dgraft_term_run *dgraft_core_run(const struct dgraft_core *core, uint32_t nth)
{
    uint32_t at = core->runs_head + nth;
    if (at >= core->config.runs_max) {
        at -= core->config.runs_max;
    }
    return &dgraft_core_runs_const(core)[at];
}

/* write_queue.c: WRITEs under way. */
void dgraft_core_writes_push(struct dgraft_core *core);
void dgraft_core_writes_clip(struct dgraft_core *core, dgraft_index keep);
void dgraft_core_writes_done(struct dgraft_core *core, uint64_t seq);

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
void dgraft_core_timers(struct step *step);
dgraft_time_ns dgraft_core_wake_at(const struct dgraft_core *core);

/* role.c */
bool dgraft_core_promotable(const struct dgraft_core *core);
bool dgraft_core_leader_alive(const struct dgraft_core *core);
void dgraft_core_become_follower(struct step *step);
void dgraft_core_adopt_term(struct step *step, dgraft_term term);
void dgraft_core_become_leader(struct step *step);
void dgraft_core_poison(struct step *step);

/* campaign.c */
void dgraft_core_pre_vote_begin(struct step *step);
void dgraft_core_campaign_progress(struct step *step);

/* emit.c */
struct dgraft_action *dgraft_core_emit(struct step *step, enum dgraft_action_kind kind);
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
void dgraft_core_recv_ack(struct step *step, struct peer *peer, const struct dgraft_message *message);
void dgraft_core_recv_refuse(struct step *step, struct peer *peer, const struct dgraft_message *message);

/* propose.c, reads.c, on_sent.c */
enum dgraft_status dgraft_core_propose(struct step *step);
void dgraft_core_read(struct step *step);
void dgraft_core_reads_progress(struct step *step);
void dgraft_core_reads_drop(struct step *step);
enum dgraft_status dgraft_core_sent(struct step *step);
void dgraft_core_term_found(struct step *step);

/* replicate.c */
bool dgraft_core_peer_prev(const struct dgraft_core *core, const struct peer *peer, struct dgraft_position *prev);
void dgraft_core_replicate(struct step *step);

/* commit.c */
/* Sees to it that idle followers learn the commit index soon. */
void dgraft_core_news(struct dgraft_core *core);
void dgraft_core_commit_advance(struct step *step);

#endif
