/* The table of sessions in a snapshot, of any bytes: as they come, and with a checksum that fits. What is accepted is
 * written again alike, and can be used. */
#include <dgraft/record.h>
#include <sessions.h>

#include <stdlib.h>
#include <string.h>

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void use(struct sessions *sessions)
{
    for (uint32_t i = 0; i < sessions->count; i++) {
        const struct dgraft_session_head head = {sessions->items[i]->id, sessions->items[i]->newest + 1};
        const struct dgraft_position position = {DGRAFT_RECORD_NUMBER_MAX, 1};
        require(dgraft_sessions_take(sessions, &head, position, NULL) == SESSION_FRESH);
        require(dgraft_sessions_take(sessions, &head, position, NULL) == SESSION_DONE);
    }
    dgraft_sessions_advance(sessions, DGRAFT_RECORD_NUMBER_MAX);
}

static void decode(const uint8_t *bytes, size_t size)
{
    struct sessions sessions;
    if (dgraft_sessions_decode(bytes, size, &sessions) != DGRAFT_ACCEPT) {
        return;
    }
    uint8_t *again = malloc(size);
    require(again != NULL && dgraft_sessions_encoded_bytes(&sessions) == size);
    dgraft_sessions_encode(&sessions, again);
    require(memcmp(bytes, again, size) == 0);
    free(again);
    use(&sessions);
    dgraft_sessions_free(&sessions);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode(data, size);
    if (size < 8) {
        return 0;
    }
    uint8_t *bytes = malloc(size);
    require(bytes != NULL);
    memcpy(bytes, data, size);
    dgraft_put_u32(bytes + size - 8, dgraft_crc32c(0, bytes, size - 8));
    decode(bytes, size);
    free(bytes);
    return 0;
}
