#include "recovery_pass.h"

#include "stateless.h"
#include "storage_why.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_BYTES = 262144 };

/* What the table was asked, and what it said. */
struct dgraft_judgement {
    struct dgraft_batch_facts facts;
    enum dgraft_batch_verdict verdict;
};

static enum dgraft_status describe(struct dgraft_pass *pass, uint64_t sequence, uint64_t offset, dgraft_index index,
                                   const char *what, const char *remedy)
{
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    char path[DGRAFT_DISK_PATH_BYTES];
    dgraft_segment_name(sequence, name);
    dgraft_disk_path(pass->disk, name, path);
    return dgraft_why_set(pass->why, DGRAFT_STATUS_DAMAGED, "%.160s, offset %" PRIu64 ", index %" PRIu64 ": %s%s", path,
                          offset, index, what, remedy);
}

void dgraft_pass_note(struct dgraft_pass *pass, uint64_t offset, dgraft_index index, const char *what)
{
    struct dgraft_why *why = pass->why;
    if (pass->out->damage.text[0] == '\0') {
        pass->why = &pass->out->damage;
        (void)describe(pass, pass->scan.sequence, offset, index, what, "");
        pass->why = why;
    }
}

enum dgraft_status dgraft_pass_damaged(struct dgraft_pass *pass, uint64_t sequence, uint64_t offset, dgraft_index index,
                                       const char *what)
{
    return describe(pass, sequence, offset, index, what, "; nothing was changed. " DGRAFT_REMEDY_DAMAGE);
}

enum dgraft_status dgraft_pass_failed(struct dgraft_pass *pass, uint64_t sequence, int error)
{
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    dgraft_segment_name(sequence, name);
    return dgraft_why_errno(pass->why, pass->disk, "read", name, error);
}

enum dgraft_status dgraft_recover_slots(struct dgraft_disk *disk, const char *name,
                                        struct dgraft_state_slot slots[DGRAFT_STATE_SLOTS], struct dgraft_why *why)
{
    uint8_t block[DGRAFT_BLOCK_BYTES];
    const int file = dgraft_disk_open(disk, name, DGRAFT_FS_READ);
    if (file < 0) {
        return dgraft_why_errno(why, disk, "open", name, file);
    }
    for (uint32_t i = 0; i < DGRAFT_STATE_SLOTS; i++) {
        const int64_t got = dgraft_disk_read(disk, file, block, sizeof block, (uint64_t)i * sizeof block);
        if (got < 0) {
            dgraft_disk_close(disk, file);
            return dgraft_why_errno(why, disk, "read", name, got);
        }
        dgraft_slot_decode(block, (size_t)got, i, &slots[i]);
    }
    dgraft_disk_close(disk, file);
    return DGRAFT_OK;
}

static enum dgraft_status recover_state(struct dgraft_pass *pass)
{
    struct dgraft_state_slot slots[DGRAFT_STATE_SLOTS] = {{0}};
    char path[DGRAFT_DISK_PATH_BYTES];
    uint32_t best;
    const enum dgraft_status status = dgraft_recover_slots(pass->disk, "state", slots, pass->why);
    dgraft_disk_path(pass->disk, "state", path);
    if (status == DGRAFT_STATUS_NOT_FOUND) {
        return dgraft_why_stateless(pass->why, pass->disk);
    }
    if (status != DGRAFT_OK) {
        return status;
    }
    switch (dgraft_decide_state(slots, &best, &pass->out->state_whole)) {
    case DGRAFT_STATE_USE:
        break;
    case DGRAFT_STATE_LOST:
        return dgraft_why_set(
            pass->why, DGRAFT_STATUS_DAMAGED,
            "%.160s, offset 0: none of the four slots can be read (%s): term and vote are lost; nothing "
            "was changed. %s",
            path, dgraft_refusal_text(slots[0].refusal), DGRAFT_REMEDY_DAMAGE);
    case DGRAFT_STATE_MIXED:
        return dgraft_why_set(pass->why, DGRAFT_STATUS_DAMAGED,
                              "%.160s: its slots contradict each other; nothing was changed. %s", path,
                              DGRAFT_REMEDY_DAMAGE);
    case DGRAFT_STATE_TOO_NEW:
        return dgraft_why_set(pass->why, DGRAFT_STATUS_TOO_NEW,
                              "%.250s was written by a newer version of the format than %u; use the newer program",
                              path, DGRAFT_FORMAT_VERSION);
    }
    pass->out->slot = slots[best];
    pass->out->identity = slots[best].identity;
    return DGRAFT_OK;
}

