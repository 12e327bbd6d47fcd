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

static void print_entries(const struct explore_message *message, uint32_t first, FILE *out)
{
    for (uint32_t i = 0; i < message->count; i++) {
        (void)fprintf(out, " +%u/t%u", first + i, explore_entry_term(message->entries[i]));
    }
}

static void print_fetched(const struct explore_message *message, FILE *out)
{
    static const char *const verdicts[] = {[DGRAFT_FETCH_HAVE] = "have",
                                           [DGRAFT_FETCH_HAVE_NOT] = "have not",
                                           [DGRAFT_FETCH_DAMAGED] = "damaged",
                                           [DGRAFT_FETCH_COMPACTED] = "compacted"};
    (void)fprintf(out, " %s", verdicts[message->reason]);
    print_entries(message, message->index, out);
    (void)fprintf(out, " before %u/t%u", message->anchor, message->anchor_term);
}

void explore_message_print(const struct explore_message *message, const uint8_t *names, FILE *out)
{
    (void)fprintf(out, "%s %u>%u t%u", message_name(message->type), names[message->from], names[message->to],
                  message->term);
    if (explore_message_asks(message)) {
        (void)fprintf(out, " for t%u, last %u/t%u", message->request_term, message->index, message->index_term);
    } else if (message->type == DGRAFT_MESSAGE_APPEND) {
        (void)fprintf(out, " prev %u/t%u", message->index, message->index_term);
        print_entries(message, message->index + 1u, out);
        (void)fprintf(out, " commit %u round %u", message->commit, message->round);
    } else if (message->type == DGRAFT_MESSAGE_APPEND_ACK) {
        (void)fprintf(out, " match %u round %u", message->index, message->round);
    } else if (message->type == DGRAFT_MESSAGE_APPEND_REFUSE) {
        (void)fprintf(out, " prev %u hint %u/t%u round %u reason %u", message->index, message->hint, message->hint_term,
                      message->round, message->reason);
    } else if (message->type == DGRAFT_MESSAGE_FETCH) {
        (void)fprintf(out, " %u to %u before %u/t%u", message->index, message->last, message->anchor,
                      message->anchor_term);
    } else if (message->type == DGRAFT_MESSAGE_FETCH_ANSWER) {
        print_fetched(message, out);
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
