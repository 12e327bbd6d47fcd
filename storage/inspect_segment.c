#include "inspect_pass.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void dgraft_inspect_tell(struct dgraft_inspect_pass *pass, const char *path, uint64_t offset,
                         enum dgraft_severity severity, const char *remedy, const char *format, ...)
{
    char text[DGRAFT_WHY_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (severity == DGRAFT_SEVERITY_DAMAGE) {
        pass->summary->damages++;
    } else {
        pass->summary->notes++;
    }
    if (pass->visitor->finding != NULL) {
        pass->visitor->finding(pass->visitor->context, path, offset, severity, text, remedy);
    }
}

void dgraft_inspect_tell_lost(struct dgraft_inspect_pass *pass, const char *path, const char *text)
{
    const struct dgraft_inspect_start *start = &pass->start;
    dgraft_start_ask(&pass->start, &pass->disk, pass->summary->running);
    if (start->status == DGRAFT_OK && start->lost.count == 0) {
        pass->summary->mended++;
        dgraft_inspect_tell(pass, path, 0, DGRAFT_SEVERITY_NOTE, DGRAFT_REMEDY_WATCH,
                            "%s; nothing of the log is missing any more", text);
        return;
    }
    const char *remedy = DGRAFT_REMEDY_DAMAGE;
    if (start->status == DGRAFT_OK && start->missing.count == 0) {
        remedy = DGRAFT_REMEDY_KEPT;
    } else if (start->status == DGRAFT_OK) {
        remedy = pass->summary->running ? DGRAFT_REMEDY_FETCHING : DGRAFT_REMEDY_FETCH;
    }
    dgraft_inspect_tell(pass, path, 0, DGRAFT_SEVERITY_DAMAGE, remedy, "%s", text);
}

void dgraft_inspect_lose(struct dgraft_inspect_pass *pass)
{
    pass->broken = true;
    if (pass->map != NULL) {
        const dgraft_index snapshot = pass->summary->snapshot.index;
        dgraft_map_lose(pass->map, pass->summary->commit > snapshot ? pass->summary->commit : snapshot);
    }
}

static enum dgraft_status turn_to(struct dgraft_inspect_pass *pass, const struct dgraft_inspect_segment *segment)
{
    const int file = dgraft_disk_open(&pass->disk, segment->name, DGRAFT_FS_READ);
    if (file < 0) {
        return dgraft_why_errno(pass->why, &pass->disk, "open", segment->name, file);
    }
    const int64_t size = dgraft_disk_size(&pass->disk, file);
    if (size < 0) {
        dgraft_disk_close(&pass->disk, file);
        return dgraft_why_errno(pass->why, &pass->disk, "read", segment->name, size);
    }
    dgraft_window_turn(&pass->scan.window, file, (uint64_t)size);
    pass->scan.sequence = segment->sequence;
    return DGRAFT_OK;
}

static void turn_away(struct dgraft_inspect_pass *pass)
{
    dgraft_disk_close(&pass->disk, pass->scan.window.file);
    dgraft_window_turn(&pass->scan.window, -1, 0);
}

/* A running node drops segments from the front, once a snapshot holds what they hold. */
static bool was_dropped(const struct dgraft_inspect_pass *pass, enum dgraft_status status)
{
    return status == DGRAFT_STATUS_NOT_FOUND && pass->summary->running && !pass->single;
}

/* The log begins behind a segment that went while it was looked at: what was read of those before it does not count. */
static void begin_behind(struct dgraft_inspect_pass *pass)
{
    dgraft_log_begin(&pass->log, (struct dgraft_position){0, 0});
    pass->log.open = true;
    pass->outdated = true;
    pass->summary->first = (struct dgraft_position){0, 0};
    if (pass->map != NULL) {
        pass->map->begun = false;
    }
}

enum dgraft_status dgraft_inspect_header(struct dgraft_inspect_pass *pass, struct dgraft_inspect_segment *segment)
{
    enum dgraft_status status = turn_to(pass, segment);
    segment->gone = was_dropped(pass, status);
    if (segment->gone) {
        segment->header.refusal = DGRAFT_REFUSAL_EMPTY;
        return DGRAFT_OK;
    }
    if (status != DGRAFT_OK) {
        return status;
    }
    const uint64_t bytes = pass->scan.window.file_bytes;
    const size_t size = bytes < DGRAFT_BLOCK_BYTES ? (size_t)bytes : DGRAFT_BLOCK_BYTES;
    int error = 0;
    uint64_t end = DGRAFT_BLOCK_BYTES;
    const uint8_t *view = dgraft_window_view(&pass->scan.window, 0, size, &error);
    if (error == 0) {
        dgraft_segment_decode(view == NULL ? (const uint8_t *)"" : view, view == NULL ? 0 : size, &segment->header);
        segment->header.file_bytes = bytes;
        error = segment->header.refusal == DGRAFT_ACCEPT ? 0 : dgraft_scan_zeros(&pass->scan, DGRAFT_BLOCK_BYTES, &end);
    }
    segment->behind = end > DGRAFT_BLOCK_BYTES;
    turn_away(pass);
    return error == 0 ? DGRAFT_OK : dgraft_why_errno(pass->why, &pass->disk, "read", segment->name, error);
}

enum dgraft_status dgraft_inspect_first(struct dgraft_inspect_pass *pass, struct dgraft_inspect_segment *segment,
                                        bool *whole)
{
    struct dgraft_scanned scanned;
    enum dgraft_status status = turn_to(pass, segment);
    *whole = false;
    if (was_dropped(pass, status)) {
        segment->gone = true;
        return DGRAFT_OK;
    }
    if (status != DGRAFT_OK) {
        return status;
    }
    const int error = dgraft_scan_batch(&pass->scan, DGRAFT_BLOCK_BYTES, &scanned, NULL);
    turn_away(pass);
    *whole = scanned.look == DGRAFT_LOOK_GOOD || scanned.look == DGRAFT_LOOK_WRONG;
    return error == 0 ? DGRAFT_OK : dgraft_why_errno(pass->why, &pass->disk, "read", segment->name, error);
}

/* Shows the records of a batch, as far as one can walk from each to the next. */
static int show_records(struct dgraft_inspect_pass *pass, const char *path, const struct dgraft_batch *batch)
{
    const struct dgraft_inspect_visitor *visitor = pass->visitor;
    uint64_t end = batch->length > pass->scan.window.file_bytes - batch->offset ? pass->scan.window.file_bytes
                                                                                : batch->offset + batch->length;
    uint64_t at = batch->offset + DGRAFT_BATCH_HEADER_BYTES;
    for (uint32_t i = 0; i < batch->count && at < end; i++) {
        struct dgraft_record record;
        int error = 0;
        memset(&record, 0, sizeof record);
        const uint8_t *bytes = end - at < DGRAFT_RECORD_HEADER_BYTES
                                   ? NULL
                                   : dgraft_window_view(&pass->scan.window, at, DGRAFT_RECORD_HEADER_BYTES, &error);
        enum dgraft_refusal refusal = bytes == NULL
                                          ? DGRAFT_REFUSAL_SHORT
                                          : dgraft_record_decode_header(bytes, DGRAFT_RECORD_HEADER_BYTES, &record);
        const size_t size = refusal == DGRAFT_ACCEPT ? dgraft_record_bytes(record.entry.payload_bytes) : 0;
        if (refusal == DGRAFT_ACCEPT && size > end - at) {
            refusal = DGRAFT_REFUSAL_SHORT;
        } else if (refusal == DGRAFT_ACCEPT) {
            struct dgraft_record whole;
            bytes = dgraft_window_view(&pass->scan.window, at, size, &error);
            refusal = bytes == NULL ? DGRAFT_REFUSAL_SHORT : dgraft_record_decode(bytes, size, &whole, NULL);
            record = refusal == DGRAFT_ACCEPT ? whole : record;
        }
        if (error != 0) {
            return error;
        }
        pass->summary->records++;
        if (visitor->record != NULL) {
            visitor->record(visitor->context, path, at, &record, refusal);
        }
        if (size == 0 || size > end - at) {
            break;
        }
        at += size;
    }
    return 0;
}

/* Takes a good batch of the log into the summary. */
static void take(struct dgraft_inspect_pass *pass, const struct dgraft_batch *batch)
{
    struct dgraft_inspect_summary *summary = pass->summary;
    struct dgraft_plan *plan = &pass->plan;
    if (!pass->log.open && !batch->mends) {
        plan->keep_term =
            batch->keep == pass->log.last.index ? pass->log.last.term : dgraft_log_term(&pass->log, batch->keep);
    }
    pass->mends = pass->mends || batch->mends;
    if (batch->restart || batch->keep < summary->first.index) {
        summary->first = (struct dgraft_position){0, 0};
    }
    if (plan->keep_term == 0 && batch->floor.index == batch->keep) {
        plan->keep_term = batch->floor.term;
    }
    if (batch->count == 0) {
        plan->last = (struct dgraft_position){batch->keep, plan->keep_term};
    } else if (summary->first.index == 0 && plan->run_count > 0 && !batch->mends) {
        summary->first = (struct dgraft_position){batch->first, plan->runs[0].term};
    }
    const bool anew = batch->restart || pass->log.open;
    if (pass->map != NULL) {
        dgraft_map_take(pass->map, pass->scan.sequence, batch, plan,
                        batch->restart || (pass->log.open && !pass->map->begun));
    }
    if (!pass->broken && (anew || batch->keep <= pass->log.last.index) && dgraft_log_reserve(&pass->log, plan)) {
        dgraft_log_apply(&pass->log, plan);
    }
    summary->last = batch->mends ? batch->floor : plan->last;
    summary->floor = batch->floor.index < summary->last.index ? batch->floor : summary->last;
    if (batch->commit > summary->commit) {
        summary->commit = batch->commit;
    }
    pass->number = batch->number;
    pass->chain = batch->checksum;
    pass->outdated = false;
    if (batch->saves > pass->saves) {
        pass->saves = batch->saves;
        pass->saved_term = batch->term;
    }
}

/* Says whether a good batch follows what lies before it; unknown for the first of a single file or behind damage. */
static void check_follows(struct dgraft_inspect_pass *pass, struct dgraft_scanned *scanned, uint64_t number)
{
    enum dgraft_refusal refusal = DGRAFT_ACCEPT;
    if (!pass->broken) {
        refusal = dgraft_scan_follows(&pass->log, &scanned->batch, &pass->plan, number, pass->chain);
    } else if (scanned->batch.number != number || scanned->batch.previous != pass->chain) {
        refusal = DGRAFT_REFUSAL_CHAIN;
    }
    if (refusal != DGRAFT_ACCEPT) {
        scanned->batch.refusal = refusal;
        scanned->look = DGRAFT_LOOK_WRONG;
    }
}

/* Looks at what stands at an offset; a second time when it is bad, since a node may have been writing it. */
static int look(struct dgraft_inspect_pass *pass, uint64_t offset, uint64_t number, struct dgraft_scanned *scanned)
{
    int error = 0;
    for (int glance = 0; glance < 2; glance++) {
        error = dgraft_scan_batch(&pass->scan, offset, scanned, &pass->plan);
        if (error != 0) {
            break;
        }
        if (scanned->look == DGRAFT_LOOK_GOOD) {
            check_follows(pass, scanned, number);
        }
        if (scanned->look == DGRAFT_LOOK_GOOD || scanned->look == DGRAFT_LOOK_NOTHING) {
            break;
        }
        const int64_t size = dgraft_disk_size(&pass->disk, pass->scan.window.file);
        dgraft_window_turn(&pass->scan.window, pass->scan.window.file,
                           size < 0 ? pass->scan.window.file_bytes : (uint64_t)size);
    }
    return error;
}

/* A batch of the log is damaged. Where its header can be believed, it says which entries it holds. */
static void lose_batch(struct dgraft_inspect_pass *pass, const struct dgraft_scanned *scanned, uint64_t number)
{
    struct dgraft_map *map = pass->map;
    if (scanned->batch.number != number) {
        dgraft_inspect_lose(pass);
    }
    if (map != NULL && scanned->look == DGRAFT_LOOK_BROKEN && scanned->header_good) {
        dgraft_map_take(map, pass->scan.sequence, &scanned->batch, NULL,
                        scanned->batch.restart || (pass->log.open && !map->begun));
    }
    dgraft_inspect_lose(pass);
}

/* Entries that a damaged batch of the log held, or may have held when its header is lost: `later`, a header behind it
 * in its file (0: none), says where the log ended then. */
static int may_have_held(struct dgraft_inspect_pass *pass, const struct dgraft_scanned *scanned, uint64_t number,
                         uint64_t later, struct dgraft_hole *held)
{
    const struct dgraft_inspect_summary *summary = pass->summary;
    struct dgraft_scanned behind;
    if (scanned->look == DGRAFT_LOOK_BROKEN && scanned->header_good && scanned->batch.number == number) {
        *held = (struct dgraft_hole){scanned->batch.first, scanned->batch.first + scanned->batch.count - 1};
        return 0;
    }
    /* The batch may have cut off anything that was not known committed. */
    const dgraft_index sure = summary->commit > summary->snapshot.index ? summary->commit : summary->snapshot.index;
    *held = (struct dgraft_hole){(sure < summary->last.index ? sure : summary->last.index) + 1, UINT64_MAX};
    const int error = later == 0 ? 0 : dgraft_scan_batch(&pass->scan, later, &behind, NULL);
    if (later != 0 && error == 0 && behind.header_good) {
        held->last = behind.batch.floor.index;
    }
    return error;
}

/* Tells about a damaged batch: what became of its entries decides whether anything is to be done. */
static void tell_damaged(struct dgraft_inspect_pass *pass, const char *path, const struct dgraft_batch *batch,
                         const char *what, const struct dgraft_hole *held)
{
    enum dgraft_severity severity = DGRAFT_SEVERITY_DAMAGE;
    const char *remedy =
        pass->single ? "inspect the directory: a younger batch may have mended it since" : DGRAFT_REMEDY_DAMAGE;
    char became[128] = "";
    uint64_t mended[2];
    if (!pass->single) {
        dgraft_start_ask(&pass->start, &pass->disk, pass->summary->running);
        switch (dgraft_start_fate(&pass->start, &pass->disk, held->first, held->last, mended)) {
        case DGRAFT_FATE_REFUSED:
            break;
        case DGRAFT_FATE_MISSING:
            remedy = pass->summary->running ? DGRAFT_REMEDY_FETCHING : DGRAFT_REMEDY_FETCH;
            break;
        case DGRAFT_FATE_KEPT:
            remedy = DGRAFT_REMEDY_KEPT;
            break;
        case DGRAFT_FATE_MENDED:
            severity = DGRAFT_SEVERITY_NOTE;
            (void)snprintf(became, sizeof became,
                           mended[0] == mended[1] ? "; mended since by batch %" PRIu64
                                                  : "; mended since by batches %" PRIu64 " to %" PRIu64,
                           mended[0], mended[1]);
            break;
        case DGRAFT_FATE_GONE:
            severity = DGRAFT_SEVERITY_NOTE;
            (void)snprintf(became, sizeof became, "; nothing that it held is part of the log any more");
            break;
        }
    }
    pass->summary->mended += severity == DGRAFT_SEVERITY_NOTE ? 1 : 0;
    dgraft_inspect_tell(pass, path, batch->offset, severity,
                        severity == DGRAFT_SEVERITY_NOTE ? DGRAFT_REMEDY_WATCH : remedy, "%s%s", what, became);
}

/* Tells about what is not a good batch. Returns where to go on, 0: nowhere. */
static int tell_bad(struct dgraft_inspect_pass *pass, const char *path, uint64_t offset, uint64_t number, bool fenced,
                    const struct dgraft_scanned *scanned, uint64_t *resume)
{
    struct dgraft_batch_facts facts = {.look = scanned->look, .fenced = fenced, .required = number <= pass->required};
    struct dgraft_batch batch = scanned->batch;
    struct dgraft_hole held;
    char what[DGRAFT_WHY_BYTES];
    uint64_t end = offset;
    *resume = 0;
    batch.offset = offset;
    int error = dgraft_scan_zeros(&pass->scan, offset, &end);
    if (error == 0 && facts.look != DGRAFT_LOOK_NOTHING) {
        error = dgraft_scan_later(&pass->scan, offset + 8, number, resume);
        facts.later = *resume != 0;
    }
    if (error != 0) {
        return error;
    }
    switch (dgraft_decide_batch(&facts)) {
    case DGRAFT_BATCH_ACCEPT:
    case DGRAFT_BATCH_END:
        *resume = 0;
        break;
    case DGRAFT_BATCH_TORN:
        pass->summary->torn_bytes += end - offset;
        dgraft_inspect_tell(pass, path, offset, DGRAFT_SEVERITY_NOTE,
                            pass->summary->running ? "nothing: the running node is writing it, or will cut it"
                                                   : "nothing: the next start cuts it",
                            "a write that never finished (batch %" PRIu64 ", %" PRIu64 " bytes)", number, end - offset);
        *resume = 0;
        break;
    case DGRAFT_BATCH_DAMAGED:
        error = may_have_held(pass, scanned, number, *resume, &held);
        lose_batch(pass, scanned, number);
        (void)snprintf(
            what, sizeof what, "batch %" PRIu64 ", from index %" PRIu64 " on: %s; it was acknowledged%s", number,
            scanned->batch.mends && held.last != UINT64_MAX ? held.first : pass->summary->last.index + 1,
            dgraft_refusal_text(scanned->batch.refusal), facts.later ? ": a later batch lies behind it" : "");
        if (error == 0) {
            tell_damaged(pass, path, &batch, what, &held);
        }
        break;
    }
    return error;
}

static int show_batches(struct dgraft_inspect_pass *pass, const char *path,
                        const struct dgraft_inspect_segment *segment)
{
    const struct dgraft_inspect_visitor *visitor = pass->visitor;
    uint64_t offset = DGRAFT_BLOCK_BYTES;
    uint64_t number = segment->header.first_batch;
    for (;;) {
        struct dgraft_scanned scanned;
        int error = look(pass, offset, number, &scanned);
        if (error != 0) {
            return error;
        }
        const bool fenced = number > segment->limit;
        const bool there = scanned.look != DGRAFT_LOOK_NOTHING;
        if (there) {
            pass->summary->batches++;
            if (visitor->batch != NULL) {
                visitor->batch(visitor->context, path, &scanned.batch);
            }
            if (scanned.look == DGRAFT_LOOK_GOOD && visitor->record == NULL) {
                pass->summary->records += scanned.batch.count; /* they have been read, and nobody wants to see them */
            } else if (scanned.header_good && scanned.batch.length >= DGRAFT_BATCH_HEADER_BYTES) {
                error = show_records(pass, path, &scanned.batch);
            }
        }
        if (error != 0) {
            return error;
        }
        if (scanned.look == DGRAFT_LOOK_GOOD && fenced) {
            dgraft_inspect_tell(pass, path, offset, DGRAFT_SEVERITY_NOTE, DGRAFT_REMEDY_NOTHING,
                                "batch %" PRIu64 " is not part of the log: a later segment holds it again", number);
            return 0;
        }
        if (scanned.look == DGRAFT_LOOK_GOOD) {
            take(pass, &scanned.batch);
            offset += scanned.batch.length;
            number++;
            continue;
        }
        uint64_t resume;
        error = tell_bad(pass, path, offset, number, fenced, &scanned, &resume);
        if (error != 0 || resume == 0) {
            return error;
        }
        /* Go on behind the damage, from a header that can be read. */
        error = dgraft_scan_batch(&pass->scan, resume, &scanned, NULL);
        if (error != 0 || !scanned.header_good) {
            return error;
        }
        offset = resume;
        number = scanned.batch.number;
        pass->chain = scanned.batch.previous;
        if (pass->map != NULL) {
            dgraft_map_follows(pass->map, number - 1);
        }
    }
}

static void tell_header(struct dgraft_inspect_pass *pass, const char *path, enum dgraft_refusal refusal)
{
    char text[DGRAFT_WHY_BYTES];
    (void)snprintf(text, sizeof text, "the segment's header: %s",
                   refusal == DGRAFT_ACCEPT ? "it is that of another segment: the file was renamed"
                                            : dgraft_refusal_text(refusal));
    dgraft_inspect_lose(pass);
    if (pass->single) {
        dgraft_inspect_tell(pass, path, 0, DGRAFT_SEVERITY_DAMAGE, DGRAFT_REMEDY_DAMAGE, "%s", text);
    } else {
        dgraft_inspect_tell_lost(pass, path, text);
    }
}

/* Tells what the table says of a header. Returns whether batches can be read behind it. */
static bool judge_header(struct dgraft_inspect_pass *pass, const char *path,
                         const struct dgraft_inspect_segment *segment)
{
    const struct dgraft_segment_facts facts = {
        .header = segment->header.refusal,
        .newest = segment->newest,
        .only = segment->only,
        .behind = segment->behind,
        .own =
            !pass->summary->has_identity || dgraft_identity_equal(&segment->header.identity, &pass->summary->identity),
        .named_well = segment->header.sequence == segment->sequence,
    };
    switch (dgraft_decide_segment(&facts)) {
    case DGRAFT_SEGMENT_READ:
        return true;
    case DGRAFT_SEGMENT_SPARE:
        return false;
    case DGRAFT_SEGMENT_DAMAGED:
    case DGRAFT_SEGMENT_LOST:
        tell_header(pass, path, facts.header);
        return false;
    case DGRAFT_SEGMENT_FOREIGN:
        dgraft_inspect_lose(pass);
        dgraft_inspect_tell(
            pass, path, 0, DGRAFT_SEVERITY_DAMAGE, "put each file where it belongs",
            "it belongs to node %" PRIu32 ", store %016" PRIx64 " of cluster %.63s, the directory to node "
            "%" PRIu32 ", store %016" PRIx64,
            segment->header.identity.node, segment->header.identity.store, segment->header.identity.cluster_name,
            pass->summary->identity.node, pass->summary->identity.store);
        return false;
    case DGRAFT_SEGMENT_TOO_NEW:
        break;
    }
    dgraft_inspect_lose(pass);
    dgraft_inspect_tell(pass, path, 0, DGRAFT_SEVERITY_DAMAGE, DGRAFT_REMEDY_NEWER,
                        "written by a newer version of the format than %u", DGRAFT_FORMAT_VERSION);
    return false;
}

/* Shows a segment whose file is open. */
static int show_segment(struct dgraft_inspect_pass *pass, const struct dgraft_inspect_segment *segment)
{
    char path[DGRAFT_DISK_PATH_BYTES];
    const struct dgraft_segment_header *header = &segment->header;
    dgraft_disk_path(&pass->disk, segment->name, path);
    pass->summary->segments++;
    if (pass->visitor->segment != NULL) {
        pass->visitor->segment(pass->visitor->context, path, header);
    }
    if (!judge_header(pass, path, segment)) {
        return 0;
    }
    if (header->first_batch > segment->limit) {
        dgraft_inspect_tell(pass, path, 0, DGRAFT_SEVERITY_NOTE, DGRAFT_REMEDY_NOTHING,
                            "no batch of this segment is part of the log: a later one holds them again");
        return 0;
    }
    if (segment->limit == UINT64_MAX && header->file_bytes < header->made_bytes) {
        dgraft_inspect_tell(pass, path, header->file_bytes,
                            pass->single ? DGRAFT_SEVERITY_NOTE : DGRAFT_SEVERITY_DAMAGE,
                            pass->single ? "inspect the directory" : DGRAFT_REMEDY_DAMAGE,
                            "the file is shorter than it was made (%" PRIu64 " bytes): %s", header->made_bytes,
                            pass->single ? "so is one that a newer segment replaces in part"
                                         : "its end, and what was written there, is missing");
    }
    if (pass->single || pass->broken) {
        pass->broken = true; /* what lies before is not known */
        pass->number = header->follows;
        pass->chain = header->chain;
    } else if (pass->log.open) { /* what it follows was dropped */
        pass->number = header->follows;
        pass->chain = header->chain;
    } else if (header->follows != pass->number || header->chain != pass->chain) {
        char text[128];
        (void)snprintf(text, sizeof text,
                       "it follows batch %" PRIu64 ", but the last one before it is %" PRIu64 ": batches are missing",
                       header->follows, pass->number);
        dgraft_inspect_lose(pass);
        dgraft_inspect_tell_lost(pass, path, text);
        pass->number = header->follows;
        pass->chain = header->chain;
    }
    if (pass->map != NULL) {
        dgraft_map_follows(pass->map, header->follows);
    }
    const int error = show_batches(pass, path, segment);
    if (segment->limit == UINT64_MAX && header->file_bytes < header->made_bytes) {
        dgraft_inspect_lose(pass);
    }
    return error;
}

enum dgraft_status dgraft_inspect_segment(struct dgraft_inspect_pass *pass,
                                          const struct dgraft_inspect_segment *segment)
{
    const enum dgraft_status status = segment->gone ? DGRAFT_STATUS_NOT_FOUND : turn_to(pass, segment);
    if (was_dropped(pass, status)) {
        begin_behind(pass);
        return DGRAFT_OK;
    }
    if (status != DGRAFT_OK) {
        return status;
    }
    const int error = show_segment(pass, segment);
    turn_away(pass);
    return error == 0 ? DGRAFT_OK : dgraft_why_errno(pass->why, &pass->disk, "read", segment->name, error);
}
