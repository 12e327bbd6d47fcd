#include "kv_service.h"

#include "kv_admin.h"
#include "kv_change.h"
#include "kv_command.h"
#include "kv_status.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#define REQUESTS_DEFAULT 1024u
#define BYTES_DEFAULT    ((size_t)64 * 1024 * 1024)
#define FOUND_HEAD_BYTES 8u /* in front of the value in the answer to GET */

/* What names a request: a retry has the same name. */
struct name {
    uint64_t client;
    uint64_t sequence;
};

/* A request under way. */
struct context {
    struct kv_service *service;
    struct dgraft_driver *driver;
    struct name name;
    uint32_t kind;
    struct kv_command command; /* views buffer */
    struct dgraft_address source;
    struct dgraft_buffer *buffer; /* kept until the proposal's bytes are released, or the read is answered */
    size_t bytes;                 /* of the payload */
    uint8_t head[KV_COMMAND_HEAD_BYTES];
    struct iovec pieces[2];
    struct dgraft_proposal proposal;
    struct dgraft_read read;
    bool answered;
    bool released;
    struct context *next; /* free ones */
    UT_hash_handle hh;    /* those that wait for their answer, by name */
};

struct kv_service {
    struct kv_service_options options;
    struct context *contexts; /* requests_max of them */
    struct context *free;
    struct context *waiting;
    struct kv_service_stats stats;
    struct kv_admin admin;
    struct kv_change change;
    uint8_t found[FOUND_HEAD_BYTES + KV_VALUE_BYTES_MAX]; /* the answer to a GET is put together here */
};

struct kv_service *kv_service_new(const struct kv_service_options *options)
{
    struct kv_service *service = calloc(1, sizeof(*service));
    if (service == NULL) {
        return NULL;
    }
    service->options = *options;
    if (service->options.requests_max == 0) {
        service->options.requests_max = REQUESTS_DEFAULT;
    }
    if (service->options.bytes_max == 0) {
        service->options.bytes_max = BYTES_DEFAULT;
    }
    service->contexts = calloc(service->options.requests_max, sizeof(*service->contexts));
    if (service->contexts == NULL) {
        free(service);
        return NULL;
    }
    for (uint32_t i = service->options.requests_max; i-- > 0;) {
        service->contexts[i].next = service->free;
        service->free = &service->contexts[i];
    }
    return service;
}

void kv_service_free(struct kv_service *service)
{
    if (service == NULL) {
        return;
    }
    HASH_CLEAR(hh, service->waiting);
    for (uint32_t i = 0; i < service->options.requests_max; i++) {
        dgraft_buffer_release(service->contexts[i].buffer);
    }
    free(service->contexts);
    free(service);
}

/* Returns a context that holds the request, or NULL when there is no room. */
static struct context *context_take(struct kv_service *service, struct dgraft_driver *driver,
                                    const struct dgraft_request *request)
{
    /* What is kept is the whole buffer that the request came in, however little of it the request says it is. */
    size_t bytes = request->buffer->capacity;
    struct context *context = service->free;
    bool fits = service->stats.bytes == 0 ||
                (bytes <= service->options.bytes_max && service->stats.bytes <= service->options.bytes_max - bytes);
    if (context == NULL || !fits) {
        return NULL;
    }
    service->free = context->next;
    *context = (struct context){
        .service = service,
        .driver = driver,
        .name = {.client = request->request.client, .sequence = request->request.sequence},
        .kind = request->request.kind,
        .source = request->source,
        .buffer = dgraft_buffer_keep(request->buffer),
        .bytes = bytes,
    };
    HASH_ADD(hh, service->waiting, name, sizeof(context->name), context);
    service->stats.bytes += bytes;
    service->stats.under_way++;
    return context;
}

static void buffer_give(struct context *context)
{
    if (context->buffer != NULL) {
        dgraft_buffer_release(context->buffer);
        context->buffer = NULL;
        context->service->stats.bytes -= context->bytes;
    }
}

