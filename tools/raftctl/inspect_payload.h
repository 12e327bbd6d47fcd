/* A record's whole payload, as `raftctl inspect --payload` shows it. */
#ifndef INSPECT_PAYLOAD_H
#define INSPECT_PAYLOAD_H

#include <dgraft/record.h>
#include <jansson.h>
#include <stdio.h>

enum inspect_payload {
    INSPECT_PAYLOAD_HINT = 0, /* a few words in the table, no more */
    INSPECT_PAYLOAD_HEX = 1,
    INSPECT_PAYLOAD_TEXT = 2,
    INSPECT_PAYLOAD_JSON = 3 /* what raftd's commands and memberships say; of others the bytes */
};

/* Writes lines of at most 80 columns: nothing when the payload is empty or not to be read. */
void inspect_payload_print(FILE *stream, enum inspect_payload how, const struct dgraft_record *record,
                           enum dgraft_refusal refusal);

/* Returns it as a value: text for HEX and TEXT, an object for JSON; NULL when it is not to be read. */
json_t *inspect_payload_value(enum inspect_payload how, const struct dgraft_record *record,
                              enum dgraft_refusal refusal);

#endif
