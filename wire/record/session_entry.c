/* Codec of what sessions put into records; session_entry.h has the layout. */
#include <dgraft/record.h>
#include <dgraft/session_entry.h>

#include <assert.h>

static bool number_valid(uint64_t number)
{
    return number > 0 && number <= DGRAFT_RECORD_NUMBER_MAX;
}

static bool timeout_valid(uint64_t timeout_ns)
{
    return timeout_ns > 0 && timeout_ns <= DGRAFT_SESSION_TIMEOUT_MAX_NS;
}

void dgraft_session_entry_encode(const struct dgraft_session_entry *entry, uint8_t out[DGRAFT_SESSION_BYTES])
{
    const bool opens = entry->act == DGRAFT_SESSION_OPEN;
    assert(opens ? timeout_valid(entry->timeout_ns) : number_valid(entry->session));
    dgraft_put_u32(out, (uint32_t)entry->act);
    dgraft_put_u32(out + 4, 0);
    dgraft_put_u64(out + 8, opens ? entry->timeout_ns : entry->session);
}

enum dgraft_refusal dgraft_session_entry_decode(const uint8_t *payload, size_t size, struct dgraft_session_entry *out)
{
    if (size != DGRAFT_SESSION_BYTES) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    const uint32_t act = dgraft_get_u32(payload);
    const uint64_t number = dgraft_get_u64(payload + 8);
    if (act != DGRAFT_SESSION_OPEN && act != DGRAFT_SESSION_CLOSE) {
        return DGRAFT_REFUSAL_TYPE;
    }
    const bool opens = act == DGRAFT_SESSION_OPEN;
    if (dgraft_get_u32(payload + 4) != 0 || !(opens ? timeout_valid(number) : number_valid(number))) {
        return DGRAFT_REFUSAL_FIELD;
    }
    *out = (struct dgraft_session_entry){
        .act = (enum dgraft_session_act)act, .timeout_ns = opens ? number : 0, .session = opens ? 0 : number};
    return DGRAFT_ACCEPT;
}

void dgraft_session_head_encode(const struct dgraft_session_head *head, uint8_t out[DGRAFT_SESSION_BYTES])
{
    assert(number_valid(head->session) && number_valid(head->sequence));
    dgraft_put_u64(out, head->session);
    dgraft_put_u64(out + 8, head->sequence);
}

enum dgraft_refusal dgraft_session_head_decode(const uint8_t *payload, size_t size, struct dgraft_session_head *out)
{
    if (size < DGRAFT_SESSION_BYTES) {
        return DGRAFT_REFUSAL_LENGTH;
    }
    *out = (struct dgraft_session_head){.session = dgraft_get_u64(payload), .sequence = dgraft_get_u64(payload + 8)};
    return number_valid(out->session) && number_valid(out->sequence) ? DGRAFT_ACCEPT : DGRAFT_REFUSAL_FIELD;
}
