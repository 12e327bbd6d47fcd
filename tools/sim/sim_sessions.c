/* Clients that retry through sessions: each has a few commands under way and proposes them again, also elsewhere and
 * also while an earlier try is under way, until it knows what came of them. */
#include "sim_run.h"

#include <stdlib.h>
#include <string.h>

#define COMMAND_BYTES 48u

/* One proposal of a client: of a command, or (operation NULL) of opening or closing a session. */
struct sim_try {
    struct sim_run *run;
    struct sim_actor *actor;
    struct sim_operation *operation;
    dgraft_index session;
    dgraft_node_id node;
    bool opens;
    bool answered;
    uint8_t payload[COMMAND_BYTES];
    struct iovec piece;
    struct dgraft_proposal proposal;
    struct sim_try *next; /* all that were ever made */
};

static void forget(struct sim_actor *actor, const struct sim_operation *operation)
{
    for (uint32_t i = 0; i < actor->count; i++) {
        if (actor->under_way[i] == operation) {
            actor->under_way[i] = actor->under_way[--actor->count];
            return;
        }
    }
}

/* The session is over: what was under way in it may have been applied or not, and nobody will ever know. */
static void lose(struct sim_actor *actor, dgraft_index session)
{
    if (actor->session == session) {
        actor->session = 0;
        actor->count = 0;
    }
}

static void command_done(struct sim_try *try, const struct dgraft_proposal_answer *answer)
{
    struct sim_operation *operation = try->operation;
    struct sim_run *run = try->run;

    run->counts.of[SIM_COUNT_SESSION_REPEATED] += answer->repeated;
    sim_check_remembered(&run->check, operation->number, answer);
    if (operation->ended) {
        if (operation->done_by != answer->position.index) {
            sim_check_fail(&run->check, "I-ONCE: operation %llu was done by entry %llu, and is answered to be by %llu",
                           (unsigned long long)operation->number, (unsigned long long)operation->done_by,
                           (unsigned long long)answer->position.index);
        }
        return;
    }
    operation->ended = true;
    operation->counts = true;
    operation->end = ++run->moments;
    operation->done_by = answer->position.index;
    forget(try->actor, operation);
}

static void answered(void *context, const struct dgraft_proposal_answer *answer)
{
    struct sim_try *try = context;
    struct sim_run *run = try->run;
    struct sim_actor *actor = try->actor;

    if (try->answered) {
        sim_check_fail(&run->check, "I-REPLY: a try in session %llu is answered twice",
                       (unsigned long long)try->session);
        return;
    }
    try->answered = true;
    sim_trace_line(&run->trace, try->node, "answers session %llu operation %llu: fate %d",
                   (unsigned long long)try->session,
                   (unsigned long long)(try->operation == NULL ? 0 : try->operation->number), (int)answer->fate);
    switch (answer->fate) {
    case DGRAFT_PROPOSAL_COMMITTED:
        if (try->operation != NULL) {
            command_done(try, answer);
        } else if (try->opens) {
            run->counts.of[SIM_COUNT_SESSION_OPENED]++;
            actor->session = actor->session == 0 ? answer->position.index : actor->session;
            actor->sequence = actor->session == answer->position.index ? 0 : actor->sequence;
        } else {
            run->counts.of[SIM_COUNT_SESSION_CLOSED]++;
        }
        break;
    case DGRAFT_PROPOSAL_NO_SESSION:
        run->counts.of[SIM_COUNT_SESSION_UNKNOWN]++;
        lose(actor, try->session);
        break;
    case DGRAFT_PROPOSAL_FORGOTTEN:
        forget(actor, try->operation);
        break;
    case DGRAFT_PROPOSAL_REFUSED:
    case DGRAFT_PROPOSAL_UNKNOWN:
        break;
    }
}

