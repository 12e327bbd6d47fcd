#include "flight_codec.h"

#include "flight_fields.h"

#include <dgraft/message_fields.h>
#include <dgraft/record.h>

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* The least that one of them takes: what bounds a count by the bytes that remain. */
#define ENTRY_BYTES_LEAST 5u
#define PAIR_BYTES_LEAST  2u

#define NUMBER_BYTES_MOST 10u

/* Forms of an entry. */
enum { ENTRY_NEXT = 0, ENTRY_SAME = 1, ENTRY_OTHER = 2 };

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

/* Seven bits of a number below 2^56 in each byte, bit 7 of all but the last that counts set: no branch learns how long
 * it is. Writes 8 bytes. */
static uint8_t *put_short(uint8_t *at, uint64_t value)
{
    const unsigned more = (63u - (unsigned)__builtin_clzll(value | 1)) / 7; /* bytes behind the first */
    uint64_t spread = (value & UINT64_C(0x00fffffff0000000)) << 4 | (value & UINT64_C(0x0fffffff));
    spread = (spread & UINT64_C(0x0fffc0000fffc000)) << 2 | (spread & UINT64_C(0x00003fff00003fff));
    spread = (spread & UINT64_C(0x3f803f803f803f80)) << 1 | (spread & UINT64_C(0x007f007f007f007f));
    dgraft_put_u64(at, spread | (UINT64_C(0x8080808080808080) & ((UINT64_C(1) << 8 * more) - 1)));
    return at + more + 1;
}

