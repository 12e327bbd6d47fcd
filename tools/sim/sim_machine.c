#include "sim_machine.h"

#include <dgraft/session_entry.h>

#include <xxhash.h>

static uint8_t filler(uint64_t operation, uint32_t at)
{
    return (uint8_t)(operation * 31u + at * 7u);
}

void sim_command_encode(const struct sim_command *command, uint8_t *out)
{
    dgraft_put_u64(out, command->operation);
    dgraft_put_u32(out + 8, command->key);
    dgraft_put_u32(out + 12, command->bytes);
    for (uint32_t i = SIM_COMMAND_BYTES_MIN; i < command->bytes; i++) {
        out[i] = filler(command->operation, i);
    }
}

bool sim_command_decode(const uint8_t *bytes, size_t size, struct sim_command *out)
{
    if (size < SIM_COMMAND_BYTES_MIN) {
        return false;
    }
    out->operation = dgraft_get_u64(bytes);
    out->key = dgraft_get_u32(bytes + 8);
    out->bytes = dgraft_get_u32(bytes + 12);
    if (out->bytes != size || out->key >= SIM_KEYS_MAX || out->operation == 0) {
        return false;
    }
    for (uint32_t i = SIM_COMMAND_BYTES_MIN; i < out->bytes; i++) {
        if (bytes[i] != filler(out->operation, i)) {
            return false;
        }
    }
    return true;
}

bool sim_record_command(const struct dgraft_record *record, struct sim_command *out, dgraft_index *session)
{
    struct dgraft_session_head head = {.session = 0};
    size_t front = 0;

    if ((record->flags & DGRAFT_RECORD_IN_SESSION) != 0) {
        front = DGRAFT_SESSION_BYTES;
        if (dgraft_session_head_decode(record->payload, record->entry.payload_bytes, &head) != DGRAFT_ACCEPT) {
            return false;
        }
    }
    *session = head.session;
    return sim_command_decode(record->payload + front, record->entry.payload_bytes - front, out);
}

bool sim_machine_apply(struct sim_machine *machine, struct dgraft_position position, const uint8_t *bytes, size_t size)
{
    struct sim_command command;

    if (!sim_command_decode(bytes, size, &command)) {
        return false;
    }
    const uint64_t link[4] = {machine->hash, position.index, position.term, command.operation};
    machine->hash = XXH3_64bits(link, sizeof link);
    machine->values[command.key] = command.operation;
    machine->applied = position.index;
    return true;
}
