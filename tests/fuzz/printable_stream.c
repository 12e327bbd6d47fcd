#include "printable_stream.h"

#include <stdlib.h>
#include <sys/types.h>

static unsigned long written;

static ssize_t check(void *context, const char *bytes, size_t size)
{
    (void)context;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n' && (bytes[i] < ' ' || bytes[i] > '~')) {
            abort();
        }
    }
    written += size;
    return (ssize_t)size;
}

FILE *printable_stream(void)
{
    static FILE *stream;
    if (stream == NULL) {
        stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = check});
    }
    if (stream == NULL) {
        abort();
    }
    return stream;
}

unsigned long printable_stream_end(FILE *stream)
{
    if (fflush(stream) != 0) {
        abort();
    }
    const unsigned long before = written;
    written = 0;
    return before;
}
