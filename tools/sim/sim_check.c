#include "sim_check.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Elections that never end are a finding, not an allocation. */
#define TERM_MAX UINT64_C(200000)

bool sim_check_fail(struct sim_check *check, const char *format, ...)
{
    if (check->finding[0] == '\0') {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(check->finding, sizeof check->finding, format, arguments);
        va_end(arguments);
        sim_trace_line(check->trace, 0, "FINDING %s", check->finding);
    }
    return false;
}

bool sim_check_broken(const struct sim_check *check)
{
    return check->finding[0] != '\0';
}

/* Makes room for element `at` in an array of `size` bytes each; new ones are zero. */
static bool grow(void *array, uint64_t *capacity, uint64_t at, size_t size)
{
    void **memory = array;
    if (at < *capacity) {
        return true;
    }
    uint64_t wanted = *capacity == 0 ? 256 : *capacity;
    while (wanted <= at) {
        wanted *= 2;
    }
    uint8_t *larger = realloc(*memory, wanted * size);
    if (larger == NULL) {
        return false;
    }
    memset(larger + *capacity * size, 0, (wanted - *capacity) * size);
    *memory = larger;
    *capacity = wanted;
    return true;
}

bool sim_ghost_reserve(struct sim_ghost *ghost, dgraft_index index)
{
    return grow(&ghost->terms, &ghost->capacity, index, sizeof *ghost->terms);
}

bool sim_ghost_reserve_votes(struct sim_ghost *ghost, dgraft_term term)
{
    uint64_t capacity = ghost->vote_capacity;
    return term <= TERM_MAX && grow(&ghost->votes_sent, &capacity, term, sizeof *ghost->votes_sent) &&
           grow(&ghost->votes_durable, &ghost->vote_capacity, term, sizeof *ghost->votes_durable);
}

struct sim_term *sim_check_term(struct sim_check *check, dgraft_term term)
{
    if (term > TERM_MAX || !grow(&check->terms, &check->term_capacity, term, sizeof *check->terms)) {
        sim_check_fail(check, "terms run away: %llu", (unsigned long long)term);
        return NULL;
    }
    return &check->terms[term];
}

bool sim_check_leader(struct sim_check *check, dgraft_node_id node, dgraft_term term)
{
    struct sim_term *known = sim_check_term(check, term);
    if (known == NULL) {
        return false;
    }
    if (known->leader == 0) {
        known->leader = node;
        check->counts->of[SIM_COUNT_ELECTION]++;
        sim_trace_line(check->trace, node, "leads term %llu", (unsigned long long)term);
    } else if (known->leader != node) {
        return sim_check_fail(check, "I-LEAD: nodes %u and %u both lead term %llu", known->leader, node,
                              (unsigned long long)term);
    }
    return true;
}

/* A leader of `term`, whose first own entry follows `before`, must hold what leaders of earlier terms committed. */
static bool holds_committed(struct sim_check *check, dgraft_term term, struct dgraft_position before)
{
    dgraft_index must = check->committed_last;
    while (must > 0 && check->committed[must].leader_term >= term) {
        must--;
    }
    if (must == 0) {
        return true;
    }
    const dgraft_term held = sim_tree_term_at(&check->tree, before, must);
    if (held != check->committed[must].term) {
        return sim_check_fail(check, "I-LC: the leader of term %llu has term %llu at index %llu, committed was %llu",
                              (unsigned long long)term, (unsigned long long)held, (unsigned long long)must,
                              (unsigned long long)check->committed[must].term);
    }
    return true;
}

static bool note_operation(struct sim_check *check, uint64_t operation, enum sim_operation_fate fate)
{
    if (operation == 0) {
        return true;
    }
    if (!grow(&check->fates, &check->fate_capacity, operation, sizeof *check->fates)) {
        return sim_check_fail(check, "out of memory");
    }
    check->fates[operation] |= (uint8_t)fate;
    if (check->fates[operation] == (SIM_FATE_APPENDED | SIM_FATE_REFUSED)) {
        return sim_check_fail(check, "I-REPLY: operation %llu was refused, and is in a log",
                              (unsigned long long)operation);
    }
    return true;
}

