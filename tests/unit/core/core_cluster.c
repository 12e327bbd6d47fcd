#include "core_cluster.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void step(struct cluster *cluster, dgraft_node_id id, struct dgraft_event event, const uint64_t *values);

uint64_t cluster_random(struct cluster *cluster, uint64_t below)
{
    uint64_t x = cluster->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    cluster->random = x;
    return (x * UINT64_C(0x2545f4914f6cdd1d) >> 33) % below;
}

static struct cluster_node *node_of(struct cluster *cluster, dgraft_node_id id)
{
    return &cluster->nodes[id];
}

static dgraft_term term_in_log(const struct cluster_node *node, dgraft_index index)
{
    return index == 0 ? 0 : node->log[index].term;
}

static void packet_put(struct cluster *cluster, dgraft_node_id to, const struct packet *packet)
{
    const uint32_t copies = 1 + (cluster_random(cluster, 100) < cluster->repeat_percent ? 1u : 0u);
    const uint64_t way = UINT64_C(1) << (8 * packet->message.from + to);
    for (uint32_t i = 0; i < copies; i++) {
        if ((cluster->cut & way) != 0 || cluster_random(cluster, 100) < cluster->loss_percent ||
            cluster->packet_count == CLUSTER_PACKETS) {
            continue;
        }
        struct packet *copy = &cluster->packets[cluster->packet_count++];
        *copy = *packet;
        copy->to = to;
        copy->at = cluster->now + 1 + cluster_random(cluster, cluster->delay_max);
    }
}

/* Encodes a SEND as the contract says: what is in the log now, one frame's worth, or nothing when it is another log. */
static void perform_send(struct cluster *cluster, dgraft_node_id id, const struct dgraft_action_send *send)
{
    struct cluster_node *node = node_of(cluster, id);
    struct packet packet;
    memset(&packet, 0, sizeof packet);
    packet.message = send->message;
    dgraft_index sent = 0;
    const bool entries =
        send->message.type == DGRAFT_MESSAGE_APPEND && send->last.index > send->message.u.append.prev.index;
    const struct dgraft_position prev = send->message.u.append.prev;
    cr_assert_leq(send->message.term, node->disk_term, "a message's term is durable");
    if (send->message.type == DGRAFT_MESSAGE_VOTE_GRANT || send->message.type == DGRAFT_MESSAGE_VOTE_REQUEST) {
        const dgraft_node_id candidate =
            send->message.type == DGRAFT_MESSAGE_VOTE_REQUEST ? id : dgraft_node_set_first(send->receivers);
        cr_assert_eq(send->message.term, node->disk_term);
        cr_assert_eq(candidate, node->disk_vote, "a vote is durable before it is sent");
        dgraft_node_id *ghost = &cluster->vote_of[id][send->message.term];
        cr_assert(*ghost == 0 || *ghost == candidate, "one vote per term");
        *ghost = candidate;
    }
    if (send->message.type == DGRAFT_MESSAGE_APPEND_ACK) {
        const dgraft_index held = node->snapshot.position.index;
        const dgraft_index durable = node->disk_last > held ? node->disk_last : held;
        cr_assert_leq(send->message.u.append_ack.match, durable, "an acknowledgement is durable");
    }
    if (send->message.type == DGRAFT_MESSAGE_SNAPSHOT_CHUNK) {
        cr_assert(dgraft_snapshot_equal(&send->message.u.snapshot_chunk.snapshot, &node->snapshot));
    }
    if (entries) {
        cr_assert_geq(prev.index, node->begin.index, "what is compacted is not sent");
        sent = prev.index;
        if (term_in_log(node, prev.index) == prev.term) {
            for (; sent < send->last.index && sent < prev.index + CLUSTER_CARRY; sent++) {
                const uint32_t i = (uint32_t)(sent - prev.index);
                packet.entries[i] = (struct dgraft_entry){.index = sent + 1,
                                                          .term = node->log[sent + 1].term,
                                                          .payload_bytes = 8,
                                                          .kind = DGRAFT_ENTRY_COMMAND};
                packet.values[i] = node->log[sent + 1].value;
            }
        }
        packet.message.u.append.count = (uint32_t)(sent - prev.index);
    }
    for (dgraft_node_set left = send->receivers; left != 0 && (!entries || sent > prev.index); left &= left - 1) {
        packet_put(cluster, dgraft_node_set_first(left), &packet);
    }
    if (entries) {
        struct dgraft_event event = {.kind = DGRAFT_EVENT_SENT};
        event.u.sent = (struct dgraft_event_sent){.receivers = send->receivers,
                                                  .term = send->message.term,
                                                  .prev = prev.index,
                                                  .last = sent,
                                                  .bytes = 64 * (sent - prev.index)};
        step(cluster, id, event, NULL);
    }
}

