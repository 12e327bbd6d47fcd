#include "flight_codec.h"

#include "flight_fields.h"

#include <dgraft/message_fields.h>
#include <dgraft/record.h>

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define VALUES_MAX (FLIGHT_EVENT_FIELDS_MAX + DGRAFT_MESSAGE_FIELDS_MAX)

/* The least that one of them takes: what bounds a count by the bytes that remain. */
#define ENTRY_BYTES_LEAST 9u
#define PAIR_BYTES_LEAST  2u

uint8_t *dgraft_flight_put(uint8_t *at, const uint8_t *end, uint64_t value)
{
    if (at == NULL) {
        return NULL;
    }
    while (value >= 0x80) {
        if (at == end) {
            return NULL;
        }
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    if (at == end) {
        return NULL;
    }
    *at++ = (uint8_t)value;
    return at;
}

const uint8_t *dgraft_flight_take(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    uint64_t sum = 0;
    for (unsigned shift = 0; at != NULL && at != end && shift < 64; shift += 7) {
        const uint8_t byte = *at++;
        if (shift == 63 && byte > 1) {
            return NULL;
        }
        sum |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *value = sum;
            return byte == 0 && shift > 0 ? NULL : at; /* one number, one form */
        }
    }
    return NULL;
}

/* Small differences either way are small numbers. */
static uint64_t zigzag(uint64_t difference)
{
    return (difference << 1) ^ (0 - (difference >> 63));
}

static uint64_t unzigzag(uint64_t value)
{
    return (value >> 1) ^ (0 - (value & 1));
}

static uint8_t *put_entries(uint8_t *at, const uint8_t *end, const struct dgraft_entry *entries, uint32_t count)
{
    dgraft_index index = 0;
    dgraft_term term = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct dgraft_entry *entry = &entries[i];
        at = dgraft_flight_put(at, end, zigzag(entry->index - (index + 1)));
        at = dgraft_flight_put(at, end, zigzag(entry->term - term));
        at = dgraft_flight_put(at, end, entry->payload_bytes);
        at = dgraft_flight_put(at, end, (uint64_t)entry->kind);
        at = dgraft_flight_put(at, end, entry->reserved);
        if (at == NULL || end - at < 4) {
            return NULL;
        }
        dgraft_put_u32(at, entry->checksum);
        at += 4;
        index = entry->index;
        term = entry->term;
    }
    return at;
}

static uint8_t *put_start(uint8_t *at, const uint8_t *end, const struct dgraft_event_start *start)
{
    struct dgraft_term_run before = {0, 0};
    uint64_t last = 0;
    for (uint32_t i = 0; i < start->run_count; i++) {
        at = dgraft_flight_put(at, end, start->runs[i].first - before.first);
        at = dgraft_flight_put(at, end, start->runs[i].term - before.term);
        before = start->runs[i];
    }
    for (uint32_t i = 0; i < start->damage_count; i++) {
        at = dgraft_flight_put(at, end, start->damage[i].first - last);
        at = dgraft_flight_put(at, end, start->damage[i].last - start->damage[i].first);
        last = start->damage[i].last;
    }
    return at;
}

static uint8_t *put_message(uint8_t *at, const uint8_t *end, const struct dgraft_message *message)
{
    uint64_t values[DGRAFT_MESSAGE_FIELDS_MAX];
    const uint32_t count = dgraft_message_fields_get(message, values);
    for (uint32_t i = 0; i < count; i++) {
        at = dgraft_flight_put(at, end, values[i]);
    }
    if (message->type == DGRAFT_MESSAGE_APPEND) {
        at = put_entries(at, end, message->u.append.entries, message->u.append.count);
    }
    return at;
}

/* What an event points to. No default: the compiler names a kind that was forgotten. */
static uint8_t *put_rest(uint8_t *at, const uint8_t *end, const struct dgraft_event *event)
{
    switch (event->kind) {
    case DGRAFT_EVENT_START:
        return put_start(at, end, &event->u.start);
    case DGRAFT_EVENT_RECEIVE:
        return put_message(at, end, &event->u.receive);
    case DGRAFT_EVENT_PROPOSE:
        return put_entries(at, end, event->u.propose.entries, event->u.propose.count);
    case DGRAFT_EVENT_WAKE:
    case DGRAFT_EVENT_READ:
    case DGRAFT_EVENT_DURABLE:
    case DGRAFT_EVENT_APPLIED:
    case DGRAFT_EVENT_SENT:
    case DGRAFT_EVENT_TERM:
    case DGRAFT_EVENT_POISONED:
        return at;
    }
    return NULL;
}

