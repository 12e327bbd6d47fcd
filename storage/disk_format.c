#include "disk_format.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum { SLOT_USED_BYTES = 128, SEGMENT_USED_BYTES = 152, SNAPSHOT_USED_BYTES = 140, NAME_BYTES = 64 };

static const uint8_t state_magic[4] = {'d', 'g', 's', 't'};
static const uint8_t segment_magic[4] = {'d', 'g', 'l', 'g'};
static const uint8_t batch_magic[4] = {'d', 'g', 'b', 't'};
static const uint8_t snapshot_magic[4] = {'d', 'g', 's', 'n'};

bool dgraft_all_zero(const uint8_t *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

bool dgraft_identity_equal(const struct dgraft_identity *a, const struct dgraft_identity *b)
{
    return a->cluster == b->cluster && a->store == b->store && a->node == b->node && a->group == b->group &&
           memcmp(a->cluster_name, b->cluster_name, sizeof a->cluster_name) == 0;
}

/* The checksum of a block: over all of it, with the eight bytes that hold the checksum taken as zero. */
static uint64_t block_checksum(const uint8_t bytes[DGRAFT_BLOCK_BYTES])
{
    uint8_t copy[DGRAFT_BLOCK_BYTES];
    memcpy(copy, bytes, sizeof copy);
    memset(copy + 8, 0, 8);
    return XXH3_64bits(copy, sizeof copy);
}

static void block_finish(const uint8_t magic[4], uint8_t out[DGRAFT_BLOCK_BYTES])
{
    memcpy(out, magic, 4);
    dgraft_put_u16(out + 4, DGRAFT_FORMAT_VERSION);
    dgraft_put_u64(out + 8, block_checksum(out));
}

/* The first 16 bytes mean the same in every version, so that a newer one is told from a damaged one. */
static enum dgraft_refusal block_check(const uint8_t *bytes, size_t size, const uint8_t magic[4], size_t used)
{
    if (size < DGRAFT_BLOCK_BYTES) {
        return dgraft_all_zero(bytes, size) ? DGRAFT_REFUSAL_EMPTY : DGRAFT_REFUSAL_SHORT;
    }
    if (memcmp(bytes, magic, 4) != 0) {
        return dgraft_all_zero(bytes, DGRAFT_BLOCK_BYTES) ? DGRAFT_REFUSAL_EMPTY : DGRAFT_REFUSAL_MAGIC;
    }
    if (dgraft_get_u64(bytes + 8) != block_checksum(bytes)) {
        return DGRAFT_REFUSAL_CHECKSUM;
    }
    if (dgraft_get_u16(bytes + 4) != DGRAFT_FORMAT_VERSION) {
        return DGRAFT_REFUSAL_VERSION;
    }
    if (dgraft_get_u16(bytes + 6) != 0 || !dgraft_all_zero(bytes + used, DGRAFT_BLOCK_BYTES - used)) {
        return DGRAFT_REFUSAL_PADDING;
    }
    return DGRAFT_ACCEPT;
}

static void put_name(uint8_t *at, const struct dgraft_identity *identity)
{
    memcpy(at, identity->cluster_name, NAME_BYTES);
    at[NAME_BYTES - 1] = 0;
}

static bool get_name(const uint8_t *at, struct dgraft_identity *identity)
{
    memcpy(identity->cluster_name, at, NAME_BYTES);
    const uint8_t *end = memchr(at, 0, NAME_BYTES);
    return end != NULL && dgraft_all_zero(end, (size_t)(at + NAME_BYTES - end));
}

uint32_t dgraft_slot_of_version(uint64_t version)
{
    return (version & 1u) != 0 ? 0 : 2;
}

void dgraft_slot_encode(const struct dgraft_state_slot *slot, uint8_t out[DGRAFT_BLOCK_BYTES])
{
    memset(out, 0, DGRAFT_BLOCK_BYTES);
    dgraft_put_u64(out + 16, slot->version);
    dgraft_put_u64(out + 24, slot->term);
    dgraft_put_u32(out + 32, slot->vote);
    dgraft_put_u32(out + 36, slot->generation);
    dgraft_put_u64(out + 40, slot->identity.cluster);
    dgraft_put_u64(out + 48, slot->identity.store);
    dgraft_put_u32(out + 56, slot->identity.node);
    dgraft_put_u32(out + 60, slot->identity.group);
    put_name(out + 64, &slot->identity);
    block_finish(state_magic, out);
}

void dgraft_slot_decode(const uint8_t *bytes, size_t size, uint32_t number, struct dgraft_state_slot *out)
{
    memset(out, 0, sizeof *out);
    out->slot = number;
    out->offset = (uint64_t)number * DGRAFT_BLOCK_BYTES;
    out->refusal = block_check(bytes, size, state_magic, SLOT_USED_BYTES);
    if (out->refusal != DGRAFT_ACCEPT) {
        return;
    }
    out->version = dgraft_get_u64(bytes + 16);
    out->term = dgraft_get_u64(bytes + 24);
    out->vote = dgraft_get_u32(bytes + 32);
    out->generation = dgraft_get_u32(bytes + 36);
    out->identity.cluster = dgraft_get_u64(bytes + 40);
    out->identity.store = dgraft_get_u64(bytes + 48);
    out->identity.node = dgraft_get_u32(bytes + 56);
    out->identity.group = dgraft_get_u32(bytes + 60);
    const bool named = get_name(bytes + 64, &out->identity);
    if (!named || out->version == 0 || out->version > INT64_MAX ||
        dgraft_slot_of_version(out->version) != (number & ~1u) || out->vote > DGRAFT_NODE_ID_MAX ||
        !dgraft_node_id_valid(out->identity.node)) {
        out->refusal = DGRAFT_REFUSAL_FIELD;
    }
}

void dgraft_segment_encode(const struct dgraft_segment_header *header, uint8_t out[DGRAFT_BLOCK_BYTES])
{
    memset(out, 0, DGRAFT_BLOCK_BYTES);
    dgraft_put_u64(out + 16, header->sequence);
    dgraft_put_u64(out + 24, header->first_batch);
    dgraft_put_u64(out + 32, header->follows);
    dgraft_put_u64(out + 40, header->first);
    dgraft_put_u32(out + 48, header->chain);
    dgraft_put_u64(out + 56, header->identity.cluster);
    dgraft_put_u64(out + 64, header->identity.store);
    dgraft_put_u32(out + 72, header->identity.node);
    dgraft_put_u32(out + 76, header->identity.group);
    put_name(out + 80, &header->identity);
    dgraft_put_u64(out + 144, header->made_bytes);
    block_finish(segment_magic, out);
}

void dgraft_segment_decode(const uint8_t *bytes, size_t size, struct dgraft_segment_header *out)
{
    memset(out, 0, sizeof *out);
    out->refusal = block_check(bytes, size, segment_magic, SEGMENT_USED_BYTES);
    if (out->refusal != DGRAFT_ACCEPT) {
        return;
    }
    out->sequence = dgraft_get_u64(bytes + 16);
    out->first_batch = dgraft_get_u64(bytes + 24);
    out->follows = dgraft_get_u64(bytes + 32);
    out->first = dgraft_get_u64(bytes + 40);
    out->chain = dgraft_get_u32(bytes + 48);
    out->identity.cluster = dgraft_get_u64(bytes + 56);
    out->identity.store = dgraft_get_u64(bytes + 64);
    out->identity.node = dgraft_get_u32(bytes + 72);
    out->identity.group = dgraft_get_u32(bytes + 76);
    out->made_bytes = dgraft_get_u64(bytes + 144);
    const bool named = get_name(bytes + 80, &out->identity);
    if (!named || out->made_bytes > INT64_MAX || out->sequence == 0 || out->sequence > DGRAFT_SEQUENCE_MAX ||
        out->first_batch > INT64_MAX || out->first_batch <= out->follows || (out->follows == 0 && out->chain != 0) ||
        dgraft_get_u32(bytes + 52) != 0) {
        out->refusal = DGRAFT_REFUSAL_FIELD;
    }
}

void dgraft_snapshot_encode(const struct dgraft_snapshot_header *header, uint8_t out[DGRAFT_BLOCK_BYTES])
{
    memset(out, 0, DGRAFT_BLOCK_BYTES);
    dgraft_put_u64(out + 16, header->snapshot.position.index);
    dgraft_put_u64(out + 24, header->snapshot.position.term);
    dgraft_put_u64(out + 32, header->snapshot.size);
    dgraft_put_u64(out + 40, header->snapshot.digest);
    dgraft_put_u64(out + 48, header->identity.cluster);
    dgraft_put_u64(out + 56, header->identity.store);
    dgraft_put_u32(out + 64, header->identity.node);
    dgraft_put_u32(out + 68, header->identity.group);
    put_name(out + 72, &header->identity);
    dgraft_put_u32(out + 136, header->chunk_bytes);
    block_finish(snapshot_magic, out);
}

void dgraft_snapshot_decode(const uint8_t *bytes, size_t size, struct dgraft_snapshot_header *out)
{
    memset(out, 0, sizeof *out);
    out->refusal = block_check(bytes, size, snapshot_magic, SNAPSHOT_USED_BYTES);
    if (out->refusal != DGRAFT_ACCEPT) {
        return;
    }
    out->snapshot.position.index = dgraft_get_u64(bytes + 16);
    out->snapshot.position.term = dgraft_get_u64(bytes + 24);
    out->snapshot.size = dgraft_get_u64(bytes + 32);
    out->snapshot.digest = dgraft_get_u64(bytes + 40);
    out->identity.cluster = dgraft_get_u64(bytes + 48);
    out->identity.store = dgraft_get_u64(bytes + 56);
    out->identity.node = dgraft_get_u32(bytes + 64);
    out->identity.group = dgraft_get_u32(bytes + 68);
    out->chunk_bytes = dgraft_get_u32(bytes + 136);
    const bool named = get_name(bytes + 72, &out->identity);
    if (!named || out->snapshot.position.index == 0 || out->snapshot.position.index > INT64_MAX ||
        out->snapshot.position.term == 0 || out->snapshot.position.term > INT64_MAX || out->snapshot.size == 0 ||
        out->snapshot.size > INT64_MAX - DGRAFT_BLOCK_BYTES || out->chunk_bytes == 0) {
        out->refusal = DGRAFT_REFUSAL_FIELD;
    }
}

static uint32_t batch_checksum(const uint8_t bytes[DGRAFT_BATCH_HEADER_BYTES], const struct dgraft_place *place)
{
    uint8_t where[24];
    dgraft_put_u64(where, place->store);
    dgraft_put_u64(where + 8, place->sequence);
    dgraft_put_u64(where + 16, place->offset);
    return dgraft_crc32c(dgraft_crc32c(0, where, sizeof where), bytes + 8, DGRAFT_BATCH_HEADER_BYTES - 8);
}

void dgraft_batch_encode(struct dgraft_batch *batch, const struct dgraft_place *place,
                         uint8_t out[DGRAFT_BATCH_HEADER_BYTES])
{
    memset(out, 0, DGRAFT_BATCH_HEADER_BYTES);
    memcpy(out, batch_magic, 4);
    dgraft_put_u64(out + 8, batch->length);
    dgraft_put_u64(out + 16, batch->number);
    dgraft_put_u32(out + 24, batch->previous);
    dgraft_put_u32(out + 28, batch->records_checksum);
    dgraft_put_u64(out + 32, batch->keep);
    dgraft_put_u64(out + 40, batch->first);
    dgraft_put_u32(out + 48, batch->count);
    dgraft_put_u32(out + 52, batch->restart ? 1 : batch->mends ? 2 : 0);
    dgraft_put_u64(out + 56, batch->floor.index);
    dgraft_put_u64(out + 64, batch->floor.term);
    dgraft_put_u64(out + 72, batch->commit);
    dgraft_put_u64(out + 80, batch->membership);
    dgraft_put_u64(out + 88, batch->wall_clock_ns);
    dgraft_put_u64(out + 96, batch->saves);
    dgraft_put_u64(out + 104, batch->term);
    batch->checksum = batch_checksum(out, place);
    dgraft_put_u32(out + 4, batch->checksum);
}

enum dgraft_refusal dgraft_batch_decode(const uint8_t bytes[DGRAFT_BATCH_HEADER_BYTES],
                                        const struct dgraft_place *place, struct dgraft_batch *out)
{
    memset(out, 0, sizeof *out);
    out->offset = place->offset;
    if (memcmp(bytes, batch_magic, 4) != 0) {
        return dgraft_all_zero(bytes, DGRAFT_BATCH_HEADER_BYTES) ? DGRAFT_REFUSAL_EMPTY : DGRAFT_REFUSAL_MAGIC;
    }
    out->checksum = dgraft_get_u32(bytes + 4);
    if (out->checksum != batch_checksum(bytes, place)) {
        return DGRAFT_REFUSAL_CHECKSUM;
    }
    out->length = dgraft_get_u64(bytes + 8);
    out->number = dgraft_get_u64(bytes + 16);
    out->previous = dgraft_get_u32(bytes + 24);
    out->records_checksum = dgraft_get_u32(bytes + 28);
    out->keep = dgraft_get_u64(bytes + 32);
    out->first = dgraft_get_u64(bytes + 40);
    out->count = dgraft_get_u32(bytes + 48);
    out->floor.index = dgraft_get_u64(bytes + 56);
    out->floor.term = dgraft_get_u64(bytes + 64);
    out->commit = dgraft_get_u64(bytes + 72);
    out->membership = dgraft_get_u64(bytes + 80);
    out->wall_clock_ns = dgraft_get_u64(bytes + 88);
    out->saves = dgraft_get_u64(bytes + 96);
    out->term = dgraft_get_u64(bytes + 104);
    out->restart = dgraft_get_u32(bytes + 52) == 1;
    out->mends = dgraft_get_u32(bytes + 52) == 2;
    return dgraft_get_u32(bytes + 52) <= 2 && dgraft_all_zero(bytes + 112, 16) ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_PADDING;
}

void dgraft_segment_name(uint64_t sequence, char name[DGRAFT_SEGMENT_NAME_BYTES])
{
    (void)snprintf(name, DGRAFT_SEGMENT_NAME_BYTES, "log-%016llu",
                   (unsigned long long)(sequence <= DGRAFT_SEQUENCE_MAX ? sequence : DGRAFT_SEQUENCE_MAX));
}

uint64_t dgraft_segment_sequence(const char *name)
{
    uint64_t sequence = 0;
    if (strncmp(name, "log-", 4) != 0 || strlen(name) != 20) {
        return 0;
    }
    for (const char *digit = name + 4; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9') {
            return 0;
        }
        sequence = sequence * 10 + (uint64_t)(*digit - '0');
    }
    return sequence;
}