/* From here on a retry is a request of its own: the bytes of this one may still be in use for a while, when it was
 * appended and leadership was lost. */
static void context_answered(struct context *context)
{
    HASH_DEL(context->service->waiting, context);
    context->answered = true;
}

static void context_give(struct context *context)
{
    struct kv_service *service = context->service;
    buffer_give(context);
    context->next = service->free;
    service->free = context;
    service->stats.under_way--;
}

/* Sends an answer without a payload, or with a sentence as one. */
static void answer_text(struct dgraft_driver *driver, const struct dgraft_address *to,
                        struct dgraft_client_answer *answer, const char *text)
{
    answer->payload = (const uint8_t *)text;
    answer->payload_bytes = (uint32_t)strlen(text);
    dgraft_driver_answer(driver, to, answer);
}

static void answer_context(const struct context *context, enum dgraft_client_result result, uint64_t index,
                           const char *text)
{
    struct dgraft_client_answer answer = {.client = context->name.client,
                                          .sequence = context->name.sequence,
                                          .kind = context->kind,
                                          .result = result,
                                          .index = index};
    answer_text(context->driver, &context->source, &answer, text);
}

/* Says who leads, and where, as far as is known. leader 0 lets the client ask somebody else. */
static void answer_not_leader(const struct context *context, dgraft_node_id leader)
{
    struct dgraft_client_answer answer = {.client = context->name.client,
                                          .sequence = context->name.sequence,
                                          .kind = context->kind,
                                          .result = DGRAFT_CLIENT_NOT_LEADER,
                                          .leader = leader};
    struct dgraft_driver_status status;
    const struct dgraft_member *member = NULL;
    if (leader != 0) {
        dgraft_driver_status(context->driver, &status);
        member = dgraft_members_find(&status.members, leader);
    }
    answer_text(context->driver, &context->source, &answer, member == NULL ? "" : member->address);
}

static void answer_refused_proposal(const struct context *context, const struct dgraft_proposal_answer *fate)
{
    switch (fate->reason) {
    case DGRAFT_OUTCOME_NOT_LEADER:
    case DGRAFT_OUTCOME_LOST:
        answer_not_leader(context, fate->leader);
        return;
    case DGRAFT_OUTCOME_DISK:
        answer_not_leader(context, 0); /* nothing was done, and another node can: this one cannot */
        return;
    case DGRAFT_OUTCOME_TOO_LARGE:
        answer_context(context, DGRAFT_CLIENT_REFUSED, 0, "larger than this node takes into its log");
        return;
    case DGRAFT_OUTCOME_BUSY:
    case DGRAFT_OUTCOME_UNKNOWN:
    case DGRAFT_OUTCOME_TRANSFERRING:
    case DGRAFT_OUTCOME_DONE: /* this one and the next four: not about proposals */
    case DGRAFT_OUTCOME_CHANGING:
    case DGRAFT_OUTCOME_INVALID:
    case DGRAFT_OUTCOME_BEHIND:
    case DGRAFT_OUTCOME_EXPIRED:
        break;
    }
    answer_context(context, DGRAFT_CLIENT_BUSY, 0, "");
}

/* A proposal's context is free when its fate is told and its bytes are released, in whatever order. */
static void proposal_answered(void *argument, const struct dgraft_proposal_answer *fate)
{
    struct context *context = argument;
    assert(!context->answered);
    switch (fate->fate) {
    case DGRAFT_PROPOSAL_COMMITTED:
        answer_context(context, DGRAFT_CLIENT_OK, fate->position.index, "");
        break;
    case DGRAFT_PROPOSAL_REFUSED:
        answer_refused_proposal(context, fate);
        break;
    case DGRAFT_PROPOSAL_UNKNOWN:
    case DGRAFT_PROPOSAL_NO_SESSION: /* not proposed in one: this one and the next */
    case DGRAFT_PROPOSAL_FORGOTTEN:
        answer_context(context, DGRAFT_CLIENT_UNKNOWN, fate->position.index, "");
        break;
    }
    context_answered(context);
    if (context->released) {
        context_give(context);
    }
}

