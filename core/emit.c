/* What every SEND says. */
#include "parts.h"

/* A SEND says nothing that a crash could take back: term and vote are durable (rule C4). */
struct dgraft_action_send *dgraft_core_emit_send(struct step *step, dgraft_node_set receivers,
                                                 enum dgraft_message_type type)
{
    const struct dgraft_core *core = step->core;
    DGRAFT_CORE_ASSERT(dgraft_core_state_durable(core) && !core->poisoned);
    DGRAFT_CORE_ASSERT(receivers != 0 && !dgraft_node_set_has(receivers, core->config.self));
    struct dgraft_action_send *send = &dgraft_core_emit(step, DGRAFT_ACTION_SEND)->u.send;
    send->last = (struct dgraft_position){.index = 0, .term = 0};
    send->max_bytes = 0;
    send->message.reserved = 0;
    send->receivers = receivers;
    send->message.type = type;
    send->message.from = core->config.self;
    send->message.term = core->durable_term;
    send->message.store = core->store;
    send->message.generation = core->generation;
    return send;
}
