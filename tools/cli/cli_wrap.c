#include "cli_wrap.h"

#include <string.h>

void cli_wrap(FILE *stream, const char *text, unsigned begin, unsigned indent)
{
    size_t column = begin;
    for (size_t words = 0; *text != '\0'; words++) {
        text += strspn(text, " ");
        const size_t length = strcspn(text, " ");
        if (length == 0) {
            break;
        }
        if (words > 0 && column + 1 + length > CLI_COLUMNS) {
            (void)fprintf(stream, "\n%*s", (int)indent, "");
            column = indent;
        } else if (words > 0) {
            (void)fputc(' ', stream);
            column++;
        }
        (void)fwrite(text, 1, length, stream);
        column += length;
        text += length;
    }
    (void)fputc('\n', stream);
}
