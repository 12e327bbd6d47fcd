#include "fake_driver.h"
#include "kv_bytes.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <kv_protocol.h>
#include <kv_service.h>
#include <stdlib.h>

static struct kv *kv;
static struct kv_service *service;
static struct dgraft_driver *driver;
static uint32_t buffers_alive;

static void buffer_free(struct dgraft_buffer *buffer)
{
    buffers_alive--;
    free(buffer->bytes);
    free(buffer);
}

static void open_with(uint32_t requests_max, size_t bytes_max)
{
    driver = calloc(1, sizeof(*driver));
    kv = kv_new();
    service =
        kv_service_new(&(struct kv_service_options){.kv = kv, .requests_max = requests_max, .bytes_max = bytes_max});
    cr_assert(driver != NULL && kv != NULL && service != NULL);
    buffers_alive = 0;
}

static void open_all(void)
{
    open_with(4, 4096);
}

static void close_all(void)
{
    kv_service_free(service);
    kv_free(kv);
    fake_driver_clear(driver);
    free(driver);
    cr_assert_eq(buffers_alive, 0, "every buffer is given back");
}

TestSuite(service, .init = open_all, .fini = close_all);

/* A request arrives from 127.0.0.<host>, in a buffer that has `rest` bytes more. */
static void arrive_in(size_t rest, uint8_t host, uint64_t sequence, uint32_t kind, const void *payload, size_t size)
{
    struct dgraft_buffer *buffer = calloc(1, sizeof(*buffer));
    struct dgraft_request_handler handler = kv_service_handler(service);
    buffer->bytes = malloc(size == 0 ? 1 : size);
    buffer->capacity = size + rest;
    buffer->references = 1;
    buffer->free = buffer_free;
    buffers_alive++;
    memcpy(buffer->bytes, payload, size);
    struct dgraft_request request = {.request = {.client = 77,
                                                 .sequence = sequence,
                                                 .payload = buffer->bytes,
                                                 .payload_bytes = (uint32_t)size,
                                                 .kind = kind},
                                     .source = {.bytes = {127, 0, 0, host}, .size = 4},
                                     .buffer = buffer};
    handler.request(handler.context, driver, &request);
    dgraft_buffer_release(buffer);
}

static void arrive(uint8_t host, uint64_t sequence, uint32_t kind, const void *payload, size_t size)
{
    arrive_in(0, host, sequence, kind, payload, size);
}

static void ask(uint64_t sequence, uint32_t kind, const char *key, const char *value)
{
    uint8_t bytes[4096];
    size_t size =
        kv_bytes_request(bytes, key, (uint32_t)strlen(key), value, value == NULL ? 0 : (uint32_t)strlen(value));
    arrive(1, sequence, kind, bytes, size);
}

static const struct fake_answer *last_answer(void)
{
    cr_assert_gt(driver->answer_count, 0, "nothing was answered");
    return &driver->answers[driver->answer_count - 1];
}

static void expect_answer(size_t count, uint64_t sequence, uint32_t result)
{
    cr_assert_eq(driver->answer_count, count, "%zu answers, not %zu", driver->answer_count, count);
    const struct dgraft_client_answer *answer = &last_answer()->answer;
    cr_assert_eq(answer->client, 77);
    cr_assert_eq(answer->sequence, sequence);
    cr_assert_eq(answer->result, result, "result %u, not %u", answer->result, result);
}

/* What the driver does with a committed proposal: apply, answer; the bytes are released before or after. */
static void commit(size_t number, uint64_t index)
{
    struct dgraft_proposal *proposal = driver->proposals[number];
    uint8_t bytes[8192];
    size_t size = 0;
    for (size_t i = 0; i < proposal->piece_count; i++) {
        memcpy(bytes + size, proposal->pieces[i].iov_base, proposal->pieces[i].iov_len);
        size += proposal->pieces[i].iov_len;
    }
    struct dgraft_applied applied = {
        .position = {index, 1}, .tag = proposal->tag, .payload = bytes, .payload_bytes = (uint32_t)size};
    kv_apply(kv, &applied, 1);
    struct dgraft_proposal_answer answer = {.fate = DGRAFT_PROPOSAL_COMMITTED, .position = {index, 1}, .leader = 1};
    proposal->answered(proposal->context, &answer);
}

