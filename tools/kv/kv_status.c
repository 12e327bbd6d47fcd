#include "kv_status.h"

#include <cli_escape.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

/* Names and reasons may come from files and paths: printable ASCII always is UTF-8. */
static json_t *text(const char *string)
{
    char escaped[2 * DGRAFT_WHY_BYTES];
    return json_string(cli_escape_text(string, escaped, sizeof(escaped)));
}

static json_t *identifier(uint64_t value)
{
    char hex[17];
    (void)snprintf(hex, sizeof(hex), "%016" PRIx64, value);
    return json_string(hex);
}

struct field {
    const char *name;
    uint64_t value;
};

static json_t *numbers(const struct field *fields, size_t count)
{
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++) {
        json_object_set_new(object, fields[i].name, number(fields[i].value));
    }
    return object;
}

#define NUMBERS(...)                                                                                                   \
    numbers((const struct field[]){__VA_ARGS__}, sizeof((const struct field[]){__VA_ARGS__}) / sizeof(struct field))

static const char *member_role(const struct dgraft_member *member)
{
    if ((member->roles & DGRAFT_MEMBER_LEARNER) != 0) {
        return "learner";
    }
    return (member->roles & DGRAFT_MEMBER_VOTER) != 0 ? "voter" : "outgoing";
}

static const struct dgraft_peer_status *peer_find(const struct dgraft_core_status *core, dgraft_node_id id)
{
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (core->peers[i].id == id) {
            return &core->peers[i];
        }
    }
    return NULL;
}

static json_t *heard_ms(const struct kv_status *status, const struct dgraft_peer_status *peer)
{
    if (peer == NULL || peer->heard_at_ns == 0 || status->now_ns < peer->heard_at_ns) {
        return json_null();
    }
    return number((status->now_ns - peer->heard_at_ns) / 1000000);
}

/* Only a leader hears from everybody all the time; a follower knows about itself and the leader it follows. */
static json_t *reachable(const struct dgraft_core_status *core, const struct dgraft_peer_status *peer,
                         dgraft_node_id id)
{
    if (id == core->self || (id == core->leader && core->role == DGRAFT_ROLE_FOLLOWER)) {
        return json_true();
    }
    if (core->role == DGRAFT_ROLE_LEADER && peer != NULL) {
        return json_boolean(peer->recent);
    }
    return json_null();
}

static json_t *member_json(const struct kv_status *status, const struct dgraft_member *member)
{
    const struct dgraft_core_status *core = &status->driver->core;
    const struct dgraft_peer_status *peer = peer_find(core, member->id);
    bool self = member->id == core->self;
    bool followed = core->role == DGRAFT_ROLE_LEADER && peer != NULL;
    json_t *object = json_object();
    json_object_set_new(object, "id", number(member->id));
    json_object_set_new(object, "address", text(member->address));
    json_object_set_new(object, "role", json_string(member_role(member)));
    json_object_set_new(object, "promote", json_boolean((member->roles & DGRAFT_MEMBER_PROMOTE) != 0));
    json_object_set_new(object, "store", member->store != 0 ? identifier(member->store) : json_null());
    json_object_set_new(object, "foreign_store",
                        peer != NULL && peer->foreign_store != 0 ? identifier(peer->foreign_store) : json_null());
    json_object_set_new(object, "reachable", reachable(core, peer, member->id));
    if (self) {
        json_object_set_new(object, "match", number(core->durable));
        json_object_set_new(object, "next", number(core->last.index + 1));
        json_object_set_new(object, "heard_ms", number(0));
    } else {
        json_object_set_new(object, "match", followed ? number(peer->match) : json_null());
        json_object_set_new(object, "next", followed ? number(peer->next) : json_null());
        json_object_set_new(object, "heard_ms", heard_ms(status, peer));
    }
    return object;
}

static json_t *members_json(const struct kv_status *status)
{
    const struct dgraft_members *members = &status->driver->members;
    json_t *array = json_array();
    for (uint32_t i = 0; i < members->count; i++) {
        json_array_append_new(array, member_json(status, &members->items[i]));
    }
    return array;
}

