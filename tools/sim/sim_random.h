/* Randomness of a simulation: everything that is drawn comes from the seed. */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

/* Returns the next 64 bits (splitmix64). */
uint64_t sim_random_next(struct sim_random *random);

/* Returns a number from 0 to end - 1; 0 when end is 0. */
uint64_t sim_random_below(struct sim_random *random, uint64_t end);

/* Returns a number from first to last, both included. */
uint64_t sim_random_between(struct sim_random *random, uint64_t first, uint64_t last);

/* Returns true so many times in a million. Draws nothing when per_million is 0. */
bool sim_random_chance(struct sim_random *random, uint32_t per_million);

/* Returns a source of its own for one part of a simulation, so that a draw more in one part does not change another. */
struct sim_random sim_random_fork(struct sim_random *random);

#endif
