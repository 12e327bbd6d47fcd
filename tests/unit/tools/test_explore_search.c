/* The search itself: what is counted by hand, what two ways of counting agree on, and what a finding looks like. */
#include <criterion/criterion.h>
#include <explore.h>
#include <string.h>

static struct explore explore;
static struct explore_result result;

static struct explore_options bounds(uint32_t nodes, uint8_t timeouts, uint8_t commands)
{
    struct explore_options options;
    explore_options_defaults(&options);
    memset(options.budgets, 0, sizeof options.budgets);
    options.nodes = nodes;
    options.budgets[EXPLORE_BUDGET_TIMEOUTS] = timeouts;
    options.budgets[EXPLORE_BUDGET_COMMANDS] = commands;
    return options;
}

static void run(const struct explore_options *options)
{
    explore_open(&explore, options);
    explore_run(&explore, &result);
}

/* It times out and votes; has its vote on disk, leads and appends; has that on disk and has committed. */
Test(explore_search, of_one_node_has_the_four_states_of_its_election)
{
    const struct explore_options options = bounds(1, 1, 0);
    run(&options);
    cr_assert_eq(result.end, EXPLORE_END_WHOLE);
    cr_assert_eq(result.states, 4);
    cr_assert_eq(result.depth, 3);
    explore_close(&explore);
}

/* The four above; the command taken before the first entry is durable, both writes under way; the first of them done,
 * which is also where a command taken later leads to; both done, one by one or at once. */
Test(explore_search, of_one_node_and_a_command_has_seven_states)
{
    const struct explore_options options = bounds(1, 1, 1);
    run(&options);
    cr_assert_eq(result.end, EXPLORE_END_WHOLE);
    cr_assert_eq(result.states, 7);
    explore_close(&explore);
}

Test(explore_search, done_twice_gives_the_same_states_in_the_same_order)
{
    static struct explore again;
    struct explore_options options = bounds(3, 2, 1);
    options.states_max = 20000;
    run(&options);
    explore_open(&again, &options);
    struct explore_result other;
    explore_run(&again, &other);
    cr_assert_eq(other.states, result.states);
    cr_assert_eq(other.moves, result.moves);
    uint64_t place = 0;
    for (uint64_t i = 0; i < result.states; i++) {
        uint32_t sizes[2];
        uint64_t parents[2];
        uint64_t next[2];
        const uint8_t *left = explore_visited_at(&explore.visited, place, &sizes[0], &parents[0], &next[0]);
        const uint8_t *right = explore_visited_at(&again.visited, place, &sizes[1], &parents[1], &next[1]);
        cr_assert_eq(sizes[0], sizes[1]);
        cr_assert_eq(parents[0], parents[1]);
        cr_assert_arr_eq(left, right, sizes[0]);
        place = next[0];
    }
    explore_close(&explore);
    explore_close(&again);
}

/* Counts how many states are left when those that differ in names are one. */
static uint64_t without_names(void)
{
    struct explore_visited distinct;
    uint64_t place = 0;
    const uint64_t states = explore.visited.count;
    explore.options.names_matter = false;
    explore_orders(&explore);
    cr_assert_eq(explore.order_count, 6);
    explore_visited_open(&distinct, &explore.memory);
    for (uint64_t i = 0; i < states; i++) {
        struct explore_state state;
        uint8_t packed[EXPLORE_VISITED_BYTES_MAX];
        uint32_t size = 0;
        uint32_t order = 0;
        uint64_t parent = 0;
        uint64_t next = 0;
        explore_state_unpack(&explore, explore_visited_at(&explore.visited, place, &size, &parent, &next), &state);
        size = explore_state_pack(&explore, &state, packed, &order);
        (void)explore_visited_add(&distinct, packed, size, EXPLORE_PLACE_NONE);
        place = next;
    }
    const uint64_t count = distinct.count;
    explore_visited_close(&distinct);
    return count;
}

/* Exchanged names change nothing: the states reached when names matter are exactly those reached when they do not, each
 * under all its names. */