static void release(size_t number)
{
    driver->proposals[number]->released(driver->proposals[number]->context);
}

static void end(size_t number, enum dgraft_proposal_fate fate, enum dgraft_outcome reason, dgraft_node_id leader)
{
    struct dgraft_proposal *proposal = driver->proposals[number];
    struct dgraft_proposal_answer answer = {.fate = fate, .reason = reason, .leader = leader};
    proposal->answered(proposal->context, &answer);
    proposal->released(proposal->context);
}

static uint64_t under_way(void)
{
    struct kv_service_stats stats;
    kv_service_stats(service, &stats);
    return stats.under_way;
}

Test(service, proposes_a_put_and_answers_when_it_is_applied)
{
    ask(5, KV_PUT, "key", "value");
    cr_assert_eq(driver->proposal_count, 1);
    cr_assert_eq(driver->answer_count, 0);
    uint8_t expected[64];
    size_t size = kv_bytes_command(expected, 77, 5, "key", "value");
    const struct dgraft_proposal *proposal = driver->proposals[0];
    cr_assert_eq(proposal->tag, 1);
    cr_assert_eq(proposal->piece_count, 2);
    cr_assert_eq(proposal->pieces[0].iov_len, 16);
    cr_assert_eq(proposal->pieces[1].iov_len, size - 16);
    cr_assert_eq(memcmp(proposal->pieces[0].iov_base, expected, 16), 0);
    cr_assert_eq(memcmp(proposal->pieces[1].iov_base, expected + 16, size - 16), 0);
    commit(0, 9);
    expect_answer(1, 5, DGRAFT_CLIENT_OK);
    cr_assert_eq(last_answer()->answer.index, 9);
    cr_assert_eq(under_way(), 1, "the bytes are still in use");
    release(0);
    cr_assert_eq(under_way(), 0);
}

Test(service, keeps_the_bytes_until_they_are_released_whatever_comes_first)
{
    ask(1, KV_PUT, "a", "1");
    ask(2, KV_PUT, "b", "2");
    cr_assert_eq(buffers_alive, 2);
    commit(0, 1);
    cr_assert_eq(buffers_alive, 2);
    release(0);
    cr_assert_eq(buffers_alive, 1);
    release(1);
    cr_assert_eq(buffers_alive, 0);
    cr_assert_eq(under_way(), 1, "released, but not answered");
    struct dgraft_proposal_answer unknown = {.fate = DGRAFT_PROPOSAL_UNKNOWN, .reason = DGRAFT_OUTCOME_UNKNOWN};
    driver->proposals[1]->answered(driver->proposals[1]->context, &unknown);
    expect_answer(2, 2, DGRAFT_CLIENT_UNKNOWN);
    cr_assert_eq(under_way(), 0);
}

Test(service, answers_each_fate_by_its_name)
{
    static const struct {
        enum dgraft_proposal_fate fate;
        enum dgraft_outcome reason;
        uint32_t result;
        uint32_t leader;
    } fates[] = {
        {DGRAFT_PROPOSAL_REFUSED, DGRAFT_OUTCOME_NOT_LEADER, DGRAFT_CLIENT_NOT_LEADER, 2},
        {DGRAFT_PROPOSAL_REFUSED, DGRAFT_OUTCOME_BUSY, DGRAFT_CLIENT_BUSY, 0},
        {DGRAFT_PROPOSAL_REFUSED, DGRAFT_OUTCOME_TOO_LARGE, DGRAFT_CLIENT_REFUSED, 0},
        {DGRAFT_PROPOSAL_REFUSED, DGRAFT_OUTCOME_DISK, DGRAFT_CLIENT_NOT_LEADER, 0},
        {DGRAFT_PROPOSAL_UNKNOWN, DGRAFT_OUTCOME_UNKNOWN, DGRAFT_CLIENT_UNKNOWN, 0},
        {DGRAFT_PROPOSAL_UNKNOWN, DGRAFT_OUTCOME_LOST, DGRAFT_CLIENT_UNKNOWN, 0},
    };
    for (size_t i = 0; i < sizeof(fates) / sizeof(fates[0]); i++) {
        ask(i + 1, KV_PUT, "a", "1");
        end(i, fates[i].fate, fates[i].reason, 2);
        expect_answer(i + 1, i + 1, fates[i].result);
        cr_assert_eq(last_answer()->answer.leader, fates[i].leader);
        cr_assert_eq(under_way(), 0);
    }
}

