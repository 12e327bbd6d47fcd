#include "sim_linear.h"
#include "sim_run.h"

#include <stdlib.h>
#include <string.h>

#define OPERATIONS_MAX 1000000u
#define KEYS           5u

struct sim_operation *sim_operation_new(struct sim_run *run, struct sim_node *node)
{
    if (run->operation_count + 1 >= run->operation_capacity) {
        const uint64_t capacity = run->operation_capacity == 0 ? 256 : run->operation_capacity * 2;
        struct sim_operation **larger =
            capacity > OPERATIONS_MAX ? NULL : realloc(run->operations, capacity * sizeof(struct sim_operation *));
        if (larger == NULL) {
            return NULL;
        }
        run->operations = larger;
        run->operation_capacity = capacity;
    }
    struct sim_operation *operation = calloc(1, sizeof *operation);
    if (operation != NULL) {
        run->operations[run->operation_count] = operation;
        operation->number = ++run->operation_count;
        operation->node = node->id;
        operation->incarnation = node->incarnation;
        operation->key = (uint32_t)sim_random_below(&run->random, KEYS);
        operation->begin = ++run->moments;
        operation->run = run;
    }
    return operation;
}

static void answered(void *context, const struct dgraft_proposal_answer *answer)
{
    struct sim_operation *operation = context;
    struct sim_run *run = operation->run;

    if (operation->ended) {
        sim_check_fail(&run->check, "I-REPLY: operation %llu is answered twice", (unsigned long long)operation->number);
        return;
    }
    operation->ended = true;
    operation->end = ++run->moments;
    operation->counts = answer->fate != DGRAFT_PROPOSAL_REFUSED;
    run->counts.of[SIM_COUNT_TRANSFERRING] += answer->reason == DGRAFT_OUTCOME_TRANSFERRING;
    if (answer->fate == DGRAFT_PROPOSAL_UNKNOWN) {
        operation->end = UINT64_MAX;
    }
    const uint64_t shown[3] = {operation->number, (uint64_t)answer->fate, answer->position.index};
    sim_trace_event(&run->trace, operation->node, SIM_EVENT_ANSWER, shown, sizeof shown);
    sim_trace_line(&run->trace, operation->node, "answers operation %llu: %s", (unsigned long long)operation->number,
                   answer->fate == DGRAFT_PROPOSAL_COMMITTED ? "committed"
                   : answer->fate == DGRAFT_PROPOSAL_REFUSED ? "refused"
                                                             : "unknown");
    sim_node_hear(&run->nodes[operation->node], &(struct sim_heard){.operation = operation->number, .answer = *answer});
}

/* The bytes are given back: whoever still reads them will be seen. */
static void released(void *context)
{
    struct sim_operation *operation = context;

    if (operation->released) {
        sim_check_fail(&operation->run->check, "operation %llu is released twice",
                       (unsigned long long)operation->number);
        return;
    }
    operation->released = true;
    memset(operation->payload, 0xdd, operation->payload_bytes);
}

struct sim_operation *sim_propose(struct sim_run *run, struct sim_node *node, uint32_t payload_bytes)
{
    struct sim_operation *operation = sim_operation_new(run, node);
    if (operation == NULL || (operation->payload = malloc(payload_bytes)) == NULL) {
        sim_check_fail(&run->check, "out of memory");
        return NULL;
    }
    operation->write = true;
    operation->value = operation->number;
    operation->payload_bytes = payload_bytes;
    const struct sim_command command = {.operation = operation->number, .key = operation->key, .bytes = payload_bytes};
    sim_command_encode(&command, operation->payload);
    const size_t front = (size_t)sim_random_below(&run->random, payload_bytes);
    operation->pieces[0] = (struct iovec){.iov_base = operation->payload, .iov_len = front};
    operation->pieces[1] = (struct iovec){.iov_base = operation->payload + front, .iov_len = payload_bytes - front};
    operation->proposal = (struct dgraft_proposal){.pieces = operation->pieces,
                                                   .piece_count = 2,
                                                   .tag = (uint16_t)operation->key,
                                                   .context = operation,
                                                   .answered = answered,
                                                   .released = released};
    sim_trace_event(&run->trace, node->id, SIM_EVENT_PROPOSE, &operation->number, sizeof operation->number);
    const enum dgraft_status status = dgraft_driver_propose(node->driver, &operation->proposal);
    if (status != DGRAFT_OK && !operation->ended) {
        operation->ended = true;
        sim_node_hear(node,
                      &(struct sim_heard){.operation = operation->number, .answer = {.fate = DGRAFT_PROPOSAL_REFUSED}});
    }
    sim_node_plan_turn(node, run->now_ns);
    return operation;
}

