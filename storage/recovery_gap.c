/* Recovery goes on behind damage. What was acknowledged is never cut: it becomes a hole in the log, as long as
 * something behind it can say what the log was.
 *
 * Every batch's header tells the log's last position when it was written (its floor). So the first header behind the
 * damage tells where the log ended just before it, F = (f, t), and S = (s, u) is where it ends as far as was read:
 *
 *     headers    F and S                       what follows
 *     all good                                 the one bad batch says itself what it kept and appended: those are lost
 *     lost       S holds (f, t)                the log was cut to f meanwhile (Log Matching)
 *     lost       f > s and t = u               entries s + 1 to f are lost: one leader made (s, u) and (f, t), and in
 * one leader's log nothing that lies before is ever replaced lost       otherwise                     the log may have
 * been cut anywhere down to what is committed: everything behind that, up to f, is lost
 *
 * In a batch that is broken, whole records are used as far as their headers lead from one to the next. Behind a
 * record's bad header nothing is believed: what looks like a record there may be bytes that a client chose.
 */
#include "recovery_pass.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static enum dgraft_status no_memory(struct dgraft_pass *pass)
{
    return dgraft_pass_failed(pass, pass->scan.sequence, -ENOMEM);
}

void dgraft_salvage_clip(struct dgraft_recovery *recovery, dgraft_index keep)
{
    size_t kept = 0;
    for (size_t i = 0; i < recovery->salvage_count; i++) {
        struct dgraft_salvage *salvage = &recovery->salvage[i];
        if (salvage->last <= keep) { /* one that reaches across is fetched again: it is not worth cutting its bytes */
            recovery->salvage[kept++] = *salvage;
        }
    }
    recovery->salvage_count = kept;
}

static bool salvage_add(struct dgraft_recovery *recovery, const struct dgraft_salvage *salvage)
{
    if (recovery->salvage_count == recovery->salvage_capacity) {
        const size_t capacity = recovery->salvage_capacity == 0 ? 16 : recovery->salvage_capacity * 2;
        struct dgraft_salvage *larger = realloc(recovery->salvage, capacity * sizeof *larger);
        if (larger == NULL) {
            return false;
        }
        recovery->salvage = larger;
        recovery->salvage_capacity = capacity;
    }
    recovery->salvage[recovery->salvage_count++] = *salvage;
    return true;
}

/* Reads one record of a broken batch. *size is what it takes, 0 when its header cannot be believed; *whole: all of it
 * can. Returns 0 or a negative errno. */
static int read_record(struct dgraft_pass *pass, uint64_t at, uint64_t end, dgraft_index index, size_t *size,
                       bool *whole)
{
    struct dgraft_record record;
    int error = 0;
    *size = 0;
    *whole = false;
    const uint8_t *bytes = end - at < DGRAFT_RECORD_HEADER_BYTES
                               ? NULL
                               : dgraft_window_view(&pass->scan.window, at, DGRAFT_RECORD_HEADER_BYTES, &error);
    if (bytes == NULL || dgraft_record_decode_header(bytes, DGRAFT_RECORD_HEADER_BYTES, &record) != DGRAFT_ACCEPT ||
        record.entry.index != index || dgraft_record_bytes(record.entry.payload_bytes) > end - at) {
        return error;
    }
    *size = dgraft_record_bytes(record.entry.payload_bytes);
    bytes = dgraft_window_view(&pass->scan.window, at, *size, &error);
    *whole = bytes != NULL && dgraft_record_decode(bytes, *size, &record, NULL) == DGRAFT_ACCEPT;
    return error;
}

/* Notes which records of a broken batch are whole. */
static enum dgraft_status salvage_batch(struct dgraft_pass *pass, const struct dgraft_batch *batch)
{
    const uint64_t left = pass->scan.window.file_bytes - batch->offset;
    const uint64_t end = batch->offset + (batch->length < left ? batch->length : left);
    uint64_t at = batch->offset + DGRAFT_BATCH_HEADER_BYTES;
    struct dgraft_salvage stretch = {.first = 0};
    for (uint32_t i = 0; i <= batch->count; i++) {
        size_t size = 0;
        bool whole = false;
        const dgraft_index index = batch->first + i;
        const int error = i == batch->count || at > end ? 0 : read_record(pass, at, end, index, &size, &whole);
        if (error != 0) {
            return dgraft_pass_failed(pass, pass->scan.sequence, error);
        }
        if (whole && stretch.first == 0) {
            stretch = (struct dgraft_salvage){
                .first = index, .sequence = pass->scan.sequence, .batch = batch->offset, .offset = at};
        }
        if (whole) {
            stretch.last = index;
            stretch.bytes += size;
        } else if (stretch.first != 0) {
            if (!salvage_add(pass->out, &stretch)) {
                return no_memory(pass);
            }
            stretch.first = 0;
        }
        if (size == 0) {
            break;
        }
        at += size;
    }
    return DGRAFT_OK;
}

