#include "sim_run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIRECTORY      "data"
#define DATAGRAM_BYTES 1400u
#define INBOX_MAX      512u
#define FLIGHT_BYTES   (UINT64_C(64) * 1024 * 1024)

uint64_t sim_node_clock(const struct sim_node *node)
{
    const uint64_t now = node->run->now_ns;
    const int64_t drift = (int64_t)(now / 1000000u) * node->clock_ppm;
    return node->clock_offset_ns + (uint64_t)((int64_t)now + drift);
}

/* Returns how long from now until the node's clock says so. */
static uint64_t until_local(const struct sim_node *node, uint64_t at_ns)
{
    const uint64_t now = sim_node_clock(node);
    if (at_ns <= now) {
        return 0;
    }
    const uint64_t wait = at_ns - now;
    return (uint64_t)((int64_t)wait - (int64_t)(wait / 1000000u) * node->clock_ppm);
}

void sim_node_hear(struct sim_node *node, const struct sim_heard *heard)
{
    if (node->heard_count == node->heard_capacity) {
        const uint32_t capacity = node->heard_capacity == 0 ? 64 : node->heard_capacity * 2;
        struct sim_heard *larger = realloc(node->heard, capacity * sizeof *larger);
        if (larger == NULL) {
            sim_check_fail(&node->run->check, "out of memory");
            return;
        }
        node->heard = larger;
        node->heard_capacity = capacity;
    }
    node->heard[node->heard_count++] = *heard;
}

static void apply(void *context, const struct dgraft_applied *entries, size_t count)
{
    struct sim_node *node = context;

    for (size_t i = 0; i < count; i++) {
        struct sim_command command = {0};
        if (!sim_command_decode(entries[i].payload, entries[i].payload_bytes, &command) ||
            !sim_machine_apply(&node->machine, entries[i].position, entries[i].payload, entries[i].payload_bytes)) {
            sim_check_fail(&node->run->check, "I-SMS: node %u applies a command at %llu that nobody proposed", node->id,
                           (unsigned long long)entries[i].position.index);
            return;
        }
        sim_trace_event(&node->run->trace, node->id, SIM_EVENT_APPLY, &node->machine.hash, sizeof node->machine.hash);
        if (entries[i].remembered != NULL) {
            entries[i].remembered->size = 16;
            dgraft_put_u64(entries[i].remembered->bytes, command.operation);
            dgraft_put_u64(entries[i].remembered->bytes + 8, entries[i].position.index);
        }
        sim_node_hear(node, &(struct sim_heard){.kind = SIM_HEARD_APPLIED,
                                                .position = entries[i].position,
                                                .operation = command.operation,
                                                .machine = node->machine});
    }
}

static void log_line(void *context, enum dgraft_log_level level, const char *text)
{
    struct sim_node *node = context;
    (void)level;
    sim_trace_line(&node->run->trace, node->id, "says: %s", text);
}

static void disk_synced(void *context, const char *path, const uint8_t *bytes, uint64_t size, uint64_t begin,
                        uint64_t end)
{
    struct sim_node *node = context;
    if (begin < end && end <= size) {
        sim_trace_event(&node->run->trace, node->id, SIM_EVENT_SYNC, bytes + begin, (size_t)(end - begin));
    }
    sim_check_synced(&node->run->check, node->id, path, bytes, size, begin, end);
}

static void disk_unsynced(void *context, const char *path, const uint8_t *bytes, uint64_t size, uint64_t begin,
                          uint64_t end)
{
    struct sim_node *node = context;
    if (strcmp(path, DIRECTORY "/state") != 0) {
        sim_check_unsynced(&node->run->check, node->id, bytes, size, begin, end);
    }
}

static void disk_named(void *context, const char *path, const uint8_t *bytes, uint64_t size)
{
    const struct sim_node *node = context;
    sim_check_named(&node->run->check, node->id, path, bytes, size);
}

