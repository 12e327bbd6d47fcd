/* Every crash state of every operation. The power fails during each call of the file system in turn; what was not
 * synced is then on the disk or not, in every combination within the bound below; a start is made from each, and so is
 * one after the power failed during each call of that start, twice over. What was acknowledged must be there, exactly;
 * the operation under way as a whole or not at all, its term and vote first; what a start tells stays, whatever was in
 * the page cache only; and a second start tells the same and writes nothing.
 *
 * The bound: all combinations when there are at most ALL_MOST of them. Otherwise nothing and all of it, each one and
 * each two of the uncertain things alone, all but each one and each two, every beginning and every end in their order,
 * and RANDOM drawn ones. Within a start all when there are at most ALL_MOST_WITHIN, otherwise nothing, all, each alone,
 * all but each, and RANDOM_WITHIN; within a start after such a start, nothing and all. Starts are cut short from the
 * first CUT_MOST different states that the power's failing during one call left, and from each CUT_EACH-th one behind
 * them; starts after starts from each CUT_WITHIN-th.
 */
#include "storage_operations.h"

#include <criterion/criterion.h>
#include <dgraft/inspect.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALL_MOST = 4096,
    ALL_MOST_WITHIN = 16,
    RANDOM = 64,
    RANDOM_WITHIN = 8,
    CUT_MOST = 12,
    CUT_EACH = 128,
    CUT_WITHIN = 8,
    PAIRS_MOST = 24,
    DEPTH_MOST = 2,
    UNCERTAIN_MOST = 512
};

/* What may be found, and how much was tried. */
struct hunt {
    struct operation operation;
    const struct scene *scene;
    bool over;     /* the operation ended before the power did */
    uint64_t call; /* during which the power failed */
    uint64_t *seen;
    size_t seen_count;
    size_t seen_capacity;
    uint64_t states;
    uint64_t states_within;
    uint64_t calls;
    uint64_t different; /* of this call, outside of starts */
    uint64_t different_within;
};

/* Returns whether this image was tried before, with the same acknowledged. */
static bool seen_before(struct hunt *hunt, uint64_t key)
{
    if (hunt->seen_count * 2 >= hunt->seen_capacity) {
        const size_t old = hunt->seen_capacity;
        uint64_t *smaller = hunt->seen;
        hunt->seen_capacity = old == 0 ? 1024 : 4 * old;
        hunt->seen = calloc(hunt->seen_capacity, sizeof *hunt->seen);
        cr_assert_not_null(hunt->seen);
        hunt->seen_count = 0;
        for (size_t i = 0; i < old; i++) {
            if (smaller[i] != 0) {
                (void)seen_before(hunt, smaller[i]);
            }
        }
        free(smaller);
    }
    size_t at = (size_t)(key % hunt->seen_capacity);
    while (hunt->seen[at] != 0 && hunt->seen[at] != key) {
        at = (at + 1) % hunt->seen_capacity;
    }
    if (hunt->seen[at] == key) {
        return true;
    }
    hunt->seen[at] = key;
    hunt->seen_count++;
    return false;
}

/* Returns which of the logs that there may be is there; NULL and what differs when it is none. */
static const struct rig_log *which_log(struct hunt *hunt, struct dgraft_storage *storage, const char **differs)
{
    const struct scene *scene = hunt->scene;
    static struct rig_log between; /* term and vote are saved, the log is not written */
    if (!hunt->over) {
        *differs = rig_differs(storage, &scene->log);
        if (*differs == NULL) {
            return &scene->log;
        }
        between = scene->log;
        between.term = scene->after.term;
        between.vote = scene->after.vote;
        if (rig_differs(storage, &between) == NULL) {
            return &between;
        }
    }
    if (hunt->over || hunt->operation.change != NULL || !scene->formatted) {
        *differs = rig_differs(storage, &scene->after);
        return *differs == NULL ? &scene->after : NULL;
    }
    return NULL;
}

/* Starts from an image and says what it told. NULL when there is no directory, which must be allowed. */
static const struct rig_log *start(struct hunt *hunt, struct memory_fs *image, struct dgraft_storage **storage)
{
    const struct dgraft_storage_options options = scene_options(hunt->operation.spares);
    struct dgraft_why why = {"-"};
    const char *differs = NULL;
    const enum dgraft_status status = dgraft_storage_open(memory_fs_seam(image), "node", &options, storage, &why);
    if (status == DGRAFT_STATUS_NOT_FOUND && !hunt->scene->formatted && !hunt->over) {
        return NULL;
    }
    cr_assert_eq(status, DGRAFT_OK, "%s, call %llu: %s: %s", hunt->operation.name, (unsigned long long)hunt->call,
                 dgraft_status_name(status), why.text);
    const struct rig_log *told = which_log(hunt, *storage, &differs);
    cr_assert_not_null(told, "%s, call %llu: %s", hunt->operation.name, (unsigned long long)hunt->call, differs);
    differs = scene_part_differs(*storage, hunt->scene);
    cr_assert_null(differs, "%s, call %llu: %s", hunt->operation.name, (unsigned long long)hunt->call, differs);
    return told;
}

