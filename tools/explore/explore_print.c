#include "explore_cascade.h"

static const char *message_name(uint8_t type)
{
    static const char *const names[] = {"?",          "PRE_VOTE?",    "PRE_VOTE_GRANT", "PRE_VOTE_REFUSE",
                                        "VOTE?",      "VOTE_GRANT",   "VOTE_REFUSE",    "APPEND",
                                        "APPEND_ACK", "APPEND_REFUSE"};
    return type < sizeof names / sizeof names[0] ? names[type] : names[0];
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
    } else {
        (void)fprintf(out, " of t%u", message->request_term);
        if (message->reason != 0) {
            (void)fprintf(out, " reason %u", message->reason);
        }
    }
}