/* Formats a disk: a founder's says who the members are, that of whoever may join says nothing. */
static bool format_disk(struct sim_node *node, bool founder)
{
    struct sim_run *run = node->run;
    struct dgraft_identity identity = {.cluster = run->cluster, .node = node->id, .cluster_name = "simulated"};
    uint8_t bytes[DGRAFT_RECORD_HEADER_BYTES + DGRAFT_MEMBERSHIP_BYTES_MAX + 8] = {0};
    struct dgraft_record record = {.entry = {.index = 1, .term = 1, .kind = DGRAFT_ENTRY_MEMBERSHIP}};
    struct dgraft_why why = {""};

    node->disk = sim_disk_open(sim_random_next(&run->random), &run->counts);
    if (node->disk == NULL) {
        return sim_check_fail(&run->check, "out of memory");
    }
    node->disk->synced = disk_synced;
    node->disk->named = disk_named;
    node->disk->context = node;
    identity.store = sim_random_next(&run->random) | 1;
    run->check.ghosts[node->id].store = identity.store;
    record.entry.payload_bytes = (uint32_t)dgraft_membership_encode(&run->members, bytes + DGRAFT_RECORD_HEADER_BYTES);
    record.entry.checksum = dgraft_crc32c(0, bytes + DGRAFT_RECORD_HEADER_BYTES, record.entry.payload_bytes);
    dgraft_record_encode_header(&record, bytes);
    const struct iovec first = {.iov_base = bytes, .iov_len = dgraft_record_bytes(record.entry.payload_bytes)};
    const enum dgraft_status status =
        dgraft_storage_format(&node->disk->fs, DIRECTORY, &identity, &first, founder ? 1 : 0, &why);
    if (status != DGRAFT_OK) {
        return sim_check_fail(&run->check, "node %u cannot be formatted: %s", node->id, why.text);
    }
    node->disk->rates = run->plan.disk;
    return true;
}

bool sim_node_format(struct sim_run *run, dgraft_node_id id)
{
    struct sim_node *node = &run->nodes[id];

    *node = (struct sim_node){.id = id, .run = run, .turn_at_ns = UINT64_MAX};
    snprintf(node->name, sizeof node->name, "n%u:%u", id, id);
    if (run->options.flights != NULL) {
        snprintf(node->flight, sizeof node->flight, "%s/n%u.flight", run->options.flights, id);
        (void)unlink(node->flight); /* of an earlier run */
    }
    node->wall_offset_ns = sim_random_below(&run->random, run->plan.wall_skew_ns + 1);
    node->clock_offset_ns = sim_random_between(&run->random, 1, UINT64_C(1) << 50);
    node->clock_ppm = (int64_t)sim_random_below(&run->random, 2u * run->plan.drift_ppm + 1) - run->plan.drift_ppm;
    return format_disk(node, id <= run->plan.founders);
}

bool sim_node_replace_disk(struct sim_node *node)
{
    sim_disk_close(node->disk);
    node->rotted = false;
    sim_check_wiped(&node->run->check, node->id, 0);
    /* As somebody does who knows that it has lost everything; or, once in a while, as its first operator did: but two
     * founders of three who begin again are a cluster of their own, and nothing tells them from the first day's. */
    struct sim_run *run = node->run;
    const bool founder = node->id <= run->plan.founders && run->plan.founders >= 3 && !run->refounded &&
                         sim_random_chance(&run->random, 500000);
    run->refounded = run->refounded || founder;
    return format_disk(node, founder);
}

static dgraft_time_ns read_clock(void *context)
{
    return sim_node_clock(context);
}

static void take_notice(void *context, const struct dgraft_action_notice *notice)
{
    struct sim_node *node = context;
    uint64_t *counts = node->run->counts.of;
    counts[SIM_COUNT_FOREIGN_STORE] += notice->kind == DGRAFT_NOTICE_FOREIGN_STORE;
    counts[SIM_COUNT_DISK_ALARM] += notice->kind == DGRAFT_NOTICE_DISK && notice->after != 0;
    counts[SIM_COUNT_PEER_LAG] += notice->kind == DGRAFT_NOTICE_PEER_LAG && notice->after > notice->before;
}

