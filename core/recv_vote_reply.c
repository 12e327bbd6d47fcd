/* The four answers to vote requests, at a candidate. */
#include "parts.h"

/* A refusal with a newer term teaches it. A pre-candidate takes it up and goes on asking, for the term after it: it may
 * be the only one whose log is long enough. Each such step raises the term, so it ends at the highest there is. */
static void learn_term(struct step *step, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    const bool asking = core->role == DGRAFT_ROLE_PRE_CANDIDATE && message->type == DGRAFT_MESSAGE_PRE_VOTE_REFUSE &&
                        message->u.vote_reply.reason == DGRAFT_REFUSE_TERM;
    dgraft_core_adopt_term(step, message->term);
    if (asking) {
        dgraft_core_pre_vote_begin(step);
    }
}

void dgraft_core_recv_vote_reply(struct step *step, const struct dgraft_message *message)
{
    struct dgraft_core *core = step->core;
    const dgraft_term term = message->u.vote_reply.term;
    if (message->term > core->term) {
        learn_term(step, message);
        return;
    }
    /* Whoever would vote says so in the frame's own, older term; whoever does vote has reached the candidate's. */
    const bool pre_grant = message->type == DGRAFT_MESSAGE_PRE_VOTE_GRANT && core->role == DGRAFT_ROLE_PRE_CANDIDATE &&
                           term == core->term + 1;
    const bool grant = message->type == DGRAFT_MESSAGE_VOTE_GRANT && core->role == DGRAFT_ROLE_CANDIDATE &&
                       term == core->term && message->term == core->term && dgraft_core_state_durable(core);
    if (pre_grant || grant) {
        core->granted |= dgraft_node_set_of(message->from); /* finish counts, voters only */
    } else if (message->type == DGRAFT_MESSAGE_PRE_VOTE_GRANT || message->type == DGRAFT_MESSAGE_VOTE_GRANT) {
        core->ignored++; /* late, or of another candidacy */
    }
}
