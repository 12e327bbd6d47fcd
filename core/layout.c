/* How a core and its actions lie in the caller's memory (rule C2). */
#include "parts.h"

#include <string.h>

static size_t aligned(size_t bytes)
{
    return (bytes + 15) & ~(size_t)15;
}

static size_t runs_bytes(const struct dgraft_config *config)
{
    return aligned(config->runs_max * sizeof(struct dgraft_term_run));
}

/* One ring for each other member; a node that is no member itself has as many others as there are members. */
static size_t inflight_bytes(const struct dgraft_config *config)
{
    return aligned((size_t)config->members_max * config->inflight_max * sizeof(struct sent_append));
}

static size_t reads_bytes(const struct dgraft_config *config)
{
    return aligned(config->reads_max * sizeof(struct waiting_read));
}

static size_t runs_offset(void)
{
    return aligned(sizeof(struct dgraft_core));
}

static size_t inflight_offset(const struct dgraft_config *config)
{
    return runs_offset() + runs_bytes(config);
}

static size_t reads_offset(const struct dgraft_config *config)
{
    return inflight_offset(config) + inflight_bytes(config);
}

size_t dgraft_core_size(const struct dgraft_config *config)
{
    return reads_offset(config) + reads_bytes(config);
}

/* Returns whether the parts of a block lie where its config puts them. */
bool dgraft_core_offsets_valid(const struct dgraft_core *core)
{
    return core->runs_offset == runs_offset() && core->inflight_offset == inflight_offset(&core->config) &&
           core->reads_offset == reads_offset(&core->config);
}

/* The most that one step emits: to each peer an empty append, a SEND of entries, a LOOKUP and chunks of a snapshot (5
 * leaves room for a stale reply to each besides); grant, refusal, acknowledgement, requests, WRITE, APPLY, ACCEPTED; an
 * acknowledgement, a STORE, an INSTALL, a COMPACT for snapshots; two refusals of one proposal and one UNKNOWN; every
 * read answered and one refused; a TIMEOUT_NOW or a READ_REQUEST and the outcome of one transfer or two, and of two
 * changes; seven notices; two FETCHes, the answer to one, a MEND and a REOPEN. To each peer besides a READ_ANSWER and a
 * notice that it lags. */
static uint32_t actions_max(const struct dgraft_config *config)
{
    return (7 + DGRAFT_CORE_CHUNKS) * config->members_max + 7 + 4 + 3 + config->reads_max + 1 + 3 + 2 + 7 + 5;
}

size_t dgraft_actions_size(const struct dgraft_config *config)
{
    return sizeof(struct dgraft_actions) + actions_max(config) * sizeof(struct dgraft_action);
}

struct dgraft_core *dgraft_core_init(void *memory, const struct dgraft_config *config)
{
    if (dgraft_config_check(config, NULL) != DGRAFT_OK) {
        return NULL;
    }
    struct dgraft_core *core = memory;
    memset(memory, 0, dgraft_core_size(config));
    core->config = *config;
    core->runs_offset = runs_offset();
    core->inflight_offset = inflight_offset(config);
    core->reads_offset = reads_offset(config);
    core->random = config->seed;
    core->role = DGRAFT_ROLE_FOLLOWER;
    core->election_deadline_ns = DGRAFT_CORE_NEVER;
    core->resend_at_ns = DGRAFT_CORE_NEVER;
    core->heartbeat_due_ns = DGRAFT_CORE_NEVER;
    core->news_due_ns = DGRAFT_CORE_NEVER;
    core->quorum_check_ns = DGRAFT_CORE_NEVER;
    return core;
}

struct dgraft_actions *dgraft_actions_init(void *memory, const struct dgraft_config *config)
{
    struct dgraft_actions *actions = memory;
    actions->wake_at_ns = DGRAFT_CORE_NEVER;
    actions->count = 0;
    actions->capacity = actions_max(config);
    return actions;
}
