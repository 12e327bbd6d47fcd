/* The search: breadth first, so that the first run that breaks a rule is a shortest one. */
#include "explore.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#define LOOKS_EVERY    4096u /* states between looks at the clock */
#define PROGRESS_EVERY 2.0   /* seconds */

struct search {
    struct explore *explore;
    struct explore_result *result;
    struct timespec begun;
    double told_at;
    uint64_t done;       /* states whose moves were made */
    uint64_t level_left; /* of this depth */
};

static double seconds(const struct search *search)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - search->begun.tv_sec) + (double)(now.tv_nsec - search->begun.tv_nsec) / 1e9;
}

static void progress(struct search *search)
{
    const struct explore *explore = search->explore;
    const double now = seconds(search);
    if (explore->options.progress == NULL || now - search->told_at < PROGRESS_EVERY) {
        return;
    }
    search->told_at = now;
    (void)fprintf(explore->options.progress, "depth %3llu  %11llu states  %9.0f/s  frontier %10llu  %6llu MiB\n",
                  (unsigned long long)search->result->depth, (unsigned long long)explore->visited.count,
                  (double)explore->visited.count / now, (unsigned long long)(explore->visited.count - search->done),
                  (unsigned long long)(explore->memory.used_bytes >> 20));
    (void)fflush(explore->options.progress);
}

/* Makes every move of a state. Returns false when one breaks a rule. */
static bool expand(struct search *search, uint64_t place)
{
    struct explore *explore = search->explore;
    struct explore_state state;
    struct explore_state after;
    struct explore_move moves[EXPLORE_MOVES_MAX];
    uint8_t packed[EXPLORE_VISITED_BYTES_MAX];
    uint32_t size = 0;
    uint64_t parent = 0;
    uint64_t next = 0;
    uint32_t order = 0;
    explore_state_unpack(explore, explore_visited_at(&explore->visited, place, &size, &parent, &next), &state);
    const uint32_t count = explore_moves_list(explore, &state, moves);
    for (uint32_t i = 0; i < count; i++) {
        search->result->moves++;
        if (!explore_moves_make(explore, &state, &moves[i], &after)) {
            return false;
        }
        size = explore_state_pack(explore, &after, packed, &order);
        (void)explore_visited_add(&explore->visited, packed, size, place);
    }
    return true;
}

static bool bound_reached(const struct search *search)
{
    const struct explore *explore = search->explore;
    const struct explore_options *options = &explore->options;
    if (options->states_max != 0 && explore->visited.count >= options->states_max) {
        search->result->end = EXPLORE_END_STATES;
        return true;
    }
    if (explore->memory.used_bytes >= options->memory_bytes_max) {
        search->result->end = EXPLORE_END_MEMORY;
        return true;
    }
    return false;
}

/* Goes from state to state until none is left or a bound is reached; *place is the one whose moves come next. */
static void walk(struct search *search, uint64_t *place)
{
    struct explore *explore = search->explore;
    uint32_t size = 0;
    uint64_t parent = 0;
    uint64_t next = 0;
    search->level_left = 1;
    while (search->done < explore->visited.count) {
        if (bound_reached(search)) {
            return;
        }
        if (!expand(search, *place)) {
            search->result->end = EXPLORE_END_FINDING;
            search->result->finding = explore->nodes.finding;
            search->result->depth++;
            return;
        }
        search->done++;
        search->level_left--;
        if (search->level_left == 0) {
            search->level_left = explore->visited.count - search->done;
            search->result->depth += search->level_left > 0;
            if (explore->options.depth_max != 0 && search->result->depth >= explore->options.depth_max &&
                search->level_left > 0) {
                search->result->end = EXPLORE_END_DEPTH;
                return;
            }
        }
        (void)explore_visited_at(&explore->visited, *place, &size, &parent, &next);
        *place = next;
        if (search->done % LOOKS_EVERY == 0) {
            progress(search);
        }
    }
}

void explore_run(struct explore *explore, struct explore_result *result)
{
    struct search search = {.explore = explore, .result = result};
    struct explore_state first;
    uint8_t packed[EXPLORE_VISITED_BYTES_MAX];
    uint32_t order = 0;
    assert(explore->visited.count == 0);
    memset(result, 0, sizeof *result);
    (void)clock_gettime(CLOCK_MONOTONIC, &search.begun);
    explore_state_first(explore, &first);
    const uint32_t size = explore_state_pack(explore, &first, packed, &order);
    (void)explore_visited_add(&explore->visited, packed, size, EXPLORE_PLACE_NONE);
    explore->finding_place = 0;
    walk(&search, &explore->finding_place);
    result->states = explore->visited.count;
    result->frontier = explore->visited.count - search.done;
    result->steps = explore->nodes.steps;
    result->nodes = explore->nodes.nodes.count;
    result->messages = explore->nodes.messages.count;
    result->histories = explore->histories.count;
    result->memory_bytes = explore->memory.used_bytes;
    result->seconds = seconds(&search);
}
