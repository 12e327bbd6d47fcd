/* Entries that rot on a disk that is not looked at, and are mended from peers. What was there stays known to the rules:
 * a MEND must write it, and what is committed is not lost because it is damaged.
 */
#include "script.h"

#include <inttypes.h>
#include <string.h>

static bool damaged(const struct script_node *node, dgraft_index index)
{
    return index <= node->disk.last && node->damaged[index];
}

static dgraft_term readable_term(const struct script_node *node, dgraft_index index)
{
    return damaged(node, index) && index != node->disk.last ? 0 : script_log_term(&node->disk, index);
}

/* rot ID INDEX: a start will find the entry damaged. */
void script_rot(struct script *script, const struct script_words *words)
{
    dgraft_node_id id = 0;
    uint64_t index = 0;
    if (!script_id(script, words->at[1], &id) || script->nodes[id].up ||
        !script_number(words->at[2], script->nodes[id].disk.last, &index) ||
        index <= script->nodes[id].disk.begin.index) {
        script_fail(script, "only a node that is down has entries that rot");
        return;
    }
    script->nodes[id].damaged[index] = true;
}

void script_damage_start(struct script_node *node, struct dgraft_event_start *start, struct dgraft_term_run *runs)
{
    const dgraft_index last = node->disk.last;
    start->runs = runs;
    start->damage = node->damage;
    for (dgraft_index i = node->disk.begin.index + 1; i <= last; i++) {
        const dgraft_term term = readable_term(node, i);
        if (start->run_count == 0 || runs[start->run_count - 1].term != term) {
            runs[start->run_count++] = (struct dgraft_term_run){.first = i, .term = term};
        }
        if (!damaged(node, i) || start->damage_count == DGRAFT_DAMAGE_MAX) {
            continue;
        }
        const dgraft_index behind = i < last ? i + 1 : i;
        if (start->damage_count > 0 && node->damage[start->damage_count - 1].last == i - 1) {
            start->damage_count--;
        } else {
            node->damage[start->damage_count].first = i;
        }
        node->damage[start->damage_count].last = i;
        node->damage[start->damage_count++].anchor =
            (struct dgraft_position){.index = behind, .term = readable_term(node, behind)};
    }
}

void script_mend_take(struct script *script, dgraft_node_id id, const struct dgraft_action_mend *mend,
                      const struct script_entry *entries)
{
    struct script_node *node = &script->nodes[id];
    struct script_write *queued = &node->writes[node->write_count];
    if (node->write_count == SCRIPT_WRITES || mend->count > SCRIPT_CARRY) {
        script_fail(script, "node %u: more entries or writes than a script may have", id);
        return;
    }
    node->write_count++;
    *queued = (struct script_write){.seq = mend->seq,
                                    .term = node->written_term,
                                    .vote = node->written_vote,
                                    .mends = true,
                                    .keep = mend->first - 1,
                                    .count = mend->count};
    for (uint32_t i = 0; i < mend->count; i++) {
        queued->entries[i] = entries[i];
        if (!damaged(node, mend->first + i) || !script_entry_same(&entries[i], &node->disk.entries[mend->first + i])) {
            script_fail(script, "node %u: entry %" PRIu64 " is mended as another one", id, mend->first + i);
        }
    }
}

void script_damage_written(struct script_node *node, const struct script_write *write)
{
    const dgraft_index end = write->mends ? write->keep + write->count : SCRIPT_LOG;
    for (dgraft_index i = write->keep + 1; i <= end; i++) {
        node->damaged[i] = false;
    }
}

/* The entries that a FETCH_ANSWER gives; none: the log is another one, or what it stands before cannot be read. */
void script_fetched_pack(const struct script *script, dgraft_node_id id, const struct dgraft_action_send *send,
                         struct script_message *message)
{
    const struct script_node *node = &script->nodes[id];
    struct dgraft_fetch_answer *fetched = &message->message.u.fetch_answer;
    const dgraft_index anchor = fetched->anchor.index;
    const bool rotten = damaged(node, anchor) && anchor != node->disk.last;
    if (rotten || script_log_term(&node->log, anchor) != fetched->anchor.term) {
        fetched->verdict = DGRAFT_FETCH_HAVE_NOT;
        return;
    }
    for (dgraft_index i = fetched->first; i <= send->last.index && fetched->count < script->carry; i++) {
        message->entries[fetched->count++] = node->log.entries[i];
    }
}

void script_reopen(struct script *script, dgraft_node_id id)
{
    script_say(script, 0, "%u opens its store again", id);
    script_stop(script, id);
    script_start(script, id);
}
