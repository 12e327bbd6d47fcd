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

/* Entries of a request that can be given; none: first is beyond last. */
struct gift {
    dgraft_index first;
    dgraft_index last;
};

/* Finds the first entries that are neither compacted nor damaged here, and on disk. Behind the first damage all that is
 * known was on disk at the start. */
static struct gift gift_for(const struct dgraft_core *core, const struct dgraft_fetch *fetch)
{
    struct gift gift = {.first = dgraft_core_max(fetch->first, core->compacted.index + 1)};
    gift.last = dgraft_core_min(fetch->last, core->repairing ? core->last.index : core->durable);
    for (uint32_t i = 0; i < core->damage_count; i++) {
        const struct dgraft_damage *damage = &core->damage[i].damage;
        if (damage->last < gift.first || damage->first > gift.last) {
            continue;
        }
        if (damage->first > gift.first) {
            gift.last = damage->first - 1;
            break;
        }
        gift.first = damage->last + 1;
    }
    return gift;
}

/* Returns what can be said: the term of the anchor, when it is older than the runs, is the host's to compare. */
static enum dgraft_fetch_verdict verdict_of(const struct dgraft_core *core, const struct dgraft_fetch *fetch,
                                            struct gift gift)
{
    const dgraft_term known = dgraft_core_term_at(core, fetch->anchor.index);
    if (fetch->anchor.index > core->last.index || (known != 0 && known != fetch->anchor.term)) {
        return DGRAFT_FETCH_HAVE_NOT;
    }
    if (gift.first <= gift.last) {
        return DGRAFT_FETCH_HAVE;
    }
    return fetch->first <= core->compacted.index ? DGRAFT_FETCH_COMPACTED : DGRAFT_FETCH_DAMAGED;
}

void dgraft_core_recv_fetch(struct step *step, struct peer *peer, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_fetch *fetch = &message->u.fetch;
    if (!request_valid(core, message) || core->reopen_due) {
        core->ignored++;
        return;
    }
    const struct gift gift = gift_for(core, fetch);
    const enum dgraft_fetch_verdict verdict = verdict_of(core, fetch, gift);
    if (verdict == DGRAFT_FETCH_COMPACTED && core->role == DGRAFT_ROLE_LEADER) {
        peer->snapshot_wanted = true; /* though it once acknowledged more */
        step->consider_sends = true;
    }
    struct dgraft_action_send *send =
        dgraft_core_emit_send(step, dgraft_node_set_of(message->from), DGRAFT_MESSAGE_FETCH_ANSWER);
    send->message.u.fetch_answer =
        (struct dgraft_fetch_answer){.verdict = verdict, .first = fetch->first, .anchor = fetch->anchor};
    if (verdict == DGRAFT_FETCH_HAVE) {
        send->message.u.fetch_answer.first = gift.first;
        send->last.index = gift.last;
    } else if (verdict == DGRAFT_FETCH_HAVE_NOT) {
        const dgraft_index index = dgraft_core_min(fetch->anchor.index, core->last.index);
        const dgraft_term term = dgraft_core_term_at(core, index);
        send->message.u.fetch_answer.here = (struct dgraft_position){term == 0 ? 0 : index, term};
    }
}
