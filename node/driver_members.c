/* Who the members are, where they listen, and which of them the transport reaches.
 *
 * The core decides which membership is in force; it says its index, and this file finds the addresses that belong to
 * it: in the frame that brought it, in what was framed here, or in the one before when an entry was truncated. The
 * transport then reaches everybody of the membership in force and of the one before it (those who were removed are
 * still to be told), and whoever else has sent a request, at the address that it came from [§4.1].
 */
#include "driver_state.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void reach(struct dgraft_driver *driver, dgraft_node_id id, const char *address)
{
    struct dgraft_transport *transport = driver->options.transport;
    char *known = driver->addresses[id];
    if (dgraft_node_set_has(driver->reached, id) && strcmp(known, address) == 0) {
        return;
    }
    (void)snprintf(known, DGRAFT_ADDRESS_TEXT_BYTES, "%s", address);
    enum dgraft_status status = transport->ops->peer_add(transport, id, address);
    if (status == DGRAFT_OK) {
        driver->reached |= dgraft_node_set_of(id);
        return;
    }
    dgraft_driver_log(driver, DGRAFT_LOG_ERROR, "node %u's address %s cannot be used: %s", id, address,
                      dgraft_status_text(status));
    transport->ops->peer_remove(transport, id);
    driver->reached &= ~dgraft_node_set_of(id);
}

/* Has the transport reach the members, and nobody who is none any more. */
static void reach_members(struct dgraft_driver *driver)
{
    struct dgraft_transport *transport = driver->options.transport;
    const struct dgraft_members *lists[] = {&driver->members, &driver->members_before};
    dgraft_node_set wanted = 0;
    for (uint32_t list = 0; list < 2; list++) {
        for (uint32_t i = 0; i < lists[list]->count; i++) {
            const struct dgraft_member *member = &lists[list]->items[i];
            if (member->id != driver->identity.node && !dgraft_node_set_has(wanted, member->id)) {
                reach(driver, member->id, member->address);
                wanted |= dgraft_node_set_of(member->id);
            }
        }
    }
    driver->guests &= ~wanted;
    for (dgraft_node_set left = driver->reached & ~wanted & ~driver->guests; left != 0; left &= left - 1) {
        transport->ops->peer_remove(transport, dgraft_node_set_first(left));
    }
    driver->reached &= wanted | driver->guests;
}

