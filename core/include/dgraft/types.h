/* The words every room of dgraft shares: terms, indexes, positions, node ids and sets of them, time.
 *
 * Nothing here owns memory. A term or an index of 0 means "none": the first term and the first index are 1.
 */
#ifndef DGRAFT_TYPES_H
#define DGRAFT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t dgraft_term;    /* election term; never falls [§3.3] */
typedef uint64_t dgraft_index;   /* place in the log, from 1 [§3.5] */
typedef uint32_t dgraft_node_id; /* 1 to DGRAFT_NODE_ID_MAX; 0 is illegal and means "nobody" */
typedef uint64_t dgraft_time_ns; /* nanoseconds of a clock that never steps back and runs on through suspend */

/* Ids are this small on purpose: a set of nodes is then one word, and a majority one population count. */
#define DGRAFT_NODE_ID_MAX 64u

/* Members of one cluster, voters and learners together. */
#define DGRAFT_MEMBERS_MAX 16u

/* A set of node ids: bit (id - 1) stands for id. */
typedef uint64_t dgraft_node_set;

/* An entry's place and the term that made it. Two logs that agree in one position agree in all before it (Log
 * Matching [§3.5]). {0, 0} is the place before the first entry, and matches in every log. */
struct dgraft_position {
    dgraft_index index;
    dgraft_term term;
};

/* What an entry is for. 0 is invalid on the wire and on disk; numbers are never used again. */
enum dgraft_entry_kind {
    DGRAFT_ENTRY_COMMAND = 1,    /* bytes for the user's state machine */
    DGRAFT_ENTRY_NOOP = 2,       /* nothing: a leader's first entry [§3.6.2], or a read that goes through the log */
    DGRAFT_ENTRY_MEMBERSHIP = 3, /* who the members are from this entry on [§4.3] */
    DGRAFT_ENTRY_SESSION = 4     /* opens or closes a client's session [§6.3] */
};

/* An entry as the protocol sees it: never its bytes. */
struct dgraft_entry {
    dgraft_index index;
    dgraft_term term;
    uint32_t payload_bytes;
    uint32_t checksum; /* CRC32C of the payload */
    enum dgraft_entry_kind kind;
    uint32_t reserved; /* 0 */
};

/* Consecutive entries of one term, from first on up to the next run's first. */
struct dgraft_term_run {
    dgraft_index first;
    dgraft_term term;
};

/* Entries first to last were in the log, and cannot be read any more. Whoever holds `anchor` holds the same entries
 * before it (Log Matching [§3.5]): so they can be had from anybody who does. */
struct dgraft_damage {
    dgraft_index first;
    dgraft_index last;
    struct dgraft_position
        anchor; /* the entry behind them; their last one's own position when the log ends with them */
};

/* Stretches of damage that are told apart; beyond it, two that are near each other count as one. */
#define DGRAFT_DAMAGE_MAX 16u

/* Who takes part. Voters decide; learners only receive. `outgoing` is the old set of voters while a joint change is
 * under way, and empty otherwise: a decision then needs a majority of each [§4.3]. A node that joins has heard of no
 * membership yet: all of it is zero, and it follows whoever leads. */
struct dgraft_membership {
    dgraft_index index;     /* of the entry that says so */
    dgraft_node_set voters; /* empty only where there is no membership at all */
    dgraft_node_set outgoing;
    dgraft_node_set learners;            /* disjoint from voters; one of `outgoing` is a voter on its way to learner */
    dgraft_node_set promote;             /* learners that become voters by themselves once they have caught up */
    uint64_t stores[DGRAFT_MEMBERS_MAX]; /* the store of each member, ascending by id; 0 unknown */
};

/* A snapshot: the state machine's state behind all entries up to `position`, as bytes. Two nodes' snapshots of one
 * position hold the same state and may differ as bytes: only those of one digest go on where the other stopped. */
struct dgraft_snapshot {
    struct dgraft_position position;
    uint64_t size;   /* of its bytes */
    uint64_t digest; /* over all of them */
};