static void proposal_released(void *argument)
{
    struct context *context = argument;
    assert(!context->released);
    context->released = true;
    buffer_give(context);
    if (context->answered) {
        context_give(context);
    }
}

static void answer_found(const struct context *context)
{
    struct kv_service *service = context->service;
    const uint8_t *value = NULL;
    uint32_t value_bytes = 0;
    bool found = kv_find(service->options.kv, context->command.key, context->command.key_bytes, &value, &value_bytes);
    struct dgraft_client_answer answer = {.client = context->name.client,
                                          .sequence = context->name.sequence,
                                          .kind = context->kind,
                                          .result = DGRAFT_CLIENT_OK,
                                          .payload = service->found,
                                          .payload_bytes = FOUND_HEAD_BYTES + value_bytes};
    memset(service->found, 0, FOUND_HEAD_BYTES);
    service->found[0] = found ? 1 : 0;
    if (value_bytes > 0) {
        memcpy(service->found + FOUND_HEAD_BYTES, value, value_bytes);
    }
    dgraft_driver_answer(context->driver, &context->source, &answer);
}

static void read_ready(void *argument, enum dgraft_status status, dgraft_node_id leader)
{
    struct context *context = argument;
    if (status == DGRAFT_OK) {
        answer_found(context);
    } else if (status == DGRAFT_STATUS_BUSY) {
        answer_context(context, DGRAFT_CLIENT_BUSY, 0, "");
    } else if (status == DGRAFT_STATUS_NOT_LEADER) {
        answer_not_leader(context, leader);
    } else {
        answer_not_leader(context, 0);
    }
    context_answered(context);
    context_give(context);
}

/* Answers a request that the driver did not take, and forgets it. */
static void not_taken(struct context *context, enum dgraft_status status)
{
    if (status == DGRAFT_STATUS_TOO_LARGE) {
        answer_context(context, DGRAFT_CLIENT_REFUSED, 0, "larger than this node takes into its log");
    } else if (status == DGRAFT_STATUS_BUSY) {
        context->service->stats.busy++;
        answer_context(context, DGRAFT_CLIENT_BUSY, 0, "");
    } else {
        answer_not_leader(context, 0);
    }
    context_answered(context);
    context_give(context);
}

static void propose(struct context *context, const struct dgraft_client_request *request)
{
    kv_command_head(request->client, request->sequence, context->head);
    context->pieces[0] = (struct iovec){.iov_base = context->head, .iov_len = sizeof(context->head)};
    /* The driver only reads the pieces; struct iovec has no way to say so. */
    context->pieces[1].iov_len = request->payload_bytes;
    memcpy(&context->pieces[1].iov_base, &request->payload, sizeof(request->payload));
    context->proposal = (struct dgraft_proposal){.pieces = context->pieces,
                                                 .piece_count = 2,
                                                 .tag = (uint16_t)request->kind,
                                                 .context = context,
                                                 .answered = proposal_answered,
                                                 .released = proposal_released};
    enum dgraft_status status = dgraft_driver_propose(context->driver, &context->proposal);
    if (status != DGRAFT_OK) {
        not_taken(context, status);
    }
}

static void read_begin(struct context *context)
{
    context->read = (struct dgraft_read){.context = context, .ready = read_ready};
    enum dgraft_status status = dgraft_driver_read(context->driver, &context->read);
    if (status != DGRAFT_OK) {
        not_taken(context, status);
    }
}

static void answer_status(const struct kv_service *service, struct dgraft_driver *driver,
                          const struct dgraft_request *request)
{
    struct dgraft_driver_status driver_status;
    struct kv_status status = {.driver = &driver_status, .service = service->stats};
    struct dgraft_client_answer answer = {.client = request->request.client,
                                          .sequence = request->request.sequence,
                                          .kind = request->request.kind,
                                          .result = DGRAFT_CLIENT_OK};
    dgraft_driver_status(driver, &driver_status);
    kv_stats(service->options.kv, &status.kv);
    status.kv_hash = kv_hash(service->options.kv);
    if (service->options.now != NULL) {
        status.now_ns = service->options.now(service->options.now_context);
    }
    char *text = kv_status_json(&status);
    if (text == NULL) {
        answer.result = DGRAFT_CLIENT_BUSY;
    }
    answer_text(driver, &request->source, &answer, text == NULL ? "" : text);
    free(text);
}

