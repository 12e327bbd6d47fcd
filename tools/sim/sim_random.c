#include "sim_random.h"

uint64_t sim_random_next(struct sim_random *random)
{
    uint64_t mixed = (random->state += UINT64_C(0x9e3779b97f4a7c15));
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

uint64_t sim_random_below(struct sim_random *random, uint64_t end)
{
    return end == 0 ? 0 : sim_random_next(random) % end;
}

uint64_t sim_random_between(struct sim_random *random, uint64_t first, uint64_t last)
{
    return last <= first ? first : first + sim_random_below(random, last - first + 1);
}

bool sim_random_chance(struct sim_random *random, uint32_t per_million)
{
    return per_million != 0 && sim_random_below(random, 1000000) < per_million;
}

struct sim_random sim_random_fork(struct sim_random *random)
{
    return (struct sim_random){.state = sim_random_next(random)};
}
