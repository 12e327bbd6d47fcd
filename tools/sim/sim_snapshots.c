/* Snapshots: what the state machine writes and takes up, when the work on their files is done, and parts that rot while
 * they are being received. All that is drawn here comes from a stream of its own. */
#include "sim_run.h"

#define PART_PATH "data/snapshot.part"

/* Snapshots of what is committed since everything has healed that a node may have to take up, besides one for each that
 * this gives reason to make: the one that its leader was just making, and the one due after it. Whole ones of what was
 * committed before may still be on the way, in any number. */
#define INSTALLS_MAX 2u

/* A file's first block is not part of what the digest is over. */
#define BLOCK_BYTES 4096u

void sim_snapshots_draw(struct sim_plan *plan, struct sim_random *random)
{
    static const uint32_t chunks[6] = {150, 150, 300, 1000, 1300, 6000};
    static const uint64_t segments[4] = {8192, 8192, 16384, 32768};
    static const uint32_t fillers[5] = {0, 0, 200, 2000, 12000};
    struct sim_snapshot_plan *snapshots = &plan->snapshots;

    *snapshots = (struct sim_snapshot_plan){.every = 0};
    if (sim_random_chance(random, 250000)) {
        return;
    }
    /* Half of the runs make them all the time, and many keep nothing of the log behind one: what a crash or a conflict
     * may find between two steps is rare. */
    snapshots->every = sim_random_between(random, 3, sim_random_chance(random, 500000) ? 8 : 50);
    snapshots->tail = sim_random_chance(random, 400000) ? 0 : sim_random_below(random, 21);
    snapshots->slow_max = snapshots->tail + (sim_random_chance(random, 500000) ? 0 : sim_random_below(random, 200));
    snapshots->filler_bytes = fillers[sim_random_below(random, 5)];
    /* Two parts in two heartbeats are certain, when they overtake each other: a whole snapshot must come within the
     * bound on healing. */
    snapshots->chunk_bytes = chunks[sim_random_below(random, 6)] + snapshots->filler_bytes / 30;
    snapshots->alike = sim_random_chance(random, 500000);
    snapshots->work_max_ns = sim_random_between(random, 50000, 10 * SIM_MS);
    snapshots->work_late = sim_random_chance(random, 500000) ? 0 : (uint32_t)sim_random_below(random, 100000);
    snapshots->crash_in_work = sim_random_chance(random, 500000) ? 0 : (uint32_t)sim_random_below(random, 90000);
    snapshots->asked = (uint32_t)sim_random_below(random, 200000);
    snapshots->rot = sim_random_chance(random, 700000) ? 0 : (uint32_t)sim_random_below(random, 50000);
    plan->segment_bytes = segments[sim_random_below(random, 4)];
}

static bool save(void *context, struct dgraft_snapshot_writer *writer)
{
    struct sim_node *node = context;
    const struct sim_snapshot_plan *plan = &node->run->plan.snapshots;
    const uint64_t flavour = plan->alike ? node->machine.hash : node->machine.hash + node->id;
    const uint32_t filler = plan->filler_bytes == 0 ? 0 : (uint32_t)(flavour % plan->filler_bytes);
    return sim_machine_save(&node->machine, flavour, filler, writer);
}

static bool restore(void *context, const uint8_t *bytes, size_t size)
{
    struct sim_node *node = context;

    if (!sim_machine_load(&node->machine, bytes, size)) {
        return sim_check_fail(&node->run->check, "I-SNAP: node %u is to take up a state that nobody wrote", node->id);
    }
    sim_node_hear(node, &(struct sim_heard){.kind = SIM_HEARD_RESTORED, .machine = node->machine});
    return true;
}

void sim_snapshots_options(struct sim_node *node, struct dgraft_driver_options *options)
{
    const struct sim_snapshot_plan *plan = &node->run->plan.snapshots;

    if (plan->every == 0) {
        return;
    }
    options->machine.snapshot = save;
    options->machine.restore = restore;
    options->snapshot_every = plan->every;
    options->core.compact_tail = plan->tail;
    options->core.compact_slow_max = plan->slow_max;
    options->core.snapshot_chunk_bytes = plan->chunk_bytes;
}

void sim_snapshots_opened(struct sim_node *node, const struct dgraft_driver_status *status)
{
    uint64_t *counts = node->run->counts.of;
    uint64_t size = 0;

    node->working = false;
    node->snapshots_seen = (struct dgraft_snapshots_stats){.made = 0};
    node->segments_dropped_seen = 0;
    counts[SIM_COUNT_SNAPSHOT_OPENED] += status->core.snapshot.position.index != 0;
    counts[SIM_COUNT_SNAPSHOT_BEHIND] += status->core.compacted.index != 0;
    const uint8_t *part = sim_disk_peek(node->disk, PART_PATH, &size);
    if (part != NULL) {
        sim_check_part(&node->run->check, node->id, part, size, sim_disk_synced_end(node->disk, PART_PATH),
                       &status->core);
    }
    sim_check_stopped(&node->run->check, node->id, status->core.applied, &node->machine);
    if (!sim_check_broken(&node->run->check)) {
        sim_check_sessions(&node->run->check, node->id, status->core.applied,
                           dgraft_driver_sessions_digest(node->driver));
    }
}

