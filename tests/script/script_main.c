/* dgraft_script [--write] [--bare] FILE...: runs transcripts of whole clusters; tests/script/README.md. */
#include "script_file.h"

#include <stdio.h>
#include <string.h>

int main(int argument_count, char **arguments)
{
    enum script_mode mode = SCRIPT_COMPARE;
    bool bare = false;
    uint32_t files = 0;
    uint32_t failed = 0;
    for (int i = 1; i < argument_count; i++) {
        if (strcmp(arguments[i], "--write") == 0) {
            mode = SCRIPT_WRITE;
        } else if (strcmp(arguments[i], "--bare") == 0) {
            bare = true;
        } else {
            files++;
            failed += script_file_run(arguments[i], mode, bare) != 0;
        }
    }
    if (files == 0) {
        (void)fprintf(stderr, "usage: dgraft_script [--write] [--bare] FILE...\n");
        return 2;
    }
    return failed == 0 ? 0 : 1;
}
