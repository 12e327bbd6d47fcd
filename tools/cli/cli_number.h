/* Numbers that people type. */
#ifndef CLI_NUMBER_H
#define CLI_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Reads a whole decimal number from min to max into *out. Returns false, and leaves *out alone, for anything else: a
 * sign, a space, a letter behind it, too many digits. */
bool cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);

#endif
