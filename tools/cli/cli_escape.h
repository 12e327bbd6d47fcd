/* Bytes of strangers on a terminal: keys, file names and payloads may hold anything, control sequences too. */
#ifndef CLI_ESCAPE_H
#define CLI_ESCAPE_H

#include <stddef.h>

/* Writes bytes as printable ASCII: a backslash as \\, newline, tab and return as \n, \t, \r, every other byte outside
 * of space to '~' as \xHH. What would take more than text_bytes - 1 is cut at a whole character and ends in "...".
 * text_bytes is at least 8; the text always ends with a zero. Returns text. */
char *cli_escape(const void *bytes, size_t size, char *text, size_t text_bytes);

/* The same for a string. */
char *cli_escape_text(const char *string, char *text, size_t text_bytes);

#endif
