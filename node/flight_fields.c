#include "flight_fields.h"

#include "flight_parts.h"

#include <dgraft/flight.h>
#include <dgraft/frame.h>
#include <dgraft/message_fields.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define FIELD(part, member)                                                                                            \
    {#member, offsetof(struct dgraft_##part, member), sizeof(((struct dgraft_##part *)0)->member)},

#define EVENT(kind) static const struct flight_field event_##kind[] = {
#define EVENT_END(kind)                                                                                                \
    {                                                                                                                  \
        NULL, 0, 0                                                                                                     \
    }                                                                                                                  \
    }                                                                                                                  \
    ;
#include "flight_events.def"

#define FIELD(part, member)                                                                                            \
    {#member, offsetof(struct dgraft_##part, member), sizeof(((struct dgraft_##part *)0)->member)},
#define ACTION(kind) static const struct flight_field action_##kind[] = {
#define ACTION_END(kind)                                                                                               \
    {                                                                                                                  \
        NULL, 0, 0                                                                                                     \
    }                                                                                                                  \
    }                                                                                                                  \
    ;
#include "flight_actions.def"

static const struct flight_field config_fields[] = {
#define FIELD(part, member)                                                                                            \
    {#member, offsetof(struct dgraft_##part, member), sizeof(((struct dgraft_##part *)0)->member)},
#include "flight_config.def"
    {NULL, 0, 0}};

/* As it stands in a message, by itself: its first and only member. */
struct dgraft_carried {
    struct dgraft_membership membership;
};

static const struct flight_field membership_fields[] = {
#define FIELD(part, member)                                                                                            \
    {#member, offsetof(struct dgraft_##part, member), sizeof(((struct dgraft_##part *)0)->member)},
    FLIGHT_MEMBERSHIP(carried, membership){NULL, 0, 0}};
#undef FIELD

#define NAME_BYTES 64u

#define COUNT(fields) (sizeof fields / sizeof fields[0] - 1)

/* No default: the compiler names a kind that has no rows. */
const struct flight_layout *dgraft_flight_event_layout(enum dgraft_event_kind kind)
{
    switch (kind) {
#define EVENT(kind)                                                                                                    \
    case DGRAFT_EVENT_##kind: {                                                                                        \
        static const struct flight_layout layout = {#kind, COUNT(event_##kind), event_##kind};                         \
        _Static_assert(COUNT(event_##kind) <= FLIGHT_EVENT_FIELDS_MAX, "there is room for every field");               \
        return &layout;                                                                                                \
    }
#define FIELD(part, member)
#define EVENT_END(kind)
#include "flight_events.def"
    }
    return NULL;
}

const struct flight_layout *dgraft_flight_action_layout(enum dgraft_action_kind kind)
{
    switch (kind) {
#define ACTION(kind)                                                                                                   \
    case DGRAFT_ACTION_##kind: {                                                                                       \
        static const struct flight_layout layout = {#kind, COUNT(action_##kind), action_##kind};                       \
        _Static_assert(COUNT(action_##kind) <= FLIGHT_ACTION_FIELDS_MAX, "there is room for every field");             \
        return &layout;                                                                                                \
    }
#define FIELD(part, member)
#define ACTION_END(kind)
#include "flight_actions.def"
    }
    return NULL;
}

const struct flight_layout *dgraft_flight_config_layout(void)
{
    static const struct flight_layout layout = {"config", COUNT(config_fields), config_fields};
    _Static_assert(COUNT(config_fields) <= FLIGHT_CONFIG_FIELDS_MAX, "there is room for every field");
    return &layout;
}

const struct flight_layout *dgraft_flight_membership_layout(void)
{
    static const struct flight_layout layout = {"membership", COUNT(membership_fields), membership_fields};
    return &layout;
}

static uint64_t get(const struct flight_field *field, const void *part)
{
    const char *at = (const char *)part + field->offset;
    uint64_t wide;
    uint32_t narrow;
    bool flag;
    switch (field->bytes) {
    case sizeof wide:
        memcpy(&wide, at, sizeof wide);
        return wide;
    case sizeof narrow:
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    default:
        assert(field->bytes == sizeof flag);
        memcpy(&flag, at, sizeof flag);
        return flag;
    }
}

void dgraft_flight_fields_get(const struct flight_layout *layout, const void *part, uint64_t *values)
{
    for (uint32_t i = 0; i < layout->count; i++) {
        values[i] = get(&layout->fields[i], part);
    }
}

static bool set(const struct flight_field *field, uint64_t value, void *part)
{
    char *at = (char *)part + field->offset;
    const uint32_t narrow = (uint32_t)value;
    const bool flag = value != 0;
    switch (field->bytes) {
    case sizeof value:
        memcpy(at, &value, sizeof value);
        return true;
    case sizeof narrow:
        memcpy(at, &narrow, sizeof narrow);
        return value == narrow;
    default:
        assert(field->bytes == sizeof flag);
        memcpy(at, &flag, sizeof flag);
        return value <= 1;
    }
}

bool dgraft_flight_fields_set(const struct flight_layout *layout, const uint64_t *values, void *part)
{
    for (uint32_t i = 0; i < layout->count; i++) {
        if (!set(&layout->fields[i], values[i], part)) {
            return false;
        }
    }
    return true;
}

const char *dgraft_flight_event_name(enum dgraft_event_kind kind)
{
    const struct flight_layout *layout = dgraft_flight_event_layout(kind);
    return layout != NULL ? layout->name : "?";
}

const char *dgraft_flight_action_name(enum dgraft_action_kind kind)
{
    const struct flight_layout *layout = dgraft_flight_action_layout(kind);
    return layout != NULL ? layout->name : "?";
}

static void each(const struct flight_layout *layout, const void *part,
                 const struct dgraft_flight_field_visitor *visitor)
{
    for (uint32_t i = 0; i < layout->count; i++) {
        visitor->field(visitor->context, layout->fields[i].name, get(&layout->fields[i], part));
    }
}

static void each_of_message(const struct dgraft_message *message, const struct dgraft_flight_field_visitor *visitor)
{
    uint64_t values[DGRAFT_MESSAGE_FIELDS_MAX];
    const uint32_t count = dgraft_message_fields_get(message, values);
    for (uint32_t i = 0; i < count; i++) {
        char name[NAME_BYTES];
        (void)snprintf(name, sizeof name, "body.%s", dgraft_message_field_name(message->type, i));
        visitor->field(visitor->context, name, values[i]);
    }
}

void dgraft_flight_event_fields(const struct dgraft_event *event, const struct dgraft_flight_field_visitor *visitor)
{
    const struct flight_layout *layout = dgraft_flight_event_layout(event->kind);
    if (layout != NULL) {
        each(layout, &event->u, visitor);
    }
    if (event->kind == DGRAFT_EVENT_RECEIVE) {
        each_of_message(&event->u.receive, visitor);
    }
}

void dgraft_flight_action_fields(const struct dgraft_action *action, const struct dgraft_flight_field_visitor *visitor)
{
    const struct flight_layout *layout = dgraft_flight_action_layout(action->kind);
    if (layout != NULL) {
        each(layout, &action->u, visitor);
    }
    if (action->kind == DGRAFT_ACTION_SEND) {
        each_of_message(&action->u.send.message, visitor);
    }
}
