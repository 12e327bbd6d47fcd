/* Tables for people. Of a table that is to be shortened the first and the last few rows are kept as lines; which are
 * the last is known when all have been counted, so that those come from a second pass: to make a line takes longer than
 * to read what it says. A table that is wanted whole is streamed in a pass of its own. Memory stays bounded.
 */
#include "inspect_hint.h"
#include "inspect_payload.h"
#include "inspect_view.h"

#include <cli_escape.h>
#include <cli_wrap.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE_BYTES   256u
#define HEAD_ROWS    12u
#define TAIL_ROWS    12u
#define FINDINGS_MAX 200u
#define HINT_BYTES   96u /* as much is made; HINT_COLUMNS of it find room */
#define HINT_COLUMNS 31u

/* The first and the last rows of a table. */
struct rows {
    const char *title;
    const char *heading;
    uint64_t count;
    uint64_t tail_begin; /* rows from here on are kept; none before that is known */
    char head[HEAD_ROWS][LINE_BYTES];
    char tail[TAIL_ROWS][LINE_BYTES]; /* a ring: row n (counted after the head's) at n % TAIL_ROWS */
};

struct view {
    FILE *stream;
    const struct inspect_options *options;
    struct rows slots;
    struct rows snapshots;
    struct rows segments;
    struct rows batches;
    struct rows records;
    FILE *findings; /* into findings_text; at most FINDINGS_MAX of them */
    char *findings_text;
    size_t findings_bytes;
    uint64_t findings_count;
};

/* No wider than CLI_COLUMNS, as long as indexes have nine digits and terms six. */
#define SLOTS_HEADING     "  slot   offset  verdict   version         term  vote  generation  node"
#define SNAPSHOTS_HEADING "         index       term  verdict         bytes            digest"
#define SEGMENTS_HEADING  "       segment  verdict        bytes  first batch  first index     chain"
#define BATCHES_HEADING   "  segment  offset     batch  verdict       keep count    commit  written (UTC)"
#define RECORDS_HEADING   "       index   term  kind         tag    length  payload"

/* Returns where the next row is to be written. */
static char *row_next(struct rows *rows)
{
    uint64_t number = rows->count++;
    return number < HEAD_ROWS ? rows->head[number] : rows->tail[(number - HEAD_ROWS) % TAIL_ROWS];
}

/* Returns where the next row is to be written; NULL: it is one of those between, which are only counted. */
static char *row_if_shown(struct rows *rows)
{
    const uint64_t number = rows->count;
    if (number >= HEAD_ROWS && number < rows->tail_begin) {
        rows->count++;
        return NULL;
    }
    return row_next(rows);
}

static void rows_print(FILE *stream, const struct rows *rows, const char *rest)
{
    uint64_t tail = rows->count > HEAD_ROWS ? rows->count - HEAD_ROWS : 0;
    if (rows->count == 0) {
        return;
    }
    (void)fprintf(stream, "\n%s (%" PRIu64 ")\n%s\n", rows->title, rows->count, rows->heading);
    for (uint64_t i = 0; i < rows->count && i < HEAD_ROWS; i++) {
        (void)fprintf(stream, "%s\n", rows->head[i]);
    }
    if (tail > TAIL_ROWS) {
        (void)fprintf(stream, "  ... %" PRIu64 " more%s\n", tail - TAIL_ROWS, rest);
    }
    for (uint64_t i = tail > TAIL_ROWS ? tail - TAIL_ROWS : 0; i < tail; i++) {
        (void)fprintf(stream, "%s\n", rows->tail[i % TAIL_ROWS]);
    }
}

static const char *verdict(enum dgraft_refusal refusal)
{
    return refusal == DGRAFT_ACCEPT ? "ok" : dgraft_refusal_name(refusal);
}

/* The number in a segment's name, without its zeros; "?" when it is named otherwise. */
static const char *segment_number(const char *path)
{
    const char *dash = strrchr(path, '-');
    const char *digits = dash == NULL ? "" : dash + 1 + strspn(dash + 1, "0");
    size_t length = strlen(digits);
    return length >= 1 && length <= 16 && strspn(digits, "0123456789") == length ? digits : "?";
}

