/* Changes of the members: what a user asks for becomes the membership that the core is to reach; what the core appends
 * is framed with the addresses that belong to it; each change is answered once. */
#include "driver_state.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void answer(struct dgraft_change *change, const struct dgraft_change_answer *said)
{
    change->answered(change->context, said);
}

static void refuse(struct dgraft_driver *driver, struct dgraft_change *change, enum dgraft_outcome reason,
                   const char *why)
{
    struct dgraft_change_answer said = {.fate = DGRAFT_PROPOSAL_REFUSED,
                                        .reason = reason,
                                        .leader = driver->leads ? driver->identity.node : 0,
                                        .why = why};
    answer(change, &said);
}

enum dgraft_status dgraft_driver_change(struct dgraft_driver *driver, struct dgraft_change *change)
{
    if (driver->closing) {
        return DGRAFT_STATUS_CLOSED;
    }
    struct dgraft_change **last = &driver->changes;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    change->next = NULL;
    *last = change;
    return DGRAFT_OK;
}

/* Checks id and address of a new member as those of a founder are. */
static bool newcomer_valid(const struct dgraft_change *change, char *why, size_t why_bytes)
{
    struct dgraft_members members;
    char text[DGRAFT_ADDRESS_TEXT_BYTES + 16];
    if (change->address == NULL || strlen(change->address) >= DGRAFT_ADDRESS_TEXT_BYTES ||
        strchr(change->address, ',') != NULL) {
        (void)snprintf(why, why_bytes, "a new member needs an address, HOST:PORT");
        return false;
    }
    (void)snprintf(text, sizeof text, "%u=%s", change->member, change->address);
    return dgraft_members_parse(text, &members, why, why_bytes) == DGRAFT_OK;
}

/* Puts the store of a new member in its place: the others keep theirs. */
static void store_insert(const struct dgraft_membership *old, const struct dgraft_change *change,
                         struct dgraft_membership *target)
{
    uint32_t slot = 0;
    for (dgraft_node_set left = dgraft_membership_all(target); left != 0 && slot < DGRAFT_MEMBERS_MAX;
         left &= left - 1) {
        const dgraft_node_id id = dgraft_node_set_first(left);
        target->stores[slot++] = id == change->member ? change->store : dgraft_membership_store(old, id);
    }
}

/* Makes the membership that a change is to reach. Returns false and a sentence when it makes no sense. */
static bool target_make(const struct dgraft_driver *driver, const struct dgraft_change *change,
                        struct dgraft_membership *target, char *why, size_t why_bytes)
{
    const struct dgraft_membership *old = dgraft_core_membership(driver->core);
    const dgraft_node_set set = dgraft_node_id_valid(change->member) ? dgraft_node_set_of(change->member) : 0;
    const dgraft_node_id id = change->member;
    const bool voter = (old->voters & set) != 0;
    const bool learner = (old->learners & set) != 0;
    *target = *old;
    target->outgoing = 0;
    if (set == 0) {
        (void)snprintf(why, why_bytes, "%u is no node: ids are 1 to %u", id, DGRAFT_NODE_ID_MAX);
        return false;
    }
    switch (change->kind) {
    case DGRAFT_CHANGE_ADD_LEARNER:
    case DGRAFT_CHANGE_ADD_VOTER:
        if (voter || learner) {
            (void)snprintf(why, why_bytes, "node %u is a %s already", id, voter ? "voter" : "learner");
            return false;
        }
        if (dgraft_node_set_count(dgraft_membership_all(old)) >= DGRAFT_MEMBERS_MAX) {
            (void)snprintf(why, why_bytes, "a cluster has at most %u members", DGRAFT_MEMBERS_MAX);
            return false;
        }
        target->learners |= set;
        target->promote |= change->kind == DGRAFT_CHANGE_ADD_VOTER ? set : 0;
        store_insert(old, change, target);
        return newcomer_valid(change, why, why_bytes);
    case DGRAFT_CHANGE_PROMOTE:
        if (voter) {
            (void)snprintf(why, why_bytes, "node %u is a voter already", id);
        } else if ((old->promote & set) != 0) {
            (void)snprintf(why, why_bytes, "node %u is being promoted already, and catches up", id);
        } else {
            (void)snprintf(why, why_bytes, "node %u is no member", id);
        }
        target->promote |= set;
        return learner && (old->promote & set) == 0;
    case DGRAFT_CHANGE_DEMOTE:
        (void)snprintf(why, why_bytes, learner ? "node %u is a learner already" : "node %u is no member", id);
        target->voters &= ~set;
        target->learners |= set;
        break;
    case DGRAFT_CHANGE_REMOVE:
        (void)snprintf(why, why_bytes, "node %u is no member", id);
        target->voters &= ~set;
        target->learners &= ~set;
        target->promote &= ~set;
        if (learner) {
            return true;
        }
        break;
    }
    if (voter && target->voters == 0) {
        (void)snprintf(why, why_bytes, "node %u is the only voter: nobody would be left to decide", id);
        return false;
    }
    return voter;
}

