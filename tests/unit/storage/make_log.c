/* make_log DIRECTORY MIB PAYLOAD_BYTES: a node's directory with so much log, to measure with what reads it
 * (docs/performance.md).
 */
#include <dgraft/node.h>
#include <dgraft/storage.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_BYTES = 131072, BATCH_MAX = BATCH_BYTES / 48 };

static void must(bool holds, const struct dgraft_why *why)
{
    if (!holds) {
        (void)fprintf(stderr, "make_log: %s\n", why->text);
        exit(1);
    }
}

/* Returns how many entries one batch brought. */
static uint32_t write_batch(struct dgraft_storage *storage, dgraft_index keep, uint32_t payload_bytes)
{
    static uint8_t bytes[BATCH_BYTES];
    static struct dgraft_entry entries[BATCH_MAX];
    const size_t record_bytes = dgraft_record_bytes(payload_bytes);
    const uint32_t count = (uint32_t)(BATCH_BYTES / record_bytes);
    struct dgraft_why why = {""};
    memset(bytes, 0, sizeof bytes);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *at = bytes + i * record_bytes;
        uint8_t *payload = at + DGRAFT_RECORD_HEADER_BYTES;
        memset(payload, (int)((keep + i) & 0xff), payload_bytes);
        entries[i] = (struct dgraft_entry){.index = keep + 1 + i,
                                           .term = 1,
                                           .payload_bytes = payload_bytes,
                                           .checksum = dgraft_crc32c(0, payload, payload_bytes),
                                           .kind = DGRAFT_ENTRY_COMMAND};
        dgraft_record_encode_header(&(struct dgraft_record){.entry = entries[i]}, at);
    }
    const struct iovec piece = {bytes, count * record_bytes};
    const struct dgraft_storage_write write = {.log = true,
                                               .keep = keep,
                                               .first = keep + 1,
                                               .count = count,
                                               .last = {keep + count, 1},
                                               .records = &piece,
                                               .record_pieces = 1,
                                               .commit = keep,
                                               .membership = 1,
                                               .entries = entries};
    must(dgraft_storage_prepare(storage, &write) == DGRAFT_OK, &why);
    dgraft_storage_perform(storage);
    must(dgraft_storage_complete(storage, &why) == DGRAFT_OK, &why);
    return count;
}

int main(int count, char **arguments)
{
    const struct dgraft_storage_options options = {0};
    struct dgraft_storage *storage;
    struct dgraft_why why = {""};
    const unsigned long mib = count == 4 ? strtoul(arguments[2], NULL, 10) : 0;
    const unsigned long payload = count == 4 ? strtoul(arguments[3], NULL, 10) : 0;
    if (mib == 0 || payload < 8 || payload > 65536) {
        (void)fprintf(stderr, "usage: make_log DIRECTORY MIB PAYLOAD_BYTES (8 to 65536)\n");
        return 2;
    }
    must(dgraft_node_format(arguments[1], "log", 1, "1=127.0.0.1:7001", &why) == DGRAFT_OK, &why);
    must(dgraft_storage_open(dgraft_fs_posix(), arguments[1], &options, &storage, &why) == DGRAFT_OK, &why);
    dgraft_index last = 1;
    for (unsigned long i = 0; i < mib * 8; i++) {
        last += write_batch(storage, last, (uint32_t)payload);
    }
    must(dgraft_storage_close(storage, &why) == DGRAFT_OK, &why);
    (void)printf("%llu entries\n", (unsigned long long)last);
    return 0;
}
