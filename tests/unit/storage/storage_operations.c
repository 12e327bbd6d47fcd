#include "storage_operations.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRITES_BEFORE = 6 };

static const struct dgraft_position received = {40, 3};
static const struct dgraft_position own = {3, 1};

static void must(bool holds, const char *what)
{
    if (!holds) {
        (void)fprintf(stderr, "a scene cannot be made: %s\n", what);
        abort();
    }
}

struct dgraft_storage_options scene_options(uint32_t spares)
{
    return (struct dgraft_storage_options){.segment_bytes = 12288, .runs_max = 8, .spares = spares};
}

/* What comes before. */

static const struct rig_write two_entries[WRITES_BEFORE] = {
    {.state = true, .term = 3, .vote = 2, .log = true, .keep = 1, .count = 2, .entry_term = 1, .payload_bytes = 300}};
static const struct rig_write two_entries_and_mark[WRITES_BEFORE] = {
    {.state = true, .term = 3, .vote = 2, .log = true, .keep = 1, .count = 2, .entry_term = 1, .payload_bytes = 300},
    {.log = true, .keep = 3}};
static const struct rig_write nearly_full[WRITES_BEFORE] = {
    {.state = true, .term = 3, .vote = 2, .log = true, .keep = 1, .count = 4, .entry_term = 1, .payload_bytes = 1500}};
static const struct rig_write three_segments[WRITES_BEFORE] = {
    {.state = true, .term = 3, .vote = 2, .log = true, .keep = 1, .count = 4, .entry_term = 1, .payload_bytes = 1500},
    {.log = true, .keep = 5, .count = 4, .entry_term = 1, .payload_bytes = 1500},
    {.log = true, .keep = 9, .count = 4, .entry_term = 3, .payload_bytes = 1500}};

static void leave_unmarked(struct scene *scene)
{
    scene_abandon(scene);
}

static void leave_marked(struct scene *scene)
{
    must(dgraft_storage_close(scene->storage, NULL) == DGRAFT_OK, "close");
    scene->storage = NULL;
}

/* A segment was begun, and the write of its first batch failed. */
static void leave_void(struct scene *scene)
{
    static const struct rig_write next = {.log = true, .keep = 5, .count = 2, .entry_term = 1, .payload_bytes = 1500};
    size_t count = 0;
    dgraft_storage_spare(scene->storage);
    memory_fs_fail_at(scene->memory, memory_fs_calls(scene->memory) + 4, EIO, false); /* close, header, sync, batch */
    must(rig_do(scene->storage, &scene->log, &next) == DGRAFT_STATUS_POISONED, "poison");
    must(strcmp(memory_fs_failed(scene->memory, &count)->call, "write") == 0 && count == 1, "the batch's write fails");
    memory_fs_fail_at(scene->memory, 0, 0, false);
    scene_abandon(scene);
}

static void leave_torn_state(struct scene *scene)
{
    struct dgraft_fs *fs = memory_fs_seam(scene->memory);
    uint8_t zero = 0;
    struct iovec piece = {&zero, 1};
    leave_marked(scene);
    const int file = fs->ops->open(fs, "node/state", DGRAFT_FS_WRITE);
    must(file >= 0 && fs->ops->pwritev(fs, file, &piece, 1, 8) == 1 && fs->ops->sync(fs, file) == 0, "state");
    (void)fs->ops->close(fs, file);
}

static void leave_spare(struct scene *scene)
{
    dgraft_storage_spare(scene->storage);
    scene_abandon(scene);
}

/* An earlier process ended when it had made the spare, and before its name was durable. */
static void reopen_with_spare(struct scene *scene)
{
    const struct dgraft_storage_options options = scene_options(0);
    memory_fs_power_off_at(scene->memory, memory_fs_calls(scene->memory) + 4); /* create, write, sync, directory */
    dgraft_storage_spare(scene->storage);
    memory_fs_power_off_at(scene->memory, 0);
    must(memory_fs_uncertain(scene->memory) == 1, "the name is not synced");
    leave_marked(scene);
    must(dgraft_storage_open(memory_fs_seam(scene->memory), "node", &options, &scene->storage, NULL) == DGRAFT_OK,
         "open");
}

