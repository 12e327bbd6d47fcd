/* Logs, disks and snapshots. A WRITE changes the log at once and the disk when it is done, in order; a crash takes the
 * log and the writes under way with it.
 */
#include "script.h"

#include <inttypes.h>
#include <string.h>

dgraft_term script_log_term(const struct script_log *log, dgraft_index index)
{
    if (index == log->begin.index) {
        return log->begin.term;
    }
    return index < log->begin.index || index > log->last ? 0 : log->entries[index].term;
}

static bool room(struct script *script, dgraft_node_id id, dgraft_index last)
{
    const bool fits = last <= SCRIPT_LOG && script->nodes[id].write_count < SCRIPT_WRITES;
    if (!fits) {
        script_fail(script, "node %u: more entries or writes than a script may have", id);
    }
    return fits;
}

static void say_write(struct script *script, dgraft_node_id id, const struct script_write *write, bool state)
{
    struct script_text text = {.bytes = NULL};
    const struct script_node *node = &script->nodes[id];
    script_text_add(&text, "%u %s", id, node->held[SCRIPT_WORK_WRITES] ? "begins to write" : "writes");
    if (state) {
        script_text_add(&text, " term %" PRIu64 " vote %u", write->term, write->vote);
    }
    if (write->keep < node->log.last) {
        script_text_add(&text, " over all after %" PRIu64, write->keep);
    }
    for (uint32_t i = 0; i < write->count; i++) {
        script_text_add(&text, " +");
        script_print_entry(&text, write->keep + 1 + i, &write->entries[i]);
    }
    script_say(script, 1, "%s", text.bytes);
    script_text_free(&text);
}

/* An entry of a WRITE that the core made or took from a client has the WRITE's term; a leader's has its own. */
static struct script_entry entry_of(struct script *script, dgraft_node_id id, const struct dgraft_action_write *write,
                                    const struct script_entry *given)
{
    struct script_entry entry = {.term = write->entry_term, .kind = write->made};
    if (write->made == DGRAFT_ENTRY_MEMBERSHIP) {
        entry.membership = *dgraft_core_membership(script->nodes[id].core);
    } else if (write->made == 0) {
        entry = *given;
        entry.term = write->entry_term != 0 ? write->entry_term : given->term;
    }
    return entry;
}

void script_write_take(struct script *script, dgraft_node_id id, const struct dgraft_action_write *write,
                       const struct script_entry *entries)
{
    struct script_node *node = &script->nodes[id];
    if (!room(script, id, write->keep + write->count) || write->count > SCRIPT_CARRY) {
        return;
    }
    struct script_write *queued = &node->writes[node->write_count++];
    *queued = (struct script_write){
        .seq = write->seq, .term = write->term, .vote = write->vote, .keep = write->keep, .count = write->count};
    for (uint32_t i = 0; i < write->count; i++) {
        queued->entries[i] = entry_of(script, id, write, entries == NULL ? NULL : &entries[write->skip + i]);
    }
    say_write(script, id, queued, write->state);
    memcpy(&node->log.entries[write->keep + 1], queued->entries, write->count * sizeof queued->entries[0]);
    node->log.last = write->keep + write->count;
    node->written_term = write->term;
    node->written_vote = write->vote;
    script_judge_write(script, id, write->keep + 1, write->count);
}

void script_install_take(struct script *script, dgraft_node_id id, const struct dgraft_action_install *install)
{
    struct script_node *node = &script->nodes[id];
    if (!room(script, id, install->position.index)) {
        return;
    }
    node->writes[node->write_count++] = (struct script_write){.seq = install->seq,
                                                              .term = node->written_term,
                                                              .vote = node->written_vote,
                                                              .install = true,
                                                              .install_term = install->position.term,
                                                              .keep = install->position.index};
    node->log.begin = install->position;
    node->log.last = install->position.index;
    node->applied = install->position.index;
    node->apply_wanted = install->position.index;
    script_say(script, 1, "%u installs snapshot %" PRIu64 ":%" PRIu64 ", its log is gone", id, install->position.index,
               install->position.term);
}

void script_compact_take(struct script *script, dgraft_node_id id, struct dgraft_position position)
{
    struct script_node *node = &script->nodes[id];
    node->log.begin = position;
    if (position.index > node->disk.begin.index && position.index <= node->disk.last) {
        node->disk.begin = position;
    }
}

uint64_t script_write_done(struct script *script, dgraft_node_id id)
{
    struct script_node *node = &script->nodes[id];
    if (node->write_count == 0) {
        return 0;
    }
    const struct script_write write = node->writes[0];
    node->write_count--;
    memmove(&node->writes[0], &node->writes[1], node->write_count * sizeof node->writes[0]);
    node->disk_term = write.term;
    node->disk_vote = write.vote;
    script_damage_written(node, &write);
    if (write.mends) {
        return write.seq;
    }
    node->disk.last = write.keep;
    if (write.install) {
        node->disk.begin = (struct dgraft_position){.index = write.keep, .term = write.install_term};
    }
    memcpy(&node->disk.entries[write.keep + 1], write.entries, write.count * sizeof write.entries[0]);
    node->disk.last += write.count;
    return write.seq;
}