/* What was dropped and why: the reasons that occurred, by name. */
static void add_refused(json_t *root, const struct dgraft_driver_status *driver)
{
    json_t *refused = json_object();
    char from[DGRAFT_ADDRESS_TEXT_BYTES + 32] = "";
    for (unsigned i = DGRAFT_ACCEPT + 1; i < DGRAFT_REFUSAL_TOTAL; i++) {
        if (driver->refused[i] != 0) {
            json_object_set_new(refused, dgraft_refusal_name((enum dgraft_refusal)i), number(driver->refused[i]));
        }
    }
    json_object_set_new(root, "refused", refused);
    if (driver->refused_last.size != 0) {
        dgraft_address_text(&driver->refused_last, from, sizeof(from));
    }
    json_object_set_new(root, "refused_from", from[0] == '\0' ? json_null() : text(from));
}

static void add_who(json_t *root, const struct dgraft_driver_status *driver)
{
    const struct dgraft_core_status *core = &driver->core;
    json_object_set_new(root, "node", number(driver->identity.node));
    json_object_set_new(root, "cluster", text(driver->identity.cluster_name));
    json_object_set_new(root, "cluster_id", identifier(driver->identity.cluster));
    json_object_set_new(root, "store", identifier(driver->identity.store));
    json_object_set_new(root, "generation", number(driver->generation));
    json_object_set_new(root, "version", json_string(dgraft_version()));
    json_object_set_new(root, "sealed", json_false());
    json_object_set_new(root, "role", json_string(dgraft_role_name(core->role)));
    json_object_set_new(root, "term", number(core->term));
    json_object_set_new(root, "leader", number(core->leader));
    json_object_set_new(root, "commit", number(core->commit));
    json_object_set_new(root, "applied", number(core->applied));
    json_object_set_new(root, "last", number(core->last.index));
    json_object_set_new(root, "durable", number(core->durable));
    json_object_set_new(root, "joint", json_boolean(core->membership.outgoing != 0));
    json_object_set_new(root, "elections", number(core->elections));
    json_object_set_new(root, "poisoned", driver->poisoned ? text(driver->poisoned_why.text) : json_false());
}

static void add_counters(json_t *root, const struct dgraft_driver_status *driver)
{
    const struct dgraft_transport_stats *transport = &driver->transport;
    const struct dgraft_fragments_stats *fragments = &driver->fragments;
    const struct dgraft_storage_stats *storage = &driver->storage;
    json_object_set_new(
        root, "transport",
        NUMBERS({"sent_datagrams", transport->sent_datagrams}, {"sent_bytes", transport->sent_bytes},
                {"received_datagrams", transport->received_datagrams}, {"received_bytes", transport->received_bytes},
                {"send_failures", transport->send_failures}, {"dropped_overflow", transport->dropped_overflow},
                {"system_calls", transport->system_calls}, {"receive_buffer_bytes", transport->receive_buffer_bytes},
                {"send_buffer_bytes", transport->send_buffer_bytes}));
    json_object_set_new(
        root, "fragments",
        NUMBERS({"messages_sent", fragments->messages_sent}, {"messages_received", fragments->messages_received},
                {"messages_given_up", fragments->messages_given_up}, {"pieces_sent", fragments->pieces_sent},
                {"pieces_sent_again", fragments->pieces_sent_again}, {"incoming_bytes", fragments->incoming_bytes},
                {"outgoing_bytes", fragments->outgoing_bytes}));
    json_object_set_new(root, "storage",
                        NUMBERS({"writes", storage->writes}, {"syncs", storage->syncs},
                                {"system_calls", storage->system_calls}, {"bytes_written", storage->bytes_written},
                                {"segments", storage->segments}, {"spares", storage->spares},
                                {"spares_late", storage->spares_late}, {"index_bytes", storage->index_bytes}));
    if (driver->records) {
        const struct dgraft_flight_stats *flight = &driver->flight;
        json_object_set_new(root, "flight",
                            NUMBERS({"events", flight->events}, {"lost", flight->lost},
                                    {"bytes_written", flight->bytes_written}, {"error", (uint64_t)flight->error}));
    }
    json_object_set_new(root, "proposals", number(driver->proposals));
    json_object_set_new(root, "proposals_waiting", number(driver->proposals_waiting));
    json_object_set_new(root, "cache_bytes", number(driver->cache_bytes));
    json_object_set_new(root, "frames_sent", number(driver->frames_sent));
    json_object_set_new(root, "frames_received", number(driver->frames_received));
    json_object_set_new(root, "frames_overheard", number(driver->frames_overheard));
    json_object_set_new(root, "ignored", number(driver->core.ignored));
    json_object_set_new(root, "turns", number(driver->turns));
    json_object_set_new(root, "steps", number(driver->steps));
}