static void on_slot(void *context, const char *path, const struct dgraft_state_slot *slot)
{
    struct view *view = context;
    char *row = row_next(&view->slots);
    (void)path;
    if (slot->refusal != DGRAFT_ACCEPT) {
        (void)snprintf(row, LINE_BYTES, "  %4u %8" PRIu64 "  %-8s %8s %12s %5s %11s %5s", slot->slot, slot->offset,
                       verdict(slot->refusal), "-", "-", "-", "-", "-");
        return;
    }
    (void)snprintf(row, LINE_BYTES, "  %4u %8" PRIu64 "  %-8s %8" PRIu64 " %12" PRIu64 " %5u %11u %5u", slot->slot,
                   slot->offset, "ok", slot->version, slot->term, slot->vote, slot->generation, slot->identity.node);
}

static void on_segment(void *context, const char *path, const struct dgraft_segment_header *header)
{
    struct view *view = context;
    char *row = row_next(&view->segments);
    if (header->refusal != DGRAFT_ACCEPT) {
        (void)snprintf(row, LINE_BYTES, "  %12s  %-8s %11" PRIu64 " %12s %12s %9s", segment_number(path),
                       verdict(header->refusal), header->file_bytes, "-", "-", "-");
        return;
    }
    (void)snprintf(row, LINE_BYTES, "  %12" PRIu64 "  %-8s %11" PRIu64 " %12" PRIu64 " %12" PRIu64 "  %08" PRIx32,
                   header->sequence, "ok", header->file_bytes, header->first_batch, header->first, header->chain);
}

static void on_snapshot(void *context, const char *path, const struct dgraft_snapshot_header *header)
{
    struct view *view = context;
    char *row = row_next(&view->snapshots);
    (void)path;
    if (header->refusal != DGRAFT_ACCEPT) {
        (void)snprintf(row, LINE_BYTES, "  %12s %10s  %-8s %11" PRIu64 "  %16s", "-", "-", verdict(header->refusal),
                       header->file_bytes, "-");
        return;
    }
    (void)snprintf(row, LINE_BYTES, "  %12" PRIu64 " %10" PRIu64 "  %-8s %11" PRIu64 "  %016" PRIx64,
                   header->snapshot.position.index, header->snapshot.position.term, "ok", header->snapshot.size,
                   header->snapshot.digest);
}

static void wall_clock(uint64_t wall_ns, char *text, size_t text_bytes)
{
    struct tm parts;
    uint64_t seconds = wall_ns / 1000000000u;
    time_t time = seconds > INT32_MAX * UINT64_C(8) ? -1 : (time_t)seconds; /* what damage makes of it is no date */
    if (wall_ns == 0 || time < 0 || gmtime_r(&time, &parts) == NULL ||
        strftime(text, text_bytes, "%m-%d %H:%M:%S", &parts) == 0) {
        (void)snprintf(text, text_bytes, "-");
    }
}

static void batch_row(const char *path, const struct dgraft_batch *batch, char *row)
{
    char written[32];
    if (batch->refusal != DGRAFT_ACCEPT) {
        (void)snprintf(row, LINE_BYTES, "  %7s %7" PRIu64 " %9s  %-8s", segment_number(path), batch->offset, "-",
                       verdict(batch->refusal));
        return;
    }
    wall_clock(batch->wall_clock_ns, written, sizeof(written));
    (void)snprintf(row, LINE_BYTES, "  %7s %7" PRIu64 " %9" PRIu64 "  %-8s %9" PRIu64 " %5u %9" PRIu64 "  %s",
                   segment_number(path), batch->offset, batch->number, batch->mends ? "mends" : "ok", batch->first - 1,
                   batch->count, batch->commit, written);
}

/* The payload's column says why a record is refused, since then there is none to show. */
static void record_row(const struct dgraft_record *record, enum dgraft_refusal refusal, char *row)
{
    char hint[HINT_BYTES];
    (void)inspect_hint(record, refusal, hint, sizeof(hint));
    if (refusal != DGRAFT_ACCEPT) {
        (void)snprintf(hint, sizeof(hint), "%s: not readable", dgraft_refusal_name(refusal));
    }
    if (strlen(hint) > HINT_COLUMNS) {
        memcpy(hint + HINT_COLUMNS - 3, "...", 4);
    }
    (void)snprintf(row, LINE_BYTES, "  %10" PRIu64 " %6" PRIu64 "  %-10s %5u %9u%s%s", record->entry.index,
                   record->entry.term, inspect_kind_name(record->entry.kind), record->tag, record->entry.payload_bytes,
                   hint[0] == '\0' ? "" : "  ", hint);
}

static void on_batch(void *context, const char *path, const struct dgraft_batch *batch)
{
    struct view *view = context;
    if (inspect_wants_batch(view->options, batch)) {
        char *row = row_if_shown(&view->batches);
        if (row != NULL) {
            batch_row(path, batch, row);
        }
    }
}

