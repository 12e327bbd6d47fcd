/* The membership in force: the newest in the log, committed or not [§4.1]. It changes when an entry is appended, and
 * goes back when that entry is truncated; `before` is what it goes back to.
 *
 * One level is enough. A leader appends a membership only when the one before is committed, so of the two newest in any
 * log the older one is committed, and is never truncated.
 */
#include "parts.h"

#include <string.h>

bool dgraft_core_membership_valid(const struct dgraft_core *core, const struct dgraft_membership *membership)
{
    const dgraft_node_set all = dgraft_membership_all(membership);
    return membership->voters != 0 && (membership->voters & membership->learners) == 0 &&
           (membership->promote & ~membership->learners) == 0 && dgraft_node_set_count(all) <= core->config.members_max;
}

/* Whether another store is written down for this node itself: it was wiped, and is not who the others know. */
static bool self_foreign(const struct dgraft_core *core, const struct dgraft_membership *membership)
{
    if (core->store == 0) {
        return false;
    }
    const uint64_t store = dgraft_membership_store(membership, core->config.self);
    return store != 0 && store != core->store;
}

/* A node that its newest membership leaves out, or makes a learner, goes on campaigning until that is committed: it may
 * be the only one whose log is long enough [§4.2.2]. (1) 3 leads {1,3} and demotes itself; the joint membership is
 * committed. (2) It writes down the one behind it, {1}, and 1, whose disk is full, does not. (3) 3 loses its
 * leadership. (4) 1 still goes by the joint one and needs the vote of 3, whose log is longer. Only 3 can lead: with the
 * vote of 1, and without counting itself. */
static bool still_needed(const struct dgraft_core *core)
{
    return core->membership.index > core->commit &&
           dgraft_node_set_has(core->before.voters | core->before.outgoing, core->config.self) &&
           !self_foreign(core, &core->before);
}

bool dgraft_core_promotable(const struct dgraft_core *core)
{
    return !core->poisoned && !core->repairing && !self_foreign(core, &core->membership) &&
           (dgraft_node_set_has(dgraft_core_voters(core), core->config.self) || still_needed(core));
}

static void peer_move(struct dgraft_core *core, uint32_t from, uint32_t to)
{
    if (from == to) {
        return;
    }
    core->peers[to] = core->peers[from];
    memcpy(dgraft_core_ring(core, &core->peers[to]), dgraft_core_ring(core, &core->peers[from]),
           core->config.inflight_max * sizeof(struct sent_append));
}

/* Drops the peers that are not among `others`; those left close up. */
static void peers_drop(struct dgraft_core *core, dgraft_node_set others)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (dgraft_node_set_has(others, core->peers[i].id)) {
            peer_move(core, i, kept);
            kept++;
        } else if (core->remote_reads > 0 && core->peers[i].read_token != 0) {
            core->remote_reads--; /* its reads wait for nothing any more */
        }
    }
    core->peer_count = kept;
}

/* Makes the peers that are missing, from the last slot down: nobody moves onto one that has yet to move. */
static void peers_insert(struct dgraft_core *core, dgraft_node_set others)
{
    uint32_t old = core->peer_count;
    uint32_t slot = dgraft_node_set_count(others);
    DGRAFT_CORE_ASSERT(slot <= core->config.members_max);
    core->peer_count = slot;
    for (dgraft_node_id id = DGRAFT_NODE_ID_MAX; id >= 1; id--) {
        if (!dgraft_node_set_has(others, id)) {
            continue;
        }
        slot--;
        if (old > 0 && core->peers[old - 1].id == id) {
            peer_move(core, --old, slot);
            continue;
        }
        core->peers[slot] = (struct peer){.id = id, .next = 1};
        if (core->role == DGRAFT_ROLE_LEADER) {
            dgraft_core_peer_begin(core, &core->peers[slot]);
            core->peers[slot].added = true;
            core->peers[slot].first_round = core->round + 1;
        }
    }
}

