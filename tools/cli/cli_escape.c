#include "cli_escape.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* Writes one byte's text (at most 4 characters, no zero) and returns its length. */
static size_t escape_byte(uint8_t byte, char out[4])
{
    static const char hex[] = "0123456789abcdef";
    static const char plain[] = "\\\n\t\r";
    static const char letter[] = "\\ntr";
    const char *special = byte == 0 ? NULL : strchr(plain, byte);
    if (special != NULL) {
        out[0] = '\\';
        out[1] = letter[special - plain];
        return 2;
    }
    if (byte >= ' ' && byte <= '~') {
        out[0] = (char)byte;
        return 1;
    }
    out[0] = '\\';
    out[1] = 'x';
    out[2] = hex[byte >> 4];
    out[3] = hex[byte & 15];
    return 4;
}

char *cli_escape(const void *bytes, size_t size, char *text, size_t text_bytes)
{
    const uint8_t *from = bytes;
    size_t used = 0;
    size_t whole = 0; /* where "..." still fits behind */
    assert(text_bytes >= 8);
    for (size_t i = 0; i < size; i++) {
        char piece[4];
        size_t length = escape_byte(from[i], piece);
        if (used + length > text_bytes - 1) {
            memcpy(text + whole, "...", 4);
            return text;
        }
        memcpy(text + used, piece, length);
        used += length;
        if (used + 3 <= text_bytes - 1) {
            whole = used;
        }
    }
    text[used] = '\0';
    return text;
}

char *cli_escape_text(const char *string, char *text, size_t text_bytes)
{
    return cli_escape(string, strlen(string), text, text_bytes);
}