Test(service, names_the_leaders_address)
{
    driver->status.members.count = 1;
    driver->status.members.items[0] = (struct dgraft_member){.id = 2, .address = "127.0.0.1:7002"};
    ask(1, KV_PUT, "a", "1");
    end(0, DGRAFT_PROPOSAL_REFUSED, DGRAFT_OUTCOME_NOT_LEADER, 2);
    cr_assert_eq(last_answer()->answer.leader, 2);
    cr_assert_str_eq((const char *)last_answer()->payload, "127.0.0.1:7002");
    ask(2, KV_GET, "a", NULL);
    driver->reads[0]->ready(driver->reads[0]->context, DGRAFT_STATUS_NOT_LEADER, 2);
    expect_answer(2, 2, DGRAFT_CLIENT_NOT_LEADER);
    cr_assert_str_eq((const char *)last_answer()->payload, "127.0.0.1:7002");
}

Test(service, reads_only_when_the_driver_says_so)
{
    ask(1, KV_GET, "a", NULL);
    ask(2, KV_PUT, "a", "new");
    cr_assert_eq(driver->answer_count, 0);
    commit(0, 1);
    release(0);
    driver->reads[0]->ready(driver->reads[0]->context, DGRAFT_OK, 1);
    expect_answer(2, 1, DGRAFT_CLIENT_OK);
    cr_assert_eq(last_answer()->answer.payload_bytes, 11);
    cr_assert_arr_eq(last_answer()->payload, "\1\0\0\0\0\0\0\0new", 11);
    ask(3, KV_GET, "nothing here", NULL);
    driver->reads[1]->ready(driver->reads[1]->context, DGRAFT_OK, 1);
    expect_answer(3, 3, DGRAFT_CLIENT_OK);
    cr_assert_eq(last_answer()->answer.payload_bytes, 8);
    cr_assert_arr_eq(last_answer()->payload, "\0\0\0\0\0\0\0\0", 8);
    cr_assert_eq(under_way(), 0);
}

Test(service, a_duplicate_of_a_request_under_way_is_not_proposed_twice)
{
    uint8_t bytes[64];
    size_t size = kv_bytes_request(bytes, "a", 1, "1", 1);
    arrive(1, 1, KV_PUT, bytes, size);
    arrive(9, 1, KV_PUT, bytes, size);
    cr_assert_eq(driver->proposal_count, 1);
    commit(0, 1);
    expect_answer(1, 1, DGRAFT_CLIENT_OK);
    cr_assert_eq(last_answer()->to.bytes[3], 9, "answered where the client asked last");
    release(0);
    struct kv_service_stats stats;
    kv_service_stats(service, &stats);
    cr_assert_eq(stats.duplicate, 1);
}

Test(service, a_retry_of_what_was_done_is_answered_and_not_proposed)
{
    ask(1, KV_PUT, "a", "1");
    commit(0, 12);
    release(0);
    ask(1, KV_PUT, "a", "1");
    cr_assert_eq(driver->proposal_count, 1);
    expect_answer(2, 1, DGRAFT_CLIENT_OK);
    cr_assert_eq(last_answer()->answer.index, 12);
}

Test(service, a_retry_after_unknown_is_proposed_while_the_old_bytes_are_still_held)
{
    ask(1, KV_PUT, "a", "1");
    struct dgraft_proposal_answer unknown = {.fate = DGRAFT_PROPOSAL_UNKNOWN, .reason = DGRAFT_OUTCOME_UNKNOWN};
    driver->proposals[0]->answered(driver->proposals[0]->context, &unknown);
    expect_answer(1, 1, DGRAFT_CLIENT_UNKNOWN);
    ask(1, KV_PUT, "a", "1");
    cr_assert_eq(driver->proposal_count, 2);
    release(0);
    end(1, DGRAFT_PROPOSAL_REFUSED, DGRAFT_OUTCOME_NOT_LEADER, 0);
    expect_answer(2, 1, DGRAFT_CLIENT_NOT_LEADER);
    cr_assert_eq(under_way(), 0);
}