static json_t *nodes(dgraft_node_set set)
{
    json_t *array = json_array();
    for (dgraft_node_id id = 1; id <= DGRAFT_NODE_ID_MAX; id++) {
        if (dgraft_node_set_has(set, id)) {
            json_array_append_new(array, number(id));
        }
    }
    return array;
}

/* Damaged entries, and what was heard of them. Who is `waiting` has yet to say something about them. */
static void add_repair(json_t *root, const struct dgraft_driver_status *driver)
{
    const struct dgraft_core_status *core = &driver->core;
    const dgraft_node_set others = dgraft_membership_all(&core->membership) & ~dgraft_node_set_of(core->self);
    json_t *repair = NUMBERS({"reopened", driver->reopened});
    json_t *damage = json_array();
    for (uint32_t i = 0; i < core->damage_count; i++) {
        const struct dgraft_damage_status *status = &core->damage[i];
        json_t *stretch =
            NUMBERS({"first", status->damage.first}, {"last", status->damage.last},
                    {"anchor_index", status->damage.anchor.index}, {"anchor_term", status->damage.anchor.term});
        const dgraft_node_set answered = status->have_not | status->damaged | status->compacted;
        json_object_set_new(stretch, "have_not", nodes(status->have_not));
        json_object_set_new(stretch, "damaged", nodes(status->damaged));
        json_object_set_new(stretch, "compacted", nodes(status->compacted));
        json_object_set_new(stretch, "waiting", nodes(others & ~answered));
        json_array_append_new(damage, stretch);
    }
    json_object_set_new(repair, "under_way", json_boolean(core->repairing));
    json_object_set_new(repair, "damage", damage);
    json_object_set_new(root, "repair", repair);
}

/* Positions of 0: there is no snapshot, the log begins at its beginning, none is arriving. */
static void add_snapshots(json_t *root, const struct dgraft_driver_status *driver)
{
    const struct dgraft_core_status *core = &driver->core;
    const struct dgraft_snapshots_stats *stats = &driver->snapshots;
    json_object_set_new(root, "snapshots",
                        NUMBERS({"index", core->snapshot.position.index}, {"bytes", core->snapshot.size},
                                {"compacted", core->compacted.index}, {"receiving", core->receiving.position.index},
                                {"receiving_bytes", core->receiving.size}, {"received_bytes", core->received_bytes},
                                {"made", stats->made}, {"received", stats->received}, {"installed", stats->installed},
                                {"chunks_sent", stats->chunks_sent}, {"chunks_stored", stats->chunks_stored},
                                {"failed", stats->failed}, {"segments_dropped", driver->storage.segments_dropped}));
}

static void add_service(json_t *root, const struct kv_status *status)
{
    const struct kv_stats *kv = &status->kv;
    const struct kv_service_stats *service = &status->service;
    json_t *store = NUMBERS({"keys", kv->keys}, {"bytes", kv->bytes}, {"applied", kv->applied},
                            {"commands", kv->commands}, {"repeated", kv->repeated}, {"ignored", kv->ignored});
    json_object_set_new(store, "hash", identifier(status->kv_hash));
    json_object_set_new(root, "kv", store);
    json_object_set_new(root, "requests",
                        NUMBERS({"arrived", service->requests}, {"under_way", service->under_way},
                                {"bytes", service->bytes}, {"duplicate", service->duplicate},
                                {"repeated", service->repeated}, {"busy", service->busy},
                                {"malformed", service->malformed}));
}

char *kv_status_json(const struct kv_status *status)
{
    json_t *root = json_object();
    if (root == NULL) {
        return NULL;
    }
    add_who(root, status->driver);
    json_object_set_new(root, "members", members_json(status));
    add_refused(root, status->driver);
    add_counters(root, status->driver);
    add_snapshots(root, status->driver);
    add_repair(root, status->driver);
    add_service(root, status);
    char *json = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return json;
}
