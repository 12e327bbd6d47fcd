#include "snapshot_rig.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLUSTER_NUMBER 77u

static uint64_t link_chain(uint64_t chain, uint64_t value)
{
    return (chain ^ value) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* Values are proposed in order: what lies out of it, was lost or came twice breaks the chain. */
static void apply(void *context, const struct dgraft_applied *entries, size_t count)
{
    struct rig_machine *machine = context;
    for (size_t i = 0; i < count; i++) {
        cr_assert_geq(entries[i].payload_bytes, 8u);
        machine->chain = link_chain(machine->chain, dgraft_get_u64(entries[i].payload));
        machine->count++;
        machine->applied++;
        if (entries[i].remembered != NULL) {
            entries[i].remembered->size = 8;
            dgraft_put_u64(entries[i].remembered->bytes, machine->count);
        }
    }
}

static bool snapshot(void *context, struct dgraft_snapshot_writer *writer)
{
    const struct rig_machine *machine = context;
    uint8_t bytes[16];
    dgraft_put_u64(bytes, machine->count);
    dgraft_put_u64(bytes + 8, machine->chain);
    bool written = dgraft_snapshot_write(writer, bytes, sizeof bytes);
    for (uint32_t i = 0; i < machine->padding; i++) {
        const uint8_t byte = (uint8_t)(i * 7 + machine->count);
        written = dgraft_snapshot_write(writer, &byte, 1);
    }
    return written && !machine->refuses;
}

static bool restore(void *context, const uint8_t *bytes, size_t size)
{
    struct rig_machine *machine = context;
    if (machine->refuses || size != 16 + machine->padding) {
        return false;
    }
    machine->count = dgraft_get_u64(bytes);
    machine->chain = dgraft_get_u64(bytes + 8);
    for (uint32_t i = 0; i < machine->padding; i++) {
        cr_assert_eq(bytes[16 + i], (uint8_t)(i * 7 + machine->count), "byte %u of the padding", i);
    }
    machine->restored++;
    return true;
}

static dgraft_node_id who(const struct dgraft_address *address)
{
    for (dgraft_node_id id = 1; id <= RIG_NODES; id++) {
        char name[16];
        struct dgraft_address own;
        (void)snprintf(name, sizeof name, "node:%u", id);
        dgraft_memory_address(name, &own);
        if (memcmp(&own, address, sizeof own) == 0) {
            return id;
        }
    }
    return 0;
}

static void deliver(void *context, const struct dgraft_address *from, const struct dgraft_address *to,
                    const uint8_t *bytes, size_t size)
{
    struct rig_cluster *cluster = context;
    cluster->dice = cluster->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    if (dgraft_node_set_has(cluster->cut, who(from)) || dgraft_node_set_has(cluster->cut, who(to)) ||
        (cluster->dice >> 33) % 8 < cluster->lose_of_8) {
        return;
    }
    dgraft_memory_hub_inject(cluster->hub, from, to, bytes, size);
}

static void format(struct rig_node *node)
{
    struct dgraft_identity identity = {
        .cluster = CLUSTER_NUMBER, .node = node->id, .store = 1000 + node->id, .cluster_name = "rig"};
    struct dgraft_members members = {.count = node->cluster->count};
    uint8_t bytes[DGRAFT_RECORD_HEADER_BYTES + DGRAFT_MEMBERSHIP_BYTES_MAX + 8] = {0};
    struct dgraft_record record = {.entry = {.index = 1, .term = 1, .kind = DGRAFT_ENTRY_MEMBERSHIP}};
    struct dgraft_why why = {""};
    for (uint32_t i = 0; i < members.count; i++) {
        members.items[i] = (struct dgraft_member){.id = i + 1, .roles = DGRAFT_MEMBER_VOTER};
        (void)snprintf(members.items[i].address, sizeof members.items[i].address, "node:%u", i + 1);
    }
    record.entry.payload_bytes = (uint32_t)dgraft_membership_encode(&members, bytes + DGRAFT_RECORD_HEADER_BYTES);
    record.entry.checksum = dgraft_crc32c(0, bytes + DGRAFT_RECORD_HEADER_BYTES, record.entry.payload_bytes);
    dgraft_record_encode_header(&record, bytes);
    const struct iovec first = {.iov_base = bytes, .iov_len = dgraft_record_bytes(record.entry.payload_bytes)};
    cr_assert_eq(dgraft_storage_format(memory_fs_seam(node->disk), "node", &identity, &first, 1, &why), DGRAFT_OK, "%s",
                 why.text);
}

void rig_open(struct rig_cluster *cluster, uint32_t count, uint64_t every, uint64_t tail, uint32_t chunk_bytes)
{
    memset(cluster, 0, sizeof *cluster);
    cluster->hub = dgraft_memory_hub_open(deliver, cluster);
    cluster->count = count;
    cluster->now_ns = RIG_MS;
    cluster->dice = 1;
    cluster->payload_bytes = 8;
    for (dgraft_node_id id = 1; id <= count; id++) {
        struct rig_node *node = &cluster->nodes[id];
        *node = (struct rig_node){.cluster = cluster, .id = id, .disk = memory_fs_new()};
        format(node);
        dgraft_config_defaults(&node->options.core, id);
        node->options.core.snapshot_chunk_bytes = chunk_bytes;
        node->options.core.compact_tail = tail;
        node->options.core.compact_slow_max = 1000;
        node->options.directory = "node";
        node->options.storage.segment_bytes = 8192;
        node->options.snapshot_every = every;
        node->options.check_invariants = true;
        node->options.machine = (struct dgraft_state_machine){
            .context = &node->machine, .apply = apply, .snapshot = snapshot, .restore = restore};
        node->machine.padding = 5000;
    }
}

void rig_close(struct rig_cluster *cluster)
{
    for (dgraft_node_id id = 1; id <= cluster->count; id++) {
        struct rig_node *node = &cluster->nodes[id];
        dgraft_driver_close(node->driver);
        if (node->transport != NULL) {
            node->transport->ops->close(node->transport);
        }
        memory_fs_free(node->disk);
    }
    dgraft_memory_hub_close(cluster->hub);
}

enum dgraft_status rig_start(struct rig_cluster *cluster, dgraft_node_id id, struct dgraft_why *why)
{
    struct rig_node *node = &cluster->nodes[id];
    char name[16];
    (void)snprintf(name, sizeof name, "node:%u", id);
    if (node->transport == NULL) {
        cr_assert_eq(dgraft_memory_open(cluster->hub, name, 1400, 4096, &node->transport), DGRAFT_OK);
    }
    node->machine.count = 0;
    node->machine.chain = 0;
    node->machine.restored = 0;
    node->machine.applied = 0;
    node->options.fs = memory_fs_seam(node->disk);
    node->options.transport = node->transport;
    return dgraft_driver_open(&node->options, cluster->now_ns, &node->driver, why);
}

void rig_start_all(struct rig_cluster *cluster)
{
    for (dgraft_node_id id = 1; id <= cluster->count; id++) {
        struct dgraft_why why = {""};
        cr_assert_eq(rig_start(cluster, id, &why), DGRAFT_OK, "%s", why.text);
    }
}

static bool nothing(void *context, size_t which)
{
    (void)context;
    (void)which;
    return false;
}

void rig_kill(struct rig_cluster *cluster, dgraft_node_id id, bool (*kept)(void *context, size_t which), void *context)
{
    struct rig_node *node = &cluster->nodes[id];
    dgraft_driver_abandon(node->driver);
    node->driver = NULL;
    node->transport->ops->close(node->transport);
    node->transport = NULL;
    struct memory_fs *image = memory_fs_crash(node->disk, kept != NULL ? kept : nothing, context);
    memory_fs_free(node->disk);
    node->disk = image;
}

/* Does what waits to be done to a node's files. Returns false when it is to crash instead. */
static bool work(struct rig_node *node)
{
    if (dgraft_driver_write_ready(node->driver) && !node->stalls) {
        if (++node->steps == node->crash_at) {
            return false;
        }
        dgraft_driver_perform(node->driver);
    }
    if (dgraft_driver_file_work_ready(node->driver)) {
        if (++node->steps == node->crash_at) {
            return false;
        }
        (void)dgraft_driver_file_work(node->driver);
    }
    return true;
}

void rig_run(struct rig_cluster *cluster, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        cluster->now_ns += RIG_MS;
        for (dgraft_node_id id = 1; id <= cluster->count; id++) {
            struct rig_node *node = &cluster->nodes[id];
            if (node->driver != NULL && (node->crash_at == 0 || node->steps < node->crash_at)) {
                dgraft_driver_turn(node->driver, cluster->now_ns, cluster->now_ns);
                (void)work(node);
                if (cluster->now_ns / RIG_MS % 1000 == 0 && dgraft_driver_lacks_room(node->driver)) {
                    dgraft_driver_spare(node->driver);
                }
            }
        }
    }
}

