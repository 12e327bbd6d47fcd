/* What `raftctl replay` shows of a flight record, as text for people or as one JSON object a line. */
#ifndef RAFTCTL_REPLAY_VIEW_H
#define RAFTCTL_REPLAY_VIEW_H

#include <dgraft/flight.h>
#include <stdio.h>

struct replay_options {
    uint64_t from; /* of the events shown */
    uint64_t until;
    bool actions; /* show events with their actions */
    bool state;   /* show the state at the end */
    bool json;
};

enum replay_verdict {
    REPLAY_EQUAL = 1, /* all as recorded */
    REPLAY_DIFFERENT,
    REPLAY_BROKEN,
    REPLAY_DAMAGED, /* a part of the record cannot be read; the rest is as recorded */
    REPLAY_EMPTY
};

enum replay_verdict replay_verdict(const struct dgraft_flight_summary *summary);

/* Returns the verdict's word. */
const char *replay_verdict_name(enum replay_verdict verdict);

/* Writes the verdict's sentence, with what to do. Returns text. */
char *replay_verdict_text(const struct dgraft_flight_summary *summary, char *text, size_t text_bytes);

/* What callbacks write to, and when an event happened by the wall clock. */
struct replay_view {
    FILE *stream;
    const struct replay_options *options;
    uint64_t wall_clock_ns; /* when the core's clock said now_ns; 0 unknown */
    dgraft_time_ns now_ns;
};

/* Two sets of the same functions. */
void replay_text_stretch(struct replay_view *view, const struct dgraft_flight_stretch *stretch);
void replay_text_step(struct replay_view *view, uint64_t number, const struct dgraft_event *event,
                      const struct dgraft_actions *actions);
void replay_text_finding(struct replay_view *view, uint64_t number, enum dgraft_severity severity, const char *text);
void replay_text_state(struct replay_view *view, const struct dgraft_flight_summary *summary);
void replay_text_verdict(struct replay_view *view, const char *verdict, const char *text);

void replay_json_stretch(struct replay_view *view, const struct dgraft_flight_stretch *stretch);
void replay_json_step(struct replay_view *view, uint64_t number, const struct dgraft_event *event,
                      const struct dgraft_actions *actions);
void replay_json_finding(struct replay_view *view, uint64_t number, enum dgraft_severity severity, const char *text);
void replay_json_state(struct replay_view *view, const struct dgraft_flight_summary *summary);
/* summary NULL: the file could not be read, or the process died. */
void replay_json_summary(struct replay_view *view, const char *verdict, const char *text,
                         const struct dgraft_flight_summary *summary);

/* The time of day of an event, nanoseconds since 1970; 0 unknown. */
uint64_t replay_wall_clock(const struct replay_view *view, dgraft_time_ns now_ns);

#endif
