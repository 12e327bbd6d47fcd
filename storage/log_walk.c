#include <dgraft/log_walk.h>

#include "inspect_pass.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW_BYTES = 262144 };

struct dgraft_walk {
    struct dgraft_disk disk;
    char *directory;
    struct dgraft_scan scan;
    struct dgraft_map map;
    size_t extent; /* where `next` is looked for */
    dgraft_index next;
    bool placed; /* the rest is in force: `next` lies in this extent's file, in `batch`, at `offset` */
    struct dgraft_batch batch;
    uint64_t offset;
};

static void close_file(struct dgraft_walk *walk)
{
    dgraft_disk_close(&walk->disk, walk->scan.window.file);
    dgraft_window_turn(&walk->scan.window, -1, 0);
    walk->scan.sequence = 0;
    walk->placed = false;
}

void dgraft_walk_close(struct dgraft_walk *walk)
{
    if (walk == NULL) {
        return;
    }
    close_file(walk);
    dgraft_window_free(&walk->scan.window);
    dgraft_map_free(&walk->map);
    free(walk->directory);
    free(walk);
}

enum dgraft_status dgraft_walk_open(struct dgraft_fs *fs, const char *directory,
                                    const struct dgraft_inspect_visitor *visitor,
                                    struct dgraft_inspect_summary *summary, struct dgraft_walk **walk,
                                    struct dgraft_why *why)
{
    struct dgraft_walk *made = calloc(1, sizeof *made);
    *walk = NULL;
    if (made == NULL || (made->directory = strdup(directory)) == NULL) {
        free(made);
        memset(summary, 0, sizeof *summary);
        return dgraft_why_set(why, DGRAFT_STATUS_NO_MEMORY, "there is no memory to read %.250s", directory);
    }
    dgraft_disk_init(&made->disk, fs, made->directory);
    dgraft_window_init(&made->scan.window, &made->disk, WINDOW_BYTES);
    const enum dgraft_status status = dgraft_inspect_mapped(fs, directory, visitor, summary, &made->map, why);
    if (status != DGRAFT_OK) {
        dgraft_walk_close(made);
        return status;
    }
    made->scan.store = summary->identity.store;
    dgraft_walk_seek(made, 1);
    *walk = made;
    return DGRAFT_OK;
}