static void agree(struct explore_options options)
{
    options.names_matter = false;
    run(&options);
    cr_assert_eq(result.end, EXPLORE_END_WHOLE);
    const uint64_t states = result.states;
    explore_close(&explore);
    options.names_matter = true;
    run(&options);
    cr_assert_eq(result.end, EXPLORE_END_WHOLE);
    cr_assert_gt(result.states, 4 * states);
    cr_assert_eq(without_names(), states);
    explore_close(&explore);
}

Test(explore_search, with_names_reaches_the_same_states_as_without)
{
    struct explore_options options = bounds(3, 1, 0);
    options.budgets[EXPLORE_BUDGET_CRASHES] = 1;
    agree(options);
}

Test(explore_search, with_names_reaches_the_same_states_where_leadership_is_handed_over)
{
    struct explore_options options = bounds(3, 1, 0);
    options.budgets[EXPLORE_BUDGET_TRANSFERS] = 1;
    options.disks_prompt = true;
    agree(options);
}

Test(explore_search, with_names_reaches_the_same_states_of_pre_votes)
{
    struct explore_options options = bounds(3, 1, 0);
    options.pre_votes_apart = true;
    options.disks_prompt = true;
    agree(options);
}

Test(explore_search, with_names_reaches_the_same_states_of_a_damaged_log)
{
    struct explore_options options = bounds(3, 1, 0);
    options.budgets[EXPLORE_BUDGET_DAMAGES] = 1;
    options.disks_prompt = true;
    agree(options);
}

Test(explore_search, ends_at_each_of_its_bounds)
{
    struct explore_options options = bounds(3, 2, 2);
    options.states_max = 1000;
    run(&options);
    cr_assert_eq(result.end, EXPLORE_END_STATES);
    cr_assert_geq(result.states, 1000);
    cr_assert_gt(result.frontier, 0);
    explore_close(&explore);
    options.states_max = 0;
    options.depth_max = 5;
    run(&options);
    cr_assert_eq(result.end, EXPLORE_END_DEPTH);
    cr_assert_eq(result.depth, 5);
    explore_close(&explore);
    options.depth_max = 0;
    options.memory_bytes_max = UINT64_C(72) << 20;
    run(&options);
    cr_assert_eq(result.end, EXPLORE_END_MEMORY);
    explore_close(&explore);
}

/* In order and with nothing late there is one way that things go, but for the moment at which clocks run out. */
Test(explore_search, in_order_goes_one_way)
{
    struct explore_options options = bounds(3, 1, 0);
    options.in_order = true;
    options.names_matter = true;
    run(&options);
    cr_assert_eq(result.end, EXPLORE_END_WHOLE);
    cr_assert_eq(result.states, 3 * result.depth + 1, "three nodes, any of which times out first");
    explore_close(&explore);
}

/* A node that is made to look as if it had committed what it does not have. */
Test(explore_search, ends_with_the_shortest_run_to_a_broken_rule)
{
    const struct explore_options options = bounds(3, 1, 0);
    struct explore_effects effects;
    char text[4096] = "";
    explore_open(&explore, &options);
    const uint32_t first = explore_nodes_first(&explore.nodes, 1);
    const uint32_t candidate = explore_nodes_step(
        &explore.nodes, first, (struct explore_event){EXPLORE_EVENT_CLOCK, EXPLORE_CLOCK_ELECTION}, &effects);
    cr_assert_neq(candidate, EXPLORE_NUMBER_NONE);
    explore.nodes.views[candidate].commit = 9;
    explore_run(&explore, &result);
    cr_assert_eq(result.end, EXPLORE_END_FINDING);
    cr_assert_eq(result.depth, 1);
    cr_assert_str_eq(result.finding, "I-CI: node 1 commits 9 and has 1");
    FILE *out = fmemopen(text, sizeof text, "w");
    cr_assert_not_null(out);
    explore_transcript(&explore, out);
    (void)fclose(out);
    cr_assert_not_null(strstr(text, "1  node 1 times out\n"), "%s", text);
    cr_assert_not_null(strstr(text, "I-CI: node 1 commits 9 and has 1\n"), "%s", text);
    explore_close(&explore);
}
