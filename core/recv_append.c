/* APPEND, at a follower [§3.5]. A log is shortened only at a proven conflict of terms, and never at or below the commit
 * index: entries there are the same in every leader's log (Leader Completeness [§3.6.3]), so an append that says
 * otherwise means that something is badly wrong, and this node halts.
 */
#include "parts.h"

/* Checks an append for what no leader sends. */
static bool append_valid(const struct dgraft_core *core, const struct dgraft_message *message)
{
    const struct dgraft_append *append = &message->u.append;
    dgraft_term term = dgraft_core_max(append->prev.term, 1); /* 0 is no entry's */
    uint32_t memberships = 0;
    if ((append->prev.index == 0) != (append->prev.term == 0) || append->prev.term > message->term ||
        append->prev.index > UINT64_MAX - 1 - append->count || (append->count > 0 && append->entries == NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < append->count; i++) {
        const struct dgraft_entry *entry = &append->entries[i];
        if (entry->index != append->prev.index + 1 + i || entry->term < term) {
            return false;
        }
        term = entry->term;
        if (entry->kind == DGRAFT_ENTRY_MEMBERSHIP) {
            if (memberships == append->membership_count || append->memberships[memberships].index != entry->index ||
                !dgraft_core_membership_valid(core, &append->memberships[memberships])) {
                return false;
            }
            memberships++;
        }
    }
    return (append->count == 0 || term <= message->term) && memberships == append->membership_count;
}

static bool term_differs(const struct dgraft_core *core, dgraft_index index, dgraft_term term)
{
    const dgraft_term known = dgraft_core_term_at(core, index);
    return known != 0 && known != term;
}

/* Returns how many entries of an append lie at or below the commit index. */
static uint32_t committed_count(const struct dgraft_core *core, const struct dgraft_append *append)
{
    if (core->commit <= append->prev.index) {
        return 0;
    }
    return (uint32_t)dgraft_core_min(append->count, core->commit - append->prev.index);
}

static bool contradicts_committed(const struct dgraft_core *core, const struct dgraft_append *append)
{
    if (append->prev.index > core->commit) {
        return false;
    }
    if (append->prev.index != 0 && term_differs(core, append->prev.index, append->prev.term)) {
        return true;
    }
    const uint32_t committed = committed_count(core, append);
    for (uint32_t i = 0; i < committed; i++) {
        if (term_differs(core, append->entries[i].index, append->entries[i].term)) {
            return true;
        }
    }
    return false;
}

static void refuse(struct dgraft_core *core, const struct dgraft_append *append, struct dgraft_position hint,
                   enum dgraft_refuse_reason reason)
{
    core->refuse_due = true;
    core->refusal = (struct dgraft_append_refuse){
        .prev = append->prev.index, .hint = hint, .round = append->round, .reason = reason};
}

/* The newest position that could match: what is committed does for certain. */
static struct dgraft_position hint_for(const struct dgraft_core *core, struct dgraft_position prev)
{
    struct dgraft_position hint;
    hint.index = dgraft_core_runs_floor(core, dgraft_core_min(prev.index, core->last.index), prev.term);
    hint.index = dgraft_core_max(hint.index, core->commit);
    hint.term = dgraft_core_term_at(core, hint.index);
    if (hint.index != 0 && hint.term == 0) {
        hint.term = prev.term; /* older than the runs: its term is at most this, and the leader has the very entry */
    }
    return hint;
}

static void truncate_to(struct dgraft_core *core, dgraft_index keep)
{
    dgraft_core_writes_clip(core, keep);
    dgraft_core_runs_truncate(core, keep);
    core->verified = dgraft_core_min(core->verified, keep);
    dgraft_core_members_roll_back(core, keep);
}

/* Puts in force what the entries after `keep`, which were just appended, say of the members [§4.1]. */
static void members_take(struct dgraft_core *core, const struct dgraft_append *append, dgraft_index keep)
{
    for (uint32_t i = 0; i < append->membership_count; i++) {
        const struct dgraft_membership *membership = &append->memberships[i];
        if (membership->index > keep && membership->index <= core->last.index) {
            dgraft_core_members_set(core, membership);
        }
    }
}

/* Takes up the entries that are new; *taken becomes the last index that is equal to the leader's now. `limit` is what
 * is committed once they are in. Returns false, with nothing changed, when the append is to be ignored. */
static bool entries_take(struct step *step, const struct dgraft_append *append, dgraft_index limit, dgraft_index *taken)
{
    struct dgraft_core *core = step->core;
    uint32_t i = committed_count(core, append);
    while (i < append->count && append->prev.index + 1 + i <= core->last.index &&
           dgraft_core_term_at(core, append->entries[i].index) == append->entries[i].term) {
        i++; /* here already: a repeated or late append shortens nothing */
    }
    const dgraft_index keep = append->prev.index + i;
    *taken = keep;
    if (i == append->count) {
        return true;
    }
    if (!dgraft_core_members_can_roll_back(core, keep)) {
        return false;
    }
    if (!dgraft_core_runs_fit(core, keep, append->entries[i].term, limit)) {
        return true;
    }
    if (keep < core->last.index) {
        truncate_to(core, keep);
    }
    step->write_entries = true;
    step->keep = keep;
    step->skip = i;
    if (append->entries[append->count - 1].term == core->last.term && core->runs_count > 0) {
        core->last.index += append->count - i; /* terms never fall: all of them lengthen the newest run */
        i = append->count;
    }
    for (; i < append->count; i++) {
        const dgraft_term term = append->entries[i].term;
        if (term == core->last.term && core->runs_count > 0) {
            core->last.index++;
        } else if (dgraft_core_runs_fit(core, core->last.index, term, limit)) {
            dgraft_core_runs_append(core, core->last.index + 1, term);
        } else {
            break;
        }
    }
    step->count = i - step->skip;
    *taken = core->last.index;
    if (append->membership_count > 0) {
        members_take(core, append, keep);
    }
    return true;
}

bool dgraft_core_entries_overwrite(struct step *step, const struct dgraft_append *append)
{
    struct dgraft_core *core = step->core;
    const dgraft_index keep = append->prev.index;
    uint32_t runs = 0;
    while (runs < core->runs_count && dgraft_core_run(core, runs)->first <= keep) {
        runs++;
    }
    for (uint32_t i = 0; i < append->count; i++) {
        runs += i == 0 || append->entries[i].term != append->entries[i - 1].term;
    }
    DGRAFT_CORE_ASSERT(keep >= core->commit && keep < core->last.index);
    if (runs > core->config.runs_max || !dgraft_core_members_can_roll_back(core, keep)) {
        return false;
    }
    truncate_to(core, keep);
    for (uint32_t i = 0; i < append->count; i++) {
        dgraft_core_runs_append(core, keep + 1 + i, append->entries[i].term);
    }
    step->write_entries = true;
    step->keep = keep;
    step->skip = 0;
    step->count = append->count;
    return true;
}

static void append_take(struct step *step, const struct dgraft_append *append)
{
    struct dgraft_core *core = step->core;
    const dgraft_index prev = append->prev.index;
    const dgraft_index end = prev + append->count;
    if (contradicts_committed(core, append)) {
        dgraft_core_poison(step);
        return;
    }
    if (core->repairing && !dgraft_core_repair_admits(step, append)) {
        return;
    }
    if (prev > core->commit && (prev > core->last.index || dgraft_core_term_at(core, prev) != append->prev.term)) {
        refuse(core, append, hint_for(core, append->prev), DGRAFT_REFUSE_MISMATCH);
        return;
    }
    const dgraft_index limit = dgraft_core_max(core->commit, dgraft_core_min(append->commit, end));
    dgraft_index taken = prev;
    if (append->count > 0 && !entries_take(step, append, limit, &taken)) {
        core->ignored++;
        return;
    }
    core->verified = dgraft_core_max(core->verified, taken);
    core->commit = dgraft_core_max(core->commit, dgraft_core_min(append->commit, taken));
    core->refuse_due = false;
    if (taken < end) {
        refuse(core, append, append->prev, DGRAFT_REFUSE_FULL);
    }
    if (append->count == 0 || core->verified <= core->durable) {
        core->ack_due = true; /* nothing to wait for */
    }
}

/* An append of an older leader teaches it the term, at once or not at all. */
static void refuse_old_leader(struct step *step, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    if (!dgraft_core_state_durable(core)) {
        return;
    }
    struct dgraft_action_send *send =
        dgraft_core_emit_send(step, dgraft_node_set_of(message->from), DGRAFT_MESSAGE_APPEND_REFUSE);
    send->message.u.append_refuse = (struct dgraft_append_refuse){
        .prev = message->u.append.prev.index, .round = message->u.append.round, .reason = DGRAFT_REFUSE_TERM};
}

/* A leader of this term or a newer one speaks: whatever this node was, it follows it, and waits for it once more. */
void dgraft_core_hear_leader(struct step *step, const struct dgraft_message *message, uint64_t round)
{
    struct dgraft_core *core = step->core;
    if (message->term > core->term) {
        dgraft_core_adopt_term(step, message->term);
    }
    dgraft_core_become_follower(step);
    core->leader = message->from;
    core->leader_heard_ns = core->now_ns;
    dgraft_core_election_extend(core);
    core->leader_round = dgraft_core_max(core->leader_round, round);
}

void dgraft_core_recv_append(struct step *step, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    if (message->term < core->term) {
        refuse_old_leader(step, message);
        return;
    }
    const bool second_leader = message->term == core->term && core->leader != 0 && core->leader != message->from;
    if (second_leader || !append_valid(core, message)) {
        core->ignored++;
        return;
    }
    dgraft_core_hear_leader(step, message, message->u.append.round);
    append_take(step, &message->u.append);
}
