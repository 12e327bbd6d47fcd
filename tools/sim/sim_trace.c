#include "sim_trace.h"

#include <stdarg.h>
#include <xxhash.h>

void sim_trace_event(struct sim_trace *trace, uint32_t node, enum sim_event_kind kind, const void *bytes, size_t size)
{
    const uint64_t head[4] = {trace->hash, trace->now_ns, node, (uint64_t)kind};

    trace->hash = XXH3_64bits(head, sizeof head);
    if (size > 0) {
        trace->hash = XXH3_64bits_withSeed(bytes, size, trace->hash);
    }
    trace->events++;
}

void sim_trace_line(struct sim_trace *trace, uint32_t node, const char *format, ...)
{
    if (trace->out == NULL) {
        return;
    }
    fprintf(trace->out, "%4llu.%06llu ", (unsigned long long)(trace->now_ns / 1000000000u),
            (unsigned long long)(trace->now_ns / 1000u % 1000000u));
    if (node == 0) {
        fputs("      ", trace->out);
    } else {
        fprintf(trace->out, "n%-4u ", node);
    }
    va_list arguments;
    va_start(arguments, format);
    vfprintf(trace->out, format, arguments);
    va_end(arguments);
    fputc('\n', trace->out);
}
