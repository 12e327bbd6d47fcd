/* Damage in every combination of four entries and three nodes, as in "Protocol-Aware Recovery for Consensus-Based
 * Storage" (FAST'18): what is whole somewhere is recovered everywhere; otherwise the cluster waits and says which disks
 * were asked; and never is anything lost or invented.
 */
#include "snapshot_rig.h"

#include <criterion/criterion.h>
#include <dgraft/inspect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Behind what begins every log one entry more is looked at: the first of the four may share a block with it. */
enum { ENTRIES = 4, LOOKED_AT = ENTRIES + 1, FIRST = 4, PLACEMENTS = 1 << (ENTRIES * 3) };

/* Where an entry's batch lies on a node's disk. */
struct place {
    char path[64];
    uint64_t begin; /* of the batch's header */
    uint64_t record;
    uint64_t end;
};

/* A cluster that has committed four commands, and was closed. */
struct base {
    struct memory_fs *disks[RIG_NODES + 1];
    struct place places[RIG_NODES + 1][LOOKED_AT];
    struct rig_cluster cluster; /* what it committed */
};

struct finding {
    struct place *places;
    struct dgraft_batch batch;
};

static void batch(void *context, const char *path, const struct dgraft_batch *seen)
{
    struct finding *finding = context;
    (void)path;
    finding->batch = *seen;
}

static void record(void *context, const char *path, uint64_t offset, const struct dgraft_record *seen,
                   enum dgraft_refusal refusal)
{
    struct finding *finding = context;
    const uint64_t nth = seen->entry.index - FIRST;
    cr_assert_eq(refusal, DGRAFT_ACCEPT);
    if (seen->entry.index >= FIRST && nth < LOOKED_AT) {
        struct place *place = &finding->places[nth];
        cr_assert_eq(finding->batch.count, 1u, "each is written by itself");
        (void)snprintf(place->path, sizeof place->path, "%s", path);
        place->begin = finding->batch.offset;
        place->record = offset;
        place->end = finding->batch.offset + finding->batch.length;
    }
}

static void open_rig(struct rig_cluster *cluster, uint32_t payload_bytes, uint64_t segment_bytes)
{
    rig_open(cluster, RIG_NODES, 0, 100, 1000);
    cluster->payload_bytes = payload_bytes;
    for (dgraft_node_id id = 1; id <= RIG_NODES; id++) {
        cluster->nodes[id].options.storage.segment_bytes = segment_bytes;
    }
}

static void make_base(struct base *base, uint32_t payload_bytes, uint64_t segment_bytes)
{
    struct rig_cluster *cluster = &base->cluster;
    open_rig(cluster, payload_bytes, segment_bytes);
    rig_start_all(cluster);
    rig_commit(cluster, LOOKED_AT);
    cr_assert(rig_settled(cluster, 1000));
    rig_run(cluster, 200); /* quiet: the floor is marked */
    for (dgraft_node_id id = 1; id <= RIG_NODES; id++) {
        struct rig_node *node = &cluster->nodes[id];
        struct finding finding = {.places = base->places[id]};
        struct dgraft_inspect_visitor visitor = {.context = &finding, .batch = batch, .record = record};
        struct dgraft_inspect_summary summary;
        struct dgraft_why why;
        dgraft_driver_close(node->driver);
        node->driver = NULL;
        base->disks[id] = memory_fs_copy(node->disk);
        cr_assert_eq(dgraft_inspect(memory_fs_seam(node->disk), "node", &visitor, &summary, &why), DGRAFT_OK);
        cr_assert_eq(summary.last.index, FIRST + LOOKED_AT - 1u, "%llu", (unsigned long long)summary.last.index);
        for (uint32_t i = 0; i < LOOKED_AT; i++) {
            cr_assert_neq(base->places[id][i].end, 0u);
        }
    }
}

/* Damages one copy: a bit of the record, or all of the block that the batch's header lies in. Returns which entries of
 * the node lie in what was damaged. */
static uint32_t damage(const struct base *base, dgraft_node_id id, uint32_t entry, struct memory_fs *disk, bool block)
{
    const struct place *place = &base->places[id][entry];
    uint64_t size = 0;
    uint32_t hit = 0;
    uint8_t *bytes = memory_fs_bytes(disk, place->path, &size);
    const uint64_t begin = block ? place->begin / 4096 * 4096 : place->record + DGRAFT_RECORD_HEADER_BYTES + 3;
    const uint64_t end = block ? begin + 4096 : begin + 1;
    cr_assert(bytes != NULL && end <= size && (!block || begin > 0));
    for (uint64_t at = begin; at < end; at++) {
        bytes[at] = block ? (uint8_t)(at * 7 + id) : bytes[at] ^ 4;
    }
    for (uint32_t i = 0; i < LOOKED_AT; i++) {
        const struct place *other = &base->places[id][i];
        const bool same_file = strcmp(other->path, place->path) == 0;
        hit |= same_file && other->begin < end && other->end > begin ? 1u << i : 0;
    }
    return hit;
}

