#include "kv_change.h"

#include "kv_protocol.h"

#include <stdio.h>
#include <string.h>

static void answer(const struct kv_change *change, struct dgraft_driver *driver, enum dgraft_client_result result,
                   dgraft_node_id leader, const char *text)
{
    struct dgraft_client_answer said = {.client = change->client,
                                        .sequence = change->sequence,
                                        .kind = KV_CHANGE,
                                        .result = result,
                                        .leader = leader,
                                        .payload = (const uint8_t *)text,
                                        .payload_bytes = (uint32_t)strlen(text)};
    dgraft_driver_answer(driver, &change->source, &said);
}

static void answer_not_leader(const struct kv_change *change, struct dgraft_driver *driver, dgraft_node_id leader)
{
    struct dgraft_driver_status status;
    dgraft_driver_status(driver, &status);
    const struct dgraft_member *member = dgraft_members_find(&status.members, leader);
    answer(change, driver, DGRAFT_CLIENT_NOT_LEADER, leader, member == NULL ? "" : member->address);
}

/* What a client is told: BUSY to ask again shortly, REFUSED with a sentence when asking again is no use. */
static enum dgraft_client_result result_of(const struct dgraft_change_answer *said)
{
    if (said->fate == DGRAFT_PROPOSAL_COMMITTED) {
        return DGRAFT_CLIENT_OK;
    }
    if (said->fate == DGRAFT_PROPOSAL_UNKNOWN) {
        return DGRAFT_CLIENT_UNKNOWN;
    }
    const bool passes = said->reason == DGRAFT_OUTCOME_CHANGING || said->reason == DGRAFT_OUTCOME_TRANSFERRING;
    return passes ? DGRAFT_CLIENT_BUSY : DGRAFT_CLIENT_REFUSED;
}

static void answered(void *context, const struct dgraft_change_answer *said)
{
    struct kv_change *change = context;
    struct dgraft_driver *driver = change->driver;
    change->driver = NULL;
    if (said->fate == DGRAFT_PROPOSAL_REFUSED &&
        (said->reason == DGRAFT_OUTCOME_NOT_LEADER || said->reason == DGRAFT_OUTCOME_DISK)) {
        answer_not_leader(change, driver, said->reason == DGRAFT_OUTCOME_DISK ? 0 : said->leader);
        return;
    }
    change->result = result_of(said);
    (void)snprintf(change->text, sizeof(change->text), "%s", said->why != NULL ? said->why : "");
    answer(change, driver, change->result, said->leader, change->text);
}

/* Reads the request into *next. Returns false when it is malformed. */
static bool parse(const struct dgraft_client_request *asked, struct kv_change *next)
{
    const size_t address_bytes = asked->payload_bytes < KV_CHANGE_HEAD_BYTES
                                     ? sizeof(next->address)
                                     : asked->payload_bytes - KV_CHANGE_HEAD_BYTES;
    if (address_bytes >= sizeof(next->address)) {
        return false;
    }
    const uint32_t kind = dgraft_get_u32(asked->payload);
    if (kind < DGRAFT_CHANGE_ADD_LEARNER || kind > DGRAFT_CHANGE_REMOVE) {
        return false;
    }
    memcpy(next->address, asked->payload + KV_CHANGE_HEAD_BYTES, address_bytes);
    next->change = (struct dgraft_change){.kind = (enum dgraft_change_kind)kind,
                                          .member = dgraft_get_u32(asked->payload + 4),
                                          .store = dgraft_get_u64(asked->payload + 8),
                                          .answered = answered};
    return true;
}

void kv_change_ask(struct kv_change *change, struct dgraft_driver *driver, const struct dgraft_request *request)
{
    const struct dgraft_client_request *asked = &request->request;
    const bool same = change->client == asked->client && change->sequence == asked->sequence;
    if (same && change->driver != NULL) {
        change->source = request->source; /* a retry: it is under way */
        return;
    }
    if (same && change->result == DGRAFT_CLIENT_OK) {
        change->source = request->source;
        answer(change, driver, change->result, 0, change->text);
        return;
    }
    struct kv_change next = {.client = asked->client, .sequence = asked->sequence, .source = request->source};
    if (!parse(asked, &next)) {
        answer(&next, driver, DGRAFT_CLIENT_REFUSED, 0,
               "a change's payload is its kind, a node id, a store and an address");
        return;
    }
    if (change->driver != NULL) {
        answer(&next, driver, DGRAFT_CLIENT_BUSY, 0, "");
        return;
    }
    next.driver = driver;
    *change = next;
    change->change.context = change;
    change->change.address = change->address;
    if (dgraft_driver_change(driver, &change->change) != DGRAFT_OK) {
        change->driver = NULL;
        answer(change, driver, DGRAFT_CLIENT_NOT_LEADER, 0, "");
    }
}