/* The same as dgraft_flight_put of one after the other. */
static uint8_t *put_numbers(uint8_t *at, const uint8_t *end, const uint64_t *values, uint32_t count)
{
    if (at == NULL || (size_t)(end - at) < (size_t)count * NUMBER_BYTES_MOST) {
        for (uint32_t i = 0; i < count; i++) {
            at = dgraft_flight_put(at, end, values[i]);
        }
        return at;
    }
    for (uint32_t i = 0; i < count; i++) {
        at = values[i] >> 56 == 0 ? put_short(at, values[i]) : dgraft_flight_put(at, end, values[i]);
    }
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

static uint8_t *put_fields(uint8_t *at, const uint8_t *end, const struct flight_layout *layout, const void *part)
{
    uint64_t values[FLIGHT_EVENT_FIELDS_MAX];
    dgraft_flight_fields_get(layout, part, values);
    return put_numbers(at, end, values, layout->count);
}

static uint8_t *put_entry(uint8_t *at, const uint8_t *end, const struct dgraft_entry *entry,
                          const struct dgraft_entry *before)
{
    at = dgraft_flight_put(at, end, ENTRY_OTHER);
    at = dgraft_flight_put(at, end, zigzag(entry->index - before->index));
    at = dgraft_flight_put(at, end, zigzag(entry->term - before->term));
    at = dgraft_flight_put(at, end, entry->payload_bytes);
    at = dgraft_flight_put(at, end, (uint64_t)entry->kind);
    return dgraft_flight_put(at, end, entry->reserved);
}

/* Entries of a batch are mostly alike: they cost five bytes each, and little time. */
static uint8_t *put_entries(uint8_t *at, const uint8_t *end, const struct dgraft_entry *entries, uint32_t count)
{
    static const struct dgraft_entry none;
    const struct dgraft_entry *before = &none;
    for (uint32_t i = 0; i < count; i++) {
        const struct dgraft_entry *entry = &entries[i];
        const uint64_t more = entry->index - before->index;
        if (entry->term == before->term && entry->payload_bytes == before->payload_bytes &&
            entry->kind == before->kind && entry->reserved == before->reserved && more <= 1) {
            at = dgraft_flight_put(at, end, more == 1 ? ENTRY_NEXT : ENTRY_SAME);
        } else {
            at = put_entry(at, end, entry, before);
        }
        if (at == NULL || end - at < 4) {
            return NULL;
        }
        dgraft_put_u32(at, entry->checksum);
        at += 4;
        before = entry;
    }
    return at;
}

static uint8_t *put_memberships(uint8_t *at, const uint8_t *end, const struct dgraft_membership *memberships,
                                uint32_t count)
{
    at = dgraft_flight_put(at, end, count);
    for (uint32_t i = 0; i < count; i++) {
        at = put_fields(at, end, dgraft_flight_membership_layout(), &memberships[i]);
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
        at = dgraft_flight_put(at, end, start->damage[i].anchor.index - last);
        at = dgraft_flight_put(at, end, start->damage[i].anchor.term);
    }
    return at;
}

static uint8_t *put_message(uint8_t *at, const uint8_t *end, const struct dgraft_message *message)
{
    uint64_t values[DGRAFT_MESSAGE_FIELDS_MAX];
    const uint32_t count = dgraft_message_fields_get(message, values);
    at = put_numbers(at, end, values, count);
    if (message->type == DGRAFT_MESSAGE_APPEND) {
        at = put_entries(at, end, message->u.append.entries, message->u.append.count);
        at = put_memberships(at, end, message->u.append.memberships, message->u.append.membership_count);
    } else if (message->type == DGRAFT_MESSAGE_FETCH_ANSWER) {
        at = put_entries(at, end, message->u.fetch_answer.entries, message->u.fetch_answer.count);
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
    case DGRAFT_EVENT_DAMAGED:
    case DGRAFT_EVENT_CHANGE:
    case DGRAFT_EVENT_TRANSFER:
    case DGRAFT_EVENT_SNAPSHOT:
    case DGRAFT_EVENT_SNAPSHOT_RECEIVED:
    case DGRAFT_EVENT_SNAPSHOT_STORED:
    case DGRAFT_EVENT_DISK:
        return at;
    }
    return NULL;
}

size_t dgraft_flight_encode(const struct dgraft_event *event, dgraft_time_ns before_ns, uint8_t *bytes, size_t size)
{
    uint64_t values[2 + FLIGHT_EVENT_FIELDS_MAX];
    const uint8_t *end = bytes + size;
    const uint32_t count = dgraft_flight_event_values(event, values + 2);
    if (count == UINT32_MAX) {
        return 0;
    }
    values[0] = (uint64_t)event->kind;
    values[1] = event->now_ns - before_ns;
    uint8_t *at = put_numbers(bytes, end, values, 2 + count);
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

/* Takes the numbers of a struct. */
static void take_fields(struct source *source, const struct flight_layout *layout, void *part)
{
    uint64_t values[FLIGHT_EVENT_FIELDS_MAX];
    for (uint32_t i = 0; i < layout->count; i++) {
        values[i] = take(source);
    }
    if (source->at == NULL || !dgraft_flight_fields_set(layout, values, part)) {
        source->at = NULL;
    }
}

/* Gets memory for `count` things of which each takes at least `least` bytes here. */
static void *reserve(struct source *source, struct flight_array *array, uint64_t count, size_t least, size_t each)
{
    if (source->at == NULL || count > (size_t)(source->end - source->at) / least) {
        source->at = NULL;
        return NULL;
    }
    if (array->bytes < count * each) {
        void *grown = realloc(array->items, (size_t)count * each);
        if (grown == NULL) {
            source->status = DGRAFT_STATUS_NO_MEMORY;
            source->at = NULL;
            return NULL;
        }
        array->items = grown;
        array->bytes = (size_t)count * each;
    }
    return count == 0 ? NULL : array->items;
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

static void take_entry(struct source *source, const struct dgraft_entry *before, struct dgraft_entry *out)
{
    const uint64_t form = take(source);
    *out = *before;
    out->index += form == ENTRY_NEXT;
    if (form == ENTRY_OTHER) {
        out->index = before->index + unzigzag(take(source));
        out->term = before->term + unzigzag(take(source));
        const uint64_t payload_bytes = take(source);
        const uint64_t kind = take(source);
        const uint64_t reserved = take(source);
        if (payload_bytes > UINT32_MAX || reserved > UINT32_MAX || kind > UINT8_MAX) {
            source->at = NULL;
            return;
        }
        out->payload_bytes = (uint32_t)payload_bytes;
        out->kind = (enum dgraft_entry_kind)kind;
        out->reserved = (uint32_t)reserved;
    }
    const bool shorter = out->index - before->index <= 1 && out->term == before->term && out->kind == before->kind &&
                         out->payload_bytes == before->payload_bytes && out->reserved == before->reserved;
    if (source->at == NULL || source->end - source->at < 4 || form > ENTRY_OTHER || !entry_kind_known(out->kind) ||
        (form == ENTRY_OTHER && shorter)) {
        source->at = NULL; /* one entry, one form */
        return;
    }
    out->checksum = dgraft_get_u32(source->at);
    source->at += 4;
}

static const struct dgraft_entry *take_entries(struct source *source, struct flight_decoded *out, uint32_t count)
{
    static const struct dgraft_entry none;
    struct dgraft_entry *entries = reserve(source, &out->array, count, ENTRY_BYTES_LEAST, sizeof *entries);
    for (uint32_t i = 0; i < count && entries != NULL && source->at != NULL; i++) {
        take_entry(source, i == 0 ? &none : &entries[i - 1], &entries[i]);
    }
    return entries;
}

static void take_memberships(struct source *source, struct flight_decoded *out)
{
    const struct flight_layout *layout = dgraft_flight_membership_layout();
    const uint64_t count = take(source);
    struct dgraft_membership *memberships =
        reserve(source, &out->memberships, count, layout->count, sizeof *memberships);
    for (uint64_t i = 0; i < count && memberships != NULL && source->at != NULL; i++) {
        memset(&memberships[i], 0, sizeof memberships[i]);
        take_fields(source, layout, &memberships[i]);
    }
    out->event.u.receive.u.append.memberships = memberships;
    out->event.u.receive.u.append.membership_count = (uint32_t)count;
}

static void take_start(struct source *source, struct flight_decoded *out)
{
    struct dgraft_event_start *start = &out->event.u.start;
    const uint64_t pairs = (uint64_t)start->run_count + 2 * (uint64_t)start->damage_count;
    _Static_assert(2 * sizeof(struct dgraft_term_run) == sizeof(struct dgraft_damage), "one array has room for both");
    struct dgraft_term_run *runs = reserve(source, &out->array, pairs, PAIR_BYTES_LEAST, sizeof *runs);
    struct dgraft_term_run before = {0, 0};
    for (uint32_t i = 0; i < start->run_count && runs != NULL && source->at != NULL; i++) {
        before.first += take(source);
        before.term += take(source);
        runs[i] = before;
    }
    struct dgraft_damage *damage = runs == NULL ? NULL : (struct dgraft_damage *)(void *)(runs + start->run_count);
    uint64_t last = 0;
    for (uint32_t i = 0; i < start->damage_count && damage != NULL && source->at != NULL; i++) {
        damage[i].first = last + take(source);
        damage[i].last = damage[i].first + take(source);
        last = damage[i].last;
        damage[i].anchor.index = last + take(source);
        damage[i].anchor.term = take(source);
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
        take_memberships(source, out);
    } else if (message->type == DGRAFT_MESSAGE_FETCH_ANSWER) {
        message->u.fetch_answer.entries = take_entries(source, out, message->u.fetch_answer.count);
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
    case DGRAFT_EVENT_DAMAGED:
    case DGRAFT_EVENT_CHANGE:
    case DGRAFT_EVENT_TRANSFER:
    case DGRAFT_EVENT_SNAPSHOT:
    case DGRAFT_EVENT_SNAPSHOT_RECEIVED:
    case DGRAFT_EVENT_SNAPSHOT_STORED:
    case DGRAFT_EVENT_DISK:
        break;
    }
}

enum dgraft_status dgraft_flight_decode(const uint8_t *bytes, size_t size, dgraft_time_ns before_ns,
                                        struct flight_decoded *out)
{
    struct source source = {.at = bytes, .end = bytes + size, .status = DGRAFT_STATUS_DAMAGED};
    const uint64_t kind = take(&source);
    const struct flight_layout *layout =
        source.at == NULL || kind > UINT8_MAX ? NULL : dgraft_flight_event_layout((enum dgraft_event_kind)kind);
    if (layout == NULL) {
        return DGRAFT_STATUS_DAMAGED;
    }
    memset(&out->event, 0, sizeof out->event);
    out->event.kind = (enum dgraft_event_kind)kind;
    out->event.now_ns = before_ns + take(&source);
    take_fields(&source, layout, &out->event.u);
    if (source.at == NULL) {
        return DGRAFT_STATUS_DAMAGED;
    }
    take_rest(&source, out);
    return source.at != NULL && source.at == source.end ? DGRAFT_OK : source.status;
}

void dgraft_flight_decoded_free(struct flight_decoded *decoded)
{
    free(decoded->array.items);
    free(decoded->memberships.items);
    *decoded = (struct flight_decoded){.array = {NULL, 0}};
}

/* Numbers of many actions are hashed together, with the hash of those before as the first of them. */
#define HASH_VALUES 160u

struct hashing {
    uint64_t values[HASH_VALUES];
    uint32_t count;
};

static uint64_t digest(struct hashing *hashing)
{
    hashing->values[0] = XXH3_64bits(hashing->values, hashing->count * sizeof hashing->values[0]);
    hashing->count = 1;
    return hashing->values[0];
}

static void hash_action(struct hashing *hashing, const struct dgraft_action *action)
{
    if (HASH_VALUES - hashing->count < 1 + FLIGHT_ACTION_FIELDS_MAX + DGRAFT_MESSAGE_FIELDS_MAX) {
        (void)digest(hashing);
    }
    hashing->values[hashing->count++] = (uint64_t)action->kind;
    hashing->count += dgraft_flight_action_values(action, hashing->values + hashing->count);
    if (action->kind == DGRAFT_ACTION_SEND) {
        hashing->count += dgraft_message_fields_get(&action->u.send.message, hashing->values + hashing->count);
    }
}

uint64_t dgraft_flight_hash_actions(uint64_t chain, enum dgraft_status status, const struct dgraft_actions *actions)
{
    struct hashing hashing;
    hashing.values[0] = chain;
    hashing.values[1] = (uint64_t)status;
    hashing.values[2] = status == DGRAFT_OK ? actions->wake_at_ns : 0; /* of a step before, when this one was refused */
    hashing.values[3] = actions->count;
    hashing.count = 4;
    for (uint32_t i = 0; i < actions->count; i++) {
        hash_action(&hashing, &actions->items[i]);
    }
    return digest(&hashing);
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
