/* Codec of a membership's payload; membership.h has its layout. */
#include <dgraft/membership.h>
#include <dgraft/record.h>

#include <assert.h>
#include <string.h>

#define VERSION      1u
#define HEAD_BYTES   8u
#define MEMBER_BYTES 88u
#define AT_ROLES     4u
#define AT_STORE     8u
#define AT_RESERVED  16u
#define AT_ADDRESS   24u
#define ROLES_ALL                                                                                                      \
    ((uint32_t)DGRAFT_MEMBER_VOTER | DGRAFT_MEMBER_OUTGOING | DGRAFT_MEMBER_LEARNER | DGRAFT_MEMBER_PROMOTE)

_Static_assert(HEAD_BYTES + DGRAFT_MEMBERS_MAX * MEMBER_BYTES == DGRAFT_MEMBERSHIP_BYTES_MAX, "the header says so");
_Static_assert(AT_ADDRESS + DGRAFT_ADDRESS_TEXT_BYTES == MEMBER_BYTES, "the address is the last field");

size_t dgraft_membership_encode(const struct dgraft_members *members, uint8_t *out)
{
    assert(members->count >= 1 && members->count <= DGRAFT_MEMBERS_MAX);
    const size_t whole = HEAD_BYTES + (size_t)members->count * MEMBER_BYTES;
    memset(out, 0, whole);
    out[0] = VERSION;
    out[1] = (uint8_t)members->count;
    uint8_t *at = out + HEAD_BYTES;
    for (uint32_t i = 0; i < members->count; i++, at += MEMBER_BYTES) {
        const struct dgraft_member *member = &members->items[i];
        const size_t length = strnlen(member->address, DGRAFT_ADDRESS_TEXT_BYTES - 1);
        dgraft_put_u32(at, member->id);
        at[AT_ROLES] = (uint8_t)member->roles;
        dgraft_put_u64(at + AT_STORE, member->store);
        memcpy(at + AT_ADDRESS, member->address, length);
    }
    return whole;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* A learner is no voter, but may be one of the outgoing set; only learners are promoted. */
static bool roles_valid(uint32_t roles)
{
    const uint32_t voter = roles & DGRAFT_MEMBER_VOTER;
    const uint32_t learner = roles & DGRAFT_MEMBER_LEARNER;
    if (roles == 0 || (roles & ~ROLES_ALL) != 0 || (voter != 0 && learner != 0)) {
        return false;
    }
    return learner != 0 || (roles & DGRAFT_MEMBER_PROMOTE) == 0;
}

/* Printable, without spaces, ended by a zero and filled up with them. */
static enum dgraft_refusal check_address(const uint8_t *text)
{
    size_t length = 0;
    while (length < DGRAFT_ADDRESS_TEXT_BYTES && text[length] != 0) {
        if (text[length] <= ' ' || text[length] > '~') {
            return DGRAFT_REFUSAL_FIELD;
        }
        length++;
    }
    if (length == 0 || length == DGRAFT_ADDRESS_TEXT_BYTES) {
        return DGRAFT_REFUSAL_FIELD;
    }
    return all_zero(text + length, DGRAFT_ADDRESS_TEXT_BYTES - length) ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_PADDING;
}

static enum dgraft_refusal get_member(const uint8_t *at, dgraft_node_id before, struct dgraft_member *out)
{
    *out =
        (struct dgraft_member){.id = dgraft_get_u32(at), .roles = at[AT_ROLES], .store = dgraft_get_u64(at + AT_STORE)};
    if (!dgraft_node_id_valid(out->id) || !roles_valid(out->roles)) {
        return DGRAFT_REFUSAL_FIELD;
    }
    if (out->id <= before) {
        return DGRAFT_REFUSAL_ORDER;
    }
    if (!all_zero(at + AT_ROLES + 1, AT_STORE - AT_ROLES - 1) ||
        !all_zero(at + AT_RESERVED, AT_ADDRESS - AT_RESERVED)) {
        return DGRAFT_REFUSAL_PADDING;
    }
    memcpy(out->address, at + AT_ADDRESS, DGRAFT_ADDRESS_TEXT_BYTES);
    return check_address(at + AT_ADDRESS);
}

enum dgraft_refusal dgraft_membership_decode(const uint8_t *bytes, size_t size, struct dgraft_members *out)
{
    if (size < HEAD_BYTES) {
        return DGRAFT_REFUSAL_SHORT;
    }
    if (bytes[0] != VERSION) {
        return bytes[0] > VERSION ? DGRAFT_REFUSAL_VERSION : DGRAFT_REFUSAL_FIELD;
    }
    const uint32_t count = bytes[1];
    if (count == 0 || count > DGRAFT_MEMBERS_MAX) {
        return DGRAFT_REFUSAL_COUNT;
    }
    const size_t whole = HEAD_BYTES + (size_t)count * MEMBER_BYTES;
    if (size != whole) {
        return size < whole ? DGRAFT_REFUSAL_SHORT : DGRAFT_REFUSAL_LENGTH;
    }
    if (!all_zero(bytes + 2, HEAD_BYTES - 2)) {
        return DGRAFT_REFUSAL_PADDING;
    }
    memset(out, 0, sizeof *out);
    out->count = count;
    dgraft_node_id before = 0;
    bool voter = false;
    for (uint32_t i = 0; i < count; i++) {
        struct dgraft_member *member = &out->items[i];
        const enum dgraft_refusal refusal = get_member(bytes + HEAD_BYTES + (size_t)i * MEMBER_BYTES, before, member);
        if (refusal != DGRAFT_ACCEPT) {
            return refusal;
        }
        before = member->id;
        voter = voter || (member->roles & DGRAFT_MEMBER_VOTER) != 0;
    }
    return voter ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_FIELD;
}

void dgraft_membership_of(const struct dgraft_members *members, dgraft_index index, struct dgraft_membership *out)
{
    *out = (struct dgraft_membership){.index = index};
    for (uint32_t i = 0; i < members->count; i++) {
        const struct dgraft_member *member = &members->items[i];
        const dgraft_node_set set = dgraft_node_set_of(member->id);
        out->voters |= (member->roles & DGRAFT_MEMBER_VOTER) != 0 ? set : 0;
        out->outgoing |= (member->roles & DGRAFT_MEMBER_OUTGOING) != 0 ? set : 0;
        out->learners |= (member->roles & DGRAFT_MEMBER_LEARNER) != 0 ? set : 0;
        out->promote |= (member->roles & DGRAFT_MEMBER_PROMOTE) != 0 ? set : 0;
        out->stores[i] = member->store; /* both ascend by id */
    }
}

uint32_t dgraft_membership_roles(const struct dgraft_membership *membership, dgraft_node_id id)
{
    uint32_t roles = dgraft_node_set_has(membership->voters, id) ? DGRAFT_MEMBER_VOTER : 0u;
    roles |= dgraft_node_set_has(membership->outgoing, id) ? DGRAFT_MEMBER_OUTGOING : 0u;
    roles |= dgraft_node_set_has(membership->learners, id) ? DGRAFT_MEMBER_LEARNER : 0u;
    roles |= dgraft_node_set_has(membership->promote, id) ? DGRAFT_MEMBER_PROMOTE : 0u;
    return roles;
}

const struct dgraft_member *dgraft_members_find(const struct dgraft_members *members, dgraft_node_id id)
{
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->items[i].id == id) {
            return &members->items[i];
        }
    }
    return NULL;
}
