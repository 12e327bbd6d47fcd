/* FETCH: somebody's entries are damaged. Whoever holds the entry behind them gives them, whatever its role: an answer
 * promises nothing and changes nothing here. What cannot be given is said, so that people learn which disk would help.
 */
#include "parts.h"

static bool request_valid(const struct dgraft_core *core, const struct dgraft_message *message)
{
    const struct dgraft_fetch *fetch = &message->u.fetch;
    return fetch->first != 0 && fetch->first <= fetch->last && fetch->last <= fetch->anchor.index &&
           fetch->anchor.index - fetch->last <= 1 && fetch->anchor.term != 0 && fetch->anchor.term <= message->term &&
           dgraft_core_state_durable(core);
}

/* Returns how far entries can be given from first on: before the first of them that is damaged here, or not on disk.
 * Behind the first damage all that is known was on disk at the start. */
static dgraft_index readable(const struct dgraft_core *core, dgraft_index first, dgraft_index last)
{
    last = dgraft_core_min(last, core->repairing ? core->last.index : core->durable);
    for (uint32_t i = core->damage_count; i-- > 0;) {
        const struct dgraft_damage *damage = &core->damage[i].damage;
        if (damage->first <= last && damage->last >= first) {
            last = damage->first - 1;
        }
    }
    return last;
}

/* Returns what can be said: the term of the anchor, when it is older than the runs, is the host's to compare. */
static enum dgraft_fetch_verdict verdict_of(const struct dgraft_core *core, const struct dgraft_fetch *fetch,
                                            dgraft_index last)
{
    const dgraft_term known = dgraft_core_term_at(core, fetch->anchor.index);
    if (fetch->anchor.index > core->last.index || (known != 0 && known != fetch->anchor.term)) {
        return DGRAFT_FETCH_HAVE_NOT;
    }
    if (fetch->first <= core->compacted.index) {
        return DGRAFT_FETCH_COMPACTED;
    }
    return last < fetch->first ? DGRAFT_FETCH_DAMAGED : DGRAFT_FETCH_HAVE;
}

void dgraft_core_recv_fetch(struct step *step, struct peer *peer, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_fetch *fetch = &message->u.fetch;
    if (!request_valid(core, message) || core->reopen_due) {
        core->ignored++;
        return;
    }
    const dgraft_index last = readable(core, fetch->first, fetch->last);
    const enum dgraft_fetch_verdict verdict = verdict_of(core, fetch, last);
    if (verdict == DGRAFT_FETCH_COMPACTED && core->role == DGRAFT_ROLE_LEADER) {
        peer->snapshot_wanted = true; /* though it once acknowledged more */
        step->consider_sends = true;
    }
    struct dgraft_action_send *send =
        dgraft_core_emit_send(step, dgraft_node_set_of(message->from), DGRAFT_MESSAGE_FETCH_ANSWER);
    send->message.u.fetch_answer =
        (struct dgraft_fetch_answer){.verdict = verdict, .first = fetch->first, .anchor = fetch->anchor};
    send->last.index = verdict == DGRAFT_FETCH_HAVE ? last : 0;
}