static void read_ready(void *context, enum dgraft_status status, dgraft_node_id leader)
{
    struct sim_operation *operation = context;
    struct sim_run *run = operation->run;
    const struct sim_machine *machine = &run->nodes[operation->node].machine;

    (void)leader;
    if (operation->ended) {
        sim_check_fail(&run->check, "I-READ: read %llu is answered twice", (unsigned long long)operation->number);
        return;
    }
    operation->ended = true;
    operation->end = ++run->moments;
    const uint64_t shown[2] = {operation->number, (uint64_t)status};
    sim_trace_event(&run->trace, operation->node, SIM_EVENT_ANSWER, shown, sizeof shown);
    sim_trace_line(&run->trace, operation->node, "answers read %llu: %s", (unsigned long long)operation->number,
                   dgraft_status_name(status));
    if (status != DGRAFT_OK) {
        run->counts.of[SIM_COUNT_READ_REFUSED]++;
        return;
    }
    run->counts.of[SIM_COUNT_READ_DONE]++;
    operation->counts = true;
    operation->value = machine->values[operation->key];
    if (machine->applied < operation->must) {
        sim_check_fail(&run->check, "I-READ: node %u answers a read with %llu applied; %llu was committed before it",
                       operation->node, (unsigned long long)machine->applied, (unsigned long long)operation->must);
    }
}

void sim_read(struct sim_run *run, struct sim_node *node)
{
    struct sim_operation *operation = sim_operation_new(run, node);
    if (operation == NULL) {
        sim_check_fail(&run->check, "out of memory");
        return;
    }
    operation->must = sim_check_read_made(&run->check);
    operation->read = (struct dgraft_read){.context = operation, .ready = read_ready};
    if (dgraft_driver_read(node->driver, &operation->read) != DGRAFT_OK) {
        operation->ended = true;
        run->counts.of[SIM_COUNT_READ_REFUSED]++;
    }
    sim_node_plan_turn(node, run->now_ns);
}

static void transfer_ended(void *context, enum dgraft_outcome how, dgraft_node_id leader)
{
    struct sim_node *node = context;
    uint64_t *counts = node->run->counts.of;

    sim_trace_line(&node->run->trace, node->id, "transfer ends: outcome %d, node %u leads", (int)how, leader);
    if (how == DGRAFT_OUTCOME_DONE && leader != node->transfer.target && node->transfer.target != 0) {
        sim_check_fail(&node->run->check, "a transfer to node %u is done, and node %u leads", node->transfer.target,
                       leader);
    }
    counts[SIM_COUNT_TRANSFER_DONE] += how == DGRAFT_OUTCOME_DONE && leader != node->id;
    counts[SIM_COUNT_TRANSFER_EXPIRED] += how == DGRAFT_OUTCOME_EXPIRED;
    counts[SIM_COUNT_TRANSFER_REFUSED] += how == DGRAFT_OUTCOME_NOT_LEADER || how == DGRAFT_OUTCOME_INVALID;
}

