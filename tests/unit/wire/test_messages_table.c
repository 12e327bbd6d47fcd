/* docs/wire-format.md says of every message what messages.def says, and the bodies are laid out as they must be. */
#include <dgraft/frame.h>

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEGIN "<!-- messages.def: begin -->\n"
#define END   "<!-- messages.def: end -->\n"

struct row {
    const char *message; /* set in the row that begins one */
    const char *field;   /* NULL: zeros */
    unsigned number;
    unsigned bytes;
    uint64_t least;
    uint64_t most;
};

static const struct row rows[] = {
#define MESSAGE(name, number)                         {#name, NULL, number, 0, 0, 0},
#define FIELD(part, bytes, name, member, least, most) {NULL, #name, 0, bytes, least, most},
#define ZERO(bytes)                                   {NULL, NULL, 0, bytes, 0, 0},
#define MESSAGE_END(name)
#include "messages.def"
};

#define ROW_COUNT (sizeof rows / sizeof rows[0])

static void say_bounds(const struct row *row, char *text, size_t text_bytes)
{
    if (row->least == row->most) {
        snprintf(text, text_bytes, "%" PRIu64, row->least);
    } else if (row->most == UINT64_MAX || (row->bytes == 4 && row->most == UINT32_MAX)) {
        snprintf(text, text_bytes, "any");
    } else if (row->most == UINT64_MAX / 2) {
        snprintf(text, text_bytes, "%" PRIu64 " to 2^63 - 1", row->least);
    } else {
        snprintf(text, text_bytes, "%" PRIu64 " to %" PRIu64, row->least, row->most);
    }
}

/* The table as it must stand in the document. */
static char *expected_table(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    cr_assert_not_null(out);
    fprintf(out, "| type | message | offset | width | field | may be |\n|---|---|---|---|---|---|\n");
    const struct row *message = NULL;
    unsigned offset = 0;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const struct row *row = &rows[i];
        if (row->message != NULL) {
            message = row;
            offset = DGRAFT_FRAME_HEADER_BYTES;
            continue;
        }
        char bounds[64];
        say_bounds(row, bounds, sizeof bounds);
        cr_assert_not_null(message);
        fprintf(out, "| %u | %s | %u | %u | %s | %s |\n", message->number, message->message, offset, row->bytes,
                row->field != NULL ? row->field : "-", bounds);
        offset += row->bytes;
    }
    fclose(out);
    return text;
}

static char *read_document(void)
{
    FILE *file = fopen(WIRE_FORMAT_DOCUMENT, "rb");
    cr_assert_not_null(file, "%s", WIRE_FORMAT_DOCUMENT);
    char *text = calloc(1, 1 << 20);
    cr_assert_not_null(text);
    cr_assert(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

Test(messages_table, stands_in_the_document_as_it_is)
{
    char *document = read_document();
    char *expected = expected_table();
    char *begin = strstr(document, BEGIN);
    cr_assert_not_null(begin);
    begin += strlen(BEGIN);
    char *end = strstr(begin, END);
    cr_assert_not_null(end);
    *end = '\0';
    cr_assert_str_eq(begin, expected, "docs/wire-format.md must say between its marks:\n%s", expected);
    free(expected);
    free(document);
}

Test(messages_table, bodies_are_aligned_and_a_multiple_of_8)
{
    unsigned offset = 0;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (rows[i].message != NULL) {
            cr_assert_eq(offset % 8, 0u, "the body before %s", rows[i].message);
            offset = 0;
            continue;
        }
        cr_assert(rows[i].bytes == 4 || rows[i].bytes == 8);
        cr_assert_eq(offset % rows[i].bytes, 0u, "%s", rows[i].field);
        offset += rows[i].bytes;
        cr_assert(offset <= DGRAFT_FRAME_BODY_MAX);
    }
    cr_assert_eq(offset % 8, 0u);
}

Test(messages_table, numbers_are_used_once)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        for (size_t k = i + 1; k < ROW_COUNT && rows[i].message != NULL; k++) {
            cr_assert(rows[k].message == NULL || rows[k].number != rows[i].number);
        }
        cr_assert(rows[i].message == NULL ||
                  strcmp(dgraft_frame_type_name((uint16_t)rows[i].number), rows[i].message) == 0);
    }
}
