/* The merge: all logs are walked at once, in the order of indexes; of each no more than one entry is in memory. */
#include "verify_replicas.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What is true of a stretch of indexes, told when it ends. */
struct run {
    bool open;
    verify_set of;
    verify_set holders;
    dgraft_index first;
    dgraft_index last;
    bool whole; /* of a repair: by a snapshot; of what no majority holds: others may hold it */
};

struct merge {
    struct verify_report *report;
    struct dgraft_walk_step steps[VERIFY_DIRECTORIES_MAX];
    dgraft_index parted[VERIFY_DIRECTORIES_MAX][VERIFY_DIRECTORIES_MAX]; /* where two logs differ; 0: nowhere */
    struct run repairs[VERIFY_DIRECTORIES_MAX];
    struct run differ;
    struct run committed;
    struct run covered;
    /* Of the indexes at hand, first to last: who has what. */
    dgraft_index first;
    dgraft_index last;
    verify_set entries;
    verify_set lost; /* damaged, or behind a lost end */
    verify_set snapshots;
    verify_set gone;
    dgraft_node_set absent; /* members whose directories were not named */
};

static verify_set bit(unsigned number)
{
    return UINT64_C(1) << number;
}

static bool in(verify_set set, unsigned number)
{
    return (set >> number & 1) != 0;
}

static dgraft_term term_of(const struct merge *merge, unsigned number)
{
    return merge->steps[number].record.entry.term;
}

/* "entry 5", or "entries 5 to 9". */
static const char *stretch(const struct run *run, char text[64])
{
    if (run->first == run->last) {
        (void)snprintf(text, 64, "entry %" PRIu64, run->first);
    } else {
        (void)snprintf(text, 64, "entries %" PRIu64 " to %" PRIu64, run->first, run->last);
    }
    return text;
}

static struct verify_finding finding_of(enum verify_kind kind, const struct run *run)
{
    return (struct verify_finding){.kind = kind,
                                   .severity = DGRAFT_SEVERITY_DAMAGE,
                                   .of = run->of,
                                   .holders = run->holders,
                                   .first = run->first,
                                   .last = run->last};
}

static void tell_repair(struct merge *merge, const struct run *run)
{
    char who[128];
    char from[256];
    char what[64];
    (void)verify_names(merge->report, run->of, who, sizeof(who));
    (void)verify_names(merge->report, run->holders, from, sizeof(from));
    if (run->holders == 0) {
        verify_tell(merge->report, finding_of(VERIFY_REPAIR, run),
                    merge->absent != 0 ? "name the directories of the other nodes: one of them may hold it"
                                       : "keep every directory as it is; a copy made earlier may hold it",
                    "%s has lost %s, and nobody here has an intact copy", who, stretch(run, what));
    } else if (run->whole) {
        verify_tell(merge->report, finding_of(VERIFY_REPAIR, run),
                    "start it beside those that have one: their leader sends it",
                    "%s has lost %s; a snapshot of %s stands for it", who, stretch(run, what), from);
    } else {
        verify_tell(merge->report, finding_of(VERIFY_REPAIR, run),
                    "start it while those run that hold it: it fetches what it lacks; until then keep them as they are",
                    "%s has lost %s; intact on %s", who, stretch(run, what), from);
    }
}

static void tell_differ(struct merge *merge, const struct run *run)
{
    char who[256];
    char what[64];
    (void)verify_names(merge->report, run->of, who, sizeof(who));
    verify_tell(merge->report, finding_of(VERIFY_DIFFER, run),
                "stop these nodes and keep their directories and flight records: this must not happen; report it",
                "%s: %s of the same term, but not the same bytes", stretch(run, what), who);
}

static void tell_committed(struct merge *merge, const struct run *run)
{
    char who[256];
    char what[64];
    (void)verify_names(merge->report, run->of, who, sizeof(who));
    verify_tell(merge->report, finding_of(VERIFY_COMMITTED, run),
                "stop these nodes and keep their directories and flight records: this must not happen; report it",
                "%s: %s know it committed, of different terms", stretch(run, what), who);
}

static void tell_covered(struct merge *merge, const struct run *run)
{
    char who[256];
    char what[64];
    (void)verify_names(merge->report, run->holders, who, sizeof(who));
    struct verify_finding finding = finding_of(run->whole ? VERIFY_UNSHOWN : VERIFY_UNCOVERED, run);
    if (run->whole) {
        finding.severity = DGRAFT_SEVERITY_NOTE;
        verify_tell(merge->report, finding, "name the directories of all members",
                    "whether a majority holds %s cannot be seen: of those named, %s", stretch(run, what), who);
    } else {
        verify_tell(merge->report, finding,
                    "copy the directories of those that hold it before anything else; start no node that lacks it",
                    "no majority holds %s, which is committed: intact on %s", stretch(run, what), who);
    }
}

