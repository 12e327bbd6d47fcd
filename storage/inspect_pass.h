/* What the parts of an inspection share. */
#ifndef DGRAFT_INSPECT_PASS_H
#define DGRAFT_INSPECT_PASS_H

#include "inspect_map.h"
#include "inspect_start.h"
#include "segment_scan.h"
#include "storage_why.h"

/* A segment as its header says. */
struct dgraft_inspect_segment {
    uint64_t sequence;
    char name[256]; /* in the directory; empty for a single file, which is the path itself */
    struct dgraft_segment_header header;
    bool newest;
    bool only;
    bool behind;    /* bytes that are not zero lie behind the header */
    bool gone;      /* the running node has dropped it since it was listed: a snapshot holds what it held */
    bool void_;     /* no finished batch: what its header says is not in force */
    uint64_t limit; /* batches after this one are not part of the log */
};

struct dgraft_inspect_pass {
    struct dgraft_disk disk;
    const struct dgraft_inspect_visitor *visitor;
    struct dgraft_inspect_summary *summary;
    struct dgraft_why *why;
    struct dgraft_scan scan;
    struct dgraft_plan plan;
    bool single;
    uint64_t required; /* batches up to this number are proven to have been synced */
    uint64_t number;   /* of the newest batch in force */
    uint32_t chain;
    bool broken;   /* something before was damaged: what follows cannot be compared with it */
    bool outdated; /* a segment was gone, and no batch was read behind it: the log goes on in some that were not listed
                    */
    struct dgraft_log log;
    uint64_t saves;
    dgraft_term saved_term;
    struct dgraft_map *map; /* NULL: nobody wants to know where entries lie */
    bool mends;             /* a batch took the place of damaged entries */
    struct dgraft_inspect_start start;
};

/* What to do about a finding, besides DGRAFT_REMEDY_DAMAGE. */
#define DGRAFT_REMEDY_NOTHING "nothing"
#define DGRAFT_REMEDY_MENDED  "nothing: the next start mends it"
#define DGRAFT_REMEDY_KEPT    "check the disk and start the node: it writes again what can still be read"
#define DGRAFT_REMEDY_WATCH   "nothing for the log; check the disk when there are more of these"
#define DGRAFT_REMEDY_NEWER   "use the newer program"

/* Counts and tells a finding. */
__attribute__((format(printf, 6, 7))) void dgraft_inspect_tell(struct dgraft_inspect_pass *pass, const char *path,
                                                               uint64_t offset, enum dgraft_severity severity,
                                                               const char *remedy, const char *format, ...);

/* Tells that a file or a part of the log is lost, of which a start may still fetch or have fetched what it held: what
 * recovery says of the directory decides whether anything is to be done. Not for a single file. */
void dgraft_inspect_tell_lost(struct dgraft_inspect_pass *pass, const char *path, const char *text);

/* Reads a segment's header. Returns OK or what the file system's failure stands for. */
DGRAFT_MUST_USE enum dgraft_status dgraft_inspect_header(struct dgraft_inspect_pass *pass,
                                                         struct dgraft_inspect_segment *segment);

/* Says whether the first batch of a segment is whole. */
DGRAFT_MUST_USE enum dgraft_status dgraft_inspect_first(struct dgraft_inspect_pass *pass,
                                                        struct dgraft_inspect_segment *segment, bool *whole);

/* Here, batches of the log cannot be read: what follows is not compared with what lies before. */
void dgraft_inspect_lose(struct dgraft_inspect_pass *pass);

/* Visits a segment: header, batches, records; and tells what is wrong with them. */
DGRAFT_MUST_USE enum dgraft_status dgraft_inspect_segment(struct dgraft_inspect_pass *pass,
                                                          const struct dgraft_inspect_segment *segment);

/* Inspects, and fills `map` (empty before, may be NULL), for which the path must be a directory. */
DGRAFT_MUST_USE enum dgraft_status dgraft_inspect_mapped(struct dgraft_fs *fs, const char *path,
                                                         const struct dgraft_inspect_visitor *visitor,
                                                         struct dgraft_inspect_summary *summary, struct dgraft_map *map,
                                                         struct dgraft_why *why);

#endif