void sim_snapshots_installed(struct sim_node *node, const struct dgraft_driver_status *status)
{
    const struct sim_run *run = node->run;
    if (status->snapshots.installed > node->snapshots_seen.installed) {
        node->installs_healed +=
            run->phase != SIM_PHASE_FAULTS && status->core.snapshot.position.index > run->committed_healed;
        sim_check_installed(&node->run->check, node->id, &status->core);
        const dgraft_index since = run->check.committed_last - run->committed_healed;
        if (node->installs_healed > INSTALLS_MAX + since / run->plan.snapshots.every) {
            sim_check_fail(&node->run->check,
                           "L-PROGRESS: node %u takes up one snapshot after the other: %u since all healed", node->id,
                           node->installs_healed);
        }
    }
}

/* Plans when the next piece of work is done: soon, or very late. */
static void plan_work(struct sim_node *node)
{
    struct sim_run *run = node->run;
    const struct sim_snapshot_plan *plan = &run->plan.snapshots;

    if (node->working || !dgraft_driver_file_work_ready(node->driver)) {
        return;
    }
    uint64_t latency = sim_random_between(&run->snapshots_random, 20000, plan->work_max_ns);
    if (run->phase == SIM_PHASE_FAULTS && sim_random_chance(&run->snapshots_random, plan->work_late)) {
        latency = sim_random_between(&run->snapshots_random, 100, 3000) * SIM_MS;
    }
    if (node->slow_until_ns > run->now_ns + latency) {
        latency = node->slow_until_ns - run->now_ns;
    }
    node->working = true;
    sim_later(run, latency, SIM_PLAN_FILES, node->id, node->incarnation, NULL);
}

void sim_snapshots_turned(struct sim_node *node, const struct dgraft_driver_status *status)
{
    uint64_t *counts = node->run->counts.of;
    const struct dgraft_snapshots_stats *now = &status->snapshots;
    const struct dgraft_snapshots_stats *before = &node->snapshots_seen;

    counts[SIM_COUNT_SNAPSHOT_MADE] += now->made - before->made;
    counts[SIM_COUNT_SNAPSHOT_FAILED] += now->failed - before->failed;
    counts[SIM_COUNT_SNAPSHOT_RECEIVED] += now->received - before->received;
    counts[SIM_COUNT_SEGMENT_DROPPED] += status->storage.segments_dropped - node->segments_dropped_seen;
    counts[SIM_COUNT_REPAIRED] += node->repairing_seen && !status->core.repairing;
    node->repairing_seen = status->core.repairing;
    node->snapshots_seen = *now;
    node->segments_dropped_seen = status->storage.segments_dropped;
    sim_check_stopped(&node->run->check, node->id, status->core.applied, &node->machine);
    plan_work(node);
}

/* A bit of what was received so far goes bad, before all of it is there and is read back. */
static void rot(struct sim_node *node)
{
    struct sim_run *run = node->run;
    struct dgraft_driver_status status;

    if (run->phase != SIM_PHASE_FAULTS || !sim_random_chance(&run->snapshots_random, run->plan.snapshots.rot)) {
        return;
    }
    dgraft_driver_status(node->driver, &status);
    if (status.core.received_bytes > 0 && status.core.received_bytes < status.core.receiving.size) {
        run->counts.of[SIM_COUNT_SNAPSHOT_ROTTED]++;
        sim_disk_rot(node->disk, PART_PATH,
                     BLOCK_BYTES + sim_random_below(&run->snapshots_random, status.core.received_bytes),
                     (uint32_t)sim_random_below(&run->snapshots_random, 8));
        sim_trace_line(&run->trace, node->id, "the snapshot being received rots");
    }
}

void sim_snapshots_work(struct sim_node *node)
{
    struct sim_run *run = node->run;
    struct sim_disk *disk = node->disk;

    node->working = false;
    rot(node);
    if (run->phase == SIM_PHASE_FAULTS &&
        sim_random_chance(&run->snapshots_random, run->plan.snapshots.crash_in_work)) {
        disk->crash_in = sim_random_between(&run->snapshots_random, 1, 4);
    }
    (void)dgraft_driver_file_work(node->driver);
    sim_trace_event(&run->trace, node->id, SIM_EVENT_FILES, NULL, 0);
    if (disk->crashed) {
        run->counts.of[SIM_COUNT_CRASH_IN_FILES]++;
        sim_node_crash(node, sim_random_chance(&run->snapshots_random, 700000) ? SIM_CRASH_POWER : SIM_CRASH_PROCESS);
        return;
    }
    disk->crash_in = 0;
    sim_node_plan_turn(node, run->now_ns);
}

void sim_snapshots_ask(struct sim_run *run, struct sim_node *node)
{
    if (node->driver != NULL && sim_random_chance(&run->snapshots_random, run->plan.snapshots.asked) &&
        dgraft_driver_snapshot(node->driver) == DGRAFT_OK) {
        run->counts.of[SIM_COUNT_SNAPSHOT_ASKED]++;
        sim_trace_line(&run->trace, node->id, "is asked for a snapshot");
        sim_node_plan_turn(node, run->now_ns);
    }
}
