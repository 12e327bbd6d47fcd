#include "inspect_pass.h"
#include "recovery.h"
#include "segment_pool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_BYTES = 524288 }; /* several batches: each is gone through twice or thrice */

static void show_slots(struct dgraft_inspect_pass *pass, const char *path,
                       const struct dgraft_state_slot slots[DGRAFT_STATE_SLOTS])
{
    for (uint32_t i = 0; i < DGRAFT_STATE_SLOTS; i++) {
        if (pass->visitor->state_slot != NULL) {
            pass->visitor->state_slot(pass->visitor->context, path, &slots[i]);
        }
        if (slots[i].refusal != DGRAFT_ACCEPT && slots[i].refusal != DGRAFT_REFUSAL_VERSION) {
            dgraft_inspect_tell(pass, path, slots[i].offset, DGRAFT_SEVERITY_NOTE, DGRAFT_REMEDY_MENDED,
                                "slot %" PRIu32 ": %s; another slot stands in", i,
                                dgraft_refusal_text(slots[i].refusal));
        }
    }
}

/* Visits the state file's slots. *best is the one in force, with refusal ACCEPT when there is one. */
static enum dgraft_status inspect_state(struct dgraft_inspect_pass *pass, const char *name,
                                        struct dgraft_state_slot *best)
{
    struct dgraft_state_slot slots[DGRAFT_STATE_SLOTS];
    char path[DGRAFT_DISK_PATH_BYTES];
    uint32_t which;
    bool whole;
    const enum dgraft_status status = dgraft_recover_slots(&pass->disk, name, slots, pass->why);
    best->refusal = DGRAFT_REFUSAL_EMPTY;
    dgraft_disk_path(&pass->disk, name, path);
    if (status == DGRAFT_STATUS_NOT_FOUND) {
        dgraft_inspect_tell(pass, path, 0, DGRAFT_SEVERITY_DAMAGE, DGRAFT_REMEDY_DAMAGE,
                            "it is missing: term and vote are lost, or the format never finished");
        return DGRAFT_OK;
    }
    if (status != DGRAFT_OK) {
        return status;
    }
    show_slots(pass, path, slots);
    switch (dgraft_decide_state(slots, &which, &whole)) {
    case DGRAFT_STATE_USE:
        *best = slots[which];
        pass->summary->identity = best->identity;
        pass->summary->has_identity = true;
        pass->summary->term = best->term;
        pass->summary->vote = best->vote;
        break;
    case DGRAFT_STATE_LOST:
        dgraft_inspect_tell(pass, path, 0, DGRAFT_SEVERITY_DAMAGE, DGRAFT_REMEDY_DAMAGE,
                            "no slot can be read: term and vote are lost");
        break;
    case DGRAFT_STATE_MIXED:
        dgraft_inspect_tell(pass, path, 0, DGRAFT_SEVERITY_DAMAGE, DGRAFT_REMEDY_DAMAGE,
                            "its slots contradict each other");
        break;
    case DGRAFT_STATE_TOO_NEW:
        dgraft_inspect_tell(pass, path, 0, DGRAFT_SEVERITY_DAMAGE, DGRAFT_REMEDY_NEWER,
                            "written by a newer version of the format than %u", DGRAFT_FORMAT_VERSION);
        break;
    }
    return DGRAFT_OK;
}

/* Compares the state with what the log knows of it. A running node may have saved it since it was read: read it again.
 */