Test(service, is_busy_beyond_its_number_of_requests_and_recovers)
{
    for (uint64_t s = 1; s <= 4; s++) {
        ask(s, KV_PUT, "a", "1");
    }
    ask(5, KV_PUT, "a", "1");
    ask(6, KV_GET, "a", NULL);
    expect_answer(2, 6, DGRAFT_CLIENT_BUSY);
    cr_assert_eq(driver->proposal_count, 4);
    cr_assert_eq(driver->read_count, 0);
    commit(0, 1);
    release(0);
    ask(5, KV_PUT, "a", "1");
    cr_assert_eq(driver->proposal_count, 5);
    for (size_t i = 1; i < 5; i++) {
        end(i, DGRAFT_PROPOSAL_REFUSED, DGRAFT_OUTCOME_BUSY, 0);
    }
    cr_assert_eq(under_way(), 0);
}

Test(service, is_busy_beyond_its_bytes_but_takes_one_request_always)
{
    static uint8_t bytes[8 + 1 + 5000];
    size_t size = kv_bytes_request(bytes, "a", 1, NULL, 0) + 5000;
    arrive(1, 1, KV_PUT, bytes, size);
    cr_assert_eq(driver->proposal_count, 1, "larger than the bound, but alone");
    ask(2, KV_PUT, "a", "1");
    expect_answer(1, 2, DGRAFT_CLIENT_BUSY);
    release(0);
    ask(2, KV_PUT, "a", "1");
    cr_assert_eq(driver->proposal_count, 2, "released bytes make room");
    struct dgraft_proposal_answer unknown = {.fate = DGRAFT_PROPOSAL_UNKNOWN, .reason = DGRAFT_OUTCOME_UNKNOWN};
    driver->proposals[0]->answered(driver->proposals[0]->context, &unknown);
    end(1, DGRAFT_PROPOSAL_UNKNOWN, DGRAFT_OUTCOME_UNKNOWN, 0);
}

Test(service, says_what_the_driver_did_not_take)
{
    static const struct {
        enum dgraft_status status;
        uint32_t result;
    } cases[] = {{DGRAFT_STATUS_BUSY, DGRAFT_CLIENT_BUSY},
                 {DGRAFT_STATUS_TOO_LARGE, DGRAFT_CLIENT_REFUSED},
                 {DGRAFT_STATUS_CLOSED, DGRAFT_CLIENT_NOT_LEADER}};
    for (size_t i = 0; i < 3; i++) {
        driver->propose_status = cases[i].status;
        driver->read_status = cases[i].status;
        ask(10 * i + 1, KV_PUT, "a", "1");
        expect_answer(2 * i + 1, 10 * i + 1, cases[i].result);
        ask(10 * i + 2, KV_GET, "a", NULL);
        expect_answer(2 * i + 2, 10 * i + 2, cases[i].result);
        cr_assert_eq(under_way(), 0);
        cr_assert_eq(buffers_alive, 0);
    }
}

Test(service, refuses_a_malformed_request_with_a_sentence)
{
    uint8_t bytes[64] = {0};
    size_t size = kv_bytes_request(bytes, "key", 3, "value", 5);
    for (size_t cut = 0; cut < 11; cut++) {
        arrive(1, cut + 1, KV_PUT, bytes, cut);
        expect_answer(cut + 1, cut + 1, DGRAFT_CLIENT_REFUSED);
        cr_assert_gt(last_answer()->answer.payload_bytes, 10, "a sentence");
    }
    arrive(1, 50, KV_GET, bytes, size);
    expect_answer(12, 50, DGRAFT_CLIENT_REFUSED);
    arrive(1, 51, 99, bytes, size);
    expect_answer(13, 51, DGRAFT_CLIENT_REFUSED);
    cr_assert_eq(driver->proposal_count, 0);
    cr_assert_eq(driver->read_count, 0);
}

