#include "replay_view.h"

#include <inttypes.h>

enum replay_verdict replay_verdict(const struct dgraft_flight_summary *summary)
{
    switch (summary->end) {
    case DGRAFT_FLIGHT_DIFFERENCE:
        return REPLAY_DIFFERENT;
    case DGRAFT_FLIGHT_BROKEN:
        return REPLAY_BROKEN;
    case DGRAFT_FLIGHT_END:
    case DGRAFT_FLIGHT_UNTIL:
        break;
    }
    if (summary->damages > 0) {
        return REPLAY_DAMAGED;
    }
    return summary->events == 0 ? REPLAY_EMPTY : REPLAY_EQUAL;
}

const char *replay_verdict_name(enum replay_verdict verdict)
{
    switch (verdict) {
    case REPLAY_EQUAL:
        return "equal";
    case REPLAY_DIFFERENT:
        return "different";
    case REPLAY_BROKEN:
        return "broken";
    case REPLAY_DAMAGED:
        return "damaged";
    case REPLAY_EMPTY:
        return "empty";
    }
    return "?";
}

char *replay_verdict_text(const struct dgraft_flight_summary *summary, char *text, size_t text_bytes)
{
    switch (replay_verdict(summary)) {
    case REPLAY_EQUAL:
        (void)snprintf(text, text_bytes,
                       "%" PRIu64 " events of %u %s of node %u replayed, up to event %" PRIu64
                       "%s; every action and state is as recorded",
                       summary->events, summary->starts, summary->starts == 1 ? "start" : "starts", summary->node,
                       summary->last, summary->end == DGRAFT_FLIGHT_UNTIL ? " as asked" : "");
        break;
    case REPLAY_DIFFERENT:
        (void)snprintf(text, text_bytes,
                       "%s. The core that recorded it was another one, or its memory went bad: compare versions, and "
                       "look at the state before with --until %" PRIu64 " --print state",
                       summary->text, summary->last > 0 ? summary->last - 1 : 0);
        break;
    case REPLAY_BROKEN:
        (void)snprintf(text, text_bytes, "%s. This is a bug in dgraft: report it with this file", summary->text);
        break;
    case REPLAY_DAMAGED:
        (void)snprintf(text, text_bytes,
                       "%u parts of the record cannot be read; the %" PRIu64
                       " events that can are as recorded, up to event %" PRIu64,
                       summary->damages, summary->events, summary->last);
        break;
    case REPLAY_EMPTY:
        (void)snprintf(text, text_bytes, "no event was replayed");
        break;
    }
    return text;
}

uint64_t replay_wall_clock(const struct replay_view *view, dgraft_time_ns now_ns)
{
    return view->wall_clock_ns == 0 ? 0 : view->wall_clock_ns + (now_ns - view->now_ns);
}
