/* A flight record for programs: one JSON object a line, in the order of the record. */
#include "replay_view.h"

#include <cli_escape.h>
#include <dgraft/frame.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* Numbers that JSON's readers would spoil are given as text. */
static json_t *number(uint64_t value)
{
    char text[24];
    if (value <= INT64_MAX) {
        return json_integer((json_int_t)value);
    }
    (void)snprintf(text, sizeof(text), "%" PRIu64, value);
    return json_string(text);
}

static json_t *identifier(uint64_t value)
{
    char hex[17];
    (void)snprintf(hex, sizeof(hex), "%016" PRIx64, value);
    return json_string(hex);
}

static json_t *text_of(const char *string)
{
    char escaped[2048];
    return json_string(cli_escape_text(string, escaped, sizeof(escaped)));
}

static void set(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, number(value));
}

static json_t *set_of(dgraft_node_set nodes)
{
    json_t *array = json_array();
    for (; nodes != 0; nodes &= nodes - 1) {
        json_array_append_new(array, number(dgraft_node_set_first(nodes)));
    }
    return array;
}

static json_t *object_begin(const char *type)
{
    json_t *object = json_object();
    json_object_set_new(object, "type", json_string(type));
    return object;
}

static void object_end(FILE *stream, json_t *object)
{
    (void)json_dumpf(object, stream, JSON_COMPACT);
    (void)fputc('\n', stream);
    json_decref(object);
}

void replay_json_stretch(struct replay_view *view, const struct dgraft_flight_stretch *stretch)
{
    json_t *object = object_begin("stretch");
    set(object, "start", stretch->start);
    set(object, "node", stretch->config.self);
    set(object, "first", stretch->first);
    set(object, "lost", stretch->lost);
    set(object, "now_ns", stretch->now_ns);
    set(object, "wall_clock_ns", stretch->wall_clock_ns);
    json_object_set_new(object, "version", text_of(stretch->version));
    json_object_set_new(object, "same_core", json_boolean(stretch->same_core));
    set(object, "election_timeout_ns", stretch->config.election_timeout_ns);
    set(object, "heartbeat_interval_ns", stretch->config.heartbeat_interval_ns);
    set(object, "seed", stretch->config.seed);
    object_end(view->stream, object);
}

static void on_field(void *context, const char *name, uint64_t value)
{
    json_t *object = context;
    const char *type =
        strcmp(name, "type") == 0 || strcmp(name, "message.type") == 0 ? dgraft_frame_type_name((uint16_t)value) : NULL;
    if (type != NULL) {
        json_object_set_new(object, "message", json_string(type));
    } else if (strcmp(name, "receivers") == 0) {
        json_object_set_new(object, name, set_of(value));
    } else if (strcmp(name, "store") == 0 || strcmp(name, "message.store") == 0) {
        json_object_set_new(object, name, identifier(value));
    } else {
        set(object, name, value);
    }
}

void replay_json_step(struct replay_view *view, uint64_t number_, const struct dgraft_event *event,
                      const struct dgraft_actions *actions)
{
    json_t *object = object_begin("event");
    json_t *list = json_array();
    json_t *numbers = json_object();
    const struct dgraft_flight_field_visitor fields = {numbers, on_field};
    set(object, "number", number_);
    json_object_set_new(object, "kind", json_string(dgraft_flight_event_name(event->kind)));
    set(object, "now_ns", event->now_ns);
    set(object, "wall_clock_ns", replay_wall_clock(view, event->now_ns));
    dgraft_flight_event_fields(event, &fields);
    json_object_set_new(object, "fields", numbers);
    for (uint32_t i = 0; i < actions->count; i++) {
        json_t *action = json_object();
        json_t *of_action = json_object();
        const struct dgraft_flight_field_visitor action_fields = {of_action, on_field};
        json_object_set_new(action, "kind", json_string(dgraft_flight_action_name(actions->items[i].kind)));
        dgraft_flight_action_fields(&actions->items[i], &action_fields);
        json_object_set_new(action, "fields", of_action);
        json_array_append_new(list, action);
    }
    json_object_set_new(object, "actions", list);
    object_end(view->stream, object);
}

