/* Writes the first inputs of the tools' fuzzers: make_corpus_tools DIRECTORY, where the folders command, answer,
 * address, status and verify exist. Those of report come from make_corpus_storage. */
#include <dgraft/membership.h>
#include <dgraft/record.h>
#include <kv_command.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *directory;

static void save(const char *target, const char *name, const void *bytes, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s/%s", directory, target, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static size_t put_command(uint8_t *at, uint8_t tag, uint64_t sequence, const char *key, const char *value)
{
    const size_t size = KV_COMMAND_HEAD_BYTES + KV_KEY_HEAD_BYTES + strlen(key) + strlen(value);
    at[0] = tag;
    dgraft_put_u16(at + 1, (uint16_t)size);
    at += 3;
    kv_command_head(sequence == 0 ? 0 : 7, sequence, at);
    dgraft_put_u32(at + KV_COMMAND_HEAD_BYTES, (uint32_t)strlen(key));
    dgraft_put_u32(at + KV_COMMAND_HEAD_BYTES + 4, 0);
    at += KV_COMMAND_HEAD_BYTES + KV_KEY_HEAD_BYTES;
    memcpy(at, key, strlen(key));
    memcpy(at + strlen(key), value, strlen(value));
    return 3 + size;
}

static void save_commands(void)
{
    uint8_t bytes[1024];
    size_t size = put_command(bytes, KV_PUT, 1, "key", "value");
    size += put_command(bytes + size, KV_PUT, 2, "key", "");
    size += put_command(bytes + size, KV_PUT, 2, "key", "a retry");
    size += put_command(bytes + size, KV_DELETE, 3, "key", "");
    size += put_command(bytes + size, KV_DELETE, 200, "key", "");
    size += put_command(bytes + size, KV_PUT, 0, "\x1b[2J", "\xff\xfe");
    save("command", "put-retry-delete", bytes, size);
    /* Requests have no client in front. */
    const uint8_t requests[] = {KV_PUT, 13,     0,  3, 0, 0, 0, 0, 0, 0, 0, 'k', 'e', 'y', 'v',
                                'a',    KV_GET, 11, 0, 3, 0, 0, 0, 0, 0, 0, 0,   'k', 'e', 'y'};
    save("command", "requests", requests, sizeof requests);
    struct dgraft_members members;
    if (dgraft_members_parse("3=c.example:7003/learner,1=127.0.0.1:7001,2=[::1]:7002", &members, NULL, 0) !=
        DGRAFT_OK) {
        exit(1);
    }
    size = dgraft_membership_encode(&members, bytes + 3);
    bytes[0] = 128;
    dgraft_put_u16(bytes + 1, (uint16_t)size);
    save("command", "members", bytes, 3 + size);
}

/* Steps of fuzz_answer.c: begin a request of a kind, and answer request `place`. */
static size_t put_begin(uint8_t *at, enum kv_kind kind)
{
    at[0] = 4;
    at[1] = (uint8_t)(kind - 1);
    return 2;
}

static size_t put_answer(uint8_t *at, uint8_t source, uint8_t place, uint8_t result, const char *payload)
{
    const uint8_t head[] = {3, source, place, (uint8_t)(result - 1), 2, (uint8_t)strlen(payload)};
    memcpy(at, head, sizeof head);
    memcpy(at + sizeof head, payload, strlen(payload));
    return sizeof head + strlen(payload);
}

static void save_answers(void)
{
    static const char *const names[] = {"done", "points-on", "busy", "unknown", "refused"};
    static const char *const payloads[] = {"\1", "127.0.0.1:7002", "", "", "no \x1b[2J"};
    uint8_t bytes[512];
    for (uint8_t i = 0; i < 5; i++) {
        size_t size = put_begin(bytes, i == 0 ? KV_GET : KV_PUT);
        size += put_answer(bytes + size, 0, 0, i + 1, payloads[i]);
        bytes[size++] = 5; /* 200 ms */
        bytes[size++] = 20;
        size += put_answer(bytes + size, 1, 0, i + 1, payloads[i]);
        bytes[size++] = 6;
        bytes[size++] = 0;
        save("answer", names[i], bytes, size);
    }
    size_t size = put_begin(bytes, KV_STATUS);
    size += put_begin(bytes + size, KV_DELETE);
    for (int i = 0; i < 3; i++) { /* until all is given up */
        bytes[size++] = 5;
        bytes[size++] = 255;
    }
    save("answer", "silence", bytes, size);
}

static void save_texts(void)
{
    static const char *const addresses[] = {"127.0.0.1:7001", "[::1]:65535", "host.example:7001", "ipc:///run/bus",
                                            "::1:7001",       "[::1]",       "127.0.0.1:0"};
    static const char status[] =
        "{\"node\":1,\"cluster\":\"demo\",\"cluster_id\":\"00000000000000aa\",\"role\":\"LEADER\",\"term\":3,"
        "\"leader\":1,\"commit\":9,\"applied\":9,\"last\":9,\"durable\":9,\"poisoned\":false,"
        "\"members\":[{\"id\":1,\"address\":\"127.0.0.1:7001\",\"role\":\"voter\"},"
        "{\"id\":2,\"address\":\"127.0.0.1:7002\",\"role\":\"learner\"}],"
        "\"refused\":{\"CHECKSUM\":2},\"refused_from\":\"127.0.0.1:9\","
        "\"transport\":{\"dropped_overflow\":1,\"receive_buffer_bytes\":4096,\"send_failures\":1}}";
    static const char two[] = "{\"node\":1,\"cluster_id\":\"aa\",\"term\":3,\"leader\":1,\"commit\":5000,\"members\":["
                              "{\"id\":1},{\"id\":2}]}\0"
                              "{\"node\":2,\"cluster_id\":\"aa\",\"term\":3,\"leader\":1,\"commit\":1}\0"
                              "{\"node\":3,\"cluster_id\":\"aa\",\"term\":2,\"leader\":0,\"poisoned\":\"\\u001bdisk\"}";
    static const char strangers[] = "{\"cluster_id\":\"a\\u009b\"}\0{\"cluster_id\":\"b\"}\0[]\0{\"node\":\"1\"}";
    static const char leaderless[] = "{\"node\":1,\"term\":4,\"leader\":2,\"cluster_id\":\"a\",\"members\":[{\"id\":1},"
                                     "{\"id\":2,\"address\":\"\\n\"},{\"id\":3}]}";
    char text[64];
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "text-%zu", i);
        const int size = snprintf(text, sizeof text, "%c%s", '0', addresses[i]);
        save("address", name, text, (size_t)size);
    }
    const uint8_t four[] = {1, 16, 2, 0, 0x1b, 0x59, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    save("address", "sockaddr", four, sizeof four);
    save("address", "name", "1\4node", 6);
    save("status", "leader", status, sizeof status - 1);
    save("status", "behind-and-poisoned", two, sizeof two - 1);
    save("status", "strangers", strangers, sizeof strangers - 1);
    save("status", "leaderless", leaderless, sizeof leaderless - 1);
}

