/* A state machine's state in pieces, whichever way the machine writes and reads it: one that does it as a whole is
 * given the pieces of a buffer that holds all of it.
 */
#ifndef DGRAFT_NODE_MACHINE_STREAM_H
#define DGRAFT_NODE_MACHINE_STREAM_H

#include "snapshot_state.h"

/* Say whether it can at all. */
bool dgraft_machine_saves(const struct dgraft_state_machine *machine);
bool dgraft_machine_loads(const struct dgraft_state_machine *machine);

/* As the functions of struct dgraft_state_stream. */
void *dgraft_machine_save_begin(const struct dgraft_state_machine *machine);
enum dgraft_save_step dgraft_machine_save_piece(const struct dgraft_state_machine *machine, void *saving,
                                                struct dgraft_snapshot_writer *writer);
void dgraft_machine_save_end(const struct dgraft_state_machine *machine, void *saving);
void *dgraft_machine_load_begin(const struct dgraft_state_machine *machine, uint64_t size);
bool dgraft_machine_load_piece(const struct dgraft_state_machine *machine, void *loading, const uint8_t *bytes,
                               size_t size);
bool dgraft_machine_load_take(const struct dgraft_state_machine *machine, void *loading);
void dgraft_machine_load_drop(const struct dgraft_state_machine *machine, void *loading);

#endif