static void receive(struct scene *scene, size_t until)
{
    must(rig_store_snapshot(scene->storage, DGRAFT_SNAPSHOT_RECEIVED, received, until) == DGRAFT_OK, "receive");
    scene->part = until < RIG_SNAPSHOT_BYTES ? received : (struct dgraft_position){0, 0};
    scene->part_bytes = until < RIG_SNAPSHOT_BYTES ? until : 0;
}

static void receive_some(struct scene *scene)
{
    receive(scene, RIG_CHUNK_BYTES);
}

static void receive_more(struct scene *scene)
{
    receive(scene, 2 * RIG_CHUNK_BYTES);
}

/* All bytes of one of the node's own are stored; nobody has said how many there would be. */
static void store_own(struct scene *scene)
{
    uint8_t bytes[RIG_SNAPSHOT_BYTES];
    struct dgraft_why why;
    const struct dgraft_snapshot snapshot = {.position = own};
    rig_snapshot_bytes(own, bytes);
    must(dgraft_storage_snapshot_begin(scene->storage, DGRAFT_SNAPSHOT_OWN, &snapshot, RIG_CHUNK_BYTES, &why) ==
                 DGRAFT_OK &&
             dgraft_storage_snapshot_write(scene->storage, DGRAFT_SNAPSHOT_OWN, 0, bytes, sizeof bytes, &why) ==
                 DGRAFT_OK,
         "snapshot");
}

static enum dgraft_status act_seal(struct scene *scene)
{
    const struct dgraft_snapshot expected = rig_snapshot_of(own);
    struct dgraft_snapshot snapshot = {.size = 0};
    const enum dgraft_status status =
        dgraft_storage_snapshot_seal(scene->storage, DGRAFT_SNAPSHOT_OWN, &snapshot, &scene->why);
    must(status != DGRAFT_OK || dgraft_snapshot_equal(&snapshot, &expected), "another one was sealed");
    return status;
}

static void store_and_seal(struct scene *scene)
{
    store_own(scene);
    must(act_seal(scene) == DGRAFT_OK, "seal");
}

static enum dgraft_status act_check(struct scene *scene)
{
    bool done = false;
    enum dgraft_status status = DGRAFT_OK;
    while (status == DGRAFT_OK && !done) {
        status = dgraft_storage_snapshot_check(scene->storage, DGRAFT_SNAPSHOT_OWN, &done, &scene->why);
    }
    return status;
}

static void store_and_check(struct scene *scene)
{
    store_and_seal(scene);
    must(act_check(scene) == DGRAFT_OK, "check");
}

/* Published and adopted; older ones were not dropped. */
static void keep_snapshot(struct scene *scene, dgraft_index index)
{
    const struct dgraft_position position = {index, scene->log.terms[index]};
    must(rig_store_snapshot(scene->storage, DGRAFT_SNAPSHOT_OWN, position, RIG_SNAPSHOT_BYTES) == DGRAFT_OK,
         "snapshot");
    scene->log.snapshot = index;
}

static void keep_one_snapshot(struct scene *scene)
{
    keep_snapshot(scene, 2);
}

/* The log has not given way. */
static void publish_received(struct scene *scene)
{
    receive(scene, RIG_SNAPSHOT_BYTES);
    scene->log.snapshot = received.index;
    scene->log.terms[received.index] = received.term;
}

static void leave_not_installed(struct scene *scene)
{
    static const struct rig_write installed = {.operation = RIG_INSTALL, .keep = 40, .entry_term = 3};
    receive(scene, RIG_SNAPSHOT_BYTES);
    rig_apply(&scene->log, &installed);
    scene_abandon(scene);
}

/* A part of a snapshot, one of the node's own that was not finished, and an older one that was not dropped. */
static void leave_leftovers(struct scene *scene)
{
    keep_snapshot(scene, 4);
    keep_snapshot(scene, 8);
    receive_more(scene);
    scene_abandon(scene);
    memory_fs_put(scene->memory, "node", "node/snapshot.new", (const uint8_t *)"left over", 9);
}

static void fill_pool(struct scene *scene)
{
    while (dgraft_storage_fill(scene->storage)) {
    }
}