static void fill_options(struct sim_node *node, struct dgraft_driver_options *options)
{
    const struct sim_run *run = node->run;

    *options = (struct dgraft_driver_options){
        .fs = &node->disk->fs,
        .directory = DIRECTORY,
        .storage = {.segment_bytes = run->plan.segment_bytes, .spares = run->plan.spares},
        .transport = node->transport,
        .machine = {.context = node, .apply = apply},
        .cache_bytes_max = run->plan.cache_bytes,
        .small_bytes = run->plan.small_bytes,
        .scrub_bytes_per_s = run->plan.scrub_bytes_per_s,
        .proposals_max = 256,
        .check_invariants = !run->options.bare,
        .listener = {.context = node, .notice = take_notice},
        .clock = read_clock,
        .clock_context = node,
    };
    if (node->flight[0] != '\0') {
        options->flight.fs = dgraft_fs_posix(); /* no fault of the simulated disk is to spoil it */
        options->flight.path = node->flight;
        options->flight.bytes = FLIGHT_BYTES;
        options->flight.wall_clock_ns = run->now_ns; /* as in the trace */
        options->flight.write_through = true;
    }
    if (run->trace.out != NULL) {
        options->sink.context = node;
        options->sink.log = log_line;
    }
    dgraft_config_defaults(&options->core, node->id);
    options->core.members_max = SIM_NODES_MAX;
    options->core.runs_max = 16;
    options->core.inflight_max = (uint32_t)run->plan.inflight_max;
    options->core.inflight_bytes_max = 65536;
    options->core.uncommitted_bytes_max = 262144;
    options->core.entry_bytes_max = 65536;
    options->core.election_timeout_ns = run->election_timeout_ns;
    options->core.heartbeat_interval_ns = run->election_timeout_ns / 5;
    options->core.lease_drift_ppm = run->plan.leases ? 2 * run->plan.drift_ppm + 1 : 0;
    options->core.write_stall_ns = run->plan.write_stall_ns;
    options->core.lag_notice_entries = run->plan.lag_entries;
    sim_snapshots_options(node, options);
}

/* Checks what the callbacks of a turn said. */
static void check_heard(struct sim_node *node)
{
    struct sim_check *check = &node->run->check;

    for (uint32_t i = 0; i < node->heard_count && !sim_check_broken(check); i++) {
        const struct sim_heard *heard = &node->heard[i];
        switch (heard->kind) {
        case SIM_HEARD_ANSWER:
            sim_check_answered(check, node->id, heard->operation, &heard->answer);
            break;
        case SIM_HEARD_APPLIED:
            sim_check_applied(check, node->id, heard->position, heard->operation, heard->machine.hash);
            break;
        case SIM_HEARD_RESTORED:
            sim_check_restored(check, node->id, &heard->machine);
            break;
        }
    }
    node->heard_count = 0;
}

/* Opening failed. That is fine after a fault, and a finding otherwise. */
static void open_failed(struct sim_node *node, enum dgraft_status status, const struct dgraft_why *why)
{
    struct sim_run *run = node->run;
    const bool excused = node->disk->crashed || ((status == DGRAFT_STATUS_FULL) && node->disk->room != UINT64_MAX) ||
                         node->disk->sync_failures_seen > 0;

    sim_trace_line(&run->trace, node->id, "does not open: %s", why->text);
    sim_check_down(&run->check, node->id);
    sim_disk_each_unsynced(node->disk, disk_unsynced, node);
    if (node->disk->crashed) {
        run->counts.of[SIM_COUNT_CRASH_IN_OPEN]++;
        sim_disk_power_on(node->disk);
        sim_disk_each_named(node->disk, disk_named, node);
    } else {
        sim_disk_kill(node->disk);
    }
    node->disk->room = UINT64_MAX;
    node->transport->ops->close(node->transport);
    node->transport = NULL;
    if (!excused) {
        sim_check_fail(&run->check, "node %u does not open: %s: %s", node->id, dgraft_status_name(status), why->text);
        return;
    }
    sim_later(run, sim_random_between(&run->random, 1, 200) * SIM_MS, SIM_PLAN_RESTART, node->id, node->incarnation,
              NULL);
}

