/* A start: what a store would find on the disk of the model. */
#include "explore_canon.h"
#include "explore_nodes.h"

#include <string.h>

/* Returns how many stretches are damaged. Each ends with what can be read behind it, or with the log. */
static uint32_t damage_find(const struct explore_disk *disk, struct dgraft_damage *damage)
{
    const uint8_t last = disk->log.last;
    uint32_t count = 0;
    for (uint8_t index = 1; index <= last; index++) {
        if ((disk->damaged & explore_entry_bit(index)) == 0) {
            continue;
        }
        struct dgraft_damage *found = &damage[count++];
        found->first = index;
        while (index < last && (disk->damaged & explore_entry_bit(index + 1u)) != 0) {
            index++;
        }
        found->last = index;
        found->anchor.index = index < last ? index + 1u : index;
        found->anchor.term = explore_disk_term(disk, found->anchor.index);
    }
    return count;
}

static uint32_t runs_find(const struct explore_disk *disk, struct dgraft_term_run *runs)
{
    uint32_t count = 0;
    for (uint8_t index = 1; index <= disk->log.last; index++) {
        const uint8_t term = explore_disk_term(disk, index);
        if (count == 0 || term != runs[count - 1].term) {
            runs[count++] = (struct dgraft_term_run){.first = index, .term = term};
        }
    }
    return count;
}

bool explore_host_start(struct explore_nodes *nodes, const struct explore_start *start, struct explore_effects *effects)
{
    struct explore_host *host = explore_node_host(nodes->node);
    const struct explore_disk *disk = &host->disk;
    struct dgraft_config config;
    struct dgraft_term_run runs[EXPLORE_LOG_MAX];
    struct dgraft_damage damage[EXPLORE_LOG_MAX];
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START, .now_ns = EXPLORE_NOW_NS};
    explore_canon_config(&config, start->self, nodes->node_count);
    if (dgraft_core_init(explore_node_core(nodes->node), &config) == NULL) {
        return explore_nodes_fail(nodes, "the core refuses the configuration");
    }
    explore_canon_asks_first(explore_node_core(nodes->node), start->asked);
    const struct dgraft_position last = {disk->log.last, explore_log_term(&disk->log, disk->log.last)};
    host->log = disk->log;
    host->reopen = 0;
    host->told = disk->damaged;
    host->write_count = 0;
    memset(host->writes, 0, sizeof host->writes);
    event.u.start = (struct dgraft_event_start){
        .store = 1, /* the same for all, so that nodes may be exchanged */
        .term = disk->term,
        .vote = disk->vote,
        .last = last,
        .floor = last,
        .commit =
            start->applied > 1 ? start->applied : 1, /* the founders; of what else is committed, disks need not know */
        .applied = start->applied,
        .runs = runs,
        .run_count = runs_find(disk, runs),
        .damage = damage,
        .damage_count = damage_find(disk, damage),
        .membership = {.index = 1, .voters = (UINT64_C(1) << nodes->node_count) - 1}};
    for (uint32_t i = 0; i < nodes->node_count; i++) {
        event.u.start.membership.stores[i] = 1; /* written down, so that no leader has to */
    }
    if (!explore_host_step(nodes, &event, NULL, effects)) {
        return false;
    }
    explore_canon_tokens(explore_node_core(nodes->node), host->starts);
    return disk->damaged != 0 || effects->sent_count == 0 ||
           explore_nodes_fail(nodes, "a node speaks as soon as it starts");
}
