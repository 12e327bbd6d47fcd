/* The rules that hold between any two steps (rule C11), each in a sentence. The host asks; dgraft_step never does. */
#include "parts.h"

static const char *check_state(const struct dgraft_core *core)
{
    if (core->durable_term > core->written_term) {
        return "the durable term is at most the one written";
    }
    if (!core->poisoned && (core->written_term != core->term || core->written_vote != core->vote)) {
        return "between steps the newest WRITE says the current term and vote";
    }
    if (core->vote != 0 && !dgraft_node_id_valid(core->vote)) {
        return "a vote is for a node id, or for nobody";
    }
    if (core->durable_seq > core->write_seq) {
        return "only what was written is durable";
    }
    return NULL;
}

static const char *check_order(const struct dgraft_core *core)
{
    if (core->applied > core->apply_sent) {
        return "only what was handed over is applied";
    }
    if (core->apply_sent > core->commit) {
        return "only what is committed is applied";
    }
    if (core->apply_sent > core->durable) {
        return "only what is durable here is applied";
    }
    if (core->commit > core->last.index) {
        return "commit is at most the last index";
    }
    if (core->durable > core->last.index || core->verified > core->last.index) {
        return "what is durable or verified is in the log";
    }
    if (core->last.term > core->term) {
        return "no entry is of a later term than the current one";
    }
    return NULL;
}

static const char *check_runs(const struct dgraft_core *core)
{
    struct dgraft_term_run before = {.first = core->compacted.index, .term = 0};
    dgraft_term least = 0;
    for (uint32_t i = 0; i < core->runs_count; i++) {
        const struct dgraft_term_run run = *dgraft_core_run(core, i);
        const bool unknown = run.term == 0 && core->repairing; /* it is damaged */
        const bool again = i > 0 && run.term == before.term;
        if (run.first <= before.first || again || (!unknown && (run.term == 0 || run.term < least))) {
            return "runs of terms ascend in index and term";
        }
        least = dgraft_core_max(least, run.term);
        before = run;
    }
    if (core->runs_count == 0) {
        return dgraft_position_equal(core->last, core->compacted) ? NULL : "a log without runs is empty";
    }
    if (before.first > core->last.index || before.term != core->last.term) {
        return "the newest run ends the log";
    }
    if (dgraft_core_run(core, 0)->first > core->commit + 1) {
        return "the term of every uncommitted entry is known";
    }
    return NULL;
}

static const char *check_repair(const struct dgraft_core *core)
{
    dgraft_index behind = core->compacted.index;
    if (!core->repairing) {
        return core->damage_count != 0 || core->mending ? "damage is known to a node that repairs" : NULL;
    }
    if (core->role != DGRAFT_ROLE_FOLLOWER) {
        return "a node whose entries are damaged neither campaigns nor leads";
    }
    if (core->durable > core->intact) {
        return "nothing behind damage is acknowledged or applied";
    }
    for (uint32_t i = 0; i < core->damage_count; i++) {
        const struct dgraft_damage *damage = &core->damage[i].damage;
        if (damage->first <= behind || damage->last < damage->first || damage->last > core->last.index ||
            damage->anchor.index < damage->last || damage->anchor.index > core->last.index) {
            return "damage lies in the log, one stretch behind the other";
        }
        behind = damage->last;
    }
    return core->fetch_nth != 0 && core->fetch_nth >= core->damage_count ? "what is asked for is damaged" : NULL;
}

static const char *check_writes(const struct dgraft_core *core)
{
    uint64_t seq = core->durable_seq;
    dgraft_term term = core->durable_term;
    for (uint32_t i = 0; i < core->writes_count; i++) {
        const struct pending_write *write = &core->writes[(core->writes_head + i) % DGRAFT_CORE_WRITES];
        if (write->seq <= seq || write->term < term || write->last > core->last.index) {
            return "writes under way ascend in number and term, and end within the log";
        }
        seq = write->seq;
        term = write->term;
    }
    return core->writes_count == 0 && core->durable_seq != core->write_seq
               ? "every write that is not durable is under way"
               : NULL;
}