static void on_record(void *context, const char *path, uint64_t offset, const struct dgraft_record *record,
                      enum dgraft_refusal refusal)
{
    struct view *view = context;
    (void)path;
    (void)offset;
    if (inspect_wants_record(view->options, record)) {
        char *row = row_if_shown(&view->records);
        if (row != NULL) {
            record_row(record, refusal, row);
        }
    }
}

void inspect_text_batch_heading(FILE *stream)
{
    (void)fprintf(stream, "%s\n", BATCHES_HEADING);
}

void inspect_text_batch(FILE *stream, const char *path, const struct dgraft_batch *batch)
{
    char row[LINE_BYTES];
    batch_row(path, batch, row);
    (void)fprintf(stream, "%s\n", row);
}

void inspect_text_record(FILE *stream, const struct inspect_options *options, const struct dgraft_record *record,
                         enum dgraft_refusal refusal)
{
    char row[LINE_BYTES];
    record_row(record, refusal, row);
    (void)fprintf(stream, "%s\n", row);
    inspect_payload_print(stream, options->payload, record, refusal);
}

static void stream_batch(void *context, const char *path, const struct dgraft_batch *batch)
{
    const struct view *view = context;
    if (inspect_wants_batch(view->options, batch)) {
        inspect_text_batch(view->stream, path, batch);
    }
}

static void stream_record(void *context, const char *path, uint64_t offset, const struct dgraft_record *record,
                          enum dgraft_refusal refusal)
{
    const struct view *view = context;
    (void)path;
    (void)offset;
    if (inspect_wants_record(view->options, record)) {
        inspect_text_record(view->stream, view->options, record, refusal);
    }
}

/* Findings are told once all of them are known to be few: their lines are kept as they will be printed. */
static void on_finding(void *context, const char *path, uint64_t offset, enum dgraft_severity severity,
                       const char *text, const char *remedy)
{
    struct view *view = context;
    char where[256];
    char what[2 * DGRAFT_WHY_BYTES];
    if (view->findings_count++ >= FINDINGS_MAX) {
        return;
    }
    if (view->findings == NULL) {
        view->findings = open_memstream(&view->findings_text, &view->findings_bytes);
    }
    if (view->findings == NULL) {
        return;
    }
    char line[sizeof(where) + sizeof(what) + 64];
    (void)snprintf(line, sizeof(line), "%s at %" PRIu64 ": %s", cli_escape_text(path, where, sizeof(where)), offset,
                   cli_escape_text(text, what, sizeof(what)));
    (void)fputs(severity == DGRAFT_SEVERITY_DAMAGE ? "  DAMAGE  " : "  note    ", view->findings);
    cli_wrap(view->findings, line, 10, 10);
    (void)fputs("          do: ", view->findings);
    cli_wrap(view->findings, cli_escape_text(remedy, what, sizeof(what)), 14, 14);
}

static void print_identity(const struct view *view, const char *path, const struct dgraft_inspect_summary *summary)
{
    char escaped[1024];
    (void)fprintf(view->stream, "%s\n", cli_escape_text(path, escaped, sizeof(escaped)));
    if (!summary->has_identity) {
        (void)fprintf(view->stream, "  whose it is cannot be read\n");
        return;
    }
    (void)fprintf(view->stream, "  node %u of cluster %s\n  cluster id %016" PRIx64 ", store %016" PRIx64 "%s\n",
                  summary->identity.node, cli_escape_text(summary->identity.cluster_name, escaped, sizeof(escaped)),
                  summary->identity.cluster, summary->identity.store, summary->running ? ", running" : ", not running");
    (void)fprintf(view->stream, "  term %" PRIu64 ", vote ", summary->term);
    (void)fprintf(view->stream, summary->vote == 0 ? "none" : "for node %u", summary->vote);
    (void)fprintf(view->stream, "; floor %" PRIu64 " of term %" PRIu64 ", commit at least %" PRIu64 "\n",
                  summary->floor.index, summary->floor.term, summary->commit);
    if (summary->spares > 0) {
        (void)fprintf(view->stream, "  %" PRIu64 " segment%s prepared for later\n", summary->spares,
                      summary->spares == 1 ? "" : "s");
    }
}

/* Streams one whole table in a pass of its own. */
static void print_whole(struct view *view, struct dgraft_fs *fs, const char *path, const struct rows *rows,
                        struct dgraft_inspect_visitor visitor)
{
    struct dgraft_inspect_summary summary;
    struct dgraft_why why;
    if (rows->count == 0) {
        return;
    }
    visitor.context = view;
    (void)fprintf(view->stream, "\n%s (%" PRIu64 ")\n%s\n", rows->title, rows->count, rows->heading);
    if (dgraft_inspect(fs, path, &visitor, &summary, &why) != DGRAFT_OK) {
        (void)fprintf(view->stream, "  ... and no further: what was readable a moment ago is not any more\n");
    }
}

