/* Reads the files of a node's directory and says what they hold, batch by batch and record by record: for `raftctl
 * inspect`, for recovery's tests, for whoever wants to look. Never writes, and asks about the lock without taking it.
 * Works while a node runs, and on any bytes whatever: damage becomes a finding.
 */
#ifndef DGRAFT_INSPECT_H
#define DGRAFT_INSPECT_H

#include <dgraft/fs.h>
#include <dgraft/record.h>
#include <dgraft/storage.h>

#ifdef __cplusplus
extern "C" {
#endif

enum dgraft_file_type {
    DGRAFT_FILE_UNKNOWN = 0,
    DGRAFT_FILE_STATE = 1,
    DGRAFT_FILE_SEGMENT = 2,
    DGRAFT_FILE_SPARE = 3, /* a segment prepared for later: not looked into */
    DGRAFT_FILE_SNAPSHOT = 4
};

/* How bad a finding is: what the verdict is made from. */
enum dgraft_severity {
    DGRAFT_SEVERITY_NOTE = 1,  /* worth knowing; nothing to do: a torn tail that the next start cuts */
    DGRAFT_SEVERITY_DAMAGE = 2 /* acknowledged data is damaged or missing, or a file is not what it should be */
};

struct dgraft_state_slot {
    uint32_t slot; /* 0 to 3 */
    uint64_t offset;
    enum dgraft_refusal refusal; /* DGRAFT_ACCEPT: the rest is valid */
    uint64_t version;            /* of this save; the highest wins */
    dgraft_term term;
    dgraft_node_id vote;
    uint32_t generation;
    struct dgraft_identity identity;
};

struct dgraft_segment_header {
    enum dgraft_refusal refusal; /* DGRAFT_ACCEPT: the rest is valid */
    struct dgraft_identity identity;
    uint64_t sequence;
    uint64_t first_batch; /* number of its first batch */
    uint64_t follows; /* number of the batch that the first one follows: any after that one in older segments is void */
    uint32_t chain;   /* checksum of the batch it follows */
    dgraft_index first;  /* index that the first batch may begin with, for people */
    uint64_t made_bytes; /* size of the file when it was taken into use, synced by then; 0 when that was not certain */
    uint64_t file_bytes; /* size now */
};

/* A snapshot's file: this block, then `snapshot.size` bytes, which are the node's affair: members, sessions, and what
 * the state machine wrote. */
struct dgraft_snapshot_header {
    enum dgraft_refusal refusal; /* DGRAFT_ACCEPT: the rest is valid */
    struct dgraft_identity identity;
    struct dgraft_snapshot snapshot; /* the digest is XXH3-64 over its bytes */
    uint32_t chunk_bytes;            /* of one that is being received: no write of it was larger */
    uint64_t file_bytes;             /* size now */
};

struct dgraft_batch {
    uint64_t offset;
    uint64_t length;             /* header and records, in bytes */
    enum dgraft_refusal refusal; /* why it is not a good batch; DGRAFT_ACCEPT when it is */
    uint64_t number;
    uint32_t checksum;
    uint32_t previous; /* checksum of the batch before it */
    dgraft_index keep;
    dgraft_index first;
    uint32_t count;
    struct dgraft_position floor;
    dgraft_index commit;
    dgraft_index membership;
    uint64_t wall_clock_ns;
    uint64_t saves;   /* version of the newest state known durable when this was written */
    dgraft_term term; /* of that state */
    uint32_t records_checksum;
    bool restart; /* the whole log before is superseded: it begins anew after `floor`, which a snapshot holds */
    bool mends;   /* its entries take the place of damaged ones at or below keep, which is the last index */
};

/* Any callback may be NULL. Views are valid during the call. */
struct dgraft_inspect_visitor {
    void *context;
    void (*state_slot)(void *context, const char *path, const struct dgraft_state_slot *slot);
    void (*segment)(void *context, const char *path, const struct dgraft_segment_header *header);
    void (*snapshot)(void *context, const char *path, const struct dgraft_snapshot_header *header);
    void (*batch)(void *context, const char *path, const struct dgraft_batch *batch);
    /* A record within the batch visited last; superseded: a later batch of the log has overwritten it. */
    void (*record)(void *context, const char *path, uint64_t offset, const struct dgraft_record *record,
                   enum dgraft_refusal refusal);
    /* text says what is the matter, remedy what to do about it; neither is empty. */
    void (*finding)(void *context, const char *path, uint64_t offset, enum dgraft_severity severity, const char *text,
                    const char *remedy);
};

struct dgraft_inspect_stretch {
    dgraft_index first;
    dgraft_index last;
};

struct dgraft_inspect_summary {
    struct dgraft_identity identity;
    bool has_identity;
    bool running; /* the directory's lock is held: bytes at the tail may be half-written just now */
    dgraft_term term;
    dgraft_node_id vote;
    struct dgraft_position snapshot; /* the newest that is whole; {0,0} none */
    uint64_t snapshot_bytes;
    struct dgraft_position first; /* of the log's entries in force */
    struct dgraft_position last;
    struct dgraft_position floor;
    dgraft_index commit;
    uint64_t segments;
    uint64_t spares; /* prepared for later; not looked into */
    uint64_t batches;
    uint64_t records; /* seen, superseded ones too */
    uint64_t torn_bytes;
    uint32_t notes;
    uint32_t damages;
    uint32_t
        mended; /* of the notes: damaged batches of which no entry is wanted any more, mostly since it was mended */
    /* Of a directory: entries in force that are damaged, and that a start fetches from other members; ascending.
     * Unless `refused`: then a start does not get that far, and what is damaged is not known so exactly. */
    struct dgraft_inspect_stretch missing[DGRAFT_DAMAGE_MAX];
    uint32_t missing_count;
    uint64_t salvaged; /* entries in force whose batch is damaged and that can be read: a start writes them again */
    bool refused;      /* a start refuses the directory as it is */
};

/* Visits a directory, or a single file of one (state or segment), in order. Returns OK when all could be read - damaged
 * or not: see summary - NOT_FOUND, READ_ONLY (no permission), IO, NO_MEMORY, or DAMAGED when the path is not a file or
 * directory of dgraft at all. */
DGRAFT_MUST_USE enum dgraft_status dgraft_inspect(struct dgraft_fs *fs, const char *path,
                                                  const struct dgraft_inspect_visitor *visitor,
                                                  struct dgraft_inspect_summary *summary, struct dgraft_why *why);

#ifdef __cplusplus
}
#endif
#endif
