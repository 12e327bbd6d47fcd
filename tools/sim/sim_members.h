/* The checker's own account of who the members are: every MEMBERSHIP entry that was ever sent or written, by position.
 * What a majority is, is counted here again, and not with the core's functions.
 */
#ifndef SIM_MEMBERS_H
#define SIM_MEMBERS_H

#include <dgraft/types.h>

#define SIM_MEMBERSHIPS_MAX 4096u

struct sim_membership {
    struct dgraft_position position;
    struct dgraft_membership membership;
    bool judged; /* against the one before it */
};

struct sim_members {
    struct sim_membership *items;
    uint32_t count;
    uint32_t capacity;
    uint32_t judged; /* all before this one are */
};

struct sim_check;

/* Notes the payload of a MEMBERSHIP entry at a position. */
bool sim_members_note(struct sim_check *check, struct dgraft_position position, const uint8_t *payload, size_t size);

/* Returns the newest membership at or below `tip` of the log that ends there, or NULL. */
const struct sim_membership *sim_members_at(const struct sim_check *check, struct dgraft_position tip);

/* Returns whether `set` holds a majority of each set of voters. */
bool sim_members_majority(const struct dgraft_membership *membership, dgraft_node_set set);

/* Returns whether those in `set` may commit the entry at a position: by the membership in force there, by the one after
 * it, or by `claimed` (NULL: none), which its leader has appended and not sent yet. */
bool sim_members_may_commit(const struct sim_check *check, struct dgraft_position position, dgraft_node_set set,
                            const struct dgraft_membership *claimed);

/* I-CFG: judges the memberships that are new. Each differs from the one before by learners, promotions and stores, or
 * enters or leaves a joint one; and the one before was committed when it was made. */
bool sim_members_judge(struct sim_check *check);

/* Returns whether a node is a voter of the membership before `newest` in the log that ends with `last`. */
bool sim_members_before(const struct sim_check *check, struct dgraft_position last,
                        const struct dgraft_membership *newest, dgraft_node_id node);

/* I-CFG: what a node goes by is the newest membership of its log. */
bool sim_members_in_force(struct sim_check *check, dgraft_node_id node, struct dgraft_position last,
                          const struct dgraft_membership *claimed);

/* I-CFG: what a snapshot of all up to a committed position says of the members is the newest membership up to there.
 * `index` is that of its entry. */
bool sim_members_snapshot(struct sim_check *check, dgraft_node_id node, struct dgraft_position position,
                          dgraft_index index, const uint8_t *bytes, size_t size);

/* Returns the newest that is committed, or NULL. */
const struct sim_membership *sim_members_committed(const struct sim_check *check);

#endif