/* Gives every other member, and whoever is being told that it is none, its slot, ascending by id. Peers that stay keep
 * what is known of them; those in `anew` begin again. */
void dgraft_core_peers_build(struct dgraft_core *core, dgraft_node_set anew)
{
    const dgraft_node_set others =
        (dgraft_membership_all(&core->membership) | core->departing) & ~dgraft_node_set_of(core->config.self);
    peers_drop(core, others & ~anew);
    peers_insert(core, others);
    memset(core->slot_of, 0, sizeof core->slot_of);
    for (uint32_t i = 0; i < core->peer_count; i++) {
        struct peer *peer = &core->peers[i];
        const uint64_t store = dgraft_membership_store(&core->membership, peer->id);
        core->slot_of[peer->id] = (uint8_t)(i + 1);
        peer->store = store != 0 ? store : peer->store;
    }
}

/* Clocks that depend on who takes part. */
static void clocks_set(struct dgraft_core *core)
{
    if (core->role == DGRAFT_ROLE_FOLLOWER) {
        dgraft_core_election_extend(core); /* a learner that became a voter may campaign, and the other way round */
    }
    if (core->role == DGRAFT_ROLE_LEADER && core->peer_count > 0 && core->quorum_check_ns == DGRAFT_CORE_NEVER) {
        core->quorum_check_ns = dgraft_core_after(core, core->config.election_timeout_ns);
    }
}

/* Puts the membership of an entry that was just appended in force. */
void dgraft_core_members_set(struct dgraft_core *core, const struct dgraft_membership *membership)
{
    DGRAFT_CORE_ASSERT(membership->index > core->membership.index);
    core->before = core->membership;
    core->membership = *membership;
    /* Whoever comes back under an id that is still being told of its removal is somebody new: what was known of the
     * one before, and first of all what it had stored, must not pass to it. */
    const dgraft_node_set again = core->departing & dgraft_membership_all(membership);
    dgraft_core_departing_add(core);
    dgraft_core_peers_build(core, again);
    clocks_set(core);
    core->members_due = true;
}

/* Goes back to what was in force before the entries after `keep`. */
void dgraft_core_members_roll_back(struct dgraft_core *core, dgraft_index keep)
{
    if (core->membership.index <= keep) {
        return;
    }
    DGRAFT_CORE_ASSERT(dgraft_core_members_can_roll_back(core, keep) && core->departing == 0);
    core->membership = core->before;
    core->before = (struct dgraft_membership){.index = 0};
    dgraft_core_peers_build(core, 0);
    clocks_set(core);
}

/* Whether it is known what is in force without the entries after `keep`. It always is, unless an append contradicts
 * what is committed. */
bool dgraft_core_members_can_roll_back(const struct dgraft_core *core, dgraft_index keep)
{
    return core->membership.index <= keep || (core->before.voters != 0 && core->before.index <= keep);
}

/* A member's store is known by what is written down, or else by the first that answered in this leadership. Another one
 * under the same id is a disk that was wiped or exchanged: it has forgotten what was acknowledged in its name. Returns
 * true when the message is of such a store; it is noticed once. Requests of it are heard all the same: this node's
 * membership may be the old one, and the log decides who may lead [§4.1]. */
bool dgraft_core_store_foreign(struct step *step, struct peer *peer, const struct dgraft_message *message)
{
    if (message->store == 0 || peer->store == 0 || message->store == peer->store) {
        return false;
    }
    if (peer->foreign != message->store) {
        peer->foreign = message->store;
        dgraft_core_emit(step, DGRAFT_ACTION_NOTICE)->u.notice = (struct dgraft_action_notice){
            .kind = DGRAFT_NOTICE_FOREIGN_STORE, .peer = peer->id, .before = peer->store, .after = message->store};
    }
    return true;
}

const struct dgraft_membership *dgraft_core_membership(const struct dgraft_core *core)
{
    return &core->membership;
}

const struct dgraft_membership *dgraft_core_membership_before(const struct dgraft_core *core)
{
    return &core->before;
}