static void starts_again(struct hunt *hunt, struct memory_fs *image, const struct rig_log *told, const char *what)
{
    const struct dgraft_storage_options options = scene_options(hunt->operation.spares);
    const uint64_t before = memory_fs_hash(image);
    struct dgraft_storage *storage = NULL;
    struct dgraft_inspect_summary summary;
    const struct dgraft_inspect_visitor silent = {.context = NULL};
    struct dgraft_why why = {"-"};
    cr_assert_eq(dgraft_storage_open(memory_fs_seam(image), "node", &options, &storage, &why), DGRAFT_OK,
                 "%s, call %llu, %s: %s", hunt->operation.name, (unsigned long long)hunt->call, what, why.text);
    const char *differs = rig_differs(storage, told);
    cr_assert_null(differs, "%s, call %llu, %s: %s", hunt->operation.name, (unsigned long long)hunt->call, what,
                   differs);
    cr_assert_eq(dgraft_inspect(memory_fs_seam(image), "node", &silent, &summary, &why), DGRAFT_OK);
    cr_assert_eq(summary.damages, 0, "%s: inspection finds damage", hunt->operation.name);
    dgraft_storage_abandon(storage);
    cr_assert_eq(memory_fs_open_files(image), 0, "%s: files stay open", hunt->operation.name);
    if (strcmp(what, "a second time") == 0) {
        cr_assert_eq(memory_fs_hash(image), before, "%s, call %llu: a second start wrote something",
                     hunt->operation.name, (unsigned long long)hunt->call);
    }
}

static bool none(void *context, size_t which)
{
    (void)context;
    (void)which;
    return false;
}

/* Starts twice; and once after the power failed behind the first, and took all that it had not synced. */
static bool survives(struct hunt *hunt, const struct memory_fs *from)
{
    struct memory_fs *image = memory_fs_copy(from);
    struct dgraft_storage *storage = NULL;
    const struct rig_log *found = start(hunt, image, &storage);
    struct rig_log *told = NULL;
    if (found != NULL) {
        told = malloc(sizeof *told);
        cr_assert_not_null(told);
        *told = *found;
    }
    dgraft_storage_abandon(storage);
    if (told != NULL) {
        struct memory_fs *cold = memory_fs_crash(image, none, NULL);
        starts_again(hunt, cold, told, "without what it had not synced");
        memory_fs_free(cold);
        starts_again(hunt, image, told, "a second time");
    }
    memory_fs_free(image);
    free(told);
    return found != NULL;
}

static void try_all(struct hunt *hunt, const struct memory_fs *memory, unsigned depth);

/* The power fails during each call of a start from this image. */
static void fail_within_start(struct hunt *hunt, const struct memory_fs *from, unsigned depth)
{
    const struct dgraft_storage_options options = scene_options(hunt->operation.spares);
    bool over = false;
    for (uint64_t call = 1; !over; call++) {
        struct memory_fs *image = memory_fs_copy(from);
        struct dgraft_storage *storage = NULL;
        memory_fs_power_off_at(image, call);
        const enum dgraft_status status = dgraft_storage_open(memory_fs_seam(image), "node", &options, &storage, NULL);
        over = memory_fs_calls(image) < call;
        cr_assert(status != DGRAFT_STATUS_DAMAGED);
        dgraft_storage_abandon(storage);
        if (!over) {
            try_all(hunt, image, depth);
        }
        memory_fs_free(image);
    }
}

/* One crash state. */
static void try_one(struct hunt *hunt, const struct memory_fs *memory, const uint8_t *taken, unsigned depth)
{
    struct memory_fs *image = memory_fs_crash_as(memory, taken);
    hunt->states += depth == 0;
    hunt->states_within += depth > 0;
    const uint64_t key = memory_fs_hash(image) * 2 + hunt->over;
    if (!seen_before(hunt, key == 0 ? 1 : key) && survives(hunt, image) && depth < DEPTH_MOST) {
        const uint64_t number = depth == 0 ? hunt->different++ : hunt->different_within++;
        if (depth == 0 ? number < CUT_MOST || number % CUT_EACH == 0 : number % CUT_WITHIN == 0) {
            fail_within_start(hunt, image, depth + 1);
        }
    }
    memory_fs_free(image);
}

/* The uncertain things of which there is more than one way to be left. */
struct doubts {
    uint8_t ways[UNCERTAIN_MOST];
    size_t which[UNCERTAIN_MOST];
    size_t count;
    uint8_t taken[UNCERTAIN_MOST];
};

static void take_all_or_none(struct doubts *doubts, bool all)
{
    for (size_t i = 0; i < doubts->count; i++) {
        const size_t at = doubts->which[i];
        doubts->taken[at] = all ? (uint8_t)(doubts->ways[at] - 1) : 0;
    }
}

