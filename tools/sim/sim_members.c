#include "sim_members.h"

#include "sim_check.h"

#include <stdlib.h>
#include <string.h>

static bool same(const struct dgraft_membership *a, const struct dgraft_membership *b)
{
    return a->voters == b->voters && a->outgoing == b->outgoing && a->learners == b->learners &&
           a->promote == b->promote && memcmp(a->stores, b->stores, sizeof a->stores) == 0;
}

bool sim_members_note(struct sim_check *check, struct dgraft_position position, const uint8_t *payload, size_t size)
{
    struct sim_members *members = &check->members;
    struct dgraft_members decoded;

    for (uint32_t i = members->count; i > 0; i--) {
        const struct dgraft_position known = members->items[i - 1].position;
        if (known.index == position.index && known.term == position.term) {
            return true; /* the tree sees to it that it says the same */
        }
    }
    if (dgraft_membership_decode(payload, size, &decoded) != DGRAFT_ACCEPT) {
        return sim_check_fail(check, "I-CFG: the membership at (%llu, %llu) does not decode",
                              (unsigned long long)position.index, (unsigned long long)position.term);
    }
    if (members->count == members->capacity) {
        const uint32_t capacity = members->capacity == 0 ? 64 : 2 * members->capacity;
        struct sim_membership *larger =
            capacity > SIM_MEMBERSHIPS_MAX ? NULL : realloc(members->items, capacity * sizeof *larger);
        if (larger == NULL) {
            return sim_check_fail(check, "memberships run away: %u", capacity);
        }
        members->items = larger;
        members->capacity = capacity;
    }
    struct sim_membership *item = &members->items[members->count++];
    *item = (struct sim_membership){.position = position};
    dgraft_membership_of(&decoded, position.index, &item->membership);
    return true;
}

/* Returns whether the log that ends with `tip` holds a position; unknown counts as yes. */
static bool holds(const struct sim_check *check, struct dgraft_position tip, struct dgraft_position position)
{
    if (position.index > tip.index) {
        return false;
    }
    if (tip.index <= check->committed_last && check->committed[tip.index].term == tip.term) {
        return check->committed[position.index].term == position.term;
    }
    const dgraft_term term = sim_tree_term_at(&check->tree, tip, position.index);
    return term == position.term || term == SIM_TERM_UNKNOWN;
}

const struct sim_membership *sim_members_at(const struct sim_check *check, struct dgraft_position tip)
{
    const struct sim_membership *newest = NULL;
    for (uint32_t i = 0; i < check->members.count; i++) {
        const struct sim_membership *item = &check->members.items[i];
        if ((newest == NULL || item->position.index > newest->position.index) && holds(check, tip, item->position)) {
            newest = item;
        }
    }
    return newest;
}

bool sim_members_before(const struct sim_check *check, struct dgraft_position last,
                        const struct dgraft_membership *newest, dgraft_node_id node)
{
    const struct sim_membership *before = NULL;
    for (uint32_t i = 0; i < check->members.count; i++) {
        const struct sim_membership *item = &check->members.items[i];
        if (item->position.index < newest->index && holds(check, last, item->position) &&
            (before == NULL || item->position.index > before->position.index)) {
            before = item;
        }
    }
    return before != NULL && dgraft_node_set_has(before->membership.voters | before->membership.outgoing, node);
}

static bool majority(dgraft_node_set set, dgraft_node_set all)
{
    uint32_t in = 0;
    uint32_t of = 0;
    for (dgraft_node_id id = 1; id <= DGRAFT_NODE_ID_MAX; id++) {
        const uint64_t bit = UINT64_C(1) << (id - 1);
        of += (all & bit) != 0;
        in += (all & set & bit) != 0;
    }
    return of == 0 || 2 * in > of;
}

bool sim_members_majority(const struct dgraft_membership *membership, dgraft_node_set set)
{
    return majority(set, membership->voters) && majority(set, membership->outgoing);
}

/* Returns whether those of `set` decide whose disk, as the membership names it, holds or held the entry. */
static bool decides(const struct sim_check *check, const struct dgraft_membership *membership, dgraft_node_set set,
                    struct dgraft_position position)
{
    for (dgraft_node_id id = 1; id <= check->node_count; id++) {
        const struct sim_ghost *ghost = &check->ghosts[id];
        const uint64_t store = dgraft_membership_store(membership, id);
        const bool known = store == 0 || ghost->store == 0 || store == ghost->store ||
                           (store == ghost->lost_store && sim_ghost_held(ghost, position));
        set &= known ? ~UINT64_C(0) : ~dgraft_node_set_of(id);
    }
    return sim_members_majority(membership, set);
}

bool sim_members_may_commit(const struct sim_check *check, struct dgraft_position position, dgraft_node_set set,
                            const struct dgraft_membership *claimed)
{
    const struct sim_membership *here = sim_members_at(check, position);
    if (here == NULL) {
        return 2 * dgraft_node_set_count(set) > check->node_count; /* a checker that was told of no members */
    }
    if (decides(check, &here->membership, set, position) ||
        (claimed != NULL && claimed->index > position.index && decides(check, claimed, set, position))) {
        return true;
    }
    for (uint32_t i = 0; i < check->members.count; i++) {
        const struct sim_membership *later = &check->members.items[i];
        if (later->position.index > position.index && holds(check, later->position, position) &&
            decides(check, &later->membership, set, position)) {
            return true;
        }
    }
    return false;
}