void sim_node_open(struct sim_node *node)
{
    struct sim_run *run = node->run;
    struct dgraft_driver_options options;
    struct dgraft_driver_status status;
    struct dgraft_why why = {""};

    if (node->driver != NULL) {
        return;
    }
    node->incarnation++;
    if (dgraft_memory_open(run->hub, node->name, DATAGRAM_BYTES, INBOX_MAX, &node->transport) != DGRAFT_OK) {
        sim_check_fail(&run->check, "out of memory");
        return;
    }
    fill_options(node, &options);
    options.core.seed = sim_random_next(&run->random);
    options.fragment_seed = sim_random_next(&run->random);
    node->machine = (struct sim_machine){0};
    node->disk->sync_failures_seen = 0;
    node->disk->full_seen = 0;
    node->heard_count = 0;
    if (run->phase == SIM_PHASE_FAULTS && node->incarnation > 1 &&
        sim_random_chance(&run->random, run->plan.crash_in_open)) {
        node->disk->crash_in = sim_random_between(&run->random, 1, 16);
    }
    if (node->incarnation > 1) {
        sim_rot(node);
    }
    const enum dgraft_status opened = dgraft_driver_open(&options, sim_node_clock(node), &node->driver, &why);
    node->disk->crash_in = 0;
    if (opened != DGRAFT_OK) {
        node->driver = NULL;
        open_failed(node, opened, &why);
        return;
    }
    dgraft_driver_status(node->driver, &status);
    run->counts.of[SIM_COUNT_RESTART] += node->incarnation > 1;
    sim_trace_event(&run->trace, node->id, SIM_EVENT_OPEN, &status.core.last, sizeof status.core.last);
    sim_trace_line(&run->trace, node->id, "opened: term %llu, log ends at (%llu, %llu), commit %llu",
                   (unsigned long long)status.core.term, (unsigned long long)status.core.last.index,
                   (unsigned long long)status.core.last.term, (unsigned long long)status.core.commit);
    sim_check_opened(&run->check, node->id, &status.core);
    check_heard(node);
    sim_snapshots_opened(node, &status);
    node->performing = false;
    node->reopened_seen = 0;
    node->came_back_seen = 0;
    node->scrub_found_seen = 0;
    node->room_at_ns = 0;
    node->paused_until_ns = 0;
    node->slept_at_ns = 0;
    node->lease_until_ns = 0;
    node->changing = false;
    node->refused_seen = 0;
    node->sessions_expired_seen = 0;
    node->turn_at_ns = UINT64_MAX;
    sim_node_plan_turn(node, run->now_ns);
}

void sim_node_plan_turn(struct sim_node *node, uint64_t at_ns)
{
    struct sim_run *run = node->run;

    if (node->driver == NULL) {
        return;
    }
    at_ns = at_ns < node->paused_until_ns ? node->paused_until_ns : at_ns;
    at_ns = at_ns < run->now_ns ? run->now_ns : at_ns;
    if (run->plan.turn_slack_ns > 0) {
        at_ns += sim_random_below(&run->random, run->plan.turn_slack_ns);
    }
    if (at_ns >= node->turn_at_ns) {
        return;
    }
    node->turn_at_ns = at_ns;
    sim_later(run, at_ns - run->now_ns, SIM_PLAN_TURN, node->id, ++node->turn_number, NULL);
}

