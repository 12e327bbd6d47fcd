#include "snapshot_loader.h"

#include <assert.h>
#include <stdlib.h>

#define SLICE_BYTES ((size_t)1024 * 1024)

static size_t slice(uint64_t left)
{
    return left < SLICE_BYTES ? (size_t)left : SLICE_BYTES;
}

bool dgraft_loader_begin(struct snapshot_loader *loader, const struct dgraft_state_machine *machine,
                         const struct dgraft_snapshot *snapshot)
{
    const size_t size = slice(snapshot->size);
    *loader = (struct snapshot_loader){
        .machine = machine, .snapshot = *snapshot, .bytes = malloc(size + 1), .capacity = size, .size = size};
    return loader->bytes != NULL;
}

/* Members and sessions take more than was read: all of them once more. There are at most so many sessions as the bound
 * on them says; a snapshot that claims more is refused before there is memory for it. */
static enum loader_step more_front(struct snapshot_loader *loader, uint64_t front)
{
    if (front > loader->snapshot.size || front > SNAPSHOT_STATE_FRONT_MAX + SESSIONS_ENCODED_MAX) {
        loader->refusal = DGRAFT_REFUSAL_LENGTH;
        return LOADER_REFUSED;
    }
    uint8_t *larger = realloc(loader->bytes, (size_t)front);
    if (larger == NULL) {
        return LOADER_NO_MEMORY;
    }
    loader->bytes = larger;
    loader->capacity = (size_t)front;
    loader->size = (size_t)front;
    return LOADER_MORE;
}

/* Reads the front. Returns DONE when it was, and the machine is ready for the rest. */
static enum loader_step take_front(struct snapshot_loader *loader)
{
    const struct dgraft_snapshot *snapshot = &loader->snapshot;
    struct snapshot_state *state = &loader->state;
    assert(loader->at == 0);
    loader->refusal = dgraft_snapshot_members_decode(loader->bytes, loader->size, snapshot->position.index,
                                                     &state->members, &state->members_index);
    if (loader->refusal != DGRAFT_ACCEPT) {
        return LOADER_REFUSED;
    }
    const uint64_t front = dgraft_snapshot_front_bytes(loader->bytes);
    if (front > loader->size) {
        return more_front(loader, front);
    }
    loader->refusal =
        dgraft_snapshot_state_decode(loader->bytes, loader->size, snapshot->size, snapshot->position.index, state);
    if (loader->refusal != DGRAFT_ACCEPT) {
        return LOADER_REFUSED;
    }
    loader->loading = dgraft_machine_load_begin(loader->machine, snapshot->size - state->front_bytes);
    return loader->loading != NULL ? LOADER_DONE : LOADER_NO_MEMORY;
}

enum loader_step dgraft_loader_take(struct snapshot_loader *loader)
{
    size_t front = 0;
    if (loader->loading == NULL) {
        const enum loader_step step = take_front(loader);
        if (step != LOADER_DONE) {
            return step;
        }
        front = loader->state.front_bytes;
    }
    if (loader->size > front &&
        !dgraft_machine_load_piece(loader->machine, loader->loading, loader->bytes + front, loader->size - front)) {
        return LOADER_MACHINE;
    }
    loader->at += loader->size;
    loader->size = slice(loader->snapshot.size - loader->at);
    loader->size = loader->size < loader->capacity ? loader->size : loader->capacity;
    return loader->size > 0 ? LOADER_MORE : LOADER_DONE;
}

void dgraft_loader_end(struct snapshot_loader *loader)
{
    if (loader->loading != NULL) {
        dgraft_machine_load_drop(loader->machine, loader->loading);
    }
    dgraft_sessions_free(&loader->state.sessions);
    free(loader->bytes);
    *loader = (struct snapshot_loader){.bytes = NULL};
}
