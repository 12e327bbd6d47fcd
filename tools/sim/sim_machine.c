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

/* applied u64, hash u64, values, flavour u64, bytes of filler u32, checksum of all before u32, filler */
#define STATE_BYTES (8u * (SIM_KEYS_MAX + 4u))

static uint8_t state_filler(uint64_t flavour, uint32_t at)
{
    return (uint8_t)(flavour * 13u + (uint64_t)at * at + (at >> 8));
}

bool sim_machine_save(const struct sim_machine *machine, uint64_t flavour, uint32_t filler_bytes,
                      struct dgraft_snapshot_writer *writer)
{
    uint8_t front[STATE_BYTES];
    uint8_t filler_part[64];

    dgraft_put_u64(front, machine->applied);
    dgraft_put_u64(front + 8, machine->hash);
    for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
        dgraft_put_u64(front + 16 + (size_t)8 * key, machine->values[key]);
    }
    dgraft_put_u64(front + STATE_BYTES - 16, flavour);
    dgraft_put_u32(front + STATE_BYTES - 8, filler_bytes);
    dgraft_put_u32(front + STATE_BYTES - 4, dgraft_crc32c(0, front, STATE_BYTES - 4));
    bool good = dgraft_snapshot_write(writer, front, sizeof front);
    for (uint32_t at = 0; at < filler_bytes && good;) {
        uint32_t part = 0;
        while (part < sizeof filler_part && at < filler_bytes) {
            filler_part[part++] = state_filler(flavour, at++);
        }
        good = dgraft_snapshot_write(writer, filler_part, part);
    }
    return good;
}

bool sim_machine_load(struct sim_machine *machine, const uint8_t *bytes, size_t size)
{
    if (size < STATE_BYTES || dgraft_get_u32(bytes + STATE_BYTES - 4) != dgraft_crc32c(0, bytes, STATE_BYTES - 4) ||
        dgraft_get_u32(bytes + STATE_BYTES - 8) != size - STATE_BYTES) {
        return false;
    }
    const uint64_t flavour = dgraft_get_u64(bytes + STATE_BYTES - 16);
    for (size_t at = 0; at < size - STATE_BYTES; at++) {
        if (bytes[STATE_BYTES + at] != state_filler(flavour, (uint32_t)at)) {
            return false;
        }
    }
    machine->applied = dgraft_get_u64(bytes);
    machine->hash = dgraft_get_u64(bytes + 8);
    for (uint32_t key = 0; key < SIM_KEYS_MAX; key++) {
        machine->values[key] = dgraft_get_u64(bytes + 16 + (size_t)8 * key);
    }
    return true;
}
