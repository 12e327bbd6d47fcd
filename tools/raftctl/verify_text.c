/* A table for people: a row for each directory, then what was found, then a verdict. */
#include "verify_view.h"

#include <cli_escape.h>
#include <cli_wrap.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FINDINGS_MAX = 200 };

struct view {
    FILE *stream;
    bool quiet;
    uint64_t findings;
};

static void on_finding(void *context, const struct verify_finding *finding)
{
    struct view *view = context;
    char escaped[4 * VERIFY_TEXT_BYTES];
    if (view->quiet || view->findings++ >= FINDINGS_MAX) {
        return;
    }
    (void)fputs(finding->severity == DGRAFT_SEVERITY_DAMAGE ? "DAMAGE  " : "note    ", view->stream);
    cli_wrap(view->stream, cli_escape_text(finding->text, escaped, sizeof(escaped)), 8, 8);
    (void)fputs("        do: ", view->stream);
    cli_wrap(view->stream, finding->remedy, 12, 12);
}

static const char *state_of(const struct verify_replica *replica)
{
    if (!replica->summary.has_identity) {
        return "nameless";
    }
    if (replica->damages != 0) {
        return "damaged";
    }
    return replica->summary.running ? "running" : "healthy";
}

static void print_table(const struct verify_report *report, FILE *stream)
{
    char escaped[1024];
    char name[128] = "";
    for (unsigned i = 0; i < report->count && name[0] == '\0'; i++) {
        const struct dgraft_identity *identity = &report->replicas[i].summary.identity;
        (void)snprintf(name, sizeof(name), "%.63s", identity->cluster_name);
    }
    (void)fprintf(stream, "replicas of cluster %s\n", cli_escape_text(name, escaped, sizeof(escaped)));
    (void)fprintf(stream, "  node        first         last     term       commit     snapshot  state\n");
    for (unsigned i = 0; i < report->count; i++) {
        const struct dgraft_inspect_summary *summary = &report->replicas[i].summary;
        (void)fprintf(stream, "  %4u %12" PRIu64 " %12" PRIu64 " %8" PRIu64 " %12" PRIu64 " %12" PRIu64 "  %s\n",
                      summary->identity.node, summary->first.index, summary->last.index, summary->last.term,
                      summary->commit, summary->snapshot.index, state_of(&report->replicas[i]));
    }
    for (unsigned i = 0; i < report->count; i++) {
        (void)fprintf(stream, "  %4u = %s\n", report->replicas[i].summary.identity.node,
                      cli_escape_text(report->replicas[i].path, escaped, sizeof(escaped)));
    }
    (void)fputs("\n", stream);
}

enum verify_result verify_show_text(FILE *stream, struct dgraft_fs *fs, const char *const *paths, unsigned count,
                                    const struct verify_options *options)
{
    struct view view = {.stream = stream, .quiet = options->quiet};
    struct verify_report report = {.finding = on_finding, .context = &view};
    struct dgraft_why why = {""};
    char line[2 * DGRAFT_WHY_BYTES + 256];
    enum verify_result result = verify_open(&report, fs, paths, count, &why);
    if (result == VERIFY_FINE) {
        if (!options->quiet) {
            print_table(&report, stream);
        }
        verify_judge(&report);
        result = verify_logs(&report, &why);
    }
    if (view.findings > FINDINGS_MAX) {
        (void)fprintf(stream, "... %" PRIu64 " more (--json shows all)\n", view.findings - FINDINGS_MAX);
    }
    if (view.findings > 0) {
        (void)fputs("\n", stream);
    }
    (void)fprintf(stream, "%s\n", verify_verdict(&report, result, &why, line, sizeof(line)));
    verify_close(&report);
    return result;
}
