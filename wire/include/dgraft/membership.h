/* The payload of an entry of kind MEMBERSHIP: who the members are, where they listen, which stores they have.
 *
 *   offset  width  field                                 (little-endian)
 *        0      1  version: 1
 *        1      1  count of members, 1 to DGRAFT_MEMBERS_MAX
 *        2      6  0
 *   then for each member, in ascending order of id, 88 bytes:
 *        0      4  node id
 *        4      1  roles: 1 voter, 2 voter of the outgoing set, 4 learner, 8 learner that becomes a voter by itself;
 *                  2 may stand beside 1 and beside 4, 8 beside 4 only
 *        5      3  0
 *        8      8  store: 0 until known
 *       16      8  0
 *       24     64  address as text, filled up with zeros; the last byte is zero
 */
#ifndef DGRAFT_MEMBERSHIP_H
#define DGRAFT_MEMBERSHIP_H

#include <dgraft/core.h>
#include <dgraft/refusal.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DGRAFT_ADDRESS_TEXT_BYTES   64u
#define DGRAFT_MEMBERSHIP_BYTES_MAX (8u + DGRAFT_MEMBERS_MAX * 88u)

enum dgraft_member_role {
    DGRAFT_MEMBER_VOTER = 1,
    DGRAFT_MEMBER_OUTGOING = 2,
    DGRAFT_MEMBER_LEARNER = 4,
    DGRAFT_MEMBER_PROMOTE = 8
};

struct dgraft_member {
    dgraft_node_id id;
    uint32_t roles; /* of enum dgraft_member_role */
    uint64_t store;
    char address[DGRAFT_ADDRESS_TEXT_BYTES];
};

struct dgraft_members {
    uint32_t count;
    struct dgraft_member items[DGRAFT_MEMBERS_MAX]; /* ascending id */
};

/* Writes a payload of up to DGRAFT_MEMBERSHIP_BYTES_MAX; returns its size. */
size_t dgraft_membership_encode(const struct dgraft_members *members, uint8_t *out);

/* Reads one. Ids are valid, ascending, unique; at least one voter; roles and addresses well-formed. */
enum dgraft_refusal dgraft_membership_decode(const uint8_t *bytes, size_t size, struct dgraft_members *out);

/* Returns the roles that a membership gives a node; 0: it is no member. */
uint32_t dgraft_membership_roles(const struct dgraft_membership *membership, dgraft_node_id id);

/* Says it as the core wants it. */
void dgraft_membership_of(const struct dgraft_members *members, dgraft_index index, struct dgraft_membership *out);

/* Returns the member of this id, or NULL. */
const struct dgraft_member *dgraft_members_find(const struct dgraft_members *members, dgraft_node_id id);

/* Parses "1=HOST:PORT,2=HOST:PORT" (voters; "3=HOST:PORT/learner" a learner) in any order. For the bus carrier an
 * address may be "ipc:///PATH", too. Returns OK or CONFIG, and in
 * why one sentence naming the part that is wrong. */
DGRAFT_MUST_USE enum dgraft_status dgraft_members_parse(const char *text, struct dgraft_members *out, char *why,
                                                        size_t why_bytes);

/* The cluster's number: XXH3-64 over its name and founders. Founders that were formatted with different lists of
 * members are different clusters, and refuse each other's frames instead of sharing a log that differs. Never 0. */
uint64_t dgraft_cluster_id(const char *name, const struct dgraft_members *founders);

#ifdef __cplusplus
}
#endif
#endif
