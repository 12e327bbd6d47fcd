/* The decision tables of docs/log-format.md, row by row: every combination of facts matches exactly one row, and gets
 * its verdict.
 */
#include "recovery_table.h"

#include <criterion/criterion.h>

enum answer { NO = 0, YES = 1, ANY = 2 };

static bool matches(enum answer wanted, bool fact)
{
    return wanted == ANY || (wanted == YES) == fact;
}

struct batch_row {
    enum dgraft_batch_look look; /* 0: any */
    enum answer fenced, required, later;
    enum dgraft_batch_verdict verdict;
};

static const struct batch_row batch_rows[] = {
    {0, YES, ANY, ANY, DGRAFT_BATCH_END},
    {DGRAFT_LOOK_GOOD, NO, ANY, ANY, DGRAFT_BATCH_ACCEPT},
    {DGRAFT_LOOK_NOTHING, NO, NO, NO, DGRAFT_BATCH_END},
    {DGRAFT_LOOK_NOTHING, NO, NO, YES, DGRAFT_BATCH_DAMAGED},
    {DGRAFT_LOOK_NOTHING, NO, YES, ANY, DGRAFT_BATCH_DAMAGED},
    {DGRAFT_LOOK_BROKEN, NO, NO, NO, DGRAFT_BATCH_TORN},
    {DGRAFT_LOOK_BROKEN, NO, NO, YES, DGRAFT_BATCH_DAMAGED},
    {DGRAFT_LOOK_BROKEN, NO, YES, ANY, DGRAFT_BATCH_DAMAGED},
    {DGRAFT_LOOK_WRONG, NO, ANY, ANY, DGRAFT_BATCH_DAMAGED},
};

Test(recovery_table, every_batch_has_one_verdict)
{
    for (unsigned bits = 0; bits < 32; bits++) {
        const struct dgraft_batch_facts facts = {.look = (enum dgraft_batch_look)(1 + bits / 8),
                                                 .fenced = (bits & 1) != 0,
                                                 .required = (bits & 2) != 0,
                                                 .later = (bits & 4) != 0};
        unsigned matched = 0;
        for (size_t i = 0; i < sizeof batch_rows / sizeof batch_rows[0]; i++) {
            const struct batch_row *row = &batch_rows[i];
            if ((row->look == 0 || row->look == facts.look) && matches(row->fenced, facts.fenced) &&
                matches(row->required, facts.required) && matches(row->later, facts.later)) {
                matched++;
                cr_assert_eq(dgraft_decide_batch(&facts), row->verdict, "facts %u", bits);
            }
        }
        cr_assert_eq(matched, 1, "facts %u", bits);
    }
}

struct gap_row {
    enum answer followed, anew, one_batch, as_said, held, lengthened, uncommitted;
    enum dgraft_gap_verdict verdict;
};

static const struct gap_row gap_rows[] = {
    {NO, ANY, ANY, ANY, ANY, ANY, ANY, DGRAFT_GAP_UNKNOWN}, {YES, YES, ANY, ANY, ANY, ANY, ANY, DGRAFT_GAP_ANEW},
    {YES, NO, YES, YES, ANY, ANY, ANY, DGRAFT_GAP_BATCH},   {YES, NO, YES, NO, ANY, ANY, ANY, DGRAFT_GAP_REFUSE},
    {YES, NO, NO, ANY, YES, ANY, ANY, DGRAFT_GAP_CUT},      {YES, NO, NO, ANY, NO, YES, ANY, DGRAFT_GAP_TAIL},
    {YES, NO, NO, ANY, NO, NO, YES, DGRAFT_GAP_COMMITTED},  {YES, NO, NO, ANY, NO, NO, NO, DGRAFT_GAP_REFUSE},
};