/* What is damaged has rotted: a crash damages nothing that was acknowledged. */
static void check_damage(struct sim_node *node, const struct dgraft_driver_status *status)
{
    node->run->counts.of[SIM_COUNT_SCRUB_FOUND] += status->scrub_found - node->scrub_found_seen;
    node->scrub_found_seen = status->scrub_found;
    if ((status->damage_found || status->core.repairing || status->scrub_found > 0) && !node->rotted) {
        sim_check_fail(&node->run->check, "node %u finds its log damaged, and its disk did nothing wrong", node->id);
    }
}

static void count_refused(struct sim_node *node, const struct dgraft_driver_status *status)
{
    uint64_t refused = 0;
    for (int i = 0; i < DGRAFT_REFUSAL_TOTAL; i++) {
        refused += status->refused[i];
    }
    node->run->counts.of[SIM_COUNT_DATAGRAM_REFUSED] += refused - node->refused_seen;
    node->refused_seen = refused;
}

static void plan_perform(struct sim_node *node)
{
    struct sim_run *run = node->run;
    uint64_t latency = sim_random_between(&run->random, run->plan.sync_min_ns, run->plan.sync_max_ns);

    if (node->performing || !dgraft_driver_write_ready(node->driver)) {
        return;
    }
    if (node->slow_until_ns > run->now_ns + latency) {
        latency = node->slow_until_ns - run->now_ns;
        run->counts.of[SIM_COUNT_DISK_STALL] += latency > run->election_timeout_ns;
    }
    node->performing = true;
    sim_later(run, latency, SIM_PLAN_PERFORM, node->id, node->incarnation, NULL);
}

static void check_sessions(struct sim_node *node, const struct dgraft_driver_status *status)
{
    struct sim_run *run = node->run;
    if (sim_check_broken(&run->check)) {
        return;
    }
    run->counts.of[SIM_COUNT_SESSION_EXPIRED] += status->sessions.expired - node->sessions_expired_seen;
    run->counts.of[SIM_COUNT_SESSION_RESTORED] += node->incarnation > 1 && status->sessions.open > 0;
    node->sessions_expired_seen = status->sessions.expired;
    sim_check_sessions(&run->check, node->id, status->core.applied, dgraft_driver_sessions_digest(node->driver));
}

/* I-LEASE: at no moment of the true time do two nodes believe that nobody else can be elected. */
static void check_leases(struct sim_run *run)
{
    dgraft_node_id holder = 0;
    for (uint32_t id = 1; id <= run->plan.nodes; id++) {
        const struct sim_node *node = &run->nodes[id];
        if (node->driver == NULL || sim_node_clock(node) >= node->lease_until_ns) {
            continue;
        }
        run->counts.of[SIM_COUNT_LEASE]++;
        if (holder != 0) {
            sim_check_fail(&run->check, "I-LEASE: nodes %u and %u both hold a lease", holder, id);
        }
        holder = id;
    }
}

/* Makes the next segment ready, and counts when there is no room for it. */
static void prepare(struct sim_node *node)
{
    const bool lacked = dgraft_driver_lacks_room(node->driver);
    dgraft_driver_spare(node->driver);
    node->run->counts.of[SIM_COUNT_LACKS_ROOM] += !lacked && dgraft_driver_lacks_room(node->driver);
    node->room_asked_at_ns = node->run->now_ns;
}

/* A disk that ran full has room again some time, and its node comes back; or somebody ends it before that. */
static bool waits_for_room(struct sim_node *node, const struct dgraft_driver_status *status)
{
    struct sim_run *run = node->run;
    if (!status->waits_for_room || node->disk->full_seen == 0) {
        node->room_at_ns = 0;
        return false;
    }
    if (node->room_at_ns == 0) {
        run->counts.of[SIM_COUNT_RAN_FULL]++;
        sim_trace_line(&run->trace, node->id, "waits for room: %s", status->poisoned_why.text);
        node->room_at_ns = run->now_ns + sim_random_between(&run->random, 1, 3000) * SIM_MS;
        node->room_awaited = sim_random_chance(&run->random, 700000);
    }
    if (run->now_ns >= node->room_at_ns) {
        node->disk->room = UINT64_MAX;
    }
    return node->room_awaited;
}

