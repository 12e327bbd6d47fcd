/* One JSON object a line, in the order of the files; nothing is kept, so that a log of any size passes through. */
#include "inspect_hint.h"
#include "inspect_payload.h"
#include "inspect_view.h"

#include <cli_escape.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

struct json_view {
    FILE *stream;
    const struct inspect_options *options;
};

/* Numbers that JSON's readers would spoil are given as text; only damage makes them that large. */
static json_t *number(uint64_t value)
{
    char text[24];
    if (value <= INT64_MAX) {
        return json_integer((json_int_t)value);
    }
    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    return json_string(text);
}

static json_t *identifier(uint64_t value)
{
    char hex[17];
    (void)snprintf(hex, sizeof(hex), "%016" PRIx64, value);
    return json_string(hex);
}

/* Paths and sentences may hold any bytes: printable ASCII always is UTF-8. */
static json_t *text(const char *string)
{
    char escaped[4096];
    return json_string(cli_escape_text(string, escaped, sizeof(escaped)));
}

static json_t *object_begin(const char *type, const char *path)
{
    json_t *object = json_object();
    json_object_set_new(object, "type", json_string(type));
    json_object_set_new(object, "path", text(path));
    return object;
}

static void set(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, number(value));
}

static void set_verdict(json_t *object, enum dgraft_refusal refusal)
{
    json_object_set_new(object, "verdict", json_string(refusal == DGRAFT_ACCEPT ? "ok" : dgraft_refusal_name(refusal)));
}

static void set_identity(json_t *object, const struct dgraft_identity *identity)
{
    json_object_set_new(object, "cluster", text(identity->cluster_name));
    json_object_set_new(object, "cluster_id", identifier(identity->cluster));
    json_object_set_new(object, "store", identifier(identity->store));
    set(object, "node", identity->node);
    set(object, "group", identity->group);
}

static void object_end(FILE *stream, json_t *object)
{
    (void)json_dumpf(object, stream, JSON_COMPACT);
    (void)fputc('\n', stream);
    json_decref(object);
}

static void on_slot(void *context, const char *path, const struct dgraft_state_slot *slot)
{
    struct json_view *view = context;
    json_t *object = object_begin("state_slot", path);
    set(object, "offset", slot->offset);
    set(object, "slot", slot->slot);
    set_verdict(object, slot->refusal);
    if (slot->refusal == DGRAFT_ACCEPT) {
        set_identity(object, &slot->identity);
        set(object, "version", slot->version);
        set(object, "term", slot->term);
        set(object, "vote", slot->vote);
        set(object, "generation", slot->generation);
    }
    object_end(view->stream, object);
}

static void on_segment(void *context, const char *path, const struct dgraft_segment_header *header)
{
    struct json_view *view = context;
    json_t *object = object_begin("segment", path);
    set_verdict(object, header->refusal);
    set(object, "file_bytes", header->file_bytes);
    if (header->refusal == DGRAFT_ACCEPT) {
        set_identity(object, &header->identity);
        set(object, "sequence", header->sequence);
        set(object, "first_batch", header->first_batch);
        set(object, "follows", header->follows);
        set(object, "chain", header->chain);
        set(object, "first", header->first);
    }
    object_end(view->stream, object);
}

static void on_snapshot(void *context, const char *path, const struct dgraft_snapshot_header *header)
{
    struct json_view *view = context;
    json_t *object = object_begin("snapshot", path);
    set_verdict(object, header->refusal);
    set(object, "file_bytes", header->file_bytes);
    if (header->refusal == DGRAFT_ACCEPT) {
        set_identity(object, &header->identity);
        set(object, "index", header->snapshot.position.index);
        set(object, "term", header->snapshot.position.term);
        set(object, "bytes", header->snapshot.size);
        json_object_set_new(object, "digest", identifier(header->snapshot.digest));
    }
    object_end(view->stream, object);
}

void inspect_json_batch(FILE *stream, const char *path, const struct dgraft_batch *batch)
{
    json_t *object = object_begin("batch", path);
    set(object, "offset", batch->offset);
    set_verdict(object, batch->refusal);
    if (batch->refusal == DGRAFT_ACCEPT) {
        set(object, "length", batch->length);
        set(object, "number", batch->number);
        set(object, "checksum", batch->checksum);
        set(object, "previous", batch->previous);
        set(object, "keep", batch->keep);
        set(object, "first", batch->first);
        set(object, "count", batch->count);
        set(object, "floor_index", batch->floor.index);
        set(object, "floor_term", batch->floor.term);
        set(object, "commit", batch->commit);
        set(object, "membership", batch->membership);
        set(object, "wall_clock_ns", batch->wall_clock_ns);
        set(object, "state_version", batch->saves);
        set(object, "state_term", batch->term);
        json_object_set_new(object, "mends", json_boolean(batch->mends));
    }
    object_end(stream, object);
}

