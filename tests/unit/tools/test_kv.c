#include "kv_bytes.h"

#include <criterion/criterion.h>
#include <kv.h>
#include <kv_clients.h>
#include <kv_command.h>
#include <stdio.h>
#include <stdlib.h>

#define TAG_PUT    1
#define TAG_DELETE 3

static struct kv *kv;
static uint64_t next_index;

static void open_kv(void)
{
    kv = kv_new();
    next_index = 1;
    cr_assert_not_null(kv);
}

static void close_kv(void)
{
    kv_free(kv);
}

TestSuite(kv, .init = open_kv, .fini = close_kv);

static void apply_to(struct kv *store, uint64_t index, uint16_t tag, const void *payload, size_t size)
{
    struct dgraft_applied entry = {
        .position = {index, 1}, .tag = tag, .payload = payload, .payload_bytes = (uint32_t)size};
    struct dgraft_state_machine machine = kv_machine(store);
    machine.apply(machine.context, &entry, 1);
}

static void put(uint64_t client, uint64_t sequence, const char *key, const char *value)
{
    uint8_t bytes[256];
    apply_to(kv, next_index++, TAG_PUT, bytes, kv_bytes_command(bytes, client, sequence, key, value));
}

static void erase(uint64_t client, uint64_t sequence, const char *key)
{
    uint8_t bytes[256];
    apply_to(kv, next_index++, TAG_DELETE, bytes, kv_bytes_command(bytes, client, sequence, key, NULL));
}

static void expect_value(const char *key, const char *value)
{
    const uint8_t *found = NULL;
    uint32_t bytes = 0;
    bool there = kv_find(kv, (const uint8_t *)key, (uint32_t)strlen(key), &found, &bytes);
    if (value == NULL) {
        cr_assert_not(there, "%s is there", key);
        return;
    }
    cr_assert(there, "%s is not there", key);
    cr_assert_eq(bytes, strlen(value), "%s has %u bytes", key, bytes);
    cr_assert(bytes == 0 || memcmp(found, value, bytes) == 0, "%s has another value", key);
}

Test(kv, keeps_what_was_put_last)
{
    put(7, 1, "a", "one");
    put(7, 2, "b", "");
    put(7, 3, "a", "two!");
    expect_value("a", "two!");
    expect_value("b", "");
    expect_value("c", NULL);
    struct kv_stats stats;
    kv_stats(kv, &stats);
    cr_assert_eq(stats.keys, 2);
    cr_assert_eq(stats.bytes, 6);
    cr_assert_eq(stats.applied, 3);
}

Test(kv, forgets_what_was_deleted)
{
    put(7, 1, "a", "one");
    erase(7, 2, "a");
    erase(7, 3, "never there");
    expect_value("a", NULL);
    struct kv_stats stats;
    kv_stats(kv, &stats);
    cr_assert_eq(stats.keys, 0);
    cr_assert_eq(stats.bytes, 0);
    cr_assert_eq(stats.ignored, 0);
}

Test(kv, keys_are_bytes_and_not_strings)
{
    uint8_t bytes[64] = {0};
    bytes[0] = 1; /* client */
    bytes[8] = 1; /* sequence */
    size_t size = 16 + kv_bytes_request(bytes + 16, "a\0b", 3, "x", 1);
    apply_to(kv, next_index++, TAG_PUT, bytes, size);
    expect_value("a", NULL);
    const uint8_t *found = NULL;
    uint32_t found_bytes = 0;
    cr_assert(kv_find(kv, (const uint8_t *)"a\0b", 3, &found, &found_bytes));
}

Test(kv, a_retry_applies_once_even_after_another_client_wrote)
{
    put(7, 1, "a", "mine");
    put(8, 1, "a", "theirs");
    put(7, 1, "a", "mine");
    expect_value("a", "theirs");
    struct kv_stats stats;
    kv_stats(kv, &stats);
    cr_assert_eq(stats.repeated, 1);
    cr_assert_eq(kv_done(kv, 7, 1), 1, "the entry that did it first");
    cr_assert_eq(kv_done(kv, 7, 2), 0);
    cr_assert_eq(kv_done(kv, 9, 1), 0);
}

Test(kv, requests_of_one_client_may_be_applied_in_any_order)
{
    put(7, 3, "c", "3");
    put(7, 1, "a", "1");
    put(7, 2, "b", "2");
    expect_value("a", "1");
    expect_value("b", "2");
    expect_value("c", "3");
    put(7, 2, "b", "again");
    expect_value("b", "2");
}

