#include "disk_format.h"
#include "storage_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DIRECTORY_BYTES_MAX = 950 };

/* The name "state" appears last, by a rename, when all it speaks of is durable: a directory without it is none. */
static const char state_draft[] = "state.new";

/* Gathers the first records and checks them. *out is freed by the caller. */
static enum dgraft_status gather(const struct iovec *first, size_t first_count, uint8_t **out, size_t *size,
                                 uint32_t *count, dgraft_index *membership, struct dgraft_why *why)
{
    *size = 0;
    *count = 0;
    *membership = 0;
    for (size_t i = 0; i < first_count; i++) {
        *size += first[i].iov_len;
    }
    *out = malloc(*size == 0 ? 1 : *size);
    if (*out == NULL) {
        return dgraft_why_set(why, DGRAFT_STATUS_NO_MEMORY, "no memory for the first entries");
    }
    size_t at = 0;
    for (size_t i = 0; i < first_count; i++) {
        memcpy(*out + at, first[i].iov_base, first[i].iov_len);
        at += first[i].iov_len;
    }
    for (at = 0; at < *size;) {
        struct dgraft_record record;
        size_t consumed = 0;
        const enum dgraft_refusal refusal = dgraft_record_decode(*out + at, *size - at, &record, &consumed);
        if (refusal != DGRAFT_ACCEPT || record.entry.index != *count + 1u || record.entry.term != 1) {
            return dgraft_why_set(why, DGRAFT_STATUS_MISUSE, "the first entries are not framed records of term 1: %s",
                                  dgraft_refusal_text(refusal != DGRAFT_ACCEPT ? refusal : DGRAFT_REFUSAL_ORDER));
        }
        at += consumed;
        (*count)++;
        if (record.entry.kind == DGRAFT_ENTRY_MEMBERSHIP) {
            *membership = record.entry.index;
        }
    }
    return DGRAFT_OK;
}

static int refuse_name(void *context, const char *name)
{
    (void)context;
    (void)name;
    return 1;
}

/* Writes all of a new file and syncs it. Returns 0 or a negative errno. */
static int write_file(struct dgraft_disk *disk, const char *name, struct iovec *pieces, size_t piece_count)
{
    const int file = dgraft_disk_open(disk, name, DGRAFT_FS_CREATE);
    if (file < 0) {
        return file;
    }
    int result = dgraft_disk_write(disk, file, pieces, piece_count, 0);
    if (result == 0) {
        result = dgraft_disk_sync(disk, file);
    }
    dgraft_disk_close(disk, file);
    return result;
}

/* Writes the first segment: the entries, and behind them a mark that says they are durable - which holds, because the
 * directory counts only once this file has been synced. */
static int write_log(struct dgraft_disk *disk, const struct dgraft_identity *identity, uint8_t *records, size_t size,
                     uint32_t count, dgraft_index membership)
{
    uint8_t block[DGRAFT_BLOCK_BYTES];
    uint8_t headers[2][DGRAFT_BATCH_HEADER_BYTES];
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    const struct dgraft_segment_header header = {.identity = *identity,
                                                 .sequence = 1,
                                                 .first_batch = 1,
                                                 .first = 1,
                                                 .made_bytes = DGRAFT_BLOCK_BYTES +
                                                               2 * (uint64_t)DGRAFT_BATCH_HEADER_BYTES + size};
    struct dgraft_place place = {identity->store, 1, DGRAFT_BLOCK_BYTES};
    struct dgraft_batch batch = {.length = DGRAFT_BATCH_HEADER_BYTES + size,
                                 .number = 1,
                                 .first = 1,
                                 .count = count,
                                 .membership = membership,
                                 .saves = 2,
                                 .term = 1,
                                 .records_checksum = dgraft_crc32c(0, records, size)};
    struct dgraft_batch mark = {.length = DGRAFT_BATCH_HEADER_BYTES,
                                .number = 2,
                                .keep = count,
                                .first = (dgraft_index)count + 1,
                                .floor = {count, count > 0 ? 1 : 0},
                                .membership = membership,
                                .saves = 2,
                                .term = 1};
    dgraft_segment_encode(&header, block);
    dgraft_batch_encode(&batch, &place, headers[0]);
    mark.previous = batch.checksum;
    place.offset += batch.length;
    dgraft_batch_encode(&mark, &place, headers[1]);
    struct iovec pieces[4] = {
        {block, sizeof block}, {headers[0], sizeof headers[0]}, {records, size}, {headers[1], sizeof headers[1]}};
    dgraft_segment_name(1, name);
    return write_file(disk, name, pieces, 4);
}

