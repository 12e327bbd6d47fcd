/* The trace of a run: a hash over every event, and, when wanted, a line of text for each.
 *
 * Two runs of one seed must give one hash. Lines are printed only on demand: a failing seed is simply run again.
 */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct sim_trace {
    uint64_t hash;
    uint64_t now_ns; /* of the simulation: set by whoever advances it */
    uint64_t events;
    FILE *out; /* NULL: no lines */
};

/* What happened, as a number in the hash and a word in the lines. */
enum sim_event_kind {
    SIM_EVENT_SEND = 1,
    SIM_EVENT_DELIVER,
    SIM_EVENT_TURN,
    SIM_EVENT_PERFORM,
    SIM_EVENT_SYNC,
    SIM_EVENT_OPEN,
    SIM_EVENT_CRASH,
    SIM_EVENT_APPLY,
    SIM_EVENT_PROPOSE,
    SIM_EVENT_ANSWER,
    SIM_EVENT_FAULT,
    SIM_EVENT_FILES
};

/* Takes an event into the hash. */
void sim_trace_event(struct sim_trace *trace, uint32_t node, enum sim_event_kind kind, const void *bytes, size_t size);

/* Prints a line "seconds node text"; does nothing when nobody wants lines. node 0: the world outside. */
void sim_trace_line(struct sim_trace *trace, uint32_t node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
