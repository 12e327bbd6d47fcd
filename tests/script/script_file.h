/* A transcript: lines of commands, comments and nothing stand at the left; what a command printed is indented below
 * it. */
#ifndef DGRAFT_SCRIPT_FILE_H
#define DGRAFT_SCRIPT_FILE_H

#include <stdbool.h>
#include <stdint.h>

enum script_mode {
    SCRIPT_COMPARE, /* outputs are as they stand in the file */
    SCRIPT_WRITE    /* outputs are written anew */
};

/* Runs one file. Returns how many failures there were, each of which stderr has heard of; `bare` leaves the general
 * rules out. */
uint32_t script_file_run(const char *path, enum script_mode mode, bool bare);

#endif