/* Every majority of one meets every majority of the other. */
static bool adjacent(const struct dgraft_membership *before, const struct dgraft_membership *after)
{
    if (before->outgoing == 0 && after->outgoing == 0) {
        return before->voters == after->voters;
    }
    if (before->outgoing == 0) {
        return after->outgoing == before->voters;
    }
    return after->outgoing == 0 && after->voters == before->voters;
}

static void count_change(struct sim_check *check, const struct dgraft_membership *before,
                         const struct dgraft_membership *after)
{
    uint64_t *counts = check->counts->of;
    const dgraft_node_set old = dgraft_membership_all(before);
    const dgraft_node_set new = dgraft_membership_all(after);
    counts[SIM_COUNT_JOINT_ENTERED] += after->outgoing != 0;
    counts[SIM_COUNT_JOINT_LEFT] += before->outgoing != 0;
    counts[SIM_COUNT_LEARNER_ADDED] += (after->learners & ~old) != 0;
    counts[SIM_COUNT_PROMOTED] += (after->voters & before->promote) != 0;
    counts[SIM_COUNT_DEMOTED] += (after->learners & before->voters) != 0;
    counts[SIM_COUNT_REMOVED] += (old & ~new) != 0;
    counts[SIM_COUNT_STORES_WRITTEN] +=
        old == new && before->outgoing == 0 && after->outgoing == 0 &&
        before->promote == after->promote &&memcmp(before->stores, after->stores, sizeof before->stores) != 0;
}

static bool judge(struct sim_check *check, const struct sim_membership *item)
{
    const struct dgraft_position at = item->position;
    const struct sim_entry *entry = sim_tree_find(&check->tree, at);
    const unsigned long long i = at.index;
    const unsigned long long t = at.term;

    if (entry == NULL || at.index == 1) {
        return true;
    }
    const struct sim_membership *before = sim_members_at(check, (struct dgraft_position){at.index - 1, entry->before});
    if (before == NULL) {
        return sim_check_fail(check, "I-CFG: there is no membership before (%llu, %llu)", i, t);
    }
    const dgraft_index b = before->position.index;
    if (b > check->committed_last || check->committed[b].term != before->position.term) {
        return sim_check_fail(check,
                              "I-CFG: the membership at (%llu, %llu) was made when that at %llu was not committed", i,
                              t, (unsigned long long)b);
    }
    if (!adjacent(&before->membership, &item->membership)) {
        return sim_check_fail(check, "I-CFG: majorities of the memberships at %llu and (%llu, %llu) need not meet",
                              (unsigned long long)b, i, t);
    }
    if (same(&before->membership, &item->membership)) {
        return sim_check_fail(check, "I-CFG: the membership at (%llu, %llu) changes nothing", i, t);
    }
    count_change(check, &before->membership, &item->membership);
    sim_trace_line(check->trace, 0, "membership (%llu, %llu): voters %llx outgoing %llx learners %llx promote %llx", i,
                   t, (unsigned long long)item->membership.voters, (unsigned long long)item->membership.outgoing,
                   (unsigned long long)item->membership.learners, (unsigned long long)item->membership.promote);
    return true;
}

bool sim_members_judge(struct sim_check *check)
{
    struct sim_members *members = &check->members;
    while (members->judged < members->count) {
        if (!judge(check, &members->items[members->judged])) {
            return false;
        }
        members->judged++;
    }
    return true;
}

bool sim_members_in_force(struct sim_check *check, dgraft_node_id node, struct dgraft_position last,
                          const struct dgraft_membership *claimed)
{
    const dgraft_term term = sim_tree_term_at(&check->tree, last, claimed->index);
    if (claimed->index == 0 || term == SIM_TERM_UNKNOWN) {
        return true; /* it waits in the memory of a leader that has not sent all of its log yet */
    }
    for (uint32_t i = 0; i < check->members.count; i++) {
        const struct sim_membership *item = &check->members.items[i];
        if (item->position.index < claimed->index || !holds(check, last, item->position)) {
            continue;
        }
        if (item->position.index > claimed->index || !same(&item->membership, claimed)) {
            return sim_check_fail(check,
                                  "I-CFG: node %u goes by the membership of entry %llu, its log has (%llu, %llu)", node,
                                  (unsigned long long)claimed->index, (unsigned long long)item->position.index,
                                  (unsigned long long)item->position.term);
        }
    }
    return true;
}

bool sim_members_snapshot(struct sim_check *check, dgraft_node_id node, struct dgraft_position position,
                          dgraft_index index, const uint8_t *bytes, size_t size)
{
    const struct sim_membership *newest = sim_members_at(check, position);
    struct dgraft_membership membership;
    struct dgraft_members decoded;

    if (newest == NULL || dgraft_membership_decode(bytes, size, &decoded) != DGRAFT_ACCEPT) {
        return sim_check_fail(check, "I-CFG: node %u makes a snapshot at %llu without a membership", node,
                              (unsigned long long)position.index);
    }
    dgraft_membership_of(&decoded, index, &membership);
    if (index != newest->position.index || !same(&membership, &newest->membership)) {
        return sim_check_fail(
            check, "I-CFG: node %u makes a snapshot at %llu with the membership of %llu; in force is %llu", node,
            (unsigned long long)position.index, (unsigned long long)index, (unsigned long long)newest->position.index);
    }
    return true;
}

const struct sim_membership *sim_members_committed(const struct sim_check *check)
{
    const dgraft_index last = check->committed_last;
    if (last == 0) {
        return check->members.count > 0 ? &check->members.items[0] : NULL;
    }
    return sim_members_at(check, (struct dgraft_position){last, check->committed[last].term});
}