size_t dgraft_flight_encode(const struct dgraft_event *event, dgraft_time_ns before_ns, uint8_t *bytes, size_t size)
{
    const struct flight_layout *layout = dgraft_flight_event_layout(event->kind);
    const uint8_t *end = bytes + size;
    uint64_t values[VALUES_MAX];
    if (layout == NULL) {
        return 0;
    }
    uint8_t *at = dgraft_flight_put(bytes, end, (uint64_t)event->kind);
    at = dgraft_flight_put(at, end, event->now_ns - before_ns);
    dgraft_flight_fields_get(layout, &event->u, values);
    for (uint32_t i = 0; i < layout->count; i++) {
        at = dgraft_flight_put(at, end, values[i]);
    }
    at = put_rest(at, end, event);
    return at == NULL ? 0 : (size_t)(at - bytes);
}

/* Bytes being read. `at` is NULL after the first that are not as they should be. */
struct source {
    const uint8_t *at;
    const uint8_t *end;
    enum dgraft_status status;
};

static uint64_t take(struct source *source)
{
    uint64_t value = 0;
    source->at = dgraft_flight_take(source->at, source->end, &value);
    return value;
}

/* Gets memory for `count` things of which each takes at least `least` bytes here. */
static void *reserve(struct source *source, struct flight_decoded *out, uint64_t count, size_t least, size_t each)
{
    if (source->at == NULL || count > (size_t)(source->end - source->at) / least) {
        source->at = NULL;
        return NULL;
    }
    if (out->array_bytes < count * each) {
        void *grown = realloc(out->array, (size_t)count * each);
        if (grown == NULL) {
            source->status = DGRAFT_STATUS_NO_MEMORY;
            source->at = NULL;
            return NULL;
        }
        out->array = grown;
        out->array_bytes = (size_t)count * each;
    }
    return count == 0 ? NULL : out->array;
}

static bool entry_kind_known(enum dgraft_entry_kind kind)
{
    switch (kind) {
    case DGRAFT_ENTRY_COMMAND:
    case DGRAFT_ENTRY_NOOP:
    case DGRAFT_ENTRY_MEMBERSHIP:
    case DGRAFT_ENTRY_SESSION:
        return true;
    }
    return false;
}

static const struct dgraft_entry *take_entries(struct source *source, struct flight_decoded *out, uint32_t count)
{
    struct dgraft_entry *entries = reserve(source, out, count, ENTRY_BYTES_LEAST, sizeof *entries);
    dgraft_index index = 0;
    dgraft_term term = 0;
    for (uint32_t i = 0; i < count && source->at != NULL; i++) {
        struct dgraft_entry *entry = &entries[i];
        *entry = (struct dgraft_entry){0};
        entry->index = index + 1 + unzigzag(take(source));
        entry->term = term + unzigzag(take(source));
        const uint64_t payload_bytes = take(source);
        const uint64_t kind = take(source);
        const uint64_t reserved = take(source);
        if (source->at == NULL || source->end - source->at < 4 || payload_bytes > UINT32_MAX || reserved > UINT32_MAX ||
            kind > DGRAFT_ENTRY_SESSION || !entry_kind_known((enum dgraft_entry_kind)kind)) {
            source->at = NULL;
            break;
        }
        entry->payload_bytes = (uint32_t)payload_bytes;
        entry->kind = (enum dgraft_entry_kind)kind;
        entry->reserved = (uint32_t)reserved;
        entry->checksum = dgraft_get_u32(source->at);
        source->at += 4;
        index = entry->index;
        term = entry->term;
    }
    return entries;
}

static void take_start(struct source *source, struct flight_decoded *out)
{
    struct dgraft_event_start *start = &out->event.u.start;
    const uint64_t pairs = (uint64_t)start->run_count + start->damage_count;
    _Static_assert(sizeof(struct dgraft_term_run) == sizeof(struct dgraft_damage), "one array has room for both");
    struct dgraft_term_run *runs = reserve(source, out, pairs, PAIR_BYTES_LEAST, sizeof *runs);
    struct dgraft_term_run before = {0, 0};
    for (uint32_t i = 0; i < start->run_count && source->at != NULL; i++) {
        before.first += take(source);
        before.term += take(source);
        runs[i] = before;
    }
    struct dgraft_damage *damage = runs == NULL ? NULL : (struct dgraft_damage *)(void *)(runs + start->run_count);
    uint64_t last = 0;
    for (uint32_t i = 0; i < start->damage_count && source->at != NULL; i++) {
        damage[i].first = last + take(source);
        damage[i].last = damage[i].first + take(source);
        last = damage[i].last;
    }
    start->runs = start->run_count > 0 ? runs : NULL;
    start->damage = start->damage_count > 0 ? damage : NULL;
}