/* Says whether the header of a broken batch follows the log: what scan_follows asks, but for the records. */
static bool header_follows(const struct dgraft_pass *pass, const struct dgraft_batch *batch, uint64_t number)
{
    const struct dgraft_log *log = &pass->out->log;
    const bool anew = batch->restart || log->open;
    return batch->number == number && batch->previous == pass->chain && batch->saves >= log->newest.saves &&
           batch->term >= log->newest.term && batch->count > 0 && (anew || batch->keep <= log->last.index) &&
           (!batch->mends || batch->keep == log->last.index || log->open);
}

/* The log was cut to keep. */
static enum dgraft_status cut_to(struct dgraft_pass *pass, dgraft_index keep)
{
    struct dgraft_recovery *out = pass->out;
    dgraft_term term = 0;
    const enum dgraft_status status = dgraft_pass_term(pass, keep, &term);
    if (status == DGRAFT_OK && keep < out->log.last.index) {
        dgraft_salvage_clip(out, keep);
        dgraft_log_truncate(&out->log, keep, term);
    }
    return status;
}

void dgraft_pass_begin(struct dgraft_pass *pass, const struct dgraft_batch *first)
{
    struct dgraft_log *log = &pass->out->log;
    const struct dgraft_position held = pass->out->snapshot.snapshot.position;
    if (!log->open || first->restart || first->keep <= held.index) {
        return; /* it says itself where the log begins */
    }
    dgraft_log_begin(log, held);
    const bool known = first->floor.index == first->keep;
    dgraft_log_lose(log, (struct dgraft_position){first->keep, known ? first->floor.term : 0});
}

/* The one broken batch did to the log what its header says. */
static enum dgraft_status lose_batch(struct dgraft_pass *pass, struct dgraft_position floor)
{
    struct dgraft_recovery *out = pass->out;
    const struct dgraft_batch *batch = &pass->gap.batch;
    enum dgraft_status status = DGRAFT_OK;
    dgraft_pass_begin(pass, batch);
    if (batch->restart) {
        dgraft_salvage_clip(out, 0);
        dgraft_log_begin(&out->log, batch->floor);
    } else if (out->log.open) {
        dgraft_log_begin(&out->log, (struct dgraft_position){batch->keep, 0});
    } else {
        status = cut_to(pass, batch->keep);
    }
    if (status != DGRAFT_OK) {
        return status;
    }
    if (batch->mends) {
        out->log.last = floor;
    } else {
        dgraft_log_lose(&out->log, floor);
    }
    out->log.newest = *batch;
    out->log.commit = batch->commit > out->log.commit ? batch->commit : out->log.commit;
    return DGRAFT_OK;
}

/* Nothing was read yet of a log whose beginning was dropped: what a snapshot holds, it may lack. */
static void lose_beginning(struct dgraft_log *log, struct dgraft_position held, struct dgraft_position floor)
{
    dgraft_log_begin(log, floor.index <= held.index ? floor : held);
    if (floor.index > held.index) {
        dgraft_log_lose(log, floor);
    }
}

/* What is known committed of the log that was read. */
static dgraft_index committed(const struct dgraft_log *log)
{
    return log->commit > log->base.index ? log->commit : log->base.index;
}

/* Asks the table what a header behind the gap says of the log before it. */
static enum dgraft_status ask(struct dgraft_pass *pass, const struct dgraft_batch *behind, bool lost,
                              enum dgraft_gap_verdict *verdict)
{
    const struct dgraft_log *log = &pass->out->log;
    const struct dgraft_batch *batch = &pass->gap.batch;
    const struct dgraft_position floor = behind->floor;
    const dgraft_index said = batch->mends ? batch->keep : batch->keep + batch->count;
    dgraft_term term = 0;
    const bool compared = lost && !behind->restart && !log->open && floor.index <= log->last.index;
    const enum dgraft_status status = compared ? dgraft_pass_term(pass, floor.index, &term) : DGRAFT_OK;
    const struct dgraft_gap_facts facts = {
        .followed = true,
        .anew = behind->restart,
        .one_batch = !lost,
        .as_said = floor.index == said && floor.term != 0,
        .held = compared && term != 0 && term == floor.term,
        .lengthened = floor.index > log->last.index && floor.term == log->last.term && floor.term != 0,
        .uncommitted = floor.index > committed(log) && floor.term != 0,
    };
    *verdict = dgraft_decide_gap(&facts);
    return status;
}

