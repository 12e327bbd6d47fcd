#include "inspect_hint.h"

#include <cli_escape.h>
#include <dgraft/membership.h>
#include <kv_command.h>
#include <stdio.h>
#include <string.h>

#define HEX_BYTES_SHOWN 12u

const char *inspect_kind_name(enum dgraft_entry_kind kind)
{
    switch (kind) {
    case DGRAFT_ENTRY_COMMAND:
        return "COMMAND";
    case DGRAFT_ENTRY_NOOP:
        return "NOOP";
    case DGRAFT_ENTRY_MEMBERSHIP:
        return "MEMBERSHIP";
    case DGRAFT_ENTRY_SESSION:
        return "SESSION";
    }
    return "?";
}

static bool mostly_text(const uint8_t *bytes, size_t size)
{
    size_t printable = 0;
    for (size_t i = 0; i < size; i++) {
        printable += bytes[i] >= ' ' && bytes[i] <= '~' ? 1 : 0;
    }
    return printable * 4 >= size * 3;
}

static void hint_bytes(const uint8_t *bytes, size_t size, char *text, size_t text_bytes)
{
    size_t shown = size < text_bytes ? size : text_bytes;
    size_t used = 0;
    if (mostly_text(bytes, shown)) {
        (void)cli_escape(bytes, shown, text, text_bytes);
        return;
    }
    for (size_t i = 0; i < size && i < HEX_BYTES_SHOWN; i++) {
        (void)snprintf(text + used, text_bytes - used, "%02x ", bytes[i]);
        used += 3;
    }
    (void)snprintf(text + used, text_bytes - used, "%s", size > HEX_BYTES_SHOWN ? "..." : "");
}

static void hint_members(const struct dgraft_members *members, char *text, size_t text_bytes)
{
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < members->count && used + 1 < text_bytes; i++) {
        const struct dgraft_member *member = &members->items[i];
        char address[DGRAFT_ADDRESS_TEXT_BYTES + 8];
        const char *suffix = (member->roles & DGRAFT_MEMBER_LEARNER) != 0    ? "/learner"
                             : (member->roles & DGRAFT_MEMBER_OUTGOING) == 0 ? ""
                             : (member->roles & DGRAFT_MEMBER_VOTER) != 0    ? "/staying"
                                                                             : "/outgoing";
        int length = snprintf(text + used, text_bytes - used, "%s%u=%s%s", i == 0 ? "" : ", ", member->id,
                              cli_escape_text(member->address, address, sizeof(address)), suffix);
        used += length < 0 ? 0 : (size_t)length;
    }
    if (used >= text_bytes) {
        memcpy(text + text_bytes - 4, "...", 4);
    }
}

static void hint_command(const struct kv_command *command, uint16_t tag, char *text, size_t text_bytes)
{
    char key[64];
    (void)cli_escape(command->key, command->key_bytes, key, sizeof(key) < text_bytes ? sizeof(key) : text_bytes);
    if (tag == KV_PUT) {
        (void)snprintf(text, text_bytes, "PUT %s (%u bytes)", key, command->value_bytes);
    } else {
        (void)snprintf(text, text_bytes, "DELETE %s", key);
    }
}

char *inspect_hint(const struct dgraft_record *record, enum dgraft_refusal refusal, char *text, size_t text_bytes)
{
    const uint8_t *payload = record->payload;
    size_t size = record->entry.payload_bytes;
    struct kv_command command;
    struct dgraft_members members;
    text[0] = '\0';
    if (refusal != DGRAFT_ACCEPT || payload == NULL || size == 0) {
        return text;
    }
    if (record->entry.kind == DGRAFT_ENTRY_MEMBERSHIP &&
        dgraft_membership_decode(payload, size, &members) == DGRAFT_ACCEPT) {
        hint_members(&members, text, text_bytes);
    } else if (record->entry.kind == DGRAFT_ENTRY_COMMAND &&
               kv_command_parse(record->tag, payload, size, &command) == NULL) {
        hint_command(&command, record->tag, text, text_bytes);
    } else {
        hint_bytes(payload, size, text, text_bytes);
    }
    return text;
}