void replay_json_finding(struct replay_view *view, uint64_t number_, enum dgraft_severity severity, const char *text)
{
    json_t *object = object_begin("finding");
    set(object, "event", number_);
    json_object_set_new(object, "severity", json_string(severity == DGRAFT_SEVERITY_DAMAGE ? "damage" : "note"));
    json_object_set_new(object, "text", text_of(text));
    object_end(view->stream, object);
}

static json_t *peers_of(const struct dgraft_core_status *state)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < state->peer_count; i++) {
        const struct dgraft_peer_status *peer = &state->peers[i];
        json_t *object = json_object();
        set(object, "id", peer->id);
        json_object_set_new(object, "voter", json_boolean(peer->voter));
        json_object_set_new(object, "departing", json_boolean(peer->departing));
        json_object_set_new(object, "caught_up", json_boolean(peer->caught_up));
        json_object_set_new(object, "recent", json_boolean(peer->recent));
        json_object_set_new(object, "probing", json_boolean(peer->probing));
        set(object, "match", peer->match);
        set(object, "next", peer->next);
        set(object, "inflight", peer->inflight);
        set(object, "inflight_bytes", peer->inflight_bytes);
        json_object_set_new(object, "snapshot", json_boolean(peer->snapshot));
        set(object, "snapshot_offset", peer->snapshot_offset);
        json_object_set_new(object, "store", identifier(peer->store));
        set(object, "heard_at_ns", peer->heard_at_ns);
        json_array_append_new(array, object);
    }
    return array;
}

void replay_json_state(struct replay_view *view, const struct dgraft_flight_summary *summary)
{
    const struct dgraft_core_status *state = &summary->state;
    json_t *object = object_begin("state");
    set(object, "event", summary->last);
    json_object_set_new(object, "hash", identifier(summary->state_hash));
    set(object, "node", state->self);
    json_object_set_new(object, "role", json_string(dgraft_role_name(state->role)));
    json_object_set_new(object, "poisoned", json_boolean(state->poisoned));
    set(object, "term", state->term);
    set(object, "durable_term", state->durable_term);
    set(object, "vote", state->vote);
    set(object, "leader", state->leader);
    set(object, "snapshot", state->snapshot.position.index);
    set(object, "compacted", state->compacted.index);
    set(object, "receiving", state->receiving.position.index);
    set(object, "received_bytes", state->received_bytes);
    set(object, "last", state->last.index);
    set(object, "last_term", state->last.term);
    set(object, "durable", state->durable);
    set(object, "commit", state->commit);
    set(object, "applied", state->applied);
    set(object, "round", state->round);
    set(object, "elections", state->elections);
    set(object, "ignored", state->ignored);
    set(object, "uncommitted_bytes", state->uncommitted_bytes);
    json_object_set_new(object, "disk_alarm", json_boolean(state->disk_alarm));
    set(object, "transfer_target", state->transfer_target);
    set(object, "lease_until_ns", state->lease_until_ns);
    set(object, "membership", state->membership.index);
    json_object_set_new(object, "voters", set_of(state->membership.voters));
    json_object_set_new(object, "outgoing", set_of(state->membership.outgoing));
    json_object_set_new(object, "learners", set_of(state->membership.learners));
    json_object_set_new(object, "promote", set_of(state->membership.promote));
    json_object_set_new(object, "peers", peers_of(state));
    object_end(view->stream, object);
}

void replay_json_summary(struct replay_view *view, const char *verdict, const char *text,
                         const struct dgraft_flight_summary *summary)
{
    json_t *object = object_begin("summary");
    json_object_set_new(object, "verdict", json_string(verdict));
    json_object_set_new(object, "text", text_of(text));
    if (summary != NULL) {
        set(object, "node", summary->node);
        json_object_set_new(object, "cluster_id", identifier(summary->cluster));
        set(object, "starts", summary->starts);
        set(object, "events", summary->events);
        set(object, "last", summary->last);
        set(object, "lost", summary->lost);
        set(object, "notes", summary->notes);
        set(object, "damages", summary->damages);
    }
    object_end(view->stream, object);
}