static void perform_write(struct cluster *cluster, dgraft_node_id id, const struct dgraft_action_write *write,
                          const struct dgraft_event *event, const uint64_t *values)
{
    struct cluster_node *node = node_of(cluster, id);
    cr_assert_lt(node->write_count, (uint32_t)CLUSTER_WRITES);
    struct disk_write *queued = &node->writes[node->write_count++];
    node->written_term = write->term;
    node->written_vote = write->vote;
    *queued = (struct disk_write){
        .seq = write->seq, .term = write->term, .vote = write->vote, .keep = write->keep, .count = write->count};
    cr_assert_leq(write->count, 64u);
    cr_assert_lt(write->keep + write->count, (uint64_t)CLUSTER_LOG);
    for (uint32_t i = 0; i < write->count; i++) {
        struct log_entry entry = {.term = write->entry_term, .value = (uint64_t)id << 40 | node->next_value};
        if (event->kind == DGRAFT_EVENT_RECEIVE && write->made == 0) {
            entry.term = event->u.receive.u.append.entries[write->skip + i].term;
            entry.value = values[write->skip + i];
        } else {
            node->next_value++;
        }
        queued->entries[i] = entry;
        node->log[write->first + i] = entry;
    }
}

/* Forgets what lies before a position, and leaves its term. */
static void forget_before(struct log_entry *log, dgraft_index index)
{
    memset(log, 0, (size_t)index * sizeof *log);
}

static void perform_install(struct cluster *cluster, struct cluster_node *node,
                            const struct dgraft_action_install *install)
{
    const dgraft_index index = install->position.index;
    cr_assert_lt(node->write_count, (uint32_t)CLUSTER_WRITES);
    cr_assert_gt(index, node->applied, "a snapshot lowers nothing");
    cr_assert_eq(cluster->committed[index].term, install->position.term, "a snapshot holds what is committed");
    cr_assert_neq(node->log[index].value, cluster->committed[index].value, "what the log holds is kept");
    node->writes[node->write_count++] = (struct disk_write){
        .seq = install->seq, .term = node->written_term, .vote = node->written_vote, .keep = index, .install = true};
    memset(node->log, 0, sizeof node->log);
    node->log[index] = cluster->committed[index];
    node->begin = install->position;
    node->applied = index;
    cluster->snapshots_installed++;
}

static void perform_compact(struct cluster *cluster, struct cluster_node *node, struct dgraft_position position)
{
    cr_assert_leq(position.index, node->snapshot.position.index, "no entry is dropped without a snapshot");
    cr_assert_eq(term_in_log(node, position.index), position.term);
    forget_before(node->log, position.index);
    node->begin = position;
    if (cluster_random(cluster, 2) == 0 && position.index <= node->disk_last &&
        position.index > node->disk_begin.index) {
        forget_before(node->disk, position.index); /* or later, or never: whole files only */
        node->disk_begin = position;
    }
    cluster->compactions++;
}

static void judge_apply(struct cluster *cluster, struct cluster_node *node, const struct dgraft_action_apply *apply)
{
    cr_assert_eq(apply->first, node->applied + 1, "applied in order");
    for (dgraft_index i = apply->first; i <= apply->last; i++) {
        if (i > cluster->committed_last) {
            cluster->committed[i] = node->log[i];
            cluster->committed_last = i;
        }
        cr_assert_eq(cluster->committed[i].value, node->log[i].value, "every node applies the same");
        cr_assert_eq(cluster->committed[i].term, node->log[i].term);
        cr_assert_eq(node->disk[i].value, node->log[i].value, "applied means durable");
    }
    node->applied = apply->last;
}

/* What a node counts as committed is in a majority's disks, and stays the same for ever. */
static void judge_commit(struct cluster *cluster, struct cluster_node *node, dgraft_index commit)
{
    for (dgraft_index i = 1; i <= commit; i++) {
        if (i > cluster->committed_last) {
            uint32_t holders = 0;
            for (dgraft_node_id id = 1; id <= cluster->count; id++) {
                const struct cluster_node *other = node_of(cluster, id);
                holders += other->disk_last >= i && other->disk[i].value == node->log[i].value ? 1u : 0u;
            }
            cr_assert_gt(holders, cluster->count / 2, "a majority holds what is committed");
            cluster->committed[i] = node->log[i];
            cluster->committed_last = i;
        }
    }
    if (commit > 0) {
        cr_assert_eq(cluster->committed[commit].value, node->log[commit].value);
    }
}