static void compare_state(struct dgraft_inspect_pass *pass, struct dgraft_state_slot best)
{
    struct dgraft_state_slot slots[DGRAFT_STATE_SLOTS];
    struct dgraft_state_choice choice;
    char path[DGRAFT_DISK_PATH_BYTES];
    uint32_t which;
    bool whole;
    if (best.refusal != DGRAFT_ACCEPT) {
        return;
    }
    const dgraft_term last_term = pass->summary->last.term > pass->summary->snapshot.term
                                      ? pass->summary->last.term
                                      : pass->summary->snapshot.term;
    dgraft_decide_term(&best, pass->saves, pass->saved_term, last_term, &choice);
    if (choice.lost && dgraft_recover_slots(&pass->disk, "state", slots, NULL) == DGRAFT_OK &&
        dgraft_decide_state(slots, &which, &whole) == DGRAFT_STATE_USE) {
        best = slots[which];
        pass->summary->term = best.term;
        pass->summary->vote = best.vote;
        dgraft_decide_term(&best, pass->saves, pass->saved_term, last_term, &choice);
    }
    if (choice.lost) {
        dgraft_disk_path(&pass->disk, "state", path);
        dgraft_inspect_tell(pass, path, best.offset, DGRAFT_SEVERITY_DAMAGE,
                            "look at the disk, which lost a save that was synced; the next start goes on by itself",
                            "the newest save is lost: the log knows of save %" PRIu64 " in term %" PRIu64
                            ", the file of %" PRIu64 " in term %" PRIu64 "; the next start goes on in term %" PRIu64
                            " and votes for nobody in it",
                            pass->saves, pass->saved_term, best.version, best.term, choice.term);
    }
}

struct names {
    struct dgraft_inspect_pass *pass;
    bool state;
    bool segments;
    bool snapshots;
    bool lock;
};

static int note_name(void *context, const char *name)
{
    struct names *names = context;
    char path[DGRAFT_DISK_PATH_BYTES];
    if (strcmp(name, "state") == 0) {
        names->state = true;
    } else if (strcmp(name, "lock") == 0) {
        names->lock = true;
    } else if (dgraft_segment_sequence(name) != 0) {
        names->segments = true;
    } else if (dgraft_pool_number(name) != 0) {
        names->pass->summary->spares += dgraft_pool_number(name) == UINT64_MAX ? 0 : 1;
    } else if (dgraft_snapshot_named(name).index != 0 || strcmp(name, "snapshot.new") == 0 ||
               strcmp(name, "snapshot.part") == 0) {
        names->snapshots = true;
    } else {
        dgraft_disk_path(&names->pass->disk, name, path);
        dgraft_inspect_tell(names->pass, path, 0, DGRAFT_SEVERITY_NOTE,
                            "nothing; it may be removed when you know whose it is",
                            "not a file of a node's directory: ignored");
    }
    return 0;
}

static bool is_running(struct dgraft_inspect_pass *pass)
{
    const int file = dgraft_disk_open(&pass->disk, "lock", DGRAFT_FS_READ);
    if (file < 0) {
        return false;
    }
    const bool held = dgraft_disk_locked(&pass->disk, file) > 0;
    dgraft_disk_close(&pass->disk, file);
    return held;
}

/* Reads all headers; decides which segments' words about earlier ones are in force. */
static enum dgraft_status read_headers(struct dgraft_inspect_pass *pass, struct dgraft_inspect_segment *segments,
                                       const uint64_t *sequences, size_t count)
{
    enum dgraft_status status = DGRAFT_OK;
    for (size_t i = 0; i < count && status == DGRAFT_OK; i++) {
        segments[i].sequence = sequences[i];
        segments[i].newest = i + 1 == count;
        segments[i].only = count == 1;
        dgraft_segment_name(sequences[i], segments[i].name);
        status = dgraft_inspect_header(pass, &segments[i]);
        if (segments[i].header.refusal == DGRAFT_ACCEPT && !pass->summary->has_identity) {
            pass->summary->identity = segments[i].header.identity;
            pass->summary->has_identity = true;
        }
    }
    pass->scan.store = pass->summary->identity.store;
    uint64_t limit = UINT64_MAX;
    bool top = false;
    for (size_t i = count; i-- > 0 && status == DGRAFT_OK;) {
        struct dgraft_inspect_segment *segment = &segments[i];
        segment->limit = limit;
        if (segment->header.refusal != DGRAFT_ACCEPT ||
            !dgraft_identity_equal(&segment->header.identity, &pass->summary->identity)) {
            continue;
        }
        if (segment->header.follows > pass->required) {
            pass->required = segment->header.follows;
        }
        if (!top) {
            status = dgraft_inspect_first(pass, segment, &top);
            segment->void_ = !top;
        }
        if (top && segment->header.first_batch <= limit) {
            limit = segment->header.follows;
        }
    }
    return status;
}