/* Goes through it once more, for the last rows of the tables that are shortened. */
static void keep_tails(struct view *view, struct dgraft_fs *fs, const char *path)
{
    const struct dgraft_inspect_visitor visitor = {.context = view, .batch = on_batch, .record = on_record};
    struct dgraft_inspect_summary summary;
    struct rows *const tables[] = {&view->batches, &view->records};
    if (view->batches.count <= HEAD_ROWS && view->records.count <= HEAD_ROWS) {
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        tables[i]->tail_begin = tables[i]->count > HEAD_ROWS + TAIL_ROWS ? tables[i]->count - TAIL_ROWS : HEAD_ROWS;
        tables[i]->count = 0;
    }
    if (dgraft_inspect(fs, path, &visitor, &summary, NULL) != DGRAFT_OK) {
        (void)fprintf(view->stream, "\nwhat was readable a moment ago is not any more\n");
    }
}

static void print_tables(struct view *view, struct dgraft_fs *fs, const char *path)
{
    rows_print(view->stream, &view->slots, "");
    rows_print(view->stream, &view->snapshots, "");
    rows_print(view->stream, &view->segments, "");
    if (view->options->rows == INSPECT_ROWS_SOME) {
        keep_tails(view, fs, path);
        rows_print(view->stream, &view->batches, " (--records shows all)");
        rows_print(view->stream, &view->records, " (--records shows all, --from and --to a part)");
    } else if (view->options->rows == INSPECT_ROWS_ALL) {
        print_whole(view, fs, path, &view->batches, (struct dgraft_inspect_visitor){.batch = stream_batch});
        print_whole(view, fs, path, &view->records, (struct dgraft_inspect_visitor){.record = stream_record});
    }
    if (view->findings_count != 0) {
        const bool kept = view->findings != NULL && fflush(view->findings) == 0;
        (void)fprintf(view->stream, "\nfindings (%" PRIu64 ")\n%s", view->findings_count,
                      kept ? view->findings_text : "  (out of memory)\n");
    }
    if (view->findings_count > FINDINGS_MAX) {
        (void)fprintf(view->stream, "  ... %" PRIu64 " more (--json shows all)\n", view->findings_count - FINDINGS_MAX);
    }
    (void)fputs("\n", view->stream);
}

bool inspect_show_text(FILE *stream, struct dgraft_fs *fs, const char *path, const struct inspect_options *options)
{
    struct inspect_result result = {.why = {.text = ""}};
    struct view *view = calloc(1, sizeof(*view));
    char line[2048];
    char escaped[1024];
    if (view == NULL) {
        (void)fputs("raftctl inspect: out of memory\n", stderr);
        return false;
    }
    view->stream = stream;
    view->options = options;
    view->slots = (struct rows){.title = "state slots", .heading = SLOTS_HEADING};
    view->snapshots = (struct rows){.title = "snapshots", .heading = SNAPSHOTS_HEADING};
    view->segments = (struct rows){.title = "segments", .heading = SEGMENTS_HEADING};
    view->batches = (struct rows){.title = "batches", .heading = BATCHES_HEADING, .tail_begin = UINT64_MAX};
    view->records = (struct rows){.title = "records", .heading = RECORDS_HEADING, .tail_begin = UINT64_MAX};
    const bool rows = options->rows != INSPECT_ROWS_NONE && !options->quiet;
    struct dgraft_inspect_visitor visitor = {.context = view,
                                             .state_slot = on_slot,
                                             .segment = on_segment,
                                             .snapshot = on_snapshot,
                                             .batch = rows ? on_batch : NULL,
                                             .record = rows ? on_record : NULL,
                                             .finding = on_finding};
    result.status = dgraft_inspect(fs, path, &visitor, &result.summary, &result.why);
    if (!options->quiet && result.status == DGRAFT_OK) {
        print_identity(view, path, &result.summary);
        print_tables(view, fs, path);
    }
    (void)fprintf(stream, "%s: %s\n", cli_escape_text(path, escaped, sizeof(escaped)),
                  inspect_verdict(&result, line, sizeof(line)));
    if (view->findings != NULL) {
        (void)fclose(view->findings);
    }
    free(view->findings_text);
    free(view);
    return result.status == DGRAFT_OK && result.summary.damages == 0;
}
