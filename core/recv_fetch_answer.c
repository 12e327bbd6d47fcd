/* FETCH_ANSWER, at the node that asked. */
#include "parts.h"

/* Checks entries for what nobody gives who holds the anchor. */
static bool entries_valid(const struct dgraft_core *core, const struct dgraft_fetch_answer *answer,
                          const struct dgraft_damage *damage)
{
    dgraft_term term = dgraft_core_max(dgraft_core_term_at(core, damage->first - 1), 1);
    const bool splits = answer->first > damage->first && answer->first + answer->count - 1 < damage->last;
    if (answer->count == 0 || answer->entries == NULL || answer->count - 1 > damage->last - answer->first ||
        (splits && core->damage_count == DGRAFT_DAMAGE_MAX)) {
        return false;
    }
    for (uint32_t i = 0; i < answer->count; i++) {
        const struct dgraft_entry *entry = &answer->entries[i];
        if (entry->index != answer->first + i || entry->term < term || entry->term > damage->anchor.term) {
            return false;
        }
        term = entry->term;
    }
    return answer->first + answer->count - 1 != damage->anchor.index || term == damage->anchor.term;
}

static void mend(struct step *step, const struct dgraft_fetch_answer *answer)
{
    struct dgraft_core *core = step->core;
    core->mending = true;
    core->mend_seq = ++core->write_seq;
    core->mend_first = (struct dgraft_position){answer->first, answer->entries[0].term};
    core->mend_last = answer->first + answer->count - 1;
    dgraft_core_emit(step, DGRAFT_ACTION_MEND)->u.mend =
        (struct dgraft_action_mend){.seq = core->mend_seq, .first = answer->first, .count = answer->count};
    dgraft_core_writes_push(core, core->mend_seq);
}

void dgraft_core_recv_fetch_answer(struct step *step, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    const struct dgraft_fetch_answer *answer = &message->u.fetch_answer;
    const dgraft_node_set from = dgraft_node_set_of(message->from);
    if (core->repairing && dgraft_core_repair_overwrites(step, message)) {
        return;
    }
    struct dgraft_damage_status *asked = core->damage_count == 0 ? NULL : &core->damage[core->fetch_nth];
    if (asked == NULL || core->mending || core->reopen_due || answer->first < asked->damage.first ||
        answer->first > asked->damage.last || !dgraft_position_equal(answer->anchor, asked->damage.anchor)) {
        core->ignored++;
        return;
    }
    asked->have_not &= ~from;
    asked->damaged &= ~from;
    asked->compacted &= ~from;
    switch (answer->verdict) {
    case DGRAFT_FETCH_HAVE:
        if (entries_valid(core, answer, &asked->damage)) {
            mend(step, answer);
        } else {
            core->ignored++;
        }
        return;
    case DGRAFT_FETCH_HAVE_NOT:
        asked->have_not |= from;
        if (message->from == core->leader && message->term == core->term) {
            dgraft_core_repair_not_held(core, answer);
        }
        return;
    case DGRAFT_FETCH_DAMAGED:
        asked->damaged |= from;
        return;
    case DGRAFT_FETCH_COMPACTED:
        asked->compacted |= from;
        return;
    }
}
