/* The two ways in which raftctl inspect shows what dgraft_inspect finds. */
#ifndef INSPECT_VIEW_H
#define INSPECT_VIEW_H

#include "inspect_payload.h"

#include <dgraft/inspect.h>
#include <stdio.h>

/* Which rows of the tables of batches and records are shown. */
enum inspect_rows {
    INSPECT_ROWS_SOME = 1, /* all of a small log; the first and last of a large one, and how many there are */
    INSPECT_ROWS_ALL = 2,
    INSPECT_ROWS_NONE = 3
};

struct inspect_options {
    enum inspect_rows rows;
    dgraft_index from; /* only records, and batches with records, from here */
    dgraft_index to;   /* to here, both inclusive */
    enum inspect_payload payload;
    bool quiet; /* nothing but the verdict */
};

/* What came of one path; summary is valid when status is OK. */
struct inspect_result {
    enum dgraft_status status;
    struct dgraft_inspect_summary summary;
    struct dgraft_why why;
};

/* Shows one path as tables, a verdict and a remedy. Returns false when it is damaged or unreadable. */
bool inspect_show_text(FILE *stream, struct dgraft_fs *fs, const char *path, const struct inspect_options *options);

/* The same as objects, one a line (docs/operations.md has the fields). */
bool inspect_show_json(FILE *stream, struct dgraft_fs *fs, const char *path, const struct inspect_options *options);

/* One batch or record as a row of the tables for people, or as an object. */
void inspect_text_batch_heading(FILE *stream);
void inspect_text_batch(FILE *stream, const char *path, const struct dgraft_batch *batch);
void inspect_text_record(FILE *stream, const struct inspect_options *options, const struct dgraft_record *record,
                         enum dgraft_refusal refusal);
void inspect_json_batch(FILE *stream, const char *path, const struct dgraft_batch *batch);
void inspect_json_record(FILE *stream, const struct inspect_options *options, const char *path, uint64_t offset,
                         const struct dgraft_record *record, enum dgraft_refusal refusal);

/* Writes the verdict on a path and what to do about it as one line. Returns text. */
char *inspect_verdict(const struct inspect_result *result, char *text, size_t text_bytes);

/* Returns "healthy", "damaged" or "unreadable". */
const char *inspect_verdict_word(const struct inspect_result *result);

/* Whether rows of these indexes are wanted. */
bool inspect_wants_batch(const struct inspect_options *options, const struct dgraft_batch *batch);
bool inspect_wants_record(const struct inspect_options *options, const struct dgraft_record *record);

#endif
