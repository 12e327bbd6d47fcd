#include "sim_run.h"

#include <criterion/criterion.h>

Test(determinism, the_same_seed_gives_the_same_run)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct sim_result first;
        struct sim_result second;
        const struct sim_options options = {.seed = seed};
        sim_run(&options, &first);
        sim_run(&options, &second);
        cr_assert_eq(first.hash, second.hash, "seed %llu", (unsigned long long)seed);
        cr_assert_eq(first.events, second.events);
        cr_assert_eq(first.finding[0], '\0', "seed %llu: %s", (unsigned long long)seed, first.finding);
        cr_assert_gt(first.events, 100u);
    }
}

Test(determinism, another_seed_gives_another_run)
{
    struct sim_result first;
    struct sim_result second;
    sim_run(&(struct sim_options){.seed = 1, .nodes = 3}, &first);
    sim_run(&(struct sim_options){.seed = 2, .nodes = 3}, &second);
    cr_assert_neq(first.hash, second.hash);
}

Test(determinism, printing_the_trace_changes_nothing)
{
    struct sim_result silent;
    struct sim_result loud;
    FILE *out = tmpfile();
    cr_assert_not_null(out);
    sim_run(&(struct sim_options){.seed = 5}, &silent);
    sim_run(&(struct sim_options){.seed = 5, .trace = out}, &loud);
    cr_assert_eq(silent.hash, loud.hash);
    cr_assert_gt(ftell(out), 1000L);
    fclose(out);
}

Test(determinism, a_bound_on_steps_stops_the_run)
{
    struct sim_result result;
    sim_run(&(struct sim_options){.seed = 5, .steps_max = 50}, &result);
    cr_assert_lt(result.events, 2000u);
    cr_assert_eq(result.finding[0], '\0');
}
