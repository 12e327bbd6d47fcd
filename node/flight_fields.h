/* The tables of flight_events.def, flight_config.def and flight_actions.def as data. Private to node. */
#ifndef DGRAFT_FLIGHT_FIELDS_H
#define DGRAFT_FLIGHT_FIELDS_H

#include <dgraft/core.h>

#define FLIGHT_EVENT_FIELDS_MAX  64u
#define FLIGHT_ACTION_FIELDS_MAX 16u
#define FLIGHT_CONFIG_FIELDS_MAX 32u

/* A number of a struct. */
struct flight_field {
    const char *name; /* NULL: the end of the table */
    uint16_t offset;  /* in the struct */
    uint8_t bytes;    /* in the struct: 1 (a bool), 4 or 8 */
};

struct flight_layout {
    const char *name;
    uint32_t count;
    const struct flight_field *fields;
};

/* Return the layout of a kind; NULL when the number is none. */
const struct flight_layout *dgraft_flight_event_layout(enum dgraft_event_kind kind);
const struct flight_layout *dgraft_flight_action_layout(enum dgraft_action_kind kind);
const struct flight_layout *dgraft_flight_config_layout(void);
const struct flight_layout *dgraft_flight_membership_layout(void);

/* Writes the numbers of a struct, in the table's order. */
void dgraft_flight_fields_get(const struct flight_layout *layout, const void *part, uint64_t *values);

/* The same of an event or an action, but for a message's body and what is pointed to: straight through, for the loop's
 * thread. Return how many; of a number that is no kind UINT32_MAX (event), 0 (action). */
uint32_t dgraft_flight_event_values(const struct dgraft_event *event, uint64_t *values);
uint32_t dgraft_flight_action_values(const struct dgraft_action *action, uint64_t *values);

/* Returns false when a value does not fit its field. */
bool dgraft_flight_fields_set(const struct flight_layout *layout, const uint64_t *values, void *part);

#endif