Test(kv, a_command_of_nobody_is_always_applied)
{
    put(0, 0, "a", "1");
    put(0, 0, "a", "2");
    expect_value("a", "2");
}

Test(kv, a_command_cut_at_any_byte_changes_nothing_and_is_counted)
{
    uint8_t bytes[256];
    size_t size = kv_bytes_command(bytes, 7, 1, "key", "");
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *exact = malloc(cut == 0 ? 1 : cut); /* so that a sanitizer sees a byte read too many */
        memcpy(exact, bytes, cut);
        apply_to(kv, next_index++, TAG_PUT, exact, cut);
        free(exact);
    }
    struct kv_stats stats;
    kv_stats(kv, &stats);
    cr_assert_eq(stats.ignored, size);
    cr_assert_eq(stats.keys, 0);
    cr_assert_eq(kv_done(kv, 7, 1), 0);
}

struct bad_case {
    const char *what;
    uint16_t tag;
    uint32_t key_bytes;   /* as stated */
    uint32_t there_bytes; /* behind the statement */
    uint32_t reserved;
};

Test(kv, a_malformed_command_changes_nothing_and_is_counted)
{
    static const struct bad_case cases[] = {
        {"no tag", 0, 1, 1, 0},
        {"GET has no place in the log", 2, 1, 1, 0},
        {"a tag of the future", 65535, 1, 1, 0},
        {"an empty key", TAG_PUT, 0, 4, 0},
        {"a key above the bound", TAG_PUT, 4097, 4097, 0},
        {"a key of nearly 4 GiB", TAG_PUT, 0xffffffffu, 16, 0},
        {"a key that wraps around", TAG_PUT, 0xfffffff8u, 16, 0},
        {"a value above the bound", TAG_PUT, 1, 1 + 1024 * 1024 + 1, 0},
        {"a field that is 0 is not", TAG_PUT, 1, 1, 1},
        {"bytes behind the key of a DELETE", TAG_DELETE, 1, 2, 0},
    };
    uint8_t *bytes = calloc(1, 2 * 1024 * 1024);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct kv_stats before;
        struct kv_stats after;
        for (unsigned b = 0; b < 4; b++) {
            bytes[16 + b] = (uint8_t)(cases[i].key_bytes >> (8 * b));
            bytes[20 + b] = (uint8_t)(cases[i].reserved >> (8 * b));
        }
        kv_stats(kv, &before);
        apply_to(kv, next_index++, cases[i].tag, bytes, 24 + (size_t)cases[i].there_bytes);
        kv_stats(kv, &after);
        cr_assert_eq(after.ignored, before.ignored + 1, "%s", cases[i].what);
        cr_assert_eq(after.keys, 0, "%s", cases[i].what);
    }
    free(bytes);
}

Test(kv, takes_the_largest_key_and_value)
{
    size_t size = 16 + 8 + 4096 + 1024 * 1024;
    uint8_t *bytes = calloc(1, size);
    bytes[17] = 16; /* 4096 = 0x1000 */
    bytes[size - 1] = 'z';
    apply_to(kv, 1, TAG_PUT, bytes, size);
    const uint8_t *found = NULL;
    uint32_t found_bytes = 0;
    cr_assert(kv_find(kv, bytes + 24, 4096, &found, &found_bytes));
    cr_assert_eq(found_bytes, 1024 * 1024);
    cr_assert_eq(found[found_bytes - 1], 'z');
    free(bytes);
}

Test(kv, the_hash_follows_from_the_commands_and_their_order)
{
    uint8_t a[64];
    uint8_t b[64];
    size_t a_size = kv_bytes_command(a, 1, 1, "k", "a");
    size_t b_size = kv_bytes_command(b, 1, 2, "k", "b");
    struct kv *stores[4];
    for (size_t i = 0; i < 4; i++) {
        stores[i] = kv_new();
    }
    struct dgraft_applied both[2] = {
        {.position = {1, 1}, .tag = TAG_PUT, .payload = a, .payload_bytes = (uint32_t)a_size},
        {.position = {2, 1}, .tag = TAG_PUT, .payload = b, .payload_bytes = (uint32_t)b_size}};
    kv_apply(stores[0], both, 2);
    apply_to(stores[1], 1, TAG_PUT, a, a_size);
    apply_to(stores[1], 2, TAG_PUT, b, b_size);
    apply_to(stores[2], 1, TAG_PUT, b, b_size);
    apply_to(stores[2], 2, TAG_PUT, a, a_size);
    apply_to(stores[3], 1, TAG_PUT, a, a_size);
    apply_to(stores[3], 3, TAG_PUT, b, b_size);
    cr_assert_eq(kv_hash(stores[0]), kv_hash(stores[1]), "batches are no matter");
    cr_assert_neq(kv_hash(stores[0]), kv_hash(stores[2]), "order is");
    cr_assert_neq(kv_hash(stores[0]), kv_hash(stores[3]), "and so is the index");
    for (size_t i = 0; i < 4; i++) {
        kv_free(stores[i]);
    }
}

