/* A flight record for people: numbers that are zero are left out of events and actions. */
#include "replay_view.h"

#include <cli_escape.h>
#include <dgraft/frame.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_US 1000u

static void print_time(FILE *stream, uint64_t wall_clock_ns)
{
    char text[40] = "?";
    struct tm parts;
    const time_t seconds = (time_t)(wall_clock_ns / NS_PER_S);
    if (wall_clock_ns != 0 && gmtime_r(&seconds, &parts) != NULL) {
        (void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts);
        (void)fprintf(stream, "%s.%06" PRIu64 "Z", text, wall_clock_ns % NS_PER_S / NS_PER_US);
        return;
    }
    (void)fputs("at an unknown time", stream);
}

static void print_set(FILE *stream, dgraft_node_set set)
{
    const char *separator = "";
    for (; set != 0; set &= set - 1) {
        (void)fprintf(stream, "%s%u", separator, dgraft_node_set_first(set));
        separator = ",";
    }
}

void replay_text_stretch(struct replay_view *view, const struct dgraft_flight_stretch *stretch)
{
    char version[64];
    (void)fprintf(view->stream, "start %" PRIu64 " of node %u, from event %" PRIu64 " on: ", stretch->start,
                  stretch->config.self, stretch->first);
    print_time(view->stream, stretch->wall_clock_ns);
    (void)fprintf(view->stream, ", dgraft %s%s\n", cli_escape_text(stretch->version, version, sizeof(version)),
                  stretch->same_core ? "" : " of another build: states are not compared");
}

/* Identities are written as everywhere else. */
static bool is_store(const char *name)
{
    return strcmp(name, "store") == 0 || strcmp(name, "message.store") == 0;
}

static void print_field(void *context, const char *name, uint64_t value)
{
    FILE *stream = context;
    const char *type =
        strcmp(name, "type") == 0 || strcmp(name, "message.type") == 0 ? dgraft_frame_type_name((uint16_t)value) : NULL;
    if (type != NULL) {
        (void)fprintf(stream, " %s", type);
    } else if (strcmp(name, "receivers") == 0) {
        (void)fputs(" to=", stream);
        print_set(stream, value);
    } else if (is_store(name)) {
        (void)fprintf(stream, " %s=%016" PRIx64, name, value);
    } else if (value != 0) {
        (void)fprintf(stream, " %s=%" PRIu64, name, value);
    }
}

void replay_text_step(struct replay_view *view, uint64_t number, const struct dgraft_event *event,
                      const struct dgraft_actions *actions)
{
    const struct dgraft_flight_field_visitor fields = {view->stream, print_field};
    (void)fprintf(view->stream, "%10" PRIu64 "  ", number);
    print_time(view->stream, replay_wall_clock(view, event->now_ns));
    (void)fprintf(view->stream, "  %s", dgraft_flight_event_name(event->kind));
    dgraft_flight_event_fields(event, &fields);
    (void)fputc('\n', view->stream);
    for (uint32_t i = 0; i < actions->count; i++) {
        (void)fprintf(view->stream, "                -> %s", dgraft_flight_action_name(actions->items[i].kind));
        dgraft_flight_action_fields(&actions->items[i], &fields);
        (void)fputc('\n', view->stream);
    }
}

void replay_text_finding(struct replay_view *view, uint64_t number, enum dgraft_severity severity, const char *text)
{
    char escaped[1024];
    (void)number;
    (void)fprintf(view->stream, "%s: %s\n", severity == DGRAFT_SEVERITY_DAMAGE ? "damage" : "note",
                  cli_escape_text(text, escaped, sizeof(escaped)));
}

static void print_peers(FILE *stream, const struct dgraft_core_status *state)
{
    for (uint32_t i = 0; i < state->peer_count; i++) {
        const struct dgraft_peer_status *peer = &state->peers[i];
        (void)fprintf(stream,
                      "  node %u (%s): match %" PRIu64 ", next %" PRIu64 "%s, %u appends of %" PRIu64
                      " bytes on the way, %s",
                      peer->id,
                      peer->departing ? "removed"
                      : peer->voter   ? "voter"
                                      : "learner",
                      peer->match, peer->next, peer->probing ? " (probing)" : "", peer->inflight, peer->inflight_bytes,
                      peer->recent ? "heard lately" : "not heard lately");
        if (peer->snapshot) {
            (void)fprintf(stream, ", needs a snapshot and has %" PRIu64 " bytes of it", peer->snapshot_offset);
        }
        (void)fputc('\n', stream);
    }
}

static void print_named_set(FILE *stream, const char *name, dgraft_node_set set)
{
    if (set != 0) {
        (void)fputs(name, stream);
        print_set(stream, set);
    }
}

static void print_log(FILE *stream, const struct dgraft_core_status *state)
{
    (void)fprintf(stream,
                  "  log: snapshot %" PRIu64 ", begins after %" PRIu64 ", last %" PRIu64 " of term %" PRIu64
                  ", durable %" PRIu64 ", commit %" PRIu64 ", applied %" PRIu64 ", %" PRIu64 " bytes uncommitted\n",
                  state->snapshot.position.index, state->compacted.index, state->last.index, state->last.term,
                  state->durable, state->commit, state->applied, state->uncommitted_bytes);
    if (state->receiving.position.index != 0) {
        (void)fprintf(stream, "  receiving snapshot %" PRIu64 ": %" PRIu64 " of %" PRIu64 " bytes\n",
                      state->receiving.position.index, state->received_bytes, state->receiving.size);
    }
}

void replay_text_state(struct replay_view *view, const struct dgraft_flight_summary *summary)
{
    const struct dgraft_core_status *state = &summary->state;
    FILE *stream = view->stream;
    (void)fprintf(stream, "state after event %" PRIu64 ":\n", summary->last);
    (void)fprintf(stream,
                  "  node %u: %s%s, term %" PRIu64 " (durable %" PRIu64 "), vote %u, leader %u, %" PRIu64
                  " elections, round %" PRIu64 "\n",
                  state->self, dgraft_role_name(state->role), state->poisoned ? " (poisoned)" : "", state->term,
                  state->durable_term, state->vote, state->leader, state->elections, state->round);
    if (state->transfer_target != 0) {
        (void)fprintf(stream, "  leadership is being handed to node %u\n", state->transfer_target);
    }
    print_log(stream, state);
    (void)fprintf(stream, "  members since entry %" PRIu64 ":", state->membership.index);
    print_named_set(stream, " voters ", state->membership.voters);
    print_named_set(stream, ", outgoing ", state->membership.outgoing);
    print_named_set(stream, ", learners ", state->membership.learners);
    print_named_set(stream, ", to be promoted ", state->membership.promote);
    (void)fputc('\n', stream);
    print_peers(stream, state);
    (void)fprintf(stream, "  hash of the whole state: %016" PRIx64 "\n", summary->state_hash);
}

void replay_text_verdict(struct replay_view *view, const char *verdict, const char *text)
{
    char escaped[2048];
    (void)fprintf(view->stream, "%s: %s\n", verdict, cli_escape_text(text, escaped, sizeof(escaped)));
}