Test(service, gives_everything_back_when_the_driver_forgets)
{
    ask(1, KV_PUT, "a", "1");
    ask(2, KV_GET, "a", NULL);
    cr_assert_eq(buffers_alive, 2); /* close_all sees that none remains */
}

static const json_t *field(const json_t *root, const char *name)
{
    const json_t *value = json_object_get(root, name);
    cr_assert_not_null(value, "no field %s", name);
    return value;
}

Test(service, tells_its_status_as_json)
{
    driver->status.core.self = 1;
    driver->status.core.role = DGRAFT_ROLE_LEADER;
    driver->status.core.leader = 1;
    driver->status.core.term = 3;
    driver->status.core.last.index = 8;
    driver->status.core.durable = 8;
    driver->status.core.peer_count = 1;
    driver->status.core.peers[0] = (struct dgraft_peer_status){.id = 2, .match = 6, .next = 9, .recent = true};
    driver->status.identity.node = 1;
    driver->status.identity.cluster = 0xabc;
    memcpy(driver->status.identity.cluster_name, "d\xff\"", 4); /* from a file: any bytes */
    driver->status.members.count = 2;
    driver->status.members.items[0] = (struct dgraft_member){.id = 1, .roles = 1, .address = "127.0.0.1:1"};
    driver->status.members.items[1] = (struct dgraft_member){.id = 2, .roles = 4, .address = "127.0.0.1:2"};
    driver->status.refused[DGRAFT_REFUSAL_CHECKSUM] = 4;
    driver->status.refused[DGRAFT_REFUSAL_CLUSTER] = UINT64_MAX;
    arrive(1, 1, KV_STATUS, "", 0);
    expect_answer(1, 1, DGRAFT_CLIENT_OK);
    json_t *root = json_loadb((const char *)last_answer()->payload, last_answer()->answer.payload_bytes, 0, NULL);
    cr_assert_not_null(root, "not JSON: %s", (const char *)last_answer()->payload);
    cr_assert_eq(json_integer_value(field(root, "node")), 1);
    cr_assert_str_eq(json_string_value(field(root, "cluster")), "d\\xff\"");
    cr_assert_str_eq(json_string_value(field(root, "cluster_id")), "0000000000000abc");
    cr_assert_str_eq(json_string_value(field(root, "role")), "leader");
    cr_assert_eq(json_integer_value(field(root, "term")), 3);
    cr_assert_eq(json_integer_value(field(root, "last")), 8);
    cr_assert(json_is_false(field(root, "poisoned")));
    cr_assert(json_is_null(field(root, "refused_from")));
    cr_assert_eq(json_integer_value(field(field(root, "refused"), "CHECKSUM")), 4);
    cr_assert_eq(json_integer_value(field(field(root, "refused"), "CLUSTER")), INT64_MAX);
    cr_assert_eq(json_object_size(field(root, "refused")), 2, "reasons that did not occur are left out");
    const json_t *members = field(root, "members");
    cr_assert_eq(json_array_size(members), 2);
    const json_t *second = json_array_get(members, 1);
    cr_assert_str_eq(json_string_value(field(second, "role")), "learner");
    cr_assert(json_is_true(field(second, "reachable")));
    cr_assert_eq(json_integer_value(field(second, "match")), 6);
    cr_assert(json_is_null(field(second, "heard_ms")), "nobody knows the time here");
    json_decref(root);
}

Test(service, counts_the_whole_buffer_that_a_small_request_came_in)
{
    uint8_t bytes[64];
    const size_t size = kv_bytes_request(bytes, "key", 3, "value", 5);
    close_all();
    open_with(100, 10000);
    arrive_in(4000, 1, 1, KV_PUT, bytes, size);
    arrive_in(4000, 1, 2, KV_PUT, bytes, size);
    cr_assert_eq(under_way(), 2);
    arrive_in(4000, 1, 3, KV_PUT, bytes, size);
    expect_answer(1, 3, DGRAFT_CLIENT_BUSY);
    end(0, DGRAFT_PROPOSAL_REFUSED, DGRAFT_OUTCOME_BUSY, 0);
    end(1, DGRAFT_PROPOSAL_REFUSED, DGRAFT_OUTCOME_BUSY, 0);
}

