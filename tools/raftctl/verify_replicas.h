/* Compares the directories of one cluster's nodes, entry by entry, without holding any of their logs: what no node can
 * see alone. Reads only; the nodes may be running.
 */
#ifndef VERIFY_REPLICAS_H
#define VERIFY_REPLICAS_H

#include <dgraft/log_walk.h>
#include <dgraft/membership.h>

/* A set of directories: bit n stands for the one of number n, in the order they were named in. */
typedef uint64_t verify_set;

enum { VERIFY_DIRECTORIES_MAX = 64, VERIFY_TEXT_BYTES = 1024 };

struct verify_replica {
    const char *path; /* borrowed */
    struct dgraft_inspect_summary summary;
    struct dgraft_walk *walk;
    char snapshot_path[1024];            /* "" none */
    uint32_t damages;                    /* that inspection found */
    char damage[DGRAFT_WHY_BYTES + 256]; /* the first of them: file, offset, text */
    bool counts;                         /* its node is a member, and this is its disk */
};

enum verify_kind {
    VERIFY_DAMAGE = 1,     /* inspection found damage in one directory */
    VERIFY_NAMELESS = 2,   /* whose directory it is cannot be read */
    VERIFY_STORE = 3,      /* the members know this node by another disk */
    VERIFY_STRANGER = 4,   /* its node is no member */
    VERIFY_MEMBERS = 5,    /* who the members are is not known */
    VERIFY_REPAIR = 6,     /* entries that one directory has lost, and who has them */
    VERIFY_DIFFER = 7,     /* one (index, term), different bytes */
    VERIFY_PARTED = 8,     /* two logs differ in an entry and agree in a later one */
    VERIFY_COMMITTED = 9,  /* two nodes know different entries committed at one index */
    VERIFY_UNCOVERED = 10, /* committed entries that no majority holds */
    VERIFY_UNSHOWN = 11    /* the same, but nodes whose directories were not named may hold them */
};

struct verify_finding {
    enum verify_kind kind;
    enum dgraft_severity severity;
    verify_set of;      /* whom it is about */
    verify_set holders; /* who has intact what it is about */
    dgraft_index first; /* 0: it is about no entries */
    dgraft_index last;
    const char *text;   /* what is the matter */
    const char *remedy; /* what to do about it */
};

struct verify_report {
    struct verify_replica *replicas;
    unsigned count;
    dgraft_index commit; /* the highest that any of them knows */
    bool members_known;
    struct dgraft_membership members;      /* in force at `commit` */
    struct dgraft_membership members_next; /* the next one, when an entry behind `commit` says so; index 0: none */
    uint64_t compared;                     /* entries of which two copies or more were compared */
    uint32_t damages;
    uint32_t notes;
    void (*finding)(void *context, const struct verify_finding *finding);
    void *context;
};

enum verify_result {
    VERIFY_FINE = 0,
    VERIFY_FINDINGS = 1,
    VERIFY_IMPOSSIBLE = 2 /* why says the reason */
};

/* Opens the directories and finds out who the members are. report->finding is set, the rest of it zero. Returns FINE or
 * IMPOSSIBLE: not all can be read, or they are not those of one cluster's nodes. */
enum verify_result verify_open(struct verify_report *report, struct dgraft_fs *fs, const char *const *paths,
                               unsigned count, struct dgraft_why *why);

/* Tells what is to be said of each directory by itself. Then, verify_logs. */
void verify_judge(struct verify_report *report);

/* Walks all logs at once. Returns FINE, FINDINGS (one is damage, here or before), IMPOSSIBLE. */
enum verify_result verify_logs(struct verify_report *report, struct dgraft_why *why);

void verify_close(struct verify_report *report);

/* Counts and tells a finding; `remedy` as it is, the text from a format. */
__attribute__((format(printf, 4, 5))) void verify_tell(struct verify_report *report, struct verify_finding finding,
                                                       const char *remedy, const char *format, ...);

/* Writes "node 1, 3" for a set of directories, "nobody" for none. Returns text. */
char *verify_names(const struct verify_report *report, verify_set set, char *text, size_t text_bytes);

/* Whether a set of directories decides, with those of nodes whose directories were not named (`absent` ids) or without.
 */
bool verify_decides(const struct verify_report *report, verify_set set, dgraft_node_set absent);

/* Members whose directories were not named. */
dgraft_node_set verify_absent(const struct verify_report *report);

/* Finds who the members are: from the logs, or from a snapshot. */
void verify_find_members(struct verify_report *report, struct dgraft_fs *fs);

#endif
