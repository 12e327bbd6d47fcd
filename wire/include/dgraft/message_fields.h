/* A message's body as numbers, by the table of wire/messages.def: for whoever keeps messages in a form of their own, as
 * the flight recorder does. A new type of message is known here as soon as it has its rows in the table.
 *
 * Not among the numbers: the header (type, from, term, store, generation), and an APPEND's descriptors of entries.
 */
#ifndef DGRAFT_MESSAGE_FIELDS_H
#define DGRAFT_MESSAGE_FIELDS_H

#include <dgraft/message.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DGRAFT_MESSAGE_FIELDS_MAX 16u

/* Writes the body's numbers in the table's order; returns how many, 0 for a type that is none of the peers'. */
uint32_t dgraft_message_fields_get(const struct dgraft_message *message, uint64_t values[DGRAFT_MESSAGE_FIELDS_MAX]);

/* Returns how many numbers the body of a type has. UINT32_MAX: the number is none of the peers' types. */
uint32_t dgraft_message_fields_count(uint32_t type);

/* Fills in a body; message->type must be one of the peers'. Returns false when a value is out of the table's bounds:
 * the body is then undefined. */
bool dgraft_message_fields_set(struct dgraft_message *message, const uint64_t *values);

/* Returns the name of a body's field, as in docs/wire-format.md; NULL when there is none of this number. */
const char *dgraft_message_field_name(uint32_t type, uint32_t field);

#ifdef __cplusplus
}
#endif
#endif