void inspect_json_record(FILE *stream, const struct inspect_options *options, const char *path, uint64_t offset,
                         const struct dgraft_record *record, enum dgraft_refusal refusal)
{
    char hint[512];
    json_t *object = object_begin("record", path);
    set(object, "offset", offset);
    set_verdict(object, refusal);
    set(object, "index", record->entry.index);
    set(object, "term", record->entry.term);
    json_object_set_new(object, "kind", json_string(inspect_kind_name(record->entry.kind)));
    set(object, "tag", record->tag);
    set(object, "length", record->entry.payload_bytes);
    set(object, "checksum", record->entry.checksum);
    json_object_set_new(object, "hint", json_string(inspect_hint(record, refusal, hint, sizeof(hint))));
    json_t *payload = inspect_payload_value(options->payload, record, refusal);
    if (payload != NULL) {
        json_object_set_new(object, "payload", payload);
    }
    object_end(stream, object);
}

static void on_batch(void *context, const char *path, const struct dgraft_batch *batch)
{
    const struct json_view *view = context;
    if (inspect_wants_batch(view->options, batch)) {
        inspect_json_batch(view->stream, path, batch);
    }
}

static void on_record(void *context, const char *path, uint64_t offset, const struct dgraft_record *record,
                      enum dgraft_refusal refusal)
{
    const struct json_view *view = context;
    if (inspect_wants_record(view->options, record)) {
        inspect_json_record(view->stream, view->options, path, offset, record, refusal);
    }
}

static void on_finding(void *context, const char *path, uint64_t offset, enum dgraft_severity severity,
                       const char *sentence, const char *remedy)
{
    struct json_view *view = context;
    json_t *object = object_begin("finding", path);
    set(object, "offset", offset);
    json_object_set_new(object, "severity", json_string(severity == DGRAFT_SEVERITY_DAMAGE ? "damage" : "note"));
    json_object_set_new(object, "text", text(sentence));
    json_object_set_new(object, "remedy", text(remedy));
    object_end(view->stream, object);
}

static json_t *stretches(const struct dgraft_inspect_stretch *items, uint32_t count)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < count; i++) {
        json_t *object = json_object();
        set(object, "first", items[i].first);
        set(object, "last", items[i].last);
        json_array_append_new(array, object);
    }
    return array;
}

static void print_summary(FILE *stream, const char *path, const struct inspect_result *result)
{
    const struct dgraft_inspect_summary *summary = &result->summary;
    char line[2048];
    json_t *object = object_begin("summary", path);
    json_object_set_new(object, "verdict", json_string(inspect_verdict_word(result)));
    json_object_set_new(object, "status", json_string(dgraft_status_name(result->status)));
    json_object_set_new(object, "text", json_string(inspect_verdict(result, line, sizeof(line))));
    if (result->status == DGRAFT_OK) {
        if (summary->has_identity) {
            set_identity(object, &summary->identity);
        }
        json_object_set_new(object, "running", json_boolean(summary->running));
        set(object, "term", summary->term);
        set(object, "vote", summary->vote);
        set(object, "snapshot", summary->snapshot.index);
        set(object, "first", summary->first.index);
        set(object, "last", summary->last.index);
        set(object, "last_term", summary->last.term);
        set(object, "floor_index", summary->floor.index);
        set(object, "floor_term", summary->floor.term);
        set(object, "commit", summary->commit);
        set(object, "segments", summary->segments);
        set(object, "spares", summary->spares);
        set(object, "batches", summary->batches);
        set(object, "records", summary->records);
        set(object, "torn_bytes", summary->torn_bytes);
        set(object, "notes", summary->notes);
        set(object, "damages", summary->damages);
        set(object, "mended", summary->mended);
        json_object_set_new(object, "missing", stretches(summary->missing, summary->missing_count));
        set(object, "salvaged", summary->salvaged);
        json_object_set_new(object, "refused", json_boolean(summary->refused));
    }
    object_end(stream, object);
}

bool inspect_show_json(FILE *stream, struct dgraft_fs *fs, const char *path, const struct inspect_options *options)
{
    struct json_view view = {.stream = stream, .options = options};
    struct inspect_result result = {.why = {.text = ""}};
    bool rows = options->rows != INSPECT_ROWS_NONE && !options->quiet;
    struct dgraft_inspect_visitor visitor = {.context = &view,
                                             .state_slot = options->quiet ? NULL : on_slot,
                                             .segment = options->quiet ? NULL : on_segment,
                                             .snapshot = options->quiet ? NULL : on_snapshot,
                                             .batch = rows ? on_batch : NULL,
                                             .record = rows ? on_record : NULL,
                                             .finding = options->quiet ? NULL : on_finding};
    result.status = dgraft_inspect(fs, path, &visitor, &result.summary, &result.why);
    print_summary(stream, path, &result);
    return result.status == DGRAFT_OK && result.summary.damages == 0;
}