/* The oracle: an array that is searched from end to end. */
struct slow {
    char key;
    int value; /* -1: none */
};

Test(kv, agrees_with_an_array_over_many_commands)
{
    struct slow slow[26];
    uint32_t random = 1;
    for (int i = 0; i < 26; i++) {
        slow[i] = (struct slow){.key = (char)('a' + i), .value = -1};
    }
    for (uint64_t step = 1; step <= 20000; step++) {
        random = random * 1664525u + 1013904223u;
        struct slow *at = &slow[(random >> 8) % 26];
        char key[2] = {at->key, '\0'};
        char value[16];
        if ((random >> 20) % 3 == 0) {
            erase(5, step, key);
            at->value = -1;
        } else {
            at->value = (int)(random >> 12) % 1000;
            (void)snprintf(value, sizeof(value), "%d", at->value);
            put(5, step, key, value);
        }
        (void)snprintf(value, sizeof(value), "%d", at->value);
        expect_value(key, at->value < 0 ? NULL : value);
    }
    uint64_t keys = 0;
    struct kv_stats stats;
    for (int i = 0; i < 26; i++) {
        keys += slow[i].value >= 0 ? 1 : 0;
    }
    kv_stats(kv, &stats);
    cr_assert_eq(stats.keys, keys);
}

Test(clients, remember_a_window_of_sequences)
{
    struct kv_clients *clients = kv_clients_new();
    for (uint64_t s = 1; s <= 100; s++) {
        cr_assert(kv_clients_note(clients, 9, s, 1000 + s));
    }
    for (uint64_t s = 37; s <= 100; s++) {
        cr_assert_not(kv_clients_note(clients, 9, s, 5000), "sequence %llu", (unsigned long long)s);
        cr_assert_eq(kv_clients_index(clients, 9, s), 1000 + s);
    }
    cr_assert_eq(kv_clients_index(clients, 9, 36), 0, "forgotten, and not taken for another");
    cr_assert(kv_clients_note(clients, 9, UINT64_MAX, 7));
    cr_assert_eq(kv_clients_index(clients, 9, 100), 0);
    cr_assert_eq(kv_clients_index(clients, 9, UINT64_MAX), 7);
    cr_assert_not(kv_clients_note(clients, 9, UINT64_MAX, 8));
    cr_assert_eq(kv_clients_count(clients), 1);
    kv_clients_free(clients);
}

Test(clients, leave_gaps_open)
{
    struct kv_clients *clients = kv_clients_new();
    cr_assert(kv_clients_note(clients, 9, 1, 1));
    cr_assert(kv_clients_note(clients, 9, 64, 2));
    cr_assert(kv_clients_note(clients, 9, 65, 3)); /* takes the place of 1 */
    for (uint64_t s = 2; s < 64; s++) {
        cr_assert(kv_clients_note(clients, 9, s, 10 + s), "sequence %llu", (unsigned long long)s);
    }
    cr_assert_not(kv_clients_note(clients, 9, 65, 99));
    kv_clients_free(clients);
}

Test(clients, are_bounded_and_the_one_heard_longest_ago_gives_way)
{
    struct kv_clients *clients = kv_clients_new();
    for (uint64_t id = 1; id <= 4096; id++) {
        cr_assert(kv_clients_note(clients, id, 1, id));
    }
    cr_assert_not(kv_clients_note(clients, 1, 1, 9999)); /* a retry counts as heard */
    cr_assert(kv_clients_note(clients, 5000, 1, 5000));
    cr_assert_eq(kv_clients_count(clients), 4096);
    cr_assert_eq(kv_clients_index(clients, 1, 1), 1);
    cr_assert_eq(kv_clients_index(clients, 2, 1), 0);
    cr_assert_eq(kv_clients_index(clients, 3, 1), 3);
    kv_clients_free(clients);
}

Test(command, has_the_bytes_of_the_protocol)
{
    uint8_t head[16];
    static const uint8_t expected[16] = {8, 7, 6, 5, 4, 3, 2, 1, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11};
    kv_command_head(UINT64_C(0x0102030405060708), UINT64_C(0x1112131415161718), head);
    cr_assert_arr_eq(head, expected, 16);
}
