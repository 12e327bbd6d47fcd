/* Long sentences on a terminal of 80 columns. */
#ifndef CLI_WRAP_H
#define CLI_WRAP_H

#include <stdio.h>

#define CLI_COLUMNS 80u

/* Writes text (printable, without newlines) in lines of at most CLI_COLUMNS, broken at spaces; a word that is longer
 * stays whole, so that a path can be copied. The cursor stands at column `begin`; further lines are indented by
 * `indent`. Ends with a newline. */
void cli_wrap(FILE *stream, const char *text, unsigned begin, unsigned indent);

#endif