static void judge_leader(struct cluster *cluster, dgraft_node_id id, dgraft_term term)
{
    struct cluster_node *node = node_of(cluster, id);
    cr_assert_lt(term, (uint64_t)CLUSTER_TERMS);
    if (cluster->leader_of[term] != id) {
        cr_assert_eq(cluster->leader_of[term], 0u, "one leader per term");
        cluster->leader_of[term] = id;
        cluster->elections_won++;
        const dgraft_index first = node->begin.index > 0 ? node->begin.index : 1;
        for (dgraft_index i = first; i <= cluster->committed_last; i++) {
            cr_assert_eq(cluster->committed[i].value, node->log[i].value, "a leader has all that is committed");
        }
    }
}

static void step(struct cluster *cluster, dgraft_node_id id, struct dgraft_event event, const uint64_t *values)
{
    struct cluster_node *node = node_of(cluster, id);
    struct rig *rig = &node->rig;
    const dgraft_index last_before = rig->core == NULL ? 0 : rig_status(rig).last.index;
    rig->now = cluster->now;
    rig_step(rig, event);
    cluster->steps++;
    const struct dgraft_core_status status = rig_status(rig);
    cluster->truncations += status.last.index < last_before ? 1u : 0u;
    cluster->term_max = status.term > cluster->term_max ? status.term : cluster->term_max;
    /* The actions are copied: SENT steps the same core. */
    const size_t bytes = dgraft_actions_size(&rig->config);
    struct dgraft_actions *actions = malloc(bytes);
    memcpy(actions, rig->actions, bytes);
    for (uint32_t i = 0; i < actions->count; i++) {
        const struct dgraft_action *action = &actions->items[i];
        if (action->kind == DGRAFT_ACTION_WRITE) {
            perform_write(cluster, id, &action->u.write, &event, values);
        } else if (action->kind == DGRAFT_ACTION_INSTALL) {
            perform_install(cluster, node, &action->u.install);
        }
    }
    if (status.role == DGRAFT_ROLE_LEADER) {
        judge_leader(cluster, id, status.term);
    }
    judge_commit(cluster, node, status.commit);
    for (uint32_t i = 0; i < actions->count; i++) {
        const struct dgraft_action *action = &actions->items[i];
        if (action->kind == DGRAFT_ACTION_SEND) {
            perform_send(cluster, id, &action->u.send);
        } else if (action->kind == DGRAFT_ACTION_APPLY) {
            judge_apply(cluster, node, &action->u.apply);
        } else if (action->kind == DGRAFT_ACTION_COMPACT) {
            perform_compact(cluster, node, action->u.compact.position);
        } else if (action->kind == DGRAFT_ACTION_SNAPSHOT_STORE) {
            cr_assert_lt(node->store_count, 8u);
            node->stores[node->store_count++] = action->u.snapshot_store;
        } else if (action->kind == DGRAFT_ACTION_READ_READY) {
            cluster->reads_ready++;
            cr_assert_geq(action->u.read_ready.index, cluster->read_floor[action->u.read_ready.id % 1024],
                          "a read sees what was committed before it");
        } else if (action->kind == DGRAFT_ACTION_LOOKUP) {
            struct dgraft_event answer = {.kind = DGRAFT_EVENT_TERM};
            answer.u.term.position.index = action->u.lookup.index;
            answer.u.term.position.term = term_in_log(node, action->u.lookup.index);
            step(cluster, id, answer, NULL);
        }
    }
    free(actions);
}

/* A snapshot was received, and a crash came before the log gave way: it gives way now. */
static void settle_snapshot(struct cluster *cluster, struct cluster_node *node, dgraft_node_id id)
{
    const struct dgraft_position position = node->snapshot.position;
    if (position.index == 0 ||
        (position.index <= node->disk_last && node->disk[position.index].term == position.term)) {
        return;
    }
    memset(node->disk, 0, sizeof node->disk);
    node->disk[position.index] = cluster->committed[position.index];
    node->disk_begin = position;
    node->disk_last = position.index;
    if (node->disk_term < position.term) {
        node->disk_term = position.term;
        node->disk_vote = id;
    }
}

