/* A record of any bytes: as they come, and with both checksums made to fit, so that the checks behind them are met. */
#include <dgraft/record.h>

#include <stdlib.h>
#include <string.h>

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* What was accepted is what the encoder writes. */
static void decode(const uint8_t *bytes, size_t size)
{
    struct dgraft_record record;
    size_t consumed = 0;
    if (dgraft_record_decode(bytes, size, &record, &consumed) != DGRAFT_ACCEPT) {
        return;
    }
    uint8_t header[DGRAFT_RECORD_HEADER_BYTES];
    dgraft_record_encode_header(&record, header);
    require(memcmp(header, bytes, sizeof header) == 0);
    require(consumed <= size && consumed == dgraft_record_bytes(record.entry.payload_bytes));
    require(record.payload == bytes + sizeof header);
    require(dgraft_crc32c(0, record.payload, record.entry.payload_bytes) == record.entry.checksum);
    require(dgraft_record_decode_header(bytes, sizeof header, &record) == DGRAFT_ACCEPT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode(data, size);
    if (size < DGRAFT_RECORD_HEADER_BYTES) {
        return 0;
    }
    uint8_t *bytes = malloc(size);
    require(bytes != NULL);
    memcpy(bytes, data, size);
    const uint32_t payload_bytes = dgraft_get_u32(bytes);
    if (payload_bytes <= size - DGRAFT_RECORD_HEADER_BYTES) {
        dgraft_put_u32(bytes + 32, dgraft_crc32c(0, bytes + DGRAFT_RECORD_HEADER_BYTES, payload_bytes));
    }
    dgraft_put_u32(bytes + 36, dgraft_crc32c(0, bytes, 36));
    decode(bytes, size);
    free(bytes);
    return 0;
}
