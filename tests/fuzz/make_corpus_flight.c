/* make_corpus_flight RECORD OUT: a seed for fuzz_flight from the first block of a flight record (as of `raftctl sim
 * --record`): its records' bodies, up to 4,000 bytes of them, for the fuzzer to frame anew.
 */
#include "flight_format.h"

#include <dgraft/record.h>

#include <stdio.h>
#include <stdlib.h>

#define OUT_BYTES 4000u

int main(int argc, char **argv)
{
    static uint8_t file[8u * 1024 * 1024];
    struct flight_header header;
    struct flight_block_header block_header;
    FILE *in = argc == 3 ? fopen(argv[1], "rb") : NULL;
    FILE *out = argc == 3 ? fopen(argv[2], "wb") : NULL;
    if (in == NULL || out == NULL) {
        (void)fputs("make_corpus_flight RECORD OUT\n", stderr);
        return 2;
    }
    const size_t size = fread(file, 1, sizeof file, in);
    if (size < FLIGHT_HEADER_BYTES || dgraft_flight_header_decode(file, &header) != DGRAFT_OK) {
        return 1;
    }
    const uint8_t *block = file + FLIGHT_HEADER_BYTES + header.block_bytes; /* number 1 */
    if (block + header.block_bytes > file + sizeof file ||
        !dgraft_flight_block_decode(block, header.block_bytes, &block_header)) {
        return 1;
    }
    const uint8_t *at = block + flight_records_begin(block_header.image_bytes);
    const uint8_t *body = NULL;
    size_t body_bytes = 0;
    size_t written = 1;
    (void)fputc(1, out);
    while (written < OUT_BYTES && (body = dgraft_flight_record_open(&at, block + header.block_bytes, block,
                                                                    block_header.number, &body_bytes)) != NULL) {
        uint8_t length[2];
        dgraft_put_u16(length, (uint16_t)body_bytes);
        written += fwrite(length, 1, sizeof length, out) + fwrite(body, 1, body_bytes, out);
    }
    (void)fclose(in);
    return fclose(out) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
