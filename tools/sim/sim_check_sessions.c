/* I-ONCE: a command of a session takes effect once, however often it is in the log; all nodes agree which entries
 * took effect, what was answered, and what the sessions are, after any crash. */
#include "sim_check.h"

#include <dgraft/record.h>

bool sim_check_skipped(struct sim_check *check, dgraft_node_id node, dgraft_index from, dgraft_index to)
{
    for (dgraft_index i = from; i < to; i++) {
        struct sim_committed *committed = &check->committed[i];
        if (committed->operation == 0) {
            continue; /* no command */
        }
        if (committed->session == 0 || committed->effect == SIM_EFFECT_APPLIED) {
            return sim_check_fail(check, "I-SMS: node %u leaves the command at %llu out", node, (unsigned long long)i);
        }
        check->counts->of[SIM_COUNT_SESSION_SKIPPED] += committed->effect == SIM_EFFECT_NONE;
        committed->effect = SIM_EFFECT_SKIPPED;
    }
    return true;
}

bool sim_check_effect(struct sim_check *check, dgraft_node_id node, dgraft_index index)
{
    struct sim_committed *committed = &check->committed[index];
    if (committed->effect == SIM_EFFECT_SKIPPED) {
        return sim_check_fail(check, "I-ONCE: node %u applies the command at %llu, which another left out", node,
                              (unsigned long long)index);
    }
    if (committed->effect == SIM_EFFECT_NONE && committed->session != 0) {
        for (dgraft_index i = index - 1; i > 0; i--) {
            const struct sim_committed *before = &check->committed[i];
            if (before->effect == SIM_EFFECT_APPLIED && before->operation == committed->operation) {
                return sim_check_fail(check, "I-ONCE: operation %llu takes effect at %llu and again at %llu",
                                      (unsigned long long)committed->operation, (unsigned long long)i,
                                      (unsigned long long)index);
            }
        }
    }
    committed->effect = SIM_EFFECT_APPLIED;
    return true;
}

void sim_check_sessions(struct sim_check *check, dgraft_node_id node, dgraft_index applied, uint64_t digest)
{
    struct sim_committed *committed = applied <= check->committed_last ? &check->committed[applied] : NULL;
    if (committed == NULL || applied == 0) {
        return;
    }
    if (committed->sessions_node == 0) {
        committed->sessions_node = node;
        committed->sessions = digest;
    } else if (committed->sessions != digest) {
        sim_check_fail(check, "I-ONCE: nodes %u and %u have other sessions with %llu applied", committed->sessions_node,
                       node, (unsigned long long)applied);
    }
}

void sim_check_remembered(struct sim_check *check, uint64_t operation, const struct dgraft_proposal_answer *answer)
{
    const struct dgraft_remembered *remembered = answer->remembered;
    if (remembered == NULL || remembered->size != 16 || dgraft_get_u64(remembered->bytes) != operation ||
        dgraft_get_u64(remembered->bytes + 8) != answer->position.index) {
        sim_check_fail(check, "I-ONCE: operation %llu is answered what entry %llu never said",
                       (unsigned long long)operation, (unsigned long long)answer->position.index);
    }
}
