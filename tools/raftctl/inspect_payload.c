#include "inspect_payload.h"

#include <cli_escape.h>
#include <dgraft/membership.h>
#include <kv_command.h>
#include <stdlib.h>
#include <string.h>

enum { HEX_ROW_BYTES = 16, TEXT_ROW_CHARS = 76 };

static void print_hex(FILE *stream, const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size; at += HEX_ROW_BYTES) {
        char text[HEX_ROW_BYTES + 1] = "";
        (void)fprintf(stream, "    %07zx ", at);
        for (size_t i = at; i < at + HEX_ROW_BYTES; i++) {
            if (i < size) {
                (void)fprintf(stream, " %02x", bytes[i]);
                text[i - at] = (char)(bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '.');
            } else {
                (void)fputs("   ", stream);
            }
        }
        (void)fprintf(stream, "  %s\n", text);
    }
}

/* Bytes that are no printable ASCII are escaped, so that a payload can do nothing to a terminal. */
static void print_text(FILE *stream, const uint8_t *bytes, size_t size)
{
    size_t column = 0;
    for (size_t i = 0; i < size; i++) {
        char escaped[8];
        const size_t width = strlen(cli_escape(bytes + i, 1, escaped, sizeof(escaped)));
        if (column == 0 || column + width > TEXT_ROW_CHARS) {
            (void)fputs(column == 0 ? "    " : "\n    ", stream);
            column = 0;
        }
        (void)fputs(escaped, stream);
        column += width;
    }
    (void)fputs("\n", stream);
}

static json_t *hex_value(const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * size + 1);
    json_t *value = NULL;
    if (text != NULL) {
        for (size_t i = 0; i < size; i++) {
            text[2 * i] = digits[bytes[i] >> 4];
            text[2 * i + 1] = digits[bytes[i] & 15];
        }
        value = json_stringn(text, 2 * size);
    }
    free(text);
    return value;
}

/* At most four characters for each byte. */
static json_t *text_value(const uint8_t *bytes, size_t size)
{
    char *text = malloc(4 * size + 8);
    json_t *value = text == NULL ? NULL : json_string(cli_escape(bytes, size, text, 4 * size + 8));
    free(text);
    return value;
}

static json_t *members_value(const struct dgraft_members *members)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < members->count; i++) {
        const struct dgraft_member *member = &members->items[i];
        char text[4 * DGRAFT_ADDRESS_TEXT_BYTES + 8];
        json_t *object = json_object();
        json_object_set_new(object, "node", json_integer(member->id));
        json_object_set_new(object, "address", json_string(cli_escape_text(member->address, text, sizeof(text))));
        (void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)member->store);
        json_object_set_new(object, "store", json_string(text));
        json_object_set_new(object, "voter", json_boolean((member->roles & DGRAFT_MEMBER_VOTER) != 0));
        json_object_set_new(object, "outgoing", json_boolean((member->roles & DGRAFT_MEMBER_OUTGOING) != 0));
        json_object_set_new(object, "learner", json_boolean((member->roles & DGRAFT_MEMBER_LEARNER) != 0));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *json_value(const struct dgraft_record *record)
{
    struct kv_command command;
    struct dgraft_members members;
    const size_t size = record->entry.payload_bytes;
    json_t *object = json_object();
    if (record->entry.kind == DGRAFT_ENTRY_MEMBERSHIP &&
        dgraft_membership_decode(record->payload, size, &members) == DGRAFT_ACCEPT) {
        json_object_set_new(object, "members", members_value(&members));
    } else if (record->entry.kind == DGRAFT_ENTRY_COMMAND &&
               kv_command_parse(record->tag, record->payload, size, &command) == NULL) {
        json_object_set_new(object, "command", json_string(record->tag == KV_PUT ? "put" : "delete"));
        json_object_set_new(object, "key", text_value((const uint8_t *)command.key, command.key_bytes));
        if (record->tag == KV_PUT) {
            json_object_set_new(object, "value", text_value((const uint8_t *)command.value, command.value_bytes));
        }
    } else {
        json_object_set_new(object, "hex", hex_value(record->payload, size));
    }
    return object;
}

json_t *inspect_payload_value(enum inspect_payload how, const struct dgraft_record *record, enum dgraft_refusal refusal)
{
    const size_t size = record->entry.payload_bytes;
    if (refusal != DGRAFT_ACCEPT || record->payload == NULL) {
        return NULL;
    }
    switch (how) {
    case INSPECT_PAYLOAD_HINT:
        return NULL;
    case INSPECT_PAYLOAD_HEX:
        return hex_value(record->payload, size);
    case INSPECT_PAYLOAD_TEXT:
        return text_value(record->payload, size);
    case INSPECT_PAYLOAD_JSON:
        return json_value(record);
    }
    return NULL;
}

/* A value wider than the terminal is for programs, and is not broken. */
static void print_json(FILE *stream, const struct dgraft_record *record)
{
    json_t *value = json_value(record);
    (void)fputs("    ", stream);
    (void)json_dumpf(value, stream, JSON_COMPACT | JSON_ENSURE_ASCII);
    (void)fputs("\n", stream);
    json_decref(value);
}

void inspect_payload_print(FILE *stream, enum inspect_payload how, const struct dgraft_record *record,
                           enum dgraft_refusal refusal)
{
    if (refusal != DGRAFT_ACCEPT || record->payload == NULL || record->entry.payload_bytes == 0) {
        return;
    }
    switch (how) {
    case INSPECT_PAYLOAD_HINT:
        break;
    case INSPECT_PAYLOAD_HEX:
        print_hex(stream, record->payload, record->entry.payload_bytes);
        break;
    case INSPECT_PAYLOAD_TEXT:
        print_text(stream, record->payload, record->entry.payload_bytes);
        break;
    case INSPECT_PAYLOAD_JSON:
        print_json(stream, record);
        break;
    }
}
