/* Makes a founder's directory: the same first entry, who the members are, in every founder's log. And that of a node
 * which joins later: an empty log, which the leader fills. */
#include <dgraft/node.h>

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static enum dgraft_status check_name(const char *cluster, struct dgraft_why *why)
{
    size_t length = strlen(cluster);
    struct dgraft_identity identity;
    if (length == 0 || length >= sizeof identity.cluster_name) {
        (void)snprintf(why->text, sizeof why->text, "a cluster's name has 1 to %zu characters, this one has %zu",
                       sizeof identity.cluster_name - 1, length);
        return DGRAFT_STATUS_CONFIG;
    }
    for (size_t i = 0; i < length; i++) {
        if (cluster[i] <= ' ' || cluster[i] > '~') {
            (void)snprintf(why->text, sizeof why->text,
                           "a cluster's name has printable ASCII characters without spaces; character %zu is not",
                           i + 1);
            return DGRAFT_STATUS_CONFIG;
        }
    }
    return DGRAFT_OK;
}

static enum dgraft_status draw_store(uint64_t *store, struct dgraft_why *why)
{
    if (getrandom(store, sizeof *store, 0) != (ssize_t)sizeof *store) {
        (void)snprintf(why->text, sizeof why->text, "the system has no randomness to name this store with");
        return DGRAFT_STATUS_UNSUPPORTED;
    }
    *store |= 1; /* 0 means unknown */
    return DGRAFT_OK;
}

enum dgraft_status dgraft_node_format_joiner(const char *directory, const char *cluster, uint64_t number,
                                             dgraft_node_id id, struct dgraft_why *why)
{
    struct dgraft_identity identity = {.node = id, .cluster = number};
    enum dgraft_status status = check_name(cluster, why);
    if (status == DGRAFT_OK && (number == 0 || !dgraft_node_id_valid(id))) {
        (void)snprintf(why->text, sizeof why->text, "a node's id is 1 to %u, and a cluster's number is not 0",
                       DGRAFT_NODE_ID_MAX);
        status = DGRAFT_STATUS_CONFIG;
    }
    if (status == DGRAFT_OK) {
        status = draw_store(&identity.store, why);
    }
    if (status != DGRAFT_OK) {
        return status;
    }
    memcpy(identity.cluster_name, cluster, strlen(cluster));
    return dgraft_storage_format(dgraft_fs_posix(), directory, &identity, NULL, 0, why);
}

enum dgraft_status dgraft_node_format(const char *directory, const char *cluster, dgraft_node_id id,
                                      const char *members_text, struct dgraft_why *why)
{
    struct dgraft_members members;
    struct dgraft_identity identity = {.node = id};
    uint8_t bytes[DGRAFT_RECORD_HEADER_BYTES + DGRAFT_MEMBERSHIP_BYTES_MAX + 8] = {0};
    uint8_t *payload = bytes + DGRAFT_RECORD_HEADER_BYTES;
    enum dgraft_status status = check_name(cluster, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    status = dgraft_members_parse(members_text, &members, why->text, sizeof why->text);
    if (status != DGRAFT_OK) {
        return status;
    }
    if (dgraft_members_find(&members, id) == NULL) {
        (void)snprintf(why->text, sizeof why->text, "node %u is not among the members %s", id, members_text);
        return DGRAFT_STATUS_CONFIG;
    }
    status = draw_store(&identity.store, why);
    if (status != DGRAFT_OK) {
        return status;
    }
    identity.cluster = dgraft_cluster_id(cluster, &members);
    memcpy(identity.cluster_name, cluster, strlen(cluster));
    if (members.count == 1) {
        members.items[0].store = identity.store; /* nobody else will ever write it down */
    }
    struct dgraft_record record = {.entry = {.index = 1, .term = 1, .kind = DGRAFT_ENTRY_MEMBERSHIP}};
    record.entry.payload_bytes = (uint32_t)dgraft_membership_encode(&members, payload);
    record.entry.checksum = dgraft_crc32c(0, payload, record.entry.payload_bytes);
    dgraft_record_encode_header(&record, bytes);
    struct iovec first = {.iov_base = bytes, .iov_len = dgraft_record_bytes(record.entry.payload_bytes)};
    return dgraft_storage_format(dgraft_fs_posix(), directory, &identity, &first, 1, why);
}
