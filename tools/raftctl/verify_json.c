/* One JSON object a line: a directory each, findings as they come, a summary. */
#include "verify_view.h"

#include <cli_escape.h>
#include <inttypes.h>
#include <jansson.h>

struct json_view {
    FILE *stream;
    bool quiet;
    const struct verify_report *report;
};

static const char *kind_name(enum verify_kind kind)
{
    switch (kind) {
    case VERIFY_DAMAGE:
        return "damage";
    case VERIFY_NAMELESS:
        return "nameless";
    case VERIFY_STORE:
        return "store";
    case VERIFY_STRANGER:
        return "stranger";
    case VERIFY_MEMBERS:
        return "members";
    case VERIFY_REPAIR:
        return "repair";
    case VERIFY_DIFFER:
        return "differ";
    case VERIFY_PARTED:
        return "parted";
    case VERIFY_COMMITTED:
        return "committed";
    case VERIFY_UNCOVERED:
        return "uncovered";
    case VERIFY_UNSHOWN:
        return "unshown";
    }
    return "?";
}

/* Numbers that JSON's readers would spoil are given as text; only damage makes them that large. */
static void set(json_t *object, const char *name, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    json_object_set_new(object, name, value <= INT64_MAX ? json_integer((json_int_t)value) : json_string(text));
}

static void set_text(json_t *object, const char *name, const char *string)
{
    char escaped[4 * VERIFY_TEXT_BYTES];
    json_object_set_new(object, name, json_string(cli_escape_text(string, escaped, sizeof(escaped))));
}

static void set_hex(json_t *object, const char *name, uint64_t value)
{
    char hex[17];
    (void)snprintf(hex, sizeof(hex), "%016" PRIx64, value);
    json_object_set_new(object, name, json_string(hex));
}

static void set_paths(json_t *object, const char *name, const struct verify_report *report, verify_set set_of)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < report->count; i++) {
        char escaped[4096];
        if ((set_of >> i & 1) != 0) {
            json_array_append_new(list,
                                  json_string(cli_escape_text(report->replicas[i].path, escaped, sizeof(escaped))));
        }
    }
    json_object_set_new(object, name, list);
}

static void object_end(FILE *stream, json_t *object)
{
    (void)json_dumpf(object, stream, JSON_COMPACT);
    (void)fputc('\n', stream);
    json_decref(object);
}

static json_t *object_begin(const char *type)
{
    json_t *object = json_object();
    json_object_set_new(object, "type", json_string(type));
    return object;
}

static void on_finding(void *context, const struct verify_finding *finding)
{
    struct json_view *view = context;
    if (view->quiet) {
        return;
    }
    json_t *object = object_begin("finding");
    json_object_set_new(object, "kind", json_string(kind_name(finding->kind)));
    json_object_set_new(object, "severity",
                        json_string(finding->severity == DGRAFT_SEVERITY_DAMAGE ? "damage" : "note"));
    set_paths(object, "of", view->report, finding->of);
    set_paths(object, "holders", view->report, finding->holders);
    if (finding->first != 0) {
        set(object, "first", finding->first);
        if (finding->last != UINT64_MAX) {
            set(object, "last", finding->last);
        }
    }
    set_text(object, "text", finding->text);
    set_text(object, "remedy", finding->remedy);
    object_end(view->stream, object);
}

static void print_replica(FILE *stream, const struct verify_replica *replica)
{
    const struct dgraft_inspect_summary *summary = &replica->summary;
    json_t *object = object_begin("replica");
    set_text(object, "path", replica->path);
    if (summary->has_identity) {
        set_text(object, "cluster", summary->identity.cluster_name);
        set_hex(object, "cluster_id", summary->identity.cluster);
        set_hex(object, "store", summary->identity.store);
        set(object, "node", summary->identity.node);
        set(object, "group", summary->identity.group);
    }
    json_object_set_new(object, "running", json_boolean(summary->running));
    set(object, "term", summary->term);
    set(object, "first", summary->first.index);
    set(object, "last", summary->last.index);
    set(object, "last_term", summary->last.term);
    set(object, "commit", summary->commit);
    set(object, "snapshot", summary->snapshot.index);
    set(object, "damages", replica->damages);
    object_end(stream, object);
}

enum verify_result verify_show_json(FILE *stream, struct dgraft_fs *fs, const char *const *paths, unsigned count,
                                    const struct verify_options *options)
{
    struct verify_report report = {.finding = on_finding};
    struct json_view view = {.stream = stream, .quiet = options->quiet, .report = &report};
    struct dgraft_why why = {""};
    char line[2 * DGRAFT_WHY_BYTES + 256];
    report.context = &view;
    enum verify_result result = verify_open(&report, fs, paths, count, &why);
    if (result == VERIFY_FINE) {
        for (unsigned i = 0; i < report.count && !options->quiet; i++) {
            print_replica(stream, &report.replicas[i]);
        }
        verify_judge(&report);
        result = verify_logs(&report, &why);
    }
    json_t *object = object_begin("summary");
    json_object_set_new(object, "verdict", json_string(verify_verdict_word(result)));
    set_text(object, "text", verify_verdict(&report, result, &why, line, sizeof(line)));
    if (result != VERIFY_IMPOSSIBLE) {
        set(object, "directories", report.count);
        set(object, "commit", report.commit);
        set(object, "compared", report.compared);
        set(object, "notes", report.notes);
        set(object, "damages", report.damages);
    }
    object_end(stream, object);
    verify_close(&report);
    return result;
}