/* A void segment's header speaks of a log that did not come to be: it only holds what was torn. Where nothing lies
 * before it, there is nothing to compare it with. */
static void tell_void(struct dgraft_inspect_pass *pass, struct dgraft_inspect_segment *segment)
{
    if (segment->void_ && !pass->log.open) {
        segment->header.follows = pass->number;
        segment->header.chain = pass->chain;
    }
}

/* Says whether entries between the newest snapshot and the log's beginning are missing. A running node may have made a
 * snapshot, and dropped the log before it, since ours was looked at. */
static bool has_hole(struct dgraft_inspect_pass *pass)
{
    struct dgraft_snapshot_header header;
    struct dgraft_inspect_summary *summary = pass->summary;
    const bool hole = !pass->broken && pass->log.base.index > summary->snapshot.index;
    if (hole && summary->running &&
        dgraft_recover_snapshot(&pass->disk, &summary->identity, &header, NULL, NULL) == DGRAFT_OK &&
        header.refusal == DGRAFT_ACCEPT) {
        summary->snapshot = header.snapshot.position;
        summary->snapshot_bytes = header.snapshot.size;
    }
    return hole && pass->log.base.index > summary->snapshot.index;
}

/* What a log that begins late lacks may have been written again in its younger segments. */
static bool is_mended(struct dgraft_inspect_pass *pass)
{
    dgraft_start_ask(&pass->start, &pass->disk, pass->summary->running);
    return pass->start.status == DGRAFT_OK && pass->start.lost.count == 0;
}

static enum dgraft_status inspect_segments(struct dgraft_inspect_pass *pass, const uint64_t *sequences, size_t count)
{
    struct dgraft_inspect_segment *segments = calloc(count == 0 ? 1 : count, sizeof *segments);
    if (segments == NULL) {
        return dgraft_why_errno(pass->why, &pass->disk, "read", "", -ENOMEM);
    }
    enum dgraft_status status = read_headers(pass, segments, sequences, count);
    for (size_t i = 0; i < count && status == DGRAFT_OK; i++) {
        const bool dropped = i == 0 && (pass->summary->snapshot.index != 0 || pass->log.open); /* it may begin later */
        const uint64_t expected = i > 0 ? sequences[i - 1] + 1 : dropped ? sequences[0] : 1;
        pass->log.open = pass->log.open || (dropped && sequences[0] != 1);
        if (sequences[i] != expected) {
            char name[DGRAFT_SEGMENT_NAME_BYTES];
            char path[DGRAFT_DISK_PATH_BYTES];
            dgraft_segment_name(expected, name);
            dgraft_disk_path(&pass->disk, name, path);
            dgraft_inspect_lose(pass);
            dgraft_inspect_tell_lost(pass, path, "it is missing, but a later segment is there");
        }
        tell_void(pass, &segments[i]);
        status = dgraft_inspect_segment(pass, &segments[i]);
    }
    if (status == DGRAFT_OK && has_hole(pass) && !is_mended(pass)) {
        char path[DGRAFT_DISK_PATH_BYTES];
        dgraft_disk_path(&pass->disk, segments[0].name, path);
        dgraft_inspect_tell(pass, path, 0, DGRAFT_SEVERITY_DAMAGE,
                            pass->start.status == DGRAFT_OK ? DGRAFT_REMEDY_FETCH : DGRAFT_REMEDY_DAMAGE,
                            "the log begins behind index %" PRIu64 ", later than the newest snapshot ends: entries "
                            "between them are missing",
                            pass->log.base.index);
    }
    free(segments);
    return status;
}