static int write_state(struct dgraft_disk *disk, const struct dgraft_identity *identity)
{
    uint8_t blocks[2][DGRAFT_BLOCK_BYTES];
    struct dgraft_state_slot slot = {.version = 1, .term = 1, .identity = *identity};
    dgraft_slot_encode(&slot, blocks[0]);
    slot.version = 2;
    dgraft_slot_encode(&slot, blocks[1]);
    struct iovec pieces[4] = {{blocks[0], sizeof blocks[0]},
                              {blocks[0], sizeof blocks[0]},
                              {blocks[1], sizeof blocks[1]},
                              {blocks[1], sizeof blocks[1]}};
    return write_file(disk, state_draft, pieces, 4);
}

/* Syncs the directory in which a path's last part lies. */
static int sync_parent(struct dgraft_fs *fs, const char *directory)
{
    char parent[DIRECTORY_BYTES_MAX + 2];
    size_t size = strlen(directory);
    while (size > 1 && directory[size - 1] == '/') {
        size--;
    }
    while (size > 0 && directory[size - 1] != '/') {
        size--;
    }
    while (size > 1 && directory[size - 1] == '/') {
        size--;
    }
    if (size == 0) {
        memcpy(parent, ".", 2);
    } else {
        memcpy(parent, directory, size);
        parent[size] = '\0';
    }
    struct dgraft_disk disk;
    dgraft_disk_init(&disk, fs, parent);
    return dgraft_disk_sync_directory(&disk);
}

int dgraft_format_prove(struct dgraft_disk *disk)
{
    const int result = dgraft_disk_sync_directory(disk);
    const int parent = result < 0 ? result : sync_parent(disk->fs, disk->directory);
    return parent == -EACCES ? 0 : parent; /* somebody else's, who made this directory for us */
}

/* Makes the directory, or sees that it is there and empty. *made: it was not there. */
static enum dgraft_status make_directory(struct dgraft_disk *disk, bool *made, struct dgraft_why *why)
{
    int result = dgraft_disk_list(disk, refuse_name, NULL);
    *made = false;
    if (result > 0) {
        const int state = dgraft_disk_open(disk, "state", DGRAFT_FS_READ);
        dgraft_disk_close(disk, state);
        return dgraft_why_set(why, DGRAFT_STATUS_NOT_EMPTY,
                              "%.250s is not empty%s; name another directory, or empty it", disk->directory,
                              state >= 0 ? " but a node's directory, whose data would be lost" : "");
    }
    if (result == -ENOENT) {
        result = dgraft_disk_make_directory(disk);
        *made = result == 0;
    }
    return result < 0 ? dgraft_why_errno(why, disk, "make", "", result) : DGRAFT_OK;
}

enum dgraft_status dgraft_storage_format(struct dgraft_fs *fs, const char *directory,
                                         const struct dgraft_identity *identity, const struct iovec *first,
                                         size_t first_count, struct dgraft_why *why)
{
    struct dgraft_disk disk;
    char name[DGRAFT_SEGMENT_NAME_BYTES];
    uint8_t *records = NULL;
    size_t size;
    uint32_t count;
    dgraft_index membership;
    bool made = false;
    if (strlen(directory) > DIRECTORY_BYTES_MAX) {
        return dgraft_why_set(why, DGRAFT_STATUS_NOT_FOUND, "the path is longer than %d bytes", DIRECTORY_BYTES_MAX);
    }
    if (!dgraft_node_id_valid(identity->node)) {
        return dgraft_why_set(why, DGRAFT_STATUS_MISUSE, "node %" PRIu32 " is not between 1 and %u", identity->node,
                              DGRAFT_NODE_ID_MAX);
    }
    dgraft_disk_init(&disk, fs, directory);
    dgraft_segment_name(1, name);
    enum dgraft_status status = gather(first, first_count, &records, &size, &count, &membership, why);
    if (status == DGRAFT_OK) {
        status = make_directory(&disk, &made, why);
    }
    if (status != DGRAFT_OK) {
        free(records);
        return status;
    }
    const char *what = "lock";
    int result = write_file(&disk, what, NULL, 0);
    if (result == 0) {
        what = name;
        result = write_log(&disk, identity, records, size, count, membership);
    }
    if (result == 0) {
        what = state_draft;
        result = write_state(&disk, identity);
    }
    if (result == 0) {
        what = "";
        result = dgraft_disk_sync_directory(&disk);
    }
    if (result == 0) {
        what = "state";
        result = dgraft_disk_rename(&disk, state_draft, "state");
    }
    if (result == 0) {
        what = "";
        result = dgraft_disk_sync_directory(&disk);
    }
    if (result == 0 && made) {
        result = sync_parent(fs, directory);
    }
    free(records);
    if (result == 0) {
        return DGRAFT_OK;
    }
    (void)dgraft_disk_unlink(&disk, "state");
    (void)dgraft_disk_unlink(&disk, state_draft);
    (void)dgraft_disk_unlink(&disk, name);
    (void)dgraft_disk_unlink(&disk, "lock");
    return dgraft_why_errno(why, &disk, "write", what, result);
}