void cluster_start(struct cluster *cluster, dgraft_node_id id)
{
    struct cluster_node *node = node_of(cluster, id);
    struct dgraft_config config;
    dgraft_config_defaults(&config, id);
    config.seed = cluster_random(cluster, UINT64_C(1) << 30);
    config.runs_max = cluster->runs_max;
    config.inflight_max = 4;
    config.inflight_bytes_max = 4096;
    config.snapshot_chunk_bytes = 50 + (uint32_t)cluster_random(cluster, 500);
    config.compact_tail = cluster_random(cluster, 8);
    config.compact_slow_max = config.compact_tail + cluster_random(cluster, 32);
    struct dgraft_term_run runs[CLUSTER_LOG];
    uint32_t run_count = 0;
    settle_snapshot(cluster, node, id);
    for (dgraft_index i = node->disk_begin.index + 1; i <= node->disk_last; i++) {
        if (run_count == 0 || runs[run_count - 1].term != node->disk[i].term) {
            runs[run_count++] = (struct dgraft_term_run){.first = i, .term = node->disk[i].term};
        }
    }
    memcpy(node->log, node->disk, sizeof node->log);
    node->applied = node->snapshot.position.index;
    node->begin = node->disk_begin;
    node->written_term = node->disk_term;
    node->written_vote = node->disk_vote;
    node->write_count = 0;
    node->store_count = 0;
    node->up = true;
    struct rig *rig = &node->rig;
    memset(rig, 0, sizeof *rig);
    rig->config = config;
    rig->core = dgraft_core_init(malloc(dgraft_core_size(&config)), &config);
    rig->before = malloc(dgraft_core_size(&config));
    rig->actions = dgraft_actions_init(malloc(dgraft_actions_size(&config)), &config);
    struct dgraft_event event = {.kind = DGRAFT_EVENT_START};
    event.u.start.term = node->disk_term;
    event.u.start.vote = node->disk_vote;
    event.u.start.last.index = node->disk_last;
    event.u.start.last.term = term_in_log(node, node->disk_last);
    event.u.start.snapshot = node->snapshot;
    event.u.start.compacted = node->disk_begin;
    event.u.start.applied = node->applied;
    event.u.start.runs = runs;
    event.u.start.run_count = run_count;
    event.u.start.commit = node->disk_last < cluster->committed_last ? node->disk_last : cluster->committed_last;
    for (dgraft_index i = node->disk_begin.index + 1; i <= event.u.start.commit;
         i++) { /* a hint is only of what this log holds */
        if (node->disk[i].value != cluster->committed[i].value) {
            event.u.start.commit = i - 1;
        }
    }
    /* And it is old, or absent; but the terms of what is not committed must be known. */
    dgraft_index least = run_count > config.runs_max ? runs[run_count - config.runs_max].first - 1 : 0;
    least = least > node->applied ? least : node->applied;
    cr_assert_leq(least, event.u.start.commit, "the cluster commits before it forgets");
    event.u.start.commit = least + cluster_random(cluster, event.u.start.commit - least + 1);
    event.u.start.membership.voters = (UINT64_C(1) << cluster->count) - 1;
    step(cluster, id, event, NULL);
    if (node->part.position.index > node->snapshot.position.index && node->part_bytes < node->part.size) {
        struct dgraft_event stored = {.kind = DGRAFT_EVENT_SNAPSHOT_STORED};
        stored.u.snapshot_stored.snapshot = node->part;
        stored.u.snapshot_stored.offset = node->part_bytes;
        step(cluster, id, stored, NULL);
    }
}

void cluster_open(struct cluster *cluster, uint32_t count, uint64_t seed)
{
    cluster->count = count;
    cluster->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    cluster->now = 1000 * MS;
    cluster->delay_max = 2 * MS;
    cluster->runs_max = seed % 3 == 0 ? 8 : 64;
    for (dgraft_node_id id = 1; id <= count; id++) {
        cluster_start(cluster, id);
    }
}

void cluster_crash(struct cluster *cluster, dgraft_node_id id)
{
    struct cluster_node *node = node_of(cluster, id);
    rig_close(&node->rig);
    memset(&node->rig, 0, sizeof node->rig);
    node->up = false;
}

