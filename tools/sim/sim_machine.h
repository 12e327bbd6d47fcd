/* A state machine for simulations: registers that are written with values that occur once. */
#ifndef SIM_MACHINE_H
#define SIM_MACHINE_H

#include <dgraft/driver.h>
#include <dgraft/record.h>
#include <dgraft/types.h>

#define SIM_KEYS_MAX          16u
#define SIM_COMMAND_BYTES_MIN 16u

/* A command's payload: operation u64, key u32, payload bytes u32, then bytes that follow from the operation. The value
 * that it writes is the operation's number. */
struct sim_command {
    uint64_t operation;
    uint32_t key;
    uint32_t bytes; /* of the payload, at least SIM_COMMAND_BYTES_MIN */
};

/* Writes a payload of command->bytes. */
void sim_command_encode(const struct sim_command *command, uint8_t *out);

/* Reads one. Returns false when a byte is not as encode would have written it. */
bool sim_command_decode(const uint8_t *bytes, size_t size, struct sim_command *out);

/* Reads a command as it stands in a record. *session is 0 when it is in none. */
bool sim_record_command(const struct dgraft_record *record, struct sim_command *out, dgraft_index *session);

struct sim_machine {
    uint64_t values[SIM_KEYS_MAX]; /* 0: never written */
    dgraft_index applied;          /* newest command */
    uint64_t hash;                 /* chained over every command applied */
};

/* Applies one command; false when it cannot be read. */
bool sim_machine_apply(struct sim_machine *machine, struct dgraft_position position, const uint8_t *bytes, size_t size);

/* Writes all of it for a snapshot, with filler_bytes more that say nothing: with another flavour, equal states are
 * other bytes. Returns false when there is no memory. */
bool sim_machine_save(const struct sim_machine *machine, uint64_t flavour, uint32_t filler_bytes,
                      struct dgraft_snapshot_writer *writer);

/* Reads it back. Returns false, and changes nothing, when a byte is not as save would have written it. */
bool sim_machine_load(struct sim_machine *machine, const uint8_t *bytes, size_t size);

#endif
