/* Reads without the log [§6.4]: a leader answers with the commit index it had when the read arrived, once a quorum has
 * answered a round of heartbeats that began after that (so that no newer leader had been at work), and once an entry of
 * its own term is committed (so that it knew what was). All reads that wait go with one round. Under a lease (lease.c)
 * it answers at once. A follower asks its leader (follower_reads.c).
 */
#include "parts.h"

static struct waiting_read *read_at(struct dgraft_core *core, uint32_t nth)
{
    uint32_t at = core->reads_head + nth;
    if (at >= core->config.reads_max) {
        at -= core->config.reads_max;
    }
    return &dgraft_core_reads(core)[at];
}

static void read_pop(struct dgraft_core *core)
{
    core->reads_head = core->reads_head + 1 == core->config.reads_max ? 0 : core->reads_head + 1;
    core->reads_count--;
}

static void refuse(struct step *step, uint64_t id, enum dgraft_outcome why)
{
    dgraft_core_emit(step, DGRAFT_ACTION_OUTCOME)->u.outcome = (struct dgraft_action_outcome){
        .outcome = why, .of = DGRAFT_OUTCOME_OF_READ, .leader = step->core->leader, .id = id};
}

static void take(struct dgraft_core *core, struct waiting_read read)
{
    core->reads_count++;
    *read_at(core, core->reads_count - 1) = read;
}

/* A read at the leader: at once under a lease, otherwise with the next round. */
static void take_as_leader(struct step *step, uint64_t id)
{
    struct dgraft_core *core = step->core;
    const dgraft_time_ns lease_until_ns = dgraft_core_lease_until(core);
    if (core->now_ns < lease_until_ns && core->commit >= core->term_start) {
        dgraft_core_emit(step, DGRAFT_ACTION_READ_READY)->u.read_ready =
            (struct dgraft_action_read_ready){.id = id, .index = core->commit, .lease_until_ns = lease_until_ns};
        return;
    }
    /* Everything that earlier leaders committed lies below this leader's first entry. */
    const dgraft_index index = dgraft_core_max(core->commit, core->term_start);
    take(core, (struct waiting_read){.id = id, .index = index, .round = core->round + 1});
    step->consider_reads = true;
}

/* READ: takes the read up, or says why not. */
void dgraft_core_read(struct step *step)
{
    struct dgraft_core *core = step->core;
    const uint64_t id = step->event->u.read.id;
    if (core->poisoned || core->repairing) {
        refuse(step, id, DGRAFT_OUTCOME_DISK);
    } else if (core->leader == 0) {
        refuse(step, id, DGRAFT_OUTCOME_NOT_LEADER);
    } else if (core->reads_count == core->config.reads_max) {
        refuse(step, id, DGRAFT_OUTCOME_BUSY);
    } else if (core->role == DGRAFT_ROLE_LEADER) {
        take_as_leader(step, id);
    } else {
        take(core, (struct waiting_read){.id = id, .index = 0, .round = DGRAFT_CORE_NOT_ASKED});
    }
}

void dgraft_core_reads_answer(struct step *step, uint64_t confirmed, dgraft_index least)
{
    struct dgraft_core *core = step->core;
    while (core->reads_count > 0 && read_at(core, 0)->round <= confirmed) {
        const struct waiting_read *read = read_at(core, 0);
        dgraft_core_emit(step, DGRAFT_ACTION_READ_READY)->u.read_ready =
            (struct dgraft_action_read_ready){.id = read->id, .index = dgraft_core_max(read->index, least)};
        read_pop(core);
    }
}

/* Answers the followers whose round is confirmed. */
static void remote_answer(struct step *step, uint64_t confirmed)
{
    struct dgraft_core *core = step->core;
    for (uint32_t i = 0; i < core->peer_count && core->remote_reads > 0; i++) {
        struct peer *peer = &core->peers[i];
        if (peer->read_token == 0 || peer->read_round > confirmed) {
            continue;
        }
        struct dgraft_action_send *send =
            dgraft_core_emit_send(step, dgraft_node_set_of(peer->id), DGRAFT_MESSAGE_READ_ANSWER);
        send->message.u.read_answer = (struct dgraft_read_answer){.token = peer->read_token, .index = peer->read_index};
        peer->read_token = 0;
        core->remote_reads--;
    }
}

/* Returns the oldest round that a read waits for; NOT_ASKED when none waits. */
static uint64_t oldest_round(struct dgraft_core *core)
{
    uint64_t oldest = core->reads_count > 0 ? read_at(core, 0)->round : DGRAFT_CORE_NOT_ASKED;
    for (uint32_t i = 0; i < core->peer_count && core->remote_reads > 0; i++) {
        if (core->peers[i].read_token != 0 && core->peers[i].read_round < oldest) {
            oldest = core->peers[i].read_round;
        }
    }
    return oldest;
}

/* Answers the reads whose round a quorum has answered, and begins the next round when none of those left is under way.
 */
void dgraft_core_reads_progress(struct step *step)
{
    struct dgraft_core *core = step->core;
    if (core->commit >= core->term_start) {
        const uint64_t confirmed = dgraft_core_quorum(core, QUORUM_OF_ROUND);
        dgraft_core_reads_answer(step, confirmed, 0);
        remote_answer(step, confirmed);
    }
    const uint64_t oldest = oldest_round(core);
    if (oldest == DGRAFT_CORE_NOT_ASKED || oldest <= core->round || step->broadcast) {
        return;
    }
    if (dgraft_core_decides(core, dgraft_node_set_of(core->config.self))) {
        dgraft_core_round_begin(core); /* nobody else to ask */
        dgraft_core_reads_progress(step);
        return;
    }
    step->broadcast = true;
}

/* No read that waits will be answered: leadership is lost, or the leader they were meant for. */
void dgraft_core_reads_drop(struct step *step)
{
    struct dgraft_core *core = step->core;
    while (core->reads_count > 0) {
        refuse(step, read_at(core, 0)->id, core->poisoned ? DGRAFT_OUTCOME_DISK : DGRAFT_OUTCOME_NOT_LEADER);
        read_pop(core);
    }
}

/* Gives the reads that are not asked for yet the token of the next request. */
void dgraft_core_reads_ask(struct dgraft_core *core, uint64_t token)
{
    for (uint32_t i = 0; i < core->reads_count; i++) {
        struct waiting_read *read = read_at(core, i);
        if (read->round == DGRAFT_CORE_NOT_ASKED) {
            read->round = token;
        }
    }
}
