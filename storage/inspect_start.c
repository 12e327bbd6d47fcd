#include "inspect_start.h"

#include "storage_why.h"

#include <string.h>

enum { RUNS_MAX = 256, TRIES_MAX = 4 };

void dgraft_start_free(struct dgraft_inspect_start *start)
{
    if (start->asked) {
        dgraft_recovery_free(&start->recovery);
    }
    memset(start, 0, sizeof *start);
}

/* The last batch becomes part of the index, as a start's writing it again does. */
static bool take_last(struct dgraft_recovery *recovery)
{
    if (!recovery->unproven) {
        return true;
    }
    if (!dgraft_log_reserve(&recovery->log, &recovery->last)) {
        return false;
    }
    dgraft_log_apply(&recovery->log, &recovery->last);
    return true;
}

/* Leaves out what a snapshot holds. Returns false when a start could not tell whether the log goes on behind it. */
static bool lean_on_snapshot(struct dgraft_recovery *recovery)
{
    struct dgraft_log *log = &recovery->log;
    const struct dgraft_position held = recovery->snapshot.snapshot.position;
    if (recovery->snapshot.refusal != DGRAFT_ACCEPT || held.index == 0) {
        return true;
    }
    if (held.index > log->last.index) {
        dgraft_log_begin(log, held);
        return true;
    }
    if (held.index < log->last.index && dgraft_holes_have(&log->holes, held.index)) {
        const struct dgraft_hole *hole = dgraft_holes_from(&log->holes, held.index);
        const dgraft_index behind = hole->last < log->last.index ? hole->last + 1 : hole->last;
        if (log->commit < held.index && dgraft_log_term(log, behind) != held.term) {
            return false;
        }
    } else {
        const dgraft_term term = dgraft_log_term(log, held.index);
        if (held.index > log->base.index && term != 0 && term != held.term) {
            dgraft_log_begin(log, held);
            return true;
        }
    }
    dgraft_holes_raise(&log->holes, held.index);
    return true;
}

static void note_missing(struct dgraft_inspect_start *start)
{
    const struct dgraft_recovery *recovery = &start->recovery;
    start->lost = recovery->log.holes;
    start->missing = recovery->log.holes;
    for (size_t i = 0; i < recovery->salvage_count; i++) {
        dgraft_holes_subtract(&start->missing, recovery->salvage[i].first, recovery->salvage[i].last);
    }
}

void dgraft_start_ask(struct dgraft_inspect_start *start, struct dgraft_disk *disk, bool running)
{
    if (start->asked) {
        return;
    }
    for (int i = 0; i < (running ? TRIES_MAX : 1); i++) {
        dgraft_start_free(start);
        start->asked = true;
        start->status = dgraft_recover(disk, RUNS_MAX, &start->recovery, &start->why);
        if (start->status == DGRAFT_OK && !take_last(&start->recovery)) {
            start->status = dgraft_why_set(&start->why, DGRAFT_STATUS_NO_MEMORY, "there is no memory to read it");
        }
        if (start->status == DGRAFT_OK && !lean_on_snapshot(&start->recovery)) {
            start->status = dgraft_why_set(&start->why, DGRAFT_STATUS_DAMAGED,
                                           "whether the log holds the snapshot's last entry cannot be told, because "
                                           "it is damaged there");
        }
        if (start->status == DGRAFT_OK) {
            note_missing(start);
            break;
        }
    }
}

static bool touches(const struct dgraft_holes *holes, dgraft_index first, dgraft_index last)
{
    const struct dgraft_hole *hole = dgraft_holes_from(holes, first);
    return hole != NULL && hole->first <= last;
}

/* Notes the number of the batch that an extent begins with, when it mends. */
static void note_mend(const struct dgraft_inspect_start *start, struct dgraft_disk *disk,
                      const struct dgraft_extent *extent, uint64_t mended[2])
{
    const struct dgraft_place place = {start->recovery.identity.store, extent->sequence, extent->offset};
    uint8_t bytes[DGRAFT_BATCH_HEADER_BYTES];
    struct dgraft_batch batch;
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    dgraft_segment_name(extent->sequence, name);
    const int file = dgraft_disk_open(disk, name, DGRAFT_FS_READ);
    const int64_t got = file < 0 ? file : dgraft_disk_read(disk, file, bytes, sizeof bytes, extent->offset);
    dgraft_disk_close(disk, file);
    if (got == (int64_t)sizeof bytes && dgraft_batch_decode(bytes, &place, &batch) == DGRAFT_ACCEPT && batch.mends) {
        mended[0] = mended[0] == 0 || batch.number < mended[0] ? batch.number : mended[0];
        mended[1] = batch.number > mended[1] ? batch.number : mended[1];
    }
}

