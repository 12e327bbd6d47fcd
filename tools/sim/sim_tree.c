#include "sim_tree.h"

#include <stdlib.h>
#include <string.h>

/* A run that makes more is broken. */
#define INDEX_MAX UINT64_C(1000000)

static bool reserve(struct sim_tree *tree, dgraft_index index)
{
    if (tree->entry_count + 1 >= tree->entry_capacity) {
        const uint32_t capacity = tree->entry_capacity == 0 ? 1024 : tree->entry_capacity * 2;
        struct sim_entry *entries = realloc(tree->entries, capacity * sizeof *entries);
        if (entries == NULL) {
            return false;
        }
        tree->entries = entries;
        tree->entry_capacity = capacity;
        tree->entry_count = tree->entry_count == 0 ? 1 : tree->entry_count;
    }
    if (index >= tree->head_capacity) {
        dgraft_index capacity = tree->head_capacity == 0 ? 1024 : tree->head_capacity;
        while (capacity <= index) {
            capacity *= 2;
        }
        uint32_t *heads = realloc(tree->heads, capacity * sizeof *heads);
        if (heads == NULL) {
            return false;
        }
        memset(heads + tree->head_capacity, 0, (capacity - tree->head_capacity) * sizeof *heads);
        tree->heads = heads;
        tree->head_capacity = capacity;
    }
    return true;
}

enum sim_tree_result sim_tree_add(struct sim_tree *tree, dgraft_index index, const struct sim_entry *entry)
{
    const struct sim_entry *known = sim_tree_find(tree, (struct dgraft_position){.index = index, .term = entry->term});

    if (known != NULL) {
        if (known->hash != entry->hash || known->kind != entry->kind || known->operation != entry->operation) {
            return SIM_TREE_OTHER_CONTENT;
        }
        return known->before == entry->before ? SIM_TREE_KNOWN : SIM_TREE_OTHER_BEFORE;
    }
    if (index == 0 || index > INDEX_MAX || !reserve(tree, index)) {
        return SIM_TREE_FULL;
    }
    tree->entries[tree->entry_count] = *entry;
    tree->entries[tree->entry_count].next = tree->heads[index];
    tree->heads[index] = tree->entry_count++;
    return SIM_TREE_ADDED;
}

const struct sim_entry *sim_tree_find(const struct sim_tree *tree, struct dgraft_position position)
{
    if (position.index >= tree->head_capacity) {
        return NULL;
    }
    for (uint32_t at = tree->heads[position.index]; at != 0; at = tree->entries[at].next) {
        if (tree->entries[at].term == position.term) {
            return &tree->entries[at];
        }
    }
    return NULL;
}

dgraft_term sim_tree_term_at(const struct sim_tree *tree, struct dgraft_position tip, dgraft_index index)
{
    if (index == 0 || index > tip.index) {
        return 0;
    }
    while (tip.index > index) {
        const struct sim_entry *entry = sim_tree_find(tree, tip);
        if (entry == NULL) {
            return SIM_TERM_UNKNOWN;
        }
        tip.index--;
        tip.term = entry->before;
    }
    return tip.term;
}

void sim_tree_close(struct sim_tree *tree)
{
    free(tree->entries);
    free(tree->heads);
    memset(tree, 0, sizeof *tree);
}