Test(recovery_table, every_damage_that_is_followed_by_something_has_one_verdict)
{
    for (unsigned bits = 0; bits < 128; bits++) {
        const struct dgraft_gap_facts facts = {.followed = (bits & 1) != 0,
                                               .anew = (bits & 2) != 0,
                                               .one_batch = (bits & 4) != 0,
                                               .as_said = (bits & 8) != 0,
                                               .held = (bits & 16) != 0,
                                               .lengthened = (bits & 32) != 0,
                                               .uncommitted = (bits & 64) != 0};
        unsigned matched = 0;
        for (size_t i = 0; i < sizeof gap_rows / sizeof gap_rows[0]; i++) {
            const struct gap_row *row = &gap_rows[i];
            if (matches(row->followed, facts.followed) && matches(row->anew, facts.anew) &&
                matches(row->one_batch, facts.one_batch) && matches(row->as_said, facts.as_said) &&
                matches(row->held, facts.held) && matches(row->lengthened, facts.lengthened) &&
                matches(row->uncommitted, facts.uncommitted)) {
                matched++;
                cr_assert_eq(dgraft_decide_gap(&facts), row->verdict, "facts %u", bits);
            }
        }
        cr_assert_eq(matched, 1, "facts %u", bits);
    }
}

enum header_look { GOOD, NEWER, NONSENSE, UNREADABLE };

struct segment_row {
    enum header_look look;
    enum answer newest, only, behind, own, named_well;
    enum dgraft_segment_verdict verdict;
};

static const struct segment_row segment_rows[] = {
    {NEWER, ANY, ANY, ANY, ANY, ANY, DGRAFT_SEGMENT_TOO_NEW},
    {GOOD, ANY, ANY, ANY, NO, ANY, DGRAFT_SEGMENT_FOREIGN},
    {GOOD, ANY, ANY, ANY, YES, NO, DGRAFT_SEGMENT_DAMAGED},
    {GOOD, ANY, ANY, ANY, YES, YES, DGRAFT_SEGMENT_READ},
    {NONSENSE, ANY, ANY, ANY, ANY, ANY, DGRAFT_SEGMENT_DAMAGED},
    {UNREADABLE, YES, NO, NO, ANY, ANY, DGRAFT_SEGMENT_SPARE},
    {UNREADABLE, YES, NO, YES, ANY, ANY, DGRAFT_SEGMENT_DAMAGED},
    {UNREADABLE, YES, YES, ANY, ANY, ANY, DGRAFT_SEGMENT_DAMAGED},
    {UNREADABLE, NO, ANY, ANY, ANY, ANY, DGRAFT_SEGMENT_LOST},
};

static enum header_look look_of(enum dgraft_refusal refusal)
{
    if (refusal == DGRAFT_ACCEPT) {
        return GOOD;
    }
    if (refusal == DGRAFT_REFUSAL_VERSION) {
        return NEWER;
    }
    return refusal == DGRAFT_REFUSAL_FIELD || refusal == DGRAFT_REFUSAL_PADDING ? NONSENSE : UNREADABLE;
}

Test(recovery_table, every_segment_has_one_verdict)
{
    static const enum dgraft_refusal refusals[] = {
        DGRAFT_ACCEPT,           DGRAFT_REFUSAL_SHORT, DGRAFT_REFUSAL_MAGIC,   DGRAFT_REFUSAL_VERSION,
        DGRAFT_REFUSAL_CHECKSUM, DGRAFT_REFUSAL_FIELD, DGRAFT_REFUSAL_PADDING, DGRAFT_REFUSAL_EMPTY};
    for (unsigned bits = 0; bits < 8 * 32; bits++) {
        const struct dgraft_segment_facts facts = {.header = refusals[bits / 32],
                                                   .newest = (bits & 1) != 0,
                                                   .only = (bits & 2) != 0,
                                                   .behind = (bits & 4) != 0,
                                                   .own = (bits & 8) != 0,
                                                   .named_well = (bits & 16) != 0};
        unsigned matched = 0;
        for (size_t i = 0; i < sizeof segment_rows / sizeof segment_rows[0]; i++) {
            const struct segment_row *row = &segment_rows[i];
            if (row->look == look_of(facts.header) && matches(row->newest, facts.newest) &&
                matches(row->only, facts.only) && matches(row->behind, facts.behind) && matches(row->own, facts.own) &&
                matches(row->named_well, facts.named_well)) {
                matched++;
                cr_assert_eq(dgraft_decide_segment(&facts), row->verdict, "facts %u", bits);
            }
        }
        cr_assert_eq(matched, 1, "facts %u", bits);
    }
}

/* What a slot may be: unreadable, or a save. Terms rise with saves. */
enum { UNREADABLE_SLOT = 0, OLDER = 3, MIDDLE = 4, NEWEST = 5 };