bool script_written(struct script *script, dgraft_node_id id)
{
    struct dgraft_event event = {.kind = DGRAFT_EVENT_DURABLE};
    event.u.durable.seq = script_write_done(script, id);
    if (event.u.durable.seq == 0) {
        return false;
    }
    if (script->nodes[id].held[SCRIPT_WORK_WRITES]) {
        script_say(script, 0, "%u has written", id);
    }
    return script_step(script, id, &event, NULL);
}

/* All of a leader's snapshot is here. */
static bool received(struct script *script, dgraft_node_id id)
{
    struct script_node *node = &script->nodes[id];
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT_RECEIVED};
    event.u.snapshot_received.snapshot = node->part.what;
    event.u.snapshot_received.membership = node->part.membership;
    if (node->part.what.position.index > node->snapshot.what.position.index) {
        node->snapshot = node->part;
    }
    script_say(script, 0, "%u has received snapshot %" PRIu64, id, node->part.what.position.index);
    return script_step(script, id, &event, NULL);
}

/* The oldest STORE of a node ends; the answer tells how much there is. */
bool script_store_done(struct script *script, dgraft_node_id id)
{
    struct script_node *node = &script->nodes[id];
    struct dgraft_event event = {.kind = DGRAFT_EVENT_SNAPSHOT_STORED};
    if (node->store_count == 0) {
        return false;
    }
    const struct dgraft_action_snapshot_store store = node->stores[0];
    node->store_count--;
    memmove(&node->stores[0], &node->stores[1], node->store_count * sizeof node->stores[0]);
    if (store.offset == 0 || !dgraft_snapshot_equal(&store.snapshot, &node->part.what)) {
        node->part_bytes = 0;
    }
    node->part = node->leaders_snapshot;
    node->part.what = store.snapshot;
    node->part_bytes += store.offset == node->part_bytes ? store.bytes : 0;
    event.u.snapshot_stored.snapshot = store.snapshot;
    event.u.snapshot_stored.offset = node->part_bytes;
    if (node->held[SCRIPT_WORK_STORES]) {
        script_say(script, 0, "%u has stored", id);
    }
    return script_step(script, id, &event, NULL) && (node->part_bytes < node->part.what.size || received(script, id));
}

struct dgraft_membership script_membership_at(const struct script *script, dgraft_node_id id,
                                              const struct script_log *log, dgraft_index index)
{
    const struct script_node *node = &script->nodes[id];
    for (dgraft_index i = index < log->last ? index : log->last; i > log->begin.index; i--) {
        if (log->entries[i].kind == DGRAFT_ENTRY_MEMBERSHIP) {
            return log->entries[i].membership;
        }
    }
    if (node->snapshot.what.position.index != 0) {
        return node->snapshot.membership;
    }
    return node->joins ? (struct dgraft_membership){.index = 0} : script->founders;
}

/* A snapshot was received and a crash came before the log gave way: it gives way now. */
static void settle_snapshot(struct script_node *node, dgraft_node_id id)
{
    const struct dgraft_position position = node->snapshot.what.position;
    if (position.index <= node->disk.begin.index || script_log_term(&node->disk, position.index) == position.term) {
        return;
    }
    node->disk.begin = position;
    node->disk.last = position.index;
    if (node->disk_term < position.term) {
        node->disk_term = position.term;
        node->disk_vote = id;
    }
}

void script_start_event(struct script *script, dgraft_node_id id, struct dgraft_event_start *start,
                        struct dgraft_term_run *runs)
{
    struct script_node *node = &script->nodes[id];
    settle_snapshot(node, id);
    const struct script_log *disk = &node->disk;
    node->log = *disk;
    *start = (struct dgraft_event_start){.term = node->disk_term,
                                         .vote = node->disk_vote,
                                         .store = node->store,
                                         .snapshot = node->snapshot.what,
                                         .compacted = disk->begin,
                                         .last = {disk->last, script_log_term(disk, disk->last)},
                                         .applied = node->snapshot.what.position.index};
    if (node->reopen && node->applied > start->applied) {
        start->applied = node->applied;
    }
    node->reopen = false;
    start->commit = node->disk_commit > start->applied ? node->disk_commit : start->applied;
    script_damage_start(node, start, runs);
    start->membership = script_membership_at(script, id, disk, disk->last);
    if (start->membership.index > 0 && start->membership.index > disk->begin.index) {
        start->before = script_membership_at(script, id, disk, start->membership.index - 1);
        if (start->before.index >= start->membership.index) {
            start->before = (struct dgraft_membership){.index = 0}; /* it is in the snapshot already */
        }
    }
    node->written_term = node->disk_term;
    node->written_vote = node->disk_vote;
    node->applied = start->applied;
    node->apply_wanted = start->applied;
    node->write_count = 0;
    node->store_count = 0;
}
