#include "replica_rig.h"

#include <dgraft/membership.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(enum dgraft_status status, const struct dgraft_why *why)
{
    if (status != DGRAFT_OK) {
        (void)fprintf(stderr, "replica_rig: %s\n", why->text);
        abort();
    }
}

/* Returns the record's size. */
static size_t frame(dgraft_index index, dgraft_term term, enum dgraft_entry_kind kind, const void *payload, size_t size,
                    uint8_t *out)
{
    struct dgraft_record record = {.entry = {.index = index,
                                             .term = term,
                                             .payload_bytes = (uint32_t)size,
                                             .checksum = dgraft_crc32c(0, payload, size),
                                             .kind = kind}};
    dgraft_record_encode_header(&record, out);
    memcpy(out + DGRAFT_RECORD_HEADER_BYTES, payload, size);
    memset(out + DGRAFT_RECORD_HEADER_BYTES + size, 0, dgraft_record_padding((uint32_t)size));
    return dgraft_record_bytes((uint32_t)size);
}

void replica_format(struct dgraft_fs *fs, const char *path, dgraft_node_id node, uint64_t cluster)
{
    struct dgraft_identity identity = {.cluster = cluster, .store = 0x5700 + node, .node = node};
    struct dgraft_members members = {.count = REPLICA_VOTERS};
    uint8_t payload[DGRAFT_MEMBERSHIP_BYTES_MAX];
    uint8_t bytes[DGRAFT_RECORD_HEADER_BYTES + DGRAFT_MEMBERSHIP_BYTES_MAX];
    struct dgraft_why why = {""};
    (void)snprintf(identity.cluster_name, sizeof identity.cluster_name, "replicas");
    for (dgraft_node_id id = 1; id <= REPLICA_VOTERS; id++) {
        struct dgraft_member *member = &members.items[id - 1];
        *member = (struct dgraft_member){.id = id, .roles = DGRAFT_MEMBER_VOTER};
        (void)snprintf(member->address, sizeof member->address, "127.0.0.1:%u", 7000 + id);
    }
    const size_t size = dgraft_membership_encode(&members, payload);
    const struct iovec piece = {bytes, frame(1, 1, DGRAFT_ENTRY_MEMBERSHIP, payload, size, bytes)};
    must(dgraft_storage_format(fs, path, &identity, &piece, 1, &why), &why);
}

void replica_payload(char mark, dgraft_index index, dgraft_term term, char out[24])
{
    char text[64];
    const int length =
        snprintf(text, sizeof text, "%c-%u-%u ", mark == 0 ? 'e' : mark, (unsigned)index, (unsigned)term);
    for (int i = 0; i < 24; i++) {
        out[i] = text[i % length];
    }
}

static void write_one(struct dgraft_storage *storage, const struct replica_write *write)
{
    uint8_t bytes[REPLICA_ENTRIES_MAX * 64];
    struct dgraft_entry entries[REPLICA_ENTRIES_MAX];
    struct dgraft_why why = {""};
    size_t size = 0;
    for (uint32_t i = 0; i < write->count; i++) {
        const dgraft_index index = write->keep + 1 + i;
        char payload[24];
        replica_payload(write->mark, index, write->term, payload);
        entries[i] = (struct dgraft_entry){.index = index,
                                           .term = write->term,
                                           .payload_bytes = sizeof payload,
                                           .checksum = dgraft_crc32c(0, payload, sizeof payload),
                                           .kind = DGRAFT_ENTRY_COMMAND};
        size += frame(index, write->term, DGRAFT_ENTRY_COMMAND, payload, sizeof payload, bytes + size);
    }
    const struct iovec piece = {bytes, size};
    const struct dgraft_storage_write to_do = {.state = true,
                                               .term = write->term,
                                               .log = true,
                                               .keep = write->keep,
                                               .first = write->keep + 1,
                                               .count = write->count,
                                               .last = {write->keep + write->count, write->term},
                                               .records = &piece,
                                               .record_pieces = write->count == 0 ? 0 : 1,
                                               .commit = write->commit,
                                               .membership = 1,
                                               .wall_clock_ns = 1000,
                                               .entries = entries};
    must(dgraft_storage_prepare(storage, &to_do), &why);
    dgraft_storage_perform(storage);
    must(dgraft_storage_complete(storage, &why), &why);
}

void replica_fill(struct dgraft_fs *fs, const char *path, const struct replica_write *writes, size_t count)
{
    const struct dgraft_storage_options options = {.segment_bytes = 8192, .runs_max = 8};
    struct dgraft_storage *storage;
    struct dgraft_why why = {""};
    must(dgraft_storage_open(fs, path, &options, &storage, &why), &why);
    for (size_t i = 0; i < count; i++) {
        write_one(storage, &writes[i]);
    }
    must(dgraft_storage_close(storage, &why), &why);
}

void replica_snapshot(struct dgraft_fs *fs, const char *path, struct dgraft_position position)
{
    const struct dgraft_storage_options options = {.segment_bytes = 8192, .runs_max = 8};
    static const uint8_t bytes[100] = "a state";
    const struct dgraft_snapshot snapshot = {position, sizeof bytes, dgraft_snapshot_digest(bytes, sizeof bytes)};
    struct dgraft_storage *storage;
    struct dgraft_why why = {""};
    bool done = false;
    must(dgraft_storage_open(fs, path, &options, &storage, &why), &why);
    must(dgraft_storage_snapshot_begin(storage, DGRAFT_SNAPSHOT_OWN, &snapshot, sizeof bytes, &why), &why);
    must(dgraft_storage_snapshot_write(storage, DGRAFT_SNAPSHOT_OWN, 0, bytes, sizeof bytes, &why), &why);
    while (!done) {
        must(dgraft_storage_snapshot_check(storage, DGRAFT_SNAPSHOT_OWN, &done, &why), &why);
    }
    must(dgraft_storage_snapshot_publish(storage, DGRAFT_SNAPSHOT_OWN, &why), &why);
    dgraft_storage_snapshot_adopt(storage, DGRAFT_SNAPSHOT_OWN);
    must(dgraft_storage_close(storage, &why), &why);
}
