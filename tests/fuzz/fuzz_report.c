/* Any directory as raftctl inspect shows it, to people and as JSON: nothing that could play with a terminal, and both
 * ways agree. Input: storage_input.h; bit 3 of flags: all rows, payloads
 * as the two bits above say, from the index in the two above those.
 */
#include "printable_stream.h"
#include "storage_input.h"

#include <inspect_view.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct inspect_options options = {.rows = INSPECT_ROWS_SOME, .from = 1, .to = UINT64_MAX};
    if (size > 0 && (data[0] & 8) != 0) {
        options.rows = INSPECT_ROWS_ALL;
        options.from = data[0] >> 6;
        options.payload = (enum inspect_payload)(data[0] >> 4 & 3);
    }
    struct dgraft_fs *fs = memory_fs_seam(storage_input(data, size));
    FILE *stream = printable_stream();
    const bool text = inspect_show_text(stream, fs, "node", &options);
    if (printable_stream_end(stream) == 0) {
        abort();
    }
    const bool json = inspect_show_json(stream, fs, "node", &options);
    if (printable_stream_end(stream) == 0 || text != json) {
        abort();
    }
    return 0;
}