bool sim_check_entry(struct sim_check *check, dgraft_index index, const struct sim_entry *entry, const char *where)
{
    const unsigned long long i = index;
    const unsigned long long t = entry->term;

    switch (sim_tree_add(&check->tree, index, entry)) {
    case SIM_TREE_KNOWN:
        return true;
    case SIM_TREE_OTHER_CONTENT:
        return sim_check_fail(check, "I-LM: two contents of (%llu, %llu), the second %s", i, t, where);
    case SIM_TREE_OTHER_BEFORE:
        return sim_check_fail(check, "I-LM: two entries before (%llu, %llu), the second %s", i, t, where);
    case SIM_TREE_FULL:
        return sim_check_fail(check, "entry (%llu, %llu) %s is out of all bounds", i, t, where);
    case SIM_TREE_ADDED:
        break;
    }
    if (entry->before > entry->term) {
        return sim_check_fail(check, "I-LM: terms fall from %llu to %llu at index %llu",
                              (unsigned long long)entry->before, t, i);
    }
    struct sim_term *term = sim_check_term(check, entry->term);
    if (term == NULL) {
        return false;
    }
    if (entry->before != entry->term && term->first == 0 && index > 1) {
        term->first = index;
        term->first_before = entry->before;
        if (!holds_committed(check, entry->term, (struct dgraft_position){index - 1, entry->before})) {
            return false;
        }
    }
    return note_operation(check, entry->operation, SIM_FATE_APPENDED);
}

/* The commit index has moved to `upto` in the log that ends with (upto, term). */
static bool commit_more(struct sim_check *check, dgraft_index upto, dgraft_term term, dgraft_term leader_term)
{
    struct dgraft_position at = {upto, term};

    if (!grow(&check->committed, &check->committed_capacity, upto, sizeof *check->committed)) {
        return sim_check_fail(check, "out of memory");
    }
    while (at.index > check->committed_last) {
        const struct sim_entry *entry = sim_tree_find(&check->tree, at);
        if (entry == NULL) {
            return sim_check_fail(check, "I-CQ: (%llu, %llu) is committed, and nobody ever sent or wrote it",
                                  (unsigned long long)at.index, (unsigned long long)at.term);
        }
        check->committed[at.index] =
            (struct sim_committed){.term = at.term,
                                   .leader_term = leader_term,
                                   .command = entry->operation != 0 && entry->session == 0 ? at.index : 0,
                                   .operation = entry->operation,
                                   .session = entry->session};
        if (at.term < leader_term) {
            check->counts->of[SIM_COUNT_COMMIT_OLD_TERM]++;
        }
        check->counts->of[SIM_COUNT_COMMIT]++;
        at = (struct dgraft_position){at.index - 1, entry->before};
    }
    if (at.index > 0 && check->committed[at.index].term != at.term) {
        return sim_check_fail(check, "I-LC: (%llu, %llu) is committed upon (%llu, %llu), which is not",
                              (unsigned long long)upto, (unsigned long long)term, (unsigned long long)at.index,
                              (unsigned long long)at.term);
    }
    for (dgraft_index i = check->committed_last + 1; i <= upto; i++) {
        if (check->committed[i].command == 0) {
            check->committed[i].command = check->committed[i - 1].command;
        }
    }
    check->committed_last = upto;
    for (dgraft_term later = leader_term + 1; later < check->term_capacity; later++) {
        const struct sim_term *known = &check->terms[later];
        if (known->first > 0 &&
            !holds_committed(check, later, (struct dgraft_position){known->first - 1, known->first_before})) {
            return false;
        }
    }
    return true;
}

bool sim_ghost_held(const struct sim_ghost *ghost, struct dgraft_position position)
{
    return position.index <= ghost->lost_last && ghost->lost_terms[position.index] == position.term;
}

/* Returns whether the log is in force: a start has it give way to a snapshot whose last entry it does not hold. */
static bool log_counts(const struct sim_ghost *ghost)
{
    const struct dgraft_position snapshot = ghost->snapshot;
    return snapshot.index == 0 || (snapshot.index <= ghost->last && ghost->terms[snapshot.index] == snapshot.term);
}

dgraft_index sim_ghost_last(const struct sim_ghost *ghost)
{
    return log_counts(ghost) ? ghost->last : ghost->snapshot.index;
}

dgraft_term sim_ghost_term(const struct sim_check *check, const struct sim_ghost *ghost, dgraft_index index)
{
    if (index <= ghost->snapshot.index) {
        return index == 0 ? 0 : check->committed[index].term;
    }
    return index <= ghost->last && log_counts(ghost) ? ghost->terms[index] : 0;
}

bool sim_ghost_holds(const struct sim_check *check, const struct sim_ghost *ghost, struct dgraft_position position)
{
    return (position.index != 0 && sim_ghost_term(check, ghost, position.index) == position.term) ||
           sim_ghost_held(ghost, position);
}