void cluster_close(struct cluster *cluster)
{
    for (dgraft_node_id id = 1; id <= cluster->count; id++) {
        if (node_of(cluster, id)->up) {
            cluster_crash(cluster, id);
        }
    }
}

void cluster_propose(struct cluster *cluster, dgraft_node_id id, uint32_t count)
{
    struct dgraft_entry entries[64];
    memset(entries, 0, sizeof entries);
    for (uint32_t i = 0; i < count; i++) {
        entries[i].kind = DGRAFT_ENTRY_COMMAND;
        entries[i].payload_bytes = 8;
    }
    struct dgraft_event event = {.kind = DGRAFT_EVENT_PROPOSE};
    event.u.propose =
        (struct dgraft_event_propose){.entries = entries, .count = count, .kind = DGRAFT_ENTRY_COMMAND, .id = 1};
    if (node_of(cluster, id)->up) {
        step(cluster, id, event, NULL);
    }
}

void cluster_read(struct cluster *cluster, dgraft_node_id id)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_READ};
    event.u.read.id = cluster->reads_asked++;
    cluster->read_floor[event.u.read.id % 1024] = cluster->committed_last;
    if (node_of(cluster, id)->up) {
        step(cluster, id, event, NULL);
    }
}

/* A snapshot's bytes follow from its index, and from which of two ways a node writes them. */
static void make_snapshot(struct cluster *cluster, dgraft_node_id id)
{
    struct cluster_node *node = node_of(cluster, id);
    struct dgraft_event applied = {.kind = DGRAFT_EVENT_APPLIED};
    struct dgraft_event made = {.kind = DGRAFT_EVENT_SNAPSHOT};
    if (node->applied <= node->snapshot.position.index) {
        return;
    }
    applied.u.applied.index = node->applied;
    step(cluster, id, applied, NULL);
    node->snapshot = (struct dgraft_snapshot){.position = {node->applied, node->log[node->applied].term},
                                              .size = 300 + node->applied % 3000,
                                              .digest = 2 * node->applied + id % 2};
    made.u.snapshot.snapshot = node->snapshot;
    cluster->snapshots_made++;
    step(cluster, id, made, NULL);
    applied.u.applied.index = cluster_random(cluster, node->applied + 1); /* a completion that comes late */
    step(cluster, id, applied, NULL);
}

/* All of a leader's snapshot is here, and is what it says. */
static void receive_whole(struct cluster *cluster, dgraft_node_id id)
{
    struct cluster_node *node = node_of(cluster, id);
    struct dgraft_event received = {.kind = DGRAFT_EVENT_SNAPSHOT_RECEIVED};
    const uint64_t installed = cluster->snapshots_installed;
    const dgraft_index before = node->snapshot.position.index;
    received.u.snapshot_received.snapshot = node->part;
    received.u.snapshot_received.membership.voters = (UINT64_C(1) << cluster->count) - 1;
    if (node->part.position.index > before) {
        node->snapshot = node->part;
    }
    step(cluster, id, received, NULL);
    cluster->snapshots_held += cluster->snapshots_installed == installed ? 1u : 0u;
}

/* Ends the oldest STORE of a node; now and then its disk is full, or what is whole is not what it should be. */
static void store(struct cluster *cluster, dgraft_node_id id)
{
    struct cluster_node *node = node_of(cluster, id);
    struct dgraft_event stored = {.kind = DGRAFT_EVENT_SNAPSHOT_STORED};
    const struct dgraft_action_snapshot_store wanted = node->stores[0];
    node->store_count--;
    memmove(&node->stores[0], &node->stores[1], node->store_count * sizeof node->stores[0]);
    if (wanted.offset == 0 || !dgraft_snapshot_equal(&wanted.snapshot, &node->part)) {
        node->part_bytes = 0;
    }
    node->part = wanted.snapshot;
    if (wanted.offset != node->part_bytes || cluster_random(cluster, 50) == 0) {
        node->part_bytes = 0;
    } else {
        node->part_bytes += wanted.bytes;
    }
    stored.u.snapshot_stored.snapshot = wanted.snapshot;
    stored.u.snapshot_stored.offset = node->part_bytes;
    step(cluster, id, stored, NULL);
    if (node->part_bytes == node->part.size && cluster_random(cluster, 10) == 0) {
        node->part_bytes = 0;
        stored.u.snapshot_stored.offset = 0;
        step(cluster, id, stored, NULL);
    } else if (node->part_bytes == node->part.size) {
        receive_whole(cluster, id);
    }
}

