#include "explore_cascade.h"

static const char *message_name(enum dgraft_message_type type)
{
    switch (type) {
    case DGRAFT_MESSAGE_PRE_VOTE_REQUEST:
        return "PRE_VOTE?";
    case DGRAFT_MESSAGE_PRE_VOTE_GRANT:
        return "PRE_VOTE_GRANT";
    case DGRAFT_MESSAGE_PRE_VOTE_REFUSE:
        return "PRE_VOTE_REFUSE";
    case DGRAFT_MESSAGE_VOTE_REQUEST:
        return "VOTE?";
    case DGRAFT_MESSAGE_VOTE_GRANT:
        return "VOTE_GRANT";
    case DGRAFT_MESSAGE_VOTE_REFUSE:
        return "VOTE_REFUSE";
    case DGRAFT_MESSAGE_APPEND:
        return "APPEND";
    case DGRAFT_MESSAGE_APPEND_ACK:
        return "APPEND_ACK";
    case DGRAFT_MESSAGE_APPEND_REFUSE:
        return "APPEND_REFUSE";
    case DGRAFT_MESSAGE_TIMEOUT_NOW:
        return "TIMEOUT_NOW";
    case DGRAFT_MESSAGE_READ_REQUEST:
        return "READ?";
    case DGRAFT_MESSAGE_READ_ANSWER:
        return "READ_ANSWER";
    case DGRAFT_MESSAGE_SNAPSHOT_CHUNK:
        return "SNAPSHOT_CHUNK";
    case DGRAFT_MESSAGE_SNAPSHOT_ACK:
        return "SNAPSHOT_ACK";
    case DGRAFT_MESSAGE_FETCH:
        return "FETCH";
    case DGRAFT_MESSAGE_FETCH_ANSWER:
        return "FETCH_ANSWER";
    }
    return "?";
}

void explore_message_print(const struct explore_message *message, const uint8_t *names, FILE *out)
{
    (void)fprintf(out, "%s %u>%u t%u", message_name(message->type), names[message->from], names[message->to],
                  message->term);
    if (explore_message_asks(message)) {
        (void)fprintf(out, " for t%u, last %u/t%u", message->request_term, message->index, message->index_term);
    } else if (message->type == DGRAFT_MESSAGE_APPEND) {
        (void)fprintf(out, " prev %u/t%u", message->index, message->index_term);
        for (uint32_t i = 0; i < message->count; i++) {
            (void)fprintf(out, " +%u/t%u", message->index + 1 + i, explore_entry_term(message->entries[i]));
        }
        (void)fprintf(out, " commit %u round %u", message->commit, message->round);
    } else if (message->type == DGRAFT_MESSAGE_APPEND_ACK) {
        (void)fprintf(out, " match %u round %u", message->index, message->round);
    } else if (message->type == DGRAFT_MESSAGE_APPEND_REFUSE) {
        (void)fprintf(out, " prev %u hint %u/t%u round %u reason %u", message->index, message->hint, message->hint_term,
                      message->round, message->reason);
    } else if (message->token != 0) {
        (void)fprintf(out, " token %u", message->token);
        if (message->index != 0) {
            (void)fprintf(out, " index %u", message->index);
        }
    } else if (message->type == DGRAFT_MESSAGE_TIMEOUT_NOW) {
        (void)fprintf(out, " last %u/t%u", message->index, message->index_term);
    } else {
        (void)fprintf(out, " of t%u", message->request_term);
        if (message->reason != 0) {
            (void)fprintf(out, " reason %u", message->reason);
        }
    }
}