/* Returns whose disks hold an entry. */
static dgraft_node_set holders_of(const struct sim_check *check, struct dgraft_position position)
{
    dgraft_node_set holders = 0;
    for (uint32_t node = 1; node <= check->node_count; node++) {
        if (sim_ghost_holds(check, &check->ghosts[node], position)) {
            holders |= dgraft_node_set_of(node);
        }
    }
    return holders;
}

/* Returns the term that most disks have at an index, and may commit: the leader's, when it has not yet shown its whole
 * log. Those who do not vote may hold what was never committed, and be more. */
static dgraft_term most_held(const struct sim_check *check, dgraft_index index, const struct dgraft_membership *claimed,
                             dgraft_node_set *holders)
{
    dgraft_term most = 0;
    bool enough = false;
    for (uint32_t node = 1; node <= check->node_count; node++) {
        const struct sim_ghost *ghost = &check->ghosts[node];
        const struct dgraft_position position = {index, sim_ghost_term(check, ghost, index)};
        if (position.term == 0) {
            continue;
        }
        const dgraft_node_set set = holders_of(check, position);
        const bool may = sim_members_may_commit(check, position, set, claimed);
        const bool more = dgraft_node_set_count(set) > dgraft_node_set_count(*holders);
        if ((may && !enough) || (may == enough && more)) {
            most = position.term;
            *holders = set;
            enough = may;
        }
    }
    return most;
}

bool sim_check_commit(struct sim_check *check, dgraft_node_id node, dgraft_term leader_term, bool leads, dgraft_index i)
{
    const struct sim_ghost *ghost = &check->ghosts[node];
    const struct sim_term *term = sim_check_term(check, leader_term);
    dgraft_node_set holders = 0;

    const struct dgraft_membership *claimed =
        check->claimed == NULL ? NULL : check->claimed(check->claimed_context, node);
    if (term == NULL) {
        return false;
    }
    dgraft_term at = sim_tree_term_at(&check->tree, term->tip, i);
    if (at != 0 && at != SIM_TERM_UNKNOWN) {
        holders = holders_of(check, (struct dgraft_position){i, at});
    } else {
        at = most_held(check, i, claimed, &holders);
    }
    if (!sim_members_may_commit(check, (struct dgraft_position){i, at}, holders, claimed)) {
        return sim_check_fail(check, "I-CQ: node %u commits (%llu, %llu), which the disks of %llx hold", node,
                              (unsigned long long)i, (unsigned long long)at, (unsigned long long)holders);
    }
    if (leads && at != leader_term) {
        return sim_check_fail(check, "I-CQ: the leader of term %llu commits (%llu, %llu) by counting",
                              (unsigned long long)leader_term, (unsigned long long)i, (unsigned long long)at);
    }
    if (sim_ghost_term(check, ghost, i) != at) {
        check->counts->of[SIM_COUNT_COMMIT_AHEAD]++;
    }
    return commit_more(check, i, at, leader_term);
}

static bool commit_moved(struct sim_check *check, dgraft_node_id node, const struct dgraft_core_status *status)
{
    const struct sim_ghost *ghost = &check->ghosts[node];

    if (status->commit > status->last.index) {
        return sim_check_fail(check, "I-CI: node %u commits %llu, its log ends at %llu", node,
                              (unsigned long long)status->commit, (unsigned long long)status->last.index);
    }
    if (status->commit > check->committed_last &&
        !sim_check_commit(check, node, status->term, status->role == DGRAFT_ROLE_LEADER, status->commit)) {
        return false;
    }
    if (status->role == DGRAFT_ROLE_LEADER || ghost->seen.role == DGRAFT_ROLE_LEADER) {
        return true;
    }
    dgraft_index shown = ghost->snapshot.index; /* it was looked into when it got its name */
    for (dgraft_term term = ghost->seen.term; term <= status->term && term < check->term_capacity; term++) {
        const dgraft_index upto = check->terms[term].shown[node];
        shown = upto > shown ? upto : shown;
    }
    if (status->commit > shown) {
        return sim_check_fail(check, "I-CI: node %u commits %llu, the leader of term %llu has shown it up to %llu",
                              node, (unsigned long long)status->commit, (unsigned long long)status->term,
                              (unsigned long long)shown);
    }
    return true;
}

/* A leader was a voter when it was elected, by its newest membership or, as long as that is not committed, by the one
 * before it [§4.2.2]; and it had majorities of the votes that left their voters' disks. */