void sim_node_turn(struct sim_node *node)
{
    struct sim_run *run = node->run;
    struct dgraft_driver_status status;

    node->turn_at_ns = UINT64_MAX;
    if (node->paused_until_ns > run->now_ns) {
        sim_node_plan_turn(node, node->paused_until_ns);
        return;
    }
    run->counts.of[SIM_COUNT_SLEPT_IN_TURN] += node->slept_at_ns != 0;
    dgraft_driver_turn(node->driver, node->slept_at_ns != 0 ? node->slept_at_ns : sim_node_clock(node),
                       node->wall_offset_ns + run->now_ns);
    node->slept_at_ns = 0;
    dgraft_driver_status(node->driver, &status);
    node->lease_until_ns = status.core.lease_until_ns;
    check_leases(run);
    const uint64_t shown[4] = {status.core.term, status.core.last.index, status.core.commit,
                               (uint64_t)status.core.role};
    sim_trace_event(&run->trace, node->id, SIM_EVENT_TURN, shown, sizeof shown);
    count_refused(node, &status);
    check_damage(node, &status);
    sim_snapshots_installed(node, &status);
    if (status.reopened != node->reopened_seen) {
        node->reopened_seen = status.reopened;
        run->counts.of[SIM_COUNT_REOPENED]++;
        sim_check_reopened(&run->check, node->id);
    }
    if (status.came_back != node->came_back_seen) {
        node->came_back_seen = status.came_back;
        run->counts.of[SIM_COUNT_CAME_BACK]++;
        sim_trace_line(&run->trace, node->id, "comes back: there is room");
        sim_check_came_back(&run->check, node->id, status.core.commit);
    }
    sim_check_turned(&run->check, node->id, &status.core);
    check_heard(node);
    check_sessions(node, &status);
    if (status.poisoned && !waits_for_room(node, &status) && !sim_check_broken(&run->check)) {
        run->counts.of[SIM_COUNT_POISONED]++;
        sim_trace_line(&run->trace, node->id, "poisoned: %s", status.poisoned_why.text);
        if (node->disk->sync_failures_seen == 0 && node->disk->full_seen == 0) {
            sim_check_fail(&run->check, "node %u stops taking part, and its disk did nothing wrong: %s", node->id,
                           status.poisoned_why.text);
            return;
        }
        sim_node_crash(node, sim_random_chance(&run->random, 500000) ? SIM_CRASH_POWER : SIM_CRASH_PROCESS);
        return;
    }
    if (dgraft_driver_lacks_room(node->driver) && run->now_ns - node->room_asked_at_ns >= run->election_timeout_ns) {
        prepare(node); /* as the shell's preparer does, now and then */
        sim_node_plan_turn(node, run->now_ns + 1000);
    }
    plan_perform(node);
    sim_snapshots_turned(node, &status);
    const uint64_t wake_at = dgraft_driver_wake_at(node->driver);
    if (wake_at != UINT64_MAX) {
        const uint64_t wait = until_local(node, wake_at);
        sim_node_plan_turn(node, run->now_ns + (wait < 1000 ? 1000 : wait));
    }
}

