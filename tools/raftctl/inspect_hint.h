/* What a record's payload says, in a few printable words. */
#ifndef INSPECT_HINT_H
#define INSPECT_HINT_H

#include <dgraft/record.h>

#include <stddef.h>

/* Writes the hint to text and returns it: "PUT key (N bytes)" and "DELETE key" for the commands of raftd, the members
 * of a MEMBERSHIP, and otherwise the first bytes, as text when they are, or as hexadecimal digits; "" when there is no
 * payload, or when it is not to be read (its checksum does not fit). text_bytes is at least 64. */
char *inspect_hint(const struct dgraft_record *record, enum dgraft_refusal refusal, char *text, size_t text_bytes);

/* Returns the kind's name, as "COMMAND"; "?" for a number that is none. */
const char *inspect_kind_name(enum dgraft_entry_kind kind);

#endif