struct listing {
    uint64_t *sequences;
    size_t count;
    size_t capacity;
};

static int list_name(void *context, const char *name)
{
    struct listing *listing = context;
    const uint64_t sequence = dgraft_segment_sequence(name);
    if (sequence == 0) {
        return 0;
    }
    if (listing->count == listing->capacity) {
        const size_t capacity = listing->capacity == 0 ? 64 : listing->capacity * 2;
        uint64_t *larger = realloc(listing->sequences, capacity * sizeof *larger);
        if (larger == NULL) {
            return -ENOMEM;
        }
        listing->sequences = larger;
        listing->capacity = capacity;
    }
    listing->sequences[listing->count++] = sequence;
    return 0;
}

static int compare_sequences(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

int dgraft_recover_list(struct dgraft_disk *disk, uint64_t **out, size_t *count)
{
    struct listing listing = {NULL, 0, 0};
    int result;
    int tries = 0;
    do {
        listing.count = 0;
        result = disk->fs->ops->list(disk->fs, disk->directory, list_name, &listing);
    } while (result == -EINTR && ++tries < 1000);
    if (result != 0) {
        free(listing.sequences);
        *out = NULL;
        *count = 0;
        return result;
    }
    if (listing.count > 0) {
        qsort(listing.sequences, listing.count, sizeof *listing.sequences, compare_sequences);
    }
    *out = listing.sequences;
    *count = listing.count;
    return 0;
}

/* Opens a segment and turns the window to it. The caller closes the file that is returned; negative errno on failure.
 */
static int turn_to(struct dgraft_pass *pass, uint64_t sequence, uint64_t *file_bytes)
{
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    dgraft_segment_name(sequence, name);
    const int file = dgraft_disk_open(pass->disk, name, DGRAFT_FS_READ);
    if (file < 0) {
        return file;
    }
    const int64_t size = dgraft_disk_size(pass->disk, file);
    if (size < 0) {
        dgraft_disk_close(pass->disk, file);
        return (int)size;
    }
    *file_bytes = (uint64_t)size;
    pass->scan.sequence = sequence;
    dgraft_window_turn(&pass->scan.window, file, *file_bytes);
    return file;
}

/* Reads one segment's header and asks the table about it. */
static enum dgraft_status read_header(struct dgraft_pass *pass, size_t at)
{
    struct dgraft_recovery *out = pass->out;
    struct dgraft_segment *segment = &out->segments[at];
    const int file = turn_to(pass, segment->sequence, &segment->file_bytes);
    if (file < 0) {
        return dgraft_pass_failed(pass, segment->sequence, file);
    }
    const size_t size = segment->file_bytes < DGRAFT_BLOCK_BYTES ? (size_t)segment->file_bytes : DGRAFT_BLOCK_BYTES;
    int error = 0;
    uint64_t behind = DGRAFT_BLOCK_BYTES;
    const uint8_t *bytes = dgraft_window_view(&pass->scan.window, 0, size, &error);
    if (error == 0) {
        dgraft_segment_decode(bytes == NULL ? (const uint8_t *)"" : bytes, bytes == NULL ? 0 : size, &segment->header);
        if (segment->header.refusal != DGRAFT_ACCEPT) {
            error = dgraft_scan_zeros(&pass->scan, DGRAFT_BLOCK_BYTES, &behind);
        }
    }
    dgraft_disk_close(pass->disk, file);
    if (error != 0) {
        return dgraft_pass_failed(pass, segment->sequence, error);
    }
    const struct dgraft_segment_facts facts = {
        .header = segment->header.refusal,
        .newest = at + 1 == out->segment_count,
        .only = out->segment_count == 1,
        .behind = behind > DGRAFT_BLOCK_BYTES,
        .own = dgraft_identity_equal(&segment->header.identity, &out->identity),
        .named_well = segment->header.sequence == segment->sequence,
    };
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    char path[DGRAFT_DISK_PATH_BYTES];
    dgraft_segment_name(segment->sequence, name);
    dgraft_disk_path(pass->disk, name, path);
    segment->end = DGRAFT_BLOCK_BYTES;
    switch (dgraft_decide_segment(&facts)) {
    case DGRAFT_SEGMENT_READ:
        segment->use = DGRAFT_USE_FORCE;
        return DGRAFT_OK;
    case DGRAFT_SEGMENT_SPARE:
        segment->use = DGRAFT_USE_SPARE;
        return DGRAFT_OK;
    case DGRAFT_SEGMENT_LOST:
        segment->use = DGRAFT_USE_LOST;
        pass->scan.sequence = segment->sequence;
        dgraft_pass_note(pass, 0, 0, "the segment's header cannot be read");
        return DGRAFT_OK;
    case DGRAFT_SEGMENT_DAMAGED:
        return dgraft_pass_damaged(pass, segment->sequence, 0, 0,
                                   facts.header == DGRAFT_ACCEPT
                                       ? "the header is that of another segment: the file was renamed"
                                       : "the segment's header cannot be read");
    case DGRAFT_SEGMENT_FOREIGN:
        return dgraft_why_set(
            pass->why, DGRAFT_STATUS_FOREIGN,
            "%.160s belongs to node %" PRIu32 ", store %016" PRIx64 " of cluster %.63s; this directory to "
            "node %" PRIu32 ", store %016" PRIx64 " of cluster %.63s; put each file where it belongs",
            path, segment->header.identity.node, segment->header.identity.store, segment->header.identity.cluster_name,
            out->identity.node, out->identity.store, out->identity.cluster_name);
    case DGRAFT_SEGMENT_TOO_NEW:
        break;
    }
    return dgraft_why_set(pass->why, DGRAFT_STATUS_TOO_NEW,
                          "%.250s was written by a newer version of the format than %u; use the newer program", path,
                          DGRAFT_FORMAT_VERSION);
}

static enum dgraft_status read_headers(struct dgraft_pass *pass)
{
    struct dgraft_recovery *out = pass->out;
    uint64_t *sequences;
    size_t count;
    const int error = dgraft_recover_list(pass->disk, &sequences, &count);
    if (error != 0) {
        return dgraft_why_errno(pass->why, pass->disk, "list", "", error);
    }
    enum dgraft_status status = DGRAFT_OK;
    out->segments = calloc(count == 0 ? 1 : count, sizeof *out->segments);
    out->segment_count = out->segments == NULL ? 0 : count;
    if (out->segments == NULL) {
        status = dgraft_why_errno(pass->why, pass->disk, "read", "", -ENOMEM);
    } else if (count == 0) {
        status = dgraft_pass_damaged(pass, 1, 0, 1, "the log is missing");
    }
    for (size_t i = 0; i < out->segment_count && status == DGRAFT_OK; i++) {
        out->segments[i].sequence = sequences[i];
        if (i > 0 && sequences[i] != sequences[i - 1] + 1) {
            pass->scan.sequence = sequences[i - 1] + 1;
            dgraft_pass_note(pass, 0, 0, "this segment is missing, but a later one is there");
        }
    }
    free(sequences);
    for (size_t i = 0; i < out->segment_count && status == DGRAFT_OK; i++) {
        status = read_header(pass, i);
    }
    return status;
}

/* Asks the table about what stands at an offset, once it is known not to be good. */
static enum dgraft_status judge(struct dgraft_pass *pass, uint64_t offset, uint64_t number, uint64_t limit,
                                struct dgraft_judgement *out)
{
    out->facts = (struct dgraft_batch_facts){
        .look = pass->scanned.look, .fenced = number > limit, .required = number <= pass->required};
    if (!out->facts.fenced && out->facts.look == DGRAFT_LOOK_BROKEN) {
        uint64_t later = 0;
        const int error = dgraft_scan_later(&pass->scan, offset + 8, number, &later);
        if (error != 0) {
            return dgraft_pass_failed(pass, pass->scan.sequence, error);
        }
        out->facts.later = later != 0;
    }
    out->verdict = dgraft_decide_batch(&out->facts);
    return DGRAFT_OK;
}

/* Says what is wrong with what was judged. */
static const char *judged(const struct dgraft_pass *pass, const struct dgraft_judgement *judgement)
{
    if (judgement->facts.look == DGRAFT_LOOK_WRONG) {
        return dgraft_refusal_text(pass->scanned.batch.refusal);
    }
    return judgement->facts.later ? "a batch is damaged, but a later one lies behind it: it was acknowledged"
                                  : "a batch is damaged or missing, but a later segment says it was synced";
}

static enum dgraft_status refuse(struct dgraft_pass *pass, const struct dgraft_judgement *judgement, uint64_t offset,
                                 dgraft_index index)
{
    return dgraft_pass_damaged(pass, pass->scan.sequence, offset, index, judged(pass, judgement));
}

/* Finds the newest segment that holds a finished batch. Those behind it are void: each had its header, but a crash came
 * before its first batch was whole, so what its header says of earlier segments is not yet in force. */
static enum dgraft_status find_top(struct dgraft_pass *pass, size_t *top)
{
    struct dgraft_recovery *out = pass->out;
    for (size_t i = out->segment_count; i-- > 0;) {
        struct dgraft_segment *segment = &out->segments[i];
        if (segment->use == DGRAFT_USE_SPARE) {
            continue;
        }
        if (segment->use == DGRAFT_USE_LOST) {
            return dgraft_pass_damaged(pass, segment->sequence, 0, 0,
                                       "the segment's header cannot be read, and no newer segment says what was in it");
        }
        const int file = turn_to(pass, segment->sequence, &segment->file_bytes);
        if (file < 0) {
            return dgraft_pass_failed(pass, segment->sequence, file);
        }
        if (segment->file_bytes < segment->header.made_bytes) {
            /* Only segments with a newer one in force are ever shortened. */
            dgraft_disk_close(pass->disk, file);
            return dgraft_pass_damaged(
                pass, segment->sequence, segment->file_bytes, segment->header.first,
                "the file is shorter than it was made: its end, and what was written there, is missing");
        }
        int error = dgraft_scan_batch(&pass->scan, DGRAFT_BLOCK_BYTES, &pass->scanned, NULL);
        if (error == 0 && pass->scanned.look == DGRAFT_LOOK_GOOD) {
            dgraft_disk_close(pass->disk, file);
            *top = i;
            return DGRAFT_OK;
        }
        struct dgraft_judgement judgement = {.verdict = DGRAFT_BATCH_END};
        enum dgraft_status status = error != 0 ? dgraft_pass_failed(pass, segment->sequence, error) : DGRAFT_OK;
        if (status == DGRAFT_OK) {
            status = judge(pass, DGRAFT_BLOCK_BYTES, segment->header.first_batch, UINT64_MAX, &judgement);
        }
        if (status == DGRAFT_OK && judgement.verdict == DGRAFT_BATCH_DAMAGED) {
            if (judgement.facts.look == DGRAFT_LOOK_BROKEN && judgement.facts.later) {
                dgraft_disk_close(pass->disk, file);
                *top = i; /* in force: its first batch was finished once, or there would be no later one */
                return DGRAFT_OK;
            }
            status = refuse(pass, &judgement, DGRAFT_BLOCK_BYTES, segment->header.first);
        }
        if (status == DGRAFT_OK && judgement.verdict == DGRAFT_BATCH_TORN) {
            uint64_t end;
            out->torn = true;
            error = dgraft_scan_zeros(&pass->scan, DGRAFT_BLOCK_BYTES, &end);
            out->torn_bytes += end - DGRAFT_BLOCK_BYTES;
            status = error != 0 ? dgraft_pass_failed(pass, segment->sequence, error) : DGRAFT_OK;
        }
        dgraft_disk_close(pass->disk, file);
        if (status != DGRAFT_OK) {
            return status;
        }
        segment->use = DGRAFT_USE_VOID;
        if (segment->header.follows > pass->required) {
            pass->required = segment->header.follows;
        }
        if (segment->header.first_batch >= out->next_number) {
            out->next_number = segment->header.first_batch + 1;
        }
    }
    return dgraft_pass_damaged(pass, 1, DGRAFT_BLOCK_BYTES, 1,
                               "no segment holds a batch, but every log begins with one");
}

/* Puts the batch that was read last into the index: a later one proves it durable. */
static enum dgraft_status settle_last(struct dgraft_pass *pass)
{
    struct dgraft_recovery *out = pass->out;
    if (!pass->has_last) {
        return DGRAFT_OK;
    }
    if (!dgraft_log_reserve(&out->log, &out->last)) {
        return dgraft_why_errno(pass->why, pass->disk, "read", "", -ENOMEM);
    }
    if (out->last.batch.keep < out->log.last.index || out->last.batch.restart) {
        dgraft_salvage_clip(out, out->last.batch.restart ? 0 : out->last.batch.keep);
    }
    dgraft_log_apply(&out->log, &out->last);
    pass->has_last = false;
    return DGRAFT_OK;
}

/* Walks the batches of one file from offset on, up to the one that holds the entry. */
static int walk_to(struct dgraft_pass *pass, const struct dgraft_extent *extent, dgraft_index index, dgraft_term *term)
{
    struct dgraft_scan scan = {.store = pass->scan.store, .sequence = extent->sequence};
    struct dgraft_plan found;
    uint64_t offset = extent->offset;
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    memset(&found, 0, sizeof found);
    dgraft_segment_name(extent->sequence, name);
    const int file = dgraft_disk_open(pass->disk, name, DGRAFT_FS_READ);
    const int64_t size = file < 0 ? file : dgraft_disk_size(pass->disk, file);
    int error = size < 0 ? (int)size : 0;
    dgraft_window_init(&scan.window, pass->disk, WINDOW_BYTES);
    dgraft_window_turn(&scan.window, file, size < 0 ? 0 : (uint64_t)size);
    while (error == 0 && *term == 0) {
        struct dgraft_scanned scanned;
        error = dgraft_scan_batch(&scan, offset, &scanned, &found);
        if (error != 0 || scanned.look != DGRAFT_LOOK_GOOD) {
            break;
        }
        if (scanned.batch.first <= index && found.last.index >= index) {
            for (size_t i = 0; i < found.run_count; i++) {
                *term = found.runs[i].first <= index ? found.runs[i].term : *term;
            }
        }
        offset += scanned.batch.length;
    }
    dgraft_disk_close(pass->disk, file);
    dgraft_window_free(&scan.window);
    dgraft_plan_free(&found);
    return error;
}

enum dgraft_status dgraft_pass_term(struct dgraft_pass *pass, dgraft_index index, dgraft_term *term)
{
    const struct dgraft_log *log = &pass->out->log;
    *term = dgraft_log_term(log, index);
    /* What lies before the beginning of a log is in a snapshot, and its terms are nobody's business any more. */
    if (*term != 0 || index <= log->base.index || index > log->last.index || dgraft_holes_have(&log->holes, index)) {
        return DGRAFT_OK;
    }
    const struct dgraft_extent *extent = dgraft_log_extent(log, index);
    const int error = extent == NULL ? 0 : walk_to(pass, extent, index, term);
    if (error != 0) {
        return dgraft_pass_failed(pass, extent->sequence, error);
    }
    if (*term == 0) {
        return dgraft_pass_damaged(pass, pass->scan.sequence, 0, index, "an entry can no longer be read");
    }
    return DGRAFT_OK;
}

/* Finds out the term of the entry at keep. */
static enum dgraft_status resolve_keep(struct dgraft_pass *pass, struct dgraft_plan *plan)
{
    enum dgraft_status status = DGRAFT_OK;
    if (plan->batch.restart) {
        plan->keep_term = plan->batch.floor.term;
    } else if (!pass->out->log.open) {
        status = dgraft_pass_term(pass, plan->batch.keep, &plan->keep_term);
    }
    if (plan->batch.count == 0) {
        plan->last = (struct dgraft_position){plan->batch.keep, plan->keep_term};
    }
    return status;
}

/* Takes a good batch over. */
static enum dgraft_status accept(struct dgraft_pass *pass, size_t at)
{
    struct dgraft_recovery *out = pass->out;
    struct dgraft_batch *batch = &pass->scanned.batch;
    enum dgraft_status status = settle_last(pass);
    if (status == DGRAFT_OK) {
        status = resolve_keep(pass, &pass->plan);
    }
    if (status != DGRAFT_OK) {
        return status;
    }
    const struct dgraft_plan old = out->last;
    out->last = pass->plan;
    pass->plan = old;
    pass->has_last = true;
    out->tail = at;
    out->tail_end = batch->offset + batch->length;
    out->segments[at].end = out->tail_end;
    out->saves = batch->saves;
    out->term = batch->term;
    pass->number = batch->number;
    pass->chain = batch->checksum;
    return DGRAFT_OK;
}

/* Takes over the batch at an offset that looks good; *look turns WRONG when it does not follow what lies before it. */
static enum dgraft_status take_batch(struct dgraft_pass *pass, size_t at, uint64_t *number)
{
    struct dgraft_batch *batch = &pass->scanned.batch;
    enum dgraft_status status = settle_last(pass);
    if (status == DGRAFT_OK && pass->gap.open) {
        status = dgraft_gap_close(pass, batch, number);
    }
    if (status != DGRAFT_OK) {
        return status;
    }
    dgraft_pass_begin(pass, batch);
    batch->refusal = dgraft_scan_follows(&pass->out->log, batch, &pass->plan, *number, pass->chain);
    if (batch->refusal != DGRAFT_ACCEPT) {
        pass->scanned.look = DGRAFT_LOOK_WRONG;
        return DGRAFT_OK;
    }
    return accept(pass, at);
}

/* Passes over damage, when something behind it can say what the log was then; *offset is 0 when that lies in a later
 * segment. */
static enum dgraft_status pass_over(struct dgraft_pass *pass, const struct dgraft_judgement *judgement,
                                    uint64_t *offset, uint64_t *number)
{
    const dgraft_index index = (pass->has_last ? pass->out->last.last.index : pass->out->log.last.index) + 1;
    if (judgement->facts.look == DGRAFT_LOOK_WRONG) {
        return refuse(pass, judgement, *offset, index);
    }
    dgraft_pass_note(pass, *offset, index, judged(pass, judgement));
    const enum dgraft_status status = settle_last(pass);
    return status == DGRAFT_OK ? dgraft_gap_pass(pass, offset, number) : status;
}

/* What is bad at the end of a log. */
static enum dgraft_status end_batches(struct dgraft_pass *pass, enum dgraft_batch_verdict verdict, uint64_t offset,
                                      uint64_t *number)
{
    if (verdict == DGRAFT_BATCH_TORN) {
        uint64_t end;
        const int error = dgraft_scan_zeros(&pass->scan, offset, &end);
        if (error != 0) {
            return dgraft_pass_failed(pass, pass->scan.sequence, error);
        }
        pass->out->torn = true;
        pass->out->torn_bytes += end - offset;
        (*number)++; /* used by what was torn: never again */
    }
    return DGRAFT_OK;
}

/* Reads a segment's batches up to the one numbered `limit`. */
static enum dgraft_status read_batches(struct dgraft_pass *pass, size_t at, uint64_t limit)
{
    struct dgraft_recovery *out = pass->out;
    uint64_t offset = DGRAFT_BLOCK_BYTES;
    uint64_t number = out->segments[at].header.first_batch;
    enum dgraft_status status = DGRAFT_OK;
    for (;;) {
        int error = 0;
        if (number > limit) {
            pass->scanned.look = DGRAFT_LOOK_NOTHING;
        } else {
            error = dgraft_scan_batch(&pass->scan, offset, &pass->scanned, &pass->plan);
        }
        if (error != 0) {
            return dgraft_pass_failed(pass, pass->scan.sequence, error);
        }
        const bool behind_limit = pass->gap.lost && pass->scanned.header_good && pass->scanned.batch.number > limit;
        if (pass->scanned.look == DGRAFT_LOOK_GOOD && !behind_limit) {
            status = take_batch(pass, at, &number);
            if (status != DGRAFT_OK) {
                return status;
            }
            if (pass->scanned.look == DGRAFT_LOOK_GOOD) {
                offset += pass->scanned.batch.length;
                number++;
                continue;
            }
        }
        struct dgraft_judgement judgement;
        status = judge(pass, offset, behind_limit ? limit + 1 : number, limit, &judgement);
        if (status == DGRAFT_OK && judgement.verdict == DGRAFT_BATCH_DAMAGED) {
            status = pass_over(pass, &judgement, &offset, &number);
            if (status == DGRAFT_OK && offset != 0) {
                continue;
            }
        } else if (status == DGRAFT_OK) {
            status = end_batches(pass, judgement.verdict, offset, &number);
        }
        if (limit == UINT64_MAX && number > out->next_number) {
            out->next_number = number;
        }
        return status;
    }
}

/* A segment follows a batch that is not there: those with the batches in between are missing, or lost. */
static enum dgraft_status lose_segments(struct dgraft_pass *pass, const struct dgraft_segment *behind)
{
    pass->scan.sequence = behind->sequence - 1;
    dgraft_pass_note(pass, 0, 0, "this segment is missing, but a later one is there");
    if (pass->gap.open) { /* what the batch before did is settled by nothing now */
        pass->out->salvage_count = pass->gap.salvage_count;
    }
    pass->gap.open = true;
    pass->gap.lost = true;
    return settle_last(pass);
}

/* Walks the segments in force, from the first on. limits come from the headers behind: each says after which batch it
 * goes on. */
static enum dgraft_status read_log(struct dgraft_pass *pass, size_t top)
{
    struct dgraft_recovery *out = pass->out;
    uint64_t *limits = calloc(top + 1, sizeof *limits);
    if (limits == NULL) {
        return dgraft_why_errno(pass->why, pass->disk, "read", "", -ENOMEM);
    }
    uint64_t limit = UINT64_MAX;
    for (size_t i = top + 1; i-- > 0;) {
        struct dgraft_segment *segment = &out->segments[i];
        limits[i] = limit;
        if (segment->use == DGRAFT_USE_LOST) {
            continue;
        }
        segment->use = segment->header.first_batch > limit ? DGRAFT_USE_ABANDONED : DGRAFT_USE_FORCE;
        if (segment->header.follows > pass->required) {
            pass->required = segment->header.follows;
        }
        if (segment->use == DGRAFT_USE_FORCE) {
            limit = segment->header.follows;
        }
    }
    enum dgraft_status status = DGRAFT_OK;
    bool dropped = out->segments[0].sequence != 1;
    out->log.open = dropped;
    for (size_t i = 0; i <= top && status == DGRAFT_OK; i++) {
        struct dgraft_segment *segment = &out->segments[i];
        if (segment->use != DGRAFT_USE_FORCE) {
            continue;
        }
        if (dropped) { /* what it follows is gone: a snapshot holds it */
            pass->number = segment->header.follows;
            pass->chain = segment->header.chain;
            dropped = false;
        }
        if (!pass->gap.lost && segment->header.follows > pass->number) {
            status = lose_segments(pass, segment);
        }
        if (pass->gap.lost && segment->header.follows >= pass->number) { /* how many batches are missing, it tells */
            pass->number = segment->header.follows;
            pass->chain = segment->header.chain;
        }
        if (status != DGRAFT_OK) {
            break;
        }
        if (segment->header.follows != pass->number || segment->header.chain != pass->chain) {
            status = dgraft_pass_damaged(pass, segment->sequence, 0, segment->header.first,
                                         "it does not follow what lies before it: batches are missing");
            break;
        }
        const int file = turn_to(pass, segment->sequence, &segment->file_bytes);
        if (file < 0) {
            status = dgraft_pass_failed(pass, segment->sequence, file);
            break;
        }
        status = read_batches(pass, i, limits[i]);
        dgraft_disk_close(pass->disk, file);
    }
    free(limits);
    if (status == DGRAFT_OK && pass->gap.open) {
        status = dgraft_why_set(pass->why, DGRAFT_STATUS_DAMAGED,
                                "%.300s, and nothing that can be read behind it says where the log ended; nothing was "
                                "changed. %s",
                                out->damage.text, DGRAFT_REMEDY_DAMAGE);
    }
    return status;
}

/* The last batch is proven durable only when it marks the floor: then nothing hangs on it. */
static enum dgraft_status finish(struct dgraft_pass *pass)
{
    struct dgraft_recovery *out = pass->out;
    const struct dgraft_batch *batch = &out->last.batch;
    out->unproven = batch->count > 0 || batch->restart || batch->keep < out->log.last.index;
    if (!out->unproven) {
        const enum dgraft_status status = settle_last(pass);
        if (status != DGRAFT_OK) {
            return status;
        }
    }
    const struct dgraft_position last = out->unproven && !batch->mends ? out->last.last : out->log.last;
    const bool whole_log = out->unproven && (batch->restart || out->log.open || batch->keep < out->log.base.index);
    const dgraft_index base = whole_log ? batch->keep : out->log.base.index;
    const struct dgraft_snapshot *snapshot = &out->snapshot.snapshot;
    if (base > snapshot->position.index) {
        return dgraft_pass_damaged(
            pass, out->segments[0].sequence, 0, snapshot->position.index + 1,
            "the log begins later than the newest snapshot ends: entries between them are missing");
    }
    if (last.index > base && last.term == 0) {
        return dgraft_pass_damaged(pass, pass->scan.sequence, batch->offset, last.index,
                                   "the log was cut behind an entry that is damaged: its term is lost");
    }
    const dgraft_term term = last.term > snapshot->position.term ? last.term : snapshot->position.term;
    dgraft_decide_term(&out->slot, out->saves, out->term, term, &out->choice);
    return DGRAFT_OK;
}

enum dgraft_status dgraft_recover(struct dgraft_disk *disk, uint32_t runs_max, struct dgraft_recovery *out,
                                  struct dgraft_why *why)
{
    struct dgraft_pass pass;
    size_t top = 0;
    memset(out, 0, sizeof *out);
    memset(&pass, 0, sizeof pass);
    pass.disk = disk;
    pass.out = out;
    pass.why = why;
    dgraft_window_init(&pass.scan.window, disk, WINDOW_BYTES);
    enum dgraft_status status = DGRAFT_OK;
    if (!dgraft_log_init(&out->log, runs_max)) {
        status = dgraft_why_errno(why, disk, "read", "", -ENOMEM);
    }
    if (status == DGRAFT_OK) {
        status = recover_state(&pass);
        pass.scan.store = out->identity.store;
    }
    if (status == DGRAFT_OK) {
        struct dgraft_why found = {""};
        status = dgraft_recover_snapshot(disk, &out->identity, &out->snapshot, &out->rotten, &found);
        if (status != DGRAFT_OK && why != NULL) {
            *why = found;
        } else if (out->rotten.index != 0) {
            out->damage = found;
        }
    }
    if (status == DGRAFT_OK) {
        status = read_headers(&pass);
    }
    if (status == DGRAFT_OK) {
        status = find_top(&pass, &top);
    }
    if (status == DGRAFT_OK) {
        status = read_log(&pass, top);
    }
    if (status == DGRAFT_OK) {
        status = finish(&pass);
    }
    dgraft_plan_free(&pass.plan);
    dgraft_window_free(&pass.scan.window);
    return status;
}

void dgraft_recovery_free(struct dgraft_recovery *recovery)
{
    dgraft_log_free(&recovery->log);
    dgraft_plan_free(&recovery->last);
    free(recovery->segments);
    free(recovery->salvage);
    recovery->segments = NULL;
    recovery->salvage = NULL;
}
