#include "machine_stream.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of a whole state that are handed on at once. */
#define PIECE_BYTES ((size_t)1024 * 1024)

/* All of a state, on its way to or from a machine that knows no pieces. */
struct whole {
    struct dgraft_snapshot_writer writer;
    size_t at; /* handed on, or filled in, up to here */
    bool failed;
};

bool dgraft_machine_saves(const struct dgraft_state_machine *machine)
{
    return machine->stream != NULL || machine->snapshot != NULL;
}

bool dgraft_machine_loads(const struct dgraft_state_machine *machine)
{
    return machine->stream != NULL || machine->restore != NULL;
}

static void free_whole(struct whole *whole)
{
    free(whole->writer.bytes);
    free(whole);
}

void *dgraft_machine_save_begin(const struct dgraft_state_machine *machine)
{
    if (machine->stream != NULL) {
        return machine->stream->save_begin(machine->context);
    }
    struct whole *whole = calloc(1, sizeof *whole);
    if (whole != NULL) {
        whole->failed = !machine->snapshot(machine->context, &whole->writer) || whole->writer.failed;
    }
    return whole;
}

enum dgraft_save_step dgraft_machine_save_piece(const struct dgraft_state_machine *machine, void *saving,
                                                struct dgraft_snapshot_writer *writer)
{
    if (machine->stream != NULL) {
        return machine->stream->save_piece(machine->context, saving, writer);
    }
    struct whole *whole = saving;
    const size_t left = whole->writer.size - whole->at;
    const size_t size = left < PIECE_BYTES ? left : PIECE_BYTES;
    writer->failed = writer->failed || whole->writer.failed;
    if (whole->failed || (size > 0 && !dgraft_snapshot_write(writer, whole->writer.bytes + whole->at, size))) {
        return DGRAFT_SAVE_FAILED;
    }
    whole->at += size;
    return size == left ? DGRAFT_SAVE_DONE : DGRAFT_SAVE_MORE;
}

void dgraft_machine_save_end(const struct dgraft_state_machine *machine, void *saving)
{
    if (machine->stream != NULL) {
        machine->stream->save_end(machine->context, saving);
    } else {
        free_whole(saving);
    }
}

void *dgraft_machine_load_begin(const struct dgraft_state_machine *machine, uint64_t size)
{
    if (machine->stream != NULL) {
        return machine->stream->load_begin(machine->context, size);
    }
    struct whole *whole = size <= SIZE_MAX / 2 ? calloc(1, sizeof *whole) : NULL;
    if (whole == NULL) {
        return NULL;
    }
    whole->writer.size = (size_t)size;
    whole->writer.bytes = malloc(whole->writer.size + 1); /* a view of nothing is one, too */
    if (whole->writer.bytes == NULL) {
        free_whole(whole);
        return NULL;
    }
    return whole;
}

bool dgraft_machine_load_piece(const struct dgraft_state_machine *machine, void *loading, const uint8_t *bytes,
                               size_t size)
{
    if (machine->stream != NULL) {
        return machine->stream->load_piece(machine->context, loading, bytes, size);
    }
    struct whole *whole = loading;
    memcpy(whole->writer.bytes + whole->at, bytes, size);
    whole->at += size;
    return true;
}

bool dgraft_machine_load_take(const struct dgraft_state_machine *machine, void *loading)
{
    if (machine->stream != NULL) {
        return machine->stream->load_take(machine->context, loading);
    }
    struct whole *whole = loading;
    const bool taken =
        machine->restore != NULL && machine->restore(machine->context, whole->writer.bytes, whole->writer.size);
    free_whole(whole);
    return taken;
}

void dgraft_machine_load_drop(const struct dgraft_state_machine *machine, void *loading)
{
    if (machine->stream != NULL) {
        machine->stream->load_drop(machine->context, loading);
    } else {
        free_whole(loading);
    }
}
