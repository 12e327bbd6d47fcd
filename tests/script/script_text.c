#include "script.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void add(struct script_text *text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    if (length >= 0 && text->size + (size_t)length + 1 > text->room) {
        text->room = 2 * (text->size + (size_t)length + 1);
        text->bytes = realloc(text->bytes, text->room);
        if (text->bytes == NULL) {
            abort();
        }
    }
    if (length >= 0) {
        (void)vsnprintf(text->bytes + text->size, text->room - text->size, format, again);
        text->size += (size_t)length;
    }
    va_end(again);
}

void script_text_add(struct script_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(text, format, arguments);
    va_end(arguments);
}

void script_text_clear(struct script_text *text)
{
    text->size = 0;
    script_text_add(text, "%s", "");
}

void script_text_free(struct script_text *text)
{
    free(text->bytes);
    *text = (struct script_text){.bytes = NULL};
}

void script_say(struct script *script, uint32_t level, const char *format, ...)
{
    va_list arguments;
    struct script_text line = {.bytes = NULL};
    va_start(arguments, format);
    add(&line, format, arguments);
    va_end(arguments);
    script_text_add(&script->said, "%s\n", line.bytes);
    if (!script->quiet) {
        script_text_add(&script->out, "%*s%s\n", (int)(4 + 2 * level), "", line.bytes);
    }
    script_text_free(&line);
}

void script_fail(struct script *script, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fprintf(stderr, "%s:%" PRIu32 ": ", script->file, script->line);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    script->failures++;
}

bool script_number(const char *word, uint64_t max, uint64_t *value)
{
    char *end = NULL;
    if (word == NULL || word[0] < '0' || word[0] > '9') {
        return false;
    }
    *value = strtoull(word, &end, 10);
    return *end == '\0' && *value <= max;
}

bool script_set(struct script *script, const char *word, dgraft_node_set *set)
{
    *set = 0;
    if (word != NULL && strcmp(word, "none") == 0) {
        return true;
    }
    for (const char *at = word; at != NULL && *at != '\0'; at += at[1] == '\0' ? 1 : 2) {
        const dgraft_node_id id = (dgraft_node_id)(*at - '0');
        if (*at < '1' || id > script->node_count || (at[1] != ',' && at[1] != '\0')) {
            script_fail(script, "no such nodes: %s", word);
            return false;
        }
        *set |= dgraft_node_set_of(id);
    }
    if (*set == 0) {
        script_fail(script, "nodes are missing");
    }
    return *set != 0;
}

bool script_id(struct script *script, const char *word, dgraft_node_id *id)
{
    dgraft_node_set set = 0;
    if (!script_set(script, word, &set) || dgraft_node_set_count(set) != 1) {
        script_fail(script, "one node is wanted here");
        return false;
    }
    *id = dgraft_node_set_first(set);
    return true;
}
