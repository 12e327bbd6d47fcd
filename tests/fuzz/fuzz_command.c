/* Commands of the key-value store, as clients send them and as they stand in the log: parsed, written again, shown to
 * people, and applied to a store. Input: entries {tag u8, payload size u16, payload}, the last may be shorter. Tags
 * from 128 on are none of the store's: their payload is shown as that of a membership.
 */
#include <inspect_hint.h>
#include <kv.h>
#include <kv_command.h>

#include <stdlib.h>
#include <string.h>

enum { ENTRY_HEAD_BYTES = 3, ENTRIES_MAX = 12, HINT_BYTES = 64 };

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* What was accepted is all of the payload, and writes itself again to it. */
static void check_request(uint32_t kind, const uint8_t *payload, size_t size)
{
    struct kv_command command;
    const char *wrong = kv_request_parse(kind, payload, size, &command);
    if (wrong != NULL) {
        require(wrong[0] != '\0');
        return;
    }
    uint8_t head[KV_KEY_HEAD_BYTES];
    dgraft_put_u32(head, command.key_bytes);
    dgraft_put_u32(head + 4, 0);
    require(memcmp(head, payload, sizeof head) == 0 && command.key == payload + sizeof head);
    require(command.key_bytes >= 1 && command.key_bytes <= KV_KEY_BYTES_MAX);
    require(command.value_bytes <= KV_VALUE_BYTES_MAX &&
            (kind == KV_PUT || (command.value == NULL && command.value_bytes == 0)));
    require(sizeof head + command.key_bytes + command.value_bytes == size && command.client == 0);
}

/* The hint fits, and nothing in it can play with a terminal. */
static void check_hint(uint16_t tag, enum dgraft_entry_kind kind, const uint8_t *payload, size_t size)
{
    const struct dgraft_record record = {
        .entry = {.index = 1, .term = 1, .payload_bytes = (uint32_t)size, .kind = kind},
        .tag = tag,
        .payload = payload};
    static char *text; /* from the heap, so that writing on is noticed */
    text = text == NULL ? malloc(HINT_BYTES) : text;
    require(text != NULL && inspect_hint(&record, DGRAFT_ACCEPT, text, HINT_BYTES) == text);
    const char *end = memchr(text, 0, HINT_BYTES);
    require(end != NULL);
    for (const char *at = text; at < end; at++) {
        require(*at >= ' ' && *at <= '~');
    }
}

/* A command that is new does what it says; any other one changes nothing. */
static void check_apply(struct kv *kv, const struct dgraft_applied *entry)
{
    struct kv_stats before;
    struct kv_stats after;
    struct kv_command command;
    const uint8_t *value = NULL;
    uint32_t value_bytes = 0;
    kv_stats(kv, &before);
    kv_apply(kv, entry, 1);
    kv_stats(kv, &after);
    require(after.commands == before.commands + 1 && after.applied == entry->position.index);
    if (kv_command_parse(entry->tag, entry->payload, entry->payload_bytes, &command) != NULL) {
        require(after.ignored == before.ignored + 1 && after.keys == before.keys && after.bytes == before.bytes);
        return;
    }
    require(after.ignored == before.ignored);
    if (after.repeated != before.repeated) {
        require(after.keys == before.keys && after.bytes == before.bytes && command.client != 0);
        return;
    }
    const bool found = kv_find(kv, command.key, command.key_bytes, &value, &value_bytes);
    require(found == (entry->tag == KV_PUT));
    require(!found || value_bytes == command.value_bytes);
    require(!found || value_bytes == 0 || memcmp(value, command.value, value_bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kv *kv = kv_new();
    struct kv_stats stats;
    dgraft_index index = 0;
    require(kv != NULL);
    for (size_t at = 0; size - at >= ENTRY_HEAD_BYTES && index < ENTRIES_MAX;) {
        const uint16_t tag = data[at];
        const size_t wanted = dgraft_get_u16(data + at + 1);
        at += ENTRY_HEAD_BYTES;
        const size_t length = wanted < size - at ? wanted : size - at;
        uint8_t *payload = malloc(length > 0 ? length : 1); /* of its own, so that reading on is noticed */
        require(payload != NULL);
        memcpy(payload, data + at, length);
        at += length;
        const struct dgraft_applied entry = {.position = {.index = ++index, .term = 1},
                                             .tag = tag,
                                             .payload = payload,
                                             .payload_bytes = (uint32_t)length};
        check_request(tag, payload, length);
        check_hint(tag, (tag & 128) == 0 ? DGRAFT_ENTRY_COMMAND : DGRAFT_ENTRY_MEMBERSHIP, payload, length);
        check_apply(kv, &entry);
        free(payload);
    }
    kv_stats(kv, &stats);
    require(stats.commands == index && stats.ignored + stats.repeated <= index);
    kv_free(kv);
    return 0;
}
