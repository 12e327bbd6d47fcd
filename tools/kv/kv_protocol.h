/* What clients ask raftd, inside CLIENT_REQUEST and CLIENT_ANSWER frames (frame.h), and the commands in raftd's log.
 *
 *   request.kind  payload of the request                     payload of the answer (result OK)
 *   PUT           key length u32, 0 u32, key, value          -
 *   DELETE        key length u32, 0 u32, key                 -
 *   GET           key length u32, 0 u32, key                 found u8 (0 or 1), seven zeros, value
 *   STATUS        -                                          JSON text: docs/operations.md
 *   SNAPSHOT      -                                          -; the server asked begins to make one
 *   TRANSFER      node id u32 (0: any), 0 u32                -; `leader` is who leads now
 *   CHANGE        kind u32 (enum dgraft_change_kind),        -
 *                 node id u32, store u64 (0: unknown),
 *                 address as text (of a new member)
 *
 * The answer NOT_LEADER carries the leader's address as text, when it is known; REFUSED carries a sentence.
 * A command in the log has tag = kind (PUT or DELETE) and as payload the request's, preceded by client u64 and
 * sequence u64.
 */
#ifndef KV_PROTOCOL_H
#define KV_PROTOCOL_H

enum kv_kind { KV_PUT = 1, KV_GET = 2, KV_DELETE = 3, KV_STATUS = 4, KV_TRANSFER = 5, KV_CHANGE = 6, KV_SNAPSHOT = 7 };

#define KV_KEY_BYTES_MAX   4096u /* at least 1 */
#define KV_VALUE_BYTES_MAX (1024u * 1024u)

#endif