/* Returns true when id may name a node. */
static inline bool dgraft_node_id_valid(dgraft_node_id id)
{
    return id >= 1 && id <= DGRAFT_NODE_ID_MAX;
}

/* Returns the set of just this node; the empty set for an id that is not valid. */
static inline dgraft_node_set dgraft_node_set_of(dgraft_node_id id)
{
    return dgraft_node_id_valid(id) ? UINT64_C(1) << (id - 1) : 0;
}

/* Returns whether the set holds id; false for an id that is not valid. */
static inline bool dgraft_node_set_has(dgraft_node_set set, dgraft_node_id id)
{
    return dgraft_node_id_valid(id) && ((set >> (id - 1)) & 1u) != 0;
}

/* Returns how many nodes the set holds. */
static inline uint32_t dgraft_node_set_count(dgraft_node_set set)
{
    /* Sums of 1, 2, 4, then 8 bits side by side. Neither the builtin nor the loop that clears one bit at a time:
     * without a popcount instruction compilers turn both into a call into their own library, and the core calls
     * nothing. */
    set -= (set >> 1) & UINT64_C(0x5555555555555555);
    set = (set & UINT64_C(0x3333333333333333)) + ((set >> 2) & UINT64_C(0x3333333333333333));
    set = (set + (set >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)((set * UINT64_C(0x0101010101010101)) >> 56);
}

/* Returns the smallest id of a set, 0 when it is empty; with `set &= set - 1` this walks a set in order. */
static inline dgraft_node_id dgraft_node_set_first(dgraft_node_set set)
{
#if defined(__GNUC__)
    return set == 0 ? 0 : (dgraft_node_id)__builtin_ctzll(set) + 1;
#else
    dgraft_node_id id = 0;
    if (set == 0) {
        return 0;
    }
    while (((set >> id) & 1u) == 0) {
        id++;
    }
    return id + 1;
#endif
}

/* Returns whether some of `subset` is a majority of `all`. An empty `all` has no majority to ask: true. [§3.4] */
static inline bool dgraft_node_set_majority(dgraft_node_set subset, dgraft_node_set all)
{
    return all == 0 || dgraft_node_set_count(subset & all) > dgraft_node_set_count(all) / 2;
}

/* Returns everybody who takes part. */
static inline dgraft_node_set dgraft_membership_all(const struct dgraft_membership *membership)
{
    return membership->voters | membership->outgoing | membership->learners;
}

/* Returns where the store of a member stands in `stores`; DGRAFT_MEMBERS_MAX when id is no member. */
static inline uint32_t dgraft_membership_slot(const struct dgraft_membership *membership, dgraft_node_id id)
{
    const dgraft_node_set all = dgraft_membership_all(membership);
    if (!dgraft_node_set_has(all, id)) {
        return DGRAFT_MEMBERS_MAX;
    }
    return dgraft_node_set_count(all & (dgraft_node_set_of(id) - 1));
}

/* Returns the store that is written down for id; 0 when none is, or id is no member. */
static inline uint64_t dgraft_membership_store(const struct dgraft_membership *membership, dgraft_node_id id)
{
    const uint32_t slot = dgraft_membership_slot(membership, id);
    return slot < DGRAFT_MEMBERS_MAX ? membership->stores[slot] : 0;
}

/* Returns whether a comes before b in the order by which logs are compared for a vote: term first, then index [§3.6.1].
 */
static inline bool dgraft_position_before(struct dgraft_position a, struct dgraft_position b)
{
    return a.term != b.term ? a.term < b.term : a.index < b.index;
}

/* Returns whether the two are the same index of the same term. */
static inline bool dgraft_position_equal(struct dgraft_position a, struct dgraft_position b)
{
    return a.index == b.index && a.term == b.term;
}

/* Returns whether the two are the same bytes of the same position. */
static inline bool dgraft_snapshot_equal(const struct dgraft_snapshot *a, const struct dgraft_snapshot *b)
{
    return dgraft_position_equal(a->position, b->position) && a->size == b->size && a->digest == b->digest;
}

#ifdef __cplusplus
}
#endif
#endif