/* What an earlier process left: a draft, and more than is wanted. */
static void leave_pool(struct scene *scene)
{
    const struct dgraft_storage_options options = scene_options(1);
    fill_pool(scene);
    scene_abandon(scene);
    memory_fs_put(scene->memory, "node", "node/spare.new", (const uint8_t *)"left over", 9);
    must(dgraft_storage_open(memory_fs_seam(scene->memory), "node", &options, &scene->storage, NULL) == DGRAFT_OK,
         "open");
}

static void make_spare(struct scene *scene)
{
    dgraft_storage_spare(scene->storage);
}

static void forget_segments(struct scene *scene)
{
    keep_snapshot(scene, 4);
    keep_snapshot(scene, 9);
    dgraft_storage_forget(scene->storage, 9);
}

/* The operations. */

static enum dgraft_status act_format(struct scene *scene)
{
    return rig_format(memory_fs_seam(scene->memory), &scene->log, &scene->why);
}

static enum dgraft_status act_open(struct scene *scene)
{
    const struct dgraft_storage_options options = scene_options(0);
    return dgraft_storage_open(memory_fs_seam(scene->memory), "node", &options, &scene->storage, &scene->why);
}

static enum dgraft_status act_spare(struct scene *scene)
{
    dgraft_storage_spare(scene->storage);
    return DGRAFT_OK;
}

static enum dgraft_status act_fill(struct scene *scene)
{
    fill_pool(scene);
    return DGRAFT_OK;
}

static enum dgraft_status act_begin(struct scene *scene)
{
    const struct dgraft_snapshot snapshot = rig_snapshot_of(received);
    return dgraft_storage_snapshot_begin(scene->storage, DGRAFT_SNAPSHOT_RECEIVED, &snapshot, RIG_CHUNK_BYTES,
                                         &scene->why);
}

/* What there was of the other one is dropped first, and is no longer owed. */
static enum dgraft_status act_begin_again(struct scene *scene)
{
    scene->part_bytes = 0;
    return act_begin(scene);
}

static enum dgraft_status act_store(struct scene *scene)
{
    uint8_t bytes[RIG_SNAPSHOT_BYTES];
    rig_snapshot_bytes(received, bytes);
    return dgraft_storage_snapshot_write(scene->storage, DGRAFT_SNAPSHOT_RECEIVED, RIG_CHUNK_BYTES,
                                         bytes + RIG_CHUNK_BYTES, RIG_CHUNK_BYTES, &scene->why);
}

static enum dgraft_status act_publish(struct scene *scene)
{
    const enum dgraft_status status = dgraft_storage_snapshot_publish(scene->storage, DGRAFT_SNAPSHOT_OWN, &scene->why);
    if (status == DGRAFT_OK) {
        dgraft_storage_snapshot_adopt(scene->storage, DGRAFT_SNAPSHOT_OWN);
    }
    return status;
}

static enum dgraft_status act_install(struct scene *scene)
{
    const struct dgraft_storage_write anew = {.log = true,
                                              .restart = received.term,
                                              .keep = received.index,
                                              .first = received.index + 1,
                                              .last = received,
                                              .commit = received.index,
                                              .wall_clock_ns = 1000};
    const enum dgraft_status status = dgraft_storage_prepare(scene->storage, &anew);
    if (status != DGRAFT_OK) {
        return status;
    }
    dgraft_storage_perform(scene->storage);
    return dgraft_storage_complete(scene->storage, &scene->why);
}

static enum dgraft_status act_drop(struct scene *scene)
{
    while (dgraft_storage_drop(scene->storage)) {
    }
    return DGRAFT_OK;
}

static enum dgraft_status act_read(struct scene *scene)
{
    uint8_t bytes[4096];
    uint32_t count = 0;
    size_t used = 0;
    return dgraft_storage_read(scene->storage, 2, 3, bytes, sizeof bytes, &count, &used, &scene->why);
}

static enum dgraft_status act_read_snapshot(struct scene *scene)
{
    uint8_t bytes[64];
    size_t got = 0;
    return dgraft_storage_snapshot_read(scene->storage, 100, bytes, sizeof bytes, &got, &scene->why);
}

static enum dgraft_status act_reread(struct scene *scene)
{
    uint8_t bytes[64];
    return dgraft_storage_snapshot_reread(scene->storage, DGRAFT_SNAPSHOT_RECEIVED, 100, bytes, sizeof bytes,
                                          &scene->why);
}