void sim_transfer(struct sim_run *run, struct sim_node *node)
{
    struct dgraft_transfer transfer = {.context = node, .ended = transfer_ended};

    if (node->driver == NULL) {
        return;
    }
    transfer.target = (dgraft_node_id)sim_random_below(&run->random, run->plan.nodes + 1);
    const struct dgraft_transfer kept = node->transfer;
    node->transfer = transfer;
    if (dgraft_driver_transfer(node->driver, &node->transfer) != DGRAFT_OK) {
        node->transfer = kept; /* one is under way */
        return;
    }
    sim_trace_line(&run->trace, node->id, "is to hand over to node %u", transfer.target);
    sim_node_plan_turn(node, run->now_ns);
}

static uint32_t draw_bytes(struct sim_run *run)
{
    struct sim_random *random = &run->random;

    if (sim_random_chance(random, run->plan.large)) {
        return (uint32_t)sim_random_between(random, 1300, 12000);
    }
    return SIM_COMMAND_BYTES_MIN + (uint32_t)sim_random_below(random, sim_random_chance(random, 100000) ? 1400 : 120);
}

/* Most clients know the leader; some do not, or believe an old one. */
struct sim_node *sim_chosen_node(struct sim_run *run)
{
    const uint32_t drawn = (uint32_t)sim_random_between(&run->random, 1, run->plan.nodes);

    if (sim_random_chance(&run->random, 150000)) {
        return &run->nodes[drawn];
    }
    for (uint32_t i = 0; i < run->plan.nodes; i++) {
        const uint32_t id = 1 + (drawn + i) % run->plan.nodes;
        if (run->nodes[id].driver != NULL && run->check.ghosts[id].seen.role == DGRAFT_ROLE_LEADER) {
            return &run->nodes[id];
        }
    }
    return &run->nodes[drawn];
}

void sim_client(struct sim_run *run)
{
    const uint64_t mean = run->plan.client_every_ns;
    struct sim_node *node = sim_chosen_node(run);

    if (run->phase != SIM_PHASE_FAULTS) {
        return;
    }
    if (node->driver != NULL) {
        uint64_t count = 1;
        if (sim_random_chance(&run->random, run->plan.bursts)) {
            count = sim_random_between(&run->random, 2, 40);
        }
        for (uint64_t i = 0; i < count; i++) {
            if (sim_random_chance(&run->random, run->plan.reads)) {
                sim_read(run, node);
            } else {
                sim_propose(run, node, draw_bytes(run));
            }
        }
    }
    sim_later(run, sim_random_between(&run->random, mean / 10, 2 * mean), SIM_PLAN_CLIENT, 0, 0, NULL);
}

/* The history of one register: writes that were not refused, and reads that returned. */
static size_t history_of(const struct sim_run *run, uint32_t key, struct sim_linear_operation *history)
{
    size_t count = 0;

    for (uint64_t i = 0; i < run->operation_count; i++) {
        const struct sim_operation *operation = run->operations[i];
        const bool pending = operation->write && !operation->ended;
        if (operation->key != key || (!operation->counts && !pending)) {
            continue;
        }
        history[count++] = (struct sim_linear_operation){.write = operation->write,
                                                         .value = operation->value,
                                                         .begin = operation->begin,
                                                         .end = pending ? UINT64_MAX : operation->end};
    }
    return count;
}

bool sim_history_check(struct sim_run *run)
{
    struct sim_linear_operation *history = calloc(run->operation_count + 1, sizeof *history);
    bool good = history != NULL;

    for (uint32_t key = 0; key < KEYS && good; key++) {
        uint64_t value = 0;
        const size_t count = history_of(run, key, history);
        const enum sim_linear_verdict verdict = sim_linear_check(history, count, &value);
        if (verdict != SIM_LINEAR) {
            good = sim_check_fail(&run->check, "history of register %u is not linearizable: value %llu, verdict %d",
                                  key, (unsigned long long)value, (int)verdict);
        }
    }
    free(history);
    return good;
}

void sim_clients_free(struct sim_run *run)
{
    for (uint64_t i = 0; i < run->operation_count; i++) {
        free(run->operations[i]->payload);
        free(run->operations[i]);
    }
    free(run->operations);
    sim_sessions_free(run);
}
