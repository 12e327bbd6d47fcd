/* The last line of `raftctl verify`. */
#include "verify_view.h"

#include <cli_escape.h>
#include <inttypes.h>

const char *verify_verdict_word(enum verify_result result)
{
    switch (result) {
    case VERIFY_FINE:
        return "sound";
    case VERIFY_FINDINGS:
        return "findings";
    case VERIFY_IMPOSSIBLE:
        return "impossible";
    }
    return "?";
}

char *verify_verdict(const struct verify_report *report, enum verify_result result, const struct dgraft_why *why,
                     char *text, size_t text_bytes)
{
    char reason[2 * DGRAFT_WHY_BYTES];
    switch (result) {
    case VERIFY_FINE:
        (void)snprintf(text, text_bytes,
                       "sound: %u director%s, %" PRIu64 " entries compared, commit at least %" PRIu64 "%s",
                       report->count, report->count == 1 ? "y" : "ies", report->compared, report->commit,
                       report->notes == 0 ? ", on a majority; nothing to do" : "; see the notes");
        break;
    case VERIFY_FINDINGS:
        (void)snprintf(text, text_bytes,
                       "findings: %u in %u director%s; do not delete anything: each finding says what to do",
                       report->damages, report->count, report->count == 1 ? "y" : "ies");
        break;
    case VERIFY_IMPOSSIBLE:
        (void)snprintf(text, text_bytes, "impossible: %s", cli_escape_text(why->text, reason, sizeof(reason)));
        break;
    }
    return text;
}
