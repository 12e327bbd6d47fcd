/* A frame as one line for people, by the table of messages. */
#include "frame_table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Text that goes on counting when its room is used up, as snprintf does. */
struct line {
    char *text;
    size_t room;
    int length;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
    va_list arguments;
    const size_t used = (size_t)line->length < line->room ? (size_t)line->length : line->room;
    va_start(arguments, format);
    const int more = vsnprintf(line->room > 0 ? line->text + used : NULL, line->room - used, format, arguments);
    va_end(arguments);
    line->length += more > 0 ? more : 0;
}

static void add_set(struct line *line, dgraft_node_set set)
{
    const char *separator = "";
    if (set == 0) {
        add(line, "anyone");
    }
    for (; set != 0; set &= set - 1) {
        add(line, "%s%" PRIu32, separator, dgraft_node_set_first(set));
        separator = ",";
    }
}

int dgraft_frame_print(const struct dgraft_frame *frame, char *text, size_t text_bytes)
{
    const struct dgraft_frame_header *header = &frame->header;
    const struct dgraft_frame_layout *layout = dgraft_frame_layout(header->type);
    struct line line = {.text = text, .room = text_bytes};
    if (layout == NULL) {
        add(&line, "type %u, which is none", (unsigned)header->type);
        return line.length;
    }
    const void *part = &frame->message;
    if (header->type == DGRAFT_FRAME_CLIENT_REQUEST) {
        part = &frame->request;
    } else if (header->type == DGRAFT_FRAME_CLIENT_ANSWER) {
        part = &frame->answer;
    }
    add(&line, "%s from=%" PRIu32 " to=", layout->name, header->from);
    add_set(&line, header->to);
    add(&line,
        " cluster=%016" PRIx64 " group=%" PRIu32 " store=%016" PRIx64 " generation=%" PRIu32 " frame_term=%" PRIu64,
        header->cluster, header->group, header->store, header->generation, header->term);
    for (uint32_t i = 0; i < layout->field_count; i++) {
        const struct dgraft_frame_field *field = &layout->fields[i];
        if (field->name != NULL) {
            add(&line, " %s=%" PRIu64, field->name, dgraft_frame_field_get(field, part));
        }
    }
    add(&line, " bytes=%zu", frame->frame_bytes);
    return line.length;
}