void cluster_write(struct cluster *cluster, dgraft_node_id id)
{
    struct cluster_node *node = node_of(cluster, id);
    if (node->up && node->store_count > 0) {
        store(cluster, id);
    }
    if (!node->up || node->write_count == 0) {
        return;
    }
    const struct disk_write *write = &node->writes[0];
    node->disk_term = write->term;
    node->disk_vote = write->vote;
    node->disk_last = write->keep;
    if (write->install) {
        memset(node->disk, 0, sizeof node->disk);
        node->disk[write->keep] = cluster->committed[write->keep];
        node->disk_begin = (struct dgraft_position){write->keep, cluster->committed[write->keep].term};
    }
    memcpy(&node->disk[write->keep + 1], write->entries, write->count * sizeof write->entries[0]);
    node->disk_last += write->count;
    struct dgraft_event event = {.kind = DGRAFT_EVENT_DURABLE};
    event.u.durable.seq = write->seq;
    node->write_count--;
    memmove(&node->writes[0], &node->writes[1], node->write_count * sizeof node->writes[0]);
    step(cluster, id, event, NULL);
}

static void deliver(struct cluster *cluster, uint32_t at)
{
    struct packet packet = cluster->packets[at];
    cluster->packets[at] = cluster->packets[--cluster->packet_count];
    if (!node_of(cluster, packet.to)->up) {
        return;
    }
    struct dgraft_event event = {.kind = DGRAFT_EVENT_RECEIVE};
    event.u.receive = packet.message;
    if (packet.message.type == DGRAFT_MESSAGE_APPEND) {
        event.u.receive.u.append.entries = packet.entries;
    }
    step(cluster, packet.to, event, packet.values);
}

/* The earliest of all packets and wakes moves the clock. */
void cluster_run(struct cluster *cluster, dgraft_time_ns duration, uint32_t write_percent)
{
    const dgraft_time_ns end = cluster->now + duration;
    while (cluster->now < end) {
        dgraft_time_ns at = cluster->now + MS;
        uint32_t packet = UINT32_MAX;
        dgraft_node_id wake = 0;
        for (uint32_t i = 0; i < cluster->packet_count; i++) {
            if (cluster->packets[i].at < at) {
                at = cluster->packets[i].at;
                packet = i;
            }
        }
        for (dgraft_node_id id = 1; id <= cluster->count; id++) {
            if (node_of(cluster, id)->up && node_of(cluster, id)->rig.actions->wake_at_ns < at) {
                at = node_of(cluster, id)->rig.actions->wake_at_ns;
                wake = id;
            }
        }
        cluster->now = at > cluster->now ? at : cluster->now;
        if (wake != 0) {
            step(cluster, wake, (struct dgraft_event){.kind = DGRAFT_EVENT_WAKE}, NULL);
        } else if (packet != UINT32_MAX) {
            deliver(cluster, packet);
        }
        for (dgraft_node_id id = 1; id <= cluster->count; id++) {
            if (cluster_random(cluster, 100) < write_percent) {
                cluster_write(cluster, id);
            }
            if (node_of(cluster, id)->up && cluster_random(cluster, 10000) < cluster->snapshot_percent) {
                make_snapshot(cluster, id);
            }
        }
    }
}

dgraft_node_id cluster_leader(const struct cluster *cluster)
{
    for (dgraft_node_id id = 1; id <= cluster->count; id++) {
        if (!cluster->nodes[id].up || rig_status(&cluster->nodes[id].rig).role != DGRAFT_ROLE_LEADER) {
            continue;
        }
        const dgraft_term term = rig_status(&cluster->nodes[id].rig).term;
        uint32_t followers = 0;
        for (dgraft_node_id other = 1; other <= cluster->count; other++) {
            if (cluster->nodes[other].up) {
                const struct dgraft_core_status status = rig_status(&cluster->nodes[other].rig);
                followers += status.leader == id && status.term == term ? 1u : 0u;
            }
        }
        if (followers > cluster->count / 2) {
            return id;
        }
    }
    return 0;
}

void cluster_isolate(struct cluster *cluster, dgraft_node_id id)
{
    for (dgraft_node_id other = 1; other <= cluster->count; other++) {
        cluster->cut |= UINT64_C(1) << (8 * id + other);
        cluster->cut |= UINT64_C(1) << (8 * other + id);
    }
}

void cluster_heal(struct cluster *cluster)
{
    cluster->cut = 0;
}
