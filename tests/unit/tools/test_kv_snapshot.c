/* The key-value store written down, and read back from whatever bytes. */
#include "kv_bytes.h"

#include <criterion/criterion.h>
#include <kv.h>
#include <kv_command.h>
#include <kv_protocol.h>
#include <kv_snapshot.h>
#include <stdio.h>
#include <stdlib.h>

/* Takes the place of node/'s. */
struct dgraft_snapshot_writer {
    uint8_t bytes[1 << 18];
    size_t size;
    size_t room;
};

bool dgraft_snapshot_write(struct dgraft_snapshot_writer *writer, const void *bytes, size_t size)
{
    if (size > writer->room - writer->size) {
        return false;
    }
    if (size > 0) {
        memcpy(writer->bytes + writer->size, bytes, size);
    }
    writer->size += size;
    return true;
}

static struct dgraft_snapshot_writer writer;
static struct kv *kv;
static uint64_t next_index;

static void command(uint16_t tag, uint64_t client, uint64_t sequence, const char *key, const char *value)
{
    uint8_t bytes[256];
    const size_t size = kv_bytes_command(bytes, client, sequence, key, value);
    struct dgraft_applied entry = {
        .position = {next_index++, 1}, .tag = tag, .payload = bytes, .payload_bytes = (uint32_t)size};
    kv_apply(kv, &entry, 1);
}

static void open_kv(void)
{
    kv = kv_new();
    next_index = 1;
    writer.size = 0;
    writer.room = sizeof writer.bytes;
    for (uint64_t i = 1; i <= 40; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key %llu", (unsigned long long)i % 17);
        command(KV_PUT, 100 + i % 5, i, key, i % 3 == 0 ? "" : "some value");
    }
    command(KV_DELETE, 100, 41, "key 3", NULL);
    command(KV_PUT, 100, 41, "key 3", "never"); /* a retry with another text: not done */
    cr_assert(kv_snapshot(kv, &writer));
}

static void close_kv(void)
{
    kv_free(kv);
}

TestSuite(kv_snapshot, .init = open_kv, .fini = close_kv);

static void expect_equal(const struct kv *a, const struct kv *b)
{
    struct kv_stats left;
    struct kv_stats right;
    kv_stats(a, &left);
    kv_stats(b, &right);
    cr_assert_eq(left.keys, right.keys);
    cr_assert_eq(left.bytes, right.bytes);
    cr_assert_eq(left.applied, right.applied);
    cr_assert_eq(left.commands, right.commands);
    cr_assert_eq(left.repeated, right.repeated);
    cr_assert_eq(kv_hash(a), kv_hash(b));
    for (uint64_t i = 0; i < 20; i++) {
        char key[32];
        const uint8_t *values[2] = {NULL, NULL};
        uint32_t sizes[2] = {0, 0};
        (void)snprintf(key, sizeof key, "key %llu", (unsigned long long)i);
        const bool there = kv_find(a, (const uint8_t *)key, (uint32_t)strlen(key), &values[0], &sizes[0]);
        cr_assert_eq(kv_find(b, (const uint8_t *)key, (uint32_t)strlen(key), &values[1], &sizes[1]), there);
        cr_assert_eq(sizes[0], sizes[1]);
        cr_assert(sizes[0] == 0 || memcmp(values[0], values[1], sizes[0]) == 0);
    }
    for (uint64_t client = 100; client < 106; client++) {
        for (uint64_t sequence = 0; sequence < 50; sequence++) {
            cr_assert_eq(kv_done(a, client, sequence), kv_done(b, client, sequence));
        }
    }
}

Test(kv_snapshot, gives_the_store_back_over_whatever_there_was)
{
    struct kv *other = kv_new();
    struct kv *before = kv;
    kv = other;
    command(KV_PUT, 7, 1, "another key", "another value");
    cr_assert(kv_restore(other, writer.bytes, writer.size));
    kv = before;
    expect_equal(kv, other);
    const uint8_t *value = NULL;
    uint32_t bytes = 0;
    cr_assert_not(kv_find(other, (const uint8_t *)"another key", 11, &value, &bytes));
    cr_assert_eq(kv_done(other, 7, 1), 0u);
    kv_free(other);
}

Test(kv_snapshot, goes_on_as_the_store_itself_does)
{
    static struct dgraft_snapshot_writer again;
    struct kv *other = kv_new();
    cr_assert(kv_restore(other, writer.bytes, writer.size));
    struct kv *both[2] = {kv, other};
    const uint64_t index = next_index;
    for (int i = 0; i < 2; i++) {
        kv = both[i];
        next_index = index;
        for (uint64_t n = 0; n < 300; n++) { /* more clients than before, and retries of old requests */
            command(KV_PUT, 90 + n % 30, 30 + n % 40, n % 2 == 0 ? "key 5" : "key 6", "x");
        }
    }
    kv = both[0];
    expect_equal(kv, other);
    again.room = sizeof again.bytes;
    cr_assert(kv_snapshot(other, &again));
    kv_free(other);
}

Test(kv_snapshot, cut_at_any_byte_is_refused_and_changes_nothing)
{
    struct kv *other = kv_new();
    cr_assert(kv_restore(other, writer.bytes, writer.size));
    for (size_t size = 0; size < writer.size; size++) {
        uint8_t *cut = malloc(size + 1); /* exactly as large, so that reading beyond is seen */
        memcpy(cut, writer.bytes, size);
        cr_assert_not(kv_restore(other, cut, size), "%zu bytes", size);
        free(cut);
    }
    expect_equal(kv, other);
    kv_free(other);
}

Test(kv_snapshot, with_any_bit_turned_is_refused_or_a_store)
{
    struct kv *other = kv_new();
    for (size_t bit = 0; bit < 8 * writer.size; bit += 1 + bit / 3000) {
        writer.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        (void)kv_restore(other, writer.bytes, writer.size);
        writer.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    const size_t refused[] = {0, 4, 48, 56, KV_SNAPSHOT_HEAD_BYTES + 3}; /* magic, zeros, counts, a key's length */
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        writer.bytes[refused[i]] ^= 0x10;
        cr_assert_not(kv_restore(other, writer.bytes, writer.size), "byte %zu", refused[i]);
        writer.bytes[refused[i]] ^= 0x10;
    }
    cr_assert(kv_restore(other, writer.bytes, writer.size));
    expect_equal(kv, other);
    kv_free(other);
}

Test(kv_snapshot, that_finds_no_room_says_so)
{
    for (size_t room = 0; room < writer.size; room += 7) {
        static struct dgraft_snapshot_writer small;
        small.size = 0;
        small.room = room;
        cr_assert_not(kv_snapshot(kv, &small));
    }
}