enum dgraft_status dgraft_gap_close(struct dgraft_pass *pass, const struct dgraft_batch *behind, uint64_t *number)
{
    struct dgraft_log *log = &pass->out->log;
    const bool lost = pass->gap.lost;
    enum dgraft_gap_verdict verdict = DGRAFT_GAP_REFUSE;
    if (lost && behind->number > *number) {
        *number = behind->number;
    }
    if (lost && behind->offset != DGRAFT_BLOCK_BYTES) { /* a segment's first batch follows what its header says */
        pass->number = behind->number - 1;
        pass->chain = behind->previous;
    }
    pass->gap.open = false;
    pass->gap.lost = false;
    log->cut = true; /* also when nothing of the log is lost: nobody can walk over a broken batch */
    enum dgraft_status status = ask(pass, behind, lost, &verdict);
    if (status != DGRAFT_OK) {
        return status;
    }
    if (lost) { /* what is written next follows the batch before this one, whatever it was */
        log->newest.number = pass->number;
        log->newest.checksum = pass->chain;
    }
    switch (verdict) {
    case DGRAFT_GAP_ANEW:
        return DGRAFT_OK;
    case DGRAFT_GAP_BATCH:
        return lose_batch(pass, behind->floor);
    case DGRAFT_GAP_CUT:
        return cut_to(pass, behind->floor.index);
    case DGRAFT_GAP_TAIL:
        dgraft_log_lose(log, behind->floor);
        return DGRAFT_OK;
    case DGRAFT_GAP_COMMITTED:
        if (log->open) {
            lose_beginning(log, pass->out->snapshot.snapshot.position, behind->floor);
            return DGRAFT_OK;
        }
        status = cut_to(pass, committed(log));
        if (status == DGRAFT_OK) {
            dgraft_log_lose(log, behind->floor);
        }
        return status;
    case DGRAFT_GAP_REFUSE:
    case DGRAFT_GAP_UNKNOWN:
        break;
    }
    return dgraft_pass_damaged(pass, pass->scan.sequence, behind->offset, behind->floor.index,
                               "what this batch says of the log before it cannot be, so far as that can be read");
}

/* Steps over a broken batch whose header is good. */
static enum dgraft_status pass_batch(struct dgraft_pass *pass, uint64_t *offset, uint64_t *number)
{
    const struct dgraft_batch *batch = &pass->scanned.batch;
    if (pass->gap.open) {
        const enum dgraft_status status = dgraft_gap_close(pass, batch, number);
        if (status != DGRAFT_OK) {
            return status;
        }
    }
    if (!header_follows(pass, batch, *number)) {
        return dgraft_pass_damaged(pass, pass->scan.sequence, *offset, batch->first,
                                   "a batch is damaged, and its header does not follow the batch before it");
    }
    const bool fits = batch->length <= pass->scan.window.file_bytes - *offset;
    pass->gap = (struct dgraft_gap){.open = true, .batch = *batch, .salvage_count = pass->out->salvage_count};
    const enum dgraft_status status = salvage_batch(pass, batch);
    pass->number = batch->number;
    pass->chain = batch->checksum;
    pass->out->saves = batch->saves;
    pass->out->term = batch->term;
    *offset = fits ? *offset + batch->length : 0;
    *number = batch->number + 1;
    return status;
}

enum dgraft_status dgraft_gap_pass(struct dgraft_pass *pass, uint64_t *offset, uint64_t *number)
{
    if (pass->scanned.header_good) {
        return pass_batch(pass, offset, number);
    }
    if (pass->gap.open && !pass->gap.lost) { /* what the batch before did is settled by nothing now */
        struct dgraft_log *log = &pass->out->log;
        const struct dgraft_batch *batch = &pass->gap.batch;
        pass->out->salvage_count = pass->gap.salvage_count;
        if (!batch->restart && !log->open) { /* but what was committed, it knew */
            const dgraft_index known = batch->commit < batch->keep ? batch->commit : batch->keep;
            log->commit = known > log->commit ? known : log->commit;
        }
    }
    pass->gap.open = true;
    pass->gap.lost = true;
    const int error = dgraft_scan_later(&pass->scan, *offset + 8, *number, offset);
    return error != 0 ? dgraft_pass_failed(pass, pass->scan.sequence, error) : DGRAFT_OK;
}