static void flip(struct doubts *doubts, size_t i)
{
    const size_t at = doubts->which[i];
    doubts->taken[at] = (uint8_t)(doubts->ways[at] - 1 - doubts->taken[at]);
}

static void try_patterns(struct hunt *hunt, const struct memory_fs *memory, struct doubts *doubts, unsigned depth)
{
    uint64_t random = 0x9E3779B97F4A7C15u + doubts->count;
    for (int all = 0; all < 2; all++) {
        take_all_or_none(doubts, all != 0);
        try_one(hunt, memory, doubts->taken, depth);
        if (depth == DEPTH_MOST) {
            continue;
        }
        for (size_t i = 0; i < doubts->count && depth == 0; i++) { /* beginnings, and ends */
            flip(doubts, i);
            try_one(hunt, memory, doubts->taken, depth);
        }
        take_all_or_none(doubts, all != 0);
        for (size_t i = 0; i < doubts->count; i++) {
            flip(doubts, i);
            try_one(hunt, memory, doubts->taken, depth);
            for (size_t j = i + 1; j < doubts->count && depth == 0 && doubts->count <= PAIRS_MOST; j++) {
                flip(doubts, j);
                try_one(hunt, memory, doubts->taken, depth);
                flip(doubts, j);
            }
            flip(doubts, i);
        }
    }
    const unsigned draws = depth == 0 ? RANDOM : depth < DEPTH_MOST ? RANDOM_WITHIN : 0;
    for (unsigned n = 0; n < draws; n++) {
        for (size_t i = 0; i < doubts->count; i++) {
            const size_t at = doubts->which[i];
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            doubts->taken[at] = (uint8_t)((random >> 20) % doubts->ways[at]);
        }
        try_one(hunt, memory, doubts->taken, depth);
    }
}

/* All ways in which what is not synced may have been left, within the bound. */
static void try_all(struct hunt *hunt, const struct memory_fs *memory, unsigned depth)
{
    struct doubts *doubts = calloc(1, sizeof *doubts);
    const uint64_t most = depth == 0 ? ALL_MOST : depth < DEPTH_MOST ? ALL_MOST_WITHIN : 2;
    uint64_t product = 1;
    cr_assert_not_null(doubts);
    const size_t count = memory_fs_ways(memory, doubts->ways, UNCERTAIN_MOST);
    cr_assert_leq(count, UNCERTAIN_MOST);
    for (size_t i = 0; i < count; i++) {
        if (doubts->ways[i] > 1) {
            doubts->which[doubts->count++] = i;
            product = product > most ? product : product * doubts->ways[i];
        }
    }
    for (uint64_t number = 0; product <= most && number < product; number++) {
        uint64_t left = number;
        for (size_t i = 0; i < doubts->count; i++) {
            const size_t at = doubts->which[i];
            doubts->taken[at] = (uint8_t)(left % doubts->ways[at]);
            left /= doubts->ways[at];
        }
        try_one(hunt, memory, doubts->taken, depth);
    }
    if (product > most) {
        try_patterns(hunt, memory, doubts, depth);
    }
    free(doubts);
}

/* The operation, with the power failing during each of its calls. */
static void survive(enum operation_number number, uint64_t short_seed)
{
    struct hunt hunt = {.operation = storage_operation(number)};
    for (hunt.call = 1; !hunt.over; hunt.call++) {
        struct scene *scene = scene_begin(&hunt.operation);
        const uint64_t off = memory_fs_calls(scene->memory) + hunt.call;
        memory_fs_short(scene->memory, short_seed);
        memory_fs_power_off_at(scene->memory, off);
        const enum dgraft_status status = scene_act(scene, &hunt.operation);
        hunt.over = memory_fs_calls(scene->memory) < off;
        hunt.calls = hunt.call;
        cr_assert(!hunt.over || status == DGRAFT_OK, "%s: %s", hunt.operation.name, dgraft_status_name(status));
        if (!scene->formatted) {
            scene->after = scene->log;
        }
        scene_abandon(scene);
        hunt.scene = scene;
        hunt.different = 0;
        try_all(&hunt, scene->memory, 0);
        scene_end(scene);
    }
    cr_log_info("%-16s %3llu calls, %6llu crash states, %7llu within starts; %6zu different", hunt.operation.name,
                (unsigned long long)hunt.calls, (unsigned long long)hunt.states, (unsigned long long)hunt.states_within,
                hunt.seen_count);
    cr_assert_geq(hunt.states, hunt.operation.states_least);
    cr_assert_geq(hunt.states, hunt.calls);
    free(hunt.seen);
}

#define SURVIVES(name, words, states)                                                                                  \
    Test(crash_states, name)                                                                                           \
    {                                                                                                                  \
        survive(OPERATION_##name, 0);                                                                                  \
    }
STORAGE_OPERATIONS(SURVIVES)