/* Reads a MEMBERSHIP entry of the log. */
static enum dgraft_status read_members(struct dgraft_driver *driver, dgraft_index index, struct dgraft_members *members,
                                       struct dgraft_why *why)
{
    uint8_t bytes[DGRAFT_RECORD_HEADER_BYTES + DGRAFT_MEMBERSHIP_BYTES_MAX + 8];
    uint32_t count = 0;
    size_t used = 0;
    struct dgraft_record record;
    enum dgraft_status status =
        dgraft_storage_read(driver->storage, index, index, bytes, sizeof bytes, &count, &used, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    if (dgraft_record_decode(bytes, used, &record, NULL) != DGRAFT_ACCEPT ||
        record.entry.kind != DGRAFT_ENTRY_MEMBERSHIP ||
        dgraft_membership_decode(record.payload, record.entry.payload_bytes, members) != DGRAFT_ACCEPT) {
        (void)snprintf(why->text, sizeof why->text,
                       "%s: the entry at index %llu should say who the members are, and does not; "
                       "restore the directory from a copy",
                       driver->options.directory, (unsigned long long)index);
        return DGRAFT_STATUS_DAMAGED;
    }
    return DGRAFT_OK;
}

/* The snapshot's may be in the log no more. */
static enum dgraft_status find_or_read_members(struct dgraft_driver *driver, dgraft_index index,
                                               struct dgraft_members *members, struct dgraft_why *why)
{
    if (index != driver->applied_members_index) {
        return read_members(driver, index, members, why);
    }
    *members = driver->applied_members;
    return DGRAFT_OK;
}

enum dgraft_status dgraft_driver_meet_members(struct dgraft_driver *driver, const struct dgraft_found *found,
                                              struct dgraft_event_start *start, struct dgraft_why *why)
{
    dgraft_index now = found->membership_index;
    dgraft_index before = found->membership_before;
    const dgraft_index held = driver->applied_members_index; /* the snapshot's, if there is one */
    if (held > now) {
        before = now;
        now = held;
    } else if (held > before && held != now) {
        before = held;
    }
    if (now == 0) {
        return DGRAFT_OK; /* it is to join: whoever leads will tell it */
    }
    enum dgraft_status status = find_or_read_members(driver, now, &driver->members, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    dgraft_membership_of(&driver->members, now, &start->membership);
    driver->membership_index = now;
    driver->members_index = now;
    if (before != 0) {
        status = find_or_read_members(driver, before, &driver->members_before, why);
        if (status != DGRAFT_OK) {
            return status;
        }
        dgraft_membership_of(&driver->members_before, before, &start->before);
        driver->members_before_index = before;
    }
    reach_members(driver);
    for (uint32_t i = 0; i < driver->members.count; i++) {
        const struct dgraft_member *member = &driver->members.items[i];
        if (member->id != driver->identity.node && !dgraft_node_set_has(driver->reached, member->id)) {
            (void)snprintf(why->text, sizeof why->text, "node %u's address %s cannot be used", member->id,
                           member->address);
            return DGRAFT_STATUS_ADDRESS;
        }
    }
    return DGRAFT_OK;
}

enum dgraft_refusal dgraft_driver_read_memberships(struct dgraft_driver *driver, const struct dgraft_frame *frame,
                                                   struct dgraft_message *message)
{
    struct dgraft_append *append = &message->u.append;
    const uint8_t *record = frame->records;
    driver->frame_members_count = 0;
    for (uint32_t i = 0; i < append->count; i++) {
        const struct dgraft_entry *entry = &append->entries[i];
        if (entry->kind == DGRAFT_ENTRY_MEMBERSHIP) {
            const uint32_t at = driver->frame_members_count;
            if (at == DRIVER_MEMBERSHIPS_MAX) {
                append->count = i;
                break;
            }
            enum dgraft_refusal refusal = dgraft_membership_decode(record + DGRAFT_RECORD_HEADER_BYTES,
                                                                   entry->payload_bytes, &driver->frame_members[at]);
            if (refusal != DGRAFT_ACCEPT) {
                return refusal;
            }
            dgraft_membership_of(&driver->frame_members[at], entry->index, &driver->frame_memberships[at]);
            driver->frame_members_count++;
        }
        record += dgraft_record_bytes(entry->payload_bytes);
    }
    append->memberships = driver->frame_memberships;
    append->membership_count = driver->frame_members_count;
    return DGRAFT_ACCEPT;
}

/* Finds the members that the entry at index says. The newest source comes first: an index may be used again. */
static const struct dgraft_members *find_members(const struct dgraft_driver *driver, dgraft_index index)
{
    for (uint32_t i = 0; i < driver->frame_members_count; i++) {
        if (driver->frame_memberships[i].index == index) {
            return &driver->frame_members[i];
        }
    }
    if (driver->applied_members_index == index) {
        return &driver->applied_members; /* committed: nothing else was ever at this index, or will be */
    }
    if (driver->members_made_index == index) {
        return &driver->members_made;
    }
    if (driver->members_index == index) {
        return &driver->members;
    }
    return driver->members_before_index == index ? &driver->members_before : NULL;
}

void dgraft_driver_members_changed(struct dgraft_driver *driver, dgraft_index index)
{
    const struct dgraft_membership *before = dgraft_core_membership_before(driver->core);
    struct dgraft_members none = {.count = 0};
    const struct dgraft_members *now = find_members(driver, index);
    const struct dgraft_members *then = before->voters != 0 ? find_members(driver, before->index) : &none;
    assert(now != NULL && then != NULL);
    const struct dgraft_members pair[] = {*now, *then};
    driver->members = pair[0];
    driver->members_before = pair[1];
    driver->members_index = index;
    driver->members_before_index = before->voters != 0 ? before->index : 0;
    reach_members(driver);
    const struct dgraft_membership *membership = dgraft_core_membership(driver->core);
    dgraft_driver_log(driver, DGRAFT_LOG_INFO, "entry %llu says who the members are: %u voters, %u learners%s",
                      (unsigned long long)index, dgraft_node_set_count(membership->voters),
                      dgraft_node_set_count(membership->learners),
                      membership->outgoing != 0 ? "; the old voters decide as well until it is committed" : "");
    if (dgraft_members_find(&driver->members, driver->identity.node) == NULL) {
        dgraft_driver_log(driver, DGRAFT_LOG_WARNING, "this node is no member: it neither votes nor leads");
    }
}

void dgraft_driver_apply_members(struct dgraft_driver *driver, dgraft_index index, const uint8_t *payload, size_t size)
{
    struct dgraft_members members;
    const enum dgraft_refusal refusal = dgraft_membership_decode(payload, size, &members);
    assert(refusal == DGRAFT_ACCEPT); /* checked when the record came in or was read back */
    (void)refusal;
    driver->applied_members = members;
    driver->applied_members_index = index;
}

/* A carrier that sends to all reaches a stranger anyway. */
void dgraft_driver_meet_guest(struct dgraft_driver *driver, dgraft_node_id id, const struct dgraft_address *source)
{
    char text[DGRAFT_ADDRESS_TEXT_BYTES];
    const dgraft_node_set set = dgraft_node_set_of(id);
    if (id == driver->identity.node || driver->options.transport->one_send_for_all ||
        ((driver->reached & set) != 0 && (driver->guests & set) == 0)) {
        return;
    }
    dgraft_address_text(source, text, sizeof text);
    reach(driver, id, text);
    driver->guests |= set & driver->reached;
}

void dgraft_driver_name_foreign(struct dgraft_driver *driver, dgraft_node_id id, uint64_t store)
{
    dgraft_driver_log(driver, DGRAFT_LOG_ERROR,
                      "node %u speaks for store %016llx, which is not the one known of it: its disk was wiped or "
                      "exchanged, and what it says counts for nothing; remove node %u and add it again",
                      id, (unsigned long long)store, id);
}