static void take_message(struct source *source, struct flight_decoded *out)
{
    struct dgraft_message *message = &out->event.u.receive;
    uint64_t values[DGRAFT_MESSAGE_FIELDS_MAX];
    const uint32_t count = dgraft_message_fields_count(message->type);
    for (uint32_t i = 0; count != UINT32_MAX && i < count; i++) {
        values[i] = take(source);
    }
    if (count == UINT32_MAX || source->at == NULL || !dgraft_message_fields_set(message, values)) {
        source->at = NULL;
        return;
    }
    if (message->type == DGRAFT_MESSAGE_APPEND) {
        message->u.append.entries = take_entries(source, out, message->u.append.count);
    }
}

static void take_rest(struct source *source, struct flight_decoded *out)
{
    struct dgraft_event *event = &out->event;
    switch (event->kind) {
    case DGRAFT_EVENT_START:
        take_start(source, out);
        break;
    case DGRAFT_EVENT_RECEIVE:
        take_message(source, out);
        break;
    case DGRAFT_EVENT_PROPOSE:
        if (!entry_kind_known(event->u.propose.kind)) {
            source->at = NULL;
            return;
        }
        event->u.propose.entries = take_entries(source, out, event->u.propose.count);
        break;
    case DGRAFT_EVENT_WAKE:
    case DGRAFT_EVENT_READ:
    case DGRAFT_EVENT_DURABLE:
    case DGRAFT_EVENT_APPLIED:
    case DGRAFT_EVENT_SENT:
    case DGRAFT_EVENT_TERM:
    case DGRAFT_EVENT_POISONED:
        break;
    }
}

enum dgraft_status dgraft_flight_decode(const uint8_t *bytes, size_t size, dgraft_time_ns before_ns,
                                        struct flight_decoded *out)
{
    struct source source = {.at = bytes, .end = bytes + size, .status = DGRAFT_STATUS_DAMAGED};
    uint64_t values[VALUES_MAX];
    const uint64_t kind = take(&source);
    const struct flight_layout *layout =
        source.at == NULL || kind > UINT8_MAX ? NULL : dgraft_flight_event_layout((enum dgraft_event_kind)kind);
    if (layout == NULL) {
        return DGRAFT_STATUS_DAMAGED;
    }
    memset(&out->event, 0, sizeof out->event);
    out->event.kind = (enum dgraft_event_kind)kind;
    out->event.now_ns = before_ns + take(&source);
    for (uint32_t i = 0; i < layout->count; i++) {
        values[i] = take(&source);
    }
    if (source.at == NULL || !dgraft_flight_fields_set(layout, values, &out->event.u)) {
        return DGRAFT_STATUS_DAMAGED;
    }
    take_rest(&source, out);
    return source.at != NULL && source.at == source.end ? DGRAFT_OK : source.status;
}

void dgraft_flight_decoded_free(struct flight_decoded *decoded)
{
    free(decoded->array);
    *decoded = (struct flight_decoded){.array = NULL};
}

/* Numbers of many actions are hashed together. */
#define HASH_VALUES 160u

uint64_t dgraft_flight_hash_actions(uint64_t chain, enum dgraft_status status, const struct dgraft_actions *actions)
{
    uint64_t values[HASH_VALUES];
    uint32_t count = 0;
    values[count++] = (uint64_t)status;
    values[count++] = status == DGRAFT_OK ? actions->wake_at_ns : 0; /* of a step before, when this one was refused */
    values[count++] = actions->count;
    for (uint32_t i = 0; i < actions->count; i++) {
        const struct dgraft_action *action = &actions->items[i];
        const struct flight_layout *layout = dgraft_flight_action_layout(action->kind);
        if (HASH_VALUES - count < 1 + FLIGHT_ACTION_FIELDS_MAX + DGRAFT_MESSAGE_FIELDS_MAX) {
            chain = XXH3_64bits_withSeed(values, count * sizeof values[0], chain);
            count = 0;
        }
        values[count++] = (uint64_t)action->kind;
        if (layout != NULL) {
            dgraft_flight_fields_get(layout, &action->u, values + count);
            count += layout->count;
        }
        if (action->kind == DGRAFT_ACTION_SEND) {
            count += dgraft_message_fields_get(&action->u.send.message, values + count);
        }
    }
    return XXH3_64bits_withSeed(values, count * sizeof values[0], chain);
}

uint64_t dgraft_flight_action_kinds(const struct dgraft_actions *actions)
{
    uint64_t kinds = 0;
    for (uint32_t i = 0; i < actions->count; i++) {
        const uint32_t kind = (uint32_t)actions->items[i].kind;
        kinds |= UINT64_C(1) << (kind < 63 ? kind : 63);
    }
    return kinds;
}
