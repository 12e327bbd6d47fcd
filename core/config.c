/* The bounds of a configuration, in one table of sentences. */
#include "parts.h"

/* A day; keeps every sum of times far from the end of the clock. */
#define TIMEOUT_MAX_NS UINT64_C(86400000000000)

/* Keeps sums of bytes from wrapping. */
#define BYTES_MAX (UINT64_C(1) << 60)

void dgraft_config_defaults(struct dgraft_config *config, dgraft_node_id self)
{
    *config = (struct dgraft_config){
        .self = self,
        .members_max = 5,
        .seed = self,
        .election_timeout_ns = UINT64_C(150000000),
        .heartbeat_interval_ns = UINT64_C(30000000),
        .runs_max = 256,
        .inflight_max = 64,
        .inflight_bytes_max = UINT64_C(8) * 1024 * 1024,
        .uncommitted_bytes_max = UINT64_C(64) * 1024 * 1024,
        .entry_bytes_max = 1024 * 1024 + 4096,
        .reads_max = 64,
        .snapshot_chunk_bytes = 64 * 1024,
        .compact_tail = 1024,
        .compact_slow_max = 65536,
    };
}

static const char *fault_of(const struct dgraft_config *config)
{
    if (!dgraft_node_id_valid(config->self)) {
        return "self must be a node id from 1 to 64";
    }
    if (config->members_max < 1 || config->members_max > DGRAFT_MEMBERS_MAX) {
        return "members_max must be from 1 to 16";
    }
    if (config->election_timeout_ns < 3 || config->election_timeout_ns > TIMEOUT_MAX_NS) {
        return "election_timeout_ns must be from 3 ns to one day";
    }
    if (config->heartbeat_interval_ns < 1 || config->heartbeat_interval_ns > (config->election_timeout_ns - 1) / 2) {
        return "heartbeat_interval_ns must be at least 1 and less than half of election_timeout_ns";
    }
    if (config->runs_max < 8 || config->runs_max > 65536) {
        return "runs_max must be from 8 to 65536";
    }
    if (config->inflight_max < 1 || config->inflight_max > 4096) {
        return "inflight_max must be from 1 to 4096";
    }
    if (config->inflight_bytes_max < 1 || config->inflight_bytes_max > BYTES_MAX) {
        return "inflight_bytes_max must be from 1 to 2^60";
    }
    if (config->uncommitted_bytes_max < 1 || config->uncommitted_bytes_max > BYTES_MAX) {
        return "uncommitted_bytes_max must be from 1 to 2^60";
    }
    if (config->entry_bytes_max < 1 || config->entry_bytes_max > DGRAFT_ENTRY_BYTES_MAX_TOP) {
        return "entry_bytes_max must be from 1 to 16 MiB";
    }
    if (config->lease_drift_ppm > 500000) {
        return "lease_drift_ppm must be at most 500000";
    }
    if (config->write_stall_ns > TIMEOUT_MAX_NS) {
        return "write_stall_ns must be at most one day";
    }
    if (config->reads_max < 1 || config->reads_max > 1024) {
        return "reads_max must be from 1 to 1024";
    }
    if (config->snapshot_chunk_bytes < 1 || config->snapshot_chunk_bytes > DGRAFT_SNAPSHOT_CHUNK_MAX) {
        return "snapshot_chunk_bytes must be from 1 to 1 MiB";
    }
    if (config->compact_slow_max < config->compact_tail) {
        return "compact_slow_max must be at least compact_tail";
    }
    return config->reserved == 0 ? NULL : "reserved must be 0";
}

enum dgraft_status dgraft_config_check(const struct dgraft_config *config, const char **why)
{
    const char *fault = fault_of(config);
    if (why != NULL) {
        *why = fault;
    }
    return fault == NULL ? DGRAFT_OK : DGRAFT_STATUS_CONFIG;
}