static enum dgraft_status act_close(struct scene *scene)
{
    struct dgraft_storage *storage = scene->storage;
    scene->storage = NULL;
    return dgraft_storage_close(storage, &scene->why);
}

/* All of them. */

#define WRITE(...)                                                                                                     \
    .change = &(const struct rig_write)                                                                                \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define ROLL WRITE(.log = true, .keep = 5, .count = 2, .entry_term = 3, .payload_bytes = 1500)
#define NAMED(name_, words_, states)                                                                                   \
    [OPERATION_##name_] = {.name = #name_, .words = (words_), .states_least = (states)},

static const struct operation names[OPERATION_COUNT] = {STORAGE_OPERATIONS(NAMED)};

static const struct operation table[OPERATION_COUNT] = {
    [OPERATION_format] = {.act = act_format},
    [OPERATION_open_marked] = {.before = two_entries, .ready = leave_marked, .act = act_open},
    [OPERATION_open_unmarked] = {.before = two_entries, .ready = leave_unmarked, .act = act_open},
    [OPERATION_open_void] = {.before = nearly_full, .ready = leave_void, .act = act_open},
    [OPERATION_open_torn_state] = {.before = two_entries, .ready = leave_torn_state, .act = act_open},
    [OPERATION_open_spare] = {.before = two_entries, .ready = leave_spare, .act = act_open},
    [OPERATION_open_leftovers] = {.before = three_segments, .ready = leave_leftovers, .act = act_open},
    [OPERATION_open_install] = {.before = two_entries, .ready = leave_not_installed, .act = act_open},
    [OPERATION_append] = {.before = two_entries,
                          WRITE(.log = true, .keep = 3, .count = 1, .entry_term = 3, .payload_bytes = 900)},
    [OPERATION_append_many] = {.before = two_entries,
                               WRITE(.log = true, .keep = 3, .count = 3, .entry_term = 3, .payload_bytes = 1700)},
    [OPERATION_truncate] = {.before = two_entries, WRITE(.log = true, .keep = 2)},
    [OPERATION_truncate_append] = {.before = two_entries,
                                   WRITE(.log = true, .keep = 2, .count = 2, .entry_term = 3, .payload_bytes = 500,
                                         .membership = true)},
    [OPERATION_save] = {.before = two_entries, WRITE(.state = true, .term = 4, .vote = 1)},
    [OPERATION_save_append] = {.before = two_entries,
                               WRITE(.state = true, .term = 4, .log = true, .keep = 3, .count = 1, .entry_term = 4,
                                     .payload_bytes = 600)},
    [OPERATION_mark] = {.before = two_entries, WRITE(.log = true, .keep = 3)},
    [OPERATION_roll] = {.before = nearly_full, ROLL},
    [OPERATION_roll_spare] = {.before = nearly_full, .ready = make_spare, ROLL},
    [OPERATION_roll_old_spare] = {.before = nearly_full, .ready = reopen_with_spare, ROLL},
    [OPERATION_roll_pool] = {.before = nearly_full, .ready = fill_pool, .spares = 2, ROLL},
    [OPERATION_roll_large] = {.before = nearly_full,
                              .ready = make_spare,
                              WRITE(.log = true, .keep = 5, .count = 5, .entry_term = 3, .payload_bytes = 2000)},
    [OPERATION_spare] = {.before = two_entries, .act = act_spare},
    [OPERATION_spare_pool] = {.before = two_entries, .ready = fill_pool, .act = act_spare, .spares = 2},
    [OPERATION_fill] = {.before = two_entries, .act = act_fill, .spares = 2},
    [OPERATION_fill_left_over] = {.before = two_entries, .ready = leave_pool, .act = act_fill, .spares = 3},
    [OPERATION_begin] = {.before = two_entries, .act = act_begin},
    [OPERATION_begin_again] = {.before = two_entries, .ready = receive_more, .act = act_begin_again},
    [OPERATION_store] = {.before = two_entries, .ready = receive_some, .act = act_store},
    [OPERATION_seal] = {.before = two_entries, .ready = store_own, .act = act_seal},
    [OPERATION_check] = {.before = two_entries, .ready = store_and_seal, .act = act_check},
    [OPERATION_publish] = {.before = two_entries,
                           .ready = store_and_check,
                           .act = act_publish,
                           WRITE(.operation = RIG_SNAPSHOT, .keep = 3)},
    [OPERATION_install] = {.before = two_entries,
                           .ready = publish_received,
                           .act = act_install,
                           WRITE(.operation = RIG_INSTALL, .keep = 40, .entry_term = 3)},
    [OPERATION_drop] = {.before = three_segments,
                        .ready = forget_segments,
                        .act = act_drop,
                        WRITE(.operation = RIG_FORGET, .keep = 9)},
    [OPERATION_read] = {.before = two_entries, .act = act_read},
    [OPERATION_read_snapshot] = {.before = two_entries, .ready = keep_one_snapshot, .act = act_read_snapshot},
    [OPERATION_reread] = {.before = two_entries, .ready = receive_more, .act = act_reread},
    [OPERATION_close_marked] = {.before = two_entries_and_mark, .act = act_close},
    [OPERATION_close_unmarked] = {.before = two_entries, .act = act_close},
};

struct operation storage_operation(enum operation_number number)
{
    struct operation operation = table[number];
    operation.name = names[number].name;
    operation.words = names[number].words;
    operation.states_least = names[number].states_least;
    return operation;
}

struct scene *scene_begin(const struct operation *operation)
{
    struct scene *scene = calloc(1, sizeof *scene);
    must(scene != NULL, "memory");
    scene->memory = memory_fs_new();
    if (operation->before == NULL) {
        return scene;
    }
    const struct dgraft_storage_options options = scene_options(operation->spares);
    struct dgraft_fs *fs = memory_fs_seam(scene->memory);
    must(rig_format(fs, &scene->log, NULL) == DGRAFT_OK, "format");
    must(dgraft_storage_open(fs, "node", &options, &scene->storage, NULL) == DGRAFT_OK, "open");
    for (size_t i = 0; i < WRITES_BEFORE && (operation->before[i].log || operation->before[i].state); i++) {
        must(rig_do(scene->storage, &scene->log, &operation->before[i]) == DGRAFT_OK, "write");
        rig_apply(&scene->log, &operation->before[i]);
    }
    if (operation->ready != NULL) {
        operation->ready(scene);
    }
    scene->formatted = true;
    scene->after = scene->log;
    if (operation->change != NULL) {
        rig_apply(&scene->after, operation->change);
    }
    return scene;
}

enum dgraft_status scene_act(struct scene *scene, const struct operation *operation)
{
    return operation->act != NULL ? operation->act(scene) : rig_do(scene->storage, &scene->log, operation->change);
}

void scene_abandon(struct scene *scene)
{
    dgraft_storage_abandon(scene->storage);
    scene->storage = NULL;
}

void scene_end(struct scene *scene)
{
    scene_abandon(scene);
    memory_fs_free(scene->memory);
    free(scene);
}

const char *scene_part_differs(struct dgraft_storage *storage, const struct scene *scene)
{
    uint8_t expected[RIG_SNAPSHOT_BYTES];
    uint8_t bytes[RIG_SNAPSHOT_BYTES];
    struct dgraft_found found;
    struct dgraft_why why;
    dgraft_storage_found(storage, &found);
    const uint64_t least = scene->part_bytes > RIG_CHUNK_BYTES ? scene->part_bytes - RIG_CHUNK_BYTES : 0;
    if (found.received_bytes < least) {
        return "acknowledged bytes of a snapshot under way are lost";
    }
    if (found.received_bytes == 0) {
        return NULL;
    }
    const struct dgraft_snapshot snapshot = rig_snapshot_of(received);
    if (!dgraft_snapshot_equal(&found.receiving, &snapshot) || found.received_bytes > sizeof bytes) {
        return "another snapshot is under way than was received";
    }
    rig_snapshot_bytes(received, expected);
    if (dgraft_storage_snapshot_reread(storage, DGRAFT_SNAPSHOT_RECEIVED, 0, bytes, (size_t)found.received_bytes,
                                       &why) != DGRAFT_OK ||
        memcmp(bytes, expected, (size_t)found.received_bytes) != 0) {
        return "bytes of a snapshot under way are not those that were received";
    }
    return NULL;
}