dgraft_node_id rig_lead(struct rig_cluster *cluster)
{
    for (int i = 0; i < 5000; i++) {
        rig_run(cluster, 1);
        for (dgraft_node_id id = 1; id <= cluster->count; id++) {
            if (cluster->nodes[id].driver != NULL && !dgraft_node_set_has(cluster->cut, id)) {
                const struct dgraft_driver_status status = rig_status(cluster, id);
                if (status.core.role == DGRAFT_ROLE_LEADER && (status.core.commit == status.core.last.index)) {
                    return id;
                }
            }
        }
    }
    cr_assert_fail("nobody leads");
    return 0;
}

struct command {
    struct dgraft_proposal proposal;
    struct iovec piece;
    uint8_t bytes[RIG_PAYLOAD];
    int committed;
};

static void answered(void *context, const struct dgraft_proposal_answer *answer)
{
    struct command *command = context;
    command->committed += answer->fate == DGRAFT_PROPOSAL_COMMITTED ? 1 : 0;
}

void rig_commit(struct rig_cluster *cluster, uint32_t count)
{
    static struct command command;
    for (uint32_t i = 0; i < count; i++) {
        const dgraft_node_id leader = rig_lead(cluster);
        command = (struct command){.committed = 0};
        dgraft_put_u64(command.bytes, 1000 + cluster->proposed);
        command.piece = (struct iovec){command.bytes, cluster->payload_bytes};
        command.proposal = (struct dgraft_proposal){
            .pieces = &command.piece, .piece_count = 1, .context = &command, .answered = answered};
        cr_assert_eq(dgraft_driver_propose(cluster->nodes[leader].driver, &command.proposal), DGRAFT_OK);
        for (int ms = 0; ms < 1000 && command.committed == 0; ms++) {
            rig_run(cluster, 1);
        }
        cr_assert_eq(command.committed, 1, "command %llu", (unsigned long long)cluster->proposed);
        cr_assert_lt(cluster->proposed + 1, RIG_COMMANDS);
        cluster->chains[cluster->proposed + 1] =
            link_chain(cluster->chains[cluster->proposed], 1000 + cluster->proposed);
        cluster->proposed++;
    }
}

bool rig_right(const struct rig_cluster *cluster, const struct rig_machine *machine)
{
    return machine->count <= cluster->proposed && machine->chain == cluster->chains[machine->count];
}

bool rig_settled(struct rig_cluster *cluster, uint64_t ms)
{
    for (uint64_t i = 0; i <= ms; i++) {
        bool all = true;
        for (dgraft_node_id id = 1; id <= cluster->count; id++) {
            const struct rig_node *node = &cluster->nodes[id];
            if (node->driver != NULL && !dgraft_node_set_has(cluster->cut, id)) {
                cr_assert(rig_right(cluster, &node->machine), "node %u's state", id);
                all = all && node->machine.count == cluster->proposed;
            }
        }
        if (all) {
            return true;
        }
        rig_run(cluster, 1);
    }
    return false;
}

struct dgraft_driver_status rig_status(struct rig_cluster *cluster, dgraft_node_id id)
{
    struct dgraft_driver_status status;
    dgraft_driver_status(cluster->nodes[id].driver, &status);
    return status;
}
