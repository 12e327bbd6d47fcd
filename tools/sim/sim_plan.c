#include "sim_run.h"

/* Half of the seeds are spared a fault altogether: what one hides, the other shows. */
static uint32_t draw_rate(struct sim_random *random, uint32_t most)
{
    return sim_random_chance(random, 450000) ? 0 : (uint32_t)sim_random_between(random, most / 50 + 1, most);
}

static void draw_network(struct sim_network_rates *rates, struct sim_random *random)
{
    const uint64_t slowest = sim_random_chance(random, 300000) ? 30 * SIM_MS : 4 * SIM_MS;

    rates->lost = draw_rate(random, 250000);
    rates->twice = draw_rate(random, 200000);
    rates->late = draw_rate(random, 60000);
    rates->flipped = draw_rate(random, 20000);
    rates->cut = draw_rate(random, 10000);
    rates->delay_min_ns = sim_random_between(random, 20000, SIM_MS / 2);
    rates->delay_max_ns = rates->delay_min_ns + sim_random_between(random, 50000, slowest);
    rates->late_max_ns = rates->delay_max_ns + sim_random_between(random, 20 * SIM_MS, 600 * SIM_MS);
}

static void draw_disk(struct sim_plan *plan, struct sim_random *random)
{
    plan->disk.short_read = draw_rate(random, 300000);
    plan->disk.short_write = draw_rate(random, 300000);
    plan->disk.eintr = draw_rate(random, 200000);
    plan->disk.block_bytes = sim_random_chance(random, 500000) ? 512 : 4096;
    plan->disk.names_in_order = sim_random_chance(random, 500000) ? 1000000 : 0;
    plan->sync_min_ns = sim_random_between(random, 20000, SIM_MS / 5);
    plan->sync_max_ns = plan->sync_min_ns + sim_random_between(random, 10000, 10 * SIM_MS);
}

void sim_plan_draw(struct sim_plan *plan, struct sim_random *random, uint32_t nodes)
{
    static const uint32_t sizes[10] = {3, 3, 3, 3, 5, 5, 2, 1, 4, 7};
    static const uint64_t segments[3] = {16384, 32768, 131072};

    *plan = (struct sim_plan){.founders = sizes[sim_random_below(random, 10)]};
    plan->founders = nodes != 0 ? nodes : plan->founders;
    plan->churn = sim_random_chance(random, 400000) ? 0 : (uint32_t)sim_random_between(random, 50000, 500000);
    plan->nodes = plan->churn == 0 ? plan->founders : plan->founders + (uint32_t)sim_random_between(random, 1, 3);
    plan->nodes = plan->nodes < SIM_NODES_MAX ? plan->nodes : SIM_NODES_MAX - 1;
    plan->faulty_ns = sim_random_between(random, 2000, 12000) * SIM_MS;
    draw_network(&plan->network, random);
    draw_disk(plan, random);
    plan->turn_slack_ns = sim_random_chance(random, 500000) ? 0 : sim_random_between(random, 1000, 2 * SIM_MS);
    plan->fault_every_ns = sim_random_between(random, 100, 1500) * SIM_MS;
    plan->crash_in_write = draw_rate(random, 8000);
    plan->crash_in_open = draw_rate(random, 300000);
    plan->client_every_ns = sim_random_between(random, 2, 60) * SIM_MS;
    plan->session_every_ns = sim_random_between(random, 5, 80) * SIM_MS;
    plan->wall_skew_ns =
        sim_random_chance(random, 500000) ? 0 : sim_random_between(random, 1, UINT64_C(400000000000000));
    plan->reads = (uint32_t)sim_random_below(random, 600000);
    plan->large = draw_rate(random, 30000);
    plan->bursts = draw_rate(random, 60000);
    plan->drift_ppm = (uint32_t)sim_random_below(random, 20000);
    plan->leases = sim_random_chance(random, 400000);
    plan->write_stall_ns = sim_random_chance(random, 500000) ? 0 : sim_random_between(random, 50, 800) * SIM_MS;
    plan->lag_entries = (uint32_t)sim_random_below(random, 20);
    plan->segment_bytes = segments[sim_random_below(random, 3)];
    plan->inflight_max = sim_random_between(random, 1, 16);
    plan->small_bytes = sim_random_chance(random, 500000) ? 1024 : 64;
    plan->cache_bytes = sim_random_chance(random, 500000) ? 0 : 4096;
    plan->spares = (uint32_t)sim_random_below(random, 4);
}
