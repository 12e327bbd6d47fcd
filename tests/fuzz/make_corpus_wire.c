/* Writes the first inputs of the wire's fuzzers: make_corpus_wire DIRECTORY, where the folders record, frame,
 * membership and fragment exist. */
#include <dgraft/fragment.h>
#include <dgraft/frame.h>
#include <dgraft/membership.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *directory;

static void save(const char *target, const char *name, const uint8_t *bytes, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s/%s", directory, target, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static size_t put_record(uint8_t *at, dgraft_index index, dgraft_term term, const char *payload)
{
    struct dgraft_record record = {.entry = {.index = index,
                                             .term = term,
                                             .payload_bytes = (uint32_t)strlen(payload),
                                             .kind = payload[0] != 0 ? DGRAFT_ENTRY_COMMAND : DGRAFT_ENTRY_NOOP}};
    const size_t size = dgraft_record_bytes(record.entry.payload_bytes);
    memset(at, 0, size);
    memcpy(at + DGRAFT_RECORD_HEADER_BYTES, payload, strlen(payload));
    record.entry.checksum = dgraft_crc32c(0, payload, strlen(payload));
    dgraft_record_encode_header(&record, at);
    return size;
}

/* What sessions put into records: an entry that opens one, one that closes it, a command in it. */
static void save_session_records(void)
{
    static const struct {
        const char *name;
        enum dgraft_entry_kind kind;
        uint8_t flags;
        uint8_t payload[24];
        uint32_t size;
    } cases[] = {{"session-open", DGRAFT_ENTRY_SESSION, 0, {1, 0, 0, 0, 0, 0, 0, 0, 9}, 16},
                 {"session-close", DGRAFT_ENTRY_SESSION, 0, {2, 0, 0, 0, 0, 0, 0, 0, 4}, 16},
                 {"in-session", DGRAFT_ENTRY_COMMAND, DGRAFT_RECORD_IN_SESSION, {4, 0, 0, 0, 0, 0, 0, 0, 1}, 21}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[128] = {0};
        struct dgraft_record record = {
            .entry = {.index = 5, .term = 2, .payload_bytes = cases[i].size, .kind = cases[i].kind},
            .flags = cases[i].flags,
            .log_time_ns = 1000};
        memcpy(bytes + DGRAFT_RECORD_HEADER_BYTES, cases[i].payload, cases[i].size);
        record.entry.checksum = dgraft_crc32c(0, cases[i].payload, cases[i].size);
        dgraft_record_encode_header(&record, bytes);
        save("record", cases[i].name, bytes, dgraft_record_bytes(cases[i].size));
    }
}

static void save_records(void)
{
    static const char *const payloads[] = {"", "a", "12345678", "a payload of some length, with padding"};
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        uint8_t bytes[256];
        char name[32];
        snprintf(name, sizeof name, "payload-%zu", strlen(payloads[i]));
        save("record", name, bytes, put_record(bytes, 5, 2, payloads[i]));
    }
}

static struct dgraft_message message_of(uint16_t type)
{
    struct dgraft_message message = {
        .type = (enum dgraft_message_type)type, .from = 1, .term = 4, .store = 7, .generation = 1};
    if (type == DGRAFT_MESSAGE_PRE_VOTE_REQUEST || type == DGRAFT_MESSAGE_VOTE_REQUEST) {
        message.u.vote_request = (struct dgraft_vote_request){.term = 4, .last = {9, 3}};
    } else if (type == DGRAFT_MESSAGE_APPEND) {
        message.u.append = (struct dgraft_append){.prev = {9, 3}, .commit = 8, .round = 2, .count = 2};
    } else if (type == DGRAFT_MESSAGE_APPEND_ACK) {
        message.u.append_ack = (struct dgraft_append_ack){.match = 11, .round = 2};
    } else if (type == DGRAFT_MESSAGE_APPEND_REFUSE) {
        message.u.append_refuse =
            (struct dgraft_append_refuse){.prev = 9, .hint = {8, 2}, .round = 2, .reason = DGRAFT_REFUSE_MISMATCH};
    } else if (type == DGRAFT_MESSAGE_TIMEOUT_NOW) {
        message.u.timeout_now.last = (struct dgraft_position){9, 3};
    } else if (type == DGRAFT_MESSAGE_FETCH) {
        message.u.fetch = (struct dgraft_fetch){.first = 10, .last = 11, .anchor = {12, 3}};
    } else if (type == DGRAFT_MESSAGE_FETCH_ANSWER) {
        message.u.fetch_answer =
            (struct dgraft_fetch_answer){.verdict = DGRAFT_FETCH_HAVE, .count = 2, .first = 10, .anchor = {12, 4}};
    } else if (type == DGRAFT_MESSAGE_READ_REQUEST) {
        message.u.read_request.token = 12345;
    } else if (type == DGRAFT_MESSAGE_READ_ANSWER) {
        message.u.read_answer = (struct dgraft_read_answer){.token = 12345, .index = 9};
    } else if (type == DGRAFT_MESSAGE_SNAPSHOT_CHUNK) {
        message.u.snapshot_chunk = (struct dgraft_snapshot_chunk){
            .snapshot = {.position = {9, 3}, .size = 12, .digest = 5}, .offset = 8, .round = 2, .bytes = 4};
    } else if (type == DGRAFT_MESSAGE_SNAPSHOT_ACK) {
        message.u.snapshot_ack = (struct dgraft_snapshot_ack){
            .snapshot = {.position = {9, 3}, .size = 12, .digest = 5}, .offset = 8, .round = 2};
    } else {
        message.u.vote_reply.term = 4;
        if (type == DGRAFT_MESSAGE_PRE_VOTE_REFUSE || type == DGRAFT_MESSAGE_VOTE_REFUSE) {
            message.u.vote_reply.reason = DGRAFT_REFUSE_LOG;
        }
    }
    return message;
}