/* Each that waits says of its first damage that the two others were asked, and what they said. */
static void check_waiting(struct rig_cluster *cluster, const uint32_t bad[RIG_NODES + 1])
{
    const uint32_t lost = bad[1] & bad[2] & bad[3];
    for (dgraft_node_id id = 1; id <= RIG_NODES; id++) {
        const struct dgraft_core_status core = rig_status(cluster, id).core;
        uint32_t damaged = 0;
        cr_assert_not(core.poisoned);
        for (uint32_t i = 0; i < core.damage_count; i++) {
            const struct dgraft_damage_status *at = &core.damage[i];
            cr_assert_eq(
                at->damaged | at->have_not | at->compacted, UINT64_C(7) & ~dgraft_node_set_of(id),
                "node %u has not asked all others for %llu to %llu: %llx are damaged, %llx have not, %llx compacted",
                id, (unsigned long long)at->damage.first, (unsigned long long)at->damage.last,
                (unsigned long long)at->damaged, (unsigned long long)at->have_not, (unsigned long long)at->compacted);
            for (dgraft_index index = at->damage.first; index <= at->damage.last; index++) {
                damaged |= 1u << (index - FIRST);
            }
        }
        cr_assert_eq(damaged, lost, "node %u has what can be had: it lacks %x, nobody has %x", id, damaged, lost);
        cr_assert_eq(core.repairing, lost != 0);
        cr_assert_neq(core.role, DGRAFT_ROLE_LEADER);
    }
}

/* What is on the disks at the end is what was committed. */
static void check_disks(struct rig_cluster *cluster)
{
    for (dgraft_node_id id = 1; id <= RIG_NODES; id++) {
        struct rig_node *node = &cluster->nodes[id];
        struct dgraft_storage *storage;
        struct dgraft_found found;
        struct dgraft_why why;
        dgraft_driver_close(node->driver);
        node->driver = NULL;
        cr_assert_eq(dgraft_storage_open(memory_fs_seam(node->disk), "node", NULL, &storage, &why), DGRAFT_OK, "%s",
                     why.text);
        dgraft_storage_found(storage, &found);
        cr_assert_eq(found.damage_count, 0u);
        for (uint32_t i = 0; i < LOOKED_AT; i++) {
            static uint8_t bytes[2 * RIG_PAYLOAD];
            uint32_t count = 0;
            size_t used = 0;
            cr_assert_eq(dgraft_storage_read(storage, FIRST + i, FIRST + i, bytes, sizeof bytes, &count, &used, &why),
                         DGRAFT_OK, "%s", why.text);
            cr_assert_eq(dgraft_get_u64(bytes + DGRAFT_RECORD_HEADER_BYTES), 1000u + i);
        }
        dgraft_storage_abandon(storage);
    }
}

/* Returns whether everything could be recovered. */
static bool try_placement(const struct base *base, uint32_t placement, bool block)
{
    static struct rig_cluster cluster;
    uint32_t bad[RIG_NODES + 1] = {0};
    open_rig(&cluster, base->cluster.payload_bytes, base->cluster.nodes[1].options.storage.segment_bytes);
    memcpy(cluster.chains, base->cluster.chains, sizeof cluster.chains);
    cluster.proposed = base->cluster.proposed;
    for (dgraft_node_id id = 1; id <= RIG_NODES; id++) {
        memory_fs_free(cluster.nodes[id].disk);
        cluster.nodes[id].disk = memory_fs_copy(base->disks[id]);
        for (uint32_t i = 0; i < ENTRIES; i++) {
            if ((placement >> ((id - 1) * ENTRIES + i) & 1) != 0) {
                bad[id] |= damage(base, id, i + 1, cluster.nodes[id].disk, block);
            }
        }
    }
    rig_start_all(&cluster);
    const bool all = (bad[1] & bad[2] & bad[3]) == 0;
    const bool settled = rig_settled(&cluster, all ? 5000 : 1500);
    cr_assert_eq(settled, all, "placement %x: damaged are %x, %x, %x", placement, bad[1], bad[2], bad[3]);
    if (all) {
        rig_commit(&cluster, 1);
        cr_assert(rig_settled(&cluster, 1000), "placement %x", placement);
        check_disks(&cluster);
    } else {
        check_waiting(&cluster, bad);
    }
    rig_close(&cluster);
    return all;
}

static uint32_t try_all(uint32_t payload_bytes, uint64_t segment_bytes, bool block)
{
    static struct base base;
    uint32_t recovered = 0;
    make_base(&base, payload_bytes, segment_bytes);
    for (uint32_t placement = 0; placement < PLACEMENTS; placement++) {
        recovered += try_placement(&base, placement, block);
    }
    for (dgraft_node_id id = 1; id <= RIG_NODES; id++) {
        memory_fs_free(base.disks[id]);
    }
    rig_close(&base.cluster);
    cr_log_info("%u of %u placements recovered", recovered, (unsigned)PLACEMENTS);
    return recovered;
}

/* 7 of the 8 ways to damage the three copies of an entry leave one: 7 * 7 * 7 * 7 placements can be recovered. */
Test(placements, by_record_what_is_whole_somewhere_is_recovered, .timeout = 300)
{
    cr_assert_eq(try_all(100, 65536, false), 2401u);
}

Test(placements, by_block_what_is_whole_somewhere_is_recovered, .timeout = 300)
{
    cr_assert_eq(try_all(4200, 8192, true), 2401u, "each in a segment of its own");
}

Test(placements, by_block_with_neighbours_what_is_whole_somewhere_is_recovered, .timeout = 300)
{
    const uint32_t recovered = try_all(4200, 65536, true);
    cr_assert(recovered > 500 && recovered < 2401, "a block holds the end of one entry and the beginning of the next");
}
