/* The numbers of an event or an action, from the same tables as their layouts, but without a loop that asks what comes
 * next: between two steps a processor forgets what it learned of such loops. */
#include "flight_fields.h"

#include "flight_parts.h"

uint32_t dgraft_flight_event_values(const struct dgraft_event *event, uint64_t *values)
{
    const void *part = &event->u;
    uint64_t *at = values;
    switch (event->kind) {
#define EVENT(kind)          case DGRAFT_EVENT_##kind:
#define FIELD(owner, member) *at++ = (uint64_t)((const struct dgraft_##owner *)part)->member;
#define EVENT_END(kind)      return (uint32_t)(at - values);
#include "flight_events.def"
    }
    return UINT32_MAX;
}

uint32_t dgraft_flight_action_values(const struct dgraft_action *action, uint64_t *values)
{
    const void *part = &action->u;
    uint64_t *at = values;
    switch (action->kind) {
#define ACTION(kind)         case DGRAFT_ACTION_##kind:
#define FIELD(owner, member) *at++ = (uint64_t)((const struct dgraft_##owner *)part)->member;
#define ACTION_END(kind)     return (uint32_t)(at - values);
#include "flight_actions.def"
    }
    return 0;
}