static bool elected(struct sim_check *check, dgraft_node_id node, const struct dgraft_core_status *status)
{
    const struct sim_ghost *ghost = &check->ghosts[node];
    const struct dgraft_membership *membership = &status->membership;
    const struct sim_term *term = sim_check_term(check, status->term);

    if (term == NULL) {
        return false;
    }
    if ((ghost->seen.role == DGRAFT_ROLE_LEADER && ghost->seen.term == status->term) || check->members.count == 0) {
        return true;
    }
    dgraft_node_set granted = term->granted[node];
    if (status->term < ghost->vote_capacity && ghost->votes_durable[status->term] == node) {
        granted |= dgraft_node_set_of(node);
    }
    const bool voter =
        dgraft_node_set_has(membership->voters | membership->outgoing, node) ||
        (status->commit < membership->index && sim_members_before(check, status->last, membership, node));
    if (!voter || !sim_members_majority(membership, granted)) {
        return sim_check_fail(check, "I-CQ: node %u leads term %llu with the votes of %llx, voters are %llx and %llx",
                              node, (unsigned long long)status->term, (unsigned long long)granted,
                              (unsigned long long)membership->voters, (unsigned long long)membership->outgoing);
    }
    return true;
}

static bool members_turned(struct sim_check *check, dgraft_node_id node, const struct dgraft_core_status *status)
{
    const struct dgraft_core_status *before = &check->ghosts[node].seen;
    const struct dgraft_membership *membership = &status->membership;
    const bool member = dgraft_node_set_has(dgraft_membership_all(membership), node);

    check->counts->of[SIM_COUNT_MEMBERSHIP_BACK] += membership->index < before->membership.index;
    check->counts->of[SIM_COUNT_REMOVAL_HEARD] +=
        !member && dgraft_node_set_has(dgraft_membership_all(&before->membership), node);
    check->counts->of[SIM_COUNT_LEADER_REMOVED] += before->role == DGRAFT_ROLE_LEADER &&
                                                   status->role != DGRAFT_ROLE_LEADER && !member &&
                                                   status->commit >= membership->index;
    if (!sim_members_judge(check)) {
        return false;
    }
    /* The entry that says it may be damaged; then an older one has to do. */
    return status->repairing || sim_members_in_force(check, node, status->last, membership);
}

/* What one turn may change. */
static bool turn_changes(struct sim_check *check, dgraft_node_id node, const struct dgraft_core_status *status)
{
    const struct sim_ghost *ghost = &check->ghosts[node];
    const struct dgraft_core_status *before = &ghost->seen;

    if (status->term < before->term || status->term < ghost->state_term) {
        return sim_check_fail(check, "I-TERM: node %u falls from term %llu (disk %llu) to %llu", node,
                              (unsigned long long)before->term, (unsigned long long)ghost->state_term,
                              (unsigned long long)status->term);
    }
    if (status->term == before->term && before->vote != 0 && status->vote != before->vote) {
        return sim_check_fail(check, "I-VOTE: node %u changes its vote in term %llu from %u to %u", node,
                              (unsigned long long)status->term, before->vote, status->vote);
    }
    if (status->role == DGRAFT_ROLE_LEADER && before->role == DGRAFT_ROLE_LEADER && status->term == before->term &&
        status->last.index < before->last.index) {
        return sim_check_fail(check, "I-LAO: the leader of term %llu shortens its log from %llu to %llu",
                              (unsigned long long)status->term, (unsigned long long)before->last.index,
                              (unsigned long long)status->last.index);
    }
    if (status->commit < before->commit || status->applied < before->applied || status->applied > status->commit) {
        return sim_check_fail(check, "I-CI: node %u: commit %llu to %llu, applied %llu to %llu", node,
                              (unsigned long long)before->commit, (unsigned long long)status->commit,
                              (unsigned long long)before->applied, (unsigned long long)status->applied);
    }
    /* A log that has not yet been told to give way to a snapshot still counts for its node. */
    const dgraft_index held = sim_ghost_last(ghost) > ghost->last ? sim_ghost_last(ghost) : ghost->last;
    if (status->applied > held) {
        return sim_check_fail(check, "C6: node %u applied %llu, its disk holds %llu", node,
                              (unsigned long long)status->applied, (unsigned long long)held);
    }
    if (status->durable > held || status->durable_term > ghost->state_term) {
        return sim_check_fail(check, "I-ACK: node %u believes %llu and term %llu durable, its disk has %llu and %llu",
                              node, (unsigned long long)status->durable, (unsigned long long)status->durable_term,
                              (unsigned long long)held, (unsigned long long)ghost->state_term);
    }
    return sim_check_begins(check, node, status);
}

