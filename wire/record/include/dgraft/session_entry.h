/* What client sessions [§6.3] put into records: the payload of a SESSION entry, and the head of a command's payload
 * that belongs to a session (flag DGRAFT_RECORD_IN_SESSION).
 *
 *   offset  width  SESSION entry                          head of a command
 *        0      4  act: enum dgraft_session_act           session: index of the entry that opened it
 *        4      4  0
 *        8      8  OPEN: timeout in ns; CLOSE: session    sequence, from 1 on
 *       16         (end)                                  the command
 */
#ifndef DGRAFT_SESSION_ENTRY_H
#define DGRAFT_SESSION_ENTRY_H

#include <dgraft/refusal.h>
#include <dgraft/types.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DGRAFT_SESSION_BYTES          16u /* of a SESSION entry's payload, and of a head */
#define DGRAFT_SESSION_TIMEOUT_MAX_NS (UINT64_C(366) * 24 * 3600 * 1000000000)

enum dgraft_session_act { DGRAFT_SESSION_OPEN = 1, DGRAFT_SESSION_CLOSE = 2 };

struct dgraft_session_entry {
    enum dgraft_session_act act;
    uint64_t timeout_ns;  /* of OPEN */
    dgraft_index session; /* of CLOSE */
};

/* Which command of which session. */
struct dgraft_session_head {
    dgraft_index session;
    uint64_t sequence;
};

/* Writes the payload of a SESSION entry. Timeout (1 to DGRAFT_SESSION_TIMEOUT_MAX_NS) or session must be valid. */
void dgraft_session_entry_encode(const struct dgraft_session_entry *entry, uint8_t out[DGRAFT_SESSION_BYTES]);

/* Reads one. Returns ACCEPT; LENGTH, TYPE (an act that is not known) or FIELD. */
enum dgraft_refusal dgraft_session_entry_decode(const uint8_t *payload, size_t size, struct dgraft_session_entry *out);

/* Writes the head of a command; neither number is 0 or above DGRAFT_RECORD_NUMBER_MAX. */
void dgraft_session_head_encode(const struct dgraft_session_head *head, uint8_t out[DGRAFT_SESSION_BYTES]);

/* Reads one. Returns ACCEPT, LENGTH or FIELD. */
enum dgraft_refusal dgraft_session_head_decode(const uint8_t *payload, size_t size, struct dgraft_session_head *out);

#ifdef __cplusplus
}
#endif
#endif