/* The client is told that it is begun, not that it is done: status says that. */
static void answer_snapshot(struct dgraft_driver *driver, const struct dgraft_request *request)
{
    struct dgraft_client_answer answer = {.client = request->request.client,
                                          .sequence = request->request.sequence,
                                          .kind = request->request.kind,
                                          .result = DGRAFT_CLIENT_OK};
    const enum dgraft_status status = dgraft_driver_snapshot(driver);
    const char *text = ""; /* BUSY: one is being made, which is as good */
    if (status == DGRAFT_STATUS_CLOSED) {
        answer.result = DGRAFT_CLIENT_REFUSED;
        text = "this node takes no part any more, and makes no snapshots";
    }
    answer_text(driver, &request->source, &answer, text);
}

/* Answers what needs no place among the requests under way. Returns true when that was all. */
static bool answer_at_once(struct kv_service *service, struct dgraft_driver *driver,
                           const struct dgraft_request *request, struct kv_command *command)
{
    const struct dgraft_client_request *asked = &request->request;
    struct dgraft_client_answer answer = {.client = asked->client, .sequence = asked->sequence, .kind = asked->kind};
    if (asked->kind == KV_STATUS) {
        answer_status(service, driver, request);
        return true;
    }
    if (asked->kind == KV_TRANSFER) {
        kv_admin_transfer(&service->admin, driver, request);
        return true;
    }
    if (asked->kind == KV_SNAPSHOT) {
        answer_snapshot(driver, request);
        return true;
    }
    if (asked->kind == KV_CHANGE) {
        kv_change_ask(&service->change, driver, request);
        return true;
    }
    const char *wrong = kv_request_parse(asked->kind, asked->payload, asked->payload_bytes, command);
    if (wrong != NULL) {
        service->stats.malformed++;
        answer.result = DGRAFT_CLIENT_REFUSED;
        answer_text(driver, &request->source, &answer, wrong);
        return true;
    }
    if (asked->kind != KV_GET) {
        answer.index = kv_done(service->options.kv, asked->client, asked->sequence);
    }
    if (answer.index != 0) {
        service->stats.repeated++;
        answer.result = DGRAFT_CLIENT_OK;
        answer_text(driver, &request->source, &answer, "");
        return true;
    }
    return false;
}

static void request_arrived(void *argument, struct dgraft_driver *driver, const struct dgraft_request *request)
{
    struct kv_service *service = argument;
    const struct dgraft_client_request *asked = &request->request;
    struct kv_command command;
    service->stats.requests++;
    if (answer_at_once(service, driver, request, &command)) {
        return;
    }
    struct name name = {.client = asked->client, .sequence = asked->sequence};
    struct context *context = NULL;
    HASH_FIND(hh, service->waiting, &name, sizeof(name), context);
    if (context != NULL) {
        service->stats.duplicate++;
        context->source = request->source; /* the client may have moved since it asked first */
        return;
    }
    context = context_take(service, driver, request);
    if (context == NULL) {
        struct dgraft_client_answer answer = {
            .client = asked->client, .sequence = asked->sequence, .kind = asked->kind, .result = DGRAFT_CLIENT_BUSY};
        service->stats.busy++;
        answer_text(driver, &request->source, &answer, "");
        return;
    }
    context->command = command;
    if (asked->kind == KV_GET) {
        read_begin(context);
    } else {
        propose(context, asked);
    }
}

struct dgraft_request_handler kv_service_handler(struct kv_service *service)
{
    return (struct dgraft_request_handler){.context = service, .request = request_arrived};
}

void kv_service_stats(const struct kv_service *service, struct kv_service_stats *stats)
{
    *stats = service->stats;
}
