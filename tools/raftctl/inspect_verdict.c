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
    (void)snprintf(text, text_bytes, "healthy: %s%s%s; nothing to do", entries,
                   summary->running ? " (a node is running here)" : "", torn);
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
