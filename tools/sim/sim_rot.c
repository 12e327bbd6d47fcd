/* Logs that rot. Of each run it is one node's disk at most, so that what was committed is whole on another one, and can
 * be had from there; and not the newest segments, because the newest batches are proven by nothing yet. The other
 * members are a majority without it at any time: if what it lost is compacted everywhere, only a leader's snapshot
 * helps, and it may be the only one whose log is long enough to lead.
 */
#include "sim_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 4096u

void sim_rot_plan(struct sim_plan *plan, struct sim_random *random)
{
    plan->rot = sim_random_chance(random, 300000) ? 0 : (uint32_t)sim_random_below(random, 700000);
    plan->rot = plan->churn == 0 && plan->founders >= 3 ? plan->rot : 0;
    plan->rotting = (dgraft_node_id)sim_random_between(random, 1, plan->founders);
    plan->rots_by_block = sim_random_chance(random, 400000);
    plan->scrub_bytes_per_s = plan->rot % 2 == 0 ? 0 : 4u * 1024 * 1024; /* no draw: older seeds stay as they were */
}

static void segment_path(uint64_t sequence, char path[SIM_DISK_PATH_BYTES])
{
    (void)snprintf(path, SIM_DISK_PATH_BYTES, "data/log-%016" PRIu64, sequence);
}

/* Chooses a segment that two newer ones that were written stand behind. Returns its sequence, 0 when there is none. */
static uint64_t choose_segment(struct sim_run *run, const struct sim_disk *disk)
{
    uint64_t first = 0;
    uint64_t newest = 0;
    for (int i = 0; i < SIM_DISK_FILES_MAX; i++) {
        static const char prefix[] = "data/log-";
        const char *path = disk->names[i].path;
        const bool log = strncmp(path, prefix, sizeof prefix - 1) == 0;
        const uint64_t sequence = log ? strtoull(path + sizeof prefix - 1, NULL, 10) : 0;
        if (disk->names[i].now >= 0 && sequence != 0 &&
            disk->inodes[disk->names[i].now].synced_end > HEADER_BYTES + 128) {
            first = first == 0 || sequence < first ? sequence : first;
            newest = sequence > newest ? sequence : newest;
        }
    }
    return newest < first + 2 ? 0 : sim_random_between(&run->rot_random, first, newest - 2);
}

void sim_rot(struct sim_node *node)
{
    struct sim_run *run = node->run;
    char path[SIM_DISK_PATH_BYTES];
    if (run->phase != SIM_PHASE_FAULTS || node->id != run->plan.rotting ||
        !sim_random_chance(&run->rot_random, run->plan.rot)) {
        return;
    }
    const uint64_t sequence = choose_segment(run, node->disk);
    if (sequence == 0) {
        return;
    }
    segment_path(sequence, path);
    const uint64_t end = sim_disk_synced_end(node->disk, path);
    if (end <= HEADER_BYTES) {
        return;
    }
    const uint64_t at = HEADER_BYTES + sim_random_below(&run->rot_random, end - HEADER_BYTES);
    const uint64_t begin = run->plan.rots_by_block ? at / 512 * 512 : at;
    const uint64_t bytes = run->plan.rots_by_block ? 512 : 1;
    for (uint64_t i = begin; i < begin + bytes && i < end; i++) {
        sim_disk_rot(node->disk, path, i, (uint32_t)sim_random_below(&run->rot_random, 8));
    }
    node->rotted = true;
    run->counts.of[SIM_COUNT_LOG_ROTTED]++;
    sim_trace_line(&run->trace, node->id, "%s rots at %" PRIu64 ", %" PRIu64 " bytes", path, begin, bytes);
}