static void step_change(struct dgraft_driver *driver, struct dgraft_change *change)
{
    char why[256] = "";
    struct dgraft_event event = {.kind = DGRAFT_EVENT_CHANGE};
    if (driver->leads && !target_make(driver, change, &event.u.change.target, why, sizeof why)) {
        refuse(driver, change, DGRAFT_OUTCOME_INVALID, why);
        return;
    }
    change->id = ++driver->next_id;
    event.u.change.id = change->id;
    driver->change_stepped = change;
    dgraft_driver_step(driver, &event);
    if (driver->change_stepped != NULL) {
        assert(driver->change == NULL); /* the core takes one at a time */
        driver->change = change;
        driver->change_stepped = NULL;
    }
}

void dgraft_driver_step_changes(struct dgraft_driver *driver)
{
    struct dgraft_change *left = driver->changes;
    driver->changes = NULL;
    while (left != NULL) {
        struct dgraft_change *change = left;
        left = change->next;
        step_change(driver, change);
    }
}

static const char *why_of(enum dgraft_outcome outcome)
{
    switch (outcome) {
    case DGRAFT_OUTCOME_NOT_LEADER:
        return "this node does not lead";
    case DGRAFT_OUTCOME_DISK:
        return "this node's disk failed";
    case DGRAFT_OUTCOME_TRANSFERRING:
        return "leadership is being transferred: try again";
    case DGRAFT_OUTCOME_CHANGING:
        return "another change is under way, or this leader has only just begun: try again shortly";
    case DGRAFT_OUTCOME_INVALID:
        return "the members that this would leave cannot be";
    case DGRAFT_OUTCOME_BEHIND:
        return "only a learner that has caught up can become a voter";
    case DGRAFT_OUTCOME_UNKNOWN:
    case DGRAFT_OUTCOME_LOST:
        return "leadership was lost before it was committed: ask the new leader whether it happened";
    case DGRAFT_OUTCOME_BUSY:
    case DGRAFT_OUTCOME_TOO_LARGE:
    case DGRAFT_OUTCOME_DONE:
    case DGRAFT_OUTCOME_EXPIRED:
        break;
    }
    return "";
}

void dgraft_driver_take_change_outcome(struct dgraft_driver *driver, const struct dgraft_action_outcome *outcome)
{
    struct dgraft_change **asked = driver->change_stepped != NULL ? &driver->change_stepped : &driver->change;
    struct dgraft_change *change = *asked;
    const bool done = outcome->outcome == DGRAFT_OUTCOME_DONE;
    const bool unknown = outcome->outcome == DGRAFT_OUTCOME_UNKNOWN;
    if (change == NULL || change->id != outcome->id) {
        return;
    }
    struct dgraft_change_answer said = {.reason = done ? 0 : outcome->outcome, .leader = outcome->leader};
    said.fate = done ? DGRAFT_PROPOSAL_COMMITTED : unknown ? DGRAFT_PROPOSAL_UNKNOWN : DGRAFT_PROPOSAL_REFUSED;
    said.why = why_of(outcome->outcome);
    *asked = NULL;
    answer(change, &said);
}

/* Fills in the address of a member of the membership that is being made. */
static void address_fill(const struct dgraft_driver *driver, struct dgraft_member *member)
{
    const struct dgraft_change *change = driver->change_stepped;
    const struct dgraft_member *known = dgraft_members_find(&driver->members, member->id);
    if (known != NULL) {
        memcpy(member->address, known->address, sizeof member->address);
        return;
    }
    assert(change != NULL && change->member == member->id && change->address != NULL);
    (void)snprintf(member->address, sizeof member->address, "%s", change->address);
}

void dgraft_driver_frame_membership(struct dgraft_driver *driver, const struct dgraft_action_write *write)
{
    uint8_t payload[DGRAFT_MEMBERSHIP_BYTES_MAX];
    const struct dgraft_membership *membership = dgraft_core_membership(driver->core);
    struct dgraft_members made = {.count = 0};
    struct dgraft_record record = {
        .entry = {.index = write->first, .term = write->entry_term, .kind = DGRAFT_ENTRY_MEMBERSHIP},
        .log_time_ns = dgraft_driver_stamp(driver)};
    assert(membership->index == write->first);
    for (dgraft_node_set left = dgraft_membership_all(membership); left != 0; left &= left - 1) {
        struct dgraft_member *member = &made.items[made.count++];
        member->id = dgraft_node_set_first(left);
        member->roles = dgraft_membership_roles(membership, member->id);
        member->store = dgraft_membership_store(membership, member->id);
        address_fill(driver, member);
    }
    driver->members_made = made;
    driver->members_made_index = write->first;
    record.entry.payload_bytes = (uint32_t)dgraft_membership_encode(&made, payload);
    record.entry.checksum = dgraft_crc32c(0, payload, record.entry.payload_bytes);
    struct iovec piece = {.iov_base = payload, .iov_len = record.entry.payload_bytes};
    dgraft_driver_frame_record(driver, &record, &piece);
}

void dgraft_driver_end_changes(struct dgraft_driver *driver)
{
    struct dgraft_change *left = driver->changes;
    driver->changes = NULL;
    while (left != NULL) {
        struct dgraft_change *change = left;
        left = change->next;
        refuse(driver, change, DGRAFT_OUTCOME_NOT_LEADER, "this node is closing");
    }
    if (driver->change != NULL) {
        struct dgraft_change_answer said = {.fate = DGRAFT_PROPOSAL_UNKNOWN,
                                            .reason = DGRAFT_OUTCOME_UNKNOWN,
                                            .why = "this node was closed before it was committed"};
        answer(driver->change, &said);
        driver->change = NULL;
    }
}