static void save_frames(void)
{
    const struct dgraft_frame_header header = {.cluster = 1, .to = 2};
    uint8_t bytes[1024];
    size_t padding = 0;
    for (uint16_t type = DGRAFT_MESSAGE_PRE_VOTE_REQUEST; type < DGRAFT_FRAME_CLIENT_REQUEST; type++) {
        if (dgraft_frame_type_name(type) == NULL) {
            continue; /* reserved */
        }
        const struct dgraft_message message = message_of(type);
        uint8_t records[512];
        size_t records_bytes = 0;
        if (type == DGRAFT_MESSAGE_APPEND || type == DGRAFT_MESSAGE_FETCH_ANSWER) {
            records_bytes = put_record(records, 10, 3, "first");
            records_bytes += put_record(records + records_bytes, 11, 4, "");
        } else if (type == DGRAFT_MESSAGE_SNAPSHOT_CHUNK) {
            memcpy(records, "part\0\0\0", 8);
            records_bytes = 8;
        }
        const struct iovec tail = {records, records_bytes};
        const size_t head = dgraft_frame_encode(&header, &message, &tail, records_bytes > 0 ? 1 : 0, bytes);
        memcpy(bytes + head, records, records_bytes);
        save("frame", dgraft_frame_type_name(type), bytes, head + records_bytes);
    }
    const struct dgraft_client_request request = {
        .client = 1, .sequence = 2, .payload = (const uint8_t *)"payload", .payload_bytes = 7, .kind = 1};
    size_t head = dgraft_frame_encode_request(&header, &request, bytes, &padding);
    memcpy(bytes + head, "payload", 8);
    save("frame", "CLIENT_REQUEST", bytes, head + 8);
    struct dgraft_frame_header of_node = header;
    of_node.from = 2;
    const struct dgraft_client_answer answer = {.client = 1, .sequence = 2, .index = 9, .kind = 1, .result = 1};
    head = dgraft_frame_encode_answer(&of_node, &answer, bytes, &padding);
    save("frame", "CLIENT_ANSWER", bytes, head);
}

static void save_memberships(void)
{
    static const char *const texts[] = {"1=a:1", "3=host.example:7003/learner,1=127.0.0.1:7001,2=[::1]:7002"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct dgraft_members members;
        uint8_t payload[DGRAFT_MEMBERSHIP_BYTES_MAX];
        char name[32];
        if (dgraft_members_parse(texts[i], &members, NULL, 0) != DGRAFT_OK) {
            exit(1);
        }
        snprintf(name, sizeof name, "text-%zu", i);
        save("membership", name, (const uint8_t *)texts[i], strlen(texts[i]));
        snprintf(name, sizeof name, "payload-%zu", i);
        save("membership", name, payload, dgraft_membership_encode(&members, payload));
    }
}