static const char *check_role(const struct dgraft_core *core)
{
    const bool leads = core->role == DGRAFT_ROLE_LEADER;
    if (leads != (core->leader == core->config.self)) {
        return "a node follows itself exactly when it leads";
    }
    if (core->role != DGRAFT_ROLE_FOLLOWER && !dgraft_core_promotable(core) &&
        !(leads && !core->poisoned && (core->membership.index > core->term_start || core->leaving_round != 0))) {
        return "only a sound voter campaigns, and leads but for its own removal";
    }
    if ((leads || core->role == DGRAFT_ROLE_CANDIDATE) && core->vote != core->config.self) {
        return "a candidate or leader has its own vote";
    }
    if (!leads && core->change_pending) {
        return "changes wait at a leader only";
    }
    if (core->reads_count != 0 && core->leader == 0) {
        return "reads wait where a leader is known";
    }
    if (core->role == DGRAFT_ROLE_CANDIDATE && core->leader != 0) {
        return "a candidate follows nobody";
    }
    return NULL;
}

/* I-CFG, as far as one core can see it. */
static const char *check_members(const struct dgraft_core *core)
{
    const dgraft_node_set all = dgraft_membership_all(&core->membership);
    const dgraft_node_set others = (all | core->departing) & ~dgraft_node_set_of(core->config.self);
    dgraft_node_set peers = 0;
    if (all != 0 && !dgraft_core_membership_valid(core, &core->membership)) {
        return "a membership has a voter, and each of its learners is no voter";
    }
    if (core->membership.index > core->last.index) {
        return "the membership in force is that of an entry of the log";
    }
    if (core->before.voters != 0 && core->before.index >= core->membership.index) {
        return "the membership before is that of an older entry";
    }
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer *peer = &core->peers[i];
        if ((i > 0 && peer->id <= core->peers[i - 1].id) || core->slot_of[peer->id] != i + 1) {
            return "peers have slots in the order of their ids";
        }
        peers |= dgraft_node_set_of(peer->id);
    }
    if (peers != others) {
        return "peers are the other members, and those who are being told that they are none";
    }
    if ((core->departing & all) != 0 || (core->departing != 0 && core->role != DGRAFT_ROLE_LEADER)) {
        return "a leader tells those of their removal who are no members";
    }
    return NULL;
}

static const char *check_peer(const struct dgraft_core *core, const struct peer *peer)
{
    const struct sent_append *ring = dgraft_core_ring_const(core, peer);
    uint64_t bytes = 0;
    if (peer->match >= peer->next) {
        return "match is below next";
    }
    if (peer->match > core->last.index || peer->next > core->last.index + 1) {
        return "no peer matches, or is sent, what the leader does not have";
    }
    if (peer->inflight_count > core->config.inflight_max) {
        return "a window holds at most inflight_max appends";
    }
    for (uint32_t i = 0; i < peer->inflight_count; i++) {
        bytes += ring[(peer->inflight_head + i) % core->config.inflight_max].bytes;
    }
    if (bytes != peer->inflight_bytes) {
        return "a window's bytes are those of its appends";
    }
    return peer->acked_round > core->round ? "no round is answered before it began" : NULL;
}

static const char *check_leader(const struct dgraft_core *core)
{
    if (!dgraft_core_state_durable(core)) {
        return "a leader's term and vote are durable";
    }
    if (core->last.term != core->term || core->last.index < core->term_start ||
        (core->term_start > core->compacted.index && dgraft_core_term_at(core, core->term_start) != core->term)) {
        return "a leader's log ends with its own term";
    }
    if (core->commit >= core->term_start && core->commit >= core->membership.index &&
        dgraft_core_quorum(core, QUORUM_OF_MATCH) < core->commit) {
        return "what a leader committed, a majority holds durably";
    }
    if (core->before.voters != 0 && core->membership.index > core->term_start && core->before.index > core->commit) {
        return "at most one membership of a leader's log is uncommitted";
    }
    if (core->change_pending && core->change_index > core->membership.index) {
        return "a change waits for an entry of the log";
    }
    if (core->commit == core->last.index && core->bytes_proposed != core->bytes_committed) {
        return "when all is committed, no bytes are uncommitted";
    }
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const char *broken = check_peer(core, &core->peers[i]);
        if (broken != NULL) {
            return broken;
        }
    }
    return NULL;
}

const char *dgraft_core_check(const struct dgraft_core *core)
{
    if (!core->started) {
        return NULL;
    }
    const char *broken = check_state(core);
    broken = broken != NULL ? broken : check_order(core);
    broken = broken != NULL ? broken : dgraft_core_check_snapshot(core);
    broken = broken != NULL ? broken : check_runs(core);
    broken = broken != NULL ? broken : check_repair(core);
    broken = broken != NULL ? broken : check_writes(core);
    broken = broken != NULL ? broken : check_role(core);
    broken = broken != NULL ? broken : check_members(core);
    if (broken == NULL && core->role == DGRAFT_ROLE_LEADER) {
        broken = check_leader(core);
    }
    return broken;
}