enum dgraft_inspect_fate dgraft_start_fate(const struct dgraft_inspect_start *start, struct dgraft_disk *disk,
                                           dgraft_index first, dgraft_index last, uint64_t mended[2])
{
    const struct dgraft_log *log = &start->recovery.log;
    mended[0] = 0;
    mended[1] = 0;
    if (start->status != DGRAFT_OK) {
        return DGRAFT_FATE_REFUSED;
    }
    if (touches(&start->missing, first, last)) {
        return DGRAFT_FATE_MISSING;
    }
    if (touches(&start->lost, first, last)) {
        return DGRAFT_FATE_KEPT;
    }
    for (size_t i = 0; i < log->extent_count; i++) {
        if (log->extents[i].last >= first && log->extents[i].first <= last) {
            note_mend(start, disk, &log->extents[i], mended);
        }
    }
    return mended[0] != 0 ? DGRAFT_FATE_MENDED : DGRAFT_FATE_GONE;
}

/* What of a hole can still be read in batches that are broken lies in front of the rest of it. */
static void map_hole(const struct dgraft_recovery *recovery, struct dgraft_hole hole, struct dgraft_map *map)
{
    while (hole.first <= hole.last) {
        const struct dgraft_salvage *next = NULL;
        for (size_t i = 0; i < recovery->salvage_count; i++) {
            const struct dgraft_salvage *salvage = &recovery->salvage[i];
            if (salvage->last >= hole.first && salvage->first <= hole.last &&
                (next == NULL || salvage->first < next->first)) {
                next = salvage;
            }
        }
        const dgraft_index gap = next == NULL ? hole.last : next->first - 1;
        if (gap >= hole.first) {
            dgraft_map_push(map, (struct dgraft_map_extent){hole.first, gap, 0, 0});
            hole.first = gap + 1;
        } else {
            const dgraft_index last = next->last < hole.last ? next->last : hole.last;
            dgraft_map_push(map, (struct dgraft_map_extent){hole.first, last, next->sequence, next->batch});
            hole.first = last + 1;
        }
    }
}

void dgraft_start_map(const struct dgraft_inspect_start *start, struct dgraft_map *map)
{
    const struct dgraft_log *log = &start->recovery.log;
    uint32_t hole = 0;
    size_t extent = 0;
    dgraft_index next = log->base.index + 1;
    while (next <= log->last.index) {
        while (extent < log->extent_count && log->extents[extent].last < next) {
            extent++;
        }
        while (hole < log->holes.count && log->holes.items[hole].last < next) {
            hole++;
        }
        const dgraft_index holed = hole < log->holes.count ? log->holes.items[hole].first : log->last.index + 1;
        if (holed <= next) {
            map_hole(&start->recovery, (struct dgraft_hole){next, log->holes.items[hole].last}, map);
            next = log->holes.items[hole].last + 1;
        } else if (extent < log->extent_count && log->extents[extent].first <= next) {
            const struct dgraft_extent *at = &log->extents[extent];
            const dgraft_index last = at->last < holed ? at->last : holed - 1;
            dgraft_map_push(map, (struct dgraft_map_extent){next, last, at->sequence, at->offset});
            next = last + 1;
        } else { /* what a snapshot holds and the log does not */
            dgraft_index last = extent < log->extent_count ? log->extents[extent].first - 1 : log->last.index;
            last = last < holed ? last : holed - 1;
            next = last + 1;
        }
    }
    for (size_t i = 0; i < log->membership_count; i++) {
        dgraft_map_push_membership(map, log->memberships[i]);
    }
    map->begun = true;
    map->base = log->base.index;
    map->last = log->last.index;
}
