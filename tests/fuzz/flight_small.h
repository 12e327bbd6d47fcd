/* The core whose flight records are fuzzed: an image counts only under the configuration that it was made with, so the
 * fuzzer and what makes its corpus share this one. */
#ifndef FLIGHT_SMALL_H
#define FLIGHT_SMALL_H

#include <dgraft/core.h>

static inline void flight_small_config(struct dgraft_config *config)
{
    dgraft_config_defaults(config, 1);
    config->members_max = 7;
    config->runs_max = 8;
    config->inflight_max = 4;
    config->reads_max = 4;
    config->snapshot_chunk_bytes = 64;
    config->compact_tail = 2;
    config->compact_slow_max = 8;
    config->lag_notice_entries = 4;
}

#endif