static void ask_transfer(uint64_t sequence, uint32_t target)
{
    uint8_t payload[8] = {0};
    payload[0] = (uint8_t)target;
    arrive(1, sequence, KV_TRANSFER, payload, sizeof(payload));
}

Test(service, answers_each_end_of_a_transfer)
{
    const struct {
        enum dgraft_outcome how;
        uint32_t result;
        const char *says;
    } rows[] = {
        {DGRAFT_OUTCOME_DONE, DGRAFT_CLIENT_OK, ""},
        {DGRAFT_OUTCOME_NOT_LEADER, DGRAFT_CLIENT_NOT_LEADER, ""},
        {DGRAFT_OUTCOME_DISK, DGRAFT_CLIENT_NOT_LEADER, ""},
        {DGRAFT_OUTCOME_INVALID, DGRAFT_CLIENT_REFUSED, "node 3 cannot take over"},
        {DGRAFT_OUTCOME_EXPIRED, DGRAFT_CLIENT_REFUSED, "node 3 did not take over"},
        {DGRAFT_OUTCOME_CHANGING, DGRAFT_CLIENT_REFUSED, "membership"},
        {DGRAFT_OUTCOME_TRANSFERRING, DGRAFT_CLIENT_BUSY, ""},
        {DGRAFT_OUTCOME_UNKNOWN, DGRAFT_CLIENT_UNKNOWN, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ask_transfer(i + 1, 3);
        cr_assert_eq(driver->answer_count, i);
        cr_assert_eq(driver->transfer->target, 3);
        driver->transfer->ended(driver->transfer->context, rows[i].how, 2);
        expect_answer(i + 1, i + 1, rows[i].result);
        cr_assert_not_null(strstr((const char *)last_answer()->payload, rows[i].says), "%s", last_answer()->payload);
    }
}

Test(service, hands_over_once_at_a_time_and_knows_a_retry)
{
    ask_transfer(1, 3);
    ask_transfer(1, 3);
    cr_assert_eq(driver->answer_count, 0, "a retry waits like the first");
    ask_transfer(2, 2);
    expect_answer(1, 2, DGRAFT_CLIENT_BUSY);
    driver->transfer->ended(driver->transfer->context, DGRAFT_OUTCOME_DONE, 3);
    expect_answer(2, 1, DGRAFT_CLIENT_OK);
    cr_assert_eq(last_answer()->answer.leader, 3);
    driver->transfer_status = DGRAFT_STATUS_CLOSED;
    ask_transfer(3, 2);
    expect_answer(3, 3, DGRAFT_CLIENT_NOT_LEADER);
    driver->transfer_status = DGRAFT_OK;
    ask_transfer(4, 2);
    cr_assert_eq(driver->answer_count, 3, "the one that was not taken is forgotten");
}

Test(service, refuses_a_transfer_that_is_malformed)
{
    const uint8_t bytes[][12] = {{65}, {1, 0, 0, 0, 1}, {0}};
    const size_t sizes[] = {8, 8, 7};
    for (size_t i = 0; i < 3; i++) {
        arrive(1, i + 1, KV_TRANSFER, bytes[i], sizes[i]);
        expect_answer(i + 1, i + 1, DGRAFT_CLIENT_REFUSED);
        cr_assert_null(driver->transfer);
    }
}

static void ask_change(uint64_t sequence, uint32_t kind, const char *address)
{
    uint8_t bytes[80] = {(uint8_t)kind, 0, 0, 0, 4, 0, 0, 0, 99};
    memcpy(bytes + 16, address, strlen(address));
    arrive(1, sequence, KV_CHANGE, bytes, 16 + strlen(address));
}

Test(service, answers_each_end_of_a_change)
{
    const struct {
        enum dgraft_proposal_fate fate;
        enum dgraft_outcome reason;
        uint32_t result;
    } rows[] = {
        {DGRAFT_PROPOSAL_COMMITTED, 0, DGRAFT_CLIENT_OK},
        {DGRAFT_PROPOSAL_UNKNOWN, DGRAFT_OUTCOME_UNKNOWN, DGRAFT_CLIENT_UNKNOWN},
        {DGRAFT_PROPOSAL_REFUSED, DGRAFT_OUTCOME_NOT_LEADER, DGRAFT_CLIENT_NOT_LEADER},
        {DGRAFT_PROPOSAL_REFUSED, DGRAFT_OUTCOME_DISK, DGRAFT_CLIENT_NOT_LEADER},
        {DGRAFT_PROPOSAL_REFUSED, DGRAFT_OUTCOME_CHANGING, DGRAFT_CLIENT_BUSY},
        {DGRAFT_PROPOSAL_REFUSED, DGRAFT_OUTCOME_TRANSFERRING, DGRAFT_CLIENT_BUSY},
        {DGRAFT_PROPOSAL_REFUSED, DGRAFT_OUTCOME_INVALID, DGRAFT_CLIENT_REFUSED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct dgraft_change_answer said = {.fate = rows[i].fate, .reason = rows[i].reason, .why = "because"};
        ask_change(i + 1, DGRAFT_CHANGE_ADD_VOTER, "h:1");
        cr_assert_eq(driver->answer_count, i);
        cr_assert_eq(driver->change->kind, DGRAFT_CHANGE_ADD_VOTER);
        cr_assert_eq(driver->change->member, 4);
        cr_assert_eq(driver->change->store, 99);
        cr_assert_str_eq(driver->change->address, "h:1");
        driver->change->answered(driver->change->context, &said);
        expect_answer(i + 1, i + 1, rows[i].result);
    }
    cr_assert_not_null(strstr((const char *)last_answer()->payload, "because"));
}

Test(service, makes_one_change_at_a_time_and_repeats_its_answer)
{
    const struct dgraft_change_answer done = {.fate = DGRAFT_PROPOSAL_COMMITTED};
    ask_change(1, DGRAFT_CHANGE_REMOVE, "");
    ask_change(1, DGRAFT_CHANGE_REMOVE, "");
    cr_assert_eq(driver->answer_count, 0, "a retry waits like the first");
    ask_change(2, DGRAFT_CHANGE_DEMOTE, "");
    expect_answer(1, 2, DGRAFT_CLIENT_BUSY);
    driver->change->answered(driver->change->context, &done);
    expect_answer(2, 1, DGRAFT_CLIENT_OK);
    driver->change = NULL;
    ask_change(1, DGRAFT_CHANGE_REMOVE, "");
    expect_answer(3, 1, DGRAFT_CLIENT_OK);
    cr_assert_null(driver->change, "it is not asked for again");
    driver->change_status = DGRAFT_STATUS_CLOSED;
    ask_change(3, DGRAFT_CHANGE_DEMOTE, "");
    expect_answer(4, 3, DGRAFT_CLIENT_NOT_LEADER);
}

Test(service, refuses_a_change_that_is_malformed)
{
    static const uint8_t bytes[96] = {1};
    const uint8_t kinds[] = {0, 6};
    arrive(1, 1, KV_CHANGE, bytes, 15);
    expect_answer(1, 1, DGRAFT_CLIENT_REFUSED);
    arrive(1, 2, KV_CHANGE, bytes, 16 + DGRAFT_ADDRESS_TEXT_BYTES);
    expect_answer(2, 2, DGRAFT_CLIENT_REFUSED);
    for (uint64_t i = 0; i < 2; i++) {
        ask_change(3 + i, kinds[i], "");
        expect_answer(3 + i, 3 + i, DGRAFT_CLIENT_REFUSED);
    }
    cr_assert_null(driver->change);
}

Test(service, begins_a_snapshot_and_says_so)
{
    arrive(1, 1, KV_SNAPSHOT, "", 0);
    driver->snapshot_status = DGRAFT_STATUS_BUSY;
    arrive(1, 2, KV_SNAPSHOT, "", 0);
    driver->snapshot_status = DGRAFT_STATUS_CLOSED;
    arrive(1, 3, KV_SNAPSHOT, "", 0);
    cr_assert_eq(driver->snapshots, 3u);
    cr_assert_eq(driver->answers[0].answer.result, DGRAFT_CLIENT_OK);
    cr_assert_eq(driver->answers[1].answer.result, DGRAFT_CLIENT_OK, "one that is being made is as good");
    cr_assert_eq(driver->answers[2].answer.result, DGRAFT_CLIENT_REFUSED);
}
