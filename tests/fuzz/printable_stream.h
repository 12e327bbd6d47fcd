/* A stream that keeps nothing and aborts at what could play with a terminal. */
#ifndef PRINTABLE_STREAM_H
#define PRINTABLE_STREAM_H

#include <stdio.h>

/* The same stream each time. */
FILE *printable_stream(void);

/* Sends what waits in it on its way, and returns how many bytes were written since the last call. */
unsigned long printable_stream_end(FILE *stream);

#endif