/* Ends a stretch, if there is one, and tells it. */
static void end(struct merge *merge, struct run *run, void (*tell)(struct merge *merge, const struct run *run))
{
    if (run->open) {
        run->open = false;
        tell(merge, run);
    }
}

/* Goes on with a stretch, or ends it and begins another. */
static void extend(struct merge *merge, struct run *run, const struct run *now,
                   void (*tell)(struct merge *merge, const struct run *run))
{
    if (run->open && run->of == now->of && run->holders == now->holders && run->whole == now->whole &&
        run->last + 1 == now->first) {
        run->last = now->last;
        return;
    }
    end(merge, run, tell);
    *run = *now;
    run->open = true;
}

static struct run run_now(const struct merge *merge, verify_set of, verify_set holders)
{
    return (struct run){.of = of, .holders = holders, .first = merge->first, .last = merge->last};
}

/* One (index, term) is one entry, in every log; and then all before it are the same, too [§3.5]. */
static void compare(struct merge *merge)
{
    const struct verify_report *report = merge->report;
    verify_set differ = 0;
    for (unsigned a = 0; a < report->count; a++) {
        for (unsigned b = a + 1; in(merge->entries, a) && b < report->count; b++) {
            if (!in(merge->entries, b)) {
                continue;
            }
            dgraft_index *parted = &merge->parted[a][b];
            const struct dgraft_walk_step *one = &merge->steps[a];
            const struct dgraft_walk_step *other = &merge->steps[b];
            if (term_of(merge, a) != term_of(merge, b)) {
                *parted = *parted == 0 ? merge->first : *parted;
                continue;
            }
            if (one->size != other->size || memcmp(one->bytes, other->bytes, one->size) != 0) {
                differ |= bit(a) | bit(b);
            }
            if (*parted != 0) {
                char who[128];
                const struct run run = {.of = bit(a) | bit(b), .first = *parted, .last = merge->first};
                verify_tell(
                    merge->report, finding_of(VERIFY_PARTED, &run),
                    "stop these nodes and keep their directories and flight records: this must not happen; report it",
                    "the logs of %s differ at index %" PRIu64 " and agree again at %" PRIu64,
                    verify_names(report, run.of, who, sizeof(who)), *parted, merge->first);
                *parted = 0;
            }
        }
    }
    if (differ != 0) {
        const struct run now = run_now(merge, differ, 0);
        extend(merge, &merge->differ, &now, tell_differ);
    }
}

/* Returns the directories that hold the entry that counts: the one that somebody knows committed; without such, the one
 * that most hold, the newer one of two. */
static verify_set holders_of(struct merge *merge)
{
    const struct verify_report *report = merge->report;
    verify_set known = 0;
    verify_set best = 0;
    unsigned best_count = 0;
    dgraft_term best_term = 0;
    bool twice = false;
    for (unsigned i = 0; i < report->count; i++) {
        const dgraft_term term = term_of(merge, i);
        if (!in(merge->entries, i)) {
            continue;
        }
        const bool committed = report->replicas[i].summary.commit >= merge->first;
        verify_set same = 0;
        unsigned count = 0;
        for (unsigned k = 0; k < report->count; k++) {
            const bool alike = in(merge->entries, k) && term_of(merge, k) == term;
            same |= alike ? bit(k) : 0;
            count += alike ? 1 : 0;
        }
        twice = twice || (committed && known != 0 && !in(known, i));
        known |= committed && known == 0 ? same : 0;
        if (count > best_count || (count == best_count && term > best_term)) {
            best = same;
            best_count = count;
            best_term = term;
        }
    }
    if (twice) {
        verify_set who = 0;
        for (unsigned i = 0; i < report->count; i++) {
            who |= in(merge->entries, i) && report->replicas[i].summary.commit >= merge->first ? bit(i) : 0;
        }
        const struct run now = run_now(merge, who, 0);
        extend(merge, &merge->committed, &now, tell_committed);
    }
    return known != 0 ? known : best;
}

/* What is committed is on a majority, and stays there. */
static void cover(struct merge *merge, verify_set holders)
{
    const struct verify_report *report = merge->report;
    holders |= merge->snapshots | merge->gone;
    if (merge->first > report->commit || verify_decides(report, holders, 0)) {
        end(merge, &merge->covered, tell_covered);
        return;
    }
    struct run now = run_now(merge, 0, holders);
    now.whole = verify_decides(report, holders, merge->absent);
    extend(merge, &merge->covered, &now, tell_covered);
}

