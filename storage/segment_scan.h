/* Reading a segment from front to back through a window of bounded size: batches, their records, what lies behind.
 * Any bytes give a batch or a reason; only the file system can fail.
 */
#ifndef DGRAFT_SEGMENT_SCAN_H
#define DGRAFT_SEGMENT_SCAN_H

#include "full_io.h"
#include "log_index.h"
#include "recovery_table.h"

/* A part of a file in memory. Grows up to the largest record. */
struct dgraft_window {
    struct dgraft_disk *disk;
    int file;
    uint64_t file_bytes;
    size_t read_ahead; /* read at least this much at once */
    uint8_t *bytes;
    size_t capacity;
    uint64_t begin; /* of what is in memory */
    size_t size;
};

void dgraft_window_init(struct dgraft_window *window, struct dgraft_disk *disk, size_t read_ahead);

/* Turns the window to another file; nothing of the old one stays. */
void dgraft_window_turn(struct dgraft_window *window, int file, uint64_t file_bytes);
void dgraft_window_free(struct dgraft_window *window);

/* Views `size` bytes at offset: valid until the next view. NULL with *error 0: the file ends before; NULL with *error:
 * a negative errno. */
const uint8_t *dgraft_window_view(struct dgraft_window *window, uint64_t offset, size_t size, int *error);

struct dgraft_scan {
    struct dgraft_window window;
    uint64_t store; /* of the directory: part of a batch's checksum */
    uint64_t sequence;
};

struct dgraft_scanned {
    struct dgraft_batch batch; /* refusal says why it is not good */
    bool header_good;          /* the fields of batch can be believed */
    enum dgraft_batch_look look;
};

/* Reads the batch at offset and checks it and its records by themselves: checksums, lengths, counts, order. Whether it
 * follows the batch before it is for the caller to ask. Fills `plan` (unless NULL) with the entries. look is GOOD,
 * NOTHING, BROKEN or WRONG. Returns 0 or a negative errno. */
DGRAFT_MUST_USE int dgraft_scan_batch(struct dgraft_scan *scan, uint64_t offset, struct dgraft_scanned *out,
                                      struct dgraft_plan *plan);

/* Says whether a good batch follows a log: number, chain, keep, floor, terms. ACCEPT or the reason. */
enum dgraft_refusal dgraft_scan_follows(const struct dgraft_log *log, const struct dgraft_batch *batch,
                                        const struct dgraft_plan *plan, uint64_t number, uint32_t chain);

/* Looks for a valid header of a batch with a higher number than `number` from offset on; *found is its place, 0 when
 * there is none. Returns 0 or a negative errno. */
DGRAFT_MUST_USE int dgraft_scan_later(struct dgraft_scan *scan, uint64_t offset, uint64_t number, uint64_t *found);

/* Says whether only zeros lie from offset on. *nonzero_end is the end of the last byte that is not zero, or offset.
 * Returns 0 or a negative errno. */
DGRAFT_MUST_USE int dgraft_scan_zeros(struct dgraft_scan *scan, uint64_t offset, uint64_t *nonzero_end);

#endif