/* Of fuzz_verify.c: nothing, and one of each kind of patch on each kind of file. */
static void save_verify(void)
{
    static const uint8_t seeds[][16] = {
        {0},
        {2},
        {1, 9, 0xa8, 0x10, 1, 'x'},                         /* other bytes, right checksums */
        {0, 9, 0xa8, 0x10, 1, 'x', 17, 0xa8, 0x10, 1, 'x'}, /* damage in two */
        {0, 10, 0x14, 0x10, 1, 1},                          /* a batch's header */
        {0, 1, 0x20, 0, 1, 1, 7, 0x00, 0x10, 1, 1},         /* a segment's header, the snapshot */
        {0, 8, 0x28, 0, 2, 1, 1, 8, 0x28, 0x10, 2, 1, 1},   /* state */
        {0, 10, 0x80, 0x10, 255, 17, 0, 0, 254},            /* cut, taken away */
        {1, 2, 0x20, 0x10, 1, 2, 18, 0x38, 0x10, 1, 9},     /* keep, floor */
        {3, 10, 0x48, 0x10, 1, 200, 2, 0x48, 0x10, 1, 200}, /* commit */
    };
    static const uint8_t sizes[] = {1, 1, 6, 11, 6, 11, 13, 9, 11, 11};
    for (size_t i = 0; i < sizeof sizes; i++) {
        char name[32];
        snprintf(name, sizeof name, "seed-%zu", i);
        save("verify", name, seeds[i], sizes[i]);
    }
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: make_corpus_tools DIRECTORY\n");
        return 2;
    }
    directory = arguments[1];
    save_commands();
    save_answers();
    save_texts();
    save_verify();
    return 0;
}
