/* Who the members were when the newest known commit was made: from an entry of a log, or from a snapshot. */
#include "verify_replicas.h"

#include <string.h>

enum { SNAPSHOT_BLOCK_BYTES = 4096, FRONT_BYTES = 32, MEMBERS_AT = 16, INDEX_AT = 8 };

static bool decode(struct dgraft_walk *walk, dgraft_index index, struct dgraft_membership *out)
{
    struct dgraft_walk_step step;
    struct dgraft_members members;
    struct dgraft_why why;
    dgraft_walk_seek(walk, index);
    const bool read =
        index != 0 && dgraft_walk_next(walk, &step, &why) == DGRAFT_OK && step.what == DGRAFT_WALKED_ENTRY &&
        step.first == index && step.record.entry.kind == DGRAFT_ENTRY_MEMBERSHIP &&
        dgraft_membership_decode(step.record.payload, step.record.entry.payload_bytes, &members) == DGRAFT_ACCEPT;
    if (read) {
        dgraft_membership_of(&members, index, out);
    }
    dgraft_walk_seek(walk, 1);
    return read;
}

/* Reads the members at the front of a snapshot's bytes (docs/log-format.md). Its digest was compared by inspection. */
static bool decode_snapshot(struct dgraft_fs *fs, const struct verify_replica *replica, struct dgraft_membership *out)
{
    uint8_t bytes[FRONT_BYTES + DGRAFT_MEMBERSHIP_BYTES_MAX];
    struct dgraft_members members;
    if (replica->summary.snapshot.index == 0 || replica->snapshot_path[0] == '\0') {
        return false;
    }
    const int file = fs->ops->open(fs, replica->snapshot_path, DGRAFT_FS_READ);
    if (file < 0) {
        return false;
    }
    size_t have = 0;
    for (ssize_t got = 1; have < sizeof(bytes) && got > 0; have += got > 0 ? (size_t)got : 0) {
        got = fs->ops->pread(fs, file, bytes + have, sizeof(bytes) - have, SNAPSHOT_BLOCK_BYTES + have);
    }
    (void)fs->ops->close(fs, file);
    if (have < FRONT_BYTES || memcmp(bytes, "dgrn", 4) != 0 || dgraft_get_u32(bytes + 4) != 1) {
        return false;
    }
    const uint32_t members_bytes = dgraft_get_u32(bytes + MEMBERS_AT);
    const dgraft_index index = dgraft_get_u64(bytes + INDEX_AT);
    if (members_bytes > have - FRONT_BYTES || index == 0 || index > replica->summary.snapshot.index ||
        dgraft_membership_decode(bytes + FRONT_BYTES, members_bytes, &members) != DGRAFT_ACCEPT) {
        return false;
    }
    dgraft_membership_of(&members, index, out);
    return true;
}

/* The newest membership up to the commit wins, and one that is known committed before one that is not: an entry behind
 * what its own node knows may have been overwritten elsewhere. */
void verify_find_members(struct verify_report *report, struct dgraft_fs *fs)
{
    bool sure = false;
    for (unsigned i = 0; i < report->count; i++) {
        struct verify_replica *replica = &report->replicas[i];
        struct dgraft_membership found;
        const dgraft_index index = dgraft_walk_membership(replica->walk, report->commit);
        if (decode(replica->walk, index, &found)) {
            const bool known = index <= replica->summary.commit;
            if (!report->members_known || (known && !sure) || (known == sure && found.index > report->members.index)) {
                report->members = found;
                sure = known;
            }
            report->members_known = true;
        }
        if (decode_snapshot(fs, replica, &found) &&
            (!report->members_known || !sure || found.index > report->members.index)) {
            report->members = found;
            report->members_known = true;
            sure = true;
        }
    }
    for (unsigned i = 0; i < report->count && report->members_known; i++) {
        struct dgraft_walk *walk = report->replicas[i].walk;
        struct dgraft_membership found;
        if (report->members_next.index == 0 &&
            decode(walk, dgraft_walk_membership_after(walk, report->commit), &found)) {
            report->members_next = found;
        }
    }
}

static unsigned size_of(uint64_t set)
{
    unsigned count = 0;
    for (; set != 0; set &= set - 1) {
        count++;
    }
    return count;
}

static bool majority(dgraft_node_set nodes, dgraft_node_set voters)
{
    return voters == 0 || 2 * size_of(nodes & voters) > size_of(voters);
}

static dgraft_node_set bit_of(dgraft_node_id node)
{
    return node == 0 || node > DGRAFT_NODE_ID_MAX ? 0 : UINT64_C(1) << (node - 1);
}

bool verify_decides(const struct verify_report *report, verify_set set, dgraft_node_set absent)
{
    dgraft_node_set nodes = absent;
    dgraft_node_set named = 0;
    for (unsigned i = 0; i < report->count; i++) {
        const struct verify_replica *replica = &report->replicas[i];
        const dgraft_node_set bit = bit_of(replica->summary.identity.node);
        named |= bit;
        nodes |= (set >> i & 1) != 0 && replica->counts ? bit : 0;
    }
    if (!report->members_known) {
        return majority(nodes, named);
    }
    const struct dgraft_membership *now = &report->members;
    const struct dgraft_membership *next = &report->members_next;
    /* A leader counts by the newest membership of its log, committed or not: the one that follows may have decided. */
    return (majority(nodes, now->voters) && majority(nodes, now->outgoing)) ||
           (next->index != 0 && majority(nodes, next->voters) && majority(nodes, next->outgoing));
}

dgraft_node_set verify_absent(const struct verify_report *report)
{
    dgraft_node_set absent =
        report->members.voters | report->members.outgoing | report->members_next.voters | report->members_next.outgoing;
    for (unsigned i = 0; i < report->count; i++) {
        absent &= ~bit_of(report->replicas[i].summary.identity.node);
    }
    return absent;
}