static struct sim_try *try_make(struct sim_run *run, struct sim_actor *actor, const struct sim_node *node)
{
    struct sim_try *try = calloc(1, sizeof *try);
    if (try == NULL) {
        sim_check_fail(&run->check, "out of memory");
        return NULL;
    }
    try->run = run;
    try->actor = actor;
    try->node = node->id;
    try->session = actor->session;
    try->proposal = (struct dgraft_proposal){.context = try, .answered = answered};
    try->next = run->tries;
    run->tries = try;
    return try;
}

static void begin(struct sim_run *run, struct sim_node *node, struct sim_try *try, enum dgraft_status status)
{
    try->answered = try->answered || status != DGRAFT_OK;
    sim_node_plan_turn(node, run->now_ns);
}

static void open_session(struct sim_run *run, struct sim_actor *actor, struct sim_node *node)
{
    struct sim_try *try = try_make(run, actor, node);
    if (try != NULL) {
        const uint64_t timeout_ns = sim_random_between(&run->random, 100, 6000) * SIM_MS;
        try->opens = true;
        begin(run, node, try, dgraft_driver_session_open(node->driver, &try->proposal, timeout_ns));
    }
}

static void close_session(struct sim_run *run, struct sim_actor *actor, struct sim_node *node)
{
    struct sim_try *try = try_make(run, actor, node);
    if (try != NULL) {
        begin(run, node, try, dgraft_driver_session_close(node->driver, &try->proposal, actor->session));
        /* Some go on as if nothing had been. */
        if (sim_random_chance(&run->random, 500000)) {
            lose(actor, actor->session);
        }
    }
}

static void propose(struct sim_run *run, struct sim_actor *actor, struct sim_node *node,
                    struct sim_operation *operation)
{
    struct sim_try *try = try_make(run, actor, node);
    if (try == NULL) {
        return;
    }
    const struct sim_command command = {.operation = operation->number, .key = operation->key, .bytes = COMMAND_BYTES};
    try->operation = operation;
    sim_command_encode(&command, try->payload);
    try->piece = (struct iovec){.iov_base = try->payload, .iov_len = COMMAND_BYTES};
    try->proposal.pieces = &try->piece;
    try->proposal.piece_count = 1;
    try->proposal.tag = (uint16_t)operation->key;
    try->proposal.session = actor->session;
    try->proposal.sequence = operation->sequence;
    begin(run, node, try, dgraft_driver_propose(node->driver, &try->proposal));
}

static void new_command(struct sim_run *run, struct sim_actor *actor, struct sim_node *node)
{
    struct sim_operation *operation = sim_operation_new(run, node);
    if (operation == NULL) {
        return;
    }
    operation->write = true;
    operation->value = operation->number;
    operation->sequence = ++actor->sequence;
    actor->under_way[actor->count++] = operation;
    propose(run, actor, node, operation);
}

/* One thing that one client does. */
void sim_session_client(struct sim_run *run)
{
    struct sim_actor *actor = &run->actors[sim_random_below(&run->random, SIM_ACTORS)];
    struct sim_node *node = sim_chosen_node(run);
    const uint64_t drawn = sim_random_below(&run->random, 100);

    if (run->phase != SIM_PHASE_FAULTS) {
        return;
    }
    if (node->driver != NULL) {
        if (actor->session == 0) {
            open_session(run, actor, node);
        } else if (drawn < 3) {
            close_session(run, actor, node);
        } else if (actor->count < SIM_SESSION_ASKS_MAX && (drawn < 50 || actor->count == 0)) {
            new_command(run, actor, node);
        } else if (actor->count > 0) {
            propose(run, actor, node, actor->under_way[sim_random_below(&run->random, actor->count)]);
        }
    }
    const uint64_t mean = run->plan.session_every_ns;
    sim_later(run, sim_random_between(&run->random, mean / 10, 2 * mean), SIM_PLAN_SESSION, 0, 0, NULL);
}

void sim_sessions_free(struct sim_run *run)
{
    while (run->tries != NULL) {
        struct sim_try *try = run->tries;
        run->tries = try->next;
        free(try);
    }
}
