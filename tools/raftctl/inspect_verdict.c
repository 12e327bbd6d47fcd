#include "inspect_view.h"

#include <cli_escape.h>
#include <inttypes.h>

const char *inspect_verdict_word(const struct inspect_result *result)
{
    if (result->status != DGRAFT_OK) {
        return "unreadable";
    }
    return result->summary.damages == 0 ? "healthy" : "damaged";
}

static void verdict_healthy(const struct dgraft_inspect_summary *summary, char *text, size_t text_bytes)
{
    char entries[192] = "no entries";
    char torn[128] = "";
    char mended[160] = "";
    if (summary->last.index != 0) {
        (void)snprintf(entries, sizeof(entries),
                       "entries %" PRIu64 " to %" PRIu64 " in force, last of term %" PRIu64
                       ", commit at least %" PRIu64,
                       summary->first.index, summary->last.index, summary->last.term, summary->commit);
    }
    if (summary->torn_bytes != 0) {
        (void)snprintf(torn, sizeof(torn), "; %" PRIu64 " bytes at the tail are of a write that never finished%s",
                       summary->torn_bytes,
                       summary->running ? " (or is under way just now)" : ": the next start cuts them");
    }
    if (summary->mended != 0) {
        (void)snprintf(mended, sizeof(mended),
                       "; %u batch%s damaged, but what was needed of %s was written again or was replaced since",
                       summary->mended, summary->mended == 1 ? " is" : "es are", summary->mended == 1 ? "it" : "them");
    }
    (void)snprintf(text, text_bytes, "healthy: %s%s%s%s; nothing to do", entries,
                   summary->running ? " (a node is running here)" : "", torn, mended);
}

/* "entry 5", "entries 5 to 9 and 12", "entries 5 to 9, 12, 20 to 30 and more". */
static void name_missing(const struct dgraft_inspect_summary *summary, char *text, size_t text_bytes)
{
    const uint32_t count = summary->missing_count;
    const bool one = count == 1 && summary->missing[0].first == summary->missing[0].last;
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < count && i < 3 && used < text_bytes; i++) {
        const struct dgraft_inspect_stretch *stretch = &summary->missing[i];
        const char *before = i == 0 ? (one ? "entry " : "entries ") : i + 1 == count ? " and " : ", ";
        int length = stretch->first == stretch->last
                         ? snprintf(text + used, text_bytes - used, "%s%" PRIu64, before, stretch->first)
                         : snprintf(text + used, text_bytes - used, "%s%" PRIu64 " to %" PRIu64, before, stretch->first,
                                    stretch->last);
        used += length < 0 ? 0 : (size_t)length;
    }
    if (count > 3 && used < text_bytes) {
        (void)snprintf(text + used, text_bytes - used, " and more");
    }
}

/* The store can be opened: what is damaged of it is had from others, or is still there. */
static void verdict_damaged(const struct dgraft_inspect_summary *summary, char *text, size_t text_bytes)
{
    const char *plural = summary->damages == 1 ? "" : "s";
    char missing[256];
    name_missing(summary, missing, sizeof(missing));
    if (summary->missing_count == 0) {
        (void)snprintf(text, text_bytes,
                       "damaged: %u finding%s; all entries can still be read, and the next start writes %" PRIu64
                       " of them again; check the disk, and start the node",
                       summary->damages, plural, summary->salvaged);
    } else if (summary->running) {
        (void)snprintf(text, text_bytes,
                       "damaged: %u finding%s; %s cannot be read; check the disk; the running node fetches them from "
                       "the other members, and `raftctl status` says from whom",
                       summary->damages, plural, missing);
    } else {
        (void)snprintf(text, text_bytes,
                       "damaged: %u finding%s; %s cannot be read; check the disk, and start the node: it fetches them "
                       "from the other members; when it has none, restore the directory from a copy",
                       summary->damages, plural, missing);
    }
}

char *inspect_verdict(const struct inspect_result *result, char *text, size_t text_bytes)
{
    const struct dgraft_inspect_summary *summary = &result->summary;
    char why[2 * DGRAFT_WHY_BYTES];
    if (result->status != DGRAFT_OK) {
        const char *reason = result->why.text[0] != '\0' ? result->why.text : dgraft_status_text(result->status);
        (void)snprintf(text, text_bytes, "unreadable: %s", cli_escape_text(reason, why, sizeof(why)));
    } else if (summary->damages == 0) {
        verdict_healthy(summary, text, text_bytes);
    } else if (!summary->refused && summary->missing_count + summary->salvaged != 0) {
        verdict_damaged(summary, text, text_bytes);
    } else {
        (void)snprintf(text, text_bytes,
                       "damaged: %u finding%s; do not delete anything: stop the node, copy the directory away, check "
                       "the disk, and inspect the other nodes, who hold what was acknowledged",
                       summary->damages, summary->damages == 1 ? "" : "s");
    }
    return text;
}

bool inspect_wants_batch(const struct inspect_options *options, const struct dgraft_batch *batch)
{
    if (options->from <= 1 && options->to == UINT64_MAX) {
        return true;
    }
    return batch->count > 0 && batch->first <= options->to &&
           (batch->first >= options->from || options->from - batch->first < batch->count);
}

bool inspect_wants_record(const struct inspect_options *options, const struct dgraft_record *record)
{
    if (options->from <= 1 && options->to == UINT64_MAX) {
        return true; /* also those whose index cannot be read */
    }
    return record->entry.index >= options->from && record->entry.index <= options->to;
}
