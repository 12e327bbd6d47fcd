#include "recovery_table.h"

enum dgraft_batch_verdict dgraft_decide_batch(const struct dgraft_batch_facts *facts)
{
    if (facts->fenced) {
        return DGRAFT_BATCH_END;
    }
    switch (facts->look) {
    case DGRAFT_LOOK_GOOD:
        return DGRAFT_BATCH_ACCEPT;
    case DGRAFT_LOOK_NOTHING:
        return facts->required || facts->later ? DGRAFT_BATCH_DAMAGED : DGRAFT_BATCH_END;
    case DGRAFT_LOOK_BROKEN:
        return facts->required || facts->later ? DGRAFT_BATCH_DAMAGED : DGRAFT_BATCH_TORN;
    case DGRAFT_LOOK_WRONG:
        break;
    }
    return DGRAFT_BATCH_DAMAGED;
}

enum dgraft_gap_verdict dgraft_decide_gap(const struct dgraft_gap_facts *facts)
{
    if (!facts->followed) {
        return DGRAFT_GAP_UNKNOWN;
    }
    if (facts->anew) {
        return DGRAFT_GAP_ANEW;
    }
    if (facts->one_batch) {
        return facts->as_said ? DGRAFT_GAP_BATCH : DGRAFT_GAP_REFUSE;
    }
    if (facts->held) {
        return DGRAFT_GAP_CUT; /* Log Matching: what lies before is the same */
    }
    if (facts->lengthened) {
        return DGRAFT_GAP_TAIL; /* one leader's log, in which nothing that lies before is ever replaced */
    }
    return facts->uncommitted ? DGRAFT_GAP_COMMITTED : DGRAFT_GAP_REFUSE;
}

enum dgraft_segment_verdict dgraft_decide_segment(const struct dgraft_segment_facts *facts)
{
    if (facts->header == DGRAFT_REFUSAL_VERSION) {
        return DGRAFT_SEGMENT_TOO_NEW;
    }
    if (facts->header == DGRAFT_ACCEPT) {
        if (!facts->own) {
            return DGRAFT_SEGMENT_FOREIGN;
        }
        return facts->named_well ? DGRAFT_SEGMENT_READ : DGRAFT_SEGMENT_DAMAGED;
    }
    if (facts->header == DGRAFT_REFUSAL_FIELD || facts->header == DGRAFT_REFUSAL_PADDING) {
        return DGRAFT_SEGMENT_DAMAGED; /* its checksum fits: no torn write looks like that */
    }
    if (!facts->newest) {
        return DGRAFT_SEGMENT_LOST;
    }
    /* A header is synced before its first batch is written: bytes behind a header that cannot be read mean that it once
     * could. */
    return !facts->only && !facts->behind ? DGRAFT_SEGMENT_SPARE : DGRAFT_SEGMENT_DAMAGED;
}

static bool same_save(const struct dgraft_state_slot *a, const struct dgraft_state_slot *b)
{
    return a->version == b->version && a->term == b->term && a->vote == b->vote && a->generation == b->generation;
}

enum dgraft_state_verdict dgraft_decide_state(const struct dgraft_state_slot slots[DGRAFT_STATE_SLOTS], uint32_t *best,
                                              bool *whole)
{
    bool found = false;
    *best = 0;
    *whole = false;
    for (uint32_t i = 0; i < DGRAFT_STATE_SLOTS; i++) {
        if (slots[i].refusal == DGRAFT_REFUSAL_VERSION) {
            return DGRAFT_STATE_TOO_NEW;
        }
        if (slots[i].refusal == DGRAFT_ACCEPT && (!found || slots[i].version > slots[*best].version)) {
            found = true;
            *best = i;
        }
    }
    if (!found) {
        return DGRAFT_STATE_LOST;
    }
    *whole = true;
    for (uint32_t i = 0; i < DGRAFT_STATE_SLOTS; i++) {
        const struct dgraft_state_slot *slot = &slots[i];
        const struct dgraft_state_slot *twin = &slots[i ^ 1u];
        if (slot->refusal != DGRAFT_ACCEPT) {
            *whole = false;
            continue;
        }
        if (!dgraft_identity_equal(&slot->identity, &slots[*best].identity) || slot->term > slots[*best].term ||
            slot->generation > slots[*best].generation) {
            return DGRAFT_STATE_MIXED;
        }
        if (twin->refusal == DGRAFT_ACCEPT && !same_save(slot, twin)) {
            if (slot->version == twin->version) {
                return DGRAFT_STATE_MIXED;
            }
            *whole = false; /* a save that reached one of its two blocks */
        }
    }
    return DGRAFT_STATE_USE;
}

void dgraft_decide_term(const struct dgraft_state_slot *slot, uint64_t saves, dgraft_term term, dgraft_term last_term,
                        struct dgraft_state_choice *out)
{
    const dgraft_term proven = term > last_term ? term : last_term;
    out->version = (saves > slot->version ? saves : slot->version) + 1;
    if (dgraft_slot_of_version(out->version) == dgraft_slot_of_version(slot->version)) {
        out->version++; /* the pair in force is not overwritten */
    }
    out->term = slot->term;
    out->vote = slot->vote;
    out->lost = saves > slot->version || proven > slot->term;
    if (out->lost && (proven > slot->term || slot->vote == 0)) {
        out->term = proven > slot->term ? proven : slot->term;
        out->vote = slot->identity.node;
    }
}