/* Shows the newest snapshot, and says whether it is whole. */
static enum dgraft_status inspect_snapshot(struct dgraft_inspect_pass *pass, const struct dgraft_identity *identity)
{
    struct dgraft_snapshot_header header;
    char name[DGRAFT_SNAPSHOT_NAME_BYTES] = "";
    char path[DGRAFT_DISK_PATH_BYTES];
    struct dgraft_why why = {""};
    enum dgraft_status status = dgraft_recover_snapshot(&pass->disk, identity, &header, NULL, &why);
    for (int again = 0; again < 8 && status == DGRAFT_STATUS_NOT_FOUND && pass->summary->running; again++) {
        status = dgraft_recover_snapshot(&pass->disk, identity, &header, NULL, &why); /* a newer one took its place */
    }
    if (header.refusal == DGRAFT_ACCEPT) {
        dgraft_snapshot_name(header.snapshot.position, name);
    }
    dgraft_disk_path(&pass->disk, name, path);
    if (header.refusal == DGRAFT_ACCEPT && pass->visitor->snapshot != NULL) {
        pass->visitor->snapshot(pass->visitor->context, path, &header);
    }
    if (status == DGRAFT_OK && header.refusal == DGRAFT_ACCEPT) {
        pass->summary->snapshot = header.snapshot.position;
        pass->summary->snapshot_bytes = header.snapshot.size;
        return DGRAFT_OK;
    }
    if (status == DGRAFT_STATUS_DAMAGED || status == DGRAFT_STATUS_FOREIGN || status == DGRAFT_STATUS_TOO_NEW) {
        char *remedy = strstr(why.text, ". " DGRAFT_REMEDY_DAMAGE);
        if (remedy != NULL) {
            *remedy = '\0'; /* it stands beside the text here */
        }
        if (status == DGRAFT_STATUS_DAMAGED) {
            dgraft_inspect_tell_lost(pass, path, why.text);
        } else {
            dgraft_inspect_tell(pass, path, 0, DGRAFT_SEVERITY_DAMAGE,
                                status == DGRAFT_STATUS_FOREIGN ? "put each file where it belongs"
                                                                : DGRAFT_REMEDY_NEWER,
                                "%.400s", why.text);
        }
        return DGRAFT_OK;
    }
    if (status != DGRAFT_OK && pass->why != NULL) {
        *pass->why = why;
    }
    return status;
}

/* All segments that were listed have been dropped since: lists again, and goes on with those that are there now. */
static enum dgraft_status inspect_newer(struct dgraft_inspect_pass *pass)
{
    uint64_t *sequences;
    size_t count;
    const int error = dgraft_recover_list(&pass->disk, &sequences, &count);
    if (error != 0) {
        return dgraft_why_errno(pass->why, &pass->disk, "list", "", error);
    }
    const enum dgraft_status status = inspect_segments(pass, sequences, count);
    free(sequences);
    return status;
}

/* What a start finds and no finding says yet: what damaged batches took with them that none of them held. */
static void tell_rest(struct dgraft_inspect_pass *pass, const char *path)
{
    const struct dgraft_inspect_start *start = &pass->start;
    const bool running = pass->summary->running;
    if (start->status != DGRAFT_OK && !running) {
        dgraft_inspect_tell(pass, path, 0, DGRAFT_SEVERITY_DAMAGE, DGRAFT_REMEDY_DAMAGE,
                            "the next start refuses it: %.300s", start->why.text);
    }
    for (uint32_t i = 0; start->status == DGRAFT_OK && i < start->lost.count; i++) {
        dgraft_inspect_tell(
            pass, path, 0, DGRAFT_SEVERITY_DAMAGE, running ? DGRAFT_REMEDY_FETCHING : DGRAFT_REMEDY_FETCH,
            "entries %" PRIu64 " to %" PRIu64 " cannot be read", start->lost.items[i].first, start->lost.items[i].last);
    }
}

/* Where batches are damaged, or mend, the summary says what a start would find. */
static void tell_start(struct dgraft_inspect_pass *pass, const char *path)
{
    struct dgraft_inspect_start *start = &pass->start;
    struct dgraft_inspect_summary *summary = pass->summary;
    if (!start->asked && !pass->mends && summary->damages == 0) {
        return;
    }
    if (summary->running) { /* it has gone on since */
        dgraft_start_free(start);
    }
    dgraft_start_ask(start, &pass->disk, summary->running);
    summary->refused = start->status != DGRAFT_OK;
    if (summary->damages == 0) {
        tell_rest(pass, path);
    }
    if (summary->refused) {
        return;
    }
    const struct dgraft_log *log = &start->recovery.log;
    const dgraft_index first = log->base.index + 1;
    summary->first = (struct dgraft_position){0, 0};
    if (first <= log->last.index) {
        summary->first = (struct dgraft_position){first, dgraft_log_term(log, first)};
    }
    summary->last = log->last;
    for (uint32_t i = 0; i < start->lost.count; i++) {
        summary->salvaged += start->lost.items[i].last - start->lost.items[i].first + 1;
    }
    for (uint32_t i = 0; i < start->missing.count; i++) {
        const struct dgraft_hole *hole = &start->missing.items[i];
        summary->missing[i] = (struct dgraft_inspect_stretch){hole->first, hole->last};
        summary->salvaged -= hole->last - hole->first + 1;
    }
    summary->missing_count = start->missing.count;
}