void sim_check_turned(struct sim_check *check, dgraft_node_id node, const struct dgraft_core_status *status)
{
    struct sim_ghost *ghost = &check->ghosts[node];

    if (!turn_changes(check, node, status)) {
        return;
    }
    if (status->role == DGRAFT_ROLE_LEADER &&
        (!sim_check_leader(check, node, status->term) || !elected(check, node, status))) {
        return;
    }
    if (ghost->seen.role == DGRAFT_ROLE_LEADER && status->role != DGRAFT_ROLE_LEADER) {
        check->counts->of[SIM_COUNT_STEP_DOWN]++;
        sim_trace_line(check->trace, node, "no longer leads; term %llu", (unsigned long long)status->term);
    }
    if (status->commit > ghost->seen.commit && !commit_moved(check, node, status)) {
        return;
    }
    if (!members_turned(check, node, status)) {
        return;
    }
    if (ghost->lagged != 0 && status->commit > ghost->lagged) {
        check->counts->of[SIM_COUNT_SNAPSHOT_CAUGHT_UP]++;
        ghost->lagged = 0;
    }
    ghost->seen = *status;
}

void sim_check_applied(struct sim_check *check, dgraft_node_id node, struct dgraft_position position,
                       uint64_t operation, uint64_t machine)
{
    struct sim_ghost *ghost = &check->ghosts[node];
    const unsigned long long i = position.index;

    if (position.index == 0 || position.index > check->committed_last ||
        check->committed[position.index].term != position.term) {
        sim_check_fail(check, "I-SMS: node %u applies (%llu, %llu), which is not committed", node, i,
                       (unsigned long long)position.term);
        return;
    }
    const struct sim_entry *entry = sim_tree_find(&check->tree, position);
    if (entry == NULL || entry->operation != operation) {
        sim_check_fail(check, "I-SMS: node %u applies operation %llu at %llu, which holds another", node,
                       (unsigned long long)operation, i);
        return;
    }
    if (ghost->applied >= position.index) {
        sim_check_fail(check, "I-SMS: node %u applies %llu after %llu", node, i, (unsigned long long)ghost->applied);
        return;
    }
    if (!sim_check_skipped(check, node, ghost->applied + 1, position.index)) {
        return;
    }
    struct sim_committed *committed = &check->committed[position.index];
    committed->machine = committed->effect == SIM_EFFECT_APPLIED ? committed->machine : machine;
    if (committed->machine != machine) {
        sim_check_fail(check, "I-SMS: node %u has another state behind the command at %llu than others had", node, i);
    } else if (sim_check_effect(check, node, position.index)) {
        ghost->applied = position.index;
    }
}

void sim_check_answered(struct sim_check *check, dgraft_node_id node, uint64_t operation,
                        const struct dgraft_proposal_answer *answer)
{
    const dgraft_index i = answer->position.index;

    if (answer->fate == DGRAFT_PROPOSAL_REFUSED) {
        check->counts->of[SIM_COUNT_ANSWER_REFUSED]++;
        note_operation(check, operation, SIM_FATE_REFUSED);
        return;
    }
    if (answer->fate == DGRAFT_PROPOSAL_UNKNOWN) {
        check->counts->of[SIM_COUNT_ANSWER_UNKNOWN]++;
        return;
    }
    check->counts->of[SIM_COUNT_ANSWER_COMMITTED]++;
    const struct sim_entry *entry = sim_tree_find(&check->tree, answer->position);
    if (i == 0 || i > check->committed_last || check->committed[i].term != answer->position.term || entry == NULL ||
        entry->operation != operation) {
        sim_check_fail(check, "I-REPLY: node %u says operation %llu is committed at (%llu, %llu); it is not", node,
                       (unsigned long long)operation, (unsigned long long)i, (unsigned long long)answer->position.term);
    }
}

dgraft_index sim_check_read_made(const struct sim_check *check)
{
    return check->committed_last == 0 ? 0 : check->committed[check->committed_last].command;
}

void sim_check_reopened(struct sim_check *check, dgraft_node_id node)
{
    check->ghosts[node].seen.compacted = (struct dgraft_position){0, 0};
}

void sim_check_came_back(struct sim_check *check, dgraft_node_id node, dgraft_index commit)
{
    struct sim_ghost *ghost = &check->ghosts[node];
    struct dgraft_core_status *seen = &ghost->seen;
    seen->role = DGRAFT_ROLE_FOLLOWER;
    seen->term = ghost->state_term;
    seen->vote = ghost->state_vote;
    seen->last.index = sim_ghost_last(ghost);
    if (commit < seen->commit) {
        seen->commit = commit > seen->applied ? commit : seen->applied;
    }
    seen->compacted = (struct dgraft_position){0, 0};
}
