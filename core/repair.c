/* A node whose entries are damaged. It knows the last position that it acknowledged, so it votes by that as ever: no
 * candidate that lacks what it acknowledged gets its vote. It never campaigns, because it could not lead; and it
 * acknowledges and applies nothing behind its first damaged entry.
 *
 * What is damaged is asked of one peer after the other, leader or not: whoever holds the entry behind it (the anchor)
 * holds the same entries before it (Log Matching [§3.5]). They are written in the place of the damaged ones (MEND), and
 * when nothing is damaged any more the store is opened anew (REOPEN).
 *
 * Nothing is thrown away because nobody has it: it may have been acknowledged, and be on a disk that is away just now.
 * Only what a leader's log contradicts goes, in one write with the leader's entries that take its place (they are
 * fetched like others, from it, up to the one that contradicts):
 *   1. 1, 2 and 3 hold entry 5 of term 1; it is committed. It rots at 1 and at 2.
 *   2. If 1 simply cut its log to 4, it could vote for 4, whose log ends there; 2 as well.
 *   3. 4 leads and writes another entry 5: a committed one is lost.
 * docs/decisions/0011-repair.md has the other executions.
 */
#include "parts.h"

bool dgraft_core_damage_valid(const struct dgraft_event_start *start)
{
    dgraft_index behind = start->compacted.index;
    if (start->damage_count > DGRAFT_DAMAGE_MAX || (start->damage_count > 0 && start->damage == NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < start->damage_count; i++) {
        const struct dgraft_damage *damage = &start->damage[i];
        const bool ends = damage->last == start->last.index;
        if (damage->first <= behind || damage->last < damage->first || damage->last > start->last.index ||
            damage->anchor.index != (ends ? damage->last : damage->last + 1) || damage->anchor.term == 0 ||
            damage->anchor.term > start->last.term || (ends && damage->anchor.term != start->last.term)) {
            return false;
        }
        behind = damage->last;
    }
    return true;
}

void dgraft_core_repair_start(struct dgraft_core *core, const struct dgraft_event_start *start)
{
    core->damage_count = start->damage_count;
    for (uint32_t i = 0; i < start->damage_count; i++) {
        core->damage[i] = (struct dgraft_damage_status){.damage = start->damage[i]};
    }
    if (core->damage_count > 0) {
        core->repairing = true;
        core->intact = dgraft_core_max(start->damage[0].first - 1, core->applied); /* what is applied, is no longer
                                                                                      wanted from the log */
        core->durable = dgraft_core_min(core->durable, core->intact);
        core->fetch_at_ns = core->now_ns;
    }
}

/* Takes no part any more until the store was opened again. */
static void reopen(struct dgraft_core *core, uint64_t behind)
{
    core->repairing = true;
    core->reopen_due = true;
    core->reopen_seq = behind;
    core->damage_count = 0;
    core->fetch_nth = 0;
    core->intact = dgraft_core_min(core->durable, core->last.index);
}

void dgraft_core_damaged(struct step *step)
{
    struct dgraft_core *core = step->core;
    if (core->poisoned || core->reopen_due) {
        return;
    }
    dgraft_core_become_follower(step);
    core->leader = core->leader == core->config.self ? 0 : core->leader;
    core->election_deadline_ns = DGRAFT_CORE_NEVER;
    reopen(core, core->write_seq);
}

void dgraft_core_repair_snapshot(struct dgraft_core *core)
{
    reopen(core, core->write_seq);
}

static void refuse(struct dgraft_core *core, const struct dgraft_append *append, dgraft_index hint,
                   enum dgraft_refuse_reason reason)
{
    dgraft_term term = dgraft_core_term_at(core, hint);
    if (hint != 0 && (term == 0 || term > append->prev.term)) {
        term = append->prev.term; /* older than the runs: its term is at most this */
    }
    core->refuse_due = true;
    core->refusal = (struct dgraft_append_refuse){
        .prev = append->prev.index, .hint = {hint, hint == 0 ? 0 : term}, .round = append->round, .reason = reason};
}

/* Returns the damage that an index lies in, NULL when in none. */
static const struct dgraft_damage *damage_at(const struct dgraft_core *core, dgraft_index index)
{
    for (uint32_t i = 0; i < core->damage_count; i++) {
        if (index >= core->damage[i].damage.first && index <= core->damage[i].damage.last) {
            return &core->damage[i].damage;
        }
    }
    return NULL;
}

/* Whether a leader that has this entry lacks one that stands here at or behind its index. Terms never fall in a log: an
 * entry of a later term than the anchor's, at or before the anchor, leaves no place for it. */
static bool contradicts(const struct dgraft_core *core, const struct dgraft_entry *entry)
{
    const dgraft_term known = dgraft_core_term_at(core, entry->index);
    const struct dgraft_damage *damage = damage_at(core, entry->index);
    if (entry->index <= core->commit || entry->index > core->last.index) {
        return false;
    }
    return damage != NULL ? entry->term > damage->anchor.term : known != 0 && known != entry->term;
}

/* Looks whether the append proves that the leader's log parts from this one. If so, what is damaged before the proof
 * may still be the leader's own entries, and acknowledged here: all of it, up to the proof, must come in one piece
 * before any of it may go. An append may be too small for that; so it is fetched. */
static void look_for_proof(struct dgraft_core *core, const struct dgraft_append *append, dgraft_index intact)
{
    const bool joins = append->prev.index <= intact || core->verified >= intact || intact <= core->commit;
    if (core->mending || !joins || core->proof_term == core->term) {
        return;
    }
    for (uint32_t i = 0; i < append->count; i++) {
        const struct dgraft_entry *entry = &append->entries[i];
        const dgraft_index first = dgraft_core_min(entry->index, intact + 1);
        if (contradicts(core, entry) && first > core->commit) {
            core->proof =
                (struct dgraft_fetch){.first = first, .last = entry->index, .anchor = {entry->index, entry->term}};
            core->proof_term = core->term;
            core->fetch_at_ns = core->now_ns;
            return;
        }
    }
}

/* A leader holds all that is committed. What it does not hold of this log, as the anchor, is not, and never will be:
 * its log only grows, by entries of its own term. Whatever the logs have in common lies at or before `here`. */
void dgraft_core_repair_not_held(struct dgraft_core *core, const struct dgraft_fetch_answer *answer)
{
    const dgraft_index intact = core->damage[0].damage.first - 1;
    const dgraft_index first = dgraft_core_min(answer->here.index, intact + 1);
    if (core->mending || core->proof_term == core->term || answer->here.index == 0 || first <= core->commit ||
        answer->anchor.term >= core->term || dgraft_core_max(core->verified, core->commit) + 1 < first) {
        return;
    }
    core->proof = (struct dgraft_fetch){.first = first, .last = answer->here.index, .anchor = answer->here};
    core->proof_term = core->term;
    core->fetch_at_ns = core->now_ns;
}

bool dgraft_core_repair_overwrites(struct step *step, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_fetch_answer *answer = &message->u.fetch_answer;
    if (core->proof_term != core->term || message->from != core->leader || message->term != core->term ||
        answer->verdict != DGRAFT_FETCH_HAVE || answer->first != core->proof.first ||
        !dgraft_position_equal(answer->anchor, core->proof.anchor)) {
        return false;
    }
    const struct dgraft_append append = {
        .prev = {answer->first - 1, 0}, .entries = answer->entries, .count = answer->count};
    for (uint32_t i = 0; i < append.count; i++) {
        const dgraft_term before = i == 0 ? dgraft_core_term_at(core, append.prev.index) : append.entries[i - 1].term;
        if (append.entries[i].index != answer->first + i || append.entries[i].term < dgraft_core_max(before, 1) ||
            append.entries[i].term > core->term) {
            return false;
        }
    }
    if (core->mending || core->reopen_due || append.prev.index < core->commit ||
        append.prev.index >= core->last.index || append.prev.index + append.count < core->proof.last ||
        !dgraft_core_entries_overwrite(step, &append)) {
        return false;
    }
    reopen(core, 0); /* behind the WRITE of this step */
    return true;
}

bool dgraft_core_repair_admits(struct step *step, const struct dgraft_append *append)
{
    struct dgraft_core *core = step->core;
    const dgraft_index prev = append->prev.index;
    const dgraft_index end = prev + append->count;
    const dgraft_index intact =
        core->damage_count > 0 ? core->damage[0].damage.first - 1 : dgraft_core_min(core->intact, core->last.index);
    const bool known = prev <= core->commit || dgraft_core_term_at(core, prev) == append->prev.term;
    if (core->reopen_due || (prev > intact && intact < core->commit)) {
        refuse(core, append, dgraft_core_min(intact, prev), DGRAFT_REFUSE_FULL); /* it has it, or a peer has */
        core->ack_due = true;
        return false;
    }
    if (prev <= intact && !known) {
        return true; /* a mismatch like any other */
    }
    look_for_proof(core, append, intact);
    if (prev > intact) {
        refuse(core, append, intact, DGRAFT_REFUSE_MISMATCH); /* so that it shows whether the logs part there */
        return false;
    }
    dgraft_index same = dgraft_core_min(dgraft_core_max(prev, dgraft_core_min(core->commit, end)), intact);
    while (same < dgraft_core_min(end, intact) &&
           dgraft_core_term_at(core, same + 1) == append->entries[same - prev].term) {
        same++;
    }
    core->verified = dgraft_core_max(core->verified, same);
    core->commit = dgraft_core_max(core->commit, dgraft_core_min(append->commit, same));
    core->ack_due = true;
    core->refuse_due = false;
    if (same < end) {
        refuse(core, append, prev, DGRAFT_REFUSE_FULL);
    }
    return false;
}

static void remove_damage(struct dgraft_core *core, uint32_t at)
{
    core->damage_count--;
    for (; at < core->damage_count; at++) {
        core->damage[at] = core->damage[at + 1];
    }
}

/* Part of the damage at fetch_nth is whole again. What is left before it has its first entry as anchor. */
static void shrink(struct dgraft_core *core)
{
    const uint32_t at = core->fetch_nth;
    const struct dgraft_damage whole = core->damage[at].damage;
    DGRAFT_CORE_ASSERT(core->mend_first.index >= whole.first && core->mend_last <= whole.last);
    if (core->mend_first.index > whole.first && core->mend_last < whole.last) {
        DGRAFT_CORE_ASSERT(core->damage_count < DGRAFT_DAMAGE_MAX);
        for (uint32_t i = core->damage_count++; i > at; i--) {
            core->damage[i] = core->damage[i - 1];
        }
        core->damage[at + 1] = (struct dgraft_damage_status){.damage = {core->mend_last + 1, whole.last, whole.anchor}};
    }
    struct dgraft_damage *front = &core->damage[at].damage;
    if (core->mend_first.index > whole.first) {
        front->last = core->mend_first.index - 1;
        front->anchor = core->mend_first;
    } else if (core->mend_last < whole.last) {
        front->first = core->mend_last + 1;
    } else {
        remove_damage(core, at);
    }
}

/* A MEND is durable: what it wrote is damaged no longer. */
static void mended(struct dgraft_core *core)
{
    core->mending = false;
    if (core->reopen_due) {
        return; /* something else opens the store again, and it will tell */
    }
    shrink(core);
    core->fetch_nth = core->fetch_nth < core->damage_count ? core->fetch_nth : 0;
    core->fetch_at_ns = core->now_ns; /* the same peer is asked on */
    core->fetch_slot -= core->fetch_slot > 0 ? 1 : 0;
    if (core->damage_count == 0) {
        reopen(core, core->write_seq);
    }
}

/* Asks the next peer; when all were asked, for the next damage. */
static void fetch(struct step *step)
{
    struct dgraft_core *core = step->core;
    dgraft_node_set receivers = 0;
    core->fetch_at_ns = dgraft_core_after(core, dgraft_core_resend_interval(core));
    if (!dgraft_core_state_durable(core)) {
        return;
    }
    if (core->fetch_slot >= core->peer_count) {
        core->fetch_slot = 0;
        core->fetch_nth = core->fetch_nth + 1 < core->damage_count ? core->fetch_nth + 1 : 0;
    }
    if (core->peer_count > 0) {
        receivers = dgraft_node_set_of(core->peers[core->fetch_slot++].id);
    } else if (core->leader != 0) { /* who the members are is damaged, too: somebody leads */
        receivers = dgraft_node_set_of(core->leader);
    }
    if (core->proof_term == core->term && core->leader != 0) {
        dgraft_core_emit_send(step, dgraft_node_set_of(core->leader), DGRAFT_MESSAGE_FETCH)->message.u.fetch =
            core->proof;
    }
    if (receivers != 0) {
        const struct dgraft_damage *damage = &core->damage[core->fetch_nth].damage;
        struct dgraft_action_send *send = dgraft_core_emit_send(step, receivers, DGRAFT_MESSAGE_FETCH);
        send->message.u.fetch =
            (struct dgraft_fetch){.first = damage->first, .last = damage->last, .anchor = damage->anchor};
    }
}

void dgraft_core_repair_progress(struct step *step)
{
    struct dgraft_core *core = step->core;
    if (core->poisoned) {
        return;
    }
    if (core->mending && core->durable_seq >= core->mend_seq) {
        mended(core);
    }
    if (core->damage_count > 0 && !core->mending && core->now_ns >= core->fetch_at_ns) {
        fetch(step);
    }
    if (core->reopen_due && core->reopen_seq == 0) {
        core->reopen_seq = core->write_seq;
    }
    if (core->reopen_due && !core->reopen_asked && !core->mending && core->durable_seq >= core->reopen_seq) {
        core->reopen_asked = true;
        (void)dgraft_core_emit(step, DGRAFT_ACTION_REOPEN);
    }
}

dgraft_time_ns dgraft_core_repair_wake_at(const struct dgraft_core *core)
{
    return core->damage_count > 0 && !core->mending && !core->poisoned ? core->fetch_at_ns : DGRAFT_CORE_NEVER;
}
