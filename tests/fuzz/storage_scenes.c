#include "storage_scenes.h"

#include "storage_rig.h"

#include <stdio.h>
#include <stdlib.h>

static void must(bool holds)
{
    if (!holds) {
        (void)fprintf(stderr, "storage_scenes: storage refused\n");
        abort();
    }
}

static struct dgraft_storage *opened(struct memory_fs *memory)
{
    static const struct dgraft_storage_options options = {.segment_bytes = 8192, .runs_max = 8};
    struct dgraft_storage *storage;
    must(dgraft_storage_open(memory_fs_seam(memory), "node", &options, &storage, NULL) == DGRAFT_OK);
    return storage;
}

void storage_scenes(void (*scene)(void *context, struct memory_fs *memory, const char *name), void *context)
{
    static const struct rig_write writes[] = {
        {.log = true, .keep = 1, .count = 2, .entry_term = 1, .payload_bytes = 9},
        {.state = true, .term = 2, .vote = 2, .log = true, .keep = 3, .count = 3, .entry_term = 2, .payload_bytes = 40},
        {.log = true, .keep = 4, .count = 0},
        {.log = true, .keep = 4, .count = 2, .entry_term = 2, .payload_bytes = 3, .membership = true},
        {.log = true, .keep = 6, .count = 1, .entry_term = 2, .payload_bytes = 3000},
        {.state = true, .term = 3, .vote = 0},
        {.log = true, .keep = 2, .count = 1, .entry_term = 3, .payload_bytes = 0},
    };
    struct rig_log *log = calloc(1, sizeof *log);
    struct memory_fs *memory = memory_fs_new();
    must(log != NULL);
    must(rig_format(memory_fs_seam(memory), log, NULL) == DGRAFT_OK);
    scene(context, memory, "formatted");
    struct dgraft_storage *storage = opened(memory);
    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        char name[32];
        must(rig_do(storage, log, &writes[i]) == DGRAFT_OK);
        rig_apply(log, &writes[i]);
        (void)snprintf(name, sizeof name, "written-%zu", i);
        scene(context, memory, name);
    }
    must(dgraft_storage_close(storage, NULL) == DGRAFT_OK);
    scene(context, memory, "closed");
    storage = opened(memory);
    dgraft_storage_spare(storage);
    dgraft_storage_abandon(storage);
    scene(context, memory, "spare");
    storage = opened(memory);
    must(rig_do(storage, log, &(struct rig_write){.log = true, .keep = log->last, .count = 1, .entry_term = 3}) ==
         DGRAFT_OK);
    dgraft_storage_abandon(storage);
    storage = opened(memory);
    dgraft_storage_abandon(storage);
    scene(context, memory, "rewritten");
    memory_fs_free(memory);
    free(log);
}