static void repair(struct merge *merge, verify_set holders)
{
    for (unsigned i = 0; i < merge->report->count; i++) {
        /* A log whose end is lost may never have had what nobody knows committed. */
        const bool unknown = merge->steps[i].what == DGRAFT_WALKED_UNKNOWN && merge->first > merge->report->commit;
        if (!in(merge->lost, i) || in(merge->snapshots, i) || unknown) {
            end(merge, &merge->repairs[i], tell_repair);
            continue;
        }
        struct run now = run_now(merge, bit(i), holders);
        if (holders == 0) {
            now.holders = merge->snapshots;
            now.whole = now.holders != 0;
        }
        extend(merge, &merge->repairs[i], &now, tell_repair);
    }
}

/* Finds who has what from merge->first on, and up to where that is so. Returns false when there is nothing more. */
static bool look(struct merge *merge)
{
    const struct verify_report *report = merge->report;
    const dgraft_index first = merge->first;
    bool more = first <= report->commit;
    merge->last = more ? report->commit : UINT64_MAX;
    merge->entries = merge->lost = merge->snapshots = merge->gone = 0;
    for (unsigned i = 0; i < report->count; i++) {
        const struct dgraft_walk_step *step = &merge->steps[i];
        const dgraft_index snapshot = report->replicas[i].summary.snapshot.index;
        dgraft_index until = step->last;
        if (step->first > first) {
            until = step->first - 1;
            more = more || step->what == DGRAFT_WALKED_ENTRY || step->what == DGRAFT_WALKED_DAMAGED;
        } else {
            merge->entries |= step->what == DGRAFT_WALKED_ENTRY ? bit(i) : 0;
            merge->gone |= step->what == DGRAFT_WALKED_GONE ? bit(i) : 0;
            merge->lost |= step->what == DGRAFT_WALKED_DAMAGED || step->what == DGRAFT_WALKED_UNKNOWN ? bit(i) : 0;
            more = more || (step->what != DGRAFT_WALKED_END && step->what != DGRAFT_WALKED_UNKNOWN);
        }
        if (snapshot >= first) {
            merge->snapshots |= bit(i);
            until = snapshot < until ? snapshot : until;
        }
        merge->last = until < merge->last ? until : merge->last;
    }
    return more;
}

/* Takes the next stretch of each log that has none at or behind merge->first. */
static bool advance(struct merge *merge, struct dgraft_why *why)
{
    for (unsigned i = 0; i < merge->report->count; i++) {
        struct dgraft_walk_step *step = &merge->steps[i];
        while (step->last < merge->first) {
            if (dgraft_walk_next(merge->report->replicas[i].walk, step, why) != DGRAFT_OK) {
                return false;
            }
        }
    }
    return true;
}

/* Tells what is still open; and of each log whose end was lost that there may have been more. */
static void tell_rest(struct merge *merge)
{
    for (unsigned i = 0; i < merge->report->count; i++) {
        end(merge, &merge->repairs[i], tell_repair);
    }
    end(merge, &merge->differ, tell_differ);
    end(merge, &merge->committed, tell_committed);
    end(merge, &merge->covered, tell_covered);
    for (unsigned i = 0; i < merge->report->count; i++) {
        if (merge->steps[i].what == DGRAFT_WALKED_UNKNOWN) {
            char who[128];
            const dgraft_index commit = merge->report->commit;
            const dgraft_index first = merge->steps[i].first > commit ? merge->steps[i].first : commit + 1;
            const struct run run = {.of = bit(i), .first = first, .last = UINT64_MAX};
            verify_tell(merge->report, finding_of(VERIFY_REPAIR, &run),
                        "keep the directory as it is; what was committed is on a majority of the others",
                        "%s has lost its log's end: it may have held entries from %" PRIu64 " on",
                        verify_names(merge->report, run.of, who, sizeof(who)), first);
        }
    }
}

enum verify_result verify_logs(struct verify_report *report, struct dgraft_why *why)
{
    static struct merge merge; /* too large for a stack; one at a time */
    memset(&merge, 0, sizeof(merge));
    merge.report = report;
    merge.first = 1;
    merge.absent = verify_absent(report);
    for (;;) {
        if (!advance(&merge, why)) {
            return VERIFY_IMPOSSIBLE;
        }
        if (!look(&merge)) {
            break;
        }
        const verify_set holders = merge.entries == 0 ? 0 : holders_of(&merge);
        if ((merge.entries & (merge.entries - 1)) != 0) {
            report->compared++;
            compare(&merge);
        }
        cover(&merge, holders);
        repair(&merge, holders);
        merge.first = merge.last + 1;
    }
    tell_rest(&merge);
    return report->damages == 0 ? VERIFY_FINE : VERIFY_FINDINGS;
}
