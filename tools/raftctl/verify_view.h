/* The two ways in which raftctl verify shows what it finds. */
#ifndef VERIFY_VIEW_H
#define VERIFY_VIEW_H

#include "verify_replicas.h"

#include <stdio.h>

struct verify_options {
    bool quiet; /* nothing but the verdict */
};

/* Compares and shows as a table, findings and a verdict. */
enum verify_result verify_show_text(FILE *stream, struct dgraft_fs *fs, const char *const *paths, unsigned count,
                                    const struct verify_options *options);

/* The same as objects, one a line (docs/operations.md has the fields). */
enum verify_result verify_show_json(FILE *stream, struct dgraft_fs *fs, const char *const *paths, unsigned count,
                                    const struct verify_options *options);

/* Writes the verdict and what to do about it as one line. Returns text. */
char *verify_verdict(const struct verify_report *report, enum verify_result result, const struct dgraft_why *why,
                     char *text, size_t text_bytes);

/* Returns "sound", "findings" or "impossible". */
const char *verify_verdict_word(enum verify_result result);

#endif