static struct dgraft_state_slot slot_of(uint32_t number, uint64_t version)
{
    return (struct dgraft_state_slot){.slot = number,
                                      .refusal = version == UNREADABLE_SLOT ? DGRAFT_REFUSAL_CHECKSUM : DGRAFT_ACCEPT,
                                      .version = version,
                                      .term = 10 * version,
                                      .identity = {.node = 1}};
}

Test(recovery_table, the_newest_save_that_can_be_read_is_in_force)
{
    static const uint64_t odd[] = {UNREADABLE_SLOT, OLDER, NEWEST};
    static const uint64_t even[] = {UNREADABLE_SLOT, MIDDLE};
    for (unsigned bits = 0; bits < 3 * 3 * 2 * 2; bits++) {
        const uint64_t versions[4] = {odd[bits % 3], odd[bits / 3 % 3], even[bits / 9 % 2], even[bits / 18]};
        struct dgraft_state_slot slots[4];
        uint64_t newest = 0;
        for (uint32_t i = 0; i < 4; i++) {
            slots[i] = slot_of(i, versions[i]);
            newest = versions[i] > newest ? versions[i] : newest;
        }
        uint32_t best;
        bool whole;
        const enum dgraft_state_verdict verdict = dgraft_decide_state(slots, &best, &whole);
        if (newest == 0) {
            cr_assert_eq(verdict, DGRAFT_STATE_LOST);
            continue;
        }
        cr_assert_eq(verdict, DGRAFT_STATE_USE, "combination %u", bits);
        cr_assert_eq(slots[best].version, newest, "combination %u", bits);
        const bool finished =
            versions[0] == versions[1] && versions[2] == versions[3] && versions[0] != 0 && versions[2] != 0;
        cr_assert_eq(whole, finished, "combination %u", bits);
    }
}

Test(recovery_table, slots_that_contradict_each_other_are_refused)
{
    uint32_t best;
    bool whole;
    struct dgraft_state_slot slots[4] = {slot_of(0, NEWEST), slot_of(1, NEWEST), slot_of(2, MIDDLE),
                                         slot_of(3, MIDDLE)};
    slots[1].vote = 4;
    cr_assert_eq(dgraft_decide_state(slots, &best, &whole), DGRAFT_STATE_MIXED, "two votes in one save");
    slots[1] = slot_of(1, NEWEST);
    slots[3].identity.store = 9;
    cr_assert_eq(dgraft_decide_state(slots, &best, &whole), DGRAFT_STATE_MIXED, "two stores");
    slots[3] = slot_of(3, MIDDLE);
    slots[2].term = slots[3].term = 10 * NEWEST + 1;
    cr_assert_eq(dgraft_decide_state(slots, &best, &whole), DGRAFT_STATE_MIXED, "an older save of a higher term");
    slots[2] = slot_of(2, MIDDLE);
    slots[2].refusal = DGRAFT_REFUSAL_VERSION;
    cr_assert_eq(dgraft_decide_state(slots, &best, &whole), DGRAFT_STATE_TOO_NEW);
}

Test(recovery_table, a_term_known_only_from_the_log_is_adopted_without_a_vote_to_give)
{
    struct dgraft_state_slot slot = {.version = 4, .term = 7, .vote = 2, .identity = {.node = 3}};
    struct dgraft_state_choice choice;
    dgraft_decide_term(&slot, 4, 7, 7, &choice);
    cr_assert(!choice.lost && choice.term == 7 && choice.vote == 2 && choice.version == 5);
    dgraft_decide_term(&slot, 3, 6, 6, &choice);
    cr_assert(!choice.lost && choice.term == 7 && choice.vote == 2);
    dgraft_decide_term(&slot, 5, 8, 7, &choice);
    cr_assert(choice.lost && choice.term == 8 && choice.vote == 3, "the newest save is lost");
    cr_assert_eq(choice.version, 7, "above the lost one, and not over the pair in force");
    dgraft_decide_term(&slot, 4, 7, 9, &choice);
    cr_assert(choice.lost && choice.term == 9 && choice.vote == 3, "an entry of a higher term");
    dgraft_decide_term(&slot, 5, 7, 7, &choice);
    cr_assert(choice.lost && choice.term == 7 && choice.vote == 2, "a vote given in a term does not change");
    slot.vote = 0;
    dgraft_decide_term(&slot, 5, 7, 7, &choice);
    cr_assert(choice.lost && choice.term == 7 && choice.vote == 3, "the lost save may have held a vote");
}
