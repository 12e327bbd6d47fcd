#include "kv_admin.h"

#include "kv_protocol.h"

#include <stdio.h>
#include <string.h>

static void answer(const struct kv_admin *admin, struct dgraft_driver *driver, enum dgraft_client_result result,
                   dgraft_node_id leader, const char *text)
{
    struct dgraft_client_answer said = {.client = admin->client,
                                        .sequence = admin->sequence,
                                        .kind = KV_TRANSFER,
                                        .result = result,
                                        .leader = leader,
                                        .payload = (const uint8_t *)text,
                                        .payload_bytes = (uint32_t)strlen(text)};
    dgraft_driver_answer(driver, &admin->source, &said);
}

static void answer_leader(const struct kv_admin *admin, struct dgraft_driver *driver, dgraft_node_id leader)
{
    struct dgraft_driver_status status;
    dgraft_driver_status(driver, &status);
    const struct dgraft_member *member = dgraft_members_find(&status.members, leader);
    answer(admin, driver, DGRAFT_CLIENT_NOT_LEADER, leader, member == NULL ? "" : member->address);
}

/* Says that nobody, or not this node, took over. */
static void refuse(const struct kv_admin *admin, struct dgraft_driver *driver, const char *anybody, const char *node)
{
    char text[240];
    if (admin->transfer.target == 0) {
        (void)snprintf(text, sizeof(text), "%s", anybody);
    } else {
        (void)snprintf(text, sizeof(text), "node %u %s", admin->transfer.target, node);
    }
    answer(admin, driver, DGRAFT_CLIENT_REFUSED, 0, text);
}

static void ended(void *context, enum dgraft_outcome how, dgraft_node_id leader)
{
    struct kv_admin *admin = context;
    struct dgraft_driver *driver = admin->driver;
    admin->driver = NULL;
    switch (how) {
    case DGRAFT_OUTCOME_DONE:
        answer(admin, driver, DGRAFT_CLIENT_OK, leader, "");
        return;
    case DGRAFT_OUTCOME_NOT_LEADER:
    case DGRAFT_OUTCOME_DISK:
        answer_leader(admin, driver, how == DGRAFT_OUTCOME_DISK ? 0 : leader);
        return;
    case DGRAFT_OUTCOME_INVALID:
        refuse(admin, driver, "no voter but the leader was heard of late: nobody can take over",
               "cannot take over: it is no voter");
        return;
    case DGRAFT_OUTCOME_EXPIRED:
        refuse(admin, driver, "nobody took over within an election timeout; see `raftctl status`",
               "did not take over within an election timeout: it is unreachable or far behind; see `raftctl status`");
        return;
    case DGRAFT_OUTCOME_CHANGING:
        refuse(admin, driver, "the membership changed meanwhile: try again",
               "did not take over, because the membership changed meanwhile: try again");
        return;
    case DGRAFT_OUTCOME_BUSY:
    case DGRAFT_OUTCOME_TRANSFERRING:
        answer(admin, driver, DGRAFT_CLIENT_BUSY, 0, "");
        return;
    case DGRAFT_OUTCOME_UNKNOWN:
    case DGRAFT_OUTCOME_LOST:
    case DGRAFT_OUTCOME_TOO_LARGE:
    case DGRAFT_OUTCOME_BEHIND:
        break;
    }
    answer(admin, driver, DGRAFT_CLIENT_UNKNOWN, 0, "");
}

void kv_admin_transfer(struct kv_admin *admin, struct dgraft_driver *driver, const struct dgraft_request *request)
{
    const struct dgraft_client_request *asked = &request->request;
    const bool same = admin->client == asked->client && admin->sequence == asked->sequence;
    if (admin->driver != NULL && same) {
        admin->source = request->source; /* a retry: it is under way */
        return;
    }
    struct kv_admin next = {.client = asked->client, .sequence = asked->sequence, .source = request->source};
    if (asked->payload_bytes != KV_TRANSFER_BYTES || dgraft_get_u32(asked->payload) > DGRAFT_NODE_ID_MAX ||
        dgraft_get_u32(asked->payload + 4) != 0) {
        answer(&next, driver, DGRAFT_CLIENT_REFUSED, 0, "a transfer's payload is a node id and four zeros");
        return;
    }
    if (admin->driver != NULL) {
        answer(&next, driver, DGRAFT_CLIENT_BUSY, 0, "");
        return;
    }
    next.driver = driver;
    next.transfer =
        (struct dgraft_transfer){.context = admin, .target = dgraft_get_u32(asked->payload), .ended = ended};
    *admin = next;
    enum dgraft_status status = dgraft_driver_transfer(driver, &admin->transfer);
    if (status != DGRAFT_OK) {
        admin->driver = NULL;
        answer(admin, driver, status == DGRAFT_STATUS_BUSY ? DGRAFT_CLIENT_BUSY : DGRAFT_CLIENT_NOT_LEADER, 0, "");
    }
}