void dgraft_snapshot_name(struct dgraft_position position, char name[DGRAFT_SNAPSHOT_NAME_BYTES])
{
    (void)snprintf(name, DGRAFT_SNAPSHOT_NAME_BYTES, "snapshot-%016llu-%016llu", (unsigned long long)position.index,
                   (unsigned long long)position.term);
}

/* Reads decimal digits up to `end`. Returns 0 when there are none, or others, or too many. */
static uint64_t number_until(const char *text, char end, const char **after)
{
    uint64_t number = 0;
    size_t digits = 0;
    for (; text[digits] >= '0' && text[digits] <= '9' && digits < 19; digits++) {
        number = number * 10 + (uint64_t)(text[digits] - '0');
    }
    *after = text + digits;
    return digits >= 16 && text[digits] == end ? number : 0;
}

struct dgraft_position dgraft_snapshot_named(const char *name)
{
    struct dgraft_position position = {0, 0};
    char expected[DGRAFT_SNAPSHOT_NAME_BYTES];
    if (strncmp(name, "snapshot-", 9) == 0) {
        const char *after = NULL;
        position.index = number_until(name + 9, '-', &after);
        position.term = position.index == 0 ? 0 : number_until(after + 1, '\0', &after);
    }
    dgraft_snapshot_name(position, expected);
    return position.term != 0 && strcmp(name, expected) == 0 ? position : (struct dgraft_position){0, 0};
}