void sim_node_perform(struct sim_node *node)
{
    struct sim_run *run = node->run;
    struct sim_disk *disk = node->disk;

    node->performing = false;
    if (run->phase == SIM_PHASE_FAULTS && sim_random_chance(&run->random, run->plan.crash_in_write)) {
        disk->crash_in = sim_random_between(&run->random, 1, 4);
    }
    dgraft_driver_perform(node->driver);
    sim_trace_event(&run->trace, node->id, SIM_EVENT_PERFORM, NULL, 0);
    if (disk->crashed) {
        run->counts.of[SIM_COUNT_CRASH_IN_WRITE]++;
        sim_node_crash(node, sim_random_chance(&run->random, 700000) ? SIM_CRASH_POWER : SIM_CRASH_PROCESS);
        return;
    }
    prepare(node);
    (void)dgraft_driver_fill(node->driver);
    if (disk->crashed) {
        sim_node_crash(node, SIM_CRASH_POWER);
        return;
    }
    disk->crash_in = 0;
    sim_node_plan_turn(node, run->now_ns);
}

void sim_node_crash(struct sim_node *node, enum sim_crash how)
{
    struct sim_run *run = node->run;
    uint64_t size = 0;

    if (node->driver == NULL) {
        return;
    }
    sim_trace_event(&run->trace, node->id, SIM_EVENT_CRASH, NULL, 0);
    sim_trace_line(&run->trace, node->id, how == SIM_CRASH_POWER ? "loses power" : "is killed");
    sim_check_down(&run->check, node->id);
    sim_disk_each_unsynced(node->disk, disk_unsynced, node);
    sim_disk_power_off(node->disk);
    dgraft_driver_abandon(node->driver);
    node->driver = NULL;
    node->transport->ops->close(node->transport);
    node->transport = NULL;
    if (how == SIM_CRASH_POWER) {
        sim_disk_power_on(node->disk);
        const uint8_t *state = sim_disk_peek(node->disk, DIRECTORY "/state", &size);
        if (state != NULL) {
            sim_check_synced(&run->check, node->id, DIRECTORY "/state", state, size, 0, size);
        }
        sim_disk_each_named(node->disk, disk_named, node);
    } else {
        sim_disk_kill(node->disk);
    }
    node->disk->room = UINT64_MAX;
    node->slow_until_ns = 0;
    node->heard_count = 0;
    sim_later(run, sim_random_between(&run->random, 1, 800) * SIM_MS, SIM_PLAN_RESTART, node->id, node->incarnation,
              NULL);
}

void sim_node_close(struct sim_node *node)
{
    struct sim_run *run = node->run;
    struct dgraft_driver_status status;

    if (node->driver == NULL || node->performing || node->paused_until_ns > run->now_ns) {
        return;
    }
    run->counts.of[SIM_COUNT_CLOSE]++;
    sim_trace_line(&run->trace, node->id, "closes");
    dgraft_driver_status(node->driver, &status);
    node->disk->crash_in = 0;
    dgraft_driver_close(node->driver);
    node->driver = NULL;
    /* Closing writes what waits, and may so commit and apply more than the last turn has shown. */
    for (uint32_t i = 0; i < node->heard_count; i++) {
        const struct sim_heard *heard = &node->heard[i];
        if (heard->kind == SIM_HEARD_APPLIED && heard->position.index > status.core.commit) {
            status.core.commit = heard->position.index;
        }
    }
    status.core.last.index = status.core.commit > status.core.last.index ? status.core.commit : status.core.last.index;
    status.core.role = DGRAFT_ROLE_FOLLOWER;
    sim_check_turned(&run->check, node->id, &status.core);
    check_heard(node);
    sim_check_down(&run->check, node->id);
    sim_disk_kill(node->disk);
    node->transport->ops->close(node->transport);
    node->transport = NULL;
    sim_later(run, sim_random_between(&run->random, 1, 300) * SIM_MS, SIM_PLAN_RESTART, node->id, node->incarnation,
              NULL);
}

void sim_node_free(struct sim_node *node)
{
    if (node->driver != NULL) {
        sim_disk_power_off(node->disk);
        dgraft_driver_abandon(node->driver);
    }
    if (node->transport != NULL) {
        node->transport->ops->close(node->transport);
    }
    sim_disk_close(node->disk);
    free(node->heard);
}
