/* The shortest run that leads to a finding, made once more from the beginning. States are kept with whatever names come
 * first; here everybody keeps the name of the beginning.
 */
#include "explore.h"

#include <assert.h>
#include <string.h>

struct replay {
    struct explore *explore;
    struct explore_state state;
    uint8_t names[EXPLORE_NODES_MAX + 1]; /* id of the state: name in the transcript */
    FILE *out;
    uint64_t step;
};

static const char *role_name(uint8_t role)
{
    return dgraft_role_name(role);
}

/* ~ is not on disk, # is damaged there, | ends what is known to be committed. */
static void print_log(const struct explore_view *view, FILE *out)
{
    const struct explore_log *log = &view->log;
    const uint8_t durable = explore_log_common(log, &view->disk.log);
    (void)fputs(" log", out);
    for (uint32_t i = 0; i < log->last; i++) {
        const uint32_t content = log->entries[i] & 15u;
        (void)fprintf(out, " %u/t%u", i + 1, explore_entry_term(log->entries[i]));
        if (content >= EXPLORE_CONTENT_COMMAND) {
            (void)fprintf(out, "=%c", (int)('a' + content - EXPLORE_CONTENT_COMMAND));
        }
        (void)fputs(i >= durable ? "~" : "", out);
        (void)fputs(i < durable && (view->disk.damaged & explore_entry_bit(i + 1)) != 0 ? "#" : "", out);
        (void)fputs(i + 1 == view->commit ? " |" : "", out);
    }
}

static void print_node(const struct replay *replay, uint32_t node)
{
    const struct explore_view *view = explore_nodes_view(&replay->explore->nodes, replay->state.nodes[node]);
    (void)fprintf(replay->out, "            %u: %-13s term %u", replay->names[node + 1], role_name(view->role),
                  view->term);
    (void)fprintf(replay->out, " (disk %u, vote %u)", view->disk.term, replay->names[view->disk.vote]);
    print_log(view, replay->out);
    (void)fputc('\n', replay->out);
}

static void print_step(struct replay *replay, const struct explore_move *move, const struct explore_state *after)
{
    (void)fprintf(replay->out, "%10llu  ", (unsigned long long)++replay->step);
    explore_moves_print(replay->explore, &replay->state, move, replay->names, replay->out);
    (void)fputc('\n', replay->out);
    const struct explore_state before = replay->state;
    replay->state = *after;
    for (uint32_t i = 0; i < replay->explore->options.nodes; i++) {
        if (before.nodes[i] != after->nodes[i]) {
            print_node(replay, i);
        }
    }
}

/* Goes on from the state as it is kept, in which id is called order->names[id]. */
static void adopt(struct replay *replay, const uint8_t *packed, const struct explore_order *order)
{
    uint8_t names[EXPLORE_NODES_MAX + 1];
    for (uint32_t id = 0; id <= EXPLORE_NODES_MAX; id++) {
        names[order->names[id]] = replay->names[id];
    }
    memcpy(replay->names, names, sizeof names);
    explore_state_unpack(replay->explore, packed, &replay->state);
}

/* Makes the move that leads to the state at `place`. */
static void advance(struct replay *replay, uint64_t place)
{
    struct explore *explore = replay->explore;
    struct explore_move moves[EXPLORE_MOVES_MAX];
    struct explore_state after;
    uint8_t packed[EXPLORE_VISITED_BYTES_MAX];
    uint32_t wanted_size = 0;
    uint64_t parent = 0;
    uint64_t next = 0;
    const uint8_t *wanted = explore_visited_at(&explore->visited, place, &wanted_size, &parent, &next);
    const uint32_t count = explore_moves_list(explore, &replay->state, moves);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t order = 0;
        if (explore_moves_make(explore, &replay->state, &moves[i], &after) &&
            explore_state_pack(explore, &after, packed, &order) == wanted_size &&
            memcmp(packed, wanted, wanted_size) == 0) {
            print_step(replay, &moves[i], &after);
            adopt(replay, wanted, &explore->orders[order]);
            return;
        }
    }
    assert(!"a state is reached from its parent");
}

/* Makes the move that breaks a rule. */
static void finish(struct replay *replay)
{
    struct explore *explore = replay->explore;
    struct explore_move moves[EXPLORE_MOVES_MAX];
    struct explore_state after;
    const uint32_t count = explore_moves_list(explore, &replay->state, moves);
    explore->nodes.finding[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        if (!explore_moves_make(explore, &replay->state, &moves[i], &after)) {
            print_step(replay, &moves[i], &after);
            (void)fprintf(replay->out, "            %s\n", explore->nodes.finding);
            return;
        }
    }
    assert(!"what was found is found again");
}

void explore_transcript(struct explore *explore, FILE *out)
{
    struct replay replay = {.explore = explore, .out = out};
    uint64_t *places = NULL;
    uint64_t count = 0;
    uint64_t capacity = 0;
    assert(explore->finding_place != EXPLORE_PLACE_NONE);
    for (uint64_t place = explore->finding_place; place != EXPLORE_PLACE_NONE;) {
        uint32_t size = 0;
        uint64_t next = 0;
        if (count == capacity) {
            places = explore_memory_grow(&explore->memory, places, capacity, 2 * capacity + 64, sizeof *places);
            capacity = 2 * capacity + 64;
        }
        places[count++] = place;
        (void)explore_visited_at(&explore->visited, place, &size, &place, &next);
    }
    explore_state_first(explore, &replay.state);
    memcpy(replay.names, explore->orders[0].names, sizeof replay.names);
    for (uint64_t i = count - 1; i > 0; i--) {
        advance(&replay, places[i - 1]);
    }
    finish(&replay);
    explore_memory_free(&explore->memory, places, capacity, sizeof *places);
}
