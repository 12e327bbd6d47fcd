#include "verify_replicas.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void verify_tell(struct verify_report *report, struct verify_finding finding, const char *remedy, const char *format,
                 ...)
{
    char text[VERIFY_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    report->damages += finding.severity == DGRAFT_SEVERITY_DAMAGE ? 1 : 0;
    report->notes += finding.severity == DGRAFT_SEVERITY_NOTE ? 1 : 0;
    finding.text = text;
    finding.remedy = remedy;
    report->finding(report->context, &finding);
}

char *verify_names(const struct verify_report *report, verify_set set, char *text, size_t text_bytes)
{
    size_t used = 0;
    (void)snprintf(text, text_bytes, "nobody");
    for (unsigned i = 0; i < report->count; i++) {
        const struct dgraft_inspect_summary *summary = &report->replicas[i].summary;
        if ((set >> i & 1) != 0 && used < text_bytes) {
            const int wrote = summary->has_identity ? snprintf(text + used, text_bytes - used, "%s%u",
                                                               used == 0 ? "node " : ", ", summary->identity.node)
                                                    : snprintf(text + used, text_bytes - used, "%sdirectory %u",
                                                               used == 0 ? "" : ", ", i + 1);
            used += wrote < 0 ? 0 : (size_t)wrote;
        }
    }
    return text;
}

static void on_snapshot(void *context, const char *path, const struct dgraft_snapshot_header *header)
{
    struct verify_replica *replica = context;
    if (header->refusal == DGRAFT_ACCEPT) {
        (void)snprintf(replica->snapshot_path, sizeof(replica->snapshot_path), "%s", path);
    }
}

static void on_finding(void *context, const char *path, uint64_t offset, enum dgraft_severity severity,
                       const char *text, const char *remedy)
{
    struct verify_replica *replica = context;
    (void)remedy;
    if (severity == DGRAFT_SEVERITY_DAMAGE && replica->damages++ == 0) {
        (void)snprintf(replica->damage, sizeof(replica->damage), "%.200s at %" PRIu64 ": %s", path, offset, text);
    }
}

static enum dgraft_status open_one(struct verify_replica *replica, struct dgraft_fs *fs, struct dgraft_why *why)
{
    const struct dgraft_inspect_visitor visitor = {.context = replica, .snapshot = on_snapshot, .finding = on_finding};
    dgraft_walk_close(replica->walk);
    replica->damages = 0;
    replica->snapshot_path[0] = '\0';
    return dgraft_walk_open(fs, replica->path, &visitor, &replica->summary, &replica->walk, why);
}

/* Directories of different clusters, or two of one node, are not compared: what differs between them means nothing. */
static bool are_replicas(const struct verify_report *report, struct dgraft_why *why)
{
    for (unsigned i = 0; i < report->count; i++) {
        for (unsigned k = 0; k < i; k++) {
            const struct verify_replica *a = &report->replicas[k];
            const struct verify_replica *b = &report->replicas[i];
            if (!a->summary.has_identity || !b->summary.has_identity) {
                continue;
            }
            const struct dgraft_identity *one = &a->summary.identity;
            const struct dgraft_identity *other = &b->summary.identity;
            if (one->cluster != other->cluster || one->group != other->group) {
                (void)snprintf(why->text, sizeof(why->text),
                               "%.120s is of cluster %.63s (%016" PRIx64 "), %.120s of %.63s (%016" PRIx64
                               "): name the directories of one cluster",
                               a->path, one->cluster_name, one->cluster, b->path, other->cluster_name, other->cluster);
                return false;
            }
            if (one->node == other->node) {
                (void)snprintf(why->text, sizeof(why->text),
                               "%.180s and %.180s are both of node %u: name one directory of each node", a->path,
                               b->path, one->node);
                return false;
            }
        }
    }
    return true;
}

static dgraft_index highest_commit(const struct verify_report *report)
{
    dgraft_index commit = 0;
    for (unsigned i = 0; i < report->count; i++) {
        const struct dgraft_inspect_summary *summary = &report->replicas[i].summary;
        commit = summary->commit > commit ? summary->commit : commit;
        commit = summary->snapshot.index > commit ? summary->snapshot.index : commit;
    }
    return commit;
}

static uint64_t store_of(const struct dgraft_membership *members, dgraft_node_id node)
{
    const dgraft_node_set all = members->voters | members->outgoing | members->learners;
    unsigned place = 0;
    for (dgraft_node_id id = 1; id <= DGRAFT_NODE_ID_MAX; id++) {
        if ((all >> (id - 1) & 1) != 0 && id == node && place < DGRAFT_MEMBERS_MAX) {
            return members->stores[place];
        }
        place += (all >> (id - 1) & 1) != 0 ? 1 : 0;
    }
    return 0;
}

static bool is_member(const struct dgraft_membership *members, dgraft_node_id node)
{
    return members->index != 0 && node >= 1 && node <= DGRAFT_NODE_ID_MAX &&
           ((members->voters | members->outgoing | members->learners) >> (node - 1) & 1) != 0;
}

/* Says what is to be said of one directory by itself. */
static void judge_one(struct verify_report *report, unsigned number)
{
    struct verify_replica *replica = &report->replicas[number];
    const dgraft_node_id node = replica->summary.identity.node;
    struct verify_finding finding = {.severity = DGRAFT_SEVERITY_DAMAGE, .of = UINT64_C(1) << number};
    const uint64_t store = store_of(&report->members, node);
    replica->counts = replica->summary.has_identity;
    if (replica->damages != 0) {
        finding.kind = VERIFY_DAMAGE;
        verify_tell(report, finding, "`raftctl inspect` of this directory names each place and what to do",
                    "%.200s: %u finding%s of damage; the first: %s", replica->path, replica->damages,
                    replica->damages == 1 ? "" : "s", replica->damage);
    }
    if (!replica->summary.has_identity) {
        finding.kind = VERIFY_NAMELESS;
        verify_tell(report, finding, "keep the directory; without its node's name it proves nothing and repairs nobody",
                    "%.200s: whose directory it is cannot be read", replica->path);
    } else if (report->members_known && store != 0 && store != replica->summary.identity.store) {
        replica->counts = false;
        finding.kind = VERIFY_STORE;
        verify_tell(report, finding, "`raftctl member remove`, then format with --join, start and `raftctl member add`",
                    "%.200s: the members know node %u by its store %016" PRIx64 ", and this is store %016" PRIx64
                    ": what it holds counts for nothing",
                    replica->path, node, store, replica->summary.identity.store);
    } else if (report->members_known && !is_member(&report->members, node) && !is_member(&report->members_next, node)) {
        replica->counts = false;
        finding.kind = VERIFY_STRANGER;
        finding.severity = DGRAFT_SEVERITY_NOTE;
        verify_tell(report, finding, "nothing, when it was removed, or is yet to be added",
                    "%.200s: node %u is no member at index %" PRIu64, replica->path, node, report->commit);
    }
}

enum verify_result verify_open(struct verify_report *report, struct dgraft_fs *fs, const char *const *paths,
                               unsigned count, struct dgraft_why *why)
{
    bool running = false;
    report->replicas = calloc(count, sizeof(*report->replicas));
    if (report->replicas == NULL) {
        (void)snprintf(why->text, sizeof(why->text), "out of memory");
        return VERIFY_IMPOSSIBLE;
    }
    report->count = count;
    for (unsigned i = 0; i < count; i++) {
        report->replicas[i].path = paths[i];
        if (open_one(&report->replicas[i], fs, why) != DGRAFT_OK) {
            return VERIFY_IMPOSSIBLE;
        }
        running = running || report->replicas[i].summary.running;
    }
    report->commit = highest_commit(report);
    /* What was committed when it was read from one directory is in the others at any later time, and perhaps was not
     * when they were read before. */
    for (unsigned i = 0; running && i < count; i++) {
        if (open_one(&report->replicas[i], fs, why) != DGRAFT_OK) {
            return VERIFY_IMPOSSIBLE;
        }
    }
    if (!are_replicas(report, why)) {
        return VERIFY_IMPOSSIBLE;
    }
    verify_find_members(report, fs);
    return VERIFY_FINE;
}

void verify_judge(struct verify_report *report)
{
    if (!report->members_known) {
        verify_tell(report, (struct verify_finding){.kind = VERIFY_MEMBERS, .severity = DGRAFT_SEVERITY_NOTE},
                    "name the directories of all nodes",
                    "no log or snapshot here says who the members are: those named are taken for all");
    }
    for (unsigned i = 0; i < report->count; i++) {
        judge_one(report, i);
    }
}

void verify_close(struct verify_report *report)
{
    for (unsigned i = 0; i < report->count; i++) {
        dgraft_walk_close(report->replicas[i].walk);
    }
    free(report->replicas);
    report->replicas = NULL;
    report->count = 0;
}
