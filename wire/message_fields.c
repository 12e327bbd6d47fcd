#include "frame_table.h"

#include <dgraft/message_fields.h>

static const struct dgraft_frame_layout *layout_of(uint32_t type)
{
    return type <= UINT16_MAX && !dgraft_frame_is_client((uint16_t)type) ? dgraft_frame_layout((uint16_t)type) : NULL;
}

uint32_t dgraft_message_fields_get(const struct dgraft_message *message, uint64_t values[DGRAFT_MESSAGE_FIELDS_MAX])
{
    const struct dgraft_frame_layout *layout = layout_of(message->type);
    uint32_t count = 0;
    for (uint32_t i = 0; layout != NULL && i < layout->field_count; i++) {
        const struct dgraft_frame_field *field = &layout->fields[i];
        if (field->name != NULL && count < DGRAFT_MESSAGE_FIELDS_MAX) {
            values[count++] = dgraft_frame_field_get(field, message);
        }
    }
    return count;
}

uint32_t dgraft_message_fields_count(uint32_t type)
{
    const struct dgraft_frame_layout *layout = layout_of(type);
    uint32_t count = 0;
    if (layout == NULL) {
        return UINT32_MAX;
    }
    for (uint32_t i = 0; i < layout->field_count; i++) {
        count += layout->fields[i].name != NULL && count < DGRAFT_MESSAGE_FIELDS_MAX;
    }
    return count;
}

bool dgraft_message_fields_set(struct dgraft_message *message, const uint64_t *values)
{
    const struct dgraft_frame_layout *layout = layout_of(message->type);
    uint32_t count = 0;
    for (uint32_t i = 0; layout != NULL && i < layout->field_count; i++) {
        const struct dgraft_frame_field *field = &layout->fields[i];
        if (field->name == NULL || count == DGRAFT_MESSAGE_FIELDS_MAX) {
            continue;
        }
        const uint64_t value = values[count++];
        if (value < field->least || value > field->most) {
            return false;
        }
        dgraft_frame_field_set(field, value, message);
    }
    return layout != NULL;
}

const char *dgraft_message_field_name(uint32_t type, uint32_t field)
{
    const struct dgraft_frame_layout *layout = layout_of(type);
    for (uint32_t i = 0; layout != NULL && i < layout->field_count; i++) {
        if (layout->fields[i].name != NULL && field-- == 0) {
            return layout->fields[i].name;
        }
    }
    return NULL;
}
