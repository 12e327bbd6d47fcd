/* What a snapshot's bytes are, of any bytes: as a leader sends them, with a digest that fits. What is accepted is
 * written again alike; the members alone are read the same. With the sessions' checksum made to fit, too: fuzzing would
 * never find it. */
#include <dgraft/record.h>
#include <snapshot_state.h>

#include <stdlib.h>
#include <string.h>

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void decode(const uint8_t *bytes, size_t size, dgraft_index index)
{
    struct snapshot_state state;
    struct dgraft_members members;
    dgraft_index members_index = 0;
    const enum dgraft_refusal front = dgraft_snapshot_members_decode(bytes, size, index, &members, &members_index);
    if (dgraft_snapshot_state_decode(bytes, size, size, index, &state) != DGRAFT_ACCEPT) {
        require(state.sessions.items == NULL);
        return;
    }
    require(front == DGRAFT_ACCEPT && members_index == state.members_index && members.count == state.members.count);
    require(members_index >= 1 && members_index <= index);
    struct dgraft_snapshot_writer writer = {.bytes = NULL};
    require(dgraft_snapshot_state_begin(&writer, state.members_index, &state.members, &state.sessions));
    require(dgraft_snapshot_front_bytes(bytes) == state.front_bytes && writer.size == state.front_bytes);
    if (dgraft_get_u32(bytes + 4) == 1) { /* the version before; it said how long the state is */
        require(dgraft_get_u64(bytes + 24) == size - state.front_bytes);
        dgraft_put_u32(writer.bytes + 4, 1);
        dgraft_put_u64(writer.bytes + 24, size - state.front_bytes);
    }
    require(memcmp(writer.bytes, bytes, state.front_bytes) == 0);
    free(writer.bytes);
    dgraft_sessions_free(&state.sessions);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode(data, size, 1000);
    decode(data, size, UINT64_MAX / 2);
    if (size < SNAPSHOT_STATE_HEAD_BYTES) {
        return 0;
    }
    const uint64_t end =
        UINT64_C(0) + SNAPSHOT_STATE_HEAD_BYTES + dgraft_get_u32(data + 16) + dgraft_get_u32(data + 20);
    if (end > size || dgraft_get_u32(data + 20) < 8) {
        return 0;
    }
    uint8_t *bytes = malloc(size);
    require(bytes != NULL);
    memcpy(bytes, data, size);
    const size_t sessions = (size_t)end - dgraft_get_u32(data + 20);
    dgraft_put_u32(bytes + end - 8, dgraft_crc32c(0, bytes + sessions, (size_t)end - 8 - sessions));
    dgraft_put_u64(bytes + 24, dgraft_get_u32(bytes + 4) == 1 ? size - end : 0);
    decode(bytes, size, UINT64_MAX / 2);
    free(bytes);
    return 0;
}