void dgraft_walk_seek(struct dgraft_walk *walk, dgraft_index index)
{
    size_t begin = 0;
    size_t end = walk->map.extent_count;
    while (begin < end) {
        const size_t middle = begin + (end - begin) / 2;
        if (walk->map.extents[middle].last < index) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    walk->extent = begin;
    walk->next = index;
    walk->placed = false;
}

/* Reads the header of the batch that lies at an offset. Returns false when none can be read there. */
static bool read_batch(struct dgraft_walk *walk, uint64_t offset, int *error)
{
    const struct dgraft_place place = {walk->scan.store, walk->scan.sequence, offset};
    const uint8_t *bytes = dgraft_window_view(&walk->scan.window, offset, DGRAFT_BATCH_HEADER_BYTES, error);
    if (bytes == NULL || dgraft_batch_decode(bytes, &place, &walk->batch) != DGRAFT_ACCEPT ||
        walk->batch.length < DGRAFT_BATCH_HEADER_BYTES || walk->batch.first == 0 || walk->batch.first > INT64_MAX ||
        walk->batch.length > INT64_MAX) {
        return false;
    }
    walk->batch.offset = offset;
    walk->offset = offset + DGRAFT_BATCH_HEADER_BYTES;
    return true;
}

static dgraft_index batch_last(const struct dgraft_walk *walk)
{
    return walk->batch.first + walk->batch.count - 1;
}

/* Opens the file of an extent. Returns 0, or a negative errno. */
static int open_file(struct dgraft_walk *walk, uint64_t sequence)
{
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    if (walk->scan.sequence == sequence) {
        return 0;
    }
    close_file(walk);
    dgraft_segment_name(sequence, name);
    const int file = dgraft_disk_open(&walk->disk, name, DGRAFT_FS_READ);
    if (file < 0) {
        return file;
    }
    const int64_t size = dgraft_disk_size(&walk->disk, file);
    if (size < 0) {
        dgraft_disk_close(&walk->disk, file);
        return (int)size;
    }
    dgraft_window_turn(&walk->scan.window, file, (uint64_t)size);
    walk->scan.sequence = sequence;
    return 0;
}

/* A record's header at where the walk stands; its size, 0 when it cannot be read. */
static size_t record_size(struct dgraft_walk *walk, struct dgraft_record *record, int *error)
{
    const uint64_t left = walk->batch.offset + walk->batch.length - walk->offset;
    if (left < DGRAFT_RECORD_HEADER_BYTES) {
        return 0;
    }
    const uint8_t *bytes = dgraft_window_view(&walk->scan.window, walk->offset, DGRAFT_RECORD_HEADER_BYTES, error);
    if (bytes == NULL || dgraft_record_decode_header(bytes, DGRAFT_RECORD_HEADER_BYTES, record) != DGRAFT_ACCEPT) {
        return 0;
    }
    const size_t size = dgraft_record_bytes(record->entry.payload_bytes);
    return size <= left ? size : 0;
}

/* Goes to the record of `next`. Returns false when that cannot be: `next` up to *last are lost. */
static bool place(struct dgraft_walk *walk, const struct dgraft_map_extent *extent, dgraft_index *last, int *error)
{
    dgraft_index at = walk->next;
    *last = extent->last;
    if (!walk->placed) {
        if (!read_batch(walk, extent->offset, error)) {
            return false;
        }
        at = walk->batch.first;
        walk->placed = true;
    }
    while (walk->next > batch_last(walk)) {
        if (!read_batch(walk, walk->batch.offset + walk->batch.length, error)) {
            walk->placed = false;
            return false;
        }
        at = walk->batch.first;
    }
    if (at > walk->next) {
        walk->placed = false;
        return false;
    }
    for (; at < walk->next; at++) {
        struct dgraft_record record;
        const size_t size = record_size(walk, &record, error);
        if (size == 0) {
            walk->placed = false;
            *last = batch_last(walk) < *last ? batch_last(walk) : *last;
            return false;
        }
        walk->offset += size;
    }
    return true;
}

/* Reads the record where the walk stands. */
static int take(struct dgraft_walk *walk, const struct dgraft_map_extent *extent, struct dgraft_walk_step *step)
{
    int error = 0;
    const size_t size = record_size(walk, &step->record, &error);
    if (size == 0) { /* where the next one lies is not known: the batch's rest is lost */
        step->last = batch_last(walk) < extent->last ? batch_last(walk) : extent->last;
        return error;
    }
    const uint8_t *bytes = dgraft_window_view(&walk->scan.window, walk->offset, size, &error);
    if (bytes != NULL && dgraft_record_decode(bytes, size, &step->record, NULL) == DGRAFT_ACCEPT &&
        step->record.entry.index == walk->next) {
        step->what = DGRAFT_WALKED_ENTRY;
        step->bytes = bytes;
        step->size = size;
        step->sequence = walk->scan.sequence;
        step->offset = walk->offset;
    }
    walk->offset += size;
    return error;
}

/* Takes a step within an extent that can be read, or could be. */
static int step_within(struct dgraft_walk *walk, const struct dgraft_map_extent *extent, struct dgraft_walk_step *step)
{
    int error = open_file(walk, extent->sequence);
    if (error == -ENOENT) {
        step->what = DGRAFT_WALKED_GONE;
        step->last = extent->last;
        return 0;
    }
    step->what = DGRAFT_WALKED_DAMAGED;
    step->last = walk->next;
    dgraft_index last = walk->next;
    if (error == 0 && !place(walk, extent, &last, &error)) {
        step->last = last;
    } else if (error == 0) {
        error = take(walk, extent, step);
    }
    return error;
}

enum dgraft_status dgraft_walk_next(struct dgraft_walk *walk, struct dgraft_walk_step *step, struct dgraft_why *why)
{
    memset(step, 0, sizeof *step);
    while (walk->extent < walk->map.extent_count && walk->map.extents[walk->extent].last < walk->next) {
        walk->extent++;
        walk->placed = false;
    }
    step->first = walk->next;
    if (walk->extent == walk->map.extent_count) {
        step->what = walk->map.doubt ? DGRAFT_WALKED_UNKNOWN : DGRAFT_WALKED_END;
        step->last = UINT64_MAX;
        return DGRAFT_OK;
    }
    const struct dgraft_map_extent *extent = &walk->map.extents[walk->extent];
    if (extent->first > walk->next) {
        walk->next = extent->first;
        step->first = extent->first;
    }
    if (extent->sequence == 0) {
        step->what = DGRAFT_WALKED_DAMAGED;
        step->last = extent->last;
    } else {
        const int error = step_within(walk, extent, step);
        if (error != 0) {
            char name[DGRAFT_SEGMENT_NAME_BYTES];
            dgraft_segment_name(extent->sequence, name);
            return dgraft_why_errno(why, &walk->disk, "read", name, error);
        }
    }
    walk->placed = walk->placed && step->first == step->last;
    walk->next = step->last + 1;
    return DGRAFT_OK;
}

dgraft_index dgraft_walk_membership(const struct dgraft_walk *walk, dgraft_index index)
{
    dgraft_index newest = 0;
    for (size_t i = 0; i < walk->map.membership_count && walk->map.memberships[i] <= index; i++) {
        newest = walk->map.memberships[i];
    }
    return newest;
}

dgraft_index dgraft_walk_membership_after(const struct dgraft_walk *walk, dgraft_index index)
{
    for (size_t i = 0; i < walk->map.membership_count; i++) {
        if (walk->map.memberships[i] > index) {
            return walk->map.memberships[i];
        }
    }
    return 0;
}