/* One step that gives a sealed datagram (its checksum is made by the fuzzer). */
static size_t put_step(uint8_t *at, unsigned source, unsigned kind, uint16_t number, uint32_t message_bytes,
                       uint64_t stream, uint64_t message, uint32_t fragment_bytes, uint16_t payload_bytes)
{
    memset(at, 0, 4u + DGRAFT_FRAGMENT_HEADER_BYTES + payload_bytes);
    at[0] = 4;
    at[1] = (uint8_t)source;
    dgraft_put_u16(at + 2, (uint16_t)(DGRAFT_FRAGMENT_HEADER_BYTES + payload_bytes));
    uint8_t *header = at + 4;
    header[16] = 1;
    header[17] = (uint8_t)kind;
    dgraft_put_u16(header + 18, number);
    dgraft_put_u32(header + 20, message_bytes);
    dgraft_put_u64(header + 24, stream);
    dgraft_put_u64(header + 32, message);
    dgraft_put_u32(header + 40, fragment_bytes);
    return 4u + DGRAFT_FRAGMENT_HEADER_BYTES + payload_bytes;
}

/* Stands in for a carrier: hands the first datagram of a burst to whoever wants to see it. */
static uint8_t seen[64];

static enum dgraft_status send_seen(struct dgraft_transport *transport, const struct dgraft_outgoing *outgoing)
{
    if (transport->datagram_bytes_max >= DGRAFT_FRAGMENT_HEADER_BYTES) {
        memcpy(seen, outgoing->pieces[0].iov_base, DGRAFT_FRAGMENT_HEADER_BYTES);
    }
    return DGRAFT_OK;
}

static void flush_nothing(struct dgraft_transport *transport)
{
    (void)transport;
}

static const struct dgraft_transport_ops seen_ops = {.name = "seen", .send = send_seen, .flush = flush_nothing};

/* The stream that the fuzzer's own sender uses: it follows from its seed. */
static uint64_t own_stream(void)
{
    struct dgraft_transport transport = {.ops = &seen_ops, .datagram_bytes_max = 600};
    const struct dgraft_fragments_options options = {.seed = 1, .message_bytes_max = 4096, .outgoing_bytes_max = 65536};
    struct dgraft_fragments *fragments = NULL;
    const struct dgraft_address to = {.bytes = "to", .size = 2};
    char byte[1] = {0};
    const struct iovec piece = {byte, 1};
    if (dgraft_fragments_open(&options, &transport, &fragments) != DGRAFT_OK ||
        dgraft_fragments_send(fragments, 1, &to, 0, &piece, 1) != DGRAFT_OK) {
        exit(1);
    }
    dgraft_fragments_close(fragments);
    return dgraft_get_u64(seen + 24);
}

static void save_fragments(void)
{
    uint8_t bytes[4096];
    size_t size = 0;
    for (uint16_t number = 0; number < 4; number++) {
        size += put_step(bytes + size, 1, 1, number, 200, 9, 1, 64, number < 3 ? 64 : 8);
    }
    save("fragment", "whole-message", bytes, size);
    size = put_step(bytes, 2, 1, 3, 200, 9, 1, 64, 8);
    size += put_step(bytes + size, 2, 1, 0, 200, 9, 1, 64, 64);
    bytes[size++] = 6;
    bytes[size++] = 0;
    bytes[size++] = 7;
    bytes[size++] = 255;
    size += put_step(bytes + size, 3, 1, 0, 16000, 9, 1, 256, 256);
    save("fragment", "gaps-and-time", bytes, size);
    /* A message of 2,561 bytes to address 2, in pieces of 552, and acknowledgements of it. */
    const uint64_t stream = own_stream();
    bytes[0] = 5;
    bytes[1] = 40;
    size = 2;
    size += put_step(bytes + size, 2, 2, 1, 2561, stream, 1, 552, 8);
    bytes[size - 8] = 0x0c;
    bytes[size++] = 7;
    bytes[size++] = 30;
    bytes[size++] = 6;
    bytes[size++] = 0;
    size += put_step(bytes + size, 2, 2, 5, 2561, stream, 1, 552, 0);
    save("fragment", "sent-and-acknowledged", bytes, size);
    /* The same by the steps that fit: two messages of three pieces mixed, and a message that is acknowledged at last.
     */
    static const uint8_t fitting[] = {8, 3, 2, 0, 8, 4, 0, 0,  8, 3, 0,  0, 8, 3, 1, 0,  8, 4, 3,  0, 8, 4,
                                      1, 0, 8, 4, 2, 0, 5, 40, 6, 0, 12, 1, 1, 2, 7, 30, 6, 0, 12, 1, 5, 0};
    save("fragment", "fitting", fitting, sizeof fitting);
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: make_corpus_wire DIRECTORY\n");
        return 2;
    }
    directory = arguments[1];
    save_records();
    save_session_records();
    save_frames();
    save_memberships();
    save_fragments();
    return 0;
}
