#include "kv_bytes.h"

#include <criterion/criterion.h>
#include <dgraft/membership.h>
#include <inspect_hint.h>
#include <stdlib.h>

static char text[96];

/* The hint of a payload that lies in memory of exactly its size. */
static const char *hint(enum dgraft_entry_kind kind, uint16_t tag, const void *bytes, size_t size)
{
    uint8_t *payload = malloc(size == 0 ? 1 : size);
    memcpy(payload, bytes, size);
    struct dgraft_record record = {
        .entry = {.kind = kind, .payload_bytes = (uint32_t)size}, .tag = tag, .payload = payload};
    (void)inspect_hint(&record, DGRAFT_ACCEPT, text, sizeof(text));
    free(payload);
    return text;
}

Test(hint, says_what_a_command_of_raftd_does)
{
    uint8_t bytes[256];
    size_t size = kv_bytes_command(bytes, 1, 1, "a/file.c", "content");
    cr_assert_str_eq(hint(DGRAFT_ENTRY_COMMAND, 1, bytes, size), "PUT a/file.c (7 bytes)");
    size = kv_bytes_command(bytes, 1, 1, "a/file.c", NULL);
    cr_assert_str_eq(hint(DGRAFT_ENTRY_COMMAND, 3, bytes, size), "DELETE a/file.c");
}

Test(hint, shows_no_control_bytes)
{
    uint8_t bytes[256];
    size_t size = kv_bytes_command(bytes, 1, 1, "\x1b[2Jx", "");
    cr_assert_str_eq(hint(DGRAFT_ENTRY_COMMAND, 1, bytes, size), "PUT \\x1b[2Jx (0 bytes)");
    cr_assert_str_eq(hint(DGRAFT_ENTRY_COMMAND, 9, "\x1b[2J is text", 12), "\\x1b[2J is text");
    cr_assert_str_eq(hint(DGRAFT_ENTRY_COMMAND, 9, "\x01\x02\x03\xff", 4), "01 02 03 ff ");
}

Test(hint, cuts_what_is_long)
{
    uint8_t bytes[5000];
    char key[4097];
    memset(key, 'k', 4096);
    key[4096] = '\0';
    size_t size = kv_bytes_command(bytes, 1, 1, key, "");
    const char *said = hint(DGRAFT_ENTRY_COMMAND, 1, bytes, size);
    cr_assert_eq(strncmp(said, "PUT kkkk", 8), 0);
    cr_assert_not_null(strstr(said, "... (0 bytes)"));
    memset(bytes, 'x', sizeof(bytes));
    said = hint(DGRAFT_ENTRY_COMMAND, 9, bytes, sizeof(bytes));
    cr_assert_eq(strlen(said), sizeof(text) - 1);
    cr_assert_str_eq(said + strlen(said) - 4, "x...");
}

Test(hint, names_the_members)
{
    struct dgraft_members members = {.count = 2,
                                     .items = {{.id = 1, .roles = DGRAFT_MEMBER_VOTER, .address = "127.0.0.1:1"},
                                               {.id = 3, .roles = DGRAFT_MEMBER_LEARNER, .address = "[::1]:3"}}};
    uint8_t bytes[DGRAFT_MEMBERSHIP_BYTES_MAX];
    size_t size = dgraft_membership_encode(&members, bytes);
    cr_assert_str_eq(hint(DGRAFT_ENTRY_MEMBERSHIP, 0, bytes, size), "1=127.0.0.1:1, 3=[::1]:3/learner");
    members.count = DGRAFT_MEMBERS_MAX;
    for (uint32_t i = 0; i < DGRAFT_MEMBERS_MAX; i++) {
        members.items[i] =
            (struct dgraft_member){.id = i + 1, .roles = DGRAFT_MEMBER_VOTER, .address = "192.168.100.100:65000"};
    }
    size = dgraft_membership_encode(&members, bytes);
    const char *said = hint(DGRAFT_ENTRY_MEMBERSHIP, 0, bytes, size);
    cr_assert_str_eq(said + strlen(said) - 3, "...", "%s", said);
}

Test(hint, of_what_is_not_to_be_read_is_empty)
{
    struct dgraft_record record = {.entry = {.kind = DGRAFT_ENTRY_COMMAND, .payload_bytes = 1000000}};
    cr_assert_str_eq(inspect_hint(&record, DGRAFT_ACCEPT, text, sizeof(text)), "", "a header alone");
    record.payload = (const uint8_t *)"not that long";
    cr_assert_str_eq(inspect_hint(&record, DGRAFT_REFUSAL_CHECKSUM, text, sizeof(text)), "");
}

Test(hint, takes_any_bytes_as_any_kind)
{
    uint8_t bytes[128];
    uint32_t random = 7;
    for (unsigned round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof(bytes); i++) {
            random = random * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(random >> 24);
        }
        size_t size = (random >> 8) % sizeof(bytes);
        if (round % 2 == 0) {
            memset(bytes + 16, 0, 8);
            bytes[16] = (uint8_t)(random >> 16) % 64; /* a length of a key that may fit */
        }
        enum dgraft_entry_kind kind = (enum dgraft_entry_kind)(random % 6);
        const char *said = hint(kind, (uint16_t)(random % 4), bytes, size);
        cr_assert_lt(strlen(said), sizeof(text));
        for (const char *at = said; *at != '\0'; at++) {
            cr_assert(*at >= ' ' && *at <= '~');
        }
    }
}
