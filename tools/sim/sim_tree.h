/* Every entry that any node ever sent or wrote, by (index, term), with the entry before it. Log Matching [§3.5] says
 * that (index, term) names one entry and, through the entries before it, one whole log: so the tree refuses a second
 * content or a second predecessor for a position.
 */
#ifndef SIM_TREE_H
#define SIM_TREE_H

#include <dgraft/types.h>

struct sim_entry {
    dgraft_term term;
    dgraft_term before;   /* term of the entry at index - 1; 0 at index 1 */
    uint64_t hash;        /* of kind, tag and payload */
    uint64_t operation;   /* of a command; 0 otherwise */
    dgraft_index session; /* of a command in one; 0 otherwise */
    enum dgraft_entry_kind kind;
    uint32_t next; /* another entry of this index; 0 none */
};

struct sim_tree {
    struct sim_entry *entries; /* [0] is none */
    uint32_t entry_count;
    uint32_t entry_capacity;
    uint32_t *heads; /* by index */
    dgraft_index head_capacity;
};

enum sim_tree_result {
    SIM_TREE_KNOWN = 1,
    SIM_TREE_ADDED,
    SIM_TREE_OTHER_CONTENT,
    SIM_TREE_OTHER_BEFORE,
    SIM_TREE_FULL
};

/* Adds an entry, or compares it with the one known. */
enum sim_tree_result sim_tree_add(struct sim_tree *tree, dgraft_index index, const struct sim_entry *entry);

/* Returns the entry at a position, or NULL. The view is valid until the next addition. */
const struct sim_entry *sim_tree_find(const struct sim_tree *tree, struct dgraft_position position);

#define SIM_TERM_UNKNOWN UINT64_MAX

/* Returns the term at `index` of the log that ends with `tip`; 0 when it is beyond it, SIM_TERM_UNKNOWN when an entry
 * between them was never seen: it waits at its leader, in memory, and a later one has left before it. */
dgraft_term sim_tree_term_at(const struct sim_tree *tree, struct dgraft_position tip, dgraft_index index);

void sim_tree_close(struct sim_tree *tree);

#endif