static enum dgraft_status inspect_directory(struct dgraft_inspect_pass *pass)
{
    struct names names = {.pass = pass};
    struct dgraft_state_slot best = {.refusal = DGRAFT_REFUSAL_EMPTY};
    char path[DGRAFT_DISK_PATH_BYTES];
    uint64_t *sequences = NULL;
    size_t count = 0;
    dgraft_disk_path(&pass->disk, "", path);
    const int error = pass->disk.fs->ops->list(pass->disk.fs, pass->disk.directory, note_name, &names);
    if (error != 0) {
        return dgraft_why_errno(pass->why, &pass->disk, "list", "", error);
    }
    if (!names.state && !names.segments) {
        return dgraft_why_set(pass->why, DGRAFT_STATUS_DAMAGED,
                              "%.250s is no node's directory: it has neither `state` nor segments of a log", path);
    }
    pass->summary->running = is_running(pass);
    /* Before the snapshot is: what a running node drops in between is then known to have been there. */
    const int listed = dgraft_recover_list(&pass->disk, &sequences, &count);
    if (listed != 0) {
        return dgraft_why_errno(pass->why, &pass->disk, "list", "", listed);
    }
    enum dgraft_status status = inspect_state(pass, "state", &best);
    if (status == DGRAFT_OK && !names.segments) {
        dgraft_inspect_tell(pass, path, 0, DGRAFT_SEVERITY_DAMAGE, DGRAFT_REMEDY_DAMAGE, "the log is missing");
    }
    if (status == DGRAFT_OK && (names.snapshots || pass->summary->running)) {
        status = inspect_snapshot(pass, &pass->summary->identity);
    }
    if (status == DGRAFT_OK) {
        status = inspect_segments(pass, sequences, count);
    }
    free(sequences);
    for (int again = 0; again < 8 && status == DGRAFT_OK && pass->outdated; again++) {
        status = inspect_newer(pass);
    }
    if (status == DGRAFT_OK && names.segments && pass->number == 0 && pass->summary->damages == 0) {
        dgraft_inspect_tell(pass, path, 0, DGRAFT_SEVERITY_DAMAGE, DGRAFT_REMEDY_DAMAGE,
                            "no segment holds a batch, but every log begins with one");
    }
    if (status == DGRAFT_OK) {
        compare_state(pass, best);
    }
    if (status == DGRAFT_OK && pass->number == 0) {
        dgraft_inspect_lose(pass);
    }
    if (status == DGRAFT_OK) {
        tell_start(pass, path);
    }
    if (status == DGRAFT_OK && pass->map != NULL) {
        if (pass->start.asked && pass->start.status == DGRAFT_OK) {
            dgraft_map_free(pass->map);
            dgraft_start_map(&pass->start, pass->map);
        }
        dgraft_map_finish(pass->map, pass->summary->snapshot.index);
        status = pass->map->failed ? dgraft_why_errno(pass->why, &pass->disk, "read", "", -ENOMEM) : DGRAFT_OK;
    }
    return status;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* A single file says by its beginning what it is, and by its name when that is gone. */
static enum dgraft_file_type type_of(struct dgraft_inspect_pass *pass, const char *path, int *error)
{
    uint8_t magic[4] = {0};
    const int file = dgraft_disk_open(&pass->disk, "", DGRAFT_FS_READ);
    const int64_t got = file < 0 ? file : dgraft_disk_read(&pass->disk, file, magic, sizeof magic, 0);
    dgraft_disk_close(&pass->disk, file);
    *error = got < 0 ? (int)got : 0;
    if (memcmp(magic, "dgst", 4) == 0 || strcmp(last_part(path), "state") == 0) {
        return DGRAFT_FILE_STATE;
    }
    if (memcmp(magic, "dglg", 4) == 0 || dgraft_segment_sequence(last_part(path)) != 0) {
        return DGRAFT_FILE_SEGMENT;
    }
    return dgraft_pool_number(last_part(path)) != 0 ? DGRAFT_FILE_SPARE : DGRAFT_FILE_UNKNOWN;
}

static enum dgraft_status inspect_file(struct dgraft_inspect_pass *pass, const char *path)
{
    struct dgraft_state_slot best;
    int error;
    pass->single = true;
    const enum dgraft_file_type type = type_of(pass, path, &error);
    if (error != 0) {
        return dgraft_why_errno(pass->why, &pass->disk, "read", "", error);
    }
    if (type == DGRAFT_FILE_STATE) {
        return inspect_state(pass, "", &best);
    }
    if (type == DGRAFT_FILE_SPARE) {
        pass->summary->spares = 1;
        dgraft_inspect_tell(pass, path, 0, DGRAFT_SEVERITY_NOTE, DGRAFT_REMEDY_NOTHING,
                            "a segment prepared for later: nothing that it holds is part of the log");
        return DGRAFT_OK;
    }
    if (type == DGRAFT_FILE_UNKNOWN) {
        return dgraft_why_set(pass->why, DGRAFT_STATUS_DAMAGED, "%.250s is no file of a node's directory", path);
    }
    struct dgraft_inspect_segment segment = {.newest = true, .limit = UINT64_MAX};
    const enum dgraft_status status = dgraft_inspect_header(pass, &segment);
    if (status != DGRAFT_OK) {
        return status;
    }
    segment.sequence = dgraft_segment_sequence(last_part(path));
    if (segment.header.refusal == DGRAFT_ACCEPT) {
        segment.sequence = segment.sequence == 0 ? segment.header.sequence : segment.sequence;
        pass->summary->identity = segment.header.identity;
        pass->summary->has_identity = true;
        pass->scan.store = segment.header.identity.store;
    }
    return dgraft_inspect_segment(pass, &segment);
}

static int stop(void *context, const char *name)
{
    (void)context;
    (void)name;
    return 1;
}

enum dgraft_status dgraft_inspect(struct dgraft_fs *fs, const char *path, const struct dgraft_inspect_visitor *visitor,
                                  struct dgraft_inspect_summary *summary, struct dgraft_why *why)
{
    return dgraft_inspect_mapped(fs, path, visitor, summary, NULL, why);
}

enum dgraft_status dgraft_inspect_mapped(struct dgraft_fs *fs, const char *path,
                                         const struct dgraft_inspect_visitor *visitor,
                                         struct dgraft_inspect_summary *summary, struct dgraft_map *map,
                                         struct dgraft_why *why)
{
    struct dgraft_inspect_pass pass;
    memset(&pass, 0, sizeof pass);
    memset(summary, 0, sizeof *summary);
    pass.visitor = visitor;
    pass.summary = summary;
    pass.why = why;
    pass.map = map;
    dgraft_disk_init(&pass.disk, fs, path);
    dgraft_window_init(&pass.scan.window, &pass.disk, WINDOW_BYTES);
    if (!dgraft_log_init(&pass.log, 256)) {
        return dgraft_why_errno(why, &pass.disk, "read", "", -ENOMEM);
    }
    const int listed = fs->ops->list(fs, path, stop, NULL);
    enum dgraft_status status;
    if (listed >= 0) {
        status = inspect_directory(&pass);
    } else if (listed == -ENOTDIR && map == NULL) {
        status = inspect_file(&pass, path);
    } else {
        status = dgraft_why_errno(why, &pass.disk, "open", "", listed);
    }
    dgraft_window_free(&pass.scan.window);
    dgraft_plan_free(&pass.plan);
    dgraft_log_free(&pass.log);
    dgraft_start_free(&pass.start);
    return status;
}
