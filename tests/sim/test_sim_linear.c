#include "sim_linear.h"
#include "sim_random.h"

#include <criterion/criterion.h>
#include <string.h>

#define W(v, b, e)                                                                                                     \
    {                                                                                                                  \
        .write = true, .value = (v), .begin = (b), .end = (e)                                                          \
    }
#define R(v, b, e)                                                                                                     \
    {                                                                                                                  \
        .write = false, .value = (v), .begin = (b), .end = (e)                                                         \
    }
#define NEVER UINT64_MAX

static enum sim_linear_verdict verdict_of(const struct sim_linear_operation *operations, size_t count)
{
    uint64_t value = 0;
    return sim_linear_check(operations, count, &value);
}

#define VERDICT(...)                                                                                                   \
    verdict_of((const struct sim_linear_operation[]){__VA_ARGS__},                                                     \
               sizeof((const struct sim_linear_operation[]){__VA_ARGS__}) / sizeof(struct sim_linear_operation))

Test(linear, reads_in_order_are_fine)
{
    cr_assert_eq(VERDICT(R(0, 1, 2), W(1, 3, 4), R(1, 5, 6), W(2, 7, 8), R(2, 9, 10)), SIM_LINEAR);
}

Test(linear, a_stale_read_is_seen)
{
    cr_assert_neq(VERDICT(W(1, 1, 2), W(2, 3, 4), R(1, 5, 6)), SIM_LINEAR);
}

Test(linear, a_read_of_the_first_value_after_a_write_is_seen)
{
    cr_assert_neq(VERDICT(W(1, 1, 2), R(0, 3, 4)), SIM_LINEAR);
}

Test(linear, a_value_that_comes_back_is_seen)
{
    cr_assert_neq(VERDICT(W(1, 1, 2), W(2, 3, 10), R(2, 4, 5), R(1, 6, 7)), SIM_LINEAR);
}

Test(linear, a_value_that_nobody_wrote_is_seen)
{
    cr_assert_eq(VERDICT(W(1, 1, 2), R(7, 3, 4)), SIM_LINEAR_NEVER_WRITTEN);
}

Test(linear, a_read_before_its_write_is_seen)
{
    cr_assert_eq(VERDICT(R(1, 1, 2), W(1, 3, 4)), SIM_LINEAR_NEVER_WRITTEN);
}

Test(linear, a_write_never_heard_of_again_may_have_happened_or_not)
{
    cr_assert_eq(VERDICT(W(1, 1, 2), W(2, 3, NEVER), R(1, 5, 6), R(2, 7, 8)), SIM_LINEAR);
    cr_assert_eq(VERDICT(W(1, 1, 2), W(2, 3, NEVER), R(1, 5, 6), R(1, 7, 8)), SIM_LINEAR);
    cr_assert_neq(VERDICT(W(1, 1, 2), W(2, 3, NEVER), R(2, 5, 6), R(1, 7, 8)), SIM_LINEAR);
}

Test(linear, operations_at_the_same_time_may_go_either_way)
{
    cr_assert_eq(VERDICT(W(1, 1, 10), W(2, 2, 9), R(2, 3, 4), R(1, 5, 6)), SIM_LINEAR);
    cr_assert_neq(VERDICT(W(1, 1, 10), W(2, 2, 9), R(2, 3, 4), R(1, 5, 6), R(2, 7, 8)), SIM_LINEAR);
}

/* The oracle: tries every order of the operations that respects real time. A write never heard of again may be left
 * out. */
static bool some_order(const struct sim_linear_operation *operations, size_t count, unsigned done, uint64_t held)
{
    bool waits = false;
    for (size_t i = 0; i < count; i++) {
        waits = waits || ((done >> i & 1u) == 0 && operations[i].end != NEVER);
    }
    if (!waits) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        bool first = (done >> i & 1u) == 0;
        for (size_t j = 0; j < count && first; j++) {
            first = (done >> j & 1u) != 0 || operations[j].end > operations[i].begin;
        }
        if (!first || (!operations[i].write && operations[i].value != held)) {
            continue;
        }
        if (some_order(operations, count, done | 1u << i, operations[i].write ? operations[i].value : held)) {
            return true;
        }
    }
    return false;
}

/* Draws a history of up to 6 operations whose moments are all different. */
static size_t draw(struct sim_random *random, struct sim_linear_operation *operations)
{
    const size_t count = 2 + (size_t)sim_random_below(random, 5);
    uint64_t moments[12];
    uint64_t values = 0;

    for (size_t i = 0; i < 2 * count; i++) {
        moments[i] = i + 1;
    }
    for (size_t i = 2 * count - 1; i > 0; i--) {
        const size_t j = (size_t)sim_random_below(random, i + 1);
        const uint64_t moment = moments[i];
        moments[i] = moments[j];
        moments[j] = moment;
    }
    for (size_t i = 0; i < count; i++) {
        const uint64_t a = moments[2 * i];
        const uint64_t b = moments[2 * i + 1];
        operations[i] = (struct sim_linear_operation){.begin = a < b ? a : b, .end = a < b ? b : a};
        operations[i].write = sim_random_chance(random, 500000);
        operations[i].value = operations[i].write ? ++values : sim_random_below(random, values + 1);
        if (operations[i].write && sim_random_chance(random, 200000)) {
            operations[i].end = NEVER;
        }
    }
    return count;
}

Test(linear, agrees_with_trying_every_order)
{
    struct sim_random random = {.state = 1};
    unsigned good = 0;

    for (int i = 0; i < 200000; i++) {
        struct sim_linear_operation operations[6];
        uint64_t value = 0;
        const size_t count = draw(&random, operations);
        const bool expected = some_order(operations, count, 0, 0);
        cr_assert_eq(sim_linear_check(operations, count, &value) == SIM_LINEAR, expected, "history %d", i);
        good += expected;
    }
    cr_assert_gt(good, 20000u);
    cr_assert_lt(good, 180000u);
}
